/* Frame slots. One sweep over positions: an interval takes a slot at its start and gives it back at its end. A vector
 * takes two, the first one even, so that it is aligned; what once was a vector's serves vectors only. */
#include <string.h>

#include "compiler/regalloc.h"

static bool needs_slot(const wagi_homes *homes, const wagi_vreg *v)
{
    return v->home == WAGI_HOME_SLOT || (v->home >= 0 && v->crosses && !wagi_reg_is_saved(homes->machine, v->home));
}

bool wagi_homes_slots(wagi_homes *homes)
{
    wagi_ir *ir = homes->ir;
    if (homes->spills.n == 0 && homes->call_pos.n == 0)
        return true;
    uint32_t positions = wagi_ir_pos((uint32_t)ir->ins.n) + 2;
    homes->head.n = homes->next.n = 0;
    if (!WAGI_VEC_RESERVE(&homes->head, positions) || !WAGI_VEC_RESERVE(&homes->next, ir->vregs.n))
        return false;
    /* Per position, the slots that are free from it on. */
    uint32_t *ending = homes->head.p, *next = homes->next.p;
    memset(ending, 0, (size_t)positions * 4);
    uint32_t free_slots[2] = {0, 0}, swept = 0; /* by width: list of vregs whose slot is free, 1 + vreg */
    for (size_t i = 0; i < homes->order.n; i++) {
        uint32_t vreg = homes->order.p[i];
        wagi_vreg *v = &ir->vregs.p[vreg];
        if (!needs_slot(homes, v))
            continue;
        for (; swept < v->start && swept < positions; swept++)
            for (uint32_t ended = ending[swept]; ended;) {
                uint32_t following = next[ended - 1];
                uint32_t *list = &free_slots[wagi_ty_slots(ir->vregs.p[ended - 1].type) - 1];
                next[ended - 1] = *list;
                *list = ended;
                ended = following;
            }
        uint32_t width = wagi_ty_slots(v->type), *list = &free_slots[width - 1];
        if (*list) {
            v->slot = ir->vregs.p[*list - 1].slot;
            *list = next[*list - 1];
        } else {
            homes->wide_slots |= width > 1;
            homes->slot_count = (homes->slot_count + width - 1) & ~(width - 1);
            v->slot = homes->slot_count;
            homes->slot_count += width;
        }
        uint32_t end = v->end < positions ? v->end : positions - 1;
        next[vreg] = ending[end];
        ending[end] = vreg + 1;
    }
    return true;
}

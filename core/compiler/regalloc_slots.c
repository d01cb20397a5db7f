/* Frame slots. One sweep over positions: an interval takes a slot at its start and gives it back at its end. */
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
    /* sort_by_start's lists have been read; the same arrays now list, per position, the slots that are free from it on.
     */
    uint32_t *ending = homes->head.p, *next = homes->next.p;
    memset(ending, 0, (size_t)positions * 4);
    uint32_t free_slots = 0, swept = 0; /* free_slots: list of vregs whose slot is free, 1 + vreg */
    for (size_t i = 0; i < homes->order.n; i++) {
        uint32_t vreg = homes->order.p[i];
        wagi_vreg *v = &ir->vregs.p[vreg];
        if (!needs_slot(homes, v))
            continue;
        for (; swept < v->start && swept < positions; swept++)
            for (uint32_t ended = ending[swept]; ended;) {
                uint32_t following = next[ended - 1];
                next[ended - 1] = free_slots;
                free_slots = ended;
                ended = following;
            }
        if (free_slots) {
            v->slot = ir->vregs.p[free_slots - 1].slot;
            free_slots = next[free_slots - 1];
        } else {
            v->slot = homes->slot_count++;
        }
        uint32_t end = v->end < positions ? v->end : positions - 1;
        next[vreg] = ending[end];
        ending[end] = vreg + 1;
    }
    return true;
}

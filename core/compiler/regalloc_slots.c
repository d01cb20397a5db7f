/* Frame slots. One sweep over positions: an interval takes a slot at its start and gives it back at its end. A vector
 * takes two, the first one even, so that it is aligned; what once was a vector's serves vectors only. */
#include <string.h>

#include "compiler/regalloc.h"

static bool needs_slot(const wagi_homes *homes, const wagi_vreg *v)
{
    return v->home == WAGI_HOME_SLOT || (v->home >= 0 && v->crosses && !wagi_reg_is_saved(homes->machine, v->home));
}

typedef struct sweep {
    const wagi_ir *ir;
    uint64_t *ends;   /* bit per position: slots are free from it on; this one and those before are swept */
    uint32_t *ending; /* by position, where the bit is set: list of vregs whose slots these are, 1 + vreg */
    uint32_t *next;
    uint32_t free_slots[2]; /* by width: the same of all that are free */
    uint32_t word;          /* the words before it have no bits */
} sweep;

static void give_back(sweep *s, uint32_t ended)
{
    while (ended) {
        uint32_t following = s->next[ended - 1];
        uint32_t *list = &s->free_slots[wagi_ty_slots(s->ir->vregs.p[ended - 1].type) - 1];
        s->next[ended - 1] = *list;
        *list = ended;
        ended = following;
    }
}

/* The slots of intervals that end before the position are free. */
static void sweep_to(sweep *s, uint32_t pos)
{
    for (;; s->word++) {
        uint64_t before = s->word < pos / 64 ? UINT64_MAX : (1ull << (pos & 63)) - 1;
        uint64_t *word = &s->ends[s->word];
        for (; *word & before; *word &= *word - 1)
            give_back(s, s->ending[s->word * 64 + (uint32_t)__builtin_ctzll(*word)]);
        if (s->word == pos / 64)
            return;
    }
}

bool wagi_homes_slots(wagi_homes *homes)
{
    wagi_ir *ir = homes->ir;
    if (homes->spills.n == 0 && homes->call_pos.n == 0)
        return true;
    uint32_t positions = wagi_ir_pos((uint32_t)ir->ins.n) + 2, words = positions / 64 + 1;
    homes->head.n = homes->next.n = homes->ends.n = 0;
    if (!WAGI_VEC_RESERVE(&homes->head, positions) || !WAGI_VEC_RESERVE(&homes->next, ir->vregs.n) ||
        !WAGI_VEC_RESERVE(&homes->ends, words))
        return false;
    sweep s = {.ir = ir, .ends = homes->ends.p, .ending = homes->head.p, .next = homes->next.p};
    memset(s.ends, 0, (size_t)words * sizeof *s.ends);
    for (size_t i = 0, count = homes->order.n; i < count; i++) {
        uint32_t vreg = homes->order.p[i];
        wagi_vreg *v = &ir->vregs.p[vreg];
        if (!needs_slot(homes, v))
            continue;
        homes->keeps_across_calls |= v->home >= 0;
        sweep_to(&s, v->start < positions ? v->start : positions);
        uint32_t width = wagi_ty_slots(v->type), *list = &s.free_slots[width - 1];
        if (*list) {
            v->slot = ir->vregs.p[*list - 1].slot;
            *list = s.next[*list - 1];
        } else {
            homes->wide_slots |= width > 1;
            homes->slot_count = (homes->slot_count + width - 1) & ~(width - 1);
            v->slot = homes->slot_count;
            homes->slot_count += width;
        }
        uint32_t end = v->end < positions ? v->end : positions - 1;
        uint64_t *word = &s.ends[end / 64], bit = 1ull << (end & 63);
        s.next[vreg] = *word & bit ? s.ending[end] : 0;
        s.ending[end] = vreg + 1;
        *word |= bit;
    }
    return true;
}

/* Register allocation: every vreg that is read gets a home, a register or a frame slot, for its whole interval.
 *
 *   1. Linear scan over intervals in the order of their start. When no register is free, the interval with the least
 *      weight per length gives way, as a whole (regalloc.c).
 *   2. Second chance: intervals in slots, heaviest first, go where a register is free all along.
 *   3. Loop-scoped caching (regalloc_cache.c): a vreg in a slot may live in a register through a loop. It is loaded
 * before the loop's head, every write in the loop also goes to the slot, so that leaving the loop needs no code.
 *   4. Slots: shared by intervals that do not meet (regalloc_slots.c).
 *   5. Edits (edits.c): the moves between registers and slots that the above needs, each at its place. A vreg that
 * lives across a call in a register that calls clobber is stored before the call unless its slot is current, and loaded
 *      back before its next use or the next branch.
 *
 * What emission and checker rely on: executing the instructions with operands at wagi_vreg_reg (or the slot when that
 * is negative) and the edits at their places computes what the IR computes. check.c proves it for one function.
 */
#ifndef WAGI_COMPILER_REGALLOC_H
#define WAGI_COMPILER_REGALLOC_H

#include "compiler/machine.h"

typedef enum wagi_edit_kind {
    WAGI_EDIT_SAVE,    /* register to slot */
    WAGI_EDIT_LOAD,    /* slot to register */
    WAGI_EDIT_CACHE,   /* from here on the vreg, whose home is a slot, is in this register */
    WAGI_EDIT_UNCACHE, /* from here on it is in its slot again */
} wagi_edit_kind;

/* Executed before instruction `ins` of `block`; ins == the block's last: after the last instruction (the next block's
 * label comes behind it). Sorted. */
typedef struct wagi_edit {
    uint32_t block, ins, vreg;
    uint8_t kind;
    int8_t reg;
} wagi_edit;

typedef struct wagi_range {
    uint32_t start, end;
} wagi_range;

typedef struct wagi_cache {
    uint32_t loop, vreg, next; /* next: 1 + index of the next cache of the same loop */
    int8_t reg;
} wagi_cache;

typedef struct wagi_spill {
    uint32_t vreg;
    float weight;
} wagi_spill;

typedef struct wagi_homes {
    const wagi_machine *machine;
    wagi_ir *ir;
    uint32_t classes[2]; /* registers that may hold integers, floats */
    uint32_t used_saved; /* callee-saved registers in use */
    uint32_t slot_count;
    bool wide_slots;         /* some vreg has two, which have to be aligned */
    bool keeps_across_calls; /* some vreg lives across a call in a register that calls clobber; known with the slots */
    WAGI_VEC(wagi_edit) edits;

    /* scratch */
    WAGI_VEC(uint32_t) order; /* vregs by start */
    WAGI_VEC(uint32_t) head;  /* per position */
    WAGI_VEC(uint32_t) next;  /* per vreg */
    WAGI_VEC(uint64_t) ends;  /* bit per position */
    WAGI_VEC(uint32_t) call_pos;
    WAGI_VEC(float) call_weight; /* sums: call_weight[i] of the calls before i */
    WAGI_VEC(wagi_spill) spills;
    WAGI_VEC(wagi_range) ranges[WAGI_REG_COUNT]; /* occupied, sorted */
    WAGI_VEC(wagi_cache) caches;
    WAGI_VEC(uint32_t) loop_caches; /* per loop: 1 + index of its first cache */
    WAGI_VEC(uint32_t) loop_busy;   /* per loop: registers that hold something somewhere in it; one more */
    WAGI_VEC(float) loop_weights;
    WAGI_VEC(uint32_t) candidate; /* per vreg: 1 + index */
} wagi_homes;

void wagi_homes_init(wagi_homes *homes);
void wagi_homes_fini(wagi_homes *homes);
/* False without memory. */
bool wagi_homes_run(wagi_homes *homes, wagi_ir *ir, const wagi_machine *machine);

/* ---- between the allocator's files ---- */
/* Weight of the calls at positions in [start, end). */
float wagi_homes_call_weight(const wagi_homes *homes, uint32_t start, uint32_t end);
/* Which registers hold something in a loop. First the intervals of all vregs are marked, in the innermost loop around
 * their start and in those that start inside of them; a cursor goes over them in the order of their start. */
typedef struct wagi_loop_cursor {
    uint32_t next,
        innermost; /* the first loop that does not start before the position; one around it, or their count */
    uint32_t next_start, innermost_end; /* NONE: there is none */
} wagi_loop_cursor;
bool wagi_homes_begin_loops(wagi_homes *homes);
wagi_loop_cursor wagi_homes_loop_cursor(const wagi_homes *homes, uint32_t pos);
void wagi_homes_mark_far(wagi_homes *homes, wagi_loop_cursor *cursor, int reg, uint32_t start, uint32_t end);
static inline void wagi_homes_mark_loops(wagi_homes *homes, wagi_loop_cursor *cursor, int reg, uint32_t start,
                                         uint32_t end)
{
    if (end <= cursor->next_start && start < cursor->innermost_end)
        homes->loop_busy.p[cursor->innermost] |= 1u << reg;
    else
        wagi_homes_mark_far(homes, cursor, reg, start, end);
}
bool wagi_homes_cache_loops(wagi_homes *homes);
bool wagi_homes_slots(wagi_homes *homes);
bool wagi_homes_edits(wagi_homes *homes);
/* The registers of the class of a type, in order of preference. */
uint32_t wagi_homes_class(const wagi_machine *machine, unsigned type, const uint8_t **ret_regs);
/* Forget the cached registers of all vregs: between two walks. */
void wagi_homes_rewind(wagi_homes *homes);

#endif

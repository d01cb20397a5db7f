/* The edits: one walk in code order with the state of every register that calls clobber.
 *
 *   pending  the register's content is lost, the slot has the value
 *   saved    the slot has the value that the register has
 *   through  the register caches a vreg whose writes all go to the slot too
 * At every label nothing is pending and nothing is known to be saved; so before a branch and before a label all pending
 * registers that are needed later are loaded. */
#include <string.h>

#include "compiler/regalloc.h"

typedef struct tracker {
    wagi_homes *homes;
    wagi_ir *ir;
    uint32_t pending, saved, through;
    uint32_t held;                     /* registers with an occupant */
    uint32_t occupant[WAGI_REG_COUNT]; /* vreg that a clobbered register holds across calls */
    uint32_t live_until[WAGI_REG_COUNT];
    size_t next_in_order;
    uint32_t block, ins;
    bool full;
} tracker;

static void edit_at(tracker *t, uint32_t ins, wagi_edit_kind kind, uint32_t vreg, int reg)
{
    wagi_edit edit = {.block = t->block, .ins = ins, .vreg = vreg, .kind = (uint8_t)kind, .reg = (int8_t)reg};
    if (!WAGI_VEC_PUSH(&t->homes->edits, edit))
        t->full = true;
}

static bool is_clobbered(const tracker *t, int reg)
{
    return reg >= 0 && !wagi_reg_is_saved(t->homes->machine, reg);
}

static void load_register(tracker *t, int reg)
{
    edit_at(t, t->ins, WAGI_EDIT_LOAD, t->occupant[reg], reg);
    t->pending &= ~(1u << reg);
    t->saved |= 1u << reg;
}

static void need(void *context, uint32_t *vreg)
{
    tracker *t = context;
    int reg = wagi_vreg_reg(&t->ir->vregs.p[*vreg]);
    if (reg >= 0 && (t->pending >> reg & 1) && t->occupant[reg] == *vreg)
        load_register(t, reg);
}

/* Load what is needed at or behind pos, forget the rest. */
static void flush(tracker *t, uint32_t pos)
{
    for (uint32_t left = t->pending; left; left &= left - 1) {
        int reg = __builtin_ctz(left);
        if (t->occupant[reg] != WAGI_NIL && t->live_until[reg] > pos)
            load_register(t, reg);
    }
    t->pending = 0;
}

static inline void write_register(tracker *t, uint32_t vreg, const wagi_vreg *v)
{
    int reg = wagi_vreg_reg(v);
    t->pending &= ~(1u << reg);
    t->saved &= ~(1u << reg);
    if (v->cached >= 0)
        edit_at(t, t->ins + 1, WAGI_EDIT_SAVE, vreg, reg);
}

static void written(void *context, uint32_t *vreg)
{
    tracker *t = context;
    const wagi_vreg *v = &t->ir->vregs.p[*vreg];
    if (wagi_vreg_reg(v) >= 0)
        write_register(t, *vreg, v);
}

/* Intervals that have begun become the occupants of their registers. */
static void advance(tracker *t, uint32_t pos)
{
    const wagi_homes *homes = t->homes;
    for (; t->next_in_order < homes->order.n; t->next_in_order++) {
        uint32_t vreg = homes->order.p[t->next_in_order];
        const wagi_vreg *v = &t->ir->vregs.p[vreg];
        if (v->start > pos)
            return;
        if (v->crosses && is_clobbered(t, v->home)) {
            t->held |= 1u << v->home;
            t->occupant[(int)v->home] = vreg;
            t->live_until[(int)v->home] = v->end;
        }
    }
}

static void at_call(tracker *t, uint32_t pos)
{
    uint32_t lost = 0;
    advance(t, pos);
    for (uint32_t left = t->held; left; left &= left - 1) {
        int reg = __builtin_ctz(left);
        uint32_t bit = 1u << reg;
        if (t->live_until[reg] <= pos) {
            t->occupant[reg] = WAGI_NIL;
            t->held &= ~bit;
            t->pending &= ~bit;
            continue;
        }
        if (!((t->saved | t->pending | t->through) & bit))
            edit_at(t, t->ins, WAGI_EDIT_SAVE, t->occupant[reg], reg);
        t->saved |= bit;
        lost |= bit;
    }
    t->pending |= lost;
}

static void walk_ins(tracker *t, uint32_t index)
{
    wagi_ir *ir = t->ir;
    const wagi_ins *ins = &ir->ins.p[index];
    uint8_t uses = wagi_ir_uses[ins->op];
    t->ins = index;
    if (t->pending) {
        wagi_ir_each_use(ir, index, need, t);
        if (wagi_ins_jumps(ins) || wagi_ins_has_table(ins))
            flush(t, wagi_ir_pos(index));
    }
    if (ins->op == WAGI_IR_CALL)
        at_call(t, wagi_ir_pos(index));
    if (uses & WAGI_IR_D) {
        uint32_t dst = ins->dst;
        written(t, &dst);
    } else if (ins->op == WAGI_IR_CALL) {
        wagi_ir_each_def(ir, index, written, t);
    }
}

/* Where exceptions come, registers are as behind the call that ended with one: all that calls clobber are lost, what
 * was in them is in its slot. */
static void land(tracker *t, uint32_t pos)
{
    for (int reg = 0; reg < WAGI_REG_COUNT; reg++)
        if (t->occupant[reg] != WAGI_NIL && t->live_until[reg] > pos)
            t->pending |= 1u << reg;
    t->saved = t->pending;
}

static void enter_loop(tracker *t, uint32_t loop)
{
    const wagi_homes *homes = t->homes;
    uint32_t end = wagi_ir_pos(t->ir->blocks.p[t->ir->loops.p[loop].end - 1].last);
    for (uint32_t c = homes->loop_caches.p[loop]; c; c = homes->caches.p[c - 1].next) {
        const wagi_cache *cache = &homes->caches.p[c - 1];
        int reg = cache->reg;
        edit_at(t, t->ins, WAGI_EDIT_CACHE, cache->vreg, reg);
        edit_at(t, t->ins, WAGI_EDIT_LOAD, cache->vreg, reg);
        t->ir->vregs.p[cache->vreg].cached = (int8_t)reg;
        t->pending &= ~(1u << reg);
        if (!is_clobbered(t, reg))
            continue;
        t->through |= 1u << reg;
        t->held |= 1u << reg;
        t->occupant[reg] = cache->vreg;
        t->live_until[reg] = end;
    }
}

static void leave_loops(tracker *t, size_t *open, size_t *stack)
{
    const wagi_homes *homes = t->homes;
    while (*open && t->ir->loops.p[stack[*open - 1]].end == t->block) {
        for (uint32_t c = homes->loop_caches.p[stack[--*open]]; c; c = homes->caches.p[c - 1].next) {
            const wagi_cache *cache = &homes->caches.p[c - 1];
            edit_at(t, t->ins, WAGI_EDIT_UNCACHE, cache->vreg, cache->reg);
            t->ir->vregs.p[cache->vreg].cached = -1;
            if (!is_clobbered(t, cache->reg))
                continue;
            uint32_t bit = 1u << cache->reg;
            t->through &= ~bit;
            t->pending &= ~bit;
            t->saved &= ~bit;
            t->held &= ~bit;
            t->occupant[(int)cache->reg] = WAGI_NIL;
        }
    }
}

/* The first call at or behind an instruction; calls are asked for in ascending order. NONE: there is none. */
static uint32_t next_call_from(const tracker *t, size_t *next, uint32_t ins)
{
    const wagi_homes *homes = t->homes;
    while (*next < homes->call_pos.n && homes->call_pos.p[*next] < wagi_ir_pos(ins))
        ++*next;
    return *next < homes->call_pos.n ? (homes->call_pos.p[*next] - wagi_ir_pos(0)) / 2 : WAGI_NIL;
}

/* Nothing is pending: up to the next call only writes matter, those to cached vregs and those that make a slot out of
 * date before everything is forgotten anyway. The call, or the block's end. */
static uint32_t skip_to_call(tracker *t, size_t *next_call, uint32_t ins, const wagi_block *block, bool is_caching)
{
    const wagi_ir *ir = t->ir;
    uint32_t end = next_call_from(t, next_call, ins);
    bool is_last = end >= block->last;
    if (is_last)
        end = block->last;
    if (!is_caching && (t->saved == 0 || (is_last && (t->block + 1 == ir->blocks.n || block[1].target))))
        return end;
    const wagi_vreg *vregs = ir->vregs.p;
    for (t->ins = ins; t->ins < end; t->ins++) {
        const wagi_ins *at = &ir->ins.p[t->ins];
        if ((wagi_ir_uses[at->op] & WAGI_IR_D) && wagi_vreg_reg(&vregs[at->dst]) >= 0)
            write_register(t, at->dst, &vregs[at->dst]);
    }
    return end;
}

static void walk_blocks(tracker *t, size_t *stack)
{
    wagi_ir *ir = t->ir;
    size_t open = 0;
    size_t next_call = 0;
    for (uint32_t b = 0; b < ir->blocks.n && !t->full; b++) {
        const wagi_block *block = &ir->blocks.p[b];
        t->block = b;
        t->ins = block->first;
        leave_loops(t, &open, stack);
        if (block->target)
            t->saved = t->pending = 0;
        if (block->landing)
            land(t, wagi_ir_pos(block->first));
        if (block->loop_head && t->homes->caches.n && t->homes->loop_caches.p[block->loop])
            stack[open++] = block->loop;
        for (uint32_t i = block->first, last = block->last; i < last; i++) {
            if (!t->pending) {
                i = skip_to_call(t, &next_call, i, block, open != 0);
                if (i >= last)
                    break;
            }
            walk_ins(t, i);
        }
        if (b + 1 == ir->blocks.n || !block->falls)
            continue;
        t->ins = block->last;
        const wagi_block *next = &ir->blocks.p[b + 1];
        if (next->target)
            flush(t, wagi_ir_pos(block->last) - 1);
        if (next->loop_head && t->homes->caches.n) {
            advance(t, wagi_ir_pos(block->last) - 1);
            enter_loop(t, next->loop);
        }
    }
}

bool wagi_homes_edits(wagi_homes *homes)
{
    wagi_ir *ir = homes->ir;
    if (!homes->keeps_across_calls && homes->caches.n == 0)
        return true;
    tracker t = {.homes = homes, .ir = ir};
    memset(t.occupant, 0xff, sizeof t.occupant);
    size_t *stack = homes->caches.n ? wagi_alloc_zero(ir->loops.n + 1, sizeof *stack) : NULL; /* of open loops */
    if (homes->caches.n && !stack)
        return false;
    walk_blocks(&t, stack);
    wagi_free(stack);
    wagi_homes_rewind(homes);
    return !t.full;
}

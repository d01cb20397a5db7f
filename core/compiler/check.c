/* A symbolic replay. The state says for each register and slot which vreg's current value it holds. Instructions, edits
 * and calls change it; every read must find its vreg where its home says. States of labels are the meet over all edges,
 * found by iterating over the blocks until nothing changes: a value that only some paths put in place counts as absent.
 */
#include "compiler/check.h"

#include <string.h>

#define MAX_CELLS (1u << 26) /* places times blocks: larger functions are not checked */
/* A slot or register holds nothing that is known. */
#define NOTHING UINT32_MAX

typedef struct checker {
    wagi_ir *ir;
    wagi_homes *homes;
    uint32_t places;   /* registers, then slots */
    uint32_t *state;   /* vreg per place */
    uint32_t *entries; /* per block: the state at its label */
    uint8_t *reached;  /* per block */
    bool report;       /* the last round: complain */
    const char *wrong;
} checker;

static uint32_t place_of(const checker *c, uint32_t vreg)
{
    const wagi_vreg *v = &c->ir->vregs.p[vreg];
    int reg = wagi_vreg_reg(v);
    if (reg >= 0)
        return (uint32_t)reg;
    return v->home == WAGI_HOME_SLOT ? WAGI_REG_COUNT + v->slot : NOTHING;
}

/* Slots that the vreg takes at its place; a register is one place, whatever it holds. */
static uint32_t places_of(const checker *c, uint32_t vreg, uint32_t place)
{
    return place >= WAGI_REG_COUNT && place != NOTHING ? wagi_ty_slots(c->ir->vregs.p[vreg].type) : 1;
}

static bool is_at(const checker *c, uint32_t vreg, uint32_t place)
{
    for (uint32_t i = 0; i < places_of(c, vreg, place); i++)
        if (c->state[place + i] != vreg)
            return false;
    return true;
}

static void put_at(checker *c, uint32_t vreg, uint32_t place, bool valid)
{
    for (uint32_t i = 0; i < places_of(c, vreg, place); i++)
        c->state[place + i] = valid ? vreg : NOTHING;
}

static void complain(checker *c, const char *wrong)
{
    if (c->report && !c->wrong)
        c->wrong = wrong;
}

static void check_read(void *context, uint32_t *vreg)
{
    checker *c = context;
    uint32_t place = place_of(c, *vreg);
    if (place == NOTHING)
        complain(c, "a vreg that is read has no home");
    else if (!is_at(c, *vreg, place))
        complain(c, "a vreg is read where it is not");
}

/* A write makes all copies of the old value stale. A vreg's value is only ever in registers and in its own slot. */
static void check_write(void *context, uint32_t *vreg)
{
    checker *c = context;
    for (uint32_t i = 0; i < WAGI_REG_COUNT; i++)
        if (c->state[i] == *vreg)
            c->state[i] = NOTHING;
    const wagi_vreg *v = &c->ir->vregs.p[*vreg];
    for (uint32_t i = 0; v->slot != WAGI_NIL && i < wagi_ty_slots(v->type); i++)
        if (c->state[WAGI_REG_COUNT + v->slot + i] == *vreg)
            c->state[WAGI_REG_COUNT + v->slot + i] = NOTHING;
    uint32_t place = place_of(c, *vreg);
    if (place != NOTHING)
        put_at(c, *vreg, place, true);
}

static void apply_edit(checker *c, const wagi_edit *edit)
{
    wagi_vreg *v = &c->ir->vregs.p[edit->vreg];
    uint32_t slot = WAGI_REG_COUNT + v->slot;
    switch ((wagi_edit_kind)edit->kind) {
    case WAGI_EDIT_SAVE:
        put_at(c, edit->vreg, slot, c->state[(int)edit->reg] == edit->vreg);
        break;
    case WAGI_EDIT_LOAD:
        c->state[(int)edit->reg] = is_at(c, edit->vreg, slot) ? edit->vreg : NOTHING;
        break;
    case WAGI_EDIT_CACHE:
        v->cached = edit->reg;
        break;
    case WAGI_EDIT_UNCACHE:
        v->cached = -1;
        break;
    }
}

/* Join the state into a block's. True when that one changed. */
static bool meet(checker *c, uint32_t block)
{
    uint32_t *entry = c->entries + (size_t)block * c->places;
    if (!c->reached[block]) {
        c->reached[block] = 1;
        memcpy(entry, c->state, (size_t)c->places * 4);
        return true;
    }
    bool changed = false;
    for (uint32_t i = 0; i < c->places; i++)
        if (entry[i] != c->state[i] && entry[i] != NOTHING) {
            entry[i] = NOTHING;
            changed = true;
        }
    return changed;
}

static bool meet_label(checker *c, uint32_t label)
{
    return meet(c, c->ir->labels.p[label].block);
}

static bool meet_successors(checker *c, const wagi_ins *ins)
{
    bool changed = false;
    if (wagi_ins_jumps(ins))
        changed = meet_label(c, ins->dst);
    else if (wagi_ins_has_table(ins))
        for (uint32_t i = 0; i <= ins->b; i++)
            changed |= meet_label(c, c->ir->pool.p[ins->imm + i]);
    return changed;
}

static size_t replay_edits(checker *c, size_t next, uint32_t block, uint32_t ins)
{
    for (; next < c->homes->edits.n; next++) {
        const wagi_edit *edit = &c->homes->edits.p[next];
        if (edit->block != block || edit->ins != ins)
            break;
        apply_edit(c, edit);
    }
    return next;
}

/* An exception leaves what calls keep and the slots; results are not written. */
static bool meet_handler(checker *c, const wagi_ins *ins)
{
    uint32_t handler = c->ir->calls.p[ins->imm].handler;
    return handler && meet_label(c, c->ir->handlers.p[handler - 1].label);
}

/* True when the entry state of a handler changed. */
static bool replay_ins(checker *c, uint32_t i, bool live)
{
    bool changed = false;
    wagi_ir *ir = c->ir;
    const wagi_ins *ins = &ir->ins.p[i];
    wagi_ir_each_use(ir, i, check_read, c);
    if (ins->op == WAGI_IR_CALL) {
        for (int reg = 0; reg < WAGI_REG_COUNT; reg++)
            if (!wagi_reg_is_saved(c->homes->machine, reg))
                c->state[reg] = NOTHING;
        changed = live && meet_handler(c, ins);
    }
    wagi_ir_each_def(ir, i, check_write, c);
    return changed;
}

/* Once over all blocks. True when some block's entry state changed. */
static bool replay(checker *c)
{
    const wagi_ir *ir = c->ir;
    size_t next = 0;
    bool changed = false;
    wagi_homes_rewind(c->homes);
    for (uint32_t b = 0; b < ir->blocks.n; b++) {
        const wagi_block *block = &ir->blocks.p[b];
        bool live = c->reached[b];
        if (live)
            memcpy(c->state, c->entries + (size_t)b * c->places, (size_t)c->places * 4);
        bool report = c->report;
        c->report = report && live;
        for (uint32_t i = block->first; i < block->last; i++) {
            next = replay_edits(c, next, b, i);
            changed |= replay_ins(c, i, live);
        }
        if (live && block->first < block->last)
            changed |= meet_successors(c, &ir->ins.p[block->last - 1]);
        next = replay_edits(c, next, b, block->last);
        if (live && block->falls && b + 1 < ir->blocks.n)
            changed |= meet(c, b + 1);
        c->report = report;
    }
    if (next != c->homes->edits.n)
        complain(c, "an edit has no place");
    return changed;
}

static void enter(checker *c)
{
    for (uint32_t i = 0; i < c->places; i++)
        c->state[i] = NOTHING;
    for (uint32_t x = 0; x < c->ir->local_count; x++)
        if (c->ir->vregs.p[x].start == 0 && c->ir->vregs.p[x].end)
            put_at(c, x, place_of(c, x), true);
    meet(c, 0);
}

const char *wagi_check_homes(wagi_ir *ir, wagi_homes *homes)
{
    checker c = {.ir = ir, .homes = homes, .places = WAGI_REG_COUNT + homes->slot_count};
    if ((uint64_t)ir->blocks.n * c.places > MAX_CELLS)
        return NULL;
    c.state = wagi_alloc_zero(c.places, sizeof *c.state);
    c.entries = wagi_alloc_zero(ir->blocks.n * c.places, sizeof *c.entries);
    c.reached = wagi_alloc_zero(ir->blocks.n, 1);
    if (c.state && c.entries && c.reached) {
        enter(&c);
        while (replay(&c))
            ;
        c.report = true;
        replay(&c);
    }
    wagi_homes_rewind(homes);
    wagi_free(c.state);
    wagi_free(c.entries);
    wagi_free(c.reached);
    return c.wrong;
}

/* Live intervals in one backward walk.
 *
 * An interval is the hull of all positions where a vreg is read or written: forward control flow never leaves the hull.
 * A value that flows along a back edge leaves it, so a local that is live at a loop's head covers the whole loop. For
 * that it is enough to know liveness at loop heads on the graph without back edges (Boissinot et al.): a path to a read
 * that takes back edges ends, behind the last one, in a path without. So one pass does, and a live-in set is kept only
 * while a forward branch to its block may still come; the number of such sets is the nesting depth.
 *
 * Caps: sets are cut to the first locals when sets, blocks or loops are too many; the other locals then get the whole
 * function as their interval.
 *
 * What an instruction reads and writes follows no pattern, so that branches on it are mispredicted: there is one jump
 * by what it has, and locals that are not tracked are a bit behind the set.
 */
#include "compiler/liveness.h"

#include <string.h>

#define MAX_SET_WORDS (1u << 22) /* in all sets together */
#define MAX_OWN_WORDS (1u << 14) /* the same when each block has one of its own */
#define MAX_SET_WORK (1u << 28)  /* words times blocks, locals times loops */

/* Where the walk is. Its loop keeps this in registers. */
typedef struct cursor {
    uint64_t *live; /* l->live.p and ir->vregs.p, which stay where they are */
    wagi_vreg *vregs;
    wagi_ir_def *def;   /* the next one to write */
    uint32_t tracked;   /* locals in the sets */
    uint32_t untracked; /* the bit behind the set */
    uint32_t pos;
    float weight;
} cursor;

typedef struct walk {
    wagi_liveness *l;
    wagi_ir *ir;
    const wagi_machine *machine;
    uint32_t words;
    uint32_t local_count;
    bool set_per_block; /* sets are not shared: the one of a block is at its number */
    cursor c;
} walk;

void wagi_liveness_init(wagi_liveness *liveness)
{
    memset(liveness, 0, sizeof *liveness);
}

void wagi_liveness_fini(wagi_liveness *liveness)
{
    WAGI_VEC_FREE(&liveness->sets);
    WAGI_VEC_FREE(&liveness->free_sets);
    WAGI_VEC_FREE(&liveness->set_of);
    WAGI_VEC_FREE(&liveness->first_ref);
    WAGI_VEC_FREE(&liveness->waiting);
    WAGI_VEC_FREE(&liveness->live);
}

float wagi_block_weight(const wagi_ir *ir, uint32_t block)
{
    static const float weights[] = {1, 8, 64, 512, 4096, 32768};
    uint32_t loop = ir->blocks.p[block].loop;
    uint32_t depth = loop == WAGI_NIL ? 0 : ir->loops.p[loop].depth;
    return weights[depth > 5 ? 5 : depth];
}

uint32_t wagi_loop_start(const wagi_ir *ir, uint32_t loop)
{
    return wagi_ir_pos(ir->blocks.p[ir->loops.p[loop].first].first) - 1;
}

uint32_t wagi_loop_end(const wagi_ir *ir, uint32_t loop)
{
    return wagi_ir_pos(ir->blocks.p[ir->loops.p[loop].end - 1].last);
}

/* ---- sets ---- */

static uint64_t *set_at(walk *w, uint32_t set)
{
    return w->l->sets.p + (size_t)set * w->words;
}

static bool take_set(walk *w, uint32_t block)
{
    wagi_liveness *l = w->l;
    if (l->free_sets.n) {
        l->set_of.p[block] = l->free_sets.p[--l->free_sets.n];
        return true;
    }
    l->set_of.p[block] = (uint32_t)(l->sets.n / w->words);
    if (!WAGI_VEC_RESERVE(&l->sets, w->words))
        return false;
    l->sets.n += w->words;
    return true;
}

static inline uint64_t *set_of(walk *w, uint32_t block)
{
    return set_at(w, w->set_per_block ? block : w->l->set_of.p[block]);
}

static bool save_set(walk *w, uint32_t block)
{
    if (!w->set_per_block && !take_set(w, block))
        return false;
    uint64_t *to = set_of(w, block);
    for (uint32_t i = 0, words = w->words; i < words; i++)
        to[i] = w->c.live[i];
    return true;
}

/* Sets that no branch before `block` needs. */
static bool release_sets(walk *w, uint32_t block)
{
    wagi_liveness *l = w->l;
    for (uint32_t waiting = l->first_ref.p[block]; waiting; waiting = l->waiting.p[waiting - 1])
        if (l->set_of.p[waiting - 1] != WAGI_NIL && !WAGI_VEC_PUSH(&l->free_sets, l->set_of.p[waiting - 1]))
            return false;
    return true;
}

/* For each block, the list of blocks whose first forward reference is there; and the most sets that wait at once. */
static bool prepare_sets(walk *w, uint32_t *ret_most)
{
    wagi_liveness *l = w->l;
    const wagi_ir *ir = w->ir;
    uint32_t count = (uint32_t)ir->blocks.n;
    l->set_of.n = l->first_ref.n = l->waiting.n = l->sets.n = l->free_sets.n = 0;
    if (!WAGI_VEC_RESERVE(&l->set_of, count) || !WAGI_VEC_RESERVE(&l->first_ref, count) ||
        !WAGI_VEC_RESERVE(&l->waiting, count))
        return false;
    memset(l->set_of.p, 0xff, (size_t)count * 4);
    memset(l->first_ref.p, 0, (size_t)count * 4);
    memset(l->waiting.p, 0, (size_t)count * 4);
    for (uint32_t i = 0; i < ir->labels.n; i++) { /* several labels of one block: set_of holds the smallest reference */
        const wagi_label *label = &ir->labels.p[i];
        if (label->block != WAGI_NIL && label->refs && label->first_ref < l->set_of.p[label->block] &&
            !ir->blocks.p[label->block].loop_head)
            l->set_of.p[label->block] = label->first_ref;
    }
    uint32_t open = 0, most = 1;
    for (uint32_t b = count; b-- > 0;) {
        uint32_t first = l->set_of.p[b];
        if (first != WAGI_NIL) {
            l->waiting.p[b] = l->first_ref.p[first];
            l->first_ref.p[first] = b + 1;
            if (++open > most)
                most = open;
            l->set_of.p[b] = WAGI_NIL;
        }
        for (uint32_t waiting = l->first_ref.p[b]; waiting; waiting = l->waiting.p[waiting - 1])
            open--;
    }
    *ret_most = most;
    return true;
}

static bool share_sets(walk *w)
{
    uint32_t most;
    if (!prepare_sets(w, &most))
        return false;
    const wagi_ir *ir = w->ir;
    uint64_t tracked = ir->local_count;
    uint64_t by_sets = (uint64_t)(MAX_SET_WORDS / most) * 64,
             by_blocks = (uint64_t)MAX_SET_WORK / (ir->blocks.n + ir->pool.n) * 64;
    uint64_t by_loops = MAX_SET_WORK / (ir->loops.n + 1);
    if (tracked > by_sets)
        tracked = by_sets;
    if (tracked > by_blocks)
        tracked = by_blocks;
    if (tracked > by_loops)
        tracked = by_loops;
    w->c.tracked = (uint32_t)tracked;
    return true;
}

static uint32_t words_for(uint32_t tracked)
{
    return tracked > 64 ? (tracked + 63) / 64 : 1;
}

static bool choose_tracked(walk *w)
{
    const wagi_ir *ir = w->ir;
    wagi_liveness *l = w->l;
    uint64_t own = (uint64_t)words_for(ir->local_count) * ir->blocks.n;
    w->c.tracked = ir->local_count;
    w->set_per_block = own + ir->pool.n + ir->loops.n <= MAX_OWN_WORDS;
    l->sets.n = l->live.n = 0;
    if (w->set_per_block ? !WAGI_VEC_RESERVE(&l->sets, own) : !share_sets(w))
        return false;
    w->words = words_for(w->c.tracked);
    return WAGI_VEC_RESERVE(&l->live, w->words + 1);
}

/* ---- operands ---- */

static inline void see(const cursor *c, wagi_vreg *v, uint32_t pos)
{
    v->start = pos; /* the walk goes backward */
    v->end = pos > v->end ? pos : v->end;
    v->weight += c->weight;
}

static inline uint32_t bit_of(const cursor *c, uint32_t vreg)
{
    return vreg < c->tracked ? vreg : c->untracked;
}

static inline void use(const cursor *c, uint32_t vreg)
{
    uint32_t bit = bit_of(c, vreg);
    c->live[bit / 64] |= 1ull << (bit & 63);
    wagi_vreg *v = &c->vregs[vreg];
    v->read = true;
    see(c, v, c->pos);
}

static inline void define(cursor *c, uint32_t vreg)
{
    uint32_t bit = bit_of(c, vreg);
    c->live[bit / 64] &= ~(1ull << (bit & 63));
    see(c, &c->vregs[vreg], c->pos + 1);
    *c->def++ = (wagi_ir_def){vreg, c->pos + 1};
}

static inline void hint(const cursor *c, uint32_t x, uint32_t y)
{
    wagi_vreg *vx = &c->vregs[x], *vy = &c->vregs[y];
    uint32_t of_x = vx->hint == WAGI_NIL ? y : vx->hint;
    vx->hint = of_x;
    uint32_t of_y = vy->hint == WAGI_NIL ? x : vy->hint;
    vy->hint = of_y;
}

static void use_call(walk *w, const wagi_ir_call *call)
{
    wagi_ir *ir = w->ir;
    uint32_t ints = 0, floats = 0;
    for (uint32_t i = call->result_count; i-- > 0;)
        if (ir->vregs.p[ir->pool.p[call->results + i]].read)
            define(&w->c, ir->pool.p[call->results + i]);
    for (uint32_t i = 0; i < wagi_call_operands(call); i++) {
        uint32_t entry = ir->pool.p[call->args + i];
        bool is_const = (entry & WAGI_POOL_CONST) != 0;
        unsigned type = is_const ? ir->consts.p[entry & ~WAGI_POOL_CONST].type : ir->vregs.p[entry].type;
        int reg = -1;
        if (wagi_ty_is_float(type) && floats < w->machine->float_arg_count)
            reg = w->machine->float_args[floats++];
        else if (!wagi_ty_is_float(type) && ints < w->machine->int_arg_count)
            reg = w->machine->int_args[ints++];
        if (is_const)
            continue;
        use(&w->c, entry);
        if (i < call->arg_count && !wagi_call_by_slots(call) && ir->vregs.p[entry].hint_reg < 0)
            ir->vregs.p[entry].hint_reg = (int8_t)reg;
    }
}

/* Nobody reads what this would write. */
static inline bool is_dead(const wagi_vreg *vregs, const wagi_ins *ins, uint32_t local_count)
{
    return !vregs[ins->dst].read && (wagi_ir_uses[ins->op] & WAGI_IR_PURE) && ins->dst >= local_count;
}

static void remove_dead(wagi_ins *ins)
{
    if (ins->op == WAGI_IR_SELECT)
        ins[-1].op = WAGI_IR_NOP;
    ins->op = WAGI_IR_NOP;
}

static void use_results(walk *w, const wagi_ins *ins)
{
    const wagi_ir *ir = w->ir;
    for (uint32_t i = 0; i < ins->b; i++)
        if (!(ir->pool.p[ins->imm + i] & WAGI_POOL_CONST))
            use(&w->c, ir->pool.p[ins->imm + i]);
}

static void walk_special(walk *w, wagi_ins *ins)
{
    wagi_ir *ir = w->ir;
    if (ins->op == WAGI_IR_RETURN) {
        use_results(w, ins);
    } else if (ins->op == WAGI_IR_VECTOR_3) {
        if (is_dead(w->c.vregs, ins, w->local_count)) {
            remove_dead(ins);
            return;
        }
        define(&w->c, ins->dst);
        use(&w->c, ins->c);
        use(&w->c, ins->b);
        use(&w->c, ins->a);
        hint(&w->c, ins->dst, ins->a);
    } else {
        if (ins->op == WAGI_IR_CALL)
            ir->call_ats.p[ir->call_ats.n++] = (wagi_ir_call_at){w->c.pos, w->c.weight};
        use_call(w, &ir->calls.p[ins->imm]);
    }
}

/* What an op has: WAGI_IR_A, B and D; loads give no hint; SPECIAL: its operands are not just a and b. */
enum { PLAIN = WAGI_IR_A | WAGI_IR_B | WAGI_IR_D, LOADS = 8, SPECIAL = 16 };
static const uint8_t shapes[WAGI_IR_OP_COUNT] = {
#define A WAGI_IR_A
#define B WAGI_IR_B
#define C SPECIAL
#define D WAGI_IR_D
#define PURE 0
#define TRAPS 0
#define CALL SPECIAL
#define END 0
#define SHAPE(op, uses)                                                                                                \
    ((op) == WAGI_IR_RETURN || (uses)&SPECIAL ? SPECIAL : (op) == WAGI_IR_LOAD ? ((uses)&PLAIN) | LOADS : (uses)&PLAIN)
#define IR(name, uses) [WAGI_IR_##name] = SHAPE(WAGI_IR_##name, uses),
#include "compiler/ir.def"
#undef IR
#undef SHAPE
#undef A
#undef B
#undef C
#undef D
#undef PURE
#undef TRAPS
#undef CALL
#undef END
};

static void walk_instructions(walk *w, wagi_ins *first, wagi_ins *last)
{
    cursor c = w->c;
    const uint32_t local_count = w->local_count;
    for (wagi_ins *ins = last; ins-- != first; c.pos -= 2) {
        unsigned absent = (unsigned)(ins->a == WAGI_NIL) | (ins->flags & WAGI_INS_IMM) << 1; /* as WAGI_IR_A and B */
        unsigned shape = shapes[ins->op] & ~absent;
        switch (shape) {
        case WAGI_IR_A:
            use(&c, ins->a);
            break;
        case WAGI_IR_A | WAGI_IR_B:
            if (ins->b != WAGI_NIL)
                use(&c, ins->b);
            use(&c, ins->a);
            break;
        case WAGI_IR_B:
            if (ins->b != WAGI_NIL)
                use(&c, ins->b);
            break;
        case WAGI_IR_D:
        case WAGI_IR_D | LOADS:
            if (is_dead(c.vregs, ins, local_count))
                remove_dead(ins);
            else
                define(&c, ins->dst);
            break;
        case WAGI_IR_D | WAGI_IR_A | LOADS:
            define(&c, ins->dst);
            use(&c, ins->a);
            break;
        case WAGI_IR_D | WAGI_IR_B:
        case WAGI_IR_D | WAGI_IR_A:
        case WAGI_IR_D | WAGI_IR_A | WAGI_IR_B:
            if (is_dead(c.vregs, ins, local_count)) {
                remove_dead(ins);
                break;
            }
            define(&c, ins->dst);
            if ((shape & WAGI_IR_B) && ins->b != WAGI_NIL)
                use(&c, ins->b);
            if (!(shape & WAGI_IR_A))
                break;
            use(&c, ins->a);
            hint(&c, ins->dst, ins->a);
            break;
        case SPECIAL:
            w->c = c;
            walk_special(w, ins);
            c = w->c;
            break;
        default:
            break;
        }
    }
    w->c = c;
}

/* ---- blocks ---- */

static inline void join(walk *w, uint32_t from, uint32_t label)
{
    uint32_t to = w->ir->labels.p[label].block;
    if (to <= from)
        return; /* a back edge */
    const uint64_t *set = set_of(w, to);
    for (uint32_t i = 0, words = w->words; i < words; i++)
        w->c.live[i] |= set[i];
}

static inline void join_successors(walk *w, uint32_t block)
{
    const wagi_ir *ir = w->ir;
    const wagi_block *b = &ir->blocks.p[block];
    if (!b->falls)
        for (uint32_t i = 0, words = w->words; i < words; i++)
            w->c.live[i] = 0;
    if (b->first == b->last)
        return;
    const wagi_ins *ins = &ir->ins.p[b->last - 1];
    if (wagi_ins_jumps(ins))
        join(w, block, ins->dst);
    else if (ins->op == WAGI_IR_CALL && ir->calls.p[ins->imm].handler)
        join(w, block, ir->handlers.p[ir->calls.p[ins->imm].handler - 1].label);
    else if (wagi_ins_has_table(ins))
        for (uint32_t i = 0; i <= ins->b; i++)
            if (i == 0 || ir->pool.p[ins->imm + i] != ir->pool.p[ins->imm + i - 1])
                join(w, block, ir->pool.p[ins->imm + i]);
}

/* What is live at the head flows round the back edges: it needs its register to the loop's end. */
static void cover_loop(walk *w, uint32_t loop)
{
    uint32_t end = wagi_loop_end(w->ir, loop);
    for (uint32_t i = 0; i < w->words; i++)
        for (uint64_t left = w->c.live[i]; left; left &= left - 1) {
            wagi_vreg *v = &w->ir->vregs.p[i * 64 + (uint32_t)__builtin_ctzll(left)];
            if (v->end < end)
                v->end = end;
        }
}

static bool walk_blocks(walk *w)
{
    wagi_ir *ir = w->ir;
    uint32_t loop = WAGI_NIL - 1; /* none has this number */
    memset(w->c.live, 0, (size_t)w->words * 8);
    for (uint32_t b = (uint32_t)ir->blocks.n; b-- > 0;) {
        const wagi_block *block = &ir->blocks.p[b];
        if (block->loop != loop)
            w->c.weight = wagi_block_weight(ir, b);
        loop = block->loop;
        join_successors(w, b);
        w->c.pos = wagi_ir_pos(block->last) - 2;
        walk_instructions(w, ir->ins.p + block->first, ir->ins.p + block->last);
        if (block->loop_head)
            cover_loop(w, block->loop);
        else if (block->target && !save_set(w, b))
            return false;
        if (!w->set_per_block && !release_sets(w, b))
            return false;
    }
    return true;
}

/* Parameters of loops are written at back edges, behind their reads. */
static void cover_loop_params(wagi_ir *ir)
{
    for (uint32_t l = 0; l < ir->loops.n; l++)
        for (uint32_t i = 0; i < ir->loops.p[l].param_count; i++) {
            wagi_vreg *v = &ir->vregs.p[ir->loops.p[l].params + i];
            v->end = wagi_loop_end(ir, l);
            v->read = true;
        }
}

static void finish_locals(walk *w)
{
    wagi_ir *ir = w->ir;
    for (uint32_t x = 0; x < ir->local_count; x++) {
        wagi_vreg *v = &ir->vregs.p[x];
        bool live = x < w->c.tracked ? w->c.live[x / 64] >> (x & 63) & 1 : v->read;
        if (live)
            v->start = 0;
        if (x >= w->c.tracked && v->read)
            v->end = wagi_ir_pos((uint32_t)ir->ins.n);
    }
    ir->live_vregs = 0;
    for (uint32_t i = 0; i < ir->vregs.n; i++) {
        wagi_vreg *v = &ir->vregs.p[i];
        v->start |= v->read - 1u;
        v->end &= 0u - v->read;
        ir->live_vregs += v->read;
    }
}

static void hint_parameters(walk *w)
{
    uint32_t ints = 0, floats = 0;
    for (uint32_t i = 0; i < w->ir->body->param_count; i++) {
        wagi_vreg *v = &w->ir->vregs.p[i];
        if (wagi_ty_is_float(v->type)) {
            if (floats < w->machine->float_arg_count)
                v->hint_reg = (int8_t)w->machine->float_args[floats++];
        } else if (ints < w->machine->int_arg_count) {
            v->hint_reg = (int8_t)w->machine->int_args[ints++];
        }
    }
}

static bool reserve_findings(wagi_ir *ir)
{
    size_t results = 0;
    ir->defs.n = ir->call_ats.n = 0;
    for (size_t i = 0; i < ir->calls.n; i++)
        results += ir->calls.p[i].result_count;
    return WAGI_VEC_RESERVE(&ir->defs, ir->ins.n + results) && WAGI_VEC_RESERVE(&ir->call_ats, ir->calls.n);
}

bool wagi_liveness_run(wagi_liveness *liveness, wagi_ir *ir, const wagi_machine *machine)
{
    walk w = {.l = liveness, .ir = ir, .machine = machine};
    if (!choose_tracked(&w) || !reserve_findings(ir))
        return false;
    w.local_count = ir->local_count;
    w.c.live = liveness->live.p;
    w.c.vregs = ir->vregs.p;
    w.c.def = ir->defs.p;
    w.c.untracked = w.words * 64;
    cover_loop_params(ir);
    hint_parameters(&w);
    if (!walk_blocks(&w))
        return false;
    ir->defs.n = (size_t)(w.c.def - ir->defs.p);
    finish_locals(&w);
    return true;
}

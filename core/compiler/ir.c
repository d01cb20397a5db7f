/* Storage of the intermediate representation, its dump and its verifier. */
#include "compiler/ir.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const wagi_ir_names[WAGI_IR_OP_COUNT] = {
#define IR(name, uses) #name,
#include "compiler/ir.def"
#undef IR
};

wagi_ir_cond wagi_ir_cond_swap(wagi_ir_cond cond)
{
    switch (cond) {
    case WAGI_LT_S:
        return WAGI_GT_S;
    case WAGI_GT_S:
        return WAGI_LT_S;
    case WAGI_LE_S:
        return WAGI_GE_S;
    case WAGI_GE_S:
        return WAGI_LE_S;
    case WAGI_LT_U:
        return WAGI_GT_U;
    case WAGI_GT_U:
        return WAGI_LT_U;
    case WAGI_LE_U:
        return WAGI_GE_U;
    case WAGI_GE_U:
        return WAGI_LE_U;
    default:
        return cond;
    }
}

void wagi_ir_init(wagi_ir *ir)
{
    memset(ir, 0, sizeof *ir);
}

void wagi_ir_fini(wagi_ir *ir)
{
    WAGI_VEC_FREE(&ir->ins);
    WAGI_VEC_FREE(&ir->source);
    WAGI_VEC_FREE(&ir->blocks);
    WAGI_VEC_FREE(&ir->loops);
    WAGI_VEC_FREE(&ir->labels);
    WAGI_VEC_FREE(&ir->vregs);
    WAGI_VEC_FREE(&ir->pool);
    WAGI_VEC_FREE(&ir->consts);
    WAGI_VEC_FREE(&ir->calls);
    WAGI_VEC_FREE(&ir->inlined);
    WAGI_VEC_FREE(&ir->handlers);
    WAGI_VEC_FREE(&ir->defs);
    WAGI_VEC_FREE(&ir->call_ats);
    ir->ins_room = ir->vreg_room = 0;
}

void wagi_ir_reset(wagi_ir *ir, const wagi_module_data *data, const wagi_func_body *body)
{
    ir->data = data;
    ir->body = body;
    ir->ins.n = ir->source.n = ir->blocks.n = ir->loops.n = ir->labels.n = ir->vregs.n = ir->pool.n = 0;
    ir->consts.n = ir->calls.n = ir->handlers.n = ir->inlined.n = 0;
    ir->local_count = 0;
    ir->failed = false;
}

uint32_t wagi_ir_inlined_at(const wagi_ir *ir, uint32_t ins, uint32_t *ret_until)
{
    size_t low = 0, high = ir->inlined.n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ir->inlined.p[middle].first <= ins)
            low = middle + 1;
        else
            high = middle;
    }
    uint32_t at = low ? (uint32_t)low - 1 : WAGI_NIL;
    while (at != WAGI_NIL && ir->inlined.p[at].end <= ins)
        at = ir->inlined.p[at].parent;
    uint32_t next = low < ir->inlined.n ? ir->inlined.p[low].first : WAGI_NIL;
    *ret_until = at != WAGI_NIL && ir->inlined.p[at].end < next ? ir->inlined.p[at].end : next;
    return at;
}

/* The positions up to the next growth are the ones that the vectors below all have. */
bool wagi_ir_more_ins(wagi_ir *ir)
{
    ir->failed = ir->failed || ir->ins.n >= WAGI_IR_MAX_INS || !WAGI_VEC_RESERVE(&ir->ins, 1) ||
                 !WAGI_VEC_RESERVE(&ir->source, 1);
    if (ir->failed)
        return false;
    size_t room = ir->ins.cap < ir->source.cap ? ir->ins.cap : ir->source.cap;
    ir->ins_room = room < WAGI_IR_MAX_INS ? (uint32_t)room : WAGI_IR_MAX_INS;
    return true;
}

bool wagi_ir_more_vregs(wagi_ir *ir)
{
    ir->failed = ir->failed || ir->vregs.n >= WAGI_IR_MAX_VREGS || !WAGI_VEC_RESERVE(&ir->vregs, 1);
    if (ir->failed)
        return false;
    ir->vreg_room = ir->vregs.cap < WAGI_IR_MAX_VREGS ? (uint32_t)ir->vregs.cap : WAGI_IR_MAX_VREGS;
    return true;
}

static uint32_t add_const(wagi_ir *ir, wagi_ir_const constant)
{
    if (!WAGI_VEC_PUSH(&ir->consts, constant)) {
        ir->failed = true;
        return 0;
    }
    return (uint32_t)ir->consts.n - 1;
}

uint32_t wagi_ir_new_const(wagi_ir *ir, unsigned type, uint64_t bits)
{
    if (type == WAGI_TY_V128) /* is one already */
        return WAGI_POOL_CONST | (uint32_t)bits;
    return WAGI_POOL_CONST | add_const(ir, (wagi_ir_const){bits, 0, (uint8_t)type});
}

uint32_t wagi_ir_new_vector(wagi_ir *ir, uint64_t low, uint64_t high)
{
    return add_const(ir, (wagi_ir_const){low, high, WAGI_TY_V128});
}

/* ---- dump ---- */

typedef struct writer {
    char *buffer;
    size_t size, used;
} writer;

WAG_PRINTF(2, 3) static void put(writer *w, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = w->used < w->size ? w->size - w->used : 0;
    int n = vsnprintf(room ? w->buffer + w->used : NULL, room, format, arguments);
    va_end(arguments);
    if (n > 0)
        w->used += (size_t)n;
}

static void put_operand(writer *w, const wagi_ir *ir, uint32_t entry)
{
    if (entry == WAGI_NIL)
        put(w, " -");
    else if (entry & WAGI_POOL_CONST)
        put(w, " #0x%" PRIx64, ir->consts.p[entry & ~WAGI_POOL_CONST].bits);
    else
        put(w, " %s%" PRIu32, wagi_ir_is_local(ir, entry) ? "l" : "t", entry);
}

static void put_pool(writer *w, const wagi_ir *ir, uint32_t first, uint32_t count)
{
    put(w, " (");
    for (uint32_t i = 0; i < count; i++)
        put_operand(w, ir, ir->pool.p[first + i]);
    put(w, " )");
}

static void put_ins(writer *w, const wagi_ir *ir, uint32_t index)
{
    static const char *const types[WAGI_TY_COUNT] = {"i32", "i64", "f32", "f64", "v128"};
    static const char *const conds[WAGI_COND_COUNT] = {"eq",   "ne",   "lt_s", "ge_s", "le_s", "gt_s", "lt_u", "ge_u",
                                                       "le_u", "gt_u", "feq",  "fne",  "fgt",  "fngt", "fge",  "fnge"};
    const wagi_ins *ins = &ir->ins.p[index];
    put(w, "  %5" PRIu32 ": %-10s %s", index, wagi_ir_names[ins->op], types[ins->type]);
    if (ins->op == WAGI_IR_SETCC || ins->op == WAGI_IR_CMP || ins->op == WAGI_IR_SELECT || ins->op == WAGI_IR_BRCC)
        put(w, " %s%s", conds[ins->sub], ins->flags & WAGI_INS_TEST ? " test" : "");
    else if (ins->op == WAGI_IR_VECTOR || ins->op == WAGI_IR_VECTOR_3)
        put(w, " %s", wagi_ops[WAGI_VECTOR_FIRST + ins->sub].text);
    else
        put(w, " .%u", ins->sub);
    if (wagi_ir_uses[ins->op] & WAGI_IR_D)
        put_operand(w, ir, ins->dst);
    if (wagi_ins_reads_a(ins))
        put_operand(w, ir, ins->a);
    if (wagi_ins_reads_b(ins))
        put_operand(w, ir, ins->b);
    if (wagi_ins_reads_c(ins))
        put_operand(w, ir, ins->c);
    put(w, " imm %" PRId64, ins->imm);
    if (wagi_ins_jumps(ins))
        put(w, " -> b%" PRIu32, ir->labels.p[ins->dst].block);
    if (wagi_ins_has_table(ins))
        for (uint32_t i = 0; i <= ins->b; i++)
            put(w, " -> b%" PRIu32, ir->labels.p[ir->pool.p[ins->imm + i]].block);
    if (ins->op == WAGI_IR_RETURN)
        put_pool(w, ir, (uint32_t)ins->imm, ins->b);
    if (wagi_ir_uses[ins->op] & WAGI_IR_IS_CALL) {
        const wagi_ir_call *call = &ir->calls.p[ins->imm];
        put(w, " kind %u target %" PRIu32, call->kind, call->target);
        put_pool(w, ir, call->args, wagi_call_operands(call));
        put_pool(w, ir, call->results, call->result_count);
        if (call->handler)
            put(w, " -> b%" PRIu32, ir->labels.p[ir->handlers.p[call->handler - 1].label].block);
    }
    put(w, "\n");
}

size_t wagi_ir_dump(const wagi_ir *ir, char *buffer, size_t size)
{
    writer w = {buffer, size, 0};
    for (uint32_t b = 0; b < ir->blocks.n; b++) {
        const wagi_block *block = &ir->blocks.p[b];
        put(&w, "b%" PRIu32 ":%s%s%s\n", b, block->target ? " target" : "",
            block->loop_head ? " loop"
            : block->landing ? " landing"
                             : "",
            block->falls ? "" : " ends");
        for (uint32_t i = block->first; i < block->last; i++)
            put_ins(&w, ir, i);
    }
    for (uint32_t v = 0; v < ir->vregs.n; v++)
        if (ir->vregs.p[v].end)
            put(&w, "  v%" PRIu32 " [%" PRIu32 ", %" PRIu32 "] home %d slot %" PRId32 " weight %g\n", v,
                ir->vregs.p[v].start, ir->vregs.p[v].end, ir->vregs.p[v].home, (int32_t)ir->vregs.p[v].slot,
                (double)ir->vregs.p[v].weight);
    if (size && w.used >= size)
        buffer[size - 1] = 0;
    return w.used;
}

/* ---- verifier ---- */

static const char *verify_label(const wagi_ir *ir, uint32_t from, uint32_t label)
{
    if (label >= ir->labels.n)
        return "label out of range";
    uint32_t to = ir->labels.p[label].block;
    if (to >= ir->blocks.n)
        return "label not placed";
    if (!ir->blocks.p[to].target)
        return "branch to a block that is no target";
    if (to <= from) {
        uint32_t loop = ir->blocks.p[to].loop;
        if (!ir->blocks.p[to].loop_head || loop >= ir->loops.n || ir->loops.p[loop].first != to ||
            from >= ir->loops.p[loop].end)
            return "backward branch to what is not a loop around it";
    } else if (ir->blocks.p[to].loop_head) {
        return "forward branch into a loop";
    }
    return NULL;
}

static const char *verify_handler(const wagi_ir *ir, uint32_t from, uint32_t handler)
{
    if (handler > ir->handlers.n)
        return "no such handler";
    const char *wrong = verify_label(ir, from, ir->handlers.p[handler - 1].label);
    if (wrong)
        return wrong;
    const wagi_block *block = &ir->blocks.p[ir->labels.p[ir->handlers.p[handler - 1].label].block];
    if (block->first == block->last || ir->ins.p[block->first].op != WAGI_IR_HANDLER)
        return "a handler's block has no HANDLER";
    return NULL;
}

static const char *verify_branches(const wagi_ir *ir, uint32_t b, const wagi_ins *ins)
{
    if (wagi_ins_jumps(ins))
        return verify_label(ir, b, ins->dst);
    if (ins->op == WAGI_IR_CALL && ir->calls.p[ins->imm].handler)
        return verify_handler(ir, b, ir->calls.p[ins->imm].handler);
    if (!wagi_ins_has_table(ins))
        return NULL;
    for (uint32_t i = 0; i <= ins->b; i++) {
        const char *wrong = verify_label(ir, b, ir->pool.p[ins->imm + i]);
        if (wrong)
            return wrong;
    }
    return NULL;
}

typedef struct verify_state {
    const wagi_ir *ir;
    const char *wrong;
    uint8_t *defined;
} verify_state;

static void verify_use(void *context, uint32_t *vreg)
{
    verify_state *state = context;
    if (*vreg >= state->ir->vregs.n)
        state->wrong = "operand is no vreg";
    else if (!state->defined[*vreg])
        state->wrong = "vreg is read before anything wrote it";
}

static void verify_def(void *context, uint32_t *vreg)
{
    verify_state *state = context;
    if (*vreg >= state->ir->vregs.n)
        state->wrong = "result is no vreg";
    else
        state->defined[*vreg] = 1;
}

static const char *verify_ins(verify_state *state, uint32_t b, uint32_t i)
{
    wagi_ir *ir = (wagi_ir *)(uintptr_t)state->ir; /* the visitors get to change operands; these do not */
    const wagi_block *block = &ir->blocks.p[b];
    const wagi_ins *ins = &ir->ins.p[i];
    if (ins->op >= WAGI_IR_OP_COUNT || ins->type >= WAGI_TY_COUNT)
        return "no such op or type";
    if ((wagi_ir_uses[ins->op] & WAGI_IR_END) && i + 1 != block->last)
        return "a branch inside a block";
    if (ins->op == WAGI_IR_CALL && ir->calls.p[ins->imm].handler && i + 1 != block->last)
        return "a call with a handler inside a block";
    if (ins->op == WAGI_IR_CATCH && (!block->landing || i != block->first))
        return "CATCH where exceptions do not come";
    if (ins->op == WAGI_IR_CMP && (i + 1 >= block->last || ir->ins.p[i + 1].op != WAGI_IR_SELECT))
        return "CMP without its SELECT";
    if ((ins->op == WAGI_IR_ATOMIC_EXPECT) != (i + 1 < block->last && ir->ins.p[i + 1].op == WAGI_IR_ATOMIC_CMPXCHG))
        return "ATOMIC_CMPXCHG without its ATOMIC_EXPECT";
    if (ins->op == WAGI_IR_SELECT && (i == block->first || ir->ins.p[i - 1].op != WAGI_IR_CMP))
        return "SELECT without its CMP";
    wagi_ir_each_use(ir, i, verify_use, state);
    wagi_ir_each_def(ir, i, verify_def, state);
    return state->wrong ? state->wrong : verify_branches(ir, b, ins);
}

const char *wagi_ir_verify(const wagi_ir *ir, uint32_t *ret_ins)
{
    verify_state state = {ir, NULL, wagi_alloc_zero(ir->vregs.n + 1, 1)};
    if (!state.defined)
        return NULL; /* nothing was found wrong */
    memset(state.defined, 1, ir->local_count);
    for (uint32_t b = 0; b < ir->blocks.n && !state.wrong; b++) {
        const wagi_block *block = &ir->blocks.p[b];
        if (block->first > block->last || block->last > ir->ins.n || (b && block->first != ir->blocks.p[b - 1].last))
            state.wrong = "blocks do not tile the instructions";
        for (uint32_t i = block->first; i < block->last && !state.wrong; i++) {
            *ret_ins = i;
            state.wrong = verify_ins(&state, b, i);
        }
        if (!state.wrong && !block->falls &&
            (block->first == block->last || !(wagi_ir_uses[ir->ins.p[block->last - 1].op] & WAGI_IR_END)))
            state.wrong = "a block ends without a branch";
    }
    wagi_free(state.defined);
    return state.wrong;
}

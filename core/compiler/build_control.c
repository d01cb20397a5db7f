/* The builder's control: constructs, branches and what uses a condition.
 *
 * Values that a branch carries are moved to the target's merge vregs before the branch. That is harmless when the
 * branch is not taken, because nobody reads merge vregs before the target's end; a loop's parameters are read at once,
 * so a conditional branch that carries values to a loop (or returns values) jumps around an unconditional one.
 */
#include "compiler/build.h"

#include <string.h>

#include "compiler/build_entry.h"

/* Inlined into the switch over ops, each would make it save the registers that one of them needs. */
#define OWN_FRAME __attribute__((noinline))

static wagi_control *control_at(wagi_builder *b, uint32_t depth)
{
    if (depth >= b->control.n) {
        b->ir->failed = true;
        depth = (uint32_t)b->control.n - 1;
    }
    return &b->control.p[b->control.n - 1 - depth];
}

static const wagi_valtype *results_of(const wagi_control *c)
{
    return c->results ? c->results : &c->one;
}

static uint32_t label_arity(const wagi_control *c)
{
    return c->kind == WAGI_CTL_LOOP ? c->param_count : c->result_count;
}

static uint32_t merge_of(wagi_builder *b, wagi_control *c)
{
    if (c->merge == WAGI_NIL)
        c->merge = wagi_ir_new_vregs(b->ir, results_of(c), c->result_count);
    return c->merge;
}

void wagi_build_refer(wagi_builder *b, uint32_t label)
{
    wagi_label *l = &b->ir->labels.p[label];
    l->refs++;
    if (l->first_ref == WAGI_NIL)
        l->first_ref = (uint32_t)b->ir->blocks.n - 1;
}

void wagi_build_unreachable(wagi_builder *b)
{
    wagi_control *c = control_at(b, 0);
    wagi_build_drop_to(b, c->height);
    c->live = false;
}

/* ---- branches ---- */

static uint8_t cast_of(const wagi_test *test)
{
    return test->cast | (test->cond == WAGI_EQ ? WAGI_CAST_NOT : 0);
}

static void branch_if(wagi_builder *b, const wagi_test *test, uint32_t label)
{
    wagi_ins ins = ins_2(WAGI_IR_BRCC, test->type, label, test->a, WAGI_NIL);
    ins.sub = test->cond;
    ins.flags = test->flags;
    ins.imm = test->imm;
    if (test->cast) {
        ins.op = WAGI_IR_BR_CAST;
        ins.sub = cast_of(test);
    } else if (!(test->flags & WAGI_INS_IMM)) {
        ins.b = test->b;
    }
    wagi_build_emit(b, ins);
    if (b->ir->failed)
        return;
    wagi_build_refer(b, label);
    wagi_build_start_block(b, true);
    if (test->is_null && test->cond == WAGI_EQ)
        wagi_build_note_not_null(b, test->a);
}

void wagi_build_jump_label(wagi_builder *b, uint32_t label)
{
    wagi_build_emit(b, ins_2(WAGI_IR_JMP, WAGI_TY_I32, label, WAGI_NIL, WAGI_NIL));
    if (b->ir->failed)
        return;
    wagi_build_refer(b, label);
    wagi_build_start_block(b, false);
}

/* The top values to the parameters of a loop. Sources may be those parameters: read such ones first. The stack stays as
 * it is: where the branch is not taken, there are no copies. */
static void move_to_loop(wagi_builder *b, uint32_t first, uint32_t count)
{
    uint32_t base = (uint32_t)b->stack.n - count;
    if (count == 0)
        return;
    if (!WAGI_VEC_RESERVE(&b->saved, count)) {
        b->ir->failed = true;
        return;
    }
    wagi_entry *before = b->saved.p + b->saved.n;
    memcpy(before, b->stack.p + base, count * sizeof *before);
    for (uint32_t i = 0; i < count && !b->ir->failed; i++) {
        wagi_entry *entry = &b->stack.p[base + i];
        bool is_param = entry->kind == WAGI_ENTRY_TEMP && entry->vreg >= first && entry->vreg < first + count;
        if (!is_param || entry->vreg == first + i)
            continue;
        uint32_t copy = wagi_ir_new_vreg(b->ir, entry->type);
        wagi_build_emit(b, ins_1(WAGI_IR_MOV, entry->type, copy, entry->vreg));
        entry->vreg = copy;
        entry->def = WAGI_NIL;
    }
    for (uint32_t i = 0; i < count && !b->ir->failed; i++) {
        wagi_entry entry = b->stack.p[base + i];
        if (entry.kind != WAGI_ENTRY_TEMP || entry.vreg != first + i)
            wagi_build_move(b, first + i, entry, false);
    }
    memcpy(b->stack.p + base, before, count * sizeof *before);
}

void wagi_build_move_to_merge(wagi_builder *b, wagi_control *c, bool redirect)
{
    uint32_t first = merge_of(b, c), base = (uint32_t)b->stack.n - c->result_count;
    for (uint32_t i = 0; i < c->result_count && !b->ir->failed; i++)
        wagi_build_move(b, first + i, b->stack.p[base + i], redirect);
}

void wagi_build_return(wagi_builder *b)
{
    uint32_t count = b->body->result_count;
    uint32_t pool = wagi_ir_new_pool(b->ir, count);
    if (b->ir->failed || count > b->stack.n) {
        b->ir->failed = true;
        return;
    }
    uint32_t base = (uint32_t)b->stack.n - count;
    for (uint32_t i = 0; i < count; i++)
        b->ir->pool.p[pool + i] = wagi_build_pool_entry(b, b->stack.p[base + i]);
    wagi_ins ins = ins_2(WAGI_IR_RETURN, WAGI_TY_I32, WAGI_NIL, WAGI_NIL, count);
    ins.imm = pool;
    wagi_build_emit(b, ins);
    wagi_build_start_block(b, false);
}

/* An unconditional branch; the stack stays as it is. */
void wagi_build_jump(wagi_builder *b, uint32_t depth, bool redirect)
{
    wagi_control *c = control_at(b, depth);
    uint32_t arity = label_arity(c);
    if (arity > b->stack.n)
        b->ir->failed = true;
    if (b->ir->failed)
        return;
    if (c->kind == WAGI_CTL_FUNC) {
        wagi_build_return(b);
        return;
    }
    if (c->kind == WAGI_CTL_LOOP)
        move_to_loop(b, c->merge, arity);
    else if (arity)
        wagi_build_move_to_merge(b, c, redirect);
    wagi_build_jump_label(b, c->label);
}

void wagi_build_branch_to(wagi_builder *b, wagi_test *test, uint32_t depth)
{
    wagi_control *c = control_at(b, depth);
    uint32_t arity = label_arity(c);
    if (arity > b->stack.n)
        b->ir->failed = true;
    if (b->ir->failed)
        return;
    if (arity == 0) {
        branch_if(b, test, c->label);
    } else if (c->kind == WAGI_CTL_FUNC || c->kind == WAGI_CTL_LOOP) {
        uint32_t around = wagi_ir_new_label(b->ir);
        test->cond ^= 1u;
        branch_if(b, test, around);
        wagi_build_jump(b, depth, false);
        wagi_build_place(b, around);
    } else {
        wagi_build_move_to_merge(b, c, false);
        branch_if(b, test, c->label);
    }
}

/* A label for the br_table at hand: of an edge block when values have to be moved. */
static uint32_t table_label(wagi_builder *b, uint32_t depth)
{
    wagi_control *c = control_at(b, depth);
    if (label_arity(c) == 0)
        return c->label;
    if (c->edge_serial != b->edge_serial) {
        c->edge_serial = b->edge_serial;
        c->edge = wagi_ir_new_label(b->ir);
    }
    return c->edge;
}

static OWN_FRAME void branch_table(wagi_builder *b)
{
    wagi_ir *ir = b->ir;
    wagi_entry index = wagi_build_pop(b);
    wagi_build_materialize(b, &index);
    uint32_t count = wagi_read_u32(&b->in);
    const uint8_t *labels_at = b->in.pos;
    if (count >= WAGI_IR_MAX_POOL)
        ir->failed = true;
    uint32_t pool = wagi_ir_new_pool(ir, ir->failed ? 0 : count + 1);
    b->edge_serial++;
    bool edges = false;
    for (uint32_t i = 0; i <= count && !ir->failed; i++) {
        uint32_t depth = wagi_read_u32(&b->in);
        edges |= label_arity(control_at(b, depth)) != 0;
        uint32_t label = table_label(b, depth);
        if (ir->failed)
            return;
        ir->pool.p[pool + i] = label;
        wagi_build_refer(b, label);
    }
    wagi_ins ins = ins_2(WAGI_IR_BR_TABLE, WAGI_TY_I32, WAGI_NIL, index.vreg, count);
    ins.imm = pool;
    wagi_build_emit(b, ins);
    wagi_build_start_block(b, false);
    if (edges) {
        b->in.pos = labels_at;
        for (uint32_t i = 0; i <= count && !ir->failed; i++) {
            uint32_t depth = wagi_read_u32(&b->in);
            wagi_control *c = control_at(b, depth);
            if (c->edge == WAGI_NIL)
                continue;
            wagi_build_place(b, c->edge);
            c->edge = WAGI_NIL;
            wagi_build_jump(b, depth, false);
        }
    }
    if (!ir->failed)
        wagi_build_unreachable(b);
}

/* ---- constructs ---- */

wagi_control *wagi_build_push_control(wagi_builder *b, wagi_control_kind kind, wagi_block_type type)
{
    uint32_t label = wagi_ir_new_label(b->ir);
    if (!WAGI_VEC_RESERVE(&b->control, 1)) {
        b->ir->failed = true;
        return NULL;
    }
    wagi_control *c = &b->control.p[b->control.n++];
    *c = (wagi_control){.kind = (uint8_t)kind,
                        .live = true,
                        .label = label,
                        .else_label = WAGI_NIL,
                        .loop = WAGI_NIL,
                        .merge = WAGI_NIL,
                        .edge = WAGI_NIL,
                        .saved = (uint32_t)b->saved.n};
    if (type.type) {
        c->param_count = type.type->param_count;
        c->params = type.type->params;
        c->result_count = type.type->result_count;
        c->results = type.type->results;
    } else if (type.value != WAGI_KIND_NONE) {
        c->one = type.value;
        c->result_count = 1;
    }
    if (c->param_count > b->stack.n) {
        b->ir->failed = true;
        c->param_count = 0;
    }
    c->height = (uint32_t)b->stack.n - c->param_count;
    return c;
}

void wagi_build_push_function(wagi_builder *b)
{
    wagi_control *c = wagi_build_push_control(b, WAGI_CTL_FUNC, (wagi_block_type){.value = WAGI_KIND_NONE});
    if (!c)
        return;
    c->result_count = b->body->result_count;
    c->results = b->body->type->results;
}

void wagi_build_push_callee(wagi_builder *b, const wagi_func_body *callee)
{
    wagi_control *c = wagi_build_push_control(b, WAGI_CTL_BLOCK, (wagi_block_type){.value = WAGI_KIND_NONE});
    if (!c)
        return;
    c->result_count = callee->result_count;
    c->results = callee->type->results;
}

static OWN_FRAME void begin_loop(wagi_builder *b, wagi_block_type type)
{
    wagi_ir *ir = b->ir;
    wagi_build_sync(b);
    wagi_control *c = wagi_build_push_control(b, WAGI_CTL_LOOP, type);
    if (!c || ir->failed)
        return;
    if (c->param_count) {
        c->merge = wagi_ir_new_vregs(ir, c->params, c->param_count);
        for (uint32_t i = 0; i < c->param_count && !ir->failed; i++) {
            wagi_entry *entry = &b->stack.p[c->height + i];
            wagi_build_move(b, c->merge + i, *entry, true);
            *entry = (wagi_entry){.kind = WAGI_ENTRY_TEMP,
                                  .type = (uint8_t)wagi_ir_type_of(c->params[i]),
                                  .vreg = c->merge + i,
                                  .def = WAGI_NIL};
        }
    }
    wagi_loop loop = {.first = (uint32_t)ir->blocks.n,
                      .end = WAGI_NIL,
                      .parent = b->loop,
                      .depth = b->loop == WAGI_NIL ? 1 : ir->loops.p[b->loop].depth + 1,
                      .params = c->merge,
                      .param_count = c->param_count};
    if (ir->failed || !WAGI_VEC_PUSH(&ir->loops, loop)) {
        ir->failed = true;
        return;
    }
    b->loop = c->loop = (uint32_t)ir->loops.n - 1;
    b->epoch++;
    wagi_build_start_block(b, true);
    if (ir->failed)
        return;
    ir->blocks.p[ir->blocks.n - 1].loop_head = true;
    ir->blocks.p[ir->blocks.n - 1].target = true;
    ir->labels.p[c->label].block = (uint32_t)ir->blocks.n - 1;
    if (b->poll)
        wagi_build_emit(b, ins_1(WAGI_IR_POLL, WAGI_TY_I32, WAGI_NIL, WAGI_NIL));
    wagi_build_fuel_check(b);
    wagi_build_next_run(b);
}

static void begin_if(wagi_builder *b, wagi_test *test, wagi_block_type type)
{
    wagi_control *c = wagi_build_push_control(b, WAGI_CTL_IF, type);
    if (!c || b->ir->failed)
        return;
    c->else_label = wagi_ir_new_label(b->ir);
    c->not_null_else = test->is_null && test->cond == WAGI_EQ ? test->a : WAGI_NIL;
    if (b->saved.n + c->param_count > WAGI_IR_MAX_POOL || !WAGI_VEC_RESERVE(&b->saved, c->param_count))
        b->ir->failed = true;
    if (b->ir->failed)
        return;
    for (uint32_t i = 0; i < c->param_count; i++)
        b->saved.p[b->saved.n++] = b->stack.p[c->height + i];
    test->cond ^= 1u;
    branch_if(b, test, c->else_label);
}

static OWN_FRAME void begin_else(wagi_builder *b)
{
    wagi_control *c = control_at(b, 0);
    if (c->live) {
        if (c->result_count)
            wagi_build_move_to_merge(b, c, true);
        wagi_build_jump_label(b, c->label);
    }
    wagi_build_drop_to(b, c->height);
    wagi_build_place(b, c->else_label);
    wagi_build_note_not_null(b, c->not_null_else);
    for (uint32_t i = 0; i < c->param_count && !b->ir->failed; i++)
        wagi_build_push(b, b->saved.p[c->saved + i]);
    b->saved.n = c->saved;
    c->kind = WAGI_CTL_ELSE;
    c->live = true;
}

void wagi_build_push_merges(wagi_builder *b, wagi_control *c)
{
    for (uint32_t i = 0; i < c->result_count; i++) {
        wagi_build_push_vreg(b, wagi_ir_type_of(results_of(c)[i]), merge_of(b, c) + i);
        wagi_build_note_type(b, results_of(c)[i]);
    }
}

static void end_function(wagi_builder *b)
{
    wagi_ir *ir = b->ir;
    wagi_control *c = control_at(b, 0);
    if (c->live)
        wagi_build_return(b);
    if (ir->failed)
        return;
    if (ir->labels.p[c->label].refs) { /* branches without values; those with values return by themselves */
        wagi_build_drop_to(b, 0);
        wagi_build_place(b, c->label);
        wagi_build_return(b);
    }
    b->control.n--;
    if (ir->failed)
        return;
    wagi_block *last = &ir->blocks.p[ir->blocks.n - 1];
    if (last->first == ir->ins.n)
        ir->blocks.n--; /* what wagi_build_return opened */
}

static void end_loop(wagi_builder *b)
{
    wagi_ir *ir = b->ir;
    wagi_control *c = control_at(b, 0);
    bool live = c->live;
    wagi_loop *loop = &ir->loops.p[c->loop];
    b->loop = loop->parent;
    wagi_block *last = &ir->blocks.p[ir->blocks.n - 1];
    if (last->first != ir->ins.n || last->target)
        wagi_build_start_block(b, true);
    if (ir->failed)
        return;
    loop->end = (uint32_t)ir->blocks.n - 1;
    ir->blocks.p[loop->end].loop = b->loop;
    b->control.n--;
    if (!live)
        wagi_build_unreachable(b);
}

static void end_block(wagi_builder *b)
{
    wagi_ir *ir = b->ir;
    if (control_at(b, 0)->kind == WAGI_CTL_IF && control_at(b, 0)->result_count)
        begin_else(b);
    wagi_control *c = control_at(b, 0);
    if (ir->failed)
        return;
    bool live = c->live;
    uint32_t refs = ir->labels.p[c->label].refs;
    if (refs && live && c->result_count)
        wagi_build_move_to_merge(b, c, true);
    if (!live || refs)
        wagi_build_drop_to(b, c->height);
    if (c->kind == WAGI_CTL_IF) {
        wagi_build_place(b, c->else_label);
        live = true;
    }
    if (refs) {
        wagi_build_place(b, c->label);
        wagi_build_push_merges(b, c);
        live = true;
    }
    b->saved.n = c->saved;
    b->control.n--;
    if (!live)
        wagi_build_unreachable(b);
}

static OWN_FRAME void end_construct(wagi_builder *b)
{
    switch (control_at(b, 0)->kind) {
    case WAGI_CTL_FUNC:
        end_function(b);
        return;
    case WAGI_CTL_LOOP:
        end_loop(b);
        return;
    case WAGI_CTL_TRY:
        wagi_build_end_try(b);
        return;
    default:
        end_block(b);
    }
}

/* ---- conditions ---- */

/* A type test as a number. */
static uint32_t cast_value(wagi_builder *b, const wagi_test *test)
{
    wagi_ins ins = ins_1(WAGI_IR_REF_TEST, WAGI_TY_I64, wagi_ir_new_vreg(b->ir, WAGI_TY_I32), test->a);
    ins.sub = cast_of(test);
    ins.flags = test->flags;
    ins.imm = test->imm;
    wagi_build_emit(b, ins);
    return ins.dst;
}

static void select_values(wagi_builder *b, wagi_test *test)
{
    if (test->cast) {
        uint32_t value = cast_value(b, test);
        *test = (wagi_test){.cond = WAGI_NE, .type = WAGI_TY_I32, .flags = WAGI_INS_IMM, .a = value};
    }
    wagi_entry y = wagi_build_pop(b), x = wagi_build_pop(b);
    wagi_build_materialize(b, &x);
    wagi_build_materialize(b, &y);
    wagi_ins cmp = ins_2(WAGI_IR_CMP, test->type, WAGI_NIL, test->a, WAGI_NIL);
    cmp.sub = test->cond;
    cmp.flags = test->flags;
    cmp.imm = test->imm;
    if (!(test->flags & WAGI_INS_IMM))
        cmp.b = test->b;
    wagi_build_emit(b, cmp);
    uint32_t dst = wagi_ir_new_vreg(b->ir, x.type);
    wagi_ins select = ins_2(WAGI_IR_SELECT, x.type, dst, x.vreg, y.vreg);
    select.sub = test->cond;
    wagi_build_emit(b, select);
    wagi_build_push_result(b, x.type, dst);
}

static void condition_value(wagi_builder *b, const wagi_test *test)
{
    if (test->cast) {
        uint32_t value = cast_value(b, test);
        wagi_build_push_result(b, WAGI_TY_I32, value);
        return;
    }
    uint32_t dst = wagi_ir_new_vreg(b->ir, WAGI_TY_I32);
    wagi_ins ins = ins_2(WAGI_IR_SETCC, test->type, dst, test->a, WAGI_NIL);
    ins.sub = test->cond;
    ins.flags = test->flags;
    ins.imm = test->imm;
    if (!(test->flags & WAGI_INS_IMM))
        ins.b = test->b;
    wagi_build_emit(b, ins);
    wagi_build_push_result(b, WAGI_TY_I32, dst);
}

void wagi_build_condition(wagi_builder *b, wagi_test *test)
{
    wagi_reader *in = &b->in;
    for (; in->pos < in->end && *in->pos == wagi_ops[WAGI_OP_i32_eqz].code; in->pos++)
        test->cond ^= 1u;
    uint8_t next = in->pos < in->end ? *in->pos : 0;
    if (next == wagi_ops[WAGI_OP_br_if].code) {
        in->pos++;
        wagi_build_branch_to(b, test, wagi_read_u32(in));
        wagi_build_next_run(b);
    } else if (next == wagi_ops[WAGI_OP_if_].code) {
        in->pos++;
        wagi_block_type type = wagi_build_read_block_type(b);
        wagi_build_sync(b);
        begin_if(b, test, type);
        wagi_build_next_run(b);
    } else if (next == wagi_ops[WAGI_OP_select].code) {
        in->pos++;
        select_values(b, test);
    } else if (next == wagi_ops[WAGI_OP_select_t].code) {
        in->pos++;
        wagi_build_skip_immediate(b, WAGI_OP_select_t);
        select_values(b, test);
    } else {
        condition_value(b, test);
    }
}

/* ---- references ---- */

static wagi_test null_test(uint32_t value, uint8_t cond)
{
    return (wagi_test){.cond = cond, .type = WAGI_TY_I64, .flags = WAGI_INS_IMM, .is_null = true, .a = value};
}

void wagi_build_is_null(wagi_builder *b)
{
    wagi_entry value = wagi_build_pop(b);
    wagi_build_materialize(b, &value);
    wagi_test test = null_test(value.vreg, WAGI_EQ);
    wagi_build_condition(b, &test);
}

static OWN_FRAME void branch_on_null(wagi_builder *b)
{
    uint32_t depth = wagi_read_u32(&b->in);
    wagi_entry value = wagi_build_pop(b);
    wagi_build_materialize(b, &value);
    wagi_test test = null_test(value.vreg, WAGI_EQ);
    wagi_build_branch_to(b, &test, depth);
    wagi_build_note_not_null(b, value.vreg); /* where the branch jumps around another one, too */
    wagi_build_push(b, value);
}

static OWN_FRAME void branch_on_non_null(wagi_builder *b)
{
    uint32_t depth = wagi_read_u32(&b->in);
    wagi_build_materialize(b, wagi_build_top(b));
    wagi_test test = null_test(wagi_build_top(b)->vreg, WAGI_NE);
    wagi_build_branch_to(b, &test, depth);
    wagi_build_pop(b);
}

static OWN_FRAME void as_non_null(wagi_builder *b)
{
    wagi_entry value = wagi_build_pop(b);
    wagi_build_null_check(b, &value, WAG_NULL_REFERENCE);
    wagi_build_push(b, value);
}

static OWN_FRAME void unreachable_op(wagi_builder *b)
{
    wagi_ins trap = ins_1(WAGI_IR_TRAP, WAGI_TY_I32, WAGI_NIL, WAGI_NIL);
    trap.imm = WAG_UNREACHABLE;
    wagi_build_emit(b, trap);
    wagi_build_start_block(b, false);
    wagi_build_unreachable(b);
}

static OWN_FRAME void begin_block(wagi_builder *b)
{
    wagi_block_type type = wagi_build_read_block_type(b);
    wagi_build_sync(b);
    wagi_build_push_control(b, WAGI_CTL_BLOCK, type);
}

static OWN_FRAME void branch(wagi_builder *b)
{
    wagi_build_jump(b, wagi_read_u32(&b->in), true);
    wagi_build_unreachable(b);
}

static OWN_FRAME void return_op(wagi_builder *b)
{
    if (b->callees.n)
        wagi_build_jump(b, (uint32_t)b->control.n - 1 - b->callees.p[b->callees.n - 1].control, true);
    else
        wagi_build_return(b);
    wagi_build_unreachable(b);
}

/* ---- dispatch ---- */

/* Ops whose condition is on the stack: put the op back and let wagi_build_condition fuse it. */
static OWN_FRAME void condition_on_stack(wagi_builder *b)
{
    b->in.pos--;
    wagi_build_truth(b, WAGI_TY_I32, WAGI_NE);
}

bool wagi_build_control(wagi_builder *b, wagi_op op)
{
    switch (op) {
    case WAGI_OP_block:
        begin_block(b);
        return true;
    case WAGI_OP_loop:
        begin_loop(b, wagi_build_read_block_type(b));
        return true;
    case WAGI_OP_if_:
    case WAGI_OP_br_if:
    case WAGI_OP_select:
    case WAGI_OP_select_t:
        condition_on_stack(b);
        return true;
    case WAGI_OP_else_:
        begin_else(b);
        return true;
    case WAGI_OP_end:
        end_construct(b);
        return true;
    case WAGI_OP_br:
        branch(b);
        return true;
    case WAGI_OP_br_table:
        branch_table(b);
        return true;
    case WAGI_OP_return_:
        return_op(b);
        return true;
    case WAGI_OP_unreachable:
        unreachable_op(b);
        return true;
    case WAGI_OP_br_on_null:
        branch_on_null(b);
        return true;
    case WAGI_OP_br_on_non_null:
        branch_on_non_null(b);
        return true;
    case WAGI_OP_ref_as_non_null:
        as_non_null(b);
        return true;
    default:
        return false;
    }
}

/* The builder's core: instructions and blocks, the symbolic stack, locals, the decode loop. */
#include "compiler/build.h"

#include <string.h>

#include "binary/fuel.h"
#include "binary/skip.h"
#include "compiler/build_entry.h"

/* ---- instructions and blocks ---- */

static wagi_block *last_block(wagi_builder *b)
{
    return &b->ir->blocks.p[b->ir->blocks.n - 1];
}

void wagi_build_place(wagi_builder *b, uint32_t label)
{
    wagi_ir *ir = b->ir;
    if (ir->failed)
        return;
    if (ir->ins.n != last_block(b)->first || last_block(b)->loop_head)
        wagi_build_start_block(b, true);
    if (ir->failed)
        return;
    b->epoch++;
    last_block(b)->target = true;
    last_block(b)->loop = b->loop;
    ir->labels.p[label].block = (uint32_t)ir->blocks.n - 1;
}

/* ---- the stack ---- */

wagi_entry *wagi_build_top(wagi_builder *b)
{
    static const wagi_entry none = {.kind = WAGI_ENTRY_CONST, .vreg = WAGI_NIL};
    if (b->stack.n == 0) {
        b->ir->failed = true;
        if (!WAGI_VEC_PUSH(&b->stack, none))
            return NULL;
    }
    return &b->stack.p[b->stack.n - 1];
}

void wagi_build_drop_to(wagi_builder *b, uint32_t height)
{
    while (b->stack.n > height)
        wagi_build_pop(b);
}

wagi_entry wagi_build_load_const(wagi_builder *b, unsigned type, uint64_t bits)
{
    uint32_t vreg = wagi_ir_new_vreg(b->ir, type);
    uint32_t def = wagi_build_emit(b, ins_const(type, vreg, bits));
    return (wagi_entry){.kind = WAGI_ENTRY_TEMP, .type = (uint8_t)type, .vreg = vreg, .def = def};
}

/* Read the local reference at a stack index into a temporary. */
static void read_reference(wagi_builder *b, uint32_t index)
{
    wagi_entry entry = b->stack.p[index];
    uint32_t vreg = wagi_ir_new_vreg(b->ir, entry.type);
    uint32_t def = wagi_build_emit(b, ins_1(WAGI_IR_MOV, entry.type, vreg, entry.vreg));
    b->stack.p[index] = (wagi_entry){.kind = WAGI_ENTRY_TEMP, .type = entry.type, .vreg = vreg, .def = def};
}

void wagi_build_sync(wagi_builder *b)
{
    /* From the top, so that each reference is the head of its local's list when it goes. */
    for (uint32_t i = (uint32_t)b->stack.n; b->references && i-- > 0 && !b->ir->failed;)
        if (b->stack.p[i].kind == WAGI_ENTRY_LOCAL) {
            wagi_build_forget_reference(b, &b->stack.p[i]);
            read_reference(b, i);
        }
}

/* ---- locals ---- */

/* The instruction reads or writes the local. */
static bool touches(const wagi_ir *ir, const wagi_ins *ins, uint32_t x)
{
    uint8_t uses = wagi_ir_uses[ins->op];
    if ((ins->a == x && (uses & WAGI_IR_A)) || (ins->b == x && (uses & WAGI_IR_B)) ||
        (ins->dst == x && (uses & WAGI_IR_D)) || ((uses & WAGI_IR_C) && ins->c == x))
        return true;
    if (!(uses & WAGI_IR_IS_CALL))
        return false;
    const wagi_ir_call *call = &ir->calls.p[ins->imm];
    for (uint32_t i = 0; i < wagi_call_operands(call); i++)
        if (ir->pool.p[call->args + i] == x)
            return true;
    return false;
}

/* Instructions behind a definition that are looked through, at most. */
#define MAX_BEHIND 32

/* Whether the value's definition may write the local instead: nothing behind it has to do with the local. */
static bool may_define(const wagi_builder *b, const wagi_entry *value, uint32_t x)
{
    const wagi_ir *ir = b->ir;
    if (!wagi_build_redirectable(b, value) || ir->ins.n - value->def > MAX_BEHIND + 1)
        return false;
    for (size_t i = value->def + 1; i < ir->ins.n; i++)
        if (touches(ir, &ir->ins.p[i], x))
            return false;
    return true;
}

static void set_local(wagi_builder *b, uint32_t x, bool keep)
{
    wagi_ir *ir = b->ir;
    wagi_entry value = wagi_build_pop(b);
    if (value.kind == WAGI_ENTRY_LOCAL && value.vreg == x) {
        if (keep)
            wagi_build_push(b, value);
        return;
    }
    while (b->pending.p[x] && !ir->failed) {
        uint32_t index = b->pending.p[x] - 1;
        wagi_build_forget_reference(b, &b->stack.p[index]);
        read_reference(b, index);
    }
    if (ir->failed)
        return;
    if (b->not_null.n)
        wagi_build_copy_note(b, x, &value);
    wagi_build_move(b, x, value, may_define(b, &value, x));
    if (!keep)
        return;
    if (value.kind == WAGI_ENTRY_CONST)
        wagi_build_push(b, value);
    else
        wagi_build_push(b, (wagi_entry){.kind = WAGI_ENTRY_LOCAL, .type = value.type, .vreg = x});
}

static inline void push_local(wagi_builder *b, uint32_t x)
{
    if (b->callees.n)
        wagi_build_callee_get(b, x);
    else
        wagi_build_push(b, (wagi_entry){.kind = WAGI_ENTRY_LOCAL, .type = b->ir->vregs.p[x].type, .vreg = x});
}

static void set_some_local(wagi_builder *b, bool keep)
{
    uint32_t x = wagi_read_u32(&b->in);
    if (b->callees.n == 0 || !wagi_build_callee_set(b, x, keep, &x))
        set_local(b, x, keep);
}

static bool build_local(wagi_builder *b, wagi_op op)
{
    switch (op) {
    case WAGI_OP_i64_const:
        wagi_build_push_const(b, WAGI_TY_I64, (uint64_t)wagi_read_s64(&b->in));
        return true;
    case WAGI_OP_f32_const:
    case WAGI_OP_f64_const: {
        unsigned size = op == WAGI_OP_f32_const ? 4 : 8;
        const uint8_t *bytes = wagi_read_bytes(&b->in, size);
        uint64_t bits = 0;
        for (unsigned i = 0; bytes && i < size; i++)
            bits |= (uint64_t)bytes[i] << 8 * i;
        wagi_build_push_const(b, size == 4 ? WAGI_TY_F32 : WAGI_TY_F64, bits);
        return true;
    }
    case WAGI_OP_drop:
        wagi_build_pop(b);
        return true;
    case WAGI_OP_nop:
        return true;
    case WAGI_OP_ref_null:
        wagi_build_skip_immediate(b, op);
        wagi_build_push_const(b, WAGI_TY_I64, 0);
        return true;
    default:
        return false;
    }
}

/* ---- the decode loop ---- */

static inline wagi_op read_op(wagi_builder *b)
{
    uint8_t byte = wagi_read_u8(&b->in);
    if (byte < 0xFB)
        return wagi_op_plain(byte);
    return wagi_op_find(byte, wagi_read_u32(&b->in));
}

wagi_block_type wagi_build_read_block_type(wagi_builder *b)
{
    wagi_block_type block = {.value = WAGI_KIND_NONE};
    wagi_reader *in = &b->in;
    if (in->pos < in->end && *in->pos == 0x40) {
        in->pos++;
        return block;
    }
    if (in->pos < in->end && (*in->pos & 0xC0) == 0x40) {
        block.value = wagi_read_valtype(in, b->data);
        return block;
    }
    int64_t index = wagi_read_s33(in);
    if (index >= 0 && (uint64_t)index < b->data->type_count)
        block.type = b->data->types[index];
    return block;
}

wagi_op wagi_build_read_op(wagi_builder *b)
{
    return read_op(b);
}

void wagi_build_skip_immediate(wagi_builder *b, wagi_op op)
{
    wagi_skip_immediate(&b->in, b->data, op);
}

/* Skip to the `else` or `end` of the innermost construct; it stays unread. */
static void skip_unreachable(wagi_builder *b)
{
    uint32_t depth = 0;
    while (!b->in.error && !b->ir->failed && b->in.pos < b->in.end) {
        const uint8_t *start = b->in.pos;
        wagi_op op = read_op(b);
        if (op == WAGI_OP_NONE) {
            b->ir->failed = true;
            return;
        }
        if (op == WAGI_OP_block || op == WAGI_OP_loop || op == WAGI_OP_if_ || op == WAGI_OP_try_table) {
            depth++;
        } else if (depth == 0 && (op == WAGI_OP_else_ || op == WAGI_OP_end)) {
            b->in.pos = start;
            return;
        } else if (op == WAGI_OP_end) {
            depth--;
        }
        wagi_build_skip_immediate(b, op);
    }
}

void wagi_build_fuel_check(wagi_builder *b)
{
    if (b->data->fuel)
        wagi_build_emit(b, ins_1(WAGI_IR_FUEL_CHECK, WAGI_TY_I64, WAGI_NIL, WAGI_NIL));
}

void wagi_build_fuel_run(wagi_builder *b)
{
    if (!b->data->fuel)
        return;
    b->run_end = wagi_reader_offset(&b->in);
    if (!b->control.n || !b->control.p[b->control.n - 1].live)
        return;
    wagi_fuel_run run = wagi_fuel_run_at(b->data, b->in.pos, b->in.end);
    wagi_ins ins = ins_1(WAGI_IR_FUEL, WAGI_TY_I64, WAGI_NIL, WAGI_NIL);
    ins.imm = run.units;
    b->run_end = (size_t)(run.end - b->data->bytes.data);
    if (run.units)
        wagi_build_emit(b, ins);
}

static bool reserve_locals(wagi_builder *b, uint32_t count)
{
    b->pending.n = 0;
    if (!WAGI_VEC_RESERVE(&b->pending, count + 1))
        return false;
    memset(b->pending.p, 0, (size_t)(count + 1) * 4);
    return true;
}

/* The first vregs: parameters, then the declared locals. */
static void make_locals(wagi_ir *ir, const wagi_func_body *body)
{
    wagi_ir_new_vregs(ir, body->type->params, body->param_count);
    for (uint32_t r = 0, x = body->param_count; r < body->local_run_count; r++) {
        uint32_t type = wagi_ir_type_of(body->local_runs[r].type);
        for (; x < body->local_runs[r].end && !ir->failed; x++)
            wagi_ir_new_vreg(ir, type);
    }
}

/* What an opcode of one byte is, when it is one of the most frequent, or which of the builder's files knows it, as its
 * immediate and effects suggest; when that one does not know it, any other. One jump by this decides. */
typedef enum family {
    FAMILY_OTHER, /* prefixes, too, and what is none */
    FAMILY_LOCAL_GET,
    FAMILY_LOCAL_SET,
    FAMILY_LOCAL_TEE,
    FAMILY_I32_CONST,
    FAMILY_LOCAL,
    FAMILY_NUM,
    FAMILY_MEMORY,
    FAMILY_BRANCH, /* control that always goes on behind it */
    FAMILY_CONTROL,
    FAMILY_CALL
} family;
#define GOES_ON(op)                                                                                                    \
    ((op) == WAGI_OP_block || (op) == WAGI_OP_loop || (op) == WAGI_OP_if_ || (op) == WAGI_OP_br_if ||                  \
     (op) == WAGI_OP_select)
#define FAMILY_OF(op, imm, feature, effects)                                                                           \
    ((feature) == WAGI_FEATURE_GC                                ? FAMILY_OTHER                                        \
     : (op) == WAGI_OP_local_get                                 ? FAMILY_LOCAL_GET                                    \
     : (op) == WAGI_OP_local_set                                 ? FAMILY_LOCAL_SET                                    \
     : (op) == WAGI_OP_local_tee                                 ? FAMILY_LOCAL_TEE                                    \
     : (op) == WAGI_OP_i32_const                                 ? FAMILY_I32_CONST                                    \
     : (imm) == WAGI_IMM_I64 || (op) == WAGI_OP_drop             ? FAMILY_LOCAL                                        \
     : (imm) == WAGI_IMM_MEMARG || (imm) == WAGI_IMM_GLOBAL      ? FAMILY_MEMORY                                       \
     : (imm) == WAGI_IMM_FUNC || (imm) == WAGI_IMM_CALL_INDIRECT ? FAMILY_CALL                                         \
     : GOES_ON(op)                                               ? FAMILY_BRANCH                                       \
     : (effects)&WAGI_EFFECT_CONTROL                             ? FAMILY_CONTROL                                      \
     : (imm) == WAGI_IMM_NONE                                    ? FAMILY_NUM                                          \
                                                                 : FAMILY_OTHER)
/* The rows behind a prefix are behind the opcodes, where nobody looks. */
static const uint8_t families[256 + WAGI_OP_COUNT] = {
#define OP(name, text, prefix, code, imm, signature, align, feature, effects)                                          \
    [(prefix) == 0 ? (code) : 256 + WAGI_OP_##name] =                                                                  \
        FAMILY_OF(WAGI_OP_##name, WAGI_IMM_##imm, WAGI_FEATURE_##feature, effects),
#include "binary/op.def"
#undef OP
};

static bool build_op(wagi_builder *b, wagi_op op)
{
    if (wagi_ops[op].feature == WAGI_FEATURE_GC)
        return wagi_build_gc(b, op);
    return wagi_build_control(b, op) || build_local(b, op) || wagi_build_call(b, op) || wagi_build_simd(b, op) ||
           wagi_build_num(b, op) || wagi_build_memory(b, op) || wagi_build_exception(b, op) ||
           wagi_build_atomic(b, op) || wagi_build_wide(b, op);
}

/* The code that follows can be reached and is in the same body. */
static inline bool goes_on(const wagi_builder *b)
{
    return b->control.n && b->control.p[b->control.n - 1].live &&
           (b->callees.n == 0 || b->callees.p[b->callees.n - 1].control < b->control.n);
}

/* Ops until one ends what can be reached, or the body. */
static void build_straight(wagi_builder *b)
{
    wagi_ir *ir = b->ir;
    wagi_reader *in = &b->in;
    for (const uint8_t *pos; (pos = in->pos) < in->end;) {
        uint8_t code = *pos;
        family family = families[code];
        /* A third of all ops. Behind a code is always another byte: an `end` is the last one. */
        if (family == FAMILY_LOCAL_GET && pos[1] < 0x80) {
            in->pos = pos + 2;
            push_local(b, pos[1]);
            continue;
        }
        if (ir->failed)
            return;
        in->pos = pos + 1;
        wagi_op op = (wagi_op)(wagi_op_by_code[code] - 1u); /* right but for FAMILY_OTHER */
        bool known = true;
        b->source = (uint32_t)(pos - in->start);
        switch (family) {
        case FAMILY_LOCAL_GET:
            push_local(b, wagi_read_u32(in));
            continue;
        case FAMILY_LOCAL_SET:
            set_some_local(b, false);
            continue;
        case FAMILY_LOCAL_TEE:
            set_some_local(b, true);
            continue;
        case FAMILY_I32_CONST:
            wagi_build_push_const(b, WAGI_TY_I32, (uint32_t)wagi_read_s32(in));
            continue;
        case FAMILY_NUM:
            if (wagi_build_num(b, op))
                continue;
            known = false;
            break;
        case FAMILY_MEMORY:
            if (wagi_build_memory(b, op))
                continue;
            known = false;
            break;
        case FAMILY_LOCAL:
            known = build_local(b, op);
            break;
        case FAMILY_BRANCH:
            wagi_build_control(b, op);
            continue;
        case FAMILY_CONTROL:
            known = wagi_build_control(b, op);
            break;
        case FAMILY_CALL:
            known = wagi_build_call(b, op);
            break;
        case FAMILY_OTHER:
            in->pos = pos;
            op = read_op(b);
            known = false;
            break;
        }
        if (!known && (op == WAGI_OP_NONE || !build_op(b, op)))
            ir->failed = true;
        wagi_build_next_run(b);
        if (!goes_on(b))
            return;
    }
    ir->failed = true; /* it was, or there is no `end` */
}

static void build_ops(wagi_builder *b)
{
    while (b->control.n && !b->ir->failed && !b->in.error) {
        if (!b->control.p[b->control.n - 1].live)
            skip_unreachable(b);
        build_straight(b);
        while (b->callees.n && b->control.n == b->callees.p[b->callees.n - 1].control && !b->ir->failed)
            wagi_build_leave_callee(b);
    }
}

void wagi_builder_init(wagi_builder *builder)
{
    memset(builder, 0, sizeof *builder);
    builder->valid_bodies = UINT32_MAX;
}

void wagi_builder_fini(wagi_builder *builder)
{
    WAGI_VEC_FREE(&builder->stack);
    WAGI_VEC_FREE(&builder->control);
    WAGI_VEC_FREE(&builder->saved);
    WAGI_VEC_FREE(&builder->callees);
    WAGI_VEC_FREE(&builder->bindings);
    WAGI_VEC_FREE(&builder->pending);
    WAGI_VEC_FREE(&builder->not_null);
    WAGI_VEC_FREE(&builder->never_inlined);
}

bool wagi_build(wagi_builder *b, wagi_ir *ir, const wagi_machine *machine, const wagi_module_data *data,
                const wagi_func_body *body, bool poll)
{
    wagi_ir_reset(ir, data, body);
    b->ir = ir;
    b->machine = machine;
    b->missing = WAGI_NO_INDEX;
    if (b->data != data && !wagi_build_begin_module(b, data))
        return false;
    b->body = body;
    b->in = wagi_reader_make(data->bytes.data, body->code, body->end);
    b->source = (uint32_t)wagi_reader_offset(&b->in);
    b->poll = poll;
    b->stack.n = b->control.n = b->saved.n = 0;
    b->references = b->edge_serial = b->handler = 0;
    b->epoch = 1;
    b->not_null.n = 0;
    b->loop = WAGI_NIL;
    if (!reserve_locals(b, body->local_count) || !WAGI_VEC_RESERVE(&b->stack, 1))
        return false;
    ir->local_count = b->tracked = body->local_count;
    b->callees.n = b->bindings.n = b->bindings_at = 0;
    b->growth_left = wagi_build_growth(data, body);
    make_locals(ir, body);
    if (ir->failed)
        return false;
    wagi_build_start_block(b, true);
    wagi_build_push_function(b);
    b->run_end = SIZE_MAX;
    wagi_build_fuel_check(b);
    wagi_build_fuel_run(b);
    build_ops(b);
    return !ir->failed && !b->in.error && b->control.n == 0;
}

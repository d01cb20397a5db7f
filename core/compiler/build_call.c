/* The builder's calls. */
#include "compiler/build.h"
#include "compiler/build_entry.h"

void wagi_build_emit_call(wagi_builder *b, wagi_ir_op op, uint32_t index)
{
    wagi_ir *ir = b->ir;
    wagi_ir_call *call = &ir->calls.p[index];
    wagi_ins ins = ins_1(op, WAGI_TY_I32, WAGI_NIL, WAGI_NIL);
    ins.imm = index;
    if (b->handler && op == WAGI_IR_CALL && call->kind != WAGI_CALL_HELPER)
        call->handler = b->handler;
    wagi_build_emit(b, ins);
    if (call->handler && !ir->failed) {
        wagi_build_refer(b, ir->handlers.p[call->handler - 1].label);
        wagi_build_start_block(b, true);
    }
}

static void call(wagi_builder *b, wagi_call_kind kind, uint32_t target, const wagi_type *type, bool tail)
{
    wagi_ir *ir = b->ir;
    uint32_t params = type->param_count, results = type->result_count;
    wagi_entry callee = {.kind = WAGI_ENTRY_CONST};
    bool has_callee = kind == WAGI_CALL_INDIRECT || kind == WAGI_CALL_REF;
    if (has_callee) {
        callee = wagi_build_pop(b);
        wagi_build_materialize(b, &callee);
    }
    uint32_t pool = wagi_ir_new_pool(ir, params + has_callee + results);
    if (ir->failed || params > b->stack.n) {
        ir->failed = true;
        return;
    }
    for (uint32_t i = params; i-- > 0;)
        ir->pool.p[pool + i] = wagi_build_pool_entry(b, wagi_build_pop(b));
    if (has_callee)
        ir->pool.p[pool + params] = callee.vreg;
    uint32_t results_at = pool + params + has_callee;
    uint32_t index = wagi_ir_add_call(ir, (wagi_ir_call){.kind = (uint8_t)kind,
                                                         .target = target,
                                                         .args = pool,
                                                         .arg_count = params,
                                                         .results = results_at,
                                                         .result_count = tail ? 0 : results,
                                                         .type = type});
    if (!tail && results) {
        uint32_t first = wagi_ir_new_vregs(ir, type->results, results);
        for (uint32_t i = 0; i < results; i++)
            ir->pool.p[results_at + i] = first + i;
    }
    if (ir->failed)
        return;
    wagi_build_emit_call(b, tail ? WAGI_IR_TAIL_CALL : WAGI_IR_CALL, index);
    for (uint32_t i = 0; !tail && i < results; i++)
        wagi_build_push_vreg(b, wagi_ir_type_of(type->results[i]), ir->pool.p[results_at + i]);
    if (tail) {
        wagi_build_start_block(b, false);
        wagi_build_unreachable(b);
    }
}

static void call_function(wagi_builder *b, bool tail)
{
    uint32_t index = wagi_read_u32(&b->in);
    bool imported = index < b->data->func_import_count;
    if (!imported && !tail && !b->never_inlined.p[index] && wagi_build_inline(b, index))
        return;
    call(b, imported ? WAGI_CALL_IMPORT : WAGI_CALL_DIRECT, index, b->data->func_types[index], tail);
}

static void call_indirect(wagi_builder *b, bool tail)
{
    uint32_t type = wagi_read_u32(&b->in);
    uint32_t table = wagi_read_u32(&b->in);
    call(b, WAGI_CALL_INDIRECT, table, b->data->types[type], tail);
}

bool wagi_build_call(wagi_builder *b, wagi_op op)
{
    switch (op) {
    case WAGI_OP_call:
    case WAGI_OP_return_call:
        call_function(b, op == WAGI_OP_return_call);
        return true;
    case WAGI_OP_call_indirect:
    case WAGI_OP_return_call_indirect:
        call_indirect(b, op == WAGI_OP_return_call_indirect);
        return true;
    case WAGI_OP_call_ref:
    case WAGI_OP_return_call_ref:
        call(b, WAGI_CALL_REF, 0, b->data->types[wagi_read_u32(&b->in)], op == WAGI_OP_return_call_ref);
        return true;
    default:
        return false;
    }
}

/* Validator: constant expressions. They run through the same loop as bodies, which refuses what is not constant; the
 * common forms of one instruction become data, the others a small body for the tier's evaluator.
 */
#include "binary/validate_internal.h"

/* The one instruction of an expression as data; false for those that have to be run. Its immediates are still in
 * v->imm: the `end` behind it has none. */
static bool simple_form(const wagi_validator *v, wagi_const_expr *expr)
{
    switch (v->const_op) {
    case WAGI_OP_i32_const:
    case WAGI_OP_i64_const:
    case WAGI_OP_f32_const:
    case WAGI_OP_f64_const:
        expr->kind = WAGI_CONST_NUMBER;
        expr->bits[0] = v->imm.bits[0];
        return true;
    case WAGI_OP_v128_const:
        expr->kind = WAGI_CONST_NUMBER;
        expr->bits[0] = v->imm.bits[0];
        expr->bits[1] = v->imm.bits[1];
        return true;
    case WAGI_OP_ref_null:
        expr->kind = WAGI_CONST_REF_NULL;
        return true;
    case WAGI_OP_ref_func:
        expr->kind = WAGI_CONST_REF_FUNC;
        expr->index = v->imm.a;
        return true;
    case WAGI_OP_global_get:
        expr->kind = WAGI_CONST_GLOBAL_GET;
        expr->index = v->imm.a;
        return true;
    default:
        return false;
    }
}

wag_err wagi_validate_const(wagi_validator *v, wagi_reader *reader, wagi_valtype expected, uint32_t global_limit,
                            wagi_const_expr *ret_expr, wag_error **reterr_error)
{
    wagi_v_reset(v, reader->pos);
    v->r = *reader;
    v->func_index = WAGI_NO_INDEX;
    v->is_const = true;
    v->global_limit = global_limit;
    if (v->r.error ? !wagi_v_fail_reader(v) : !wagi_v_push_frame(v, WAGI_V_FUNC, NULL, expected) || !wagi_v_run(v))
        return wagi_v_finish(v, reterr_error);
    wagi_const_expr expr = {.kind = WAGI_CONST_EXPR, .type = v->const_type, .offset = wagi_reader_offset(reader)};
    if (v->const_count != 1 || !simple_form(v, &expr)) {
        wagi_func_body *body = wagi_arena_alloc(v->context.arena, sizeof *body);
        if (!(body ? wagi_v_fill_body(v, body) : wagi_v_fail_nomem(v)))
            return wagi_v_finish(v, reterr_error);
        expr.body = body;
    }
    *reader = v->r;
    *ret_expr = expr;
    return WAG_OK;
}

/* The validator's ground floor: errors, features, the operand stack, function bodies. What the instructions mean is in
 * validate_run.c (the loop and its fast paths), validate_control.c and validate_op.c.
 */
#include "binary/validate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "binary/validate_internal.h"

wagi_validator *wagi_validator_new(const wagi_validate_context *context)
{
    wagi_validator *v = WAGI_NEW(wagi_validator);
    if (v)
        v->context = *context;
    return v;
}

void wagi_validator_free(wagi_validator *v)
{
    if (!v)
        return;
    wagi_free(v->stack);
    WAGI_VEC_FREE(&v->frames);
    WAGI_VEC_FREE(&v->side);
    WAGI_VEC_FREE(&v->tries);
    WAGI_VEC_FREE(&v->local_types);
    WAGI_VEC_FREE(&v->local_runs);
    WAGI_VEC_FREE(&v->initialised);
    WAGI_VEC_FREE(&v->init_log);
    wagi_free(v);
}

/* --- errors --- */

bool wagi_v_fail(wagi_validator *v, wag_err code, const char *format, ...)
{
    if (v->err)
        return false;
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t offset = (size_t)(v->op_pos - v->r.start);
    v->err = wagi_fail_at(code, offset, v->func_index, &v->error, "%s", text);
    return false;
}

bool wagi_v_fail_nomem(wagi_validator *v)
{
    if (!v->err)
        v->err = wagi_fail(wagi_error_nomem(), &v->error);
    return false;
}

bool wagi_v_fail_reader(wagi_validator *v)
{
    if (!v->err)
        v->err = wagi_fail_reader(&v->r, v->func_index, &v->error);
    return false;
}

bool wagi_v_fail_limit(wagi_validator *v, wag_limit limit, uint64_t allowed, uint64_t value)
{
    if (!v->err)
        v->err = wagi_fail_limit(limit, allowed, value, (size_t)(v->op_pos - v->r.start), v->func_index, &v->error);
    return false;
}

wagi_type_scope wagi_v_scope(const wagi_validator *v)
{
    return (wagi_type_scope){v->context.registry, v->context.data->types, v->context.data->type_count};
}

bool wagi_v_fail_wish(wagi_validator *v, const char *wanted, wagi_valtype found)
{
    if (v->err)
        return false;
    char given[64] = "nothing";
    wagi_type_scope scope = wagi_v_scope(v);
    if (found != WAGI_NONE)
        wagi_valtype_text(&scope, found, given, sizeof given);
    const char *op = v->op == WAGI_OP_NONE ? "expression" : wagi_ops[v->op].text;
    wagi_v_fail(v, WAG_INVALID, "type mismatch: %s wants %s, found %s", op, wanted, given);
    wagi_error_set_types(v->error, wanted, given);
    return false;
}

bool wagi_v_fail_type(wagi_validator *v, wagi_valtype wanted, wagi_valtype found)
{
    char text[64];
    wagi_type_scope scope = wagi_v_scope(v);
    wagi_valtype_text(&scope, wanted, text, sizeof text);
    return wagi_v_fail_wish(v, text, found);
}

bool wagi_v_unknown(wagi_validator *v, const char *what, uint32_t index)
{
    return wagi_v_fail(v, WAG_INVALID, "unknown %s %u", what, (unsigned)index);
}

/* --- features --- */

void wagi_v_note(wagi_validator *v, wagi_feature feature)
{
    uint64_t bit = UINT64_C(1) << feature;
    if (v->features & bit)
        return;
    v->features |= bit;
    const wagi_validate_context *context = &v->context;
    if (*context->features & bit)
        return;
    *context->features |= bit;
    context->feature_func[feature] = v->func_index;
    context->feature_offset[feature] = (size_t)(v->op_pos - v->r.start);
}

void wagi_v_note_type(wagi_validator *v, wagi_valtype type)
{
    if (type == WAGI_V128) {
        v->uses_v128 = true;
        wagi_v_note(v, WAGI_FEATURE_SIMD);
    }
    if (!wagi_is_ref(type))
        return;
    if (wagi_is_concrete(type) || !wagi_is_nullable(type))
        wagi_v_note(v, WAGI_FEATURE_FUNCTION_REFERENCES);
    if (wagi_is_concrete(type))
        return;
    switch (wagi_heap_of(type)) {
    case WAGI_HEAP_FUNC:
    case WAGI_HEAP_EXTERN:
        wagi_v_note(v, WAGI_FEATURE_REFERENCE_TYPES);
        break;
    case WAGI_HEAP_EXN:
    case WAGI_HEAP_NOEXN:
        wagi_v_note(v, WAGI_FEATURE_EXCEPTIONS);
        break;
    default:
        wagi_v_note(v, WAGI_FEATURE_GC);
    }
}

/* --- the operand stack --- */

bool wagi_v_reserve_more(wagi_validator *v, uint32_t count)
{
    uint64_t needed = (uint64_t)v->height + count;
    if (needed > v->context.limits->operands)
        return wagi_v_fail_limit(v, WAG_LIMIT_operands, v->context.limits->operands, needed);
    uint64_t wanted = v->stack_cap ? (uint64_t)v->stack_cap * 2 : 256;
    while (wanted < needed)
        wanted *= 2;
    /* The capacity stops at the limit, so that the push of one value needs only one compare. */
    if (wanted > v->context.limits->operands)
        wanted = v->context.limits->operands;
    wagi_valtype *stack = wagi_realloc_array(v->stack, wanted, sizeof *stack);
    if (!stack)
        return wagi_v_fail_nomem(v);
    v->stack = stack;
    v->stack_cap = (uint32_t)wanted;
    return true;
}

bool wagi_v_pop_any(wagi_validator *v, wagi_valtype *ret_found)
{
    if (v->height > v->frame->height) {
        *ret_found = v->stack[--v->height];
        return true;
    }
    if (!v->frame->unreachable)
        return wagi_v_fail_wish(v, "a value", WAGI_NONE);
    *ret_found = WAGI_BOT;
    return true;
}

bool wagi_v_pop_ref(wagi_validator *v, wagi_valtype *ret_found)
{
    if (v->height == v->frame->height && !v->frame->unreachable)
        return wagi_v_fail_wish(v, "a reference", WAGI_NONE);
    wagi_valtype found;
    if (!wagi_v_pop_any(v, &found))
        return false;
    if (found != WAGI_BOT && !wagi_is_ref(found))
        return wagi_v_fail_wish(v, "a reference", found);
    *ret_found = found;
    return true;
}

bool wagi_v_pop_slow(wagi_validator *v, wagi_valtype wanted, wagi_valtype *ret_found)
{
    wagi_valtype found;
    if (v->height > v->frame->height)
        found = v->stack[--v->height];
    else if (v->frame->unreachable)
        found = WAGI_BOT;
    else
        return wagi_v_fail_type(v, wanted, WAGI_NONE);
    if (!wagi_v_matches(v, found, wanted))
        return wagi_v_fail_type(v, wanted, found);
    *ret_found = found;
    return true;
}

bool wagi_v_pop_some(wagi_validator *v, const wagi_valtype *types, uint32_t count)
{
    while (count--) {
        if (types[count] == WAGI_V128)
            v->uses_v128 = true; /* in unreachable code it was never pushed */
        if (!wagi_v_pop(v, types[count]))
            return false;
    }
    return true;
}

bool wagi_v_push_some(wagi_validator *v, const wagi_valtype *types, uint32_t count)
{
    if (!wagi_v_reserve(v, count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        v->stack[v->height++] = types[i];
        if (types[i] == WAGI_V128)
            v->uses_v128 = true;
    }
    if (v->height > v->max_height)
        v->max_height = v->height;
    return true;
}

bool wagi_v_check_top_some(wagi_validator *v, const wagi_valtype *types, uint32_t count)
{
    uint32_t available = v->height - v->frame->height;
    for (uint32_t depth = 1; depth <= count; depth++) {
        wagi_valtype wanted = types[count - depth];
        if (depth > available) {
            if (v->frame->unreachable)
                return true;
            return wagi_v_fail_type(v, wanted, WAGI_NONE);
        }
        wagi_valtype found = v->stack[v->height - depth];
        if (!wagi_v_matches(v, found, wanted))
            return wagi_v_fail_type(v, wanted, found);
    }
    return true;
}

/* --- bodies --- */

/* Locals that are laid out whatever the body's size. */
enum { LAID_OUT_LEAST = 64 };

void wagi_v_reset(wagi_validator *v, const uint8_t *code)
{
    v->code = v->op_pos = code;
    v->op = WAGI_OP_NONE;
    v->height = v->max_height = 0;
    v->frames.n = v->side.n = v->tries.n = 0;
    v->frame = NULL;
    v->br_table_serial = 0;
    v->func_type = NULL;
    v->locals = NULL;
    v->laid_out = 0;
    v->local_runs.n = 0;
    v->local_count = 0;
    v->local_types.n = v->initialised.n = v->init_log.n = 0;
    v->is_const = v->uses_v128 = false;
    v->last_callee = 0;
    v->const_count = 0;
    v->const_op = WAGI_OP_NONE;
    v->const_type = WAGI_NONE;
    v->features = *v->context.features;
    v->err = WAG_OK;
    v->error = NULL;
}

wag_err wagi_v_finish(wagi_validator *v, wag_error **reterr_error)
{
    wag_error *error = v->error;
    v->error = NULL;
    return wagi_fail(error, reterr_error);
}

/* Parameters, then declared locals: as many as the body can have instructions that name one, and a few. */
static bool lay_out_locals(wagi_validator *v)
{
    const wagi_type *type = v->func_type;
    size_t most = LAID_OUT_LEAST + (size_t)(v->r.end - v->r.pos);
    uint32_t count = v->local_count < most ? v->local_count : (uint32_t)most, at = 0;
    if (count < type->param_count)
        count = type->param_count;
    if (!WAGI_VEC_RESERVE(&v->local_types, count))
        return wagi_v_fail_nomem(v);
    wagi_valtype *types = v->local_types.p;
    while (at < type->param_count) {
        types[at] = type->params[at];
        at++;
    }
    for (size_t run = 0; run < v->local_runs.n && at < count; run++)
        while (at < count && at < v->local_runs.p[run].end)
            types[at++] = v->local_runs.p[run].type;
    v->locals = types;
    v->laid_out = count;
    return true;
}

static bool init_locals(wagi_validator *v)
{
    if (!WAGI_VEC_RESERVE(&v->initialised, v->local_count))
        return wagi_v_fail_nomem(v);
    v->initialised.n = v->local_count;
    uint32_t at = v->func_type->param_count;
    if (at)
        memset(v->initialised.p, 1, at);
    for (size_t run = 0; run < v->local_runs.n; run++) {
        memset(v->initialised.p + at, wagi_is_defaultable(v->local_runs.p[run].type), v->local_runs.p[run].end - at);
        at = v->local_runs.p[run].end;
    }
    return true;
}

/* Groups of (count, type). They stay groups: two bytes can ask for 50,000 locals. */
static bool read_locals(wagi_validator *v)
{
    const wagi_type *type = v->func_type;
    uint64_t total = type->param_count, limit = v->context.limits->locals;
    const uint8_t *begin = v->r.pos;
    uint32_t groups = wagi_read_u32(&v->r);
    v->locals = type->params;
    v->local_count = v->laid_out = type->param_count;
    bool all_default = true;
    for (uint32_t i = 0; i < groups && !v->r.error; i++) {
        v->op_pos = v->r.pos;
        uint32_t count = wagi_read_u32(&v->r);
        wagi_valtype local = wagi_read_valtype(&v->r, v->context.data);
        if (v->r.error)
            break;
        total += count;
        if (total > UINT32_MAX)
            return wagi_v_fail(v, WAG_MALFORMED, "too many locals");
        wagi_v_note_type(v, local);
        if (!count)
            continue;
        all_default = all_default && wagi_is_defaultable(local);
        wagi_local_run run = {(uint32_t)total, local};
        if (!WAGI_VEC_PUSH(&v->local_runs, run))
            return wagi_v_fail_nomem(v);
    }
    if (v->r.error)
        return wagi_v_fail_reader(v);
    v->op_pos = begin;
    if (total > limit)
        return wagi_v_fail_limit(v, WAG_LIMIT_locals, limit, total);
    v->local_count = (uint32_t)total;
    if (v->local_runs.n && !lay_out_locals(v))
        return false;
    return all_default || init_locals(v);
}

bool wagi_v_fill_body(wagi_validator *v, wagi_func_body *body)
{
    wagi_arena *arena = v->context.arena;
    *body = (wagi_func_body){.code = v->code,
                             .end = v->r.pos,
                             .func_index = v->func_index,
                             .last_callee = v->last_callee,
                             .type = v->func_type,
                             .result_count = 1,
                             .local_count = v->local_count,
                             .local_run_count = (uint32_t)v->local_runs.n,
                             .max_height = v->max_height,
                             .side_count = (uint32_t)v->side.n,
                             .try_count = (uint32_t)v->tries.n,
                             .scalar_slots = v->uses_v128 ? UINT32_MAX : v->local_count + v->max_height,
                             .uses_v128 = v->uses_v128};
    if (v->func_type) {
        body->param_count = v->func_type->param_count;
        body->result_count = v->func_type->result_count;
    }
    if (v->local_runs.n &&
        !(body->local_runs = wagi_arena_copy(arena, v->local_runs.p, v->local_runs.n * sizeof *v->local_runs.p)))
        return wagi_v_fail_nomem(v);
    if (v->side.n && !(body->side = wagi_arena_copy(arena, v->side.p, v->side.n * sizeof *v->side.p)))
        return wagi_v_fail_nomem(v);
    if (v->tries.n && !(body->tries = wagi_arena_copy(arena, v->tries.p, v->tries.n * sizeof *v->tries.p)))
        return wagi_v_fail_nomem(v);
    return true;
}

static bool has_v128(const wagi_valtype *types, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (types[i] == WAGI_V128)
            return true;
    return false;
}

static bool validate_body(wagi_validator *v)
{
    const wagi_type *type = v->func_type;
    if (type != v->last_type) { /* a million functions may share a type with a thousand parameters */
        v->last_type = type;
        v->last_type_v128 = has_v128(type->params, type->param_count) || has_v128(type->results, type->result_count);
    }
    v->uses_v128 = v->last_type_v128;
    if (!read_locals(v))
        return false;
    v->code = v->op_pos = v->r.pos;
    if (!wagi_v_push_frame(v, WAGI_V_FUNC, type, WAGI_NONE) || !wagi_v_run(v))
        return false;
    if (v->r.pos != v->r.end) {
        v->op_pos = v->r.pos;
        return wagi_v_fail(v, WAG_MALFORMED, "bytes behind the end of the function: section size mismatch");
    }
    return true;
}

wag_err wagi_validate_body(wagi_validator *v, uint32_t func_index, const uint8_t *begin, const uint8_t *end,
                           wagi_func_body *ret_body, wag_error **reterr_error)
{
    wagi_v_reset(v, begin);
    v->r = wagi_reader_make(v->context.data->bytes.data, begin, end);
    v->func_index = func_index;
    v->func_type = v->context.data->func_types[func_index];
    wagi_func_body body;
    if (!validate_body(v) || !wagi_v_fill_body(v, &body))
        return wagi_v_finish(v, reterr_error);
    *ret_body = body;
    return WAG_OK;
}

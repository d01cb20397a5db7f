/* The interpreter's tier: entry from the runtime, constant expressions, backtraces. */
#include "interp/interp.h"

#include <string.h>

#include "base/alloc.h"
#include "interp/frame.h"

/* The opcode of the call behind which a record's ip points. LEBs can be walked backward: only their last byte is below
 * 0x80, and so are the call opcodes. */
static const uint8_t *call_of(const wagi_interp_record *record)
{
    const uint8_t *at = record->ip;
    unsigned immediates = record->instance & WAGI_INTERP_INDIRECT ? 2 : 1;
    for (; immediates; immediates--)
        do
            at--;
        while (at[-1] & 0x80);
    return at - 1;
}

static wag_frame make_frame(const wag_instance *instance, const wagi_func_body *body, const uint8_t *ip)
{
    const wagi_module_data *data = instance->data;
    return (wag_frame){.func_index = body->func_index,
                       .func_name = wagi_module_func_name(data, body->func_index),
                       .module_offset = (size_t)(ip - data->bytes.data)};
}

/* One step outward. *ip is the call's opcode then. */
static void go_out(wag_instance **instance, const wagi_func_body **body, const uint8_t **ip, wagi_slot **locals)
{
    const wagi_interp_record *record = wagi_interp_record_of(*locals, *body);
    *instance = wagi_interp_record_instance(record);
    *body = record->body;
    *ip = record->body ? call_of(record) : NULL;
    *locals = record->locals;
}

static void add_frames(wag_agent *agent, wag_instance *instance, const wagi_func_body *body, const uint8_t *ip,
                       wagi_slot *locals, wag_error *error)
{
    size_t limit = (size_t)agent->cluster->limits.backtrace_frames, count = 0;
    wag_frame *frames = wagi_alloc(limit * sizeof *frames);
    if (!frames)
        return; /* an error without backtrace is better than none */
    for (; body && count < limit; go_out(&instance, &body, &ip, &locals))
        if (body->func_index != WAGI_NO_INDEX) /* a constant expression is no function */
            frames[count++] = make_frame(instance, body, ip);
    wagi_error_append_frames(error, frames, count, limit);
    wagi_free(frames);
}

wag_error *wagi_interp_unwind(wag_agent *agent, wag_instance *instance, const wagi_func_body *body, const uint8_t *ip,
                              wagi_slot *locals, wag_error *error)
{
    add_frames(agent, instance, body, ip, locals, error);
    while (body) {
        wag_instance *callee = instance;
        go_out(&instance, &body, &ip, &locals);
        if (callee != instance)
            wagi_unit_release(&callee->unit);
    }
    return error;
}

static wag_error *enter(wag_agent *agent, wag_instance *instance, const wagi_func_body *body, wagi_slot *slots)
{
    wagi_slot *base = agent->stack_top;
    size_t room = (size_t)(agent->stack_end - base);
    if (room < wagi_interp_need(body) || room < body->result_count)
        return wagi_error_new(WAG_STACK_OVERFLOW, NULL);
    if (body->param_count)
        memcpy(base, slots, body->param_count * sizeof *slots);
    wag_error *error = wagi_interp_run(agent, instance, body, base);
    if (!error && body->result_count)
        memcpy(slots, base, body->result_count * sizeof *slots);
    agent->stack_top = base;
    return error;
}

static wag_error *interp_invoke(wag_func *func, wagi_slot *slots)
{
    return enter(func->object.unit->agent, func->instance, func->body, slots);
}

static wag_error *interp_eval(wag_instance *instance, const wagi_const_expr *expr, wagi_slot *ret_value)
{
    return enter(instance->unit.agent, instance, expr->body, ret_value);
}

#define FEATURE_BIT(name) ((uint64_t)1 << WAGI_FEATURE_##name)

const wagi_tier wagi_tier_interp = {
    .name = "interp",
    .features = ~(FEATURE_BIT(SIMD) | FEATURE_BIT(RELAXED_SIMD) | FEATURE_BIT(EXCEPTIONS) | FEATURE_BIT(GC) |
                  FEATURE_BIT(THREADS)) &
                (((uint64_t)1 << WAGI_FEATURE_COUNT) - 1),
    .compile = NULL, /* the side tables that the validator made are all it needs */
    .release = NULL,
    .invoke = interp_invoke,
    .eval = interp_eval,
};

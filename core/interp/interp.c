/* The interpreter's tier: entry from the runtime, constant expressions, backtraces. */
#include "interp/interp.h"

#include <string.h>

#include "base/alloc.h"
#include "binary/skip.h"
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
                       .module_offset = (size_t)(ip - data->bytes.data),
                       .func_offset = (size_t)(ip - body->code)};
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
    wag_frame *frames = wagi_alloc(limit * (sizeof *frames + sizeof(wagi_origin *)));
    wagi_origin **origins = (wagi_origin **)(frames + limit);
    if (!frames)
        return; /* an error without backtrace is better than none */
    for (; body && count < limit; go_out(&instance, &body, &ip, &locals))
        if (body->func_index != WAGI_NO_INDEX) { /* a constant expression is no function */
            origins[count] = wagi_instance_origin(instance);
            frames[count++] = make_frame(instance, body, ip);
        }
    wagi_error_append_frames(error, frames, origins, count, limit);
    wagi_free(frames);
}

/* The end of a run by an error: add the frames to it, give the handles back. */
static wag_error *unwind(wagi_interp_state *state, wag_error *error)
{
    wag_instance *instance = state->instance;
    const wagi_func_body *body = state->body;
    const uint8_t *ip = state->ip;
    wagi_slot *locals = state->locals;
    add_frames(state->agent, instance, body, ip, locals, error);
    state->agent->stack_top = state->sp; /* finalizers may call; the records are still read */
    while (body) {
        wag_instance *callee = instance;
        go_out(&instance, &body, &ip, &locals);
        if (callee != instance)
            wagi_unit_drop(&callee->unit);
    }
    return error;
}

/* The results replace the arguments. agent->stack_top covers both. */
static wag_error *call_slots(wag_func *func, wagi_slot *slots)
{
    return func->instance ? wagi_call_slots(func, slots) : wagi_call_host(func, slots);
}

/* Arguments that may be v128 are copied behind the operands, each in as many slots as it needs. */
static wag_error *call_out_wide(wagi_interp_state *state, wag_func *func)
{
    const wagi_type *type = func->type;
    wag_agent *agent = state->agent;
    wagi_slot *values = state->sp - type->param_count, *slots = state->sp;
    size_t most = type->param_count > type->result_count ? type->param_count : type->result_count;
    if ((size_t)(agent->stack_end - slots) < 2 * most)
        return wagi_error_new(WAG_STACK_OVERFLOW, NULL);
    wagi_slot *end = wagi_interp_pack(agent, type->params, type->param_count, values, slots);
    agent->stack_top = slots + 2 * most;
    for (; end < agent->stack_top; end++)
        *end = 0; /* the collector reads them */
    wag_error *error = call_slots(func, slots);
    if (error)
        return error;
    wagi_interp_unpack(agent, type->results, type->result_count, slots, values);
    state->sp = values + type->result_count;
    return NULL;
}

/* Call a function that this tier does not run. The results are the topmost operands then. */
static wag_error *call_out(wagi_interp_state *state, wag_func *func)
{
    if (state->body->uses_v128)
        return call_out_wide(state, func);
    const wagi_type *type = func->type;
    wag_agent *agent = state->agent;
    wagi_slot *slots = state->sp - type->param_count;
    uint32_t room = type->param_count > type->result_count ? type->param_count : type->result_count;
    if ((size_t)(agent->stack_end - slots) < room)
        return wagi_error_new(WAG_STACK_OVERFLOW, NULL);
    agent->stack_top = slots + room;
    wag_error *error = call_slots(func, slots);
    if (!error)
        state->sp = slots + type->result_count;
    return error;
}

static bool runs_here(const wag_func *func)
{
    return func->instance && func->instance->module->tier == &wagi_tier_interp;
}

static ptrdiff_t high_of(const wag_agent *agent)
{
    return agent->stack_end - agent->stack;
}

/* Constant expressions cost nothing. */
static bool charges_fuel(const wagi_interp_state *state)
{
    return state->instance->data->fuel && state->body && state->body->func_index != WAGI_NO_INDEX;
}

/* The function that runs, or a pass of its loop, has begun. */
static wag_error *go_on_or_stop(const wagi_interp_state *state)
{
    wag_err trap = WAG_OK;
    if (wagi_agent_poll(state->agent))
        trap = wagi_agent_stop(state->agent);
    else if (charges_fuel(state) && *state->agent->fuel <= 0)
        trap = WAG_OUT_OF_FUEL;
    return trap == WAG_OK ? NULL : wagi_error_new(trap, NULL);
}

/* Pass the start of the loop at ip. */
static wag_error *enter_loop(wagi_interp_state *state)
{
    const wagi_module_data *data = state->instance->data;
    wag_error *error = go_on_or_stop(state);
    if (error)
        return error;
    wagi_reader in = wagi_reader_make(data->bytes.data, state->ip + 1, state->body->end);
    wagi_skip_immediate(&in, data, WAGI_OP_loop);
    state->ip = in.pos;
    return NULL;
}

/* Begin an activation of a function of any instance. locals: the arguments. */
static wag_error *begin(wagi_interp_state *state, wag_instance *instance, const wagi_func_body *body, wagi_slot *locals,
                        wagi_interp_record record)
{
    record.instance &= ~WAGI_INTERP_OTHER;
    if (record.body && record.body->uses_v128 != body->uses_v128)
        record.instance |= WAGI_INTERP_OTHER;
    *wagi_interp_open(locals, body, body->uses_v128, high_of(state->agent)) = record;
    state->locals = locals;
    state->body = body;
    state->instance = instance;
    state->ip = body->code;
    state->stp = body->side;
    state->sp = (wagi_slot *)(void *)(wagi_interp_record_of(locals, body) + 1);
    return go_on_or_stop(state);
}

static wag_error *call_body(wagi_interp_state *state, wag_instance *instance, const wagi_func_body *body)
{
    wagi_slot *locals = state->sp - body->param_count;
    if ((size_t)(state->agent->stack_end - locals) < wagi_interp_need(body))
        return wagi_error_new(WAG_STACK_OVERFLOW, NULL);
    if (instance != state->instance)
        wagi_unit_hold(&instance->unit);
    wagi_interp_record record = {.ip = state->next_ip,
                                 .stp = state->stp,
                                 .locals = state->locals,
                                 .body = state->body,
                                 .instance = (uintptr_t)state->instance | state->mark};
    return begin(state, instance, body, locals, record);
}

static wag_error *do_call(wagi_interp_state *state)
{
    wag_func *func = state->func;
    if (runs_here(func))
        return call_body(state, func->instance, func->body);
    wag_error *error = call_out(state, func);
    if (!error)
        state->ip = state->next_ip;
    return error;
}

/* The topmost values of the function that runs become those at its locals. */
static void move_to_locals(wagi_interp_state *state, uint32_t count)
{
    const wagi_slot *from = state->sp - count;
    memmove(state->locals, from, count * sizeof *from);
    if (state->body->uses_v128)
        memmove(wagi_interp_high(state->agent, state->locals), wagi_interp_high(state->agent, from),
                count * sizeof *from);
}

static void do_return(wagi_interp_state *state)
{
    const wagi_func_body *body = state->body;
    wagi_interp_record record = *wagi_interp_record_of(state->locals, body);
    move_to_locals(state, body->result_count);
    wag_instance *left = state->instance;
    state->sp = state->locals + body->result_count;
    state->ip = record.ip;
    state->stp = record.stp;
    state->locals = record.locals;
    state->body = record.body;
    state->instance = wagi_interp_record_instance(&record);
    if (left != state->instance) {
        state->agent->stack_top = state->sp; /* finalizers may call */
        wagi_unit_drop(&left->unit);
    }
}

static wag_error *tail_call_body(wagi_interp_state *state, wag_instance *instance, const wagi_func_body *body)
{
    if ((size_t)(state->agent->stack_end - state->locals) < wagi_interp_need(body))
        return wagi_error_new(WAG_STACK_OVERFLOW, NULL);
    /* The arguments may be moved over the record. */
    wagi_interp_record record = *wagi_interp_record_of(state->locals, state->body);
    move_to_locals(state, body->param_count);
    wag_instance *left = state->instance, *caller = wagi_interp_record_instance(&record);
    if (instance != left && instance != caller)
        wagi_unit_hold(&instance->unit);
    wag_error *error = begin(state, instance, body, state->locals, record);
    if (left != state->instance && left != caller) {
        state->agent->stack_top = state->sp; /* finalizers may call */
        wagi_unit_drop(&left->unit);
    }
    return error;
}

/* The host has entered the function that runs. */
static bool is_outermost(const wagi_interp_state *state)
{
    return !wagi_interp_record_of(state->locals, state->body)->body;
}

/* Leave a tail call of another tier's function to whoever entered this run, which is over. */
static wag_error *pass_tail_call(wagi_interp_state *state, wag_func *func)
{
    const wagi_interp_record *record = wagi_interp_record_of(state->locals, state->body);
    const wagi_type *type = func->type;
    wagi_slot *args = state->sp - type->param_count;
    wag_instance *left = state->instance;
    if (state->body->uses_v128) {
        if ((size_t)(state->agent->stack_end - state->sp) / 2 < type->param_count)
            return wagi_error_new(WAG_STACK_OVERFLOW, NULL);
        wagi_interp_pack(state->agent, type->params, type->param_count, args, state->sp);
        args = state->sp;
    }
    wagi_call_pass(func, args);
    state->sp = state->locals;
    state->ip = record->ip;
    state->body = NULL;
    state->instance = wagi_interp_record_instance(record);
    if (left != state->instance)
        wagi_unit_drop_later(&left->unit);
    return NULL;
}

static wag_error *do_tail_call(wagi_interp_state *state)
{
    wag_func *func = state->func;
    if (runs_here(func))
        return tail_call_body(state, func->instance, func->body);
    if (func->instance && is_outermost(state))
        return pass_tail_call(state, func);
    wag_error *error = call_out(state, func);
    if (!error)
        do_return(state);
    return error;
}

static wagi_interp_exit run(wagi_interp_state *state)
{
    state->stop = state->agent->stop_limit;
    if (charges_fuel(state))
        return wagi_interp_loop_fuel(state);
    if (state->body && state->body->uses_v128) /* without a body there is only the exit left to run */
        return wagi_interp_loop_wide(state);
    return state->instance->data->has_shared_memory ? wagi_interp_loop_shared(state) : wagi_interp_loop(state);
}

static wag_error *drive(wagi_interp_state *state)
{
    for (;;) {
        wag_error *error = NULL;
        wag_err trap;
        switch (run(state)) {
        case WAGI_INTERP_DONE:
            return NULL;
        case WAGI_INTERP_TRAP:
            error = wagi_error_new(state->trap, NULL);
            break;
        case WAGI_INTERP_ENTERED:
            error = go_on_or_stop(state);
            break;
        case WAGI_INTERP_LOOP:
            error = enter_loop(state);
            break;
        case WAGI_INTERP_OP:
            trap = wagi_interp_slow_op(state);
            if (trap != WAG_OK)
                error = wagi_error_new(trap, NULL);
            break;
        case WAGI_INTERP_CALL:
            error = do_call(state);
            if (error)
                error = wagi_interp_raise(state, error, false);
            break;
        case WAGI_INTERP_CALL_OTHER:
            error = call_body(state, state->instance, state->target);
            break;
        case WAGI_INTERP_TAIL_CALL_OTHER:
            error = tail_call_body(state, state->instance, state->target);
            break;
        case WAGI_INTERP_TAIL_CALL:
            error = do_tail_call(state);
            if (error)
                error = wagi_interp_raise(state, error, true);
            break;
        case WAGI_INTERP_THROW:
            error = wagi_interp_throw(state);
            break;
        case WAGI_INTERP_RETURN:
            do_return(state);
            break;
        }
        if (error)
            return unwind(state, error);
    }
}

/* Run a body from the host. slots: arguments and results. */
static wag_error *enter(wag_agent *agent, wag_instance *instance, const wagi_func_body *body, wagi_slot *slots)
{
    static const uint8_t exit_code[] = {WAGI_INTERP_EXIT_CODE};
    wagi_slot *base = agent->stack_top;
    size_t room = (size_t)(agent->stack_end - base);
    if (room < wagi_interp_need(body))
        return wagi_error_new(WAG_STACK_OVERFLOW, NULL);
    if (body->uses_v128 && body->type)
        wagi_interp_unpack(agent, body->type->params, body->param_count, slots, base);
    else if (body->param_count)
        memcpy(base, slots, body->param_count * sizeof *slots);
    wagi_interp_state state = {.agent = agent};
    wagi_interp_record record = {.ip = exit_code, .instance = (uintptr_t)instance};
    wag_error *error = begin(&state, instance, body, base, record);
    error = error ? unwind(&state, error) : drive(&state);
    bool has_results = !error && !agent->tail_func;
    if (has_results && body->uses_v128 && body->type)
        wagi_interp_pack(agent, body->type->results, body->result_count, base, slots);
    else if (has_results && body->result_count)
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

const wagi_tier wagi_tier_interp = {
    .name = "interp",
    .features = ((uint64_t)1 << WAGI_FEATURE_COUNT) - 1,
    .compile = NULL, /* the side tables that the validator made are all it needs */
    .release = NULL,
    .invoke = interp_invoke,
    .eval = interp_eval,
};

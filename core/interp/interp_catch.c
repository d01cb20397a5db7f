/* Exceptions in the interpreter: throwing, and finding who catches.
 *
 * Nothing is done when a try_table is entered. A throw looks through the frames outward: a frame's instruction pointer
 * says which try regions of its function are open (binary/module.h); the first clause of the innermost region that
 * matches catches. The frames in between are left then, all at once. A host's error is made an exception only when a
 * clause wants it (runtime/exception.c). */
#include "binary/reader.h"
#include "interp/frame.h"

/* Who catches. */
typedef struct handler {
    wagi_slot *locals; /* of the activation */
    const wagi_func_body *body;
    const wagi_try_region *region;
    uint32_t clause;
    wagi_catch_kind kind;
} handler;

/* False when there is none, and when the agent is to stop: many frames with many tries take long. */
static bool find_handler(const wagi_interp_state *state, const wag_tag *tag, bool skip_first, handler *ret_handler)
{
    const wag_instance *instance = state->instance;
    const wagi_func_body *body = state->body;
    const uint8_t *at = state->ip;
    wagi_slot *locals = state->locals;
    while (body && !wagi_agent_poll(state->agent)) {
        size_t offset = (size_t)(at - body->code);
        for (uint32_t i = skip_first ? 0 : body->try_count; i-- > 0;) {
            const wagi_try_region *region = &body->tries[i];
            if (region->begin <= offset && offset < region->end &&
                wagi_try_match(instance, body, region, tag, &ret_handler->clause, &ret_handler->kind)) {
                ret_handler->region = region;
                ret_handler->body = body;
                ret_handler->locals = locals;
                return true;
            }
        }
        skip_first = false;
        const wagi_interp_record *record = wagi_interp_record_of(locals, body);
        instance = wagi_interp_record_instance(record);
        at = record->ip - 1; /* the last byte of the call */
        body = record->body;
        locals = record->locals;
    }
    return false;
}

void wagi_interp_branch(wagi_interp_state *state, const wagi_side_entry *entry)
{
    wagi_slot *from = state->sp - entry->keep;
    memmove(from - entry->drop, from, entry->keep * sizeof *from);
    if (state->body->uses_v128) {
        from = wagi_interp_high(state->agent, from);
        memmove(from - entry->drop, from, entry->keep * sizeof *from);
    }
    state->sp -= entry->drop;
    state->ip += entry->ip_delta;
    state->stp = entry + entry->stp_delta;
}

/* Leave the frames inside of the handler's, and go on there. */
static void land(wagi_interp_state *state, const handler *handler, wagi_slot slot)
{
    while (state->locals != handler->locals) {
        const wagi_interp_record *record = wagi_interp_record_of(state->locals, state->body);
        wag_instance *left = state->instance;
        state->instance = wagi_interp_record_instance(record);
        state->body = record->body;
        state->locals = record->locals;
        if (left != state->instance)
            wagi_unit_release(&left->unit); /* collects nothing: a call is open */
    }
    const wagi_try_region *region = handler->region;
    const wagi_gc_exception *exception = (const wagi_gc_exception *)(uintptr_t)slot;
    state->sp = (wagi_slot *)(void *)(wagi_interp_record_of(state->locals, state->body) + 1) + region->height;
    if (handler->kind <= WAGI_CATCH_REF) {
        const wagi_type *type = exception->tag->type;
        wagi_interp_unpack(state->agent, type->params, type->param_count, exception->args, state->sp);
        state->sp += type->param_count;
    }
    if (handler->kind == WAGI_CATCH_REF || handler->kind == WAGI_CATCH_ALL_REF)
        *state->sp++ = slot;
    state->ip = state->body->code + region->ip;
    wagi_interp_branch(state, state->body->side + region->side + handler->clause);
}

wag_error *wagi_interp_throw(wagi_interp_state *state)
{
    wag_agent *agent = state->agent;
    wagi_slot slot = state->sp[-1];
    wagi_reader reader = wagi_reader_make(state->instance->data->bytes.data, state->ip, state->body->end);
    agent->stack_top = state->sp;
    if (wagi_read_u8(&reader) == 0x08) {
        wag_tag *tag = state->instance->tags[wagi_read_u32(&reader)];
        const wagi_slot *args = state->sp - tag->type->param_count;
        if (state->body->uses_v128) {
            if ((size_t)(agent->stack_end - state->sp) < wagi_exception_slots(tag->type))
                return wagi_error_new(WAG_STACK_OVERFLOW, NULL);
            agent->stack_top = wagi_interp_pack(agent, tag->type->params, tag->type->param_count, args, state->sp);
            args = state->sp;
        }
        wag_err err = wagi_exception_make(agent, tag, args, state->instance, &slot);
        if (err != WAG_OK)
            return wagi_error_new(err, NULL);
    } else if (slot == 0) {
        return wagi_error_new(WAG_NULL_EXCEPTION, NULL);
    }
    handler found;
    if (!find_handler(state, ((const wagi_gc_exception *)(uintptr_t)slot)->tag, false, &found))
        return wagi_call_stopped(agent, wagi_exception_error(agent, slot));
    land(state, &found, slot);
    return NULL;
}

wag_error *wagi_interp_raise(wagi_interp_state *state, wag_error *error, bool in_place)
{
    wag_agent *agent = state->agent;
    wagi_slot slot = wagi_error_exception(agent, error);
    const wag_tag *tag = slot ? ((const wagi_gc_exception *)(uintptr_t)slot)->tag : agent->js_tag;
    handler found;
    if (!slot && !wagi_error_is_catchable(error))
        return error;
    if (!find_handler(state, tag, in_place, &found))
        return wagi_call_stopped(agent, error);
    wag_err err = slot ? WAG_OK : wagi_exception_wrap(agent, error, &slot);
    if (err == WAG_OK)
        land(state, &found, slot);
    /* Once it is on the stack: the error may have been what kept it. */
    wag_error_unref(error);
    return err == WAG_OK ? NULL : wagi_error_new(err, NULL);
}

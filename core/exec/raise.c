/* Exceptions in native code: from the place that raises to the one that catches.
 *
 * Nothing is done when a try is entered or a call is made. A walk outward over the frames asks each function that has
 * handlers whether the return address is in a try, and the try's clauses whether they match (runtime/exception.c). When
 * one does, the frames in between are left at once: the walk has found the registers that calls keep in the frames that
 * saved them. A host's error is made an exception only when a clause wants it. */
#include "exec/native.h"

/* The landing in the walker's function, if its place is in a try that catches exceptions of the tag. */
static bool find_landing(const wagi_native_walker *w, const wag_tag *tag, uintptr_t *ret_pc)
{
    if (!w->func || !w->func->range_count)
        return false;
    const wagi_image *image = &w->code->image;
    const wagi_func_body *body = wagi_module_body(w->code->data, w->func->func_index);
    uintptr_t start = (uintptr_t)image->code + w->func->start;
    for (uint32_t handler = wagi_handler_at(image->sites, w->func, (uint32_t)(w->pc - start)); handler;) {
        wagi_handler_code code = wagi_handler_read(image->sites, w->func, handler - 1);
        uint32_t clause;
        wagi_catch_kind kind;
        if (wagi_try_match(w->instance, body, &body->tries[code.region], tag, &clause, &kind)) {
            *ret_pc = start + wagi_landing_at(image->sites, w->func, code.first_landing + clause);
            return true;
        }
        handler = code.parent;
    }
    return false;
}

/* Who catches exceptions of the tag? On true the raise says where it goes on. Nobody, when the agent is to stop: many
 * frames with many clauses take long. */
static bool find_handler(wagi_raise *raise, const wag_tag *tag)
{
    wagi_native_walker w = {.sp = (const uintptr_t *)raise->sp, .instance = raise->instance};
    memcpy(w.saved, raise->saved, sizeof w.saved);
    for (bool more = wagi_native_walk_begin(&w, raise->pc, false); more && !wagi_agent_poll(w.instance->unit.agent);
         more = wagi_native_walk_out(&w))
        if (find_landing(&w, tag, &raise->pc)) {
            raise->sp = (uintptr_t)w.sp;
            memcpy(raise->saved, w.saved, sizeof w.saved);
            raise->instance = w.instance;
            return true;
        }
    return false;
}

static void go_to_entry(wagi_raise *raise)
{
    const wagi_code *code = wagi_code_find(raise->pc);
    raise->pc = (uintptr_t)code->image.code + code->image.unwind;
}

static void leave(wagi_raise *raise, wag_error *error)
{
    wagi_native_fail(raise->instance, raise->pc, raise->sp, error);
    go_to_entry(raise);
}

static const wag_tag *tag_of(wagi_slot exception)
{
    return ((const wagi_gc_exception *)(uintptr_t)exception)->tag;
}

static void throw_exception(wagi_raise *raise)
{
    const wagi_slot *operands = (const wagi_slot *)raise->sp;
    wag_agent *agent = raise->instance->unit.agent;
    wag_err err = WAG_OK;
    if (operands[0] != WAGI_THROW_REF)
        err = wagi_exception_make(agent, raise->instance->tags[operands[0]], operands + 1, raise->instance,
                                  &raise->exception);
    else if (operands[1])
        raise->exception = operands[1];
    else
        err = WAG_NULL_EXCEPTION;
    if (err != WAG_OK)
        leave(raise, wagi_error_new(err, NULL));
    else if (!find_handler(raise, tag_of(raise->exception)))
        leave(raise, wagi_call_stopped(agent, wagi_exception_error(agent, raise->exception)));
}

void wagi_native_raise(wagi_raise *raise, wag_error *error)
{
    if (!error) {
        throw_exception(raise);
        return;
    }
    wag_agent *agent = raise->instance->unit.agent;
    if (agent->tail_func) { /* no error: only the way to the entry is the same */
        go_to_entry(raise);
        return;
    }
    wagi_slot exception = wagi_error_exception(agent, error);
    wagi_raise there = *raise;
    if ((!exception && !wagi_error_is_catchable(error)) ||
        !find_handler(&there, exception ? tag_of(exception) : agent->js_tag)) {
        leave(raise, wagi_call_stopped(agent, error));
        return;
    }
    wag_err err = exception ? WAG_OK : wagi_exception_wrap(agent, error, &exception);
    wag_error_unref(error);
    if (err != WAG_OK) {
        leave(raise, wagi_error_new(err, NULL));
        return;
    }
    there.exception = exception;
    *raise = there;
}

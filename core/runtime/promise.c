/* The untyped promise. See promise.h. */
#include "runtime/promise.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/os.h"

/* A reaction: waits in its promise, then is a job of the loop. It holds the promise, whose result it will read, only as
 * a job: a promise that nobody can settle any more goes with its reactions. */
typedef struct wagi_reaction {
    wagi_task job;
    struct wagi_reaction *next;
    wagi_promise *promise;
    wagi_reaction_call call;
    wagi_any_reaction reaction;
    void *context;
} wagi_reaction;

wagi_promise *wagi_promise_new(const wagi_result_type *type)
{
    wag_agent *agent = wag_agent_current();
    wagi_promise *promise = agent ? WAGI_NEW(wagi_promise) : NULL;
    if (!promise)
        return NULL;
    promise->agent = agent;
    promise->type = type;
    promise->count = 1;
    promise->state = WAG_PENDING;
    promise->last = &promise->first;
    promise->next = agent->promises.all;
    if (promise->next)
        promise->next->previous = promise;
    agent->promises.all = promise;
    return promise;
}

wagi_promise *wagi_promise_ref(wagi_promise *promise)
{
    promise->count++;
    return promise;
}

static void promise_free(wagi_promise *promise)
{
    if (promise->previous)
        promise->previous->next = promise->next;
    else
        promise->agent->promises.all = promise->next;
    if (promise->next)
        promise->next->previous = promise->previous;
    while (promise->first) {
        wagi_reaction *reaction = promise->first;
        promise->first = reaction->next;
        wagi_free(reaction);
    }
    wag_error_unref(promise->error);
    if (promise->state == WAG_FULFILLED && promise->type->destroy)
        promise->type->destroy(&promise->result);
    wagi_free(promise);
}

void wagi_promise_unref(wagi_promise *promise)
{
    if (promise && --promise->count == 0)
        promise_free(promise);
}

/* ---- reactions ---- */

static void reaction_run(wagi_task *job)
{
    wagi_reaction *reaction = (wagi_reaction *)job;
    wagi_promise *promise = reaction->promise;
    const void *result = promise->state == WAG_FULFILLED ? &promise->result : NULL;
    reaction->call(reaction->reaction, reaction->context, result, promise->error);
    wagi_free(reaction);
    wagi_promise_unref(promise);
}

static void reaction_discard(wagi_task *job)
{
    wagi_reaction *reaction = (wagi_reaction *)job;
    wagi_promise_unref(reaction->promise);
    wagi_free(reaction);
}

static void reaction_queue(wagi_promise *promise, wagi_reaction *reaction)
{
    reaction->promise = wagi_promise_ref(promise);
    reaction->job = (wagi_task){.run = reaction_run, .discard = reaction_discard};
    wagi_loop_job(promise->agent->loop, &reaction->job);
}

static void settle(wagi_promise *promise, wag_promise_state state)
{
    promise->state = state;
    wagi_reaction *reaction = promise->first;
    promise->first = NULL;
    promise->last = &promise->first;
    while (reaction) {
        wagi_reaction *next = reaction->next;
        reaction_queue(promise, reaction);
        reaction = next;
    }
}

wag_err wagi_promise_then(wagi_promise *promise, wagi_reaction_call call, wagi_any_reaction reaction, void *context)
{
    wagi_reaction *node = WAGI_NEW(wagi_reaction);
    if (!node)
        return WAG_NOMEM;
    node->call = call;
    node->reaction = reaction;
    node->context = context;
    promise->handled = true;
    if (promise->state != WAG_PENDING) {
        reaction_queue(promise, node);
    } else {
        *promise->last = node;
        promise->last = &node->next;
    }
    return WAG_OK;
}

/* ---- settling ---- */

bool wagi_promise_resolve(wagi_promise *promise, const void *result)
{
    if (promise->state != WAG_PENDING) {
        _Alignas(max_align_t) unsigned char dropped[WAGI_RESULT_SIZE];
        memcpy(dropped, result, promise->type->size);
        if (promise->type->destroy)
            promise->type->destroy(dropped);
        return false;
    }
    memcpy(&promise->result, result, promise->type->size);
    settle(promise, WAG_FULFILLED);
    return true;
}

/* Remember to look, at the end of the task, whether somebody handles it. Newest first: what a nested turn rejected lies
 * on top of what the tasks around it did. */
static void list_unhandled(wagi_promise *promise)
{
    promise->depth = wagi_loop_depth(promise->agent->loop);
    promise->next_unhandled = promise->agent->promises.unhandled;
    promise->agent->promises.unhandled = wagi_promise_ref(promise);
}

bool wagi_promise_reject(wagi_promise *promise, wag_error *error)
{
    if (promise->state != WAG_PENDING) {
        wag_error_unref(error);
        return false;
    }
    promise->error = error;
    if (!promise->handled && promise->awaiting == 0 && !promise->agent->closing)
        list_unhandled(promise);
    settle(promise, WAG_REJECTED);
    return true;
}

bool wagi_promises_unreported(const wag_agent *agent)
{
    return agent->promises.unhandled != NULL;
}

void wagi_promises_report(wag_agent *agent, uint32_t depth)
{
    wagi_promise *oldest = NULL, *promise;
    while ((promise = agent->promises.unhandled) && promise->depth >= depth) {
        agent->promises.unhandled = promise->next_unhandled;
        promise->next_unhandled = oldest;
        oldest = promise;
    }
    while ((promise = oldest)) {
        oldest = promise->next_unhandled;
        if (!promise->handled && agent->promises.hook)
            agent->promises.hook(agent->promises.hook_context, promise->error);
        wagi_promise_unref(promise);
    }
}

void wagi_promises_free_all(wag_agent *agent)
{
    agent->promises.unhandled = NULL;
    while (agent->promises.all)
        promise_free(agent->promises.all);
}

/* ---- await ---- */

static wag_err pump(wagi_promise *promise, uint64_t deadline_ns)
{
    wag_agent *agent = promise->agent;
    wag_err err = WAG_OK;
    while (err == WAG_OK && promise->state == WAG_PENDING) {
        err = wagi_agent_stop(agent);
        if (err != WAG_OK)
            return err;
        if (!wagi_loop_turn(agent->loop))
            err = wagi_loop_wait(agent->loop, deadline_ns);
        else if (deadline_ns != UINT64_MAX && promise->state == WAG_PENDING && wagi_clock_ns() >= deadline_ns)
            err = WAG_TIMEOUT;
    }
    return err;
}

wag_err wagi_promise_await(wagi_promise *promise, int64_t timeout_ms, void *ret_result, wag_error **reterr_error)
{
    wag_agent *agent = promise->agent;
    wag_err err = WAG_OK;
    wagi_promise_ref(promise); /* a task may drop the caller's handle */
    if (promise->state == WAG_PENDING) {
        promise->awaiting++;
        agent->run_depth++;
        err = pump(promise, timeout_ms < 0 ? UINT64_MAX : wagi_clock_after_ms((uint64_t)timeout_ms));
        agent->run_depth--;
        promise->awaiting--;
        /* A call that was stopped inside may be what rejected it: then this too returns why. */
        wagi_agent_stop_taken(agent, err == WAG_OK && promise->error ? wag_error_code(promise->error) : err);
    }
    if (err == WAG_TYPE) {
        err = wagi_fail(wagi_error_new(err, "nothing is under way that could settle the promise"), reterr_error);
    } else if (err != WAG_OK) {
        err = wagi_fail(wagi_error_new(err, NULL), reterr_error);
    } else if (promise->state == WAG_REJECTED) {
        promise->handled = true;
        err = wagi_fail(wag_error_ref(promise->error), reterr_error);
    } else if (ret_result && promise->type->copy) {
        promise->type->copy(ret_result, &promise->result);
    } else if (ret_result) {
        memcpy(ret_result, &promise->result, promise->type->size);
    }
    wagi_promise_unref(promise);
    return err;
}

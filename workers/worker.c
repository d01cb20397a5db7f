/* The outside of a worker: everything here runs on the parent's thread, except wagi_worker_unref. See worker.h. */
#include "workers/worker.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define DEFAULT_QUEUE 1024

void wagi_worker_unref(wag_worker *worker)
{
    /* acq_rel: the last owner frees after everything the others did with it. */
    if (atomic_fetch_sub_explicit(&worker->count, 1, memory_order_acq_rel) != 1)
        return;
    if (worker->channel)
        wagi_channel_unref(worker->channel);
    wagi_mailbox_unref(worker->mailbox);
    wag_cluster_unref(worker->cluster);
    wagi_mutex_fini(&worker->lock);
    wagi_free(worker->name);
    wagi_free(worker);
}

static bool is_mine(const wag_worker *worker)
{
    return worker && worker->parent == wagi_agent_peek();
}

static wag_err not_mine(const wag_worker *worker)
{
    return worker ? WAG_WRONG_AGENT : WAG_TYPE;
}

/* ---- the end ---- */

static void finish(wag_worker *worker)
{
    worker->finished = true;
    wag_exit result = {.terminated = worker->terminated, .discarded_messages = wagi_channel_close(worker->channel)};
    wagi_loop_release(worker->parent->loop);
    wagi_promise_exit_resolve(worker->exited, result);
}

/* Messages of a worker that ended by itself are delivered first, as long as somebody wants them. */
static void finish_if_done(wag_worker *worker)
{
    if (worker->finished || !worker->joined)
        return;
    if (worker->drained || !wagi_on_message_is_set(&worker->on_message) || atomic_load(&worker->terminate))
        finish(worker);
}

static void join(wag_worker *worker)
{
    if (!worker->joined)
        wagi_thread_join(worker->thread);
    worker->joined = true;
}

static void worker_ended(wagi_task *task)
{
    wag_worker *worker = (wag_worker *)task;
    join(worker);
    finish_if_done(worker);
    wagi_worker_unref(worker);
}

static void ended_discard(wagi_task *task)
{
    wagi_worker_unref((wag_worker *)task);
}

static void stop(wag_worker *worker)
{
    if (atomic_exchange(&worker->terminate, true))
        return;
    wagi_mutex_lock(&worker->lock);
    if (worker->agent)
        wag_agent_terminate(worker->agent);
    wagi_mutex_unlock(&worker->lock);
    wagi_channel_refuse(worker->channel, WAGI_SIDE_PARENT);
    wagi_channel_refuse(worker->channel, WAGI_SIDE_WORKER);
    wagi_channel_interrupt(worker->channel, WAGI_SIDE_WORKER);
}

static void end_now(wag_worker *worker)
{
    worker->freed = true;
    if (!worker->finished) {
        stop(worker);
        join(worker);
        finish(worker);
    }
    wag_promise_exit_unref(worker->exited);
    wagi_worker_unref(worker);
}

static void parent_ends(wagi_teardown *teardown)
{
    end_now((wag_worker *)((char *)teardown - offsetof(wag_worker, teardown)));
}

void wag_worker_free(wag_worker *worker)
{
    if (!is_mine(worker))
        return;
    wagi_agent_off_teardown(worker->parent, &worker->teardown);
    end_now(worker);
}

wag_promise_exit *wag_worker_exited(wag_worker *worker)
{
    return is_mine(worker) ? wag_promise_exit_ref(worker->exited) : NULL;
}

wag_promise_exit *wag_worker_terminate(wag_worker *worker)
{
    if (!is_mine(worker))
        return NULL;
    if (!worker->finished)
        stop(worker);
    finish_if_done(worker);
    return wag_promise_exit_ref(worker->exited);
}

/* ---- the beginning ---- */

/* Everything but the thread. Members that were made are the worker's, also on failure. */
static wag_err worker_init(wag_worker *worker, const wag_worker_options *options, wag_agent *parent,
                           wag_error **reterr_error)
{
    const char *name = options->name ? options->name : "worker";
    wagi_channel_options channel = {.cluster = parent->cluster,
                                    .queue_messages = options->queue_messages ? options->queue_messages : DEFAULT_QUEUE,
                                    .policy = options->queue_policy};
    atomic_init(&worker->count, 1);
    atomic_init(&worker->terminate, false);
    atomic_init(&worker->reports, 0);
    wagi_mutex_init(&worker->lock);
    worker->entry = options->entry;
    worker->context = options->context;
    worker->cluster = wag_cluster_ref(parent->cluster);
    worker->mailbox = wagi_mailbox_ref(wagi_loop_mailbox(parent->loop));
    worker->parent = parent;
    worker->scope.worker = worker;
    worker->ended = (wagi_task){.run = worker_ended, .discard = ended_discard};
    worker->teardown.run = parent_ends;
    worker->name = wagi_alloc(strlen(name) + 1);
    worker->exited = wagi_promise_exit_new();
    if (!worker->name || !worker->exited)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    memcpy(worker->name, name, strlen(name) + 1);
    return wagi_channel_new(&channel, &worker->channel, reterr_error);
}

wag_err wag_worker_new(const wag_worker_options *options, wag_worker **ret_worker, wag_error **reterr_error)
{
    if (!options || !options->entry || !ret_worker)
        return wagi_fail(wagi_error_new(WAG_TYPE, "a worker needs an entry, and somebody who keeps it"), reterr_error);
    wag_agent *parent = wag_agent_current();
    wag_worker *worker = parent ? WAGI_NEW(wag_worker) : NULL;
    if (!worker)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    wag_err err = parent->closing ? wagi_fail(wagi_error_new(WAG_CLOSED, "the agent is ending"), reterr_error) : WAG_OK;
    if (err != WAG_OK) {
        wagi_free(worker);
        return err;
    }
    err = worker_init(worker, options, parent, reterr_error);
    if (err == WAG_OK) {
        atomic_store(&worker->count, 2); /* the handle, the ended task */
        if (wagi_thread_start(&worker->thread, worker->name, options->stack_bytes, wagi_worker_main, worker)) {
            wagi_agent_on_teardown(parent, &worker->teardown);
            wagi_loop_hold(parent->loop);
            *ret_worker = worker;
            return WAG_OK;
        }
        atomic_store(&worker->count, 1);
        wagi_channel_close(worker->channel);
        err = wagi_fail(wagi_error_new(WAG_SYSTEM, "no thread could be started"), reterr_error);
    }
    wag_promise_exit_unref(worker->exited);
    wagi_worker_unref(worker);
    return err;
}

/* ---- messages ---- */

static void received(void *context, const wag_message_event *event)
{
    wag_worker *worker = context;
    wagi_on_message on = worker->on_message; /* it may free the worker */
    wagi_on_message_call(&on, event);
}

static void received_error(void *context, const wag_error *error)
{
    wag_worker *worker = context;
    if (worker->on_message_error.call)
        worker->on_message_error.call(worker->on_message_error.context, error);
}

static void received_all(void *context)
{
    wag_worker *worker = context;
    worker->drained = true;
    finish_if_done(worker);
}

wag_err wag_worker_post_message(wag_worker *worker, wag_value message, wag_error **reterr_error)
{
    return wag_worker_post_transfer(worker, message, NULL, 0, reterr_error);
}

wag_err wag_worker_post_transfer(wag_worker *worker, wag_value message, const wag_value *transfer,
                                 size_t transfer_count, wag_error **reterr_error)
{
    if (!is_mine(worker))
        return wagi_fail(wagi_error_handle(worker, "worker"), reterr_error);
    return wagi_channel_post_transfer(worker->channel, WAGI_SIDE_PARENT, message, transfer, transfer_count,
                                      reterr_error);
}

size_t wag_worker_buffered_amount(const wag_worker *worker)
{
    return is_mine(worker) ? wagi_channel_buffered(worker->channel, WAGI_SIDE_PARENT) : 0;
}

static wag_err set_handler(wag_worker *worker, wagi_on_message on)
{
    if (!is_mine(worker))
        return not_mine(worker);
    worker->on_message = on;
    if (worker->finished)
        return WAG_OK;
    if (wagi_on_message_is_set(&on)) {
        wagi_receiver receiver = {received, received_error, received_all, worker};
        wagi_channel_receive(worker->channel, WAGI_SIDE_PARENT, worker->mailbox, &receiver);
    } else {
        wagi_channel_pause(worker->channel, WAGI_SIDE_PARENT);
        finish_if_done(worker);
    }
    return WAG_OK;
}

wag_err wag_worker_on_message(wag_worker *worker, wag_message_handler handler, void *context)
{
    return set_handler(worker, (wagi_on_message){.call = handler, .context = context});
}

wag_err wag_worker_on_message_event(wag_worker *worker, wag_message_event_handler handler, void *context)
{
    return set_handler(worker, (wagi_on_message){.call_event = handler, .context = context});
}

wag_err wag_worker_on_error(wag_worker *worker, wag_error_handler handler, void *context)
{
    if (!is_mine(worker))
        return not_mine(worker);
    worker->on_error = (wagi_on_error){handler, context};
    return WAG_OK;
}

wag_err wag_worker_on_message_error(wag_worker *worker, wag_error_handler handler, void *context)
{
    if (!is_mine(worker))
        return not_mine(worker);
    worker->on_message_error = (wagi_on_error){handler, context};
    return WAG_OK;
}

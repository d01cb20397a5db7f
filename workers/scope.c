/* The inside of a worker: its thread. See worker.h. */
#include "base/alloc.h"
#include "base/error.h"
#include "workers/worker.h"

/* ---- errors, to the parent ---- */

typedef struct report {
    wagi_task task;     /* first */
    wag_worker *worker; /* one reference */
    wag_error *error;   /* one reference */
} report;

static void report_discard(wagi_task *task)
{
    report *report = (struct report *)task;
    wag_error_unref(report->error);
    atomic_fetch_sub_explicit(&report->worker->reports, 1, memory_order_relaxed); /* relaxed: a limit */
    wagi_worker_unref(report->worker);
    wagi_free(report);
}

/* The parent's thread. */
static void report_run(wagi_task *task)
{
    report *report = (struct report *)task;
    wag_worker *worker = report->worker;
    if (worker->on_error.call && !worker->freed && !atomic_load(&worker->terminate))
        worker->on_error.call(worker->on_error.context, report->error);
    report_discard(task);
}

static void report_error(wag_worker *worker, const wag_error *error)
{
    /* relaxed: only this thread counts up, so the limit holds. */
    if (atomic_load_explicit(&worker->reports, memory_order_relaxed) >= WAGI_REPORT_LIMIT)
        return;
    report *report = WAGI_NEW(struct report);
    if (!report)
        return; /* without memory there is nobody to tell */
    report->task = (wagi_task){.run = report_run, .discard = report_discard};
    report->worker = worker;
    report->error = wag_error_ref((wag_error *)error);
    /* relaxed: the thread works for the worker and the ended task's reference, which it gives away last. */
    atomic_fetch_add_explicit(&worker->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&worker->reports, 1, memory_order_relaxed); /* relaxed: a limit */
    wagi_mailbox_post(worker->mailbox, &report->task);
}

static void rejected(void *context, const wag_error *error)
{
    report_error(context, error);
}

/* ---- the thread ---- */

static void run(wag_worker *worker, wag_agent *agent)
{
    wag_worker_scope *scope = &worker->scope;
    scope->agent = agent;
    wagi_mutex_lock(&worker->lock);
    worker->agent = agent; /* from here on terminate finds it */
    wagi_mutex_unlock(&worker->lock);
    wag_on_unhandled_rejection(rejected, worker);
    if (!atomic_load(&worker->terminate))
        worker->entry(scope, worker->context);
    /* A stop that is not terminate ends what runs, not the worker. */
    while (!scope->stop && !atomic_load(&worker->terminate))
        if (!wagi_err_is_stop(wagi_loop_run(agent->loop, &scope->stop)))
            break;
    wagi_mutex_lock(&worker->lock);
    worker->agent = NULL;
    wagi_mutex_unlock(&worker->lock);
}

void *wagi_worker_main(void *context)
{
    wag_worker *worker = context;
    wag_err err = wagi_agent_open(worker->cluster);
    if (err == WAG_OK) {
        run(worker, wagi_agent_peek());
    } else {
        wag_error *error = wagi_error_new(err, "the worker's agent could not be made");
        report_error(worker, error);
        wag_error_unref(error);
    }
    worker->terminated = atomic_load(&worker->terminate);
    /* What comes from now on is dropped, and a parent that waits for room is told so. Then the agent goes, with what is
     * in its mailbox, its store and its own workers; only then is nothing more posted from here. */
    wagi_channel_refuse(worker->channel, WAGI_SIDE_WORKER);
    if (err == WAG_OK)
        wagi_agent_close();
    worker->scope.agent = NULL;
    wagi_channel_finish(worker->channel, WAGI_SIDE_WORKER);
    wagi_mailbox_post(worker->mailbox, &worker->ended); /* gives the thread's reference away */
    return NULL;
}

/* ---- waggle/worker.h ---- */

static bool is_mine(const wag_worker_scope *self)
{
    return self && self->agent && self->agent == wagi_agent_peek();
}

static wag_err not_mine(const wag_worker_scope *self)
{
    return self ? WAG_WRONG_AGENT : WAG_TYPE;
}

static void received(void *context, const wag_message_event *event)
{
    wag_worker_scope *self = context;
    if (self->stop)
        return; /* close(): no further task runs, not even inside a task that waits */
    wagi_on_message on = self->on_message;
    wagi_on_message_call(&on, event);
}

static void received_error(void *context, const wag_error *error)
{
    wag_worker_scope *self = context;
    if (!self->stop && self->on_message_error.call)
        self->on_message_error.call(self->on_message_error.context, error);
}

/* The parent never finishes, so this direction has broken: nothing will come, nothing holds the loop. */
static void received_all(void *context)
{
    wag_worker_scope *self = context;
    if (self->holding)
        wagi_loop_release(self->agent->loop);
    self->holding = false;
}

wag_err wag_scope_post_message(wag_worker_scope *self, wag_value message, wag_error **reterr_error)
{
    return wag_scope_post_transfer(self, message, NULL, 0, reterr_error);
}

wag_err wag_scope_post_transfer(wag_worker_scope *self, wag_value message, const wag_value *transfer,
                                size_t transfer_count, wag_error **reterr_error)
{
    if (!is_mine(self))
        return wagi_fail(wagi_error_handle(self, "worker's scope"), reterr_error);
    return wagi_channel_post_transfer(self->worker->channel, WAGI_SIDE_WORKER, message, transfer, transfer_count,
                                      reterr_error);
}

size_t wag_scope_buffered_amount(const wag_worker_scope *self)
{
    return is_mine(self) ? wagi_channel_buffered(self->worker->channel, WAGI_SIDE_WORKER) : 0;
}

static wag_err set_handler(wag_worker_scope *self, wagi_on_message on)
{
    if (!is_mine(self))
        return not_mine(self);
    bool is_set = wagi_on_message_is_set(&on);
    self->on_message = on;
    if (is_set && !self->holding)
        wagi_loop_hold(self->agent->loop);
    else if (!is_set && self->holding)
        wagi_loop_release(self->agent->loop);
    self->holding = is_set;
    if (is_set) {
        wagi_receiver receiver = {received, received_error, received_all, self};
        wagi_channel_receive(self->worker->channel, WAGI_SIDE_WORKER, wagi_loop_mailbox(self->agent->loop), &receiver);
    } else {
        wagi_channel_pause(self->worker->channel, WAGI_SIDE_WORKER);
    }
    return WAG_OK;
}

wag_err wag_scope_on_message(wag_worker_scope *self, wag_message_handler handler, void *context)
{
    return set_handler(self, (wagi_on_message){.call = handler, .context = context});
}

wag_err wag_scope_on_message_event(wag_worker_scope *self, wag_message_event_handler handler, void *context)
{
    return set_handler(self, (wagi_on_message){.call_event = handler, .context = context});
}

wag_err wag_scope_on_message_error(wag_worker_scope *self, wag_error_handler handler, void *context)
{
    if (!is_mine(self))
        return not_mine(self);
    self->on_message_error = (wagi_on_error){handler, context};
    return WAG_OK;
}

void wag_scope_report_error(wag_worker_scope *self, const wag_error *error)
{
    if (is_mine(self) && error)
        report_error(self->worker, error);
}

void wag_scope_close(wag_worker_scope *self)
{
    if (is_mine(self))
        self->stop = true;
}

const char *wag_scope_name(const wag_worker_scope *self)
{
    return is_mine(self) ? self->worker->name : NULL;
}

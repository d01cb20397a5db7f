/* The agent's event loop. See loop.h.
 *
 * Mailbox. A lock-free stack that any thread pushes to and only the owner empties, all at once, reversing it; so it is
 * FIFO per sender (and over all senders, by the moment of the push). A closed mailbox has a mark as its head, for ever:
 * who finds it keeps its task and discards it. No lock is involved, hence there is no lock order.
 *
 * Waking. `signalled` is true from the moment somebody decides to write the eventfd until the owner has cleared it.
 * While it is true nobody writes again: a loop that is awake with work costs its senders no system call. The owner
 * clears in this order: read the eventfd, signalled = false, look at the mailbox and the stop limit. A sender: push
 * (or set that), then look at signalled. All four are seq_cst, so one of the two sees the other. A sender may be
 * delayed between its decision and its write; then the eventfd wakes the owner once for nothing.
 *
 * The queues, jobs and timers of the loop itself are the owner's alone and need no waking, except when somebody polls
 * the descriptor of wagi_loop_fd: then each end of an outermost turn, and each post outside of one, makes the
 * descriptor say what is true (publish).
 */
#include "runtime/loop.h"

#include "base/alloc.h"
#include "base/os.h"
#include "base/pages.h"
#include "runtime/pool.h"
#include "runtime/promise.h"
#include "runtime/timer.h"

/* An agent that has waited for this long gives back what it keeps for instances to come. */
#define TRIM_AFTER_NS INT64_C(10000000000)

struct wagi_mailbox {
    atomic_size_t count;
    _Atomic(wagi_task *) head; /* newest first; &closed_mark once the loop is gone */
    atomic_bool signalled;
    int wakeup; /* lives as long as the mailbox: a signal handler may write it at any time */
};
_Static_assert(ATOMIC_BOOL_LOCK_FREE == 2 && ATOMIC_POINTER_LOCK_FREE == 2, "interrupts come from signal handlers");

static wagi_task closed_mark;

typedef struct queue {
    wagi_task *first, **last;
} queue;

struct wagi_loop {
    wag_agent *agent;
    wagi_mailbox *mailbox; /* one reference */
    uint32_t epoch;        /* of the process (base/pages.h) whose descriptors we have */
    queue tasks, jobs;
    wagi_timers timers;
    size_t holds;
    uint32_t depth; /* turns that are open */
    bool closed;
    bool timer_last;   /* the last task was a timer's: queued ones take turns with timers */
    int alarm, poller; /* -1 until somebody asks for the descriptor */
    uint64_t alarm_deadline;
};

/* ---- mailbox ---- */

static wagi_mailbox *mailbox_new(void)
{
    wagi_mailbox *mailbox = WAGI_NEW(wagi_mailbox);
    if (!mailbox)
        return NULL;
    atomic_init(&mailbox->count, 1);
    atomic_init(&mailbox->head, NULL);
    atomic_init(&mailbox->signalled, false);
    mailbox->wakeup = wagi_wakeup_new();
    if (mailbox->wakeup < 0) {
        wagi_free(mailbox);
        return NULL;
    }
    return mailbox;
}

wagi_mailbox *wagi_mailbox_ref(wagi_mailbox *mailbox)
{
    /* relaxed: whoever counts up holds a reference already. */
    atomic_fetch_add_explicit(&mailbox->count, 1, memory_order_relaxed);
    return mailbox;
}

void wagi_mailbox_unref(wagi_mailbox *mailbox)
{
    /* acq_rel: the last owner frees after everything the others did with it. */
    if (!mailbox || atomic_fetch_sub_explicit(&mailbox->count, 1, memory_order_acq_rel) != 1)
        return;
    wagi_wakeup_free(mailbox->wakeup);
    wagi_free(mailbox);
}

bool wagi_mailbox_post(wagi_mailbox *mailbox, wagi_task *task)
{
    wagi_task *head = atomic_load(&mailbox->head);
    do {
        if (head == &closed_mark) {
            if (task->discard)
                task->discard(task);
            return false;
        }
        task->next = head;
    } while (!atomic_compare_exchange_weak(&mailbox->head, &head, task));
    /* The task may have run and be gone by now; the mailbox is the caller's. */
    wagi_mailbox_wake(mailbox);
    return true;
}

void wagi_mailbox_wake(wagi_mailbox *mailbox)
{
    /* The load keeps the line shared while the loop is awake anyway. */
    if (!atomic_load(&mailbox->signalled) && !atomic_exchange(&mailbox->signalled, true))
        wagi_wakeup_signal(mailbox->wakeup);
}

void wagi_agent_raise(wag_agent *agent, unsigned reason)
{
    wagi_agent_set_stop(agent, reason);
    wagi_parker_wake(&agent->parker);
    /* The loop and its mailbox are set when the agent is made and do not change. */
    wagi_mailbox_wake(wagi_loop_mailbox(agent->loop));
}

/* Owner: forget past signals. What came before is seen by looking at the mailbox afterwards. */
static void mailbox_clear(wagi_mailbox *mailbox)
{
    wagi_wakeup_clear(mailbox->wakeup);
    atomic_store(&mailbox->signalled, false);
}

/* Owner: everything that is in it, oldest first. Leaves `replacement` (NULL, or the mark) as the head. */
static wagi_task *mailbox_take(wagi_mailbox *mailbox, wagi_task *replacement)
{
    wagi_task *newest = atomic_exchange(&mailbox->head, replacement), *oldest = NULL;
    if (newest == &closed_mark)
        return NULL;
    while (newest) {
        wagi_task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

/* ---- queues ---- */

static void queue_init(queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
}

static void queue_push(queue *queue, wagi_task *task)
{
    task->next = NULL;
    *queue->last = task;
    queue->last = &task->next;
}

static wagi_task *queue_pop(queue *queue)
{
    wagi_task *task = queue->first;
    if (task && !(queue->first = task->next))
        queue->last = &queue->first;
    return task;
}

static void queue_discard(queue *queue)
{
    wagi_task *task;
    while ((task = queue_pop(queue)))
        if (task->discard)
            task->discard(task);
}

static void receive(wagi_loop *loop)
{
    if (!atomic_load(&loop->mailbox->head))
        return;
    wagi_task *task = mailbox_take(loop->mailbox, NULL);
    while (task) {
        wagi_task *next = task->next;
        queue_push(&loop->tasks, task);
        task = next;
    }
}

/* ---- loop ---- */

wagi_loop *wagi_loop_new(wag_agent *agent)
{
    wagi_loop *loop = WAGI_NEW(wagi_loop);
    wagi_mailbox *mailbox = mailbox_new();
    if (!loop || !mailbox) {
        wagi_free(loop);
        wagi_mailbox_unref(mailbox);
        return NULL;
    }
    loop->agent = agent;
    loop->mailbox = mailbox;
    loop->epoch = wagi_process_epoch();
    queue_init(&loop->tasks);
    queue_init(&loop->jobs);
    wagi_timers_init(&loop->timers);
    loop->alarm = loop->poller = -1;
    loop->alarm_deadline = UINT64_MAX;
    return loop;
}

void wagi_loop_close(wagi_loop *loop)
{
    if (loop->closed)
        return;
    loop->closed = true;
    wagi_task *task = mailbox_take(loop->mailbox, &closed_mark);
    while (task) {
        wagi_task *next = task->next;
        queue_push(&loop->tasks, task);
        task = next;
    }
    queue_discard(&loop->tasks);
    queue_discard(&loop->jobs);
    wagi_timers_fini(&loop->timers);
}

void wagi_loop_free(wagi_loop *loop)
{
    if (!loop)
        return;
    wagi_loop_close(loop);
    wagi_poller_free(loop->poller);
    wagi_alarm_free(loop->alarm);
    wagi_mailbox_unref(loop->mailbox);
    wagi_free(loop);
}

/* In a forked child: descriptors of our own, for the parent reads and writes the others. What was queued stays. */
static void renew_after_fork(wagi_loop *loop)
{
    uint32_t epoch = wagi_process_epoch();
    if (loop->epoch == epoch)
        return;
    int wakeup = wagi_wakeup_new();
    if (wakeup < 0)
        return; /* the next time */
    loop->epoch = epoch;
    wagi_wakeup_free(loop->mailbox->wakeup);
    loop->mailbox->wakeup = wakeup;
    wagi_wakeup_signal(wakeup); /* `signalled` may say that there is something to read */
    wagi_poller_free(loop->poller);
    wagi_alarm_free(loop->alarm);
    loop->alarm = loop->poller = -1;
    loop->alarm_deadline = UINT64_MAX;
}

wagi_mailbox *wagi_loop_mailbox(wagi_loop *loop)
{
    renew_after_fork(loop);
    return loop->mailbox;
}

uint32_t wagi_loop_depth(const wagi_loop *loop)
{
    return loop->depth;
}

static bool timer_due(const wagi_loop *loop)
{
    uint64_t next = wagi_timers_next(&loop->timers);
    return next != UINT64_MAX && next <= wagi_clock_ns();
}

/* Something that a turn would run. */
static bool has_work(const wagi_loop *loop)
{
    return loop->jobs.first || loop->tasks.first || atomic_load(&loop->mailbox->head) ||
           (loop->depth == 0 && wagi_promises_unreported(loop->agent)) || timer_due(loop);
}

/* Make the descriptor, if anybody polls it, say whether there is work. */
static void publish(wagi_loop *loop)
{
    if (loop->poller < 0 || loop->depth != 0 || loop->closed)
        return;
    if (!has_work(loop))
        mailbox_clear(loop->mailbox);
    if (has_work(loop)) /* again: a post between the two saw the old signal and wrote nothing */
        wagi_mailbox_wake(loop->mailbox);
    uint64_t next = wagi_timers_next(&loop->timers);
    if (next != loop->alarm_deadline) {
        wagi_alarm_set(loop->alarm, next);
        loop->alarm_deadline = next;
    }
}

int wagi_loop_fd(wagi_loop *loop)
{
    if (loop->closed)
        return -1;
    renew_after_fork(loop);
    if (loop->alarm < 0)
        loop->alarm = wagi_alarm_new();
    if (loop->alarm >= 0 && loop->poller < 0) {
        loop->poller = wagi_poller_new(loop->mailbox->wakeup, loop->alarm);
        publish(loop);
    }
    return loop->poller;
}

static void enqueue(wagi_loop *loop, queue *queue, wagi_task *task)
{
    if (loop->closed) {
        if (task->discard)
            task->discard(task);
        return;
    }
    queue_push(queue, task);
    publish(loop);
}

void wagi_loop_post(wagi_loop *loop, wagi_task *task)
{
    enqueue(loop, &loop->tasks, task);
}

void wagi_loop_job(wagi_loop *loop, wagi_task *job)
{
    enqueue(loop, &loop->jobs, job);
}

void wagi_loop_hold(wagi_loop *loop)
{
    loop->holds++;
}

void wagi_loop_release(wagi_loop *loop)
{
    loop->holds--;
}

wag_err wagi_loop_timer_start(wagi_loop *loop, uint64_t deadline_ns, void (*callback)(void *context), void *context,
                              uint64_t *ret_timer)
{
    wag_err err =
        loop->closed ? WAG_CLOSED : wagi_timers_start(&loop->timers, deadline_ns, callback, context, ret_timer);
    publish(loop);
    return err;
}

bool wagi_loop_timer_cancel(wagi_loop *loop, uint64_t timer)
{
    bool cancelled = wagi_timers_cancel(&loop->timers, timer);
    publish(loop);
    return cancelled;
}

/* An endless chain of jobs can be stopped only where somebody will return why: in a run or an await. */
static bool jobs_interrupted(const wagi_loop *loop)
{
    return loop->agent->run_depth != 0 && wagi_agent_poll(loop->agent);
}

static bool run_jobs(wagi_loop *loop)
{
    wagi_task *job;
    bool ran = false;
    while (!jobs_interrupted(loop) && (job = queue_pop(&loop->jobs))) {
        job->run(job);
        ran = true;
    }
    return ran;
}

/* One queued task or one due timer; while there are both they take turns, so that neither starves the other. */
static bool run_task(wagi_loop *loop)
{
    void (*callback)(void *context);
    void *context;
    wagi_task *task = NULL;
    receive(loop);
    if (!loop->timer_last || !(task = queue_pop(&loop->tasks))) {
        if (wagi_timers_next(&loop->timers) != UINT64_MAX &&
            wagi_timers_take(&loop->timers, wagi_clock_ns(), &callback, &context)) {
            loop->timer_last = true;
            callback(context);
            return true;
        }
        task = queue_pop(&loop->tasks);
    }
    loop->timer_last = false;
    if (task)
        task->run(task);
    return task != NULL;
}

bool wagi_loop_turn(wagi_loop *loop)
{
    if (loop->closed)
        return false;
    bool ran = false;
    loop->depth++;
    if (loop->depth == 1 && wagi_promises_unreported(loop->agent)) {
        /* The host's own code rejected it, outside of any task; that code has ended by coming here. */
        run_jobs(loop);
        wagi_promises_report(loop->agent, 0);
        ran = true;
    }
    ran = run_jobs(loop) || ran;
    if (!loop->jobs.first && run_task(loop)) { /* an interrupt may have left jobs: they stay ahead of tasks */
        run_jobs(loop);
        ran = true;
    }
    wagi_promises_report(loop->agent, loop->depth);
    loop->depth--;
    publish(loop);
    return ran;
}

/* -1 for UINT64_MAX; else *ret_now is what it counts from. */
static int64_t timeout_of(uint64_t until, uint64_t *ret_now)
{
    if (until == UINT64_MAX)
        return -1;
    uint64_t now = *ret_now = wagi_clock_ns();
    return until <= now ? 0 : until - now > INT64_MAX ? INT64_MAX : (int64_t)(until - now);
}

wag_err wagi_loop_wait(wagi_loop *loop, uint64_t deadline_ns)
{
    wag_err err = WAG_OK;
    renew_after_fork(loop);
    for (;;) {
        err = wagi_agent_stop(loop->agent); /* see "Waking" */
        if (err != WAG_OK)
            break;
        if (has_work(loop))
            return WAG_OK;
        else if (loop->closed || (loop->holds == 0 && wagi_timers_next(&loop->timers) == UINT64_MAX))
            err = WAG_TYPE;
        if (err != WAG_OK)
            break;
        uint64_t until = wagi_timers_next(&loop->timers), now;
        if (until > deadline_ns)
            until = deadline_ns;
        int64_t timeout_ns = timeout_of(until, &now);
        if (timeout_ns >= 0 && deadline_ns <= now) {
            err = WAG_TIMEOUT;
            break;
        }
        bool may_trim = (loop->agent->pools.count || loop->agent->pools.ready_bytes) &&
                        (timeout_ns < 0 || timeout_ns > TRIM_AFTER_NS);
        if (wagi_wakeup_wait(loop->mailbox->wakeup, may_trim ? TRIM_AFTER_NS : timeout_ns))
            mailbox_clear(loop->mailbox);
        else if (may_trim && wagi_pools_trim(loop->agent))
            wagi_memory_free_spares(loop->agent);
    }
    publish(loop);
    return err;
}

wag_err wagi_loop_wait_fd(wagi_loop *loop, int fd, unsigned events, uint64_t deadline_ns, unsigned *ret_events)
{
    wag_agent *agent = loop->agent;
    wag_err err;
    *ret_events = 0;
    renew_after_fork(loop);
    for (;;) {
        /* The order of "Waking": a stop or notice that is not seen here signals the wake-up again. */
        err = wagi_agent_stop(agent);
        if (err != WAG_OK || atomic_exchange(&agent->notified, false))
            break;
        uint64_t now = 0;
        int64_t timeout_ns = timeout_of(deadline_ns, &now);
        bool woken;
        if (!wagi_wakeup_wait_fd(loop->mailbox->wakeup, fd, events, timeout_ns, &woken, ret_events))
            err = WAG_SYSTEM;
        if (woken) /* for a task, perhaps: it stays where it is */
            mailbox_clear(loop->mailbox);
        if (err == WAG_OK && *ret_events == 0 && !woken && timeout_ns >= 0 && wagi_clock_ns() >= deadline_ns)
            err = WAG_TIMEOUT;
        if (err != WAG_OK || *ret_events != 0)
            break;
    }
    publish(loop);
    return err;
}

wag_err wagi_loop_run(wagi_loop *loop, const bool *stop)
{
    wag_err err = WAG_OK;
    wag_agent *agent = loop->agent;
    agent->run_depth++;
    while (err == WAG_OK && !(stop && *stop)) {
        err = wagi_agent_stop(agent);
        if (err == WAG_OK && !wagi_loop_turn(loop))
            err = wagi_loop_wait(loop, UINT64_MAX);
    }
    agent->run_depth--;
    wagi_agent_stop_taken(agent, err);
    return err == WAG_TYPE ? WAG_OK : err;
}

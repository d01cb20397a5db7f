/* The agent's event loop: tasks, jobs, timers, one descriptor.
 *
 * Tasks come from any thread through a mailbox, which is counted and outlives the agent: a post to a dead agent's
 * mailbox discards the task. Jobs are the agent's own FIFO (microtasks). One turn: one task, then all jobs, then the
 * report of unhandled rejections.
 *
 * Turns nest: a task may wait for a promise, which runs further tasks inside it. Then the order of one thread's tasks
 * is that of their starts; a task that was begun inside another one ends before it.
 */
#ifndef WAGI_RUNTIME_LOOP_H
#define WAGI_RUNTIME_LOOP_H

#include "runtime/agent.h"

/* A task. Exactly one of run (on the loop's thread) and discard (on any thread; may be NULL) is called, once. Embed it
 * as the first member; both functions own the memory. */
typedef struct wagi_task {
    struct wagi_task *next;
    void (*run)(struct wagi_task *task);
    void (*discard)(struct wagi_task *task);
} wagi_task;

typedef struct wagi_mailbox wagi_mailbox; /* any thread; atomically counted */
wagi_mailbox *wagi_mailbox_ref(wagi_mailbox *mailbox);
void wagi_mailbox_unref(wagi_mailbox *mailbox);
/* Give a task to the loop, FIFO per sender; wakes it. task: own. False when the loop is gone (the task was discarded).
 */
bool wagi_mailbox_post(wagi_mailbox *mailbox, wagi_task *task);
/* Wake the loop without a task (used by stops; async-signal-safe). */
void wagi_mailbox_wake(wagi_mailbox *mailbox);
/* Stop what the agent runs or waits for. reason: WAGI_STOP_*. Any thread, async-signal-safe. The agent must be alive.
 */
void wagi_agent_raise(wag_agent *agent, unsigned reason);

typedef struct wagi_loop wagi_loop;
wagi_loop *wagi_loop_new(wag_agent *agent); /* NULL without memory or descriptors */
/* Discards what is queued, and from now on what is posted. */
void wagi_loop_close(wagi_loop *loop);
void wagi_loop_free(wagi_loop *loop);             /* closes; NULL is a no-op */
wagi_mailbox *wagi_loop_mailbox(wagi_loop *loop); /* borrow */

/* Owner thread from here. */
void wagi_loop_post(wagi_loop *loop, wagi_task *task); /* a task from the loop's own thread */
void wagi_loop_job(wagi_loop *loop, wagi_task *job);   /* a microtask */
/* Something that will post a task later is pending: wagi_loop_run does not end before it is released. */
void wagi_loop_hold(wagi_loop *loop);
void wagi_loop_release(wagi_loop *loop);
/* One task, then all jobs. Jobs that were queued outside of any task come first and count as one. False when there was
 * nothing to run. Does not wait. */
bool wagi_loop_turn(wagi_loop *loop);
/* How many turns are open: 0 outside of the loop. */
uint32_t wagi_loop_depth(const wagi_loop *loop);
/* Wait for work until deadline_ns (UINT64_MAX: none). WAG_OK when there is some, WAG_TIMEOUT, why the agent was
 * stopped, and WAG_TYPE when nothing is pending, so that waiting would be for ever. Who hands the code on to the host
 * calls wagi_agent_stop_taken. */
wag_err wagi_loop_wait(wagi_loop *loop, uint64_t deadline_ns);
/* Run nothing; wait until deadline_ns for one of the events (WAGI_FD_*) of a descriptor (-1: none), or until the agent
 * is notified: then *ret_events is 0. WAG_OK, WAG_TIMEOUT, WAG_SYSTEM, or why the agent was stopped. */
wag_err wagi_loop_wait_fd(wagi_loop *loop, int fd, unsigned events, uint64_t deadline_ns, unsigned *ret_events);
/* Run until nothing is pending, or `*stop` (may be NULL) is true after a turn, or interrupted. */
wag_err wagi_loop_run(wagi_loop *loop, const bool *stop);

/* A timer's task. ret_timer: may be NULL; ids are never 0 and not used again. WAG_NOMEM. */
wag_err wagi_loop_timer_start(wagi_loop *loop, uint64_t deadline_ns, void (*callback)(void *context), void *context,
                              uint64_t *ret_timer);
bool wagi_loop_timer_cancel(wagi_loop *loop, uint64_t timer); /* false: it has fired or was cancelled */
/* The descriptor for other people's event loops; made on first use. -1 when it cannot be had. */
int wagi_loop_fd(wagi_loop *loop);

#endif

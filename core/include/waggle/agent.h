/* The agent: one thread's store and event loop. It is implicit: every thread has one, made on first use of anything
 * that needs it and freed with the thread (or by wag_agent_close). JS: agent, event loop, task queue, microtasks.
 *
 * Example:
 *     static void later(void *context)
 *     {
 *         *(bool *)context = true;
 *     }
 *
 *     bool has_run = false;
 *     wag_timer_start(1, later, &has_run, NULL);
 *     if (wag_agent_run() != WAG_OK || !has_run) // until nothing is left to do
 *         return 1;
 */
#ifndef WAGGLE_AGENT_H
#define WAGGLE_AGENT_H

#include "waggle/instance.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Opaque; needed only to interrupt it, and to compare. */
typedef struct wag_agent wag_agent;

/* This thread's agent, in the default cluster unless wag_agent_open was called. borrow. NULL when memory is out. */
WAG_API wag_agent *wag_agent_current(void);
/* Make this thread's agent in a given cluster. WAG_TYPE when the thread has one already. cluster: borrow. */
WAG_API wag_err wag_agent_open(wag_cluster *cluster);
/* Free this thread's agent and every store object of it: no handle of it may be used afterwards. The thread may use the
 * library again and then gets a new one. WAG_TYPE while a call into wasm or a loop turn is open on this thread. */
WAG_API wag_err wag_agent_close(void);

/* Run one task and then all jobs (promise reactions). True when a task ran, or jobs that were queued outside of one.
 * Owner thread; does not wait. */
WAG_API bool wag_agent_turn(void);
/* Run until nothing is left: no task, no timer, no compilation under way, no open port that can still receive.
 * WAG_INTERRUPTED when the agent was interrupted. */
WAG_API wag_err wag_agent_run(void);
/* A file descriptor that polls readable while wag_agent_turn has work (for epoll, libuv, libevent). Do not read it.
 * borrow: owned by the agent. -1 when it cannot be had. */
WAG_API int wag_agent_fd(void);

/* Stop what the agent runs: wasm code ends with WAG_INTERRUPTED, wag_agent_run and wag_await return it. Any thread,
 * also from a signal handler. Cleared when the outermost call or run has returned it. The agent must be alive. */
WAG_API_ANY_THREAD void wag_agent_interrupt(wag_agent *agent);
/* May this agent's thread be blocked by memory.atomic.wait? When not, that traps with WAG_CANNOT_BLOCK: for a thread
 * that serves an event loop. The default is true. Owner thread. ECMAScript: [[CanBlock]]. */
WAG_API wag_err wag_agent_set_can_block(bool can_block);
/* True when an interrupt is pending: for host functions that work long. Owner thread. */
WAG_API bool wag_agent_interrupted(void);

/* Run callback(context) as a task after at least `milliseconds`. ret_timer: an id for wag_timer_cancel. Owner thread.
 */
WAG_API wag_err wag_timer_start(uint64_t milliseconds, void (*callback)(void *context), void *context,
                                uint64_t *ret_timer);
/* False when it has fired or was cancelled. */
WAG_API bool wag_timer_cancel(uint64_t timer);

/* Called once for each promise that was rejected and had no reaction at the end of the task that rejected it.
 * NULL: the default, silence. error: borrow. Owner thread. HTML: unhandledrejection. */
WAG_API wag_err wag_on_unhandled_rejection(void (*hook)(void *context, const wag_error *error), void *context);

/* Free unreachable store objects now (it also happens by itself). Owner thread. */
WAG_API void wag_agent_collect(void);
/* Live store objects of this agent: instances, and host-made memories, tables, globals, functions ... For leak tests.
 */
WAG_API size_t wag_agent_live_objects(void);
/* Live modules of the process. Any thread. For leak tests. */
WAG_API_ANY_THREAD size_t wag_live_modules(void);

#ifdef __cplusplus
}
#endif
#endif

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
 * WAG_INTERRUPTED, WAG_DEADLINE, WAG_TERMINATED when the agent was stopped. */
WAG_API wag_err wag_agent_run(void);
/* A file descriptor that polls readable while wag_agent_turn has work (for epoll, libuv, libevent). Do not read it.
 * borrow: owned by the agent. -1 when it cannot be had. */
WAG_API int wag_agent_fd(void);

/* ---- stopping ----
 *
 * A guest can be stopped at any time: in a loop or a recursion, in its start function, in an instruction that moves
 * much (after each MiB) or collects, in memory.atomic.wait, and in a host function that waits by the functions below.
 * What is open ends with an error that says why: WAG_INTERRUPTED, WAG_TERMINATED or WAG_DEADLINE. wasm code cannot
 * catch it, and while it is pending every return from a host function ends the call with it, whatever the host function
 * returned. The instance stays what it was at that point, and it and the agent can be used again. An error that says
 * that the agent ran out of fuel (below) is like a trap: it ends one call. */

/* Stop what the agent runs: calls into wasm, wag_agent_run, wag_await, waits, and posts that wait for room end with
 * WAG_INTERRUPTED. Any thread, also from a signal handler. Answered when the outermost of them has returned it; when
 * nothing runs, the next one ends with it. The agent must be alive. */
WAG_API_ANY_THREAD void wag_agent_interrupt(wag_agent *agent);
/* The same for good: WAG_TERMINATED, now and for everything that is begun later. Objects can still be used and
 * released. wag_worker_terminate does this to a worker's agent. */
WAG_API_ANY_THREAD void wag_agent_terminate(wag_agent *agent);
/* May this agent's thread be blocked by memory.atomic.wait? When not, that traps with WAG_CANNOT_BLOCK: for a thread
 * that serves an event loop. The default is true. Owner thread. ECMAScript: [[CanBlock]]. */
WAG_API wag_err wag_agent_set_can_block(bool can_block);
/* True when the agent is to stop, for whatever reason: for host functions that work long. Owner thread. */
WAG_API bool wag_agent_interrupted(void);
/* Why: WAG_INTERRUPTED, WAG_TERMINATED, WAG_DEADLINE; WAG_OK when it is not. Owner thread. */
WAG_API wag_err wag_agent_stop_reason(void);

/* Deadlines are points of a monotonic clock, in nanoseconds. The cluster has one thread for them, made when the first
 * one is set; setting and cancelling one is an atomic exchange. They stop the agent about 0.1 ms late
 * where a processor is free, and as late as the system runs the watchdog where none is. */
#define WAG_NO_DEADLINE UINT64_MAX
/* Now, on that clock. Any thread. */
WAG_API_ANY_THREAD uint64_t wag_clock_ns(void);
/* The point of time that is so far away. Any thread. */
WAG_API_ANY_THREAD uint64_t wag_deadline_in(uint64_t duration_ns);
/* The agent's deadline, for whatever it runs then: replaces the one before, also one that has passed and is not
 * answered yet. When it passes the agent is stopped once, as by wag_agent_interrupt but with WAG_DEADLINE, and has none
 * any more. WAG_NO_DEADLINE cancels: it will not stop anything then. A host function may call it to give a guest more
 * time. Owner thread. WAG_NOMEM; WAG_SYSTEM when there can be no thread. */
WAG_API wag_err wag_agent_set_deadline(uint64_t deadline_ns);
/* WAG_NO_DEADLINE: none; 0: it has passed, and what it has stopped has not returned yet. Owner thread. */
WAG_API uint64_t wag_agent_deadline(void);
/* wag_call with a deadline of its own: the earlier one of it and the agent's counts. Afterwards the agent's is what it
 * was before; when the call's own has passed, only this call ends with WAG_DEADLINE, and calls around it go on. */
WAG_API wag_err wag_call_until(wag_func *func, const wag_val *args, size_t arg_count, wag_val *results,
                               size_t result_count, uint64_t deadline_ns, wag_error **reterr_error);

/* What a file descriptor is ready for. */
typedef enum wag_fd_event {
    WAG_FD_READ = 1,
    WAG_FD_WRITE = 2,
    WAG_FD_ERROR = 4, /* an error, or the other side has hung up: comes unasked */
} wag_fd_event;
/* Wait until somebody notifies the agent: for host functions, and between calls. Runs no task of the loop meanwhile.
 * deadline_ns: WAG_NO_DEADLINE to wait for ever. WAG_OK when what was waited for has come, WAG_TIMEOUT, or why the
 * agent was stopped: WAG_INTERRUPTED, WAG_TERMINATED, WAG_DEADLINE; a host function should return then (NULL will do:
 * the call ends with that error). Owner thread. */
WAG_API wag_err wag_agent_wait(uint64_t deadline_ns);
/* The same, or until a file descriptor (borrow) is ready for one of `events`, or has an error: *ret_events says for
 * what; 0: notified. Fails also with WAG_TYPE for unknown events, WAG_SYSTEM. */
WAG_API wag_err wag_agent_wait_fd(int fd, unsigned events, uint64_t deadline_ns, unsigned *ret_events);
/* End the agent's wait, or the next one when it does not wait: notices do not add up. Any thread, also from a signal
 * handler. The agent must be alive. */
WAG_API_ANY_THREAD void wag_agent_notify(wag_agent *agent);

/* ---- fuel ----
 *
 * A budget that is spent by what a guest executes, not by time: the same module with the same arguments takes the same
 * fuel in every tier, on every machine, in every run. The cluster's option `fuel` makes code charge it. An agent begins
 * with none; when there is none left a call ends with the trap WAG_OUT_OF_FUEL, which wasm code cannot catch. Objects
 * can be used again once there is some.
 *
 * Each instruction that is executed takes one unit; but block, loop, else, end and nop are free, and a try_table takes
 * one for each of its clauses. One that traps takes it, too, and those behind it nothing: so after a trap the fuel that
 * is left is the same in every tier. (Only how deep a recursion comes before WAG_STACK_OVERFLOW is a tier's own
 * matter.) Constant expressions cost nothing. Calls of host functions cost nothing but their instruction: a host
 * function may charge.
 *
 * Fuel is asked for when a function begins and at the start of each pass of a loop: without any, it does not begin.
 * What is executed between is executed whole, so a call may overdraw, by less than what its function bodies have
 * outside of loops. Then nothing is left, and wag_fuel_add pays what is owed first. Instructions that move bytes of
 * memories, or elements of tables or arrays, take one unit more for each 64 bytes (8 elements of a table), and do
 * nothing when there is less; then nothing is left either. */

/* The agent's fuel from now on, whatever is owed. units: INT64_MAX at most, WAG_RANGE. WAG_UNSUPPORTED when the cluster
 * has no fuel. Owner thread, also in host functions; the same for those below. */
WAG_API wag_err wag_fuel_set(uint64_t units);
/* More of it; INT64_MAX at most. */
WAG_API wag_err wag_fuel_add(uint64_t units);
/* What is left; 0 when the cluster has no fuel. */
WAG_API uint64_t wag_fuel_left(void);
/* Take some, for work that a host function does. WAG_OUT_OF_FUEL when there is less, then none is left, and
 * *reterr_error (own) is what the host function should return. */
WAG_API wag_err wag_fuel_charge(uint64_t units, wag_error **reterr_error);

/* ---- timers, rejections, collection ---- */

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

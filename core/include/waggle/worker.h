/* Workers: a thread with an agent, and a pair of ports (an nng channel) between it and the thread that made it.
 * HTML: dedicated workers, postMessage, terminate.
 *
 * Example:
 *     static void on_message(void *self, wag_value message)
 *     {
 *         printf("%zu imports\n", wag_module_import_count(message.of.module));
 *         wag_scope_close(self);
 *     }
 *     static void worker_main(wag_worker_scope *self, void *context)
 *     {
 *         (void)context;
 *         wag_scope_on_message(self, on_message, self);
 *     }
 *
 *     wag_worker *worker;
 *     wag_worker_options options = {.entry = worker_main, .name = "example"};
 *     if (wag_worker_new(&options, &worker, NULL) != WAG_OK)
 *         return 1;
 *     wag_worker_post_message(worker, WAG_MODULE(module), NULL);
 *     wag_agent_run(); // until the worker has ended
 *     wag_worker_free(worker);
 */
#ifndef WAGGLE_WORKER_H
#define WAGGLE_WORKER_H

#include "waggle/port.h"
#include "waggle/promise.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A worker from outside: belongs to the agent that made it. */
typedef struct wag_worker wag_worker;
/* A worker from inside: belongs to the worker's agent. */
typedef struct wag_worker_scope wag_worker_scope;

/* The worker's script: it runs first, registers handlers, may do work, and returns; then the worker's loop runs. */
typedef void (*wag_worker_entry)(wag_worker_scope *self, void *context);

/* Zero-initialised it means the defaults, except entry. */
typedef struct wag_worker_options {
    wag_worker_entry entry;        /* not NULL */
    void *context;                 /* given to entry */
    const char *name;              /* borrow, copied; thread name and messages; NULL: "worker" */
    size_t stack_bytes;            /* 0: the system's default */
    size_t queue_messages;         /* messages that may wait in each direction; 0: 1024 */
    wag_queue_policy queue_policy; /* of both directions */
} wag_worker_options;

/* new Worker(). Owner thread: the caller's agent becomes the parent, and its cluster the worker's. ret_worker: own, not
 * NULL. A live worker keeps its parent's loop alive (Node's rule): wag_agent_run and wag_await wait for it. It is live
 * until its thread has been joined and, if it ended by itself and there is a message handler, its last message
 * delivered. A parent that ends first (wag_agent_close, or the end of its thread) terminates and joins its workers and
 * frees them. Fails with WAG_TYPE (no entry), WAG_SYSTEM (no thread, no socket; also in a process that was forked after
 * its parent had made a worker), WAG_CLOSED (the agent is ending), WAG_NOMEM. */
WAG_API wag_err wag_worker_new(const wag_worker_options *options, wag_worker **ret_worker, wag_error **reterr_error);
/* Drop the handle: terminates the worker if it still runs, and joins it before it returns. Host code of the worker that
 * works long must look at wag_agent_interrupted, or this waits for it. A handler of the worker may call it. Owner
 * thread. NULL is a no-op. */
WAG_API void wag_worker_free(wag_worker *worker);

/* worker.postMessage(). message: borrow; it is serialised before the call returns. Kinds that cannot be cloned fail
 * with WAG_DATA_CLONE here, at the sender. To a worker that has ended: WAG_OK, the message is dropped (HTML). */
WAG_API wag_err wag_worker_post_message(wag_worker *worker, wag_value message, wag_error **reterr_error);
/* The same with a transfer list, as wag_port_post_transfer. */
WAG_API wag_err wag_worker_post_transfer(wag_worker *worker, wag_value message, const wag_value *transfer,
                                         size_t transfer_count, wag_error **reterr_error);
/* Bytes posted that the other side has not taken yet. */
WAG_API size_t wag_worker_buffered_amount(const wag_worker *worker);
/* worker.onmessage / onerror / onmessageerror; NULL takes the handler off. Messages wait while there is no handler,
 * until the worker has ended; errors do not wait. */
WAG_API wag_err wag_worker_on_message(wag_worker *worker, wag_message_handler handler, void *context);
/* In place of wag_worker_on_message: a handler that is given the ports of a message, too. */
WAG_API wag_err wag_worker_on_message_event(wag_worker *worker, wag_message_event_handler handler, void *context);
WAG_API wag_err wag_worker_on_error(wag_worker *worker, wag_error_handler handler, void *context);
WAG_API wag_err wag_worker_on_message_error(wag_worker *worker, wag_error_handler handler, void *context);
/* worker.terminate(): stop whatever it runs, discard what was not delivered. The promise settles when the thread has
 * been joined. Calling it again is fine. returns own; NULL for another agent's worker. */
WAG_API wag_promise_exit *wag_worker_terminate(wag_worker *worker);
/* Settles when the worker has ended, for whatever reason. returns own; NULL for another agent's worker. */
WAG_API wag_promise_exit *wag_worker_exited(wag_worker *worker);

/* ---- inside the worker ---- */

/* As their counterparts outside. A worker with a message handler lives until it is closed or terminated; without one,
 * until its loop has nothing to do. Messages are delivered from the moment there is a handler, by turns of the loop:
 * also while entry waits for a promise. */
WAG_API wag_err wag_scope_post_message(wag_worker_scope *self, wag_value message, wag_error **reterr_error);
WAG_API wag_err wag_scope_post_transfer(wag_worker_scope *self, wag_value message, const wag_value *transfer,
                                        size_t transfer_count, wag_error **reterr_error);
WAG_API size_t wag_scope_buffered_amount(const wag_worker_scope *self);
WAG_API wag_err wag_scope_on_message(wag_worker_scope *self, wag_message_handler handler, void *context);
WAG_API wag_err wag_scope_on_message_event(wag_worker_scope *self, wag_message_event_handler handler, void *context);
WAG_API wag_err wag_scope_on_message_error(wag_worker_scope *self, wag_error_handler handler, void *context);
/* Give an error to the parent's onerror, as an uncaught exception would. error: borrow. Promises of the worker that are
 * rejected and have no reaction are reported in the same way. */
WAG_API void wag_scope_report_error(wag_worker_scope *self, const wag_error *error);
/* close(): the current task finishes, no further one runs, the thread ends. */
WAG_API void wag_scope_close(wag_worker_scope *self);
/* The name given in the options. borrow: as long as the worker. NULL for another agent's. */
WAG_API const char *wag_scope_name(const wag_worker_scope *self);

#ifdef __cplusplus
}
#endif
#endif

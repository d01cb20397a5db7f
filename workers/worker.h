/* A worker's inside: what worker.c (the parent's thread) and scope.c (the worker's thread) share.
 *
 *   parent's thread                                   worker's thread
 *   wag_worker_new: channel, thread  -------------->  opens an agent in the parent's cluster, runs entry, then its loop
 *   (the loop is held: a live worker                  ends: by close, by terminate, or when nothing is pending and it
 *    keeps its parent's loop alive)                   has no message handler
 *                                                     refuses what is still on its way to it; closes its agent; sends
 *                                    <- - channel - - CLOSE behind its messages (unless terminated)
 *   ended task: joins the thread     <-- mailbox ---  posts the ended task, as the last thing it does
 *   when joined, and CLOSE has come or nobody wants the messages any more:
 *   closes the channel, settles the exit promise, releases the loop (finish)
 *
 * terminate makes the worker's agent interrupted for good, wakes it, and lets both sides refuse messages. Errors of the
 * worker travel as tasks, not in the channel: they need no handler for messages to pass.
 *
 * References to the worker: its handle, the ended task, each report of an error under way.
 */
#ifndef WAGI_WORKERS_WORKER_H
#define WAGI_WORKERS_WORKER_H

#include "api/promise.h"
#include "ipc/port.h"
#include "waggle/worker.h"

/* Errors of a worker that may wait for the parent; more are dropped, so that a worker that fails in a loop cannot fill
 * the memory of a parent that does not listen. */
#define WAGI_REPORT_LIMIT 1024

/* The worker's thread only. */
struct wag_worker_scope {
    wag_worker *worker;
    wag_agent *agent; /* NULL before and after */
    bool stop;        /* close() was called */
    bool holding;     /* its loop, because there is a message handler */
    wagi_on_message on_message;
    wagi_on_error on_message_error;
};

struct wag_worker {
    wagi_task ended; /* first: the parent's loop may have the only pointer to this */
    atomic_size_t count;

    /* constant while the thread runs */
    wag_worker_entry entry;
    void *context;
    char *name;            /* own */
    wag_cluster *cluster;  /* one reference */
    wagi_channel *channel; /* one reference */
    wagi_mailbox *mailbox; /* the parent's; one reference */
    wag_agent *parent;
    wagi_thread thread;

    /* any thread */
    atomic_bool terminate; /* asked for */
    atomic_uint reports;   /* under way */
    wagi_mutex lock;       /* a leaf */
    wag_agent *agent;      /* guarded by lock; the worker's while it may be interrupted */

    /* the worker's thread; after the join the parent's */
    wag_worker_scope scope;
    bool terminated; /* it ended because of terminate */

    /* the parent's thread */
    wagi_teardown teardown;
    wag_promise_exit *exited; /* one reference */
    bool joined, drained, finished, freed;
    wagi_on_message on_message;
    wagi_on_error on_error, on_message_error;
};

void wagi_worker_unref(wag_worker *worker);
/* The thread's function. context: the worker. */
void *wagi_worker_main(void *context);

#endif

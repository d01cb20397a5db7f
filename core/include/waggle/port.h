/* Messages: what can be posted, and ports. A MessageChannel is two ports; what is posted to one arrives at the other
 * one, in whatever thread that is: ports travel in messages. A worker has such a pair with the agent that made it
 * (waggle/worker.h); everything here about posting holds there, too.
 * HTML: MessageChannel, MessagePort, structured clone.
 *
 * Example:
 *     static void on_question(void *port, wag_value message)
 *     {
 *         wag_port_post_message(port, WAG_NUMBER(2 * message.of.number), NULL);
 *     }
 *     static void on_port(void *self, const wag_message_event *event)
 *     {
 *         wag_port *port = event->ports[0].of.port;
 *         wag_port_on_message(port, on_question, port); // it lives until one side is closed
 *         wag_scope_on_message(self, NULL, NULL);       // and the worker as long as it
 *     }
 *     static void worker_main(wag_worker_scope *self, void *context)
 *     {
 *         (void)context;
 *         wag_scope_on_message_event(self, on_port, self);
 *     }
 *     static void on_answer(void *port, wag_value message)
 *     {
 *         printf("%g\n", message.of.number); // 42
 *         wag_port_close(port);
 *     }
 *
 *     wag_port *here, *there;
 *     wag_worker *worker;
 *     wag_worker_options options = {.entry = worker_main};
 *     if (wag_channel_new(NULL, &here, &there, NULL) != WAG_OK || wag_worker_new(&options, &worker, NULL) != WAG_OK)
 *         return 1;
 *     wag_port_on_message(here, on_answer, here);
 *     if (wag_worker_post_transfer(worker, WAG_NULL, &WAG_PORT(there), 1, NULL) != WAG_OK)
 *         return 1;
 *     wag_port_unref(there); // closed here, the worker has it
 *     wag_port_post_message(here, WAG_NUMBER(21), NULL);
 *     wag_agent_run(); // until port and worker have ended
 *     bool answered = wag_port_is_closed(here);
 *     wag_port_unref(here);
 *     wag_worker_free(worker);
 *     return !answered;
 */
#ifndef WAGGLE_PORT_H
#define WAGGLE_PORT_H

#include "waggle/buffer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a post does while the queue is full. A message waits from the post until the other side's loop takes it.
 * BLOCK ends with WAG_CLOSED when the other side ends meanwhile, with WAG_INTERRUPTED, WAG_DEADLINE or WAG_TERMINATED
 * when this agent is stopped, and with WAG_QUEUE_FULL when the other side belongs to this agent or itself waits in a
 * post to this one in the same channel: that would be for ever. Other circles are not found: when A waits for room at
 * B, B at C and C at A, or A and B in two channels, all wait until one of them is stopped. Where that can happen let
 * posts fail (WAG_QUEUE_ERROR never waits), or set a deadline around a post that may wait (wag_agent_set_deadline). */
typedef enum wag_queue_policy {
    WAG_QUEUE_ERROR,       /* fails with WAG_QUEUE_FULL (the default) */
    WAG_QUEUE_BLOCK,       /* waits for room */
    WAG_QUEUE_DROP_OLDEST, /* the oldest message that waits is discarded */
} wag_queue_policy;

/* message: borrow, gone when the handler returns (wag_value_ref keeps it). */
typedef void (*wag_message_handler)(void *context, wag_value message);
/* An uncaught error of the worker, or a message that could not be read (then WAG_PROTOCOL or WAG_DATA_CLONE). borrow.
 */
typedef void (*wag_error_handler)(void *context, const wag_error *error);

/* MessageEvent. All borrow, as above. */
typedef struct wag_message_event {
    wag_value data;         /* the message */
    const wag_value *ports; /* that the message has transferred, in the order of its transfer list, wherever they are */
    size_t port_count;      /* of ports */
} wag_message_event;
typedef void (*wag_message_event_handler)(void *context, const wag_message_event *event);

/* Zero-initialised it means the defaults. */
typedef struct wag_channel_options {
    size_t queue_messages;         /* messages that may wait in each direction; 0: 1024 */
    wag_queue_policy queue_policy; /* of both directions */
} wag_channel_options;

/* new MessageChannel(). options: borrow, may be NULL. ret_port1, ret_port2: own, not NULL; both belong to this agent.
 * Fails with WAG_TYPE, WAG_SYSTEM (no socket; also in a process that was forked after its parent had used channels),
 * WAG_CLOSED (the agent is ending), WAG_NOMEM. */
WAG_API wag_err wag_channel_new(const wag_channel_options *options, wag_port **ret_port1, wag_port **ret_port2,
                                wag_error **reterr_error);
/* A port that has been started, or has a message handler, lives until it is closed, and keeps its agent's loop alive.
 * Any other one is closed when its last handle goes; and all are when their agent ends. Owner thread everywhere:
 * WAG_WRONG_AGENT otherwise, 0 or false. */
WAG_API wag_port *wag_port_ref(wag_port *port);
WAG_API void wag_port_unref(wag_port *port);

/* port.postMessage(message). message: borrow; it is serialised before the call returns. Kinds that cannot be cloned
 * fail with WAG_DATA_CLONE here, at the sender: instances, tables, globals, tags, functions, exceptions, memories that
 * are not shared, detached buffers, ports that are not in the transfer list. WAG_LIMIT for one that is too large;
 * WAG_QUEUE_FULL and what else the policy says. WAG_OK, and the message is dropped, when either side is closed or this
 * one was transferred (HTML). */
WAG_API wag_err wag_port_post_message(wag_port *port, wag_value message, wag_error **reterr_error);
/* port.postMessage(message, transfer). transfer: borrow; buffers and ports, which the other side gets, whether they
 * occur in the message or not; here they are detached. A buffer's bytes keep their address. All or nothing: when the
 * call fails all are as before. Fails also with WAG_DATA_CLONE for one that is there twice, is detached or closed, is a
 * shared buffer or of another kind, or is the port itself; with WAG_TYPE for the buffer of a memory. With the port at
 * the other side in the list, message and channel are lost; so they are when it is itself on its way in a message that
 * only one of these ports could receive. */
WAG_API wag_err wag_port_post_transfer(wag_port *port, wag_value message, const wag_value *transfer,
                                       size_t transfer_count, wag_error **reterr_error);
/* Bytes posted that the other side has not taken yet. */
WAG_API size_t wag_port_buffered_amount(const wag_port *port);

/* port.onmessage; setting it starts the port. Each message is a task of the loop. NULL takes the handler off: messages
 * wait, unless wag_port_start was called. */
WAG_API wag_err wag_port_on_message(wag_port *port, wag_message_handler handler, void *context);
/* In its place: a handler that is given the ports of a message, too. */
WAG_API wag_err wag_port_on_message_event(wag_port *port, wag_message_event_handler handler, void *context);
/* port.onmessageerror: a message could not be read. */
WAG_API wag_err wag_port_on_message_error(wag_port *port, wag_error_handler handler, void *context);
/* port.onclose: the other side was closed, or is lost with its thread or in a message that nobody got; called once,
 * after what had been posted there, when the port has been started. The port is closed then, too. */
WAG_API wag_err wag_port_on_close(wag_port *port, void (*handler)(void *context), void *context);
/* port.start(): messages are delivered from now on; those for which there is no handler are lost. */
WAG_API wag_err wag_port_start(wag_port *port);
/* port.close(): nothing is delivered here any more, and posts are dropped; what was posted before arrives at the other
 * side, which is told then. Calling it again is fine. */
WAG_API wag_err wag_port_close(wag_port *port);
/* True once it is closed at either side (as far as this one knows) or transferred. */
WAG_API bool wag_port_is_closed(const wag_port *port);

#ifdef __cplusplus
}
#endif
#endif

/* A channel: two ends in two threads, a direction each way. The only part of Waggle that knows nng.
 *
 * Each end is a pair0 socket; both are made, and connected over inproc under a random name, by one call. Rules that
 * keep nng from hanging, aborting or losing what it was given (reference: nng 1.5.2 to 2.0-dev behave the same):
 *
 *   Nobody is inside a call on a socket when it is closed. All calls into nng are submissions of one of the direction's
 *   two aios, counted under the direction's lock; wagi_channel_close lets no new one begin, waits for the others, stops
 *   the aios, then closes.
 *   Nothing is inside nng when a socket is closed. nng drops, and in 1.5.2 leaks, what it then has. So close first
 *   receives what is still under way: the direction knows how much that is.
 *   Not more than WINDOW messages of a direction are under way, from the submission to nng until the receiver's loop
 *   takes them. That is less than nng's buffers, so nng never blocks, and the receiver needs no memory to receive:
 *   slots and tasks for WINDOW messages are there from the start. The rest waits in a list in front of nng.
 *
 * A message under way is counted by sequence numbers: taken <= received <= sent. What waits, for the queue's limit, is
 * the list and what was sent and not taken, less what was dropped as oldest (skipped: the receiver's loop throws it
 * away).
 *
 * Ends. A side can be given away as an end, to another thread of the process: through a message of another channel,
 * whose ticket owns it meanwhile. The sockets stay where they are; what moves is where the lane's messages land (lift,
 * attach again elsewhere), so that nothing is lost or overtaken, whatever is under way. The channel ends with its
 * second end. An end on its way knows its carrier, the end that will receive it. Carriers in a circle could never be
 * received: a message that would close one is lost at once, with what it carries (HTML calls it doomed; P-02 is the
 * shortest circle).
 *
 * Locks: one for each direction: neither nng, nor a mailbox, nor a handler is called under it. The cluster's `moving`
 * guards all carriers. Both are leaves.
 */
#ifndef WAGI_IPC_CHANNEL_H
#define WAGI_IPC_CHANNEL_H

#include "ipc/ticket.h"
#include "runtime/loop.h"
#include "waggle/port.h"

typedef struct wagi_channel wagi_channel; /* both ends; atomically counted */

/* The ends are symmetric. */
typedef enum wagi_side { WAGI_SIDE_PARENT, WAGI_SIDE_WORKER } wagi_side;
static inline wagi_side wagi_side_other(wagi_side side)
{
    return side == WAGI_SIDE_PARENT ? WAGI_SIDE_WORKER : WAGI_SIDE_PARENT;
}

typedef struct wagi_channel_options {
    wag_cluster *cluster;  /* borrow: its limits as they are now; Modules of another one do not arrive (SER-01) */
    size_t queue_messages; /* in each direction, at least 1 */
    wag_queue_policy policy;
} wagi_channel_options;

/* Who receives. Called by the loop of the mailbox, each message in a task of its own, in order. */
typedef struct wagi_receiver {
    void (*message)(void *context, const wag_message_event *event); /* borrow */
    void (*message_error)(void *context, const wag_error *error);   /* borrow; the message could not be read */
    void (*ended)(void *context); /* once: nothing follows, because the other side finished or the direction broke */
    void *context;
} wagi_receiver;

/* ret_channel: own; it must be closed before the last reference goes. WAG_SYSTEM (also in a forked child of a process
 * that used channels: nng would abort), WAG_NOMEM. */
wag_err wagi_channel_new(const wagi_channel_options *options, wagi_channel **ret_channel, wag_error **reterr_error);
wagi_channel *wagi_channel_ref(wagi_channel *channel);
void wagi_channel_unref(wagi_channel *channel);

/* Post from this side. One thread a side posts. message: borrow.
 * WAG_OK, also when the other side refuses (the message is dropped); WAG_DATA_CLONE, WAG_LIMIT, WAG_QUEUE_FULL,
 * WAG_NOMEM; of a post that had to wait WAG_CLOSED and WAG_INTERRUPTED. While the other side's thread itself waits in a
 * post for this one, waiting would be for ever: WAG_QUEUE_FULL. */
wag_err wagi_channel_post(wagi_channel *channel, wagi_side side, wag_value message, wag_error **reterr_error);
/* The same, with a transfer list (borrow). What fails leaves everything attached. */
wag_err wagi_channel_post_transfer(wagi_channel *channel, wagi_side side, wag_value message, const wag_value *transfer,
                                   size_t transfer_count, wag_error **reterr_error);
/* A post to nobody: the same steps and errors, then all is lost. */
wag_err wagi_post_nowhere(wag_value message, const wag_value *transfer, size_t transfer_count,
                          wag_error **reterr_error);
/* Bytes that were posted from this side and not taken by the other one. Any thread. */
size_t wagi_channel_buffered(wagi_channel *channel, wagi_side side);
/* Nothing follows from this side: the other one is told when it has got everything. No post afterwards. */
void wagi_channel_finish(wagi_channel *channel, wagi_side side);

/* Deliver what was and will be posted to this side. mailbox: the caller's loop's; the same in every call, until the
 * side has been lifted. */
void wagi_channel_receive(wagi_channel *channel, wagi_side side, wagi_mailbox *mailbox, const wagi_receiver *receiver);
/* Deliver nothing until wagi_channel_receive is called again. The side's own thread. */
void wagi_channel_pause(wagi_channel *channel, wagi_side side);
/* This side takes nothing any more: what is on its way and what will be posted is dropped. The receiver is not called
 * again, except by a handler that is running. Waits until nng has nothing of it any more. Any thread but nng's. */
void wagi_channel_refuse(wagi_channel *channel, wagi_side side);
/* A post from this side that waits, now or later, ends with WAG_INTERRUPTED. Any thread. */
void wagi_channel_interrupt(wagi_channel *channel, wagi_side side);

/* End both directions, once. No thread but the caller may use the channel any more; tasks of it may still be in
 * mailboxes, and a later post is dropped. Returns how many messages of either direction were never delivered, in all.
 */
size_t wagi_channel_close(wagi_channel *channel);

/* ---- ends ---- */

struct wagi_end {
    wagi_channel *channel; /* one reference */
    wagi_side side;
    wagi_end *carrier; /* who will receive it; NULL when it is at home. Guarded by the cluster's lock */
    bool marked;       /* the same; of the message that is being posted */
    wagi_end *next;    /* in a list of those that are being closed */
};

/* Give the channel, and the caller's reference to it, to its two ends. */
void wagi_channel_split(wagi_channel *channel, wagi_end *ret_ends[2]);
/* Own. Take nothing more from this side, and let the other one know when it has got everything; with the second end the
 * channel is closed. Any thread but nng's; iterative, however the messages that are lost are nested. NULL is a no-op.
 */
void wagi_end_close(wagi_end *end);

/* Where the messages to an end land. A lifted end has a new, empty one. */
typedef struct wagi_landing wagi_landing;
wagi_landing *wagi_landing_new(void); /* NULL without memory */
void wagi_landing_unref(wagi_landing *landing);
/* The end lands nowhere from now on: fresh (own) takes the place of the landing that is returned (own). Owner thread.
 */
wagi_landing *wagi_end_lift(wagi_end *end, wagi_landing *fresh);
/* As before the lift. landing: own, what that returned. */
void wagi_end_put_back(wagi_end *end, wagi_landing *landing);
/* The ends among these transfers begin to travel to an end, or one has stopped doing so. begin: false when nobody could
 * ever receive them; then nothing has begun. */
bool wagi_ends_begin_travel(const wagi_transfer *transfers, size_t count, wagi_end *receiver);
void wagi_end_stop_travel(wagi_end *end);

#endif

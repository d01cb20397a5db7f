/* The inside of a channel: one direction, a "lane". For channel*.c only: no other file knows nng.
 *
 *   sender's list -> send aio -> nng -> receive aio -> slots -> the receiver's loop
 *   (channel_send.c)                     (channel_receive.c)
 *
 * Landings. A received message is put into the slot of its number, and the lane's landing, a task, is rung: posted to
 * the mailbox unless it is there already. It takes one message each time it runs, and posts itself again behind what
 * the loop has to do while there are more. So nothing has to be allocated to receive, and a lane can land elsewhere at
 * any time: it is given another landing, and the old one finds, when it runs, that it has nothing to do any more.
 */
#ifndef WAGI_IPC_CHANNEL_LANE_H
#define WAGI_IPC_CHANNEL_LANE_H

#include <nng/nng.h>

#include "ipc/channel.h"
#include "ipc/message.h"

#define WAGI_WINDOW 64      /* messages of a direction under way */
#define WAGI_NNG_BUFFER 128 /* of each end, in nng */
_Static_assert(WAGI_NNG_BUFFER >= WAGI_WINDOW, "nng must never be full: a message that it has, it takes at once");

/* A queue of messages: a ring whose capacity is 0 or a power of two. */
typedef struct wagi_message_list {
    nng_msg **ring;
    size_t capacity, head, count;
} wagi_message_list;

struct wagi_landing {
    wagi_task task;      /* first; while posted it has a reference to the landing and one to the channel */
    atomic_size_t count; /* the lane or who lifted it; the task */
    struct wagi_lane *lane;
    /* guarded by the lane's lock */
    bool attached, posted;
    wagi_mailbox *mailbox; /* one reference; NULL: lands nowhere; set once */
    wagi_receiver receiver;
    bool paused;
};

typedef struct wagi_lane {
    wagi_channel *channel;
    wagi_mutex lock; /* guards all that follows, except what says otherwise */
    wagi_cond changed;

    /* sender */
    nng_socket tx;     /* not guarded: constant while the aios may be submitted */
    nng_aio *send_aio; /* not guarded: whoever set `sending` has it */
    wagi_message_list list;
    nng_msg *close_message; /* made beforehand, so that finishing cannot fail; NULL once sent */
    bool finishing, sending;
    uint64_t sent;
    size_t sizes[WAGI_WINDOW]; /* what is under way adds to buffered, by number */
    bool interrupted;          /* no post of the sender's thread waits any more */
    atomic_bool waiting;       /* the sender's thread waits for room; not guarded: the other lane's sender looks */

    /* receiver */
    nng_socket rx;     /* not guarded */
    nng_aio *recv_aio; /* not guarded: whoever set `receiving` has it */
    bool receiving;
    uint64_t received, taken, skip_until; /* numbers below skip_until are thrown away when they are taken */
    nng_msg *slots[WAGI_WINDOW];
    wagi_landing *landing; /* never NULL */
    bool ended;            /* the receiver has been told */
    nng_msg *strays[2];    /* one that was malformed, one that could not leave: nng's threads drop nothing */

    /* both */
    size_t limit;
    wag_queue_policy policy;
    size_t buffered, discarded;
    bool refused;        /* the receiver takes nothing any more */
    const char *broken;  /* why nothing can pass any more; static text */
    bool protocol;       /* broken by a malformed message: the receiver gets to know */
    bool stopping;       /* no submission may begin */
    unsigned submitting; /* threads inside nng */
} wagi_lane;

struct wagi_channel {
    atomic_size_t count;
    wagi_limits limits;
    wag_cluster *cluster; /* one reference */
    wagi_ticket_table *tickets;
    nng_socket sockets[2]; /* by side */
    wagi_lane lanes[2];    /* by the sender's side */
    wagi_end ends[2];      /* by side */
    atomic_int open_ends;
};

static inline wag_bytes wagi_nng_body(nng_msg *message)
{
    return (wag_bytes){nng_msg_body(message), nng_msg_len(message)};
}

/* How much a message adds to the count of discarded ones: a value that is lost counts, CLOSE does not. */
static inline size_t wagi_nng_weight(nng_msg *message)
{
    return ((const uint8_t *)nng_msg_body(message))[5] == WAGI_MESSAGE_CLOSE ? 0 : 1;
}

/* A message that will not be delivered: release its tickets and itself. NULL is a no-op. Without the lock, and not on
 * nng's threads: a port in it is closed. */
void wagi_channel_drop(wagi_channel *channel, nng_msg *message);
nng_msg *wagi_nng_message(size_t size); /* NULL when memory is out */

/* The frame of every call into nng: the lock is given up inside, and close can wait for it. */
static inline void wagi_lane_submit_begin(wagi_lane *lane)
{
    lane->submitting++;
    wagi_mutex_unlock(&lane->lock);
}
static inline void wagi_lane_submit_end(wagi_lane *lane)
{
    wagi_mutex_lock(&lane->lock);
    if (--lane->submitting == 0 && lane->stopping)
        wagi_cond_broadcast(&lane->changed);
}

/* With the lock held; both give it up in between.
 * pump: give nng the next message, if there is one and it may leave; the callback goes on with the one after it.
 * arm: let the receive aio wait for a message, unless it does. */
void wagi_lane_pump(wagi_lane *lane);
void wagi_lane_arm(wagi_lane *lane);
/* With the lock held: nothing can pass any more. */
void wagi_lane_break(wagi_lane *lane, const char *why);
/* With the lock held: empty the list. wagi_message_list_drop drops what was in it, without the lock. */
wagi_message_list wagi_lane_take_list(wagi_lane *lane);
void wagi_message_list_drop(wagi_channel *channel, wagi_message_list *list);

/* The aios' callbacks. context: the lane. */
void wagi_lane_send_done(void *context);
void wagi_lane_receive_done(void *context);
/* With the lock held, and given up: tell the landing that there is something for it, if there is. */
void wagi_lane_ring_and_unlock(wagi_lane *lane);
/* Let the lane land there. landing: own. Returns the one before (own). */
wagi_landing *wagi_lane_land(wagi_lane *lane, wagi_landing *landing);

#endif

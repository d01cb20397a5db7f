/* The sender's part of a lane: posting, the list in front of nng, the send aio. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/os.h"
#include "ipc/channel_lane.h"
#include "ipc/clone.h"
#include "ipc/transfer.h"

#define POLL_NS 1000000u /* how often a post that waits looks for an interrupt */

static uint64_t oldest_waiting(const wagi_lane *lane)
{
    return lane->taken > lane->skip_until ? lane->taken : lane->skip_until;
}

static size_t waiting_count(const wagi_lane *lane)
{
    return lane->list.count + (size_t)(lane->sent - oldest_waiting(lane));
}

/* Room for one more. */
static bool list_reserve(wagi_message_list *list)
{
    if (list->count < list->capacity)
        return true;
    size_t capacity = list->capacity ? list->capacity * 2 : 16;
    nng_msg **ring = wagi_realloc_array(NULL, capacity, sizeof *ring);
    if (!ring)
        return false;
    for (size_t i = 0; i < list->count; i++)
        ring[i] = list->ring[(list->head + i) & (list->capacity - 1)];
    wagi_free(list->ring);
    *list = (wagi_message_list){ring, capacity, 0, list->count};
    return true;
}

static void list_push(wagi_message_list *list, nng_msg *message)
{
    list->ring[(list->head + list->count++) & (list->capacity - 1)] = message;
}

static nng_msg *list_pop(wagi_message_list *list)
{
    if (list->count == 0)
        return NULL;
    nng_msg *message = list->ring[list->head];
    list->head = (list->head + 1) & (list->capacity - 1);
    list->count--;
    return message;
}

wagi_message_list wagi_lane_take_list(wagi_lane *lane)
{
    wagi_message_list list = lane->list;
    lane->list = (wagi_message_list){0};
    lane->discarded += list.count; /* CLOSE is never in the list */
    for (size_t i = 0; i < list.count; i++)
        lane->buffered -= nng_msg_len(list.ring[(list.head + i) & (list.capacity - 1)]);
    return list;
}

void wagi_message_list_drop(wagi_channel *channel, wagi_message_list *list)
{
    nng_msg *message;
    while ((message = list_pop(list)))
        wagi_channel_drop(channel, message);
    wagi_free(list->ring);
}

void wagi_lane_break(wagi_lane *lane, const char *why)
{
    if (!lane->broken)
        lane->broken = why;
    wagi_cond_broadcast(&lane->changed);
}

void wagi_lane_pump(wagi_lane *lane)
{
    if (lane->sending || lane->stopping || lane->broken || lane->refused || lane->sent - lane->taken >= WAGI_WINDOW)
        return;
    nng_msg *message = list_pop(&lane->list);
    size_t size = message ? nng_msg_len(message) : 0;
    if (!message && lane->finishing) {
        message = lane->close_message;
        lane->close_message = NULL;
    }
    if (!message)
        return;
    wagi_message_set_seq(nng_msg_body(message), lane->sent);
    lane->sizes[lane->sent % WAGI_WINDOW] = size;
    lane->sent++;
    lane->sending = true;
    wagi_lane_submit_begin(lane);
    nng_aio_set_msg(lane->send_aio, message);
    nng_send_aio(lane->tx, lane->send_aio);
    wagi_lane_submit_end(lane);
}

/* nng's thread: a message has left, or could not. */
void wagi_lane_send_done(void *context)
{
    wagi_lane *lane = context;
    int result = nng_aio_result(lane->send_aio);
    nng_msg *failed = NULL;
    wagi_mutex_lock(&lane->lock);
    lane->sending = false;
    if (result != 0) {
        failed = nng_aio_get_msg(lane->send_aio); /* it is ours again */
        nng_aio_set_msg(lane->send_aio, NULL);
        lane->sent--;
        if (lane->skip_until > lane->sent) {
            lane->skip_until = lane->sent;
        } else {
            lane->buffered -= lane->sizes[lane->sent % WAGI_WINDOW];
            lane->discarded += wagi_nng_weight(failed);
        }
        lane->strays[1] = failed; /* the first and only one: nothing is sent any more */
        wagi_lane_break(lane, "nng could not send");
    }
    wagi_lane_pump(lane);
    if (lane->refused)
        wagi_cond_broadcast(&lane->changed);
    wagi_lane_ring_and_unlock(lane);
}

/* ---- posting ---- */

/* The transfers of a message that was not sent move back out of their tickets. message: own. */
static void message_unmake(wagi_channel *channel, wagi_clone *clone, nng_msg *message, size_t count)
{
    const uint8_t *at = (const uint8_t *)nng_msg_body(message) + WAGI_MESSAGE_HEADER;
    for (size_t i = 0; i < count; i++, at += WAGI_MESSAGE_TRANSFER)
        clone->transfers.p[i] = wagi_ticket_take(channel->tickets, wagi_get_u64(at));
    nng_msg_free(message);
}

static wagi_transfer_kind kind_of(wagi_transfer transfer)
{
    return transfer.module    ? WAGI_TRANSFER_MODULE
           : transfer.memory  ? WAGI_TRANSFER_MEMORY
           : transfer.backing ? WAGI_TRANSFER_BUFFER
                              : WAGI_TRANSFER_PORT;
}

/* The clone's transfers move into tickets. NULL without memory or slots; then the clone has them still. */
static nng_msg *message_from_clone(wagi_channel *channel, wagi_clone *clone)
{
    size_t count = clone->transfers.n;
    nng_msg *message = wagi_nng_message(WAGI_MESSAGE_HEADER + count * WAGI_MESSAGE_TRANSFER + clone->bytes.n);
    if (!message)
        return NULL;
    uint8_t *header = nng_msg_body(message);
    for (size_t i = 0; i < count; i++) {
        wagi_ticket ticket = wagi_ticket_put(channel->tickets, clone->transfers.p[i]);
        if (ticket == 0) {
            message_unmake(channel, clone, message, i);
            return NULL;
        }
        wagi_message_write_transfer(header + WAGI_MESSAGE_HEADER + i * WAGI_MESSAGE_TRANSFER, ticket,
                                    kind_of(clone->transfers.p[i]));
        clone->transfers.p[i] = (wagi_transfer){0};
    }
    wagi_message_write_header(header, WAGI_MESSAGE_POST, (uint16_t)count, (uint32_t)clone->bytes.n);
    memcpy(header + WAGI_MESSAGE_HEADER + count * WAGI_MESSAGE_TRANSFER, clone->bytes.p, clone->bytes.n);
    return message;
}

/* With the lock held: throw the oldest away. Its message is returned if it is still here; if it has left, the
 * receiver's loop will pass over it. */
static nng_msg *drop_oldest(wagi_lane *lane)
{
    uint64_t oldest = oldest_waiting(lane);
    lane->discarded++;
    if (oldest < lane->sent) {
        lane->skip_until = oldest + 1;
        lane->buffered -= lane->sizes[oldest % WAGI_WINDOW];
        return NULL;
    }
    nng_msg *message = list_pop(&lane->list);
    lane->buffered -= nng_msg_len(message);
    return message;
}

/* With the lock held: wait until there is room, or nothing to wait for. */
static wag_err wait_for_room(wagi_lane *lane, const wagi_lane *opposite)
{
    wag_agent *agent = wagi_agent_peek();
    wag_err err = WAG_OK;
    atomic_store(&lane->waiting, true);
    while (err == WAG_OK && waiting_count(lane) >= lane->limit) {
        wag_err stop = agent ? wagi_agent_stop(agent) : WAG_OK;
        if (stop != WAG_OK)
            err = stop;
        else if (lane->interrupted)
            err = WAG_INTERRUPTED;
        else if (agent && lane->landing->mailbox == wagi_loop_mailbox(agent->loop))
            err = WAG_QUEUE_FULL; /* this very thread would have to receive */
        else if (atomic_load(&opposite->waiting))
            /* seq_cst on both: each sets its own before it looks at the other's, so at least one of them sees it. */
            err = WAG_QUEUE_FULL;
        else
            /* An interrupt may come from a signal handler, which cannot signal a condition variable. */
            wagi_cond_wait_until(&lane->changed, &lane->lock, wagi_clock_ns() + POLL_NS);
        if (lane->refused || lane->broken)
            err = WAG_CLOSED; /* refusing empties the queue, too */
    }
    atomic_store(&lane->waiting, false);
    return err;
}

/* message: own. *ret_drop: what has to be dropped now, without the lock; may be NULL. */
static wag_err lane_post(wagi_lane *lane, const wagi_lane *opposite, nng_msg *message, nng_msg **ret_drop)
{
    wag_err err = WAG_OK;
    wagi_mutex_lock(&lane->lock);
    *ret_drop = message;
    if (lane->refused) {
        lane->discarded++;
        goto out;
    }
    err = lane->broken ? WAG_CLOSED : list_reserve(&lane->list) ? WAG_OK : WAG_NOMEM;
    if (err != WAG_OK)
        goto out;
    bool full = waiting_count(lane) >= lane->limit;
    if (full && lane->policy == WAG_QUEUE_BLOCK)
        err = wait_for_room(lane, opposite);
    else if (full && lane->policy == WAG_QUEUE_ERROR)
        err = WAG_QUEUE_FULL;
    if (err != WAG_OK)
        goto out;
    *ret_drop = full && lane->policy == WAG_QUEUE_DROP_OLDEST ? drop_oldest(lane) : NULL;
    list_push(&lane->list, message); /* the sender's thread alone adds, so the room is still there */
    lane->buffered += nng_msg_len(message);
    wagi_lane_pump(lane);
out:
    wagi_mutex_unlock(&lane->lock);
    return err;
}

wag_err wagi_channel_post(wagi_channel *channel, wagi_side side, wag_value message, wag_error **reterr_error)
{
    return wagi_channel_post_transfer(channel, side, message, NULL, 0, reterr_error);
}

/* What the clone has goes to the other side, or stays in the clone. */
static wag_err post_clone(wagi_channel *channel, wagi_side side, wagi_clone *clone, wag_error **reterr_error)
{
    wagi_lane *lane = &channel->lanes[side];
    size_t count = clone->transfers.n;
    nng_msg *message = message_from_clone(channel, clone), *drop = NULL;
    if (!message)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    wag_err err = lane_post(lane, &channel->lanes[wagi_side_other(side)], message, &drop);
    if (err == WAG_OK) {
        wagi_channel_drop(channel, drop);
        return WAG_OK;
    }
    message_unmake(channel, clone, drop, count);
    if (wagi_agent_peek())
        wagi_agent_stop_taken(wagi_agent_peek(), err);
    if (err == WAG_QUEUE_FULL)
        return wagi_fail(wagi_error_new(err, "message queue is full: %zu messages wait", lane->limit), reterr_error);
    return wagi_fail(wagi_error_new(err, NULL), reterr_error);
}

/* All that comes before sending. On success the clone has what is transferred. */
static wag_err serialise(wag_value message, const wag_value *transfer, size_t count, const wagi_limits *limits,
                         const wagi_end *source, wagi_clone *ret_clone, wag_error **reterr_error)
{
    wag_err err = wagi_transfer_check(transfer, count, source, reterr_error);
    if (err == WAG_OK)
        err = wagi_clone_write_listed(message, transfer, count, limits, ret_clone, reterr_error);
    if (err != WAG_OK)
        return err;
    err = wagi_transfer_detach(transfer, count, ret_clone, reterr_error);
    if (err != WAG_OK)
        wagi_clone_fini(ret_clone);
    return err;
}

wag_err wagi_channel_post_transfer(wagi_channel *channel, wagi_side side, wag_value message, const wag_value *transfer,
                                   size_t transfer_count, wag_error **reterr_error)
{
    wagi_clone clone;
    wag_err err =
        serialise(message, transfer, transfer_count, &channel->limits, &channel->ends[side], &clone, reterr_error);
    if (err != WAG_OK)
        return err;
    /* In a circle it is lost: what it carries ends with the clone. */
    bool arrives = wagi_transfer_begin(&clone, transfer_count, &channel->ends[wagi_side_other(side)]);
    if (arrives)
        err = post_clone(channel, side, &clone, reterr_error);
    if (err == WAG_OK)
        wagi_transfer_commit(transfer, transfer_count);
    else
        wagi_transfer_restore(transfer, transfer_count, &clone);
    wagi_clone_fini(&clone);
    return err;
}

wag_err wagi_post_nowhere(wag_value message, const wag_value *transfer, size_t transfer_count, wag_error **reterr_error)
{
    wagi_clone clone;
    wag_err err =
        serialise(message, transfer, transfer_count, &wagi_agent_peek()->cluster->limits, NULL, &clone, reterr_error);
    if (err != WAG_OK)
        return err;
    wagi_transfer_commit(transfer, transfer_count);
    wagi_clone_fini(&clone);
    return WAG_OK;
}

size_t wagi_channel_buffered(wagi_channel *channel, wagi_side side)
{
    wagi_lane *lane = &channel->lanes[side];
    wagi_mutex_lock(&lane->lock);
    size_t buffered = lane->buffered;
    wagi_mutex_unlock(&lane->lock);
    return buffered;
}

void wagi_channel_finish(wagi_channel *channel, wagi_side side)
{
    wagi_lane *lane = &channel->lanes[side];
    wagi_mutex_lock(&lane->lock);
    lane->finishing = true;
    wagi_lane_pump(lane);
    wagi_mutex_unlock(&lane->lock);
}

void wagi_channel_interrupt(wagi_channel *channel, wagi_side side)
{
    wagi_lane *lane = &channel->lanes[side];
    wagi_mutex_lock(&lane->lock);
    lane->interrupted = true;
    wagi_cond_broadcast(&lane->changed);
    wagi_mutex_unlock(&lane->lock);
}

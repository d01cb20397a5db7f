/* The receiver's part of a lane: the receive aio, slots and landings, delivery on the receiver's loop. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/os.h"
#include "ipc/channel_lane.h"
#include "ipc/clone.h"

#define REFILL (WAGI_WINDOW / 2)
#define DRAIN_NS 5000000000u /* without progress for so long, refusing gives nng up */

static void landing_ref(wagi_landing *landing)
{
    /* relaxed: whoever counts up holds a reference already. */
    atomic_fetch_add_explicit(&landing->count, 1, memory_order_relaxed);
}

void wagi_lane_arm(wagi_lane *lane)
{
    if (lane->receiving || lane->stopping || lane->broken)
        return;
    lane->receiving = true;
    wagi_lane_submit_begin(lane);
    nng_recv_aio(lane->rx, lane->recv_aio);
    wagi_lane_submit_end(lane);
}

/* Is there something that the receiver does not know of? With the lock held. */
static bool has_news(const wagi_lane *lane)
{
    return lane->taken != lane->received || (lane->broken && !lane->ended);
}

void wagi_lane_ring_and_unlock(wagi_lane *lane)
{
    wagi_landing *landing = lane->landing;
    bool ring = landing->mailbox && !landing->posted && !landing->paused && !lane->refused && has_news(lane);
    wagi_mailbox *mailbox = NULL;
    if (ring) {
        landing->posted = true;
        wagi_channel_ref(lane->channel);
        landing_ref(landing);
        mailbox = wagi_mailbox_ref(landing->mailbox); /* the landing may be gone while this posts */
    }
    wagi_mutex_unlock(&lane->lock);
    if (ring)
        wagi_mailbox_post(mailbox, &landing->task);
    wagi_mailbox_unref(mailbox);
}

/* With the lock held: the oldest message out of its slot, counted; NULL when there is none. */
static nng_msg *slot_take(wagi_lane *lane, bool *ret_skip)
{
    if (lane->taken == lane->received)
        return NULL;
    size_t slot = (size_t)(lane->taken % WAGI_WINDOW);
    nng_msg *message = lane->slots[slot];
    lane->slots[slot] = NULL;
    *ret_skip = lane->taken < lane->skip_until;
    if (!*ret_skip)
        lane->buffered -= lane->sizes[slot];
    lane->taken++;
    if (lane->policy == WAG_QUEUE_BLOCK)
        wagi_cond_broadcast(&lane->changed);
    return message;
}

/* With the lock held, while refused: what has come is counted as discarded and given to the caller. */
static size_t slots_clear(wagi_lane *lane, nng_msg *dropped[WAGI_WINDOW])
{
    size_t count = 0;
    bool skip;
    nng_msg *message;
    while ((message = slot_take(lane, &skip))) {
        if (!skip)
            lane->discarded += wagi_nng_weight(message);
        dropped[count++] = message;
    }
    return count;
}

/* nng's thread: a message has come, or the aio was stopped. */
void wagi_lane_receive_done(void *context)
{
    wagi_lane *lane = context;
    int result = nng_aio_result(lane->recv_aio);
    nng_msg *message = result == 0 ? nng_aio_get_msg(lane->recv_aio) : NULL;
    wagi_message view;
    const char *why = NULL;
    nng_aio_set_msg(lane->recv_aio, NULL);
    wagi_mutex_lock(&lane->lock);
    lane->receiving = false;
    if (!message) {
        if (!lane->stopping)
            wagi_lane_break(lane, "nng could not receive");
    } else {
        why = lane->received - lane->taken == WAGI_WINDOW
                  ? "more messages than were allowed"
                  : wagi_message_parse(wagi_nng_body(message), lane->received, &view);
        if (why) {
            lane->protocol = true;
            lane->strays[0] = message; /* the first and only one: nothing is received any more */
            wagi_lane_break(lane, why);
        } else {
            lane->slots[lane->received++ % WAGI_WINDOW] = message;
            if (lane->refused)
                wagi_cond_broadcast(&lane->changed);
        }
    }
    wagi_lane_ring_and_unlock(lane);
    wagi_mutex_lock(&lane->lock);
    wagi_lane_arm(lane);
    wagi_mutex_unlock(&lane->lock);
}

/* ---- delivery ---- */

/* What it is, if it belongs to another cluster (SER-01); else NULL. */
static const char *foreign_transfer(const wagi_channel *channel, wagi_transfer transfer)
{
    if (transfer.module)
        return transfer.module->cluster != channel->cluster ? "module" : NULL;
    if (transfer.memory)
        return transfer.memory->cluster != channel->cluster ? "memory" : NULL;
    return transfer.end && transfer.end->channel->cluster != channel->cluster ? "port" : NULL;
}

/* Claim what a message brings along. *ret_transfers: own, wagi_free. */
static wag_error *claim_transfers(wagi_channel *channel, const wagi_message *message, wagi_transfer **ret_transfers)
{
    size_t count = message->transfer_count;
    wagi_transfer *transfers = count ? wagi_alloc_zero(count, sizeof *transfers) : NULL;
    wag_error *error = NULL;
    *ret_transfers = transfers;
    if (count && !transfers)
        return wagi_error_nomem();
    for (size_t i = 0; i < count; i++) {
        transfers[i] = wagi_ticket_take(channel->tickets, wagi_message_ticket(message, i));
        if (transfers[i].end)
            wagi_end_stop_travel(transfers[i].end);
        const char *foreign = foreign_transfer(channel, transfers[i]);
        if (error)
            continue;
        if (wagi_transfer_is_none(transfers[i]))
            error = wagi_error_new(WAG_PROTOCOL, "malformed message: a ticket is not valid");
        else if (foreign)
            error = wagi_error_new(WAG_DATA_CLONE, "a %s of another cluster cannot be received", foreign);
    }
    return error;
}

static void swap(wag_value *a, wag_value *b)
{
    wag_value was = *a;
    *a = *b;
    *b = was;
}

/* Hand a message to the receiver. message: own. The receiver may end the channel: nothing of it is used afterwards. */
static void message_deliver(wagi_channel *channel, const wagi_receiver *receiver, nng_msg *message)
{
    wagi_message view;
    uint8_t *header = nng_msg_body(message);
    if (wagi_message_parse(wagi_nng_body(message), wagi_get_u64(header + 8), &view)) {
        wagi_channel_drop(channel, message); /* it was checked when it came */
        return;
    }
    if (view.type == WAGI_MESSAGE_CLOSE) {
        nng_msg_free(message);
        receiver->ended(receiver->context);
        return;
    }
    wagi_transfer *transfers;
    wag_value value = WAG_UNDEFINED;
    wagi_listed listed = {0};
    wag_error *error = claim_transfers(channel, &view, &transfers);
    if (!error)
        wagi_clone_read_listed(view.payload, transfers, view.transfer_count, &channel->limits, &value, &listed, &error);
    for (size_t i = 0; transfers && i < view.transfer_count; i++)
        wagi_transfer_unref(transfers[i]);
    wagi_free(transfers);
    wagi_channel_drop(channel, message); /* without memory for the transfers their tickets are still in it */
    if (error) {
        receiver->message_error(receiver->context, error);
    } else {
        size_t ports = 0;
        for (size_t i = 0; i < listed.n; i++)
            if (listed.p[i].kind == WAG_VALUE_PORT)
                swap(&listed.p[ports++], &listed.p[i]);
        receiver->message(receiver->context, &(wag_message_event){value, listed.p, ports});
    }
    wag_error_unref(error);
    wag_value_unref(value);
    wagi_listed_free(&listed);
}

/* Tell the receiver, once, that the direction is broken, when all that came before has been taken. */
static void tell_end(wagi_lane *lane, const wagi_landing *landing)
{
    wag_error *error = NULL;
    wagi_mutex_lock(&lane->lock);
    bool tell = lane->broken && lane->taken == lane->received && !lane->ended && !lane->refused && landing->attached;
    wagi_receiver receiver = landing->receiver;
    if (tell) {
        lane->ended = true;
        if (lane->protocol)
            error = wagi_error_new(WAG_PROTOCOL, "malformed message: %s", lane->broken);
    }
    wagi_mutex_unlock(&lane->lock);
    if (error) {
        receiver.message_error(receiver.context, error);
        wag_error_unref(error);
        /* That handler may have ended the channel. */
        wagi_mutex_lock(&lane->lock);
        tell = !lane->refused;
        wagi_mutex_unlock(&lane->lock);
    }
    if (tell)
        receiver.ended(receiver.context);
}

/* The receiver's loop. */
static void landing_run(wagi_task *task)
{
    wagi_landing *landing = (wagi_landing *)task;
    wagi_lane *lane = landing->lane;
    wagi_channel *channel = lane->channel;
    nng_msg *message = NULL;
    bool skip = false, again = false;
    wagi_mutex_lock(&lane->lock);
    landing->posted = false;
    bool active = landing->attached && !landing->paused && !lane->refused;
    wagi_receiver receiver = landing->receiver;
    if (active) {
        message = slot_take(lane, &skip);
        if (message && !skip && !wagi_nng_weight(message))
            lane->ended = true;
        again = landing->posted = has_news(lane);
        /* In batches: each start costs a turn of the machinery. */
        if (lane->sent - lane->taken <= REFILL)
            wagi_lane_pump(lane);
    }
    wagi_mutex_unlock(&lane->lock);
    if (again) { /* behind what else the loop has to do; before the handler, which may wait for the next message */
        wagi_channel_ref(channel);
        landing_ref(landing);
        wagi_loop_post(wagi_agent_peek()->loop, task);
    }
    if (message && skip)
        wagi_channel_drop(channel, message);
    else if (message)
        message_deliver(channel, &receiver, message);
    if (active)
        tell_end(lane, landing);
    wagi_landing_unref(landing);
    wagi_channel_unref(channel);
}

/* The receiver's loop is gone; what has come stays until the side is refused. Any thread. */
static void landing_discard(wagi_task *task)
{
    wagi_landing *landing = (wagi_landing *)task;
    wagi_channel *channel = landing->lane->channel;
    wagi_mutex_lock(&landing->lane->lock);
    landing->posted = false;
    wagi_mutex_unlock(&landing->lane->lock);
    wagi_landing_unref(landing);
    wagi_channel_unref(channel);
}

wagi_landing *wagi_landing_new(void)
{
    wagi_landing *landing = WAGI_NEW(wagi_landing);
    if (landing) {
        landing->task = (wagi_task){.run = landing_run, .discard = landing_discard};
        atomic_init(&landing->count, 1);
    }
    return landing;
}

void wagi_landing_unref(wagi_landing *landing)
{
    /* acq_rel: the last owner frees after everything the others did with it. */
    if (!landing || atomic_fetch_sub_explicit(&landing->count, 1, memory_order_acq_rel) != 1)
        return;
    wagi_mailbox_unref(landing->mailbox);
    wagi_free(landing);
}

wagi_landing *wagi_lane_land(wagi_lane *lane, wagi_landing *landing)
{
    wagi_mutex_lock(&lane->lock);
    wagi_landing *before = lane->landing;
    before->attached = false;
    landing->lane = lane;
    landing->attached = true;
    lane->landing = landing;
    wagi_lane_ring_and_unlock(lane);
    return before;
}

/* ---- the receiver's side ---- */

void wagi_channel_receive(wagi_channel *channel, wagi_side side, wagi_mailbox *mailbox, const wagi_receiver *receiver)
{
    wagi_lane *lane = &channel->lanes[wagi_side_other(side)];
    wagi_mutex_lock(&lane->lock);
    wagi_landing *landing = lane->landing;
    if (!landing->mailbox)
        landing->mailbox = wagi_mailbox_ref(mailbox);
    landing->receiver = *receiver;
    landing->paused = false;
    if (!lane->refused)
        wagi_lane_arm(lane);
    wagi_lane_ring_and_unlock(lane);
}

void wagi_channel_pause(wagi_channel *channel, wagi_side side)
{
    wagi_lane *lane = &channel->lanes[wagi_side_other(side)];
    wagi_mutex_lock(&lane->lock);
    lane->landing->paused = true;
    wagi_mutex_unlock(&lane->lock);
}

/* With the lock held, while refused: take in what nng still has. */
static void drain(wagi_lane *lane)
{
    if (lane->sending || lane->received != lane->sent)
        wagi_lane_arm(lane);
    uint64_t received = lane->received;
    while (!lane->broken && (lane->sending || lane->received != lane->sent)) {
        if (wagi_cond_wait_until(&lane->changed, &lane->lock, wagi_clock_ns() + DRAIN_NS))
            received = lane->received;
        else if (received == lane->received)
            break; /* nng has lost one. What it carried is reaped when the channel closes. */
    }
}

void wagi_channel_refuse(wagi_channel *channel, wagi_side side)
{
    wagi_lane *lane = &channel->lanes[wagi_side_other(side)];
    nng_msg *dropped[WAGI_WINDOW];
    wagi_mutex_lock(&lane->lock);
    lane->refused = true;
    wagi_message_list list = wagi_lane_take_list(lane);
    wagi_cond_broadcast(&lane->changed);
    drain(lane);
    size_t drop_count = slots_clear(lane, dropped);
    wagi_mutex_unlock(&lane->lock);
    for (size_t i = 0; i < drop_count; i++)
        wagi_channel_drop(channel, dropped[i]);
    wagi_message_list_drop(channel, &list);
}

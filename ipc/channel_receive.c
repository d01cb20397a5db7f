/* The receiver's part of a lane: the receive aio, slots and tokens, delivery on the receiver's loop. */
#include "base/alloc.h"
#include "base/error.h"
#include "ipc/channel_lane.h"
#include "ipc/clone.h"

#define REFILL (WAGI_WINDOW / 2)

void wagi_lane_arm(wagi_lane *lane)
{
    if (lane->receiving || lane->stopping || lane->broken)
        return;
    lane->receiving = true;
    wagi_lane_submit_begin(lane);
    nng_recv_aio(lane->rx, lane->recv_aio);
    wagi_lane_submit_end(lane);
}

/* With the lock held: a token for the mailbox. NULL when nobody receives, or all tokens are under way: then there is
 * one for each message that has come. */
static wagi_token *token_take(wagi_lane *lane)
{
    wagi_token *token = lane->free_tokens;
    if (lane->refused || !lane->mailbox || !token)
        return NULL;
    lane->free_tokens = token->next;
    wagi_channel_ref(lane->channel);
    return token;
}

static void token_give(wagi_lane *lane, wagi_token *token)
{
    token->next = lane->free_tokens;
    lane->free_tokens = token;
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
    nng_msg *message = result == 0 ? nng_aio_get_msg(lane->recv_aio) : NULL, *dropped[WAGI_WINDOW];
    wagi_message view;
    size_t drop_count = 0;
    nng_aio_set_msg(lane->recv_aio, NULL);
    wagi_mutex_lock(&lane->lock);
    lane->receiving = false;
    if (!message) {
        if (!lane->stopping)
            wagi_lane_break(lane, "nng could not receive");
    } else if (lane->received - lane->taken == WAGI_WINDOW) {
        lane->protocol = true;
        wagi_lane_break(lane, "more messages than were allowed");
    } else {
        const char *why = wagi_message_parse(wagi_nng_body(message), lane->received, &view);
        if (why) {
            lane->protocol = true;
            wagi_lane_break(lane, why);
        } else {
            lane->slots[lane->received++ % WAGI_WINDOW] = message;
            message = NULL;
            if (lane->refused) {
                drop_count = slots_clear(lane, dropped);
                wagi_cond_broadcast(&lane->changed);
            }
        }
    }
    wagi_token *token = token_take(lane);
    wagi_mailbox *mailbox = lane->mailbox;
    wagi_mutex_unlock(&lane->lock);

    for (size_t i = 0; i < drop_count; i++)
        wagi_channel_drop(lane->channel, dropped[i]);
    wagi_channel_drop(lane->channel, message);
    /* Before arming: the tokens of this lane's nng threads must reach the mailbox one after the other. */
    if (token)
        wagi_mailbox_post(mailbox, &token->task);
    wagi_mutex_lock(&lane->lock);
    wagi_lane_arm(lane);
    wagi_mutex_unlock(&lane->lock);
}

/* ---- delivery ---- */

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
        const wag_module *module = transfers[i].module;
        const wag_shared_memory *memory = transfers[i].memory;
        if (error)
            continue;
        if (!module && !memory)
            error = wagi_error_new(WAG_PROTOCOL, "malformed message: a ticket is not valid");
        else if ((module ? module->cluster : memory->cluster) != channel->cluster)
            error = wagi_error_new(WAG_DATA_CLONE, "a %s of another cluster cannot be received",
                                   module ? "module" : "memory");
    }
    return error;
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
    wag_error *error = claim_transfers(channel, &view, &transfers);
    if (!error)
        wagi_clone_read(view.payload, transfers, view.transfer_count, &channel->limits, &value, &error);
    for (size_t i = 0; transfers && i < view.transfer_count; i++)
        wagi_transfer_unref(transfers[i]);
    wagi_free(transfers);
    wagi_channel_drop(channel, message); /* without memory for the transfers their tickets are still in it */
    if (error)
        receiver->message_error(receiver->context, error);
    else
        receiver->message(receiver->context, value);
    wag_error_unref(error);
    wag_value_unref(value);
}

void wagi_lane_wake_receiver(wagi_lane *lane)
{
    wagi_mutex_lock(&lane->lock);
    wagi_token *token = token_take(lane);
    wagi_mailbox *mailbox = lane->mailbox;
    wagi_mutex_unlock(&lane->lock);
    if (token)
        wagi_mailbox_post(mailbox, &token->task);
}

/* Tell the receiver, once, that the direction is broken, when all that came before has been taken. */
static void tell_end(wagi_lane *lane)
{
    wag_error *error = NULL;
    wagi_mutex_lock(&lane->lock);
    bool tell = lane->broken && lane->taken == lane->received && !lane->ended && !lane->refused;
    wagi_receiver receiver = lane->receiver;
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
static void token_run(wagi_task *task)
{
    wagi_token *token = (wagi_token *)task;
    wagi_lane *lane = token->lane;
    wagi_channel *channel = lane->channel;
    bool skip = false;
    wagi_mutex_lock(&lane->lock);
    if (lane->paused && !lane->refused) {
        token->next = lane->held_tokens;
        lane->held_tokens = token;
        wagi_mutex_unlock(&lane->lock);
        return;
    }
    token_give(lane, token);
    nng_msg *message = slot_take(lane, &skip);
    wagi_receiver receiver = lane->receiver;
    if (message && !skip && !wagi_nng_weight(message))
        lane->ended = true;
    /* In batches: each start costs a turn of the machinery. */
    if (lane->sent - lane->taken <= REFILL)
        wagi_lane_pump(lane);
    wagi_mutex_unlock(&lane->lock);
    if (message && skip)
        wagi_channel_drop(channel, message);
    else if (message)
        message_deliver(channel, &receiver, message);
    tell_end(lane);
    wagi_channel_unref(channel);
}

/* The receiver's loop is gone. Any thread. */
static void token_discard(wagi_task *task)
{
    wagi_token *token = (wagi_token *)task;
    wagi_lane *lane = token->lane;
    wagi_channel *channel = lane->channel;
    bool skip = false;
    wagi_mutex_lock(&lane->lock);
    token_give(lane, token);
    nng_msg *message = slot_take(lane, &skip);
    if (message && !skip)
        lane->discarded += wagi_nng_weight(message);
    wagi_lane_pump(lane);
    wagi_mutex_unlock(&lane->lock);
    wagi_channel_drop(channel, message);
    wagi_channel_unref(channel);
}

void wagi_lane_init_tokens(wagi_lane *lane)
{
    for (size_t i = 0; i < WAGI_WINDOW; i++) {
        lane->tokens[i] = (wagi_token){.task = {.run = token_run, .discard = token_discard}, .lane = lane};
        token_give(lane, &lane->tokens[i]);
    }
}

/* ---- the receiver's side ---- */

/* With the lock held; gives it up. Post the tokens that were held back. */
static void release_held_and_unlock(wagi_lane *lane)
{
    wagi_token *held = lane->held_tokens;
    wagi_mailbox *mailbox = lane->mailbox;
    lane->held_tokens = NULL;
    wagi_mutex_unlock(&lane->lock);
    while (held) {
        wagi_token *next = held->next;
        wagi_mailbox_post(mailbox, &held->task);
        held = next;
    }
}

void wagi_channel_receive(wagi_channel *channel, wagi_side side, wagi_mailbox *mailbox, const wagi_receiver *receiver)
{
    wagi_lane *lane = &channel->lanes[wagi_side_other(side)];
    wagi_mutex_lock(&lane->lock);
    if (!lane->mailbox)
        lane->mailbox = wagi_mailbox_ref(mailbox);
    lane->receiver = *receiver;
    lane->paused = false;
    if (!lane->refused)
        wagi_lane_arm(lane);
    bool broken = lane->broken != NULL;
    release_held_and_unlock(lane);
    if (broken)
        wagi_lane_wake_receiver(lane);
}

void wagi_channel_pause(wagi_channel *channel, wagi_side side)
{
    wagi_lane *lane = &channel->lanes[wagi_side_other(side)];
    wagi_mutex_lock(&lane->lock);
    lane->paused = true;
    wagi_mutex_unlock(&lane->lock);
}

void wagi_channel_refuse(wagi_channel *channel, wagi_side side)
{
    wagi_lane *lane = &channel->lanes[wagi_side_other(side)];
    nng_msg *dropped[WAGI_WINDOW];
    wagi_mutex_lock(&lane->lock);
    lane->refused = true;
    wagi_message_list list = wagi_lane_take_list(lane);
    size_t drop_count = slots_clear(lane, dropped);
    wagi_cond_broadcast(&lane->changed);
    if (lane->mailbox)
        release_held_and_unlock(lane);
    else
        wagi_mutex_unlock(&lane->lock);
    for (size_t i = 0; i < drop_count; i++)
        wagi_channel_drop(channel, dropped[i]);
    wagi_message_list_drop(channel, &list);
}

/* Life of a channel. See channel.h for the rules, channel_lane.h for the structure. */
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/os.h"
#include "ipc/channel_lane.h"

/* The process that first made a channel, 0 before. nng aborts in a forked child; this makes it an error instead.
 * Process state, because what it guards (nng's own) is. */
static atomic_int first_pid;

/* Nobody here calls nng_fini: it would close the host's own sockets too, if the host uses nng, and must not race with
 * anything. When all channels are closed, what stays is nng's pool of idle threads and their stacks: no definite leak
 * for memcheck, nothing for LeakSanitizer. A program that wants them gone calls nng_fini itself, last, as nng asks. */

void wagi_channel_drop(wagi_channel *channel, nng_msg *message)
{
    if (!message)
        return;
    wagi_message_drop_tickets(wagi_nng_body(message), channel->tickets);
    nng_msg_free(message);
}

nng_msg *wagi_nng_message(size_t size)
{
    nng_msg *message;
    return nng_msg_alloc(&message, size) == 0 ? message : NULL;
}

/* NULL or what failed. */
static const char *connect_sockets(wagi_channel *channel, int *ret_result)
{
    uint8_t random[16];
    char url[sizeof "inproc://waggle/" + 2 * sizeof random];
    nng_socket *sockets = channel->sockets;
    *ret_result = 0;
    if (!wagi_os_random(random, sizeof random))
        return "there is no randomness";
    size_t length = (size_t)snprintf(url, sizeof url, "inproc://waggle/");
    for (size_t i = 0; i < sizeof random; i++)
        length += (size_t)snprintf(url + length, sizeof url - length, "%02x", random[i]);
    for (int i = 0; i < 2; i++) {
        if ((*ret_result = nng_pair0_open(&sockets[i])) != 0)
            return "a socket could not be opened";
        if ((*ret_result = nng_socket_set_int(sockets[i], NNG_OPT_SENDBUF, WAGI_NNG_BUFFER)) != 0 ||
            (*ret_result = nng_socket_set_int(sockets[i], NNG_OPT_RECVBUF, WAGI_NNG_BUFFER)) != 0)
            return "a socket could not be set up";
    }
    if ((*ret_result = nng_listen(sockets[0], url, NULL, 0)) != 0 ||
        (*ret_result = nng_dial(sockets[1], url, NULL, 0)) != 0)
        return "the sockets could not be connected";
    for (int i = 0; i < 2; i++) {
        wagi_lane *lane = &channel->lanes[i];
        lane->tx = sockets[i];
        lane->rx = sockets[1 - i];
        if ((*ret_result = nng_aio_alloc(&lane->send_aio, wagi_lane_send_done, lane)) != 0 ||
            (*ret_result = nng_aio_alloc(&lane->recv_aio, wagi_lane_receive_done, lane)) != 0)
            return "there is no memory for nng";
        nng_aio_set_timeout(lane->send_aio, NNG_DURATION_INFINITE); /* a time-out races with closing, in nng */
        nng_aio_set_timeout(lane->recv_aio, NNG_DURATION_INFINITE);
    }
    return NULL;
}

static bool lane_init(wagi_lane *lane, wagi_channel *channel, const wagi_channel_options *options)
{
    lane->channel = channel;
    wagi_mutex_init(&lane->lock);
    wagi_cond_init(&lane->changed);
    atomic_init(&lane->waiting, false);
    lane->limit = options->queue_messages;
    lane->policy = options->policy;
    lane->landing = wagi_landing_new();
    if (lane->landing) {
        lane->landing->lane = lane;
        lane->landing->attached = true;
    }
    lane->close_message = wagi_nng_message(WAGI_MESSAGE_HEADER);
    if (lane->close_message)
        wagi_message_write_header(nng_msg_body(lane->close_message), WAGI_MESSAGE_CLOSE, 0, 0);
    return lane->close_message && lane->landing;
}

wag_err wagi_channel_new(const wagi_channel_options *options, wagi_channel **ret_channel, wag_error **reterr_error)
{
    if ((unsigned)options->policy > WAG_QUEUE_DROP_OLDEST)
        return wagi_fail(wagi_error_new(WAG_TYPE, "there is no queue policy %u", (unsigned)options->policy),
                         reterr_error);
    int pid = wagi_os_pid(), known = 0;
    if (!atomic_compare_exchange_strong(&first_pid, &known, pid) && known != pid)
        return wagi_fail(wagi_error_new(WAG_SYSTEM,
                                        "no worker can be made here: this process was forked from process "
                                        "%d, which had made one (fork first, or fork and exec)",
                                        known),
                         reterr_error);
    wagi_channel *channel = WAGI_NEW(wagi_channel);
    if (!channel)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    atomic_init(&channel->count, 1);
    channel->limits = options->cluster->limits;
    channel->cluster = wag_cluster_ref(options->cluster);
    channel->tickets = wagi_tickets_new();
    for (int i = 0; i < 2; i++)
        channel->ends[i] = (wagi_end){.channel = channel, .side = (wagi_side)i};
    bool ok = lane_init(&channel->lanes[0], channel, options);
    ok = lane_init(&channel->lanes[1], channel, options) && ok && channel->tickets;
    int result = NNG_ENOMEM;
    const char *failed = ok ? connect_sockets(channel, &result) : "out of memory";
    if (!failed) {
        *ret_channel = channel;
        return WAG_OK;
    }
    if (ok)
        wagi_channel_close(channel);
    for (int i = 0; i < 2; i++) {
        wagi_channel_drop(channel, channel->lanes[i].close_message);
        channel->lanes[i].close_message = NULL;
    }
    wagi_channel_unref(channel);
    if (result == NNG_ENOMEM)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    return wagi_fail(wagi_error_new(WAG_SYSTEM, "%s: %s", failed, result ? nng_strerror(result) : "getrandom"),
                     reterr_error);
}

wagi_channel *wagi_channel_ref(wagi_channel *channel)
{
    /* relaxed: whoever counts up holds a reference already. */
    atomic_fetch_add_explicit(&channel->count, 1, memory_order_relaxed);
    return channel;
}

void wagi_channel_unref(wagi_channel *channel)
{
    /* acq_rel: the last owner frees after everything the others did with it. */
    if (atomic_fetch_sub_explicit(&channel->count, 1, memory_order_acq_rel) != 1)
        return;
    for (int i = 0; i < 2; i++) {
        if (channel->lanes[i].landing)
            wagi_landing_unref(channel->lanes[i].landing);
        wagi_mutex_fini(&channel->lanes[i].lock);
        wagi_cond_fini(&channel->lanes[i].changed);
    }
    wagi_tickets_unref(channel->tickets);
    wag_cluster_unref(channel->cluster);
    wagi_free(channel);
}

/* Let nobody in any more. */
static void lane_stop(wagi_lane *lane)
{
    wagi_mutex_lock(&lane->lock);
    lane->stopping = true;
    while (lane->submitting)
        wagi_cond_wait(&lane->changed, &lane->lock);
    wagi_mutex_unlock(&lane->lock);
}

size_t wagi_channel_close(wagi_channel *channel)
{
    size_t discarded = 0;
    wagi_channel_refuse(channel, WAGI_SIDE_PARENT);
    wagi_channel_refuse(channel, WAGI_SIDE_WORKER);
    for (int i = 0; i < 2; i++)
        lane_stop(&channel->lanes[i]);
    for (int i = 0; i < 2; i++) {
        nng_aio_stop(channel->lanes[i].send_aio);
        nng_aio_stop(channel->lanes[i].recv_aio);
    }
    for (int i = 0; i < 2; i++)
        if (channel->sockets[i].id != 0)
            nng_close(channel->sockets[i]);
    for (int i = 0; i < 2; i++) {
        wagi_lane *lane = &channel->lanes[i];
        nng_aio_free(lane->send_aio);
        nng_aio_free(lane->recv_aio);
        lane->send_aio = lane->recv_aio = NULL;
        wagi_channel_drop(channel, lane->close_message);
        lane->close_message = NULL;
        if (lane->landing) { /* its task may be in a mailbox for long yet, and hold the channel */
            wagi_mailbox_unref(lane->landing->mailbox);
            lane->landing->mailbox = NULL;
        }
        for (int k = 0; k < 2; k++) {
            wagi_channel_drop(channel, lane->strays[k]);
            lane->strays[k] = NULL;
        }
        discarded += lane->discarded;
    }
    if (channel->tickets)
        wagi_tickets_reap(channel->tickets);
    return discarded;
}

/* ---- ends ---- */

void wagi_channel_split(wagi_channel *channel, wagi_end *ret_ends[2])
{
    wagi_channel_ref(channel);
    atomic_init(&channel->open_ends, 2);
    for (int i = 0; i < 2; i++)
        ret_ends[i] = &channel->ends[i];
}

static void end_close(wagi_end *end)
{
    wagi_channel *channel = end->channel;
    wagi_channel_refuse(channel, end->side);
    wagi_channel_finish(channel, end->side);
    /* acq_rel: who closes the channel does so after all that the other end's owners did with it. */
    if (atomic_fetch_sub_explicit(&channel->open_ends, 1, memory_order_acq_rel) == 1)
        wagi_channel_close(channel);
    wagi_channel_unref(channel);
}

/* The messages that an end loses may carry further ends, and so on: those wait in this list of the thread. */
static _Thread_local wagi_end *closing_ends;
static _Thread_local bool is_closing;

void wagi_end_close(wagi_end *end)
{
    if (!end)
        return;
    wagi_end_stop_travel(end); /* its carrier may go before it */
    end->next = closing_ends;
    closing_ends = end;
    if (is_closing)
        return;
    is_closing = true;
    while ((end = closing_ends)) {
        closing_ends = end->next;
        end_close(end);
    }
    is_closing = false;
}

wagi_landing *wagi_end_lift(wagi_end *end, wagi_landing *fresh)
{
    return wagi_lane_land(&end->channel->lanes[wagi_side_other(end->side)], fresh);
}

void wagi_end_put_back(wagi_end *end, wagi_landing *landing)
{
    wagi_landing_unref(wagi_lane_land(&end->channel->lanes[wagi_side_other(end->side)], landing));
}

bool wagi_ends_begin_travel(const wagi_transfer *transfers, size_t count, wagi_end *receiver)
{
    wag_cluster *cluster = receiver->channel->cluster;
    bool circle = false;
    wagi_mutex_lock(&cluster->moving);
    for (size_t i = 0; i < count; i++)
        if (transfers[i].end)
            transfers[i].end->marked = true;
    for (const wagi_end *at = receiver; at && !circle; at = at->carrier)
        circle = at->marked;
    for (size_t i = 0; i < count; i++) {
        wagi_end *end = transfers[i].end;
        if (!end)
            continue;
        end->marked = false;
        end->carrier = circle ? NULL : receiver;
    }
    wagi_mutex_unlock(&cluster->moving);
    return !circle;
}

void wagi_end_stop_travel(wagi_end *end)
{
    wag_cluster *cluster = end->channel->cluster;
    wagi_mutex_lock(&cluster->moving);
    end->carrier = NULL;
    wagi_mutex_unlock(&cluster->moving);
}

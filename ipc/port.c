/* Ports: waggle/port.h over an end of a channel. */
#include "ipc/port.h"

#include "base/error.h"

#define DEFAULT_QUEUE 1024

static bool is_mine(const wag_port *port)
{
    return port && wagi_is_owner(&port->foreign.object);
}

static wag_err not_mine(const wag_port *port)
{
    return port ? WAG_WRONG_AGENT : WAG_TYPE;
}

/* ---- life ---- */

static void finalize(wagi_foreign *foreign)
{
    wag_port *port = (wag_port *)foreign;
    wagi_end *end = port->end;
    if (port->holding) /* its agent ends */
        wagi_loop_release(foreign->object.unit->agent->loop);
    port->end = NULL;
    wagi_end_close(end);
}

wag_port *wagi_port_new(wag_agent *agent, wagi_end *end)
{
    wag_port *port = wagi_object_new(agent, WAGI_OBJECT_FOREIGN, sizeof *port);
    if (!port)
        return NULL;
    port->foreign.size = sizeof *port;
    port->foreign.finalize = finalize;
    port->end = end;
    return port;
}

wag_err wag_channel_new(const wag_channel_options *options, wag_port **ret_port1, wag_port **ret_port2,
                        wag_error **reterr_error)
{
    wag_agent *agent = wag_agent_current();
    if (!agent)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    if (!ret_port1 || !ret_port2)
        return wagi_fail(wagi_error_new(WAG_TYPE, "a channel needs somebody who keeps its ports"), reterr_error);
    if (agent->closing)
        return wagi_fail(wagi_error_new(WAG_CLOSED, "the agent is ending"), reterr_error);
    wagi_channel_options inner = {.cluster = agent->cluster,
                                  .queue_messages =
                                      options && options->queue_messages ? options->queue_messages : DEFAULT_QUEUE,
                                  .policy = options ? options->queue_policy : WAG_QUEUE_ERROR};
    wagi_channel *channel = NULL;
    wag_err err = wagi_channel_new(&inner, &channel, reterr_error);
    if (err != WAG_OK)
        return err;
    wagi_end *ends[2];
    wagi_channel_split(channel, ends);
    wag_port *port1 = wagi_port_new(agent, ends[0]), *port2 = wagi_port_new(agent, ends[1]);
    if (port1 && port2) {
        *ret_port1 = port1;
        *ret_port2 = port2;
        return WAG_OK;
    }
    if (port1)
        wag_port_unref(port1);
    else
        wagi_end_close(ends[0]);
    if (port2)
        wag_port_unref(port2);
    else
        wagi_end_close(ends[1]);
    return wagi_fail(wagi_error_nomem(), reterr_error);
}

wag_port *wag_port_ref(wag_port *port)
{
    if (is_mine(port))
        wagi_unit_hold(port->foreign.object.unit);
    return port;
}

void wag_port_unref(wag_port *port)
{
    if (is_mine(port))
        wagi_unit_release(port->foreign.object.unit);
}

/* A port that can receive holds its loop and itself. This may free it. */
static void settle(wag_port *port)
{
    wag_agent *agent = port->foreign.object.unit->agent;
    bool hold = port->end && (port->started || wagi_on_message_is_set(&port->on_message));
    if (hold == port->holding)
        return;
    port->holding = hold;
    if (hold) {
        wagi_loop_hold(agent->loop);
        wagi_unit_hold(port->foreign.object.unit);
    } else {
        wagi_loop_release(agent->loop);
        wagi_unit_release(port->foreign.object.unit);
    }
}

void wagi_port_gone(wag_port *port)
{
    port->end = NULL;
    settle(port);
}

/* ---- receiving ---- */

static void received(void *context, const wag_message_event *event)
{
    wag_port *port = context;
    wagi_on_message on = port->on_message; /* it may close the port */
    wagi_on_message_call(&on, event);
}

static void received_error(void *context, const wag_error *error)
{
    wag_port *port = context;
    if (port->on_message_error.call)
        port->on_message_error.call(port->on_message_error.context, error);
}

static void received_all(void *context)
{
    wag_port *port = context;
    void (*handler)(void *) = port->on_close;
    void *handler_context = port->on_close_context;
    wag_port_close(port); /* it may be gone now */
    if (handler)
        handler(handler_context);
}

/* What is delivered now. */
static void update(wag_port *port)
{
    wagi_end *end = port->end;
    if (!end)
        return;
    if (port->started || wagi_on_message_is_set(&port->on_message)) {
        wagi_receiver receiver = {received, received_error, received_all, port};
        wag_agent *agent = port->foreign.object.unit->agent;
        wagi_channel_receive(end->channel, end->side, wagi_loop_mailbox(agent->loop), &receiver);
    } else {
        wagi_channel_pause(end->channel, end->side);
    }
    settle(port);
}

static wag_err set_handler(wag_port *port, wagi_on_message on)
{
    if (!is_mine(port))
        return not_mine(port);
    port->on_message = on;
    update(port);
    return WAG_OK;
}

wag_err wag_port_on_message(wag_port *port, wag_message_handler handler, void *context)
{
    return set_handler(port, (wagi_on_message){.call = handler, .context = context});
}

wag_err wag_port_on_message_event(wag_port *port, wag_message_event_handler handler, void *context)
{
    return set_handler(port, (wagi_on_message){.call_event = handler, .context = context});
}

wag_err wag_port_on_message_error(wag_port *port, wag_error_handler handler, void *context)
{
    if (!is_mine(port))
        return not_mine(port);
    port->on_message_error = (wagi_on_error){handler, context};
    return WAG_OK;
}

wag_err wag_port_on_close(wag_port *port, void (*handler)(void *context), void *context)
{
    if (!is_mine(port))
        return not_mine(port);
    port->on_close = handler;
    port->on_close_context = context;
    return WAG_OK;
}

wag_err wag_port_start(wag_port *port)
{
    if (!is_mine(port))
        return not_mine(port);
    port->started = true;
    update(port);
    return WAG_OK;
}

wag_err wag_port_close(wag_port *port)
{
    if (!is_mine(port))
        return not_mine(port);
    wagi_end *end = port->end;
    port->end = NULL;
    wagi_end_close(end);
    settle(port);
    return WAG_OK;
}

bool wag_port_is_closed(const wag_port *port)
{
    return is_mine(port) && !port->end;
}

/* ---- posting ---- */

wag_err wag_port_post_message(wag_port *port, wag_value message, wag_error **reterr_error)
{
    return wag_port_post_transfer(port, message, NULL, 0, reterr_error);
}

wag_err wag_port_post_transfer(wag_port *port, wag_value message, const wag_value *transfer, size_t transfer_count,
                               wag_error **reterr_error)
{
    if (!is_mine(port))
        return wagi_fail(wagi_error_handle(port, "port"), reterr_error);
    if (!port->end)
        return wagi_post_nowhere(message, transfer, transfer_count, reterr_error);
    return wagi_channel_post_transfer(port->end->channel, port->end->side, message, transfer, transfer_count,
                                      reterr_error);
}

size_t wag_port_buffered_amount(const wag_port *port)
{
    return is_mine(port) && port->end ? wagi_channel_buffered(port->end->channel, port->end->side) : 0;
}

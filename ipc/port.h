/* A port, inside: the object of an agent that has an end of a channel. */
#ifndef WAGI_IPC_PORT_H
#define WAGI_IPC_PORT_H

#include "ipc/channel.h"

/* A handler of messages, and its context: one of the two or none. */
typedef struct wagi_on_message {
    wag_message_handler call;
    wag_message_event_handler call_event;
    void *context;
} wagi_on_message;
typedef struct wagi_on_error {
    wag_error_handler call;
    void *context;
} wagi_on_error;

static inline bool wagi_on_message_is_set(const wagi_on_message *on)
{
    return on->call || on->call_event;
}
static inline void wagi_on_message_call(const wagi_on_message *on, const wag_message_event *event)
{
    if (on->call)
        on->call(on->context, event->data);
    else if (on->call_event)
        on->call_event(on->context, event);
}

struct wag_port {
    wagi_foreign foreign; /* first */
    wagi_end *end;        /* own; NULL once closed or transferred. In a post under way the message's, too */
    wagi_landing *spare;  /* during a post that transfers it */
    bool started;         /* by start() */
    bool holding;         /* its loop, and itself by a handle */
    wagi_on_message on_message;
    wagi_on_error on_message_error;
    void (*on_close)(void *context);
    void *on_close_context;
};

/* end: own, the caller's still on failure. One handle; NULL without memory. */
wag_port *wagi_port_new(wag_agent *agent, wagi_end *end);
/* It has no end any more: that was closed, or belongs to a message now. */
void wagi_port_gone(wag_port *port);

#endif

/* Channels as the tests of ports use them: each port with a log of what arrived at it. */
#ifndef TESTS_SUPPORT_PORTS_H
#define TESTS_SUPPORT_PORTS_H

#include "tests/support/loop.h"

/* One end as a test sees it: what arrived, as a text. */
typedef struct inbox {
    wag_port *port;
    char log[512];
    wag_port *arrived; /* a port that was in a message; one reference */
    size_t ports;
    int closes, errors;
} inbox;

static inline void note(inbox *box, const char *text)
{
    size_t used = strlen(box->log);
    snprintf(box->log + used, sizeof box->log - used, "%s%s", used ? "," : "", text);
}

static inline void on_event(void *context, const wag_message_event *event)
{
    inbox *box = context;
    char text[32] = "?";
    if (event->data.kind == WAG_VALUE_NUMBER)
        snprintf(text, sizeof text, "%g", event->data.of.number);
    else if (event->data.kind == WAG_VALUE_STRING)
        snprintf(text, sizeof text, "%s", wag_value_text(event->data).data);
    else if (event->data.kind == WAG_VALUE_PORT)
        snprintf(text, sizeof text, "port");
    note(box, text);
    box->ports += event->port_count;
    if (event->port_count && !box->arrived)
        box->arrived = wag_port_ref(event->ports[0].of.port);
}

static inline void on_close(void *context)
{
    inbox *box = context;
    box->closes++;
    note(box, "close");
}

static inline void on_error(void *context, const wag_error *error)
{
    inbox *box = context;
    box->errors++;
    note(box, wag_error_class_name(wag_error_get_class(error)));
}

static inline void listen_to(inbox *box)
{
    wag_port_on_message_error(box->port, on_error, box);
    wag_port_on_close(box->port, on_close, box);
    ASSERT_OK(wag_port_on_message_event(box->port, on_event, box));
}

typedef struct pair {
    inbox a, b;
} pair;

static inline pair channel_with(const wag_channel_options *options)
{
    pair pair = {0};
    wag_error *error = NULL;
    if (wag_channel_new(options, &pair.a.port, &pair.b.port, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    return pair;
}

static inline pair channel(void)
{
    return channel_with(NULL);
}

static inline void close_box(inbox *box)
{
    wag_port_close(box->port);
    wag_port_unref(box->port);
    if (box->arrived) {
        wag_port_close(box->arrived);
        wag_port_unref(box->arrived);
    }
}

static inline void close_pair(pair *pair)
{
    close_box(&pair->a);
    close_box(&pair->b);
}

static inline void post(wag_port *port, const char *text)
{
    wag_value value = wag_string(text);
    ASSERT_OK(wag_port_post_message(port, value, NULL));
    wag_value_unref(value);
}

static inline void post_port(wag_port *through, const char *text, wag_port *port)
{
    wag_value value = wag_string(text), item = WAG_PORT(port);
    ASSERT_OK(wag_port_post_transfer(through, value, &item, 1, NULL));
    wag_value_unref(value);
}

static inline void until(const inbox *box, const char *log)
{
    while (strlen(box->log) < strlen(log))
        turn();
    assert_string_equal(box->log, log);
}

/* What was posted to `through` before this call has been delivered, and anything that could have been with it: another
 * channel's message makes the way to nng and back meanwhile. */
static inline void a_while(void)
{
    for (int i = 0; i < 3; i++) {
        pair other = channel();
        listen_to(&other.b);
        post(other.a.port, "x");
        until(&other.b, "x");
        close_pair(&other);
    }
}

#endif

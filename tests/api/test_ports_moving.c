/* Ports that move between workers: nothing is lost or overtaken on the way, and when workers are terminated at random
 * nothing is left over. P-05, P-08. */
#include "tests/support/loop.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Slow machines and sanitizers do the same, only less of it. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || defined(WAG_TEST_VALGRIND)
enum { STREAM = 300, ROUNDS = 12 };
#else
enum { STREAM = 2000, ROUNDS = 60 };
#endif
enum { WORKERS = 4, STREAMS = 6, PORTS = 12 };

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* ---- streams: a port is handed round while its channel is in use ---- */

/* A port that passes by: it reads some messages, checks their numbers, and goes back to the main thread. */
typedef struct stop {
    wag_worker_scope *self;
    wag_port *port; /* one reference */
    double number, expected;
    uint32_t left;
} stop;

static void go_on(stop *stop)
{
    wag_value message = wag_array(), item = WAG_PORT(stop->port);
    wag_port_on_message(stop->port, NULL, NULL);
    wag_array_push(message, WAG_NUMBER(stop->number));
    wag_array_push(message, WAG_NUMBER(stop->expected));
    wag_scope_post_transfer(stop->self, message, &item, 1, NULL);
    wag_value_unref(message);
    wag_port_unref(stop->port);
    free(stop);
}

static void read_one(void *context, wag_value message)
{
    stop *stop = context;
    if (message.kind != WAG_VALUE_NUMBER || message.of.number != stop->expected)
        stop->expected = -1e9; /* the main thread will find that */
    stop->expected++;
    if (--stop->left == 0 || stop->expected == STREAM)
        go_on(stop);
}

/* [stream, expected, how many] and the port. */
static void arrive(void *context, const wag_message_event *event)
{
    stop *stop = malloc(sizeof *stop);
    if (!stop)
        return;
    *stop = (struct stop){.self = context,
                          .port = wag_port_ref(event->ports[0].of.port),
                          .number = wag_array_at(event->data, 0).of.number,
                          .expected = wag_array_at(event->data, 1).of.number,
                          .left = (uint32_t)wag_array_at(event->data, 2).of.number};
    if (stop->left == 0)
        go_on(stop);
    else
        wag_port_on_message(stop->port, read_one, stop);
}

static void stream_entry(wag_worker_scope *self, void *context)
{
    (void)context;
    wag_scope_on_message_event(self, arrive, self);
}

typedef struct hub {
    wag_worker *workers[WORKERS];
    wag_port *sources[STREAMS];
    int sent[STREAMS];
    int done, hops;
    bool wrong;
    uint32_t random;
} hub;

static void forward(hub *hub, double stream, double expected, wag_value port)
{
    wag_value message = wag_array();
    wag_array_push(message, WAG_NUMBER(stream));
    wag_array_push(message, WAG_NUMBER(expected));
    wag_array_push(message, WAG_NUMBER(next_random(&hub->random) % 40));
    hub->hops++;
    if (wag_worker_post_transfer(hub->workers[next_random(&hub->random) % WORKERS], message, &port, 1, NULL) != WAG_OK)
        hub->wrong = true;
    wag_value_unref(message);
}

static void came_back(void *context, const wag_message_event *event)
{
    hub *hub = context;
    double stream = wag_array_at(event->data, 0).of.number, expected = wag_array_at(event->data, 1).of.number;
    if (event->port_count != 1 || expected < 0)
        hub->wrong = true;
    if (hub->wrong || expected == STREAM)
        hub->done++;
    else
        forward(hub, stream, expected, event->ports[0]);
}

static void test_P_05_ports_move_between_workers_while_they_are_posted_to(void **state)
{
    (void)state;
    hub hub = {.random = 7};
    for (int i = 0; i < WORKERS; i++) {
        hub.workers[i] = worker_of(stream_entry, NULL);
        wag_worker_on_message_event(hub.workers[i], came_back, &hub);
    }
    for (int i = 0; i < STREAMS; i++) {
        wag_port *moving = NULL;
        ASSERT_OK(wag_channel_new(&(wag_channel_options){.queue_messages = 100}, &hub.sources[i], &moving, NULL));
        forward(&hub, i, 0, WAG_PORT(moving));
        wag_port_unref(moving);
    }
    while (hub.done < STREAMS && !hub.wrong) {
        bool posted = false;
        for (int i = 0; i < STREAMS; i++)
            if (hub.sent[i] < STREAM &&
                wag_port_post_message(hub.sources[i], WAG_NUMBER(hub.sent[i]), NULL) == WAG_OK) {
                hub.sent[i]++;
                posted = true;
            }
        if (posted)
            wag_agent_turn();
        else
            turn();
    }
    assert_false(hub.wrong);
    assert_true(hub.hops > STREAM / 40);
    for (int i = 0; i < WORKERS; i++)
        wag_worker_free(hub.workers[i]);
    for (int i = 0; i < STREAMS; i++)
        wag_port_unref(hub.sources[i]);
}

/* ---- the storm: everything at random ---- */

static atomic_int adopted, released;
static uint8_t some_bytes[64];

static void release_bytes(void *context, uint8_t *data)
{
    (void)context;
    (void)data;
    atomic_fetch_add(&released, 1);
}

struct node;
typedef struct berth {
    struct node *node;
    wag_port *port; /* one reference; NULL: free */
} berth;

/* A worker of the storm. Made by the main thread, used by the worker's, freed when that was joined. */
typedef struct node {
    wag_worker_scope *self;
    uint32_t random;
    berth berths[PORTS];
} node;

static void storm(void *context, const wag_message_event *event);

static void leave_berth(berth *berth)
{
    wag_port *port = berth->port;
    berth->port = NULL;
    wag_port_unref(port);
}

static void storm_closed(void *context)
{
    leave_berth(context);
}

static void moor(node *node, wag_port *port)
{
    for (int i = 0; i < PORTS; i++)
        if (!node->berths[i].port) {
            node->berths[i] = (berth){node, wag_port_ref(port)};
            wag_port_on_close(port, storm_closed, &node->berths[i]);
            wag_port_on_message_event(port, storm, &node->berths[i]);
            return;
        }
    /* No room: it is closed when the message goes. */
}

static berth *some_berth(node *node)
{
    for (int tries = 0; tries < 3 * PORTS; tries++) {
        berth *berth = &node->berths[next_random(&node->random) % PORTS];
        if (berth->port)
            return berth;
    }
    return NULL;
}

/* [hops, module, buffer], and perhaps a port, through some port. */
static void post_on(node *node, double hops, wag_value module)
{
    berth *through = some_berth(node), *carried = some_berth(node);
    wag_buffer *buffer = NULL;
    wag_value items[2], message = wag_array();
    size_t count = 0;
    if (through && wag_buffer_adopt(some_bytes, sizeof some_bytes, release_bytes, NULL, &buffer, NULL) == WAG_OK) {
        atomic_fetch_add(&adopted, 1);
        wag_array_push(message, WAG_NUMBER(hops));
        wag_array_push(message, wag_value_ref(module));
        wag_array_push(message, wag_value_ref(WAG_BUFFER(buffer)));
        items[count++] = WAG_BUFFER(buffer);
        if (next_random(&node->random) % 2 && carried && carried != through)
            items[count++] = WAG_PORT(carried->port);
        if (wag_port_post_transfer(through->port, message, items, count, NULL) == WAG_OK && count == 2)
            leave_berth(carried);
    }
    wag_buffer_unref(buffer);
    wag_value_unref(message);
}

static void act(node *node, const wag_message_event *event)
{
    double hops = wag_array_at(event->data, 0).of.number - 1;
    wag_value module = wag_array_at(event->data, 1);
    for (size_t i = 0; i < event->port_count; i++)
        moor(node, event->ports[i].of.port);
    if (next_random(&node->random) % 24 == 0) {
        berth *berth = some_berth(node);
        if (berth) {
            wag_port_close(berth->port);
            leave_berth(berth);
        }
    }
    if (hops > 0) {
        post_on(node, hops, module);
        if (next_random(&node->random) % 4 == 0)
            post_on(node, hops, module);
    }
}

static void storm(void *context, const wag_message_event *event)
{
    act(((berth *)context)->node, event);
}

static void storm_from_parent(void *context, const wag_message_event *event)
{
    act(context, event);
}

static void storm_entry(wag_worker_scope *self, void *context)
{
    node *node = context;
    node->self = self;
    wag_scope_on_message_event(self, storm_from_parent, node);
}

/* A channel between two workers, and something to do for one of them. */
static void link_workers(wag_worker *from, wag_worker *to, wag_module *module, uint32_t *random)
{
    wag_port *ports[2];
    const wag_channel_options options = {.queue_messages = 1 + next_random(random) % 30,
                                         .queue_policy =
                                             next_random(random) % 2 ? WAG_QUEUE_ERROR : WAG_QUEUE_DROP_OLDEST};
    ASSERT_OK(wag_channel_new(&options, &ports[0], &ports[1], NULL));
    for (int i = 0; i < 2; i++) {
        wag_value message = wag_array(), item = WAG_PORT(ports[i]);
        wag_array_push(message, WAG_NUMBER(20));
        wag_array_push(message, wag_value_ref(WAG_MODULE(module)));
        wag_err err = wag_worker_post_transfer(i ? to : from, message, &item, 1, NULL);
        assert_true(err == WAG_OK || err == WAG_QUEUE_FULL);
        wag_value_unref(message);
        wag_port_unref(ports[i]);
    }
}

static void test_P_08_workers_with_moving_ports_are_terminated_at_random_and_nothing_is_left(void **state)
{
    (void)state;
    size_t modules = wag_live_modules(), live = wag_agent_live_objects();
    long fds = count_descriptors();
    wag_module *module = module_of("(module)");
    wag_worker *workers[WORKERS];
    node *nodes[WORKERS];
    uint32_t random = 99;
    for (int i = 0; i < WORKERS; i++) {
        nodes[i] = calloc(1, sizeof *nodes[i]);
        nodes[i]->random = next_random(&random);
        workers[i] = worker_of(storm_entry, nodes[i]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 6; i++) {
            uint32_t from = next_random(&random) % WORKERS, to = next_random(&random) % WORKERS;
            link_workers(workers[from], workers[to], module, &random);
        }
        for (uint32_t i = next_random(&random) % 50; i; i--)
            wag_agent_turn();
        int victim = (int)(next_random(&random) % WORKERS);
        wag_worker_free(workers[victim]);
        memset(nodes[victim]->berths, 0, sizeof nodes[victim]->berths);
        workers[victim] = worker_of(storm_entry, nodes[victim]);
    }
    for (int i = 0; i < WORKERS; i++) {
        wag_worker_free(workers[i]);
        free(nodes[i]);
    }
    while (wag_agent_turn()) {
    }
    wag_module_unref(module);
    assert_int_equal(wag_live_modules(), modules);
    assert_int_equal(wag_agent_live_objects(), live);
    assert_int_equal(atomic_load(&released), atomic_load(&adopted));
    assert_true(atomic_load(&adopted) > ROUNDS);
    assert_int_equal(count_descriptors(), fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_P_05_ports_move_between_workers_while_they_are_posted_to),
        cmocka_unit_test(test_P_08_workers_with_moving_ports_are_terminated_at_random_and_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

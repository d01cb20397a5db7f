/* P-01 to P-06, P-14: message channels and ports on one loop. One test per statement, named by its id. */
#include "tests/support/ports.h"

#include <pthread.h>

#include "base/alloc.h"

/* ---- P-01 to P-03 ---- */

static void test_P_01_messages_wait_until_the_port_is_started_by_start_or_by_a_handler(void **state)
{
    (void)state;
    pair pair = channel();
    post(pair.a.port, "1");
    post(pair.a.port, "2");
    a_while();
    assert_int_equal(pair.b.log[0], 0);
    assert_true(wag_port_buffered_amount(pair.a.port) > 0);
    listen_to(&pair.b); /* this starts it */
    until(&pair.b, "1,2");
    assert_int_equal(wag_port_buffered_amount(pair.a.port), 0);
    /* Without the handler they wait again... */
    wag_port_on_message(pair.b.port, NULL, NULL);
    post(pair.a.port, "3");
    a_while();
    listen_to(&pair.b);
    until(&pair.b, "1,2,3");
    /* ...but not when start() was called: then they are lost. */
    wag_port_on_message(pair.b.port, NULL, NULL);
    ASSERT_OK(wag_port_start(pair.b.port));
    post(pair.a.port, "4");
    while (wag_port_buffered_amount(pair.a.port))
        turn();
    listen_to(&pair.b);
    post(pair.a.port, "5");
    until(&pair.b, "1,2,3,5");
    close_pair(&pair);
}

static void test_P_01_both_ports_are_alike(void **state)
{
    (void)state;
    pair pair = channel();
    listen_to(&pair.a);
    listen_to(&pair.b);
    post(pair.a.port, "to b");
    post(pair.b.port, "to a");
    until(&pair.a, "to a");
    until(&pair.b, "to b");
    close_pair(&pair);
}

static void test_P_02_a_port_cannot_be_transferred_through_itself(void **state)
{
    (void)state;
    pair pair = channel();
    wag_error *error = NULL;
    wag_value self = WAG_PORT(pair.a.port);
    ASSERT_ERR(wag_port_post_transfer(pair.a.port, WAG_NULL, &self, 1, &error), WAG_DATA_CLONE);
    assert_class(error, WAG_CLASS_DATA_CLONE_ERROR);
    assert_false(wag_port_is_closed(pair.a.port));
    listen_to(&pair.b);
    post(pair.a.port, "works");
    until(&pair.b, "works");
    close_pair(&pair);
}

static void test_P_02_posting_the_target_loses_message_and_channel(void **state)
{
    (void)state;
    pair pair = channel();
    listen_to(&pair.a);
    post(pair.a.port, "before");
    post_port(pair.a.port, "doomed", pair.b.port);
    assert_true(wag_port_is_closed(pair.b.port));
    until(&pair.a, "close");
    assert_true(wag_port_is_closed(pair.a.port));
    post(pair.a.port, "nowhere");
    close_pair(&pair);
}

static void test_P_02_so_does_a_longer_circle(void **state)
{
    (void)state;
    enum { RING = 5 };
    size_t live = wag_agent_live_objects();
    pair ring[RING];
    for (int i = 0; i < RING; i++) {
        ring[i] = channel();
        listen_to(&ring[i].a);
    }
    /* Each b travels in the channel of the next; the last one closes the circle: nobody could receive any of them. */
    for (int i = 0; i < RING; i++)
        post_port(ring[(i + 1) % RING].a.port, "round", ring[i].b.port);
    for (int i = 0; i < RING; i++)
        until(&ring[i].a, "close");
    for (int i = 0; i < RING; i++)
        close_pair(&ring[i]);
    while (wag_agent_turn()) {
    }
    assert_int_equal(wag_agent_live_objects(), live);
}

static void test_P_03_a_post_without_a_target_serialises_and_detaches_all_the_same(void **state)
{
    (void)state;
    pair pair = channel(), moved = channel();
    wag_buffer *buffer = NULL;
    wag_table *table = NULL;
    ASSERT_OK(wag_table_new(WAG_FUNCREF, 0, UINT64_MAX, WAG_VAL_FUNC(NULL), &table, NULL));
    ASSERT_OK(wag_buffer_new((wag_bytes){(const uint8_t *)"x", 1}, &buffer, NULL));
    wag_port_close(pair.a.port);
    ASSERT_ERR(wag_port_post_message(pair.a.port, WAG_TABLE(table), NULL), WAG_DATA_CLONE);
    wag_value items[] = {WAG_BUFFER(buffer), WAG_PORT(moved.a.port)};
    ASSERT_OK(wag_port_post_transfer(pair.a.port, WAG_NULL, items, 2, NULL));
    assert_true(wag_buffer_is_detached(buffer));
    assert_true(wag_port_is_closed(moved.a.port));
    listen_to(&moved.b);
    until(&moved.b, "close");
    wag_buffer_unref(buffer);
    wag_table_unref(table);
    close_pair(&pair);
    close_pair(&moved);
}

/* ---- P-04, P-05 ---- */

static void post_from_handler(void *context, const wag_message_event *event)
{
    on_event(context, event);
    note(context, "begin");
    note(context, "end");
}

static void test_P_04_each_message_is_a_task_and_a_port_delivers_in_order(void **state)
{
    (void)state;
    pair pair = channel();
    wag_port_on_message_event(pair.b.port, post_from_handler, &pair.b);
    for (int i = 0; i < 3; i++)
        ASSERT_OK(wag_port_post_message(pair.a.port, WAG_NUMBER(i), NULL));
    a_while(); /* all of them are at hand */
    pair.b.log[0] = 0;
    for (int i = 3; i < 6; i++)
        ASSERT_OK(wag_port_post_message(pair.a.port, WAG_NUMBER(i), NULL));
    while (!strchr(pair.b.log, '5') || wag_port_buffered_amount(pair.a.port)) {
        size_t before = strlen(pair.b.log);
        wag_agent_turn();
        assert_in_range(strlen(pair.b.log) - before, 0, strlen(",3,begin,end"));
    }
    assert_string_equal(pair.b.log, "3,begin,end,4,begin,end,5,begin,end");
    close_pair(&pair);
}

static void test_P_04_the_ports_of_a_message_come_in_the_order_of_its_transfer_list(void **state)
{
    (void)state;
    pair pair = channel(), x = channel(), y = channel();
    wag_buffer *buffer = NULL;
    ASSERT_OK(wag_buffer_new((wag_bytes){(const uint8_t *)"x", 1}, &buffer, NULL));
    listen_to(&pair.b);
    wag_value items[] = {WAG_BUFFER(buffer), WAG_PORT(y.b.port), WAG_PORT(x.b.port)};
    ASSERT_OK(wag_port_post_transfer(pair.a.port, WAG_PORT(x.b.port), items, 3, NULL));
    until(&pair.b, "port");
    assert_int_equal(pair.b.ports, 2);
    wag_port_on_message_event(pair.b.arrived, on_event, &pair.b);
    post(y.a.port, "through y");
    until(&pair.b, "port,through y");
    listen_to(&x.a); /* x.b went with the message's end */
    until(&x.a, "close");
    wag_buffer_unref(buffer);
    close_pair(&pair);
    close_pair(&x);
    close_pair(&y);
}

static void test_P_04_what_cannot_be_read_is_a_messageerror_and_the_next_message_arrives(void **state)
{
    (void)state;
    pair pair = channel();
    wag_value value = wag_array();
    for (int i = 0; i < 100; i++)
        wag_array_push(value, wag_array());
    listen_to(&pair.b);
    ASSERT_OK(wag_port_post_message(pair.a.port, value, NULL));
    while (!pair.b.errors) {
        wagi_alloc_fail_after(3);
        wag_agent_turn();
        wagi_alloc_fail_after(UINT64_MAX);
    }
    assert_string_equal(pair.b.log, "RangeError");
    post(pair.a.port, "next");
    until(&pair.b, "RangeError,next");
    wag_value_unref(value);
    close_pair(&pair);
}

static void test_P_05_a_transferred_port_takes_its_messages_along(void **state)
{
    (void)state;
    pair pair = channel(), moved = channel();
    listen_to(&pair.b);
    post(moved.a.port, "q1");
    post(moved.a.port, "q2");
    post(moved.b.port, "back 1");
    post_port(pair.a.port, "take it", moved.b.port);
    assert_true(wag_port_is_closed(moved.b.port));
    post(moved.b.port, "nowhere"); /* the object here has no port any more */
    post(moved.a.port, "q3");
    until(&pair.b, "take it");
    post(moved.a.port, "q4");
    inbox b = {.port = wag_port_ref(pair.b.arrived)};
    listen_to(&b);
    until(&b, "q1,q2,q3,q4");
    post(b.port, "back 2");
    listen_to(&moved.a);
    until(&moved.a, "back 1,back 2");
    close_box(&b);
    close_pair(&pair);
    close_pair(&moved);
}

static void test_P_05_a_port_moves_again_while_messages_are_in_flight(void **state)
{
    (void)state;
    enum { MOVES = 30, EACH = 40 };
    pair way = channel(), moved = channel_with(&(wag_channel_options){.queue_messages = MOVES * EACH});
    char expected[16];
    int sent = 0, seen = 0;
    wag_port *port = wag_port_ref(moved.b.port);
    for (int move = 0; move < MOVES; move++) {
        for (int i = 0; i < EACH; i++)
            ASSERT_OK(wag_port_post_message(moved.a.port, WAG_NUMBER(sent++), NULL));
        inbox here = {.port = port};
        if (move % 3) { /* some are delivered at this stop */
            listen_to(&here);
            turn();
            turn();
        }
        for (char *at = here.log; *at; at += strcspn(at, ","), at += *at == ',') {
            snprintf(expected, sizeof expected, "%d", seen++);
            assert_memory_equal(at, expected, strlen(expected));
        }
        way.b = (inbox){.port = way.b.port};
        listen_to(&way.b);
        post_port(way.a.port, "next", port);
        wag_port_unref(port);
        until(&way.b, "next");
        port = way.b.arrived;
    }
    inbox last = {.port = port};
    listen_to(&last);
    while (seen < sent) {
        turn();
        for (char *at = last.log; *at; at += strcspn(at, ","), at += *at == ',') {
            snprintf(expected, sizeof expected, "%d", seen++);
            assert_memory_equal(at, expected, strlen(expected));
        }
        last.log[0] = 0;
    }
    way.b.arrived = NULL;
    close_box(&last);
    close_pair(&way);
    close_pair(&moved);
}

/* ---- P-06 ---- */

static void test_P_06_after_close_what_was_posted_arrives_and_then_close(void **state)
{
    (void)state;
    pair pair = channel();
    post(pair.a.port, "a");
    post(pair.a.port, "b");
    listen_to(&pair.a);
    post(pair.b.port, "never");
    ASSERT_OK(wag_port_close(pair.a.port));
    ASSERT_OK(wag_port_close(pair.a.port));
    post(pair.a.port, "dropped");
    listen_to(&pair.b);
    until(&pair.b, "a,b,close");
    assert_int_equal(pair.b.closes, 1);
    assert_true(wag_port_is_closed(pair.b.port));
    post(pair.b.port, "dropped");
    assert_int_equal(pair.a.log[0], 0);
    wag_value item = WAG_PORT(pair.a.port);
    struct pair other = channel();
    ASSERT_ERR(wag_port_post_transfer(other.a.port, WAG_NULL, &item, 1, NULL), WAG_DATA_CLONE);
    close_pair(&other);
    close_pair(&pair);
}

static void test_P_06_a_port_that_nobody_holds_is_closed(void **state)
{
    (void)state;
    size_t live = wag_agent_live_objects();
    pair pair = channel();
    listen_to(&pair.a);
    post(pair.b.port, "last words");
    wag_port_unref(pair.b.port);
    until(&pair.a, "last words,close");
    wag_port_unref(pair.a.port);
    assert_int_equal(wag_agent_live_objects(), live);
    /* One with a handler lives as long as the other one. */
    pair = channel();
    listen_to(&pair.b);
    post(pair.a.port, "heard");
    wag_port_unref(pair.b.port);
    until(&pair.b, "heard");
    wag_port_close(pair.a.port);
    wag_port_unref(pair.a.port);
    until(&pair.b, "heard,close");
    assert_int_equal(wag_agent_live_objects(), live);
}

static void test_P_06_ports_in_messages_that_nobody_gets_are_closed(void **state)
{
    (void)state;
    enum { DEPTH = 300 };
    size_t live = wag_agent_live_objects();
    pair outer = channel(), far = channel(), at = far;
    listen_to(&far.a);
    /* Each channel's port travels in the next one: closing the last one loses them all. */
    for (int i = 0; i < DEPTH; i++) {
        pair next = channel();
        post_port(next.a.port, "inside", at.b.port);
        wag_port_unref(at.b.port);
        if (i)
            wag_port_unref(at.a.port);
        at = next;
    }
    post_port(outer.a.port, "all", at.b.port);
    wag_port_unref(at.b.port);
    wag_port_unref(at.a.port);
    wag_port_unref(outer.a.port);
    wag_port_unref(outer.b.port);
    until(&far.a, "close");
    wag_port_unref(far.a.port);
    while (wag_agent_turn()) {
    }
    assert_int_equal(wag_agent_live_objects(), live);
}

/* ---- P-14 ---- */

static void test_P_14_a_full_queue_is_an_error_and_leaves_the_transfer_list_attached(void **state)
{
    (void)state;
    pair pair = channel_with(&(wag_channel_options){.queue_messages = 2}), moved = channel();
    wag_buffer *buffer = NULL;
    ASSERT_OK(wag_buffer_new((wag_bytes){(const uint8_t *)"xyz", 3}, &buffer, NULL));
    const uint8_t *data = wag_buffer_data(buffer);
    listen_to(&moved.b);
    ASSERT_OK(wag_port_post_message(pair.a.port, WAG_NUMBER(0), NULL));
    ASSERT_OK(wag_port_post_message(pair.a.port, WAG_NUMBER(1), NULL));
    wag_value items[] = {WAG_BUFFER(buffer), WAG_PORT(moved.b.port)};
    wag_error *error = NULL;
    size_t buffered = wag_port_buffered_amount(pair.a.port);
    post(moved.a.port, "meanwhile");
    ASSERT_ERR(wag_port_post_transfer(pair.a.port, WAG_PORT(moved.b.port), items, 2, &error), WAG_QUEUE_FULL);
    assert_class(error, WAG_CLASS_RANGE_ERROR);
    assert_int_equal(wag_port_buffered_amount(pair.a.port), buffered);
    assert_ptr_equal(wag_buffer_data(buffer), data);
    assert_false(wag_port_is_closed(moved.b.port));
    until(&moved.b, "meanwhile");
    listen_to(&pair.b);
    until(&pair.b, "0,1");
    ASSERT_OK(wag_port_post_transfer(pair.a.port, WAG_PORT(moved.b.port), items, 2, NULL));
    until(&pair.b, "0,1,port");
    wag_buffer_unref(buffer);
    close_pair(&pair);
    close_pair(&moved);
}

static void test_P_14_the_other_policies_drop_the_oldest_or_wait_but_not_for_oneself(void **state)
{
    (void)state;
    pair pair = channel_with(&(wag_channel_options){.queue_messages = 2, .queue_policy = WAG_QUEUE_DROP_OLDEST});
    struct pair lost = channel();
    post_port(pair.a.port, "dropped", lost.b.port);
    ASSERT_OK(wag_port_post_message(pair.a.port, WAG_NUMBER(1), NULL));
    ASSERT_OK(wag_port_post_message(pair.a.port, WAG_NUMBER(2), NULL));
    listen_to(&pair.b);
    until(&pair.b, "1,2");
    listen_to(&lost.a);
    until(&lost.a, "close"); /* the port in it was closed */
    close_pair(&lost);
    close_pair(&pair);
    pair = channel_with(&(wag_channel_options){.queue_messages = 1, .queue_policy = WAG_QUEUE_BLOCK});
    listen_to(&pair.b);
    ASSERT_OK(wag_port_post_message(pair.a.port, WAG_NUMBER(1), NULL));
    ASSERT_ERR(wag_port_post_message(pair.a.port, WAG_NUMBER(2), NULL), WAG_QUEUE_FULL);
    until(&pair.b, "1");
    close_pair(&pair);
}

/* ---- what is left over ---- */

static void test_without_memory_a_post_fails_and_changes_nothing(void **state)
{
    (void)state;
    size_t live = wag_agent_live_objects();
    pair pair = channel(), moved = channel();
    listen_to(&pair.b);
    listen_to(&moved.b);
    wag_buffer *buffer = NULL;
    ASSERT_OK(wag_buffer_new((wag_bytes){(const uint8_t *)"xyz", 3}, &buffer, NULL));
    wag_value items[] = {WAG_BUFFER(buffer), WAG_PORT(moved.b.port)};
    wag_err err = WAG_NOMEM;
    for (uint64_t successes = 0; err != WAG_OK; successes++) {
        assert_false(wag_buffer_is_detached(buffer));
        assert_false(wag_port_is_closed(moved.b.port));
        wagi_alloc_fail_after(successes);
        err = wag_port_post_transfer(pair.a.port, WAG_PORT(moved.b.port), items, 2, NULL);
        wagi_alloc_fail_after(UINT64_MAX);
        assert_true(err == WAG_OK || err == WAG_NOMEM);
    }
    assert_true(wag_buffer_is_detached(buffer));
    until(&pair.b, "port");
    wag_buffer_unref(buffer);
    close_pair(&pair);
    close_pair(&moved);
    while (wag_agent_turn()) {
    }
    assert_int_equal(wag_agent_live_objects(), live);
    err = WAG_NOMEM;
    for (uint64_t successes = 0; err != WAG_OK; successes++) {
        wagi_alloc_fail_after(successes);
        err = wag_channel_new(NULL, &pair.a.port, &pair.b.port, NULL);
        wagi_alloc_fail_after(UINT64_MAX);
    }
    wag_port_unref(pair.a.port);
    wag_port_unref(pair.b.port);
    assert_int_equal(wag_agent_live_objects(), live);
}

static void *use_another_threads_port(void *context)
{
    wag_value item = WAG_PORT((wag_port *)context);
    wag_port *a = NULL, *b = NULL;
    bool fine = wag_port_post_message(context, WAG_NULL, NULL) == WAG_WRONG_AGENT &&
                wag_port_close(context) == WAG_WRONG_AGENT && !wag_port_is_closed(context) &&
                wag_port_on_message(context, NULL, NULL) == WAG_WRONG_AGENT &&
                wag_channel_new(NULL, &a, &b, NULL) == WAG_OK &&
                wag_port_post_transfer(a, WAG_NULL, &item, 1, NULL) == WAG_WRONG_AGENT &&
                wag_port_post_message(a, item, NULL) == WAG_DATA_CLONE;
    wag_port_unref(a);
    wag_port_unref(b);
    return fine ? context : NULL;
}

static void test_another_threads_port_is_an_error(void **state)
{
    (void)state;
    pair pair = channel();
    pthread_t thread;
    void *result = NULL;
    assert_int_equal(pthread_create(&thread, NULL, use_another_threads_port, pair.a.port), 0);
    pthread_join(thread, &result);
    assert_non_null(result);
    assert_false(wag_port_is_closed(pair.a.port));
    close_pair(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_P_01_messages_wait_until_the_port_is_started_by_start_or_by_a_handler),
        cmocka_unit_test(test_P_01_both_ports_are_alike),
        cmocka_unit_test(test_P_02_a_port_cannot_be_transferred_through_itself),
        cmocka_unit_test(test_P_02_posting_the_target_loses_message_and_channel),
        cmocka_unit_test(test_P_02_so_does_a_longer_circle),
        cmocka_unit_test(test_P_03_a_post_without_a_target_serialises_and_detaches_all_the_same),
        cmocka_unit_test(test_P_04_each_message_is_a_task_and_a_port_delivers_in_order),
        cmocka_unit_test(test_P_04_the_ports_of_a_message_come_in_the_order_of_its_transfer_list),
        cmocka_unit_test(test_P_04_what_cannot_be_read_is_a_messageerror_and_the_next_message_arrives),
        cmocka_unit_test(test_P_05_a_transferred_port_takes_its_messages_along),
        cmocka_unit_test(test_P_05_a_port_moves_again_while_messages_are_in_flight),
        cmocka_unit_test(test_P_06_after_close_what_was_posted_arrives_and_then_close),
        cmocka_unit_test(test_P_06_a_port_that_nobody_holds_is_closed),
        cmocka_unit_test(test_P_06_ports_in_messages_that_nobody_gets_are_closed),
        cmocka_unit_test(test_P_14_a_full_queue_is_an_error_and_leaves_the_transfer_list_attached),
        cmocka_unit_test(test_P_14_the_other_policies_drop_the_oldest_or_wait_but_not_for_oneself),
        cmocka_unit_test(test_without_memory_a_post_fails_and_changes_nothing),
        cmocka_unit_test(test_another_threads_port_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

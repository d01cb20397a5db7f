/* Channels by themselves: both ends on one loop. Order, windows, ends, malformed messages, exact counts of what is
 * lost. */
#include "tests/support/check.h"

#include <sys/wait.h>

#include "base/alloc.h"
#include "base/os.h"
#include "ipc/channel_lane.h"

typedef struct end {
    wagi_channel *channel; /* set: the first message closes it */
    int messages, out_of_order, ended;
    wag_err error;
    size_t discarded;
} end;

static void end_message(void *context, const wag_message_event *event)
{
    end *end = context;
    wag_value message = event->data;
    if (message.kind == WAG_VALUE_NUMBER && message.of.number != end->messages)
        end->out_of_order++;
    end->messages++;
    if (end->channel)
        end->discarded = wagi_channel_close(end->channel);
}

static void end_error(void *context, const wag_error *error)
{
    ((end *)context)->error = wag_error_code(error);
}

static void end_ended(void *context)
{
    ((end *)context)->ended++;
}

static wagi_channel *channel_of(size_t queue_messages, wag_queue_policy policy)
{
    wagi_channel_options options = {wag_agent_current()->cluster, queue_messages, policy};
    wagi_channel *channel = NULL;
    wag_error *error = NULL;
    if (wagi_channel_new(&options, &channel, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    return channel;
}

static void receive(wagi_channel *channel, wagi_side side, end *end)
{
    wagi_receiver receiver = {end_message, end_error, end_ended, end};
    wagi_channel_receive(channel, side, wagi_loop_mailbox(wag_agent_current()->loop), &receiver);
}

/* One turn, waiting for something to do. The loop has to be held: nothing else says that a channel may bring a task. */
static void turn(void)
{
    wagi_loop *loop = wag_agent_current()->loop;
    wagi_loop_hold(loop);
    assert_int_equal(wagi_loop_wait(loop, wagi_clock_ns() + UINT64_C(60000000000)), WAG_OK);
    wagi_loop_turn(loop);
    wagi_loop_release(loop);
}

static size_t close_and_unref(wagi_channel *channel)
{
    size_t discarded = wagi_channel_close(channel);
    wagi_channel_unref(channel);
    return discarded;
}

static wag_module *empty_module(void)
{
    static const uint8_t bytes[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    wag_module *module = NULL;
    ASSERT_OK(wag_module_new((wag_bytes){bytes, sizeof bytes}, NULL, &module, NULL));
    return module;
}

static void test_both_directions_keep_their_order(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    end ends[2] = {0};
    wagi_channel *channel = channel_of(COUNT, WAG_QUEUE_ERROR);
    for (int i = 0; i < COUNT; i++)
        for (int side = 0; side < 2; side++)
            ASSERT_OK(wagi_channel_post(channel, (wagi_side)side, WAG_NUMBER(i), NULL));
    receive(channel, WAGI_SIDE_PARENT, &ends[0]);
    receive(channel, WAGI_SIDE_WORKER, &ends[1]);
    while (ends[0].messages + ends[1].messages < 2 * COUNT)
        turn();
    for (int side = 0; side < 2; side++) {
        assert_int_equal(ends[side].messages, COUNT);
        assert_int_equal(ends[side].out_of_order, 0);
        assert_int_equal(ends[side].error, WAG_OK);
        assert_int_equal(wagi_channel_buffered(channel, (wagi_side)side), 0);
    }
    assert_int_equal(close_and_unref(channel), 0);
}

static void test_finish_is_told_after_the_last_message(void **state)
{
    (void)state;
    end end = {0};
    wagi_channel *channel = channel_of(1000, WAG_QUEUE_ERROR);
    for (int i = 0; i < 300; i++)
        ASSERT_OK(wagi_channel_post(channel, WAGI_SIDE_WORKER, WAG_NUMBER(i), NULL));
    wagi_channel_finish(channel, WAGI_SIDE_WORKER);
    receive(channel, WAGI_SIDE_PARENT, &end);
    while (!end.ended) {
        assert_true(end.messages < 300 || !end.ended);
        turn();
    }
    assert_int_equal(end.messages, 300);
    assert_int_equal(end.ended, 1);
    assert_int_equal(close_and_unref(channel), 0);
}

static void test_close_drops_what_was_not_delivered_and_counts_it(void **state)
{
    (void)state;
    size_t modules = wag_live_modules();
    wag_module *module = empty_module();
    for (int round = 0; round < 60; round++) {
        end ends[2] = {0};
        int posts = round * 7, turns = round * 13 % 200;
        wagi_channel *channel = channel_of(1000, WAG_QUEUE_ERROR);
        if (round % 3)
            receive(channel, WAGI_SIDE_PARENT, &ends[0]);
        if (round % 5)
            receive(channel, WAGI_SIDE_WORKER, &ends[1]);
        for (int i = 0; i < posts; i++)
            for (int side = 0; side < 2; side++)
                ASSERT_OK(wagi_channel_post(channel, (wagi_side)side, WAG_MODULE(module), NULL));
        for (int i = 0; i < turns; i++)
            wag_agent_turn();
        size_t delivered = (size_t)(ends[0].messages + ends[1].messages);
        assert_int_equal(close_and_unref(channel) + delivered, 2 * posts);
        while (wag_agent_turn()) {
            /* tasks of the closed channel: they do nothing */
        }
        assert_int_equal(ends[0].messages + ends[1].messages, delivered);
    }
    wag_module_unref(module);
    assert_int_equal(wag_live_modules(), modules);
}

static void test_a_handler_may_close_the_channel_it_is_called_by(void **state)
{
    (void)state;
    wagi_channel *channel = channel_of(1000, WAG_QUEUE_ERROR);
    end end = {.channel = channel};
    for (int i = 0; i < 200; i++)
        ASSERT_OK(wagi_channel_post(channel, WAGI_SIDE_WORKER, WAG_NULL, NULL));
    receive(channel, WAGI_SIDE_PARENT, &end);
    while (!end.messages)
        turn();
    wagi_channel_unref(channel);
    while (wag_agent_turn()) {
    }
    assert_int_equal(end.messages, 1);
    assert_int_equal(end.discarded, 199);
}

static void test_a_side_that_refuses_loses_what_comes(void **state)
{
    (void)state;
    end end = {0};
    wagi_channel *channel = channel_of(1000, WAG_QUEUE_ERROR);
    receive(channel, WAGI_SIDE_WORKER, &end);
    for (int i = 0; i < 200; i++)
        ASSERT_OK(wagi_channel_post(channel, WAGI_SIDE_PARENT, WAG_NULL, NULL));
    wagi_channel_refuse(channel, WAGI_SIDE_WORKER);
    for (int i = 0; i < 100; i++)
        ASSERT_OK(wagi_channel_post(channel, WAGI_SIDE_PARENT, WAG_NULL, NULL));
    while (wag_agent_turn()) {
    }
    assert_int_equal(end.messages, 0);
    assert_int_equal(close_and_unref(channel), 300);
}

static void test_messages_are_held_back_while_paused(void **state)
{
    (void)state;
    end end = {0};
    wagi_channel *channel = channel_of(1000, WAG_QUEUE_ERROR);
    receive(channel, WAGI_SIDE_WORKER, &end);
    for (int i = 0; i < 300; i++)
        ASSERT_OK(wagi_channel_post(channel, WAGI_SIDE_PARENT, WAG_NUMBER(i), NULL));
    while (end.messages < 10)
        turn();
    wagi_channel_pause(channel, WAGI_SIDE_WORKER);
    int seen = end.messages;
    for (int i = 0; i < WAGI_WINDOW; i++)
        wag_agent_turn();
    assert_int_equal(end.messages, seen);
    assert_true(wagi_channel_buffered(channel, WAGI_SIDE_PARENT) > 0);
    receive(channel, WAGI_SIDE_WORKER, &end);
    while (end.messages < 300)
        turn();
    assert_int_equal(end.out_of_order, 0);
    assert_int_equal(wagi_channel_buffered(channel, WAGI_SIDE_PARENT), 0);
    /* Closed while paused, with messages held back. */
    wagi_channel_pause(channel, WAGI_SIDE_WORKER);
    for (int i = 0; i < 100; i++)
        ASSERT_OK(wagi_channel_post(channel, WAGI_SIDE_PARENT, WAG_NULL, NULL));
    for (int i = 0; i < WAGI_WINDOW; i++)
        wag_agent_turn();
    assert_int_equal(close_and_unref(channel), 100);
}

/* ---- policies ---- */

static void test_the_queue_is_full_at_n_plus_1_wherever_the_messages_are(void **state)
{
    (void)state;
    for (size_t limit = 1; limit <= 200; limit += 63) {
        end end = {0};
        wagi_channel *channel = channel_of(limit, WAG_QUEUE_ERROR);
        for (size_t i = 0; i < limit; i++)
            ASSERT_OK(wagi_channel_post(channel, WAGI_SIDE_PARENT, WAG_NUMBER((double)i), NULL));
        ASSERT_ERR(wagi_channel_post(channel, WAGI_SIDE_PARENT, WAG_NULL, NULL), WAG_QUEUE_FULL);
        receive(channel, WAGI_SIDE_WORKER, &end);
        while (!end.messages)
            turn();
        ASSERT_OK(wagi_channel_post(channel, WAGI_SIDE_PARENT, WAG_NUMBER((double)limit), NULL));
        while (end.messages <= (int)limit)
            turn();
        assert_int_equal(end.out_of_order, 0);
        assert_int_equal(close_and_unref(channel), 0);
    }
}

static void test_drop_oldest_drops_the_oldest_and_keeps_the_books(void **state)
{
    (void)state;
    size_t modules = wag_live_modules();
    wag_module *module = empty_module();
    for (size_t limit = 1; limit <= 130; limit += 43) {
        end end = {0};
        wagi_channel *channel = channel_of(limit, WAG_QUEUE_DROP_OLDEST);
        for (size_t i = 0; i < 500; i++)
            ASSERT_OK(wagi_channel_post(channel, WAGI_SIDE_PARENT, WAG_MODULE(module), NULL));
        /* Not more than the window beyond the limit is still somewhere. */
        assert_in_range(wagi_tickets_live(channel->tickets), limit, limit + WAGI_WINDOW);
        size_t one = wagi_channel_buffered(channel, WAGI_SIDE_PARENT) / limit;
        assert_int_equal(one * limit, wagi_channel_buffered(channel, WAGI_SIDE_PARENT));
        receive(channel, WAGI_SIDE_WORKER, &end);
        while (end.messages < (int)limit)
            turn();
        assert_int_equal(wagi_channel_buffered(channel, WAGI_SIDE_PARENT), 0);
        assert_int_equal(wagi_tickets_live(channel->tickets), 0);
        assert_int_equal(close_and_unref(channel), 500 - limit);
    }
    wag_module_unref(module);
    assert_int_equal(wag_live_modules(), modules);
}

static void test_a_post_that_blocks_ends_when_it_is_interrupted(void **state)
{
    (void)state;
    wagi_channel *channel = channel_of(1, WAG_QUEUE_BLOCK);
    for (int side = 0; side < 2; side++)
        ASSERT_OK(wagi_channel_post(channel, (wagi_side)side, WAG_NULL, NULL));
    wag_agent_interrupt(wag_agent_current());
    ASSERT_ERR(wagi_channel_post(channel, WAGI_SIDE_PARENT, WAG_NULL, NULL), WAG_INTERRUPTED);
    ASSERT_OK(wag_agent_stop_reason()); /* that was the answer */
    wagi_channel_interrupt(channel, WAGI_SIDE_WORKER);
    wag_error *error = NULL;
    ASSERT_ERR(wagi_channel_post(channel, WAGI_SIDE_WORKER, WAG_NULL, &error), WAG_INTERRUPTED);
    assert_class(error, WAG_CLASS_ABORT_ERROR);
    assert_int_equal(close_and_unref(channel), 2);
}

/* ---- malformed messages ---- */

/* Past the sender's part: any bytes, straight into nng. */
static void send_raw(wagi_channel *channel, wagi_side side, const void *bytes, size_t size)
{
    nng_msg *message = wagi_nng_message(size);
    assert_non_null(message);
    memcpy(nng_msg_body(message), bytes, size);
    assert_int_equal(nng_sendmsg(channel->sockets[side], message, 0), 0);
}

static void test_a_malformed_message_ends_the_direction_after_what_came_before(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        end end = {0};
        wagi_channel *channel = channel_of(1000, WAG_QUEUE_ERROR);
        receive(channel, WAGI_SIDE_WORKER, &end);
        for (int i = 0; i < 20; i++)
            ASSERT_OK(wagi_channel_post(channel, WAGI_SIDE_PARENT, WAG_NUMBER(i), NULL));
        while (end.messages < 20)
            turn();
        uint8_t bytes[WAGI_MESSAGE_HEADER + 1] = {0};
        wagi_message_write_header(bytes, WAGI_MESSAGE_POST, 0, 1);
        wagi_message_set_seq(bytes, kind == 1 ? 19 : kind == 2 ? 21 : 20); /* a repeat, a gap */
        bytes[0] ^= kind == 3;
        send_raw(channel, WAGI_SIDE_PARENT, bytes, kind == 0 ? 5 : sizeof bytes);
        while (!end.ended)
            turn();
        assert_int_equal(end.messages, 20);
        assert_int_equal(end.error, WAG_PROTOCOL);
        assert_int_equal(end.ended, 1);
        ASSERT_ERR(wagi_channel_post(channel, WAGI_SIDE_PARENT, WAG_NULL, NULL), WAG_CLOSED);
        ASSERT_OK(wagi_channel_post(channel, WAGI_SIDE_WORKER, WAG_NULL, NULL));
        assert_int_equal(close_and_unref(channel), 1);
    }
}

static void test_more_messages_than_the_window_end_the_direction(void **state)
{
    (void)state;
    end end = {0};
    wagi_channel *channel = channel_of(1000, WAG_QUEUE_ERROR);
    receive(channel, WAGI_SIDE_WORKER, &end);
    for (uint64_t i = 0; i <= WAGI_WINDOW; i++) {
        uint8_t bytes[WAGI_MESSAGE_HEADER + 1] = {0};
        wagi_message_write_header(bytes, WAGI_MESSAGE_POST, 0, 1);
        wagi_message_set_seq(bytes, i);
        send_raw(channel, WAGI_SIDE_PARENT, bytes, sizeof bytes);
    }
    wagi_lane *lane = &channel->lanes[WAGI_SIDE_PARENT];
    wagi_mutex_lock(&lane->lock);
    while (!lane->broken)
        wagi_cond_wait(&lane->changed, &lane->lock);
    assert_true(lane->protocol);
    lane->sent = lane->received; /* what the sender's part would have counted */
    wagi_mutex_unlock(&lane->lock);
    while (!end.ended)
        turn();
    assert_int_equal(end.messages, WAGI_WINDOW);
    assert_int_equal(end.error, WAG_PROTOCOL);
    assert_int_equal(close_and_unref(channel), 0);
}

static void test_a_ticket_that_was_made_up_is_a_message_error_and_the_next_message_arrives(void **state)
{
    (void)state;
    end end = {0};
    wagi_channel *channel = channel_of(1000, WAG_QUEUE_ERROR);
    uint8_t bytes[WAGI_MESSAGE_HEADER + WAGI_MESSAGE_TRANSFER + 1] = {0};
    wagi_message_write_header(bytes, WAGI_MESSAGE_POST, 1, 1);
    wagi_message_write_transfer(bytes + WAGI_MESSAGE_HEADER, 12345, WAGI_TRANSFER_MODULE);
    bytes[WAGI_MESSAGE_HEADER + WAGI_MESSAGE_TRANSFER] = 11; /* a module */
    channel->lanes[WAGI_SIDE_PARENT].sent = 1;
    send_raw(channel, WAGI_SIDE_PARENT, bytes, sizeof bytes);
    receive(channel, WAGI_SIDE_WORKER, &end);
    while (end.error == WAG_OK)
        turn();
    assert_int_equal(end.error, WAG_PROTOCOL);
    assert_int_equal(end.ended, 0);
    ASSERT_OK(wagi_channel_post(channel, WAGI_SIDE_PARENT, WAG_NULL, NULL));
    while (!end.messages)
        turn();
    assert_int_equal(close_and_unref(channel), 0);
}

/* ---- memory, processes ---- */

static void test_without_memory_a_post_takes_no_ticket(void **state)
{
    (void)state;
    size_t modules = wag_live_modules();
    wag_module *module = empty_module();
    wagi_channel *channel = channel_of(1000, WAG_QUEUE_ERROR);
    wag_err err = WAG_NOMEM;
    for (uint64_t successes = 0; err != WAG_OK; successes++) {
        assert_true(successes < 100);
        wagi_alloc_fail_after(successes);
        err = wagi_channel_post(channel, WAGI_SIDE_PARENT, WAG_MODULE(module), NULL);
        wagi_alloc_fail_after(UINT64_MAX);
        assert_int_equal(wagi_tickets_live(channel->tickets), err == WAG_OK);
    }
    assert_int_equal(close_and_unref(channel), 1);
    wag_module_unref(module);
    assert_int_equal(wag_live_modules(), modules);
}

static void test_without_memory_a_message_is_a_message_error(void **state)
{
    (void)state;
    size_t modules = wag_live_modules();
    wag_module *module = empty_module();
    wagi_channel *channel = channel_of(1000, WAG_QUEUE_ERROR);
    end end = {0};
    ASSERT_OK(wagi_channel_post(channel, WAGI_SIDE_PARENT, WAG_MODULE(module), NULL));
    receive(channel, WAGI_SIDE_WORKER, &end);
    wagi_alloc_fail_after(0);
    while (end.error == WAG_OK && !end.messages)
        turn();
    wagi_alloc_fail_after(UINT64_MAX);
    assert_int_equal(end.error, WAG_NOMEM);
    assert_int_equal(end.messages, 0);
    close_and_unref(channel);
    wag_module_unref(module);
    assert_int_equal(wag_live_modules(), modules);
}

static void test_a_forked_child_gets_an_error_instead_of_an_abort(void **state)
{
    (void)state;
    wagi_channel *channel = channel_of(1, WAG_QUEUE_ERROR);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        wagi_channel_options options = {wag_agent_current()->cluster, 1, WAG_QUEUE_ERROR};
        wagi_channel *mine = NULL;
        wag_error *error = NULL;
        wag_err err = wagi_channel_new(&options, &mine, &error);
        _exit(err == WAG_SYSTEM && strstr(wag_error_message(error), "fork") ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close_and_unref(channel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_directions_keep_their_order),
        cmocka_unit_test(test_finish_is_told_after_the_last_message),
        cmocka_unit_test(test_close_drops_what_was_not_delivered_and_counts_it),
        cmocka_unit_test(test_a_handler_may_close_the_channel_it_is_called_by),
        cmocka_unit_test(test_a_side_that_refuses_loses_what_comes),
        cmocka_unit_test(test_messages_are_held_back_while_paused),
        cmocka_unit_test(test_the_queue_is_full_at_n_plus_1_wherever_the_messages_are),
        cmocka_unit_test(test_drop_oldest_drops_the_oldest_and_keeps_the_books),
        cmocka_unit_test(test_a_post_that_blocks_ends_when_it_is_interrupted),
        cmocka_unit_test(test_a_malformed_message_ends_the_direction_after_what_came_before),
        cmocka_unit_test(test_more_messages_than_the_window_end_the_direction),
        cmocka_unit_test(test_a_ticket_that_was_made_up_is_a_message_error_and_the_next_message_arrives),
        cmocka_unit_test(test_without_memory_a_post_takes_no_ticket),
        cmocka_unit_test(test_without_memory_a_message_is_a_message_error),
        cmocka_unit_test(test_a_forked_child_gets_an_error_instead_of_an_abort),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    wag_agent_close();
    return failed;
}

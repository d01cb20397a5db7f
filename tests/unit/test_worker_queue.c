/* Workers: the queue's policies when it is full, and how a post that waits ends. */
#include "tests/support/workers.h"

/* ---- the queue ---- */

static void wait_then_echo(wag_worker_scope *self, void *context)
{
    gate_wait(context);
    wag_scope_on_message(self, echo, self);
}

static void test_a_full_queue_is_an_error_by_default(void **state)
{
    (void)state;
    static gate gate;
    gate_init(&gate);
    collected got = {.all = wag_array()};
    wag_worker_options options = {.entry = wait_then_echo, .context = &gate, .queue_messages = 3};
    got.worker = worker_with(&options);
    for (int i = 0; i < 3; i++)
        ASSERT_OK(wag_worker_post_message(got.worker, WAG_NUMBER(i), NULL));
    size_t full = wag_worker_buffered_amount(got.worker);
    wag_error *error = NULL;
    ASSERT_ERR(wag_worker_post_message(got.worker, WAG_NUMBER(3), &error), WAG_QUEUE_FULL);
    assert_class(error, WAG_CLASS_RANGE_ERROR);
    assert_int_equal(wag_worker_buffered_amount(got.worker), full);
    gate_open(&gate);
    wag_worker_on_message(got.worker, stop_after_three, &got);
    ASSERT_OK(wag_agent_run());
    wag_value_unref(got.all);
    wag_worker_free(got.worker);
}

static void test_drop_oldest_keeps_the_newest_messages(void **state)
{
    (void)state;
    /* 3: all of them have left when they are dropped. 100: some are still in the list. */
    for (int limit = 3; limit <= 100; limit += 97) {
        static gate gate;
        gate_init(&gate);
        collected got = {.all = wag_array()};
        wag_worker_options options = {.entry = wait_then_echo,
                                      .context = &gate,
                                      .queue_messages = (size_t)limit,
                                      .queue_policy = WAG_QUEUE_DROP_OLDEST};
        got.worker = worker_with(&options);
        for (int i = 0; i < 1000; i++)
            ASSERT_OK(wag_worker_post_message(got.worker, WAG_NUMBER(i), NULL));
        size_t each = wag_worker_buffered_amount(got.worker) / (size_t)limit;
        assert_int_equal(wag_worker_buffered_amount(got.worker), each * (size_t)limit);
        gate_open(&gate);
        wag_worker_on_message(got.worker, collect, &got);
        while (wag_value_size(got.all) < (size_t)limit)
            turn();
        for (int i = 0; i < limit; i++)
            assert_int_equal((int)wag_array_at(got.all, (size_t)i).of.number, 1000 - limit + i);
        wag_promise_exit_unref(wag_worker_terminate(got.worker));
        wag_exit end = exit_of(got.worker);
        assert_int_equal(end.discarded_messages, 1000 - limit);
        wag_value_unref(got.all);
    }
}

/* Posts `count` numbers with the policy that blocks. */
typedef struct flood {
    int count, posted;
    wag_err last;
    gate started;
} flood;

static void flood_entry(wag_worker_scope *self, void *context)
{
    flood *flood = context;
    for (; flood->posted < flood->count; flood->posted++) {
        flood->last = wag_scope_post_message(self, WAG_NUMBER(flood->posted), NULL);
        if (flood->last != WAG_OK)
            break;
        if (flood->posted == 0)
            gate_open(&flood->started);
    }
}

static void test_a_post_that_blocks_waits_for_room(void **state)
{
    (void)state;
    static flood flood;
    flood = (struct flood){.count = 2000};
    gate_init(&flood.started);
    collected got = {.all = wag_array()};
    wag_worker_options options = {
        .entry = flood_entry, .context = &flood, .queue_messages = 5, .queue_policy = WAG_QUEUE_BLOCK};
    wag_worker *worker = worker_with(&options);
    wag_worker_on_message(worker, collect, &got);
    wag_exit end = exit_of(worker);
    assert_int_equal(end.discarded_messages, 0);
    assert_int_equal(flood.posted, 2000);
    assert_int_equal(wag_value_size(got.all), 2000);
    for (int i = 0; i < 2000; i++)
        assert_true(wag_array_at(got.all, (size_t)i).of.number == i);
    wag_value_unref(got.all);
}

static void test_terminate_ends_a_post_that_blocks(void **state)
{
    (void)state;
    static flood flood;
    flood = (struct flood){.count = 2000};
    gate_init(&flood.started);
    wag_worker_options options = {
        .entry = flood_entry, .context = &flood, .queue_messages = 5, .queue_policy = WAG_QUEUE_BLOCK};
    wag_worker *worker = worker_with(&options);
    gate_wait(&flood.started); /* nobody receives: it gets stuck at the fifth */
    wag_promise_exit_unref(wag_worker_terminate(worker));
    wag_exit end = exit_of(worker);
    assert_true(end.terminated);
    assert_true(flood.last == WAG_INTERRUPTED || flood.last == WAG_TERMINATED || flood.last == WAG_CLOSED ||
                flood.posted == 2000);
    assert_int_equal(end.discarded_messages, flood.posted);
}

static void wait_then_end(wag_worker_scope *self, void *context)
{
    (void)self;
    gate_wait(context);
}

static void *open_gate(void *context)
{
    gate_open(context);
    return NULL;
}

static void test_a_post_that_blocks_ends_when_the_worker_has_ended(void **state)
{
    (void)state;
    static gate gate;
    gate_init(&gate);
    wag_worker_options options = {
        .entry = wait_then_end, .context = &gate, .queue_messages = 1, .queue_policy = WAG_QUEUE_BLOCK};
    wag_worker *worker = worker_with(&options);
    ASSERT_OK(wag_worker_post_message(worker, WAG_NULL, NULL));
    pthread_t opener;
    assert_int_equal(pthread_create(&opener, NULL, open_gate, &gate), 0);
    wag_err err = wag_worker_post_message(worker, WAG_NULL, NULL);
    /* OK: the worker had ended before this post began to wait. */
    assert_true(err == WAG_CLOSED || err == WAG_OK);
    pthread_join(opener, NULL);
    ASSERT_OK(wag_worker_post_message(worker, WAG_NULL, NULL)); /* dropped, as HTML has it */
    wag_exit end = exit_of(worker);
    assert_int_equal(end.discarded_messages, err == WAG_OK ? 3 : 2);
}

static void test_two_sides_that_would_wait_for_each_other_do_not(void **state)
{
    (void)state;
    static flood flood;
    flood = (struct flood){.count = 100};
    gate_init(&flood.started);
    wag_worker_options options = {
        .entry = flood_entry, .context = &flood, .queue_messages = 2, .queue_policy = WAG_QUEUE_BLOCK};
    wag_worker *worker = worker_with(&options);
    gate_wait(&flood.started);
    wag_err err = WAG_OK;
    for (int i = 0; i < 100 && err == WAG_OK; i++)
        err = wag_worker_post_message(worker, WAG_NULL, NULL);
    /* One of the two gives way; if it was the worker, it ended, and with it this side's wait. */
    assert_true(err == WAG_QUEUE_FULL || err == WAG_CLOSED || err == WAG_OK);
    if (err == WAG_QUEUE_FULL)
        wag_promise_exit_unref(wag_worker_terminate(worker));
    else
        assert_int_equal(flood.last, WAG_QUEUE_FULL);
    exit_of(worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKER_TEST(test_a_full_queue_is_an_error_by_default),
        WORKER_TEST(test_drop_oldest_keeps_the_newest_messages),
        WORKER_TEST(test_a_post_that_blocks_waits_for_room),
        WORKER_TEST(test_terminate_ends_a_post_that_blocks),
        WORKER_TEST(test_a_post_that_blocks_ends_when_the_worker_has_ended),
        WORKER_TEST(test_two_sides_that_would_wait_for_each_other_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

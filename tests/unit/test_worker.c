/* Workers: messages both ways, the queue's policies, the ways to end, errors, what is left over (nothing). */
#include "tests/support/check.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/error.h"

static int count_fds(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static wag_worker *worker_with(const wag_worker_options *options)
{
    wag_worker *worker = NULL;
    wag_error *error = NULL;
    if (wag_worker_new(options, &worker, &error) != WAG_OK)
        fail_msg("wag_worker_new: %s", wag_error_message(error));
    return worker;
}

static wag_worker *worker_of(wag_worker_entry entry, void *context)
{
    wag_worker_options options = {.entry = entry, .context = context};
    return worker_with(&options);
}

/* Wait for the end of a worker and free it. */
static wag_exit exit_of(wag_worker *worker)
{
    wag_exit result;
    wag_promise_exit *exited = wag_worker_exited(worker);
    ASSERT_OK(wag_await(exited, &result, NULL));
    wag_promise_exit_unref(exited);
    wag_worker_free(worker);
    return result;
}

/* One turn of the loop, when there is something to do. */
static void turn(void)
{
    struct pollfd item = {.fd = wag_agent_fd(), .events = POLLIN};
    assert_int_equal(poll(&item, 1, 60000), 1);
    wag_agent_turn();
}

/* A flag that one thread waits for and another one sets. */
typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
} gate;
#define GATE_INIT                                                                                                      \
    {                                                                                                                  \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false                                                     \
    }

static void gate_open(gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static void gate_wait(gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

/* ---- messages ---- */

static void echo(void *context, wag_value message)
{
    wag_scope_post_message(context, message, NULL);
}

static void echo_entry(wag_worker_scope *self, void *context)
{
    (void)context;
    wag_scope_on_message(self, echo, self);
}

enum { WORKERS = 4, MESSAGES = 3000, IN_FLIGHT = 200 };

typedef struct conversation {
    wag_worker *worker;
    int sent, received, out_of_order;
} conversation;

static void converse(void *context, wag_value message)
{
    conversation *talk = context;
    if (message.kind != WAG_VALUE_NUMBER || message.of.number != talk->received)
        talk->out_of_order++;
    talk->received++;
    if (talk->sent < MESSAGES && wag_worker_post_message(talk->worker, WAG_NUMBER(talk->sent), NULL) == WAG_OK)
        talk->sent++;
    if (talk->received == MESSAGES)
        wag_promise_exit_unref(wag_worker_terminate(talk->worker));
}

static void test_four_workers_echo_thousands_of_messages_in_order(void **state)
{
    (void)state;
    conversation talks[WORKERS] = {0};
    for (int i = 0; i < WORKERS; i++) {
        talks[i].worker = worker_of(echo_entry, NULL);
        wag_worker_on_message(talks[i].worker, converse, &talks[i]);
        for (; talks[i].sent < IN_FLIGHT; talks[i].sent++)
            ASSERT_OK(wag_worker_post_message(talks[i].worker, WAG_NUMBER(talks[i].sent), NULL));
    }
    ASSERT_OK(wag_agent_run());
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(talks[i].received, MESSAGES);
        assert_int_equal(talks[i].out_of_order, 0);
        assert_int_equal(wag_worker_buffered_amount(talks[i].worker), 0);
        wag_exit end = exit_of(talks[i].worker);
        assert_true(end.terminated);
        assert_int_equal(end.discarded_messages, 0);
    }
}

typedef struct collected {
    wag_value all; /* an array */
    wag_worker *worker;
} collected;

static void collect(void *context, wag_value message)
{
    wag_array_push(((collected *)context)->all, wag_value_ref(message));
}

static void post_three_and_end(wag_worker_scope *self, void *context)
{
    (void)context;
    for (int i = 0; i < 3; i++)
        wag_scope_post_message(self, WAG_NUMBER(i), NULL);
}

static void test_a_worker_that_ends_by_itself_delivers_its_messages_first(void **state)
{
    (void)state;
    collected got = {.all = wag_array()};
    wag_worker *worker = worker_of(post_three_and_end, NULL);
    wag_worker_on_message(worker, collect, &got);
    wag_exit end = exit_of(worker);
    assert_false(end.terminated);
    assert_int_equal(end.discarded_messages, 0);
    assert_int_equal(wag_value_size(got.all), 3);
    for (int i = 0; i < 3; i++)
        assert_true(wag_array_at(got.all, (size_t)i).of.number == i);
    wag_value_unref(got.all);
}

static void test_without_a_handler_the_messages_of_an_ended_worker_are_counted_as_discarded(void **state)
{
    (void)state;
    wag_exit end = exit_of(worker_of(post_three_and_end, NULL));
    assert_false(end.terminated);
    assert_int_equal(end.discarded_messages, 3);
}

static void late_handler(void *context)
{
    wag_scope_on_message(context, echo, context);
}

static void handle_later(wag_worker_scope *self, void *context)
{
    gate_wait(context);
    wag_timer_start(1, late_handler, self, NULL);
}

static void stop_after_three(void *context, wag_value message)
{
    collect(context, message);
    collected *got = context;
    if (wag_value_size(got->all) == 3)
        wag_promise_exit_unref(wag_worker_terminate(got->worker));
}

static void test_messages_wait_for_the_handler(void **state)
{
    (void)state;
    gate gate = GATE_INIT;
    collected got = {.all = wag_array(), .worker = worker_of(handle_later, &gate)};
    for (int i = 0; i < 3; i++)
        ASSERT_OK(wag_worker_post_message(got.worker, WAG_NUMBER(i), NULL));
    assert_true(wag_worker_buffered_amount(got.worker) > 0);
    gate_open(&gate);
    wag_worker_on_message(got.worker, stop_after_three, &got);
    ASSERT_OK(wag_agent_run());
    assert_int_equal(wag_value_size(got.all), 3);
    wag_value_unref(got.all);
    wag_worker_free(got.worker);
}

/* Takes the handler off after each message; a timer puts it on again. */
typedef struct shy {
    wag_worker *worker;
    int received, out_of_order, without_handler;
    bool has_handler;
} shy;

static void shy_message(void *context, wag_value message);

static void shy_again(void *context)
{
    shy *shy = context;
    shy->has_handler = true;
    wag_worker_on_message(shy->worker, shy_message, shy);
}

static void shy_message(void *context, wag_value message)
{
    shy *shy = context;
    if (!shy->has_handler)
        shy->without_handler++;
    if (message.of.number != shy->received++)
        shy->out_of_order++;
    if (shy->received == 150) {
        wag_promise_exit_unref(wag_worker_terminate(shy->worker));
        return;
    }
    shy->has_handler = false;
    wag_worker_on_message(shy->worker, NULL, NULL);
    wag_timer_start(0, shy_again, shy, NULL);
}

static void test_a_handler_can_be_taken_off_and_put_on_without_losing_the_order(void **state)
{
    (void)state;
    shy shy = {.worker = worker_of(echo_entry, NULL)};
    shy_again(&shy);
    for (int i = 0; i < 150; i++)
        ASSERT_OK(wag_worker_post_message(shy.worker, WAG_NUMBER(i), NULL));
    ASSERT_OK(wag_agent_run());
    assert_int_equal(shy.received, 150);
    assert_int_equal(shy.out_of_order, 0);
    assert_int_equal(shy.without_handler, 0);
    wag_worker_free(shy.worker);
}

static void test_a_value_of_every_kind_crosses_and_comes_back_equal(void **state)
{
    (void)state;
    wag_module *module = module_of("(module (func (export \"f\")))");
    collected got = {.all = wag_array(), .worker = worker_of(echo_entry, NULL)};
    wag_value value = wag_map(), list = wag_array();
    wag_array_push(list, WAG_UNDEFINED);
    wag_array_push(list, WAG_NULL);
    wag_array_push(list, WAG_BOOL(true));
    wag_array_push(list, WAG_BIGINT(INT64_MIN));
    wag_array_push(list, wag_value_ref(WAG_MODULE(module)));
    wag_array_push(list, wag_value_ref(WAG_MODULE(module)));
    wag_map_set(value, "list", list);
    wag_map_set(value, "again", wag_value_ref(list));
    wag_map_set(value, "text", wag_string("d\303\251j\303\240 vu"));
    wag_map_set(value, "bytes", wag_bytes_value((wag_bytes){(const uint8_t *)"\0\1\2", 3}));
    ASSERT_OK(wag_worker_post_message(got.worker, value, NULL));
    ASSERT_OK(wag_worker_post_message(got.worker, value, NULL));
    ASSERT_OK(wag_worker_post_message(got.worker, value, NULL));
    wag_worker_on_message(got.worker, stop_after_three, &got);
    ASSERT_OK(wag_agent_run());
    for (size_t i = 0; i < 3; i++)
        assert_true(wag_value_equal(wag_array_at(got.all, i), value));
    wag_value_unref(value);
    wag_value_unref(got.all);
    wag_worker_free(got.worker);
    wag_module_unref(module);
}

static void test_what_cannot_be_cloned_fails_at_the_sender_and_leaves_nothing(void **state)
{
    (void)state;
    size_t modules = wag_live_modules();
    wag_module *module = module_of("(module (func (export \"f\")))");
    wag_worker *worker = worker_of(echo_entry, NULL);
    wag_memory *memory = NULL;
    ASSERT_OK(wag_memory_new(1, 1, &memory, NULL));
    wag_value value = wag_array();
    wag_array_push(value, wag_value_ref(WAG_MODULE(module)));
    wag_array_push(value, wag_value_ref(WAG_MEMORY(memory)));
    wag_error *error = NULL;
    ASSERT_ERR(wag_worker_post_message(worker, value, &error), WAG_DATA_CLONE);
    assert_string_equal(wag_error_message(error), "message[1]: a memory that is not shared cannot be cloned");
    assert_class(error, WAG_CLASS_DATA_CLONE_ERROR);
    assert_int_equal(wag_worker_buffered_amount(worker), 0);
    wag_value_unref(value);
    wag_memory_unref(memory);
    wag_module_unref(module);
    assert_int_equal(wag_live_modules(), modules);
    wag_worker_free(worker);
}

/* ---- modules ---- */

static void run_module(void *context, wag_value message)
{
    wag_worker_scope *self = context;
    wag_imports *imports = wag_imports_new();
    wag_imports_set(imports, "env", "id", WAG_NUMBER(wag_scope_name(self)[0] - '0'));
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    wag_val result = WAG_VAL_I32(-1);
    if (wag_instance_new(message.of.module, imports, &instance, &error) == WAG_OK)
        wag_call(wag_exports_func(wag_instance_exports(instance), "f"), NULL, 0, &result, 1, &error);
    if (error)
        wag_scope_report_error(self, error);
    wag_error_unref(error);
    wag_instance_unref(instance);
    wag_imports_unref(imports);
    wag_scope_post_message(self, WAG_NUMBER(result.of.i32), NULL);
    wag_scope_close(self);
}

static void module_entry(wag_worker_scope *self, void *context)
{
    (void)context;
    wag_scope_on_message(self, run_module, self);
}

static void test_one_module_runs_in_four_workers_with_imports_of_their_own(void **state)
{
    (void)state;
    size_t modules = wag_live_modules();
    wag_module *module =
        module_of("(module (import \"env\" \"id\" (global i32)) (func (export \"f\") (result i32) (i32.add "
                  "(global.get 0) (i32.const 40))))");
    wag_worker *workers[WORKERS];
    collected got[WORKERS];
    static const char *const names[WORKERS] = {"1", "2", "3", "4"};
    for (int i = 0; i < WORKERS; i++) {
        wag_worker_options options = {.entry = module_entry, .name = names[i]};
        workers[i] = worker_with(&options);
        got[i].all = wag_array();
        wag_worker_on_message(workers[i], collect, &got[i]);
        ASSERT_OK(wag_worker_post_message(workers[i], WAG_MODULE(module), NULL));
    }
    wag_module_unref(module);
    for (int i = 0; i < WORKERS; i++) {
        wag_exit end = exit_of(workers[i]);
        assert_false(end.terminated);
        assert_int_equal(wag_value_size(got[i].all), 1);
        assert_true(wag_array_at(got[i].all, 0).of.number == 41 + i);
        wag_value_unref(got[i].all);
    }
    assert_int_equal(wag_live_modules(), modules);
}

static void message_error(void *context, const wag_error *error)
{
    wag_worker_scope *self = context;
    wag_scope_post_message(self, WAG_NUMBER(wag_error_code(error)), NULL);
    wag_scope_close(self);
}

static void message_error_entry(wag_worker_scope *self, void *context)
{
    (void)context;
    wag_scope_on_message(self, echo, self);
    wag_scope_on_message_error(self, message_error, self);
}

static void test_a_module_of_another_cluster_is_a_message_error(void **state)
{
    (void)state;
    size_t modules = wag_live_modules();
    wag_cluster *cluster = NULL;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    wag_bytes bytes = wat("(module)");
    wag_module *module = NULL;
    ASSERT_OK(wag_module_new(bytes, &(wag_compile_options){.cluster = cluster}, &module, NULL));
    wat_free(bytes);
    collected got = {.all = wag_array()};
    wag_worker *worker = worker_of(message_error_entry, NULL);
    wag_worker_on_message(worker, collect, &got);
    ASSERT_OK(wag_worker_post_message(worker, WAG_MODULE(module), NULL));
    wag_module_unref(module);
    exit_of(worker);
    assert_int_equal(wag_value_size(got.all), 1);
    assert_true(wag_array_at(got.all, 0).of.number == WAG_DATA_CLONE);
    wag_value_unref(got.all);
    wag_cluster_unref(cluster);
    assert_int_equal(wag_live_modules(), modules);
}

/* ---- the queue ---- */

static void wait_then_echo(wag_worker_scope *self, void *context)
{
    gate_wait(context);
    wag_scope_on_message(self, echo, self);
}

static void test_a_full_queue_is_an_error_by_default(void **state)
{
    (void)state;
    gate gate = GATE_INIT;
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
        gate gate = GATE_INIT;
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
    flood flood = {.count = 2000, .started = GATE_INIT};
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
    flood flood = {.count = 2000, .started = GATE_INIT};
    wag_worker_options options = {
        .entry = flood_entry, .context = &flood, .queue_messages = 5, .queue_policy = WAG_QUEUE_BLOCK};
    wag_worker *worker = worker_with(&options);
    gate_wait(&flood.started); /* nobody receives: it gets stuck at the fifth */
    wag_promise_exit_unref(wag_worker_terminate(worker));
    wag_exit end = exit_of(worker);
    assert_true(end.terminated);
    assert_true(flood.last == WAG_INTERRUPTED || flood.last == WAG_CLOSED || flood.posted == 2000);
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
    gate gate = GATE_INIT;
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
    flood flood = {.count = 100, .started = GATE_INIT};
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

/* ---- ends ---- */

typedef struct spin {
    wag_module *module;
    gate started;
    wag_err result;
    bool through_host;
} spin;

static wag_error *spin_started(void *context, const wag_val *args, wag_val *results)
{
    (void)args;
    (void)results;
    gate_open(&((spin *)context)->started);
    return NULL;
}

static void spin_entry(wag_worker_scope *self, void *context)
{
    (void)self;
    spin *spin = context;
    wag_imports *imports = wag_imports_new();
    wag_instance *instance = NULL;
    wag_imports_set_func(imports, "env", "started", "() -> ()", spin_started, spin, NULL);
    spin->result = wag_instance_new(spin->module, imports, &instance, NULL);
    wag_imports_unref(imports);
    if (spin->result == WAG_OK)
        spin->result =
            wag_call(wag_exports_func(wag_instance_exports(instance), spin->through_host ? "host_loop" : "loop"), NULL,
                     0, NULL, 0, NULL);
    wag_instance_unref(instance);
    if (spin->result != WAG_OK)
        gate_open(&spin->started); /* or the test would wait for ever */
}

static wag_module *spin_module(void)
{
    return module_of("(module (import \"env\" \"started\" (func $started))"
                     "(func (export \"loop\") (call $started) (loop $l (br $l)))"
                     "(func (export \"host_loop\") (loop $l (call $started) (br $l))))");
}

static void test_terminate_stops_a_wasm_loop_and_one_through_the_host(void **state)
{
    (void)state;
    size_t modules = wag_live_modules();
    for (int i = 0; i < 2; i++) {
        spin spin = {.module = spin_module(), .started = GATE_INIT, .through_host = i == 1};
        wag_worker *worker = worker_of(spin_entry, &spin);
        gate_wait(&spin.started);
        wag_promise_exit *promise = wag_worker_terminate(worker);
        wag_exit result;
        ASSERT_OK(wag_await(promise, &result, NULL));
        assert_true(result.terminated);
        assert_int_equal(spin.result, WAG_TERMINATED);
        wag_promise_exit_unref(promise);
        wag_worker_free(worker);
        wag_module_unref(spin.module);
    }
    assert_int_equal(wag_live_modules(), modules);
}

/* Comes back to wasm again and again although it is interrupted: the interrupt must stay. */
static void stubborn_entry(wag_worker_scope *self, void *context)
{
    (void)self;
    spin *spin = context;
    for (int i = 0; i < 3; i++)
        spin_entry(self, spin);
}

static void test_terminate_is_for_good(void **state)
{
    (void)state;
    spin spin = {.module = spin_module(), .started = GATE_INIT};
    wag_worker *worker = worker_of(stubborn_entry, &spin);
    gate_wait(&spin.started);
    wag_worker_free(worker);
    assert_int_equal(spin.result, WAG_TERMINATED);
    wag_module_unref(spin.module);
}

typedef struct interrupted {
    wag_agent *agent;
    spin spin;
    bool lived_on;
} interrupted;

static void interrupted_entry(wag_worker_scope *self, void *context)
{
    interrupted *test = context;
    test->agent = wag_agent_current();
    spin_entry(self, &test->spin);
    test->lived_on = true;
    wag_scope_on_message(self, echo, self);
}

static void test_an_interrupt_ends_what_runs_but_not_the_worker(void **state)
{
    (void)state;
    interrupted test = {.spin = {.module = spin_module(), .started = GATE_INIT}};
    collected got = {.all = wag_array(), .worker = worker_of(interrupted_entry, &test)};
    gate_wait(&test.spin.started);
    wag_agent_interrupt(test.agent);
    for (int i = 0; i < 3; i++)
        ASSERT_OK(wag_worker_post_message(got.worker, WAG_NUMBER(i), NULL));
    wag_worker_on_message(got.worker, stop_after_three, &got);
    ASSERT_OK(wag_agent_run());
    assert_true(test.lived_on);
    assert_int_equal(test.spin.result, WAG_INTERRUPTED);
    wag_value_unref(got.all);
    wag_worker_free(got.worker);
    wag_module_unref(test.spin.module);
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void test_terminating_at_random_moments_leaves_nothing_behind(void **state)
{
    (void)state;
    size_t modules = wag_live_modules();
    wag_module *module = module_of("(module (func (export \"f\")))");
    wag_worker_free(worker_of(echo_entry, NULL)); /* nng keeps descriptors of its own from its first use on */
    int fds = count_fds();
    uint32_t random = 42;
    for (int round = 0; round < 200; round++) {
        wag_worker *worker = worker_of(echo_entry, NULL);
        collected got = {.all = wag_array()};
        if (next_random(&random) % 4)
            wag_worker_on_message(worker, collect, &got);
        size_t posts = next_random(&random) % 100, turns = next_random(&random) % 200;
        for (size_t i = 0; i < posts; i++)
            ASSERT_OK(wag_worker_post_message(worker, WAG_MODULE(module), NULL));
        for (size_t i = 0; i < turns; i++)
            wag_agent_turn();
        size_t arrived = wag_value_size(got.all);
        if (next_random(&random) % 2) {
            wag_promise_exit_unref(wag_worker_terminate(worker));
            wag_exit end = exit_of(worker);
            assert_true(end.terminated);
            assert_int_equal(arrived, wag_value_size(got.all));        /* nothing is delivered after terminate */
            assert_int_equal(end.discarded_messages + arrived, posts); /* each is somewhere, once */
        } else {
            wag_worker_free(worker);
        }
        wag_value_unref(got.all);
    }
    wag_module_unref(module);
    assert_int_equal(wag_live_modules(), modules);
    assert_int_equal(count_fds(), fds);
}

typedef struct closing {
    int received;
} closing;

static void close_at_first(void *context, wag_value message)
{
    (void)message;
    wag_worker_scope *self = context;
    wag_scope_post_message(self, WAG_NUMBER(1), NULL);
    wag_scope_close(self);
    wag_scope_post_message(self, WAG_NUMBER(2), NULL); /* the current task finishes */
}

static void closing_entry(wag_worker_scope *self, void *context)
{
    gate_wait(context);
    wag_scope_on_message(self, close_at_first, self);
}

static void test_close_finishes_the_task_and_runs_no_other(void **state)
{
    (void)state;
    gate gate = GATE_INIT;
    collected got = {.all = wag_array()};
    wag_worker *worker = worker_of(closing_entry, &gate);
    wag_worker_on_message(worker, collect, &got);
    for (int i = 0; i < 10; i++)
        ASSERT_OK(wag_worker_post_message(worker, WAG_NULL, NULL));
    gate_open(&gate);
    wag_exit end = exit_of(worker);
    assert_false(end.terminated);
    assert_int_equal(wag_value_size(got.all), 2);
    assert_int_equal(end.discarded_messages, 9);
    wag_value_unref(got.all);
}

static void free_at_first(void *context, wag_value message)
{
    (void)message;
    wag_worker **worker = context;
    wag_worker_free(*worker);
    *worker = NULL;
}

static void test_a_handler_may_free_its_worker(void **state)
{
    (void)state;
    wag_worker *worker = worker_of(echo_entry, NULL);
    wag_worker_on_message(worker, free_at_first, &worker);
    for (int i = 0; i < 100; i++)
        ASSERT_OK(wag_worker_post_message(worker, WAG_NULL, NULL));
    ASSERT_OK(wag_agent_run());
    assert_null(worker);
}

static void test_exited_and_terminate_give_the_same_promise_again_and_again(void **state)
{
    (void)state;
    wag_worker *worker = worker_of(echo_entry, NULL);
    wag_promise_exit *a = wag_worker_exited(worker), *b = wag_worker_terminate(worker),
                     *c = wag_worker_terminate(worker);
    assert_ptr_equal(a, b);
    assert_ptr_equal(a, c);
    wag_worker_free(worker); /* joins, and settles it */
    assert_int_equal(wag_poll(a), WAG_FULFILLED);
    wag_promise_exit_unref(a);
    wag_promise_exit_unref(b);
    wag_promise_exit_unref(c);
    ASSERT_OK(wag_agent_run());
}

/* A thread whose agent ends with workers in all states. */
static void *abandon_workers(void *context)
{
    wag_worker *worker;
    wag_module *module = context;
    bool ok = true;
    for (int i = 0; i < 4; i++) {
        wag_worker_options options = {.entry = i % 2 ? echo_entry : post_three_and_end};
        ok = ok && wag_worker_new(&options, &worker, NULL) == WAG_OK &&
             wag_worker_post_message(worker, WAG_MODULE(module), NULL) == WAG_OK;
    }
    wag_agent_turn();
    return ok ? context : NULL; /* the agent ends with the thread */
}

static void test_workers_are_joined_when_their_parents_thread_ends(void **state)
{
    (void)state;
    size_t modules = wag_live_modules();
    wag_module *module = module_of("(module)");
    int fds = count_fds();
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        void *result = NULL;
        assert_int_equal(pthread_create(&thread, NULL, abandon_workers, module), 0);
        pthread_join(thread, &result);
        assert_ptr_equal(result, module);
    }
    wag_module_unref(module);
    assert_int_equal(wag_live_modules(), modules);
    assert_int_equal(count_fds(), fds);
}

static void relay(void *context, wag_value message)
{
    wag_scope_post_message(context, message, NULL);
}

/* A worker with a worker of its own; it ends with that one still alive. */
static void outer_entry(wag_worker_scope *self, void *context)
{
    wag_worker *inner = NULL;
    wag_worker_options options = {.entry = echo_entry};
    if (wag_worker_new(&options, &inner, NULL) != WAG_OK)
        return;
    wag_worker_on_message(inner, relay, self);
    wag_worker_post_message(inner, WAG_NUMBER(7), NULL);
    *(bool *)context = true;
}

static void test_workers_can_have_workers(void **state)
{
    (void)state;
    bool made = false;
    collected got = {.all = wag_array(), .worker = worker_of(outer_entry, &made)};
    wag_worker_on_message(got.worker, collect, &got);
    while (wag_value_size(got.all) == 0)
        turn();
    assert_true(made);
    assert_true(wag_array_at(got.all, 0).of.number == 7);
    wag_worker_free(got.worker);
    wag_value_unref(got.all);
}

/* ---- errors ---- */

static wag_error *boom(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    (void)args;
    (void)results;
    return wag_error_new(WAG_CLASS_RANGE_ERROR, "boom");
}

/* One error reported, one promise rejected; then it lives on. */
static void failing_entry(wag_worker_scope *self, void *context)
{
    (void)context;
    wag_error *error = boom(NULL, NULL, NULL);
    wag_scope_report_error(self, error);
    wag_error_unref(error);
    wag_promise_source_unref(wag_instantiate_bytes((wag_bytes){(const uint8_t *)"nonsense", 8}, NULL));
    wag_scope_on_message(self, echo, self);
}

typedef struct errors {
    wag_worker *worker;
    int range, compile, messages;
} errors;

static void errors_message(void *context, wag_value message)
{
    (void)message;
    ((errors *)context)->messages++;
}

static void errors_error(void *context, const wag_error *error)
{
    errors *errors = context;
    errors->range += wag_error_get_class(error) == WAG_CLASS_RANGE_ERROR;
    errors->compile += wag_error_get_class(error) == WAG_CLASS_COMPILE_ERROR;
}

static void test_uncaught_errors_and_rejections_reach_the_parent_and_the_worker_lives(void **state)
{
    (void)state;
    errors errors = {.worker = worker_of(failing_entry, NULL)};
    wag_worker_on_message(errors.worker, errors_message, &errors);
    wag_worker_on_error(errors.worker, errors_error, &errors);
    while (!errors.compile)
        turn();
    assert_int_equal(errors.range, 1);
    ASSERT_OK(wag_worker_post_message(errors.worker, WAG_NULL, NULL));
    while (!errors.messages)
        turn();
    assert_int_equal(errors.compile, 1);
    wag_worker_free(errors.worker);
}

typedef struct foreign {
    wag_worker *worker;
    wag_err post, handler;
    bool others;
} foreign;

static void *use_foreign_worker(void *context)
{
    foreign *foreign = context;
    foreign->post = wag_worker_post_message(foreign->worker, WAG_NULL, NULL);
    foreign->handler = wag_worker_on_message(foreign->worker, collect, NULL);
    foreign->others = wag_worker_terminate(foreign->worker) == NULL && wag_worker_exited(foreign->worker) == NULL &&
                      wag_worker_buffered_amount(foreign->worker) == 0;
    wag_worker_free(foreign->worker); /* does nothing */
    return NULL;
}

static void remember_scope(wag_worker_scope *self, void *context)
{
    *(wag_worker_scope **)context = self;
    wag_scope_on_message(self, echo, self);
    wag_scope_post_message(self, WAG_NULL, NULL);
}

static void test_only_the_parents_thread_may_use_a_worker_and_only_the_worker_its_scope(void **state)
{
    (void)state;
    wag_worker_scope *scope = NULL;
    collected got = {.all = wag_array()};
    foreign foreign = {.worker = worker_of(remember_scope, &scope)};
    wag_worker_on_message(foreign.worker, collect, &got);
    while (wag_value_size(got.all) == 0)
        turn();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, use_foreign_worker, &foreign), 0);
    pthread_join(thread, NULL);
    assert_int_equal(foreign.post, WAG_WRONG_AGENT);
    assert_int_equal(foreign.handler, WAG_WRONG_AGENT);
    assert_true(foreign.others);
    ASSERT_ERR(wag_scope_post_message(scope, WAG_NULL, NULL), WAG_WRONG_AGENT);
    ASSERT_ERR(wag_scope_on_message(scope, NULL, NULL), WAG_WRONG_AGENT);
    assert_int_equal(wag_scope_buffered_amount(scope), 0);
    wag_scope_close(scope); /* does nothing */
    ASSERT_OK(wag_worker_post_message(foreign.worker, WAG_NULL, NULL));
    while (wag_value_size(got.all) == 1)
        turn();
    wag_worker_free(foreign.worker);
    wag_value_unref(got.all);
}

static void test_a_worker_without_an_entry_is_a_type_error(void **state)
{
    (void)state;
    wag_worker *worker = NULL;
    wag_error *error = NULL;
    ASSERT_ERR(wag_worker_new(&(wag_worker_options){0}, &worker, &error), WAG_TYPE);
    assert_class(error, WAG_CLASS_TYPE_ERROR);
    ASSERT_ERR(wag_worker_new(NULL, &worker, NULL), WAG_TYPE);
    assert_null(worker);
    wag_worker_free(NULL);
}

static void test_without_memory_a_worker_is_made_or_not_but_nothing_leaks(void **state)
{
    (void)state;
    wag_module *module = module_of("(module)");
    size_t modules = wag_live_modules();
    int fds = count_fds();
    bool made = false;
    for (uint64_t successes = 0; !made && successes < 200; successes++) {
        wag_worker *worker = NULL;
        wagi_alloc_fail_after(successes);
        wag_err err = wag_worker_new(&(wag_worker_options){.entry = echo_entry}, &worker, NULL);
        if (err == WAG_OK)
            wag_worker_post_message(worker, WAG_MODULE(module), NULL);
        wagi_alloc_fail_after(UINT64_MAX);
        assert_true(err == WAG_OK || err == WAG_NOMEM);
        made = err == WAG_OK && successes > 60;
        wag_worker_free(worker);
    }
    assert_true(made);
    assert_int_equal(wag_live_modules(), modules);
    assert_int_equal(count_fds(), fds);
    wag_module_unref(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_four_workers_echo_thousands_of_messages_in_order),
        cmocka_unit_test(test_a_worker_that_ends_by_itself_delivers_its_messages_first),
        cmocka_unit_test(test_without_a_handler_the_messages_of_an_ended_worker_are_counted_as_discarded),
        cmocka_unit_test(test_messages_wait_for_the_handler),
        cmocka_unit_test(test_a_handler_can_be_taken_off_and_put_on_without_losing_the_order),
        cmocka_unit_test(test_a_value_of_every_kind_crosses_and_comes_back_equal),
        cmocka_unit_test(test_what_cannot_be_cloned_fails_at_the_sender_and_leaves_nothing),
        cmocka_unit_test(test_one_module_runs_in_four_workers_with_imports_of_their_own),
        cmocka_unit_test(test_a_module_of_another_cluster_is_a_message_error),
        cmocka_unit_test(test_a_full_queue_is_an_error_by_default),
        cmocka_unit_test(test_drop_oldest_keeps_the_newest_messages),
        cmocka_unit_test(test_a_post_that_blocks_waits_for_room),
        cmocka_unit_test(test_terminate_ends_a_post_that_blocks),
        cmocka_unit_test(test_a_post_that_blocks_ends_when_the_worker_has_ended),
        cmocka_unit_test(test_two_sides_that_would_wait_for_each_other_do_not),
        cmocka_unit_test(test_terminate_stops_a_wasm_loop_and_one_through_the_host),
        cmocka_unit_test(test_terminate_is_for_good),
        cmocka_unit_test(test_an_interrupt_ends_what_runs_but_not_the_worker),
        cmocka_unit_test(test_terminating_at_random_moments_leaves_nothing_behind),
        cmocka_unit_test(test_close_finishes_the_task_and_runs_no_other),
        cmocka_unit_test(test_a_handler_may_free_its_worker),
        cmocka_unit_test(test_exited_and_terminate_give_the_same_promise_again_and_again),
        cmocka_unit_test(test_workers_are_joined_when_their_parents_thread_ends),
        cmocka_unit_test(test_workers_can_have_workers),
        cmocka_unit_test(test_uncaught_errors_and_rejections_reach_the_parent_and_the_worker_lives),
        cmocka_unit_test(test_only_the_parents_thread_may_use_a_worker_and_only_the_worker_its_scope),
        cmocka_unit_test(test_a_worker_without_an_entry_is_a_type_error),
        cmocka_unit_test(test_without_memory_a_worker_is_made_or_not_but_nothing_leaks),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    wag_agent_close(); /* what workers that were freed have left in the loop */
    return failed;
}

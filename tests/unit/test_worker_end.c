/* Workers: the ways to end, at any moment, and what is left over (nothing). */
#include "tests/support/workers.h"

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

static void test_P_09_terminate_stops_a_wasm_loop_and_one_through_the_host(void **state)
{
    (void)state;
    size_t modules = wag_live_modules();
    for (int i = 0; i < 2; i++) {
        static spin spin;
        spin = (struct spin){.module = spin_module(), .through_host = i == 1};
        gate_init(&spin.started);
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
    static spin spin;
    spin = (struct spin){.module = spin_module()};
    gate_init(&spin.started);
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
    static interrupted test;
    test = (interrupted){.spin = {.module = spin_module()}};
    gate_init(&test.spin.started);
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
    long fds = count_descriptors();
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
    assert_int_equal(count_descriptors(), fds);
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

static void test_P_10_close_finishes_the_task_and_runs_no_other(void **state)
{
    (void)state;
    static gate gate;
    gate_init(&gate);
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
    long fds = count_descriptors();
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        void *result = NULL;
        assert_int_equal(pthread_create(&thread, NULL, abandon_workers, module), 0);
        pthread_join(thread, &result);
        assert_ptr_equal(result, module);
    }
    wag_module_unref(module);
    assert_int_equal(wag_live_modules(), modules);
    assert_int_equal(count_descriptors(), fds);
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
    static bool made;
    made = false;
    collected got = {.all = wag_array(), .worker = worker_of(outer_entry, &made)};
    wag_worker_on_message(got.worker, collect, &got);
    while (wag_value_size(got.all) == 0)
        turn();
    assert_true(made);
    assert_true(wag_array_at(got.all, 0).of.number == 7);
    wag_worker_free(got.worker);
    wag_value_unref(got.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKER_TEST(test_P_09_terminate_stops_a_wasm_loop_and_one_through_the_host),
        WORKER_TEST(test_terminate_is_for_good),
        WORKER_TEST(test_an_interrupt_ends_what_runs_but_not_the_worker),
        WORKER_TEST(test_terminating_at_random_moments_leaves_nothing_behind),
        WORKER_TEST(test_P_10_close_finishes_the_task_and_runs_no_other),
        WORKER_TEST(test_a_handler_may_free_its_worker),
        WORKER_TEST(test_exited_and_terminate_give_the_same_promise_again_and_again),
        WORKER_TEST(test_workers_are_joined_when_their_parents_thread_ends),
        WORKER_TEST(test_workers_can_have_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

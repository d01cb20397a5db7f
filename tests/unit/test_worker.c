/* Workers: messages both ways, modules, errors, who may use a worker. */
#include "tests/support/workers.h"

#include "base/alloc.h"
#include "base/error.h"

enum { WORKERS = 4, MESSAGES = 3000, IN_FLIGHT = 200 };

/* ---- messages ---- */

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

static void test_P_07_messages_wait_for_the_handler(void **state)
{
    (void)state;
    static gate gate;
    gate_init(&gate);
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

static void test_I_16_one_module_runs_in_four_workers_with_imports_of_their_own(void **state)
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

static void test_P_11_uncaught_errors_and_rejections_reach_the_parent_and_the_worker_lives(void **state)
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
    static wag_worker_scope *scope;
    scope = NULL;
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
    assert_non_null(wag_agent_current()); /* it has descriptors */
    size_t modules = wag_live_modules();
    long fds = count_descriptors();
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
    assert_int_equal(count_descriptors(), fds);
    wag_module_unref(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKER_TEST(test_four_workers_echo_thousands_of_messages_in_order),
        WORKER_TEST(test_a_worker_that_ends_by_itself_delivers_its_messages_first),
        WORKER_TEST(test_without_a_handler_the_messages_of_an_ended_worker_are_counted_as_discarded),
        WORKER_TEST(test_P_07_messages_wait_for_the_handler),
        WORKER_TEST(test_a_handler_can_be_taken_off_and_put_on_without_losing_the_order),
        WORKER_TEST(test_a_value_of_every_kind_crosses_and_comes_back_equal),
        WORKER_TEST(test_what_cannot_be_cloned_fails_at_the_sender_and_leaves_nothing),
        WORKER_TEST(test_I_16_one_module_runs_in_four_workers_with_imports_of_their_own),
        WORKER_TEST(test_a_module_of_another_cluster_is_a_message_error),
        WORKER_TEST(test_P_11_uncaught_errors_and_rejections_reach_the_parent_and_the_worker_lives),
        WORKER_TEST(test_only_the_parents_thread_may_use_a_worker_and_only_the_worker_its_scope),
        WORKER_TEST(test_a_worker_without_an_entry_is_a_type_error),
        WORKER_TEST(test_without_memory_a_worker_is_made_or_not_but_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* P-07 to P-11: workers, their messages and their ports. One test per statement, named by its id. */
#include "tests/support/ports.h"

/* The worker answers through the port of the first message; "leave" ends it. */
static wag_port *worker_port; /* the worker's thread's, one worker at a time */
static void talk(void *context, wag_value message)
{
    if (message.kind == WAG_VALUE_STRING && strcmp(wag_value_text(message).data, "leave") == 0) {
        wag_scope_close(context);
        return;
    }
    wag_port_post_message(worker_port, message, NULL);
}

static void first_message(void *context, const wag_message_event *event)
{
    if (!event->port_count)
        return;
    worker_port = event->ports[0].of.port;
    wag_port_on_message(worker_port, talk, context); /* it holds itself now */
    wag_port_post_message(worker_port, event->data, NULL);
}

static void port_entry(wag_worker_scope *self, void *context)
{
    (void)context;
    wag_scope_on_message_event(self, first_message, self);
}

static void test_P_07_the_parent_may_post_before_the_worker_runs_and_a_port_makes_its_own_way(void **state)
{
    (void)state;
    pair pair = channel();
    listen_to(&pair.a);
    post(pair.a.port, "early");
    wag_worker *worker = worker_of(port_entry, NULL);
    wag_value item = WAG_PORT(pair.b.port), hello = wag_string("hello");
    ASSERT_OK(wag_worker_post_transfer(worker, hello, &item, 1, NULL));
    post(pair.a.port, "late");
    until(&pair.a, "hello,early,late");
    post(pair.a.port, "leave");
    until(&pair.a, "hello,early,late,close"); /* its agent has ended */
    wag_worker_free(worker);
    wag_value_unref(hello);
    close_pair(&pair);
}

static void spin_with_port(void *context, const wag_message_event *event)
{
    (void)context;
    wag_port_ref(event->ports[0].of.port);
    wag_port_post_message(event->ports[0].of.port, WAG_NUMBER(1), NULL);
    wag_instance *instance = NULL;
    if (wag_instance_new(event->data.of.module, NULL, &instance, NULL) == WAG_OK)
        wag_call(wag_exports_func(wag_instance_exports(instance), "spin"), NULL, 0, NULL, 0, NULL);
    wag_instance_unref(instance);
}

static void spin_entry(wag_worker_scope *self, void *context)
{
    (void)context;
    wag_scope_on_message_event(self, spin_with_port, self);
}

static void test_P_08_terminate_closes_the_ports_of_the_worker_and_those_on_their_way_to_it(void **state)
{
    (void)state;
    wag_module *module = module_of("(module (func (export \"spin\") (loop br 0)))");
    pair one = channel(), two = channel();
    listen_to(&one.a);
    listen_to(&two.a);
    wag_worker *worker = worker_of(spin_entry, NULL);
    wag_value item = WAG_PORT(one.b.port);
    ASSERT_OK(wag_worker_post_transfer(worker, WAG_MODULE(module), &item, 1, NULL));
    until(&one.a, "1"); /* it spins */
    item = WAG_PORT(two.b.port);
    ASSERT_OK(wag_worker_post_transfer(worker, WAG_MODULE(module), &item, 1, NULL));
    wag_promise_exit_unref(wag_worker_terminate(worker));
    until(&one.a, "1,close");
    until(&two.a, "close");
    wag_worker_free(worker);
    wag_module_unref(module);
    close_pair(&one);
    close_pair(&two);
}

static void wait_in_post(void *context, const wag_message_event *event)
{
    (void)context;
    wag_err err = WAG_OK;
    wag_port *port = wag_port_ref(event->ports[0].of.port);
    for (int i = 0; err == WAG_OK; i++)
        err = wag_port_post_message(port, WAG_NUMBER(i), NULL);
    wag_port_unref(port);
}

static void wait_entry(wag_worker_scope *self, void *context)
{
    (void)context;
    wag_scope_on_message_event(self, wait_in_post, self);
}

static void test_P_09_terminate_stops_a_worker_that_waits_for_room_in_a_port(void **state)
{
    (void)state;
    pair pair = channel_with(&(wag_channel_options){.queue_messages = 3, .queue_policy = WAG_QUEUE_BLOCK});
    wag_worker *worker = worker_of(wait_entry, NULL);
    wag_value item = WAG_PORT(pair.b.port);
    ASSERT_OK(wag_worker_post_transfer(worker, WAG_NULL, &item, 1, NULL));
    inbox *box = &pair.a;
    listen_to(box);
    until(box, "0");
    wag_port_on_message(box->port, NULL, NULL); /* it waits soon, or does already */
    wag_promise_exit_unref(wag_worker_terminate(worker));
    wag_worker_free(worker); /* joins */
    close_pair(&pair);
}

static void keep_port(void *context, const wag_message_event *event)
{
    (void)context;
    wag_port_ref(event->ports[0].of.port); /* never started: its messages wait */
}

static void keep_entry(wag_worker_scope *self, void *context)
{
    (void)context;
    wag_scope_on_message_event(self, keep_port, self);
}

static void test_P_14_a_deadline_or_an_interrupt_ends_a_post_that_waits_and_is_answered_by_it(void **state)
{
    (void)state;
    pair pair = channel_with(&(wag_channel_options){.queue_messages = 1, .queue_policy = WAG_QUEUE_BLOCK});
    wag_worker *worker = worker_of(keep_entry, NULL);
    wag_value item = WAG_PORT(pair.b.port);
    ASSERT_OK(wag_worker_post_transfer(worker, WAG_NULL, &item, 1, NULL));
    ASSERT_OK(wag_port_post_message(pair.a.port, WAG_NUMBER(0), NULL));
    ASSERT_OK(wag_agent_set_deadline(wag_deadline_in(1000000)));
    ASSERT_ERR(wag_port_post_message(pair.a.port, WAG_NUMBER(1), NULL), WAG_DEADLINE);
    ASSERT_OK(wag_agent_stop_reason());
    assert_true(wag_agent_deadline() == WAG_NO_DEADLINE);
    wag_agent_interrupt(wag_agent_current());
    ASSERT_ERR(wag_port_post_message(pair.a.port, WAG_NUMBER(2), NULL), WAG_INTERRUPTED);
    ASSERT_OK(wag_agent_stop_reason());
    wag_worker_free(worker);
    close_pair(&pair);
}

static void close_in_message(void *context, wag_value message)
{
    wag_scope_close(context);
    wag_scope_post_message(context, message, NULL); /* the task that called it goes on */
}

static void close_entry(wag_worker_scope *self, void *context)
{
    (void)context;
    wag_scope_on_message(self, close_in_message, self);
}

static void log_number(void *context, wag_value message)
{
    on_event(context, &(wag_message_event){.data = message});
}

static void test_P_10_after_close_from_inside_no_further_message_is_handled(void **state)
{
    (void)state;
    inbox box = {0};
    wag_worker *worker = worker_of(close_entry, NULL);
    wag_worker_on_message(worker, log_number, &box);
    for (int i = 0; i < 5; i++)
        ASSERT_OK(wag_worker_post_message(worker, WAG_NUMBER(i), NULL));
    wag_exit end = exit_of(worker);
    assert_false(end.terminated);
    assert_string_equal(box.log, "0");
    assert_int_equal(end.discarded_messages, 4);
}

static void report_and_answer(void *context, wag_value message)
{
    wag_error *error = wag_error_new(WAG_CLASS_RANGE_ERROR, "oops");
    wag_scope_report_error(context, error);
    wag_error_unref(error);
    wag_scope_post_message(context, message, NULL);
}

static void report_entry(wag_worker_scope *self, void *context)
{
    (void)context;
    wag_scope_on_message(self, report_and_answer, self);
}

static void test_P_11_an_error_reaches_the_parent_and_the_worker_lives_on(void **state)
{
    (void)state;
    inbox box = {0}, errors = {0};
    wag_worker *worker = worker_of(report_entry, NULL);
    wag_worker_on_message(worker, log_number, &box);
    wag_worker_on_error(worker, on_error, &errors);
    for (int i = 0; i < 2; i++)
        ASSERT_OK(wag_worker_post_message(worker, WAG_NUMBER(i), NULL));
    until(&box, "0,1");
    until(&errors, "RangeError,RangeError");
    wag_worker_free(worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_P_07_the_parent_may_post_before_the_worker_runs_and_a_port_makes_its_own_way),
        cmocka_unit_test(test_P_08_terminate_closes_the_ports_of_the_worker_and_those_on_their_way_to_it),
        cmocka_unit_test(test_P_09_terminate_stops_a_worker_that_waits_for_room_in_a_port),
        cmocka_unit_test(test_P_14_a_deadline_or_an_interrupt_ends_a_post_that_waits_and_is_answered_by_it),
        cmocka_unit_test(test_P_10_after_close_from_inside_no_further_message_is_handled),
        cmocka_unit_test(test_P_11_an_error_reaches_the_parent_and_the_worker_lives_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Promises: settle once, reactions as jobs in order, awaits, rejections without a handler, ends of agents; and the
 * promise-returning functions on top of compile threads: order, copies, failures, agents that end first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/promise.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/os.h"
#include "waggle.h"

/* (module) */
static const uint8_t empty_module[] = {0, 'a', 's', 'm', 1, 0, 0, 0};

static int fresh_agent(void **state)
{
    (void)state;
    return wag_agent_close() == WAG_OK ? 0 : -1;
}

typedef struct trace {
    char text[128];
} trace;

static void add(trace *trace, const char *word)
{
    strncat(trace->text, word, sizeof trace->text - strlen(trace->text) - 1);
}

static void on_exit_first(void *context, wag_exit const *result, const wag_error *error)
{
    char word[32];
    snprintf(word, sizeof word, "1:%s%zu ", error ? "error" : "", result ? result->discarded_messages : 0);
    add(context, word);
}

static void on_exit_second(void *context, wag_exit const *result, const wag_error *error)
{
    (void)result, (void)error;
    add(context, "2 ");
}

static void test_a_promise_settles_once_and_keeps_its_result(void **state)
{
    (void)state;
    wag_promise_exit *promise = wagi_promise_exit_new();
    wag_exit result = {0};
    assert_int_equal(wag_poll(promise), WAG_PENDING);
    assert_true(wagi_promise_exit_resolve(promise, (wag_exit){true, 7}));
    assert_int_equal(wag_poll(promise), WAG_FULFILLED);
    assert_false(wagi_promise_exit_resolve(promise, (wag_exit){false, 8}));
    assert_false(wagi_promise_exit_reject(promise, wagi_error_new(WAG_CLOSED, NULL)));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wag_await(promise, &result, NULL), WAG_OK);
        assert_int_equal(result.discarded_messages, 7);
    }
    assert_int_equal(wag_await(promise, NULL, NULL), WAG_OK);
    wag_promise_unref(promise);
}

static void test_reactions_run_as_jobs_in_order_each_once(void **state)
{
    (void)state;
    trace trace = {""};
    wag_promise_exit *promise = wagi_promise_exit_new();
    assert_int_equal(wag_then(promise, on_exit_first, &trace), WAG_OK);
    assert_int_equal(wag_then(promise, on_exit_second, &trace), WAG_OK);
    assert_int_equal(wag_then(promise, NULL, &trace), WAG_TYPE);
    wagi_promise_exit_resolve(promise, (wag_exit){false, 3});
    assert_string_equal(trace.text, "");
    assert_int_equal(wag_then(promise, on_exit_second, &trace), WAG_OK);
    assert_string_equal(trace.text, "");
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_string_equal(trace.text, "1:3 2 2 ");
    wag_promise_unref(promise);
}

static void test_a_settled_promise_lives_until_its_reactions_have_run(void **state)
{
    (void)state;
    trace trace = {""};
    wag_promise_exit *promise = wagi_promise_exit_new();
    assert_int_equal(wag_then(promise, on_exit_first, &trace), WAG_OK);
    wagi_promise_exit_resolve(promise, (wag_exit){false, 5});
    wag_promise_unref(promise);
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_string_equal(trace.text, "1:5 ");
}

static void test_a_pending_promise_that_nobody_holds_goes_with_its_reactions(void **state)
{
    (void)state;
    trace trace = {""};
    wag_promise_exit *promise = wagi_promise_exit_new();
    assert_int_equal(wag_then(promise, on_exit_first, &trace), WAG_OK);
    wag_promise_unref(promise);
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_string_equal(trace.text, "");
}

/* ---- await ---- */

static void resolve_it(void *promise)
{
    wagi_promise_exit_resolve(promise, (wag_exit){false, 11});
}

static void test_await_runs_the_loop_until_the_promise_settles(void **state)
{
    (void)state;
    wag_promise_exit *promise = wagi_promise_exit_new();
    wag_exit result;
    assert_int_equal(wag_timer_start(1, resolve_it, promise, NULL), WAG_OK);
    assert_int_equal(wag_await(promise, &result, NULL), WAG_OK);
    assert_int_equal(result.discarded_messages, 11);
    wag_promise_unref(promise);
}

static void test_await_says_when_nothing_can_settle_the_promise(void **state)
{
    (void)state;
    wag_promise_exit *promise = wagi_promise_exit_new();
    wag_exit result;
    wag_error *error = NULL;
    assert_int_equal(wag_await(promise, &result, &error), WAG_TYPE);
    assert_int_equal(wag_error_code(error), WAG_TYPE);
    wag_error_unref(error);
    assert_int_equal(wag_poll(promise), WAG_PENDING);
    wag_promise_unref(promise);
    assert_int_equal(wag_promise_exit_await(NULL, -1, &result, NULL), WAG_TYPE);
    wag_promise_exit_unref(NULL);
}

static void nothing(void *context)
{
    (void)context;
}

static void again(void *context)
{
    (void)context;
    wag_timer_start(0, again, NULL, NULL);
}

static void test_await_ends_at_its_deadline_idle_or_busy_and_the_promise_lives_on(void **state)
{
    (void)state;
    wag_promise_exit *promise = wagi_promise_exit_new();
    wag_exit result;
    assert_int_equal(wag_timer_start(3600000, nothing, NULL, NULL), WAG_OK);
    assert_int_equal(wag_await_for(promise, 0, &result, NULL), WAG_TIMEOUT);
    assert_int_equal(wag_await_for(promise, 2, &result, NULL), WAG_TIMEOUT);
    again(NULL); /* from now on there is always a task to run */
    assert_int_equal(wag_await_for(promise, 2, &result, NULL), WAG_TIMEOUT);
    resolve_it(promise);
    assert_int_equal(wag_await_for(promise, 0, &result, NULL), WAG_OK);
    wag_promise_unref(promise);
}

static void *interrupt_main(void *agent)
{
    wag_agent_interrupt(agent);
    return NULL;
}

static void test_await_ends_when_the_agent_is_interrupted(void **state)
{
    (void)state;
    wag_promise_exit *promise = wagi_promise_exit_new();
    wag_exit result;
    pthread_t thread;
    assert_int_equal(wag_timer_start(3600000, nothing, NULL, NULL), WAG_OK);
    assert_int_equal(pthread_create(&thread, NULL, interrupt_main, wag_agent_current()), 0);
    assert_int_equal(wag_await(promise, &result, NULL), WAG_INTERRUPTED);
    pthread_join(thread, NULL);
    assert_false(wag_agent_interrupted());
    wag_promise_unref(promise);
}

typedef struct nested {
    wag_promise_exit *first, *second;
    wag_err inner;
} nested;

static void await_second(void *context)
{
    nested *nested = context;
    wag_exit result;
    nested->inner = wag_await(nested->second, &result, NULL);
    resolve_it(nested->first);
}

static void resolve_second(void *context)
{
    resolve_it(((nested *)context)->second);
}

static void test_awaits_nest_inside_tasks(void **state)
{
    (void)state;
    nested nested = {wagi_promise_exit_new(), wagi_promise_exit_new(), WAG_TYPE};
    wag_exit result;
    assert_int_equal(wag_timer_start(0, await_second, &nested, NULL), WAG_OK);
    assert_int_equal(wag_timer_start(1, resolve_second, &nested, NULL), WAG_OK);
    assert_int_equal(wag_await(nested.first, &result, NULL), WAG_OK);
    assert_int_equal(nested.inner, WAG_OK);
    wag_promise_unref(nested.first);
    wag_promise_unref(nested.second);
}

/* ---- rejections ---- */

static void report(void *context, const wag_error *error)
{
    add(context, wag_error_message(error));
    add(context, " ");
}

static void reject_it(void *promise)
{
    wagi_promise_exit_reject(promise, wag_error_new(WAG_CLASS_ERROR, "late"));
}

static void test_rejections_without_a_reaction_are_reported_once_in_order(void **state)
{
    (void)state;
    trace trace = {""}, reactions = {""};
    assert_int_equal(wag_on_unhandled_rejection(report, &trace), WAG_OK);
    wag_promise_exit *promises[4];
    for (int i = 0; i < 4; i++) {
        promises[i] = wagi_promise_exit_new();
        if (i == 1)
            assert_int_equal(wag_then(promises[i], on_exit_first, &reactions), WAG_OK);
        wagi_promise_exit_reject(promises[i], wag_error_new(WAG_CLASS_ERROR, "e%d", i));
    }
    assert_int_equal(wag_then(promises[2], on_exit_first, &reactions), WAG_OK); /* in time: the same task */
    assert_string_equal(trace.text, "");
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_string_equal(trace.text, "e0 e3 ");
    assert_string_equal(reactions.text, "1:error0 1:error0 ");
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_string_equal(trace.text, "e0 e3 ");
    for (int i = 0; i < 4; i++)
        wag_promise_unref(promises[i]);
}

static void test_an_awaited_rejection_is_handled_but_a_timed_out_await_handles_nothing(void **state)
{
    (void)state;
    trace trace = {""};
    wag_exit result;
    wag_error *error = NULL;
    assert_int_equal(wag_on_unhandled_rejection(report, &trace), WAG_OK);
    wag_promise_exit *promise = wagi_promise_exit_new();
    assert_int_equal(wag_timer_start(0, reject_it, promise, NULL), WAG_OK);
    assert_int_equal(wag_await(promise, &result, &error), WAG_HOST);
    assert_string_equal(wag_error_message(error), "late");
    wag_error_unref(error);
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_string_equal(trace.text, "");
    wag_promise_unref(promise);

    promise = wagi_promise_exit_new();
    assert_int_equal(wag_timer_start(5, reject_it, promise, NULL), WAG_OK);
    assert_int_equal(wag_await_for(promise, 0, &result, NULL), WAG_TIMEOUT);
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_string_equal(trace.text, "late ");
    wag_promise_unref(promise);
}

typedef struct outer {
    wag_promise_exit *rejected, *awaited;
    trace *trace, *reactions;
} outer;

static void reject_then_await_then_handle(void *context)
{
    outer *outer = context;
    wag_exit result;
    wagi_promise_exit_reject(outer->rejected, wag_error_new(WAG_CLASS_ERROR, "mine"));
    wag_timer_start(0, resolve_it, outer->awaited, NULL);
    wag_await(outer->awaited, &result, NULL);
    add(outer->trace, "awaited ");
    wag_then(outer->rejected, on_exit_first, outer->reactions);
}

static void test_a_nested_turn_does_not_report_what_the_unfinished_task_rejected(void **state)
{
    (void)state;
    trace trace = {""}, reactions = {""};
    assert_int_equal(wag_on_unhandled_rejection(report, &trace), WAG_OK);
    outer outer = {wagi_promise_exit_new(), wagi_promise_exit_new(), &trace, &reactions};
    assert_int_equal(wag_timer_start(0, reject_then_await_then_handle, &outer, NULL), WAG_OK);
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_string_equal(trace.text, "awaited ");
    assert_string_equal(reactions.text, "1:error0 ");
    wag_promise_unref(outer.rejected);
    wag_promise_unref(outer.awaited);
}

/* ---- threads ---- */

typedef struct stranger {
    wag_promise_exit *promise;
    wag_err then, await;
    wag_promise_state state;
} stranger;

static void *stranger_main(void *context)
{
    stranger *stranger = context;
    wag_exit result;
    stranger->then = wag_then(stranger->promise, on_exit_first, NULL);
    stranger->await = wag_await(stranger->promise, &result, NULL);
    stranger->state = wag_poll(stranger->promise);
    wag_promise_exit_ref(stranger->promise);
    wag_promise_unref(stranger->promise);
    wag_promise_unref(stranger->promise);
    return NULL;
}

static void test_another_threads_promise_is_refused_and_unchanged(void **state)
{
    (void)state;
    stranger stranger = {.promise = wagi_promise_exit_new()};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stranger_main, &stranger), 0);
    pthread_join(thread, NULL);
    assert_int_equal(stranger.then, WAG_WRONG_AGENT);
    assert_int_equal(stranger.await, WAG_WRONG_AGENT);
    assert_int_equal(stranger.state, WAG_PENDING);
    assert_int_equal(stranger.promise->core.count, 1);
    wag_promise_unref(stranger.promise);
}

typedef struct foreign {
    wag_imports *imports;
    wag_err bytes, module;
} foreign;

static void *foreign_main(void *context)
{
    foreign *foreign = context;
    wag_bytes bytes = {empty_module, sizeof empty_module};
    wag_instantiated_source pair;
    wag_instance *instance;
    wag_module *module = NULL;
    wag_promise_source *source = wag_instantiate_bytes(bytes, foreign->imports);
    foreign->bytes = wag_await(source, &pair, NULL);
    wag_promise_unref(source);
    if (wag_module_new(bytes, NULL, &module, NULL) != WAG_OK)
        return NULL;
    wag_promise_instance *promise = wag_instantiate_module(module, foreign->imports);
    foreign->module = wag_await(promise, &instance, NULL);
    wag_promise_unref(promise);
    wag_module_unref(module);
    return NULL;
}

static void test_another_threads_import_object_rejects(void **state)
{
    (void)state;
    foreign foreign = {.imports = wag_imports_new()};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, foreign_main, &foreign), 0);
    pthread_join(thread, NULL);
    assert_int_equal(foreign.bytes, WAG_WRONG_AGENT);
    assert_int_equal(foreign.module, WAG_WRONG_AGENT);
    wag_imports_unref(foreign.imports);
}

static void test_promises_die_with_their_agent(void **state)
{
    (void)state;
    trace trace = {""};
    wag_promise_exit *pending = wagi_promise_exit_new(), *rejected = wagi_promise_exit_new();
    assert_int_equal(wag_then(pending, on_exit_first, &trace), WAG_OK);
    wagi_promise_exit_reject(rejected, wag_error_new(WAG_CLASS_ERROR, "x"));
    assert_int_equal(wag_then(rejected, on_exit_first, &trace), WAG_OK);
    assert_int_equal(wag_agent_close(), WAG_OK);
    assert_string_equal(trace.text, "");
}

/* ---- compile and instantiate ---- */

static void on_module(void *context, wag_module *const *module, const wag_error *error)
{
    char word[16];
    snprintf(word, sizeof word, "%s%zu ", error ? "error" : "", module ? wag_module_bytes(*module).size : 0);
    add(context, word);
}

/* A module of many functions, so that it takes longer than an empty one. free .data. */
static wag_bytes big_module(void)
{
    enum { FUNCS = 16000 };
    uint8_t *bytes = malloc(16 + 6 + 6 + FUNCS + 6 + FUNCS * 3), *p = bytes;
    memcpy(p, empty_module, 8), p += 8;
    memcpy(p, "\x01\x04\x01\x60\x00\x00", 6), p += 6;
    /* sizes as three-byte LEB128 */
#define LEB3(x) (uint8_t)(((x)&127) | 128), (uint8_t)(((x) >> 7 & 127) | 128), (uint8_t)((x) >> 14 & 127)
    const uint8_t funcs[] = {3, LEB3(FUNCS + 3), LEB3(FUNCS)};
    memcpy(p, funcs, sizeof funcs), p += sizeof funcs;
    memset(p, 0, FUNCS), p += FUNCS;
    const uint8_t code[] = {10, LEB3(FUNCS * 3 + 3), LEB3(FUNCS)};
    memcpy(p, code, sizeof code), p += sizeof code;
    for (int i = 0; i < FUNCS; i++, p += 3)
        memcpy(p, "\x02\x00\x0b", 3);
    return (wag_bytes){bytes, (size_t)(p - bytes)};
}

static void test_compilations_settle_in_call_order_however_long_they_take(void **state)
{
    (void)state;
    wag_cluster *cluster;
    assert_int_equal(wag_cluster_new(&(wag_cluster_options){.compile_threads = 4}, &cluster), WAG_OK);
    wag_compile_options options = {.cluster = cluster};
    size_t modules_before = wag_live_modules();
    trace trace = {""};
    char wanted[sizeof trace.text] = "";
    wag_bytes big = big_module();
    for (int i = 0; i < 12; i++) {
        wag_bytes bytes = i % 4 ? (wag_bytes){empty_module, i % 4 == 3 ? 7 : 8} : big;
        wag_promise_module *promise = wag_compile(bytes, &options);
        assert_int_equal(wag_then(promise, on_module, &trace), WAG_OK);
        wag_promise_unref(promise); /* the work goes on */
        snprintf(wanted + strlen(wanted), 16, i % 4 == 3 ? "error0 " : "%zu ", bytes.size);
    }
    assert_string_equal(trace.text, "");
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_string_equal(trace.text, wanted);
    wag_cluster_unref(cluster);
    free((void *)big.data);
    assert_int_equal(wag_live_modules(), modules_before);
}

static void test_bytes_may_change_after_the_call(void **state)
{
    (void)state;
    uint8_t bytes[sizeof empty_module];
    memcpy(bytes, empty_module, sizeof bytes);
    wag_promise_module *promise = wag_compile((wag_bytes){bytes, sizeof bytes}, NULL);
    memset(bytes, 0xff, sizeof bytes);
    wag_module *module = NULL;
    assert_int_equal(wag_await(promise, &module, NULL), WAG_OK);
    assert_memory_equal(wag_module_bytes(module).data, empty_module, sizeof empty_module);
    wag_module_unref(module);
    wag_promise_unref(promise);
}

static void test_bad_arguments_reject_and_never_fail_in_the_call(void **state)
{
    (void)state;
    wag_module *module = NULL;
    wag_promise_module *promise = wag_compile((wag_bytes){NULL, 4}, NULL);
    assert_int_equal(wag_poll(promise), WAG_REJECTED);
    assert_int_equal(wag_await(promise, &module, NULL), WAG_TYPE);
    wag_promise_unref(promise);
    promise = wag_compile((wag_bytes){NULL, 0}, NULL);
    wag_error *error = NULL;
    assert_int_not_equal(wag_await(promise, &module, &error), WAG_OK);
    assert_int_equal(wag_error_get_class(error), WAG_CLASS_COMPILE_ERROR);
    wag_error_unref(error);
    wag_promise_unref(promise);
    wag_cluster *cluster;
    assert_int_equal(wag_cluster_new(NULL, &cluster), WAG_OK);
    assert_int_equal(wag_cluster_set_limit(cluster, WAG_LIMIT_module_bytes, 7), WAG_OK);
    promise = wag_compile((wag_bytes){empty_module, 8}, &(wag_compile_options){.cluster = cluster});
    assert_int_equal(wag_await(promise, &module, NULL), WAG_LIMIT);
    wag_promise_unref(promise);
    wag_cluster_unref(cluster);
    /* an import object that is none is found before the bytes are looked at */
    wag_imports *imports = wag_imports_from_value(WAG_NULL);
    wag_instantiated_source pair;
    wag_promise_source *source = wag_instantiate_bytes((wag_bytes){(const uint8_t *)"junk", 4}, imports);
    assert_int_equal(wag_await(source, &pair, NULL), WAG_TYPE);
    wag_promise_unref(source);
    wag_imports_unref(imports);
    wag_instance *instance = NULL;
    wag_promise_instance *instantiated = wag_instantiate_module(NULL, NULL);
    assert_int_equal(wag_await(instantiated, &instance, NULL), WAG_TYPE);
    wag_promise_unref(instantiated);
}

static void test_an_agent_may_end_while_its_modules_compile(void **state)
{
    (void)state;
    wag_bytes big = big_module();
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 4; i++) {
            wag_promise_source *source = wag_instantiate_bytes(i % 2 ? big : (wag_bytes){empty_module, 8}, NULL);
            assert_non_null(source);
            if (i < 2)
                wag_promise_unref(source); /* the others die with the agent */
        }
        for (int i = 0; i < round; i++)
            wag_agent_turn();
        assert_int_equal(wag_agent_close(), WAG_OK);
    }
    free((void *)big.data);
}

static void test_a_cluster_ends_with_its_last_compilation(void **state)
{
    (void)state;
    wag_bytes big = big_module();
    for (int round = 0; round < 10; round++) {
        wag_cluster *cluster;
        assert_int_equal(wag_cluster_new(&(wag_cluster_options){.compile_threads = 2}, &cluster), WAG_OK);
        assert_int_equal(wag_agent_open(cluster), WAG_OK);
        wag_cluster_unref(cluster);
        wag_promise_unref(wag_instantiate_bytes(big, NULL));
        wag_promise_unref(wag_compile(big, NULL));
        assert_int_equal(wag_agent_close(), WAG_OK); /* the pool's threads have the last references */
    }
    free((void *)big.data);
}

static void test_both_overloads_without_memory_reject_or_return_null_and_leak_nothing(void **state)
{
    (void)state;
    wag_module *module = NULL;
    assert_int_equal(wag_module_new((wag_bytes){empty_module, 8}, NULL, &module, NULL), WAG_OK);
    assert_non_null(wag_agent_current());
    for (uint64_t left = 0; left < 12; left++) {
        wagi_alloc_fail_after(left);
        wag_promise_source *source = wag_instantiate_bytes((wag_bytes){empty_module, 8}, NULL);
        wag_promise_instance *instance = wag_instantiate_module(module, NULL);
        wagi_alloc_fail_after(UINT64_MAX);
        assert_int_equal(wag_agent_run(), WAG_OK);
        assert_true(!source || wag_poll(source) != WAG_PENDING);
        assert_true(!instance || wag_poll(instance) != WAG_PENDING);
        wag_promise_source_unref(source);
        wag_promise_instance_unref(instance);
    }
    wag_module_unref(module);
    assert_int_equal(wag_agent_live_objects(), 0);
}

static void on_instance_await_another(void *context, wag_instance *const *instance, const wag_error *error)
{
    (void)instance, (void)error;
    wag_promise_source *promise = wag_instantiate_bytes((wag_bytes){empty_module, 8}, NULL);
    wag_instantiated_source source;
    *(wag_err *)context = wag_await(promise, &source, NULL);
    if (*(wag_err *)context == WAG_OK)
        wag_instantiated_source_unref(source);
    wag_promise_unref(promise);
}

static void test_a_reaction_may_compile_and_await_while_others_are_pending(void **state)
{
    (void)state;
    wag_err inner = WAG_TYPE;
    wag_module *module = NULL;
    assert_int_equal(wag_module_new((wag_bytes){empty_module, 8}, NULL, &module, NULL), WAG_OK);
    wag_promise_module *compiled = wag_compile((wag_bytes){empty_module, 8}, NULL);
    wag_promise_instance *promise = wag_instantiate_module(module, NULL);
    assert_int_equal(wag_then(promise, on_instance_await_another, &inner), WAG_OK);
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_int_equal(inner, WAG_OK);
    assert_int_equal(wag_poll(compiled), WAG_FULFILLED);
    wag_promise_unref(compiled);
    wag_promise_unref(promise);
    wag_module_unref(module);
}

/* (module (import "a" "b" (func)) (func call 0 (loop br 0)) (start 1)) */
static const uint8_t endless_start[] = {0,  'a', 's', 'm', 1, 0,    0, 0, 1,    4,  1, 0x60, 0,   0, 2,
                                        7,  1,   1,   'a', 1, 'b',  0, 0, 3,    2,  1, 0,    8,   1, 1,
                                        10, 11,  1,   9,   0, 0x10, 0, 3, 0x40, 12, 0, 0x0b, 0x0b};

static wag_error *interrupt_self(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)args, (void)results;
    wag_agent_interrupt(wag_agent_current());
    return NULL;
}

static void test_an_endless_start_function_is_stopped_and_the_agent_goes_on(void **state)
{
    (void)state;
    wag_imports *imports = wag_imports_new();
    wag_instantiated_source pair;
    assert_int_equal(wag_imports_set_func(imports, "a", "b", NULL, interrupt_self, NULL, NULL), WAG_OK);
    for (int i = 0; i < 2; i++) {
        wag_promise_source *promise = wag_instantiate_bytes((wag_bytes){endless_start, sizeof endless_start}, imports);
        if (i == 0)
            assert_int_equal(wag_await(promise, &pair, NULL), WAG_INTERRUPTED);
        else
            assert_int_equal(wag_agent_run(), WAG_INTERRUPTED);
        assert_int_equal(wag_poll(promise), WAG_REJECTED);
        assert_false(wag_agent_interrupted());
        wag_promise_unref(promise);
    }
    wag_imports_unref(imports);
    wag_promise_source *promise = wag_instantiate_bytes((wag_bytes){empty_module, sizeof empty_module}, NULL);
    assert_int_equal(wag_await(promise, &pair, NULL), WAG_OK);
    wag_instantiated_source_unref(pair);
    wag_promise_unref(promise);
}

#define AGENT_TEST(test) cmocka_unit_test_setup_teardown(test, fresh_agent, fresh_agent)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AGENT_TEST(test_a_promise_settles_once_and_keeps_its_result),
        AGENT_TEST(test_reactions_run_as_jobs_in_order_each_once),
        AGENT_TEST(test_a_settled_promise_lives_until_its_reactions_have_run),
        AGENT_TEST(test_a_pending_promise_that_nobody_holds_goes_with_its_reactions),
        AGENT_TEST(test_await_runs_the_loop_until_the_promise_settles),
        AGENT_TEST(test_await_says_when_nothing_can_settle_the_promise),
        AGENT_TEST(test_await_ends_at_its_deadline_idle_or_busy_and_the_promise_lives_on),
        AGENT_TEST(test_await_ends_when_the_agent_is_interrupted),
        AGENT_TEST(test_awaits_nest_inside_tasks),
        AGENT_TEST(test_rejections_without_a_reaction_are_reported_once_in_order),
        AGENT_TEST(test_an_awaited_rejection_is_handled_but_a_timed_out_await_handles_nothing),
        AGENT_TEST(test_a_nested_turn_does_not_report_what_the_unfinished_task_rejected),
        AGENT_TEST(test_another_threads_promise_is_refused_and_unchanged),
        AGENT_TEST(test_another_threads_import_object_rejects),
        AGENT_TEST(test_promises_die_with_their_agent),
        AGENT_TEST(test_compilations_settle_in_call_order_however_long_they_take),
        AGENT_TEST(test_bytes_may_change_after_the_call),
        AGENT_TEST(test_bad_arguments_reject_and_never_fail_in_the_call),
        AGENT_TEST(test_an_agent_may_end_while_its_modules_compile),
        AGENT_TEST(test_a_cluster_ends_with_its_last_compilation),
        AGENT_TEST(test_both_overloads_without_memory_reject_or_return_null_and_leak_nothing),
        AGENT_TEST(test_an_endless_start_function_is_stopped_and_the_agent_goes_on),
        AGENT_TEST(test_a_reaction_may_compile_and_await_while_others_are_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* js-api.md A.8: exceptions and tags, EX-01 to EX-05, TAG-01; and what passes through wasm besides. */
#include "tests/support/check.h"

#include <pthread.h>

#include "runtime/agent.h"
#include "tests/support/exceptions.h"

/* What the imported host function does next. */
static struct {
    wag_error *error;         /* own; returned */
    wag_exception *exception; /* thrown */
    wag_func *call;           /* called with 5; its error is returned */
    size_t calls;
} act;

static wag_error *host(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)args, (void)results;
    act.calls++;
    if (act.exception)
        return wag_exception_error(act.exception);
    if (!act.call)
        return wag_error_ref(act.error);
    wag_error *error = NULL;
    wag_val five = WAG_VAL_I32(5);
    wag_call(act.call, &five, 1, NULL, 0, &error);
    return error;
}

static wag_tag *tag;
static wag_instance *instance;

static int setup(void **state)
{
    (void)state;
    memset(&act, 0, sizeof act);
    ASSERT_OK(wag_tag_new("(i32)", &tag, NULL));
    wag_tag *js = wag_tag_js();
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set(imports, "m", "tag", WAG_TAG(tag)));
    ASSERT_OK(wag_imports_set(imports, "m", "js", WAG_TAG(js)));
    ASSERT_OK(wag_imports_set_func(imports, "m", "host", NULL, host, NULL, NULL));
    build b = exceptions_module();
    wag_module *module = NULL;
    wag_error *error = NULL;
    if (wag_module_new(build_bytes(&b), NULL, &module, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    if (wag_instance_new(module, imports, &instance, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    wag_module_unref(module);
    build_free(&b);
    wag_imports_unref(imports);
    wag_tag_unref(js);
    wagi_gc_stress(wag_agent_current(), true);
    return 0;
}

/* Nothing is left but the JSTag. */
static int teardown(void **state)
{
    (void)state;
    wag_error_unref(act.error);
    wag_exception_unref(act.exception);
    wag_instance_unref(instance);
    wag_tag_unref(tag);
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 1);
    assert_true(wagi_gc_check(wag_agent_current()));
    assert_int_equal(wag_agent_close(), WAG_OK);
    return 0;
}

static wag_func *func_of(const char *name)
{
    return wag_exports_func(wag_instance_exports(instance), name);
}

static wag_exception *make(int32_t value)
{
    wag_exception *exception = NULL;
    wag_val arg = WAG_VAL_I32(value);
    ASSERT_OK(wag_exception_new(tag, &arg, 1, &exception, NULL));
    return exception;
}

static wag_err run(const char *name, wag_error **reterr_error)
{
    return wag_call(func_of(name), NULL, 0, NULL, 0, reterr_error);
}

static void test_EX_01_a_payload_of_another_shape_is_a_type_error(void **state)
{
    (void)state;
    wag_exception *exception = NULL;
    wag_val args[] = {WAG_VAL_I32(1), WAG_VAL_I64(2)};
    wag_error *error = NULL;
    ASSERT_ERR(wag_exception_new(tag, args, 0, &exception, &error), WAG_TYPE);
    assert_string_equal(wag_error_message(error), "the tag takes 1 arguments, not 0");
    wag_error_unref(error);
    ASSERT_ERR(wag_exception_new(tag, args, 2, &exception, NULL), WAG_TYPE);
    ASSERT_ERR(wag_exception_new(tag, args + 1, 1, &exception, NULL), WAG_TYPE);
    ASSERT_ERR(wag_exception_new(NULL, args, 1, &exception, NULL), WAG_TYPE);
    wag_tag *js = wag_tag_js();
    wag_val null = WAG_VAL_EXTERN(NULL);
    ASSERT_ERR(wag_exception_new(js, &null, 1, &exception, NULL), WAG_TYPE);
    wag_tag_unref(js);
    assert_null(exception);
}

static void test_EX_02_EX_03_arguments_are_read_with_the_right_tag_only(void **state)
{
    (void)state;
    wag_exception *exception = make(7);
    wag_tag *other = NULL;
    wag_val value;
    ASSERT_OK(wag_tag_new("(i32)", &other, NULL));
    assert_true(wag_exception_is(exception, tag));
    assert_false(wag_exception_is(exception, other));
    assert_false(wag_exception_is(exception, NULL));
    assert_ptr_equal(wag_exception_tag(exception), tag);
    ASSERT_ERR(wag_exception_arg(exception, other, 0, &value), WAG_TYPE);
    ASSERT_ERR(wag_exception_arg(exception, tag, 1, &value), WAG_RANGE);
    ASSERT_OK(wag_exception_arg(exception, tag, 0, &value));
    assert_int_equal(value.of.i32, 7);
    wag_tag_unref(other);
    wag_exception_unref(exception);
}

static void test_TAG_01_the_js_tag_is_one_object(void **state)
{
    (void)state;
    wag_tag *first = wag_tag_js(), *second = wag_tag_js();
    assert_non_null(first);
    assert_ptr_equal(first, second);
    wag_tag_unref(first);
    wag_tag_unref(second);
}

static void test_wasm_catches_what_the_host_throws(void **state)
{
    (void)state;
    act.exception = make(42);
    assert_int_equal(call_i32(instance, "catch"), 42);
    assert_int_equal(call_i32(instance, "catch_all"), 1);
    wag_exception_unref(act.exception);
    act.exception = NULL;
    assert_int_equal(call_i32(instance, "catch"), -1);
    assert_int_equal(call_i32(instance, "catch_all"), 0);
    assert_int_equal(act.calls, 4);
}

static void test_an_uncaught_exception_is_an_error_with_the_exception_in_it(void **state)
{
    (void)state;
    wag_error *error = NULL;
    wag_val arg = WAG_VAL_I32(9), value;
    ASSERT_ERR(wag_call(func_of("throw"), &arg, 1, NULL, 0, &error), WAG_UNCAUGHT_EXCEPTION);
    wag_exception *exception = wag_error_exception(error);
    assert_non_null(exception);
    ASSERT_OK(wag_exception_arg(exception, tag, 0, &value));
    assert_int_equal(value.of.i32, 9);
    assert_int_equal(wag_error_frame_count(error), 1);
    wag_exception_ref(exception);
    wag_error_unref(error);
    ASSERT_OK(wag_exception_arg(exception, tag, 0, &value));
    assert_int_equal(value.of.i32, 9);
    wag_exception_unref(exception);
}

static void test_EX_04_an_exception_keeps_its_identity(void **state)
{
    (void)state;
    act.exception = make(1);
    wag_error *error = NULL;
    ASSERT_ERR(run("pass", &error), WAG_UNCAUGHT_EXCEPTION);
    assert_ptr_equal(wag_error_exception(error), act.exception);
    wag_error_unref(error);
    error = NULL;
    ASSERT_ERR(run("rethrow", &error), WAG_UNCAUGHT_EXCEPTION);
    assert_ptr_equal(wag_error_exception(error), act.exception);
    wag_error_unref(error);
    wag_val value;
    ASSERT_OK(wag_call(func_of("ref"), NULL, 0, &value, 1, NULL));
    assert_int_equal(value.kind, WAG_EXNREF);
    assert_ptr_equal(value.of.exception, act.exception);
    wag_val_unref(value);
}

/* wasm -> host -> wasm that throws; the host returns the error as it is. */
static void test_exceptions_cross_host_frames(void **state)
{
    (void)state;
    act.call = func_of("throw");
    assert_int_equal(call_i32(instance, "catch"), 5);
    act.call = func_of("own");
    assert_int_equal(call_i32(instance, "catch_all"), 1);
    wag_error *error = NULL;
    ASSERT_ERR(wag_call(func_of("catch"), NULL, 0, &(wag_val){0}, 1, &error), WAG_UNCAUGHT_EXCEPTION);
    assert_false(wag_exception_is(wag_error_exception(error), tag));
    wag_tag *own = wag_exports_get(wag_instance_exports(instance), "own_tag").of.tag;
    assert_true(wag_exception_is(wag_error_exception(error), own));
    wag_error_unref(error);
}

static void test_EX_05_a_host_error_is_caught_as_js_tag_and_comes_out_the_same(void **state)
{
    (void)state;
    act.error = wag_error_new(WAG_CLASS_RANGE_ERROR, "too much");
    assert_int_equal(call_i32(instance, "catch_all"), 1);
    wag_val value;
    ASSERT_OK(wag_call(func_of("catch_js"), NULL, 0, &value, 1, NULL));
    assert_int_equal(value.kind, WAG_EXTERNREF);
    const wag_value *inside = wag_extern_host(value.of.ext);
    assert_int_equal(inside->kind, WAG_VALUE_ERROR);
    assert_ptr_equal(inside->of.error, act.error);
    wag_val_unref(value);
    wag_error *error = NULL;
    ASSERT_ERR(run("rethrow", &error), WAG_HOST);
    assert_ptr_equal(error, act.error);
    wag_error_unref(error);
    error = NULL;
    ASSERT_ERR(wag_call(func_of("catch"), NULL, 0, &value, 1, &error), WAG_HOST);
    assert_ptr_equal(error, act.error);
    wag_error_unref(error);
    /* Held as an exnref it is an exception of the JSTag. */
    ASSERT_OK(wag_call(func_of("ref"), NULL, 0, &value, 1, NULL));
    wag_tag *js = wag_tag_js();
    assert_true(wag_exception_is(value.of.exception, js));
    wag_tag_unref(js);
    error = wag_exception_error(value.of.exception);
    assert_ptr_equal(error, act.error);
    wag_error_unref(error);
    wag_val_unref(value);
}

static void test_traps_and_interrupts_are_not_caught(void **state)
{
    (void)state;
    wag_val value;
    ASSERT_ERR(wag_call(func_of("trap"), NULL, 0, &value, 1, NULL), WAG_UNREACHABLE);
    act.error = wagi_error_new(WAG_INTERRUPTED, NULL);
    ASSERT_ERR(wag_call(func_of("catch_all"), NULL, 0, &value, 1, NULL), WAG_INTERRUPTED);
    wag_error_unref(act.error);
    act.error = wagi_error_new(WAG_STACK_OVERFLOW, NULL);
    ASSERT_ERR(wag_call(func_of("catch_all"), NULL, 0, &value, 1, NULL), WAG_STACK_OVERFLOW);
}

static void test_a_tail_call_leaves_the_try_that_it_is_in(void **state)
{
    (void)state;
    act.exception = make(3);
    ASSERT_ERR(run("tail", NULL), WAG_UNCAUGHT_EXCEPTION);
}

static void test_clauses_that_do_not_match_are_passed(void **state)
{
    (void)state;
    wag_val arg = WAG_VAL_I32(10), value;
    ASSERT_OK(wag_call(func_of("nested"), &arg, 1, &value, 1, NULL));
    assert_int_equal(value.of.i32, 11);
}

static void *free_error(void *error)
{
    wag_error_unref(error);
    return NULL;
}

static void test_another_thread_may_free_the_error(void **state)
{
    (void)state;
    wag_error *errors[2] = {NULL, NULL};
    wag_val arg = WAG_VAL_I32(9);
    for (int i = 0; i < 2; i++)
        ASSERT_ERR(wag_call(func_of("throw"), &arg, 1, NULL, 0, &errors[i]), WAG_UNCAUGHT_EXCEPTION);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, free_error, errors[0]), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    size_t live = wag_agent_live_objects();
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), live - 1);
    wag_error_unref(errors[1]);
}

static void test_an_error_may_outlive_the_agent(void **state)
{
    wag_error *error = NULL;
    wag_val arg = WAG_VAL_I32(9);
    ASSERT_ERR(wag_call(func_of("throw"), &arg, 1, NULL, 0, &error), WAG_UNCAUGHT_EXCEPTION);
    wag_instance_unref(instance);
    wag_tag_unref(tag);
    assert_int_equal(wag_agent_close(), WAG_OK);
    assert_null(wag_error_exception(error));
    assert_string_equal(wag_error_message(error), "uncaught exception");
    setup(state);
    assert_null(wag_error_exception(error));
    wag_error_unref(error);
}

#define EXCEPTION_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EXCEPTION_TEST(test_EX_01_a_payload_of_another_shape_is_a_type_error),
        EXCEPTION_TEST(test_EX_02_EX_03_arguments_are_read_with_the_right_tag_only),
        EXCEPTION_TEST(test_TAG_01_the_js_tag_is_one_object),
        EXCEPTION_TEST(test_wasm_catches_what_the_host_throws),
        EXCEPTION_TEST(test_an_uncaught_exception_is_an_error_with_the_exception_in_it),
        EXCEPTION_TEST(test_EX_04_an_exception_keeps_its_identity),
        EXCEPTION_TEST(test_exceptions_cross_host_frames),
        EXCEPTION_TEST(test_EX_05_a_host_error_is_caught_as_js_tag_and_comes_out_the_same),
        EXCEPTION_TEST(test_traps_and_interrupts_are_not_caught),
        EXCEPTION_TEST(test_a_tail_call_leaves_the_try_that_it_is_in),
        EXCEPTION_TEST(test_clauses_that_do_not_match_are_passed),
        EXCEPTION_TEST(test_another_thread_may_free_the_error),
        EXCEPTION_TEST(test_an_error_may_outlive_the_agent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

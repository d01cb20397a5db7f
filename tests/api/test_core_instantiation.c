/* Core instantiation and the start function. One test per statement, named by its id. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>

#include "tests/support/check.h"

static wag_error *instantiate_text(const char *text, wag_imports *imports)
{
    wag_module *module = module_of(text);
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    if (wag_instance_new(module, imports, &instance, &error) == WAG_OK)
        wag_instance_unref(instance);
    wag_module_unref(module);
    return error;
}

static void assert_fails(const char *text, wag_imports *imports, wag_err code, wag_error_class error_class)
{
    wag_error *error = instantiate_text(text, imports);
    assert_non_null(error);
    if (wag_error_code(error) != code)
        fail_msg("wanted %s, got %s: %s", wag_err_name(code), wag_err_name(wag_error_code(error)),
                 wag_error_message(error));
    assert_class(error, error_class);
}

static void test_C_01_link_errors_and_segment_and_start_traps_have_their_classes(void **state)
{
    (void)state;
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set(imports, "m", "x", WAG_BIGINT(1)));
    assert_fails("(module (import \"m\" \"x\" (global i32)))", imports, WAG_LINK, WAG_CLASS_LINK_ERROR);
    wag_imports_unref(imports);
    assert_fails("(module (memory 1) (data (i32.const 65536) \"x\"))", NULL, WAG_MEMORY_BOUNDS,
                 WAG_CLASS_RUNTIME_ERROR);
    assert_fails("(module (table 1 funcref) (func $f) (elem (i32.const 1) $f))", NULL, WAG_TABLE_BOUNDS,
                 WAG_CLASS_RUNTIME_ERROR);
    assert_fails("(module (func $f unreachable) (start $f))", NULL, WAG_UNREACHABLE, WAG_CLASS_RUNTIME_ERROR);
}

static void test_C_02_segments_before_the_failing_one_stay_written(void **state)
{
    (void)state;
    wag_memory *memory = NULL;
    ASSERT_OK(wag_memory_new(1, UINT64_MAX, &memory, NULL));
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set(imports, "m", "memory", WAG_MEMORY(memory)));
    assert_fails(
        "(module (import \"m\" \"memory\" (memory 1)) (data (i32.const 0) \"\\55\") (data (i32.const 65536) \"x\"))",
        imports, WAG_MEMORY_BOUNDS, WAG_CLASS_RUNTIME_ERROR);
    assert_int_equal(wag_memory_data(memory)[0], 0x55);
    wag_imports_unref(imports);
    wag_memory_unref(memory);
}

static void test_C_03_functions_of_a_failed_instance_in_an_imported_table_stay_callable(void **state)
{
    (void)state;
    wag_table *table = NULL;
    ASSERT_OK(wag_table_new(WAG_FUNCREF, 4, UINT64_MAX, WAG_VAL_FUNC(NULL), &table, NULL));
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set(imports, "m", "table", WAG_TABLE(table)));
    assert_fails("(module (import \"m\" \"table\" (table 1 funcref)) (global $g (mut i32) (i32.const 41))"
                 " (func $f (result i32) (global.set $g (i32.add (global.get $g) (i32.const 1))) global.get $g)"
                 " (elem (i32.const 0) $f) (memory 1) (data (i32.const 65536) \"x\"))",
                 imports, WAG_MEMORY_BOUNDS, WAG_CLASS_RUNTIME_ERROR);
    wag_agent_collect();
    wag_val function, result;
    ASSERT_OK(wag_table_get(table, 0, &function));
    assert_non_null(function.of.func);
    ASSERT_OK(wag_call(function.of.func, NULL, 0, &result, 1, NULL));
    assert_int_equal(result.of.i32, 42);
    ASSERT_OK(wag_call(function.of.func, NULL, 0, &result, 1, NULL));
    assert_int_equal(result.of.i32, 43);
    wag_val_unref(function);
    wag_imports_unref(imports);
    wag_table_unref(table);
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 0);
}

static wag_error *fail_with(void *context, const wag_val *args, wag_val *results)
{
    (void)args, (void)results;
    return wag_error_ref(context);
}

static void test_C_04_a_host_error_in_start_propagates_unchanged(void **state)
{
    (void)state;
    wag_error *own = wag_error_new(WAG_CLASS_RANGE_ERROR, "the number %d", 42);
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "f", "()", fail_with, own, NULL));
    wag_error *got = instantiate_text("(module (import \"m\" \"f\" (func $f)) (func $s call $f) (start $s))", imports);
    assert_ptr_equal(got, own);
    assert_string_equal(wag_error_message(got), "the number 42");
    wag_error_unref(got);
    wag_error_unref(own);
    wag_imports_unref(imports);
}

static wag_error *count(void *context, const wag_val *args, wag_val *results)
{
    (void)args, (void)results;
    ++*(int *)context;
    return NULL;
}

static void test_C_05_the_start_function_may_be_an_import(void **state)
{
    (void)state;
    int started = 0;
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "f", NULL, count, &started, NULL));
    assert_null(instantiate_text("(module (import \"m\" \"f\" (func $f)) (start $f))", imports));
    assert_int_equal(started, 1);
    wag_imports_unref(imports);
}

typedef struct stopper {
    wag_agent *agent;
    atomic_bool running;
} stopper;

static wag_error *running(void *context, const wag_val *args, wag_val *results)
{
    (void)args, (void)results;
    atomic_store(&((stopper *)context)->running, true);
    return NULL;
}

static void *stop_it(void *context)
{
    stopper *shared = context;
    while (!atomic_load(&shared->running))
        ;
    wag_agent_interrupt(shared->agent);
    return NULL;
}

static void test_C_06_the_start_function_can_be_interrupted(void **state)
{
    (void)state;
    stopper shared = {.agent = wag_agent_current()};
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "running", "()", running, &shared, NULL));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_it, &shared), 0);
    assert_fails("(module (import \"m\" \"running\" (func $r)) (func $f call $r (loop br 0)) (start $f))", imports,
                 WAG_INTERRUPTED, WAG_CLASS_ABORT_ERROR);
    pthread_join(thread, NULL);
    wag_imports_unref(imports);
    assert_null(instantiate_text("(module (func $f) (start $f))", NULL)); /* the agent lives */
}

static void test_C_07_elements_then_data_then_start_each_in_index_order(void **state)
{
    (void)state;
    /* elements come before data: the element is out of bounds and so no data is written */
    wag_memory *memory = NULL;
    ASSERT_OK(wag_memory_new(1, UINT64_MAX, &memory, NULL));
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set(imports, "m", "memory", WAG_MEMORY(memory)));
    assert_fails("(module (import \"m\" \"memory\" (memory 1)) (table 1 funcref) (func $f)"
                 " (data (i32.const 0) \"\\55\") (elem (i32.const 1) $f))",
                 imports, WAG_TABLE_BOUNDS, WAG_CLASS_RUNTIME_ERROR);
    assert_int_equal(wag_memory_data(memory)[0], 0);
    /* data in index order, before start: start sees the second one */
    assert_null(instantiate_text("(module (import \"m\" \"memory\" (memory 1)) (data (i32.const 0) \"\\01\")"
                                 " (data (i32.const 0) \"\\02\")"
                                 " (func $s (i32.store8 (i32.const 1) (i32.load8_u (i32.const 0)))) (start $s))",
                                 imports));
    assert_int_equal(wag_memory_data(memory)[0], 2);
    assert_int_equal(wag_memory_data(memory)[1], 2);
    wag_imports_unref(imports);
    wag_memory_unref(memory);
}

static void test_C_08_a_memory_that_cannot_be_had_is_a_range_error(void **state)
{
    (void)state;
    /* valid, within the declared limits of a 64-bit memory, and far above what may exist at run time */
    assert_fails("(module (memory i64 1048576))", NULL, WAG_RANGE, WAG_CLASS_RANGE_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C_01_link_errors_and_segment_and_start_traps_have_their_classes),
        cmocka_unit_test(test_C_02_segments_before_the_failing_one_stay_written),
        cmocka_unit_test(test_C_03_functions_of_a_failed_instance_in_an_imported_table_stay_callable),
        cmocka_unit_test(test_C_04_a_host_error_in_start_propagates_unchanged),
        cmocka_unit_test(test_C_05_the_start_function_may_be_an_import),
        cmocka_unit_test(test_C_06_the_start_function_can_be_interrupted),
        cmocka_unit_test(test_C_07_elements_then_data_then_start_each_in_index_order),
        cmocka_unit_test(test_C_08_a_memory_that_cannot_be_had_is_a_range_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

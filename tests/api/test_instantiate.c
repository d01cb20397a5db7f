/* JS API: instantiate(). One test per statement of the checklist, named by its id. */
#define _GNU_SOURCE
#include "tests/support/check.h"

#include <pthread.h>
#include <stdatomic.h>

#include "tests/support/sanitized.h"

static const char *const simple_text = "(module (func $f (import \"my_namespace\" \"imported_func\") (param i32))"
                                       "  (func (export \"exported_func\") i32.const 42 call $f))";
static const char *const empty_text = "(module)";

typedef struct calls {
    int count;
    int32_t last;
} calls;

static wag_error *record(void *context, const wag_val *args, wag_val *results)
{
    calls *seen = context;
    (void)results;
    seen->count++;
    seen->last = args[0].of.i32;
    return NULL;
}

static wag_imports *recording_imports(calls *seen)
{
    wag_imports *imports = wag_imports_new();
    assert_non_null(imports);
    ASSERT_OK(wag_imports_set_func(imports, "my_namespace", "imported_func", NULL, record, seen, NULL));
    return imports;
}

static void assert_source_rejects(wag_promise_source *promise, wag_error_class wanted)
{
    assert_non_null(promise);
    wag_instantiated_source result = {0};
    wag_error *error = NULL;
    assert_int_not_equal(wag_await(promise, &result, &error), WAG_OK);
    assert_int_equal(wag_poll(promise), WAG_REJECTED);
    assert_class(error, wanted);
    wag_promise_unref(promise);
}

static void assert_instance_rejects(wag_promise_instance *promise, wag_error_class wanted)
{
    assert_non_null(promise);
    wag_instance *result = NULL;
    wag_error *error = NULL;
    assert_int_not_equal(wag_await(promise, &result, &error), WAG_OK);
    assert_int_equal(wag_poll(promise), WAG_REJECTED);
    assert_class(error, wanted);
    wag_promise_unref(promise);
}

static void test_I_01_the_source_type_selects_the_overload(void **state)
{
    (void)state;
    calls seen = {0};
    wag_imports *imports = recording_imports(&seen);
    wag_bytes bytes = wat(simple_text);
    wag_promise_source *primary = wag_instantiate(bytes, imports);
    wag_instantiated_source source;
    ASSERT_OK(wag_await(primary, &source, NULL));
    wag_promise_instance *secondary = wag_instantiate(source.module, imports);
    wag_instance *instance = NULL;
    ASSERT_OK(wag_await(secondary, &instance, NULL));
    assert_ptr_not_equal(instance, source.instance);
    wag_instance_unref(instance);
    wag_instantiated_source_unref(source);
    wag_promise_unref(primary);
    wag_promise_unref(secondary);
    wag_imports_unref(imports);
    wat_free(bytes);
    /* what C can still pass wrongly */
    assert_instance_rejects(wag_instantiate((wag_module *)NULL, NULL), WAG_CLASS_TYPE_ERROR);
    assert_source_rejects(wag_instantiate(((wag_bytes){NULL, 8}), NULL), WAG_CLASS_TYPE_ERROR);
}

static void test_I_02_a_bad_argument_rejects_and_never_fails_synchronously(void **state)
{
    (void)state;
    wag_promise_instance *promise = wag_instantiate((wag_module *)NULL, NULL);
    assert_non_null(promise);
    assert_instance_rejects(promise, WAG_CLASS_TYPE_ERROR);
    wag_promise_module *compiled = wag_compile((wag_bytes){NULL, 3}, NULL);
    assert_non_null(compiled);
    wag_module *module = NULL;
    wag_error *error = NULL;
    ASSERT_ERR(wag_await(compiled, &module, &error), WAG_TYPE);
    assert_class(error, WAG_CLASS_TYPE_ERROR);
    wag_promise_unref(compiled);
}

static void test_I_03_an_import_object_that_is_no_object_is_a_type_error(void **state)
{
    (void)state;
    wag_value no_objects[] = {WAG_NULL, WAG_NUMBER(1), WAG_BOOL(true), WAG_BIGINT(1), wag_string("imports")};
    wag_module *module = module_of(empty_text);
    wag_bytes bytes = wat(empty_text);
    for (size_t i = 0; i < sizeof no_objects / sizeof *no_objects; i++) {
        wag_imports *imports = wag_imports_from_value(no_objects[i]);
        assert_non_null(imports);
        assert_instance_rejects(wag_instantiate(module, imports), WAG_CLASS_TYPE_ERROR);
        assert_source_rejects(wag_instantiate(bytes, imports), WAG_CLASS_TYPE_ERROR);
        wag_error *error = NULL;
        wag_instance *instance = NULL;
        ASSERT_ERR(wag_instance_new(module, imports, &instance, &error), WAG_TYPE);
        assert_class(error, WAG_CLASS_TYPE_ERROR);
        wag_imports_unref(imports);
        wag_value_unref(no_objects[i]);
    }
    wat_free(bytes);
    wag_module_unref(module);
}

static void test_I_04_no_import_object_is_fine_without_imports_and_a_type_error_with(void **state)
{
    (void)state;
    wag_module *module = module_of(empty_text);
    wag_promise_instance *promise = wag_instantiate(module, NULL);
    wag_instance *instance = NULL;
    ASSERT_OK(wag_await(promise, &instance, NULL));
    wag_instance_unref(instance);
    wag_promise_unref(promise);
    wag_module_unref(module);
    wag_imports *undefined = wag_imports_from_value(WAG_UNDEFINED);
    wag_bytes bytes = wat(empty_text);
    wag_promise_source *source = wag_instantiate(bytes, undefined);
    wag_instantiated_source result;
    ASSERT_OK(wag_await(source, &result, NULL));
    wag_instantiated_source_unref(result);
    wag_promise_unref(source);
    wag_imports_unref(undefined);
    wat_free(bytes);

    module = module_of(simple_text);
    assert_instance_rejects(wag_instantiate(module, NULL), WAG_CLASS_TYPE_ERROR);
    wag_module_unref(module);
    bytes = wat(simple_text);
    assert_source_rejects(wag_instantiate(bytes, NULL), WAG_CLASS_TYPE_ERROR);
    wat_free(bytes);
}

static void test_I_05_both_overloads_take_exactly_two_arguments(void **state)
{
    /* JavaScript ignores stray arguments; in C the compiler refuses them. What is left of the statement: the functions
     * behind the overload have the two parameters that the specification names. */
    (void)state;
    wag_promise_source *(*primary)(wag_bytes, wag_imports *) = wag_instantiate_bytes;
    wag_promise_instance *(*secondary)(wag_module *, wag_imports *) = wag_instantiate_module;
    wag_bytes bytes = wat(empty_text);
    wag_promise_source *promise = primary(bytes, NULL);
    wag_instantiated_source source;
    ASSERT_OK(wag_await(promise, &source, NULL));
    wag_promise_instance *second = secondary(source.module, NULL);
    wag_instance *instance;
    ASSERT_OK(wag_await(second, &instance, NULL));
    wag_instance_unref(instance);
    wag_instantiated_source_unref(source);
    wag_promise_unref(promise);
    wag_promise_unref(second);
    wat_free(bytes);
}

static void test_I_06_the_bytes_are_copied_at_the_call(void **state)
{
    (void)state;
    wag_bytes bytes = wat("(module (func (export \"f\") (result i32) i32.const 7))");
    wag_promise_source *promise = wag_instantiate(bytes, NULL);
    wag_promise_module *compiled = wag_compile(bytes, NULL);
    memset((void *)bytes.data, 0, bytes.size);
    wag_instantiated_source source;
    ASSERT_OK(wag_await(promise, &source, NULL));
    assert_int_equal(call_i32(source.instance, "f"), 7);
    wag_module *module = NULL;
    ASSERT_OK(wag_await(compiled, &module, NULL));
    wag_module_unref(module);
    wag_instantiated_source_unref(source);
    wag_promise_unref(promise);
    wag_promise_unref(compiled);
    wat_free(bytes);
}

static void test_I_07_validation_and_the_module_see_the_same_copy(void **state)
{
    (void)state;
    wag_bytes bytes = wat("(module (func (export \"f\") (result i32) i32.const 7))");
    wag_module *module = NULL;
    ASSERT_OK(wag_module_new(bytes, NULL, &module, NULL));
    uint8_t *before = malloc(bytes.size);
    memcpy(before, bytes.data, bytes.size);
    memset((void *)bytes.data, 0xFF, bytes.size);
    wag_bytes kept = wag_module_bytes(module);
    assert_int_equal(kept.size, bytes.size);
    assert_ptr_not_equal(kept.data, bytes.data);
    assert_memory_equal(kept.data, before, kept.size);
    wag_instance *instance = NULL;
    ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
    assert_int_equal(call_i32(instance, "f"), 7);
    wag_instance_unref(instance);
    wag_module_unref(module);
    free(before);
    wat_free(bytes);
}

typedef struct flipper {
    volatile uint8_t *byte;
    atomic_bool stop;
} flipper;

static void *flip(void *context)
{
    flipper *here = context;
    while (!atomic_load(&here->stop))
        *here->byte ^= 1;
    return NULL;
}

static void test_I_07_bytes_that_change_meanwhile_are_read_once(void **state)
{
    (void)state;
    if (THREAD_SANITIZED) /* the race is the test */
        skip();
    wag_bytes bytes = wat("(module (func (export \"f\") (result i32) i32.const 6))");
    assert_int_equal(bytes.data[bytes.size - 2], 6);
    flipper flipper = {.byte = (uint8_t *)(uintptr_t)bytes.data + bytes.size - 2};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, flip, &flipper), 0);
    for (int i = 0; i < 500; i++) {
        wag_module *module = NULL;
        wag_instance *instance = NULL;
        ASSERT_OK(wag_module_new(bytes, NULL, &module, NULL));
        ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
        assert_int_equal(call_i32(instance, "f"), wag_module_bytes(module).data[bytes.size - 2]);
        wag_instance_unref(instance);
        wag_module_unref(module);
    }
    atomic_store(&flipper.stop, true);
    pthread_join(thread, NULL);
    wat_free(bytes);
}

static void test_I_08_an_empty_buffer_is_a_compile_error(void **state)
{
    (void)state;
    assert_source_rejects(wag_instantiate(((wag_bytes){NULL, 0}), NULL), WAG_CLASS_COMPILE_ERROR);
    assert_source_rejects(wag_instantiate(((wag_bytes){(const uint8_t *)"", 0}), NULL), WAG_CLASS_COMPILE_ERROR);
}

typedef struct order {
    char text[64];
} order;

static void note(order *events, const char *event)
{
    strncat(events->text, event, sizeof events->text - strlen(events->text) - 1);
}

static wag_error *noting_getter(void *context, wag_name module, const wag_name *field, wag_value *ret_value)
{
    (void)module, (void)field;
    note(context, "get ");
    *ret_value = WAG_UNDEFINED;
    return NULL;
}

static void test_I_09_the_bytes_overload_reads_imports_in_a_later_task(void **state)
{
    (void)state;
    order events = {{0}};
    wag_imports *imports = wag_imports_new_getter(noting_getter, &events);
    wag_bytes bytes = wat(simple_text);
    wag_promise_source *promise = wag_instantiate(bytes, imports);
    note(&events, "returned ");
    assert_source_rejects(promise, WAG_CLASS_TYPE_ERROR);
    assert_string_equal(events.text, "returned get ");
    wag_imports_unref(imports);
    wat_free(bytes);
}

static void test_I_10_no_getter_runs_before_the_bytes_overload_returns(void **state)
{
    (void)state;
    order events = {{0}};
    wag_imports *imports = wag_imports_new_getter(noting_getter, &events);
    wag_bytes bytes = wat(simple_text);
    wag_promise_source *promise = wag_instantiate(bytes, imports);
    assert_string_equal(events.text, "");
    assert_int_equal(wag_poll(promise), WAG_PENDING);
    assert_source_rejects(promise, WAG_CLASS_TYPE_ERROR);
    wag_imports_unref(imports);
    wat_free(bytes);
}

static void test_I_11_the_bytes_overload_resolves_with_module_then_instance(void **state)
{
    (void)state;
    assert_int_equal(offsetof(wag_instantiated_source, module), 0);
    assert_true(offsetof(wag_instantiated_source, instance) > 0);
    wag_bytes bytes = wat(empty_text);
    wag_promise_source *promise = wag_instantiate(bytes, NULL);
    wag_instantiated_source source;
    ASSERT_OK(wag_await(promise, &source, NULL));
    assert_non_null(source.module);
    assert_ptr_equal(wag_instance_module(source.instance), source.module);
    wag_instantiated_source_unref(source);
    wag_promise_unref(promise);
    wat_free(bytes);
}

static void test_I_13_the_module_overload_reads_imports_inside_the_call(void **state)
{
    (void)state;
    order events = {{0}};
    wag_imports *imports = wag_imports_new_getter(noting_getter, &events);
    wag_module *module = module_of(simple_text);
    wag_promise_instance *promise = wag_instantiate(module, imports);
    note(&events, "returned ");
    assert_string_equal(events.text, "get returned ");
    assert_instance_rejects(promise, WAG_CLASS_TYPE_ERROR);
    wag_imports_unref(imports);

    /* what was read is what is used: the import object may change and go away after the call */
    calls first = {0}, second = {0};
    imports = recording_imports(&first);
    promise = wag_instantiate(module, imports);
    ASSERT_OK(wag_imports_set_func(imports, "my_namespace", "imported_func", NULL, record, &second, NULL));
    wag_imports_unref(imports);
    wag_instance *instance = NULL;
    ASSERT_OK(wag_await(promise, &instance, NULL));
    ASSERT_OK(wag_call(wag_exports_func(wag_instance_exports(instance), "exported_func"), NULL, 0, NULL, 0, NULL));
    assert_int_equal(first.count, 1);
    assert_int_equal(second.count, 0);
    wag_instance_unref(instance);
    wag_promise_unref(promise);
    wag_module_unref(module);
}

static wag_error *note_start(void *context, const wag_val *args, wag_val *results)
{
    (void)args, (void)results;
    note(context, "start ");
    return NULL;
}

static void test_I_14_the_module_overload_starts_the_instance_after_the_call(void **state)
{
    (void)state;
    order events = {{0}};
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "f", NULL, note_start, &events, NULL));
    wag_module *module = module_of("(module (import \"m\" \"f\" (func $f)) (start $f))");
    wag_promise_instance *promise = wag_instantiate(module, imports);
    note(&events, "returned ");
    wag_instance *instance = NULL;
    ASSERT_OK(wag_await(promise, &instance, NULL));
    assert_string_equal(events.text, "returned start ");
    wag_instance_unref(instance);
    wag_promise_unref(promise);
    wag_module_unref(module);
    wag_imports_unref(imports);
}

static void test_I_15_the_module_overload_resolves_with_the_instance_itself(void **state)
{
    (void)state;
    wag_module *module = module_of(empty_text);
    wag_promise_instance *promise = wag_instantiate(module, NULL);
    wag_instance *instance = NULL, *again = NULL;
    ASSERT_OK(wag_await(promise, &instance, NULL));
    ASSERT_OK(wag_await(promise, &again, NULL));
    assert_ptr_equal(instance, again);
    assert_ptr_equal(wag_instance_module(instance), module);
    wag_instance_unref(instance);
    wag_instance_unref(again);
    wag_promise_unref(promise);
    wag_module_unref(module);
}

static void test_I_16_instances_of_one_module_do_not_affect_each_other(void **state)
{
    (void)state;
    wag_module *module = module_of("(module (memory 1) (global $g (mut i32) (i32.const 0))"
                                   " (func (export \"bump\") (result i32)"
                                   "  (global.set $g (i32.add (global.get $g) (i32.const 1)))"
                                   "  (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 10)))"
                                   "  (i32.add (global.get $g) (i32.load (i32.const 8)))))");
    wag_instance *a = NULL, *b = NULL;
    ASSERT_OK(wag_instance_new(module, NULL, &a, NULL));
    ASSERT_OK(wag_instance_new(module, NULL, &b, NULL));
    assert_int_equal(call_i32(a, "bump"), 11);
    assert_int_equal(call_i32(a, "bump"), 22);
    assert_int_equal(call_i32(b, "bump"), 11);
    wag_instance_unref(a);
    assert_int_equal(call_i32(b, "bump"), 22);
    wag_instance_unref(b);
    wag_module_unref(module);
}

static void note_instance(void *context, wag_instance *const *instance, const wag_error *error)
{
    assert_null(error);
    wag_val result;
    ASSERT_OK(wag_call(wag_exports_func(wag_instance_exports(*instance), "id"), NULL, 0, &result, 1, NULL));
    char digit[3] = {(char)('0' + result.of.i32), ' ', 0};
    note(context, digit);
}

static void note_source(void *context, const wag_instantiated_source *source, const wag_error *error)
{
    note_instance(context, source ? &source->instance : NULL, error);
}

static void test_I_17_pending_instantiations_resolve_in_call_order(void **state)
{
    (void)state;
    order modules = {{0}}, sources = {{0}};
    wag_promise_instance *instance_promises[5];
    wag_promise_source *source_promises[5];
    for (int i = 0; i < 5; i++) {
        char text[96];
        snprintf(text, sizeof text, "(module (func (export \"id\") (result i32) i32.const %d))", i);
        wag_module *module = module_of(text);
        instance_promises[i] = wag_instantiate(module, NULL);
        ASSERT_OK(wag_then(instance_promises[i], note_instance, &modules));
        wag_module_unref(module);
        wag_bytes bytes = wat(text);
        source_promises[i] = wag_instantiate(bytes, NULL);
        ASSERT_OK(wag_then(source_promises[i], note_source, &sources));
        wat_free(bytes);
    }
    ASSERT_OK(wag_agent_run());
    assert_string_equal(modules.text, "0 1 2 3 4 ");
    assert_string_equal(sources.text, "0 1 2 3 4 ");
    for (int i = 0; i < 5; i++) {
        wag_promise_unref(instance_promises[i]);
        wag_promise_unref(source_promises[i]);
    }
}

static void note_resolved(void *context, wag_instance *const *instance, const wag_error *error)
{
    (void)instance, (void)error;
    note(context, "resolved ");
}

static void test_I_18_reactions_run_as_jobs_never_inside_the_settling_call(void **state)
{
    (void)state;
    order events = {{0}};
    wag_module *module = module_of(empty_text);
    wag_promise_instance *promise = wag_instantiate(module, NULL);
    ASSERT_OK(wag_then(promise, note_resolved, &events));
    note(&events, "returned ");
    assert_true(wag_agent_turn());
    assert_string_equal(events.text, "returned resolved ");
    /* on a settled promise as well: not inside then */
    ASSERT_OK(wag_then(promise, note_resolved, &events));
    note(&events, "then ");
    ASSERT_OK(wag_agent_run());
    assert_string_equal(events.text, "returned resolved then resolved ");
    wag_promise_unref(promise);
    wag_module_unref(module);
}

static void count_rejection(void *context, const wag_error *error)
{
    assert_int_equal(wag_error_code(error), WAG_TYPE);
    ++*(int *)context;
}

static void ignore(void *context, wag_instance *const *instance, const wag_error *error)
{
    (void)context, (void)instance, (void)error;
}

static void test_I_19_a_rejection_without_reaction_is_reported_once(void **state)
{
    (void)state;
    int reported = 0;
    ASSERT_OK(wag_on_unhandled_rejection(count_rejection, &reported));
    wag_promise_instance *unhandled = wag_instantiate((wag_module *)NULL, NULL);
    wag_promise_instance *handled = wag_instantiate((wag_module *)NULL, NULL);
    ASSERT_OK(wag_then(handled, ignore, NULL));
    ASSERT_OK(wag_agent_run());
    ASSERT_OK(wag_agent_run());
    assert_int_equal(reported, 1);
    wag_promise_unref(unhandled);
    wag_promise_unref(handled);
    ASSERT_OK(wag_on_unhandled_rejection(NULL, NULL));
    unhandled = wag_instantiate((wag_module *)NULL, NULL); /* without a hook: nothing happens */
    ASSERT_OK(wag_agent_run());
    assert_int_equal(wag_poll(unhandled), WAG_REJECTED);
    assert_int_equal(reported, 1);
    wag_promise_unref(unhandled);
}

static void test_I_20_an_invalid_body_fails_at_compile_time_even_if_never_called(void **state)
{
    (void)state;
    /* (module (func) (func i32.add)): the second body is invalid */
    static const uint8_t bytes[] = {0, 'a', 's', 'm', 1,  0, 0, 0, 1, 4,    1, 0x60, 0,    0,   3,
                                    3, 2,   0,   0,   10, 8, 2, 2, 0, 0x0B, 3, 0,    0x6A, 0x0B};
    wag_error *error = NULL;
    wag_module *module = NULL;
    ASSERT_ERR(wag_module_new((wag_bytes){bytes, sizeof bytes}, NULL, &module, &error), WAG_INVALID);
    uint32_t func = 0;
    size_t offset = 0;
    assert_true(wag_error_func_index(error, &func));
    assert_int_equal(func, 1);
    assert_true(wag_error_offset(error, &offset));
    assert_int_equal(offset, sizeof bytes - 2);
    assert_class(error, WAG_CLASS_COMPILE_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_I_01_the_source_type_selects_the_overload),
        cmocka_unit_test(test_I_02_a_bad_argument_rejects_and_never_fails_synchronously),
        cmocka_unit_test(test_I_03_an_import_object_that_is_no_object_is_a_type_error),
        cmocka_unit_test(test_I_04_no_import_object_is_fine_without_imports_and_a_type_error_with),
        cmocka_unit_test(test_I_05_both_overloads_take_exactly_two_arguments),
        cmocka_unit_test(test_I_06_the_bytes_are_copied_at_the_call),
        cmocka_unit_test(test_I_07_validation_and_the_module_see_the_same_copy),
        cmocka_unit_test(test_I_07_bytes_that_change_meanwhile_are_read_once),
        cmocka_unit_test(test_I_08_an_empty_buffer_is_a_compile_error),
        cmocka_unit_test(test_I_09_the_bytes_overload_reads_imports_in_a_later_task),
        cmocka_unit_test(test_I_10_no_getter_runs_before_the_bytes_overload_returns),
        cmocka_unit_test(test_I_11_the_bytes_overload_resolves_with_module_then_instance),
        cmocka_unit_test(test_I_13_the_module_overload_reads_imports_inside_the_call),
        cmocka_unit_test(test_I_14_the_module_overload_starts_the_instance_after_the_call),
        cmocka_unit_test(test_I_15_the_module_overload_resolves_with_the_instance_itself),
        cmocka_unit_test(test_I_16_instances_of_one_module_do_not_affect_each_other),
        cmocka_unit_test(test_I_17_pending_instantiations_resolve_in_call_order),
        cmocka_unit_test(test_I_18_reactions_run_as_jobs_never_inside_the_settling_call),
        cmocka_unit_test(test_I_19_a_rejection_without_reaction_is_reported_once),
        cmocka_unit_test(test_I_20_an_invalid_body_fails_at_compile_time_even_if_never_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

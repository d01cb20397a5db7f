/* What errors say to the person who reads them: which handle is NULL, which limit was exceeded, what was given instead.
 */
#include "tests/support/check.h"

#include "waggle/wasm_ext.h"

/* The error of a call that failed says exactly this; releases it. */
static void assert_says(wag_err err, wag_error **error, wag_err code, const char *message)
{
    ASSERT_ERR(err, code);
    assert_non_null(*error);
    assert_int_equal(wag_error_code(*error), code);
    assert_string_equal(wag_error_message(*error), message);
    wag_error_unref(*error);
    *error = NULL;
}
#define ASSERT_SAYS(expression, code, message) assert_says((expression), &error, (code), (message))

static void test_a_handle_that_is_NULL_is_named(void **state)
{
    (void)state;
    wag_error *error = NULL;
    wag_val val;
    wag_value value;
    wag_instance *instance;
    wag_memory *memory;
    wag_exception *exception;
    wag_buffer *buffer;
    wag_module *module;
    ASSERT_SAYS(wag_call(NULL, NULL, 0, NULL, 0, &error), WAG_TYPE, "the function is NULL");
    ASSERT_SAYS(wag_call_until(NULL, NULL, 0, NULL, 0, WAG_NO_DEADLINE, &error), WAG_TYPE, "the function is NULL");
    ASSERT_SAYS(wag_call_value(NULL, NULL, 0, &value, &error), WAG_TYPE, "the function is NULL");
    ASSERT_SAYS(wag_linked_instantiate(NULL, &instance, &error), WAG_TYPE, "the link is NULL");
    ASSERT_SAYS(wag_memory_grow(NULL, 1, NULL, &error), WAG_TYPE, "the memory is NULL");
    ASSERT_SAYS(wag_memory_of_shared(NULL, &memory, &error), WAG_TYPE, "the shared memory is NULL");
    ASSERT_SAYS(wag_memory_to_fixed_length_buffer(NULL, &buffer, &error), WAG_TYPE, "the memory is NULL");
    ASSERT_SAYS(wag_exception_new(NULL, NULL, 0, &exception, &error), WAG_TYPE, "the tag is NULL");
    ASSERT_SAYS(wag_exception_new_value(NULL, WAG_UNDEFINED, &exception, &error), WAG_TYPE, "the tag is NULL");
    ASSERT_SAYS(wag_buffer_resize(NULL, 1, &error), WAG_TYPE, "the buffer is NULL");
    ASSERT_SAYS(wag_buffer_transfer(NULL, &buffer, &error), WAG_TYPE, "the buffer is NULL");
    ASSERT_SAYS(wag_global_set_value(NULL, WAG_NULL, &error), WAG_TYPE, "the global is NULL");
    ASSERT_SAYS(wag_table_set_value(NULL, 0, WAG_NULL, &error), WAG_TYPE, "the table is NULL");
    ASSERT_SAYS(wag_table_grow_value(NULL, 0, WAG_NULL, NULL, &error), WAG_TYPE, "the table is NULL");
    ASSERT_SAYS(wag_port_post_message(NULL, WAG_NULL, &error), WAG_TYPE, "the port is NULL");
    ASSERT_SAYS(wag_worker_post_message(NULL, WAG_NULL, &error), WAG_TYPE, "the worker is NULL");
    ASSERT_SAYS(wag_scope_post_message(NULL, WAG_NULL, &error), WAG_TYPE, "the worker's scope is NULL");
    ASSERT_SAYS(wag_await((wag_promise_module *)NULL, &module, &error), WAG_TYPE, "the promise is NULL");
    error = wag_exception_error(NULL);
    ASSERT_SAYS(WAG_TYPE, WAG_TYPE, "the exception is NULL");
    ASSERT_ERR(wag_global_get(NULL, &val), WAG_TYPE);
}

static void test_arrays_that_are_NULL_are_told_apart(void **state)
{
    (void)state;
    wag_error *error = NULL;
    wag_instance *instance = instance_of("(module (func (export \"f\") (param i32) (result i32) local.get 0))", NULL);
    wag_func *func = wag_exports_func(wag_instance_exports(instance), "f");
    wag_val arg = WAG_VAL_I32(1), result;
    ASSERT_SAYS(wag_call(func, NULL, 1, &result, 1, &error), WAG_TYPE, "the array of arguments is NULL");
    ASSERT_SAYS(wag_call(func, &arg, 1, NULL, 1, &error), WAG_TYPE, "the array of results is NULL");
    ASSERT_SAYS(wag_call_value(func, NULL, 1, NULL, &error), WAG_TYPE, "the array of arguments is NULL");
    wag_instance_unref(instance);
}

static void test_a_size_above_a_limit_is_told_with_the_limit(void **state)
{
    (void)state;
    wag_error *error = NULL;
    wag_memory *memory;
    wag_table *table;
    wag_val null = WAG_VAL_FUNC(NULL);
    ASSERT_SAYS(wag_memory_new(2, 1, &memory, &error), WAG_RANGE, "a memory cannot have 2 pages now and 1 at the most");
    ASSERT_SAYS(wag_memory_new(65537, UINT64_MAX, &memory, &error), WAG_RANGE,
                "a memory cannot have 65537 pages, the limit is 65536");
    ASSERT_SAYS(wag_memory_new(1, 65538, &memory, &error), WAG_RANGE,
                "a memory cannot have 65538 pages, the limit is 65536");
    ASSERT_SAYS(wag_table_new(WAG_FUNCREF, 3, 2, null, &table, &error), WAG_RANGE,
                "a table cannot have 3 elements now and 2 at the most");
    ASSERT_SAYS(wag_table_new(WAG_FUNCREF, 10000001, UINT64_MAX, null, &table, &error), WAG_RANGE,
                "a table cannot have 10000001 elements, the limit is 10000000");
    ASSERT_SAYS(wag_table_new(WAG_FUNCREF, 1, 4294967296, null, &table, &error), WAG_RANGE,
                "a table cannot have 4294967296 elements, the limit is 4294967295");
    assert_int_equal(wag_agent_live_objects(), 0);
}

/* Accepted, a channel would have had neither bound nor policy. */
static void test_a_queue_policy_that_there_is_not_is_refused(void **state)
{
    (void)state;
    wag_error *error = NULL;
    wag_port *port1, *port2;
    wag_channel_options options = {.queue_policy = (wag_queue_policy)9};
    ASSERT_SAYS(wag_channel_new(&options, &port1, &port2, &error), WAG_TYPE, "there is no queue policy 9");
}

static void test_fuel_that_a_cluster_has_not_is_named(void **state)
{
    (void)state;
    wag_error *error = NULL;
    ASSERT_SAYS(wag_fuel_charge(5, &error), WAG_UNSUPPORTED, "the agent's cluster has no fuel");
}

/* .wat, a web page and a component in place of a module. */
static void test_bytes_that_are_something_else_are_recognised(void **state)
{
    (void)state;
    wag_error *error = NULL;
    wag_module *module;
    static const struct {
        const char *bytes, *message;
    } cases[] = {
        {"(module)", "magic header not detected: this looks like the text format at byte 0"},
        {";; text\n", "magic header not detected: this looks like the text format at byte 0"},
        {"<!DOCTYPE html>", "magic header not detected: this looks like HTML at byte 0"},
        {"\177ELF....", "magic header not detected at byte 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ASSERT_SAYS(
            wag_module_new((wag_bytes){(const uint8_t *)cases[i].bytes, strlen(cases[i].bytes)}, NULL, &module, &error),
            WAG_MALFORMED, cases[i].message);
    static const uint8_t component[] = {0, 'a', 's', 'm', 13, 0, 1, 0}, newer[] = {0, 'a', 's', 'm', 2, 0, 0, 0};
    ASSERT_SAYS(wag_module_new((wag_bytes){component, sizeof component}, NULL, &module, &error), WAG_MALFORMED,
                "unknown binary version: this is a component, not a module at byte 4");
    ASSERT_SAYS(wag_module_new((wag_bytes){newer, sizeof newer}, NULL, &module, &error), WAG_MALFORMED,
                "unknown binary version at byte 4");
}

static void assert_stack(const wag_error *error, const char *wanted)
{
    char *stack = wag_error_stack(error);
    assert_non_null(stack);
    assert_string_equal(stack, wanted);
    wag_text_free(stack);
}

static void test_a_stack_is_the_message_and_a_line_for_each_frame(void **state)
{
    (void)state;
    wag_bytes text = wat("(module (func (unreachable)) (func (export \"f\") call 0))");
    static const uint8_t names[] = {0, 13, 4, 'n', 'a', 'm', 'e', 1, 6, 1, 0, 3, 'a', '\n', 'b'};
    uint8_t bytes[200];
    assert_true(text.size + sizeof names <= sizeof bytes);
    memcpy(bytes, text.data, text.size);
    memcpy(bytes + text.size, names, sizeof names);
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    ASSERT_OK(wag_module_new((wag_bytes){bytes, text.size + sizeof names}, NULL, &module, &error));
    ASSERT_OK(wag_instance_new(module, NULL, &instance, &error));
    ASSERT_ERR(wag_call(wag_exports_func(wag_instance_exports(instance), "f"), NULL, 0, NULL, 0, &error),
               WAG_UNREACHABLE);
    wag_frame inner, outer;
    assert_true(wag_error_frame(error, 0, &inner) && wag_error_frame(error, 1, &outer));
    char wanted[200];
    snprintf(wanted, sizeof wanted,
             "RuntimeError: unreachable\n    at a?b (wasm-function[0]:0x%zx)\n    at wasm-function[1]:0x%zx",
             inner.module_offset, outer.module_offset);
    assert_stack(error, wanted); /* the line end in the name is none in the log */
    wag_error_unref(error);
    error = wag_error_new(WAG_CLASS_LINK_ERROR, "of the host");
    assert_stack(error, "LinkError: of the host");
    wag_error_unref(error);
    wag_instance_unref(instance);
    wag_module_unref(module);
    wat_free(text);
}

static void test_an_error_that_there_is_not_says_so(void **state)
{
    (void)state;
    wag_frame frame;
    assert_int_equal(wag_error_code(NULL), WAG_OK);
    assert_int_equal(wag_error_get_class(NULL), WAG_CLASS_ERROR);
    assert_string_equal(wag_error_message(NULL), "no error");
    assert_stack(NULL, "Error: no error");
    assert_null(wag_error_wanted(NULL));
    assert_null(wag_error_given(NULL));
    assert_false(wag_error_import(NULL, NULL, NULL, NULL));
    assert_false(wag_error_offset(NULL, NULL));
    assert_false(wag_error_func_index(NULL, NULL));
    assert_int_equal(wag_error_frame_count(NULL), 0);
    assert_false(wag_error_frame(NULL, 0, &frame));
    assert_null(wag_error_frame_instance(NULL, 0));
    assert_null(wag_error_exception(NULL));
}

static wasm_trap_t *gives_f32(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    (void)args;
    results->data[0] = (wasm_val_t)WASM_F32_VAL(1);
    return NULL;
}

static void assert_trap_says(wasm_trap_t *trap, const char *message)
{
    assert_non_null(trap);
    assert_string_equal(wag_error_message(wag_wasm_trap_error(trap)), message);
    wasm_trap_delete(trap);
}

static void test_wasm_h_names_the_kinds_as_well(void **state)
{
    (void)state;
    wasm_engine_t *engine = wasm_engine_new();
    wasm_store_t *store = wasm_store_new(engine);
    wasm_functype_t *type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i64());
    wasm_func_t *func = wasm_func_new(store, type, gives_f32);
    wasm_val_t good = WASM_I32_VAL(1), bad = WASM_I64_VAL(1), null = WASM_INIT_VAL, result;
    wasm_val_vec_t args = {1, &good}, bad_args = {1, &bad}, null_args = {1, &null}, none = WASM_EMPTY_VEC,
                   results = {1, &result};
    assert_trap_says(wasm_func_call(NULL, &args, &results), "the function is NULL");
    assert_trap_says(wasm_func_call(func, &none, &results), "the function takes 1 arguments, not 0");
    assert_trap_says(wasm_func_call(func, &bad_args, &results), "argument 0 must be i32, not i64");
    assert_trap_says(wasm_func_call(func, &null_args, &results), "argument 0 must be i32, not externref");
    assert_trap_says(wasm_func_call(func, &args, &results), "result 0 must be i64, not f32");
    wasm_valtype_t *old = wasm_valtype_new_anyref();
    assert_int_equal(wasm_valtype_kind(old), WASM_ANYREF);
    wasm_valtype_delete(old);
    wasm_globaltype_t *global = wasm_globaltype_new(wasm_valtype_new_i32(), WASM_CONST);
    assert_null(wasm_global_new(store, global, &bad));
    assert_string_equal(wag_error_message(wag_wasm_last_error(store)), "the value is i64, which is not of the type");
    wasm_globaltype_delete(global);
    wasm_func_delete(func);
    wasm_functype_delete(type);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_handle_that_is_NULL_is_named),
        cmocka_unit_test(test_arrays_that_are_NULL_are_told_apart),
        cmocka_unit_test(test_a_size_above_a_limit_is_told_with_the_limit),
        cmocka_unit_test(test_a_queue_policy_that_there_is_not_is_refused),
        cmocka_unit_test(test_fuel_that_a_cluster_has_not_is_named),
        cmocka_unit_test(test_bytes_that_are_something_else_are_recognised),
        cmocka_unit_test(test_a_stack_is_the_message_and_a_line_for_each_frame),
        cmocka_unit_test(test_an_error_that_there_is_not_says_so),
        cmocka_unit_test(test_wasm_h_names_the_kinds_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

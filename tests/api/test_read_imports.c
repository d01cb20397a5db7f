/* JS API: "read the imports" and the matching of their types. One test per statement, named by its id. */
#define _GNU_SOURCE
#include "tests/support/check.h"

static wag_error *do_nothing(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)args, (void)results;
    return NULL;
}

/* Instantiate synchronously; the error (own) or NULL. */
static wag_error *instantiate_text(const char *text, wag_imports *imports)
{
    wag_module *module = module_of(text);
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    wag_err err = wag_instance_new(module, imports, &instance, &error);
    assert_int_equal(err == WAG_OK, error == NULL);
    if (err == WAG_OK)
        wag_instance_unref(instance);
    wag_module_unref(module);
    return error;
}

static void assert_import_fails(const char *text, wag_imports *imports, wag_error_class error_class, size_t index)
{
    wag_error *error = instantiate_text(text, imports);
    assert_non_null(error);
    size_t got = SIZE_MAX;
    assert_true(wag_error_import(error, &got, NULL, NULL));
    assert_int_equal(got, index);
    assert_class(error, error_class);
}

static wag_imports *imports_with(const char *field, wag_value value)
{
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set(imports, "m", field, value));
    return imports;
}

/* value: own */
static void assert_value_fails(const char *text, wag_value value, wag_error_class error_class)
{
    wag_imports *imports = imports_with("x", value);
    assert_import_fails(text, imports, error_class, 0);
    wag_imports_unref(imports);
    wag_value_unref(value);
}

static void assert_value_fits(const char *text, wag_value value)
{
    wag_imports *imports = imports_with("x", value);
    wag_error *error = instantiate_text(text, imports);
    if (error)
        fail_msg("%s: %s", text, wag_error_message(error));
    wag_imports_unref(imports);
    wag_value_unref(value);
}

/* ---- a getter that logs ---- */

typedef struct log {
    char text[512];
    wag_value map;     /* module -> map of fields */
    const char *fails; /* a name whose look-up fails */
} log_t;

static wag_error *logging_getter(void *context, wag_name module, const wag_name *field, wag_value *ret_value)
{
    log_t *log = context;
    wag_name asked = field ? *field : module;
    snprintf(log->text + strlen(log->text), sizeof log->text - strlen(log->text), "%.*s ", (int)asked.size, asked.data);
    if (log->fails && asked.size == strlen(log->fails) && memcmp(asked.data, log->fails, asked.size) == 0)
        return wag_error_new(WAG_CLASS_RANGE_ERROR, "the getter of %s", log->fails);
    wag_value namespace = wag_map_get_n(log->map, module);
    *ret_value = wag_value_ref(field ? wag_map_get_n(namespace, *field) : namespace);
    return NULL;
}

static void test_R_02_the_namespace_is_looked_up_once_per_import_and_not_cached(void **state)
{
    (void)state;
    log_t log = {.map = wag_map()};
    wag_value module1 = wag_map(), module2 = wag_map();
    wag_memory *memory = NULL;
    ASSERT_OK(wag_memory_new(1, UINT64_MAX, &memory, NULL));
    wag_map_set(module1, "global1", WAG_NUMBER(1));
    wag_map_set(module2, "global3", WAG_NUMBER(3));
    wag_map_set(module1, "memory", wag_value_ref(WAG_MEMORY(memory)));
    wag_map_set(module1, "global2", WAG_NUMBER(2));
    wag_map_set(log.map, "module", module1);
    wag_map_set(log.map, "module2", module2);
    wag_imports *imports = wag_imports_new_getter(logging_getter, &log);
    wag_error *error = instantiate_text(
        "(module (import \"module\" \"global1\" (global i32)) (import \"module2\" \"global3\" (global i32))"
        " (import \"module\" \"memory\" (memory 0)) (import \"module\" \"global2\" (global i32)))",
        imports);
    assert_null(error);
    assert_string_equal(log.text, "module global1 module2 global3 module memory module global2 ");
    wag_imports_unref(imports);
    wag_value_unref(log.map);
    wag_memory_unref(memory);
}

static void test_R_02_a_namespace_getters_own_error_propagates(void **state)
{
    (void)state;
    log_t log = {.map = wag_map(), .fails = "m"};
    wag_imports *imports = wag_imports_new_getter(logging_getter, &log);
    wag_error *error = instantiate_text("(module (import \"m\" \"f\" (func)))", imports);
    assert_non_null(error);
    assert_string_equal(wag_error_message(error), "the getter of m");
    assert_class(error, WAG_CLASS_RANGE_ERROR);
    wag_imports_unref(imports);
    wag_value_unref(log.map);
}

static void test_R_03_a_namespace_that_is_no_object_is_a_type_error(void **state)
{
    (void)state;
    wag_value no_objects[] = {WAG_UNDEFINED, WAG_NULL, WAG_BOOL(true), WAG_NUMBER(1), WAG_BIGINT(1), wag_string("m")};
    for (size_t i = 0; i < sizeof no_objects / sizeof *no_objects; i++) {
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set_namespace(imports, "m", no_objects[i]));
        assert_import_fails("(module (import \"m\" \"f\" (func)))", imports, WAG_CLASS_TYPE_ERROR, 0);
        wag_imports_unref(imports);
        wag_value_unref(no_objects[i]);
    }
    wag_imports *empty = wag_imports_new();
    assert_import_fails("(module (import \"m\" \"f\" (func)))", empty, WAG_CLASS_TYPE_ERROR, 0);
    wag_imports_unref(empty);
}

static void test_R_04_a_field_getters_own_error_propagates(void **state)
{
    (void)state;
    log_t log = {.map = wag_map(), .fails = "f"};
    wag_map_set(log.map, "m", wag_map());
    wag_imports *imports = wag_imports_new_getter(logging_getter, &log);
    wag_error *error = instantiate_text("(module (import \"m\" \"f\" (func)))", imports);
    assert_non_null(error);
    assert_string_equal(wag_error_message(error), "the getter of f");
    assert_class(error, WAG_CLASS_RANGE_ERROR);
    wag_imports_unref(imports);
    wag_value_unref(log.map);
}

static void test_R_05_a_function_import_that_is_not_callable_is_a_link_error(void **state)
{
    (void)state;
    const char *text = "(module (import \"m\" \"x\" (func)))";
    assert_value_fails(text, WAG_UNDEFINED, WAG_CLASS_LINK_ERROR);
    assert_value_fails(text, WAG_NULL, WAG_CLASS_LINK_ERROR);
    assert_value_fails(text, WAG_NUMBER(1), WAG_CLASS_LINK_ERROR);
    assert_value_fails(text, WAG_BIGINT(1), WAG_CLASS_LINK_ERROR);
    assert_value_fails(text, wag_string("f"), WAG_CLASS_LINK_ERROR);
    assert_value_fails(text, wag_map(), WAG_CLASS_LINK_ERROR);
    assert_value_fails(text, wag_array(), WAG_CLASS_LINK_ERROR);
}

static wag_error *forty_two(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)args;
    results[0] = WAG_VAL_I32(42);
    return NULL;
}

static void test_R_06_an_exported_function_keeps_its_identity_and_a_host_function_takes_the_imports_type(void **state)
{
    (void)state;
    wag_instance *exporter = instance_of("(module (func (export \"f\") (result i32) i32.const 7))", NULL);
    wag_func *exported = wag_exports_func(wag_instance_exports(exporter), "f");
    wag_imports *imports = imports_with("x", WAG_FUNC(exported));
    const char *text = "(module (import \"m\" \"x\" (func $x (result i32))) (export \"again\" (func $x))"
                       " (func (export \"call\") (result i32) call $x))";
    wag_instance *importer = instance_of(text, imports);
    assert_ptr_equal(wag_exports_func(wag_instance_exports(importer), "again"), exported);
    assert_int_equal(call_i32(importer, "call"), 7);
    wag_instance_unref(importer);
    wag_imports_unref(imports);
    wag_instance_unref(exporter);

    imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "x", NULL, forty_two, NULL, NULL));
    importer = instance_of(text, imports);
    assert_int_equal(call_i32(importer, "call"), 42);
    wag_instance_unref(importer);
    wag_imports_unref(imports);
}

static void test_R_07_a_global_import_takes_a_global_or_the_right_number(void **state)
{
    (void)state;
    const char *i32 = "(module (import \"m\" \"x\" (global i32)))", *i64 = "(module (import \"m\" \"x\" (global i64)))";
    const char *f32 = "(module (import \"m\" \"x\" (global f32)))", *f64 = "(module (import \"m\" \"x\" (global f64)))";
    wag_global *global = NULL;
    ASSERT_OK(wag_global_new(WAG_VAL_I32(3), false, &global, NULL));
    assert_value_fits(i32, WAG_GLOBAL(global));
    assert_value_fits(i32, WAG_NUMBER(3));
    assert_value_fits(f32, WAG_NUMBER(3));
    assert_value_fits(f64, WAG_NUMBER(3));
    assert_value_fits(i64, WAG_BIGINT(3));
    assert_value_fails(i64, WAG_NUMBER(3), WAG_CLASS_LINK_ERROR);
    assert_value_fails(i32, WAG_BIGINT(3), WAG_CLASS_LINK_ERROR);
    assert_value_fails(f32, WAG_BIGINT(3), WAG_CLASS_LINK_ERROR);
    assert_value_fails(f64, WAG_BIGINT(3), WAG_CLASS_LINK_ERROR);
    const char *all[] = {i32, i64, f32, f64};
    for (size_t i = 0; i < 4; i++) {
        assert_value_fails(all[i], WAG_UNDEFINED, WAG_CLASS_LINK_ERROR);
        assert_value_fails(all[i], WAG_NULL, WAG_CLASS_LINK_ERROR);
        assert_value_fails(all[i], WAG_BOOL(true), WAG_CLASS_LINK_ERROR);
        assert_value_fails(all[i], wag_string("3"), WAG_CLASS_LINK_ERROR);
        assert_value_fails(all[i], wag_map(), WAG_CLASS_LINK_ERROR);
    }
}

static void test_R_07_numbers_are_converted_as_in_javascript(void **state)
{
    (void)state;
    static const struct {
        double number;
        int32_t wanted;
    } rows[] = {{0, 0}, {-1, -1}, {1.9, 1}, {-1.9, -1}, {4294967296.0 + 5, 5}, {2147483648.0, INT32_MIN}, {1e30, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wag_imports *imports = imports_with("x", WAG_NUMBER(rows[i].number));
        wag_instance *instance = instance_of("(module (import \"m\" \"x\" (global i32))"
                                             " (func (export \"get\") (result i32) global.get 0))",
                                             imports);
        assert_int_equal(call_i32(instance, "get"), rows[i].wanted);
        wag_instance_unref(instance);
        wag_imports_unref(imports);
    }
}

static void test_R_08_a_reference_global_takes_a_matching_value_and_is_constant(void **state)
{
    (void)state;
    const char *funcref = "(module (import \"m\" \"x\" (global funcref)))";
    const char *externref = "(module (import \"m\" \"x\" (global externref)))";
    wag_func *func = NULL;
    ASSERT_OK(wag_func_new("()", do_nothing, NULL, NULL, &func, NULL));
    wag_extern *ext = wag_extern_new(&func, NULL);
    assert_value_fits(funcref, WAG_NULL);
    assert_value_fits(funcref, WAG_FUNC(func));
    assert_value_fits(externref, WAG_NULL);
    assert_value_fits(externref, WAG_EXTERN(ext));
    assert_value_fails(funcref, WAG_NUMBER(1), WAG_CLASS_LINK_ERROR);
    assert_value_fails(funcref, WAG_UNDEFINED, WAG_CLASS_LINK_ERROR);
    /* the global that a primitive makes is constant: a mutable import does not match it */
    assert_value_fails("(module (import \"m\" \"x\" (global (mut funcref))))", WAG_NULL, WAG_CLASS_LINK_ERROR);
    assert_value_fails("(module (import \"m\" \"x\" (global (mut i32))))", WAG_NUMBER(1), WAG_CLASS_LINK_ERROR);
}

static void test_R_09_a_memory_import_must_be_a_memory(void **state)
{
    (void)state;
    const char *text = "(module (import \"m\" \"x\" (memory 0)))";
    wag_memory *memory = NULL;
    ASSERT_OK(wag_memory_new(0, UINT64_MAX, &memory, NULL));
    assert_value_fits(text, WAG_MEMORY(memory));
    assert_value_fails(text, WAG_UNDEFINED, WAG_CLASS_LINK_ERROR);
    assert_value_fails(text, WAG_NULL, WAG_CLASS_LINK_ERROR);
    assert_value_fails(text, WAG_NUMBER(1), WAG_CLASS_LINK_ERROR);
    assert_value_fails(text, wag_map(), WAG_CLASS_LINK_ERROR);
    assert_value_fails(text, wag_bytes_value((wag_bytes){NULL, 0}), WAG_CLASS_LINK_ERROR);
}

static void test_R_10_a_table_import_must_be_a_table(void **state)
{
    (void)state;
    const char *text = "(module (import \"m\" \"x\" (table 0 funcref)))";
    wag_table *table = NULL;
    ASSERT_OK(wag_table_new(WAG_FUNCREF, 0, UINT64_MAX, WAG_VAL_FUNC(NULL), &table, NULL));
    assert_value_fits(text, WAG_TABLE(table));
    assert_value_fails(text, WAG_UNDEFINED, WAG_CLASS_LINK_ERROR);
    assert_value_fails(text, WAG_NULL, WAG_CLASS_LINK_ERROR);
    assert_value_fails(text, wag_array(), WAG_CLASS_LINK_ERROR);
    wag_memory *memory = NULL;
    ASSERT_OK(wag_memory_new(0, UINT64_MAX, &memory, NULL));
    assert_value_fails(text, WAG_MEMORY(memory), WAG_CLASS_LINK_ERROR);
}

static void test_R_11_a_tag_import_must_be_a_tag(void **state)
{
    (void)state;
    const char *text = "(module (import \"m\" \"x\" (tag (param i32))))";
    wag_tag *tag = NULL;
    ASSERT_OK(wag_tag_new("(i32)", &tag, NULL));
    assert_value_fits(text, WAG_TAG(tag));
    assert_value_fails(text, WAG_UNDEFINED, WAG_CLASS_LINK_ERROR);
    assert_value_fails(text, WAG_NUMBER(1), WAG_CLASS_LINK_ERROR);
    ASSERT_OK(wag_tag_new("(i64)", &tag, NULL));
    assert_value_fails(text, WAG_TAG(tag), WAG_CLASS_LINK_ERROR); /* */
}

static wag_value host_func(const char *signature)
{
    wag_func *func = NULL;
    ASSERT_OK(wag_func_new(signature, do_nothing, NULL, NULL, &func, NULL));
    return WAG_FUNC(func);
}

static wag_value host_memory(uint64_t initial, uint64_t maximum)
{
    wag_memory *memory = NULL;
    ASSERT_OK(wag_memory_new(initial, maximum, &memory, NULL));
    return WAG_MEMORY(memory);
}

static wag_value host_table(wag_val_kind kind, uint64_t initial, uint64_t maximum)
{
    wag_table *table = NULL;
    wag_val null = {.kind = kind, .of = {.func = NULL}};
    ASSERT_OK(wag_table_new(kind, initial, maximum, null, &table, NULL));
    return WAG_TABLE(table);
}

static wag_value host_global(wag_val init, bool is_mutable)
{
    wag_global *global = NULL;
    ASSERT_OK(wag_global_new(init, is_mutable, &global, NULL));
    return WAG_GLOBAL(global);
}

static void test_R_12_types_must_match(void **state)
{
    (void)state;
    const char *func = "(module (import \"m\" \"x\" (func (param i32) (result i64))))";
    assert_value_fits(func, host_func("(i32) -> (i64)"));
    assert_value_fails(func, host_func("(i32)"), WAG_CLASS_LINK_ERROR);
    assert_value_fails(func, host_func("(i64) -> (i64)"), WAG_CLASS_LINK_ERROR);
    const char *memory = "(module (import \"m\" \"x\" (memory 2 4)))";
    assert_value_fits(memory, host_memory(2, 4));
    assert_value_fits(memory, host_memory(3, 3));
    assert_value_fails(memory, host_memory(1, 4), WAG_CLASS_LINK_ERROR);
    assert_value_fails(memory, host_memory(2, 5), WAG_CLASS_LINK_ERROR);
    assert_value_fails(memory, host_memory(2, UINT64_MAX), WAG_CLASS_LINK_ERROR);
    const char *table = "(module (import \"m\" \"x\" (table 2 4 funcref)))";
    assert_value_fits(table, host_table(WAG_FUNCREF, 2, 4));
    assert_value_fails(table, host_table(WAG_EXTERNREF, 2, 4), WAG_CLASS_LINK_ERROR);
    assert_value_fails(table, host_table(WAG_FUNCREF, 1, 4), WAG_CLASS_LINK_ERROR);
    assert_value_fails(table, host_table(WAG_FUNCREF, 2, UINT64_MAX), WAG_CLASS_LINK_ERROR);
    const char *global = "(module (import \"m\" \"x\" (global i32)))";
    assert_value_fits(global, host_global(WAG_VAL_I32(1), false));
    assert_value_fails(global, host_global(WAG_VAL_I32(1), true), WAG_CLASS_LINK_ERROR);
    assert_value_fails(global, host_global(WAG_VAL_I64(1), false), WAG_CLASS_LINK_ERROR);
    assert_value_fails("(module (import \"m\" \"x\" (global (mut i32))))", host_global(WAG_VAL_I32(1), false),
                       WAG_CLASS_LINK_ERROR);
}

static void test_R_12_the_error_says_which_import_what_was_wanted_and_what_was_given(void **state)
{
    (void)state;
    wag_imports *imports = imports_with("a", WAG_NUMBER(1));
    wag_value func = host_func("(i64)");
    ASSERT_OK(wag_imports_set(imports, "m", "x", func));
    wag_error *error =
        instantiate_text("(module (import \"m\" \"a\" (global i32)) (import \"m\" \"x\" (func (param i32))))", imports);
    assert_non_null(error);
    size_t index = 0;
    wag_name module, field;
    assert_true(wag_error_import(error, &index, &module, &field));
    assert_int_equal(index, 1);
    assert_int_equal(module.size, 1);
    assert_memory_equal(module.data, "m", 1);
    assert_int_equal(field.size, 1);
    assert_memory_equal(field.data, "x", 1);
    assert_string_equal(wag_error_wanted(error), "(func (param i32))");
    assert_string_equal(wag_error_given(error), "(func (param i64))");
    assert_class(error, WAG_CLASS_LINK_ERROR);
    wag_imports_unref(imports);
    wag_value_unref(func);
}

static void test_R_precedence_all_steps_of_one_import_come_before_the_next(void **state)
{
    (void)state;
    wag_imports *imports = wag_imports_new();
    wag_value empty = wag_map();
    ASSERT_OK(wag_imports_set_namespace(imports, "a", empty));
    /* a.f is not callable: LinkError for import 0, though namespace b (import 1) does not exist at all */
    assert_import_fails("(module (import \"a\" \"f\" (func)) (import \"b\" \"f\" (func)))", imports,
                        WAG_CLASS_LINK_ERROR, 0);
    wag_value_unref(empty);
    wag_imports_unref(imports);
}

static void test_imports_check_reports_every_mismatch_at_once(void **state)
{
    (void)state;
    wag_module *module = module_of("(module (import \"m\" \"x\" (func (param i32))) (import \"m\" \"ok\" (global i32))"
                                   " (import \"n\" \"y\" (memory 1)) (import \"m\" \"z\" (table 1 funcref)))");
    wag_imports *imports = imports_with("ok", WAG_NUMBER(1));
    wag_value func = host_func("(i64)");
    ASSERT_OK(wag_imports_set(imports, "m", "x", func));
    wag_error **errors = NULL;
    size_t count = 0;
    ASSERT_OK(wag_imports_check(module, imports, &errors, &count));
    assert_int_equal(count, 3);
    static const size_t indices[] = {0, 2, 3};
    static const wag_err codes[] = {WAG_LINK, WAG_TYPE, WAG_LINK};
    for (size_t i = 0; i < 3; i++) {
        size_t index = 99;
        assert_true(wag_error_import(errors[i], &index, NULL, NULL));
        assert_int_equal(index, indices[i]);
        assert_int_equal(wag_error_code(errors[i]), codes[i]);
    }
    wag_error_list_free(errors, count);
    wag_imports_unref(imports);
    wag_value_unref(func);
    wag_module_unref(module);
}

static void test_an_import_object_of_nested_maps_works_as_in_javascript(void **state)
{
    (void)state;
    wag_value object = wag_map(), namespace = wag_map();
    wag_map_set(namespace, "x", WAG_NUMBER(5));
    wag_map_set(object, "m", namespace);
    wag_imports *imports = wag_imports_from_value(object);
    wag_instance *instance = instance_of(
        "(module (import \"m\" \"x\" (global i32)) (func (export \"get\") (result i32) global.get 0))", imports);
    assert_int_equal(call_i32(instance, "get"), 5);
    wag_instance_unref(instance);
    wag_imports_unref(imports);
    wag_value_unref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R_02_the_namespace_is_looked_up_once_per_import_and_not_cached),
        cmocka_unit_test(test_R_02_a_namespace_getters_own_error_propagates),
        cmocka_unit_test(test_R_03_a_namespace_that_is_no_object_is_a_type_error),
        cmocka_unit_test(test_R_04_a_field_getters_own_error_propagates),
        cmocka_unit_test(test_R_05_a_function_import_that_is_not_callable_is_a_link_error),
        cmocka_unit_test(test_R_06_an_exported_function_keeps_its_identity_and_a_host_function_takes_the_imports_type),
        cmocka_unit_test(test_R_07_a_global_import_takes_a_global_or_the_right_number),
        cmocka_unit_test(test_R_07_numbers_are_converted_as_in_javascript),
        cmocka_unit_test(test_R_08_a_reference_global_takes_a_matching_value_and_is_constant),
        cmocka_unit_test(test_R_09_a_memory_import_must_be_a_memory),
        cmocka_unit_test(test_R_10_a_table_import_must_be_a_table),
        cmocka_unit_test(test_R_11_a_tag_import_must_be_a_tag),
        cmocka_unit_test(test_R_12_types_must_match),
        cmocka_unit_test(test_R_12_the_error_says_which_import_what_was_wanted_and_what_was_given),
        cmocka_unit_test(test_R_precedence_all_steps_of_one_import_come_before_the_next),
        cmocka_unit_test(test_imports_check_reports_every_mismatch_at_once),
        cmocka_unit_test(test_an_import_object_of_nested_maps_works_as_in_javascript),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

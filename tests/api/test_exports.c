/* The exports object. One test per statement, named by its id. */
#define _GNU_SOURCE
#include "tests/support/check.h"

static const char *const all_kinds =
    "(module (func (export \"f\")) (table (export \"t\") 1 funcref) (memory (export \"m\") 1)"
    " (global (export \"g\") i32 (i32.const 5)) (tag (export \"e\")))";

static void test_X_01_exports_is_one_fixed_object_with_keys_in_export_order(void **state)
{
    (void)state;
    wag_instance *instance = instance_of(all_kinds, NULL);
    const wag_exports *exports = wag_instance_exports(instance);
    assert_ptr_equal(exports, wag_instance_exports(instance));
    static const char *const names[] = {"f", "t", "m", "g", "e"};
    static const wag_value_kind kinds[] = {WAG_VALUE_FUNC, WAG_VALUE_TABLE, WAG_VALUE_MEMORY, WAG_VALUE_GLOBAL,
                                           WAG_VALUE_TAG};
    assert_int_equal(wag_exports_size(exports), 5);
    for (size_t i = 0; i < 5; i++) {
        wag_name name;
        wag_value value, again;
        assert_true(wag_exports_at(exports, i, &name, &value));
        assert_int_equal(name.size, 1);
        assert_memory_equal(name.data, names[i], 1);
        assert_int_equal(value.kind, kinds[i]);
        again = wag_exports_get(exports, names[i]);
        assert_true(wag_value_equal(value, again)); /* the same object each time */
    }
    assert_false(wag_exports_at(exports, 5, NULL, NULL));
    assert_int_equal(wag_exports_get(exports, "toString").kind, WAG_VALUE_UNDEFINED); /* null prototype */
    wag_instance_unref(instance);
}

static void test_X_02_one_address_gives_one_object(void **state)
{
    (void)state;
    wag_instance *instance = instance_of("(module (func $f) (export \"a\" (func $f)) (export \"b\" (func $f))"
                                         " (memory $m 1) (export \"c\" (memory $m)) (export \"d\" (memory $m)))",
                                         NULL);
    const wag_exports *exports = wag_instance_exports(instance);
    assert_ptr_equal(wag_exports_func(exports, "a"), wag_exports_func(exports, "b"));
    assert_ptr_equal(wag_exports_memory(exports, "c"), wag_exports_memory(exports, "d"));
    wag_instance_unref(instance);
}

static void test_X_02_a_funcref_is_the_same_object_wherever_it_is_met(void **state)
{
    (void)state;
    wag_instance *instance = instance_of("(module (func $f) (table (export \"t\") 2 funcref) (elem (i32.const 0) $f $f)"
                                         " (global $v (export \"v\") (mut funcref) (ref.null func))"
                                         " (func (export \"g\") (result funcref)"
                                         "  (global.set $v (table.get 0 (i32.const 1))) (table.get 0 (i32.const 0)))"
                                         " (export \"f\" (func $f)))",
                                         NULL);
    const wag_exports *exports = wag_instance_exports(instance);
    wag_func *func = wag_exports_func(exports, "f");
    wag_val value;
    for (uint64_t i = 0; i < 2; i++) {
        ASSERT_OK(wag_table_get(wag_exports_table(exports, "t"), i, &value));
        assert_ptr_equal(value.of.func, func);
        wag_val_unref(value);
    }
    ASSERT_OK(wag_call(wag_exports_func(exports, "g"), NULL, 0, &value, 1, NULL));
    assert_ptr_equal(value.of.func, func);
    wag_val_unref(value);
    wag_value any;
    ASSERT_OK(wag_global_get_value(wag_exports_global(exports, "v"), &any, NULL));
    assert_ptr_equal(any.of.func, func);
    wag_value_unref(any);
    wag_instance_unref(instance);
}

static wag_error *answer(void *context, const wag_val *args, wag_val *results)
{
    (void)args;
    results[0].of.i32 = *(const int *)context;
    return NULL;
}

static const char *const forwards = "(module (import \"m\" \"f\" (func $f (result i32))) (export \"f\" (func $f))"
                                    " (export \"again\" (func $f)))";

static void test_X_03_an_exported_function_that_is_imported_and_exported_is_the_same_object(void **state)
{
    (void)state;
    wag_instance *first = instance_of("(module (func (export \"f\") (result i32) i32.const 7))", NULL);
    wag_func *func = wag_exports_func(wag_instance_exports(first), "f");
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set(imports, "m", "f", WAG_FUNC(func)));
    wag_instance *second = instance_of(forwards, imports);
    assert_ptr_equal(wag_exports_func(wag_instance_exports(second), "f"), func);
    assert_ptr_equal(wag_exports_func(wag_instance_exports(second), "again"), func);
    wag_imports_unref(imports);
    wag_instance_unref(second);
    wag_instance_unref(first);
}

static void test_X_03_a_host_function_that_is_exported_is_a_new_exported_function(void **state)
{
    (void)state;
    int context = 9;
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "f", NULL, answer, &context, NULL));
    wag_instance *first = instance_of(forwards, imports), *second = instance_of(forwards, imports);
    wag_func *func = wag_exports_func(wag_instance_exports(first), "f");
    assert_ptr_equal(wag_exports_func(wag_instance_exports(first), "again"), func); /* one for each address */
    assert_ptr_not_equal(wag_exports_func(wag_instance_exports(second), "f"), func);
    assert_int_equal(call_i32(first, "f"), 9);
    assert_int_equal(wag_func_result_count(func), 1); /* of the import's type */
    wag_imports_unref(imports);
    wag_instance_unref(second);
    wag_instance_unref(first);
}

static void test_X_04_a_function_is_named_by_its_index_and_has_a_length(void **state)
{
    (void)state;
    int context = 9;
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "f", NULL, answer, &context, NULL));
    wag_instance *instance = instance_of("(module (import \"m\" \"f\" (func $f (result i32))) (func)"
                                         " (func (export \"two\") (param i32 i64)) (func (export \"none\"))"
                                         " (export \"f\" (func $f)))",
                                         imports);
    const wag_exports *exports = wag_instance_exports(instance);
    uint32_t index = 99;
    assert_true(wag_func_index(wag_exports_func(exports, "two"), &index));
    assert_int_equal(index, 2);
    assert_int_equal(wag_func_param_count(wag_exports_func(exports, "two")), 2);
    assert_true(wag_func_index(wag_exports_func(exports, "none"), &index));
    assert_int_equal(index, 3);
    assert_int_equal(wag_func_param_count(wag_exports_func(exports, "none")), 0);
    assert_false(wag_func_index(wag_exports_func(exports, "f"), &index)); /* it is in no module */
    assert_false(wag_func_index(NULL, &index));
    wag_imports_unref(imports);
    wag_instance_unref(instance);
}

static void test_X_05_the_empty_string_names_an_export_of_each_kind(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        wag_value_kind kind;
    } rows[] = {
        {"(module (func (export \"\")))", WAG_VALUE_FUNC},
        {"(module (table (export \"\") 0 funcref))", WAG_VALUE_TABLE},
        {"(module (memory (export \"\") 0))", WAG_VALUE_MEMORY},
        {"(module (global (export \"\") i32 (i32.const 1)))", WAG_VALUE_GLOBAL},
        {"(module (tag (export \"\")))", WAG_VALUE_TAG},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wag_instance *instance = instance_of(rows[i].text, NULL);
        const wag_exports *exports = wag_instance_exports(instance);
        wag_name name = {"x", 1};
        wag_value value;
        assert_true(wag_exports_at(exports, 0, &name, &value));
        assert_int_equal(name.size, 0);
        assert_int_equal(wag_exports_get(exports, "").kind, rows[i].kind);
        wag_instance_unref(instance);
    }
}

static void test_X_06_names_may_contain_nul_and_are_compared_whole(void **state)
{
    (void)state;
    wag_instance *instance = instance_of("(module (global (export \"a\") i32 (i32.const 1))"
                                         " (global (export \"a\\00b\") i32 (i32.const 2)))",
                                         NULL);
    const wag_exports *exports = wag_instance_exports(instance);
    wag_value with_nul = wag_exports_get_n(exports, WAG_NAME("a\0b"));
    assert_int_equal(with_nul.kind, WAG_VALUE_GLOBAL);
    wag_val val;
    ASSERT_OK(wag_global_get(with_nul.of.global, &val));
    assert_int_equal(val.of.i32, 2);
    ASSERT_OK(wag_global_get(wag_exports_global(exports, "a"), &val));
    assert_int_equal(val.of.i32, 1);
    wag_instance_unref(instance);
}

/* U+0000, two to four bytes of UTF-8, a combining mark: names are compared byte for byte, not normalised. */
static void test_X_06_names_of_any_unicode_are_imported_and_exported(void **state)
{
    (void)state;
    static const char *const text = "(module (import \"\\00\\c3\\a9\" \"e\\cc\\81\\00\" (global i32))"
                                    " (func (export \"\\f0\\9f\\90\\9d\") (result i32) global.get 0)"
                                    " (func (export \"\\f0\\9f\\90\\9d\\00\") (result i32) i32.const 2))";
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_n(imports, WAG_NAME("\0\xC3\xA9"), WAG_NAME("\xC3\xA9\0"), WAG_NUMBER(1)));
    wag_module *module = module_of(text);
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    wag_name space, field;
    size_t index;
    ASSERT_ERR(wag_instance_new(module, imports, &instance, &error), WAG_LINK); /* composed is not decomposed */
    assert_true(wag_error_import(error, &index, &space, &field));
    assert_int_equal(space.size, 3);
    assert_memory_equal(space.data, "\0\xC3\xA9", 3);
    assert_int_equal(field.size, 4);
    wag_error_unref(error);
    ASSERT_OK(wag_imports_set_n(imports, WAG_NAME("\0\xC3\xA9"), WAG_NAME("e\xCC\x81\0"), WAG_NUMBER(5)));
    ASSERT_OK(wag_instance_new(module, imports, &instance, NULL));
    wag_value bee = wag_exports_get_n(wag_instance_exports(instance), WAG_NAME("\xF0\x9F\x90\x9D"));
    wag_val result;
    assert_int_equal(bee.kind, WAG_VALUE_FUNC);
    ASSERT_OK(wag_call(bee.of.func, NULL, 0, &result, 1, NULL));
    assert_int_equal(result.of.i32, 5);
    bee = wag_exports_get_n(wag_instance_exports(instance), WAG_NAME("\xF0\x9F\x90\x9D\0"));
    ASSERT_OK(wag_call(bee.of.func, NULL, 0, &result, 1, NULL));
    assert_int_equal(result.of.i32, 2);
    wag_imports_unref(imports);
    wag_instance_unref(instance);
    wag_module_unref(module);
}

static void test_an_export_keeps_its_instance_alive(void **state)
{
    (void)state;
    wag_instance *instance = instance_of("(module (global $g (mut i32) (i32.const 1))"
                                         " (func (export \"f\") (result i32) (global.set $g (i32.add (global.get $g)"
                                         " (i32.const 1))) global.get $g))",
                                         NULL);
    wag_func *func = wag_func_ref(wag_exports_func(wag_instance_exports(instance), "f"));
    wag_instance_unref(instance);
    wag_agent_collect();
    wag_val result;
    ASSERT_OK(wag_call(func, NULL, 0, &result, 1, NULL));
    assert_int_equal(result.of.i32, 2);
    wag_func_unref(func);
    assert_int_equal(wag_agent_live_objects(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_X_01_exports_is_one_fixed_object_with_keys_in_export_order),
        cmocka_unit_test(test_X_02_one_address_gives_one_object),
        cmocka_unit_test(test_X_02_a_funcref_is_the_same_object_wherever_it_is_met),
        cmocka_unit_test(test_X_03_an_exported_function_that_is_imported_and_exported_is_the_same_object),
        cmocka_unit_test(test_X_03_a_host_function_that_is_exported_is_a_new_exported_function),
        cmocka_unit_test(test_X_04_a_function_is_named_by_its_index_and_has_a_length),
        cmocka_unit_test(test_X_06_names_of_any_unicode_are_imported_and_exported),
        cmocka_unit_test(test_X_05_the_empty_string_names_an_export_of_each_kind),
        cmocka_unit_test(test_X_06_names_may_contain_nul_and_are_compared_whole),
        cmocka_unit_test(test_an_export_keeps_its_instance_alive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

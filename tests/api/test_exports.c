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

static void test_X_03_an_imported_exported_function_that_is_exported_again_is_the_same_object(void **state)
{
    (void)state;
    wag_instance *first = instance_of("(module (func (export \"f\")))", NULL);
    wag_func *func = wag_exports_func(wag_instance_exports(first), "f");
    wag_imports *imports = wag_imports_new();
    wag_imports_set(imports, "m", "f", WAG_FUNC(func));
    wag_instance *second = instance_of("(module (import \"m\" \"f\" (func $f)) (export \"again\" (func $f)))", imports);
    assert_ptr_equal(wag_exports_func(wag_instance_exports(second), "again"), func);
    wag_imports_unref(imports);
    wag_instance_unref(second);
    wag_instance_unref(first);
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
        cmocka_unit_test(test_X_03_an_imported_exported_function_that_is_exported_again_is_the_same_object),
        cmocka_unit_test(test_X_05_the_empty_string_names_an_export_of_each_kind),
        cmocka_unit_test(test_X_06_names_may_contain_nul_and_are_compared_whole),
        cmocka_unit_test(test_an_export_keeps_its_instance_alive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

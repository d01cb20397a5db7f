/* Tables, globals and tags as the host sees them, and the table operations of wasm at their bounds. */
#include "tests/support/check.h"

#include "base/alloc.h"
#include "runtime/store.h"

static wag_error *nothing(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)args, (void)results;
    return NULL;
}

static int store_is_empty(void **state)
{
    (void)state;
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 0);
    return 0;
}

static wag_table *extern_table(uint64_t initial, uint64_t maximum)
{
    wag_table *table = NULL;
    ASSERT_OK(wag_table_new(WAG_EXTERNREF, initial, maximum, WAG_VAL_EXTERN(NULL), &table, NULL));
    return table;
}

static void assert_extern_at(const wag_table *table, uint64_t index, const wag_extern *wanted)
{
    wag_val got;
    ASSERT_OK(wag_table_get(table, index, &got));
    assert_int_equal(got.kind, WAG_EXTERNREF);
    assert_ptr_equal(got.of.ext, wanted);
    wag_val_unref(got);
}

static void test_elements_are_the_initial_value_and_can_be_set(void **state)
{
    (void)state;
    wag_extern *ext = wag_extern_new(NULL, NULL);
    wag_table *table = NULL;
    ASSERT_OK(wag_table_new(WAG_EXTERNREF, 3, UINT64_MAX, WAG_VAL_EXTERN(ext), &table, NULL));
    for (uint64_t i = 0; i < 3; i++)
        assert_extern_at(table, i, ext);
    ASSERT_OK(wag_table_set(table, 1, WAG_VAL_EXTERN(NULL)));
    assert_extern_at(table, 1, NULL);
    wag_val got;
    ASSERT_ERR(wag_table_get(table, 3, &got), WAG_RANGE);
    ASSERT_ERR(wag_table_set(table, UINT64_MAX, WAG_VAL_EXTERN(ext)), WAG_RANGE);
    ASSERT_ERR(wag_table_set(table, 0, WAG_VAL_FUNC(NULL)), WAG_TYPE);
    ASSERT_ERR(wag_table_set(table, 0, WAG_VAL_I32(1)), WAG_TYPE);
    ASSERT_ERR(wag_table_set(NULL, 0, WAG_VAL_EXTERN(ext)), WAG_TYPE);
    assert_extern_at(table, 0, ext);
    wag_extern_unref(ext);
    wag_table_unref(table);
}

static void test_a_table_grows_to_its_maximum_with_the_given_value(void **state)
{
    (void)state;
    wag_extern *ext = wag_extern_new(NULL, NULL);
    wag_table *table = extern_table(0, 1000);
    uint64_t old = 99;
    for (uint64_t size = 0; size < 1000; size++) {
        ASSERT_OK(wag_table_grow(table, 1, WAG_VAL_EXTERN(size % 2 ? ext : NULL), &old));
        assert_int_equal(old, size);
    }
    for (uint64_t i = 0; i < 1000; i++)
        assert_extern_at(table, i, i % 2 ? ext : NULL);
    ASSERT_ERR(wag_table_grow(table, 1, WAG_VAL_EXTERN(NULL), &old), WAG_RANGE);
    ASSERT_ERR(wag_table_grow(table, UINT64_MAX, WAG_VAL_EXTERN(NULL), &old), WAG_RANGE);
    ASSERT_ERR(wag_table_grow(table, 0, WAG_VAL_FUNC(NULL), &old), WAG_TYPE);
    ASSERT_OK(wag_table_grow(table, 0, WAG_VAL_EXTERN(NULL), &old));
    assert_int_equal(old, 1000);
    wag_extern_unref(ext);
    wag_table_unref(table);
}

static void test_the_limit_of_table_entries_holds_at_run_time(void **state)
{
    (void)state;
    wag_table *table = NULL;
    wag_error *error = NULL;
    ASSERT_ERR(wag_table_new(WAG_FUNCREF, 10000001, UINT64_MAX, WAG_VAL_FUNC(NULL), &table, &error), WAG_RANGE);
    assert_class(error, WAG_CLASS_RANGE_ERROR);
    ASSERT_OK(wag_table_new(WAG_FUNCREF, 9999999, UINT32_MAX, WAG_VAL_FUNC(NULL), &table, NULL));
    ASSERT_ERR(wag_table_grow(table, 2, WAG_VAL_FUNC(NULL), NULL), WAG_RANGE);
    ASSERT_OK(wag_table_grow(table, 1, WAG_VAL_FUNC(NULL), NULL));
    ASSERT_ERR(wag_table_grow(table, 1, WAG_VAL_FUNC(NULL), NULL), WAG_RANGE);
    wag_table_unref(table);
}

static void test_wrong_kinds_and_sizes_make_no_table(void **state)
{
    (void)state;
    wag_table *table = NULL;
    ASSERT_ERR(wag_table_new(WAG_I32, 1, 1, WAG_VAL_I32(0), &table, NULL), WAG_TYPE);
    ASSERT_ERR(wag_table_new(WAG_FUNCREF, 1, 1, WAG_VAL_EXTERN(NULL), &table, NULL), WAG_TYPE);
    ASSERT_ERR(wag_table_new(WAG_FUNCREF, 2, 1, WAG_VAL_FUNC(NULL), &table, NULL), WAG_RANGE);
    ASSERT_ERR(wag_table_new(WAG_FUNCREF, 1, (uint64_t)UINT32_MAX + 1, WAG_VAL_FUNC(NULL), &table, NULL), WAG_RANGE);
    assert_null(table);
    assert_int_equal(wag_agent_live_objects(), 0);
}

static void test_growth_without_memory_changes_nothing(void **state)
{
    (void)state;
    wag_extern *ext = wag_extern_new(NULL, NULL);
    wag_table *table = NULL;
    ASSERT_OK(wag_table_new(WAG_EXTERNREF, 4, UINT64_MAX, WAG_VAL_EXTERN(ext), &table, NULL));
    wagi_alloc_fail_after(0);
    wag_err err = wag_table_grow(table, 100, WAG_VAL_EXTERN(NULL), NULL);
    wagi_alloc_fail_after(UINT64_MAX);
    ASSERT_ERR(err, WAG_RANGE);
    assert_int_equal(wag_table_size(table), 4);
    assert_extern_at(table, 3, ext);
    wag_extern_unref(ext);
    wag_table_unref(table);
}

static void test_an_instances_small_table_moves_out_of_its_block_when_it_grows(void **state)
{
    (void)state;
    wag_instance *instance = instance_of("(module (table (export \"t\") 3 funcref) (func $f (result i32) i32.const 8)"
                                         " (elem (i32.const 2) $f) (type $t (func (result i32)))"
                                         " (func (export \"run\") (result i32) (call_indirect (type $t) (i32.const 2)))"
                                         " (func (export \"grow\") (result i32)"
                                         "  (table.grow 0 (ref.null func) (i32.const 5000))))",
                                         NULL);
    wag_table *table = wag_exports_table(wag_instance_exports(instance), "t");
    assert_true(table->in_block);
    assert_int_equal(call_i32(instance, "grow"), 3);
    assert_false(table->in_block);
    assert_int_equal(wag_table_size(table), 5003);
    assert_int_equal(call_i32(instance, "run"), 8);
    wag_instance_unref(instance);
    assert_int_equal(wag_agent_live_objects(), 0);
}

static void test_table_operations_check_bounds_before_they_write(void **state)
{
    (void)state;
    wag_table *table = extern_table(8, UINT64_MAX), *other = extern_table(4, UINT64_MAX), *empty = extern_table(0, 0);
    wagi_slot items[3] = {1, 2, 3}; /* never used as references */
    wagi_elem_instance elem = {3, items};
    ASSERT_OK(wagi_table_init(table, 5, &elem, 0, 3));
    assert_int_equal(table->elements[7], 3);
    ASSERT_ERR(wagi_table_init(table, 6, &elem, 0, 3), WAG_TABLE_BOUNDS);
    ASSERT_ERR(wagi_table_init(table, 0, &elem, 1, 3), WAG_TABLE_BOUNDS);
    ASSERT_ERR(wagi_table_init(table, UINT64_MAX, &elem, 0, 2), WAG_TABLE_BOUNDS);
    assert_int_equal(table->elements[6], 2);
    ASSERT_OK(wagi_table_copy(table, 4, table, 5, 3));
    assert_int_equal(table->elements[4], 1);
    assert_int_equal(table->elements[6], 3);
    ASSERT_OK(wagi_table_copy(other, 1, table, 4, 3));
    assert_int_equal(other->elements[3], 3);
    ASSERT_ERR(wagi_table_copy(other, 2, table, 4, 3), WAG_TABLE_BOUNDS);
    ASSERT_ERR(wagi_table_copy(other, 0, table, 6, 3), WAG_TABLE_BOUNDS);
    ASSERT_OK(wagi_table_copy(empty, 0, table, 8, 0));
    ASSERT_ERR(wagi_table_copy(empty, 1, table, 8, 0), WAG_TABLE_BOUNDS);
    ASSERT_ERR(wagi_table_fill(table, 6, 9, 3), WAG_TABLE_BOUNDS);
    assert_int_equal(table->elements[6], 3);
    ASSERT_OK(wagi_table_fill(table, 6, 9, 2));
    assert_int_equal(table->elements[7], 9);
    wagi_elem_drop(&elem);
    ASSERT_OK(wagi_table_init(table, 8, &elem, 0, 0));
    ASSERT_ERR(wagi_table_init(table, 0, &elem, 0, 1), WAG_TABLE_BOUNDS);
    wagi_table_fill(table, 0, 0, 8);
    wagi_table_fill(other, 0, 0, 4);
    wag_table_unref(table);
    wag_table_unref(other);
    wag_table_unref(empty);
}

/* ---- globals ---- */

static void test_globals_hold_a_value_of_their_kind(void **state)
{
    (void)state;
    wag_func *func = NULL;
    ASSERT_OK(wag_func_new("()", nothing, NULL, NULL, &func, NULL));
    wag_val values[] = {WAG_VAL_I32(-5), WAG_VAL_I64(INT64_MIN), WAG_VAL_F32(1.5f), WAG_VAL_F64(-0.0),
                        WAG_VAL_FUNC(func)};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        wag_global *global = NULL;
        wag_val got;
        ASSERT_OK(wag_global_new(values[i], i % 2 == 0, &global, NULL));
        assert_int_equal(wag_global_mutable(global), i % 2 == 0);
        ASSERT_OK(wag_global_get(global, &got));
        assert_int_equal(got.kind, values[i].kind);
        size_t size = got.kind == WAG_I32 || got.kind == WAG_F32 ? 4 : 8;
        assert_memory_equal(&got.of, &values[i].of, size);
        wag_val_unref(got);
        ASSERT_ERR(wag_global_set(global, values[i]), i % 2 == 0 ? WAG_OK : WAG_TYPE);
        ASSERT_ERR(wag_global_set(global, values[(i + 1) % 5]), WAG_TYPE);
        wag_global_unref(global);
    }
    wag_func_unref(func);
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 0);
}

static void test_v128_and_exnref_do_not_cross_the_boundary(void **state)
{
    (void)state;
    wag_global *global = NULL;
    wag_error *error = NULL;
    ASSERT_ERR(wag_global_new((wag_val){.kind = WAG_V128}, false, &global, &error), WAG_TYPE);
    assert_class(error, WAG_CLASS_TYPE_ERROR);
    ASSERT_ERR(wag_global_new((wag_val){.kind = WAG_EXNREF}, false, &global, NULL), WAG_TYPE);
    ASSERT_ERR(wag_global_new((wag_val){.kind = (wag_val_kind)77}, false, &global, NULL), WAG_TYPE);
    assert_null(global);
}

static void test_tags_have_parameters_only(void **state)
{
    (void)state;
    wag_tag *tag = NULL;
    ASSERT_OK(wag_tag_new("(i32 externref)", &tag, NULL));
    wag_tag_unref(tag);
    ASSERT_OK(wag_tag_new("() -> ()", &tag, NULL));
    wag_tag_unref(tag);
    ASSERT_ERR(wag_tag_new("() -> (i32)", &tag, NULL), WAG_TYPE);
    ASSERT_ERR(wag_tag_new(NULL, &tag, NULL), WAG_TYPE);
    assert_int_equal(wag_agent_live_objects(), 0);
}

static void test_no_types_stay_behind(void **state)
{
    (void)state;
    assert_int_equal(wagi_registry_group_count(wag_agent_current()->cluster->registry), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_elements_are_the_initial_value_and_can_be_set, store_is_empty),
        cmocka_unit_test_teardown(test_a_table_grows_to_its_maximum_with_the_given_value, store_is_empty),
        cmocka_unit_test_teardown(test_the_limit_of_table_entries_holds_at_run_time, store_is_empty),
        cmocka_unit_test_teardown(test_wrong_kinds_and_sizes_make_no_table, store_is_empty),
        cmocka_unit_test_teardown(test_growth_without_memory_changes_nothing, store_is_empty),
        cmocka_unit_test_teardown(test_an_instances_small_table_moves_out_of_its_block_when_it_grows, store_is_empty),
        cmocka_unit_test_teardown(test_table_operations_check_bounds_before_they_write, store_is_empty),
        cmocka_unit_test_teardown(test_globals_hold_a_value_of_their_kind, store_is_empty),
        cmocka_unit_test_teardown(test_v128_and_exnref_do_not_cross_the_boundary, store_is_empty),
        cmocka_unit_test_teardown(test_tags_have_parameters_only, store_is_empty),
        cmocka_unit_test_teardown(test_no_types_stay_behind, store_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The any layer: strings, bytes, arrays, maps; counting, cycles, equality; depth and sharing that recursion would not
 * survive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "waggle.h"

static void test_strings_keep_their_bytes_and_end_with_a_nul(void **state)
{
    (void)state;
    wag_value text = wag_string_n(WAG_NAME("a\0b"));
    assert_int_equal(text.kind, WAG_VALUE_STRING);
    assert_int_equal(wag_value_size(text), 3);
    assert_memory_equal(wag_value_text(text).data, "a\0b", 4);
    wag_value empty = wag_string("");
    assert_int_equal(empty.kind, WAG_VALUE_STRING);
    assert_int_equal(wag_value_text(empty).data[0], 0);
    assert_int_equal(wag_string(NULL).kind, WAG_VALUE_UNDEFINED);
    assert_int_equal(wag_string_n((wag_name){NULL, 4}).kind, WAG_VALUE_UNDEFINED);
    wag_value_unref(text);
    wag_value_unref(empty);
}

static void test_bytes_are_copied_and_are_no_string(void **state)
{
    (void)state;
    uint8_t source[3] = {1, 2, 3};
    wag_value bytes = wag_bytes_value((wag_bytes){source, 3});
    source[0] = 9;
    assert_int_equal(wag_value_bytes(bytes).data[0], 1);
    assert_int_equal(wag_value_bytes(bytes).size, 3);
    assert_int_equal(wag_value_text(bytes).size, 0);
    wag_value text = wag_string("\1\2\3");
    assert_false(wag_value_equal(bytes, text));
    assert_null(wag_value_bytes(text).data);
    wag_value_unref(bytes);
    wag_value_unref(text);
}

static void test_access_to_another_kind_is_empty_not_a_crash(void **state)
{
    (void)state;
    wag_name key;
    wag_value value;
    assert_int_equal(wag_value_size(WAG_NUMBER(3)), 0);
    assert_int_equal(wag_array_at(WAG_NULL, 0).kind, WAG_VALUE_UNDEFINED);
    assert_int_equal(wag_map_get(WAG_UNDEFINED, "x").kind, WAG_VALUE_UNDEFINED);
    assert_false(wag_map_at(WAG_BOOL(true), 0, &key, &value));
    wag_value array = wag_array(), map = wag_map();
    assert_int_equal(wag_array_push(map, WAG_NULL), WAG_TYPE);
    assert_int_equal(wag_map_set(array, "x", WAG_NULL), WAG_TYPE);
    assert_int_equal(wag_map_set(map, NULL, WAG_NULL), WAG_TYPE);
    assert_int_equal(wag_map_get(map, NULL).kind, WAG_VALUE_UNDEFINED);
    assert_int_equal(wag_array_at(array, 0).kind, WAG_VALUE_UNDEFINED);
    assert_false(wag_map_at(map, 0, NULL, NULL));
    wag_value_unref(array);
    wag_value_unref(map);
}

static void test_arrays_keep_order_and_own_their_elements(void **state)
{
    (void)state;
    wag_value array = wag_array();
    for (int i = 0; i < 100; i++)
        assert_int_equal(wag_array_push(array, WAG_NUMBER(i)), WAG_OK);
    assert_int_equal(wag_array_push(array, wag_string("last")), WAG_OK);
    assert_int_equal(wag_value_size(array), 101);
    assert_true(wag_array_at(array, 42).of.number == 42);
    assert_string_equal(wag_value_text(wag_array_at(array, 100)).data, "last");
    wag_value_unref(array);
}

static void test_maps_of_any_size_find_keys_and_keep_insertion_order(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    wag_value map = wag_map();
    char key[16];
    for (int i = 0; i < COUNT; i++) {
        snprintf(key, sizeof key, "key%d", i * 7919 % COUNT);
        assert_int_equal(wag_map_set(map, key, WAG_NUMBER(i)), WAG_OK);
        assert_true(wag_map_get(map, "key0").of.number == 0);
        assert_int_equal(wag_map_get(map, "none").kind, WAG_VALUE_UNDEFINED);
    }
    assert_int_equal(wag_value_size(map), COUNT);
    for (int i = 0; i < COUNT; i++) {
        wag_name name;
        wag_value value;
        snprintf(key, sizeof key, "key%d", i * 7919 % COUNT);
        assert_true(wag_map_get(map, key).of.number == i);
        assert_true(wag_map_at(map, (size_t)i, &name, &value));
        assert_string_equal(name.data, key);
        assert_true(value.of.number == i);
    }
    wag_value_unref(map);
}

static void test_setting_a_key_again_replaces_in_its_first_place(void **state)
{
    (void)state;
    wag_value map = wag_map();
    assert_int_equal(wag_map_set(map, "a", wag_string("old")), WAG_OK);
    assert_int_equal(wag_map_set(map, "b", WAG_NULL), WAG_OK);
    assert_int_equal(wag_map_set(map, "a", WAG_BIGINT(-1)), WAG_OK);
    wag_name key;
    wag_value value;
    assert_int_equal(wag_value_size(map), 2);
    assert_true(wag_map_at(map, 0, &key, &value));
    assert_string_equal(key.data, "a");
    assert_int_equal(value.of.bigint, -1);
    wag_value_unref(map);
}

static void test_keys_may_be_empty_and_hold_a_nul(void **state)
{
    (void)state;
    wag_value map = wag_map();
    assert_int_equal(wag_map_set_n(map, (wag_name){NULL, 0}, WAG_NUMBER(1)), WAG_OK);
    assert_int_equal(wag_map_set_n(map, WAG_NAME("a\0b"), WAG_NUMBER(2)), WAG_OK);
    assert_int_equal(wag_map_set_n(map, WAG_NAME("a\0c"), WAG_NUMBER(3)), WAG_OK);
    assert_true(wag_map_get(map, "").of.number == 1);
    assert_true(wag_map_get_n(map, WAG_NAME("a\0b")).of.number == 2);
    assert_int_equal(wag_map_get(map, "a").kind, WAG_VALUE_UNDEFINED);
    assert_int_equal(wag_map_set_n(map, (wag_name){NULL, 2}, WAG_NULL), WAG_TYPE);
    wag_value_unref(map);
}

static void test_a_container_cannot_come_to_contain_itself(void **state)
{
    (void)state;
    wag_value outer = wag_array(), middle = wag_map(), inner = wag_array();
    assert_int_equal(wag_array_push(outer, wag_value_ref(outer)), WAG_TYPE);
    assert_int_equal(wag_array_push(outer, wag_value_ref(middle)), WAG_OK);
    assert_int_equal(wag_map_set(middle, "x", wag_value_ref(inner)), WAG_OK);
    assert_int_equal(wag_array_push(inner, wag_value_ref(outer)), WAG_TYPE);
    assert_int_equal(wag_array_push(inner, wag_value_ref(middle)), WAG_TYPE);
    assert_int_equal(wag_map_set(middle, "y", wag_value_ref(outer)), WAG_TYPE);
    assert_int_equal(wag_value_size(inner), 0);
    assert_int_equal(wag_value_size(middle), 1);
    /* sharing is no cycle */
    assert_int_equal(wag_array_push(outer, wag_value_ref(inner)), WAG_OK);
    /* also through a borrowed handle, when the container holds the only reference */
    wag_value child = wag_array();
    wag_value parent = wag_array();
    assert_int_equal(wag_array_push(parent, child), WAG_OK);
    assert_int_equal(wag_array_push(wag_array_at(parent, 0), wag_value_ref(parent)), WAG_TYPE);
    wag_value_unref(parent);
    wag_value_unref(outer);
    wag_value_unref(middle);
    wag_value_unref(inner);
}

static wag_value deep(int depth)
{
    wag_value value = wag_array();
    for (int i = 0; i < depth; i++) {
        wag_value outer = i % 2 ? wag_array() : wag_map();
        assert_int_equal(i % 2 ? wag_array_push(outer, value) : wag_map_set(outer, "k", value), WAG_OK);
        value = outer;
    }
    return value;
}

static void test_deep_nesting_is_freed_compared_and_searched_without_recursion(void **state)
{
    (void)state;
    wag_value a = deep(200000), b = deep(200000), c = deep(200001);
    assert_true(wag_value_equal(a, b));
    assert_false(wag_value_equal(a, c));
    assert_true(wag_value_equal(a, b)); /* the walk left nothing behind */
    wag_value top = wag_array();
    assert_int_equal(wag_array_push(top, a), WAG_OK);
    wag_value bottom = a;
    for (int i = 0; i < 10; i++)
        bottom = bottom.kind == WAG_VALUE_ARRAY ? wag_array_at(bottom, 0) : wag_map_get(bottom, "k");
    assert_int_equal(bottom.kind == WAG_VALUE_ARRAY ? wag_array_push(bottom, wag_value_ref(top))
                                                    : wag_map_set(bottom, "t", wag_value_ref(top)),
                     WAG_TYPE);
    wag_value_unref(top);
    wag_value_unref(b);
    wag_value_unref(c);
}

/* 2^depth paths through depth containers. */
static wag_value shared(int depth, double leaf)
{
    wag_value value = WAG_NUMBER(leaf);
    for (int i = 0; i < depth; i++) {
        wag_value outer = wag_array();
        assert_int_equal(wag_array_push(outer, wag_value_ref(value)), WAG_OK);
        assert_int_equal(wag_array_push(outer, value), WAG_OK);
        value = outer;
    }
    return value;
}

static void test_comparing_shared_structure_takes_linear_time(void **state)
{
    (void)state;
    wag_value a = shared(2000, 1), b = shared(2000, 1), c = shared(2000, 2);
    assert_true(wag_value_equal(a, b));
    assert_false(wag_value_equal(a, c));
    assert_false(wag_value_equal(c, b));
    assert_true(wag_value_equal(b, a));
    wag_value_unref(a);
    wag_value_unref(b);
    wag_value_unref(c);
}

static void test_equality_finds_a_difference_behind_an_alias(void **state)
{
    (void)state;
    /* [x, x] against [y, z] with y != z, and with y == z */
    wag_value x = wag_string("s"), a = wag_array(), b = wag_array(), c = wag_array();
    wag_array_push(a, wag_value_ref(x));
    wag_array_push(a, x);
    wag_array_push(b, wag_string("s"));
    wag_array_push(b, wag_string("t"));
    wag_array_push(c, wag_string("s"));
    wag_array_push(c, wag_string("s"));
    assert_false(wag_value_equal(a, b));
    assert_false(wag_value_equal(b, a));
    assert_true(wag_value_equal(a, c));
    assert_true(wag_value_equal(c, a));
    wag_value_unref(a);
    wag_value_unref(b);
    wag_value_unref(c);
}

static void test_equality_of_numbers_is_bitwise_but_for_nan(void **state)
{
    (void)state;
    assert_false(wag_value_equal(WAG_NUMBER(0.0), WAG_NUMBER(-0.0)));
    assert_true(wag_value_equal(WAG_NUMBER(NAN), WAG_NUMBER(-NAN)));
    assert_true(wag_value_equal(WAG_NUMBER(1.5), WAG_NUMBER(1.5)));
    assert_false(wag_value_equal(WAG_NUMBER(1), WAG_BIGINT(1)));
    assert_false(wag_value_equal(WAG_UNDEFINED, WAG_NULL));
    assert_true(wag_value_equal(WAG_BOOL(true), WAG_BOOL(true)));
    assert_false(wag_value_equal(WAG_BOOL(true), WAG_BOOL(false)));
}

static void test_equality_of_maps_ignores_the_order_of_keys(void **state)
{
    (void)state;
    wag_value a = wag_map(), b = wag_map();
    char key[16];
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof key, "%d", i);
        wag_map_set(a, key, WAG_NUMBER(i));
        snprintf(key, sizeof key, "%d", 49 - i);
        wag_map_set(b, key, WAG_NUMBER(49 - i));
    }
    assert_true(wag_value_equal(a, b));
    wag_map_set(b, "7", WAG_NUMBER(-7));
    assert_false(wag_value_equal(a, b));
    wag_map_set(b, "7", WAG_NUMBER(7));
    wag_map_set(b, "more", WAG_NULL);
    wag_map_set(a, "other", WAG_NULL);
    assert_false(wag_value_equal(a, b));
    wag_value_unref(a);
    wag_value_unref(b);
}

static void test_errors_are_counted_and_compared_by_identity(void **state)
{
    (void)state;
    wag_error *error = wag_error_new(WAG_CLASS_RANGE_ERROR, "x"), *other = wag_error_new(WAG_CLASS_RANGE_ERROR, "x");
    wag_value array = wag_array();
    wag_array_push(array, wag_value_ref(WAG_ERROR_VALUE(error)));
    wag_error_unref(error);
    assert_string_equal(wag_error_message(wag_array_at(array, 0).of.error), "x");
    assert_false(wag_value_equal(wag_array_at(array, 0), WAG_ERROR_VALUE(other)));
    wag_value_unref(array);
    wag_error_unref(other);
}

static void test_every_failed_allocation_is_reported_and_leaks_nothing(void **state)
{
    (void)state;
    for (uint64_t left = 0; left < 60; left++) {
        wagi_alloc_fail_after(left);
        wag_value map = wag_map();
        char key[16];
        wag_err err = map.kind == WAG_VALUE_MAP ? WAG_OK : WAG_NOMEM;
        for (int i = 0; i < 20 && err == WAG_OK; i++) {
            snprintf(key, sizeof key, "%d", i);
            wag_value array = wag_array();
            err = array.kind == WAG_VALUE_ARRAY ? wag_array_push(array, WAG_NUMBER(i)) : WAG_NOMEM;
            if (err == WAG_OK)
                err = wag_map_set(map, key, array);
            else
                wag_value_unref(array);
        }
        wagi_alloc_fail_after(UINT64_MAX);
        assert_int_equal(err, WAG_NOMEM);
        wag_value_unref(map);
    }
}

static void test_kind_names_are_those_of_the_documentation(void **state)
{
    (void)state;
    assert_string_equal(wag_value_kind_name(WAG_VALUE_UNDEFINED), "undefined");
    assert_string_equal(wag_value_kind_name(WAG_VALUE_NUMBER), "number");
    assert_string_equal(wag_value_kind_name(WAG_VALUE_EXTERN), "extern");
    assert_string_equal(wag_value_kind_name((wag_value_kind)99), "?");
    assert_string_equal(wag_val_kind_name(WAG_I32), "i32");
    assert_string_equal(wag_val_kind_name(WAG_FUNCREF), "funcref");
    assert_string_equal(wag_val_kind_name((wag_val_kind)99), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings_keep_their_bytes_and_end_with_a_nul),
        cmocka_unit_test(test_bytes_are_copied_and_are_no_string),
        cmocka_unit_test(test_access_to_another_kind_is_empty_not_a_crash),
        cmocka_unit_test(test_arrays_keep_order_and_own_their_elements),
        cmocka_unit_test(test_maps_of_any_size_find_keys_and_keep_insertion_order),
        cmocka_unit_test(test_setting_a_key_again_replaces_in_its_first_place),
        cmocka_unit_test(test_keys_may_be_empty_and_hold_a_nul),
        cmocka_unit_test(test_a_container_cannot_come_to_contain_itself),
        cmocka_unit_test(test_deep_nesting_is_freed_compared_and_searched_without_recursion),
        cmocka_unit_test(test_comparing_shared_structure_takes_linear_time),
        cmocka_unit_test(test_equality_finds_a_difference_behind_an_alias),
        cmocka_unit_test(test_equality_of_numbers_is_bitwise_but_for_nan),
        cmocka_unit_test(test_equality_of_maps_ignores_the_order_of_keys),
        cmocka_unit_test(test_errors_are_counted_and_compared_by_identity),
        cmocka_unit_test(test_every_failed_allocation_is_reported_and_leaks_nothing),
        cmocka_unit_test(test_kind_names_are_those_of_the_documentation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

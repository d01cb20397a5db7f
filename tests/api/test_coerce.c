/* The coercing layer: calls, globals, tables and exceptions with JavaScript values. One test per statement, named by
 * its id. */
#define _GNU_SOURCE
#include <math.h>

#include "tests/support/check.h"

static wag_value call_1(wag_func *func, wag_value arg)
{
    wag_value result = WAG_UNDEFINED;
    wag_error *error = NULL;
    if (wag_call_value(func, &arg, 1, &result, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    return result;
}

static void assert_number(wag_value value, double wanted)
{
    assert_int_equal(value.kind, WAG_VALUE_NUMBER);
    if (isnan(wanted) ? !isnan(value.of.number) : memcmp(&value.of.number, &wanted, sizeof wanted) != 0)
        fail_msg("wanted %.17g, got %.17g", wanted, value.of.number);
}

static const char *const identities =
    "(module (func (export \"i32\") (param i32) (result i32) local.get 0)"
    " (func (export \"i64\") (param i64) (result i64) local.get 0)"
    " (func (export \"f32\") (param f32) (result f32) local.get 0)"
    " (func (export \"f64\") (param f64) (result f64) local.get 0)"
    " (func (export \"func\") (param funcref) (result funcref) local.get 0)"
    " (func (export \"extern\") (param externref) (result externref) local.get 0)"
    " (func (export \"is_null\") (param externref) (result i32) (ref.is_null (local.get 0)))"
    " (func (export \"three\") (param i32 i64 f64) (result f64 i32 i64) local.get 2 local.get 0 local.get 1)"
    " (func (export \"none\")))";

static wag_value text(const char *string)
{
    return wag_string(string);
}

static void test_A_09_an_i32_is_taken_by_ToInt32(void **state)
{
    (void)state;
    wag_instance *instance = instance_of(identities, NULL);
    wag_func *func = export_of(instance, "i32");
    static const struct {
        double given;
        int32_t wanted;
    } rows[] = {{0, 0},
                {-0.0, 0},
                {1.9, 1},
                {-1.9, -1},
                {4294967296.0, 0},
                {NAN, 0},
                {INFINITY, 0},
                {-INFINITY, 0},
                {2147483648.0, -2147483647 - 1},
                {4294967295.0, -1},
                {-4294967297.0, -1},
                {1e21, -559939584},
                {6442450944.0, -2147483647 - 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_number(call_1(func, WAG_NUMBER(rows[i].given)), rows[i].wanted);
    assert_number(call_1(func, WAG_UNDEFINED), 0);
    assert_number(call_1(func, WAG_NULL), 0);
    assert_number(call_1(func, WAG_BOOL(true)), 1);
    static const struct {
        const char *given;
        int32_t wanted;
    } texts[] = {{"", 0},    {"  12\n", 12}, {"0x1F", 31}, {"0b101", 5}, {"0o17", 15}, {"1e3", 1000}, {"-7", -7},
                 {"+7.", 7}, {".5e1", 5},    {"1 2", 0},   {"0x", 0},    {"-0x1", 0},  {"12px", 0},   {"Infinity", 0}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        wag_value string = text(texts[i].given);
        assert_number(call_1(func, string), texts[i].wanted);
        wag_value_unref(string);
    }
    wag_value bigint = WAG_BIGINT(1);
    wag_error *error = NULL;
    ASSERT_ERR(wag_call_value(func, &bigint, 1, NULL, &error), WAG_TYPE);
    assert_class(error, WAG_CLASS_TYPE_ERROR);
    wag_instance_unref(instance);
}

static void test_A_09_an_i64_is_taken_by_ToBigInt64(void **state)
{
    (void)state;
    wag_instance *instance = instance_of(identities, NULL);
    wag_func *func = export_of(instance, "i64");
    static const struct {
        const char *given;
        int64_t wanted;
    } rows[] = {{"5", 5},
                {"", 0},
                {" -5 ", -5},
                {"0xff", 255},
                {"18446744073709551617", 1},
                {"-9223372036854775809", INT64_MAX},
                {"0xffffffffffffffff", -1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wag_value string = text(rows[i].given), result = call_1(func, string);
        assert_int_equal(result.kind, WAG_VALUE_BIGINT);
        assert_int_equal(result.of.bigint, rows[i].wanted);
        wag_value_unref(string);
    }
    assert_int_equal(call_1(func, WAG_BOOL(true)).of.bigint, 1);
    static const char *const bad[] = {"1.5", "1e3", "x", "-", "0x", "-0x1", "5n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wag_value string = text(bad[i]);
        ASSERT_ERR(wag_call_value(func, &string, 1, NULL, NULL), WAG_TYPE);
        wag_value_unref(string);
    }
    const wag_value wrong[] = {WAG_NUMBER(5), WAG_UNDEFINED, WAG_NULL};
    for (size_t i = 0; i < 3; i++)
        ASSERT_ERR(wag_call_value(func, &wrong[i], 1, NULL, NULL), WAG_TYPE);
    wag_instance_unref(instance);
}

static void test_A_09_floats_are_taken_by_ToNumber(void **state)
{
    (void)state;
    wag_instance *instance = instance_of(identities, NULL);
    wag_func *f64 = export_of(instance, "f64"), *f32 = export_of(instance, "f32");
    assert_number(call_1(f64, WAG_UNDEFINED), NAN);
    assert_number(call_1(f64, WAG_NULL), 0);
    assert_number(call_1(f64, WAG_NUMBER(-0.0)), -0.0);
    assert_number(call_1(f32, WAG_NUMBER(16777217.0)), 16777216.0); /* to even */
    assert_number(call_1(f32, WAG_NUMBER(1e39)), INFINITY);
    static const struct {
        const char *given;
        double wanted;
    } rows[] = {{"1e400", INFINITY},
                {"-Infinity", -INFINITY},
                {"infinity", NAN},
                {"nan", NAN},
                {"0x20000000000001", 9007199254740992.0}, /* a tie, to even */
                {"0x20000000000003", 9007199254740996.0},
                {"0x200000000000010000000000000001", 0x1.0000000000001p117}, /* sticky bit */
                {"\xC2\xA0"
                 "4.25\xE2\x80\xA9",
                 4.25},
                {"-0", -0.0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wag_value string = text(rows[i].given);
        assert_number(call_1(f64, string), rows[i].wanted);
        wag_value_unref(string);
    }
    wag_value array = wag_array(), map = wag_map();
    assert_number(call_1(f64, array), 0);
    assert_number(call_1(f64, map), NAN);
    assert_int_equal(wag_array_push(array, WAG_NUMBER(2.5)), WAG_OK);
    assert_number(call_1(f64, array), 2.5);
    assert_int_equal(wag_array_push(array, WAG_NUMBER(1)), WAG_OK);
    assert_number(call_1(f64, array), NAN);
    wag_value_unref(array);
    wag_value_unref(map);
    wag_instance_unref(instance);
}

static void test_A_09_an_externref_comes_back_as_the_same_value(void **state)
{
    (void)state;
    wag_instance *instance = instance_of(identities, NULL);
    wag_func *func = export_of(instance, "extern"), *is_null = export_of(instance, "is_null");
    wag_extern *ext = wag_extern_new(instance, NULL);
    const wag_value values[] = {WAG_UNDEFINED,          WAG_NULL,          WAG_BOOL(true), WAG_NUMBER(5),
                                WAG_NUMBER(-0.5),       WAG_NUMBER(1e300), WAG_BIGINT(-3), WAG_FUNC(func),
                                WAG_INSTANCE(instance), WAG_EXTERN(ext),   text("bee"),    wag_map()};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        wag_value back = call_1(func, values[i]);
        if (!wag_value_equal(values[i], back))
            fail_msg("value %zu, %s, came back as %s", i, wag_value_kind_name(values[i].kind),
                     wag_value_kind_name(back.kind));
        wag_value_unref(back);
        assert_number(call_1(is_null, values[i]), values[i].kind == WAG_VALUE_NULL);
        if (i >= 9)
            wag_value_unref(values[i]);
    }
    wag_instance_unref(instance);
}

static void test_A_09_a_funcref_is_a_function_or_null(void **state)
{
    (void)state;
    wag_instance *instance = instance_of(identities, NULL);
    wag_func *func = export_of(instance, "func");
    wag_value back = call_1(func, WAG_FUNC(func));
    assert_int_equal(back.kind, WAG_VALUE_FUNC);
    assert_ptr_equal(back.of.func, func);
    wag_value_unref(back);
    assert_int_equal(call_1(func, WAG_NULL).kind, WAG_VALUE_NULL);
    const wag_value bad[] = {WAG_UNDEFINED, WAG_NUMBER(0), WAG_INSTANCE(instance)};
    for (size_t i = 0; i < 3; i++)
        ASSERT_ERR(wag_call_value(func, &bad[i], 1, NULL, NULL), WAG_TYPE);
    wag_instance_unref(instance);
}

static void test_A_09_a_signature_with_v128_fails_at_each_call(void **state)
{
    (void)state;
    wag_instance *instance = instance_of("(module (func (export \"v128\") (param v128)))", NULL);
    wag_func *func = export_of(instance, "v128");
    for (int i = 0; i < 2; i++) {
        wag_error *error = NULL;
        wag_value value = WAG_NUMBER(1);
        ASSERT_ERR(wag_call_value(func, &value, 1, NULL, &error), WAG_TYPE);
        assert_class(error, WAG_CLASS_TYPE_ERROR);
    }
    wag_instance_unref(instance);
}

static void test_CALL_01_missing_arguments_are_undefined_and_extra_ones_ignored(void **state)
{
    (void)state;
    wag_instance *instance = instance_of(identities, NULL);
    wag_value result = WAG_NULL;
    ASSERT_OK(wag_call_value(export_of(instance, "f64"), NULL, 0, &result, NULL));
    assert_number(result, NAN);
    const wag_value args[] = {WAG_NUMBER(7), WAG_BIGINT(1), WAG_UNDEFINED};
    ASSERT_OK(wag_call_value(export_of(instance, "i32"), args, 3, &result, NULL));
    assert_number(result, 7);
    ASSERT_ERR(wag_call_value(export_of(instance, "i64"), NULL, 0, &result, NULL),
               WAG_TYPE); /* undefined is no bigint */
    wag_instance_unref(instance);
}

static void test_CALL_02_results_are_undefined_a_value_or_an_array(void **state)
{
    (void)state;
    wag_instance *instance = instance_of(identities, NULL);
    wag_value result = WAG_NULL;
    ASSERT_OK(wag_call_value(export_of(instance, "none"), NULL, 0, &result, NULL));
    assert_int_equal(result.kind, WAG_VALUE_UNDEFINED);
    const wag_value args[] = {WAG_NUMBER(1), WAG_BIGINT(2), WAG_NUMBER(3.5)};
    ASSERT_OK(wag_call_value(export_of(instance, "three"), args, 3, &result, NULL));
    assert_int_equal(result.kind, WAG_VALUE_ARRAY);
    assert_int_equal(wag_value_size(result), 3);
    assert_number(wag_array_at(result, 0), 3.5);
    assert_number(wag_array_at(result, 1), 1);
    assert_int_equal(wag_array_at(result, 2).of.bigint, 2);
    wag_value_unref(result);
    wag_instance_unref(instance);
}

typedef struct host {
    size_t calls, arg_count;
    wag_value first, result; /* result: what it returns, counted once more for each call */
    int finalized;
} host;

static wag_error *host_call(void *context, const wag_value *args, size_t arg_count, wag_value *ret_result)
{
    host *self = context;
    self->calls++;
    self->arg_count = arg_count;
    self->first = arg_count ? args[0] : WAG_UNDEFINED;
    *ret_result = wag_value_ref(self->result);
    return NULL;
}

static void host_end(void *context)
{
    ((host *)context)->finalized++;
}

static wag_instance *caller_of(const char *text, host *self)
{
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func_value(imports, "h", "f", host_call, self, host_end));
    wag_instance *instance = instance_of(text, imports);
    wag_imports_unref(imports);
    return instance;
}

static void test_CALL_03_a_host_function_with_several_results_returns_an_array_of_as_many(void **state)
{
    (void)state;
    host self = {.result = wag_array()};
    wag_instance *instance = caller_of("(module (import \"h\" \"f\" (func $f (param i64) (result i32 f64)))"
                                       " (func (export \"go\") (result i32 f64) (call $f (i64.const 9))))",
                                       &self);
    wag_func *go = export_of(instance, "go");
    wag_value result = WAG_UNDEFINED;
    wag_error *error = NULL;
    ASSERT_ERR(wag_call_value(go, NULL, 0, &result, &error), WAG_TYPE);
    assert_class(error, WAG_CLASS_TYPE_ERROR);
    ASSERT_OK(wag_array_push(self.result, WAG_NUMBER(4.75)));
    ASSERT_ERR(wag_call_value(go, NULL, 0, &result, NULL), WAG_TYPE);
    ASSERT_OK(wag_array_push(self.result, WAG_NULL));
    ASSERT_OK(wag_call_value(go, NULL, 0, &result, NULL));
    assert_number(wag_array_at(result, 0), 4);
    assert_number(wag_array_at(result, 1), 0);
    wag_value_unref(result);
    ASSERT_OK(wag_array_push(self.result, WAG_NULL));
    ASSERT_ERR(wag_call_value(go, NULL, 0, &result, NULL), WAG_TYPE);
    assert_int_equal(self.calls, 4);
    assert_int_equal(self.arg_count, 1);
    assert_int_equal(self.first.kind, WAG_VALUE_BIGINT);
    assert_int_equal(self.first.of.bigint, 9);
    wag_value_unref(self.result);
    wag_instance_unref(instance);
    wag_agent_collect();
    assert_int_equal(self.finalized, 1);
}

static void test_a_host_functions_reference_result_lives_although_the_host_has_let_it_go(void **state)
{
    (void)state;
    host self = {.result = text("kept")};
    wag_instance *instance = caller_of("(module (import \"h\" \"f\" (func $f (result externref)))"
                                       " (table $t 1 externref)"
                                       " (func (export \"go\") (table.set $t (i32.const 0) (call $f)))"
                                       " (func (export \"get\") (result externref) (table.get $t (i32.const 0))))",
                                       &self);
    ASSERT_OK(wag_call_value(export_of(instance, "go"), NULL, 0, NULL, NULL));
    wag_agent_collect();
    wag_value back = WAG_UNDEFINED;
    ASSERT_OK(wag_call_value(export_of(instance, "get"), NULL, 0, &back, NULL));
    assert_string_equal(wag_value_text(back).data, "kept");
    wag_value_unref(back);
    wag_value_unref(self.result);
    wag_instance_unref(instance);
}

static void test_CALL_04_a_trap_is_a_runtime_error_and_the_instance_stays_usable(void **state)
{
    (void)state;
    wag_instance *instance =
        instance_of("(module (func $r (export \"deep\") (call $r)) (func (export \"trap\") unreachable)"
                    " (func (export \"one\") (result i32) (i32.const 1)))",
                    NULL);
    wag_error *error = NULL;
    ASSERT_ERR(wag_call_value(export_of(instance, "trap"), NULL, 0, NULL, &error), WAG_UNREACHABLE);
    assert_class(error, WAG_CLASS_RUNTIME_ERROR);
    ASSERT_ERR(wag_call_value(export_of(instance, "deep"), NULL, 0, NULL, NULL), WAG_STACK_OVERFLOW);
    assert_int_equal(call_i32(instance, "one"), 1);
    wag_instance_unref(instance);
}

static wag_value map_of(const char *key, wag_value value)
{
    wag_value map = wag_map();
    assert_int_equal(wag_map_set(map, key, value), WAG_OK);
    return map;
}

static void test_G_01_a_global_is_made_of_a_descriptor_and_a_value(void **state)
{
    (void)state;
    static const char *const types[] = {"i32", "i64", "f32", "f64", "funcref", "externref"};
    static const wag_value_kind defaults[] = {WAG_VALUE_NUMBER, WAG_VALUE_BIGINT, WAG_VALUE_NUMBER,
                                              WAG_VALUE_NUMBER, WAG_VALUE_NULL,   WAG_VALUE_UNDEFINED};
    for (size_t i = 0; i < 6; i++) {
        wag_value descriptor = map_of("value", text(types[i])), value = WAG_NULL;
        wag_global *global = NULL;
        ASSERT_OK(wag_global_new_value(descriptor, WAG_UNDEFINED, &global, NULL));
        assert_false(wag_global_mutable(global));
        ASSERT_OK(wag_global_get_value(global, &value, NULL));
        assert_int_equal(value.kind, defaults[i]);
        wag_global_unref(global);
        wag_value_unref(descriptor);
    }
    static const char *const bad[] = {"v128", "exnref", "anyfun", "", "i8"};
    for (size_t i = 0; i < 5; i++) {
        wag_value descriptor = map_of("value", text(bad[i]));
        ASSERT_ERR(wag_global_new_value(descriptor, WAG_NUMBER(1), NULL, NULL), WAG_TYPE);
        wag_value_unref(descriptor);
    }
    ASSERT_ERR(wag_global_new_value(WAG_NUMBER(1), WAG_NUMBER(1), NULL, NULL), WAG_TYPE);
    wag_value empty = wag_map();
    ASSERT_ERR(wag_global_new_value(empty, WAG_NUMBER(1), NULL, NULL), WAG_TYPE);
    wag_value_unref(empty);
}

static void test_G_02_G_03_setting_converts_and_a_constant_is_a_type_error(void **state)
{
    (void)state;
    wag_value descriptor = map_of("value", text("i64")), value = WAG_NULL;
    wag_global *constant = NULL, *variable = NULL;
    ASSERT_OK(wag_global_new_value(descriptor, WAG_BIGINT(3), &constant, NULL));
    ASSERT_OK(wag_map_set(descriptor, "mutable", WAG_NUMBER(1))); /* ToBoolean */
    ASSERT_OK(wag_global_new_value(descriptor, WAG_BIGINT(3), &variable, NULL));
    ASSERT_ERR(wag_global_set_value(constant, WAG_BIGINT(4), NULL), WAG_TYPE);
    ASSERT_ERR(wag_global_set_value(variable, WAG_NUMBER(4), NULL), WAG_TYPE);
    ASSERT_OK(wag_global_set_value(variable, WAG_BOOL(true), NULL));
    ASSERT_OK(wag_global_get_value(variable, &value, NULL));
    assert_int_equal(value.kind, WAG_VALUE_BIGINT);
    assert_int_equal(value.of.bigint, 1);
    wag_global_unref(constant);
    wag_global_unref(variable);
    wag_value_unref(descriptor);
}

static void test_G_04_a_v128_global_can_be_exported_but_not_read(void **state)
{
    (void)state;
    wag_instance *instance = instance_of("(module (global (export \"g\") (mut v128) (v128.const i64x2 1 2)))", NULL);
    wag_global *global = wag_exports_global(wag_instance_exports(instance), "g");
    wag_error *error = NULL;
    ASSERT_ERR(wag_global_get_value(global, NULL, &error), WAG_TYPE);
    assert_class(error, WAG_CLASS_TYPE_ERROR);
    ASSERT_ERR(wag_global_set_value(global, WAG_NUMBER(1), NULL), WAG_TYPE);
    wag_instance_unref(instance);
}

static wag_value table_descriptor(const char *element, double initial)
{
    wag_value descriptor = map_of("element", text(element));
    ASSERT_OK(wag_map_set(descriptor, "initial", WAG_NUMBER(initial)));
    return descriptor;
}

static void test_T_01_a_table_is_made_of_a_descriptor_with_a_default_for_a_missing_value(void **state)
{
    (void)state;
    static const char *const kinds[] = {"anyfunc", "externref"};
    for (int i = 0; i < 2; i++) {
        wag_value descriptor = table_descriptor(kinds[i], 2), value = WAG_NUMBER(0);
        wag_table *table = NULL;
        ASSERT_OK(wag_table_new_value(descriptor, WAG_UNDEFINED, &table, NULL));
        assert_int_equal(wag_table_size(table), 2);
        ASSERT_OK(wag_table_get_value(table, 1, &value, NULL));
        assert_int_equal(value.kind, i ? WAG_VALUE_UNDEFINED : WAG_VALUE_NULL);
        wag_table_unref(table);
        wag_value_unref(descriptor);
    }
    wag_value bad = table_descriptor("i32", 1);
    ASSERT_ERR(wag_table_new_value(bad, WAG_UNDEFINED, NULL, NULL), WAG_TYPE);
    wag_value_unref(bad);
    bad = table_descriptor("externref", -1); /* EnforceRange */
    ASSERT_ERR(wag_table_new_value(bad, WAG_UNDEFINED, NULL, NULL), WAG_TYPE);
    ASSERT_OK(wag_map_set(bad, "initial", WAG_NUMBER(4294967296.0)));
    ASSERT_ERR(wag_table_new_value(bad, WAG_UNDEFINED, NULL, NULL), WAG_TYPE);
    ASSERT_OK(wag_map_set(bad, "initial", WAG_NUMBER(10000001)));
    ASSERT_ERR(wag_table_new_value(bad, WAG_UNDEFINED, NULL, NULL), WAG_RANGE);
    ASSERT_OK(wag_map_set(bad, "initial", WAG_NUMBER(2)));
    ASSERT_OK(wag_map_set(bad, "maximum", WAG_NUMBER(1)));
    ASSERT_ERR(wag_table_new_value(bad, WAG_UNDEFINED, NULL, NULL), WAG_RANGE);
    wag_value_unref(bad);
}

static void test_T_02_get_checks_the_range_and_shows_no_exceptions(void **state)
{
    (void)state;
    wag_value descriptor = table_descriptor("anyfunc", 2), value = WAG_UNDEFINED;
    wag_table *table = NULL;
    wag_error *error = NULL;
    ASSERT_OK(wag_table_new_value(descriptor, WAG_UNDEFINED, &table, NULL));
    ASSERT_OK(wag_table_get_value(table, 1, &value, NULL));
    assert_int_equal(value.kind, WAG_VALUE_NULL);
    ASSERT_ERR(wag_table_get_value(table, 2, &value, &error), WAG_RANGE);
    assert_class(error, WAG_CLASS_RANGE_ERROR);
    wag_table_unref(table);
    wag_value_unref(descriptor);
    /* (module (table (export "t") 1 exnref)) */
    static const uint8_t bytes[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 4, 4, 1, 0x69, 0, 1, 7, 5, 1, 1, 't', 1, 0};
    wag_module *module;
    wag_instance *instance;
    ASSERT_OK(wag_module_new((wag_bytes){bytes, sizeof bytes}, NULL, &module, NULL));
    ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
    table = wag_exports_table(wag_instance_exports(instance), "t");
    ASSERT_ERR(wag_table_get_value(table, 0, &value, &error), WAG_TYPE);
    assert_class(error, WAG_CLASS_TYPE_ERROR);
    wag_instance_unref(instance);
    wag_module_unref(module);
}

static void test_T_03_T_04_set_and_grow_check_the_value_and_the_range(void **state)
{
    (void)state;
    wag_value descriptor = table_descriptor("anyfunc", 1), value = WAG_UNDEFINED;
    wag_table *table = NULL;
    uint64_t old_size = 9;
    ASSERT_OK(wag_table_new_value(descriptor, WAG_UNDEFINED, &table, NULL));
    ASSERT_ERR(wag_table_set_value(table, 0, WAG_NUMBER(1), NULL), WAG_TYPE);
    ASSERT_ERR(wag_table_set_value(table, 1, WAG_NULL, NULL), WAG_RANGE);
    ASSERT_OK(wag_table_set_value(table, 0, WAG_UNDEFINED, NULL)); /* the default */
    wag_instance *instance = instance_of(identities, NULL);
    ASSERT_OK(wag_table_grow_value(table, 2, WAG_FUNC(export_of(instance, "none")), &old_size, NULL));
    assert_int_equal(old_size, 1);
    ASSERT_OK(wag_table_get_value(table, 2, &value, NULL));
    assert_ptr_equal(value.of.func, export_of(instance, "none"));
    wag_value_unref(value);
    wag_error *error = NULL;
    ASSERT_ERR(wag_table_grow_value(table, 10000000, WAG_UNDEFINED, NULL, &error), WAG_RANGE);
    assert_class(error, WAG_CLASS_RANGE_ERROR);
    assert_int_equal(wag_table_size(table), 3);
    wag_table_unref(table);
    wag_value_unref(descriptor);
    wag_instance_unref(instance);
}

static void test_MEM_01_a_memory_is_made_of_a_descriptor(void **state)
{
    (void)state;
    static const struct {
        double initial, maximum;
        wag_err wanted;
    } rows[] = {{1, 2, WAG_OK},         {0, 0, WAG_OK},
                {1.9, 1.2, WAG_OK},     {-1, 1, WAG_TYPE},
                {NAN, 1, WAG_TYPE},     {1, 4294967296.0, WAG_TYPE},
                {2, 1, WAG_RANGE},      {65537, 65537, WAG_RANGE},
                {1, 65537, WAG_RANGE},  {1, 65536, WAG_OK},
                {INFINITY, 1, WAG_TYPE}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wag_value descriptor = map_of("initial", WAG_NUMBER(rows[i].initial));
        ASSERT_OK(wag_map_set(descriptor, "maximum", WAG_NUMBER(rows[i].maximum)));
        wag_memory *memory = NULL;
        ASSERT_ERR(wag_memory_new_value(descriptor, &memory, NULL), rows[i].wanted);
        if (rows[i].wanted == WAG_OK)
            assert_int_equal(wag_memory_pages(memory), (uint64_t)rows[i].initial);
        wag_memory_unref(memory);
        wag_value_unref(descriptor);
    }
    wag_value empty = wag_map();
    ASSERT_ERR(wag_memory_new_value(empty, NULL, NULL), WAG_TYPE);
    wag_value_unref(empty);
    ASSERT_ERR(wag_memory_new_value(WAG_UNDEFINED, NULL, NULL), WAG_TYPE);
}

static void test_MEM_02_a_shared_memory_needs_a_maximum(void **state)
{
    (void)state;
    wag_value descriptor = map_of("initial", WAG_NUMBER(1));
    wag_memory *memory = NULL;
    ASSERT_OK(wag_map_set(descriptor, "shared", WAG_BOOL(true)));
    wag_error *error = NULL;
    ASSERT_ERR(wag_memory_new_value(descriptor, &memory, &error), WAG_TYPE);
    assert_class(error, WAG_CLASS_TYPE_ERROR);
    ASSERT_OK(wag_map_set(descriptor, "maximum", WAG_NUMBER(2)));
    ASSERT_OK(wag_memory_new_value(descriptor, &memory, NULL));
    assert_true(wag_memory_is_shared(memory));
    wag_memory_unref(memory);
    wag_value_unref(descriptor);
}

static void test_TAG_01_a_tag_is_made_of_its_parameters(void **state)
{
    (void)state;
    wag_value parameters = wag_array();
    ASSERT_OK(wag_array_push(parameters, text("i32")));
    ASSERT_OK(wag_array_push(parameters, text("i64")));
    ASSERT_OK(wag_array_push(parameters, text("externref")));
    wag_value descriptor = map_of("parameters", parameters), payload = wag_array(), arg = WAG_NULL;
    wag_tag *tag = NULL, *other = NULL;
    wag_exception *exception = NULL;
    ASSERT_OK(wag_tag_new_value(descriptor, &tag, NULL));
    ASSERT_OK(wag_tag_new_value(descriptor, &other, NULL));
    /* EX-01, EX-02 */
    ASSERT_ERR(wag_exception_new_value(tag, payload, &exception, NULL), WAG_TYPE);
    ASSERT_OK(wag_array_push(payload, WAG_NUMBER(-1)));
    ASSERT_OK(wag_array_push(payload, WAG_BIGINT(2)));
    ASSERT_OK(wag_array_push(payload, text("three")));
    ASSERT_OK(wag_exception_new_value(tag, payload, &exception, NULL));
    ASSERT_OK(wag_exception_arg_value(exception, tag, 0, &arg, NULL));
    assert_number(arg, -1);
    ASSERT_OK(wag_exception_arg_value(exception, tag, 2, &arg, NULL));
    assert_string_equal(wag_value_text(arg).data, "three");
    wag_value_unref(arg);
    ASSERT_ERR(wag_exception_arg_value(exception, tag, 3, &arg, NULL), WAG_RANGE);
    ASSERT_ERR(wag_exception_arg_value(exception, other, 0, &arg, NULL), WAG_TYPE);
    wag_exception_unref(exception);
    wag_tag_unref(tag);
    wag_tag_unref(other);
    ASSERT_OK(wag_array_push(parameters, text("i33")));
    ASSERT_ERR(wag_tag_new_value(descriptor, NULL, NULL), WAG_TYPE);
    wag_value_unref(descriptor);
    wag_value_unref(payload);
    ASSERT_ERR(wag_tag_new_value(WAG_NULL, NULL, NULL), WAG_TYPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_A_09_an_i32_is_taken_by_ToInt32),
        cmocka_unit_test(test_A_09_an_i64_is_taken_by_ToBigInt64),
        cmocka_unit_test(test_A_09_floats_are_taken_by_ToNumber),
        cmocka_unit_test(test_A_09_an_externref_comes_back_as_the_same_value),
        cmocka_unit_test(test_A_09_a_funcref_is_a_function_or_null),
        cmocka_unit_test(test_A_09_a_signature_with_v128_fails_at_each_call),
        cmocka_unit_test(test_CALL_01_missing_arguments_are_undefined_and_extra_ones_ignored),
        cmocka_unit_test(test_CALL_02_results_are_undefined_a_value_or_an_array),
        cmocka_unit_test(test_CALL_03_a_host_function_with_several_results_returns_an_array_of_as_many),
        cmocka_unit_test(test_a_host_functions_reference_result_lives_although_the_host_has_let_it_go),
        cmocka_unit_test(test_CALL_04_a_trap_is_a_runtime_error_and_the_instance_stays_usable),
        cmocka_unit_test(test_G_01_a_global_is_made_of_a_descriptor_and_a_value),
        cmocka_unit_test(test_G_02_G_03_setting_converts_and_a_constant_is_a_type_error),
        cmocka_unit_test(test_G_04_a_v128_global_can_be_exported_but_not_read),
        cmocka_unit_test(test_T_01_a_table_is_made_of_a_descriptor_with_a_default_for_a_missing_value),
        cmocka_unit_test(test_T_02_get_checks_the_range_and_shows_no_exceptions),
        cmocka_unit_test(test_T_03_T_04_set_and_grow_check_the_value_and_the_range),
        cmocka_unit_test(test_MEM_01_a_memory_is_made_of_a_descriptor),
        cmocka_unit_test(test_MEM_02_a_shared_memory_needs_a_maximum),
        cmocka_unit_test(test_TAG_01_a_tag_is_made_of_its_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

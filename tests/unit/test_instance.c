/* Instances and calls: what instantiation sets up, how calls check, nest, overflow and stop. */
#include "tests/support/check.h"
#include "tests/support/text.h"

#include "base/alloc.h"
#include "runtime/agent.h"

static int store_is_empty(void **state)
{
    (void)state;
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 0);
    return 0;
}

/* ---- set-up ---- */

static void test_globals_tables_and_segments_are_initialised_in_order(void **state)
{
    (void)state;
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set(imports, "m", "base", WAG_NUMBER(2)));
    wag_instance *instance =
        instance_of("(module (import \"m\" \"base\" (global $base i32)) (global $own (mut i32) (global.get $base))"
                    " (global $sum i64 (i64.const 5)) (memory 1) (table $t 6 funcref) (type $i (func (result i32)))"
                    " (func $a (result i32) i32.const 10) (func $b (result i32) i32.const 20)"
                    " (elem (table $t) (global.get $base) func $a $a) (elem (table $t) (i32.const 3) func $b)"
                    " (data (i32.const 4) \"abcd\") (data (i32.const 6) \"xy\")"
                    " (elem $p func $b $a) (data $q \"passive\")"
                    " (func (export \"own\") (result i32) global.get $own)"
                    " (func (export \"at\") (param i32) (result i32) (call_indirect $t (type $i) (local.get 0)))"
                    " (func (export \"byte\") (param i32) (result i32) (i32.load8_u (local.get 0)))"
                    " (func (export \"init\") (table.init $t $p (i32.const 0) (i32.const 0) (i32.const 2))"
                    "  (elem.drop $p) (memory.init $q (i32.const 0) (i32.const 3) (i32.const 4)) (data.drop $q))"
                    " (func (export \"again\") (memory.init $q (i32.const 0) (i32.const 0) (i32.const 1)))"
                    " (func (export \"elem\") (table.init $t $p (i32.const 0) (i32.const 0) (i32.const 1))))",
                    imports);
    wag_imports_unref(imports);
    assert_int_equal(call_i32(instance, "own"), 2);
    static const int32_t calls[][2] = {{2, 10}, {3, 20}};
    wag_val result;
    for (size_t i = 0; i < 2; i++) {
        ASSERT_OK(wag_call(export_of(instance, "at"), &WAG_VAL_I32(calls[i][0]), 1, &result, 1, NULL));
        assert_int_equal(result.of.i32, calls[i][1]);
    }
    ASSERT_ERR(wag_call(export_of(instance, "at"), &WAG_VAL_I32(4), 1, &result, 1, NULL), WAG_UNINITIALIZED_ELEMENT);
    static const char bytes[] = "abxy";
    for (int32_t i = 0; i < 4; i++) {
        ASSERT_OK(wag_call(export_of(instance, "byte"), &WAG_VAL_I32(4 + i), 1, &result, 1, NULL));
        assert_int_equal(result.of.i32, bytes[i]);
    }
    ASSERT_OK(wag_call(export_of(instance, "init"), NULL, 0, NULL, 0, NULL));
    ASSERT_OK(wag_call(export_of(instance, "at"), &WAG_VAL_I32(0), 1, &result, 1, NULL));
    assert_int_equal(result.of.i32, 20);
    ASSERT_OK(wag_call(export_of(instance, "byte"), &WAG_VAL_I32(0), 1, &result, 1, NULL));
    assert_int_equal(result.of.i32, 's');
    ASSERT_ERR(wag_call(export_of(instance, "again"), NULL, 0, NULL, 0, NULL), WAG_MEMORY_BOUNDS);
    ASSERT_ERR(wag_call(export_of(instance, "elem"), NULL, 0, NULL, 0, NULL), WAG_TABLE_BOUNDS);
    wag_instance_unref(instance);
}

static void test_two_instances_of_a_module_share_nothing(void **state)
{
    (void)state;
    wag_module *module = module_of("(module (global $g (mut i32) (i32.const 0)) (memory 1)"
                                   " (func (export \"next\") (result i32)"
                                   "  (global.set $g (i32.add (global.get $g) (i32.const 1)))"
                                   "  (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (global.get $g)))"
                                   "  (i32.load (i32.const 0))))");
    wag_instance *a = NULL, *b = NULL;
    ASSERT_OK(wag_instance_new(module, NULL, &a, NULL));
    ASSERT_OK(wag_instance_new(module, NULL, &b, NULL));
    assert_int_equal(call_i32(a, "next"), 1);
    assert_int_equal(call_i32(a, "next"), 3);
    assert_int_equal(call_i32(b, "next"), 1);
    assert_ptr_equal(wag_instance_module(a), module);
    wag_module_unref(module);
    wag_instance_unref(a);
    assert_int_equal(call_i32(b, "next"), 3);
    wag_instance_unref(b);
}

static void test_exports_are_the_same_objects_each_time(void **state)
{
    (void)state;
    wag_instance *instance = instance_of("(module (func (export \"\")) (memory (export \"a\\00b\") 1)"
                                         " (table (export \"t\") 1 funcref) (global (export \"g\") i32 (i32.const 1)))",
                                         NULL);
    const wag_exports *exports = wag_instance_exports(instance);
    assert_int_equal(wag_exports_size(exports), 4);
    static const wag_value_kind kinds[] = {WAG_VALUE_FUNC, WAG_VALUE_MEMORY, WAG_VALUE_TABLE, WAG_VALUE_GLOBAL};
    for (size_t i = 0; i < 4; i++) {
        wag_name name;
        wag_value first, second;
        assert_true(wag_exports_at(exports, i, &name, &first));
        assert_int_equal(first.kind, kinds[i]);
        second = wag_exports_get_n(exports, name);
        assert_true(wag_value_equal(first, second));
    }
    assert_false(wag_exports_at(exports, 4, NULL, NULL));
    assert_non_null(wag_exports_func(exports, ""));
    assert_null(wag_exports_func(exports, "t"));
    assert_null(wag_exports_memory(exports, "a"));
    assert_int_equal(wag_exports_get(exports, "nope").kind, WAG_VALUE_UNDEFINED);
    assert_int_equal(wag_exports_get_n(exports, WAG_NAME("a\0b")).kind, WAG_VALUE_MEMORY);
    wag_instance_unref(instance);
}

/* ---- calls ---- */

static void test_a_call_checks_counts_and_kinds_before_anything_runs(void **state)
{
    (void)state;
    wag_instance *instance = instance_of("(module (global $ran (mut i32) (i32.const 0))"
                                         " (func (export \"f\") (param i32 f64 externref funcref) (result i64)"
                                         "  (global.set $ran (i32.const 1)) i64.const 9)"
                                         " (func (export \"ran\") (result i32) global.get $ran))",
                                         NULL);
    wag_func *f = export_of(instance, "f");
    wag_val args[5] = {WAG_VAL_I32(1), WAG_VAL_F64(2), WAG_VAL_EXTERN(NULL), WAG_VAL_FUNC(NULL)}, result;
    wag_error *error = NULL;
    ASSERT_ERR(wag_call(f, args, 3, &result, 1, &error), WAG_TYPE);
    assert_class(error, WAG_CLASS_TYPE_ERROR);
    ASSERT_ERR(wag_call(f, args, 5, &result, 1, NULL), WAG_TYPE);
    ASSERT_ERR(wag_call(f, args, 4, &result, 0, NULL), WAG_TYPE);
    ASSERT_ERR(wag_call(f, args, 4, NULL, 1, NULL), WAG_TYPE);
    ASSERT_ERR(wag_call(f, NULL, 4, &result, 1, NULL), WAG_TYPE);
    ASSERT_ERR(wag_call(NULL, NULL, 0, NULL, 0, NULL), WAG_TYPE);
    for (size_t i = 0; i < 4; i++) {
        wag_val good = args[i];
        args[i] = WAG_VAL_I64(1);
        char place[16];
        snprintf(place, sizeof place, "argument %zu ", i);
        ASSERT_ERR(wag_call(f, args, 4, &result, 1, &error), WAG_TYPE);
        assert_non_null(strstr(wag_error_message(error), place));
        wag_error_unref(error);
        args[i] = good;
    }
    assert_int_equal(call_i32(instance, "ran"), 0);
    ASSERT_OK(wag_call(f, args, 4, &result, 1, NULL));
    assert_int_equal(result.kind, WAG_I64);
    assert_int_equal(result.of.i64, 9);
    assert_int_equal(call_i32(instance, "ran"), 1);
    wag_instance_unref(instance);
}

static void count_up(void *context)
{
    ++*(int *)context;
}

static wag_error *count_call(void *context, const wag_val *args, wag_val *results)
{
    (void)args, (void)results;
    count_up(context);
    return NULL;
}

static wag_error *reverse(void *context, const wag_val *args, wag_val *results)
{
    size_t count = *(size_t *)context;
    for (size_t i = 0; i < count; i++)
        results[count - 1 - i] = args[i];
    return NULL;
}

/* "(i64 v128 ...) -> (... v128 i64)": the types alternate, count of each side. */
static void signature_of(size_t count, char *text, const char *end)
{
    text = append(text, end, "(");
    for (size_t i = 0; i < count; i++)
        text = append(text, end, i % 2 ? "v128 " : "i64 ");
    text = append(text, end, ") -> (");
    for (size_t i = count; i-- > 0;)
        text = append(text, end, i % 2 ? "v128 " : "i64 ");
    append(text, end, ")");
}

static void test_values_of_all_widths_pass_in_any_number(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 8, 9, 15, 16, 17, 40, 1000};
    static char signature[20000];
    static wag_val args[1000], results[1000];
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        size_t count = counts[c];
        wag_func *func = NULL;
        signature_of(count, signature, signature + sizeof signature);
        ASSERT_OK(wag_func_new(signature, reverse, (void *)&counts[c], NULL, &func, NULL));
        for (size_t i = 0; i < count; i++) {
            args[i] = WAG_VAL_I64((int64_t)(i * 0x0101010101010101u));
            if (i % 2) {
                args[i].kind = WAG_V128;
                memset(args[i].of.v128, (int)(i & 0xFF), 16);
            }
        }
        ASSERT_OK(wag_call(func, args, count, results, count, NULL));
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(results[count - 1 - i].kind, args[i].kind);
            assert_memory_equal(&results[count - 1 - i].of, &args[i].of, i % 2 ? 16 : 8);
        }
        for (uint64_t n = 0; n < 4; n++) {
            wagi_alloc_fail_after(n);
            wag_err err = wag_call(func, args, count, results, count, NULL);
            wagi_alloc_fail_after(UINT64_MAX);
            assert_true(err == WAG_OK || (err == WAG_NOMEM && count > 8));
        }
        wag_func_unref(func);
    }
}

static wag_error *wrong_kind(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)args;
    assert_int_equal(results[0].kind, WAG_I32);
    assert_int_equal(results[1].kind, WAG_EXTERNREF);
    results[1] = WAG_VAL_F32(1);
    return NULL;
}

static void test_a_host_function_that_gives_the_wrong_kind_is_a_type_error(void **state)
{
    (void)state;
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "f", "() -> (i32 externref)", wrong_kind, NULL, NULL));
    wag_instance *instance = instance_of("(module (import \"m\" \"f\" (func $f (result i32 externref)))"
                                         " (func (export \"f\") (call $f) drop drop))",
                                         imports);
    wag_imports_unref(imports);
    wag_error *error = NULL;
    ASSERT_ERR(wag_call(export_of(instance, "f"), NULL, 0, NULL, 0, &error), WAG_TYPE);
    assert_non_null(strstr(wag_error_message(error), "result 1 must be externref, not f32"));
    wag_error_unref(error);
    wag_instance_unref(instance);
}

typedef struct nest {
    wag_func *inner;
    int depth, deepest;
    wag_error *own;
} nest;

static wag_error *call_again(void *context, const wag_val *args, wag_val *results)
{
    (void)args, (void)results;
    nest *here = context;
    wag_error *error = NULL;
    here->depth++;
    here->deepest = here->depth > here->deepest ? here->depth : here->deepest;
    wag_call(here->inner, NULL, 0, NULL, 0, &error);
    here->depth--;
    return error;
}

static void test_endless_recursion_through_the_host_is_a_stack_overflow(void **state)
{
    (void)state;
    nest here = {.inner = NULL};
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "again", "()", call_again, &here, NULL));
    wag_instance *instance = instance_of("(module (import \"m\" \"again\" (func $again))"
                                         " (func (export \"go\") call $again)"
                                         " (func (export \"ok\") (result i32) i32.const 4))",
                                         imports);
    wag_imports_unref(imports);
    here.inner = export_of(instance, "go");
    wag_error *error = NULL;
    ASSERT_ERR(wag_call(here.inner, NULL, 0, NULL, 0, &error), WAG_STACK_OVERFLOW);
    assert_class(error, WAG_CLASS_RUNTIME_ERROR);
    assert_int_equal(here.deepest, wag_cluster_get_limit(wag_cluster_default(), WAG_LIMIT_host_call_depth));
    assert_int_equal(here.depth, 0);
    assert_int_equal(wag_agent_current()->host_depth, 0);
    assert_int_equal(call_i32(instance, "ok"), 4); /* usable afterwards */
    uintptr_t limit = wag_agent_current()->native_limit;
    here.deepest = 0;
    wag_agent_current()->native_limit = (uintptr_t)__builtin_frame_address(0) - 8192;
    atomic_store(wag_agent_current()->stop_limit, wag_agent_current()->native_limit);
    ASSERT_ERR(wag_call(here.inner, NULL, 0, NULL, 0, NULL), WAG_STACK_OVERFLOW);
    wag_agent_current()->native_limit = limit;
    atomic_store(wag_agent_current()->stop_limit, limit);
    assert_true(here.deepest < 100);
    wag_instance_unref(instance);
}

static wag_error *fail_with_own(void *context, const wag_val *args, wag_val *results)
{
    (void)args, (void)results;
    return wag_error_ref(((nest *)context)->own);
}

static void test_a_host_error_comes_out_unchanged_through_several_layers(void **state)
{
    (void)state;
    nest here = {.own = wag_error_new(WAG_CLASS_RANGE_ERROR, "own")};
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "fail", "()", fail_with_own, &here, NULL));
    ASSERT_OK(wag_imports_set_func(imports, "m", "again", "()", call_again, &here, NULL));
    wag_instance *instance = instance_of("(module (import \"m\" \"fail\" (func $fail))"
                                         " (import \"m\" \"again\" (func $again))"
                                         " (func (export \"outer\") call $again) (func (export \"inner\") call $fail))",
                                         imports);
    wag_imports_unref(imports);
    here.inner = export_of(instance, "inner");
    wag_error *error = NULL;
    ASSERT_ERR(wag_call(export_of(instance, "outer"), NULL, 0, NULL, 0, &error), WAG_HOST);
    assert_ptr_equal(error, here.own);
    wag_error_unref(error);
    wag_error_unref(here.own);
    wag_instance_unref(instance);
}

static wag_error *interrupt_self(void *context, const wag_val *args, wag_val *results)
{
    (void)args, (void)results;
    nest *here = context;
    wag_error *error = NULL;
    if (here->depth++ == 0) { /* from inside a nested call, which must not clear the flag */
        wag_err err = wag_call(here->inner, NULL, 0, NULL, 0, &error);
        assert_int_equal(err, WAG_INTERRUPTED);
        assert_true(wag_agent_interrupted());
        wag_error_unref(error);
        return NULL; /* the host ignores it; wasm does not get far */
    }
    wag_agent_interrupt(wag_agent_current());
    return NULL;
}

static void test_an_interrupt_ends_every_layer_and_is_cleared_by_the_outermost(void **state)
{
    (void)state;
    nest here = {.inner = NULL};
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "stop", NULL, interrupt_self, &here, NULL));
    wag_instance *instance = instance_of("(module (import \"m\" \"stop\" (func $stop))"
                                         " (global $n (mut i32) (i32.const 0))"
                                         " (func (export \"go\") call $stop (global.set $n (i32.const 1)))"
                                         " (func (export \"n\") (result i32) global.get $n))",
                                         imports);
    wag_imports_unref(imports);
    here.inner = export_of(instance, "go");
    wag_error *error = NULL;
    ASSERT_ERR(wag_call(here.inner, NULL, 0, NULL, 0, &error), WAG_INTERRUPTED);
    assert_class(error, WAG_CLASS_ABORT_ERROR);
    assert_false(wag_agent_interrupted());
    assert_int_equal(call_i32(instance, "n"), 0);
    wag_instance_unref(instance);
}

static void test_objects_that_nobody_wants_are_made_and_let_go(void **state)
{
    (void)state;
    int finalized = 0;
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "f", "()", count_call, &finalized, NULL));
    wag_module *module = module_of("(module (import \"m\" \"f\" (func $f)) (start $f))");
    ASSERT_OK(wag_instance_new(module, imports, NULL, NULL));
    assert_int_equal(finalized, 1); /* the start function ran */
    size_t count = 9;
    ASSERT_OK(wag_imports_check(module, imports, NULL, &count));
    assert_int_equal(count, 0);
    ASSERT_OK(wag_imports_check(module, NULL, NULL, NULL));
    wag_imports_unref(imports);
    wag_module_unref(module);
    ASSERT_OK(wag_func_new("()", reverse, &finalized, count_up, NULL, NULL));
    assert_int_equal(finalized, 2);
    ASSERT_OK(wag_memory_new(1, 1, NULL, NULL));
    ASSERT_OK(wag_table_new(WAG_FUNCREF, 1, 1, WAG_VAL_FUNC(NULL), NULL, NULL));
    ASSERT_OK(wag_global_new(WAG_VAL_I32(1), true, NULL, NULL));
    ASSERT_OK(wag_tag_new("(i32)", NULL, NULL));
    assert_int_equal(wag_agent_live_objects(), 0);
}

static void test_a_start_function_without_an_object_of_its_own_runs(void **state)
{
    (void)state;
    wag_instance *instance = instance_of("(module (global $g (mut i32) (i32.const 0))"
                                         " (func $s (global.set $g (i32.const 12))) (start $s)"
                                         " (func (export \"g\") (result i32) global.get $g))",
                                         NULL);
    assert_int_equal(call_i32(instance, "g"), 12);
    wag_instance_unref(instance);
}

static void test_a_typed_reference_argument_must_match(void **state)
{
    (void)state;
    /* (type 0: (func (result i32))) (func (export "a") i32.const 3) (func (export "b"))
     * (func (export "call") (param (ref null 0)) (result i32) (call_ref 0 (local.get 0))) */
    static const uint8_t bytes[] = {0,    0x61, 0x73, 0x6d, 1,    0,    0,    0,    1, 14,   3,    0x60, 0, 1,
                                    0x7f, 0x60, 0,    0,    0x60, 1,    0x63, 0,    1, 0x7f, 3,    4,    3, 0,
                                    1,    2,    7,    16,   3,    1,    0x61, 0,    0, 1,    0x62, 0,    1, 4,
                                    0x63, 0x61, 0x6c, 0x6c, 0,    2,    0x0a, 16,   3, 4,    0,    0x41, 3, 0x0b,
                                    2,    0,    0x0b, 6,    0,    0x20, 0,    0x14, 0, 0x0b};
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    ASSERT_OK(wag_module_new((wag_bytes){bytes, sizeof bytes}, NULL, &module, NULL));
    ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
    wag_module_unref(module);
    wag_func *call = export_of(instance, "call");
    wag_val result, good = WAG_VAL_FUNC(export_of(instance, "a")), bad = WAG_VAL_FUNC(export_of(instance, "b"));
    ASSERT_OK(wag_call(call, &good, 1, &result, 1, NULL));
    assert_int_equal(result.of.i32, 3);
    ASSERT_ERR(wag_call(call, &bad, 1, &result, 1, NULL), WAG_TYPE);
    ASSERT_ERR(wag_call(call, &WAG_VAL_FUNC(NULL), 1, &result, 1, NULL), WAG_NULL_FUNCTION);
    wag_instance_unref(instance);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, store_is_empty)
    const struct CMUnitTest tests[] = {
        TEST(test_globals_tables_and_segments_are_initialised_in_order),
        TEST(test_two_instances_of_a_module_share_nothing),
        TEST(test_exports_are_the_same_objects_each_time),
        TEST(test_a_call_checks_counts_and_kinds_before_anything_runs),
        TEST(test_values_of_all_widths_pass_in_any_number),
        TEST(test_a_host_function_that_gives_the_wrong_kind_is_a_type_error),
        TEST(test_endless_recursion_through_the_host_is_a_stack_overflow),
        TEST(test_a_host_error_comes_out_unchanged_through_several_layers),
        TEST(test_an_interrupt_ends_every_layer_and_is_cleared_by_the_outermost),
        TEST(test_objects_that_nobody_wants_are_made_and_let_go),
        TEST(test_a_start_function_without_an_object_of_its_own_runs),
        TEST(test_a_typed_reference_argument_must_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* v128 at the border to the host, in the default tier and in the interpreter: js-api.md R-07, G-01, G-04, and what the
 * typed layer adds to the JS API: there v128 passes in calls, in both directions. */
#include "tests/support/check.h"

#include "tests/support/bytes.h"
#include "tests/support/text.h"

static const wag_tier tiers[] = {WAG_TIER_DEFAULT, WAG_TIER_INTERP};
enum { TIERS = sizeof tiers / sizeof *tiers, MANY = 40 };

static wag_val vector(unsigned seed)
{
    wag_val val = {.kind = WAG_V128};
    for (unsigned i = 0; i < 16; i++)
        val.of.v128[i] = (uint8_t)(seed * 17 + i * (seed | 1));
    return val;
}

static void assert_same(const wag_val *got, const wag_val *wanted)
{
    assert_int_equal(got->kind, wanted->kind);
    assert_memory_equal(&got->of, &wanted->of, wanted->kind == WAG_V128 ? 16 : 8);
}

static wag_module *module_in(const char *text, wag_tier tier)
{
    wag_bytes bytes = wat(text);
    wag_compile_options options = {.tier = tier};
    wag_module *module = NULL;
    wag_error *error = NULL;
    if (wag_module_new(bytes, &options, &module, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    wat_free(bytes);
    return module;
}

static wag_instance *instance_in(const char *text, wag_tier tier, wag_imports *imports)
{
    wag_module *module = module_in(text, tier);
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    if (wag_instance_new(module, imports, &instance, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    wag_module_unref(module);
    return instance;
}

/* ---- calls ---- */

static wag_error *turn_around(void *context, const wag_val *args, wag_val *results)
{
    ++*(unsigned *)context;
    for (unsigned i = 0; i < MANY; i++)
        results[i] = args[MANY - 1 - i];
    return NULL;
}

/* MANY parameters of alternating types through wasm to the host and back. */
static char *many_text(char *text, size_t size)
{
    static const char *const names[] = {"v128 ", "f32 ", "v128 ", "i64 ", "f64 "};
    char types[MANY * 5 + 1], back[MANY * 5 + 1], gets[MANY * 20];
    char *type = types, *result = back, *get = gets;
    for (unsigned i = 0; i < MANY; i++) {
        type = append(type, types + sizeof types, names[i % 5]);
        result = append(result, back + sizeof back, names[(MANY - 1 - i) % 5]);
        char one[24];
        snprintf(one, sizeof one, "(local.get %u)", i);
        get = append(get, gets + sizeof gets, one);
    }
    snprintf(text, size,
             "(module (type $t (func (param %s) (result %s))) (import \"m\" \"f\" (func $f (type $t)))"
             " (func $g (type $t) %s (call $f)) (func (export \"f\") (type $t) %s (call $g)))",
             types, back, gets, gets);
    return text;
}

static void test_many_vectors_pass_to_the_host_and_back(void **state)
{
    (void)state;
    static char text[8192];
    many_text(text, sizeof text);
    for (unsigned t = 0; t < TIERS; t++) {
        unsigned calls = 0;
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set_func(imports, "m", "f", NULL, turn_around, &calls, NULL));
        wag_instance *instance = instance_in(text, tiers[t], imports);
        wag_imports_unref(imports);
        wag_val args[MANY], results[MANY];
        for (unsigned i = 0; i < MANY; i++)
            args[i] = i % 5 == 0 || i % 5 == 2 ? vector(i)
                      : i % 5 == 1             ? WAG_VAL_F32((float)i)
                      : i % 5 == 3             ? WAG_VAL_I64(-(int64_t)i)
                                               : WAG_VAL_F64(i / 8.0);
        wag_error *error = NULL;
        if (wag_call(export_of(instance, "f"), args, MANY, results, MANY, &error) != WAG_OK)
            fail_msg("%s", wag_error_message(error));
        for (unsigned i = 0; i < MANY; i++)
            if (args[i].kind == WAG_F32)
                assert_true(results[MANY - 1 - i].of.f32 == args[i].of.f32);
            else
                assert_same(&results[MANY - 1 - i], &args[i]);
        assert_int_equal(calls, 1);
        wag_instance_unref(instance);
    }
}

static void test_kinds_that_do_not_fit_are_type_errors_and_nothing_runs(void **state)
{
    (void)state;
    for (unsigned t = 0; t < TIERS; t++) {
        wag_instance *instance = instance_in(
            "(module (global $ran (export \"ran\") (mut i32) (i32.const 0))"
            " (func (export \"f\") (param v128) (result v128) (global.set $ran (i32.const 1)) (local.get 0)))",
            tiers[t], NULL);
        wag_func *f = export_of(instance, "f");
        assert_int_equal(wag_func_param_kind(f, 0), WAG_V128);
        assert_int_equal(wag_func_result_kind(f, 0), WAG_V128);
        wag_val wrong = WAG_VAL_I64(1), result;
        wag_error *error = NULL;
        ASSERT_ERR(wag_call(f, &wrong, 1, &result, 1, &error), WAG_TYPE);
        assert_non_null(strstr(wag_error_message(error), "argument 0 must be v128, not i64"));
        wag_error_unref(error);
        wag_val ran;
        ASSERT_OK(wag_global_get(wag_exports_global(wag_instance_exports(instance), "ran"), &ran));
        assert_int_equal(ran.of.i32, 0);
        wag_instance_unref(instance);
    }
}

static wag_error *give_a_number(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)args;
    assert_int_equal(results[0].kind, WAG_V128);
    results[0] = WAG_VAL_I32(1);
    return NULL;
}

static void test_a_host_function_that_gives_no_vector_is_a_type_error(void **state)
{
    (void)state;
    for (unsigned t = 0; t < TIERS; t++) {
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set_func(imports, "m", "f", "() -> (v128)", give_a_number, NULL, NULL));
        wag_instance *instance = instance_in("(module (import \"m\" \"f\" (func $f (result v128)))"
                                             " (func (export \"f\") (result v128) (call $f)))",
                                             tiers[t], imports);
        wag_imports_unref(imports);
        wag_val result;
        wag_error *error = NULL;
        ASSERT_ERR(wag_call(export_of(instance, "f"), NULL, 0, &result, 1, &error), WAG_TYPE);
        assert_non_null(strstr(wag_error_message(error), "result 0 must be v128, not i32"));
        wag_error_unref(error);
        wag_instance_unref(instance);
    }
}

/* A function of one tier is an import of the other. */
static void test_vectors_pass_between_tiers(void **state)
{
    (void)state;
    for (unsigned t = 0; t < TIERS; t++) {
        wag_instance *callee =
            instance_in("(module (func (export \"f\") (param v128 i32 v128) (result v128 i32)"
                        " (i32x4.add (local.get 0) (local.get 2)) (i32.add (local.get 1) (i32.const 1))))",
                        tiers[t], NULL);
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set(imports, "m", "f", WAG_FUNC(export_of(callee, "f"))));
        wag_instance *caller =
            instance_in("(module (type $t (func (param v128 i32 v128) (result v128 i32)))"
                        " (import \"m\" \"f\" (func $f (type $t))) (table funcref (elem $f))"
                        " (func (export \"call\") (type $t) (call $f (local.get 0) (local.get 1) (local.get 2)))"
                        " (func (export \"indirect\") (type $t)"
                        "  (call_indirect (type $t) (local.get 0) (local.get 1) (local.get 2) (i32.const 0)))"
                        " (func (export \"tail\") (type $t)"
                        "  (return_call $f (local.get 0) (local.get 1) (local.get 2))))",
                        tiers[1 - t], imports);
        wag_imports_unref(imports);
        static const char *const names[] = {"call", "indirect", "tail"};
        for (size_t i = 0; i < 3; i++) {
            wag_val args[] = {vector(0), WAG_VAL_I32(41), vector(3)}, results[2];
            memset(args[0].of.v128, 0, 16);
            wag_error *error = NULL;
            if (wag_call(export_of(caller, names[i]), args, 3, results, 2, &error) != WAG_OK)
                fail_msg("%s: %s", names[i], wag_error_message(error));
            assert_same(&results[0], &args[2]);
            assert_int_equal(results[1].of.i32, 42);
        }
        wag_instance_unref(caller);
        wag_instance_unref(callee);
    }
}

/* ---- globals ---- */

static const char user_text[] = "(module (import \"m\" \"g\" (global $g v128))"
                                " (func (export \"get\") (result v128) (global.get $g)))";

static void test_R_07_a_vector_global_is_never_made_of_a_value(void **state)
{
    (void)state;
    const wag_value values[] = {WAG_NUMBER(1), WAG_BIGINT(1), WAG_NULL, WAG_UNDEFINED};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        wag_module *module = module_in(user_text, WAG_TIER_DEFAULT);
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set(imports, "m", "g", values[i]));
        wag_instance *instance = NULL;
        wag_error *error = NULL;
        ASSERT_ERR(wag_instance_new(module, imports, &instance, &error), WAG_LINK);
        assert_class(error, WAG_CLASS_LINK_ERROR);
        wag_imports_unref(imports);
        wag_module_unref(module);
    }
}

static void test_G_04_a_vector_global_passes_between_instances_and_is_hidden_from_the_host(void **state)
{
    (void)state;
    for (unsigned t = 0; t < TIERS; t++) {
        wag_instance *owner = instance_in("(module (global (export \"g\") v128 (v128.const i32x4 1 2 3 4))"
                                          " (global (export \"m\") (mut v128) (v128.const i64x2 5 6)))",
                                          tiers[t], NULL);
        wag_global *global = wag_exports_global(wag_instance_exports(owner), "g");
        wag_global *variable = wag_exports_global(wag_instance_exports(owner), "m");
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set(imports, "m", "g", WAG_GLOBAL(global)));
        wag_instance *user = instance_in(user_text, tiers[1 - t], imports);
        wag_imports_unref(imports);
        wag_val got;
        ASSERT_OK(wag_call(export_of(user, "get"), NULL, 0, &got, 1, NULL));
        static const uint8_t wanted[16] = {1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0};
        assert_int_equal(got.kind, WAG_V128);
        assert_memory_equal(got.of.v128, wanted, 16);
        assert_true(wag_global_mutable(variable));
        ASSERT_ERR(wag_global_get(global, &got), WAG_TYPE);
        ASSERT_ERR(wag_global_get(variable, &got), WAG_TYPE);
        ASSERT_ERR(wag_global_set(variable, vector(1)), WAG_TYPE);
        ASSERT_ERR(wag_global_set(variable, WAG_VAL_I64(1)), WAG_TYPE);
        wag_instance_unref(user);
        wag_instance_unref(owner);
    }
}

static void test_G_01_the_host_makes_no_vector_global(void **state)
{
    (void)state;
    wag_global *global = NULL;
    wag_error *error = NULL;
    ASSERT_ERR(wag_global_new(vector(1), true, &global, &error), WAG_TYPE);
    assert_null(global);
    assert_class(error, WAG_CLASS_TYPE_ERROR);
}

/* ---- exceptions ---- */

static void test_exceptions_of_the_host_have_vectors(void **state)
{
    (void)state;
    wag_tag *tag = NULL;
    wag_exception *exception = NULL;
    wag_error *error = NULL;
    ASSERT_OK(wag_tag_new("(i32 v128 f64 v128)", &tag, NULL));
    wag_val args[] = {WAG_VAL_I32(1), vector(5), WAG_VAL_F64(2.5), vector(9)}, got;
    ASSERT_OK(wag_exception_new(tag, args, 4, &exception, NULL));
    for (size_t i = 0; i < 4; i++) {
        ASSERT_OK(wag_exception_arg(exception, tag, i, &got));
        if (i == 1 || i == 3)
            assert_same(&got, &args[i]);
    }
    wag_exception_unref(exception);
    args[1] = WAG_VAL_I64(5);
    ASSERT_ERR(wag_exception_new(tag, args, 4, &exception, &error), WAG_TYPE);
    assert_class(error, WAG_CLASS_TYPE_ERROR);
    wag_tag_unref(tag);
}

/* In text (wat2wasm of Debian 12 knows no try_table):
 *   (import "m" "t" (tag $t (param i32 v128 f64 v128)))   (import "m" "host" (func $host))
 *   throw (i32 v128 f64 v128)                             throw $t
 *   catch () -> (i32 v128 f64 v128)                       call $host; what $t carries
 *   nested (i32 v128 f64 v128) -> (the same)              call throw; what $t carries */
static wag_module *thrower(wag_tier tier)
{
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, 1,
                "\x04\x60\x04\x7F\x7B\x7C\x7B\x00\x60\x00\x00\x60\x00\x04\x7F\x7B\x7C\x7B"
                "\x60\x04\x7F\x7B\x7C\x7B\x04\x7F\x7B\x7C\x7B");
    BUILD_WHOLE(&b, 2, "\x02\x01m\x01t\x04\x00\x00\x01m\x04host\x00\x01");
    BUILD_WHOLE(&b, 3, "\x03\x00\x02\x03");
    BUILD_WHOLE(&b, 7,
                "\x03\x05throw\x00\x01\x05"
                "catch\x00\x02\x06nested\x00\x03");
    BUILD_WHOLE(&b, 10,
                "\x03\x0C\x00\x20\x00\x20\x01\x20\x02\x20\x03\x08\x00\x0B"
                "\x0F\x00\x02\x02\x1F\x40\x01\x00\x00\x00\x10\x00\x0B\x00\x0B\x0B"
                "\x17\x00\x02\x02\x1F\x40\x01\x00\x00\x00\x20\x00\x20\x01\x20\x02\x20\x03\x10\x01\x0B\x00\x0B\x0B");
    wag_compile_options options = {.tier = tier};
    wag_module *module = NULL;
    wag_error *error = NULL;
    if (wag_module_new(build_bytes(&b), &options, &module, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    build_free(&b);
    return module;
}

static wag_error *throws(void *context, const wag_val *args, wag_val *results)
{
    (void)args, (void)results;
    return wag_exception_error(context);
}

static void test_exceptions_carry_vectors_between_host_and_wasm(void **state)
{
    (void)state;
    wag_tag *tag = NULL;
    wag_exception *exception = NULL;
    ASSERT_OK(wag_tag_new("(i32 v128 f64 v128)", &tag, NULL));
    wag_val args[] = {WAG_VAL_I32(1), vector(5), WAG_VAL_F64(2.5), vector(9)}, got[4];
    ASSERT_OK(wag_exception_new(tag, args, 4, &exception, NULL));
    for (size_t t = 0; t < TIERS; t++) {
        wag_module *module = thrower(tiers[t]);
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set(imports, "m", "t", WAG_TAG(tag)));
        ASSERT_OK(wag_imports_set_func(imports, "m", "host", NULL, throws, exception, NULL));
        wag_instance *instance = NULL;
        ASSERT_OK(wag_instance_new(module, imports, &instance, NULL));

        ASSERT_OK(wag_call(export_of(instance, "catch"), NULL, 0, got, 4, NULL));
        for (size_t i = 0; i < 4; i++)
            assert_same(&got[i], &args[i]);
        memset(got, 0, sizeof got);
        ASSERT_OK(wag_call(export_of(instance, "nested"), args, 4, got, 4, NULL));
        for (size_t i = 0; i < 4; i++)
            assert_same(&got[i], &args[i]);

        wag_error *error = NULL;
        ASSERT_ERR(wag_call(export_of(instance, "throw"), args, 4, NULL, 0, &error), WAG_UNCAUGHT_EXCEPTION);
        for (size_t i = 0; i < 4; i++) {
            ASSERT_OK(wag_exception_arg(wag_error_exception(error), tag, i, &got[0]));
            assert_same(&got[0], &args[i]);
        }
        wag_error_unref(error);
        wag_instance_unref(instance);
        wag_imports_unref(imports);
        wag_module_unref(module);
    }
    wag_exception_unref(exception);
    wag_tag_unref(tag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_vectors_pass_to_the_host_and_back),
        cmocka_unit_test(test_kinds_that_do_not_fit_are_type_errors_and_nothing_runs),
        cmocka_unit_test(test_a_host_function_that_gives_no_vector_is_a_type_error),
        cmocka_unit_test(test_vectors_pass_between_tiers),
        cmocka_unit_test(test_R_07_a_vector_global_is_never_made_of_a_value),
        cmocka_unit_test(test_G_04_a_vector_global_passes_between_instances_and_is_hidden_from_the_host),
        cmocka_unit_test(test_G_01_the_host_makes_no_vector_global),
        cmocka_unit_test(test_exceptions_of_the_host_have_vectors),
        cmocka_unit_test(test_exceptions_carry_vectors_between_host_and_wasm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

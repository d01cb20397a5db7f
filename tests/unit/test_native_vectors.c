/* How vectors travel in native code: through calls of every kind, locals and loops, globals, select, blocks, and slots
 * of the frame beside narrow ones; with many registers and few. */
#include "tests/support/check.h"

#include <string.h>

#include "compiler/compile.h"

typedef struct kind {
    const char *name;
    wag_tier tier;
    wagi_compiler_switches switches;
} kind;
static const kind kinds[] = {
    {"guard", WAG_TIER_NATIVE_GUARD, {.check = true}},
    {"checked", WAG_TIER_NATIVE_CHECKED, {.check = true}},
    {"3 registers", WAG_TIER_NATIVE_GUARD, {.check = true, .few_registers = true, .registers = 3}},
    {"no register", WAG_TIER_NATIVE_CHECKED, {.check = true, .few_registers = true}},
    {"SSE2", WAG_TIER_NATIVE_GUARD, {.check = true, .hide_features = UINT32_MAX}},
    {"SSE2, 1 register",
     WAG_TIER_NATIVE_GUARD,
     {.check = true, .few_registers = true, .registers = 1, .hide_features = UINT32_MAX}},
};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static wag_instance *make(const char *text, const kind *k, wag_imports *imports)
{
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    wag_bytes bytes = wat(text);
    wag_compile_options options = {.tier = k->tier};
    wagi_compiler_test = k->switches;
    wag_err err = wag_module_new(bytes, &options, &module, &error);
    wagi_compiler_test = (wagi_compiler_switches){0};
    wat_free(bytes);
    if (err != WAG_OK)
        fail_msg("%s: %s", k->name, wag_error_message(error));
    ASSERT_OK(wag_instance_new(module, imports, &instance, NULL));
    wag_module_unref(module);
    return instance;
}

static wag_val vector(uint8_t seed)
{
    wag_val val = {.kind = WAG_V128};
    for (unsigned i = 0; i < 16; i++)
        val.of.v128[i] = (uint8_t)(seed * 37 + i * i + 1);
    return val;
}

static void call(const char *what, const wag_instance *instance, const char *name, const wag_val *args,
                 size_t arg_count, wag_val *results, size_t result_count)
{
    wag_error *error = NULL;
    wag_func *func = wag_exports_func(wag_instance_exports(instance), name);
    assert_non_null(func);
    wag_err err = wag_call(func, args, arg_count, results, result_count, &error);
    if (err != WAG_OK)
        fail_msg("%s (%s): %s", name, what, wag_error_message(error));
}

/* ---- calls ---- */

#define PARAMS "v128 i32 v128 f64 v128 v128 v128 v128 v128 v128 i64 v128 v128 f32 v128 i32 i32 i32 i32 i32 i32 i32"
#define RESULTS "v128 i32 v128 f32 i64 v128"
#define TYPE "(type $t (func (param " PARAMS ") (result " RESULTS ")))"
#define ARGS                                                                                                           \
    "local.get 0 local.get 1 local.get 2 local.get 3 local.get 4 local.get 5 local.get 6 local.get 7 local.get 8 "     \
    "local.get 9 local.get 10 local.get 11 local.get 12 local.get 13 local.get 14 local.get 15 local.get 16 "          \
    "local.get 17 local.get 18 local.get 19 local.get 20 local.get 21 "
enum { PARAM_COUNT = 22, RESULT_COUNT = 6 };

static const char callee[] =
    "(module " TYPE " (func (export \"f\") (type $t)"
    "  (i8x16.sub (local.get 0) (i8x16.sub (local.get 2) (i8x16.sub (local.get 4) (i8x16.sub (local.get 5)"
    "   (i8x16.sub (local.get 6) (i8x16.sub (local.get 7) (i8x16.sub (local.get 8) (i8x16.sub (local.get 9)"
    "   (i8x16.sub (local.get 11) (local.get 12))))))))))"
    "  (i32.sub (local.get 1) (i32.sub (local.get 15) (i32.sub (local.get 20) (local.get 21))))"
    "  (local.get 14) (local.get 13)"
    "  (i64.add (local.get 10) (i64.trunc_f64_s (local.get 3)))"
    "  (v128.const i32x4 1 2 3 4)))";

static const char caller[] =
    "(module " TYPE " (import \"m\" \"f\" (func $f (type $t)))"
    " (table 2 funcref) (elem (i32.const 0) $own $f) (elem declare func $own)"
    " (func $own (type $t) " ARGS "call $f)"
    " (func (export \"import\") (type $t) " ARGS "call $f)"
    " (func (export \"direct\") (type $t) " ARGS "call $own)"
    " (func (export \"indirect\") (type $t) " ARGS "i32.const 0 call_indirect (type $t))"
    " (func (export \"indirect far\") (type $t) " ARGS "i32.const 1 call_indirect (type $t))"
    " (func (export \"tail\") (type $t) " ARGS "return_call $own)"
    " (func (export \"tail far\") (type $t) " ARGS "return_call $f)"
    " (func (export \"tail indirect\") (type $t) " ARGS "i32.const 0 return_call_indirect (type $t))"
    " (func (export \"tail indirect far\") (type $t) " ARGS "i32.const 1 return_call_indirect (type $t))"
    " (func (export \"constants\") (type $t) (call $f"
    "  (v128.const i32x4 0 0 0 0) (local.get 1) (v128.const i32x4 -1 -1 -1 -1) (local.get 3)"
    "  (v128.const i32x4 1 2 3 4) (local.get 5) (local.get 6) (local.get 7) (local.get 8) (local.get 9) (local.get 10)"
    "  (local.get 11) (local.get 12) (local.get 13) (v128.const i64x2 5 -6) (local.get 15) (local.get 16)"
    "  (local.get 17) (local.get 18) (local.get 19) (local.get 20) (local.get 21))))";

static void make_args(wag_val args[PARAM_COUNT])
{
    static const char kinds_of[] = "vivFvvvvvvIvvfviiiiiii";
    for (unsigned i = 0; i < PARAM_COUNT; i++) {
        uint8_t seed = (uint8_t)(i + 1);
        args[i] = kinds_of[i] == 'v'   ? vector(seed)
                  : kinds_of[i] == 'i' ? WAG_VAL_I32(1000 * seed)
                  : kinds_of[i] == 'I' ? WAG_VAL_I64((int64_t)seed << 40)
                  : kinds_of[i] == 'f' ? WAG_VAL_F32((float)seed * 0.5f)
                                       : WAG_VAL_F64(seed * 3.0);
    }
}

/* What callee computes. */
static void compute(const wag_val *args, wag_val *results)
{
    static const uint8_t vectors[] = {0, 2, 4, 5, 6, 7, 8, 9, 11, 12};
    results[0] = args[12];
    results[0].kind = WAG_V128;
    for (unsigned n = COUNT(vectors) - 1; n-- > 0;)
        for (unsigned i = 0; i < 16; i++)
            results[0].of.v128[i] = (uint8_t)(args[vectors[n]].of.v128[i] - results[0].of.v128[i]);
    results[1] = WAG_VAL_I32(args[1].of.i32 - (args[15].of.i32 - (args[20].of.i32 - args[21].of.i32)));
    results[2] = args[14];
    results[3] = args[13];
    results[4] = WAG_VAL_I64(args[10].of.i64 + (int64_t)args[3].of.f64);
    static const uint8_t constant[] = {1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0};
    results[5].kind = WAG_V128;
    memcpy(results[5].of.v128, constant, 16);
}

static wag_error *host(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    compute(args, results);
    return NULL;
}

static void compare(const char *what, const char *name, const wag_val *want, const wag_val *got)
{
    static const uint8_t sizes[RESULT_COUNT] = {16, 4, 16, 4, 8, 16};
    for (unsigned i = 0; i < RESULT_COUNT; i++)
        if (want[i].kind != got[i].kind || memcmp(&want[i].of, &got[i].of, sizes[i]) != 0)
            fail_msg("%s (%s): result %u differs", name, what, i);
}

static void compare_calls(const char *what, const wag_instance *instance)
{
    static const char *const names[] = {"import", "direct",   "indirect",      "indirect far",
                                        "tail",   "tail far", "tail indirect", "tail indirect far"};
    wag_val args[PARAM_COUNT], want[RESULT_COUNT], got[RESULT_COUNT];
    make_args(args);
    compute(args, want);
    for (unsigned i = 0; i < COUNT(names); i++) {
        call(what, instance, names[i], args, PARAM_COUNT, got, RESULT_COUNT);
        compare(what, names[i], want, got);
    }
    wag_val constants[PARAM_COUNT];
    memcpy(constants, args, sizeof args);
    static const uint8_t five[16] = {5, 0, 0, 0, 0, 0, 0, 0, 0xFA, 255, 255, 255, 255, 255, 255, 255};
    memset(constants[0].of.v128, 0, 16);
    memset(constants[2].of.v128, 255, 16);
    memcpy(constants[4].of.v128, want[5].of.v128, 16);
    memcpy(constants[14].of.v128, five, 16);
    compute(constants, want);
    call(what, instance, "constants", args, PARAM_COUNT, got, RESULT_COUNT);
    compare(what, "constants", want, got);
}

static void test_vectors_travel_through_calls_of_every_kind(void **state)
{
    (void)state;
    for (unsigned k = 0; k < COUNT(kinds) && wagi_compiler_available(); k++) {
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set_func(imports, "m", "f", NULL, host, NULL, NULL));
        wag_instance *to_host = make(caller, &kinds[k], imports);
        compare_calls(kinds[k].name, to_host);
        wag_instance_unref(to_host);
        wag_imports_unref(imports);
        for (unsigned other = 0; other < 2; other++) {
            wag_instance *far = make(callee, &kinds[other ? COUNT(kinds) - 1 - k : k], NULL);
            imports = wag_imports_new();
            ASSERT_OK(wag_imports_set(imports, "m", "f", wag_exports_get(wag_instance_exports(far), "f")));
            wag_instance *to_wasm = make(caller, &kinds[k], imports);
            compare_calls(kinds[k].name, to_wasm);
            wag_instance_unref(to_wasm);
            wag_instance_unref(far);
            wag_imports_unref(imports);
        }
    }
}

/* ---- within a function ---- */

static const char flows[] =
    "(module (memory 1)"
    " (global $g (mut v128) (v128.const i32x4 9 8 7 6)) (global $c v128 (v128.const i32x4 1 1 1 1))"
    " (func $touch (param v128 v128) (result v128) (i32x4.add (local.get 0) (local.get 1)))"
    /* the sum of 20 vectors of which each iteration changes one, with a call inside; i64s between them in the frame */
    " (func (export \"loop\") (param v128 i32) (result v128)"
    "  (local $a v128) (local $i i32) (local $x i64) (local $b v128) (local $y i64) (local $c v128) (local $d v128)"
    "  (local $e v128) (local $z i64) (local $f v128)"
    "  (local.set $a (local.get 0)) (local.set $b (i32x4.add (local.get 0) (global.get $c)))"
    "  (local.set $c (i32x4.neg (local.get 0)))"
    "  (loop $l"
    "   (local.set $a (call $touch (local.get $a) (local.get $b)))"
    "   (local.set $x (i64.add (local.get $x) (i64.const 3)))"
    "   (local.set $d (i32x4.add (local.get $d) (local.get $c)))"
    "   (local.set $y (i64.add (local.get $y) (local.get $x)))"
    "   (local.set $e (i32x4.add (local.get $e) (i32x4.add (local.get $d) (local.get $a))))"
    "   (local.set $z (i64.xor (local.get $z) (local.get $y)))"
    "   (local.set $f (select (local.get $e) (local.get $f) (i32.and (local.get $i) (i32.const 1))))"
    "   (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 1))))"
    "  (i32x4.add (i32x4.add (local.get $e) (local.get $f))"
    "   (i64x2.splat (i64.add (local.get $z) (local.get $y)))))"
    " (func (export \"global\") (param v128) (result v128 v128)"
    "  (global.get $g) (global.set $g (local.get 0)) (global.get $g))"
    /* blocks and loops that carry vectors */
    " (func (export \"blocks\") (param v128 i32) (result v128 v128)"
    "  (block $out (result v128 v128)"
    "   (local.get 0) (i32x4.add (local.get 0) (local.get 0))"
    "   (br_if $out (i32.eqz (local.get 1)))"
    "   (loop $l (param v128 v128) (result v128 v128)"
    "    (call $swap)"
    "    (br_if $l (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))"
    "   (br_table $out $out (local.get 1))))"
    " (func $swap (param v128 v128) (result v128 v128) (local.get 1) (local.get 0))"
    " (func (export \"zero\") (result v128) (local v128) (drop (memory.grow (i32.const 0))) (local.get 0)))";

static int32_t lane(const wag_val *val, unsigned i)
{
    int32_t x;
    memcpy(&x, val->of.v128 + 4 * i, 4);
    return x;
}

/* One lane of what "loop" computes. */
static uint32_t loop_lane(uint32_t p, uint32_t count, bool high)
{
    uint32_t a = p, b = p + 1, c = 0u - p, d = 0, e = 0, f = 0;
    uint64_t x = 0, y = 0, z = 0;
    for (uint32_t i = 0; i < count; i++) {
        a += b;
        x += 3;
        d += c;
        y += x;
        e += d + a;
        z ^= y;
        f = i & 1 ? e : f;
    }
    return e + f + (uint32_t)((z + y) >> (high ? 32 : 0));
}

static void check_flows(const char *what, const wag_instance *instance)
{
    wag_val args[2] = {vector(3), WAG_VAL_I32(11)}, results[2];
    call(what, instance, "loop", args, 2, results, 1);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal((uint32_t)lane(results, i), loop_lane((uint32_t)lane(args, i), 11, i & 1));
    call(what, instance, "global", args, 1, results, 2);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(lane(results, i), 9 - (int32_t)i);
    assert_memory_equal(results[1].of.v128, args[0].of.v128, 16);
    for (int32_t turns = 0; turns < 4; turns++) {
        args[1] = WAG_VAL_I32(turns);
        call(what, instance, "blocks", args, 2, results, 2);
        assert_memory_equal(results[turns & 1].of.v128, args[0].of.v128, 16);
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal((uint32_t)lane(&results[~turns & 1], i), 2 * (uint32_t)lane(args, i));
    }
    call(what, instance, "zero", NULL, 0, results, 1);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(lane(results, i), 0);
}

static void test_vectors_keep_their_values_within_a_function(void **state)
{
    (void)state;
    for (unsigned k = 0; k < COUNT(kinds) && wagi_compiler_available(); k++) {
        wag_instance *instance = make(flows, &kinds[k], NULL);
        check_flows(kinds[k].name, instance);
        wag_instance_unref(instance);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_travel_through_calls_of_every_kind),
        cmocka_unit_test(test_vectors_keep_their_values_within_a_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

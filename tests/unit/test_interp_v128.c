/* v128 values in the interpreter: every way in which a value moves, between functions with and without v128, to the
 * host and back, through the heap and through exceptions. What the vector ops compute is in test_v128.c and the
 * official suite. */
#include "tests/support/interp.h"

#include "runtime/agent.h"
#include "tests/support/bytes.h"

/* ---- help ---- */

/* A vector whose bytes are all different: seed, seed + 1, ... */
static wag_val vector(unsigned seed)
{
    wag_val val = {.kind = WAG_V128};
    for (unsigned i = 0; i < 16; i++)
        val.of.v128[i] = (uint8_t)(seed + i);
    return val;
}

static void assert_vector(const wag_val *got, unsigned seed)
{
    wag_val wanted = vector(seed);
    assert_int_equal(got->kind, WAG_V128);
    assert_memory_equal(got->of.v128, wanted.of.v128, 16);
}

static void call(const wag_instance *instance, const char *name, const wag_val *args, size_t arg_count,
                 wag_val *results, size_t result_count)
{
    wag_error *error = NULL;
    if (wag_call(export_of(instance, name), args, arg_count, results, result_count, &error) != WAG_OK)
        fail_msg("%s: %s", name, wag_error_message(error));
}

/* Call an export of type (v128 v128 i32) -> (v128). */
static wag_val pick(const wag_instance *instance, const char *name, int32_t which)
{
    wag_val args[] = {vector(0x10), vector(0x80), WAG_VAL_I32(which)}, result;
    call(instance, name, args, 3, &result, 1);
    return result;
}

/* ---- inside one function ---- */

static void test_values_move_through_locals_blocks_and_branches(void **state)
{
    (void)state;
    wag_instance *instance = interp_of(
        "(module (global $g (mut v128) (v128.const i64x2 0 0))"
        "  (type $pick (func (param v128 v128 i32) (result v128)))"
        "  (func (export \"select\") (type $pick) (select (local.get 0) (local.get 1) (local.get 2)))"
        "  (func (export \"select_t\") (type $pick) (select (result v128) (local.get 0) (local.get 1) (local.get 2)))"
        "  (func (export \"tee\") (type $pick) (local v128 i64 v128)"
        "    (drop (local.tee 3 (local.get 0))) (local.set 4 (i64.const -1)) (local.set 5 (local.get 1))"
        "    (select (local.get 3) (local.tee 0 (local.get 5)) (i32.eqz (i32.eqz (local.get 2)))))"
        "  (func (export \"if\") (type $pick)"
        "    (if (result v128) (local.get 2) (then (local.get 0)) (else (local.get 1))))"
        "  (func (export \"global\") (type $pick)"
        "    (global.set $g (local.get 1)) (if (local.get 2) (then (global.set $g (local.get 0)))) (global.get $g))"
        "  (func (export \"br\") (type $pick)"
        "    (block (result v128) (i64.const 1) (f64.const 2) (local.get 0) (br_if 0 (local.get 2)) (drop)"
        "      (drop) (drop) (i32.const 3) (local.get 1) (br 0)))"
        "  (func (export \"br_table\") (type $pick)"
        "    (block $b (result v128) (block $a (result v128)"
        "      (i32.const 7) (local.get 1) (local.get 0) (br_table $b $a (local.get 2)))"
        "      (drop) (local.get 1)))"
        "  (func (export \"loop\") (type $pick)"
        "    (local.get 1) (local.get 0)"
        "    (loop (param v128 v128) (result v128 v128)"
        "      (local.set 0) (local.set 1) (local.get 0) (local.get 1)" /* swap */
        "      (br_if 0 (local.tee 2 (i32.sub (local.get 2) (i32.const 1)))))"
        "    (drop))"
        "  (func (export \"return\") (type $pick)"
        "    (i32.const 5) (local.get 1) (local.get 0) (if (local.get 2) (then (return (local.get 0))))"
        "    (drop) (return)))",
        NULL);
    static const char *const names[] = {"select", "select_t", "tee", "if", "global", "br", "return"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        wag_val result = pick(instance, names[i], 1);
        assert_vector(&result, 0x10);
        result = pick(instance, names[i], 0);
        assert_vector(&result, 0x80);
    }
    wag_val result = pick(instance, "br_table", 0);
    assert_vector(&result, 0x10);
    result = pick(instance, "br_table", 1);
    assert_vector(&result, 0x80);
    result = pick(instance, "loop", 3);
    assert_vector(&result, 0x10);
    result = pick(instance, "loop", 4);
    assert_vector(&result, 0x80);
    wag_instance_unref(instance);
}

static void test_scalars_keep_their_values_among_vectors(void **state)
{
    (void)state;
    /* In functions with v128, scalars are in registers or in memory, as the ops before decide. */
    wag_instance *instance = interp_of(
        "(module (memory 1)"
        "  (func (export \"mix\") (param i32 i64 v128) (result i64) (local i32 i64)"
        "    (local.set 3 (i32.add (i32.mul (local.get 0) (i32.const 3)) (i32.const 1)))"
        "    (local.set 4 (i64.add (local.get 1) (i64.extend_i32_u (local.tee 0 (local.get 3)))))"
        "    (i32x4.extract_lane 1 (local.get 2))"
        "    (drop)"
        "    (i64.add"
        "      (i64.mul (i64x2.extract_lane 0 (local.get 2)) (select (i64.const 2) (i64.const 3) (local.get 3)))"
        "      (i64.sub (local.get 4) (i64.extend_i32_s"
        "        (if (result i32) (i32.gt_s (local.get 0) (i32.const 10)) (then (local.get 3)) (else (i32.const "
        "-1))))))))",
        NULL);
    wag_val args[] = {WAG_VAL_I32(7), WAG_VAL_I64(1000), {.kind = WAG_V128}}, result;
    args[2].of.v128[0] = 5;
    call(instance, "mix", args, 3, &result, 1);
    assert_int_equal(result.of.i64, 5 * 2 + (1000 + 22 - 22));
    args[0] = WAG_VAL_I32(1);
    call(instance, "mix", args, 3, &result, 1);
    assert_int_equal(result.of.i64, 5 * 2 + (1000 + 4 + 1));
    wag_instance_unref(instance);
}

static void test_an_opcode_with_more_bytes_than_it_needs_runs(void **state)
{
    (void)state;
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, 1, "\x01\x60\x02\x7B\x7B\x01\x7B");
    BUILD_WHOLE(&b, 3, "\x01\x00");
    BUILD_WHOLE(&b, 7,
                "\x01\x03"
                "add\x00\x00");
    BUILD_WHOLE(&b, 10, "\x01\x0C\x00\x20\x00\x20\x01\xFD\xEE\x80\x80\x80\x00\x0B"); /* i8x16.add */
    wag_instance *instance = interp_of_bytes(build_bytes(&b), NULL, NULL);
    wag_val args[] = {vector(1), {.kind = WAG_V128}}, result;
    memset(args[1].of.v128, 4, 16);
    call(instance, "add", args, 2, &result, 1);
    assert_vector(&result, 5);
    wag_instance_unref(instance);
    build_free(&b);
}

/* ---- calls ---- */

static const char calls_text[] =
    "(module"
    "  (type $narrow (func (param i32) (result i32)))"
    "  (type $wide (func (param i64 v128 i32 v128) (result v128 i32 v128)))"
    "  (import \"m\" \"host\" (func $host (type $wide)))"
    "  (table funcref (elem $swap $inside $host $scalar))"
    "  (func $swap (type $wide) (local.get 3) (local.get 2) (local.get 1))"
    /* narrow by its type, wide inside */
    "  (func $inside (type $narrow) (i32x4.extract_lane 2 (i32x4.add (i32x4.splat (local.get 0)) (i32x4.splat "
    "(i32.const 1)))))"
    "  (func $scalar (type $narrow) (i32.mul (call $inside (i32.add (local.get 0) (i32.const 1))) (i32.const 10)))"
    "  (func (export \"alternate\") (type $narrow) (local v128)"
    "    (local.set 1 (i32x4.splat (call $scalar (local.get 0))))"
    "    (i32.add (call $scalar (i32x4.extract_lane 0 (local.get 1))) (i32x4.extract_lane 3 (local.get 1))))"
    "  (func (export \"direct\") (type $wide)"
    "    (i32.const 99) (call $swap (local.get 0) (local.get 1) (local.get 2) (local.get 3))"
    "    (local.set 1) (local.set 2) (local.set 3) (drop)"
    "    (call $swap (i64.const 0) (local.get 1) (local.get 2) (local.get 3)))"
    "  (func (export \"indirect\") (type $wide)"
    "    (call_indirect (type $wide) (local.get 0) (local.get 1) (local.get 2) (local.get 3) (i32.const 0)))"
    "  (func (export \"to_host\") (type $wide)"
    "    (i64.const -1) (call $host (local.get 0) (local.get 1) (local.get 2) (local.get 3))"
    "    (local.set 1) (local.set 2) (local.set 3) (drop) (local.get 3) (local.get 2) (local.get 1))"
    "  (func (export \"tail\") (type $wide)"
    "    (i32.const 5) (return_call $swap (local.get 0) (local.get 1) (local.get 2) (local.get 3)))"
    "  (func (export \"tail_indirect\") (type $wide)"
    "    (i32.const 5) (return_call_indirect (type $wide) (local.get 0) (local.get 1) (local.get 2) (local.get 3)"
    "      (i32.const 0)))"
    "  (func (export \"tail_host\") (type $wide)"
    "    (i32.const 5) (return_call $host (local.get 0) (local.get 1) (local.get 2) (local.get 3)))"
    "  (func (export \"host\") (type $wide)"
    "    (return_call_indirect (type $wide) (local.get 0) (local.get 1) (local.get 2) (local.get 3) (i32.const 2)))"
    /* two functions that call each other in place, one in each loop */
    "  (func $even (export \"even\") (type $narrow)"
    "    (if (result i32) (local.get 0)"
    "      (then (return_call $odd (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 1))))"
    "  (func $odd (type $narrow) (local v128)"
    "    (if (result i32) (v128.any_true (i32x4.splat (local.get 0)))"
    "      (then (return_call $even (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0))))"
    "  (func $dirty (local v128 v128 v128 v128)"
    "    (local.set 0 (v128.const i64x2 -1 -1)) (local.set 1 (local.get 0)) (local.set 2 (local.get 0))"
    "    (local.set 3 (local.get 0)))"
    "  (func $clean (param v128) (result i32) (local i64 v128 v128 v128)"
    "    (i32.or (i64.ne (local.get 1) (i64.const 0))"
    "      (v128.any_true (v128.or (local.get 2) (v128.or (local.get 3) (local.get 4))))))"
    "  (func (export \"clean\") (result i32) (call $dirty) (call $clean (v128.const i64x2 -1 -1)))"
    "  (func $trap (type $narrow) (i32.div_u (local.get 0) (i32.const 0)))"
    "  (func $wide_trap (type $narrow) (local v128) (call $trap (local.get 0)))"
    "  (func (export \"trap\") (type $narrow) (call $wide_trap (local.get 0)))"
    "  (func $deep (export \"deep\") (param i32 v128) (result v128)"
    "    (if (result v128) (local.get 0) (then (v128.not (call $deep (i32.sub (local.get 0) (i32.const 1)) (local.get "
    "1))))"
    "      (else (local.get 1)))))";

/* What $swap does. */
static wag_error *swap(void *context, const wag_val *args, wag_val *results)
{
    ++*(unsigned *)context;
    results[0] = args[3];
    results[1] = args[2];
    results[2] = args[1];
    return NULL;
}

static wag_instance *calls_instance(unsigned *count)
{
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "host", "(i64 v128 i32 v128) -> (v128 i32 v128)", swap, count, NULL));
    wag_instance *instance = interp_of(calls_text, imports);
    wag_imports_unref(imports);
    return instance;
}

static int32_t narrow(const wag_instance *instance, const char *name, int32_t argument)
{
    wag_val arg = WAG_VAL_I32(argument), result;
    call(instance, name, &arg, 1, &result, 1);
    return result.of.i32;
}

static void test_vectors_pass_through_every_kind_of_call(void **state)
{
    (void)state;
    unsigned host_calls = 0;
    wag_instance *instance = calls_instance(&host_calls);
    static const char *const names[] = {"indirect", "to_host", "tail", "tail_indirect", "tail_host", "host", "direct"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        wag_val args[] = {WAG_VAL_I64(-2), vector(3), WAG_VAL_I32(77), vector(0x99)}, results[3];
        call(instance, names[i], args, 4, results, 3);
        assert_vector(&results[0], 0x99);
        assert_int_equal(results[1].of.i32, 77);
        assert_vector(&results[2], 3);
    }
    assert_int_equal(host_calls, 3);
    wag_instance_unref(instance);
}

static void test_functions_with_and_without_vectors_call_each_other(void **state)
{
    (void)state;
    unsigned host_calls = 0;
    wag_instance *instance = calls_instance(&host_calls);
    assert_int_equal(narrow(instance, "alternate", 4), ((4 + 2) * 10 + 2) * 10 + (4 + 2) * 10);
    assert_int_equal(narrow(instance, "even", 1000000), 1); /* in constant space */
    assert_int_equal(narrow(instance, "even", 999999), 0);
    assert_int_equal(call_i32(instance, "clean"), 0);
    wag_instance_unref(instance);
}

static void test_a_trap_below_both_loops_has_all_its_frames(void **state)
{
    (void)state;
    unsigned host_calls = 0;
    wag_instance *instance = calls_instance(&host_calls);
    wag_error *error = NULL;
    wag_val arg = WAG_VAL_I32(1), result;
    ASSERT_ERR(wag_call(export_of(instance, "trap"), &arg, 1, &result, 1, &error), WAG_DIVIDE_BY_ZERO);
    wag_frame frames[3], more;
    for (size_t i = 0; i < 3; i++)
        assert_true(wag_error_frame(error, i, &frames[i]));
    assert_false(wag_error_frame(error, 3, &more));
    assert_int_equal(frames[0].func_index + 1, frames[1].func_index);
    assert_int_equal(frames[1].func_index + 1, frames[2].func_index);
    wag_error_unref(error);
    wag_instance_unref(instance);
}

static void test_deep_recursion_with_vectors_ends_as_a_stack_overflow(void **state)
{
    (void)state;
    unsigned host_calls = 0;
    wag_instance *instance = calls_instance(&host_calls);
    wag_val args[] = {WAG_VAL_I32(1000), vector(7)}, result;
    call(instance, "deep", args, 2, &result, 1);
    assert_vector(&result, 7);
    args[0] = WAG_VAL_I32(100000000);
    wag_error *error = NULL;
    ASSERT_ERR(wag_call(export_of(instance, "deep"), args, 2, &result, 1, &error), WAG_STACK_OVERFLOW);
    wag_error_unref(error);
    args[0] = WAG_VAL_I32(2000);
    call(instance, "deep", args, 2, &result, 1);
    assert_vector(&result, 7);
    wag_instance_unref(instance);
}

static void test_vectors_pass_between_instances(void **state)
{
    (void)state;
    unsigned host_calls = 0;
    wag_instance *callee = calls_instance(&host_calls);
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set(imports, "m", "swap", WAG_FUNC(export_of(callee, "direct"))));
    ASSERT_OK(wag_imports_set(imports, "m", "inside", WAG_FUNC(export_of(callee, "alternate"))));
    wag_instance *caller = interp_of(
        "(module (type $wide (func (param i64 v128 i32 v128) (result v128 i32 v128)))"
        "  (import \"m\" \"swap\" (func $swap (type $wide)))"
        "  (import \"m\" \"inside\" (func $inside (param i32) (result i32)))"
        "  (func (export \"through\") (type $wide)"
        "    (f32.const 1) (call $swap (local.get 0) (local.get 1) (local.get 2) (local.get 3))"
        "    (local.set 1) (local.set 2) (local.set 3) (drop) (local.get 3) (local.get 2) (local.get 1))"
        "  (func (export \"in_place\") (type $wide)"
        "    (return_call $swap (local.get 0) (local.get 1) (local.get 2) (local.get 3)))"
        "  (func (export \"scalar\") (param i32) (result i32) (i32.add (call $inside (local.get 0)) (i32.const 1)))"
        "  (func (export \"scalar_in_place\") (param i32) (result i32) (return_call $inside (local.get 0))))",
        imports);
    wag_imports_unref(imports);
    static const char *const names[] = {"through", "in_place"};
    for (size_t i = 0; i < 2; i++) {
        wag_val args[] = {WAG_VAL_I64(0), vector(0x21), WAG_VAL_I32(-5), vector(0x43)}, results[3];
        call(caller, names[i], args, 4, results, 3);
        assert_vector(&results[0], 0x43);
        assert_int_equal(results[1].of.i32, -5);
        assert_vector(&results[2], 0x21);
    }
    assert_int_equal(narrow(caller, "scalar", 4), 681);
    assert_int_equal(narrow(caller, "scalar_in_place", 4), 680);
    wag_instance_unref(caller);
    wag_instance_unref(callee);
}

/* ---- globals and constant expressions ---- */

static void test_globals_hold_vectors_also_across_instances(void **state)
{
    (void)state;
    wag_instance *owner =
        interp_of("(module (global (export \"c\") v128 (v128.const i8x16 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15))"
                  "  (global (export \"m\") (mut v128) (v128.const i64x2 0 0)))",
                  NULL);
    wag_imports *imports = wag_imports_new();
    static const char *const names[] = {"c", "m"};
    for (size_t i = 0; i < 2; i++)
        ASSERT_OK(wag_imports_set(imports, "o", names[i], wag_exports_get(wag_instance_exports(owner), names[i])));
    wag_instance *user =
        interp_of("(module (import \"o\" \"c\" (global $c v128)) (import \"o\" \"m\" (global $m (mut v128)))"
                  "  (global $copy v128 (global.get $c))"
                  "  (func (export \"copy\") (result v128) (global.get $copy))"
                  "  (func (export \"exchange\") (param v128) (result v128)"
                  "    (global.get $m) (global.set $m (local.get 0))))",
                  imports);
    wag_imports_unref(imports);
    wag_val arg = vector(0x70), result;
    call(user, "copy", NULL, 0, &result, 1);
    assert_vector(&result, 0);
    call(user, "exchange", &arg, 1, &result, 1);
    arg = vector(0x30);
    call(user, "exchange", &arg, 1, &result, 1);
    assert_vector(&result, 0x70);
    /* The host sees neither (js-api.md, G-04). */
    wag_global *global = wag_exports_global(wag_instance_exports(owner), "m");
    ASSERT_ERR(wag_global_get(global, &result), WAG_TYPE);
    ASSERT_ERR(wag_global_set(global, arg), WAG_TYPE);
    wag_instance_unref(user);
    wag_instance_unref(owner);
}

/* ---- the heap ---- */

/* In text:
 *   (type 0 $s (struct (field (mut i32)) (field (mut v128)) (field (mut i64)) (field v128)))
 *   (type 1 $a (array (mut v128)))
 *   (data "\00 ... \3F")   64 bytes that count up
 *   struct (v128 v128 i32) -> (v128 i64)   $s of the arguments and 7; set field 1 to the second one; field 1, field 2
 *   fixed (v128 v128 i32) -> (v128)        an $a of both; its element
 *   fill (v128 v128 i32) -> (v128)         4 of the first, 2 of the second put at 1; its element
 *   copy (v128 v128 i32) -> (v128)         $a of 3 defaults, [0] = first, [2] = second, copied to another at 1 (of 4)
 *   data (i32) -> (v128)                   array.new_data of 3 from byte 1, array.init_data of 1 at 2 from byte 40
 *   make (v128 i32) -> (v128)              as many objects with it, each of which is compared with it: the last one
 *   const () -> (v128)                     field 3 of a global that a constant expression has made
 */
static build heap_module(void)
{
    static const char *const names[] = {"struct", "fixed", "fill", "copy", "data", "make", "const"};
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, 1,
                "\x07"
                "\x5F\x04\x7F\x01\x7B\x01\x7E\x01\x7B\x00" /* 0 */
                "\x5E\x7B\x01"                             /* 1 */
                "\x60\x03\x7B\x7B\x7F\x02\x7B\x7E"         /* 2 (v128 v128 i32) -> (v128 i64) */
                "\x60\x03\x7B\x7B\x7F\x01\x7B"             /* 3 (v128 v128 i32) -> (v128) */
                "\x60\x01\x7F\x01\x7B"                     /* 4 (i32) -> (v128) */
                "\x60\x02\x7B\x7F\x01\x7B"                 /* 5 (v128 i32) -> (v128) */
                "\x60\x00\x01\x7B");                       /* 6 () -> (v128) */
    BUILD_WHOLE(&b, 3, "\x07\x02\x03\x03\x03\x04\x05\x06");
    /* (global (ref $s) (struct.new $s (i32.const 1) (v128.const 16 times 9) (i64.const 2) (v128.const 16 times 8))) */
    BUILD_WHOLE(&b, 6,
                "\x01\x64\x00\x00\x41\x01\xFD\x0C\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09"
                "\x42\x02\xFD\x0C\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08\xFB\x00\x00\x0B");
    size_t exports = build_section(&b, 7);
    build_leb(&b, sizeof names / sizeof *names);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        build_name(&b, names[i]);
        build_u8(&b, 0);
        build_u8(&b, i);
    }
    build_end(&b, exports);
    BUILD_WHOLE(&b, 12, "\x01");
    static const struct {
        const char *bytes;
        size_t size;
    } bodies[] = {
#define BODY(literal) {literal, sizeof(literal) - 1}
        BODY("\x01\x01\x63\x00"
             "\x20\x02\x20\x00\x42\x07\x20\x01\xFB\x00\x00\x22\x03\x20\x01\xFB\x05\x00\x01"
             "\x20\x03\xFB\x02\x00\x01\x20\x03\xFB\x02\x00\x02\x0B"),
        BODY("\x00\x20\x00\x20\x01\xFB\x08\x01\x02\x20\x02\xFB\x0B\x01\x0B"),
        BODY("\x01\x01\x63\x01"
             "\x20\x00\x41\x04\xFB\x06\x01\x22\x03\x41\x01\x20\x01\x41\x02\xFB\x10\x01"
             "\x20\x03\x20\x02\xFB\x0B\x01\x0B"),
        BODY("\x01\x02\x63\x01"
             "\x41\x03\xFB\x07\x01\x21\x03\x41\x04\xFB\x07\x01\x21\x04"
             "\x20\x03\x41\x00\x20\x00\xFB\x0E\x01\x20\x03\x41\x02\x20\x01\xFB\x0E\x01"
             "\x20\x04\x41\x01\x20\x03\x41\x00\x41\x03\xFB\x11\x01\x01"
             "\x20\x04\x20\x02\xFB\x0B\x01\x0B"),
        BODY("\x01\x01\x63\x01"
             "\x41\x01\x41\x03\xFB\x09\x01\x00\x22\x01\x41\x02\x41\x28\x41\x01\xFB\x12\x01\x00"
             "\x20\x01\x20\x00\xFB\x0B\x01\x0B"),
        BODY("\x01\x01\x63\x00"
             "\x03\x40\x41\x05\x20\x00\x42\x03\x20\x00\xFB\x00\x00\x22\x02\xFB\x02\x00\x01"
             "\x20\x02\xFB\x02\x00\x03\xFD\x51\xFD\x53\x04\x40\x00\x0B"
             "\x20\x01\x41\x01\x6B\x22\x01\x0D\x00\x0B\x20\x02\xFB\x02\x00\x01\x0B"),
        BODY("\x00\x23\x00\xFB\x02\x00\x03\x0B"),
#undef BODY
    };
    size_t code = build_section(&b, 10);
    build_leb(&b, sizeof bodies / sizeof *bodies);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        build_leb(&b, bodies[i].size);
        build_raw(&b, bodies[i].bytes, bodies[i].size);
    }
    build_end(&b, code);
    size_t data = build_section(&b, 11);
    build_raw(&b, "\x01\x01\x40", 3);
    for (unsigned i = 0; i < 64; i++)
        build_u8(&b, i);
    build_end(&b, data);
    return b;
}

static void assert_zero(const wag_val *got)
{
    static const uint8_t zeros[16];
    assert_int_equal(got->kind, WAG_V128);
    assert_memory_equal(got->of.v128, zeros, 16);
}

static void check_heap(const wag_instance *instance)
{
    wag_val args[] = {vector(0x10), vector(0x80), WAG_VAL_I32(5)}, results[2], result;
    call(instance, "struct", args, 3, results, 2);
    assert_vector(&results[0], 0x80);
    assert_int_equal(results[1].of.i64, 7);
    for (int32_t i = 0; i < 2; i++) {
        result = pick(instance, "fixed", i);
        assert_vector(&result, i == 0 ? 0x10 : 0x80);
    }
    for (int32_t i = 0; i < 4; i++) {
        result = pick(instance, "fill", i);
        assert_vector(&result, i == 0 || i == 3 ? 0x10 : 0x80);
        result = pick(instance, "copy", i);
        if (i == 0 || i == 2)
            assert_zero(&result);
        else
            assert_vector(&result, i == 1 ? 0x10 : 0x80);
    }
    for (int32_t i = 0; i < 3; i++) {
        wag_val index = WAG_VAL_I32(i);
        call(instance, "data", &index, 1, &result, 1);
        assert_vector(&result, i == 2 ? 40 : 1 + 16 * (unsigned)i);
    }
    wag_val many[] = {vector(0x55), WAG_VAL_I32(3000)};
    call(instance, "make", many, 2, &result, 1);
    assert_vector(&result, 0x55);
    call(instance, "const", NULL, 0, &result, 1);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(result.of.v128[i], 8);
}

static void test_structures_and_arrays_hold_vectors(void **state)
{
    (void)state;
    build b = heap_module();
    wag_instance *instance = interp_of_bytes(build_bytes(&b), NULL, NULL);
    check_heap(instance);
    wagi_gc_stress(wag_agent_current(), true);
    check_heap(instance);
    wagi_gc_stress(wag_agent_current(), false);
    wag_error *error = NULL;
    wag_val args[] = {vector(0), vector(0), WAG_VAL_I32(2)}, result;
    ASSERT_ERR(wag_call(export_of(instance, "fixed"), args, 3, &result, 1, &error), WAG_ARRAY_BOUNDS);
    wag_error_unref(error);
    wag_instance_unref(instance);
    build_free(&b);
}

/* ---- exceptions ---- */

/* In text:
 *   (import "m" "host" (func $host))
 *   (tag 0 (export "tag") (param v128 i64 v128))
 *   throw (v128 i64 v128)                    throw it
 *   catch (v128 i64 v128) -> (v128 i64 v128) call throw below five other values; what it has thrown
 *   narrow (i32)                             throw it with two splats of the argument
 *   catch_host () -> (v128 i64 v128)         call $host inside of a try for the tag, below a function without vectors
 */
static build exceptions(void)
{
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, 1,
                "\x05"
                "\x60\x03\x7B\x7E\x7B\x00"             /* 0 */
                "\x60\x03\x7B\x7E\x7B\x03\x7B\x7E\x7B" /* 1 */
                "\x60\x01\x7F\x00"                     /* 2 */
                "\x60\x00\x00"                         /* 3 */
                "\x60\x00\x03\x7B\x7E\x7B");           /* 4 */
    BUILD_WHOLE(&b, 2, "\x01\x01m\x04host\x00\x03");
    BUILD_WHOLE(&b, 3, "\x05\x00\x01\x02\x04\x03");
    BUILD_WHOLE(&b, 13, "\x01\x00\x00");
    BUILD_WHOLE(&b, 7,
                "\x05\x05throw\x00\x01\x05"
                "catch\x00\x02\x06narrow\x00\x03\x0A"
                "catch_host\x00\x04\x03tag\x04\x00");
    static const struct {
        const char *bytes;
        size_t size;
    } bodies[] = {
#define BODY(literal) {literal, sizeof(literal) - 1}
        BODY("\x00\x20\x00\x20\x01\x20\x02\x08\x00\x0B"),
        /* block $h (type 4): i32 1, v128, try_table (catch 0 $h): f64, args, call throw; unreachable */
        BODY("\x00\x02\x04\x41\x01\x20\x00\x1F\x40\x01\x00\x00\x00\x41\x02\x20\x02\x20\x00\x20\x01\x20\x02\x10\x01\x00"
             "\x0B\x00\x0B\x0B"),
        BODY("\x00\x20\x00\xFD\x11\x42\x05\x20\x00\xFD\x11\x08\x00\x0B"),
        BODY("\x00\x02\x04\x1F\x40\x01\x00\x00\x00\x10\x05\x0B\x00\x0B\x0B"),
        BODY("\x00\x10\x00\x0B"),
#undef BODY
    };
    size_t code = build_section(&b, 10);
    build_leb(&b, sizeof bodies / sizeof *bodies);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        build_leb(&b, bodies[i].size);
        build_raw(&b, bodies[i].bytes, bodies[i].size);
    }
    build_end(&b, code);
    return b;
}

typedef struct thrower {
    wag_instance *instance;
    unsigned calls;
} thrower;

static wag_error *throw_from_host(void *context, const wag_val *args, wag_val *results)
{
    (void)args, (void)results;
    thrower *t = context;
    wag_tag *tag = wag_exports_get(wag_instance_exports(t->instance), "tag").of.tag;
    wag_val values[] = {vector(0xA0), WAG_VAL_I64(-9), vector(0xB0)};
    wag_exception *exception = NULL;
    if (wag_exception_new(tag, values, 3, &exception, NULL) != WAG_OK)
        return NULL;
    t->calls++;
    wag_error *error = wag_exception_error(exception);
    wag_exception_unref(exception);
    return error;
}

static void test_exceptions_carry_vectors(void **state)
{
    (void)state;
    build b = exceptions();
    thrower t = {0};
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "host", "() -> ()", throw_from_host, &t, NULL));
    wag_instance *instance = t.instance = interp_of_bytes(build_bytes(&b), NULL, imports);
    wag_imports_unref(imports);
    for (int stress = 0; stress < 2; stress++) {
        wagi_gc_stress(wag_agent_current(), stress);
        wag_val args[] = {vector(0x11), WAG_VAL_I64(0x123456789A), vector(0x66)}, results[3];
        call(instance, "catch", args, 3, results, 3);
        assert_vector(&results[0], 0x11);
        assert_int_equal(results[1].of.i64, 0x123456789A);
        assert_vector(&results[2], 0x66);
        call(instance, "catch_host", NULL, 0, results, 3);
        assert_vector(&results[0], 0xA0);
        assert_int_equal(results[1].of.i64, -9);
        assert_vector(&results[2], 0xB0);
    }
    wagi_gc_stress(wag_agent_current(), false);
    assert_int_equal(t.calls, 2);
    /* out to the host */
    wag_error *error = NULL;
    wag_val arg = WAG_VAL_I32(0x07070707), value;
    ASSERT_ERR(wag_call(export_of(instance, "narrow"), &arg, 1, NULL, 0, &error), WAG_UNCAUGHT_EXCEPTION);
    wag_exception *exception = wag_error_exception(error);
    assert_non_null(exception);
    ASSERT_OK(wag_exception_arg(exception, wag_exception_tag(exception), 2, &value));
    assert_int_equal(value.kind, WAG_V128);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(value.of.v128[i], 7);
    ASSERT_OK(wag_exception_arg(exception, wag_exception_tag(exception), 1, &value));
    assert_int_equal(value.of.i64, 5);
    wag_error_unref(error);
    wag_instance_unref(instance);
    build_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_move_through_locals_blocks_and_branches),
        cmocka_unit_test(test_scalars_keep_their_values_among_vectors),
        cmocka_unit_test(test_an_opcode_with_more_bytes_than_it_needs_runs),
        cmocka_unit_test(test_vectors_pass_through_every_kind_of_call),
        cmocka_unit_test(test_functions_with_and_without_vectors_call_each_other),
        cmocka_unit_test(test_a_trap_below_both_loops_has_all_its_frames),
        cmocka_unit_test(test_deep_recursion_with_vectors_ends_as_a_stack_overflow),
        cmocka_unit_test(test_vectors_pass_between_instances),
        cmocka_unit_test(test_globals_hold_vectors_also_across_instances),
        cmocka_unit_test(test_structures_and_arrays_hold_vectors),
        cmocka_unit_test(test_exceptions_carry_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

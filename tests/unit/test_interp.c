/* The interpreter: calls and frames, traps with their backtraces, tail calls, stack exhaustion, interrupts, branches,
 * calls between instances. What single ops compute is in test_interp_ops.c and in the official suite. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>

#include "tests/support/interp.h"

/* ---- help ---- */

/* Call an export of type (i32) -> (i32). */
static int32_t call_1(const wag_instance *instance, const char *name, int32_t argument)
{
    wag_val arg = WAG_VAL_I32(argument), result;
    wag_error *error = NULL;
    if (wag_call(export_of(instance, name), &arg, 1, &result, 1, &error) != WAG_OK)
        fail_msg("%s: %s", name, wag_error_message(error));
    return result.of.i32;
}

/* Call an export of type () -> () that must fail. own. */
static wag_error *call_fails(const wag_instance *instance, const char *name, wag_err wanted)
{
    wag_error *error = NULL;
    ASSERT_ERR(wag_call(export_of(instance, name), NULL, 0, NULL, 0, &error), wanted);
    assert_int_equal(wag_error_code(error), wanted);
    return error;
}

static wag_imports *imports_with(const char *field, const char *signature, wag_host_func func, void *context)
{
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", field, signature, func, context, NULL));
    return imports;
}

/* Where these bytes are in the instance's module; they must be there once. */
static size_t offset_of(const wag_instance *instance, const void *pattern, size_t size)
{
    wag_bytes bytes = wag_module_bytes(wag_instance_module(instance));
    const uint8_t *first = memmem(bytes.data, bytes.size, pattern, size);
    assert_non_null(first);
    assert_null(memmem(first + 1, bytes.size - (size_t)(first + 1 - bytes.data), pattern, size));
    return (size_t)(first - bytes.data);
}
#define OFFSET_OF(instance, ...)                                                                                       \
    offset_of(instance, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void assert_frame(const wag_error *error, size_t index, uint32_t func, size_t offset)
{
    wag_frame frame;
    assert_true(wag_error_frame(error, index, &frame));
    if (frame.func_index != func || frame.module_offset != offset)
        fail_msg("frame %zu: wanted function %u at 0x%zx, got function %u at 0x%zx", index, (unsigned)func, offset,
                 (unsigned)frame.func_index, frame.module_offset);
}

/* ---- calls ---- */

static void test_calls_pass_arguments_and_results_in_order(void **state)
{
    (void)state;
    wag_instance *instance =
        interp_of("(module"
                  "  (func $digits (param i32 i32 i32) (result i32)"
                  "    (i32.add (i32.mul (local.get 0) (i32.const 100))"
                  "      (i32.add (i32.mul (local.get 1) (i32.const 10)) (local.get 2))))"
                  "  (func $three (result i32 i32 i32) (i32.const 1) (i32.const 2) (i32.const 3))"
                  "  (func (export \"through\") (result i32) (call $three) (call $digits))"
                  "  (func (export \"below\") (result i32)"
                  "    (i32.const 7000) (call $three) (call $digits) (i32.add))"
                  "  (func $fib (export \"fib\") (param i32) (result i32)"
                  "    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))"
                  "      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))"
                  "        (call $fib (i32.sub (local.get 0) (i32.const 2)))))))"
                  "  (func $even (export \"even\") (param i32) (result i32)"
                  "    (if (result i32) (local.get 0)"
                  "      (then (call $odd (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 1))))"
                  "  (func $odd (param i32) (result i32)"
                  "    (if (result i32) (local.get 0)"
                  "      (then (call $even (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0)))))",
                  NULL);
    assert_int_equal(call_i32(instance, "through"), 123);
    assert_int_equal(call_i32(instance, "below"), 7123);
    assert_int_equal(call_1(instance, "fib", 20), 6765);
    assert_int_equal(call_1(instance, "even", 1000), 1);
    assert_int_equal(call_1(instance, "even", 1001), 0);
    wag_instance_unref(instance);
}

static void test_locals_begin_as_zero_in_every_activation(void **state)
{
    (void)state;
    /* dirty leaves ones where clean's locals will be. */
    wag_instance *instance = interp_of("(module"
                                       "  (func $dirty (local i64 i64 i64 i64)"
                                       "    (local.set 0 (i64.const -1)) (local.set 1 (i64.const -1))"
                                       "    (local.set 2 (i64.const -1)) (local.set 3 (i64.const -1)))"
                                       "  (func $clean (param i32) (result i64) (local i64 f64 i32)"
                                       "    (i64.or (local.get 1) (i64.or (i64.reinterpret_f64 (local.get 2))"
                                       "      (i64.extend_i32_u (local.get 3)))))"
                                       "  (func (export \"run\") (result i32)"
                                       "    (call $dirty) (i64.eqz (call $clean (i32.const -1)))))",
                                       NULL);
    assert_int_equal(call_i32(instance, "run"), 1);
    wag_instance_unref(instance);
}

static void test_more_results_than_locals_come_back_whole(void **state)
{
    (void)state;
    /* The results are copied over the callee's record. */
    wag_instance *instance = interp_of(
        "(module"
        "  (func $many (result i32 i32 i32 i32 i32 i32 i32 i32)"
        "    (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)"
        "    (i32.const 5) (i32.const 6) (i32.const 7) (i32.const 8))"
        "  (func $early (result i32 i32 i32 i32 i32 i32 i32 i32)"
        "    (i64.const 99) (call $many) (return))"
        "  (func (export \"run\") (result i32)"
        "    (call $early)"
        "    (i32.shl (i32.const 4)) (i32.add) (i32.shl (i32.const 4)) (i32.add) (i32.shl (i32.const 4)) (i32.add)"
        "    (i32.shl (i32.const 4)) (i32.add) (i32.shl (i32.const 4)) (i32.add) (i32.shl (i32.const 4)) (i32.add)"
        "    (i32.shl (i32.const 4)) (i32.add)))",
        NULL);
    assert_int_equal((uint32_t)call_i32(instance, "run"), 0x87654321u);
    wag_instance_unref(instance);
}

/* ---- branches ---- */

static void test_br_table_takes_each_label_and_its_values(void **state)
{
    (void)state;
    wag_instance *instance =
        interp_of("(module (func (export \"pick\") (param i32) (result i32)"
                  "  (block $default (result i32) (block $two (result i32) (block $one (result i32)"
                  "    (block $zero (result i32)"
                  "      (i64.const 5) (f64.const 6)" /* dropped by the branch */
                  "      (i32.const 40) (br_table $zero $one $two $zero $default (local.get 0)))"
                  "    (return (i32.add (i32.const 0))))"
                  "  (return (i32.add (i32.const 1))))"
                  " (return (i32.add (i32.const 2))))"
                  " (i32.add (i32.const 9))))",
                  NULL);
    static const int32_t wanted[] = {40, 41, 42, 40, 49, 49};
    for (int32_t i = 0; i < 6; i++)
        assert_int_equal(call_1(instance, "pick", i), wanted[i]);
    assert_int_equal(call_1(instance, "pick", -1), 49);
    wag_instance_unref(instance);
}

static void test_br_table_of_300_labels_finds_the_last(void **state)
{
    (void)state;
    static char text[8192];
    int at = snprintf(text, sizeof text,
                      "(module (func (export \"pick\") (param i32) (result i32)"
                      " (block $a (block $b (br_table");
    for (int i = 0; i < 299; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, " $a");
    snprintf(text + at, sizeof text - (size_t)at, " $b $a (local.get 0))) (return (i32.const 299))) (i32.const -1)))");
    wag_instance *instance = interp_of(text, NULL);
    assert_int_equal(call_1(instance, "pick", 298), -1);
    assert_int_equal(call_1(instance, "pick", 299), 299);
    assert_int_equal(call_1(instance, "pick", 300), -1);
    wag_instance_unref(instance);
}

static void test_blocks_take_and_give_several_values(void **state)
{
    (void)state;
    wag_instance *instance =
        interp_of("(module"
                  "  (func (export \"swap\") (param i32) (result i32)"
                  "    (i32.const 10) (local.get 0)"
                  "    (block (param i32 i32) (result i32 i32 i32)"
                  "      (i32.const 3) (br_if 0 (local.get 0)) (drop) (i32.const 4))"
                  "    (i32.mul) (i32.sub))"
                  "  (func (export \"power\") (param i32) (result i32)" /* 3 ** n: a loop that carries two values */
                  "    (i32.const 1) (local.get 0)"
                  "    (loop (param i32 i32) (result i32)"
                  "      (if (param i32) (result i32) (i32.eqz (local.tee 0))"
                  "        (then)"
                  "        (else (i32.mul (i32.const 3)) (i32.sub (local.get 0) (i32.const 1)) (br 1)))))"
                  "  (func (export \"drops\") (param i32) (result i32)"
                  "    (i32.const 1000)"
                  "    (block $out (result i32 i32)"
                  "      (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)"
                  "      (br_if $out (i32.eqz (local.get 0)))"
                  "      (br $out))"
                  "    (i32.mul) (i32.add)))",
                  NULL);
    assert_int_equal(call_1(instance, "swap", 0), 10 - 0 * 4);
    assert_int_equal(call_1(instance, "swap", 5), 10 - 5 * 3);
    assert_int_equal(call_1(instance, "power", 0), 1);
    assert_int_equal(call_1(instance, "power", 7), 2187);
    assert_int_equal(call_1(instance, "drops", 0), 1012);
    assert_int_equal(call_1(instance, "drops", 1), 1012);
    wag_instance_unref(instance);
}

/* ---- tail calls ---- */

enum { TAIL_CALLS = 10 * 1000 * 1000 };

static void test_ten_million_tail_calls_need_one_frame(void **state)
{
    (void)state;
    /* Two functions of different frame sizes in turns, directly and through a table. */
    wag_instance *instance =
        interp_of("(module (type $t (func (param i32 i32) (result i32)))"
                  "  (table funcref (elem $b))"
                  "  (func $a (export \"a\") (param i32 i32) (result i32) (local i64 i64 i64)"
                  "    (if (i32.eqz (local.get 0)) (then (return (local.get 1))))"
                  "    (return_call $b (i32.sub (local.get 0) (i32.const 1)) (i32.add (local.get 1) (i32.const 1))))"
                  "  (func $b (param i32 i32) (result i32)"
                  "    (if (i32.eqz (local.get 0)) (then (return (local.get 1))))"
                  "    (return_call $a (i32.sub (local.get 0) (i32.const 1)) (i32.add (local.get 1) (i32.const 1))))"
                  "  (func $c (export \"c\") (param i32 i32) (result i32)"
                  "    (if (i32.eqz (local.get 0)) (then (return (local.get 1))))"
                  "    (return_call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1))"
                  "      (i32.add (local.get 1) (i32.const 1)) (i32.const 0)))"
                  "  (func (export \"d\") (param i32 i32) (result i32)"
                  "    (return_call $c (local.get 0) (local.get 1))))",
                  NULL);
    static const char *const names[] = {"a", "c", "d"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int32_t count = i == 0 ? TAIL_CALLS : 100 * 1000;
        wag_val args[] = {WAG_VAL_I32(count), WAG_VAL_I32(0)}, result;
        ASSERT_OK(wag_call(export_of(instance, names[i]), args, 2, &result, 1, NULL));
        assert_int_equal(result.of.i32, count);
    }
    wag_instance_unref(instance);
}

/* (module (type (func (param i32) (result i32))) (elem declare func 0)
 *   (func (export "f") (type 0) (if (result i32) (local.get 0)
 *     (then (return_call_ref 0 (i32.sub (local.get 0) (i32.const 1)) (ref.func 0))) (else (i32.const 77))))) */
static const uint8_t tail_ref[] = {
    0,    'a', 's',  'm',  1,    0,  0,    0, 1,    6,    1, 0x60, 1, 0x7F, 1,    0x7F, /* type */
    3,    2,   1,    0,    7,    5,  1,    1, 'f',  0,    0, 9,    5, 1,    3,    0,    /* function, export, elem */
    1,    0,   10,   22,   1,    20, 0,                                                 /* code */
    0x20, 0,   0x04, 0x7F, 0x20, 0,  0x41, 1, 0x6B, 0xD2, 0, 0x15, 0, 0x05, 0x41, 0xCD, 0, 0x0B, 0x0B};

static void test_return_call_ref_needs_one_frame(void **state)
{
    (void)state;
    wag_instance *instance = interp_of_bytes((wag_bytes){tail_ref, sizeof tail_ref}, NULL, NULL);
    assert_int_equal(call_1(instance, "f", 1000 * 1000), 77);
    wag_instance_unref(instance);
}

static wag_error *host_add(void *context, const wag_val *args, wag_val *results)
{
    ++*(int *)context;
    results[0].of.i32 = args[0].of.i32 + args[1].of.i32;
    return NULL;
}

static void test_tail_calls_to_the_host_return_its_results(void **state)
{
    (void)state;
    int calls = 0;
    wag_imports *imports = imports_with("add", "(i32 i32) -> (i32)", host_add, &calls);
    wag_instance *instance =
        interp_of("(module (import \"m\" \"add\" (func $add (param i32 i32) (result i32)))"
                  "  (type $t (func (param i32 i32) (result i32))) (table funcref (elem $add))"
                  "  (func $direct (param i32) (result i32) (return_call $add (local.get 0) (i32.const 1)))"
                  "  (func $table (param i32) (result i32)"
                  "    (return_call_indirect (type $t) (local.get 0) (i32.const 2) (i32.const 0)))"
                  "  (func (export \"run\") (param i32) (result i32)"
                  "    (i32.mul (call $direct (local.get 0)) (call $table (local.get 0)))))",
                  imports);
    assert_int_equal(call_1(instance, "run", 4), 5 * 6);
    assert_int_equal(calls, 2);
    wag_instance_unref(instance);
    wag_imports_unref(imports);
}

/* ---- traps and backtraces ---- */

static void test_a_trap_names_functions_and_instructions_innermost_first(void **state)
{
    (void)state;
    /* call_indirect's type index is 16, the opcode of call: the way back from a return address must not stumble. */
    wag_instance *instance =
        interp_of("(module"
                  "  (type (func (param i64))) (type (func (param i64 i64))) (type (func (param i64 i64 i64)))"
                  "  (type (func (param f64))) (type (func (param f64 i64))) (type (func (param f64 f64)))"
                  "  (type (func (param f32))) (type (func (param f32 i64))) (type (func (param f32 f64)))"
                  "  (type (func (param i32))) (type (func (param i32 i64))) (type (func (param i32 f64)))"
                  "  (type (func (param i32 f32))) (type (func (param i32 i32))) (type (func (param f32 f32)))"
                  "  (type (func (param f32 i32))) (type $sixteen (func))"
                  "  (table funcref (elem $middle))"
                  "  (func $inner (type $sixteen) (drop (i32.div_u (i32.const 42) (i32.const 0))))"
                  "  (func $middle (type $sixteen) (nop) (call $inner))"
                  "  (func (export \"outer\") (type $sixteen) (nop) (nop)"
                  "    (call_indirect (type $sixteen) (i32.const 0))))",
                  NULL);
    wag_error *error = call_fails(instance, "outer", WAG_DIVIDE_BY_ZERO);
    assert_int_equal(wag_error_get_class(error), WAG_CLASS_RUNTIME_ERROR);
    assert_int_equal(wag_error_frame_count(error), 3);
    assert_frame(error, 0, 0, OFFSET_OF(instance, 0x41, 42, 0x41, 0, 0x6E) + 4);
    assert_frame(error, 1, 1, OFFSET_OF(instance, 0x01, 0x10, 0x00, 0x0B) + 1);
    assert_frame(error, 2, 2, OFFSET_OF(instance, 0x01, 0x01, 0x41, 0, 0x11, 16, 0) + 4);
    wag_error_unref(error);
    wag_instance_unref(instance);
}

static void test_frames_have_the_names_of_the_name_section(void **state)
{
    (void)state;
    /* wat2wasm writes names only on request; this name section is by hand: 0 "in", 1 "out". */
    static const uint8_t named[] = {0,   'a', 's', 'm',  1,    0, 0, 0,    1,   4,    1,   0x60, 0,   0,   3,
                                    3,   2,   0,   0,    7,    7, 1, 3,    'r', 'u',  'n', 0,    1,   10,  10,
                                    2,   3,   0,   0x00, 0x0B, 4, 0, 0x10, 0,   0x0B, 0,   17,   4,   'n', 'a',
                                    'm', 'e', 1,   10,   2,    0, 2, 'i',  'n', 1,    3,   'o',  'u', 't'};
    wag_instance *instance = interp_of_bytes((wag_bytes){named, sizeof named}, NULL, NULL);
    wag_error *error = call_fails(instance, "run", WAG_UNREACHABLE);
    wag_instance_unref(instance); /* the error keeps its own copies */
    wag_frame frame;
    assert_true(wag_error_frame(error, 0, &frame));
    assert_int_equal(frame.func_name.size, 2);
    assert_memory_equal(frame.func_name.data, "in", 2);
    assert_true(wag_error_frame(error, 1, &frame));
    assert_int_equal(frame.func_name.size, 3);
    assert_memory_equal(frame.func_name.data, "out", 3);
    assert_false(wag_error_frame(error, 2, &frame));
    wag_error_unref(error);
}

static void test_each_trap_has_its_code(void **state)
{
    (void)state;
    wag_instance *instance =
        interp_of("(module (type $v (func)) (type $i (func (result i32)))"
                  "  (memory 1) (table 4 funcref) (elem (i32.const 1) $typed)"
                  "  (func $typed (result i32) (i32.const 1))"
                  "  (func (export \"unreachable\") (unreachable))"
                  "  (func (export \"load\") (drop (i32.load (i32.const 65533))))"
                  "  (func (export \"load-far\") (drop (i64.load offset=4294967295 (i32.const -1))))"
                  "  (func (export \"store\") (i64.store offset=100 (i32.const 65429) (i64.const 0)))"
                  "  (func (export \"overflow\") (drop (i32.div_s (i32.const 0x80000000) (i32.const -1))))"
                  "  (func (export \"divide\") (drop (i64.rem_u (i64.const 1) (i64.const 0))))"
                  "  (func (export \"convert\") (drop (i32.trunc_f64_s (f64.const nan))))"
                  "  (func (export \"convert-big\") (drop (i64.trunc_f32_u (f32.const -1))))"
                  "  (func (export \"element\") (call_indirect (type $v) (i32.const 4)))"
                  "  (func (export \"null\") (call_indirect (type $v) (i32.const 0)))"
                  "  (func (export \"type\") (call_indirect (type $v) (i32.const 1)))"
                  "  (func (export \"table\") (drop (table.get 0 (i32.const 4))))"
                  "  (func (export \"fill\") (memory.fill (i32.const 65530) (i32.const 0) (i32.const 7)))"
                  "  (func (export \"fine\") (result i32) (i32.load (i32.const 65532))))",
                  NULL);
    static const struct {
        const char *name;
        wag_err code;
    } rows[] = {
        {"unreachable", WAG_UNREACHABLE},    {"load", WAG_MEMORY_BOUNDS},           {"load-far", WAG_MEMORY_BOUNDS},
        {"store", WAG_MEMORY_BOUNDS},        {"overflow", WAG_INTEGER_OVERFLOW},    {"divide", WAG_DIVIDE_BY_ZERO},
        {"convert", WAG_INVALID_CONVERSION}, {"convert-big", WAG_INTEGER_OVERFLOW}, {"element", WAG_UNDEFINED_ELEMENT},
        {"null", WAG_UNINITIALIZED_ELEMENT}, {"type", WAG_INDIRECT_CALL_TYPE},      {"table", WAG_TABLE_BOUNDS},
        {"fill", WAG_MEMORY_BOUNDS}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wag_error *error = call_fails(instance, rows[i].name, rows[i].code);
        assert_int_equal(wag_error_frame_count(error), 1);
        wag_error_unref(error);
        assert_int_equal(call_i32(instance, "fine"), 0);
    }
    wag_instance_unref(instance);
}

static const char *const endless = "(module (func $f (export \"run\") (param i32) (result i32)"
                                   "  (i32.add (call $f (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))"
                                   "  (func $t (export \"tail\") (result i32) (return_call $big))"
                                   "  (func $big (result i32) (local i64 i64) (i32.add (call $t) (i32.const 1)))"
                                   "  (func (export \"fine\") (param i32) (result i32) (local.get 0)))";

static void test_endless_recursion_is_an_error_and_the_instance_goes_on(void **state)
{
    (void)state;
    wag_instance *instance = interp_of(endless, NULL);
    for (int round = 0; round < 3; round++) {
        wag_val arg = WAG_VAL_I32(0), result;
        wag_error *error = NULL;
        ASSERT_ERR(wag_call(export_of(instance, "run"), &arg, 1, &result, 1, &error), WAG_STACK_OVERFLOW);
        /* Only the innermost frames are kept. */
        assert_int_equal(wag_error_frame_count(error),
                         wag_cluster_get_limit(wag_cluster_default(), WAG_LIMIT_backtrace_frames));
        for (size_t i = 0; i < wag_error_frame_count(error); i++)
            assert_frame(error, i, 0, OFFSET_OF(instance, 0x10, 0, 0x41, 1));
        wag_error_unref(error);
        ASSERT_ERR(wag_call(export_of(instance, "tail"), NULL, 0, &result, 1, NULL), WAG_STACK_OVERFLOW);
        assert_int_equal(call_1(instance, "fine", round), round);
    }
    wag_instance_unref(instance);
}

static void test_a_frame_larger_than_the_stack_is_an_error(void **state)
{
    (void)state;
    wag_cluster *cluster = NULL;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_interp_stack_bytes, 65536));
    ASSERT_OK(wag_agent_close());
    ASSERT_OK(wag_agent_open(cluster));
    /* (func (export "big") with 9000 locals), (func (export "run")) */
    static const uint8_t bytes[] = {0, 'a', 's', 'm', 1,  0, 0, 0,    1,    4,    1,    0x60, 0, 0,   3,   3,
                                    2, 0,   0,   7,   13, 2, 3, 'b',  'i',  'g',  0,    0,    3, 'r', 'u', 'n',
                                    0, 1,   10,  10,  2,  5, 1, 0xA8, 0x46, 0x7E, 0x0B, 2,    0, 0x0B};
    wag_instance *instance = interp_of_bytes((wag_bytes){bytes, sizeof bytes}, cluster, NULL);
    ASSERT_ERR(wag_call(export_of(instance, "big"), NULL, 0, NULL, 0, NULL), WAG_STACK_OVERFLOW);
    ASSERT_OK(wag_call(export_of(instance, "run"), NULL, 0, NULL, 0, NULL));
    wag_instance_unref(instance);
    ASSERT_OK(wag_agent_close());
    wag_cluster_unref(cluster);
}

/* ---- wasm -> host -> wasm ---- */

typedef struct reenter {
    wag_instance *instance;
    const char *name;
    wag_error *kept; /* a reference that the host keeps, or NULL */
    bool keep;
} reenter;

static wag_error *host_reenter(void *context, const wag_val *args, wag_val *results)
{
    (void)args;
    (void)results;
    reenter *r = context;
    wag_error *error = NULL;
    wag_call(export_of(r->instance, r->name), NULL, 0, NULL, 0, &error);
    if (r->keep)
        r->kept = wag_error_ref(error);
    return error;
}

static const char *const nested = "(module (import \"m\" \"f\" (func $host))"
                                  "  (func (export \"run\") (nop) (call $host))"
                                  "  (func (export \"trap\") (call $trap))"
                                  "  (func $trap (unreachable)))";

static void test_a_backtrace_goes_through_the_host(void **state)
{
    (void)state;
    reenter r = {.name = "trap"};
    wag_imports *imports = imports_with("f", "()", host_reenter, &r);
    r.instance = interp_of(nested, imports);
    wag_error *error = call_fails(r.instance, "run", WAG_UNREACHABLE);
    assert_int_equal(wag_error_frame_count(error), 3);
    assert_frame(error, 0, 3, OFFSET_OF(r.instance, 0, 0x00, 0x0B) + 1);
    assert_frame(error, 1, 2, OFFSET_OF(r.instance, 0x10, 3, 0x0B));
    assert_frame(error, 2, 1, OFFSET_OF(r.instance, 0x01, 0x10, 0, 0x0B) + 1);
    wag_error_unref(error);
    wag_instance_unref(r.instance);
    wag_imports_unref(imports);
}

static void test_an_error_that_the_host_keeps_is_the_same_object_and_unchanged(void **state)
{
    (void)state;
    reenter r = {.name = "trap", .keep = true};
    wag_imports *imports = imports_with("f", "()", host_reenter, &r);
    r.instance = interp_of(nested, imports);
    wag_error *error = call_fails(r.instance, "run", WAG_UNREACHABLE);
    assert_ptr_equal(error, r.kept);
    assert_int_equal(wag_error_frame_count(error), 2);
    wag_error_unref(error);
    wag_error_unref(r.kept);
    wag_instance_unref(r.instance);
    wag_imports_unref(imports);
}

static void test_endless_recursion_through_the_host_is_an_error(void **state)
{
    (void)state;
    reenter r = {.name = "run"};
    wag_imports *imports = imports_with("f", "()", host_reenter, &r);
    r.instance = interp_of(nested, imports);
    wag_error_unref(call_fails(r.instance, "run", WAG_STACK_OVERFLOW));
    r.name = "trap";
    wag_error_unref(call_fails(r.instance, "run", WAG_UNREACHABLE));
    wag_instance_unref(r.instance);
    wag_imports_unref(imports);
}

static wag_error *host_grow(void *context, const wag_val *args, wag_val *results)
{
    (void)args;
    (void)results;
    assert_non_null(context);
    wag_memory *memory = wag_exports_memory(wag_instance_exports(*(wag_instance **)context), "memory");
    return wag_memory_grow(memory, 1, NULL, NULL) == WAG_OK ? NULL : wag_error_new(WAG_CLASS_ERROR, "no memory");
}

static void test_a_memory_that_grew_is_seen_at_once(void **state)
{
    (void)state;
    wag_instance *instance = NULL;
    wag_imports *imports = imports_with("grow", "()", host_grow, &instance);
    instance = interp_of("(module (import \"m\" \"grow\" (func $grow)) (memory (export \"memory\") 1 4)"
                         "  (func $store (param i32 i32) (i32.store (local.get 0) (local.get 1)))"
                         "  (func (export \"run\") (result i32)"
                         "    (call $store (i32.const 0) (i32.const 1))"
                         "    (call $grow) (i32.store (i32.const 65536) (i32.const 20))"
                         "    (drop (memory.grow (i32.const 1))) (call $store (i32.const 131072) (i32.const 300))"
                         "    (i32.add (i32.load (i32.const 131072))"
                         "      (i32.add (i32.load (i32.const 65536)) (i32.load (i32.const 0)))))"
                         "  (func (export \"full\") (result i32)"
                         "    (i32.sub (memory.grow (i32.const 2)) (memory.grow (i32.const 1)))))",
                         imports);
    assert_int_equal(call_i32(instance, "run"), 321);
    assert_int_equal(call_i32(instance, "full"), -1 - 3);
    wag_instance_unref(instance);
    wag_imports_unref(imports);
}

/* ---- between instances ---- */

static const char *const keeper = "(module (memory (export \"memory\") 1) (global $g (mut i32) (i32.const 5))"
                                  "  (func (export \"put\") (param i32) (result i32)"
                                  "    (i32.store (i32.const 0) (local.get 0))"
                                  "    (global.set $g (i32.add (global.get $g) (i32.const 1))) (global.get $g))"
                                  "  (func (export \"trap\") (nop) (nop) (nop) (unreachable)))";
static const char *const user = "(module (import \"m\" \"put\" (func $put (param i32) (result i32)))"
                                "  (import \"m\" \"trap\" (func $trap)) (memory 1)"
                                "  (func (export \"run\") (param i32) (result i32)"
                                "    (i32.store (i32.const 0) (i32.const 70))"
                                "    (i32.add (call $put (local.get 0)) (i32.load (i32.const 0))))"
                                "  (func (export \"tail\") (param i32) (result i32) (return_call $put (local.get 0)))"
                                "  (func (export \"again\") (param i32) (result i32)"
                                "    (i32.add (call $tail2 (local.get 0)) (i32.load (i32.const 0))))"
                                "  (func $tail2 (param i32) (result i32) (return_call $put (local.get 0)))"
                                "  (func (export \"trap\") (call $trap)))";

static void test_a_callee_of_another_instance_has_its_own_memory_and_globals(void **state)
{
    (void)state;
    wag_instance *first = interp_of(keeper, NULL);
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_namespace(imports, "m", WAG_INSTANCE(first)));
    wag_instance *second = interp_of(user, imports);
    wag_memory *memory = wag_exports_memory(wag_instance_exports(first), "memory");
    assert_int_equal(call_1(second, "run", 11), 6 + 70);
    assert_int_equal(wag_memory_data(memory)[0], 11);
    assert_int_equal(call_1(second, "tail", 12), 7);
    assert_int_equal(wag_memory_data(memory)[0], 12);
    assert_int_equal(call_1(second, "again", 13), 8 + 70);
    assert_int_equal(wag_memory_data(memory)[0], 13);
    wag_error *error = call_fails(second, "trap", WAG_UNREACHABLE);
    assert_int_equal(wag_error_frame_count(error), 2);
    assert_frame(error, 0, 1, OFFSET_OF(first, 0x01, 0x01, 0x01, 0x00) + 3);
    assert_frame(error, 1, 6, OFFSET_OF(second, 0x10, 1, 0x0B));
    wag_error_unref(error);
    assert_int_equal(call_1(second, "run", 14), 9 + 70);
    wag_instance_unref(second);
    wag_instance_unref(first);
    wag_imports_unref(imports);
}

typedef struct dropper {
    wag_table *table;
    wag_instance *victim;
    size_t live_after;
} dropper;

/* While the victim's function runs, nothing but its frame refers to the victim any more. */
static wag_error *host_drop(void *context, const wag_val *args, wag_val *results)
{
    (void)args;
    (void)results;
    dropper *d = context;
    if (d->victim) {
        wag_table_set(d->table, 0, WAG_VAL_FUNC(NULL));
        wag_instance_unref(d->victim);
        d->victim = NULL;
        wag_agent_collect();
        d->live_after = wag_agent_live_objects();
    }
    return NULL;
}

static void test_an_instance_lives_as_long_as_its_function_runs(void **state)
{
    (void)state;
    static const char *const calls[] = {"run", "tail", "tail-tail"};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        size_t live = wag_agent_live_objects();
        dropper d = {0};
        wag_imports *imports = imports_with("drop", "()", host_drop, &d);
        d.victim = interp_of("(module (import \"m\" \"drop\" (func $drop)) (memory 1)"
                             "  (data (i32.const 8) \"\\2a\")"
                             "  (func (export \"f\") (result i32) (call $drop) (i32.load8_u (i32.const 8))))",
                             imports);
        wag_instance *instance =
            interp_of("(module (type $t (func (result i32))) (table (export \"table\") 1 funcref)"
                      "  (func (export \"run\") (result i32) (call_indirect (type $t) (i32.const 0)))"
                      "  (func $tail (export \"tail\") (result i32) (return_call_indirect (type $t) (i32.const 0)))"
                      "  (func (export \"tail-tail\") (result i32) (i32.add (call $tail) (i32.const 0))))",
                      NULL);
        d.table = wag_exports_table(wag_instance_exports(instance), "table");
        ASSERT_OK(wag_table_set(d.table, 0, WAG_VAL_FUNC(export_of(d.victim, "f"))));
        assert_int_equal(call_i32(instance, calls[i]), 42);
        wag_instance_unref(instance);
        wag_imports_unref(imports);
        wag_agent_collect();
        assert_int_equal(wag_agent_live_objects(), live);
    }
}

/* ---- interrupts ---- */

typedef struct stopper {
    wag_agent *agent;
    atomic_bool running; /* set by the host function that the guest calls first */
} stopper;

static wag_error *host_running(void *context, const wag_val *args, wag_val *results)
{
    (void)args;
    (void)results;
    atomic_store(&((stopper *)context)->running, true);
    return NULL;
}

static void *stop_when_it_runs(void *context)
{
    stopper *s = context;
    while (!atomic_load(&s->running))
        sched_yield();
    wag_agent_interrupt(s->agent);
    return NULL;
}

static void test_another_thread_stops_loops_recursion_and_tail_calls(void **state)
{
    (void)state;
    stopper s = {.agent = wag_agent_current()};
    wag_imports *imports = imports_with("running", "()", host_running, &s);
    wag_instance *instance = interp_of("(module (import \"m\" \"running\" (func $running))"
                                       "  (func (export \"loop\") (call $running) (loop (br 0)))"
                                       "  (func (export \"loop-if\") (call $running) (loop (br_if 0 (i32.const 1))))"
                                       "  (func (export \"values\") (call $running)"
                                       "    (i32.const 1) (loop (param i32) (result i32) (br 0)) (drop))"
                                       "  (func (export \"table\") (call $running) (loop (br_table 0 0 (i32.const 1))))"
                                       "  (func (export \"tail\") (call $running) (return_call $tail))"
                                       "  (func $tail (return_call $tail))"
                                       "  (func (export \"calls\") (call $running) (call $calls (i32.const 40)))"
                                       "  (func $calls (param i32)" /* 2 ** 40 calls without a loop */
                                       "    (if (local.get 0) (then (call $calls (i32.sub (local.get 0) (i32.const 1)))"
                                       "      (call $calls (i32.sub (local.get 0) (i32.const 1))))))"
                                       "  (func (export \"fine\") (param i32) (result i32) (local.get 0)))",
                                       imports);
    static const char *const names[] = {"loop", "loop-if", "values", "table", "tail", "calls"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        atomic_store(&s.running, false);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, stop_when_it_runs, &s), 0);
        wag_error *error = NULL;
        wag_err err = wag_call(export_of(instance, names[i]), NULL, 0, NULL, 0, &error);
        pthread_join(thread, NULL);
        if (err != WAG_INTERRUPTED)
            fail_msg("%s: got %s", names[i], wag_err_name(err));
        assert_true(wag_error_frame_count(error) > 0);
        wag_error_unref(error);
        assert_int_equal(call_1(instance, "fine", 3), 3);
    }
    wag_instance_unref(instance);
    wag_imports_unref(imports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_pass_arguments_and_results_in_order),
        cmocka_unit_test(test_locals_begin_as_zero_in_every_activation),
        cmocka_unit_test(test_more_results_than_locals_come_back_whole),
        cmocka_unit_test(test_br_table_takes_each_label_and_its_values),
        cmocka_unit_test(test_br_table_of_300_labels_finds_the_last),
        cmocka_unit_test(test_blocks_take_and_give_several_values),
        cmocka_unit_test(test_ten_million_tail_calls_need_one_frame),
        cmocka_unit_test(test_return_call_ref_needs_one_frame),
        cmocka_unit_test(test_tail_calls_to_the_host_return_its_results),
        cmocka_unit_test(test_a_trap_names_functions_and_instructions_innermost_first),
        cmocka_unit_test(test_frames_have_the_names_of_the_name_section),
        cmocka_unit_test(test_each_trap_has_its_code),
        cmocka_unit_test(test_endless_recursion_is_an_error_and_the_instance_goes_on),
        cmocka_unit_test(test_a_frame_larger_than_the_stack_is_an_error),
        cmocka_unit_test(test_a_backtrace_goes_through_the_host),
        cmocka_unit_test(test_an_error_that_the_host_keeps_is_the_same_object_and_unchanged),
        cmocka_unit_test(test_endless_recursion_through_the_host_is_an_error),
        cmocka_unit_test(test_a_memory_that_grew_is_seen_at_once),
        cmocka_unit_test(test_a_callee_of_another_instance_has_its_own_memory_and_globals),
        cmocka_unit_test(test_an_instance_lives_as_long_as_its_function_runs),
        cmocka_unit_test(test_another_thread_stops_loops_recursion_and_tail_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

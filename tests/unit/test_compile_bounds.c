/* The compiler on generated worst cases: linear memory and time in the size of a body, and no failure. Each module is
 * compiled in a child process, whose peak memory and processor time the kernel counts. */
#define _GNU_SOURCE /* wait4 */
#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/compile.h"
#include "exec/native.h"
#include "tests/support/bytes.h"
#include "tests/support/sanitized.h"
#include "waggle.h"

/* What the compiler may take: a fixed part, which holds liveness' sets and tables of positions, and a part for each
 * byte of the body. Time is a plain upper bound against quadratic behaviour; the usual is a tenth of it. */
enum { FIXED_MIB = 64, AT_CAP_MIB = 320, BYTES_PER_BYTE = 64, SECONDS = 12 };

/* ---- modules: type 0 is [] -> [], 1 [i32] -> [i32], 2 [i32] -> [WIDE i32]; function 0 has type 1 ---- */

enum { WIDE = 1000, CHILD_FAILED = 1, CHILD_INTERP = 2 };

static void begin(build *b, uint32_t locals, size_t *ret_section, size_t *ret_body)
{
    build_preamble(b);
    size_t types = build_section(b, 1);
    build_raw(b, "\3\x60\0\0\x60\1\x7F\1\x7F\x60\0", 11);
    build_leb(b, WIDE);
    build_fill(b, 0x7F, WIDE);
    build_end(b, types);
    BUILD_WHOLE(b, 3, "\1\1");
    BUILD_WHOLE(b, 4, "\1\x70\0\1");
    BUILD_WHOLE(b, 5, "\1\0\1");
    BUILD_WHOLE(b, 7, "\1\1f\0\0");
    *ret_section = build_section(b, 10);
    build_u8(b, 1);
    *ret_body = build_begin(b);
    build_u8(b, 1);
    build_leb(b, locals);
    build_u8(b, 0x7F);
}

static void end(build *b, size_t section, size_t body)
{
    build_u8(b, 0x0B);
    build_end(b, body);
    build_end(b, section);
}

static void get(build *b, uint32_t local)
{
    build_u8(b, 0x20);
    build_leb(b, local);
}

static void set(build *b, uint32_t local)
{
    build_u8(b, 0x21);
    build_leb(b, local);
}

static void number(build *b, uint32_t value) /* i32.const, small */
{
    build_u8(b, 0x41);
    build_leb(b, value & 63);
}

/* local to = local x + local y */
static void sum(build *b, uint32_t to, uint32_t x, uint32_t y)
{
    get(b, x);
    get(b, y);
    build_u8(b, 0x6A);
    set(b, to);
}

static void many_locals(build *b)
{
    enum { LOCALS = 49999 };
    for (uint32_t i = 1; i < LOCALS; i++)
        sum(b, i + 1, i, i / 2);
    for (uint32_t i = LOCALS; i > 1; i--)
        sum(b, i - 1, i, i / 3);
    get(b, 1);
}

static void nested_blocks(build *b)
{
    enum { DEPTH = 340000 };
    for (int i = 0; i < DEPTH; i++)
        build_raw(b, "\x02\x40", 2);
    get(b, 0);
    build_u8(b, 0x0D);
    build_leb(b, DEPTH - 1);
    build_fill(b, 0x0B, DEPTH);
    get(b, 0);
}

static void nested_ifs(build *b)
{
    enum { DEPTH = 120000 };
    for (int i = 0; i < DEPTH; i++)
        build_raw(b, "\x20\0\x04\x40", 4);
    for (int i = 0; i < DEPTH; i++)
        build_raw(b, "\x05\x01\x0B", 3);
    get(b, 0);
}

static void nested_loops(build *b)
{
    enum { DEPTH = 60000 };
    for (uint32_t i = 0; i < DEPTH; i++) {
        build_raw(b, "\x03\x40", 2);
        sum(b, i % 1999 + 1, i % 1997 + 1, i % 1993 + 1);
    }
    for (int i = 0; i < DEPTH; i++)
        build_raw(b, "\x20\0\x0D\0\x0B", 5);
    get(b, 1);
}

static void giant_table(build *b)
{
    enum { DEPTH = 1000, ENTRIES = 3000000 };
    for (int i = 0; i < DEPTH; i++)
        build_raw(b, "\x02\x40", 2);
    get(b, 0);
    build_u8(b, 0x0E);
    build_leb(b, ENTRIES);
    for (uint32_t i = 0; i <= ENTRIES; i++)
        build_leb(b, i % DEPTH);
    for (uint32_t i = 0; i < DEPTH; i++) {
        build_u8(b, 0x0B);
        sum(b, 1, 1, 0);
    }
    get(b, 1);
}

/* Each table of 1000 labels, all of which carry a value. */
static void tables_with_values(build *b)
{
    enum { DEPTH = 1000, TABLES = 300 };
    for (int i = 0; i < DEPTH; i++)
        build_raw(b, "\x02\x7F", 2);
    for (int t = 0; t < TABLES; t++) {
        build_raw(b, "\x02\x40\x20\0\x0D\0", 6); /* block, br_if around */
        get(b, 0);
        get(b, 0);
        build_u8(b, 0x0E);
        build_leb(b, DEPTH - 1);
        for (uint32_t i = 1; i <= DEPTH; i++)
            build_leb(b, i);
        build_u8(b, 0x0B);
    }
    get(b, 0);
    build_fill(b, 0x0B, DEPTH);
}

static void many_calls(build *b)
{
    enum { CALLS = 100000 };
    get(b, 0);
    for (uint32_t i = 0; i < CALLS; i++) {
        build_raw(b, "\x10\0", 2);
        set(b, i % 40 + 1);
        get(b, (i + 7) % 40 + 1);
    }
}

static void many_indirect_calls(build *b)
{
    enum { CALLS = 100000 };
    get(b, 0);
    for (uint32_t i = 0; i < CALLS; i++) {
        get(b, i % 40 + 1);
        build_raw(b, "\x11\1\0", 3);
    }
}

static void one_block(build *b)
{
    while (b->size < 7000000)
        sum(b, (uint32_t)(b->size % 97) + 1, (uint32_t)(b->size % 89) + 1, (uint32_t)(b->size % 83) + 1);
    get(b, 1);
}

static void accesses_of_memory(build *b)
{
    while (b->size < 7000000) {
        get(b, (uint32_t)(b->size % 61));
        build_raw(b, "\x28\2\4", 3);
        set(b, (uint32_t)(b->size % 53) + 1);
    }
    get(b, 1);
}

static void live_locals_times_blocks(build *b)
{
    enum { LOCALS = 2000, BLOCKS = 20000 };
    for (uint32_t i = 1; i <= LOCALS; i++) {
        number(b, i);
        set(b, i);
    }
    for (uint32_t i = 0; i < BLOCKS; i++) {
        build_raw(b, "\x02\x40\x20\0\x0D\0", 6);
        sum(b, i % LOCALS + 1, i * 7 % LOCALS + 1, i * 13 % LOCALS + 1);
        build_u8(b, 0x0B);
    }
    get(b, 0);
    for (uint32_t i = 1; i <= LOCALS; i++) {
        get(b, i);
        build_u8(b, 0x6A);
    }
}

static void live_locals_times_loops(build *b)
{
    enum { LOCALS = 2000, LOOPS = 20000 };
    for (uint32_t i = 0; i < LOOPS; i++) {
        build_raw(b, "\x03\x40", 2);
        sum(b, i % LOCALS + 1, i * 7 % LOCALS + 1, i * 13 % LOCALS + 1);
        build_raw(b, "\x20\0\x0D\0\x0B", 5);
    }
    get(b, 0);
    for (uint32_t i = 1; i <= LOCALS; i++) {
        get(b, i);
        build_u8(b, 0x6A);
    }
}

static void deep_operand_stack(build *b)
{
    enum { VALUES = 900000 };
    for (uint32_t i = 0; i < VALUES; i++)
        get(b, i % 50);
    build_raw(b, "\x41\1\x21\0", 4); /* local 0 is pushed 18000 times */
    build_fill(b, 0x6A, VALUES - 1);
}

static void constants(build *b)
{
    get(b, 0);
    while (b->size < 4000000) { /* f64 constants, all different */
        build_raw(b, "\xB7\x44", 2);
        uint64_t bits = 0x4000000000000000u + b->size;
        build_raw(b, &bits, 8);
        build_raw(b, "\xA0\xAA", 2);
    }
}

/* Loops with parameters, each of which is branched back to with the parameters swapped. */
static void loop_parameters(build *b)
{
    enum { LOOPS = 100000 };
    get(b, 0);
    for (int i = 0; i < LOOPS; i++)
        build_raw(b, "\x03\1\x20\0\x6A\x20\0\x0D\0\x0B", 10);
}

static void branches_out(build *b)
{
    enum { DEPTH = 500, BRANCHES = 500000 };
    for (int i = 0; i < DEPTH; i++)
        build_raw(b, "\x02\x40", 2);
    for (uint32_t i = 0; i < BRANCHES; i++) {
        get(b, i % 40);
        build_u8(b, 0x0D);
        build_leb(b, i % DEPTH);
    }
    build_fill(b, 0x0B, DEPTH);
    get(b, 0);
}

/* 4 bytes of wasm are 1000 moves: the caps are met, and the interpreter takes the module. */
static void moves_without_end(build *b)
{
    build_raw(b, "\x02\2", 2);
    for (int i = 0; i < WIDE; i++)
        get(b, 0);
    for (int i = 0; i < 20000; i++)
        build_raw(b, "\x20\0\x0D\0", 4);
    build_u8(b, 0x0B);
    for (int i = 1; i < WIDE; i++)
        build_u8(b, 0x6A);
}

/* ---- measuring ---- */

static int compile_as(const build *b, wag_tier tier)
{
    wag_module *module = NULL;
    wag_error *error = NULL;
    wag_compile_options options = {.tier = tier};
    if (wag_module_new(build_bytes(b), &options, &module, &error) != WAG_OK) {
        fprintf(stderr, "%s\n", wag_error_message(error));
        return CHILD_FAILED;
    }
    return wag_module_tier(module) == WAG_TIER_INTERP ? CHILD_INTERP : 0;
}

static int compile_by_default(const build *b)
{
    return compile_as(b, WAG_TIER_DEFAULT);
}

static int compile_checked(const build *b)
{
    return compile_as(b, WAG_TIER_NATIVE_CHECKED);
}

/* With the verifier and the allocation checker. */
static int compile_checking(const build *b)
{
    wagi_compiler_test.check = true; /* in this process only */
    return compile_as(b, WAG_TIER_NATIVE);
}

/* Peak resident size in KiB. */
static long peak(int (*run)(const build *), const build *b, int *ret_status, double *ret_seconds)
{
    struct rusage usage;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(run(b));
    assert_true(child > 0);
    assert_int_equal(wait4(child, ret_status, 0, &usage), child);
    *ret_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    return usage.ru_maxrss;
}

static int do_nothing(const build *b)
{
    (void)b;
    return 0;
}

static void measure(const char *name, int (*compile)(const build *), const build *b, bool to_interp)
{
    int status;
    double seconds;
    long before = peak(do_nothing, b, &status, &seconds);
    long used = peak(compile, b, &status, &seconds) - before;
    long limit = to_interp ? AT_CAP_MIB * 1024L : FIXED_MIB * 1024L + (long)(b->size * BYTES_PER_BYTE / 1024);
    print_message("%s: %zu KiB of wasm, %ld MiB (%ld bytes a byte), %.2f s\n", name, b->size / 1024, used / 1024,
                  (long)((double)used * 1024 / (double)b->size), seconds);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), to_interp ? CHILD_INTERP : 0);
    if (!SANITIZED)
        assert_in_range(used, 0, limit);
    assert_true(seconds < (SANITIZED ? 10 * SECONDS : SECONDS));
}

static void check_case(const char *name, void (*fill)(build *), uint32_t locals, bool to_interp)
{
    build b = {0};
    size_t section, body;
    if (!wagi_native_available())
        skip();
    begin(&b, locals, &section, &body);
    fill(&b);
    end(&b, section, body);
    measure(name, compile_by_default, &b, to_interp);
    if (!to_interp)
        measure("  checked", compile_checked, &b, false);
    build_free(&b);
}

#define BOUND(name, fill, locals)                                                                                      \
    static void test_##name(void **state)                                                                              \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        check_case(#fill, fill, locals, false);                                                                        \
    }

BOUND(fifty_thousand_locals_compile, many_locals, 49999)
BOUND(a_megabyte_of_nested_blocks_compiles, nested_blocks, 1)
BOUND(nested_ifs_compile, nested_ifs, 1)
BOUND(nested_loops_compile, nested_loops, 2000)
BOUND(a_giant_br_table_compiles, giant_table, 1)
BOUND(many_br_tables_that_carry_values_compile, tables_with_values, 1)
BOUND(a_hundred_thousand_calls_compile, many_calls, 41)
BOUND(a_hundred_thousand_indirect_calls_compile, many_indirect_calls, 41)
BOUND(one_block_of_7_mb_compiles, one_block, 100)
BOUND(7_mb_of_loads_compile, accesses_of_memory, 60)
BOUND(2000_live_locals_and_20000_blocks_compile, live_locals_times_blocks, 2000)
BOUND(2000_live_locals_and_20000_loops_compile, live_locals_times_loops, 2000)
BOUND(a_deep_operand_stack_compiles, deep_operand_stack, 60)
BOUND(loops_with_parameters_compile, loop_parameters, 1)
BOUND(half_a_million_branches_compile, branches_out, 40)
BOUND(constants_compile, constants, 1)

static void test_moves_without_end_are_left_to_the_interpreter(void **state)
{
    (void)state;
    check_case("moves_without_end", moves_without_end, 1, true);
}

/* 50,000 locals are as many slots, and a hundred thousand writes. */
static void test_the_allocation_checker_takes_seconds_on_a_huge_frame(void **state)
{
    (void)state;
    int status;
    double seconds;
    build b = {0};
    size_t section, body;
    if (!wagi_native_available())
        skip();
    begin(&b, 49999, &section, &body);
    many_locals(&b);
    end(&b, section, body);
    peak(compile_checking, &b, &status, &seconds);
    print_message("many_locals with the checker: %.2f s\n", seconds);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(seconds < (SANITIZED ? 30 : 3));
    build_free(&b);
}

static void some_of_everything(build *b)
{
    for (int i = 0; i < 200; i++)
        build_raw(b, "\x03\x40\x20\0\x10\0\x21\1\x20\1\x0D\0\x0B", 13);
    build_raw(b, "\x02\x40\x02\x40\x20\0\x0E\1\0\1\x0B\x0B", 12);
    for (uint32_t i = 0; i < 30; i++)
        get(b, i);
    build_raw(b, "\x20\0\x10\0\x20\0\x11\1\0\x6A", 10);
    build_fill(b, 0x6A, 29);
}

static void test_memory_refused_while_compiling_is_out_of_memory_and_not_too_large(void **state)
{
    (void)state;
    build b = {0};
    size_t section, body;
    wag_cluster *cluster = NULL;
    wag_cluster_options one_thread = {.compile_threads = 1};
    wag_module *module = NULL;
    wag_err err = WAG_NOMEM;
    if (!wagi_native_available())
        skip();
    begin(&b, 40, &section, &body);
    some_of_everything(&b);
    end(&b, section, body);
    ASSERT_OK(wag_cluster_new(&one_thread, &cluster));
    wag_compile_options options = {.tier = WAG_TIER_NATIVE, .cluster = cluster};
    int refused = 0;
    for (uint64_t successes = 0; err != WAG_OK; successes++) {
        wag_error *error = NULL;
        wagi_alloc_fail_after(successes);
        err = wag_module_new(build_bytes(&b), &options, &module, &error);
        wagi_alloc_fail_after(UINT64_MAX);
        if (err != WAG_OK && err != WAG_NOMEM)
            fail_msg("%s", wag_error_message(error));
        refused += err != WAG_OK;
        wag_error_unref(error);
    }
    assert_true(refused > 40); /* far into the compiler: decoding takes a dozen */
    wag_module_unref(module);
    wag_cluster_unref(cluster);
    build_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fifty_thousand_locals_compile),
        cmocka_unit_test(test_a_megabyte_of_nested_blocks_compiles),
        cmocka_unit_test(test_nested_ifs_compile),
        cmocka_unit_test(test_nested_loops_compile),
        cmocka_unit_test(test_a_giant_br_table_compiles),
        cmocka_unit_test(test_many_br_tables_that_carry_values_compile),
        cmocka_unit_test(test_a_hundred_thousand_calls_compile),
        cmocka_unit_test(test_a_hundred_thousand_indirect_calls_compile),
        cmocka_unit_test(test_one_block_of_7_mb_compiles),
        cmocka_unit_test(test_7_mb_of_loads_compile),
        cmocka_unit_test(test_2000_live_locals_and_20000_blocks_compile),
        cmocka_unit_test(test_2000_live_locals_and_20000_loops_compile),
        cmocka_unit_test(test_a_deep_operand_stack_compiles),
        cmocka_unit_test(test_loops_with_parameters_compile),
        cmocka_unit_test(test_half_a_million_branches_compile),
        cmocka_unit_test(test_constants_compile),
        cmocka_unit_test(test_moves_without_end_are_left_to_the_interpreter),
        cmocka_unit_test(test_the_allocation_checker_takes_seconds_on_a_huge_frame),
        cmocka_unit_test(test_memory_refused_while_compiling_is_out_of_memory_and_not_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

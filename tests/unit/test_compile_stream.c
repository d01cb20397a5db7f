/* Modules that are compiled while their bytes arrive: whatever the pieces, the same module or the same error. */
#include "tests/support/check.h"

#include "base/alloc.h"
#include "base/os.h"
#include "binary/stream.h"
#include "exec/native.h"
#include "runtime/compile_pool.h"
#include "tests/support/big.h"
#include "tests/support/streamed.h"

static void assert_same(wag_bytes bytes, wag_cluster *cluster, wag_tier tier, size_t step)
{
    const char *difference = streamed_difference(bytes, cluster, tier, step);
    if (difference)
        fail_msg("%zu bytes in pieces of %zu: %s differs", bytes.size, step, difference);
}

static wag_cluster *cluster_with(uint32_t threads)
{
    wag_cluster *cluster;
    ASSERT_OK(wag_cluster_new(&(wag_cluster_options){.compile_threads = threads}, &cluster));
    return cluster;
}

static void test_any_pieces_give_the_module_of_the_whole(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 2, 7, 100, 4096, 65536, SIZE_MAX / 2};
    static const wag_tier tiers[] = {WAG_TIER_DEFAULT, WAG_TIER_INTERP, WAG_TIER_NATIVE_CHECKED};
    build b = big_module(120, 10, BIG_FINE);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        for (size_t k = 0; k < sizeof tiers / sizeof *tiers; k++)
            assert_same(build_bytes(&b), wag_cluster_default(), tiers[k], steps[i]);
    build_free(&b);
}

static void test_several_threads_change_nothing(void **state)
{
    (void)state;
    wag_cluster *cluster = cluster_with(4);
    build b = big_module(500, 30, BIG_FINE);
    assert_same(build_bytes(&b), cluster, WAG_TIER_DEFAULT, 200000);
    assert_same(build_bytes(&b), cluster, WAG_TIER_DEFAULT, 10000);
    build_free(&b);
    wag_cluster_unref(cluster);
}

static void test_what_is_wrong_is_the_same_at_the_same_place(void **state)
{
    (void)state;
    static const big_flaws flaws[] = {{5, 30, UINT32_MAX}, {30, 31, 10}, {10, 20, 15}, {UINT32_MAX, UINT32_MAX, 39}};
    for (size_t i = 0; i < sizeof flaws / sizeof *flaws; i++) {
        build b = big_module(40, 4, flaws[i]);
        assert_same(build_bytes(&b), wag_cluster_default(), WAG_TIER_DEFAULT, 1);
        assert_same(build_bytes(&b), wag_cluster_default(), WAG_TIER_DEFAULT, 300);
        build_free(&b);
    }
}

static void test_a_module_that_is_cut_off_anywhere_fails_as_the_whole_does(void **state)
{
    (void)state;
    build fine = big_module(4, 2, BIG_FINE), flawed = big_module(4, 2, (big_flaws){1, 1, UINT32_MAX});
    for (size_t size = 0; size <= fine.size; size++) {
        assert_same((wag_bytes){fine.data, size}, wag_cluster_default(), WAG_TIER_INTERP, 1);
        assert_same((wag_bytes){flawed.data, size}, wag_cluster_default(), WAG_TIER_INTERP, 1);
    }
    build_free(&fine);
    build_free(&flawed);
}

/* Each byte in turn is changed: most of it is malformed, in every section. */
static void test_damaged_modules_fail_as_the_whole_does(void **state)
{
    (void)state;
    wag_bytes module = wat("(module (type (func (param i32) (result i32))) (import \"m\" \"g\" (global i32))"
                           " (memory 1) (table 2 funcref) (global (mut i32) (i32.const 1)) (export \"f\" (func $f))"
                           " (elem (i32.const 0) $f) (func $f (type 0) (local i64) (i32.add (local.get 0) (call $h)))"
                           " (func $h (result i32) (i32.load (i32.const 4))) (start $s) (func $s)"
                           " (data (i32.const 0) \"abc\"))");
    uint8_t *bytes = malloc(module.size);
    assert_non_null(bytes);
    static const uint8_t values[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};
    for (size_t at = 0; at < module.size; at++)
        for (size_t i = 0; i < sizeof values; i++) {
            memcpy(bytes, module.data, module.size);
            bytes[at] = values[i];
            assert_same((wag_bytes){bytes, module.size}, wag_cluster_default(), WAG_TIER_DEFAULT, 1);
        }
    free(bytes);
    wat_free(module);
}

/* Callers come before the small callees that are inlined into them, and those before theirs. */
static void test_code_does_not_depend_on_when_callees_come(void **state)
{
    (void)state;
    wag_bytes module = wat("(module (export \"f\" (func $a))"
                           " (func $a (param i32) (result i32) (call $z (call $b (local.get 0))))"
                           " (func $b (param i32) (result i32) (call $c (i32.add (local.get 0) (i32.const 1))))"
                           " (func $c (param i32) (result i32) (call $d (i32.mul (local.get 0) (i32.const 3))))"
                           " (func $d (param i32) (result i32) (call $e (i32.add (local.get 0) (i32.const 5))))"
                           " (func $e (param i32) (result i32) (call $y (i32.xor (local.get 0) (i32.const 7))))"
                           " (func $y (param i32) (result i32) (i32.sub (local.get 0) (i32.const 9)))"
                           " (func $z (param i32) (result i32) (i32.add (local.get 0) (i32.const 11))))");
    for (size_t step = 1; step < 40; step++)
        assert_same(module, wag_cluster_default(), WAG_TIER_DEFAULT, step);
    wat_free(module);
}

static void test_bodies_are_valid_before_the_section_ends(void **state)
{
    (void)state;
    wag_cluster *cluster = wag_cluster_default();
    build b = big_module(50, 4, BIG_FINE);
    wagi_decoder *decoder = wagi_decoder_new(b.data, b.size, NULL, cluster->registry, &cluster->limits, NULL);
    uint32_t bodies = 0, most = 0;
    for (size_t size = 0; size < b.size; size++) {
        ASSERT_OK(wagi_decoder_feed(decoder, size));
        if (wagi_decoder_code(decoder, &bodies)) {
            assert_in_range(bodies, most, most + 1); /* one body more at most, each when its last byte is there */
            most = bodies;
        }
    }
    assert_int_equal(most, 49);
    wagi_decoder_free(decoder);
    build_free(&b);
}

static void test_memory_is_taken_for_bytes_that_are_there(void **state)
{
    (void)state;
    wag_cluster *cluster = wag_cluster_default();
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, 1, "\x01\x60\x00\x00");
    BUILD_WHOLE(&b, 3, "\x02\x00\x00");
    build_u8(&b, 10); /* half a gigabyte of code, its first body nearly all of it */
    build_leb(&b, 512u << 20);
    build_u8(&b, 2);
    build_leb(&b, 7000000);
    wagi_growing growing;
    wagi_growing_init(&growing, (size_t)cluster->limits.module_bytes);
    assert_true(wagi_growing_append(&growing, b.data, b.size));
    wagi_decoder *decoder =
        wagi_decoder_new(growing.base, growing.mapped, NULL, cluster->registry, &cluster->limits, NULL);
    ASSERT_OK(wagi_decoder_feed(decoder, growing.size));
    uint32_t bodies;
    const wag_module *module = wagi_decoder_code(decoder, &bodies);
    assert_non_null(module);
    assert_true(growing.usable <= 64 << 10);
    assert_true(wagi_arena_size(&module->arena) <= 64 << 10);
    wagi_decoder_free(decoder);
    wagi_growing_fini(&growing);
    build_free(&b);
}

static void test_bytes_that_move_are_compiled_when_all_are_there(void **state)
{
    (void)state;
    build b = big_module(300, 20, BIG_FINE);
    wagi_growing growing;
    wagi_os_fail_once(0); /* no address space to spare */
    wagi_growing_init(&growing, 1 << 30);
    assert_false(growing.fixed);
    for (size_t at = 0; at < b.size; at += 1000)
        assert_true(wagi_growing_append(&growing, b.data + at, b.size - at < 1000 ? b.size - at : 1000));
    assert_true(growing.mapped < 2 * b.size + (128 << 10));
    wagi_compile_stream *stream = wagi_compile_stream_new(&growing, wag_cluster_default(), WAG_TIER_DEFAULT);
    wag_module *module = NULL;
    ASSERT_OK(wagi_compile_stream_end(stream, &growing, &module, NULL));
    assert_int_equal(wag_module_bytes(module).size, b.size);
    assert_memory_equal(wag_module_bytes(module).data, b.data, b.size);
    wag_module_unref(module);
    wagi_compile_stream_free(stream);
    wagi_growing_fini(&growing);
    build_free(&b);
}

static void test_no_more_bytes_than_the_limit_are_kept(void **state)
{
    (void)state;
    wagi_growing growing;
    uint8_t bytes[100] = {1};
    wagi_growing_init(&growing, 150);
    assert_true(wagi_growing_append(&growing, bytes, 100));
    assert_false(wagi_growing_append(&growing, bytes, 51));
    assert_int_equal(growing.size, 100);
    assert_true(wagi_growing_append(&growing, bytes, 50));
    wagi_growing_fini(&growing);
}

static void test_a_stream_that_is_dropped_half_way_leaves_nothing(void **state)
{
    (void)state;
    wag_cluster *cluster = wag_cluster_default();
    build b = big_module(40, 4, BIG_FINE);
    size_t live = wag_live_modules();
    for (size_t size = 0; size < b.size; size += 97) {
        wagi_growing growing;
        wagi_growing_init(&growing, 1 << 30);
        assert_true(wagi_growing_append(&growing, b.data, size));
        wagi_compile_stream *stream = wagi_compile_stream_new(&growing, cluster, WAG_TIER_DEFAULT);
        ASSERT_OK(wagi_compile_stream_feed(stream, size));
        wagi_compile_stream_free(stream);
        wagi_growing_fini(&growing);
    }
    assert_int_equal(wag_live_modules(), live);
    build_free(&b);
}

static void test_without_memory_it_fails_and_leaves_nothing(void **state)
{
    (void)state;
    build b = big_module(12, 3, BIG_FINE);
    size_t live = wag_live_modules();
    bool done = false;
    for (uint64_t successes = 0; !done; successes++) {
        wag_module *module = NULL;
        wagi_growing growing;
        wagi_growing_init(&growing, 1 << 30);
        assert_true(wagi_growing_append(&growing, b.data, b.size));
        wag_err err = WAG_NOMEM;
        wagi_alloc_fail_after(successes);
        wagi_compile_stream *stream = wagi_compile_stream_new(&growing, wag_cluster_default(), WAG_TIER_DEFAULT);
        for (size_t size = 0; stream && size < b.size; size += 100)
            if (wagi_compile_stream_feed(stream, size) != WAG_OK)
                break;
        if (stream)
            err = wagi_compile_stream_end(stream, &growing, &module, NULL);
        wagi_alloc_fail_after(UINT64_MAX);
        wagi_compile_stream_free(stream);
        wagi_growing_fini(&growing);
        if (err != WAG_OK)
            ASSERT_ERR(err, WAG_NOMEM);
        done = err == WAG_OK;
        wag_module_unref(module);
        assert_int_equal(wag_live_modules(), live);
    }
    build_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_pieces_give_the_module_of_the_whole),
        cmocka_unit_test(test_several_threads_change_nothing),
        cmocka_unit_test(test_what_is_wrong_is_the_same_at_the_same_place),
        cmocka_unit_test(test_a_module_that_is_cut_off_anywhere_fails_as_the_whole_does),
        cmocka_unit_test(test_damaged_modules_fail_as_the_whole_does),
        cmocka_unit_test(test_code_does_not_depend_on_when_callees_come),
        cmocka_unit_test(test_bodies_are_valid_before_the_section_ends),
        cmocka_unit_test(test_memory_is_taken_for_bytes_that_are_there),
        cmocka_unit_test(test_bytes_that_move_are_compiled_when_all_are_there),
        cmocka_unit_test(test_no_more_bytes_than_the_limit_are_kept),
        cmocka_unit_test(test_a_stream_that_is_dropped_half_way_leaves_nothing),
        cmocka_unit_test(test_without_memory_it_fails_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

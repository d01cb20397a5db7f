/* Linear memories: sizes, growth across the heap/mapping border, bulk operations at the bounds. */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "tests/support/check.h"
#include "tests/support/sanitized.h"

#include "base/alloc.h"
#include "base/os.h"
#include "runtime/pool.h"
#include "runtime/store.h"

enum { PAGE = 65536 };

static wag_memory *memory_of(uint64_t initial, uint64_t maximum)
{
    wag_memory *memory = NULL;
    ASSERT_OK(wag_memory_new(initial, maximum, &memory, NULL));
    return memory;
}

static void test_a_memory_begins_zeroed_with_its_initial_size(void **state)
{
    (void)state;
    for (uint64_t pages = 0; pages <= 4; pages++) {
        wag_memory *memory = memory_of(pages, UINT64_MAX);
        assert_int_equal(wag_memory_pages(memory), pages);
        assert_int_equal(wag_memory_size(memory), pages * PAGE);
        assert_non_null(wag_memory_data(memory));
        for (size_t i = 0; i < wag_memory_size(memory); i++)
            if (wag_memory_data(memory)[i])
                fail_msg("byte %zu of %d pages", i, (int)pages);
        memset(wag_memory_data(memory), 0xA5, wag_memory_size(memory)); /* for whoever gets the block next */
        wag_memory_unref(memory);
    }
    assert_int_equal(wag_agent_live_objects(), 0);
}

static void test_growth_keeps_the_bytes_and_adds_zeros(void **state)
{
    (void)state;
    wag_memory *memory = memory_of(0, 40);
    uint64_t old = 99;
    for (uint64_t pages = 0; pages < 40; pages++) {
        ASSERT_OK(wag_memory_grow(memory, 1, &old, NULL));
        assert_int_equal(old, pages);
        uint8_t *bytes = wag_memory_data(memory);
        for (uint64_t page = 0; page < pages; page++)
            assert_int_equal(bytes[page * PAGE + page], page + 1);
        for (size_t i = 0; i < PAGE; i++)
            assert_int_equal(bytes[pages * PAGE + i], 0);
        bytes[pages * PAGE + pages] = (uint8_t)(pages + 1);
    }
    ASSERT_OK(wag_memory_grow(memory, 0, &old, NULL));
    assert_int_equal(old, 40);
    wag_error *error = NULL;
    ASSERT_ERR(wag_memory_grow(memory, 1, &old, &error), WAG_RANGE);
    assert_class(error, WAG_CLASS_RANGE_ERROR);
    assert_int_equal(wag_memory_pages(memory), 40);
    ASSERT_ERR(wag_memory_grow(memory, UINT64_MAX, &old, NULL), WAG_RANGE);
    wag_memory_unref(memory);
}

static void test_growth_stops_at_the_limit_of_the_index_type(void **state)
{
    (void)state;
    wag_memory *memory = memory_of(1, UINT64_MAX);
    ASSERT_ERR(wag_memory_grow(memory, 65536, NULL, NULL), WAG_RANGE);
    assert_int_equal(wag_memory_pages(memory), 1);
    wag_memory_unref(memory);
}

static void test_growth_without_memory_changes_nothing(void **state)
{
    (void)state;
    wag_memory *memory = memory_of(1, UINT64_MAX);
    wag_memory_data(memory)[5] = 7;
    wagi_os_fail_once(0);
    uint64_t got = wagi_memory_grow(memory, 1);
    wagi_os_fail_once(UINT64_MAX);
    assert_true(got == UINT64_MAX);
    assert_int_equal(wag_memory_pages(memory), 1);
    assert_int_equal(wag_memory_data(memory)[5], 7);
    wag_memory_unref(memory);
}

static void test_impossible_sizes_are_range_errors(void **state)
{
    (void)state;
    static const uint64_t rows[][2] = {{2, 1}, {65537, UINT64_MAX}, {0, 65537}, {UINT64_MAX, UINT64_MAX}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wag_memory *memory = NULL;
        wag_error *error = NULL;
        ASSERT_ERR(wag_memory_new(rows[i][0], rows[i][1], &memory, &error), WAG_RANGE);
        assert_null(memory);
        assert_class(error, WAG_CLASS_RANGE_ERROR);
    }
    wag_memory *whole = memory_of(0, 65536);
    wag_memory_unref(whole);
}

/* A type as a module could declare it. */
static wag_err open_type(wagi_memory_type type, wag_memory **ret_memory, wag_error **reterr_error)
{
    return wagi_memory_new(wag_agent_current(), type, ret_memory, reterr_error);
}

static void test_a_64_bit_memory_has_a_run_time_limit(void **state)
{
    (void)state;
    wagi_memory_type type = {.limits = {.minimum = 262145, .maximum = UINT64_MAX, .is_64 = true}, .page_size_log2 = 16};
    wag_memory *memory = NULL;
    wag_error *error = NULL;
    ASSERT_ERR(open_type(type, &memory, &error), WAG_RANGE);
    assert_non_null(strstr(wag_error_message(error), "could not allocate"));
    assert_class(error, WAG_CLASS_RANGE_ERROR);
    type.limits.minimum = UINT64_MAX >> 16; /* the declared limit is near this */
    ASSERT_ERR(open_type(type, &memory, NULL), WAG_RANGE);
    type.limits.minimum = 1;
    ASSERT_OK(open_type(type, &memory, NULL));
    assert_true(wagi_memory_grow(memory, 262144) == UINT64_MAX);
    assert_true(wagi_memory_grow(memory, UINT64_MAX) == UINT64_MAX);
    assert_true(wagi_memory_grow(memory, UINT64_MAX - 1) == UINT64_MAX);
    assert_int_equal(wagi_memory_grow(memory, 2), 1);
    wag_memory_unref(memory);
    assert_int_equal(wag_agent_live_objects(), 0);
}

static void test_pages_of_one_byte_are_honoured(void **state)
{
    (void)state;
    wagi_memory_type type = {.limits = {.minimum = 10, .maximum = UINT64_MAX}, .page_size_log2 = 0};
    wag_memory *memory = NULL;
    ASSERT_OK(open_type(type, &memory, NULL));
    assert_int_equal(memory->size, 10);
    assert_int_equal(memory->pages, 10);
    assert_true(memory->max_pages == UINT32_MAX); /* memory.size must be able to say it */
    memory->base[9] = 3;
    assert_int_equal(wagi_memory_grow(memory, 3 * PAGE), 10);
    assert_int_equal(memory->size, 3 * PAGE + 10);
    assert_int_equal(memory->base[9], 3);
    assert_int_equal(memory->base[3 * PAGE + 9], 0);
    ASSERT_ERR(wagi_memory_fill(memory, 3 * PAGE + 10, 1, 1), WAG_MEMORY_BOUNDS);
    ASSERT_OK(wagi_memory_fill(memory, 3 * PAGE + 9, 1, 1));
    wag_memory_unref(memory);
}

static void test_bulk_operations_check_bounds_before_they_write(void **state)
{
    (void)state;
    wag_memory *memory = memory_of(1, UINT64_MAX), *other = memory_of(1, UINT64_MAX), *empty = memory_of(0, 0);
    static const uint8_t source[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    wagi_data_instance data = {source, 8};
    uint8_t *bytes = wag_memory_data(memory);
    ASSERT_OK(wagi_memory_init(memory, PAGE - 8, &data, 0, 8));
    assert_int_equal(bytes[PAGE - 1], 8);
    ASSERT_ERR(wagi_memory_init(memory, PAGE - 7, &data, 0, 8), WAG_MEMORY_BOUNDS);
    ASSERT_ERR(wagi_memory_init(memory, 0, &data, 1, 8), WAG_MEMORY_BOUNDS);
    ASSERT_ERR(wagi_memory_init(memory, 0, &data, UINT64_MAX, 2), WAG_MEMORY_BOUNDS);
    assert_int_equal(bytes[0], 0);
    ASSERT_OK(wagi_memory_init(memory, PAGE, &data, 8, 0));
    ASSERT_ERR(wagi_memory_init(memory, PAGE + 1, &data, 8, 0), WAG_MEMORY_BOUNDS);
    wagi_data_drop(&data);
    ASSERT_OK(wagi_memory_init(memory, 0, &data, 0, 0));
    ASSERT_ERR(wagi_memory_init(memory, 0, &data, 0, 1), WAG_MEMORY_BOUNDS);

    ASSERT_OK(wagi_memory_copy(memory, PAGE - 9, memory, PAGE - 8, 8)); /* overlapping */
    assert_memory_equal(bytes + PAGE - 9, source, 8);
    ASSERT_OK(wagi_memory_copy(other, 4, memory, PAGE - 9, 8));
    assert_memory_equal(wag_memory_data(other) + 4, source, 8);
    ASSERT_ERR(wagi_memory_copy(other, PAGE - 7, memory, 0, 8), WAG_MEMORY_BOUNDS);
    ASSERT_ERR(wagi_memory_copy(other, 0, memory, PAGE - 7, 8), WAG_MEMORY_BOUNDS);
    ASSERT_ERR(wagi_memory_copy(other, UINT64_MAX, memory, 0, 2), WAG_MEMORY_BOUNDS);
    ASSERT_OK(wagi_memory_copy(empty, 0, memory, PAGE, 0));
    ASSERT_ERR(wagi_memory_copy(empty, 0, memory, 0, 1), WAG_MEMORY_BOUNDS);

    ASSERT_ERR(wagi_memory_fill(memory, PAGE - 3, 0xFF, 4), WAG_MEMORY_BOUNDS);
    assert_int_not_equal(bytes[PAGE - 3], 0xFF);
    ASSERT_OK(wagi_memory_fill(memory, PAGE - 4, 0xFF, 4));
    assert_int_equal(bytes[PAGE - 4], 0xFF);
    ASSERT_OK(wagi_memory_fill(empty, 0, 1, 0));
    ASSERT_ERR(wagi_memory_fill(empty, 1, 1, 0), WAG_MEMORY_BOUNDS);
    wag_memory_unref(memory);
    wag_memory_unref(other);
    wag_memory_unref(empty);
}

static void test_the_host_reads_and_writes_inside_only(void **state)
{
    (void)state;
    wag_memory *memory = memory_of(1, UINT64_MAX);
    char text[4] = "abc", back[4] = "";
    ASSERT_OK(wag_memory_write(memory, PAGE - 4, text, 4));
    ASSERT_OK(wag_memory_read(memory, PAGE - 4, back, 4));
    assert_string_equal(back, "abc");
    ASSERT_ERR(wag_memory_write(memory, PAGE - 3, text, 4), WAG_RANGE);
    ASSERT_ERR(wag_memory_read(memory, UINT64_MAX, back, 4), WAG_RANGE);
    ASSERT_OK(wag_memory_read(memory, PAGE, NULL, 0));
    ASSERT_ERR(wag_memory_read(NULL, 0, back, 1), WAG_TYPE);
    wag_memory_unref(memory);
}

static void test_wasm_and_host_see_each_others_growth(void **state)
{
    (void)state;
    wag_instance *instance = instance_of("(module (memory (export \"m\") 1 5)"
                                         " (func (export \"grow\") (result i32) (memory.grow (i32.const 2)))"
                                         " (func (export \"size\") (result i32) memory.size)"
                                         " (func (export \"last\") (result i32) (i32.load8_u (i32.sub (i32.mul"
                                         "  (memory.size) (i32.const 65536)) (i32.const 1)))))",
                                         NULL);
    wag_memory *memory = wag_exports_memory(wag_instance_exports(instance), "m");
    assert_int_equal(call_i32(instance, "grow"), 1);
    assert_int_equal(wag_memory_pages(memory), 3);
    ASSERT_OK(wag_memory_grow(memory, 1, NULL, NULL));
    assert_int_equal(call_i32(instance, "size"), 4);
    wag_memory_data(memory)[wag_memory_size(memory) - 1] = 77;
    assert_int_equal(call_i32(instance, "last"), 77);
    assert_int_equal(call_i32(instance, "grow"), -1);
    assert_int_equal(wag_memory_pages(memory), 4);
    wag_instance_unref(instance);
}

static void test_making_one_without_memory_fails_cleanly(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 6; n++) {
        wag_memory *memory = NULL;
        wagi_pools_trim(wag_agent_current());
        wagi_alloc_fail_after(n);
        wag_err err = wag_memory_new(1, UINT64_MAX, &memory, NULL);
        wagi_alloc_fail_after(UINT64_MAX);
        assert_int_equal(err == WAG_OK, memory != NULL);
        wag_memory_unref(memory);
        assert_int_equal(wag_agent_live_objects(), 0);
    }
    wagi_pools_trim(wag_agent_current());
    wagi_os_fail_once(0);
    ASSERT_ERR(wag_memory_new(1, UINT64_MAX, NULL, NULL), WAG_RANGE);
    wagi_os_fail_once(UINT64_MAX);
    assert_int_equal(wag_agent_live_objects(), 0);
}

/* ---- address ranges that are used again ---- */

static const char *const scribbler =
    "(module (memory (export \"memory\") %u 8)"
    " (func (export \"f\") (param i32) (result i32)"
    "  (drop (memory.grow (local.get 0)))"
    "  (memory.fill (i32.const 0) (i32.const 170) (i32.shl (memory.size) (i32.const 16)))"
    "  (memory.size)))";

static bool is_zero(const wag_memory *memory)
{
    const uint8_t *data = wag_memory_data(memory);
    size_t size = wag_memory_size(memory);
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

static void test_no_byte_of_an_instance_reaches_the_next(void **state)
{
    (void)state;
    wag_module *modules[3];
    for (unsigned i = 0; i < 3; i++) {
        char text[512];
        snprintf(text, sizeof text, scribbler, i);
        modules[i] = module_of(text);
    }
    /* sizes follow each other in every order, grown and not */
    for (int round = 0; round < 60; round++) {
        wag_instance *instance = NULL;
        ASSERT_OK(wag_instance_new(modules[round * 7 % 3], NULL, &instance, NULL));
        const wag_exports *exports = wag_instance_exports(instance);
        wag_memory *memory = wag_exports_memory(exports, "memory");
        uint64_t before = wag_memory_pages(memory);
        assert_true(is_zero(memory));
        wag_val arg = WAG_VAL_I32(round % 4), result;
        uint64_t old;
        ASSERT_OK(wag_memory_grow(memory, 1, &old, NULL));
        assert_true(is_zero(memory));
        ASSERT_OK(wag_call(wag_exports_func(exports, "f"), &arg, 1, &result, 1, NULL));
        assert_int_equal(result.of.i32, (int)before + 1 + round % 4);
        wag_instance_unref(instance);
    }
    for (int i = 0; i < 3; i++)
        wag_module_unref(modules[i]);
}

/* What a module with guard pages imports is moved to where it has them; a large memory of which little was written must
 * not become bytes for that. */
static void test_a_memory_that_moves_behind_guard_pages_stays_as_small_as_it_is(void **state)
{
    (void)state;
    enum { PAGES = 256 };
    wag_memory *memory = memory_of(PAGES, UINT64_MAX);
    uint64_t generation = wag_memory_generation(memory), old;
    wag_memory_data(memory)[3 * PAGE + 1] = 11;
    wag_memory_data(memory)[PAGES * PAGE - 1] = 22;
    if (!wagi_memory_guard(memory))
        skip(); /* no address space for it, as under ThreadSanitizer */
    const uint8_t *bytes = wag_memory_data(memory);
    static unsigned char present[PAGES * PAGE / 4096];
    size_t page = wagi_os_page_size(), count = 0;
    assert_int_equal(mincore(wag_memory_data(memory), (size_t)PAGES * PAGE, present), 0);
    for (size_t i = 0; i < (size_t)PAGES * PAGE / page; i++)
        count += present[i] & 1;
#if !SANITIZED
    assert_in_range(count, 2, 64);
#endif
    assert_true(wag_memory_generation(memory) != generation);
    assert_int_equal(bytes[3 * PAGE + 1], 11);
    assert_int_equal(bytes[PAGES * PAGE - 1], 22);
    assert_int_equal(bytes[5 * PAGE], 0);
    ASSERT_OK(wag_memory_grow(memory, 2, &old, NULL));
    assert_int_equal(wag_memory_data(memory)[(PAGES + 2) * PAGE - 1], 0);
    assert_int_equal(wag_memory_data(memory)[3 * PAGE + 1], 11);
    wag_memory_unref(memory);
}

static void test_a_memory_moves_behind_guard_pages_whole_or_not_at_all(void **state)
{
    (void)state;
    for (uint64_t successes = 0; successes < 4; successes++) {
        wag_memory *memory = memory_of(40, UINT64_MAX);
        for (size_t i = 0; i < 40; i++)
            wag_memory_data(memory)[i * PAGE + i] = (uint8_t)(i + 1);
        wagi_os_fail_once(successes);
        bool moved = wagi_memory_guard(memory);
        wagi_os_fail_once(UINT64_MAX);
        assert_true(moved == memory->is_guarded);
        for (size_t i = 0; i < 40; i++)
            assert_int_equal(wag_memory_data(memory)[i * PAGE + i], i + 1);
        wag_memory_unref(memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_memory_begins_zeroed_with_its_initial_size),
        cmocka_unit_test(test_growth_keeps_the_bytes_and_adds_zeros),
        cmocka_unit_test(test_growth_stops_at_the_limit_of_the_index_type),
        cmocka_unit_test(test_growth_without_memory_changes_nothing),
        cmocka_unit_test(test_impossible_sizes_are_range_errors),
        cmocka_unit_test(test_a_64_bit_memory_has_a_run_time_limit),
        cmocka_unit_test(test_pages_of_one_byte_are_honoured),
        cmocka_unit_test(test_bulk_operations_check_bounds_before_they_write),
        cmocka_unit_test(test_the_host_reads_and_writes_inside_only),
        cmocka_unit_test(test_wasm_and_host_see_each_others_growth),
        cmocka_unit_test(test_making_one_without_memory_fails_cleanly),
        cmocka_unit_test(test_no_byte_of_an_instance_reaches_the_next),
        cmocka_unit_test(test_a_memory_that_moves_behind_guard_pages_stays_as_small_as_it_is),
        cmocka_unit_test(test_a_memory_moves_behind_guard_pages_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* MEM-03 to MEM-10: the buffer of a Memory, and ArrayBuffers of their own. One test per statement, named by its id. In
 * every tier where wasm itself lets the memory grow. */
#include "tests/support/check.h"

#include "base/alloc.h"

static wag_memory *memory_of(uint64_t initial, uint64_t maximum, bool shared)
{
    wag_memory *memory = NULL;
    wag_memory_descriptor descriptor = {.initial = initial, .maximum = maximum, .shared = shared};
    ASSERT_OK(wag_memory_create(&descriptor, &memory, NULL));
    return memory;
}

static wag_buffer *buffer_of(wag_memory *memory)
{
    wag_buffer *buffer = wag_memory_buffer(memory);
    assert_non_null(buffer);
    return buffer;
}

/* The call gives this error, of this class. */
#define ASSERT_FAILS(call_, wanted_, class_)                                                                           \
    do {                                                                                                               \
        wag_error *error = NULL;                                                                                       \
        ASSERT_ERR(call_, wanted_);                                                                                    \
        assert_class(error, class_);                                                                                   \
    } while (0)

static void assert_detached(const wag_buffer *buffer)
{
    uint8_t byte = 7;
    assert_true(wag_buffer_is_detached(buffer));
    assert_int_equal(wag_buffer_size(buffer), 0);
    assert_int_equal(wag_buffer_max_size(buffer), 0);
    assert_null(wag_buffer_data(buffer));
    ASSERT_ERR(wag_buffer_read(buffer, 0, &byte, 0), WAG_DETACHED);
    assert_int_equal(wag_err_class(WAG_DETACHED), WAG_CLASS_TYPE_ERROR);
}

/* ---- MEM-03 ---- */

static void test_MEM_03_buffer_aliases_the_memory_and_is_one_object(void **state)
{
    (void)state;
    wag_memory *memory = memory_of(1, 3, false);
    wag_buffer *buffer = buffer_of(memory), *again = buffer_of(memory);
    uint8_t byte = 9;
    assert_ptr_equal(buffer, again);
    assert_int_equal(wag_buffer_size(buffer), 65536);
    assert_false(wag_buffer_is_resizable(buffer) || wag_buffer_is_shared(buffer));
    ASSERT_OK(wag_memory_write(memory, 65535, &byte, 1));
    assert_int_equal(wag_buffer_data(buffer)[65535], 9);
    byte = 11;
    ASSERT_OK(wag_buffer_write(buffer, 0, &byte, 1));
    ASSERT_OK(wag_memory_read(memory, 0, &byte, 1));
    assert_int_equal(byte, 11);
    ASSERT_ERR(wag_buffer_write(buffer, 65536, &byte, 1), WAG_RANGE);
    ASSERT_ERR(wag_buffer_read(buffer, UINT64_MAX, &byte, 1), WAG_RANGE);
    wag_buffer_unref(again);
    wag_buffer_unref(buffer);
    wag_memory_unref(memory);
}

static void test_MEM_03_grow_detaches_even_by_nothing(void **state)
{
    (void)state;
    wag_memory *memory = memory_of(1, 3, false);
    for (uint64_t delta = 0; delta < 2; delta++) {
        wag_buffer *old = buffer_of(memory);
        ASSERT_OK(wag_memory_grow(memory, delta, NULL, NULL));
        assert_detached(old);
        wag_buffer *buffer = buffer_of(memory);
        assert_ptr_not_equal(buffer, old);
        assert_int_equal(wag_buffer_size(buffer), (1 + delta) * 65536);
        wag_buffer_unref(old);
        wag_buffer_unref(buffer);
    }
    wag_memory_unref(memory);
}

static void test_MEM_03_memory_grow_of_wasm_detaches_unless_it_failed(void **state)
{
    (void)state;
    static const wag_tier tiers[] = {WAG_TIER_INTERP, WAG_TIER_NATIVE_GUARD, WAG_TIER_NATIVE_CHECKED};
    for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++) {
        wag_bytes bytes = wat("(module (memory (export \"memory\") 1 2)"
                              " (func (export \"none\") (result i32) (memory.grow (i32.const 0)))"
                              " (func (export \"one\") (result i32) (memory.grow (i32.const 1)))"
                              " (func (export \"size\") (result i32) (memory.size)))");
        wag_module *module = NULL;
        wag_instance *instance = NULL;
        wag_err err = wag_module_new(bytes, &(wag_compile_options){.tier = tiers[i]}, &module, NULL);
        wat_free(bytes);
        if (err == WAG_UNSUPPORTED)
            continue;
        ASSERT_OK(err);
        ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
        wag_memory *memory = wag_exports_memory(wag_instance_exports(instance), "memory");
        static const struct {
            const char *name;
            int32_t result;
            bool detaches;
        } steps[] = {{"size", 1, false}, {"none", 1, true}, {"one", 1, true}, {"one", -1, false}, {"size", 2, false}};
        for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
            wag_buffer *buffer = buffer_of(memory);
            assert_int_equal(call_i32(instance, steps[k].name), steps[k].result);
            assert_int_equal(wag_buffer_is_detached(buffer), steps[k].detaches);
            wag_buffer_unref(buffer);
        }
        wag_instance_unref(instance);
        wag_module_unref(module);
    }
}

static void test_MEM_03_a_buffer_keeps_its_memory_and_the_memory_makes_another_when_it_has_gone(void **state)
{
    (void)state;
    wag_instance *instance = instance_of("(module (memory (export \"memory\") 1) (data (i32.const 3) \"x\"))", NULL);
    size_t live = wag_agent_live_objects();
    wag_memory *memory = wag_exports_memory(wag_instance_exports(instance), "memory");
    wag_buffer *buffer = buffer_of(memory);
    assert_int_equal(wag_agent_live_objects(), live + 1);
    wag_buffer_unref(buffer);
    assert_int_equal(wag_agent_live_objects(), live);
    buffer = buffer_of(memory);
    wag_instance_unref(instance);
    assert_int_equal(wag_buffer_data(buffer)[3], 'x');
    assert_int_equal(wag_agent_live_objects(), live + 1);
    wag_buffer_unref(buffer);
    assert_int_equal(wag_agent_live_objects(), live - 1);
}

static void test_MEM_03_an_instance_that_refers_to_its_own_buffer_is_collected(void **state)
{
    (void)state;
    size_t live = wag_agent_live_objects();
    wag_instance *instance = instance_of("(module (memory (export \"memory\") 1)"
                                         " (global (export \"global\") (mut externref) (ref.null extern)))",
                                         NULL);
    wag_buffer *buffer = buffer_of(wag_exports_memory(wag_instance_exports(instance), "memory"));
    wag_global *global = wag_exports_global(wag_instance_exports(instance), "global");
    ASSERT_OK(wag_global_set_value(global, WAG_BUFFER(buffer), NULL));
    wag_value back;
    ASSERT_OK(wag_global_get_value(global, &back, NULL));
    assert_int_equal(back.kind, WAG_VALUE_BUFFER);
    assert_ptr_equal(back.of.buffer, buffer);
    wag_value_unref(back);
    wag_buffer_unref(buffer);
    wag_instance_unref(instance);
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), live);
}

/* ---- MEM-04 to MEM-06 ---- */

static void test_MEM_04_grow_beyond_the_maximum_leaves_the_buffer_attached(void **state)
{
    (void)state;
    wag_memory *memory = memory_of(1, 3, false);
    wag_buffer *buffer = buffer_of(memory), *again;
    ASSERT_FAILS(wag_memory_grow(memory, 3, NULL, &error), WAG_RANGE, WAG_CLASS_RANGE_ERROR);
    assert_false(wag_buffer_is_detached(buffer));
    assert_int_equal(wag_buffer_size(buffer), 65536);
    again = buffer_of(memory);
    assert_ptr_equal(again, buffer);
    wag_buffer_unref(again);
    wag_buffer_unref(buffer);
    wag_memory_unref(memory);
}

static void test_MEM_05_grow_gives_the_size_before_and_the_next_buffer_has_the_new_one(void **state)
{
    (void)state;
    wag_memory *memory = memory_of(2, 9, false);
    uint64_t before = 0;
    ASSERT_OK(wag_memory_grow(memory, 3, &before, NULL));
    assert_int_equal(before, 2);
    wag_buffer *buffer = buffer_of(memory);
    assert_int_equal(wag_buffer_size(buffer), 5 * 65536);
    wag_buffer_unref(buffer);
    wag_memory_unref(memory);
}

static void test_MEM_06_the_buffer_of_a_shared_memory_keeps_its_length_and_is_never_detached(void **state)
{
    (void)state;
    wag_memory *memory = memory_of(1, 4, true), *other = NULL;
    wag_shared_memory *block = wag_memory_share(memory);
    ASSERT_OK(wag_memory_of_shared(block, &other, NULL)); /* as another agent would have it */
    wag_buffer *buffer = buffer_of(memory), *foreign = buffer_of(other), *next;
    assert_true(wag_buffer_is_shared(buffer));
    ASSERT_OK(wag_memory_grow(memory, 1, NULL, NULL));
    assert_int_equal(wag_buffer_size(buffer), 65536);
    assert_int_equal(wag_buffer_size(foreign), 65536);
    assert_false(wag_buffer_is_detached(buffer));
    next = buffer_of(memory);
    assert_ptr_not_equal(next, buffer);
    assert_int_equal(wag_buffer_size(next), 131072);
    assert_ptr_equal(wag_buffer_data(next), wag_buffer_data(buffer));
    wag_buffer_unref(next);
    next = buffer_of(other);
    assert_ptr_not_equal(next, foreign);
    assert_int_equal(wag_buffer_size(next), 131072);
    wag_buffer_unref(next);
    /* As V8 has it, also when it grew by nothing. */
    next = buffer_of(memory);
    ASSERT_OK(wag_memory_grow(memory, 0, NULL, NULL));
    wag_buffer *last = buffer_of(memory);
    assert_ptr_not_equal(next, last);
    assert_int_equal(wag_buffer_size(next), wag_buffer_size(last));
    wag_memory_unref(memory);
    wag_memory_unref(other);
    wag_shared_memory_unref(block);
    uint32_t word = 5;
    ASSERT_OK(wag_buffer_write(buffer, 65532, &word, 4));
    assert_int_equal(wag_buffer_data(last)[65532], 5);
    ASSERT_ERR(wag_buffer_write(buffer, 65533, &word, 4), WAG_RANGE);
    wag_buffer *all[] = {buffer, foreign, next, last};
    for (size_t i = 0; i < 4; i++)
        wag_buffer_unref(all[i]);
}

/* ---- MEM-07 ---- */

static void test_MEM_07_a_resizable_buffer_follows_its_memory_and_resizes_it(void **state)
{
    (void)state;
    wag_memory *memory = memory_of(1, 4, false);
    wag_buffer *fixed = buffer_of(memory), *buffer = NULL, *again = NULL;
    ASSERT_OK(wag_memory_to_fixed_length_buffer(memory, &again, NULL));
    assert_ptr_equal(again, fixed);
    wag_buffer_unref(again);
    ASSERT_OK(wag_memory_to_resizable_buffer(memory, &buffer, NULL));
    assert_detached(fixed);
    assert_true(wag_buffer_is_resizable(buffer));
    assert_int_equal(wag_buffer_max_size(buffer), 4 * 65536);
    ASSERT_OK(wag_memory_to_resizable_buffer(memory, &again, NULL));
    assert_ptr_equal(again, buffer);
    wag_buffer_unref(again);
    again = buffer_of(memory);
    assert_ptr_equal(again, buffer);
    wag_buffer_unref(again);
    ASSERT_OK(wag_memory_grow(memory, 1, NULL, NULL));
    assert_int_equal(wag_buffer_size(buffer), 131072);
    ASSERT_OK(wag_buffer_resize(buffer, 3 * 65536, NULL));
    assert_int_equal(wag_memory_pages(memory), 3);
    ASSERT_OK(wag_buffer_resize(buffer, 3 * 65536, NULL));
    const uint64_t bad[] = {3 * 65536 + 1, 65536, 0, 5 * 65536, UINT64_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ASSERT_FAILS(wag_buffer_resize(buffer, bad[i], &error), WAG_RANGE, WAG_CLASS_RANGE_ERROR);
    assert_int_equal(wag_memory_pages(memory), 3);
    ASSERT_OK(wag_memory_to_fixed_length_buffer(memory, &again, NULL));
    assert_detached(buffer);
    assert_false(wag_buffer_is_resizable(again));
    assert_int_equal(wag_buffer_size(again), 3 * 65536);
    wag_buffer_unref(again);
    wag_buffer_unref(buffer);
    wag_buffer_unref(fixed);
    wag_memory_unref(memory);
}

static void test_MEM_07_a_resizable_buffer_needs_a_maximum(void **state)
{
    (void)state;
    wag_memory *memory = memory_of(1, UINT64_MAX, false);
    wag_buffer *buffer = buffer_of(memory);
    ASSERT_FAILS(wag_memory_to_resizable_buffer(memory, NULL, &error), WAG_TYPE, WAG_CLASS_TYPE_ERROR);
    assert_false(wag_buffer_is_detached(buffer));
    ASSERT_FAILS(wag_buffer_resize(buffer, 131072, &error), WAG_TYPE, WAG_CLASS_TYPE_ERROR);
    wag_buffer_unref(buffer);
    wag_memory_unref(memory);
}

static void test_MEM_07_a_growable_buffer_of_a_shared_memory_shows_its_growth(void **state)
{
    (void)state;
    wag_memory *memory = memory_of(1, 3, true);
    wag_buffer *fixed = buffer_of(memory), *buffer = NULL;
    ASSERT_OK(wag_memory_to_resizable_buffer(memory, &buffer, NULL));
    assert_false(wag_buffer_is_detached(fixed));
    assert_int_equal(wag_buffer_max_size(buffer), 3 * 65536);
    ASSERT_OK(wag_buffer_resize(buffer, 131072, NULL));
    assert_int_equal(wag_memory_pages(memory), 2);
    ASSERT_OK(wag_memory_grow(memory, 1, NULL, NULL));
    assert_int_equal(wag_buffer_size(buffer), 3 * 65536);
    assert_int_equal(wag_buffer_size(fixed), 65536);
    ASSERT_FAILS(wag_buffer_resize(buffer, 65536, &error), WAG_RANGE, WAG_CLASS_RANGE_ERROR);
    wag_buffer_unref(fixed);
    wag_buffer_unref(buffer);
    wag_memory_unref(memory);
}

/* ---- MEM-08 to MEM-10 ---- */

static void test_MEM_08_nobody_else_can_detach_the_buffer_of_a_memory(void **state)
{
    (void)state;
    wag_memory *memory = memory_of(1, 3, false);
    wag_buffer *buffer = buffer_of(memory), *moved = NULL;
    ASSERT_FAILS(wag_buffer_transfer(buffer, &moved, &error), WAG_TYPE, WAG_CLASS_TYPE_ERROR);
    assert_false(wag_buffer_is_detached(buffer));
    wag_buffer_unref(buffer);
    wag_memory_unref(memory);
    memory = memory_of(1, 3, true);
    buffer = buffer_of(memory);
    ASSERT_FAILS(wag_buffer_transfer(buffer, &moved, &error), WAG_TYPE, WAG_CLASS_TYPE_ERROR);
    wag_buffer_unref(buffer);
    wag_memory_unref(memory);
}

static void test_MEM_09_a_buffer_cannot_grow_past_the_run_time_limit(void **state)
{
    (void)state;
    wag_memory *memory = memory_of(1, 65536, false);
    wag_buffer *buffer = NULL;
    ASSERT_OK(wag_memory_to_resizable_buffer(memory, &buffer, NULL));
    assert_int_equal(wag_buffer_max_size(buffer), UINT64_C(65536) * 65536);
    ASSERT_FAILS(wag_buffer_resize(buffer, UINT64_C(65537) * 65536, &error), WAG_RANGE, WAG_CLASS_RANGE_ERROR);
    wag_buffer_unref(buffer);
    wag_memory_unref(memory);
    /* 64-bit addresses: 262,144 pages, 16 GiB, whatever the type allows. */
    wag_memory_descriptor descriptor = {.initial = 262145, .maximum = UINT64_MAX, .address_i64 = true};
    ASSERT_FAILS(wag_memory_create(&descriptor, &memory, &error), WAG_RANGE, WAG_CLASS_RANGE_ERROR);
    descriptor.initial = 1;
    ASSERT_OK(wag_memory_create(&descriptor, &memory, NULL));
    ASSERT_FAILS(wag_memory_grow(memory, 262144, NULL, &error), WAG_RANGE, WAG_CLASS_RANGE_ERROR);
    assert_int_equal(wag_memory_pages(memory), 1);
    wag_memory_unref(memory);
    assert_int_equal(wag_cluster_get_limit(wag_cluster_default(), WAG_LIMIT_memory64_pages), 262144);
}

static void test_MEM_10_a_stale_view_is_an_error_and_no_dangling_pointer(void **state)
{
    (void)state;
    wag_memory *memory = memory_of(1, 100, false);
    wag_buffer *buffer = buffer_of(memory);
    uint8_t byte = 1;
    uint64_t generation = wag_memory_generation(memory);
    ASSERT_OK(wag_buffer_read(buffer, 0, &byte, 1));
    ASSERT_OK(wag_memory_grow(memory, 50, NULL, NULL));
    assert_true(wag_memory_generation(memory) != generation);
    ASSERT_ERR(wag_buffer_read(buffer, 0, &byte, 1), WAG_DETACHED);
    ASSERT_ERR(wag_buffer_write(buffer, 0, &byte, 1), WAG_DETACHED);
    assert_null(wag_buffer_data(buffer));
    wag_buffer_unref(buffer);
    wag_memory_unref(memory);
}

/* ---- buffers of their own ---- */

static void released(void *context, uint8_t *data)
{
    assert_int_equal(data[0], 'a');
    ++*(int *)context;
}

static void test_a_buffer_of_the_hosts_bytes_releases_them_once(void **state)
{
    (void)state;
    int releases = 0;
    uint8_t bytes[] = {'a', 'b'};
    wag_buffer *buffer = NULL, *moved = NULL;
    ASSERT_OK(wag_buffer_adopt(bytes, 2, released, &releases, &buffer, NULL));
    assert_ptr_equal(wag_buffer_data(buffer), bytes);
    ASSERT_OK(wag_buffer_transfer(buffer, &moved, NULL));
    assert_detached(buffer);
    assert_ptr_equal(wag_buffer_data(moved), bytes);
    ASSERT_FAILS(wag_buffer_transfer(buffer, &buffer, &error), WAG_DETACHED, WAG_CLASS_TYPE_ERROR);
    wag_buffer_unref(buffer);
    assert_int_equal(releases, 0);
    wag_buffer_unref(moved);
    assert_int_equal(releases, 1);
    ASSERT_FAILS(wag_buffer_adopt(NULL, 2, released, NULL, &buffer, &error), WAG_TYPE, WAG_CLASS_TYPE_ERROR);
}

static void test_a_buffer_of_its_own_is_zero_or_a_copy_and_resizes_as_it_was_made(void **state)
{
    (void)state;
    uint8_t bytes[] = {1, 2, 3, 4};
    wag_buffer *buffer = NULL;
    ASSERT_OK(wag_buffer_new((wag_bytes){bytes, 4}, &buffer, NULL));
    bytes[0] = 9;
    assert_int_equal(wag_buffer_data(buffer)[0], 1);
    ASSERT_FAILS(wag_buffer_resize(buffer, 4, &error), WAG_TYPE, WAG_CLASS_TYPE_ERROR);
    wag_buffer_unref(buffer);
    ASSERT_OK(
        wag_buffer_create(&(wag_buffer_descriptor){.length = 4, .max_length = 8, .resizable = true}, &buffer, NULL));
    ASSERT_OK(wag_buffer_write(buffer, 0, bytes, 4));
    ASSERT_OK(wag_buffer_resize(buffer, 2, NULL));
    ASSERT_OK(wag_buffer_resize(buffer, 8, NULL));
    ASSERT_OK(wag_buffer_read(buffer, 0, bytes, 4));
    assert_memory_equal(bytes, "\11\2\0\0", 4);
    assert_int_equal(wag_buffer_data(buffer)[7], 0);
    ASSERT_FAILS(wag_buffer_resize(buffer, 9, &error), WAG_RANGE, WAG_CLASS_RANGE_ERROR);
    wag_buffer_unref(buffer);
    ASSERT_OK(wag_buffer_create(
        &(wag_buffer_descriptor){.length = 3, .max_length = 100000, .resizable = true, .shared = true}, &buffer, NULL));
    assert_true(wag_buffer_is_shared(buffer));
    ASSERT_OK(wag_buffer_write(buffer, 0, bytes, 3));
    ASSERT_OK(wag_buffer_resize(buffer, 99999, NULL));
    assert_memory_equal(wag_buffer_data(buffer), "\11\2\0\0", 4);
    ASSERT_FAILS(wag_buffer_resize(buffer, 99998, &error), WAG_RANGE, WAG_CLASS_RANGE_ERROR);
    ASSERT_FAILS(wag_buffer_resize(buffer, 100001, &error), WAG_RANGE, WAG_CLASS_RANGE_ERROR);
    wag_buffer_unref(buffer);
    ASSERT_FAILS(
        wag_buffer_create(&(wag_buffer_descriptor){.length = 4, .max_length = 3, .resizable = true}, NULL, &error),
        WAG_RANGE, WAG_CLASS_RANGE_ERROR);
    ASSERT_FAILS(wag_buffer_create(&(wag_buffer_descriptor){.length = UINT64_MAX}, NULL, &error), WAG_RANGE,
                 WAG_CLASS_RANGE_ERROR);
    ASSERT_FAILS(wag_buffer_create(&(wag_buffer_descriptor){.length = UINT64_MAX, .shared = true}, NULL, &error),
                 WAG_RANGE, WAG_CLASS_RANGE_ERROR);
}

static void test_running_out_of_memory_leaves_the_memory_as_it_was(void **state)
{
    (void)state;
    wag_memory *memory = memory_of(1, 2, false);
    wag_buffer *buffer = buffer_of(memory), *other = NULL;
    wagi_alloc_fail_after(0);
    wag_err err = wag_memory_to_resizable_buffer(memory, &other, NULL);
    wagi_alloc_fail_after(UINT64_MAX);
    ASSERT_ERR(err, WAG_NOMEM);
    assert_false(wag_buffer_is_detached(buffer));
    wag_buffer_unref(buffer);
    wagi_alloc_fail_after(0);
    buffer = wag_memory_buffer(memory);
    wagi_alloc_fail_after(UINT64_MAX);
    assert_null(buffer);
    wag_memory_unref(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_MEM_03_buffer_aliases_the_memory_and_is_one_object),
        cmocka_unit_test(test_MEM_03_grow_detaches_even_by_nothing),
        cmocka_unit_test(test_MEM_03_memory_grow_of_wasm_detaches_unless_it_failed),
        cmocka_unit_test(test_MEM_03_a_buffer_keeps_its_memory_and_the_memory_makes_another_when_it_has_gone),
        cmocka_unit_test(test_MEM_03_an_instance_that_refers_to_its_own_buffer_is_collected),
        cmocka_unit_test(test_MEM_04_grow_beyond_the_maximum_leaves_the_buffer_attached),
        cmocka_unit_test(test_MEM_05_grow_gives_the_size_before_and_the_next_buffer_has_the_new_one),
        cmocka_unit_test(test_MEM_06_the_buffer_of_a_shared_memory_keeps_its_length_and_is_never_detached),
        cmocka_unit_test(test_MEM_07_a_resizable_buffer_follows_its_memory_and_resizes_it),
        cmocka_unit_test(test_MEM_07_a_resizable_buffer_needs_a_maximum),
        cmocka_unit_test(test_MEM_07_a_growable_buffer_of_a_shared_memory_shows_its_growth),
        cmocka_unit_test(test_MEM_08_nobody_else_can_detach_the_buffer_of_a_memory),
        cmocka_unit_test(test_MEM_09_a_buffer_cannot_grow_past_the_run_time_limit),
        cmocka_unit_test(test_MEM_10_a_stale_view_is_an_error_and_no_dangling_pointer),
        cmocka_unit_test(test_a_buffer_of_the_hosts_bytes_releases_them_once),
        cmocka_unit_test(test_a_buffer_of_its_own_is_zero_or_a_copy_and_resizes_as_it_was_made),
        cmocka_unit_test(test_running_out_of_memory_leaves_the_memory_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

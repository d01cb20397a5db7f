/* Stopping what works long inside of one instruction or one allocation: moving memory, elements of tables and arrays,
 * collections, segments of an instance that is made. The stop is there before the work begins, so where it ends is
 * known: behind its first step. */
#include "tests/support/check.h"

#include "base/alloc.h"
#include "runtime/store.h"
#include "tests/support/gc.h"

enum { STEP = (int)WAGI_BULK_STEP, SLOTS = STEP / (int)sizeof(wagi_slot), MEMORY_BYTES = 4 * STEP };

static const wag_tier tiers[] = {WAG_TIER_INTERP, WAG_TIER_NATIVE_GUARD, WAG_TIER_NATIVE_CHECKED};

static wag_agent *agent(void)
{
    return wag_agent_current();
}

static void arm(void)
{
    wagi_agent_set_stop(agent(), WAGI_STOP_INTERRUPT);
}

static void disarm(void)
{
    wagi_agent_clear_stop(agent(), WAGI_STOP_INTERRUPT);
    assert_false(wag_agent_interrupted());
}

/* Little is done whole, even now; much ends behind the first step. */
#define ASSERT_STOPPED(little, much)                                                                                   \
    do {                                                                                                               \
        arm();                                                                                                         \
        ASSERT_OK(little);                                                                                             \
        ASSERT_ERR(much, WAG_INTERRUPTED);                                                                             \
        disarm();                                                                                                      \
    } while (0)

/* ---- memories ---- */

static wag_memory *memory_of(bool is_shared, bool is_64)
{
    wag_memory *memory = NULL;
    wagi_limits_type limits = {MEMORY_BYTES / 65536, MEMORY_BYTES / 65536, true, is_64, is_shared};
    ASSERT_OK(wagi_memory_new(agent(), (wagi_memory_type){.limits = limits, .page_size_log2 = 16}, &memory, NULL));
    return memory;
}

static int byte_at(const wag_memory *memory, uint64_t at)
{
    return *wag_memory_readable(memory, at, 1);
}

static void test_instructions_on_memories_are_stopped_behind_a_step(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(3 * STEP);
    assert_non_null(bytes);
    memset(bytes, 7, 3 * STEP);
    wagi_data_instance data = {bytes, 3 * STEP};
    for (int kind = 0; kind < 4; kind++) {
        wag_memory *memory = memory_of(kind & 1, kind & 2);
        ASSERT_STOPPED(wagi_memory_fill(memory, 0, 1, STEP), wagi_memory_fill(memory, 0, 2, 2 * STEP + 1));
        assert_int_equal(byte_at(memory, STEP - 1), 2);
        assert_int_equal(byte_at(memory, STEP), 0);
        ASSERT_STOPPED(wagi_memory_init(memory, STEP, &data, 0, STEP),
                       wagi_memory_init(memory, STEP, &data, 0, 3 * STEP));
        assert_int_equal(byte_at(memory, 2 * STEP - 1), 7);
        assert_int_equal(byte_at(memory, 2 * STEP), 0);
        ASSERT_STOPPED(wagi_memory_copy(memory, 5, memory, 5, STEP),
                       wagi_memory_copy(memory, 2 * STEP, memory, 0, STEP + 1));
        assert_int_equal(byte_at(memory, 3 * STEP), 7); /* from the end */
        assert_int_equal(byte_at(memory, 2 * STEP), 0);
        ASSERT_STOPPED(WAG_OK, wagi_memory_copy(memory, 0, memory, STEP - 5, STEP + 7));
        assert_int_equal(byte_at(memory, STEP - 1), 7);
        arm(); /* bounds come first */
        ASSERT_ERR(wagi_memory_fill(memory, 1, 9, MEMORY_BYTES), WAG_MEMORY_BOUNDS);
        ASSERT_ERR(wagi_memory_init(memory, 1, &data, 1, 3 * STEP), WAG_MEMORY_BOUNDS);
        ASSERT_ERR(wagi_memory_copy(memory, 1, memory, 0, MEMORY_BYTES), WAG_MEMORY_BOUNDS);
        disarm();
        ASSERT_OK(wagi_memory_init(memory, 1, &data, 0, 3 * STEP));
        assert_int_equal(byte_at(memory, 3 * STEP), 7);
        wag_memory_unref(memory);
    }
    free(bytes);
}

/* ---- tables ---- */

static void test_instructions_on_tables_are_stopped_behind_a_step(void **state)
{
    (void)state;
    wag_table *table = NULL;
    wag_extern *ext = wag_extern_new(NULL, NULL);
    wagi_slot *items = calloc(3 * SLOTS, sizeof *items), value = (wagi_slot)(uintptr_t)ext;
    assert_non_null(items);
    for (int i = 0; i < 3 * SLOTS; i++)
        items[i] = value;
    wagi_elem_instance elem = {3 * SLOTS, items};
    ASSERT_OK(wag_table_new(WAG_EXTERNREF, 4 * SLOTS, UINT64_MAX, WAG_VAL_EXTERN(NULL), &table, NULL));
    ASSERT_STOPPED(wagi_table_fill(table, 3 * SLOTS, value, 1), wagi_table_fill(table, 0, value, SLOTS + 1));
    assert_true(table->elements[SLOTS - 1] == value && !table->elements[SLOTS]);
    ASSERT_STOPPED(wagi_table_init(table, SLOTS, &elem, 0, 1), wagi_table_init(table, SLOTS, &elem, 0, 3 * SLOTS));
    assert_true(table->elements[2 * SLOTS - 1] == value && !table->elements[2 * SLOTS]);
    ASSERT_STOPPED(wagi_table_copy(table, 0, table, 0, SLOTS), wagi_table_copy(table, 2 * SLOTS, table, 0, 2 * SLOTS));
    assert_true(table->elements[3 * SLOTS + 1] == value && !table->elements[3 * SLOTS - 1]);
    arm();
    ASSERT_ERR(wagi_table_init(table, 2 * SLOTS, &elem, 0, 3 * SLOTS), WAG_TABLE_BOUNDS);
    assert_true(wagi_table_grow(table, 2 * SLOTS, value) == UINT64_MAX);
    assert_true(table->size == 4 * SLOTS);
    assert_true(wagi_table_grow(table, SLOTS, value) == 4 * SLOTS);
    disarm();
    assert_true(wagi_table_grow(table, 2 * SLOTS, value) == 5 * SLOTS);
    assert_true(table->elements[7 * SLOTS - 1] == value);
    memset(items, 0, 3 * SLOTS * sizeof *items); /* they were never a segment of anything */
    free(items);
    wag_extern_unref(ext);
    wag_table_unref(table);
}

/* A table.grow that was stopped has taken nothing from the instance's quota. */
static void test_a_table_that_did_not_grow_counts_for_nothing(void **state)
{
    (void)state;
    wag_cluster *cluster = NULL;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_instance_table_entries, 2 * SLOTS));
    ASSERT_OK(wag_agent_open(cluster));
    wag_bytes bytes = wat("(module (table (export \"t\") 0 funcref))");
    wag_compile_options options = {.cluster = cluster};
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    ASSERT_OK(wag_module_new(bytes, &options, &module, NULL));
    ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
    wag_table *table = wag_exports_table(wag_instance_exports(instance), "t");
    for (int i = 0; i < 3; i++) {
        arm();
        assert_true(wagi_table_grow(table, 2 * SLOTS, 0) == UINT64_MAX);
        disarm();
    }
    assert_true(wagi_table_grow(table, 2 * SLOTS, 0) == 0);
    assert_true(wagi_table_grow(table, 1, 0) == UINT64_MAX);
    wag_instance_unref(instance);
    wag_module_unref(module);
    wat_free(bytes);
    ASSERT_OK(wag_agent_close());
    wag_cluster_unref(cluster);
}

/* ---- arrays ---- */

typedef struct heap {
    wag_instance *instance;
    const wagi_type *bytes, *refs;
} heap;

static wag_instance *gc_instance(wag_tier tier)
{
    build b = gc_module();
    wag_compile_options options = {.tier = tier, .cluster = agent()->cluster};
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    ASSERT_OK(wag_module_new(build_bytes(&b), &options, &module, NULL));
    ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
    wag_module_unref(module);
    build_free(&b);
    return instance;
}

static heap open_heap(void)
{
    wag_instance *instance = gc_instance(WAG_TIER_DEFAULT);
    return (heap){instance, instance->data->types[1], instance->data->types[2]};
}

static void collect(void)
{
    wagi_store_collect(agent());
    assert_true(wagi_gc_sweep(&agent()->gc, UINT64_MAX));
    assert_true(wagi_gc_check(agent()));
}

static void close_heap(heap h)
{
    collect();
    wag_instance_unref(h.instance);
}

static const uint8_t *element(wagi_slot array, uint64_t index)
{
    wagi_gc_array *a = (wagi_gc_array *)(uintptr_t)array;
    return wagi_gc_element(a, wagi_gc_type_of(&a->object), index);
}

static uint32_t length_of(wagi_slot array)
{
    return ((const wagi_gc_array *)(uintptr_t)array)->length;
}

/* What was not made yet is not part of it: its elements would be garbage. */
static void assert_cut(wagi_slot array, uint32_t length)
{
    assert_int_equal(length_of(array), length);
    collect();
}

static void test_new_arrays_are_stopped_behind_a_step(void **state)
{
    (void)state;
    heap h = open_heap();
    wagi_slot array = 0, seven = 7, i31 = wagi_i31_of(3);
    uint8_t *bytes = calloc(3, STEP);
    wagi_slot *items = malloc(3 * STEP);
    assert_true(bytes && items);
    for (int i = 0; i < 3 * SLOTS; i++)
        items[i] = i31;
    wagi_data_instance data = {bytes, 3 * STEP};
    wagi_elem_instance elem = {3 * SLOTS, items};
    ASSERT_STOPPED(wagi_array_new(h.instance, h.bytes, STEP, &seven, &array),
                   wagi_array_new(h.instance, h.bytes, STEP + 1, &seven, &array));
    assert_cut(array, STEP);
    ASSERT_STOPPED(wagi_array_new(h.instance, h.bytes, STEP, NULL, &array),
                   wagi_array_new(h.instance, h.bytes, 3 * STEP, NULL, &array));
    assert_cut(array, STEP);
    ASSERT_STOPPED(wagi_array_new(h.instance, h.refs, SLOTS, &i31, &array),
                   wagi_array_new(h.instance, h.refs, 2 * SLOTS, &i31, &array));
    assert_cut(array, SLOTS);
    ASSERT_STOPPED(wagi_array_new_data(h.instance, h.bytes, &data, 0, STEP, &array),
                   wagi_array_new_data(h.instance, h.bytes, &data, 5, 3 * STEP - 5, &array));
    assert_cut(array, STEP);
    ASSERT_STOPPED(wagi_array_new_elem(h.instance, h.refs, &elem, 0, SLOTS, &array),
                   wagi_array_new_elem(h.instance, h.refs, &elem, 5, 3 * SLOTS - 5, &array));
    assert_cut(array, SLOTS);
    ASSERT_OK(wagi_array_new(h.instance, h.refs, 3 * SLOTS, &i31, &array));
    assert_true(length_of(array) == 3 * SLOTS &&
                *(const wagi_slot *)(const void *)element(array, 3 * SLOTS - 1) == i31);
    free(bytes);
    free(items);
    close_heap(h);
}

static void test_instructions_on_arrays_are_stopped_behind_a_step(void **state)
{
    (void)state;
    heap h = open_heap();
    wagi_slot a = 0, r = 0, i31 = wagi_i31_of(3);
    uint8_t *bytes = malloc(3 * STEP);
    wagi_slot *items = malloc(3 * STEP);
    assert_true(bytes && items);
    memset(bytes, 9, 3 * STEP);
    for (int i = 0; i < 3 * SLOTS; i++)
        items[i] = i31;
    wagi_data_instance data = {bytes, 3 * STEP};
    wagi_elem_instance elem = {3 * SLOTS, items};
    wag_agent *at = agent();
    ASSERT_OK(wagi_array_new(h.instance, h.bytes, 4 * STEP, NULL, &a));
    ASSERT_STOPPED(wagi_array_fill(at, a, 0, 1, STEP), wagi_array_fill(at, a, 0, 2, STEP + 1));
    assert_true(*element(a, STEP - 1) == 2 && *element(a, STEP) == 0);
    ASSERT_STOPPED(wagi_array_init_data(at, a, STEP, &data, 0, STEP),
                   wagi_array_init_data(at, a, STEP, &data, 0, 3 * STEP));
    assert_true(*element(a, 2 * STEP - 1) == 9 && *element(a, 2 * STEP) == 0);
    ASSERT_STOPPED(wagi_array_copy(at, a, 7, a, 7, STEP), wagi_array_copy(at, a, 2 * STEP, a, 0, 2 * STEP));
    assert_true(*element(a, 4 * STEP - 1) == 9 && *element(a, 3 * STEP - 1) == 0);
    ASSERT_OK(wagi_array_new(h.instance, h.refs, 3 * SLOTS, NULL, &r));
    ASSERT_STOPPED(wagi_array_init_elem(at, r, 0, &elem, 0, SLOTS),
                   wagi_array_init_elem(at, r, 0, &elem, 0, 2 * SLOTS));
    assert_true(*(const wagi_slot *)(const void *)element(r, SLOTS - 1) == i31);
    assert_true(*(const wagi_slot *)(const void *)element(r, SLOTS) == 0);
    free(bytes);
    free(items);
    close_heap(h);
}

static void test_copies_of_much_inside_an_array_that_overlap_are_like_those_of_little(void **state)
{
    (void)state;
    enum { SIZE = 4 * STEP, LENGTH = 2 * STEP + 17 };
    static const uint32_t distances[] = {1, 4096, STEP, STEP - 18};
    heap h = open_heap();
    wagi_slot a = 0;
    uint8_t *model = malloc(SIZE);
    assert_non_null(model);
    ASSERT_OK(wagi_array_new(h.instance, h.bytes, SIZE, NULL, &a));
    for (uint32_t i = 0; i < SIZE; i++)
        model[i] = (uint8_t)(i * 7 + (i >> 8) * 5 + (i >> 16));
    memcpy((void *)(uintptr_t)element(a, 0), model, SIZE);
    for (size_t i = 0; i < 2 * sizeof distances / sizeof distances[0]; i++) {
        uint32_t far = distances[i / 2], to = i % 2 ? far : 0, from = i % 2 ? 0 : far;
        memmove(model + to, model + from, LENGTH);
        ASSERT_OK(wagi_array_copy(agent(), a, to, a, from, LENGTH));
        assert_memory_equal(element(a, 0), model, SIZE);
    }
    free(model);
    close_heap(h);
}

/* 2 GiB each, which no machine fills in half a millisecond. */
static void test_a_new_array_of_much_is_stopped_in_every_tier(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int32_t length;
    } makers[] = {{"bytes", INT32_MAX}, {"refs", INT32_MAX / 8}};
    for (size_t t = 0; t < sizeof tiers / sizeof tiers[0]; t++) {
        wag_instance *instance = gc_instance(tiers[t]);
        for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
            wag_func *func = wag_exports_func(wag_instance_exports(instance), makers[i].name);
            wag_val arg = WAG_VAL_I32(makers[i].length), result;
            ASSERT_ERR(wag_call_until(func, &arg, 1, &result, 1, wag_deadline_in(500000), NULL), WAG_DEADLINE);
            collect();
        }
        assert_int_equal(call_i32(instance, "sum"), 0);
        wag_instance_unref(instance);
    }
}

/* ---- collections ---- */

static wag_err push(const wag_instance *instance, int32_t count)
{
    wag_val arg = WAG_VAL_I32(count);
    return wag_call(wag_exports_func(wag_instance_exports(instance), "push"), &arg, 1, NULL, 0, NULL);
}

static void open_small_heap(void)
{
    wag_cluster *cluster = NULL;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_heap_bytes, 3 * STEP));
    ASSERT_OK(wag_agent_open(cluster));
    wag_cluster_unref(cluster);
}

static void interrupt(void *context)
{
    wag_agent_interrupt(context);
}

/* The first collection is the one of the allocation that finds the heap full: it finalizes something, and that stops
 * the guest. What comes of the allocation is the stop. */
static void test_an_allocation_that_finds_the_heap_full_ends_with_the_stop(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof tiers / sizeof tiers[0]; t++) {
        open_small_heap();
        wag_instance *instance = gc_instance(tiers[t]);
        wag_extern *ext = wag_extern_new(agent(), interrupt);
        wagi_unit_escape(ext->object.unit); /* it dies when it is not found */
        wag_extern_unref(ext);
        ASSERT_ERR(push(instance, 1000000), WAG_INTERRUPTED);
        assert_false(wag_agent_interrupted());
        assert_true(agent()->gc.collections == 1 && agent()->gc.live > 2 * STEP);
        ASSERT_ERR(push(instance, 1000000), WAG_OUT_OF_HEAP);
        wag_instance_unref(instance);
        ASSERT_OK(wag_agent_close());
    }
}

/* It marks a step, not three MiB; what it has marked is not lost. */
static void test_a_collection_for_an_allocation_gives_up_when_the_agent_is_to_stop(void **state)
{
    (void)state;
    open_small_heap();
    wag_instance *instance = gc_instance(WAG_TIER_DEFAULT);
    const wagi_gc *gc = &agent()->gc;
    const wagi_type *node = instance->data->types[0];
    wagi_slot slot;
    ASSERT_ERR(push(instance, 1000000), WAG_OUT_OF_HEAP);
    uint64_t collections = gc->collections;
    arm();
    wag_err err;
    for (int i = 0; i < 1000; i++) { /* some cells may be free */
        err = wagi_struct_new(instance, node, NULL, &slot);
        if (err != WAG_OK)
            break;
    }
    ASSERT_ERR(err, WAG_INTERRUPTED);
    assert_true(gc->marking && gc->marked >= STEP / 2 && gc->marked < 2 * STEP);
    assert_true(gc->collections == collections);
    disarm();
    assert_int_equal(call_i32(instance, "sum") != 0, true);
    while (gc->marking)
        wagi_store_mark(agent(), 1000);
    collect();
    wag_instance_unref(instance);
    ASSERT_OK(wag_agent_close());
}

/* The collector's share of a large allocation is as much as the whole heap. */
static void test_the_share_of_marking_of_an_allocation_is_done_in_steps(void **state)
{
    (void)state;
    heap h = open_heap();
    const wagi_gc *gc = &agent()->gc;
    wagi_slot slot;
    ASSERT_OK(push(h.instance, 200000)); /* 4.8 MB */
    collect();
    assert_true(wagi_store_begin_mark(agent()));
    ASSERT_OK(wagi_array_new(h.instance, h.bytes, 2 * STEP, NULL, &slot));
    uint64_t before = gc->marked;
    arm();
    ASSERT_OK(wagi_array_new(h.instance, h.bytes, 20000, NULL, &slot)); /* pays for the one before */
    disarm();
    assert_true(gc->marking && gc->marked - before <= 2 * STEP);
    close_heap(h);
}

/* ---- making instances ---- */

/* As many elements as the stop is looked at, and some. */
static wag_module *with_segment(bool is_active, uint32_t count)
{
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, 1, "\x01\x60\x00\x00");
    BUILD_WHOLE(&b, 3, "\x01\x00");
    size_t tables = build_section(&b, 4);
    build_raw(&b, "\x01\x70\x00", 3);
    build_leb(&b, count);
    build_end(&b, tables);
    BUILD_WHOLE(&b, 7, "\x01\x01t\x01\x00");
    size_t elements = build_section(&b, 9);
    build_u8(&b, 1);
    if (is_active)
        build_raw(&b, "\x00\x41\x00\x0B", 4);
    else
        build_raw(&b, "\x01\x00", 2);
    build_leb(&b, count);
    for (uint32_t i = 0; i < count; i++)
        build_u8(&b, 0);
    build_end(&b, elements);
    BUILD_WHOLE(&b, 10, "\x01\x02\x00\x0B");
    wag_module *module = NULL;
    wag_error *error = NULL;
    if (wag_module_new(build_bytes(&b), NULL, &module, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    build_free(&b);
    return module;
}

static void test_making_an_instance_of_long_segments_is_stopped(void **state)
{
    (void)state;
    for (int is_active = 0; is_active < 2; is_active++)
        for (int is_long = 0; is_long < 2; is_long++) {
            wag_module *module = with_segment(is_active, is_long ? 70000 : 60000);
            wag_instance *instance = NULL;
            for (int life = 0; life < 2; life++) { /* a new block, and one that has what is needed */
                wag_err wanted = is_long && life == 0 ? WAG_INTERRUPTED : WAG_OK;
                arm();
                ASSERT_ERR(wag_instance_new(module, NULL, &instance, NULL), wanted);
                assert_int_equal(wag_agent_interrupted(), wanted == WAG_OK); /* else it is answered */
                if (wanted == WAG_OK)
                    wag_instance_unref(instance);
                disarm();
                ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
                wag_table *table = wag_exports_table(wag_instance_exports(instance), "t");
                assert_int_equal(table->elements[59999] != 0, is_active);
                wag_instance_unref(instance);
            }
            wag_module_unref(module);
        }
}

static int no_agent(void **state)
{
    (void)state;
    assert_int_equal(wag_agent_close(), WAG_OK);
    return 0;
}
#define TEST(name) cmocka_unit_test_setup_teardown(name, no_agent, no_agent)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_instructions_on_memories_are_stopped_behind_a_step),
        TEST(test_instructions_on_tables_are_stopped_behind_a_step),
        TEST(test_a_table_that_did_not_grow_counts_for_nothing),
        TEST(test_new_arrays_are_stopped_behind_a_step),
        TEST(test_instructions_on_arrays_are_stopped_behind_a_step),
        TEST(test_copies_of_much_inside_an_array_that_overlap_are_like_those_of_little),
        TEST(test_a_new_array_of_much_is_stopped_in_every_tier),
        TEST(test_an_allocation_that_finds_the_heap_full_ends_with_the_stop),
        TEST(test_a_collection_for_an_allocation_gives_up_when_the_agent_is_to_stop),
        TEST(test_the_share_of_marking_of_an_allocation_is_done_in_steps),
        TEST(test_making_an_instance_of_long_segments_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

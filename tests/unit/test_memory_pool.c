/* Host-made memories that are used again: whatever was done with one, by whichever module in whichever tier, the next
 * one is as new; and what is kept stays within the limits. */
#define _GNU_SOURCE
#include "tests/support/check.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os.h"
#include "base/pages.h"
#include "runtime/pool.h"
#include "runtime/quota.h"
#include "runtime/slot.h"
#include "runtime/store.h"
#include "tests/support/sanitized.h"

enum { WASM_PAGE = 65536, OS_PAGE = 4096 };

/* Writes to the memory that it imports. */
static wag_module *writer(const char *type, wag_tier tier, wag_cluster *cluster)
{
    char text[1200];
    const char *index = type[0] == 'i' ? "i64" : "i32"; /* the type of addresses */
    snprintf(text, sizeof text,
             "(module (memory (import \"env\" \"m\") %s) (data (%s.const 70000) \"imported\")"
             " (func (export \"write\") (param $page %s)"
             "  (i32.store (%s.shl (local.get $page) (%s.const 12)) (i32.const 0x5a5a5a5a)))"
             " (func (export \"fill\") (param $page %s) (param $count %s)"
             "  (memory.fill (%s.shl (local.get $page) (%s.const 12)) (i32.const 7)"
             "   (%s.shl (local.get $count) (%s.const 12))))"
             " (func (export \"copy\") (param $address %s) (param $size %s)"
             "  (memory.fill (local.get $address) (i32.const 9) (local.get $size))"
             "  (memory.copy (%s.add (local.get $address) (%s.const 5000)) (local.get $address) (local.get $size)))"
             " (func (export \"grow\") (param %s) (result %s) (memory.grow (local.get 0))))",
             type, index, index, index, index, index, index, index, index, index, index, index, index, index, index,
             index, index);
    wag_bytes bytes = wat(text);
    wag_module *module = NULL;
    wag_error *error = NULL;
    if (wag_module_new(bytes, &(wag_compile_options){.tier = tier, .cluster = cluster}, &module, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    wat_free(bytes);
    return module;
}

static wag_memory *memory_of(const wag_memory_descriptor *descriptor)
{
    wag_memory *memory = NULL;
    wag_error *error = NULL;
    if (wag_memory_create(descriptor, &memory, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    return memory;
}

static wag_instance *import(wag_module *module, wag_memory *memory)
{
    wag_imports *imports = wag_imports_new();
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    ASSERT_OK(wag_imports_set(imports, "env", "m", WAG_MEMORY(memory)));
    if (wag_instance_new(module, imports, &instance, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    wag_imports_unref(imports);
    return instance;
}

static wag_val call(const wag_instance *instance, const char *name, int64_t a, int64_t b)
{
    wag_func *func = wag_exports_func(wag_instance_exports(instance), name);
    bool wide = func->type->params[0] == WAGI_I64;
    wag_val args[2] = {wide ? WAG_VAL_I64(a) : WAG_VAL_I32((int32_t)a),
                       wide ? WAG_VAL_I64(b) : WAG_VAL_I32((int32_t)b)};
    wag_val result = {.kind = WAG_I32};
    ASSERT_OK(wag_call(func, args, wag_func_param_count(func), &result, wag_func_result_count(func), NULL));
    return result;
}

static void assert_as_new(const wag_memory *memory, uint64_t pages)
{
    assert_int_equal(wag_memory_pages(memory), pages);
    size_t size = wag_memory_size(memory);
    assert_int_equal(size, pages * WASM_PAGE);
    const uint8_t *at = wag_memory_readable(memory, 0, size);
    assert_non_null(at);
    if (size && (at[0] != 0 || memcmp(at, at + 1, size - 1) != 0))
        for (size_t i = 0; i < size; i++)
            if (at[i])
                fail_msg("byte %zu is %d", i, at[i]);
}

static void enter(wag_reset_strategy reset, wag_cluster **ret_cluster)
{
    ASSERT_OK(wag_agent_close());
    ASSERT_OK(wag_cluster_new(&(wag_cluster_options){.reset = reset, .check_resets = true}, ret_cluster));
    ASSERT_OK(wag_agent_open(*ret_cluster));
}

static void leave(wag_cluster *cluster)
{
    wag_agent *agent = wag_agent_current();
    assert_int_equal(wag_cluster_reset_mismatches(cluster), 0);
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 0);
    wagi_pools_trim(agent);
    assert_int_equal(agent->pools.ready_bytes, 0);
    assert_int_equal(agent->pools.ready_guarded, 0);
    assert_int_equal(agent->pools.ready_memory, 0);
    assert_int_equal(agent->quotas[WAGI_QUOTA_MEMORY].used, 0);
    assert_int_equal(agent->sealed.count, 0);
    ASSERT_OK(wag_agent_close());
    wag_cluster_unref(cluster);
}

static size_t ready_count(void)
{
    size_t count = 0;
    for (wagi_memory_pool *pool = wag_agent_current()->pools.memories; pool; pool = pool->next)
        count += pool->ready.n;
    return count;
}

static uint32_t random_state = 1;
static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % bound;
}

/* ---- no byte reaches the next one ---- */

/* What an instance and the host may do with a memory. */
static void do_something(wag_memory *memory, const wag_instance *instance)
{
    uint32_t os_pages = (uint32_t)wag_memory_pages(memory) * (WASM_PAGE / OS_PAGE), first = random_below(os_pages);
    switch (random_below(10)) {
    case 0: /* a few anywhere */
        for (uint32_t i = random_below(6); i > 0; i--)
            call(instance, "write", random_below(os_pages), 0);
        break;
    case 1: /* every second page: more places than are remembered */
        for (uint32_t i = 0; i < os_pages; i += 2)
            call(instance, "write", i, 0);
        break;
    case 2: /* everything */
        call(instance, "fill", 0, os_pages);
        break;
    case 3:
        call(instance, "fill", first, random_below(os_pages - first + 1));
        break;
    case 4:
        call(instance, "grow", random_below(3), 0);
        call(instance, "write", (int64_t)wag_memory_pages(memory) * 16 - 1, 0);
        break;
    case 5:
        wag_memory_grow(memory, random_below(3), NULL, NULL);
        memset(wag_memory_data(memory), 0xA5, wag_memory_size(memory));
        break;
    case 6:
        memset(wag_memory_writable(memory, first * OS_PAGE + 17, OS_PAGE - 17), 1, OS_PAGE - 17);
        break;
    case 7:
        ASSERT_OK(wag_memory_write(memory, first * OS_PAGE + 4090, "crosses", first + 1 < os_pages ? 7 : 6));
        break;
    case 8: /* a few bytes, across the border of pages */
        first = first + 3 < os_pages ? first : 0;
        call(instance, "copy", first * OS_PAGE + 4000, random_below(300));
        break;
    default:
        break;
    }
    call(instance, "write", 1, 0); /* and what all of them do */
    call(instance, "write", 5, 0);
}

static void churn(wag_reset_strategy strategy, wag_tier tier, const char *type, const wag_memory_descriptor *descriptor,
                  int rounds)
{
    wag_cluster *cluster;
    enter(strategy, &cluster);
    wag_module *module = writer(type, tier, cluster);
    wag_memory *memories[3] = {NULL};
    wag_instance *instances[3] = {NULL};
    for (int i = 0; i < rounds; i++) {
        uint32_t n = random_below(3);
        wag_instance_unref(instances[n]);
        wag_memory_unref(memories[n]);
        memories[n] = memory_of(descriptor);
        assert_as_new(memories[n], descriptor->initial);
        instances[n] = import(module, memories[n]);
        do_something(memories[n], instances[n]);
    }
    for (int n = 0; n < 3; n++) {
        wag_instance_unref(instances[n]);
        wag_memory_unref(memories[n]);
    }
    assert_true(ready_count() > 0 && ready_count() <= 4);
    wag_module_unref(module);
    leave(cluster);
}

static const wag_reset_strategy strategies[] = {WAG_RESET_DEFAULT, WAG_RESET_FULL, WAG_RESET_SCAN, WAG_RESET_DISCARD,
                                                WAG_RESET_SEALED};
static const wag_tier tiers[] = {WAG_TIER_INTERP, WAG_TIER_NATIVE_CHECKED, WAG_TIER_NATIVE_GUARD};

static void test_no_byte_reaches_the_next_memory_of_the_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++)
        for (size_t j = 0; j < sizeof tiers / sizeof *tiers; j++) {
            churn(strategies[i], tiers[j], "2", &(wag_memory_descriptor){.initial = 2, .maximum = UINT64_MAX}, 120);
            churn(strategies[i], tiers[j], "2 20", &(wag_memory_descriptor){.initial = 17, .maximum = 20}, 60);
            churn(strategies[i], tiers[j], "i64 2",
                  &(wag_memory_descriptor){.initial = 3, .maximum = UINT64_MAX, .address_i64 = true}, 40);
        }
}

static void test_the_same_on_systems_that_know_less(void **state)
{
    (void)state;
    for (int level = 1; level <= 2; level++) {
        wagi_pages_pretend(level);
        churn(WAG_RESET_DEFAULT, WAG_TIER_NATIVE_GUARD, "2",
              &(wag_memory_descriptor){.initial = 5, .maximum = UINT64_MAX}, 100);
        churn(WAG_RESET_SCAN, WAG_TIER_INTERP, "2", &(wag_memory_descriptor){.initial = 5, .maximum = UINT64_MAX}, 100);
        wagi_pages_pretend(0);
    }
}

/* The second life of a memory begins in one tier where the first one was in another. */
static void test_a_memory_goes_from_tier_to_tier(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_SEALED, &cluster);
    wag_module *modules[] = {writer("2", tiers[0], cluster), writer("2", tiers[1], cluster),
                             writer("2", tiers[2], cluster)};
    for (int i = 0; i < 200; i++) {
        wag_memory *memory = memory_of(&(wag_memory_descriptor){.initial = 4, .maximum = 9});
        assert_as_new(memory, 4);
        wag_instance *first = import(modules[random_below(3)], memory),
                     *second = import(modules[random_below(3)], memory);
        do_something(memory, first);
        do_something(memory, second);
        wag_instance_unref(first);
        wag_instance_unref(second);
        wag_memory_unref(memory);
    }
    for (int i = 0; i < 3; i++)
        wag_module_unref(modules[i]);
    leave(cluster);
}

static void test_what_a_buffer_wrote_is_gone(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_SEALED, &cluster);
    wag_module *module = writer("2", WAG_TIER_DEFAULT, cluster);
    for (int i = 0; i < 40; i++) {
        wag_memory *memory = memory_of(&(wag_memory_descriptor){.initial = 3, .maximum = 4});
        assert_as_new(memory, 3);
        wag_instance_unref(import(module, memory));
        wag_buffer *buffer = wag_memory_buffer(memory);
        memset(wag_buffer_data(buffer), 9, wag_buffer_size(buffer));
        wag_memory_unref(memory);
        wag_buffer_unref(buffer); /* all that held it */
    }
    wag_module_unref(module);
    leave(cluster);
}

static void test_a_memory_of_no_pages_and_one_with_pages_of_one_byte(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    for (int i = 0; i < 20; i++) {
        wag_memory *empty = memory_of(&(wag_memory_descriptor){.maximum = 8}), *bytes = NULL;
        assert_as_new(empty, 0);
        if (i % 2) {
            ASSERT_OK(wag_memory_grow(empty, 2, NULL, NULL));
            assert_as_new(empty, 2);
            memset(wag_memory_data(empty), 1, 2 * WASM_PAGE);
        }
        wagi_memory_type type = {.limits = {.minimum = 5000, .maximum = 90000, .has_maximum = true}};
        ASSERT_OK(wagi_memory_new(wag_agent_current(), type, &bytes, NULL));
        for (size_t at = 0; at < 5000; at++)
            assert_int_equal(bytes->base[at], 0);
        memset(bytes->base, 3, 5000);
        wag_memory_unref(empty);
        wag_memory_unref(bytes);
    }
    leave(cluster);
}

static void test_a_large_memory_that_was_filled_is_given_back_to_the_system(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    for (int i = 0; i < 3; i++) {
        wag_memory *memory = memory_of(&(wag_memory_descriptor){.initial = 512, .maximum = UINT64_MAX});
        assert_as_new(memory, 512);
        memset(wag_memory_data(memory), 1, wag_memory_size(memory));
        wag_memory_unref(memory);
        assert_int_equal(ready_count(), 1);
        assert_in_range(wag_agent_current()->pools.ready_bytes, 1, 16 << 20);
    }
    leave(cluster);
}

static void test_a_shared_memory_is_no_other_one_that_is_used_again(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    for (int i = 0; i < 3; i++) {
        wag_memory *plain = memory_of(&(wag_memory_descriptor){.initial = 1, .maximum = 2}), *wide, *shared;
        assert_false(wag_memory_is_shared(plain));
        assert_as_new(plain, 1);
        wag_memory_unref(plain);
        shared = memory_of(&(wag_memory_descriptor){.initial = 1, .maximum = 2, .shared = true});
        assert_true(wag_memory_is_shared(shared));
        wide = memory_of(&(wag_memory_descriptor){.initial = 1, .maximum = 2, .address_i64 = true});
        assert_true(wide->type.limits.is_64);
        memset(wag_memory_data(shared), 1, WASM_PAGE);
        wag_memory_unref(shared);
        wag_memory_unref(wide);
    }
    leave(cluster);
}

/* ---- what it costs ---- */

static bool has_guard_pages(wag_cluster *cluster)
{
    wag_module *module = writer("2", WAG_TIER_DEFAULT, cluster);
    bool has = wag_module_tier(module) == WAG_TIER_NATIVE_GUARD;
    wag_module_unref(module);
    return has;
}

static void test_in_the_steady_state_the_memory_stays_where_it_is_and_its_hot_pages_are_known(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    if (!has_guard_pages(cluster)) {
        leave(cluster);
        skip();
    }
    wag_module *module = writer("2", WAG_TIER_DEFAULT, cluster);
    const uint8_t *at = NULL;
    for (int i = 0; i < 60; i++) {
        wag_memory *memory = memory_of(&(wag_memory_descriptor){.initial = 256, .maximum = 32768});
        wag_instance *instance = import(module, memory);
        call(instance, "write", 700, 0);
        if (i > 1) /* the host made it without guard pages once */
            assert_ptr_equal(memory->base, at);
        at = memory->base;
        if (i > 10) {
            assert_non_null(memory->slot.seal);
            assert_int_equal(memory->slot.seal->pages, 2); /* the segment's and ours */
            assert_int_equal(memory->slot.cold_count, 0);
        }
        wag_instance_unref(instance);
        wag_memory_unref(memory);
    }
    wag_module_unref(module);
    leave(cluster);
}

/* ---- limits ---- */

static void test_no_more_memories_are_kept_than_the_limit_allows(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_ready_bytes, 1 << 20));
    wag_memory *alive[40];
    for (int i = 0; i < 40; i++) {
        alive[i] = memory_of(&(wag_memory_descriptor){.initial = 2, .maximum = 2});
        memset(wag_memory_data(alive[i]), 1, 2 * WASM_PAGE);
    }
    for (int i = 0; i < 40; i++)
        wag_memory_unref(alive[i]);
    assert_in_range(ready_count(), 1, 8);
    assert_in_range(wag_agent_current()->pools.ready_bytes, 1, 1 << 20);
    leave(cluster);
}

static void test_types_that_were_not_used_for_longest_are_forgotten(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    wag_memory *held = memory_of(&(wag_memory_descriptor){.initial = 1, .maximum = 500});
    for (uint64_t maximum = 1; maximum < 100; maximum++) {
        wag_memory *memory = memory_of(&(wag_memory_descriptor){.initial = 1, .maximum = maximum});
        assert_as_new(memory, 1);
        memset(wag_memory_data(memory), 1, WASM_PAGE);
        wag_memory_unref(memory);
        size_t pools = 0;
        for (wagi_memory_pool *pool = wag_agent_current()->pools.memories; pool; pool = pool->next)
            pools++;
        assert_in_range(pools, 2, 16);
    }
    wag_memory *last = memory_of(&(wag_memory_descriptor){.initial = 1, .maximum = 99});
    assert_as_new(last, 1);
    assert_int_equal(ready_count(), 14); /* one of the 15 beside `held` is in use again */
    wag_memory_unref(last);
    wag_memory_unref(held);
    leave(cluster);
}

static void test_kept_memory_counts_and_goes_as_far_as_others_need_it(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_agent_memory_bytes, 10 * WASM_PAGE));
    wag_memory *alive[10];
    for (int i = 0; i < 10; i++)
        alive[i] = memory_of(&(wag_memory_descriptor){.initial = 1, .maximum = 20});
    for (int i = 0; i < 9; i++)
        wag_memory_unref(alive[i]);
    assert_int_equal(ready_count(), 9);
    assert_int_equal(wag_agent_current()->quotas[WAGI_QUOTA_MEMORY].used, 10 * WASM_PAGE);
    /* Refused, whatever went: so nothing goes. */
    ASSERT_ERR(wag_memory_grow(alive[9], 10, NULL, NULL), WAG_RANGE);
    ASSERT_ERR(wag_memory_new(10, 10, NULL, NULL), WAG_QUOTA);
    assert_int_equal(ready_count(), 9);
    ASSERT_OK(wag_memory_grow(alive[9], 3, NULL, NULL));
    assert_int_equal(ready_count(), 6);
    wag_memory *large = memory_of(&(wag_memory_descriptor){.initial = 4, .maximum = 4});
    assert_int_equal(ready_count(), 2);
    wag_memory_unref(large);
    wag_memory_unref(alive[9]);
    /* A limit that was lowered below what is kept. */
    ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_agent_memory_bytes, 2 * WASM_PAGE));
    wag_memory *last = memory_of(&(wag_memory_descriptor){.initial = 1, .maximum = 20});
    assert_true(wag_agent_current()->quotas[WAGI_QUOTA_MEMORY].used <= 2 * WASM_PAGE);
    wag_memory_unref(last);
    leave(cluster);
}

static void test_a_guest_that_is_refused_again_and_again_costs_the_pools_nothing(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_cluster_memory_bytes, 10 * WASM_PAGE));
    wag_module *module = writer("1", WAG_TIER_DEFAULT, cluster);
    wag_memory *memory = memory_of(&(wag_memory_descriptor){.initial = 2, .maximum = UINT64_MAX}),
               *other = memory_of(&(wag_memory_descriptor){.initial = 2, .maximum = 2});
    wag_instance *instance = import(module, memory);
    wag_memory_unref(other);
    assert_int_equal(ready_count(), 1);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(call(instance, "grow", 9, 0).of.i32, -1);
    assert_int_equal(ready_count(), 1);
    assert_int_equal(call(instance, "grow", 8, 0).of.i32, 2);
    assert_int_equal(ready_count(), 0);
    wag_instance_unref(instance);
    wag_memory_unref(memory);
    wag_module_unref(module);
    leave(cluster);
}

static void test_a_lowered_page_limit_holds_for_a_memory_that_is_used_again(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    wag_memory_unref(memory_of(&(wag_memory_descriptor){.initial = 2, .maximum = UINT64_MAX}));
    ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_memory32_pages, 3));
    wag_memory *memory = memory_of(&(wag_memory_descriptor){.initial = 2, .maximum = UINT64_MAX});
    ASSERT_ERR(wag_memory_grow(memory, 2, NULL, NULL), WAG_RANGE);
    ASSERT_OK(wag_memory_grow(memory, 1, NULL, NULL));
    wag_memory_unref(memory);
    ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_memory32_pages, 1));
    ASSERT_ERR(wag_memory_new(2, UINT64_MAX, NULL, NULL), WAG_RANGE);
    leave(cluster);
}

/* ---- failures ---- */

static void test_whatever_the_system_refuses_the_next_memory_is_as_new(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_SEALED, &cluster);
    wag_module *module = writer("2", WAG_TIER_DEFAULT, cluster);
    for (uint64_t n = 0; n < 60; n++) {
        wagi_os_fail_once(n % 12);
        wagi_alloc_fail_after(n % 3 ? UINT64_MAX : n / 3);
        wag_memory *memory = NULL;
        wag_instance *instance = NULL;
        wag_imports *imports = wag_imports_new();
        if (imports && wag_memory_new(3, 9, &memory, NULL) == WAG_OK) {
            assert_as_new(memory, 3);
            if (wag_imports_set(imports, "env", "m", WAG_MEMORY(memory)) == WAG_OK)
                wag_instance_new(module, imports, &instance, NULL);
            wag_memory_grow(memory, 1, NULL, NULL);
            memset(wag_memory_writable(memory, 30000, 60000), 1, 60000);
        }
        if (instance)
            call(instance, "write", (int64_t)n % 40, 0);
        wag_instance_unref(instance);
        wag_imports_unref(imports);
        wag_memory_unref(memory);
        wagi_os_fail_once(UINT64_MAX);
        wagi_alloc_fail_after(UINT64_MAX);
    }
    wag_module_unref(module);
    leave(cluster);
}

static void test_a_memory_that_a_collection_frees_is_kept_too(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    wag_agent *agent = wag_agent_current();
    wag_memory *memory = memory_of(&(wag_memory_descriptor){.initial = 1, .maximum = 1});
    memset(wag_memory_data(memory), 1, WASM_PAGE);
    assert_true(wagi_store_begin_mark(agent)); /* from here on nothing dies at once */
    wag_memory_unref(memory);
    while (agent->gc.marking && !wagi_store_mark(agent, 1 << 20)) {
    }
    assert_int_equal(wag_agent_live_objects(), 1); /* it was held when the trace began */
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 0);
    assert_int_equal(ready_count(), 1);
    wag_memory *next = memory_of(&(wag_memory_descriptor){.initial = 1, .maximum = 1});
    assert_ptr_equal(next, memory);
    assert_as_new(next, 1);
    wag_memory_unref(next);
    leave(cluster);
}

static void test_a_forked_child_finds_the_memories_of_its_parent_as_new(void **state)
{
    (void)state;
    if (THREAD_SANITIZED)
        skip(); /* it ends a forked process that starts a thread */
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    wag_module *module = writer("2", WAG_TIER_DEFAULT, cluster);
    for (int who = 0; who < 2; who++) {
        pid_t child = who == 1 ? fork() : -1;
        for (int i = 0; i < 40; i++) {
            wag_memory *memory = memory_of(&(wag_memory_descriptor){.initial = 6, .maximum = 9});
            const uint8_t *at = wag_memory_readable(memory, 0, 6 * WASM_PAGE);
            if (at[0] || memcmp(at, at + 1, 6 * WASM_PAGE - 1) != 0)
                _exit(7);
            wag_instance *instance = import(module, memory);
            do_something(memory, instance);
            wag_instance_unref(instance);
            wag_memory_unref(memory);
        }
        if (child == 0)
            _exit(wag_cluster_reset_mismatches(cluster) != 0);
        int status = 0;
        if (child > 0) {
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_int_equal(status, 0);
        }
    }
    wag_module_unref(module);
    leave(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_byte_reaches_the_next_memory_of_the_type),
        cmocka_unit_test(test_the_same_on_systems_that_know_less),
        cmocka_unit_test(test_a_memory_goes_from_tier_to_tier),
        cmocka_unit_test(test_what_a_buffer_wrote_is_gone),
        cmocka_unit_test(test_a_memory_of_no_pages_and_one_with_pages_of_one_byte),
        cmocka_unit_test(test_a_shared_memory_is_no_other_one_that_is_used_again),
        cmocka_unit_test(test_a_large_memory_that_was_filled_is_given_back_to_the_system),
        cmocka_unit_test(test_in_the_steady_state_the_memory_stays_where_it_is_and_its_hot_pages_are_known),
        cmocka_unit_test(test_no_more_memories_are_kept_than_the_limit_allows),
        cmocka_unit_test(test_types_that_were_not_used_for_longest_are_forgotten),
        cmocka_unit_test(test_kept_memory_counts_and_goes_as_far_as_others_need_it),
        cmocka_unit_test(test_a_guest_that_is_refused_again_and_again_costs_the_pools_nothing),
        cmocka_unit_test(test_a_lowered_page_limit_holds_for_a_memory_that_is_used_again),
        cmocka_unit_test(test_whatever_the_system_refuses_the_next_memory_is_as_new),
        cmocka_unit_test(test_a_memory_that_a_collection_frees_is_kept_too),
        cmocka_unit_test(test_a_forked_child_finds_the_memories_of_its_parent_as_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Memory slots: whatever the strategy, the tier and the size, no byte of one instance reaches the next; sealing, cold
 * writes, growth; the kernel's writes; systems that know less. */
#include "tests/support/check.h"

#include <pthread.h>
#include <unistd.h>

#include "base/os.h"
#include "base/pages.h"
#include "runtime/pool.h"
#include "runtime/slot.h"

/* Pages of 4 KiB are written one by one, by number; the host looks at the bytes. */
static wag_module *writer(unsigned pages, unsigned most, wag_tier tier, wag_cluster *cluster)
{
    char text[800];
    snprintf(text, sizeof text,
             "(module (memory (export \"m\") %u %u) (data (i32.const 20) \"first\") (data (i32.const 65530) \"border\")"
             " (func (export \"write\") (param $page i32)"
             "  (i32.store (i32.shl (local.get $page) (i32.const 12)) (i32.const 0x5a5a5a5a)))"
             " (func (export \"fill\") (param $page i32) (param $count i32)"
             "  (memory.fill (i32.shl (local.get $page) (i32.const 12)) (i32.const 7)"
             "   (i32.shl (local.get $count) (i32.const 12))))"
             " (func (export \"read\") (param $address i32) (result i32) (i32.load (local.get $address)))"
             " (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0))))",
             pages, most);
    wag_bytes bytes = wat(text);
    wag_module *module = NULL;
    wag_error *error = NULL;
    if (wag_module_new(bytes, &(wag_compile_options){.tier = tier, .cluster = cluster}, &module, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    wat_free(bytes);
    return module;
}

static wag_instance *make(wag_module *module)
{
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    if (wag_instance_new(module, NULL, &instance, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    return instance;
}

static wag_memory *memory_of(const wag_instance *instance)
{
    return wag_exports_memory(wag_instance_exports(instance), "m");
}

static void call(const wag_instance *instance, const char *name, int32_t a, int32_t b)
{
    wag_func *func = wag_exports_func(wag_instance_exports(instance), name);
    wag_val args[2] = {WAG_VAL_I32(a), WAG_VAL_I32(b)}, result;
    ASSERT_OK(wag_call(func, args, wag_func_param_count(func), &result, wag_func_result_count(func), NULL));
}

static void assert_as_new(const wag_instance *instance, unsigned pages)
{
    const wag_memory *memory = memory_of(instance);
    assert_int_equal(wag_memory_pages(memory), pages);
    const uint8_t *at = wag_memory_readable(memory, 0, wag_memory_size(memory));
    assert_non_null(at);
    for (size_t i = 0; i < wag_memory_size(memory); i++) {
        uint8_t wanted = 0;
        if (i >= 20 && i < 25)
            wanted = (uint8_t) "first"[i - 20];
        if (i >= 65530 && i < 65536)
            wanted = (uint8_t) "border"[i - 65530];
        if (at[i] != wanted)
            fail_msg("byte %zu is %d, not %d", i, at[i], wanted);
    }
}

/* In the agent of a cluster of its own. */
static void enter(wag_reset_strategy reset, wag_cluster **ret_cluster)
{
    ASSERT_OK(wag_agent_close());
    ASSERT_OK(wag_cluster_new(&(wag_cluster_options){.reset = reset, .check_resets = true}, ret_cluster));
    ASSERT_OK(wag_agent_open(*ret_cluster));
}

static void leave(wag_cluster *cluster)
{
    assert_int_equal(wag_cluster_reset_mismatches(cluster), 0);
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 0);
    assert_int_equal(wag_agent_current()->sealed.count, 0);
    ASSERT_OK(wag_agent_close());
    wag_cluster_unref(cluster);
}

static uint32_t random_state = 1;
static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % bound;
}

static const wag_reset_strategy strategies[] = {WAG_RESET_DEFAULT, WAG_RESET_FULL, WAG_RESET_SCAN, WAG_RESET_DISCARD,
                                                WAG_RESET_SEALED};
enum { STRATEGIES = sizeof strategies / sizeof *strategies };
static const wag_tier tiers[] = {WAG_TIER_INTERP, WAG_TIER_NATIVE_CHECKED, WAG_TIER_NATIVE_GUARD};
enum { TIERS = sizeof tiers / sizeof *tiers };

/* What an instance may do to its memory. */
static void do_something(const wag_instance *instance, uint32_t pages)
{
    uint32_t os_pages = pages * 16;
    switch (random_below(8)) {
    case 0: /* a few anywhere */
        for (uint32_t i = random_below(6); i > 0; i--)
            call(instance, "write", (int32_t)random_below(os_pages), 0);
        break;
    case 1: /* one after the other */
        for (uint32_t i = 0, first = random_below(os_pages); i < 30 && first + i < os_pages; i++)
            call(instance, "write", (int32_t)(first + i), 0);
        break;
    case 2: {
        uint32_t first = random_below(os_pages);
        call(instance, "fill", (int32_t)first, (int32_t)random_below(os_pages - first + 1));
        break;
    }
    case 3:
        call(instance, "grow", (int32_t)random_below(3), 0);
        call(instance, "write", (int32_t)wag_memory_pages(memory_of(instance)) * 16 - 1, 0);
        break;
    case 4:
        memset(wag_memory_data(memory_of(instance)) + random_below(os_pages) * 4096, 1, 4096);
        break;
    case 5:
        for (uint32_t i = 0; i < os_pages; i += 2) /* more places than are remembered */
            call(instance, "write", (int32_t)i, 0);
        break;
    default:
        break;
    }
    for (int32_t i = 0; i < 3; i++) /* and what all of them do */
        call(instance, "write", i * 5, 0);
}

static void churn(wag_reset_strategy strategy, wag_tier tier, unsigned pages, int rounds)
{
    wag_cluster *cluster;
    enter(strategy, &cluster);
    wag_module *module = writer(pages, pages + 40, tier, cluster);
    wag_instance *alive[3] = {NULL};
    for (int i = 0; i < rounds; i++) {
        wag_instance **place = &alive[random_below(3)];
        wag_instance_unref(*place);
        *place = make(module);
        assert_as_new(*place, pages);
        do_something(*place, pages);
    }
    for (int i = 0; i < 3; i++)
        wag_instance_unref(alive[i]);
    wag_module_unref(module);
    leave(cluster);
}

static void test_no_byte_reaches_the_next_instance(void **state)
{
    (void)state;
    static const unsigned sizes[] = {2, 5, 33};
    for (int s = 0; s < STRATEGIES; s++)
        for (int t = 0; t < TIERS; t++)
            for (int p = 0; p < 3; p++)
                churn(strategies[s], tiers[t], sizes[p], p == 2 ? 15 : 50);
}

static void test_the_same_on_systems_that_know_less(void **state)
{
    (void)state;
    for (int level = 1; level <= 2; level++) {
        wagi_pages_pretend(level);
        for (int s = 0; s < STRATEGIES; s++)
            for (int t = 1; t < TIERS; t++)
                churn(strategies[s], tiers[t], 5, 40);
        wagi_pages_pretend(0);
    }
}

/* ---- learning ---- */

static const wagi_memory_plan *plan_of(const wag_module *module)
{
    return &wagi_pool_find(wag_agent_current(), module)->plans[0];
}

static void live_once(wag_module *module, const int32_t *pages, size_t count)
{
    wag_instance *instance = make(module);
    for (size_t i = 0; i < count; i++)
        call(instance, "write", pages[i], 0);
    wag_instance_unref(instance);
}

static void test_pages_that_most_instances_write_become_hot(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    wag_module *module = writer(4, 4, WAG_TIER_NATIVE_GUARD, cluster);
    static const int32_t usual[] = {3, 4, 40};
    for (int i = 0; i < 100; i++)
        live_once(module, usual, 3);
    const wagi_seal *seal = plan_of(module)->seal;
    assert_non_null(seal);
    assert_int_equal(seal->pages, 3);
    assert_int_equal(seal->run_count, 2);
    assert_int_equal(seal->runs[0].first, 3);
    assert_int_equal(seal->runs[0].count, 2);
    assert_int_equal(seal->runs[1].first, 40);
    assert_int_equal(plan_of(module)->revisions, 1);
    wag_module_unref(module);
    leave(cluster);
}

static void test_a_rare_cold_write_stays_cold_and_a_frequent_one_becomes_hot(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    wag_module *module = writer(4, 4, WAG_TIER_NATIVE_GUARD, cluster);
    static const int32_t usual[] = {3}, unusual[] = {3, 50};
    for (int i = 0; i < 600; i++)
        live_once(module, i % 100 == 99 ? unusual : usual, i % 100 == 99 ? 2 : 1);
    assert_int_equal(plan_of(module)->seal->pages, 1);
    for (int i = 0; i < 600; i++)
        live_once(module, unusual, 2);
    assert_int_equal(plan_of(module)->seal->pages, 2);
    assert_int_equal(plan_of(module)->seal->runs[1].first, 50);
    wag_module_unref(module);
    leave(cluster);
}

static void test_writes_that_never_settle_leave_the_slots_open(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    wag_module *module = writer(200, 200, WAG_TIER_NATIVE_GUARD, cluster);
    wag_instance *first = make(module);
    for (int i = 0; i < 4000 && plan_of(module)->pages; i++) {
        int32_t pages[80];
        for (int j = 0; j < 80; j++)
            pages[j] = (int32_t)random_below(3200);
        live_once(module, pages, 80);
    }
    assert_int_equal(plan_of(module)->pages, 0);
    assert_null(plan_of(module)->seal);
    call(first, "write", 77, 0);
    wag_instance_unref(first);
    live_once(module, (int32_t[]){5}, 1);
    wag_module_unref(module);
    leave(cluster);
}

static void test_a_slot_that_is_sealed_keeps_working_when_its_plan_gives_up(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    wag_module *module = writer(4, 4, WAG_TIER_NATIVE_GUARD, cluster);
    for (int i = 0; i < 20; i++)
        live_once(module, (int32_t[]){3}, 1);
    wag_instance *sealed = make(module);
    assert_non_null(memory_of(sealed)->slot.seal);
    for (int i = 0; i < 600; i++) { /* a host that always takes the whole memory */
        wag_instance *instance = make(module);
        wag_memory_data(memory_of(instance))[9999] = 1;
        wag_instance_unref(instance);
    }
    assert_null(plan_of(module)->seal);
    call(sealed, "write", 60, 0);
    wag_instance_unref(sealed);
    wag_instance *next = make(module);
    assert_as_new(next, 4);
    wag_instance_unref(next);
    wag_module_unref(module);
    leave(cluster);
}

/* ---- the host ---- */

/* An instance in a sealed slot, whose page 50 is cold. */
static wag_instance *sealed_instance(wag_module *module)
{
    for (int i = 0; i < 20; i++)
        live_once(module, (int32_t[]){3}, 1);
    wag_instance *instance = make(module);
    assert_non_null(memory_of(instance)->slot.seal);
    return instance;
}

static void test_system_calls_can_write_where_the_host_was_let_in(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    wag_module *module = writer(4, 4, WAG_TIER_NATIVE_GUARD, cluster);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    for (int way = 0; way < 4; way++) {
        wag_instance *instance = sealed_instance(module);
        wag_memory *memory = memory_of(instance);
        size_t at = way == 3 ? 3 * 4096 + 4000 : 50 * 4096 + 4000; /* over a border; the last one from hot to cold */
        uint8_t *to = way == 0 ? wag_memory_data(memory) + at : wag_memory_writable(memory, at, 5000);
        assert_non_null(to);
        char bytes[5000];
        memset(bytes, 'k', sizeof bytes);
        assert_int_equal(write(ends[1], bytes, sizeof bytes), sizeof bytes);
        assert_int_equal(read(ends[0], to, sizeof bytes), sizeof bytes);
        assert_memory_equal(wag_memory_readable(memory, at, 5000), bytes, 5000);
        if (way == 2)
            call(instance, "write", 20, 0);
        wag_instance_unref(instance);
        instance = make(module);
        assert_as_new(instance, 4);
        wag_instance_unref(instance);
    }
    close(ends[0]);
    close(ends[1]);
    wag_module_unref(module);
    leave(cluster);
}

static void test_the_hosts_own_writes_need_no_permission(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    wag_module *module = writer(4, 4, WAG_TIER_NATIVE_GUARD, cluster);
    wag_instance *instance = sealed_instance(module);
    wag_memory *memory = memory_of(instance);
    ASSERT_OK(wag_memory_write(memory, 100000, "host", 4));
    memset((uint8_t *)(uintptr_t)wag_memory_readable(memory, 0, 0) + 200000, 3, 3 * 4096); /* the fault handler's */
    assert_int_equal(wag_memory_readable(memory, 200000, 1)[0], 3);
    wag_instance_unref(instance);
    instance = make(module);
    assert_as_new(instance, 4);
    wag_instance_unref(instance);
    wag_module_unref(module);
    leave(cluster);
}

static void test_views_are_checked_and_know_when_they_are_old(void **state)
{
    (void)state;
    wag_memory *memory;
    ASSERT_OK(wag_memory_new(1, 3, &memory, NULL));
    uint64_t generation = wag_memory_generation(memory);
    assert_non_null(wag_memory_writable(memory, 65535, 1));
    assert_non_null(wag_memory_writable(memory, 65536, 0));
    assert_null(wag_memory_writable(memory, 65535, 2));
    assert_null(wag_memory_readable(memory, UINT64_MAX, 2));
    assert_null(wag_memory_readable(NULL, 0, 0));
    assert_ptr_equal(wag_memory_data(memory), wag_memory_readable(memory, 0, 65536));
    ASSERT_OK(wag_memory_grow(memory, 1, NULL, NULL));
    assert_int_not_equal(wag_memory_generation(memory), generation);
    wag_memory_unref(memory);
}

static void test_a_memory_that_another_instance_imports_may_be_sealed(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    wag_module *module = writer(4, 4, WAG_TIER_NATIVE_GUARD, cluster);
    for (int t = 0; t < TIERS; t++) {
        wag_bytes bytes = wat("(module (import \"e\" \"m\" (memory 1)) (func (export \"write\") (param i32)"
                              " (i32.store (local.get 0) (i32.const -1))))");
        wag_module *user = NULL;
        ASSERT_OK(wag_module_new(bytes, &(wag_compile_options){.tier = tiers[t], .cluster = cluster}, &user, NULL));
        wat_free(bytes);
        wag_instance *owner = sealed_instance(module), *instance = NULL;
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set_namespace(imports, "e", WAG_INSTANCE(owner)));
        ASSERT_OK(wag_instance_new(user, imports, &instance, NULL));
        wag_imports_unref(imports);
        call(instance, "write", 50 * 4096 + 4094, 0); /* over two cold pages */
        wag_instance_unref(owner);
        wag_instance_unref(instance);
        owner = make(module);
        assert_as_new(owner, 4);
        wag_instance_unref(owner);
        wag_module_unref(user);
    }
    wag_module_unref(module);
    leave(cluster);
}

static void test_a_trap_behind_a_sealed_memory_is_still_a_trap(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    wag_module *module = writer(4, 4, WAG_TIER_NATIVE_GUARD, cluster);
    wag_instance *instance = sealed_instance(module);
    wag_func *write_page = wag_exports_func(wag_instance_exports(instance), "write");
    for (int32_t page = 63; page < 70; page++) {
        wag_val args[1] = {WAG_VAL_I32(page)};
        ASSERT_ERR(wag_call(write_page, args, 1, NULL, 0, NULL), page < 64 ? WAG_OK : WAG_MEMORY_BOUNDS);
    }
    wag_instance_unref(instance);
    wag_module_unref(module);
    leave(cluster);
}

static void test_a_mapping_that_cannot_be_had_costs_an_instance_at_the_most(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_DEFAULT, &cluster);
    wag_module *module = writer(4, 8, WAG_TIER_NATIVE_GUARD, cluster);
    for (uint64_t n = 0; n < 60; n++) {
        for (int i = 0; i < 20; i++)
            live_once(module, (int32_t[]){3, 30 + (int32_t)n / 3}, 2);
        wagi_os_fail_once(n % 12);
        for (int i = 0; i < 4; i++) {
            wag_instance *instance = NULL;
            if (wag_instance_new(module, NULL, &instance, NULL) != WAG_OK)
                continue;
            assert_as_new(instance, 4);
            call(instance, "write", 60, 0); /* cold */
            call(instance, "write", 62, 0);
            call(instance, "grow", 1, 0);
            if (n % 2)
                wag_memory_writable(memory_of(instance), 100000, 30000)[7] = 1;
            wag_instance_unref(instance);
        }
        wagi_os_fail_once(UINT64_MAX);
    }
    wag_module_unref(module);
    leave(cluster);
}

/* ---- threads ---- */

static void *live_in_a_thread(void *argument)
{
    wag_module *module = argument;
    wag_err err = wag_agent_open(module->cluster);
    for (int i = 0; i < 400 && err == WAG_OK; i++) {
        wag_instance *instance = NULL;
        err = wag_instance_new(module, NULL, &instance, NULL);
        if (err != WAG_OK)
            break;
        wag_func *func = wag_exports_func(wag_instance_exports(instance), "write");
        for (int32_t page = 0; page < 64 && err == WAG_OK; page += i % 7 + 1) {
            wag_val args[1] = {WAG_VAL_I32(page)};
            err = wag_call(func, args, 1, NULL, 0, NULL);
        }
        wag_instance_unref(instance);
    }
    wag_module_unref(module);
    return (void *)(uintptr_t)err;
}

static void test_threads_seal_and_unseal_on_their_own(void **state)
{
    (void)state;
    wag_cluster *cluster;
    enter(WAG_RESET_SEALED, &cluster);
    wag_module *module = writer(4, 4, WAG_TIER_NATIVE_GUARD, cluster);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, live_in_a_thread, wag_module_ref(module)), 0);
    for (int i = 0; i < 4; i++) {
        void *got;
        pthread_join(threads[i], &got);
        ASSERT_OK((wag_err)(uintptr_t)got);
    }
    wag_module_unref(module);
    leave(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_byte_reaches_the_next_instance),
        cmocka_unit_test(test_the_same_on_systems_that_know_less),
        cmocka_unit_test(test_pages_that_most_instances_write_become_hot),
        cmocka_unit_test(test_a_rare_cold_write_stays_cold_and_a_frequent_one_becomes_hot),
        cmocka_unit_test(test_writes_that_never_settle_leave_the_slots_open),
        cmocka_unit_test(test_a_slot_that_is_sealed_keeps_working_when_its_plan_gives_up),
        cmocka_unit_test(test_system_calls_can_write_where_the_host_was_let_in),
        cmocka_unit_test(test_the_hosts_own_writes_need_no_permission),
        cmocka_unit_test(test_views_are_checked_and_know_when_they_are_old),
        cmocka_unit_test(test_a_memory_that_another_instance_imports_may_be_sealed),
        cmocka_unit_test(test_a_trap_behind_a_sealed_memory_is_still_a_trap),
        cmocka_unit_test(test_a_mapping_that_cannot_be_had_costs_an_instance_at_the_most),
        cmocka_unit_test(test_threads_seal_and_unseal_on_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

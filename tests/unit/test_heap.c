/* The heap of structs and arrays: collection whole and in steps, the limit, handles of the host. */
#include "tests/support/check.h"

#include <pthread.h>

#include "base/alloc.h"
#include "runtime/agent.h"
#include "tests/support/gc.h"

static wag_instance *make(void)
{
    build b = gc_module();
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    if (wag_module_new(build_bytes(&b), NULL, &module, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
    wag_module_unref(module);
    build_free(&b);
    return instance;
}

/* Every test begins and ends without an agent. */
static int no_agent(void **state)
{
    (void)state;
    assert_int_equal(wag_agent_close(), WAG_OK);
    return 0;
}

static wag_err call(const wag_instance *instance, const char *name, int32_t n)
{
    wag_func *func = wag_exports_func(wag_instance_exports(instance), name);
    assert_non_null(func);
    wag_val arg = WAG_VAL_I32(n);
    return wag_call(func, &arg, wag_func_param_count(func), NULL, 0, NULL);
}

/* own */
static wag_any *any_of(const wag_instance *instance, const char *name, int32_t n)
{
    wag_func *func = wag_exports_func(wag_instance_exports(instance), name);
    wag_val arg = WAG_VAL_I32(n), result;
    ASSERT_OK(wag_call(func, &arg, wag_func_param_count(func), &result, 1, NULL));
    assert_int_equal(result.kind, WAG_ANYREF);
    return result.of.any;
}

static wagi_gc *heap(void)
{
    return &wag_agent_current()->gc;
}

static void collect(void)
{
    wagi_store_collect(wag_agent_current());
    assert_true(wagi_gc_sweep(heap(), UINT64_MAX));
    assert_true(wagi_gc_check(wag_agent_current()));
}

static void test_what_is_dead_is_used_again(void **state)
{
    (void)state;
    wag_instance *instance = make();
    ASSERT_OK(call(instance, "push", 1000));
    ASSERT_OK(call(instance, "churn", 5000000)); /* 120 MB */
    assert_true(heap()->collections > 5);
    assert_true(heap()->used < 16 * 1024 * 1024);
    assert_int_equal(call_i32(instance, "sum"), 500500);
    assert_true(wagi_gc_check(wag_agent_current()));
    wag_instance_unref(instance);
}

/* Mappings that are given back after a round and made again in the next one cost a page fault for each page. */
static void test_a_heap_whose_objects_die_young_keeps_its_mappings(void **state)
{
    (void)state;
    wag_instance *instance = make();
    ASSERT_OK(call(instance, "churn", 2000000)); /* 48 MB: as large as it gets */
    uint64_t collections = heap()->collections;
    size_t mappings = heap()->regions.n, given_back = 0;
    for (int i = 0; i < 1000; i++) {
        ASSERT_OK(call(instance, "churn", 5000));
        given_back += heap()->regions.n < mappings;
        mappings = heap()->regions.n;
    }
    assert_true(heap()->collections > collections + 5);
    assert_int_equal(given_back, 0);
    wag_instance_unref(instance);
}

static void test_a_collection_at_every_allocation_changes_nothing(void **state)
{
    (void)state;
    wag_instance *instance = make();
    wagi_gc_stress(wag_agent_current(), true);
    ASSERT_OK(call(instance, "push", 200));
    ASSERT_OK(call(instance, "reverse", 0));
    ASSERT_OK(call(instance, "churn", 100));
    assert_int_equal(call_i32(instance, "sum"), 20100);
    wag_any *refs = any_of(instance, "refs", 3000); /* a large object */
    ASSERT_OK(call(instance, "drop", 0));
    ASSERT_OK(call(instance, "churn", 10));
    assert_true(wagi_gc_check(wag_agent_current()));
    wag_any_unref(refs);
    wag_instance_unref(instance);
}

static void test_the_compiler_computes_the_same_size_classes(void **state)
{
    (void)state;
    wag_instance *instance = make();
    ASSERT_OK(call(instance, "push", 1));
    for (uint32_t size = 1; size <= WAGI_GC_SMALL; size++)
        assert_int_equal(wagi_gc_class_of(size), heap()->class_of[(size + WAGI_GC_GRANULE - 1) / WAGI_GC_GRANULE]);
    wag_instance_unref(instance);
}

/* The program turns the list around while it is being marked: without the barrier on stores half of it would be lost.
 */
static void test_a_mark_in_steps_keeps_what_moves_meanwhile(void **state)
{
    (void)state;
    wag_instance *instance = make();
    wag_agent *agent = wag_agent_current();
    enum { N = 20000 };
    ASSERT_OK(call(instance, "push", N));
    for (int i = 0; i < 20; i++) {
        assert_true(wagi_gc_sweep(heap(), UINT64_MAX));
        if (!heap()->marking)
            assert_true(wagi_store_begin_mark(agent));
        if (heap()->marking) {
            assert_false(wagi_store_mark(agent, 1 + (uint64_t)i * 20000));
            assert_true(heap()->marking);
        }
        ASSERT_OK(call(instance, "reverse", 0));
        while (heap()->marking && !wagi_store_mark(agent, 5000))
            ;
        assert_true(wagi_gc_check(agent));
        assert_int_equal(call_i32(instance, "sum"), (int32_t)((int64_t)N * (N + 1) / 2));
    }
    wag_instance_unref(instance);
}

static void test_overwritten_globals_survive_the_mark_that_is_under_way(void **state)
{
    (void)state;
    wag_instance *instance = make();
    wag_agent *agent = wag_agent_current();
    ASSERT_OK(call(instance, "push", 100));
    assert_true(wagi_gc_sweep(heap(), UINT64_MAX));
    assert_true(wagi_store_begin_mark(agent));
    ASSERT_OK(call(instance, "drop", 0)); /* nothing has been marked yet: the global is not scanned */
    while (heap()->marking && !wagi_store_mark(agent, 100))
        ;
    assert_int_equal(heap()->live, 100 * 24);
    collect();
    assert_int_equal(heap()->live, 0);
    wag_instance_unref(instance);
}

static void test_marking_without_memory_finds_everything(void **state)
{
    (void)state;
    wag_instance *instance = make();
    wag_agent *agent = wag_agent_current();
    ASSERT_OK(call(instance, "push", 3000));
    wag_any *refs = any_of(instance, "refs", 30000);
    collect();
    uint64_t live = heap()->live;
    WAGI_VEC_FREE(&heap()->grey);
    wagi_alloc_fail_after(0);
    bool begun = wagi_store_begin_mark(agent);
    bool done = begun && wagi_store_mark(agent, UINT64_MAX);
    wagi_alloc_fail_after(UINT64_MAX);
    assert_true(begun && done);
    assert_int_equal(heap()->live, live);
    assert_true(wagi_gc_sweep(heap(), UINT64_MAX));
    assert_true(wagi_gc_check(agent));
    wag_any_unref(refs);
    wag_instance_unref(instance);
}

static void with_heap_limit(uint64_t bytes)
{
    wag_cluster *cluster = NULL;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_heap_bytes, bytes));
    ASSERT_OK(wag_agent_open(cluster));
    wag_cluster_unref(cluster);
}

static wag_instance *make_here(void)
{
    build b = gc_module();
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    wag_compile_options options = {.cluster = wag_agent_current()->cluster};
    ASSERT_OK(wag_module_new(build_bytes(&b), &options, &module, NULL));
    ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
    wag_module_unref(module);
    build_free(&b);
    return instance;
}

/* What the last call left goes first: outside of calls no stack is scanned that may still hold its address. */
static wag_err try_bytes(const wag_instance *instance, uint32_t n)
{
    wag_agent_collect();
    wag_func *func = wag_exports_func(wag_instance_exports(instance), "bytes");
    wag_val arg = WAG_VAL_I32((int32_t)n), result;
    wag_err err = wag_call(func, &arg, 1, &result, 1, NULL);
    if (err == WAG_OK)
        wag_val_unref(result);
    return err;
}

static void test_the_limit_is_a_trap_and_the_instance_lives_on(void **state)
{
    (void)state;
    with_heap_limit(1024 * 1024);
    wag_instance *instance = make_here();
    ASSERT_ERR(call(instance, "push", 100000), WAG_OUT_OF_HEAP);
    assert_true(heap()->used <= 1024 * 1024);
    ASSERT_OK(call(instance, "drop", 0));
    ASSERT_OK(call(instance, "push", 10000));
    ASSERT_OK(call(instance, "churn", 100000));
    assert_int_equal(call_i32(instance, "sum"), 50005000);
    wag_instance_unref(instance);
}

static void test_the_limit_holds_to_the_byte(void **state)
{
    (void)state;
    with_heap_limit(100000);
    wag_instance *instance = make_here();
    ASSERT_OK(try_bytes(instance, 100000 - 16));
    ASSERT_ERR(try_bytes(instance, 100000 - 15), WAG_OUT_OF_HEAP);
    ASSERT_OK(try_bytes(instance, 100000 - 16));
    ASSERT_ERR(try_bytes(instance, UINT32_MAX), WAG_OUT_OF_HEAP);
    wag_func *refs = wag_exports_func(wag_instance_exports(instance), "refs");
    wag_val arg = WAG_VAL_I32(-1), result;
    ASSERT_ERR(wag_call(refs, &arg, 1, &result, 1, NULL), WAG_OUT_OF_HEAP);
    wag_instance_unref(instance);
}

typedef struct other_agent {
    wag_cluster *cluster;
    wag_module *module;
    wag_err at, above;
} other_agent;

/* Tries to make arrays while another agent of the cluster has half of the limit: one that is too large by a byte, and
 * one that leaves what that agent may keep for later. */
static void *try_in_another_agent(void *argument)
{
    other_agent *other = argument;
    wag_instance *instance = NULL;
    other->at = wag_agent_open(other->cluster);
    if (other->at == WAG_OK && (other->at = wag_instance_new(other->module, NULL, &instance, NULL)) == WAG_OK) {
        other->above = try_bytes(instance, 50000 - 15);
        other->at = try_bytes(instance, 48000 - 16);
        wag_instance_unref(instance);
    }
    wag_agent_close();
    return NULL;
}

static void test_the_clusters_limit_holds_to_the_byte_for_all_agents_together(void **state)
{
    (void)state;
    wag_cluster *cluster = NULL;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_cluster_heap_bytes, 100000));
    ASSERT_OK(wag_agent_open(cluster));
    wag_instance *instance = make_here();
    ASSERT_OK(try_bytes(instance, 100000 - 16));
    ASSERT_ERR(try_bytes(instance, 100000 - 15), WAG_OUT_OF_HEAP);
    wag_any *half = any_of(instance, "bytes", 50000 - 16);
    collect();
    pthread_t thread;
    other_agent other = {.cluster = cluster, .module = wag_instance_module(instance)};
    assert_int_equal(pthread_create(&thread, NULL, try_in_another_agent, &other), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(other.above, WAG_OUT_OF_HEAP);
    assert_int_equal(other.at, WAG_OK);
    wag_any_unref(half);
    ASSERT_OK(try_bytes(instance, 100000 - 16)); /* the other agent has given back what it had */
    wag_instance_unref(instance);
    ASSERT_OK(wag_agent_close());
    assert_int_equal(atomic_load(&cluster->taken[WAGI_QUOTA_HEAP]), 0);
    wag_cluster_unref(cluster);
}

static wag_instance *make_in(wag_cluster *cluster, wag_tier tier)
{
    build b = gc_module();
    wag_compile_options options = {.cluster = cluster, .tier = tier};
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    ASSERT_OK(wag_module_new(build_bytes(&b), &options, &module, NULL));
    ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
    wag_module_unref(module);
    build_free(&b);
    return instance;
}

/* 24 bytes of payload a node, 32 in its cell: 256 KiB are four blocks with some 8,000 nodes. */
static void test_an_instances_limit_is_a_trap_for_it_alone(void **state)
{
    (void)state;
    static const wag_tier tiers[] = {WAG_TIER_INTERP, WAG_TIER_DEFAULT, WAG_TIER_NATIVE_CHECKED};
    for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++) {
        wag_cluster *cluster = NULL;
        ASSERT_OK(wag_cluster_new(NULL, &cluster));
        ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_instance_heap_bytes, 256 * 1024));
        ASSERT_OK(wag_agent_open(cluster));
        wag_instance *greedy = make_in(cluster, tiers[i]), *other = make_in(cluster, tiers[i]);
        ASSERT_OK(call(greedy, "churn", 100000)); /* dead ones do not count */
        ASSERT_OK(call(greedy, "push", 3000));
        ASSERT_ERR(call(greedy, "push", 100000), WAG_OUT_OF_HEAP);
        assert_true(heap()->used <= 256 * 1024);
        ASSERT_OK(call(other, "push", 3000)); /* has its own */
        ASSERT_OK(call(other, "churn", 100000));
        assert_int_equal(call_i32(other, "sum"), 4501500);
        wag_any *large = NULL;
        wag_func *bytes = wag_exports_func(wag_instance_exports(other), "bytes");
        wag_val arg = WAG_VAL_I32(256 * 1024), result;
        ASSERT_ERR(wag_call(bytes, &arg, 1, &result, 1, NULL), WAG_OUT_OF_HEAP);
        ASSERT_OK(call(greedy, "drop", 0));
        ASSERT_OK(call(greedy, "push", 3000)); /* it lives on */
        large = any_of(greedy, "bytes", 64 * 1024);
        /* What it made outlives it, and counts for the agent only. */
        wag_instance_unref(greedy);
        collect();
        assert_true(heap()->used >= 64 * 1024);
        assert_non_null(heap()->spaces);
        wag_any_unref(large);
        wag_instance_unref(other);
        collect();
        assert_int_equal(heap()->used, 0);
        assert_null(heap()->spaces);
        assert_int_equal(wag_agent_close(), WAG_OK);
        wag_cluster_unref(cluster);
    }
}

static void test_a_handle_keeps_its_object_and_is_the_only_one(void **state)
{
    (void)state;
    wag_instance *instance = make();
    ASSERT_OK(call(instance, "push", 10));
    wag_any *first = any_of(instance, "head", 0), *second = any_of(instance, "head", 0);
    assert_ptr_equal(first, second);
    assert_int_equal(wag_any_get_kind(first), WAG_ANY_STRUCT);
    wag_any_unref(second);
    ASSERT_OK(call(instance, "drop", 0));
    collect();
    assert_int_equal(heap()->live, 10 * 24);
    wag_any_unref(first);
    collect();
    assert_int_equal(heap()->live, 0);
    wag_instance_unref(instance);
}

/* CALL an export of one reference to one reference. */
static wag_val pass(const wag_instance *instance, const char *name, wag_val arg)
{
    wag_func *func = wag_exports_func(wag_instance_exports(instance), name);
    wag_val result;
    ASSERT_OK(wag_call(func, &arg, 1, &result, 1, NULL));
    return result;
}

static void test_references_keep_their_identity_in_both_hierarchies(void **state)
{
    (void)state;
    wag_instance *instance = make();
    wag_extern *host = wag_extern_new(&state, NULL);
    wag_val any = pass(instance, "in", WAG_VAL_EXTERN(host));
    assert_int_equal(wag_any_get_kind(any.of.any), WAG_ANY_EXTERN);
    wag_val back = pass(instance, "out", any);
    assert_ptr_equal(back.of.ext, host);
    wag_val_unref(back);
    wag_val_unref(any);
    wag_any *number = wag_any_new_i31(-7), *array = any_of(instance, "bytes", 5);
    assert_null(wag_any_new_i31(1 << 30));
    assert_int_equal(wag_any_get_kind(array), WAG_ANY_ARRAY);
    wag_any *both[] = {number, array};
    for (int i = 0; i < 2; i++) {
        wag_val out = pass(instance, "out", WAG_VAL_ANY(both[i])), again = pass(instance, "in", out);
        assert_int_equal(out.kind, WAG_EXTERNREF);
        assert_null(wag_extern_host(out.of.ext));
        assert_ptr_equal(again.of.any, both[i]);
        wag_any *converted = wag_any_of_extern(out.of.ext);
        assert_ptr_equal(converted, both[i]);
        wag_extern *other = wag_extern_of_any(both[i]);
        assert_ptr_equal(other, out.of.ext);
        wag_extern_unref(other);
        wag_any_unref(converted);
        wag_val_unref(out);
        wag_val_unref(again);
    }
    int32_t value = 0;
    assert_true(wag_any_i31(number, &value) && value == -7);
    assert_false(wag_any_i31(array, &value));
    wag_any_unref(number);
    wag_any_unref(array);
    wag_extern_unref(host);
    wag_instance_unref(instance);
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 0);
}

static void test_a_cycle_through_heap_and_instance_is_garbage(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        wag_instance *instance = make();
        ASSERT_OK(call(instance, "keep", 0));
        wag_instance_unref(instance);
    }
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 0);
    collect();
    assert_int_equal(heap()->live, 0);
}

static void test_types_are_held_as_long_as_they_have_objects(void **state)
{
    (void)state;
    wag_instance *instance = make();
    ASSERT_OK(call(instance, "push", 1));
    wag_any *node = any_of(instance, "head", 0);
    wagi_registry *registry = wag_agent_current()->cluster->registry;
    wag_instance_unref(instance);
    collect();
    assert_int_equal(wag_agent_live_objects(), 1); /* the handle */
    assert_int_equal(wagi_registry_group_count(registry), 1);
    assert_int_equal(wag_any_get_kind(node), WAG_ANY_STRUCT);
    wag_any_unref(node);
    collect();
    assert_int_equal(wagi_registry_group_count(registry), 0);
}

static void test_arguments_of_another_kind_or_type_are_refused(void **state)
{
    (void)state;
    wag_instance *instance = make();
    wag_func *id = wag_exports_func(wag_instance_exports(instance), "id");
    wag_val wrong = WAG_VAL_EXTERN(NULL), result;
    ASSERT_ERR(wag_call(id, &wrong, 1, &result, 1, NULL), WAG_TYPE);
    wag_val null = pass(instance, "id", WAG_VAL_ANY(NULL));
    assert_null(null.of.any);
    wag_any *number = wag_any_new_i31(3);
    wag_func *takes_struct = NULL;
    ASSERT_OK(wag_func_new("(structref i31ref eqref arrayref exnref)", (wag_host_func)abort, NULL, NULL, &takes_struct,
                           NULL));
    wag_val args[] = {WAG_VAL_ANY(number), WAG_VAL_ANY(number), WAG_VAL_ANY(number), WAG_VAL_ANY(NULL),
                      WAG_VAL_EXCEPTION(NULL)};
    ASSERT_ERR(wag_call(takes_struct, args, 5, NULL, 0, NULL), WAG_TYPE); /* the first is no struct */
    wag_func_unref(takes_struct);
    wag_any_unref(number);
    wag_instance_unref(instance);
}

#define HEAP_TEST(test) cmocka_unit_test_setup_teardown(test, no_agent, no_agent)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HEAP_TEST(test_what_is_dead_is_used_again),
        HEAP_TEST(test_the_compiler_computes_the_same_size_classes),
        HEAP_TEST(test_a_heap_whose_objects_die_young_keeps_its_mappings),
        HEAP_TEST(test_a_collection_at_every_allocation_changes_nothing),
        HEAP_TEST(test_a_mark_in_steps_keeps_what_moves_meanwhile),
        HEAP_TEST(test_overwritten_globals_survive_the_mark_that_is_under_way),
        HEAP_TEST(test_marking_without_memory_finds_everything),
        HEAP_TEST(test_the_limit_is_a_trap_and_the_instance_lives_on),
        HEAP_TEST(test_the_limit_holds_to_the_byte),
        HEAP_TEST(test_the_clusters_limit_holds_to_the_byte_for_all_agents_together),
        HEAP_TEST(test_an_instances_limit_is_a_trap_for_it_alone),
        HEAP_TEST(test_a_handle_keeps_its_object_and_is_the_only_one),
        HEAP_TEST(test_references_keep_their_identity_in_both_hierarchies),
        HEAP_TEST(test_a_cycle_through_heap_and_instance_is_garbage),
        HEAP_TEST(test_types_are_held_as_long_as_they_have_objects),
        HEAP_TEST(test_arguments_of_another_kind_or_type_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Where the process may have little: limits of agents and clusters, few addresses, many instances at once; and after a
 * fork. Each scene is a child process, which has used nothing of the library before and whose exit code is the result.
 */
#include "tests/support/check.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/pages.h"
#include "tests/support/sanitized.h"

enum { GOOD = 0, BAD_COMPILE = 10, BAD_INSTANCE, BAD_CALL, BAD_ERROR, BAD_TIER, BAD_COUNT, BAD_MEMORY, BAD_PROMISE };

static wag_bytes counter; /* "f" counts in memory and returns the count */

#define COUNTER                                                                                                        \
    "(module (memory (export \"m\") 1) (table 2 funcref) (func (export \"f\") (result i32)"                            \
    " (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1))) (i32.load (i32.const 8)))"            \
    " (func (export \"grow\") (result i32) (memory.grow (i32.const 1))))"

static void need(bool fine, int code)
{
    if (!fine)
        _exit(code);
}

static wag_module *compile(wag_tier tier, wag_cluster *cluster)
{
    wag_module *module = NULL;
    need(wag_module_new(counter, &(wag_compile_options){.tier = tier, .cluster = cluster}, &module, NULL) == WAG_OK,
         BAD_COMPILE);
    return module;
}

static int32_t call(wag_instance *instance, const char *name)
{
    wag_val result;
    need(wag_call(wag_exports_func(wag_instance_exports(instance), name), NULL, 0, &result, 1, NULL) == WAG_OK,
         BAD_CALL);
    return result.of.i32;
}

static void live_often(wag_module *module, int count)
{
    for (int i = 0; i < count; i++) {
        wag_instance *instance = NULL;
        need(wag_instance_new(module, NULL, &instance, NULL) == WAG_OK, BAD_INSTANCE);
        need(call(instance, "f") == 1, BAD_MEMORY);
        wag_instance_unref(instance);
    }
}

static void assert_good(void (*scene)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(120);
        scene();
        _exit(GOOD);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    if (!WIFEXITED(status))
        fail_msg("killed by signal %d", WTERMSIG(status));
    assert_int_equal(WEXITSTATUS(status), GOOD);
}

/* ---- limits ---- */

static wag_cluster *limited(wag_limit limit, uint64_t value)
{
    wag_cluster *cluster;
    need(wag_cluster_new(NULL, &cluster) == WAG_OK, BAD_COMPILE);
    need(wag_cluster_set_limit(cluster, limit, value) == WAG_OK, BAD_COMPILE);
    need(wag_agent_open(cluster) == WAG_OK, BAD_COMPILE);
    return cluster;
}

/* `most` instances can be alive, one more is an error with this word in it, and one that goes makes room for another.
 */
static void reach(wag_cluster *cluster, int most, const char *word)
{
    wag_module *module = compile(WAG_TIER_DEFAULT, cluster);
    wag_instance *alive[10];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < most; i++) {
            need(wag_instance_new(module, NULL, &alive[i], NULL) == WAG_OK, BAD_INSTANCE);
            need(call(alive[i], "f") == 1, BAD_MEMORY);
        }
        wag_error *error = NULL;
        need(wag_instance_new(module, NULL, NULL, &error) == WAG_QUOTA, BAD_ERROR);
        need(wag_error_get_class(error) == WAG_CLASS_RANGE_ERROR && strstr(wag_error_message(error), word), BAD_ERROR);
        wag_error_unref(error);
        for (int i = 0; i < most; i++)
            wag_instance_unref(alive[i]);
    }
}

static void limit_agent_instances(void)
{
    reach(limited(WAG_LIMIT_agent_instances, 3), 3, "limit of 3 for an agent");
}

static void limit_cluster_instances(void)
{
    reach(limited(WAG_LIMIT_cluster_instances, 3), 3, "limit of 3 for the cluster");
}

static void limit_agent_memory(void)
{
    wag_cluster *cluster = limited(WAG_LIMIT_agent_memory_bytes, 4 * 65536);
    reach(cluster, 4, "bytes of memory");
    wag_module *module = compile(WAG_TIER_DEFAULT, cluster);
    wag_instance *a = NULL, *b = NULL;
    need(wag_instance_new(module, NULL, &a, NULL) == WAG_OK && wag_instance_new(module, NULL, &b, NULL) == WAG_OK,
         BAD_INSTANCE);
    need(call(a, "grow") == 1 && call(a, "grow") == 2 && call(a, "grow") == -1 && call(b, "grow") == -1, BAD_MEMORY);
    wag_instance_unref(a);
    need(call(b, "grow") == 1 && call(b, "grow") == 2 && call(b, "grow") == 3 && call(b, "grow") == -1, BAD_MEMORY);
}

static void limit_cluster_memory(void)
{
    reach(limited(WAG_LIMIT_cluster_memory_bytes, 4 * 65536), 4, "bytes of memory");
}

static void limit_agent_tables(void)
{
    reach(limited(WAG_LIMIT_agent_table_entries, 8), 4, "table entries");
}

static void limit_cluster_tables(void)
{
    reach(limited(WAG_LIMIT_cluster_table_entries, 8), 4, "table entries");
}

static void test_a_limit_of_an_agent_or_cluster_is_an_error_with_its_name(void **state)
{
    (void)state;
    assert_good(limit_agent_instances);
    assert_good(limit_cluster_instances);
    assert_good(limit_agent_memory);
    assert_good(limit_cluster_memory);
    assert_good(limit_agent_tables);
    assert_good(limit_cluster_tables);
}

/* ---- addresses ---- */

static bool has_native;

static void little_address_space(void)
{
    struct rlimit limit = {1ull << 30, 1ull << 30};
    need(setrlimit(RLIMIT_AS, &limit) == 0, BAD_COMPILE);
    wag_module *module = compile(WAG_TIER_DEFAULT, NULL);
    need(wag_module_tier(module) != WAG_TIER_NATIVE_GUARD, BAD_TIER);
    live_often(module, 100);
    wag_error *error = NULL;
    if (has_native) {
        need(wag_module_new(counter, &(wag_compile_options){.tier = WAG_TIER_NATIVE_GUARD}, NULL, &error) ==
                 WAG_UNSUPPORTED,
             BAD_ERROR);
        wag_error_unref(error);
    }
}

/* The limit comes when the module has been compiled for guard pages: it holds for a few instances. */
static void address_space_for_a_few(void)
{
    wag_module *module = compile(WAG_TIER_DEFAULT, NULL);
    if (wag_module_tier(module) != WAG_TIER_NATIVE_GUARD)
        return;
    live_often(module, 30);
    struct rlimit limit = {40ull << 30, 40ull << 30};
    need(setrlimit(RLIMIT_AS, &limit) == 0, BAD_COMPILE);
    wag_instance *alive[10];
    wag_error *error = NULL;
    int count = 0;
    while (count < 10 && wag_instance_new(module, NULL, &alive[count], &error) == WAG_OK)
        count++;
    need(count >= 2 && count < 10, BAD_COUNT);
    need(wag_error_code(error) == WAG_RANGE && strstr(wag_error_message(error), "bounds checks"), BAD_ERROR);
    wag_error_unref(error);
    for (int i = 0; i < count; i++) {
        need(call(alive[i], "f") == 1, BAD_MEMORY);
        wag_instance_unref(alive[i]);
    }
    live_often(module, 30);
}

static void test_with_few_addresses_modules_are_compiled_with_bounds_checks(void **state)
{
    (void)state;
    if (SANITIZED)
        skip(); /* sanitizers reserve more addresses than the test leaves */
    assert_good(little_address_space);
}

static void test_instances_with_guard_pages_end_in_an_error_when_addresses_do(void **state)
{
    (void)state;
    if (SANITIZED)
        skip(); /* sanitizers reserve more addresses than the test leaves */
    assert_good(address_space_for_a_few);
}

static void no_pagemap(void)
{
    wagi_pages_pretend(2);
    live_often(compile(WAG_TIER_DEFAULT, NULL), 100);
    live_often(compile(WAG_TIER_INTERP, NULL), 100);
}

static void test_without_proc_instances_are_made_all_the_same(void **state)
{
    (void)state;
    assert_good(no_pagemap);
}

static void very_many(void)
{
    enum { COUNT = 100000 };
    wag_tier tier = has_native ? WAG_TIER_NATIVE_CHECKED : WAG_TIER_INTERP;
    wag_module *module = compile(tier, NULL);
    wag_instance **alive = calloc(COUNT, sizeof *alive);
    need(alive != NULL, BAD_INSTANCE);
    for (int i = 0; i < COUNT; i++)
        need(wag_instance_new(module, NULL, &alive[i], NULL) == WAG_OK, BAD_INSTANCE);
    for (int i = 0; i < COUNT; i += 1000)
        need(call(alive[i], "f") == 1, BAD_MEMORY);
    need(wag_agent_live_objects() == COUNT, BAD_COUNT);
    for (int i = 0; i < COUNT; i++)
        wag_instance_unref(alive[i]);
    need(wag_agent_live_objects() == 0, BAD_COUNT);
    free(alive);
}

static void test_100000_instances_with_a_page_are_alive_at_once(void **state)
{
    (void)state;
    if (THREAD_SANITIZED)
        skip(); /* its table of mappings ends before 100,000 */
    assert_good(very_many);
}

/* ---- system calls ---- */

/* From here on the kernel kills this process for any system call but read, write and exit. */
static void in_steady_state(wag_tier tier)
{
    wag_module *module = compile(tier, NULL);
    live_often(module, 2000);
    need(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0, BAD_COMPILE);
    live_often(module, 5000);
    syscall(SYS_exit, GOOD);
}

static void steady_interp(void)
{
    in_steady_state(WAG_TIER_INTERP);
}

static void steady_default(void)
{
    in_steady_state(WAG_TIER_DEFAULT);
}

static void test_in_the_steady_state_an_instance_costs_no_system_call(void **state)
{
    (void)state;
    if (SANITIZED)
        skip(); /* sanitizers make some of their own */
    assert_good(steady_interp);
    assert_good(steady_default);
}

/* ---- fork ---- */

static int status_of_child(void (*scene)(wag_module *module, wag_instance *instance), wag_module *module,
                           wag_instance *instance)
{
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        scene(module, instance);
        _exit(GOOD);
    }
    int status = -1;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static void compile_and_wait(void)
{
    wag_promise_module *promise = wag_compile(counter, NULL);
    wag_module *module = NULL;
    need(promise && wag_await(promise, &module, NULL) == WAG_OK, BAD_PROMISE);
    live_often(module, 5);
    wag_module_unref(module);
}

static void child(wag_module *module, wag_instance *instance)
{
    int32_t before = call(instance, "f");
    need(call(instance, "f") == before + 1, BAD_MEMORY);
    live_often(module, 100);
    live_often(compile(WAG_TIER_DEFAULT, NULL), 20);
    compile_and_wait();
    wag_instance_unref(instance);
    need(wag_agent_close() == WAG_OK, BAD_CALL);
    wag_module_unref(module);
}

static void parent(void)
{
    compile_and_wait(); /* threads and descriptors are there */
    wag_module *module = compile(WAG_TIER_DEFAULT, NULL);
    live_often(module, 100);
    wag_instance *instance = NULL;
    need(wag_instance_new(module, NULL, &instance, NULL) == WAG_OK, BAD_INSTANCE);
    int status = status_of_child(child, module, instance);
    need(status == GOOD, status);
    need(call(instance, "f") == 1, BAD_MEMORY); /* the child has memory of its own */
    live_often(module, 100);
    compile_and_wait();
}

static void test_a_forked_child_can_go_on_where_its_parent_was(void **state)
{
    (void)state;
    if (THREAD_SANITIZED)
        skip(); /* it ends a forked process that starts a thread */
    assert_good(parent);
}

int main(void)
{
    counter = wat(COUNTER);
    has_native = true;
#if !defined(__x86_64__)
    has_native = false;
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_limit_of_an_agent_or_cluster_is_an_error_with_its_name),
        cmocka_unit_test(test_with_few_addresses_modules_are_compiled_with_bounds_checks),
        cmocka_unit_test(test_instances_with_guard_pages_end_in_an_error_when_addresses_do),
        cmocka_unit_test(test_without_proc_instances_are_made_all_the_same),
        cmocka_unit_test(test_100000_instances_with_a_page_are_alive_at_once),
        cmocka_unit_test(test_in_the_steady_state_an_instance_costs_no_system_call),
        cmocka_unit_test(test_a_forked_child_can_go_on_where_its_parent_was),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    wat_free(counter);
    return failed;
}

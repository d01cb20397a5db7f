/* Where the process may have little: limits of agents and clusters, few addresses, many instances at once; and after a
 * fork. Each scene is a child process, which has used nothing of the library before and whose exit code is the result.
 */
#define _GNU_SOURCE /* unshare, chroot */
#include "tests/support/check.h"

#include <errno.h>
#include <glob.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/pages.h"
#include "tests/support/sanitized.h"

enum { GOOD = 0, BAD_COMPILE = 10, BAD_INSTANCE, BAD_CALL, BAD_ERROR, BAD_TIER, BAD_COUNT, BAD_MEMORY, BAD_PROMISE };

static bool has_native;
static wag_bytes counter; /* "f" counts in memory and returns the count */

static wag_bytes importer; /* the same in the host's memory */

#define IMPORTER                                                                                                       \
    "(module (memory (import \"env\" \"m\") 256) (data (i32.const 100000) \"text\") (func (export \"f\") (result i32)" \
    " (i32.store (i32.const 8000000) (i32.add (i32.load (i32.const 8000000)) (i32.const 1)))"                          \
    " (i32.load (i32.const 8000000))))"

#define COUNTER                                                                                                        \
    "(module (memory (export \"m\") 1) (table 2 funcref) (func (export \"f\") (result i32)"                            \
    " (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1))) (i32.load (i32.const 8)))"            \
    " (func (export \"cold\") (result i32) (i32.store (i32.const 40000) (i32.const 5)) (i32.load (i32.const 40000)))"  \
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

/* Two memories of a page and two tables of three entries; both can grow. */
#define TWO                                                                                                            \
    "(module (memory $a 1) (memory $b 1) (table $t 3 funcref) (table $u 3 funcref)"                                    \
    " (func (export \"f\") (result i32) (i32.load (i32.const 0)))"                                                     \
    " (func (export \"memory\") (result i32) (memory.grow $b (i32.const 1)))"                                          \
    " (func (export \"table\") (result i32) (table.grow $u (ref.null func) (i32.const 1))))"

static wag_bytes two;

/* With a limit of `least`, which is what it has from the start, an instance can be made and cannot grow; with one less
 * it cannot be made; with `step` more it grows once. Whatever one instance had, the next one may have. */
static void reach_own(wag_limit limit, uint64_t least, uint64_t step, const char *grow, int32_t size, const char *word)
{
    wag_cluster *cluster = limited(limit, least - 1);
    wag_module *module = NULL;
    wag_error *error = NULL;
    need(wag_module_new(two, &(wag_compile_options){.cluster = cluster}, &module, NULL) == WAG_OK, BAD_COMPILE);
    need(wag_instance_new(module, NULL, NULL, &error) == WAG_QUOTA, BAD_ERROR);
    need(wag_error_get_class(error) == WAG_CLASS_RANGE_ERROR && strstr(wag_error_message(error), word), BAD_ERROR);
    wag_error_unref(error);
    for (int more = 0; more < 2; more++) {
        need(wag_cluster_set_limit(cluster, limit, least + (uint64_t)more * step) == WAG_OK, BAD_COMPILE);
        for (int round = 0; round < 20; round++) {
            wag_instance *a = NULL, *b = NULL;
            need(wag_instance_new(module, NULL, &a, NULL) == WAG_OK, BAD_INSTANCE);
            need(wag_instance_new(module, NULL, &b, NULL) == WAG_OK, BAD_INSTANCE);
            need(call(a, grow) == (more ? size : -1) && call(a, grow) == -1, BAD_MEMORY);
            need(call(b, grow) == (more ? size : -1) && call(b, grow) == -1, BAD_MEMORY);
            wag_instance_unref(a);
            wag_instance_unref(b);
        }
    }
    wag_module_unref(module);
}

static void limit_instance_memory(void)
{
    reach_own(WAG_LIMIT_instance_memory_bytes, 2 * 65536, 65536, "memory", 1, "limit of 131071 for an instance");
}

static void limit_instance_tables(void)
{
    reach_own(WAG_LIMIT_instance_table_entries, 6, 1, "table", 3, "limit of 5 for an instance");
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

static void test_a_limit_of_an_instance_is_an_error_with_its_name(void **state)
{
    (void)state;
    assert_good(limit_instance_memory);
    assert_good(limit_instance_tables);
}

/* ---- stack ---- */

static wag_bytes recursion; /* "f" calls itself as many times as it is told */

#define RECURSION                                                                                                      \
    "(module (func $f (export \"f\") (param i32) (result i32) (if (result i32) (local.get 0)"                          \
    " (then (i32.add (i32.const 1) (call $f (i32.sub (local.get 0) (i32.const 1))))) (else (i32.const 0)))))"

/* Can it call itself so often? */
static bool goes_down(wag_instance *instance, int32_t depth)
{
    wag_func *f = wag_exports_func(wag_instance_exports(instance), "f");
    wag_val argument = WAG_VAL_I32(depth), result;
    wag_error *error = NULL;
    wag_err err = wag_call(f, &argument, 1, &result, 1, &error);
    need(err == WAG_OK ? result.of.i32 == depth : err == WAG_STACK_OVERFLOW, BAD_CALL);
    need(err == WAG_OK || wag_error_get_class(error) == WAG_CLASS_RANGE_ERROR ||
             wag_error_get_class(error) == WAG_CLASS_RUNTIME_ERROR,
         BAD_ERROR);
    wag_error_unref(error);
    return err == WAG_OK;
}

/* The depth n that an agent with this limit reaches: n can be called, n + 1 is a stack overflow. */
static int32_t deepest(wag_tier tier, wag_limit limit, uint64_t value)
{
    wag_cluster *cluster = limited(limit, value);
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    need(wag_module_new(recursion, &(wag_compile_options){.tier = tier, .cluster = cluster}, &module, NULL) == WAG_OK,
         BAD_COMPILE);
    need(wag_instance_new(module, NULL, &instance, NULL) == WAG_OK, BAD_INSTANCE);
    int32_t low = 0, high = 1 << 20;
    while (high - low > 1) {
        int32_t middle = low + (high - low) / 2;
        if (goes_down(instance, middle))
            low = middle;
        else
            high = middle;
    }
    need(goes_down(instance, low) && !goes_down(instance, low + 1) && goes_down(instance, low), BAD_COUNT);
    wag_instance_unref(instance);
    wag_module_unref(module);
    need(wag_agent_close() == WAG_OK, BAD_CALL);
    wag_cluster_unref(cluster);
    return low;
}

/* Twice the stack is twice the depth. */
static void limit_stack(wag_tier tier, wag_limit limit)
{
    int32_t once = deepest(tier, limit, 128 * 1024), twice = deepest(tier, limit, 256 * 1024);
    int32_t thrice = deepest(tier, limit, 384 * 1024);
    need(once > 100 && twice - once > 500, BAD_COUNT);
    int32_t difference = (thrice - twice) - (twice - once);
    need(difference >= -2 && difference <= 2, BAD_COUNT);
}

static void limit_native_stack(void)
{
    limit_stack(WAG_TIER_DEFAULT, WAG_LIMIT_native_stack_bytes);
}

static void limit_interpreter_stack(void)
{
    limit_stack(WAG_TIER_INTERP, WAG_LIMIT_interp_stack_bytes);
}

static void test_the_stack_of_an_agent_is_as_deep_as_its_limit_says(void **state)
{
    (void)state;
    assert_good(limit_interpreter_stack);
    if (has_native)
        assert_good(limit_native_stack);
}

/* ---- addresses ---- */

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

/* ---- what the system may refuse ---- */

static const wag_tier all_tiers[] = {WAG_TIER_DEFAULT, WAG_TIER_NATIVE_CHECKED, WAG_TIER_INTERP};
enum { TIERS = sizeof all_tiers / sizeof *all_tiers };

static bool has_tier(wag_tier tier)
{
    return has_native || tier != WAG_TIER_NATIVE_CHECKED;
}

static wag_bytes wide; /* five pages; "f" writes far apart and sees whether anybody has before */

#define WIDE                                                                                                           \
    "(module (memory 5) (data (i32.const 70000) \"\\01\")"                                                             \
    " (func (export \"f\") (result i32) (local $sum i32)"                                                              \
    " (local.set $sum (i32.add (i32.load (i32.const 8)) (i32.add (i32.load8_u (i32.const 70000))"                      \
    " (i32.load (i32.const 300000))))) (i32.store (i32.const 8) (i32.const 5)) (i32.store8 (i32.const 70000)"          \
    " (i32.const 9)) (i32.store (i32.const 300000) (i32.const 7)) (local.get $sum)))"

static void live_in_all_tiers(void)
{
    for (int i = 0; i < TIERS; i++) {
        if (!has_tier(all_tiers[i]))
            continue;
        wag_module *module = compile(all_tiers[i], NULL), *large = NULL;
        live_often(module, 100);
        wag_module_unref(module);
        need(wag_module_new(wide, &(wag_compile_options){.tier = all_tiers[i]}, &large, NULL) == WAG_OK, BAD_COMPILE);
        live_often(large, 200);
        wag_module_unref(large);
    }
}

static void count_pages(void *context, uint64_t first, uint64_t count)
{
    (void)first;
    *(uint64_t *)context += count;
}

/* Can the system say which pages of a mapping were written? */
static bool tells_written_pages(void)
{
    enum { SIZE = 1 << 20 };
    char *bytes = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(bytes != MAP_FAILED, BAD_MEMORY);
    bytes[5000] = 1;
    uint64_t count = 0;
    bool tells = wagi_pages_written(bytes, SIZE, count_pages, &count);
    need(!tells || count >= 1, BAD_MEMORY);
    munmap(bytes, SIZE);
    return tells;
}

static void no_pagemap(void)
{
    wagi_pages_pretend(2);
    need(!tells_written_pages(), BAD_TIER);
    live_in_all_tiers();
}

/* In an empty directory that is this process's root. Without the right to that, as if /proc had nothing to say. */
static void no_proc(void)
{
    char directory[] = "/tmp/waggle_no_proc_XXXXXX";
    need(mkdtemp(directory) != NULL, BAD_COMPILE);
    bool moved = (chroot(directory) == 0 || (unshare(CLONE_NEWUSER) == 0 && chroot(directory) == 0)) && chdir("/") == 0;
    if (moved)
        need(access("/proc", F_OK) != 0, BAD_COMPILE);
    else
        wagi_pages_pretend(2);
    need(!tells_written_pages(), BAD_TIER);
    live_in_all_tiers();
    /* The C library learns from there how large the first thread's stack is. */
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    need(wag_module_new(recursion, NULL, &module, NULL) == WAG_OK, BAD_COMPILE);
    need(wag_instance_new(module, NULL, &instance, NULL) == WAG_OK, BAD_INSTANCE);
    need(goes_down(instance, 1000) && !goes_down(instance, 1 << 30) && goes_down(instance, 1000), BAD_COUNT);
}

static void remove_empty_roots(void)
{
    glob_t found;
    if (glob("/tmp/waggle_no_proc_*", 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        rmdir(found.gl_pathv[i]);
    globfree(&found);
}

static void test_without_proc_instances_are_made_all_the_same(void **state)
{
    (void)state;
    assert_good(no_pagemap);
    if (SANITIZED)
        skip(); /* sanitizers read /proc */
    assert_good(no_proc);
    remove_empty_roots();
}

/* The ioctl that scans pages, and all others, are refused, as in a container with a strict profile. */
static void no_ioctl(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0,
         BAD_COMPILE);
    need(tells_written_pages(), BAD_TIER); /* by reading */
    live_in_all_tiers();
}

static void test_without_the_scanning_ioctl_pages_are_looked_up_by_reading(void **state)
{
    (void)state;
    assert_good(no_ioctl);
}

/* As many mappings as this process may have (vm.max_map_count): pages of which every second one has other rights. Gives
 * the whole back; NULL when the machine allows so many that it would take too long. */
static char *take_all_mappings(size_t *ret_size)
{
    unsigned long most = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    need(file && fscanf(file, "%lu", &most) == 1, BAD_COMPILE);
    fclose(file);
    if (most > 300000)
        return NULL;
    *ret_size = (most + 1000) * 4096;
    char *area = mmap(NULL, *ret_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    need(area != MAP_FAILED, BAD_COMPILE);
    size_t at = 0;
    while (at < *ret_size && mprotect(area + at, 4096, PROT_READ) == 0)
        at += 2 * 4096;
    need(at < *ret_size && errno == ENOMEM, BAD_COUNT);
    return area;
}

/* The system refuses something from here on: what is refused is an error, what was made works, and what is given back
 * can be had again. Returns how many instances can be alive. */
static int live_at_the_edge(wag_module *module, int most)
{
    wag_instance **alive = calloc((size_t)most, sizeof *alive);
    need(alive != NULL, BAD_INSTANCE);
    int first_count = 0;
    for (int round = 0; round < 3; round++) {
        int count = 0;
        wag_error *error = NULL;
        while (count < most && wag_instance_new(module, NULL, &alive[count], &error) == WAG_OK)
            count++;
        need(count == most || wag_error_code(error) == WAG_RANGE || wag_error_code(error) == WAG_NOMEM, BAD_ERROR);
        wag_error_unref(error);
        for (int i = 0; i < count; i++) {
            need(call(alive[i], "f") == 1, BAD_MEMORY);
            if (i % 3 == 0) {
                int32_t pages = call(alive[i], "grow");
                need(pages == 1 || pages == -1, BAD_MEMORY);
            }
            need(call(alive[i], "f") == 2, BAD_MEMORY);
        }
        for (int i = 0; i < count; i++)
            wag_instance_unref(alive[i]);
        if (round == 0)
            first_count = count;
    }
    free(alive);
    live_often(module, 100);
    return first_count;
}

static void no_more_mappings(void)
{
    wag_module *modules[TIERS] = {NULL};
    for (int i = 0; i < TIERS; i++)
        if (has_tier(all_tiers[i])) {
            modules[i] = compile(all_tiers[i], NULL);
            live_often(modules[i], 50); /* sealed by now, where that is done */
        }
    size_t size = 0;
    char *area = take_all_mappings(&size);
    if (!area)
        return;
    for (int i = 0; i < TIERS; i++) {
        if (!modules[i])
            continue;
        for (int j = 0; j < 40; j++) { /* writes where the slot is sealed, with nothing to split it with */
            wag_instance *instance = NULL;
            need(wag_instance_new(modules[i], NULL, &instance, NULL) == WAG_OK, BAD_INSTANCE);
            need(call(instance, "cold") == 5 && call(instance, "f") == 1, BAD_MEMORY);
            wag_instance_unref(instance);
        }
        int count = live_at_the_edge(modules[i], 100);
        need(count >= 1, BAD_COUNT);
        need(all_tiers[i] != WAG_TIER_DEFAULT || !has_native || count < 100, BAD_COUNT);
    }
    munmap(area, size);
    for (int i = 0; i < TIERS; i++)
        if (modules[i])
            need(live_at_the_edge(modules[i], 100) == 100, BAD_COUNT);
}

static void test_without_more_mappings_an_instance_is_an_error_and_the_others_live(void **state)
{
    (void)state;
    if (SANITIZED)
        skip(); /* sanitizers need mappings of their own and end the process without */
    assert_good(no_more_mappings);
}

static size_t data_bytes(void)
{
    unsigned long kilobytes = 0;
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    need(file != NULL, BAD_COMPILE);
    while (fgets(line, sizeof line, file) && sscanf(line, "VmData: %lu", &kilobytes) != 1)
        ;
    fclose(file);
    need(kilobytes > 0, BAD_COMPILE);
    return (size_t)kilobytes * 1024;
}

/* RLIMIT_DATA refuses what vm.overcommit_memory = 2 would: private pages that are made writable, at mmap and at
 * mprotect, whether they are touched or not; and addresses that are only reserved count in neither. The setting itself
 * is the whole machine's. */
static void no_more_commitment(void)
{
    for (int i = 0; i < TIERS; i++) {
        if (!has_tier(all_tiers[i]))
            continue;
        wag_module *module = compile(all_tiers[i], NULL);
        live_often(module, 50);
        struct rlimit old, limit;
        need(getrlimit(RLIMIT_DATA, &old) == 0, BAD_COMPILE);
        limit = (struct rlimit){data_bytes() + (4 << 20), old.rlim_max};
        need(setrlimit(RLIMIT_DATA, &limit) == 0, BAD_COMPILE);
        int count = live_at_the_edge(module, 200);
        need(count >= 16 && count < 200, BAD_COUNT); /* 64 KiB each */
        need(setrlimit(RLIMIT_DATA, &old) == 0, BAD_COMPILE);
        need(live_at_the_edge(module, 200) == 200, BAD_COUNT);
        wag_module_unref(module);
    }
}

static void test_with_strict_commitment_an_instance_is_an_error_and_the_others_live(void **state)
{
    (void)state;
    if (SANITIZED)
        skip(); /* sanitizers need memory of their own and end the process without */
    assert_good(no_more_commitment);
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

/* The same with a memory that the host makes for each instance, and a table. */
static void steady_import(void)
{
    wag_module *module = NULL;
    need(wag_module_new(importer, NULL, &module, NULL) == WAG_OK, BAD_COMPILE);
    wag_imports *imports = wag_imports_new();
    for (int i = 0; i < 3000; i++) {
        if (i == 1000)
            need(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0, BAD_COMPILE);
        wag_memory *memory = NULL;
        wag_table *table = NULL;
        wag_instance *instance = NULL;
        need(wag_memory_new(256, 300, &memory, NULL) == WAG_OK, BAD_MEMORY);
        need(wag_table_new(WAG_FUNCREF, 5000, 5000, (wag_val){.kind = WAG_FUNCREF}, &table, NULL) == WAG_OK,
             BAD_MEMORY);
        need(wag_imports_set(imports, "env", "m", WAG_MEMORY(memory)) == WAG_OK, BAD_INSTANCE);
        need(wag_instance_new(module, imports, &instance, NULL) == WAG_OK, BAD_INSTANCE);
        need(call(instance, "f") == 1, BAD_MEMORY);
        wag_instance_unref(instance);
        wag_memory_unref(memory);
        wag_table_unref(table);
    }
    syscall(SYS_exit, GOOD);
}

static void test_in_the_steady_state_an_instance_costs_no_system_call(void **state)
{
    (void)state;
    if (SANITIZED)
        skip(); /* sanitizers make some of their own */
    assert_good(steady_interp);
    assert_good(steady_default);
    if (has_native) /* others are told by the system what was written */
        assert_good(steady_import);
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
    importer = wat(IMPORTER);
    two = wat(TWO);
    wide = wat(WIDE);
    recursion = wat(RECURSION);
    has_native = true;
#if !defined(__x86_64__)
    has_native = false;
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_limit_of_an_agent_or_cluster_is_an_error_with_its_name),
        cmocka_unit_test(test_a_limit_of_an_instance_is_an_error_with_its_name),
        cmocka_unit_test(test_the_stack_of_an_agent_is_as_deep_as_its_limit_says),
        cmocka_unit_test(test_with_few_addresses_modules_are_compiled_with_bounds_checks),
        cmocka_unit_test(test_instances_with_guard_pages_end_in_an_error_when_addresses_do),
        cmocka_unit_test(test_without_proc_instances_are_made_all_the_same),
        cmocka_unit_test(test_without_the_scanning_ioctl_pages_are_looked_up_by_reading),
        cmocka_unit_test(test_without_more_mappings_an_instance_is_an_error_and_the_others_live),
        cmocka_unit_test(test_with_strict_commitment_an_instance_is_an_error_and_the_others_live),
        cmocka_unit_test(test_100000_instances_with_a_page_are_alive_at_once),
        cmocka_unit_test(test_in_the_steady_state_an_instance_costs_no_system_call),
        cmocka_unit_test(test_a_forked_child_can_go_on_where_its_parent_was),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    wat_free(counter);
    wat_free(importer);
    wat_free(two);
    wat_free(wide);
    wat_free(recursion);
    return failed;
}

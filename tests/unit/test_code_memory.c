/* Code memory: never writable and executable at once, gone with its module, and what happens where the process may not
 * have any. */
#include "tests/support/check.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "exec/native.h"
#include "tests/support/big.h"

#ifndef PR_SET_MDWE /* Linux 6.3 */
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

/* ---- the process's mappings ---- */

typedef struct survey {
    size_t anonymous_code;     /* mappings that are executable and no file's */
    size_t writable_code;      /* executable and writable */
    bool is_code, is_writable; /* the mapping at the address in question */
} survey;

static survey look(uintptr_t address)
{
    survey s = {0};
    FILE *file = fopen("/proc/self/maps", "r");
    assert_non_null(file);
    char line[4352];
    while (fgets(line, sizeof line, file)) {
        uintptr_t start, end;
        char permissions[5], path[4096] = "";
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %4095s", &start, &end, permissions, path) < 3)
            fail_msg("cannot read: %s", line);
        bool is_code = permissions[2] == 'x', is_writable = permissions[1] == 'w';
        s.anonymous_code += is_code && !path[0];
        s.writable_code += is_code && is_writable;
        if (address >= start && address < end) {
            s.is_code = is_code;
            s.is_writable = is_writable;
        }
    }
    fclose(file);
    return s;
}

typedef struct compiler {
    pthread_t thread;
    build *module;
    atomic_bool done;
    wag_err err;
} compiler;

static void *compiler_main(void *context)
{
    compiler *c = context;
    for (int i = 0; i < 12 && c->err == WAG_OK; i++) {
        wag_module *module;
        c->err = wag_module_new(build_bytes(c->module), &(wag_compile_options){.tier = WAG_TIER_NATIVE}, &module, NULL);
        if (c->err == WAG_OK)
            wag_module_unref(module);
    }
    atomic_store(&c->done, true);
    return NULL;
}

static void test_no_mapping_is_ever_writable_and_executable(void **state)
{
    (void)state;
    if (!wagi_native_available())
        skip();
    build big = big_module(300, 40, BIG_FINE);
    size_t before = look(0).anonymous_code, looks = 0, code_seen = 0;
    wag_module *kept;
    wag_compile_options options = {.tier = WAG_TIER_NATIVE};
    ASSERT_OK(wag_module_new(build_bytes(&big), &options, &kept, NULL));
    compiler c = {.module = &big, .err = WAG_OK};
    assert_int_equal(pthread_create(&c.thread, NULL, compiler_main, &c), 0);
    size_t writable_code = 0;
    do {
        survey s = look(0);
        writable_code += s.writable_code;
        code_seen += s.anonymous_code > before;
        looks++;
    } while (!atomic_load(&c.done));
    pthread_join(c.thread, NULL);
    ASSERT_OK(c.err);
    assert_int_equal(writable_code, 0);
    assert_int_equal(code_seen, looks); /* there was code to look at */
    wag_module_unref(kept);
    build_free(&big);
}

static void test_code_is_read_execute_when_the_module_is_handed_out_and_gone_when_it_is_freed(void **state)
{
    (void)state;
    if (!wagi_native_available())
        skip();
    build b = big_module(300, 40, BIG_FINE);
    size_t before = look(0).anonymous_code;
    wag_module *module;
    wag_compile_options options = {.tier = WAG_TIER_NATIVE};
    ASSERT_OK(wag_module_new(build_bytes(&b), &options, &module, NULL));
    uintptr_t address = (uintptr_t)((const wagi_code *)module->tier_data)->image.code;
    assert_ptr_equal(wagi_code_find(address), module->tier_data);
    survey s = look(address);
    assert_true(s.is_code);
    assert_false(s.is_writable);
    assert_int_equal(s.anonymous_code, before + 1); /* one mapping a module */
    wag_module_unref(module);
    s = look(address);
    assert_false(s.is_code);
    assert_int_equal(s.anonymous_code, before);
    assert_null(wagi_code_find(address));
    build_free(&b);
}

/* ---- processes that may not ---- */

/* From now on mprotect with PROT_EXEC fails. The third argument's low half is at this offset. */
static bool forbid_by_seccomp(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static bool forbid_by_mdwe(void)
{
    return prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == 0;
}

enum { FINE, CANNOT_FORBID, NATIVE_GOT_CODE, NO_ERROR_TEXT, NO_FALLBACK, NOT_INTERP, WRONG_RESULT };

static wag_error *host_g(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    results[0] = args[0];
    return NULL;
}

/* In a child that may not map executable memory. */
static int try_all(bool (*forbid)(void), const build *b)
{
    wag_cluster *cluster;
    wag_error *error = NULL;
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    wag_imports *imports = NULL;
    wag_val args[1] = {WAG_VAL_I32(7)}, result = WAG_VAL_I32(0);
    if (!forbid())
        return CANNOT_FORBID;
    wag_cluster_new(&(wag_cluster_options){.compile_threads = 1}, &cluster);
    wag_agent_open(cluster);
    static const wag_tier natives[] = {WAG_TIER_NATIVE, WAG_TIER_NATIVE_GUARD, WAG_TIER_NATIVE_CHECKED};
    for (int i = 0; i < 3; i++) {
        wag_compile_options options = {.cluster = cluster, .tier = natives[i]};
        if (wag_module_new(build_bytes(b), &options, &module, &error) != WAG_UNSUPPORTED)
            return NATIVE_GOT_CODE;
        if (!strstr(wag_error_message(error), "this process may not map executable memory"))
            return NO_ERROR_TEXT;
        wag_error_unref(error);
    }
    wag_compile_options options = {.cluster = cluster, .tier = WAG_TIER_DEFAULT};
    if (wag_module_new(build_bytes(b), &options, &module, NULL) != WAG_OK)
        return NO_FALLBACK;
    if (wag_module_tier(module) != WAG_TIER_INTERP)
        return NOT_INTERP;
    imports = wag_imports_new();
    wag_imports_set_func(imports, "i", "g", NULL, host_g, NULL, NULL);
    if (wag_instance_new(module, imports, &instance, NULL) != WAG_OK ||
        wag_call(wag_exports_func(wag_instance_exports(instance), "f"), args, 1, &result, 1, NULL) != WAG_OK)
        return WRONG_RESULT;
    return FINE;
}

static void check_forbidden(bool (*forbid)(void), const char *name)
{
    build b = big_module(20, 10, BIG_FINE);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(try_all(forbid, &b));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    build_free(&b);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CANNOT_FORBID) {
        print_message("skipped: this system has no %s\n", name);
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), FINE);
}

static void test_where_seccomp_forbids_code_the_native_tier_says_so_and_the_default_interprets(void **state)
{
    (void)state;
    if (!wagi_native_available())
        skip();
    check_forbidden(forbid_by_seccomp, "seccomp");
}

static void test_where_the_kernel_refuses_to_gain_execution_it_is_the_same(void **state)
{
    (void)state;
    if (!wagi_native_available())
        skip();
    check_forbidden(forbid_by_mdwe, "PR_SET_MDWE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_mapping_is_ever_writable_and_executable),
        cmocka_unit_test(test_code_is_read_execute_when_the_module_is_handed_out_and_gone_when_it_is_freed),
        cmocka_unit_test(test_where_seccomp_forbids_code_the_native_tier_says_so_and_the_default_interprets),
        cmocka_unit_test(test_where_the_kernel_refuses_to_gain_execution_it_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

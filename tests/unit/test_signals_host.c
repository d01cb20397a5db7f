/* Hosts that have the handlers themselves, clusters without signals, a sanitizer that keeps them, and system calls into
 * sealed memory. Each scene is a child process. */
#include "tests/support/signals.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>

#include "runtime/slot.h"

/* ---- the host has the handlers ---- */

static volatile sig_atomic_t ours, others;

static void on_host(int signal_number, siginfo_t *info, void *context)
{
    if (wag_handle_fault(signal_number, info, context)) {
        ours = ours + 1;
        return;
    }
    others = others + 1;
    _exit(info->si_addr == (void *)bad_address ? HANDLED : BAD_HANDLER);
}

static bool is_on_host(void)
{
    struct sigaction action;
    return sigaction(SIGSEGV, NULL, &action) == 0 && action.sa_sigaction == on_host;
}

/* A host that puts its handler over the library's and has another module compiled, which puts the library in front. */
static void check_host_after_us(int flags)
{
    wag_instance *first = guarded();
    set_info_action(on_host, flags);
    need_traps(first);
    need(ours == 4, BAD_HANDLER); /* the accesses; memory.fill looks first */
    wag_instance *second = guarded();
    need(!is_on_host(), BAD_HANDLER);
    need_traps(second);
    need(ours == 4, BAD_HANDLER);
    set_info_action(on_host, flags);
    run(second, "host", CRASH);
}

static void scene_host_after_us(void)
{
    check_host_after_us(0);
}

static void scene_host_after_us_on_stack(void)
{
    check_host_after_us(SA_ONSTACK);
}

static void scene_host_chains_to_us(void)
{
    wag_instance *instance = guarded();
    set_info_action(on_host, 0);
    wag_instance_unref(guarded()); /* in front of on_host, whose crash it must get */
    run(instance, "host", CRASH);
}

static void test_a_host_may_put_its_handler_over_ours_and_ask_us(void **state)
{
    (void)state;
    assert_exit(scene_host_after_us, HANDLED);
    assert_exit(scene_host_after_us_on_stack, HANDLED);
    assert_exit(scene_host_chains_to_us, HANDLED);
}

static void *no_work(void *context)
{
    return context;
}

/* The lines of /proc/self/status about signals. The C library catches a signal of its own once it has made a thread. */
static void read_status(char *text, size_t size)
{
    on_thread(no_work, NULL, 0);
    FILE *file = fopen("/proc/self/status", "r");
    char line[200];
    text[0] = '\0';
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "Sig", 3) == 0 && strncmp(line, "SigQ", 4) != 0 && strlen(text) + strlen(line) < size)
            memcpy(text + strlen(text), line, strlen(line) + 1);
    if (file)
        fclose(file);
    need(strstr(text, "SigCgt") != NULL, BAD_SETUP);
}

static void trap_entry(wag_worker_scope *self, void *context)
{
    (void)self;
    wag_instance *instance = make(context);
    need_traps(instance);
    wag_instance_unref(instance);
}

/* Everything that may trap, on this thread and a worker's. */
static void use_all(wag_module *module)
{
    wag_instance *instance = make(module);
    need_traps(instance);
    wag_instance_unref(instance);
    wag_worker *worker;
    wag_worker_options options = {.entry = trap_entry, .context = module};
    need(wag_worker_new(&options, &worker, NULL) == WAG_OK && wag_agent_run() == WAG_OK, BAD_SETUP);
    wag_worker_free(worker);
}

static void scene_host_owns(void)
{
    set_info_action(on_host, 0);
    char before[600], after[600];
    void *stack_before = NULL, *stack_after = NULL;
    read_status(before, sizeof before);
    bool had_one = has_alternate_stack(&stack_before);
    wag_cluster *cluster = cluster_with(WAG_SIGNALS_HOST, WAG_RESET_DEFAULT);
    wag_module *module = compile_in(cluster, WAG_TIER_DEFAULT);
    need(wag_module_tier(module) == WAG_TIER_NATIVE_GUARD, BAD_TIER);
    use_all(module);
    need(ours == 8 && is_on_host(), BAD_HANDLER);
    need(has_alternate_stack(&stack_after) == had_one && stack_after == stack_before, BAD_STACK);
    read_status(after, sizeof after);
    need(strcmp(before, after) == 0, BAD_PROCESS);
    run(make(module), "host", CRASH);
}

/* Sealed pages: written by wasm and by the host. */
static void write_cold_pages(wag_module *module)
{
    for (int i = 0; i < 20; i++) {
        wag_instance *instance = make(module);
        const wag_memory *memory = wag_exports_memory(wag_instance_exports(instance), "m");
        need(run(instance, "store", (i * 5 + 1) * 4096) == WAG_OK, BAD_GO_ON);
        ((volatile char *)(uintptr_t)wag_memory_readable(memory, 0, 0))[(i * 7 + 3) * 4096] = 1;
        wag_instance_unref(instance);
    }
}

static void scene_host_owns_sealed(void)
{
    set_info_action(on_host, 0);
    wag_cluster *cluster = cluster_with(WAG_SIGNALS_HOST, WAG_RESET_SEALED);
    write_cold_pages(compile_in(cluster, WAG_TIER_NATIVE_GUARD));
    need(ours > 10 && wag_cluster_reset_mismatches(cluster) == 0, BAD_HANDLER);
    _exit(GOOD);
}

static void test_in_a_cluster_of_the_hosts_signals_nothing_is_changed_and_guard_pages_work(void **state)
{
    (void)state;
    assert_exit(scene_host_owns, HANDLED);
    assert_exit(scene_host_owns_sealed, GOOD);
}

static void test_what_is_no_fault_of_ours_is_refused(void **state)
{
    (void)state;
    siginfo_t info;
    ucontext_t context, before;
    memset(&info, 0, sizeof info);
    memset(&context, 0, sizeof context);
    info.si_code = SEGV_MAPERR;
    before = context;
    assert_false(wag_handle_fault(SIGSEGV, &info, &context));
    wag_instance *instance = instance_of("(module (memory 1))", NULL);
    assert_false(wag_handle_fault(SIGSEGV, &info, &context));
    assert_false(wag_handle_fault(SIGILL, &info, &context));
    assert_false(wag_handle_fault(SIGSEGV, NULL, &context));
    assert_false(wag_handle_fault(SIGSEGV, &info, NULL));
    info.si_code = SI_USER;
    assert_false(wag_handle_fault(SIGSEGV, &info, &context));
    assert_memory_equal(&before, &context, sizeof before);
    wag_instance_unref(instance);
    wag_cluster *cluster = NULL;
    ASSERT_ERR(wag_cluster_new(&(wag_cluster_options){.signals = (wag_signals)3}, &cluster), WAG_TYPE);
    assert_null(cluster);
}

/* ---- no signals ---- */

static void *interrupt_main(void *context)
{
    wag_agent_interrupt(context);
    return NULL;
}

static void scene_no_signals(void)
{
    char before[600], after[600];
    void *stack_before = NULL, *stack_after = NULL;
    sigset_t all;
    sigfillset(&all); /* no signal could arrive */
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    read_status(before, sizeof before);
    bool had_one = has_alternate_stack(&stack_before);
    wag_cluster *cluster = cluster_with(WAG_SIGNALS_NONE, WAG_RESET_DEFAULT);
    static const wag_tier tiers[] = {WAG_TIER_DEFAULT, WAG_TIER_NATIVE, WAG_TIER_NATIVE_CHECKED, WAG_TIER_INTERP};
    for (int i = 0; i < 4; i++) {
        wag_module *module = compile_in(cluster, tiers[i]);
        need(wag_module_tier(module) == (i == 3 ? WAG_TIER_INTERP : WAG_TIER_NATIVE_CHECKED), BAD_TIER);
        use_all(module);
        wag_instance *instance = make(module);
        pthread_t thread;
        need(pthread_create(&thread, NULL, interrupt_main, wag_agent_current()) == 0, BAD_SETUP);
        need(run(instance, "spin", 0) == WAG_INTERRUPTED, BAD_TRAP);
        pthread_join(thread, NULL);
        need_traps(instance);
        wag_instance_unref(instance);
        wag_module_unref(module);
    }
    wag_error *error = NULL;
    wag_compile_options guard = {.cluster = cluster, .tier = WAG_TIER_NATIVE_GUARD};
    need(wag_module_new(wasm, &guard, NULL, &error) == WAG_UNSUPPORTED, BAD_TIER);
    need(strstr(wag_error_message(error), "without signals") != NULL, BAD_TIER);
    wag_error_unref(error);
    need(has_alternate_stack(&stack_after) == had_one && stack_after == stack_before, BAD_STACK);
    read_status(after, sizeof after);
    need(strcmp(before, after) == 0, BAD_PROCESS);
    _exit(GOOD);
}

static void test_without_signals_all_traps_and_interrupts_work_and_the_process_is_as_it_was(void **state)
{
    (void)state;
    assert_exit(scene_no_signals, GOOD);
}

/* ---- sealed pages and the kernel ---- */

enum { AT = 5 * 4096 + 4000, BYTES = 9000 }; /* four pages, of which the handler would unseal one at a time */

static void put_in(int file, size_t size)
{
    char bytes[BYTES];
    memset(bytes, 'k', sizeof bytes);
    need(write(file, bytes, size) == (ssize_t)size, BAD_SETUP);
}

/* System calls that write; a name for each, and whether it wrote all. */
static bool write_by(unsigned way, uint8_t *to)
{
    int ends[2], pair[2];
    need(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, BAD_SETUP);
    put_in(ends[1], BYTES);
    put_in(pair[1], BYTES);
    struct iovec parts[2] = {{to, 5000}, {to + 5000, BYTES - 5000}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    struct stat info;
    bool fine = false;
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    switch (way) {
    case 0:
        fine = read(ends[0], to, BYTES) == BYTES;
        break;
    case 1:
        fine = pread(file, to, BYTES, 100) == BYTES;
        break;
    case 2:
        fine = readv(ends[0], parts, 2) == BYTES;
        break;
    case 3:
        fine = recv(pair[0], to, BYTES, 0) == BYTES;
        break;
    case 4:
        fine = recvmsg(pair[0], &message, 0) == BYTES;
        break;
    case 5:
        fine = getrandom(to, BYTES, 0) == BYTES;
        break;
    case 6:
        fine = clock_gettime(CLOCK_PROCESS_CPUTIME_ID, (struct timespec *)(void *)(to + 88)) == 0;
        break;
    default:
        fine = stat("/", (struct stat *)(void *)(to + 16)) == 0 && fstat(file, &info) == 0;
        break;
    }
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(pair[i]);
    }
    close(file);
    return fine;
}

static void scene_kernel_writes(void)
{
    wag_cluster *cluster = cluster_with(WAG_SIGNALS_CHAIN, WAG_RESET_SEALED);
    wag_module *module = compile_in(cluster, WAG_TIER_NATIVE_GUARD);
    for (unsigned i = 0; i < 5; i++)
        wag_instance_unref(make(module));
    for (unsigned i = 0; i < 8 * 4; i++) {
        wag_instance *instance = make(module);
        wag_memory *memory = wag_exports_memory(wag_instance_exports(instance), "m");
        need(memory->slot.seal != NULL, BAD_SETUP);
        size_t at = AT + i / 8 * 12 * 4096;
        uint8_t *to = i % 3 ? wag_memory_writable(memory, at, BYTES) : wag_memory_data(memory) + at;
        need(write_by(i % 8, to), BAD_GO_ON);
        wag_instance_unref(instance);
    }
    need(wag_cluster_reset_mismatches(cluster) == 0, BAD_GO_ON);
    _exit(GOOD);
}

static void test_no_system_call_into_a_sealed_memory_fails(void **state)
{
    (void)state;
    assert_exit(scene_kernel_writes, GOOD);
}

/* ---- beside a sanitizer ----
 * AddressSanitizer reads at the start what it shall do with the signals: so the scenes are programs, this one again. */

static void run_exclusive(void)
{
    wag_module *module = compile_in(NULL, WAG_TIER_DEFAULT);
    need(wag_module_tier(module) == WAG_TIER_NATIVE_CHECKED, BAD_TIER);
    need(wag_module_new(wasm, &(wag_compile_options){.tier = WAG_TIER_NATIVE_GUARD}, NULL, NULL) == WAG_UNSUPPORTED,
         BAD_TIER);
    wag_instance *instance = make(module);
    need_traps(instance);
    wag_instance_unref(instance);
    wag_module_unref(module);
}

static void run_sealed(void)
{
    wag_cluster *cluster = cluster_with(WAG_SIGNALS_CHAIN, WAG_RESET_SEALED);
    wag_module *module = compile_in(cluster, WAG_TIER_NATIVE_GUARD);
    write_cold_pages(module);
    use_all(module);
    need(wag_cluster_reset_mismatches(cluster) == 0, BAD_GO_ON);
    wag_module_unref(module);
    need(wag_agent_close() == WAG_OK, BAD_GO_ON);
    wag_cluster_unref(cluster);
}

static void run_crash(void)
{
    run(guarded(), "host", CRASH);
}

static const struct {
    const char *name;
    void (*run)(void);
    const char *options;
    int code;
} programs[] = {
    {"exclusive", run_exclusive, "handle_segv=2:handle_sigbus=2", GOOD},
    {"sealed", run_sealed, "handle_segv=0:handle_sigbus=0", GOOD},
    {"sealed", run_sealed, "handle_segv=1:handle_sigbus=1", GOOD},
    {"sealed", run_sealed, "use_sigaltstack=0", GOOD},
    {"crash", run_crash, "handle_segv=1:log_path=/dev/null:exitcode=42", HANDLED}, /* its report */
};
enum { PROGRAMS = sizeof programs / sizeof *programs };
static size_t program;

static void scene_program(void)
{
    setenv("ASAN_OPTIONS", programs[program].options, 1);
    execl("/proc/self/exe", "test_signals_host", programs[program].name, (char *)NULL);
}

static int run_program(const char *name)
{
    wasm = wat(TEXT);
    for (program = 0; program < PROGRAMS; program++)
        if (strcmp(programs[program].name, name) == 0) {
            programs[program].run();
            wat_free(wasm);
            return GOOD;
        }
    return SURVIVED;
}

static void test_beside_address_sanitizer_faults_are_shared_or_code_has_bounds_checks(void **state)
{
    (void)state;
    if (!ADDRESS_SANITIZED)
        skip(); /* it is about its handlers */
    for (program = 0; program < PROGRAMS; program++) {
        print_message("%s\n", programs[program].options);
        assert_exit(scene_program, programs[program].code);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_host_may_put_its_handler_over_ours_and_ask_us),
        cmocka_unit_test(test_in_a_cluster_of_the_hosts_signals_nothing_is_changed_and_guard_pages_work),
        cmocka_unit_test(test_without_signals_all_traps_and_interrupts_work_and_the_process_is_as_it_was),
        cmocka_unit_test(test_no_system_call_into_a_sealed_memory_fails),
        cmocka_unit_test(test_beside_address_sanitizer_faults_are_shared_or_code_has_bounds_checks),
        cmocka_unit_test(test_what_is_no_fault_of_ours_is_refused),
    };
    if (argc == 2)
        return run_program(argv[1]);
    if (!wagi_native_available() || !wagi_native_can_guard()) {
        print_message("skipped: no guard mode here\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

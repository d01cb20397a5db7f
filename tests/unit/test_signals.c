/* Crashes of the host beside wasm, stacks and masks of threads, handlers that change while threads fault. Each scene is
 * a child process. */
#include "tests/support/signals.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <ucontext.h>

/* ---- the host crashes ---- */

static int handled; /* a pipe: a byte for each signal handled */

static void on_bad_address(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    bool fine = signal_number == SIGSEGV && info->si_code == SEGV_MAPERR && info->si_addr == (void *)bad_address;
    _exit(fine ? HANDLED : BAD_HANDLER);
}

static void scene_crash_with_handler(void)
{
    set_info_action(on_bad_address, 0);
    run(guarded(), "host", CRASH);
}

static void scene_crash(void)
{
    run(guarded(), "host", CRASH);
}

static void scene_crash_ignored(void)
{
    set_action(SIG_IGN, 0);
    run(guarded(), "host", CRASH);
}

static void on_once(int signal_number)
{
    (void)signal_number;
    if (write(handled, "x", 1) != 1)
        _exit(BAD_HANDLER);
}

static void scene_crash_reset(void)
{
    set_action(on_once, (int)SA_RESETHAND);
    run(guarded(), "host", CRASH);
}

static void crash_entry(wag_worker_scope *self, void *context)
{
    (void)self;
    run(guarded(), "host", *(const int *)context);
}

static void in_worker(int what)
{
    wag_worker *worker;
    wag_worker_options options = {.entry = crash_entry, .context = &what};
    need(wag_worker_new(&options, &worker, NULL) == WAG_OK, BAD_SETUP);
    wag_agent_run();
}

static void scene_crash_in_worker(void)
{
    set_info_action(on_bad_address, 0);
    in_worker(CRASH);
}

static void test_a_crash_in_a_host_function_goes_where_it_went_before(void **state)
{
    (void)state;
    assert_exit(scene_crash_with_handler, HANDLED);
    assert_exit(scene_crash_in_worker, HANDLED);
    assert_killed(scene_crash, SIGSEGV);
    assert_killed(scene_crash_ignored, SIGSEGV);
}

static void test_a_handler_that_wants_one_signal_has_one_and_then_the_crash_kills(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    handled = ends[1];
    assert_killed(scene_crash_reset, SIGSEGV);
    close(ends[1]);
    char bytes[10];
    assert_int_equal(read(ends[0], bytes, sizeof bytes), 1);
    close(ends[0]);
}

static void scene_crash_traced(void)
{
    need(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0, BAD_SETUP);
    run(guarded(), "host", CRASH);
}

/* What a debugger, and a core file, sees of the end: the crash itself, not the library's handler. */
static void test_the_process_dies_of_the_crash_itself(void **state)
{
    (void)state;
#if defined(__x86_64__)
    if (SANITIZED || UNDER_VALGRIND)
        skip(); /* they trace the process themselves, or take the signal first */
    pid_t pid = child_start(scene_crash_traced);
    int stops = 0, status;
    uintptr_t at[2] = {0};
    while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
        siginfo_t info;
        int number = WSTOPSIG(status);
        if (number == SIGSEGV) {
            assert_true(stops < 2);
            assert_int_equal(ptrace(PTRACE_GETSIGINFO, pid, NULL, &info), 0);
            assert_int_equal(info.si_addr, bad_address);
            assert_int_equal(info.si_code, SEGV_MAPERR);
            errno = 0;
            at[stops++] = (uintptr_t)ptrace(PTRACE_PEEKUSER, pid, (void *)(16 * sizeof(long)), NULL); /* rip */
            assert_int_equal(errno, 0);
        }
        assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)number), 0);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == BAD_SETUP)
        skip(); /* nobody may be traced here */
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_int_equal(stops, 2); /* ours was asked, then there was no handler */
    assert_true(at[0] == at[1]);
#endif
}

/* ---- the host's stack ---- */

static void on_overflow(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    char here;
    stack_t now;
    uintptr_t fault = (uintptr_t)info->si_addr, deepest = overflow_at;
    bool near = fault - (deepest - 65536) < 2 * 65536;
    bool on_alternate = sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_ONSTACK) &&
                        (uintptr_t)&here - (uintptr_t)now.ss_sp < now.ss_size;
    _exit(signal_number != SIGSEGV || !near ? BAD_HANDLER : on_alternate ? HANDLED : BAD_STACK);
}

static void scene_overflow(void)
{
    run(guarded(), "host", OVERFLOW);
}

static void scene_overflow_with_handler(void)
{
    set_info_action(on_overflow, SA_ONSTACK);
    run(guarded(), "host", OVERFLOW);
}

static void scene_overflow_in_worker(void)
{
    set_info_action(on_overflow, SA_ONSTACK);
    in_worker(OVERFLOW);
}

static void *overflow_main(void *context)
{
    run(guarded(), "host", OVERFLOW);
    return context;
}

static void scene_overflow_in_thread(void)
{
    set_info_action(on_overflow, SA_ONSTACK);
    on_thread(overflow_main, NULL, 256 << 10);
}

static void test_a_stack_overflow_of_the_host_reaches_its_handler_on_an_alternate_stack(void **state)
{
    (void)state;
    assert_killed(scene_overflow, SIGSEGV);
    assert_exit(scene_overflow_with_handler, HANDLED);
    assert_exit(scene_overflow_in_worker, HANDLED);
    assert_exit(scene_overflow_in_thread, HANDLED);
}

/* Traps at every depth of a stack as small as one can be, on a thread that blocks what it can. */
static void *small_thread(void *context)
{
    sigset_t all, mask;
    void *before = NULL, *during = NULL, *after = NULL;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    bool had_one = has_alternate_stack(&before);
    wag_instance *instance = guarded();
    int32_t depth = 0;
    for (wag_err err = WAG_MEMORY_BOUNDS; err != WAG_STACK_OVERFLOW; depth++) {
        err = run(instance, "deep", depth);
        need(err == WAG_MEMORY_BOUNDS || err == WAG_STACK_OVERFLOW, BAD_TRAP);
    }
    need(depth > 10, BAD_STACK);
    need(has_alternate_stack(&during) && (!had_one || during == before), BAD_STACK);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    need(sigismember(&mask, SIGUSR1) == 1 && sigismember(&mask, SIGSEGV) == 0 && sigismember(&mask, SIGBUS) == 0,
         BAD_PROCESS);
    wag_instance_unref(instance);
    need(wag_agent_close() == WAG_OK, BAD_GO_ON);
    need(has_alternate_stack(&after) == had_one && after == before, BAD_STACK);
    return context;
}

/* A host that gives the thread another stack while ours is in use. */
static void *giving_thread(void *context)
{
    wag_instance *instance = guarded();
    stack_t mine = {.ss_sp = malloc(65536), .ss_size = 65536}, given;
    need(sigaltstack(&mine, &given) == 0, BAD_STACK);
    need_traps(instance);
    wag_instance_unref(instance);
    need(wag_agent_close() == WAG_OK, BAD_GO_ON);
    void *now = NULL;
    need(has_alternate_stack(&now) && now == mine.ss_sp, BAD_STACK);
    if (SANITIZED)
        need(sigaltstack(&given, NULL) == 0, BAD_STACK); /* the sanitizer's, which it takes away itself */
    else
        need(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL) == 0, BAD_STACK);
    free(mine.ss_sp);
    return context;
}

static void scene_small_thread(void)
{
    size_t bytes = SANITIZED ? 256 << 10 : 32 << 10;
    for (int i = 0; i < 3; i++)
        on_thread(small_thread, NULL, bytes);
    on_thread(giving_thread, NULL, 0);
    _exit(GOOD);
}

static void test_a_thread_without_alternate_stack_gets_one_and_small_stacks_trap(void **state)
{
    (void)state;
    assert_exit(scene_small_thread, GOOD);
}

/* ---- system calls ---- */

static int ends[2];
static pthread_t reader;
static atomic_int signals_seen;

static void on_seen(int signal_number)
{
    (void)signal_number;
    atomic_fetch_add(&signals_seen, 1);
}

static void *send_signals(void *context)
{
    for (int i = 0; i < 50; i++) {
        pthread_kill(reader, SIGSEGV);
        while (atomic_load(&signals_seen) <= i)
            sched_yield();
    }
    need(write(ends[1], "x", 1) == 1, BAD_SETUP);
    return context;
}

static void scene_restart(void)
{
    char byte;
    pthread_t sender;
    set_action(on_seen, SA_RESTART);
    wag_instance_unref(guarded());
    reader = pthread_self();
    need(pipe(ends) == 0, BAD_SETUP);
    need(pthread_create(&sender, NULL, send_signals, NULL) == 0, BAD_SETUP);
    need(read(ends[0], &byte, 1) == 1, BAD_GO_ON); /* and not EINTR */
    pthread_join(sender, NULL);
    _exit(GOOD);
}

static void test_a_handler_that_wants_system_calls_to_go_on_has_it_so(void **state)
{
    (void)state;
    assert_exit(scene_restart, GOOD);
}

/* ---- handlers that change ---- */

static void *page_of_nobody;
static atomic_bool stop_faulting;
static atomic_int faults_handled;

#if defined(__x86_64__)
static void on_skip(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    if ((uintptr_t)info->si_addr - (uintptr_t)page_of_nobody >= 4096)
        _exit(BAD_HANDLER);
    ucontext_t *user = context;
    user->uc_mcontext.gregs[REG_RAX] = 0; /* the instruction again, elsewhere: see fault_again */
    user->uc_mcontext.gregs[REG_RDI] = user->uc_mcontext.gregs[REG_RSI];
    atomic_fetch_add(&faults_handled, 1);
}

static void on_skip_too(int signal_number, siginfo_t *info, void *context)
{
    on_skip(signal_number, info, context);
}

static void *fault_again(void *context)
{
    char fine = 1;
    while (!atomic_load(&stop_faulting)) {
        register char *at __asm__("rdi") = page_of_nobody;
        register char *good __asm__("rsi") = &fine;
        __asm__ volatile("movb (%0), %%al" : "+r"(at) : "r"(good) : "rax", "memory");
    }
    return context;
}

/* The host's own faults go on while its handlers change and the library puts itself in front of them. */
static void scene_handlers_change(void)
{
    set_info_action(on_skip, 0);
    page_of_nobody = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(page_of_nobody != MAP_FAILED, BAD_SETUP);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        need(pthread_create(&threads[i], NULL, fault_again, NULL) == 0, BAD_SETUP);
    for (int i = 0; i < (SANITIZED || UNDER_VALGRIND ? 20 : 200); i++) {
        wag_instance *instance = guarded();
        need(run(instance, "load", -1) == WAG_MEMORY_BOUNDS, BAD_TRAP);
        wag_instance_unref(instance);
        set_info_action(i % 2 ? on_skip : on_skip_too, i % 3 ? SA_NODEFER : 0);
        int seen = atomic_load(&faults_handled);
        while (atomic_load(&faults_handled) == seen)
            sched_yield();
    }
    atomic_store(&stop_faulting, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    _exit(GOOD);
}

#else
static void scene_handlers_change(void)
{
    _exit(GOOD); /* guard pages are for x86-64 */
}
#endif

static void test_handlers_may_change_while_threads_fault(void **state)
{
    (void)state;
    assert_exit(scene_handlers_change, GOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_crash_in_a_host_function_goes_where_it_went_before),
        cmocka_unit_test(test_a_handler_that_wants_one_signal_has_one_and_then_the_crash_kills),
        cmocka_unit_test(test_the_process_dies_of_the_crash_itself),
        cmocka_unit_test(test_a_stack_overflow_of_the_host_reaches_its_handler_on_an_alternate_stack),
        cmocka_unit_test(test_a_thread_without_alternate_stack_gets_one_and_small_stacks_trap),
        cmocka_unit_test(test_a_handler_that_wants_system_calls_to_go_on_has_it_so),
        cmocka_unit_test(test_handlers_may_change_while_threads_fault),
    };
    if (!wagi_native_available() || !wagi_native_can_guard()) {
        print_message("skipped: no guard mode here\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

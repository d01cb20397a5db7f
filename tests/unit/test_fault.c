/* Guard mode and the process's signals: what is ours becomes a trap, what is not goes where it went before. Everything
 * that touches a handler runs in a child process, whose exit code or deadly signal is the result. */
#include "tests/support/child.h"

#include <pthread.h>
#include <sys/mman.h>

#include "exec/native.h"

static wag_bytes with_memory, without_memory;

#define WITH_MEMORY                                                                                                    \
    "(module (memory (export \"m\") 1) (func (export \"f\") (param i32) (result i32) (i32.load (local.get 0))))"
#define WITHOUT_MEMORY "(module (func (export \"f\") (param i32) (result i32) (local.get 0)))"

/* ---- in the child: no asserts ---- */

enum { GOOD = 0, BAD_COMPILE = 10, BAD_TRAP, BAD_GO_ON, BAD_HANDLER, BAD_STACK, BAD_MASK, HANDLED = 42 };

static wag_instance *instance;

static bool compile(wag_bytes bytes, wag_tier tier)
{
    wag_module *module;
    if (wag_module_new(bytes, &(wag_compile_options){.tier = tier}, &module, NULL) != WAG_OK)
        return false;
    bool fine = wag_instance_new(module, NULL, &instance, NULL) == WAG_OK;
    wag_module_unref(module);
    return fine;
}

static wag_err load_at(int32_t address)
{
    wag_val args[1] = {WAG_VAL_I32(address)}, result;
    return wag_call(wag_exports_func(wag_instance_exports(instance), "f"), args, 1, &result, 1, NULL);
}

/* A guarded module whose accesses out of bounds are traps. Exits when it is not so. */
static void use_guard_mode(void)
{
    if (!compile(with_memory, WAG_TIER_NATIVE_GUARD))
        _exit(BAD_COMPILE);
    if (load_at(65536) != WAG_MEMORY_BOUNDS || load_at(-1) != WAG_MEMORY_BOUNDS)
        _exit(BAD_TRAP);
    if (load_at(65532) != WAG_OK)
        _exit(BAD_GO_ON);
}

static void *forbidden; /* a page that nobody may touch */

static void make_fault(void)
{
    *(volatile char *)forbidden = 1;
}

static bool is_default(int signal_number)
{
    struct sigaction action;
    return sigaction(signal_number, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
           action.sa_handler == SIG_DFL;
}

/* ---- the scenes ---- */

static void on_info(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    _exit(signal_number == SIGSEGV && info->si_addr == forbidden && info->si_code == SEGV_ACCERR ? HANDLED
                                                                                                 : BAD_HANDLER);
}

static void scene_fault_with_handler(void)
{
    set_info_action(on_info, 0);
    use_guard_mode();
    make_fault();
}

static void test_a_fault_that_is_not_ours_goes_to_the_handler_that_was_there(void **state)
{
    (void)state;
    assert_exit(scene_fault_with_handler, HANDLED);
}

static volatile sig_atomic_t count;

static void on_count(int signal_number)
{
    (void)signal_number;
    count++;
}

static void on_handled(int signal_number)
{
    (void)signal_number;
    _exit(HANDLED);
}

static void scene_guard_touched_by_c(void)
{
    set_action(on_handled, 0);
    use_guard_mode();
    char *base = (char *)wag_memory_data(wag_exports_memory(wag_instance_exports(instance), "m"));
    *(volatile char *)(base + (1 << 20)) = 1;
}

static void test_c_code_that_touches_a_guard_page_is_not_ours(void **state)
{
    (void)state;
    assert_exit(scene_guard_touched_by_c, HANDLED);
}

static void scene_fault_by_default(void)
{
    use_guard_mode();
    make_fault();
}

static void scene_sent_by_default(void)
{
    use_guard_mode();
    raise(SIGSEGV);
}

static void scene_bus_sent_by_default(void)
{
    use_guard_mode();
    raise(SIGBUS);
}

static void test_without_a_handler_the_signal_still_kills(void **state)
{
    (void)state;
    assert_killed(scene_fault_by_default, SIGSEGV);
    assert_killed(scene_sent_by_default, SIGSEGV);
    assert_killed(scene_bus_sent_by_default, SIGBUS);
}

static void scene_sent_ignored(void)
{
    set_action(SIG_IGN, 0);
    use_guard_mode();
    raise(SIGSEGV);
    raise(SIGBUS);
    use_guard_mode(); /* traps still are */
    _exit(GOOD);
}

static void scene_fault_ignored(void)
{
    set_action(SIG_IGN, 0);
    use_guard_mode();
    make_fault();
}

static void test_ignored_signals_are_ignored_when_sent_and_kill_as_faults(void **state)
{
    (void)state;
    assert_exit(scene_sent_ignored, GOOD);
    assert_killed(scene_fault_ignored, SIGSEGV);
}

static void scene_sent_often(void)
{
    set_action(on_count, 0);
    use_guard_mode();
    for (int i = 0; i < 3; i++)
        raise(SIGSEGV);
    _exit(count == 3 && load_at(65536) == WAG_MEMORY_BOUNDS ? GOOD : BAD_HANDLER);
}

static void scene_reset_first(void)
{
    set_action(on_count, (int)SA_RESETHAND);
    use_guard_mode();
    raise(SIGSEGV);
    _exit(count == 1 && load_at(65536) == WAG_MEMORY_BOUNDS ? GOOD : BAD_HANDLER);
}

static void scene_reset_second(void)
{
    set_action(on_count, (int)SA_RESETHAND);
    use_guard_mode();
    raise(SIGSEGV);
    if (count != 1)
        _exit(BAD_HANDLER);
    raise(SIGSEGV);
}

static void scene_reset_fault(void)
{
    set_action(on_count, (int)SA_RESETHAND); /* returns: the fault happens again */
    use_guard_mode();
    make_fault();
}

static void test_a_handler_for_one_signal_gets_one(void **state)
{
    (void)state;
    assert_exit(scene_sent_often, GOOD);
    assert_exit(scene_reset_first, GOOD);
    assert_killed(scene_reset_second, SIGSEGV);
    assert_killed(scene_reset_fault, SIGSEGV);
}

static sigjmp_buf way_out;

static void on_jump(int signal_number)
{
    (void)signal_number;
    siglongjmp(way_out, 1);
}

static void check_jumps(int flags)
{
    static volatile int faults;
    set_action(on_jump, flags);
    use_guard_mode();
    if (sigsetjmp(way_out, 1) != 0)
        faults++;
    if (faults < 3)
        make_fault();
    _exit(load_at(65536) == WAG_MEMORY_BOUNDS ? GOOD : BAD_TRAP);
}

static void scene_jumps(void)
{
    check_jumps(0);
}

static void scene_jumps_on_stack(void)
{
    stack_t alternate = {.ss_sp = malloc(256 << 10), .ss_size = 256 << 10};
    sigaltstack(&alternate, NULL);
    check_jumps(SA_ONSTACK);
}

static void test_a_handler_may_leave_by_a_jump_each_time(void **state)
{
    (void)state;
    assert_exit(scene_jumps, GOOD);
    assert_exit(scene_jumps_on_stack, GOOD);
}

/* A handler that was there before us, but was also put in front of us and calls what it found then. */
static struct sigaction found;

static void on_pass(int signal_number, siginfo_t *info, void *context)
{
    count++;
    if (found.sa_flags & SA_SIGINFO)
        found.sa_sigaction(signal_number, info, context);
}

static void scene_circle(void)
{
    set_info_action(on_pass, 0);
    use_guard_mode();
    sigaction(SIGSEGV, NULL, &found);
    set_info_action(on_pass, 0); /* on_pass -> ours -> on_pass -> ours */
    make_fault();
}

static void test_handlers_that_chain_in_a_circle_end_the_process(void **state)
{
    (void)state;
    assert_killed(scene_circle, SIGSEGV);
}

static volatile sig_atomic_t blocked_segv, blocked_usr1, blocked_usr2;

static void on_mask(int signal_number)
{
    (void)signal_number;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    blocked_segv = sigismember(&mask, SIGSEGV);
    blocked_usr1 = sigismember(&mask, SIGUSR1);
    blocked_usr2 = sigismember(&mask, SIGUSR2);
}

static void check_mask(int flags)
{
    sigset_t mask, after;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    set_action(on_mask, flags);
    use_guard_mode();
    raise(SIGSEGV);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    bool restored =
        sigismember(&after, SIGUSR2) == 1 && sigismember(&after, SIGUSR1) == 0 && sigismember(&after, SIGSEGV) == 0;
    bool deferred = !(flags & SA_NODEFER);
    _exit(restored && blocked_usr1 == 1 && blocked_usr2 == 1 && (blocked_segv == 1) == deferred ? GOOD : BAD_MASK);
}

static void scene_mask(void)
{
    check_mask(0);
}

static void scene_mask_no_defer(void)
{
    check_mask(SA_NODEFER);
}

static void test_the_previous_handler_runs_with_the_signals_blocked_that_it_asked_for(void **state)
{
    (void)state;
    assert_exit(scene_mask, GOOD);
    assert_exit(scene_mask_no_defer, GOOD);
}

/* ---- alternate stacks ---- */

enum { STACK_BYTES = 256 << 10 };
static _Thread_local char *stack;

static void on_stack(int signal_number)
{
    (void)signal_number;
    char here;
    uintptr_t at = (uintptr_t)&here;
    _exit(at - (uintptr_t)stack < STACK_BYTES ? HANDLED : BAD_STACK);
}

static void *thread_with_stack(void *context)
{
    stack_t alternate = {.ss_sp = stack = malloc(STACK_BYTES), .ss_size = STACK_BYTES};
    if (sigaltstack(&alternate, NULL) != 0)
        _exit(BAD_STACK);
    use_guard_mode();
    for (int i = 0; i < 100; i++) /* each trap leaves the alternate stack: it can be used again */
        if (load_at(65536 + i) != WAG_MEMORY_BOUNDS)
            _exit(BAD_TRAP);
    stack_t now;
    if (sigaltstack(NULL, &now) != 0 || now.ss_flags & SS_ONSTACK)
        _exit(BAD_STACK);
    wag_instance_unref(instance);
    wag_agent_close();
    if (context)
        make_fault();
    alternate.ss_flags = SS_DISABLE;
    sigaltstack(&alternate, NULL);
    free(stack);
    return NULL;
}

static void scene_stacks(void)
{
    set_action(on_stack, SA_ONSTACK);
    pthread_t thread;
    for (int last = 0; last < 2; last++) {
        if (pthread_create(&thread, NULL, thread_with_stack, last ? &thread : NULL) != 0)
            _exit(BAD_STACK);
        pthread_join(thread, NULL);
    }
}

static void test_each_thread_has_its_faults_on_its_own_alternate_stack(void **state)
{
    (void)state;
    assert_exit(scene_stacks, HANDLED);
}

/* ---- when the handler is there ---- */

static void scene_modes_without_handler(void)
{
    static const wag_tier tiers[] = {WAG_TIER_INTERP, WAG_TIER_NATIVE_CHECKED};
    for (int i = 0; i < 2; i++) {
        if (!compile(with_memory, tiers[i]))
            _exit(BAD_COMPILE);
        if (load_at(65536) != WAG_MEMORY_BOUNDS || load_at(-1) != WAG_MEMORY_BOUNDS)
            _exit(BAD_TRAP);
        wag_instance_unref(instance);
    }
    if (!compile(without_memory, WAG_TIER_NATIVE_GUARD) || load_at(5) != WAG_OK)
        _exit(BAD_COMPILE);
    if (!is_default(SIGSEGV) || !is_default(SIGBUS))
        _exit(BAD_HANDLER);
    use_guard_mode();
    _exit(is_default(SIGSEGV) ? BAD_HANDLER : GOOD);
}

static void test_there_is_a_handler_only_once_a_module_has_a_guarded_memory(void **state)
{
    (void)state;
    assert_exit(scene_modes_without_handler, GOOD);
}

static int set_up(void **state)
{
    (void)state;
    with_memory = wat(WITH_MEMORY);
    without_memory = wat(WITHOUT_MEMORY);
    forbidden = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return forbidden == MAP_FAILED ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    wat_free(with_memory);
    wat_free(without_memory);
    return munmap(forbidden, 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_fault_that_is_not_ours_goes_to_the_handler_that_was_there),
        cmocka_unit_test(test_c_code_that_touches_a_guard_page_is_not_ours),
        cmocka_unit_test(test_without_a_handler_the_signal_still_kills),
        cmocka_unit_test(test_ignored_signals_are_ignored_when_sent_and_kill_as_faults),
        cmocka_unit_test(test_a_handler_for_one_signal_gets_one),
        cmocka_unit_test(test_a_handler_may_leave_by_a_jump_each_time),
        cmocka_unit_test(test_handlers_that_chain_in_a_circle_end_the_process),
        cmocka_unit_test(test_the_previous_handler_runs_with_the_signals_blocked_that_it_asked_for),
        cmocka_unit_test(test_each_thread_has_its_faults_on_its_own_alternate_stack),
        cmocka_unit_test(test_there_is_a_handler_only_once_a_module_has_a_guarded_memory),
    };
    if (!wagi_native_available() || !wagi_native_can_guard()) {
        print_message("skipped: no guard mode here\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

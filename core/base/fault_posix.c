/* Memory faults on Linux and x86-64: the signal handler, the chain to the handlers of others, alternate stacks. */
#define _GNU_SOURCE
#include "base/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <ucontext.h>

#include "base/alloc.h"
#include "base/os.h"
#include "base/sync.h"
#include "waggle/module.h"

#if defined(__x86_64__) && defined(__linux__)

static const int places[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                               REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/* What was done with a signal before us. Never changed but for `spent`, and never freed: a thread may be in it. Each
 * one is there once, however often a host puts it in our place. */
typedef struct earlier {
    struct earlier *next;
    struct sigaction action;
    atomic_bool spent; /* SA_RESETHAND: it has had its one signal */
} earlier;

/* A signal that we catch. `now` is what to chain to; NULL: we have not been installed. */
typedef struct caught {
    int number;
    earlier *all; /* under the lock */
    _Atomic(earlier *) now;
} caught;

static wagi_mutex lock = WAGI_MUTEX_INIT;
static caught segv = {.number = SIGSEGV}, bus = {.number = SIGBUS};
static _Atomic(wagi_fault_handler) the_handler;

/* ---- faults ---- */

bool wag_handle_fault(int signal_number, const void *siginfo, void *context)
{
    /* acquire: pairs with the release in choose. */
    wagi_fault_handler handler = atomic_load_explicit(&the_handler, memory_order_acquire);
    const siginfo_t *info = siginfo;
    ucontext_t *user = context;
    if (!handler || !info || !user || (signal_number != SIGSEGV && signal_number != SIGBUS) || info->si_code <= 0)
        return false; /* at most 0: a process has sent it */
    int saved = errno;
    wagi_fault fault = {.pc = (uintptr_t)user->uc_mcontext.gregs[REG_RIP], .address = (uintptr_t)info->si_addr};
    for (int i = 0; i < 16; i++)
        fault.regs[i] = (uintptr_t)user->uc_mcontext.gregs[places[i]];
    bool is_ours = handler(&fault);
    if (is_ours) {
        user->uc_mcontext.gregs[REG_RIP] = (greg_t)fault.pc;
        for (int i = 0; i < 16; i++)
            user->uc_mcontext.gregs[places[i]] = (greg_t)fault.regs[i];
    }
    errno = saved;
    return is_ours;
}

/* ---- the chain ---- */

/* What the signal does without a handler. A fault happens again when we return and ends the process with the right
 * registers; a signal that was sent is sent once more, and arrives when we return. */
static void default_action(int signal_number, const siginfo_t *info)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    sigaction(signal_number, &action, NULL);
    if (info->si_code <= 0)
        raise(signal_number);
}

/* The signals that the kernel would have blocked for the previous handler. Returning restores the thread's own. */
static void block_as(const struct sigaction *previous, int signal_number, const ucontext_t *user)
{
    sigset_t mask = user->uc_sigmask;
    for (int i = 1; i < NSIG; i++)
        if (sigismember(&previous->sa_mask, i) == 1)
            sigaddset(&mask, i);
    if (!(previous->sa_flags & SA_NODEFER))
        sigaddset(&mask, signal_number);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

/* The innermost signal of this thread that we chained. Called again for the same one, from deeper in the same stack, we
 * are called by the handler that we chained to: nobody wants the fault. A handler may also leave by a jump; then the
 * next signal finds the mark of another context or of its own depth. */
static _Thread_local __attribute__((tls_model("initial-exec"))) const void *volatile chained_context;
static _Thread_local __attribute__((tls_model("initial-exec"))) volatile uintptr_t chained_depth;

static void chain(int signal_number, siginfo_t *info, void *context)
{
    /* acquire: pairs with the release in note. Not NULL: we are installed after it was set. */
    earlier *to = atomic_load_explicit(signal_number == SIGBUS ? &bus.now : &segv.now, memory_order_acquire);
    const struct sigaction *previous = &to->action;
    bool is_info = previous->sa_flags & SA_SIGINFO;
    uintptr_t depth = (uintptr_t)__builtin_frame_address(0);
    bool again = chained_context == context && depth < chained_depth;
    if (!again && !is_info && previous->sa_handler == SIG_IGN && info->si_code <= 0)
        return; /* faults cannot be ignored: the kernel takes the default action */
    if (again || (!is_info && (previous->sa_handler == SIG_DFL || previous->sa_handler == SIG_IGN)) ||
        ((previous->sa_flags & (int)SA_RESETHAND) && atomic_exchange(&to->spent, true))) {
        default_action(signal_number, info);
        return;
    }
    const void *outer_context = chained_context;
    uintptr_t outer_depth = chained_depth;
    chained_context = context;
    chained_depth = depth;
    block_as(previous, signal_number, context);
    if (is_info)
        previous->sa_sigaction(signal_number, info, context);
    else
        previous->sa_handler(signal_number);
    chained_context = outer_context;
    chained_depth = outer_depth;
}

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    int saved = errno;
    if (!wag_handle_fault(signal_number, info, context))
        chain(signal_number, info, context);
    errno = saved;
}

/* ---- installing; under the lock ---- */

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_fault;
}

static bool is_same(const struct sigaction *a, const struct sigaction *b)
{
    if (a->sa_flags != b->sa_flags ||
        ((a->sa_flags & SA_SIGINFO) ? a->sa_sigaction != b->sa_sigaction : a->sa_handler != b->sa_handler))
        return false;
    for (int i = 1; i < NSIG; i++)
        if (sigismember(&a->sa_mask, i) != sigismember(&b->sa_mask, i))
            return false;
    return true;
}

/* From now on that is what we chain to. False when memory is out. */
static bool note(caught *caught, const struct sigaction *action)
{
    earlier *found = caught->all;
    while (found && !is_same(&found->action, action))
        found = found->next;
    if (!found) {
        found = WAGI_NEW(earlier);
        if (!found)
            return false;
        found->action = *action;
        found->next = caught->all;
        caught->all = found;
    }
    atomic_store(&found->spent, false);
    atomic_store_explicit(&caught->now, found, memory_order_release); /* pairs with the acquire in chain */
    return true;
}

/* Put on_fault in front of whatever is there. A sanitizer that keeps the signal for itself lets sigaction do nothing:
 * so look whether it has been done. */
static bool catch_signal(caught *caught)
{
    struct sigaction action, there, replaced;
    if (sigaction(caught->number, NULL, &there) != 0)
        return false;
    if (is_ours(&there))
        return true;
    if (!note(caught, &there)) /* known before a fault can come to us */
        return false;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | (there.sa_flags & SA_RESTART);
    sigemptyset(&action.sa_mask);
    if (sigaction(caught->number, &action, &replaced) != 0)
        return false;
    if (!is_ours(&replaced) && !is_same(&replaced, &there) && !note(caught, &replaced))
        return false; /* somebody was there in between */
    return sigaction(caught->number, NULL, &there) == 0 && is_ours(&there);
}

static bool choose(wagi_fault_handler handler)
{
    /* relaxed: only written under the lock. release: pairs with the acquire in wag_handle_fault. */
    wagi_fault_handler chosen = atomic_load_explicit(&the_handler, memory_order_relaxed);
    if (!chosen)
        atomic_store_explicit(&the_handler, handler, memory_order_release);
    return !chosen || chosen == handler;
}

bool wagi_fault_available(void)
{
    return true;
}

bool wagi_fault_choose(wagi_fault_handler handler)
{
    wagi_mutex_lock(&lock);
    bool fine = choose(handler);
    wagi_mutex_unlock(&lock);
    return fine;
}

bool wagi_fault_install(wagi_fault_handler handler)
{
    wagi_mutex_lock(&lock);
    bool fine = choose(handler) && catch_signal(&segv) && catch_signal(&bus);
    wagi_mutex_unlock(&lock);
    return fine;
}

/* ---- threads ---- */

/* Room for the handlers of others, which may print a backtrace there. */
enum { STACK_BYTES = 256 << 10 };

bool wagi_fault_thread_begin(wagi_fault_thread *thread)
{
    stack_t stack;
    sigset_t faults;
    thread->stack = NULL;
    sigemptyset(&faults);
    sigaddset(&faults, SIGSEGV);
    sigaddset(&faults, SIGBUS);
    if (pthread_sigmask(SIG_UNBLOCK, &faults, NULL) != 0 || sigaltstack(NULL, &stack) != 0)
        return false;
    if (!(stack.ss_flags & SS_DISABLE))
        return true;
    size_t page = wagi_os_page_size();
    char *base = wagi_os_map(page + STACK_BYTES, WAGI_PROT_READ_WRITE);
    stack = (stack_t){.ss_sp = base + page, .ss_size = STACK_BYTES};
    if (!base || !wagi_os_protect(base, page, WAGI_PROT_NONE) || sigaltstack(&stack, NULL) != 0) {
        wagi_os_unmap(base, page + STACK_BYTES);
        return false;
    }
    thread->stack = base;
    return true;
}

void wagi_fault_thread_end(wagi_fault_thread *thread)
{
    stack_t stack;
    size_t page = wagi_os_page_size();
    if (!thread->stack || sigaltstack(NULL, &stack) != 0)
        return;
    if (!(stack.ss_flags & SS_DISABLE) && stack.ss_sp == (void *)((char *)thread->stack + page)) {
        stack = (stack_t){.ss_flags = SS_DISABLE};
        if (sigaltstack(&stack, NULL) != 0)
            return; /* we are running on it */
    }
    wagi_os_unmap(thread->stack, page + STACK_BYTES);
    thread->stack = NULL;
}

#else

bool wag_handle_fault(int signal_number, const void *siginfo, void *context)
{
    (void)signal_number;
    (void)siginfo;
    (void)context;
    return false;
}

bool wagi_fault_available(void)
{
    return false;
}

bool wagi_fault_choose(wagi_fault_handler handler)
{
    (void)handler;
    return false;
}

bool wagi_fault_install(wagi_fault_handler handler)
{
    (void)handler;
    return false;
}

bool wagi_fault_thread_begin(wagi_fault_thread *thread)
{
    thread->stack = NULL;
    return true;
}

void wagi_fault_thread_end(wagi_fault_thread *thread)
{
    (void)thread;
}

#endif

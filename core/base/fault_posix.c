/* Memory faults on Linux and x86-64: the signal handler, and the chain to the handlers of others. */
#define _GNU_SOURCE
#include "base/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <ucontext.h>

#include "base/sync.h"

#if defined(__x86_64__) && defined(__linux__)

static const int places[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                               REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/* Under the lock; the handler reads them without: they are set before it can run, and a later change of `previous` by
 * another installation races with nothing but faults that end the process anyway. */
static wagi_mutex lock = WAGI_MUTEX_INIT;
static wagi_fault_handler installed;
static struct sigaction previous_segv, previous_bus;
/* An SA_RESETHAND handler has had its one signal. */
static atomic_bool spent_segv, spent_bus;

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
    bool is_bus = signal_number == SIGBUS;
    const struct sigaction *previous = is_bus ? &previous_bus : &previous_segv;
    bool is_info = previous->sa_flags & SA_SIGINFO;
    uintptr_t depth = (uintptr_t)__builtin_frame_address(0);
    bool again = chained_context == context && depth < chained_depth;
    if (!again && !is_info && previous->sa_handler == SIG_IGN && info->si_code <= 0)
        return; /* faults cannot be ignored: the kernel takes the default action */
    if (again || (!is_info && (previous->sa_handler == SIG_DFL || previous->sa_handler == SIG_IGN)) ||
        ((previous->sa_flags & (int)SA_RESETHAND) && atomic_exchange(is_bus ? &spent_bus : &spent_segv, true))) {
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
    ucontext_t *user = context;
    int saved = errno;
    wagi_fault fault = {.pc = (uintptr_t)user->uc_mcontext.gregs[REG_RIP], .address = (uintptr_t)info->si_addr};
    for (int i = 0; i < 16; i++)
        fault.regs[i] = (uintptr_t)user->uc_mcontext.gregs[places[i]];
    if (info->si_code > 0 && installed(&fault)) {
        user->uc_mcontext.gregs[REG_RIP] = (greg_t)fault.pc;
        for (int i = 0; i < 16; i++)
            user->uc_mcontext.gregs[places[i]] = (greg_t)fault.regs[i];
    } else { /* not ours, or sent by a process */
        chain(signal_number, info, context);
    }
    errno = saved;
}

static bool install(int signal_number, struct sigaction *previous, atomic_bool *spent)
{
    struct sigaction action, current;
    if (sigaction(signal_number, NULL, &current) != 0)
        return false;
    if ((current.sa_flags & SA_SIGINFO) && current.sa_sigaction == on_fault)
        return true;
    *previous = current; /* known before a fault can come to us */
    atomic_store(spent, false);
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    return sigaction(signal_number, &action, NULL) == 0;
}

bool wagi_fault_available(void)
{
    return true;
}

bool wagi_fault_install(wagi_fault_handler handler)
{
    wagi_mutex_lock(&lock);
    bool fine = !installed || installed == handler;
    if (fine) {
        installed = handler;
        fine = install(SIGSEGV, &previous_segv, &spent_segv) && install(SIGBUS, &previous_bus, &spent_bus);
    }
    wagi_mutex_unlock(&lock);
    return fine;
}

#else

bool wagi_fault_available(void)
{
    return false;
}

bool wagi_fault_install(wagi_fault_handler handler)
{
    (void)handler;
    return false;
}

#endif

#define _GNU_SOURCE
#include "base/fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <ucontext.h>

#include "base/sync.h"

#if defined(__x86_64__) && defined(__linux__)

static const int places[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                               REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/* Written once under the lock, before the handler can run. */
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

static void chain(int signal_number, siginfo_t *info, void *context)
{
    bool is_bus = signal_number == SIGBUS;
    const struct sigaction *previous = is_bus ? &previous_bus : &previous_segv;
    bool is_info = previous->sa_flags & SA_SIGINFO;
    if (!is_info && previous->sa_handler == SIG_IGN && info->si_code <= 0)
        return; /* faults cannot be ignored: the kernel takes the default action */
    if ((!is_info && (previous->sa_handler == SIG_DFL || previous->sa_handler == SIG_IGN)) ||
        ((previous->sa_flags & (int)SA_RESETHAND) && atomic_exchange(is_bus ? &spent_bus : &spent_segv, true))) {
        default_action(signal_number, info);
        return;
    }
    block_as(previous, signal_number, context);
    if (is_info)
        previous->sa_sigaction(signal_number, info, context);
    else
        previous->sa_handler(signal_number);
}

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    ucontext_t *user = context;
    wagi_fault fault = {.pc = (uintptr_t)user->uc_mcontext.gregs[REG_RIP], .address = (uintptr_t)info->si_addr};
    for (int i = 0; i < 16; i++)
        fault.regs[i] = (uintptr_t)user->uc_mcontext.gregs[places[i]];
    if (info->si_code <= 0 || !installed(&fault)) { /* sent by a process: not a fault */
        chain(signal_number, info, context);
        return;
    }
    user->uc_mcontext.gregs[REG_RIP] = (greg_t)fault.pc;
    for (int i = 0; i < 16; i++)
        user->uc_mcontext.gregs[places[i]] = (greg_t)fault.regs[i];
}

bool wagi_fault_available(void)
{
    return true;
}

bool wagi_fault_install(wagi_fault_handler handler)
{
    bool fine = true;
    wagi_mutex_lock(&lock);
    if (!installed) {
        installed = handler;
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_sigaction = on_fault;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigemptyset(&action.sa_mask);
        /* What is there is known before a fault can come to us. */
        fine = sigaction(SIGSEGV, NULL, &previous_segv) == 0 && sigaction(SIGBUS, NULL, &previous_bus) == 0 &&
               sigaction(SIGSEGV, &action, NULL) == 0;
        if (fine && sigaction(SIGBUS, &action, NULL) != 0) {
            sigaction(SIGSEGV, &previous_segv, NULL);
            fine = false;
        }
        if (!fine)
            installed = NULL;
    }
    wagi_mutex_unlock(&lock);
    return fine && installed == handler;
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

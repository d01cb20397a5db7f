/* fault.h for Linux on x86-64: the handler of SIGSEGV and SIGBUS, which passes on what is not ours. */
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

/* Under the lock; the handler reads them without: they are set before it can run, and a later change of `previous` by
 * another installation races with nothing but faults that end the process anyway. */
static wagi_mutex lock = WAGI_MUTEX_INIT;
static wagi_fault_handler installed;
static struct sigaction previous_segv, previous_bus;
/* This thread is inside a handler that we chained to: when that one calls us back, nobody wants the fault. */
static _Thread_local __attribute__((tls_model("initial-exec"))) volatile sig_atomic_t chaining;

static void chain(int signal_number, siginfo_t *info, void *context)
{
    const struct sigaction *previous = signal_number == SIGBUS ? &previous_bus : &previous_segv;
    if (!chaining && (previous->sa_flags & SA_SIGINFO)) {
        chaining = 1;
        previous->sa_sigaction(signal_number, info, context);
        chaining = 0;
    } else if (!chaining && previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN) {
        chaining = 1;
        previous->sa_handler(signal_number);
        chaining = 0;
    } else { /* the instruction faults again and ends the process as without us */
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_handler = SIG_DFL;
        sigaction(signal_number, &action, NULL);
    }
}

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    ucontext_t *user = context;
    wagi_fault fault = {.pc = (uintptr_t)user->uc_mcontext.gregs[REG_RIP], .address = (uintptr_t)info->si_addr};
    for (int i = 0; i < 16; i++)
        fault.regs[i] = (uintptr_t)user->uc_mcontext.gregs[places[i]];
    /* A foreign handler may have left by a jump: a fault in our code is never inside a chain. */
    if (info->si_code > 0 && installed(&fault)) {
        chaining = 0;
        user->uc_mcontext.gregs[REG_RIP] = (greg_t)fault.pc;
        for (int i = 0; i < 16; i++)
            user->uc_mcontext.gregs[places[i]] = (greg_t)fault.regs[i];
    } else { /* not ours, or sent by a process */
        chain(signal_number, info, context);
    }
}

static bool install(int signal_number, struct sigaction *previous)
{
    struct sigaction action, current;
    if (sigaction(signal_number, NULL, &current) != 0)
        return false;
    if ((current.sa_flags & SA_SIGINFO) && current.sa_sigaction == on_fault)
        return true;
    *previous = current;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    return sigaction(signal_number, &action, NULL) == 0;
}

bool wagi_fault_install(wagi_fault_handler handler)
{
    wagi_mutex_lock(&lock);
    bool fine = !installed || installed == handler;
    if (fine) {
        installed = handler;
        fine = install(SIGSEGV, &previous_segv) && install(SIGBUS, &previous_bus);
    }
    wagi_mutex_unlock(&lock);
    return fine;
}

#else

bool wagi_fault_install(wagi_fault_handler handler)
{
    (void)handler;
    return false;
}

#endif

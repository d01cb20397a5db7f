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

static void chain(int signal_number, siginfo_t *info, void *context)
{
    const struct sigaction *previous = signal_number == SIGBUS ? &previous_bus : &previous_segv;
    if (previous->sa_flags & SA_SIGINFO) {
        previous->sa_sigaction(signal_number, info, context);
    } else if (previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN) {
        previous->sa_handler(signal_number);
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
    if (info->si_code <= 0 || !installed(&fault)) { /* sent by a process: not a fault */
        chain(signal_number, info, context);
        return;
    }
    user->uc_mcontext.gregs[REG_RIP] = (greg_t)fault.pc;
    for (int i = 0; i < 16; i++)
        user->uc_mcontext.gregs[places[i]] = (greg_t)fault.regs[i];
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
        fine = sigaction(SIGSEGV, &action, &previous_segv) == 0;
        if (fine && sigaction(SIGBUS, &action, &previous_bus) != 0) {
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

bool wagi_fault_install(wagi_fault_handler handler)
{
    (void)handler;
    return false;
}

#endif

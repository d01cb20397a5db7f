/* Memory faults: the process's SIGSEGV and SIGBUS, chained. Installed when somebody needs it, never removed. */
#ifndef WAGI_BASE_FAULT_H
#define WAGI_BASE_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The faulting thread's registers, as far as they matter. Registers: x86-64 numbers (rax rcx rdx rbx rsp rbp rsi rdi
 * r8..r15). What the handler writes is what the thread goes on with. */
typedef struct wagi_fault {
    uintptr_t pc, address;
    uintptr_t regs[16];
} wagi_fault;

/* True: handled, go on with the registers as they are now. False: not ours. Runs inside the signal handler, so it must
 * be async-signal-safe. */
typedef bool (*wagi_fault_handler)(wagi_fault *fault);

/* Install, or install again in front of a handler that somebody put in our place. There is one wagi_fault_handler in a
 * process. A fault that is not ours goes to the handler that was there before, or ends the process as it would have.
 * False when this system cannot do it. Any thread. */
bool wagi_fault_install(wagi_fault_handler handler);

#endif

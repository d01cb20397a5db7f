/* Memory faults: the process's SIGSEGV and SIGBUS, chained. Installed when somebody needs it, never removed; or the
 * host's own handler shows us its faults (wag_handle_fault, which is defined here). */
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

bool wagi_fault_available(void); /* this system can do it */
/* There is one handler in a process, from now on this one. False when there is another one. Any thread. */
bool wagi_fault_choose(wagi_fault_handler handler);
/* Choose it, and install it, or install it again in front of a handler that somebody put in our place. A fault that is
 * not ours goes to the handler that was there before, with the signals blocked that it asked for and once only if it
 * asked for that (SA_RESETHAND), or ends the process as it would have. It runs on our stack, the alternate one, also
 * without SA_ONSTACK: on the thread's own, the kernel would take the alternate one for free, and the next signal would
 * overwrite the frames and the context to which that handler has to return. False when this cannot be done here: then
 * the signals may still be somebody else's alone. Any thread. */
bool wagi_fault_install(wagi_fault_handler handler);

/* What this thread needs so that its faults arrive: the two signals unblocked (one that is blocked ends the process),
 * and an alternate stack, unless it has one: the thread's own may be full. False when memory is out. `end` on the same
 * thread takes the stack away. */
typedef struct wagi_fault_thread {
    void *stack; /* NULL: none of ours */
} wagi_fault_thread;
bool wagi_fault_thread_begin(wagi_fault_thread *thread);
void wagi_fault_thread_end(wagi_fault_thread *thread);

#endif

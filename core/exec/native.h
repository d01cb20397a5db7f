/* The native tier: a module's functions as machine code. */
#ifndef WAGI_EXEC_NATIVE_H
#define WAGI_EXEC_NATIVE_H

#include "base/fault.h"
#include "exec/code_memory.h"
#include "runtime/tier.h"

extern const wagi_tier wagi_tier_native;
/* This process can run native modules. */
bool wagi_native_available(void);
/* Guard pages can be used: there is address space for at least one memory, and there can be a fault handler. It is put
 * in place when a module with a guarded memory is compiled. */
bool wagi_native_can_guard(void);

/* ---- between the tier's files ---- */
void wagi_native_trap(wag_instance *instance, const void *pc, const void *sp, wag_err trap);
void wagi_native_error(wag_instance *instance, const void *pc, const void *sp, wag_error *error);
wag_error *wagi_native_call_out(wag_func *func, wagi_slot *slots);
wag_error *wagi_native_tail_out(wag_func *func, wagi_slot *slots, const uintptr_t *sp);
wag_error *wagi_native_call_out_vals(wag_func *func, const wag_val *args, wag_val *results);
bool wagi_native_on_fault(wagi_fault *fault);
extern const wagi_code_abi wagi_native_abi;
extern const wagi_helper_func wagi_native_helpers[WAGI_HELPER_COUNT];

#endif

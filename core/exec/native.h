/* The native tier: a module's functions as machine code. */
#ifndef WAGI_EXEC_NATIVE_H
#define WAGI_EXEC_NATIVE_H

#include "base/fault.h"
#include "exec/code_memory.h"
#include "runtime/tier.h"

extern const wagi_tier wagi_tier_native;
/* This process can run native modules. */
bool wagi_native_available(void);
/* Guard pages can be used: there is address space for at least one memory, and there can be a fault handler. */
bool wagi_native_can_guard(void);
/* This module may have them. The fault handler has been put in place, if it needs one and `signals` allow it. */
bool wagi_native_may_guard(const wagi_module_data *data, wag_signals signals);

/* Native code for a module whose bodies are still arriving. Its sections up to the bodies are known; guarded: as
 * module->guarded will be. NULL without memory. The module, with its cluster, must outlive the draft. */
typedef struct wagi_native_draft wagi_native_draft;
wagi_native_draft *wagi_native_draft_new(const wag_module *module, bool guarded);
/* The first `bodies` bodies are valid. False: there is no use in going on. */
bool wagi_native_draft_add(wagi_native_draft *draft, uint32_t bodies);
void wagi_native_draft_free(wagi_native_draft *draft); /* NULL is a no-op */
/* The tier's compile, with the help of a draft (NULL: none), which stays the caller's. */
wag_err wagi_native_compile(wag_module *module, wagi_native_draft *draft, wag_error **reterr_error);

/* ---- between the tier's files ---- */
void wagi_native_trap(wag_instance *instance, const void *pc, const void *sp, wag_err trap);
/* An error on its way to the entry: adds the frames. */
void wagi_native_fail(wag_instance *instance, uintptr_t pc, uintptr_t sp, wag_error *error);
void wagi_native_raise(wagi_raise *raise, wag_error *error);

/* A walk over native frames, from the innermost outward (trap.c). Each place is a return address but the first, which
 * may be a fault. */
typedef struct wagi_native_walker {
    uintptr_t pc;
    const uintptr_t *sp;        /* of the body */
    bool in_prologue;           /* the frame has not been made: sp is at the return address */
    const wagi_code *code;      /* of pc */
    const wagi_func_code *func; /* NULL: pc is in a stub */
    /* Right where they were right at the walk's start: the registers that calls keep, and the instance. */
    uintptr_t saved[WAGI_SAVED_REGS];
    wag_instance *instance;
} wagi_native_walker;
/* False when pc is not in native code. The walker is zeroed but for sp, saved, instance. */
bool wagi_native_walk_begin(wagi_native_walker *walker, uintptr_t pc, bool is_fault);
bool wagi_native_walk_out(wagi_native_walker *walker); /* to the caller; false at the entry */
bool wagi_native_walk_site(const wagi_native_walker *walker, bool is_fault, wagi_site *ret_site,
                           wagi_site_rest *ret_rest);
wag_error *wagi_native_call_out(wag_func *func, wagi_slot *slots);
wag_error *wagi_native_tail_out(wag_func *func, wagi_slot *slots, const uintptr_t *sp);
wag_error *wagi_native_call_out_vals(wag_func *func, const wag_val *args, wag_val *results);
void *wagi_native_alloc(wag_instance *instance, const wagi_type *type, uint32_t size);
void wagi_native_shade(wag_instance *instance, wagi_slot slot);
bool wagi_native_on_fault(wagi_fault *fault);
extern const wagi_code_abi wagi_native_abi;
extern const wagi_helper_func wagi_native_helpers[WAGI_HELPER_COUNT];

#endif

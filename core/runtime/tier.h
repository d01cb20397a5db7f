/* The seam between the runtime and the ways to run code. A tier is a struct of functions; the runtime and the api layer
 * never name one. */
#ifndef WAGI_RUNTIME_TIER_H
#define WAGI_RUNTIME_TIER_H

#include "runtime/object.h"

struct wagi_tier {
    const char *name;  /* "interp" */
    uint64_t features; /* bits of wagi_feature that it can run */
    /* Make the module's code. The module is valid, unsealed, and its features are within `features`. May allocate in
     * the module's arena. Any thread, one at a time per module; takes no lock. May be NULL. Fails with WAG_NOMEM. */
    wag_err (*compile)(wag_module *module, wag_error **reterr_error);
    /* Free tier_data. May be NULL. Any thread. */
    void (*release)(wag_module *module);
    /* Call a wasm function (func->body is not NULL). slots holds the arguments and receives the results; it has room
     * for the larger of both counts (v128: two words each). Owner thread of the instance's agent. Returns NULL, or the
     * error that ended the call: a trap with its backtrace, a host function's error, an interrupt. The caller keeps the
     * instance's unit alive (handles). May call host functions, which may call back. */
    wag_error *(*invoke)(wag_func *func, wagi_slot *slots);
    /* The machine code of a wasm function, for wag_func.code. May be NULL. Any thread. */
    const void *(*code)(const wag_module *module, uint32_t func_index);
    /* Evaluate a WAGI_CONST_EXPR of an instance under construction (globals before it are set). */
    wag_error *(*eval)(wag_instance *instance, const wagi_const_expr *expr, wagi_slot *ret_value);
};
typedef struct wagi_tier wagi_tier;

#endif

/* What wasm.h cannot say, for programs that use it: why something failed, and the way between the two interfaces.
 *
 * Instances, functions, globals, tables and memories are the same objects in both, so are their handles: a wasm_func_t
 * * may be cast to wag_func * and back, and so on; a wasm_foreign_t * is a wag_extern *.
 *
 * A store lives in its thread's agent, and its modules are compiled in that agent's cluster: a program that wants other
 * limits, or another wag_signals, than the default cluster has calls wag_agent_open before it makes a store.
 *
 * Example:
 *     wasm_engine_t *engine = wasm_engine_new();
 *     wasm_store_t *store = wasm_store_new(engine);
 *     wasm_byte_vec_t junk = {4, (char[]){'j', 'u', 'n', 'k'}};
 *     if (wasm_module_new(store, &junk))
 *         return 1;
 *     printf("%s\n", wag_error_message(wag_wasm_last_error(store)));
 *     wasm_store_delete(store);
 *     wasm_engine_delete(engine);
 */
#ifndef WAGGLE_WASM_EXT_H
#define WAGGLE_WASM_EXT_H

#include "waggle/module.h"
#include "wasm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Why the last function that takes this store and failed did so; NULL: none has. borrow: until the next one fails, or
 * the store goes. */
WAG_API const wag_error *wag_wasm_last_error(const wasm_store_t *store);
/* What a trap is made of. borrow: as long as the trap. */
WAG_API_ANY_THREAD const wag_error *wag_wasm_trap_error(const wasm_trap_t *trap);
/* The module inside. borrow: as long as the handle. */
WAG_API_ANY_THREAD wag_module *wag_wasm_module(const wasm_module_t *module);
/* A handle for a module of waggle.h. module: borrow. own; NULL when memory is out, or for another thread's store. */
WAG_API wasm_module_t *wag_wasm_module_of(wasm_store_t *store, wag_module *module);

#ifdef __cplusplus
}
#endif
#endif

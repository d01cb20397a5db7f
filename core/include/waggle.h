/* Waggle: WebAssembly.instantiate() and what surrounds it, in C. This header includes all others but wasm.h,
 * the standard's interface, and waggle/wasm_ext.h.
 *
 * In all examples `bytes` is a module that imports a function host.next and exports the functions add and twice, a
 * memory, a table and a global, `module` is what it compiles to, and `instance` one of its instances.
 *
 * Example:
 *     static wag_error *next(void *context, const wag_val *args, wag_val *results)
 *     {
 *         (void)context;
 *         results[0] = WAG_VAL_I32(args[0].of.i32 + 1);
 *         return NULL;
 *     }
 *
 *     wag_imports *imports = wag_imports_new();
 *     wag_imports_set_func(imports, "host", "next", "(i32) -> (i32)", next, NULL, NULL);
 *     wag_promise_source *promise = wag_instantiate(bytes, imports);
 *     wag_instantiated_source made;
 *     wag_error *error = NULL;
 *     if (wag_await(promise, &made, &error) != WAG_OK) {
 *         fprintf(stderr, "%s\n", wag_error_message(error));
 *         return 1;
 *     }
 *     wag_val arg = WAG_VAL_I32(40), result;
 *     wag_func *twice = wag_exports_func(wag_instance_exports(made.instance), "twice");
 *     if (wag_call(twice, &arg, 1, &result, 1, &error) != WAG_OK || result.of.i32 != 42)
 *         return 1;
 *     wag_instantiated_source_unref(made);
 *     wag_promise_unref(promise);
 *     wag_imports_unref(imports);
 */
#ifndef WAGGLE_H
#define WAGGLE_H

#include "waggle/agent.h"
#include "waggle/base.h"
#include "waggle/buffer.h"
#include "waggle/coerce.h"
#include "waggle/error.h"
#include "waggle/imports.h"
#include "waggle/instance.h"
#include "waggle/module.h"
#include "waggle/port.h"
#include "waggle/promise.h"
#include "waggle/streaming.h"
#include "waggle/value.h"
#include "waggle/worker.h"

#endif

/* Import objects: namespace -> field -> value. JS API, "read the imports".
 * An import object belongs to the agent that made it. It is read when the JS API reads it: inside wag_instantiate for a
 * module, after compilation for bytes; it may be changed and dropped after the call (the call keeps what it needs).
 *
 * Example:
 *     static wag_error *refuse(void *context, const wag_val *args, wag_val *results)
 *     {
 *         (void)context, (void)args, (void)results;
 *         return wag_error_new(WAG_CLASS_RANGE_ERROR, "no more of these");
 *     }
 *
 *     wag_imports *imports = wag_imports_new();
 *     wag_imports_set_func(imports, "host", "next", "(i64) -> ()", refuse, NULL, NULL);
 *     wag_error **errors;
 *     size_t count;
 *     if (wag_imports_check(module, imports, &errors, &count) != WAG_OK || count != 1)
 *         return 1;
 *     printf("%s\n", wag_error_message(errors[0])); // which import, what was wanted, what was given
 *     wag_error_list_free(errors, count);
 *     wag_imports_unref(imports);
 */
#ifndef WAGGLE_IMPORTS_H
#define WAGGLE_IMPORTS_H

#include "waggle/module.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An import object. */
typedef struct wag_imports wag_imports;

/* A host function. args are of the function's parameter types, results has room for its result types with kind already
 * set. context is what was given when the function was made. Returns NULL on success, or an error (own) that reaches
 * the caller of wasm unchanged. References in args are borrowed for the call; references stored into results are
 * borrowed from the host (the engine takes what it needs before it returns to wasm). A host reference or function that
 * the callee has made (wag_extern_new, wag_func_new) may be released before it is returned. Runs on the owner thread.
 */
typedef wag_error *(*wag_host_func)(void *context, const wag_val *args, wag_val *results);

/* Look up `module` (field == NULL) or `module`.`field` in a host-made import object. *ret_value: own, WAG_UNDEFINED
 * when absent; for field == NULL any map or instance says "an object". Returns NULL or an error (own) that propagates.
 */
typedef wag_error *(*wag_imports_getter)(void *context, wag_name module, const wag_name *field, wag_value *ret_value);

/* An empty import object. own; NULL when memory is out. Owner thread from now on. */
WAG_API wag_imports *wag_imports_new(void);
/* An import object that asks a getter, once per look-up, in the JS API's order: for each import first the namespace,
 * then the field. own; NULL when memory is out. */
WAG_API wag_imports *wag_imports_new_getter(wag_imports_getter getter, void *context);
/* Any value as import object, as in JavaScript: a map of maps (or instances) works, everything else is a TypeError when
 * it is used. value: borrow. own; NULL when memory is out, or for an object of another agent. */
WAG_API wag_imports *wag_imports_from_value(wag_value value);
/* One more reference; returns its argument. NULL is a no-op. */
WAG_API wag_imports *wag_imports_ref(wag_imports *imports);
/* One reference less. NULL is a no-op. */
WAG_API void wag_imports_unref(wag_imports *imports);

/* imports[module][field] = value. value: borrow (a reference is taken). Replaces. WAG_NOMEM, WAG_WRONG_AGENT;
 * WAG_TYPE when `module` was set to something that is no namespace, or the object is made by getter or from a value. */
WAG_API wag_err wag_imports_set(wag_imports *imports, const char *module, const char *field, wag_value value);
WAG_API wag_err wag_imports_set_n(wag_imports *imports, wag_name module, wag_name field, wag_value value);
/* imports[module] = value: a map of fields, an instance (all its exports), or anything else (which a look-up then
 * refuses with a TypeError, as JavaScript does). value: borrow. */
WAG_API wag_err wag_imports_set_namespace(wag_imports *imports, const char *module, wag_value value);
WAG_API wag_err wag_imports_set_namespace_n(wag_imports *imports, wag_name module, wag_value value);

/* imports[module][field] = a new host function. Replaces. WAG_TYPE for a signature that cannot be read (nothing is set
 * then; wag_func_new says in an error where it goes wrong), else as wag_imports_set.
 *  signature  as wag_func_new; NULL: the function takes the type that the import asks for (JS API: any callable fits)
 *  context    handed to func
 *  finalize   may be NULL; called with context once nothing can call func any more, also when this call fails */
WAG_API wag_err wag_imports_set_func(wag_imports *imports, const char *module, const char *field, const char *signature,
                                     wag_host_func func, void *context, void (*finalize)(void *context));

/* Everything that does not fit, at once: unlike instantiate, which stops at the first.
 * ret_errors: own array of own errors in import order, free with wag_error_list_free; ret_count 0: all fits.
 * Owner thread. WAG_NOMEM, WAG_WRONG_AGENT. imports may be NULL. */
WAG_API wag_err wag_imports_check(const wag_module *module, wag_imports *imports, wag_error ***ret_errors,
                                  size_t *ret_count);
/* Free what wag_imports_check has given: the array, and one reference of each error. */
WAG_API_ANY_THREAD void wag_error_list_free(wag_error **errors, size_t count);

#ifdef __cplusplus
}
#endif
#endif

/* The coercing layer: calls, globals, tables, memories, tags and exceptions with JavaScript values (wag_value), as the
 * JS API converts them. The typed layer (waggle/instance.h) does the same without conversion, and faster.
 *
 *   wasm type    from a value                                              to a value
 *   i32          ToInt32 (a bigint is a TypeError)                         number
 *   i64          ToBigInt64 (a number is a TypeError; "5" is 5)            bigint
 *   f32, f64     ToNumber                                                  number
 *   v128, exnref TypeError                                                 TypeError
 *   funcref      null or a function, else TypeError                        function or null
 *   externref    anything; null is the null reference, undefined is not    the same value
 *   anyref ...   an integral number in [-2^30, 2^30) is an i31; a struct   number for i31, WAG_VALUE_ANY for structs
 *                or array is itself; anything else is a host reference     and arrays, else the same value
 *
 * Objects have no valueOf here: a map or a store object converts to NaN, and where a bigint is wanted to a TypeError;
 * an array converts through its text, as in JavaScript. Where JavaScript throws a SyntaxError (a string that is no
 * integer for an i64) this layer gives a TypeError.
 * All: owner thread; WAG_WRONG_AGENT otherwise, and for values that hold an object of another agent. Source: JS API,
 * "ToWebAssemblyValue", "ToJSValue", "DefaultValue", and the constructors of Memory, Table, Global, Tag, Exception.
 *
 * Example:
 *     wag_value args[2] = {WAG_NUMBER(40.9), wag_string("2")}, sum;
 *     wag_error *error;
 *     wag_func *add = wag_exports_func(wag_instance_exports(instance), "add");
 *     if (wag_call_value(add, args, 2, &sum, &error) != WAG_OK || sum.of.number != 42)
 *         return 1;
 *     wag_value_unref(args[1]);
 */
#ifndef WAGGLE_COERCE_H
#define WAGGLE_COERCE_H

#include "waggle/instance.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Call an exported function: missing arguments are undefined, extra ones are ignored. No result is undefined, one is
 * itself, several are an array.
 *  args       borrowed; may be NULL when arg_count is 0
 *  ret_value  own
 *  Fails with WAG_TYPE (a conversion; a signature with v128 or exnref fails at each call; nothing ran), else as
 *  wag_call. */
WAG_API wag_err wag_call_value(wag_func *func, const wag_value *args, size_t arg_count, wag_value *ret_value,
                               wag_error **reterr_error);

/* A host function of this layer. args: as many as the signature has, borrowed for the call. *ret_result: own, undefined
 * when not set; it is converted to the result type; for several results it must be an array of exactly that many. NULL,
 * or an error (own) that reaches the caller of wasm unchanged. Owner thread. */
typedef wag_error *(*wag_host_value_func)(void *context, const wag_value *args, size_t arg_count,
                                          wag_value *ret_result);
/* As wag_func_new. */
WAG_API wag_err wag_func_new_value(const char *signature, wag_host_value_func func, void *context,
                                   void (*finalize)(void *context), wag_func **ret_func, wag_error **reterr_error);
/* imports[module][field] = a function that takes whatever signature the import asks for. As wag_imports_set_func. */
WAG_API wag_err wag_imports_set_func_value(wag_imports *imports, const char *module, const char *field,
                                           wag_host_value_func func, void *context, void (*finalize)(void *context));

/* new WebAssembly.Memory(descriptor): a map {initial, maximum?, address?: "i32" | "i64", shared?}. WAG_TYPE for a
 * missing or unconvertible member, a number outside of the address type's range, and a shared one without maximum;
 * WAG_RANGE for maximum < initial, more than the limits allow, or when memory cannot be had. descriptor: borrow.
 * ret_memory: own. */
WAG_API wag_err wag_memory_new_value(wag_value descriptor, wag_memory **ret_memory, wag_error **reterr_error);
/* new WebAssembly.Table(descriptor, init): a map {element, initial, maximum?, address?}; element: "anyfunc" (funcref),
 * "externref" ... init undefined is the element type's default. */
WAG_API wag_err wag_table_new_value(wag_value descriptor, wag_value init, wag_table **ret_table,
                                    wag_error **reterr_error);
/* new WebAssembly.Global(descriptor, value): a map {value: "i32" ..., mutable?}. value undefined is the default. */
WAG_API wag_err wag_global_new_value(wag_value descriptor, wag_value value, wag_global **ret_global,
                                     wag_error **reterr_error);
/* new WebAssembly.Tag(descriptor): a map {parameters: array of type names}. */
WAG_API wag_err wag_tag_new_value(wag_value descriptor, wag_tag **ret_tag, wag_error **reterr_error);
/* new WebAssembly.Exception(tag, payload). payload: an array of the tag's parameters, undefined for none. */
WAG_API wag_err wag_exception_new_value(wag_tag *tag, wag_value payload, wag_exception **ret_exception,
                                        wag_error **reterr_error);

/* global.value, global.valueOf(). ret_value: own. WAG_TYPE for v128 and exnref. */
WAG_API wag_err wag_global_get_value(const wag_global *global, wag_value *ret_value, wag_error **reterr_error);
/* global.value = value. WAG_TYPE for a constant global. */
WAG_API wag_err wag_global_set_value(wag_global *global, wag_value value, wag_error **reterr_error);
/* table.get(index). ret_value: own. WAG_RANGE; WAG_TYPE for a table of exnref. */
WAG_API wag_err wag_table_get_value(const wag_table *table, uint64_t index, wag_value *ret_value,
                                    wag_error **reterr_error);
/* table.set(index, value). A missing value (undefined) is the element type's default. */
WAG_API wag_err wag_table_set_value(wag_table *table, uint64_t index, wag_value value, wag_error **reterr_error);
/* table.grow(delta, value). */
WAG_API wag_err wag_table_grow_value(wag_table *table, uint64_t delta, wag_value value, uint64_t *ret_old_size,
                                     wag_error **reterr_error);
/* exception.getArg(tag, index). ret_value: own. */
WAG_API wag_err wag_exception_arg_value(const wag_exception *exception, const wag_tag *tag, size_t index,
                                        wag_value *ret_value, wag_error **reterr_error);

#ifdef __cplusplus
}
#endif
#endif

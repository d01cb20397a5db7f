/* Coercions between JavaScript values and wasm values: ToWebAssemblyValue and ToJSValue of the JS API, and the parts of
 * ECMAScript below them. Pure but for the references they take. */
#ifndef WAGI_RUNTIME_COERCE_H
#define WAGI_RUNTIME_COERCE_H

#include "runtime/store.h"
#include "waggle/coerce.h"

/* ECMA-262 ToNumber. A bigint is a TypeError. Maps and other objects are NaN, as objects without valueOf are; arrays
 * convert through their text. */
wag_error *wagi_to_number(wag_value value, double *ret_number);
/* ECMA-262 ToInt32 of a number. */
int32_t wagi_to_int32(double number);
/* ECMA-262 ToBigInt64: modulo 2^64. A number is a TypeError, and so is text that is no integer (there a SyntaxError).
 */
wag_error *wagi_to_bigint64(wag_value value, int64_t *ret_bigint);
/* ECMA-262 ToBoolean. */
bool wagi_to_boolean(wag_value value);

/* JS API, ToWebAssemblyValue. value: borrow. ret_val: own reference. NULL, or a TypeError that says what was wanted, or
 * memory is out. */
wag_error *wagi_to_wasm_value(wag_agent *agent, wagi_valtype type, wag_value value, wag_val *ret_val);
/* A TypeError of a conversion says which of several values it was: "argument 2: ...". error: own, may be NULL; other
 * errors come back as they are. */
wag_error *wagi_misfit_at(wag_error *error, const char *what, size_t index);
/* JS API, ToJSValue. val: own, also on failure. ret_value: own. A TypeError for v128 and exnref. */
wag_error *wagi_to_js_value(wag_agent *agent, wag_val val, wag_value *ret_value);
/* JS API, DefaultValue: what a missing argument stands for. A reference type that is neither externref nor has null is
 * a TypeError. */
wag_error *wagi_default_value(wag_agent *agent, wagi_valtype type, wag_val *ret_val);
/* Types whose values do not cross in this layer: v128 and exnref. */
bool wagi_never_crosses(const wagi_registry *registry, wagi_valtype type);

/* ---- host functions of the coercing layer (coerce_host.c) ---- */

/* type: own (also on failure), or NULL: the function takes an import's type. finalize has not been called on failure.
 */
wag_func *wagi_func_new_value(wag_agent *agent, const wagi_type *type, wag_host_value_func host, void *context,
                              void (*finalize)(void *context));
bool wagi_is_value_host(const wag_func *func);
/* func is a copy of an untyped one, with a type: give it a context that knows the type. False without memory. */
bool wagi_value_host_specialise(wag_func *func);

#endif

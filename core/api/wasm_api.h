/* wasm.h, from the inside.
 *
 * Whatever a wasm_ref_t can be begins with a wagi_object. Store objects are themselves: a wasm_func_t is a wag_func,
 * and a handle is a handle. Modules and traps belong to no store and are wrapped: a wagi_wasm_wrapper, whose object has
 * no unit. A wasm_foreign_t is a wag_extern.
 *
 * As an externref, a foreign is itself. Another store object travels inside of a wag_extern that holds it strongly, as
 * a value that an import of type externref is given (runtime/extern.c); a wrapper in a wag_extern that counts it.
 * Whatever comes back is unpacked, so that it is the same again.
 */
#ifndef WAGI_API_WASM_API_H
#define WAGI_API_WASM_API_H

#include <stdatomic.h>

#include "api/check.h"
#include "runtime/store.h"
#include "waggle/wasm_ext.h"

/* Kinds of types that wasm.h has no number for. */
enum { WAGI_WASM_V128 = 4, WAGI_WASM_ANYREF = 130, WAGI_WASM_EXNREF = 131 };

/* Kinds of wrappers, behind those of wagi_object_kind. */
enum { WAGI_WASM_MODULE = 64, WAGI_WASM_TRAP };

struct wasm_store_t {
    wag_agent *agent;
    wag_error *last_error; /* one reference, or NULL */
};

typedef struct wagi_wasm_wrapper {
    wagi_object object; /* unit: NULL */
    atomic_size_t count;
    wag_module *module;   /* WAGI_WASM_MODULE: one reference */
    wag_error *error;     /* WAGI_WASM_TRAP: one reference */
    wagi_error_info info; /* of a module; a trap's is its error's, so that it passes through wasm */
} wagi_wasm_wrapper;

/* NULL for one that is no wrapper. */
static inline wagi_wasm_wrapper *wagi_wasm_wrapper_of(const void *ref)
{
    const wagi_object *object = ref;
    return object && !object->unit ? (wagi_wasm_wrapper *)(uintptr_t)object : NULL;
}

/* The store's agent when this is its thread; else NULL. */
wag_agent *wagi_wasm_agent(const wasm_store_t *store);
/* A function with this store has failed. error: own. Gives NULL. */
void *wagi_wasm_fail(wasm_store_t *store, wag_error *error);

/* ---- references (wasm_ref.c) ---- */
/* module, error: own, also on failure. NULL without memory. */
wagi_wasm_wrapper *wagi_wasm_wrapper_new(wag_module *module, wag_error *error);
/* error: own. Never NULL: without memory it is a trap that says so. */
wasm_trap_t *wagi_wasm_trap(wag_error *error);
void *wagi_wasm_ref_copy(const void *ref); /* own */
void wagi_wasm_ref_delete(void *ref);
/* NULL unless it is an object of the kind. */
void *wagi_wasm_ref_as(const void *ref, unsigned kind);

/* ---- values (wasm_val.c) ---- */
/* ret_val: own. Without a value of that type: WAG_TYPE; WAG_WRONG_AGENT; WAG_NOMEM. */
wag_err wagi_wasm_val_in(wag_agent *agent, const wasm_val_t *val, wag_val_kind kind, wag_val *ret_val);
/* A reference of a funcref or externref type, which may be NULL. */
wag_err wagi_wasm_ref_in(wag_agent *agent, const wasm_ref_t *ref, wag_val_kind kind, wag_val *ret_val);
/* val: own, of a kind that wagi_wasm_can_pass. ret_val: own. */
void wagi_wasm_val_out(wag_val val, wasm_val_t *ret_val);
bool wagi_wasm_can_pass(wag_val_kind kind);
wasm_valkind_t wagi_wasm_kind(wag_val_kind kind);

/* ---- types (wasm_type.c); own, NULL without memory ---- */
wasm_functype_t *wagi_wasm_functype(const wagi_registry *registry, const wagi_type *type);
wasm_globaltype_t *wagi_wasm_globaltype(const wagi_registry *registry, wagi_global_type type);
/* now: the size that counts as the minimum. */
wasm_tabletype_t *wagi_wasm_tabletype(const wagi_registry *registry, wagi_table_type type, uint64_t now);
wasm_memorytype_t *wagi_wasm_memorytype(wagi_memory_type type, uint64_t now);
wasm_tagtype_t *wagi_wasm_tagtype(const wagi_registry *registry, const wagi_type *type);
/* The word for one of the six kinds; WAGI_KIND_NONE for another. */
wagi_valtype wagi_wasm_valtype(const wasm_valtype_t *type);

/* ---- vectors ---- */
/* Zeroed elements. False without memory; the vector is empty then. */
bool wagi_wasm_vec_room(size_t *ret_size, void **ret_data, size_t size, size_t element_size);

/* The five functions of a vector. copy: element to own element, false without memory; drop: own element. */
#define WAGI_WASM_VEC(name, type, copy, drop)                                                                          \
    void wasm_##name##_vec_new_empty(wasm_##name##_vec_t *out)                                                         \
    {                                                                                                                  \
        out->size = 0;                                                                                                 \
        out->data = NULL;                                                                                              \
    }                                                                                                                  \
    void wasm_##name##_vec_new_uninitialized(wasm_##name##_vec_t *out, size_t size)                                    \
    {                                                                                                                  \
        void *data;                                                                                                    \
        wagi_wasm_vec_room(&out->size, &data, size, sizeof(type));                                                     \
        out->data = data;                                                                                              \
    }                                                                                                                  \
    void wasm_##name##_vec_new(wasm_##name##_vec_t *out, size_t size, type const elements[])                           \
    {                                                                                                                  \
        wasm_##name##_vec_new_uninitialized(out, size);                                                                \
        for (size_t i = 0; i < size; i++)                                                                              \
            if (out->data) {                                                                                           \
                out->data[i] = elements[i];                                                                            \
            } else {                                                                                                   \
                type element = elements[i];                                                                            \
                drop(&element);                                                                                        \
            }                                                                                                          \
    }                                                                                                                  \
    void wasm_##name##_vec_copy(wasm_##name##_vec_t *out, const wasm_##name##_vec_t *vec)                              \
    {                                                                                                                  \
        wasm_##name##_vec_t made;                                                                                      \
        wasm_##name##_vec_new_uninitialized(&made, vec->size);                                                         \
        for (size_t i = 0; i < made.size; i++)                                                                         \
            if (!copy(&made.data[i], &vec->data[i])) {                                                                 \
                wasm_##name##_vec_delete(&made);                                                                       \
                break;                                                                                                 \
            }                                                                                                          \
        *out = made;                                                                                                   \
    }                                                                                                                  \
    void wasm_##name##_vec_delete(wasm_##name##_vec_t *vec)                                                            \
    {                                                                                                                  \
        if (!vec)                                                                                                      \
            return;                                                                                                    \
        for (size_t i = 0; i < vec->size; i++)                                                                         \
            drop(&vec->data[i]);                                                                                       \
        wagi_free(vec->data);                                                                                          \
        wasm_##name##_vec_new_empty(vec);                                                                              \
    }

#endif

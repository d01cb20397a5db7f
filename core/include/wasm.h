/* The standard C interface to WebAssembly: the names, layouts and numbers that engines share, so that a program written
 * for one of them runs on this library unchanged. waggle.h is the richer interface; the two may be mixed
 * (waggle/wasm_ext.h).
 *
 * own      the receiver has to delete it, or, as an argument, the callee does; a vector that is own owns its elements
 * (without) borrowed for the call; a returned pointer lives as long as what it was asked of
 * NULL is taken by every x_delete. Functions that make something return NULL, or an empty vector, when they cannot;
 * wag_wasm_last_error says why.
 *
 * Threads: a store and all that is made in it belong to the thread that made the store (they are its agent's; all
 * stores of a thread share one). On another thread, functions do nothing and fail. Engines, configs, types, vectors of
 * bytes and types, frames and shared modules may be used by any thread, one at a time.
 *
 * Example:
 *     wasm_engine_t *engine = wasm_engine_new();
 *     wasm_store_t *store = wasm_store_new(engine);
 *     wasm_byte_vec_t binary;
 *     wasm_byte_vec_new(&binary, bytes.size, (const char *)bytes.data);
 *     wasm_module_t *compiled = wasm_module_new(store, &binary);
 *     wasm_exporttype_vec_t exports;
 *     wasm_module_exports(compiled, &exports);
 *     for (size_t i = 0; i < exports.size; i++) {
 *         const wasm_name_t *name = wasm_exporttype_name(exports.data[i]);
 *         printf("%.*s\n", (int)name->size, name->data);
 *     }
 *     wasm_exporttype_vec_delete(&exports);
 *     wasm_module_delete(compiled);
 *     wasm_byte_vec_delete(&binary);
 *     wasm_store_delete(store);
 *     wasm_engine_delete(engine);
 */
#ifndef WASM_H
#define WASM_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef WASM_API_EXTERN
#if defined(__GNUC__)
#define WASM_API_EXTERN __attribute__((visibility("default")))
#else
#define WASM_API_EXTERN
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The names that the standard gives to C's types. */
typedef char byte_t;
typedef float float32_t;
typedef double float64_t;

#define own

/* ---- shapes that repeat ---- */

#define WASM_DECLARE_OWN(name)                                                                                         \
    /* Opaque. */                                                                                                      \
    typedef struct wasm_##name##_t wasm_##name##_t;                                                                    \
    /* Give it up. NULL is a no-op. */                                                                                 \
    WASM_API_EXTERN void wasm_##name##_delete(own wasm_##name##_t *);

/* Elements of an uninitialised vector are zero. vec_new takes the elements over, vec_copy copies each. */
#define WASM_DECLARE_VEC(name, star)                                                                                   \
    /* A vector: who owns it owns its elements. */                                                                     \
    typedef struct wasm_##name##_vec_t {                                                                               \
        size_t size;                /* of elements */                                                                  \
        wasm_##name##_t star *data; /* NULL when size is 0 */                                                          \
    } wasm_##name##_vec_t;                                                                                             \
    /* No elements. */                                                                                                 \
    WASM_API_EXTERN void wasm_##name##_vec_new_empty(own wasm_##name##_vec_t *out);                                    \
    /* Elements that are zero. */                                                                                      \
    WASM_API_EXTERN void wasm_##name##_vec_new_uninitialized(own wasm_##name##_vec_t *out, size_t size);               \
    /* The elements given, which it takes over. */                                                                     \
    WASM_API_EXTERN void wasm_##name##_vec_new(own wasm_##name##_vec_t *out, size_t size,                              \
                                               own wasm_##name##_t star const elements[]);                             \
    /* A copy of each. */                                                                                              \
    WASM_API_EXTERN void wasm_##name##_vec_copy(own wasm_##name##_vec_t *out, const wasm_##name##_vec_t *vec);         \
    /* Give up the elements and their array. */                                                                        \
    WASM_API_EXTERN void wasm_##name##_vec_delete(own wasm_##name##_vec_t *);

#define WASM_DECLARE_TYPE(name)                                                                                        \
    WASM_DECLARE_OWN(name)                                                                                             \
    WASM_DECLARE_VEC(name, *)                                                                                          \
    /* A copy; NULL without memory. */                                                                                 \
    WASM_API_EXTERN own wasm_##name##_t *wasm_##name##_copy(const wasm_##name##_t *);

/* What can be referred to. A copy is another handle of the same thing. Host info belongs to the thing, not the handle;
 * its finalizer runs when the thing is gone, or when other info replaces it. */
#define WASM_DECLARE_REF_BASE(name)                                                                                    \
    WASM_DECLARE_OWN(name)                                                                                             \
    /* Another handle of the same thing. */                                                                            \
    WASM_API_EXTERN own wasm_##name##_t *wasm_##name##_copy(const wasm_##name##_t *);                                  \
    /* Do both refer to the same thing? */                                                                             \
    WASM_API_EXTERN bool wasm_##name##_same(const wasm_##name##_t *, const wasm_##name##_t *);                         \
    /* What set_host_info has set, or NULL. */                                                                         \
    WASM_API_EXTERN void *wasm_##name##_get_host_info(const wasm_##name##_t *);                                        \
    /* Attach a pointer of the host to the thing. */                                                                   \
    WASM_API_EXTERN void wasm_##name##_set_host_info(wasm_##name##_t *, void *info);                                   \
    /* The same; the finalizer is called with it when the thing is gone, or other info replaces it. */                 \
    WASM_API_EXTERN void wasm_##name##_set_host_info_with_finalizer(wasm_##name##_t *, void *info,                     \
                                                                    void (*finalizer)(void *));

/* The conversions give the same handle; ref_as_x is NULL for another kind of thing. */
#define WASM_DECLARE_REF(name)                                                                                         \
    WASM_DECLARE_REF_BASE(name)                                                                                        \
    /* The same handle as a reference, and back: NULL for another kind of thing. Nothing is owned. */                  \
    WASM_API_EXTERN wasm_ref_t *wasm_##name##_as_ref(wasm_##name##_t *);                                               \
    WASM_API_EXTERN wasm_##name##_t *wasm_ref_as_##name(wasm_ref_t *);                                                 \
    WASM_API_EXTERN const wasm_ref_t *wasm_##name##_as_ref_const(const wasm_##name##_t *);                             \
    WASM_API_EXTERN const wasm_##name##_t *wasm_ref_as_##name##_const(const wasm_ref_t *);

#define WASM_DECLARE_SHARABLE_REF(name)                                                                                \
    WASM_DECLARE_REF(name)                                                                                             \
    WASM_DECLARE_OWN(shared_##name)                                                                                    \
    /* A form that any thread may have. NULL without memory. */                                                        \
    WASM_API_EXTERN own wasm_shared_##name##_t *wasm_##name##_share(const wasm_##name##_t *);                          \
    /* A handle of it in a store. NULL when that is another thread's, or without memory. */                            \
    WASM_API_EXTERN own wasm_##name##_t *wasm_##name##_obtain(wasm_store_t *, const wasm_shared_##name##_t *);

/* ---- bytes and names ----
 * Names are vectors of bytes, UTF-8, with a terminator or without one as they were made. */

typedef byte_t wasm_byte_t;
WASM_DECLARE_VEC(byte, )

typedef wasm_byte_vec_t wasm_name_t;

#define wasm_name wasm_byte_vec
#define wasm_name_new wasm_byte_vec_new
#define wasm_name_new_empty wasm_byte_vec_new_empty
#define wasm_name_new_new_uninitialized wasm_byte_vec_new_uninitialized
#define wasm_name_copy wasm_byte_vec_copy
#define wasm_name_delete wasm_byte_vec_delete

/* Without its terminator. */
static inline void wasm_name_new_from_string(own wasm_name_t *out, const char *string)
{
    wasm_name_new(out, strlen(string), string);
}
/* With its terminator. */
static inline void wasm_name_new_from_string_nt(own wasm_name_t *out, const char *string)
{
    wasm_name_new(out, strlen(string) + 1, string);
}

/* ---- engine and store ----
 * An engine makes stores, a store is what a thread's objects are made in. A config has nothing to configure. */

WASM_DECLARE_OWN(config)
WASM_API_EXTERN own wasm_config_t *wasm_config_new(void);

/* All engines of a process are one: its default cluster. */
WASM_DECLARE_OWN(engine)
WASM_API_EXTERN own wasm_engine_t *wasm_engine_new(void);
WASM_API_EXTERN own wasm_engine_t *wasm_engine_new_with_config(own wasm_config_t *);

/* Deleting a store collects what nothing refers to any more. What the host still has handles of lives on. */
WASM_DECLARE_OWN(store)
WASM_API_EXTERN own wasm_store_t *wasm_store_new(wasm_engine_t *);

/* ---- types ----
 * Made from parts, which they take over; asked, they lend them. x_new gives NULL, and the parts are gone, when a part
 * is NULL or memory is out. An externtype is one of functype, globaltype, tabletype, memorytype and tagtype: the
 * conversions give the same type, or NULL for another kind. */

typedef uint8_t wasm_mutability_t;
enum wasm_mutability_enum { WASM_CONST, WASM_VAR };

typedef struct wasm_limits_t {
    uint32_t min; /* in pages or elements */
    uint32_t max; /* the same; wasm_limits_max_default: none */
} wasm_limits_t;
/* max: none. What is larger in a module (memories and tables of 64 bits) is told as this. */
static const uint32_t wasm_limits_max_default = 0xffffffff;

/* A module can also have types without a number here: v128 is told as 4, the hierarchies of anyref and exnref as 130
 * and 131. Values of these types cannot be passed. */
WASM_DECLARE_TYPE(valtype)
typedef uint8_t wasm_valkind_t;
enum wasm_valkind_enum { WASM_I32, WASM_I64, WASM_F32, WASM_F64, WASM_EXTERNREF = 128, WASM_FUNCREF };
#define WASM_ANYREF WASM_EXTERNREF /* its name in the standard's older versions */

WASM_API_EXTERN own wasm_valtype_t *wasm_valtype_new(wasm_valkind_t); /* NULL for a kind that does not exist */
WASM_API_EXTERN wasm_valkind_t wasm_valtype_kind(const wasm_valtype_t *);

static inline bool wasm_valkind_is_num(wasm_valkind_t kind)
{
    return kind < WASM_EXTERNREF;
}
static inline bool wasm_valkind_is_ref(wasm_valkind_t kind)
{
    return kind >= WASM_EXTERNREF;
}
static inline bool wasm_valtype_is_num(const wasm_valtype_t *type)
{
    return wasm_valkind_is_num(wasm_valtype_kind(type));
}
static inline bool wasm_valtype_is_ref(const wasm_valtype_t *type)
{
    return wasm_valkind_is_ref(wasm_valtype_kind(type));
}

WASM_DECLARE_TYPE(functype)
WASM_API_EXTERN own wasm_functype_t *wasm_functype_new(own wasm_valtype_vec_t *params, own wasm_valtype_vec_t *results);
WASM_API_EXTERN const wasm_valtype_vec_t *wasm_functype_params(const wasm_functype_t *);
WASM_API_EXTERN const wasm_valtype_vec_t *wasm_functype_results(const wasm_functype_t *);

WASM_DECLARE_TYPE(globaltype)
WASM_API_EXTERN own wasm_globaltype_t *wasm_globaltype_new(own wasm_valtype_t *, wasm_mutability_t);
WASM_API_EXTERN const wasm_valtype_t *wasm_globaltype_content(const wasm_globaltype_t *);
WASM_API_EXTERN wasm_mutability_t wasm_globaltype_mutability(const wasm_globaltype_t *);

WASM_DECLARE_TYPE(tabletype)
WASM_API_EXTERN own wasm_tabletype_t *wasm_tabletype_new(own wasm_valtype_t *, const wasm_limits_t *);
WASM_API_EXTERN const wasm_valtype_t *wasm_tabletype_element(const wasm_tabletype_t *);
WASM_API_EXTERN const wasm_limits_t *wasm_tabletype_limits(const wasm_tabletype_t *);

WASM_DECLARE_TYPE(memorytype)
WASM_API_EXTERN own wasm_memorytype_t *wasm_memorytype_new(const wasm_limits_t *);
WASM_API_EXTERN const wasm_limits_t *wasm_memorytype_limits(const wasm_memorytype_t *);

/* The function type says what an exception carries; it has no results. */
WASM_DECLARE_TYPE(tagtype)
WASM_API_EXTERN own wasm_tagtype_t *wasm_tagtype_new(own wasm_functype_t *);
WASM_API_EXTERN const wasm_functype_t *wasm_tagtype_functype(const wasm_tagtype_t *);

WASM_DECLARE_TYPE(externtype)
typedef uint8_t wasm_externkind_t;
enum wasm_externkind_enum {
    WASM_EXTERN_FUNC,
    WASM_EXTERN_GLOBAL,
    WASM_EXTERN_TABLE,
    WASM_EXTERN_MEMORY,
    WASM_EXTERN_TAG,
};

WASM_API_EXTERN wasm_externkind_t wasm_externtype_kind(const wasm_externtype_t *);

WASM_API_EXTERN wasm_externtype_t *wasm_functype_as_externtype(wasm_functype_t *);
WASM_API_EXTERN wasm_externtype_t *wasm_globaltype_as_externtype(wasm_globaltype_t *);
WASM_API_EXTERN wasm_externtype_t *wasm_tabletype_as_externtype(wasm_tabletype_t *);
WASM_API_EXTERN wasm_externtype_t *wasm_memorytype_as_externtype(wasm_memorytype_t *);
WASM_API_EXTERN wasm_externtype_t *wasm_tagtype_as_externtype(wasm_tagtype_t *);

WASM_API_EXTERN wasm_functype_t *wasm_externtype_as_functype(wasm_externtype_t *);
WASM_API_EXTERN wasm_globaltype_t *wasm_externtype_as_globaltype(wasm_externtype_t *);
WASM_API_EXTERN wasm_tabletype_t *wasm_externtype_as_tabletype(wasm_externtype_t *);
WASM_API_EXTERN wasm_memorytype_t *wasm_externtype_as_memorytype(wasm_externtype_t *);
WASM_API_EXTERN wasm_tagtype_t *wasm_externtype_as_tagtype(wasm_externtype_t *);

WASM_API_EXTERN const wasm_externtype_t *wasm_functype_as_externtype_const(const wasm_functype_t *);
WASM_API_EXTERN const wasm_externtype_t *wasm_globaltype_as_externtype_const(const wasm_globaltype_t *);
WASM_API_EXTERN const wasm_externtype_t *wasm_tabletype_as_externtype_const(const wasm_tabletype_t *);
WASM_API_EXTERN const wasm_externtype_t *wasm_memorytype_as_externtype_const(const wasm_memorytype_t *);
WASM_API_EXTERN const wasm_externtype_t *wasm_tagtype_as_externtype_const(const wasm_tagtype_t *);

WASM_API_EXTERN const wasm_functype_t *wasm_externtype_as_functype_const(const wasm_externtype_t *);
WASM_API_EXTERN const wasm_globaltype_t *wasm_externtype_as_globaltype_const(const wasm_externtype_t *);
WASM_API_EXTERN const wasm_tabletype_t *wasm_externtype_as_tabletype_const(const wasm_externtype_t *);
WASM_API_EXTERN const wasm_memorytype_t *wasm_externtype_as_memorytype_const(const wasm_externtype_t *);
WASM_API_EXTERN const wasm_tagtype_t *wasm_externtype_as_tagtype_const(const wasm_externtype_t *);

WASM_DECLARE_TYPE(importtype)
WASM_API_EXTERN own wasm_importtype_t *wasm_importtype_new(own wasm_name_t *module, own wasm_name_t *name,
                                                           own wasm_externtype_t *);
WASM_API_EXTERN const wasm_name_t *wasm_importtype_module(const wasm_importtype_t *);
WASM_API_EXTERN const wasm_name_t *wasm_importtype_name(const wasm_importtype_t *);
WASM_API_EXTERN const wasm_externtype_t *wasm_importtype_type(const wasm_importtype_t *);

WASM_DECLARE_TYPE(exporttype)
WASM_API_EXTERN own wasm_exporttype_t *wasm_exporttype_new(own wasm_name_t *, own wasm_externtype_t *);
WASM_API_EXTERN const wasm_name_t *wasm_exporttype_name(const wasm_exporttype_t *);
WASM_API_EXTERN const wasm_externtype_t *wasm_exporttype_type(const wasm_exporttype_t *);

/* ---- values and references ----
 * A value of a number is the number; one of a reference owns a handle, which copying copies and deleting gives up. */

struct wasm_ref_t;

typedef struct wasm_val_t {
    wasm_valkind_t kind; /* which of the members counts */
    union {
        int32_t i32;
        int64_t i64;
        float32_t f32;
        float64_t f64;
        struct wasm_ref_t *ref; /* NULL: the null reference */
    } of;                       /* the value itself */
} wasm_val_t;

WASM_API_EXTERN void wasm_val_delete(own wasm_val_t *);
WASM_API_EXTERN void wasm_val_copy(own wasm_val_t *out, const wasm_val_t *);
WASM_DECLARE_VEC(val, )

WASM_DECLARE_REF_BASE(ref)

/* ---- traps ----
 * A trap is what a call ends with that does not return: a message, and the frames of wasm that were open, innermost
 * first. It belongs to no store; one thread at a time may use it. */

WASM_DECLARE_OWN(frame)
WASM_DECLARE_VEC(frame, *)
WASM_API_EXTERN own wasm_frame_t *wasm_frame_copy(const wasm_frame_t *);
/* borrow: as long as the instance, which frames do not keep. NULL when it is gone, and on another thread. */
WASM_API_EXTERN struct wasm_instance_t *wasm_frame_instance(const wasm_frame_t *);
WASM_API_EXTERN uint32_t wasm_frame_func_index(const wasm_frame_t *);
/* From the function's first instruction. */
WASM_API_EXTERN size_t wasm_frame_func_offset(const wasm_frame_t *);
WASM_API_EXTERN size_t wasm_frame_module_offset(const wasm_frame_t *);

typedef wasm_name_t wasm_message_t; /* with a terminator */

/* Every error of a call, and of an instantiation. */
WASM_DECLARE_REF(trap)
WASM_API_EXTERN own wasm_trap_t *wasm_trap_new(wasm_store_t *, const wasm_message_t *);
WASM_API_EXTERN void wasm_trap_message(const wasm_trap_t *, own wasm_message_t *out);
WASM_API_EXTERN own wasm_frame_t *wasm_trap_origin(const wasm_trap_t *); /* NULL without frames */
WASM_API_EXTERN void wasm_trap_trace(const wasm_trap_t *, own wasm_frame_vec_t *out);

/* ---- objects ----
 * What a store holds. x_new makes one, of a type that it copies; NULL when it cannot. x_type tells the type as it is
 * now, as own. Indices and sizes out of range, values of another kind, and objects of another thread make a function do
 * nothing and give NULL, 0 or false. x_as_extern and extern_as_x give the same handle, or NULL for another kind. */

WASM_DECLARE_REF(foreign)
WASM_API_EXTERN own wasm_foreign_t *wasm_foreign_new(wasm_store_t *);

WASM_DECLARE_SHARABLE_REF(module)
WASM_API_EXTERN own wasm_module_t *wasm_module_new(wasm_store_t *, const wasm_byte_vec_t *binary);
WASM_API_EXTERN bool wasm_module_validate(wasm_store_t *, const wasm_byte_vec_t *binary);
WASM_API_EXTERN void wasm_module_imports(const wasm_module_t *, own wasm_importtype_vec_t *out);
WASM_API_EXTERN void wasm_module_exports(const wasm_module_t *, own wasm_exporttype_vec_t *out);
WASM_API_EXTERN void wasm_module_serialize(const wasm_module_t *, own wasm_byte_vec_t *out);
WASM_API_EXTERN own wasm_module_t *wasm_module_deserialize(wasm_store_t *, const wasm_byte_vec_t *);

WASM_DECLARE_REF(func)
/* results has room, kinds are set; what the callback puts there it gives away. NULL, or a trap that reaches the caller.
 */
typedef own wasm_trap_t *(*wasm_func_callback_t)(const wasm_val_vec_t *args, own wasm_val_vec_t *results);
typedef own wasm_trap_t *(*wasm_func_callback_with_env_t)(void *env, const wasm_val_vec_t *args,
                                                          wasm_val_vec_t *results);
WASM_API_EXTERN own wasm_func_t *wasm_func_new(wasm_store_t *, const wasm_functype_t *, wasm_func_callback_t);
/* finalizer: may be NULL; also runs when the function cannot be made. */
WASM_API_EXTERN own wasm_func_t *wasm_func_new_with_env(wasm_store_t *, const wasm_functype_t *,
                                                        wasm_func_callback_with_env_t, void *env,
                                                        void (*finalizer)(void *));
WASM_API_EXTERN own wasm_functype_t *wasm_func_type(const wasm_func_t *);
WASM_API_EXTERN size_t wasm_func_param_arity(const wasm_func_t *);
WASM_API_EXTERN size_t wasm_func_result_arity(const wasm_func_t *);
/* results: what is in it is overwritten; the results that it has no room for are lost. Arguments of another number or
 * another kind are a trap. */
WASM_API_EXTERN own wasm_trap_t *wasm_func_call(const wasm_func_t *, const wasm_val_vec_t *args,
                                                wasm_val_vec_t *results);

WASM_DECLARE_REF(global)
WASM_API_EXTERN own wasm_global_t *wasm_global_new(wasm_store_t *, const wasm_globaltype_t *, const wasm_val_t *);
WASM_API_EXTERN own wasm_globaltype_t *wasm_global_type(const wasm_global_t *);
WASM_API_EXTERN void wasm_global_get(const wasm_global_t *, own wasm_val_t *out);
WASM_API_EXTERN void wasm_global_set(wasm_global_t *, const wasm_val_t *);

WASM_DECLARE_REF(table)
typedef uint32_t wasm_table_size_t;
WASM_API_EXTERN own wasm_table_t *wasm_table_new(wasm_store_t *, const wasm_tabletype_t *, wasm_ref_t *init);
WASM_API_EXTERN own wasm_tabletype_t *wasm_table_type(const wasm_table_t *);
WASM_API_EXTERN own wasm_ref_t *wasm_table_get(const wasm_table_t *, wasm_table_size_t index);
WASM_API_EXTERN bool wasm_table_set(wasm_table_t *, wasm_table_size_t index, wasm_ref_t *);
WASM_API_EXTERN wasm_table_size_t wasm_table_size(const wasm_table_t *);
WASM_API_EXTERN bool wasm_table_grow(wasm_table_t *, wasm_table_size_t delta, wasm_ref_t *init);

WASM_DECLARE_REF(memory)
typedef uint32_t wasm_memory_pages_t;
static const size_t MEMORY_PAGE_SIZE = 0x10000;
WASM_API_EXTERN own wasm_memory_t *wasm_memory_new(wasm_store_t *, const wasm_memorytype_t *);
WASM_API_EXTERN own wasm_memorytype_t *wasm_memory_type(const wasm_memory_t *);
WASM_API_EXTERN byte_t *wasm_memory_data(wasm_memory_t *); /* until the memory grows */
WASM_API_EXTERN size_t wasm_memory_data_size(const wasm_memory_t *);
WASM_API_EXTERN wasm_memory_pages_t wasm_memory_size(const wasm_memory_t *);
WASM_API_EXTERN bool wasm_memory_grow(wasm_memory_t *, wasm_memory_pages_t delta);

WASM_DECLARE_REF(tag)
WASM_API_EXTERN own wasm_tag_t *wasm_tag_new(wasm_store_t *, const wasm_tagtype_t *);
WASM_API_EXTERN own wasm_tagtype_t *wasm_tag_type(const wasm_tag_t *);

WASM_DECLARE_REF(extern)
WASM_DECLARE_VEC(extern, *)
WASM_API_EXTERN wasm_externkind_t wasm_extern_kind(const wasm_extern_t *);
WASM_API_EXTERN own wasm_externtype_t *wasm_extern_type(const wasm_extern_t *);

WASM_API_EXTERN wasm_extern_t *wasm_func_as_extern(wasm_func_t *);
WASM_API_EXTERN wasm_extern_t *wasm_global_as_extern(wasm_global_t *);
WASM_API_EXTERN wasm_extern_t *wasm_table_as_extern(wasm_table_t *);
WASM_API_EXTERN wasm_extern_t *wasm_memory_as_extern(wasm_memory_t *);
WASM_API_EXTERN wasm_extern_t *wasm_tag_as_extern(wasm_tag_t *);

WASM_API_EXTERN wasm_func_t *wasm_extern_as_func(wasm_extern_t *);
WASM_API_EXTERN wasm_global_t *wasm_extern_as_global(wasm_extern_t *);
WASM_API_EXTERN wasm_table_t *wasm_extern_as_table(wasm_extern_t *);
WASM_API_EXTERN wasm_memory_t *wasm_extern_as_memory(wasm_extern_t *);
WASM_API_EXTERN wasm_tag_t *wasm_extern_as_tag(wasm_extern_t *);

WASM_API_EXTERN const wasm_extern_t *wasm_func_as_extern_const(const wasm_func_t *);
WASM_API_EXTERN const wasm_extern_t *wasm_global_as_extern_const(const wasm_global_t *);
WASM_API_EXTERN const wasm_extern_t *wasm_table_as_extern_const(const wasm_table_t *);
WASM_API_EXTERN const wasm_extern_t *wasm_memory_as_extern_const(const wasm_memory_t *);
WASM_API_EXTERN const wasm_extern_t *wasm_tag_as_extern_const(const wasm_tag_t *);

WASM_API_EXTERN const wasm_func_t *wasm_extern_as_func_const(const wasm_extern_t *);
WASM_API_EXTERN const wasm_global_t *wasm_extern_as_global_const(const wasm_extern_t *);
WASM_API_EXTERN const wasm_table_t *wasm_extern_as_table_const(const wasm_extern_t *);
WASM_API_EXTERN const wasm_memory_t *wasm_extern_as_memory_const(const wasm_extern_t *);
WASM_API_EXTERN const wasm_tag_t *wasm_extern_as_tag_const(const wasm_extern_t *);

WASM_DECLARE_REF(instance)
/* imports: one for each of the module's, in its order. *trap (may be NULL): own, why there is no instance. */
WASM_API_EXTERN own wasm_instance_t *wasm_instance_new(wasm_store_t *, const wasm_module_t *,
                                                       const wasm_extern_vec_t *imports, own wasm_trap_t **trap);
/* One for each of the module's exports, in its order. */
WASM_API_EXTERN void wasm_instance_exports(const wasm_instance_t *, own wasm_extern_vec_t *out);

/* ---- short forms ----
 * Initialisers of vectors and values, and functions that make the types that programs need most. */

/* clang-format off */
#define WASM_EMPTY_VEC {0, NULL}
#define WASM_ARRAY_VEC(array) {sizeof(array) / sizeof(*(array)), array}

#ifndef __cplusplus
#define WASM_I32_VAL(x) {.kind = WASM_I32, .of = {.i32 = (x)}}
#define WASM_I64_VAL(x) {.kind = WASM_I64, .of = {.i64 = (x)}}
#define WASM_F32_VAL(x) {.kind = WASM_F32, .of = {.f32 = (x)}}
#define WASM_F64_VAL(x) {.kind = WASM_F64, .of = {.f64 = (x)}}
#define WASM_REF_VAL(x) {.kind = WASM_EXTERNREF, .of = {.ref = (x)}}
#define WASM_INIT_VAL {.kind = WASM_EXTERNREF, .of = {.ref = NULL}}
#else
#define WASM_I32_VAL(x) wasm_make_val(WASM_I32, &decltype(wasm_val_t::of)::i32, (x))
#define WASM_I64_VAL(x) wasm_make_val(WASM_I64, &decltype(wasm_val_t::of)::i64, (x))
#define WASM_F32_VAL(x) wasm_make_val(WASM_F32, &decltype(wasm_val_t::of)::f32, (x))
#define WASM_F64_VAL(x) wasm_make_val(WASM_F64, &decltype(wasm_val_t::of)::f64, (x))
#define WASM_REF_VAL(x) wasm_make_val(WASM_EXTERNREF, &decltype(wasm_val_t::of)::ref, (x))
#define WASM_INIT_VAL wasm_make_val(WASM_EXTERNREF, &decltype(wasm_val_t::of)::ref, nullptr)
extern "C++" {
template <typename T> struct wasm_same_type {
    typedef T type;
};
template <typename U, typename M>
static inline wasm_val_t wasm_make_val(wasm_valkind_t kind, M U::*member, typename wasm_same_type<M>::type x)
{
    wasm_val_t made = wasm_val_t();
    made.kind = kind;
    made.of.*member = x;
    return made;
}
}
#endif
/* clang-format on */

static inline own wasm_valtype_t *wasm_valtype_new_i32(void)
{
    return wasm_valtype_new(WASM_I32);
}
static inline own wasm_valtype_t *wasm_valtype_new_i64(void)
{
    return wasm_valtype_new(WASM_I64);
}
static inline own wasm_valtype_t *wasm_valtype_new_f32(void)
{
    return wasm_valtype_new(WASM_F32);
}
static inline own wasm_valtype_t *wasm_valtype_new_f64(void)
{
    return wasm_valtype_new(WASM_F64);
}
static inline own wasm_valtype_t *wasm_valtype_new_externref(void)
{
    return wasm_valtype_new(WASM_EXTERNREF);
}
/* The older name of wasm_valtype_new_externref. */
static inline own wasm_valtype_t *wasm_valtype_new_anyref(void)
{
    return wasm_valtype_new(WASM_EXTERNREF);
}
static inline own wasm_valtype_t *wasm_valtype_new_funcref(void)
{
    return wasm_valtype_new(WASM_FUNCREF);
}

/* wasm_functype_new_P_R: P parameters, then R results, each own. */
static inline own wasm_functype_t *wasm_functype_of_(size_t param_count, own wasm_valtype_t *const params[],
                                                     size_t result_count, own wasm_valtype_t *const results[])
{
    wasm_valtype_vec_t param_vec, result_vec;
    wasm_valtype_vec_new(&param_vec, param_count, params);
    wasm_valtype_vec_new(&result_vec, result_count, results);
    return wasm_functype_new(&param_vec, &result_vec);
}
static inline own wasm_functype_t *wasm_functype_new_0_0(void)
{
    return wasm_functype_of_(0, NULL, 0, NULL);
}
static inline own wasm_functype_t *wasm_functype_new_1_0(own wasm_valtype_t *p)
{
    return wasm_functype_of_(1, &p, 0, NULL);
}
static inline own wasm_functype_t *wasm_functype_new_2_0(own wasm_valtype_t *p1, own wasm_valtype_t *p2)
{
    wasm_valtype_t *params[2] = {p1, p2};
    return wasm_functype_of_(2, params, 0, NULL);
}
static inline own wasm_functype_t *wasm_functype_new_3_0(own wasm_valtype_t *p1, own wasm_valtype_t *p2,
                                                         own wasm_valtype_t *p3)
{
    wasm_valtype_t *params[3] = {p1, p2, p3};
    return wasm_functype_of_(3, params, 0, NULL);
}
static inline own wasm_functype_t *wasm_functype_new_0_1(own wasm_valtype_t *r)
{
    return wasm_functype_of_(0, NULL, 1, &r);
}
static inline own wasm_functype_t *wasm_functype_new_1_1(own wasm_valtype_t *p, own wasm_valtype_t *r)
{
    return wasm_functype_of_(1, &p, 1, &r);
}
static inline own wasm_functype_t *wasm_functype_new_2_1(own wasm_valtype_t *p1, own wasm_valtype_t *p2,
                                                         own wasm_valtype_t *r)
{
    wasm_valtype_t *params[2] = {p1, p2};
    return wasm_functype_of_(2, params, 1, &r);
}
static inline own wasm_functype_t *wasm_functype_new_3_1(own wasm_valtype_t *p1, own wasm_valtype_t *p2,
                                                         own wasm_valtype_t *p3, own wasm_valtype_t *r)
{
    wasm_valtype_t *params[3] = {p1, p2, p3};
    return wasm_functype_of_(3, params, 1, &r);
}
static inline own wasm_functype_t *wasm_functype_new_0_2(own wasm_valtype_t *r1, own wasm_valtype_t *r2)
{
    wasm_valtype_t *results[2] = {r1, r2};
    return wasm_functype_of_(0, NULL, 2, results);
}
static inline own wasm_functype_t *wasm_functype_new_1_2(own wasm_valtype_t *p, own wasm_valtype_t *r1,
                                                         own wasm_valtype_t *r2)
{
    wasm_valtype_t *results[2] = {r1, r2};
    return wasm_functype_of_(1, &p, 2, results);
}
static inline own wasm_functype_t *wasm_functype_new_2_2(own wasm_valtype_t *p1, own wasm_valtype_t *p2,
                                                         own wasm_valtype_t *r1, own wasm_valtype_t *r2)
{
    wasm_valtype_t *params[2] = {p1, p2}, *results[2] = {r1, r2};
    return wasm_functype_of_(2, params, 2, results);
}
static inline own wasm_functype_t *wasm_functype_new_3_2(own wasm_valtype_t *p1, own wasm_valtype_t *p2,
                                                         own wasm_valtype_t *p3, own wasm_valtype_t *r1,
                                                         own wasm_valtype_t *r2)
{
    wasm_valtype_t *params[3] = {p1, p2, p3}, *results[2] = {r1, r2};
    return wasm_functype_of_(3, params, 2, results);
}

/* A pointer of the host as a number, and back. (No casts: C++ programs may be warned of C's.) */
static inline void wasm_val_init_ptr(own wasm_val_t *out, void *pointer)
{
    intptr_t number;
    memcpy(&number, &pointer, sizeof number);
#if UINTPTR_MAX == UINT32_MAX
    out->kind = WASM_I32;
    out->of.i32 = number;
#else
    out->kind = WASM_I64;
    out->of.i64 = number;
#endif
}
static inline void *wasm_val_ptr(const wasm_val_t *val)
{
#if UINTPTR_MAX == UINT32_MAX
    intptr_t number = val->of.i32;
#else
    intptr_t number = val->of.i64;
#endif
    void *pointer;
    memcpy(&pointer, &number, sizeof pointer);
    return pointer;
}

#undef own

#ifdef __cplusplus
}
#endif
#endif

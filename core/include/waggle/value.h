/* Values: the typed layer (wag_val) that calls use, and the "any" layer (wag_value, a JavaScript value) that import
 * objects and messages use.
 *
 * Example:
 *     wag_value point = wag_map();
 *     wag_map_set(point, "x", WAG_NUMBER(1.5));
 *     wag_map_set(point, "name", wag_string("here")); // the map takes the string over
 *     if (wag_map_get(point, "x").of.number != 1.5)
 *         return 1;
 *     wag_name name = wag_value_text(wag_map_get(point, "name"));
 *     printf("%.*s\n", (int)name.size, name.data);
 *     wag_value_unref(point);
 */
#ifndef WAGGLE_VALUE_H
#define WAGGLE_VALUE_H

#include "waggle/base.h"
#include "waggle/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Compiled code: any thread (waggle/module.h). */
typedef struct wag_module wag_module;
/* What the instances of one shared memory in several agents have in common: any thread. */
typedef struct wag_shared_memory wag_shared_memory;
/* The objects of a store (waggle/instance.h); each belongs to one agent. */
typedef struct wag_instance wag_instance;
typedef struct wag_func wag_func;
typedef struct wag_memory wag_memory;
typedef struct wag_buffer wag_buffer;
/* MessagePort: belongs to one agent, until it is transferred. */
typedef struct wag_port wag_port;
typedef struct wag_table wag_table;
typedef struct wag_global wag_global;
typedef struct wag_tag wag_tag;
/* An opaque reference of the host. */
typedef struct wag_extern wag_extern;
/* A reference of the any hierarchy: i31, struct, array. */
typedef struct wag_any wag_any;
/* WebAssembly.Exception. */
typedef struct wag_exception wag_exception;

/* ---- typed layer ---- */

/* Kinds of typed values. A reference of any heap type travels as the kind of its hierarchy's top. */
typedef enum wag_val_kind {
    WAG_I32,
    WAG_I64,
    WAG_F32,
    WAG_F64,
    WAG_V128,
    WAG_FUNCREF,   /* of.func, NULL is the null reference */
    WAG_EXTERNREF, /* of.ext, NULL is the null reference */
    WAG_ANYREF,    /* of.any, NULL is the null reference */
    WAG_EXNREF,    /* of.exception, NULL is the null reference */
} wag_val_kind;

/* A typed value. References are borrowed for the duration of the call they travel in, unless the function that hands
 * them out says "own"; wag_val_unref releases an owned one. */
typedef struct wag_val {
    wag_val_kind kind; /* which of the members counts */
    union {
        int32_t i32;
        int64_t i64;
        float f32;
        double f64;
        uint8_t v128[16];
        wag_func *func;
        wag_extern *ext;
        wag_any *any;
        wag_exception *exception;
    } of; /* the value itself */
} wag_val;

/* A wag_val of a kind. C makes it by a compound literal; C++, which has none, by a function. */
#ifndef __cplusplus
#define WAG_VAL_MAKE(kind_, member, x) ((wag_val){.kind = (kind_), .of = {.member = (x)}})
#else
extern "C++" {
template <typename T> struct wag_same_type {
    typedef T type;
};
template <typename V, typename K, typename U, typename M>
inline V wag_make(K kind, M U::*member, typename wag_same_type<M>::type x)
{
    V made = V();
    made.kind = kind;
    made.of.*member = x;
    return made;
}
}
#define WAG_VAL_MAKE(kind_, member, x) (wag_make<wag_val>((kind_), &decltype(wag_val::of)::member, (x)))
#endif

/* Typed values, by their kind. References are borrowed. */
#define WAG_VAL_I32(x) WAG_VAL_MAKE(WAG_I32, i32, x)
#define WAG_VAL_I64(x) WAG_VAL_MAKE(WAG_I64, i64, x)
#define WAG_VAL_F32(x) WAG_VAL_MAKE(WAG_F32, f32, x)
#define WAG_VAL_F64(x) WAG_VAL_MAKE(WAG_F64, f64, x)
#define WAG_VAL_FUNC(x) WAG_VAL_MAKE(WAG_FUNCREF, func, x)
#define WAG_VAL_EXTERN(x) WAG_VAL_MAKE(WAG_EXTERNREF, ext, x)
#define WAG_VAL_ANY(x) WAG_VAL_MAKE(WAG_ANYREF, any, x)
#define WAG_VAL_EXCEPTION(x) WAG_VAL_MAKE(WAG_EXNREF, exception, x)

/* "i32", "funcref", ... Any thread. borrow: static storage. */
WAG_API_ANY_THREAD const char *wag_val_kind_name(wag_val_kind kind);
/* Release the reference of an owned value; numbers are a no-op. Owner thread. */
WAG_API void wag_val_unref(wag_val val);

/* ---- any layer ---- */

/* What a JavaScript value is. */
typedef enum wag_value_kind {
    WAG_VALUE_UNDEFINED,
    WAG_VALUE_NULL,
    WAG_VALUE_BOOL,
    WAG_VALUE_NUMBER,
    WAG_VALUE_BIGINT, /* 64 bits, signed */
    WAG_VALUE_STRING,
    WAG_VALUE_BYTES, /* that never change; WAG_VALUE_BUFFER is the ArrayBuffer */
    WAG_VALUE_ARRAY,
    WAG_VALUE_MAP, /* string keys, insertion order: the plain object's role */
    WAG_VALUE_ERROR,
    WAG_VALUE_MODULE,
    WAG_VALUE_INSTANCE,
    WAG_VALUE_FUNC,
    WAG_VALUE_MEMORY,
    WAG_VALUE_TABLE,
    WAG_VALUE_GLOBAL,
    WAG_VALUE_TAG,
    WAG_VALUE_EXTERN, /* an opaque host reference */
    WAG_VALUE_ANY,    /* a struct or an array of wasm, opaque */
    WAG_VALUE_EXCEPTION,
    WAG_VALUE_BUFFER, /* ArrayBuffer, SharedArrayBuffer (waggle/buffer.h) */
    WAG_VALUE_PORT,   /* MessagePort (waggle/port.h) */
} wag_value_kind;

/* A JavaScript value, by value. Kinds from STRING on hold one reference to a counted object; copying the struct does
 * not count, wag_value_ref does. Strings, bytes, arrays and maps are counted without atomics and belong to the thread
 * that uses them; hand them to another thread through a message, not by sharing. Zero-initialised it is undefined. */
typedef struct wag_value {
    wag_value_kind kind; /* which of the members counts */
    union {
        bool boolean;
        double number;
        int64_t bigint;
        struct wagi_box *box; /* string, bytes, array, map */
        wag_error *error;
        wag_module *module;
        wag_instance *instance;
        wag_func *func;
        wag_memory *memory;
        wag_table *table;
        wag_global *global;
        wag_tag *tag;
        wag_extern *ext;
        wag_any *any;
        wag_exception *exception;
        wag_buffer *buffer;
        wag_port *port;
    } of; /* the value itself */
} wag_value;

/* As WAG_VAL_MAKE. */
#ifndef __cplusplus
#define WAG_VALUE_MAKE(kind_, member, x) ((wag_value){.kind = (kind_), .of = {.member = (x)}})
#else
#define WAG_VALUE_MAKE(kind_, member, x) (wag_make<wag_value>((kind_), &decltype(wag_value::of)::member, (x)))
#endif

/* Values that hold no object. */
#define WAG_UNDEFINED WAG_VALUE_MAKE(WAG_VALUE_UNDEFINED, bigint, 0)
#define WAG_NULL WAG_VALUE_MAKE(WAG_VALUE_NULL, bigint, 0)
#define WAG_BOOL(x) WAG_VALUE_MAKE(WAG_VALUE_BOOL, boolean, x)
#define WAG_NUMBER(x) WAG_VALUE_MAKE(WAG_VALUE_NUMBER, number, x)
#define WAG_BIGINT(x) WAG_VALUE_MAKE(WAG_VALUE_BIGINT, bigint, x)
/* These borrow: the value is valid as long as the object's other reference; wag_value_ref makes it an owner. */
#define WAG_MODULE(x) WAG_VALUE_MAKE(WAG_VALUE_MODULE, module, x)
#define WAG_INSTANCE(x) WAG_VALUE_MAKE(WAG_VALUE_INSTANCE, instance, x)
#define WAG_FUNC(x) WAG_VALUE_MAKE(WAG_VALUE_FUNC, func, x)
#define WAG_MEMORY(x) WAG_VALUE_MAKE(WAG_VALUE_MEMORY, memory, x)
#define WAG_TABLE(x) WAG_VALUE_MAKE(WAG_VALUE_TABLE, table, x)
#define WAG_GLOBAL(x) WAG_VALUE_MAKE(WAG_VALUE_GLOBAL, global, x)
#define WAG_TAG(x) WAG_VALUE_MAKE(WAG_VALUE_TAG, tag, x)
#define WAG_EXTERN(x) WAG_VALUE_MAKE(WAG_VALUE_EXTERN, ext, x)
#define WAG_ANY(x) WAG_VALUE_MAKE(WAG_VALUE_ANY, any, x)
#define WAG_EXCEPTION(x) WAG_VALUE_MAKE(WAG_VALUE_EXCEPTION, exception, x)
#define WAG_BUFFER(x) WAG_VALUE_MAKE(WAG_VALUE_BUFFER, buffer, x)
#define WAG_PORT(x) WAG_VALUE_MAKE(WAG_VALUE_PORT, port, x)
#define WAG_ERROR_VALUE(x) WAG_VALUE_MAKE(WAG_VALUE_ERROR, error, x)

/* Constructors of counted kinds; each returns own, or undefined when memory is out. Any thread; the value and what is
 * in it: one thread at a time. */
WAG_API_ANY_THREAD wag_value wag_string(const char *text); /* NUL-terminated UTF-8 */
WAG_API_ANY_THREAD wag_value wag_string_n(wag_name text);
WAG_API_ANY_THREAD wag_value wag_bytes_value(wag_bytes bytes); /* copies */
WAG_API_ANY_THREAD wag_value wag_array(void);
WAG_API_ANY_THREAD wag_value wag_map(void);

/* Append to an array / set in a map (replacing, keeping the first insertion's place). value: own (also on failure,
 * where it is released). WAG_TYPE when the container is of another kind or would contain itself, WAG_NOMEM. */
WAG_API_ANY_THREAD wag_err wag_array_push(wag_value array, wag_value value);
WAG_API_ANY_THREAD wag_err wag_map_set(wag_value map, const char *key, wag_value value);
WAG_API_ANY_THREAD wag_err wag_map_set_n(wag_value map, wag_name key, wag_value value);

/* Elements of an array or map, bytes of bytes or string, else 0. */
WAG_API_ANY_THREAD size_t wag_value_size(wag_value value);
/* borrow: valid as long as the container is unchanged. Undefined when out of range or of another kind. */
WAG_API_ANY_THREAD wag_value wag_array_at(wag_value array, size_t index);
/* Undefined when the key is absent or the value is not a map. borrow. */
WAG_API_ANY_THREAD wag_value wag_map_get(wag_value map, const char *key);
WAG_API_ANY_THREAD wag_value wag_map_get_n(wag_value map, wag_name key);
/* The index-th entry in insertion order. False when out of range or of another kind. borrow. */
WAG_API_ANY_THREAD bool wag_map_at(wag_value map, size_t index, wag_name *ret_key, wag_value *ret_value);
/* The text of a string; it has a terminating NUL behind size. Empty for other kinds. borrow. */
WAG_API_ANY_THREAD wag_name wag_value_text(wag_value value);
/* The bytes of a bytes value; empty for other kinds. borrow. */
WAG_API_ANY_THREAD wag_bytes wag_value_bytes(wag_value value);

/* One more reference to what it holds; returns its argument. An object of another agent is not counted. */
WAG_API_ANY_THREAD wag_value wag_value_ref(wag_value value);
/* One reference less to what it holds. Kinds that hold nothing, and objects of another agent, are a no-op. */
WAG_API_ANY_THREAD void wag_value_unref(wag_value value);
/* "undefined", "number", ... Any thread. borrow: static storage. */
WAG_API_ANY_THREAD const char *wag_value_kind_name(wag_value_kind kind);
/* Deep equality of two values (numbers bitwise except that all NaN are equal; objects by identity, as are errors). */
WAG_API_ANY_THREAD bool wag_value_equal(wag_value a, wag_value b);

#ifdef __cplusplus
}
#endif
#endif

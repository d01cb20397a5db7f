/* Values: the typed layer (wag_val) that calls use, and the "any" layer (wag_value, a JavaScript value) that import
 * objects and messages use.
 */
#ifndef WAGGLE_VALUE_H
#define WAGGLE_VALUE_H

#include "waggle/base.h"
#include "waggle/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wag_module wag_module;
typedef struct wag_instance wag_instance;
typedef struct wag_func wag_func;
typedef struct wag_memory wag_memory;
typedef struct wag_shared_memory wag_shared_memory;
typedef struct wag_buffer wag_buffer;
typedef struct wag_port wag_port;
typedef struct wag_table wag_table;
typedef struct wag_global wag_global;
typedef struct wag_tag wag_tag;
typedef struct wag_extern wag_extern;
typedef struct wag_any wag_any;
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
    wag_val_kind kind;
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
    } of;
} wag_val;

#define WAG_VAL_I32(x) ((wag_val){.kind = WAG_I32, .of = {.i32 = (x)}})
#define WAG_VAL_I64(x) ((wag_val){.kind = WAG_I64, .of = {.i64 = (x)}})
#define WAG_VAL_F32(x) ((wag_val){.kind = WAG_F32, .of = {.f32 = (x)}})
#define WAG_VAL_F64(x) ((wag_val){.kind = WAG_F64, .of = {.f64 = (x)}})
#define WAG_VAL_FUNC(x) ((wag_val){.kind = WAG_FUNCREF, .of = {.func = (x)}})
#define WAG_VAL_EXTERN(x) ((wag_val){.kind = WAG_EXTERNREF, .of = {.ext = (x)}})
#define WAG_VAL_ANY(x) ((wag_val){.kind = WAG_ANYREF, .of = {.any = (x)}})
#define WAG_VAL_EXCEPTION(x) ((wag_val){.kind = WAG_EXNREF, .of = {.exception = (x)}})

/* "i32", "funcref", ... Any thread. borrow: static storage. */
WAG_API const char *wag_val_kind_name(wag_val_kind kind);
/* Release the reference of an owned value; numbers are a no-op. Owner thread. */
WAG_API void wag_val_unref(wag_val val);

/* ---- any layer ---- */

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
    wag_value_kind kind;
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
    } of;
} wag_value;

#define WAG_UNDEFINED ((wag_value){.kind = WAG_VALUE_UNDEFINED, .of = {.bigint = 0}})
#define WAG_NULL ((wag_value){.kind = WAG_VALUE_NULL, .of = {.bigint = 0}})
#define WAG_BOOL(x) ((wag_value){.kind = WAG_VALUE_BOOL, .of = {.boolean = (x)}})
#define WAG_NUMBER(x) ((wag_value){.kind = WAG_VALUE_NUMBER, .of = {.number = (x)}})
#define WAG_BIGINT(x) ((wag_value){.kind = WAG_VALUE_BIGINT, .of = {.bigint = (x)}})
/* These borrow: the value is valid as long as the object's other reference; wag_value_ref makes it an owner. */
#define WAG_MODULE(x) ((wag_value){.kind = WAG_VALUE_MODULE, .of = {.module = (x)}})
#define WAG_INSTANCE(x) ((wag_value){.kind = WAG_VALUE_INSTANCE, .of = {.instance = (x)}})
#define WAG_FUNC(x) ((wag_value){.kind = WAG_VALUE_FUNC, .of = {.func = (x)}})
#define WAG_MEMORY(x) ((wag_value){.kind = WAG_VALUE_MEMORY, .of = {.memory = (x)}})
#define WAG_TABLE(x) ((wag_value){.kind = WAG_VALUE_TABLE, .of = {.table = (x)}})
#define WAG_GLOBAL(x) ((wag_value){.kind = WAG_VALUE_GLOBAL, .of = {.global = (x)}})
#define WAG_TAG(x) ((wag_value){.kind = WAG_VALUE_TAG, .of = {.tag = (x)}})
#define WAG_EXTERN(x) ((wag_value){.kind = WAG_VALUE_EXTERN, .of = {.ext = (x)}})
#define WAG_ANY(x) ((wag_value){.kind = WAG_VALUE_ANY, .of = {.any = (x)}})
#define WAG_EXCEPTION(x) ((wag_value){.kind = WAG_VALUE_EXCEPTION, .of = {.exception = (x)}})
#define WAG_BUFFER(x) ((wag_value){.kind = WAG_VALUE_BUFFER, .of = {.buffer = (x)}})
#define WAG_PORT(x) ((wag_value){.kind = WAG_VALUE_PORT, .of = {.port = (x)}})
#define WAG_ERROR_VALUE(x) ((wag_value){.kind = WAG_VALUE_ERROR, .of = {.error = (x)}})

/* Constructors of counted kinds; each returns own, or undefined when memory is out. Any thread. */
WAG_API wag_value wag_string(const char *text); /* NUL-terminated UTF-8 */
WAG_API wag_value wag_string_n(wag_name text);
WAG_API wag_value wag_bytes_value(wag_bytes bytes); /* copies */
WAG_API wag_value wag_array(void);
WAG_API wag_value wag_map(void);

/* Append to an array / set in a map (replacing, keeping the first insertion's place). value: own (also on failure,
 * where it is released). WAG_TYPE when the container is of another kind or would contain itself, WAG_NOMEM. */
WAG_API wag_err wag_array_push(wag_value array, wag_value value);
WAG_API wag_err wag_map_set(wag_value map, const char *key, wag_value value);
WAG_API wag_err wag_map_set_n(wag_value map, wag_name key, wag_value value);

/* Elements of an array or map, bytes of bytes or string, else 0. */
WAG_API size_t wag_value_size(wag_value value);
/* borrow: valid as long as the container is unchanged. Undefined when out of range or of another kind. */
WAG_API wag_value wag_array_at(wag_value array, size_t index);
/* Undefined when the key is absent or the value is not a map. borrow. */
WAG_API wag_value wag_map_get(wag_value map, const char *key);
WAG_API wag_value wag_map_get_n(wag_value map, wag_name key);
/* The index-th entry in insertion order. False when out of range or of another kind. borrow. */
WAG_API bool wag_map_at(wag_value map, size_t index, wag_name *ret_key, wag_value *ret_value);
/* The text of a string; it has a terminating NUL behind size. Empty for other kinds. borrow. */
WAG_API wag_name wag_value_text(wag_value value);
/* The bytes of a bytes value; empty for other kinds. borrow. */
WAG_API wag_bytes wag_value_bytes(wag_value value);

WAG_API wag_value wag_value_ref(wag_value value); /* returns its argument, counted once more */
WAG_API void wag_value_unref(wag_value value);
/* "undefined", "number", ... Any thread. borrow: static storage. */
WAG_API const char *wag_value_kind_name(wag_value_kind kind);
/* Deep equality of two values (numbers bitwise except that all NaN are equal; objects by identity, as are errors). */
WAG_API bool wag_value_equal(wag_value a, wag_value b);

#ifdef __cplusplus
}
#endif
#endif

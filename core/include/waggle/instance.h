/* Instance, exports and the store objects: Function, Memory, Table, Global, Tag, host references.
 * All belong to the agent of the thread that made them. A handle is one count: x_ref / x_unref. A handle of an export
 * keeps its whole instance alive.
 *
 * Example:
 *     const wag_exports *exports = wag_instance_exports(instance);
 *     wag_val args[2] = {WAG_VAL_I32(40), WAG_VAL_I32(2)}, result;
 *     wag_error *trap = NULL;
 *     if (wag_call(wag_exports_func(exports, "add"), args, 2, &result, 1, &trap) != WAG_OK)
 *         return 1;
 *     wag_memory *memory = wag_exports_memory(exports, "memory");
 *     if (wag_memory_write(memory, 16, &result.of.i32, sizeof result.of.i32) != WAG_OK)
 *         return 1;
 *     wag_global_set(wag_exports_global(exports, "counter"), WAG_VAL_I32(1));
 */
#ifndef WAGGLE_INSTANCE_H
#define WAGGLE_INSTANCE_H

#include "waggle/imports.h"

#ifdef __cplusplus
extern "C" {
#endif

/* new WebAssembly.Instance(module, imports): synchronous.
 *  module   borrowed (the instance takes its own reference)
 *  imports  borrowed; NULL is `undefined`
 *  ret_instance: own
 *  Fails with WAG_TYPE (NULL module, imports missing, namespace no object), WAG_LINK, a trap code (segment out of
 * bounds, start function), the start function's host error, WAG_NOMEM, WAG_WRONG_AGENT. */
WAG_API wag_err wag_instance_new(wag_module *module, wag_imports *imports, wag_instance **ret_instance,
                                 wag_error **reterr_error);
/* A module with its imports, read and matched once: to make many instances. Belongs to the agent that made it. What was
 * read stays as it is, whatever happens to the import object. (wag_instance_new with an import object that has not
 * changed since the last time is as fast, unless it was made from a getter or a value.) */
typedef struct wag_linked wag_linked;
/* module, imports: borrow, as in wag_instance_new, and the errors of its steps up to the matching of types.
 * ret_linked: own, give it back with wag_linked_unref. Owner thread from now on. */
WAG_API wag_err wag_linked_new(wag_module *module, wag_imports *imports, wag_linked **ret_linked,
                               wag_error **reterr_error);
/* linked: borrow. ret_instance: own. Fails with WAG_TYPE (NULL), WAG_WRONG_AGENT, and what wag_instance_new fails with
 * from then on. */
WAG_API wag_err wag_linked_instantiate(wag_linked *linked, wag_instance **ret_instance, wag_error **reterr_error);
/* Give it back. NULL is a no-op. */
WAG_API void wag_linked_unref(wag_linked *linked);

/* One more reference; returns its argument. NULL is a no-op. */
WAG_API wag_instance *wag_instance_ref(wag_instance *instance);
/* One reference less. NULL is a no-op. */
WAG_API void wag_instance_unref(wag_instance *instance);
/* borrow: lives as long as the instance. Owner thread. */
WAG_API wag_module *wag_instance_module(const wag_instance *instance);

/* instance.exports: one object per instance, fixed, in export order. */
typedef struct wag_exports wag_exports;
/* borrow: as long as the instance. NULL for another agent's. */
WAG_API const wag_exports *wag_instance_exports(const wag_instance *instance);
/* How many there are. */
WAG_API size_t wag_exports_size(const wag_exports *exports);
/* The index-th export; value: borrow, the same object each time. False when out of range. */
WAG_API bool wag_exports_at(const wag_exports *exports, size_t index, wag_name *ret_name, wag_value *ret_value);
/* WAG_VALUE_UNDEFINED when there is none of that name. borrow. */
WAG_API wag_value wag_exports_get(const wag_exports *exports, const char *name);
WAG_API wag_value wag_exports_get_n(const wag_exports *exports, wag_name name);
/* Shorthands: borrow, NULL when there is none of that name and kind. */
WAG_API wag_func *wag_exports_func(const wag_exports *exports, const char *name);
WAG_API wag_memory *wag_exports_memory(const wag_exports *exports, const char *name);
WAG_API wag_table *wag_exports_table(const wag_exports *exports, const char *name);
WAG_API wag_global *wag_exports_global(const wag_exports *exports, const char *name);
WAG_API wag_tag *wag_exports_tag(const wag_exports *exports, const char *name);

/* ---- functions ---- */

/* A host function.
 *  signature  parameters and results as in "(i32 i64) -> (f64)", "()" or "(externref)"; the types are i32 i64 f32 f64
 *             v128 funcref externref anyref eqref i31ref structref arrayref exnref; WAG_TYPE with a message that shows
 *             the place when it cannot be read
 *  func       what it calls
 *  context    handed to func
 *  finalize   as in wag_imports_set_func
 *  ret_func   own */
WAG_API wag_err wag_func_new(const char *signature, wag_host_func func, void *context, void (*finalize)(void *context),
                             wag_func **ret_func, wag_error **reterr_error);
/* One more reference; returns its argument. NULL is a no-op. */
WAG_API wag_func *wag_func_ref(wag_func *func);
/* One reference less. NULL is a no-op. */
WAG_API void wag_func_unref(wag_func *func);
/* The function's signature. 0 for another agent's function; *_kind: WAG_I32 when the index is out of range. */
WAG_API size_t wag_func_param_count(const wag_func *func);
WAG_API size_t wag_func_result_count(const wag_func *func);
WAG_API wag_val_kind wag_func_param_kind(const wag_func *func, size_t index);
WAG_API wag_val_kind wag_func_result_kind(const wag_func *func, size_t index);
/* Its index in the module that it is defined in: in JavaScript the function's name, in decimal. False for a host
 * function and for another agent's. */
WAG_API bool wag_func_index(const wag_func *func, uint32_t *ret_index);

/* Call a function. Typed layer: no coercion.
 *  args, results  arrays of exactly the function's counts; may be NULL when the count is 0. References in args are
 *                 borrowed for the call; references in results are own (wag_val_unref).
 *  Fails with WAG_TYPE (counts or kinds differ; nothing ran), a trap code, a host function's error unchanged,
 *  WAG_INTERRUPTED, WAG_STACK_OVERFLOW, WAG_WRONG_AGENT. The instance stays usable. */
WAG_API wag_err wag_call(wag_func *func, const wag_val *args, size_t arg_count, wag_val *results, size_t result_count,
                         wag_error **reterr_error);

/* ---- memory ---- */

/* What a memory is to be. JS: MemoryDescriptor. Counts are pages of 64 KiB. */
typedef struct wag_memory_descriptor {
    uint64_t initial; /* now */
    uint64_t maximum; /* UINT64_MAX: none */
    bool address_i64; /* 64-bit addresses */
    bool shared;      /* it needs a maximum, which is reserved: the memory never moves */
} wag_memory_descriptor;
/* new WebAssembly.Memory(descriptor). WAG_TYPE for a shared one without maximum; WAG_RANGE when maximum < initial or
 * above the limit, or when memory or address space cannot be had. descriptor: borrow. ret_memory: own. */
WAG_API wag_err wag_memory_create(const wag_memory_descriptor *descriptor, wag_memory **ret_memory,
                                  wag_error **reterr_error);
/* The same for a 32-bit memory that is not shared. As instances are, memories that have died are kept, within the limit
 * ready_bytes, and used again for others of their type. */
WAG_API wag_err wag_memory_new(uint64_t initial, uint64_t maximum, wag_memory **ret_memory, wag_error **reterr_error);
/* One more reference; returns its argument. NULL is a no-op. */
WAG_API wag_memory *wag_memory_ref(wag_memory *memory);
/* One reference less. NULL is a no-op. */
WAG_API void wag_memory_unref(wag_memory *memory);
/* The bytes [offset, offset + length): readable to read, writable to read and write (which costs nothing where
 * instances of the module usually write). borrow: as long as wag_memory_generation stays what it is, and the memory
 * exists. NULL when they are not all inside, or for another agent's memory. Between two calls into wasm or the library
 * these pointers, and only these, may be given to system calls: a memory's pages can be read-only until somebody writes
 * to them, and a system call that does fails (EFAULT) where a program's own write does not. */
WAG_API const uint8_t *wag_memory_readable(const wag_memory *memory, uint64_t offset, size_t length);
WAG_API uint8_t *wag_memory_writable(wag_memory *memory, uint64_t offset, size_t length);
/* Changes when the memory has grown: pointers into it may be wrong then. */
WAG_API uint64_t wag_memory_generation(const wag_memory *memory);
/* All the bytes now, to read and write. borrow: until the memory grows (by the host, or in any call into wasm). Getting
 * them may make the next instantiation slower by microseconds, for the next instance's memory cannot be told what was
 * written: prefer the two functions above. Those of a shared memory stay where they are as long as it lives, and other
 * threads may write them at any time: use atomics. */
WAG_API uint8_t *wag_memory_data(const wag_memory *memory);
/* Its size now, in bytes / in pages. 0 for another agent's. */
WAG_API size_t wag_memory_size(const wag_memory *memory);
WAG_API uint64_t wag_memory_pages(const wag_memory *memory);
/* ret_old_pages: the size before. WAG_RANGE when the maximum or a limit forbids it; nothing changed then. */
WAG_API wag_err wag_memory_grow(wag_memory *memory, uint64_t delta_pages, uint64_t *ret_old_pages,
                                wag_error **reterr_error);
/* True for a shared memory of this agent. */
WAG_API bool wag_memory_is_shared(const wag_memory *memory);
/* Copy with bounds check: WAG_RANGE and nothing copied when [offset, offset + size) is not inside. */
WAG_API wag_err wag_memory_read(const wag_memory *memory, uint64_t offset, void *destination, size_t size);
WAG_API wag_err wag_memory_write(wag_memory *memory, uint64_t offset, const void *source, size_t size);

/* What a shared memory is made of, for threads that are no workers: any thread, atomically counted. A wag_memory
 * belongs to one agent; those that are made of the same block in several agents alias it. (wag_worker_post_message
 * takes the wag_memory itself.) JS: SharedArrayBuffer. */
/* own; NULL for one that is not shared. */
WAG_API wag_shared_memory *wag_memory_share(const wag_memory *memory);
/* One more reference; returns its argument. NULL is a no-op. */
WAG_API_ANY_THREAD wag_shared_memory *wag_shared_memory_ref(wag_shared_memory *shared);
/* One reference less. NULL is a no-op. */
WAG_API_ANY_THREAD void wag_shared_memory_unref(wag_shared_memory *shared);
/* A Memory of this agent. shared: borrow. ret_memory: own. WAG_TYPE for NULL and for one of another cluster, WAG_NOMEM.
 */
WAG_API wag_err wag_memory_of_shared(wag_shared_memory *shared, wag_memory **ret_memory, wag_error **reterr_error);

/* ---- table ---- */

/* new WebAssembly.Table({element, initial, maximum}, value). kind: WAG_FUNCREF or WAG_EXTERNREF; init: borrow, of that
 * kind. maximum: UINT64_MAX is none. WAG_TYPE, WAG_RANGE. ret_table: own. */
WAG_API wag_err wag_table_new(wag_val_kind kind, uint64_t initial, uint64_t maximum, wag_val init,
                              wag_table **ret_table, wag_error **reterr_error);
/* One more reference; returns its argument. NULL is a no-op. */
WAG_API wag_table *wag_table_ref(wag_table *table);
/* One reference less. NULL is a no-op. */
WAG_API void wag_table_unref(wag_table *table);
/* Its elements now. 0 for another agent's. */
WAG_API uint64_t wag_table_size(const wag_table *table);
/* ret_value: own reference. WAG_RANGE; WAG_TYPE for a table of exnref; WAG_NOMEM. */
WAG_API wag_err wag_table_get(const wag_table *table, uint64_t index, wag_val *ret_value);
/* value: borrow. WAG_RANGE, WAG_TYPE. */
WAG_API wag_err wag_table_set(wag_table *table, uint64_t index, wag_val value);
/* table.grow(delta, init). init: borrow. WAG_RANGE when the maximum or a limit forbids it; nothing changed then. */
WAG_API wag_err wag_table_grow(wag_table *table, uint64_t delta, wag_val init, uint64_t *ret_old_size);

/* ---- global ---- */

/* new WebAssembly.Global({value, mutable}, init). init: borrow. WAG_TYPE for v128 and exnref. ret_global: own. */
WAG_API wag_err wag_global_new(wag_val init, bool is_mutable, wag_global **ret_global, wag_error **reterr_error);
/* One more reference; returns its argument. NULL is a no-op. */
WAG_API wag_global *wag_global_ref(wag_global *global);
/* One reference less. NULL is a no-op. */
WAG_API void wag_global_unref(wag_global *global);
/* True when it can be set. */
WAG_API bool wag_global_mutable(const wag_global *global);
/* ret_value: own reference. WAG_TYPE for v128 and exnref, WAG_NOMEM. */
WAG_API wag_err wag_global_get(const wag_global *global, wag_val *ret_value);
/* value: borrow. WAG_TYPE for a constant global or another kind. */
WAG_API wag_err wag_global_set(wag_global *global, wag_val value);

/* ---- tag ---- */

/* new WebAssembly.Tag({parameters}). signature as wag_func_new, without results. ret_tag: own. */
WAG_API wag_err wag_tag_new(const char *signature, wag_tag **ret_tag, wag_error **reterr_error);
/* One more reference; returns its argument. NULL is a no-op. */
WAG_API wag_tag *wag_tag_ref(wag_tag *tag);
/* One reference less. NULL is a no-op. */
WAG_API void wag_tag_unref(wag_tag *tag);

/* ---- host references (externref) ---- */

/* Wrap a host pointer as an externref. The same wag_extern is the same reference. finalize may be NULL; it is called
 * with host once the reference is unreachable. own; NULL when memory is out. */
WAG_API wag_extern *wag_extern_new(void *host, void (*finalize)(void *host));
/* One more reference; returns its argument. NULL is a no-op. */
WAG_API wag_extern *wag_extern_ref(wag_extern *ext);
/* One reference less. NULL is a no-op. */
WAG_API void wag_extern_unref(wag_extern *ext);
/* The pointer. A reference that came to be because an import of type externref was given another value has a pointer to
 * a wag_value with that value. borrow: as long as the reference. NULL for another agent's, and for a reference that
 * wraps what wasm has made. */
WAG_API void *wag_extern_host(const wag_extern *ext);

/* ---- references of the any hierarchy: i31, struct, array, and host references in it ---- */

/* A handle keeps what it refers to alive. Two handles are one pointer exactly when the references are equal. */
/* One more reference; returns its argument. NULL is a no-op. */
WAG_API wag_any *wag_any_ref(wag_any *any);
/* One reference less. NULL is a no-op. */
WAG_API void wag_any_unref(wag_any *any);
/* What such a reference refers to. */
typedef enum wag_any_kind {
    WAG_ANY_I31,
    WAG_ANY_STRUCT,
    WAG_ANY_ARRAY,
    WAG_ANY_EXTERN, /* a reference of the host */
} wag_any_kind;
/* WAG_ANY_EXTERN for another agent's. */
WAG_API wag_any_kind wag_any_get_kind(const wag_any *any);
/* own; NULL when value is not in [-2^30, 2^30) or memory is out. */
WAG_API wag_any *wag_any_new_i31(int32_t value);
/* False for another kind. */
WAG_API bool wag_any_i31(const wag_any *any, int32_t *ret_value);
/* any.convert_extern and extern.convert_any. own; NULL when memory is out or for another agent's. */
WAG_API wag_any *wag_any_of_extern(wag_extern *ext);
WAG_API wag_extern *wag_extern_of_any(wag_any *any);

/* ---- exceptions ---- */

/* new WebAssembly.Exception(tag, payload).
 *  args           borrowed, exactly the tag's parameters
 *  ret_exception  own
 *  Fails with WAG_TYPE (count, a kind, or the tag is the agent's JSTag), WAG_WRONG_AGENT, WAG_NOMEM, WAG_OUT_OF_HEAP.
 */
WAG_API wag_err wag_exception_new(wag_tag *tag, const wag_val *args, size_t arg_count, wag_exception **ret_exception,
                                  wag_error **reterr_error);
/* One more reference; returns its argument. NULL is a no-op. */
WAG_API wag_exception *wag_exception_ref(wag_exception *exception);
/* One reference less. NULL is a no-op. */
WAG_API void wag_exception_unref(wag_exception *exception);
/* exception.is(tag). */
WAG_API bool wag_exception_is(const wag_exception *exception, const wag_tag *tag);
/* Its tag. borrow: as long as the exception. */
WAG_API wag_tag *wag_exception_tag(const wag_exception *exception);
/* exception.getArg(tag, index). ret_value: own reference. WAG_TYPE when the tag is another one, WAG_RANGE for the
 * index, WAG_WRONG_AGENT, WAG_NOMEM. */
WAG_API wag_err wag_exception_arg(const wag_exception *exception, const wag_tag *tag, size_t index, wag_val *ret_value);
/* The instance whose code the index-th frame of a backtrace is in. borrow: as long as the instance, which errors do not
 * keep. NULL when it is gone, on a thread that it does not belong to, and when index is out of range. */
WAG_API wag_instance *wag_error_frame_instance(const wag_error *error, size_t index);
/* To throw it, a host function returns this error (own). The caller of wasm gets one of the same code,
 * WAG_UNCAUGHT_EXCEPTION, for an exception that nobody catches. */
WAG_API wag_error *wag_exception_error(wag_exception *exception);
/* The exception in such an error: always the same pointer for the same exception. borrow: as long as the error; NULL
 * when there is none, or on another agent's thread. */
WAG_API wag_exception *wag_error_exception(const wag_error *error);
/* WebAssembly.JSTag: the agent's one tag by which wasm catches the errors of host functions, as an externref; catch_all
 * does, too. Traps and interrupts cannot be caught. When such an exception leaves wasm again, it is the host's error,
 * the same object. own; NULL when memory is out. */
WAG_API wag_tag *wag_tag_js(void);

#ifdef __cplusplus
}
#endif
#endif

/* The store: what lives in an agent, and who keeps it alive.
 *
 * Units. Objects are freed in units: an instance with everything it defines is one, a host-made memory, table, global,
 * function, tag or host reference is one each. A unit has two counts, both plain (owner thread only):
 *   handles   host handles, and calls that are running in it
 *   refs      other units that hold it strongly: an instance counts its link, which counts each import's unit; a
 * function made from an untyped one counts that, an externref made from a store object counts that References that
 * travel as values (in tables, globals, element segments, wasm stacks) are not counted. Instead a unit whose functions
 * (or host reference) may be held as a value outside of it is marked `escaped`. Hence: handles == 0, refs == 0, not
 * escaped   nothing can reach it: freed at once handles == 0, refs == 0, escaped       perhaps garbage: found by
 * tracing (wagi_store_collect)
 *
 * Who marks. A channel carries functions when its type mentions a reference that can lead to a function (every
 * hierarchy but extern; wagi_carries_functions).
 *   1. Linking marks the importer of a carrying table, global, tag or wasm function, and of a host function that can
 *      return functions (what it passes to a host function crosses the host boundary, rule 2).
 *   2. The host boundary marks the unit of every reference that becomes a value inside another unit (arguments of
 *      wag_call, results of host functions, elements, globals), and, when that reference is a function whose own type
 *      carries functions, the instance it enters: that may now hand out its functions through it.
 *   3. When an escaped instance dies, the units of its imports are marked before they lose its count: it may have
 * passed its imported functions on. This is why owners need no mark while their importer lives: it holds them.
 *
 *   4. Structures, arrays and exceptions carry functions anywhere, through externrefs too. Linking marks an instance
 * whose module has a field, or a tag of its own, for functions; throwing marks the tag's unit and the functions among
 * the arguments.
 *
 * A host reference that became a value is always marked, so externref channels need no marks of their own.
 *
 * Tracing: roots are units with handles and, conservatively, every word of the interpreter's stack below stack_top;
 * edges are the import vectors, the other strong references and all reference words in tables, globals, segments and in
 * the objects of the heap (heap.h), which are traced together with the units. A trace can be under way while wasm runs
 * (agent->gc.marking); as long as it is, no unit is freed at once.
 *
 * The host holds a reference into the heap by a proxy, a unit of its own with the slot in it (proxy.c): wag_any,
 * wag_exception, or a wag_extern with a slot. A proxy never enters wasm, its slot does.
 *
 * While a call is open (agent->host_depth > 0) nothing is collected except at the end of a host function, and functions
 * and host references that lose their last handle wait for that: so a host function may return a reference that it has
 * made and released.
 */
#ifndef WAGI_RUNTIME_OBJECT_H
#define WAGI_RUNTIME_OBJECT_H

#include "binary/module.h"
#include "runtime/shared_memory.h"
#include "waggle/agent.h"
#include "waggle/instance.h"

/* A slot: one wasm value as the tiers pass it. Integers: i32 zero-extended to 64 bits. Floats: their bits, f32
 * zero-extended. References: heap.h; 0 is null. */
typedef uint64_t wagi_slot;

typedef enum wagi_object_kind {
    WAGI_OBJECT_FUNC,
    WAGI_OBJECT_TABLE,
    WAGI_OBJECT_MEMORY,
    WAGI_OBJECT_GLOBAL,
    WAGI_OBJECT_TAG,
    WAGI_OBJECT_EXTERN,
    WAGI_OBJECT_INSTANCE,
    WAGI_OBJECT_ANY,
    WAGI_OBJECT_EXCEPTION,
    WAGI_OBJECT_LINKED, /* imports that have been read (pool.h): no value */
    WAGI_OBJECT_BUFFER,
    WAGI_OBJECT_FOREIGN, /* of another folder (ipc/port.h); a wagi_foreign */
} wagi_object_kind;

/* What a host has attached to an object (wasm.h's host info). */
typedef struct wagi_host_info {
    struct wagi_host_info *next; /* of the same unit */
    const struct wagi_object *object;
    void *info;
    void (*finalize)(void *info);
} wagi_host_info;

typedef struct wagi_unit {
    wag_agent *agent;
    struct wagi_unit *previous, *next; /* the agent's list of all units; next also links those that are being freed */
    struct wagi_unit *work;            /* the collector's work list */
    size_t handles, refs;
    wagi_host_info *infos; /* finalized with the unit */
    bool escaped;
    bool marked;  /* reached; only during a collection */
    bool dying;   /* taken out of the store: its counts decide nothing any more */
    uint8_t kind; /* wagi_object_kind of what it was made as */
} wagi_unit;

/* Every store object begins with this. */
typedef struct wagi_object {
    wagi_unit *unit;
    uint8_t kind;
} wagi_object;

struct wag_func {
    wagi_object object;
    const wagi_type *type;      /* NULL: an import object's function that takes the type of the import it is given to */
    wag_instance *instance;     /* NULL for a host function */
    const void *code;           /* native code of the function; NULL: another tier's or the host's */
    const wagi_func_body *body; /* NULL for a host function */
    wag_host_func host;
    void *context;
    void (*finalize)(void *context);
    wag_func *origin; /* the untyped function that it was made from, held strongly; else NULL */
};

typedef struct wagi_page_run {
    uint32_t first, count; /* 4 KiB pages */
} wagi_page_run;

enum { WAGI_COLD_RUNS = 16 };

/* Of a memory that the pool will reset (slot.h). */
typedef struct wagi_slot_state {
    struct wagi_memory_plan *plan; /* NULL: not the pool's */
    struct wagi_seal *seal;        /* NULL: all writable */
    bool registered;               /* in the agent's table of addresses */
    uint32_t touched;              /* pages with memory of their own when it was last looked at */
    uint32_t grown;                /* the same behind the initial size, all zero */
    bool host_opened;              /* since the last reset */
    uint32_t cold_count;
    wagi_page_run cold[WAGI_COLD_RUNS]; /* made writable since the last reset; may overlap */
} wagi_slot_state;

struct wag_memory {
    wagi_object object;
    uint8_t *base;             /* never NULL; moves when the memory grows, unless it is shared */
    uint64_t size;             /* bytes; of a shared memory 0: wagi_memory_size knows */
    uint64_t pages, max_pages; /* max_pages: smaller of declared and run-time limit */
    wagi_memory_type type;     /* as declared: the minimum does not follow growth */
    bool is_mapped;            /* pages of the system's, else (small) a heap block or nothing */
    bool is_guarded;           /* WAGI_GUARD_BYTES are reserved at base, which never moves; what is not memory faults */
    wagi_slot_state slot;
    struct wagi_memory_pool *pool; /* of a host-made one: where it goes when it dies (pool.h); NULL: it is freed */
    uint64_t generation;           /* changes when pointers into it may have become wrong */
    wag_shared_memory *shared;     /* what a shared memory aliases, one reference; else NULL */
    struct wag_buffer *buffer;     /* its buffer object while there is one (buffer.h); that holds the memory */
};

/* What a guarded memory reserves: every 32-bit index plus every 32-bit offset plus an access. */
#define WAGI_GUARD_BYTES ((8ull << 30) + 65536)
static inline bool wagi_memory_can_be_guarded(wagi_memory_type type)
{
    return !type.limits.is_64 && type.page_size_log2 == 16;
}

/* The size now, in bytes and in pages: of a shared memory other threads may make it larger at any time. */
static inline uint64_t wagi_memory_size(const wag_memory *memory)
{
    return memory->shared ? atomic_load(&memory->shared->size) : memory->size;
}
static inline uint64_t wagi_memory_pages(const wag_memory *memory)
{
    return memory->shared ? atomic_load(&memory->shared->pages) : memory->pages;
}

struct wag_table {
    wagi_object object;
    wagi_slot *elements;               /* NULL when the capacity is 0 */
    uint64_t size, capacity, max_size; /* max_size: smaller of declared and run-time limit */
    bool in_block;                     /* elements are part of the instance's block */
    bool written;                      /* since its instance was made or reset, other than by its segments */
    wagi_table_type type;
};

struct wag_global {
    wagi_object object;
    wagi_global_type type;
    wagi_slot value[2]; /* v128 uses both */
};

struct wag_tag {
    wagi_object object;
    const wagi_type *type;
};

struct wag_extern {
    wagi_object object;
    void *host;
    void (*finalize)(void *host);
    wagi_unit *held; /* strong; a reference that stands for a store object holds it; else NULL */
    wagi_slot slot;  /* a proxy: the reference of the heap that it stands for; else 0 */
};

/* Proxies. */
struct wag_any {
    wagi_object object;
    wagi_slot slot; /* not null */
};
struct wag_exception {
    wagi_object object;
    wagi_slot slot; /* of a wagi_gc_exception */
};

/* An object that another folder has made: what is behind the head is its maker's. */
typedef struct wagi_foreign {
    wagi_object object;
    size_t size;
    /* It dies: once, on the owner thread. The other objects that its unit refers to may be dead. */
    void (*finalize)(struct wagi_foreign *self);
} wagi_foreign;

typedef struct wagi_elem_instance {
    uint32_t count; /* 0 once dropped */
    wagi_slot *items;
} wagi_elem_instance;
typedef struct wagi_data_instance {
    const uint8_t *bytes;
    size_t size; /* 0 once dropped */
} wagi_data_instance;

struct wag_exports {
    wag_instance *instance;
};

struct wag_instance {
    wagi_object object;
    wagi_unit unit;
    wag_module *module; /* the pool's reference */
    const wagi_module_data *data;
    size_t block_size;         /* the instance, its arrays and small tables are one block */
    struct wag_linked *linked; /* its imports, one reference */
    struct wagi_pool *pool;
    uint64_t link_serial; /* whose imports are in the vectors */
    size_t ready_weight;  /* while it is ready to be used again: what the pool accounts for it */
    uint32_t ready_guarded;
    uint64_t memory_bytes, table_entries; /* of its own memories and tables (quota.h) */
    bool complete;                        /* its segments have run: the pool may take it back */
    bool stale_tables;                    /* its tables and passive segments must be filled again */
    /* Index spaces, imports first. Functions: only imports are in funcs; own ones that can be referenced are in
     * own_funcs[data->func_ref_slot[index]]. */
    wag_func **funcs; /* func_import_count */
    wag_table **tables;
    wag_memory **memories;
    wag_global **globals;
    wag_tag **tags;
    wag_func *own_funcs;
    wagi_elem_instance *elems;
    wagi_data_instance *datas;
    wag_memory *memory0; /* memories[0], or an empty one: never NULL */
    struct wag_exports exports;
    struct wagi_gc_space *space; /* heap.h; NULL: it made nothing, or the agent's */
};

/* Where things are in an instance's block: a function of the module alone, so native code can use it. Offsets from the
 * instance. */
typedef struct wagi_instance_layout {
    uint64_t own_funcs, own_tables, own_memories, own_globals, own_tags;
    uint64_t funcs, tables, memories, globals, tags, elems, datas;
    uint64_t items;    /* of passive element segments */
    uint64_t elements; /* of small tables */
    uint64_t size;
} wagi_instance_layout;
wagi_instance_layout wagi_instance_layout_of(const wagi_module_data *data);

/* What the frames of an instance refer to it by: gone on its own thread when the instance is gone. own; NULL without
 * memory. */
wagi_origin *wagi_instance_origin(wag_instance *instance);
/* The instance, when it is of this thread and still there. origin: may be NULL. */
wag_instance *wagi_origin_instance(const wagi_origin *origin);

/* The object of a function index of this instance. The function must be an import or have a reference slot. */
static inline wag_func *wagi_instance_func(wag_instance *instance, uint32_t func_index)
{
    return func_index < instance->data->func_import_count
               ? instance->funcs[func_index]
               : &instance->own_funcs[instance->data->func_ref_slot[func_index]];
}

/* Mark a unit escaped. Idempotent. */
static inline void wagi_unit_escape(wagi_unit *unit)
{
    unit->escaped = true;
}
/* The unit behind a slot that refers to a store object. */
static inline wagi_unit *wagi_slot_unit(wagi_slot slot)
{
    return ((wagi_object *)(uintptr_t)slot)->unit;
}

/* True when a value of this type can lead to a function (see above). */
bool wagi_carries_functions(const wagi_registry *registry, wagi_valtype type);

/* Operations with bounds that both the public API and the tiers use. All owner thread, no checks of the agent. */

/* The old size in pages, or UINT64_MAX when it cannot grow (maximum, limit, system). */
uint64_t wagi_memory_grow(wag_memory *memory, uint64_t delta_pages);
/* Make a 32-bit memory of standard pages guarded; its base may move now. False when the address space cannot be had. */
bool wagi_memory_guard(wag_memory *memory);
/* Unmap the guarded address ranges that the agent keeps. */
void wagi_memory_free_spares(wag_agent *agent);
/* The old size, or UINT64_MAX. New entries are init. */
uint64_t wagi_table_grow(wag_table *table, uint64_t delta, wagi_slot init);
/* What a new table holds, all over. */
void wagi_table_begin(wag_table *table, wagi_slot init);
void wagi_memory_clear(wag_memory *memory); /* all of it is zero */
/* Each returns WAG_OK, WAG_MEMORY_BOUNDS or WAG_TABLE_BOUNDS, checked before anything is written; fill and copy also
 * why the agent was stopped in the middle of much. */
wag_err wagi_memory_fill(wag_memory *memory, uint64_t offset, uint8_t value, uint64_t size);
wag_err wagi_memory_copy(wag_memory *destination, uint64_t to, wag_memory *source, uint64_t from, uint64_t size);
wag_err wagi_memory_init(wag_memory *memory, uint64_t to, const wagi_data_instance *data, uint64_t from, uint64_t size);
wag_err wagi_table_fill(wag_table *table, uint64_t offset, wagi_slot value, uint64_t count);
wag_err wagi_table_copy(wag_table *destination, uint64_t to, wag_table *source, uint64_t from, uint64_t count);
wag_err wagi_table_init(wag_table *table, uint64_t to, const wagi_elem_instance *elem, uint64_t from, uint64_t count);
void wagi_elem_drop(wagi_elem_instance *elem);
/* One element, one global; inside the bounds. */
void wagi_table_store(wag_table *table, uint64_t index, wagi_slot value);
void wagi_global_store(wag_global *global, const wagi_slot *value);
void wagi_data_drop(wagi_data_instance *data);
/* memory.atomic.wait (width 4 or 8) and notify, on any memory, by the agent of the memory. slots: the operands, index
 * first; the result replaces it. offset: of the memarg. WAG_OK, WAG_UNALIGNED_ATOMIC, WAG_MEMORY_BOUNDS,
 * WAG_UNSHARED_WAIT, WAG_CANNOT_BLOCK, or why the agent was stopped. */
wag_err wagi_memory_wait(wag_memory *memory, uint64_t offset, unsigned width, wagi_slot *slots);
wag_err wagi_memory_notify(wag_memory *memory, uint64_t offset, wagi_slot *slots);

#endif

/* The store: what lives in an agent, and who keeps it alive.
 *
 * Units. Objects are freed in units: an instance with everything it defines is one, a host-made memory, table, global,
 * function, tag or host reference is one each. A unit has two counts, both plain (owner thread only):
 *   handles   host handles, and calls that are running in it
 *   refs      other units that hold it strongly: an instance counts each of its imports' units and, through its
 *             import vectors, nothing else
 * References that travel as values (in tables, globals, element segments, wasm stacks) are not counted. Before a
 * reference can be stored or carried outside its own unit, that unit is marked `escaped` (wagi_unit_escape). Hence:
 *   handles == 0, refs == 0, not escaped   nothing can reach it: freed at once
 *   handles == 0, refs == 0, escaped       perhaps garbage: found by tracing (wagi_store_collect)
 * Who marks: linking (the owner of every imported table, reference global or function that takes or gives references, and
 * the importer of such), the host boundary (a function reference that enters a unit other than its own, both sides).
 * Tracing: roots are units with handles and, conservatively, every word of the interpreter's stack; edges are the import
 * vectors and all reference words in tables, globals and element segments.
 */
#ifndef WAGI_RUNTIME_OBJECT_H
#define WAGI_RUNTIME_OBJECT_H

#include "binary/module.h"
#include "waggle/agent.h"
#include "waggle/instance.h"

/* A slot: one wasm value as the tiers pass it. Integers: i32 zero-extended to 64 bits. Floats: their bits, f32
 * zero-extended. References: a pointer (wag_func *, wag_extern *), 0 is null. */
typedef uint64_t wagi_slot;

typedef enum wagi_object_kind {
    WAGI_OBJECT_FUNC,
    WAGI_OBJECT_TABLE,
    WAGI_OBJECT_MEMORY,
    WAGI_OBJECT_GLOBAL,
    WAGI_OBJECT_TAG,
    WAGI_OBJECT_EXTERN,
    WAGI_OBJECT_INSTANCE,
} wagi_object_kind;

typedef struct wagi_unit {
    wag_agent *agent;
    struct wagi_unit *previous, *next; /* the agent's list of all units */
    size_t handles, refs;
    bool escaped, marked;
    uint8_t kind; /* wagi_object_kind of what it was made as */
} wagi_unit;

/* Every store object begins with this. */
typedef struct wagi_object {
    wagi_unit *unit;
    uint8_t kind;
} wagi_object;

struct wag_func {
    wagi_object object;
    const wagi_type *type;
    wag_instance *instance;      /* NULL for a host function */
    const wagi_func_body *body;  /* NULL for a host function */
    wag_host_func host;
    void *context;
    void (*finalize)(void *context);
};

struct wag_memory {
    wagi_object object;
    uint8_t *base;        /* moves when the memory grows */
    uint64_t size;        /* bytes */
    uint64_t pages, max_pages; /* max_pages: smaller of declared and run-time limit */
    wagi_memory_type type;
};

struct wag_table {
    wagi_object object;
    wagi_slot *elements;
    uint64_t size, capacity, max_size;
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
};

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
    wag_module *module; /* one reference */
    const wagi_module_data *data;
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
    struct wag_exports exports;
};

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
/* The unit behind a non-null reference slot. */
static inline wagi_unit *wagi_slot_unit(wagi_slot slot)
{
    return ((wagi_object *)(uintptr_t)slot)->unit;
}

/* Operations with bounds that both the public API and the tiers use. All owner thread, no checks of the agent. */

/* The old size in pages, or UINT64_MAX when it cannot grow (maximum, limit, system). */
uint64_t wagi_memory_grow(wag_memory *memory, uint64_t delta_pages);
/* The old size, or UINT64_MAX. New entries are init. */
uint64_t wagi_table_grow(wag_table *table, uint64_t delta, wagi_slot init);
/* Each returns WAG_OK, WAG_MEMORY_BOUNDS or WAG_TABLE_BOUNDS, checked before anything is written. */
wag_err wagi_memory_fill(wag_memory *memory, uint64_t offset, uint8_t value, uint64_t size);
wag_err wagi_memory_copy(wag_memory *destination, uint64_t to, wag_memory *source, uint64_t from, uint64_t size);
wag_err wagi_memory_init(wag_memory *memory, uint64_t to, const wagi_data_instance *data, uint64_t from, uint64_t size);
wag_err wagi_table_fill(wag_table *table, uint64_t offset, wagi_slot value, uint64_t count);
wag_err wagi_table_copy(wag_table *destination, uint64_t to, wag_table *source, uint64_t from, uint64_t count);
wag_err wagi_table_init(wag_table *table, uint64_t to, const wagi_elem_instance *elem, uint64_t from, uint64_t count);
void wagi_elem_drop(wagi_elem_instance *elem);
void wagi_data_drop(wagi_data_instance *data);

#endif

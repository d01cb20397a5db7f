/* The heap of structs, arrays and exceptions: one per agent, no lock, nothing moves.
 *
 * References. A reference slot is 0 (null), an i31 (its low bit is 1, the value is in bits 1..31), or the address of a
 * word that tells with one load what it is: its low bit is 1 for a heap object (below) and 0 for a store object, which
 * begins with the pointer to its unit (object.h). any.convert_extern and extern.convert_any change nothing: a host
 * reference in the any hierarchy is still a wag_extern, a structure in the extern hierarchy still a structure.
 *
 * Objects. The first word is the object's wagi_type with two flags in its low bits: 1 (a heap object) and its colour.
 *   struct     fields at wagi_type.layout
 *   array      32-bit length at 8, elements from 16 on
 *   exception  the tag at 8, its arguments as slots from 16 on; its type is the tag's function type
 * While the heap has objects of a type it holds the type's group.
 *
 * Memory. Small objects: blocks of 64 KiB, aligned, each cut into cells of one size class; a free cell's first word is
 * the next free cell, so its low bit is 0. Large ones: a block of the allocator each.
 *
 * Collection: mark and sweep, both in steps that allocation pays for (collect.c marks, heap.c sweeps). An object's
 * colour is live or dead by comparison with gc.head_bits, which flips when a mark begins: then everything is unmarked
 * at once. New objects always have the present colour. Marking is by snapshot: what could be reached when it began
 * survives. So, while gc.marking is set, a reference that is overwritten in an object, table, global or segment must be
 * shaded first (wagi_gc_shade); stacks need nothing. Sweeping is lazy, and is over before the next mark begins.
 *
 * Safepoints: only wagi_gc_alloc collects, and what its caller works with must be in the interpreter's stack below
 * agent->stack_top, in native frames and registers (both are scanned conservatively, by the address of the object, not
 * of its inside), or held by a handle.
 */
#ifndef WAGI_RUNTIME_HEAP_H
#define WAGI_RUNTIME_HEAP_H

#include <string.h>

#include "base/alloc.h"
#include "ops/access.h"
#include "runtime/object.h"

enum {
    WAGI_GC_CLASSES = 36,
    WAGI_GC_SMALL = 8192, /* the largest object in a block, in bytes */
    WAGI_GC_GRANULE = 16, /* sizes of cells are multiples, cells are aligned to it */
    WAGI_GC_KNOWN = 128,  /* entries of the cache of held types */
    WAGI_GC_TAG = 1,      /* in the first word: a heap object */
    WAGI_GC_COLOUR = 2,   /* in the first word: compared with head_bits */
    WAGI_GC_HEAD_MASK = 7,
};

/* Any heap object. */
typedef struct wagi_gc_object {
    uintptr_t head;
} wagi_gc_object;
typedef struct wagi_gc_array {
    wagi_gc_object object;
    uint32_t length;
} wagi_gc_array;
typedef struct wagi_gc_exception {
    wagi_gc_object object;
    wag_tag *tag;
    wagi_slot args[]; /* two words for v128 */
} wagi_gc_exception;

_Static_assert(sizeof(wagi_slot) >= sizeof(void *), "a slot holds a pointer");

typedef struct wagi_gc_cell {
    struct wagi_gc_cell *next;
} wagi_gc_cell;

/* A type with objects in the heap; holds the type's group. */
typedef struct wagi_gc_type {
    const wagi_type *type;
    bool seen; /* by the mark that is under way */
} wagi_gc_type;

/* A mapping that blocks are cut from. */
typedef struct wagi_gc_region {
    struct wagi_gc_block *first; /* aligned to its size */
    void *mapping;
} wagi_gc_region;

/* Marking that is left to do: elements of an object from `next` on. */
typedef struct wagi_gc_grey {
    wagi_gc_object *object;
    uint32_t next;
} wagi_gc_grey;

/* Blocks and large objects that count together. All objects of an agent are in gc.common, unless the cluster limits the
 * heap of single instances (limit instance_heap_bytes): then what an instance makes is in a space of its own. Nothing
 * else depends on the space, so an object may outlive its maker. */
typedef struct wagi_gc_space {
    wagi_gc_cell *free[WAGI_GC_CLASSES];            /* cells of the class's current block */
    struct wagi_gc_block *current[WAGI_GC_CLASSES]; /* cells come from here */
    struct wagi_gc_block *partial[WAGI_GC_CLASSES]; /* swept, with free cells */
    struct wagi_gc_block *unswept[WAGI_GC_CLASSES];
    uint64_t used, limit;       /* bytes of blocks in use and large objects */
    struct wagi_gc_space *next; /* in gc.spaces */
    bool orphan;                /* its instance is gone: it goes when nothing is in it */
} wagi_gc_space;

typedef struct wagi_gc {
    wagi_gc_space common;
    uintptr_t head_bits;                                   /* the low bits of a live object's first word */
    const wagi_type *known[WAGI_GC_KNOWN];                 /* by id: types that are held, and seen */
    uint8_t class_of[WAGI_GC_SMALL / WAGI_GC_GRANULE + 1]; /* by granules */
    uint16_t cell_size[WAGI_GC_CLASSES];
    bool ready;        /* the tables are filled */
    bool per_instance; /* each instance has a space: allocation takes the slow way, which knows it */
    bool marking;      /* overwritten references must be shaded */
    bool stress;       /* a whole collection at every allocation; free cells are overwritten */

    /* blocks (heap.c) */
    wagi_gc_space *spaces;                   /* of instances */
    struct wagi_gc_block *pool;              /* empty */
    WAGI_VEC(wagi_gc_region) regions;        /* by address */
    WAGI_VEC(struct wagi_gc_large *) larges; /* by address when a mark begins */
    size_t large_swept;                      /* larges from here on are not swept yet */
    size_t block_count, pool_count;          /* in use; empty */
    WAGI_VEC(wagi_gc_type) types;            /* by id */
    bool sweeping;

    /* accounting, in bytes */
    uint64_t used;   /* blocks in use and large objects */
    uint64_t debt;   /* handed out since the last mark began */
    uint64_t unpaid; /* handed out since the last step of the collector */
    uint64_t live;   /* marked by the last collection */

    /* marking (collect.c) */
    WAGI_VEC(wagi_gc_grey) grey;
    bool grey_lost; /* an object could not be pushed: marked objects must be looked at again */
    wagi_unit *grey_units;
    uint64_t marked; /* bytes, so far */
    uint64_t collections;

    struct wagi_proxies *proxies; /* proxy.c */
} wagi_gc;

/* ---- what a reference is ---- */

static inline bool wagi_is_i31(wagi_slot slot)
{
    return slot & 1;
}
static inline wagi_slot wagi_i31_of(uint32_t value)
{
    return (uint32_t)(value << 1) | 1u;
}
static inline uint32_t wagi_i31_u(wagi_slot slot)
{
    return (uint32_t)slot >> 1;
}
static inline uint32_t wagi_i31_s(wagi_slot slot)
{
    return (uint32_t)((int32_t)(uint32_t)slot >> 1);
}
/* The object of a slot that is not null, or NULL for an i31 and for a store object. */
static inline wagi_gc_object *wagi_slot_object(wagi_slot slot)
{
    uintptr_t head;
    if (wagi_is_i31(slot))
        return NULL;
    memcpy(&head, (const void *)(uintptr_t)slot, sizeof head); /* a pointer or a word: its low bit decides */
    return head & WAGI_GC_TAG ? (wagi_gc_object *)(uintptr_t)slot : NULL;
}
static inline const wagi_type *wagi_gc_type_of(const wagi_gc_object *object)
{
    return (const wagi_type *)(object->head & ~(uintptr_t)WAGI_GC_HEAD_MASK);
}
/* The defined type of what a slot that is not null refers to; NULL for an i31 or a host reference. */
static inline const wagi_type *wagi_slot_type(wagi_slot slot)
{
    const wagi_gc_object *object = wagi_slot_object(slot);
    if (object)
        return wagi_gc_type_of(object);
    if (wagi_is_i31(slot) || ((const wagi_object *)(uintptr_t)slot)->kind != WAGI_OBJECT_FUNC)
        return NULL;
    return ((const wag_func *)(uintptr_t)slot)->type;
}
/* ref.test for a slot that is not null, of the hierarchy of the heap type. */
static inline bool wagi_slot_is_type(wagi_slot slot, const wagi_type *type)
{
    const wagi_type *given = wagi_slot_type(slot);
    return given && wagi_type_is_sub(given, type);
}
/* Inlined whatever the compiler thinks of it: the interpreter's loop calls nothing (interp/frame.h). */
#if defined(__GNUC__)
#define WAGI_ALWAYS_INLINE inline __attribute__((always_inline))
#else
#define WAGI_ALWAYS_INLINE inline
#endif
static WAGI_ALWAYS_INLINE bool wagi_slot_is_heap(wagi_slot slot, wagi_heap heap)
{
    const wagi_gc_object *object;
    switch (heap) {
    case WAGI_HEAP_EQ:
        return wagi_is_i31(slot) || wagi_slot_object(slot);
    case WAGI_HEAP_I31:
        return wagi_is_i31(slot);
    case WAGI_HEAP_STRUCT:
        return (object = wagi_slot_object(slot)) != NULL && wagi_gc_type_of(object)->comp == WAGI_COMP_STRUCT;
    case WAGI_HEAP_ARRAY:
        return (object = wagi_slot_object(slot)) != NULL && wagi_gc_type_of(object)->comp == WAGI_COMP_ARRAY;
    case WAGI_HEAP_NONE:
    case WAGI_HEAP_NOFUNC:
    case WAGI_HEAP_NOEXTERN:
    case WAGI_HEAP_NOEXN:
    case WAGI_HEAP_BOT:
        return false;
    default:
        return true;
    }
}

/* ---- fields ---- */

/* Read and write a field or element. kind: wagi_valtype_kind of its storage; not V128. Packed ones are zero-extended.
 */
static inline wagi_slot wagi_gc_load(const uint8_t *at, unsigned kind)
{
    switch (kind) {
    case WAGI_KIND_I8:
        return *at;
    case WAGI_KIND_I16:
        return access_load16(at);
    case WAGI_KIND_I32:
    case WAGI_KIND_F32:
        return access_load32(at);
    case WAGI_KIND_REF: { /* as it is in memory: the collector reads it as a slot */
        wagi_slot slot;
        memcpy(&slot, at, sizeof slot);
        return slot;
    }
    default:
        return access_load64(at);
    }
}
static inline void wagi_gc_store(uint8_t *at, unsigned kind, wagi_slot value)
{
    switch (kind) {
    case WAGI_KIND_I8:
        *at = (uint8_t)value;
        break;
    case WAGI_KIND_I16:
        access_store16(at, (uint16_t)value);
        break;
    case WAGI_KIND_I32:
    case WAGI_KIND_F32:
        access_store32(at, (uint32_t)value);
        break;
    case WAGI_KIND_REF:
        memcpy(at, &value, sizeof value);
        break;
    default:
        access_store64(at, value);
    }
}
/* The same for any kind, from consecutive slots; returns behind the last one that it reads (two for v128). */
static inline const wagi_slot *wagi_gc_put(uint8_t *at, unsigned kind, const wagi_slot *value)
{
    if (kind == WAGI_KIND_V128) {
        memcpy(at, value, 2 * sizeof *value);
        return value + 2;
    }
    wagi_gc_store(at, kind, *value);
    return value + 1;
}
static inline uint8_t *wagi_gc_at(wagi_gc_object *object, size_t offset)
{
    return (uint8_t *)object + offset;
}
static inline uint8_t *wagi_gc_element(wagi_gc_array *array, const wagi_type *type, uint64_t index)
{
    return (uint8_t *)array + WAGI_ARRAY_HEADER + (size_t)index * type->element_size;
}

/* ---- allocation ---- */

/* The size class of a small object, a function of its size alone (wagi_gc.class_of is its table). Steps of 16 up to
 * 128, then four to each doubling. */
static inline unsigned wagi_gc_class_of(uint32_t size)
{
    unsigned granules = (size + WAGI_GC_GRANULE - 1) / WAGI_GC_GRANULE;
    if (granules <= 8)
        return granules ? granules - 1 : 0;
    unsigned log2 = 31u - (unsigned)__builtin_clz(granules - 1), step = 1u << (log2 - 2);
    return 8 + (log2 - 3) * 4 + (granules - 1 - (1u << log2)) / step;
}

/* The way out of wagi_gc_alloc and of compiled code. NULL when a limit of the heap is reached or memory is out. */
wagi_gc_object *wagi_gc_alloc_slow(wag_instance *maker, const wagi_type *type, uint64_t size);
/* The same without collecting and for the host: anywhere, not only at safepoints. The agent's limit still holds. */
wagi_gc_object *wagi_gc_alloc_quiet(wag_agent *agent, const wagi_type *type, uint64_t size);
/* The instance ends: what it made counts for nobody's limit but the agent's. */
void wagi_gc_leave(wag_instance *instance);

/* An object with its first word; the rest is garbage that the caller fills before anything else is allocated. A
 * safepoint. size: of the whole object. The type must be held by somebody. gc: of the maker's agent. */
static inline wagi_gc_object *wagi_gc_alloc(wag_instance *maker, wagi_gc *gc, const wagi_type *type, uint64_t size)
{
    if (size <= WAGI_GC_SMALL && gc->known[type->id % WAGI_GC_KNOWN] == type) {
        unsigned size_class = gc->class_of[(size + WAGI_GC_GRANULE - 1) / WAGI_GC_GRANULE];
        wagi_gc_cell *cell = gc->common.free[size_class];
        if (cell) {
            gc->common.free[size_class] = cell->next;
            wagi_gc_object *object = (wagi_gc_object *)(void *)cell;
            object->head = (uintptr_t)type | gc->head_bits;
            return object;
        }
    }
    return wagi_gc_alloc_slow(maker, type, size);
}

/* ---- what the tiers call (heap_ops.c). Each returns WAG_OK or a trap; those that allocate are safepoints. ---- */

/* fields: a slot each, two for v128, or NULL for the defaults. */
wag_err wagi_struct_new(wag_instance *maker, const wagi_type *type, const wagi_slot *fields, wagi_slot *ret_slot);
/* All elements are *fill (two slots for v128; NULL: the default). fill points into the interpreter's stack when it is a
 * reference. */
wag_err wagi_array_new(wag_instance *maker, const wagi_type *type, uint32_t length, const wagi_slot *fill,
                       wagi_slot *ret_slot);
/* elements: a slot each, two for v128. */
wag_err wagi_array_new_fixed(wag_instance *maker, const wagi_type *type, uint32_t length, const wagi_slot *elements,
                             wagi_slot *ret_slot);
wag_err wagi_array_new_data(wag_instance *maker, const wagi_type *type, const wagi_data_instance *data, uint32_t from,
                            uint32_t length, wagi_slot *ret_slot);
wag_err wagi_array_new_elem(wag_instance *maker, const wagi_type *type, const wagi_elem_instance *elem, uint32_t from,
                            uint32_t length, wagi_slot *ret_slot);
wag_err wagi_array_fill(wag_agent *agent, wagi_slot array, uint32_t at, wagi_slot value, uint32_t count);
/* The same with the address of the value: two slots for v128. */
wag_err wagi_array_fill_from(wag_agent *agent, wagi_slot array, uint32_t at, const wagi_slot *value, uint32_t count);
wag_err wagi_array_copy(wag_agent *agent, wagi_slot to, uint32_t to_at, wagi_slot from, uint32_t from_at,
                        uint32_t count);
wag_err wagi_array_init_data(wag_agent *agent, wagi_slot array, uint32_t at, const wagi_data_instance *data,
                             uint32_t from, uint32_t count);
wag_err wagi_array_init_elem(wag_agent *agent, wagi_slot array, uint32_t at, const wagi_elem_instance *elem,
                             uint32_t from, uint32_t count);

/* ---- marking ---- */

/* Make sure that what a slot refers to survives the mark that is under way. Only while gc.marking. */
void wagi_gc_shade(wag_agent *agent, wagi_slot slot);
void wagi_gc_shade_all(wag_agent *agent, const wagi_slot *slots, uint64_t count);

/* ---- for the collector and tests ---- */

/* The object that begins at a word's address, NULL when none does. larges must be sorted. */
wagi_gc_object *wagi_gc_find(const wagi_gc *gc, wagi_slot word);
void wagi_gc_sort_larges(wagi_gc *gc);
size_t wagi_gc_object_size(const wagi_gc_object *object);
/* Hold a type and note that it has objects. False without memory. */
bool wagi_gc_hold_type(wagi_gc *gc, const wagi_type *type);
/* Before the first object is marked: everything must be swept. Flips the colour. */
void wagi_gc_begin_mark(wag_agent *agent);
/* Marking is over: everything that has not the present colour may be reused, types without objects are let go. */
void wagi_gc_begin_sweep(wag_agent *agent);
/* Sweep blocks until about this many bytes have been looked at; true when all is swept. */
bool wagi_gc_sweep(wagi_gc *gc, uint64_t bytes);
/* Visit every object that is not known to be dead. */
void wagi_gc_each(wagi_gc *gc, void (*visit)(wagi_gc_object *object, void *context), void *context);
/* Free everything. */
void wagi_gc_free_all(wag_agent *agent);
/* Walk the heap and check what must always hold. False when something does not. For tests. */
bool wagi_gc_check(wag_agent *agent);
/* Stress switch for tests: collect at every allocation of a tier, overwrite what is freed. */
void wagi_gc_stress(wag_agent *agent, bool on);

#endif

/* Types of WebAssembly 3.0 in canonical form.
 *
 * A value type is one word; two value types are equal exactly when the words are. Where a type index occurs in the
 * binary format, the word holds the canonical id that the cluster's registry gave to the defined type, so comparing
 * types of two modules is one compare as well (spec: "Type canonicalisation", rolled-up recursion groups).
 */
#ifndef WAGI_BINARY_TYPES_H
#define WAGI_BINARY_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"
#include "waggle/value.h"

/* Value type word: bits 0..3 kind; for references bit 4 nullable, bit 5 concrete, bits 8..31 heap type (an abstract
 * wagi_heap, or the canonical id of a defined type). Packed storage types of fields use the kinds I8 and I16. */
typedef uint32_t wagi_valtype;

enum {
    WAGI_KIND_I32,
    WAGI_KIND_I64,
    WAGI_KIND_F32,
    WAGI_KIND_F64,
    WAGI_KIND_V128,
    WAGI_KIND_REF,
    WAGI_KIND_I8,  /* storage types only */
    WAGI_KIND_I16, /* storage types only */
    WAGI_KIND_BOT, /* the validator's unknown type */
    WAGI_KIND_NONE /* no type at all */
};

/* Abstract heap types. SHARED-ness of the shared-everything proposal is not represented. */
typedef enum wagi_heap {
    WAGI_HEAP_FUNC,
    WAGI_HEAP_NOFUNC,
    WAGI_HEAP_EXTERN,
    WAGI_HEAP_NOEXTERN,
    WAGI_HEAP_ANY,
    WAGI_HEAP_EQ,
    WAGI_HEAP_I31,
    WAGI_HEAP_STRUCT,
    WAGI_HEAP_ARRAY,
    WAGI_HEAP_NONE,
    WAGI_HEAP_EXN,
    WAGI_HEAP_NOEXN,
    WAGI_HEAP_BOT, /* the validator's: below everything */
} wagi_heap;

#define WAGI_NULLABLE 0x10u
#define WAGI_CONCRETE 0x20u
#define WAGI_REF_ABSTRACT(nullable, heap)                                                                              \
    ((wagi_valtype)(WAGI_KIND_REF | ((nullable) ? WAGI_NULLABLE : 0u) | ((uint32_t)(heap) << 8)))
#define WAGI_REF_CONCRETE(nullable, canonical_id)                                                                      \
    ((wagi_valtype)(WAGI_KIND_REF | WAGI_CONCRETE | ((nullable) ? WAGI_NULLABLE : 0u) |                                \
                    ((uint32_t)(canonical_id) << 8)))
#define WAGI_I32 ((wagi_valtype)WAGI_KIND_I32)
#define WAGI_I64 ((wagi_valtype)WAGI_KIND_I64)
#define WAGI_F32 ((wagi_valtype)WAGI_KIND_F32)
#define WAGI_F64 ((wagi_valtype)WAGI_KIND_F64)
#define WAGI_V128 ((wagi_valtype)WAGI_KIND_V128)
#define WAGI_FUNCREF WAGI_REF_ABSTRACT(true, WAGI_HEAP_FUNC)
#define WAGI_EXTERNREF WAGI_REF_ABSTRACT(true, WAGI_HEAP_EXTERN)
#define WAGI_EXNREF WAGI_REF_ABSTRACT(true, WAGI_HEAP_EXN)

static inline uint32_t wagi_valtype_kind(wagi_valtype type)
{
    return type & 15u;
}
static inline bool wagi_is_ref(wagi_valtype type)
{
    return (type & 15u) == WAGI_KIND_REF;
}
static inline bool wagi_is_nullable(wagi_valtype type)
{
    return (type & WAGI_NULLABLE) != 0;
}
static inline bool wagi_is_concrete(wagi_valtype type)
{
    return (type & WAGI_CONCRETE) != 0;
}
/* The canonical id of a concrete reference, the wagi_heap of an abstract one. */
static inline uint32_t wagi_heap_of(wagi_valtype type)
{
    return type >> 8;
}
/* True for every type with a default value: numbers, vectors, nullable references. */
static inline bool wagi_is_defaultable(wagi_valtype type)
{
    return !wagi_is_ref(type) || wagi_is_nullable(type);
}

typedef struct wagi_field {
    wagi_valtype storage; /* WAGI_KIND_I8 / I16 for packed fields */
    bool is_mutable;
} wagi_field;

typedef enum wagi_comp_kind { WAGI_COMP_FUNC, WAGI_COMP_STRUCT, WAGI_COMP_ARRAY } wagi_comp_kind;

/* A defined type, canonical: exactly one object per type and cluster. Immutable; lives as long as a reference to its
 * recursion group is held (a module holds one for each group it mentions, a host function for its type's). */
typedef struct wagi_type {
    uint32_t id;         /* canonical id */
    uint32_t group_size; /* types in its recursion group */
    struct wagi_rec_group *group;
    wagi_comp_kind comp;
    bool is_final;
    uint32_t depth;          /* 0 without supertype */
    const uint32_t *display; /* depth + 1 canonical ids, root first, itself last: sub <: super is one compare */
    uint32_t param_count, result_count; /* func */
    const wagi_valtype *params, *results;
    uint32_t field_count; /* struct; array has 1 */
    const wagi_field *fields;
    /* How the objects of a struct or array type lie in memory (runtime/heap.h), fixed here so that a field's place is
     * one look-up. A subtype's objects begin as its supertype's do. */
    const uint32_t *layout;      /* each field: offset << WAGI_LAYOUT_KIND_BITS | kind; an array's: that of element 0 */
    const uint32_t *ref_offsets; /* struct: the offsets of its reference fields */
    uint32_t ref_count;          /* array: 1 when its elements are references */
    uint32_t size;               /* bytes of a struct; bytes of an array without elements */
    uint32_t element_size;       /* array */
} wagi_type;

enum {
    WAGI_LAYOUT_KIND_BITS = 4,
    WAGI_STRUCT_HEADER = 8, /* bytes before the first field */
    WAGI_ARRAY_HEADER = 16, /* bytes before the first element */
};

/* The registry: one per cluster, shared by all threads. Look-up by id takes no lock. */
typedef struct wagi_registry wagi_registry;

wagi_registry *wagi_registry_new(const wagi_limits *limits);
wagi_registry *wagi_registry_ref(wagi_registry *registry);
void wagi_registry_unref(wagi_registry *registry);

/* Lower the number of types that may be alive at once. Types that exist stay. Any thread. */
void wagi_registry_set_limit(wagi_registry *registry, uint64_t canonical_types);

/* A recursion group as decoded: inside it, WAGI_REF_CONCRETE of WAGI_REC_LOCAL + i means the i-th type of the group;
 * all other concrete references are canonical ids already. supertype: WAGI_NO_TYPE, a canonical id, or WAGI_REC_LOCAL +
 * i. */
#define WAGI_REC_LOCAL 0x00800000u
#define WAGI_NO_TYPE UINT32_MAX
typedef struct wagi_type_def {
    wagi_comp_kind comp;
    bool is_final;
    uint32_t supertype;
    uint32_t param_count, result_count, field_count;
    const wagi_valtype *params, *results; /* borrow: copied */
    const wagi_field *fields;             /* borrow: copied */
} wagi_type_def;

/* Find or make the canonical types of a group. Takes one reference to the group. ret_types: count pointers, valid while
 * the reference is held. Any thread. Fails with WAG_NOMEM, WAG_LIMIT (canonical_types). Supertypes must have been
 * checked to exist; whether they match is the validator's business. */
wag_err wagi_registry_intern(wagi_registry *registry, const wagi_type_def *defs, uint32_t count,
                             const wagi_type **ret_types);
/* A function type on its own: a group of one final type without supertype. */
wag_err wagi_registry_func(wagi_registry *registry, const wagi_valtype *params, uint32_t param_count,
                           const wagi_valtype *results, uint32_t result_count, const wagi_type **ret_type);
void wagi_type_group_ref(const wagi_type *type);
/* Give back one reference to the type's group. Any thread. NULL is a no-op. */
void wagi_type_group_unref(wagi_registry *registry, const wagi_type *type);
/* The type of an id. The caller holds a reference to its group. Any thread, no lock. */
const wagi_type *wagi_registry_type(const wagi_registry *registry, uint32_t id);
/* Groups alive, for leak tests. */
size_t wagi_registry_group_count(wagi_registry *registry);

/* sub <: super for defined types: equal, or super is in sub's display. */
static inline bool wagi_type_is_sub(const wagi_type *sub, const wagi_type *super)
{
    return sub == super || (sub->depth > super->depth && sub->display[super->depth] == super->id);
}
bool wagi_heap_is_sub(const wagi_registry *registry, wagi_valtype sub, wagi_valtype super); /* heap types only */
/* Value subtyping (spec: "Matching"). BOT is below everything. */
bool wagi_valtype_is_sub(const wagi_registry *registry, wagi_valtype sub, wagi_valtype super);
/* The abstract top of a reference's hierarchy: FUNC, EXTERN, ANY or EXN. */
wagi_heap wagi_heap_top(const wagi_registry *registry, wagi_valtype type);
/* The kind in which a value of this type travels in the public API. */
wag_val_kind wagi_val_kind_of(const wagi_registry *registry, wagi_valtype type);

/* Table and memory types. */
typedef struct wagi_limits_type {
    uint64_t minimum, maximum; /* maximum UINT64_MAX when has_maximum is false */
    bool has_maximum, is_64, is_shared;
} wagi_limits_type;
typedef struct wagi_table_type {
    wagi_valtype element;
    wagi_limits_type limits;
} wagi_table_type;
typedef struct wagi_memory_type {
    wagi_limits_type limits;
    uint8_t page_size_log2; /* 16; 0 with custom page sizes */
} wagi_memory_type;
typedef struct wagi_global_type {
    wagi_valtype content;
    bool is_mutable;
} wagi_global_type;

/* What a reference to a defined type is called in a text: by the index that it has in a module, (ref null $3), or,
 * where there are no types, by its structure, (ref null (struct (field i32))). That structure is written one level deep
 * and with few fields; "..." stands for the rest. Whoever has a type at hand holds what it mentions. */
typedef struct wagi_type_scope {
    const wagi_registry *registry;
    const wagi_type *const *types; /* a module's; NULL: none */
    uint32_t type_count;
} wagi_type_scope;
#define WAGI_BY_STRUCTURE(of_registry) (&(wagi_type_scope){.registry = (of_registry)})

/* Text format of types, for messages. Each writes at most size bytes, always terminates, and returns what strlen of the
 * whole would be (as snprintf); what is cut off ends with "...". */
size_t wagi_valtype_text(const wagi_type_scope *scope, wagi_valtype type, char *buffer, size_t size);
/* (func (param i32) (result i32)) */
size_t wagi_func_type_text(const wagi_type_scope *scope, const wagi_type *type, char *buffer, size_t size);
/* (tag (param i32)) */
size_t wagi_tag_type_text(const wagi_type_scope *scope, const wagi_type *type, char *buffer, size_t size);
/* (table 1 2 funcref) */
size_t wagi_table_type_text(const wagi_type_scope *scope, wagi_table_type type, char *buffer, size_t size);
/* (memory i64 1 2 shared) */
size_t wagi_memory_type_text(wagi_memory_type type, char *buffer, size_t size);
/* (global (mut i32)) */
size_t wagi_global_type_text(const wagi_type_scope *scope, wagi_global_type type, char *buffer, size_t size);

#endif

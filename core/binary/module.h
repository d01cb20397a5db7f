/* The decoded module: the seam between decoder, validator, tiers and runtime. Everything here is immutable once the
 * module is sealed; all of it, side tables included, lives in the module's arena, whose pages are read-only from then
 * on.
 */
#ifndef WAGI_BINARY_MODULE_H
#define WAGI_BINARY_MODULE_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/parallel.h"
#include "binary/types.h"
#include "waggle/module.h"

/* Features, as bits of wagi_module_data.features. The last column of op.def names one. */
typedef enum wagi_feature {
#define FEATURE(name, text) WAGI_FEATURE_##name,
#include "binary/feature.def"
#undef FEATURE
    WAGI_FEATURE_COUNT
} wagi_feature;
const char *wagi_feature_text(wagi_feature feature);

typedef struct wagi_import {
    wag_name module, name;
    wag_extern_kind kind;
    uint32_t index; /* in the index space of its kind */
} wagi_import;

typedef struct wagi_export {
    wag_name name;
    wag_extern_kind kind;
    uint32_t index;
} wagi_export;

/* A constant expression. The common one-instruction forms are recognised; EXPR runs on the tier's evaluator. */
typedef enum wagi_const_kind {
    WAGI_CONST_NUMBER, /* bits[0] (v128: bits[0..1]) */
    WAGI_CONST_REF_NULL,
    WAGI_CONST_REF_FUNC,   /* index */
    WAGI_CONST_GLOBAL_GET, /* index */
    WAGI_CONST_EXPR,       /* body */
} wagi_const_kind;
typedef struct wagi_const_expr {
    wagi_const_kind kind;
    wagi_valtype type; /* of the value it leaves */
    uint32_t index;
    uint64_t bits[2];
    const struct wagi_func_body *body; /* EXPR: code is the expression including its `end`; no params, one result */
    size_t offset;
} wagi_const_expr;

/* One entry of the side table: what a branch does that its bytes do not say. A function's table is walked in step with
 * its code by a pointer stp. Heights and counts are in values (one slot each, v128 too).
 *
 * Who consumes entries, in code order (ip is the address of the opcode's first byte, stp points at the entry):
 *   br, br_if, br_on_null, br_on_non_null, br_on_cast, br_on_cast_fail   one entry; not taken: stp += 1
 *   if         one entry, taken when the condition is 0: to the first instruction after `else`, or after `end`;
 *              condition not 0: stp += 1
 *   else       one entry, always taken when reached from above: to after the matching `end`
 *   br_table   one entry for each label and one for the default: entry i is stp + i
 *   try_table  one entry for each catch clause, looked up when an exception arrives; entered normally: stp += count
 *   all others none (return and end of function use the function's type)
 * Taken: ip += ip_delta; the top `keep` values stay and the `drop` values below them go; stp += stp_delta, counted from
 * the entry itself. A branch to a `loop` lands on the `loop` opcode itself, so that it can poll for interrupts; a
 * branch to block/if/try_table lands after the matching `end`; a branch to the function's own label lands on the final
 * `end`. Code that cannot be reached has entries too, so that the counts agree. */
typedef struct wagi_side_entry {
    int32_t ip_delta;
    int32_t stp_delta;
    uint32_t keep;
    uint32_t drop;
} wagi_side_entry;

/* One try_table of a function. The regions are in the order of their try_table opcodes, so the innermost one around an
 * instruction is the last whose range holds it. Offsets count from wagi_func_body.code. When an exception arrives: cut
 * the operand stack to `height`, push the values of the clause that matches (its side entry's `keep` of them, the
 * exception reference last), then take the clause's side entry with ip at the try_table's opcode. */
typedef struct wagi_try_region {
    uint32_t ip;         /* of the try_table opcode */
    uint32_t begin, end; /* the body: its first instruction, and its `end` (not in the range) */
    uint32_t catches;    /* of the first catch clause's bytes */
    uint32_t count;      /* catch clauses */
    uint32_t side;       /* index of the first clause's side entry */
    uint32_t height;     /* values on the operand stack below the try_table's parameters */
} wagi_try_region;

/* The kinds of catch clauses, as they are written. */
typedef enum wagi_catch_kind { WAGI_CATCH, WAGI_CATCH_REF, WAGI_CATCH_ALL, WAGI_CATCH_ALL_REF } wagi_catch_kind;

/* Declared locals of one type. They are kept run by run: two bytes can declare 50,000 locals, and what a module takes
 * must be linear in its bytes. */
typedef struct wagi_local_run {
    uint32_t end; /* index of the local behind the run; the run begins where the one before ends */
    wagi_valtype type;
} wagi_local_run;

/* A short way into a wasm function of numbers alone, instead of wagi_call_vals, which says what it has to do. It gives
 * what that gives, or WAGI_ENTER_FAILED: agent->trap_error says why; host_depth and the unit's handle are still to be
 * given back. */
typedef int wagi_enter(wag_func *func, const wag_val *args, size_t arg_count, wag_val *results, size_t result_count,
                       wag_error **reterr_error);
#define WAGI_ENTER_FAILED (-1) /* no wag_err */
#define WAGI_ENTER_VALS 64     /* most parameters and results of such a function, together */

typedef struct wagi_func_body {
    const uint8_t *code; /* first instruction, behind the local declarations */
    const uint8_t *end;  /* one past the final `end` */
    const wagi_side_entry *side;
    uint32_t side_count;
    uint32_t try_count;
    const wagi_try_region *tries; /* NULL without try_table */
    uint32_t func_index;          /* in the function index space */
    uint32_t last_callee;         /* the highest index that a call in it names, or 0 */
    const wagi_type *type;
    uint32_t param_count, result_count;
    uint32_t local_count; /* parameters included */
    uint32_t max_height;  /* most values on the operand stack at once, locals not counted */
    uint32_t local_run_count;
    const wagi_local_run *local_runs; /* the declared locals, in order; parameters are in `type` */
    /* local_count + max_height; UINT32_MAX when uses_v128, so that one test with the room on a stack finds both. */
    uint32_t scalar_slots;
    bool uses_v128;    /* a local, operand or block type is v128 */
    wagi_enter *enter; /* the tier's short way in, or NULL; set when the module is compiled */
} wagi_func_body;

typedef struct wagi_global_def {
    wagi_global_type type;
    wagi_const_expr init; /* own globals only */
} wagi_global_def;

typedef struct wagi_table_def {
    wagi_table_type type;
    bool has_init;
    wagi_const_expr init;
} wagi_table_def;

typedef enum wagi_segment_mode { WAGI_SEGMENT_ACTIVE, WAGI_SEGMENT_PASSIVE, WAGI_SEGMENT_DECLARED } wagi_segment_mode;

typedef struct wagi_elem_segment {
    wagi_segment_mode mode;
    wagi_valtype type;
    uint32_t table;
    wagi_const_expr offset;
    uint32_t count;
    const uint32_t *funcs;        /* all items are ref.func: their indices; else NULL */
    const wagi_const_expr *items; /* when funcs is NULL */
} wagi_elem_segment;

typedef struct wagi_data_segment {
    wagi_segment_mode mode;
    uint32_t memory;
    wagi_const_expr offset;
    wag_bytes bytes;
} wagi_data_segment;

typedef struct wagi_custom_section {
    wag_name name;
    wag_bytes bytes;
} wagi_custom_section;

#define WAGI_NO_INDEX UINT32_MAX

/* Index spaces: imports first, as in the specification. */
typedef struct wagi_module_data {
    wag_bytes bytes; /* the module's own copy of its source */

    uint32_t type_count;
    const wagi_type *const *types; /* canonical type of each type index */

    uint32_t import_count, export_count;
    const wagi_import *imports;
    const wagi_export *exports;
    const uint32_t *export_order; /* export indices sorted by (size, bytes) of the name, for look-up */

    uint32_t func_count, func_import_count;
    const wagi_type *const *func_types;
    const wagi_func_body *bodies; /* func_count - func_import_count */
    /* Functions that can become a reference (exported, in an element segment, ref.func): a dense number each, or
     * WAGI_NO_INDEX. Own functions only; imports have their object already. */
    const uint32_t *func_ref_slot; /* func_count entries */
    uint32_t func_ref_count;

    uint32_t table_count, table_import_count;
    const wagi_table_def *tables;
    uint32_t memory_count, memory_import_count;
    const wagi_memory_type *memories;
    bool has_shared_memory;
    uint32_t global_count, global_import_count;
    const wagi_global_def *globals;
    uint32_t tag_count, tag_import_count;
    const wagi_type *const *tags;

    uint32_t elem_count, data_count;
    const wagi_elem_segment *elems;
    const wagi_data_segment *datas;
    uint32_t start; /* function index, or WAGI_NO_INDEX */

    uint32_t custom_count;
    const wagi_custom_section *customs;
    /* Name section, function names: func_count entries, empty when absent; NULL without the section. A malformed name
     * section is ignored, as the specification asks. */
    const wag_name *func_names;

    bool fuel; /* its code charges fuel (binary/fuel.h) */

    uint64_t features;                         /* bits of wagi_feature that the module uses */
    uint32_t feature_func[WAGI_FEATURE_COUNT]; /* a function that uses it, or WAGI_NO_INDEX */
    size_t feature_offset[WAGI_FEATURE_COUNT]; /* where it is first used */
} wagi_module_data;

/* WebAssembly.Module. The head is in the heap (the count must be writable); the data is in the sealed arena. */
struct wag_module {
    atomic_size_t count;
    struct wag_cluster *cluster; /* one reference, taken by wagi_compile; NULL in tests of this layer */
    wagi_registry *registry;     /* the cluster's; one reference */
    wagi_arena arena;
    const wagi_module_data *data;
    const struct wagi_tier *tier; /* how its code runs (runtime/tier.h); NULL until compiled */
    void *tier_data;              /* the tier's own */
    bool guarded;                 /* its code leaves bounds checks of 32-bit memories to guard pages */
    const struct wagi_memory_image
        *images;         /* of its own memories (runtime/image.h), in the arena; NULL until compiled */
    atomic_size_t pools; /* references among `count` that agents keep for themselves (runtime/pool.h) */
};

/* Decode and validate the whole module. bytes: copied first, into the arena. On success the module is unsealed, without
 * tier, count 1. cluster is only written into the module, not counted: this layer does not know clusters.
 * Fails with WAG_MALFORMED, WAG_INVALID, WAG_LIMIT, WAG_NOMEM; the error has the byte offset, and the function index
 * inside bodies. Any thread. */
wag_err wagi_module_decode(wag_bytes bytes, struct wag_cluster *cluster, wagi_registry *registry,
                           const wagi_limits *limits, wag_module **ret_module, wag_error **reterr_error);
/* The same with threads for the bodies (base/parallel.h, NULL: none). The result, an error too, is the same with any
 * number of them. */
wag_err wagi_module_decode_by(wag_bytes bytes, struct wag_cluster *cluster, wagi_registry *registry,
                              const wagi_limits *limits, const wagi_parallel *parallel, wag_module **ret_module,
                              wag_error **reterr_error);
/* Map the module's memory read-only. False when the system refuses. */
bool wagi_module_seal(wag_module *module);
/* An empty module with count 1; cluster is not counted. NULL without memory. */
wag_module *wagi_module_alloc(struct wag_cluster *cluster, wagi_registry *registry);
/* Free the module: types, arena, head. The tier's data and the cluster are the caller's business (wag_module_unref). */
void wagi_module_free(wag_module *module);
size_t wagi_module_live_count(void); /* modules alive in this process */

/* The name of a function for backtraces, empty when unknown. */
wag_name wagi_module_func_name(const wagi_module_data *data, uint32_t func_index);
/* WAGI_NO_INDEX when there is no export of that name. */
uint32_t wagi_module_find_export(const wagi_module_data *data, wag_name name);
/* The type of the local `index`, which one of the runs holds; binary search. */
wagi_valtype wagi_local_run_type(const wagi_local_run *runs, size_t count, uint32_t index);
/* The type of a local below local_count, parameters included. */
wagi_valtype wagi_local_type(const wagi_func_body *body, uint32_t index);
/* All of them: local_count types. */
void wagi_local_types(const wagi_func_body *body, wagi_valtype *ret_types);
static inline const wagi_func_body *wagi_module_body(const wagi_module_data *data, uint32_t func_index)
{
    return &data->bodies[func_index - data->func_import_count];
}

#endif

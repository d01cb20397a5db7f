/* The builder: one decode pass over a validated body makes the IR. This header is shared by build*.c only; the entry is
 * wagi_build.
 *
 * The operand stack is symbolic. An entry is a constant, a reference to a local that has not been read yet, or a
 * temporary:
 *   - a local.set of x first reads the pending references to x into temporaries (they are linked per local)
 *   - before control splits or joins (block, loop, if) all pending references are read
 *   - an entry remembers its defining instruction while that may still be redirected to another destination
 * Code that cannot be reached is skipped without being built.
 */
#ifndef WAGI_COMPILER_BUILD_H
#define WAGI_COMPILER_BUILD_H

#include "binary/op.h"
#include "binary/reader.h"
#include "binary/validate.h"
#include "compiler/machine.h"

typedef enum wagi_entry_kind { WAGI_ENTRY_CONST, WAGI_ENTRY_LOCAL, WAGI_ENTRY_TEMP } wagi_entry_kind;

typedef struct wagi_entry {
    uint8_t kind, type;
    uint32_t vreg; /* CONST: NONE */
    union {
        uint64_t def;  /* TEMP: its instruction, or NONE; LOCAL: 1 + stack index of the next reference to it, or 0 */
        uint64_t bits; /* CONST; V128: index of a constant */
    };
} wagi_entry;
_Static_assert(sizeof(wagi_entry) == 16, "entries are copied all the time");

typedef enum wagi_control_kind {
    WAGI_CTL_FUNC,
    WAGI_CTL_BLOCK,
    WAGI_CTL_LOOP,
    WAGI_CTL_IF,
    WAGI_CTL_ELSE,
    WAGI_CTL_TRY
} wagi_control_kind;

typedef struct wagi_control {
    uint8_t kind;
    bool live;                  /* the end of what has been built can be reached */
    uint32_t label;             /* of a branch to it */
    uint32_t else_label;        /* IF */
    uint32_t not_null_else;     /* IF: a vreg that is not null in its else, or NONE */
    uint32_t loop;              /* LOOP: index */
    uint32_t height;            /* stack below its parameters */
    uint32_t merge;             /* first vreg of results (LOOP: parameters), NONE until needed */
    uint32_t saved;             /* IF with parameters: index in builder.saved */
    uint32_t edge, edge_serial; /* br_table: label of the edge block made by the br_table of this serial */
    uint32_t param_count, result_count;
    const wagi_valtype *params, *results;
    uint32_t handler; /* TRY: 1 + index */
    wagi_valtype one; /* storage of a block type that is a single value type */
} wagi_control;

/* A condition that has been read but not used yet. */
typedef struct wagi_test {
    uint8_t cond; /* wagi_ir_cond */
    uint8_t type, flags;
    uint8_t cast;  /* WAGI_CAST_*: a type test on a, for NE; EQ is the opposite */
    uint32_t a, b; /* vregs; b unused with WAGI_INS_IMM and cast */
    bool is_null;  /* a, which is a reference, against null: EQ or NE */
    int64_t imm;
} wagi_test;

/* A callee that is being inlined: where its caller goes on. */
typedef struct wagi_callee {
    const wagi_func_body *body;
    wagi_reader in;
    uint32_t control;  /* constructs around it */
    uint32_t bindings; /* the caller's bindings_at */
    uint32_t inlined;  /* index in ir->inlined */
    bool branches;     /* there is control flow in it */
} wagi_callee;

/* What the body of a callee says about its locals, one bit each, and whether it is one that can be inlined. */
typedef struct wagi_callee_facts {
    uint32_t function; /* 1 + the index of the one of which this is known */
    uint64_t written, read, read_again;
    bool branches, plain;
} wagi_callee_facts;
#define WAGI_KNOWN_CALLEES 512

typedef struct wagi_builder {
    wagi_ir *ir;
    const wagi_machine *machine;
    const wagi_module_data *data;
    const wagi_func_body *body;
    wagi_reader in;
    uint32_t source; /* module offset of the op at hand */
    bool poll;       /* make POLL at loop heads */
    size_t run_end;  /* module offset: of the run at hand (binary/fuel.h); SIZE_MAX where code charges nothing */

    WAGI_VEC(wagi_entry) stack;
    uint32_t references; /* entries that refer to locals */
    WAGI_VEC(wagi_control) control;
    WAGI_VEC(wagi_entry) saved;
    WAGI_VEC(wagi_callee) callees; /* innermost last */
    WAGI_VEC(wagi_entry) bindings; /* what their locals are: constants, temporaries, locals */
    uint32_t bindings_at;          /* of the innermost one */
    uint32_t growth_left;          /* bytes that may still be inlined */
    uint32_t valid_bodies;         /* own functions whose bodies are there, the first ones; UINT32_MAX unless set */
    uint32_t missing;              /* why the building failed: one that is not, or WAGI_NO_INDEX */
    uint32_t tracked;              /* vregs that pending has entries for: all locals are below */
    WAGI_VEC(uint32_t) pending;    /* per local: 1 + stack index of the topmost reference, or 0 */
    uint32_t block_start;          /* first instruction of the block at hand */
    uint32_t loop;                 /* innermost loop or NONE */
    uint32_t edge_serial;
    uint32_t handler;             /* of the innermost try, 1 + index, or 0 */
    uint32_t epoch;               /* the same as long as no other path has joined */
    WAGI_VEC(uint32_t) not_null;  /* per vreg, as far as it goes: the epoch in which it is known not to be null */
    WAGI_VEC(bool) never_inlined; /* of this module, per function: it is known to be too large, or not plain */
    wagi_callee_facts known_callees[WAGI_KNOWN_CALLEES]; /* of this module; by function index, the latest */
} wagi_builder;

/* Scratch that is reused from function to function. */
void wagi_builder_init(wagi_builder *builder);
void wagi_builder_fini(wagi_builder *builder);
/* Make the IR of a validated body. False: out of memory, a cap, or an op that this compiler has no code for. */
bool wagi_build(wagi_builder *builder, wagi_ir *ir, const wagi_machine *machine, const wagi_module_data *data,
                const wagi_func_body *body, bool poll);
/* ---- build.c: instructions, stack, locals (and build_inline.h) ---- */
wagi_entry *wagi_build_top(wagi_builder *b);
/* Where code charges fuel (binary/fuel.h): ask for some; charge for the run that begins with the next op, if it can be
 * reached. */
void wagi_build_fuel_check(wagi_builder *b);
void wagi_build_fuel_run(wagi_builder *b);
/* The same when the run at hand is over. */
static inline void wagi_build_next_run(wagi_builder *b)
{
    if (wagi_reader_offset(&b->in) >= b->run_end)
        wagi_build_fuel_run(b);
}
wagi_entry wagi_build_load_const(wagi_builder *b, unsigned type, uint64_t bits);
void wagi_build_sync(wagi_builder *b);
void wagi_build_drop_to(wagi_builder *b, uint32_t height);
void wagi_build_place(wagi_builder *b, uint32_t label);
void wagi_build_skip_immediate(wagi_builder *b, wagi_op op);
wagi_op wagi_build_read_op(wagi_builder *b);
/* A block type: a function type, or one result, or (WAGI_KIND_NONE) nothing. */
typedef struct wagi_block_type {
    const wagi_type *type;
    wagi_valtype value;
} wagi_block_type;
wagi_block_type wagi_build_read_block_type(wagi_builder *b);

/* ---- wagi_build_num.c ---- */
/* True when the op is one of its ops. */
bool wagi_build_num(wagi_builder *b, wagi_op op);
/* Top of stack compared with 0, by EQ or NE, then whatever uses the condition (wagi_build_condition). */
void wagi_build_truth(wagi_builder *b, unsigned type, wagi_ir_cond cond);

/* ---- build_control.c ---- */
bool wagi_build_control(wagi_builder *b, wagi_op op);
/* Is the topmost value, a reference, null? Then whatever uses the condition. */
void wagi_build_is_null(wagi_builder *b);
/* Use a condition: in the branch, if or select that follows, else as a value. The test is used up. */
void wagi_build_condition(wagi_builder *b, wagi_test *test);
void wagi_build_return(wagi_builder *b);
void wagi_build_unreachable(wagi_builder *b); /* the rest of the block at hand cannot be reached */
void wagi_build_push_function(wagi_builder *b);
void wagi_build_push_callee(wagi_builder *b, const wagi_func_body *callee);
void wagi_build_refer(wagi_builder *b, uint32_t label); /* the block at hand may go on there */
wagi_control *wagi_build_push_control(wagi_builder *b, wagi_control_kind kind, wagi_block_type type);
void wagi_build_jump(wagi_builder *b, uint32_t depth, bool redirect);
void wagi_build_jump_label(wagi_builder *b, uint32_t label);
void wagi_build_move_to_merge(wagi_builder *b, wagi_control *control, bool redirect);
void wagi_build_push_merges(wagi_builder *b, wagi_control *control); /* what a branch to its end brought */

void wagi_build_branch_to(wagi_builder *b, wagi_test *test, uint32_t depth);

/* ---- build_gc.c ---- */
bool wagi_build_gc(wagi_builder *b, wagi_op op);
/* Trap when the entry is null, unless it is known not to be; afterwards it is known. */
void wagi_build_null_check(wagi_builder *b, wagi_entry *entry, wag_err trap);
void wagi_build_note_not_null(wagi_builder *b, uint32_t vreg); /* NONE is a no-op */
/* The topmost value is of this type. */
void wagi_build_note_type(wagi_builder *b, wagi_valtype type);
/* Local x becomes what the entry is. */
void wagi_build_copy_note(wagi_builder *b, uint32_t x, const wagi_entry *entry);

/* ---- build_exception.c ---- */
bool wagi_build_exception(wagi_builder *b, wagi_op op);
void wagi_build_end_try(wagi_builder *b);

/* ---- build_memory.c, build_call.c ---- */
bool wagi_build_memory(wagi_builder *b, wagi_op op);
bool wagi_build_call(wagi_builder *b, wagi_op op);
void wagi_build_memarg(wagi_builder *b, uint32_t *ret_memory, uint64_t *ret_offset);
/* Pop the address, push what is loaded; pop value and address. */
void wagi_build_load(wagi_builder *b, wagi_access access, unsigned type, uint32_t memory, uint64_t offset);
void wagi_build_store(wagi_builder *b, wagi_access access, unsigned type, uint32_t memory, uint64_t offset);
/* The vreg of an address, or NIL: a constant one goes into the offset. */
uint32_t wagi_build_address_operand(wagi_builder *b, const wagi_entry *address, uint64_t *offset);
void wagi_build_emit_call(wagi_builder *b, wagi_ir_op op, uint32_t call); /* CALL or TAIL_CALL; of ir->calls */
/* A call of a helper: operand_count entries from the stack, then constants. result_type WAGI_TY_COUNT: none. */
void wagi_build_helper(wagi_builder *b, wagi_helper helper, uint32_t operand_count, const uint64_t *constants,
                       uint32_t constant_count, unsigned result_type);

/* ---- build_atomic.c ---- */
bool wagi_build_atomic(wagi_builder *b, wagi_op op);

/* ---- build_wide.c ---- */
bool wagi_build_wide(wagi_builder *b, wagi_op op);

/* ---- build_simd.c ---- */
bool wagi_build_simd(wagi_builder *b, wagi_op op);

/* ---- build_callee.c ---- */
/* Start to inline the function of this index. False: it stays a call. */
bool wagi_build_inline(wagi_builder *b, uint32_t index);
void wagi_build_leave_callee(wagi_builder *b);
/* Forget what is known of callees. False without memory. */
bool wagi_build_begin_module(wagi_builder *b, const wagi_module_data *data);
/* Bytes that inlining may add to a body. */
uint32_t wagi_build_growth(const wagi_module_data *data, const wagi_func_body *body);
/* local.get, and local.set or local.tee, in a callee. The latter is false when the local is the vreg *ret_vreg. */
void wagi_build_callee_get(wagi_builder *b, uint32_t x);
bool wagi_build_callee_set(wagi_builder *b, uint32_t x, bool keep, uint32_t *ret_vreg);

/* ---- fold.c ---- */
/* The value of a pure integer op on constants; false when there is none. */
bool wagi_fold_binary(wagi_ir_op op, unsigned type, uint64_t a, uint64_t b, uint64_t *ret_value);
bool wagi_fold_unary(wagi_ir_op op, unsigned type, uint64_t a, uint64_t *ret_value);
bool wagi_fold_condition(wagi_ir_cond cond, unsigned type, uint64_t a, uint64_t b, bool *ret_value);

#include "compiler/build_inline.h"

#endif

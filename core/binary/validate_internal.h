/* Inside the validator: its state, the operand stack, the labels. Shared by validate*.c only.
 *
 * Protocol: every function that can fail returns false after wagi_v_fail or a sibling has recorded the error; callers
 * return false at once. Only the first error counts. Immediates are read (and the reader checked) before anything is
 * judged about them, so that a body cut short is malformed and not invalid.
 */
#ifndef WAGI_BINARY_VALIDATE_INTERNAL_H
#define WAGI_BINARY_VALIDATE_INTERNAL_H

#include "base/alloc.h"
#include "binary/fail.h"
#include "binary/op.h"
#include "binary/validate.h"

#define WAGI_BOT ((wagi_valtype)WAGI_KIND_BOT)
#define WAGI_NONE ((wagi_valtype)WAGI_KIND_NONE)

typedef enum wagi_v_kind { WAGI_V_FUNC, WAGI_V_BLOCK, WAGI_V_LOOP, WAGI_V_IF, WAGI_V_ELSE, WAGI_V_TRY } wagi_v_kind;

/* A label. One is pushed for each nested block, by hostile code as well: it is kept at 48 bytes. */
typedef struct wagi_v_frame {
    const wagi_type *type; /* block type; NULL: no parameters, and `single` or nothing as result */
    wagi_valtype single;   /* WAGI_NONE: no result */
    uint32_t height;       /* of the operand stack below the parameters */
    uint32_t ip, side;     /* of the opcode: where branches to a loop go */
    uint32_t fixups;       /* side entries that wait for this label's end, linked; WAGI_NO_INDEX ends the chain */
    uint32_t aux;          /* if: its side entry; try_table: its region */
    uint32_t init_mark;    /* height of the log of initialised locals */
    uint32_t br_table;     /* serial number of the last br_table that checked its types against this label */
    uint8_t kind;          /* wagi_v_kind */
    bool unreachable;
} wagi_v_frame;
_Static_assert(sizeof(wagi_v_frame) <= 48, "two bytes of a body make one");

/* A row's signature, parsed at first use. Types are the words of numbers and vectors, which fit a byte. */
enum { WAGI_SIG_UNKNOWN, WAGI_SIG_PLAIN, WAGI_SIG_IMMEDIATE, WAGI_SIG_OWN };
enum { WAGI_SIG_ADDRESS = 0xFE, WAGI_SIG_NOTHING = 0xFF };
typedef struct wagi_v_sig {
    uint8_t state;
    uint8_t in_count;
    uint8_t in[3];
    uint8_t out;
    uint8_t feature;
    uint8_t align_log2;
} wagi_v_sig;

/* What fast() does with an opcode. */
typedef enum wagi_v_way {
    WAGI_WAY_STEP,    /* leave it to step() */
    WAGI_WAY_CONTROL, /* the same; it is one of the frequent ones of wagi_v_control */
    WAGI_WAY_CALL,
    WAGI_WAY_UNARY,  /* one operand, one result */
    WAGI_WAY_BINARY, /* two and one */
    WAGI_WAY_LOAD,
    WAGI_WAY_STORE,
    WAGI_WAY_LOCAL_GET,
    WAGI_WAY_LOCAL_SET,
    WAGI_WAY_LOCAL_TEE,
    WAGI_WAY_GLOBAL_GET,
    WAGI_WAY_DROP,
    WAGI_WAY_SELECT,
    WAGI_WAY_I32_CONST,
    WAGI_WAY_I64_CONST,
    WAGI_WAY_F32_CONST,
    WAGI_WAY_F64_CONST,
} wagi_v_way;

/* The signature in the form for fast(): one operand, the upper one, or two. */
typedef struct wagi_v_fast {
    uint8_t way; /* wagi_v_way */
    uint8_t lower, upper, out;
    uint8_t align_log2;
    uint8_t imm; /* wagi_imm, of WAGI_WAY_CONTROL */
    uint16_t unused;
} wagi_v_fast;
_Static_assert(sizeof(wagi_v_fast) == 8, "one address computation for each instruction");

/* The immediates of the instruction at hand, apart from the variable ones of br_table and try_table. */
typedef struct wagi_v_imm {
    uint32_t a, b; /* indices in the order of the text format */
    uint32_t align_log2, memory;
    uint64_t offset;
    uint8_t lane;
    wagi_valtype type, type2;
    const wagi_type *block; /* with `type` as the single result when NULL */
    const uint8_t *bytes;   /* shuffle */
    uint64_t bits[2];       /* of constants */
} wagi_v_imm;

struct wagi_validator {
    wagi_validate_context context;
    wagi_reader r;
    const uint8_t *code;   /* first instruction */
    const uint8_t *op_pos; /* first byte of the instruction at hand */
    wagi_op op;
    uint32_t func_index;
    wagi_v_imm imm;

    wagi_valtype *stack;
    uint32_t height, stack_cap, max_height;
    WAGI_VEC(wagi_v_frame) frames;
    wagi_v_frame *frame; /* the innermost */
    WAGI_VEC(wagi_side_entry) side;
    WAGI_VEC(wagi_try_region) tries;
    uint32_t br_table_serial;

    const wagi_type *func_type;
    uint32_t local_count;
    const wagi_valtype *locals; /* the first `laid_out` of them; no more than a multiple of the body's bytes */
    uint32_t laid_out;
    WAGI_VEC(wagi_valtype) local_types; /* what `locals` points to when the body declares any */
    WAGI_VEC(wagi_local_run) local_runs;
    WAGI_VEC(uint8_t) initialised; /* one a local; empty when all have a default */
    WAGI_VEC(uint32_t) init_log;   /* locals that became initialised, oldest first */

    uint32_t last_callee; /* the highest index that a call names */
    bool uses_v128;
    bool memory32;              /* memory 0 is there and has 32-bit addresses */
    const wagi_type *last_type; /* of the body before; whether it has a v128 */
    bool last_type_v128;
    /* Constant expressions. */
    bool is_const;
    uint32_t global_limit;   /* globals below may be read */
    uint32_t const_count;    /* instructions so far, without `end` */
    wagi_op const_op;        /* the last of them */
    wagi_valtype const_type; /* of the value it left */

    uint64_t features;

    wag_err err;
    wag_error *error;
    wagi_v_sig sigs[WAGI_OP_COUNT];
    wagi_v_fast fast[256]; /* by opcode byte, filled when an instruction has been met once */
};

/* Errors. Each returns false. */
bool wagi_v_fail(wagi_validator *v, wag_err code, const char *format, ...) WAG_PRINTF(3, 4);
bool wagi_v_fail_nomem(wagi_validator *v);
bool wagi_v_fail_reader(wagi_validator *v);
bool wagi_v_fail_limit(wagi_validator *v, wag_limit limit, uint64_t allowed, uint64_t value);
/* found: WAGI_NONE when the stack was empty. */
/* Types in messages are called by their indices in the module. */
wagi_type_scope wagi_v_scope(const wagi_validator *v);
bool wagi_v_fail_type(wagi_validator *v, wagi_valtype wanted, wagi_valtype found);
/* The same for a wish that is no single type: "a reference". */
bool wagi_v_fail_wish(wagi_validator *v, const char *wanted, wagi_valtype found);
bool wagi_v_unknown(wagi_validator *v, const char *what, uint32_t index);

/* Features. */
void wagi_v_note(wagi_validator *v, wagi_feature feature);
void wagi_v_note_type(wagi_validator *v, wagi_valtype type);

/* The operand stack. */
bool wagi_v_reserve_more(wagi_validator *v, uint32_t count);
static inline bool wagi_v_reserve(wagi_validator *v, uint32_t count)
{
    return count <= v->stack_cap - v->height || wagi_v_reserve_more(v, count);
}
bool wagi_v_pop_slow(wagi_validator *v, wagi_valtype wanted, wagi_valtype *ret_found);
bool wagi_v_pop_any(wagi_validator *v, wagi_valtype *ret_found);
bool wagi_v_pop_ref(wagi_validator *v, wagi_valtype *ret_found); /* a reference or WAGI_BOT */
bool wagi_v_pop_some(wagi_validator *v, const wagi_valtype *types, uint32_t count);
bool wagi_v_push_some(wagi_validator *v, const wagi_valtype *types, uint32_t count);
static inline bool wagi_v_pop_types(wagi_validator *v, const wagi_valtype *types, uint32_t count)
{
    return count == 0 || wagi_v_pop_some(v, types, count);
}
static inline bool wagi_v_push_types(wagi_validator *v, const wagi_valtype *types, uint32_t count)
{
    return count == 0 || wagi_v_push_some(v, types, count);
}
/* Whether the topmost values match, without popping them. */
bool wagi_v_check_top_some(wagi_validator *v, const wagi_valtype *types, uint32_t count);
static inline bool wagi_v_check_top(wagi_validator *v, const wagi_valtype *types, uint32_t count)
{
    return count == 0 || wagi_v_check_top_some(v, types, count);
}

static inline bool wagi_v_matches(const wagi_validator *v, wagi_valtype sub, wagi_valtype super)
{
    return sub == super || sub == WAGI_BOT || wagi_valtype_is_sub(v->context.registry, sub, super);
}

static inline bool wagi_v_pop(wagi_validator *v, wagi_valtype wanted)
{
    if (v->height > v->frame->height && v->stack[v->height - 1] == wanted) {
        v->height--;
        return true;
    }
    wagi_valtype found;
    return wagi_v_pop_slow(v, wanted, &found);
}

static inline bool wagi_v_push(wagi_validator *v, wagi_valtype type)
{
    if (v->height == v->stack_cap && !wagi_v_reserve(v, 1))
        return false;
    v->stack[v->height++] = type;
    if (v->height > v->max_height)
        v->max_height = v->height;
    if (type == WAGI_V128)
        v->uses_v128 = true;
    return true;
}

/* The type of a local below local_count. */
static inline wagi_valtype wagi_v_local_type(const wagi_validator *v, uint32_t index)
{
    return index < v->laid_out ? v->locals[index] : wagi_local_run_type(v->local_runs.p, v->local_runs.n, index);
}

static inline void wagi_v_set_unreachable(wagi_validator *v)
{
    v->height = v->frame->height;
    v->frame->unreachable = true;
}

static inline uint32_t wagi_v_ip(const wagi_validator *v)
{
    return (uint32_t)(v->op_pos - v->code);
}

/* Families of instructions; the immediates have been read. */
bool wagi_v_push_frame(wagi_validator *v, wagi_v_kind kind, const wagi_type *type, wagi_valtype single);
bool wagi_v_control(wagi_validator *v);   /* validate_control.c: blocks, branches, calls, exceptions */
bool wagi_v_operation(wagi_validator *v); /* validate_op.c: everything else without a signature */
bool wagi_v_memory_immediate(wagi_validator *v, wagi_valtype *ret_address);
/* Run instructions until the outermost label ends. */
bool wagi_v_run(wagi_validator *v);
void wagi_v_reset(wagi_validator *v, const uint8_t *code);
wag_err wagi_v_finish(wagi_validator *v, wag_error **reterr_error);
/* Copy the side table and the facts about the code into the body; false without memory. */
bool wagi_v_fill_body(wagi_validator *v, wagi_func_body *body);

#endif

/* The compiler's intermediate representation: the seam between builder, allocator, checker and machines.
 *
 * A function is an array of instructions in three-address form, cut into blocks; block order is code order and follows
 * the wasm text. Operands are virtual registers (vregs). The first local_count vregs are the wasm locals; they, the
 * locals of inlined callees (is_local) and the merge vregs of block results are written in several places, all others
 * are temporaries with one definition.
 *
 * Positions. Instruction i reads its operands at wagi_ir_pos(i) and writes dst one later.
 * Invariants after build (wagi_ir_verify):
 *   - every vreg that is read is written before on each path from the entry; locals count as written at the entry
 *     (parameters, zeros)
 *   - control enters a loop only by falling into its first block, which no forward branch targets; loops nest and are
 *     contiguous: blocks [first, end)
 *   - a forward branch goes to a block with `target` set; a backward branch only to the first block of a loop around it
 *   - a temporary that is live at a loop's first block and read inside the loop was not made inside it, except the
 *     loop's own parameters, which are written before the loop and at its back edges (wagi_loop.params)
 *   - a call with a handler ends its block; control goes on to the next block or to the handler's label
 *   - CMP is followed at once by the SELECT that uses it
 *   - an i32 value is zero-extended to 64 bits wherever it is held; so i64.extend_i32_u is no instruction
 * After liveness: each vreg has [start, end] that covers every position where its value is needed; end 0 and start
 *   NONE: never read.
 * After allocation: each vreg that is read has a home: a register or a frame slot (regalloc.h).
 *
 * Failure. Functions that append set `failed` when memory or a cap (WAGI_IR_MAX_*) is exhausted; the object stays
 * usable and its content is then meaningless. The module falls back to the interpreter.
 */
#ifndef WAGI_COMPILER_IR_H
#define WAGI_COMPILER_IR_H

#include "base/alloc.h"
#include "binary/module.h"
#include "binary/op.h"

#define WAGI_NIL UINT32_MAX

/* Caps on one function. They bound memory on hostile input: 2 bytes of wasm can make thousands of moves. */
#define WAGI_IR_MAX_INS (1u << 23)
#define WAGI_IR_MAX_POOL (1u << 25)
#define WAGI_IR_MAX_VREGS (1u << 23)

typedef enum wagi_ir_op {
#define IR(name, uses) WAGI_IR_##name,
#include "compiler/ir.def"
#undef IR
    WAGI_IR_OP_COUNT
} wagi_ir_op;

enum {
    WAGI_IR_A = 1,
    WAGI_IR_B = 2,
    WAGI_IR_D = 4,
    WAGI_IR_PURE = 8,
    WAGI_IR_TRAPS = 16,
    WAGI_IR_IS_CALL = 32,
    WAGI_IR_END = 64,
    WAGI_IR_C = 128,
};
/* Here, so that a question about a known op is answered by the C compiler. */
static const uint8_t wagi_ir_uses[WAGI_IR_OP_COUNT] = {
#define A WAGI_IR_A
#define B WAGI_IR_B
#define C WAGI_IR_C
#define D WAGI_IR_D
#define PURE WAGI_IR_PURE
#define TRAPS WAGI_IR_TRAPS
#define CALL WAGI_IR_IS_CALL
#define END WAGI_IR_END
#define IR(name, uses) [WAGI_IR_##name] = (uses),
#include "compiler/ir.def"
#undef IR
#undef A
#undef B
#undef C
#undef D
#undef PURE
#undef TRAPS
#undef CALL
#undef END
};
extern const char *const wagi_ir_names[WAGI_IR_OP_COUNT];

/* References are I64 values. Vectors live where floats live. */
typedef enum wagi_ir_type {
    WAGI_TY_I32,
    WAGI_TY_I64,
    WAGI_TY_F32,
    WAGI_TY_F64,
    WAGI_TY_V128,
    WAGI_TY_COUNT
} wagi_ir_type;
static inline bool wagi_ty_is_float(unsigned type)
{
    return type >= WAGI_TY_F32;
}
/* wagi_ir_type; WAGI_TY_COUNT when there is none */
static inline unsigned wagi_ir_type_of(wagi_valtype type)
{
    static const uint8_t types[16] = {
        [WAGI_KIND_I32] = WAGI_TY_I32 + 1, [WAGI_KIND_I64] = WAGI_TY_I64 + 1,   [WAGI_KIND_REF] = WAGI_TY_I64 + 1,
        [WAGI_KIND_F32] = WAGI_TY_F32 + 1, [WAGI_KIND_F64] = WAGI_TY_F64 + 1, [WAGI_KIND_V128] = WAGI_TY_V128 + 1};
    uint8_t found = types[wagi_valtype_kind(type) & 15];
    return found ? found - 1u : WAGI_TY_COUNT;
}
/* Slots that a value takes where values travel as slots, and in the frame. */
static inline uint32_t wagi_ty_slots(unsigned type)
{
    return type == WAGI_TY_V128 ? 2 : 1;
}

/* The vector ops of VECTOR and VECTOR_3: the rows of op.def from the first one of the prefix on. */
#define WAGI_VECTOR_FIRST WAGI_OP_v128_load
#define WAGI_VECTOR_COUNT (WAGI_OP_i32x4_relaxed_dot_i8x16_i7x16_add_s - WAGI_VECTOR_FIRST + 1)
#define WAGI_VECTOR(op) ((uint8_t)((op)-WAGI_VECTOR_FIRST))
_Static_assert(WAGI_VECTOR_COUNT <= 256, "a vector op is a byte of the instruction");

/* Conditions come in pairs: c ^ 1 is the opposite. The F conditions are on floats; the opposite of an ordered one is
 * true for NaN operands. */
typedef enum wagi_ir_cond {
    WAGI_EQ,
    WAGI_NE,
    WAGI_LT_S,
    WAGI_GE_S,
    WAGI_LE_S,
    WAGI_GT_S,
    WAGI_LT_U,
    WAGI_GE_U,
    WAGI_LE_U,
    WAGI_GT_U,
    WAGI_FEQ,
    WAGI_FNE,
    WAGI_FGT,  /* a > b */
    WAGI_FNGT, /* not a > b */
    WAGI_FGE,  /* a >= b */
    WAGI_FNGE, /* not a >= b */
    WAGI_COND_COUNT
} wagi_ir_cond;
wagi_ir_cond wagi_ir_cond_swap(wagi_ir_cond cond); /* for (b, a) instead of (a, b); integers only */

/* Memory accesses: width and extension. */
typedef enum wagi_access {
    WAGI_ACCESS_32,
    WAGI_ACCESS_64,
    WAGI_ACCESS_F32,
    WAGI_ACCESS_F64,
    WAGI_ACCESS_S8_32, /* to i32 */
    WAGI_ACCESS_U8,
    WAGI_ACCESS_S16_32,
    WAGI_ACCESS_U16,
    WAGI_ACCESS_S8_64, /* to i64 */
    WAGI_ACCESS_S16_64,
    WAGI_ACCESS_S32_64,
    WAGI_ACCESS_U32, /* i64.load32_u, i64.store32 */
    /* to V128, as are 32 and 64 bits as floats: the upper bits are zero */
    WAGI_ACCESS_V128,
    WAGI_ACCESS_8X8_S,
    WAGI_ACCESS_8X8_U,
    WAGI_ACCESS_16X4_S,
    WAGI_ACCESS_16X4_U,
    WAGI_ACCESS_32X2_S,
    WAGI_ACCESS_32X2_U,
    WAGI_ACCESS_SPLAT8,
    WAGI_ACCESS_SPLAT16,
    WAGI_ACCESS_SPLAT32,
    WAGI_ACCESS_SPLAT64,
    WAGI_ACCESS_COUNT
} wagi_access;
static inline unsigned wagi_access_width(unsigned access)
{
    static const uint8_t widths[WAGI_ACCESS_COUNT] = {4,  8, 4, 8, 1, 1, 2, 2, 1, 2, 4, 4,
                                                      16, 8, 8, 8, 8, 8, 8, 1, 2, 4, 8};
    return widths[access];
}

enum {
    WAGI_INS_IMM = 1,  /* operand b is imm */
    WAGI_INS_TEST = 2, /* conditions EQ and NE: compare (a & b) with 0 */
    WAGI_INS_SAFE = 4, /* this division cannot trap */
    WAGI_INS_BARRIER = 8,
};
/* Type tests. */
enum {
    WAGI_CAST_NOT = 1,      /* the opposite */
    WAGI_CAST_NULL = 2,     /* null matches */
    WAGI_CAST_ABSTRACT = 4, /* imm is a wagi_heap */
    WAGI_CAST = 8,          /* of a wagi_test: it is one */
    WAGI_CAST_OBJECT = 16,  /* what is not null is a struct or an array */
};

typedef struct wagi_ins {
    uint8_t op, sub, type, flags;
    uint32_t dst, a, b;
    union {
        int64_t imm;
        uint32_t c; /* VECTOR_3 */
    };
} wagi_ins;
_Static_assert(sizeof(wagi_ins) == 24, "the compiler's speed is the size of its instructions");

static inline bool wagi_ins_reads_a(const wagi_ins *ins)
{
    return (wagi_ir_uses[ins->op] & WAGI_IR_A) && ins->a != WAGI_NIL;
}
static inline bool wagi_ins_reads_b(const wagi_ins *ins)
{
    return (wagi_ir_uses[ins->op] & WAGI_IR_B) && !(ins->flags & WAGI_INS_IMM) && ins->b != WAGI_NIL;
}
static inline bool wagi_ins_reads_c(const wagi_ins *ins)
{
    return wagi_ir_uses[ins->op] & WAGI_IR_C;
}
static inline uint32_t wagi_ir_pos(uint32_t ins)
{
    return 2 * ins + 2;
}

/* Pool entries are vregs, or constants: WAGI_POOL_CONST | index into consts. */
#define WAGI_POOL_CONST 0x80000000u
typedef struct wagi_ir_const {
    uint64_t bits, high; /* high: of V128 */
    uint8_t type;
} wagi_ir_const;

typedef enum wagi_call_kind {
    WAGI_CALL_DIRECT,   /* target: function index of this module, defined here */
    WAGI_CALL_IMPORT,   /* target: function index, imported */
    WAGI_CALL_INDIRECT, /* target: table index; one more argument: the element index */
    WAGI_CALL_REF,      /* one more argument: the function reference */
    WAGI_CALL_HELPER,   /* target: wagi_helper; arguments travel as slots */
    WAGI_CALL_THROW, /* does not return; arguments travel as slots: tag index, values; or WAGI_THROW_REF, exception */
} wagi_call_kind;
#define WAGI_THROW_REF UINT32_MAX

typedef struct wagi_ir_call {
    uint8_t kind;
    uint32_t target;
    uint32_t args, arg_count;       /* in the pool; the callee operand of INDIRECT and REF follows the last one */
    uint32_t results, result_count; /* in the pool; vregs */
    const wagi_type *type;          /* NULL for helpers */
    uint32_t handler;               /* 1 + index in handlers: where exceptions go first; 0: out of the function */
} wagi_ir_call;
static inline bool wagi_call_by_slots(const wagi_ir_call *call)
{
    return call->kind >= WAGI_CALL_HELPER;
}
static inline uint32_t wagi_call_operands(const wagi_ir_call *call)
{
    return call->arg_count + (call->kind == WAGI_CALL_INDIRECT || call->kind == WAGI_CALL_REF);
}

/* A try_table. Its label is that of a block that is never executed: it stands for the search, and its HANDLER names all
 * blocks where the exception may be caught, and the handler around it. So all that these need is live there, and a call
 * needs an edge to its innermost handler only. The blocks of the clauses (landings) begin with CATCH. What is live
 * there is where a call leaves it: in registers that calls keep, or in its slot. */
typedef struct wagi_handler {
    uint32_t region; /* index in the body's tries */
    uint32_t parent; /* 1 + index of the handler around it, or 0 */
    uint32_t label;
    uint32_t landings; /* in the pool: a label for each clause; NIL: nothing in the try throws */
} wagi_handler;

typedef struct wagi_block {
    uint32_t first, last; /* instructions [first, last) */
    uint32_t loop;        /* innermost loop, or NONE */
    bool target;          /* some branch comes here */
    bool loop_head;
    bool landing; /* exceptions come here */
    bool falls;   /* control can reach the next block by falling */
} wagi_block;

typedef struct wagi_loop {
    uint32_t first, end;          /* blocks [first, end) */
    uint32_t parent;              /* loop index or NONE; parents come first */
    uint32_t depth;               /* 1 for outermost */
    uint32_t params, param_count; /* consecutive vregs */
} wagi_loop;

/* Instructions [first, end) are those of a callee whose body is built in its caller's place. In the order of `first`;
 * they nest. */
typedef struct wagi_inlined {
    uint32_t first, end;
    uint32_t source; /* module offset of the call, in the caller */
    uint32_t parent; /* index of the innermost one around, or NONE */
} wagi_inlined;

typedef struct wagi_label {
    uint32_t block; /* NONE until placed */
    uint32_t refs;
    uint32_t first_ref; /* first block that branches here */
} wagi_label;

typedef struct wagi_vreg {
    uint32_t start, end; /* positions; end 0: never read */
    float weight;        /* expected reads and writes */
    uint32_t hint;       /* a vreg that would like the same register, or NONE */
    uint32_t slot;       /* frame slot, the first of two for V128, or NONE */
    uint8_t type;
    int8_t home;     /* register number (machine.h), WAGI_HOME_SLOT or WAGI_HOME_NONE */
    int8_t hint_reg; /* register that would save a move, or -1 */
    int8_t cached;   /* while passes walk through a loop that caches the vreg: its register there; else -1 */
    bool crosses;    /* live across a call */
    bool read;       /* somebody reads it */
    bool is_local;   /* a local of an inlined callee: written in several places */
    uint32_t unused; /* 32 bytes: the passes go to vregs by number all the time */
} wagi_vreg;
#define WAGI_HOME_NONE (-1)
#define WAGI_HOME_SLOT (-2)
/* The register that holds the vreg at the place where a pass is, or a negative number. */
static inline int wagi_vreg_reg(const wagi_vreg *vreg)
{
    return vreg->cached >= 0 ? vreg->cached : vreg->home;
}

/* Found by liveness: a vreg is written at a position; a call, and how often its block runs. */
typedef struct wagi_ir_def {
    uint32_t vreg, pos;
} wagi_ir_def;
typedef struct wagi_ir_call_at {
    uint32_t pos;
    float weight;
} wagi_ir_call_at;

/* One function. Reused for the next one: capacities stay. */
typedef struct wagi_ir {
    const wagi_module_data *data;
    const wagi_func_body *body;
    WAGI_VEC(wagi_ins) ins;
    WAGI_VEC(uint32_t) source; /* module offset for each instruction */
    WAGI_VEC(wagi_block) blocks;
    WAGI_VEC(wagi_loop) loops;
    WAGI_VEC(wagi_label) labels;
    WAGI_VEC(wagi_vreg) vregs;
    WAGI_VEC(uint32_t) pool;
    WAGI_VEC(wagi_ir_const) consts;
    WAGI_VEC(wagi_ir_call) calls;
    WAGI_VEC(wagi_inlined) inlined;
    WAGI_VEC(wagi_handler) handlers;
    WAGI_VEC(wagi_ir_def) defs;         /* after liveness, from the last one to the first */
    WAGI_VEC(wagi_ir_call_at) call_ats; /* the same */
    uint32_t ins_room, vreg_room; /* so many instructions and vregs before growing or a cap has to be looked at */
    uint32_t local_count;
    uint32_t live_vregs; /* after liveness: those that have an interval */
    bool failed;
} wagi_ir;

/* Room for one more; false sets `failed`. */
bool wagi_ir_more_ins(wagi_ir *ir);
bool wagi_ir_more_vregs(wagi_ir *ir);

static inline uint32_t wagi_ir_new_vreg(wagi_ir *ir, unsigned type)
{
    if (ir->vregs.n >= ir->vreg_room && !wagi_ir_more_vregs(ir))
        return 0;
    static const wagi_vreg fresh = {
        .start = WAGI_NIL, .hint = WAGI_NIL, .slot = WAGI_NIL, .home = WAGI_HOME_NONE, .hint_reg = -1, .cached = -1};
    wagi_vreg *vreg = &ir->vregs.p[ir->vregs.n];
    *vreg = fresh;
    vreg->type = (uint8_t)type;
    return (uint32_t)ir->vregs.n++;
}

/* `count` consecutive vregs of the given value types; the first. */
static inline uint32_t wagi_ir_new_vregs(wagi_ir *ir, const wagi_valtype *types, uint32_t count)
{
    uint32_t first = (uint32_t)ir->vregs.n;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t type = wagi_ir_type_of(types[i]);
        if (type == WAGI_TY_COUNT)
            ir->failed = true;
        wagi_ir_new_vreg(ir, type);
    }
    return first;
}

static inline uint32_t wagi_ir_new_label(wagi_ir *ir)
{
    if (!WAGI_VEC_RESERVE(&ir->labels, 1)) {
        ir->failed = true;
        return 0;
    }
    ir->labels.p[ir->labels.n] = (wagi_label){WAGI_NIL, 0, WAGI_NIL};
    return (uint32_t)ir->labels.n++;
}

/* Room for count pool entries; the index of the first. */
static inline uint32_t wagi_ir_new_pool(wagi_ir *ir, uint32_t count)
{
    if (count > WAGI_IR_MAX_POOL || ir->pool.n > WAGI_IR_MAX_POOL - count || !WAGI_VEC_RESERVE(&ir->pool, count)) {
        ir->failed = true;
        return WAGI_NIL;
    }
    ir->pool.n += count;
    return (uint32_t)(ir->pool.n - count);
}

static inline uint32_t wagi_ir_add_call(wagi_ir *ir, wagi_ir_call call)
{
    if (!WAGI_VEC_RESERVE(&ir->calls, 1)) {
        ir->failed = true;
        return 0;
    }
    ir->calls.p[ir->calls.n] = call;
    return (uint32_t)ir->calls.n++;
}

void wagi_ir_init(wagi_ir *ir);
void wagi_ir_fini(wagi_ir *ir);
void wagi_ir_reset(wagi_ir *ir, const wagi_module_data *data, const wagi_func_body *body);
uint32_t wagi_ir_new_const(wagi_ir *ir, unsigned type, uint64_t bits); /* a pool entry */
/* Index in consts, for V128: where others have bits. */
uint32_t wagi_ir_new_vector(wagi_ir *ir, uint64_t low, uint64_t high);
/* The innermost inlined callee that an instruction belongs to, an index, or NONE. The same is true of the instructions
 * behind it, below *ret_until. */
uint32_t wagi_ir_inlined_at(const wagi_ir *ir, uint32_t ins, uint32_t *ret_until);
/* A vreg of a local, of the function or of an inlined callee. */
static inline bool wagi_ir_is_local(const wagi_ir *ir, uint32_t vreg)
{
    return vreg < ir->local_count || ir->vregs.p[vreg].is_local;
}

/* An instruction that may go on at any of the labels pool[imm .. imm + b]. */
static inline bool wagi_ins_has_table(const wagi_ins *ins)
{
    return ins->op == WAGI_IR_BR_TABLE || ins->op == WAGI_IR_HANDLER;
}
/* An instruction that may go on at label dst. */
static inline bool wagi_ins_jumps(const wagi_ins *ins)
{
    return ins->op == WAGI_IR_BRCC || ins->op == WAGI_IR_JMP || ins->op == WAGI_IR_BR_CAST;
}
/* Calls `visit` for each vreg operand that instruction i reads, call arguments included. */
typedef void (*wagi_ir_visitor)(void *context, uint32_t *vreg);
static inline void wagi_ir_each_pool(wagi_ir *ir, uint32_t first, uint32_t count, wagi_ir_visitor visit, void *context)
{
    for (uint32_t i = first; i < first + count; i++)
        if (!(ir->pool.p[i] & WAGI_POOL_CONST))
            visit(context, &ir->pool.p[i]);
}

static inline void wagi_ir_each_use(wagi_ir *ir, uint32_t index, wagi_ir_visitor visit, void *context)
{
    wagi_ins *ins = &ir->ins.p[index];
    if (wagi_ins_reads_a(ins))
        visit(context, &ins->a);
    if (wagi_ins_reads_b(ins))
        visit(context, &ins->b);
    if (wagi_ins_reads_c(ins))
        visit(context, &ins->c);
    if (wagi_ir_uses[ins->op] & WAGI_IR_IS_CALL) {
        wagi_ir_call *call = &ir->calls.p[ins->imm];
        wagi_ir_each_pool(ir, call->args, wagi_call_operands(call), visit, context);
    } else if (ins->op == WAGI_IR_RETURN) {
        wagi_ir_each_pool(ir, (uint32_t)ins->imm, ins->b, visit, context);
    }
}

static inline void wagi_ir_each_def(wagi_ir *ir, uint32_t index, wagi_ir_visitor visit, void *context)
{
    wagi_ins *ins = &ir->ins.p[index];
    if (wagi_ir_uses[ins->op] & WAGI_IR_D)
        visit(context, &ins->dst);
    else if (ins->op == WAGI_IR_CALL)
        wagi_ir_each_pool(ir, ir->calls.p[ins->imm].results, ir->calls.p[ins->imm].result_count, visit, context);
}

/* The function as text, for people. Returns as snprintf. */
size_t wagi_ir_dump(const wagi_ir *ir, char *buffer, size_t size);
/* Check the invariants above that can be checked locally. NULL when they hold, else what is wrong (static text);
 * *ret_ins receives the instruction. */
const char *wagi_ir_verify(const wagi_ir *ir, uint32_t *ret_ins);

/* Runtime functions that native code calls for rare ops. All have one shape: slots hold the operands and then the
 * result; what they return is WAG_OK or the trap. The table is in exec/helper.c. */
typedef enum wagi_helper {
#define HELPER(name) WAGI_HELPER_##name,
#include "compiler/helper.def"
#undef HELPER
    WAGI_HELPER_COUNT
} wagi_helper;

#endif

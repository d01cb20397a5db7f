/* Emission for x86-64: what its files share.
 *
 * Registers of generated code:
 *   r14  the instance          r15  base of memory 0
 *   rax, rdx, xmm14, xmm15     scratch, never live between IR instructions
 *   rdi rsi rcx r8-r11, xmm0-xmm13   allocatable, clobbered by calls
 *   rbx rbp r12 r13            allocatable, kept by calls
 * Frame, from rsp up: operands of helper calls (out_bytes), slots, pushed registers, return address. rsp is a multiple
 * of 16 in the body and does not move there, so a frame's size is a constant of the function.
 *
 * Calls between wasm functions: integers in rdi rsi rcx r8-r11, floats and vectors in xmm0-xmm7, what is more in the
 * agent's overflow buffer at its slot (8 * parameter index; a vector is two slots), read by the callee before anything
 * else can use the buffer. First result in rax or xmm0, the others in the buffer at their slots, read by the caller at
 * once. Callees keep r14 and r15's meaning for the caller's instance. An i32 is zero-extended.
 */
#ifndef WAGI_COMPILER_X64_X64_H
#define WAGI_COMPILER_X64_X64_H

#include "compiler/code.h"
#include "compiler/regalloc.h"
#include "compiler/x64/encode.h"

#define INSTANCE R14
#define MEMORY R15
#define XMM_A 14 /* scratch for a first operand */
#define XMM_B 15 /* scratch for a second operand and results */

enum {
    X64_HAS_AVX = 1,
    X64_HAS_BMI1 = 2,
    X64_HAS_BMI2 = 4,
    X64_HAS_LZCNT = 8,
    X64_HAS_POPCNT = 16,
    X64_HAS_SSE41 = 32, /* and SSSE3 */
    X64_HAS_SSE42 = 64,
    X64_HAS_AVX2 = 128
};

/* What calls keep, in the order in which prologues push. */
static const uint8_t wagi_x64_saved_regs[WAGI_SAVED_REGS] = {RBX, RBP, R12, R13};

typedef struct wagi_x64_cold {
    uint32_t jump; /* where the rel32 of the jump to it is */
    uint32_t source;
    uint32_t inlined; /* the inlined callee that it is in, or NONE */
    uint16_t trap;
    bool in_prologue;
} wagi_x64_cold;

/* A call whose callee belongs to another instance or tier, out of line. */
typedef struct wagi_x64_far_call {
    uint32_t jump, back; /* rel32 of the jump to it; where it returns to */
    uint32_t source, inlined, handler;
    const wagi_type *type;
} wagi_x64_far_call;

/* A slow path, out of line. */
typedef struct wagi_x64_slow {
    uint32_t jumps[2], back; /* ends of the jumps to it (0: none); where it goes on */
    uint32_t source, inlined, size;
    wagi_x64_mem mem;      /* SHADE: of the reference */
    const wagi_type *type; /* ALLOC */
    uint8_t kind;          /* wagi_slow_kind */
} wagi_x64_slow;

/* Bytes [0, end) behind the address in vreg are known to be in the memory. */
typedef struct wagi_x64_in_bounds {
    uint32_t vreg, memory;
    uint64_t end;
} wagi_x64_in_bounds;
#define WAGI_X64_BOUNDS 8

typedef struct wagi_x64_block_ref {
    uint32_t at, block;
    bool is_short; /* a rel8, else a rel32 */
} wagi_x64_block_ref;

typedef struct wagi_x64_const_ref {
    uint32_t at;   /* a rel32 whose instruction ends behind it and `tail` bytes */
    uint32_t size; /* 4, 8, 16; 0: a jump table */
    uint64_t value, high;
    uint32_t tail;
} wagi_x64_const_ref;

typedef struct wagi_x64_emitter {
    wagi_x64_buffer code; /* of all functions of this unit */
    wagi_unit_code *out;
    const wagi_code_context *context;
    wagi_ir *ir;
    wagi_homes *homes;
    uint32_t features;
    bool is_guarded; /* memory 0, when there is one */
    bool failed;

    uint32_t start;                 /* of this function in the buffer */
    int32_t out_bytes, frame_bytes; /* frame_bytes: what the prologue subtracts */
    uint32_t pushed;                /* callee-saved registers */
    WAGI_VEC(uint32_t) block_at;    /* 1 + code offset, 0: not yet */
    WAGI_VEC(wagi_x64_block_ref) block_refs;
    WAGI_VEC(wagi_x64_const_ref) const_refs;
    WAGI_VEC(wagi_x64_cold) colds;
    WAGI_VEC(wagi_x64_far_call) far_calls;
    WAGI_VEC(wagi_x64_slow) slows;
    uint32_t site_code, site_source, site_count;   /* of this function: the last one's place, and how many */
    WAGI_VEC(wagi_handler_range) ranges;           /* the same */
    uint32_t ins;                                  /* the instruction at hand */
    uint32_t repeats;                              /* of loop heads */
    uint32_t inlined, inlined_from, inlined_until; /* the callee that instructions [from, until) belong to */
    size_t next_edit;                              /* the first one that has not been applied */
    bool long_jumps;                               /* no short forward jumps; set while emitting: one did not reach */

    /* The loop that is being emitted several times: blocks [head, end), head NONE when there is none. */
    uint32_t unroll_head, unroll_end;
    uint32_t unroll_at;                         /* 1 + code offset of the first copy */
    uint32_t copies_left;                       /* behind the one at hand */
    bool is_copy;                               /* the one at hand is not the first */
    uint32_t unrolled;                          /* instructions that the function's copies have added */
    wagi_x64_in_bounds bounds[WAGI_X64_BOUNDS]; /* what the checks so far have shown; bounds_at: the next to replace */
    uint32_t bounds_count, bounds_at;
    size_t flags_at; /* the flags say how flags_vreg compares with 0, if the code still ends here */
    uint32_t flags_vreg;
    uint8_t flags_type;
    uint32_t held_vreg; /* XMM_B holds it, which is in its slot, if the code still ends at held_at */
    size_t held_at;
    uint32_t used_xmm; /* registers that hold values somewhere in the function; 0: not asked yet */
} wagi_x64_emitter;

/* ---- operands ---- */

static inline bool wagi_x64_is_64(unsigned type)
{
    return type == WAGI_TY_I64;
}
static inline uint32_t wagi_x64_w(unsigned type)
{
    return type == WAGI_TY_I64 ? X64_W : 0;
}
static inline const wagi_vreg *wagi_x64_vreg(const wagi_x64_emitter *e, uint32_t v)
{
    return &e->ir->vregs.p[v];
}
/* Integer register number, or negative. */
static inline int wagi_x64_reg(const wagi_x64_emitter *e, uint32_t v)
{
    return wagi_vreg_reg(wagi_x64_vreg(e, v));
}
/* xmm number, or negative. */
static inline int wagi_x64_xmm(const wagi_x64_emitter *e, uint32_t v)
{
    int reg = wagi_x64_reg(e, v);
    return reg >= 0 ? reg - WAGI_FLOAT_REG : reg;
}
static inline bool wagi_x64_is_held(const wagi_x64_emitter *e, uint32_t v)
{
    return e->held_at == e->code.n && e->held_vreg == v;
}
static inline wagi_x64_mem wagi_x64_slot(const wagi_x64_emitter *e, uint32_t v)
{
    return wagi_x64_at(RSP, e->out_bytes + 8 * (int32_t)wagi_x64_vreg(e, v)->slot);
}

/* ---- emit.c ---- */
/* The operand in a register: its own, or loaded into the scratch one. */
static inline void wagi_x64_load_slot(wagi_x64_emitter *e, uint32_t v, int reg)
{
    wagi_x64_rsp(&e->code, 0x8B, reg, wagi_x64_slot(e, v).disp);
}
static inline int wagi_x64_use(wagi_x64_emitter *e, uint32_t v, int scratch)
{
    int reg = wagi_x64_reg(e, v);
    if (reg >= 0)
        return reg;
    wagi_x64_load_slot(e, v, scratch);
    return scratch;
}
int wagi_x64_use_float(wagi_x64_emitter *e, uint32_t v, int scratch);
/* Where to compute a result, and what follows to put it into place. */
static inline int wagi_x64_result(const wagi_x64_emitter *e, uint32_t v)
{
    int reg = wagi_x64_reg(e, v);
    return reg >= 0 ? reg : RAX;
}
void wagi_x64_put_elsewhere(wagi_x64_emitter *e, uint32_t v, int reg);
static inline void wagi_x64_put(wagi_x64_emitter *e, uint32_t v, int reg)
{
    if (wagi_x64_reg(e, v) != reg)
        wagi_x64_put_elsewhere(e, v, reg);
}
int wagi_x64_result_float(const wagi_x64_emitter *e, uint32_t v);
void wagi_x64_put_float(wagi_x64_emitter *e, uint32_t v, int xmm);
/* form reg, operand: the operand from its register or slot. */
void wagi_x64_op(wagi_x64_emitter *e, uint32_t form, int reg, uint32_t v);
static inline void wagi_x64_move(wagi_x64_emitter *e, int to, int from) /* 64 bits */
{
    if (to != from)
        wagi_x64_rr(&e->code, X64_W | 0x8B, to, from);
}
void wagi_x64_move_float(wagi_x64_emitter *e, int to, int from); /* all bits */
void wagi_x64_load_float(wagi_x64_emitter *e, unsigned type, int xmm, wagi_x64_mem mem);
void wagi_x64_store_float(wagi_x64_emitter *e, unsigned type, int xmm, wagi_x64_mem mem);
/* SSE forms with a separate destination: d = a op rm; one instruction with AVX. */
void wagi_x64_sse(wagi_x64_emitter *e, uint32_t form, int d, int a, int b, bool commutative);
void wagi_x64_sse_const(wagi_x64_emitter *e, uint32_t form, int d, int a, uint64_t value, uint32_t size);
/* SSE forms with two operands (ucomis, sqrt, round, moves); tail: bytes of immediate that follow. */
void wagi_x64_sse_2(wagi_x64_emitter *e, uint32_t form, int reg, int rm);
void wagi_x64_sse_mem(wagi_x64_emitter *e, uint32_t form, int reg, wagi_x64_mem mem);
/* cmp reg, fs:[stop limit] */
static inline void wagi_x64_compare_stop_limit(wagi_x64_buffer *b, const wagi_code_context *context, int reg)
{
    wagi_x64_u8(b, 0x64);
    wagi_x64_u8(b, reg >= 8 ? 0x4C : 0x48);
    wagi_x64_u8(b, 0x3B);
    wagi_x64_u8(b, (unsigned)(reg & 7) << 3 | 4);
    wagi_x64_u8(b, 0x25); /* no base, no index */
    wagi_x64_u32(b, (uint32_t)context->stop_limit);
}
/* Jumps. */
void wagi_x64_trap_if(wagi_x64_emitter *e, int cc, wag_err trap);
void wagi_x64_trap(wagi_x64_emitter *e, wag_err trap);
size_t wagi_x64_jump_short(wagi_x64_emitter *e, int cc); /* cc < 0: always; to be bound */
void wagi_x64_bind_short(wagi_x64_emitter *e, size_t at);
void wagi_x64_jump_label(wagi_x64_emitter *e, int cc, uint32_t label);
void wagi_x64_jump_block(wagi_x64_emitter *e, int cc, uint32_t block);
void wagi_x64_set_rel32(wagi_x64_emitter *e, size_t at, size_t to);
bool wagi_x64_has_edits(const wagi_x64_emitter *e, uint32_t block);
/* Resolve all jumps to blocks; or only those within the copy of a loop that ends here, and to the next copy. */
void wagi_x64_bind_blocks(wagi_x64_emitter *e);
void wagi_x64_bind_copy(wagi_x64_emitter *e, size_t first_ref);
void wagi_x64_record(wagi_x64_emitter *e, wagi_site_kind kind); /* a site at the code's end */
/* The same when it is an ordinary one, of no inlined callee and no handler, and near to the one before; else false. */
static inline bool wagi_x64_record_usual(wagi_x64_emitter *e, wagi_site_kind kind)
{
    const wagi_ir *ir = e->ir;
    uint32_t code = (uint32_t)e->code.n - e->start, source = ir->source.p[e->ins];
    bool is_own = e->ins >= e->inlined_from && e->ins < e->inlined_until && e->inlined == WAGI_NIL;
    if (!is_own || ir->handlers.n ||
        !wagi_sites_put_near(e->out, kind, code - e->site_code, (int64_t)source - e->site_source))
        return false;
    e->site_code = code;
    e->site_source = source;
    e->site_count++;
    return true;
}
/* The same for something that was there before: `inlined` is the callee that it is in, or NONE. */
void wagi_x64_record_in(wagi_x64_emitter *e, wagi_site_kind kind, uint32_t source, uint32_t inlined, uint32_t handler);
static inline uint32_t wagi_x64_inlined(wagi_x64_emitter *e)
{
    if (e->ins < e->inlined_from || e->ins >= e->inlined_until) {
        e->inlined_from = e->ins;
        e->inlined = wagi_ir_inlined_at(e->ir, e->ins, &e->inlined_until);
    }
    return e->inlined;
}
void wagi_x64_reloc(wagi_x64_emitter *e, wagi_reloc_kind kind, uintptr_t target); /* a rel32 here */
/* Room for `size` more bytes of code; false when emission has failed, or fails now for want of memory. */
bool wagi_x64_make_room(wagi_x64_emitter *e, size_t size);
static inline bool wagi_x64_roomy(wagi_x64_emitter *e, size_t size)
{
    return (!e->failed && e->code.cap - e->code.n >= size + X64_SLACK) || wagi_x64_make_room(e, size);
}
uint32_t wagi_x64_float_form(unsigned type, uint32_t op);  /* ss or sd form of an opcode */
uint32_t wagi_x64_packed_form(unsigned type, uint32_t op); /* ps or pd form */

/* ---- emit_const.c ---- */
void wagi_x64_const_operand(wagi_x64_emitter *e, uint64_t value, uint32_t size,
                            uint32_t tail); /* the rel32 just written as 0 */
void wagi_x64_vector_operand(wagi_x64_emitter *e, uint64_t low, uint64_t high, uint32_t tail);
void wagi_x64_constants(wagi_x64_emitter *e); /* behind the function: all of its constants and tables */

/* ---- by kind of instruction; each returns false when the op is not its own ---- */
bool wagi_x64_emit_int(wagi_x64_emitter *e, const wagi_ins *ins);
bool wagi_x64_emit_float(wagi_x64_emitter *e, const wagi_ins *ins);
bool wagi_x64_emit_memory(wagi_x64_emitter *e, const wagi_ins *ins);
bool wagi_x64_emit_atomic(wagi_x64_emitter *e, const wagi_ins *ins);
bool wagi_x64_emit_vector(wagi_x64_emitter *e, const wagi_ins *ins);
bool wagi_x64_emit_call(wagi_x64_emitter *e, const wagi_ins *ins);
/* The flags for a condition. Returns the condition code to use; FEQ and FNE also need the parity flag. */
int wagi_x64_compare(wagi_x64_emitter *e, const wagi_ins *ins);

/* ---- emit_memory.c ---- */
/* The operand of an access to a memory, checked unless guard pages do it; base: a vreg or NIL. May use rax and rdx;
 * afterwards rdx is free. */
/* After an instruction has been emitted: an address that it wrote is no longer the one that was checked. */
void wagi_x64_forget_bounds(wagi_x64_emitter *e, const wagi_ins *ins);
wagi_x64_mem wagi_x64_address(wagi_x64_emitter *e, uint32_t memory, uint32_t base, uint64_t offset, unsigned width);

/* ---- emit_simd.c ---- */
/* The machine code for a vector op needs no more than these features. */
bool wagi_x64_has_vector(unsigned vector, uint32_t features);
/* The flags for EQ and NE: all bits of a vector against 0. May use rax. */
void wagi_x64_test_vector(wagi_x64_emitter *e, uint32_t vreg);
/* A constant into a register. */
void wagi_x64_vector_const(wagi_x64_emitter *e, int d, uint64_t low, uint64_t high);
/* A load that makes a vector of what it reads. */
void wagi_x64_load_vector(wagi_x64_emitter *e, unsigned access, int d, wagi_x64_mem mem);

/* ---- emit_call.c ---- */
typedef struct wagi_x64_arg_move {
    int8_t to;      /* register number as in machine.h */
    int8_t from;    /* register number, or -1: from the slot or constant */
    uint32_t entry; /* pool entry */
} wagi_x64_arg_move;
void wagi_x64_parallel_moves(wagi_x64_emitter *e, wagi_x64_arg_move *moves, uint32_t count, int scratch);
void wagi_x64_prologue(wagi_x64_emitter *e);
void wagi_x64_reload_memory(wagi_x64_emitter *e);
void wagi_x64_emit_return(wagi_x64_emitter *e, const wagi_ins *ins);
void wagi_x64_far_calls(wagi_x64_emitter *e);
uint32_t wagi_x64_handler(const wagi_x64_emitter *e); /* of the instruction at hand; 1 + index, or 0 */
/* dst = the value at mem; ins says which access. */
void wagi_x64_load(wagi_x64_emitter *e, const wagi_ins *ins, wagi_x64_mem mem);

/* The value of ins to mem: operand b, or its constant. May use rdx. */
void wagi_x64_store(wagi_x64_emitter *e, const wagi_ins *ins, wagi_x64_mem mem);

/* ---- emit_gc.c ---- */
bool wagi_x64_emit_gc(wagi_x64_emitter *e, const wagi_ins *ins);
void wagi_x64_slows(wagi_x64_emitter *e);

/* ---- emit_exception.c ---- */
bool wagi_x64_emit_exception(wagi_x64_emitter *e, const wagi_ins *ins);
void wagi_x64_call_throw(wagi_x64_emitter *e);

/* Bytes of helper operands that the function's calls need. */
int32_t wagi_x64_out_bytes(const wagi_ir *ir);

#endif

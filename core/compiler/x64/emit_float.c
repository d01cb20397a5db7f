/* Emission of floating-point instructions and conversions. */
#include "compiler/x64/x64.h"

#define F32_SIGN 0x80000000ull
#define F64_SIGN 0x8000000000000000ull

static uint64_t sign_bit(unsigned type)
{
    return type == WAGI_TY_F64 ? F64_SIGN : F32_SIGN;
}
static uint64_t all_but_sign(unsigned type)
{
    return type == WAGI_TY_F64 ? ~F64_SIGN : 0x7FFFFFFF;
}

/* ucomis a, b */
static void compare_floats(wagi_x64_emitter *e, unsigned type, int a, int b)
{
    wagi_x64_sse_2(e, wagi_x64_packed_form(type, 0x2E), a, b);
}

static void arithmetic(wagi_x64_emitter *e, const wagi_ins *ins)
{
    static const uint8_t opcodes[] = {0x58, 0x5C, 0x59, 0x5E}; /* FADD FSUB FMUL FDIV */
    uint32_t form = wagi_x64_float_form(ins->type, opcodes[ins->op - WAGI_IR_FADD]);
    int d = wagi_x64_result_float(e, ins->dst), a = wagi_x64_use_float(e, ins->a, XMM_A);
    if (ins->flags & WAGI_INS_IMM) {
        wagi_x64_sse_const(e, form, d, a, (uint64_t)ins->imm, 8);
    } else {
        int b = wagi_x64_xmm(e, ins->b);
        if (b < 0 && (e->features & X64_HAS_AVX) && !wagi_x64_is_held(e, ins->b))
            wagi_x64_vrm(&e->code, form, d, a, wagi_x64_slot(e, ins->b));
        else
            wagi_x64_sse(e, form, d, a, wagi_x64_use_float(e, ins->b, XMM_B), false);
    }
    wagi_x64_put_float(e, ins->dst, d);
}

/* minsd and maxsd give the second operand for NaN and for zeros of either sign: three cases. */
static void minimum(wagi_x64_emitter *e, const wagi_ins *ins)
{
    bool is_min = ins->op == WAGI_IR_FMIN;
    int a = wagi_x64_use_float(e, ins->a, XMM_A), b = wagi_x64_use_float(e, ins->b, XMM_B);
    compare_floats(e, ins->type, a, b);
    size_t differ = wagi_x64_jump_short(e, CC_NE);
    size_t unordered = wagi_x64_jump_short(e, CC_P);
    /* equal: zeros may differ in sign */
    wagi_x64_sse(e, wagi_x64_packed_form(ins->type, is_min ? 0x56 : 0x54), XMM_B, a, b, true);
    size_t done = wagi_x64_jump_short(e, -1);
    wagi_x64_bind_short(e, differ);
    size_t unordered_2 = wagi_x64_jump_short(e, CC_P);
    wagi_x64_sse(e, wagi_x64_float_form(ins->type, is_min ? 0x5D : 0x5F), XMM_B, a, b, false);
    size_t done_2 = wagi_x64_jump_short(e, -1);
    wagi_x64_bind_short(e, unordered);
    wagi_x64_bind_short(e, unordered_2);
    wagi_x64_sse(e, wagi_x64_float_form(ins->type, 0x58), XMM_B, a, b, false); /* a quiet NaN of the operands */
    wagi_x64_bind_short(e, done);
    wagi_x64_bind_short(e, done_2);
    wagi_x64_put_float(e, ins->dst, XMM_B);
}

static void copy_sign(wagi_x64_emitter *e, const wagi_ins *ins)
{
    int a = wagi_x64_use_float(e, ins->a, XMM_A);
    wagi_x64_sse_const(e, X64_0F | 0x54, XMM_A, a, all_but_sign(ins->type), 16);
    int b = wagi_x64_use_float(e, ins->b, XMM_B);
    wagi_x64_sse_const(e, X64_0F | 0x54, XMM_B, b, sign_bit(ins->type), 16);
    wagi_x64_sse(e, X64_0F | 0x56, XMM_B, XMM_B, XMM_A, true);
    wagi_x64_put_float(e, ins->dst, XMM_B);
}

static void float_unary(wagi_x64_emitter *e, const wagi_ins *ins)
{
    int d = wagi_x64_result_float(e, ins->dst), a = wagi_x64_use_float(e, ins->a, XMM_A);
    switch (ins->op) {
    case WAGI_IR_FABS:
        wagi_x64_sse_const(e, X64_0F | 0x54, d, a, all_but_sign(ins->type), 16);
        break;
    case WAGI_IR_FNEG:
        wagi_x64_sse_const(e, X64_0F | 0x57, d, a, sign_bit(ins->type), 16);
        break;
    case WAGI_IR_FSQRT:
        wagi_x64_sse(e, wagi_x64_float_form(ins->type, 0x51), d, a, a, true);
        break;
    default: {
        static const uint8_t modes[] = {10, 9, 11, 8}; /* FCEIL FFLOOR FTRUNC FNEAREST */
        uint32_t form = X64_0F3A | X64_66 | (ins->type == WAGI_TY_F64 ? 0x0B : 0x0A);
        wagi_x64_sse(e, form, d, a, a, true);
        wagi_x64_u8(&e->code, modes[ins->op - WAGI_IR_FCEIL]);
    }
    }
    wagi_x64_put_float(e, ins->dst, d);
}

/* ---- conversions ---- */

/* cvtsi2ss/sd: the destination's upper bits come from a register that nobody waits for. */
static void from_int(wagi_x64_emitter *e, unsigned to, int d, int reg, bool is_64)
{
    uint32_t form = wagi_x64_float_form(to, 0x2A) | (is_64 ? X64_W : 0);
    if (e->features & X64_HAS_AVX) {
        wagi_x64_vrr(&e->code, X64_0F | 0x57, XMM_B, XMM_B, XMM_B);
        wagi_x64_vrr(&e->code, form, d, XMM_B, reg);
    } else {
        wagi_x64_rr(&e->code, X64_0F | 0x57, d, d);
        wagi_x64_rr(&e->code, form, d, reg);
    }
}

/* A u64 with the top bit set: half of it, the lost bit kept sticky, doubled. */
static void from_u64(wagi_x64_emitter *e, unsigned to, int d, uint32_t v)
{
    wagi_x64_move(e, RAX, wagi_x64_use(e, v, RAX));
    wagi_x64_rr(&e->code, X64_W | 0x85, RAX, RAX);
    size_t large = wagi_x64_jump_short(e, CC_S);
    from_int(e, to, d, RAX, true);
    size_t done = wagi_x64_jump_short(e, -1);
    wagi_x64_bind_short(e, large);
    wagi_x64_rr(&e->code, 0x8B, RDX, RAX);
    wagi_x64_alu_imm_reg(&e->code, 4, RDX, 1, false);
    wagi_x64_rr(&e->code, X64_W | 0xD1, 5, RAX);
    wagi_x64_rr(&e->code, X64_W | 0x0B, RAX, RDX);
    from_int(e, to, d, RAX, true);
    wagi_x64_sse(e, wagi_x64_float_form(to, 0x58), d, d, d, true);
    wagi_x64_bind_short(e, done);
}

static void convert(wagi_x64_emitter *e, const wagi_ins *ins)
{
    unsigned to = wagi_x64_vreg(e, ins->dst)->type;
    int d = wagi_x64_result_float(e, ins->dst);
    if (ins->op == WAGI_IR_CVT_F) {
        int a = wagi_x64_use_float(e, ins->a, XMM_A);
        wagi_x64_sse(e, wagi_x64_float_form(ins->type, 0x5A), d, a, a, true);
    } else if (ins->op == WAGI_IR_CVT_U && ins->type == WAGI_TY_I64) {
        from_u64(e, to, d, ins->a);
    } else { /* an i32 is zero-extended: unsigned, it is a 64-bit integer */
        bool is_64 = ins->type == WAGI_TY_I64 || ins->op == WAGI_IR_CVT_U;
        from_int(e, to, d, wagi_x64_use(e, ins->a, RAX), is_64);
    }
    wagi_x64_put_float(e, ins->dst, d);
}

static void reinterpret(wagi_x64_emitter *e, const wagi_ins *ins)
{
    if (wagi_ty_is_float(ins->type)) {
        int d = wagi_x64_result(e, ins->dst), a = wagi_x64_xmm(e, ins->a);
        uint32_t w = ins->type == WAGI_TY_F64 ? X64_W : 0;
        if (a >= 0)
            wagi_x64_sse_2(e, w | X64_0F | X64_66 | 0x7E, a, d);
        else
            wagi_x64_rm(&e->code, w | 0x8B, d, wagi_x64_slot(e, ins->a));
        wagi_x64_put(e, ins->dst, d);
    } else {
        int d = wagi_x64_result_float(e, ins->dst), a = wagi_x64_use(e, ins->a, RAX);
        wagi_x64_sse_2(e, wagi_x64_w(ins->type) | X64_0F | X64_66 | 0x6E, d, a);
        wagi_x64_put_float(e, ins->dst, d);
    }
}

/* cvtts*2si rax, xmm */
static void to_int(wagi_x64_emitter *e, unsigned type, int xmm, bool is_64)
{
    wagi_x64_sse_2(e, wagi_x64_float_form(type, 0x2C) | (is_64 ? X64_W : 0), RAX, xmm);
}

static void compare_const(wagi_x64_emitter *e, unsigned type, int a, double value)
{
    uint64_t bits;
    if (type == WAGI_TY_F64) {
        memcpy(&bits, &value, 8);
    } else {
        float single = (float)value;
        uint32_t bits_32;
        memcpy(&bits_32, &single, 4);
        bits = bits_32;
    }
    wagi_x64_sse_mem(e, wagi_x64_packed_form(type, 0x2E), a, wagi_x64_at(X64_RIP, 0));
    wagi_x64_const_operand(e, bits, 8, 0);
}

/* The trap for a value that has no integer: NaN is another one. */
static void trap_not_an_int(wagi_x64_emitter *e, unsigned type, int a, int overflow)
{
    size_t fine = wagi_x64_jump_short(e, overflow ^ 1);
    compare_floats(e, type, a, a);
    wagi_x64_trap_if(e, CC_P, WAG_INVALID_CONVERSION);
    wagi_x64_trap_if(e, CC_NP, WAG_INTEGER_OVERFLOW);
    wagi_x64_bind_short(e, fine);
}

static void truncate_to_i32(wagi_x64_emitter *e, const wagi_ins *ins, int a)
{
    /* Through 64 bits: what does not survive the way down is out of range (as are NaN and huge values: 2^63). */
    to_int(e, ins->type, a, true);
    if (ins->sub & 1)
        wagi_x64_rr(&e->code, X64_W | 0x63, RDX, RAX);
    else
        wagi_x64_rr(&e->code, 0x8B, RDX, RAX);
    wagi_x64_rr(&e->code, X64_W | 0x3B, RAX, RDX);
    trap_not_an_int(e, ins->type, a, CC_NE);
    wagi_x64_rr(&e->code, 0x8B, RAX, RAX);
}

static void truncate_to_s64(wagi_x64_emitter *e, const wagi_ins *ins, int a)
{
    to_int(e, ins->type, a, true);
    wagi_x64_alu_imm_reg(&e->code, 7, RAX, 1, true); /* overflows for -2^63 only, which stands for failure too */
    size_t fine = wagi_x64_jump_short(e, CC_NO);
    compare_const(e, ins->type, a, -0x1p63);
    size_t is_lowest = wagi_x64_jump_short(e, CC_NE);
    size_t not_nan = wagi_x64_jump_short(e, CC_NP);
    wagi_x64_bind_short(e, is_lowest);
    compare_floats(e, ins->type, a, a);
    wagi_x64_trap_if(e, CC_P, WAG_INVALID_CONVERSION);
    wagi_x64_trap_if(e, CC_NP, WAG_INTEGER_OVERFLOW);
    wagi_x64_bind_short(e, not_nan);
    wagi_x64_bind_short(e, fine);
}

static void truncate_to_u64(wagi_x64_emitter *e, const wagi_ins *ins, int a)
{
    compare_const(e, ins->type, a, 0x1p63);
    size_t large = wagi_x64_jump_short(e, CC_AE); /* NaN: below */
    to_int(e, ins->type, a, true);
    wagi_x64_rr(&e->code, X64_W | 0x85, RAX, RAX);
    trap_not_an_int(e, ins->type, a, CC_S); /* below 0 */
    size_t done = wagi_x64_jump_short(e, -1);
    wagi_x64_bind_short(e, large);
    uint64_t bits = ins->type == WAGI_TY_F64 ? 0x43E0000000000000ull : 0x5F000000ull;
    wagi_x64_sse_const(e, wagi_x64_float_form(ins->type, 0x5C), XMM_B, a, bits, 8);
    to_int(e, ins->type, XMM_B, true);
    wagi_x64_rr(&e->code, X64_W | 0x85, RAX, RAX);
    wagi_x64_trap_if(e, CC_S, WAG_INTEGER_OVERFLOW);
    wagi_x64_rr(&e->code, X64_W | X64_0F | 0xBA, 7, RAX); /* btc rax, 63 */
    wagi_x64_u8(&e->code, 63);
    wagi_x64_bind_short(e, done);
}

static void truncate(wagi_x64_emitter *e, const wagi_ins *ins)
{
    int a = wagi_x64_use_float(e, ins->a, XMM_A);
    if (!(ins->sub & 2))
        truncate_to_i32(e, ins, a);
    else if (ins->sub & 1)
        truncate_to_s64(e, ins, a);
    else
        truncate_to_u64(e, ins, a);
    wagi_x64_put(e, ins->dst, RAX);
}

/* Saturating: the plain instruction where it is exact, the bound elsewhere, 0 for NaN. rax has the result. */
static void saturate_signed(wagi_x64_emitter *e, const wagi_ins *ins, int a, bool is_64)
{
    double above = is_64 ? 0x1p63 : 0x1p31;
    compare_floats(e, ins->type, a, a);
    size_t number = wagi_x64_jump_short(e, CC_NP);
    wagi_x64_rr(&e->code, 0x33, RAX, RAX);
    size_t done = wagi_x64_jump_short(e, -1);
    wagi_x64_bind_short(e, number);
    compare_const(e, ins->type, a, above);
    size_t below = wagi_x64_jump_short(e, CC_B);
    wagi_x64_mov_imm(&e->code, RAX, is_64 ? INT64_MAX : INT32_MAX, is_64);
    size_t done_2 = wagi_x64_jump_short(e, -1);
    wagi_x64_bind_short(e, below); /* failure gives the lowest value, as saturation below does */
    to_int(e, ins->type, a, is_64);
    wagi_x64_bind_short(e, done);
    wagi_x64_bind_short(e, done_2);
}

static void saturate_unsigned(wagi_x64_emitter *e, const wagi_ins *ins, int a, bool is_64)
{
    /* 0 unless above 0, which NaN is not */
    wagi_x64_rr(&e->code, 0x33, RAX, RAX);
    compare_const(e, ins->type, a, 0);
    size_t zero = wagi_x64_jump_short(e, CC_BE);
    compare_const(e, ins->type, a, is_64 ? 0x1p64 : 0x1p32);
    size_t below = wagi_x64_jump_short(e, CC_B);
    wagi_x64_mov_imm(&e->code, RAX, is_64 ? UINT64_MAX : UINT32_MAX, is_64);
    size_t done = wagi_x64_jump_short(e, -1);
    wagi_x64_bind_short(e, below);
    size_t done_2 = 0;
    if (is_64) {
        compare_const(e, ins->type, a, 0x1p63);
        size_t small = wagi_x64_jump_short(e, CC_B);
        uint64_t bits = ins->type == WAGI_TY_F64 ? 0x43E0000000000000ull : 0x5F000000ull;
        wagi_x64_sse_const(e, wagi_x64_float_form(ins->type, 0x5C), XMM_B, a, bits, 8);
        to_int(e, ins->type, XMM_B, true);
        wagi_x64_rr(&e->code, X64_W | X64_0F | 0xBA, 7, RAX);
        wagi_x64_u8(&e->code, 63);
        done_2 = wagi_x64_jump_short(e, -1);
        wagi_x64_bind_short(e, small);
    }
    to_int(e, ins->type, a, true);
    wagi_x64_bind_short(e, zero);
    wagi_x64_bind_short(e, done);
    if (done_2)
        wagi_x64_bind_short(e, done_2);
}

static void truncate_sat(wagi_x64_emitter *e, const wagi_ins *ins)
{
    int a = wagi_x64_use_float(e, ins->a, XMM_A);
    bool is_64 = ins->sub & 2;
    if (ins->sub & 1)
        saturate_signed(e, ins, a, is_64);
    else
        saturate_unsigned(e, ins, a, is_64);
    wagi_x64_put(e, ins->dst, RAX);
}

bool wagi_x64_emit_float(wagi_x64_emitter *e, const wagi_ins *ins)
{
    switch (ins->op) {
    case WAGI_IR_FADD:
    case WAGI_IR_FSUB:
    case WAGI_IR_FMUL:
    case WAGI_IR_FDIV:
        arithmetic(e, ins);
        return true;
    case WAGI_IR_FMIN:
    case WAGI_IR_FMAX:
        minimum(e, ins);
        return true;
    case WAGI_IR_FCOPYSIGN:
        copy_sign(e, ins);
        return true;
    case WAGI_IR_FABS:
    case WAGI_IR_FNEG:
    case WAGI_IR_FCEIL:
    case WAGI_IR_FFLOOR:
    case WAGI_IR_FTRUNC:
    case WAGI_IR_FNEAREST:
    case WAGI_IR_FSQRT:
        float_unary(e, ins);
        return true;
    case WAGI_IR_CVT_S:
    case WAGI_IR_CVT_U:
    case WAGI_IR_CVT_F:
        convert(e, ins);
        return true;
    case WAGI_IR_BITS:
        reinterpret(e, ins);
        return true;
    case WAGI_IR_TRUNC:
        truncate(e, ins);
        return true;
    case WAGI_IR_TRUNC_SAT:
        truncate_sat(e, ins);
        return true;
    default:
        return false;
    }
}

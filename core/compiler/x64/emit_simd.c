/* Emission of vector ops: operands and temporaries, the table, and what is one or two instructions. */
#include "compiler/x64/emit_simd.h"

/* ---- instructions ---- */

static bool has_avx(const vector *v)
{
    return v->e->features & X64_HAS_AVX;
}

/* Below rsp: [-16] .. [-96] the registers put aside, [-112] a second operand. Signal handlers leave 128 bytes alone. */
#define SECOND_DISP (-112)

static void memory_operand(vector *v, uint32_t form, int d, int x, vector_rm y, int imm)
{
    wagi_x64_emitter *e = v->e;
    wagi_x64_mem mem = y.is_const ? wagi_x64_at(X64_RIP, 0) : y.mem;
    if (has_avx(v))
        wagi_x64_vrm(&e->code, form, d, x, mem);
    else
        wagi_x64_rm(&e->code, form, d, mem);
    if (y.is_const)
        wagi_x64_vector_operand(e, y.low, y.high, imm >= 0);
    if (imm >= 0)
        wagi_x64_u8(&e->code, (unsigned)imm);
}

void wagi_vx_op_imm(vector *v, uint32_t form, int d, int x, vector_rm y, int imm)
{
    wagi_x64_emitter *e = v->e;
    if (!has_avx(v)) {
        if (y.reg == d && x != d) {
            y = (vector_rm){.reg = -1, .mem = wagi_x64_at(RSP, SECOND_DISP)};
            wagi_x64_store_float(e, WAGI_TY_V128, d, y.mem);
        }
        wagi_x64_move_float(e, d, x);
    }
    if (y.reg < 0) {
        memory_operand(v, form, d, x, y, imm);
        return;
    }
    if (has_avx(v))
        wagi_x64_vrr(&e->code, form, d, x, y.reg);
    else
        wagi_x64_rr(&e->code, form, d, y.reg);
    if (imm >= 0)
        wagi_x64_u8(&e->code, (unsigned)imm);
}

void wagi_vx_op(vector *v, uint32_t form, int d, int x, vector_rm y)
{
    wagi_vx_op_imm(v, form, d, x, y, -1);
}

void wagi_vx_op_1_imm(vector *v, uint32_t form, int d, vector_rm y, int imm)
{
    if (y.reg < 0) {
        memory_operand(v, form, d, 0, y, imm);
        return;
    }
    wagi_x64_sse_2(v->e, form, d, y.reg);
    if (imm >= 0)
        wagi_x64_u8(&v->e->code, (unsigned)imm);
}

void wagi_vx_op_1(vector *v, uint32_t form, int d, vector_rm y)
{
    wagi_vx_op_1_imm(v, form, d, y, -1);
}

void wagi_vx_shift(vector *v, uint32_t form, int d, int x, unsigned count)
{
    unsigned kind = form >> 4 & 15; /* F left, D right, E right with the sign */
    int digit = kind == 0xF ? 6 : kind == 0xD ? 2 : 4;
    uint32_t by_constant = P(0x70 | (form & 15));
    if (has_avx(v)) {
        wagi_x64_vrr(&v->e->code, by_constant, digit, d, x);
    } else {
        wagi_x64_move_float(v->e, d, x);
        wagi_x64_rr(&v->e->code, by_constant, digit, d);
    }
    wagi_x64_u8(&v->e->code, count);
}

void wagi_vx_from_int(vector *v, int d, int reg, bool is_64)
{
    wagi_x64_sse_2(v->e, (is_64 ? X64_W : 0) | P(0x6E), d, reg);
}

void wagi_vx_put_int(vector *v, int reg)
{
    wagi_x64_put(v->e, v->ins->dst, reg);
}

void wagi_x64_vector_const(wagi_x64_emitter *e, int d, uint64_t low, uint64_t high)
{
    if ((low | high) == 0) {
        wagi_x64_sse(e, PXOR, d, d, d, true);
    } else if ((low & high) == UINT64_MAX) {
        wagi_x64_sse(e, P(0x76), d, d, d, true);
    } else {
        wagi_x64_sse_mem(e, PS(0x28), d, wagi_x64_at(X64_RIP, 0));
        wagi_x64_vector_operand(e, low, high, 0);
    }
}

/* ---- operands ---- */

static int take(vector *v, int reg)
{
    v->taken |= 1u << reg;
    return reg;
}

static vector_rm operand(vector *v, uint32_t vreg)
{
    int reg = wagi_x64_xmm(v->e, vreg);
    if (reg >= 0)
        return in_reg(take(v, reg));
    if (wagi_x64_is_held(v->e, vreg))
        return in_reg(take(v, XMM_B));
    return (vector_rm){.reg = -1, .mem = wagi_x64_slot(v->e, vreg)};
}

static vector_rm constant_operand(const vector *v)
{
    const wagi_ir_const *constant = &v->e->ir->consts.p[v->ins->imm];
    return in_pool(constant->bits, constant->high);
}

int wagi_vx_first(vector *v)
{
    return take(v, wagi_x64_use_float(v->e, v->ins->a, XMM_A));
}

vector_rm wagi_vx_first_rm(vector *v)
{
    return operand(v, v->ins->a);
}

int wagi_vx_second(vector *v)
{
    if (v->ins->flags & WAGI_INS_IMM) {
        vector_rm constant = constant_operand(v);
        wagi_x64_vector_const(v->e, XMM_B, constant.low, constant.high);
        return take(v, XMM_B);
    }
    return take(v, wagi_x64_use_float(v->e, v->ins->b, XMM_B));
}

vector_rm wagi_vx_second_rm(vector *v)
{
    return v->ins->flags & WAGI_INS_IMM ? constant_operand(v) : operand(v, v->ins->b);
}

int wagi_vx_third(vector *v)
{
    int reg = wagi_x64_xmm(v->e, v->ins->c);
    if (reg >= 0)
        return take(v, reg);
    reg = wagi_vx_temp(v);
    wagi_x64_load_float(v->e, WAGI_TY_V128, reg, wagi_x64_slot(v->e, v->ins->c));
    return reg;
}

/* ---- temporaries ---- */

static uint32_t used_xmm(const wagi_x64_emitter *e)
{
    uint32_t used = 1u << 31;
    for (size_t i = 0; i < e->ir->vregs.n; i++) {
        int home = e->ir->vregs.p[i].home;
        if (home >= WAGI_FLOAT_REG)
            used |= 1u << (home - WAGI_FLOAT_REG);
    }
    for (size_t i = 0; i < e->homes->caches.n; i++) {
        int reg = e->homes->caches.p[i].reg;
        if (reg >= WAGI_FLOAT_REG)
            used |= 1u << (reg - WAGI_FLOAT_REG);
    }
    return used;
}

static wagi_x64_mem aside(unsigned index)
{
    return wagi_x64_at(RSP, -16 * ((int32_t)index + 1));
}

/* Operands must have been taken before. */
int wagi_vx_temp(vector *v)
{
    static const uint8_t scratch[] = {XMM_B, XMM_A};
    for (int i = 0; i < 2; i++)
        if (!(v->taken >> scratch[i] & 1))
            return take(v, scratch[i]);
    if (!v->e->used_xmm)
        v->e->used_xmm = used_xmm(v->e);
    for (int reg = 0; reg < XMM_A; reg++)
        if (!((v->e->used_xmm | v->taken) >> reg & 1))
            return take(v, reg);
    int reg = XMM_A - 1;
    while ((v->taken >> reg & 1) || reg == v->d)
        reg--;
    wagi_x64_store_float(v->e, WAGI_TY_V128, reg, aside(v->borrowed_count));
    v->borrowed[v->borrowed_count++] = reg;
    return take(v, reg);
}

int wagi_vx_zero(vector *v)
{
    int t = wagi_vx_temp(v);
    wagi_x64_vector_const(v->e, t, 0, 0);
    return t;
}

/* ---- one or two instructions ---- */

typedef enum constant { NO_CONSTANT, ONES, ONE_8, ONE_16, SIGN_32, SIGN_64, NO_SIGN_32, NO_SIGN_64 } constant;

static vector_rm constant_of(uint32_t arg)
{
    static const uint64_t words[] = {
        [ONES] = UINT64_MAX,
        [ONE_8] = 0x0101010101010101,
        [ONE_16] = 0x0001000100010001,
        [SIGN_32] = 0x8000000080000000,
        [SIGN_64] = 0x8000000000000000,
        [NO_SIGN_32] = 0x7FFFFFFF7FFFFFFF,
        [NO_SIGN_64] = 0x7FFFFFFFFFFFFFFF,
    };
    return in_pool_2(words[arg]);
}

void wagi_x64_v_binary(vector *v)
{
    int a = wagi_vx_first(v);
    wagi_vx_op(v, v->row->form, v->d, a, wagi_vx_second_rm(v));
}

void wagi_x64_v_binary_imm(vector *v)
{
    int a = wagi_vx_first(v);
    wagi_vx_op_imm(v, v->row->form, v->d, a, wagi_vx_second_rm(v), (int)v->row->arg);
}

/* With the operands the other way round. */
void wagi_x64_v_swapped(vector *v)
{
    int b = wagi_vx_second(v);
    wagi_vx_op(v, v->row->form, v->d, b, wagi_vx_first_rm(v));
}

/* Which operand is the first one is all the same: not the one in memory. */
void wagi_x64_v_commutes(vector *v)
{
    bool swaps = !(v->ins->flags & WAGI_INS_IMM) && wagi_x64_xmm(v->e, v->ins->a) < 0;
    if (swaps && wagi_x64_xmm(v->e, v->ins->b) >= 0)
        wagi_x64_v_swapped(v);
    else
        wagi_x64_v_binary(v);
}

void wagi_x64_v_swapped_imm(vector *v)
{
    int b = wagi_vx_second(v);
    wagi_vx_op_imm(v, v->row->form, v->d, b, wagi_vx_first_rm(v), (int)v->row->arg);
}

void wagi_x64_v_binary_not(vector *v)
{
    int a = wagi_vx_first(v);
    vector_rm b = wagi_vx_second_rm(v);
    int t = wagi_vx_temp(v);
    wagi_vx_op(v, v->row->form, t, a, b);
    wagi_vx_op(v, PXOR, v->d, t, constant_of(ONES));
}

void wagi_x64_v_swapped_not(vector *v)
{
    int b = wagi_vx_second(v);
    vector_rm a = wagi_vx_first_rm(v);
    int t = wagi_vx_temp(v);
    wagi_vx_op(v, v->row->form, t, b, a);
    wagi_vx_op(v, PXOR, v->d, t, constant_of(ONES));
}

/* The larger or smaller one is the second: at most or at least. */
void wagi_x64_v_extreme_eq(vector *v)
{
    int a = wagi_vx_first(v);
    vector_rm b = wagi_vx_second_rm(v);
    int t = wagi_vx_temp(v);
    wagi_vx_op(v, v->row->form, t, a, b);
    wagi_vx_op(v, v->row->arg, v->d, t, b);
}

void wagi_x64_v_extreme_ne(vector *v)
{
    int a = wagi_vx_first(v);
    vector_rm b = wagi_vx_second_rm(v);
    int t = wagi_vx_temp(v);
    wagi_vx_op(v, v->row->form, t, a, b);
    wagi_vx_op(v, v->row->arg, t, t, b);
    wagi_vx_op(v, PXOR, v->d, t, constant_of(ONES));
}

void wagi_x64_v_unary(vector *v)
{
    wagi_vx_op_1(v, v->row->form, v->d, wagi_vx_first_rm(v));
}

void wagi_x64_v_unary_imm(vector *v)
{
    wagi_vx_op_1_imm(v, v->row->form, v->d, wagi_vx_first_rm(v), (int)v->row->arg);
}

void wagi_x64_v_binary_const(vector *v)
{
    wagi_vx_op(v, v->row->form, v->d, wagi_vx_first(v), constant_of(v->row->arg));
}

void wagi_x64_v_const_binary(vector *v)
{
    vector_rm a = wagi_vx_first_rm(v), constant = constant_of(v->row->arg);
    int t = wagi_vx_temp(v);
    wagi_x64_vector_const(v->e, t, constant.low, constant.high);
    wagi_vx_op(v, v->row->form, v->d, t, a);
}

void wagi_x64_v_negate(vector *v)
{
    vector_rm a = wagi_vx_first_rm(v);
    wagi_vx_op(v, v->row->form, v->d, wagi_vx_zero(v), a);
}

void wagi_x64_v_bitselect(vector *v)
{
    int a = wagi_vx_first(v);
    vector_rm b = wagi_vx_second_rm(v);
    int c = wagi_vx_third(v), t = wagi_vx_temp(v), u = wagi_vx_temp(v);
    wagi_vx_op(v, PAND, t, c, in_reg(a));
    wagi_vx_op(v, PANDN, u, c, b);
    wagi_vx_op(v, POR, v->d, t, in_reg(u));
}

void wagi_x64_v_multiply_add(vector *v)
{
    uint32_t add = v->row->form - 1; /* 58 add, 59 mul */
    int a = wagi_vx_first(v);
    vector_rm b = wagi_vx_second_rm(v);
    int c = wagi_vx_third(v), t = wagi_vx_temp(v);
    if (v->row->arg) {
        wagi_vx_op(v, PS(0x57), t, a, constant_of(v->row->arg));
        a = t;
    }
    wagi_vx_op(v, v->row->form, t, a, b);
    wagi_vx_op(v, add, v->d, t, in_reg(c));
}

void wagi_x64_v_extend_high_s(vector *v)
{
    vector_rm a = wagi_vx_first_rm(v);
    int t = wagi_vx_temp(v);
    wagi_vx_op_1_imm(v, PSHUFD, t, a, 0xEE);
    wagi_vx_op_1(v, v->row->form, v->d, in_reg(t));
}

void wagi_x64_v_extend_high_u(vector *v)
{
    int a = wagi_vx_first(v);
    wagi_vx_op(v, v->row->form, v->d, a, in_reg(wagi_vx_zero(v)));
}

void wagi_x64_v_shift(vector *v)
{
    unsigned mask = (8u << (v->row->form & 15)) - 1; /* 1: 16 bits */
    int a = wagi_vx_first(v);
    if (v->ins->flags & WAGI_INS_IMM) {
        wagi_vx_shift(v, v->row->form, v->d, a, (unsigned)v->ins->imm & mask);
        return;
    }
    int t = wagi_vx_temp(v);
    wagi_x64_move(v->e, RAX, wagi_x64_use(v->e, v->ins->b, RAX));
    wagi_x64_alu_imm_reg(&v->e->code, 4, RAX, (int32_t)mask, false);
    wagi_vx_from_int(v, t, RAX, false);
    wagi_vx_op(v, v->row->form, v->d, a, in_reg(t));
}

/* ---- tests ---- */

void wagi_x64_test_vector(wagi_x64_emitter *e, uint32_t vreg)
{
    int a = wagi_x64_use_float(e, vreg, XMM_A);
    if (e->features & X64_HAS_SSE41) {
        wagi_x64_sse_2(e, P38(0x17), a, a); /* ptest */
        return;
    }
    wagi_x64_rr(&e->code, PXOR, XMM_B, XMM_B);
    wagi_x64_rr(&e->code, P(0x74), XMM_B, a);
    wagi_x64_rr(&e->code, P(0xD7), RAX, XMM_B);
    wagi_x64_alu_imm_reg(&e->code, 7, RAX, 0xFFFF, false);
}

void wagi_x64_v_bitmask(vector *v)
{
    int d = wagi_x64_result(v->e, v->ins->dst);
    wagi_x64_sse_2(v->e, v->row->form, d, wagi_vx_first(v));
    wagi_vx_put_int(v, d);
}

void wagi_x64_v_bitmask_16(vector *v)
{
    int a = wagi_vx_first(v), t = wagi_vx_temp(v);
    wagi_vx_op(v, P(0x63), t, a, in_reg(a));
    wagi_x64_sse_2(v->e, v->row->form, RAX, t);
    wagi_x64_rr(&v->e->code, X64_0F | X64_BYTE_RM | 0xB6, RAX, RAX);
    wagi_vx_put_int(v, RAX);
}

/* ---- loads ---- */

static void load_splat(wagi_x64_emitter *e, unsigned width, int d, wagi_x64_mem mem)
{
    static const uint16_t broadcasts[] = {0x78, 0x79, 0x18};
    bool has_avx2 = e->features & X64_HAS_AVX2;
    if (width == 3) {
        if (e->features & X64_HAS_AVX) { /* movddup */
            wagi_x64_vrm(&e->code, X64_F2 | PS(0x12), d, 0, mem);
        } else {
            wagi_x64_load_float(e, WAGI_TY_F64, d, mem);
            wagi_x64_rr(&e->code, P(0x6C), d, d);
        }
    } else if (has_avx2 || (width == 2 && (e->features & X64_HAS_AVX))) {
        wagi_x64_vrm(&e->code, P38(broadcasts[width]), d, 0, mem);
    } else {
        if (width < 2) {
            wagi_x64_rm(&e->code, X64_0F | (width ? 0xB7 : 0xB6), RAX, mem);
            wagi_x64_sse_2(e, P(0x6E), d, RAX);
        } else {
            wagi_x64_load_float(e, WAGI_TY_F32, d, mem);
        }
        wagi_x64_splat_low(e, width, d);
    }
}

void wagi_x64_splat_low(wagi_x64_emitter *e, unsigned width, int d)
{
    if (width == 0)
        wagi_x64_sse(e, P(0x60), d, d, d, true);
    if (width <= 1) {
        wagi_x64_sse_2(e, X64_F2 | PS(0x70), d, d); /* pshuflw */
        wagi_x64_u8(&e->code, 0);
    }
    wagi_x64_sse_2(e, PSHUFD, d, d);
    wagi_x64_u8(&e->code, width == 3 ? 0x44 : 0);
}

static void load_extended(wagi_x64_emitter *e, unsigned width, bool is_signed, int d, wagi_x64_mem mem)
{
    static const uint8_t extensions[] = {0x20, 0x23, 0x25};
    if (e->features & X64_HAS_SSE41) {
        wagi_x64_sse_mem(e, P38(extensions[width] | (is_signed ? 0 : 0x10u)), d, mem);
        return;
    }
    wagi_x64_load_float(e, WAGI_TY_F64, d, mem);
    if (!is_signed || width == 2) {
        int other = d == XMM_A ? XMM_B : XMM_A;
        wagi_x64_rr(&e->code, PXOR, other, other);
        if (is_signed)
            wagi_x64_rr(&e->code, P(0x66), other, d); /* the signs */
        wagi_x64_rr(&e->code, PUNPCKL(width), d, other);
        return;
    }
    wagi_x64_rr(&e->code, PUNPCKL(width), d, d);
    wagi_x64_rr(&e->code, P(0x71 + width), 4, d); /* psraw, psrad */
    wagi_x64_u8(&e->code, 8u << width);
}

void wagi_x64_load_vector(wagi_x64_emitter *e, unsigned access, int d, wagi_x64_mem mem)
{
    switch (access) {
    case WAGI_ACCESS_F32:
        wagi_x64_load_float(e, WAGI_TY_F32, d, mem);
        return;
    case WAGI_ACCESS_F64:
        wagi_x64_load_float(e, WAGI_TY_F64, d, mem);
        return;
    case WAGI_ACCESS_V128:
        wagi_x64_load_float(e, WAGI_TY_V128, d, mem);
        return;
    default:
        break;
    }
    if (access >= WAGI_ACCESS_SPLAT8)
        load_splat(e, access - WAGI_ACCESS_SPLAT8, d, mem);
    else
        load_extended(e, (access - WAGI_ACCESS_8X8_S) / 2, (access - WAGI_ACCESS_8X8_S) % 2 == 0, d, mem);
}

/* ---- the table ---- */

#define SSE41 X64_HAS_SSE41
#define SSE42 X64_HAS_SSE42
static const vector_row rows[WAGI_VECTOR_COUNT] = {
#define V(op, emit, form, arg, needs) [WAGI_OP_##op - WAGI_VECTOR_FIRST] = {wagi_x64_v_##emit, form, arg, needs},
#include "compiler/x64/emit_simd.def"
#undef V
};
#undef SSE41
#undef SSE42

bool wagi_x64_has_vector(unsigned vector, uint32_t features)
{
    return rows[vector].emit && !(rows[vector].needs & ~features);
}

bool wagi_x64_emit_vector(wagi_x64_emitter *e, const wagi_ins *ins)
{
    if (ins->op != WAGI_IR_VECTOR && ins->op != WAGI_IR_VECTOR_3)
        return false;
    bool to_xmm = wagi_ty_is_float(wagi_x64_vreg(e, ins->dst)->type);
    vector v = {.e = e, .ins = ins, .row = &rows[ins->sub], .d = to_xmm ? wagi_x64_result_float(e, ins->dst) : -1};
    v.row->emit(&v);
    if (to_xmm)
        wagi_x64_put_float(e, ins->dst, v.d);
    for (unsigned i = 0; i < v.borrowed_count; i++)
        wagi_x64_load_float(e, WAGI_TY_V128, v.borrowed[i], aside(i));
    return true;
}

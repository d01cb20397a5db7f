/* Emission of vector ops that take several instructions to compute. */
#include "compiler/x64/emit_simd.h"

#define BYTES(x) (0x0101010101010101u * (uint64_t)(x))
#define WORDS(x) (0x0001000100010001u * (uint64_t)(x))
#define DWORDS(x) (0x0000000100000001u * (uint64_t)(x))

enum { PSLLW = P(0xF1), PSRLW = P(0xD1), PSRAW = P(0xE1), PSRLD = P(0xD2), PSRLQ = P(0xD3), PSLLQ = P(0xF3) };
enum { PADDB = P(0xFC), PADDD = P(0xFE), PADDQ = P(0xD4), PMADDWD = P(0xF5), PACKSSWB = P(0x63), PACKUSWB = P(0x67) };

static void load_const(vector *v, int d, uint64_t word)
{
    wagi_x64_vector_const(v->e, d, word, word);
}

/* ---- shifts ---- */

/* eax = the count modulo the lanes' width */
static void count_to_eax(vector *v, int32_t mask)
{
    wagi_x64_move(v->e, RAX, wagi_x64_use(v->e, v->ins->b, RAX));
    wagi_x64_alu_imm_reg(&v->e->code, 4, RAX, mask, false);
}

static void shift_8_by_constant(vector *v, int a, unsigned count)
{
    int t = wagi_vx_temp(v);
    if (v->row->form == PSRAW) {
        int u = wagi_vx_temp(v);
        wagi_vx_op(v, PUNPCKL(0), t, a, in_reg(a));
        wagi_vx_op(v, PUNPCKH(0), u, a, in_reg(a));
        wagi_vx_shift(v, PSRAW, t, t, count + 8);
        wagi_vx_shift(v, PSRAW, u, u, count + 8);
        wagi_vx_op(v, PACKSSWB, v->d, t, in_reg(u));
        return;
    }
    wagi_vx_shift(v, v->row->form, t, a, count);
    unsigned kept = v->row->form == PSLLW ? 0xFF << count & 0xFF : 0xFFu >> count;
    wagi_vx_op(v, PAND, v->d, t, in_pool_2(BYTES(kept)));
}

/* There are no shifts of bytes: shift words, without or after clearing what would cross a border. */
void wagi_x64_v_shift_8(vector *v)
{
    int a = wagi_vx_first(v);
    if (v->ins->flags & WAGI_INS_IMM) {
        shift_8_by_constant(v, a, (unsigned)v->ins->imm & 7);
        return;
    }
    wagi_x64_buffer *code = &v->e->code;
    int count = wagi_vx_temp(v), t = wagi_vx_temp(v);
    count_to_eax(v, 7);
    wagi_x64_alu_imm_reg(code, 0, RAX, 8, false);
    wagi_vx_from_int(v, count, RAX, false);
    if (v->row->form == PSRAW) {
        int u = wagi_vx_temp(v);
        wagi_vx_op(v, PUNPCKL(0), t, a, in_reg(a));
        wagi_vx_op(v, PUNPCKH(0), u, a, in_reg(a));
        wagi_vx_op(v, PSRAW, t, t, in_reg(count));
        wagi_vx_op(v, PSRAW, u, u, in_reg(count));
        wagi_vx_op(v, PACKSSWB, v->d, t, in_reg(u));
        return;
    }
    load_const(v, t, UINT64_MAX);
    wagi_vx_op(v, PSRLW, t, t, in_reg(count)); /* 0xFF >> count in each word */
    wagi_vx_op(v, PACKUSWB, t, t, in_reg(t));
    wagi_x64_alu_imm_reg(code, 5, RAX, 8, false);
    wagi_vx_from_int(v, count, RAX, false);
    if (v->row->form == PSLLW) {
        wagi_vx_op(v, PAND, t, t, in_reg(a));
        wagi_vx_op(v, PSLLW, v->d, t, in_reg(count));
    } else {
        wagi_vx_op(v, PSRLW, count, a, in_reg(count));
        wagi_vx_op(v, PAND, v->d, t, in_reg(count));
    }
}

/* The sign bit goes right with the others; xor and minus extend it. */
void wagi_x64_v_shift_right_64(vector *v)
{
    int a = wagi_vx_first(v), t = wagi_vx_temp(v), sign = wagi_vx_temp(v);
    if (v->ins->flags & WAGI_INS_IMM) {
        unsigned count = (unsigned)v->ins->imm & 63;
        wagi_vx_shift(v, PSRLQ, t, a, count);
        load_const(v, sign, 0x8000000000000000u >> count);
    } else {
        count_to_eax(v, 63);
        wagi_vx_from_int(v, t, RAX, false);
        load_const(v, sign, 0x8000000000000000u);
        wagi_vx_op(v, PSRLQ, sign, sign, in_reg(t));
        wagi_vx_op(v, PSRLQ, t, a, in_reg(t));
    }
    wagi_vx_op(v, PXOR, t, t, in_reg(sign));
    wagi_vx_op(v, P(0xFB), v->d, t, in_reg(sign));
}

/* ---- integers ---- */

void wagi_x64_v_popcnt(vector *v)
{
    int a = wagi_vx_first(v), low = wagi_vx_temp(v), high = wagi_vx_temp(v), counts = wagi_vx_temp(v);
    wagi_vx_op(v, PAND, low, a, in_pool_2(BYTES(0x0F)));
    wagi_vx_shift(v, PSRLW, high, a, 4);
    wagi_vx_op(v, PAND, high, high, in_pool_2(BYTES(0x0F)));
    wagi_x64_vector_const(v->e, counts, 0x0302020102010100, 0x0403030203020201);
    wagi_vx_op(v, PSHUFB, low, counts, in_reg(low));
    wagi_vx_op(v, PSHUFB, high, counts, in_reg(high));
    wagi_vx_op(v, PADDB, v->d, low, in_reg(high));
}

void wagi_x64_v_abs_64(vector *v)
{
    int a = wagi_vx_first(v), sign = wagi_vx_temp(v), t = wagi_vx_temp(v);
    wagi_vx_op_1_imm(v, PSHUFD, sign, in_reg(a), 0xF5);
    wagi_vx_shift(v, P(0xE2), sign, sign, 31);
    wagi_vx_op(v, PXOR, t, a, in_reg(sign));
    wagi_vx_op(v, P(0xFB), v->d, t, in_reg(sign));
}

/* low * low + ((high * low + low * high) << 32) */
void wagi_x64_v_multiply_64(vector *v)
{
    int a = wagi_vx_first(v), b = wagi_vx_second(v), t = wagi_vx_temp(v), u = wagi_vx_temp(v);
    wagi_vx_shift(v, PSRLQ, t, a, 32);
    wagi_vx_op(v, v->row->form, t, t, in_reg(b));
    wagi_vx_shift(v, PSRLQ, u, b, 32);
    wagi_vx_op(v, v->row->form, u, u, in_reg(a));
    wagi_vx_op(v, PADDQ, t, t, in_reg(u));
    wagi_vx_shift(v, PSLLQ, t, t, 32);
    wagi_vx_op(v, v->row->form, u, a, in_reg(b));
    wagi_vx_op(v, PADDQ, v->d, t, in_reg(u));
}

/* The higher half of x as signed words. */
static void extend_high_8(vector *v, int d, int x)
{
    wagi_vx_op(v, PUNPCKH(0), d, x, in_reg(x));
    wagi_vx_shift(v, PSRAW, d, d, 8);
}

void wagi_x64_v_extmul_8(vector *v)
{
    bool high = v->row->arg & 1, is_unsigned = v->row->arg & 2;
    int a = wagi_vx_first(v), b = wagi_vx_second(v), t = wagi_vx_temp(v), u = wagi_vx_temp(v);
    if (!high) {
        wagi_vx_op_1(v, P38(is_unsigned ? 0x30 : 0x20), t, in_reg(a));
        wagi_vx_op_1(v, P38(is_unsigned ? 0x30 : 0x20), u, in_reg(b));
    } else if (is_unsigned) {
        load_const(v, u, 0);
        wagi_vx_op(v, PUNPCKH(0), t, a, in_reg(u));
        wagi_vx_op(v, PUNPCKH(0), u, b, in_reg(u));
    } else {
        extend_high_8(v, t, a);
        extend_high_8(v, u, b);
    }
    wagi_vx_op(v, v->row->form, v->d, t, in_reg(u));
}

/* Lower and higher halves of the products, put together. */
void wagi_x64_v_extmul_16(vector *v)
{
    int a = wagi_vx_first(v);
    vector_rm b = wagi_vx_second_rm(v);
    int t = wagi_vx_temp(v), u = wagi_vx_temp(v);
    wagi_vx_op(v, P(0xD5), t, a, b);
    wagi_vx_op(v, v->row->form, u, a, b);
    wagi_vx_op(v, v->row->arg ? PUNPCKH(1) : PUNPCKL(1), v->d, t, in_reg(u));
}

void wagi_x64_v_extmul_32(vector *v)
{
    vector_rm a = wagi_vx_first_rm(v), b = wagi_vx_second_rm(v);
    int t = wagi_vx_temp(v), u = wagi_vx_temp(v);
    wagi_vx_op_1_imm(v, PSHUFD, t, a, (int)v->row->arg);
    wagi_vx_op_1_imm(v, PSHUFD, u, b, (int)v->row->arg);
    wagi_vx_op(v, v->row->form, v->d, t, in_reg(u));
}

/* As signed: each word 2^15 too low, each sum 2^16. */
void wagi_x64_v_extadd_16_u(vector *v)
{
    int a = wagi_vx_first(v), t = wagi_vx_temp(v);
    wagi_vx_op(v, PXOR, t, a, in_pool_2(WORDS(0x8000)));
    wagi_vx_op(v, PMADDWD, t, t, in_pool_2(WORDS(1)));
    wagi_vx_op(v, PADDD, v->d, t, in_pool_2(DWORDS(0x10000)));
}

/* -1 * -1 comes out as -1. */
void wagi_x64_v_q15mulr(vector *v)
{
    int a = wagi_vx_first(v);
    vector_rm b = wagi_vx_second_rm(v);
    int t = wagi_vx_temp(v), u = wagi_vx_temp(v);
    wagi_vx_op(v, v->row->form, t, a, b);
    wagi_vx_op(v, P(0x75), u, t, in_pool_2(WORDS(0x8000)));
    wagi_vx_op(v, PXOR, v->d, t, in_reg(u));
}

/* Products of signed bytes, in pairs, saturated to 16 bits; arg: these in pairs, and the third operand. */
void wagi_x64_v_dot_8(vector *v)
{
    int a = wagi_vx_first(v), b = wagi_vx_second(v), c = v->row->arg ? wagi_vx_third(v) : -1;
    int t = wagi_vx_temp(v), u = wagi_vx_temp(v), w = wagi_vx_temp(v);
    wagi_vx_op_1(v, P38(0x20), t, in_reg(a));
    wagi_vx_op_1(v, P38(0x20), u, in_reg(b));
    wagi_vx_op(v, v->row->form, t, t, in_reg(u));
    extend_high_8(v, u, a);
    extend_high_8(v, w, b);
    wagi_vx_op(v, v->row->form, u, u, in_reg(w));
    if (!v->row->arg) {
        wagi_vx_op(v, P(0x6B), v->d, t, in_reg(u));
        return;
    }
    wagi_vx_op(v, P(0x6B), t, t, in_reg(u));
    wagi_vx_op(v, PMADDWD, t, t, in_pool_2(WORDS(1)));
    wagi_vx_op(v, PADDD, v->d, t, in_reg(c));
}

/* ---- floats ---- */

/* minps gives its second operand for NaN and for zeros of either sign. Both ways round and joined (arg: or, and) the
 * zeros are right; where an operand is NaN the sum is taken instead, which is what the scalar op gives. */
void wagi_x64_v_extreme(vector *v)
{
    uint32_t pd = v->row->form & X64_66;
    int a = wagi_vx_first(v), b = wagi_vx_second(v);
    int t = wagi_vx_temp(v), u = wagi_vx_temp(v), nan = wagi_vx_temp(v);
    wagi_vx_op(v, v->row->form, t, a, in_reg(b));
    wagi_vx_op(v, v->row->form, u, b, in_reg(a));
    wagi_vx_op(v, v->row->arg, t, t, in_reg(u));
    wagi_vx_op_imm(v, pd | PS(0xC2), nan, a, in_reg(b), 3); /* unordered */
    wagi_vx_op(v, pd | PS(0x58), u, a, in_reg(b));
    if (v->e->features & X64_HAS_AVX) {
        wagi_x64_vrr(&v->e->code, pd ? P3A(0x4B) : P3A(0x4A), v->d, t, u); /* vblendv */
        wagi_x64_u8(&v->e->code, (unsigned)nan << 4);
        return;
    }
    wagi_vx_op(v, PAND, u, u, in_reg(nan));
    wagi_vx_op(v, PANDN, nan, nan, in_reg(t));
    wagi_vx_op(v, POR, v->d, nan, in_reg(u));
}

#define F32_2_31 DWORDS(0x4F000000)

/* What is too large comes out as 0x80000000, one less than what it should be. */
void wagi_x64_v_trunc_f32_s(vector *v)
{
    int a = wagi_vx_first(v), t = wagi_vx_temp(v), u = wagi_vx_temp(v);
    wagi_vx_op_imm(v, PS(0xC2), t, a, in_reg(a), 0); /* not NaN */
    wagi_vx_op(v, PAND, t, t, in_reg(a));
    wagi_vx_op_imm(v, PS(0xC2), u, t, in_pool_2(F32_2_31), 5); /* at least 2^31 */
    wagi_vx_op_1(v, X64_F3 | PS(0x5B), t, in_reg(t));
    wagi_vx_op(v, PXOR, v->d, t, in_reg(u));
}

/* The integer of x, where it is below 2^31, else 0x80000000; to which the integer of x - 2^31 is added. */
void wagi_x64_v_trunc_f32_u(vector *v)
{
    int a = wagi_vx_first(v), t = wagi_vx_temp(v), u = wagi_vx_temp(v), large = wagi_vx_temp(v);
    wagi_vx_op(v, PS(0x5F), t, a, in_pool_2(0)); /* NaN too becomes 0 */
    wagi_vx_op(v, PS(0x5C), u, t, in_pool_2(F32_2_31));
    wagi_vx_op_imm(v, PS(0xC2), large, u, in_pool_2(F32_2_31), 5);
    wagi_vx_op_1(v, X64_F3 | PS(0x5B), u, in_reg(u));
    wagi_vx_op(v, PXOR, u, u, in_reg(large));
    wagi_vx_op(v, P38(0x3D), u, u, in_pool_2(0));
    wagi_vx_op_1(v, X64_F3 | PS(0x5B), t, in_reg(t));
    wagi_vx_op(v, PADDD, v->d, t, in_reg(u));
}

void wagi_x64_v_trunc_f64_s(vector *v)
{
    int a = wagi_vx_first(v), t = wagi_vx_temp(v);
    wagi_vx_op_imm(v, P(0xC2), t, a, in_reg(a), 0);
    wagi_vx_op(v, PAND, t, t, in_pool_2(0x41DFFFFFFFC00000)); /* 2^31 - 1, or 0 for NaN */
    wagi_vx_op(v, P(0x5D), t, a, in_reg(t));
    wagi_vx_op_1(v, P(0xE6), v->d, in_reg(t));
}

/* In the low half of the mantissa of 2^52 + x. */
void wagi_x64_v_trunc_f64_u(vector *v)
{
    int a = wagi_vx_first(v), t = wagi_vx_temp(v), zero = wagi_vx_zero(v);
    wagi_vx_op(v, P(0x5F), t, a, in_reg(zero));
    wagi_vx_op(v, P(0x5D), t, t, in_pool_2(0x41EFFFFFFFE00000)); /* 2^32 - 1 */
    wagi_vx_op_1_imm(v, P3A(0x09), t, in_reg(t), 11);
    wagi_vx_op(v, P(0x58), t, t, in_pool_2(0x4330000000000000));
    wagi_vx_op_imm(v, PS(0xC6), v->d, t, in_reg(zero), 0x88);
}

/* Two halves, each exact; the sum is rounded once. */
void wagi_x64_v_convert_u32(vector *v)
{
    int a = wagi_vx_first(v), t = wagi_vx_temp(v), u = wagi_vx_temp(v);
    wagi_vx_shift(v, PSRLD, t, a, 16);
    wagi_vx_op_1(v, v->row->form, t, in_reg(t));
    wagi_vx_op(v, PS(0x59), t, t, in_pool_2(DWORDS(0x47800000))); /* 65536 */
    wagi_vx_op(v, PAND, u, a, in_pool_2(DWORDS(0xFFFF)));
    wagi_vx_op_1(v, v->row->form, u, in_reg(u));
    wagi_vx_op(v, PS(0x58), v->d, t, in_reg(u));
}

void wagi_x64_v_convert_u32_f64(vector *v)
{
    int a = wagi_vx_first(v), t = wagi_vx_temp(v);
    wagi_vx_op(v, PS(0x14), t, a, in_pool_2(DWORDS(0x43300000)));
    wagi_vx_op(v, v->row->form, v->d, t, in_pool_2(0x4330000000000000));
}

/* Emission of vector ops that move lanes: splat, extract, replace, shuffle, swizzle. */
#include "compiler/x64/emit_simd.h"

/* arg of the rows: log2 of the lane's bytes, float, signed */
enum { WIDTH = 3, IS_FLOAT = 4, IS_SIGNED = 8, NO_LANE = 0x80 };

static bool has(const vector *v, uint32_t feature)
{
    return v->e->features & feature;
}

/* ---- splat ---- */

static void splat_float(vector *v)
{
    int a = wagi_vx_first(v);
    if ((v->row->arg & WIDTH) == 2) {
        if (has(v, X64_HAS_AVX2))
            wagi_vx_op_1(v, P38(0x18), v->d, in_reg(a)); /* vbroadcastss */
        else
            wagi_vx_op_1_imm(v, PSHUFD, v->d, in_reg(a), 0);
    } else {
        if (has(v, X64_HAS_AVX))
            wagi_vx_op_1(v, X64_F2 | PS(0x12), v->d, in_reg(a)); /* movddup */
        else
            wagi_vx_op_1_imm(v, PSHUFD, v->d, in_reg(a), 0x44);
    }
}

void wagi_x64_v_splat(vector *v)
{
    static const uint8_t broadcasts[] = {0x78, 0x79, 0x58, 0x59};
    unsigned width = v->row->arg & WIDTH;
    if (v->row->arg & IS_FLOAT) {
        splat_float(v);
        return;
    }
    wagi_vx_from_int(v, v->d, wagi_x64_use(v->e, v->ins->a, RAX), width == 3);
    if (has(v, X64_HAS_AVX2))
        wagi_vx_op_1(v, P38(broadcasts[width]), v->d, in_reg(v->d));
    else
        wagi_x64_splat_low(v->e, width, v->d);
}

/* ---- one lane ---- */

static void extract_float(vector *v, unsigned lane)
{
    int a = wagi_vx_first(v);
    if (lane == 0)
        wagi_x64_move_float(v->e, v->d, a);
    else
        wagi_vx_op_1_imm(v, PSHUFD, v->d, in_reg(a), (v->row->arg & WIDTH) == 2 ? (int)lane : 0xEE);
}

static void extract_narrow(vector *v, int d, int a, unsigned lane)
{
    unsigned width = v->row->arg & WIDTH;
    bool is_signed = v->row->arg & IS_SIGNED, by_words = width == 0 && !has(v, X64_HAS_SSE41);
    wagi_x64_buffer *code = &v->e->code;
    if (width == 0 && !by_words)
        wagi_x64_sse_2(v->e, v->row->form, a, d);
    else
        wagi_x64_sse_2(v->e, P(0xC5), d, a);
    wagi_x64_u8(code, by_words ? lane / 2 : lane);
    if (by_words && lane % 2) {
        wagi_x64_rr(code, 0xC1, 5, d);
        wagi_x64_u8(code, 8);
    }
    if (is_signed || by_words)
        wagi_x64_rr(code, X64_0F | (width ? 0x07 : X64_BYTE_RM | 0x06) | (is_signed ? 0xB8 : 0xB0), d, d);
}

static void extract_wide(vector *v, int d, int a, unsigned lane)
{
    bool is_64 = (v->row->arg & WIDTH) == 3;
    if (lane && has(v, X64_HAS_SSE41)) {
        wagi_x64_sse_2(v->e, v->row->form, a, d);
        wagi_x64_u8(&v->e->code, lane);
        return;
    }
    if (lane) {
        int t = wagi_vx_temp(v);
        wagi_vx_op_1_imm(v, PSHUFD, t, in_reg(a), is_64 ? 0xEE : (int)lane);
        a = t;
    }
    wagi_x64_sse_2(v->e, (is_64 ? X64_W : 0) | P(0x7E), a, d);
}

void wagi_x64_v_extract(vector *v)
{
    unsigned lane = (unsigned)v->ins->imm;
    if (v->row->arg & IS_FLOAT) {
        extract_float(v, lane);
        return;
    }
    int a = wagi_vx_first(v), d = wagi_x64_result(v->e, v->ins->dst);
    if ((v->row->arg & WIDTH) < 2)
        extract_narrow(v, d, a, lane);
    else
        extract_wide(v, d, a, lane);
    wagi_vx_put_int(v, d);
}

void wagi_x64_v_replace(vector *v)
{
    unsigned lane = (unsigned)v->ins->imm;
    int a = wagi_vx_first(v);
    if (v->row->arg == (IS_FLOAT | 2)) {
        wagi_vx_op_imm(v, v->row->form, v->d, a, wagi_vx_second_rm(v), (int)(lane << 4));
    } else if (v->row->arg & IS_FLOAT) {
        int b = wagi_vx_second(v);
        if (lane)
            wagi_vx_op(v, P(0x14), v->d, a, in_reg(b));
        else if (has(v, X64_HAS_AVX))
            wagi_vx_op(v, X64_F2 | PS(0x10), v->d, a, in_reg(b)); /* movsd merges, from a register */
        else
            wagi_vx_op_imm(v, P(0xC6), v->d, b, in_reg(a), 2); /* shufpd */
    } else {
        int b = wagi_x64_use(v->e, v->ins->b, RAX);
        if (has(v, X64_HAS_AVX)) {
            wagi_x64_vrr(&v->e->code, v->row->form, v->d, a, b);
        } else {
            wagi_x64_move_float(v->e, v->d, a);
            wagi_x64_rr(&v->e->code, v->row->form, v->d, b);
        }
        wagi_x64_u8(&v->e->code, lane);
    }
}

/* ---- shuffles: what one instruction can do, else pshufb of each operand ---- */

static uint64_t word_of(const uint8_t *bytes)
{
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++)
        word |= (uint64_t)bytes[i] << 8 * i;
    return word;
}

/* The lanes of `size` bytes that the shuffle moves as wholes: their numbers. False when it breaks some up. */
static bool wide_lanes(const uint8_t *lanes, unsigned size, uint8_t *ret_wide)
{
    for (unsigned i = 0; i < 16; i++) {
        if (lanes[i] % size != i % size || lanes[i] / size != lanes[i / size * size] / size || lanes[i] == NO_LANE)
            return false;
        ret_wide[i / size] = lanes[i] / size;
    }
    return true;
}

/* Consecutive lanes, beginning at the result. -1: not. */
static int first_of_run(const uint8_t *lanes, unsigned modulus)
{
    for (unsigned i = 1; i < 16; i++)
        if (lanes[i] != (lanes[0] + i) % modulus)
            return -1;
    return lanes[0];
}

static int four(const uint8_t *wide, unsigned mask)
{
    int imm = 0;
    for (unsigned i = 0; i < 4; i++)
        imm |= (int)((wide[i] & mask) << 2 * i);
    return imm;
}

/* 16-bit lanes that stay in their half, one of which stays as it is. */
static bool shuffle_half(vector *v, int a, const uint8_t *wide)
{
    bool low_stays = true, high_stays = true, low_own = true, high_own = true;
    for (unsigned i = 0; i < 4; i++) {
        low_stays &= wide[i] == i;
        high_stays &= wide[4 + i] == 4 + i;
        low_own &= wide[i] < 4;
        high_own &= wide[4 + i] >= 4;
    }
    if (high_stays && low_own)
        wagi_vx_op_1_imm(v, X64_F2 | PS(0x70), v->d, in_reg(a), four(wide, 3));
    else if (low_stays && high_own)
        wagi_vx_op_1_imm(v, X64_F3 | PS(0x70), v->d, in_reg(a), four(wide + 4, 3));
    else
        return false;
    return true;
}

static void shuffle_one(vector *v, int a, const uint8_t *lanes)
{
    uint8_t wide[16];
    int run = first_of_run(lanes, 16);
    if (run == 0)
        wagi_x64_move_float(v->e, v->d, a);
    else if (wide_lanes(lanes, 4, wide))
        wagi_vx_op_1_imm(v, PSHUFD, v->d, in_reg(a), four(wide, 3));
    else if (wide_lanes(lanes, 2, wide) && shuffle_half(v, a, wide))
        return;
    else if (run > 0)
        wagi_vx_op_imm(v, P3A(0x0F), v->d, a, in_reg(a), run);
    else
        wagi_vx_op(v, PSHUFB, v->d, a, in_pool(word_of(lanes), word_of(lanes + 8)));
}

/* Lanes of a and b in turn, from the lower or the higher halves. */
static bool shuffle_unpack(vector *v, int a, int b, const uint8_t *lanes)
{
    for (unsigned width = 0; width < 4; width++)
        for (unsigned high = 0; high < 2; high++) {
            bool forward = true, backward = true;
            for (unsigned i = 0; i < 16; i++) {
                unsigned lane = i >> width, from = ((lane / 2) << width) + (i & ((1u << width) - 1)) + 8 * high;
                forward &= lanes[i] == from + 16 * (lane % 2);
                backward &= lanes[i] == from + 16 * (1 - lane % 2);
            }
            if (!forward && !backward)
                continue;
            wagi_vx_op(v, high ? PUNPCKH(width) : PUNPCKL(width), v->d, forward ? a : b, in_reg(forward ? b : a));
            return true;
        }
    return false;
}

static bool shuffle_blend(vector *v, int a, int b, const uint8_t *lanes)
{
    int imm = 0;
    for (unsigned i = 0; i < 16; i++) {
        if (lanes[i] % 16 != i || lanes[i] / 16 != lanes[i & ~1u] / 16)
            return false;
        imm |= (lanes[i] >= 16) << i / 2;
    }
    wagi_vx_op_imm(v, P3A(0x0E), v->d, a, in_reg(b), imm);
    return true;
}

/* Two lanes of 32 bits of one operand, then two of one operand. */
static bool shuffle_pairs(vector *v, int a, int b, const uint8_t *lanes)
{
    uint8_t wide[16];
    if (!wide_lanes(lanes, 4, wide) || wide[0] / 4 != wide[1] / 4 || wide[2] / 4 != wide[3] / 4)
        return false;
    wagi_vx_op_imm(v, PS(0xC6), v->d, wide[0] < 4 ? a : b, in_reg(wide[2] < 4 ? a : b), four(wide, 3));
    return true;
}

static void shuffle_two(vector *v, int a, int b, const uint8_t *lanes)
{
    int run = first_of_run(lanes, 32);
    if (shuffle_unpack(v, a, b, lanes) || shuffle_blend(v, a, b, lanes))
        return;
    if (run >= 0) { /* palignr: the operand at the lower end comes second */
        wagi_vx_op_imm(v, P3A(0x0F), v->d, run < 16 ? b : a, in_reg(run < 16 ? a : b), run & 15);
        return;
    }
    if (shuffle_pairs(v, a, b, lanes))
        return;
    uint8_t of_a[16], of_b[16];
    for (unsigned i = 0; i < 16; i++) {
        of_a[i] = lanes[i] < 16 ? lanes[i] : NO_LANE;
        of_b[i] = lanes[i] < 16 ? NO_LANE : lanes[i] - 16;
    }
    int t = wagi_vx_temp(v), u = wagi_vx_temp(v);
    wagi_vx_op(v, PSHUFB, t, a, in_pool(word_of(of_a), word_of(of_a + 8)));
    wagi_vx_op(v, PSHUFB, u, b, in_pool(word_of(of_b), word_of(of_b + 8)));
    wagi_vx_op(v, POR, v->d, t, in_reg(u));
}

void wagi_x64_v_shuffle(vector *v)
{
    const wagi_ir_const *constant = &v->e->ir->consts.p[v->ins->imm];
    uint8_t lanes[16];
    for (unsigned i = 0; i < 16; i++)
        lanes[i] = (uint8_t)((i < 8 ? constant->bits : constant->high) >> 8 * (i & 7));
    int a = wagi_vx_first(v);
    if (v->ins->b == WAGI_NIL)
        shuffle_one(v, a, lanes);
    else
        shuffle_two(v, a, wagi_vx_second(v), lanes);
}

/* pshufb looks at the top bit and the lowest four: adding 0x70 with saturation sets the top bit of what is above 15. */
void wagi_x64_v_swizzle(vector *v)
{
    int a = wagi_vx_first(v);
    if (v->ins->flags & WAGI_INS_IMM) {
        vector_rm lanes = wagi_vx_second_rm(v);
        for (unsigned i = 0; i < 64; i += 8) {
            lanes.low |= (uint64_t)((lanes.low >> i & 0xF0) ? NO_LANE : 0) << i;
            lanes.high |= (uint64_t)((lanes.high >> i & 0xF0) ? NO_LANE : 0) << i;
        }
        wagi_vx_op(v, PSHUFB, v->d, a, lanes);
        return;
    }
    int b = wagi_vx_second(v), t = wagi_vx_temp(v);
    wagi_vx_op(v, P(0xDC), t, b, in_pool_2(0x7070707070707070));
    wagi_vx_op(v, PSHUFB, v->d, a, in_reg(t));
}

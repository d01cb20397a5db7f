/* The meaning of the vector ops on integer lanes (v128.h). p and q are the operands' lanes, i is the result's lane. */
#ifndef WAGI_OPS_V128_INT_H
#define WAGI_OPS_V128_INT_H

#include "ops/v128_lanes.h"

static inline int32_t v128_clamp(int32_t x, int32_t lowest, int32_t highest)
{
    return x < lowest ? lowest : x > highest ? highest : x;
}

/* ---- every shape; u and s are its lanes, unsigned and signed ---- */

#define V128_INT(shape, u, s)                                                                                          \
    V128_BINARY(shape##_eq, u, u, -(p.x[i] == q.x[i]))                                                                 \
    V128_BINARY(shape##_ne, u, u, -(p.x[i] != q.x[i]))                                                                 \
    V128_BINARY(shape##_lt_s, s, u, -(p.x[i] < q.x[i]))                                                                \
    V128_BINARY(shape##_gt_s, s, u, -(p.x[i] > q.x[i]))                                                                \
    V128_BINARY(shape##_le_s, s, u, -(p.x[i] <= q.x[i]))                                                               \
    V128_BINARY(shape##_ge_s, s, u, -(p.x[i] >= q.x[i]))                                                               \
    V128_BINARY(shape##_add, u, u, p.x[i] + q.x[i])                                                                    \
    V128_BINARY(shape##_sub, u, u, p.x[i] - q.x[i])                                                                    \
    V128_UNARY(shape##_neg, u, u, 0u - p.x[i])                                                                         \
    V128_UNARY(shape##_abs, u, u, (v128_##s##_lane)p.x[i] < 0 ? 0u - p.x[i] : p.x[i])                                  \
    static inline uint32_t v128_##shape##_all_true(wagi_v128 v)                                                        \
    {                                                                                                                  \
        v128_##u p = v128_to_##u(v);                                                                                   \
        bool all = true;                                                                                               \
        for (unsigned i = 0; i < V128_COUNT(p); i++)                                                                   \
            all &= p.x[i] != 0;                                                                                        \
        return all;                                                                                                    \
    }                                                                                                                  \
    static inline uint32_t v128_##shape##_bitmask(wagi_v128 v)                                                         \
    {                                                                                                                  \
        v128_##s p = v128_to_##s(v);                                                                                   \
        uint32_t mask = 0;                                                                                             \
        for (unsigned i = 0; i < V128_COUNT(p); i++)                                                                   \
            mask |= (uint32_t)(p.x[i] < 0) << i;                                                                       \
        return mask;                                                                                                   \
    }
V128_INT(i8x16, u8, i8)
V128_INT(i16x8, u16, i16)
V128_INT(i32x4, u32, i32)
V128_INT(i64x2, u64, i64)
#undef V128_INT

/* The count is taken modulo the lane's width. */
#define V128_SHIFT(op, lane, expression)                                                                               \
    static inline wagi_v128 v128_##op(wagi_v128 v, uint32_t count)                                                     \
    {                                                                                                                  \
        v128_##lane p = v128_to_##lane(v);                                                                             \
        count &= (uint32_t)sizeof p.x[0] * 8 - 1;                                                                      \
        for (unsigned i = 0; i < V128_COUNT(p); i++)                                                                   \
            p.x[i] = (v128_##lane##_lane)(expression);                                                                 \
        return v128_of_##lane(p);                                                                                      \
    }
V128_SHIFT(i8x16_shl, u8, p.x[i] << count)
V128_SHIFT(i8x16_shr_s, i8, p.x[i] >> count)
V128_SHIFT(i8x16_shr_u, u8, p.x[i] >> count)
V128_SHIFT(i16x8_shl, u16, p.x[i] << count)
V128_SHIFT(i16x8_shr_s, i16, p.x[i] >> count)
V128_SHIFT(i16x8_shr_u, u16, p.x[i] >> count)
V128_SHIFT(i32x4_shl, u32, p.x[i] << count)
V128_SHIFT(i32x4_shr_s, i32, p.x[i] >> count)
V128_SHIFT(i32x4_shr_u, u32, p.x[i] >> count)
V128_SHIFT(i64x2_shl, u64, p.x[i] << count)
V128_SHIFT(i64x2_shr_s, i64, p.x[i] >> count)
V128_SHIFT(i64x2_shr_u, u64, p.x[i] >> count)
#undef V128_SHIFT

/* ---- 8, 16 and 32 bits ---- */

#define V128_ORDER(shape, u, s)                                                                                        \
    V128_BINARY(shape##_lt_u, u, u, -(p.x[i] < q.x[i]))                                                                \
    V128_BINARY(shape##_gt_u, u, u, -(p.x[i] > q.x[i]))                                                                \
    V128_BINARY(shape##_le_u, u, u, -(p.x[i] <= q.x[i]))                                                               \
    V128_BINARY(shape##_ge_u, u, u, -(p.x[i] >= q.x[i]))                                                               \
    V128_BINARY(shape##_min_s, s, s, p.x[i] < q.x[i] ? p.x[i] : q.x[i])                                                \
    V128_BINARY(shape##_min_u, u, u, p.x[i] < q.x[i] ? p.x[i] : q.x[i])                                                \
    V128_BINARY(shape##_max_s, s, s, p.x[i] > q.x[i] ? p.x[i] : q.x[i])                                                \
    V128_BINARY(shape##_max_u, u, u, p.x[i] > q.x[i] ? p.x[i] : q.x[i])
V128_ORDER(i8x16, u8, i8)
V128_ORDER(i16x8, u16, i16)
V128_ORDER(i32x4, u32, i32)
#undef V128_ORDER

/* ---- 8 and 16 bits: the sums and products fit 32 ---- */

#define V128_SATURATE(shape, u, s, lowest, highest, highest_u)                                                         \
    V128_BINARY(shape##_add_sat_s, s, s, v128_clamp(p.x[i] + q.x[i], lowest, highest))                                 \
    V128_BINARY(shape##_add_sat_u, u, u, v128_clamp(p.x[i] + q.x[i], 0, highest_u))                                    \
    V128_BINARY(shape##_sub_sat_s, s, s, v128_clamp(p.x[i] - q.x[i], lowest, highest))                                 \
    V128_BINARY(shape##_sub_sat_u, u, u, v128_clamp(p.x[i] - q.x[i], 0, highest_u))                                    \
    V128_BINARY(shape##_avgr_u, u, u, (p.x[i] + q.x[i] + 1) >> 1)
V128_SATURATE(i8x16, u8, i8, INT8_MIN, INT8_MAX, UINT8_MAX)
V128_SATURATE(i16x8, u16, i16, INT16_MIN, INT16_MAX, UINT16_MAX)
#undef V128_SATURATE

static inline uint8_t v128_popcnt8(uint8_t x)
{
    unsigned n = x - (x >> 1 & 0x55u);
    n = (n & 0x33) + (n >> 2 & 0x33);
    return (uint8_t)((n + (n >> 4)) & 0x0F);
}
V128_UNARY(i8x16_popcnt, u8, u8, v128_popcnt8(p.x[i]))

V128_BINARY(i16x8_mul, u16, u16, (uint32_t)p.x[i] * q.x[i])
V128_BINARY(i32x4_mul, u32, u32, p.x[i] * q.x[i])
V128_BINARY(i64x2_mul, u64, u64, p.x[i] * q.x[i])

/* The product of two numbers of 15 fraction bits, rounded to nearest; only -1 * -1 saturates. */
V128_BINARY(i16x8_q15mulr_sat_s, i16, i16, v128_clamp((p.x[i] * q.x[i] + 0x4000) >> 15, INT16_MIN, INT16_MAX))
/* Unsigned at the end: two times -32768 * -32768 wraps. */
V128_BINARY(i32x4_dot_i16x8_s, i16, u32,
            (uint32_t)(p.x[2 * i] * q.x[2 * i]) + (uint32_t)(p.x[2 * i + 1] * q.x[2 * i + 1]))

/* ---- from one width to another ---- */

/* Lanes of twice the width: from the lower or the higher half, or from pairs. s, u: the narrow lanes; S, U: the wide.
 */
#define V128_WIDEN(wide, narrow, s, u, S, U)                                                                           \
    V128_UNARY(wide##_extend_low_##narrow##_s, s, S, p.x[i])                                                           \
    V128_UNARY(wide##_extend_high_##narrow##_s, s, S, p.x[V128_COUNT(result) + i])                                     \
    V128_UNARY(wide##_extend_low_##narrow##_u, u, U, p.x[i])                                                           \
    V128_UNARY(wide##_extend_high_##narrow##_u, u, U, p.x[V128_COUNT(result) + i])                                     \
    V128_BINARY(wide##_extmul_low_##narrow##_s, s, S, (v128_##S##_lane)p.x[i] * q.x[i])                                \
    V128_BINARY(wide##_extmul_high_##narrow##_s, s, S,                                                                 \
                (v128_##S##_lane)p.x[V128_COUNT(result) + i] * q.x[V128_COUNT(result) + i])                            \
    V128_BINARY(wide##_extmul_low_##narrow##_u, u, U, (v128_##U##_lane)p.x[i] * q.x[i])                                \
    V128_BINARY(wide##_extmul_high_##narrow##_u, u, U,                                                                 \
                (v128_##U##_lane)p.x[V128_COUNT(result) + i] * q.x[V128_COUNT(result) + i])
V128_WIDEN(i16x8, i8x16, i8, u8, i16, u16)
V128_WIDEN(i32x4, i16x8, i16, u16, i32, u32)
V128_WIDEN(i64x2, i32x4, i32, u32, i64, u64)
#undef V128_WIDEN

V128_UNARY(i16x8_extadd_pairwise_i8x16_s, i8, i16, p.x[2 * i] + p.x[2 * i + 1])
V128_UNARY(i16x8_extadd_pairwise_i8x16_u, u8, u16, p.x[2 * i] + p.x[2 * i + 1])
V128_UNARY(i32x4_extadd_pairwise_i16x8_s, i16, i32, p.x[2 * i] + p.x[2 * i + 1])
V128_UNARY(i32x4_extadd_pairwise_i16x8_u, u16, u32, p.x[2 * i] + p.x[2 * i + 1])

/* The operands are signed in both forms; the lower half of the result is the first operand's. */
#define V128_NARROW(op, from, to, lowest, highest)                                                                     \
    V128_BINARY(op, from, to, v128_clamp(i < V128_COUNT(p) ? p.x[i] : q.x[i - V128_COUNT(p)], lowest, highest))
V128_NARROW(i8x16_narrow_i16x8_s, i16, i8, INT8_MIN, INT8_MAX)
V128_NARROW(i8x16_narrow_i16x8_u, i16, u8, 0, UINT8_MAX)
V128_NARROW(i16x8_narrow_i32x4_s, i32, i16, INT16_MIN, INT16_MAX)
V128_NARROW(i16x8_narrow_i32x4_u, i32, u16, 0, UINT16_MAX)
#undef V128_NARROW

#endif

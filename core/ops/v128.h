/* The meaning of every vector op, as pure functions on values: v128_<op> for the op of that name in binary/op.def.
 *
 * The function's type says what the op takes; there is one type for each way to be called (below), so that a use of
 * the whole list can choose by type (_Generic) and needs no list of its own. Scalars travel unsigned, floats as their
 * bits, a lane's number as unsigned; what is wider than a lane is cut off. Accesses to memory get the address of the
 * access, which is inside the memory.
 *
 * NaN: as in num.h. Nothing here traps.
 *
 * Relaxed ops. The specification lets an implementation choose, once, among few behaviours. We take those of its
 * deterministic profile, on every machine and in every tier, so that a program computes the same everywhere:
 *   i8x16.relaxed_swizzle            as swizzle: a lane number of 16 or more gives 0
 *   i32x4.relaxed_trunc_*            as trunc_sat: saturates, 0 for NaN
 *   relaxed_madd, relaxed_nmadd      a * b + c, -(a * b) + c with two roundings, never fused
 *   relaxed_laneselect               as bitselect, bit by bit
 *   relaxed_min, relaxed_max         as min, max
 *   i16x8.relaxed_q15mulr_s          as q15mulr_sat_s
 *   relaxed_dot_i8x16_i7x16_s        both operands signed; sums of two products saturate to 16 bits
 *   relaxed_dot_i8x16_i7x16_add_s    the same, then pairs of the 16-bit sums are added with sign extension, and to c
 */
#ifndef WAGI_OPS_V128_H
#define WAGI_OPS_V128_H

#include "ops/v128_float.h"
#include "ops/v128_int.h"

/* ---- the ways to be called ---- */

typedef wagi_v128 v128_unary(wagi_v128 v);
typedef wagi_v128 v128_binary(wagi_v128 v, wagi_v128 w);
typedef wagi_v128 v128_ternary(wagi_v128 v, wagi_v128 w, wagi_v128 z);
typedef wagi_v128 v128_shift(wagi_v128 v, uint32_t count);
typedef uint32_t v128_test(wagi_v128 v);
typedef wagi_v128 v128_splat32(uint32_t x);
typedef wagi_v128 v128_splat64(uint64_t x);
typedef uint32_t v128_extract32(wagi_v128 v, unsigned lane);
typedef uint64_t v128_extract64(wagi_v128 v, unsigned lane);
typedef wagi_v128 v128_replace32(wagi_v128 v, unsigned lane, uint32_t x);
typedef wagi_v128 v128_replace64(wagi_v128 v, unsigned lane, uint64_t x);
typedef wagi_v128 v128_shuffle(wagi_v128 v, wagi_v128 w, const uint8_t *lanes); /* 16, each below 32 */
typedef wagi_v128 v128_load(const uint8_t *at);                                 /* the constant, too: from its bytes */
typedef void v128_store(uint8_t *at, wagi_v128 v);
typedef wagi_v128 v128_load_lane(const uint8_t *at, wagi_v128 v, unsigned lane);
typedef void v128_store_lane(uint8_t *at, wagi_v128 v, unsigned lane);

/* ---- all 128 bits ---- */

V128_UNARY(v128_not, u64, u64, ~p.x[i])
V128_BINARY(v128_and, u64, u64, p.x[i] & q.x[i])
V128_BINARY(v128_andnot, u64, u64, p.x[i] & ~q.x[i])
V128_BINARY(v128_or, u64, u64, p.x[i] | q.x[i])
V128_BINARY(v128_xor, u64, u64, p.x[i] ^ q.x[i])
V128_TERNARY(v128_bitselect, u64, u64, (p.x[i] & r.x[i]) | (q.x[i] & ~r.x[i]))

static inline uint32_t v128_v128_any_true(wagi_v128 v)
{
    v128_u64 p = v128_to_u64(v);
    return (p.x[0] | p.x[1]) != 0;
}

/* ---- lanes ---- */

#define V128_SPLAT(shape, lane, scalar)                                                                                \
    static inline wagi_v128 v128_##shape##_splat(scalar x)                                                             \
    {                                                                                                                  \
        v128_##lane result;                                                                                            \
        for (unsigned i = 0; i < V128_COUNT(result); i++)                                                              \
            result.x[i] = (v128_##lane##_lane)x;                                                                       \
        return v128_of_##lane(result);                                                                                 \
    }
#define V128_EXTRACT(op, lane_type, scalar, wide)                                                                      \
    static inline scalar v128_##op(wagi_v128 v, unsigned lane)                                                         \
    {                                                                                                                  \
        return (scalar)(wide)v128_to_##lane_type(v).x[lane];                                                           \
    }
#define V128_REPLACE(shape, lane_type, scalar)                                                                         \
    static inline wagi_v128 v128_##shape##_replace_lane(wagi_v128 v, unsigned lane, scalar x)                          \
    {                                                                                                                  \
        v128_##lane_type p = v128_to_##lane_type(v);                                                                   \
        p.x[lane] = (v128_##lane_type##_lane)x;                                                                        \
        return v128_of_##lane_type(p);                                                                                 \
    }
V128_SPLAT(i8x16, u8, uint32_t)
V128_SPLAT(i16x8, u16, uint32_t)
V128_SPLAT(i32x4, u32, uint32_t)
V128_SPLAT(i64x2, u64, uint64_t)
V128_SPLAT(f32x4, u32, uint32_t)
V128_SPLAT(f64x2, u64, uint64_t)
V128_EXTRACT(i8x16_extract_lane_s, i8, uint32_t, int32_t)
V128_EXTRACT(i8x16_extract_lane_u, u8, uint32_t, uint32_t)
V128_EXTRACT(i16x8_extract_lane_s, i16, uint32_t, int32_t)
V128_EXTRACT(i16x8_extract_lane_u, u16, uint32_t, uint32_t)
V128_EXTRACT(i32x4_extract_lane, u32, uint32_t, uint32_t)
V128_EXTRACT(i64x2_extract_lane, u64, uint64_t, uint64_t)
V128_EXTRACT(f32x4_extract_lane, u32, uint32_t, uint32_t)
V128_EXTRACT(f64x2_extract_lane, u64, uint64_t, uint64_t)
V128_REPLACE(i8x16, u8, uint32_t)
V128_REPLACE(i16x8, u16, uint32_t)
V128_REPLACE(i32x4, u32, uint32_t)
V128_REPLACE(i64x2, u64, uint64_t)
V128_REPLACE(f32x4, u32, uint32_t)
V128_REPLACE(f64x2, u64, uint64_t)
#undef V128_SPLAT
#undef V128_EXTRACT
#undef V128_REPLACE

V128_BINARY(i8x16_swizzle, u8, u8, q.x[i] < 16 ? p.x[q.x[i] & 15] : 0)

static inline wagi_v128 v128_i8x16_shuffle(wagi_v128 v, wagi_v128 w, const uint8_t *lanes)
{
    uint8_t both[32];
    wagi_v128 result;
    memcpy(both, &v, 16);
    memcpy(both + 16, &w, 16);
    for (unsigned i = 0; i < 16; i++)
        result.bytes[i] = both[lanes[i] & 31];
    return result;
}

/* ---- memory ---- */

static inline wagi_v128 v128_v128_load(const uint8_t *at)
{
    wagi_v128 v;
    memcpy(&v, at, sizeof v);
    return v;
}
static inline wagi_v128 v128_v128_const(const uint8_t *at)
{
    return v128_v128_load(at);
}
static inline void v128_v128_store(uint8_t *at, wagi_v128 v)
{
    memcpy(at, &v, sizeof v);
}

/* A vector whose lower lanes are the bytes at `at`. */
#define V128_LOW(at, bits) v128_of_u64((v128_u64){{access_load##bits(at), 0}})

static inline wagi_v128 v128_v128_load32_zero(const uint8_t *at)
{
    return V128_LOW(at, 32);
}
static inline wagi_v128 v128_v128_load64_zero(const uint8_t *at)
{
    return V128_LOW(at, 64);
}

#define V128_LOAD_EXTEND(from, op)                                                                                     \
    static inline wagi_v128 v128_v128_load##from(const uint8_t *at)                                                    \
    {                                                                                                                  \
        return v128_##op(V128_LOW(at, 64));                                                                            \
    }
V128_LOAD_EXTEND(8x8_s, i16x8_extend_low_i8x16_s)
V128_LOAD_EXTEND(8x8_u, i16x8_extend_low_i8x16_u)
V128_LOAD_EXTEND(16x4_s, i32x4_extend_low_i16x8_s)
V128_LOAD_EXTEND(16x4_u, i32x4_extend_low_i16x8_u)
V128_LOAD_EXTEND(32x2_s, i64x2_extend_low_i32x4_s)
V128_LOAD_EXTEND(32x2_u, i64x2_extend_low_i32x4_u)
#undef V128_LOAD_EXTEND

#define V128_LANE_ACCESS(bits, shape)                                                                                  \
    static inline wagi_v128 v128_v128_load##bits##_splat(const uint8_t *at)                                            \
    {                                                                                                                  \
        return v128_##shape##_splat(access_load##bits(at));                                                            \
    }                                                                                                                  \
    static inline wagi_v128 v128_v128_load##bits##_lane(const uint8_t *at, wagi_v128 v, unsigned lane)                 \
    {                                                                                                                  \
        return v128_##shape##_replace_lane(v, lane, access_load##bits(at));                                            \
    }                                                                                                                  \
    static inline void v128_v128_store##bits##_lane(uint8_t *at, wagi_v128 v, unsigned lane)                           \
    {                                                                                                                  \
        access_store##bits(at, v128_to_u##bits(v).x[lane]);                                                            \
    }
V128_LANE_ACCESS(8, i8x16)
V128_LANE_ACCESS(16, i16x8)
V128_LANE_ACCESS(32, i32x4)
V128_LANE_ACCESS(64, i64x2)
#undef V128_LANE_ACCESS

/* ---- relaxed ---- */

#define V128_SAME_1(op, as)                                                                                            \
    static inline wagi_v128 v128_##op(wagi_v128 v)                                                                     \
    {                                                                                                                  \
        return v128_##as(v);                                                                                           \
    }
#define V128_SAME_2(op, as)                                                                                            \
    static inline wagi_v128 v128_##op(wagi_v128 v, wagi_v128 w)                                                        \
    {                                                                                                                  \
        return v128_##as(v, w);                                                                                        \
    }
#define V128_SAME_3(op, as)                                                                                            \
    static inline wagi_v128 v128_##op(wagi_v128 v, wagi_v128 w, wagi_v128 z)                                           \
    {                                                                                                                  \
        return v128_##as(v, w, z);                                                                                     \
    }
V128_SAME_2(i8x16_relaxed_swizzle, i8x16_swizzle)
V128_SAME_1(i32x4_relaxed_trunc_f32x4_s, i32x4_trunc_sat_f32x4_s)
V128_SAME_1(i32x4_relaxed_trunc_f32x4_u, i32x4_trunc_sat_f32x4_u)
V128_SAME_1(i32x4_relaxed_trunc_f64x2_s_zero, i32x4_trunc_sat_f64x2_s_zero)
V128_SAME_1(i32x4_relaxed_trunc_f64x2_u_zero, i32x4_trunc_sat_f64x2_u_zero)
V128_SAME_3(i8x16_relaxed_laneselect, v128_bitselect)
V128_SAME_3(i16x8_relaxed_laneselect, v128_bitselect)
V128_SAME_3(i32x4_relaxed_laneselect, v128_bitselect)
V128_SAME_3(i64x2_relaxed_laneselect, v128_bitselect)
V128_SAME_2(f32x4_relaxed_min, f32x4_min)
V128_SAME_2(f32x4_relaxed_max, f32x4_max)
V128_SAME_2(f64x2_relaxed_min, f64x2_min)
V128_SAME_2(f64x2_relaxed_max, f64x2_max)
V128_SAME_2(i16x8_relaxed_q15mulr_s, i16x8_q15mulr_sat_s)
#undef V128_SAME_1
#undef V128_SAME_2
#undef V128_SAME_3

/* Two functions, so that no compiler contracts them into one rounding. */
#define V128_MULTIPLY_ADD(shape)                                                                                       \
    static inline wagi_v128 v128_##shape##_relaxed_madd(wagi_v128 v, wagi_v128 w, wagi_v128 z)                         \
    {                                                                                                                  \
        return v128_##shape##_add(v128_##shape##_mul(v, w), z);                                                        \
    }                                                                                                                  \
    static inline wagi_v128 v128_##shape##_relaxed_nmadd(wagi_v128 v, wagi_v128 w, wagi_v128 z)                        \
    {                                                                                                                  \
        return v128_##shape##_add(v128_##shape##_mul(v128_##shape##_neg(v), w), z);                                    \
    }
V128_MULTIPLY_ADD(f32x4)
V128_MULTIPLY_ADD(f64x2)
#undef V128_MULTIPLY_ADD

V128_BINARY(i16x8_relaxed_dot_i8x16_i7x16_s, i8, i16,
            v128_clamp(p.x[2 * i] * q.x[2 * i] + p.x[2 * i + 1] * q.x[2 * i + 1], INT16_MIN, INT16_MAX))

static inline wagi_v128 v128_i32x4_relaxed_dot_i8x16_i7x16_add_s(wagi_v128 v, wagi_v128 w, wagi_v128 z)
{
    wagi_v128 products = v128_i16x8_relaxed_dot_i8x16_i7x16_s(v, w);
    return v128_i32x4_add(v128_i32x4_extadd_pairwise_i16x8_s(products), z);
}

#endif

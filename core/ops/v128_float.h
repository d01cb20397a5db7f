/* The meaning of the vector ops on float lanes (v128.h): lane by lane that of the scalar op (num.h), with the same
 * rules about NaN. Ops that give an operand's bits (abs, neg, pmin, pmax) work on the bits. p and q are the operands'
 * lanes, i is the result's lane. */
#ifndef WAGI_OPS_V128_FLOAT_H
#define WAGI_OPS_V128_FLOAT_H

#include "ops/num.h"
#include "ops/v128_lanes.h"

/* f: the float lanes; u: their bits. */
#define V128_FLOAT(shape, f, u)                                                                                        \
    V128_BINARY(shape##_eq, f, u, -(p.x[i] == q.x[i]))                                                                 \
    V128_BINARY(shape##_ne, f, u, -(p.x[i] != q.x[i]))                                                                 \
    V128_BINARY(shape##_lt, f, u, -(p.x[i] < q.x[i]))                                                                  \
    V128_BINARY(shape##_gt, f, u, -(p.x[i] > q.x[i]))                                                                  \
    V128_BINARY(shape##_le, f, u, -(p.x[i] <= q.x[i]))                                                                 \
    V128_BINARY(shape##_ge, f, u, -(p.x[i] >= q.x[i]))                                                                 \
    V128_UNARY(shape##_abs, u, u, num_##f##_abs(p.x[i]))                                                               \
    V128_UNARY(shape##_neg, u, u, num_##f##_neg(p.x[i]))                                                               \
    V128_UNARY(shape##_sqrt, f, f, num_##f##_sqrt(p.x[i]))                                                             \
    V128_UNARY(shape##_ceil, f, f, num_##f##_ceil(p.x[i]))                                                             \
    V128_UNARY(shape##_floor, f, f, num_##f##_floor(p.x[i]))                                                           \
    V128_UNARY(shape##_trunc, f, f, num_##f##_trunc(p.x[i]))                                                           \
    V128_UNARY(shape##_nearest, f, f, num_##f##_nearest(p.x[i]))                                                       \
    V128_BINARY(shape##_add, f, f, num_##f##_add(p.x[i], q.x[i]))                                                      \
    V128_BINARY(shape##_sub, f, f, num_##f##_sub(p.x[i], q.x[i]))                                                      \
    V128_BINARY(shape##_mul, f, f, num_##f##_mul(p.x[i], q.x[i]))                                                      \
    V128_BINARY(shape##_div, f, f, num_##f##_div(p.x[i], q.x[i]))                                                      \
    V128_BINARY(shape##_min, f, f, num_##f##_min(p.x[i], q.x[i]))                                                      \
    V128_BINARY(shape##_max, f, f, num_##f##_max(p.x[i], q.x[i]))                                                      \
    /* "Pseudo": the second operand when it is less (greater), else the first one, whatever they are. */               \
    V128_BINARY(shape##_pmin, u, u, num_##f##_of_bits(q.x[i]) < num_##f##_of_bits(p.x[i]) ? q.x[i] : p.x[i])           \
    V128_BINARY(shape##_pmax, u, u, num_##f##_of_bits(p.x[i]) < num_##f##_of_bits(q.x[i]) ? q.x[i] : p.x[i])
V128_FLOAT(f32x4, f32, u32)
V128_FLOAT(f64x2, f64, u64)
#undef V128_FLOAT

/* ---- conversions; those with "zero" give two lanes and two zeros ---- */

V128_UNARY(f32x4_convert_i32x4_s, u32, f32, num_f32_convert_i32_s(p.x[i]))
V128_UNARY(f32x4_convert_i32x4_u, u32, f32, num_f32_convert_i32_u(p.x[i]))
V128_UNARY(f64x2_convert_low_i32x4_s, u32, f64, num_f64_convert_i32_s(p.x[i]))
V128_UNARY(f64x2_convert_low_i32x4_u, u32, f64, num_f64_convert_i32_u(p.x[i]))
V128_UNARY(f64x2_promote_low_f32x4, f32, f64, num_f64_promote_f32(p.x[i]))
V128_UNARY(f32x4_demote_f64x2_zero, f64, f32, i < 2 ? num_f32_demote_f64(p.x[i % 2]) : 0)
V128_UNARY(i32x4_trunc_sat_f32x4_s, f32, u32, num_i32_trunc_sat_f32_s(p.x[i]))
V128_UNARY(i32x4_trunc_sat_f32x4_u, f32, u32, num_i32_trunc_sat_f32_u(p.x[i]))
V128_UNARY(i32x4_trunc_sat_f64x2_s_zero, f64, u32, i < 2 ? num_i32_trunc_sat_f64_s(p.x[i % 2]) : 0)
V128_UNARY(i32x4_trunc_sat_f64x2_u_zero, f64, u32, i < 2 ? num_i32_trunc_sat_f64_u(p.x[i % 2]) : 0)

#endif

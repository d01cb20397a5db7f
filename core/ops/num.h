/* The meaning of every scalar op, as pure functions on values: the interpreter executes them, tests and other tiers are
 * checked against them.
 *
 * Integers travel unsigned; an op with a sign in its name reinterprets its operands. Floats travel as float and double,
 * except where the specification speaks of bits (abs, neg, copysign, reinterpret): those take and give the bits, so
 * that a signalling NaN passes unchanged on every machine. NaN: a function never invents a payload. Where the
 * specification allows any arithmetic NaN, the result is what the machine's arithmetic gives for the operands, quiet.
 * Ops that can trap return WAG_OK or the trap's code, and write *ret_value on WAG_OK only.
 */
#ifndef WAGI_OPS_NUM_H
#define WAGI_OPS_NUM_H

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "waggle/error.h"

_Static_assert(FLT_EVAL_METHOD == 0, "float and double arithmetic must round to their own precision");
_Static_assert(FLT_RADIX == 2 && FLT_MANT_DIG == 24 && DBL_MANT_DIG == 53, "float and double must be IEEE 754");
_Static_assert(sizeof(float) == 4 && sizeof(double) == 8, "float and double must be IEEE 754");
_Static_assert((-1 >> 1) == -1, "right shift of a negative number must be arithmetic");

/* ---- bits ---- */

static inline uint32_t num_f32_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
static inline float num_f32_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
static inline uint64_t num_f64_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
static inline double num_f64_of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* A NaN with its quiet bit set; other values unchanged. */
static inline float num_f32_quiet(float x)
{
    return x != x ? num_f32_of_bits(num_f32_bits(x) | 0x00400000u) : x;
}
static inline double num_f64_quiet(double x)
{
    return x != x ? num_f64_of_bits(num_f64_bits(x) | 0x0008000000000000u) : x;
}

/* ---- integers ---- */

#define NUM_INT(N, S, U, I)                                                                                            \
    static inline uint32_t num_##N##_eqz(U x)                                                                          \
    {                                                                                                                  \
        return x == 0;                                                                                                 \
    }                                                                                                                  \
    static inline uint32_t num_##N##_eq(U x, U y)                                                                      \
    {                                                                                                                  \
        return x == y;                                                                                                 \
    }                                                                                                                  \
    static inline uint32_t num_##N##_ne(U x, U y)                                                                      \
    {                                                                                                                  \
        return x != y;                                                                                                 \
    }                                                                                                                  \
    static inline uint32_t num_##N##_lt_s(U x, U y)                                                                    \
    {                                                                                                                  \
        return (I)x < (I)y;                                                                                            \
    }                                                                                                                  \
    static inline uint32_t num_##N##_lt_u(U x, U y)                                                                    \
    {                                                                                                                  \
        return x < y;                                                                                                  \
    }                                                                                                                  \
    static inline uint32_t num_##N##_gt_s(U x, U y)                                                                    \
    {                                                                                                                  \
        return (I)x > (I)y;                                                                                            \
    }                                                                                                                  \
    static inline uint32_t num_##N##_gt_u(U x, U y)                                                                    \
    {                                                                                                                  \
        return x > y;                                                                                                  \
    }                                                                                                                  \
    static inline uint32_t num_##N##_le_s(U x, U y)                                                                    \
    {                                                                                                                  \
        return (I)x <= (I)y;                                                                                           \
    }                                                                                                                  \
    static inline uint32_t num_##N##_le_u(U x, U y)                                                                    \
    {                                                                                                                  \
        return x <= y;                                                                                                 \
    }                                                                                                                  \
    static inline uint32_t num_##N##_ge_s(U x, U y)                                                                    \
    {                                                                                                                  \
        return (I)x >= (I)y;                                                                                           \
    }                                                                                                                  \
    static inline uint32_t num_##N##_ge_u(U x, U y)                                                                    \
    {                                                                                                                  \
        return x >= y;                                                                                                 \
    }                                                                                                                  \
    static inline U num_##N##_add(U x, U y)                                                                            \
    {                                                                                                                  \
        return x + y;                                                                                                  \
    }                                                                                                                  \
    static inline U num_##N##_sub(U x, U y)                                                                            \
    {                                                                                                                  \
        return x - y;                                                                                                  \
    }                                                                                                                  \
    static inline U num_##N##_mul(U x, U y)                                                                            \
    {                                                                                                                  \
        return x * y;                                                                                                  \
    }                                                                                                                  \
    static inline wag_err num_##N##_div_s(U x, U y, U *ret_value)                                                      \
    {                                                                                                                  \
        if (y == 0)                                                                                                    \
            return WAG_DIVIDE_BY_ZERO;                                                                                 \
        if (x == (U)1 << (S - 1) && y == (U)-1)                                                                        \
            return WAG_INTEGER_OVERFLOW;                                                                               \
        *ret_value = (U)((I)x / (I)y);                                                                                 \
        return WAG_OK;                                                                                                 \
    }                                                                                                                  \
    static inline wag_err num_##N##_div_u(U x, U y, U *ret_value)                                                      \
    {                                                                                                                  \
        if (y == 0)                                                                                                    \
            return WAG_DIVIDE_BY_ZERO;                                                                                 \
        *ret_value = x / y;                                                                                            \
        return WAG_OK;                                                                                                 \
    }                                                                                                                  \
    static inline wag_err num_##N##_rem_s(U x, U y, U *ret_value)                                                      \
    {                                                                                                                  \
        if (y == 0)                                                                                                    \
            return WAG_DIVIDE_BY_ZERO;                                                                                 \
        *ret_value = y == (U)-1 ? 0 : (U)((I)x % (I)y); /* C's INT_MIN % -1 is undefined */                            \
        return WAG_OK;                                                                                                 \
    }                                                                                                                  \
    static inline wag_err num_##N##_rem_u(U x, U y, U *ret_value)                                                      \
    {                                                                                                                  \
        if (y == 0)                                                                                                    \
            return WAG_DIVIDE_BY_ZERO;                                                                                 \
        *ret_value = x % y;                                                                                            \
        return WAG_OK;                                                                                                 \
    }                                                                                                                  \
    static inline U num_##N##_and(U x, U y)                                                                            \
    {                                                                                                                  \
        return x & y;                                                                                                  \
    }                                                                                                                  \
    static inline U num_##N##_or(U x, U y)                                                                             \
    {                                                                                                                  \
        return x | y;                                                                                                  \
    }                                                                                                                  \
    static inline U num_##N##_xor(U x, U y)                                                                            \
    {                                                                                                                  \
        return x ^ y;                                                                                                  \
    }                                                                                                                  \
    static inline U num_##N##_shl(U x, U y)                                                                            \
    {                                                                                                                  \
        return x << (y & (S - 1));                                                                                     \
    }                                                                                                                  \
    static inline U num_##N##_shr_s(U x, U y)                                                                          \
    {                                                                                                                  \
        return (U)((I)x >> (y & (S - 1)));                                                                             \
    }                                                                                                                  \
    static inline U num_##N##_shr_u(U x, U y)                                                                          \
    {                                                                                                                  \
        return x >> (y & (S - 1));                                                                                     \
    }                                                                                                                  \
    static inline U num_##N##_rotl(U x, U y)                                                                           \
    {                                                                                                                  \
        return x << (y & (S - 1)) | x >> ((0 - y) & (S - 1));                                                          \
    }                                                                                                                  \
    static inline U num_##N##_rotr(U x, U y)                                                                           \
    {                                                                                                                  \
        return x >> (y & (S - 1)) | x << ((0 - y) & (S - 1));                                                          \
    }                                                                                                                  \
    static inline U num_##N##_extend8_s(U x)                                                                           \
    {                                                                                                                  \
        return (U)(I)(int8_t)x;                                                                                        \
    }                                                                                                                  \
    static inline U num_##N##_extend16_s(U x)                                                                          \
    {                                                                                                                  \
        return (U)(I)(int16_t)x;                                                                                       \
    }
NUM_INT(i32, 32, uint32_t, int32_t)
NUM_INT(i64, 64, uint64_t, int64_t)
#undef NUM_INT

static inline uint64_t num_i64_extend32_s(uint64_t x)
{
    return (uint64_t)(int64_t)(int32_t)x;
}
static inline uint64_t num_i64_extend_i32_s(uint32_t x)
{
    return (uint64_t)(int64_t)(int32_t)x;
}
static inline uint64_t num_i64_extend_i32_u(uint32_t x)
{
    return x;
}
static inline uint32_t num_i32_wrap_i64(uint64_t x)
{
    return (uint32_t)x;
}

#if defined(__GNUC__)
static inline uint32_t num_i32_clz(uint32_t x)
{
    return x ? (uint32_t)__builtin_clz(x) : 32;
}
static inline uint32_t num_i32_ctz(uint32_t x)
{
    return x ? (uint32_t)__builtin_ctz(x) : 32;
}
static inline uint64_t num_i64_clz(uint64_t x)
{
    return x ? (uint64_t)__builtin_clzll(x) : 64;
}
static inline uint64_t num_i64_ctz(uint64_t x)
{
    return x ? (uint64_t)__builtin_ctzll(x) : 64;
}
#else
static inline uint64_t num_i64_clz(uint64_t x)
{
    uint64_t count = 64;
    for (; x; x >>= 1)
        count--;
    return count;
}
static inline uint64_t num_i64_ctz(uint64_t x)
{
    return x ? 63 - num_i64_clz(x & (0 - x)) : 64;
}
static inline uint32_t num_i32_clz(uint32_t x)
{
    return (uint32_t)num_i64_clz(x) - 32;
}
static inline uint32_t num_i32_ctz(uint32_t x)
{
    return x ? (uint32_t)num_i64_ctz(x) : 32;
}
#endif

/* Counts by halves: without a machine instruction the compiler's builtin is a call. */
static inline uint32_t num_i32_popcnt(uint32_t x)
{
    x -= x >> 1 & 0x55555555u;
    x = (x & 0x33333333u) + (x >> 2 & 0x33333333u);
    return ((x + (x >> 4)) & 0x0F0F0F0Fu) * 0x01010101u >> 24;
}
static inline uint64_t num_i64_popcnt(uint64_t x)
{
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    return ((x + (x >> 4)) & 0x0F0F0F0F0F0F0F0Fu) * 0x0101010101010101u >> 56;
}

/* ---- floats ---- */

/* The rounding ops go through the integers where the value has a fraction at all (below 2^23, 2^52), which the machine
 * does in two instructions; the standard library's are calls. copysign keeps -0. nearest adds and subtracts 2^23, 2^52:
 * the addition rounds to even, in the default rounding mode, which the engine never changes. */
#define NUM_FLOAT(N, F, U, I, SIGN, WHOLE)                                                                             \
    static inline uint32_t num_##N##_eq(F x, F y)                                                                      \
    {                                                                                                                  \
        return x == y;                                                                                                 \
    }                                                                                                                  \
    static inline uint32_t num_##N##_ne(F x, F y)                                                                      \
    {                                                                                                                  \
        return x != y;                                                                                                 \
    }                                                                                                                  \
    static inline uint32_t num_##N##_lt(F x, F y)                                                                      \
    {                                                                                                                  \
        return x < y;                                                                                                  \
    }                                                                                                                  \
    static inline uint32_t num_##N##_gt(F x, F y)                                                                      \
    {                                                                                                                  \
        return x > y;                                                                                                  \
    }                                                                                                                  \
    static inline uint32_t num_##N##_le(F x, F y)                                                                      \
    {                                                                                                                  \
        return x <= y;                                                                                                 \
    }                                                                                                                  \
    static inline uint32_t num_##N##_ge(F x, F y)                                                                      \
    {                                                                                                                  \
        return x >= y;                                                                                                 \
    }                                                                                                                  \
    static inline U num_##N##_abs(U bits)                                                                              \
    {                                                                                                                  \
        return bits & ~(U)SIGN;                                                                                        \
    }                                                                                                                  \
    static inline U num_##N##_neg(U bits)                                                                              \
    {                                                                                                                  \
        return bits ^ (U)SIGN;                                                                                         \
    }                                                                                                                  \
    static inline U num_##N##_copysign(U bits, U sign)                                                                 \
    {                                                                                                                  \
        return (bits & ~(U)SIGN) | (sign & (U)SIGN);                                                                   \
    }                                                                                                                  \
    static inline F num_##N##_with_sign(F x, F sign)                                                                   \
    {                                                                                                                  \
        return num_##N##_of_bits(num_##N##_copysign(num_##N##_bits(x), num_##N##_bits(sign)));                         \
    }                                                                                                                  \
    /* False for NaN, infinities and what is whole because it is large. */                                             \
    static inline bool num_##N##_has_fraction_bits(F x)                                                                \
    {                                                                                                                  \
        return x > -WHOLE && x < WHOLE;                                                                                \
    }                                                                                                                  \
    static inline F num_##N##_trunc(F x)                                                                               \
    {                                                                                                                  \
        return num_##N##_has_fraction_bits(x) ? num_##N##_with_sign((F)(I)x, x) : num_##N##_quiet(x);                  \
    }                                                                                                                  \
    static inline F num_##N##_floor(F x)                                                                               \
    {                                                                                                                  \
        if (!num_##N##_has_fraction_bits(x))                                                                           \
            return num_##N##_quiet(x);                                                                                 \
        F whole = (F)(I)x;                                                                                             \
        return num_##N##_with_sign(whole > x ? whole - 1 : whole, x);                                                  \
    }                                                                                                                  \
    static inline F num_##N##_ceil(F x)                                                                                \
    {                                                                                                                  \
        if (!num_##N##_has_fraction_bits(x))                                                                           \
            return num_##N##_quiet(x);                                                                                 \
        F whole = (F)(I)x;                                                                                             \
        return num_##N##_with_sign(whole < x ? whole + 1 : whole, x);                                                  \
    }                                                                                                                  \
    static inline F num_##N##_nearest(F x)                                                                             \
    {                                                                                                                  \
        if (!num_##N##_has_fraction_bits(x))                                                                           \
            return num_##N##_quiet(x);                                                                                 \
        F magnitude = num_##N##_of_bits(num_##N##_abs(num_##N##_bits(x)));                                             \
        F sum = magnitude + WHOLE;                                                                                     \
        return num_##N##_with_sign(sum - WHOLE, x);                                                                    \
    }                                                                                                                  \
    static inline F num_##N##_add(F x, F y)                                                                            \
    {                                                                                                                  \
        return x + y;                                                                                                  \
    }                                                                                                                  \
    static inline F num_##N##_sub(F x, F y)                                                                            \
    {                                                                                                                  \
        return x - y;                                                                                                  \
    }                                                                                                                  \
    static inline F num_##N##_mul(F x, F y)                                                                            \
    {                                                                                                                  \
        return x * y;                                                                                                  \
    }                                                                                                                  \
    static inline F num_##N##_div(F x, F y)                                                                            \
    {                                                                                                                  \
        return x / y; /* IEEE 754: by zero too */                                                                      \
    }                                                                                                                  \
    /* A NaN operand gives a NaN (the sum's); of two zeros the negative one is less. */                                \
    static inline F num_##N##_min(F x, F y)                                                                            \
    {                                                                                                                  \
        if (x < y)                                                                                                     \
            return x;                                                                                                  \
        if (y < x)                                                                                                     \
            return y;                                                                                                  \
        return x == y ? num_##N##_of_bits(num_##N##_bits(x) | num_##N##_bits(y)) : x + y;                              \
    }                                                                                                                  \
    static inline F num_##N##_max(F x, F y)                                                                            \
    {                                                                                                                  \
        if (x > y)                                                                                                     \
            return x;                                                                                                  \
        if (y > x)                                                                                                     \
            return y;                                                                                                  \
        return x == y ? num_##N##_of_bits(num_##N##_bits(x) & num_##N##_bits(y)) : x + y;                              \
    }
NUM_FLOAT(f32, float, uint32_t, int32_t, 0x80000000u, 0x1p23f)
NUM_FLOAT(f64, double, uint64_t, int64_t, 0x8000000000000000u, 0x1p52)
#undef NUM_FLOAT

/* The standard library's functions set errno for a negative operand: a branch and a call behind every root. */
#if defined(__SSE2__)
static inline float num_f32_sqrt(float x)
{
    return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x)));
}
static inline double num_f64_sqrt(double x)
{
    return _mm_cvtsd_f64(_mm_sqrt_sd(_mm_setzero_pd(), _mm_set_sd(x)));
}
#else
static inline float num_f32_sqrt(float x)
{
    return sqrtf(x);
}
static inline double num_f64_sqrt(double x)
{
    return sqrt(x);
}
#endif

/* A reference is 0 when it is null. */
static inline uint32_t num_ref_is_null(uint64_t x)
{
    return x == 0;
}

/* ---- conversions ---- */

static inline float num_f32_convert_i32_s(uint32_t x)
{
    return (float)(int32_t)x;
}
static inline float num_f32_convert_i32_u(uint32_t x)
{
    return (float)x;
}
static inline float num_f32_convert_i64_s(uint64_t x)
{
    return (float)(int64_t)x;
}
static inline float num_f32_convert_i64_u(uint64_t x)
{
    return (float)x;
}
static inline double num_f64_convert_i32_s(uint32_t x)
{
    return (int32_t)x;
}
static inline double num_f64_convert_i32_u(uint32_t x)
{
    return x;
}
static inline double num_f64_convert_i64_s(uint64_t x)
{
    return (double)(int64_t)x;
}
static inline double num_f64_convert_i64_u(uint64_t x)
{
    return (double)x;
}
/* The quiet bit is set by hand: a compiler may fold a conversion of a NaN and keep it signalling. */
static inline float num_f32_demote_f64(double x)
{
    return num_f32_quiet((float)x);
}
static inline double num_f64_promote_f32(float x)
{
    return num_f64_quiet((double)x);
}
static inline uint32_t num_i32_reinterpret_f32(uint32_t bits)
{
    return bits;
}
static inline uint64_t num_i64_reinterpret_f64(uint64_t bits)
{
    return bits;
}
static inline uint32_t num_f32_reinterpret_i32(uint32_t bits)
{
    return bits;
}
static inline uint64_t num_f64_reinterpret_i64(uint64_t bits)
{
    return bits;
}

/* Truncation: ABOVE is a test that holds exactly when the truncated value is not below the integer type's range, BELOW
 * is the least power of two that is above it. Both are exact in F. NaN fails both. */
#define NUM_TRUNC(N, F, U, I, ABOVE, BELOW)                                                                            \
    static inline wag_err num_##N(F x, U *ret_value)                                                                   \
    {                                                                                                                  \
        if (x ABOVE && x < BELOW) {                                                                                    \
            *ret_value = (U)(I)x;                                                                                      \
            return WAG_OK;                                                                                             \
        }                                                                                                              \
        return x != x ? WAG_INVALID_CONVERSION : WAG_INTEGER_OVERFLOW;                                                 \
    }
#define NUM_TRUNC_SAT(N, F, U, I, ABOVE, BELOW, LOWEST, HIGHEST)                                                       \
    static inline U num_##N(F x)                                                                                       \
    {                                                                                                                  \
        if (x ABOVE && x < BELOW)                                                                                      \
            return (U)(I)x;                                                                                            \
        return x != x ? 0 : x < 0 ? (U)LOWEST : (U)HIGHEST;                                                            \
    }
NUM_TRUNC(i32_trunc_f32_s, float, uint32_t, int32_t, >= -0x1p31f, 0x1p31f)
NUM_TRUNC(i32_trunc_f32_u, float, uint32_t, uint32_t, > -1, 0x1p32f)
NUM_TRUNC(i32_trunc_f64_s, double, uint32_t, int32_t, > -0x1p31 - 1, 0x1p31)
NUM_TRUNC(i32_trunc_f64_u, double, uint32_t, uint32_t, > -1, 0x1p32)
NUM_TRUNC(i64_trunc_f32_s, float, uint64_t, int64_t, >= -0x1p63f, 0x1p63f)
NUM_TRUNC(i64_trunc_f32_u, float, uint64_t, uint64_t, > -1, 0x1p64f)
NUM_TRUNC(i64_trunc_f64_s, double, uint64_t, int64_t, >= -0x1p63, 0x1p63)
NUM_TRUNC(i64_trunc_f64_u, double, uint64_t, uint64_t, > -1, 0x1p64)
NUM_TRUNC_SAT(i32_trunc_sat_f32_s, float, uint32_t, int32_t, >= -0x1p31f, 0x1p31f, INT32_MIN, INT32_MAX)
NUM_TRUNC_SAT(i32_trunc_sat_f32_u, float, uint32_t, uint32_t, > -1, 0x1p32f, 0, UINT32_MAX)
NUM_TRUNC_SAT(i32_trunc_sat_f64_s, double, uint32_t, int32_t, > -0x1p31 - 1, 0x1p31, INT32_MIN, INT32_MAX)
NUM_TRUNC_SAT(i32_trunc_sat_f64_u, double, uint32_t, uint32_t, > -1, 0x1p32, 0, UINT32_MAX)
NUM_TRUNC_SAT(i64_trunc_sat_f32_s, float, uint64_t, int64_t, >= -0x1p63f, 0x1p63f, INT64_MIN, INT64_MAX)
NUM_TRUNC_SAT(i64_trunc_sat_f32_u, float, uint64_t, uint64_t, > -1, 0x1p64f, 0, UINT64_MAX)
NUM_TRUNC_SAT(i64_trunc_sat_f64_s, double, uint64_t, int64_t, >= -0x1p63, 0x1p63, INT64_MIN, INT64_MAX)
NUM_TRUNC_SAT(i64_trunc_sat_f64_u, double, uint64_t, uint64_t, > -1, 0x1p64, 0, UINT64_MAX)
#undef NUM_TRUNC
#undef NUM_TRUNC_SAT

#endif

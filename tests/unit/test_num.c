/* core/ops: every scalar op over edge values, against formulations that share nothing with it: arithmetic in __int128,
 * long double and libm, decisions by bit patterns. */
#include <fenv.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ops/access.h"
#include "ops/num.h"
#include "ops/wide.h"

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 uwide;

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const uint64_t int_edges[] = {0,
                                     1,
                                     2,
                                     3,
                                     7,
                                     10,
                                     31,
                                     32,
                                     33,
                                     63,
                                     64,
                                     65,
                                     0x7F,
                                     0x80,
                                     0xFF,
                                     0x7FFF,
                                     0x8000,
                                     0xFFFF,
                                     0x12345678,
                                     0x7FFFFFFF,
                                     0x80000000,
                                     0x80000001,
                                     0xFFFFFFFE,
                                     0xFFFFFFFF,
                                     0x100000000,
                                     0x0123456789ABCDEF,
                                     0x7FFFFFFFFFFFFFFF,
                                     0x8000000000000000,
                                     0x8000000000000001,
                                     0xFEDCBA9876543210,
                                     0xFFFFFFFFFFFFFFFE,
                                     0xFFFFFFFFFFFFFFFF};

static wide sign_extend(uint64_t x, unsigned bits)
{
    uwide value = x & (((uwide)1 << bits) - 1);
    return value >> (bits - 1) ? (wide)value - ((wide)1 << bits) : (wide)value;
}
static uint64_t truncate_to(wide x, unsigned bits)
{
    return (uint64_t)((uwide)x & (((uwide)1 << bits) - 1));
}

/* One width's ops in 64-bit clothes, so that both widths run the same checks. */
typedef struct int_ops {
    unsigned bits;
    uint64_t (*add)(uint64_t, uint64_t), (*sub)(uint64_t, uint64_t), (*mul)(uint64_t, uint64_t);
    uint64_t (*and_)(uint64_t, uint64_t), (*or_)(uint64_t, uint64_t), (*xor_)(uint64_t, uint64_t);
    uint64_t (*shl)(uint64_t, uint64_t), (*shr_s)(uint64_t, uint64_t), (*shr_u)(uint64_t, uint64_t);
    uint64_t (*rotl)(uint64_t, uint64_t), (*rotr)(uint64_t, uint64_t);
    uint64_t (*eq)(uint64_t, uint64_t), (*ne)(uint64_t, uint64_t);
    uint64_t (*lt_s)(uint64_t, uint64_t), (*lt_u)(uint64_t, uint64_t), (*gt_s)(uint64_t, uint64_t);
    uint64_t (*gt_u)(uint64_t, uint64_t), (*le_s)(uint64_t, uint64_t), (*le_u)(uint64_t, uint64_t);
    uint64_t (*ge_s)(uint64_t, uint64_t), (*ge_u)(uint64_t, uint64_t);
    uint64_t (*eqz)(uint64_t), (*clz)(uint64_t), (*ctz)(uint64_t), (*popcnt)(uint64_t);
    uint64_t (*extend8)(uint64_t), (*extend16)(uint64_t);
    wag_err (*div_s)(uint64_t, uint64_t, uint64_t *), (*div_u)(uint64_t, uint64_t, uint64_t *);
    wag_err (*rem_s)(uint64_t, uint64_t, uint64_t *), (*rem_u)(uint64_t, uint64_t, uint64_t *);
} int_ops;

#define WRAP1(N, U, op)                                                                                                \
    static uint64_t N##_##op(uint64_t x)                                                                               \
    {                                                                                                                  \
        return num_##N##_##op((U)x);                                                                                   \
    }
#define WRAP2(N, U, op)                                                                                                \
    static uint64_t N##_##op(uint64_t x, uint64_t y)                                                                   \
    {                                                                                                                  \
        return num_##N##_##op((U)x, (U)y);                                                                             \
    }
#define WRAP_TRAPS(N, U, op)                                                                                           \
    static wag_err N##_##op(uint64_t x, uint64_t y, uint64_t *ret_value)                                               \
    {                                                                                                                  \
        U value = 0;                                                                                                   \
        wag_err err = num_##N##_##op((U)x, (U)y, &value);                                                              \
        if (err == WAG_OK)                                                                                             \
            *ret_value = value;                                                                                        \
        return err;                                                                                                    \
    }
#define WRAP_INT(N, U, BITS)                                                                                           \
    WRAP2(N, U, add)                                                                                                   \
    WRAP2(N, U, sub)                                                                                                   \
    WRAP2(N, U, mul)                                                                                                   \
    WRAP2(N, U, and)                                                                                                   \
    WRAP2(N, U, or)                                                                                                    \
    WRAP2(N, U, xor)                                                                                                   \
    WRAP2(N, U, shl)                                                                                                   \
    WRAP2(N, U, shr_s)                                                                                                 \
    WRAP2(N, U, shr_u)                                                                                                 \
    WRAP2(N, U, rotl)                                                                                                  \
    WRAP2(N, U, rotr)                                                                                                  \
    WRAP2(N, U, eq)                                                                                                    \
    WRAP2(N, U, ne)                                                                                                    \
    WRAP2(N, U, lt_s)                                                                                                  \
    WRAP2(N, U, lt_u)                                                                                                  \
    WRAP2(N, U, gt_s)                                                                                                  \
    WRAP2(N, U, gt_u)                                                                                                  \
    WRAP2(N, U, le_s)                                                                                                  \
    WRAP2(N, U, le_u)                                                                                                  \
    WRAP2(N, U, ge_s)                                                                                                  \
    WRAP2(N, U, ge_u)                                                                                                  \
    WRAP1(N, U, eqz)                                                                                                   \
    WRAP1(N, U, clz)                                                                                                   \
    WRAP1(N, U, ctz)                                                                                                   \
    WRAP1(N, U, popcnt)                                                                                                \
    WRAP1(N, U, extend8_s)                                                                                             \
    WRAP1(N, U, extend16_s)                                                                                            \
    WRAP_TRAPS(N, U, div_s)                                                                                            \
    WRAP_TRAPS(N, U, div_u)                                                                                            \
    WRAP_TRAPS(N, U, rem_s)                                                                                            \
    WRAP_TRAPS(N, U, rem_u)                                                                                            \
    static const int_ops N##_ops = {                                                                                   \
        .bits = BITS,                                                                                                  \
        .add = N##_add,                                                                                                \
        .sub = N##_sub,                                                                                                \
        .mul = N##_mul,                                                                                                \
        .and_ = N##_and,                                                                                               \
        .or_ = N##_or,                                                                                                 \
        .xor_ = N##_xor,                                                                                               \
        .shl = N##_shl,                                                                                                \
        .shr_s = N##_shr_s,                                                                                            \
        .shr_u = N##_shr_u,                                                                                            \
        .rotl = N##_rotl,                                                                                              \
        .rotr = N##_rotr,                                                                                              \
        .eq = N##_eq,                                                                                                  \
        .ne = N##_ne,                                                                                                  \
        .lt_s = N##_lt_s,                                                                                              \
        .lt_u = N##_lt_u,                                                                                              \
        .gt_s = N##_gt_s,                                                                                              \
        .gt_u = N##_gt_u,                                                                                              \
        .le_s = N##_le_s,                                                                                              \
        .le_u = N##_le_u,                                                                                              \
        .ge_s = N##_ge_s,                                                                                              \
        .ge_u = N##_ge_u,                                                                                              \
        .eqz = N##_eqz,                                                                                                \
        .clz = N##_clz,                                                                                                \
        .ctz = N##_ctz,                                                                                                \
        .popcnt = N##_popcnt,                                                                                          \
        .extend8 = N##_extend8_s,                                                                                      \
        .extend16 = N##_extend16_s,                                                                                    \
        .div_s = N##_div_s,                                                                                            \
        .div_u = N##_div_u,                                                                                            \
        .rem_s = N##_rem_s,                                                                                            \
        .rem_u = N##_rem_u,                                                                                            \
    };
WRAP_INT(i32, uint32_t, 32)
WRAP_INT(i64, uint64_t, 64)

#define EXPECT(op, x, y, got, want)                                                                                    \
    do {                                                                                                               \
        uint64_t got_ = (got), want_ = (want);                                                                         \
        if (got_ != want_)                                                                                             \
            fail_msg("%s(%" PRIx64 ", %" PRIx64 "): got %" PRIx64 ", want %" PRIx64, op, (uint64_t)(x), (uint64_t)(y), \
                     got_, want_);                                                                                     \
    } while (0)

static void check_compare(const int_ops *ops, uint64_t x, uint64_t y)
{
    wide sx = sign_extend(x, ops->bits), sy = sign_extend(y, ops->bits);
    wide ux = (wide)truncate_to((wide)x, ops->bits), uy = (wide)truncate_to((wide)y, ops->bits);
    EXPECT("eq", x, y, ops->eq(x, y), ux == uy);
    EXPECT("ne", x, y, ops->ne(x, y), ux != uy);
    EXPECT("lt_s", x, y, ops->lt_s(x, y), sx < sy);
    EXPECT("lt_u", x, y, ops->lt_u(x, y), ux < uy);
    EXPECT("gt_s", x, y, ops->gt_s(x, y), sx > sy);
    EXPECT("gt_u", x, y, ops->gt_u(x, y), ux > uy);
    EXPECT("le_s", x, y, ops->le_s(x, y), sx <= sy);
    EXPECT("le_u", x, y, ops->le_u(x, y), ux <= uy);
    EXPECT("ge_s", x, y, ops->ge_s(x, y), sx >= sy);
    EXPECT("ge_u", x, y, ops->ge_u(x, y), ux >= uy);
}

static void check_arithmetic(const int_ops *ops, uint64_t x, uint64_t y)
{
    unsigned bits = ops->bits;
    wide sx = sign_extend(x, bits), sy = sign_extend(y, bits);
    uwide ux = truncate_to((wide)x, bits);
    EXPECT("add", x, y, ops->add(x, y), truncate_to(sx + sy, bits));
    EXPECT("sub", x, y, ops->sub(x, y), truncate_to(sx - sy, bits));
    EXPECT("mul", x, y, ops->mul(x, y), truncate_to((wide)((uwide)sx * (uwide)sy), bits));
    uint64_t and = 0, or = 0, xor = 0;
    for (unsigned i = 0; i < bits; i++) {
        unsigned p = x >> i & 1, q = y >> i & 1;
        and |= (uint64_t)(p + q == 2) << i;
        or |= (uint64_t)(p + q >= 1) << i;
        xor |= (uint64_t)(p + q == 1) << i;
    }
    EXPECT("and", x, y, ops->and_(x, y), and);
    EXPECT("or", x, y, ops->or_(x, y), or);
    EXPECT("xor", x, y, ops->xor_(x, y), xor);
    unsigned count = (unsigned)(y % bits);
    EXPECT("shl", x, y, ops->shl(x, y), truncate_to((wide)(ux << count), bits));
    EXPECT("shr_u", x, y, ops->shr_u(x, y), (uint64_t)(ux / ((uwide)1 << count)));
    wide power = (wide)1 << count, floored = (sx - (sx < 0 ? power - 1 : 0)) / power;
    EXPECT("shr_s", x, y, ops->shr_s(x, y), truncate_to(floored, bits));
    uwide twice = ux << bits | ux;
    EXPECT("rotl", x, y, ops->rotl(x, y), truncate_to((wide)(twice >> (bits - count)), bits));
    EXPECT("rotr", x, y, ops->rotr(x, y), truncate_to((wide)(twice >> count), bits));
}

static void check_division(const int_ops *ops, uint64_t x, uint64_t y)
{
    unsigned bits = ops->bits;
    wide sx = sign_extend(x, bits), sy = sign_extend(y, bits);
    uint64_t ux = truncate_to((wide)x, bits), uy = truncate_to((wide)y, bits), value = 0;
    if (sy == 0) {
        assert_int_equal(ops->div_s(x, y, &value), WAG_DIVIDE_BY_ZERO);
        assert_int_equal(ops->div_u(x, y, &value), WAG_DIVIDE_BY_ZERO);
        assert_int_equal(ops->rem_s(x, y, &value), WAG_DIVIDE_BY_ZERO);
        assert_int_equal(ops->rem_u(x, y, &value), WAG_DIVIDE_BY_ZERO);
        assert_int_equal(value, 0);
        return;
    }
    if (sign_extend(truncate_to(sx / sy, bits), bits) != sx / sy) {
        assert_int_equal(ops->div_s(x, y, &value), WAG_INTEGER_OVERFLOW);
        assert_int_equal(value, 0);
    } else {
        assert_int_equal(ops->div_s(x, y, &value), WAG_OK);
        EXPECT("div_s", x, y, value, truncate_to(sx / sy, bits));
    }
    assert_int_equal(ops->rem_s(x, y, &value), WAG_OK);
    EXPECT("rem_s", x, y, value, truncate_to(sx % sy, bits));
    assert_int_equal(ops->div_u(x, y, &value), WAG_OK);
    EXPECT("div_u", x, y, value, ux / uy);
    assert_int_equal(ops->rem_u(x, y, &value), WAG_OK);
    EXPECT("rem_u", x, y, value, ux - ux / uy * uy);
}

static void check_unary(const int_ops *ops, uint64_t x)
{
    unsigned bits = ops->bits, leading = 0, trailing = 0, ones = 0;
    while (leading < bits && !(x >> (bits - 1 - leading) & 1))
        leading++;
    while (trailing < bits && !(x >> trailing & 1))
        trailing++;
    for (unsigned i = 0; i < bits; i++)
        ones += x >> i & 1;
    EXPECT("clz", x, 0, ops->clz(x), leading);
    EXPECT("ctz", x, 0, ops->ctz(x), trailing);
    EXPECT("popcnt", x, 0, ops->popcnt(x), ones);
    EXPECT("eqz", x, 0, ops->eqz(x), ones == 0);
    EXPECT("extend8_s", x, 0, ops->extend8(x), truncate_to(sign_extend(x, 8), bits));
    EXPECT("extend16_s", x, 0, ops->extend16(x), truncate_to(sign_extend(x, 16), bits));
}

static void check_width(const int_ops *ops)
{
    for (size_t i = 0; i < COUNT(int_edges); i++) {
        check_unary(ops, int_edges[i]);
        for (size_t j = 0; j < COUNT(int_edges); j++) {
            check_compare(ops, int_edges[i], int_edges[j]);
            check_arithmetic(ops, int_edges[i], int_edges[j]);
            check_division(ops, int_edges[i], int_edges[j]);
        }
    }
}

static void test_i32_ops_agree_with_wide_arithmetic(void **state)
{
    (void)state;
    check_width(&i32_ops);
}

static void test_i64_ops_agree_with_wide_arithmetic(void **state)
{
    (void)state;
    check_width(&i64_ops);
}

static void test_integers_change_width_by_sign_or_zeros(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(int_edges); i++) {
        uint64_t x = int_edges[i];
        EXPECT("wrap", x, 0, num_i32_wrap_i64(x), x % ((uint64_t)1 << 32));
        EXPECT("extend_i32_s", x, 0, num_i64_extend_i32_s((uint32_t)x), truncate_to(sign_extend(x, 32), 64));
        EXPECT("extend_i32_u", x, 0, num_i64_extend_i32_u((uint32_t)x), x % ((uint64_t)1 << 32));
        EXPECT("extend32_s", x, 0, num_i64_extend32_s(x), truncate_to(sign_extend(x, 32), 64));
    }
    assert_int_equal(num_ref_is_null(0), 1);
    assert_int_equal(num_ref_is_null(0x100000000), 0);
}

/* ---- floats ---- */

#define F64_SIGN 0x8000000000000000u
static const uint64_t f64_edges[] = {
    0x0000000000000000, /* 0 */
    0x0000000000000001, /* smallest subnormal */
    0x000FFFFFFFFFFFFF, /* largest subnormal */
    0x0010000000000000, /* smallest normal */
    0x3FD5555555555555, /* 1/3 */
    0x3FDFFFFFFFFFFFFF, /* below 0.5 */
    0x3FE0000000000000, /* 0.5 */
    0x3FE0000000000001, /* above 0.5 */
    0x3FF0000000000000, /* 1 */
    0x3FEFFFFFFFFFFFFF, /* below 1 */
    0x3FF8000000000000, /* 1.5 */
    0x4004000000000000, /* 2.5 */
    0x400C000000000000, /* 3.5 */
    0x400921FB54442D18, /* pi */
    0x41DFFFFFFFC00000, /* 2^31 - 1 */
    0x41DFFFFFFFFFFFFF, /* below 2^31 */
    0x41E0000000000000, /* 2^31 */
    0x41E0000000200000, /* 2^31 + 1 */
    0x41E00000001FFFFF, /* below 2^31 + 1 */
    0x41EFFFFFFFE00000, /* 2^32 - 1 */
    0x41EFFFFFFFFFFFFF, /* below 2^32 */
    0x41F0000000000000, /* 2^32 */
    0x432FFFFFFFFFFFFF, /* 2^52 - 0.5 */
    0x4330000000000000, /* 2^52 */
    0x4330000000000001, /* 2^52 + 1 */
    0x4340000000000000, /* 2^53 */
    0x43DFFFFFFFFFFFFF, /* below 2^63 */
    0x43E0000000000000, /* 2^63 */
    0x43E0000000000001, /* above 2^63 */
    0x43EFFFFFFFFFFFFF, /* below 2^64 */
    0x43F0000000000000, /* 2^64 */
    0x47EFFFFFE0000000, /* the largest float */
    0x47EFFFFFEFFFFFFF, /* rounds down to it */
    0x47EFFFFFF0000000, /* rounds up to infinity */
    0x3690000000000000, /* half of the smallest float */
    0x7FEFFFFFFFFFFFFF, /* largest finite */
    0x7FF0000000000000, /* infinity */
    0x7FF8000000000000, /* canonical NaN */
    0x7FF8000000001234, /* quiet NaN */
    0x7FF0000000000001, /* signalling NaN */
    0x7FF4000000000000, /* signalling NaN */
};
#define F32_SIGN 0x80000000u
static const uint32_t f32_edges[] = {
    0x00000000, 0x00000001, 0x007FFFFF, 0x00800000, 0x3EAAAAAB, /* 0, subnormals, smallest normal, 1/3 */
    0x3EFFFFFF, 0x3F000000, 0x3F000001, 0x3F7FFFFF, 0x3F800000, /* about 0.5 and 1 */
    0x3FC00000, 0x40200000, 0x40600000, 0x40490FDB,             /* 1.5, 2.5, 3.5, pi */
    0x4AFFFFFF, 0x4B000000, 0x4B000001, 0x4B7FFFFF, 0x4B800000, /* about 2^23 and 2^24 */
    0x4EFFFFFF, 0x4F000000, 0x4F000001, 0x4F7FFFFF, 0x4F800000, /* about 2^31 and 2^32 */
    0x5EFFFFFF, 0x5F000000, 0x5F000001, 0x5F7FFFFF, 0x5F800000, /* about 2^63 and 2^64 */
    0x7F7FFFFF, 0x7F800000,                                     /* largest, infinity */
    0x7FC00000, 0x7FC01234, 0x7F800001, 0x7FA00000,             /* NaN: canonical, quiet, signalling, signalling */
};

static bool is_nan(uint64_t bits, unsigned mantissa, uint64_t exponent)
{
    return (bits >> mantissa & exponent) == exponent && (bits & (((uint64_t)1 << mantissa) - 1)) != 0;
}
static bool f64_nan(uint64_t bits)
{
    return is_nan(bits, 52, 0x7FF);
}
static bool f32_nan(uint64_t bits)
{
    return is_nan(bits, 23, 0xFF);
}

/* The rule for a NaN result: quiet; canonical when no operand is a NaN that is not. */
static void expect_nan(const char *op, uint64_t got, const uint64_t *operands, size_t count, unsigned mantissa)
{
    uint64_t canonical = (uint64_t)1 << (mantissa - 1), mask = ((uint64_t)1 << mantissa) - 1;
    bool may_differ = false;
    for (size_t i = 0; i < count; i++)
        if (mantissa == 52 ? f64_nan(operands[i]) : f32_nan(operands[i]))
            may_differ |= (operands[i] & mask) != canonical;
    if (!(mantissa == 52 ? f64_nan(got) : f32_nan(got)) || !(got & canonical) ||
        (!may_differ && (got & mask) != canonical))
        fail_msg("%s(%" PRIx64 ", %" PRIx64 "): %" PRIx64 " is not the NaN that is wanted", op, operands[0],
                 count > 1 ? operands[1] : 0, got);
}

static void expect_f64(const char *op, uint64_t x, uint64_t y, size_t count, double got, double want)
{
    uint64_t operands[] = {x, y};
    if (f64_nan(num_f64_bits(want)))
        expect_nan(op, num_f64_bits(got), operands, count, 52);
    else
        EXPECT(op, x, y, num_f64_bits(got), num_f64_bits(want));
}
static void expect_f32(const char *op, uint64_t x, uint64_t y, size_t count, float got, float want)
{
    uint64_t operands[] = {x, y};
    if (f32_nan(num_f32_bits(want)))
        expect_nan(op, num_f32_bits(got), operands, count, 23);
    else
        EXPECT(op, x, y, num_f32_bits(got), num_f32_bits(want));
}

/* Order of the numbers by their bits: sign and magnitude as one signed integer; both zeros are equal. */
static int64_t f64_rank(uint64_t bits)
{
    int64_t magnitude = (int64_t)(bits & ~F64_SIGN);
    return bits & F64_SIGN ? -magnitude : magnitude;
}
static int64_t f32_rank(uint32_t bits)
{
    int64_t magnitude = (int64_t)(bits & ~F32_SIGN);
    return bits & F32_SIGN ? -magnitude : magnitude;
}

#define CHECK_FLOAT_COMPARE(N, of_bits, nan, rank, p, q)                                                               \
    do {                                                                                                               \
        bool ordered = !nan(p) && !nan(q);                                                                             \
        EXPECT(#N ".eq", p, q, num_##N##_eq(of_bits(p), of_bits(q)), ordered &&rank(p) == rank(q));                    \
        EXPECT(#N ".ne", p, q, num_##N##_ne(of_bits(p), of_bits(q)), !ordered || rank(p) != rank(q));                  \
        EXPECT(#N ".lt", p, q, num_##N##_lt(of_bits(p), of_bits(q)), ordered &&rank(p) < rank(q));                     \
        EXPECT(#N ".gt", p, q, num_##N##_gt(of_bits(p), of_bits(q)), ordered &&rank(p) > rank(q));                     \
        EXPECT(#N ".le", p, q, num_##N##_le(of_bits(p), of_bits(q)), ordered &&rank(p) <= rank(q));                    \
        EXPECT(#N ".ge", p, q, num_##N##_ge(of_bits(p), of_bits(q)), ordered &&rank(p) >= rank(q));                    \
    } while (0)

/* min and max by rank, the negative zero below the positive one. */
static bool f64_below(uint64_t p, uint64_t q)
{
    return f64_rank(p) < f64_rank(q) || (f64_rank(p) == f64_rank(q) && p > q);
}
static bool f32_below(uint32_t p, uint32_t q)
{
    return f32_rank(p) < f32_rank(q) || (f32_rank(p) == f32_rank(q) && p > q);
}

static void check_f64_pair(uint64_t p, uint64_t q)
{
    double x = num_f64_of_bits(p), y = num_f64_of_bits(q);
    CHECK_FLOAT_COMPARE(f64, num_f64_of_bits, f64_nan, f64_rank, p, q);
    double none = f64_nan(p) || f64_nan(q) ? NAN : 0;
    expect_f64("f64.min", p, q, 2, num_f64_min(x, y), isnan(none) ? none : f64_below(p, q) ? x : y);
    expect_f64("f64.max", p, q, 2, num_f64_max(x, y), isnan(none) ? none : f64_below(p, q) ? y : x);
    EXPECT("f64.copysign", p, q, num_f64_copysign(p, q), q >> 63 ? p | F64_SIGN : p & ~F64_SIGN);
    /* volatile: at run time, by the machine */
    volatile double u = x, v = y;
    expect_f64("f64.add", p, q, 2, num_f64_add(x, y), u + v);
    expect_f64("f64.sub", p, q, 2, num_f64_sub(x, y), u - v);
    expect_f64("f64.mul", p, q, 2, num_f64_mul(x, y), u * v);
    expect_f64("f64.div", p, q, 2, num_f64_div(x, y), u / v);
}

/* A double holds every sum, difference and product of two floats well enough to round once more (53 >= 2 * 24 + 2), and
 * so it does quotients and roots. */
static void check_f32_pair(uint32_t p, uint32_t q)
{
    float x = num_f32_of_bits(p), y = num_f32_of_bits(q);
    CHECK_FLOAT_COMPARE(f32, num_f32_of_bits, f32_nan, f32_rank, p, q);
    float none = f32_nan(p) || f32_nan(q) ? NAN : 0;
    expect_f32("f32.min", p, q, 2, num_f32_min(x, y), isnan(none) ? none : f32_below(p, q) ? x : y);
    expect_f32("f32.max", p, q, 2, num_f32_max(x, y), isnan(none) ? none : f32_below(p, q) ? y : x);
    EXPECT("f32.copysign", p, q, num_f32_copysign(p, q), q >> 31 ? p | F32_SIGN : p & ~F32_SIGN);
    expect_f32("f32.add", p, q, 2, num_f32_add(x, y), (float)((double)x + (double)y));
    expect_f32("f32.sub", p, q, 2, num_f32_sub(x, y), (float)((double)x - (double)y));
    expect_f32("f32.mul", p, q, 2, num_f32_mul(x, y), (float)((double)x * (double)y));
    expect_f32("f32.div", p, q, 2, num_f32_div(x, y), (float)((double)x / (double)y));
}

/* The square root in integers: of the mantissa shifted to twice its bits; the remainder decides the rounding. */
static double exact_root(uint64_t p)
{
    if (f64_nan(p) || p << 1 == 0 || p == 0x7FF0000000000000)
        return num_f64_of_bits(p);
    if (p & F64_SIGN)
        return NAN;
    int exponent = (int)(p >> 52) ? (int)(p >> 52) - 1075 : -1074;
    uint64_t mantissa = (p & 0xFFFFFFFFFFFFF) | (p >> 52 ? 0x10000000000000 : 0);
    while (!(mantissa >> 52))
        mantissa <<= 1, exponent--;
    unsigned shift = exponent & 1 ? 53 : 52; /* the whole exponent must be even */
    uwide square = (uwide)mantissa << shift;
    uint64_t root = 0;
    for (unsigned bit = 54; bit-- > 0;)
        if ((uwide)(root | (uint64_t)1 << bit) * (root | (uint64_t)1 << bit) <= square)
            root |= (uint64_t)1 << bit;
    if (square - (uwide)root * root > root)
        root++;
    return ldexp((double)root, (exponent - (int)shift) / 2);
}

static void check_f64_single(uint64_t p)
{
    double x = num_f64_of_bits(p);
    EXPECT("f64.abs", p, 0, num_f64_abs(p), p & ~F64_SIGN);
    EXPECT("f64.neg", p, 0, num_f64_neg(p), p ^ F64_SIGN);
    expect_f64("f64.ceil", p, 0, 1, num_f64_ceil(x), ceil(x));
    expect_f64("f64.floor", p, 0, 1, num_f64_floor(x), floor(x));
    expect_f64("f64.trunc", p, 0, 1, num_f64_trunc(x), trunc(x));
    expect_f64("f64.nearest", p, 0, 1, num_f64_nearest(x), rint(x));
    expect_f64("f64.sqrt", p, 0, 1, num_f64_sqrt(x), exact_root(p));
    EXPECT("i64.reinterpret", p, 0, num_i64_reinterpret_f64(p), p);
    EXPECT("f64.reinterpret", p, 0, num_f64_reinterpret_i64(p), p);
    float narrow = num_f32_demote_f64(x);
    if (f64_nan(p)) {
        assert_true(f32_nan(num_f32_bits(narrow)) && (num_f32_bits(narrow) & 0x00400000));
        if ((p & 0xFFFFFFFFFFFFF) == 0x8000000000000)
            assert_int_equal(num_f32_bits(narrow) & 0x7FFFFF, 0x400000);
    } else {
        EXPECT("f32.demote", p, 0, num_f32_bits(narrow), num_f32_bits((float)(long double)x));
    }
}

static void check_f32_single(uint32_t p)
{
    float x = num_f32_of_bits(p);
    EXPECT("f32.abs", p, 0, num_f32_abs(p), p & ~F32_SIGN);
    EXPECT("f32.neg", p, 0, num_f32_neg(p), p ^ F32_SIGN);
    expect_f32("f32.ceil", p, 0, 1, num_f32_ceil(x), ceilf(x));
    expect_f32("f32.floor", p, 0, 1, num_f32_floor(x), floorf(x));
    expect_f32("f32.trunc", p, 0, 1, num_f32_trunc(x), truncf(x));
    expect_f32("f32.nearest", p, 0, 1, num_f32_nearest(x), rintf(x));
    expect_f32("f32.sqrt", p, 0, 1, num_f32_sqrt(x), (float)sqrt((double)x));
    EXPECT("i32.reinterpret", p, 0, num_i32_reinterpret_f32(p), p);
    EXPECT("f32.reinterpret", p, 0, num_f32_reinterpret_i32(p), p);
    uint64_t wide_bits = num_f64_bits(num_f64_promote_f32(x));
    if (f32_nan(p)) {
        assert_true(f64_nan(wide_bits) && (wide_bits & 0x8000000000000));
        if ((p & 0x7FFFFF) == 0x400000)
            assert_int_equal(wide_bits & 0xFFFFFFFFFFFFF, 0x8000000000000);
    } else {
        /* exact: the same number again in long double */
        assert_true((long double)num_f64_of_bits(wide_bits) == (long double)x);
        assert_int_equal(wide_bits >> 63, p >> 31);
    }
}

static void test_f64_ops_round_once_and_give_quiet_nans(void **state)
{
    (void)state;
    assert_int_equal(fegetround(), FE_TONEAREST);
    for (size_t i = 0; i < 2 * COUNT(f64_edges); i++) {
        uint64_t p = f64_edges[i / 2] | (i & 1 ? F64_SIGN : 0);
        check_f64_single(p);
        for (size_t j = 0; j < 2 * COUNT(f64_edges); j++)
            check_f64_pair(p, f64_edges[j / 2] | (j & 1 ? F64_SIGN : 0));
    }
}

static void test_f32_ops_round_once_and_give_quiet_nans(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * COUNT(f32_edges); i++) {
        uint32_t p = f32_edges[i / 2] | (i & 1 ? F32_SIGN : 0);
        check_f32_single(p);
        for (size_t j = 0; j < 2 * COUNT(f32_edges); j++)
            check_f32_pair(p, f32_edges[j / 2] | (j & 1 ? F32_SIGN : 0));
    }
}

/* ---- truncation ---- */

/* From the bits of a finite number: its integer part, or `huge` times its sign when that needs more than 100 bits. */
static wide integer_part(uint64_t magnitude, bool negative, unsigned mantissa, int bias)
{
    int exponent = (int)(magnitude >> mantissa) - bias - (int)mantissa;
    uwide value = (magnitude & (((uint64_t)1 << mantissa) - 1)) | (uint64_t)1 << mantissa;
    if (magnitude >> mantissa == 0 || exponent < -(int)mantissa)
        return 0;
    if (exponent > 60)
        value = (uwide)1 << 100;
    else
        value = exponent >= 0 ? value << exponent : value >> -exponent;
    return negative ? -(wide)value : (wide)value;
}

static void check_trunc(const char *op, uint64_t p, bool nan, wide whole, unsigned bits, bool is_signed, wag_err err,
                        uint64_t value, uint64_t saturated)
{
    wide lowest = is_signed ? -((wide)1 << (bits - 1)) : 0;
    wide highest = ((wide)1 << (is_signed ? bits - 1 : bits)) - 1;
    wag_err want_err = nan ? WAG_INVALID_CONVERSION : whole < lowest || whole > highest ? WAG_INTEGER_OVERFLOW : WAG_OK;
    wide clamped = nan ? 0 : whole < lowest ? lowest : whole > highest ? highest : whole;
    EXPECT(op, p, 0, err, want_err);
    if (err == WAG_OK)
        EXPECT(op, p, 0, value, truncate_to(whole, bits));
    EXPECT(op, p, 1, saturated, truncate_to(clamped, bits));
}

#define TRUNC(N, from, BITS, U, SIGNED, x)                                                                             \
    do {                                                                                                               \
        U value_ = 0;                                                                                                  \
        wag_err err_ = num_i##BITS##_trunc_##from(x, &value_);                                                         \
        check_trunc("i" #BITS ".trunc_" #from, p, nan, whole, BITS, SIGNED, err_, value_,                              \
                    num_i##BITS##_trunc_sat_##from(x));                                                                \
    } while (0)

static void test_truncation_traps_and_saturates_at_the_exact_boundaries(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * COUNT(f64_edges); i++) {
        uint64_t p = f64_edges[i / 2] | (i & 1 ? F64_SIGN : 0);
        double x = num_f64_of_bits(p);
        bool nan = f64_nan(p);
        wide whole = integer_part(p & ~F64_SIGN, p >> 63, 52, 1023);
        TRUNC(i32, f64_s, 32, uint32_t, true, x);
        TRUNC(i32, f64_u, 32, uint32_t, false, x);
        TRUNC(i64, f64_s, 64, uint64_t, true, x);
        TRUNC(i64, f64_u, 64, uint64_t, false, x);
    }
    for (size_t i = 0; i < 2 * COUNT(f32_edges); i++) {
        uint32_t p = f32_edges[i / 2] | (i & 1 ? F32_SIGN : 0);
        float x = num_f32_of_bits(p);
        bool nan = f32_nan(p);
        wide whole = integer_part(p & ~F32_SIGN, p >> 31, 23, 127);
        TRUNC(i32, f32_s, 32, uint32_t, true, x);
        TRUNC(i32, f32_u, 32, uint32_t, false, x);
        TRUNC(i64, f32_s, 64, uint64_t, true, x);
        TRUNC(i64, f32_u, 64, uint64_t, false, x);
    }
}

/* Round to nearest even by hand: the leading `mantissa` bits of the magnitude and what is behind them. */
static double rounded(uwide magnitude, unsigned mantissa)
{
    unsigned shift = 0;
    while (magnitude >> shift >> mantissa)
        shift++;
    uwide kept = magnitude >> shift, rest = magnitude & (((uwide)1 << shift) - 1);
    uwide half = shift ? (uwide)1 << (shift - 1) : 0;
    if (shift && (rest > half || (rest == half && (kept & 1))))
        kept++;
    return ldexp((double)(uint64_t)kept, (int)shift);
}

static void test_integers_convert_to_the_nearest_float_ties_to_even(void **state)
{
    (void)state;
    static const uint64_t ties[] = {0x1000001,          0x1000003,          0x7FFFFFC0,         0x7FFFFFBF,
                                    0xFFFFFF80,         0xFFFFFF7F,         0x20000000000001,   0x20000000000003,
                                    0x7FFFFFFFFFFFFC00, 0x7FFFFFFFFFFFFDFF, 0xFFFFFFFFFFFFFC00, 0xFFFFFFFFFFFFFBFF,
                                    0x7FFFFF4000000001, 0x7FFFFF4000000000, 0x8000004000000001, 0x8000004000000000};
    for (size_t i = 0; i < COUNT(int_edges) + COUNT(ties); i++) {
        uint64_t x = i < COUNT(int_edges) ? int_edges[i] : ties[i - COUNT(int_edges)];
        wide s32 = sign_extend(x, 32), s64 = sign_extend(x, 64), u32 = (uint32_t)x, u64 = x;
#define CONVERT(name, argument, number, mantissa)                                                                      \
    do {                                                                                                               \
        double want_ = rounded((uwide)((number) < 0 ? -(number) : (number)), mantissa);                                \
        if ((double)num_##name(argument) != ((number) < 0 ? -want_ : want_))                                           \
            fail_msg("%s(%" PRIx64 "): got %.0f", #name, x, (double)num_##name(argument));                             \
    } while (0)
        CONVERT(f32_convert_i32_s, (uint32_t)x, s32, 24);
        CONVERT(f32_convert_i32_u, (uint32_t)x, u32, 24);
#ifndef WAG_TEST_VALGRIND /* it rounds cvtsi2ss twice: by way of a double */
        CONVERT(f32_convert_i64_s, x, s64, 24);
        CONVERT(f32_convert_i64_u, x, u64, 24);
#endif
        CONVERT(f64_convert_i32_s, (uint32_t)x, s32, 53);
        CONVERT(f64_convert_i32_u, (uint32_t)x, u32, 53);
        CONVERT(f64_convert_i64_s, x, s64, 53);
        CONVERT(f64_convert_i64_u, x, u64, 53);
    }
}

/* ---- access ---- */

static void test_addresses_do_not_wrap_and_end_at_the_size(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 7, 8, 9, 65536, 0x100000000, UINT64_MAX - 8, UINT64_MAX};
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (size_t i = 0; i < COUNT(int_edges); i++)
            for (size_t j = 0; j < COUNT(int_edges); j++)
                for (uint64_t width = 1; width <= 16; width *= 2) {
                    uwide end = (uwide)int_edges[i] + int_edges[j] + width;
                    uint64_t address = 1;
                    bool inside = access_address(int_edges[i], int_edges[j], width, sizes[s], &address);
                    assert_int_equal(inside, end <= sizes[s]);
                    assert_int_equal(address, inside ? (uint64_t)(end - width) : 1);
                }
    uint64_t address;
    assert_true(access_address(65535, 0, 1, 65536, &address));
    assert_false(access_address(65535, 1, 1, 65536, &address));
    assert_true(access_address(65528, 0, 8, 65536, &address));
    assert_false(access_address(65529, 0, 8, 65536, &address));
}

static void test_memory_is_little_endian(void **state)
{
    (void)state;
    uint8_t bytes[12] = {0xAA, 0x01, 0x02, 0x83, 0x04, 0x05, 0x06, 0x07, 0x88, 0xAA};
    assert_int_equal(access_load8(bytes + 3), 0x83);
    assert_int_equal(access_load16(bytes + 1), 0x0201);
    assert_int_equal(access_load32(bytes + 1), 0x04830201);
    assert_int_equal(access_load64(bytes + 1), 0x8807060504830201);
    static const uint8_t want[12] = {0xAA, 0xF8, 0xF7, 0xF6, 0xF5, 0xF4, 0xF3, 0xF2, 0xF1, 0xAA};
    access_store64(bytes + 1, 0xF1F2F3F4F5F6F7F8);
    assert_memory_equal(bytes, want, sizeof want);
    access_store32(bytes + 5, 0x0A0B0C0D);
    access_store16(bytes + 3, 0x1122);
    access_store8(bytes + 1, 0x99);
    static const uint8_t then[12] = {0xAA, 0x99, 0xF7, 0x22, 0x11, 0x0D, 0x0C, 0x0B, 0x0A, 0xAA};
    assert_memory_equal(bytes, then, sizeof then);
}

static uwide joined(wide_128 x)
{
    return (uwide)x.high << 64 | x.low;
}

static void test_128_bit_sums_and_products_agree_with_the_compilers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(int_edges); i++)
        for (size_t j = 0; j < COUNT(int_edges); j++) {
            uint64_t x = int_edges[i], y = int_edges[j];
            for (size_t k = 0; k < COUNT(int_edges); k++) {
                wide_128 a = {x, int_edges[k]}, b = {y, int_edges[(k * 7 + 3) % COUNT(int_edges)]};
                assert_true(joined(wide_add(a, b)) == joined(a) + joined(b));
                assert_true(joined(wide_sub(a, b)) == joined(a) - joined(b));
            }
            assert_true(joined(wide_mul_u(x, y)) == (uwide)x * y);
            assert_true(joined(wide_mul_s(x, y)) == (uwide)((wide)(int64_t)x * (int64_t)y));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_i32_ops_agree_with_wide_arithmetic),
        cmocka_unit_test(test_i64_ops_agree_with_wide_arithmetic),
        cmocka_unit_test(test_integers_change_width_by_sign_or_zeros),
        cmocka_unit_test(test_f64_ops_round_once_and_give_quiet_nans),
        cmocka_unit_test(test_f32_ops_round_once_and_give_quiet_nans),
        cmocka_unit_test(test_truncation_traps_and_saturates_at_the_exact_boundaries),
        cmocka_unit_test(test_integers_convert_to_the_nearest_float_ties_to_even),
        cmocka_unit_test(test_addresses_do_not_wrap_and_end_at_the_size),
        cmocka_unit_test(test_memory_is_little_endian),
        cmocka_unit_test(test_128_bit_sums_and_products_agree_with_the_compilers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

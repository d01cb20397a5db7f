/* Wide arithmetic: 128-bit sums, differences and products of 64-bit halves. Pure functions, without a 128-bit type. */
#ifndef WAGI_OPS_WIDE_H
#define WAGI_OPS_WIDE_H

#include <stdint.h>

typedef struct wide_128 {
    uint64_t low, high;
} wide_128;

static inline wide_128 wide_add(wide_128 a, wide_128 b)
{
    uint64_t low = a.low + b.low;
    return (wide_128){low, a.high + b.high + (low < a.low)};
}

static inline wide_128 wide_sub(wide_128 a, wide_128 b)
{
    return (wide_128){a.low - b.low, a.high - b.high - (a.low < b.low)};
}

static inline wide_128 wide_mul_u(uint64_t a, uint64_t b)
{
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t middle = a1 * b0 + (a0 * b0 >> 32), other = a0 * b1 + (uint32_t)middle;
    return (wide_128){a * b, a1 * b1 + (middle >> 32) + (other >> 32)};
}

/* Read as signed, a number whose top bit is set is 2^64 less. */
static inline wide_128 wide_mul_s(uint64_t a, uint64_t b)
{
    wide_128 product = wide_mul_u(a, b);
    product.high -= (a >> 63 ? b : 0) + (b >> 63 ? a : 0);
    return product;
}

#endif

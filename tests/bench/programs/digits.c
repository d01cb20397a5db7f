/* Arithmetic on long integers, 32 bits a limb: the first 200 * n decimal digits of pi by Machin's formula, and 96 * n
 * powers modulo numbers of 512 bits, as in cryptography.
 */
#include "program.h"

typedef struct number {
    uint32_t *limb; /* the least significant first */
    size_t size;    /* all numbers of a computation have the same */
} number;

static number number_new(size_t size)
{
    return (number){must_have(calloc(size, sizeof(uint32_t))), size};
}

static void divide_small(number a, uint32_t by)
{
    uint64_t rest = 0;
    for (size_t i = a.size; i-- > 0;) {
        rest = rest << 32 | a.limb[i];
        a.limb[i] = (uint32_t)(rest / by);
        rest %= by;
    }
}

static void multiply_small(number a, uint32_t by)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < a.size; i++) {
        carry += (uint64_t)a.limb[i] * by;
        a.limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

static uint32_t add(number a, number b)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < a.size; i++) {
        carry += (uint64_t)a.limb[i] + b.limb[i];
        a.limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return (uint32_t)carry;
}

static uint32_t subtract(number a, number b)
{
    uint64_t borrow = 0;
    for (size_t i = 0; i < a.size; i++) {
        uint64_t difference = (uint64_t)a.limb[i] - b.limb[i] - borrow;
        a.limb[i] = (uint32_t)difference;
        borrow = difference >> 63;
    }
    return (uint32_t)borrow;
}

static bool is_zero(number a)
{
    for (size_t i = 0; i < a.size; i++) {
        if (a.limb[i] != 0) {
            return false;
        }
    }
    return true;
}

/* sum += factor * arctan(1 / x), fixed point with one limb before the point; negative: -= */
static void add_arctan(number sum, uint32_t factor, uint32_t x, bool negative)
{
    number power = number_new(sum.size), term = number_new(sum.size);
    power.limb[sum.size - 1] = factor;
    divide_small(power, x);
    for (uint32_t i = 1; !is_zero(power); i += 2) {
        memcpy(term.limb, power.limb, sum.size * sizeof(uint32_t));
        divide_small(term, i);
        if (negative) {
            subtract(sum, term);
        } else {
            add(sum, term);
        }
        negative = !negative;
        divide_small(power, x * x);
    }
    free(power.limb);
    free(term.limb);
}

static uint64_t pi(uint32_t digits, uint64_t sum)
{
    number value = number_new(digits * 107 / 1024 + 4); /* log2(10) / 32 limbs a digit, and some to spare */
    add_arctan(value, 16, 5, false);
    add_arctan(value, 4, 239, true);
    for (uint32_t i = 0; i < digits; i += 8) {
        sum = checksum_word(sum, value.limb[value.size - 1]);
        value.limb[value.size - 1] = 0;
        multiply_small(value, 100000000);
    }
    free(value.limb);
    return sum;
}

/* ---- modular powers: Montgomery's multiplication, LIMBS of 32 bits ---- */

enum { LIMBS = 16 };

typedef struct modulus {
    uint32_t limb[LIMBS]; /* odd, its highest bit clear */
    uint32_t inverse;     /* -1 / limb[0] modulo 2^32 */
} modulus;

/* out = a * b / 2^(32 LIMBS) mod m; out may be a or b. */
static void montgomery(uint32_t *out, const uint32_t *a, const uint32_t *b, const modulus *m)
{
    uint32_t t[LIMBS + 1] = {0};
    for (int i = 0; i < LIMBS; i++) {
        uint64_t carry = 0, carry_m = 0;
        uint32_t factor = (uint32_t)(t[0] + (uint64_t)a[i] * b[0]) * m->inverse;
        for (int j = 0; j < LIMBS; j++) {
            carry += (uint64_t)a[i] * b[j] + t[j];
            carry_m += (uint64_t)factor * m->limb[j] + (uint32_t)carry;
            carry >>= 32;
            if (j > 0) {
                t[j - 1] = (uint32_t)carry_m;
            }
            carry_m >>= 32;
        }
        carry += carry_m + t[LIMBS];
        t[LIMBS - 1] = (uint32_t)carry;
        t[LIMBS] = (uint32_t)(carry >> 32);
    }
    number value = {t, LIMBS};
    number m_value = {(uint32_t *)m->limb, LIMBS};
    if (subtract(value, m_value) > t[LIMBS]) {
        add(value, m_value);
    }
    memcpy(out, t, LIMBS * sizeof(uint32_t));
}

/* out = base^exponent, both base and result times 2^(32 LIMBS) mod m; one: 1 in that form. */
static void power(uint32_t *out, const uint32_t *base, uint64_t exponent, const uint32_t *one, const modulus *m)
{
    uint32_t square[LIMBS];
    memcpy(square, base, sizeof square);
    memcpy(out, one, sizeof square);
    for (; exponent != 0; exponent >>= 1) {
        if ((exponent & 1) != 0) {
            montgomery(out, out, square, m);
        }
        montgomery(square, square, square, m);
    }
}

static uint64_t powers(uint64_t seed, uint64_t sum)
{
    modulus m;
    uint32_t base[LIMBS], one[LIMBS], x[LIMBS], y[LIMBS], both[LIMBS];
    for (int i = 0; i < LIMBS; i++) {
        m.limb[i] = (uint32_t)random_next(&seed);
        base[i] = (uint32_t)random_next(&seed);
    }
    m.limb[0] |= 1;
    m.limb[LIMBS - 1] = (m.limb[LIMBS - 1] & 0x7fffffff) | 0x40000000;
    base[LIMBS - 1] &= 0x3fffffff;
    m.inverse = 1;
    for (int i = 0; i < 5; i++) {
        m.inverse *= 2 - m.limb[0] * m.inverse;
    }
    m.inverse = 0 - m.inverse;
    /* 2^(32 LIMBS) mod m: double 1 that often. */
    memset(one, 0, sizeof one);
    one[0] = 1;
    number one_value = {one, LIMBS}, m_value = {m.limb, LIMBS};
    for (int i = 0; i < 32 * LIMBS; i++) {
        add(one_value, one_value);
        if (subtract(one_value, m_value) != 0) {
            add(one_value, m_value);
        }
    }
    uint64_t e = random_next(&seed) >> 1, f = random_next(&seed) >> 1;
    power(x, base, e, one, &m);
    power(y, base, f, one, &m);
    power(both, base, e + f, one, &m);
    montgomery(x, x, y, &m);
    if (memcmp(x, both, sizeof x) != 0) {
        puts("digits: b^e * b^f is not b^(e + f)");
        abort();
    }
    return checksum(sum, both, sizeof both);
}

uint64_t run(uint32_t n)
{
    uint64_t sum = pi(200 * n, CHECKSUM_START);
    for (uint32_t i = 0; i < 32 * n; i++) {
        sum = powers(i + 1, sum);
    }
    printf("digits: %u of pi\n", 200 * (unsigned)n);
    return sum;
}

/* core/ops/v128: every vector op over edge values, against a model that shares nothing with it: it reads the op's name
 * ("i16x8.add_sat_s") and computes lane by lane in __int128, in double and with libm. */
#include "tests/support/check.h"

#include <math.h>

#include "binary/op_v128.h"

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 uwide;

/* ---- lanes by arithmetic on bytes ---- */

static uint64_t lane_bits(const wagi_v128 *v, unsigned bits, unsigned i)
{
    uint64_t x = 0;
    for (unsigned k = bits / 8; k-- > 0;)
        x = x * 256 + v->bytes[i * bits / 8 + k];
    return x;
}
static wide lane(const wagi_v128 *v, unsigned bits, unsigned i, bool is_signed)
{
    uint64_t x = lane_bits(v, bits, i);
    return is_signed && x >> (bits - 1) ? (wide)x - ((wide)1 << bits) : (wide)x;
}
static void put(wagi_v128 *v, unsigned bits, unsigned i, wide x)
{
    for (unsigned k = 0; k < bits / 8; k++)
        v->bytes[i * bits / 8 + k] = (uint8_t)((uwide)x >> 8 * k);
}
static double real(const wagi_v128 *v, unsigned bits, unsigned i)
{
    uint64_t x = lane_bits(v, bits, i);
    uint32_t low = (uint32_t)x;
    float single;
    double value;
    memcpy(&single, &low, 4);
    memcpy(&value, &x, 8);
    return bits == 32 ? (double)single : value;
}
static void put_real(wagi_v128 *v, unsigned bits, unsigned i, double value)
{
    float single = (float)value;
    uint32_t low;
    uint64_t x;
    memcpy(&low, &single, 4);
    memcpy(&x, &value, 8);
    put(v, bits, i, bits == 32 ? low : x);
}
static wide clamp(wide x, unsigned bits, bool is_signed)
{
    wide lowest = is_signed ? -((wide)1 << (bits - 1)) : 0;
    wide highest = is_signed ? ((wide)1 << (bits - 1)) - 1 : ((wide)1 << bits) - 1;
    return x < lowest ? lowest : x > highest ? highest : x;
}

/* ---- the model ---- */

typedef struct subject {
    const char *name; /* behind the shape */
    char kind;        /* of the lanes: i, f, v */
    unsigned bits, count;
    const wagi_v128 *x;
    const uint8_t *immediate;
    wagi_v128 result;
    bool any_nan; /* a NaN in the result may be any quiet one */
} subject;

static bool begins(const char *text, const char *head)
{
    return strncmp(text, head, strlen(head)) == 0;
}
static bool is(const subject *s, const char *name)
{
    return strcmp(s->name, name) == 0;
}
static bool is_signed(const char *name)
{
    return strstr(name, "_s") != NULL && !strstr(name, "_u");
}

/* False when the name is no comparison. */
static bool compare(const char *name, bool equal, bool less, bool greater, bool *ret)
{
    static const char *const names[] = {"eq", "ne", "lt", "gt", "le", "ge"};
    const bool answers[] = {equal, !equal, less, greater, less || equal, greater || equal};
    for (unsigned i = 0; i < 6; i++)
        if (begins(name, names[i]) && (name[2] == 0 || name[2] == '_')) {
            *ret = answers[i];
            return true;
        }
    return false;
}

/* Lanes from two, both integers of the shape. False for another op. */
static bool int_pair(subject *s, unsigned i)
{
    bool sign = is_signed(s->name), answer;
    wide a = lane(&s->x[0], s->bits, i, sign), b = lane(&s->x[1], s->bits, i, sign), result;
    if (compare(s->name, a == b, a<b, a> b, &answer))
        result = answer ? -1 : 0;
    else if (is(s, "add"))
        result = a + b;
    else if (is(s, "sub"))
        result = a - b;
    else if (is(s, "mul"))
        result = (wide)((uwide)a * (uwide)b);
    else if (begins(s->name, "add_sat"))
        result = clamp(a + b, s->bits, sign);
    else if (begins(s->name, "sub_sat"))
        result = clamp(a - b, s->bits, sign);
    else if (begins(s->name, "min_"))
        result = a < b ? a : b;
    else if (begins(s->name, "max_"))
        result = a > b ? a : b;
    else if (is(s, "avgr_u"))
        result = (a + b + 1) / 2;
    else if (begins(s->name, "q15mulr") || is(s, "relaxed_q15mulr_s"))
        result = clamp((a * b + (1 << 14)) >> 15, 16, true);
    else
        return false;
    put(&s->result, s->bits, i, result);
    return true;
}

static bool int_single(subject *s, unsigned i)
{
    wide a = lane(&s->x[0], s->bits, i, true), result = 0;
    unsigned shift = (unsigned)(lane_bits(&s->x[1], 32, 0) % s->bits);
    if (is(s, "abs"))
        result = a < 0 ? -a : a;
    else if (is(s, "neg"))
        result = -a;
    else if (is(s, "popcnt"))
        for (unsigned k = 0; k < s->bits; k++)
            result += a >> k & 1;
    else if (is(s, "shl"))
        result = (wide)((uwide)a << shift);
    else if (is(s, "shr_s"))
        result = a >> shift;
    else if (is(s, "shr_u"))
        result = lane(&s->x[0], s->bits, i, false) >> shift;
    else
        return false;
    put(&s->result, s->bits, i, result);
    return true;
}

/* From lanes of half or twice the width. */
static bool int_resized(subject *s, unsigned i)
{
    unsigned half = s->bits / 2;
    bool sign = is_signed(s->name);
    unsigned from = i + (strstr(s->name, "_high_") ? s->count : 0);
    const wagi_v128 *x = s->x;
    wide result;
    if (begins(s->name, "extend_"))
        result = lane(&x[0], half, from, sign);
    else if (begins(s->name, "extmul_"))
        result = lane(&x[0], half, from, sign) * lane(&x[1], half, from, sign);
    else if (begins(s->name, "extadd_"))
        result = lane(&x[0], half, 2 * i, sign) + lane(&x[0], half, 2 * i + 1, sign);
    else if (begins(s->name, "narrow_"))
        result = clamp(lane(&x[i >= s->count / 2], 2 * s->bits, i % (s->count / 2), true), s->bits, sign);
    else if (is(s, "dot_i16x8_s") || is(s, "relaxed_dot_i8x16_i7x16_s"))
        result = lane(&x[0], half, 2 * i, true) * lane(&x[1], half, 2 * i, true) +
                 lane(&x[0], half, 2 * i + 1, true) * lane(&x[1], half, 2 * i + 1, true);
    else
        return false;
    put(&s->result, s->bits, i, is(s, "relaxed_dot_i8x16_i7x16_s") ? clamp(result, 16, true) : result);
    return true;
}

static wide saturating_truncation(double x, bool sign)
{
    if (x != x)
        return 0;
    double lowest = sign ? -2147483648.0 : 0, highest = sign ? 2147483647.0 : 4294967295.0;
    return (wide)(x < lowest ? lowest : x > highest ? highest : trunc(x));
}

static bool convert(subject *s, unsigned i)
{
    bool sign = is_signed(s->name), from_f64 = strstr(s->name, "f64x2") != NULL;
    const char *name = begins(s->name, "relaxed_") ? s->name + 8 : s->name;
    if (s->kind == 'i' && begins(name, "trunc_")) {
        put(&s->result, 32, i, from_f64 && i >= 2 ? 0 : saturating_truncation(real(s->x, from_f64 ? 64 : 32, i), sign));
        return true;
    }
    if (begins(name, "convert_"))
        put_real(&s->result, s->bits, i, (double)lane(s->x, 32, i, sign));
    else if (is(s, "promote_low_f32x4"))
        put_real(&s->result, 64, i, real(s->x, 32, i));
    else if (is(s, "demote_f64x2_zero"))
        put_real(&s->result, 32, i, i < 2 ? real(s->x, 64, i) : 0);
    else
        return false;
    s->any_nan = true;
    return true;
}

/* Results that are an operand's bits. */
static bool float_bits(subject *s, unsigned i)
{
    const wagi_v128 *x = s->x;
    uint64_t a = lane_bits(&x[0], s->bits, i), b = lane_bits(&x[1], s->bits, i), sign = (uint64_t)1 << (s->bits - 1);
    double p = real(&x[0], s->bits, i), q = real(&x[1], s->bits, i);
    bool answer;
    if (is(s, "abs"))
        put(&s->result, s->bits, i, (wide)(a & ~sign));
    else if (is(s, "neg"))
        put(&s->result, s->bits, i, (wide)(a ^ sign));
    else if (is(s, "pmin"))
        put(&s->result, s->bits, i, (wide)(isgreater(p, q) ? b : a));
    else if (is(s, "pmax"))
        put(&s->result, s->bits, i, (wide)(isless(p, q) ? b : a));
    else if (compare(s->name, p == q, isless(p, q), isgreater(p, q), &answer))
        put(&s->result, s->bits, i, answer ? -1 : 0);
    else
        return false;
    return true;
}

static double rounded(const subject *s, double x)
{
    volatile float single = (float)x;
    return s->bits == 32 ? (double)single : x;
}

static bool arithmetic(subject *s, unsigned i)
{
    const char *name = begins(s->name, "relaxed_") ? s->name + 8 : s->name;
    volatile double p = real(&s->x[0], s->bits, i), q = real(&s->x[1], s->bits, i), r = real(&s->x[2], s->bits, i);
    volatile double result, product;
    if (strcmp(name, "add") == 0)
        result = p + q;
    else if (strcmp(name, "sub") == 0)
        result = p - q;
    else if (strcmp(name, "mul") == 0)
        result = p * q;
    else if (strcmp(name, "div") == 0)
        result = p / q;
    else if (strcmp(name, "sqrt") == 0)
        result = sqrt(p);
    else if (strcmp(name, "ceil") == 0)
        result = ceil(p);
    else if (strcmp(name, "floor") == 0)
        result = floor(p);
    else if (strcmp(name, "trunc") == 0)
        result = trunc(p);
    else if (strcmp(name, "nearest") == 0)
        result = rint(p);
    else if (strcmp(name, "min") == 0)
        result = isunordered(p, q) ? NAN : p == q ? (signbit(p) ? p : q) : fmin(p, q);
    else if (strcmp(name, "max") == 0)
        result = isunordered(p, q) ? NAN : p == q ? (signbit(p) ? q : p) : fmax(p, q);
    else if (strcmp(name, "madd") == 0 || strcmp(name, "nmadd") == 0) {
        product = rounded(s, (*name == 'n' ? -p : p) * q);
        result = product + r;
    } else
        return false;
    s->any_nan = true;
    put_real(&s->result, s->bits, i, result);
    return true;
}

static bool lanes(subject *s, unsigned i)
{
    const wagi_v128 *x = s->x;
    uint64_t a = lane_bits(&x[0], s->bits, i), index;
    if (is(s, "splat")) {
        a = lane_bits(&x[0], s->bits, 0);
    } else if (is(s, "replace_lane")) {
        a = i == *s->immediate ? lane_bits(&x[1], s->bits, 0) : a;
    } else if (is(s, "swizzle") || is(s, "relaxed_swizzle")) {
        index = lane_bits(&x[1], 8, i);
        a = index < 16 ? lane_bits(&x[0], 8, (unsigned)index) : 0;
    } else if (is(s, "shuffle")) {
        index = s->immediate[i];
        a = lane_bits(&x[index / 16], 8, (unsigned)index % 16);
    } else if (is(s, "relaxed_laneselect")) {
        uint64_t mask = lane_bits(&x[2], s->bits, i);
        a = (a & mask) | (lane_bits(&x[1], s->bits, i) & ~mask);
    } else if (is(s, "relaxed_dot_i8x16_i7x16_add_s")) {
        wide sum = lane(&x[2], 32, i, true);
        for (unsigned k = 0; k < 4; k += 2)
            sum += clamp(lane(&x[0], 8, 4 * i + k, true) * lane(&x[1], 8, 4 * i + k, true) +
                             lane(&x[0], 8, 4 * i + k + 1, true) * lane(&x[1], 8, 4 * i + k + 1, true),
                         16, true);
        a = (uint64_t)sum;
    } else {
        return false;
    }
    put(&s->result, s->bits, i, (wide)a);
    return true;
}

/* Results that are a scalar: two slots, the second one 0. */
static bool scalar(subject *s)
{
    uint64_t result = 0;
    bool all = true;
    unsigned chosen = s->immediate[0] % 16;
    for (unsigned i = 0; i < s->count; i++) {
        result |= (uint64_t)(lane_bits(s->x, s->bits, i) >> (s->bits - 1)) << i;
        all = all && lane_bits(s->x, s->bits, i) != 0;
    }
    if (is(s, "any_true")) {
        for (unsigned i = 0; i < 16; i++)
            result |= s->x->bytes[i];
        result = result != 0;
    } else if (is(s, "all_true")) {
        result = all;
    } else if (begins(s->name, "extract_lane")) {
        result = s->bits == 64 ? lane_bits(s->x, 64, chosen)
                               : (uint32_t)(int32_t)lane(s->x, s->bits, chosen, is_signed(s->name));
    } else if (!is(s, "bitmask")) {
        return false;
    }
    put(&s->result, 64, 0, (wide)result);
    put(&s->result, 64, 1, 0);
    return true;
}

static bool whole(subject *s)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned a = s->x[0].bytes[i], b = s->x[1].bytes[i], c = s->x[2].bytes[i];
        unsigned result;
        if (is(s, "not"))
            result = 255 - a;
        else if (is(s, "and"))
            result = a & b;
        else if (is(s, "andnot"))
            result = a & (255 - b);
        else if (is(s, "or"))
            result = a | b;
        else if (is(s, "xor"))
            result = (a | b) - (a & b);
        else if (is(s, "bitselect"))
            result = b ^ ((a ^ b) & c);
        else if (is(s, "const"))
            result = s->immediate[i];
        else
            return false;
        s->result.bytes[i] = (uint8_t)result;
    }
    return true;
}

static bool model(subject *s)
{
    if (s->kind == 'v' && whole(s))
        return true;
    if (scalar(s))
        return true;
    for (unsigned i = 0; i < s->count; i++) {
        bool known = s->kind == 'f'
                         ? convert(s, i) || float_bits(s, i) || arithmetic(s, i) || lanes(s, i)
                         : int_pair(s, i) || int_single(s, i) || int_resized(s, i) || convert(s, i) || lanes(s, i);
        if (!known)
            return false;
    }
    return true;
}

/* ---- the values ---- */

enum { VECTORS = 46 };
static wagi_v128 vectors[VECTORS];

static uint64_t next_random(void)
{
    static uint64_t x = 0x9E3779B97F4A7C15u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

static int make_vectors(void **state)
{
    (void)state;
    static const uint64_t ints[] = {0,      1,          0x7F,       0x80,       0xFF,     0x7FFF, 0x8000,
                                    0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x123456, 0x8081};
    static const float singles[] = {
        0,     -0.0f,  1,          -1,       1.5f,      -2.5f,       2147483648.0f, -2147483648.0f, 4294967296.0f,
        1e38f, 1e-45f, 8388609.5f, INFINITY, -INFINITY, 0.49999997f, -0.5f};
    static const double doubles[] = {0,
                                     -0.0,
                                     0.5,
                                     -1.5,
                                     2147483647,
                                     2147483647.5,
                                     -2147483649.0,
                                     4294967295.5,
                                     1e300,
                                     5e-324,
                                     4503599627370497.5,
                                     INFINITY,
                                     -INFINITY,
                                     3.9999999999999996,
                                     1e-310,
                                     -2.5};
    unsigned n = 0;
    for (unsigned k = 0; k < 3; k++)
        for (unsigned i = 0; i < 8; i++, n++)
            for (unsigned at = 0; at < 16u >> k; at++)
                put(&vectors[n], 8u << k, at, (wide)ints[(i + at * (1 + i % 5)) % 13]);
    for (unsigned i = 0; i < 6; i++, n++)
        for (unsigned at = 0; at < 4; at++)
            put_real(&vectors[n], 32, at, (double)singles[(5 * i + at * (i + 1)) % 16]);
    for (unsigned i = 0; i < 8; i++, n++)
        for (unsigned at = 0; at < 2; at++)
            put_real(&vectors[n], 64, at, doubles[2 * i + at]);
    /* NaNs, signalling ones among them */
    put(&vectors[n], 64, 0, 0x7FF0000000000001);
    put(&vectors[n++], 64, 1, (wide)0xFFF8000000000123u);
    put(&vectors[n], 64, 0, 0x7F8000017FC00000);
    put(&vectors[n++], 64, 1, (wide)0xFFA00000FFC12345u);
    put(&vectors[n], 64, 0, (wide)0x8000000000000000u);
    put(&vectors[n++], 64, 1, INT64_MAX);
    while (n < VECTORS) {
        put(&vectors[n], 64, 0, (wide)next_random());
        put(&vectors[n++], 64, 1, (wide)next_random());
    }
    return 0;
}

static bool same(const subject *s, const wagi_v128 *got)
{
    for (unsigned i = 0; s->any_nan && i < s->count; i++) {
        uint64_t a = lane_bits(&s->result, s->bits, i), b = lane_bits(got, s->bits, i);
        uint64_t quiet = s->bits == 32 ? 0x7FC00000 : 0x7FF8000000000000;
        bool is_nan = isnan(real(&s->result, s->bits, i));
        if (is_nan ? (b & quiet) != quiet : a != b)
            return false;
    }
    return s->any_nan || memcmp(got, &s->result, 16) == 0;
}

/* Of a lane: "i16x8.add". */
static unsigned bits_of(const char *text)
{
    return *text == 'v' ? 64 : (unsigned)strtoul(text + 1, NULL, 10);
}

static void check(wagi_op op, const wagi_v128 *x, const uint8_t *immediate)
{
    const wagi_op_info *info = &wagi_ops[op];
    const char *text = info->text;
    subject s = {.name = strchr(text, '.') + 1, .kind = *text, .x = x, .immediate = immediate};
    s.bits = bits_of(text);
    s.count = 128 / s.bits;
    wagi_v128 got;
    memset(&got, 0xEE, sizeof got);
    wagi_op_v128_func(op)(x, immediate, &got);
    if (!model(&s))
        fail_msg("%s: the model does not know it", text);
    if (!same(&s, &got)) {
        for (unsigned i = 0; i < 3; i++)
            print_message("operand %u: %016llx %016llx\n", i, (unsigned long long)lane_bits(&x[i], 64, 1),
                          (unsigned long long)lane_bits(&x[i], 64, 0));
        fail_msg("%s: want %016llx %016llx, got %016llx %016llx", text, (unsigned long long)lane_bits(&s.result, 64, 1),
                 (unsigned long long)lane_bits(&s.result, 64, 0), (unsigned long long)lane_bits(&got, 64, 1),
                 (unsigned long long)lane_bits(&got, 64, 0));
    }
}

/* A lane's number, or 16, or the bytes of a constant. */
static void make_immediate(wagi_op op, unsigned n, uint8_t immediate[16])
{
    unsigned count = wagi_ops[op].imm == WAGI_IMM_SHUFFLE ? 32
                     : wagi_ops[op].imm == WAGI_IMM_LANE  ? 128 / bits_of(wagi_ops[op].text)
                                                          : 256;
    for (unsigned i = 0; i < 16; i++)
        immediate[i] = (uint8_t)((n + i * (n % 7 + 1) + next_random() % 3 * (n > 40)) % count);
}

/* ---- the tests ---- */

static void test_every_vector_op_without_a_memarg_has_a_meaning(void **state)
{
    (void)state;
    unsigned with = 0;
    for (wagi_op op = 0; op < WAGI_OP_COUNT; op++) {
        const wagi_op_info *info = &wagi_ops[op];
        bool pure = info->prefix == 0xFD && info->imm != WAGI_IMM_MEMARG && info->imm != WAGI_IMM_MEMARG_LANE;
        if (pure != (wagi_op_v128_func(op) != NULL))
            fail_msg("%s", info->text);
        with += pure;
    }
    assert_int_equal(with, 236 + 20 - 14 - 8);
}

static void test_every_vector_op_agrees_with_the_model(void **state)
{
    (void)state;
    uint8_t immediate[16];
    for (wagi_op op = 0; op < WAGI_OP_COUNT; op++) {
        if (!wagi_op_v128_func(op))
            continue;
        for (unsigned i = 0; i < VECTORS; i++)
            for (unsigned k = 0; k < VECTORS; k++) {
                wagi_v128 x[3] = {vectors[i], vectors[k], vectors[(i * 7 + k * 3) % VECTORS]};
                make_immediate(op, i * VECTORS + k, immediate);
                check(op, x, immediate);
            }
    }
}

static void test_shifts_by_every_count_agree_with_the_model(void **state)
{
    (void)state;
    for (wagi_op op = 0; op < WAGI_OP_COUNT; op++)
        for (uint32_t count = 0; wagi_op_v128_func(op) && strstr(wagi_ops[op].text, ".sh") && count < 140; count++) {
            if (op == WAGI_OP_i8x16_shuffle)
                continue;
            wagi_v128 x[3] = {vectors[count % VECTORS], wagi_v128_of_scalar(count), vectors[0]};
            if (count >= 130)
                x[1] = wagi_v128_of_scalar(UINT32_MAX - (count - 130));
            check(op, x, x[2].bytes);
        }
}

static void test_the_result_may_be_an_operand(void **state)
{
    (void)state;
    wagi_v128 x[3] = {vectors[3], vectors[45], vectors[44]}, apart;
    wagi_op_v128_func(WAGI_OP_i8x16_swizzle)(x, NULL, &apart);
    wagi_op_v128_func(WAGI_OP_i8x16_swizzle)(x, NULL, &x[1]);
    assert_memory_equal(&x[1], &apart, 16);
}

/* Bytes 1 to 16 and their opposites. */
static void fill(uint8_t *bytes)
{
    for (unsigned i = 0; i < 16; i++)
        bytes[i] = (uint8_t)(i % 3 == 1 ? 0x100 - (i + 1) : i + 1);
}

static void test_loads_take_exactly_their_bytes(void **state)
{
    (void)state;
    static const struct {
        v128_load *load;
        unsigned from, to; /* bits */
        bool sign, splat;
    } loads[] = {
        {v128_v128_load8x8_s, 8, 16, true, false},     {v128_v128_load8x8_u, 8, 16, false, false},
        {v128_v128_load16x4_s, 16, 32, true, false},   {v128_v128_load16x4_u, 16, 32, false, false},
        {v128_v128_load32x2_s, 32, 64, true, false},   {v128_v128_load32x2_u, 32, 64, false, false},
        {v128_v128_load8_splat, 8, 8, false, true},    {v128_v128_load16_splat, 16, 16, false, true},
        {v128_v128_load32_splat, 32, 32, false, true}, {v128_v128_load64_splat, 64, 64, false, true},
        {v128_v128_load, 8, 8, false, false},
    };
    uint8_t *page = malloc(16), bytes[16]; /* the end of a block: sanitizers see a byte too much */
    assert_non_null(page);
    fill(bytes);
    for (size_t n = 0; n < sizeof loads / sizeof *loads; n++) {
        unsigned count = 128 / loads[n].to, size = loads[n].splat ? loads[n].from / 8 : count * loads[n].from / 8;
        wagi_v128 source = {{0}}, want = {{0}};
        memcpy(source.bytes, bytes, 16);
        memcpy(page + 16 - size, bytes, size);
        for (unsigned i = 0; i < count; i++)
            put(&want, loads[n].to, i, lane(&source, loads[n].from, loads[n].splat ? 0 : i, loads[n].sign));
        wagi_v128 got = loads[n].load(page + 16 - size);
        assert_memory_equal(&got, &want, 16);
    }
    wagi_v128 zeros = {{0}}, got = v128_v128_load32_zero(memcpy(page + 12, bytes, 4));
    assert_memory_equal(got.bytes, bytes, 4);
    assert_memory_equal(got.bytes + 4, zeros.bytes, 12);
    got = v128_v128_load64_zero(memcpy(page + 8, bytes, 8));
    assert_memory_equal(got.bytes, bytes, 8);
    assert_memory_equal(got.bytes + 8, zeros.bytes, 8);
    free(page);
}

static void test_lanes_are_loaded_and_stored_alone(void **state)
{
    (void)state;
    static const struct {
        v128_load_lane *load;
        v128_store_lane *store;
        unsigned bytes;
    } widths[] = {
        {v128_v128_load8_lane, v128_v128_store8_lane, 1},
        {v128_v128_load16_lane, v128_v128_store16_lane, 2},
        {v128_v128_load32_lane, v128_v128_store32_lane, 4},
        {v128_v128_load64_lane, v128_v128_store64_lane, 8},
    };
    uint8_t bytes[16], memory[16];
    fill(bytes);
    for (size_t n = 0; n < 4; n++)
        for (unsigned at = 0; at < 16 / widths[n].bytes; at++) {
            unsigned size = widths[n].bytes;
            wagi_v128 want = vectors[44], got = widths[n].load(bytes + 16 - size, vectors[44], at);
            memcpy(want.bytes + at * size, bytes + 16 - size, size);
            assert_memory_equal(&got, &want, 16);
            memset(memory, 0x77, sizeof memory);
            widths[n].store(memory + 4, vectors[45], at);
            assert_memory_equal(memory + 4, vectors[45].bytes + at * size, size);
            for (unsigned i = 0; i < 16; i++)
                if (i < 4 || i >= 4 + size)
                    assert_int_equal(memory[i], 0x77);
        }
    v128_v128_store(memory, vectors[45]);
    assert_memory_equal(memory, vectors[45].bytes, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_vector_op_without_a_memarg_has_a_meaning),
        cmocka_unit_test(test_every_vector_op_agrees_with_the_model),
        cmocka_unit_test(test_shifts_by_every_count_agree_with_the_model),
        cmocka_unit_test(test_the_result_may_be_an_operand),
        cmocka_unit_test(test_loads_take_exactly_their_bytes),
        cmocka_unit_test(test_lanes_are_loaded_and_stored_alone),
    };
    return cmocka_run_group_tests(tests, make_vectors, NULL);
}

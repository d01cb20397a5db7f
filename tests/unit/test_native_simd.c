/* Every vector op in every form the native compiler makes of it, against core/ops/v128.h bit by bit: operands in
 * locals, constant, the same one twice; the result a value, in the local of each operand, behind calls, and among more
 * vectors than there are registers; all lanes, shuffles of each kind; with AVX, without, with SSE2 alone, and with few
 * registers.
 *
 * NaNs: which bits an op gives may differ where the specification leaves the choice; such lanes count as equal. */
#include "tests/support/check.h"

#include <stdlib.h>
#include <string.h>

#include "binary/op.h"
#include "compiler/compile.h"
#include "compiler/fold_simd.h"
#include "compiler/ir.h"
#include "compiler/x64/emit.h"
#include "compiler/x64/x64.h"
#include "ops/v128.h"
#include "tests/support/bytes.h"

#define COUNT(array) ((unsigned)(sizeof(array) / sizeof *(array)))
enum { CROWD = 16, MAX_OPERANDS = 3, SLOTS = 2 * MAX_OPERANDS };

typedef enum use {
    USE_VALUE,
    USE_OWN_1,
    USE_OWN_2,
    USE_OWN_3,
    USE_CALLS,
    USE_CROWD,
    USE_IF,
    USE_SELECT,
    USE_COUNT
} use;
static const char *const use_names[USE_COUNT] = {
    "value", "into the first", "into the second", "into the third", "behind calls", "in a crowd", "if", "select"};

typedef enum operand { LOCAL, CONSTANT, SAME } operand; /* SAME: the first one once more */

typedef struct form {
    use use;
    operand operands[MAX_OPERANDS];
    unsigned constants[MAX_OPERANDS]; /* indices of values */
    uint8_t immediate[16];
} form;

/* ---- values ---- */

static const uint64_t vectors[][2] = {
    {0x9ABCDEF012345678, 0x0FEDCBA987654321}, /* nothing special */
    {0, 0},
    {UINT64_MAX, UINT64_MAX},
    {0x7FFF0001FFFF8000, 0xFF7F00FF00808001}, /* edges of 8 and 16 bits */
    {0x7FFFFFFF80000000, 0xFFFFFFFF00000001}, /* of 32 */
    {0x8000000000000000, 0x7FFFFFFFFFFFFFFF}, /* of 64 */
    {0x7F1110FF800F0100, 0x40201F038FF0020E}, /* lane numbers */
    {0x800000003F800000, 0x7F8000007FC12345}, /* f32: 1, -0, NaN, infinity */
    {0x7FA0000000000000, 0x4F000000FF800000}, /* 0, signalling NaN, -infinity, 2^31 */
    {0x4EFFFFFFCF000000, 0xBF0000004F7FFFFF}, /* -2^31, below 2^31, below 2^32, -0.5 */
    {0x402000003FC00000, 0xCF0000014B7FFFFF}, /* 1.5, 2.5, 2^24 - 1, below -2^31 */
    {0x8000000000000000, 0x7FF8123456789ABC}, /* f64: -0, NaN */
    {0x41DFFFFFFFE00000, 0xC1E0000000100000}, /* 2^31 - 0.5, -2^31 - 0.5 */
    {0x41EFFFFFFFF00000, 0x7FEFFFFFFFFFFFFF}, /* 2^32 - 0.5, the largest */
    {0xFFF4000000000001, 0xFFF0000000000000}, /* signalling NaN, -infinity */
    {0x0000000000000000, 0x4004000000000000}, /* 0, 2.5 */
    {0x8080808080808080, 0x8000800080008000},
    {0x7F7F7F7F7F7F7F7F, 0x7FFF7FFF7FFF7FFF},
};
static const uint64_t ints[] = {0, 1, 3, 7, 8, 9, 15, 16, 31, 32, 33, 0x80, 0x8000, 0x12345678, 0xFFFFFFFF};
static const uint64_t longs[] = {0, 1, UINT64_MAX, 0x8000000000000000, 0x123456789ABCDEF0};
static const uint64_t floats[] = {0, 0x80000000, 0x3F800000, 0x7FA12345, 0x7FC00000};
static const uint64_t doubles[] = {0, 0x8000000000000000, 0x3FF0000000000000, 0x7FF4123456789ABC};

static unsigned value_count(char kind)
{
    return kind == 'v'   ? COUNT(vectors)
           : kind == 'i' ? COUNT(ints)
           : kind == 'I' ? COUNT(longs)
           : kind == 'f' ? COUNT(floats)
                         : COUNT(doubles);
}

static unsigned put_value(char kind, unsigned index, uint64_t *slots)
{
    if (kind == 'v') {
        memcpy(slots, vectors[index], 16);
        return 2;
    }
    *slots = (kind == 'i' ? ints : kind == 'I' ? longs : kind == 'f' ? floats : doubles)[index];
    return 1;
}

/* ---- one op's module ---- */

typedef struct op_case {
    wagi_op op;
    unsigned operands;
    char kind[MAX_OPERANDS], result;
    form *forms;
    size_t form_count, form_room;
    build module;
} op_case;

static unsigned valtype(char kind)
{
    return kind == 'i' ? 0x7F : kind == 'I' ? 0x7E : kind == 'f' ? 0x7D : kind == 'F' ? 0x7C : 0x7B;
}

static void put_op(build *b, wagi_op op)
{
    if (wagi_ops[op].prefix) {
        build_u8(b, wagi_ops[op].prefix);
        build_leb(b, wagi_ops[op].code);
    } else {
        build_u8(b, wagi_ops[op].code);
    }
}

static void put_op_u(build *b, wagi_op op, uint64_t immediate)
{
    put_op(b, op);
    build_leb(b, immediate);
}

static void put_words(build *b, const uint64_t *words, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        build_u8(b, (unsigned)(words[i / 8] >> 8 * (i % 8)) & 0xFF);
}

/* The constants' signed LEBs, at their longest. */
static void put_s(build *b, int64_t x, unsigned bytes)
{
    for (unsigned i = 0; i + 1 < bytes; i++, x >>= 7)
        build_u8(b, (unsigned)(x & 0x7F) | 0x80);
    build_u8(b, (unsigned)(x & 0x7F));
}

static void put_const(build *b, char kind, const uint64_t *value)
{
    switch (kind) {
    case 'i':
        put_op(b, WAGI_OP_i32_const);
        put_s(b, (int32_t)*value, 5);
        return;
    case 'I':
        put_op(b, WAGI_OP_i64_const);
        put_s(b, (int64_t)*value, 10);
        return;
    default:
        put_op(b, kind == 'f' ? WAGI_OP_f32_const : kind == 'F' ? WAGI_OP_f64_const : WAGI_OP_v128_const);
        put_words(b, value, kind == 'f' ? 4 : kind == 'F' ? 8 : 16);
    }
}

static void put_operand(build *b, const op_case *c, const form *f, unsigned index)
{
    uint64_t value[2];
    if (f->operands[index] == CONSTANT) {
        put_value(c->kind[index], f->constants[index], value);
        put_const(b, c->kind[index], value);
    } else {
        put_op_u(b, WAGI_OP_local_get, f->operands[index] == SAME ? 0 : index);
    }
}

static void crowd_value(unsigned i, uint64_t value[2])
{
    value[0] = 0x0101010101010101 * (uint64_t)(i * 3 + 1);
    value[1] = 0x0100010001000100 * (uint64_t)(i + 1);
}

/* Vectors that live through the op: the first operand, each with another constant. */
static void put_crowd(build *b, const op_case *c)
{
    for (unsigned i = 0; i < CROWD; i++) {
        uint64_t value[2];
        crowd_value(i, value);
        put_op_u(b, WAGI_OP_local_get, 0);
        put_const(b, 'v', value);
        put_op(b, WAGI_OP_v128_xor);
        put_op_u(b, WAGI_OP_local_set, c->operands + i);
    }
}

/* Their sums, several times so that they are worth registers, to memory. */
static void use_crowd(build *b, const op_case *c)
{
    uint64_t zero = 0;
    for (unsigned turn = 0; turn < 4; turn++) {
        put_const(b, 'i', &zero);
        for (unsigned i = 0; i < CROWD; i++) {
            put_op_u(b, WAGI_OP_local_get, c->operands + (i + turn) % CROWD);
            if (i)
                put_op(b, turn < 3 ? WAGI_OP_i8x16_add : WAGI_OP_v128_xor);
        }
        put_op(b, WAGI_OP_v128_store);
        build_raw(b, "\4\0", 2);
    }
}

enum { IF_TRUE = 33, IF_FALSE = 44 };

/* The i32 result as a condition, of `if` the other way round. */
static void use_condition(build *b, const form *f)
{
    static const uint64_t yes = IF_TRUE, no = IF_FALSE;
    if (f->use == USE_SELECT) {
        put_op(b, WAGI_OP_select);
        return;
    }
    put_op(b, WAGI_OP_i32_eqz);
    put_op_u(b, WAGI_OP_if_, valtype('i'));
    put_const(b, 'i', &no);
    put_op(b, WAGI_OP_else_);
    put_const(b, 'i', &yes);
    put_op(b, WAGI_OP_end);
}

static void put_body(build *b, const op_case *c, const form *f)
{
    size_t size = build_begin(b);
    uint64_t zero = 0;
    build_u8(b, 1);
    build_u8(b, CROWD);
    build_u8(b, valtype('v'));
    if (f->use == USE_CROWD)
        put_crowd(b, c);
    for (unsigned i = 0; i < 2 && f->use == USE_CALLS; i++) {
        put_const(b, 'i', &zero);
        put_op_u(b, WAGI_OP_memory_grow, 0);
        put_op(b, WAGI_OP_drop);
    }
    if (f->use == USE_SELECT) {
        put_const(b, 'i', &(uint64_t){IF_TRUE});
        put_const(b, 'i', &(uint64_t){IF_FALSE});
    }
    for (unsigned i = 0; i < c->operands; i++)
        put_operand(b, c, f, i);
    put_op(b, c->op);
    build_raw(b, f->immediate,
              wagi_ops[c->op].imm == WAGI_IMM_LANE      ? 1
              : wagi_ops[c->op].imm == WAGI_IMM_SHUFFLE ? 16
                                                        : 0);
    if (f->use == USE_CROWD)
        use_crowd(b, c);
    if (f->use == USE_IF || f->use == USE_SELECT)
        use_condition(b, f);
    if (f->use >= USE_OWN_1 && f->use <= USE_OWN_3) {
        put_op_u(b, WAGI_OP_local_set, f->use - USE_OWN_1);
        put_op_u(b, WAGI_OP_local_get, f->use - USE_OWN_1);
    }
    put_op(b, WAGI_OP_end);
    build_end(b, size);
}

static void add_form(op_case *c, form f)
{
    if (c->form_count == c->form_room) {
        c->form_room = 2 * c->form_room + 64;
        c->forms = realloc(c->forms, c->form_room * sizeof *c->forms);
        if (!c->forms)
            abort();
    }
    c->forms[c->form_count++] = f;
}

static void add_operands(op_case *c, form f)
{
    add_form(c, f);
    if (c->operands >= 2 && c->kind[0] == c->kind[1]) {
        form same = f;
        same.operands[1] = SAME;
        add_form(c, same);
    }
    for (unsigned i = 0; i < c->operands; i++)
        for (unsigned j = 0; j < value_count(c->kind[i]); j++) {
            form constant = f;
            constant.operands[i] = CONSTANT;
            constant.constants[i] = j;
            add_form(c, constant);
        }
    for (unsigned j = 0; j < COUNT(vectors) && f.use == USE_VALUE; j++) { /* what folds */
        form folded = f;
        for (unsigned i = 0; i < c->operands; i++) {
            folded.operands[i] = CONSTANT;
            folded.constants[i] = (j + 5 * i) % value_count(c->kind[i]);
        }
        add_form(c, folded);
    }
}

static void add_uses(op_case *c, const uint8_t *immediate)
{
    for (use u = USE_VALUE; u < USE_COUNT; u++) {
        form f = {.use = u};
        memcpy(f.immediate, immediate, 16);
        bool own = u >= USE_OWN_1 && u <= USE_OWN_3;
        if (own && (u - USE_OWN_1 >= c->operands || c->kind[u - USE_OWN_1] != c->result))
            continue;
        if (u == USE_CROWD && c->kind[0] != 'v')
            continue;
        if ((u == USE_IF || u == USE_SELECT) && c->result != 'i')
            continue;
        if (u == USE_VALUE || own)
            add_operands(c, f);
        else
            add_form(c, f);
    }
}

static const char *const shuffles[] = {
    "000102030405060708090a0b0c0d0e0f",
    "101112131415161718191a1b1c1d1e1f", /* one of both */
    "0405060708090a0b0c0d0e0f00010203",
    "0f0e0d0c0b0a09080706050403020100", /* turned */
    "03030303030303030303030303030303",
    "02030001060704050a0b08090e0f0c0d", /* splat, halves */
    "0001020304050607090809080d0c0b0a",
    "0203000106070405"
    "08090a0b0c0d0e0f",
    "0001020304050607"
    "0e0f0c0d0a0b0809",
    "0304050607080910"
    "1112131415161718",
    "030405060708090a0b0c0d0e0f101112",
    "131415161718191a1b1c1d1e1f000102", /* palignr */
    "00100111021203130414051506160717",
    "18081909"
    "1a0a1b0b1c0c1d0d1e0e1f0f", /* unpack */
    "00011011020312130405141506071617",
    "08090a0b18191a1b0c0d0e0f1c1d1e1f",
    "00010203040506071011121314151617",
    "08090a0b0c0d0e0f18191a1b1c1d1e1f",
    "0001121304051617"
    "08091a1b0c0d1e1f",
    "10110203"
    "1415060718190a0b1c1d0e0f", /* pblendw */
    "0405060700010203"
    "1c1d1e1f10111213",
    "14151617"
    "1011121308090a0b04050607", /* shufps */
    "00040812"
    "1f1e1d1c0302010010111213",
    "0f1f0e1e0d1d0c1c0b1b0a1a09190818",
};

static void add_forms(op_case *c)
{
    uint8_t immediate[16] = {0};
    if (wagi_ops[c->op].imm == WAGI_IMM_SHUFFLE) {
        for (unsigned i = 0; i < COUNT(shuffles); i++) {
            for (unsigned j = 0; j < 16; j++) {
                unsigned lane;
                assert_int_equal(sscanf(shuffles[i] + 2 * j, "%2x", &lane), 1);
                immediate[j] = (uint8_t)lane;
            }
            add_uses(c, immediate);
        }
        return;
    }
    const char *text = wagi_ops[c->op].text; /* i8x16. */
    unsigned lanes = wagi_ops[c->op].imm == WAGI_IMM_LANE ? 128 / (unsigned)strtoul(text + 1, NULL, 10) : 1;
    for (unsigned i = 0; i < lanes; i++) {
        immediate[0] = (uint8_t)i;
        add_uses(c, immediate);
    }
}

static void make_module(op_case *c)
{
    build *b = &c->module;
    build_preamble(b);
    size_t section = build_section(b, 1);
    build_u8(b, 1);
    build_u8(b, 0x60);
    build_leb(b, c->operands);
    for (unsigned i = 0; i < c->operands; i++)
        build_u8(b, valtype(c->kind[i]));
    build_u8(b, 1);
    build_u8(b, valtype(c->result));
    build_end(b, section);
    section = build_section(b, 3);
    build_leb(b, c->form_count);
    build_fill(b, 0, c->form_count);
    build_end(b, section);
    BUILD_WHOLE(b, 5, "\1\0\1");
    section = build_section(b, 7);
    build_leb(b, c->form_count + 1);
    build_raw(b, "\1m\2\0", 4);
    for (size_t i = 0; i < c->form_count; i++) {
        char name[5] = {'f', (char)('a' + i % 16), (char)('a' + i / 16 % 16), (char)('a' + i / 256 % 16),
                        (char)('a' + i / 4096)};
        build_u8(b, 5);
        build_raw(b, name, 5);
        build_u8(b, 0);
        build_leb(b, i);
    }
    build_end(b, section);
    section = build_section(b, 10);
    build_leb(b, c->form_count);
    for (size_t i = 0; i < c->form_count; i++)
        put_body(b, c, &c->forms[i]);
    build_end(b, section);
}

/* False for what is no vector op, or accesses memory. */
static bool begin_case(op_case *c, wagi_op op)
{
    memset(c, 0, sizeof *c);
    const char *signature = wagi_ops[op].signature;
    if (wagi_ops[op].prefix != 0xFD || op == WAGI_OP_v128_const || strchr(signature, 'a'))
        return false;
    const char *colon = strchr(signature, ':');
    c->op = op;
    c->operands = (unsigned)(colon - signature);
    c->result = colon[1];
    memcpy(c->kind, signature, c->operands);
    add_forms(c);
    make_module(c);
    return true;
}

static void end_case(op_case *c)
{
    free(c->forms);
    build_free(&c->module);
}

/* ---- running ---- */

typedef struct kind {
    const char *name;
    wag_tier tier;
    wagi_compiler_switches switches;
} kind;

#define NO_AVX (X64_HAS_AVX | X64_HAS_AVX2 | X64_HAS_BMI2)
static const kind kinds[] = {
    {"guard", WAG_TIER_NATIVE_GUARD, {.check = true}},
    {"checked", WAG_TIER_NATIVE_CHECKED, {.check = true}},
    {"3 registers", WAG_TIER_NATIVE_GUARD, {.check = true, .few_registers = true, .registers = 3}},
    {"1 register", WAG_TIER_NATIVE_CHECKED, {.check = true, .few_registers = true, .registers = 1}},
    {"no register", WAG_TIER_NATIVE_CHECKED, {.check = true, .few_registers = true}},
    {"AVX", WAG_TIER_NATIVE_GUARD, {.check = true, .hide_features = X64_HAS_AVX2}},
    {"SSE4.2", WAG_TIER_NATIVE_GUARD, {.check = true, .hide_features = NO_AVX}},
    {"SSE4.2, 2 registers",
     WAG_TIER_NATIVE_GUARD,
     {.check = true, .few_registers = true, .registers = 2, .hide_features = NO_AVX}},
    {"SSE4.1, no register",
     WAG_TIER_NATIVE_GUARD,
     {.check = true, .few_registers = true, .hide_features = NO_AVX | X64_HAS_SSE42}},
    {"SSE2", WAG_TIER_NATIVE_GUARD, {.check = true, .hide_features = UINT32_MAX}},
    {"SSE2, 2 registers",
     WAG_TIER_NATIVE_CHECKED,
     {.check = true, .few_registers = true, .registers = 2, .hide_features = UINT32_MAX}},
};

static wag_val val_of(char kind, const uint64_t *slots)
{
    wag_val val = {.kind = kind == 'i'   ? WAG_I32
                           : kind == 'I' ? WAG_I64
                           : kind == 'f' ? WAG_F32
                           : kind == 'F' ? WAG_F64
                                         : WAG_V128};
    if (kind == 'i' || kind == 'f') {
        uint32_t low = (uint32_t)*slots;
        memcpy(&val.of, &low, 4);
    } else {
        memcpy(&val.of, slots, kind == 'v' ? 16 : 8);
    }
    return val;
}

static bool is_nan(const uint64_t *slots, unsigned lane, bool is_32)
{
    uint64_t bits = slots[is_32 ? lane / 2 : lane];
    return is_32 ? (uint32_t)(bits >> 32 * (lane % 2)) << 1 > 0xFF000000u : bits << 1 > 0xFFE0000000000000u;
}

/* Equal lane by lane, where NaNs of a float op are equal to each other. */
static bool same(const op_case *c, const uint64_t *want, const uint64_t *got)
{
    const char *text = wagi_ops[c->op].text;
    unsigned width = c->result == 'v' ? 16 : c->result == 'i' || c->result == 'f' ? 4 : 8;
    if (memcmp(want, got, width) == 0)
        return true;
    if (text[0] != 'f')
        return false;
    bool is_32 = text[1] == '3';
    for (unsigned i = 0; i < width / (is_32 ? 4 : 8); i++) {
        unsigned at = i * (is_32 ? 4 : 8);
        if (memcmp((const char *)want + at, (const char *)got + at, is_32 ? 4 : 8) != 0 &&
            !(is_nan(want, i, is_32) && is_nan(got, i, is_32)))
            return false;
    }
    return true;
}

static void check_crowd(const op_case *c, const uint64_t *first, const wag_memory *memory, const char *name)
{
    uint64_t want[2] = {0, 0}, got[2], value[2];
    for (unsigned i = 0; i < CROWD; i++) {
        crowd_value(i, value);
        want[0] ^= first[0] ^ value[0];
        want[1] ^= first[1] ^ value[1];
    }
    memcpy(got, wag_memory_data((wag_memory *)(uintptr_t)memory), 16);
    if (want[0] != got[0] || want[1] != got[1])
        fail_msg("%s (%s): a vector that lives through it is lost", wagi_ops[c->op].text, name);
}

static void call_once(const op_case *c, const form *f, const unsigned *at, wag_func *func, const wag_memory *memory,
                      const char *name)
{
    wag_val args[MAX_OPERANDS], result = {0};
    uint64_t slots[SLOTS] = {0}, first[2], got[2] = {0};
    unsigned used = 0;
    for (unsigned i = 0; i < c->operands; i++) {
        uint64_t value[2];
        unsigned index = f->operands[i] == CONSTANT ? f->constants[i] : f->operands[i] == SAME ? at[0] : at[i];
        (void)put_value(c->kind[i], at[i], value);
        args[i] = val_of(c->kind[i], value);
        used += put_value(c->kind[i], index, slots + used);
    }
    memcpy(first, slots, sizeof first);
    wag_err err = wag_call(func, args, c->operands, &result, 1, NULL);
    memcpy(got, &result.of, c->result == 'v' ? 16 : c->result == 'i' || c->result == 'f' ? 4 : 8);
    uint64_t want[SLOTS];
    memcpy(want, slots, sizeof want);
    wagi_vector_apply(c->op, want, f->immediate);
    if (f->use == USE_IF || f->use == USE_SELECT)
        want[0] = want[0] & UINT32_MAX ? IF_TRUE : IF_FALSE;
    if (err != WAG_OK || !same(c, want, got))
        fail_msg("%s (%s), %s, kinds %d%d%d, immediate %u: 0x%llx %llx, 0x%llx %llx, 0x%llx %llx: want 0x%llx %llx, "
                 "got 0x%llx %llx (%s)",
                 wagi_ops[c->op].text, name, use_names[f->use], f->operands[0], f->operands[1], f->operands[2],
                 f->immediate[0], (unsigned long long)slots[0], (unsigned long long)slots[1],
                 (unsigned long long)slots[2], (unsigned long long)slots[3], (unsigned long long)slots[4],
                 (unsigned long long)slots[5], (unsigned long long)want[0], (unsigned long long)want[1],
                 (unsigned long long)got[0], (unsigned long long)got[1], wag_err_name(err));
    if (f->use == USE_CROWD)
        check_crowd(c, first, memory, name);
}

/* One call for each value of each operand that is no constant; of a third operand few values. */
static void call_form(const op_case *c, const form *f, wag_func *func, const wag_memory *memory, const char *name)
{
    unsigned counts[MAX_OPERANDS] = {1, 1, 1}, at[MAX_OPERANDS];
    for (unsigned i = 0; i < c->operands; i++)
        if (f->operands[i] == LOCAL)
            counts[i] = i == 2 ? 4 : value_count(c->kind[i]);
    for (at[0] = 0; at[0] < counts[0]; at[0]++)
        for (at[1] = 0; at[1] < counts[1]; at[1]++)
            for (at[2] = 0; at[2] < counts[2]; at[2]++) {
                unsigned values[MAX_OPERANDS] = {at[0], at[1], at[2] ? at[2] + 5 * (at[0] % 3) : 0};
                call_once(c, f, values, func, memory, name);
            }
}

static wag_module *compile(const build *b, const kind *k)
{
    wag_module *module = NULL;
    wag_error *error = NULL;
    wag_compile_options options = {.tier = k->tier};
    wagi_compiler_test = k->switches;
    wag_err err = wag_module_new(build_bytes(b), &options, &module, &error);
    wagi_compiler_test = (wagi_compiler_switches){0};
    if (err != WAG_OK)
        fail_msg("%s: %s", k->name, wag_error_message(error));
    return module;
}

static void run_case(const op_case *c, const kind *k)
{
    wag_module *module = compile(&c->module, k);
    wag_instance *instance = NULL;
    ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
    const wag_exports *exports = wag_instance_exports(instance);
    wag_memory *memory = wag_exports_memory(exports, "m");
    for (size_t i = 0; i < c->form_count; i++) {
        wag_name name;
        wag_value value;
        assert_true(wag_exports_at(exports, i + 1, &name, &value));
        call_form(c, &c->forms[i], value.of.func, memory, k->name);
    }
    wag_instance_unref(instance);
    wag_module_unref(module);
}

static void test_every_vector_op_computes_what_core_ops_says(void **state)
{
    (void)state;
    if (!wagi_compiler_available())
        skip();
    unsigned ops = 0;
    for (wagi_op op = 0; op < WAGI_OP_COUNT; op++) {
        op_case c;
        if (!begin_case(&c, op))
            continue;
        for (unsigned k = 0; k < COUNT(kinds); k++)
            run_case(&c, &kinds[k]);
        end_case(&c);
        ops++;
    }
    assert_int_equal(ops, WAGI_VECTOR_COUNT - 23); /* 22 accesses and the constant */
}

static void test_the_machine_has_code_for_every_vector_op(void **state)
{
    (void)state;
    if (!wagi_compiler_available())
        skip();
    for (unsigned vector = 0; vector < WAGI_VECTOR_COUNT; vector++) {
        const char *signature = wagi_ops[WAGI_VECTOR_FIRST + vector].signature;
        bool is_condition = strstr(wagi_ops[WAGI_VECTOR_FIRST + vector].text, "_true") != NULL;
        bool is_op = !strchr(signature, 'a') && WAGI_VECTOR_FIRST + vector != WAGI_OP_v128_const && !is_condition;
        if (wagi_x64_has_vector(vector, UINT32_MAX) != is_op)
            fail_msg("%s", wagi_ops[WAGI_VECTOR_FIRST + vector].text);
    }
    wagi_machine plain;
    wagi_x64_describe(&plain, 0);
    assert_true(wagi_machine_has_vector(&plain, WAGI_VECTOR(WAGI_OP_i8x16_add)));
    assert_false(wagi_machine_has_vector(&plain, WAGI_VECTOR(WAGI_OP_i8x16_swizzle)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_machine_has_code_for_every_vector_op),
        cmocka_unit_test(test_every_vector_op_computes_what_core_ops_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

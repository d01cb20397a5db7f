/* Every numeric op in every form the native compiler makes of it: each operand a constant or a local, in a register or
 * in the frame; the result as a value, in the operand's own local, as the condition of br_if, if and select, as an
 * address. For each op one module with a function for each form; native code of all kinds must give the interpreter's
 * bits, and these must be core/ops/num.h's.
 *
 * NaNs: which bits an op gives may differ where the specification leaves the choice; such differences are counted and
 * printed, anything else fails. */
#include "tests/support/check.h"

#include <stdlib.h>
#include <string.h>

#include "binary/op.h"
#include "compiler/compile.h"
#include "ops/num.h"
#include "tests/support/bytes.h"

enum { PRESSURE_CALLS = 8, PRESSURE_VALUES = 6, EXTRA_LOCALS = PRESSURE_VALUES };

typedef enum use {
    USE_VALUE,
    USE_OWN_LOCAL,        /* the result replaces the first operand */
    USE_SPILLED,          /* the operands live across calls among heavier values */
    USE_LAST,             /* the last use of all results */
    USE_BR_IF = USE_LAST, /* from here on: i32 results only */
    USE_BR_IF_NOT,
    USE_IF,
    USE_SELECT,
    USE_ADDRESS,
    USE_EXTENDED, /* as an i64 in a local: the upper half must be zero */
    USE_COUNT
} use;
static const char *const use_names[USE_COUNT] = {"value", "own local", "spilled", "br_if",   "eqz br_if",
                                                 "if",    "select",    "address", "extended"};

typedef enum operand { LOCAL, CONSTANT, SAME } operand; /* SAME: the first one once more */

typedef struct form {
    use use;
    operand operands[2];
    unsigned constants[2]; /* indices of values */
} form;

typedef struct outcome {
    wag_err err;
    uint64_t bits;
} outcome;

/* ---- values ---- */

static const uint64_t i32_values[] = {0,          1,          2,          3,          7,          8,         31,
                                      32,         33,         127,        128,        255,        0x8000,    0xFFFF,
                                      0x12345678, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFE, 0xFFFFFFFF};
static const uint64_t i64_values[] = {0,
                                      1,
                                      2,
                                      3,
                                      8,
                                      31,
                                      32,
                                      63,
                                      64,
                                      65,
                                      128,
                                      0x8000,
                                      0x7FFFFFFF,
                                      0x80000000,
                                      0xFFFFFFFF,
                                      0x100000000,
                                      0x123456789ABCDEF0,
                                      0x7FFFFFFFFFFFFFFF,
                                      0x8000000000000000,
                                      0x8000000000000001,
                                      0xFFFFFFFF7FFFFFFF,
                                      0xFFFFFFFF80000000,
                                      0xFFFFFFFFFFFFFFFF};
/* zeros, units, halves, integer limits, denormal, largest, infinities, NaNs: canonical, negative, payload, signalling
 */
static const uint64_t f32_values[] = {
    0,          0x80000000, 0x3F800000, 0xBF800000, 0x3F000000, 0xBF000000, 0x3FC00000, 0x40200000, 0x4EFFFFFF,
    0x4F000000, 0xCF000000, 0xCF000001, 0x4F800000, 0x5F000000, 0xDF000000, 0x5F800000, 0x00000001, 0x7F7FFFFF,
    0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000, 0x7FC12345, 0x7FA00000, 0xBF7FFFFF};
static const uint64_t f64_values[] = {0,
                                      0x8000000000000000,
                                      0x3FF0000000000000,
                                      0xBFF0000000000000,
                                      0x3FE0000000000000,
                                      0xBFE0000000000000,
                                      0x3FF8000000000000,
                                      0x4004000000000000,
                                      0x41DFFFFFFFC00000, /* 2^31 - 1 */
                                      0x41DFFFFFFFE00000, /* 2^31 - 0.5 */
                                      0xC1E0000000000000,
                                      0xC1E0000000100000, /* -2^31 - 0.5 */
                                      0x41EFFFFFFFE00000, /* 2^32 - 1 */
                                      0x41F0000000000000,
                                      0x43E0000000000000, /* 2^63 */
                                      0xC3E0000000000000,
                                      0xC3E0000000000001,
                                      0x43F0000000000000, /* 2^64 */
                                      0x0000000000000001,
                                      0x7FEFFFFFFFFFFFFF,
                                      0x7FF0000000000000,
                                      0xFFF0000000000000,
                                      0x7FF8000000000000,
                                      0xFFF8000000000000,
                                      0x7FF8123456789ABC,
                                      0x7FF4000000000000,
                                      0xBFEFFFFFFFFFFFFF};

#define COUNT(array) ((unsigned)(sizeof(array) / sizeof *(array)))

static const uint64_t *values_of(char kind, unsigned *ret_count)
{
    switch (kind) {
    case 'i':
        *ret_count = COUNT(i32_values);
        return i32_values;
    case 'I':
        *ret_count = COUNT(i64_values);
        return i64_values;
    case 'f':
        *ret_count = COUNT(f32_values);
        return f32_values;
    default:
        *ret_count = COUNT(f64_values);
        return f64_values;
    }
}

/* ---- one op's module ---- */

typedef struct op_case {
    wagi_op op;
    unsigned operands;
    char kind[2], result;
    form *forms;
    size_t form_count, form_room;
    build module;
} op_case;

static unsigned valtype(char kind)
{
    return kind == 'i' ? 0x7F : kind == 'I' ? 0x7E : kind == 'f' ? 0x7D : 0x7C;
}

static void put_s(build *b, int64_t x)
{
    for (;;) {
        uint8_t byte = x & 0x7F;
        x >>= 7;
        if ((x == 0 && !(byte & 0x40)) || (x == -1 && (byte & 0x40))) {
            build_u8(b, byte);
            return;
        }
        build_u8(b, byte | 0x80u);
    }
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

static void put_const(build *b, char kind, uint64_t bits)
{
    switch (kind) {
    case 'i':
        put_op(b, WAGI_OP_i32_const);
        put_s(b, (int32_t)bits);
        return;
    case 'I':
        put_op(b, WAGI_OP_i64_const);
        put_s(b, (int64_t)bits);
        return;
    default:
        put_op(b, kind == 'f' ? WAGI_OP_f32_const : WAGI_OP_f64_const);
        for (unsigned i = 0; i < (kind == 'f' ? 4u : 8u); i++)
            build_u8(b, (unsigned)(bits >> 8 * i) & 0xFF);
    }
}

static void put_operand(build *b, const op_case *c, const form *f, unsigned index)
{
    unsigned count;
    if (f->operands[index] == CONSTANT)
        put_const(b, c->kind[index], values_of(c->kind[index], &count)[f->constants[index]]);
    else
        put_op_u(b, WAGI_OP_local_get, f->operands[index] == SAME ? 0 : index);
}

/* Values that live across the calls and are used more often than the operands. */
static void put_pressure(build *b, const op_case *c)
{
    for (unsigned i = 0; i < PRESSURE_VALUES; i++) {
        put_op_u(b, WAGI_OP_memory_size, 0);
        put_const(b, 'i', i + 5);
        put_op(b, WAGI_OP_i32_mul);
        put_op_u(b, WAGI_OP_local_set, c->operands + i);
    }
    for (unsigned i = 0; i < PRESSURE_CALLS; i++) {
        put_const(b, 'i', 0);
        put_op_u(b, WAGI_OP_memory_grow, 0);
        put_op(b, WAGI_OP_drop);
    }
}

/* Store the sum of the heavy values where the host compares memory. */
static void use_pressure(build *b, const op_case *c)
{
    put_const(b, 'i', 0);
    for (unsigned i = 0; i < PRESSURE_VALUES * 4; i++) {
        put_op_u(b, WAGI_OP_local_get, c->operands + i % PRESSURE_VALUES);
        put_const(b, 'i', i);
        put_op(b, WAGI_OP_i32_xor);
        if (i)
            put_op(b, WAGI_OP_i32_add);
    }
    put_op(b, WAGI_OP_i32_store);
    build_raw(b, "\2\0", 2);
}

static void put_result(build *b, const op_case *c, const form *f)
{
    switch (f->use) {
    case USE_OWN_LOCAL:
        put_op_u(b, WAGI_OP_local_set, 0);
        put_op_u(b, WAGI_OP_local_get, 0);
        return;
    case USE_SPILLED:
        use_pressure(b, c);
        return;
    case USE_BR_IF:
    case USE_BR_IF_NOT:
        if (f->use == USE_BR_IF_NOT)
            put_op(b, WAGI_OP_i32_eqz);
        put_op_u(b, WAGI_OP_br_if, 0);
        put_const(b, 'i', 11);
        put_op(b, WAGI_OP_return_);
        put_op(b, WAGI_OP_end);
        put_const(b, 'i', 22);
        return;
    case USE_IF:
        put_op_u(b, WAGI_OP_if_, valtype('i'));
        put_const(b, 'i', 33);
        put_op(b, WAGI_OP_else_);
        put_const(b, 'i', 44);
        put_op(b, WAGI_OP_end);
        return;
    case USE_SELECT:
        put_op(b, WAGI_OP_select);
        return;
    case USE_ADDRESS:
        put_op(b, WAGI_OP_i32_load8_u);
        build_raw(b, "\0\3", 2);
        return;
    case USE_EXTENDED:
        put_op(b, WAGI_OP_i64_extend_i32_u);
        put_op_u(b, WAGI_OP_local_set, c->operands + EXTRA_LOCALS);
        put_op_u(b, WAGI_OP_local_get, c->operands + EXTRA_LOCALS);
        put_op_u(b, WAGI_OP_local_get, c->operands + EXTRA_LOCALS);
        put_const(b, 'I', 32);
        put_op(b, WAGI_OP_i64_shr_u);
        put_op(b, WAGI_OP_i64_xor);
        put_op(b, WAGI_OP_i32_wrap_i64);
        return;
    default:
        return;
    }
}

static void put_body(build *b, const op_case *c, const form *f)
{
    size_t size = build_begin(b);
    build_u8(b, 2);
    build_u8(b, EXTRA_LOCALS);
    build_u8(b, valtype('i'));
    build_u8(b, 1);
    build_u8(b, valtype('I'));
    if (f->use == USE_SPILLED)
        put_pressure(b, c);
    if (f->use == USE_BR_IF || f->use == USE_BR_IF_NOT)
        put_op_u(b, WAGI_OP_block, 0x40);
    if (f->use == USE_SELECT) {
        put_const(b, 'i', 55);
        put_const(b, 'i', 66);
    }
    for (unsigned i = 0; i < c->operands; i++)
        put_operand(b, c, f, i);
    put_op(b, c->op);
    put_result(b, c, f);
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

static void add_forms(op_case *c, use u)
{
    unsigned counts[2] = {1, 1};
    for (unsigned i = 0; i < c->operands; i++)
        (void)values_of(c->kind[i], &counts[i]);
    add_form(c, (form){.use = u});
    if (c->operands == 2 && c->kind[0] == c->kind[1])
        add_form(c, (form){.use = u, .operands = {LOCAL, SAME}});
    for (unsigned i = 0; i < counts[0] && u != USE_OWN_LOCAL; i++) {
        add_form(c, (form){u, {CONSTANT, LOCAL}, {i, 0}});
        if (c->operands == 2 && (u == USE_VALUE || u == USE_BR_IF)) /* what folds */
            for (unsigned j = 0; j < counts[1]; j++)
                add_form(c, (form){u, {CONSTANT, CONSTANT}, {i, j}});
    }
    for (unsigned j = 0; j < counts[1] && c->operands == 2; j++)
        add_form(c, (form){u, {LOCAL, CONSTANT}, {0, j}});
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

static bool begin_case(op_case *c, wagi_op op)
{
    const char *signature = wagi_ops[op].signature;
    memset(c, 0, sizeof *c);
    if (!signature || wagi_ops[op].imm != WAGI_IMM_NONE || strpbrk(signature, "av") || wagi_ops[op].prefix > 0xFC)
        return false;
    const char *colon = strchr(signature, ':');
    c->op = op;
    c->operands = (unsigned)(colon - signature);
    c->result = colon[1];
    if (c->operands == 0 || c->operands > 2 || !c->result)
        return false;
    memcpy(c->kind, signature, c->operands);
    for (use u = USE_VALUE; u < (c->result == 'i' ? USE_COUNT : USE_LAST); u++)
        if (u != USE_OWN_LOCAL || c->kind[0] == c->result)
            add_forms(c, u);
    make_module(c);
    return true;
}

static void end_case(op_case *c)
{
    free(c->forms);
    build_free(&c->module);
}

/* ---- running ---- */

static wag_val val_of(char kind, uint64_t bits)
{
    wag_val val = {.kind = kind == 'i' ? WAG_I32 : kind == 'I' ? WAG_I64 : kind == 'f' ? WAG_F32 : WAG_F64};
    if (kind == 'i' || kind == 'f') {
        uint32_t low = (uint32_t)bits;
        memcpy(&val.of, &low, 4);
    } else {
        memcpy(&val.of, &bits, 8);
    }
    return val;
}

static uint64_t bits_of(const wag_val *val)
{
    uint64_t bits = 0;
    memcpy(&bits, &val->of, val->kind == WAG_I32 || val->kind == WAG_F32 ? 4 : 8);
    return bits;
}

/* How many calls a form gets: one for each value of each operand that is no constant. */
static void call_counts(const op_case *c, const form *f, unsigned counts[2])
{
    counts[0] = counts[1] = 1;
    for (unsigned i = 0; i < c->operands; i++)
        if (f->operands[i] == LOCAL)
            (void)values_of(c->kind[i], &counts[i]);
}

static void operand_bits(const op_case *c, const form *f, const unsigned at[2], uint64_t bits[2])
{
    unsigned count;
    for (unsigned i = 0; i < c->operands; i++)
        bits[i] = f->operands[i] == SAME
                      ? bits[0]
                      : values_of(c->kind[i], &count)[f->operands[i] == LOCAL ? at[i] : f->constants[i]];
}

static size_t total_calls(const op_case *c)
{
    size_t total = 0;
    for (size_t i = 0; i < c->form_count; i++) {
        unsigned counts[2];
        call_counts(c, &c->forms[i], counts);
        total += (size_t)counts[0] * counts[1];
    }
    return total;
}

static void call_form(const op_case *c, size_t index, wag_func *func, outcome *outcomes)
{
    const form *f = &c->forms[index];
    unsigned counts[2], at[2];
    call_counts(c, f, counts);
    for (at[0] = 0; at[0] < counts[0]; at[0]++)
        for (at[1] = 0; at[1] < counts[1]; at[1]++) {
            uint64_t bits[2];
            wag_val args[2], result = {0};
            operand_bits(c, f, at, bits);
            for (unsigned i = 0; i < c->operands; i++)
                args[i] = val_of(c->kind[i], bits[i]);
            outcomes->err = wag_call(func, args, c->operands, &result, 1, NULL);
            outcomes->bits = outcomes->err == WAG_OK ? bits_of(&result) : 0;
            outcomes++;
        }
}

/* All calls of all forms in one tier; the last outcome is the memory's word that USE_SPILLED writes. */
static void run_case(const op_case *c, wag_tier tier, wagi_compiler_switches switches, outcome *outcomes)
{
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    wag_compile_options options = {.tier = tier};
    wagi_compiler_test = switches;
    wag_err err = wag_module_new(build_bytes(&c->module), &options, &module, &error);
    wagi_compiler_test = (wagi_compiler_switches){0};
    if (err != WAG_OK)
        fail_msg("%s: %s", wagi_ops[c->op].text, wag_error_message(error));
    ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
    const wag_exports *exports = wag_instance_exports(instance);
    wag_memory *memory = wag_exports_memory(exports, "m");
    for (unsigned i = 16; i < 65536; i++)
        wag_memory_data(memory)[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < c->form_count; i++) {
        wag_name name;
        wag_value value;
        unsigned counts[2];
        assert_true(wag_exports_at(exports, i + 1, &name, &value));
        call_form(c, i, value.of.func, outcomes);
        call_counts(c, &c->forms[i], counts);
        outcomes += (size_t)counts[0] * counts[1];
    }
    outcomes->err = WAG_OK;
    memcpy(&outcomes->bits, wag_memory_data(memory), 8);
    wag_instance_unref(instance);
    wag_module_unref(module);
}

/* ---- comparing ---- */

static bool is_nan(char kind, uint64_t bits)
{
    return kind == 'f' ? (bits & 0x7FFFFFFF) > 0x7F800000 : kind == 'F' && (bits << 1) > 0xFFE0000000000000;
}

static bool same(char kind, const outcome *x, const outcome *y, unsigned *nans)
{
    if (x->err == y->err && x->bits == y->bits)
        return true;
    if (x->err != y->err || !is_nan(kind, x->bits) || !is_nan(kind, y->bits))
        return false;
    ++*nans;
    return true;
}

static void compare(const op_case *c, const char *name, const outcome *want, const outcome *got, unsigned *nans)
{
    static const char *const operand_names[] = {"local", "constant", "same"};
    size_t at = 0;
    for (size_t i = 0; i < c->form_count; i++) {
        const form *f = &c->forms[i];
        unsigned counts[2], k[2];
        call_counts(c, f, counts);
        for (k[0] = 0; k[0] < counts[0]; k[0]++)
            for (k[1] = 0; k[1] < counts[1]; k[1]++, at++) {
                if (same(c->result, &want[at], &got[at], nans))
                    continue;
                uint64_t bits[2] = {0, 0};
                operand_bits(c, f, k, bits);
                fail_msg("%s, %s, operands %s %s: 0x%llx 0x%llx: want %s 0x%llx, got %s 0x%llx (%s)",
                         wagi_ops[c->op].text, use_names[f->use], operand_names[f->operands[0]],
                         operand_names[f->operands[1]], (unsigned long long)bits[0], (unsigned long long)bits[1],
                         wag_err_name(want[at].err), (unsigned long long)want[at].bits, wag_err_name(got[at].err),
                         (unsigned long long)got[at].bits, name);
            }
    }
    if (want[at].bits != got[at].bits)
        fail_msg("%s: what lives across calls beside the operands is lost (%s)", wagi_ops[c->op].text, name);
}

/* What num.h says; false for ops that have no direct function there. */
static bool direct(wagi_op op, uint64_t x, uint64_t y, outcome *ret)
{
/* clang-format off */
#define INT(N, U, name)                                                                                                \
    case WAGI_OP_##N##_##name:                                                                                         \
        ret->bits = num_##N##_##name((U)x, (U)y);                                                                      \
        return true;
#define DIVIDE(N, U, name)                                                                                             \
    case WAGI_OP_##N##_##name: {                                                                                       \
        U value = 0;                                                                                                   \
        ret->err = num_##N##_##name((U)x, (U)y, &value);                                                               \
        ret->bits = ret->err == WAG_OK ? value : 0;                                                                    \
        return true;                                                                                                   \
    }
#define INTS(N, U)                                                                                                     \
    INT(N, U, eq)                                                                                                      \
    INT(N, U, ne)                                                                                                      \
    INT(N, U, lt_s)                                                                                                    \
    INT(N, U, lt_u)                                                                                                    \
    INT(N, U, gt_s)                                                                                                    \
    INT(N, U, gt_u) INT(N, U, le_s) INT(N, U, le_u) INT(N, U, ge_s) INT(N, U, ge_u) INT(N, U, add) INT(N, U, sub)      \
        INT(N, U, mul) INT(N, U, and) INT(N, U, or) INT(N, U, xor) INT(N, U, shl) INT(N, U, shr_s) INT(N, U, shr_u)    \
            INT(N, U, rotl) INT(N, U, rotr) DIVIDE(N, U, div_s) DIVIDE(N, U, div_u) DIVIDE(N, U, rem_s)                \
                DIVIDE(N, U, rem_u)
#define UNARY(N, U, name)                                                                                              \
    case WAGI_OP_##N##_##name:                                                                                         \
        ret->bits = num_##N##_##name((U)x);                                                                            \
        return true;
#define TEST(N, name)                                                                                                  \
    case WAGI_OP_##N##_##name:                                                                                         \
        ret->bits = num_##N##_##name(num_##N##_of_bits((uint##N##_bits)x), num_##N##_of_bits((uint##N##_bits)y));      \
        return true;
#define REAL(N, name)                                                                                                  \
    case WAGI_OP_##N##_##name:                                                                                         \
        ret->bits = num_##N##_bits(                                                                                    \
            num_##N##_##name(num_##N##_of_bits((uint##N##_bits)x), num_##N##_of_bits((uint##N##_bits)y)));             \
        return true;
#define REALS(N)                                                                                                       \
    TEST(N, eq)                                                                                                        \
    TEST(N, ne)                                                                                                        \
    TEST(N, lt)                                                                                                        \
    TEST(N, gt)                                                                                                        \
    TEST(N, le)                                                                                                        \
    TEST(N, ge) REAL(N, add) REAL(N, sub) REAL(N, mul) REAL(N, div) REAL(N, min) REAL(N, max)                          \
        UNARY(N, uint##N##_bits, abs) UNARY(N, uint##N##_bits, neg)
    /* clang-format on */
    typedef uint32_t uintf32_bits;
    typedef uint64_t uintf64_bits;
    ret->err = WAG_OK;
    switch (op) {
        INTS(i32, uint32_t)
        INTS(i64, uint64_t)
        UNARY(i32, uint32_t, clz)
        UNARY(i32, uint32_t, ctz)
        UNARY(i32, uint32_t, popcnt)
        UNARY(i64, uint64_t, clz)
        UNARY(i64, uint64_t, ctz)
        UNARY(i64, uint64_t, popcnt)
        UNARY(i32, uint32_t, extend8_s)
        UNARY(i32, uint32_t, extend16_s)
        UNARY(i64, uint64_t, extend8_s)
        UNARY(i64, uint64_t, extend16_s)
        UNARY(i64, uint64_t, extend32_s)
        REALS(f32)
        REALS(f64)
    default:
        return false;
    }
}

/* The interpreter's values of the form that takes its operands from locals. */
static unsigned compare_with_num(const op_case *c, const outcome *got)
{
    unsigned counts[2], at[2], nans = 0, compared = 0;
    assert_int_equal(c->forms[0].use, USE_VALUE);
    call_counts(c, &c->forms[0], counts);
    for (at[0] = 0; at[0] < counts[0]; at[0]++)
        for (at[1] = 0; at[1] < counts[1]; at[1]++, got++) {
            uint64_t bits[2] = {0, 0};
            outcome want;
            operand_bits(c, &c->forms[0], at, bits);
            if (!direct(c->op, bits[0], bits[1], &want))
                return 0;
            if (!same(c->result, &want, got, &nans))
                fail_msg("%s 0x%llx 0x%llx: num.h says 0x%llx, the interpreter 0x%llx", wagi_ops[c->op].text,
                         (unsigned long long)bits[0], (unsigned long long)bits[1], (unsigned long long)want.bits,
                         (unsigned long long)got->bits);
            compared++;
        }
    return compared;
}

static void test_native_code_computes_what_the_interpreter_computes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        wag_tier tier;
        wagi_compiler_switches switches;
    } kinds[] = {
        {"guard", WAG_TIER_NATIVE_GUARD, {.check = true}},
        {"checked", WAG_TIER_NATIVE_CHECKED, {.check = true}},
        {"guard, 3 registers", WAG_TIER_NATIVE_GUARD, {.check = true, .few_registers = true, .registers = 3}},
        {"checked, 1 register", WAG_TIER_NATIVE_CHECKED, {.check = true, .few_registers = true, .registers = 1}},
        {"checked, no register", WAG_TIER_NATIVE_CHECKED, {.check = true, .few_registers = true}},
        {"guard, plain SSE2", WAG_TIER_NATIVE_GUARD, {.check = true, .hide_features = UINT32_MAX}},
        {"guard, plain SSE2, no register",
         WAG_TIER_NATIVE_GUARD,
         {.check = true, .few_registers = true, .hide_features = UINT32_MAX}},
        {"checked, plain SSE2, 2 registers",
         WAG_TIER_NATIVE_CHECKED,
         {.check = true, .few_registers = true, .registers = 2, .hide_features = UINT32_MAX}},
    };
    if (!wagi_compiler_available())
        skip();
    unsigned ops = 0, compared = 0;
    for (wagi_op op = 0; op < WAGI_OP_COUNT; op++) {
        op_case c;
        if (!begin_case(&c, op))
            continue;
        size_t calls = total_calls(&c) + 1;
        outcome *want = calloc(calls, sizeof *want), *got = calloc(calls, sizeof *got);
        if (!want || !got)
            abort();
        run_case(&c, WAG_TIER_INTERP, (wagi_compiler_switches){0}, want);
        compared += compare_with_num(&c, want);
        for (unsigned k = 0; k < COUNT(kinds); k++) {
            unsigned nans = 0;
            run_case(&c, kinds[k].tier, kinds[k].switches, got);
            compare(&c, kinds[k].name, want, got, &nans);
            if (nans)
                print_message("%s (%s): %u NaNs with other bits\n", wagi_ops[op].text, kinds[k].name, nans);
        }
        free(want);
        free(got);
        end_case(&c);
        ops++;
    }
    assert_true(ops >= 130); /* 123 of 1.0, 5 sign extensions, 8 saturating truncations, less the 4 constants */
    assert_true(compared > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_native_code_computes_what_the_interpreter_computes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

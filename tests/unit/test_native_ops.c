/* Every numeric op on edge values, in every form that the compiler treats differently: operands in registers, a
 * constant on either side, in memory (few registers), as the condition of a branch and of a select; each against the
 * interpreter, bit for bit. Where an op may choose the bits of a NaN, any NaN is right. */
#include "tests/support/check.h"

#include "base/alloc.h"
#include "binary/op.h"
#include "compiler/compile.h"

typedef WAGI_VEC(uint8_t) bytes;

static void put(bytes *b, unsigned byte)
{
    assert_true(WAGI_VEC_PUSH(b, (uint8_t)byte));
}

static void put_u(bytes *b, uint64_t x)
{
    do
        put(b, (x & 0x7F) | (x >> 7 ? 0x80 : 0));
    while (x >>= 7);
}

static void put_s(bytes *b, int64_t x)
{
    bool more = true;
    while (more) {
        unsigned byte = x & 0x7F;
        x >>= 7;
        more = !((x == 0 && !(byte & 0x40)) || (x == -1 && (byte & 0x40)));
        put(b, byte | (more ? 0x80u : 0));
    }
}

static void put_op(bytes *b, wagi_op op)
{
    if (wagi_ops[op].prefix)
        put(b, wagi_ops[op].prefix);
    put_u(b, wagi_ops[op].code);
}

static void put_section(bytes *module, unsigned id, bytes *contents)
{
    put(module, id);
    put_u(module, contents->n);
    for (size_t i = 0; i < contents->n; i++)
        put(module, contents->p[i]);
    contents->n = 0;
}

static unsigned valtype(char kind)
{
    return kind == 'i' ? 0x7F : kind == 'I' ? 0x7E : kind == 'f' ? 0x7D : 0x7C;
}

static const uint64_t edges_i[] = {0,    1,    2,     3,      7,      31,         32,         63,         64,
                                   0x7F, 0xFF, 0x100, 0xFFFF, 0x8000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE};
static const uint64_t edges_I[] = {0,
                                   1,
                                   5,
                                   9,
                                   31,
                                   63,
                                   64,
                                   0x80,
                                   0xFFFF,
                                   0x7FFFFFFF,
                                   0x80000000,
                                   0xFFFFFFFF,
                                   0x100000000,
                                   0x7FFFFFFFFFFFFFFF,
                                   0x8000000000000000,
                                   0xFFFFFFFFFFFFFFFF,
                                   0xFFFFFFFF80000000,
                                   0xFFFFFFFF7FFFFFFF};
static const uint64_t edges_f[] = {0,          0x80000000, 0x3F800000, 0xBF800000, 0x3F000000, 0x3FC00000,
                                   0x40200000, 0x4F000000, 0xCF000000, 0x4EFFFFFF, 0x4F800000, 0x5F000000,
                                   0xDF000000, 0x5F800000, 0x7F800000, 0xFF800000, 0x7FC00000, 0x00000001};
static const uint64_t edges_F[] = {0,
                                   0x8000000000000000,
                                   0x3FF0000000000000,
                                   0xBFE0000000000000,
                                   0x3FF8000000000000,
                                   0x4004000000000000,
                                   0x41DFFFFFFFC00000,
                                   0x41E0000000000000,
                                   0xC1E0000000000000,
                                   0xC1E0000000100000,
                                   0x41EFFFFFFFE00000,
                                   0x43E0000000000000,
                                   0xC3E0000000000000,
                                   0x43F0000000000000,
                                   0x7FF0000000000000,
                                   0xFFF0000000000000,
                                   0x7FF8000000000000,
                                   0x0000000000000001};
enum { EDGES = 18 };
_Static_assert(sizeof edges_i == EDGES * 8 && sizeof edges_I == EDGES * 8 && sizeof edges_f == EDGES * 8 &&
                   sizeof edges_F == EDGES * 8,
               "the loops count to EDGES");

static uint64_t edge(char kind, int index)
{
    return (kind == 'i' ? edges_i : kind == 'I' ? edges_I : kind == 'f' ? edges_f : edges_F)[index];
}

static void put_const(bytes *b, char kind, uint64_t bits)
{
    put_op(b, kind == 'i'   ? WAGI_OP_i32_const
              : kind == 'I' ? WAGI_OP_i64_const
              : kind == 'f' ? WAGI_OP_f32_const
                            : WAGI_OP_f64_const);
    if (kind == 'i' || kind == 'I')
        put_s(b, kind == 'i' ? (int32_t)bits : (int64_t)bits);
    else
        for (int i = 0; i < (kind == 'f' ? 4 : 8); i++)
            put(b, bits >> 8 * i & 0xFF);
}

/* The forms of one op: function `form` of its module. */
enum { PLAIN, BRANCH, SELECT, NEGATED_BRANCH, CONSTANTS };

static void put_operand(bytes *b, unsigned local, bool is_const, char kind, int index)
{
    if (is_const) {
        put_const(b, kind, edge(kind, index));
    } else {
        put_op(b, WAGI_OP_local_get);
        put_u(b, local);
    }
}

/* A body. Both operands are read again at the end, so that they stay live across the op. */
static void put_body(bytes *b, wagi_op op, const char *signature, int form, int constant)
{
    static bytes body;
    size_t operands = (size_t)(strchr(signature, ':') - signature);
    body.n = 0;
    put_u(&body, 0);
    for (unsigned i = 0; i < operands; i++)
        put_operand(&body, i, form >= CONSTANTS && (unsigned)((form - CONSTANTS) & 1) == i, signature[i], constant);
    put_op(&body, op);
    if (form == BRANCH || form == NEGATED_BRANCH) {
        if (form == NEGATED_BRANCH)
            put_op(&body, WAGI_OP_i32_eqz);
        put_op(&body, WAGI_OP_if_);
        put(&body, 0x7F);
        put_const(&body, 'i', 11);
        put_op(&body, WAGI_OP_else_);
        put_const(&body, 'i', 22);
        put_op(&body, WAGI_OP_end);
    } else if (form == SELECT) { /* operands under the condition: rotate them in by a block */
        put_op(&body, WAGI_OP_drop);
        put_const(&body, 'i', 33);
        put_const(&body, 'i', 44);
        for (unsigned i = 0; i < operands; i++)
            put_operand(&body, i, false, signature[i], 0);
        put_op(&body, op);
        put_op(&body, WAGI_OP_select);
    }
    put_op(&body, WAGI_OP_end);
    put_u(b, body.n);
    for (size_t i = 0; i < body.n; i++)
        put(b, body.p[i]);
}

static int form_count(const char *signature)
{
    size_t operands = (size_t)(strchr(signature, ':') - signature);
    return CONSTANTS + (int)operands * EDGES;
}

static bool is_condition(const char *signature)
{
    return strchr(signature, ':')[1] == 'i';
}

/* One module: function k is form k; constant forms alternate between the operands. */
static wag_bytes make_module(wagi_op op)
{
    static bytes module, contents;
    const char *signature = wagi_ops[op].signature;
    int forms = form_count(signature);
    size_t operands = (size_t)(strchr(signature, ':') - signature);
    module.n = 0;
    static const uint8_t head[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    for (size_t i = 0; i < sizeof head; i++)
        put(&module, head[i]);
    put_u(&contents, 1);
    put(&contents, 0x60);
    put_u(&contents, operands);
    for (size_t i = 0; i < operands; i++)
        put(&contents, valtype(signature[i]));
    put_u(&contents, 1);
    put(&contents, valtype(strchr(signature, ':')[1]));
    put_section(&module, 1, &contents);
    put_u(&contents, (unsigned)forms);
    for (int i = 0; i < forms; i++)
        put_u(&contents, 0);
    put_section(&module, 3, &contents);
    put_u(&contents, (unsigned)forms);
    for (int i = 0; i < forms; i++) {
        char name[16];
        int size = snprintf(name, sizeof name, "%d", i);
        put_u(&contents, (unsigned)size);
        for (int k = 0; k < size; k++)
            put(&contents, (unsigned char)name[k]);
        put(&contents, 0);
        put_u(&contents, (unsigned)i);
    }
    put_section(&module, 7, &contents);
    put_u(&contents, (unsigned)forms);
    for (int i = 0; i < forms; i++) {
        int form = i < CONSTANTS ? (is_condition(signature) ? i : PLAIN)
                                 : CONSTANTS + (operands == 2 ? (i - CONSTANTS) & 1 : 0);
        put_body(&contents, op, signature, form, operands == 2 ? (i - CONSTANTS) / 2 : i - CONSTANTS);
    }
    put_section(&module, 10, &contents);
    return (wag_bytes){module.p, module.n};
}

static wag_val val_of(char kind, uint64_t bits)
{
    wag_val val = {.kind = kind == 'i' ? WAG_I32 : kind == 'I' ? WAG_I64 : kind == 'f' ? WAG_F32 : WAG_F64};
    memcpy(&val.of, &bits, kind == 'i' || kind == 'f' ? 4 : 8);
    return val;
}

static uint64_t bits_of(const wag_val *val)
{
    uint64_t bits = 0;
    memcpy(&bits, &val->of, val->kind == WAG_I32 || val->kind == WAG_F32 ? 4 : 8);
    return bits;
}

static bool is_nan(const wag_val *val)
{
    return (val->kind == WAG_F32 && val->of.f32 != val->of.f32) || (val->kind == WAG_F64 && val->of.f64 != val->of.f64);
}

/* abs, neg, copysign and reinterpret say what a NaN's bits are. */
static bool says_nan_bits(wagi_op op)
{
    const char *text = wagi_ops[op].text;
    return strstr(text, "abs") || strstr(text, "neg") || strstr(text, "copysign") || strstr(text, "reinterpret");
}

static void compare_call(wagi_op op, wag_func *want_func, wag_func *got_func, const wag_val *args, size_t count,
                         int form, const char *what)
{
    wag_val want, got;
    memset(&want, 0, sizeof want);
    memset(&got, 0, sizeof got);
    wag_err want_err = wag_call(want_func, args, count, &want, 1, NULL);
    wag_err got_err = wag_call(got_func, args, count, &got, 1, NULL);
    bool same = want_err == got_err && (want_err != WAG_OK || bits_of(&want) == bits_of(&got) ||
                                        (!says_nan_bits(op) && is_nan(&want) && is_nan(&got)));
    if (!same)
        fail_msg("%s, %s, form %d, operands 0x%llx 0x%llx: want %s 0x%llx, got %s 0x%llx", wagi_ops[op].text, what,
                 form, (unsigned long long)bits_of(&args[0]), (unsigned long long)(count > 1 ? bits_of(&args[1]) : 0),
                 wag_err_name(want_err), (unsigned long long)bits_of(&want), wag_err_name(got_err),
                 (unsigned long long)bits_of(&got));
}

static wag_instance *instance_in(wag_bytes bytes, wag_tier tier)
{
    wag_module *module;
    wag_instance *instance;
    wag_error *error = NULL;
    if (wag_module_new(bytes, &(wag_compile_options){.tier = tier}, &module, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
    wag_module_unref(module);
    return instance;
}

static void compare_op(wagi_op op, const char *what)
{
    const char *signature = wagi_ops[op].signature;
    size_t count = (size_t)(strchr(signature, ':') - signature);
    wag_bytes bytes = make_module(op);
    wag_instance *want = instance_in(bytes, WAG_TIER_INTERP), *got = instance_in(bytes, WAG_TIER_NATIVE);
    for (int form = 0; form < form_count(signature); form++) {
        char name[16];
        snprintf(name, sizeof name, "%d", form);
        wag_func *want_func = wag_exports_func(wag_instance_exports(want), name);
        wag_func *got_func = wag_exports_func(wag_instance_exports(got), name);
        for (int x = 0; x < EDGES; x++)
            for (int y = 0; y < (count == 2 ? EDGES : 1); y++) {
                if (form >= CONSTANTS && count == 2 && x != y && ((form - CONSTANTS) & 1 ? y : x))
                    continue; /* that operand is a constant */
                wag_val args[2] = {val_of(signature[0], edge(signature[0], x)),
                                   count == 2 ? val_of(signature[1], edge(signature[1], y)) : val_of('i', 0)};
                compare_call(op, want_func, got_func, args, count, form, what);
            }
    }
    wag_instance_unref(want);
    wag_instance_unref(got);
}

static void compare_all(const char *what, wagi_compiler_switches switches)
{
    wagi_compiler_test = switches;
    wagi_compiler_test.check = true;
    for (unsigned op = 0; op < WAGI_OP_COUNT; op++) {
        const char *signature = wagi_ops[op].signature;
        bool is_numeric = signature && wagi_ops[op].imm == WAGI_IMM_NONE && !strpbrk(signature, "av") &&
                          strchr(signature, ':') != signature && strchr(signature, ':')[1] &&
                          (wagi_ops[op].prefix == 0 || wagi_ops[op].prefix == 0xFC);
        if (is_numeric)
            compare_op((wagi_op)op, what);
    }
    wagi_compiler_test = (wagi_compiler_switches){0};
}

static void test_every_numeric_op_is_right_in_registers(void **state)
{
    (void)state;
    compare_all("registers", (wagi_compiler_switches){0});
}

static void test_every_numeric_op_is_right_in_frame_slots(void **state)
{
    (void)state;
    compare_all("one register", (wagi_compiler_switches){.few_registers = true, .registers = 1});
    compare_all("no register", (wagi_compiler_switches){.few_registers = true});
}

static void test_every_numeric_op_is_right_without_newer_instructions(void **state)
{
    (void)state;
    compare_all("plain SSE2", (wagi_compiler_switches){.hide_features = UINT32_MAX});
    compare_all("plain SSE2, two registers",
                (wagi_compiler_switches){.hide_features = UINT32_MAX, .few_registers = true, .registers = 2});
    compare_all("plain SSE2, no register",
                (wagi_compiler_switches){.hide_features = UINT32_MAX, .few_registers = true});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_numeric_op_is_right_in_registers),
        cmocka_unit_test(test_every_numeric_op_is_right_in_frame_slots),
        cmocka_unit_test(test_every_numeric_op_is_right_without_newer_instructions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Every vector access in native code against core/ops/v128.h: all lanes, at the memory's end, as a trap behind it, with
 * AVX, without, with SSE2 alone, and with few registers, in both memory modes. */
#include "tests/support/check.h"

#include <stdlib.h>
#include <string.h>

#include "binary/op.h"
#include "compiler/compile.h"
#include "compiler/ir.h"
#include "compiler/x64/emit.h"
#include "compiler/x64/x64.h"
#include "ops/v128.h"
#include "tests/support/bytes.h"

enum { OFFSET = 3, MEMORY_SIZE = 65536, MOST = 128 };

/* One function: an op, for one lane. (param i32 v128) (result v128): what is loaded, or what is then in memory. */
typedef struct vector_access {
    wagi_op op;
    uint8_t lane;
} vector_access;
static vector_access accesses[MOST];
static unsigned access_count;

/* ---- what core/ops says ---- */

static wagi_v128 by_load(v128_load *op, uint8_t *at, wagi_v128 v, unsigned lane)
{
    (void)v, (void)lane;
    return op(at);
}
static wagi_v128 by_store(v128_store *op, uint8_t *at, wagi_v128 v, unsigned lane)
{
    (void)lane;
    op(at, v);
    return v128_v128_load(at);
}
static wagi_v128 by_load_lane(v128_load_lane *op, uint8_t *at, wagi_v128 v, unsigned lane)
{
    return op(at, v, lane);
}
static wagi_v128 by_store_lane(v128_store_lane *op, uint8_t *at, wagi_v128 v, unsigned lane)
{
    op(at, v, lane);
    return v128_v128_load(at);
}
static wagi_v128 by_no_access(void *op, uint8_t *at, wagi_v128 v, unsigned lane)
{
    (void)op, (void)at, (void)lane;
    return v;
}

#define BY(op)                                                                                                         \
    _Generic(&(op), v128_load *                                                                                        \
             : by_load, v128_store *                                                                                   \
             : by_store, v128_load_lane *                                                                              \
             : by_load_lane, v128_store_lane *                                                                         \
             : by_store_lane, default                                                                                  \
             : by_no_access)
#define ARGUMENT(op)                                                                                                   \
    _Generic(&(op), v128_load * : op, v128_store * : op, v128_load_lane * : op, v128_store_lane * : op, default : NULL)
#define CASE_0(name)
#define CASE_0xFB(name)
#define CASE_0xFC(name)
#define CASE_0xFE(name)
#define CASE_0xFD(name)                                                                                                \
    case WAGI_OP_##name:                                                                                               \
        return BY(v128_##name)(ARGUMENT(v128_##name), at, v, lane);

static wagi_v128 apply(wagi_op op, uint8_t *at, wagi_v128 v, unsigned lane)
{
    switch (op) {
#define OP(name, text, prefix, code, imm, signature, align, feature, effects) CASE_##prefix(name)
#include "binary/op.def"
#undef OP
    default:
        return v;
    }
}

/* ---- the module ---- */

static bool is_store(wagi_op op)
{
    return strcmp(wagi_ops[op].signature, "av:") == 0;
}

static unsigned width_of(wagi_op op)
{
    return 1u << wagi_ops[op].align_log2;
}

static void put_op(build *b, wagi_op op)
{
    build_u8(b, wagi_ops[op].prefix);
    build_leb(b, wagi_ops[op].code);
}

static void put_body(build *b, const vector_access *a)
{
    size_t size = build_begin(b);
    build_raw(b, "\0\x20\0", 3); /* no locals, local.get 0 */
    if (strchr(wagi_ops[a->op].signature, 'v') < strchr(wagi_ops[a->op].signature, ':'))
        build_raw(b, "\x20\1", 2);
    put_op(b, a->op);
    build_u8(b, 0);
    build_u8(b, OFFSET);
    if (wagi_ops[a->op].imm == WAGI_IMM_MEMARG_LANE)
        build_u8(b, a->lane);
    if (is_store(a->op)) {
        build_raw(b, "\x20\0", 2);
        put_op(b, WAGI_OP_v128_load);
        build_u8(b, 0);
        build_u8(b, OFFSET);
    }
    build_u8(b, 0x0B);
    build_end(b, size);
}

static void list_accesses(void)
{
    access_count = 0;
    for (wagi_op op = WAGI_VECTOR_FIRST; op < WAGI_VECTOR_FIRST + WAGI_VECTOR_COUNT; op++) {
        if (wagi_ops[op].signature[0] != 'a')
            continue;
        unsigned lanes = wagi_ops[op].imm == WAGI_IMM_MEMARG_LANE ? 16 / width_of(op) : 1;
        for (unsigned i = 0; i < lanes; i++)
            accesses[access_count++] = (vector_access){op, (uint8_t)i};
    }
}

static void make_module(build *b)
{
    build_preamble(b);
    BUILD_WHOLE(b, 1, "\1\x60\2\x7F\x7B\1\x7B");
    size_t section = build_section(b, 3);
    build_leb(b, access_count);
    build_fill(b, 0, access_count);
    build_end(b, section);
    BUILD_WHOLE(b, 5, "\1\0\1");
    section = build_section(b, 7);
    build_leb(b, access_count + 1);
    build_raw(b, "\1m\2\0", 4);
    for (unsigned i = 0; i < access_count; i++) {
        build_u8(b, 3);
        build_u8(b, 'f');
        build_u8(b, 'a' + i / 16);
        build_u8(b, 'a' + i % 16);
        build_u8(b, 0);
        build_leb(b, i);
    }
    build_end(b, section);
    section = build_section(b, 10);
    build_leb(b, access_count);
    for (unsigned i = 0; i < access_count; i++)
        put_body(b, &accesses[i]);
    build_end(b, section);
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
    {"AVX, no register",
     WAG_TIER_NATIVE_CHECKED,
     {.check = true, .few_registers = true, .hide_features = X64_HAS_AVX2}},
    {"SSE4.2", WAG_TIER_NATIVE_CHECKED, {.check = true, .hide_features = NO_AVX}},
    {"SSE2", WAG_TIER_NATIVE_GUARD, {.check = true, .hide_features = UINT32_MAX}},
    {"SSE2, no register", WAG_TIER_NATIVE_CHECKED, {.check = true, .few_registers = true, .hide_features = UINT32_MAX}},
};

static wag_instance *make(const build *b, const kind *k)
{
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    wag_compile_options options = {.tier = k->tier};
    wagi_compiler_test = k->switches;
    wag_err err = wag_module_new(build_bytes(b), &options, &module, NULL);
    wagi_compiler_test = (wagi_compiler_switches){0};
    ASSERT_OK(err);
    ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
    wag_module_unref(module);
    return instance;
}

static void check_access(const vector_access *a, wag_func *func, uint8_t *memory, uint32_t address, const char *name)
{
    static uint8_t copy[MEMORY_SIZE + 32];
    wag_val args[2] = {WAG_VAL_I32((int32_t)address), {.kind = WAG_V128}}, result = {0};
    wagi_v128 v;
    for (unsigned i = 0; i < 16; i++)
        v.bytes[i] = args[1].of.v128[i] = (uint8_t)(0xF1 + 7 * i);
    for (unsigned i = 0; i < MEMORY_SIZE; i++)
        copy[i] = memory[i] = (uint8_t)(i * 11 + (i >> 8) + 0x70);
    /* what a store leaves is read as a whole vector */
    uint64_t end = (uint64_t)address + OFFSET + width_of(a->op);
    wag_err want_err =
        end > MEMORY_SIZE || (is_store(a->op) && address + OFFSET + 16 > MEMORY_SIZE) ? WAG_MEMORY_BOUNDS : WAG_OK;
    wagi_v128 want = v;
    if (end <= MEMORY_SIZE)
        want = apply(a->op, copy + address + OFFSET, v, a->lane);
    wag_err err = wag_call(func, args, 2, &result, 1, NULL);
    if (err != want_err || (err == WAG_OK && memcmp(result.of.v128, &want, 16) != 0) ||
        memcmp(memory, copy, MEMORY_SIZE) != 0)
        fail_msg("%s, lane %u, at %u (%s): %s", wagi_ops[a->op].text, a->lane, address, name, wag_err_name(err));
}

static void test_every_vector_access_does_what_core_ops_says(void **state)
{
    (void)state;
    build module = {0};
    list_accesses();
    assert_int_equal(access_count, 14 + 2 * (16 + 8 + 4 + 2));
    make_module(&module);
    for (unsigned k = 0; k < sizeof kinds / sizeof *kinds && wagi_compiler_available(); k++) {
        wag_instance *instance = make(&module, &kinds[k]);
        const wag_exports *exports = wag_instance_exports(instance);
        uint8_t *memory = wag_memory_data(wag_exports_memory(exports, "m"));
        for (unsigned i = 0; i < access_count; i++) {
            wag_name name;
            wag_value value;
            assert_true(wag_exports_at(exports, i + 1, &name, &value));
            uint32_t last = MEMORY_SIZE - OFFSET - width_of(accesses[i].op);
            const uint32_t addresses[] = {0,    1,        1234,        MEMORY_SIZE - OFFSET - 16,
                                          last, last + 1, MEMORY_SIZE, UINT32_MAX};
            for (unsigned n = 0; n < sizeof addresses / sizeof *addresses; n++)
                check_access(&accesses[i], value.of.func, memory, addresses[n], kinds[k].name);
        }
        wag_instance_unref(instance);
    }
    build_free(&module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_vector_access_does_what_core_ops_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

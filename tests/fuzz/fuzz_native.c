/* Native code against the interpreter: generated valid modules run in every native form and in the interpreter;
 * results, traps with their backtraces, memories and globals must be equal.
 *
 * The input's bytes are the generator's decisions; when they run out a pseudo-random sequence goes on. An input of at
 * most 8 bytes is a seed for MODULES_OF_SEED modules. The modules end by themselves: every loop and call takes fuel
 * from a global. NaNs are made canonical where an op may choose their bits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/compile.h"
#include "tests/support/module_maker.h"
#include "waggle.h"

enum { MODULES_OF_SEED = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- running ---- */

typedef struct outcome {
    wag_err err;
    uint64_t result;
    size_t frames;
    wag_frame trace[8];
    uint64_t memory;
} outcome;

static uint64_t hash_memory(const wag_memory *memory)
{
    uint64_t hash = wag_memory_size(memory);
    const uint8_t *at = wag_memory_data(memory);
    for (size_t i = 0; i < wag_memory_size(memory); i += 8) {
        uint64_t word;
        memcpy(&word, at + i, 8);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    }
    return hash;
}

static uint64_t bits_of(const wag_val *val)
{
    uint64_t bits = 0;
    memcpy(&bits, &val->of, val->kind == WAG_I32 || val->kind == WAG_F32 ? 4 : 8);
    return bits;
}

static wag_val argument(char kind, unsigned salt)
{
    static const int64_t ints[] = {0, 1, -1, INT32_MIN, 77, INT64_MIN, 1000003};
    static const double floats[] = {0, 1.5, -2, 1e10, -0.0, 3e-5, 1e300};
    switch (kind) {
    case 'i':
        return WAG_VAL_I32((int32_t)ints[salt % 7]);
    case 'I':
        return WAG_VAL_I64(ints[salt % 7]);
    case 'f':
        return WAG_VAL_F32((float)floats[salt % 7]);
    default:
        return WAG_VAL_F64(floats[salt % 7]);
    }
}

/* For whoever looks into it. */
static void dump(const bytes *b)
{
    FILE *file = fopen("fuzz_native.wasm", "wb");
    if (!file)
        return;
    fwrite(b->p, 1, b->n, file);
    fclose(file);
}

enum { CALLS = 2 * FUNCS };

/* Run everything in one tier. False when it cannot be compared (stack overflow). */
static bool run(const maker *m, const bytes *b, wag_tier tier, bool few_registers, uint32_t hidden, outcome *outcomes)
{
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    wag_compile_options options = {.tier = tier};
    wagi_compiler_test.few_registers = few_registers;
    wagi_compiler_test.registers = hidden ? 1 : 3;
    wagi_compiler_test.hide_features = hidden;
    wagi_compiler_test.check = true;
    if (wag_module_new((wag_bytes){b->p, b->n}, &options, &module, &error) != WAG_OK) {
        fprintf(stderr, "tier %d: %s\n", (int)tier, wag_error_message(error));
        dump(b);
        abort();
    }
    if (wag_instance_new(module, NULL, &instance, &error) != WAG_OK)
        abort();
    bool comparable = true;
    for (unsigned k = 0; k < CALLS; k++) {
        unsigned f = k % FUNCS;
        outcome *o = &outcomes[k];
        memset(o, 0, sizeof *o);
        wag_val args[12], result;
        size_t count = strlen(m->types[f].params);
        for (size_t i = 0; i < count; i++)
            args[i] = argument(m->types[f].params[i], k + (unsigned)i);
        char name[2] = {(char)('a' + f), 0};
        wag_func *func = wag_exports_func(wag_instance_exports(instance), name);
        o->err = wag_call(func, args, count, &result, m->types[f].result != 0, &error);
        if (o->err == WAG_OK) {
            o->result = m->types[f].result ? bits_of(&result) : 0;
        } else {
            o->frames = wag_error_frame_count(error);
            for (size_t i = 0; i < o->frames && i < 8; i++)
                wag_error_frame(error, i, &o->trace[i]);
            wag_error_unref(error);
        }
        comparable = comparable && o->err != WAG_STACK_OVERFLOW;
        wag_memory *memory = wag_exports_memory(wag_instance_exports(instance), "m");
        o->memory = hash_memory(memory);
    }
    wag_instance_unref(instance);
    wag_module_unref(module);
    return comparable;
}

static bool same(const outcome *x, const outcome *y)
{
    if (x->err != y->err || x->result != y->result || x->memory != y->memory || x->frames != y->frames)
        return false;
    for (size_t i = 0; i < x->frames && i < 8; i++)
        if (x->trace[i].func_index != y->trace[i].func_index || x->trace[i].module_offset != y->trace[i].module_offset)
            return false;
    return true;
}

static void complain(const bytes *b, const char *form, unsigned k, const outcome *want, const outcome *got)
{
    fprintf(stderr, "%s: call %u: want %s 0x%llx memory %llx frames %zu, got %s 0x%llx memory %llx frames %zu\n", form,
            k, wag_err_name(want->err), (unsigned long long)want->result, (unsigned long long)want->memory,
            want->frames, wag_err_name(got->err), (unsigned long long)got->result, (unsigned long long)got->memory,
            got->frames);
    for (size_t i = 0; i < want->frames && i < 8; i++)
        fprintf(stderr, "  want %u@0x%zx got %u@0x%zx\n", want->trace[i].func_index, want->trace[i].module_offset,
                got->trace[i].func_index, got->trace[i].module_offset);
    dump(b);
    abort();
}

static void compare_forms(maker *m)
{
    static const struct {
        const char *name;
        wag_tier tier;
        bool few_registers;
        uint32_t hidden;
    } forms[] = {
        {"guard", WAG_TIER_NATIVE_GUARD, false, 0},
        {"checked", WAG_TIER_NATIVE_CHECKED, false, 0},
        {"few registers", WAG_TIER_NATIVE_GUARD, true, 0},
        {"few registers, checked", WAG_TIER_NATIVE_CHECKED, true, 0},
        {"plain SSE2", WAG_TIER_NATIVE_GUARD, false, ~0u},
        {"plain SSE2, few registers", WAG_TIER_NATIVE_CHECKED, true, ~0u},
    };
    static bytes module;
    static outcome want[CALLS], got[CALLS];
    make_module(m, &module);
    if (m->full || !run(m, &module, WAG_TIER_INTERP, false, 0, want))
        return;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (run(m, &module, forms[i].tier, forms[i].few_registers, forms[i].hidden, got))
            for (unsigned k = 0; k < CALLS; k++)
                if (!same(&want[k], &got[k]))
                    complain(&module, forms[i].name, k, &want[k], &got[k]);
    wagi_compiler_test = (wagi_compiler_switches){0};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static maker m;
    uint64_t seed = 0x243F6A8885A308D3u;
    for (size_t i = 0; i < size && i < 8; i++)
        seed = (seed ^ data[i]) * 0x9E3779B97F4A7C15u;
    for (int i = 0; i < (size <= 8 ? MODULES_OF_SEED : 1); i++) {
        memset(&m, 0, sizeof m);
        m.data = data;
        m.size = size <= 8 ? 0 : size;
        m.random = seed + (uint64_t)i * 0xD1B54A32D192ED03u + 1;
        compare_forms(&m);
    }
    return 0;
}

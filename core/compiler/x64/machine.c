/* What x86-64 tells builder and allocator. */
#include <cpuid.h>

#include "compiler/x64/emit.h"
#include "compiler/x64/x64.h"

uint32_t wagi_x64_cpu_features(void)
{
    unsigned a, b, c, d;
    uint32_t features = 0;
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx")) /* asks the system too whether it keeps the registers */
        features |= X64_HAS_AVX;
    if (__builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3"))
        features |= X64_HAS_SSE41;
    if (__builtin_cpu_supports("sse4.2"))
        features |= X64_HAS_SSE42;
    if (__builtin_cpu_supports("avx2") && (features & X64_HAS_AVX))
        features |= X64_HAS_AVX2;
    if (__builtin_cpu_supports("popcnt"))
        features |= X64_HAS_POPCNT;
    if (__builtin_cpu_supports("bmi"))
        features |= X64_HAS_BMI1;
    /* shlx and rorx are VEX encoded */
    if (__builtin_cpu_supports("bmi2") && (features & X64_HAS_AVX))
        features |= X64_HAS_BMI2;
    if (__get_cpuid(0x80000001, &a, &b, &c, &d) && (c & 1u << 5))
        features |= X64_HAS_LZCNT;
    return features;
}

void wagi_x64_describe(wagi_machine *ret_machine, uint32_t features)
{
    static const uint8_t ints[] = {RDI, RSI, RCX, R8, R9, R10, R11, RBX, RBP, R12, R13};
    static const uint8_t args[] = {RDI, RSI, RCX, R8, R9, R10, R11};
    wagi_machine m = {.name = "x86-64",
                      .features = features,
                      .imm_min = INT32_MIN,
                      .imm_max = INT32_MAX,
                      .has_popcnt = features & X64_HAS_POPCNT,
                      .has_round = features & X64_HAS_SSE41,
                      .callee_saved = 1u << RBX | 1u << RBP | 1u << R12 | 1u << R13,
                      .int_arg_count = sizeof args,
                      .float_arg_count = 8};
    memcpy(m.int_args, args, sizeof args);
    m.int_count = sizeof ints;
    memcpy(m.int_regs, ints, sizeof ints);
    m.float_count = 14;
    for (uint8_t i = 0; i < m.float_count; i++)
        m.float_regs[i] = (uint8_t)(WAGI_FLOAT_REG + i);
    for (uint8_t i = 0; i < m.float_arg_count; i++)
        m.float_args[i] = (uint8_t)(WAGI_FLOAT_REG + i);
    for (unsigned vector = 0; vector < WAGI_VECTOR_COUNT; vector++)
        if (wagi_x64_has_vector(vector, features))
            m.vector_ops[vector / 32] |= 1u << (vector & 31);
    *ret_machine = m;
}

void wagi_x64_limit_registers(wagi_machine *machine, uint8_t count)
{
    static const uint8_t ints[] = {RSI, RCX, RBX}; /* one that calls keep is among them */
    machine->int_count = count < sizeof ints ? count : sizeof ints;
    memcpy(machine->int_regs, ints, machine->int_count);
    machine->float_count = machine->int_count;
}

/* What builder and allocator know of a machine. One constant description per machine and feature set; only the files of
 * the machine's own folder know more.
 *
 * Registers are numbers: 0..15 integer, 16..31 floating. A description lists those that values may live in; scratch and
 * reserved registers (instance, memory base, stack pointer) are simply not listed. Arguments and results of wasm
 * functions travel in int_args and float_args, then in the agent's overflow buffer; the lists may name registers that
 * are not allocatable, so that a description with few registers (tests) keeps the calling convention.
 */
#ifndef WAGI_COMPILER_MACHINE_H
#define WAGI_COMPILER_MACHINE_H

#include "compiler/ir.h"

#define WAGI_REG_COUNT 32
#define WAGI_FLOAT_REG 16 /* the first one */

typedef struct wagi_machine {
    const char *name;
    uint32_t features; /* of the machine's own meaning */

    /* for the builder */
    int64_t imm_min, imm_max; /* integer immediates */
    bool has_popcnt, has_round;
    uint32_t vector_ops[8]; /* a bit per vector op (WAGI_VECTOR) that it has code for */

    /* for the allocator: in order of preference, those that calls clobber first */
    uint8_t int_regs[16], int_count;
    uint8_t float_regs[16], float_count;
    uint32_t callee_saved; /* bit per register */
    uint8_t int_args[8], int_arg_count;
    uint8_t float_args[8], float_arg_count;
} wagi_machine;

static inline bool wagi_machine_has_vector(const wagi_machine *machine, unsigned vector)
{
    return machine->vector_ops[vector / 32] >> (vector & 31) & 1;
}
static inline bool wagi_reg_is_float(int reg)
{
    return reg >= WAGI_FLOAT_REG;
}
static inline bool wagi_reg_is_saved(const wagi_machine *machine, int reg)
{
    return machine->callee_saved >> reg & 1;
}

#endif

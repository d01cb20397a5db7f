/* Short forms of instructions, for the builder's files. */
#ifndef WAGI_COMPILER_BUILD_ENTRY_H
#define WAGI_COMPILER_BUILD_ENTRY_H

#include "compiler/ir.h"

static inline wagi_ins ins_const(unsigned type, uint32_t dst, uint64_t bits)
{
    return (wagi_ins){
        .op = WAGI_IR_CONST, .type = (uint8_t)type, .dst = dst, .a = WAGI_NIL, .b = WAGI_NIL, .imm = (int64_t)bits};
}
static inline wagi_ins ins_1(wagi_ir_op op, unsigned type, uint32_t dst, uint32_t a)
{
    return (wagi_ins){.op = (uint8_t)op, .type = (uint8_t)type, .dst = dst, .a = a, .b = WAGI_NIL};
}
static inline wagi_ins ins_2(wagi_ir_op op, unsigned type, uint32_t dst, uint32_t a, uint32_t b)
{
    return (wagi_ins){.op = (uint8_t)op, .type = (uint8_t)type, .dst = dst, .a = a, .b = b};
}
static inline wagi_ins ins_imm(wagi_ir_op op, unsigned type, uint32_t dst, uint32_t a, int64_t imm)
{
    return (wagi_ins){
        .op = (uint8_t)op, .type = (uint8_t)type, .flags = WAGI_INS_IMM, .dst = dst, .a = a, .b = WAGI_NIL, .imm = imm};
}

#endif

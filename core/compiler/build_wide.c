/* The builder's wide arithmetic: 128-bit operations as a few instructions on their halves. */
#include "compiler/build.h"
#include "compiler/build_entry.h"

static uint32_t binary(wagi_builder *b, wagi_ir_op op, uint32_t x, uint32_t y)
{
    uint32_t dst = wagi_ir_new_vreg(b->ir, WAGI_TY_I64);
    wagi_build_emit(b, ins_2(op, WAGI_TY_I64, dst, x, y));
    return dst;
}

/* x < y, unsigned: a carry or a borrow. An i32 is held zero-extended, so it is a 64-bit operand as well. */
static uint32_t less(wagi_builder *b, uint32_t x, uint32_t y)
{
    wagi_ins ins = ins_2(WAGI_IR_SETCC, WAGI_TY_I64, wagi_ir_new_vreg(b->ir, WAGI_TY_I32), x, y);
    ins.sub = WAGI_LT_U;
    wagi_build_emit(b, ins);
    return ins.dst;
}

/* The `count` topmost entries in registers, the deepest first. */
static void pop_registers(wagi_builder *b, uint32_t count, uint32_t *ret_vregs)
{
    for (uint32_t *vreg = ret_vregs + count; vreg > ret_vregs;) {
        wagi_entry entry = wagi_build_pop(b);
        wagi_build_materialize(b, &entry);
        *--vreg = entry.vreg;
    }
}

static void push_pair(wagi_builder *b, uint32_t low, uint32_t high)
{
    wagi_build_push_vreg(b, WAGI_TY_I64, low);
    wagi_build_push_vreg(b, WAGI_TY_I64, high);
}

static void sum(wagi_builder *b, wagi_ir_op op)
{
    uint32_t x[4];
    pop_registers(b, 4, x);
    uint32_t borrow = op == WAGI_IR_SUB ? less(b, x[0], x[2]) : WAGI_NIL;
    uint32_t low = binary(b, op, x[0], x[2]);
    uint32_t carry = op == WAGI_IR_SUB ? borrow : less(b, low, x[0]);
    push_pair(b, low, binary(b, op, binary(b, op, x[1], x[3]), carry));
}

static void product(wagi_builder *b, bool is_signed)
{
    uint32_t x[2], high = wagi_ir_new_vreg(b->ir, WAGI_TY_I64);
    pop_registers(b, 2, x);
    wagi_ins ins = ins_2(WAGI_IR_MULHI, WAGI_TY_I64, high, x[0], x[1]);
    ins.sub = is_signed;
    wagi_build_emit(b, ins);
    push_pair(b, binary(b, WAGI_IR_MUL, x[0], x[1]), high);
}

bool wagi_build_wide(wagi_builder *b, wagi_op op)
{
    switch (op) {
    case WAGI_OP_i64_add128:
        sum(b, WAGI_IR_ADD);
        return true;
    case WAGI_OP_i64_sub128:
        sum(b, WAGI_IR_SUB);
        return true;
    case WAGI_OP_i64_mul_wide_s:
    case WAGI_OP_i64_mul_wide_u:
        product(b, op == WAGI_OP_i64_mul_wide_s);
        return true;
    default:
        return false;
    }
}

/* The builder's atomic ops: prefix 0xFE. Each is an address, which is checked, and an access at it. */
#include "compiler/build.h"
#include "compiler/build_entry.h"
#include "ops/atomic.h"

/* Loads, stores and each of the read-modify-write operations have these seven forms, in this order. */
enum { FORMS = 7 };
static const struct {
    uint8_t access, type;
} forms[FORMS] = {
    {WAGI_ACCESS_32, WAGI_TY_I32},  {WAGI_ACCESS_64, WAGI_TY_I64}, {WAGI_ACCESS_U8, WAGI_TY_I32},
    {WAGI_ACCESS_U16, WAGI_TY_I32}, {WAGI_ACCESS_U8, WAGI_TY_I64}, {WAGI_ACCESS_U16, WAGI_TY_I64},
    {WAGI_ACCESS_U32, WAGI_TY_I64},
};
/* What the forms are of, in the order of the opcodes; the operations of atomic_rmw lie between the two. */
enum { LOAD, STORE, FIRST_RMW, CMPXCHG = FIRST_RMW + ATOMIC_RMW_COUNT };
_Static_assert(WAGI_OP_i32_atomic_rmw_cmpxchg - WAGI_OP_i32_atomic_load == CMPXCHG * FORMS &&
                   WAGI_OP_i64_atomic_rmw32_cmpxchg_u - WAGI_OP_i32_atomic_rmw_cmpxchg == FORMS - 1 &&
                   WAGI_OP_i32_atomic_rmw_xchg - WAGI_OP_i32_atomic_load == (FIRST_RMW + ATOMIC_RMW_XCHG) * FORMS,
               "the rows of op.def are in the order of the opcodes");

/* The vreg of the checked address in the host's memory. */
static uint32_t checked_address(wagi_builder *b, wagi_entry index, uint32_t memory, uint64_t offset, unsigned access)
{
    uint32_t dst = wagi_ir_new_vreg(b->ir, WAGI_TY_I64);
    wagi_ins ins = ins_1(WAGI_IR_ATOMIC_ADDRESS, WAGI_TY_I64, dst, wagi_build_address_operand(b, &index, &offset));
    ins.sub = (uint8_t)access;
    ins.b = memory;
    ins.imm = (int64_t)offset;
    wagi_build_emit(b, ins);
    return dst;
}

static wagi_entry pop_register(wagi_builder *b)
{
    wagi_entry entry = wagi_build_pop(b);
    wagi_build_materialize(b, &entry);
    return entry;
}

/* The access: its operands are in order on the stack. */
static void access(wagi_builder *b, unsigned what, unsigned form)
{
    uint32_t memory;
    uint64_t offset;
    wagi_build_memarg(b, &memory, &offset);
    unsigned type = forms[form].type;
    wagi_entry value = {.vreg = WAGI_NIL}, expected = {.vreg = WAGI_NIL};
    if (what != LOAD)
        value = pop_register(b);
    if (what == CMPXCHG)
        expected = pop_register(b);
    uint32_t address = checked_address(b, wagi_build_pop(b), memory, offset, forms[form].access);
    if (what == CMPXCHG)
        wagi_build_emit(b, ins_1(WAGI_IR_ATOMIC_EXPECT, type, WAGI_NIL, expected.vreg));
    wagi_ir_op op = what == LOAD      ? WAGI_IR_ATOMIC_LOAD
                    : what == STORE   ? WAGI_IR_ATOMIC_STORE
                    : what == CMPXCHG ? WAGI_IR_ATOMIC_CMPXCHG
                                      : WAGI_IR_ATOMIC_RMW;
    wagi_ins ins = ins_2(op, type, WAGI_NIL, address, value.vreg);
    ins.sub = forms[form].access;
    ins.imm = (int64_t)((uint64_t)memory << 8 | (op == WAGI_IR_ATOMIC_RMW ? what - FIRST_RMW : 0));
    if (what != STORE)
        ins.dst = wagi_ir_new_vreg(b->ir, type);
    wagi_build_emit(b, ins);
    if (what != STORE)
        wagi_build_push_result(b, type, ins.dst);
}

static void helper(wagi_builder *b, wagi_helper helper, uint32_t operands)
{
    uint32_t memory;
    uint64_t offset;
    wagi_build_memarg(b, &memory, &offset);
    wagi_build_helper(b, helper, operands, (uint64_t[]){memory, offset}, 2, WAGI_TY_I32);
}

bool wagi_build_atomic(wagi_builder *b, wagi_op op)
{
    switch (op) {
    case WAGI_OP_memory_atomic_notify:
        helper(b, WAGI_HELPER_atomic_notify, 2);
        return true;
    case WAGI_OP_memory_atomic_wait32:
        helper(b, WAGI_HELPER_atomic_wait32, 3);
        return true;
    case WAGI_OP_memory_atomic_wait64:
        helper(b, WAGI_HELPER_atomic_wait64, 3);
        return true;
    case WAGI_OP_atomic_fence:
        wagi_read_u8(&b->in);
        wagi_build_emit(b, ins_1(WAGI_IR_FENCE, WAGI_TY_I32, WAGI_NIL, WAGI_NIL));
        return true;
    default:
        break;
    }
    if (op < WAGI_OP_i32_atomic_load || op > WAGI_OP_i64_atomic_rmw32_cmpxchg_u)
        return false;
    unsigned number = op - WAGI_OP_i32_atomic_load;
    access(b, number / FORMS, number % FORMS);
    return true;
}

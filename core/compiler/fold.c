/* Folding of integer constants, by the one definition of the ops (ops/num.h). */
#include "compiler/build.h"
#include "ops/num.h"

static uint32_t fold_i32(wagi_ir_op op, uint32_t a, uint32_t b)
{
    switch (op) {
    case WAGI_IR_ADD:
        return num_i32_add(a, b);
    case WAGI_IR_SUB:
        return num_i32_sub(a, b);
    case WAGI_IR_AND:
        return num_i32_and(a, b);
    case WAGI_IR_OR:
        return num_i32_or(a, b);
    case WAGI_IR_XOR:
        return num_i32_xor(a, b);
    case WAGI_IR_MUL:
        return num_i32_mul(a, b);
    case WAGI_IR_SHL:
        return num_i32_shl(a, b);
    case WAGI_IR_SHR_S:
        return num_i32_shr_s(a, b);
    case WAGI_IR_SHR_U:
        return num_i32_shr_u(a, b);
    case WAGI_IR_ROTL:
        return num_i32_rotl(a, b);
    default:
        return num_i32_rotr(a, b);
    }
}

static uint64_t fold_i64(wagi_ir_op op, uint64_t a, uint64_t b)
{
    switch (op) {
    case WAGI_IR_ADD:
        return num_i64_add(a, b);
    case WAGI_IR_SUB:
        return num_i64_sub(a, b);
    case WAGI_IR_AND:
        return num_i64_and(a, b);
    case WAGI_IR_OR:
        return num_i64_or(a, b);
    case WAGI_IR_XOR:
        return num_i64_xor(a, b);
    case WAGI_IR_MUL:
        return num_i64_mul(a, b);
    case WAGI_IR_SHL:
        return num_i64_shl(a, b);
    case WAGI_IR_SHR_S:
        return num_i64_shr_s(a, b);
    case WAGI_IR_SHR_U:
        return num_i64_shr_u(a, b);
    case WAGI_IR_ROTL:
        return num_i64_rotl(a, b);
    default:
        return num_i64_rotr(a, b);
    }
}

bool wagi_fold_binary(wagi_ir_op op, unsigned type, uint64_t a, uint64_t b, uint64_t *ret_value)
{
    if (op < WAGI_IR_ADD || op > WAGI_IR_ROTR)
        return false; /* divisions stay: they may trap */
    *ret_value = type == WAGI_TY_I32 ? fold_i32(op, (uint32_t)a, (uint32_t)b) : fold_i64(op, a, b);
    return true;
}

bool wagi_fold_unary(wagi_ir_op op, unsigned type, uint64_t a, uint64_t *ret_value)
{
    bool is_32 = type == WAGI_TY_I32;
    switch (op) {
    case WAGI_IR_CLZ:
        *ret_value = is_32 ? num_i32_clz((uint32_t)a) : num_i64_clz(a);
        return true;
    case WAGI_IR_CTZ:
        *ret_value = is_32 ? num_i32_ctz((uint32_t)a) : num_i64_ctz(a);
        return true;
    case WAGI_IR_POPCNT:
        *ret_value = is_32 ? num_i32_popcnt((uint32_t)a) : num_i64_popcnt(a);
        return true;
    case WAGI_IR_EXTEND8_S:
        *ret_value = is_32 ? num_i32_extend8_s((uint32_t)a) : num_i64_extend8_s(a);
        return true;
    case WAGI_IR_EXTEND16_S:
        *ret_value = is_32 ? num_i32_extend16_s((uint32_t)a) : num_i64_extend16_s(a);
        return true;
    case WAGI_IR_EXTEND32_S:
        *ret_value = num_i64_extend32_s(a);
        return true;
    case WAGI_IR_WRAP:
        *ret_value = num_i32_wrap_i64(a);
        return true;
    default:
        return false;
    }
}

#define FOLD_CONDITION(N, U)                                                                                           \
    switch (cond) {                                                                                                    \
    case WAGI_EQ:                                                                                                      \
        *ret_value = num_##N##_eq((U)a, (U)b);                                                                         \
        return true;                                                                                                   \
    case WAGI_NE:                                                                                                      \
        *ret_value = num_##N##_ne((U)a, (U)b);                                                                         \
        return true;                                                                                                   \
    case WAGI_LT_S:                                                                                                    \
        *ret_value = num_##N##_lt_s((U)a, (U)b);                                                                       \
        return true;                                                                                                   \
    case WAGI_GE_S:                                                                                                    \
        *ret_value = num_##N##_ge_s((U)a, (U)b);                                                                       \
        return true;                                                                                                   \
    case WAGI_LE_S:                                                                                                    \
        *ret_value = num_##N##_le_s((U)a, (U)b);                                                                       \
        return true;                                                                                                   \
    case WAGI_GT_S:                                                                                                    \
        *ret_value = num_##N##_gt_s((U)a, (U)b);                                                                       \
        return true;                                                                                                   \
    case WAGI_LT_U:                                                                                                    \
        *ret_value = num_##N##_lt_u((U)a, (U)b);                                                                       \
        return true;                                                                                                   \
    case WAGI_GE_U:                                                                                                    \
        *ret_value = num_##N##_ge_u((U)a, (U)b);                                                                       \
        return true;                                                                                                   \
    case WAGI_LE_U:                                                                                                    \
        *ret_value = num_##N##_le_u((U)a, (U)b);                                                                       \
        return true;                                                                                                   \
    case WAGI_GT_U:                                                                                                    \
        *ret_value = num_##N##_gt_u((U)a, (U)b);                                                                       \
        return true;                                                                                                   \
    default:                                                                                                           \
        return false;                                                                                                  \
    }

bool wagi_fold_condition(wagi_ir_cond cond, unsigned type, uint64_t a, uint64_t b, bool *ret_value)
{
    if (type == WAGI_TY_I32) {
        FOLD_CONDITION(i32, uint32_t)
    }
    FOLD_CONDITION(i64, uint64_t)
}

/* The builder's numeric ops: identities, address-like sums, immediates, conditions. */
#include "compiler/build.h"
#include "compiler/build_entry.h"

typedef enum row_kind { ROW_NONE, ROW_BINARY, ROW_COMPARE, ROW_EQZ, ROW_UNARY, ROW_FBINARY, ROW_EXTEND_U } row_kind;

/* How an op becomes IR. type: of the operands; result: of the value. sub: condition, or sub of the instruction. */
typedef struct op_row {
    uint8_t kind, ir, type, result, sub;
    bool swap;
} op_row;

#define BIN(op, name, ty) [WAGI_OP_##op] = {ROW_BINARY, WAGI_IR_##name, ty, ty, 0, false}
#define CMPI(op, cond, ty) [WAGI_OP_##op] = {ROW_COMPARE, 0, ty, WAGI_TY_I32, WAGI_##cond, false}
#define CMPF(op, cond, ty, swap) [WAGI_OP_##op] = {ROW_COMPARE, 0, ty, WAGI_TY_I32, WAGI_##cond, swap}
#define UN(op, name, ty, result) [WAGI_OP_##op] = {ROW_UNARY, WAGI_IR_##name, ty, result, 0, false}
#define UNS(op, name, ty, result, sub) [WAGI_OP_##op] = {ROW_UNARY, WAGI_IR_##name, ty, result, sub, false}
#define FBIN(op, name, ty) [WAGI_OP_##op] = {ROW_FBINARY, WAGI_IR_##name, ty, ty, 0, false}
#define INTS(N, ty)                                                                                                    \
    BIN(N##_add, ADD, ty), BIN(N##_sub, SUB, ty), BIN(N##_mul, MUL, ty), BIN(N##_div_s, DIV_S, ty),                    \
        BIN(N##_div_u, DIV_U, ty), BIN(N##_rem_s, REM_S, ty), BIN(N##_rem_u, REM_U, ty), BIN(N##_and, AND, ty),        \
        BIN(N##_or, OR, ty), BIN(N##_xor, XOR, ty), BIN(N##_shl, SHL, ty), BIN(N##_shr_s, SHR_S, ty),                  \
        BIN(N##_shr_u, SHR_U, ty), BIN(N##_rotl, ROTL, ty), BIN(N##_rotr, ROTR, ty), CMPI(N##_eq, EQ, ty),             \
        CMPI(N##_ne, NE, ty), CMPI(N##_lt_s, LT_S, ty), CMPI(N##_lt_u, LT_U, ty), CMPI(N##_gt_s, GT_S, ty),            \
        CMPI(N##_gt_u, GT_U, ty), CMPI(N##_le_s, LE_S, ty), CMPI(N##_le_u, LE_U, ty), CMPI(N##_ge_s, GE_S, ty),        \
        CMPI(N##_ge_u, GE_U, ty), UN(N##_clz, CLZ, ty, ty), UN(N##_ctz, CTZ, ty, ty), UN(N##_popcnt, POPCNT, ty, ty),  \
        UN(N##_extend8_s, EXTEND8_S, ty, ty), UN(N##_extend16_s, EXTEND16_S, ty, ty),                                  \
        [WAGI_OP_##N##_eqz] = {ROW_EQZ, 0, ty, WAGI_TY_I32, 0, false}
#define FLOATS(N, ty)                                                                                                  \
    FBIN(N##_add, FADD, ty), FBIN(N##_sub, FSUB, ty), FBIN(N##_mul, FMUL, ty), FBIN(N##_div, FDIV, ty),                \
        FBIN(N##_min, FMIN, ty), FBIN(N##_max, FMAX, ty), FBIN(N##_copysign, FCOPYSIGN, ty),                           \
        UN(N##_abs, FABS, ty, ty), UN(N##_neg, FNEG, ty, ty), UN(N##_ceil, FCEIL, ty, ty),                             \
        UN(N##_floor, FFLOOR, ty, ty), UN(N##_trunc, FTRUNC, ty, ty), UN(N##_nearest, FNEAREST, ty, ty),               \
        UN(N##_sqrt, FSQRT, ty, ty), CMPF(N##_eq, FEQ, ty, false), CMPF(N##_ne, FNE, ty, false),                       \
        CMPF(N##_lt, FGT, ty, true), CMPF(N##_gt, FGT, ty, false), CMPF(N##_le, FGE, ty, true),                        \
        CMPF(N##_ge, FGE, ty, false)
/* Truncations say whether their result is wide (2) or not: an i32 may go straight to an i64 local. */
#define TRUNCS(N, wide, ty, F, fty)                                                                                    \
    UNS(N##_trunc_##F##_s, TRUNC, fty, ty, wide | 1), UNS(N##_trunc_##F##_u, TRUNC, fty, ty, wide),                    \
        UNS(N##_trunc_sat_##F##_s, TRUNC_SAT, fty, ty, wide | 1),                                                      \
        UNS(N##_trunc_sat_##F##_u, TRUNC_SAT, fty, ty, wide), UN(F##_convert_##N##_s, CVT_S, ty, fty),                 \
        UN(F##_convert_##N##_u, CVT_U, ty, fty)

static const op_row rows[WAGI_OP_COUNT] = {
    INTS(i32, WAGI_TY_I32),
    INTS(i64, WAGI_TY_I64),
    FLOATS(f32, WAGI_TY_F32),
    FLOATS(f64, WAGI_TY_F64),
    TRUNCS(i32, 0, WAGI_TY_I32, f32, WAGI_TY_F32),
    TRUNCS(i32, 0, WAGI_TY_I32, f64, WAGI_TY_F64),
    TRUNCS(i64, 2, WAGI_TY_I64, f32, WAGI_TY_F32),
    TRUNCS(i64, 2, WAGI_TY_I64, f64, WAGI_TY_F64),
    UN(i64_extend32_s, EXTEND32_S, WAGI_TY_I64, WAGI_TY_I64),
    UN(i64_extend_i32_s, EXTEND32_S, WAGI_TY_I64, WAGI_TY_I64),
    UN(i32_wrap_i64, WRAP, WAGI_TY_I32, WAGI_TY_I32),
    UN(f32_demote_f64, CVT_F, WAGI_TY_F64, WAGI_TY_F32),
    UN(f64_promote_f32, CVT_F, WAGI_TY_F32, WAGI_TY_F64),
    UN(i32_reinterpret_f32, BITS, WAGI_TY_F32, WAGI_TY_I32),
    UN(i64_reinterpret_f64, BITS, WAGI_TY_F64, WAGI_TY_I64),
    UN(f32_reinterpret_i32, BITS, WAGI_TY_I32, WAGI_TY_F32),
    UN(f64_reinterpret_i64, BITS, WAGI_TY_I64, WAGI_TY_F64),
    [WAGI_OP_i64_extend_i32_u] = {ROW_EXTEND_U, 0, WAGI_TY_I32, WAGI_TY_I64, 0, false},
};

/* The constant as the machine's immediate would mean it. */
static int64_t signed_constant(unsigned type, uint64_t bits)
{
    return type == WAGI_TY_I32 ? (int32_t)bits : (int64_t)bits;
}

static bool fits(const wagi_builder *b, int64_t value)
{
    return value >= b->machine->imm_min && value <= b->machine->imm_max;
}

static unsigned log2_of(uint64_t x)
{
    unsigned n = 0;
    while (x >>= 1)
        n++;
    return n;
}

static bool is_commutative(wagi_ir_op op)
{
    return op == WAGI_IR_ADD || op == WAGI_IR_AND || op == WAGI_IR_OR || op == WAGI_IR_XOR || op == WAGI_IR_MUL;
}

static bool is_division(wagi_ir_op op)
{
    return op >= WAGI_IR_DIV_S && op <= WAGI_IR_REM_U;
}

static bool is_shift(wagi_ir_op op)
{
    return op >= WAGI_IR_SHL && op <= WAGI_IR_ROTR;
}

static inline __attribute__((always_inline)) void emit_result(wagi_builder *b, wagi_ins ins, unsigned type)
{
    ins.dst = wagi_ir_new_vreg(b->ir, type);
    wagi_build_emit(b, ins);
    wagi_build_push_result(b, type, ins.dst);
}

/* x op constant is x again, or another constant. */
static bool identity(wagi_builder *b, wagi_ir_op op, unsigned type, wagi_entry a, int64_t c)
{
    bool same =
        c == 0 && (is_shift(op) || op == WAGI_IR_ADD || op == WAGI_IR_SUB || op == WAGI_IR_OR || op == WAGI_IR_XOR);
    same = same || (c == -1 && op == WAGI_IR_AND) ||
           (c == 1 && (op == WAGI_IR_MUL || op == WAGI_IR_DIV_U || op == WAGI_IR_DIV_S));
    if (same) {
        wagi_build_push(b, a);
        return true;
    }
    if (c == 0 && (op == WAGI_IR_AND || op == WAGI_IR_MUL)) {
        wagi_build_push_const(b, type, 0);
        return true;
    }
    return false;
}

/* Multiplications and unsigned divisions by powers of two become shifts and masks. */
static void reduce_strength(wagi_ir_op *op, unsigned type, int64_t *c)
{
    uint64_t value = type == WAGI_TY_I32 ? (uint32_t)*c : (uint64_t)*c;
    if (value == 0 || (value & (value - 1)))
        return;
    if (*op == WAGI_IR_MUL || *op == WAGI_IR_DIV_U) {
        *op = *op == WAGI_IR_MUL ? WAGI_IR_SHL : WAGI_IR_SHR_U;
        *c = (int64_t)log2_of(value);
    } else if (*op == WAGI_IR_REM_U) {
        *op = WAGI_IR_AND;
        *c = signed_constant(type, value - 1);
    }
}

/* (x + c1) + c, (x + y) + c, (x + (y << s) + c1) + c: into the definition of a. */
static bool add_to_sum(wagi_builder *b, unsigned type, wagi_entry a, int64_t c)
{
    wagi_ins *def = wagi_build_last_def(b, &a);
    if (!def || def->type != type || wagi_ir_is_local(b->ir, def->dst))
        return false;
    bool plain = def->op == WAGI_IR_ADD && !(def->flags & WAGI_INS_IMM);
    if (!plain && def->op != WAGI_IR_LEA && def->op != WAGI_IR_ADD)
        return false;
    int64_t sum = (plain ? 0 : def->imm) + c; /* both fit 32 bits */
    if (type == WAGI_TY_I32)
        sum = (int32_t)(uint32_t)(uint64_t)sum;
    if (!fits(b, sum))
        return false;
    if (plain) {
        def->op = WAGI_IR_LEA;
        def->sub = 0;
    }
    def->imm = sum;
    wagi_build_push(b, a);
    return true;
}

/* other + (x << 1..3), the shift being the last instruction. */
static inline bool add_shifted(wagi_builder *b, unsigned type, wagi_entry shifted, wagi_entry other)
{
    wagi_ins *def = wagi_build_last_def(b, &shifted);
    if (!def || def->op != WAGI_IR_SHL || !(def->flags & WAGI_INS_IMM) || def->imm > 3 || def->type != type ||
        wagi_ir_is_local(b->ir, def->dst) || other.vreg == shifted.vreg)
        return false;
    wagi_ins lea = ins_2(WAGI_IR_LEA, type, WAGI_NIL, other.vreg, def->a);
    lea.sub = (uint8_t)def->imm;
    b->ir->ins.n--;
    b->ir->source.n--;
    emit_result(b, lea, type);
    return true;
}

/* Dividing by the constant cannot trap. */
static bool is_safe_divisor(wagi_ir_op op, unsigned type, uint64_t bits)
{
    bool is_signed = op == WAGI_IR_DIV_S || op == WAGI_IR_REM_S;
    int64_t c = signed_constant(type, bits);
    return c != 0 && !(is_signed && c == -1);
}

/* a op constant; false when the constant, which may be another one now, has to be in a register. */
static bool binary_constant(wagi_builder *b, wagi_ir_op *op, unsigned type, wagi_entry a, uint64_t *bits)
{
    int64_t c = signed_constant(type, *bits);
    reduce_strength(op, type, &c);
    *bits = type == WAGI_TY_I32 ? (uint32_t)c : (uint64_t)c;
    if (is_shift(*op))
        c &= type == WAGI_TY_I32 ? 31 : 63;
    if (identity(b, *op, type, a, c))
        return true;
    if (*op == WAGI_IR_SUB && c != INT64_MIN && fits(b, type == WAGI_TY_I32 ? (int32_t)(0 - (uint32_t)c) : -c)) {
        *op = WAGI_IR_ADD;
        c = type == WAGI_TY_I32 ? (int32_t)(0 - (uint32_t)c) : -c;
    }
    if (*op == WAGI_IR_AND && type == WAGI_TY_I64 && c == UINT32_MAX) { /* the lower half */
        emit_result(b, ins_1(WAGI_IR_WRAP, type, WAGI_NIL, a.vreg), type);
        return true;
    }
    if (is_division(*op) || !fits(b, c))
        return false;
    if (*op == WAGI_IR_ADD && add_to_sum(b, type, a, c))
        return true;
    emit_result(b, ins_imm(*op, type, WAGI_NIL, a.vreg, c), type);
    return true;
}

static void binary(wagi_builder *b, wagi_ir_op op, unsigned type)
{
    wagi_entry y = wagi_build_pop(b), x = wagi_build_pop(b);
    if (x.kind == WAGI_ENTRY_CONST && y.kind == WAGI_ENTRY_CONST) {
        uint64_t value;
        if (wagi_fold_binary(op, type, x.bits, y.bits, &value)) {
            wagi_build_push_const(b, type, value);
            return;
        }
    }
    if (x.kind == WAGI_ENTRY_CONST && is_commutative(op)) {
        wagi_entry swapped = x;
        x = y;
        y = swapped;
    }
    wagi_build_materialize(b, &x);
    if (y.kind == WAGI_ENTRY_CONST && binary_constant(b, &op, type, x, &y.bits))
        return;
    bool safe = is_division(op) && y.kind == WAGI_ENTRY_CONST && is_safe_divisor(op, type, y.bits);
    wagi_build_materialize(b, &y);
    if (op == WAGI_IR_ADD && (add_shifted(b, type, y, x) || add_shifted(b, type, x, y)))
        return;
    wagi_ins ins = ins_2(op, type, WAGI_NIL, x.vreg, y.vreg);
    ins.flags = safe ? WAGI_INS_SAFE : 0;
    emit_result(b, ins, type);
}

static void float_binary(wagi_builder *b, wagi_ir_op op, unsigned type)
{
    wagi_entry y = wagi_build_pop(b), x = wagi_build_pop(b);
    wagi_build_materialize(b, &x);
    if (y.kind == WAGI_ENTRY_CONST && op <= WAGI_IR_FDIV) {
        emit_result(b, ins_imm(op, type, WAGI_NIL, x.vreg, (int64_t)y.bits), type);
        return;
    }
    wagi_build_materialize(b, &y);
    emit_result(b, ins_2(op, type, WAGI_NIL, x.vreg, y.vreg), type);
}

/* The helper that stands in for an instruction that the machine lacks; WAGI_HELPER_COUNT when it has it. */
static wagi_helper missing_op(const wagi_builder *b, const op_row *row)
{
    bool is_64 = row->type == WAGI_TY_F64;
    switch (row->ir) {
    case WAGI_IR_POPCNT:
        if (b->machine->has_popcnt)
            return WAGI_HELPER_COUNT;
        return row->type == WAGI_TY_I32 ? WAGI_HELPER_popcnt32 : WAGI_HELPER_popcnt64;
    case WAGI_IR_FCEIL:
        return b->machine->has_round ? WAGI_HELPER_COUNT : is_64 ? WAGI_HELPER_f64_ceil : WAGI_HELPER_f32_ceil;
    case WAGI_IR_FFLOOR:
        return b->machine->has_round ? WAGI_HELPER_COUNT : is_64 ? WAGI_HELPER_f64_floor : WAGI_HELPER_f32_floor;
    case WAGI_IR_FTRUNC:
        return b->machine->has_round ? WAGI_HELPER_COUNT : is_64 ? WAGI_HELPER_f64_trunc : WAGI_HELPER_f32_trunc;
    case WAGI_IR_FNEAREST:
        return b->machine->has_round ? WAGI_HELPER_COUNT : is_64 ? WAGI_HELPER_f64_nearest : WAGI_HELPER_f32_nearest;
    default:
        return WAGI_HELPER_COUNT;
    }
}

static void unary(wagi_builder *b, const op_row *row)
{
    wagi_helper helper = missing_op(b, row);
    if (helper != WAGI_HELPER_COUNT) {
        wagi_build_helper(b, helper, 1, NULL, 0, row->result);
        return;
    }
    wagi_entry a = wagi_build_pop(b);
    uint64_t value;
    if (a.kind == WAGI_ENTRY_CONST && wagi_fold_unary(row->ir, row->type, a.bits, &value)) {
        wagi_build_push_const(b, row->result, value);
        return;
    }
    wagi_build_materialize(b, &a);
    wagi_ins ins = ins_1(row->ir, row->type, WAGI_NIL, a.vreg);
    ins.sub = row->sub;
    emit_result(b, ins, row->result);
}

/* ---- conditions ---- */

static void compare(wagi_builder *b, const op_row *row)
{
    wagi_entry y = wagi_build_pop(b), x = wagi_build_pop(b);
    wagi_test test = {.cond = row->sub, .type = row->type};
    if (!wagi_ty_is_float(row->type)) {
        bool known;
        if (x.kind == WAGI_ENTRY_CONST && y.kind == WAGI_ENTRY_CONST &&
            wagi_fold_condition(row->sub, row->type, x.bits, y.bits, &known)) {
            wagi_build_push_const(b, WAGI_TY_I32, known);
            return;
        }
        if (x.kind == WAGI_ENTRY_CONST) {
            wagi_entry swapped = x;
            x = y;
            y = swapped;
            test.cond = wagi_ir_cond_swap(test.cond);
        }
        wagi_build_materialize(b, &x);
        int64_t c = signed_constant(row->type, y.bits);
        if (y.kind == WAGI_ENTRY_CONST && fits(b, c)) {
            test.flags = WAGI_INS_IMM;
            test.imm = c;
        }
    }
    wagi_build_materialize(b, &x);
    if (!(test.flags & WAGI_INS_IMM))
        wagi_build_materialize(b, &y);
    test.a = row->swap ? y.vreg : x.vreg;
    test.b = row->swap ? x.vreg : y.vreg;
    wagi_build_condition(b, &test);
}

void wagi_build_truth(wagi_builder *b, unsigned type, wagi_ir_cond cond)
{
    wagi_entry a = wagi_build_pop(b);
    wagi_build_materialize(b, &a);
    wagi_test test = {.cond = (uint8_t)cond, .type = (uint8_t)type, .flags = WAGI_INS_IMM, .a = a.vreg};
    const wagi_ins *def = wagi_build_last_def(b, &a);
    bool is_test = def && def->op == WAGI_IR_AND && def->type == type;
    bool is_condition = def && def->op == WAGI_IR_SETCC && type == WAGI_TY_I32;
    if ((is_test || is_condition) && !wagi_ir_is_local(b->ir, def->dst)) {
        b->ir->ins.n--; /* what it was stays readable */
        b->ir->source.n--;
        if (is_condition)
            test.cond = cond == WAGI_EQ ? def->sub ^ 1u : def->sub;
        test.type = def->type;
        test.flags = (uint8_t)(def->flags | (is_test ? WAGI_INS_TEST : 0));
        test.imm = def->imm;
        test.a = def->a;
        test.b = def->b;
    }
    wagi_build_condition(b, &test);
}

bool wagi_build_num(wagi_builder *b, wagi_op op)
{
    const op_row *row = &rows[op];
    switch ((row_kind)row->kind) {
    case ROW_BINARY:
        binary(b, row->ir, row->type);
        return true;
    case ROW_COMPARE:
        compare(b, row);
        return true;
    case ROW_EQZ:
        wagi_build_truth(b, row->type, WAGI_EQ);
        return true;
    case ROW_UNARY:
        unary(b, row);
        return true;
    case ROW_FBINARY:
        float_binary(b, row->ir, row->type);
        return true;
    case ROW_EXTEND_U:
        wagi_build_top(b)->type = WAGI_TY_I64; /* i32 values are held zero-extended */
        return true;
    case ROW_NONE:
        break;
    }
    if (op != WAGI_OP_ref_is_null)
        return false;
    wagi_build_is_null(b);
    return true;
}

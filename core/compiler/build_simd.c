/* The builder's vector ops: constants, accesses, and one way for all that compute.
 *
 * An op on constants is computed here; one that the machine has no code for becomes a call of a helper, which uses the
 * same functions. An access to one lane is an access to a scalar and an op on that lane.
 */
#include <string.h>

#include "compiler/build.h"
#include "compiler/build_entry.h"
#include "compiler/fold_simd.h"

enum { NO_LANE = 0x80, MAX_OPERANDS = 3 };

/* A vector op and what follows it in the code. */
typedef struct vector_op {
    wagi_op op;
    const char *signature;
    unsigned operands;
    unsigned result;       /* wagi_ir_type */
    uint8_t immediate[16]; /* a lane, or a shuffle's lanes */
} vector_op;

static unsigned type_of(char kind)
{
    static const char kinds[] = "iIfFv"; /* in wagi_ir_type's order */
    return (unsigned)(strchr(kinds, kind) - kinds);
}

static vector_op describe(wagi_op op)
{
    const char *signature = wagi_ops[op].signature, *colon = strchr(signature, ':');
    return (vector_op){
        .op = op, .signature = signature, .operands = (unsigned)(colon - signature), .result = type_of(colon[1])};
}

static uint64_t word_of(const uint8_t *bytes)
{
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++)
        word |= (uint64_t)bytes[i] << 8 * i;
    return word;
}

static uint32_t vector_of(wagi_builder *b, const uint8_t *bytes)
{
    return wagi_ir_new_vector(b->ir, word_of(bytes), word_of(bytes + 8));
}

static void push_vector(wagi_builder *b, uint64_t low, uint64_t high)
{
    wagi_build_push_const(b, WAGI_TY_V128, wagi_ir_new_vector(b->ir, low, high));
}

/* ---- constants and helpers ---- */

static bool fold(wagi_builder *b, const vector_op *v)
{
    uint64_t slots[2 * MAX_OPERANDS] = {0};
    unsigned used = 0, base = (unsigned)b->stack.n - v->operands;
    for (unsigned i = 0; i < v->operands; i++) {
        const wagi_entry *entry = &b->stack.p[base + i];
        if (entry->kind != WAGI_ENTRY_CONST)
            return false;
        bool is_vector = entry->type == WAGI_TY_V128;
        slots[used++] = is_vector ? b->ir->consts.p[entry->bits].bits : entry->bits;
        if (is_vector)
            slots[used++] = b->ir->consts.p[entry->bits].high;
    }
    wagi_vector_apply(v->op, slots, v->immediate);
    wagi_build_drop_to(b, base);
    if (v->result == WAGI_TY_V128)
        push_vector(b, slots[0], slots[1]);
    else
        wagi_build_push_const(b, v->result, slots[0]);
    return true;
}

static void call_helper(wagi_builder *b, const vector_op *v)
{
    static const wagi_helper helpers[2 * MAX_OPERANDS + 1] = {[1] = WAGI_HELPER_vector1,
                                                              [2] = WAGI_HELPER_vector2,
                                                              [3] = WAGI_HELPER_vector3,
                                                              [4] = WAGI_HELPER_vector4,
                                                              [6] = WAGI_HELPER_vector6};
    unsigned slots = 0;
    for (unsigned i = 0; i < v->operands; i++)
        slots += wagi_ty_slots(type_of(v->signature[i]));
    uint64_t constants[] = {v->op, word_of(v->immediate), word_of(v->immediate + 8)};
    wagi_build_helper(b, helpers[slots], v->operands, constants, 3, v->result);
}

/* ---- instructions ---- */

static void emit_result(wagi_builder *b, const vector_op *v, wagi_ins ins)
{
    ins.sub = WAGI_VECTOR(v->op);
    ins.dst = wagi_ir_new_vreg(b->ir, v->result);
    wagi_build_emit(b, ins);
    wagi_build_push_result(b, v->result, ins.dst);
}

static void one_operand(wagi_builder *b, const vector_op *v)
{
    wagi_entry x = wagi_build_pop(b);
    wagi_build_materialize(b, &x);
    wagi_ins ins = ins_1(WAGI_IR_VECTOR, WAGI_TY_V128, WAGI_NIL, x.vreg);
    ins.imm = v->immediate[0];
    emit_result(b, v, ins);
}

/* Exact for every value: sums and products of floats with two NaNs are not. */
static bool is_commutative(wagi_op op)
{
#define SHAPE(shape) WAGI_OP_##shape##_add, WAGI_OP_##shape##_eq, WAGI_OP_##shape##_ne
#define ORDER(shape) WAGI_OP_##shape##_min_s, WAGI_OP_##shape##_min_u, WAGI_OP_##shape##_max_s, WAGI_OP_##shape##_max_u
    static const uint16_t ops[] = {SHAPE(i8x16),      SHAPE(i16x8),      SHAPE(i32x4),     SHAPE(i64x2),
                                   ORDER(i8x16),      ORDER(i16x8),      ORDER(i32x4),     WAGI_OP_i16x8_mul,
                                   WAGI_OP_i32x4_mul, WAGI_OP_i64x2_mul, WAGI_OP_v128_and, WAGI_OP_v128_or,
                                   WAGI_OP_v128_xor};
#undef SHAPE
#undef ORDER
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (ops[i] == op)
            return true;
    return false;
}

/* The second operand is a vector, a shift count or a lane's new value. */
static void two_operands(wagi_builder *b, const vector_op *v)
{
    wagi_entry y = wagi_build_pop(b), x = wagi_build_pop(b);
    if (x.kind == WAGI_ENTRY_CONST && is_commutative(v->op)) {
        wagi_entry swapped = x;
        x = y;
        y = swapped;
    }
    bool is_lane = wagi_ops[v->op].imm == WAGI_IMM_LANE;
    wagi_build_materialize(b, &x);
    wagi_ins ins = ins_1(WAGI_IR_VECTOR, WAGI_TY_V128, WAGI_NIL, x.vreg);
    if (y.kind == WAGI_ENTRY_CONST && !is_lane) {
        ins.flags = WAGI_INS_IMM;
        ins.imm = (int64_t)y.bits;
    } else {
        wagi_build_materialize(b, &y);
        ins.b = y.vreg;
        ins.imm = v->immediate[0];
    }
    emit_result(b, v, ins);
}

static void three_operands(wagi_builder *b, const vector_op *v)
{
    wagi_entry z = wagi_build_pop(b), y = wagi_build_pop(b), x = wagi_build_pop(b);
    wagi_build_materialize(b, &x);
    wagi_build_materialize(b, &y);
    wagi_build_materialize(b, &z);
    wagi_ins ins = ins_2(WAGI_IR_VECTOR_3, WAGI_TY_V128, WAGI_NIL, x.vreg, y.vreg);
    ins.c = z.vreg;
    emit_result(b, v, ins);
}

static bool is_zero(const wagi_builder *b, const wagi_entry *entry)
{
    if (entry->kind != WAGI_ENTRY_CONST)
        return false;
    const wagi_ir_const *constant = &b->ir->consts.p[entry->bits];
    return (constant->bits | constant->high) == 0;
}

/* Of one operand when that is all it needs; a lane NO_LANE becomes zero. */
static void shuffle(wagi_builder *b, const vector_op *v)
{
    wagi_entry y = wagi_build_pop(b), x = wagi_build_pop(b);
    uint8_t lanes[16];
    bool from_x = false, from_y = false;
    for (unsigned i = 0; i < 16; i++) {
        lanes[i] = v->immediate[i];
        from_x |= lanes[i] < 16;
        from_y |= lanes[i] >= 16;
    }
    bool zero_x = is_zero(b, &x), same = x.kind != WAGI_ENTRY_CONST && x.kind == y.kind && x.vreg == y.vreg;
    if (!from_x || zero_x) { /* the second one becomes the first */
        wagi_entry swapped = x;
        x = y;
        y = swapped;
        for (unsigned i = 0; i < 16; i++)
            lanes[i] ^= 16;
        from_y = from_x;
    }
    bool one = same || !from_y || is_zero(b, &y);
    for (unsigned i = 0; i < 16 && one; i++)
        if (lanes[i] >= 16)
            lanes[i] = same ? lanes[i] - 16 : NO_LANE;
    wagi_build_materialize(b, &x);
    if (!one)
        wagi_build_materialize(b, &y);
    wagi_ins ins = ins_2(WAGI_IR_VECTOR, WAGI_TY_V128, WAGI_NIL, x.vreg, one ? WAGI_NIL : y.vreg);
    ins.imm = vector_of(b, lanes);
    emit_result(b, v, ins);
}

/* ---- ops ---- */

/* The comparison of lanes with 0 that all_true is made of; WAGI_OP_NONE for other ops. */
static wagi_op equality_of(wagi_op op)
{
    switch (op) {
    case WAGI_OP_i8x16_all_true:
        return WAGI_OP_i8x16_eq;
    case WAGI_OP_i16x8_all_true:
        return WAGI_OP_i16x8_eq;
    case WAGI_OP_i32x4_all_true:
        return WAGI_OP_i32x4_eq;
    case WAGI_OP_i64x2_all_true:
        return WAGI_OP_i64x2_eq;
    default:
        return WAGI_OP_NONE;
    }
}

/* A condition, which the op that follows may use as such. False for other ops. */
static bool test_lanes(wagi_builder *b, const vector_op *v)
{
    wagi_op equality = equality_of(v->op);
    bool all = equality != WAGI_OP_NONE;
    if (all && wagi_machine_has_vector(b->machine, WAGI_VECTOR(equality))) {
        vector_op lanes = describe(equality);
        push_vector(b, 0, 0);
        two_operands(b, &lanes);
    } else if (v->op != WAGI_OP_v128_any_true) {
        return false;
    }
    wagi_entry x = wagi_build_pop(b);
    wagi_test test = {.cond = all ? WAGI_EQ : WAGI_NE, .type = WAGI_TY_V128, .flags = WAGI_INS_IMM, .a = x.vreg};
    wagi_build_condition(b, &test);
    return true;
}

/* An op whose immediate has been read. */
static void compute(wagi_builder *b, const vector_op *v)
{
    if (b->stack.n < v->operands)
        b->ir->failed = true;
    if (b->ir->failed || fold(b, v) || test_lanes(b, v))
        return;
    if (!wagi_machine_has_vector(b->machine, WAGI_VECTOR(v->op)))
        call_helper(b, v);
    else if (v->op == WAGI_OP_i8x16_shuffle)
        shuffle(b, v);
    else if (v->operands == 1)
        one_operand(b, v);
    else if (v->operands == 2)
        two_operands(b, v);
    else
        three_operands(b, v);
}

static void compute_lane(wagi_builder *b, wagi_op op, uint8_t lane)
{
    vector_op v = describe(op);
    v.immediate[0] = lane;
    compute(b, &v);
}

/* v128.load .. v128.store64_lane: how each is made of an access and an op on a lane. */
typedef struct access_row {
    uint8_t access, type;
    bool is_store;
    uint16_t lane_op; /* wagi_op, 0: none */
} access_row;

#define ROW(op) [WAGI_OP_v128_##op - WAGI_VECTOR_FIRST]
static const access_row access_rows[] = {
    ROW(load) = {WAGI_ACCESS_V128, WAGI_TY_V128, false, 0},
    ROW(load8x8_s) = {WAGI_ACCESS_8X8_S, WAGI_TY_V128, false, 0},
    ROW(load8x8_u) = {WAGI_ACCESS_8X8_U, WAGI_TY_V128, false, 0},
    ROW(load16x4_s) = {WAGI_ACCESS_16X4_S, WAGI_TY_V128, false, 0},
    ROW(load16x4_u) = {WAGI_ACCESS_16X4_U, WAGI_TY_V128, false, 0},
    ROW(load32x2_s) = {WAGI_ACCESS_32X2_S, WAGI_TY_V128, false, 0},
    ROW(load32x2_u) = {WAGI_ACCESS_32X2_U, WAGI_TY_V128, false, 0},
    ROW(load8_splat) = {WAGI_ACCESS_SPLAT8, WAGI_TY_V128, false, 0},
    ROW(load16_splat) = {WAGI_ACCESS_SPLAT16, WAGI_TY_V128, false, 0},
    ROW(load32_splat) = {WAGI_ACCESS_SPLAT32, WAGI_TY_V128, false, 0},
    ROW(load64_splat) = {WAGI_ACCESS_SPLAT64, WAGI_TY_V128, false, 0},
    ROW(load32_zero) = {WAGI_ACCESS_F32, WAGI_TY_V128, false, 0},
    ROW(load64_zero) = {WAGI_ACCESS_F64, WAGI_TY_V128, false, 0},
    ROW(store) = {WAGI_ACCESS_V128, WAGI_TY_V128, true, 0},
    ROW(load8_lane) = {WAGI_ACCESS_U8, WAGI_TY_I32, false, WAGI_OP_i8x16_replace_lane},
    ROW(load16_lane) = {WAGI_ACCESS_U16, WAGI_TY_I32, false, WAGI_OP_i16x8_replace_lane},
    ROW(load32_lane) = {WAGI_ACCESS_32, WAGI_TY_I32, false, WAGI_OP_i32x4_replace_lane},
    ROW(load64_lane) = {WAGI_ACCESS_F64, WAGI_TY_F64, false, WAGI_OP_f64x2_replace_lane},
    ROW(store8_lane) = {WAGI_ACCESS_U8, WAGI_TY_I32, true, WAGI_OP_i8x16_extract_lane_u},
    ROW(store16_lane) = {WAGI_ACCESS_U16, WAGI_TY_I32, true, WAGI_OP_i16x8_extract_lane_u},
    ROW(store32_lane) = {WAGI_ACCESS_F32, WAGI_TY_F32, true, WAGI_OP_f32x4_extract_lane},
    ROW(store64_lane) = {WAGI_ACCESS_F64, WAGI_TY_F64, true, WAGI_OP_f64x2_extract_lane},
};
#undef ROW

static void access_memory(wagi_builder *b, wagi_op op)
{
    const access_row *row = &access_rows[op - WAGI_VECTOR_FIRST];
    uint32_t memory;
    uint64_t offset;
    wagi_build_memarg(b, &memory, &offset);
    uint8_t lane = row->lane_op ? wagi_read_u8(&b->in) : 0;
    if (row->is_store) {
        if (row->lane_op)
            compute_lane(b, row->lane_op, lane);
        wagi_build_store(b, row->access, row->type, memory, offset);
        return;
    }
    wagi_entry vector = {.kind = WAGI_ENTRY_CONST};
    if (row->lane_op)
        vector = wagi_build_pop(b);
    wagi_build_load(b, row->access, row->type, memory, offset);
    if (!row->lane_op)
        return;
    wagi_entry loaded = wagi_build_pop(b);
    wagi_build_push(b, vector);
    wagi_build_push(b, loaded);
    compute_lane(b, row->lane_op, lane);
}

bool wagi_build_simd(wagi_builder *b, wagi_op op)
{
    if (op < WAGI_VECTOR_FIRST || op >= WAGI_VECTOR_FIRST + WAGI_VECTOR_COUNT)
        return false;
    unsigned size = 0;
    switch (wagi_ops[op].imm) {
    case WAGI_IMM_MEMARG:
    case WAGI_IMM_MEMARG_LANE:
        access_memory(b, op);
        return true;
    case WAGI_IMM_V128:
    case WAGI_IMM_SHUFFLE:
        size = 16;
        break;
    case WAGI_IMM_LANE:
        size = 1;
        break;
    default:
        break;
    }
    vector_op v = describe(op);
    const uint8_t *bytes = wagi_read_bytes(&b->in, size);
    if (bytes)
        memcpy(v.immediate, bytes, size);
    if (op == WAGI_OP_v128_const)
        push_vector(b, word_of(v.immediate), word_of(v.immediate + 8));
    else
        compute(b, &v);
    return true;
}

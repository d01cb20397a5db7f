/* Emission of integer instructions, conditions and selections. */
#include "compiler/x64/x64.h"

static void note_flags(wagi_x64_emitter *e, const wagi_ins *ins)
{
    if (wagi_x64_reg(e, ins->dst) < 0)
        return;
    e->flags_at = e->code.n;
    e->flags_vreg = ins->dst;
    e->flags_type = ins->type;
}

/* ---- conditions ---- */

static const uint8_t cond_codes[WAGI_COND_COUNT] = {
    [WAGI_EQ] = CC_E,    [WAGI_NE] = CC_NE,   [WAGI_LT_S] = CC_L, [WAGI_GE_S] = CC_GE,
    [WAGI_LE_S] = CC_LE, [WAGI_GT_S] = CC_G,  [WAGI_LT_U] = CC_B, [WAGI_GE_U] = CC_AE,
    [WAGI_LE_U] = CC_BE, [WAGI_GT_U] = CC_A,  [WAGI_FEQ] = CC_E,  [WAGI_FNE] = CC_NE,
    [WAGI_FGT] = CC_A,   [WAGI_FNGT] = CC_BE, [WAGI_FGE] = CC_AE, [WAGI_FNGE] = CC_B,
};

static void compare_test(wagi_x64_emitter *e, const wagi_ins *ins, uint32_t w)
{
    int a = wagi_x64_reg(e, ins->a);
    if (!(ins->flags & WAGI_INS_IMM)) {
        a = wagi_x64_use(e, ins->a, RAX);
        wagi_x64_op(e, w | 0x85, a, ins->b);
        return;
    }
    /* A mask of 31 bits tests the same in 32 bits. */
    if (ins->imm >= 0)
        w = 0;
    if (a >= 0)
        wagi_x64_rr(&e->code, w | 0xF7, 0, a);
    else
        wagi_x64_rm(&e->code, w | 0xF7, 0, wagi_x64_slot(e, ins->a));
    wagi_x64_u32(&e->code, (uint32_t)ins->imm);
}

static void compare_int(wagi_x64_emitter *e, const wagi_ins *ins)
{
    uint32_t w = wagi_x64_w(ins->type);
    int a = wagi_x64_reg(e, ins->a);
    if (ins->flags & WAGI_INS_TEST) {
        compare_test(e, ins, w);
    } else if (ins->flags & WAGI_INS_IMM) {
        bool equality = ins->sub == WAGI_EQ || ins->sub == WAGI_NE;
        if (ins->imm == 0 && equality && e->flags_at == e->code.n && e->flags_vreg == ins->a &&
            e->flags_type == ins->type)
            return;
        if (ins->imm == 0 && a >= 0)
            wagi_x64_rr(&e->code, w | 0x85, a, a);
        else if (a >= 0)
            wagi_x64_alu_imm_reg(&e->code, 7, a, (int32_t)ins->imm, w != 0);
        else
            wagi_x64_alu_imm_mem(&e->code, 7, wagi_x64_slot(e, ins->a), (int32_t)ins->imm, w != 0);
    } else if (a < 0 && wagi_x64_reg(e, ins->b) >= 0) {
        wagi_x64_rm(&e->code, w | 0x39, wagi_x64_reg(e, ins->b), wagi_x64_slot(e, ins->a));
    } else {
        wagi_x64_op(e, w | 0x3B, wagi_x64_use(e, ins->a, RAX), ins->b);
    }
}

int wagi_x64_compare(wagi_x64_emitter *e, const wagi_ins *ins)
{
    if (ins->type == WAGI_TY_V128) {
        wagi_x64_test_vector(e, ins->a);
    } else if (wagi_ty_is_float(ins->type)) {
        int a = wagi_x64_use_float(e, ins->a, XMM_A), b = wagi_x64_xmm(e, ins->b);
        uint32_t form = wagi_x64_packed_form(ins->type, 0x2E);
        if (b >= 0)
            wagi_x64_sse_2(e, form, a, b);
        else
            wagi_x64_sse_mem(e, form, a, wagi_x64_slot(e, ins->b));
    } else {
        compare_int(e, ins);
    }
    return cond_codes[ins->sub];
}

static void set_byte(wagi_x64_emitter *e, int cc, int reg)
{
    wagi_x64_rr(&e->code, X64_0F | X64_BYTE_RM | 0x90 | (uint32_t)cc, 0, reg);
}

static void set_condition(wagi_x64_emitter *e, const wagi_ins *ins)
{
    int d = wagi_x64_result(e, ins->dst);
    bool is_float = wagi_ty_is_float(ins->type);
    bool overlaps = d == RAX || (!is_float && d == wagi_x64_reg(e, ins->a)) ||
                    (!is_float && !(ins->flags & WAGI_INS_IMM) && d == wagi_x64_reg(e, ins->b));
    if (ins->sub == WAGI_FEQ || ins->sub == WAGI_FNE) {
        wagi_x64_compare(e, ins);
        bool equal = ins->sub == WAGI_FEQ;
        set_byte(e, equal ? CC_NP : CC_P, RDX);
        set_byte(e, equal ? CC_E : CC_NE, RAX);
        wagi_x64_rr(&e->code, (equal ? 0x22 : 0x0A), RAX, RDX); /* and, or of al, dl */
        wagi_x64_rr(&e->code, X64_0F | X64_BYTE_RM | 0xB6, d, RAX);
    } else if (!overlaps) {
        wagi_x64_rr(&e->code, 0x33, d, d);
        set_byte(e, wagi_x64_compare(e, ins), d);
    } else {
        set_byte(e, wagi_x64_compare(e, ins), RAX);
        wagi_x64_rr(&e->code, X64_0F | X64_BYTE_RM | 0xB6, d, RAX);
    }
    wagi_x64_put(e, ins->dst, d);
}

static void select_float(wagi_x64_emitter *e, const wagi_ins *ins)
{
    /* Moves leave the flags alone. */
    wagi_x64_move_float(e, XMM_B, wagi_x64_use_float(e, ins->b, XMM_B));
    size_t over = 0, unordered = 0;
    if (ins->sub == WAGI_FEQ) {
        over = wagi_x64_jump_short(e, CC_NE);
        unordered = wagi_x64_jump_short(e, CC_P);
    } else if (ins->sub == WAGI_FNE) {
        size_t take = wagi_x64_jump_short(e, CC_P);
        over = wagi_x64_jump_short(e, CC_E);
        wagi_x64_bind_short(e, take);
    } else {
        over = wagi_x64_jump_short(e, cond_codes[ins->sub] ^ 1);
    }
    wagi_x64_move_float(e, XMM_B, wagi_x64_use_float(e, ins->a, XMM_B));
    wagi_x64_bind_short(e, over);
    if (unordered)
        wagi_x64_bind_short(e, unordered);
    wagi_x64_put_float(e, ins->dst, XMM_B);
}

static void select_value(wagi_x64_emitter *e, const wagi_ins *ins)
{
    int cc = cond_codes[ins->sub];
    if (wagi_ty_is_float(ins->type)) {
        select_float(e, ins);
        return;
    }
    if (ins->sub == WAGI_FEQ || ins->sub == WAGI_FNE) { /* b when not equal or unordered; FNE: the other way round */
        uint32_t equal = ins->sub == WAGI_FEQ ? ins->a : ins->b, other = ins->sub == WAGI_FEQ ? ins->b : ins->a;
        wagi_x64_move(e, RAX, wagi_x64_use(e, equal, RAX));
        wagi_x64_op(e, X64_W | X64_0F | 0x40 | CC_NE, RAX, other);
        wagi_x64_op(e, X64_W | X64_0F | 0x40 | CC_P, RAX, other);
        wagi_x64_put(e, ins->dst, RAX);
        return;
    }
    int d = wagi_x64_result(e, ins->dst);
    if (wagi_x64_reg(e, ins->a) == d) {
        wagi_x64_op(e, X64_W | X64_0F | 0x40 | (uint32_t)(cc ^ 1), d, ins->b);
    } else {
        wagi_x64_move(e, d, wagi_x64_use(e, ins->b, d));
        wagi_x64_op(e, X64_W | X64_0F | 0x40 | (uint32_t)cc, d, ins->a);
    }
    wagi_x64_put(e, ins->dst, d);
}

/* ---- arithmetic ---- */

/* add or and sub xor: the digit of the immediate form and the opcode of the register form. */
static void alu_codes(const wagi_ins *ins, unsigned *ret_digit, uint32_t *ret_form)
{
    static const uint8_t digits[] = {0, 5, 4, 1, 6}; /* ADD SUB AND OR XOR */
    unsigned digit = digits[ins->op - WAGI_IR_ADD];
    *ret_digit = digit;
    *ret_form = digit << 3 | 3;
}

static void alu_imm(wagi_x64_emitter *e, const wagi_ins *ins, unsigned digit)
{
    uint32_t w = wagi_x64_w(ins->type);
    int to = wagi_x64_reg(e, ins->dst), a = wagi_x64_reg(e, ins->a);
    int32_t imm = (int32_t)ins->imm;
    if (to == WAGI_HOME_SLOT && ins->dst == ins->a) {
        wagi_x64_alu_imm_mem(&e->code, digit, wagi_x64_slot(e, ins->dst), imm, w != 0);
        return;
    }
    if (to >= 0 && a >= 0 && to != a && ins->op == WAGI_IR_ADD) {
        wagi_x64_rm(&e->code, w | 0x8D, to, wagi_x64_at(a, imm));
        return;
    }
    int d = wagi_x64_result(e, ins->dst);
    if (ins->op == WAGI_IR_AND && (imm == 0xFF || imm == 0xFFFF)) {
        wagi_x64_op(e, X64_0F | (imm == 0xFF ? X64_BYTE_RM | 0xB6 : 0xB7), d, ins->a);
        wagi_x64_put(e, ins->dst, d);
        return;
    }
    wagi_x64_move(e, d, wagi_x64_use(e, ins->a, d));
    wagi_x64_alu_imm_reg(&e->code, digit, d, imm, w != 0);
    note_flags(e, ins);
    wagi_x64_put(e, ins->dst, d);
}

static void alu(wagi_x64_emitter *e, const wagi_ins *ins)
{
    unsigned digit;
    uint32_t form, w = wagi_x64_w(ins->type);
    alu_codes(ins, &digit, &form);
    if (ins->flags & WAGI_INS_IMM) {
        alu_imm(e, ins, digit);
        return;
    }
    int to = wagi_x64_reg(e, ins->dst), a = wagi_x64_reg(e, ins->a), b = wagi_x64_reg(e, ins->b),
        d = wagi_x64_result(e, ins->dst);
    if (to == WAGI_HOME_SLOT && ins->dst == ins->a && b >= 0) {
        wagi_x64_rm(&e->code, w | (form - 2), b, wagi_x64_slot(e, ins->dst));
        return;
    }
    if (ins->op == WAGI_IR_ADD && to >= 0 && a >= 0 && b >= 0 && to != a && to != b) {
        wagi_x64_rm(&e->code, w | 0x8D, to, wagi_x64_indexed(a, b, 0, 0));
        return;
    }
    if (b == d && a != d) {
        if (ins->op == WAGI_IR_SUB) {
            wagi_x64_rr(&e->code, w | 0xF7, 3, d); /* a - d = -d + a */
            form = 0x03;
        }
        wagi_x64_op(e, w | form, d, ins->a);
    } else {
        wagi_x64_move(e, d, wagi_x64_use(e, ins->a, d));
        wagi_x64_op(e, w | form, d, ins->b);
    }
    note_flags(e, ins);
    wagi_x64_put(e, ins->dst, d);
}

static void multiply(wagi_x64_emitter *e, const wagi_ins *ins)
{
    uint32_t w = wagi_x64_w(ins->type);
    int d = wagi_x64_result(e, ins->dst);
    if (ins->flags & WAGI_INS_IMM) {
        if (ins->imm == 3 || ins->imm == 5 || ins->imm == 9) {
            int a = wagi_x64_use(e, ins->a, RAX);
            wagi_x64_rm(&e->code, w | 0x8D, d, wagi_x64_indexed(a, a, ins->imm == 3 ? 1 : ins->imm == 5 ? 2 : 3, 0));
        } else {
            bool is_byte = ins->imm == (int8_t)ins->imm;
            wagi_x64_op(e, w | (is_byte ? 0x6B : 0x69), d, ins->a);
            if (is_byte)
                wagi_x64_u8(&e->code, (uint8_t)ins->imm);
            else
                wagi_x64_u32(&e->code, (uint32_t)ins->imm);
        }
    } else if (wagi_x64_reg(e, ins->b) == d && wagi_x64_reg(e, ins->a) != d) {
        wagi_x64_op(e, w | X64_0F | 0xAF, d, ins->a);
    } else {
        wagi_x64_move(e, d, wagi_x64_use(e, ins->a, d));
        wagi_x64_op(e, w | X64_0F | 0xAF, d, ins->b);
    }
    wagi_x64_put(e, ins->dst, d);
}

static unsigned shift_digit(unsigned op)
{
    static const uint8_t digits[] = {4, 7, 5, 0, 1}; /* SHL SHR_S SHR_U ROTL ROTR */
    return digits[op - WAGI_IR_SHL];
}

static void shift_imm(wagi_x64_emitter *e, const wagi_ins *ins)
{
    uint32_t w = wagi_x64_w(ins->type);
    int to = wagi_x64_reg(e, ins->dst), a = wagi_x64_reg(e, ins->a), d = wagi_x64_result(e, ins->dst);
    unsigned bits = w ? 64 : 32, count = (unsigned)ins->imm & (bits - 1);
    bool rotates = ins->op == WAGI_IR_ROTL || ins->op == WAGI_IR_ROTR;
    if (ins->op == WAGI_IR_SHL && count == 1 && to >= 0 && a >= 0 && to != a) {
        wagi_x64_rm(&e->code, w | 0x8D, to, wagi_x64_indexed(a, a, 0, 0));
        return;
    }
    if (rotates && (e->features & X64_HAS_BMI2) && to >= 0 && a >= 0 && to != a) {
        wagi_x64_vrr(&e->code, w | X64_0F3A | X64_F2 | 0xF0, to, 0, a); /* rorx */
        wagi_x64_u8(&e->code, ins->op == WAGI_IR_ROTR ? count : (bits - count) & (bits - 1));
        return;
    }
    wagi_x64_move(e, d, wagi_x64_use(e, ins->a, d));
    wagi_x64_rr(&e->code, w | 0xC1, (int)shift_digit(ins->op), d);
    wagi_x64_u8(&e->code, count);
    wagi_x64_put(e, ins->dst, d);
}

static void shift(wagi_x64_emitter *e, const wagi_ins *ins)
{
    uint32_t w = wagi_x64_w(ins->type);
    if (ins->flags & WAGI_INS_IMM) {
        shift_imm(e, ins);
        return;
    }
    bool rotates = ins->op == WAGI_IR_ROTL || ins->op == WAGI_IR_ROTR;
    if (!rotates && (e->features & X64_HAS_BMI2)) {
        uint32_t prefix = ins->op == WAGI_IR_SHL ? X64_66 : ins->op == WAGI_IR_SHR_S ? X64_F3 : X64_F2;
        uint32_t form = w | X64_0F38 | prefix | 0xF7;
        int d = wagi_x64_result(e, ins->dst), b = wagi_x64_use(e, ins->b, RDX), a = wagi_x64_reg(e, ins->a);
        if (a >= 0)
            wagi_x64_vrr(&e->code, form, d, b, a);
        else
            wagi_x64_vrm(&e->code, form, d, b, wagi_x64_slot(e, ins->a));
        wagi_x64_put(e, ins->dst, d);
        return;
    }
    /* The count has to be in cl: rcx waits in rdx. */
    int b = wagi_x64_reg(e, ins->b);
    wagi_x64_move(e, RAX, wagi_x64_use(e, ins->a, RAX));
    if (b != RCX) {
        wagi_x64_move(e, RDX, RCX);
        wagi_x64_move(e, RCX, wagi_x64_use(e, ins->b, RCX));
    }
    wagi_x64_rr(&e->code, w | 0xD3, (int)shift_digit(ins->op), RAX);
    if (b != RCX)
        wagi_x64_move(e, RCX, RDX);
    wagi_x64_put(e, ins->dst, RAX);
}

/* group 3 (test, not, neg, mul, imul, div, idiv) on an operand */
static void group_3(wagi_x64_emitter *e, uint32_t w, int digit, uint32_t v)
{
    int reg = wagi_x64_reg(e, v);
    if (reg >= 0)
        wagi_x64_rr(&e->code, w | 0xF7, digit, reg);
    else
        wagi_x64_rm(&e->code, w | 0xF7, digit, wagi_x64_slot(e, v));
}

static void compare_operand(wagi_x64_emitter *e, uint32_t w, uint32_t v, int32_t imm)
{
    int reg = wagi_x64_reg(e, v);
    if (reg >= 0 && imm == 0)
        wagi_x64_rr(&e->code, w | 0x85, reg, reg);
    else if (reg >= 0)
        wagi_x64_alu_imm_reg(&e->code, 7, reg, imm, w != 0);
    else
        wagi_x64_alu_imm_mem(&e->code, 7, wagi_x64_slot(e, v), imm, w != 0);
}

static void divide(wagi_x64_emitter *e, const wagi_ins *ins)
{
    uint32_t w = wagi_x64_w(ins->type);
    bool is_signed = ins->op == WAGI_IR_DIV_S || ins->op == WAGI_IR_REM_S;
    bool is_rem = ins->op == WAGI_IR_REM_S || ins->op == WAGI_IR_REM_U, safe = ins->flags & WAGI_INS_SAFE;
    size_t done = 0;
    wagi_x64_move(e, RAX, wagi_x64_use(e, ins->a, RAX));
    if (!safe) {
        compare_operand(e, w, ins->b, 0);
        wagi_x64_trap_if(e, CC_E, WAG_DIVIDE_BY_ZERO);
    }
    if (is_signed && !safe) { /* -2^n / -1 would fault */
        compare_operand(e, w, ins->b, -1);
        size_t usual = wagi_x64_jump_short(e, CC_NE);
        if (is_rem) {
            wagi_x64_rr(&e->code, 0x33, RDX, RDX);
            done = wagi_x64_jump_short(e, -1);
        } else {
            wagi_x64_move(e, RDX, RAX);
            wagi_x64_rr(&e->code, w | 0xF7, 3, RDX);
            wagi_x64_trap_if(e, CC_O, WAG_INTEGER_OVERFLOW);
        }
        wagi_x64_bind_short(e, usual);
    }
    if (is_signed) {
        if (w)
            wagi_x64_u8(&e->code, 0x48);
        wagi_x64_u8(&e->code, 0x99); /* cdq, cqo */
    } else {
        wagi_x64_rr(&e->code, 0x33, RDX, RDX);
    }
    group_3(e, w, is_signed ? 7 : 6, ins->b);
    if (done)
        wagi_x64_bind_short(e, done);
    wagi_x64_put(e, ins->dst, is_rem ? RDX : RAX);
}

static void load_sum(wagi_x64_emitter *e, const wagi_ins *ins)
{
    uint32_t w = wagi_x64_w(ins->type);
    int d = wagi_x64_result(e, ins->dst), a = wagi_x64_use(e, ins->a, RAX), b = wagi_x64_use(e, ins->b, RDX);
    if (ins->imm == 0 && ins->sub == 0 && (d == a || d == b))
        wagi_x64_rr(&e->code, w | 0x03, d, d == a ? b : a);
    else
        wagi_x64_rm(&e->code, w | 0x8D, d, wagi_x64_indexed(a, b, ins->sub, (int32_t)ins->imm));
    wagi_x64_put(e, ins->dst, d);
}

/* Leading and trailing zeros without the instructions that are defined for 0. */
static void count_zeros_by_scan(wagi_x64_emitter *e, const wagi_ins *ins)
{
    uint32_t w = wagi_x64_w(ins->type);
    unsigned bits = w ? 64 : 32;
    bool leading = ins->op == WAGI_IR_CLZ;
    wagi_x64_mov_imm(&e->code, RDX, leading ? 2 * bits - 1 : bits, false);
    wagi_x64_op(e, w | X64_0F | (leading ? 0xBD : 0xBC), RAX, ins->a);
    wagi_x64_rr(&e->code, w | X64_0F | 0x40 | CC_E, RAX, RDX);
    if (leading)
        wagi_x64_alu_imm_reg(&e->code, 6, RAX, (int32_t)(bits - 1), false); /* (2 bits - 1) ^ (bits - 1) == bits */
    wagi_x64_put(e, ins->dst, RAX);
}

static void unary(wagi_x64_emitter *e, const wagi_ins *ins)
{
    uint32_t w = wagi_x64_w(ins->type), form;
    switch (ins->op) {
    case WAGI_IR_CLZ:
        form = w | X64_0F | X64_F3 | 0xBD;
        break;
    case WAGI_IR_CTZ:
        form = w | X64_0F | X64_F3 | 0xBC;
        break;
    case WAGI_IR_POPCNT:
        form = w | X64_0F | X64_F3 | 0xB8;
        break;
    case WAGI_IR_EXTEND8_S:
        form = w | X64_0F | X64_BYTE_RM | 0xBE;
        break;
    case WAGI_IR_EXTEND16_S:
        form = w | X64_0F | 0xBF;
        break;
    case WAGI_IR_EXTEND32_S:
        form = X64_W | 0x63;
        break;
    default: /* WRAP */
        form = 0x8B;
        break;
    }
    if ((ins->op == WAGI_IR_CLZ && !(e->features & X64_HAS_LZCNT)) ||
        (ins->op == WAGI_IR_CTZ && !(e->features & X64_HAS_BMI1))) {
        count_zeros_by_scan(e, ins);
        return;
    }
    int d = wagi_x64_result(e, ins->dst);
    wagi_x64_op(e, form, d, ins->a);
    wagi_x64_put(e, ins->dst, d);
}

/* ---- moves ---- */

static void move(wagi_x64_emitter *e, const wagi_ins *ins)
{
    int to = wagi_x64_reg(e, ins->dst);
    if (to == WAGI_HOME_NONE)
        return;
    if (wagi_ty_is_float(ins->type)) {
        int scratch = to >= 0 ? to - WAGI_FLOAT_REG : XMM_B;
        wagi_x64_put_float(e, ins->dst, wagi_x64_use_float(e, ins->a, scratch));
    } else {
        wagi_x64_put(e, ins->dst, wagi_x64_use(e, ins->a, to >= 0 ? to : RAX));
    }
}

static void constant(wagi_x64_emitter *e, const wagi_ins *ins)
{
    uint64_t value = (uint64_t)ins->imm;
    int to = wagi_x64_reg(e, ins->dst);
    if (to == WAGI_HOME_NONE)
        return;
    if (wagi_ty_is_float(ins->type)) {
        int d = wagi_x64_result_float(e, ins->dst);
        if (ins->type == WAGI_TY_V128) {
            const wagi_ir_const *vector = &e->ir->consts.p[value];
            wagi_x64_vector_const(e, d, vector->bits, vector->high);
        } else if (value == 0) {
            wagi_x64_sse(e, X64_0F | 0x57, d, d, d, true);
        } else {
            wagi_x64_sse_mem(e, wagi_x64_float_form(ins->type, 0x10), d, wagi_x64_at(X64_RIP, 0));
            wagi_x64_const_operand(e, value, 8, 0);
        }
        wagi_x64_put_float(e, ins->dst, d);
    } else if (to >= 0) {
        if (value == 0)
            wagi_x64_rr(&e->code, 0x33, to, to);
        else
            wagi_x64_mov_imm(&e->code, to, value, true);
    } else if ((int64_t)value == (int32_t)value) {
        wagi_x64_rm(&e->code, X64_W | 0xC7, 0, wagi_x64_slot(e, ins->dst));
        wagi_x64_u32(&e->code, (uint32_t)value);
    } else {
        wagi_x64_mov_imm(&e->code, RAX, value, true);
        wagi_x64_put(e, ins->dst, RAX);
    }
}

bool wagi_x64_emit_int(wagi_x64_emitter *e, const wagi_ins *ins)
{
    switch (ins->op) {
    case WAGI_IR_MOV:
        move(e, ins);
        return true;
    case WAGI_IR_CONST:
        constant(e, ins);
        return true;
    case WAGI_IR_ADD:
    case WAGI_IR_SUB:
    case WAGI_IR_AND:
    case WAGI_IR_OR:
    case WAGI_IR_XOR:
        alu(e, ins);
        return true;
    case WAGI_IR_MUL:
        multiply(e, ins);
        return true;
    case WAGI_IR_SHL:
    case WAGI_IR_SHR_S:
    case WAGI_IR_SHR_U:
    case WAGI_IR_ROTL:
    case WAGI_IR_ROTR:
        shift(e, ins);
        return true;
    case WAGI_IR_DIV_S:
    case WAGI_IR_DIV_U:
    case WAGI_IR_REM_S:
    case WAGI_IR_REM_U:
        divide(e, ins);
        return true;
    case WAGI_IR_LEA:
        load_sum(e, ins);
        return true;
    case WAGI_IR_MULHI: /* mul, imul: rdx:rax = rax * operand */
        wagi_x64_move(e, RAX, wagi_x64_use(e, ins->a, RAX));
        wagi_x64_op(e, X64_W | 0xF7, ins->sub ? 5 : 4, ins->b);
        wagi_x64_put(e, ins->dst, RDX);
        return true;
    case WAGI_IR_CLZ:
    case WAGI_IR_CTZ:
    case WAGI_IR_POPCNT:
    case WAGI_IR_EXTEND8_S:
    case WAGI_IR_EXTEND16_S:
    case WAGI_IR_EXTEND32_S:
    case WAGI_IR_WRAP:
        unary(e, ins);
        return true;
    case WAGI_IR_SETCC:
        set_condition(e, ins);
        return true;
    case WAGI_IR_CMP:
        wagi_x64_compare(e, ins);
        return true;
    case WAGI_IR_SELECT:
        select_value(e, ins);
        return true;
    default:
        return false;
    }
}

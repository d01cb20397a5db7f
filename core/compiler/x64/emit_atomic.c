/* Emission of atomic accesses. Loads are plain ones and stores are exchanges, which is what sequential consistency is
 * on x86-64; what has no locked instruction of its own is a loop over cmpxchg. */
#include "compiler/x64/x64.h"
#include "ops/atomic.h"

enum { LOCK = 0xF0 };

/* The form with the operand size of a width. byte_op is the opcode of one byte; that of the others is one more. */
static uint32_t sized(unsigned width, uint32_t map, uint32_t byte_op)
{
    switch (width) {
    case 1:
        return X64_BYTE_REG | map | byte_op;
    case 2:
        return X64_66 | map | (byte_op + 1);
    case 4:
        return map | (byte_op + 1);
    default:
        return X64_W | map | (byte_op + 1);
    }
}

/* What the low bytes of rax hold, zero-extended. */
static void extend_rax(wagi_x64_emitter *e, unsigned width)
{
    if (width == 1)
        wagi_x64_rr(&e->code, X64_0F | X64_BYTE_RM | 0xB6, RAX, RAX);
    else if (width == 2)
        wagi_x64_rr(&e->code, X64_0F | 0xB7, RAX, RAX);
    else if (width == 4)
        wagi_x64_rr(&e->code, 0x8B, RAX, RAX);
}

static void load_extended(wagi_x64_emitter *e, unsigned width, int reg, wagi_x64_mem mem)
{
    wagi_x64_rm(&e->code,
                width == 1   ? X64_0F | 0xB6
                : width == 2 ? X64_0F | 0xB7
                : width == 4 ? 0x8B
                             : X64_W | 0x8B,
                reg, mem);
}

static void before_access(wagi_x64_emitter *e, const wagi_ins *ins)
{
    if (wagi_memory_is_guarded(e->context, (uint32_t)((uint64_t)ins->imm >> 8)))
        wagi_x64_record(e, WAGI_SITE_FAULT);
}

static void locked(wagi_x64_emitter *e, uint32_t form, int reg, int address)
{
    wagi_x64_u8(&e->code, LOCK);
    wagi_x64_rm(&e->code, form, reg, wagi_x64_at(address, 0));
}

/* ---- the address ---- */

/* Trap unless index + offset is a multiple of the width; only their low bits matter. */
static void check_alignment(wagi_x64_emitter *e, uint32_t base, uint64_t offset, unsigned width)
{
    int32_t low = (int32_t)(offset % width);
    if (width == 1)
        return;
    if (base == WAGI_NIL) {
        if (low)
            wagi_x64_trap(e, WAG_UNALIGNED_ATOMIC);
        return;
    }
    int index = wagi_x64_use(e, base, RDX);
    if (low) {
        wagi_x64_rm(&e->code, 0x8D, RDX, wagi_x64_at(index, low));
        index = RDX;
    }
    wagi_x64_rr(&e->code, X64_BYTE_RM | 0xF6, 0, index);
    wagi_x64_u8(&e->code, width - 1);
    wagi_x64_trap_if(e, CC_NE, WAG_UNALIGNED_ATOMIC);
}

static void address(wagi_x64_emitter *e, const wagi_ins *ins)
{
    unsigned width = wagi_access_width(ins->sub);
    check_alignment(e, ins->a, (uint64_t)ins->imm, width);
    wagi_x64_mem mem = wagi_x64_address(e, ins->b, ins->a, (uint64_t)ins->imm, width);
    int d = wagi_x64_result(e, ins->dst);
    wagi_x64_rm(&e->code, X64_W | 0x8D, d, mem);
    wagi_x64_put(e, ins->dst, d);
}

/* An address that is needed while rax and rdx are taken: its own register, or one that is lent and kept in xmm14
 * meanwhile. */
typedef struct lent {
    int reg;
    bool is_lent;
} lent;

static void move_xmm(wagi_x64_emitter *e, uint32_t opcode, int reg)
{
    wagi_x64_sse_2(e, X64_W | X64_66 | X64_0F | opcode, XMM_A, reg);
}

/* other: a vreg whose register is needed, too. */
static lent lend_address(wagi_x64_emitter *e, uint32_t vreg, uint32_t other)
{
    int reg = wagi_x64_reg(e, vreg);
    if (reg >= 0)
        return (lent){reg, false};
    reg = wagi_x64_reg(e, other) == RCX ? RSI : RCX;
    move_xmm(e, 0x6E, reg);
    wagi_x64_rm(&e->code, X64_W | 0x8B, reg, wagi_x64_slot(e, vreg));
    return (lent){reg, true};
}

static void give_back(wagi_x64_emitter *e, lent address)
{
    if (address.is_lent)
        move_xmm(e, 0x7E, address.reg);
}

/* ---- accesses ---- */

static void load(wagi_x64_emitter *e, const wagi_ins *ins)
{
    int at = wagi_x64_use(e, ins->a, RDX), d = wagi_x64_result(e, ins->dst);
    before_access(e, ins);
    load_extended(e, wagi_access_width(ins->sub), d, wagi_x64_at(at, 0));
    wagi_x64_put(e, ins->dst, d);
}

/* rax becomes what was there; xchg with memory is locked by itself. */
static void exchange(wagi_x64_emitter *e, const wagi_ins *ins)
{
    wagi_x64_move(e, RAX, wagi_x64_use(e, ins->b, RAX));
    int at = wagi_x64_use(e, ins->a, RDX);
    before_access(e, ins);
    wagi_x64_rm(&e->code, sized(wagi_access_width(ins->sub), 0, 0x86), RAX, wagi_x64_at(at, 0));
}

static void add(wagi_x64_emitter *e, const wagi_ins *ins, bool subtract)
{
    wagi_x64_move(e, RAX, wagi_x64_use(e, ins->b, RAX));
    if (subtract)
        wagi_x64_rr(&e->code, X64_W | 0xF7, 3, RAX); /* neg */
    int at = wagi_x64_use(e, ins->a, RDX);
    before_access(e, ins);
    locked(e, sized(wagi_access_width(ins->sub), X64_0F, 0xC0), RAX, at); /* xadd */
}

/* and, or, xor by compare and exchange. A memory does not shrink: once the load was inside, all is. */
static void update(wagi_x64_emitter *e, const wagi_ins *ins, uint32_t opcode)
{
    unsigned width = wagi_access_width(ins->sub);
    lent address = lend_address(e, ins->a, ins->b);
    before_access(e, ins);
    load_extended(e, width, RAX, wagi_x64_at(address.reg, 0));
    size_t again = e->code.n;
    wagi_x64_move(e, RDX, RAX);
    wagi_x64_op(e, (width == 8 ? X64_W : 0) | opcode, RDX, ins->b);
    locked(e, sized(width, X64_0F, 0xB0), RDX, address.reg);
    wagi_x64_u8(&e->code, 0x70 | CC_NE);
    wagi_x64_u8(&e->code, (uint8_t)(again - e->code.n - 1));
    give_back(e, address);
}

static void rmw(wagi_x64_emitter *e, const wagi_ins *ins)
{
    static const uint8_t opcodes[ATOMIC_RMW_COUNT] = {
        [ATOMIC_RMW_AND] = 0x23, [ATOMIC_RMW_OR] = 0x0B, [ATOMIC_RMW_XOR] = 0x33};
    atomic_rmw op = (atomic_rmw)(ins->imm & 0xFF);
    if (op == ATOMIC_RMW_XCHG)
        exchange(e, ins);
    else if (op == ATOMIC_RMW_ADD || op == ATOMIC_RMW_SUB)
        add(e, ins, op == ATOMIC_RMW_SUB);
    else
        update(e, ins, opcodes[op]);
    extend_rax(e, wagi_access_width(ins->sub));
    wagi_x64_put(e, ins->dst, RAX);
}

/* The expected value is in rax already: ATOMIC_EXPECT. */
static void cmpxchg(wagi_x64_emitter *e, const wagi_ins *ins)
{
    unsigned width = wagi_access_width(ins->sub);
    lent address = lend_address(e, ins->a, ins->b);
    int replacement = wagi_x64_use(e, ins->b, RDX);
    before_access(e, ins);
    locked(e, sized(width, X64_0F, 0xB0), replacement, address.reg);
    give_back(e, address);
    extend_rax(e, width);
    wagi_x64_put(e, ins->dst, RAX);
}

bool wagi_x64_emit_atomic(wagi_x64_emitter *e, const wagi_ins *ins)
{
    switch (ins->op) {
    case WAGI_IR_ATOMIC_ADDRESS:
        address(e, ins);
        return true;
    case WAGI_IR_ATOMIC_LOAD:
        load(e, ins);
        return true;
    case WAGI_IR_ATOMIC_STORE:
        exchange(e, ins);
        return true;
    case WAGI_IR_ATOMIC_RMW:
        rmw(e, ins);
        return true;
    case WAGI_IR_ATOMIC_EXPECT:
        wagi_x64_move(e, RAX, wagi_x64_use(e, ins->a, RAX));
        return true;
    case WAGI_IR_ATOMIC_CMPXCHG:
        cmpxchg(e, ins);
        return true;
    case WAGI_IR_FENCE:
        wagi_x64_u8(&e->code, 0x0F); /* mfence */
        wagi_x64_u8(&e->code, 0xAE);
        wagi_x64_u8(&e->code, 0xF0);
        return true;
    default:
        return false;
    }
}

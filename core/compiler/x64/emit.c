/* Emission: operands, jumps, and the walk over a function. */
#include "compiler/x64/emit.h"

#include <string.h>

#include "compiler/x64/x64.h"

/* Room for one IR instruction with its edits; calls reserve more. */
#define INS_ROOM 512
#define ALIGN_LOOPS 16
/* Instructions of a loop's head that is repeated at the loop's end, and how often in a function. */
#define MAX_REPEATED 8
#define MAX_REPEATS 128
/* Instructions of a block that only leads to such a head and is repeated with it. */
#define MAX_TAIL 4
/* Loops of at most so many instructions are emitted UNROLL times, the larger ones of them half as often. All copies
 * together add at most MIN_UNROLLED_CODE instructions and a quarter of the function. */
#define MAX_UNROLLED 24
#define UNROLL 4
#define MIN_UNROLLED_CODE 64

bool wagi_x64_make_room(wagi_x64_emitter *e, size_t size)
{
    if (!e->failed && !wagi_x64_reserve(&e->code, size))
        e->failed = true;
    return !e->failed;
}

/* ---- operands ---- */

static bool has_avx(const wagi_x64_emitter *e)
{
    return e->features & X64_HAS_AVX;
}

uint32_t wagi_x64_float_form(unsigned type, uint32_t op)
{
    return X64_0F | (type == WAGI_TY_F64 ? X64_F2 : type == WAGI_TY_F32 ? X64_F3 : 0) | op; /* moves of V128: movups */
}

uint32_t wagi_x64_packed_form(unsigned type, uint32_t op)
{
    return X64_0F | (type == WAGI_TY_F64 ? X64_66 : 0) | op;
}

void wagi_x64_move_float(wagi_x64_emitter *e, int to, int from)
{
    if (to == from)
        return;
    if (!has_avx(e))
        wagi_x64_rr(&e->code, X64_0F | 0x28, to, from);
    else if (from >= 8 && to < 8)
        wagi_x64_vrr(&e->code, X64_0F | 0x29, from, 0, to); /* the shorter form */
    else
        wagi_x64_vrr(&e->code, X64_0F | 0x28, to, 0, from);
}

void wagi_x64_sse_mem(wagi_x64_emitter *e, uint32_t form, int reg, wagi_x64_mem mem)
{
    if (has_avx(e))
        wagi_x64_vrm(&e->code, form, reg, 0, mem);
    else
        wagi_x64_rm(&e->code, form, reg, mem);
}

void wagi_x64_load_float(wagi_x64_emitter *e, unsigned type, int xmm, wagi_x64_mem mem)
{
    wagi_x64_sse_mem(e, wagi_x64_float_form(type, 0x10), xmm, mem);
}

void wagi_x64_store_float(wagi_x64_emitter *e, unsigned type, int xmm, wagi_x64_mem mem)
{
    wagi_x64_sse_mem(e, wagi_x64_float_form(type, 0x11), xmm, mem);
}

int wagi_x64_use_float(wagi_x64_emitter *e, uint32_t v, int scratch)
{
    int xmm = wagi_x64_xmm(e, v);
    if (xmm >= 0)
        return xmm;
    bool holds = e->held_at == e->code.n;
    if (holds && e->held_vreg == v)
        wagi_x64_move_float(e, scratch, XMM_B);
    else
        wagi_x64_load_float(e, wagi_x64_vreg(e, v)->type, scratch, wagi_x64_slot(e, v));
    if (holds && (scratch != XMM_B || e->held_vreg == v))
        e->held_at = e->code.n;
    return scratch;
}

int wagi_x64_result_float(const wagi_x64_emitter *e, uint32_t v)
{
    int xmm = wagi_x64_xmm(e, v);
    return xmm >= 0 ? xmm : XMM_B;
}

void wagi_x64_put_elsewhere(wagi_x64_emitter *e, uint32_t v, int reg)
{
    int home = wagi_x64_reg(e, v);
    if (home >= 0)
        wagi_x64_move(e, home, reg);
    else if (home == WAGI_HOME_SLOT)
        wagi_x64_rsp(&e->code, 0x89, reg, wagi_x64_slot(e, v).disp);
}

void wagi_x64_put_float(wagi_x64_emitter *e, uint32_t v, int xmm)
{
    int home = wagi_x64_xmm(e, v);
    if (home >= 0)
        wagi_x64_move_float(e, home, xmm);
    else if (home == WAGI_HOME_SLOT)
        wagi_x64_store_float(e, wagi_x64_vreg(e, v)->type, xmm, wagi_x64_slot(e, v));
    if (home == WAGI_HOME_SLOT && xmm == XMM_B) { /* who reads it next need not wait for the store */
        e->held_vreg = v;
        e->held_at = e->code.n;
    }
}

void wagi_x64_op(wagi_x64_emitter *e, uint32_t form, int reg, uint32_t v)
{
    int rm = wagi_x64_reg(e, v);
    if (rm >= 0)
        wagi_x64_rr(&e->code, form, reg, rm);
    else
        wagi_x64_rm(&e->code, form, reg, wagi_x64_slot(e, v));
}

/* ---- SSE ---- */

void wagi_x64_sse_2(wagi_x64_emitter *e, uint32_t form, int reg, int rm)
{
    if (has_avx(e))
        wagi_x64_vrr(&e->code, form, reg, 0, rm);
    else
        wagi_x64_rr(&e->code, form, reg, rm);
}

void wagi_x64_sse(wagi_x64_emitter *e, uint32_t form, int d, int a, int b, bool commutative)
{
    if (has_avx(e)) {
        wagi_x64_vrr(&e->code, form, d, a, b);
        return;
    }
    if (d == b && d != a) {
        if (commutative) {
            wagi_x64_rr(&e->code, form, d, a);
            return;
        }
        wagi_x64_move_float(e, XMM_A, a); /* no-op when a is there already; b is not in XMM_A */
        wagi_x64_rr(&e->code, form, XMM_A, b);
        wagi_x64_move_float(e, d, XMM_A);
        return;
    }
    wagi_x64_move_float(e, d, a);
    wagi_x64_rr(&e->code, form, d, b);
}

void wagi_x64_sse_const(wagi_x64_emitter *e, uint32_t form, int d, int a, uint64_t value, uint32_t size)
{
    if (has_avx(e)) {
        wagi_x64_vrm(&e->code, form, d, a, wagi_x64_at(X64_RIP, 0));
    } else {
        wagi_x64_move_float(e, d, a);
        wagi_x64_rm(&e->code, form, d, wagi_x64_at(X64_RIP, 0));
    }
    wagi_x64_const_operand(e, value, size, 0);
}

/* ---- jumps and sites ---- */

/* Code is only ever appended, so sites come in the order of their places. */
static inline void put_site(wagi_x64_emitter *e, wagi_site_kind kind, uint32_t source)
{
    uint32_t code = (uint32_t)e->code.n - e->start;
    if (!wagi_sites_put(e->out, kind, code - e->site_code, (int64_t)source - e->site_source))
        e->failed = true;
    e->site_code = code;
    e->site_source = source;
    e->site_count++;
}

static void begin_range(wagi_x64_emitter *e, uint32_t handler)
{
    wagi_handler_range range = {.code = (uint32_t)e->code.n - e->start, .handler = handler};
    if (!WAGI_VEC_PUSH(&e->ranges, range))
        e->failed = true;
}

static inline void record(wagi_x64_emitter *e, wagi_site_kind kind, uint32_t source, uint32_t inlined, uint32_t handler)
{
    put_site(e, kind, source);
    if (e->ir->handlers.n && kind == WAGI_SITE_RETURN &&
        handler != (e->ranges.n ? e->ranges.p[e->ranges.n - 1].handler : 0))
        begin_range(e, handler);
    for (; inlined != WAGI_NIL; inlined = e->ir->inlined.p[inlined].parent)
        put_site(e, WAGI_SITE_INLINED, e->ir->inlined.p[inlined].source);
}

void wagi_x64_record_in(wagi_x64_emitter *e, wagi_site_kind kind, uint32_t source, uint32_t inlined, uint32_t handler)
{
    record(e, kind, source, inlined, handler);
}

/* Apart, so that the usual site does not save the registers that this needs. */
__attribute__((noinline)) static void record_any(wagi_x64_emitter *e, wagi_site_kind kind)
{
    uint32_t source = e->ir->source.p[e->ins];
    if (e->ir->handlers.n)
        record(e, kind, source, wagi_x64_inlined(e), wagi_x64_handler(e));
    else
        record(e, kind, source, wagi_x64_inlined(e), 0);
}

void wagi_x64_record(wagi_x64_emitter *e, wagi_site_kind kind)
{
    if (!wagi_x64_record_usual(e, kind))
        record_any(e, kind);
}

void wagi_x64_reloc(wagi_x64_emitter *e, wagi_reloc_kind kind, uintptr_t target)
{
    wagi_reloc reloc = {.at = (uint32_t)e->code.n, .kind = (uint8_t)kind, .target = target};
    if (!WAGI_VEC_PUSH(&e->out->relocs, reloc))
        e->failed = true;
    wagi_x64_u32(&e->code, 0);
}

/* ---- control instructions ---- */

/* True when only empty code lies between here and the label. */
static bool falls_to(const wagi_x64_emitter *e, uint32_t block, uint32_t label)
{
    uint32_t to = e->ir->labels.p[label].block;
    if (to <= block || (e->unroll_head != WAGI_NIL && e->copies_left && to >= e->unroll_end))
        return false;
    for (uint32_t b = block + 1; b < to; b++)
        if (e->ir->blocks.p[b].first != e->ir->blocks.p[b].last)
            return false;
    return true;
}

static void branch(wagi_x64_emitter *e, const wagi_ins *ins)
{
    int cc = wagi_x64_compare(e, ins);
    if (ins->sub == WAGI_FEQ) { /* equal and not unordered */
        size_t unordered = wagi_x64_jump_short(e, CC_P);
        wagi_x64_jump_label(e, CC_E, ins->dst);
        wagi_x64_bind_short(e, unordered);
    } else if (ins->sub == WAGI_FNE) {
        wagi_x64_jump_label(e, CC_P, ins->dst);
        wagi_x64_jump_label(e, CC_NE, ins->dst);
    } else {
        wagi_x64_jump_label(e, cc, ins->dst);
    }
}

static void branch_table(wagi_x64_emitter *e, const wagi_ins *ins)
{
    int index = wagi_x64_use(e, ins->a, RAX);
    wagi_x64_alu_imm_reg(&e->code, 7, index, (int32_t)ins->b, false);
    wagi_x64_jump_label(e, CC_AE, e->ir->pool.p[ins->imm + ins->b]);
    if (ins->b == 0)
        return; /* the default only: the jump is always taken */
    wagi_x64_rm(&e->code, X64_W | 0x8D, RDX, wagi_x64_at(X64_RIP, 0));
    wagi_x64_const_operand(e, (uint64_t)ins->imm | (uint64_t)ins->b << 32, 0, 0);
    wagi_x64_rm(&e->code, X64_W | 0x63, RAX, wagi_x64_indexed(RDX, index, 2, 0));
    wagi_x64_rr(&e->code, X64_W | 0x03, RAX, RDX);
    wagi_x64_rr(&e->code, 0xFF, 4, RAX);
}

static void poll(wagi_x64_emitter *e)
{
    wagi_x64_compare_stop_limit(&e->code, e->context, RSP);
    wagi_x64_trap_if(e, CC_B, WAG_INTERRUPTED);
}

/* op qword fs:[fuel], value; op: 5 sub, 7 cmp */
static void on_fuel(wagi_x64_emitter *e, uint8_t op, uint32_t value)
{
    bool is_byte = value < 128;
    wagi_x64_u8(&e->code, 0x64);
    wagi_x64_u8(&e->code, 0x48);
    wagi_x64_u8(&e->code, is_byte ? 0x83 : 0x81);
    wagi_x64_u8(&e->code, (uint8_t)(op << 3 | 4));
    wagi_x64_u8(&e->code, 0x25); /* no base, no index */
    wagi_x64_u32(&e->code, (uint32_t)e->context->fuel);
    if (is_byte)
        wagi_x64_u8(&e->code, (uint8_t)value);
    else
        wagi_x64_u32(&e->code, value);
}

/* Which file knows an op, as its place in ir.def suggests. */
typedef enum group { GROUP_OTHER, GROUP_INT, GROUP_MEMORY, GROUP_VECTOR } group;
static const uint8_t groups[WAGI_IR_OP_COUNT] = {
#define GROUP_OF(op)                                                                                                   \
    ((op) > WAGI_IR_NOP && (op) < WAGI_IR_BRCC            ? GROUP_INT                                                  \
     : (op) >= WAGI_IR_LOAD && (op) < WAGI_IR_FADD        ? GROUP_MEMORY                                               \
     : (op) == WAGI_IR_VECTOR || (op) == WAGI_IR_VECTOR_3 ? GROUP_VECTOR                                               \
                                                          : GROUP_OTHER)
#define IR(name, uses) [WAGI_IR_##name] = GROUP_OF(WAGI_IR_##name),
#include "compiler/ir.def"
#undef IR
};

static inline void emit_ins(wagi_x64_emitter *e, uint32_t block, const wagi_ins *ins);

/* A loop's head that a jump at the loop's end may repeat instead of going there: it is small and decides something. The
 * homes are the same at both places when the jump is in no inner loop. */
static bool can_repeat(const wagi_x64_emitter *e, uint32_t block, uint32_t head)
{
    const wagi_ir *ir = e->ir;
    const wagi_block *h = &ir->blocks.p[head];
    uint32_t size = h->last - h->first;
    if (head > block || head == e->unroll_head || !h->loop_head || h->loop != ir->blocks.p[block].loop || size == 0 ||
        size > MAX_REPEATED || e->repeats >= MAX_REPEATS || wagi_x64_has_edits(e, head))
        return false;
    for (uint32_t i = h->first; i < h->last; i++)
        if (wagi_ir_uses[ir->ins.p[i].op] & WAGI_IR_IS_CALL)
            return false;
    const wagi_ins *last = &ir->ins.p[h->last - 1];
    return last->op == WAGI_IR_BR_TABLE ||
           (last->op == WAGI_IR_BRCC && last->sub != WAGI_FEQ && last->sub != WAGI_FNE && head + 1 < ir->blocks.n);
}

/* Turns a loop that tests at its top into one that tests at its bottom, and gives each end of an interpreter's loop an
 * indirect jump of its own, which is easier to predict. */
static bool repeat_head(wagi_x64_emitter *e, uint32_t block, uint32_t label)
{
    const wagi_ir *ir = e->ir;
    uint32_t head = ir->labels.p[label].block, at = e->ins;
    if (!can_repeat(e, block, head))
        return false;
    e->repeats++;
    const wagi_block *h = &ir->blocks.p[head];
    for (uint32_t i = h->first; i + 1 < h->last && wagi_x64_roomy(e, INS_ROOM); i++) {
        e->ins = i;
        emit_ins(e, head, &ir->ins.p[i]);
        wagi_x64_forget_bounds(e, &ir->ins.p[i]);
    }
    if (!wagi_x64_roomy(e, INS_ROOM))
        return true;
    e->ins = h->last - 1;
    const wagi_ins *last = &ir->ins.p[e->ins];
    if (last->op == WAGI_IR_BR_TABLE) {
        branch_table(e, last);
    } else {
        int cc = wagi_x64_compare(e, last);
        wagi_x64_jump_block(e, cc ^ 1, head + 1);
        if (!falls_to(e, block, last->dst))
            wagi_x64_jump_label(e, -1, last->dst);
    }
    e->ins = at;
    return true;
}

/* A short jump from before to behind this place: with more code in between it might not reach. */
static bool is_jumped_over(const wagi_x64_emitter *e, uint32_t block)
{
    const wagi_x64_block_ref *refs = e->block_refs.p;
    for (size_t i = e->block_refs.n; i-- > 0 && refs[i].at + INT8_MAX >= e->code.n;)
        if (refs[i].is_short && refs[i].block > block)
            return true;
    return false;
}

/* The block that a jump leads to is small and then goes to an interpreter's loop: what most of its cases end with. */
static bool can_repeat_tail(const wagi_x64_emitter *e, uint32_t block, uint32_t tail)
{
    const wagi_ir *ir = e->ir;
    const wagi_block *t = &ir->blocks.p[tail];
    uint32_t size = t->last - t->first;
    if (size < 2 || size > MAX_TAIL + 1 || t->loop != ir->blocks.p[block].loop || e->unroll_head != WAGI_NIL ||
        ir->ins.p[t->last - 1].op != WAGI_IR_JMP)
        return false;
    for (uint32_t i = t->first; i + 1 < t->last; i++)
        if (groups[ir->ins.p[i].op] != GROUP_INT && groups[ir->ins.p[i].op] != GROUP_MEMORY)
            return false;
    uint32_t head = ir->labels.p[ir->ins.p[t->last - 1].dst].block;
    const wagi_block *h = &ir->blocks.p[head];
    return h->last > h->first && ir->ins.p[h->last - 1].op == WAGI_IR_BR_TABLE && can_repeat(e, block, head) &&
           !wagi_x64_has_edits(e, tail) && !is_jumped_over(e, block);
}

static bool repeat_tail(wagi_x64_emitter *e, uint32_t block, uint32_t label)
{
    uint32_t tail = e->ir->labels.p[label].block, at = e->ins;
    if (!can_repeat_tail(e, block, tail))
        return false;
    const wagi_block *t = &e->ir->blocks.p[tail];
    for (uint32_t i = t->first; i + 1 < t->last && wagi_x64_roomy(e, INS_ROOM); i++) {
        e->ins = i;
        emit_ins(e, tail, &e->ir->ins.p[i]);
        wagi_x64_forget_bounds(e, &e->ir->ins.p[i]);
    }
    repeat_head(e, block, e->ir->ins.p[t->last - 1].dst);
    e->ins = at;
    return true;
}

/* What a jump leads to in its place. False: it has to jump. */
static bool repeat(wagi_x64_emitter *e, uint32_t block, uint32_t label)
{
    return e->ir->labels.p[label].block > block ? repeat_tail(e, block, label) : repeat_head(e, block, label);
}

/* Apart, so that the usual instruction does not save the registers that this needs. */
__attribute__((noinline)) static void emit_control(wagi_x64_emitter *e, uint32_t block, const wagi_ins *ins)
{
    switch (ins->op) {
    case WAGI_IR_NOP:
    case WAGI_IR_HANDLER:
        break;
    case WAGI_IR_BRCC:
        branch(e, ins);
        break;
    case WAGI_IR_JMP:
        if (!falls_to(e, block, ins->dst) && !repeat(e, block, ins->dst))
            wagi_x64_jump_label(e, -1, ins->dst);
        break;
    case WAGI_IR_BR_TABLE:
        branch_table(e, ins);
        break;
    case WAGI_IR_TRAP:
        wagi_x64_trap(e, (wag_err)ins->imm);
        break;
    case WAGI_IR_POLL:
        if (!e->is_copy) /* once for all copies of an unrolled loop */
            poll(e);
        break;
    case WAGI_IR_FUEL_CHECK:
        on_fuel(e, 7, 0);
        wagi_x64_trap_if(e, CC_LE, WAG_OUT_OF_FUEL);
        break;
    case WAGI_IR_FUEL: /* a body has no more instructions than 31 bits say */
        on_fuel(e, 5, (uint32_t)ins->imm);
        break;
    case WAGI_IR_RETURN:
        wagi_x64_emit_return(e, ins);
        break;
    default:
        if (!wagi_x64_emit_call(e, ins) && !wagi_x64_emit_float(e, ins) && !wagi_x64_emit_int(e, ins) &&
            !wagi_x64_emit_memory(e, ins) && !wagi_x64_emit_exception(e, ins) && !wagi_x64_emit_atomic(e, ins) &&
            !wagi_x64_emit_gc(e, ins))
            e->failed = true;
    }
}

static bool (*const emit_group[])(wagi_x64_emitter *e, const wagi_ins *ins) = {
    [GROUP_INT] = wagi_x64_emit_int,
    [GROUP_MEMORY] = wagi_x64_emit_memory,
    [GROUP_VECTOR] = wagi_x64_emit_vector,
};

/* Asks that file first, then all. */
static inline void emit_ins(wagi_x64_emitter *e, uint32_t block, const wagi_ins *ins)
{
    uint8_t group = groups[ins->op];
    if (group == GROUP_OTHER || !emit_group[group](e, ins))
        emit_control(e, block, ins);
}

/* ---- edits ---- */

/* The vreg's value between its register and its slot. */
static inline void move_edit(wagi_x64_emitter *e, const wagi_edit *edit)
{
    const wagi_vreg *v = wagi_x64_vreg(e, edit->vreg);
    bool saves = edit->kind == WAGI_EDIT_SAVE;
    size_t before = e->code.n;
    if (!wagi_reg_is_float(edit->reg))
        wagi_x64_rsp(&e->code, saves ? 0x89 : 0x8B, edit->reg, wagi_x64_slot(e, edit->vreg).disp);
    else if (saves)
        wagi_x64_store_float(e, v->type, edit->reg - WAGI_FLOAT_REG, wagi_x64_slot(e, edit->vreg));
    else
        wagi_x64_load_float(e, v->type, edit->reg - WAGI_FLOAT_REG, wagi_x64_slot(e, edit->vreg));
    if (e->flags_at == before && (saves || edit->vreg != e->flags_vreg))
        e->flags_at = e->code.n; /* moves leave the flags alone */
}

static inline void apply_edit(wagi_x64_emitter *e, const wagi_edit *edit)
{
    if (edit->kind == WAGI_EDIT_CACHE)
        e->ir->vregs.p[edit->vreg].cached = edit->reg;
    else if (edit->kind == WAGI_EDIT_UNCACHE)
        e->ir->vregs.p[edit->vreg].cached = -1;
    else
        move_edit(e, edit);
}

static bool is_edit_due(const wagi_homes *homes, size_t next, uint32_t block, uint32_t ins)
{
    return next < homes->edits.n && homes->edits.p[next].ins == ins && homes->edits.p[next].block == block;
}

static void apply_edits(wagi_x64_emitter *e, uint32_t block, uint32_t ins)
{
    for (; is_edit_due(e->homes, e->next_edit, block, ins) && wagi_x64_roomy(e, INS_ROOM); e->next_edit++)
        apply_edit(e, &e->homes->edits.p[e->next_edit]);
}

/* The first instruction of the block, from one on, that has edits before it, or NONE. */
static inline uint32_t next_edit_from(const wagi_x64_emitter *e, uint32_t block, uint32_t ins)
{
    const wagi_edit *edit = &e->homes->edits.p[e->next_edit];
    return e->next_edit < e->homes->edits.n && edit->block == block && edit->ins >= ins ? edit->ins : WAGI_NIL;
}

/* ---- blocks ---- */

static inline void begin_block(wagi_x64_emitter *e, uint32_t b)
{
    const wagi_block *block = &e->ir->blocks.p[b];
    if (block->target) {
        e->flags_at = 0;
        e->held_at = SIZE_MAX;
    }
    if (block->target || b == 0 || !e->ir->blocks.p[b - 1].falls)
        e->bounds_count = 0; /* there are other ways here */
    if (block->loop_head && !e->is_copy) {
        size_t pad = (size_t)(-(e->code.n - e->start)) & (ALIGN_LOOPS - 1);
        wagi_x64_nops(&e->code, pad);
    }
    e->block_at.p[b] = (uint32_t)e->code.n + 1;
}

static inline __attribute__((always_inline)) void emit_block_here(wagi_x64_emitter *e, uint32_t b, uint32_t end)
{
    const wagi_block *block = &e->ir->blocks.p[b];
    begin_block(e, b);
    for (uint32_t i = block->first;;) { /* from one place with edits to the next */
        uint32_t due = next_edit_from(e, b, i), until = due < end ? due : end;
        for (; i < until && wagi_x64_roomy(e, INS_ROOM); i++) {
            e->ins = i;
            emit_ins(e, b, &e->ir->ins.p[i]);
            if (e->bounds_count)
                wagi_x64_forget_bounds(e, &e->ir->ins.p[i]);
        }
        if (i != due || (i == end && end != block->last))
            return;
        apply_edits(e, b, i);
        if (i == end || e->failed)
            return;
    }
}

static void emit_block(wagi_x64_emitter *e, uint32_t b, uint32_t end)
{
    emit_block_here(e, b, end);
}

/* ---- unrolling ---- */

/* How often a loop is emitted: more than once when it is small, has no loop in it and calls nothing. The copies follow
 * each other, so a round costs a taken jump and a poll only now and then. */
static uint32_t loop_copies(const wagi_x64_emitter *e, const wagi_loop *loop)
{
    const wagi_ir *ir = e->ir;
    const wagi_block *last = &ir->blocks.p[loop->end - 1];
    uint32_t first = ir->blocks.p[loop->first].first, size = last->last - first;
    if (size > MAX_UNROLLED || last->first == last->last)
        return 1;
    for (uint32_t b = loop->first; b < loop->end; b++)
        if (ir->blocks.p[b].loop != ir->blocks.p[loop->first].loop)
            return 1;
    for (uint32_t i = first; i < last->last; i++)
        if ((wagi_ir_uses[ir->ins.p[i].op] & WAGI_IR_IS_CALL) || wagi_ins_has_table(&ir->ins.p[i]) ||
            ir->ins.p[i].op == WAGI_IR_BR_CAST)
            return 1;
    for (size_t i = e->next_edit; i < e->homes->edits.n && e->homes->edits.p[i].block < loop->end; i++)
        if (e->homes->edits.p[i].ins == last->last)
            return 1; /* on the way out, which copies jump over */
    uint32_t copies = size > MAX_UNROLLED / 2 ? UNROLL / 2 : UNROLL;
    return e->unrolled + size * (copies - 1) <= MIN_UNROLLED_CODE + ir->ins.n / 4 ? copies : 1;
}

/* The last instruction of a copy that another one follows: falls into it. */
static void end_copy(wagi_x64_emitter *e, uint32_t block)
{
    const wagi_block *b = &e->ir->blocks.p[block];
    const wagi_ins *ins = &e->ir->ins.p[b->last - 1];
    e->ins = b->last - 1;
    apply_edits(e, block, e->ins);
    bool to_head =
        (ins->op == WAGI_IR_JMP || ins->op == WAGI_IR_BRCC) && e->ir->labels.p[ins->dst].block == e->unroll_head;
    if (ins->op == WAGI_IR_JMP && to_head)
        return;
    if (ins->op == WAGI_IR_BRCC && to_head && ins->sub != WAGI_FEQ && ins->sub != WAGI_FNE) {
        wagi_x64_jump_block(e, wagi_x64_compare(e, ins) ^ 1, e->unroll_end);
        return;
    }
    emit_ins(e, block, ins);
    if (b->falls)
        wagi_x64_jump_block(e, -1, e->unroll_end);
}

static void emit_unrolled(wagi_x64_emitter *e, const wagi_loop *loop, uint32_t copies)
{
    const wagi_ir *ir = e->ir;
    size_t first_edit = e->next_edit;
    uint32_t last = loop->end - 1;
    e->unrolled += (ir->blocks.p[last].last - ir->blocks.p[loop->first].first) * (copies - 1);
    e->unroll_head = loop->first;
    e->unroll_end = loop->end;
    for (e->copies_left = copies; e->copies_left-- > 0 && !e->failed;) {
        size_t first_ref = e->block_refs.n;
        e->next_edit = first_edit;
        memset(e->block_at.p + loop->first, 0, (loop->end - loop->first) * sizeof *e->block_at.p);
        for (uint32_t b = loop->first; b < last; b++)
            emit_block(e, b, ir->blocks.p[b].last);
        emit_block(e, last, ir->blocks.p[last].last - (e->copies_left > 0));
        if (!e->is_copy)
            e->unroll_at = e->block_at.p[loop->first];
        if (e->copies_left)
            end_copy(e, last);
        wagi_x64_bind_copy(e, first_ref);
        e->is_copy = true;
    }
    e->is_copy = false;
    e->unroll_head = WAGI_NIL;
}

static void emit_blocks(wagi_x64_emitter *e)
{
    const wagi_ir *ir = e->ir;
    for (uint32_t b = 0; b < ir->blocks.n && wagi_x64_roomy(e, INS_ROOM); b++) {
        const wagi_loop *loop = ir->blocks.p[b].loop_head ? &ir->loops.p[ir->blocks.p[b].loop] : NULL;
        uint32_t copies = loop ? loop_copies(e, loop) : 1;
        if (copies > 1) {
            emit_unrolled(e, loop, copies);
            b = loop->end - 1;
        } else {
            emit_block_here(e, b, ir->blocks.p[b].last);
        }
    }
    if (e->next_edit != e->homes->edits.n)
        e->failed = true; /* an edit without a place */
}

/* ---- the function's tail ---- */

static bool same_cold(const wagi_x64_cold *x, const wagi_x64_cold *y)
{
    return x->source == y->source && x->inlined == y->inlined && x->trap == y->trap && x->in_prologue == y->in_prologue;
}

static void emit_colds(wagi_x64_emitter *e)
{
    size_t at = 0;
    for (size_t i = 0; i < e->colds.n && wagi_x64_roomy(e, INS_ROOM); i++) {
        const wagi_x64_cold *cold = &e->colds.p[i];
        if (i == 0 || !same_cold(cold, cold - 1)) {
            at = e->code.n;
            wagi_x64_u8(&e->code, 0xE8);
            wagi_x64_reloc(e, WAGI_RELOC_TRAP, cold->trap);
            wagi_x64_record_in(e, cold->in_prologue ? WAGI_SITE_PROLOGUE : WAGI_SITE_RETURN, cold->source,
                               cold->inlined, 0);
        }
        wagi_x64_set_rel32(e, cold->jump, at);
    }
}

static void finish_function(wagi_x64_emitter *e)
{
    emit_colds(e);
    wagi_x64_far_calls(e);
    wagi_x64_slows(e);
    wagi_x64_constants(e);
    wagi_x64_bind_blocks(e);
}

/* ---- frame ---- */

static void layout_frame(wagi_x64_emitter *e)
{
    static const int saved[] = {RBX, RBP, R12, R13};
    e->pushed = 0;
    uint32_t pushes = 0;
    for (int i = 0; i < 4; i++)
        if (e->homes->used_saved >> saved[i] & 1) {
            e->pushed |= 1u << saved[i];
            pushes++;
        }
    e->out_bytes = wagi_x64_out_bytes(e->ir);
    if (e->homes->wide_slots)
        e->out_bytes = (e->out_bytes + 15) & ~15; /* rsp is aligned; so are vectors */
    uint64_t bytes = (uint64_t)(uint32_t)e->out_bytes + 8ull * e->homes->slot_count;
    /* return address + pushes + bytes is a multiple of 16 */
    if ((8 + 8 * pushes + bytes) % 16)
        bytes += 8;
    if (bytes > WAGI_MAX_FRAME)
        e->failed = true;
    else
        e->frame_bytes = (int32_t)bytes;
}

static uint32_t saved_registers(const wagi_x64_emitter *e)
{
    uint32_t saved = 0;
    for (int i = 0; i < WAGI_SAVED_REGS; i++)
        saved |= (e->pushed >> wagi_x64_saved_regs[i] & 1) << i;
    return saved;
}

static uint32_t frame_size(const wagi_x64_emitter *e)
{
    return (uint32_t)e->frame_bytes + 8u * (uint32_t)__builtin_popcount(e->pushed);
}

static void emit_function(wagi_x64_emitter *e)
{
    uint32_t blocks = (uint32_t)e->ir->blocks.n;
    e->block_refs.n = e->const_refs.n = e->colds.n = e->far_calls.n = e->slows.n = e->ranges.n = 0;
    e->site_code = e->site_source = e->site_count = 0;
    e->flags_at = e->next_edit = 0;
    e->held_at = SIZE_MAX;
    e->ins = e->repeats = e->unrolled = e->used_xmm = 0;
    e->inlined = WAGI_NIL;
    e->inlined_from = 0;
    e->inlined_until = e->ir->inlined.n ? 0 : WAGI_NIL;
    e->unroll_head = WAGI_NIL;
    memset(e->block_at.p, 0, (blocks + 1) * 4);
    layout_frame(e);
    if (e->failed)
        return;
    wagi_x64_prologue(e);
    emit_blocks(e);
    finish_function(e);
    wagi_homes_rewind(e->homes);
}

bool wagi_x64_emit(wagi_x64_emitter *e, wagi_ir *ir, wagi_homes *homes)
{
    e->ir = ir;
    e->homes = homes;
    e->block_at.n = 0;
    if (!wagi_x64_roomy(e, INS_ROOM) || !WAGI_VEC_RESERVE(&e->block_at, ir->blocks.n + 1)) {
        e->failed = true;
        return false;
    }
    while (e->code.n % WAGI_X64_FUNC_ALIGN)
        wagi_x64_u8(&e->code, 0xCC);
    e->start = (uint32_t)e->code.n;
    e->long_jumps = false;
    size_t relocs = e->out->relocs.n, sites = e->out->sites.n;
    emit_function(e);
    if (e->long_jumps && !e->failed) {
        e->code.n = e->start;
        e->out->relocs.n = relocs;
        e->out->sites.n = sites;
        emit_function(e);
    }
    wagi_func_code func = {.func_index = ir->body->func_index,
                           .start = e->start,
                           .size = (uint32_t)e->code.n - e->start,
                           .frame = frame_size(e),
                           .sites = (uint32_t)sites,
                           .site_count = e->site_count,
                           .saved = saved_registers(e)};
    if (e->failed || e->code.n > INT32_MAX / 2 ||
        !wagi_handlers_encode(e->out, &func, ir, e->ranges.p, e->ranges.n, e->block_at.p) ||
        !WAGI_VEC_PUSH(&e->out->funcs, func))
        e->failed = true;
    return !e->failed;
}

wagi_x64_emitter *wagi_x64_emitter_new(const wagi_code_context *context, wagi_unit_code *out)
{
    wagi_x64_emitter *e = WAGI_NEW(wagi_x64_emitter);
    if (!e)
        return NULL;
    e->context = context;
    e->out = out;
    e->features = context->machine->features;
    e->is_guarded = context->data->memory_count && wagi_memory_is_guarded(context, 0);
    return e;
}

wagi_x64_buffer *wagi_x64_code(wagi_x64_emitter *e)
{
    return &e->code;
}

void wagi_x64_emitter_free(wagi_x64_emitter *e)
{
    if (!e)
        return;
    wagi_x64_buffer_free(&e->code);
    WAGI_VEC_FREE(&e->block_at);
    WAGI_VEC_FREE(&e->block_refs);
    WAGI_VEC_FREE(&e->const_refs);
    WAGI_VEC_FREE(&e->colds);
    WAGI_VEC_FREE(&e->far_calls);
    WAGI_VEC_FREE(&e->slows);
    WAGI_VEC_FREE(&e->ranges);
    wagi_free(e);
}

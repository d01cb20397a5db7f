/* The builder's smallest functions, which each op of the code runs several times: appending an instruction, pushing and
 * popping. Part of build.h.
 */
#ifndef WAGI_COMPILER_BUILD_INLINE_H
#define WAGI_COMPILER_BUILD_INLINE_H

#include "compiler/build.h"
#include "compiler/build_entry.h"

/* Append; the instruction's index. */
static inline uint32_t wagi_build_emit(wagi_builder *b, wagi_ins ins)
{
    wagi_ir *ir = b->ir;
    uint32_t index = (uint32_t)ir->ins.n;
    if (index >= ir->ins_room && !wagi_ir_more_ins(ir))
        return 0;
    wagi_ins *to = &ir->ins.p[index];
    /* Member by member: `ins` is then never in memory, as parts that would have to be put together for a copy. */
    to->op = ins.op;
    to->sub = ins.sub;
    to->type = ins.type;
    to->flags = ins.flags;
    to->dst = ins.dst;
    to->a = ins.a;
    to->b = ins.b;
    to->imm = ins.imm;
    ir->source.p[index] = b->source;
    ir->ins.n = ir->source.n = index + 1;
    return index;
}

/* falls: control goes on there from the block at hand. */
static inline void wagi_build_start_block(wagi_builder *b, bool falls)
{
    wagi_ir *ir = b->ir;
    uint32_t at = (uint32_t)ir->ins.n;
    b->block_start = at;
    if (!WAGI_VEC_RESERVE(&ir->blocks, 1)) {
        ir->failed = true;
        return;
    }
    wagi_block *block = &ir->blocks.p[ir->blocks.n];
    if (ir->blocks.n++) {
        block[-1].last = at;
        block[-1].falls = falls;
    }
    *block = (wagi_block){.first = at, .last = at, .loop = b->loop};
}

static inline void wagi_build_push(wagi_builder *b, wagi_entry entry)
{
    if (!WAGI_VEC_RESERVE(&b->stack, 1)) {
        b->ir->failed = true;
        return;
    }
    if (entry.kind == WAGI_ENTRY_LOCAL) {
        entry.def = b->pending.p[entry.vreg];
        b->pending.p[entry.vreg] = (uint32_t)b->stack.n + 1;
        b->references++;
    }
    wagi_entry *to = &b->stack.p[b->stack.n++];
    to->kind = entry.kind; /* member by member, as instructions are */
    to->type = entry.type;
    to->vreg = entry.vreg;
    to->bits = entry.bits;
}

static inline void wagi_build_push_const(wagi_builder *b, unsigned type, uint64_t bits)
{
    wagi_entry entry = {.kind = WAGI_ENTRY_CONST, .type = (uint8_t)type, .vreg = WAGI_NIL, .bits = bits};
    wagi_build_push(b, entry);
}

/* No redirectable definition. */
static inline void wagi_build_push_vreg(wagi_builder *b, unsigned type, uint32_t vreg)
{
    wagi_build_push(b, (wagi_entry){.kind = WAGI_ENTRY_TEMP, .type = (uint8_t)type, .vreg = vreg, .def = WAGI_NIL});
}

/* The value that the last instruction made. */
static inline void wagi_build_push_result(wagi_builder *b, unsigned type, uint32_t vreg)
{
    uint32_t def = (uint32_t)b->ir->ins.n - 1;
    wagi_build_push(b, (wagi_entry){.kind = WAGI_ENTRY_TEMP, .type = (uint8_t)type, .vreg = vreg, .def = def});
}

static inline void wagi_build_forget_reference(wagi_builder *b, const wagi_entry *entry)
{
    if (entry->kind == WAGI_ENTRY_LOCAL) {
        b->pending.p[entry->vreg] = (uint32_t)entry->def;
        b->references--;
    }
}

static inline wagi_entry wagi_build_pop(wagi_builder *b)
{
    if (b->stack.n == 0) { /* only after a failure: then there is a constant */
        b->ir->failed = true;
        b->stack.p[b->stack.n++] = (wagi_entry){.kind = WAGI_ENTRY_CONST, .vreg = WAGI_NIL};
    }
    const wagi_entry *from = &b->stack.p[--b->stack.n];
    wagi_build_forget_reference(b, from);
    return (wagi_entry){.kind = from->kind, .type = from->type, .vreg = from->vreg, .bits = from->bits};
}

/* Make a constant entry a temporary. Call it for all operands before their instruction is emitted. */
static inline void wagi_build_materialize(wagi_builder *b, wagi_entry *entry)
{
    if (entry->kind == WAGI_ENTRY_CONST)
        *entry = wagi_build_load_const(b, entry->type, entry->bits);
}

static inline uint32_t wagi_build_pool_entry(wagi_builder *b, wagi_entry entry)
{
    return entry.kind == WAGI_ENTRY_CONST ? wagi_ir_new_const(b->ir, entry.type, entry.bits) : entry.vreg;
}

static inline bool wagi_build_redirectable(const wagi_builder *b, const wagi_entry *entry)
{
    if (entry->kind != WAGI_ENTRY_TEMP || entry->def < b->block_start || entry->def >= b->ir->ins.n)
        return false; /* WAGI_NIL is no instruction */
    const wagi_ins *def = &b->ir->ins.p[entry->def];
    return def->dst == entry->vreg && (wagi_ir_uses[def->op] & WAGI_IR_D);
}

/* The entry's definition when it is the last instruction of the block at hand, else NULL. */
static inline wagi_ins *wagi_build_last_def(wagi_builder *b, const wagi_entry *entry)
{
    if (entry->def + 1 != b->ir->ins.n || !wagi_build_redirectable(b, entry))
        return NULL;
    return &b->ir->ins.p[entry->def];
}

static inline void wagi_build_move(wagi_builder *b, uint32_t to, wagi_entry from, bool redirect)
{
    if (from.kind == WAGI_ENTRY_CONST)
        wagi_build_emit(b, ins_const(from.type, to, from.bits));
    else if (redirect && wagi_build_redirectable(b, &from))
        b->ir->ins.p[from.def].dst = to;
    else
        wagi_build_emit(b, ins_1(WAGI_IR_MOV, from.type, to, from.vreg));
}

#endif

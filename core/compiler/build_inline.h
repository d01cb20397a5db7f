/* The builder's smallest functions, which each op of the code runs several times: appending an instruction, pushing and
 * popping. Part of build.h.
 */
#ifndef WAGI_COMPILER_BUILD_INLINE_H
#define WAGI_COMPILER_BUILD_INLINE_H

#include "compiler/build.h"

/* Append; the instruction's index. */
static inline uint32_t wagi_build_emit(wagi_builder *b, wagi_ins ins)
{
    wagi_ir *ir = b->ir;
    uint32_t index = (uint32_t)ir->ins.n;
    if (index >= WAGI_IR_MAX_INS || !WAGI_VEC_RESERVE(&ir->ins, 1) || !WAGI_VEC_RESERVE(&ir->source, 1)) {
        ir->failed = true;
        return 0;
    }
    ir->ins.p[index] = ins;
    ir->source.p[index] = b->source;
    ir->ins.n = ir->source.n = index + 1;
    uint32_t locals = b->tracked;
    uint8_t uses = wagi_ir_uses[ins.op];
    if (ins.a < locals && (uses & WAGI_IR_A))
        b->last_access.p[ins.a] = index;
    if (ins.b < locals && (uses & WAGI_IR_B))
        b->last_access.p[ins.b] = index;
    if ((uses & WAGI_IR_C) && ins.c < locals)
        b->last_access.p[ins.c] = index;
    if (ins.dst < locals && (uses & WAGI_IR_D))
        b->last_access.p[ins.dst] = index + 1;
    return index;
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
    }
    b->stack.p[b->stack.n++] = entry;
}

static inline void wagi_build_push_const(wagi_builder *b, unsigned type, uint64_t bits)
{
    wagi_entry entry = {
        .kind = WAGI_ENTRY_CONST, .type = (uint8_t)type, .vreg = WAGI_NIL, .def = WAGI_NIL, .bits = bits};
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

static inline wagi_entry wagi_build_pop(wagi_builder *b)
{
    if (b->stack.n == 0) { /* only after a failure */
        b->ir->failed = true;
        return (wagi_entry){.kind = WAGI_ENTRY_CONST, .vreg = WAGI_NIL, .def = WAGI_NIL};
    }
    wagi_entry entry = b->stack.p[--b->stack.n];
    if (entry.kind == WAGI_ENTRY_LOCAL)
        b->pending.p[entry.vreg] = entry.def;
    if (b->synced > b->stack.n)
        b->synced = (uint32_t)b->stack.n;
    return entry;
}

#endif

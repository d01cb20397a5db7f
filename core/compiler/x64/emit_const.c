/* Emission of constants: operands in memory, which lie behind the function's code, and jump tables. */
#include <string.h>

#include "compiler/x64/x64.h"

enum { CONSTANT_ROOM = 64 };

static void const_operand(wagi_x64_emitter *e, wagi_x64_const_ref ref)
{
    ref.at = (uint32_t)e->code.n - 4;
    if (!WAGI_VEC_PUSH(&e->const_refs, ref))
        e->failed = true;
}

void wagi_x64_const_operand(wagi_x64_emitter *e, uint64_t value, uint32_t size, uint32_t tail)
{
    const_operand(e, (wagi_x64_const_ref){.size = size, .value = value, .tail = tail});
}

void wagi_x64_vector_operand(wagi_x64_emitter *e, uint64_t low, uint64_t high, uint32_t tail)
{
    const_operand(e, (wagi_x64_const_ref){.size = 16, .value = low, .high = high, .tail = tail});
}

static void emit_table(wagi_x64_emitter *e, const wagi_x64_const_ref *ref)
{
    uint32_t first = (uint32_t)ref->value, count = (uint32_t)(ref->value >> 32);
    if (!wagi_x64_roomy(e, (size_t)count * 4 + 16))
        return;
    while (e->code.n & 3)
        wagi_x64_u8(&e->code, 0xCC);
    size_t table = e->code.n;
    wagi_x64_set_rel32(e, ref->at, table);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t block = e->ir->labels.p[e->ir->pool.p[first + i]].block;
        wagi_x64_u32(&e->code, (uint32_t)(e->block_at.p[block] - 1 - table));
    }
}

void wagi_x64_constants(wagi_x64_emitter *e)
{
    for (size_t i = 0; i < e->const_refs.n && wagi_x64_roomy(e, CONSTANT_ROOM); i++) {
        const wagi_x64_const_ref *ref = &e->const_refs.p[i];
        size_t j = i > 32 ? i - 32 : 0; /* equal constants are mostly near */
        while (j < i && (e->const_refs.p[j].size != ref->size || e->const_refs.p[j].value != ref->value ||
                         e->const_refs.p[j].high != ref->high))
            j++;
        size_t at;
        if (j < i) {
            uint32_t rel, first = e->const_refs.p[j].at;
            memcpy(&rel, e->code.p + first, 4);
            at = (size_t)(first + 4 + e->const_refs.p[j].tail + rel);
        } else if (ref->size == 0) {
            emit_table(e, ref);
            continue;
        } else {
            while (e->code.n & (ref->size == 16 ? 15 : 7))
                wagi_x64_u8(&e->code, 0xCC);
            at = e->code.n;
            wagi_x64_u64(&e->code, ref->value);
            if (ref->size == 16)
                wagi_x64_u64(&e->code, ref->high);
        }
        wagi_x64_set_rel32(e, ref->at, at - ref->tail);
    }
}

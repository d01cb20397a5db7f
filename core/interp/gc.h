/* What the interpreter's loop and its driver share for the ops on references. All inline: the loop calls nothing. */
#ifndef WAGI_INTERP_GC_H
#define WAGI_INTERP_GC_H

#include "ops/num.h"
#include "runtime/agent.h"

#if defined(__GNUC__)
#define GC_INLINE inline __attribute__((always_inline))
#else
#define GC_INLINE inline
#endif

/* A field's or element's value on the operand stack. */
static GC_INLINE wagi_slot gc_get(const uint8_t *at, unsigned kind, bool sign_extend)
{
    wagi_slot value = wagi_gc_load(at, kind);
    if (!sign_extend)
        return value;
    return kind == WAGI_KIND_I8 ? num_i32_extend8_s((uint32_t)value) : num_i32_extend16_s((uint32_t)value);
}

/* Is what a slot that is not null refers to of the heap type that the bytes at `at` name? */
static GC_INLINE bool gc_matches(const wag_instance *instance, wagi_slot slot, const uint8_t *at)
{
    /* The abstract ones, one byte each, from 0x69 on. */
    static const uint8_t heaps[] = {WAGI_HEAP_EXN,  WAGI_HEAP_ARRAY,    WAGI_HEAP_STRUCT, WAGI_HEAP_I31,
                                    WAGI_HEAP_EQ,   WAGI_HEAP_ANY,      WAGI_HEAP_EXTERN, WAGI_HEAP_FUNC,
                                    WAGI_HEAP_NONE, WAGI_HEAP_NOEXTERN, WAGI_HEAP_NOFUNC, WAGI_HEAP_NOEXN};
    uint64_t index = *at & 0x7F;
    if (*at < 0x80 && (*at & 0x40))
        return wagi_slot_is_heap(slot, (wagi_heap)heaps[*at - 0x69]);
    uint8_t last = *at;
    for (unsigned shift = 7; *at++ & 0x80; shift += 7) {
        last = *at;
        index |= (uint64_t)(last & 0x7F) << shift;
    }
    /* An abstract one with more bytes than it needs is negative; its low seven bits say which. */
    if (last & 0x40)
        return wagi_slot_is_heap(slot, (wagi_heap)heaps[(index & 0x7F) - 0x69]);
    return wagi_slot_is_type(slot, instance->data->types[index]);
}

#endif

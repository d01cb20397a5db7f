/* Subtyping (spec: "Matching") and what follows from a type alone. */
#include "binary/types.h"

/* Bit s of above[h]: abstract heap type h is below s. */
#define BIT(heap) (1u << WAGI_HEAP_##heap)
static const uint16_t above[] = {
    [WAGI_HEAP_FUNC] = BIT(FUNC),
    [WAGI_HEAP_NOFUNC] = BIT(NOFUNC) | BIT(FUNC),
    [WAGI_HEAP_EXTERN] = BIT(EXTERN),
    [WAGI_HEAP_NOEXTERN] = BIT(NOEXTERN) | BIT(EXTERN),
    [WAGI_HEAP_ANY] = BIT(ANY),
    [WAGI_HEAP_EQ] = BIT(EQ) | BIT(ANY),
    [WAGI_HEAP_I31] = BIT(I31) | BIT(EQ) | BIT(ANY),
    [WAGI_HEAP_STRUCT] = BIT(STRUCT) | BIT(EQ) | BIT(ANY),
    [WAGI_HEAP_ARRAY] = BIT(ARRAY) | BIT(EQ) | BIT(ANY),
    [WAGI_HEAP_NONE] = BIT(NONE) | BIT(I31) | BIT(STRUCT) | BIT(ARRAY) | BIT(EQ) | BIT(ANY),
    [WAGI_HEAP_EXN] = BIT(EXN),
    [WAGI_HEAP_NOEXN] = BIT(NOEXN) | BIT(EXN),
    [WAGI_HEAP_BOT] = 0xFFFF,
};
#undef BIT
_Static_assert(WAGI_HEAP_BOT < 16, "a set of heap types fits 16 bits");

static wagi_heap heap_of_comp(wagi_comp_kind comp)
{
    switch (comp) {
    case WAGI_COMP_FUNC:
        return WAGI_HEAP_FUNC;
    case WAGI_COMP_STRUCT:
        return WAGI_HEAP_STRUCT;
    case WAGI_COMP_ARRAY:
        return WAGI_HEAP_ARRAY;
    }
    return WAGI_HEAP_BOT;
}

bool wagi_heap_is_sub(const wagi_registry *registry, wagi_valtype sub, wagi_valtype super)
{
    uint32_t low = wagi_heap_of(sub), high = wagi_heap_of(super);
    if (wagi_is_concrete(super)) {
        if (wagi_is_concrete(sub))
            return low == high ||
                   wagi_type_is_sub(wagi_registry_type(registry, low), wagi_registry_type(registry, high));
        if (low == WAGI_HEAP_BOT)
            return true;
        bool is_func = wagi_registry_type(registry, high)->comp == WAGI_COMP_FUNC;
        return low == (is_func ? WAGI_HEAP_NOFUNC : WAGI_HEAP_NONE);
    }
    if (wagi_is_concrete(sub))
        low = heap_of_comp(wagi_registry_type(registry, low)->comp);
    return (above[low] >> high & 1u) != 0;
}

bool wagi_valtype_is_sub(const wagi_registry *registry, wagi_valtype sub, wagi_valtype super)
{
    if (sub == super || wagi_valtype_kind(sub) == WAGI_KIND_BOT)
        return true;
    if (!wagi_is_ref(sub) || !wagi_is_ref(super) || (wagi_is_nullable(sub) && !wagi_is_nullable(super)))
        return false;
    return wagi_heap_is_sub(registry, sub, super);
}

wagi_heap wagi_heap_top(const wagi_registry *registry, wagi_valtype type)
{
    uint32_t heap = wagi_heap_of(type);
    if (wagi_is_concrete(type))
        heap = heap_of_comp(wagi_registry_type(registry, heap)->comp);
    switch (heap) {
    case WAGI_HEAP_FUNC:
    case WAGI_HEAP_NOFUNC:
        return WAGI_HEAP_FUNC;
    case WAGI_HEAP_EXTERN:
    case WAGI_HEAP_NOEXTERN:
        return WAGI_HEAP_EXTERN;
    case WAGI_HEAP_EXN:
    case WAGI_HEAP_NOEXN:
        return WAGI_HEAP_EXN;
    default:
        return WAGI_HEAP_ANY;
    }
}

wag_val_kind wagi_val_kind_of(const wagi_registry *registry, wagi_valtype type)
{
    switch (wagi_valtype_kind(type)) {
    case WAGI_KIND_I64:
        return WAG_I64;
    case WAGI_KIND_F32:
        return WAG_F32;
    case WAGI_KIND_F64:
        return WAG_F64;
    case WAGI_KIND_V128:
        return WAG_V128;
    case WAGI_KIND_REF:
        break;
    default: /* i32, and packed fields travel as i32 */
        return WAG_I32;
    }
    switch (wagi_heap_top(registry, type)) {
    case WAGI_HEAP_FUNC:
        return WAG_FUNCREF;
    case WAGI_HEAP_EXTERN:
        return WAG_EXTERNREF;
    case WAGI_HEAP_EXN:
        return WAG_EXNREF;
    default:
        return WAG_ANYREF;
    }
}

/* Values that leave the interpreter's stack, where the halves of a v128 are apart (frame.h), for arrays of slots, where
 * they follow each other, and those that come back. */
#include "interp/frame.h"

wagi_slot *wagi_interp_pack(const wag_agent *agent, const wagi_valtype *types, uint32_t count, const wagi_slot *values,
                            wagi_slot *slots)
{
    for (uint32_t i = 0; i < count; i++) {
        wagi_slot high = types[i] == WAGI_V128 ? *wagi_interp_high(agent, &values[i]) : 0;
        *slots++ = values[i];
        if (types[i] == WAGI_V128)
            *slots++ = high;
    }
    return slots;
}

wagi_slot *wagi_interp_pack_fields(const wag_agent *agent, const wagi_type *type, uint32_t count,
                                   const wagi_slot *values, wagi_slot *slots)
{
    for (uint32_t i = 0; i < count; i++) {
        wagi_valtype storage = type->fields[type->comp == WAGI_COMP_STRUCT ? i : 0].storage;
        slots = wagi_interp_pack(agent, &storage, 1, &values[i], slots);
    }
    return slots;
}

void wagi_interp_unpack(const wag_agent *agent, const wagi_valtype *types, uint32_t count, const wagi_slot *slots,
                        wagi_slot *values)
{
    for (uint32_t i = 0; i < count; i++) {
        wagi_slot low = *slots++;
        if (types[i] == WAGI_V128)
            *wagi_interp_high(agent, &values[i]) = *slots++;
        values[i] = low;
    }
}

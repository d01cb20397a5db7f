/* waggle/instance.h: references of the any hierarchy. Checks, then one call inward. */
#include "api/check.h"
#include "runtime/store.h"

wag_any *wag_any_ref(wag_any *any)
{
    wagi_handle_ref((const wagi_object *)any);
    return any;
}

void wag_any_unref(wag_any *any)
{
    wagi_handle_unref((const wagi_object *)any);
}

wag_any_kind wag_any_get_kind(const wag_any *any)
{
    if (!wagi_mine((const wagi_object *)any))
        return WAG_ANY_EXTERN;
    if (wagi_is_i31(any->slot))
        return WAG_ANY_I31;
    const wagi_gc_object *object = wagi_slot_object(any->slot);
    if (!object)
        return WAG_ANY_EXTERN;
    return wagi_gc_type_of(object)->comp == WAGI_COMP_STRUCT ? WAG_ANY_STRUCT : WAG_ANY_ARRAY;
}

wag_any *wag_any_new_i31(int32_t value)
{
    wag_agent *agent = wag_agent_current();
    if (!agent || value < -(1 << 30) || value >= 1 << 30)
        return NULL;
    return (wag_any *)wagi_proxy_get(agent, WAGI_OBJECT_ANY, wagi_i31_of((uint32_t)value));
}

bool wag_any_i31(const wag_any *any, int32_t *ret_value)
{
    if (!wagi_mine((const wagi_object *)any) || !wagi_is_i31(any->slot))
        return false;
    if (ret_value)
        *ret_value = (int32_t)wagi_i31_s(any->slot);
    return true;
}

wag_any *wag_any_of_extern(wag_extern *ext)
{
    if (!wagi_mine((const wagi_object *)ext))
        return NULL;
    wagi_slot slot = ext->slot ? ext->slot : (wagi_slot)(uintptr_t)ext;
    return (wag_any *)wagi_proxy_get(ext->object.unit->agent, WAGI_OBJECT_ANY, slot);
}

wag_extern *wag_extern_of_any(wag_any *any)
{
    if (!wagi_mine((const wagi_object *)any))
        return NULL;
    if (wag_any_get_kind(any) != WAG_ANY_EXTERN)
        return (wag_extern *)wagi_proxy_get(any->object.unit->agent, WAGI_OBJECT_EXTERN, any->slot);
    wagi_unit_hold(wagi_slot_unit(any->slot));
    return (wag_extern *)(uintptr_t)any->slot;
}

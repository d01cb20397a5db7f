/* waggle/instance.h: globals. Checks, then one call inward. */
#include "api/check.h"
#include "runtime/store.h"

static const wagi_registry *registry_of(const wag_global *global)
{
    return global->object.unit->agent->cluster->registry;
}

/* The kinds that cross the boundary. */
static bool is_visible(wag_val_kind kind)
{
    return kind != WAG_V128 && kind != WAG_EXNREF;
}

wag_err wag_global_new(wag_val init, bool is_mutable, wag_global **ret_global, wag_error **reterr_error)
{
    static const wagi_valtype types[] = {[WAG_I32] = WAGI_I32,
                                         [WAG_I64] = WAGI_I64,
                                         [WAG_F32] = WAGI_F32,
                                         [WAG_F64] = WAGI_F64,
                                         [WAG_FUNCREF] = WAGI_FUNCREF,
                                         [WAG_EXTERNREF] = WAGI_EXTERNREF,
                                         [WAG_ANYREF] = WAGI_REF_ABSTRACT(true, WAGI_HEAP_ANY)};
    wag_agent *agent = wag_agent_current();
    if (!agent)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    if ((size_t)init.kind >= sizeof types / sizeof *types || !is_visible(init.kind))
        return wagi_fail(wagi_error_new(WAG_TYPE, "a global cannot be made of %s", wag_val_kind_name(init.kind)),
                         reterr_error);
    wag_global *global = wagi_global_new(agent, (wagi_global_type){types[init.kind], is_mutable});
    if (!global)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    wag_err err = wagi_val_to_slot(registry_of(global), global->type.content, init, global->object.unit, global->value);
    if (err != WAG_OK) {
        wagi_unit_release(global->object.unit);
        return wagi_fail(wagi_error_new(err, NULL), reterr_error);
    }
    WAGI_GIVE(global, ret_global);
    return WAG_OK;
}

wag_global *wag_global_ref(wag_global *global)
{
    wagi_handle_ref((const wagi_object *)global);
    return global;
}

void wag_global_unref(wag_global *global)
{
    wagi_handle_unref((const wagi_object *)global);
}

bool wag_global_mutable(const wag_global *global)
{
    return wagi_mine((const wagi_object *)global) && global->type.is_mutable;
}

wag_err wag_global_get(const wag_global *global, wag_val *ret_value)
{
    wag_err err = wagi_mine_err((const wagi_object *)global);
    if (err != WAG_OK)
        return err;
    if (!is_visible(wagi_val_kind_of(registry_of(global), global->type.content)))
        return WAG_TYPE;
    if (!ret_value)
        return WAG_OK;
    wag_agent *agent = global->object.unit->agent;
    return wagi_slot_to_val(agent, global->type.content, global->value, ret_value) ? WAG_OK : WAG_NOMEM;
}

wag_err wag_global_set(wag_global *global, wag_val value)
{
    wag_err err = wagi_mine_err((const wagi_object *)global);
    if (err != WAG_OK)
        return err;
    if (!global->type.is_mutable || !is_visible(value.kind))
        return WAG_TYPE;
    wagi_slot slot[2] = {0, 0};
    err = wagi_val_to_slot(registry_of(global), global->type.content, value, global->object.unit, slot);
    if (err == WAG_OK)
        wagi_global_store(global, slot);
    return err;
}

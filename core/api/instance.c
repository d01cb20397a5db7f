/* waggle/instance.h: instances and their exports. Checks, then one call inward. */
#include <string.h>

#include "api/check.h"
#include "runtime/pool.h"
#include "runtime/store.h"

wag_err wag_instance_new(wag_module *module, wag_imports *imports, wag_instance **ret_instance,
                         wag_error **reterr_error)
{
    if (!module)
        return wagi_fail(wagi_error_new(WAG_TYPE, "there is no module"), reterr_error);
    wag_agent *agent = wagi_agent_peek();
    if (!agent && (agent = wag_agent_current()) == NULL)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    wag_linked *linked = wagi_link_find(agent, module, imports);
    wag_instance *instance = linked ? wagi_pool_instantiate(linked) : NULL;
    if (instance) {
        WAGI_GIVE(instance, ret_instance);
        return WAG_OK;
    }
    wag_err err = wagi_link(module, imports, &linked, reterr_error);
    if (err != WAG_OK)
        return err;
    err = wagi_instantiate(linked, &instance, reterr_error);
    wagi_linked_drop(linked);
    if (err == WAG_OK)
        WAGI_GIVE(instance, ret_instance);
    return err;
}

wag_err wag_linked_new(wag_module *module, wag_imports *imports, wag_linked **ret_linked, wag_error **reterr_error)
{
    if (!module)
        return wagi_fail(wagi_error_new(WAG_TYPE, "there is no module"), reterr_error);
    if (!wag_agent_current())
        return wagi_fail(wagi_error_nomem(), reterr_error);
    wag_linked *linked;
    wag_err err = wagi_link(module, imports, &linked, reterr_error);
    if (err != WAG_OK)
        return err;
    err = wagi_linked_match(linked, reterr_error);
    if (err == WAG_OK && ret_linked)
        *ret_linked = linked;
    else
        wagi_linked_drop(linked);
    return err;
}

wag_err wag_linked_instantiate(wag_linked *linked, wag_instance **ret_instance, wag_error **reterr_error)
{
    if (!wagi_mine((const wagi_object *)linked))
        return wagi_fail(wagi_error_handle(linked, "link"), reterr_error);
    wag_instance *instance = wagi_pool_instantiate(linked);
    if (instance) {
        WAGI_GIVE(instance, ret_instance);
        return WAG_OK;
    }
    wagi_linked_hold(linked); /* start may drop the caller's */
    wag_err err = wagi_instantiate(linked, &instance, reterr_error);
    wagi_linked_drop(linked);
    if (err == WAG_OK)
        WAGI_GIVE(instance, ret_instance);
    return err;
}

void wag_linked_unref(wag_linked *linked)
{
    if (wagi_mine((const wagi_object *)linked))
        wagi_linked_drop(linked);
}

wag_instance *wag_instance_ref(wag_instance *instance)
{
    wagi_handle_ref((const wagi_object *)instance);
    return instance;
}

void wag_instance_unref(wag_instance *instance)
{
    wagi_handle_unref((const wagi_object *)instance);
}

wag_module *wag_instance_module(const wag_instance *instance)
{
    return wagi_mine((const wagi_object *)instance) ? instance->module : NULL;
}

const wag_exports *wag_instance_exports(const wag_instance *instance)
{
    return wagi_mine((const wagi_object *)instance) ? &instance->exports : NULL;
}

wag_instance *wag_error_frame_instance(const wag_error *error, size_t index)
{
    return wagi_origin_instance(wagi_error_origin(error, index));
}

/* ---- exports ---- */

static const wag_instance *instance_of(const wag_exports *exports)
{
    return exports && wagi_is_owner(&exports->instance->object) ? exports->instance : NULL;
}

size_t wag_exports_size(const wag_exports *exports)
{
    const wag_instance *instance = instance_of(exports);
    return instance ? instance->data->export_count : 0;
}

bool wag_exports_at(const wag_exports *exports, size_t index, wag_name *ret_name, wag_value *ret_value)
{
    const wag_instance *instance = instance_of(exports);
    if (!instance || index >= instance->data->export_count)
        return false;
    if (ret_name)
        *ret_name = instance->data->exports[index].name;
    if (ret_value)
        *ret_value = wagi_instance_export(instance, (uint32_t)index);
    return true;
}

wag_value wag_exports_get_n(const wag_exports *exports, wag_name name)
{
    const wag_instance *instance = instance_of(exports);
    return instance ? wagi_instance_export(instance, wagi_module_find_export(instance->data, name)) : WAG_UNDEFINED;
}

wag_value wag_exports_get(const wag_exports *exports, const char *name)
{
    return name ? wag_exports_get_n(exports, (wag_name){name, strlen(name)}) : WAG_UNDEFINED;
}

wag_func *wag_exports_func(const wag_exports *exports, const char *name)
{
    wag_value value = wag_exports_get(exports, name);
    return value.kind == WAG_VALUE_FUNC ? value.of.func : NULL;
}

wag_memory *wag_exports_memory(const wag_exports *exports, const char *name)
{
    wag_value value = wag_exports_get(exports, name);
    return value.kind == WAG_VALUE_MEMORY ? value.of.memory : NULL;
}

wag_table *wag_exports_table(const wag_exports *exports, const char *name)
{
    wag_value value = wag_exports_get(exports, name);
    return value.kind == WAG_VALUE_TABLE ? value.of.table : NULL;
}

wag_global *wag_exports_global(const wag_exports *exports, const char *name)
{
    wag_value value = wag_exports_get(exports, name);
    return value.kind == WAG_VALUE_GLOBAL ? value.of.global : NULL;
}

wag_tag *wag_exports_tag(const wag_exports *exports, const char *name)
{
    wag_value value = wag_exports_get(exports, name);
    return value.kind == WAG_VALUE_TAG ? value.of.tag : NULL;
}

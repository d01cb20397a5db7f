/* waggle/instance.h: tables. Checks, then one call inward. */
#include "api/check.h"
#include "runtime/store.h"

static const wagi_registry *registry_of(const wag_table *table)
{
    return table->object.unit->agent->cluster->registry;
}

wag_err wag_table_new(wag_val_kind kind, uint64_t initial, uint64_t maximum, wag_val init, wag_table **ret_table,
                      wag_error **reterr_error)
{
    wag_agent *agent = wag_agent_current();
    if (!agent)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    if (kind != WAG_FUNCREF && kind != WAG_EXTERNREF)
        return wagi_fail(wagi_error_new(WAG_TYPE, "a table holds funcref or externref"), reterr_error);
    bool has_maximum = maximum != UINT64_MAX;
    wag_error *error =
        wagi_sizes_check("table", "elements", initial, maximum, agent->cluster->limits.table_entries, UINT32_MAX);
    if (error)
        return wagi_fail(error, reterr_error);
    wagi_table_type type = {.element = kind == WAG_FUNCREF ? WAGI_FUNCREF : WAGI_EXTERNREF,
                            .limits = {.minimum = initial, .maximum = maximum, .has_maximum = has_maximum}};
    wagi_slot slot = 0;
    wag_err err = wagi_val_to_slot(agent->cluster->registry, type.element, init, NULL, &slot);
    if (err != WAG_OK)
        return wagi_fail(
            wagi_error_new(err, err == WAG_TYPE ? "the initial value is no %s" : NULL, wag_val_kind_name(kind)),
            reterr_error);
    wag_table *table = NULL;
    err = wagi_table_new(agent, type, slot, &table, reterr_error);
    if (err == WAG_OK)
        WAGI_GIVE(table, ret_table);
    return err;
}

wag_table *wag_table_ref(wag_table *table)
{
    wagi_handle_ref((const wagi_object *)table);
    return table;
}

void wag_table_unref(wag_table *table)
{
    wagi_handle_unref((const wagi_object *)table);
}

uint64_t wag_table_size(const wag_table *table)
{
    return wagi_mine((const wagi_object *)table) ? table->size : 0;
}

wag_err wag_table_get(const wag_table *table, uint64_t index, wag_val *ret_value)
{
    wag_err err = wagi_mine_err((const wagi_object *)table);
    if (err != WAG_OK)
        return err;
    wag_val_kind kind = wagi_val_kind_of(registry_of(table), table->type.element);
    if (kind == WAG_EXNREF)
        return WAG_TYPE;
    if (index >= table->size)
        return WAG_RANGE;
    if (!ret_value)
        return WAG_OK;
    const wagi_slot *slot = &table->elements[index];
    wag_agent *agent = table->object.unit->agent;
    return wagi_slot_to_val(agent, table->type.element, slot, ret_value) ? WAG_OK : WAG_NOMEM;
}

wag_err wag_table_set(wag_table *table, uint64_t index, wag_val value)
{
    wag_err err = wagi_mine_err((const wagi_object *)table);
    if (err != WAG_OK)
        return err;
    if (index >= table->size)
        return WAG_RANGE;
    wagi_slot slot = 0;
    err = wagi_val_to_slot(registry_of(table), table->type.element, value, table->object.unit, &slot);
    if (err == WAG_OK)
        wagi_table_store(table, index, slot);
    return err;
}

wag_err wag_table_grow(wag_table *table, uint64_t delta, wag_val init, uint64_t *ret_old_size)
{
    wag_err err = wagi_mine_err((const wagi_object *)table);
    if (err != WAG_OK)
        return err;
    wagi_slot slot = 0;
    err = wagi_val_to_slot(registry_of(table), table->type.element, init, table->object.unit, &slot);
    if (err != WAG_OK)
        return err;
    uint64_t old_size = wagi_table_grow(table, delta, slot);
    if (old_size == UINT64_MAX)
        return WAG_RANGE;
    if (ret_old_size)
        *ret_old_size = old_size;
    return WAG_OK;
}

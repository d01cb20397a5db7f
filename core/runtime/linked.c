/* Links: a module and its imports, read once. An import object keeps those that were read from it until it changes; so
 * the same module with the same import object is not read again. */
#include "runtime/imports.h"
#include "runtime/pool.h"
#include "runtime/store.h"

static wag_linked *linked_new(wagi_pool *pool, uint32_t count)
{
    wag_agent *agent = pool->agent;
    wag_linked *linked = wagi_object_new(agent, WAGI_OBJECT_LINKED, sizeof *linked + count * sizeof(wagi_object *));
    if (!linked)
        return NULL;
    agent->linked_units++;
    linked->pool = pool;
    linked->serial = ++agent->linked_serial;
    linked->count = count;
    linked->pool_next = pool->links;
    linked->pool_link = &pool->links;
    if (linked->pool_next)
        linked->pool_next->pool_link = &linked->pool_next;
    pool->links = linked;
    return linked;
}

/* Take out of the import object's list. */
static void leave(wag_linked *linked)
{
    wag_linked **link = &linked->imports->links;
    while (*link != linked)
        link = &(*link)->imports_next;
    *link = linked->imports_next;
}

void wagi_linked_close(wag_linked *linked)
{
    linked->object.unit->agent->linked_units--;
    if (linked->imports) /* the agent ends: else it has a handle */
        leave(linked);
    if (!linked->pool)
        return;
    *linked->pool_link = linked->pool_next;
    if (linked->pool_next)
        linked->pool_next->pool_link = linked->pool_link;
}

void wagi_linked_hold(wag_linked *linked)
{
    wagi_unit_hold(linked->object.unit);
    linked->pool->pins++;
}

void wagi_linked_drop(wag_linked *linked)
{
    wagi_pool *pool = linked->pool;
    wagi_unit_release(linked->object.unit);
    pool->pins--; /* not before: what runs in between must not let the pool go */
    wagi_pool_settle(pool);
}

/* ---- what import objects keep ---- */

static void forget(wag_linked *linked)
{
    linked->imports = NULL;
    wagi_unit_drop(linked->object.unit);
}

void wagi_links_forget(wag_imports *imports)
{
    while (imports->links) {
        wag_linked *linked = imports->links;
        imports->links = linked->imports_next;
        forget(linked);
    }
}

void wagi_links_leave(wagi_pool *pool)
{
    wag_linked *none = pool->none;
    pool->none = NULL;
    while (pool->links) {
        wag_linked *linked = pool->links;
        pool->links = linked->pool_next;
        linked->pool = NULL;
        if (linked->imports) {
            leave(linked);
            forget(linked);
        } else if (linked == none) {
            wagi_unit_drop(linked->object.unit);
        }
    }
}

static void keep(wag_linked *linked, wag_imports *imports)
{
    wagi_unit_hold(linked->object.unit);
    if (!imports) {
        linked->pool->none = linked;
        return;
    }
    linked->imports = imports;
    linked->imports_next = imports->links;
    imports->links = linked;
}

wag_linked *wagi_link_find(wag_agent *agent, const wag_module *module, const wag_imports *imports)
{
    if (imports && (imports->agent != agent || !imports->is_builder))
        return NULL;
    if (module->data->import_count == 0) {
        wagi_pool *pool = wagi_pool_find(agent, module);
        return pool ? pool->none : NULL;
    }
    wag_linked *of_imports = imports ? imports->links : NULL;
    if (!of_imports || of_imports->pool->module == module)
        return of_imports;
    /* In both lists, of which one may be long: one import object for many modules, or one module with many. */
    const wagi_pool *pool = wagi_pool_find(agent, module);
    wag_linked *of_module = pool ? pool->links : NULL;
    while (of_imports && of_module) {
        if (of_imports->pool->module == module)
            return of_imports;
        if (of_module->imports == imports)
            return of_module;
        of_imports = of_imports->imports_next;
        of_module = of_module->pool_next;
    }
    return NULL;
}

static bool exports_an_import(const wagi_module_data *data)
{
    for (uint32_t i = 0; i < data->export_count; i++)
        if ((data->exports[i].kind == WAG_EXTERN_FUNC && data->exports[i].index < data->func_import_count) ||
            (data->exports[i].kind == WAG_EXTERN_GLOBAL && data->exports[i].index < data->global_import_count))
            return true;
    return false;
}

/* One after the other, in order; what was read is held by a handle until all is. */
static wag_error *read_all(wag_linked *linked, wag_imports *imports, bool *ret_made)
{
    wag_module *module = linked->pool->module;
    uint32_t count = linked->count, done = 0;
    wag_error *error = NULL;
    linked->count = 0;
    *ret_made = false;
    if (imports)
        imports->count++; /* a getter might drop it */
    while (!error && done < count) {
        bool made = false;
        error = wagi_imports_read_one(imports, module, done, &linked->objects[done], &made);
        *ret_made |= made;
        done += !error;
    }
    if (imports && --imports->count == 0)
        wagi_imports_free(imports);
    if (!error) {
        for (uint32_t i = 0; i < count; i++)
            wagi_unit_ref(linked->objects[i]->unit);
        linked->count = count;
    }
    for (uint32_t i = 0; i < done; i++)
        wagi_unit_drop(linked->objects[i]->unit);
    return error;
}

wag_err wagi_link(wag_module *module, wag_imports *imports, wag_linked **ret_linked, wag_error **reterr_error)
{
    wag_agent *agent = wagi_agent_peek();
    wag_linked *linked = agent ? wagi_link_find(agent, module, imports) : NULL;
    if (linked) {
        wagi_linked_hold(linked);
        *ret_linked = linked;
        return WAG_OK;
    }
    wag_error *error = wagi_imports_may_link(module, imports);
    if (error)
        return wagi_fail(error, reterr_error);
    wagi_pool *pool = wagi_pool_get(agent, module);
    linked = pool ? linked_new(pool, module->data->import_count) : NULL;
    if (!linked) {
        if (pool)
            wagi_pool_settle(pool);
        return wagi_fail(wagi_error_nomem(), reterr_error);
    }
    pool->pins++;
    bool made, may_keep = !imports || (imports->is_builder && !imports->is_shared);
    error = read_all(linked, imports, &made);
    if (error) {
        wagi_linked_drop(linked);
        return wagi_fail(error, reterr_error);
    }
    /* What was made for this reading must be made again where it can be told from another's. */
    if (may_keep && !(made && exports_an_import(module->data)))
        keep(linked, linked->count ? imports : NULL);
    *ret_linked = linked;
    return WAG_OK;
}

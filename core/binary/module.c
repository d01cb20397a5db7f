/* A module's memory: making the head, sealing the arena, freeing. */
#include "binary/module.h"

#include "base/alloc.h"

/* Modules alive in this process, for leak tests. relaxed everywhere: a statistic that orders nothing. */
static atomic_size_t live_modules;

wag_module *wagi_module_alloc(struct wag_cluster *cluster, wagi_registry *registry)
{
    wag_module *module = WAGI_NEW(wag_module);
    if (!module)
        return NULL;
    atomic_init(&module->count, 1);
    module->cluster = cluster;
    module->registry = wagi_registry_ref(registry);
    wagi_arena_init(&module->arena);
    atomic_fetch_add_explicit(&live_modules, 1, memory_order_relaxed);
    return module;
}

void wagi_module_free(wag_module *module)
{
    const wagi_module_data *data = module->data;
    if (data)
        for (uint32_t i = 0; i < data->type_count;) {
            const wagi_type *type = data->types[i];
            i += type->group_size;
            wagi_type_group_unref(module->registry, type);
        }
    wagi_arena_fini(&module->arena);
    wagi_registry_unref(module->registry);
    wagi_free(module);
    atomic_fetch_sub_explicit(&live_modules, 1, memory_order_relaxed);
}

bool wagi_module_seal(wag_module *module)
{
    return wagi_arena_seal(&module->arena);
}

size_t wagi_module_live_count(void)
{
    return atomic_load_explicit(&live_modules, memory_order_relaxed);
}

wagi_valtype wagi_local_run_type(const wagi_local_run *runs, size_t count, uint32_t index)
{
    size_t low = 0, high = count - 1; /* the run sought is in [low, high] */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index < runs[middle].end)
            high = middle;
        else
            low = middle + 1;
    }
    return runs[low].type;
}

wagi_valtype wagi_local_type(const wagi_func_body *body, uint32_t index)
{
    return index < body->param_count ? body->type->params[index]
                                     : wagi_local_run_type(body->local_runs, body->local_run_count, index);
}

void wagi_local_types(const wagi_func_body *body, wagi_valtype *ret_types)
{
    uint32_t at = 0;
    while (at < body->param_count) {
        ret_types[at] = body->type->params[at];
        at++;
    }
    for (uint32_t run = 0; run < body->local_run_count; run++)
        while (at < body->local_runs[run].end)
            ret_types[at++] = body->local_runs[run].type;
}

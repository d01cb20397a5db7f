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

/* The count of a Module. It is here and not in api/ because instances and values hold Modules too. */
#include "runtime/pool.h"
#include "runtime/tier.h"

wag_module *wag_module_ref(wag_module *module)
{
    if (module)
        atomic_fetch_add_explicit(&module->count, 1, memory_order_relaxed); /* the caller holds one */
    return module;
}

void wag_module_unref(wag_module *module)
{
    if (!module)
        return;
    /* Before ours goes: afterwards the module may not be there. */
    size_t pools = atomic_load_explicit(&module->pools, memory_order_relaxed);
    /* acq_rel: the last one sees all that the others did before it frees. */
    size_t left = atomic_fetch_sub_explicit(&module->count, 1, memory_order_acq_rel) - 1;
    if (left > 0 && left <= pools && wagi_agent_peek())
        wagi_pool_forsaken(wagi_agent_peek(), module);
    if (left > 0)
        return;
    if (module->tier && module->tier->release)
        module->tier->release(module);
    wag_cluster *cluster = module->cluster;
    wagi_module_free(module);
    wag_cluster_unref(cluster);
}

size_t wag_live_modules(void)
{
    return wagi_module_live_count();
}

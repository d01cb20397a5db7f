/* The agent cluster: limits, types, compile threads. The default one is made by the first thread that wants it. */
#include "base/alloc.h"
#include "base/os.h"
#include "runtime/deadline.h"

enum { DEFAULT_COMPILE_THREADS = 4 };

_Static_assert(sizeof(wagi_limits) == WAG_LIMIT_COUNT * sizeof(uint64_t), "limits are indexed by wag_limit");

wag_err wag_cluster_new(const wag_cluster_options *options, wag_cluster **ret_cluster)
{
    if (options && (unsigned)options->signals > WAG_SIGNALS_NONE)
        return WAG_TYPE;
    wag_cluster *cluster = WAGI_NEW(wag_cluster);
    if (!cluster)
        return WAG_NOMEM;
    cluster->registry = wagi_registry_new(&wagi_default_limits);
    if (!cluster->registry) {
        wagi_free(cluster);
        return WAG_NOMEM;
    }
    atomic_init(&cluster->count, 1);
    cluster->limits = wagi_default_limits;
    cluster->compile_threads = options ? options->compile_threads : 0;
    cluster->reset = options ? options->reset : WAG_RESET_DEFAULT;
    cluster->check_resets = options && options->check_resets;
    cluster->signals = options ? options->signals : WAG_SIGNALS_CHAIN;
    cluster->fuel = options && options->fuel;
    atomic_init(&cluster->reset_mismatches, 0);
    cluster->features = ((uint64_t)1 << WAGI_FEATURE_COUNT) - 1;
    if (!options || !options->custom_page_sizes)
        cluster->features &= ~((uint64_t)1 << WAGI_FEATURE_CUSTOM_PAGE_SIZES);
    if (!options || !options->wide_arithmetic)
        cluster->features &= ~((uint64_t)1 << WAGI_FEATURE_WIDE_ARITHMETIC);
    cluster->perf_map = options && options->perf_map;
    cluster->gdb_jit = options && options->gdb_jit;
    if (cluster->compile_threads == 0) {
        uint32_t processors = wagi_os_cpu_count();
        cluster->compile_threads = processors < DEFAULT_COMPILE_THREADS ? processors : DEFAULT_COMPILE_THREADS;
    }
    wagi_mutex_init(&cluster->lock);
    wagi_mutex_init(&cluster->moving);
    if (ret_cluster)
        *ret_cluster = cluster;
    else
        wag_cluster_unref(cluster);
    return WAG_OK;
}

wag_cluster *wag_cluster_ref(wag_cluster *cluster)
{
    if (cluster)
        atomic_fetch_add_explicit(&cluster->count, 1, memory_order_relaxed); /* the caller holds one */
    return cluster;
}

void wag_cluster_unref(wag_cluster *cluster)
{
    /* acq_rel: the last one sees all that the others did before it frees. */
    if (!cluster || atomic_fetch_sub_explicit(&cluster->count, 1, memory_order_acq_rel) != 1)
        return;
    if (cluster->pool)
        cluster->pool_free(cluster->pool);
    wagi_watchdog_free(cluster->watchdog);
    wagi_registry_unref(cluster->registry);
    wagi_mutex_fini(&cluster->lock);
    wagi_mutex_fini(&cluster->moving);
    wagi_free(cluster);
}

wag_cluster *wag_cluster_default(void)
{
    /* Never freed: it may be used by threads that end after main. Reachable, so no leak checker minds. */
    static _Atomic(wag_cluster *) the_default;
    /* acquire: pairs with the release of the exchange below; the cluster's contents are seen. */
    wag_cluster *cluster = atomic_load_explicit(&the_default, memory_order_acquire);
    if (cluster)
        return cluster;
    wag_cluster *made;
    if (wag_cluster_new(NULL, &made) != WAG_OK)
        return NULL;
    if (atomic_compare_exchange_strong_explicit(&the_default, &cluster, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    wag_cluster_unref(made); /* another thread was first */
    return cluster;
}

/* A limit of a struct by its number. */
static uint64_t *limit_at(wagi_limits *limits, wag_limit limit)
{
    return (uint64_t *)(void *)limits + limit;
}

/* How high a limit may be set. */
static uint64_t highest(wag_limit limit)
{
    wagi_limits built_in = wagi_default_limits;
    switch (limit) {
    case WAG_LIMIT_table_entries:
        return UINT64_MAX;
    case WAG_LIMIT_memory64_pages_declared:
        return (uint64_t)1 << 48;
    default:
        return *limit_at(&built_in, limit);
    }
}

wag_err wag_cluster_set_limit(wag_cluster *cluster, wag_limit limit, uint64_t value)
{
    if (!cluster || (unsigned)limit >= WAG_LIMIT_COUNT)
        return WAG_TYPE;
    if (value > highest(limit))
        return WAG_RANGE;
    *limit_at(&cluster->limits, limit) = value;
    if (limit == WAG_LIMIT_canonical_types)
        wagi_registry_set_limit(cluster->registry, value);
    return WAG_OK;
}

size_t wag_cluster_reset_mismatches(const wag_cluster *cluster)
{
    return cluster ? atomic_load(&cluster->reset_mismatches) : 0;
}

uint64_t wag_cluster_get_limit(const wag_cluster *cluster, wag_limit limit)
{
    if (!cluster || (unsigned)limit >= WAG_LIMIT_COUNT)
        return 0;
    return ((const uint64_t *)(const void *)&cluster->limits)[limit];
}

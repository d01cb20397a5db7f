/* The pools of an agent: finding, keeping, letting go. */
#include "runtime/pool.h"

#include <string.h>

#include "runtime/imports.h"
#include "runtime/quota.h"
#include "runtime/slot.h"
#include "runtime/store.h"

enum {
    READY_MAX = 1024,  /* instances that a pool keeps */
    GUARDED_MAX = 256, /* guarded memories that an agent keeps: each is 8 GiB of addresses */
    TABLE_FIRST = 8
};

static size_t place_of(const wag_module *module, size_t size)
{
    return (size_t)(((uint64_t)(uintptr_t)module * 0x9E3779B97F4A7C15u) >> 32) & (size - 1);
}

wagi_pool *wagi_pool_find(const wag_agent *agent, const wag_module *module)
{
    if (agent->pools.last && agent->pools.last->module == module)
        return agent->pools.last;
    if (!agent->pools.size)
        return NULL;
    wagi_pool *pool = agent->pools.table[place_of(module, agent->pools.size)];
    while (pool && pool->module != module)
        pool = pool->next;
    return pool;
}

/* Room for one more. */
static bool reserve(wag_agent *agent)
{
    size_t old_size = agent->pools.size, size = old_size ? old_size * 2 : TABLE_FIRST;
    if (agent->pools.count < old_size)
        return true;
    wagi_pool **table = wagi_alloc_zero(size, sizeof *table);
    if (!table)
        return false;
    for (size_t i = 0; i < old_size; i++)
        for (wagi_pool *pool = agent->pools.table[i], *next; pool; pool = next) {
            next = pool->next;
            wagi_pool **place = &table[place_of(pool->module, size)];
            pool->next = *place;
            *place = pool;
        }
    wagi_free(agent->pools.table);
    agent->pools.table = table;
    agent->pools.size = size;
    return true;
}

static bool is_forsaken(const wag_module *module)
{
    /* acquire: pairs with the release of those who dropped theirs; only we free the pool, so a stale answer is
     * harmless.
     */
    return atomic_load_explicit(&module->count, memory_order_acquire) <=
           atomic_load_explicit(&module->pools, memory_order_acquire);
}

static void free_instance(wag_instance *instance)
{
    wagi_instance_wake(instance);
    wagi_instance_close(instance);
    wagi_free(instance);
}

/* What a ready instance keeps: its block, and what its memories have. */
static void weigh(wag_instance *instance)
{
    const wagi_module_data *data = instance->data;
    size_t weight = instance->block_size;
    uint32_t guarded = 0;
    for (uint32_t i = data->memory_import_count; i < data->memory_count; i++) {
        weight += (size_t)wagi_slot_resident(instance->memories[i]);
        guarded += instance->memories[i]->is_guarded;
    }
    instance->ready_weight = weight;
    instance->ready_guarded = guarded;
}

static void free_ready(wagi_pool *pool)
{
    while (pool->ready.n)
        free_instance(wagi_pool_take(pool));
}

static void pool_free(wagi_pool *pool)
{
    wag_module *module = pool->module;
    free_ready(pool);
    WAGI_VEC_FREE(&pool->ready);
    wagi_pool_unlearn(pool);
    wagi_free(pool);
    atomic_fetch_sub_explicit(&module->pools, 1, memory_order_relaxed); /* count decides, and comes after */
    wag_module_unref(module);
}

static void unlink_pool(wagi_pool *pool)
{
    wag_agent *agent = pool->agent;
    wagi_pool **link = &agent->pools.table[place_of(pool->module, agent->pools.size)];
    while (*link != pool)
        link = &(*link)->next;
    *link = pool->next;
    agent->pools.count--;
    if (agent->pools.last == pool)
        agent->pools.last = NULL;
}

static bool settle(wagi_pool *pool)
{
    if (pool->instances || pool->pins || pool->agent->closing || !is_forsaken(pool->module))
        return false;
    unlink_pool(pool);
    wagi_links_leave(pool);
    pool_free(pool);
    return true;
}

void wagi_pool_settle(wagi_pool *pool)
{
    settle(pool);
}

void wagi_pool_forsaken(wag_agent *agent, const wag_module *module)
{
    wagi_pool *pool = wagi_pool_find(agent, module);
    if (pool)
        wagi_pool_settle(pool);
}

/* Pools whose modules other threads have dropped. */
static void settle_all(wag_agent *agent)
{
    for (size_t i = 0; i < agent->pools.size; i++) {
        wagi_pool *pool = agent->pools.table[i];
        while (pool) /* a finalizer may change the whole table */
            pool = settle(pool) && i < agent->pools.size ? agent->pools.table[i] : pool->next;
    }
}

wagi_pool *wagi_pool_get(wag_agent *agent, wag_module *module)
{
    wagi_pool *pool = wagi_pool_find(agent, module);
    if (pool) {
        agent->pools.last = pool;
        return pool;
    }
    settle_all(agent);
    pool = WAGI_NEW(wagi_pool);
    if (!pool || !reserve(agent)) {
        wagi_free(pool);
        return NULL;
    }
    pool->agent = agent;
    pool->module = module;
    pool->layout = wagi_instance_layout_of(module->data);
    if (!wagi_pool_learn(pool)) {
        wagi_pool_unlearn(pool);
        wagi_free(pool);
        return NULL;
    }
    wag_module_ref(module);
    atomic_fetch_add_explicit(&module->pools, 1, memory_order_relaxed); /* a reader who misses it lets go later */
    wagi_pool **place = &agent->pools.table[place_of(module, agent->pools.size)];
    pool->next = *place;
    *place = pool;
    agent->pools.count++;
    agent->pools.last = pool;
    return pool;
}

wag_instance *wagi_pool_take(wagi_pool *pool)
{
    if (pool->ready.n == 0)
        return NULL;
    wag_instance *instance = pool->ready.p[--pool->ready.n];
    wagi_instance_wake(instance);
    wagi_pool_account(pool, instance, false);
    return instance;
}

static bool is_full(const wag_agent *agent)
{
    return agent->pools.ready_guarded > GUARDED_MAX || agent->pools.ready_bytes > agent->cluster->limits.ready_bytes;
}

/* The pool that keeps most of what there is too much of. */
static wagi_pool *largest(const wag_agent *agent)
{
    bool by_count = agent->pools.ready_guarded > GUARDED_MAX;
    wagi_pool *largest = NULL;
    size_t most = 0;
    for (size_t i = 0; i < agent->pools.size; i++)
        for (wagi_pool *pool = agent->pools.table[i]; pool; pool = pool->next) {
            size_t size = by_count ? pool->ready_guarded : pool->ready_bytes;
            if (size > most) {
                most = size;
                largest = pool;
            }
        }
    return largest;
}

/* Free ready instances, the coldest first, until what is kept is within the limits. */
static void make_room(wag_agent *agent)
{
    wagi_pool *pool;
    while (is_full(agent) && (pool = largest(agent)) != NULL) {
        wag_instance *instance = pool->ready.p[0];
        wagi_instance_wake(instance);
        wagi_pool_account(pool, instance, false);
        memmove(pool->ready.p, pool->ready.p + 1, --pool->ready.n * sizeof *pool->ready.p);
        free_instance(instance);
    }
}

/* Reset and put away. */
static bool keep(wagi_pool *pool, wag_instance *instance)
{
    wag_agent *agent = pool->agent;
    if (!pool->recyclable || !instance->complete || agent->closing || pool->ready.n == READY_MAX)
        return false;
    if (!WAGI_VEC_RESERVE(&pool->ready, 1) || !wagi_instance_reset(instance))
        return false;
    if (pool->plans)
        weigh(instance);
    wagi_pool_account(pool, instance, true);
    pool->ready.p[pool->ready.n++] = instance;
    wagi_instance_sleep(instance);
    if (is_full(agent))
        make_room(agent);
    return true;
}

void wagi_pool_give(wag_instance *instance)
{
    wagi_pool *pool = instance->pool;
    if (instance->space)
        wagi_gc_leave(instance);
    pool->instances--;
    wagi_quota_give_instance(pool->agent);
    if (!keep(pool, instance))
        free_instance(instance);
    if (pool->instances == 0 && pool->pins == 0)
        wagi_pool_settle(pool);
}

bool wagi_pools_trim(wag_agent *agent)
{
    size_t before = agent->pools.count, freed = 0;
    settle_all(agent);
    for (size_t i = 0; i < agent->pools.size; i++)
        for (wagi_pool *pool = agent->pools.table[i]; pool; pool = pool->next) {
            freed += pool->ready.n;
            free_ready(pool);
        }
    return freed || agent->pools.count < before;
}

void wagi_pools_free(wag_agent *agent)
{
    for (size_t i = 0; i < agent->pools.size; i++)
        for (wagi_pool *pool; (pool = agent->pools.table[i]) != NULL;) {
            unlink_pool(pool); /* freeing it may drop a module's last other reference, which looks for its pool */
            wagi_links_leave(pool);
            pool_free(pool);
        }
    wagi_free(agent->pools.table);
    agent->pools.table = NULL;
    agent->pools.size = agent->pools.count = 0;
    agent->pools.last = NULL;
}

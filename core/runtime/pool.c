/* The pools of an agent: finding, keeping, letting go. */
#include "runtime/pool.h"

#include <string.h>

#include "runtime/imports.h"
#include "runtime/quota.h"
#include "runtime/slot.h"
#include "runtime/store.h"

enum {
    READY_MAX = 1024, /* instances that a pool keeps */
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

/* What there may be too much of. */
typedef enum measure { BYTES, GUARDED, MEMORY } measure;

static uint64_t amount(measure what, size_t bytes, uint32_t guarded, uint64_t memory)
{
    return what == BYTES ? bytes : what == GUARDED ? guarded : memory;
}

/* Of all that the agent keeps ready, free one: the coldest of the pool that keeps most. False when there is none. */
static bool free_one(wag_agent *agent, measure what)
{
    wagi_pool *pool = NULL;
    wagi_memory_pool *memories = NULL;
    uint64_t most = 0, size;
    for (size_t i = 0; i < agent->pools.size; i++)
        for (wagi_pool *p = agent->pools.table[i]; p; p = p->next)
            if ((size = amount(what, p->ready_bytes, p->ready_guarded, p->ready.n * p->memory_bytes)) > most) {
                most = size;
                pool = p;
            }
    for (wagi_memory_pool *p = agent->pools.memories; p; p = p->next)
        if ((size = amount(what, p->ready_bytes, p->ready_guarded,
                           p->ready.n * (p->type.limits.minimum << p->type.page_size_log2))) > most) {
            most = size;
            memories = p;
        }
    if (memories) {
        wagi_memory_pool_free_coldest(memories);
    } else if (pool) {
        wag_instance *instance = pool->ready.p[0];
        wagi_instance_wake(instance);
        wagi_pool_account(pool, instance, false);
        memmove(pool->ready.p, pool->ready.p + 1, --pool->ready.n * sizeof *pool->ready.p);
        free_instance(instance);
    }
    return most > 0;
}

void wagi_pools_fit(wag_agent *agent)
{
    while (wagi_pools_are_full(agent) &&
           free_one(agent, agent->pools.ready_guarded > WAGI_READY_GUARDED ? GUARDED : BYTES)) {
    }
}

wag_err wagi_pools_take_memory(wagi_unit *unit, uint64_t size)
{
    wag_agent *agent = unit->agent;
    wag_err err = wagi_quota_take_for(unit, WAGI_QUOTA_MEMORY, size);
    if (err == WAG_OK || !agent->pools.ready_memory || wagi_quota_is_own(unit, WAGI_QUOTA_MEMORY, size) ||
        !wagi_quota_could_take(agent, WAGI_QUOTA_MEMORY, size, agent->pools.ready_memory))
        return err;
    while (err != WAG_OK && free_one(agent, MEMORY))
        err = wagi_quota_take_for(unit, WAGI_QUOTA_MEMORY, size);
    return err;
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
    if (wagi_pools_are_full(agent))
        wagi_pools_fit(agent);
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
    for (wagi_memory_pool *pool = agent->pools.memories; pool; pool = pool->next)
        for (; pool->ready.n; freed++)
            wagi_memory_pool_free_coldest(pool);
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
    wagi_memory_pools_free(agent);
    wagi_free(agent->pools.table);
    agent->pools.table = NULL;
    agent->pools.size = agent->pools.count = 0;
    agent->pools.last = NULL;
}

/* Memories that the host makes, used again: kept by type when they die, reset like those of instances.
 *
 * Nobody knows when a memory is made which module will import it. What its instances usually write is learned all the
 * same, by type: who makes memories of one type again and again makes them for one module. A memory that was imported
 * by a module with guard pages keeps them, so it moves there once and not in each life.
 *
 * A host with more types than TYPES gets those kept that it used last, and the others as if there were no pool.
 */
#include "base/alloc.h"
#include "runtime/pool.h"
#include "runtime/slot.h"
#include "runtime/store.h"

enum {
    TYPES = 16,
    READY_MAX = 256 /* memories of one type */
};

/* Shared memories are in no pool, and of no type that is. */
static bool same_type(wagi_memory_type a, wagi_memory_type b)
{
    return !a.limits.is_shared && !b.limits.is_shared && a.limits.minimum == b.limits.minimum &&
           a.limits.has_maximum == b.limits.has_maximum &&
           (!a.limits.has_maximum || a.limits.maximum == b.limits.maximum) && a.limits.is_64 == b.limits.is_64 &&
           a.page_size_log2 == b.page_size_log2;
}

/* Nobody may touch a ready memory, says this to AddressSanitizer; but where it is the slots' table asks. */
static void sleep_unit(wagi_unit *unit)
{
    WAGI_POISON(unit, sizeof *unit);
}

static void wake_unit(wagi_unit *unit)
{
    WAGI_UNPOISON(unit, sizeof *unit);
}

static uint64_t weight_of(const wag_memory *memory)
{
    return sizeof(wagi_unit) + sizeof *memory + wagi_slot_resident(memory);
}

/* A ready memory comes or goes. */
static void account(wagi_memory_pool *pool, const wag_memory *memory, bool comes)
{
    size_t sign = comes ? 1 : (size_t)-1, bytes = (size_t)weight_of(memory) * sign;
    uint32_t guarded = memory->is_guarded * (uint32_t)sign;
    pool->ready_bytes += bytes;
    pool->ready_guarded += guarded;
    pool->agent->pools.ready_bytes += bytes;
    pool->agent->pools.ready_guarded += guarded;
    pool->agent->pools.ready_memory += memory->size * sign;
}

static void close_and_free(wag_memory *memory)
{
    wagi_unit *unit = memory->object.unit;
    wagi_memory_close(memory);
    wagi_free(unit);
}

void wagi_memory_pool_free_coldest(wagi_memory_pool *pool)
{
    wag_memory *memory = pool->ready.p[0];
    wake_unit(memory->object.unit);
    account(pool, memory, false);
    pool->ready.n--;
    for (size_t i = 0; i < pool->ready.n; i++)
        pool->ready.p[i] = pool->ready.p[i + 1];
    close_and_free(memory);
}

/* It must be linked nowhere, and none of its memories alive. */
static void pool_free(wagi_memory_pool *pool)
{
    while (pool->ready.n)
        wagi_memory_pool_free_coldest(pool);
    WAGI_VEC_FREE(&pool->ready);
    for (int i = 0; pool->plans && i < 2; i++)
        wagi_plan_fini(&pool->plans[i]);
    wagi_free(pool->plans);
    wagi_free(pool);
}

void wagi_memory_pools_free(wag_agent *agent)
{
    while (agent->pools.memories) {
        wagi_memory_pool *pool = agent->pools.memories;
        agent->pools.memories = pool->next;
        pool_free(pool);
    }
}

/* The pool of this type, first in the list from now on; NULL when there is none. */
static wagi_memory_pool *find(wag_agent *agent, wagi_memory_type type)
{
    for (wagi_memory_pool **link = &agent->pools.memories; *link; link = &(*link)->next) {
        wagi_memory_pool *pool = *link;
        if (!same_type(pool->type, type))
            continue;
        *link = pool->next;
        pool->next = agent->pools.memories;
        agent->pools.memories = pool;
        return pool;
    }
    return NULL;
}

/* Room for one more in the list. */
static bool reserve(wag_agent *agent)
{
    size_t count = 0;
    wagi_memory_pool **oldest = NULL;
    for (wagi_memory_pool **link = &agent->pools.memories; *link; link = &(*link)->next) {
        count++;
        if ((*link)->alive == 0)
            oldest = link;
    }
    if (count < TYPES)
        return true;
    if (!oldest)
        return false;
    wagi_memory_pool *pool = *oldest;
    *oldest = pool->next;
    pool_free(pool);
    return true;
}

static wagi_memory_pool *make(wag_agent *agent, wagi_memory_type type)
{
    if (!reserve(agent))
        return NULL;
    wagi_memory_pool *pool = WAGI_NEW(wagi_memory_pool);
    wagi_memory_plan *plans = pool ? wagi_alloc_zero(2, sizeof *plans) : NULL;
    if (!plans) {
        wagi_free(pool);
        return NULL;
    }
    for (int guarded = 0; guarded < 2; guarded++)
        wagi_plan_init(&plans[guarded], agent->cluster, type, NULL, guarded && wagi_memory_can_be_guarded(type));
    pool->agent = agent;
    pool->type = type;
    pool->plans = plans;
    pool->next = agent->pools.memories;
    agent->pools.memories = pool;
    return pool;
}

wag_memory *wagi_memory_pool_take(wag_agent *agent, wagi_memory_type type)
{
    wagi_memory_pool *pool = find(agent, type);
    /* The agent's limit may have been lowered: then there is room to be made. */
    if (!pool || pool->ready.n == 0 ||
        agent->quotas[WAGI_QUOTA_MEMORY].used > agent->cluster->limits.agent_memory_bytes)
        return NULL;
    wag_memory *memory = pool->ready.p[--pool->ready.n];
    wake_unit(memory->object.unit);
    account(pool, memory, false);
    pool->alive++;
    wagi_unit_begin(memory->object.unit);
    return memory;
}

void wagi_memory_pool_join(wag_memory *memory)
{
    wag_agent *agent = memory->object.unit->agent;
    if (memory->shared || memory->type.page_size_log2 != 16 || agent->closing)
        return;
    wagi_memory_pool *pool = find(agent, memory->type);
    if (!pool && !(pool = make(agent, memory->type)))
        return;
    pool->alive++;
    memory->pool = pool;
    wagi_slot_begin(memory, &pool->plans[memory->is_guarded]);
}

void wagi_memory_pool_guarded(wag_memory *memory)
{
    if (memory->pool)
        wagi_slot_begin(memory, &memory->pool->plans[1]);
}

bool wagi_memory_pool_give(wag_memory *memory)
{
    wagi_memory_pool *pool = memory->pool;
    if (!pool)
        return false;
    wagi_unit *unit = memory->object.unit;
    pool->alive--;
    if (pool->agent->closing || pool->ready.n == READY_MAX || !WAGI_VEC_RESERVE(&pool->ready, 1) ||
        !wagi_slot_reset(memory)) {
        memory->pool = NULL;
        return false;
    }
    unit->refs = 0; /* a collection cuts no edges */
    unit->infos = NULL;
    account(pool, memory, true);
    pool->ready.p[pool->ready.n++] = memory;
    sleep_unit(unit);
    if (wagi_pools_are_full(pool->agent))
        wagi_pools_fit(pool->agent);
    return true;
}

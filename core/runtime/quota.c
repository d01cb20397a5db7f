/* Quotas of agents and clusters. */
#include "runtime/quota.h"

#include "runtime/store.h"

static uint64_t agent_limit(const wag_agent *agent, wagi_quota_kind kind)
{
    const wagi_limits *limits = &agent->cluster->limits;
    return kind == WAGI_QUOTA_INSTANCES ? limits->agent_instances
           : kind == WAGI_QUOTA_MEMORY  ? limits->agent_memory_bytes
           : kind == WAGI_QUOTA_TABLES  ? limits->agent_table_entries
                                        : limits->heap_bytes;
}

static uint64_t cluster_limit(const wag_agent *agent, wagi_quota_kind kind)
{
    const wagi_limits *limits = &agent->cluster->limits;
    return kind == WAGI_QUOTA_INSTANCES ? limits->cluster_instances
           : kind == WAGI_QUOTA_MEMORY  ? limits->cluster_memory_bytes
           : kind == WAGI_QUOTA_TABLES  ? limits->cluster_table_entries
                                        : limits->cluster_heap_bytes;
}

/* What is taken from the cluster at once: no more than leaves room for some dozens of agents. */
static uint64_t chunk_of(const wag_agent *agent, wagi_quota_kind kind)
{
    static const uint64_t chunks[] = {256, 64 << 20, 1 << 20, 16 << 20};
    uint64_t share = cluster_limit(agent, kind) / 64;
    return share < chunks[kind] ? share : chunks[kind];
}

static bool take_of_cluster(wag_agent *agent, wagi_quota_kind kind, uint64_t amount)
{
    atomic_uint_least64_t *taken = &agent->cluster->taken[kind];
    uint64_t limit = cluster_limit(agent, kind), now = atomic_load_explicit(taken, memory_order_relaxed);
    do { /* relaxed: a sum that publishes nothing */
        if (now > limit || amount > limit - now)
            return false;
    } while (
        !atomic_compare_exchange_weak_explicit(taken, &now, now + amount, memory_order_relaxed, memory_order_relaxed));
    agent->quotas[kind].granted += amount;
    agent->quotas[kind].spare = 4 * chunk_of(agent, kind);
    return true;
}

wag_err wagi_quota_take(wag_agent *agent, wagi_quota_kind kind, uint64_t amount)
{
    wagi_quota *quota = &agent->quotas[kind];
    uint64_t limit = agent_limit(agent, kind);
    if (quota->used > limit || amount > limit - quota->used)
        return WAG_QUOTA;
    if (amount > quota->granted - quota->used) {
        uint64_t missing = amount - (quota->granted - quota->used), chunk = chunk_of(agent, kind);
        uint64_t wanted = missing < UINT64_MAX - chunk ? missing + chunk : missing;
        if (!take_of_cluster(agent, kind, wanted) && !take_of_cluster(agent, kind, missing))
            return WAG_QUOTA;
    }
    quota->used += amount;
    return WAG_OK;
}

bool wagi_quota_could_take(const wag_agent *agent, wagi_quota_kind kind, uint64_t amount, uint64_t given)
{
    uint64_t used = agent->quotas[kind].used - given, limit = agent_limit(agent, kind);
    if (used > limit || amount > limit - used)
        return false;
    uint64_t in_hand = agent->quotas[kind].granted - used, whole = cluster_limit(agent, kind);
    /* relaxed: a sum that publishes nothing */
    uint64_t taken = atomic_load_explicit(&agent->cluster->taken[kind], memory_order_relaxed);
    return amount <= in_hand || (taken <= whole && amount - in_hand <= whole - taken);
}

static void give_to_cluster(wag_agent *agent, wagi_quota_kind kind, uint64_t amount)
{
    agent->quotas[kind].granted -= amount;
    atomic_fetch_sub_explicit(&agent->cluster->taken[kind], amount, memory_order_relaxed);
}

void wagi_quota_give(wag_agent *agent, wagi_quota_kind kind, uint64_t amount)
{
    wagi_quota *quota = &agent->quotas[kind];
    quota->used -= amount;
    uint64_t spare = quota->granted - quota->used;
    if (spare > quota->spare) /* far enough from where more is taken */
        give_to_cluster(agent, kind, spare - quota->spare / 4);
}

static wag_error *exceeded(wagi_quota_kind kind, uint64_t amount, uint64_t limit, const char *whose)
{
    static const char *const words[] = {"instances", "bytes of memory", "table entries", "bytes of heap"};
    return wagi_error_new(WAG_QUOTA, "no %llu more %s: the limit of %llu for %s would be exceeded",
                          (unsigned long long)amount, words[kind], (unsigned long long)limit, whose);
}

wag_error *wagi_quota_error(const wag_agent *agent, wagi_quota_kind kind, uint64_t amount)
{
    uint64_t own = agent_limit(agent, kind), used = agent->quotas[kind].used;
    bool is_own = used > own || amount > own - used;
    return exceeded(kind, amount, is_own ? own : cluster_limit(agent, kind), is_own ? "an agent" : "the cluster");
}

/* ---- of instances ---- */

static uint64_t instance_limit(const wag_agent *agent, wagi_quota_kind kind)
{
    const wagi_limits *limits = &agent->cluster->limits;
    return kind == WAGI_QUOTA_MEMORY ? limits->instance_memory_bytes : limits->instance_table_entries;
}

/* What the instance has; NULL for a unit that is none. */
static uint64_t *used_by(wagi_unit *unit, wagi_quota_kind kind)
{
    if (unit->kind != WAGI_OBJECT_INSTANCE)
        return NULL;
    wag_instance *instance = (wag_instance *)wagi_unit_object(unit);
    return kind == WAGI_QUOTA_MEMORY ? &instance->memory_bytes : &instance->table_entries;
}

bool wagi_quota_is_own(wagi_unit *unit, wagi_quota_kind kind, uint64_t amount)
{
    const uint64_t *used = used_by(unit, kind);
    uint64_t limit = instance_limit(unit->agent, kind);
    return used && (*used > limit || amount > limit - *used);
}

wag_err wagi_quota_take_for(wagi_unit *unit, wagi_quota_kind kind, uint64_t amount)
{
    uint64_t *used = used_by(unit, kind);
    if (wagi_quota_is_own(unit, kind, amount) || wagi_quota_take(unit->agent, kind, amount) != WAG_OK)
        return WAG_QUOTA;
    if (used)
        *used += amount;
    return WAG_OK;
}

void wagi_quota_give_for(wagi_unit *unit, wagi_quota_kind kind, uint64_t amount)
{
    uint64_t *used = used_by(unit, kind);
    if (used)
        *used -= amount;
    wagi_quota_give(unit->agent, kind, amount);
}

wag_error *wagi_quota_error_for(wagi_unit *unit, wagi_quota_kind kind, uint64_t amount)
{
    return wagi_quota_is_own(unit, kind, amount)
               ? exceeded(kind, amount, instance_limit(unit->agent, kind), "an instance")
               : wagi_quota_error(unit->agent, kind, amount);
}

void wagi_quotas_close(wag_agent *agent)
{
    for (int kind = 0; kind < WAGI_QUOTA_COUNT; kind++)
        give_to_cluster(agent, (wagi_quota_kind)kind, agent->quotas[kind].granted);
}

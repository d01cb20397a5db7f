/* Quotas of agents and clusters. */
#include "runtime/quota.h"

static uint64_t agent_limit(const wag_agent *agent, wagi_quota_kind kind)
{
    const wagi_limits *limits = &agent->cluster->limits;
    return kind == WAGI_QUOTA_INSTANCES ? limits->agent_instances
           : kind == WAGI_QUOTA_MEMORY  ? limits->agent_memory_bytes
                                        : limits->agent_table_entries;
}

static uint64_t cluster_limit(const wag_agent *agent, wagi_quota_kind kind)
{
    const wagi_limits *limits = &agent->cluster->limits;
    return kind == WAGI_QUOTA_INSTANCES ? limits->cluster_instances
           : kind == WAGI_QUOTA_MEMORY  ? limits->cluster_memory_bytes
                                        : limits->cluster_table_entries;
}

/* What is taken from the cluster at once. */
static uint64_t chunk_of(wagi_quota_kind kind)
{
    return kind == WAGI_QUOTA_INSTANCES ? WAGI_INSTANCE_CHUNK : kind == WAGI_QUOTA_MEMORY ? 64 << 20 : 1 << 20;
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
    return true;
}

wag_err wagi_quota_take(wag_agent *agent, wagi_quota_kind kind, uint64_t amount)
{
    wagi_quota *quota = &agent->quotas[kind];
    uint64_t limit = agent_limit(agent, kind);
    if (quota->used > limit || amount > limit - quota->used)
        return WAG_QUOTA;
    if (amount > quota->granted - quota->used) {
        uint64_t missing = amount - (quota->granted - quota->used), chunk = chunk_of(kind);
        uint64_t wanted = missing < UINT64_MAX - chunk ? missing + chunk : missing;
        if (!take_of_cluster(agent, kind, wanted) && !take_of_cluster(agent, kind, missing))
            return WAG_QUOTA;
    }
    quota->used += amount;
    return WAG_OK;
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
    uint64_t spare = quota->granted - quota->used, chunk = chunk_of(kind);
    if (spare > 4 * chunk) /* far enough from where more is taken */
        give_to_cluster(agent, kind, spare - chunk);
}

wag_error *wagi_quota_error(const wag_agent *agent, wagi_quota_kind kind, uint64_t amount)
{
    static const char *const words[] = {"instances", "bytes of memory", "table entries"};
    uint64_t own = agent_limit(agent, kind), used = agent->quotas[kind].used;
    bool is_own = used > own || amount > own - used;
    return wagi_error_new(WAG_QUOTA, "no %llu more %s: the limit of %llu for %s would be exceeded",
                          (unsigned long long)amount, words[kind],
                          (unsigned long long)(is_own ? own : cluster_limit(agent, kind)),
                          is_own ? "an agent" : "the cluster");
}

void wagi_quotas_close(wag_agent *agent)
{
    for (int kind = 0; kind < WAGI_QUOTA_COUNT; kind++)
        give_to_cluster(agent, (wagi_quota_kind)kind, agent->quotas[kind].granted);
}

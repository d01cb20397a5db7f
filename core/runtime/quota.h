/* Quotas: how much of a thing an agent has, against the agent's limit and its cluster's, and an instance against its
 * own.
 *
 * The agent counts plainly. Of what the cluster allows it takes more than it needs at once, in chunks, and gives back
 * what it has too much of; so instantiating writes nothing that another thread writes. A cluster's limit is exact in
 * what it never exceeds, and can refuse early by a few chunks for each other agent. Owner thread. */
#ifndef WAGI_RUNTIME_QUOTA_H
#define WAGI_RUNTIME_QUOTA_H

#include "runtime/agent.h"

/* WAG_OK, or WAG_QUOTA and then nothing was taken. */
wag_err wagi_quota_take(wag_agent *agent, wagi_quota_kind kind, uint64_t amount);
void wagi_quota_give(wag_agent *agent, wagi_quota_kind kind, uint64_t amount);
/* Would taking `amount` do, after `given` had been given back? Changes nothing. */
bool wagi_quota_could_take(const wag_agent *agent, wagi_quota_kind kind, uint64_t amount, uint64_t given);
/* The same of memory or table entries, for what belongs to this unit: an instance has a limit, too. */
wag_err wagi_quota_take_for(wagi_unit *unit, wagi_quota_kind kind, uint64_t amount);
void wagi_quota_give_for(wagi_unit *unit, wagi_quota_kind kind, uint64_t amount);
/* Is it the instance's own limit that refuses? */
bool wagi_quota_is_own(wagi_unit *unit, wagi_quota_kind kind, uint64_t amount);
wag_error *wagi_quota_error_for(wagi_unit *unit, wagi_quota_kind kind, uint64_t amount);
/* wagi_quota_take for one instance, of which the steady state takes and gives one after the other. */
static inline wag_err wagi_quota_take_instance(wag_agent *agent)
{
    wagi_quota *quota = &agent->quotas[WAGI_QUOTA_INSTANCES];
    if (quota->used >= quota->granted || quota->used >= agent->cluster->limits.agent_instances)
        return wagi_quota_take(agent, WAGI_QUOTA_INSTANCES, 1);
    quota->used++;
    return WAG_OK;
}
static inline void wagi_quota_give_instance(wag_agent *agent)
{
    wagi_quota *quota = &agent->quotas[WAGI_QUOTA_INSTANCES];
    if (quota->granted - quota->used >= quota->spare)
        wagi_quota_give(agent, WAGI_QUOTA_INSTANCES, 1);
    else
        quota->used--;
}
/* An error that says which limit it was and how high it is. */
wag_error *wagi_quota_error(const wag_agent *agent, wagi_quota_kind kind, uint64_t amount);
/* The agent ends: all goes back to the cluster. */
void wagi_quotas_close(wag_agent *agent);

#endif

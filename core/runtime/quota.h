/* Quotas: how much of a thing an agent has, against the agent's limit and its cluster's.
 *
 * The agent counts plainly. Of what the cluster allows it takes more than it needs at once, in chunks, and gives back
 * what it has too much of; so instantiating writes nothing that another thread writes. A cluster's limit is exact in
 * what it never exceeds, and can refuse early by a chunk for each other agent. Owner thread. */
#ifndef WAGI_RUNTIME_QUOTA_H
#define WAGI_RUNTIME_QUOTA_H

#include "runtime/agent.h"

/* WAG_OK, or WAG_QUOTA and then nothing was taken. */
wag_err wagi_quota_take(wag_agent *agent, wagi_quota_kind kind, uint64_t amount);
void wagi_quota_give(wag_agent *agent, wagi_quota_kind kind, uint64_t amount);
/* An error that says which limit it was and how high it is. */
wag_error *wagi_quota_error(const wag_agent *agent, wagi_quota_kind kind, uint64_t amount);
/* The agent ends: all goes back to the cluster. */
void wagi_quotas_close(wag_agent *agent);

#endif

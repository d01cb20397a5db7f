/* Deadlines of agents: the cluster's watchdog, one thread that stops agents when their time is up.
 *
 * It is the only thing in the library that measures time for code that runs. An agent's deadline is one word. Setting
 * and clearing it costs an atomic exchange: the watchdog is woken only when a deadline is earlier than the time at
 * which it will look anyway. */
#ifndef WAGI_RUNTIME_DEADLINE_H
#define WAGI_RUNTIME_DEADLINE_H

#include "runtime/agent.h"

/* Replace the agent's deadline (wagi_clock_ns; UINT64_MAX: none), and forget that the last one has passed. One that has
 * passed already stops the agent before this returns. Owner thread. WAG_SYSTEM: there can be no thread; nothing
 * changed. */
wag_err wagi_deadline_set(wag_agent *agent, uint64_t deadline_ns);
/* The agent's; WAGI_DEADLINE_PASSED when it has passed and nobody has answered. Owner thread. */
static inline uint64_t wagi_deadline_get(const wag_agent *agent)
{
    return atomic_load(&agent->deadline.at);
}
/* The agent ends. */
void wagi_deadline_close(wag_agent *agent);
/* The cluster ends: nobody has a deadline any more. NULL is a no-op. */
void wagi_watchdog_free(struct wagi_watchdog *watchdog);

#endif

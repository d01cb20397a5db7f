/* waggle/agent.h: the agent, its loop and its timers. Checks, then one call inward. */
#include "waggle/agent.h"

#include "base/os.h"
#include "runtime/loop.h"

wag_err wag_agent_open(wag_cluster *cluster)
{
    return cluster ? wagi_agent_open(cluster) : WAG_TYPE;
}

wag_err wag_agent_close(void)
{
    return wagi_agent_close();
}

/* The functions that only look or run what is there need no agent: a thread without one has nothing. */

bool wag_agent_turn(void)
{
    wag_agent *agent = wagi_agent_peek();
    return agent && wagi_loop_turn(agent->loop);
}

wag_err wag_agent_run(void)
{
    wag_agent *agent = wagi_agent_peek();
    return agent ? wagi_loop_run(agent->loop, NULL) : WAG_OK;
}

int wag_agent_fd(void)
{
    wag_agent *agent = wag_agent_current();
    return agent ? wagi_loop_fd(agent->loop) : -1;
}

wag_err wag_agent_set_can_block(bool can_block)
{
    wag_agent *agent = wag_agent_current();
    if (!agent)
        return WAG_NOMEM;
    agent->can_block = can_block;
    return WAG_OK;
}

wag_err wag_timer_start(uint64_t milliseconds, void (*callback)(void *context), void *context, uint64_t *ret_timer)
{
    if (!callback)
        return WAG_TYPE;
    wag_agent *agent = wag_agent_current();
    if (!agent)
        return WAG_NOMEM;
    return wagi_loop_timer_start(agent->loop, wagi_clock_after_ms(milliseconds), callback, context, ret_timer);
}

bool wag_timer_cancel(uint64_t timer)
{
    wag_agent *agent = wagi_agent_peek();
    return agent && wagi_loop_timer_cancel(agent->loop, timer);
}

wag_err wag_on_unhandled_rejection(void (*hook)(void *context, const wag_error *error), void *context)
{
    wag_agent *agent = wag_agent_current();
    if (!agent)
        return WAG_NOMEM;
    agent->promises.hook = hook;
    agent->promises.hook_context = context;
    return WAG_OK;
}

void wag_agent_collect(void)
{
    wag_agent *agent = wagi_agent_peek();
    if (agent)
        wagi_store_collect(agent);
}

size_t wag_agent_live_objects(void)
{
    wag_agent *agent = wagi_agent_peek();
    return agent ? agent->unit_count - agent->linked_units : 0;
}

/* waggle/agent.h: stopping an agent, deadlines, fuel, and waits that a stop ends. */
#include "api/check.h"
#include "base/os.h"
#include "runtime/deadline.h"
#include "runtime/loop.h"
#include "waggle/agent.h"

_Static_assert((int)WAG_FD_READ == WAGI_FD_READ && (int)WAG_FD_WRITE == WAGI_FD_WRITE &&
                   (int)WAG_FD_ERROR == WAGI_FD_ERROR,
               "the same bits");
_Static_assert(WAG_NO_DEADLINE == UINT64_MAX, "as in deadline.h");

void wag_agent_interrupt(wag_agent *agent)
{
    wagi_agent_raise(agent, WAGI_STOP_INTERRUPT);
}

void wag_agent_terminate(wag_agent *agent)
{
    wagi_agent_raise(agent, WAGI_STOP_TERMINATE);
}

bool wag_agent_interrupted(void)
{
    wag_agent *agent = wagi_agent_peek();
    return agent && wagi_agent_poll(agent);
}

wag_err wag_agent_stop_reason(void)
{
    wag_agent *agent = wagi_agent_peek();
    return agent ? wagi_agent_stop(agent) : WAG_OK;
}

/* ---- deadlines ---- */

uint64_t wag_clock_ns(void)
{
    return wagi_clock_ns();
}

uint64_t wag_deadline_in(uint64_t duration_ns)
{
    uint64_t now = wagi_clock_ns();
    return duration_ns < WAG_NO_DEADLINE - now ? now + duration_ns : WAG_NO_DEADLINE;
}

wag_err wag_agent_set_deadline(uint64_t deadline_ns)
{
    wag_agent *agent = wag_agent_current();
    return agent ? wagi_deadline_set(agent, deadline_ns) : WAG_NOMEM;
}

uint64_t wag_agent_deadline(void)
{
    wag_agent *agent = wagi_agent_peek();
    return agent ? wagi_deadline_get(agent) : WAG_NO_DEADLINE;
}

wag_err wag_call_until(wag_func *func, const wag_val *args, size_t arg_count, wag_val *results, size_t result_count,
                       uint64_t deadline_ns, wag_error **reterr_error)
{
    wag_agent *agent = wagi_agent_peek();
    if (!agent || !wagi_mine((const wagi_object *)func)) /* says what is wrong */
        return wag_call(func, args, arg_count, results, result_count, reterr_error);
    uint64_t outer = wagi_deadline_get(agent);
    if (outer <= deadline_ns) /* it has passed, or will first */
        return wag_call(func, args, arg_count, results, result_count, reterr_error);
    wag_err err = wagi_deadline_set(agent, deadline_ns);
    if (err != WAG_OK)
        return wagi_fail(wagi_error_new(err, "a deadline needs a thread that watches it"), reterr_error);
    err = wag_call(func, args, arg_count, results, result_count, reterr_error);
    wagi_deadline_set(agent, outer); /* cannot fail: the agent is watched already, or nothing is to be watched */
    return err;
}

/* ---- fuel ---- */

/* This thread's agent, when it has fuel. */
static wag_err fuelled_agent(wag_agent **ret_agent)
{
    *ret_agent = wag_agent_current();
    if (!*ret_agent)
        return WAG_NOMEM;
    return (*ret_agent)->cluster->fuel ? WAG_OK : WAG_UNSUPPORTED;
}

wag_err wag_fuel_set(uint64_t units)
{
    wag_agent *agent;
    wag_err err = fuelled_agent(&agent);
    if (err == WAG_OK && units > INT64_MAX)
        err = WAG_RANGE;
    if (err == WAG_OK)
        *agent->fuel = (int64_t)units;
    return err;
}

/* INT64_MAX at most. fuel: may be a debt. */
static int64_t sum_of(int64_t fuel, uint64_t units)
{
    uint64_t debt = fuel < 0 ? -(uint64_t)fuel : 0;
    if (units < debt)
        return fuel + (int64_t)units;
    units -= debt;
    fuel += (int64_t)debt;
    return units < (uint64_t)(INT64_MAX - fuel) ? fuel + (int64_t)units : INT64_MAX;
}

wag_err wag_fuel_add(uint64_t units)
{
    wag_agent *agent;
    wag_err err = fuelled_agent(&agent);
    if (err == WAG_OK)
        *agent->fuel = sum_of(*agent->fuel, units);
    return err;
}

uint64_t wag_fuel_left(void)
{
    const wag_agent *agent = wagi_agent_peek();
    return agent && agent->cluster->fuel && *agent->fuel > 0 ? (uint64_t)*agent->fuel : 0;
}

wag_err wag_fuel_charge(uint64_t units, wag_error **reterr_error)
{
    wag_agent *agent;
    wag_err err = fuelled_agent(&agent);
    if (err == WAG_OK)
        err = wagi_fuel_charge(agent, units);
    if (err == WAG_OK)
        return err;
    return wagi_fail(wagi_error_new(err, err == WAG_UNSUPPORTED ? "the agent's cluster has no fuel" : NULL),
                     reterr_error);
}

/* ---- waits ---- */

wag_err wag_agent_wait_fd(int fd, unsigned events, uint64_t deadline_ns, unsigned *ret_events)
{
    unsigned got = 0;
    wag_agent *agent = wag_agent_current();
    if (!agent)
        return WAG_NOMEM;
    if (events & ~(unsigned)(WAG_FD_READ | WAG_FD_WRITE))
        return WAG_TYPE;
    wag_err err = wagi_loop_wait_fd(agent->loop, fd, events, deadline_ns, &got);
    wagi_agent_stop_taken(agent, err);
    if (err == WAG_OK && ret_events)
        *ret_events = got;
    return err;
}

wag_err wag_agent_wait(uint64_t deadline_ns)
{
    return wag_agent_wait_fd(-1, 0, deadline_ns, NULL);
}

void wag_agent_notify(wag_agent *agent)
{
    /* seq_cst: pairs with the exchange in wagi_loop_wait_fd (loop.c, "Waking"). */
    atomic_store(&agent->notified, true);
    wagi_mailbox_wake(wagi_loop_mailbox(agent->loop));
}

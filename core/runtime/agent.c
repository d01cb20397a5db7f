/* The agent's life: made on first use, freed with its thread.
 *
 * End of an agent, in this order, so that each step still finds what it needs: the loop closes (queued tasks and jobs
 * are discarded, later posts are too); owned things are destroyed; promises; the store; the loop's memory; the agent.
 * While that runs the thread's pointer still names the agent, so that releasing a handle in a finalizer works; it
 * cannot open another one.
 */
#include "runtime/agent.h"

#include "base/alloc.h"
#include "base/os.h"
#include "runtime/deadline.h"
#include "runtime/loop.h"
#include "runtime/pool.h"
#include "runtime/promise.h"
#include "runtime/quota.h"
#include "runtime/slot.h"

_Thread_local WAGI_NEAR_THREAD wag_agent *wagi_agent_of_thread;

static _Thread_local WAGI_NEAR_THREAD atomic_uintptr_t stop_limit;

static _Thread_local WAGI_NEAR_THREAD int64_t fuel;

static int32_t offset_of(const void *thread_local_word)
{
#if defined(__x86_64__) && defined(__GNUC__)
    uintptr_t thread_pointer;
    __asm__("mov %%fs:0, %0" : "=r"(thread_pointer));
    return (int32_t)((uintptr_t)thread_local_word - thread_pointer);
#else
    (void)thread_local_word;
    return 0; /* there is no native code */
#endif
}

int32_t wagi_stop_limit_offset(void)
{
    return offset_of(&stop_limit);
}

int32_t wagi_fuel_offset(void)
{
    return offset_of(&fuel);
}

/* Native stack that is kept free below the limit: for the library's own frames, and a host function's. */
#define NATIVE_RESERVE ((uintptr_t)128 * 1024)

/* First threshold of the collector; the collector itself adapts it (store). */
#define FIRST_COLLECT 64

static void agent_free(wag_agent *agent)
{
    agent->closing = true;
    wagi_deadline_close(agent);
    wagi_agent_run_teardowns(agent);
    if (agent->loop)
        wagi_loop_close(agent->loop);
    wagi_promises_free_all(agent);
    wagi_store_free_all(agent);
    wagi_pools_free(agent);
    wagi_slot_table_free(agent);
    wagi_quotas_close(agent);
    wagi_memory_free_spares(agent);
    wagi_promises_free_all(agent); /* a finalizer may have made some */
    wagi_loop_free(agent->loop);
    if (agent->stack)
        wagi_os_unmap(agent->stack, 2 * (size_t)((char *)agent->stack_end - (char *)agent->stack));
    wagi_fault_thread_end(&agent->fault_thread);
    wag_cluster_unref(agent->cluster);
    wagi_agent_of_thread = NULL;
    wagi_free(agent);
}

static void thread_ended(wagi_thread_hook *hook)
{
    (void)hook; /* it is the current agent's */
    agent_free(wagi_agent_of_thread);
}

/* With little stack left, as on a thread that was made with little, keep a quarter of it instead of the reserve. most:
 * of what is below us. */
static uintptr_t native_limit(uint64_t most)
{
    char here;
    uintptr_t bottom = wagi_os_stack_bottom(), top = (uintptr_t)&here, lowest = 0;
    if (bottom != 0 && bottom < top) {
        uintptr_t reserve = (top - bottom) / 4;
        lowest = bottom + (reserve < NATIVE_RESERVE ? reserve : NATIVE_RESERVE);
    }
    return most < top - lowest ? top - (uintptr_t)most : lowest;
}

wag_err wagi_agent_open(wag_cluster *cluster)
{
    if (wagi_agent_of_thread)
        return WAG_TYPE;
    wag_agent *agent = WAGI_NEW(wag_agent);
    if (!agent)
        return WAG_NOMEM;
    wagi_agent_of_thread = agent;
    agent->cluster = wag_cluster_ref(cluster);
    agent->collect_threshold = FIRST_COLLECT;
    uint64_t depth_limit = cluster->limits.host_call_depth;
    agent->depth_limit = depth_limit < UINT32_MAX ? (uint32_t)depth_limit : UINT32_MAX;
    atomic_init(&agent->notified, false);
    atomic_init(&agent->deadline.at, UINT64_MAX);
    wagi_parker_init(&agent->parker);
    agent->can_block = true;
    agent->native_limit = native_limit(cluster->limits.native_stack_bytes);
    agent->stop_limit = &stop_limit;
    agent->fuel = &fuel;
    fuel = 0;
    atomic_store(&stop_limit, agent->native_limit);
    agent->hook.run = thread_ended;
    size_t slots = (size_t)(cluster->limits.interp_stack_bytes / sizeof(wagi_slot));
    agent->stack = wagi_os_map(2 * slots * sizeof(wagi_slot), WAGI_PROT_READ_WRITE);
    agent->stack_end = agent->stack ? agent->stack + slots : NULL;
    agent->stack_top = agent->stack;
    agent->loop = wagi_loop_new(agent);
    bool fine = cluster->signals != WAG_SIGNALS_CHAIN || wagi_fault_thread_begin(&agent->fault_thread);
    if (!fine || !agent->stack || !agent->loop || !wagi_thread_on_exit(&agent->hook)) {
        agent_free(agent);
        return WAG_NOMEM;
    }
    return WAG_OK;
}

wag_err wagi_agent_close(void)
{
    wag_agent *agent = wagi_agent_of_thread;
    if (!agent)
        return WAG_OK;
    if (agent->closing || agent->host_depth != 0 || agent->run_depth != 0 || wagi_loop_depth(agent->loop) != 0)
        return WAG_TYPE;
    wagi_thread_on_exit(NULL);
    agent_free(agent);
    return WAG_OK;
}

wag_agent *wag_agent_current(void)
{
    if (!wagi_agent_of_thread) {
        wag_cluster *cluster = wag_cluster_default();
        if (!cluster || wagi_agent_open(cluster) != WAG_OK)
            return NULL;
    }
    return wagi_agent_of_thread;
}

void wagi_agent_stop_taken(wag_agent *agent, wag_err err)
{
    if (agent->host_depth != 0 || agent->run_depth != 0)
        return;
    if (err == WAG_INTERRUPTED)
        wagi_agent_clear_stop(agent, WAGI_STOP_INTERRUPT);
    else if (err == WAG_DEADLINE)
        wagi_deadline_set(agent, UINT64_MAX);
}

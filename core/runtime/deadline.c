/* Deadlines of agents. See deadline.h.
 *
 * Setting. The owner writes its deadline, then reads when the watchdog will look next; the watchdog writes that it will
 * look (`next` is UINT64_MAX), reads the deadlines, and writes when it will look again. All are seq_cst: either the
 * watchdog sees the new deadline, or the owner reads a time that is later than it, and wakes the watchdog.
 *
 * Passing. Who changes the word from a point of time to PASSED stops the agent: the watchdog, under its lock, or the
 * owner when it sets one that has passed already. An owner that takes PASSED back waits for the lock, so that the stop
 * has arrived, and clears it: a deadline that was replaced or cancelled in time never stops anything, and one that has
 * passed does so once.
 */
#include "runtime/deadline.h"

#include "base/alloc.h"
#include "base/os.h"
#include "base/pages.h"
#include "runtime/loop.h"

typedef struct wagi_watchdog {
    uint32_t epoch; /* of the process (base/pages.h): a child does not have the thread */
    wagi_thread thread;
    wagi_parker parker;
    atomic_uint_least64_t next; /* when it will look at the deadlines unless it is woken */
    atomic_bool ending;
    wagi_mutex lock;
    wagi_deadline *all; /* guarded by lock */
} watchdog;

static wag_agent *agent_of(wagi_deadline *deadline)
{
    return (wag_agent *)(void *)((char *)deadline - offsetof(wag_agent, deadline));
}

/* Stop the agents whose time is up; when the next one's is. Caller holds the lock. */
static uint64_t look_locked(watchdog *dog)
{
    uint64_t earliest = UINT64_MAX, now = wagi_clock_ns();
    for (wagi_deadline *deadline = dog->all; deadline; deadline = deadline->next) {
        uint_least64_t at = atomic_load(&deadline->at);
        if (at == WAGI_DEADLINE_PASSED)
            continue;
        if (at > now) {
            if (at < earliest)
                earliest = at;
        } else if (atomic_compare_exchange_strong(&deadline->at, &at, WAGI_DEADLINE_PASSED)) {
            wagi_agent_raise(agent_of(deadline), WAGI_STOP_DEADLINE);
        } /* else the owner has just set another one, and wakes us */
    }
    return earliest;
}

static void *thread_main(void *context)
{
    watchdog *dog = context;
    while (!atomic_load(&dog->ending)) {
        atomic_store(&dog->next, UINT64_MAX);
        wagi_mutex_lock(&dog->lock);
        uint64_t next = look_locked(dog);
        wagi_mutex_unlock(&dog->lock);
        atomic_store(&dog->next, next);
        wagi_parker_wait(&dog->parker, next);
    }
    return NULL;
}

static watchdog *watchdog_new(void)
{
    watchdog *dog = WAGI_NEW(watchdog);
    if (!dog)
        return NULL;
    dog->epoch = wagi_process_epoch();
    wagi_parker_init(&dog->parker);
    atomic_init(&dog->next, UINT64_MAX);
    atomic_init(&dog->ending, false);
    wagi_mutex_init(&dog->lock);
    if (wagi_thread_start(&dog->thread, "wag-watchdog", 0, thread_main, dog))
        return dog;
    wagi_mutex_fini(&dog->lock);
    wagi_free(dog);
    return NULL;
}

void wagi_watchdog_free(watchdog *dog)
{
    if (!dog || dog->epoch != wagi_process_epoch())
        return; /* the thread, and perhaps the lock, are the parent process's */
    atomic_store(&dog->ending, true);
    wagi_parker_wake(&dog->parker);
    wagi_thread_join(dog->thread);
    wagi_mutex_fini(&dog->lock);
    wagi_free(dog);
}

/* The cluster's watchdog, which knows the agent's deadline from now on. NULL when there can be none. */
static watchdog *register_agent(wag_agent *agent)
{
    wag_cluster *cluster = agent->cluster;
    wagi_mutex_lock(&cluster->lock);
    watchdog *dog = cluster->watchdog;
    if (!dog || dog->epoch != wagi_process_epoch()) {
        dog = watchdog_new();
        if (dog)
            cluster->watchdog = dog;
    }
    wagi_mutex_unlock(&cluster->lock);
    if (!dog)
        return NULL;
    wagi_deadline *deadline = &agent->deadline;
    deadline->watchdog = dog;
    wagi_mutex_lock(&dog->lock);
    deadline->next = dog->all;
    deadline->link = &dog->all;
    if (dog->all)
        dog->all->link = &deadline->next;
    dog->all = deadline;
    wagi_mutex_unlock(&dog->lock);
    return dog;
}

static bool is_watched(const wag_agent *agent)
{
    return agent->deadline.watchdog && agent->deadline.watchdog->epoch == wagi_process_epoch();
}

void wagi_deadline_close(wag_agent *agent)
{
    wagi_deadline *deadline = &agent->deadline;
    if (!is_watched(agent))
        return;
    wagi_mutex_lock(&deadline->watchdog->lock);
    *deadline->link = deadline->next;
    if (deadline->next)
        deadline->next->link = deadline->link;
    wagi_mutex_unlock(&deadline->watchdog->lock);
    deadline->watchdog = NULL;
}

/* Take back that the last deadline has passed. */
static void forget_passed(wag_agent *agent)
{
    watchdog *dog = agent->deadline.watchdog;
    if (dog && is_watched(agent)) {
        wagi_mutex_lock(&dog->lock); /* it may be about to stop us */
        wagi_mutex_unlock(&dog->lock);
    }
    wagi_agent_clear_stop(agent, WAGI_STOP_DEADLINE);
}

wag_err wagi_deadline_set(wag_agent *agent, uint64_t deadline_ns)
{
    bool is_over = deadline_ns != UINT64_MAX && deadline_ns <= wagi_clock_ns();
    watchdog *dog = agent->deadline.watchdog;
    if (deadline_ns != UINT64_MAX && !is_over && !is_watched(agent)) {
        dog = register_agent(agent);
        if (!dog)
            return WAG_SYSTEM;
    }
    uint64_t old = atomic_exchange(&agent->deadline.at, is_over ? WAGI_DEADLINE_PASSED : deadline_ns);
    if (is_over)
        wagi_agent_raise(agent, WAGI_STOP_DEADLINE);
    else if (old == WAGI_DEADLINE_PASSED)
        forget_passed(agent);
    if (!is_over && deadline_ns < UINT64_MAX && deadline_ns < atomic_load(&dog->next))
        wagi_parker_wake(&dog->parker);
    return WAG_OK;
}

/* memory.atomic.wait and memory.atomic.notify: threads parked at addresses of shared memories.
 *
 * A waiter looks at the memory and joins the list under the list's lock, and a notifier takes it off under the same
 * lock; so a notify that follows a store, which follows the look, finds the waiter. It is woken under the lock too:
 * once it can see that it was notified, it may be gone. What wakes the thread without that (an interrupt, which knows
 * nothing of memories) makes it look at its reasons, and wait again when there is none.
 */
#include "base/os.h"
#include "ops/atomic.h"
#include "runtime/agent.h"
#include "runtime/shared_memory.h"

static wagi_wait_list *list_of(wag_shared_memory *shared, uint64_t address)
{
    return &shared->waiters[(address >> 2 ^ address >> 8) % WAGI_WAIT_LISTS];
}

static void append(wagi_wait_list *list, wagi_waiter *waiter)
{
    waiter->previous = list->last;
    if (list->last)
        list->last->next = waiter;
    else
        list->first = waiter;
    list->last = waiter;
}

static void take_off(wagi_wait_list *list, wagi_waiter *waiter)
{
    if (waiter->previous)
        waiter->previous->next = waiter->next;
    else
        list->first = waiter->next;
    if (waiter->next)
        waiter->next->previous = waiter->previous;
    else
        list->last = waiter->previous;
}

/* When a timeout that begins now ends; UINT64_MAX: never. */
static uint64_t deadline_of(int64_t timeout_ns)
{
    uint64_t now = wagi_clock_ns();
    if (timeout_ns < 0 || (uint64_t)timeout_ns >= UINT64_MAX - now)
        return UINT64_MAX;
    return now + (uint64_t)timeout_ns;
}

/* Park the agent's thread while the bytes at address are as expected. ret_result: 0 notified, 1 another value, 2 timed
 * out (timeout_ns < 0: never). */
static wag_err park(wag_shared_memory *shared, wag_agent *agent, uint64_t address, unsigned width, uint64_t expected,
                    int64_t timeout_ns, wagi_slot *ret_result)
{
    wagi_wait_list *list = list_of(shared, address);
    wagi_waiter waiter = {.address = address, .parker = &agent->parker};
    uint64_t deadline = deadline_of(timeout_ns);
    wagi_mutex_lock(&list->lock);
    if (atomic_get(shared->base + address, width) != expected) {
        wagi_mutex_unlock(&list->lock);
        *ret_result = 1;
        return WAG_OK;
    }
    append(list, &waiter);
    bool in_time = true;
    while (!waiter.notified && in_time && !wagi_agent_poll(agent)) {
        wagi_mutex_unlock(&list->lock);
        in_time = wagi_parker_wait(&agent->parker, deadline);
        wagi_mutex_lock(&list->lock);
    }
    bool notified = waiter.notified;
    if (!notified)
        take_off(list, &waiter);
    wagi_mutex_unlock(&list->lock);
    if (!notified && in_time)
        return wagi_agent_stop(agent);
    *ret_result = notified ? 0 : 2;
    return WAG_OK;
}

wag_err wagi_memory_wait(wag_memory *memory, uint64_t offset, unsigned width, wagi_slot *slots)
{
    wag_agent *agent = memory->object.unit->agent;
    uint64_t address, expected = width == 4 ? (uint32_t)slots[1] : slots[1];
    wag_err trap = atomic_address(slots[0], offset, width, wagi_memory_size(memory), &address);
    if (trap != WAG_OK)
        return trap;
    if (!memory->shared)
        return WAG_UNSHARED_WAIT;
    if (!agent->can_block)
        return WAG_CANNOT_BLOCK;
    return park(memory->shared, agent, address, width, expected, (int64_t)slots[2], &slots[0]);
}

/* Wake at most count threads that wait at the address; how many. */
static uint32_t wake(wag_shared_memory *shared, uint64_t address, uint32_t count)
{
    wagi_wait_list *list = list_of(shared, address);
    uint32_t woken = 0;
    wagi_mutex_lock(&list->lock);
    for (wagi_waiter *waiter = list->first, *next; waiter && woken < count; waiter = next) {
        next = waiter->next;
        if (waiter->address != address)
            continue;
        take_off(list, waiter);
        waiter->notified = true;
        wagi_parker_wake(waiter->parker);
        woken++;
    }
    wagi_mutex_unlock(&list->lock);
    return woken;
}

wag_err wagi_memory_notify(wag_memory *memory, uint64_t offset, wagi_slot *slots)
{
    uint64_t address;
    wag_err trap = atomic_address(slots[0], offset, 4, wagi_memory_size(memory), &address);
    if (trap == WAG_OK) /* nobody can wait on a memory that is not shared */
        slots[0] = memory->shared ? wake(memory->shared, address, (uint32_t)slots[1]) : 0;
    return trap;
}

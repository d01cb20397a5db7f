/* Timers of one loop: a binary heap by (deadline, order of start) over a slot table, so that start, cancel and the next
 * one due take logarithmic time. An id is a slot and its generation: a stale id finds nothing. Owner thread only. */
#ifndef WAGI_RUNTIME_TIMER_H
#define WAGI_RUNTIME_TIMER_H

#include "base/alloc.h"
#include "waggle/error.h"

typedef struct wagi_timer {
    uint64_t deadline_ns, order;
    void (*callback)(void *context);
    void *context;
    uint32_t generation; /* of the slot; never 0 */
    uint32_t position;   /* in the heap, or the next free slot */
    bool live;
} wagi_timer;

typedef struct wagi_timers {
    WAGI_VEC(wagi_timer) slots;
    WAGI_VEC(uint32_t) heap; /* slot numbers; heap.p[0] is due first */
    uint32_t free_slot;      /* WAGI_TIMER_NONE: none */
    uint64_t order;
} wagi_timers;
#define WAGI_TIMER_NONE UINT32_MAX

void wagi_timers_init(wagi_timers *timers);
void wagi_timers_fini(wagi_timers *timers);
/* WAG_NOMEM. */
wag_err wagi_timers_start(wagi_timers *timers, uint64_t deadline_ns, void (*callback)(void *context), void *context,
                          uint64_t *ret_id);
bool wagi_timers_cancel(wagi_timers *timers, uint64_t id);
/* UINT64_MAX when there is none. */
uint64_t wagi_timers_next(const wagi_timers *timers);
/* Take the one that is due first, if it is due. */
bool wagi_timers_take(wagi_timers *timers, uint64_t now_ns, void (**ret_callback)(void *context), void **ret_context);

#endif

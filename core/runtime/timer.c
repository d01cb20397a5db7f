/* Timers of one loop. See timer.h. */
#include "runtime/timer.h"

void wagi_timers_init(wagi_timers *timers)
{
    *timers = (wagi_timers){.free_slot = WAGI_TIMER_NONE};
}

void wagi_timers_fini(wagi_timers *timers)
{
    WAGI_VEC_FREE(&timers->slots);
    WAGI_VEC_FREE(&timers->heap);
    wagi_timers_init(timers);
}

static bool before(const wagi_timers *timers, uint32_t a, uint32_t b)
{
    const wagi_timer *x = &timers->slots.p[a], *y = &timers->slots.p[b];
    return x->deadline_ns != y->deadline_ns ? x->deadline_ns < y->deadline_ns : x->order < y->order;
}

static void place(wagi_timers *timers, size_t position, uint32_t slot)
{
    timers->heap.p[position] = slot;
    timers->slots.p[slot].position = (uint32_t)position;
}

static void sift_up(wagi_timers *timers, size_t position, uint32_t slot)
{
    while (position > 0) {
        size_t parent = (position - 1) / 2;
        if (!before(timers, slot, timers->heap.p[parent]))
            break;
        place(timers, position, timers->heap.p[parent]);
        position = parent;
    }
    place(timers, position, slot);
}

static void sift_down(wagi_timers *timers, size_t position, uint32_t slot)
{
    for (;;) {
        size_t child = 2 * position + 1;
        if (child >= timers->heap.n)
            break;
        if (child + 1 < timers->heap.n && before(timers, timers->heap.p[child + 1], timers->heap.p[child]))
            child++;
        if (!before(timers, timers->heap.p[child], slot))
            break;
        place(timers, position, timers->heap.p[child]);
        position = child;
    }
    place(timers, position, slot);
}

/* WAGI_TIMER_NONE without memory. The slot is off the free list only when the heap has room for it too. */
static uint32_t take_slot(wagi_timers *timers)
{
    if (!WAGI_VEC_RESERVE(&timers->heap, 1))
        return WAGI_TIMER_NONE;
    uint32_t slot = timers->free_slot;
    if (slot != WAGI_TIMER_NONE) {
        timers->free_slot = timers->slots.p[slot].position;
        return slot;
    }
    if (timers->slots.n >= WAGI_TIMER_NONE || !WAGI_VEC_PUSH(&timers->slots, ((wagi_timer){.generation = 1})))
        return WAGI_TIMER_NONE;
    return (uint32_t)(timers->slots.n - 1);
}

wag_err wagi_timers_start(wagi_timers *timers, uint64_t deadline_ns, void (*callback)(void *context), void *context,
                          uint64_t *ret_id)
{
    uint32_t slot = take_slot(timers);
    if (slot == WAGI_TIMER_NONE)
        return WAG_NOMEM;
    wagi_timer *timer = &timers->slots.p[slot];
    /* UINT64_MAX means "none" to whoever asks for the next one. */
    timer->deadline_ns = deadline_ns == UINT64_MAX ? UINT64_MAX - 1 : deadline_ns;
    timer->order = timers->order++;
    timer->callback = callback;
    timer->context = context;
    timer->live = true;
    timers->heap.n++;
    sift_up(timers, timers->heap.n - 1, slot);
    if (ret_id)
        *ret_id = (uint64_t)timer->generation << 32 | slot;
    return WAG_OK;
}

static void remove_timer(wagi_timers *timers, uint32_t slot)
{
    wagi_timer *timer = &timers->slots.p[slot];
    size_t hole = timer->position;
    uint32_t last = timers->heap.p[--timers->heap.n];
    if (hole < timers->heap.n) {
        /* The last one may belong above or below the hole: one of the two moves nothing. */
        sift_up(timers, hole, last);
        sift_down(timers, timers->slots.p[last].position, last);
    }
    timer->live = false;
    if (++timer->generation == 0)
        timer->generation = 1;
    timer->position = timers->free_slot;
    timers->free_slot = slot;
}

bool wagi_timers_cancel(wagi_timers *timers, uint64_t id)
{
    uint32_t slot = (uint32_t)id;
    if (slot >= timers->slots.n || !timers->slots.p[slot].live || timers->slots.p[slot].generation != id >> 32)
        return false;
    remove_timer(timers, slot);
    return true;
}

uint64_t wagi_timers_next(const wagi_timers *timers)
{
    return timers->heap.n ? timers->slots.p[timers->heap.p[0]].deadline_ns : UINT64_MAX;
}

bool wagi_timers_take(wagi_timers *timers, uint64_t now_ns, void (**ret_callback)(void *context), void **ret_context)
{
    if (!timers->heap.n || wagi_timers_next(timers) > now_ns)
        return false;
    uint32_t slot = timers->heap.p[0];
    *ret_callback = timers->slots.p[slot].callback;
    *ret_context = timers->slots.p[slot].context;
    remove_timer(timers, slot);
    return true;
}

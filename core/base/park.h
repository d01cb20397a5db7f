/* A parker: where one thread sleeps until another one, or a signal handler, wakes it. */
#ifndef WAGI_BASE_PARK_H
#define WAGI_BASE_PARK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Embed it. One thread waits, the owner. A wake while nobody waits is kept, once: the next wait returns at once. So a
 * waiter always looks again at what it waits for. */
typedef struct wagi_parker {
    atomic_uint state;
} wagi_parker;

void wagi_parker_init(wagi_parker *parker);
/* Until woken, or until deadline_ns of wagi_clock_ns (UINT64_MAX: no deadline). False when the deadline has passed and
 * no wake came. What happened before the wake is seen after it. */
bool wagi_parker_wait(wagi_parker *parker, uint64_t deadline_ns);
/* Any thread, async-signal-safe. The parker must be alive. */
void wagi_parker_wake(wagi_parker *parker);

#endif

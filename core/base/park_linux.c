/* Parkers over the futex of Linux. A condition variable would not do: it cannot be signalled from a signal handler. */
#define _GNU_SOURCE
#include "base/park.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { IDLE, WAITING, WOKEN };

_Static_assert(sizeof(atomic_uint) == 4, "a futex is a word of 32 bits");

void wagi_parker_init(wagi_parker *parker)
{
    atomic_init(&parker->state, IDLE);
}

/* Sleep while the word is WAITING. False when the deadline has passed; true may mean anything else. */
static bool futex_wait(wagi_parker *parker, uint64_t deadline_ns)
{
    struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
                                .tv_nsec = (long)(deadline_ns % 1000000000u)};
    /* The bitset form takes a point of the monotonic clock instead of a duration. */
    long result = syscall(SYS_futex, &parker->state, FUTEX_WAIT_BITSET_PRIVATE, WAITING,
                          deadline_ns == UINT64_MAX ? NULL : &deadline, NULL, FUTEX_BITSET_MATCH_ANY);
    return !(result == -1 && errno == ETIMEDOUT);
}

bool wagi_parker_wait(wagi_parker *parker, uint64_t deadline_ns)
{
    bool in_time = true;
    for (;;) {
        unsigned idle = IDLE;
        /* acquire: pairs with the release of the wake; there is nothing to publish. */
        if (atomic_compare_exchange_strong_explicit(&parker->state, &idle, WAITING, memory_order_acquire,
                                                    memory_order_acquire))
            in_time = futex_wait(parker, deadline_ns);
        /* acquire: as above. */
        if (atomic_exchange_explicit(&parker->state, IDLE, memory_order_acquire) == WOKEN)
            return true;
        if (!in_time)
            return false;
    }
}

void wagi_parker_wake(wagi_parker *parker)
{
    /* release: pairs with the waiter's acquire. */
    if (atomic_exchange_explicit(&parker->state, WOKEN, memory_order_release) != WAITING)
        return;
    int saved = errno; /* this may be a signal handler */
    syscall(SYS_futex, &parker->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = saved;
}

/* Work that several threads may share: the seam between those who have such work (validator, compiler) and those who
 * have threads (runtime/compile_pool.h).
 *
 * The items of the work are numbered and have a size in bytes. Chunks of neighbours are handed out in ascending order,
 * so when an item has failed all that lie below it are in good hands already, and the lowest failure is the same
 * whatever the timing.
 */
#ifndef WAGI_BASE_PARALLEL_H
#define WAGI_BASE_PARALLEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sync.h"

typedef struct wagi_parallel wagi_parallel;
struct wagi_parallel {
    uint32_t threads; /* that may be in `work` at once, the caller among them; 1: the caller alone */
    void *owner;
    /* Call work(context, 0) on this thread, and perhaps work(context, n), 0 < n < threads, each n once at most, on
     * others at the same time. Returns when all calls have. Never waits for a thread that is busy with something else.
     */
    void (*run)(const wagi_parallel *self, void (*work)(void *context, uint32_t number), void *context);
};

/* Below that many bytes of code one thread does it: waking another costs about 0.1 ms, and 20 KB are compiled in 0.6
 * ms. Two threads on 69 KB: 1.27 ms instead of 1.85. */
#define WAGI_PARALLEL_BYTES (64u << 10)
/* Threads worth asking for; NULL: 1. */
uint32_t wagi_parallel_threads(const wagi_parallel *parallel, size_t bytes);

typedef struct wagi_chunks {
    uint32_t count; /* items */
    size_t (*size_of)(const void *context, uint32_t item);
    const void *context;
    wagi_mutex lock;     /* a leaf */
    uint32_t next;       /* guarded by lock: the first item that nobody has; sizes are asked of this and later ones */
    atomic_uint failure; /* the lowest item that failed, UINT32_MAX: none */
} wagi_chunks;
void wagi_chunks_init(wagi_chunks *chunks, uint32_t count, size_t (*size_of)(const void *context, uint32_t item),
                      const void *context);
void wagi_chunks_fini(wagi_chunks *chunks);
/* The next items, [*ret_first, *ret_end). False when there are none, or none that matter any more. */
bool wagi_chunks_take(wagi_chunks *chunks, uint32_t *ret_first, uint32_t *ret_end);
void wagi_chunks_fail(wagi_chunks *chunks, uint32_t item);
/* Nothing below this item has failed so far: it is worth doing. */
bool wagi_chunks_matters(wagi_chunks *chunks, uint32_t item);

#endif

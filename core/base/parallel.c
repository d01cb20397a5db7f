/* Handing out numbered work to several threads. See parallel.h. */
#include "base/parallel.h"

enum { CHUNK_BYTES = 16 << 10 };

uint32_t wagi_parallel_threads(const wagi_parallel *parallel, size_t bytes)
{
    if (!parallel || bytes < WAGI_PARALLEL_BYTES)
        return 1;
    size_t useful = bytes / (WAGI_PARALLEL_BYTES / 2);
    return useful < parallel->threads ? (uint32_t)useful : parallel->threads;
}

void wagi_chunks_init(wagi_chunks *chunks, uint32_t count, size_t (*size_of)(const void *context, uint32_t item),
                      const void *context)
{
    chunks->count = count;
    chunks->size_of = size_of;
    chunks->context = context;
    chunks->next = 0;
    wagi_mutex_init(&chunks->lock);
    atomic_init(&chunks->failure, UINT32_MAX);
}

void wagi_chunks_fini(wagi_chunks *chunks)
{
    wagi_mutex_fini(&chunks->lock);
}

bool wagi_chunks_take(wagi_chunks *chunks, uint32_t *ret_first, uint32_t *ret_end)
{
    wagi_mutex_lock(&chunks->lock);
    uint32_t first = chunks->next;
    bool some = first < chunks->count && wagi_chunks_matters(chunks, first);
    if (some) {
        size_t bytes = 0;
        while (chunks->next < chunks->count && bytes < CHUNK_BYTES)
            bytes += chunks->size_of(chunks->context, chunks->next++);
        *ret_first = first;
        *ret_end = chunks->next;
    }
    wagi_mutex_unlock(&chunks->lock);
    return some;
}

void wagi_chunks_fail(wagi_chunks *chunks, uint32_t item)
{
    /* relaxed: what is made of the items is read after all threads have come back */
    unsigned lowest = atomic_load_explicit(&chunks->failure, memory_order_relaxed);
    while (item < lowest && !atomic_compare_exchange_weak_explicit(&chunks->failure, &lowest, item,
                                                                   memory_order_relaxed, memory_order_relaxed))
        ;
}

bool wagi_chunks_matters(wagi_chunks *chunks, uint32_t item)
{
    /* relaxed: a stale answer costs work, nothing else */
    return item < atomic_load_explicit(&chunks->failure, memory_order_relaxed);
}

/* The allocator hook over malloc, and growing vectors. */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>

static _Atomic uint64_t allocations_left = UINT64_MAX;
static _Thread_local bool refused;

static bool may_allocate(void)
{
    /* relaxed: a test switch; the count need not be exact between threads. */
    uint64_t left = atomic_load_explicit(&allocations_left, memory_order_relaxed);
    if (left == UINT64_MAX)
        return true;
    while (left != 0)
        if (atomic_compare_exchange_weak_explicit(&allocations_left, &left, left - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

void wagi_alloc_fail_after(uint64_t successes)
{
    atomic_store_explicit(&allocations_left, successes, memory_order_relaxed);
}

bool wagi_alloc_take_refusal(void)
{
    bool answer = refused;
    refused = false;
    return answer;
}

void wagi_alloc_note_refusal(void)
{
    refused = true;
}

static void *noted(void *block)
{
    if (!block)
        refused = true;
    return block;
}

void *wagi_alloc(size_t size)
{
    return noted(may_allocate() ? malloc(size ? size : 1) : NULL);
}

void *wagi_alloc_zero(size_t count, size_t size)
{
    return noted(may_allocate() ? calloc(count ? count : 1, size ? size : 1) : NULL);
}

void *wagi_realloc_array(void *block, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        return noted(NULL);
    size_t total = count * size;
    return noted(may_allocate() ? realloc(block, total ? total : 1) : NULL);
}

void wagi_free(void *block)
{
    free(block);
}

bool wagi_vec_grow(void **block, size_t count, size_t *capacity, size_t extra, size_t element_size)
{
    if (extra > SIZE_MAX / 2 - count)
        return noted(NULL);
    size_t wanted = *capacity < 8 ? 8 : *capacity * 2;
    if (wanted < count + extra)
        wanted = count + extra;
    void *grown = wagi_realloc_array(*block, wanted, element_size);
    if (!grown)
        return false;
    *block = grown;
    *capacity = wanted;
    return true;
}

/* Shared memories: the block, its growth, and bytes in and out while other threads write. */
#include "runtime/shared_memory.h"

#include "base/alloc.h"
#include "base/os.h"
#include "ops/atomic.h"
#include "runtime/store.h"

/* Make the bytes of the pages from old_size to size accessible. The rest of the last page was before. */
static bool open_pages(const wag_shared_memory *shared, uint64_t old_size, uint64_t size)
{
    uint64_t page = wagi_os_page_size(), from = (old_size + page - 1) / page * page;
    return size <= from || wagi_os_protect(shared->base + from, (size_t)(size - from), WAGI_PROT_READ_WRITE);
}

/* With guard pages where native code could want them, which it cannot ask for later; else what the maximum needs. */
static bool reserve(wag_shared_memory *shared)
{
    uint64_t most = shared->max_pages << shared->type.page_size_log2;
    if (wagi_memory_can_be_guarded(shared->type)) {
        shared->reserved = WAGI_GUARD_BYTES;
        shared->base = wagi_os_map((size_t)shared->reserved, WAGI_PROT_NONE);
        shared->is_guarded = shared->base != NULL;
    }
    if (!shared->base) {
        shared->reserved = most ? most : 1;
        shared->base = wagi_os_map((size_t)shared->reserved, WAGI_PROT_NONE);
    }
    return shared->base != NULL;
}

wag_err wagi_shared_memory_new(wag_cluster *cluster, wagi_memory_type type, uint64_t max_pages,
                               wag_shared_memory **ret_shared, wag_error **reterr_error)
{
    uint64_t pages = type.limits.minimum;
    wag_shared_memory *shared = WAGI_NEW(wag_shared_memory);
    if (!shared)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    shared->type = type;
    shared->max_pages = max_pages;
    uint64_t size = pages <= max_pages ? pages << type.page_size_log2 : 0;
    bool fits = pages <= max_pages && reserve(shared);
    if (!fits || !open_pages(shared, 0, size)) {
        if (fits)
            wagi_os_unmap(shared->base, (size_t)shared->reserved);
        wagi_free(shared);
        return wagi_fail(wagi_error_new(WAG_RANGE, "could not allocate a shared memory of %llu pages, at most %llu",
                                        (unsigned long long)pages, (unsigned long long)type.limits.maximum),
                         reterr_error);
    }
    shared->cluster = wag_cluster_ref(cluster);
    atomic_init(&shared->count, 1);
    atomic_init(&shared->size, size);
    atomic_init(&shared->pages, pages);
    wagi_mutex_init(&shared->lock);
    for (unsigned i = 0; i < WAGI_WAIT_LISTS; i++)
        wagi_mutex_init(&shared->waiters[i].lock);
    *ret_shared = shared;
    return WAG_OK;
}

wag_shared_memory *wag_shared_memory_ref(wag_shared_memory *shared)
{
    if (shared)
        atomic_fetch_add_explicit(&shared->count, 1, memory_order_relaxed); /* the caller holds one */
    return shared;
}

void wag_shared_memory_unref(wag_shared_memory *shared)
{
    /* acq_rel: the last one sees all that the others did before it frees. */
    if (!shared || atomic_fetch_sub_explicit(&shared->count, 1, memory_order_acq_rel) != 1)
        return;
    wagi_os_unmap(shared->base, (size_t)shared->reserved);
    wagi_mutex_fini(&shared->lock);
    for (unsigned i = 0; i < WAGI_WAIT_LISTS; i++)
        wagi_mutex_fini(&shared->waiters[i].lock);
    wag_cluster_unref(shared->cluster);
    wagi_free(shared);
}

uint64_t wagi_shared_memory_grow(wag_shared_memory *shared, uint64_t delta_pages)
{
    wagi_mutex_lock(&shared->lock);
    uint64_t old_pages = atomic_load(&shared->pages), result = UINT64_MAX;
    if (delta_pages <= shared->max_pages - old_pages) {
        uint64_t pages = old_pages + delta_pages, shift = shared->type.page_size_log2;
        if (open_pages(shared, old_pages << shift, pages << shift)) {
            /* seq_cst, as the specification orders the length of a memory. */
            atomic_store(&shared->size, pages << shift);
            atomic_store(&shared->pages, pages);
            result = old_pages;
        }
    }
    wagi_mutex_unlock(&shared->lock);
    return result;
}

/* ---- bytes ----
 * Word by word where both addresses allow it. */

static bool is_word(const uint8_t *at)
{
    return (uintptr_t)at % 8 == 0;
}

void wagi_shared_fill(uint8_t *to, uint8_t value, uint64_t size)
{
    for (; size && !is_word(to); size--)
        atomic_plain_store8(to++, value);
    for (; size >= 8; size -= 8, to += 8)
        atomic_plain_store64(to, value * UINT64_C(0x0101010101010101));
    for (; size; size--)
        atomic_plain_store8(to++, value);
}

static void copy_up(uint8_t *to, const uint8_t *from, uint64_t size)
{
    if (((uintptr_t)to - (uintptr_t)from) % 8 == 0) {
        for (; size && !is_word(to); size--)
            atomic_plain_store8(to++, atomic_plain_load8(from++));
        for (; size >= 8; size -= 8, to += 8, from += 8)
            atomic_plain_store64(to, atomic_plain_load64(from));
    }
    for (; size; size--)
        atomic_plain_store8(to++, atomic_plain_load8(from++));
}

static void copy_down(uint8_t *to, const uint8_t *from, uint64_t size)
{
    to += size;
    from += size;
    if (((uintptr_t)to - (uintptr_t)from) % 8 == 0) {
        for (; size && !is_word(to); size--)
            atomic_plain_store8(--to, atomic_plain_load8(--from));
        for (; size >= 8; size -= 8)
            atomic_plain_store64(to -= 8, atomic_plain_load64(from -= 8));
    }
    for (; size; size--)
        atomic_plain_store8(--to, atomic_plain_load8(--from));
}

void wagi_shared_copy(uint8_t *to, const uint8_t *from, uint64_t size)
{
    if ((uintptr_t)to - (uintptr_t)from < size)
        copy_down(to, from, size);
    else
        copy_up(to, from, size);
}

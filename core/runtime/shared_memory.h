/* Shared memories: a block outside of any agent, which a wag_memory of each agent that has it aliases.
 *
 * All of the address space that a shared memory may ever need is reserved when it is made, so its base never moves and
 * growing is: make pages accessible, then store the size. Every agent reads base and size from here; the fields of the
 * alias stay zero, so that whoever overlooks that a memory is shared finds it empty.
 *
 * Wasm's plain accesses to a shared memory race by design. In C they are relaxed atomics (ops/atomic.h), so that they
 * have a meaning; in native code they are the machine's plain accesses.
 *
 * Waiters (memory.atomic.wait) are parked in lists of the block, by address.
 */
#ifndef WAGI_RUNTIME_SHARED_MEMORY_H
#define WAGI_RUNTIME_SHARED_MEMORY_H

#include <stdatomic.h>

#include "base/park.h"
#include "base/sync.h"
#include "binary/types.h"
#include "waggle/instance.h"

/* A thread that waits. It lies on the stack of that thread, and is in a list or has been notified. */
typedef struct wagi_waiter {
    struct wagi_waiter *previous, *next;
    uint64_t address; /* offset in the memory */
    wagi_parker *parker;
    bool notified; /* taken off the list; guarded by the list's lock */
} wagi_waiter;

/* Waiters in the order of their arrival. An address belongs to one list. */
typedef struct wagi_wait_list {
    wagi_mutex lock; /* leaf */
    wagi_waiter *first, *last;
} wagi_wait_list;

#define WAGI_WAIT_LISTS 16

struct wag_shared_memory {
    atomic_size_t count;
    struct wag_cluster *cluster; /* one reference */
    uint8_t *base;               /* never moves */
    uint64_t reserved;           /* bytes of address space at base */
    uint64_t max_pages;
    wagi_memory_type type; /* as declared: the minimum does not follow growth */
    bool is_guarded;       /* WAGI_GUARD_BYTES are reserved */
    /* Grow only. size is stored first, so that whoever reads pages may use them. */
    atomic_uint_least64_t size, pages;
    wagi_mutex lock; /* growth; leaf */
    wagi_wait_list waiters[WAGI_WAIT_LISTS];
};

_Static_assert(sizeof(atomic_uint_least64_t) == 8, "native code reads the size as one word");

/* One reference. WAG_RANGE when the address space or the pages cannot be had, WAG_NOMEM. The type is shared and has a
 * maximum; max_pages: the smaller of that and the limit. */
wag_err wagi_shared_memory_new(struct wag_cluster *cluster, wagi_memory_type type, uint64_t max_pages,
                               wag_shared_memory **ret_shared, wag_error **reterr_error);
/* The old size in pages, or UINT64_MAX when it cannot grow. Any thread. */
uint64_t wagi_shared_memory_grow(wag_shared_memory *shared, uint64_t delta_pages);

/* Bytes in and out, inside the bounds; other threads may be writing. */
void wagi_shared_fill(uint8_t *to, uint8_t value, uint64_t size);
void wagi_shared_copy(uint8_t *to, const uint8_t *from, uint64_t size); /* may overlap */

#endif

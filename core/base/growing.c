/* Address space for all that may come, memory for what has. See growing.h. */
#include "base/growing.h"

#include <string.h>

#include "base/os.h"

/* Address space that a process must have left, in multiples of what is reserved: else the bytes move instead, so that
 * one download does not keep a process under RLIMIT_AS from everything else. */
#define SPARE 8
enum { FIRST_STEP = 64 << 10, LARGEST_STEP = 4 << 20 };

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

void wagi_growing_init(wagi_growing *growing, size_t limit)
{
    size_t wanted = round_up(limit ? limit : 1, wagi_os_page_size());
    *growing = (wagi_growing){.limit = limit};
    uint8_t *space = limit <= SIZE_MAX / 2 / SPARE ? wagi_os_map(wanted * SPARE, WAGI_PROT_NONE) : NULL;
    if (!space)
        return;
    wagi_os_unmap(space + wanted, wanted * (SPARE - 1));
    growing->base = space;
    growing->mapped = wanted;
    growing->fixed = true;
}

void wagi_growing_fini(wagi_growing *growing)
{
    if (growing->base)
        wagi_os_unmap(growing->base, growing->mapped);
    *growing = (wagi_growing){.base = NULL};
}

/* Memory for `size` bytes. */
static bool reserve(wagi_growing *growing, size_t size)
{
    size_t step = growing->usable < FIRST_STEP ? FIRST_STEP : growing->usable;
    size_t usable = growing->usable + (step < LARGEST_STEP ? step : LARGEST_STEP);
    usable = round_up(usable < size ? size : usable, wagi_os_page_size());
    if (growing->fixed) {
        if (usable > growing->mapped)
            usable = growing->mapped;
        if (!wagi_os_protect(growing->base + growing->usable, usable - growing->usable, WAGI_PROT_READ_WRITE))
            return false;
    } else {
        void *base = growing->base ? wagi_os_remap(growing->base, growing->mapped, usable)
                                   : wagi_os_map(usable, WAGI_PROT_READ_WRITE);
        if (!base)
            return false;
        growing->base = base;
        growing->mapped = usable;
    }
    growing->usable = usable;
    return true;
}

bool wagi_growing_append(wagi_growing *growing, const uint8_t *bytes, size_t size)
{
    if (size > growing->limit - growing->size ||
        (growing->size + size > growing->usable && !reserve(growing, growing->size + size)))
        return false;
    if (size)
        memcpy(growing->base + growing->size, bytes, size);
    growing->size += size;
    return true;
}

void wagi_growing_trim(wagi_growing *growing)
{
    size_t used = round_up(growing->size, wagi_os_page_size());
    if (!growing->base || used == growing->mapped)
        return;
    if (used == 0) {
        wagi_os_unmap(growing->base, growing->mapped);
        growing->base = NULL;
    } else {
        wagi_os_unmap(growing->base + used, growing->mapped - used);
    }
    growing->mapped = growing->usable = used;
}

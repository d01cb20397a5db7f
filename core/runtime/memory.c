/* Linear memories: pages, growth, bulk operations.
 *
 * base points to exactly size bytes. Memories of standard pages are mappings, so that only what is touched takes
 * memory; the pool keeps them for the next instance, so few are made. Smaller ones (of custom pages) are heap blocks
 * and become mapped when they outgrow HEAP_BYTES. An empty memory points to itself, so that base is never NULL.
 *
 * max_pages is at most a limit of the cluster, so pages << page_size_log2 cannot overflow.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/os.h"
#include "runtime/buffer.h"
#include "runtime/pool.h"
#include "runtime/quota.h"
#include "runtime/slot.h"
#include "runtime/store.h"

enum { HEAP_BYTES = 16384 };

/* Most pages that a memory of this type may ever have here. */
static uint64_t page_limit(const wagi_limits *limits, wagi_memory_type type)
{
    uint64_t standard = type.limits.is_64 ? limits->memory64_pages : limits->memory32_pages;
    uint64_t pages = standard << (16 - type.page_size_log2);
    /* memory.size must be able to say it. */
    if (!type.limits.is_64 && pages > UINT32_MAX)
        pages = UINT32_MAX;
    if (pages > (SIZE_MAX >> type.page_size_log2))
        pages = SIZE_MAX >> type.page_size_log2;
    return type.limits.has_maximum && type.limits.maximum < pages ? type.limits.maximum : pages;
}

/* ---- guarded address ranges ----
 * Mapping one and giving it back costs the kernel over ten microseconds under a lock of the whole process, and every
 * page faults again. So an agent keeps a few of those that its memories gave back: cleared, which for a page or two is
 * a microsecond. */

enum { SPARE_BYTES = 2 << 20, SPARE_BYTES_OF_AGENT = 8 << 20 };

/* A spare range with its first size bytes usable and zero; NULL when there is none. */
static uint8_t *take_spare(wag_agent *agent, uint64_t size)
{
    if (agent->spare_count == 0)
        return NULL;
    wagi_spare spare = agent->spares[--agent->spare_count];
    agent->spare_bytes -= spare.size;
    bool fits = true;
    if (size > spare.size)
        fits = wagi_os_protect(spare.base + spare.size, (size_t)(size - spare.size), WAGI_PROT_READ_WRITE);
    else if (size < spare.size)
        fits = wagi_os_protect(spare.base + size, (size_t)(spare.size - size), WAGI_PROT_NONE);
    if (fits)
        return spare.base;
    wagi_os_unmap(spare.base, (size_t)WAGI_GUARD_BYTES);
    return NULL;
}

static void release_guarded(wag_agent *agent, uint8_t *base, uint64_t size)
{
    if (size > SPARE_BYTES || agent->spare_count == WAGI_SPARES || agent->spare_bytes + size > SPARE_BYTES_OF_AGENT) {
        wagi_os_unmap(base, (size_t)WAGI_GUARD_BYTES);
        return;
    }
    memset(base, 0, (size_t)size);
    agent->spares[agent->spare_count++] = (wagi_spare){base, size};
    agent->spare_bytes += size;
}

void wagi_memory_free_spares(wag_agent *agent)
{
    while (agent->spare_count)
        wagi_os_unmap(agent->spares[--agent->spare_count].base, (size_t)WAGI_GUARD_BYTES);
    agent->spare_bytes = 0;
}

/* Address space with the first size bytes usable; NULL when it cannot be had. */
static uint8_t *reserve(wag_agent *agent, uint64_t size)
{
    uint8_t *spare = take_spare(agent, size);
    if (spare)
        return spare;
    uint8_t *base = wagi_os_map((size_t)WAGI_GUARD_BYTES, WAGI_PROT_NONE);
    if (!base && agent->pools.ready_guarded) { /* no more addresses: those of instances to come may do */
        wagi_pools_trim(agent);
        base = wagi_os_map((size_t)WAGI_GUARD_BYTES, WAGI_PROT_NONE);
    }
    if (base && size && !wagi_os_protect(base, (size_t)size, WAGI_PROT_READ_WRITE)) {
        wagi_os_unmap(base, (size_t)WAGI_GUARD_BYTES);
        return NULL;
    }
    return base;
}

static void release_bytes(uint8_t *base, uint64_t size, bool is_mapped)
{
    if (is_mapped)
        wagi_os_unmap(base, (size_t)size);
    else if (size)
        wagi_free(base);
}

/* ---- shared memories ---- */

/* shared: own. */
static void open_alias(wag_memory *memory, wag_shared_memory *shared)
{
    memory->base = shared->base;
    memory->type = shared->type;
    memory->is_guarded = shared->is_guarded;
    memory->shared = shared;
}

wag_memory *wagi_memory_new_alias(wag_agent *agent, wag_shared_memory *shared)
{
    wag_memory *memory = wagi_object_new(agent, WAGI_OBJECT_MEMORY, sizeof *memory);
    if (memory)
        open_alias(memory, wag_shared_memory_ref(shared));
    return memory;
}

static wag_err open_shared(wag_memory *memory, wagi_memory_type type, bool guarded, wag_error **reterr_error)
{
    wag_cluster *cluster = memory->object.unit->agent->cluster;
    wag_shared_memory *shared = NULL;
    wag_err err = wagi_shared_memory_new(cluster, type, page_limit(&cluster->limits, type), &shared, reterr_error);
    if (err != WAG_OK)
        return err;
    if (guarded && !shared->is_guarded) {
        wag_shared_memory_unref(shared);
        return wagi_fail(wagi_error_new(WAG_RANGE, "no address space for the guard pages of a shared memory"),
                         reterr_error);
    }
    open_alias(memory, shared);
    return WAG_OK;
}

wag_err wagi_memory_open(wag_memory *memory, wagi_memory_type type, bool guarded, wag_error **reterr_error)
{
    if (type.limits.is_shared)
        return open_shared(memory, type, guarded, reterr_error);
    wag_agent *agent = memory->object.unit->agent;
    uint64_t limit = page_limit(&agent->cluster->limits, type);
    uint64_t pages = type.limits.minimum, size = 0;
    uint8_t *base = NULL;
    bool is_mapped = false;
    if (pages <= limit) {
        size = pages << type.page_size_log2;
        if (wagi_pools_take_memory(memory->object.unit, size) != WAG_OK)
            return wagi_fail(wagi_quota_error_for(memory->object.unit, WAGI_QUOTA_MEMORY, size), reterr_error);
        is_mapped = size > HEAP_BYTES || guarded;
        base = guarded     ? reserve(agent, size)
               : size == 0 ? (uint8_t *)memory
               : is_mapped ? wagi_os_map((size_t)size, WAGI_PROT_READ_WRITE)
                           : wagi_alloc_zero((size_t)size, 1);
    }
    if (!base) {
        if (pages <= limit)
            wagi_quota_give_for(memory->object.unit, WAGI_QUOTA_MEMORY, size);
        return wagi_fail(
            wagi_error_new(WAG_RANGE, "could not allocate a memory of %llu pages%s", (unsigned long long)pages,
                           guarded ? " with guard pages (a module compiled with bounds checks needs none)" : ""),
            reterr_error);
    }
    memory->base = base;
    memory->size = size;
    memory->pages = pages;
    memory->max_pages = limit;
    memory->type = type;
    memory->is_mapped = is_mapped;
    memory->is_guarded = guarded;
    return WAG_OK;
}

void wagi_memory_close(wag_memory *memory)
{
    bool writable = wagi_slot_end(memory);
    wagi_quota_give_for(memory->object.unit, WAGI_QUOTA_MEMORY, memory->size);
    if (memory->shared)
        wag_shared_memory_unref(memory->shared);
    else if (memory->is_guarded && !writable)
        wagi_os_unmap(memory->base, (size_t)WAGI_GUARD_BYTES);
    else if (memory->is_guarded)
        release_guarded(memory->object.unit->agent, memory->base, memory->size);
    else
        release_bytes(memory->base, memory->size, memory->is_mapped);
    memory->size = memory->pages = 0;
    memory->base = (uint8_t *)memory;
    memory->is_mapped = memory->is_guarded = false;
    memory->shared = NULL;
}

wag_err wagi_memory_new(wag_agent *agent, wagi_memory_type type, wag_memory **ret_memory, wag_error **reterr_error)
{
    uint64_t limit = page_limit(&agent->cluster->limits, type);
    wag_memory *memory = type.limits.minimum <= limit ? wagi_memory_pool_take(agent, type) : NULL;
    if (memory) {
        memory->max_pages = limit; /* it may have been lowered */
        *ret_memory = memory;
        return WAG_OK;
    }
    memory = wagi_object_new(agent, WAGI_OBJECT_MEMORY, sizeof *memory);
    if (!memory)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    wag_err err = wagi_memory_open(memory, type, false, reterr_error);
    if (err != WAG_OK) {
        wagi_unit_drop(memory->object.unit);
        return err;
    }
    wagi_memory_pool_join(memory);
    *ret_memory = memory;
    return WAG_OK;
}

static bool grow_to(wag_memory *memory, size_t old_size, size_t size)
{
    uint8_t *base = NULL;
    bool is_mapped = size > HEAP_BYTES || memory->is_guarded;
    if (memory->is_guarded) {
        base = memory->base;
        if (!wagi_os_protect(base + old_size, size - old_size, WAGI_PROT_READ_WRITE))
            return false;
    } else if (memory->is_mapped) {
        base = wagi_os_remap(memory->base, old_size, size);
        if (!base)
            return false;
    } else {
        base = is_mapped ? wagi_os_map(size, WAGI_PROT_READ_WRITE) : wagi_alloc_zero(size, 1);
        if (!base)
            return false;
        memcpy(base, memory->base, old_size);
        release_bytes(memory->base, old_size, false);
    }
    memory->base = base;
    memory->size = size;
    memory->is_mapped = is_mapped;
    return true;
}

static uint64_t grow_unshared(wag_memory *memory, uint64_t delta_pages)
{
    uint64_t old_pages = memory->pages;
    if (delta_pages > memory->max_pages - old_pages)
        return UINT64_MAX;
    if (delta_pages == 0)
        return old_pages;
    uint64_t pages = old_pages + delta_pages;
    size_t size = (size_t)(pages << memory->type.page_size_log2), old_size = (size_t)memory->size;
    if (wagi_pools_take_memory(memory->object.unit, size - old_size) != WAG_OK)
        return UINT64_MAX;
    if (!grow_to(memory, old_size, size)) {
        wagi_quota_give_for(memory->object.unit, WAGI_QUOTA_MEMORY, size - old_size);
        return UINT64_MAX;
    }
    memory->pages = pages;
    memory->generation++;
    return old_pages;
}

uint64_t wagi_memory_grow(wag_memory *memory, uint64_t delta_pages)
{
    uint64_t old_pages =
        memory->shared ? wagi_shared_memory_grow(memory->shared, delta_pages) : grow_unshared(memory, delta_pages);
    if (memory->buffer && old_pages != UINT64_MAX)
        wagi_buffer_grown(memory);
    return old_pages;
}

bool wagi_memory_guard(wag_memory *memory)
{
    if (memory->is_guarded || memory->shared)
        return memory->is_guarded;
    uint8_t *base = reserve(memory->object.unit->agent, memory->size);
    if (!base)
        return false;
    /* Copying would give every page of a new memory bytes of its own, and read them all. */
    if (!memory->is_mapped || !wagi_os_move(memory->base, (size_t)memory->size, base)) {
        memcpy(base, memory->base, (size_t)memory->size);
        release_bytes(memory->base, memory->size, memory->is_mapped);
    }
    memory->base = base;
    memory->is_mapped = memory->is_guarded = true;
    memory->generation++;
    wagi_memory_pool_guarded(memory);
    return true;
}

static bool inside(uint64_t offset, uint64_t count, uint64_t size)
{
    return offset <= size && count <= size - offset;
}

/* So few are written as stores would: a page that is not writable costs a fault, which is rare, and asking each time
 * would not be. */
enum { SMALL_BULK = 1024 };

wag_err wagi_memory_fill(wag_memory *memory, uint64_t offset, uint8_t value, uint64_t size)
{
    wag_err err;
    if (!inside(offset, size, wagi_memory_size(memory)))
        return WAG_MEMORY_BOUNDS;
    if (size <= SMALL_BULK && !memory->shared) {
        memset(memory->base + offset, value, (size_t)size);
        return WAG_OK;
    }
    do {
        uint64_t step = wagi_bulk_step(size, 1);
        wagi_slot_make_writable(memory, offset, step);
        if (memory->shared)
            wagi_shared_fill(memory->base + offset, value, step);
        else
            memset(memory->base + offset, value, (size_t)step);
        offset += step;
        size -= step;
    } while (wagi_bulk_goes_on(memory->object.unit->agent, size, &err));
    return err;
}

void wagi_memory_clear(wag_memory *memory)
{
    uint64_t size = wagi_memory_size(memory);
    wagi_slot_make_writable(memory, 0, size);
    if (memory->shared)
        wagi_shared_fill(memory->base, 0, size);
    else
        memset(memory->base, 0, (size_t)size);
}

static void copy_step(const wag_memory *memory, uint64_t to, const uint8_t *from, uint64_t size, bool shared)
{
    if (shared)
        wagi_shared_copy(memory->base + to, from, size);
    else if (size)
        memmove(memory->base + to, from, (size_t)size);
}

wag_err wagi_memory_copy(wag_memory *destination, uint64_t to, wag_memory *source, uint64_t from, uint64_t size)
{
    if (!inside(to, size, wagi_memory_size(destination)) || !inside(from, size, wagi_memory_size(source)))
        return WAG_MEMORY_BOUNDS;
    if (size <= SMALL_BULK && !destination->shared && !source->shared) {
        memmove(destination->base + to, source->base + from, (size_t)size);
        return WAG_OK;
    }
    bool shared = destination->shared || source->shared, upward = destination->base + to <= source->base + from;
    wag_err err;
    do { /* from the end that is not in the way of the other one */
        uint64_t step = wagi_bulk_step(size, 1), at = upward ? 0 : size - step;
        wagi_slot_make_writable(destination, to + at, step);
        copy_step(destination, to + at, source->base + from + at, step, shared);
        size -= step;
        to += upward ? step : 0;
        from += upward ? step : 0;
    } while (wagi_bulk_goes_on(destination->object.unit->agent, size, &err));
    return err;
}

wag_err wagi_memory_init(wag_memory *memory, uint64_t to, const wagi_data_instance *data, uint64_t from, uint64_t size)
{
    if (!inside(to, size, wagi_memory_size(memory)) || !inside(from, size, data->size))
        return WAG_MEMORY_BOUNDS;
    wag_err err;
    do {
        uint64_t step = wagi_bulk_step(size, 1);
        wagi_slot_make_writable(memory, to, step);
        if (step)
            copy_step(memory, to, data->bytes + from, step, memory->shared);
        to += step;
        from += step;
        size -= step;
    } while (wagi_bulk_goes_on(memory->object.unit->agent, size, &err));
    return err;
}

void wagi_data_drop(wagi_data_instance *data)
{
    data->size = 0;
}

/* waggle/instance.h: memories. Checks, then one call inward. */
#include <string.h>

#include "api/check.h"
#include "runtime/slot.h"
#include "runtime/store.h"

/* Most pages that may be asked for. */
static uint64_t most_pages(const wagi_limits *limits, const wag_memory_descriptor *descriptor)
{
    return descriptor->address_i64 ? limits->memory64_pages_declared : limits->memory32_pages;
}

wag_err wag_memory_create(const wag_memory_descriptor *descriptor, wag_memory **ret_memory, wag_error **reterr_error)
{
    wag_agent *agent = wag_agent_current();
    if (!agent)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    if (!descriptor)
        return wagi_fail(wagi_error_new(WAG_TYPE, "a memory without descriptor"), reterr_error);
    uint64_t initial = descriptor->initial, maximum = descriptor->maximum;
    uint64_t limit = most_pages(&agent->cluster->limits, descriptor);
    if (descriptor->shared && maximum == UINT64_MAX)
        return wagi_fail(wagi_error_new(WAG_TYPE, "a shared memory must have a maximum"), reterr_error);
    wag_error *error = wagi_sizes_check("memory", "pages", initial, maximum, limit, limit);
    if (error)
        return wagi_fail(error, reterr_error);
    wagi_memory_type type = {.limits = {.minimum = initial,
                                        .maximum = maximum,
                                        .has_maximum = maximum != UINT64_MAX,
                                        .is_64 = descriptor->address_i64,
                                        .is_shared = descriptor->shared},
                             .page_size_log2 = 16};
    wag_memory *memory = NULL;
    wag_err err = wagi_memory_new(agent, type, &memory, reterr_error);
    if (err == WAG_OK)
        WAGI_GIVE(memory, ret_memory);
    return err;
}

wag_err wag_memory_new(uint64_t initial, uint64_t maximum, wag_memory **ret_memory, wag_error **reterr_error)
{
    return wag_memory_create(&(wag_memory_descriptor){.initial = initial, .maximum = maximum}, ret_memory,
                             reterr_error);
}

wag_shared_memory *wag_memory_share(const wag_memory *memory)
{
    return wagi_mine((const wagi_object *)memory) ? wag_shared_memory_ref(memory->shared) : NULL;
}

wag_err wag_memory_of_shared(wag_shared_memory *shared, wag_memory **ret_memory, wag_error **reterr_error)
{
    wag_agent *agent = wag_agent_current();
    if (!agent)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    if (!shared || shared->cluster != agent->cluster)
        return wagi_fail(
            wagi_error_new(WAG_TYPE, shared ? "the memory belongs to another cluster" : "the shared memory is NULL"),
            reterr_error);
    wag_memory *memory = wagi_memory_new_alias(agent, shared);
    if (!memory)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    WAGI_GIVE(memory, ret_memory);
    return WAG_OK;
}

wag_memory *wag_memory_ref(wag_memory *memory)
{
    wagi_handle_ref((const wagi_object *)memory);
    return memory;
}

void wag_memory_unref(wag_memory *memory)
{
    wagi_handle_unref((const wagi_object *)memory);
}

uint8_t *wag_memory_data(const wag_memory *memory)
{
    if (!wagi_mine((const wagi_object *)memory))
        return NULL;
    wagi_slot_open((wag_memory *)(uintptr_t)memory);
    return memory->base;
}

static bool inside(const wag_memory *memory, uint64_t offset, size_t size)
{
    uint64_t now = wagi_memory_size(memory);
    return offset <= now && size <= now - offset;
}

const uint8_t *wag_memory_readable(const wag_memory *memory, uint64_t offset, size_t length)
{
    return wagi_mine((const wagi_object *)memory) && inside(memory, offset, length) ? memory->base + offset : NULL;
}

uint8_t *wag_memory_writable(wag_memory *memory, uint64_t offset, size_t length)
{
    if (!wagi_mine((const wagi_object *)memory) || !inside(memory, offset, length))
        return NULL;
    wagi_slot_make_writable(memory, offset, length);
    return memory->base + offset;
}

uint64_t wag_memory_generation(const wag_memory *memory)
{
    return wagi_mine((const wagi_object *)memory) ? memory->generation : 0;
}

size_t wag_memory_size(const wag_memory *memory)
{
    return wagi_mine((const wagi_object *)memory) ? (size_t)wagi_memory_size(memory) : 0;
}

uint64_t wag_memory_pages(const wag_memory *memory)
{
    return wagi_mine((const wagi_object *)memory) ? wagi_memory_pages(memory) : 0;
}

bool wag_memory_is_shared(const wag_memory *memory)
{
    return wagi_mine((const wagi_object *)memory) && memory->shared;
}

wag_err wag_memory_grow(wag_memory *memory, uint64_t delta_pages, uint64_t *ret_old_pages, wag_error **reterr_error)
{
    if (!wagi_mine((const wagi_object *)memory))
        return wagi_fail(wagi_error_handle(memory, "memory"), reterr_error);
    /* Its buffer object may be all that holds it, and gives it up now. */
    wagi_unit_hold(memory->object.unit);
    uint64_t old_pages = wagi_memory_grow(memory, delta_pages), pages = wagi_memory_pages(memory);
    wagi_unit_release(memory->object.unit);
    if (old_pages == UINT64_MAX)
        return wagi_fail(wagi_error_new(WAG_RANGE, "a memory of %llu pages cannot grow by %llu",
                                        (unsigned long long)pages, (unsigned long long)delta_pages),
                         reterr_error);
    if (ret_old_pages)
        *ret_old_pages = old_pages;
    return WAG_OK;
}

wag_err wag_memory_read(const wag_memory *memory, uint64_t offset, void *destination, size_t size)
{
    wag_err err = wagi_mine_err((const wagi_object *)memory);
    if (err != WAG_OK)
        return err;
    if (!inside(memory, offset, size))
        return WAG_RANGE;
    if (memory->shared)
        wagi_shared_copy(destination, memory->base + offset, size);
    else if (size)
        memcpy(destination, memory->base + offset, size);
    return WAG_OK;
}

wag_err wag_memory_write(wag_memory *memory, uint64_t offset, const void *source, size_t size)
{
    wag_err err = wagi_mine_err((const wagi_object *)memory);
    if (err != WAG_OK)
        return err;
    if (!inside(memory, offset, size))
        return WAG_RANGE;
    wagi_slot_make_writable(memory, offset, size);
    if (memory->shared)
        wagi_shared_copy(memory->base + offset, source, size);
    else if (size)
        memcpy(memory->base + offset, source, size);
    return WAG_OK;
}

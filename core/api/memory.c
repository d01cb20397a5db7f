/* waggle/instance.h: memories. Checks, then one call inward. */
#include <string.h>

#include "api/check.h"
#include "runtime/store.h"

wag_err wag_memory_new(uint64_t initial, uint64_t maximum, wag_memory **ret_memory, wag_error **reterr_error)
{
    wag_agent *agent = wag_agent_current();
    if (!agent)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    uint64_t limit = agent->cluster->limits.memory32_pages;
    if (initial > limit || (maximum != UINT64_MAX && (maximum > limit || maximum < initial)))
        return wagi_fail(wagi_error_new(WAG_RANGE, "a memory cannot have %llu pages now and %llu at the most",
                                        (unsigned long long)initial, (unsigned long long)maximum),
                         reterr_error);
    wagi_memory_type type = {.limits = {.minimum = initial, .maximum = maximum, .has_maximum = maximum != UINT64_MAX},
                             .page_size_log2 = 16};
    wag_memory *memory = NULL;
    wag_err err = wagi_memory_new(agent, type, &memory, reterr_error);
    if (err == WAG_OK)
        WAGI_GIVE(memory, ret_memory);
    return err;
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
    return wagi_mine((const wagi_object *)memory) ? memory->base : NULL;
}

size_t wag_memory_size(const wag_memory *memory)
{
    return wagi_mine((const wagi_object *)memory) ? (size_t)memory->size : 0;
}

uint64_t wag_memory_pages(const wag_memory *memory)
{
    return wagi_mine((const wagi_object *)memory) ? memory->pages : 0;
}

wag_err wag_memory_grow(wag_memory *memory, uint64_t delta_pages, uint64_t *ret_old_pages, wag_error **reterr_error)
{
    wag_err err = wagi_mine_err((const wagi_object *)memory);
    if (err != WAG_OK)
        return wagi_fail(wagi_error_new(err, NULL), reterr_error);
    uint64_t old_pages = wagi_memory_grow(memory, delta_pages);
    if (old_pages == UINT64_MAX)
        return wagi_fail(wagi_error_new(WAG_RANGE, "a memory of %llu pages cannot grow by %llu",
                                        (unsigned long long)memory->pages, (unsigned long long)delta_pages),
                         reterr_error);
    if (ret_old_pages)
        *ret_old_pages = old_pages;
    return WAG_OK;
}

static bool inside(const wag_memory *memory, uint64_t offset, size_t size)
{
    return offset <= memory->size && size <= memory->size - offset;
}

wag_err wag_memory_read(const wag_memory *memory, uint64_t offset, void *destination, size_t size)
{
    wag_err err = wagi_mine_err((const wagi_object *)memory);
    if (err != WAG_OK)
        return err;
    if (!inside(memory, offset, size))
        return WAG_RANGE;
    if (size)
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
    if (size)
        memcpy(memory->base + offset, source, size);
    return WAG_OK;
}

/* waggle/buffer.h: buffers. Checks, then the ECMAScript operations on what a buffer is attached to. */
#include "runtime/buffer.h"

#include <string.h>

#include "api/check.h"
#include "base/alloc.h"
#include "runtime/slot.h"

static wag_err give(wag_buffer *buffer, wag_buffer **ret_buffer, wag_error **reterr_error)
{
    if (!buffer)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    WAGI_GIVE(buffer, ret_buffer);
    return WAG_OK;
}

static wag_err no_room(uint64_t length, wag_error **reterr_error)
{
    return wagi_fail(wagi_error_new(WAG_RANGE, "could not allocate a buffer of %llu bytes", (unsigned long long)length),
                     reterr_error);
}

/* A shared block is a shared memory whose pages are bytes. */
static wag_err create_shared(wag_agent *agent, uint64_t length, uint64_t max_length, bool resizable,
                             wag_buffer **ret_buffer, wag_error **reterr_error)
{
    wagi_memory_type type = {
        .limits = {.minimum = length, .maximum = max_length, .has_maximum = true, .is_64 = true, .is_shared = true},
        .page_size_log2 = 0};
    wag_shared_memory *shared = NULL;
    if (max_length > PTRDIFF_MAX || wagi_shared_memory_new(agent->cluster, type, max_length, &shared, NULL) != WAG_OK)
        return no_room(max_length, reterr_error);
    wag_buffer *buffer = wagi_buffer_new_shared(agent, shared, length, resizable);
    wag_shared_memory_unref(shared);
    return give(buffer, ret_buffer, reterr_error);
}

/* backing: own, or NULL: there was no memory for it. */
static wag_err give_backing(wag_agent *agent, wagi_backing *backing, uint64_t length, wag_buffer **ret_buffer,
                            wag_error **reterr_error)
{
    if (!backing)
        return no_room(length, reterr_error);
    wag_buffer *buffer = wagi_buffer_new(agent, backing);
    if (!buffer)
        wagi_backing_free(backing);
    return give(buffer, ret_buffer, reterr_error);
}

wag_err wag_buffer_create(const wag_buffer_descriptor *descriptor, wag_buffer **ret_buffer, wag_error **reterr_error)
{
    wag_agent *agent = wag_agent_current();
    if (!agent)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    if (!descriptor)
        return wagi_fail(wagi_error_new(WAG_TYPE, "a buffer without descriptor"), reterr_error);
    uint64_t length = descriptor->length, max_length = descriptor->resizable ? descriptor->max_length : length;
    if (max_length < length)
        return wagi_fail(wagi_error_new(WAG_RANGE, "a buffer of %llu bytes cannot have a maximum of %llu",
                                        (unsigned long long)length, (unsigned long long)max_length),
                         reterr_error);
    if (descriptor->shared)
        return create_shared(agent, length, max_length, descriptor->resizable, ret_buffer, reterr_error);
    return give_backing(agent, wagi_backing_new(length, max_length, descriptor->resizable), length, ret_buffer,
                        reterr_error);
}

wag_err wag_buffer_new(wag_bytes bytes, wag_buffer **ret_buffer, wag_error **reterr_error)
{
    wag_agent *agent = wag_agent_current();
    if (!agent)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    if (!bytes.data && bytes.size)
        return wagi_fail(wagi_error_new(WAG_TYPE, "a buffer of no bytes"), reterr_error);
    wagi_backing *backing = wagi_backing_new(bytes.size, bytes.size, false);
    if (backing && bytes.size)
        memcpy(backing->data, bytes.data, bytes.size);
    return give_backing(agent, backing, bytes.size, ret_buffer, reterr_error);
}

wag_err wag_buffer_adopt(uint8_t *data, size_t size, void (*release)(void *context, uint8_t *data), void *context,
                         wag_buffer **ret_buffer, wag_error **reterr_error)
{
    wag_agent *agent = wag_agent_current();
    if (!agent)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    if (!data || !release || !ret_buffer)
        return wagi_fail(wagi_error_new(WAG_TYPE, "a buffer needs bytes and somebody to release them"), reterr_error);
    wagi_backing *backing = WAGI_NEW(wagi_backing);
    wag_buffer *buffer = backing ? wagi_buffer_new(agent, backing) : NULL;
    if (!buffer) {
        wagi_free(backing);
        return wagi_fail(wagi_error_nomem(), reterr_error);
    }
    *backing = (wagi_backing){.data = data, .size = size, .max_size = size, .release = release, .context = context};
    *ret_buffer = buffer;
    return WAG_OK;
}

wag_buffer *wag_buffer_ref(wag_buffer *buffer)
{
    wagi_handle_ref((const wagi_object *)buffer);
    return buffer;
}

void wag_buffer_unref(wag_buffer *buffer)
{
    wagi_handle_unref((const wagi_object *)buffer);
}

static bool mine(const wag_buffer *buffer)
{
    return wagi_mine((const wagi_object *)buffer);
}

uint64_t wag_buffer_size(const wag_buffer *buffer)
{
    return mine(buffer) ? wagi_buffer_size(buffer) : 0;
}

uint64_t wag_buffer_max_size(const wag_buffer *buffer)
{
    return mine(buffer) ? wagi_buffer_max_size(buffer) : 0;
}

bool wag_buffer_is_resizable(const wag_buffer *buffer)
{
    return mine(buffer) && buffer->resizable;
}

bool wag_buffer_is_shared(const wag_buffer *buffer)
{
    return mine(buffer) && buffer->shared;
}

bool wag_buffer_is_detached(const wag_buffer *buffer)
{
    return mine(buffer) && wagi_buffer_is_detached(buffer);
}

uint8_t *wag_buffer_data(const wag_buffer *buffer)
{
    if (!mine(buffer))
        return NULL;
    if (wagi_buffer_is_keyed(buffer))
        return wag_memory_data(buffer->memory);
    return wagi_buffer_data(buffer);
}

/* ---- bytes in and out ---- */

static wag_err check_range(const wag_buffer *buffer, uint64_t offset, size_t size)
{
    wag_err err = wagi_mine_err((const wagi_object *)buffer);
    if (err != WAG_OK)
        return err;
    if (wagi_buffer_is_detached(buffer))
        return WAG_DETACHED;
    uint64_t now = wagi_buffer_size(buffer);
    return offset <= now && size <= now - offset ? WAG_OK : WAG_RANGE;
}

wag_err wag_buffer_read(const wag_buffer *buffer, uint64_t offset, void *destination, size_t size)
{
    wag_err err = check_range(buffer, offset, size);
    if (err != WAG_OK || !size)
        return err;
    const uint8_t *from = wagi_buffer_data(buffer) + offset;
    if (buffer->shared)
        wagi_shared_copy(destination, from, size);
    else
        memcpy(destination, from, size);
    return WAG_OK;
}

wag_err wag_buffer_write(wag_buffer *buffer, uint64_t offset, const void *source, size_t size)
{
    wag_err err = check_range(buffer, offset, size);
    if (err != WAG_OK || !size)
        return err;
    if (wagi_buffer_is_keyed(buffer))
        return wag_memory_write(buffer->memory, offset, source, size);
    if (buffer->shared)
        wagi_shared_copy(buffer->shared->base + offset, source, size);
    else
        memcpy(buffer->backing->data + offset, source, size);
    return WAG_OK;
}

/* ---- changes ---- */

static bool resize_backing(wagi_backing *backing, uint64_t length)
{
    uint8_t *data = length < PTRDIFF_MAX ? wagi_realloc_array(backing->data, (size_t)length + 1, 1) : NULL;
    if (!data)
        return false;
    if (length > backing->size)
        memset(data + backing->size, 0, (size_t)(length - backing->size));
    backing->data = data;
    backing->size = length;
    return true;
}

/* Whole pages of a memory, or bytes of a shared block. */
static bool grow_pages(wag_buffer *buffer, uint64_t length)
{
    uint32_t log2 = buffer->memory ? buffer->memory->type.page_size_log2 : buffer->shared->type.page_size_log2;
    uint64_t now = wagi_buffer_size(buffer), delta = (length - now) >> log2;
    if (length < now || length & ((UINT64_C(1) << log2) - 1))
        return false;
    if (!buffer->memory)
        return wagi_shared_memory_grow(buffer->shared, delta) != UINT64_MAX;
    return wagi_memory_grow(buffer->memory, delta) != UINT64_MAX;
}

wag_err wag_buffer_resize(wag_buffer *buffer, uint64_t new_length, wag_error **reterr_error)
{
    if (!wagi_mine((const wagi_object *)buffer))
        return wagi_fail(wagi_error_handle(buffer, "buffer"), reterr_error);
    wag_err err = !buffer->resizable ? WAG_TYPE : wagi_buffer_is_detached(buffer) ? WAG_DETACHED : WAG_OK;
    if (err != WAG_OK)
        return wagi_fail(wagi_error_new(err, err == WAG_TYPE ? "the buffer's length is fixed" : NULL), reterr_error);
    uint64_t most = wagi_buffer_max_size(buffer), now = wagi_buffer_size(buffer);
    if (new_length <= most &&
        (buffer->backing ? resize_backing(buffer->backing, new_length) : grow_pages(buffer, new_length)))
        return WAG_OK;
    return wagi_fail(wagi_error_new(WAG_RANGE, "a buffer of %llu bytes, at most %llu, cannot have %llu",
                                    (unsigned long long)now, (unsigned long long)most, (unsigned long long)new_length),
                     reterr_error);
}

wag_err wag_buffer_transfer(wag_buffer *buffer, wag_buffer **ret_buffer, wag_error **reterr_error)
{
    if (!wagi_mine((const wagi_object *)buffer))
        return wagi_fail(wagi_error_handle(buffer, "buffer"), reterr_error);
    if (wagi_buffer_is_detached(buffer))
        return wagi_fail(wagi_error_new(WAG_DETACHED, NULL), reterr_error);
    if (!buffer->backing || !ret_buffer)
        return wagi_fail(wagi_error_new(WAG_TYPE, buffer->shared     ? "a shared buffer cannot be transferred"
                                                  : !buffer->backing ? "the buffer of a memory cannot be detached"
                                                                     : "a buffer needs somebody who keeps it"),
                         reterr_error);
    wag_buffer *moved = wagi_buffer_new(buffer->object.unit->agent, buffer->backing);
    if (moved)
        buffer->backing = NULL;
    return give(moved, ret_buffer, reterr_error);
}

/* ---- of a memory ---- */

wag_buffer *wag_memory_buffer(wag_memory *memory)
{
    return wagi_mine((const wagi_object *)memory) ? wagi_memory_buffer(memory) : NULL;
}

static wag_err other_kind(wag_memory *memory, bool resizable, wag_buffer **ret_buffer, wag_error **reterr_error)
{
    if (!wagi_mine((const wagi_object *)memory))
        return wagi_fail(wagi_error_handle(memory, "memory"), reterr_error);
    if (resizable && !memory->type.limits.has_maximum)
        return wagi_fail(wagi_error_new(WAG_TYPE, "a resizable buffer needs a memory with a maximum"), reterr_error);
    return give(wagi_memory_make_buffer(memory, resizable), ret_buffer, reterr_error);
}

wag_err wag_memory_to_fixed_length_buffer(wag_memory *memory, wag_buffer **ret_buffer, wag_error **reterr_error)
{
    return other_kind(memory, false, ret_buffer, reterr_error);
}

wag_err wag_memory_to_resizable_buffer(wag_memory *memory, wag_buffer **ret_buffer, wag_error **reterr_error)
{
    return other_kind(memory, true, ret_buffer, reterr_error);
}

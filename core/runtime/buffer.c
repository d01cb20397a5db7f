/* Buffers: what they are attached to, and the buffer object of a memory. See buffer.h. */
#include "runtime/buffer.h"

#include "base/alloc.h"

/* ---- backings ---- */

wagi_backing *wagi_backing_new(uint64_t size, uint64_t max_size, bool resizable)
{
    wagi_backing *backing = WAGI_NEW(wagi_backing);
    uint8_t *data = backing && size < PTRDIFF_MAX ? wagi_alloc_zero((size_t)size + 1, 1) : NULL;
    if (!data) {
        wagi_free(backing);
        return NULL;
    }
    *backing = (wagi_backing){.data = data, .size = size, .max_size = max_size, .resizable = resizable};
    return backing;
}

void wagi_backing_free(wagi_backing *backing)
{
    if (!backing)
        return;
    if (backing->release)
        backing->release(backing->context, backing->data);
    else
        wagi_free(backing->data);
    wagi_free(backing);
}

/* ---- making ---- */

wag_buffer *wagi_buffer_new(wag_agent *agent, wagi_backing *backing)
{
    wag_buffer *buffer = wagi_object_new(agent, WAGI_OBJECT_BUFFER, sizeof *buffer);
    if (buffer) {
        buffer->backing = backing;
        buffer->resizable = backing->resizable;
    }
    return buffer;
}

wag_buffer *wagi_buffer_new_shared(wag_agent *agent, wag_shared_memory *shared, uint64_t length, bool resizable)
{
    wag_buffer *buffer = wagi_object_new(agent, WAGI_OBJECT_BUFFER, sizeof *buffer);
    if (buffer) {
        buffer->shared = wag_shared_memory_ref(shared);
        buffer->length = length;
        buffer->resizable = resizable;
    }
    return buffer;
}

/* The memory has another buffer object now, or none. */
static void retire(wag_memory *memory)
{
    wag_buffer *buffer = memory->buffer;
    memory->buffer = NULL;
    buffer->memory = NULL;       /* not shared: this detaches it */
    memory->object.unit->refs--; /* whoever lets a memory grow holds it otherwise */
}

wag_buffer *wagi_memory_make_buffer(wag_memory *memory, bool resizable)
{
    wag_agent *agent = memory->object.unit->agent;
    wag_buffer *old = memory->buffer;
    uint64_t size = wagi_memory_size(memory);
    /* A shared memory may have grown in another agent. */
    if (old && old->resizable == resizable && (resizable || !memory->shared || old->length == size)) {
        wagi_unit_hold(old->object.unit);
        return old;
    }
    wag_buffer *buffer = memory->shared ? wagi_buffer_new_shared(agent, memory->shared, size, resizable)
                                        : wagi_object_new(agent, WAGI_OBJECT_BUFFER, sizeof *buffer);
    if (!buffer)
        return NULL;
    if (old)
        retire(memory);
    buffer->resizable = resizable;
    buffer->memory = memory;
    memory->buffer = buffer;
    wagi_unit_ref(memory->object.unit);
    return buffer;
}

wag_buffer *wagi_memory_buffer(wag_memory *memory)
{
    return wagi_memory_make_buffer(memory, memory->buffer && memory->buffer->resizable);
}

void wagi_buffer_grown(wag_memory *memory)
{
    if (!memory->buffer->resizable)
        retire(memory);
}

void wagi_buffer_unlink(wagi_object *object)
{
    wag_buffer *buffer = (wag_buffer *)object;
    if (object->kind == WAGI_OBJECT_BUFFER && buffer->memory && buffer->memory->buffer == buffer)
        buffer->memory->buffer = NULL;
}

void wagi_buffer_close(wag_buffer *buffer)
{
    wagi_backing_free(buffer->backing);
    wag_shared_memory_unref(buffer->shared);
}

/* ---- what is in it ---- */

uint8_t *wagi_buffer_data(const wag_buffer *buffer)
{
    if (buffer->backing)
        return buffer->backing->data;
    if (buffer->shared)
        return buffer->shared->base;
    return buffer->memory ? buffer->memory->base : NULL;
}

uint64_t wagi_buffer_size(const wag_buffer *buffer)
{
    if (buffer->backing)
        return buffer->backing->size;
    if (buffer->shared)
        return buffer->resizable ? atomic_load(&buffer->shared->size) : buffer->length;
    return buffer->memory ? buffer->memory->size : 0;
}

uint64_t wagi_buffer_max_size(const wag_buffer *buffer)
{
    if (!buffer->resizable)
        return wagi_buffer_size(buffer);
    if (buffer->backing)
        return buffer->backing->max_size;
    if (buffer->shared)
        return buffer->shared->max_pages << buffer->shared->type.page_size_log2;
    return buffer->memory ? buffer->memory->type.limits.maximum << buffer->memory->type.page_size_log2 : 0;
}

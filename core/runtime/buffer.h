/* Buffers: ArrayBuffer and SharedArrayBuffer. ECMAScript: ArrayBuffer objects; JS API: the buffer of a Memory.
 *
 * A buffer is attached to exactly one of these, or detached:
 *   backing            bytes of its own, which a message can carry away
 *   memory             the bytes of a Memory that is not shared: at any time all of them. It holds the memory's unit. A
 *                      buffer of fixed length ends with the memory's next growth. Nobody can carry it away: this is the
 *                      JS API's detach key "WebAssembly.Memory".
 *   shared             a shared block; `memory` is set as long as this is the buffer object of a Memory
 * A memory knows its buffer object (memory->buffer), so that it is one object; the buffer forgets that when it dies
 * (wagi_buffer_unlink).
 */
#ifndef WAGI_RUNTIME_BUFFER_H
#define WAGI_RUNTIME_BUFFER_H

#include "runtime/store.h"
#include "waggle/buffer.h"

/* Bytes that belong to one owner at a time: a buffer, a message. */
typedef struct wagi_backing {
    uint8_t *data;
    uint64_t size, max_size;
    bool resizable;                                /* a heap block of the library */
    void (*release)(void *context, uint8_t *data); /* NULL: a heap block of the library */
    void *context;
} wagi_backing;

struct wag_buffer {
    wagi_object object;
    wagi_backing *backing;     /* own */
    wag_memory *memory;        /* its unit is held */
    wag_shared_memory *shared; /* one reference */
    uint64_t length;           /* of a fixed part of a shared block */
    bool resizable;
};

static inline bool wagi_buffer_is_detached(const wag_buffer *buffer)
{
    return !buffer->backing && !buffer->memory && !buffer->shared;
}
/* Can it be carried away? */
static inline bool wagi_buffer_is_keyed(const wag_buffer *buffer)
{
    return buffer->memory && !buffer->shared;
}

/* Zeroed bytes. NULL without memory. */
wagi_backing *wagi_backing_new(uint64_t size, uint64_t max_size, bool resizable);
void wagi_backing_free(wagi_backing *backing); /* any thread; NULL is a no-op */

/* Making: one handle; NULL without memory.
 * backing: own, the caller's still on failure. shared: borrow. */
wag_buffer *wagi_buffer_new(wag_agent *agent, wagi_backing *backing);
wag_buffer *wagi_buffer_new_shared(wag_agent *agent, wag_shared_memory *shared, uint64_t length, bool resizable);
/* The buffer object of a memory, made when there is none. */
wag_buffer *wagi_memory_buffer(wag_memory *memory);
/* Replace it by one of the other kind, unless it is of that kind. */
wag_buffer *wagi_memory_make_buffer(wag_memory *memory, bool resizable);

uint8_t *wagi_buffer_data(const wag_buffer *buffer); /* NULL when detached */
uint64_t wagi_buffer_size(const wag_buffer *buffer); /* 0 when detached */
uint64_t wagi_buffer_max_size(const wag_buffer *buffer);
/* Its memory has grown, perhaps by nothing. */
void wagi_buffer_grown(wag_memory *memory);
/* An object is about to die: its memory, which is still there, forgets it. Other objects are a no-op. */
void wagi_buffer_unlink(wagi_object *object);
void wagi_buffer_close(wag_buffer *buffer); /* give back what it has */

#endif

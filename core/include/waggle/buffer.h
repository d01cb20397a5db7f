/* Buffers: ArrayBuffer and SharedArrayBuffer. The bytes of a memory, or bytes of their own, as an object that can
 * become detached: whoever holds it then gets an error, never a pointer to what is gone. Messages copy buffers, or
 * carry them away (transfer) without copying; a SharedArrayBuffer is the same bytes at both sides.
 *
 * A buffer belongs to one agent; owner thread everywhere: another agent's is WAG_WRONG_AGENT, NULL, 0 or false.
 * Source: ECMAScript, ArrayBuffer and SharedArrayBuffer objects; JS API, section "Memories".
 *
 * Example:
 *     wag_memory *memory = wag_exports_memory(wag_instance_exports(instance), "memory");
 *     wag_buffer *buffer = wag_memory_buffer(memory);
 *     if (wag_buffer_write(buffer, 16, "hello", 5) != WAG_OK)
 *         return 1;
 *     wag_memory_grow(memory, 1, NULL, NULL);
 *     if (!wag_buffer_is_detached(buffer)) // it is an error now, not a pointer to what was
 *         return 1;
 *     wag_buffer_unref(buffer);
 */
#ifndef WAGGLE_BUFFER_H
#define WAGGLE_BUFFER_H

#include "waggle/instance.h"

#ifdef __cplusplus
extern "C" {
#endif

/* new ArrayBuffer(length, {maxByteLength}), new SharedArrayBuffer(...). In bytes. */
typedef struct wag_buffer_descriptor {
    uint64_t length;     /* now */
    uint64_t max_length; /* of a resizable (growable) one; not less than length */
    bool resizable;      /* growable, when shared */
    bool shared;         /* the bytes never move; address space for max_length is reserved */
} wag_buffer_descriptor;

/* Zeroed bytes. descriptor: borrow. ret_buffer: own. WAG_RANGE when max_length < length or the memory cannot be had. */
WAG_API wag_err wag_buffer_create(const wag_buffer_descriptor *descriptor, wag_buffer **ret_buffer,
                                  wag_error **reterr_error);
/* A buffer of fixed length with a copy of these bytes. bytes: borrow. ret_buffer: own. WAG_RANGE, WAG_TYPE. */
WAG_API wag_err wag_buffer_new(wag_bytes bytes, wag_buffer **ret_buffer, wag_error **reterr_error);
/* A buffer of fixed length of the host's own bytes, without copying.
 *  data     own from now on (on success); size bytes that nobody else writes
 *  release  called once, on any thread, when the last one that has the bytes is done: they may travel through messages
 *           meanwhile, and keep their address; not NULL
 *  ret_buffer: own. WAG_TYPE, WAG_NOMEM. */
WAG_API wag_err wag_buffer_adopt(uint8_t *data, size_t size, void (*release)(void *context, uint8_t *data),
                                 void *context, wag_buffer **ret_buffer, wag_error **reterr_error);
/* One more reference; returns its argument. NULL is a no-op. */
WAG_API wag_buffer *wag_buffer_ref(wag_buffer *buffer);
/* One reference less. NULL is a no-op. */
WAG_API void wag_buffer_unref(wag_buffer *buffer);

/* byteLength, maxByteLength; 0 when detached. */
WAG_API uint64_t wag_buffer_size(const wag_buffer *buffer);
WAG_API uint64_t wag_buffer_max_size(const wag_buffer *buffer);
WAG_API bool wag_buffer_is_resizable(const wag_buffer *buffer); /* growable, when shared */
WAG_API bool wag_buffer_is_shared(const wag_buffer *buffer);
WAG_API bool wag_buffer_is_detached(const wag_buffer *buffer);
/* The bytes, to read and write. borrow: until the buffer is detached or resized, and no longer than it lives; of a
 * memory as wag_memory_data says. NULL when detached. Those of a shared one other threads may write at any time. */
WAG_API uint8_t *wag_buffer_data(const wag_buffer *buffer);
/* Copy bytes out and in. WAG_DETACHED; WAG_RANGE, and nothing copied, when [offset, offset + size) is not inside. */
WAG_API wag_err wag_buffer_read(const wag_buffer *buffer, uint64_t offset, void *destination, size_t size);
WAG_API wag_err wag_buffer_write(wag_buffer *buffer, uint64_t offset, const void *source, size_t size);
/* resize(), and grow() of a shared one; new bytes are zero. WAG_TYPE for one of fixed length, WAG_DETACHED; WAG_RANGE
 * above the maximum, when a shared one or one of a memory would shrink, when the latter would not have whole pages, and
 * when memory cannot be had. The buffer of a memory resizes the memory. */
WAG_API wag_err wag_buffer_resize(wag_buffer *buffer, uint64_t new_length, wag_error **reterr_error);
/* transfer(): the bytes move into a new buffer, this one is detached. ret_buffer: own, not NULL. WAG_DETACHED; WAG_TYPE
 * for a shared one and for a memory's (its detach key); WAG_NOMEM. */
WAG_API wag_err wag_buffer_transfer(wag_buffer *buffer, wag_buffer **ret_buffer, wag_error **reterr_error);

/* memory.buffer: one object until the memory grows (also by 0 pages); then that one is detached, or for a shared memory
 * keeps its length, and the next call gives another. Of a memory that another agent lets grow: likewise. own; NULL when
 * memory is out, and for another agent's. */
WAG_API wag_buffer *wag_memory_buffer(wag_memory *memory);
/* memory.toFixedLengthBuffer(), toResizableBuffer(): the buffer object itself when it is of that kind, else a new one
 * that takes its place; the old one is detached, unless it is shared. ret_buffer: own. WAG_TYPE for a resizable one of
 * a memory without maximum; WAG_WRONG_AGENT; WAG_NOMEM. */
WAG_API wag_err wag_memory_to_fixed_length_buffer(wag_memory *memory, wag_buffer **ret_buffer,
                                                  wag_error **reterr_error);
WAG_API wag_err wag_memory_to_resizable_buffer(wag_memory *memory, wag_buffer **ret_buffer, wag_error **reterr_error);

#ifdef __cplusplus
}
#endif
#endif

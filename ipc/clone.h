/* Structured clone: a wag_value as bytes, and back. HTML: StructuredSerializeInternal, StructuredDeserialize.
 *
 * Format (little endian). value =
 *   0 undefined   1 null   2 false   3 true
 *   4 number      8 bytes, the bits of the double
 *   5 bigint      8 bytes
 *   6 string      u32 size, UTF-8
 *   7 bytes       u32 size, bytes                                   object
 *   8 array       u32 count, values                                 object
 *   9 map         u32 count, (u32 size, UTF-8 key, value)*          object; keys differ
 *  10 error       u32 code, u8 class, u32 size, UTF-8 without NUL   object
 *  11 module      the next of the message's transfers               object
 *  12 seen        u32 number of an object that is complete          the same object again (SER-03)
 *  13 memory      the next of the message's transfers               object; a shared Memory, which is aliased
 *  14 buffer      u8 resizable, u64 maximum if so, u32 size, bytes  object; an ArrayBuffer, which is copied
 *  15 shared      u8 growable, u64 length if not, the next of the   object; a SharedArrayBuffer, which is aliased
 *                 message's transfers
 * The first transfers may be ports and buffers of the transfer list. They are the first objects, in its order,
 * complete, and have no tag of their own: `seen` refers to them, from anywhere or nowhere. Objects are numbered from
 * there as their tags are met. A reference to an object that is not complete would be a cycle; there are none among
 * wag_values. Nothing follows the one value of a message, and every transfer is used, once.
 *
 * Depth is the number of containers around a value, counted through `seen` too: neither side accepts a value nested
 * more deeply than clone_depth, however it is written down.
 *
 * An error keeps code, class and message. Its backtrace, byte offset and import details stay behind: they name things
 * of the sender's agent, and the message says in words what mattered of them.
 */
#ifndef WAGI_IPC_CLONE_H
#define WAGI_IPC_CLONE_H

#include "base/alloc.h"
#include "base/limits.h"
#include "ipc/ticket.h"
#include "waggle/value.h"

typedef enum wagi_clone_tag {
    WAGI_CLONE_UNDEFINED,
    WAGI_CLONE_NULL,
    WAGI_CLONE_FALSE,
    WAGI_CLONE_TRUE,
    WAGI_CLONE_NUMBER,
    WAGI_CLONE_BIGINT,
    WAGI_CLONE_STRING,
    WAGI_CLONE_BYTES,
    WAGI_CLONE_ARRAY,
    WAGI_CLONE_MAP,
    WAGI_CLONE_ERROR,
    WAGI_CLONE_MODULE,
    WAGI_CLONE_SEEN,
    WAGI_CLONE_MEMORY,
    WAGI_CLONE_BUFFER,
    WAGI_CLONE_SHARED,
} wagi_clone_tag;

#define WAGI_CLONE_OPEN UINT32_MAX /* height of a container that is not complete */

/* A value that was written. */
typedef struct wagi_clone {
    WAGI_VEC(uint8_t) bytes;
    WAGI_VEC(wagi_transfer) transfers; /* in order */
} wagi_clone;

/* value: borrow. ret_clone: to be given to wagi_clone_fini.
 * WAG_DATA_CLONE for a kind that cannot be cloned (the message says which, and where in the value), WAG_LIMIT (as a
 * RangeError) past clone_depth, clone_bytes or clone_transfers, WAG_NOMEM. Owner thread of the value. */
wag_err wagi_clone_write(wag_value value, const wagi_limits *limits, wagi_clone *ret_clone, wag_error **reterr_error);
/* The same with a transfer list, of ports and buffers of this agent (transfer.h). Their places among the transfers are
 * left empty. WAG_DATA_CLONE for one that is in the list twice. listed: borrow. */
wag_err wagi_clone_write_listed(wag_value value, const wag_value *listed, size_t listed_count,
                                const wagi_limits *limits, wagi_clone *ret_clone, wag_error **reterr_error);
void wagi_clone_fini(wagi_clone *clone);

/* Values that a message has transferred, in order; each own. */
typedef WAGI_VEC(wag_value) wagi_listed;

/* The bytes may be anything. transfers: none is empty; the value takes references of its own to modules and memories;
 * what is listed moves into objects, also on failure, and its place is empty then. ret_value: own; its objects belong
 * to this thread's agent. ret_listed: to be given to wagi_listed_free; NULL is not possible. WAG_PROTOCOL (the error
 * has the byte offset), WAG_NOMEM. */
wag_err wagi_clone_read_listed(wag_bytes bytes, wagi_transfer *transfers, size_t transfer_count,
                               const wagi_limits *limits, wag_value *ret_value, wagi_listed *ret_listed,
                               wag_error **reterr_error);
void wagi_listed_free(wagi_listed *listed);
/* The same, for those who want the value alone. */
wag_err wagi_clone_read(wag_bytes bytes, wagi_transfer *transfers, size_t transfer_count, const wagi_limits *limits,
                        wag_value *ret_value, wag_error **reterr_error);

#endif

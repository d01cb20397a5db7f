/* The message on the wire. Little endian.
 *
 *   off
 *     0  u32 magic "WCH1"
 *     4  u8  version, u8 type, u16 flags
 *     8  u64 seq              per direction, from 0; a gap or a repeat is a protocol error
 *    16  u64 correlation      0; for jobs and their results
 *    24  u32 payload length, u16 transfers, u16 reserved (0)
 *    32  transfers            16 bytes each: u64 ticket, u32 kind, u32 reserved (0)
 *        payload              a structured clone (clone.h); nothing behind it
 *
 * Tickets mean something only to a receiver that shares the sender's table. The flag LOCAL says that the transfers are
 * tickets; channel.c sets and demands it because its only transport is inproc, between two sockets that one call made.
 * A transport that leaves the process must refuse LOCAL.
 */
#ifndef WAGI_IPC_MESSAGE_H
#define WAGI_IPC_MESSAGE_H

#include "ipc/ticket.h"

#define WAGI_MESSAGE_MAGIC UINT32_C(0x31484357) /* "WCH1" */
#define WAGI_MESSAGE_VERSION 1
#define WAGI_MESSAGE_HEADER 32
#define WAGI_MESSAGE_TRANSFER 16

/* The numbers cross process borders one day: they never change meaning. HELLO and the like come with such transports.
 * There is no CLOSE_ACK: between threads, joining the worker says more. */
typedef enum wagi_message_type {
    WAGI_MESSAGE_POST = 3,  /* a value */
    WAGI_MESSAGE_CLOSE = 8, /* nothing follows in this direction; no transfers, no payload */
} wagi_message_type;

#define WAGI_MESSAGE_LOCAL 1u /* flag */

/* Kinds of transfers. */
typedef enum wagi_transfer_kind {
    WAGI_TRANSFER_MODULE = 1,
    WAGI_TRANSFER_MEMORY = 2, /* a shared block: of a Memory or of a SharedArrayBuffer */
    WAGI_TRANSFER_PORT = 3,
    WAGI_TRANSFER_BUFFER = 4,
} wagi_transfer_kind;

static inline void wagi_put_u16(uint8_t *p, uint16_t x)
{
    p[0] = (uint8_t)x;
    p[1] = (uint8_t)(x >> 8);
}
static inline void wagi_put_u32(uint8_t *p, uint32_t x)
{
    wagi_put_u16(p, (uint16_t)x);
    wagi_put_u16(p + 2, (uint16_t)(x >> 16));
}
static inline void wagi_put_u64(uint8_t *p, uint64_t x)
{
    wagi_put_u32(p, (uint32_t)x);
    wagi_put_u32(p + 4, (uint32_t)(x >> 32));
}
static inline uint16_t wagi_get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint32_t wagi_get_u32(const uint8_t *p)
{
    return wagi_get_u16(p) | (uint32_t)wagi_get_u16(p + 2) << 16;
}
static inline uint64_t wagi_get_u64(const uint8_t *p)
{
    return wagi_get_u32(p) | (uint64_t)wagi_get_u32(p + 4) << 32;
}

/* A message that was checked. borrow: the message's bytes. */
typedef struct wagi_message {
    wagi_message_type type;
    uint64_t seq;
    uint16_t transfer_count;
    const uint8_t *transfers;
    wag_bytes payload;
} wagi_message;

/* Write the 32 bytes of a header, with seq 0. */
void wagi_message_write_header(uint8_t *header, wagi_message_type type, uint16_t transfer_count, uint32_t payload_size);
/* The sequence number is known only when the message leaves. */
void wagi_message_set_seq(uint8_t *header, uint64_t seq);
void wagi_message_write_transfer(uint8_t *transfer, wagi_ticket ticket, wagi_transfer_kind kind);

/* Check everything in a message but its payload. seq: the number it must have. NULL when all is well, otherwise what is
 * wrong (static text). */
const char *wagi_message_parse(wag_bytes bytes, uint64_t seq, wagi_message *ret_message);
/* The ticket of a transfer of a parsed message. */
wagi_ticket wagi_message_ticket(const wagi_message *message, size_t index);
/* Release what the tickets of a message, whole or damaged, stand for: it will not be delivered. */
void wagi_message_drop_tickets(wag_bytes bytes, wagi_ticket_table *table);

#endif

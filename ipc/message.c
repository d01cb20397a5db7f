/* The message header: writing and checking it. */
#include "ipc/message.h"

#include <string.h>

void wagi_message_write_header(uint8_t *header, wagi_message_type type, uint16_t transfer_count, uint32_t payload_size)
{
    memset(header, 0, WAGI_MESSAGE_HEADER);
    wagi_put_u32(header, WAGI_MESSAGE_MAGIC);
    header[4] = WAGI_MESSAGE_VERSION;
    header[5] = (uint8_t)type;
    wagi_put_u16(header + 6, WAGI_MESSAGE_LOCAL);
    wagi_put_u32(header + 24, payload_size);
    wagi_put_u16(header + 28, transfer_count);
}

void wagi_message_set_seq(uint8_t *header, uint64_t seq)
{
    wagi_put_u64(header + 8, seq);
}

void wagi_message_write_transfer(uint8_t *transfer, wagi_ticket ticket, wagi_transfer_kind kind)
{
    wagi_put_u64(transfer, ticket);
    wagi_put_u32(transfer + 8, kind);
    wagi_put_u32(transfer + 12, 0);
}

const char *wagi_message_parse(wag_bytes bytes, uint64_t seq, wagi_message *ret_message)
{
    const uint8_t *p = bytes.data;
    if (bytes.size < WAGI_MESSAGE_HEADER)
        return "the message is shorter than its header";
    if (wagi_get_u32(p) != WAGI_MESSAGE_MAGIC)
        return "the message does not begin with the magic number";
    if (p[4] != WAGI_MESSAGE_VERSION)
        return "the message is of an unknown version";
    wagi_message message = {.type = p[5],
                            .seq = wagi_get_u64(p + 8),
                            .transfer_count = wagi_get_u16(p + 28),
                            .transfers = p + WAGI_MESSAGE_HEADER};
    if (message.type != WAGI_MESSAGE_POST && message.type != WAGI_MESSAGE_CLOSE)
        return "the message is of an unknown type";
    if (wagi_get_u16(p + 6) != WAGI_MESSAGE_LOCAL)
        return "the message has unknown flags";
    if (message.seq != seq)
        return "a message is missing or repeated";
    if (wagi_get_u64(p + 16) != 0 || wagi_get_u16(p + 30) != 0)
        return "a reserved field of the message is not 0";
    size_t transfer_bytes = (size_t)message.transfer_count * WAGI_MESSAGE_TRANSFER;
    size_t rest = bytes.size - WAGI_MESSAGE_HEADER;
    uint32_t payload_size = wagi_get_u32(p + 24);
    if (rest < transfer_bytes || rest - transfer_bytes != payload_size)
        return "the message's lengths do not add up";
    for (size_t i = 0; i < message.transfer_count; i++) {
        const uint8_t *transfer = message.transfers + i * WAGI_MESSAGE_TRANSFER;
        uint32_t kind = wagi_get_u32(transfer + 8);
        if (kind < WAGI_TRANSFER_MODULE || kind > WAGI_TRANSFER_BUFFER || wagi_get_u32(transfer + 12) != 0)
            return "a transfer is of an unknown kind";
    }
    if (message.type == WAGI_MESSAGE_CLOSE && rest != 0)
        return "a closing message has contents";
    message.payload = (wag_bytes){message.transfers + transfer_bytes, payload_size};
    *ret_message = message;
    return NULL;
}

wagi_ticket wagi_message_ticket(const wagi_message *message, size_t index)
{
    return wagi_get_u64(message->transfers + index * WAGI_MESSAGE_TRANSFER);
}

void wagi_message_drop_tickets(wag_bytes bytes, wagi_ticket_table *table)
{
    if (bytes.size < WAGI_MESSAGE_HEADER)
        return;
    size_t count = wagi_get_u16(bytes.data + 28), room = (bytes.size - WAGI_MESSAGE_HEADER) / WAGI_MESSAGE_TRANSFER;
    for (size_t i = 0; i < count && i < room; i++)
        wagi_transfer_unref(
            wagi_ticket_take(table, wagi_get_u64(bytes.data + WAGI_MESSAGE_HEADER + i * WAGI_MESSAGE_TRANSFER)));
}

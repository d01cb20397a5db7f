/* Any bytes are a message or an error, for the header and for the structured clone. What is accepted is written again
 * to the same bytes: the format has one way to say a thing. The first byte says how many modules and memories came with
 * the message (its low three bits), and how many transferred buffers before them (the next two); the rest is the clone,
 * and is also taken as a whole message with its header.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ipc/clone.h"
#include "ipc/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

enum { TRANSFERS = 7, BUFFERS = 3 };
static wagi_transfer transfers[TRANSFERS];

/* The third and the sixth are memories. */
static void make_transfers(void)
{
    static const uint8_t bytes[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    static const wag_memory_descriptor descriptor = {.initial = 1, .maximum = 1, .shared = true};
    for (int i = 0; i < TRANSFERS && wagi_transfer_is_none(transfers[i]); i++) {
        wag_memory *memory = NULL;
        if (i % 3 == 2) {
            require(wag_memory_create(&descriptor, &memory, NULL) == WAG_OK, "a memory");
            transfers[i].memory = wag_memory_share(memory);
            wag_memory_unref(memory);
        } else {
            require(wag_module_new((wag_bytes){bytes, sizeof bytes}, NULL, &transfers[i].module, NULL) == WAG_OK,
                    "a module");
        }
    }
}

static void header(wag_bytes bytes)
{
    wagi_message message;
    uint64_t seq = bytes.size >= 16 ? wagi_get_u64(bytes.data + 8) : 0;
    if (wagi_message_parse(bytes, seq, &message))
        return;
    require(message.payload.data + message.payload.size == bytes.data + bytes.size, "nothing follows the payload");
    require(message.transfers + message.transfer_count * (size_t)WAGI_MESSAGE_TRANSFER == message.payload.data,
            "the transfers end where the payload begins");
}

static void clone(wag_bytes bytes, size_t count, size_t buffers)
{
    wagi_limits limits = wagi_default_limits;
    limits.clone_depth = 32;
    wagi_transfer all[BUFFERS + TRANSFERS] = {{0}};
    wag_value value;
    wagi_listed listed;
    wag_error *error;
    for (size_t i = 0; i < buffers; i++)
        require((all[i].backing = wagi_backing_new(i, i, false)) != NULL, "a buffer");
    memcpy(all + buffers, transfers, count * sizeof *transfers);
    wag_err err = wagi_clone_read_listed(bytes, all, buffers + count, &limits, &value, &listed, &error);
    for (size_t i = 0; i < buffers; i++)
        wagi_transfer_unref(all[i]);
    if (err != WAG_OK) {
        size_t offset;
        require(err == WAG_PROTOCOL && wag_error_code(error) == WAG_PROTOCOL, "malformed bytes are a protocol error");
        require(wag_error_offset(error, &offset) && offset <= bytes.size, "the offset is in the message");
        wag_error_unref(error);
        return;
    }
    wagi_clone again;
    require(listed.n == buffers, "all buffers have arrived");
    require(wagi_clone_write_listed(value, listed.p, listed.n, &limits, &again, NULL) == WAG_OK,
            "what was read can be written");
    require(again.bytes.n == bytes.size && memcmp(again.bytes.p, bytes.data, bytes.size) == 0, "to the same bytes");
    require(again.transfers.n == buffers + count, "with the same modules and memories");
    require(count == 0 || memcmp(again.transfers.p + buffers, transfers, count * sizeof *transfers) == 0, "in order");
    wagi_clone_fini(&again);
    wag_value_unref(value);
    wagi_listed_free(&listed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_transfers();
    header((wag_bytes){data, size});
    if (size > 0)
        clone((wag_bytes){data + 1, size - 1}, data[0] & 7, data[0] >> 3 & 3);
    return 0;
}

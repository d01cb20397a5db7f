/* Reading the binary format. The first error sticks: from then on every read gives 0 and the position stays at the end,
 * so that a decoder may check once per item instead of once per byte. Offsets count from the start of the module.
 */
#ifndef WAGI_BINARY_READER_H
#define WAGI_BINARY_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "waggle/base.h"

typedef struct wagi_reader {
    const uint8_t *start; /* of the module */
    const uint8_t *pos, *end;
    const char *error; /* NULL as long as all is well; static text */
    size_t error_offset;
    bool invalid; /* the error is one of validity (an unknown type), not of form */
} wagi_reader;

static inline wagi_reader wagi_reader_make(const uint8_t *start, const uint8_t *pos, const uint8_t *end)
{
    return (wagi_reader){.start = start, .pos = pos, .end = end, .error = NULL, .error_offset = 0, .invalid = false};
}

static inline size_t wagi_reader_offset(const wagi_reader *reader)
{
    return (size_t)(reader->pos - reader->start);
}

static inline void wagi_reader_fail_at(wagi_reader *reader, const uint8_t *where, const char *error)
{
    if (reader->error)
        return;
    reader->error = error;
    reader->error_offset = (size_t)(where - reader->start);
    reader->pos = reader->end;
}

/* The same for an error that is WAG_INVALID instead of WAG_MALFORMED. */
static inline void wagi_reader_invalid_at(wagi_reader *reader, const uint8_t *where, const char *error)
{
    if (!reader->error)
        reader->invalid = true;
    wagi_reader_fail_at(reader, where, error);
}

/* Unsigned and signed LEB128 of at most `bits` bits: out of line, all lengths. */
uint64_t wagi_read_leb_u(wagi_reader *reader, unsigned bits);
int64_t wagi_read_leb_s(wagi_reader *reader, unsigned bits);

static inline uint8_t wagi_read_u8(wagi_reader *reader)
{
    if (reader->pos < reader->end)
        return *reader->pos++;
    wagi_reader_fail_at(reader, reader->end, "unexpected end");
    return 0;
}

/* Numbers of one byte, which most are, and of two: true when it is one; the signed form has its bits, not its sign. */
static inline bool wagi_read_short(wagi_reader *reader, uint32_t *ret_value, unsigned *ret_bits)
{
    const uint8_t *pos = reader->pos;
    if (pos < reader->end && pos[0] < 0x80) {
        *ret_value = pos[0];
        *ret_bits = 7;
        reader->pos = pos + 1;
        return true;
    }
    if (reader->end - pos < 2 || pos[1] >= 0x80)
        return false;
    *ret_value = (pos[0] & 0x7Fu) | (uint32_t)pos[1] << 7;
    *ret_bits = 14;
    reader->pos = pos + 2;
    return true;
}

static inline uint32_t wagi_read_u32(wagi_reader *reader)
{
    uint32_t value;
    unsigned bits;
    return wagi_read_short(reader, &value, &bits) ? value : (uint32_t)wagi_read_leb_u(reader, 32);
}

static inline uint64_t wagi_read_u64(wagi_reader *reader)
{
    uint32_t value;
    unsigned bits;
    return wagi_read_short(reader, &value, &bits) ? value : wagi_read_leb_u(reader, 64);
}

static inline int32_t wagi_read_s32(wagi_reader *reader)
{
    uint32_t value;
    unsigned bits;
    if (wagi_read_short(reader, &value, &bits))
        return (int32_t)(value ^ 1u << (bits - 1)) - (1 << (bits - 1));
    return (int32_t)wagi_read_leb_s(reader, 32);
}

static inline int64_t wagi_read_s33(wagi_reader *reader)
{
    return wagi_read_leb_s(reader, 33);
}

static inline int64_t wagi_read_s64(wagi_reader *reader)
{
    uint32_t value;
    unsigned bits;
    if (wagi_read_short(reader, &value, &bits))
        return (int32_t)(value ^ 1u << (bits - 1)) - (1 << (bits - 1));
    return wagi_read_leb_s(reader, 64);
}

/* size bytes, borrowed; NULL and an error when there are not as many. */
const uint8_t *wagi_read_bytes(wagi_reader *reader, size_t size);
/* A name: size and UTF-8 that is checked. */
wag_name wagi_read_name(wagi_reader *reader);
bool wagi_utf8_valid(const uint8_t *bytes, size_t size);

#endif

/* The out-of-line part of reading: LEB128 of all lengths, ranges of bytes, names. */
#include "binary/reader.h"

#include "ops/access.h"

/* The lower seven bits of each byte, closed up. */
static inline uint64_t close_up(uint64_t bytes)
{
    uint64_t x = bytes & UINT64_C(0x7F7F7F7F7F7F7F7F);
    x = (x & UINT64_C(0x007F007F007F007F)) | (x & UINT64_C(0x7F007F007F007F00)) >> 1;
    x = (x & UINT64_C(0x00003FFF00003FFF)) | (x & UINT64_C(0x3FFF00003FFF0000)) >> 2;
    return (x & UINT64_C(0x0FFFFFFF)) | (x & UINT64_C(0x0FFFFFFF00000000)) >> 4;
}

/* Bytes whose seven bits all count need no look at the size. True when the number ends within them. *ret_value has the
 * bits read, *ret_shift how many those are. */
static inline bool read_whole_bytes(wagi_reader *reader, unsigned bits, uint64_t *ret_value, unsigned *ret_shift)
{
    const uint8_t *pos = reader->pos;
    unsigned whole = bits / 7 * 7;
    if (reader->end - pos >= 8) { /* at once, without a branch for each byte */
        uint64_t word = access_load64(pos), last = ~word & UINT64_C(0x8080808080808080);
        if (last) {
            unsigned count = (unsigned)__builtin_ctzll(last) / 8 + 1;
            if (count > whole / 7)
                return false;
            reader->pos = pos + count;
            *ret_value = close_up(word & (last ^ (last - 1)));
            *ret_shift = 7 * count;
            return true;
        }
    }
    if ((size_t)(reader->end - pos) < whole / 7)
        return false;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < whole;) {
        uint8_t byte = *pos++;
        value |= (uint64_t)(byte & 0x7Fu) << shift;
        shift += 7;
        if (byte < 0x80) {
            reader->pos = pos;
            *ret_value = value;
            *ret_shift = shift;
            return true;
        }
    }
    return false;
}

uint64_t wagi_read_leb_u(wagi_reader *reader, unsigned bits)
{
    const uint8_t *start = reader->pos;
    uint64_t value = 0;
    unsigned width;
    if (read_whole_bytes(reader, bits, &value, &width))
        return value;
    for (unsigned shift = 0;; shift += 7) {
        if (shift >= bits) {
            wagi_reader_fail_at(reader, start, "integer representation too long");
            return 0;
        }
        if (reader->pos == reader->end) {
            wagi_reader_fail_at(reader, reader->end, "unexpected end");
            return 0;
        }
        uint8_t byte = *reader->pos++;
        unsigned room = bits - shift;
        if (room < 7 && (byte & 0x7Fu) >> room != 0) {
            wagi_reader_fail_at(reader, start, byte & 0x80u ? "integer representation too long" : "integer too large");
            return 0;
        }
        value |= (uint64_t)(byte & 0x7Fu) << shift;
        if (!(byte & 0x80u))
            return value;
    }
}

int64_t wagi_read_leb_s(wagi_reader *reader, unsigned bits)
{
    const uint8_t *start = reader->pos;
    uint64_t value = 0;
    unsigned width;
    if (read_whole_bytes(reader, bits, &value, &width))
        return (int64_t)(value >> (width - 1) & 1 ? value | UINT64_MAX << width : value);
    for (unsigned shift = 0;; shift += 7) {
        if (shift >= bits) {
            wagi_reader_fail_at(reader, start, "integer representation too long");
            return 0;
        }
        if (reader->pos == reader->end) {
            wagi_reader_fail_at(reader, reader->end, "unexpected end");
            return 0;
        }
        uint8_t byte = *reader->pos++;
        unsigned room = bits - shift;
        if (room < 7) {
            /* The last byte: its bits from the sign bit up must all be equal. */
            unsigned sign_and_above = (byte & 0x7Fu) >> (room - 1), ones = 0x7Fu >> (room - 1);
            if (byte & 0x80u || (sign_and_above != 0 && sign_and_above != ones)) {
                wagi_reader_fail_at(reader, start,
                                    byte & 0x80u ? "integer representation too long" : "integer too large");
                return 0;
            }
        }
        value |= (uint64_t)(byte & 0x7Fu) << shift;
        if (byte & 0x80u)
            continue;
        if (byte & 0x40u && shift + 7 < 64)
            value |= UINT64_MAX << (shift + 7);
        return (int64_t)value;
    }
}

const uint8_t *wagi_read_bytes(wagi_reader *reader, size_t size)
{
    if ((size_t)(reader->end - reader->pos) < size || reader->error) {
        wagi_reader_fail_at(reader, reader->pos, "unexpected end");
        return NULL;
    }
    const uint8_t *bytes = reader->pos;
    reader->pos += size;
    return bytes;
}

wag_name wagi_read_name(wagi_reader *reader)
{
    uint32_t size = wagi_read_u32(reader);
    const uint8_t *bytes = wagi_read_bytes(reader, size);
    if (!bytes)
        return (wag_name){"", 0};
    if (!wagi_utf8_valid(bytes, size)) {
        wagi_reader_fail_at(reader, bytes, "malformed UTF-8 encoding");
        return (wag_name){"", 0};
    }
    return (wag_name){(const char *)bytes, size};
}

/* Unicode 15, table 3-7: the second byte's range excludes overlong forms, surrogates and what is above U+10FFFF. */
bool wagi_utf8_valid(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = bytes + size;
    while (bytes < end) {
        uint8_t lead = *bytes++;
        if (lead < 0x80)
            continue;
        unsigned more;
        uint8_t low = 0x80, high = 0xBF;
        if (lead >= 0xC2 && lead <= 0xDF) {
            more = 1;
        } else if (lead >= 0xE0 && lead <= 0xEF) {
            more = 2;
            low = lead == 0xE0 ? 0xA0 : 0x80;
            high = lead == 0xED ? 0x9F : 0xBF;
        } else if (lead >= 0xF0 && lead <= 0xF4) {
            more = 3;
            low = lead == 0xF0 ? 0x90 : 0x80;
            high = lead == 0xF4 ? 0x8F : 0xBF;
        } else {
            return false;
        }
        if ((size_t)(end - bytes) < more || bytes[0] < low || bytes[0] > high)
            return false;
        for (unsigned i = 1; i < more; i++)
            if ((bytes[i] & 0xC0) != 0x80)
                return false;
        bytes += more;
    }
    return true;
}

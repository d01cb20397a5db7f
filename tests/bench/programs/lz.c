/* A compressor of the LZ77 family with hash chains and lazy matching, and its decompressor: n times 64 KiB of prose
 * there and back.
 *
 * The stream is a series of tokens: one byte with the number of literals (high half) and the length of the match less
 * MATCH_MIN (low half), 15 meaning that bytes follow which add up until one is not 255; the literals; two bytes of
 * distance. A distance of zero ends the stream.
 */
#include "program.h"

enum {
    BLOCK = 65536,
    HASH_BITS = 14,
    MATCH_MIN = 4,
    CHAIN_MAX = 24, /* candidates looked at for each position */
    LITERALS_MAX = BLOCK,
};

typedef struct matcher {
    const uint8_t *data;
    size_t size;
    int32_t head[1 << HASH_BITS]; /* newest position with this hash, -1: none */
    int32_t prev[BLOCK];          /* the one before it with the same hash */
} matcher;

typedef struct match {
    size_t length;
    size_t distance;
} match;

static uint32_t hash_at(const uint8_t *data)
{
    uint32_t word;
    memcpy(&word, data, sizeof word);
    return (word * 2654435761u) >> (32 - HASH_BITS);
}

static void insert(matcher *m, size_t at)
{
    if (at + MATCH_MIN <= m->size) {
        uint32_t hash = hash_at(m->data + at);
        m->prev[at] = m->head[hash];
        m->head[hash] = (int32_t)at;
    }
}

static size_t common(const uint8_t *a, const uint8_t *b, const uint8_t *end)
{
    const uint8_t *start = b;
    while (b + 8 <= end) {
        uint64_t x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        if (x != y) {
            return (size_t)(b - start) + (size_t)(__builtin_ctzll(x ^ y) / 8);
        }
        a += 8;
        b += 8;
    }
    while (b < end && *a == *b) {
        a++;
        b++;
    }
    return (size_t)(b - start);
}

static match find(const matcher *m, size_t at)
{
    match best = {0, 0};
    if (at + MATCH_MIN > m->size) {
        return best;
    }
    int32_t candidate = m->head[hash_at(m->data + at)];
    for (int left = CHAIN_MAX; candidate >= 0 && left > 0; left--) {
        size_t from = (size_t)candidate;
        if (at + best.length < m->size && m->data[from + best.length] == m->data[at + best.length]) {
            size_t length = common(m->data + from, m->data + at, m->data + m->size);
            if (length > best.length) {
                best = (match){length, at - from};
            }
        }
        candidate = m->prev[from];
    }
    return best.length >= MATCH_MIN ? best : (match){0, 0};
}

static uint8_t *put_length(uint8_t *out, size_t length)
{
    if (length < 15) {
        return out;
    }
    for (length -= 15; length >= 255; length -= 255) {
        *out++ = 255;
    }
    *out++ = (uint8_t)length;
    return out;
}

static uint8_t *put_token(uint8_t *out, const uint8_t *literals, size_t count, match found)
{
    size_t extra = found.length ? found.length - MATCH_MIN : 0;
    *out++ = (uint8_t)((count < 15 ? count : 15) << 4 | (extra < 15 ? extra : 15));
    out = put_length(out, count);
    memcpy(out, literals, count);
    out += count;
    *out++ = (uint8_t)found.distance;
    *out++ = (uint8_t)(found.distance >> 8);
    return put_length(out, extra);
}

static size_t compress(matcher *m, const uint8_t *data, size_t size, uint8_t *out)
{
    uint8_t *const start = out;
    m->data = data;
    m->size = size;
    memset(m->head, 0xff, sizeof m->head);
    size_t literals = 0; /* where those that wait begin */
    size_t at = 0;
    while (at < size) {
        match found = find(m, at);
        insert(m, at);
        if (found.length == 0) {
            at++;
            continue;
        }
        /* Lazy: when the next position has a longer match, this byte is better a literal. */
        match next = at + 1 < size ? find(m, at + 1) : (match){0, 0};
        if (next.length > found.length + 1) {
            at++;
            insert(m, at);
            found = next;
        }
        out = put_token(out, data + literals, at - literals, found);
        for (size_t i = 1; i < found.length; i++) {
            insert(m, at + i);
        }
        at += found.length;
        literals = at;
    }
    out = put_token(out, data + literals, size - literals, (match){0, 0});
    return (size_t)(out - start);
}

static const uint8_t *get_length(const uint8_t *in, size_t *length)
{
    if (*length == 15) {
        do {
            *length += *in;
        } while (*in++ == 255);
    }
    return in;
}

static size_t decompress(const uint8_t *in, uint8_t *out)
{
    uint8_t *const start = out;
    for (;;) {
        size_t count = *in >> 4, length = *in & 15;
        in = get_length(in + 1, &count);
        memcpy(out, in, count);
        out += count;
        in += count;
        size_t distance = in[0] | (size_t)in[1] << 8;
        in = get_length(in + 2, &length);
        if (distance == 0) {
            return (size_t)(out - start);
        }
        length += MATCH_MIN;
        /* Byte by byte: a match may run into what it writes. */
        for (const uint8_t *from = out - distance; length > 0; length--) {
            *out++ = *from++;
        }
    }
}

uint64_t run(uint32_t n)
{
    matcher *m = must_have(malloc(sizeof *m));
    uint8_t *text = must_have(malloc(BLOCK));
    uint8_t *packed = must_have(malloc(BLOCK + BLOCK / 64 + 64));
    uint8_t *back = must_have(malloc(BLOCK));
    uint64_t sum = CHECKSUM_START;
    size_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        fill_with_prose((char *)text, BLOCK, i + 1);
        size_t size = compress(m, text, BLOCK, packed);
        if (decompress(packed, back) != BLOCK || memcmp(text, back, BLOCK) != 0) {
            puts("lz: what came back is something else");
            abort();
        }
        total += size;
        sum = checksum(sum, packed, size);
    }
    printf("lz: %u blocks to %u bytes\n", (unsigned)n, (unsigned)total);
    free(m);
    free(text);
    free(packed);
    free(back);
    return sum;
}

/* Modules byte by byte, inside the tests: a buffer that grows, and sections whose size is filled in at the end.
 *   build b = {0};
 *   build_preamble(&b);
 *   size_t types = build_section(&b, 1);
 *   build_raw(&b, "\x01\x60\x00\x00", 4);
 *   build_end(&b, types);
 *   ... build_bytes(&b) ...
 *   build_free(&b);
 */
#ifndef TESTS_SUPPORT_BYTES_H
#define TESTS_SUPPORT_BYTES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "waggle/base.h"

typedef struct build {
    uint8_t *data;
    size_t size, capacity;
} build;

static inline void build_room(build *b, size_t more)
{
    if (b->capacity - b->size >= more)
        return;
    b->capacity = 2 * (b->size + more);
    b->data = realloc(b->data, b->capacity);
    if (!b->data)
        abort();
}

static inline void build_u8(build *b, unsigned byte)
{
    build_room(b, 1);
    b->data[b->size++] = (uint8_t)byte;
}

static inline void build_raw(build *b, const void *bytes, size_t size)
{
    build_room(b, size);
    if (size)
        memcpy(b->data + b->size, bytes, size);
    b->size += size;
}

static inline void build_fill(build *b, unsigned byte, size_t count)
{
    build_room(b, count);
    if (count)
        memset(b->data + b->size, (int)byte, count);
    b->size += count;
}

/* unsigned LEB128 */
static inline void build_leb(build *b, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        build_u8(b, (unsigned)(value & 0x7F) | 0x80u);
    build_u8(b, (unsigned)value);
}

static inline void build_name(build *b, const char *name)
{
    build_leb(b, strlen(name));
    build_raw(b, name, strlen(name));
}

static inline void build_preamble(build *b)
{
    build_raw(b, "\0asm\1\0\0\0", 8);
}

/* Room for a size, as a LEB padded to five bytes; build_end fills it in. */
static inline size_t build_begin(build *b)
{
    build_fill(b, 0, 5);
    return b->size;
}

static inline size_t build_section(build *b, unsigned id)
{
    build_u8(b, id);
    return build_begin(b);
}

static inline void build_end(build *b, size_t begin)
{
    size_t size = b->size - begin;
    for (int i = 0; i < 5; i++)
        b->data[begin - 5 + (size_t)i] = (uint8_t)((size >> 7 * i & 0x7F) | (i < 4 ? 0x80u : 0u));
}

/* A section with these contents. */
static inline void build_whole(build *b, unsigned id, const void *contents, size_t size)
{
    size_t begin = build_section(b, id);
    build_raw(b, contents, size);
    build_end(b, begin);
}
#define BUILD_WHOLE(b, id, literal) build_whole((b), (id), "" literal, sizeof(literal) - 1)

static inline wag_bytes build_bytes(const build *b)
{
    return (wag_bytes){b->data, b->size};
}

static inline void build_free(build *b)
{
    free(b->data);
    *b = (build){0};
}

#endif

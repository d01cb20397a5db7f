/* Writing the shapes' modules byte by byte (shapes.h): 100 KB of data have no place in a text. */
#include "shapes.h"

#include <stdlib.h>
#include <string.h>

#include "measure.h"

enum { DATA = 100000, DATA_AT = 64, MODULE_MAX = DATA + 1024, PAGE = 4096 };
enum { IMPORTS = 8, GLOBALS = 4, ENTRIES = 16, FIRST = 7 }; /* FIRST: what globals begin with */

typedef struct writer {
    uint8_t *data;
    size_t size;
} writer;

static void put(writer *w, const void *bytes, size_t size)
{
    memcpy(w->data + w->size, bytes, size);
    w->size += size;
}

#define PUT(w, ...) put(w, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Always four bytes: valid for unsigned numbers below 2^28 and signed ones below 2^27. */
static void put_leb4(writer *w, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        PUT(w, (uint8_t)((value >> 7 * i & 0x7f) | (i < 3 ? 0x80 : 0)));
    }
}

static void put_section(writer *w, uint8_t id, const writer *contents)
{
    PUT(w, id);
    put_leb4(w, (uint32_t)contents->size);
    put(w, contents->data, contents->size);
}

#define SECTION(w, id, ...)                                                                                            \
    put_section(w, id, &(writer){(uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

/* A section of `count` equal entries. */
static void put_repeated(writer *w, uint8_t id, uint8_t count, const writer *entry)
{
    uint8_t contents[128];
    writer all = {contents, 0};
    PUT(&all, count);
    for (size_t i = 0; i < count; i++) {
        put(&all, entry->data, entry->size);
    }
    put_section(w, id, &all);
}

#define REPEATED(w, id, count, ...)                                                                                    \
    put_repeated(w, id, count, &(writer){(uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

typedef struct touched {
    uint32_t page; /* of 4 KiB */
    bool written;
} touched;

typedef struct shape {
    uint8_t pages; /* of the memory; 0: there is none */
    uint32_t data_size;
    int count;
    touched touched[10];
} shape;

static const shape shapes[] = {
    {0, 0, 0, {{0, false}}},
    {1, 0, 2, {{0, true}, {9, true}}},
    {17,
     DATA,
     10,
     {{3, true},
      {4, true},
      {5, true},
      {60, true},
      {61, true},
      {62, true},
      {100, true},
      {8, false},
      {15, false},
      {200, false}}},
};

static const shape *shape_of(char letter)
{
    return &shapes[letter - 'a'];
}

/* The word of each page that is touched. */
static uint32_t address_of(const touched *t)
{
    return t->page * PAGE + 128;
}

static uint8_t data_at(const shape *s, uint32_t address)
{
    uint32_t i = address - DATA_AT;
    return i < s->data_size ? (uint8_t)(i * 7 + 1) : 0;
}

/* run: global += 1 + the sum of a word of each page; the words of those to be written become 77. */
static void put_code(writer *w, const shape *s)
{
    uint8_t bytes[512], section[512];
    writer body = {bytes, 0}, code = {section, 0};
    PUT(&body, 0, 0x23, 0, 0x41, 1, 0x6a); /* global 0 + 1 */
    for (int i = 0; i < s->count; i++) {
        PUT(&body, 0x41);
        put_leb4(&body, address_of(&s->touched[i]));
        PUT(&body, 0x28, 2, 0, 0x6a); /* i32.load, i32.add */
    }
    PUT(&body, 0x24, 0);
    for (int i = 0; i < s->count; i++) {
        if (s->touched[i].written) {
            PUT(&body, 0x41);
            put_leb4(&body, address_of(&s->touched[i]));
            PUT(&body, 0x41, 0xcd, 0, 0x36, 2, 0); /* 77, i32.store */
        }
    }
    PUT(&body, 0x23, 0, 0x0b);
    PUT(&code, 1);
    put_leb4(&code, (uint32_t)body.size);
    put(&code, body.data, body.size);
    put_section(w, 10, &code);
}

static void put_data(writer *w, const shape *s)
{
    writer data = {malloc(MODULE_MAX), 0};
    if (data.data == NULL) {
        fail("out of memory");
    }
    PUT(&data, 1, 0, 0x41, DATA_AT | 0x80, 0, 0x0b); /* one active segment */
    put_leb4(&data, s->data_size);
    for (uint32_t i = 0; i < s->data_size; i++) {
        PUT(&data, data_at(s, DATA_AT + i));
    }
    put_section(w, 11, &data);
    free(data.data);
}

wag_bytes shape_module(char letter)
{
    const shape *s = shape_of(letter);
    writer w = {malloc(MODULE_MAX), 0};
    if (w.data == NULL) {
        fail("out of memory");
    }
    PUT(&w, 0, 'a', 's', 'm', 1, 0, 0, 0);
    SECTION(&w, 1, 2, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 0, 1, 0x7f); /* 0: (i32) -> (i32), 1: () -> (i32) */
    REPEATED(&w, 2, IMPORTS, 3, 'e', 'n', 'v', 1, 'f', 0, 0);    /* env.f: type 0 */
    SECTION(&w, 3, 1, 1);                                        /* one function of type 1 */
    SECTION(&w, 4, 1, 0x70, 0, ENTRIES);                         /* a table of funcref */
    if (s->pages > 0) {
        SECTION(&w, 5, 1, 0, s->pages);
    }
    REPEATED(&w, 6, GLOBALS, 0x7f, 1, 0x41, FIRST, 0x0b); /* (mut i32) */
    SECTION(&w, 7, 1, 3, 'r', 'u', 'n', 0, IMPORTS);      /* export our function */
    SECTION(&w, 9, 1, 0, 0x41, 0, 0x0b, ENTRIES, 8, 8, 0, 8, 8, 8, 1, 8, 8, 8, 2, 8, 8, 8, 3, 8);
    put_code(&w, s);
    if (s->data_size > 0) {
        put_data(&w, s);
    }
    return (wag_bytes){w.data, w.size};
}

int32_t shape_result(char letter)
{
    const shape *s = shape_of(letter);
    uint32_t sum = FIRST + 1;
    for (int i = 0; i < s->count; i++) {
        for (uint32_t byte = 0; byte < 4; byte++) {
            sum += (uint32_t)data_at(s, address_of(&s->touched[i]) + byte) << 8 * byte;
        }
    }
    return (int32_t)sum;
}

int shape_written(char letter, bool with_data)
{
    const shape *s = shape_of(letter);
    int count = 0;
    for (int i = 0; i < s->count; i++) {
        count += s->touched[i].written && (!with_data || address_of(&s->touched[i]) < DATA_AT + s->data_size);
    }
    return count;
}

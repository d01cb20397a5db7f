/* Writing the shapes' modules byte by byte (shapes.h): 100 KB of data have no place in a text. */
#include "shapes.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODULE_MAX = 110000, DATA = 100000, PAGE = 4096 };

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

typedef struct touched {
    uint32_t page;
    bool written;
} touched;

static const touched touched_b[] = {{0, true}, {9, true}};
static const touched touched_c[] = {{3, true},  {4, true},   {5, true},  {60, true},  {61, true},
                                    {62, true}, {100, true}, {8, false}, {15, false}, {200, false}};

/* run: global += 1 + the sum of a word of each page; the words of those to be written become 77. */
static wag_bytes make_module(uint8_t pages, uint32_t data_size, const touched *touched, size_t count)
{
    writer w = {malloc(MODULE_MAX), 0}, code = {malloc(MODULE_MAX), 0}, data = {malloc(MODULE_MAX), 0};
    if (w.data == NULL || code.data == NULL || data.data == NULL) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    PUT(&w, 0, 'a', 's', 'm', 1, 0, 0, 0);
    SECTION(&w, 1, 2, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 0, 1, 0x7f); /* 0: (i32) -> (i32), 1: () -> (i32) */
    SECTION(&w, 2, 1, 3, 'e', 'n', 'v', 1, 'f', 0, 0);           /* env.f: type 0 */
    SECTION(&w, 3, 1, 1);                                        /* one function of type 1 */
    SECTION(&w, 4, 1, 0x70, 0, 16);                              /* a table of 16 funcref */
    if (pages > 0) {
        SECTION(&w, 5, 1, 0, pages);
    }
    SECTION(&w, 6, 1, 0x7f, 1, 0x41, 7, 0x0b);          /* (mut i32) = 7 */
    SECTION(&w, 7, 1, 3, 'r', 'u', 'n', 0, 1);          /* export func 1 */
    SECTION(&w, 9, 1, 0, 0x41, 0, 0x0b, 4, 1, 1, 0, 1); /* elements at 0: 1 1 0 1 */
    writer body = {code.data + 5, 0};
    PUT(&body, 0, 0x23, 0, 0x41, 1, 0x6a); /* global 0 + 1 */
    for (size_t i = 0; i < count; i++) {
        PUT(&body, 0x41);
        put_leb4(&body, touched[i].page * PAGE + 128);
        PUT(&body, 0x28, 2, 0, 0x6a); /* i32.load, i32.add */
    }
    PUT(&body, 0x24, 0);
    for (size_t i = 0; i < count; i++) {
        if (touched[i].written) {
            PUT(&body, 0x41);
            put_leb4(&body, touched[i].page * PAGE + 128);
            PUT(&body, 0x41, 0xcd, 0, 0x36, 2, 0); /* 77, i32.store */
        }
    }
    PUT(&body, 0x23, 0, 0x0b);
    PUT(&code, 1);
    put_leb4(&code, (uint32_t)body.size);
    code.size += body.size;
    put_section(&w, 10, &code);
    if (data_size > 0) {
        PUT(&data, 1, 0, 0x41, 0xc0, 0, 0x0b); /* one active segment at 64 */
        put_leb4(&data, data_size);
        for (uint32_t i = 0; i < data_size; i++) {
            PUT(&data, (uint8_t)(i * 7 + 1));
        }
        put_section(&w, 11, &data);
    }
    free(code.data);
    free(data.data);
    return (wag_bytes){w.data, w.size};
}

wag_bytes shape_module(char letter)
{
    switch (letter) {
    case 'a':
        return make_module(0, 0, NULL, 0);
    case 'b':
        return make_module(1, 0, touched_b, sizeof touched_b / sizeof touched_b[0]);
    default:
        return make_module(17, DATA, touched_c, sizeof touched_c / sizeof touched_c[0]);
    }
}

size_t shape_written(char letter)
{
    return letter == 'b' ? 2 * PAGE : letter == 'c' ? 7 * PAGE : 0;
}

/* The yardstick of bench_instances (mock_instance.h). */
#include "mock_instance.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

enum { PAGE = 4096, IMPORTS = 8, GLOBALS = 4, ENTRIES = 16, READY = 64 };

typedef struct import {
    const void *code, *context;
} import;

typedef struct block {
    _Alignas(64) uint8_t *memory; /* whole cache lines */
    const import *imports;
    uint64_t header[6];
    uint64_t globals[GLOBALS][2];
import functions[IMPORTS];
import table[ENTRIES];
} block;

_Static_assert(sizeof(block) >= 512, "as much as a small instance");

struct mock {
    block template;
import given[IMPORTS];
    uint32_t wanted_types[IMPORTS], given_types[IMPORTS];
    block *ready[READY];
    int ready_count, alive;
    int zero_pages, image_pages;
    size_t block_size; /* not a constant: the library's memcpy is faster than rep movs */
    uint8_t *memory, *image;
    block blocks[READY];
};

static block *mock_make(mock *m)
{
    if (m->ready_count == 0) {
        return NULL;
    }
    block *b = m->ready[--m->ready_count];
    memcpy(b, &m->template, m->block_size);
    for (int i = 0; i < IMPORTS; i++) {
        if (m->given_types[i] != m->wanted_types[i]) {
            return NULL;
        }
        b->functions[i] = m->given[i];
    }
    b->memory = m->memory;
    m->alive++;
    return b;
}

static void mock_drop(mock *m, block *b)
{
    uint8_t *at = b->memory;
    for (int i = 0; i < m->zero_pages; i++, at += 2 * PAGE) {
        memset(at, 0, PAGE);
    }
    for (int i = 0; i < m->image_pages; i++, at += PAGE) {
        memcpy(at, m->image + i * PAGE, PAGE);
    }
    m->alive--;
    m->ready[m->ready_count++] = b;
}

/* As calls of a library are: nothing is known on the other side. */
static block *(*volatile make)(mock *) = mock_make;
static void (*volatile drop)(mock *, block *) = mock_drop;

mock *mock_new(int zero_pages, int image_pages)
{
    size_t size = (size_t)(2 * zero_pages + image_pages) * PAGE;
    mock *m = aligned_alloc(64, sizeof *m);
    uint8_t *pages = calloc(1, size + (size_t)image_pages * PAGE + PAGE);
    if (m == NULL || pages == NULL) {
        fail("out of memory");
    }
    memset(m, 0, sizeof *m);
    m->zero_pages = zero_pages;
    m->image_pages = image_pages;
    m->memory = pages;
    m->block_size = sizeof(block);
    m->image = pages + size;
    for (int i = 0; i < image_pages * PAGE; i++) {
        m->image[i] = (uint8_t)(i * 7 + 1);
    }
    for (; m->ready_count < READY; m->ready_count++) {
        m->ready[m->ready_count] = &m->blocks[m->ready_count];
    }
    return m;
}

void mock_live(mock *m, int count)
{
    for (int i = 0; i < count; i++) {
        block *b = make(m);
        if (b == NULL) {
            fail("the mock-up has no instance");
        }
        drop(m, b);
    }
}

void mock_free(mock *m)
{
    free(m->memory);
    free(m);
}

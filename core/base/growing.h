/* Bytes that arrive one after the other, and that other threads read where they lie: they do not move while they grow,
 * in a process that has address space to spare. Memory is taken for what has arrived, never for what may come.
 */
#ifndef WAGI_BASE_GROWING_H
#define WAGI_BASE_GROWING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wagi_growing {
    uint8_t *base; /* NULL: nothing yet, and it moves */
    size_t size;   /* bytes that are there */
    size_t usable; /* bytes with memory behind them */
    size_t mapped; /* bytes of address space */
    size_t limit;  /* bytes that there may be */
    bool fixed;    /* base never changes */
} wagi_growing;

void wagi_growing_init(wagi_growing *growing, size_t limit);
void wagi_growing_fini(wagi_growing *growing);
/* False without memory (nothing has changed then), or when there would be more than `limit`. One thread at a time;
 * when base is fixed others may read the first `size` bytes, as it was told to them, meanwhile. */
bool wagi_growing_append(wagi_growing *growing, const uint8_t *bytes, size_t size);
/* Give back what is not used. The rest are whole pages of `mapped` bytes. */
void wagi_growing_trim(wagi_growing *growing);

#endif

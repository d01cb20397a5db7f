/* An arena whose pages can be sealed read-only: what a Module is made of. Not thread-safe until sealed. */
#ifndef WAGI_BASE_ARENA_H
#define WAGI_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

typedef struct wagi_arena {
    struct wagi_arena_chunk *chunks; /* newest first */
} wagi_arena;

void wagi_arena_init(wagi_arena *arena);
void wagi_arena_fini(wagi_arena *arena);
/* 16-byte aligned, zeroed. NULL when memory is out. */
void *wagi_arena_alloc(wagi_arena *arena, size_t size);
void *wagi_arena_alloc_array(wagi_arena *arena, size_t count, size_t size);
/* A copy of the bytes. NULL when memory is out. */
void *wagi_arena_copy(wagi_arena *arena, const void *bytes, size_t size);
/* All that `from` has becomes `to`'s; from is empty afterwards. */
void wagi_arena_absorb(wagi_arena *to, wagi_arena *from);
/* Pages of a mapping of their own become the arena's, `used` bytes of them in use. size: whole pages. False without
 * memory; they stay the caller's then. */
bool wagi_arena_adopt(wagi_arena *arena, void *pages, size_t size, size_t used);
/* Give unused pages back and map the others read-only; no allocation afterwards. False when the system refuses. */
bool wagi_arena_seal(wagi_arena *arena);
size_t wagi_arena_size(const wagi_arena *arena); /* bytes mapped */

#endif

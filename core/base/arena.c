/* Arenas: chunks of pages, sealed together. */
#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/os.h"

/* Chunk headers live in the heap, so that the list can be walked and freed while the pages are sealed. */
struct wagi_arena_chunk {
    struct wagi_arena_chunk *next;
    uint8_t *pages;
    size_t size, used;
};

enum { ARENA_FIRST_CHUNK = 16 << 10, ARENA_LARGEST_CHUNK = 4 << 20, ARENA_ALIGN = 16 };

void wagi_arena_init(wagi_arena *arena)
{
    arena->chunks = NULL;
}

void wagi_arena_fini(wagi_arena *arena)
{
    while (arena->chunks) {
        struct wagi_arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        wagi_os_unmap(chunk->pages, chunk->size);
        wagi_free(chunk);
    }
}

static struct wagi_arena_chunk *arena_grow(wagi_arena *arena, size_t size)
{
    size_t wanted = arena->chunks ? arena->chunks->size * 2 : ARENA_FIRST_CHUNK;
    if (wanted > ARENA_LARGEST_CHUNK)
        wanted = ARENA_LARGEST_CHUNK;
    if (wanted < size)
        wanted = size;
    size_t page = wagi_os_page_size();
    wanted = (wanted + page - 1) / page * page;
    struct wagi_arena_chunk *chunk = WAGI_NEW(struct wagi_arena_chunk);
    if (!chunk)
        return NULL;
    chunk->pages = wagi_os_map(wanted, WAGI_PROT_READ_WRITE);
    if (!chunk->pages) {
        wagi_free(chunk);
        return NULL;
    }
    wagi_os_prefer_large_pages(chunk->pages, wanted);
    chunk->size = wanted;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    return chunk;
}

void *wagi_arena_alloc(wagi_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    struct wagi_arena_chunk *chunk = arena->chunks;
    if (!chunk || chunk->size - chunk->used < size)
        chunk = arena_grow(arena, size);
    if (!chunk)
        return NULL;
    void *block = chunk->pages + chunk->used;
    chunk->used += size;
    return block;
}

void *wagi_arena_alloc_array(wagi_arena *arena, size_t count, size_t size)
{
    return size && count > SIZE_MAX / size ? NULL : wagi_arena_alloc(arena, count * size);
}

void *wagi_arena_copy(wagi_arena *arena, const void *bytes, size_t size)
{
    void *copy = wagi_arena_alloc(arena, size);
    if (copy && size)
        memcpy(copy, bytes, size);
    return copy;
}

void wagi_arena_absorb(wagi_arena *to, wagi_arena *from)
{
    struct wagi_arena_chunk *last = from->chunks;
    if (!last)
        return;
    while (last->next)
        last = last->next;
    /* Behind the newest one, which goes on being filled. */
    struct wagi_arena_chunk **at = to->chunks ? &to->chunks->next : &to->chunks;
    last->next = *at;
    *at = from->chunks;
    from->chunks = NULL;
}

bool wagi_arena_adopt(wagi_arena *arena, void *pages, size_t size, size_t used)
{
    struct wagi_arena_chunk *chunk = WAGI_NEW(struct wagi_arena_chunk);
    if (!chunk)
        return false;
    *chunk = (struct wagi_arena_chunk){.pages = pages, .size = size, .used = used};
    wagi_arena own = {chunk};
    wagi_arena_absorb(arena, &own);
    return true;
}

/* Give back the pages behind the last byte in use. */
static void chunk_trim(struct wagi_arena_chunk *chunk)
{
    size_t page = wagi_os_page_size(), used = (chunk->used + page - 1) / page * page;
    if (used == 0 || used == chunk->size)
        return;
    wagi_os_unmap(chunk->pages + used, chunk->size - used);
    chunk->size = used;
}

bool wagi_arena_seal(wagi_arena *arena)
{
    for (struct wagi_arena_chunk *chunk = arena->chunks; chunk; chunk = chunk->next) {
        chunk_trim(chunk);
        if (!wagi_os_protect(chunk->pages, chunk->size, WAGI_PROT_READ))
            return false;
    }
    return true;
}

size_t wagi_arena_size(const wagi_arena *arena)
{
    size_t total = 0;
    for (const struct wagi_arena_chunk *chunk = arena->chunks; chunk; chunk = chunk->next)
        total += chunk->size;
    return total;
}

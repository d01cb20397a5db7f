/* The heap's memory: blocks of cells, large objects, allocation's slow path, lazy sweeping. heap.h has the design.
 *
 * A block in use is on at most one list: partial (swept, has free cells), unswept, or it is the current one of its
 * class; a full block is on none. All of them are found by walking the regions, the mappings that blocks are cut from.
 * Cells from `fresh` on were never used: a new block's free list is threaded a page at a time, so that a small heap
 * touches little memory.
 */
#include "runtime/heap.h"

#include <stdlib.h>

#include "base/os.h"
#include "runtime/agent.h"
#include "runtime/quota.h"

enum {
    BLOCK = 64 * 1024,
    BLOCK_HEADER = 64,
    REGION_BLOCKS = 16,
    REGION = REGION_BLOCKS * BLOCK,
    CHUNK = 4096,                 /* of a fresh block that is threaded at once */
    LARGE_HEADER = 16,            /* keeps the object aligned */
    SWEEP_TRIES = 8,              /* blocks that one allocation sweeps before it takes an empty one */
    TRIM_REGIONS = 8,             /* that are unmapped at once */
    SPARE_BLOCKS = 16,            /* empty blocks that are kept */
    PACE = 4,                     /* the collector works on so many bytes for each byte that is handed out */
    FIRST_MARK = 4 * 1024 * 1024, /* bytes handed out before a mark begins, or as much as is live */
};

typedef struct wagi_gc_block {
    struct wagi_gc_block *next;
    wagi_gc_cell *free; /* on the partial list: its free cells below fresh */
    uint32_t free_count;
    uint32_t fresh, end; /* offsets: of the first cell that was never used, past the last cell */
    uint16_t cell_size;
    uint8_t size_class;
    bool used;
    wagi_gc_space *space;
} block;

typedef wagi_gc_region region;

typedef struct wagi_gc_large {
    uint64_t size; /* of the object */
    wagi_gc_space *space;
} large;

_Static_assert(sizeof(block) <= BLOCK_HEADER, "a block's header fits");
_Static_assert(sizeof(large) <= LARGE_HEADER, "a large object's header fits");

static wagi_gc_object *large_object(large *l)
{
    return (wagi_gc_object *)(void *)((char *)l + LARGE_HEADER);
}
static block *region_block(const region *r, unsigned index)
{
    return (block *)(void *)((char *)r->first + (size_t)index * BLOCK);
}
static wagi_gc_object *block_cell(block *b, uint32_t offset)
{
    return (wagi_gc_object *)(void *)((char *)b + offset);
}
static bool is_live(const wagi_gc *gc, const wagi_gc_object *object)
{
    return (object->head & WAGI_GC_TAG) && ((object->head ^ gc->head_bits) & WAGI_GC_COLOUR) == 0;
}

/* ---- size classes: steps of 16 up to 128, then four to each doubling ---- */

static void fill_classes(wag_agent *agent)
{
    wagi_gc *gc = &agent->gc;
    const wagi_limits *limits = &agent->cluster->limits;
    unsigned size_class = 0, size = 0, step = WAGI_GC_GRANULE;
    for (unsigned granules = 0; granules <= WAGI_GC_SMALL / WAGI_GC_GRANULE; granules++) {
        while (granules * WAGI_GC_GRANULE > size || size == 0) {
            if (size >= 128 && (size & (size - 1)) == 0)
                step = size / 4;
            size += step;
            gc->cell_size[size_class++] = (uint16_t)size;
        }
        gc->class_of[granules] = (uint8_t)(size_class - 1);
    }
    gc->head_bits = WAGI_GC_TAG;
    gc->common.limit = limits->heap_bytes;
    gc->per_instance = limits->instance_heap_bytes < limits->heap_bytes;
    gc->ready = true;
}

/* ---- types that are held ---- */

static size_t type_place(const wagi_gc *gc, uint32_t id)
{
    size_t low = 0, high = gc->types.n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (gc->types.p[middle].type->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool wagi_gc_hold_type(wagi_gc *gc, const wagi_type *type)
{
    size_t place = type_place(gc, type->id);
    if (place == gc->types.n || gc->types.p[place].type != type) {
        if (!WAGI_VEC_RESERVE(&gc->types, 1))
            return false;
        wagi_gc_type *at = gc->types.p + place;
        memmove(at + 1, at, (gc->types.n - place) * sizeof *at);
        gc->types.n++;
        at->type = type;
        wagi_type_group_ref(type);
    }
    gc->types.p[place].seen = true;
    if (!gc->stress && !gc->per_instance) /* what is not in the cache takes the slow path */
        gc->known[type->id % WAGI_GC_KNOWN] = type;
    return true;
}

static void release_types(wagi_gc *gc, wagi_registry *registry, bool all)
{
    size_t kept = 0;
    for (size_t i = 0; i < gc->types.n; i++) {
        wagi_gc_type held = gc->types.p[i];
        if (held.seen && !all)
            gc->types.p[kept++] = held;
        else
            wagi_type_group_unref(registry, held.type);
    }
    gc->types.n = kept;
}

/* ---- regions and blocks ---- */

static size_t region_place(const wagi_gc *gc, uintptr_t address)
{
    size_t low = 0, high = gc->regions.n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if ((uintptr_t)gc->regions.p[middle].first <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low; /* the first one that begins behind the address */
}

static bool add_region(wagi_gc *gc)
{
    if (!WAGI_VEC_RESERVE(&gc->regions, 1))
        return false;
    void *mapping = wagi_os_map(REGION + BLOCK, WAGI_PROT_READ_WRITE);
    if (!mapping)
        return false;
    uintptr_t first = ((uintptr_t)mapping + BLOCK - 1) / BLOCK * BLOCK;
    size_t place = region_place(gc, first);
    region *at = gc->regions.p + place;
    memmove(at + 1, at, (gc->regions.n - place) * sizeof *at);
    *at = (region){.first = (block *)first, .mapping = mapping};
    gc->regions.n++;
    for (unsigned i = REGION_BLOCKS; i-- > 0;) {
        block *b = region_block(at, i);
        b->next = gc->pool;
        gc->pool = b;
    }
    gc->pool_count += REGION_BLOCKS;
    return true;
}

static bool region_is_empty(const region *r)
{
    for (unsigned i = 0; i < REGION_BLOCKS; i++)
        if (region_block(r, i)->used)
            return false;
    return true;
}

/* Give empty regions back while there are more empty blocks than the next round can use, a few at a time: unmapping
 * takes long. That is what is handed out before the next mark begins and, at PACE, until all has been marked and swept.
 * The pool is made anew. */
static void trim_regions(wagi_gc *gc)
{
    size_t first = FIRST_MARK / BLOCK, round = gc->block_count > first ? gc->block_count : first;
    size_t spare = round + round / 2 + SPARE_BLOCKS, kept = 0, gone = 0;
    if (gc->pool_count < spare + REGION_BLOCKS)
        return;
    gc->pool = NULL;
    size_t left = gc->pool_count;
    gc->pool_count = 0;
    for (size_t i = 0; i < gc->regions.n; i++) {
        region r = gc->regions.p[i];
        if (gone < TRIM_REGIONS && left >= spare + REGION_BLOCKS && region_is_empty(&r)) {
            gone++;
            wagi_os_unmap(r.mapping, REGION + BLOCK);
            left -= REGION_BLOCKS;
            continue;
        }
        gc->regions.p[kept++] = r;
        for (unsigned j = 0; j < REGION_BLOCKS; j++) {
            block *b = region_block(&r, j);
            if (b->used)
                continue;
            b->next = gc->pool;
            gc->pool = b;
            gc->pool_count++;
        }
    }
    gc->regions.n = kept;
}

/* May so many bytes more be used, by the space and by all? */
static bool has_room(const wagi_gc *gc, const wagi_gc_space *space, uint64_t bytes)
{
    uint64_t limit = gc->common.limit;
    return gc->used <= limit && bytes <= limit - gc->used && space->used <= space->limit &&
           bytes <= space->limit - space->used;
}

static wag_agent *agent_of(wagi_gc *gc)
{
    return (wag_agent *)(void *)((char *)gc - offsetof(wag_agent, gc));
}

/* False when a limit would be exceeded: the space's, the agent's, the cluster's. */
static bool use(wagi_gc *gc, wagi_gc_space *space, uint64_t bytes)
{
    if (!has_room(gc, space, bytes) || wagi_quota_take(agent_of(gc), WAGI_QUOTA_HEAP, bytes) != WAG_OK)
        return false;
    gc->used += bytes;
    space->used += bytes;
    return true;
}

static void unuse(wagi_gc *gc, wagi_gc_space *space, uint64_t bytes)
{
    wagi_quota_give(agent_of(gc), WAGI_QUOTA_HEAP, bytes);
    gc->used -= bytes;
    space->used -= bytes;
}

/* An empty block for a class. */
static block *take_block(wagi_gc *gc, wagi_gc_space *space, unsigned size_class)
{
    if (!use(gc, space, BLOCK))
        return NULL;
    if (!gc->pool && !add_region(gc)) {
        unuse(gc, space, BLOCK);
        return NULL;
    }
    block *b = gc->pool;
    gc->pool = b->next;
    gc->pool_count--;
    gc->block_count++;
    unsigned cell_size = gc->cell_size[size_class];
    *b = (block){.fresh = BLOCK_HEADER,
                 .end = BLOCK_HEADER + (BLOCK - BLOCK_HEADER) / cell_size * cell_size,
                 .cell_size = (uint16_t)cell_size,
                 .size_class = (uint8_t)size_class,
                 .used = true,
                 .space = space};
    return b;
}

static void empty_block(wagi_gc *gc, block *b)
{
    b->used = false;
    b->next = gc->pool;
    gc->pool = b;
    gc->pool_count++;
    gc->block_count--;
    unuse(gc, b->space, BLOCK);
}

/* ---- sweeping ---- */

static bool is_all_dead(const wagi_gc *gc, block *b)
{
    for (uint32_t at = BLOCK_HEADER; at < b->fresh; at += b->cell_size)
        if (is_live(gc, block_cell(b, at)))
            return false;
    return true;
}

/* Thread what is dead; the block goes to the list where it belongs then. */
static void sweep_block(wagi_gc *gc, block *b)
{
    wagi_gc_cell *first = NULL, **last = &first;
    uint32_t count = 0, live = 0;
    if (!gc->stress && is_all_dead(gc, b)) { /* cells are threaded anew when an empty block is used again */
        empty_block(gc, b);
        return;
    }
    for (uint32_t at = BLOCK_HEADER; at < b->fresh; at += b->cell_size) {
        wagi_gc_object *object = block_cell(b, at);
        if (is_live(gc, object)) {
            live++;
            continue;
        }
        if (gc->stress)
            memset(object, 0xA4, b->cell_size); /* as a first word: no heap object, and no pointer */
        wagi_gc_cell *cell = (wagi_gc_cell *)(void *)object;
        *last = cell;
        last = &cell->next;
        count++;
    }
    *last = NULL;
    if (live == 0) {
        empty_block(gc, b);
        return;
    }
    b->free = first;
    b->free_count = count;
    if (first || b->fresh < b->end) {
        b->next = b->space->partial[b->size_class];
        b->space->partial[b->size_class] = b;
    }
}

static void sweep_large(wagi_gc *gc)
{
    large *l = gc->larges.p[gc->large_swept];
    if (is_live(gc, large_object(l))) {
        gc->large_swept++;
        return;
    }
    unuse(gc, l->space, l->size);
    wagi_free(l);
    gc->larges.p[gc->large_swept] = gc->larges.p[--gc->larges.n];
}

void wagi_gc_begin_mark(wag_agent *agent)
{
    wagi_gc *gc = &agent->gc;
    if (!gc->ready)
        fill_classes(agent);
    memset(gc->known, 0, sizeof gc->known);
    for (size_t i = 0; i < gc->types.n; i++)
        gc->types.p[i].seen = false;
    gc->head_bits ^= WAGI_GC_COLOUR;
    gc->debt = gc->unpaid = gc->marked = 0;
}

static void clear_lists(wagi_gc_space *space)
{
    memset(space->free, 0, sizeof space->free);
    memset(space->current, 0, sizeof space->current);
    memset(space->partial, 0, sizeof space->partial);
    memset(space->unswept, 0, sizeof space->unswept);
}

void wagi_gc_begin_sweep(wag_agent *agent)
{
    wagi_gc *gc = &agent->gc;
    gc->live = gc->marked;
    gc->collections++;
    clear_lists(&gc->common);
    for (wagi_gc_space *space = gc->spaces; space; space = space->next)
        clear_lists(space);
    for (size_t i = 0; i < gc->regions.n; i++)
        for (unsigned j = 0; j < REGION_BLOCKS; j++) {
            block *b = region_block(&gc->regions.p[i], j);
            if (!b->used)
                continue;
            b->next = b->space->unswept[b->size_class];
            b->space->unswept[b->size_class] = b;
        }
    gc->large_swept = 0;
    gc->sweeping = true;
    release_types(gc, agent->cluster->registry, false);
}

/* False when `bytes` did not suffice. */
static bool sweep_space(wagi_gc *gc, wagi_gc_space *space, uint64_t bytes, uint64_t *done)
{
    for (unsigned i = 0; i < WAGI_GC_CLASSES; i++)
        while (space->unswept[i]) {
            if (*done >= bytes)
                return false;
            block *b = space->unswept[i];
            space->unswept[i] = b->next;
            sweep_block(gc, b);
            *done += BLOCK;
        }
    return true;
}

/* Everything has been swept. */
static void free_orphans(wagi_gc *gc)
{
    for (wagi_gc_space **link = &gc->spaces, *space; (space = *link) != NULL;) {
        if (space->orphan && space->used == 0) {
            *link = space->next;
            wagi_free(space);
        } else {
            link = &space->next;
        }
    }
}

bool wagi_gc_sweep(wagi_gc *gc, uint64_t bytes)
{
    if (!gc->sweeping)
        return true;
    uint64_t done = 0;
    for (wagi_gc_space *space = &gc->common; space; space = space == &gc->common ? gc->spaces : space->next)
        if (!sweep_space(gc, space, bytes, &done))
            return false;
    while (gc->large_swept < gc->larges.n) {
        if (done >= bytes)
            return false;
        sweep_large(gc);
        done += WAGI_GC_SMALL;
    }
    gc->sweeping = false;
    free_orphans(gc);
    trim_regions(gc);
    return true;
}

/* ---- allocation ---- */

static void thread_chunk(wagi_gc *gc, block *b)
{
    uint32_t count = CHUNK / b->cell_size, left = (b->end - b->fresh) / b->cell_size;
    if (count == 0)
        count = 1;
    if (count > left)
        count = left;
    wagi_gc_cell **link = &b->space->free[b->size_class];
    for (uint32_t i = 0; i < count; i++) {
        wagi_gc_cell *cell = (wagi_gc_cell *)(void *)block_cell(b, b->fresh);
        b->fresh += b->cell_size;
        *link = cell;
        link = &cell->next;
    }
    *link = NULL;
    gc->debt += (uint64_t)count * b->cell_size;
    gc->unpaid += (uint64_t)count * b->cell_size;
}

/* Find free cells of a class whose list is empty. */
static bool refill(wagi_gc *gc, wagi_gc_space *space, unsigned size_class)
{
    unsigned swept = 0; /* in vain: blocks that are full of live objects */
    while (!space->free[size_class]) {
        block *b = space->current[size_class];
        if (b && b->fresh < b->end) {
            thread_chunk(gc, b);
        } else if ((b = space->partial[size_class]) != NULL) {
            space->partial[size_class] = b->next;
            space->current[size_class] = b;
            space->free[size_class] = b->free;
            b->free = NULL;
            gc->debt += (uint64_t)b->free_count * b->cell_size;
            gc->unpaid += (uint64_t)b->free_count * b->cell_size;
        } else if ((b = space->unswept[size_class]) != NULL && swept++ < SWEEP_TRIES) {
            space->unswept[size_class] = b->next;
            sweep_block(gc, b);
        } else if ((b = take_block(gc, space, size_class)) != NULL) {
            space->current[size_class] = b;
        } else if (space->unswept[size_class]) {
            swept = 0; /* no other way */
        } else {
            return false;
        }
    }
    return true;
}

static wagi_gc_object *alloc_large(wagi_gc *gc, wagi_gc_space *space, uint64_t size)
{
    if (size > SIZE_MAX / 2 || !WAGI_VEC_RESERVE(&gc->larges, 1) || !use(gc, space, size))
        return NULL;
    large *l = wagi_alloc(LARGE_HEADER + (size_t)size);
    if (!l) {
        unuse(gc, space, size);
        return NULL;
    }
    *l = (large){.size = size, .space = space};
    gc->larges.p[gc->larges.n++] = l;
    gc->debt += size;
    gc->unpaid += size;
    return large_object(l);
}

/* Where the maker's objects go; NULL: no instance. NULL without memory. */
static wagi_gc_space *space_of(wag_agent *agent, wag_instance *maker)
{
    wagi_gc *gc = &agent->gc;
    if (!gc->per_instance || !maker)
        return &gc->common;
    if (!maker->space && (maker->space = WAGI_NEW(wagi_gc_space)) != NULL) {
        maker->space->limit = agent->cluster->limits.instance_heap_bytes;
        maker->space->next = gc->spaces;
        gc->spaces = maker->space;
    }
    return maker->space;
}

void wagi_gc_leave(wag_instance *instance)
{
    instance->space->orphan = true;
    instance->space = NULL;
}

static wagi_gc_object *allocate(wag_agent *agent, wag_instance *maker, const wagi_type *type, uint64_t size)
{
    wagi_gc *gc = &agent->gc;
    if (!gc->ready)
        fill_classes(agent);
    wagi_gc_space *space = space_of(agent, maker);
    if (!space || !wagi_gc_hold_type(gc, type))
        return NULL;
    wagi_gc_object *object = NULL;
    if (size > WAGI_GC_SMALL) {
        object = alloc_large(gc, space, size);
    } else {
        unsigned size_class = gc->class_of[(size + WAGI_GC_GRANULE - 1) / WAGI_GC_GRANULE];
        if (space->free[size_class] || refill(gc, space, size_class)) {
            wagi_gc_cell *cell = space->free[size_class];
            space->free[size_class] = cell->next;
            object = (wagi_gc_object *)(void *)cell;
        }
    }
    if (object)
        object->head = (uintptr_t)type | gc->head_bits;
    return object;
}

wagi_gc_object *wagi_gc_alloc_quiet(wag_agent *agent, const wagi_type *type, uint64_t size)
{
    return allocate(agent, NULL, type, size);
}

/* Mark or sweep about so much, unless the agent is to stop. True when there is nothing of it left to do. */
static bool work_on(wag_agent *agent, bool (*step)(wag_agent *agent, uint64_t bytes), uint64_t bytes)
{
    for (uint64_t now; bytes; bytes -= now) {
        now = wagi_bulk_step(bytes, 1);
        if (step(agent, now))
            return true;
        if (wagi_agent_poll(agent))
            return false;
    }
    return false;
}

static bool sweep_step(wag_agent *agent, uint64_t bytes)
{
    return wagi_gc_sweep(&agent->gc, bytes);
}

/* The trace that is under way, to its end. False when the agent is to stop before that. */
static bool end_trace(wag_agent *agent)
{
    bool can_mark = agent->gc.marking && !agent->draining;
    return (!can_mark || work_on(agent, wagi_store_mark, UINT64_MAX)) && work_on(agent, sweep_step, UINT64_MAX);
}

/* wagi_store_collect and sweep, but no further when the agent is to stop. */
static void collect_all(wag_agent *agent)
{
    /* What has died since the trace began that is under way takes another one. */
    if (end_trace(agent) && wagi_store_begin_mark(agent))
        end_trace(agent);
}

/* The collector's share of the work. */
static void pace(wag_agent *agent)
{
    wagi_gc *gc = &agent->gc;
    uint64_t work = gc->unpaid * PACE;
    gc->unpaid = 0;
    if (gc->marking)
        work_on(agent, wagi_store_mark, work);
    else if (gc->sweeping)
        work_on(agent, sweep_step, work);
    else if (gc->debt >= (gc->live > FIRST_MARK ? gc->live : FIRST_MARK))
        wagi_store_begin_mark(agent);
}

wagi_gc_object *wagi_gc_alloc_slow(wag_instance *maker, const wagi_type *type, uint64_t size)
{
    wag_agent *agent = maker->unit.agent;
    wagi_gc *gc = &agent->gc;
    if (gc->stress)
        collect_all(agent);
    else if (size > WAGI_GC_SMALL || gc->unpaid >= CHUNK)
        pace(agent);
    wagi_gc_object *object = allocate(agent, maker, type, size);
    if (object)
        return object;
    collect_all(agent);
    return allocate(agent, maker, type, size);
}

/* ---- finding objects ---- */

static int compare_larges(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (large *const *)a, y = (uintptr_t) * (large *const *)b;
    return (x > y) - (x < y);
}

void wagi_gc_sort_larges(wagi_gc *gc)
{
    if (gc->larges.n)
        qsort(gc->larges.p, gc->larges.n, sizeof *gc->larges.p, compare_larges);
}

static wagi_gc_object *find_large(const wagi_gc *gc, uintptr_t address)
{
    size_t low = 0, high = gc->larges.n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        uintptr_t object = (uintptr_t)large_object(gc->larges.p[middle]);
        if (object == address)
            return large_object(gc->larges.p[middle]);
        if (object < address)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

wagi_gc_object *wagi_gc_find(const wagi_gc *gc, wagi_slot word)
{
    uintptr_t address = (uintptr_t)word;
    if (address != word || address % WAGI_GC_GRANULE || address == 0)
        return NULL;
    size_t place = region_place(gc, address);
    if (place == 0 || address - (uintptr_t)gc->regions.p[place - 1].first >= REGION)
        return find_large(gc, address);
    block *b = (block *)(address / BLOCK * BLOCK);
    uint32_t offset = (uint32_t)(address % BLOCK);
    if (!b->used || offset < BLOCK_HEADER || offset >= b->fresh || (offset - BLOCK_HEADER) % b->cell_size)
        return NULL;
    wagi_gc_object *object = block_cell(b, offset);
    return object->head & WAGI_GC_TAG ? object : NULL;
}

void wagi_gc_each(wagi_gc *gc, void (*visit)(wagi_gc_object *object, void *context), void *context)
{
    /* While it marks, the colour says nothing about who is dead, and all has been swept. */
    for (size_t i = 0; i < gc->regions.n; i++)
        for (unsigned j = 0; j < REGION_BLOCKS; j++) {
            block *b = region_block(&gc->regions.p[i], j);
            for (uint32_t at = BLOCK_HEADER; b->used && at < b->fresh; at += b->cell_size) {
                wagi_gc_object *object = block_cell(b, at);
                if ((object->head & WAGI_GC_TAG) && (gc->marking || is_live(gc, object)))
                    visit(object, context);
            }
        }
    for (size_t i = 0; i < gc->larges.n; i++) {
        wagi_gc_object *object = large_object(gc->larges.p[i]);
        if (gc->marking || is_live(gc, object))
            visit(object, context);
    }
}

void wagi_gc_free_all(wag_agent *agent)
{
    wagi_gc *gc = &agent->gc;
    for (size_t i = 0; i < gc->larges.n; i++)
        wagi_free(gc->larges.p[i]);
    for (size_t i = 0; i < gc->regions.n; i++)
        wagi_os_unmap(gc->regions.p[i].mapping, REGION + BLOCK);
    release_types(gc, agent->cluster->registry, true);
    WAGI_VEC_FREE(&gc->larges);
    WAGI_VEC_FREE(&gc->regions);
    WAGI_VEC_FREE(&gc->types);
    WAGI_VEC_FREE(&gc->grey);
    for (wagi_gc_space *next; gc->spaces; gc->spaces = next) {
        next = gc->spaces->next;
        wagi_free(gc->spaces);
    }
    wagi_proxies_free(agent);
    wagi_quota_give(agent, WAGI_QUOTA_HEAP, gc->used);
    *gc = (wagi_gc){.ready = false};
}

void wagi_gc_stress(wag_agent *agent, bool on)
{
    agent->gc.stress = on;
    memset(agent->gc.known, 0, sizeof agent->gc.known);
}

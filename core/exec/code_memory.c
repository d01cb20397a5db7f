/* Mapping machine code, the registry of code ranges, and looking places up in it. */
#include "exec/code_memory.h"

#include <stdatomic.h>
#include <string.h>

#include "base/os.h"
#include "base/sync.h"

/* The registry: chunks of entries that are never freed, so that readers need no lock. An entry is written under the
 * lock; its size is 0 while it changes. A reader that sees the same size before and after has start and code that
 * belong to each other or a size of another life of the entry; in that case pc, which is in code that is alive, is not
 * in it. */
#define CHUNK 256

typedef struct entry {
    atomic_uintptr_t start;
    atomic_size_t size;
    _Atomic(const wagi_code *) code;
} entry;

typedef struct chunk {
    entry entries[CHUNK];
    _Atomic(struct chunk *) next;
} chunk;

static chunk first_chunk;
static wagi_mutex lock = WAGI_MUTEX_INIT; /* writers of the registry; a leaf */

static entry *entry_at(uint32_t index, bool make)
{
    chunk *c = &first_chunk;
    for (; index >= CHUNK; index -= CHUNK) {
        chunk *next = atomic_load_explicit(&c->next, memory_order_acquire);
        if (!next && make) {
            next = wagi_alloc_zero(1, sizeof *next);
            /* release: the chunk's zeros before its address; pairs with the acquire loads */
            atomic_store_explicit(&c->next, next, memory_order_release);
        }
        if (!next)
            return NULL;
        c = next;
    }
    return &c->entries[index];
}

static bool register_code(wagi_code *code)
{
    entry *e = NULL;
    wagi_mutex_lock(&lock);
    for (uint32_t i = 0;; i++) {
        e = entry_at(i, true);
        if (!e)
            break;
        if (atomic_load_explicit(&e->size, memory_order_relaxed) == 0) {
            code->registered = i + 1;
            atomic_store(&e->code, code);
            atomic_store(&e->start, (uintptr_t)code->image.code);
            atomic_store(&e->size, code->mapped);
            break;
        }
    }
    wagi_mutex_unlock(&lock);
    return e != NULL;
}

static void unregister_code(wagi_code *code)
{
    if (!code->registered)
        return;
    wagi_mutex_lock(&lock);
    entry *e = entry_at(code->registered - 1, false);
    atomic_store(&e->size, 0);
    atomic_store(&e->start, 0);
    atomic_store(&e->code, NULL);
    wagi_mutex_unlock(&lock);
}

const wagi_code *wagi_code_find(uintptr_t pc)
{
    for (chunk *c = &first_chunk; c; c = atomic_load_explicit(&c->next, memory_order_acquire))
        for (uint32_t i = 0; i < CHUNK; i++) {
            entry *e = &c->entries[i];
            size_t size = atomic_load(&e->size);
            uintptr_t start = atomic_load(&e->start);
            if (size == 0 || pc - start >= size)
                continue;
            const wagi_code *code = atomic_load(&e->code);
            if (code && atomic_load(&e->start) == start && atomic_load(&e->size) == size)
                return code;
        }
    return NULL;
}

wagi_code *wagi_code_new(wagi_image *image, const wagi_module_data *data, bool *ret_forbidden)
{
    *ret_forbidden = false;
    wagi_code *code = WAGI_NEW(wagi_code);
    if (!code)
        return NULL;
    uint8_t *at = wagi_os_remap(image->code, image->code_mapped, image->code_size); /* gives the rest back */
    if (!at) {
        wagi_free(code);
        return NULL;
    }
    image->code = at;
    image->code_mapped = image->code_size;
    if (!wagi_os_protect(at, image->code_size, WAGI_PROT_READ_EXEC)) {
        *ret_forbidden = true;
        wagi_free(code);
        return NULL;
    }
    code->mapped = image->code_size;
    code->data = data;
    code->image = *image;
    if (!register_code(code)) {
        wagi_free(code);
        return NULL;
    }
    memset(image, 0, sizeof *image);
    return code;
}

void wagi_code_free(wagi_code *code)
{
    if (!code)
        return;
    unregister_code(code);
    wagi_image_fini(&code->image);
    wagi_free(code);
}

const wagi_func_code *wagi_code_func(const wagi_code *code, uint32_t offset)
{
    uint32_t low = 0, high = code->image.func_count;
    if (offset >= code->image.stubs_start)
        return NULL;
    while (low < high) { /* the last one that starts at or below */
        uint32_t middle = (low + high) / 2;
        if (code->image.funcs[middle].start <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    const wagi_func_code *func = &code->image.funcs[low - 1];
    return offset - func->start < func->size ? func : NULL;
}

bool wagi_code_site(const wagi_code *code, const wagi_func_code *func, uint32_t offset, bool is_fault,
                    wagi_site *ret_site, wagi_site_rest *ret_rest)
{
    const uint8_t *at = code->image.sites + func->sites;
    wagi_site site = {0};
    for (uint32_t i = 0; i < func->site_count; i++) {
        at = wagi_sites_next(at, &site);
        if (site.code != offset - func->start || site.kind == WAGI_SITE_INLINED ||
            (site.kind == WAGI_SITE_FAULT) != is_fault)
            continue;
        *ret_site = site;
        *ret_rest = (wagi_site_rest){at, func->site_count - i - 1};
        return true;
    }
    return false;
}

bool wagi_code_caller(wagi_site_rest *rest, wagi_site *site)
{
    if (rest->count == 0)
        return false;
    rest->count--;
    rest->at = wagi_sites_next(rest->at, site);
    return site->kind == WAGI_SITE_INLINED;
}

uint32_t wagi_code_func_index(const wagi_module_data *data, uint32_t source)
{
    const uint8_t *at = data->bytes.data + source;
    uint32_t low = data->func_import_count, high = data->func_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (wagi_module_body(data, middle)->end <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

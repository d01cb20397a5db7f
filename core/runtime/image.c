/* Images of memories: putting the data segments together, and writing pages back.
 *
 * A page that one segment covers needs no copy: it is in the module's bytes. The others are composed. What a hostile
 * module could make large (many segments of a byte, each in a page of its own; a byte at the far end) has no image: its
 * segments run at each instantiation.
 */
#include "runtime/image.h"

#include <string.h>

#include "base/alloc.h"

enum {
    MAX_PAGES = 1 << 14,  /* 64 MiB */
    FREE_COMPOSED = 64,   /* pages that may always be composed */
    BYTES_PER_PAGE = 1024 /* and one more for this many bytes of data */
};

typedef struct maker {
    wagi_arena *arena;
    const uint8_t **pages;
    bool *composed; /* the page is ours to write */
    uint64_t page_count, budget;
} maker;

/* Do the sizes allow an image? Counts what it needs. */
static bool measure(const wagi_module_data *data, uint32_t memory, maker *m)
{
    const wagi_memory_type *type = &data->memories[memory];
    uint64_t limit = UINT64_MAX >> type->page_size_log2, bytes = 0, end = 0;
    uint64_t size = type->limits.minimum > limit ? UINT64_MAX : type->limits.minimum << type->page_size_log2;
    if (type->page_size_log2 != 16 || type->limits.is_shared)
        return false;
    for (uint32_t i = 0; i < data->data_count; i++) {
        const wagi_data_segment *segment = &data->datas[i];
        if (segment->mode != WAGI_SEGMENT_ACTIVE || segment->memory != memory)
            continue;
        uint64_t offset = segment->offset.bits[0];
        if (segment->offset.kind != WAGI_CONST_NUMBER || offset > size || segment->bytes.size > size - offset)
            return false;
        bytes += segment->bytes.size;
        if (segment->bytes.size && offset + segment->bytes.size > end)
            end = offset + segment->bytes.size;
    }
    m->page_count = end / WAGI_IMAGE_PAGE + (end % WAGI_IMAGE_PAGE != 0);
    m->budget = FREE_COMPOSED + bytes / BYTES_PER_PAGE;
    return m->page_count <= MAX_PAGES;
}

static uint8_t *composed_page(maker *m, uint64_t page)
{
    if (m->composed[page])
        return (uint8_t *)(uintptr_t)m->pages[page];
    uint8_t *made = wagi_arena_alloc(m->arena, WAGI_IMAGE_PAGE);
    if (!made)
        return NULL;
    if (m->pages[page])
        memcpy(made, m->pages[page], WAGI_IMAGE_PAGE);
    m->pages[page] = made;
    m->composed[page] = true;
    m->budget--;
    return made;
}

/* False without memory. A budget that is used up leaves the rest out. */
static bool add(maker *m, const wagi_data_segment *segment)
{
    uint64_t at = segment->offset.bits[0], end = at + segment->bytes.size;
    const uint8_t *from = segment->bytes.data;
    while (at < end && m->budget) {
        uint64_t page = at / WAGI_IMAGE_PAGE, start = at % WAGI_IMAGE_PAGE;
        uint64_t part = WAGI_IMAGE_PAGE - start < end - at ? WAGI_IMAGE_PAGE - start : end - at;
        if (part == WAGI_IMAGE_PAGE) {
            m->pages[page] = from;
            m->composed[page] = false;
        } else {
            uint8_t *to = composed_page(m, page);
            if (!to)
                return false;
            memcpy(to + start, from, (size_t)part);
        }
        at += part;
        from += part;
    }
    return true;
}

static bool make(wag_module *module, uint32_t memory, wagi_memory_image *image)
{
    const wagi_module_data *data = module->data;
    maker m = {.arena = &module->arena};
    if (!measure(data, memory, &m))
        return true;
    bool fine = true;
    if (m.page_count) {
        m.pages = wagi_arena_alloc_array(m.arena, (size_t)m.page_count, sizeof *m.pages);
        m.composed = wagi_alloc_zero((size_t)m.page_count, sizeof *m.composed);
        fine = m.pages && m.composed;
    }
    for (uint32_t i = 0; fine && m.page_count && i < data->data_count; i++)
        if (data->datas[i].mode == WAGI_SEGMENT_ACTIVE && data->datas[i].memory == memory)
            fine = add(&m, &data->datas[i]);
    wagi_free(m.composed);
    if (!fine)
        return false;
    image->known = m.budget > 0;
    image->page_count = (uint32_t)m.page_count;
    image->pages = m.pages;
    for (uint32_t i = 0; i < image->page_count; i++)
        image->filled_pages += m.pages[i] != NULL;
    return true;
}

wag_err wagi_memory_images_make(wag_module *module)
{
    const wagi_module_data *data = module->data;
    uint32_t count = data->memory_count - data->memory_import_count;
    if (count == 0)
        return WAG_OK;
    wagi_memory_image *images = wagi_arena_alloc_array(&module->arena, count, sizeof *images);
    if (!images)
        return WAG_NOMEM;
    for (uint32_t i = 0; i < count; i++)
        if (!make(module, data->memory_import_count + i, &images[i]))
            return WAG_NOMEM;
    module->images = images;
    return WAG_OK;
}

void wagi_memory_image_restore(const wagi_memory_image *image, uint8_t *base, uint64_t first, uint64_t count)
{
    uint64_t end = first + count, filled = image ? image->page_count : 0;
    for (uint64_t page = first; page < end;) {
        uint64_t zeros = page;
        while (zeros < end && (zeros >= filled || !image->pages[zeros]))
            zeros = zeros >= filled ? end : zeros + 1;
        if (zeros > page)
            memset(base + page * WAGI_IMAGE_PAGE, 0, (size_t)(zeros - page) * WAGI_IMAGE_PAGE);
        for (page = zeros; page < end && page < filled && image->pages[page]; page++)
            memcpy(base + page * WAGI_IMAGE_PAGE, image->pages[page], WAGI_IMAGE_PAGE);
    }
}

void wagi_memory_image_fill(const wagi_memory_image *image, uint8_t *base)
{
    for (uint32_t page = 0; page < image->page_count; page++)
        if (image->pages[page])
            memcpy(base + (size_t)page * WAGI_IMAGE_PAGE, image->pages[page], WAGI_IMAGE_PAGE);
}

static const uint8_t zeros[WAGI_IMAGE_PAGE];

static const uint8_t *page_of(const wagi_memory_image *image, uint64_t page)
{
    return image && page < image->page_count && image->pages[page] ? image->pages[page] : zeros;
}

bool wagi_memory_image_restore_page(const wagi_memory_image *image, uint8_t *base, uint64_t page)
{
    const uint8_t *wanted = page_of(image, page);
    uint8_t *at = base + page * WAGI_IMAGE_PAGE;
    if (memcmp(at, wanted, WAGI_IMAGE_PAGE) == 0)
        return false;
    memcpy(at, wanted, WAGI_IMAGE_PAGE);
    return true;
}

bool wagi_memory_image_is_at(const wagi_memory_image *image, const uint8_t *base, uint64_t size)
{
    for (uint64_t at = 0, page = 0; at < size; at += WAGI_IMAGE_PAGE, page++) {
        const uint8_t *wanted = page_of(image, page);
        size_t part = size - at < WAGI_IMAGE_PAGE ? (size_t)(size - at) : WAGI_IMAGE_PAGE;
        if (memcmp(base + at, wanted, part) != 0)
            return false;
    }
    return true;
}

/* What an own memory of a module holds before anything runs: the module's active data segments, page by page. Part of
 * the Module: made when it is compiled, immutable, shared by all threads. */
#ifndef WAGI_RUNTIME_IMAGE_H
#define WAGI_RUNTIME_IMAGE_H

#include "binary/module.h"

#define WAGI_IMAGE_PAGE 4096

typedef struct wagi_memory_image {
    bool known;            /* false: the contents are not known before instantiation; segments must run */
    uint32_t page_count;   /* what lies behind is zero */
    uint32_t filled_pages; /* those of them that are not zero */
    /* Each page of WAGI_IMAGE_PAGE bytes, inside the module's bytes where a segment covers all of it; NULL: zero. */
    const uint8_t *const *pages;
} wagi_memory_image;

/* Make module->images, one for each own memory; in the module's arena, which is not sealed yet. WAG_NOMEM. */
wag_err wagi_memory_images_make(wag_module *module);
/* The image of an own memory that is known, else NULL. */
static inline const wagi_memory_image *wagi_memory_image_of(const wag_module *module, uint32_t memory)
{
    const wagi_memory_image *image =
        module->images ? &module->images[memory - module->data->memory_import_count] : NULL;
    return image && image->known ? image : NULL;
}
/* Write the image over `count` pages of a memory from page `first` on. image NULL: zeros. */
void wagi_memory_image_restore(const wagi_memory_image *image, uint8_t *base, uint64_t first, uint64_t count);
/* The same for one page that may be as it should be: false when it was. */
bool wagi_memory_image_restore_page(const wagi_memory_image *image, uint8_t *base, uint64_t page);
/* Write what is not zero into fresh zeroed memory. */
void wagi_memory_image_fill(const wagi_memory_image *image, uint8_t *base);
/* True when the first `size` bytes at base are the image. */
bool wagi_memory_image_is_at(const wagi_memory_image *image, const uint8_t *base, uint64_t size);

#endif

/* Decoding a module while its bytes arrive.
 *
 * The bytes lie where they will stay: [bytes, bytes + capacity) is the caller's, and the first `size` of it can be read
 * when the decoder is told so. The result, an error with its place too, is that of wagi_module_decode with all bytes,
 * whatever the sizes were in between. One thread at a time.
 */
#ifndef WAGI_BINARY_STREAM_H
#define WAGI_BINARY_STREAM_H

#include "base/parallel.h"
#include "binary/module.h"

typedef struct wagi_decoder wagi_decoder;

/* limits, parallel (may be NULL): borrow, longer than the decoder. cluster: as wagi_module_decode. NULL without memory.
 */
wagi_decoder *wagi_decoder_new(const uint8_t *bytes, size_t capacity, struct wag_cluster *cluster,
                               wagi_registry *registry, const wagi_limits *limits, const wagi_parallel *parallel);
/* The first `size` bytes are there: decode what is whole. Anything but WAG_OK is how wagi_decoder_end will fail too,
 * whatever comes. */
wag_err wagi_decoder_feed(wagi_decoder *decoder, size_t size);
/* That was all. The module goes on pointing into the bytes: they must go into its arena before it is sealed. */
wag_err wagi_decoder_end(wagi_decoder *decoder, size_t size, wag_module **ret_module, wag_error **reterr_error);
void wagi_decoder_free(wagi_decoder *decoder); /* NULL is a no-op */

/* The module under construction; borrow. Its data is complete up to the code section when *ret_bodies bodies are valid,
 * the first ones; before that section NULL. */
const wag_module *wagi_decoder_code(const wagi_decoder *decoder, uint32_t *ret_bodies);

#endif

/* From bytes that are still arriving to a Module: decoding, validating and native code go on with each piece.
 *
 * Everything that can be made early belongs to the stream; the module comes out whole at the end, and is that of
 * wagi_compile with all the bytes: same code, same error at the same place. One thread at a time.
 */
#ifndef WAGI_EXEC_COMPILE_STREAM_H
#define WAGI_EXEC_COMPILE_STREAM_H

#include "base/growing.h"
#include "runtime/tier.h"

typedef struct wagi_compile_stream wagi_compile_stream;

/* bytes: borrow, with its base fixed or no longer changing; only base and the limit are looked at. cluster: borrow,
 * longer than the stream. NULL without memory. */
wagi_compile_stream *wagi_compile_stream_new(const wagi_growing *bytes, struct wag_cluster *cluster, wag_tier tier);
/* The first `size` bytes are there. Anything but WAG_OK: nothing that comes can make it a module. */
wag_err wagi_compile_stream_feed(wagi_compile_stream *stream, size_t size);
/* That was all, and nobody appends any more. bytes: goes into the module, if there is one. */
wag_err wagi_compile_stream_end(wagi_compile_stream *stream, wagi_growing *bytes, wag_module **ret_module,
                                wag_error **reterr_error);
void wagi_compile_stream_free(wagi_compile_stream *stream); /* NULL is a no-op */

#endif

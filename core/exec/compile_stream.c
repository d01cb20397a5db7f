/* Decoder and draft of native code, fed together. See compile_stream.h. */
#include "exec/compile_stream.h"

#include "base/alloc.h"
#include "base/error.h"
#include "binary/fuel.h"
#include "binary/stream.h"
#include "exec/compile.h"
#include "runtime/compile_pool.h"

struct wagi_compile_stream {
    wag_cluster *cluster;
    wag_tier tier;
    wagi_parallel parallel;
    wagi_decoder *decoder;
    wagi_native_draft *draft; /* NULL: not yet, or not at all */
    bool no_draft;
};

wagi_compile_stream *wagi_compile_stream_new(const wagi_growing *bytes, wag_cluster *cluster, wag_tier tier)
{
    static const uint8_t none;
    wagi_compile_stream *stream = WAGI_NEW(wagi_compile_stream);
    if (!stream)
        return NULL;
    stream->cluster = cluster;
    stream->tier = tier;
    stream->parallel = wagi_compile_pool_parallel(cluster);
    stream->no_draft = tier == WAG_TIER_INTERP || !wagi_native_available();
    stream->decoder = wagi_decoder_new(bytes->base ? bytes->base : &none, bytes->mapped, cluster, cluster->registry,
                                       &cluster->limits, &stream->parallel);
    if (stream->decoder)
        return stream;
    wagi_free(stream);
    return NULL;
}

void wagi_compile_stream_free(wagi_compile_stream *stream)
{
    if (!stream)
        return;
    wagi_native_draft_free(stream->draft);
    wagi_decoder_free(stream->decoder);
    wagi_free(stream);
}

static void drop_draft(wagi_compile_stream *stream)
{
    wagi_native_draft_free(stream->draft);
    stream->draft = NULL;
    stream->no_draft = true;
}

/* Native code for the bodies that are valid. What goes wrong is found again at the end, when all of it is known. */
static void feed_draft(wagi_compile_stream *stream)
{
    uint32_t bodies;
    const wag_module *module = wagi_decoder_code(stream->decoder, &bodies);
    if (stream->no_draft || !module || bodies == 0)
        return;
    if (module->data->features & ~(stream->cluster->features & wagi_tier_native.features)) {
        drop_draft(stream);
        return;
    }
    if (!stream->draft) {
        if (stream->cluster->fuel)
            wagi_fuel_turn_on(module);
        bool guarded =
            stream->tier != WAG_TIER_NATIVE_CHECKED && wagi_native_may_guard(module->data, stream->cluster->signals);
        stream->draft = wagi_native_draft_new(module, guarded);
    }
    if (!stream->draft || !wagi_native_draft_add(stream->draft, bodies))
        drop_draft(stream);
}

wag_err wagi_compile_stream_feed(wagi_compile_stream *stream, size_t size)
{
    wag_err err = wagi_decoder_feed(stream->decoder, size);
    if (err == WAG_OK)
        feed_draft(stream);
    return err;
}

wag_err wagi_compile_stream_end(wagi_compile_stream *stream, wagi_growing *bytes, wag_module **ret_module,
                                wag_error **reterr_error)
{
    wag_module *module;
    wag_err err = wagi_decoder_end(stream->decoder, bytes->size, &module, reterr_error);
    if (err != WAG_OK)
        return err;
    wagi_growing_trim(bytes);
    if (!wagi_arena_adopt(&module->arena, bytes->base, bytes->mapped, bytes->size)) {
        wagi_module_free(module);
        return wagi_fail(wagi_error_nomem(), reterr_error);
    }
    *bytes = (wagi_growing){.base = NULL};
    return wagi_compile_decoded(module, stream->cluster, stream->tier, stream->draft, ret_module, reterr_error);
}

/* A module that is compiled while its bytes arrive, against one that is compiled from all of them. */
#ifndef TESTS_SUPPORT_STREAMED_H
#define TESTS_SUPPORT_STREAMED_H

#include <string.h>

#include "exec/code_memory.h"
#include "exec/compile.h"
#include "exec/compile_stream.h"
#include "runtime/agent.h"

/* Bytes that come in pieces of `step`. */
static inline wag_err streamed_compile(wag_bytes bytes, wag_cluster *cluster, wag_tier tier, size_t step,
                                       wag_module **ret_module, wag_error **reterr_error)
{
    wagi_growing growing;
    wagi_growing_init(&growing, (size_t)cluster->limits.module_bytes);
    wagi_compile_stream *stream = NULL;
    for (size_t at = 0; at < bytes.size; at += step) {
        size_t size = bytes.size - at < step ? bytes.size - at : step;
        if (!wagi_growing_append(&growing, bytes.data + at, size))
            break;
        if (!stream)
            stream = wagi_compile_stream_new(&growing, cluster, tier);
        if (wagi_compile_stream_feed(stream, growing.size) != WAG_OK)
            break;
    }
    if (!stream)
        stream = wagi_compile_stream_new(&growing, cluster, tier);
    wag_err err = wagi_compile_stream_end(stream, &growing, ret_module, reterr_error);
    wagi_compile_stream_free(stream);
    wagi_growing_fini(&growing);
    return err;
}

static inline bool streamed_same_error(const wag_error *a, const wag_error *b)
{
    size_t offset_a = 0, offset_b = 0;
    uint32_t func_a = 0, func_b = 0;
    return wag_error_code(a) == wag_error_code(b) && strcmp(wag_error_message(a), wag_error_message(b)) == 0 &&
           wag_error_offset(a, &offset_a) == wag_error_offset(b, &offset_b) && offset_a == offset_b &&
           wag_error_func_index(a, &func_a) == wag_error_func_index(b, &func_b) && func_a == func_b;
}

static inline bool streamed_same_bytes(const void *a, const void *b, size_t size)
{
    return size == 0 || memcmp(a, b, size) == 0;
}

/* NULL, or what is not the same. */
static inline const char *streamed_module_difference(const wag_module *a, const wag_module *b)
{
    const wagi_module_data *x = a->data, *y = b->data;
    if (x->bytes.size != y->bytes.size || !streamed_same_bytes(x->bytes.data, y->bytes.data, x->bytes.size))
        return "the bytes";
    if (a->tier != b->tier || a->guarded != b->guarded)
        return "the tier";
    if (x->features != y->features || memcmp(x->feature_offset, y->feature_offset, sizeof x->feature_offset) != 0 ||
        memcmp(x->feature_func, y->feature_func, sizeof x->feature_func) != 0)
        return "the features";
    if (x->type_count != y->type_count || !streamed_same_bytes(x->types, y->types, x->type_count * sizeof *x->types))
        return "the types";
    if (x->func_count != y->func_count || x->func_ref_count != y->func_ref_count || x->data_count != y->data_count ||
        x->elem_count != y->elem_count || x->custom_count != y->custom_count || x->export_count != y->export_count)
        return "the counts";
    for (uint32_t i = 0; i < x->custom_count; i++)
        if (x->customs[i].bytes.size != y->customs[i].bytes.size ||
            x->customs[i].bytes.data - x->bytes.data != y->customs[i].bytes.data - y->bytes.data)
            return "the custom sections";
    for (uint32_t i = 0; i < x->func_count - x->func_import_count; i++) {
        const wagi_func_body *f = &x->bodies[i], *g = &y->bodies[i];
        if (f->code - x->bytes.data != g->code - y->bytes.data || f->end - f->code != g->end - g->code ||
            f->side_count != g->side_count || f->max_height != g->max_height || f->local_count != g->local_count ||
            !streamed_same_bytes(f->side, g->side, f->side_count * sizeof *f->side))
            return "a body";
    }
    return NULL;
}

static inline const char *streamed_code_difference(const wag_module *a, const wag_module *b)
{
    if (wagi_module_tier(a) == WAG_TIER_INTERP)
        return NULL;
    const wagi_image *x = &((const wagi_code *)a->tier_data)->image, *y = &((const wagi_code *)b->tier_data)->image;
    if (x->code_size != y->code_size || memcmp(x->code, y->code, x->code_size) != 0)
        return "the machine code";
    if (x->func_count != y->func_count || !streamed_same_bytes(x->funcs, y->funcs, x->func_count * sizeof *x->funcs) ||
        !streamed_same_bytes(x->entries, y->entries, x->func_count * sizeof *x->entries))
        return "the functions' places";
    return NULL;
}

/* NULL, or in what compiling the bytes in pieces of `step` differs from compiling all of them. */
static inline const char *streamed_difference(wag_bytes bytes, wag_cluster *cluster, wag_tier tier, size_t step)
{
    wag_module *whole = NULL, *pieces = NULL;
    wag_error *whole_error = NULL, *pieces_error = NULL;
    const char *difference = NULL;
    wag_err err = wagi_compile(bytes, cluster, tier, &whole, &whole_error);
    if (streamed_compile(bytes, cluster, tier, step, &pieces, &pieces_error) != err)
        difference = "success or failure";
    else if (err != WAG_OK)
        difference = streamed_same_error(whole_error, pieces_error) ? NULL : "the error";
    else if (!(difference = streamed_module_difference(whole, pieces)))
        difference = streamed_code_difference(whole, pieces);
    wag_module_unref(whole);
    wag_module_unref(pieces);
    wag_error_unref(whole_error);
    wag_error_unref(pieces_error);
    return difference;
}

#endif

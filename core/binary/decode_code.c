/* Decoding the code section: where the bodies are, then what is in them, by several threads when there is much.
 *
 * The first pass notes where the entries lie. An error of its own counts only when all bodies before it are valid, as
 * if there had been one pass. In the second pass the decoder's own validator works on the calling thread; each other
 * thread has a validator, an arena and a record of features of its own, which are merged when all are done.
 */
#include <string.h>

#include "binary/decode.h"

/* One thread of the second pass. */
typedef struct body_worker {
    wagi_validator *validator;
    wagi_arena arena;
    uint64_t features;
    uint32_t feature_func[WAGI_FEATURE_COUNT];
    size_t feature_offset[WAGI_FEATURE_COUNT];
    uint32_t failed; /* the body that its error is about */
    wag_err err;
    wag_error *error;
} body_worker;

typedef struct body_work {
    wagi_decoder *decoder;
    wagi_func_body *bodies; /* code and end are the whole entry's until it is validated */
    wagi_chunks chunks;
    wagi_validate_context context; /* as it was before */
    uint64_t features;             /* the same */
    body_worker *workers;
} body_work;

/* ---- first pass ---- */

static wag_err find_body(wagi_decoder *decoder, uint32_t func_index, wagi_func_body *body)
{
    wagi_reader *reader = &decoder->reader;
    const uint8_t *where = reader->pos;
    uint32_t size = wagi_read_u32(reader);
    const uint8_t *begin = wagi_read_bytes(reader, size);
    if (!begin)
        return wagi_fail_reader(reader, func_index, decoder->reterr_error);
    if (size > decoder->limits->body_bytes)
        return WAGI_FAIL_LIMIT(decoder->limits, body_bytes, size, (size_t)(where - reader->start), func_index,
                               decoder->reterr_error);
    body->code = begin;
    body->end = begin + size;
    return WAG_OK;
}

static size_t body_size(const void *context, uint32_t item)
{
    const body_work *work = context;
    return (size_t)(work->bodies[item].end - work->bodies[item].code);
}

/* ---- second pass ---- */

static void work_on_bodies(void *context, uint32_t number)
{
    body_work *work = context;
    body_worker *worker = &work->workers[number];
    uint32_t first, end, imports = work->decoder->data->func_import_count;
    if (number > 0) {
        wagi_validate_context own = work->context;
        own.arena = &worker->arena;
        own.features = &worker->features;
        own.feature_func = worker->feature_func;
        own.feature_offset = worker->feature_offset;
        worker->features = work->features;
        worker->validator = wagi_validator_new(&own);
        if (!worker->validator)
            return; /* the others do it */
    }
    while (wagi_chunks_take(&work->chunks, &first, &end))
        for (uint32_t i = first; i < end && wagi_chunks_matters(&work->chunks, i); i++) {
            wagi_func_body *body = &work->bodies[i];
            worker->err =
                wagi_validate_body(worker->validator, imports + i, body->code, body->end, body, &worker->error);
            if (worker->err != WAG_OK) {
                worker->failed = i;
                wagi_chunks_fail(&work->chunks, i);
                return; /* its next chunks lie above */
            }
        }
}

/* Where each feature was met first. */
static void merge_features(body_work *work, const body_worker *worker)
{
    wagi_module_data *data = work->decoder->data;
    uint64_t fresh = worker->features & ~work->features;
    for (unsigned i = 0; fresh >> i; i++) {
        if (!(fresh >> i & 1u))
            continue;
        if (!(data->features >> i & 1u) || worker->feature_offset[i] < data->feature_offset[i]) {
            data->feature_func[i] = worker->feature_func[i];
            data->feature_offset[i] = worker->feature_offset[i];
        }
        data->features |= UINT64_C(1) << i;
    }
}

/* The error of the lowest body, if any. */
static wag_err finish_bodies(body_work *work, uint32_t threads)
{
    wag_err err = WAG_OK;
    uint32_t failure = atomic_load(&work->chunks.failure);
    for (uint32_t n = 0; n < threads; n++) {
        body_worker *worker = &work->workers[n];
        if (worker->err != WAG_OK && worker->failed == failure) {
            err = wagi_fail(worker->error, work->decoder->reterr_error);
        } else {
            wag_error_unref(worker->error);
        }
        if (n == 0)
            continue;
        merge_features(work, worker);
        wagi_validator_free(worker->validator);
        wagi_arena_absorb(work->decoder->arena, &worker->arena);
    }
    return err;
}

static wag_err validate_bodies(wagi_decoder *decoder, wagi_func_body *bodies, uint32_t count)
{
    if (count == 0)
        return WAG_OK;
    size_t bytes = (size_t)(bodies[count - 1].end - bodies[0].code);
    uint32_t threads = wagi_parallel_threads(decoder->parallel, bytes);
    body_work work = {.decoder = decoder,
                      .bodies = bodies,
                      .context = wagi_decode_context(decoder),
                      .features = decoder->data->features,
                      .workers = wagi_alloc_zero(threads, sizeof *work.workers)};
    if (!work.workers)
        return wagi_decode_nomem(decoder);
    wagi_chunks_init(&work.chunks, count, body_size, &work);
    work.workers[0].validator = decoder->validator;
    if (threads == 1) {
        work_on_bodies(&work, 0);
    } else {
        wagi_parallel parallel = *decoder->parallel;
        parallel.threads = threads;
        parallel.run(&parallel, work_on_bodies, &work);
    }
    wag_err err = finish_bodies(&work, threads);
    wagi_chunks_fini(&work.chunks);
    wagi_free(work.workers);
    return err;
}

/* ---- the section ---- */

wag_err wagi_decode_code_section(wagi_decoder *decoder)
{
    wagi_module_data *data = decoder->data;
    const uint8_t *where = decoder->reader.pos;
    uint32_t count, found = 0;
    wag_err err = wagi_decode_count(decoder, &count), found_err = WAG_OK;
    if (err != WAG_OK)
        return err;
    if (count != decoder->expected_bodies)
        return WAGI_DECODE_FAIL(decoder, WAG_MALFORMED, where,
                                "function and code section have inconsistent lengths: %u and %u",
                                decoder->expected_bodies, count);
    wagi_func_body *bodies = wagi_arena_alloc_array(decoder->arena, count, sizeof *bodies);
    if (!bodies)
        return wagi_decode_nomem(decoder);
    /* The validator copies what it is told, and the data count is known only now. */
    wagi_validator_free(decoder->validator);
    decoder->validator = NULL;
    if ((err = wagi_decode_validator(decoder)) != WAG_OK)
        return err;
    wag_error **reterr_error = decoder->reterr_error, *found_error = NULL;
    decoder->reterr_error = &found_error;
    while (found < count && (found_err = find_body(decoder, data->func_import_count + found, &bodies[found])) == WAG_OK)
        found++;
    decoder->reterr_error = reterr_error;
    err = validate_bodies(decoder, bodies, found);
    if (err == WAG_OK && found_err != WAG_OK)
        return wagi_fail(found_error, reterr_error);
    wag_error_unref(found_error);
    data->bodies = bodies;
    return err;
}

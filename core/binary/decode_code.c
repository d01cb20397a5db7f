/* Decoding the code section: where the bodies are, then what is in them, by several threads when there is much. What
 * is there of the section is decoded, and the rest when it has come.
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
    uint32_t first_func;    /* index of the first one */
    wagi_chunks chunks;
    wagi_validate_context context; /* as it was before */
    uint64_t features;             /* the same */
    body_worker *workers;
} body_work;

/* ---- first pass ---- */

enum { LEB_BYTES = 5 }; /* of 32 bits, at most */

/* The next entry is there, or what is wrong with it can be said. */
static bool body_is_there(const wagi_decoder *decoder)
{
    wagi_reader reader = decoder->reader;
    if (!wagi_decode_is_there(decoder, reader.pos, LEB_BYTES))
        return false;
    uint32_t size = wagi_read_u32(&reader);
    return reader.error || size > (size_t)(reader.end - reader.pos) || size > decoder->limits->body_bytes ||
           wagi_decode_is_there(decoder, reader.pos, size);
}

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
    uint32_t first, end;
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
            worker->err = wagi_validate_body(worker->validator, work->first_func + i, body->code, body->end, body,
                                             &worker->error);
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

/* The `count` bodies behind those that are valid. */
static wag_err validate_bodies(wagi_decoder *decoder, uint32_t count)
{
    wagi_func_body *bodies = decoder->code.bodies + decoder->code.done;
    if (count == 0)
        return WAG_OK;
    size_t bytes = (size_t)(bodies[count - 1].end - bodies[0].code);
    uint32_t threads = wagi_parallel_threads(decoder->parallel, bytes);
    body_work work = {.decoder = decoder,
                      .bodies = bodies,
                      .first_func = decoder->data->func_import_count + decoder->code.done,
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

/* What comes before the bodies. */
static wag_err begin(wagi_decoder *decoder)
{
    wagi_module_data *data = decoder->data;
    wagi_code_progress *code = &decoder->code;
    const uint8_t *where = decoder->reader.pos;
    wag_err err = wagi_decode_count(decoder, &code->count);
    if (err != WAG_OK)
        return err;
    if (code->count != decoder->expected_bodies)
        return WAGI_DECODE_FAIL(decoder, WAG_MALFORMED, where,
                                "function and code section have inconsistent lengths: %u and %u",
                                decoder->expected_bodies, code->count);
    code->bodies = wagi_arena_alloc_array(decoder->arena, code->count, sizeof *code->bodies);
    if (!code->bodies)
        return wagi_decode_nomem(decoder);
    /* The validator copies what it is told, and the data count is known only now. */
    wagi_validator_free(decoder->validator);
    decoder->validator = NULL;
    if ((err = wagi_decode_validator(decoder)) != WAG_OK || (err = wagi_decode_number_references(decoder)) != WAG_OK)
        return err;
    /* The last one ends where the section does: the compiler wants to know how long all of them are. */
    if (code->count)
        code->bodies[code->count - 1].end = decoder->reader.end;
    data->bodies = code->bodies;
    code->begun = true;
    return WAG_OK;
}

wag_err wagi_decode_code_section(wagi_decoder *decoder)
{
    wagi_code_progress *code = &decoder->code;
    wag_err err = WAG_OK, found_err = WAG_OK;
    if (!code->begun) {
        if (!wagi_decode_is_there(decoder, decoder->reader.pos, LEB_BYTES))
            return WAG_OK;
        if ((err = begin(decoder)) != WAG_OK)
            return err;
    }
    uint32_t found = code->done, imports = decoder->data->func_import_count;
    wag_error **reterr_error = decoder->reterr_error, *found_error = NULL;
    decoder->reterr_error = &found_error;
    while (found < code->count && body_is_there(decoder) &&
           (found_err = find_body(decoder, imports + found, &code->bodies[found])) == WAG_OK)
        found++;
    decoder->reterr_error = reterr_error;
    err = validate_bodies(decoder, found - code->done);
    if (err == WAG_OK) {
        code->done = found;
        if (found_err != WAG_OK)
            return wagi_fail(found_error, reterr_error);
    }
    wag_error_unref(found_error);
    return err;
}

/* The compiler's driver: function by function while it is hot in the cache, then linking. */
#include "compiler/compile.h"

#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "compiler/build.h"
#include "compiler/check.h"
#include "compiler/liveness.h"
#include "compiler/regalloc.h"
#include "compiler/waiting.h"
#if defined(__x86_64__) && defined(__GNUC__)
#include "compiler/x64/emit.h"
#define HAVE_COMPILER 1
#else
#define HAVE_COMPILER 0
#endif

wagi_compiler_switches wagi_compiler_test;

bool wagi_compiler_available(void)
{
    return HAVE_COMPILER;
}

void wagi_image_fini(wagi_image *image)
{
    if (image->code)
        wagi_os_unmap(image->code, image->code_mapped);
    wagi_free(image->funcs);
    wagi_free(image->sites);
    wagi_free(image->entries);
    wagi_free(image->stubs);
    memset(image, 0, sizeof *image);
}

#if HAVE_COMPILER

void wagi_compiler_machine(wagi_machine *ret_machine)
{
    uint32_t features = wagi_x64_cpu_features() & ~wagi_compiler_test.hide_features;
    wagi_x64_describe(ret_machine, features);
    if (wagi_compiler_test.few_registers)
        wagi_x64_limit_registers(ret_machine, wagi_compiler_test.registers);
}

/* What one thread made of a chunk of functions: parts of its unit. */
typedef struct chunk {
    uint32_t first_func; /* by which the chunks are put in order */
    struct worker *worker;
    size_t funcs, funcs_end, relocs, relocs_end, sites, sites_end, code, code_end;
} chunk;

/* A function that cannot be compiled yet, and a body that it needs. */
typedef struct miss {
    uint32_t function, missing;
} miss;

/* What compiling one function needs, kept for the next one. */
typedef struct worker {
    const wagi_code_context *context;
    wagi_builder builder;
    wagi_ir ir;
    wagi_liveness liveness;
    wagi_homes homes;
    wagi_unit_code out;
    wagi_x64_emitter *emitter;
    WAGI_VEC(chunk) chunks;
    WAGI_VEC(miss) misses;
    uint32_t failed_item; /* valid when it is the team's failure */
    bool out_of_memory;   /* why that failed */
} worker;

static bool worker_init(worker *w, const wagi_code_context *context)
{
    memset(w, 0, sizeof *w);
    w->context = context;
    w->failed_item = UINT32_MAX;
    wagi_builder_init(&w->builder);
    wagi_ir_init(&w->ir);
    wagi_liveness_init(&w->liveness);
    wagi_homes_init(&w->homes);
    w->emitter = wagi_x64_emitter_new(context, &w->out);
    return w->emitter != NULL;
}

static void worker_fini(worker *w)
{
    wagi_builder_fini(&w->builder);
    wagi_ir_fini(&w->ir);
    wagi_liveness_fini(&w->liveness);
    wagi_homes_fini(&w->homes);
    wagi_x64_emitter_free(w->emitter);
    WAGI_VEC_FREE(&w->out.funcs);
    WAGI_VEC_FREE(&w->out.relocs);
    WAGI_VEC_FREE(&w->out.sites);
    WAGI_VEC_FREE(&w->chunks);
    WAGI_VEC_FREE(&w->misses);
}

static bool verify(worker *w)
{
    uint32_t ins = 0;
    return !w->context->check || wagi_ir_verify(&w->ir, &ins) == NULL;
}

static bool compile_function(worker *w, const wagi_func_body *body)
{
    const wagi_code_context *c = w->context;
    if (!wagi_build(&w->builder, &w->ir, c->machine, c->data, body, c->poll) || !verify(w))
        return false;
    if (!wagi_liveness_run(&w->liveness, &w->ir, c->machine) || !wagi_homes_run(&w->homes, &w->ir, c->machine))
        return false;
    if (c->check && wagi_check_homes(&w->ir, &w->homes) != NULL)
        return false;
    return wagi_x64_emit(w->emitter, &w->ir, &w->homes);
}

static int by_address(const void *x, const void *y)
{
    uintptr_t a = (uintptr_t) * (const wagi_type *const *)x, b = (uintptr_t) * (const wagi_type *const *)y;
    return a < b ? -1 : a > b;
}

static uint32_t own_functions(const wagi_module_data *data)
{
    return data->func_count - data->func_import_count;
}

static bool is_entered(const wagi_module_data *data, uint32_t index)
{
    return data->func_ref_slot[index] != WAGI_NO_INDEX || index == data->start;
}

/* The types of functions that C may enter, without duplicates. NULL without memory. */
static const wagi_type **entry_types(const wagi_module_data *data, size_t *ret_count)
{
    const wagi_type **types = wagi_alloc(((size_t)data->func_count + 1) * sizeof *types);
    size_t n = 0, out = 0;
    if (!types)
        return NULL;
    for (uint32_t i = data->func_import_count; i < data->func_count; i++)
        if (is_entered(data, i))
            types[n++] = data->func_types[i];
    qsort(types, n, sizeof *types, by_address);
    for (size_t i = 0; i < n; i++)
        if (out == 0 || types[out - 1] != types[i])
            types[out++] = types[i];
    *ret_count = out;
    return types;
}

static uint32_t entry_of(const wagi_reloc *stubs, size_t count, const wagi_type *type)
{
    for (size_t low = 0, high = count; low < high;) {
        size_t middle = (low + high) / 2;
        uintptr_t target = stubs[middle].target;
        if (target == (uintptr_t)type)
            return stubs[middle].at;
        if (target < (uintptr_t)type)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

/* Take over what the worker made. */
static void fill_image(worker *w, wagi_x64_stubs *stubs, wagi_image *image)
{
    const wagi_module_data *data = w->context->data;
    wagi_x64_buffer *code = wagi_x64_code(w->emitter);
    image->code = code->p;
    image->code_size = code->n;
    image->code_mapped = code->cap;
    *code = (wagi_x64_buffer){NULL, 0, 0};
    image->funcs = w->out.funcs.p;
    image->func_count = (uint32_t)w->out.funcs.n;
    image->first_func = data->func_import_count;
    w->out.funcs.p = NULL;
    image->sites = w->out.sites.p;
    w->out.sites.p = NULL;
    image->stubs = stubs->frames.p;
    image->stub_count = (uint32_t)stubs->frames.n;
    stubs->frames.p = NULL;
    image->stubs_start = stubs->first;
    image->fault = stubs->fault;
    image->unwind = stubs->unwind;
    image->restore = stubs->restore;
    image->far_start = stubs->far_start;
    image->far_end = stubs->far_end;
    for (uint32_t i = 0; i < image->func_count; i++) {
        uint32_t index = image->first_func + i;
        const wagi_type *type = data->func_types[index];
        if (is_entered(data, index))
            image->entries[i] = (wagi_image_entry){entry_of(stubs->entry.p, stubs->entry.n, type),
                                                   entry_of(stubs->vals_entry.p, stubs->vals_entry.n, type)};
    }
}

static wagi_image_result link_image(worker *w, wagi_image *image)
{
    const wagi_module_data *data = w->context->data;
    wagi_x64_stubs stubs;
    memset(&stubs, 0, sizeof stubs);
    size_t type_count;
    const wagi_type **types = entry_types(data, &type_count);
    uint32_t *func_at = wagi_alloc_zero((size_t)data->func_count + 1, sizeof *func_at);
    image->entries = wagi_alloc_zero(w->out.funcs.n + 1, sizeof *image->entries);
    wagi_image_result result = WAGI_IMAGE_NOMEM;
    if (types && func_at && image->entries) {
        for (size_t i = 0; i < w->out.funcs.n; i++)
            func_at[w->out.funcs.p[i].func_index] = w->out.funcs.p[i].start;
        if (wagi_x64_link(wagi_x64_code(w->emitter), w->context, w->out.relocs.p, w->out.relocs.n, func_at, types,
                          type_count, &stubs)) {
            fill_image(w, &stubs, image);
            result = WAGI_IMAGE_OK;
        }
    }
    wagi_x64_stubs_fini(&stubs);
    wagi_free(types);
    wagi_free(func_at);
    return result;
}

/* ---- several threads ---- */

/* One round of work: some functions, or all of them. The workers stay for the next one. */
typedef struct team {
    const wagi_code_context *context;
    wagi_chunks chunks;
    worker *workers;
    uint32_t worker_count;
    const uint32_t *items; /* own functions, ascending; NULL: item i is function i */
    uint32_t valid;        /* bodies that may be looked at */
} team;

static uint32_t function_of(const team *team, uint32_t item)
{
    return team->items ? team->items[item] : item;
}

static size_t body_size(const void *context, uint32_t item)
{
    const team *team = context;
    const wagi_func_body *body = &team->context->data->bodies[function_of(team, item)];
    return (size_t)(body->end - body->code);
}

static bool chunk_failed(team *team, worker *w, uint32_t item)
{
    w->failed_item = item;
    w->out_of_memory = wagi_alloc_take_refusal();
    wagi_chunks_fail(&team->chunks, item);
    return false;
}

static chunk chunk_open(worker *w, uint32_t function)
{
    return (chunk){.first_func = function,
                   .worker = w,
                   .funcs = w->out.funcs.n,
                   .relocs = w->out.relocs.n,
                   .sites = w->out.sites.n};
}

/* What the worker made since then, if anything. False without memory. */
static bool chunk_close(worker *w, chunk c)
{
    if (w->out.funcs.n == c.funcs)
        return true;
    c.code = w->out.funcs.p[c.funcs].start;
    c.code_end = wagi_x64_code(w->emitter)->n;
    c.funcs_end = w->out.funcs.n;
    c.relocs_end = w->out.relocs.n;
    c.sites_end = w->out.sites.n;
    return WAGI_VEC_PUSH(&w->chunks, c);
}

/* The items of one chunk: runs of neighbours, each with its code on a function's boundary. */
static bool compile_chunk(team *team, worker *w, uint32_t first, uint32_t end)
{
    const wagi_module_data *data = team->context->data;
    uint32_t expected = function_of(team, first);
    chunk c = chunk_open(w, expected);
    for (uint32_t i = first; i < end && wagi_chunks_matters(&team->chunks, i); i++) {
        uint32_t function = function_of(team, i);
        if (function != expected) {
            if (!chunk_close(w, c))
                return chunk_failed(team, w, first);
            c = chunk_open(w, function);
        }
        expected = function + 1;
        if (compile_function(w, &data->bodies[function]))
            continue;
        miss miss = {function, w->builder.missing};
        expected = UINT32_MAX; /* no neighbour */
        if (miss.missing == WAGI_NO_INDEX || !WAGI_VEC_PUSH(&w->misses, miss))
            return chunk_failed(team, w, i);
    }
    return chunk_close(w, c) || chunk_failed(team, w, first);
}

static void work_on_chunks(void *context, uint32_t number)
{
    team *team = context;
    worker *w = &team->workers[number];
    uint32_t first, end;
    (void)wagi_alloc_take_refusal(); /* of other work */
    if (!w->emitter && !worker_init(w, team->context)) {
        if (number == 0)
            chunk_failed(team, w, 0);
        return; /* the others do it */
    }
    w->builder.valid_bodies = team->valid;
    while (wagi_chunks_take(&team->chunks, &first, &end))
        if (!compile_chunk(team, w, first, end))
            return; /* its next chunks lie above */
}

static int by_first_func(const void *x, const void *y)
{
    const chunk *a = x, *b = y;
    return a->first_func < b->first_func ? -1 : a->first_func > b->first_func;
}

/* Append a chunk to a unit. There is room. */
static void place_chunk(const chunk *c, wagi_x64_buffer *code, wagi_unit_code *out)
{
    const worker *w = c->worker;
    while (code->n % WAGI_X64_FUNC_ALIGN)
        wagi_x64_u8(code, 0xCC);
    uint32_t moved = (uint32_t)code->n - (uint32_t)c->code, sites_moved = (uint32_t)(out->sites.n - c->sites);
    memcpy(code->p + code->n, wagi_x64_code(w->emitter)->p + c->code, c->code_end - c->code);
    code->n += c->code_end - c->code;
    for (size_t i = c->funcs; i < c->funcs_end; i++) {
        wagi_func_code func = w->out.funcs.p[i];
        func.start += moved;
        func.sites += sites_moved;
        func.handlers += func.range_count ? sites_moved : 0;
        out->funcs.p[out->funcs.n++] = func;
    }
    for (size_t i = c->relocs; i < c->relocs_end; i++) {
        wagi_reloc reloc = w->out.relocs.p[i];
        reloc.at += moved;
        out->relocs.p[out->relocs.n++] = reloc;
    }
    if (c->sites_end > c->sites)
        memcpy(out->sites.p + out->sites.n, w->out.sites.p + c->sites, c->sites_end - c->sites);
    out->sites.n += c->sites_end - c->sites;
}

/* The chunks of all workers in order, as the unit of the first one. False without memory, or when there is too much. */
static bool place_chunks(team *team)
{
    uint32_t threads = team->worker_count, total = own_functions(team->context->data);
    WAGI_VEC(chunk) chunks = {NULL, 0, 0};
    wagi_x64_buffer code = {NULL, 0, 0};
    wagi_unit_code out;
    memset(&out, 0, sizeof out);
    size_t bytes = 0, count = 0, relocs = 0, sites = 0;
    for (uint32_t n = 0; n < threads; n++)
        count += team->workers[n].chunks.n;
    bool fine = WAGI_VEC_RESERVE(&chunks, count);
    for (uint32_t n = 0; n < threads && fine; n++)
        for (size_t i = 0; i < team->workers[n].chunks.n; i++) {
            const chunk *c = &team->workers[n].chunks.p[i];
            chunks.p[chunks.n++] = *c;
            bytes += c->code_end - c->code + WAGI_X64_FUNC_ALIGN;
            relocs += c->relocs_end - c->relocs;
            sites += c->sites_end - c->sites;
        }
    fine = fine && bytes <= INT32_MAX / 2 && sites <= UINT32_MAX && wagi_x64_reserve(&code, bytes) &&
           WAGI_VEC_RESERVE(&out.funcs, total) && WAGI_VEC_RESERVE(&out.relocs, relocs) &&
           WAGI_VEC_RESERVE(&out.sites, sites);
    if (fine) {
        qsort(chunks.p, chunks.n, sizeof *chunks.p, by_first_func);
        for (size_t i = 0; i < chunks.n; i++)
            place_chunk(&chunks.p[i], &code, &out);
        worker *w = &team->workers[0];
        wagi_unit_code worker_out = w->out;
        wagi_x64_buffer worker_code = *wagi_x64_code(w->emitter);
        w->out = out;
        *wagi_x64_code(w->emitter) = code;
        out = worker_out;
        code = worker_code;
    }
    wagi_x64_buffer_free(&code);
    WAGI_VEC_FREE(&out.funcs);
    WAGI_VEC_FREE(&out.relocs);
    WAGI_VEC_FREE(&out.sites);
    WAGI_VEC_FREE(&chunks);
    return fine;
}

static bool ran_out_of_memory(const team *team, uint32_t failure)
{
    for (uint32_t n = 0; n < team->worker_count; n++)
        if (team->workers[n].failed_item == failure && team->workers[n].out_of_memory)
            return true;
    return false;
}

static bool team_init(team *team, const wagi_code_context *context, uint32_t workers)
{
    *team = (struct team){.context = context, .workers = wagi_alloc_zero(workers, sizeof *team->workers)};
    team->worker_count = team->workers ? workers : 0;
    for (uint32_t n = 0; n < team->worker_count; n++)
        team->workers[n].failed_item = UINT32_MAX;
    return team->workers != NULL;
}

static void team_fini(team *team)
{
    for (uint32_t n = 0; n < team->worker_count; n++)
        worker_fini(&team->workers[n]);
    wagi_free(team->workers);
}

/* Compile `count` items, `bytes` long, of which `valid` bodies are there. */
static wagi_image_result work(team *team, const uint32_t *items, uint32_t count, uint32_t valid, size_t bytes,
                              uint32_t *ret_func_index)
{
    uint32_t threads = wagi_parallel_threads(team->context->parallel, bytes);
    if (threads > team->worker_count)
        threads = team->worker_count;
    team->items = items;
    team->valid = valid;
    wagi_chunks_init(&team->chunks, count, body_size, team);
    if (threads == 1) {
        work_on_chunks(team, 0);
    } else {
        wagi_parallel parallel = *team->context->parallel;
        parallel.threads = threads;
        parallel.run(&parallel, work_on_chunks, team);
    }
    uint32_t failure = atomic_load(&team->chunks.failure);
    wagi_chunks_fini(&team->chunks);
    if (failure == UINT32_MAX)
        return WAGI_IMAGE_OK;
    *ret_func_index = team->context->data->func_import_count + (count ? function_of(team, failure) : 0);
    return ran_out_of_memory(team, failure) ? WAGI_IMAGE_NOMEM : WAGI_IMAGE_UNSUITABLE;
}

static size_t code_bytes(const wagi_module_data *data)
{
    uint32_t count = own_functions(data);
    return count ? (size_t)(data->bodies[count - 1].end - data->bodies[0].code) : 0;
}

/* Two bytes declare 50,000 locals: many functions that do would take time far beyond what their bytes warrant. */
#define MAX_LOCALS_OF_MODULE (1ull << 24)

static bool has_too_many_locals(const wagi_module_data *data)
{
    uint64_t locals = 0;
    for (uint32_t i = data->func_import_count; i < data->func_count; i++)
        locals += wagi_module_body(data, i)->local_count;
    return locals > MAX_LOCALS_OF_MODULE + data->bytes.size;
}

/* All functions, which are in the units of the workers, into one image. */
static wagi_image_result make_image(team *team, wagi_image *ret_image)
{
    wagi_image image;
    memset(&image, 0, sizeof image);
    /* In order they are only when one worker made all of them in one round. */
    bool in_order = !team->items && team->workers[0].out.funcs.n == own_functions(team->context->data);
    wagi_image_result result = in_order || place_chunks(team) ? WAGI_IMAGE_OK : WAGI_IMAGE_NOMEM;
    for (uint32_t n = 1; n < team->worker_count; n++) {
        worker_fini(&team->workers[n]);
        memset(&team->workers[n], 0, sizeof team->workers[n]);
    }
    if (result == WAGI_IMAGE_OK)
        result = link_image(&team->workers[0], &image);
    if (result == WAGI_IMAGE_OK)
        *ret_image = image;
    else
        wagi_image_fini(&image);
    return result;
}

wagi_image_result wagi_image_make(const wagi_code_context *context, wagi_image *ret_image, uint32_t *ret_func_index)
{
    const wagi_module_data *data = context->data;
    team team;
    *ret_func_index = WAGI_NO_INDEX;
    /* else displacements would not reach */
    if (context->layout.size > INT32_MAX || has_too_many_locals(data))
        return WAGI_IMAGE_UNSUITABLE;
    if (!team_init(&team, context, wagi_parallel_threads(context->parallel, code_bytes(data))))
        return WAGI_IMAGE_NOMEM;
    uint32_t count = own_functions(data);
    wagi_image_result result = work(&team, NULL, count, count, code_bytes(data), ret_func_index);
    if (result == WAGI_IMAGE_OK)
        result = make_image(&team, ret_image);
    team_fini(&team);
    return result;
}

/* ---- drafts ---- */

struct wagi_image_draft {
    wagi_code_context context;
    wagi_machine machine;
    wagi_waiting waiting;
    uint64_t locals; /* of the bodies that are there */
    team team;
};

wagi_image_draft *wagi_image_draft_new(const wagi_code_context *context)
{
    wagi_image_draft *draft = WAGI_NEW(wagi_image_draft);
    if (!draft)
        return NULL;
    draft->context = *context;
    draft->machine = *context->machine;
    draft->context.machine = &draft->machine;
    if (wagi_waiting_init(&draft->waiting, own_functions(context->data)) &&
        team_init(&draft->team, &draft->context, context->parallel ? context->parallel->threads : 1))
        return draft;
    wagi_image_draft_free(draft);
    return NULL;
}

void wagi_image_draft_free(wagi_image_draft *draft)
{
    if (!draft)
        return;
    team_fini(&draft->team);
    wagi_waiting_fini(&draft->waiting);
    wagi_free(draft);
}

/* Compile what is ready. */
static wagi_image_result work_on_ready(wagi_image_draft *draft, uint32_t *ret_func_index)
{
    team *team = &draft->team;
    const wagi_waiting *waiting = &draft->waiting;
    size_t bytes = 0;
    team->items = waiting->ready.p;
    for (uint32_t i = 0; i < waiting->ready.n; i++)
        bytes += body_size(team, i);
    return work(team, waiting->ready.p, (uint32_t)waiting->ready.n, waiting->valid, bytes, ret_func_index);
}

bool wagi_image_draft_add(wagi_image_draft *draft, uint32_t valid)
{
    const wagi_module_data *data = draft->context.data;
    uint32_t func_index;
    if (valid == draft->waiting.valid)
        return true;
    for (uint32_t i = draft->waiting.valid; i < valid; i++)
        draft->locals += data->bodies[i].local_count;
    if (draft->context.layout.size > INT32_MAX || draft->locals > MAX_LOCALS_OF_MODULE ||
        !wagi_waiting_advance(&draft->waiting, data, valid))
        return false;
    if (draft->waiting.ready.n && work_on_ready(draft, &func_index) != WAGI_IMAGE_OK)
        return false;
    for (uint32_t n = 0; n < draft->team.worker_count; n++) {
        worker *w = &draft->team.workers[n];
        for (size_t i = 0; i < w->misses.n; i++)
            wagi_waiting_put_back(&draft->waiting, w->misses.p[i].function, w->misses.p[i].missing);
        w->misses.n = 0;
    }
    return true;
}

wagi_image_result wagi_image_draft_finish(wagi_image_draft *draft, const wagi_code_context *context,
                                          wagi_image *ret_image, uint32_t *ret_func_index)
{
    const wagi_parallel *parallel = context->parallel;
    *ret_func_index = WAGI_NO_INDEX;
    draft->context.layout = context->layout;
    draft->context.parallel = parallel;
    if (context->layout.size > INT32_MAX || has_too_many_locals(context->data))
        return WAGI_IMAGE_UNSUITABLE;
    if (!wagi_waiting_finish(&draft->waiting))
        return WAGI_IMAGE_NOMEM;
    wagi_image_result result = work_on_ready(draft, ret_func_index);
    return result == WAGI_IMAGE_OK ? make_image(&draft->team, ret_image) : result;
}

#else

void wagi_compiler_machine(wagi_machine *ret_machine)
{
    memset(ret_machine, 0, sizeof *ret_machine);
}

wagi_image_result wagi_image_make(const wagi_code_context *context, wagi_image *ret_image, uint32_t *ret_func_index)
{
    (void)context;
    (void)ret_image;
    *ret_func_index = WAGI_NO_INDEX;
    return WAGI_IMAGE_UNSUITABLE;
}

wagi_image_draft *wagi_image_draft_new(const wagi_code_context *context)
{
    (void)context;
    return NULL;
}

void wagi_image_draft_free(wagi_image_draft *draft)
{
    (void)draft;
}

bool wagi_image_draft_add(wagi_image_draft *draft, uint32_t valid)
{
    (void)draft;
    (void)valid;
    return false;
}

wagi_image_result wagi_image_draft_finish(wagi_image_draft *draft, const wagi_code_context *context,
                                          wagi_image *ret_image, uint32_t *ret_func_index)
{
    (void)draft;
    return wagi_image_make(context, ret_image, ret_func_index);
}

#endif

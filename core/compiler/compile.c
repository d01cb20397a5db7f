/* The compiler's driver: function by function while it is hot in the cache, then linking. */
#include "compiler/compile.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/build.h"
#include "compiler/check.h"
#include "compiler/liveness.h"
#include "compiler/regalloc.h"
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
    wagi_free(image->code);
    wagi_free(image->funcs);
    wagi_free(image->sites);
    wagi_free(image->entries);
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

/* What compiling one function needs, kept for the next one. */
typedef struct worker {
    const wagi_code_context *context;
    wagi_builder builder;
    wagi_ir ir;
    wagi_liveness liveness;
    wagi_homes homes;
    wagi_unit_code out;
    wagi_x64_emitter *emitter;
} worker;

static bool worker_init(worker *w, const wagi_code_context *context)
{
    memset(w, 0, sizeof *w);
    w->context = context;
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
}

static bool verify(worker *w)
{
    uint32_t ins = 0;
    return !w->context->check || wagi_ir_verify(&w->ir, &ins) == NULL;
}

static bool compile_function(worker *w, const wagi_func_body *body)
{
    const wagi_code_context *c = w->context;
    if (body->uses_v128 || !wagi_build(&w->builder, &w->ir, c->machine, c->data, body, c->poll) || !verify(w))
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

static uint32_t entry_of(const wagi_x64_stubs *stubs, const wagi_type *type)
{
    for (size_t low = 0, high = stubs->entry.n; low < high;) {
        size_t middle = (low + high) / 2;
        uintptr_t target = stubs->entry.p[middle].target;
        if (target == (uintptr_t)type)
            return stubs->entry.p[middle].at;
        if (target < (uintptr_t)type)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

/* Take over what the worker made. */
static void fill_image(worker *w, const wagi_x64_stubs *stubs, wagi_image *image)
{
    const wagi_module_data *data = w->context->data;
    wagi_x64_buffer *code = wagi_x64_code(w->emitter);
    image->code = code->p;
    image->code_size = code->n;
    *code = (wagi_x64_buffer){NULL, 0, 0};
    image->funcs = w->out.funcs.p;
    image->func_count = (uint32_t)w->out.funcs.n;
    image->first_func = data->func_import_count;
    w->out.funcs.p = NULL;
    image->sites = w->out.sites.p;
    w->out.sites.p = NULL;
    image->stubs_start = stubs->first;
    image->fault = stubs->fault;
    image->restore = stubs->restore;
    image->far_start = stubs->far_start;
    image->far_end = stubs->far_end;
    for (uint32_t i = 0; i < image->func_count; i++) {
        uint32_t index = image->first_func + i;
        if (is_entered(data, index))
            image->entries[i] = entry_of(stubs, data->func_types[index]);
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

/* Two bytes declare 50,000 locals: many functions that do would take time far beyond what their bytes warrant. */
#define MAX_LOCALS_OF_MODULE (1ull << 24)

static bool has_too_many_locals(const wagi_module_data *data)
{
    uint64_t locals = 0;
    for (uint32_t i = data->func_import_count; i < data->func_count; i++)
        locals += wagi_module_body(data, i)->local_count;
    return locals > MAX_LOCALS_OF_MODULE + data->bytes.size;
}

wagi_image_result wagi_image_make(const wagi_code_context *context, wagi_image *ret_image, uint32_t *ret_func_index)
{
    const wagi_module_data *data = context->data;
    wagi_image image;
    memset(&image, 0, sizeof image);
    worker w;
    wagi_image_result result = WAGI_IMAGE_NOMEM;
    *ret_func_index = WAGI_NO_INDEX;
    if (!worker_init(&w, context))
        goto out;
    /* else displacements would not reach */
    if (context->layout.size > INT32_MAX || has_too_many_locals(data)) {
        result = WAGI_IMAGE_UNSUITABLE;
        goto out;
    }
    for (uint32_t i = data->func_import_count; i < data->func_count; i++)
        if (!compile_function(&w, wagi_module_body(data, i))) {
            *ret_func_index = i;
            result = WAGI_IMAGE_UNSUITABLE;
            goto out;
        }
    result = link_image(&w, &image);
out:
    worker_fini(&w);
    if (result == WAGI_IMAGE_OK)
        *ret_image = image;
    else
        wagi_image_fini(&image);
    return result;
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

#endif

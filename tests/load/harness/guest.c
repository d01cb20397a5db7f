/* Modules of the load test in Waggle (guest.h). */
#define _POSIX_C_SOURCE 200809L
#include "guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/measure.h"
#include "tests/bench/shapes.h"

/* ---- subjects ---- */

static bool is_there(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file != NULL) {
        fclose(file);
    }
    return file != NULL;
}

static wag_bytes find_module(const char *name)
{
    static const char *const places[] = {WAG_TEST_BUILD "/load/modules/%s.wasm",
                                         WAG_TEST_BUILD "/tests/bench/programs/%s.wasm"};
    char path[4096];
    if (strcmp(name, "own") == 0) {
        return file_read(WAG_TEST_BUILD "/tests/load/load.wasm");
    }
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(path, sizeof path, places[i], name);
        if (is_there(path)) {
            return file_read(path);
        }
    }
    fail("there is no module %s: fetch_modules.sh fetches those of npm, clang with wasi-libc makes the C programs",
         name);
}

void subject_init(subject *s, const char *name)
{
    bool is_shape = strlen(name) == 1 && strchr("abc", name[0]) != NULL;
    *s = (subject){.name = name, .bytes = is_shape ? shape_module(name[0]) : find_module(name)};
    s->written = is_shape ? 4096 * (size_t)shape_written(name[0], false) : 0;
    char path[4096];
    snprintf(path, sizeof path, "tests/load/scripts/%s.calls", name);
    wag_bytes bytes = file_read(path);
    char *text = realloc((void *)bytes.data, bytes.size + 1);
    if (text == NULL) {
        fail("out of memory");
    }
    text[bytes.size] = '\0';
    script_read(&s->script, text, path);
}

void subject_fini(subject *s)
{
    free((void *)s->bytes.data);
    script_fini(&s->script);
}

/* ---- imports ---- */

struct stub {
    int64_t value;
    uint32_t worker;
    bool is_echo;
};

static wag_error *no_result(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    (void)args;
    (void)results;
    return NULL;
}

static wag_error *one_result(void *context, const wag_val *args, wag_val *results)
{
    const stub *s = context;
    results[0].of.i64 = 0;
    if (s->is_echo) {
        results[0].of.i32 = (int32_t)((uint32_t)args[0].of.i32 + s->worker);
    } else if (results[0].kind == WAG_I32) {
        results[0].of.i32 = (int32_t)s->value;
    } else if (results[0].kind == WAG_I64) {
        results[0].of.i64 = s->value;
    }
    return NULL;
}

static char *copied(wag_name name)
{
    char *text = malloc(name.size + 1);
    if (text == NULL) {
        fail("out of memory");
    }
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    return text;
}

static void provide(guest *g, size_t index, const wag_import_desc *import)
{
    char *module = copied(import->module), *name = copied(import->name),
         *type = wag_module_import_type(g->module, index);
    if (type == NULL) {
        fail("out of memory");
    }
    if (import->kind == WAG_EXTERN_FUNC) {
        stub *s = &g->stubs[index];
        s->worker = g->worker;
        s->value = script_stub(&g->subject->script, name, &s->is_echo);
        wag_host_func func = strstr(type, "(result ") != NULL ? one_result : no_result;
        must(wag_imports_set_func(g->imports, module, name, NULL, func, s, NULL), NULL, name);
    } else if (import->kind == WAG_EXTERN_GLOBAL) {
        wag_value value = WAG_NUMBER((double)script_global(&g->subject->script, name, g->worker));
        must(wag_imports_set(g->imports, module, name, value), NULL, name);
    } else if (import->kind == WAG_EXTERN_MEMORY) {
        unsigned long initial = 0, maximum = 0;
        int count = sscanf(type, "(memory %lu %lu)", &initial, &maximum);
        if (count < 1) {
            fail("%s imports a %s", g->subject->name, type);
        }
        g->memory_initial = initial;
        g->memory_maximum = count == 2 ? maximum : UINT64_MAX;
        g->memory_module = module;
        g->memory_name = name;
        module = name = NULL;
    } else {
        fail("%s imports a %s", g->subject->name, type);
    }
    free(module);
    free(name);
    wag_text_free(type);
}

void guest_init(guest *g, const subject *s, wag_module *module, uint32_t worker)
{
    size_t imports = wag_module_import_count(module), exports = wag_module_export_count(module);
    *g = (guest){.subject = s, .module = module, .worker = worker};
    g->imports = wag_imports_new();
    g->stubs = calloc(imports + 1, sizeof *g->stubs);
    if (g->imports == NULL || g->stubs == NULL) {
        fail("out of memory");
    }
    for (size_t i = 0; i < imports; i++) {
        wag_import_desc import;
        if (wag_module_import_at(module, i, &import)) {
            provide(g, i, &import);
        }
    }
    for (size_t i = 0; i < exports; i++) {
        wag_export_desc export;
        if (wag_module_export_at(module, i, &export) && export.kind == WAG_EXTERN_MEMORY) {
            g->memory_export = export.name;
        }
    }
}

void guest_fini(guest *g)
{
    wag_imports_unref(g->imports);
    free((void *)g->memory_module);
    free((void *)g->memory_name);
    free(g->stubs);
}

/* ---- a life ---- */

static bool call_export(void *instance, const char *name, const int64_t *args, size_t count, int64_t *ret_result)
{
    const life *l = instance;
    wag_val values[SCRIPT_ARGS], result = {.kind = WAG_I32};
    for (size_t i = 0; i < count; i++) {
        values[i] = WAG_VAL_I32((int32_t)args[i]);
    }
    wag_func *func = wag_exports_func(l->exports, name);
    if (func == NULL) {
        fail("there is no function %s", name);
    }
    wag_error *error = NULL;
    if (wag_call(func, values, count, &result, ret_result != NULL ? 1 : 0, &error) != WAG_OK) {
        fprintf(stderr, "%s: %s\n", name, error != NULL ? wag_error_message(error) : "failed");
        wag_error_unref(error);
        return false;
    }
    if (ret_result != NULL) {
        *ret_result = result.kind == WAG_I32   ? result.of.i32
                      : result.kind == WAG_F64 ? (int64_t)result.of.f64
                                               : result.of.i64;
    }
    return true;
}

static uint8_t *memory_bytes(void *instance, uint32_t offset, uint32_t size)
{
    const life *l = instance;
    return wag_memory_writable(l->memory, offset, size);
}

static const script_engine engine = {call_export, memory_bytes};

void life_begin(life *l, const guest *g)
{
    wag_error *error = NULL;
    *l = (life){.instance = NULL};
    if (g->memory_name != NULL) {
        must(wag_memory_new(g->memory_initial, g->memory_maximum, &l->memory, &error), error, g->subject->name);
        must(wag_imports_set(g->imports, g->memory_module, g->memory_name, WAG_MEMORY(l->memory)), NULL,
             g->subject->name);
    }
    must(wag_instance_new(g->module, g->imports, &l->instance, &error), error, g->subject->name);
    l->exports = wag_instance_exports(l->instance);
    if (g->memory_export.data != NULL && g->memory_name == NULL) {
        wag_value value = wag_exports_get_n(l->exports, g->memory_export);
        l->memory = value.of.memory;
    }
}

bool life_use(life *l, const guest *g, uint32_t n)
{
    return script_run(&g->subject->script, &engine, l, n, g->worker);
}

void life_end(life *l, const guest *g)
{
    wag_instance_unref(l->instance);
    if (g->memory_name != NULL) {
        wag_memory_unref(l->memory);
    }
}

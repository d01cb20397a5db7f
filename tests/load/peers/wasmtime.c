/* wasmtime under the load test: its pooling allocator with the default settings (memory images copied on write),
 * imports resolved once (instance_pre), a store for each instance, as its documentation asks for. A module that imports
 * its memory is linked for each instance, because a memory belongs to a store.
 *
 *   wasmtime LIBRARY MODULE SCRIPT LINE WORKERS SECONDS COUNT WARM-UP ALIVE
 *
 * Into the file LINE: what tests/load/load --line writes. COUNT: lives of each worker; 0: as many as the seconds hold.
 * The declarations are the few of its C API that this needs, in this project's own words.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../bench/peers/host.h"
#include "../harness/histogram.h"
#include "../harness/script.h"

enum { WORKERS_MAX = 64, PARTS_EVERY = 16, STUBS_MAX = 64, KIND_FUNC = 0, KIND_MEMORY = 3, KIND_I32 = 0, KIND_F64 = 3 };

typedef struct handle { /* of an instance */
    uint64_t store;
    void *index;
} handle;
typedef struct external { /* wasmtime_extern_t */
    uint8_t kind;
    union {
        handle func;
        uint64_t room[3];
    } of;
} external;
typedef struct value {
    uint8_t kind;
    union {
        int32_t i32;
        int64_t i64;
        double f64;
        uint64_t room[3];
    } of;
} value;
typedef struct vec {
    size_t size;
    void **data;
} vec;
typedef struct name_vec {
    size_t size;
    const char *data;
} name_vec;
typedef void *callback(void *context, void *caller, const value *args, size_t arg_count, value *results,
                       size_t result_count);

/* result, name, parameters */
#define API(X)                                                                                                         \
    X(void *, wasm_config_new, (void))                                                                                 \
    X(void *, wasm_engine_new_with_config, (void *config))                                                             \
    X(const name_vec *, wasm_importtype_module, (const void *type))                                                    \
    X(const name_vec *, wasm_importtype_name, (const void *type))                                                      \
    X(const void *, wasm_importtype_type, (const void *type))                                                          \
    X(const name_vec *, wasm_exporttype_name, (const void *type))                                                      \
    X(const void *, wasm_exporttype_type, (const void *type))                                                          \
    X(uint8_t, wasm_externtype_kind, (const void *type))                                                               \
    X(const void *, wasm_externtype_as_functype_const, (const void *type))                                             \
    X(const void *, wasm_externtype_as_memorytype_const, (const void *type))                                           \
    X(const vec *, wasm_functype_results, (const void *type))                                                          \
    X(uint8_t, wasm_valtype_kind, (const void *type))                                                                  \
    X(void *, wasmtime_pooling_allocation_config_new, (void))                                                          \
    X(void, wasmtime_pooling_allocation_strategy_set, (void *config, void *pooling))                                   \
    X(void *, wasmtime_module_new, (void *engine, const uint8_t *bytes, size_t size, void **ret))                      \
    X(void, wasmtime_module_imports, (const void *module, vec *ret))                                                   \
    X(void, wasmtime_module_exports, (const void *module, vec *ret))                                                   \
    X(void *, wasmtime_linker_new, (void *engine))                                                                     \
    X(void, wasmtime_linker_delete, (void *linker))                                                                    \
    X(void *, wasmtime_linker_define_func,                                                                             \
      (void *linker, const char *module, size_t module_size, const char *name, size_t name_size, const void *type,     \
       callback *func, void *context, void (*finalize)(void *)))                                                       \
    X(void *, wasmtime_linker_define,                                                                                  \
      (void *linker, void *context, const char *module, size_t module_size, const char *name, size_t name_size,        \
       const external *item))                                                                                          \
    X(void, wasmtime_linker_allow_shadowing, (void *linker, bool allow))                                               \
    X(void *, wasmtime_linker_instantiate_pre, (const void *linker, const void *module, void **ret))                   \
    X(void *, wasmtime_linker_instantiate,                                                                             \
      (const void *linker, void *context, const void *module, handle *ret, void **ret_trap))                           \
    X(void *, wasmtime_store_new, (void *engine, void *data, void (*finalize)(void *)))                                \
    X(void *, wasmtime_store_context, (void *store))                                                                   \
    X(void, wasmtime_store_delete, (void *store))                                                                      \
    X(void *, wasmtime_instance_pre_instantiate, (const void *pre, void *context, handle *ret, void **ret_trap))       \
    X(bool, wasmtime_instance_export_get,                                                                              \
      (void *context, const handle *instance, const char *name, size_t size, external *ret))                           \
    X(void *, wasmtime_func_call,                                                                                      \
      (void *context, const void *func, const value *args, size_t arg_count, value *results, size_t result_count,      \
       void **ret_trap))                                                                                               \
    X(void *, wasmtime_memory_new, (void *context, const void *type, void *ret))                                       \
    X(uint8_t *, wasmtime_memory_data, (const void *context, const void *memory))                                      \
    X(size_t, wasmtime_memory_data_size, (const void *context, const void *memory))

#define MEMBER(result, name, parameters) result(*name) parameters;
static struct {
    API(MEMBER)
} api;

static void load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        host_fail("%s", dlerror());
    }
#define LOAD(result, name, parameters)                                                                                 \
    *(void **)&api.name = dlsym(library, #name);                                                                       \
    if (api.name == NULL) {                                                                                            \
        host_fail("%s has no %s", path, #name);                                                                        \
    }
    API(LOAD)
}

typedef struct stub {
    uint8_t kind;
    int64_t value;
} stub;

static void *stub_func(void *context, void *caller, const value *args, size_t arg_count, value *results,
                       size_t result_count)
{
    const stub *s = context;
    (void)caller, (void)args, (void)arg_count;
    if (result_count > 0) {
        results[0].kind = s->kind;
        results[0].of.i64 = s->value; /* little-endian: an i32, too; of the kinds with a fraction only 0 */
    }
    return NULL;
}

/* Shared by all threads. */
static struct {
    void *engine, *module, *pre; /* pre NULL: the memory is imported */
    script script;
    vec imports;
    stub stubs[STUBS_MAX];
    const void *imported_memory; /* its importtype; NULL: none */
    name_vec memory;             /* the export */
    double seconds;
    long count, warm_up;
} load_test;

typedef struct worker {
    void *linker; /* own one each: for imported memories */
    double spent;
    uint64_t done, wrong;
    histogram *life, *making;
    pthread_t thread;
    pthread_barrier_t *ready;
} worker;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *make_linker(void)
{
    void *linker = api.wasmtime_linker_new(load_test.engine);
    api.wasmtime_linker_allow_shadowing(linker, true);
    if (load_test.imports.size > STUBS_MAX) {
        host_fail("too many imports");
    }
    for (size_t i = 0; i < load_test.imports.size; i++) {
        const void *type = load_test.imports.data[i], *of = api.wasm_importtype_type(type);
        const name_vec *space = api.wasm_importtype_module(type), *name = api.wasm_importtype_name(type);
        if (api.wasm_externtype_kind(of) != KIND_FUNC) {
            load_test.imported_memory = type;
            continue;
        }
        const void *func = api.wasm_externtype_as_functype_const(of);
        const vec *results = api.wasm_functype_results(func);
        char text[256];
        bool is_echo;
        snprintf(text, sizeof text, "%.*s", (int)name->size, name->data);
        load_test.stubs[i].value = script_stub(&load_test.script, text, &is_echo);
        load_test.stubs[i].kind = results->size > 0 ? api.wasm_valtype_kind(results->data[0]) : 0;
        if (api.wasmtime_linker_define_func(linker, space->data, space->size, name->data, name->size, func, stub_func,
                                            &load_test.stubs[i], NULL) != NULL) {
            host_fail("cannot link %s", text);
        }
    }
    return linker;
}

/* ---- a life ---- */

typedef struct life {
    void *store, *context;
    handle instance;
    external memory;
} life;

static bool call_export(void *instance, const char *name, const int64_t *args, size_t count, int64_t *ret_result)
{
    life *l = instance;
    external func;
    value values[SCRIPT_ARGS], result = {.kind = KIND_I32};
    void *trap = NULL;
    if (!api.wasmtime_instance_export_get(l->context, &l->instance, name, strlen(name), &func)) {
        host_fail("there is no function %s", name);
    }
    for (size_t i = 0; i < count; i++) {
        values[i] = (value){.kind = KIND_I32, .of = {.i32 = (int32_t)args[i]}};
    }
    if (api.wasmtime_func_call(l->context, &func.of, values, count, &result, ret_result != NULL, &trap) != NULL ||
        trap != NULL) {
        return false;
    }
    if (ret_result != NULL) {
        *ret_result = result.kind == KIND_I32   ? result.of.i32
                      : result.kind == KIND_F64 ? (int64_t)result.of.f64
                                                : result.of.i64;
    }
    return true;
}

static uint8_t *memory_bytes(void *instance, uint32_t offset, uint32_t size)
{
    life *l = instance;
    size_t all = api.wasmtime_memory_data_size(l->context, &l->memory.of);
    return offset <= all && size <= all - offset ? api.wasmtime_memory_data(l->context, &l->memory.of) + offset : NULL;
}

static const script_engine engine = {call_export, memory_bytes};

static void life_begin(life *l, void *linker)
{
    void *trap = NULL, *error;
    l->store = api.wasmtime_store_new(load_test.engine, NULL, NULL);
    l->context = api.wasmtime_store_context(l->store);
    if (load_test.imported_memory != NULL) {
        const void *type = load_test.imported_memory;
        const name_vec *space = api.wasm_importtype_module(type), *name = api.wasm_importtype_name(type);
        l->memory.kind = KIND_MEMORY;
        if (api.wasmtime_memory_new(l->context, api.wasm_externtype_as_memorytype_const(api.wasm_importtype_type(type)),
                                    &l->memory.of) != NULL ||
            api.wasmtime_linker_define(linker, l->context, space->data, space->size, name->data, name->size,
                                       &l->memory) != NULL) {
            host_fail("a memory cannot be made");
        }
        error = api.wasmtime_linker_instantiate(linker, l->context, load_test.module, &l->instance, &trap);
    } else {
        error = api.wasmtime_instance_pre_instantiate(load_test.pre, l->context, &l->instance, &trap);
    }
    if (error != NULL || trap != NULL) {
        host_fail("an instance cannot be made");
    }
    if (load_test.memory.data != NULL && load_test.imported_memory == NULL) {
        api.wasmtime_instance_export_get(l->context, &l->instance, load_test.memory.data, load_test.memory.size,
                                         &l->memory);
    }
}

static void *worker_main(void *context)
{
    worker *w = context;
    life l;
    w->linker = make_linker();
    for (long i = 0; i < load_test.warm_up; i++) {
        life_begin(&l, w->linker);
        w->wrong += !script_run(&load_test.script, &engine, &l, (uint32_t)i % SCRIPT_LIVES, 0);
        api.wasmtime_store_delete(l.store);
    }
    pthread_barrier_wait(w->ready);
    uint64_t start = now_ns(), end = start + (uint64_t)(load_test.seconds * 1e9), after = start;
    uint64_t most = load_test.count > 0 ? (uint64_t)load_test.count : UINT64_MAX;
    while (w->done < most && (load_test.count > 0 || after < end)) {
        uint64_t i = w->done++, before = now_ns(), made, used;
        life_begin(&l, w->linker);
        made = i % PARTS_EVERY == 0 ? now_ns() : 0;
        w->wrong += !script_run(&load_test.script, &engine, &l, i % SCRIPT_LIVES, 0);
        used = i % PARTS_EVERY == 0 ? now_ns() : 0;
        api.wasmtime_store_delete(l.store);
        after = now_ns();
        histogram_add(i % PARTS_EVERY == 0 ? w->making : w->life, after - before - (used - made));
    }
    w->spent = (double)(after - start) / 1e9;
    api.wasmtime_linker_delete(w->linker);
    return NULL;
}

/* ---- the main thread ---- */

static double resident_kb(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*s %lu", &pages) != 1) {
        return NAN;
    }
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1e3;
}

static double alive_kb(long count)
{
    life *all = calloc((size_t)count + 1, sizeof *all);
    void *linker = make_linker();
    double before = resident_kb();
    for (long i = 0; i < count; i++) {
        life_begin(&all[i], linker);
        if (!script_run(&load_test.script, &engine, &all[i], (uint32_t)i % SCRIPT_LIVES, 0)) {
            host_fail("a wrong value");
        }
    }
    double each = count > 0 ? (resident_kb() - before) / (double)count : NAN;
    for (long i = 0; i < count; i++) {
        api.wasmtime_store_delete(all[i].store);
    }
    api.wasmtime_linker_delete(linker);
    free(all);
    return each;
}

static char *read_whole(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        host_fail("%s cannot be read", path);
    }
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(size + 1);
    if (bytes == NULL || fread(bytes, 1, size, file) != size) {
        host_fail("%s cannot be read", path);
    }
    fclose(file);
    bytes[size] = '\0';
    *ret_size = size;
    return bytes;
}

static void prepare(char **argv)
{
    size_t size;
    vec exports;
    load(argv[1]);
    char *bytes = read_whole(argv[2], &size), *text = read_whole(argv[3], &(size_t){0});
    script_read(&load_test.script, text, argv[3]);
    void *config = api.wasm_config_new();
    api.wasmtime_pooling_allocation_strategy_set(config, api.wasmtime_pooling_allocation_config_new());
    load_test.engine = api.wasm_engine_new_with_config(config);
    if (api.wasmtime_module_new(load_test.engine, (const uint8_t *)bytes, size, &load_test.module) != NULL) {
        host_fail("%s cannot be compiled", argv[2]);
    }
    free(bytes);
    api.wasmtime_module_imports(load_test.module, &load_test.imports);
    api.wasmtime_module_exports(load_test.module, &exports);
    for (size_t i = 0; i < exports.size; i++) {
        if (api.wasm_externtype_kind(api.wasm_exporttype_type(exports.data[i])) == KIND_MEMORY) {
            load_test.memory = *api.wasm_exporttype_name(exports.data[i]);
        }
    }
    void *linker = make_linker();
    if (load_test.imported_memory == NULL &&
        api.wasmtime_linker_instantiate_pre(linker, load_test.module, &load_test.pre) != NULL) {
        host_fail("%s cannot be linked", argv[2]);
    }
    api.wasmtime_linker_delete(linker);
}

int main(int argc, char **argv)
{
    static worker workers[WORKERS_MAX];
    if (argc != 10) {
        host_fail("wasmtime LIBRARY MODULE SCRIPT LINE WORKERS SECONDS COUNT WARM-UP ALIVE");
    }
    load_test.seconds = strtod(argv[6], NULL);
    load_test.count = strtol(argv[7], NULL, 10);
    load_test.warm_up = strtol(argv[8], NULL, 10);
    prepare(argv);
    double each = alive_kb(strtol(argv[9], NULL, 10)), rate = 0;
    long count = strtol(argv[5], NULL, 10);
    pthread_barrier_t ready;
    if (count < 1 || count > WORKERS_MAX) {
        host_fail("1 to %d workers", WORKERS_MAX);
    }
    pthread_barrier_init(&ready, NULL, (unsigned)count + 1);
    for (long i = 0; i < count; i++) {
        workers[i] = (worker){.life = histogram_new(), .making = histogram_new(), .ready = &ready};
        pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
    }
    pthread_barrier_wait(&ready);
    double cpu = host_seconds(CLOCK_PROCESS_CPUTIME_ID);
    histogram *life = histogram_new(), *making = histogram_new();
    uint64_t done = 0, wrong = 0;
    for (long i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        rate += (double)workers[i].done / workers[i].spent;
        done += workers[i].done;
        wrong += workers[i].wrong;
        histogram_merge(life, workers[i].life);
        histogram_merge(making, workers[i].making);
    }
    cpu = host_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    FILE *file = fopen(argv[4], "w");
    if (file == NULL) {
        host_fail("%s cannot be written", argv[4]);
    }
    histogram_line(life, making, rate, (double)done / cpu, each, wrong, file);
    fclose(file);
    return 0;
}

/* wasmtime as a peer of bench_churn: its pooling allocator with the default settings (memory images copied on write),
 * imports resolved once (instance_pre), a store for each instance, as its documentation asks for.
 *
 *   churn_wasmtime LIBRARY MODULE THREADS SECONDS
 *
 * Prints instantiations a second, all threads, and the median of one in nanoseconds. The declarations are the few of
 * its C API that this needs, in this project's own words.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../histogram.h"
#include "host.h"

typedef struct handle { /* of a function or an instance */
    uint64_t store;
    void *index;
} handle;
typedef struct external {
    uint8_t kind;
    union {
        handle func;
        uint64_t room[4];
    } of;
} external;
typedef struct value {
    uint8_t kind;
    union {
        int32_t i32;
        uint64_t room[3];
    } of;
} value;
typedef struct type_vec {
    size_t size;
    void **data;
} type_vec;
typedef void *callback(void *context, void *caller, const value *args, size_t arg_count, value *results,
                       size_t result_count);

/* result, name, parameters */
#define API(X)                                                                                                         \
    X(void *, wasm_config_new, (void))                                                                                 \
    X(void *, wasm_engine_new_with_config, (void *config))                                                             \
    X(void *, wasm_valtype_new, (uint8_t kind))                                                                        \
    X(void *, wasm_functype_new, (type_vec * params, type_vec * results))                                              \
    X(void, wasm_valtype_vec_new, (type_vec * ret, size_t size, void **data))                                          \
    X(void *, wasmtime_pooling_allocation_config_new, (void))                                                          \
    X(void, wasmtime_pooling_allocation_strategy_set, (void *config, void *pooling))                                   \
    X(void *, wasmtime_module_new, (void *engine, const uint8_t *bytes, size_t size, void **ret))                      \
    X(void *, wasmtime_linker_new, (void *engine))                                                                     \
    X(void *, wasmtime_linker_define_func,                                                                             \
      (void *linker, const char *module, size_t module_size, const char *name, size_t name_size, const void *type,     \
       callback *func, void *context, void (*finalize)(void *)))                                                       \
    X(void *, wasmtime_linker_instantiate_pre, (const void *linker, const void *module, void **ret))                   \
    X(void *, wasmtime_store_new, (void *engine, void *data, void (*finalize)(void *)))                                \
    X(void *, wasmtime_store_context, (void *store))                                                                   \
    X(void, wasmtime_store_delete, (void *store))                                                                      \
    X(void *, wasmtime_instance_pre_instantiate, (const void *pre, void *context, handle *ret, void **ret_trap))       \
    X(bool, wasmtime_instance_export_get,                                                                              \
      (void *context, const handle *instance, const char *name, size_t size, external *ret))                           \
    X(void *, wasmtime_func_call,                                                                                      \
      (void *context, const handle *func, const value *args, size_t arg_count, value *results, size_t result_count,    \
       void **ret_trap))

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

static void *host_func(void *context, void *caller, const value *args, size_t arg_count, value *results,
                       size_t result_count)
{
    (void)context, (void)caller, (void)arg_count, (void)result_count;
    results[0] = args[0];
    return NULL;
}

typedef struct worker {
    void *engine, *pre;
    double seconds, spent;
    uint64_t done;
    histogram *latency;
    pthread_t thread;
} worker;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int32_t live(const worker *w)
{
    handle instance;
    external run;
    value result;
    void *trap = NULL, *store = api.wasmtime_store_new(w->engine, NULL, NULL);
    void *context = api.wasmtime_store_context(store);
    if (api.wasmtime_instance_pre_instantiate(w->pre, context, &instance, &trap) != NULL || trap != NULL ||
        !api.wasmtime_instance_export_get(context, &instance, "run", 3, &run) ||
        api.wasmtime_func_call(context, &run.of.func, NULL, 0, &result, 1, &trap) != NULL || trap != NULL) {
        host_fail("an instance cannot be made or called");
    }
    api.wasmtime_store_delete(store);
    return result.of.i32;
}

static void *worker_main(void *context)
{
    worker *w = context;
    int32_t expected = live(w);
    for (int i = 0; i < 100; i++) {
        live(w);
    }
    uint64_t start = now_ns(), end = start + (uint64_t)(w->seconds * 1e9), before = start, after = start;
    while (after < end) {
        if (live(w) != expected) {
            host_fail("a new instance has what an old one left");
        }
        after = now_ns();
        histogram_add(w->latency, after - before);
        before = after;
        w->done++;
    }
    w->spent = (double)(after - start) / 1e9;
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        host_fail("churn_wasmtime LIBRARY MODULE THREADS SECONDS");
    }
    load(argv[1]);
    static uint8_t bytes[1 << 20];
    FILE *file = fopen(argv[2], "rb");
    size_t size = file != NULL ? fread(bytes, 1, sizeof bytes, file) : 0;
    void *config = api.wasm_config_new();
    api.wasmtime_pooling_allocation_strategy_set(config, api.wasmtime_pooling_allocation_config_new());
    void *engine = api.wasm_engine_new_with_config(config), *module, *pre, *linker = api.wasmtime_linker_new(engine);
    void *i32s[2] = {api.wasm_valtype_new(0), api.wasm_valtype_new(0)};
    type_vec params, results;
    api.wasm_valtype_vec_new(&params, 1, &i32s[0]);
    api.wasm_valtype_vec_new(&results, 1, &i32s[1]);
    if (api.wasmtime_module_new(engine, bytes, size, &module) != NULL ||
        api.wasmtime_linker_define_func(linker, "env", 3, "f", 1, api.wasm_functype_new(&params, &results), host_func,
                                        NULL, NULL) != NULL ||
        api.wasmtime_linker_instantiate_pre(linker, module, &pre) != NULL) {
        host_fail("%s cannot be compiled or linked", argv[2]);
    }
    static worker workers[64];
    int count = (int)strtol(argv[3], NULL, 10);
    histogram *latency = histogram_new();
    double rate = 0;
    for (int i = 0; i < count && i < 64; i++) {
        workers[i] =
            (worker){.engine = engine, .pre = pre, .seconds = strtod(argv[4], NULL), .latency = histogram_new()};
        pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
    }
    for (int i = 0; i < count && i < 64; i++) {
        pthread_join(workers[i].thread, NULL);
        rate += (double)workers[i].done / workers[i].spent;
        histogram_merge(latency, workers[i].latency);
    }
    printf("%.0f %llu %llu %llu\n", rate, (unsigned long long)histogram_at(latency, 50),
           (unsigned long long)histogram_at(latency, 99), (unsigned long long)histogram_at(latency, 99.9));
    return 0;
}

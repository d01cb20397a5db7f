/* An engine with the standard C API (wasm.h), loaded from a shared library, as a peer of the benchmark: wasmtime's, as
 * the PyPI package has it.
 *
 *   wasmtime LIBRARY compile FILE ROUNDS
 *   wasmtime LIBRARY run FILE N RUNS
 *
 * The declarations below are the few of that API that this needs, in this project's own words.
 */
#define _GNU_SOURCE
#include "host.h"

#include <dlfcn.h>

typedef struct byte_vec {
    size_t size;
    char *data;
} byte_vec;

typedef struct pointer_vec { /* of importtypes, exporttypes, externs */
    size_t size;
    void **data;
} pointer_vec;

typedef struct value {
    uint8_t kind; /* 0: i32, 1: i64 */
    union {
        int32_t i32;
        int64_t i64;
        void *ref;
    } of;
} value;

typedef struct value_vec {
    size_t size;
    value *data;
} value_vec;

typedef void *callback(void *context, const value_vec *args, value_vec *results);

/* result, name, parameters */
#define API(X)                                                                                                         \
    X(void *, wasm_engine_new, (void))                                                                                 \
    X(void *, wasm_store_new, (void *engine))                                                                          \
    X(void *, wasm_module_new, (void *store, const byte_vec *bytes))                                                   \
    X(void, wasm_module_delete, (void *module))                                                                        \
    X(void, wasm_module_imports, (const void *module, pointer_vec *ret))                                               \
    X(void, wasm_module_exports, (const void *module, pointer_vec *ret))                                               \
    X(const byte_vec *, wasm_importtype_name, (const void *type))                                                      \
    X(const void *, wasm_importtype_type, (const void *type))                                                          \
    X(const byte_vec *, wasm_exporttype_name, (const void *type))                                                      \
    X(const void *, wasm_externtype_as_functype_const, (const void *type))                                             \
    X(void *, wasm_func_new_with_env,                                                                                  \
      (void *store, const void *type, callback *func, void *context, void (*finalize)(void *)))                        \
    X(void *, wasm_func_as_extern, (void *func))                                                                       \
    X(void *, wasm_extern_as_func, (void *external))                                                                   \
    X(void *, wasm_extern_as_memory, (void *external))                                                                 \
    X(void *, wasm_instance_new, (void *store, const void *module, const pointer_vec *imports, void **ret_trap))       \
    X(void, wasm_instance_exports, (const void *instance, pointer_vec *ret))                                           \
    X(void *, wasm_func_call, (const void *func, const value_vec *args, value_vec *results))                           \
    X(char *, wasm_memory_data, (void *memory))                                                                        \
    X(size_t, wasm_memory_data_size, (const void *memory))

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

typedef struct guest {
    host host;
    void *memory, *run;
} guest;

static bool is(const byte_vec *name, const char *text)
{
    /* Some engines count a terminating NUL. */
    size_t size = name->size > 0 && name->data[name->size - 1] == '\0' ? name->size - 1 : name->size;
    return size == strlen(text) && memcmp(name->data, text, size) == 0;
}

static host *now(guest *g)
{
    g->host.memory = (uint8_t *)api.wasm_memory_data(g->memory);
    g->host.memory_size = api.wasm_memory_data_size(g->memory);
    return &g->host;
}

static void *answer(value_vec *results, uint32_t code)
{
    results->data[0] = (value){.kind = 0, .of = {.i32 = (int32_t)code}};
    return NULL;
}

#define ARG(i) ((uint32_t)args->data[i].of.i32)

static void *fd_write(void *context, const value_vec *args, value_vec *results)
{
    return answer(results, host_fd_write(now(context), ARG(0), ARG(1), ARG(2), ARG(3)));
}

static void *fd_fdstat_get(void *context, const value_vec *args, value_vec *results)
{
    return answer(results, host_fd_fdstat_get(now(context), ARG(0), ARG(1)));
}

static void *fd_close(void *context, const value_vec *args, value_vec *results)
{
    (void)context;
    return answer(results, ARG(0) <= 2 ? 0 : 8);
}

static void *fd_seek(void *context, const value_vec *args, value_vec *results)
{
    (void)context;
    return answer(results, ARG(0) <= 2 ? 70 : 8);
}

static void call(void *func, value_vec args, value_vec results)
{
    if (api.wasm_func_call(func, &args, &results) != NULL) {
        host_fail("trap");
    }
}

static uint64_t run(void *context, uint32_t n)
{
    guest *g = context;
    value argument = {.kind = 0, .of = {.i32 = (int32_t)n}}, result = {.kind = 1, .of = {.i64 = 0}};
    call(g->run, (value_vec){1, &argument}, (value_vec){1, &result});
    return (uint64_t)result.of.i64;
}

static void *import(void *store, guest *g, const void *type)
{
    static const struct {
        const char *name;
        callback *func;
    } functions[] = {
        {"fd_write", fd_write}, {"fd_fdstat_get", fd_fdstat_get}, {"fd_close", fd_close}, {"fd_seek", fd_seek}};
    const byte_vec *name = api.wasm_importtype_name(type);
    const void *func_type = api.wasm_externtype_as_functype_const(api.wasm_importtype_type(type));
    for (size_t i = 0; i < sizeof functions / sizeof functions[0] && func_type != NULL; i++) {
        if (is(name, functions[i].name)) {
            return api.wasm_func_as_extern(api.wasm_func_new_with_env(store, func_type, functions[i].func, g, NULL));
        }
    }
    host_fail("import %.*s is not provided", (int)name->size, name->data);
}

static void start(void *store, void *module, guest *g)
{
    pointer_vec types, externs, exports;
    api.wasm_module_imports(module, &types);
    externs = (pointer_vec){types.size, calloc(types.size + 1, sizeof(void *))};
    for (size_t i = 0; i < types.size; i++) {
        externs.data[i] = import(store, g, types.data[i]);
    }
    void *trap = NULL;
    void *instance = api.wasm_instance_new(store, module, &externs, &trap);
    if (instance == NULL) {
        host_fail("no instance");
    }
    api.wasm_module_exports(module, &types);
    api.wasm_instance_exports(instance, &exports);
    void *initialize = NULL;
    for (size_t i = 0; i < exports.size; i++) {
        const byte_vec *name = api.wasm_exporttype_name(types.data[i]);
        if (is(name, "memory")) {
            g->memory = api.wasm_extern_as_memory(exports.data[i]);
        } else if (is(name, "run")) {
            g->run = api.wasm_extern_as_func(exports.data[i]);
        } else if (is(name, "_initialize")) {
            initialize = api.wasm_extern_as_func(exports.data[i]);
        }
    }
    if (g->run == NULL) {
        host_fail("the module exports no function run");
    }
    if (initialize != NULL) {
        call(initialize, (value_vec){0, NULL}, (value_vec){0, NULL});
    }
}

static byte_vec read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        host_fail("%s cannot be opened", path);
    }
    byte_vec bytes = {(size_t)ftell(file), NULL};
    rewind(file);
    bytes.data = malloc(bytes.size + 1);
    if (bytes.data == NULL || fread(bytes.data, 1, bytes.size, file) != bytes.size) {
        host_fail("%s cannot be read", path);
    }
    fclose(file);
    return bytes;
}

int main(int argc, char **argv)
{
    bool compile = argc == 5 && strcmp(argv[2], "compile") == 0;
    if (!compile && argc != 6) {
        host_fail("usage: wasmtime LIBRARY compile FILE ROUNDS | run FILE N RUNS");
    }
    load(argv[1]);
    byte_vec bytes = read_file(argv[3]);
    void *store = api.wasm_store_new(api.wasm_engine_new());
    int rounds = compile ? (int)strtol(argv[4], NULL, 10) : 1;
    double times[HOST_RUNS_MAX];
    void *module = NULL;
    if (rounds < 1 || rounds > HOST_RUNS_MAX) {
        host_fail("1 to %d rounds", HOST_RUNS_MAX);
    }
    for (int i = 0; i < rounds; i++) {
        if (module != NULL) {
            api.wasm_module_delete(module);
        }
        double began = host_seconds(CLOCK_PROCESS_CPUTIME_ID);
        module = api.wasm_module_new(store, &bytes);
        times[i] = (host_seconds(CLOCK_PROCESS_CPUTIME_ID) - began) * 1e3;
        if (module == NULL) {
            host_fail("%s does not compile", argv[3]);
        }
    }
    if (compile) {
        printf("0 %.3f - -\n", host_median(times, rounds));
        return 0;
    }
    static guest g;
    start(store, module, &g);
    host_measure(&g.host, run, &g, (uint32_t)strtoul(argv[4], NULL, 10), (int)strtol(argv[5], NULL, 10), times[0]);
    return 0;
}

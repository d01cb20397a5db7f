/* Kernels and C programs as workloads (workload.h). */
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const workload workloads[] = {
#define WORKLOAD(name, folder, full, full_check, small, small_check)                                                   \
    {#name, #folder, full, full_check, small, small_check},
#include "workload.def"
#undef WORKLOAD
};
const int workload_count = sizeof workloads / sizeof workloads[0];

const workload *workload_find(const char *name)
{
    for (int i = 0; i < workload_count; i++) {
        if (strcmp(workloads[i].name, name) == 0) {
            return &workloads[i];
        }
    }
    return NULL;
}

char *workload_path(const workload *w)
{
    static const char format[] = WAG_TEST_BUILD "/tests/bench/%s/%s.wasm";
    size_t size = sizeof format + strlen(w->folder) + strlen(w->name);
    char *path = malloc(size);
    if (path == NULL) {
        fail("out of memory");
    }
    snprintf(path, size, format, w->folder, w->name);
    return path;
}

void running_init(running *r, const options *o, const workload *w)
{
    *r = (running){.workload = w};
    char *path = workload_path(w);
    wag_bytes bytes = file_read(path);
    wag_error *error = NULL;
    double start = cpu_seconds();
    r->module = module_compile(o, bytes, &error);
    r->compile_cpu = cpu_seconds() - start;
    if (r->module == NULL) {
        fail("%s: %s", path, wag_error_message(error));
    }
    wag_imports *imports = wag_imports_new();
    must(imports != NULL ? wasi_provide(&r->wasi, imports) : WAG_NOMEM, NULL, "imports");
    must(wag_instance_new(r->module, imports, &r->instance, &error), error, path);
    wag_imports_unref(imports);
    const wag_exports *exports = wag_instance_exports(r->instance);
    r->wasi.memory = wag_exports_memory(exports, "memory");
    wag_func *initialize = wag_exports_func(exports, "_initialize");
    if (initialize != NULL) {
        must(wag_call(initialize, NULL, 0, NULL, 0, &error), error, path);
    }
    r->run = wag_exports_func(exports, "run");
    if (r->run == NULL) {
        fail("%s exports no function run", path);
    }
    free((void *)bytes.data);
    free(path);
}

void running_fini(running *r)
{
    wag_instance_unref(r->instance);
    wag_module_unref(r->module);
    free(r->wasi.output);
}

uint64_t running_call(running *r, uint32_t n, double *ret_cpu, double *ret_wall)
{
    wag_val argument = WAG_VAL_I32((int32_t)n), result;
    wag_error *error = NULL;
    r->wasi.output_size = 0;
    double cpu = cpu_seconds(), wall = wall_seconds();
    wag_err err = wag_call(r->run, &argument, 1, &result, 1, &error);
    *ret_wall = wall_seconds() - wall;
    *ret_cpu = cpu_seconds() - cpu;
    must(err, error, r->workload->name);
    uint64_t check = (uint64_t)result.of.i64;
    for (size_t i = 0; i < r->wasi.output_size; i++) {
        check = (check ^ (uint8_t)r->wasi.output[i]) * 1099511628211u;
    }
    return check;
}

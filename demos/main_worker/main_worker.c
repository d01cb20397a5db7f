/* The pair: the main thread compiles once and posts the Module, each worker instantiates it with imports of its own.
 *
 *   main_worker [-n WORKERS] [FILE.wasm]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demos/read_file.h"
#include "waggle.h"

#ifndef SIMPLE_WASM
#define SIMPLE_WASM "simple.wasm"
#endif

enum { MOST_WORKERS = 1000 };

/* ---- worker.js ---- */

/* imported_func: (arg) => console.log(arg) */
static wag_error *imported_func(void *context, const wag_val *args, wag_val *results)
{
    (void)results;
    printf("%s: %d\n", wag_scope_name(context), args[0].of.i32);
    return NULL;
}

static void report(wag_worker_scope *self, wag_error *error)
{
    wag_scope_report_error(self, error);
    wag_error_unref(error);
}

/* WebAssembly.instantiate(module, importObject).then((instance) => instance.exports.exported_func()) */
static void instantiated(void *context, wag_instance *const *instance, const wag_error *error)
{
    wag_worker_scope *self = context;
    if (error) {
        wag_scope_report_error(self, error);
        wag_scope_close(self);
        return;
    }
    wag_error *trap = NULL;
    wag_func *func = wag_exports_func(wag_instance_exports(*instance), "exported_func");
    if (!func)
        report(self, wag_error_new(WAG_CLASS_TYPE_ERROR, "the module exports no function \"exported_func\""));
    else if (wag_call(func, NULL, 0, NULL, 0, &trap) != WAG_OK)
        report(self, trap);
    wag_scope_close(self);
}

/* self.onmessage = (event) => { ... } */
static void on_module(void *context, wag_value message)
{
    wag_worker_scope *self = context;
    wag_module *module = message.of.module;
    printf("%s: module received from main thread\n", wag_scope_name(self));

    wag_export_desc export;
    if (wag_module_export_at(module, 0, &export))
        printf("%s: first export is {name: \"%.*s\", kind: \"%s\"}\n", wag_scope_name(self), (int)export.name.size,
               export.name.data, wag_extern_kind_name(export.kind));

    wag_imports *imports = wag_imports_new();
    wag_imports_set_func(imports, "my_namespace", "imported_func", NULL, imported_func, self, NULL);
    wag_promise_instance *promise = wag_instantiate(module, imports);
    wag_then(promise, instantiated, self);
    wag_promise_unref(promise);
    wag_imports_unref(imports);
}

static void worker_entry(wag_worker_scope *self, void *context)
{
    (void)context;
    wag_scope_on_message(self, on_module, self);
}

/* ---- main.js ---- */

static void on_worker_error(void *context, const wag_error *error)
{
    bool *failed = context;
    *failed = true;
    fprintf(stderr, "%s: %s\n", wag_error_class_name(wag_error_get_class(error)), wag_error_message(error));
}

static int fail(const char *what, wag_error *error)
{
    fprintf(stderr, "%s: %s: %s\n", what, wag_error_class_name(wag_error_get_class(error)), wag_error_message(error));
    wag_error_unref(error);
    return 1;
}

static int run(const char *path, long worker_count)
{
    wag_bytes bytes;
    if (!read_file(path, &bytes))
        return 1;
    wag_error *error = NULL;
    wag_module *module = NULL;
    wag_promise_module *compiled = wag_compile(bytes, NULL);
    free((void *)bytes.data);
    wag_err err = wag_await(compiled, &module, &error);
    wag_promise_unref(compiled);
    if (err != WAG_OK)
        return fail(path, error);

    static wag_worker *workers[MOST_WORKERS];
    bool failed = false;
    long started = 0;
    for (; started < worker_count; started++) {
        char name[32];
        snprintf(name, sizeof name, "worker %ld", started + 1);
        wag_worker_options options = {.entry = worker_entry, .name = name};
        wag_worker **worker = &workers[started];
        if (wag_worker_new(&options, worker, &error) != WAG_OK)
            break;
        wag_worker_on_error(*worker, on_worker_error, &failed);
        if (wag_worker_post_message(*worker, WAG_MODULE(module), &error) != WAG_OK) {
            started++;
            break;
        }
    }
    wag_module_unref(module);
    if (error)
        failed = fail("worker", error);
    wag_agent_run(); /* until every worker has closed */
    for (long i = 0; i < started; i++)
        wag_worker_free(workers[i]);
    return failed;
}

int main(int argc, char **argv)
{
    long worker_count = 2;
    int next = 1;
    if (argc > 2 && strcmp(argv[1], "-n") == 0) {
        worker_count = strtol(argv[2], NULL, 10);
        next = 3;
    }
    if (worker_count < 1 || worker_count > MOST_WORKERS || argc > next + 1) {
        fprintf(stderr, "usage: main_worker [-n WORKERS (1..%d)] [FILE.wasm]\n", MOST_WORKERS);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    return run(next < argc ? argv[next] : SIMPLE_WASM, worker_count);
}

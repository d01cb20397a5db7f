/* The first example of the page: WebAssembly.instantiate(bytes, importObject) gives { module, instance }.
 *
 *   instantiate_bytes [FILE.wasm]
 */
#include "demos/read_file.h"
#include "waggle.h"

#ifndef SIMPLE_WASM
#define SIMPLE_WASM "simple.wasm"
#endif

/* imported_func: (arg) => console.log(arg) */
static wag_error *imported_func(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)results;
    printf("%d\n", args[0].of.i32);
    return NULL;
}

/* .then((result) => result.instance.exports.exported_func()) */
static void instantiated(void *context, const wag_instantiated_source *result, const wag_error *rejected)
{
    int *status = context;
    wag_error *error = NULL;
    if (!rejected) {
        wag_func *func = wag_exports_func(wag_instance_exports(result->instance), "exported_func");
        if (!func)
            error = wag_error_new(WAG_CLASS_TYPE_ERROR, "the module exports no function \"exported_func\"");
        else if (wag_call(func, NULL, 0, NULL, 0, &error) == WAG_OK)
            *status = 0;
    }
    const wag_error *shown = rejected ? rejected : error;
    if (shown)
        fprintf(stderr, "%s: %s\n", wag_error_class_name(wag_error_get_class(shown)), wag_error_message(shown));
    wag_error_unref(error);
}

int main(int argc, char **argv)
{
    /* fetch("simple.wasm").then((response) => response.arrayBuffer()) */
    wag_bytes bytes;
    if (!read_file(argc > 1 ? argv[1] : SIMPLE_WASM, &bytes))
        return 1;

    /* const importObject = { my_namespace: { imported_func } } */
    wag_imports *imports = wag_imports_new();
    wag_imports_set_func(imports, "my_namespace", "imported_func", "(i32)", imported_func, NULL, NULL);

    /* WebAssembly.instantiate(bytes, importObject).then(...) */
    int status = 1;
    wag_promise_source *promise = wag_instantiate(bytes, imports);
    wag_then(promise, instantiated, &status);
    wag_agent_run();

    wag_promise_unref(promise);
    wag_imports_unref(imports);
    free((void *)bytes.data);
    return status;
}

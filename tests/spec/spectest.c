/* The host module "spectest" of the test suites. Functions and most objects are made by the host; what the interface
 * has no constructor for (a table with 64-bit indices) is exported by a module of a few bytes, when the library can run
 * it. */
#include <string.h>

#include "tests/spec/spec.h"

static wag_error *print(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    (void)args;
    (void)results;
    return NULL;
}

static bool add(wag_imports *imports, const char *name, wag_value value)
{
    return wag_imports_set(imports, "spectest", name, value) == WAG_OK;
}

static bool add_functions(wag_imports *imports)
{
    static const struct {
        const char *name, *signature;
    } functions[] = {
        {"print", "()"},        {"print_i32", "(i32)"},         {"print_i64", "(i64)"},         {"print_f32", "(f32)"},
        {"print_f64", "(f64)"}, {"print_i32_f32", "(i32 f32)"}, {"print_f64_f64", "(f64 f64)"},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (wag_imports_set_func(imports, "spectest", functions[i].name, functions[i].signature, print, NULL, NULL) !=
            WAG_OK)
            return false;
    return true;
}

static bool add_global(wag_imports *imports, const char *name, wag_val value)
{
    wag_global *global = NULL;
    if (wag_global_new(value, false, &global, NULL) != WAG_OK)
        return false;
    bool ok = add(imports, name, WAG_GLOBAL(global));
    wag_global_unref(global);
    return ok;
}

static bool add_globals(wag_imports *imports)
{
    wag_val f32 = {.kind = WAG_F32}, f64 = {.kind = WAG_F64};
    memcpy(&f32.of.f32, &(uint32_t){0x4426a666}, 4);
    memcpy(&f64.of.f64, &(uint64_t){0x4084d4cccccccccd}, 8);
    return add_global(imports, "global_i32", WAG_VAL_I32(666)) && add_global(imports, "global_i64", WAG_VAL_I64(666)) &&
           add_global(imports, "global_f32", f32) && add_global(imports, "global_f64", f64);
}

static bool add_memory_and_table(wag_imports *imports)
{
    static const wag_memory_descriptor shared = {.initial = 1, .maximum = 2, .shared = true};
    wag_memory *memory = NULL, *shared_memory = NULL;
    wag_table *table = NULL;
    bool ok = wag_memory_new(1, 2, &memory, NULL) == WAG_OK && add(imports, "memory", WAG_MEMORY(memory)) &&
              wag_memory_create(&shared, &shared_memory, NULL) == WAG_OK &&
              add(imports, "shared_memory", WAG_MEMORY(shared_memory)) &&
              wag_table_new(WAG_FUNCREF, 10, 20, WAG_VAL_FUNC(NULL), &table, NULL) == WAG_OK &&
              add(imports, "table", WAG_TABLE(table));
    wag_memory_unref(memory);
    wag_memory_unref(shared_memory);
    wag_table_unref(table);
    return ok;
}

/* The exports of a module, if the library can run it. */
static bool add_exports(wag_imports *imports, wag_bytes bytes, const spec_run *run)
{
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    wag_err err =
        wag_module_new(bytes, &(wag_compile_options){.cluster = run->cluster, .tier = run->tier}, &module, NULL);
    if (err == WAG_UNSUPPORTED)
        return true;
    bool ok = err == WAG_OK && wag_instance_new(module, NULL, &instance, NULL) == WAG_OK;
    wag_name name;
    wag_value value;
    for (size_t i = 0; ok && wag_exports_at(wag_instance_exports(instance), i, &name, &value); i++)
        ok = wag_imports_set_n(imports, WAG_NAME("spectest"), name, value) == WAG_OK;
    wag_instance_unref(instance);
    wag_module_unref(module);
    return ok;
}

bool spec_spectest_add(wag_imports *imports, const spec_run *run)
{
    /* (module (table (export "table64") i64 10 20 funcref)) */
    static const uint8_t table64[] = "\0asm\1\0\0\0\x04\x05\x01\x70\x05\x0a\x14\x07\x0b\x01\x07table64\x01\0";
    return add_functions(imports) && add_globals(imports) && add_memory_and_table(imports) &&
           add_exports(imports, (wag_bytes){table64, sizeof table64 - 1}, run);
}

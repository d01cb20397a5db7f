/* waggle/module.h: making modules and asking them. Modules are immutable, so every function here is for any thread. */
#include <string.h>

#include "base/alloc.h"
#include "exec/compile.h"
#include "runtime/agent.h"
#include "runtime/compile_pool.h"

const char *wag_extern_kind_name(wag_extern_kind kind)
{
    static const char *const names[] = {
        [WAG_EXTERN_FUNC] = "function", [WAG_EXTERN_TABLE] = "table", [WAG_EXTERN_MEMORY] = "memory",
        [WAG_EXTERN_GLOBAL] = "global", [WAG_EXTERN_TAG] = "tag",
    };
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "?";
}

/* ---- making ---- */

/* NULL without memory. */
static wag_cluster *cluster_of(const wag_compile_options *options)
{
    return options && options->cluster ? options->cluster : wag_cluster_default();
}

bool wag_validate(wag_bytes bytes, const wag_compile_options *options)
{
    wag_cluster *cluster = cluster_of(options);
    wag_module *module;
    if (!cluster || (!bytes.data && bytes.size))
        return false;
    wagi_parallel parallel = wagi_compile_pool_parallel(cluster);
    if (wagi_module_decode_by(bytes, NULL, cluster->registry, &cluster->limits, &parallel, &module, NULL) != WAG_OK)
        return false;
    bool valid = wagi_compile_allowed(module->data, cluster, NULL) == WAG_OK;
    wag_module_unref(module);
    return valid;
}

wag_err wag_module_new(wag_bytes bytes, const wag_compile_options *options, wag_module **ret_module,
                       wag_error **reterr_error)
{
    if (!bytes.data && bytes.size)
        return wagi_fail(wagi_error_new(WAG_TYPE, "the module's bytes are NULL"), reterr_error);
    wag_cluster *cluster = cluster_of(options);
    if (!cluster)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    wag_module *module;
    wag_err err = wagi_compile(bytes, cluster, options ? options->tier : WAG_TIER_DEFAULT, &module, reterr_error);
    if (err != WAG_OK)
        return err;
    if (ret_module)
        *ret_module = module;
    else
        wag_module_unref(module);
    return WAG_OK;
}

wag_tier wag_module_tier(const wag_module *module)
{
    return module ? wagi_module_tier(module) : WAG_TIER_INTERP;
}

/* ---- asking ---- */

size_t wag_module_export_count(const wag_module *module)
{
    return module ? module->data->export_count : 0;
}

bool wag_module_export_at(const wag_module *module, size_t index, wag_export_desc *ret_export)
{
    if (index >= wag_module_export_count(module))
        return false;
    const wagi_export *export = &module->data->exports[index];
    if (ret_export)
        *ret_export = (wag_export_desc){.name = export->name, .kind = export->kind};
    return true;
}

size_t wag_module_import_count(const wag_module *module)
{
    return module ? module->data->import_count : 0;
}

bool wag_module_import_at(const wag_module *module, size_t index, wag_import_desc *ret_import)
{
    if (index >= wag_module_import_count(module))
        return false;
    const wagi_import *import = &module->data->imports[index];
    if (ret_import)
        *ret_import = (wag_import_desc){.module = import->module, .name = import->name, .kind = import->kind};
    return true;
}

static size_t extern_text(const wag_module *module, wag_extern_kind kind, uint32_t index, char *buffer, size_t size)
{
    const wagi_module_data *data = module->data;
    const wagi_type_scope *scope = WAGI_BY_STRUCTURE(module->registry);
    switch (kind) {
    case WAG_EXTERN_FUNC:
        return wagi_func_type_text(scope, data->func_types[index], buffer, size);
    case WAG_EXTERN_TABLE:
        return wagi_table_type_text(scope, data->tables[index].type, buffer, size);
    case WAG_EXTERN_MEMORY:
        return wagi_memory_type_text(data->memories[index], buffer, size);
    case WAG_EXTERN_GLOBAL:
        return wagi_global_type_text(scope, data->globals[index].type, buffer, size);
    case WAG_EXTERN_TAG:
        return wagi_tag_type_text(scope, data->tags[index], buffer, size);
    }
    return 0;
}

static char *extern_type(const wag_module *module, wag_extern_kind kind, uint32_t index)
{
    size_t size = extern_text(module, kind, index, NULL, 0) + 1;
    char *text = wagi_alloc(size);
    if (text)
        extern_text(module, kind, index, text, size);
    return text;
}

char *wag_module_export_type(const wag_module *module, size_t index)
{
    if (index >= wag_module_export_count(module))
        return NULL;
    const wagi_export *export = &module->data->exports[index];
    return extern_type(module, export->kind, export->index);
}

char *wag_module_import_type(const wag_module *module, size_t index)
{
    if (index >= wag_module_import_count(module))
        return NULL;
    const wagi_import *import = &module->data->imports[index];
    return extern_type(module, import->kind, import->index);
}

void wag_text_free(char *text)
{
    wagi_free(text);
}

static bool same_name(wag_name a, wag_name b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

size_t wag_module_custom_section_count(const wag_module *module, wag_name name)
{
    size_t count = 0;
    for (uint32_t i = 0; module && i < module->data->custom_count; i++)
        count += same_name(module->data->customs[i].name, name);
    return count;
}

bool wag_module_custom_section_at(const wag_module *module, wag_name name, size_t index, wag_bytes *ret_bytes)
{
    for (uint32_t i = 0; module && i < module->data->custom_count; i++) {
        if (!same_name(module->data->customs[i].name, name) || index-- != 0)
            continue;
        if (ret_bytes)
            *ret_bytes = module->data->customs[i].bytes;
        return true;
    }
    return false;
}

wag_bytes wag_module_bytes(const wag_module *module)
{
    return module ? module->data->bytes : (wag_bytes){NULL, 0};
}

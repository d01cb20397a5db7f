/* wasm.h: engines, stores, modules, instances. */
#include <string.h>

#include "api/wasm_api.h"
#include "base/alloc.h"

/* ---- engine ---- */

struct wasm_config_t {
    char unused;
};

struct wasm_engine_t {
    wag_cluster *cluster; /* one reference */
};

wasm_config_t *wasm_config_new(void)
{
    return WAGI_NEW(wasm_config_t);
}

void wasm_config_delete(wasm_config_t *config)
{
    wagi_free(config);
}

wasm_engine_t *wasm_engine_new(void)
{
    wag_cluster *cluster = wag_cluster_default();
    wasm_engine_t *engine = cluster ? WAGI_NEW(wasm_engine_t) : NULL;
    if (engine)
        engine->cluster = wag_cluster_ref(cluster);
    return engine;
}

wasm_engine_t *wasm_engine_new_with_config(wasm_config_t *config)
{
    wasm_config_delete(config);
    return wasm_engine_new();
}

void wasm_engine_delete(wasm_engine_t *engine)
{
    if (!engine)
        return;
    wag_cluster_unref(engine->cluster);
    wagi_free(engine);
}

/* ---- store ---- */

wasm_store_t *wasm_store_new(wasm_engine_t *engine)
{
    wag_agent *agent = engine ? wag_agent_current() : NULL;
    wasm_store_t *store = agent ? WAGI_NEW(wasm_store_t) : NULL;
    if (store)
        store->agent = agent;
    return store;
}

void wasm_store_delete(wasm_store_t *store)
{
    if (!store)
        return;
    wag_agent *agent = wagi_wasm_agent(store);
    if (agent && agent->host_depth == 0)
        wagi_store_collect(agent);
    wag_error_unref(store->last_error);
    wagi_free(store);
}

wag_agent *wagi_wasm_agent(const wasm_store_t *store)
{
    return store && store->agent == wagi_agent_peek() ? store->agent : NULL;
}

void *wagi_wasm_fail(wasm_store_t *store, wag_error *error)
{
    if (wagi_wasm_agent(store)) {
        wag_error_unref(store->last_error);
        store->last_error = error;
    } else {
        wag_error_unref(error); /* another thread's store must not be written */
    }
    return NULL;
}

const wag_error *wag_wasm_last_error(const wasm_store_t *store)
{
    return wagi_wasm_agent(store) ? store->last_error : NULL;
}

/* ---- modules ---- */

static wag_bytes bytes_of(const wasm_byte_vec_t *vec)
{
    return vec ? (wag_bytes){(const uint8_t *)vec->data, vec->size} : (wag_bytes){NULL, 0};
}

static const wag_module *module_of(const wasm_module_t *module)
{
    const wagi_wasm_wrapper *wrapper = wagi_wasm_wrapper_of(module);
    return wrapper ? wrapper->module : NULL;
}

/* module: own, or NULL: error says why. */
static wasm_module_t *give_module(wasm_store_t *store, wag_module *module, wag_error *error)
{
    if (!module)
        return wagi_wasm_fail(store, error);
    wagi_wasm_wrapper *wrapper = wagi_wasm_wrapper_new(module, NULL);
    return wrapper ? (wasm_module_t *)wrapper : wagi_wasm_fail(store, wagi_error_nomem());
}

wasm_module_t *wasm_module_new(wasm_store_t *store, const wasm_byte_vec_t *binary)
{
    wag_agent *agent = wagi_wasm_agent(store);
    if (!agent)
        return NULL;
    wag_compile_options options = {.cluster = agent->cluster};
    wag_module *module = NULL;
    wag_error *error = NULL;
    wag_module_new(bytes_of(binary), &options, &module, &error);
    return give_module(store, module, error);
}

bool wasm_module_validate(wasm_store_t *store, const wasm_byte_vec_t *binary)
{
    wag_agent *agent = wagi_wasm_agent(store);
    wag_compile_options options = {.cluster = agent ? agent->cluster : NULL};
    return agent && wag_validate(bytes_of(binary), &options);
}

void wasm_module_serialize(const wasm_module_t *module, wasm_byte_vec_t *out)
{
    uint8_t *data;
    size_t size;
    wasm_byte_vec_new_empty(out);
    if (wag_module_serialize(module_of(module), &data, &size) != WAG_OK)
        return;
    wasm_byte_vec_new(out, size, (const wasm_byte_t *)data);
    wag_buffer_free(data);
}

wasm_module_t *wasm_module_deserialize(wasm_store_t *store, const wasm_byte_vec_t *data)
{
    wag_agent *agent = wagi_wasm_agent(store);
    if (!agent)
        return NULL;
    wag_compile_options options = {.cluster = agent->cluster};
    wag_module *module = NULL;
    wag_error *error = NULL;
    wag_module_deserialize(bytes_of(data), &options, &module, &error);
    return give_module(store, module, error);
}

wag_module *wag_wasm_module(const wasm_module_t *module)
{
    return (wag_module *)(uintptr_t)module_of(module);
}

wasm_module_t *wag_wasm_module_of(wasm_store_t *store, wag_module *module)
{
    if (!wagi_wasm_agent(store))
        return NULL;
    if (!module)
        return wagi_wasm_fail(store, wagi_error_new(WAG_TYPE, "there is no module"));
    return give_module(store, wag_module_ref(module), NULL);
}

/* A shared module is the module itself. */
wasm_shared_module_t *wasm_module_share(const wasm_module_t *module)
{
    return (wasm_shared_module_t *)wag_module_ref(wag_wasm_module(module));
}

void wasm_shared_module_delete(wasm_shared_module_t *shared)
{
    wag_module_unref((wag_module *)shared);
}

wasm_module_t *wasm_module_obtain(wasm_store_t *store, const wasm_shared_module_t *shared)
{
    return wag_wasm_module_of(store, (wag_module *)(uintptr_t)shared);
}

static wasm_externtype_t *type_at(const wag_module *module, wag_extern_kind kind, uint32_t index)
{
    const wagi_module_data *data = module->data;
    const wagi_registry *registry = module->registry;
    switch (kind) {
    case WAG_EXTERN_FUNC:
        return wasm_functype_as_externtype(wagi_wasm_functype(registry, data->func_types[index]));
    case WAG_EXTERN_GLOBAL:
        return wasm_globaltype_as_externtype(wagi_wasm_globaltype(registry, data->globals[index].type));
    case WAG_EXTERN_TABLE:
        return wasm_tabletype_as_externtype(
            wagi_wasm_tabletype(registry, data->tables[index].type, data->tables[index].type.limits.minimum));
    case WAG_EXTERN_MEMORY:
        return wasm_memorytype_as_externtype(
            wagi_wasm_memorytype(data->memories[index], data->memories[index].limits.minimum));
    case WAG_EXTERN_TAG:
        return wasm_tagtype_as_externtype(wagi_wasm_tagtype(registry, data->tags[index]));
    }
    return NULL;
}

static void name_of(wag_name name, wasm_name_t *out)
{
    wasm_name_new(out, name.size, name.data);
}

void wasm_module_imports(const wasm_module_t *handle, wasm_importtype_vec_t *out)
{
    const wag_module *module = module_of(handle);
    wasm_importtype_vec_t types;
    wasm_importtype_vec_new_uninitialized(&types, module ? module->data->import_count : 0);
    for (size_t i = 0; i < types.size; i++) {
        const wagi_import *import = &module->data->imports[i];
        wasm_name_t namespace, name;
        name_of(import->module, &namespace);
        name_of(import->name, &name);
        bool complete = namespace.size == import->module.size && name.size == import->name.size;
        types.data[i] =
            wasm_importtype_new(&namespace, &name, complete ? type_at(module, import->kind, import->index) : NULL);
        if (!types.data[i]) {
            wasm_importtype_vec_delete(&types);
            break;
        }
    }
    *out = types;
}

void wasm_module_exports(const wasm_module_t *handle, wasm_exporttype_vec_t *out)
{
    const wag_module *module = module_of(handle);
    wasm_exporttype_vec_t types;
    wasm_exporttype_vec_new_uninitialized(&types, module ? module->data->export_count : 0);
    for (size_t i = 0; i < types.size; i++) {
        const wagi_export *export = &module->data->exports[i];
        wasm_name_t name;
        name_of(export->name, &name);
        bool complete = name.size == export->name.size;
        types.data[i] = wasm_exporttype_new(&name, complete ? type_at(module, export->kind, export->index) : NULL);
        if (!types.data[i]) {
            wasm_exporttype_vec_delete(&types);
            break;
        }
    }
    *out = types;
}

/* ---- instances ---- */

/* Import objects are read import by import, in order: here by position, whatever the names are. */
typedef struct by_position {
    const wasm_extern_vec_t *imports;
    size_t next;
} by_position;

static wag_value value_of(const wasm_extern_t *external)
{
    const wagi_object *object = (const wagi_object *)external;
    switch (object ? object->kind : UINT8_MAX) {
    case WAGI_OBJECT_FUNC:
        return WAG_FUNC((wag_func *)(uintptr_t)external);
    case WAGI_OBJECT_GLOBAL:
        return WAG_GLOBAL((wag_global *)(uintptr_t)external);
    case WAGI_OBJECT_TABLE:
        return WAG_TABLE((wag_table *)(uintptr_t)external);
    case WAGI_OBJECT_MEMORY:
        return WAG_MEMORY((wag_memory *)(uintptr_t)external);
    case WAGI_OBJECT_TAG:
        return WAG_TAG((wag_tag *)(uintptr_t)external);
    default:
        return WAG_UNDEFINED;
    }
}

static wag_error *next_import(void *context, wag_name module, const wag_name *field, wag_value *ret_value)
{
    by_position *position = context;
    (void)module;
    *ret_value = WAG_UNDEFINED;
    if (!field)
        *ret_value = wag_map();
    else if (position->imports && position->next < position->imports->size)
        *ret_value = wag_value_ref(value_of(position->imports->data[position->next]));
    position->next += field != NULL;
    return NULL;
}

static wasm_instance_t *no_instance(wasm_store_t *store, wag_error *error, wasm_trap_t **trap)
{
    if (trap)
        *trap = wagi_wasm_trap(wag_error_ref(error));
    return wagi_wasm_fail(store, error);
}

wasm_instance_t *wasm_instance_new(wasm_store_t *store, const wasm_module_t *module, const wasm_extern_vec_t *imports,
                                   wasm_trap_t **trap)
{
    if (trap)
        *trap = NULL;
    if (!wagi_wasm_agent(store))
        return no_instance(store, wagi_error_new(WAG_WRONG_AGENT, NULL), trap);
    by_position position = {.imports = imports};
    wag_imports *object = wag_imports_new_getter(next_import, &position);
    if (!object)
        return no_instance(store, wagi_error_nomem(), trap);
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    wag_instance_new(wag_wasm_module(module), object, &instance, &error);
    wag_imports_unref(object);
    return instance ? (wasm_instance_t *)instance : no_instance(store, error, trap);
}

void wasm_instance_exports(const wasm_instance_t *handle, wasm_extern_vec_t *out)
{
    const wag_instance *instance = (const wag_instance *)handle;
    bool is_mine = wagi_mine((const wagi_object *)handle);
    wasm_extern_vec_new_uninitialized(out, is_mine ? instance->data->export_count : 0);
    for (size_t i = 0; i < out->size; i++)
        out->data[i] = wagi_wasm_ref_copy(wagi_value_object(wagi_instance_export(instance, (uint32_t)i)));
}

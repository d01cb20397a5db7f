/* wasm.h: functions, globals, tables, memories, tags, foreign objects. */
#include <string.h>

#include "api/wasm_api.h"
#include "base/alloc.h"

enum { SMALL = 12 }; /* values that need no heap */

static const wagi_registry *registry_of(const void *ref)
{
    return ((const wagi_object *)ref)->unit->agent->cluster->registry;
}

/* ---- host functions ---- */

typedef struct callback {
    wasm_func_callback_t plain; /* or, when NULL: */
    wasm_func_callback_with_env_t with_env;
    void *env;
    void (*finalize)(void *env);
    const wag_func *func; /* for its type: what calls it has it */
} callback;

static void callback_free(void *context)
{
    callback *here = context;
    if (here->finalize)
        here->finalize(here->env);
    wagi_free(here);
}

static const char *kind_name(wasm_valkind_t kind)
{
    for (int i = WAG_I32; i <= WAG_EXNREF; i++)
        if (wagi_wasm_kind((wag_val_kind)i) == kind)
            return wag_val_kind_name((wag_val_kind)i);
    return "?";
}

/* The words of wag_call's own errors. */
static wag_error *type_error(wag_err err, const char *what, size_t index, wag_val_kind wanted, const wasm_val_t *given)
{
    if (err != WAG_TYPE)
        return wagi_error_new(err, NULL);
    if (!wagi_wasm_can_pass(wanted))
        return wagi_error_new(err, "wasm.h has no value for %s %zu", what, index);
    if (wanted == WAG_FUNCREF && wasm_valkind_is_ref(given->kind))
        return wagi_error_new(err, "%s %zu must be %s: the reference does not match", what, index,
                              wag_val_kind_name(wanted));
    return wagi_error_new(err, "%s %zu must be %s, not %s", what, index, wag_val_kind_name(wanted),
                          kind_name(given->kind));
}

/* vals: own, their kinds stand in results; each is given up, also when there is an error (own) already. */
static wag_error *take_results(wag_agent *agent, wasm_val_t *vals, wag_val *results, size_t count, wag_error *error)
{
    for (size_t i = 0; i < count; i++) {
        wag_val val;
        wag_err err = error ? WAG_TYPE : wagi_wasm_val_in(agent, &vals[i], results[i].kind, &val);
        if (err != WAG_OK && !error)
            error = type_error(err, "result", i, results[i].kind, &vals[i]);
        wasm_val_delete(&vals[i]);
        if (err == WAG_OK) {
            results[i] = val;
            /* It becomes a value of wasm: that keeps it, until it has got there, when the handle goes (object.h). */
            if (wagi_val_unit(&val))
                wagi_unit_escape(wagi_val_unit(&val));
            wag_val_unref(val);
        }
    }
    return error;
}

/* A wag_host_func. */
static wag_error *call_back(void *context, const wag_val *args, wag_val *results)
{
    const callback *here = context;
    const wagi_type *type = here->func->type;
    wag_agent *agent = here->func->object.unit->agent;
    size_t params = type->param_count, count = type->result_count;
    wasm_val_t small[SMALL], *vals = small;
    if (params + count > SMALL && !(vals = wagi_alloc((params + count) * sizeof *vals)))
        return wagi_error_nomem();
    for (size_t i = 0; i < params; i++) {
        const wagi_unit *unit = wagi_val_unit(&args[i]);
        if (unit)
            wagi_unit_hold(((wagi_object *)args[i].of.func)->unit); /* val_out takes one over */
        wagi_wasm_val_out(args[i], &vals[i]);
    }
    for (size_t i = 0; i < count; i++)
        vals[params + i] = (wasm_val_t){.kind = wagi_wasm_kind(results[i].kind)};
    wasm_val_vec_t in = {params, vals}, out = {count, vals + params};
    wasm_trap_t *trap = here->plain ? here->plain(&in, &out) : here->with_env(here->env, &in, &out);
    wag_error *error = trap ? wag_error_ref((wag_error *)(uintptr_t)wag_wasm_trap_error(trap)) : NULL;
    wasm_trap_delete(trap);
    error = take_results(agent, vals + params, results, count, error);
    for (size_t i = 0; i < params; i++)
        wasm_val_delete(&vals[i]);
    if (vals != small)
        wagi_free(vals);
    return error;
}

/* The canonical type, with a reference to its group; NULL: *ret_error says why. */
static const wagi_type *canonical_type(wag_agent *agent, const wasm_functype_t *type, wag_error **ret_error)
{
    const wasm_valtype_vec_t *params = wasm_functype_params(type), *results = wasm_functype_results(type);
    const wagi_limits *limits = &agent->cluster->limits;
    if (params->size > limits->parameters || results->size > limits->results) {
        *ret_error = wagi_error_new(WAG_TYPE, "too many parameters or results");
        return NULL;
    }
    wagi_valtype *types = wagi_alloc((params->size + results->size) * sizeof *types);
    if (!types) {
        *ret_error = wagi_error_nomem();
        return NULL;
    }
    wag_err err = WAG_OK;
    for (size_t i = 0; i < params->size + results->size; i++) {
        types[i] = wagi_wasm_valtype(i < params->size ? params->data[i] : results->data[i - params->size]);
        if (types[i] == WAGI_KIND_NONE)
            err = WAG_TYPE;
    }
    const wagi_type *made = NULL;
    if (err == WAG_OK)
        err = wagi_registry_func(agent->cluster->registry, types, (uint32_t)params->size, types + params->size,
                                 (uint32_t)results->size, &made);
    if (err != WAG_OK)
        *ret_error = wagi_error_new(err, err == WAG_TYPE ? "a parameter or result has no type" : NULL);
    wagi_free(types);
    return made;
}

static wasm_func_t *func_new(wasm_store_t *store, const wasm_functype_t *functype, callback from)
{
    wag_agent *agent = wagi_wasm_agent(store);
    wag_error *error = NULL;
    callback *here = agent ? WAGI_NEW(callback) : NULL;
    const wagi_type *type = here ? canonical_type(agent, functype, &error) : NULL;
    wag_func *func = type ? wagi_func_new(agent, type, call_back, here, callback_free) : NULL;
    if (func) {
        *here = from;
        here->func = func;
        return (wasm_func_t *)func;
    }
    wagi_free(here);
    if (from.finalize)
        from.finalize(from.env);
    return wagi_wasm_fail(store, error ? error : wagi_error_nomem());
}

wasm_func_t *wasm_func_new(wasm_store_t *store, const wasm_functype_t *type, wasm_func_callback_t plain)
{
    return func_new(store, type, (callback){.plain = plain});
}

wasm_func_t *wasm_func_new_with_env(wasm_store_t *store, const wasm_functype_t *type,
                                    wasm_func_callback_with_env_t with_env, void *env, void (*finalizer)(void *))
{
    return func_new(store, type, (callback){.with_env = with_env, .env = env, .finalize = finalizer});
}

/* ---- functions ---- */

static const wagi_type *type_of(const wasm_func_t *func)
{
    return wagi_mine((const wagi_object *)func) ? ((const wag_func *)func)->type : NULL;
}

wasm_functype_t *wasm_func_type(const wasm_func_t *func)
{
    const wagi_type *type = type_of(func);
    return type ? wagi_wasm_functype(registry_of(func), type) : NULL;
}

size_t wasm_func_param_arity(const wasm_func_t *func)
{
    const wagi_type *type = type_of(func);
    return type ? type->param_count : 0;
}

size_t wasm_func_result_arity(const wasm_func_t *func)
{
    const wagi_type *type = type_of(func);
    return type ? type->result_count : 0;
}

/* ret_vals: own, also when it fails: `*ret_made` of them. */
static wag_error *args_in(const wag_func *func, const wasm_val_vec_t *args, wag_val *ret_vals, size_t *ret_made)
{
    const wagi_type *type = func->type;
    for (size_t i = 0; i < type->param_count; i++, ++*ret_made) {
        wag_val_kind kind = wagi_val_kind_of(registry_of(func), type->params[i]);
        wag_err err = wagi_wasm_val_in(func->object.unit->agent, &args->data[i], kind, &ret_vals[i]);
        if (err != WAG_OK)
            return type_error(err, "argument", i, kind, &args->data[i]);
    }
    return NULL;
}

/* What no value of wasm.h can be. */
static wag_error *check_results(const wag_func *func)
{
    for (size_t i = 0; i < func->type->result_count; i++)
        if (!wagi_wasm_can_pass(wagi_val_kind_of(registry_of(func), func->type->results[i])))
            return wagi_error_new(WAG_TYPE, "wasm.h has no value for result %zu", i);
    return NULL;
}

static wag_error *call(wag_func *func, const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    size_t params = func->type->param_count, count = func->type->result_count, made = 0;
    size_t given = args ? args->size : 0, wanted = results ? results->size : 0;
    if (given != params)
        return wagi_error_new(WAG_TYPE, "the function takes %zu arguments, not %zu", params, given);
    wag_val small[SMALL], *vals = small;
    if (params + count > SMALL && !(vals = wagi_alloc((params + count) * sizeof *vals)))
        return wagi_error_nomem();
    wag_error *error = check_results(func);
    if (!error)
        error = args_in(func, args, vals, &made);
    if (!error)
        wag_call(func, vals, params, vals + params, count, &error);
    for (size_t i = 0; !error && i < count; i++)
        if (i < wanted)
            wagi_wasm_val_out(vals[params + i], &results->data[i]);
        else
            wag_val_unref(vals[params + i]);
    for (size_t i = 0; i < made; i++)
        wag_val_unref(vals[i]);
    if (vals != small)
        wagi_free(vals);
    return error;
}

wasm_trap_t *wasm_func_call(const wasm_func_t *handle, const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    wag_func *func = (wag_func *)(uintptr_t)handle;
    wag_error *error = !wagi_mine((const wagi_object *)handle) ? wagi_error_handle(handle, "function")
                       : !func->type                           ? wagi_error_new(WAG_TYPE, "the function has no type")
                                                               : call(func, args, results);
    return error ? wagi_wasm_trap(error) : NULL;
}

/* ---- globals ---- */

wasm_global_t *wasm_global_new(wasm_store_t *store, const wasm_globaltype_t *type, const wasm_val_t *init)
{
    wag_agent *agent = wagi_wasm_agent(store);
    wagi_valtype content = wagi_wasm_valtype(wasm_globaltype_content(type));
    if (!agent)
        return NULL;
    wag_val val;
    wag_err err = content == WAGI_KIND_NONE
                      ? WAG_TYPE
                      : wagi_wasm_val_in(agent, init, wagi_val_kind_of(agent->cluster->registry, content), &val);
    if (err != WAG_OK)
        return wagi_wasm_fail(store,
                              wagi_error_new(err, err == WAG_TYPE ? "the value is %s, which is not of the type" : NULL,
                                             kind_name(init->kind)));
    wag_global *global = NULL;
    wag_error *error = NULL;
    wag_global_new(val, wasm_globaltype_mutability(type) == WASM_VAR, &global, &error);
    wag_val_unref(val);
    return global ? (wasm_global_t *)global : wagi_wasm_fail(store, error);
}

wasm_globaltype_t *wasm_global_type(const wasm_global_t *global)
{
    if (!wagi_mine((const wagi_object *)global))
        return NULL;
    return wagi_wasm_globaltype(registry_of(global), ((const wag_global *)global)->type);
}

void wasm_global_get(const wasm_global_t *handle, wasm_val_t *out)
{
    const wag_global *global = (const wag_global *)handle;
    wag_val val;
    *out = (wasm_val_t)WASM_INIT_VAL;
    if (wag_global_get(global, &val) != WAG_OK)
        return;
    if (wagi_wasm_can_pass(val.kind))
        wagi_wasm_val_out(val, out);
    else
        wag_val_unref(val);
}

void wasm_global_set(wasm_global_t *handle, const wasm_val_t *value)
{
    wag_global *global = (wag_global *)handle;
    wag_val val;
    if (!wagi_mine((const wagi_object *)handle) ||
        wagi_wasm_val_in(global->object.unit->agent, value, wagi_val_kind_of(registry_of(global), global->type.content),
                         &val) != WAG_OK)
        return;
    wag_global_set(global, val);
    wag_val_unref(val);
}

/* ---- tables ---- */

static wag_val_kind element_kind(const wag_table *table)
{
    return wagi_val_kind_of(registry_of(table), table->type.element);
}

wasm_table_t *wasm_table_new(wasm_store_t *store, const wasm_tabletype_t *type, wasm_ref_t *init)
{
    wag_agent *agent = wagi_wasm_agent(store);
    const wasm_limits_t *limits = wasm_tabletype_limits(type);
    wasm_valkind_t element = wasm_valtype_kind(wasm_tabletype_element(type));
    wag_val_kind kind = element == WASM_FUNCREF ? WAG_FUNCREF : element == WASM_EXTERNREF ? WAG_EXTERNREF : WAG_I32;
    if (!agent)
        return NULL;
    wag_val val;
    wag_err err = wagi_wasm_ref_in(agent, init, kind, &val);
    if (err != WAG_OK)
        return wagi_wasm_fail(store, wagi_error_new(err, err == WAG_TYPE ? "the element does not fit" : NULL));
    wag_table *table = NULL;
    wag_error *error = NULL;
    wag_table_new(kind, limits->min, limits->max == wasm_limits_max_default ? UINT64_MAX : limits->max, val, &table,
                  &error);
    wag_val_unref(val);
    return table ? (wasm_table_t *)table : wagi_wasm_fail(store, error);
}

wasm_tabletype_t *wasm_table_type(const wasm_table_t *handle)
{
    const wag_table *table = (const wag_table *)handle;
    if (!wagi_mine((const wagi_object *)handle))
        return NULL;
    return wagi_wasm_tabletype(registry_of(table), table->type, table->size);
}

wasm_ref_t *wasm_table_get(const wasm_table_t *table, wasm_table_size_t index)
{
    wag_val val;
    wasm_val_t out;
    if (wag_table_get((const wag_table *)table, index, &val) != WAG_OK)
        return NULL;
    if (!wagi_wasm_can_pass(val.kind)) {
        wag_val_unref(val);
        return NULL;
    }
    wagi_wasm_val_out(val, &out);
    return out.of.ref;
}

bool wasm_table_set(wasm_table_t *handle, wasm_table_size_t index, wasm_ref_t *ref)
{
    wag_table *table = (wag_table *)handle;
    wag_val val;
    if (!wagi_mine((const wagi_object *)handle) ||
        wagi_wasm_ref_in(table->object.unit->agent, ref, element_kind(table), &val) != WAG_OK)
        return false;
    wag_err err = wag_table_set(table, index, val);
    wag_val_unref(val);
    return err == WAG_OK;
}

wasm_table_size_t wasm_table_size(const wasm_table_t *table)
{
    return (wasm_table_size_t)wag_table_size((const wag_table *)table);
}

bool wasm_table_grow(wasm_table_t *handle, wasm_table_size_t delta, wasm_ref_t *init)
{
    wag_table *table = (wag_table *)handle;
    wag_val val;
    if (!wagi_mine((const wagi_object *)handle) ||
        wagi_wasm_ref_in(table->object.unit->agent, init, element_kind(table), &val) != WAG_OK)
        return false;
    wag_err err = wag_table_grow(table, delta, val, NULL);
    wag_val_unref(val);
    return err == WAG_OK;
}

/* ---- memories ---- */

wasm_memory_t *wasm_memory_new(wasm_store_t *store, const wasm_memorytype_t *type)
{
    const wasm_limits_t *limits = wasm_memorytype_limits(type);
    wag_memory *memory = NULL;
    wag_error *error = NULL;
    if (!wagi_wasm_agent(store))
        return NULL;
    wag_memory_new(limits->min, limits->max == wasm_limits_max_default ? UINT64_MAX : limits->max, &memory, &error);
    return memory ? (wasm_memory_t *)memory : wagi_wasm_fail(store, error);
}

wasm_memorytype_t *wasm_memory_type(const wasm_memory_t *handle)
{
    const wag_memory *memory = (const wag_memory *)handle;
    return wagi_mine((const wagi_object *)handle) ? wagi_wasm_memorytype(memory->type, wag_memory_pages(memory)) : NULL;
}

byte_t *wasm_memory_data(wasm_memory_t *memory)
{
    return (byte_t *)wag_memory_data((const wag_memory *)memory);
}

size_t wasm_memory_data_size(const wasm_memory_t *memory)
{
    return wag_memory_size((const wag_memory *)memory);
}

wasm_memory_pages_t wasm_memory_size(const wasm_memory_t *memory)
{
    uint64_t pages = wag_memory_pages((const wag_memory *)memory);
    return pages < UINT32_MAX ? (wasm_memory_pages_t)pages : UINT32_MAX;
}

bool wasm_memory_grow(wasm_memory_t *memory, wasm_memory_pages_t delta)
{
    return wag_memory_grow((wag_memory *)memory, delta, NULL, NULL) == WAG_OK;
}

/* ---- tags ---- */

wasm_tag_t *wasm_tag_new(wasm_store_t *store, const wasm_tagtype_t *tagtype)
{
    wag_agent *agent = wagi_wasm_agent(store);
    const wasm_functype_t *functype = wasm_tagtype_functype(tagtype);
    wag_error *error = NULL;
    if (!agent)
        return NULL;
    if (wasm_functype_results(functype)->size)
        return wagi_wasm_fail(store, wagi_error_new(WAG_TYPE, "a tag has no results"));
    const wagi_type *type = canonical_type(agent, functype, &error);
    wag_tag *tag = type ? wagi_tag_new(agent, type) : NULL;
    return tag ? (wasm_tag_t *)tag : wagi_wasm_fail(store, error ? error : wagi_error_nomem());
}

wasm_tagtype_t *wasm_tag_type(const wasm_tag_t *tag)
{
    if (!wagi_mine((const wagi_object *)tag))
        return NULL;
    return wagi_wasm_tagtype(registry_of(tag), ((const wag_tag *)tag)->type);
}

/* ---- externals ---- */

wasm_externkind_t wasm_extern_kind(const wasm_extern_t *external)
{
    switch (((const wagi_object *)external)->kind) {
    case WAGI_OBJECT_FUNC:
        return WASM_EXTERN_FUNC;
    case WAGI_OBJECT_GLOBAL:
        return WASM_EXTERN_GLOBAL;
    case WAGI_OBJECT_TABLE:
        return WASM_EXTERN_TABLE;
    case WAGI_OBJECT_MEMORY:
        return WASM_EXTERN_MEMORY;
    default:
        return WASM_EXTERN_TAG;
    }
}

wasm_externtype_t *wasm_extern_type(const wasm_extern_t *external)
{
    switch (wasm_extern_kind(external)) {
    case WASM_EXTERN_FUNC:
        return wasm_functype_as_externtype(wasm_func_type((const wasm_func_t *)external));
    case WASM_EXTERN_GLOBAL:
        return wasm_globaltype_as_externtype(wasm_global_type((const wasm_global_t *)external));
    case WASM_EXTERN_TABLE:
        return wasm_tabletype_as_externtype(wasm_table_type((const wasm_table_t *)external));
    case WASM_EXTERN_MEMORY:
        return wasm_memorytype_as_externtype(wasm_memory_type((const wasm_memory_t *)external));
    default:
        return wasm_tagtype_as_externtype(wasm_tag_type((const wasm_tag_t *)external));
    }
}

wasm_foreign_t *wasm_foreign_new(wasm_store_t *store)
{
    wag_agent *agent = wagi_wasm_agent(store);
    wag_extern *ext = agent ? wagi_extern_new(agent, NULL, NULL) : NULL;
    return ext ? (wasm_foreign_t *)ext : wagi_wasm_fail(store, wagi_error_nomem());
}

/* Import objects and the reading of them: JS API, "read the imports".
 *
 * For each import, in module order: look up the namespace, look up the field, make a store object of what was found;
 * all of it before the next import is looked at, because a getter may count, fail or change its mind. What was read
 * from an object that can do none of this is kept (linked.c). The types are matched when everything has been read
 * (link.c).
 */
#include "runtime/imports.h"

#include "base/alloc.h"
#include "runtime/coerce.h"
#include "runtime/pool.h"

/* ---- the object ---- */

wag_imports *wagi_imports_new(wag_agent *agent, wag_imports_getter getter, void *context, wag_value root)
{
    wag_imports *imports = WAGI_NEW(wag_imports);
    if (!imports) {
        wag_value_unref(root);
        return NULL;
    }
    *imports = (wag_imports){.agent = agent, .count = 1, .getter = getter, .context = context, .root = root};
    return imports;
}

void wagi_imports_free(wag_imports *imports)
{
    wagi_links_forget(imports);
    wag_value_unref(imports->root);
    wagi_free(imports);
}

wag_err wagi_imports_put_namespace(wag_imports *imports, wag_name module, wag_value value)
{
    wagi_links_forget(imports);
    if (imports->is_builder) {
        imports->is_shared |= value.kind == WAG_VALUE_MAP;
        return wag_map_set_n(imports->root, module, value);
    }
    wag_value_unref(value);
    return WAG_TYPE;
}

wag_err wagi_imports_put(wag_imports *imports, wag_name module, wag_name field, wag_value value)
{
    wag_value space = imports->is_builder ? wag_map_get_n(imports->root, module) : WAG_NULL;
    wag_err err = WAG_OK;
    wagi_links_forget(imports);
    if (space.kind == WAG_VALUE_UNDEFINED) {
        space = wag_map();
        if (space.kind == WAG_VALUE_UNDEFINED)
            err = WAG_NOMEM;
        else
            err = wag_map_set_n(imports->root, module, space); /* borrowed from now on */
    } else if (space.kind != WAG_VALUE_MAP) {
        err = WAG_TYPE;
    }
    if (err == WAG_OK)
        return wag_map_set_n(space, field, value);
    wag_value_unref(value);
    return err;
}

/* ---- looking up ---- */

/* A property of a JavaScript object. borrow. */
static wag_value property(wag_value object, wag_name name)
{
    if (object.kind == WAG_VALUE_MAP)
        return wag_map_get_n(object, name);
    if (object.kind == WAG_VALUE_INSTANCE)
        return wagi_instance_export(object.of.instance, wagi_module_find_export(object.of.instance->data, name));
    return WAG_UNDEFINED;
}

static bool is_namespace(wag_value value)
{
    return value.kind == WAG_VALUE_MAP || value.kind == WAG_VALUE_INSTANCE;
}

/* A value in words, for messages. */
static const char *value_words(wag_value value)
{
    return wag_value_kind_name(value.kind);
}

static bool may_use(wag_agent *agent, wag_value value)
{
    const wagi_object *object = wagi_value_object(value);
    return !object || object->unit->agent == agent;
}

/* ret_value: own. */
static wag_error *look_up(wag_imports *imports, const wag_module *module, uint32_t index, wag_value *ret_value)
{
    const wagi_import *import = &module->data->imports[index];
    wag_value space = WAG_UNDEFINED, value = WAG_UNDEFINED;
    wag_error *error = NULL;
    if (imports->getter)
        error = imports->getter(imports->context, import->module, NULL, &space);
    else
        space = wag_value_ref(property(imports->root, import->module));
    if (error)
        return error;
    if (!is_namespace(space))
        error = wagi_import_error(WAG_TYPE, module, index, "an object as namespace", value_words(space));
    else if (!may_use(imports->agent, space))
        error = wagi_import_error(WAG_WRONG_AGENT, module, index, "an object as namespace",
                                  "one that belongs to another agent");
    else if (imports->getter)
        error = imports->getter(imports->context, import->module, &import->name, &value);
    else
        value = wag_value_ref(property(space, import->name));
    wag_value_unref(space);
    if (!error)
        *ret_value = value;
    return error;
}

/* ---- making objects ---- */

static wag_error *misfit(const wag_module *module, uint32_t index, wag_value given)
{
    char wanted[512];
    wagi_import_text(module, index, wanted, sizeof wanted);
    return wagi_import_error(WAG_LINK, module, index, wanted, value_words(given));
}

/* numbers are not converted from other kinds here. */
static bool is_global_value(wag_agent *agent, wagi_valtype type, wag_value value)
{
    if (wagi_never_crosses(agent->cluster->registry, type))
        return false;
    if (wagi_is_ref(type))
        return true;
    return value.kind == (type == WAGI_I64 ? WAG_VALUE_BIGINT : WAG_VALUE_NUMBER);
}

/* a constant global for a value that is none. */
static wag_error *global_from(wag_agent *agent, const wag_module *module, uint32_t index, wag_value value,
                              wagi_object **ret_object)
{
    const wagi_import *import = &module->data->imports[index];
    wagi_global_type type = {module->data->globals[import->index].type.content, false};
    wag_val val;
    if (!is_global_value(agent, type.content, value))
        return misfit(module, index, value);
    wag_error *error = wagi_to_wasm_value(agent, type.content, value, &val);
    if (error && wag_error_code(error) == WAG_TYPE) {
        wag_error_unref(error);
        return misfit(module, index, value);
    }
    if (error)
        return error;
    wag_global *global = wagi_global_new(agent, type);
    if (!global)
        error = wagi_error_nomem();
    else if (wagi_val_to_slot(module->registry, type.content, val, global->object.unit, global->value) != WAG_OK)
        error = misfit(module, index, value);
    if (wagi_val_unit(&val))
        wagi_unit_drop(wagi_val_unit(&val));
    if (!error)
        *ret_object = &global->object;
    else if (global)
        wagi_unit_drop(global->object.unit);
    return error;
}

/* value: borrow. ret_object: one handle. */
static wag_error *object_from(wag_agent *agent, const wag_module *module, uint32_t index, wag_value value,
                              wagi_object **ret_object)
{
    static const wag_value_kind kinds[] = {[WAG_EXTERN_FUNC] = WAG_VALUE_FUNC,
                                           [WAG_EXTERN_TABLE] = WAG_VALUE_TABLE,
                                           [WAG_EXTERN_MEMORY] = WAG_VALUE_MEMORY,
                                           [WAG_EXTERN_GLOBAL] = WAG_VALUE_GLOBAL,
                                           [WAG_EXTERN_TAG] = WAG_VALUE_TAG};
    const wagi_import *import = &module->data->imports[index];
    if (!may_use(agent, value))
        return wagi_import_error(WAG_WRONG_AGENT, module, index, "an object of this agent", value_words(value));
    if (value.kind != kinds[import->kind])
        return import->kind == WAG_EXTERN_GLOBAL ? global_from(agent, module, index, value, ret_object)
                                                 : misfit(module, index, value);
    wagi_object *object = wagi_value_object(value);
    if (value.kind == WAG_VALUE_FUNC && !value.of.func->type) {
        wag_func *func = wagi_func_specialise(value.of.func, module->data->func_types[import->index]);
        if (!func)
            return wagi_error_nomem();
        *ret_object = &func->object;
        return NULL;
    }
    wagi_unit_hold(object->unit);
    *ret_object = object;
    return NULL;
}

wag_error *wagi_imports_read_one(wag_imports *imports, const wag_module *module, uint32_t index,
                                 wagi_object **ret_object, bool *ret_made)
{
    wag_value value = WAG_UNDEFINED;
    wag_error *error = look_up(imports, module, index, &value);
    if (error)
        return error;
    error = object_from(imports->agent, module, index, value, ret_object);
    *ret_made = !error && *ret_object != wagi_value_object(value);
    wag_value_unref(value);
    return error;
}

wag_error *wagi_imports_object_check(const wag_imports *imports)
{
    if (!imports || imports->getter)
        return NULL;
    switch (imports->root.kind) {
    case WAG_VALUE_UNDEFINED:
        return NULL;
    case WAG_VALUE_NULL:
    case WAG_VALUE_BOOL:
    case WAG_VALUE_NUMBER:
    case WAG_VALUE_BIGINT:
    case WAG_VALUE_STRING:
        return wagi_error_new(WAG_TYPE, "the import object is %s, not an object", value_words(imports->root));
    default:
        return may_use(imports->agent, imports->root) ? NULL : wagi_error_new(WAG_WRONG_AGENT, NULL);
    }
}

/* I-03, I-04: what can be said of the import object before anything is looked up. */
static wag_error *object_check(const wag_module *module, const wag_imports *imports)
{
    bool undefined = !imports || (!imports->getter && imports->root.kind == WAG_VALUE_UNDEFINED);
    if (undefined && module->data->import_count)
        return wagi_error_new(WAG_TYPE, "the module has imports, but there is no import object");
    return wagi_imports_object_check(imports);
}

static wag_error *agents_check(const wag_module *module, const wag_imports *imports)
{
    wag_agent *agent = wagi_agent_peek();
    if (!agent)
        return wagi_error_nomem();
    if (imports && imports->agent != agent)
        return wagi_error_new(WAG_WRONG_AGENT, NULL);
    if (module->registry != agent->cluster->registry)
        return wagi_error_new(WAG_TYPE, "the module belongs to another cluster");
    return NULL;
}

wag_error *wagi_imports_may_link(const wag_module *module, const wag_imports *imports)
{
    wag_error *error = agents_check(module, imports);
    return error ? error : object_check(module, imports);
}

typedef WAGI_VEC(wag_error *) error_list;

static wag_err add_error(error_list *list, wag_error *error)
{
    if (WAGI_VEC_PUSH(list, error))
        return WAG_OK;
    wag_error_unref(error);
    return WAG_NOMEM;
}

static wag_err check_one(const wag_module *module, wag_imports *imports, uint32_t index, error_list *list)
{
    wagi_object *object = NULL;
    bool made;
    wag_error *error = wagi_imports_read_one(imports, module, index, &object, &made);
    if (!error) {
        wagi_import_match(module, index, object, &error);
        wagi_unit_drop(object->unit);
    }
    if (error == wagi_error_nomem())
        return WAG_NOMEM;
    return error ? add_error(list, error) : WAG_OK;
}

wag_err wagi_imports_check(const wag_module *module, wag_imports *imports, wag_error ***ret_errors, size_t *ret_count)
{
    error_list list = {.p = NULL};
    wag_err err = WAG_OK;
    wag_error *error = agents_check(module, imports);
    if (error)
        return wagi_fail(error, NULL);
    error = object_check(module, imports);
    if (error)
        err = error == wagi_error_nomem() ? WAG_NOMEM : add_error(&list, error);
    else
        for (uint32_t i = 0; err == WAG_OK && i < module->data->import_count; i++)
            err = check_one(module, imports, i, &list);
    if (err != WAG_OK) {
        for (size_t i = 0; i < list.n; i++)
            wag_error_unref(list.p[i]);
        WAGI_VEC_FREE(&list);
        return err;
    }
    *ret_errors = list.p;
    *ret_count = list.n;
    return WAG_OK;
}

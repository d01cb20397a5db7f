/* waggle/imports.h: import objects. Checks, then one call inward. */
#include "runtime/imports.h"

#include <string.h>

#include "base/alloc.h"
#include "runtime/store.h"

static wag_imports *imports_new(wag_imports_getter getter, void *context, wag_value root)
{
    wag_agent *agent = wag_agent_current();
    if (agent)
        return wagi_imports_new(agent, getter, context, root);
    wag_value_unref(root);
    return NULL;
}

wag_imports *wag_imports_new(void)
{
    wag_value root = wag_map();
    wag_imports *imports = root.kind == WAG_VALUE_MAP ? imports_new(NULL, NULL, root) : NULL;
    if (imports)
        imports->is_builder = true;
    return imports;
}

wag_imports *wag_imports_new_getter(wag_imports_getter getter, void *context)
{
    return getter ? imports_new(getter, context, WAG_UNDEFINED) : NULL;
}

/* An object of another agent cannot be counted here, so it cannot be kept. */
static bool is_foreign(wag_value value)
{
    const wagi_object *object = wagi_value_object(value);
    return object && !wagi_is_owner(object);
}

wag_imports *wag_imports_from_value(wag_value value)
{
    return is_foreign(value) ? NULL : imports_new(NULL, NULL, wag_value_ref(value));
}

static bool is_mine(const wag_imports *imports)
{
    return imports && imports->agent == wagi_agent_peek();
}

static wag_err check(const wag_imports *imports)
{
    return !imports ? WAG_TYPE : is_mine(imports) ? WAG_OK : WAG_WRONG_AGENT;
}

wag_imports *wag_imports_ref(wag_imports *imports)
{
    if (is_mine(imports))
        imports->count++;
    return imports;
}

void wag_imports_unref(wag_imports *imports)
{
    if (is_mine(imports) && --imports->count == 0)
        wagi_imports_free(imports);
}

wag_err wag_imports_set_n(wag_imports *imports, wag_name module, wag_name field, wag_value value)
{
    wag_err err = is_foreign(value) ? WAG_WRONG_AGENT : check(imports);
    return err == WAG_OK ? wagi_imports_put(imports, module, field, wag_value_ref(value)) : err;
}

wag_err wag_imports_set(wag_imports *imports, const char *module, const char *field, wag_value value)
{
    if (!module || !field)
        return WAG_TYPE;
    return wag_imports_set_n(imports, (wag_name){module, strlen(module)}, (wag_name){field, strlen(field)}, value);
}

wag_err wag_imports_set_namespace_n(wag_imports *imports, wag_name module, wag_value value)
{
    wag_err err = is_foreign(value) ? WAG_WRONG_AGENT : check(imports);
    return err == WAG_OK ? wagi_imports_put_namespace(imports, module, wag_value_ref(value)) : err;
}

wag_err wag_imports_set_namespace(wag_imports *imports, const char *module, wag_value value)
{
    return module ? wag_imports_set_namespace_n(imports, (wag_name){module, strlen(module)}, value) : WAG_TYPE;
}

/* A function for a signature, or an untyped one. finalize has been called when there is none. */
static wag_err make_func(wag_agent *agent, const char *signature, wag_host_func func, void *context,
                         void (*finalize)(void *context), wag_func **ret_func)
{
    if (signature)
        return wag_func_new(signature, func, context, finalize, ret_func, NULL);
    wag_func *made = wagi_func_new(agent, NULL, func, context, finalize);
    if (made)
        *ret_func = made;
    else if (finalize)
        finalize(context);
    return made ? WAG_OK : WAG_NOMEM;
}

wag_err wag_imports_set_func(wag_imports *imports, const char *module, const char *field, const char *signature,
                             wag_host_func func, void *context, void (*finalize)(void *context))
{
    wag_err err = check(imports);
    if (err == WAG_OK && (!module || !field || !func))
        err = WAG_TYPE;
    if (err != WAG_OK) {
        if (finalize)
            finalize(context);
        return err;
    }
    wag_func *made = NULL;
    err = make_func(imports->agent, signature, func, context, finalize, &made);
    /* The value owns the function from here on, also when it cannot be put. */
    return err == WAG_OK ? wagi_imports_put(imports, (wag_name){module, strlen(module)},
                                            (wag_name){field, strlen(field)}, WAG_FUNC(made))
                         : err;
}

wag_err wag_imports_check(const wag_module *module, wag_imports *imports, wag_error ***ret_errors, size_t *ret_count)
{
    if (!module)
        return WAG_TYPE;
    if (!wag_agent_current())
        return WAG_NOMEM;
    wag_error **errors = NULL;
    size_t count = 0;
    wag_err err = wagi_imports_check(module, imports, &errors, &count);
    if (err != WAG_OK)
        return err;
    if (ret_count)
        *ret_count = count;
    if (ret_errors)
        *ret_errors = errors;
    else
        wag_error_list_free(errors, count);
    return WAG_OK;
}

void wag_error_list_free(wag_error **errors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wag_error_unref(errors[i]);
    wagi_free(errors);
}

/* waggle/coerce.h: calls, and what existing objects do with values. */
#include "runtime/coerce.h"

#include <string.h>

#include "api/check.h"
#include "base/alloc.h"

static wag_err fail_with(wag_err err, wag_error **reterr_error)
{
    return err == WAG_OK ? WAG_OK : wagi_fail(wagi_error_new(err, NULL), reterr_error);
}

static void give_value(wag_value value, wag_value *ret_value)
{
    if (ret_value)
        *ret_value = value;
    else
        wag_value_unref(value);
}

static void drop_vals(const wag_val *vals, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wag_val_unref(vals[i]);
}

/* vals are own. */
static wag_error *vals_of(wag_agent *agent, const wagi_valtype *types, uint32_t count, const wag_value *values,
                          size_t value_count, wag_val *vals)
{
    for (uint32_t i = 0; i < count; i++) {
        wag_error *error = wagi_to_wasm_value(agent, types[i], i < value_count ? values[i] : WAG_UNDEFINED, &vals[i]);
        if (error) {
            drop_vals(vals, i);
            return wagi_misfit_at(error, "argument", i);
        }
    }
    return NULL;
}

/* ---- calls ---- */

/* vals: own, and taken also on failure. */
static wag_error *result_of(wag_agent *agent, const wag_val *vals, uint32_t count, wag_value *ret_value)
{
    *ret_value = WAG_UNDEFINED;
    if (count == 0)
        return NULL;
    if (count == 1)
        return wagi_to_js_value(agent, vals[0], ret_value);
    wag_value array = wag_array();
    wag_error *error = array.kind == WAG_VALUE_ARRAY ? NULL : wagi_error_nomem();
    for (uint32_t i = 0; i < count; i++) {
        wag_value element = WAG_UNDEFINED;
        if (error) {
            wag_val_unref(vals[i]);
            continue;
        }
        error = wagi_to_js_value(agent, vals[i], &element);
        if (!error && wag_array_push(array, element) != WAG_OK)
            error = wagi_error_nomem();
    }
    if (error)
        wag_value_unref(array);
    else
        *ret_value = array;
    return error;
}

static wag_error *call_value(wag_func *func, const wag_value *args, size_t arg_count, wag_val *vals,
                             wag_value *ret_value)
{
    wag_agent *agent = func->object.unit->agent;
    const wagi_type *type = func->type;
    wag_error *error = vals_of(agent, type->params, type->param_count, args, arg_count, vals);
    if (error)
        return error;
    wag_val *results = vals + type->param_count;
    wag_err err = wagi_call_vals(func, vals, type->param_count, results, type->result_count, &error);
    drop_vals(vals, type->param_count);
    return err == WAG_OK ? result_of(agent, results, type->result_count, ret_value) : error;
}

static bool never_crosses(const wagi_registry *registry, const wagi_type *type)
{
    bool never = false;
    for (uint32_t i = 0; i < type->param_count; i++)
        never |= wagi_never_crosses(registry, type->params[i]);
    for (uint32_t i = 0; i < type->result_count; i++)
        never |= wagi_never_crosses(registry, type->results[i]);
    return never;
}

wag_err wag_call_value(wag_func *func, const wag_value *args, size_t arg_count, wag_value *ret_value,
                       wag_error **reterr_error)
{
    if (!wagi_mine((const wagi_object *)func))
        return wagi_fail(wagi_error_handle(func, "function"), reterr_error);
    if (arg_count && !args)
        return wagi_fail(wagi_error_new(WAG_TYPE, "the array of arguments is NULL"), reterr_error);
    const wagi_type *type = func->type;
    if (!type)
        return wagi_fail(wagi_error_new(WAG_TYPE, "the function has no type before it is imported"), reterr_error);
    if (never_crosses(func->object.unit->agent->cluster->registry, type))
        return wagi_fail(wagi_error_new(WAG_TYPE, "a signature with v128 or exnref cannot be called with values"),
                         reterr_error);
    wag_val small[16], *vals = small;
    size_t count = (size_t)type->param_count + type->result_count;
    if (count > sizeof small / sizeof *small && !(vals = wagi_alloc(count * sizeof *vals)))
        return wagi_fail(wagi_error_nomem(), reterr_error);
    wagi_unit_hold(func->object.unit); /* the callee may drop what our caller has */
    wag_value result = WAG_UNDEFINED;
    wag_error *error = call_value(func, args, arg_count, vals, &result);
    wagi_unit_release(func->object.unit);
    if (vals != small)
        wagi_free(vals);
    if (error)
        return wagi_fail(error, reterr_error);
    give_value(result, ret_value);
    return WAG_OK;
}

wag_err wag_func_new_value(const char *signature, wag_host_value_func func, void *context,
                           void (*finalize)(void *context), wag_func **ret_func, wag_error **reterr_error)
{
    wag_agent *agent = wag_agent_current();
    const wagi_type *type = NULL;
    wag_func *made = NULL;
    wag_err err = WAG_NOMEM;
    if (!agent)
        wagi_fail(wagi_error_nomem(), reterr_error);
    else if (!signature || !func)
        err = wagi_fail(wagi_error_new(WAG_TYPE, "a function needs a signature and something to call"), reterr_error);
    else
        err = wagi_signature_parse(agent, signature, &type, reterr_error);
    if (err == WAG_OK) {
        made = wagi_func_new_value(agent, type, func, context, finalize);
        if (!made)
            err = wagi_fail(wagi_error_nomem(), reterr_error);
    }
    if (made)
        WAGI_GIVE(made, ret_func);
    else if (finalize)
        finalize(context);
    return err;
}

wag_err wag_imports_set_func_value(wag_imports *imports, const char *module, const char *field,
                                   wag_host_value_func func, void *context, void (*finalize)(void *context))
{
    wag_agent *agent = wag_agent_current();
    wag_func *made =
        agent && module && field && func ? wagi_func_new_value(agent, NULL, func, context, finalize) : NULL;
    if (!made) {
        if (finalize)
            finalize(context);
        return module && field && func ? WAG_NOMEM : WAG_TYPE;
    }
    wag_err err = wag_imports_set(imports, module, field, WAG_FUNC(made));
    wag_func_unref(made);
    return err;
}

/* ---- global ---- */

wag_err wag_global_get_value(const wag_global *global, wag_value *ret_value, wag_error **reterr_error)
{
    wag_val val;
    wag_err err = wag_global_get(global, &val);
    if (err == WAG_TYPE && global)
        return wagi_fail(wagi_error_new(WAG_TYPE, "the global's type does not cross to the host"), reterr_error);
    if (err != WAG_OK)
        return fail_with(err, reterr_error);
    wag_value value = WAG_UNDEFINED;
    wag_error *error = wagi_to_js_value(global->object.unit->agent, val, &value);
    if (error)
        return wagi_fail(error, reterr_error);
    give_value(value, ret_value);
    return WAG_OK;
}

wag_err wag_global_set_value(wag_global *global, wag_value value, wag_error **reterr_error)
{
    if (!wagi_mine((const wagi_object *)global))
        return wagi_fail(wagi_error_handle(global, "global"), reterr_error);
    if (!global->type.is_mutable)
        return wagi_fail(wagi_error_new(WAG_TYPE, "the global is constant"), reterr_error);
    wag_val val;
    wag_error *error = wagi_to_wasm_value(global->object.unit->agent, global->type.content, value, &val);
    if (error)
        return wagi_fail(error, reterr_error);
    wag_err err = wag_global_set(global, val);
    wag_val_unref(val);
    return fail_with(err, reterr_error);
}

/* ---- table ---- */

wag_err wag_table_get_value(const wag_table *table, uint64_t index, wag_value *ret_value, wag_error **reterr_error)
{
    wag_val val;
    wag_err err = wag_table_get(table, index, &val);
    if (err != WAG_OK)
        return fail_with(err, reterr_error);
    wag_value value = WAG_UNDEFINED;
    wag_error *error = wagi_to_js_value(table->object.unit->agent, val, &value);
    if (error)
        return wagi_fail(error, reterr_error);
    give_value(value, ret_value);
    return WAG_OK;
}

static wag_error *element_of(const wag_table *table, wag_value value, wag_val *ret_val)
{
    wag_agent *agent = table->object.unit->agent;
    if (value.kind == WAG_VALUE_UNDEFINED)
        return wagi_default_value(agent, table->type.element, ret_val);
    return wagi_to_wasm_value(agent, table->type.element, value, ret_val);
}

wag_err wag_table_set_value(wag_table *table, uint64_t index, wag_value value, wag_error **reterr_error)
{
    if (!wagi_mine((const wagi_object *)table))
        return wagi_fail(wagi_error_handle(table, "table"), reterr_error);
    wag_val val;
    wag_error *error = element_of(table, value, &val);
    if (error)
        return wagi_fail(error, reterr_error);
    wag_err err = wag_table_set(table, index, val);
    wag_val_unref(val);
    return fail_with(err, reterr_error);
}

wag_err wag_table_grow_value(wag_table *table, uint64_t delta, wag_value value, uint64_t *ret_old_size,
                             wag_error **reterr_error)
{
    if (!wagi_mine((const wagi_object *)table))
        return wagi_fail(wagi_error_handle(table, "table"), reterr_error);
    wag_val val;
    wag_error *error = element_of(table, value, &val);
    if (error)
        return wagi_fail(error, reterr_error);
    wag_err err = wag_table_grow(table, delta, val, ret_old_size);
    wag_val_unref(val);
    return fail_with(err, reterr_error);
}

/* ---- exception ---- */

wag_err wag_exception_new_value(wag_tag *tag, wag_value payload, wag_exception **ret_exception,
                                wag_error **reterr_error)
{
    if (!wagi_mine((const wagi_object *)tag))
        return wagi_fail(wagi_error_handle(tag, "tag"), reterr_error);
    size_t size = wag_value_size(payload);
    if (payload.kind != WAG_VALUE_ARRAY && payload.kind != WAG_VALUE_UNDEFINED)
        return wagi_fail(wagi_error_new(WAG_TYPE, "the payload is %s, not an array", wag_value_kind_name(payload.kind)),
                         reterr_error);
    uint32_t count = tag->type->param_count;
    wag_val *vals = wagi_alloc((count + (size_t)1) * sizeof *vals);
    if (!vals)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    wag_error *error = NULL;
    uint32_t done = 0;
    if (size != count)
        error = wagi_error_new(WAG_TYPE, "the tag takes %u values, not %zu", (unsigned)count, size);
    for (; !error && done < count; done += !error)
        error = wagi_misfit_at(wagi_to_wasm_value(tag->object.unit->agent, tag->type->params[done],
                                                  wag_array_at(payload, done), &vals[done]),
                               "argument", done);
    wag_err err =
        error ? wagi_fail(error, reterr_error) : wag_exception_new(tag, vals, count, ret_exception, reterr_error);
    drop_vals(vals, done);
    wagi_free(vals);
    return err;
}

wag_err wag_exception_arg_value(const wag_exception *exception, const wag_tag *tag, size_t index, wag_value *ret_value,
                                wag_error **reterr_error)
{
    wag_val val;
    wag_err err = wag_exception_arg(exception, tag, index, &val);
    if (err != WAG_OK)
        return fail_with(err, reterr_error);
    wag_value value = WAG_UNDEFINED;
    wag_error *error = wagi_to_js_value(exception->object.unit->agent, val, &value);
    if (error)
        return wagi_fail(error, reterr_error);
    give_value(value, ret_value);
    return WAG_OK;
}

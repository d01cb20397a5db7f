/* waggle/instance.h: functions. Checks, then one call inward. */
#include "api/check.h"
#include "runtime/store.h"

wag_err wag_func_new(const char *signature, wag_host_func func, void *context, void (*finalize)(void *context),
                     wag_func **ret_func, wag_error **reterr_error)
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
        made = wagi_func_new(agent, type, func, context, finalize);
        if (!made)
            err = wagi_fail(wagi_error_nomem(), reterr_error);
    }
    if (made)
        WAGI_GIVE(made, ret_func);
    else if (finalize)
        finalize(context);
    return err;
}

wag_func *wag_func_ref(wag_func *func)
{
    wagi_handle_ref((const wagi_object *)func);
    return func;
}

void wag_func_unref(wag_func *func)
{
    wagi_handle_unref((const wagi_object *)func);
}

bool wag_func_index(const wag_func *func, uint32_t *ret_index)
{
    if (!wagi_mine((const wagi_object *)func) || !func->body)
        return false;
    if (ret_index)
        *ret_index = func->body->func_index;
    return true;
}

/* NULL without type (object.h) or when the function is another agent's. */
static const wagi_type *type_of(const wag_func *func)
{
    return wagi_mine((const wagi_object *)func) ? func->type : NULL;
}

size_t wag_func_param_count(const wag_func *func)
{
    const wagi_type *type = type_of(func);
    return type ? type->param_count : 0;
}

size_t wag_func_result_count(const wag_func *func)
{
    const wagi_type *type = type_of(func);
    return type ? type->result_count : 0;
}

wag_val_kind wag_func_param_kind(const wag_func *func, size_t index)
{
    const wagi_type *type = type_of(func);
    if (!type || index >= type->param_count)
        return WAG_I32;
    return wagi_val_kind_of(func->object.unit->agent->cluster->registry, type->params[index]);
}

wag_val_kind wag_func_result_kind(const wag_func *func, size_t index)
{
    const wagi_type *type = type_of(func);
    if (!type || index >= type->result_count)
        return WAG_I32;
    return wagi_val_kind_of(func->object.unit->agent->cluster->registry, type->results[index]);
}

/* Out of line, so that wag_call needs no frame. */
static WAGI_COLD wag_err not_mine(const wag_func *func, wag_error **reterr_error)
{
    return wagi_fail(wagi_error_handle(func, "function"), reterr_error);
}

wag_err wag_call(wag_func *func, const wag_val *args, size_t arg_count, wag_val *results, size_t result_count,
                 wag_error **reterr_error)
{
    if (!wagi_mine((const wagi_object *)func))
        return not_mine(func, reterr_error);
    const wagi_func_body *body = func->body;
    if (!body || !body->enter)
        return wagi_call_vals(func, args, arg_count, results, result_count, reterr_error);
    int err = body->enter(func, args, arg_count, results, result_count, reterr_error);
    return err == WAGI_ENTER_FAILED ? wagi_enter_failed(func, results, reterr_error) : (wag_err)err;
}

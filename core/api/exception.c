/* waggle/instance.h: exceptions. Checks, then one call inward. */
#include "api/check.h"
#include "base/alloc.h"
#include "runtime/store.h"

static wagi_gc_exception *inner(const wag_exception *exception)
{
    return (wagi_gc_exception *)(uintptr_t)exception->slot;
}

/* args: a slot each, two for v128. Marks what enters. */
static wag_error *read_args(const wagi_registry *registry, const wagi_type *type, const wag_val *args, wagi_slot *slots)
{
    for (uint32_t i = 0; i < type->param_count; i++) {
        wag_err err = wagi_val_to_slot(registry, type->params[i], args[i], NULL, slots);
        if (err != WAG_OK)
            return wagi_val_misfit(err, registry, type->params[i], &args[i], "argument", i);
        slots += type->params[i] == WAGI_V128 ? 2 : 1;
    }
    return NULL;
}

static wag_error *make(wag_tag *tag, const wag_val *args, wag_exception **ret_exception)
{
    wag_agent *agent = tag->object.unit->agent;
    wagi_slot *slots = wagi_alloc_zero(wagi_exception_slots(tag->type) + 1, sizeof *slots), slot = 0;
    if (!slots)
        return wagi_error_nomem();
    wag_error *error = read_args(agent->cluster->registry, tag->type, args, slots);
    wag_err err = error ? WAG_OK : wagi_exception_make(agent, tag, slots, NULL, &slot);
    wagi_free(slots);
    if (err != WAG_OK)
        error = wagi_error_new(err, NULL);
    if (error)
        return error;
    *ret_exception = (wag_exception *)wagi_proxy_get(agent, WAGI_OBJECT_EXCEPTION, slot);
    return *ret_exception ? NULL : wagi_error_nomem();
}

wag_err wag_exception_new(wag_tag *tag, const wag_val *args, size_t arg_count, wag_exception **ret_exception,
                          wag_error **reterr_error)
{
    if (!wagi_mine((const wagi_object *)tag))
        return wagi_fail(wagi_error_handle(tag, "tag"), reterr_error);
    if (!ret_exception)
        return wagi_fail(wagi_error_new(WAG_TYPE, "an exception needs somebody who keeps it"), reterr_error);
    if (tag == tag->object.unit->agent->js_tag)
        return wagi_fail(wagi_error_new(WAG_TYPE, "an exception cannot be made of the JSTag"), reterr_error);
    if (arg_count != tag->type->param_count || (arg_count && !args))
        return wagi_fail(wagi_error_new(WAG_TYPE, "the tag takes %u arguments, not %zu",
                                        (unsigned)tag->type->param_count, args ? arg_count : 0),
                         reterr_error);
    wag_exception *exception = NULL;
    wag_error *error = make(tag, args, &exception);
    if (error)
        return wagi_fail(error, reterr_error);
    *ret_exception = exception;
    return WAG_OK;
}

wag_exception *wag_exception_ref(wag_exception *exception)
{
    wagi_handle_ref((const wagi_object *)exception);
    return exception;
}

void wag_exception_unref(wag_exception *exception)
{
    wagi_handle_unref((const wagi_object *)exception);
}

wag_tag *wag_exception_tag(const wag_exception *exception)
{
    return wagi_mine((const wagi_object *)exception) ? inner(exception)->tag : NULL;
}

bool wag_exception_is(const wag_exception *exception, const wag_tag *tag)
{
    return tag && wag_exception_tag(exception) == tag;
}

wag_err wag_exception_arg(const wag_exception *exception, const wag_tag *tag, size_t index, wag_val *ret_value)
{
    wag_err err = wagi_mine_err((const wagi_object *)exception);
    if (err != WAG_OK)
        return err;
    if (!wag_exception_is(exception, tag))
        return WAG_TYPE;
    const wagi_type *type = tag->type;
    if (index >= type->param_count)
        return WAG_RANGE;
    const wagi_slot *slot = inner(exception)->args;
    for (size_t i = 0; i < index; i++)
        slot += type->params[i] == WAGI_V128 ? 2 : 1;
    if (!ret_value)
        return WAG_OK;
    return wagi_slot_to_val(exception->object.unit->agent, type->params[index], slot, ret_value) ? WAG_OK : WAG_NOMEM;
}

wag_error *wag_exception_error(wag_exception *exception)
{
    if (!wagi_mine((const wagi_object *)exception))
        return wagi_error_handle(exception, "exception");
    return wagi_exception_error(exception->object.unit->agent, exception->slot);
}

wag_exception *wag_error_exception(const wag_error *error)
{
    return wagi_error_proxy(wagi_agent_peek(), error);
}

wag_tag *wag_tag_js(void)
{
    wag_agent *agent = wag_agent_current();
    wag_tag *tag = agent ? wagi_js_tag(agent) : NULL;
    if (tag)
        wagi_unit_hold(tag->object.unit);
    return tag;
}

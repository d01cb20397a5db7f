/* ToWebAssemblyValue, ToJSValue and DefaultValue of the JS API. */
#include "runtime/coerce.h"

#include <math.h>

bool wagi_never_crosses(const wagi_registry *registry, wagi_valtype type)
{
    return type == WAGI_V128 || (wagi_is_ref(type) && wagi_heap_top(registry, type) == WAGI_HEAP_EXN);
}

static wag_error *misfit(const wag_agent *agent, wagi_valtype type, wag_value value)
{
    char text[160];
    wagi_valtype_text(WAGI_BY_STRUCTURE(agent->cluster->registry), type, text, sizeof text);
    return wagi_error_new(WAG_TYPE, "wanted %s, not %s", text, wag_value_kind_name(value.kind));
}

wag_error *wagi_misfit_at(wag_error *error, const char *what, size_t index)
{
    if (!error || wag_error_code(error) != WAG_TYPE)
        return error;
    wag_error *placed = wagi_error_new(WAG_TYPE, "%s %zu: %s", what, index, wag_error_message(error));
    wag_error_unref(error);
    return placed;
}

/* A value as a reference into the any hierarchy. ret_any: own; NULL without memory. */
static wag_any *to_any(wag_agent *agent, wag_value value)
{
    double number = value.kind == WAG_VALUE_NUMBER ? value.of.number : NAN;
    if (number >= -(1 << 30) && number < 1 << 30 && number == trunc(number))
        return (wag_any *)wagi_proxy_get(agent, WAGI_OBJECT_ANY, wagi_i31_of((uint32_t)(int32_t)number));
    if (value.kind == WAG_VALUE_ANY) {
        wagi_unit_hold(value.of.any->object.unit);
        return value.of.any;
    }
    wag_extern *ext = NULL;
    if (value.kind == WAG_VALUE_EXTERN) {
        ext = value.of.ext;
        wagi_unit_hold(ext->object.unit);
    } else {
        ext = wagi_extern_wrap(agent, value);
    }
    if (!ext)
        return NULL;
    wagi_slot slot = ext->slot ? ext->slot : (wagi_slot)(uintptr_t)ext;
    wag_any *any = (wag_any *)wagi_proxy_get(agent, WAGI_OBJECT_ANY, slot);
    wagi_unit_drop(ext->object.unit);
    return any;
}

/* A value as externref. What is no small number and no object of the heap is a host value. ret_ext: own. */
static wag_extern *to_extern(wag_agent *agent, wag_value value)
{
    if (value.kind == WAG_VALUE_EXTERN) {
        wagi_unit_hold(value.of.ext->object.unit);
        return value.of.ext;
    }
    if (value.kind != WAG_VALUE_NUMBER && value.kind != WAG_VALUE_ANY)
        return wagi_extern_wrap(agent, value);
    wag_any *any = to_any(agent, value);
    if (!any)
        return NULL;
    wagi_object *inner = wagi_is_i31(any->slot) || wagi_slot_object(any->slot)
                             ? wagi_proxy_get(agent, WAGI_OBJECT_EXTERN, any->slot)
                             : (wagi_object *)(uintptr_t)any->slot;
    if (inner && inner == (wagi_object *)(uintptr_t)any->slot)
        wagi_unit_hold(inner->unit);
    wagi_unit_drop(any->object.unit);
    return (wag_extern *)inner;
}

static wag_error *to_reference(wag_agent *agent, wagi_valtype type, wag_value value, wag_val *val)
{
    const wagi_object *object = wagi_value_object(value);
    if (object && object->unit->agent != agent)
        return wagi_error_new(WAG_WRONG_AGENT, NULL);
    if (value.kind == WAG_VALUE_NULL) {
        val->of.any = NULL;
        return wagi_is_nullable(type) ? NULL : misfit(agent, type, value);
    }
    if (val->kind == WAG_FUNCREF) {
        if (value.kind != WAG_VALUE_FUNC)
            return misfit(agent, type, value);
        val->of.func = value.of.func;
        wagi_unit_hold(object->unit);
    } else if (val->kind == WAG_EXTERNREF) {
        val->of.ext = to_extern(agent, value);
    } else {
        val->of.any = to_any(agent, value);
    }
    if (!val->of.any)
        return wagi_error_nomem();
    /* Does it match a type below the top of its hierarchy? The conversion to a slot knows. */
    wagi_slot slot = 0;
    wag_err err = wagi_val_to_slot(agent->cluster->registry, type, *val, NULL, &slot);
    if (err == WAG_OK)
        return NULL;
    wagi_unit_drop(wagi_val_unit(val));
    return err == WAG_TYPE ? misfit(agent, type, value) : wagi_error_new(err, NULL);
}

wag_error *wagi_to_wasm_value(wag_agent *agent, wagi_valtype type, wag_value value, wag_val *ret_val)
{
    wag_val val = {.kind = wagi_val_kind_of(agent->cluster->registry, type)};
    double number = 0;
    wag_error *error = NULL;
    switch (val.kind) {
    case WAG_I32:
        error = wagi_to_number(value, &number);
        val.of.i32 = wagi_to_int32(number);
        break;
    case WAG_I64:
        error = wagi_to_bigint64(value, &val.of.i64);
        break;
    case WAG_F32:
        error = wagi_to_number(value, &number);
        val.of.f32 = (float)number;
        break;
    case WAG_F64:
        error = wagi_to_number(value, &val.of.f64);
        break;
    case WAG_V128:
    case WAG_EXNREF:
        return wagi_error_new(WAG_TYPE, "%s does not cross to the host as a value", wag_val_kind_name(val.kind));
    default:
        error = to_reference(agent, type, value, &val);
    }
    if (!error)
        *ret_val = val;
    return error;
}

/* val: own, and so is what comes back. */
static wag_error *extern_to_js(wag_agent *agent, wag_extern *ext, wag_value *ret_value)
{
    wag_value value = WAG_EXTERN(ext);
    if (!ext->slot) {
        const wag_value *wrapped = wagi_extern_value(ext);
        if (wrapped) {
            value = wag_value_ref(*wrapped);
            wagi_unit_release(ext->object.unit);
        }
        *ret_value = value;
        return NULL;
    }
    if (wagi_is_i31(ext->slot)) {
        value = WAG_NUMBER((double)(int32_t)wagi_i31_s(ext->slot));
    } else {
        value = WAG_ANY((wag_any *)wagi_proxy_get(agent, WAGI_OBJECT_ANY, ext->slot));
        if (!value.of.any)
            return wagi_unit_release(ext->object.unit), wagi_error_nomem();
    }
    wagi_unit_release(ext->object.unit);
    *ret_value = value;
    return NULL;
}

static wag_error *any_to_js(wag_agent *agent, wag_any *any, wag_value *ret_value)
{
    if (wagi_is_i31(any->slot)) {
        *ret_value = WAG_NUMBER((double)(int32_t)wagi_i31_s(any->slot));
    } else if (wagi_slot_object(any->slot)) {
        *ret_value = WAG_ANY(any);
        return NULL;
    } else {
        wag_extern *ext = (wag_extern *)(uintptr_t)any->slot;
        wagi_unit_hold(ext->object.unit);
        wagi_unit_release(any->object.unit);
        return extern_to_js(agent, ext, ret_value);
    }
    wagi_unit_release(any->object.unit);
    return NULL;
}

wag_error *wagi_to_js_value(wag_agent *agent, wag_val val, wag_value *ret_value)
{
    switch (val.kind) {
    case WAG_I32:
        *ret_value = WAG_NUMBER(val.of.i32);
        return NULL;
    case WAG_I64:
        *ret_value = WAG_BIGINT(val.of.i64);
        return NULL;
    case WAG_F32:
        *ret_value = WAG_NUMBER((double)val.of.f32);
        return NULL;
    case WAG_F64:
        *ret_value = WAG_NUMBER(val.of.f64);
        return NULL;
    case WAG_V128:
    case WAG_EXNREF:
        if (wagi_val_unit(&val))
            wagi_unit_release(wagi_val_unit(&val));
        return wagi_error_new(WAG_TYPE, "%s does not cross to the host as a value", wag_val_kind_name(val.kind));
    default:
        break;
    }
    if (!val.of.any) {
        *ret_value = WAG_NULL;
        return NULL;
    }
    if (val.kind == WAG_EXTERNREF)
        return extern_to_js(agent, val.of.ext, ret_value);
    if (val.kind == WAG_ANYREF)
        return any_to_js(agent, val.of.any, ret_value);
    *ret_value = WAG_FUNC(val.of.func);
    return NULL;
}

wag_error *wagi_default_value(wag_agent *agent, wagi_valtype type, wag_val *ret_val)
{
    wag_val_kind kind = wagi_val_kind_of(agent->cluster->registry, type);
    if (kind == WAG_EXTERNREF)
        return wagi_to_wasm_value(agent, type, WAG_UNDEFINED, ret_val);
    if (wagi_is_ref(type) && !wagi_is_nullable(type))
        return misfit(agent, type, WAG_UNDEFINED);
    *ret_val = (wag_val){.kind = kind}; /* zero, or null */
    return NULL;
}

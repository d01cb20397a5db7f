/* wasm.h: values, and how references become values of wasm and come back. */
#include <string.h>

#include "api/wasm_api.h"
#include "base/alloc.h"

bool wagi_wasm_can_pass(wag_val_kind kind)
{
    return kind <= WAG_F64 || kind == WAG_FUNCREF || kind == WAG_EXTERNREF;
}

wasm_valkind_t wagi_wasm_kind(wag_val_kind kind)
{
    switch (kind) {
    case WAG_I32:
        return WASM_I32;
    case WAG_I64:
        return WASM_I64;
    case WAG_F32:
        return WASM_F32;
    case WAG_F64:
        return WASM_F64;
    case WAG_V128:
        return WAGI_WASM_V128;
    case WAG_FUNCREF:
        return WASM_FUNCREF;
    case WAG_ANYREF:
        return WAGI_WASM_ANYREF;
    case WAG_EXNREF:
        return WAGI_WASM_EXNREF;
    case WAG_EXTERNREF:
        break;
    }
    return WASM_EXTERNREF;
}

static wag_value value_of(wagi_object *object)
{
    switch ((wagi_object_kind)object->kind) {
    case WAGI_OBJECT_FUNC:
        return WAG_FUNC((wag_func *)object);
    case WAGI_OBJECT_TABLE:
        return WAG_TABLE((wag_table *)object);
    case WAGI_OBJECT_MEMORY:
        return WAG_MEMORY((wag_memory *)object);
    case WAGI_OBJECT_GLOBAL:
        return WAG_GLOBAL((wag_global *)object);
    case WAGI_OBJECT_TAG:
        return WAG_TAG((wag_tag *)object);
    case WAGI_OBJECT_INSTANCE:
        return WAG_INSTANCE((wag_instance *)object);
    default:
        return WAG_UNDEFINED;
    }
}

/* own */
static wag_extern *extern_of(wag_agent *agent, wagi_object *object)
{
    if (wagi_wasm_wrapper_of(object)) {
        wag_extern *ext = wagi_extern_new(agent, object, wagi_wasm_ref_delete);
        if (ext)
            wagi_wasm_ref_copy(object);
        return ext;
    }
    if (object->kind == WAGI_OBJECT_EXTERN)
        return wagi_wasm_ref_copy(object);
    return wagi_extern_wrap(agent, value_of(object));
}

wag_err wagi_wasm_ref_in(wag_agent *agent, const wasm_ref_t *ref, wag_val_kind kind, wag_val *ret_val)
{
    wagi_object *object = (wagi_object *)(uintptr_t)ref;
    wag_val val = {.kind = kind};
    if (kind != WAG_FUNCREF && kind != WAG_EXTERNREF)
        return WAG_TYPE;
    if (object && object->unit && !wagi_is_owner(object))
        return WAG_WRONG_AGENT;
    if (object && kind == WAG_FUNCREF) {
        if (object->kind != WAGI_OBJECT_FUNC)
            return WAG_TYPE;
        val.of.func = wagi_wasm_ref_copy(object);
    } else if (object && !(val.of.ext = extern_of(agent, object))) {
        return WAG_NOMEM;
    }
    *ret_val = val;
    return WAG_OK;
}

wag_err wagi_wasm_val_in(wag_agent *agent, const wasm_val_t *val, wag_val_kind kind, wag_val *ret_val)
{
    if (kind == WAG_FUNCREF || kind == WAG_EXTERNREF) /* any reference: WASM_REF_VAL says externref of all */
        return wasm_valkind_is_ref(val->kind) ? wagi_wasm_ref_in(agent, val->of.ref, kind, ret_val) : WAG_TYPE;
    if (val->kind != wagi_wasm_kind(kind))
        return WAG_TYPE;
    switch (kind) {
    case WAG_I32:
        *ret_val = WAG_VAL_I32(val->of.i32);
        return WAG_OK;
    case WAG_I64:
        *ret_val = WAG_VAL_I64(val->of.i64);
        return WAG_OK;
    case WAG_F32: /* its bits: a NaN keeps them */
    case WAG_F64:
        ret_val->kind = kind;
        memcpy(&ret_val->of, &val->of, sizeof val->of);
        return WAG_OK;
    default:
        return WAG_TYPE;
    }
}

/* What an externref stands for. ext: own. Gives own. */
static wasm_ref_t *unpack(wag_extern *ext)
{
    const wag_value *value = wagi_extern_value(ext);
    wagi_object *object = value ? wagi_value_object(*value) : NULL;
    if (!object && ext->finalize == wagi_wasm_ref_delete)
        object = ext->host;
    if (!object)
        return (wasm_ref_t *)ext;
    wasm_ref_t *ref = wagi_wasm_ref_copy(object);
    wag_extern_unref(ext);
    return ref;
}

void wagi_wasm_val_out(wag_val val, wasm_val_t *ret_val)
{
    ret_val->kind = wagi_wasm_kind(val.kind);
    if (val.kind == WAG_FUNCREF)
        ret_val->of.ref = (wasm_ref_t *)val.of.func;
    else if (val.kind == WAG_EXTERNREF)
        ret_val->of.ref = val.of.ext ? unpack(val.of.ext) : NULL;
    else
        memcpy(&ret_val->of, &val.of, sizeof ret_val->of);
}

void wasm_val_delete(wasm_val_t *val)
{
    if (!wasm_valkind_is_ref(val->kind))
        return;
    wasm_ref_delete(val->of.ref);
    val->of.ref = NULL;
}

static bool val_copy(wasm_val_t *to, const wasm_val_t *from)
{
    *to = *from;
    if (!wasm_valkind_is_ref(from->kind) || !from->of.ref)
        return true;
    to->of.ref = wasm_ref_copy(from->of.ref);
    return to->of.ref != NULL;
}

void wasm_val_copy(wasm_val_t *out, const wasm_val_t *val)
{
    val_copy(out, val);
}

WAGI_WASM_VEC(val, wasm_val_t, val_copy, wasm_val_delete)

/* Host references, and values that become externrefs when they are given to an import of that type. */
#include "base/alloc.h"
#include "runtime/store.h"

wag_extern *wagi_extern_new(wag_agent *agent, void *host, void (*finalize)(void *host))
{
    wag_extern *ext = wagi_object_new(agent, WAGI_OBJECT_EXTERN, sizeof *ext);
    if (ext) {
        ext->host = host;
        ext->finalize = finalize;
    }
    return ext;
}

wagi_object *wagi_value_object(wag_value value)
{
    switch (value.kind) {
    case WAG_VALUE_INSTANCE:
        return (wagi_object *)value.of.instance;
    case WAG_VALUE_FUNC:
        return (wagi_object *)value.of.func;
    case WAG_VALUE_MEMORY:
        return (wagi_object *)value.of.memory;
    case WAG_VALUE_TABLE:
        return (wagi_object *)value.of.table;
    case WAG_VALUE_GLOBAL:
        return (wagi_object *)value.of.global;
    case WAG_VALUE_TAG:
        return (wagi_object *)value.of.tag;
    case WAG_VALUE_EXTERN:
        return (wagi_object *)value.of.ext;
    case WAG_VALUE_ANY:
        return (wagi_object *)value.of.any;
    case WAG_VALUE_EXCEPTION:
        return (wagi_object *)value.of.exception;
    case WAG_VALUE_BUFFER:
        return (wagi_object *)value.of.buffer;
    case WAG_VALUE_PORT:
        return (wagi_object *)value.of.port; /* it begins with one (ipc/port.h) */
    default:
        return NULL;
    }
}

static void free_counted(void *host)
{
    wag_value_unref(*(wag_value *)host);
    wagi_free(host);
}

const wag_value *wagi_extern_value(const wag_extern *ext)
{
    return ext->held || ext->finalize == free_counted ? ext->host : NULL;
}

wag_extern *wagi_extern_wrap(wag_agent *agent, wag_value value)
{
    wag_value *copy = WAGI_NEW(wag_value);
    if (!copy)
        return NULL;
    wagi_object *object = wagi_value_object(value);
    /* A store object is held by a strong reference, which the collector sees, not by a handle: so that an instance
     * which holds a reference to itself can be freed. */
    wag_extern *ext = wagi_extern_new(agent, copy, object ? wagi_free : free_counted);
    if (!ext) {
        wagi_free(copy);
        return NULL;
    }
    *copy = value;
    if (object) {
        ext->held = object->unit;
        wagi_unit_ref(ext->held);
    } else {
        wag_value_ref(value);
    }
    return ext;
}

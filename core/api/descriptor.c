/* waggle/coerce.h: the JS API's constructors, which take descriptors. */
#include <math.h>
#include <string.h>

#include "api/check.h"
#include "base/alloc.h"
#include "runtime/coerce.h"

/* Web IDL: a dictionary is an object; undefined and null are the empty one. */
static wag_error *check_descriptor(wag_value descriptor)
{
    if (descriptor.kind == WAG_VALUE_MAP)
        return NULL;
    return wagi_error_new(WAG_TYPE, "the descriptor is %s, not an object", wag_value_kind_name(descriptor.kind));
}

/* Web IDL [EnforceRange] unsigned integers: up to `most`. Numbers, or bigints where the address type is i64. */
static wag_error *enforce_range(const char *name, wag_value value, bool is_64, uint64_t *ret_number)
{
    double number = 0;
    if (is_64) {
        int64_t bigint = 0;
        wag_error *error = wagi_to_bigint64(value, &bigint);
        if (!error && value.kind == WAG_VALUE_BIGINT && bigint < 0) /* this layer's bigints are signed 64 bits */
            error = wagi_error_new(WAG_TYPE, "%s is negative", name);
        *ret_number = (uint64_t)bigint;
        return error;
    }
    wag_error *error = wagi_to_number(value, &number);
    if (error)
        return error;
    number = trunc(number);
    if (!(number >= 0 && number <= UINT32_MAX))
        return wagi_error_new(WAG_TYPE, "%s is not in the range of 32 bits", name);
    *ret_number = (uint64_t)number;
    return NULL;
}

typedef struct sizes {
    bool is_64, has_maximum;
    uint64_t initial, maximum;
} sizes;

static bool text_is(wag_value value, const char *text)
{
    wag_name given = wag_value_text(value);
    return value.kind == WAG_VALUE_STRING && given.size == strlen(text) && memcmp(given.data, text, given.size) == 0;
}

/* address, initial and maximum, in the order in which Web IDL and the constructors read them. */
static wag_error *read_sizes(wag_value descriptor, sizes *ret_sizes)
{
    sizes sizes = {.maximum = UINT64_MAX};
    wag_value address = wag_map_get(descriptor, "address"), initial = wag_map_get(descriptor, "initial"),
              maximum = wag_map_get(descriptor, "maximum");
    sizes.is_64 = text_is(address, "i64");
    if (address.kind != WAG_VALUE_UNDEFINED && !sizes.is_64 && !text_is(address, "i32"))
        return wagi_error_new(WAG_TYPE, "address is neither \"i32\" nor \"i64\"");
    if (initial.kind == WAG_VALUE_UNDEFINED)
        return wagi_error_new(WAG_TYPE, "the descriptor has no initial");
    wag_error *error = enforce_range("initial", initial, sizes.is_64, &sizes.initial);
    if (!error && maximum.kind != WAG_VALUE_UNDEFINED) {
        sizes.has_maximum = true;
        error = enforce_range("maximum", maximum, sizes.is_64, &sizes.maximum);
    }
    if (!error && sizes.has_maximum && sizes.maximum < sizes.initial)
        error = wagi_error_new(WAG_RANGE, "maximum is below initial");
    if (!error)
        *ret_sizes = sizes;
    return error;
}

static wagi_limits_type limits_of(const sizes *sizes)
{
    return (wagi_limits_type){
        .minimum = sizes->initial, .maximum = sizes->maximum, .has_maximum = sizes->has_maximum, .is_64 = sizes->is_64};
}

/* ValueType of the JS API; is_reference: TableKind. */
static wag_error *read_type(const char *name, wag_value value, bool is_reference, wagi_valtype *ret_type)
{
    if (value.kind == WAG_VALUE_UNDEFINED)
        return wagi_error_new(WAG_TYPE, "the descriptor has no %s", name);
    wag_name text = text_is(value, "anyfunc") ? WAG_NAME("funcref") : wag_value_text(value);
    if (value.kind != WAG_VALUE_STRING || !wagi_type_word(text, ret_type) || (is_reference && !wagi_is_ref(*ret_type)))
        return wagi_error_new(WAG_TYPE, "%s is not the name of a %s type", name, is_reference ? "reference" : "value");
    return NULL;
}

wag_err wag_memory_new_value(wag_value descriptor, wag_memory **ret_memory, wag_error **reterr_error)
{
    wag_agent *agent = wag_agent_current();
    sizes sizes = {0};
    wag_error *error = agent ? check_descriptor(descriptor) : wagi_error_nomem();
    if (!error)
        error = read_sizes(descriptor, &sizes);
    if (error)
        return wagi_fail(error, reterr_error);
    wag_memory_descriptor given = {.initial = sizes.initial,
                                   .maximum = sizes.maximum,
                                   .address_i64 = sizes.is_64,
                                   .shared = wagi_to_boolean(wag_map_get(descriptor, "shared"))};
    return wag_memory_create(&given, ret_memory, reterr_error);
}

wag_err wag_table_new_value(wag_value descriptor, wag_value init, wag_table **ret_table, wag_error **reterr_error)
{
    wag_agent *agent = wag_agent_current();
    wagi_table_type type = {0};
    sizes sizes = {0};
    wag_val val = {.kind = WAG_FUNCREF};
    wagi_slot slot = 0;
    wag_error *error = agent ? check_descriptor(descriptor) : wagi_error_nomem();
    if (!error)
        error = read_sizes(descriptor, &sizes);
    if (!error)
        error = read_type("element", wag_map_get(descriptor, "element"), true, &type.element);
    if (!error && sizes.initial > agent->cluster->limits.table_entries)
        error = wagi_error_new(WAG_RANGE, "a table cannot have %llu elements", (unsigned long long)sizes.initial);
    if (!error && wagi_never_crosses(agent->cluster->registry, type.element))
        error = wagi_error_new(WAG_TYPE, "a table of this type cannot be made by the host");
    if (!error)
        error = init.kind == WAG_VALUE_UNDEFINED ? wagi_default_value(agent, type.element, &val)
                                                 : wagi_to_wasm_value(agent, type.element, init, &val);
    if (error)
        return wagi_fail(error, reterr_error);
    type.limits = limits_of(&sizes);
    wag_table *table = NULL;
    wag_err err = wagi_val_to_slot(agent->cluster->registry, type.element, val, NULL, &slot);
    if (err == WAG_OK)
        err = wagi_table_new(agent, type, slot, &table, reterr_error);
    else
        wagi_fail(wagi_error_new(err, NULL), reterr_error);
    wag_val_unref(val);
    if (err == WAG_OK)
        WAGI_GIVE(table, ret_table);
    return err;
}

wag_err wag_global_new_value(wag_value descriptor, wag_value value, wag_global **ret_global, wag_error **reterr_error)
{
    wag_agent *agent = wag_agent_current();
    wagi_global_type type = {0};
    wag_val val = {.kind = WAG_I32};
    wag_error *error = agent ? check_descriptor(descriptor) : wagi_error_nomem();
    if (!error)
        error = read_type("value", wag_map_get(descriptor, "value"), false, &type.content);
    if (!error && wagi_never_crosses(agent->cluster->registry, type.content))
        error = wagi_error_new(WAG_TYPE, "a global of this type cannot be made by the host");
    if (!error)
        error = value.kind == WAG_VALUE_UNDEFINED ? wagi_default_value(agent, type.content, &val)
                                                  : wagi_to_wasm_value(agent, type.content, value, &val);
    if (error)
        return wagi_fail(error, reterr_error);
    type.is_mutable = wagi_to_boolean(wag_map_get(descriptor, "mutable"));
    wag_global *global = wagi_global_new(agent, type);
    wag_err err = WAG_NOMEM;
    if (global)
        err = wagi_val_to_slot(agent->cluster->registry, type.content, val, global->object.unit, global->value);
    wag_val_unref(val);
    if (err != WAG_OK) {
        if (global)
            wagi_unit_release(global->object.unit);
        return wagi_fail(wagi_error_new(err, NULL), reterr_error);
    }
    WAGI_GIVE(global, ret_global);
    return WAG_OK;
}

wag_err wag_tag_new_value(wag_value descriptor, wag_tag **ret_tag, wag_error **reterr_error)
{
    wag_agent *agent = wag_agent_current();
    wag_value parameters = wag_map_get(descriptor, "parameters");
    size_t count = wag_value_size(parameters);
    wag_error *error = agent ? check_descriptor(descriptor) : wagi_error_nomem();
    if (!error && parameters.kind != WAG_VALUE_ARRAY)
        error = wagi_error_new(WAG_TYPE, "the descriptor has no array parameters");
    if (!error && count > agent->cluster->limits.parameters)
        error = wagi_error_new(WAG_TYPE, "a tag cannot have %zu parameters", count);
    if (error)
        return wagi_fail(error, reterr_error);
    wagi_valtype *types = wagi_alloc((count + 1) * sizeof *types);
    if (!types)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    for (size_t i = 0; !error && i < count; i++)
        error = read_type("a parameter", wag_array_at(parameters, i), false, &types[i]);
    const wagi_type *type = NULL;
    if (!error) {
        wag_err err = wagi_registry_func(agent->cluster->registry, types, (uint32_t)count, NULL, 0, &type);
        error = err == WAG_OK ? NULL : wagi_error_new(err, NULL);
    }
    wagi_free(types);
    if (error)
        return wagi_fail(error, reterr_error);
    wag_tag *tag = wagi_tag_new(agent, type);
    if (!tag)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    WAGI_GIVE(tag, ret_tag);
    return WAG_OK;
}

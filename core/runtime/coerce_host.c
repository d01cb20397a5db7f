/* Host functions of the coercing layer: a typed host function whose context knows its type and converts. */
#include <string.h>

#include "base/alloc.h"
#include "runtime/coerce.h"

typedef struct value_host {
    wag_host_value_func func;
    void *context;
    void (*finalize)(void *context); /* NULL in a specialised copy: the origin calls it */
    wag_agent *agent;
    const wagi_type *type; /* the wag_func's; NULL until it is specialised */
} value_host;

/* An array of exactly that many, or the one value. */
static wag_error *convert_results(const value_host *host, wag_value result, wag_val *results)
{
    const wagi_type *type = host->type;
    if (type->result_count == 1)
        return wagi_misfit_at(wagi_to_wasm_value(host->agent, type->results[0], result, results), "result", 0);
    if (result.kind != WAG_VALUE_ARRAY || wag_value_size(result) != type->result_count)
        return wagi_error_new(WAG_TYPE, "a function with %u results must return an array of as many",
                              (unsigned)type->result_count);
    for (uint32_t i = 0; i < type->result_count; i++) {
        wag_error *error = wagi_to_wasm_value(host->agent, type->results[i], wag_array_at(result, i), &results[i]);
        if (error) {
            for (uint32_t k = 0; k < i; k++)
                if (wagi_val_unit(&results[k]))
                    wagi_unit_drop(wagi_val_unit(&results[k]));
            return wagi_misfit_at(error, "result", i);
        }
    }
    return NULL;
}

/* The typed layer borrows what a host stores into its results: what we made for them lives until wasm has it. A unit
 * that a slot is about to hold may have no other count; escaped, it waits for tracing, which sees the slot. */
static void hand_over(const value_host *host, wag_val *results)
{
    for (uint32_t i = 0; i < host->type->result_count; i++) {
        wagi_unit *unit = wagi_val_unit(&results[i]);
        if (unit) {
            wagi_unit_escape(unit);
            wagi_unit_drop(unit);
        }
    }
}

static wag_error *check_types(const value_host *host)
{
    const wagi_registry *registry = host->agent->cluster->registry;
    bool never = false;
    for (uint32_t i = 0; i < host->type->param_count; i++)
        never |= wagi_never_crosses(registry, host->type->params[i]);
    for (uint32_t i = 0; i < host->type->result_count; i++)
        never |= wagi_never_crosses(registry, host->type->results[i]);
    return never ? wagi_error_new(WAG_TYPE, "a signature with v128 or exnref cannot be called with values") : NULL;
}

static void unref_all(const wag_value *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        wag_value_unref(values[i]);
}

static wag_error *call_value_host(void *context, const wag_val *args, wag_val *results)
{
    const value_host *host = context;
    uint32_t count = host->type->param_count, done = 0;
    wag_value small[8], *values = small, result = WAG_UNDEFINED;
    wag_error *error = check_types(host);
    if (error)
        return error;
    if (count > sizeof small / sizeof *small && !(values = wagi_alloc(count * sizeof *values)))
        return wagi_error_nomem();
    while (!error && done < count) {
        wag_val val = args[done];
        if (wagi_val_unit(&val))
            wagi_unit_hold(wagi_val_unit(&val));
        error = wagi_to_js_value(host->agent, val, &values[done]);
        done += !error;
    }
    if (!error)
        error = host->func(host->context, values, count, &result);
    if (!error && host->type->result_count) {
        error = convert_results(host, result, results);
        if (!error)
            hand_over(host, results);
    }
    wag_value_unref(result);
    unref_all(values, done);
    if (values != small)
        wagi_free(values);
    return error;
}

static void free_value_host(void *context)
{
    value_host *host = context;
    if (host->finalize)
        host->finalize(host->context);
    wagi_free(host);
}

bool wagi_is_value_host(const wag_func *func)
{
    return func->host == call_value_host;
}

wag_func *wagi_func_new_value(wag_agent *agent, const wagi_type *type, wag_host_value_func func, void *context,
                              void (*finalize)(void *context))
{
    value_host *host = WAGI_NEW(value_host);
    if (!host) {
        wagi_type_group_unref(agent->cluster->registry, type);
        return NULL;
    }
    *host = (value_host){func, context, finalize, agent, type};
    wag_func *made = wagi_func_new(agent, type, call_value_host, host, free_value_host);
    if (!made)
        wagi_free(host);
    return made;
}

bool wagi_value_host_specialise(wag_func *func)
{
    value_host *host = WAGI_NEW(value_host);
    if (!host)
        return false;
    *host = *(const value_host *)func->context;
    host->type = func->type;
    host->finalize = NULL;
    func->context = host;
    func->finalize = free_value_host;
    return true;
}

/* Calls and the conversion of values between the public form (wag_val) and slots.
 *
 * While anything runs, its unit has a handle; host functions also hold the references among their arguments.
 * Collections happen only where every reference that matters is in a slot of the interpreter's stack or held: at the
 * end of a host function that wasm called, and when the outermost call is over.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/os.h"
#include "runtime/store.h"
#include "runtime/tier.h"

enum { SMALL = 16 }; /* values that need no heap */

/* ---- values ---- */

static size_t slots_of(const wagi_valtype *types, uint32_t count)
{
    size_t slots = count;
    for (uint32_t i = 0; i < count; i++)
        slots += types[i] == WAGI_V128;
    return slots;
}

static bool func_fits(const wagi_registry *registry, const wag_func *func, wagi_valtype type)
{
    if (!func->type) /* has no type before it is imported */
        return false;
    if (wagi_is_concrete(type))
        return wagi_type_is_sub(func->type, wagi_registry_type(registry, wagi_heap_of(type)));
    return wagi_heap_of(type) == WAGI_HEAP_FUNC;
}

/* A function enters a unit as a value: rule 2 of object.h. */
static void func_enters(const wagi_registry *registry, const wag_func *func, wagi_unit *into)
{
    if (func->object.unit == into)
        return;
    wagi_unit_escape(func->object.unit);
    if (into && into->kind == WAGI_OBJECT_INSTANCE && !into->escaped &&
        wagi_type_carries_functions(registry, func->type))
        wagi_unit_escape(into);
}

static wagi_slot slot_of(const wagi_object *object)
{
    return (wagi_slot)(uintptr_t)object;
}

/* NULL for numbers and null. */
static wagi_object *val_object(const wag_val *val)
{
    switch (val->kind) {
    case WAG_FUNCREF:
        return (wagi_object *)val->of.func;
    case WAG_EXTERNREF:
        return (wagi_object *)val->of.ext;
    case WAG_ANYREF:
        return (wagi_object *)val->of.any;
    case WAG_EXNREF:
        return (wagi_object *)val->of.exception;
    default:
        return NULL;
    }
}

/* A reference that is not null, of the hierarchy of the type. */
static bool slot_fits(const wagi_registry *registry, wagi_slot slot, wagi_valtype type)
{
    if (wagi_is_concrete(type))
        return wagi_slot_is_type(slot, wagi_registry_type(registry, wagi_heap_of(type)));
    return wagi_slot_is_heap(slot, (wagi_heap)wagi_heap_of(type));
}

static wag_err ref_to_slot(const wagi_registry *registry, wagi_valtype type, wag_val val, wagi_unit *into,
                           wagi_slot *slot)
{
    if (val.kind != wagi_val_kind_of(registry, type))
        return WAG_TYPE;
    const wagi_object *object = val_object(&val);
    if (!object) {
        *slot = 0;
        return wagi_is_nullable(type) ? WAG_OK : WAG_TYPE;
    }
    if (!wagi_is_owner(object))
        return WAG_WRONG_AGENT;
    if (val.kind == WAG_FUNCREF) {
        if (!func_fits(registry, val.of.func, type))
            return WAG_TYPE;
        func_enters(registry, val.of.func, into);
    }
    wagi_slot inner = wagi_proxy_slot(object);
    if (val.kind != WAG_FUNCREF && !slot_fits(registry, inner ? inner : slot_of(object), type))
        return WAG_TYPE;
    if (val.kind == WAG_EXTERNREF && !inner)
        wagi_unit_escape(object->unit);
    *slot = inner ? inner : slot_of(object);
    return WAG_OK;
}

wag_err wagi_val_to_slot(const wagi_registry *registry, wagi_valtype type, wag_val val, wagi_unit *into,
                         wagi_slot *slot)
{
    switch (wagi_valtype_kind(type)) {
    case WAGI_KIND_I32:
        *slot = (uint32_t)val.of.i32;
        return val.kind == WAG_I32 ? WAG_OK : WAG_TYPE;
    case WAGI_KIND_I64:
        *slot = (uint64_t)val.of.i64;
        return val.kind == WAG_I64 ? WAG_OK : WAG_TYPE;
    case WAGI_KIND_F32: {
        uint32_t bits;
        memcpy(&bits, &val.of.f32, sizeof bits);
        *slot = bits;
        return val.kind == WAG_F32 ? WAG_OK : WAG_TYPE;
    }
    case WAGI_KIND_F64:
        memcpy(slot, &val.of.f64, sizeof *slot);
        return val.kind == WAG_F64 ? WAG_OK : WAG_TYPE;
    case WAGI_KIND_V128:
        memcpy(slot, val.of.v128, 16);
        return val.kind == WAG_V128 ? WAG_OK : WAG_TYPE;
    default:
        return ref_to_slot(registry, type, val, into, slot);
    }
}

/* The object by which the host holds a reference that is not null, with one handle more. */
static wagi_object *host_object(wag_agent *agent, wag_val_kind kind, wagi_slot slot)
{
    if (kind == WAG_ANYREF)
        return wagi_proxy_get(agent, WAGI_OBJECT_ANY, slot);
    if (kind == WAG_EXNREF)
        return wagi_proxy_get(agent, WAGI_OBJECT_EXCEPTION, slot);
    if (kind == WAG_EXTERNREF && (wagi_is_i31(slot) || wagi_slot_object(slot)))
        return wagi_proxy_get(agent, WAGI_OBJECT_EXTERN, slot);
    wagi_unit_hold(wagi_slot_unit(slot));
    return (wagi_object *)(uintptr_t)slot;
}

static bool ref_to_val(wag_agent *agent, wagi_slot slot, wag_val *val)
{
    wagi_object *object = slot ? host_object(agent, val->kind, slot) : NULL;
    if (val->kind == WAG_FUNCREF)
        val->of.func = (wag_func *)object;
    else if (val->kind == WAG_EXTERNREF)
        val->of.ext = (wag_extern *)object;
    else if (val->kind == WAG_ANYREF)
        val->of.any = (wag_any *)object;
    else
        val->of.exception = (wag_exception *)object;
    return object || slot == 0;
}

bool wagi_slot_to_val(wag_agent *agent, wagi_valtype type, const wagi_slot *slot, wag_val *ret_val)
{
    wag_val val;
    bool ok = true;
    memset(&val, 0, sizeof val);
    switch (wagi_valtype_kind(type)) {
    case WAGI_KIND_I32:
        val.kind = WAG_I32;
        val.of.i32 = (int32_t)(uint32_t)*slot;
        break;
    case WAGI_KIND_I64:
        val.kind = WAG_I64;
        val.of.i64 = (int64_t)*slot;
        break;
    case WAGI_KIND_F32: {
        uint32_t bits = (uint32_t)*slot;
        val.kind = WAG_F32;
        memcpy(&val.of.f32, &bits, sizeof bits);
        break;
    }
    case WAGI_KIND_F64:
        val.kind = WAG_F64;
        memcpy(&val.of.f64, slot, sizeof *slot);
        break;
    case WAGI_KIND_V128:
        val.kind = WAG_V128;
        memcpy(val.of.v128, slot, 16);
        break;
    default:
        val.kind = wagi_val_kind_of(agent->cluster->registry, type);
        ok = ref_to_val(agent, *slot, &val);
    }
    *ret_val = val;
    return ok;
}

wagi_unit *wagi_val_unit(const wag_val *val)
{
    const wagi_object *object = val_object(val);
    return object ? object->unit : NULL;
}

static wag_err slots_from_vals(const wagi_registry *registry, const wagi_valtype *types, uint32_t count,
                               const wag_val *vals, wagi_unit *into, wagi_slot *slots, uint32_t *ret_bad)
{
    for (uint32_t i = 0; i < count; i++) {
        wag_err err = wagi_val_to_slot(registry, types[i], vals[i], into, slots);
        if (err != WAG_OK) {
            *ret_bad = i;
            return err;
        }
        slots += types[i] == WAGI_V128 ? 2 : 1;
    }
    return WAG_OK;
}

static void drop_vals(const wag_val *vals, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        wagi_unit *unit = wagi_val_unit(&vals[i]);
        if (unit)
            wagi_unit_drop(unit);
    }
}

/* vals: own. False without memory; nothing is held then. */
static bool vals_from_slots(wag_agent *agent, const wagi_valtype *types, uint32_t count, const wagi_slot *slots,
                            wag_val *vals)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!wagi_slot_to_val(agent, types[i], slots, &vals[i])) {
            drop_vals(vals, i);
            return false;
        }
        slots += types[i] == WAGI_V128 ? 2 : 1;
    }
    return true;
}

wag_error *wagi_val_misfit(wag_err err, const wagi_registry *registry, wagi_valtype type, const wag_val *val,
                           const char *what, uint32_t index)
{
    char text[160];
    wag_val_kind wanted = wagi_val_kind_of(registry, type);
    if (err != WAG_TYPE)
        return wagi_error_new(err, NULL);
    wagi_valtype_text(WAGI_BY_STRUCTURE(registry), type, text, sizeof text);
    if (val->kind != wanted)
        return wagi_error_new(WAG_TYPE, "%s %u must be %s, not %s", what, (unsigned)index, text,
                              wag_val_kind_name(val->kind));
    return wagi_error_new(WAG_TYPE, "%s %u must be %s: the reference does not match", what, (unsigned)index, text);
}

/* ---- calls ---- */

/* The stack grows downward on every machine that we know. */
static bool native_stack_is_low(const wag_agent *agent)
{
#if defined(__GNUC__)
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
#else
    volatile char place = 0;
    uintptr_t here = (uintptr_t)&place;
#endif
    return here < agent->native_limit;
}

static bool is_too_deep(const wag_agent *agent)
{
    return agent->host_depth >= agent->depth_limit || native_stack_is_low(agent);
}

/* host_depth has been given back. error: NULL, or borrow. */
static void call_ended(wag_agent *agent, const wag_error *error)
{
    if (error && agent->host_depth == 0)
        wagi_agent_stop_taken(agent, wag_error_code(error));
}

static wag_error *invoke(wag_func *func, wagi_slot *slots)
{
    return func->instance ? func->instance->module->tier->invoke(func, slots) : wagi_call_host(func, slots);
}

void wagi_call_pass(wag_func *func, const wagi_slot *slots)
{
    wag_agent *agent = func->object.unit->agent;
    wagi_unit_hold(func->object.unit);
    memcpy(agent->overflow, slots, slots_of(func->type->params, func->type->param_count) * sizeof *slots);
    agent->tail_func = func;
}

/* What is left to do of a call that has ended with tail calls. type: of the first function; slots: for its results. The
 * overflow buffer is as good as any other array: a tier reads arguments before, and writes results after all else. */
static wag_error *make_tail_calls(wag_agent *agent, const wagi_type *type, wagi_slot *slots)
{
    wag_error *error = NULL;
    while (agent->tail_func) {
        wag_func *func = agent->tail_func;
        agent->tail_func = NULL;
        error = invoke(func, agent->overflow);
        wagi_unit_drop_later(func->object.unit); /* a finalizer might use the buffer, which has the next arguments */
    }
    if (!error)
        memcpy(slots, agent->overflow, slots_of(type->results, type->result_count) * sizeof *slots);
    wagi_store_drain(agent);
    return error;
}

wag_error *wagi_call_slots(wag_func *func, wagi_slot *slots)
{
    wagi_unit *unit = func->object.unit;
    wag_agent *agent = unit->agent;
    wag_err stop = wagi_agent_poll(agent) ? wagi_agent_stop(agent) : WAG_OK;
    if (stop == WAG_OK && is_too_deep(agent))
        stop = WAG_STACK_OVERFLOW;
    if (stop != WAG_OK) {
        wag_error *error = wagi_error_new(stop, NULL);
        call_ended(agent, error);
        return error;
    }
    agent->host_depth++;
    wagi_unit_hold(unit);
    wag_error *error = invoke(func, slots);
    if (agent->tail_func)
        error = make_tail_calls(agent, func->type, slots);
    wagi_unit_drop(unit);
    agent->host_depth--;
    call_ended(agent, error);
    return error;
}

wag_error *wagi_call_stopped(wag_agent *agent, wag_error *error)
{
    wag_err stop = wagi_agent_poll(agent) ? wagi_agent_stop(agent) : WAG_OK;
    if (stop == WAG_OK || (error && wag_error_code(error) == stop))
        return error;
    wag_error_unref(error);
    return wagi_error_new(stop, NULL);
}

/* Collect now? Only below wasm: then all that the callers work with is in the interpreter's stack, once its top covers
 * our results. */
static void poll_in_host_call(wag_agent *agent, wagi_slot *slots, size_t count)
{
    if (slots < agent->stack || slots >= agent->stack_end) {
        if (agent->entry_sp)
            wagi_store_poll(agent); /* the slots are in a native frame, which is scanned too */
        return;
    }
    wagi_slot *top = agent->stack_top;
    if (top < slots + count)
        agent->stack_top = slots + count;
    wagi_store_poll(agent);
    agent->stack_top = top;
}

wag_error *wagi_call_host(wag_func *func, wagi_slot *slots)
{
    wagi_unit *unit = func->object.unit;
    wag_agent *agent = unit->agent;
    const wagi_registry *registry = agent->cluster->registry;
    const wagi_type *type = func->type;
    uint32_t params = type->param_count, count = type->result_count, bad = 0;
    wag_val small[SMALL], *args = small;
    if (params + count > SMALL) {
        args = wagi_alloc((size_t)(params + count) * sizeof *args);
        if (!args)
            return wagi_error_nomem();
    }
    wag_val *results = args + params;
    if (!vals_from_slots(agent, type->params, params, slots, args)) {
        if (args != small)
            wagi_free(args);
        return wagi_error_nomem();
    }
    if (count) {
        memset(results, 0, count * sizeof *results);
        for (uint32_t i = 0; i < count; i++)
            results[i].kind = wagi_val_kind_of(registry, type->results[i]);
    }
    wagi_unit_hold(unit);
    wag_error *error = func->host(func->context, args, results);
    if (!error) {
        wag_err err = slots_from_vals(registry, type->results, count, results, NULL, slots, &bad);
        if (err != WAG_OK)
            error = wagi_val_misfit(err, registry, type->results[bad], &results[bad], "result", bad);
    }
    /* The slots may hold results now: args says what was held. */
    for (uint32_t i = 0; i < params; i++) {
        wagi_unit *held = wagi_val_unit(&args[i]);
        if (held)
            wagi_unit_drop_arg(held);
    }
    wagi_unit_drop(unit);
    if (args != small)
        wagi_free(args);
    error = wagi_call_stopped(agent, error);
    if (error)
        return error;
    poll_in_host_call(agent, slots, slots_of(type->results, count));
    return NULL;
}

wag_error *wagi_call_misfit(wag_func *func, const wag_val *results)
{
    const wagi_registry *registry = func->object.unit->agent->cluster->registry;
    const wagi_type *type = func->type;
    uint32_t i = 0;
    while (i + 1 < type->result_count && results[i].kind == wagi_val_kind_of(registry, type->results[i]))
        i++;
    return wagi_val_misfit(WAG_TYPE, registry, type->results[i], &results[i], "result", i);
}

static wag_error *check_arrays(const wagi_type *type, const wag_val *args, size_t arg_count, const wag_val *results,
                               size_t result_count)
{
    if (!type)
        return wagi_error_new(WAG_TYPE, "the function has no type before it is imported");
    if (arg_count != type->param_count || result_count != type->result_count)
        return wagi_error_new(WAG_TYPE, "the function takes %u arguments and gives %u results, not %zu and %zu",
                              (unsigned)type->param_count, (unsigned)type->result_count, arg_count, result_count);
    if ((arg_count && !args) || (result_count && !results))
        return wagi_error_new(WAG_TYPE, "the array of %s is NULL", arg_count && !args ? "arguments" : "results");
    return NULL;
}

wag_err wagi_call_vals(wag_func *func, const wag_val *args, size_t arg_count, wag_val *results, size_t result_count,
                       wag_error **reterr_error)
{
    wagi_unit *unit = func->object.unit;
    wag_agent *agent = unit->agent;
    const wagi_registry *registry = agent->cluster->registry;
    const wagi_type *type = func->type;
    wag_error *error = check_arrays(type, args, arg_count, results, result_count);
    if (error)
        return wagi_fail(error, reterr_error);
    wagi_slot small[2 * SMALL], *slots = small;
    size_t most = arg_count > result_count ? arg_count : result_count;
    if (most > SMALL) {
        slots = wagi_alloc(2 * most * sizeof *slots);
        if (!slots)
            return wagi_fail(wagi_error_nomem(), reterr_error);
    }
    wagi_unit_hold(unit); /* until the results are held: they may be the unit's own functions */
    uint32_t bad = 0;
    wag_err err = slots_from_vals(registry, type->params, type->param_count, args, unit, slots, &bad);
    if (err != WAG_OK)
        error = wagi_val_misfit(err, registry, type->params[bad], &args[bad], "argument", bad);
    else
        error = wagi_call_slots(func, slots);
    if (!error && !vals_from_slots(agent, type->results, type->result_count, slots, results))
        error = wagi_error_nomem();
    if (slots != small)
        wagi_free(slots);
    wagi_unit_release(unit);
    return error ? wagi_fail(error, reterr_error) : WAG_OK;
}

wag_err wagi_enter_failed(wag_func *func, wag_val *results, wag_error **reterr_error)
{
    wagi_unit *unit = func->object.unit;
    wag_agent *agent = unit->agent;
    const wagi_type *type = func->type;
    wag_error *error = agent->trap_error;
    agent->trap_error = NULL;
    if (agent->tail_func) {
        wagi_slot slots[WAGI_ENTER_VALS];
        error = make_tail_calls(agent, type, slots);
        if (!error)
            vals_from_slots(agent, type->results, type->result_count, slots, results); /* numbers: cannot fail */
    }
    agent->host_depth--;
    call_ended(agent, error);
    wagi_unit_release(unit);
    return error ? wagi_fail(error, reterr_error) : WAG_OK;
}

int wagi_enter_ended(wagi_unit *unit)
{
    unit->handles++;
    wagi_unit_release(unit);
    return WAG_OK;
}

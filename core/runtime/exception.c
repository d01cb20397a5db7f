/* Exceptions: making them, and how they travel inside of errors.
 *
 * An exception that leaves wasm is a wag_error with a ticket attached. The ticket holds the exception by a handle, so
 * it belongs to the agent; but errors may be freed by any thread. Hence the ticket's state: whoever comes second of the
 * error that is freed elsewhere (ORPHAN) and the agent that ends (CLOSED) frees the ticket; the agent gives back the
 * handles of orphans when it collects.
 *
 * A host's error becomes an exception only when wasm is about to catch it: of the agent's JSTag, with an externref that
 * wraps the error (js-api.md, EX-05). When it leaves wasm again it is that error.
 */
#include "base/alloc.h"
#include "binary/reader.h"
#include "runtime/store.h"

enum { LIVE, ORPHAN, CLOSED };

typedef struct wagi_exception_ticket {
    atomic_int state;
    wag_agent *agent; /* compared only */
    wag_exception *exception;
    struct wagi_exception_ticket *next; /* the agent's list; owner only */
} ticket;

size_t wagi_exception_slots(const wagi_type *type)
{
    size_t slots = type->param_count;
    for (uint32_t i = 0; i < type->param_count; i++)
        slots += type->params[i] == WAGI_V128;
    return slots;
}

wag_err wagi_exception_make(wag_agent *agent, wag_tag *tag, const wagi_slot *args, wag_instance *maker,
                            wagi_slot *ret_slot)
{
    const wagi_type *type = tag->type;
    size_t slots = wagi_exception_slots(type), size = sizeof(wagi_gc_exception) + slots * sizeof *args;
    /* Values that travel: rule 4 of object.h. Before the allocation, which may collect. */
    wagi_unit_escape(tag->object.unit);
    const wagi_slot *arg = args;
    for (uint32_t i = 0; i < type->param_count; i++) {
        if (wagi_is_ref(type->params[i]) && *arg && !wagi_is_i31(*arg) && !wagi_slot_object(*arg))
            wagi_unit_escape(wagi_slot_unit(*arg));
        arg += type->params[i] == WAGI_V128 ? 2 : 1;
    }
    wagi_gc_object *object =
        maker ? wagi_gc_alloc(maker, &agent->gc, type, size) : wagi_gc_alloc_quiet(agent, type, size);
    if (!object)
        return maker ? wagi_heap_failure(agent) : WAG_OUT_OF_HEAP;
    wagi_gc_exception *exception = (wagi_gc_exception *)(void *)object;
    exception->tag = tag;
    if (slots)
        memcpy(exception->args, args, slots * sizeof *args);
    *ret_slot = (wagi_slot)(uintptr_t)exception;
    return WAG_OK;
}

bool wagi_try_match(const wag_instance *instance, const wagi_func_body *body, const wagi_try_region *region,
                    const wag_tag *tag, uint32_t *ret_clause, wagi_catch_kind *ret_kind)
{
    wagi_reader reader =
        wagi_reader_make(instance->data->bytes.data, body->code + region->catches, body->end); /* valid */
    for (uint32_t i = 0; i < region->count; i++) {
        wagi_catch_kind kind = (wagi_catch_kind)wagi_read_u8(&reader);
        bool matches = kind >= WAGI_CATCH_ALL || instance->tags[wagi_read_u32(&reader)] == tag;
        wagi_read_u32(&reader); /* the label */
        if (matches) {
            *ret_clause = i;
            *ret_kind = kind;
            return true;
        }
    }
    return false;
}

wag_tag *wagi_js_tag(wag_agent *agent)
{
    if (!agent->js_tag) {
        wagi_valtype param = WAGI_EXTERNREF;
        const wagi_type *type = NULL;
        if (wagi_registry_func(agent->cluster->registry, &param, 1, NULL, 0, &type) == WAG_OK)
            agent->js_tag = wagi_tag_new(agent, type);
    }
    return agent->js_tag;
}

/* ---- in errors ---- */

static void unlink_ticket(wag_agent *agent, const ticket *gone)
{
    for (ticket **link = &agent->tickets; *link; link = &(*link)->next)
        if (*link == gone) {
            *link = gone->next;
            return;
        }
}

/* The error goes. */
static void release_ticket(void *attachment)
{
    ticket *t = attachment;
    wag_agent *here = wagi_agent_peek();
    /* acq_rel, and acquire below: pair with each other, so that the second one sees all that the first did. */
    if (here && here == t->agent && atomic_load_explicit(&t->state, memory_order_acquire) == LIVE) {
        wagi_unit *unit = t->exception->object.unit;
        unlink_ticket(here, t);
        wagi_free(t);
        wagi_unit_release(unit);
    } else if (atomic_exchange_explicit(&t->state, ORPHAN, memory_order_acq_rel) == CLOSED) {
        wagi_free(t);
    }
}

void wagi_exception_reap(wag_agent *agent)
{
    for (ticket **link = &agent->tickets; *link;) {
        ticket *t = *link;
        if (atomic_load_explicit(&t->state, memory_order_acquire) != ORPHAN) {
            link = &t->next;
            continue;
        }
        *link = t->next;
        wagi_unit *unit = t->exception->object.unit;
        wagi_free(t);
        wagi_unit_drop(unit);
    }
}

void wagi_exception_close_all(wag_agent *agent)
{
    while (agent->tickets) {
        ticket *t = agent->tickets;
        agent->tickets = t->next;
        t->agent = NULL;
        t->exception = NULL;
        if (atomic_exchange_explicit(&t->state, CLOSED, memory_order_acq_rel) == ORPHAN)
            wagi_free(t);
    }
}

/* The error that was wrapped, NULL for another exception. */
static wag_error *wrapped_error(const wag_agent *agent, const wagi_gc_exception *exception)
{
    if (exception->tag != agent->js_tag)
        return NULL;
    wagi_slot slot = exception->args[0];
    if (slot == 0 || wagi_is_i31(slot) || wagi_slot_object(slot))
        return NULL;
    const wag_value *value = wagi_extern_value((const wag_extern *)(uintptr_t)slot);
    return value && value->kind == WAG_VALUE_ERROR ? value->of.error : NULL;
}

wag_error *wagi_exception_error(wag_agent *agent, wagi_slot slot)
{
    const wagi_gc_exception *exception = (const wagi_gc_exception *)(uintptr_t)slot;
    wag_error *error = agent->js_tag ? wrapped_error(agent, exception) : NULL;
    if (error)
        return wag_error_ref(error);
    ticket *t = WAGI_NEW(ticket);
    wag_exception *proxy = t ? (wag_exception *)wagi_proxy_get(agent, WAGI_OBJECT_EXCEPTION, slot) : NULL;
    error = proxy ? wagi_error_new(WAG_UNCAUGHT_EXCEPTION, NULL) : wagi_error_nomem();
    if (!wagi_error_attach(error, t, release_ticket)) {
        if (proxy)
            wagi_unit_drop(proxy->object.unit);
        wagi_free(t);
        return error;
    }
    atomic_init(&t->state, LIVE);
    t->agent = agent;
    t->exception = proxy;
    t->next = agent->tickets;
    agent->tickets = t;
    return error;
}

wag_exception *wagi_error_proxy(const wag_agent *agent, const wag_error *error)
{
    if (!agent || !error || wag_error_code(error) != WAG_UNCAUGHT_EXCEPTION)
        return NULL;
    const ticket *t = wagi_error_attachment(error);
    return t && t->agent == agent ? t->exception : NULL;
}

wagi_slot wagi_error_exception(const wag_agent *agent, const wag_error *error)
{
    const wag_exception *exception = wagi_error_proxy(agent, error);
    return exception ? exception->slot : 0;
}

bool wagi_error_is_catchable(const wag_error *error)
{
    switch (wag_error_code(error)) {
    case WAG_NOMEM:
    case WAG_WRONG_AGENT:
    case WAG_INTERRUPTED:
    case WAG_TERMINATED:
    case WAG_DEADLINE:
        return false;
    case WAG_UNCAUGHT_EXCEPTION: /* of another agent */
        return true;
    default:
        return wag_err_class(wag_error_code(error)) != WAG_CLASS_RUNTIME_ERROR;
    }
}

wag_err wagi_exception_wrap(wag_agent *agent, wag_error *error, wagi_slot *ret_slot)
{
    wag_tag *tag = wagi_js_tag(agent);
    wag_extern *ext = tag ? wagi_extern_wrap(agent, WAG_ERROR_VALUE(error)) : NULL;
    if (!ext)
        return WAG_OUT_OF_HEAP;
    wagi_slot arg = (wagi_slot)(uintptr_t)ext;
    wag_err err = wagi_exception_make(agent, tag, &arg, NULL, ret_slot);
    wagi_unit_drop(ext->object.unit); /* the exception has it now: it has been marked escaped */
    return err;
}

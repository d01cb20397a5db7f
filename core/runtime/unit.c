/* Units: counts, death, teardown. The rules are in object.h; tracing is in collect.c.
 *
 * Death has two steps. Burying takes a unit out of the agent's list and queues it in agent->dying; draining then gives
 * back what it holds (which may bury more), runs its finalizer and frees it. The queue makes chains of instances that
 * hold each other iterative, and lets finalizers call anything: what they kill is queued behind.
 */
#include "base/alloc.h"
#include "runtime/buffer.h"
#include "runtime/pool.h"
#include "runtime/store.h"

enum {
    COLLECT_FIRST = 256,              /* dead escaped units before the first collection */
    COLLECT_BYTES = 32 * 1024 * 1024, /* or this much held by them */
    SMALL_HEAP = 4 * 1024 * 1024,     /* bytes that are traced at once */
    POLL_STEP = 512 * 1024            /* bytes of a large heap that a poll traces or sweeps */
};

void wagi_unit_init(wagi_unit *unit, wag_agent *agent, wagi_object_kind kind)
{
    *unit = (wagi_unit){.agent = agent, .kind = (uint8_t)kind};
    wagi_unit_begin(unit);
}

void *wagi_object_new(wag_agent *agent, wagi_object_kind kind, size_t object_size)
{
    wagi_unit *unit = wagi_alloc_zero(1, sizeof *unit + object_size);
    if (!unit)
        return NULL;
    wagi_unit_init(unit, agent, kind);
    wagi_object *object = wagi_unit_object(unit);
    object->unit = unit;
    object->kind = (uint8_t)kind;
    return object;
}

size_t wagi_unit_block_size(const wagi_unit *unit)
{
    switch ((wagi_object_kind)unit->kind) {
    case WAGI_OBJECT_FUNC:
        return sizeof *unit + sizeof(wag_func);
    case WAGI_OBJECT_TABLE:
        return sizeof *unit + sizeof(wag_table);
    case WAGI_OBJECT_MEMORY:
        return sizeof *unit + sizeof(wag_memory);
    case WAGI_OBJECT_GLOBAL:
        return sizeof *unit + sizeof(wag_global);
    case WAGI_OBJECT_TAG:
        return sizeof *unit + sizeof(wag_tag);
    case WAGI_OBJECT_EXTERN:
        return sizeof *unit + sizeof(wag_extern);
    case WAGI_OBJECT_ANY:
        return sizeof *unit + sizeof(wag_any);
    case WAGI_OBJECT_EXCEPTION:
        return sizeof *unit + sizeof(wag_exception);
    case WAGI_OBJECT_LINKED:
        return sizeof *unit + sizeof(wag_linked) +
               ((const wag_linked *)(const void *)(unit + 1))->count * sizeof(void *);
    case WAGI_OBJECT_BUFFER:
        return sizeof *unit + sizeof(wag_buffer);
    case WAGI_OBJECT_FOREIGN:
        return sizeof *unit + ((const wagi_foreign *)(const void *)(unit + 1))->size;
    case WAGI_OBJECT_INSTANCE:
        break;
    }
    return ((const wag_instance *)(const void *)((const char *)unit - offsetof(wag_instance, unit)))->block_size;
}

/* About how much memory a dead unit keeps: its block and what its own memories and tables have outside of it. */
static size_t unit_weight(wagi_unit *unit)
{
    size_t weight = wagi_unit_block_size(unit);
    if (unit->kind != WAGI_OBJECT_INSTANCE)
        return weight;
    const wag_instance *instance = (const wag_instance *)wagi_unit_object(unit);
    const wagi_module_data *data = instance->data;
    for (uint32_t i = data->memory_import_count; i < data->memory_count; i++)
        weight += (size_t)instance->memories[i]->size;
    for (uint32_t i = data->table_import_count; i < data->table_count; i++)
        weight += (size_t)instance->tables[i]->capacity * sizeof(wagi_slot);
    return weight;
}

static void unlink_unit(wagi_unit *unit)
{
    if (unit->previous)
        unit->previous->next = unit->next;
    else
        unit->agent->units = unit->next;
    if (unit->next)
        unit->next->previous = unit->previous;
    unit->agent->unit_count--;
    unit->dying = true;
}

void wagi_unit_bury(wagi_unit *unit)
{
    wag_agent *agent = unit->agent;
    unlink_unit(unit);
    wagi_buffer_unlink(wagi_unit_object(unit));
    wagi_proxy_forget(agent, wagi_unit_object(unit));
    unit->previous = NULL;
    unit->next = agent->dying;
    agent->dying = unit;
}

/* Can it be a wasm value? */
static bool is_value(const wagi_unit *unit)
{
    return unit->kind == WAGI_OBJECT_FUNC || unit->kind == WAGI_OBJECT_EXTERN || unit->kind == WAGI_OBJECT_ANY ||
           unit->kind == WAGI_OBJECT_EXCEPTION;
}

/* A count fell. */
static void unit_settle(wagi_unit *unit)
{
    if (unit->handles || unit->refs || unit->dying)
        return;
    wag_agent *agent = unit->agent;
    /* A host function may be about to return it; a trace that is under way may come across it. */
    if (agent->gc.marking || (agent->host_depth && is_value(unit)))
        unit->escaped = true;
    if (!unit->escaped) {
        wagi_unit_bury(unit);
        return;
    }
    agent->escaped_dead++;
    agent->escaped_dead_bytes += unit_weight(unit);
    agent->poll_due = true;
}

void wagi_unit_hold(wagi_unit *unit)
{
    unit->handles++;
}

void wagi_unit_drop(wagi_unit *unit)
{
    wag_agent *agent = unit->agent;
    unit->handles--;
    unit_settle(unit);
    wagi_store_drain(agent);
}

void wagi_unit_drop_later(wagi_unit *unit)
{
    unit->handles--;
    unit_settle(unit);
}

void wagi_unit_drop_arg(wagi_unit *unit)
{
    wag_agent *agent = unit->agent;
    unit->handles--;
    if (wagi_proxy_slot(wagi_unit_object(unit)) && !unit->handles && !unit->refs && !unit->escaped &&
        !agent->gc.marking)
        wagi_unit_bury(unit);
    else
        unit_settle(unit);
    wagi_store_drain(agent);
}

/* The last handle of an instance that nothing else knows goes, and nothing else with it: what burying and draining
 * would do, in one step. */
static bool drop_lone_instance(wagi_unit *unit)
{
    wag_agent *agent = unit->agent;
    if (unit->kind != WAGI_OBJECT_INSTANCE || unit->handles != 1 || unit->refs || unit->infos || unit->escaped ||
        unit->dying || agent->gc.marking || agent->draining)
        return false;
    wag_instance *instance = (wag_instance *)wagi_unit_object(unit);
    wagi_unit *linked = instance->linked->object.unit;
    if (linked->handles + linked->refs < 2)
        return false;
    unit->handles = 0;
    unlink_unit(unit);
    linked->refs--;
    wagi_pool_give(instance);
    return true;
}

void wagi_unit_release(wagi_unit *unit)
{
    wag_agent *agent = unit->agent;
    if (!drop_lone_instance(unit))
        wagi_unit_drop(unit);
    if (agent->host_depth == 0)
        wagi_store_poll(agent);
}

void wagi_unit_ref(wagi_unit *unit)
{
    unit->refs++;
}

void wagi_store_poll(wag_agent *agent)
{
    wagi_gc *gc = &agent->gc;
    if (!agent->poll_due)
        return;
    if (gc->marking) {
        wagi_store_mark(agent, POLL_STEP);
        return;
    }
    size_t threshold = agent->collect_threshold ? agent->collect_threshold : COLLECT_FIRST;
    if (agent->escaped_dead < threshold && agent->escaped_dead_bytes < COLLECT_BYTES &&
        !(agent->collect_stress && agent->escaped_dead)) {
        agent->poll_due = false; /* until another one dies */
        return;
    }
    /* A trace goes through the heap as well: not at once when that is large. */
    if (agent->collect_stress || gc->live + gc->debt <= SMALL_HEAP)
        wagi_store_collect(agent);
    else if (wagi_gc_sweep(gc, POLL_STEP))
        wagi_store_begin_mark(agent);
}

void wagi_store_collected(wag_agent *agent)
{
    /* Tracing costs as much as there is; so wait until as much has died again. */
    agent->collect_threshold = agent->unit_count > COLLECT_FIRST ? agent->unit_count : COLLECT_FIRST;
}

void wagi_store_stress(wag_agent *agent, bool on)
{
    agent->collect_stress = on;
    agent->poll_due = true;
}

void wagi_unit_strong_edges(wagi_unit *unit, wagi_unit_visitor visit, void *context)
{
    wagi_object *object = wagi_unit_object(unit);
    if (object->kind == WAGI_OBJECT_FUNC) {
        wag_func *func = (wag_func *)object;
        if (func->origin)
            visit(func->origin->object.unit, context);
    } else if (object->kind == WAGI_OBJECT_EXTERN) {
        wag_extern *ext = (wag_extern *)object;
        if (ext->held)
            visit(ext->held, context);
    } else if (object->kind == WAGI_OBJECT_INSTANCE) {
        visit(((wag_instance *)object)->linked->object.unit, context);
    } else if (object->kind == WAGI_OBJECT_LINKED) {
        wag_linked *linked = (wag_linked *)object;
        for (uint32_t i = 0; i < linked->count; i++)
            visit(linked->objects[i]->unit, context);
    } else if (object->kind == WAGI_OBJECT_BUFFER) {
        wag_buffer *buffer = (wag_buffer *)object;
        if (buffer->memory)
            visit(buffer->memory->object.unit, context);
    }
}

/* An edge of a dead unit goes. That unit has not escaped (those die in a collection), so its imports have not either.
 */
static void edge_cut(wagi_unit *target, void *context)
{
    (void)context;
    target->refs--;
    unit_settle(target);
}

/* As inside a call: the agent cannot be closed under us. */
static void run_finalizer(wagi_unit *unit, void (*finalize)(void *), void *argument)
{
    if (!finalize)
        return;
    unit->agent->host_depth++;
    finalize(argument);
    unit->agent->host_depth--;
}

/* Once. */
static void unit_finalize(wagi_unit *unit)
{
    for (wagi_host_info *info; (info = unit->infos) != NULL; wagi_free(info)) {
        unit->infos = info->next;
        run_finalizer(unit, info->finalize, info->info);
    }
    wagi_object *object = wagi_unit_object(unit);
    void (*finalize)(void *) = NULL;
    void *argument = NULL;
    if (object->kind == WAGI_OBJECT_FUNC) {
        wag_func *func = (wag_func *)object;
        finalize = func->finalize;
        argument = func->context;
        func->finalize = NULL;
    } else if (object->kind == WAGI_OBJECT_EXTERN) {
        wag_extern *ext = (wag_extern *)object;
        finalize = ext->finalize;
        argument = ext->host;
        ext->finalize = NULL;
    } else if (object->kind == WAGI_OBJECT_FOREIGN) {
        ((wagi_foreign *)object)->finalize((wagi_foreign *)object);
    }
    run_finalizer(unit, finalize, argument);
}

/* Free the unit's memory and what no other unit can see. */
static void unit_free(wagi_unit *unit)
{
    wagi_object *object = wagi_unit_object(unit);
    wagi_registry *registry = unit->agent->cluster->registry;
    switch ((wagi_object_kind)object->kind) {
    case WAGI_OBJECT_FUNC:
        wagi_type_group_unref(registry, ((wag_func *)object)->type);
        break;
    case WAGI_OBJECT_TABLE:
        wagi_table_close((wag_table *)object);
        break;
    case WAGI_OBJECT_MEMORY:
        if (wagi_memory_pool_give((wag_memory *)object))
            return;
        wagi_memory_close((wag_memory *)object);
        break;
    case WAGI_OBJECT_GLOBAL: {
        wagi_valtype content = ((wag_global *)object)->type.content;
        if (wagi_is_ref(content) && wagi_is_concrete(content))
            wagi_type_group_unref(registry, wagi_registry_type(registry, wagi_heap_of(content)));
        break;
    }
    case WAGI_OBJECT_TAG:
        wagi_type_group_unref(registry, ((wag_tag *)object)->type);
        break;
    case WAGI_OBJECT_EXTERN:
    case WAGI_OBJECT_ANY:
    case WAGI_OBJECT_EXCEPTION:
    case WAGI_OBJECT_FOREIGN:
        break;
    case WAGI_OBJECT_LINKED:
        wagi_linked_close((wag_linked *)object);
        break;
    case WAGI_OBJECT_BUFFER:
        wagi_buffer_close((wag_buffer *)object);
        break;
    case WAGI_OBJECT_INSTANCE:
        wagi_pool_give((wag_instance *)object);
        return;
    }
    wagi_free(unit);
}

void wagi_store_drain(wag_agent *agent)
{
    if (agent->draining || !agent->dying)
        return;
    agent->draining = true;
    while (agent->dying) {
        wagi_unit *unit = agent->dying;
        agent->dying = unit->next;
        /* A collection has cut the edges of what it buried already: their targets may be gone. */
        if (!unit->marked)
            wagi_unit_strong_edges(unit, edge_cut, NULL);
        unit_finalize(unit);
        unit_free(unit);
    }
    agent->draining = false;
}

void wagi_store_free_all(wag_agent *agent)
{
    agent->gc.marking = false;
    agent->draining = true; /* what finalizers release stays where it is */
    while (agent->units) {
        wagi_unit *all = agent->units;
        agent->units = NULL;
        agent->unit_count = 0;
        for (wagi_unit *unit = all; unit; unit = unit->next)
            unit->dying = true;
        for (wagi_unit *unit = all; unit; unit = unit->next)
            wagi_buffer_unlink(wagi_unit_object(unit));
        /* All finalizers come before the first block goes: a context may own handles and release them. */
        for (wagi_unit *unit = all; unit; unit = unit->next)
            unit_finalize(unit);
        for (wagi_unit *unit = all, *next; unit; unit = next) {
            next = unit->next;
            unit_free(unit);
        }
        /* What a finalizer made and released again has been buried; it holds nothing that is left. */
        for (wagi_unit *unit = agent->dying, *next; unit; unit = next) {
            next = unit->next;
            unit_free(unit);
        }
        agent->dying = NULL;
    }
    agent->escaped_dead = agent->escaped_dead_bytes = 0;
    agent->draining = false;
    agent->js_tag = NULL;
    wagi_exception_close_all(agent);
    wagi_gc_free_all(agent);
}

/* The collector: marks what can be reached in one agent's store and heap, and buries the units that cannot. object.h
 * has the rules, heap.h the colours and what happens to dead objects.
 *
 * A mark goes in steps, wasm runs between them. It begins with the roots: the stack, and units with handles. The work
 * list of units is threaded through them; that of objects is a vector, and when that cannot grow the objects that are
 * marked are looked at once more. Scanning the interpreter's stack needs some:
 * a set of all block addresses, by granules of GRANULE bytes, so that any word that points into a unit's block (a
 * function inside an instance, the instance in a frame) is found. When it cannot be had nothing is collected.
 */
#include "base/alloc.h"
#include "runtime/store.h"

enum {
    GRANULE_LOG2 = 9,
    ARRAY_PART = 8192 /* elements that are scanned at once */
};

/* ---- the set of blocks ---- */

typedef struct granule {
    uintptr_t number; /* address >> GRANULE_LOG2 */
    wagi_unit *unit;  /* NULL: empty */
} granule;

typedef struct block_set {
    granule *granules; /* open addressing; one number can occur several times */
    size_t mask;
    uintptr_t low, high; /* no block lies outside */
} block_set;

static size_t granule_slot(const block_set *set, uintptr_t number)
{
    return (size_t)(((uint64_t)number * 0x9E3779B97F4A7C15u) >> 32) & set->mask;
}

static void block_range(wagi_unit *unit, uintptr_t *ret_first, uintptr_t *ret_last)
{
    uintptr_t start = (uintptr_t)wagi_unit_block(unit);
    *ret_first = start >> GRANULE_LOG2;
    *ret_last = (start + wagi_unit_block_size(unit) - 1) >> GRANULE_LOG2;
}

static bool block_set_init(block_set *set, wag_agent *agent)
{
    size_t count = 0;
    *set = (block_set){.low = UINTPTR_MAX};
    for (wagi_unit *unit = agent->units; unit; unit = unit->next) {
        uintptr_t first, last;
        block_range(unit, &first, &last);
        count += last - first + 1;
    }
    size_t size = 16;
    while (size < count * 2)
        size *= 2;
    set->granules = wagi_alloc_zero(size, sizeof *set->granules);
    if (!set->granules)
        return false;
    set->mask = size - 1;
    for (wagi_unit *unit = agent->units; unit; unit = unit->next) {
        uintptr_t first, last;
        block_range(unit, &first, &last);
        for (uintptr_t number = first; number <= last; number++) {
            size_t slot = granule_slot(set, number);
            while (set->granules[slot].unit)
                slot = (slot + 1) & set->mask;
            set->granules[slot] = (granule){number, unit};
        }
        set->low = set->low < first ? set->low : first;
        set->high = set->high > last ? set->high : last;
    }
    return true;
}

/* The unit whose block a word points into, NULL when it is no such pointer. */
static wagi_unit *block_set_find(const block_set *set, wagi_slot word)
{
    uintptr_t address = (uintptr_t)word, number = address >> GRANULE_LOG2;
    if (!set->granules || number < set->low || number > set->high)
        return NULL;
    for (size_t slot = granule_slot(set, number); set->granules[slot].unit; slot = (slot + 1) & set->mask) {
        if (set->granules[slot].number != number)
            continue;
        wagi_unit *unit = set->granules[slot].unit;
        if (address - (uintptr_t)wagi_unit_block(unit) < wagi_unit_block_size(unit))
            return unit;
    }
    return NULL;
}

/* ---- marking ---- */

static void mark(wagi_unit *unit, void *context)
{
    wagi_gc *gc = context;
    if (unit->marked)
        return;
    unit->marked = true;
    unit->work = gc->grey_units;
    gc->grey_units = unit;
}

static void push(wagi_gc *gc, wagi_gc_object *object, uint32_t next)
{
    if (!WAGI_VEC_PUSH(&gc->grey, ((wagi_gc_grey){object, next})))
        gc->grey_lost = true;
}

static void mark_object(wagi_gc *gc, wagi_gc_object *object)
{
    if (((object->head ^ gc->head_bits) & WAGI_GC_COLOUR) == 0)
        return;
    object->head ^= WAGI_GC_COLOUR;
    const wagi_type *type = wagi_gc_type_of(object);
    if (gc->known[type->id % WAGI_GC_KNOWN] != type)
        wagi_gc_hold_type(gc, type); /* it is held already, so this needs no memory */
    gc->marked += wagi_gc_object_size(object);
    if (type->comp == WAGI_COMP_FUNC || type->ref_count)
        push(gc, object, 0);
}

static void mark_slot(wagi_gc *gc, wagi_slot slot)
{
    if (slot == 0 || wagi_is_i31(slot))
        return;
    wagi_gc_object *object = wagi_slot_object(slot);
    if (object)
        mark_object(gc, object);
    else
        mark(wagi_slot_unit(slot), gc);
}

static wagi_slot slot_at(wagi_gc_object *object, size_t offset)
{
    return wagi_gc_load(wagi_gc_at(object, offset), WAGI_KIND_REF);
}

/* Mark what an object refers to, a long array in parts. About how many bytes have been looked at. */
static uint64_t scan(wagi_gc *gc, wagi_gc_grey grey)
{
    wagi_gc_object *object = grey.object;
    const wagi_type *type = wagi_gc_type_of(object);
    if (type->comp == WAGI_COMP_STRUCT) {
        for (uint32_t i = 0; i < type->ref_count; i++)
            mark_slot(gc, slot_at(object, type->ref_offsets[i]));
        return type->size;
    }
    if (type->comp == WAGI_COMP_FUNC) {
        wagi_gc_exception *exception = (wagi_gc_exception *)(void *)object;
        const wagi_slot *arg = exception->args;
        mark(exception->tag->object.unit, gc);
        for (uint32_t i = 0; i < type->param_count; i++) {
            if (wagi_is_ref(type->params[i]))
                mark_slot(gc, *arg);
            arg += type->params[i] == WAGI_V128 ? 2 : 1;
        }
        return sizeof *exception + type->param_count * sizeof *arg;
    }
    uint32_t length = ((wagi_gc_array *)(void *)object)->length, left = length - grey.next;
    uint32_t count = left < ARRAY_PART ? left : ARRAY_PART;
    if (count < left && !WAGI_VEC_PUSH(&gc->grey, ((wagi_gc_grey){object, grey.next + count})))
        count = left;
    for (uint32_t i = grey.next; i < grey.next + count; i++)
        mark_slot(gc, slot_at(object, WAGI_ARRAY_HEADER + (size_t)i * sizeof(wagi_slot)));
    return WAGI_ARRAY_HEADER + (uint64_t)count * sizeof(wagi_slot);
}

/* About how many bytes. */
static uint64_t mark_slots(wagi_gc *gc, wagi_valtype type, const wagi_slot *slots, uint64_t count)
{
    if (!wagi_is_ref(type))
        return 0;
    for (uint64_t i = 0; i < count; i++)
        mark_slot(gc, slots[i]);
    return count * sizeof *slots;
}

static uint64_t mark_instance(wagi_gc *gc, const wag_instance *instance)
{
    const wagi_module_data *data = instance->data;
    uint64_t done = instance->block_size;
    for (uint32_t i = data->table_import_count; i < data->table_count; i++) {
        const wag_table *table = instance->tables[i];
        done += mark_slots(gc, table->type.element, table->elements, table->size);
    }
    for (uint32_t i = data->global_import_count; i < data->global_count; i++) {
        const wag_global *global = instance->globals[i];
        mark_slots(gc, global->type.content, global->value, 1);
    }
    for (uint32_t i = 0; i < data->elem_count; i++)
        mark_slots(gc, data->elems[i].type, instance->elems[i].items, instance->elems[i].count);
    return done;
}

static uint64_t mark_children(wagi_gc *gc, wagi_unit *unit)
{
    const wagi_object *object = wagi_unit_object(unit);
    wagi_unit_strong_edges(unit, mark, gc);
    if (object->kind == WAGI_OBJECT_INSTANCE)
        return mark_instance(gc, (const wag_instance *)object);
    if (object->kind == WAGI_OBJECT_TABLE) {
        const wag_table *table = (const wag_table *)object;
        return sizeof *table + mark_slots(gc, table->type.element, table->elements, table->size);
    }
    if (object->kind == WAGI_OBJECT_GLOBAL) {
        const wag_global *global = (const wag_global *)object;
        mark_slots(gc, global->type.content, global->value, 1);
    } else {
        mark_slot(gc, wagi_proxy_slot(object));
    }
    return sizeof *unit;
}

void wagi_gc_shade(wag_agent *agent, wagi_slot slot)
{
    mark_slot(&agent->gc, slot);
}

void wagi_gc_shade_all(wag_agent *agent, const wagi_slot *slots, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        mark_slot(&agent->gc, slots[i]);
}

static void mark_word(wagi_gc *gc, const block_set *set, wagi_slot word)
{
    wagi_unit *unit = block_set_find(set, word);
    if (unit) {
        mark(unit, gc);
        return;
    }
    wagi_gc_object *object = wagi_gc_find(gc, word);
    if (object)
        mark_object(gc, object);
}

/* Every word of the native stack from here to the outermost entry into native code, and the registers. Inlined, it
 * would be the sanitizer's business again. */
#if defined(__GNUC__)
__attribute__((noinline))
#endif
WAGI_NO_ASAN static void
mark_native_stack(wagi_gc *gc, const block_set *set, const wagi_slot *top)
{
#if defined(__GNUC__)
    __builtin_unwind_init(); /* all registers that calls keep are on the stack now */
    const wagi_slot *word = __builtin_frame_address(0);
    word -= 16;
#else
    const wagi_slot *word = top; /* without this compiler there is no native code */
#endif
    for (; word < top; word++)
        mark_word(gc, set, *word);
}

/* False without memory; nothing is marked then. */
static bool mark_stack(wag_agent *agent)
{
    wagi_gc *gc = &agent->gc;
    block_set set = {.granules = NULL};
    const wagi_slot *native_top = wagi_agent_native_top(agent);
    bool has_stack = agent->stack_top != agent->stack || native_top;
    if (has_stack && !block_set_init(&set, agent))
        return false;
    wagi_gc_sort_larges(gc);
    wagi_gc_begin_mark(agent);
    for (const wagi_slot *word = agent->stack; word < agent->stack_top; word++)
        mark_word(gc, &set, *word);
    if (native_top)
        mark_native_stack(gc, &set, native_top);
    wagi_free(set.granules);
    return true;
}

/* True when there was one that had not been marked. */
static bool mark_held_units(wag_agent *agent)
{
    for (wagi_unit *unit = agent->units; unit; unit = unit->next)
        if (unit->handles)
            mark(unit, &agent->gc);
    return agent->gc.grey_units != NULL;
}

/* An object whose push was lost is marked, but not scanned; which one is not known. */
static void scan_again(wagi_gc_object *object, void *context)
{
    wagi_gc *gc = context;
    if ((object->head ^ gc->head_bits) & WAGI_GC_COLOUR)
        return;
    wagi_gc_grey grey = {object, 0};
    for (;;) {
        if (wagi_gc_type_of(object)->comp == WAGI_COMP_FUNC || wagi_gc_type_of(object)->ref_count)
            scan(gc, grey);
        if (gc->grey.n == 0)
            return;
        grey = gc->grey.p[--gc->grey.n];
        object = grey.object;
    }
}

bool wagi_store_begin_mark(wag_agent *agent)
{
    wagi_gc *gc = &agent->gc;
    if (agent->collecting || agent->draining || gc->marking || gc->sweeping)
        return false;
    /* Also when it fails: then it is tried again after as much has died again, not at once. */
    agent->escaped_dead = agent->escaped_dead_bytes = 0;
    wagi_exception_reap(agent);
    if (!mark_stack(agent))
        return false;
    gc->marking = true;
    agent->poll_due = true;
    mark_held_units(agent);
    return true;
}

/* ---- sweeping ---- */

/* An edge from a dead unit: a dead target needs no count any more, a live one loses it. Rule 3 of object.h: a function
 * that it defines may have been passed on by the dead one, or by one that held the dead one and died with it. */
static void escape_import(wagi_unit *target, void *context)
{
    (void)context;
    if (!target->dying && (target->kind == WAGI_OBJECT_INSTANCE || target->kind == WAGI_OBJECT_FUNC))
        wagi_unit_escape(target);
}

static void cut(wagi_unit *target, void *context)
{
    target->refs--;
    if (!target->dying && target->kind == WAGI_OBJECT_LINKED)
        wagi_unit_strong_edges(target, escape_import, NULL);
    else
        escape_import(target, context);
}

static void sweep(wag_agent *agent)
{
    wagi_unit *next;
    for (wagi_unit *unit = agent->units; unit; unit = next) {
        next = unit->next;
        if (!unit->marked)
            wagi_unit_bury(unit);
        unit->marked = false;
    }
    /* Cut all edges before the first block goes; `marked` tells the drain that it has been done. */
    for (wagi_unit *unit = agent->dying; unit; unit = unit->next) {
        wagi_unit_strong_edges(unit, cut, NULL);
        unit->marked = true;
    }
}

/* Everything is marked. */
static void finish(wag_agent *agent)
{
    agent->collecting = true;
    agent->gc.marking = false;
    sweep(agent);
    wagi_gc_begin_sweep(agent);
    wagi_store_drain(agent);
    agent->collecting = false;
    wagi_store_collected(agent);
}

bool wagi_store_mark(wag_agent *agent, uint64_t bytes)
{
    wagi_gc *gc = &agent->gc;
    if (!gc->marking || agent->draining)
        return false;
    for (uint64_t done = 0; done < bytes;) {
        if (gc->grey.n) {
            done += scan(gc, gc->grey.p[--gc->grey.n]);
        } else if (gc->grey_units) {
            wagi_unit *unit = gc->grey_units;
            gc->grey_units = unit->work;
            done += mark_children(gc, unit);
        } else if (gc->grey_lost) {
            gc->grey_lost = false;
            wagi_gc_each(gc, scan_again, gc);
        } else if (!mark_held_units(agent)) { /* a handle may have come from a proxy that was not held then */
            finish(agent);
            return true;
        }
    }
    return false;
}

void wagi_store_collect(wag_agent *agent)
{
    if (agent->collecting || agent->draining)
        return;
    /* A trace that is under way keeps what has died since it began: end it, then make another. */
    wagi_store_mark(agent, UINT64_MAX);
    wagi_gc_sweep(&agent->gc, UINT64_MAX);
    if (wagi_store_begin_mark(agent))
        wagi_store_mark(agent, UINT64_MAX);
}

/* The collector: marks what can be reached in one agent's store and buries the rest. object.h has the rules.
 *
 * The work list is threaded through the units, so marking needs no memory. Scanning the interpreter's stack needs some:
 * a set of all block addresses, by granules of GRANULE bytes, so that any word that points into a unit's block (a
 * function inside an instance, the instance in a frame) is found. When it cannot be had nothing is collected.
 */
#include "base/alloc.h"
#include "runtime/store.h"

enum { GRANULE_LOG2 = 9 };

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
    if (number < set->low || number > set->high)
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

typedef struct marker {
    wagi_unit *work;
    const wagi_registry *registry;
} marker;

static void mark(wagi_unit *unit, void *context)
{
    marker *state = context;
    if (unit->marked)
        return;
    unit->marked = true;
    unit->work = state->work;
    state->work = unit;
}

static void mark_slots(marker *state, wagi_valtype type, const wagi_slot *slots, uint64_t count)
{
    if (!wagi_is_ref(type))
        return;
    /* References of the other hierarchies are null until there are objects for them. */
    wagi_heap top = wagi_heap_top(state->registry, type);
    if (top != WAGI_HEAP_FUNC && top != WAGI_HEAP_EXTERN)
        return;
    for (uint64_t i = 0; i < count; i++)
        if (slots[i])
            mark(wagi_slot_unit(slots[i]), state);
}

static void mark_instance(marker *state, const wag_instance *instance)
{
    const wagi_module_data *data = instance->data;
    for (uint32_t i = data->table_import_count; i < data->table_count; i++) {
        const wag_table *table = instance->tables[i];
        mark_slots(state, table->type.element, table->elements, table->size);
    }
    for (uint32_t i = data->global_import_count; i < data->global_count; i++) {
        const wag_global *global = instance->globals[i];
        mark_slots(state, global->type.content, global->value, 1);
    }
    for (uint32_t i = 0; i < data->elem_count; i++)
        mark_slots(state, data->elems[i].type, instance->elems[i].items, instance->elems[i].count);
}

static void mark_children(marker *state, wagi_unit *unit)
{
    const wagi_object *object = wagi_unit_object(unit);
    wagi_unit_strong_edges(unit, mark, state);
    if (object->kind == WAGI_OBJECT_INSTANCE) {
        mark_instance(state, (const wag_instance *)object);
    } else if (object->kind == WAGI_OBJECT_TABLE) {
        const wag_table *table = (const wag_table *)object;
        mark_slots(state, table->type.element, table->elements, table->size);
    } else if (object->kind == WAGI_OBJECT_GLOBAL) {
        const wag_global *global = (const wag_global *)object;
        mark_slots(state, global->type.content, global->value, 1);
    }
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NO_SANITIZER __attribute__((no_sanitize("address")))
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define NO_SANITIZER __attribute__((no_sanitize_address))
#endif
#ifndef NO_SANITIZER
#define NO_SANITIZER
#endif

/* Every word of the native stack from here to the outermost entry into native code, and the registers. */
NO_SANITIZER static void mark_native_stack(marker *state, const block_set *set, const wag_agent *agent)
{
#if defined(__GNUC__)
    __builtin_unwind_init(); /* all registers that calls keep are on the stack now */
    const wagi_slot *word = __builtin_frame_address(0);
    word -= 16;
#else
    const wagi_slot *word = agent->native_top; /* without this compiler there is no native code */
#endif
    for (; word < (const wagi_slot *)agent->native_top; word++) {
        wagi_unit *unit = block_set_find(set, *word);
        if (unit)
            mark(unit, state);
    }
}

/* False without memory; nothing is marked then. */
static bool mark_stack(marker *state, wag_agent *agent)
{
    if (agent->host_depth == 0 || (agent->stack_top == agent->stack && !agent->native_top))
        return true;
    block_set set;
    if (!block_set_init(&set, agent))
        return false;
    for (const wagi_slot *word = agent->stack; word < agent->stack_top; word++) {
        wagi_unit *unit = block_set_find(&set, *word);
        if (unit)
            mark(unit, state);
    }
    if (agent->native_top)
        mark_native_stack(state, &set, agent);
    wagi_free(set.granules);
    return true;
}

/* ---- sweeping ---- */

/* An edge from a dead unit: a dead target needs no count any more, a live one loses it. Rule 3 of object.h: a function
 * that it defines may have been passed on by the dead one, or by one that held the dead one and died with it. */
static void cut(wagi_unit *target, void *context)
{
    (void)context;
    target->refs--;
    if (!target->dying && (target->kind == WAGI_OBJECT_INSTANCE || target->kind == WAGI_OBJECT_FUNC))
        wagi_unit_escape(target);
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

void wagi_store_collect(wag_agent *agent)
{
    if (agent->collecting || agent->draining)
        return;
    agent->collecting = true;
    /* Also when it fails: then it is tried again after as much has died again, not at once. */
    agent->escaped_dead = agent->escaped_dead_bytes = 0;
    marker state = {.registry = agent->cluster->registry};
    if (mark_stack(&state, agent)) {
        for (wagi_unit *unit = agent->units; unit; unit = unit->next)
            if (unit->handles)
                mark(unit, &state);
        while (state.work) {
            wagi_unit *unit = state.work;
            state.work = unit->work;
            mark_children(&state, unit);
        }
        sweep(agent);
        wagi_store_drain(agent);
    }
    agent->collecting = false;
}

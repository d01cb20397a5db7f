/* The meaning of the ops on structs and arrays that are more than a load or a store: making, filling, copying. Tiers
 * call these; heap.h says what they promise. And the debug walker of the heap. */
#include "runtime/agent.h"

size_t wagi_gc_object_size(const wagi_gc_object *object)
{
    const wagi_type *type = wagi_gc_type_of(object);
    if (type->comp == WAGI_COMP_STRUCT)
        return type->size;
    if (type->comp == WAGI_COMP_FUNC)
        return sizeof(wagi_gc_exception) + wagi_exception_slots(type) * sizeof(wagi_slot);
    return WAGI_ARRAY_HEADER + (size_t)((const wagi_gc_array *)(const void *)object)->length * type->element_size;
}

static wagi_slot slot_of(const void *object)
{
    return (wagi_slot)(uintptr_t)object;
}
static wagi_gc_array *array_of(wagi_slot slot)
{
    return (wagi_gc_array *)(uintptr_t)slot;
}
static unsigned element_kind(const wagi_type *type)
{
    return type->layout[0] & ((1u << WAGI_LAYOUT_KIND_BITS) - 1);
}

wag_err wagi_struct_new(wag_instance *maker, const wagi_type *type, const wagi_slot *fields, wagi_slot *ret_slot)
{
    wagi_gc_object *object = wagi_gc_alloc(maker, &maker->unit.agent->gc, type, type->size);
    if (!object)
        return wagi_heap_failure(maker->unit.agent);
    if (!fields)
        memset(wagi_gc_at(object, WAGI_STRUCT_HEADER), 0, type->size - WAGI_STRUCT_HEADER);
    for (uint32_t i = 0; fields && i < type->field_count; i++) {
        uint32_t layout = type->layout[i];
        fields = wagi_gc_put(wagi_gc_at(object, layout >> WAGI_LAYOUT_KIND_BITS),
                             layout & ((1u << WAGI_LAYOUT_KIND_BITS) - 1), fields);
    }
    *ret_slot = slot_of(object);
    return WAG_OK;
}

/* Its elements are garbage. */
static wagi_gc_array *array_alloc(wag_instance *maker, const wagi_type *type, uint32_t length)
{
    wagi_gc_object *object =
        wagi_gc_alloc(maker, &maker->unit.agent->gc, type, WAGI_ARRAY_HEADER + (uint64_t)length * type->element_size);
    wagi_gc_array *array = (wagi_gc_array *)(void *)object;
    if (array)
        array->length = length;
    return array;
}

/* ---- many elements, in steps between which the agent may be stopped ----
 *
 * is_new: nothing is overwritten. Such an array ends where it was stopped: nobody has it then, but a collector that
 * finds its address by chance must not read garbage. */

/* References that are about to be overwritten. */
static void shade_elements(wag_agent *agent, wagi_gc_array *array, const wagi_type *type, uint32_t at, uint32_t count)
{
    if (!agent->gc.marking || !type->ref_count)
        return;
    for (uint32_t i = 0; i < count; i++)
        wagi_gc_shade(agent, wagi_gc_load(wagi_gc_element(array, type, (uint64_t)at + i), WAGI_KIND_REF));
}

static void fill_step(wagi_gc_array *array, const wagi_type *type, uint32_t at, const wagi_slot *value, uint32_t count)
{
    unsigned kind = element_kind(type);
    uint8_t *to = wagi_gc_element(array, type, at);
    if (!value || kind == WAGI_KIND_I8) {
        memset(to, value ? (int)(uint8_t)*value : 0, (size_t)count * type->element_size);
        return;
    }
    for (uint32_t i = 0; i < count; i++, to += type->element_size)
        wagi_gc_put(to, kind, value);
}

/* value: NULL for the default. */
static wag_err fill(wag_agent *agent, wagi_gc_array *array, uint32_t at, const wagi_slot *value, uint32_t count,
                    bool is_new)
{
    const wagi_type *type = wagi_gc_type_of(&array->object);
    uint32_t end = at + count;
    wag_err err;
    do {
        uint32_t step = (uint32_t)wagi_bulk_step(end - at, type->element_size);
        if (!is_new)
            shade_elements(agent, array, type, at, step);
        fill_step(array, type, at, value, step);
        at += step;
    } while (wagi_bulk_goes_on(agent, end - at, &err));
    if (is_new)
        array->length = at;
    return err;
}

/* from: not in an array; NULL when count is 0. */
static wag_err copy_in(wag_agent *agent, wagi_gc_array *array, uint32_t at, const void *from, uint32_t count,
                       bool is_new)
{
    const wagi_type *type = wagi_gc_type_of(&array->object);
    const uint8_t *source = from;
    uint32_t end = at + count;
    wag_err err;
    do {
        uint32_t step = (uint32_t)wagi_bulk_step(end - at, type->element_size);
        size_t bytes = (size_t)step * type->element_size;
        if (!is_new)
            shade_elements(agent, array, type, at, step);
        if (bytes) {
            memcpy(wagi_gc_element(array, type, at), source, bytes);
            source += bytes;
        }
        at += step;
    } while (wagi_bulk_goes_on(agent, end - at, &err));
    if (is_new)
        array->length = at;
    return err;
}

wag_err wagi_array_new(wag_instance *maker, const wagi_type *type, uint32_t length, const wagi_slot *value,
                       wagi_slot *ret_slot)
{
    wagi_gc_array *array = array_alloc(maker, type, length);
    if (!array)
        return wagi_heap_failure(maker->unit.agent);
    *ret_slot = slot_of(array);
    return fill(maker->unit.agent, array, 0, value, length, true);
}

wag_err wagi_array_new_fixed(wag_instance *maker, const wagi_type *type, uint32_t length, const wagi_slot *elements,
                             wagi_slot *ret_slot)
{
    wagi_gc_array *array = array_alloc(maker, type, length);
    if (!array)
        return wagi_heap_failure(maker->unit.agent);
    for (uint32_t i = 0; i < length; i++)
        elements = wagi_gc_put(wagi_gc_element(array, type, i), element_kind(type), elements);
    *ret_slot = slot_of(array);
    return WAG_OK;
}

static bool inside(uint64_t at, uint64_t count, uint64_t size)
{
    return at <= size && count <= size - at;
}

wag_err wagi_array_new_data(wag_instance *maker, const wagi_type *type, const wagi_data_instance *data, uint32_t from,
                            uint32_t length, wagi_slot *ret_slot)
{
    uint64_t bytes = (uint64_t)length * type->element_size;
    if (!inside(from, bytes, data->size))
        return WAG_MEMORY_BOUNDS;
    wagi_gc_array *array = array_alloc(maker, type, length);
    if (!array)
        return wagi_heap_failure(maker->unit.agent);
    *ret_slot = slot_of(array);
    return copy_in(maker->unit.agent, array, 0, length ? data->bytes + from : NULL, length, true);
}

wag_err wagi_array_new_elem(wag_instance *maker, const wagi_type *type, const wagi_elem_instance *elem, uint32_t from,
                            uint32_t length, wagi_slot *ret_slot)
{
    if (!inside(from, length, elem->count))
        return WAG_TABLE_BOUNDS;
    wagi_gc_array *array = array_alloc(maker, type, length);
    if (!array)
        return wagi_heap_failure(maker->unit.agent);
    *ret_slot = slot_of(array);
    return copy_in(maker->unit.agent, array, 0, length ? elem->items + from : NULL, length, true);
}

wag_err wagi_array_fill(wag_agent *agent, wagi_slot slot, uint32_t at, wagi_slot value, uint32_t count)
{
    return wagi_array_fill_from(agent, slot, at, &value, count);
}

wag_err wagi_array_fill_from(wag_agent *agent, wagi_slot slot, uint32_t at, const wagi_slot *value, uint32_t count)
{
    if (slot == 0)
        return WAG_NULL_ARRAY;
    wagi_gc_array *array = array_of(slot);
    if (!inside(at, count, array->length))
        return WAG_ARRAY_BOUNDS;
    return fill(agent, array, at, value, count, false);
}

wag_err wagi_array_copy(wag_agent *agent, wagi_slot to, uint32_t to_at, wagi_slot from, uint32_t from_at,
                        uint32_t count)
{
    if (to == 0 || from == 0)
        return WAG_NULL_ARRAY;
    wagi_gc_array *target = array_of(to), *source = array_of(from);
    const wagi_type *type = wagi_gc_type_of(&target->object);
    if (!inside(to_at, count, target->length) || !inside(from_at, count, source->length))
        return WAG_ARRAY_BOUNDS;
    bool upward = target != source || to_at <= from_at;
    wag_err err;
    do { /* from the end that is not in the way of the other one */
        uint32_t step = (uint32_t)wagi_bulk_step(count, type->element_size), skip = upward ? 0 : count - step;
        shade_elements(agent, target, type, to_at + skip, step);
        memmove(wagi_gc_element(target, type, to_at + skip), wagi_gc_element(source, type, from_at + skip),
                (size_t)step * type->element_size);
        count -= step;
        to_at += upward ? step : 0;
        from_at += upward ? step : 0;
    } while (wagi_bulk_goes_on(agent, count, &err));
    return err;
}

wag_err wagi_array_init_data(wag_agent *agent, wagi_slot slot, uint32_t at, const wagi_data_instance *data,
                             uint32_t from, uint32_t count)
{
    if (slot == 0)
        return WAG_NULL_ARRAY;
    wagi_gc_array *array = array_of(slot);
    const wagi_type *type = wagi_gc_type_of(&array->object);
    uint64_t bytes = (uint64_t)count * type->element_size;
    if (!inside(at, count, array->length))
        return WAG_ARRAY_BOUNDS;
    if (!inside(from, bytes, data->size))
        return WAG_MEMORY_BOUNDS;
    return copy_in(agent, array, at, count ? data->bytes + from : NULL, count, false);
}

wag_err wagi_array_init_elem(wag_agent *agent, wagi_slot slot, uint32_t at, const wagi_elem_instance *elem,
                             uint32_t from, uint32_t count)
{
    if (slot == 0)
        return WAG_NULL_ARRAY;
    wagi_gc_array *array = array_of(slot);
    if (!inside(at, count, array->length))
        return WAG_ARRAY_BOUNDS;
    if (!inside(from, count, elem->count))
        return WAG_TABLE_BOUNDS;
    return copy_in(agent, array, at, count ? elem->items + from : NULL, count, false);
}

/* ---- the debug walker ---- */

typedef struct walker {
    wag_agent *agent;
    bool ok;
} walker;

static void check_slot(walker *w, wagi_slot slot)
{
    if (slot == 0 || wagi_is_i31(slot))
        return;
    const wagi_gc *gc = &w->agent->gc;
    const wagi_gc_object *object = wagi_slot_object(slot);
    if (!object)
        w->ok = w->ok && wagi_slot_unit(slot)->agent == w->agent && !wagi_slot_unit(slot)->dying;
    else if (wagi_gc_find(gc, slot) != object)
        w->ok = false;
    else if (!gc->marking && ((object->head ^ gc->head_bits) & WAGI_GC_COLOUR))
        w->ok = false; /* a live object refers to a dead one */
}

static void check_object(wagi_gc_object *object, void *context)
{
    walker *w = context;
    const wagi_type *type = wagi_gc_type_of(object);
    bool held = false;
    for (size_t i = 0; i < w->agent->gc.types.n; i++)
        held = held || w->agent->gc.types.p[i].type == type;
    w->ok = w->ok && held;
    if (!w->ok)
        return;
    if (type->comp == WAGI_COMP_STRUCT) {
        for (uint32_t i = 0; i < type->ref_count; i++)
            check_slot(w, wagi_gc_load(wagi_gc_at(object, type->ref_offsets[i]), WAGI_KIND_REF));
    } else if (type->comp == WAGI_COMP_ARRAY) {
        wagi_gc_array *array = (wagi_gc_array *)(void *)object;
        for (uint32_t i = 0; type->ref_count && i < array->length; i++)
            check_slot(w, wagi_gc_load(wagi_gc_element(array, type, i), WAGI_KIND_REF));
    } else {
        const wagi_gc_exception *exception = (const wagi_gc_exception *)(const void *)object;
        w->ok = w->ok && exception->tag->type == type && exception->tag->object.unit->agent == w->agent;
    }
}

static bool check_space(const wagi_gc_space *space)
{
    bool ok = true;
    for (unsigned i = 0; i < WAGI_GC_CLASSES; i++)
        for (const wagi_gc_cell *cell = space->free[i]; cell; cell = cell->next)
            ok = ok && (uintptr_t)cell % WAGI_GC_GRANULE == 0 && ((uintptr_t)cell->next & WAGI_GC_TAG) == 0;
    return ok;
}

bool wagi_gc_check(wag_agent *agent)
{
    walker w = {agent, true};
    wagi_gc_sort_larges(&agent->gc);
    wagi_gc_each(&agent->gc, check_object, &w);
    uint64_t used = agent->gc.common.used;
    w.ok = w.ok && check_space(&agent->gc.common);
    for (const wagi_gc_space *space = agent->gc.spaces; space; space = space->next) {
        w.ok = w.ok && check_space(space);
        used += space->used;
    }
    return w.ok && used == agent->gc.used;
}

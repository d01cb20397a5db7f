/* Tables: vectors of reference slots. The first elements of a small table of an instance lie in the instance's block.
 */
#include <string.h>

#include "base/alloc.h"
#include "runtime/quota.h"
#include "runtime/store.h"

static wag_error *table_no_room(uint64_t size)
{
    return wagi_error_new(WAG_RANGE, "could not allocate a table of %llu elements", (unsigned long long)size);
}

wag_err wagi_table_open(wag_table *table, wagi_table_type type, wagi_slot *room, wag_error **reterr_error)
{
    uint64_t size = type.limits.minimum, limit = table->object.unit->agent->cluster->limits.table_entries;
    if (limit > SIZE_MAX / sizeof(wagi_slot))
        limit = SIZE_MAX / sizeof(wagi_slot);
    if (size > limit)
        return wagi_fail(table_no_room(size), reterr_error);
    wagi_unit *unit = table->object.unit;
    if (wagi_quota_take_for(unit, WAGI_QUOTA_TABLES, size) != WAG_OK)
        return wagi_fail(wagi_quota_error_for(unit, WAGI_QUOTA_TABLES, size), reterr_error);
    wagi_slot *elements = room;
    if (!elements && size) {
        elements = wagi_alloc_zero((size_t)size, sizeof *elements);
        if (!elements) {
            wagi_quota_give_for(unit, WAGI_QUOTA_TABLES, size);
            return wagi_fail(table_no_room(size), reterr_error);
        }
    }
    table->elements = elements;
    table->size = table->capacity = size;
    table->max_size = type.limits.has_maximum && type.limits.maximum < limit ? type.limits.maximum : limit;
    table->type = type;
    table->in_block = room != NULL;
    return WAG_OK;
}

void wagi_table_close(wag_table *table)
{
    wagi_quota_give_for(table->object.unit, WAGI_QUOTA_TABLES, table->size);
    if (!table->in_block)
        wagi_free(table->elements);
    table->elements = NULL;
    table->size = table->capacity = 0;
    table->in_block = false;
}

void wagi_table_begin(wag_table *table, wagi_slot init)
{
    table->written = true;
    for (uint64_t i = 0; i < table->size; i++)
        table->elements[i] = init; /* over nothing */
}

wag_err wagi_table_new(wag_agent *agent, wagi_table_type type, wagi_slot init, wag_table **ret_table,
                       wag_error **reterr_error)
{
    wag_table *table = wagi_object_new(agent, WAGI_OBJECT_TABLE, sizeof *table);
    if (!table)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    wag_err err = wagi_table_open(table, type, NULL, reterr_error);
    if (err != WAG_OK) {
        wagi_unit_drop(table->object.unit);
        return err;
    }
    if (init)
        wagi_table_begin(table, init);
    *ret_table = table;
    return WAG_OK;
}

static bool may_go_on(const wag_table *table, uint64_t left, wag_err *ret_stop)
{
    return wagi_bulk_goes_on(table->object.unit->agent, left, ret_stop);
}

uint64_t wagi_table_grow(wag_table *table, uint64_t delta, wagi_slot init)
{
    uint64_t old_size = table->size;
    if (old_size > table->max_size || delta > table->max_size - old_size)
        return UINT64_MAX;
    uint64_t size = old_size + delta;
    if (wagi_quota_take_for(table->object.unit, WAGI_QUOTA_TABLES, delta) != WAG_OK)
        return UINT64_MAX;
    table->written = true;
    if (size > table->capacity) {
        uint64_t capacity = table->capacity * 2 > 16 ? table->capacity * 2 : 16;
        if (capacity < size)
            capacity = size;
        if (capacity > table->max_size)
            capacity = table->max_size;
        wagi_slot *grown =
            wagi_realloc_array(table->in_block ? NULL : table->elements, (size_t)capacity, sizeof *grown);
        if (!grown) {
            wagi_quota_give_for(table->object.unit, WAGI_QUOTA_TABLES, delta);
            return UINT64_MAX;
        }
        if (table->in_block)
            memcpy(grown, table->elements, (size_t)old_size * sizeof *grown);
        table->elements = grown;
        table->capacity = capacity;
        table->in_block = false;
    }
    wag_err stop;
    uint64_t at = old_size;
    do {
        uint64_t end = at + wagi_bulk_step(size - at, sizeof init);
        for (; at < end; at++)
            table->elements[at] = init; /* over nothing */
    } while (may_go_on(table, size - at, &stop));
    if (stop != WAG_OK) { /* whoever wanted it is about to be stopped */
        wagi_quota_give_for(table->object.unit, WAGI_QUOTA_TABLES, delta);
        return UINT64_MAX;
    }
    table->size = size;
    return old_size;
}

static bool inside(uint64_t offset, uint64_t count, uint64_t size)
{
    return offset <= size && count <= size - offset;
}

/* What is about to be overwritten or dropped; heap.h. */
static void will_overwrite(wag_agent *agent, const wagi_slot *slots, uint64_t count)
{
    if (agent->gc.marking)
        wagi_gc_shade_all(agent, slots, count);
}

void wagi_table_store(wag_table *table, uint64_t index, wagi_slot value)
{
    will_overwrite(table->object.unit->agent, table->elements + index, 1);
    table->written = true;
    table->elements[index] = value;
}

wag_err wagi_table_fill(wag_table *table, uint64_t offset, wagi_slot value, uint64_t count)
{
    if (!inside(offset, count, table->size))
        return WAG_TABLE_BOUNDS;
    wag_err err;
    do {
        uint64_t step = wagi_bulk_step(count, sizeof value);
        will_overwrite(table->object.unit->agent, table->elements + offset, step);
        table->written = true;
        for (uint64_t i = 0; i < step; i++)
            table->elements[offset + i] = value;
        offset += step;
        count -= step;
    } while (may_go_on(table, count, &err));
    return err;
}

wag_err wagi_table_copy(wag_table *destination, uint64_t to, wag_table *source, uint64_t from, uint64_t count)
{
    if (!inside(to, count, destination->size) || !inside(from, count, source->size))
        return WAG_TABLE_BOUNDS;
    bool upward = destination != source || to <= from;
    wag_err err;
    do { /* from the end that is not in the way of the other one */
        uint64_t step = wagi_bulk_step(count, sizeof(wagi_slot)), at = upward ? 0 : count - step;
        will_overwrite(destination->object.unit->agent, destination->elements + to + at, step);
        destination->written = true;
        if (step)
            memmove(destination->elements + to + at, source->elements + from + at, (size_t)step * sizeof(wagi_slot));
        count -= step;
        to += upward ? step : 0;
        from += upward ? step : 0;
    } while (may_go_on(destination, count, &err));
    return err;
}

wag_err wagi_table_init(wag_table *table, uint64_t to, const wagi_elem_instance *elem, uint64_t from, uint64_t count)
{
    if (!inside(to, count, table->size) || !inside(from, count, elem->count))
        return WAG_TABLE_BOUNDS;
    wag_err err;
    do {
        uint64_t step = wagi_bulk_step(count, sizeof(wagi_slot));
        will_overwrite(table->object.unit->agent, table->elements + to, step);
        table->written = true;
        if (step)
            memcpy(table->elements + to, elem->items + from, (size_t)step * sizeof(wagi_slot));
        to += step;
        from += step;
        count -= step;
    } while (may_go_on(table, count, &err));
    return err;
}

void wagi_elem_drop(wagi_elem_instance *elem)
{
    wag_agent *agent = wagi_agent_peek();
    if (agent) /* tests of segments alone have none */
        will_overwrite(agent, elem->items, elem->count);
    elem->count = 0;
}

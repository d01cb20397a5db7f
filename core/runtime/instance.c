/* The instance's block: one allocation for the instance, all its arrays and own objects, and its small tables.
 *
 * wagi_instance_new fills it up to the point where segments run; nothing in it can be reached from outside until then.
 * What a failed one got is given back by the ordinary teardown, which copes with every half-built state: heads are set
 * before anything that can fail, and a zeroed memory or table is closed without effect.
 *
 * A block that comes from the pool has been reset when its last instance died: memories, numbers in globals and what
 * counts as dropped are as new, and so is everything that never changes. What is left depends on the imports, if they
 * are others than last time, or must be made each time.
 */
#include <string.h>

#include "base/alloc.h"
#include "runtime/pool.h"
#include "runtime/quota.h"
#include "runtime/slot.h"
#include "runtime/store.h"
#include "runtime/tier.h"

enum { INLINE_ELEMENTS = 1024 }; /* a table with more initial elements has a block of its own */

static uint64_t place(uint64_t *at, uint64_t count, size_t size)
{
    uint64_t start = *at;
    *at += (count * size + 15) / 16 * 16;
    return start;
}

static uint64_t passive_items(const wagi_module_data *data)
{
    uint64_t items = 0;
    for (uint32_t i = 0; i < data->elem_count; i++)
        if (data->elems[i].mode == WAGI_SEGMENT_PASSIVE)
            items += data->elems[i].count;
    return items;
}

static bool is_inline(wagi_table_type type)
{
    return type.limits.minimum > 0 && type.limits.minimum <= INLINE_ELEMENTS;
}

static uint64_t inline_elements(const wagi_module_data *data)
{
    uint64_t elements = 0;
    for (uint32_t i = data->table_import_count; i < data->table_count; i++)
        if (is_inline(data->tables[i].type))
            elements += data->tables[i].type.limits.minimum;
    return elements;
}

wagi_instance_layout wagi_instance_layout_of(const wagi_module_data *data)
{
    wagi_instance_layout l;
    uint64_t at = (sizeof(wag_instance) + 15) / 16 * 16;
    l.own_funcs = place(&at, data->func_ref_count, sizeof(wag_func));
    l.own_tables = place(&at, data->table_count - data->table_import_count, sizeof(wag_table));
    l.own_memories = place(&at, data->memory_count - data->memory_import_count, sizeof(wag_memory));
    l.own_globals = place(&at, data->global_count - data->global_import_count, sizeof(wag_global));
    l.own_tags = place(&at, data->tag_count - data->tag_import_count, sizeof(wag_tag));
    l.funcs = place(&at, data->func_import_count, sizeof(wag_func *));
    l.tables = place(&at, data->table_count, sizeof(wag_table *));
    l.memories = place(&at, data->memory_count, sizeof(wag_memory *));
    l.globals = place(&at, data->global_count, sizeof(wag_global *));
    l.tags = place(&at, data->tag_count, sizeof(wag_tag *));
    l.elems = place(&at, data->elem_count, sizeof(wagi_elem_instance));
    l.datas = place(&at, data->data_count, sizeof(wagi_data_instance));
    l.items = place(&at, passive_items(data), sizeof(wagi_slot));
    l.elements = place(&at, inline_elements(data), sizeof(wagi_slot));
    l.size = at;
    return l;
}

static void *at_offset(wag_instance *instance, uint64_t offset)
{
    return (char *)instance + offset;
}

static void head_init(wagi_object *object, wagi_unit *unit, wagi_object_kind kind)
{
    object->unit = unit;
    object->kind = (uint8_t)kind;
}

/* True when linking this object makes its importer escaped: rule 1 of object.h. */
static bool import_carries_functions(const wagi_registry *registry, const wagi_object *object)
{
    switch ((wagi_object_kind)object->kind) {
    case WAGI_OBJECT_FUNC: {
        const wag_func *func = (const wag_func *)object;
        if (func->instance)
            return wagi_type_carries_functions(registry, func->type);
        for (uint32_t i = 0; i < func->type->result_count; i++)
            if (wagi_carries_functions(registry, func->type->results[i]))
                return true;
        return false;
    }
    case WAGI_OBJECT_TABLE:
        return wagi_carries_functions(registry, ((const wag_table *)object)->type.element);
    case WAGI_OBJECT_GLOBAL:
        return wagi_carries_functions(registry, ((const wag_global *)object)->type.content);
    case WAGI_OBJECT_TAG:
        return wagi_type_carries_functions(registry, ((const wag_tag *)object)->type);
    default:
        return false;
    }
}

static bool is_func_ref(const wagi_registry *registry, wagi_valtype type)
{
    return wagi_is_ref(type) && wagi_heap_top(registry, type) == WAGI_HEAP_FUNC;
}

/* True when structures, arrays or exceptions can take the instance's functions along: rule 4 of object.h. */
static bool heap_carries_functions(const wagi_registry *registry, const wagi_module_data *data)
{
    uint64_t uses = (uint64_t)1 << WAGI_FEATURE_GC | (uint64_t)1 << WAGI_FEATURE_EXCEPTIONS;
    if (!(data->features & uses))
        return false;
    for (uint32_t i = data->tag_import_count; i < data->tag_count; i++)
        if (wagi_type_carries_functions(registry, data->tags[i]))
            return true;
    for (uint32_t i = 0; i < data->type_count; i++)
        for (uint32_t j = 0; j < data->types[i]->field_count; j++)
            if (is_func_ref(registry, data->types[i]->fields[j].storage))
                return true;
    return false;
}

bool wagi_linking_escapes(const wag_linked *linked)
{
    const wagi_registry *registry = linked->object.unit->agent->cluster->registry;
    for (uint32_t i = 0; i < linked->count; i++)
        if (import_carries_functions(registry, linked->objects[i]))
            return true;
    return heap_carries_functions(registry, linked->pool->module->data);
}

/* Fill the import parts of the vectors. */
static void link_imports(wag_instance *instance, const wag_linked *linked)
{
    const wagi_module_data *data = instance->data;
    for (uint32_t i = 0; i < data->import_count; i++) {
        wagi_object *object = linked->objects[i];
        uint32_t index = data->imports[i].index;
        switch (data->imports[i].kind) {
        case WAG_EXTERN_FUNC:
            instance->funcs[index] = (wag_func *)object;
            break;
        case WAG_EXTERN_TABLE:
            instance->tables[index] = (wag_table *)object;
            break;
        case WAG_EXTERN_MEMORY:
            instance->memories[index] = (wag_memory *)object;
            break;
        case WAG_EXTERN_GLOBAL:
            instance->globals[index] = (wag_global *)object;
            break;
        case WAG_EXTERN_TAG:
            instance->tags[index] = (wag_tag *)object;
            break;
        }
    }
    instance->link_serial = linked->serial;
}

static void init_funcs(wag_instance *instance)
{
    const wagi_module_data *data = instance->data;
    const wagi_tier *tier = instance->module->tier;
    uint32_t left = data->func_ref_count;
    for (uint32_t i = data->func_import_count; left && i < data->func_count; i++) {
        uint32_t slot = data->func_ref_slot[i];
        if (slot == WAGI_NO_INDEX)
            continue;
        wag_func *func = &instance->own_funcs[slot];
        head_init(&func->object, &instance->unit, WAGI_OBJECT_FUNC);
        func->type = data->func_types[i];
        func->instance = instance;
        func->body = wagi_module_body(data, i);
        func->code = tier->code ? tier->code(instance->module, i) : NULL;
        left--;
    }
}

/* Set the heads of the own objects and the vectors' entries for them. */
static void init_heads(wag_instance *instance, const wagi_instance_layout *l)
{
    const wagi_module_data *data = instance->data;
    wagi_unit *unit = &instance->unit;
    wag_table *table = at_offset(instance, l->own_tables);
    for (uint32_t i = data->table_import_count; i < data->table_count; i++, table++) {
        head_init(&table->object, unit, WAGI_OBJECT_TABLE);
        instance->tables[i] = table;
    }
    wag_memory *memory = at_offset(instance, l->own_memories);
    for (uint32_t i = data->memory_import_count; i < data->memory_count; i++, memory++) {
        head_init(&memory->object, unit, WAGI_OBJECT_MEMORY);
        instance->memories[i] = memory;
    }
    wag_global *global = at_offset(instance, l->own_globals);
    for (uint32_t i = data->global_import_count; i < data->global_count; i++, global++) {
        head_init(&global->object, unit, WAGI_OBJECT_GLOBAL);
        global->type = data->globals[i].type;
        instance->globals[i] = global;
    }
    wag_tag *tag = at_offset(instance, l->own_tags);
    for (uint32_t i = data->tag_import_count; i < data->tag_count; i++, tag++) {
        head_init(&tag->object, unit, WAGI_OBJECT_TAG);
        tag->type = data->tags[i];
        instance->tags[i] = tag;
    }
}

/* Stands for memory 0 where there is none: native code loads its base without asking. */
static const wag_memory no_memory;

/* The instance is alive from here on. */
static void begin(wag_instance *instance, wag_linked *linked)
{
    wagi_unit_begin(&instance->unit);
    instance->unit.escaped = linked->escapes;
    instance->linked = linked;
    linked->object.unit->refs++;
    linked->pool->instances++;
}

static void set_memory0(wag_instance *instance)
{
    instance->memory0 = instance->data->memory_count ? instance->memories[0] : (wag_memory *)(uintptr_t)&no_memory;
}

static wag_instance *block_new(wag_linked *linked)
{
    const wagi_module_data *data = linked->pool->module->data;
    const wagi_instance_layout *l = &linked->pool->layout;
    wag_instance *instance = l->size > SIZE_MAX / 2 ? NULL : wagi_alloc_zero((size_t)l->size, 1);
    if (!instance)
        return NULL;
    head_init(&instance->object, &instance->unit, WAGI_OBJECT_INSTANCE);
    instance->block_size = instance->ready_weight = (size_t)l->size;
    instance->pool = linked->pool;
    instance->module = linked->pool->module;
    instance->data = data;
    instance->own_funcs = at_offset(instance, l->own_funcs);
    instance->funcs = at_offset(instance, l->funcs);
    instance->tables = at_offset(instance, l->tables);
    instance->memories = at_offset(instance, l->memories);
    instance->globals = at_offset(instance, l->globals);
    instance->tags = at_offset(instance, l->tags);
    instance->elems = at_offset(instance, l->elems);
    instance->datas = at_offset(instance, l->datas);
    instance->exports.instance = instance;
    instance->unit.agent = linked->pool->agent;
    instance->unit.kind = WAGI_OBJECT_INSTANCE;
    begin(instance, linked);
    init_heads(instance, l);
    link_imports(instance, linked);
    set_memory0(instance);
    init_funcs(instance);
    return instance;
}

wag_error *wagi_const_eval(wag_instance *instance, const wagi_const_expr *expr, wagi_slot *ret_value)
{
    switch (expr->kind) {
    case WAGI_CONST_NUMBER:
        ret_value[0] = expr->bits[0];
        if (expr->type == WAGI_V128)
            ret_value[1] = expr->bits[1];
        break;
    case WAGI_CONST_REF_NULL:
        ret_value[0] = 0;
        break;
    case WAGI_CONST_REF_FUNC:
        ret_value[0] = (wagi_slot)(uintptr_t)wagi_instance_func(instance, expr->index);
        break;
    case WAGI_CONST_GLOBAL_GET:
        ret_value[0] = instance->globals[expr->index]->value[0];
        if (expr->type == WAGI_V128)
            ret_value[1] = instance->globals[expr->index]->value[1];
        break;
    case WAGI_CONST_EXPR:
        return instance->module->tier->eval(instance, expr, ret_value);
    }
    return NULL;
}

static wag_err guard_imports(wag_instance *instance, wag_error **reterr_error)
{
    const wagi_module_data *data = instance->data;
    for (uint32_t i = 0; instance->module->guarded && i < data->memory_import_count; i++)
        if (wagi_memory_can_be_guarded(data->memories[i]) && !wagi_memory_guard(instance->memories[i]))
            return wagi_fail(
                wagi_error_new(WAG_RANGE, "no address space for the guard pages of imported memory %u", (unsigned)i),
                reterr_error);
    return WAG_OK;
}

static wag_err init_memories(wag_instance *instance, wag_error **reterr_error)
{
    const wagi_module_data *data = instance->data;
    wag_err err = guard_imports(instance, reterr_error);
    for (uint32_t i = data->memory_import_count; err == WAG_OK && i < data->memory_count; i++) {
        bool guarded = instance->module->guarded && wagi_memory_can_be_guarded(data->memories[i]);
        err = wagi_memory_open(instance->memories[i], data->memories[i], guarded, reterr_error);
        const wagi_memory_image *image = wagi_memory_image_of(instance->module, i);
        if (err == WAG_OK && image)
            wagi_memory_image_fill(image, instance->memories[i]->base);
        if (err == WAG_OK)
            wagi_slot_begin(instance->memories[i], &instance->pool->plans[i - data->memory_import_count]);
    }
    return err;
}

static wag_error *init_globals(wag_instance *instance)
{
    const wagi_module_data *data = instance->data;
    wag_error *error = NULL;
    for (uint32_t i = data->global_import_count; !error && i < data->global_count; i++)
        error = wagi_const_eval(instance, &data->globals[i].init, instance->globals[i]->value);
    return error;
}

static wag_err init_tables(wag_instance *instance, wag_error **reterr_error)
{
    const wagi_module_data *data = instance->data;
    const wagi_instance_layout *l = &instance->pool->layout;
    wagi_slot *room = at_offset(instance, l->elements);
    for (uint32_t i = data->table_import_count; i < data->table_count; i++) {
        const wagi_table_def *def = &data->tables[i];
        wag_table *table = instance->tables[i];
        bool in_block = is_inline(def->type);
        wagi_table_close(table); /* of a block that is used again */
        if (in_block)
            memset(room, 0, (size_t)def->type.limits.minimum * sizeof *room);
        wag_err err = wagi_table_open(table, def->type, in_block ? room : NULL, reterr_error);
        if (err != WAG_OK)
            return err;
        if (in_block)
            room += table->size;
        wagi_slot init = 0;
        wag_error *error = def->has_init ? wagi_const_eval(instance, &def->init, &init) : NULL;
        if (error)
            return wagi_fail(error, reterr_error);
        if (init)
            wagi_table_begin(table, init);
    }
    return WAG_OK;
}

/* Passive segments are kept; active and declared ones count as dropped from the start. */
static wag_error *init_segments(wag_instance *instance)
{
    const wagi_module_data *data = instance->data;
    wagi_slot *items = at_offset(instance, instance->pool->layout.items);
    for (uint32_t i = 0; i < data->elem_count; i++) {
        const wagi_elem_segment *segment = &data->elems[i];
        if (segment->mode != WAGI_SEGMENT_PASSIVE)
            continue;
        instance->elems[i] = (wagi_elem_instance){segment->count, items};
        for (uint32_t j = 0; j < segment->count; j++, items++) {
            wag_err stop = wagi_agent_stop_after(instance->unit.agent, j);
            wag_error *error = stop == WAG_OK ? NULL : wagi_error_new(stop, NULL);
            if (segment->funcs)
                *items = (wagi_slot)(uintptr_t)wagi_instance_func(instance, segment->funcs[j]);
            else
                error = wagi_const_eval(instance, &segment->items[j], items);
            if (error)
                return error;
        }
    }
    for (uint32_t i = 0; i < data->data_count; i++)
        if (data->datas[i].mode == WAGI_SEGMENT_PASSIVE)
            instance->datas[i] = (wagi_data_instance){data->datas[i].bytes.data, data->datas[i].bytes.size};
    return NULL;
}

wag_instance *wagi_pool_instantiate(wag_linked *linked)
{
    wagi_pool *pool = linked->pool;
    if (!pool->is_quiet || pool->ready.n == 0)
        return NULL;
    wag_instance *instance = pool->ready.p[pool->ready.n - 1];
    wagi_instance_wake(instance);
    /* With this link it has been before, so its types have been matched. */
    if (instance->link_serial != linked->serial || instance->stale_tables ||
        wagi_quota_take_instance(pool->agent) != WAG_OK) {
        wagi_instance_sleep(instance);
        return NULL;
    }
    pool->ready.n--;
    wagi_pool_account(pool, instance, false);
    begin(instance, linked);
    return instance;
}

/* What the imports decide, or what must be made each time. */
static wag_err refill(wag_instance *instance, bool other_imports, wag_error **reterr_error)
{
    const wagi_pool *pool = instance->pool;
    wag_error *error = NULL;
    wag_err err = WAG_OK;
    if (other_imports) {
        link_imports(instance, instance->linked);
        set_memory0(instance);
        instance->stale_tables |= pool->linked_contents;
        err = guard_imports(instance, reterr_error);
    }
    if (err == WAG_OK && pool->has_late_globals && (error = init_globals(instance)) != NULL)
        err = wagi_fail(error, reterr_error);
    if (err == WAG_OK && instance->stale_tables)
        err = init_tables(instance, reterr_error);
    if (err == WAG_OK && instance->stale_tables && (error = init_segments(instance)) != NULL)
        err = wagi_fail(error, reterr_error);
    return err;
}

static wag_err fill(wag_instance *instance, wag_error **reterr_error)
{
    wag_error *error = NULL;
    wag_err err = init_memories(instance, reterr_error);
    if (err == WAG_OK && (error = init_globals(instance)) != NULL)
        err = wagi_fail(error, reterr_error);
    if (err == WAG_OK)
        err = init_tables(instance, reterr_error);
    if (err == WAG_OK && (error = init_segments(instance)) != NULL)
        err = wagi_fail(error, reterr_error);
    instance->stale_tables = true; /* active segments come after this */
    return err;
}

wag_err wagi_instance_new(wag_linked *linked, wag_instance **ret_instance, wag_error **reterr_error)
{
    wag_agent *agent = linked->pool->agent;
    if (wagi_quota_take_instance(agent) != WAG_OK)
        return wagi_fail(wagi_quota_error(agent, WAGI_QUOTA_INSTANCES, 1), reterr_error);
    wag_instance *instance = wagi_pool_take(linked->pool);
    wag_err err;
    if (instance) {
        instance->complete = false;
        begin(instance, linked);
        err = refill(instance, instance->link_serial != linked->serial, reterr_error);
    } else {
        instance = block_new(linked);
        if (!instance) {
            wagi_quota_give_instance(agent);
            return wagi_fail(wagi_error_nomem(), reterr_error);
        }
        err = fill(instance, reterr_error);
    }
    if (err != WAG_OK)
        wagi_unit_release(&instance->unit);
    else
        *ret_instance = instance;
    return err;
}

/* ---- the pool's side ---- */

static void revive_segments(wag_instance *instance)
{
    const wagi_module_data *data = instance->data;
    for (uint32_t i = 0; i < data->elem_count; i++)
        if (data->elems[i].mode == WAGI_SEGMENT_PASSIVE)
            instance->elems[i].count = data->elems[i].count;
    for (uint32_t i = 0; i < data->data_count; i++)
        if (data->datas[i].mode == WAGI_SEGMENT_PASSIVE)
            instance->datas[i].size = data->datas[i].bytes.size;
}

bool wagi_instance_reset(wag_instance *instance)
{
    const wagi_module_data *data = instance->data;
    const wagi_pool *pool = instance->pool;
    const wagi_first_value *first = pool->first_values, *end = first + pool->first_value_count;
    for (; first < end; first++) {
        wagi_slot *value = at_offset(instance, first->offset);
        value[0] = first->bits[0];
        if (first->is_wide)
            value[1] = first->bits[1];
    }
    bool stale = false;
    for (uint32_t i = data->table_import_count; i < data->table_count; i++)
        stale |= instance->tables[i]->written;
    instance->stale_tables = stale;
    if (pool->has_passive)
        revive_segments(instance);
    for (uint32_t i = data->memory_import_count; i < data->memory_count; i++)
        if (!wagi_slot_reset(instance->memories[i]))
            return false;
    return true;
}

void wagi_instance_close(wag_instance *instance)
{
    const wagi_module_data *data = instance->data;
    for (uint32_t i = data->memory_import_count; i < data->memory_count; i++)
        wagi_memory_close(instance->memories[i]);
    for (uint32_t i = data->table_import_count; i < data->table_count; i++)
        wagi_table_close(instance->tables[i]);
}

wag_value wagi_instance_export(const wag_instance *instance, uint32_t index)
{
    if (index == WAGI_NO_INDEX)
        return WAG_UNDEFINED;
    const wagi_export *export = &instance->data->exports[index];
    switch (export->kind) {
    case WAG_EXTERN_FUNC:
        return WAG_FUNC(wagi_instance_func((wag_instance *)instance, export->index));
    case WAG_EXTERN_TABLE:
        return WAG_TABLE(instance->tables[export->index]);
    case WAG_EXTERN_MEMORY:
        return WAG_MEMORY(instance->memories[export->index]);
    case WAG_EXTERN_GLOBAL:
        return WAG_GLOBAL(instance->globals[export->index]);
    case WAG_EXTERN_TAG:
        return WAG_TAG(instance->tags[export->index]);
    }
    return WAG_UNDEFINED;
}

/* ---- where frames were ---- */

/* Among an instance's host infos this one is the library's own. */
static const wagi_object origin_mark;

static void origin_lost(void *info)
{
    wagi_origin *origin = info;
    origin->place = NULL;
    wagi_origin_unref(origin);
}

wagi_origin *wagi_instance_origin(wag_instance *instance)
{
    for (wagi_host_info *info = instance->unit.infos; info; info = info->next)
        if (info->object == &origin_mark)
            return wagi_origin_ref(info->info);
    wagi_origin *origin = WAGI_NEW(wagi_origin);
    wagi_host_info *info = origin ? WAGI_NEW(wagi_host_info) : NULL;
    if (!info) {
        wagi_free(origin);
        return NULL;
    }
    atomic_init(&origin->count, 2); /* the instance's, and the caller's */
    origin->owner = instance->unit.agent;
    origin->place = instance;
    *info = (wagi_host_info){instance->unit.infos, &origin_mark, origin, origin_lost};
    instance->unit.infos = info;
    return origin;
}

wag_instance *wagi_origin_instance(const wagi_origin *origin)
{
    return origin && origin->owner == wagi_agent_peek() ? origin->place : NULL;
}

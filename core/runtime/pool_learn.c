/* What a pool must know of its module: what of an instance is the same each time, and what is not. */
#include "runtime/pool.h"
#include "runtime/slot.h"

static bool leads_to_imports(const wagi_module_data *data, const wagi_const_expr *expr)
{
    return expr->kind == WAGI_CONST_GLOBAL_GET || expr->kind == WAGI_CONST_EXPR ||
           (expr->kind == WAGI_CONST_REF_FUNC && expr->index < data->func_import_count);
}

/* It makes a new object of the heap each time it is evaluated, or may. */
static bool makes_objects(const wagi_const_expr *expr)
{
    return expr->kind == WAGI_CONST_EXPR && wagi_is_ref(expr->type);
}

static void learn_elem(wagi_pool *pool, const wagi_elem_segment *segment)
{
    const wagi_module_data *data = pool->module->data;
    if (segment->mode == WAGI_SEGMENT_DECLARED)
        return;
    if (segment->mode == WAGI_SEGMENT_PASSIVE)
        pool->has_passive = true;
    else if (leads_to_imports(data, &segment->offset))
        pool->linked_contents = true;
    for (uint32_t i = 0; i < segment->count; i++) {
        if (segment->funcs) {
            pool->linked_contents |= segment->funcs[i] < data->func_import_count;
        } else {
            pool->linked_contents |= leads_to_imports(data, &segment->items[i]);
            pool->recyclable &= !makes_objects(&segment->items[i]);
        }
    }
}

static bool learn_globals(wagi_pool *pool)
{
    const wagi_module_data *data = pool->module->data;
    uint32_t own = data->global_count - data->global_import_count;
    pool->first_values = own ? wagi_alloc(own * sizeof *pool->first_values) : NULL;
    if (own && !pool->first_values)
        return false;
    for (uint32_t i = 0; i < own; i++) {
        const wagi_global_def *def = &data->globals[data->global_import_count + i];
        if (def->init.kind != WAGI_CONST_NUMBER && def->init.kind != WAGI_CONST_REF_NULL) {
            pool->has_late_globals = true;
            pool->recyclable &= !makes_objects(&def->init);
        } else if (def->type.is_mutable) {
            bool is_number = def->init.kind == WAGI_CONST_NUMBER;
            pool->first_values[pool->first_value_count++] = (wagi_first_value){
                .offset = pool->layout.own_globals + i * sizeof(wag_global) + offsetof(wag_global, value),
                .is_wide = def->init.type == WAGI_V128,
                .bits = {is_number ? def->init.bits[0] : 0, is_number ? def->init.bits[1] : 0}};
        }
    }
    return true;
}

static bool learn_memories(wagi_pool *pool)
{
    const wagi_module_data *data = pool->module->data;
    uint32_t first = data->memory_import_count, own = data->memory_count - first;
    pool->plans = own ? wagi_alloc_zero(own, sizeof *pool->plans) : NULL;
    for (uint32_t i = 0; pool->plans && i < own; i++) {
        wagi_memory_type type = data->memories[first + i];
        pool->memory_bytes += type.limits.minimum << type.page_size_log2;
        wagi_plan_init(&pool->plans[i], pool->agent->cluster, type, wagi_memory_image_of(pool->module, first + i),
                       pool->module->guarded && wagi_memory_can_be_guarded(type));
    }
    return pool->plans || own == 0;
}

/* Does nothing have to run when an instance is used again with the same imports? */
static bool is_quiet(const wagi_pool *pool)
{
    const wagi_module_data *data = pool->module->data;
    bool quiet = !pool->has_late_globals && data->start == WAGI_NO_INDEX;
    for (uint32_t i = 0; quiet && i < data->elem_count; i++)
        quiet = data->elems[i].mode != WAGI_SEGMENT_ACTIVE || data->elems[i].table >= data->table_import_count;
    for (uint32_t i = 0; quiet && i < data->data_count; i++)
        quiet =
            data->datas[i].mode != WAGI_SEGMENT_ACTIVE || (data->datas[i].memory >= data->memory_import_count &&
                                                           wagi_memory_image_of(pool->module, data->datas[i].memory));
    return quiet;
}

bool wagi_pool_learn(wagi_pool *pool)
{
    const wagi_module_data *data = pool->module->data;
    pool->recyclable = true;
    for (uint32_t i = 0; i < data->elem_count; i++)
        learn_elem(pool, &data->elems[i]);
    for (uint32_t i = 0; i < data->data_count; i++)
        pool->has_passive |= data->datas[i].mode == WAGI_SEGMENT_PASSIVE;
    for (uint32_t i = data->table_import_count; i < data->table_count; i++)
        if (data->tables[i].has_init) {
            pool->linked_contents |= leads_to_imports(data, &data->tables[i].init);
            pool->recyclable &= !makes_objects(&data->tables[i].init);
        }
    for (uint32_t i = data->memory_import_count; i < data->memory_count; i++)
        pool->recyclable &= !data->memories[i].limits.is_shared;
    if (!learn_globals(pool) || !learn_memories(pool))
        return false;
    pool->is_quiet = is_quiet(pool);
    return true;
}

void wagi_pool_unlearn(wagi_pool *pool)
{
    const wagi_module_data *data = pool->module->data;
    for (uint32_t i = 0; pool->plans && i < data->memory_count - data->memory_import_count; i++)
        wagi_plan_fini(&pool->plans[i]);
    wagi_free(pool->plans);
    wagi_free(pool->first_values);
}

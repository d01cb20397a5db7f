/* Linking: the types of imports, segments, the start function.
 *
 * Order of instantiation: match all imports; allocate; active element segments; active data segments; start. A failing
 * step undoes nothing that was written into imported objects (C-02); a failed instance whose functions may be in an
 * imported table is escaped by then and stays as long as they are reachable (C-03).
 */
#include <stdio.h>
#include <string.h>

#include "runtime/image.h"
#include "runtime/pool.h"
#include "runtime/store.h"
#include "runtime/tier.h"

/* ---- texts ---- */

void wagi_import_text(const wag_module *module, uint32_t index, char *buffer, size_t size)
{
    const wagi_module_data *data = module->data;
    const wagi_type_scope *scope = WAGI_BY_STRUCTURE(module->registry);
    const wagi_import *import = &data->imports[index];
    switch (import->kind) {
    case WAG_EXTERN_FUNC:
        wagi_func_type_text(scope, data->func_types[import->index], buffer, size);
        break;
    case WAG_EXTERN_TABLE:
        wagi_table_type_text(scope, data->tables[import->index].type, buffer, size);
        break;
    case WAG_EXTERN_MEMORY:
        wagi_memory_type_text(data->memories[import->index], buffer, size);
        break;
    case WAG_EXTERN_GLOBAL:
        wagi_global_type_text(scope, data->globals[import->index].type, buffer, size);
        break;
    case WAG_EXTERN_TAG:
        wagi_tag_type_text(scope, data->tags[import->index], buffer, size);
        break;
    }
}

/* The type that an object has now: the minimum is the current size. */
static wagi_table_type table_type_now(const wag_table *table)
{
    wagi_table_type type = table->type;
    type.limits.minimum = table->size;
    return type;
}

static wagi_memory_type memory_type_now(const wag_memory *memory)
{
    wagi_memory_type type = memory->type;
    type.limits.minimum = wagi_memory_pages(memory);
    return type;
}

static void object_text(const wagi_registry *registry, const wagi_object *object, char *buffer, size_t size)
{
    const wagi_type_scope *scope = WAGI_BY_STRUCTURE(registry);
    switch ((wagi_object_kind)object->kind) {
    case WAGI_OBJECT_FUNC:
        wagi_func_type_text(scope, ((const wag_func *)object)->type, buffer, size);
        break;
    case WAGI_OBJECT_TABLE:
        wagi_table_type_text(scope, table_type_now((const wag_table *)object), buffer, size);
        break;
    case WAGI_OBJECT_MEMORY:
        wagi_memory_type_text(memory_type_now((const wag_memory *)object), buffer, size);
        break;
    case WAGI_OBJECT_GLOBAL:
        wagi_global_type_text(scope, ((const wag_global *)object)->type, buffer, size);
        break;
    case WAGI_OBJECT_TAG:
        wagi_tag_type_text(scope, ((const wag_tag *)object)->type, buffer, size);
        break;
    default:
        snprintf(buffer, size, "object");
    }
}

/* A name for a message: quoted, what cannot be printed as \xx, cut off when it is long. */
static void quote_name(wag_name name, char *buffer, size_t size)
{
    size_t at = 0;
    buffer[at++] = '"';
    for (size_t i = 0; i < name.size; i++) {
        unsigned char c = (unsigned char)name.data[i];
        bool plain = c >= 0x20 && c != 0x7f && c != '"' && c != '\\';
        if (at + 8 > size) {
            memcpy(buffer + at, "...", 3);
            at += 3;
            break;
        }
        if (plain)
            buffer[at++] = (char)c;
        else
            at += (size_t)snprintf(buffer + at, 4, "\\%02x", (unsigned)c);
    }
    buffer[at++] = '"';
    buffer[at] = 0;
}

wag_error *wagi_import_error(wag_err code, const wag_module *module, uint32_t index, const char *wanted,
                             const char *given)
{
    const wagi_import *import = &module->data->imports[index];
    char from[128], field[128];
    quote_name(import->module, from, sizeof from);
    quote_name(import->name, field, sizeof field);
    /* Two types may have the same words: what is written of a type is not all that it is. */
    const char *but = strcmp(wanted, given)
                          ? ""
                          : ", another type: its recursion group, supertypes, finality or what it refers to differs";
    wag_error *error =
        wagi_error_new(code, "import %u %s.%s: wanted %s, got %s%s", (unsigned)index, from, field, wanted, given, but);
    wagi_error_set_import(error, index, import->module, import->name);
    wagi_error_set_types(error, wanted, given);
    return error;
}

/* ---- matching ---- */

static bool limits_match(wagi_limits_type given, wagi_limits_type wanted)
{
    return given.is_64 == wanted.is_64 && given.is_shared == wanted.is_shared && given.minimum >= wanted.minimum &&
           (!wanted.has_maximum || (given.has_maximum && given.maximum <= wanted.maximum));
}

static bool global_matches(const wagi_registry *registry, wagi_global_type given, wagi_global_type wanted)
{
    if (given.is_mutable != wanted.is_mutable)
        return false;
    return given.is_mutable ? given.content == wanted.content
                            : wagi_valtype_is_sub(registry, given.content, wanted.content);
}

static bool import_matches(const wag_module *module, const wagi_import *import, const wagi_object *object)
{
    const wagi_module_data *data = module->data;
    switch (import->kind) {
    case WAG_EXTERN_FUNC:
        return object->kind == WAGI_OBJECT_FUNC &&
               wagi_type_is_sub(((const wag_func *)object)->type, data->func_types[import->index]);
    case WAG_EXTERN_TABLE: {
        const wagi_table_type *wanted = &data->tables[import->index].type;
        if (object->kind != WAGI_OBJECT_TABLE)
            return false;
        wagi_table_type given = table_type_now((const wag_table *)object);
        return given.element == wanted->element && limits_match(given.limits, wanted->limits);
    }
    case WAG_EXTERN_MEMORY: {
        const wagi_memory_type *wanted = &data->memories[import->index];
        if (object->kind != WAGI_OBJECT_MEMORY)
            return false;
        wagi_memory_type given = memory_type_now((const wag_memory *)object);
        return given.page_size_log2 == wanted->page_size_log2 && limits_match(given.limits, wanted->limits);
    }
    case WAG_EXTERN_GLOBAL:
        return object->kind == WAGI_OBJECT_GLOBAL &&
               global_matches(module->registry, ((const wag_global *)object)->type, data->globals[import->index].type);
    case WAG_EXTERN_TAG:
        return object->kind == WAGI_OBJECT_TAG && ((const wag_tag *)object)->type == data->tags[import->index];
    }
    return false;
}

wag_err wagi_import_match(const wag_module *module, uint32_t index, const wagi_object *object, wag_error **reterr_error)
{
    if (import_matches(module, &module->data->imports[index], object))
        return WAG_OK;
    char wanted[512], given[512];
    wagi_import_text(module, index, wanted, sizeof wanted);
    object_text(module->registry, object, given, sizeof given);
    return wagi_fail(wagi_import_error(WAG_LINK, module, index, wanted, given), reterr_error);
}

/* ---- segments and start ---- */

static wag_error *run_elem(wag_instance *instance, const wagi_elem_segment *segment)
{
    wag_table *table = instance->tables[segment->table];
    wagi_slot offset = 0;
    wag_error *error = wagi_const_eval(instance, &segment->offset, &offset);
    if (error)
        return error;
    if (offset > table->size || segment->count > table->size - offset)
        return wagi_error_new(WAG_TABLE_BOUNDS, "%s: element segment %u puts %u into table %u at %llu, which has %llu",
                              wag_err_text(WAG_TABLE_BOUNDS), (unsigned)(segment - instance->data->elems),
                              (unsigned)segment->count, (unsigned)segment->table, (unsigned long long)offset,
                              (unsigned long long)table->size);
    for (uint32_t i = 0; !error && i < segment->count; i++) {
        wagi_slot value = 0;
        if (segment->funcs)
            value = (wagi_slot)(uintptr_t)wagi_instance_func(instance, segment->funcs[i]);
        else
            error = wagi_const_eval(instance, &segment->items[i], &value);
        if (!error) /* the table is no smaller than it was, whatever ran meanwhile */
            wagi_table_store(table, offset + i, value);
        wag_err stop = wagi_agent_stop_after(instance->unit.agent, i);
        if (!error && stop != WAG_OK)
            error = wagi_error_new(stop, NULL);
    }
    return error;
}

static wag_error *run_data(wag_instance *instance, const wagi_data_segment *segment)
{
    wag_memory *memory = instance->memories[segment->memory];
    wagi_data_instance data = {segment->bytes.data, segment->bytes.size};
    wagi_slot offset = 0;
    wag_error *error = wagi_const_eval(instance, &segment->offset, &offset);
    if (error)
        return error;
    wag_err err = wagi_memory_init(memory, offset, &data, 0, data.size);
    if (err != WAG_MEMORY_BOUNDS)
        return err == WAG_OK ? NULL : wagi_error_new(err, NULL);
    return wagi_error_new(err, "%s: data segment %u puts %zu bytes into memory %u at %llu, which has %llu",
                          wag_err_text(err), (unsigned)(segment - instance->data->datas), segment->bytes.size,
                          (unsigned)segment->memory, (unsigned long long)offset,
                          (unsigned long long)wagi_memory_size(memory));
}

static wag_error *run_start(wag_instance *instance, uint32_t index)
{
    wagi_slot none[2] = {0, 0};
    if (index < instance->data->func_import_count)
        return wagi_call_slots(instance->funcs[index], none);
    /* It may have no object of its own: nothing else needs to refer to it. */
    wag_func start = {.object = {&instance->unit, WAGI_OBJECT_FUNC},
                      .type = instance->data->func_types[index],
                      .instance = instance,
                      .body = wagi_module_body(instance->data, index)};
    return wagi_call_slots(&start, none);
}

/* Does this segment have to run? Not when its effect is part of the image, or is still there from the last time. */
static bool must_run_elem(const wag_instance *instance, const wagi_elem_segment *segment)
{
    return segment->mode == WAGI_SEGMENT_ACTIVE &&
           (instance->stale_tables || segment->table < instance->data->table_import_count);
}

static bool is_in_image(const wag_instance *instance, const wagi_data_segment *segment)
{
    return segment->memory >= instance->data->memory_import_count &&
           wagi_memory_image_of(instance->module, segment->memory);
}

/* A step has failed. What the image brought in before its turn must not be seen: functions of the instance may be in an
 * imported table. */
static void undo_images(wag_instance *instance, uint32_t first_data)
{
    const wagi_module_data *data = instance->data;
    if (!instance->unit.escaped)
        return;
    for (uint32_t i = data->memory_import_count; i < data->memory_count; i++)
        if (wagi_memory_image_of(instance->module, i))
            wagi_memory_clear(instance->memories[i]);
    for (uint32_t i = 0; i < first_data; i++)
        if (data->datas[i].mode == WAGI_SEGMENT_ACTIVE && is_in_image(instance, &data->datas[i]))
            wag_error_unref(run_data(instance, &data->datas[i]));
}

static wag_error *run_module(wag_instance *instance)
{
    const wagi_module_data *data = instance->data;
    wag_error *error = NULL;
    for (uint32_t i = 0; !error && i < data->elem_count; i++)
        if (must_run_elem(instance, &data->elems[i]))
            error = run_elem(instance, &data->elems[i]);
    uint32_t done = 0;
    for (; !error && done < data->data_count; done++)
        if (data->datas[done].mode == WAGI_SEGMENT_ACTIVE && !is_in_image(instance, &data->datas[done]))
            error = run_data(instance, &data->datas[done]);
    if (error) {
        undo_images(instance, done);
        return error;
    }
    for (uint32_t i = data->table_import_count; i < data->table_count; i++)
        instance->tables[i]->written = false;
    instance->complete = true;
    return data->start != WAGI_NO_INDEX ? run_start(instance, data->start) : NULL;
}

wag_err wagi_linked_match(wag_linked *linked, wag_error **reterr_error)
{
    /* Once is enough: sizes only grow, types stay. */
    for (uint32_t i = 0; !linked->matched && i < linked->count; i++) {
        wag_err err = wagi_import_match(linked->pool->module, i, linked->objects[i], reterr_error);
        if (err != WAG_OK)
            return err;
    }
    if (!linked->matched)
        linked->escapes = wagi_linking_escapes(linked);
    linked->matched = true;
    return WAG_OK;
}

/* It has failed; the error may say that the agent was stopped while segments or globals were made. */
static wag_err stopped_perhaps(wag_linked *linked, wag_err err)
{
    wagi_agent_stop_taken(linked->pool->agent, err);
    return err;
}

wag_err wagi_instantiate(wag_linked *linked, wag_instance **ret_instance, wag_error **reterr_error)
{
    if (!linked->pool->module->tier)
        return wagi_fail(wagi_error_new(WAG_UNSUPPORTED, "the module has no code to run"), reterr_error);
    wag_err err = wagi_linked_match(linked, reterr_error);
    if (err != WAG_OK)
        return err;
    wag_instance *instance = wagi_pool_instantiate(linked);
    if (instance) {
        *ret_instance = instance;
        return WAG_OK;
    }
    err = wagi_instance_new(linked, &instance, reterr_error);
    if (err != WAG_OK)
        return stopped_perhaps(linked, err);
    wag_error *error = run_module(instance);
    if (error) {
        wagi_unit_release(&instance->unit);
        return stopped_perhaps(linked, wagi_fail(error, reterr_error));
    }
    *ret_instance = instance;
    return WAG_OK;
}

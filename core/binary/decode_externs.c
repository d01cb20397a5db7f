/* Decoding the sections that fill the index spaces and name what is in them: imports, functions, tables, memories,
 * tags, globals, exports, start. */
#include <string.h>

#include "binary/decode.h"

/* ---- imports ---- */

static wag_err read_import(wagi_decoder *decoder, wagi_import *import)
{
    wagi_reader *reader = &decoder->reader;
    import->module = wagi_read_name(reader);
    import->name = wagi_read_name(reader);
    const uint8_t *where = reader->pos;
    uint8_t kind = wagi_read_u8(reader);
    wag_err err = wagi_decode_check(decoder);
    if (err != WAG_OK)
        return err;
    bool fits = true;
    switch (kind) {
    case WAG_EXTERN_FUNC: {
        const wagi_type *type;
        if ((err = wagi_decode_func_type(decoder, &type)) == WAG_OK)
            fits = WAGI_VEC_PUSH(&decoder->funcs, type);
        import->index = (uint32_t)decoder->funcs.n - 1;
        break;
    }
    case WAG_EXTERN_TABLE: {
        wagi_table_def table = {.has_init = false};
        if ((err = wagi_decode_table_type(decoder, &table.type)) == WAG_OK)
            fits = WAGI_VEC_PUSH(&decoder->tables, table);
        import->index = (uint32_t)decoder->tables.n - 1;
        break;
    }
    case WAG_EXTERN_MEMORY: {
        wagi_memory_type memory;
        if ((err = wagi_decode_memory_type(decoder, &memory)) == WAG_OK)
            fits = WAGI_VEC_PUSH(&decoder->memories, memory);
        import->index = (uint32_t)decoder->memories.n - 1;
        break;
    }
    case WAG_EXTERN_GLOBAL: {
        wagi_global_def global = {.type.content = WAGI_I32};
        if ((err = wagi_decode_global_type(decoder, &global.type)) == WAG_OK)
            fits = WAGI_VEC_PUSH(&decoder->globals, global);
        import->index = (uint32_t)decoder->globals.n - 1;
        break;
    }
    case WAG_EXTERN_TAG: {
        const wagi_type *type;
        if ((err = wagi_decode_tag_type(decoder, &type)) == WAG_OK)
            fits = WAGI_VEC_PUSH(&decoder->tags, type);
        import->index = (uint32_t)decoder->tags.n - 1;
        break;
    }
    default:
        return WAGI_DECODE_FAIL(decoder, WAG_MALFORMED, where, "malformed import kind 0x%02x", kind);
    }
    import->kind = (wag_extern_kind)kind;
    return fits ? err : wagi_decode_nomem(decoder);
}

/* Tables and memories are limited imports included. */
static wag_err check_table_count(wagi_decoder *decoder, uint64_t count, const uint8_t *where)
{
    return count > decoder->limits->tables ? WAGI_DECODE_LIMIT(decoder, tables, count, where) : WAG_OK;
}

static wag_err check_memory_count(wagi_decoder *decoder, uint64_t count, const uint8_t *where)
{
    if (count > decoder->limits->memories)
        return WAGI_DECODE_LIMIT(decoder, memories, count, where);
    if (count > 1)
        wagi_decode_feature(decoder, WAGI_FEATURE_MULTI_MEMORY, where);
    return WAG_OK;
}

wag_err wagi_decode_import_section(wagi_decoder *decoder)
{
    wagi_module_data *data = decoder->data;
    const uint8_t *where = decoder->reader.pos;
    uint32_t count;
    wag_err err = wagi_decode_count(decoder, &count);
    if (err != WAG_OK)
        return err;
    if (count > decoder->limits->imports)
        return WAGI_DECODE_LIMIT(decoder, imports, count, where);
    wagi_import *imports = wagi_arena_alloc_array(decoder->arena, count, sizeof *imports);
    if (!imports)
        return wagi_decode_nomem(decoder);
    for (uint32_t i = 0; i < count; i++) {
        where = decoder->reader.pos;
        if ((err = read_import(decoder, &imports[i])) != WAG_OK ||
            (err = check_table_count(decoder, decoder->tables.n, where)) != WAG_OK ||
            (err = check_memory_count(decoder, decoder->memories.n, where)) != WAG_OK)
            return err;
    }
    data->imports = imports;
    data->import_count = count;
    data->func_types = decoder->funcs.p;
    data->func_count = data->func_import_count = (uint32_t)decoder->funcs.n;
    data->tables = decoder->tables.p;
    data->table_count = data->table_import_count = (uint32_t)decoder->tables.n;
    data->memories = decoder->memories.p;
    data->memory_count = data->memory_import_count = (uint32_t)decoder->memories.n;
    data->globals = decoder->globals.p;
    data->global_count = data->global_import_count = (uint32_t)decoder->globals.n;
    data->tags = decoder->tags.p;
    data->tag_count = data->tag_import_count = (uint32_t)decoder->tags.n;
    return WAG_OK;
}

/* ---- own definitions ---- */

wag_err wagi_decode_function_section(wagi_decoder *decoder)
{
    wagi_module_data *data = decoder->data;
    const uint8_t *where = decoder->reader.pos;
    uint32_t count;
    wag_err err = wagi_decode_count(decoder, &count);
    if (err != WAG_OK)
        return err;
    if (count > decoder->limits->functions)
        return WAGI_DECODE_LIMIT(decoder, functions, count, where);
    const wagi_type **types =
        wagi_decode_extend(decoder, data->func_types, data->func_import_count, count, sizeof *types);
    if (!types)
        return wagi_decode_nomem(decoder);
    for (uint32_t i = 0; i < count; i++)
        if ((err = wagi_decode_func_type(decoder, &types[data->func_import_count + i])) != WAG_OK)
            return err;
    data->func_types = types;
    data->func_count = data->func_import_count + count;
    decoder->expected_bodies = count;
    return WAG_OK;
}

static wag_err read_table(wagi_decoder *decoder, wagi_table_def *table)
{
    wagi_reader *reader = &decoder->reader;
    const uint8_t *where = reader->pos;
    wag_err err;
    if (where < reader->end && *where == 0x40) {
        table->has_init = true;
        reader->pos++;
        if (wagi_read_u8(reader) != 0)
            wagi_reader_fail_at(reader, where + 1, "malformed table");
    }
    if ((err = wagi_decode_table_type(decoder, &table->type)) != WAG_OK)
        return err;
    if (table->has_init) {
        if ((err = wagi_decode_validator(decoder)) != WAG_OK)
            return err;
        return wagi_validate_const(decoder->validator, reader, table->type.element, decoder->data->global_count,
                                   &table->init, decoder->reterr_error);
    }
    if (!wagi_is_nullable(table->type.element))
        return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where,
                                "type mismatch: a table of non-nullable references needs an initial value");
    return WAG_OK;
}

wag_err wagi_decode_table_section(wagi_decoder *decoder)
{
    wagi_module_data *data = decoder->data;
    const uint8_t *where = decoder->reader.pos;
    uint32_t count;
    wag_err err = wagi_decode_count(decoder, &count);
    if (err != WAG_OK ||
        (err = check_table_count(decoder, (uint64_t)data->table_import_count + count, where)) != WAG_OK)
        return err;
    wagi_table_def *tables = wagi_decode_extend(decoder, data->tables, data->table_import_count, count, sizeof *tables);
    if (!tables)
        return wagi_decode_nomem(decoder);
    for (uint32_t i = 0; i < count; i++)
        if ((err = read_table(decoder, &tables[data->table_import_count + i])) != WAG_OK)
            return err;
    data->tables = tables;
    data->table_count = data->table_import_count + count;
    return WAG_OK;
}

wag_err wagi_decode_memory_section(wagi_decoder *decoder)
{
    wagi_module_data *data = decoder->data;
    const uint8_t *where = decoder->reader.pos;
    uint32_t count;
    wag_err err = wagi_decode_count(decoder, &count);
    if (err != WAG_OK ||
        (err = check_memory_count(decoder, (uint64_t)data->memory_import_count + count, where)) != WAG_OK)
        return err;
    wagi_memory_type *memories =
        wagi_decode_extend(decoder, data->memories, data->memory_import_count, count, sizeof *memories);
    if (!memories)
        return wagi_decode_nomem(decoder);
    for (uint32_t i = 0; i < count; i++)
        if ((err = wagi_decode_memory_type(decoder, &memories[data->memory_import_count + i])) != WAG_OK)
            return err;
    data->memories = memories;
    data->memory_count = data->memory_import_count + count;
    return WAG_OK;
}

wag_err wagi_decode_tag_section(wagi_decoder *decoder)
{
    wagi_module_data *data = decoder->data;
    const uint8_t *where = decoder->reader.pos;
    uint32_t count;
    wag_err err = wagi_decode_count(decoder, &count);
    if (err != WAG_OK)
        return err;
    if (count > decoder->limits->tags)
        return WAGI_DECODE_LIMIT(decoder, tags, count, where);
    const wagi_type **tags = wagi_decode_extend(decoder, data->tags, data->tag_import_count, count, sizeof *tags);
    if (!tags)
        return wagi_decode_nomem(decoder);
    for (uint32_t i = 0; i < count; i++)
        if ((err = wagi_decode_tag_type(decoder, &tags[data->tag_import_count + i])) != WAG_OK)
            return err;
    data->tags = tags;
    data->tag_count = data->tag_import_count + count;
    return WAG_OK;
}

wag_err wagi_decode_global_section(wagi_decoder *decoder)
{
    wagi_module_data *data = decoder->data;
    const uint8_t *where = decoder->reader.pos;
    uint32_t count;
    wag_err err = wagi_decode_count(decoder, &count);
    if (err != WAG_OK)
        return err;
    if (count > decoder->limits->globals)
        return WAGI_DECODE_LIMIT(decoder, globals, count, where);
    wagi_global_def *globals =
        wagi_decode_extend(decoder, data->globals, data->global_import_count, count, sizeof *globals);
    if (!globals)
        return wagi_decode_nomem(decoder);
    if ((err = wagi_decode_validator(decoder)) != WAG_OK)
        return err;
    data->globals = globals;
    /* An initial value may use the globals before its own. */
    for (uint32_t i = 0; i < count; i++, data->global_count++) {
        wagi_global_def *global = &globals[data->global_count];
        if ((err = wagi_decode_global_type(decoder, &global->type)) != WAG_OK ||
            (err = wagi_validate_const(decoder->validator, &decoder->reader, global->type.content, data->global_count,
                                       &global->init, decoder->reterr_error)) != WAG_OK)
            return err;
    }
    return WAG_OK;
}

/* ---- exports and start ---- */

/* Shorter names first; among equal sizes the order of bytes. */
static int compare_names(wag_name a, wag_name b)
{
    if (a.size != b.size)
        return a.size < b.size ? -1 : 1;
    return a.size ? memcmp(a.data, b.data, a.size) : 0;
}

static void sift_down(const wagi_export *exports, uint32_t *order, uint32_t root, uint32_t count)
{
    for (uint64_t child; (child = 2 * (uint64_t)root + 1) < count; root = (uint32_t)child) {
        if (child + 1 < count && compare_names(exports[order[child]].name, exports[order[child + 1]].name) < 0)
            child++;
        if (compare_names(exports[order[root]].name, exports[order[child]].name) >= 0)
            return;
        uint32_t swap = order[root];
        order[root] = order[child];
        order[child] = swap;
    }
}

/* Heap sort: no worst case, no memory of its own. */
static void sort_exports(const wagi_export *exports, uint32_t *order, uint32_t count)
{
    for (uint32_t root = count / 2; root-- > 0;)
        sift_down(exports, order, root, count);
    for (uint32_t last = count; last-- > 1;) {
        uint32_t swap = order[0];
        order[0] = order[last];
        order[last] = swap;
        sift_down(exports, order, 0, last);
    }
}

static const char *const kind_texts[] = {"function", "table", "memory", "global", "tag"};

static wag_err read_export(wagi_decoder *decoder, wagi_export *export)
{
    wagi_reader *reader = &decoder->reader;
    const wagi_module_data *data = decoder->data;
    const uint32_t counts[] = {data->func_count, data->table_count, data->memory_count, data->global_count,
                               data->tag_count};
    export->name = wagi_read_name(reader);
    const uint8_t *where = reader->pos;
    uint8_t kind = wagi_read_u8(reader);
    export->index = wagi_read_u32(reader);
    wag_err err = wagi_decode_check(decoder);
    if (err != WAG_OK)
        return err;
    if (kind > WAG_EXTERN_TAG)
        return WAGI_DECODE_FAIL(decoder, WAG_MALFORMED, where, "malformed export kind 0x%02x", kind);
    if (export->index >= counts[kind])
        return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where, "unknown %s %u", kind_texts[kind], export->index);
    export->kind = (wag_extern_kind)kind;
    if (kind == WAG_EXTERN_FUNC)
        decoder->declared_funcs[export->index] = 1;
    return WAG_OK;
}

/* How many bytes of a name go into a message: it is cut between characters, so that the message stays UTF-8. */
static int shown_size(wag_name name)
{
    enum { MOST = 200 };
    if (name.size <= MOST)
        return (int)name.size;
    int size = MOST;
    while (((unsigned char)name.data[size] & 0xC0) == 0x80)
        size--;
    return size;
}

wag_err wagi_decode_export_section(wagi_decoder *decoder)
{
    wagi_module_data *data = decoder->data;
    const uint8_t *where = decoder->reader.pos;
    uint32_t count;
    wag_err err = wagi_decode_count(decoder, &count);
    if (err != WAG_OK)
        return err;
    if (count > decoder->limits->exports)
        return WAGI_DECODE_LIMIT(decoder, exports, count, where);
    if ((err = wagi_decode_validator(decoder)) != WAG_OK) /* it owns the declared functions */
        return err;
    wagi_export *exports = wagi_arena_alloc_array(decoder->arena, count, sizeof *exports);
    uint32_t *order = wagi_arena_alloc_array(decoder->arena, count, sizeof *order);
    if (!exports || !order)
        return wagi_decode_nomem(decoder);
    for (uint32_t i = 0; i < count; i++) {
        order[i] = i;
        if ((err = read_export(decoder, &exports[i])) != WAG_OK)
            return err;
    }
    sort_exports(exports, order, count);
    for (uint32_t i = 1; i < count; i++) {
        wag_name name = exports[order[i]].name, before = exports[order[i - 1]].name;
        if (compare_names(name, before) == 0) {
            wag_name later = name.data > before.data ? name : before;
            return WAGI_DECODE_FAIL(decoder, WAG_INVALID, (const uint8_t *)later.data, "duplicate export name \"%.*s\"",
                                    shown_size(later), later.data);
        }
    }
    data->exports = exports;
    data->export_order = order;
    data->export_count = count;
    return WAG_OK;
}

wag_err wagi_decode_start_section(wagi_decoder *decoder)
{
    const uint8_t *where = decoder->reader.pos;
    uint32_t index = wagi_read_u32(&decoder->reader);
    wag_err err = wagi_decode_check(decoder);
    if (err != WAG_OK)
        return err;
    if (index >= decoder->data->func_count)
        return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where, "unknown function %u", index);
    const wagi_type *type = decoder->data->func_types[index];
    if (type->param_count || type->result_count)
        return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where, "start function must have neither parameters nor results");
    decoder->data->start = index;
    return WAG_OK;
}

uint32_t wagi_module_find_export(const wagi_module_data *data, wag_name name)
{
    uint32_t low = 0, high = data->export_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare_names(name, data->exports[data->export_order[middle]].name);
        if (order == 0)
            return data->export_order[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return WAGI_NO_INDEX;
}

/* Decoding a module: preamble, sections in order, and what can be said only at the end. */
#include "binary/decode.h"

#include <string.h>

/* ---- shared by decode*.c ---- */

wag_err wagi_decode_check(wagi_decoder *decoder)
{
    return decoder->reader.error ? wagi_fail_reader(&decoder->reader, WAGI_NO_INDEX, decoder->reterr_error) : WAG_OK;
}

wag_err wagi_decode_nomem(wagi_decoder *decoder)
{
    return wagi_fail(wagi_error_nomem(), decoder->reterr_error);
}

wag_err wagi_decode_count(wagi_decoder *decoder, uint32_t *ret_count)
{
    wagi_reader *reader = &decoder->reader;
    const uint8_t *where = reader->pos;
    uint32_t count = wagi_read_u32(reader);
    /* Every element has at least one byte. */
    if (!reader->error && count > (size_t)(reader->end - reader->pos))
        wagi_reader_fail_at(reader, where, "unexpected end: more elements than bytes");
    *ret_count = count;
    return wagi_decode_check(decoder);
}

void wagi_decode_feature(wagi_decoder *decoder, wagi_feature feature, const uint8_t *where)
{
    wagi_module_data *data = decoder->data;
    if (data->features >> feature & 1u)
        return;
    data->features |= (uint64_t)1 << feature;
    data->feature_offset[feature] = (size_t)(where - decoder->reader.start);
}

wagi_validate_context wagi_decode_context(const wagi_decoder *decoder)
{
    wagi_module_data *data = decoder->data;
    return (wagi_validate_context){.data = data,
                                   .registry = decoder->registry,
                                   .limits = decoder->limits,
                                   .arena = decoder->arena,
                                   .declared_funcs = decoder->declared_funcs,
                                   .has_data_count = decoder->has_data_count,
                                   .data_count = decoder->data_count,
                                   .features = &data->features,
                                   .feature_func = data->feature_func,
                                   .feature_offset = data->feature_offset};
}

wag_err wagi_decode_validator(wagi_decoder *decoder)
{
    if (decoder->validator)
        return WAG_OK;
    if (!decoder->declared_funcs && !(decoder->declared_funcs = wagi_alloc_zero(decoder->data->func_count, 1)))
        return wagi_decode_nomem(decoder);
    wagi_validate_context context = wagi_decode_context(decoder);
    decoder->validator = wagi_validator_new(&context);
    return decoder->validator ? WAG_OK : wagi_decode_nomem(decoder);
}

void *wagi_decode_extend(wagi_decoder *decoder, const void *imported, uint32_t import_count, uint32_t own, size_t size)
{
    uint8_t *all = wagi_arena_alloc_array(decoder->arena, (size_t)import_count + own, size);
    if (all && import_count)
        memcpy(all, imported, import_count * size);
    return all;
}

bool wagi_decode_is_there(const wagi_decoder *decoder, const uint8_t *pos, size_t size)
{
    const uint8_t *end = decoder->module.end;
    return decoder->last || (size_t)(end - pos) >= size || (decoder->code.open && decoder->reader.end <= end);
}

/* ---- sections ---- */

enum { HEAD_BYTES = 6 }; /* of a section, at most */

/* The place of each section in a module; custom sections may be anywhere. */
static const uint8_t section_order[WAGI_SECTION_COUNT] = {
    [WAGI_SECTION_TYPE] = 1,   [WAGI_SECTION_IMPORT] = 2,   [WAGI_SECTION_FUNCTION] = 3,    [WAGI_SECTION_TABLE] = 4,
    [WAGI_SECTION_MEMORY] = 5, [WAGI_SECTION_TAG] = 6,      [WAGI_SECTION_GLOBAL] = 7,      [WAGI_SECTION_EXPORT] = 8,
    [WAGI_SECTION_START] = 9,  [WAGI_SECTION_ELEMENT] = 10, [WAGI_SECTION_DATA_COUNT] = 11, [WAGI_SECTION_CODE] = 12,
    [WAGI_SECTION_DATA] = 13,
};

static wag_err decode_custom_section(wagi_decoder *decoder)
{
    wagi_reader *reader = &decoder->reader;
    wagi_custom_section custom = {.name = wagi_read_name(reader)};
    wag_err err = wagi_decode_check(decoder);
    if (err != WAG_OK)
        return err;
    custom.bytes = (wag_bytes){reader->pos, (size_t)(reader->end - reader->pos)};
    reader->pos = reader->end;
    return WAGI_VEC_PUSH(&decoder->customs, custom) ? WAG_OK : wagi_decode_nomem(decoder);
}

static wag_err (*const section_decoders[WAGI_SECTION_COUNT])(wagi_decoder *decoder) = {
    [WAGI_SECTION_CUSTOM] = decode_custom_section,
    [WAGI_SECTION_TYPE] = wagi_decode_type_section,
    [WAGI_SECTION_IMPORT] = wagi_decode_import_section,
    [WAGI_SECTION_FUNCTION] = wagi_decode_function_section,
    [WAGI_SECTION_TABLE] = wagi_decode_table_section,
    [WAGI_SECTION_MEMORY] = wagi_decode_memory_section,
    [WAGI_SECTION_GLOBAL] = wagi_decode_global_section,
    [WAGI_SECTION_EXPORT] = wagi_decode_export_section,
    [WAGI_SECTION_START] = wagi_decode_start_section,
    [WAGI_SECTION_ELEMENT] = wagi_decode_element_section,
    [WAGI_SECTION_CODE] = wagi_decode_code_section,
    [WAGI_SECTION_DATA] = wagi_decode_data_section,
    [WAGI_SECTION_DATA_COUNT] = wagi_decode_data_count_section,
    [WAGI_SECTION_TAG] = wagi_decode_tag_section,
};

/* What people give to a runtime by mistake, by its first bytes. */
static const char *wrong_magic(const uint8_t *magic)
{
    if (magic[0] == '(' || (magic[0] == ';' && magic[1] == ';'))
        return "magic header not detected: this looks like the text format";
    if (magic[0] == '<')
        return "magic header not detected: this looks like HTML";
    return "magic header not detected";
}

static const char *wrong_version(const uint8_t *version)
{
    return version[2] == 1 && version[3] == 0 ? "unknown binary version: this is a component, not a module"
                                              : "unknown binary version";
}

static wag_err decode_preamble(wagi_decoder *decoder)
{
    wagi_reader *reader = &decoder->reader;
    *reader = decoder->module;
    const uint8_t *magic = wagi_read_bytes(reader, 4);
    if (magic && memcmp(magic, "\0asm", 4) != 0)
        wagi_reader_fail_at(reader, magic, wrong_magic(magic));
    const uint8_t *version = wagi_read_bytes(reader, 4);
    if (version && memcmp(version, "\1\0\0\0", 4) != 0)
        wagi_reader_fail_at(reader, version, wrong_version(version));
    decoder->module.pos = reader->pos;
    decoder->in_sections = true;
    return wagi_decode_check(decoder);
}

static bool is_in_order(const wagi_decoder *decoder, unsigned id)
{
    return id == WAGI_SECTION_CUSTOM || section_order[id] > decoder->last_order;
}

static wag_err fail_order(wagi_decoder *decoder, unsigned id, const uint8_t *where)
{
    return WAGI_DECODE_FAIL(decoder, WAG_MALFORMED, where, "unexpected section %u: %s", id,
                            decoder->seen[id] ? "it occurs twice" : "out of order");
}

static wag_err fail_cut_off(wagi_decoder *decoder, unsigned id, const uint8_t *where)
{
    return WAGI_DECODE_FAIL(decoder, WAG_MALFORMED, where, "unexpected end: section %u is longer than the module", id);
}

static wag_err check_section_end(wagi_decoder *decoder, unsigned id)
{
    if (decoder->reader.pos == decoder->reader.end)
        return WAG_OK;
    return WAGI_DECODE_FAIL(decoder, WAG_MALFORMED, decoder->reader.pos,
                            "section size mismatch: section %u has more bytes than contents", id);
}

/* The reader is at the contents, all of which are there. */
static wag_err decode_contents(wagi_decoder *decoder, unsigned id)
{
    decoder->module.pos = decoder->reader.end;
    wag_err err = section_decoders[id](decoder);
    return err == WAG_OK ? check_section_end(decoder, id) : err;
}

/* The code section, which may be there in part. *ret_wait: its end is not. */
static wag_err decode_code(wagi_decoder *decoder, bool *ret_wait)
{
    wagi_code_progress *code = &decoder->code;
    bool whole = decoder->reader.end <= decoder->module.end;
    if (code->err == WAG_OK && (whole || !decoder->last))
        code->err = wagi_decode_code_section(decoder);
    if (!whole && decoder->last) {
        wag_error_unref(decoder->error);
        decoder->error = NULL;
        return fail_cut_off(decoder, WAGI_SECTION_CODE, code->where);
    }
    *ret_wait = !whole;
    if (!whole)
        return WAG_OK;
    code->open = false;
    decoder->module.pos = decoder->reader.end;
    return code->err == WAG_OK ? check_section_end(decoder, WAGI_SECTION_CODE) : code->err;
}

/* The next section. *ret_wait: it is not there. */
static wag_err decode_section(wagi_decoder *decoder, bool *ret_wait)
{
    const wagi_reader *module = &decoder->module;
    const uint8_t *where = module->pos;
    *ret_wait = !wagi_decode_is_there(decoder, where, HEAD_BYTES);
    if (*ret_wait)
        return WAG_OK;
    decoder->reader = wagi_reader_make(module->start, where, module->end);
    uint8_t id = wagi_read_u8(&decoder->reader);
    uint32_t size = wagi_read_u32(&decoder->reader);
    wag_err err = wagi_decode_check(decoder);
    if (err != WAG_OK)
        return err;
    if (id >= WAGI_SECTION_COUNT)
        return WAGI_DECODE_FAIL(decoder, WAG_MALFORMED, where, "malformed section id %u", id);
    if (size > (size_t)(module->end - decoder->reader.pos)) {
        if (decoder->last)
            return fail_cut_off(decoder, id, where);
        *ret_wait = id != WAGI_SECTION_CODE || !is_in_order(decoder, id) ||
                    size > decoder->capacity - wagi_reader_offset(&decoder->reader);
        if (*ret_wait)
            return WAG_OK;
    }
    if (!is_in_order(decoder, id))
        return fail_order(decoder, id, where);
    if (id != WAGI_SECTION_CUSTOM) {
        decoder->last_order = section_order[id];
        decoder->seen[id] = true;
    }
    decoder->reader.end = decoder->reader.pos + size;
    if (id != WAGI_SECTION_CODE)
        return decode_contents(decoder, id);
    decoder->code.open = true;
    decoder->code.where = where;
    return decode_code(decoder, ret_wait);
}

/* ---- the end ---- */

/* Into the arena what is in the heap still. False without memory. */
static bool settle(wagi_decoder *decoder)
{
    wagi_module_data *data = decoder->data;
    const wagi_type *const *types = wagi_arena_copy(decoder->arena, decoder->types.p, decoder->types.n * sizeof *types);
    if (!types)
        return false; /* data->types stays: it is how the groups are given back */
    data->types = types;
    if (!decoder->seen[WAGI_SECTION_FUNCTION])
        data->func_types =
            wagi_decode_extend(decoder, data->func_types, data->func_import_count, 0, sizeof *data->func_types);
    if (!decoder->seen[WAGI_SECTION_TABLE])
        data->tables = wagi_decode_extend(decoder, data->tables, data->table_import_count, 0, sizeof *data->tables);
    if (!decoder->seen[WAGI_SECTION_MEMORY])
        data->memories =
            wagi_decode_extend(decoder, data->memories, data->memory_import_count, 0, sizeof *data->memories);
    if (!decoder->seen[WAGI_SECTION_GLOBAL])
        data->globals = wagi_decode_extend(decoder, data->globals, data->global_import_count, 0, sizeof *data->globals);
    if (!decoder->seen[WAGI_SECTION_TAG])
        data->tags = wagi_decode_extend(decoder, data->tags, data->tag_import_count, 0, sizeof *data->tags);
    data->customs = wagi_arena_copy(decoder->arena, decoder->customs.p, decoder->customs.n * sizeof *data->customs);
    data->custom_count = (uint32_t)decoder->customs.n;
    return data->func_types && data->tables && data->memories && data->globals && data->tags && data->customs &&
           wagi_decode_func_names(decoder);
}

wag_err wagi_decode_number_references(wagi_decoder *decoder)
{
    wagi_module_data *data = decoder->data;
    if (data->func_ref_slot)
        return WAG_OK;
    uint32_t *slots = wagi_arena_alloc_array(decoder->arena, data->func_count, sizeof *slots);
    if (!slots)
        return wagi_decode_nomem(decoder);
    for (uint32_t i = 0; i < data->func_count; i++) {
        bool referenced = i >= data->func_import_count && decoder->declared_funcs && decoder->declared_funcs[i];
        slots[i] = referenced ? data->func_ref_count++ : WAGI_NO_INDEX;
    }
    data->func_ref_slot = slots;
    return WAG_OK;
}

static wag_err finish(wagi_decoder *decoder)
{
    const wagi_reader *module = &decoder->module;
    decoder->reader = *module;
    if (!decoder->seen[WAGI_SECTION_CODE] && decoder->expected_bodies)
        return WAGI_DECODE_FAIL(decoder, WAG_MALFORMED, module->end,
                                "function and code section have inconsistent lengths: %u and 0",
                                decoder->expected_bodies);
    if (!decoder->seen[WAGI_SECTION_DATA] && decoder->has_data_count && decoder->data_count)
        return WAGI_DECODE_FAIL(decoder, WAG_MALFORMED, module->end,
                                "data count and data section have inconsistent lengths: %u and 0", decoder->data_count);
    return settle(decoder) ? wagi_decode_number_references(decoder) : wagi_decode_nomem(decoder);
}

/* As much as is there, and when there is no more the end. */
static wag_err decode(wagi_decoder *decoder, size_t size, bool last)
{
    wagi_reader *module = &decoder->module;
    bool wait = false;
    wag_err err = WAG_OK;
    module->end = module->start + size;
    decoder->data->bytes.size = size;
    decoder->last = last;
    if (!decoder->in_sections) {
        if (!wagi_decode_is_there(decoder, module->pos, 8))
            return WAG_OK;
        err = decode_preamble(decoder);
    }
    if (err == WAG_OK && decoder->code.open)
        err = decode_code(decoder, &wait);
    while (err == WAG_OK && !wait && module->pos < module->end)
        err = decode_section(decoder, &wait);
    return err == WAG_OK && last ? finish(decoder) : err;
}

static void decoder_fini(wagi_decoder *decoder)
{
    wagi_validator_free(decoder->validator);
    wagi_free(decoder->declared_funcs);
    WAGI_VEC_FREE(&decoder->types);
    WAGI_VEC_FREE(&decoder->raw_types);
    WAGI_VEC_FREE(&decoder->defs);
    WAGI_VEC_FREE(&decoder->words);
    WAGI_VEC_FREE(&decoder->fields);
    WAGI_VEC_FREE(&decoder->funcs);
    WAGI_VEC_FREE(&decoder->tables);
    WAGI_VEC_FREE(&decoder->memories);
    WAGI_VEC_FREE(&decoder->globals);
    WAGI_VEC_FREE(&decoder->tags);
    WAGI_VEC_FREE(&decoder->items);
    WAGI_VEC_FREE(&decoder->customs);
}

/* The module's data, empty but for its bytes. NULL without memory. */
static wagi_module_data *data_new(wagi_arena *arena, const uint8_t *bytes)
{
    wagi_module_data *data = bytes ? wagi_arena_alloc(arena, sizeof *data) : NULL;
    if (!data)
        return NULL;
    data->bytes = (wag_bytes){bytes, 0};
    data->start = WAGI_NO_INDEX;
    for (size_t i = 0; i < WAGI_FEATURE_COUNT; i++)
        data->feature_func[i] = WAGI_NO_INDEX;
    return data;
}

wag_err wagi_module_decode(wag_bytes bytes, struct wag_cluster *cluster, wagi_registry *registry,
                           const wagi_limits *limits, wag_module **ret_module, wag_error **reterr_error)
{
    return wagi_module_decode_by(bytes, cluster, registry, limits, NULL, ret_module, reterr_error);
}

/* *decoder is zeroed but for what its user sets. False without memory. */
static bool decoder_init(wagi_decoder *decoder, wag_module *module, const uint8_t *bytes, size_t capacity)
{
    decoder->module_head = module;
    decoder->arena = &module->arena;
    decoder->registry = module->registry;
    decoder->data = data_new(&module->arena, bytes);
    decoder->module = decoder->reader = wagi_reader_make(bytes, bytes, bytes);
    decoder->capacity = capacity;
    module->data = decoder->data;
    return decoder->data != NULL;
}

/* The types' groups are released by way of data->types, which may still be the decoder's vector. */
static void decoder_drop(wagi_decoder *decoder)
{
    if (decoder->module_head)
        wagi_module_free(decoder->module_head);
    decoder_fini(decoder);
}

wag_err wagi_module_decode_by(wag_bytes bytes, struct wag_cluster *cluster, wagi_registry *registry,
                              const wagi_limits *limits, const wagi_parallel *parallel, wag_module **ret_module,
                              wag_error **reterr_error)
{
    if (bytes.size > limits->module_bytes)
        return WAGI_FAIL_LIMIT(limits, module_bytes, bytes.size, 0, WAGI_NO_INDEX, reterr_error);
    wag_module *module = wagi_module_alloc(cluster, registry);
    if (!module)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    wagi_decoder decoder = {.limits = limits, .parallel = parallel};
    decoder.reterr_error = &decoder.error;
    wag_err err = decoder_init(&decoder, module, wagi_arena_copy(&module->arena, bytes.data, bytes.size), bytes.size)
                      ? decode(&decoder, bytes.size, true)
                      : wagi_decode_nomem(&decoder);
    if (err != WAG_OK) {
        decoder_drop(&decoder);
        return wagi_fail(decoder.error, reterr_error);
    }
    decoder_fini(&decoder);
    *ret_module = module;
    return WAG_OK;
}

/* ---- while the bytes arrive ---- */

wagi_decoder *wagi_decoder_new(const uint8_t *bytes, size_t capacity, struct wag_cluster *cluster,
                               wagi_registry *registry, const wagi_limits *limits, const wagi_parallel *parallel)
{
    wagi_decoder *decoder = WAGI_NEW(wagi_decoder);
    if (!decoder)
        return NULL;
    wag_module *module = wagi_module_alloc(cluster, registry);
    decoder->limits = limits;
    decoder->parallel = parallel;
    decoder->reterr_error = &decoder->error;
    if (module && decoder_init(decoder, module, bytes, capacity))
        return decoder;
    decoder->module_head = module;
    wagi_decoder_free(decoder);
    return NULL;
}

wag_err wagi_decoder_feed(wagi_decoder *decoder, size_t size)
{
    if (decoder->failed == WAG_OK)
        decoder->failed = decode(decoder, size, false);
    return decoder->failed;
}

wag_err wagi_decoder_end(wagi_decoder *decoder, size_t size, wag_module **ret_module, wag_error **reterr_error)
{
    if (decoder->failed == WAG_OK)
        decoder->failed = decode(decoder, size, true);
    if (decoder->failed != WAG_OK)
        return wagi_fail(wag_error_ref(decoder->error), reterr_error);
    *ret_module = decoder->module_head;
    decoder->module_head = NULL;
    return WAG_OK;
}

void wagi_decoder_free(wagi_decoder *decoder)
{
    if (!decoder)
        return;
    decoder_drop(decoder);
    wag_error_unref(decoder->error);
    wagi_free(decoder);
}

const wag_module *wagi_decoder_code(const wagi_decoder *decoder, uint32_t *ret_bodies)
{
    *ret_bodies = decoder->code.done;
    return decoder->code.begun ? decoder->module_head : NULL;
}

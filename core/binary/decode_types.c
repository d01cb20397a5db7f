/* Decoding types: value types wherever they occur, the type section with its recursion groups, types of externals. */
#include "binary/decode.h"

/* ---- value types ---- */

static wagi_valtype abstract_ref(uint8_t byte, bool nullable)
{
    switch (byte) {
    case 0x74:
        return WAGI_REF_ABSTRACT(nullable, WAGI_HEAP_NOEXN);
    case 0x73:
        return WAGI_REF_ABSTRACT(nullable, WAGI_HEAP_NOFUNC);
    case 0x72:
        return WAGI_REF_ABSTRACT(nullable, WAGI_HEAP_NOEXTERN);
    case 0x71:
        return WAGI_REF_ABSTRACT(nullable, WAGI_HEAP_NONE);
    case 0x70:
        return WAGI_REF_ABSTRACT(nullable, WAGI_HEAP_FUNC);
    case 0x6F:
        return WAGI_REF_ABSTRACT(nullable, WAGI_HEAP_EXTERN);
    case 0x6E:
        return WAGI_REF_ABSTRACT(nullable, WAGI_HEAP_ANY);
    case 0x6D:
        return WAGI_REF_ABSTRACT(nullable, WAGI_HEAP_EQ);
    case 0x6C:
        return WAGI_REF_ABSTRACT(nullable, WAGI_HEAP_I31);
    case 0x6B:
        return WAGI_REF_ABSTRACT(nullable, WAGI_HEAP_STRUCT);
    case 0x6A:
        return WAGI_REF_ABSTRACT(nullable, WAGI_HEAP_ARRAY);
    case 0x69:
        return WAGI_REF_ABSTRACT(nullable, WAGI_HEAP_EXN);
    default:
        return WAGI_KIND_NONE;
    }
}

/* A type index as a heap type: of the group that is being read, or of a finished type. */
static uint32_t heap_of_index(wagi_reader *reader, const uint8_t *where, const wagi_module_data *data,
                              uint32_t group_start, uint32_t group_count, uint64_t index)
{
    if (index < data->type_count)
        return data->types[index]->id;
    if (index >= group_start && index - group_start < group_count)
        return WAGI_REC_LOCAL + (uint32_t)(index - group_start);
    wagi_reader_invalid_at(reader, where, "unknown type");
    return 0;
}

static wagi_valtype read_heap(wagi_reader *reader, const wagi_module_data *data, uint32_t group_start,
                              uint32_t group_count, bool nullable)
{
    const uint8_t *where = reader->pos;
    if (where < reader->end && *where >= 0x40 && *where < 0x80) {
        wagi_valtype type = abstract_ref(wagi_read_u8(reader), nullable);
        if (type == WAGI_KIND_NONE)
            wagi_reader_fail_at(reader, where, "malformed heap type");
        return type;
    }
    int64_t index = wagi_read_s33(reader);
    if (index < 0) {
        wagi_reader_fail_at(reader, where, "malformed heap type");
        return WAGI_KIND_NONE;
    }
    uint32_t heap = reader->error ? 0 : heap_of_index(reader, where, data, group_start, group_count, (uint64_t)index);
    return reader->error ? WAGI_KIND_NONE : WAGI_REF_CONCRETE(nullable, heap);
}

static wagi_valtype read_valtype(wagi_reader *reader, const wagi_module_data *data, uint32_t group_start,
                                 uint32_t group_count)
{
    const uint8_t *where = reader->pos;
    uint8_t byte = wagi_read_u8(reader);
    switch (byte) {
    case 0x7F:
        return WAGI_I32;
    case 0x7E:
        return WAGI_I64;
    case 0x7D:
        return WAGI_F32;
    case 0x7C:
        return WAGI_F64;
    case 0x7B:
        return WAGI_V128;
    case 0x63:
    case 0x64:
        return read_heap(reader, data, group_start, group_count, byte == 0x63);
    default:
        break;
    }
    wagi_valtype type = abstract_ref(byte, true);
    if (type == WAGI_KIND_NONE)
        wagi_reader_fail_at(reader, where, "malformed value type");
    return type;
}

wagi_valtype wagi_read_valtype(wagi_reader *reader, const wagi_module_data *data)
{
    return read_valtype(reader, data, 0, 0);
}

wagi_valtype wagi_read_heap_type(wagi_reader *reader, const wagi_module_data *data)
{
    return read_heap(reader, data, 0, 0, false);
}

/* ---- recursion groups ---- */

/* A signature or a global of v128 needs vectors even when no vector instruction occurs: `select` moves one, too. */
static void note_vector(wagi_decoder *decoder, wagi_valtype type, const uint8_t *where)
{
    if (type == WAGI_V128)
        wagi_decode_feature(decoder, WAGI_FEATURE_SIMD, where);
}

static wag_err read_words(wagi_decoder *decoder, uint32_t count)
{
    if (!WAGI_VEC_RESERVE(&decoder->words, count))
        return wagi_decode_nomem(decoder);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *where = decoder->reader.pos;
        wagi_valtype word = read_valtype(&decoder->reader, decoder->data, decoder->group_start, decoder->group_count);
        decoder->words.p[decoder->words.n++] = word;
        note_vector(decoder, word, where);
    }
    return wagi_decode_check(decoder);
}

static wag_err read_func(wagi_decoder *decoder, wagi_raw_type *raw)
{
    const uint8_t *where = decoder->reader.pos;
    wag_err err = wagi_decode_count(decoder, &raw->param_count);
    if (err != WAG_OK)
        return err;
    if (raw->param_count > decoder->limits->parameters)
        return WAGI_DECODE_LIMIT(decoder, parameters, raw->param_count, where);
    if ((err = read_words(decoder, raw->param_count)) != WAG_OK)
        return err;
    where = decoder->reader.pos;
    if ((err = wagi_decode_count(decoder, &raw->result_count)) != WAG_OK)
        return err;
    if (raw->result_count > decoder->limits->results)
        return WAGI_DECODE_LIMIT(decoder, results, raw->result_count, where);
    return read_words(decoder, raw->result_count);
}

static wagi_valtype read_storage(wagi_decoder *decoder)
{
    wagi_reader *reader = &decoder->reader;
    if (reader->pos < reader->end && (*reader->pos == 0x78 || *reader->pos == 0x77))
        return wagi_read_u8(reader) == 0x78 ? WAGI_KIND_I8 : WAGI_KIND_I16;
    return read_valtype(reader, decoder->data, decoder->group_start, decoder->group_count);
}

static bool read_mutability(wagi_reader *reader)
{
    const uint8_t *where = reader->pos;
    uint8_t byte = wagi_read_u8(reader);
    if (byte > 1)
        wagi_reader_fail_at(reader, where, "malformed mutability");
    return byte == 1;
}

static wag_err read_fields(wagi_decoder *decoder, wagi_raw_type *raw)
{
    wag_err err;
    const uint8_t *where = decoder->reader.pos;
    if (raw->comp == WAGI_COMP_ARRAY)
        raw->field_count = 1;
    else if ((err = wagi_decode_count(decoder, &raw->field_count)) != WAG_OK)
        return err;
    if (raw->field_count > decoder->limits->struct_fields)
        return WAGI_DECODE_LIMIT(decoder, struct_fields, raw->field_count, where);
    if (!WAGI_VEC_RESERVE(&decoder->fields, raw->field_count))
        return wagi_decode_nomem(decoder);
    for (uint32_t i = 0; i < raw->field_count; i++) {
        wagi_field field = {.storage = read_storage(decoder)};
        field.is_mutable = read_mutability(&decoder->reader);
        decoder->fields.p[decoder->fields.n++] = field;
    }
    return wagi_decode_check(decoder);
}

/* The declared supertype: it must come earlier, and the hierarchy must not be too deep. Whether it matches is found out
 * when the group is canonical. */
static wag_err read_supertype(wagi_decoder *decoder, wagi_raw_type *raw)
{
    const uint8_t *where = decoder->reader.pos;
    uint32_t count = wagi_read_u32(&decoder->reader);
    if (count > 1)
        return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where, "more than one supertype");
    if (count == 0)
        return wagi_decode_check(decoder);
    where = decoder->reader.pos;
    uint32_t index = wagi_read_u32(&decoder->reader);
    wag_err err = wagi_decode_check(decoder);
    if (err != WAG_OK)
        return err;
    if (index >= decoder->group_start + decoder->raw_types.n)
        return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where, "unknown type %u: a supertype must come earlier", index);
    if (index < decoder->group_start) {
        raw->supertype = decoder->data->types[index]->id;
        raw->depth = decoder->data->types[index]->depth + 1;
    } else {
        raw->supertype = WAGI_REC_LOCAL + (index - decoder->group_start);
        raw->depth = decoder->raw_types.p[index - decoder->group_start].depth + 1;
    }
    if (raw->depth > decoder->limits->subtype_depth)
        return WAGI_DECODE_LIMIT(decoder, subtype_depth, raw->depth, where);
    return WAG_OK;
}

static wag_err read_sub_type(wagi_decoder *decoder)
{
    wagi_reader *reader = &decoder->reader;
    wagi_raw_type raw = {.is_final = true,
                         .supertype = WAGI_NO_TYPE,
                         .first_word = decoder->words.n,
                         .first_field = decoder->fields.n,
                         .where = reader->pos};
    const uint8_t *where = reader->pos;
    uint8_t form = wagi_read_u8(reader);
    wag_err err;
    if (form == 0x50 || form == 0x4F) {
        raw.is_final = form == 0x4F;
        if ((err = read_supertype(decoder, &raw)) != WAG_OK)
            return err;
        where = reader->pos;
        form = wagi_read_u8(reader);
    }
    if ((err = wagi_decode_check(decoder)) != WAG_OK)
        return err;
    switch (form) {
    case 0x60:
        raw.comp = WAGI_COMP_FUNC;
        err = read_func(decoder, &raw);
        break;
    case 0x5F:
        raw.comp = WAGI_COMP_STRUCT;
        err = read_fields(decoder, &raw);
        break;
    case 0x5E:
        raw.comp = WAGI_COMP_ARRAY;
        err = read_fields(decoder, &raw);
        break;
    default:
        return WAGI_DECODE_FAIL(decoder, WAG_MALFORMED, where, "malformed type form 0x%02x", form);
    }
    if (err == WAG_OK && !WAGI_VEC_PUSH(&decoder->raw_types, raw))
        err = wagi_decode_nomem(decoder);
    return err;
}

/* Now that the vectors stay where they are: definitions with pointers. */
static bool make_defs(wagi_decoder *decoder)
{
    decoder->defs.n = 0;
    if (!WAGI_VEC_RESERVE(&decoder->defs, decoder->raw_types.n))
        return false;
    for (size_t i = 0; i < decoder->raw_types.n; i++) {
        const wagi_raw_type *raw = &decoder->raw_types.p[i];
        wagi_type_def def = {.comp = raw->comp,
                             .is_final = raw->is_final,
                             .supertype = raw->supertype,
                             .param_count = raw->param_count,
                             .result_count = raw->result_count,
                             .field_count = raw->field_count};
        if (raw->param_count + raw->result_count) {
            def.params = decoder->words.p + raw->first_word;
            def.results = def.params + raw->param_count;
        }
        if (raw->field_count)
            def.fields = decoder->fields.p + raw->first_field;
        decoder->defs.p[decoder->defs.n++] = def;
    }
    return true;
}

/* Spec: "Matching", composite types. */
static bool comp_matches(const wagi_registry *registry, const wagi_type *sub, const wagi_type *super)
{
    if (sub->comp != super->comp)
        return false;
    if (sub->comp == WAGI_COMP_FUNC) {
        if (sub->param_count != super->param_count || sub->result_count != super->result_count)
            return false;
        for (uint32_t i = 0; i < sub->param_count; i++)
            if (!wagi_valtype_is_sub(registry, super->params[i], sub->params[i]))
                return false;
        for (uint32_t i = 0; i < sub->result_count; i++)
            if (!wagi_valtype_is_sub(registry, sub->results[i], super->results[i]))
                return false;
        return true;
    }
    if (sub->field_count < super->field_count)
        return false;
    for (uint32_t i = 0; i < super->field_count; i++) {
        wagi_field low = sub->fields[i], high = super->fields[i];
        if (low.is_mutable != high.is_mutable)
            return false;
        if (high.is_mutable ? low.storage != high.storage : !wagi_valtype_is_sub(registry, low.storage, high.storage))
            return false;
    }
    return true;
}

static wag_err check_supertypes(wagi_decoder *decoder)
{
    const wagi_type *const *types = decoder->types.p + decoder->group_start;
    for (size_t i = 0; i < decoder->raw_types.n; i++) {
        const wagi_type *type = types[i];
        if (type->depth == 0)
            continue;
        const wagi_type *super = wagi_registry_type(decoder->registry, type->display[type->depth - 1]);
        const char *why = super->is_final ? "its supertype is final" : "it does not match its supertype";
        if (super->is_final || !comp_matches(decoder->registry, type, super))
            return WAGI_DECODE_FAIL(decoder, WAG_INVALID, decoder->raw_types.p[i].where,
                                    "invalid sub type: type %u cannot be declared so, %s",
                                    decoder->group_start + (unsigned)i, why);
    }
    return WAG_OK;
}

static wag_err read_group(wagi_decoder *decoder)
{
    wagi_reader *reader = &decoder->reader;
    const uint8_t *where = reader->pos;
    uint32_t count = 1;
    wag_err err;
    if (where < reader->end && *where == 0x4E) {
        reader->pos++;
        if ((err = wagi_decode_count(decoder, &count)) != WAG_OK)
            return err;
        if (count > decoder->limits->rec_group_types)
            return WAGI_DECODE_LIMIT(decoder, rec_group_types, count, where);
    }
    if (decoder->types.n + count > decoder->limits->types)
        return WAGI_DECODE_LIMIT(decoder, types, (uint64_t)decoder->types.n + count, where);
    if (count == 0)
        return WAG_OK;
    decoder->group_start = (uint32_t)decoder->types.n;
    decoder->group_count = count;
    decoder->raw_types.n = decoder->words.n = decoder->fields.n = 0;
    for (uint32_t i = 0; i < count; i++)
        if ((err = read_sub_type(decoder)) != WAG_OK)
            return err;
    if (!make_defs(decoder) || !WAGI_VEC_RESERVE(&decoder->types, count))
        return wagi_decode_nomem(decoder);
    err = wagi_registry_intern(decoder->registry, decoder->defs.p, count, decoder->types.p + decoder->types.n);
    if (err == WAG_LIMIT)
        return WAGI_DECODE_LIMIT(decoder, canonical_types, decoder->limits->canonical_types + 1, where);
    if (err != WAG_OK)
        return wagi_decode_nomem(decoder);
    decoder->types.n += count;
    decoder->data->types = decoder->types.p;
    decoder->data->type_count = (uint32_t)decoder->types.n;
    return check_supertypes(decoder);
}

wag_err wagi_decode_type_section(wagi_decoder *decoder)
{
    const uint8_t *where = decoder->reader.pos;
    uint32_t count;
    wag_err err = wagi_decode_count(decoder, &count);
    if (err != WAG_OK)
        return err;
    if (count > decoder->limits->rec_groups)
        return WAGI_DECODE_LIMIT(decoder, rec_groups, count, where);
    for (uint32_t i = 0; i < count; i++)
        if ((err = read_group(decoder)) != WAG_OK)
            return err;
    decoder->group_count = 0;
    return WAG_OK;
}

/* ---- types of externals ---- */

wag_err wagi_decode_func_type(wagi_decoder *decoder, const wagi_type **ret_type)
{
    const uint8_t *where = decoder->reader.pos;
    uint32_t index = wagi_read_u32(&decoder->reader);
    wag_err err = wagi_decode_check(decoder);
    if (err != WAG_OK)
        return err;
    if (index >= decoder->data->type_count)
        return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where, "unknown type %u", index);
    const wagi_type *type = decoder->data->types[index];
    if (type->comp != WAGI_COMP_FUNC)
        return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where, "type %u is not a function type", index);
    *ret_type = type;
    return WAG_OK;
}

wag_err wagi_decode_tag_type(wagi_decoder *decoder, const wagi_type **ret_type)
{
    const uint8_t *where = decoder->reader.pos;
    if (wagi_read_u8(&decoder->reader) != 0)
        wagi_reader_fail_at(&decoder->reader, where, "malformed tag attribute");
    where = decoder->reader.pos;
    wag_err err = wagi_decode_func_type(decoder, ret_type);
    if (err == WAG_OK && (*ret_type)->result_count)
        return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where, "non-empty tag result type");
    return err;
}

/* Flags: 1 has a maximum, 2 shared, 4 64-bit, 8 a page size follows (ret_page_size_log2, which is NULL for tables). */
static wag_err read_limits(wagi_decoder *decoder, uint8_t *ret_page_size_log2, wagi_limits_type *ret_limits)
{
    wagi_reader *reader = &decoder->reader;
    const uint8_t *where = reader->pos;
    uint8_t flags = wagi_read_u8(reader);
    if (flags > 15 || (flags & (2u | 8u) && !ret_page_size_log2))
        wagi_reader_fail_at(reader, where, "malformed limits flags");
    wagi_limits_type limits = {.has_maximum = flags & 1u, .is_shared = flags & 2u, .is_64 = flags & 4u};
    limits.minimum = wagi_read_u64(reader);
    limits.maximum = limits.has_maximum ? wagi_read_u64(reader) : UINT64_MAX;
    const uint8_t *page_size_at = reader->pos;
    uint32_t page_size_log2 = flags & 8u ? wagi_read_u32(reader) : 16;
    if (page_size_log2 > 63)
        wagi_reader_fail_at(reader, page_size_at, "invalid custom page size");
    wag_err err = wagi_decode_check(decoder);
    if (err != WAG_OK)
        return err;
    if (flags & 8u) {
        wagi_decode_feature(decoder, WAGI_FEATURE_CUSTOM_PAGE_SIZES, where);
        if (page_size_log2 != 0 && page_size_log2 != 16)
            return WAGI_DECODE_FAIL(decoder, WAG_INVALID, page_size_at, "invalid custom page size 2^%u",
                                    (unsigned)page_size_log2);
        *ret_page_size_log2 = (uint8_t)page_size_log2;
    }
    if (limits.minimum > limits.maximum)
        return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where, "size minimum must not be greater than maximum");
    if (limits.is_64)
        wagi_decode_feature(decoder, WAGI_FEATURE_MEMORY64, where);
    *ret_limits = limits;
    return WAG_OK;
}

wag_err wagi_decode_table_type(wagi_decoder *decoder, wagi_table_type *ret_type)
{
    const uint8_t *where = decoder->reader.pos;
    wagi_table_type type;
    type.element = wagi_read_valtype(&decoder->reader, decoder->data);
    if (!decoder->reader.error && !wagi_is_ref(type.element))
        wagi_reader_fail_at(&decoder->reader, where, "malformed reference type");
    where = decoder->reader.pos;
    wag_err err = read_limits(decoder, NULL, &type.limits);
    if (err != WAG_OK)
        return err;
    uint64_t largest = type.limits.has_maximum ? type.limits.maximum : type.limits.minimum;
    if (!type.limits.is_64 && largest > UINT32_MAX)
        return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where, "table size must be at most 2^32-1");
    if (type.limits.minimum > decoder->limits->table_entries)
        return WAGI_DECODE_LIMIT(decoder, table_entries, type.limits.minimum, where);
    *ret_type = type;
    return WAG_OK;
}

/* A number of pages of 64 KiB in pages of the type. */
static uint64_t in_pages(uint64_t standard, const wagi_memory_type *type)
{
    unsigned shift = 16u - type->page_size_log2;
    return standard > UINT64_MAX >> shift ? UINT64_MAX : standard << shift;
}

static wag_err check_memory_size(wagi_decoder *decoder, const wagi_memory_type *type, const uint8_t *where)
{
    const wagi_limits_type *limits = &type->limits;
    uint64_t largest = limits->has_maximum ? limits->maximum : limits->minimum;
    if (limits->is_64) {
        if (largest > in_pages((uint64_t)1 << 48, type))
            return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where, "memory size must be at most 2^48 pages (2^64 bytes)");
        if (largest > in_pages(decoder->limits->memory64_pages_declared, type))
            return WAGI_DECODE_LIMIT(decoder, memory64_pages_declared, largest, where);
    } else {
        if (largest > in_pages(65536, type) || largest > UINT32_MAX)
            return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where, "memory size must be at most 65536 pages (4 GiB)");
        /* A lowered limit is about what is used: the maximum in a type is a bound that nobody need reach. */
        if (limits->minimum > in_pages(decoder->limits->memory32_pages, type))
            return WAGI_DECODE_LIMIT(decoder, memory32_pages, limits->minimum, where);
    }
    return WAG_OK;
}

wag_err wagi_decode_memory_type(wagi_decoder *decoder, wagi_memory_type *ret_type)
{
    const uint8_t *where = decoder->reader.pos;
    wagi_memory_type type = {.page_size_log2 = 16};
    wag_err err = read_limits(decoder, &type.page_size_log2, &type.limits);
    if (err != WAG_OK)
        return err;
    if (type.limits.is_shared) {
        wagi_decode_feature(decoder, WAGI_FEATURE_THREADS, where);
        decoder->data->has_shared_memory = true;
        if (!type.limits.has_maximum)
            return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where, "shared memory must have maximum");
    }
    err = check_memory_size(decoder, &type, where);
    if (err != WAG_OK)
        return err;
    *ret_type = type;
    return WAG_OK;
}

wag_err wagi_decode_global_type(wagi_decoder *decoder, wagi_global_type *ret_type)
{
    const uint8_t *where = decoder->reader.pos;
    ret_type->content = wagi_read_valtype(&decoder->reader, decoder->data);
    note_vector(decoder, ret_type->content, where);
    ret_type->is_mutable = read_mutability(&decoder->reader);
    return wagi_decode_check(decoder);
}

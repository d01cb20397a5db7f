/* Decoding the contents: element segments and data segments. Function bodies: decode_code.c. */
#include "binary/decode.h"

/* ---- element segments ---- */

/* The index and type of the table of an active segment. */
static wag_err read_active_table(wagi_decoder *decoder, bool has_index, wagi_elem_segment *segment)
{
    const uint8_t *where = decoder->reader.pos;
    segment->table = has_index ? wagi_read_u32(&decoder->reader) : 0;
    wag_err err = wagi_decode_check(decoder);
    if (err != WAG_OK)
        return err;
    if (segment->table >= decoder->data->table_count)
        return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where, "unknown table %u", segment->table);
    bool is_64 = decoder->data->tables[segment->table].type.limits.is_64;
    return wagi_validate_const(decoder->validator, &decoder->reader, is_64 ? WAGI_I64 : WAGI_I32,
                               decoder->data->global_count, &segment->offset, decoder->reterr_error);
}

/* Items given as function indices. */
static wag_err read_elem_funcs(wagi_decoder *decoder, wagi_elem_segment *segment)
{
    uint32_t *funcs = wagi_arena_alloc_array(decoder->arena, segment->count, sizeof *funcs);
    if (!funcs)
        return wagi_decode_nomem(decoder);
    for (uint32_t i = 0; i < segment->count; i++) {
        const uint8_t *where = decoder->reader.pos;
        uint32_t func = wagi_read_u32(&decoder->reader);
        wag_err err = wagi_decode_check(decoder);
        if (err != WAG_OK)
            return err;
        if (func >= decoder->data->func_count)
            return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where, "unknown function %u", func);
        decoder->declared_funcs[func] = 1;
        funcs[i] = func;
    }
    segment->funcs = funcs;
    return WAG_OK;
}

/* Items given as expressions; when all are ref.func they become function indices. */
static wag_err read_elem_items(wagi_decoder *decoder, wagi_elem_segment *segment)
{
    bool all_funcs = true;
    decoder->items.n = 0;
    for (uint32_t i = 0; i < segment->count; i++) {
        wagi_const_expr item;
        wag_err err = wagi_validate_const(decoder->validator, &decoder->reader, segment->type,
                                          decoder->data->global_count, &item, decoder->reterr_error);
        if (err != WAG_OK)
            return err;
        if (!WAGI_VEC_PUSH(&decoder->items, item))
            return wagi_decode_nomem(decoder);
        all_funcs = all_funcs && item.kind == WAGI_CONST_REF_FUNC;
    }
    if (!all_funcs) {
        segment->items = wagi_arena_copy(decoder->arena, decoder->items.p, segment->count * sizeof *segment->items);
        return segment->items ? WAG_OK : wagi_decode_nomem(decoder);
    }
    uint32_t *funcs = wagi_arena_alloc_array(decoder->arena, segment->count, sizeof *funcs);
    if (!funcs)
        return wagi_decode_nomem(decoder);
    for (uint32_t i = 0; i < segment->count; i++)
        funcs[i] = decoder->items.p[i].index;
    segment->funcs = funcs;
    return WAG_OK;
}

/* The type of the items. Flags without bits 0 and 1 have none: functions. Otherwise a kind byte, or a type. */
static wag_err read_elem_type(wagi_decoder *decoder, uint32_t flags, wagi_elem_segment *segment)
{
    wagi_reader *reader = &decoder->reader;
    const uint8_t *where = reader->pos;
    bool expressions = flags & 4u;
    segment->type = expressions ? WAGI_FUNCREF : WAGI_REF_ABSTRACT(false, WAGI_HEAP_FUNC);
    if ((flags & 3u) == 0)
        return WAG_OK;
    if (expressions) {
        segment->type = wagi_read_valtype(reader, decoder->data);
        if (!reader->error && !wagi_is_ref(segment->type))
            wagi_reader_fail_at(reader, where, "malformed reference type");
    } else if (wagi_read_u8(reader) != 0) {
        wagi_reader_fail_at(reader, where, "malformed element kind");
    }
    return wagi_decode_check(decoder);
}

/* Flags: 1 not active; 2 explicit table (active) or declared (not active); 4 items are expressions. */
static wag_err read_elem(wagi_decoder *decoder, wagi_elem_segment *segment)
{
    wagi_reader *reader = &decoder->reader;
    const uint8_t *where = reader->pos;
    uint32_t flags = wagi_read_u32(reader);
    if (flags > 7)
        wagi_reader_fail_at(reader, where, "malformed elements segment kind");
    wag_err err = wagi_decode_check(decoder);
    if (err != WAG_OK)
        return err;
    segment->mode = !(flags & 1u) ? WAGI_SEGMENT_ACTIVE : (flags & 2u) ? WAGI_SEGMENT_DECLARED : WAGI_SEGMENT_PASSIVE;
    if (segment->mode == WAGI_SEGMENT_ACTIVE && (err = read_active_table(decoder, flags & 2u, segment)) != WAG_OK)
        return err;
    if ((err = read_elem_type(decoder, flags, segment)) != WAG_OK)
        return err;
    if (segment->mode == WAGI_SEGMENT_ACTIVE &&
        !wagi_valtype_is_sub(decoder->registry, segment->type, decoder->data->tables[segment->table].type.element))
        return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where,
                                "type mismatch: the segment's references do not fit table %u", segment->table);
    where = reader->pos;
    if ((err = wagi_decode_count(decoder, &segment->count)) != WAG_OK)
        return err;
    if (segment->count > decoder->limits->element_entries)
        return WAGI_DECODE_LIMIT(decoder, element_entries, segment->count, where);
    return flags & 4u ? read_elem_items(decoder, segment) : read_elem_funcs(decoder, segment);
}

wag_err wagi_decode_element_section(wagi_decoder *decoder)
{
    const uint8_t *where = decoder->reader.pos;
    uint32_t count;
    wag_err err = wagi_decode_count(decoder, &count);
    if (err != WAG_OK)
        return err;
    if (count > decoder->limits->element_segments)
        return WAGI_DECODE_LIMIT(decoder, element_segments, count, where);
    wagi_elem_segment *elems = wagi_arena_alloc_array(decoder->arena, count, sizeof *elems);
    if (!elems)
        return wagi_decode_nomem(decoder);
    if ((err = wagi_decode_validator(decoder)) != WAG_OK)
        return err;
    for (uint32_t i = 0; i < count; i++)
        if ((err = read_elem(decoder, &elems[i])) != WAG_OK)
            return err;
    decoder->data->elems = elems;
    decoder->data->elem_count = count;
    return WAG_OK;
}

/* ---- data segments ---- */

wag_err wagi_decode_data_count_section(wagi_decoder *decoder)
{
    const uint8_t *where = decoder->reader.pos;
    decoder->has_data_count = true;
    decoder->data_count = wagi_read_u32(&decoder->reader);
    if (decoder->data_count > decoder->limits->data_segments && !decoder->reader.error)
        return WAGI_DECODE_LIMIT(decoder, data_segments, decoder->data_count, where);
    return wagi_decode_check(decoder);
}

static wag_err read_data(wagi_decoder *decoder, wagi_data_segment *segment)
{
    wagi_reader *reader = &decoder->reader;
    const uint8_t *where = reader->pos;
    uint32_t flags = wagi_read_u32(reader);
    if (flags > 2)
        wagi_reader_fail_at(reader, where, "malformed data segment kind");
    segment->mode = flags == 1 ? WAGI_SEGMENT_PASSIVE : WAGI_SEGMENT_ACTIVE;
    where = reader->pos;
    segment->memory = flags == 2 ? wagi_read_u32(reader) : 0;
    wag_err err = wagi_decode_check(decoder);
    if (err != WAG_OK)
        return err;
    if (segment->mode == WAGI_SEGMENT_ACTIVE) {
        if (segment->memory >= decoder->data->memory_count)
            return WAGI_DECODE_FAIL(decoder, WAG_INVALID, where, "unknown memory %u", segment->memory);
        bool is_64 = decoder->data->memories[segment->memory].limits.is_64;
        err = wagi_validate_const(decoder->validator, reader, is_64 ? WAGI_I64 : WAGI_I32, decoder->data->global_count,
                                  &segment->offset, decoder->reterr_error);
        if (err != WAG_OK)
            return err;
    }
    uint32_t size = wagi_read_u32(reader);
    const uint8_t *bytes = wagi_read_bytes(reader, size);
    segment->bytes = (wag_bytes){bytes, size};
    return wagi_decode_check(decoder);
}

wag_err wagi_decode_data_section(wagi_decoder *decoder)
{
    const uint8_t *where = decoder->reader.pos;
    uint32_t count;
    wag_err err = wagi_decode_count(decoder, &count);
    if (err != WAG_OK)
        return err;
    if (decoder->has_data_count && count != decoder->data_count)
        return WAGI_DECODE_FAIL(decoder, WAG_MALFORMED, where,
                                "data count and data section have inconsistent lengths: %u and %u", decoder->data_count,
                                count);
    if (count > decoder->limits->data_segments)
        return WAGI_DECODE_LIMIT(decoder, data_segments, count, where);
    wagi_data_segment *datas = wagi_arena_alloc_array(decoder->arena, count, sizeof *datas);
    if (!datas)
        return wagi_decode_nomem(decoder);
    if ((err = wagi_decode_validator(decoder)) != WAG_OK)
        return err;
    for (uint32_t i = 0; i < count; i++)
        if ((err = read_data(decoder, &datas[i])) != WAG_OK)
            return err;
    decoder->data->datas = datas;
    decoder->data->data_count = count;
    return WAG_OK;
}

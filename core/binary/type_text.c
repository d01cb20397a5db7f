/* Types in the text format's words, for messages and for the descriptors of exports and imports. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "binary/types.h"

/* An snprintf that goes on: size counts what the whole would need, also past the end of the buffer. */
typedef struct text_sink {
    char *buffer;
    size_t capacity, size;
} text_sink;

static void put(text_sink *sink, const char *format, ...) WAG_PRINTF(2, 3);
static void put(text_sink *sink, const char *format, ...)
{
    bool full = sink->size >= sink->capacity;
    va_list arguments;
    va_start(arguments, format);
    int written =
        vsnprintf(full ? NULL : sink->buffer + sink->size, full ? 0 : sink->capacity - sink->size, format, arguments);
    va_end(arguments);
    sink->size += written > 0 ? (size_t)written : 0;
}

static text_sink sink_make(char *buffer, size_t size)
{
    if (size)
        buffer[0] = 0;
    return (text_sink){.buffer = buffer, .capacity = size, .size = 0};
}

static const char *heap_text(uint32_t heap)
{
    static const char *const texts[] = {"func",   "nofunc", "extern", "noextern", "any",   "eq", "i31",
                                        "struct", "array",  "none",   "exn",      "noexn", "bot"};
    return heap < sizeof texts / sizeof *texts ? texts[heap] : "?";
}

/* The short forms of nullable references: funcref for (ref null func). */
static const char *short_ref_text(uint32_t heap)
{
    static const char *const texts[] = {"funcref", "nullfuncref", "externref",     "nullexternref", "anyref",
                                        "eqref",   "i31ref",      "structref",     "arrayref",      "nullref",
                                        "exnref",  "nullexnref",  "(ref null bot)"};
    return heap < sizeof texts / sizeof *texts ? texts[heap] : "?";
}

static void put_valtype(text_sink *sink, wagi_valtype type)
{
    static const char *const kinds[] = {"i32", "i64", "f32", "f64", "v128", "", "i8", "i16", "unknown", "nothing"};
    uint32_t kind = wagi_valtype_kind(type);
    if (kind != WAGI_KIND_REF)
        put(sink, "%s", kind < sizeof kinds / sizeof *kinds ? kinds[kind] : "?");
    else if (wagi_is_concrete(type))
        put(sink, "(ref %s(type %" PRIu32 "))", wagi_is_nullable(type) ? "null " : "", wagi_heap_of(type));
    else if (wagi_is_nullable(type))
        put(sink, "%s", short_ref_text(wagi_heap_of(type)));
    else
        put(sink, "(ref %s)", heap_text(wagi_heap_of(type)));
}

static void put_valtypes(text_sink *sink, const char *what, const wagi_valtype *types, uint32_t count)
{
    if (count == 0)
        return;
    put(sink, " (%s", what);
    for (uint32_t i = 0; i < count; i++) {
        put(sink, " ");
        put_valtype(sink, types[i]);
    }
    put(sink, ")");
}

static void put_field(text_sink *sink, wagi_field field)
{
    put(sink, field.is_mutable ? " (mut " : " ");
    put_valtype(sink, field.storage);
    if (field.is_mutable)
        put(sink, ")");
}

static void put_limits(text_sink *sink, wagi_limits_type limits)
{
    put(sink, "%s%" PRIu64, limits.is_64 ? "i64 " : "", limits.minimum);
    if (limits.has_maximum)
        put(sink, " %" PRIu64, limits.maximum);
    if (limits.is_shared)
        put(sink, " shared");
}

size_t wagi_valtype_text(wagi_valtype type, char *buffer, size_t size)
{
    text_sink sink = sink_make(buffer, size);
    put_valtype(&sink, type);
    return sink.size;
}

size_t wagi_func_type_text(const wagi_type *type, char *buffer, size_t size)
{
    text_sink sink = sink_make(buffer, size);
    switch (type->comp) {
    case WAGI_COMP_FUNC:
        put(&sink, "(func");
        put_valtypes(&sink, "param", type->params, type->param_count);
        put_valtypes(&sink, "result", type->results, type->result_count);
        break;
    case WAGI_COMP_STRUCT:
        put(&sink, "(struct");
        for (uint32_t i = 0; i < type->field_count; i++) {
            put(&sink, " (field");
            put_field(&sink, type->fields[i]);
            put(&sink, ")");
        }
        break;
    case WAGI_COMP_ARRAY:
        put(&sink, "(array");
        put_field(&sink, type->fields[0]);
        break;
    }
    put(&sink, ")");
    return sink.size;
}

size_t wagi_tag_type_text(const wagi_type *type, char *buffer, size_t size)
{
    text_sink sink = sink_make(buffer, size);
    put(&sink, "(tag");
    put_valtypes(&sink, "param", type->params, type->param_count);
    put(&sink, ")");
    return sink.size;
}

size_t wagi_table_type_text(wagi_table_type type, char *buffer, size_t size)
{
    text_sink sink = sink_make(buffer, size);
    put(&sink, "(table ");
    put_limits(&sink, type.limits);
    put(&sink, " ");
    put_valtype(&sink, type.element);
    put(&sink, ")");
    return sink.size;
}

size_t wagi_memory_type_text(wagi_memory_type type, char *buffer, size_t size)
{
    text_sink sink = sink_make(buffer, size);
    put(&sink, "(memory ");
    put_limits(&sink, type.limits);
    if (type.page_size_log2 != 16)
        put(&sink, " (pagesize %u)", 1u << type.page_size_log2);
    put(&sink, ")");
    return sink.size;
}

size_t wagi_global_type_text(wagi_global_type type, char *buffer, size_t size)
{
    text_sink sink = sink_make(buffer, size);
    put(&sink, type.is_mutable ? "(global (mut " : "(global ");
    put_valtype(&sink, type.content);
    put(&sink, type.is_mutable ? "))" : ")");
    return sink.size;
}

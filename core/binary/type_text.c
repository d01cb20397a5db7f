/* Types in the text format's words, for messages and for the descriptors of exports and imports. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "binary/types.h"

/* Of a defined type inside a text no more parameters, results or fields than these are written, so that the text of
 * a type is linear in that type. */
enum { NESTED_MOST = 8 };

/* An snprintf that goes on: size counts what the whole would need, also past the end of the buffer. */
typedef struct text_sink {
    char *buffer;
    size_t capacity, size;
    const wagi_type_scope *scope;
    bool nested; /* inside the structure of a type that a reference is to */
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

static text_sink sink_make(const wagi_type_scope *scope, char *buffer, size_t size)
{
    if (size)
        buffer[0] = 0;
    return (text_sink){.buffer = buffer, .capacity = size, .scope = scope};
}

/* The size of the whole; what was cut off says so. */
static size_t sink_end(const text_sink *sink)
{
    if (sink->size >= sink->capacity && sink->capacity > 4)
        memcpy(sink->buffer + sink->capacity - 4, "...", 4);
    return sink->size;
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

static void put_structure(text_sink *sink, const wagi_type *type);

/* A defined type, by its index or else its structure. */
static void put_defined(text_sink *sink, uint32_t id)
{
    static const char *const short_forms[] = {"(func ...)", "(struct ...)", "(array ...)"};
    const wagi_type_scope *scope = sink->scope;
    for (uint32_t i = 0; i < scope->type_count; i++)
        if (scope->types[i]->id == id) {
            put(sink, "$%" PRIu32, i);
            return;
        }
    const wagi_type *type = wagi_registry_type(scope->registry, id);
    if (sink->nested) {
        put(sink, "%s", short_forms[type->comp]);
        return;
    }
    sink->nested = true;
    put_structure(sink, type);
    sink->nested = false;
}

static void put_valtype(text_sink *sink, wagi_valtype type)
{
    static const char *const kinds[] = {"i32", "i64", "f32", "f64", "v128", "", "i8", "i16", "unknown", "nothing"};
    uint32_t kind = wagi_valtype_kind(type);
    if (kind != WAGI_KIND_REF) {
        put(sink, "%s", kind < sizeof kinds / sizeof *kinds ? kinds[kind] : "?");
    } else if (wagi_is_concrete(type)) {
        put(sink, wagi_is_nullable(type) ? "(ref null " : "(ref ");
        put_defined(sink, wagi_heap_of(type));
        put(sink, ")");
    } else if (wagi_is_nullable(type)) {
        put(sink, "%s", short_ref_text(wagi_heap_of(type)));
    } else {
        put(sink, "(ref %s)", heap_text(wagi_heap_of(type)));
    }
}

/* How many of count are written; the caller writes the dots for the others. */
static uint32_t count_shown(const text_sink *sink, uint32_t count)
{
    return sink->nested && count > NESTED_MOST ? NESTED_MOST : count;
}

static void put_valtypes(text_sink *sink, const char *what, const wagi_valtype *types, uint32_t count)
{
    if (count == 0)
        return;
    uint32_t shown = count_shown(sink, count);
    put(sink, " (%s", what);
    for (uint32_t i = 0; i < shown; i++) {
        put(sink, " ");
        put_valtype(sink, types[i]);
    }
    put(sink, shown < count ? " ...)" : ")");
}

static void put_field(text_sink *sink, wagi_field field)
{
    put(sink, field.is_mutable ? " (mut " : " ");
    put_valtype(sink, field.storage);
    if (field.is_mutable)
        put(sink, ")");
}

static void put_structure(text_sink *sink, const wagi_type *type)
{
    uint32_t shown = count_shown(sink, type->field_count);
    switch (type->comp) {
    case WAGI_COMP_FUNC:
        put(sink, "(func");
        put_valtypes(sink, "param", type->params, type->param_count);
        put_valtypes(sink, "result", type->results, type->result_count);
        break;
    case WAGI_COMP_STRUCT:
        put(sink, "(struct");
        for (uint32_t i = 0; i < shown; i++) {
            put(sink, " (field");
            put_field(sink, type->fields[i]);
            put(sink, ")");
        }
        if (shown < type->field_count)
            put(sink, " ...");
        break;
    case WAGI_COMP_ARRAY:
        put(sink, "(array");
        put_field(sink, type->fields[0]);
        break;
    }
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

size_t wagi_valtype_text(const wagi_type_scope *scope, wagi_valtype type, char *buffer, size_t size)
{
    text_sink sink = sink_make(scope, buffer, size);
    put_valtype(&sink, type);
    return sink_end(&sink);
}

size_t wagi_func_type_text(const wagi_type_scope *scope, const wagi_type *type, char *buffer, size_t size)
{
    text_sink sink = sink_make(scope, buffer, size);
    put_structure(&sink, type);
    return sink_end(&sink);
}

size_t wagi_tag_type_text(const wagi_type_scope *scope, const wagi_type *type, char *buffer, size_t size)
{
    text_sink sink = sink_make(scope, buffer, size);
    put(&sink, "(tag");
    put_valtypes(&sink, "param", type->params, type->param_count);
    put(&sink, ")");
    return sink_end(&sink);
}

size_t wagi_table_type_text(const wagi_type_scope *scope, wagi_table_type type, char *buffer, size_t size)
{
    text_sink sink = sink_make(scope, buffer, size);
    put(&sink, "(table ");
    put_limits(&sink, type.limits);
    put(&sink, " ");
    put_valtype(&sink, type.element);
    put(&sink, ")");
    return sink_end(&sink);
}

size_t wagi_memory_type_text(wagi_memory_type type, char *buffer, size_t size)
{
    text_sink sink = sink_make(NULL, buffer, size);
    put(&sink, "(memory ");
    put_limits(&sink, type.limits);
    if (type.page_size_log2 != 16)
        put(&sink, " (pagesize %u)", 1u << type.page_size_log2);
    put(&sink, ")");
    return sink_end(&sink);
}

size_t wagi_global_type_text(const wagi_type_scope *scope, wagi_global_type type, char *buffer, size_t size)
{
    text_sink sink = sink_make(scope, buffer, size);
    put(&sink, type.is_mutable ? "(global (mut " : "(global ");
    put_valtype(&sink, type.content);
    put(&sink, type.is_mutable ? "))" : ")");
    return sink_end(&sink);
}

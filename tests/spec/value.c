/* Values of the JSON files. Numbers are unsigned decimals of the bits; floats are compared by bits. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/spec/spec.h"

static uint64_t bits_of(const char *text)
{
    return strtoull(text, NULL, 10);
}

static unsigned lane_bytes(const char *lane_type)
{
    return (unsigned)(strtoul(lane_type + 1, NULL, 10) / 8);
}

static void put(uint8_t *to, uint64_t bits, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(bits >> (8 * i));
}

static uint64_t take(const uint8_t *from, unsigned bytes)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < bytes; i++)
        bits |= (uint64_t)from[i] << (8 * i);
    return bits;
}

static bool read_v128(const json_t *json, wag_val *value)
{
    unsigned bytes = lane_bytes(spec_json_text(json, "lane_type"));
    const json_t *lanes = json_object_get(json, "value");
    if (bytes == 0 || json_array_size(lanes) * bytes != sizeof value->of.v128)
        return false;
    for (size_t i = 0; i < json_array_size(lanes); i++)
        put(value->of.v128 + i * bytes, bits_of(json_string_value(json_array_get(lanes, i))), bytes);
    return true;
}

static bool is_null(const json_t *json)
{
    return strcmp(spec_json_text(json, "value"), "null") == 0;
}

/* The kind that a reference type travels as. */
static wag_val_kind reference_kind(const char *type)
{
    if (strcmp(type, "funcref") == 0 || strcmp(type, "nullfuncref") == 0)
        return WAG_FUNCREF;
    if (strcmp(type, "externref") == 0 || strcmp(type, "nullexternref") == 0)
        return WAG_EXTERNREF;
    if (strcmp(type, "exnref") == 0 || strcmp(type, "nullexnref") == 0)
        return WAG_EXNREF;
    return WAG_ANYREF;
}

bool spec_value_read(spec_env *env, const json_t *json, wag_val *ret_value)
{
    const char *type = spec_json_text(json, "type");
    uint64_t bits = bits_of(spec_json_text(json, "value"));
    *ret_value = (wag_val){.kind = WAG_I32};
    if (strcmp(type, "i32") == 0) {
        ret_value->of.i32 = (int32_t)(uint32_t)bits;
    } else if (strcmp(type, "i64") == 0) {
        ret_value->kind = WAG_I64;
        ret_value->of.i64 = (int64_t)bits;
    } else if (strcmp(type, "f32") == 0) {
        ret_value->kind = WAG_F32;
        memcpy(&ret_value->of.f32, &(uint32_t){(uint32_t)bits}, 4);
    } else if (strcmp(type, "f64") == 0) {
        ret_value->kind = WAG_F64;
        memcpy(&ret_value->of.f64, &bits, 8);
    } else if (strcmp(type, "v128") == 0) {
        ret_value->kind = WAG_V128;
        return read_v128(json, ret_value);
    } else {
        ret_value->kind = reference_kind(type);
        ret_value->of.ext = NULL;
        if (!is_null(json)) {
            wag_extern *ext = spec_env_host_ref(env, (uint32_t)bits);
            if (ret_value->kind == WAG_EXTERNREF)
                ret_value->of.ext = ext;
            else if (ret_value->kind == WAG_ANYREF)
                ret_value->of.any = spec_env_host_any(env, (uint32_t)bits);
            else
                return false;
        }
    }
    return true;
}

static bool bits_match(const char *expected, uint64_t got, unsigned bytes)
{
    uint64_t quiet = bytes == 4 ? 0x7fc00000u : 0x7ff8000000000000u;
    uint64_t sign = bytes == 4 ? 0x80000000u : 0x8000000000000000u;
    if (strcmp(expected, "nan:canonical") == 0)
        return (got & ~sign) == quiet;
    if (strcmp(expected, "nan:arithmetic") == 0)
        return (got & quiet) == quiet;
    uint64_t mask = bytes == 8 ? UINT64_MAX : ((uint64_t)1 << (8 * bytes)) - 1;
    return (bits_of(expected) & mask) == got;
}

static bool v128_matches(const json_t *expected, const wag_val *got)
{
    unsigned bytes = lane_bytes(spec_json_text(expected, "lane_type"));
    const json_t *lanes = json_object_get(expected, "value");
    if (bytes == 0 || json_array_size(lanes) * bytes != sizeof got->of.v128)
        return false;
    for (size_t i = 0; i < json_array_size(lanes); i++)
        if (!bits_match(json_string_value(json_array_get(lanes, i)), take(got->of.v128 + i * bytes, bytes), bytes))
            return false;
    return true;
}

static bool is_host_ref(const wag_extern *ext, const char *number)
{
    return wag_extern_host(ext) == (void *)((uintptr_t)bits_of(number) + 1);
}

static bool any_kind_matches(const char *type, wag_any_kind kind)
{
    if (strcmp(type, "i31ref") == 0)
        return kind == WAG_ANY_I31;
    if (strcmp(type, "structref") == 0)
        return kind == WAG_ANY_STRUCT;
    if (strcmp(type, "arrayref") == 0)
        return kind == WAG_ANY_ARRAY;
    return strcmp(type, "eqref") != 0 || kind != WAG_ANY_EXTERN;
}

static bool reference_matches(const json_t *expected, const wag_val *got)
{
    if (got->kind != WAG_FUNCREF && got->kind != WAG_EXTERNREF && got->kind != WAG_ANYREF && got->kind != WAG_EXNREF)
        return false;
    const char *type = spec_json_text(expected, "type");
    const char *value = spec_json_text(expected, "value");
    if (strcmp(value, "null") == 0 || strncmp(type, "null", 4) == 0 || strcmp(type, "refnull") == 0)
        return got->of.ext == NULL;
    if (got->of.ext == NULL)
        return false;
    if (strcmp(type, "ref") == 0)
        return true;
    if (got->kind != reference_kind(type))
        return false;
    if (got->kind == WAG_ANYREF && !any_kind_matches(type, wag_any_get_kind(got->of.any)))
        return false;
    /* wast2json gives functions the number 0; only host references have one that means something. */
    if (strcmp(value, "any") == 0 || *value == '\0')
        return true;
    if (got->kind == WAG_EXTERNREF)
        return is_host_ref(got->of.ext, value);
    if (got->kind != WAG_ANYREF || wag_any_get_kind(got->of.any) != WAG_ANY_EXTERN)
        return got->kind != WAG_ANYREF;
    wag_extern *ext = wag_extern_of_any(got->of.any);
    bool matches = is_host_ref(ext, value);
    wag_extern_unref(ext);
    return matches;
}

static bool one_matches(const json_t *expected, const wag_val *got)
{
    const char *type = spec_json_text(expected, "type");
    const char *value = spec_json_text(expected, "value");
    uint64_t bits = 0;
    if (strcmp(type, "i32") == 0)
        return got->kind == WAG_I32 && bits_match(value, (uint32_t)got->of.i32, 4);
    if (strcmp(type, "i64") == 0)
        return got->kind == WAG_I64 && bits_match(value, (uint64_t)got->of.i64, 8);
    if (strcmp(type, "f32") == 0) {
        memcpy(&bits, &got->of.f32, 4);
        return got->kind == WAG_F32 && bits_match(value, (uint32_t)bits, 4);
    }
    if (strcmp(type, "f64") == 0) {
        memcpy(&bits, &got->of.f64, 8);
        return got->kind == WAG_F64 && bits_match(value, bits, 8);
    }
    if (strcmp(type, "v128") == 0)
        return got->kind == WAG_V128 && v128_matches(expected, got);
    return reference_matches(expected, got);
}

bool spec_value_matches(const json_t *expected, const wag_val *got)
{
    if (strcmp(spec_json_text(expected, "type"), "either") != 0)
        return one_matches(expected, got);
    const json_t *values = json_object_get(expected, "values");
    for (size_t i = 0; i < json_array_size(values); i++)
        if (one_matches(json_array_get(values, i), got))
            return true;
    return false;
}

void spec_value_print(const wag_val *value, char *text, size_t size)
{
    uint32_t f32;
    uint64_t f64;
    const char *kind = wag_val_kind_name(value->kind);
    switch (value->kind) {
    case WAG_I32:
        snprintf(text, size, "%s %" PRIu32, kind, (uint32_t)value->of.i32);
        break;
    case WAG_I64:
        snprintf(text, size, "%s %" PRIu64, kind, (uint64_t)value->of.i64);
        break;
    case WAG_F32:
        memcpy(&f32, &value->of.f32, 4);
        snprintf(text, size, "%s %" PRIu32 " (%a)", kind, f32, (double)value->of.f32);
        break;
    case WAG_F64:
        memcpy(&f64, &value->of.f64, 8);
        snprintf(text, size, "%s %" PRIu64 " (%a)", kind, f64, value->of.f64);
        break;
    case WAG_V128:
        snprintf(text, size, "%s 0x%016" PRIx64 "%016" PRIx64, kind, take(value->of.v128 + 8, 8),
                 take(value->of.v128, 8));
        break;
    case WAG_FUNCREF:
    case WAG_EXTERNREF:
    case WAG_ANYREF:
    case WAG_EXNREF:
        snprintf(text, size, "%s %s", kind, value->of.ext ? "(a reference)" : "null");
        break;
    }
}

void spec_value_print_json(const json_t *json, char *text, size_t size)
{
    const json_t *value = json_object_get(json, "value");
    if (json_is_string(value)) {
        snprintf(text, size, "%s %s", spec_json_text(json, "type"), json_string_value(value));
        return;
    }
    char *dump = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    snprintf(text, size, "%s", dump ? dump : "?");
    free(dump);
}

/* ECMAScript's conversions of values to numbers, as far as the JS API needs them. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/os.h"
#include "runtime/coerce.h"

/* ---- text ---- */

/* White space and line terminators of ECMA-262 at p: their length in UTF-8, or 0. */
static size_t blank_at(const char *p, const char *end)
{
    static const char *const blanks[] = {
        "\t",           "\n",           "\v",           "\f",           "\r",           " ",
        "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81", "\xE2\x80\x82", "\xE2\x80\x83",
        "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86", "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89",
        "\xE2\x80\x8A", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80",
        "\xEF\xBB\xBF"};
    for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++) {
        size_t size = strlen(blanks[i]);
        if ((size_t)(end - p) >= size && memcmp(p, blanks[i], size) == 0)
            return size;
    }
    return 0;
}

static wag_name trim(wag_name text)
{
    const char *p = text.data, *end = text.data + text.size, *last = p;
    for (size_t size; (size = blank_at(p, end));)
        p += size;
    /* The end of what is not blank, found forward: a byte behind may be part of a longer character. */
    last = p;
    for (const char *q = p; q < end;) {
        size_t size = blank_at(q, end);
        q += size ? size : 1;
        if (!size)
            last = q;
    }
    return (wag_name){p, (size_t)(last - p)};
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 99;
}

/* "0x", "0o", "0b" in front: the radix, and the text moves on; else 10. */
static unsigned eat_radix(wag_name *text)
{
    if (text->size < 2 || text->data[0] != '0')
        return 10;
    unsigned radix = 10;
    switch (text->data[1] | 0x20) {
    case 'x':
        radix = 16;
        break;
    case 'o':
        radix = 8;
        break;
    case 'b':
        radix = 2;
        break;
    default:
        return 10;
    }
    text->data += 2;
    text->size -= 2;
    return radix;
}

static size_t digits_at(wag_name text, size_t at)
{
    size_t count = 0;
    while (at + count < text.size && text.data[at + count] >= '0' && text.data[at + count] <= '9')
        count++;
    return count;
}

/* StrDecimalLiteral without Infinity. */
static bool is_decimal(wag_name text)
{
    size_t at = text.size && (text.data[0] == '+' || text.data[0] == '-');
    size_t whole = digits_at(text, at), fraction = 0;
    at += whole;
    if (at < text.size && text.data[at] == '.') {
        fraction = digits_at(text, at + 1);
        at += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (at < text.size && (text.data[at] | 0x20) == 'e') {
        at++;
        at += at < text.size && (text.data[at] == '+' || text.data[at] == '-');
        size_t digits = digits_at(text, at);
        if (!digits)
            return false;
        at += digits;
    }
    return at == text.size;
}

/* Digits of a radix that is a power of two, rounded once: C's own reader does it for radix 16. */
static wag_error *radix_number(wag_name digits, unsigned radix, double *ret_number)
{
    unsigned width = radix == 16 ? 4 : radix == 8 ? 3 : 1;
    uint64_t head = 0;
    int exponent = 0;
    bool sticky = false;
    *ret_number = NAN;
    for (size_t i = 0; i < digits.size; i++) {
        unsigned digit = (unsigned)digit_of(digits.data[i]);
        if (digit >= radix)
            return NULL;
        for (unsigned bit = width; bit-- > 0;) {
            unsigned one = digit >> bit & 1;
            if (head >> 62) {
                sticky |= one;
                exponent += exponent < 4096;
            } else {
                head = head << 1 | one;
            }
        }
    }
    if (digits.size)
        *ret_number = ldexp((double)(head << 1 | sticky), exponent - 1);
    return NULL;
}

static wag_error *text_to_number(wag_name given, double *ret_number)
{
    wag_name text = trim(given);
    *ret_number = 0;
    if (!text.size)
        return NULL;
    unsigned radix = eat_radix(&text);
    if (radix != 10)
        return radix_number(text, radix, ret_number);
    *ret_number = NAN;
    size_t sign = text.data[0] == '+' || text.data[0] == '-';
    if (text.size - sign == 8 && memcmp(text.data + sign, "Infinity", 8) == 0) {
        *ret_number = text.data[0] == '-' ? -INFINITY : INFINITY;
        return NULL;
    }
    if (!is_decimal(text))
        return NULL;
    char small[64], *copy = text.size < sizeof small ? small : wagi_alloc(text.size + 1);
    if (!copy)
        return wagi_error_nomem();
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    *ret_number = wagi_os_read_double(copy);
    if (copy != small)
        wagi_free(copy);
    return NULL;
}

/* StringToBigInt, modulo 2^64. */
static bool text_to_bigint(wag_name given, int64_t *ret_bigint)
{
    wag_name text = trim(given);
    uint64_t value = 0;
    unsigned radix = eat_radix(&text);
    bool negative = false;
    if (radix == 10 && text.size && (text.data[0] == '+' || text.data[0] == '-')) {
        negative = text.data[0] == '-';
        text.data++;
        text.size--;
        if (!text.size)
            return false;
    }
    if (radix != 10 && !text.size)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = (unsigned)digit_of(text.data[i]);
        if (digit >= radix)
            return false;
        value = value * radix + digit;
    }
    *ret_bigint = (int64_t)(negative ? 0 - value : value);
    return true;
}

/* ---- values ---- */

/* ToPrimitive of an array is its elements' text with commas between: only the shortest arrays are numbers. Gives the
 * value whose number it is, a string or a primitive; NaN otherwise. */
static wag_value primitive_of(wag_value value)
{
    static const wag_value not_a_number = {.kind = WAG_VALUE_UNDEFINED};
    /* An array cannot contain itself; the depth is bounded by what was built. */
    while (value.kind == WAG_VALUE_ARRAY) {
        if (wag_value_size(value) == 0)
            return WAG_NULL; /* the empty text is 0, as null is */
        if (wag_value_size(value) > 1)
            return not_a_number;
        value = wag_array_at(value, 0);
        if (value.kind == WAG_VALUE_UNDEFINED)
            return WAG_NULL; /* joins as empty text */
        if (value.kind == WAG_VALUE_BOOL)
            return not_a_number; /* "true" */
    }
    return value;
}

wag_error *wagi_to_number(wag_value value, double *ret_number)
{
    bool from_array = value.kind == WAG_VALUE_ARRAY;
    value = primitive_of(value);
    switch (value.kind) {
    case WAG_VALUE_NUMBER:
        *ret_number = value.of.number;
        return NULL;
    case WAG_VALUE_NULL:
        *ret_number = 0;
        return NULL;
    case WAG_VALUE_BOOL:
        *ret_number = value.of.boolean;
        return NULL;
    case WAG_VALUE_STRING:
        return text_to_number(wag_value_text(value), ret_number);
    case WAG_VALUE_BIGINT:
        if (!from_array)
            return wagi_error_new(WAG_TYPE, "a bigint cannot be converted to a number");
        *ret_number = (double)value.of.bigint;
        return NULL;
    default:
        *ret_number = NAN;
        return NULL;
    }
}

int32_t wagi_to_int32(double number)
{
    if (!isfinite(number))
        return 0;
    double modulo = fmod(trunc(number), 4294967296.0);
    if (modulo < 0)
        modulo += 4294967296.0;
    return (int32_t)(uint32_t)modulo;
}

wag_error *wagi_to_bigint64(wag_value value, int64_t *ret_bigint)
{
    bool from_array = value.kind == WAG_VALUE_ARRAY;
    value = primitive_of(value);
    switch (value.kind) {
    case WAG_VALUE_BIGINT:
        *ret_bigint = value.of.bigint;
        return NULL;
    case WAG_VALUE_BOOL:
        *ret_bigint = value.of.boolean;
        return NULL;
    case WAG_VALUE_STRING:
        if (text_to_bigint(wag_value_text(value), ret_bigint))
            return NULL;
        return wagi_error_new(WAG_TYPE, "the string is no integer");
    case WAG_VALUE_NULL:
        if (!from_array)
            break;
        *ret_bigint = 0;
        return NULL;
    case WAG_VALUE_NUMBER: /* inside an array it has become text */
        if (!from_array || value.of.number != trunc(value.of.number) || fabs(value.of.number) >= 1e21)
            break;
        *ret_bigint =
            (int64_t)(uint64_t)(value.of.number < 0 ? 0 - (uint64_t)fmod(-value.of.number, 18446744073709551616.0)
                                                    : (uint64_t)fmod(value.of.number, 18446744073709551616.0));
        return NULL;
    default:
        break;
    }
    return wagi_error_new(WAG_TYPE, "%s cannot be converted to a bigint", wag_value_kind_name(value.kind));
}

bool wagi_to_boolean(wag_value value)
{
    switch (value.kind) {
    case WAG_VALUE_UNDEFINED:
    case WAG_VALUE_NULL:
        return false;
    case WAG_VALUE_BOOL:
        return value.of.boolean;
    case WAG_VALUE_NUMBER:
        return value.of.number != 0 && !isnan(value.of.number);
    case WAG_VALUE_BIGINT:
        return value.of.bigint != 0;
    case WAG_VALUE_STRING:
        return wag_value_size(value) != 0;
    default:
        return true;
    }
}

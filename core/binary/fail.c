/* Messages about modules that are wrong; the form is in fail.h. */
#include "binary/fail.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { FAIL_TEXT_SIZE = 512 }; /* longer messages are cut: names of a hostile module can be long */

wag_err wagi_fail_at(wag_err code, size_t offset, uint32_t func_index, wag_error **reterr_error, const char *format,
                     ...)
{
    char text[FAIL_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    wag_error *error = func_index == WAGI_NO_INDEX
                           ? wagi_error_new(code, "%s at byte %zu", text, offset)
                           : wagi_error_new(code, "%s in function %" PRIu32 " at byte %zu", text, func_index, offset);
    wagi_error_set_offset(error, offset);
    if (func_index != WAGI_NO_INDEX)
        wagi_error_set_func_index(error, func_index);
    return wagi_fail(error, reterr_error);
}

wag_err wagi_fail_reader(const wagi_reader *reader, uint32_t func_index, wag_error **reterr_error)
{
    return wagi_fail_at(reader->invalid ? WAG_INVALID : WAG_MALFORMED, reader->error_offset, func_index, reterr_error,
                        "%s", reader->error);
}

/* "limit text" of limits.def. */
static const char *limit_text(wag_limit limit)
{
    static const char *const texts[WAG_LIMIT_COUNT] = {
#define LIMIT(name, value, text) text,
#include "waggle/limits.def"
#undef LIMIT
    };
    return (unsigned)limit < WAG_LIMIT_COUNT ? texts[limit] : "?";
}

wag_err wagi_fail_limit(wag_limit limit, uint64_t allowed, uint64_t value, size_t offset, uint32_t func_index,
                        wag_error **reterr_error)
{
    return wagi_fail_at(WAG_LIMIT, offset, func_index, reterr_error,
                        "limit of %s exceeded: %" PRIu64 ", at most %" PRIu64, limit_text(limit), value, allowed);
}

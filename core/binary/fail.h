/* How the decoder and the validator report a module that is wrong: one form for all messages,
 *   "<what is wrong> at byte N"   or   "<what is wrong> in function F at byte N".
 */
#ifndef WAGI_BINARY_FAIL_H
#define WAGI_BINARY_FAIL_H

#include "binary/module.h"
#include "binary/reader.h"

/* An error with offset and, unless func_index is WAGI_NO_INDEX, function index; the format is without the place. */
wag_err wagi_fail_at(wag_err code, size_t offset, uint32_t func_index, wag_error **reterr_error, const char *format,
                     ...) WAG_PRINTF(5, 6);
/* The error that sticks in a reader: WAG_MALFORMED, or WAG_INVALID when the reader says so. */
wag_err wagi_fail_reader(const wagi_reader *reader, uint32_t func_index, wag_error **reterr_error);
/* "limit of <text> exceeded: V, at most L", WAG_LIMIT. limit: a name of limits.def. */
#define WAGI_FAIL_LIMIT(limits, limit, value, offset, func_index, reterr_error)                                        \
    wagi_fail_limit(WAG_LIMIT_##limit, (limits)->limit, (value), (offset), (func_index), (reterr_error))
wag_err wagi_fail_limit(wag_limit limit, uint64_t allowed, uint64_t value, size_t offset, uint32_t func_index,
                        wag_error **reterr_error);

#endif

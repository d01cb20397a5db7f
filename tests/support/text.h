/* Long texts for tests, put together piece by piece without writing past the end. */
#ifndef WAGI_TESTS_SUPPORT_TEXT_H
#define WAGI_TESTS_SUPPORT_TEXT_H

#include "tests/support/check.h"

/* Write `piece` at `at`, with its terminator; fails the test when it does not fit before `end`. Returns where it ends.
 */
static inline char *append(char *at, const char *end, const char *piece)
{
    size_t size = strlen(piece);
    if (size >= (size_t)(end - at))
        fail_msg("no room for \"%s\"", piece);
    memcpy(at, piece, size + 1);
    return at + size;
}

#endif

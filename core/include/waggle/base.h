/* Shared vocabulary of the public headers: visibility, byte ranges, names.
 *
 * Ownership words used in every docstring:
 *   own      the caller gets (return, ret_x) or gives away (argument) one reference
 *   borrow   valid for the duration stated, nothing to free
 * ret_x is written on success only, reterr_x on failure only. Both may be NULL when the caller does not want them,
 * unless the docstring says otherwise.
 * Thread rules:
 *   any thread     the call takes no agent; the object may be shared
 *   owner thread   the object belongs to the agent of the thread that made it; from another thread the call fails with
 *                  WAG_WRONG_AGENT and changes nothing
 */
#ifndef WAGGLE_BASE_H
#define WAGGLE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define WAG_API __attribute__((visibility("default")))
#define WAG_NODISCARD __attribute__((warn_unused_result))
#define WAG_PRINTF(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))
#else
#define WAG_API
#define WAG_NODISCARD
#define WAG_PRINTF(format_index, first_argument)
#endif

#define WAG_VERSION_MAJOR 0
#define WAG_VERSION_MINOR 1
#define WAG_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/* A borrowed range of bytes. It is one of the two source types of wag_instantiate. */
typedef struct wag_bytes {
    const uint8_t *data;
    size_t size;
} wag_bytes;

/* A borrowed name: UTF-8, not NUL-terminated, may be empty and may contain U+0000. */
typedef struct wag_name {
    const char *data;
    size_t size;
} wag_name;

/* A name from a string literal (keeps embedded NULs). */
#define WAG_NAME(literal) ((wag_name){"" literal, sizeof(literal) - 1})

/* The version of the library that is linked, as "major.minor.patch". Any thread. borrow: static storage. */
WAG_API const char *wag_version(void);

#ifdef __cplusplus
}
#endif
#endif

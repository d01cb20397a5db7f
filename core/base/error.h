/* Making errors inside the library. Making one never fails: without memory the static object of WAG_NOMEM is returned.
 */
#ifndef WAGI_BASE_ERROR_H
#define WAGI_BASE_ERROR_H

#include <stdatomic.h>

#include "waggle/error.h"

/* An error of a code's own class. format NULL: the code's text. */
wag_error *wagi_error_new(wag_err code, const char *format, ...) WAG_PRINTF(2, 3);
/* The same with everything chosen; used when an error arrives in a message. message: borrow, copied. */
wag_error *wagi_error_new_class(wag_err code, wag_error_class error_class, wag_name message);
/* The static object for WAG_NOMEM. */
wag_error *wagi_error_nomem(void);

/* Details. Only before the error is visible to others; on a static error a no-op. Strings are copied. */
void wagi_error_set_offset(wag_error *error, size_t offset);
void wagi_error_set_func_index(wag_error *error, uint32_t func_index);
void wagi_error_set_import(wag_error *error, size_t index, wag_name module, wag_name field);
void wagi_error_set_types(wag_error *error, const char *wanted, const char *given);
/* Where a frame was, said by a layer that knows; counted by frames, any thread. What is inside is that layer's. */
typedef struct wagi_origin {
    atomic_size_t count;
    void *owner, *place;
} wagi_origin;
wagi_origin *wagi_origin_ref(wagi_origin *origin); /* returns its argument; NULL is a no-op */
void wagi_origin_unref(wagi_origin *origin);       /* NULL is a no-op */
/* More frames, outward of those that it has, up to limit in all; copied, with their names. origins: NULL, or one for
 * each, own, NULL among them. An error that somebody else holds too (a host keeps the one it returned) stays as it is:
 * it is immutable for others. Without memory it stays as it is as well. */
void wagi_error_append_frames(wag_error *error, const wag_frame *frames, wagi_origin *const *origins, size_t count,
                              size_t limit);
wagi_origin *wagi_error_origin(const wag_error *error, size_t index); /* borrow: as long as the error; may be NULL */

/* What a host attaches to an error (wasm.h's host info); finalized with it. One thread at a time, and no two of them on
 * different handles of one error. */
typedef struct wagi_error_info {
    void *info;
    void (*finalize)(void *info);
} wagi_error_info;
/* NULL on a static error. */
wagi_error_info *wagi_error_host_info(const wag_error *error);

/* Something that the error owns: released, perhaps by another thread, with its last reference. One at most; only before
 * the error is visible to others. False, and nothing happens, on a static error. */
bool wagi_error_attach(wag_error *error, void *attachment, void (*release)(void *attachment));
void *wagi_error_attachment(const wag_error *error); /* NULL when there is none */

/* Why the API cannot use a handle: it is NULL ("the function is NULL"), or another agent's. */
wag_error *wagi_error_handle(const void *handle, const char *what);
/* The usual last line of a function that fails: give `error` (own) to *reterr_error (or release it when NULL) and
 * return its code. */
wag_err wagi_fail(wag_error *error, wag_error **reterr_error);

#endif

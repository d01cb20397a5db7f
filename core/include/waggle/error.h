/* Errors. A function that can fail returns a wag_err; where more can be said it also gives a wag_error object.
 *
 * A wag_error is immutable and atomically counted: any thread may use it. Creating one never fails (without memory a
 * static object for the same code is returned).
 *
 * Example:
 *     wag_module *none;
 *     wag_error *error;
 *     if (wag_module_new((wag_bytes){(const uint8_t *)"\0asm", 4}, NULL, &none, &error) == WAG_OK)
 *         return 1;
 *     size_t offset;
 *     printf("%s: %s\n", wag_error_class_name(wag_error_get_class(error)), wag_error_message(error));
 *     if (wag_error_offset(error, &offset))
 *         printf("at byte %zu\n", offset);
 *     char *all = wag_error_stack(error); // class, message, and a line for each frame of a trap
 *     puts(all);
 *     wag_text_free(all);
 *     wag_error_unref(error);
 */
#ifndef WAGGLE_ERROR_H
#define WAGGLE_ERROR_H

#include "waggle/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a function ended with: WAG_OK, which is 0, or why it failed (waggle/err.def). The numbers never change. */
typedef enum wag_err {
#define ERR(name, number, class, text) WAG_##name = (number),
#include "waggle/err.def"
#undef ERR
} wag_err;

/* The JavaScript classes (JS API section "Error Objects"; AbortError, TimeoutError and DataCloneError are DOMException
 * names). WAG_CLASS_ERROR is a plain Error. */
typedef enum wag_error_class {
    WAG_CLASS_ERROR,
    WAG_CLASS_TYPE_ERROR,
    WAG_CLASS_RANGE_ERROR,
    WAG_CLASS_COMPILE_ERROR,
    WAG_CLASS_LINK_ERROR,
    WAG_CLASS_RUNTIME_ERROR,
    WAG_CLASS_DATA_CLONE_ERROR,
    WAG_CLASS_ABORT_ERROR,
    WAG_CLASS_TIMEOUT_ERROR,
} wag_error_class;

/* An error: a code, a class, a message, and what else is known. */
typedef struct wag_error wag_error;

/* One frame of a backtrace, innermost first. */
typedef struct wag_frame {
    uint32_t func_index;  /* index in the module's function index space */
    wag_name func_name;   /* from the name section; empty when there is none; borrow: lives as long as the error */
    size_t module_offset; /* byte offset of the instruction in the module */
    size_t func_offset;   /* and from the function's first instruction */
} wag_frame;

/* "WAG_LINK" for WAG_LINK, "WAG_?" for a number that is no code. Any thread. borrow: static storage. */
WAG_API_ANY_THREAD const char *wag_err_name(wag_err err);
/* The default text of a code. Any thread. borrow: static storage. */
WAG_API_ANY_THREAD const char *wag_err_text(wag_err err);
/* The class that a code maps to. Any thread. */
WAG_API_ANY_THREAD wag_error_class wag_err_class(wag_err err);
/* "LinkError" and so on. Any thread. borrow: static storage. */
WAG_API_ANY_THREAD const char *wag_error_class_name(wag_error_class error_class);

/* A host's own error, to be returned by a host function; it reaches the caller of wasm unchanged (the same object).
 * Returns own. Any thread. The class is chosen freely; the code is WAG_HOST. */
WAG_API_ANY_THREAD wag_error *wag_error_new(wag_error_class error_class, const char *format, ...) WAG_PRINTF(2, 3);

/* One more reference; returns its argument. NULL is a no-op. */
WAG_API_ANY_THREAD wag_error *wag_error_ref(wag_error *error);
/* One reference less. NULL is a no-op. */
WAG_API_ANY_THREAD void wag_error_unref(wag_error *error);

/* Its code. Any thread, as all of these. NULL, here and below: WAG_OK and "no error", with nothing more to say. */
WAG_API_ANY_THREAD wag_err wag_error_code(const wag_error *error);
/* Its class: for a host's own error the one that was chosen, else that of its code. */
WAG_API_ANY_THREAD wag_error_class wag_error_get_class(const wag_error *error);
/* UTF-8 with a terminating NUL. borrow: lives as long as the error. */
WAG_API_ANY_THREAD const char *wag_error_message(const wag_error *error);
/* The import that an import error is about. False when the error is about none. borrow: as long as the error. */
WAG_API_ANY_THREAD bool wag_error_import(const wag_error *error, size_t *ret_index, wag_name *ret_module,
                                         wag_name *ret_field);
/* The type that was wanted and the one that was given, in the text format's words; NULL when not applicable. */
WAG_API_ANY_THREAD const char *wag_error_wanted(const wag_error *error);
WAG_API_ANY_THREAD const char *wag_error_given(const wag_error *error);
/* Byte offset in the module of a compile error. False when there is none. */
WAG_API_ANY_THREAD bool wag_error_offset(const wag_error *error, size_t *ret_offset);
/* Function index of a compile error inside a function body. False when there is none. */
WAG_API_ANY_THREAD bool wag_error_func_index(const wag_error *error, uint32_t *ret_func_index);
/* The wasm backtrace of a trap or of a host error that passed through wasm frames; 0 frames when there is none. Deep
 * stacks keep the innermost frames only (limit backtrace_frames). */
WAG_API_ANY_THREAD size_t wag_error_frame_count(const wag_error *error);
/* False when index is out of range. */
WAG_API_ANY_THREAD bool wag_error_frame(const wag_error *error, size_t index, wag_frame *ret_frame);
/* All of it for a log, as V8's error.stack: "RuntimeError: unreachable", then a line "    at name
 * (wasm-function[3]:0x1f)" for each frame, with the byte offset in the module. Control characters in names are shown as
 * "?". own: free with wag_text_free (waggle/module.h). NULL when memory is out. */
WAG_API_ANY_THREAD char *wag_error_stack(const wag_error *error);

#ifdef __cplusplus
}
#endif
#endif

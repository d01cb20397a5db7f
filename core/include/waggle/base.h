/* Shared vocabulary of the public headers: visibility, byte ranges, names.
 *
 * Ownership words used in every docstring:
 *   own      the caller gets (return, ret_x) or gives away (argument) one reference
 *   borrow   valid for the duration stated, nothing to free
 * ret_x is written on success only, reterr_x on failure only. Both may be NULL when the caller does not want them,
 * unless the docstring says otherwise.
 * Thread rules, which each declaration states:
 *   WAG_API_ANY_THREAD  any thread: the call takes no agent; the object may be shared, except where the docstring says
 *                       "one thread at a time"
 *   WAG_API             owner thread: the call works in the agent of the thread that makes it, which is made on first
 *                       use; objects belong to the agent of the thread that made them. With an object of another
 *                       agent the call fails with WAG_WRONG_AGENT (or gives NULL, 0, false or undefined, where it has
 *                       no code to give; unref does nothing) and changes nothing. This holds in every build.
 * clang checks the same while it compiles, when a program is built with -DWAG_THREAD_SAFETY -Wthread-safety: a function
 * that calls one of the owner thread has to be marked WAG_OWNER_THREAD itself, or to say that it is where the thread's
 * objects are at home:
 *
 * Example:
 *     static WAG_OWNER_THREAD int answer(wag_func *func)
 *     {
 *         wag_val result;
 *         return wag_call(func, NULL, 0, &result, 1, NULL) == WAG_OK ? result.of.i32 : -1;
 *     }
 *     static void *thread_with_an_agent_of_its_own(void *context)
 *     {
 *         wag_assume_owner_thread();
 *         wag_agent_close();
 *         return context;
 *     }
 *     static void *thread_of_a_pool(void *module)
 *     {
 *         wag_module_unref(module); // a module goes anywhere; wag_call here would not compile
 *         return NULL;
 *     }
 */
#ifndef WAGGLE_BASE_H
#define WAGGLE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define WAG_EXPORT __attribute__((visibility("default")))
#define WAG_NODISCARD __attribute__((warn_unused_result))
#define WAG_PRINTF(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))
#else
#define WAG_EXPORT
#define WAG_NODISCARD
#define WAG_PRINTF(format_index, first_argument)
#endif

#if defined(WAG_THREAD_SAFETY) && defined(__clang__)
#define WAG_THREAD_ATTRIBUTE(attribute) __attribute__((attribute))
struct WAG_THREAD_ATTRIBUTE(capability("agent")) wag_owner_role {
    int unused;
};
extern struct wag_owner_role wag_owner; /* a name for the analysis; no object */
#else
#define WAG_THREAD_ATTRIBUTE(attribute)
#endif

/* Marks a function of the program that may only be called where a thread's own objects are used. Nothing without
 * WAG_THREAD_SAFETY. */
#define WAG_OWNER_THREAD WAG_THREAD_ATTRIBUTE(requires_capability(wag_owner))
/* Marks the library's functions that any thread may call, with any object. */
#define WAG_API_ANY_THREAD WAG_EXPORT
/* Marks all others: they work in the calling thread's agent. */
#define WAG_API WAG_EXPORT WAG_OWNER_THREAD

/* The version of these headers; wag_version says the library's. */
#define WAG_VERSION_MAJOR 0
#define WAG_VERSION_MINOR 1
#define WAG_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/* A borrowed range of bytes. It is one of the two source types of wag_instantiate. */
typedef struct wag_bytes {
    const uint8_t *data; /* borrow; may be NULL when size is 0 */
    size_t size;         /* in bytes */
} wag_bytes;

/* A borrowed name: UTF-8, not NUL-terminated, may be empty and may contain U+0000. */
typedef struct wag_name {
    const char *data; /* borrow; may be NULL when size is 0 */
    size_t size;      /* in bytes */
} wag_name;

/* A name from a string literal (keeps embedded NULs). */
#ifdef __cplusplus
#define WAG_NAME(literal) (wag_name{"" literal, sizeof(literal) - 1})
#else
#define WAG_NAME(literal) ((wag_name){"" literal, sizeof(literal) - 1})
#endif

/* For clang's thread-safety analysis: from here to the end of the calling function, this is the thread whose objects
 * are used. For the functions where a thread begins: main, a thread's start routine, a handler that an event loop
 * calls. It does nothing. */
static inline WAG_THREAD_ATTRIBUTE(assert_capability(wag_owner)) void wag_assume_owner_thread(void)
{
}

/* The version of the library that is linked, as "major.minor.patch". Any thread. borrow: static storage. */
WAG_API_ANY_THREAD const char *wag_version(void);

#ifdef __cplusplus
}
#endif
#endif

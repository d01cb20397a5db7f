/* The untyped promise: what the typed faces of waggle/promise.h share.
 *
 * pending -> fulfilled | rejected, once. Settling moves the reactions, in order, to the loop's jobs: none runs inside
 * the call that settles. A pending promise is kept alive by whoever will settle it; dropping every host handle does not
 * stop the work. All promises of an agent are in its list and die with it. Everything here is owner thread and
 * unchecked; the faces check.
 */
#ifndef WAGI_RUNTIME_PROMISE_H
#define WAGI_RUNTIME_PROMISE_H

#include <stddef.h>

#include "runtime/loop.h"
#include "waggle/promise.h"

/* What a promise has to know about its result type. Both functions may be NULL: nothing is counted. */
typedef struct wagi_result_type {
    size_t size;                              /* at most WAGI_RESULT_SIZE */
    void (*copy)(void *to, const void *from); /* make another owned one */
    void (*destroy)(void *result);
} wagi_result_type;
#define WAGI_RESULT_SIZE 32

/* A reaction as it was given, its real type forgotten, and the function that knows it. result: NULL when rejected. */
typedef void (*wagi_any_reaction)(void);
typedef void (*wagi_reaction_call)(wagi_any_reaction reaction, void *context, const void *result,
                                   const wag_error *error);

typedef struct wagi_promise {
    wag_agent *agent;
    const wagi_result_type *type;
    size_t count;
    wag_promise_state state;
    bool handled;                        /* somebody has seen, or will see, how it ends */
    uint32_t awaiting;                   /* awaits that are open */
    uint32_t depth;                      /* turns that were open when it was rejected */
    struct wagi_promise *next_unhandled; /* the agent's list holds a reference */
    struct wagi_promise *previous, *next;
    struct wagi_reaction *first, **last;
    wag_error *error; /* REJECTED */
    union {           /* FULFILLED */
        max_align_t align;
        unsigned char bytes[WAGI_RESULT_SIZE];
    } result;
} wagi_promise;

/* Pending, count 1, of this thread's agent. NULL without memory. */
wagi_promise *wagi_promise_new(const wagi_result_type *type);
wagi_promise *wagi_promise_ref(wagi_promise *promise);
void wagi_promise_unref(wagi_promise *promise); /* NULL is a no-op */

/* Settle. result: moved in; error: own. False when it was settled before (then the argument is released). */
bool wagi_promise_resolve(wagi_promise *promise, const void *result);
bool wagi_promise_reject(wagi_promise *promise, wag_error *error);

/* WAG_NOMEM. */
wag_err wagi_promise_then(wagi_promise *promise, wagi_reaction_call call, wagi_any_reaction reaction, void *context);
/* As wag_promise_T_await, without the check of the agent. Reactions and other tasks run meanwhile, also when this is
 * called from inside a task. */
wag_err wagi_promise_await(wagi_promise *promise, int64_t timeout_ms, void *ret_result, wag_error **reterr_error);

/* For the loop: call the hook for each promise that was rejected with at least `depth` turns open and is still
 * unhandled. _unreported: there is something to report. */
void wagi_promises_report(wag_agent *agent, uint32_t depth);
bool wagi_promises_unreported(const wag_agent *agent);
/* For the end of the agent: free all of them, whatever their counts. */
void wagi_promises_free_all(wag_agent *agent);

#endif

/* The typed promises from the settling side: for the functions that return one (core/api, workers). */
#ifndef WAGI_API_PROMISE_H
#define WAGI_API_PROMISE_H

#include "runtime/promise.h"
#include "waggle/streaming.h"

/* For each result type T:
 *   wagi_promise_T_new      pending, count 1, of this thread's agent; NULL without memory. Whoever will settle it keeps
 * a reference until then wagi_promise_T_resolve  result: own. False when it was settled before (the result is released)
 *   wagi_promise_T_reject   error: own. Likewise
 * All: owner thread, unchecked. */
#define WAGI_PROMISE_DECLARE(T, result_type)                                                                           \
    struct wag_promise_##T {                                                                                           \
        wagi_promise core;                                                                                             \
    };                                                                                                                 \
    wag_promise_##T *wagi_promise_##T##_new(void);                                                                     \
    bool wagi_promise_##T##_resolve(wag_promise_##T *promise, result_type result);                                     \
    bool wagi_promise_##T##_reject(wag_promise_##T *promise, wag_error *error);

WAGI_PROMISE_DECLARE(module, wag_module *)
WAGI_PROMISE_DECLARE(instance, wag_instance *)
WAGI_PROMISE_DECLARE(source, wag_instantiated_source)
WAGI_PROMISE_DECLARE(exit, wag_exit)
WAGI_PROMISE_DECLARE(response, wag_response *)

#endif

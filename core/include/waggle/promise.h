/* Promises and the two overloads of WebAssembly.instantiate().
 *
 * A promise belongs to the agent that made it, settles once, through that agent's loop, and keeps its result. There is
 * one C type for each result type, so awaiting the wrong one does not compile. Reactions never run inside the call that
 * settles: they run as jobs after the current task.
 */
#ifndef WAGGLE_PROMISE_H
#define WAGGLE_PROMISE_H

#include "waggle/agent.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum wag_promise_state { WAG_PENDING, WAG_FULFILLED, WAG_REJECTED } wag_promise_state;

/* WebAssemblyInstantiatedSource: what the bytes overload resolves with. */
typedef struct wag_instantiated_source {
    wag_module *module;
    wag_instance *instance;
} wag_instantiated_source;
/* Release both. */
WAG_API void wag_instantiated_source_unref(wag_instantiated_source source);

/* How a worker ended. */
typedef struct wag_exit {
    bool terminated;           /* by terminate, not by itself */
    size_t discarded_messages; /* messages to either side that were never delivered */
} wag_exit;

/* For each result type T:
 *   wag_T_reaction              called once with (context, result, NULL) or (context, NULL, error); both are borrowed
 *   wag_promise_T_state         where it is
 *   wag_promise_T_then          add a reaction; it also marks a rejection as handled. WAG_NOMEM, WAG_WRONG_AGENT
 *   wag_promise_T_await         run the agent's loop until settled. timeout_ms < 0: no deadline. Inside a task or
 * reaction it nests: other tasks and reactions run meanwhile. *ret_result: own (as often as it is awaited). Fails with
 * the rejection's code, WAG_TIMEOUT (the promise lives on), WAG_INTERRUPTED, WAG_WRONG_AGENT, WAG_TYPE when nothing can
 * settle it any more wag_promise_T_ref / _unref  unref does not cancel what is under way All: owner thread. */
#define WAG_PROMISE_DECLARE(T, result_type)                                                                            \
    typedef struct wag_promise_##T wag_promise_##T;                                                                    \
    typedef void (*wag_##T##_reaction)(void *context, result_type const *result, const wag_error *error);              \
    WAG_API wag_promise_state wag_promise_##T##_state(const wag_promise_##T *promise);                                 \
    WAG_API wag_err wag_promise_##T##_then(wag_promise_##T *promise, wag_##T##_reaction reaction, void *context);      \
    WAG_API wag_err wag_promise_##T##_await(wag_promise_##T *promise, int64_t timeout_ms, result_type *ret_result,     \
                                            wag_error **reterr_error);                                                 \
    WAG_API wag_promise_##T *wag_promise_##T##_ref(wag_promise_##T *promise);                                          \
    WAG_API void wag_promise_##T##_unref(wag_promise_##T *promise);

WAG_PROMISE_DECLARE(module, wag_module *)
WAG_PROMISE_DECLARE(instance, wag_instance *)
WAG_PROMISE_DECLARE(source, wag_instantiated_source)
WAG_PROMISE_DECLARE(exit, wag_exit)
/* A response: waggle/streaming.h. */
typedef struct wag_response wag_response;
WAG_PROMISE_DECLARE(response, wag_response *)

/* WebAssembly.compile(bytes): compiles on a compile thread of the cluster (options NULL or without one: this agent's),
 * settles by a task. Never fails synchronously;
 * NULL only when there is no memory for the promise itself. bytes: copied before the call returns. returns own. */
WAG_API wag_promise_module *wag_compile(wag_bytes bytes, const wag_compile_options *options);

/* WebAssembly.instantiate(bytes, imports): the primary overload. The bytes are copied before the call returns; the
 * module compiles on a compile thread; then, in a task of this agent, the imports are read and the instance is made.
 * imports: borrow (a reference is kept until then); NULL is `undefined`. returns own; NULL as wag_compile. */
WAG_API wag_promise_source *wag_instantiate_bytes(wag_bytes bytes, wag_imports *imports);
/* WebAssembly.instantiate(module, imports): the secondary overload. The imports are read inside this call; the instance
 * is made, and its start function run, in a task after it. returns own; NULL as wag_compile. */
WAG_API wag_promise_instance *wag_instantiate_module(wag_module *module, wag_imports *imports);

#ifndef __cplusplus
/* The literal overload of the JS API. */
#define wag_instantiate(source, imports)                                                                               \
    _Generic((source), wag_bytes : wag_instantiate_bytes, wag_module * : wag_instantiate_module)((source), (imports))

#define WAG_PROMISE_SELECT(promise, verb)                                                                              \
    _Generic((promise), wag_promise_module *                                                                           \
             : wag_promise_module_##verb, wag_promise_instance *                                                       \
             : wag_promise_instance_##verb, wag_promise_source *                                                       \
             : wag_promise_source_##verb, wag_promise_exit *                                                           \
             : wag_promise_exit_##verb, wag_promise_response *                                                         \
             : wag_promise_response_##verb)
/* wag_await(promise, &result, &error): wait without a deadline. */
#define wag_await(promise, ret_result, reterr_error)                                                                   \
    WAG_PROMISE_SELECT(promise, await)((promise), -1, (ret_result), (reterr_error))
#define wag_await_for(promise, timeout_ms, ret_result, reterr_error)                                                   \
    WAG_PROMISE_SELECT(promise, await)((promise), (timeout_ms), (ret_result), (reterr_error))
#define wag_then(promise, reaction, context) WAG_PROMISE_SELECT(promise, then)((promise), (reaction), (context))
#define wag_poll(promise) WAG_PROMISE_SELECT(promise, state)((promise))
#define wag_promise_unref(promise) WAG_PROMISE_SELECT(promise, unref)((promise))
#endif

#ifdef __cplusplus
}
#endif
#endif

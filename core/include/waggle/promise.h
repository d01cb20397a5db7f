/* Promises and the two overloads of WebAssembly.instantiate().
 *
 * A promise belongs to the agent that made it, settles once, through that agent's loop, and keeps its result. There is
 * one C type for each result type, so awaiting the wrong one does not compile. Reactions never run inside the call that
 * settles: they run as jobs after the current task.
 *
 * Example:
 *     static void compiled(void *context, wag_module *const *result, const wag_error *error)
 *     {
 *         (void)error;
 *         *(size_t *)context = result ? wag_module_export_count(*result) : 0;
 *     }
 *
 *     size_t exports = 0;
 *     wag_promise_module *promise = wag_compile(bytes, NULL);
 *     wag_then(promise, compiled, &exports); // or wag_await(promise, &module, &error)
 *     wag_promise_unref(promise);
 *     if (wag_agent_run() != WAG_OK || exports != 5)
 *         return 1;
 */
#ifndef WAGGLE_PROMISE_H
#define WAGGLE_PROMISE_H

#include "waggle/agent.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where a promise is. */
typedef enum wag_promise_state {
    WAG_PENDING,   /* not settled yet */
    WAG_FULFILLED, /* it has a result */
    WAG_REJECTED,  /* it has an error */
} wag_promise_state;

/* WebAssemblyInstantiatedSource: what the bytes overload resolves with. */
typedef struct wag_instantiated_source {
    wag_module *module;     /* own */
    wag_instance *instance; /* own */
} wag_instantiated_source;
/* Release both. */
WAG_API void wag_instantiated_source_unref(wag_instantiated_source source);

/* How a worker ended. */
typedef struct wag_exit {
    bool terminated;           /* by terminate, not by itself */
    size_t discarded_messages; /* messages to either side that were never delivered */
} wag_exit;

/* The type and the functions of a promise, for each result type T. All: owner thread. */
#define WAG_PROMISE_DECLARE(T, result_type)                                                                            \
    /* A promise that settles with one result type. */                                                                 \
    typedef struct wag_promise_##T wag_promise_##T;                                                                    \
    /* Called once with (context, result, NULL) or (context, NULL, error); both are borrowed. */                       \
    typedef void (*wag_##T##_reaction)(void *context, result_type const *result, const wag_error *error);              \
    /* Where it is. WAG_PENDING for another agent's. wag_poll. */                                                      \
    WAG_API wag_promise_state wag_promise_##T##_state(const wag_promise_##T *promise);                                 \
    /* Add a reaction; it also marks a rejection as handled. WAG_NOMEM, WAG_WRONG_AGENT. wag_then. */                  \
    WAG_API wag_err wag_promise_##T##_then(wag_promise_##T *promise, wag_##T##_reaction reaction, void *context);      \
    /* Run the agent's loop until it is settled. timeout_ms < 0: no deadline. Inside a task or reaction it nests:      \
     * other tasks and reactions run meanwhile. ret_result: own (as often as it is awaited). Fails with the            \
     * rejection's code, WAG_TIMEOUT (the promise lives on), WAG_INTERRUPTED, WAG_WRONG_AGENT, WAG_TYPE when nothing   \
     * can settle it any more. wag_await, wag_await_for. */                                                            \
    WAG_API wag_err wag_promise_##T##_await(wag_promise_##T *promise, int64_t timeout_ms, result_type *ret_result,     \
                                            wag_error **reterr_error);                                                 \
    /* One more reference; returns its argument. */                                                                    \
    WAG_API wag_promise_##T *wag_promise_##T##_ref(wag_promise_##T *promise);                                          \
    /* One reference less; it does not cancel what is under way. NULL is a no-op. wag_promise_unref. */                \
    WAG_API void wag_promise_##T##_unref(wag_promise_##T *promise);

/* Of wag_compile. */
WAG_PROMISE_DECLARE(module, wag_module *)
/* Of wag_instantiate with a module. */
WAG_PROMISE_DECLARE(instance, wag_instance *)
/* Of wag_instantiate with bytes. */
WAG_PROMISE_DECLARE(source, wag_instantiated_source)
/* Of wag_worker_terminate and wag_worker_exited. */
WAG_PROMISE_DECLARE(exit, wag_exit)
/* What fetch() resolves with: waggle/streaming.h. */
typedef struct wag_response wag_response;
/* Of a response: a source of wag_compile_streaming. */
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

/* The literal overload of the JS API: bytes give a promise of a module and an instance, a module one of an instance.
 * wag_await and wag_await_for wait (the latter at most timeout_ms), wag_then adds a reaction, wag_poll looks,
 * wag_promise_unref lets go: of whatever type the promise is. In C++ these are overloaded functions. */
#ifndef __cplusplus
#define wag_instantiate(source, imports)                                                                               \
    _Generic((source), wag_bytes : wag_instantiate_bytes, wag_module * : wag_instantiate_module)((source), (imports))
/* The function of a promise's type; not for programs. */
#define WAG_PROMISE_SELECT(promise, verb)                                                                              \
    _Generic((promise), wag_promise_module *                                                                           \
             : wag_promise_module_##verb, wag_promise_instance *                                                       \
             : wag_promise_instance_##verb, wag_promise_source *                                                       \
             : wag_promise_source_##verb, wag_promise_exit *                                                           \
             : wag_promise_exit_##verb, wag_promise_response *                                                         \
             : wag_promise_response_##verb)
/* Wait for a promise of whatever type until it is settled, or at most timeout_ms; add a reaction; look; let go. */
#define wag_await(promise, ret_result, reterr_error)                                                                   \
    WAG_PROMISE_SELECT(promise, await)((promise), -1, (ret_result), (reterr_error))
#define wag_await_for(promise, timeout_ms, ret_result, reterr_error)                                                   \
    WAG_PROMISE_SELECT(promise, await)((promise), (timeout_ms), (ret_result), (reterr_error))
#define wag_then(promise, reaction, context) WAG_PROMISE_SELECT(promise, then)((promise), (reaction), (context))
#define wag_poll(promise) WAG_PROMISE_SELECT(promise, state)((promise))
#define wag_promise_unref(promise) WAG_PROMISE_SELECT(promise, unref)((promise))
#else
extern "C++" {
inline WAG_OWNER_THREAD wag_promise_source *wag_instantiate(wag_bytes source, wag_imports *imports)
{
    return wag_instantiate_bytes(source, imports);
}
inline WAG_OWNER_THREAD wag_promise_instance *wag_instantiate(wag_module *source, wag_imports *imports)
{
    return wag_instantiate_module(source, imports);
}
#define WAG_PROMISE_OVERLOAD(T, result_type)                                                                           \
    inline WAG_OWNER_THREAD wag_err wag_await(wag_promise_##T *promise, result_type *ret_result,                       \
                                              wag_error **reterr_error)                                                \
    {                                                                                                                  \
        return wag_promise_##T##_await(promise, -1, ret_result, reterr_error);                                         \
    }                                                                                                                  \
    inline WAG_OWNER_THREAD wag_err wag_await_for(wag_promise_##T *promise, int64_t timeout_ms,                        \
                                                  result_type *ret_result, wag_error **reterr_error)                   \
    {                                                                                                                  \
        return wag_promise_##T##_await(promise, timeout_ms, ret_result, reterr_error);                                 \
    }                                                                                                                  \
    inline WAG_OWNER_THREAD wag_err wag_then(wag_promise_##T *promise, wag_##T##_reaction reaction, void *context)     \
    {                                                                                                                  \
        return wag_promise_##T##_then(promise, reaction, context);                                                     \
    }                                                                                                                  \
    inline WAG_OWNER_THREAD wag_promise_state wag_poll(const wag_promise_##T *promise)                                 \
    {                                                                                                                  \
        return wag_promise_##T##_state(promise);                                                                       \
    }                                                                                                                  \
    inline WAG_OWNER_THREAD void wag_promise_unref(wag_promise_##T *promise)                                           \
    {                                                                                                                  \
        wag_promise_##T##_unref(promise);                                                                              \
    }
WAG_PROMISE_OVERLOAD(module, wag_module *)
WAG_PROMISE_OVERLOAD(instance, wag_instance *)
WAG_PROMISE_OVERLOAD(source, wag_instantiated_source)
WAG_PROMISE_OVERLOAD(exit, wag_exit)
WAG_PROMISE_OVERLOAD(response, wag_response *)
#undef WAG_PROMISE_OVERLOAD
}
#endif

#ifdef __cplusplus
}
#endif
#endif

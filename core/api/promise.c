/* The typed faces of promises: one macro over the untyped core, so that the types cannot differ in behaviour. */
#include "api/promise.h"

#include "base/error.h"

/* ---- result types ---- */

static void module_copy(void *to, const void *from)
{
    *(wag_module **)to = wag_module_ref(*(wag_module *const *)from);
}

static void module_destroy(void *result)
{
    wag_module_unref(*(wag_module **)result);
}

static void instance_copy(void *to, const void *from)
{
    *(wag_instance **)to = wag_instance_ref(*(wag_instance *const *)from);
}

static void instance_destroy(void *result)
{
    wag_instance_unref(*(wag_instance **)result);
}

static void source_copy(void *to, const void *from)
{
    const wag_instantiated_source *source = from;
    *(wag_instantiated_source *)to =
        (wag_instantiated_source){wag_module_ref(source->module), wag_instance_ref(source->instance)};
}

static void source_destroy(void *result)
{
    wag_instantiated_source_unref(*(wag_instantiated_source *)result);
}

void wag_instantiated_source_unref(wag_instantiated_source source)
{
    wag_instance_unref(source.instance);
    wag_module_unref(source.module);
}

static const wagi_result_type module_type = {sizeof(wag_module *), module_copy, module_destroy};
static const wagi_result_type instance_type = {sizeof(wag_instance *), instance_copy, instance_destroy};
static const wagi_result_type source_type = {sizeof(wag_instantiated_source), source_copy, source_destroy};
static void response_copy(void *to, const void *from)
{
    *(wag_response **)to = wag_response_ref(*(wag_response *const *)from);
}

static void response_destroy(void *result)
{
    wag_response_unref(*(wag_response **)result);
}

static const wagi_result_type response_type = {sizeof(wag_response *), response_copy, response_destroy};
static const wagi_result_type exit_type = {sizeof(wag_exit), NULL, NULL};

/* ---- faces ---- */

/* A promise of this thread. Another thread's may be looked at no further: its counts are plain. */
static bool is_mine(const wagi_promise *promise)
{
    return promise && promise->agent == wagi_agent_peek();
}

static wag_err not_mine(const wagi_promise *promise)
{
    return promise ? WAG_WRONG_AGENT : WAG_TYPE;
}

#define PROMISE_FACE(T, result_type)                                                                                   \
    _Static_assert(sizeof(result_type) <= WAGI_RESULT_SIZE, "the result is kept inside the promise");                  \
    static void T##_call(wagi_any_reaction reaction, void *context, const void *result, const wag_error *error)        \
    {                                                                                                                  \
        ((wag_##T##_reaction)reaction)(context, (result_type const *)result, error);                                   \
    }                                                                                                                  \
    wag_promise_##T *wagi_promise_##T##_new(void)                                                                      \
    {                                                                                                                  \
        return (wag_promise_##T *)wagi_promise_new(&T##_type);                                                         \
    }                                                                                                                  \
    bool wagi_promise_##T##_resolve(wag_promise_##T *promise, result_type result)                                      \
    {                                                                                                                  \
        return wagi_promise_resolve(&promise->core, &result);                                                          \
    }                                                                                                                  \
    bool wagi_promise_##T##_reject(wag_promise_##T *promise, wag_error *error)                                         \
    {                                                                                                                  \
        return wagi_promise_reject(&promise->core, error);                                                             \
    }                                                                                                                  \
    wag_promise_state wag_promise_##T##_state(const wag_promise_##T *promise)                                          \
    {                                                                                                                  \
        return is_mine((const wagi_promise *)promise) ? promise->core.state : WAG_PENDING;                             \
    }                                                                                                                  \
    wag_err wag_promise_##T##_then(wag_promise_##T *promise, wag_##T##_reaction reaction, void *context)               \
    {                                                                                                                  \
        if (!is_mine((const wagi_promise *)promise) || !reaction)                                                      \
            return reaction ? not_mine((const wagi_promise *)promise) : WAG_TYPE;                                      \
        return wagi_promise_then(&promise->core, T##_call, (wagi_any_reaction)reaction, context);                      \
    }                                                                                                                  \
    wag_err wag_promise_##T##_await(wag_promise_##T *promise, int64_t timeout_ms, result_type *ret_result,             \
                                    wag_error **reterr_error)                                                          \
    {                                                                                                                  \
        if (!is_mine((const wagi_promise *)promise))                                                                   \
            return wagi_fail(wagi_error_handle(promise, "promise"), reterr_error);                                     \
        return wagi_promise_await(&promise->core, timeout_ms, ret_result, reterr_error);                               \
    }                                                                                                                  \
    wag_promise_##T *wag_promise_##T##_ref(wag_promise_##T *promise)                                                   \
    {                                                                                                                  \
        if (is_mine((const wagi_promise *)promise))                                                                    \
            wagi_promise_ref(&promise->core);                                                                          \
        return promise;                                                                                                \
    }                                                                                                                  \
    void wag_promise_##T##_unref(wag_promise_##T *promise)                                                             \
    {                                                                                                                  \
        if (is_mine((const wagi_promise *)promise))                                                                    \
            wagi_promise_unref(&promise->core);                                                                        \
    }

PROMISE_FACE(module, wag_module *)
PROMISE_FACE(instance, wag_instance *)
PROMISE_FACE(source, wag_instantiated_source)
PROMISE_FACE(exit, wag_exit)
PROMISE_FACE(response, wag_response *)

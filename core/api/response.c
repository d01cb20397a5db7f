/* Responses, and the streaming functions that read them.
 *
 * A streaming call waits for its response (a promise, or a job of the loop, so that nothing is looked at inside the
 * call), checks it, and then reads its body in tasks, one chunk each, into a wag_module_stream. One task of a response
 * is under way at a time: it posts itself again, or stops after WAG_BODY_LATER until the response is woken.
 */
#include <string.h>

#include "api/stream.h"
#include "base/alloc.h"
#include "base/error.h"
#include "runtime/imports.h"

/* Between the reader and wag_response_wake. */
typedef enum wake_state {
    AWAKE,  /* the task is under way, or nothing is read */
    ASLEEP, /* the reader has said later: a wake posts the task */
    WAKING, /* woken since the reader was called */
} wake_state;

struct wag_response {
    wagi_task task; /* of reading; holds a reference while it is under way */
    atomic_size_t count;
    int status;
    bool cross_origin;
    wag_body_reader read;
    void *context;
    void (*close)(void *context);
    atomic_int wake;       /* a wake_state */
    wagi_mailbox *mailbox; /* of the agent that reads; one reference; set before the first read */
    /* the thread that reads: */
    bool used;             /* a streaming function has taken the body */
    wag_error *error;      /* aborted before that */
    wagi_awaited *awaited; /* what is made of it, while it is read */
    bool has_type;
    char type[];
};

/* ---- the object ---- */

wag_response *wag_response_new(const wag_response_options *options)
{
    size_t size = options->content_type ? strlen(options->content_type) + 1 : 1;
    wag_response *response = wagi_alloc_zero(1, sizeof *response + size);
    if (!response) {
        if (options->close)
            options->close(options->context);
        return NULL;
    }
    atomic_init(&response->count, 1);
    atomic_init(&response->wake, AWAKE);
    response->status = options->status;
    response->cross_origin = options->cross_origin;
    response->read = options->read;
    response->context = options->context;
    response->close = options->close;
    response->has_type = options->content_type != NULL;
    if (response->has_type)
        memcpy(response->type, options->content_type, size);
    return response;
}

wag_response *wag_response_ref(wag_response *response)
{
    if (response) /* relaxed: whoever takes another reference has one */
        atomic_fetch_add_explicit(&response->count, 1, memory_order_relaxed);
    return response;
}

static void close_body(wag_response *response)
{
    void (*close)(void *context) = response->close;
    response->read = NULL;
    response->close = NULL;
    if (close)
        close(response->context);
}

void wag_response_unref(wag_response *response)
{
    /* acq_rel: everything done with it happens before it is freed, by whoever comes last */
    if (!response || atomic_fetch_sub_explicit(&response->count, 1, memory_order_acq_rel) != 1)
        return;
    close_body(response);
    wag_error_unref(response->error);
    if (response->mailbox)
        wagi_mailbox_unref(response->mailbox);
    wagi_free(response);
}

void wag_response_wake(wag_response *response)
{
    int state = atomic_load(&response->wake);
    if (state == WAKING)
        return;
    while (!atomic_compare_exchange_weak(&response->wake, &state, state == ASLEEP ? AWAKE : WAKING))
        if (state == WAKING)
            return;
    if (state == ASLEEP)
        wagi_mailbox_post(response->mailbox, &wag_response_ref(response)->task);
}

void wagi_response_leave(wag_response *response)
{
    response->awaited = NULL;
    close_body(response);
}

static wag_error *abort_error(wag_error *error)
{
    return error ? error : wagi_error_new(WAG_INTERRUPTED, "the response was aborted");
}

wag_err wag_response_abort(wag_response *response, wag_error *error)
{
    wag_agent *agent = wagi_agent_peek();
    bool mine = response && (!response->mailbox || (agent && response->mailbox == wagi_loop_mailbox(agent->loop)));
    if (!mine || response->error || (response->used && !response->awaited)) {
        wag_error_unref(error);
        return !response ? WAG_TYPE : mine ? WAG_CLOSED : WAG_WRONG_AGENT;
    }
    wagi_awaited *awaited = response->awaited;
    if (awaited) {
        wag_module_stream_abort(awaited->stream, abort_error(error));
    } else {
        response->error = abort_error(error);
    }
    wagi_response_leave(response);
    return WAG_OK;
}

/* ---- reading ---- */

static void stop_reading(wag_response *response, wag_error *error)
{
    wag_module_stream *stream = response->awaited->stream;
    wagi_response_leave(response);
    if (error)
        wag_module_stream_abort(stream, error);
    else
        wag_module_stream_finish(stream); /* which gives the error, if the bytes are bound to fail */
}

static void read_on(wag_response *response)
{
    wagi_loop_post(response->awaited->agent->loop, &wag_response_ref(response)->task);
}

/* The reader has nothing: sleep, unless there was a wake since it was called. */
static void sleep_or_read_on(wag_response *response)
{
    int awake = AWAKE;
    if (!atomic_compare_exchange_strong(&response->wake, &awake, ASLEEP))
        read_on(response);
}

static void read_task(wagi_task *task)
{
    wag_response *response = (wag_response *)task;
    wag_bytes chunk = {NULL, 0};
    wag_error *error = NULL;
    wag_body_event event = WAG_BODY_END;
    atomic_store(&response->wake, AWAKE);
    if (response->awaited && response->read)
        event = response->read(response->context, response, &chunk, &error);
    if (response->awaited) { /* the reader may have aborted it */
        if (event == WAG_BODY_LATER)
            sleep_or_read_on(response);
        else if (event == WAG_BODY_ERROR)
            stop_reading(response, error ? error : wagi_error_new(WAG_TYPE, "the body could not be read"));
        else if (event == WAG_BODY_CHUNK && wag_module_stream_write(response->awaited->stream, chunk) == WAG_OK)
            read_on(response);
        else
            stop_reading(response, NULL);
    } else {
        wag_error_unref(error);
    }
    wag_response_unref(response);
}

static void read_discard(wagi_task *task)
{
    wag_response_unref((wag_response *)task);
}

/* ---- checking ---- */

static bool is_http_space(char c)
{
    return c == ' ' || c == '\t';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* S-02: exactly application/wasm, in any case, HTTP tabs and spaces around it trimmed. */
static bool is_wasm_type(const char *type)
{
    static const char wanted[] = "application/wasm";
    size_t size = strlen(type);
    while (size && is_http_space(type[size - 1]))
        size--;
    while (size && is_http_space(*type)) {
        type++;
        size--;
    }
    if (size != sizeof wanted - 1)
        return false;
    for (size_t i = 0; i < size; i++)
        if (lower(type[i]) != wanted[i])
            return false;
    return true;
}

/* S-01 to S-04, in this order. */
static wag_error *check(const wag_response *response)
{
    if (!response->has_type)
        return wagi_error_new(WAG_TYPE, "the response has no Content-Type, application/wasm is wanted");
    if (!is_wasm_type(response->type))
        return wagi_error_new(WAG_TYPE, "the response has the Content-Type \"%.100s\", application/wasm is wanted",
                              response->type);
    if (response->cross_origin)
        return wagi_error_new(WAG_TYPE, "the response is not of the same origin");
    if (response->status < 200 || response->status > 299)
        return wagi_error_new(WAG_TYPE, "the response has the status %d, which is not ok", response->status);
    if (response->used)
        return wagi_error_new(WAG_TYPE, "the response's body has been read already");
    return NULL;
}

/* ---- the streaming functions ---- */

/* The response is there. */
static void begin(wagi_awaited *awaited, wag_response *response)
{
    wag_error *error = check(response);
    if (!error)
        response->used = true;
    if (!error && response->error)
        error = wag_error_ref(response->error);
    if (!error && !wagi_stream_new(awaited))
        error = wagi_error_nomem();
    if (error) {
        wagi_awaited_settle(awaited, NULL, error);
        return;
    }
    awaited->response = wag_response_ref(response);
    response->awaited = awaited;
    response->mailbox = wagi_mailbox_ref(wagi_loop_mailbox(awaited->agent->loop));
    response->task = (wagi_task){.run = read_task, .discard = read_discard};
    read_on(response);
}

static void responded(void *context, wag_response *const *response, const wag_error *error)
{
    if (error)
        wagi_awaited_settle(context, NULL, wag_error_ref((wag_error *)(uintptr_t)error));
    else
        begin(context, *response);
}

/* awaited: own; it has its promise. */
static void await_response(wagi_awaited *awaited, wag_promise_response *response)
{
    wag_err err = wag_promise_response_then(response, responded, awaited);
    if (err != WAG_OK)
        wagi_awaited_settle(awaited, NULL, wagi_error_new(err, response ? NULL : "the response is NULL"));
}

wag_promise_module *wag_compile_streaming_promise(wag_promise_response *response, const wag_compile_options *options)
{
    wag_promise_module *promise = wagi_promise_module_new();
    if (!promise)
        return NULL;
    wagi_awaited *awaited = wagi_awaited_new(options);
    if (!awaited) {
        wagi_promise_module_reject(promise, wagi_error_nomem());
        return promise;
    }
    awaited->module_promise = wag_promise_module_ref(promise);
    await_response(awaited, response);
    return promise;
}

wag_promise_source *wag_instantiate_streaming_promise(wag_promise_response *response, wag_imports *imports)
{
    wag_promise_source *promise = wagi_promise_source_new();
    if (!promise)
        return NULL;
    wag_error *error = imports && imports->agent != wagi_agent_peek()
                           ? wagi_error_new(WAG_WRONG_AGENT, "the import object belongs to another agent")
                           : wagi_imports_object_check(imports);
    wagi_awaited *awaited = error ? NULL : wagi_awaited_new(NULL);
    if (!awaited) {
        wagi_promise_source_reject(promise, error ? error : wagi_error_nomem());
        return promise;
    }
    awaited->source_promise = wag_promise_source_ref(promise);
    awaited->imports = wag_imports_ref(imports);
    await_response(awaited, response);
    return promise;
}

wag_promise_response *wag_promise_response_new(void)
{
    return wagi_promise_response_new();
}

static wag_err settle_response(wag_promise_response *promise, wag_response *response, wag_error *error)
{
    bool mine = promise && promise->core.agent == wagi_agent_peek();
    if (!mine || (!response && !error)) {
        wag_error_unref(error);
        return promise && !mine ? WAG_WRONG_AGENT : WAG_TYPE;
    }
    bool first = error ? wagi_promise_response_reject(promise, error)
                       : wagi_promise_response_resolve(promise, wag_response_ref(response));
    return first ? WAG_OK : WAG_CLOSED;
}

wag_err wag_promise_response_resolve(wag_promise_response *promise, wag_response *response)
{
    return settle_response(promise, response, NULL);
}

wag_err wag_promise_response_reject(wag_promise_response *promise, wag_error *error)
{
    return settle_response(promise, NULL, error);
}

/* As in JavaScript: what is no promise becomes one that is fulfilled. NULL: no memory, or no response. */
static wag_promise_response *promise_of(wag_response *response)
{
    wag_promise_response *promise = response ? wagi_promise_response_new() : NULL;
    if (promise)
        wagi_promise_response_resolve(promise, wag_response_ref(response));
    return promise;
}

wag_promise_module *wag_compile_streaming_response(wag_response *response, const wag_compile_options *options)
{
    wag_promise_response *source = promise_of(response);
    wag_promise_module *promise = source || !response ? wag_compile_streaming_promise(source, options) : NULL;
    wag_promise_response_unref(source);
    return promise;
}

wag_promise_source *wag_instantiate_streaming_response(wag_response *response, wag_imports *imports)
{
    wag_promise_response *source = promise_of(response);
    wag_promise_source *promise = source || !response ? wag_instantiate_streaming_promise(source, imports) : NULL;
    wag_promise_response_unref(source);
    return promise;
}

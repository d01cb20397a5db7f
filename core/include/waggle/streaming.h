/* WebAssembly.compileStreaming() and instantiateStreaming(): modules that compile while their bytes arrive.
 *
 * Two forms. A wag_response is what fetch() gives in JavaScript: a status, a content type, and a body that is read
 * piece by piece. A wag_module_stream is pushed into, by whoever has the bytes, from any thread. In both, the sections
 * are decoded as they become whole, each function body is validated when it is there, and compiled on the cluster's
 * compile threads as soon as those that it calls are; so when the last byte comes little is left to do. The Module, and
 * an error with its byte offset, are those of wag_compile with all the bytes. Source: WebAssembly Web API, "Streaming
 * Module Compilation and Instantiation".
 *
 * Example:
 *     wag_module_stream *stream;
 *     wag_promise_module *promise;
 *     if (wag_module_stream_new(NULL, &stream, &promise) != WAG_OK)
 *         return 1;
 *     for (size_t at = 0; at < bytes.size; at += 100) { // as they come from the network
 *         size_t left = bytes.size - at;
 *         wag_module_stream_write(stream, (wag_bytes){bytes.data + at, left < 100 ? left : 100});
 *     }
 *     wag_module_stream_finish(stream);
 *     wag_module_stream_free(stream);
 *     wag_module *streamed;
 *     if (wag_await(promise, &streamed, NULL) != WAG_OK)
 *         return 1;
 *     wag_module_unref(streamed);
 *     wag_promise_unref(promise);
 */
#ifndef WAGGLE_STREAMING_H
#define WAGGLE_STREAMING_H

#include "waggle/promise.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- push ---- */

/* Bytes on their way to a module. Any thread. */
typedef struct wag_module_stream wag_module_stream;

/* A stream of bytes that will be a module. Owner thread of the promise; the stream itself is for any thread.
 *  options      borrowed, may be NULL
 *  ret_stream   own: wag_module_stream_free
 *  ret_promise  own: settles after wag_module_stream_finish or _abort, in a task of this thread's agent; not in the
 *               order of wag_compile's promises, which a slow stream would hold up
 * WAG_NOMEM, WAG_CLOSED (the agent is being closed). Both must be wanted. */
WAG_API wag_err wag_module_stream_new(const wag_compile_options *options, wag_module_stream **ret_stream,
                                      wag_promise_module **ret_promise);
/* The next bytes; copied. Any thread, one call at a time in the order of the bytes. WAG_OK; WAG_CLOSED after finish or
 * abort, or when the agent has ended; else the code with which the module is bound to fail (a hint to stop sending:
 * what is written later is not kept, finish gives the error). Never waits for compilation. */
WAG_API_ANY_THREAD wag_err wag_module_stream_write(wag_module_stream *stream, wag_bytes chunk);
/* That was all: the promise settles with the module, or with the error that wag_compile gives for these bytes. WAG_OK,
 * WAG_CLOSED. Any thread. */
WAG_API_ANY_THREAD wag_err wag_module_stream_finish(wag_module_stream *stream);
/* There will be no module: the promise is rejected with this error (own; NULL: an AbortError). WAG_OK; WAG_CLOSED after
 * finish or abort, where the error is released. Any thread. */
WAG_API_ANY_THREAD wag_err wag_module_stream_abort(wag_module_stream *stream, wag_error *error);
/* Let go of the stream; aborts one that is neither finished nor aborted. NULL is a no-op. Any thread. */
WAG_API_ANY_THREAD void wag_module_stream_free(wag_module_stream *stream);

/* ---- responses ---- */

/* What a reader of a body has. */
typedef enum wag_body_event {
    WAG_BODY_CHUNK, /* *ret_chunk has bytes; borrowed until the reader is called again or closed */
    WAG_BODY_END,   /* that was all */
    WAG_BODY_ERROR, /* it broke: *reterr_error (own) is what the promise is rejected with; NULL is a TypeError */
    WAG_BODY_LATER, /* nothing now: the reader is called again after wag_response_wake */
} wag_body_event;

/* Reads a body. Called in tasks of the agent whose thread gave the response to a streaming function, one chunk a task;
 * must not block longer than the agent's loop may. */
typedef wag_body_event (*wag_body_reader)(void *context, wag_response *response, wag_bytes *ret_chunk,
                                          wag_error **reterr_error);

/* What wag_response_new is told. */
typedef struct wag_response_options {
    int status;               /* HTTP status; 200 to 299 are ok */
    const char *content_type; /* the Content-Type header's value; NULL: there is none */
    bool cross_origin;        /* not CORS-same-origin */
    wag_body_reader read;     /* NULL: an empty body */
    void *context;            /* handed to read and close */
    /* May be NULL; called once when the body will not be read any more: it has ended or is broken, the module is bound
     * to fail, the response was aborted, the agent ends, or the last reference goes (so a response that a streaming
     * function has refused can still be read by the host). On the thread that reads it, or the one that drops the last
     * reference. */
    void (*close)(void *context);
} wag_response_options;

/* own; NULL without memory (close is called). options: borrowed; content_type is copied. Any thread. */
WAG_API_ANY_THREAD wag_response *wag_response_new(const wag_response_options *options);
WAG_API_ANY_THREAD wag_response *
wag_response_ref(wag_response *response); /* returns its argument; NULL is a no-op. Any thread */
WAG_API_ANY_THREAD void wag_response_unref(wag_response *response); /* NULL is a no-op. Any thread */
/* The reader has said WAG_BODY_LATER, or is about to: there is something now. Any thread. */
WAG_API_ANY_THREAD void wag_response_wake(wag_response *response);
/* Cancel: the body is closed; whoever reads it rejects with this error (own; NULL: an AbortError), now or when it is
 * given the response. Thread that reads it. WAG_OK; WAG_CLOSED when it has been read or aborted (the error is
 * released); WAG_WRONG_AGENT. */
WAG_API wag_err wag_response_abort(wag_response *response, wag_error *error);

/* A promise of a response (what fetch() returns), pending. Owner thread. */
WAG_API wag_promise_response *wag_promise_response_new(void); /* own; NULL without memory */
/* Settle it with a response (borrow). A promise settles once, later calls are WAG_CLOSED. WAG_TYPE, WAG_WRONG_AGENT. */
WAG_API wag_err wag_promise_response_resolve(wag_promise_response *promise, wag_response *response);
/* The same with an error (own). */
WAG_API wag_err wag_promise_response_reject(wag_promise_response *promise, wag_error *error);

/* WebAssembly.compileStreaming(source, options). Never fails synchronously. Rejects with a TypeError, in this order,
 * for a response without content type, one that is not exactly application/wasm (in any case, with HTTP spaces around,
 * but without parameters), one of another origin, a status that is not ok, a body that has been read already; with the
 * body's error; with the promise's rejection; else as wag_compile. As in browsers, and unlike the specification's text,
 * a body is not read to its end when its bytes cannot become a module any more.
 * response: borrow; its body belongs to this call from now on. returns own; NULL without memory. Owner thread. */
WAG_API wag_promise_module *wag_compile_streaming_response(wag_response *response, const wag_compile_options *options);
/* The same with a promise of a response (borrow). */
WAG_API wag_promise_module *wag_compile_streaming_promise(wag_promise_response *promise,
                                                          const wag_compile_options *options);
/* WebAssembly.instantiateStreaming(source, imports): as wag_compile_streaming, then the imports are read and the
 * instance is made. response, imports (NULL is `undefined`): borrow. returns own; NULL without memory. Owner thread. */
WAG_API wag_promise_source *wag_instantiate_streaming_response(wag_response *response, wag_imports *imports);
/* The same with a promise of a response (borrow). */
WAG_API wag_promise_source *wag_instantiate_streaming_promise(wag_promise_response *promise, wag_imports *imports);

#ifndef __cplusplus
/* The JS API's functions: source is a response or a promise of one. */
#define wag_compile_streaming(source, options)                                                                         \
    _Generic((source), wag_response *                                                                                  \
             : wag_compile_streaming_response, wag_promise_response *                                                  \
             : wag_compile_streaming_promise)((source), (options))
#define wag_instantiate_streaming(source, imports)                                                                     \
    _Generic((source), wag_response *                                                                                  \
             : wag_instantiate_streaming_response, wag_promise_response *                                              \
             : wag_instantiate_streaming_promise)((source), (imports))
#else
extern "C++" {
inline WAG_OWNER_THREAD wag_promise_module *wag_compile_streaming(wag_response *source,
                                                                  const wag_compile_options *options)
{
    return wag_compile_streaming_response(source, options);
}
inline WAG_OWNER_THREAD wag_promise_module *wag_compile_streaming(wag_promise_response *source,
                                                                  const wag_compile_options *options)
{
    return wag_compile_streaming_promise(source, options);
}
inline WAG_OWNER_THREAD wag_promise_source *wag_instantiate_streaming(wag_response *source, wag_imports *imports)
{
    return wag_instantiate_streaming_response(source, imports);
}
inline WAG_OWNER_THREAD wag_promise_source *wag_instantiate_streaming(wag_promise_response *source,
                                                                      wag_imports *imports)
{
    return wag_instantiate_streaming_promise(source, imports);
}
}
#endif

#ifdef __cplusplus
}
#endif
#endif

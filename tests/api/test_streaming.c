/* compileStreaming and instantiateStreaming: responses and pushed bytes. One test per statement, named by its id. */
#include "tests/support/check.h"

#include <pthread.h>
#include <sched.h>

#include "tests/support/big.h"

static const char *const answer = "(module (func (export \"f\") (result i32) i32.const 42))";

/* ---- bodies ---- */

/* A body of some bytes in pieces of `step`; after `late` of them it says later. */
typedef struct body {
    wag_bytes bytes;
    size_t at, step;
    wag_body_event last; /* how it ends */
    wag_error *error;
    int reads, closed;
    int later; /* reads that say later first */
    wag_response *woken;
} body;

static wag_body_event read_body(void *context, wag_response *response, wag_bytes *ret_chunk, wag_error **reterr_error)
{
    body *body = context;
    body->reads++;
    if (body->later > 0) {
        body->later--;
        body->woken = response;
        return WAG_BODY_LATER;
    }
    if (body->at == body->bytes.size) {
        *reterr_error = body->error;
        return body->last;
    }
    size_t size = body->bytes.size - body->at < body->step ? body->bytes.size - body->at : body->step;
    *ret_chunk = (wag_bytes){body->bytes.data + body->at, size};
    body->at += size;
    return WAG_BODY_CHUNK;
}

static void close_body(void *context)
{
    ((body *)context)->closed++;
}

static body body_of(wag_bytes bytes, size_t step)
{
    return (body){.bytes = bytes, .step = step, .last = WAG_BODY_END};
}

static wag_response *response_with(body *body, int status, const char *type)
{
    wag_response_options options = {
        .status = status, .content_type = type, .read = read_body, .context = body, .close = close_body};
    wag_response *response = wag_response_new(&options);
    assert_non_null(response);
    return response;
}

static wag_response *response_of(body *body)
{
    return response_with(body, 200, "application/wasm");
}

/* What becomes of compileStreaming(response). response: own. */
static wag_err stream(wag_response *response, wag_module **ret_module, wag_error **reterr_error)
{
    wag_promise_module *promise = wag_compile_streaming(response, NULL);
    assert_non_null(promise);
    assert_int_equal(wag_poll(promise), WAG_PENDING);
    wag_err err = wag_await(promise, ret_module, reterr_error);
    wag_promise_unref(promise);
    wag_response_unref(response);
    return err;
}

/* It is refused by a TypeError before anything is read, and the body is left to whoever has the response. */
static void assert_refused(wag_response *response, const body *body)
{
    wag_error *error = NULL;
    wag_module *module = NULL;
    wag_response_ref(response);
    assert_int_not_equal(stream(response, &module, &error), WAG_OK);
    assert_class(error, WAG_CLASS_TYPE_ERROR);
    assert_int_equal(body->reads, 0);
    assert_int_equal(body->closed, 0);
    wag_response_unref(response);
    assert_int_equal(body->closed, 1);
}

/* ---- S-01 to S-07 ---- */

static void test_S_01_a_response_without_content_type_is_a_type_error(void **state)
{
    (void)state;
    wag_bytes bytes = wat(answer);
    body body = body_of(bytes, 10);
    assert_refused(response_with(&body, 200, NULL), &body);
    wat_free(bytes);
}

static void test_S_02_the_content_type_is_application_wasm_without_parameters(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "application/javascript",
                                      "application/octet-stream",
                                      "text/wasm",
                                      "application/\"wasm\"",
                                      "\"application/wasm\"",
                                      "application/wasm;",
                                      "application/wasm;x",
                                      "application/wasm;charset=UTF-8",
                                      "\fapplication/wasm\f",
                                      "application/wasm, application/wasm",
                                      "application/was",
                                      "application/wasm\n",
                                      " \t "};
    static const char *const good[] = {"application/wasm",  "APPLICATION/wasm",     "APPLICATION/WASM",
                                       "application/wasm ", "\tapplication/wasm\t", "  Application/Wasm \t"};
    wag_bytes bytes = wat(answer);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        body body = body_of(bytes, 10);
        assert_refused(response_with(&body, 200, bad[i]), &body);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        body body = body_of(bytes, 10);
        wag_module *module;
        ASSERT_OK(stream(response_with(&body, 200, good[i]), &module, NULL));
        assert_int_equal(body.closed, 1);
        wag_module_unref(module);
    }
    wat_free(bytes);
}

static void test_S_03_a_response_of_another_origin_is_a_type_error(void **state)
{
    (void)state;
    wag_bytes bytes = wat(answer);
    body body = body_of(bytes, 10);
    wag_response_options options = {.status = 200,
                                    .content_type = "application/wasm",
                                    .cross_origin = true,
                                    .read = read_body,
                                    .context = &body,
                                    .close = close_body};
    assert_refused(wag_response_new(&options), &body);
    wat_free(bytes);
}

static void test_S_04_a_status_that_is_not_ok_is_a_type_error(void **state)
{
    (void)state;
    static const int bad[] = {0, 100, 199, 300, 304, 404, 500, -1}, good[] = {200, 204, 299};
    wag_bytes bytes = wat(answer);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        body body = body_of(bytes, 10);
        assert_refused(response_with(&body, bad[i], "application/wasm"), &body);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        body body = body_of(bytes, 10);
        wag_module *module;
        ASSERT_OK(stream(response_with(&body, good[i], "application/wasm"), &module, NULL));
        wag_module_unref(module);
    }
    wat_free(bytes);
}

static void test_S_01_to_S_04_the_content_type_is_looked_at_first(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        bool cross_origin;
        const char *says;
    } rows[] = {{NULL, true, "no Content-Type"},
                {"text/plain", true, "text/plain"},
                {"application/wasm", true, "origin"},
                {"application/wasm", false, "404"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wag_response_options options = {
            .status = 404, .content_type = rows[i].type, .cross_origin = rows[i].cross_origin};
        wag_error *error = NULL;
        assert_int_not_equal(stream(wag_response_new(&options), NULL, &error), WAG_OK);
        assert_non_null(strstr(wag_error_message(error), rows[i].says));
        wag_error_unref(error);
    }
}

static void test_S_05_the_bodys_error_is_what_the_promise_is_rejected_with(void **state)
{
    (void)state;
    wag_bytes bytes = wat(answer);
    body body = body_of((wag_bytes){bytes.data, bytes.size / 2}, 5);
    body.last = WAG_BODY_ERROR;
    body.error = wag_error_new(WAG_CLASS_ERROR, "connection reset");
    wag_error *error = NULL, *same = wag_error_ref(body.error);
    ASSERT_ERR(stream(response_of(&body), NULL, &error), WAG_HOST);
    assert_ptr_equal(error, same);
    assert_int_equal(body.closed, 1);
    wag_error_unref(error);
    wag_error_unref(same);
    body = body_of(bytes, 5); /* one without a reason */
    body.last = WAG_BODY_ERROR;
    assert_int_not_equal(stream(response_of(&body), NULL, &error), WAG_OK);
    assert_class(error, WAG_CLASS_TYPE_ERROR);
    wat_free(bytes);
}

static int32_t answer_of(const wag_module *module)
{
    wag_instance *instance;
    ASSERT_OK(wag_instance_new((wag_module *)(uintptr_t)module, NULL, &instance, NULL));
    int32_t result = call_i32(instance, "f");
    wag_instance_unref(instance);
    return result;
}

static void test_S_06_the_rest_is_as_compile(void **state)
{
    (void)state;
    wag_bytes bytes = wat(answer);
    for (size_t step = 1; step <= bytes.size; step++) {
        body body = body_of(bytes, step);
        wag_module *module;
        ASSERT_OK(stream(response_of(&body), &module, NULL));
        assert_int_equal(body.closed, 1);
        assert_int_equal(wag_module_bytes(module).size, bytes.size);
        assert_memory_equal(wag_module_bytes(module).data, bytes.data, bytes.size);
        assert_int_equal(answer_of(module), 42);
        wag_module_unref(module);
    }
    wat_free(bytes);
}

static void test_S_06_a_compile_error_is_that_of_compile(void **state)
{
    (void)state;
    build b = big_module(60, 20, (big_flaws){30, 40, UINT32_MAX});
    wag_error *want = NULL, *got = NULL;
    wag_module *module = NULL;
    size_t want_offset = 0, got_offset = 1;
    wag_err err = wag_module_new(build_bytes(&b), NULL, &module, &want);
    body body = body_of(build_bytes(&b), 1000);
    ASSERT_ERR(stream(response_of(&body), &module, &got), err);
    assert_string_equal(wag_error_message(got), wag_error_message(want));
    assert_true(wag_error_offset(want, &want_offset) && wag_error_offset(got, &got_offset));
    assert_int_equal(got_offset, want_offset);
    assert_class(got, WAG_CLASS_COMPILE_ERROR);
    wag_error_unref(want);
    build_free(&b);
    body = body_of((wag_bytes){NULL, 0}, 1);
    assert_int_not_equal(stream(response_of(&body), &module, &got), WAG_OK);
    assert_class(got, WAG_CLASS_COMPILE_ERROR);
    assert_int_not_equal(stream(wag_response_new(&(wag_response_options){
                                    .status = 200, .content_type = "application/wasm"}), /* no body at all */
                                &module, &got),
                         WAG_OK);
    assert_class(got, WAG_CLASS_COMPILE_ERROR);
}

static void test_S_06_instantiate_streaming_gives_module_and_instance(void **state)
{
    (void)state;
    wag_bytes bytes = wat("(module (import \"m\" \"g\" (global i32))"
                          " (func (export \"f\") (result i32) global.get 0))");
    body body = body_of(bytes, 7);
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set(imports, "m", "g", WAG_NUMBER(7)));
    wag_response *response = response_of(&body);
    wag_promise_source *promise = wag_instantiate_streaming(response, imports);
    wag_imports_unref(imports);
    wag_instantiated_source source;
    ASSERT_OK(wag_await(promise, &source, NULL));
    assert_int_equal(call_i32(source.instance, "f"), 7);
    assert_int_equal(wag_module_import_count(source.module), 1);
    wag_instantiated_source_unref(source);
    wag_promise_unref(promise);
    wag_response_unref(response);
    body = body_of(bytes, 7); /* read after it compiles: nothing to import from */
    response = response_of(&body);
    promise = wag_instantiate_streaming(response, NULL);
    wag_error *error = NULL;
    ASSERT_ERR(wag_await(promise, NULL, &error), WAG_TYPE);
    wag_error_unref(error);
    wag_promise_unref(promise);
    wag_response_unref(response);
    wag_imports *number = wag_imports_from_value(WAG_NUMBER(1)); /* no object: before anything is read */
    body = body_of(bytes, 7);
    response = response_of(&body);
    promise = wag_instantiate_streaming(response, number);
    ASSERT_ERR(wag_await(promise, NULL, &error), WAG_TYPE);
    assert_int_equal(body.reads, 0);
    wag_error_unref(error);
    wag_promise_unref(promise);
    wag_response_unref(response);
    wag_imports_unref(number);
    wat_free(bytes);
}

static void test_S_06_the_source_may_be_a_promise_of_a_response(void **state)
{
    (void)state;
    wag_bytes bytes = wat(answer);
    body body = body_of(bytes, 11);
    wag_response *response = response_of(&body);
    wag_promise_response *source = wag_promise_response_new();
    wag_promise_module *promise = wag_compile_streaming(source, NULL);
    while (wag_agent_turn())
        ;
    assert_int_equal(wag_poll(promise), WAG_PENDING);
    ASSERT_OK(wag_promise_response_resolve(source, response));
    ASSERT_ERR(wag_promise_response_resolve(source, response), WAG_CLOSED);
    wag_module *module;
    ASSERT_OK(wag_await(promise, &module, NULL));
    wag_module_unref(module);
    wag_promise_unref(promise);
    wag_promise_unref(source);
    wag_response_unref(response);
    source = wag_promise_response_new();
    promise = wag_compile_streaming(source, NULL);
    wag_error *error = wag_error_new(WAG_CLASS_ERROR, "no such host"), *got = NULL;
    ASSERT_OK(wag_promise_response_reject(source, wag_error_ref(error)));
    ASSERT_ERR(wag_await(promise, NULL, &got), WAG_HOST);
    assert_ptr_equal(got, error);
    wag_error_unref(got);
    wag_error_unref(error);
    wag_promise_unref(promise);
    wag_promise_unref(source);
    promise = wag_compile_streaming((wag_response *)NULL, NULL);
    ASSERT_ERR(wag_await(promise, NULL, &got), WAG_TYPE);
    wag_error_unref(got);
    wag_promise_unref(promise);
    wat_free(bytes);
}

static void test_S_06_a_body_is_read_once(void **state)
{
    (void)state;
    wag_bytes bytes = wat(answer);
    body body = body_of(bytes, 11);
    wag_response *response = response_of(&body);
    wag_module *module;
    wag_error *error = NULL;
    ASSERT_OK(stream(wag_response_ref(response), &module, NULL));
    ASSERT_ERR(stream(response, NULL, &error), WAG_TYPE);
    wag_error_unref(error);
    wag_module_unref(module);
    wat_free(bytes);
}

/* Not a module, and it never ends. */
static wag_body_event read_rubbish(void *context, wag_response *response, wag_bytes *ret_chunk,
                                   wag_error **reterr_error)
{
    static const uint8_t rubbish[8192];
    (void)context;
    (void)response;
    (void)reterr_error;
    *ret_chunk = (wag_bytes){rubbish, sizeof rubbish};
    sched_yield();
    return WAG_BODY_CHUNK;
}

static void test_S_07_a_body_that_cannot_become_a_module_is_not_read_on(void **state)
{
    (void)state;
    body closed = body_of((wag_bytes){NULL, 0}, 1);
    wag_response_options options = {.status = 200,
                                    .content_type = "application/wasm",
                                    .read = read_rubbish,
                                    .context = &closed,
                                    .close = close_body};
    wag_error *error = NULL;
    ASSERT_ERR(stream(wag_response_new(&options), NULL, &error), WAG_MALFORMED); /* before it is too large */
    assert_class(error, WAG_CLASS_COMPILE_ERROR);
    assert_int_equal(closed.closed, 1);
}

/* ---- waiting, cancelling ---- */

static void *wake(void *context)
{
    wag_response_wake(context);
    return NULL;
}

static void test_a_body_may_say_later_and_be_woken_by_any_thread(void **state)
{
    (void)state;
    wag_bytes bytes = wat(answer);
    body body = body_of(bytes, 8);
    body.later = 3;
    wag_response *response = response_of(&body);
    wag_promise_module *promise = wag_compile_streaming(response, NULL);
    for (int reads = 1; reads <= 3; reads++) {
        while (wag_agent_turn())
            ;
        assert_int_equal(body.reads, reads);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, wake, body.woken), 0);
        pthread_join(thread, NULL);
    }
    wag_module *module;
    ASSERT_OK(wag_await(promise, &module, NULL));
    wag_module_unref(module);
    wag_promise_unref(promise);
    wag_response_wake(response); /* too late: nothing */
    wag_response_unref(response);
    wat_free(bytes);
}

static void test_a_response_that_is_aborted_rejects_with_the_error(void **state)
{
    (void)state;
    wag_bytes bytes = wat(answer);
    for (int before = 0; before < 2; before++) {
        body body = body_of(bytes, 8);
        body.later = 1;
        wag_response *response = response_of(&body);
        wag_error *error = NULL;
        if (before)
            ASSERT_OK(wag_response_abort(response, NULL));
        wag_promise_module *promise = wag_compile_streaming(response, NULL);
        while (wag_agent_turn())
            ;
        assert_int_equal(body.reads, !before);
        if (!before)
            ASSERT_OK(wag_response_abort(response, NULL));
        ASSERT_ERR(wag_response_abort(response, NULL), WAG_CLOSED);
        assert_int_equal(body.closed, 1);
        wag_response_wake(response);
        assert_int_not_equal(wag_await(promise, NULL, &error), WAG_OK);
        assert_class(error, WAG_CLASS_ABORT_ERROR);
        while (wag_agent_turn())
            ;
        assert_int_equal(body.reads, !before);
        wag_promise_unref(promise);
        wag_response_unref(response);
    }
    wat_free(bytes);
}

static void test_a_response_that_nobody_reads_is_closed_with_its_last_reference(void **state)
{
    (void)state;
    body body = body_of((wag_bytes){NULL, 0}, 1);
    wag_response_unref(response_of(&body));
    assert_int_equal(body.closed, 1);
}

/* ---- pushing ---- */

static void test_bytes_are_pushed_and_the_promise_settles_after_finish(void **state)
{
    (void)state;
    build b = big_module(200, 20, BIG_FINE);
    wag_module_stream *stream;
    wag_promise_module *promise;
    ASSERT_OK(wag_module_stream_new(NULL, &stream, &promise));
    for (size_t at = 0; at < b.size; at += 3000)
        ASSERT_OK(wag_module_stream_write(stream, (wag_bytes){b.data + at, b.size - at < 3000 ? b.size - at : 3000}));
    while (wag_agent_turn())
        ;
    assert_int_equal(wag_poll(promise), WAG_PENDING);
    ASSERT_OK(wag_module_stream_finish(stream));
    ASSERT_ERR(wag_module_stream_finish(stream), WAG_CLOSED);
    ASSERT_ERR(wag_module_stream_write(stream, build_bytes(&b)), WAG_CLOSED);
    ASSERT_ERR(wag_module_stream_abort(stream, NULL), WAG_CLOSED);
    assert_int_equal(wag_poll(promise), WAG_PENDING);
    wag_module *module;
    ASSERT_OK(wag_await(promise, &module, NULL));
    assert_memory_equal(wag_module_bytes(module).data, b.data, b.size);
    wag_module_stream_free(stream);
    wag_promise_unref(promise);
    wag_module_unref(module);
    build_free(&b);
}

typedef struct pusher {
    wag_module_stream *stream;
    wag_bytes bytes;
} pusher;

static void *push(void *context)
{
    pusher *pusher = context;
    for (size_t at = 0; at < pusher->bytes.size; at += 5000)
        if (wag_module_stream_write(pusher->stream, (wag_bytes){pusher->bytes.data + at, pusher->bytes.size - at < 5000
                                                                                             ? pusher->bytes.size - at
                                                                                             : 5000}) != WAG_OK)
            return pusher;
    bool fine = wag_module_stream_finish(pusher->stream) == WAG_OK;
    wag_module_stream_free(pusher->stream);
    return fine ? NULL : pusher;
}

static void test_another_thread_may_push(void **state)
{
    (void)state;
    enum { STREAMS = 4 };
    build b = big_module(300, 20, BIG_FINE);
    pthread_t threads[STREAMS];
    pusher pushers[STREAMS];
    wag_promise_module *promises[STREAMS];
    for (int i = 0; i < STREAMS; i++) {
        pushers[i].bytes = build_bytes(&b);
        ASSERT_OK(wag_module_stream_new(NULL, &pushers[i].stream, &promises[i]));
        assert_int_equal(pthread_create(&threads[i], NULL, push, &pushers[i]), 0);
    }
    for (int i = 0; i < STREAMS; i++) {
        wag_module *module;
        void *failed;
        ASSERT_OK(wag_await(promises[i], &module, NULL));
        assert_int_equal(wag_module_bytes(module).size, b.size);
        wag_module_unref(module);
        wag_promise_unref(promises[i]);
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    build_free(&b);
}

static void test_a_pushed_stream_that_is_aborted_or_dropped_rejects(void **state)
{
    (void)state;
    build b = big_module(200, 20, BIG_FINE);
    wag_module_stream *stream;
    wag_promise_module *promise;
    wag_error *error = wag_error_new(WAG_CLASS_ERROR, "lost"), *got = NULL;
    ASSERT_OK(wag_module_stream_new(NULL, &stream, &promise));
    ASSERT_OK(wag_module_stream_write(stream, (wag_bytes){b.data, b.size / 2}));
    ASSERT_OK(wag_module_stream_abort(stream, wag_error_ref(error)));
    ASSERT_ERR(wag_module_stream_write(stream, (wag_bytes){b.data, 1}), WAG_CLOSED);
    ASSERT_ERR(wag_await(promise, NULL, &got), WAG_HOST);
    assert_ptr_equal(got, error);
    wag_error_unref(got);
    wag_error_unref(error);
    wag_promise_unref(promise);
    wag_module_stream_free(stream);
    ASSERT_OK(wag_module_stream_new(NULL, &stream, &promise));
    ASSERT_OK(wag_module_stream_write(stream, (wag_bytes){b.data, b.size / 2}));
    wag_module_stream_free(stream);
    assert_int_not_equal(wag_await(promise, NULL, &got), WAG_OK);
    assert_class(got, WAG_CLASS_ABORT_ERROR);
    wag_promise_unref(promise);
    build_free(&b);
}

static void test_write_tells_that_a_module_is_bound_to_fail(void **state)
{
    (void)state;
    wag_cluster *cluster;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_module_bytes, 10000));
    uint8_t bytes[6000] = "\0asm\1\0\0";
    bytes[4] = 1;
    wag_compile_options options = {.cluster = cluster};
    wag_module_stream *stream;
    wag_promise_module *promise;
    wag_error *error = NULL, *want = NULL;
    wag_module *module;
    ASSERT_OK(wag_module_stream_new(&options, &stream, &promise));
    ASSERT_OK(wag_module_stream_write(stream, (wag_bytes){bytes, 8}));
    bytes[0] = 0;
    ASSERT_OK(wag_module_stream_write(stream, (wag_bytes){bytes, 6000}));
    ASSERT_ERR(wag_module_stream_write(stream, (wag_bytes){bytes, 6000}), WAG_LIMIT);
    ASSERT_OK(wag_module_stream_finish(stream));
    ASSERT_ERR(wag_await(promise, &module, &error), WAG_LIMIT);
    uint8_t *all = calloc(1, 12008);
    assert_non_null(all);
    ASSERT_ERR(wag_module_new((wag_bytes){all, 12008}, &options, &module, &want), WAG_LIMIT);
    assert_string_equal(wag_error_message(error), wag_error_message(want));
    free(all);
    wag_error_unref(error);
    wag_error_unref(want);
    wag_promise_unref(promise);
    wag_module_stream_free(stream);
    wag_cluster_unref(cluster);
}

static void *end_with_streams(void *context)
{
    build *b = context;
    wag_module_stream *stream;
    wag_promise_module *promise, *other;
    body body = body_of(build_bytes(b), 2000);
    body.later = 1;
    if (wag_module_stream_new(NULL, &stream, &promise) != WAG_OK ||
        wag_module_stream_write(stream, (wag_bytes){b->data, b->size / 2}) != WAG_OK)
        return "a stream";
    wag_response *response = response_of(&body);
    other = wag_compile_streaming(response, NULL);
    while (wag_agent_turn())
        ;
    if (wag_agent_close() != WAG_OK || body.closed != 1)
        return "the body is closed with the agent";
    if (wag_module_stream_write(stream, (wag_bytes){b->data, 1}) != WAG_CLOSED)
        return "the stream is closed with the agent";
    (void)other;
    wag_response_wake(response);
    wag_response_unref(response);
    wag_module_stream_free(stream);
    return NULL;
}

static void test_an_agent_that_ends_closes_its_streams_and_bodies(void **state)
{
    (void)state;
    build b = big_module(300, 20, BIG_FINE);
    pthread_t thread;
    void *failed;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(pthread_create(&thread, NULL, end_with_streams, &b), 0);
        pthread_join(thread, &failed);
        if (failed)
            fail_msg("%s", (const char *)failed);
    }
    build_free(&b);
}

static void test_a_slow_stream_holds_up_no_other_promise(void **state)
{
    (void)state;
    wag_bytes bytes = wat(answer);
    wag_module_stream *stream;
    wag_promise_module *slow, *quick = NULL;
    wag_module *module;
    ASSERT_OK(wag_module_stream_new(NULL, &stream, &slow));
    ASSERT_OK(wag_module_stream_write(stream, (wag_bytes){bytes.data, 10}));
    quick = wag_compile(bytes, NULL);
    ASSERT_OK(wag_await(quick, &module, NULL));
    wag_module_unref(module);
    assert_int_equal(wag_poll(slow), WAG_PENDING);
    wag_module_stream_free(stream);
    wag_error *error = NULL;
    assert_int_not_equal(wag_await(slow, NULL, &error), WAG_OK);
    wag_error_unref(error);
    wag_promise_unref(slow);
    wag_promise_unref(quick);
    wat_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_S_01_a_response_without_content_type_is_a_type_error),
        cmocka_unit_test(test_S_02_the_content_type_is_application_wasm_without_parameters),
        cmocka_unit_test(test_S_03_a_response_of_another_origin_is_a_type_error),
        cmocka_unit_test(test_S_04_a_status_that_is_not_ok_is_a_type_error),
        cmocka_unit_test(test_S_01_to_S_04_the_content_type_is_looked_at_first),
        cmocka_unit_test(test_S_05_the_bodys_error_is_what_the_promise_is_rejected_with),
        cmocka_unit_test(test_S_06_the_rest_is_as_compile),
        cmocka_unit_test(test_S_06_a_compile_error_is_that_of_compile),
        cmocka_unit_test(test_S_06_instantiate_streaming_gives_module_and_instance),
        cmocka_unit_test(test_S_06_the_source_may_be_a_promise_of_a_response),
        cmocka_unit_test(test_S_06_a_body_is_read_once),
        cmocka_unit_test(test_S_07_a_body_that_cannot_become_a_module_is_not_read_on),
        cmocka_unit_test(test_a_body_may_say_later_and_be_woken_by_any_thread),
        cmocka_unit_test(test_a_response_that_is_aborted_rejects_with_the_error),
        cmocka_unit_test(test_a_response_that_nobody_reads_is_closed_with_its_last_reference),
        cmocka_unit_test(test_bytes_are_pushed_and_the_promise_settles_after_finish),
        cmocka_unit_test(test_another_thread_may_push),
        cmocka_unit_test(test_a_pushed_stream_that_is_aborted_or_dropped_rejects),
        cmocka_unit_test(test_write_tells_that_a_module_is_bound_to_fail),
        cmocka_unit_test(test_an_agent_that_ends_closes_its_streams_and_bodies),
        cmocka_unit_test(test_a_slow_stream_holds_up_no_other_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

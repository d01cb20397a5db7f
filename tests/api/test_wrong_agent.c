/* Every function that takes something of an agent, called from another thread: it says so, and nothing has happened.
 * The table is complete: tests/lint/wrong_agent.sh compares it with the headers. */
#include "tests/support/ports.h"

#include <pthread.h>
#include <semaphore.h>

#include "waggle/wasm_ext.h"

/* One of everything that an agent can have. Made by the main thread, used by the other one. */
typedef struct things {
    wag_module *module; /* of wasm */
    wag_imports *imports;
    wag_linked *linked;
    wag_instance *instance;
    const wag_exports *exports;
    wag_func *func;
    wag_memory *memory;
    wag_table *table;
    wag_global *global, *ref_global;
    wag_tag *tag;
    wag_extern *ext;
    wag_any *any;
    wag_exception *exception;
    wag_buffer *buffer;
    wag_promise_module *promise_module;
    wag_promise_instance *promise_instance;
    wag_promise_source *promise_source;
    wag_promise_exit *promise_exit;
    wag_promise_response *promise_response;
    wag_response *response;               /* its body is being read */
    wag_promise_module *promise_streamed; /* of it */
    wag_worker *worker;
    wag_worker_scope *scope;
    wag_port *port, *peer; /* of a channel; a message waits at the peer */
    wag_port *closed;
    wasm_store_t *store;
    wag_value table_descriptor, global_descriptor;
} things;

static const char *const text =
    "(module (import \"host\" \"next\" (func $next (param i32) (result i32)))"
    "  (memory (export \"memory\") 1 4) (table (export \"table\") 2 8 funcref) (elem (i32.const 0) 1)"
    "  (global (export \"global\") (mut i32) (i32.const 5)) (global (export \"ref\") (mut externref) (ref.null extern))"
    "  (tag (export \"tag\") (param i32))"
    "  (func (export \"f\") (param i32) (result i32) (call $next (local.get 0)))"
    "  (func (export \"take\") (param funcref externref)))";

static wag_error *next(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    results[0] = WAG_VAL_I32(args[0].of.i32 + 1);
    return NULL;
}
static wag_error *next_value(void *context, const wag_value *args, size_t arg_count, wag_value *ret_result)
{
    (void)context, (void)args, (void)arg_count, (void)ret_result;
    return NULL;
}
static void module_settled(void *context, wag_module *const *result, const wag_error *error)
{
    (void)context, (void)result, (void)error;
}
static void instance_settled(void *context, wag_instance *const *result, const wag_error *error)
{
    (void)context, (void)result, (void)error;
}
static void source_settled(void *context, const wag_instantiated_source *result, const wag_error *error)
{
    (void)context, (void)result, (void)error;
}
static void exit_settled(void *context, const wag_exit *result, const wag_error *error)
{
    (void)context, (void)result, (void)error;
}
static void response_settled(void *context, wag_response *const *result, const wag_error *error)
{
    (void)context, (void)result, (void)error;
}
static wag_body_event read_nothing(void *context, wag_response *response, wag_bytes *ret_chunk,
                                   wag_error **reterr_error)
{
    (void)context, (void)response, (void)ret_chunk, (void)reterr_error;
    return WAG_BODY_LATER;
}
static void on_message(void *context, wag_value message)
{
    (void)context, (void)message;
}

/* ---- what the other thread does ---- */

typedef struct row {
    const char *name;
    bool (*is_refused)(const things *x, const things *mine);
} row;

/* The code of an error; releases it. */
static wag_err code_of(wag_error *error)
{
    wag_err code = wag_error_code(error);
    wag_error_unref(error);
    return code;
}
/* What a promise of this thread is rejected with; releases it. */
#define REJECTED(T, result_type)                                                                                       \
    static wag_err rejected_##T(wag_promise_##T *promise)                                                              \
    {                                                                                                                  \
        result_type result;                                                                                            \
        wag_err err = wag_promise_##T##_await(promise, -1, &result, NULL);                                             \
        wag_promise_##T##_unref(promise);                                                                              \
        return err;                                                                                                    \
    }
REJECTED(module, wag_module *)
REJECTED(instance, wag_instance *)
REJECTED(source, wag_instantiated_source)

/* x: the main thread's; mine: this thread's own, for calls that are given both. */
#define ROW(name, ...)                                                                                                 \
    static bool refuses_##name(const things *x, const things *mine)                                                    \
    {                                                                                                                  \
        (void)mine;                                                                                                    \
        return __VA_ARGS__;                                                                                            \
    }
#include "tests/api/wrong_agent.inc"
#undef ROW

static const row rows[] = {
#define ROW(name, ...) {#name, refuses_##name},
#include "tests/api/wrong_agent.inc"
#undef ROW
};
enum { ROWS = sizeof rows / sizeof *rows };

static things made_here(wag_module *module)
{
    things x = {.module = wag_module_ref(module), .imports = wag_imports_new()};
    wag_imports_set_func(x.imports, "host", "next", "(i32) -> (i32)", next, NULL, NULL);
    if (wag_instance_new(module, x.imports, &x.instance, NULL) != WAG_OK ||
        wag_linked_new(module, x.imports, &x.linked, NULL) != WAG_OK)
        return (things){0};
    x.exports = wag_instance_exports(x.instance);
    x.func = wag_exports_func(x.exports, "f");
    x.memory = wag_exports_memory(x.exports, "memory");
    x.table = wag_exports_table(x.exports, "table");
    x.global = wag_exports_global(x.exports, "global");
    x.ref_global = wag_exports_global(x.exports, "ref");
    x.tag = wag_exports_tag(x.exports, "tag");
    x.ext = wag_extern_new(&x, NULL);
    x.any = wag_any_new_i31(7);
    wag_exception_new(x.tag, &WAG_VAL_I32(3), 1, &x.exception, NULL);
    wag_buffer_new((wag_bytes){(const uint8_t *)"abcd", 4}, &x.buffer, NULL);
    x.table_descriptor = wag_map();
    wag_map_set(x.table_descriptor, "element", wag_string("anyfunc"));
    wag_map_set(x.table_descriptor, "initial", WAG_NUMBER(1));
    x.global_descriptor = wag_map();
    wag_map_set(x.global_descriptor, "value", wag_string("externref"));
    wag_bytes bytes = wag_module_bytes(module);
    x.promise_module = wag_compile(bytes, NULL);
    x.promise_source = wag_instantiate(bytes, x.imports);
    x.promise_instance = wag_instantiate(module, x.imports);
    x.promise_response = wag_promise_response_new();
    x.response = wag_response_new(&(wag_response_options){200, "application/wasm", .read = read_nothing});
    x.promise_streamed = wag_compile_streaming(x.response, NULL);
    wag_port *other_end;
    if (wag_channel_new(NULL, &x.port, &x.peer, NULL) != WAG_OK ||
        wag_channel_new(NULL, &x.closed, &other_end, NULL) != WAG_OK)
        return (things){0};
    wag_port_post_message(x.port, WAG_NUMBER(1), NULL);
    wag_port_close(x.closed);
    wag_port_unref(other_end);
    while (wag_agent_turn())
        ;
    return x;
}

static void let_go(things *x)
{
    wag_value_unref(x->table_descriptor);
    wag_value_unref(x->global_descriptor);
    wag_response_abort(x->response, NULL);
    wag_response_unref(x->response);
    wag_promise_unref(x->promise_streamed);
    wag_promise_unref(x->promise_response);
    wag_promise_unref(x->promise_module);
    wag_promise_unref(x->promise_source);
    wag_promise_unref(x->promise_instance);
    wag_port_close(x->peer);
    wag_port_unref(x->peer);
    wag_port_unref(x->port);
    wag_port_unref(x->closed);
    wag_buffer_unref(x->buffer);
    wag_exception_unref(x->exception);
    wag_any_unref(x->any);
    wag_extern_unref(x->ext);
    wag_linked_unref(x->linked);
    wag_instance_unref(x->instance);
    wag_imports_unref(x->imports);
    wag_module_unref(x->module);
}

typedef struct other_thread {
    const things *x;
    bool refused[ROWS];
    bool was_set_up;
    size_t objects_left;
} other_thread;

static void *other_thread_main(void *context)
{
    other_thread *other = context;
    size_t before = wag_agent_live_objects();
    things mine = made_here(other->x->module);
    other->was_set_up = mine.instance && mine.exception && mine.buffer && mine.any;
    for (size_t i = 0; other->was_set_up && i < ROWS; i++)
        other->refused[i] = rows[i].is_refused(other->x, &mine);
    let_go(&mine);
    wag_agent_run();
    wag_agent_collect();
    other->objects_left = wag_agent_live_objects() - before;
    wag_agent_close();
    return NULL;
}

/* ---- the test ---- */

typedef struct inside {
    wag_worker_scope *scope;
    sem_t is_set;
} inside;

static void worker_main(wag_worker_scope *self, void *context)
{
    inside *in = context;
    wag_scope_on_message(self, on_message, NULL); /* so that it lives */
    in->scope = self;
    sem_post(&in->is_set);
}

static void assert_as_before(const things *x)
{
    wag_val arg = WAG_VAL_I32(41), result, in_table;
    ASSERT_OK(wag_call(x->func, &arg, 1, &result, 1, NULL));
    assert_int_equal(result.of.i32, 42);
    assert_int_equal(wag_memory_pages(x->memory), 1);
    uint32_t word = 1;
    ASSERT_OK(wag_memory_read(x->memory, 0, &word, sizeof word));
    assert_int_equal(word, 0);
    assert_int_equal(wag_table_size(x->table), 2);
    ASSERT_OK(wag_table_get(x->table, 1, &in_table));
    assert_null(in_table.of.func);
    ASSERT_OK(wag_global_get(x->global, &result));
    assert_int_equal(result.of.i32, 5);
    ASSERT_OK(wag_global_get(x->ref_global, &result));
    assert_null(result.of.ext);
    assert_int_equal(wag_buffer_size(x->buffer), 4);
    assert_memory_equal(wag_buffer_data(x->buffer), "abcd", 4);
    assert_int_equal(wag_imports_set(x->imports, "is", "absent", WAG_NULL), WAG_OK);

    assert_true(wag_port_is_closed(x->closed));
    assert_false(wag_port_is_closed(x->port));
    assert_true(wag_port_buffered_amount(x->port) > 0);
    ASSERT_OK(wag_port_post_message(x->port, WAG_NUMBER(2), NULL));
    inbox box = {.port = x->peer};
    listen_to(&box);
    until(&box, "1,2");
    assert_int_equal(wag_port_buffered_amount(x->port), 0);
}

static void test_what_belongs_to_another_thread_is_refused_by_every_function_and_stays_as_it_was(void **state)
{
    (void)state;
    size_t objects = wag_agent_live_objects();
    wag_module *module = module_of(text);
    things x = made_here(module);
    assert_non_null(x.instance);
    inside in = {0};
    sem_init(&in.is_set, 0, 0);
    ASSERT_OK(wag_worker_new(&(wag_worker_options){.entry = worker_main, .context = &in}, &x.worker, NULL));
    sem_wait(&in.is_set);
    x.scope = in.scope;
    x.promise_exit = wag_worker_exited(x.worker);
    wasm_engine_t *engine = wasm_engine_new();
    x.store = wasm_store_new(engine);

    other_thread other = {.x = &x};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, other_thread_main, &other), 0);
    pthread_join(thread, NULL);
    assert_true(other.was_set_up);
    size_t failed = 0;
    for (size_t i = 0; i < ROWS; i++)
        if (!other.refused[i]) {
            print_error("%s does not refuse what belongs to another thread\n", rows[i].name);
            failed++;
        }
    assert_int_equal(failed, 0);
    assert_int_equal(other.objects_left, 0);
    assert_as_before(&x);

    wag_promise_unref(x.promise_exit);
    wag_worker_free(x.worker);
    wasm_store_delete(x.store);
    wasm_engine_delete(engine);
    sem_destroy(&in.is_set);
    let_go(&x); /* aborts what is being read, for which the loop would wait */
    wag_agent_run();
    wag_module_unref(module);
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), objects);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_belongs_to_another_thread_is_refused_by_every_function_and_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

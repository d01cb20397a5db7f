/* Stopping a guest from outside: interrupts, terminate, deadlines and waits, in every tier; why a call ended, and that
 * its agent lives. */
#include "tests/support/check.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/wait.h>

static const wag_tier tiers[] = {WAG_TIER_INTERP, WAG_TIER_NATIVE_GUARD, WAG_TIER_NATIVE_CHECKED};
#define TIERS (sizeof tiers / sizeof tiers[0])

static wag_instance *instance_in(wag_tier tier, const char *text, wag_imports *imports)
{
    wag_bytes bytes = wat(text);
    wag_compile_options options = {.tier = tier};
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    if (wag_module_new(bytes, &options, &module, &error) != WAG_OK ||
        wag_instance_new(module, imports, &instance, &error) != WAG_OK)
        fail_msg("%s: %s", text, wag_error_message(error));
    wag_module_unref(module);
    wat_free(bytes);
    return instance;
}

typedef struct raiser {
    wag_agent *agent;
    atomic_bool over;
} raiser;

static void *raise_again_and_again(void *context)
{
    raiser *r = context;
    for (int i = 0; i < 20; i++)
        wag_agent_interrupt(r->agent);
    atomic_store(&r->over, true);
    return NULL;
}

/* Whoever says that nothing is pending must be right for native code as well, which polls in its own way. */
static void test_code_in_every_tier_agrees_whether_an_interrupt_is_pending(void **state)
{
    (void)state;
    wag_instance *instances[TIERS];
    for (size_t t = 0; t < TIERS; t++)
        instances[t] = instance_in(tiers[t], "(module (func (export \"f\") (loop)))", NULL);
    for (int round = 0; round < 200; round++) {
        raiser r = {.agent = wag_agent_current()};
        pthread_t thread;
        atomic_init(&r.over, false);
        assert_int_equal(pthread_create(&thread, NULL, raise_again_and_again, &r), 0);
        while (!atomic_load(&r.over))
            wag_agent_run(); /* takes one, if there is one */
        pthread_join(thread, NULL);
        while (wag_agent_interrupted())
            ASSERT_ERR(wag_agent_run(), WAG_INTERRUPTED);
        for (size_t t = 0; t < TIERS; t++)
            ASSERT_OK(wag_call(export_of(instances[t], "f"), NULL, 0, NULL, 0, NULL));
    }
    for (size_t t = 0; t < TIERS; t++)
        wag_instance_unref(instances[t]);
}

/* ---- every place in which a guest can be, every way to stop it, every tier ---- */

static const char places_text[] =
    "(module"
    " (import \"h\" \"started\" (func $started))"
    " (import \"h\" \"again\" (func $again))"
    " (import \"h\" \"wait\" (func $wait))"
    " (import \"h\" \"wait_fd\" (func $wait_fd))"
    " (memory 1 1 shared)"
    " (func $spin (export \"spin\") (loop $l (br $l)))"
    " (func (export \"loop\") (call $started) (call $spin))"
    " (func $tail (return_call $tail))"
    " (func (export \"tail recursion\") (call $started) (call $tail))"
    " (func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))))"
    " (func (export \"recursion\") (call $started) (loop $l (call $deep (i32.const 20)) (br $l)))"
    " (func (export \"through the host\") (call $again))"
    " (func (export \"atomic wait\") (call $started)"
    "   (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))"
    " (func (export \"host wait\") (call $started) (call $wait))"
    " (func (export \"host wait for a descriptor\") (call $started) (call $wait_fd))"
    " (func (export \"fine\") (result i32) (i32.const 7)))";
static const char *const places[] = {"loop",        "tail recursion", "recursion",
                                     "atomic wait", "host wait",      "host wait for a descriptor"};
#define PLACES (sizeof places / sizeof places[0])

typedef enum way { INTERRUPT, TERMINATE, DEADLINE, CALL_DEADLINE, WAYS } way;
static const wag_err codes[WAYS] = {WAG_INTERRUPTED, WAG_TERMINATED, WAG_DEADLINE, WAG_DEADLINE};
static const char *const texts[WAYS] = {"interrupted", "terminated", "the deadline of the call or the agent has passed",
                                        "the deadline of the call or the agent has passed"};

typedef struct scene {
    wag_agent *agent;
    way way;
    sem_t started;
    wag_func *inner;    /* for "again" */
    wag_err inner_code; /* what it ended with */
    int pipe[2];        /* nothing is ever written to it */
} scene;

static wag_error *started(void *context, const wag_val *args, wag_val *results)
{
    scene *s = context;
    (void)args, (void)results;
    if (s->way == DEADLINE)
        wag_agent_set_deadline(wag_deadline_in(1000000));
    sem_post(&s->started);
    return NULL;
}

static wag_error *again(void *context, const wag_val *args, wag_val *results)
{
    scene *s = context;
    (void)args, (void)results;
    s->inner_code = wag_call(s->inner, NULL, 0, NULL, 0, NULL);
    return wag_error_new(WAG_CLASS_ERROR, "the stop's error is stronger than this one");
}

static wag_error *wait_for_ever(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)args, (void)results;
    wag_agent_wait(WAG_NO_DEADLINE);
    return NULL;
}

static wag_error *wait_for_pipe(void *context, const wag_val *args, wag_val *results)
{
    scene *s = context;
    unsigned events;
    (void)args, (void)results;
    wag_agent_wait_fd(s->pipe[0], WAG_FD_READ, WAG_NO_DEADLINE, &events);
    return NULL;
}

static wag_imports *imports_of(scene *s)
{
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "h", "started", NULL, started, s, NULL));
    ASSERT_OK(wag_imports_set_func(imports, "h", "again", NULL, again, s, NULL));
    ASSERT_OK(wag_imports_set_func(imports, "h", "wait", NULL, wait_for_ever, s, NULL));
    ASSERT_OK(wag_imports_set_func(imports, "h", "wait_fd", NULL, wait_for_pipe, s, NULL));
    return imports;
}

static void *stop_when_started(void *context)
{
    scene *s = context;
    sem_wait(&s->started);
    if (s->way == INTERRUPT)
        wag_agent_interrupt(s->agent);
    else if (s->way == TERMINATE)
        wag_agent_terminate(s->agent);
    return NULL;
}

static pthread_t open_scene(scene *s, way way)
{
    pthread_t thread;
    *s = (scene){.agent = wag_agent_current(), .way = way};
    assert_int_equal(sem_init(&s->started, 0, 0), 0);
    assert_int_equal(pipe(s->pipe), 0);
    assert_int_equal(pthread_create(&thread, NULL, stop_when_started, s), 0);
    return thread;
}

static void close_scene(scene *s, pthread_t thread)
{
    sem_post(&s->started); /* a deadline may have passed before the guest came so far */
    pthread_join(thread, NULL);
    sem_destroy(&s->started);
    close(s->pipe[0]);
    close(s->pipe[1]);
}

static void assert_stopped(wag_err err, wag_error *const *error, way way)
{
    ASSERT_ERR(err, codes[way]);
    assert_string_equal(wag_error_message(*error), texts[way]);
    assert_int_equal(wag_error_get_class(*error), way < DEADLINE ? WAG_CLASS_ABORT_ERROR : WAG_CLASS_TIMEOUT_ERROR);
    wag_error_unref(*error);
}

/* The agent lives: nothing is pending and its instance works; or it is terminated, and everything says so. */
static void assert_alive(const wag_instance *instance, way way)
{
    if (way == TERMINATE) {
        wag_val result;
        ASSERT_ERR(wag_call(export_of(instance, "fine"), NULL, 0, &result, 1, NULL), WAG_TERMINATED);
        ASSERT_ERR(wag_agent_run(), WAG_TERMINATED);
        ASSERT_ERR(wag_agent_wait(WAG_NO_DEADLINE), WAG_TERMINATED);
        ASSERT_ERR(wag_agent_stop_reason(), WAG_TERMINATED);
        return;
    }
    assert_false(wag_agent_interrupted());
    ASSERT_ERR(wag_agent_stop_reason(), WAG_OK);
    assert_true(wag_agent_deadline() == WAG_NO_DEADLINE);
    assert_int_equal(call_i32(instance, "fine"), 7);
}

static wag_err call_to_stop(wag_func *func, way way, wag_error **reterr_error)
{
    if (way == CALL_DEADLINE)
        return wag_call_until(func, NULL, 0, NULL, 0, wag_deadline_in(1000000), reterr_error);
    return wag_call(func, NULL, 0, NULL, 0, reterr_error);
}

static void test_a_guest_is_stopped_wherever_it_is_and_its_agent_lives(void **state)
{
    (void)state;
    for (size_t t = 0; t < TIERS; t++)
        for (way way = 0; way < WAYS; way++)
            for (size_t p = 0; p < PLACES; p++) {
                scene s;
                wag_error *error = NULL;
                pthread_t thread = open_scene(&s, way);
                wag_imports *imports = imports_of(&s);
                wag_instance *instance = instance_in(tiers[t], places_text, imports);
                wag_err err = call_to_stop(export_of(instance, places[p]), way, &error);
                if (err != codes[way])
                    fail_msg("%s: %s, not %s", places[p], wag_err_name(err), wag_err_name(codes[way]));
                assert_stopped(err, &error, way);
                close_scene(&s, thread);
                assert_alive(instance, way);
                wag_instance_unref(instance);
                wag_imports_unref(imports);
                ASSERT_OK(wag_agent_close());
            }
}

static void test_all_calls_that_are_open_are_stopped_through_the_host(void **state)
{
    (void)state;
    for (size_t t = 0; t < TIERS; t++)
        for (way way = 0; way < WAYS; way++)
            for (size_t p = 0; p < PLACES; p++) {
                scene s;
                wag_error *error = NULL;
                pthread_t thread = open_scene(&s, way);
                wag_imports *imports = imports_of(&s);
                wag_instance *instance = instance_in(tiers[t], places_text, imports);
                s.inner = export_of(instance, places[p]);
                assert_stopped(call_to_stop(export_of(instance, "through the host"), way, &error), &error, way);
                if (way != CALL_DEADLINE ||
                    s.inner_code != WAG_OK) /* OK: it had passed before there was an inner call */
                    ASSERT_ERR(s.inner_code, codes[way]);
                close_scene(&s, thread);
                assert_alive(instance, way);
                wag_instance_unref(instance);
                wag_imports_unref(imports);
                ASSERT_OK(wag_agent_close());
            }
}

/* Without memory, so in the interpreter's plain loop; and with vectors. */
static const char *const loops[] = {
    "(module (import \"h\" \"started\" (func $started)) (func (export \"loop\") (call $started) (loop $l (br $l)))"
    " (func (export \"fine\") (result i32) (i32.const 7)))",
    "(module (import \"h\" \"started\" (func $started)) (func (export \"loop\") (local v128) (call $started)"
    " (loop $l (local.set 0 (i32x4.add (local.get 0) (local.get 0))) (br $l)))"
    " (func (export \"fine\") (result i32) (i32.const 7)))",
};

static void test_loops_of_all_kinds_are_stopped(void **state)
{
    (void)state;
    for (size_t t = 0; t < TIERS; t++)
        for (way way = 0; way < WAYS; way++)
            for (size_t k = 0; k < sizeof loops / sizeof loops[0]; k++) {
                scene s;
                wag_error *error = NULL;
                pthread_t thread = open_scene(&s, way);
                wag_imports *imports = imports_of(&s);
                wag_instance *instance = instance_in(tiers[t], loops[k], imports);
                assert_stopped(call_to_stop(export_of(instance, "loop"), way, &error), &error, way);
                close_scene(&s, thread);
                assert_alive(instance, way);
                wag_instance_unref(instance);
                wag_imports_unref(imports);
                ASSERT_OK(wag_agent_close());
            }
}

static void test_C_06_a_start_function_is_stopped(void **state)
{
    (void)state;
    wag_bytes bytes = wat("(module (import \"h\" \"started\" (func $started))"
                          " (func $s (call $started) (loop $l (br $l))) (start $s))");
    wag_bytes fine = wat("(module (func (export \"fine\") (result i32) (i32.const 7)))");
    for (size_t t = 0; t < TIERS; t++)
        for (way way = 0; way < CALL_DEADLINE; way++) {
            scene s;
            wag_compile_options options = {.tier = tiers[t]};
            wag_module *module;
            wag_instance *instance = NULL;
            wag_error *error = NULL;
            pthread_t thread = open_scene(&s, way);
            wag_imports *imports = imports_of(&s);
            ASSERT_OK(wag_module_new(bytes, &options, &module, NULL));
            assert_stopped(wag_instance_new(module, imports, &instance, &error), &error, way);
            assert_null(instance);
            close_scene(&s, thread);
            wag_module_unref(module);
            ASSERT_OK(wag_module_new(fine, &options, &module, NULL));
            ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
            assert_alive(instance, way);
            wag_instance_unref(instance);
            wag_module_unref(module);
            wag_imports_unref(imports);
            ASSERT_OK(wag_agent_close());
        }
    wat_free(bytes);
    wat_free(fine);
}

/* ---- instructions that move much ---- */

static const char bulk_text[] =
    "(module (memory (export \"m\") 16384) (table $t (export \"t\") 600000 funcref)"
    " (func $f (export \"f\"))"
    " (table $u funcref (elem $f))"
    " (func (export \"fill\") (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x3FFFFFFF)))"
    " (func (export \"copy\") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))"
    " (func (export \"put\") (param i32) (table.set $t (local.get 0) (table.get $u (i32.const 0))))"
    " (func (export \"is null\") (param i32) (result i32) (ref.is_null (table.get $t (local.get 0))))"
    " (func (export \"copy elements\") (param i32 i32 i32)"
    "   (table.copy $t $t (local.get 0) (local.get 1) (local.get 2))))";

static void test_an_instruction_that_fills_much_is_stopped(void **state)
{
    (void)state;
    for (size_t t = 0; t < TIERS; t++) {
        wag_instance *instance = instance_in(tiers[t], bulk_text, NULL);
        wag_memory *memory = wag_exports_memory(wag_instance_exports(instance), "m");
        ASSERT_ERR(wag_call_until(export_of(instance, "fill"), NULL, 0, NULL, 0, wag_deadline_in(500000), NULL),
                   WAG_DEADLINE);
        assert_int_equal(*wag_memory_readable(memory, 0x3FFFFFFE, 1), 0);
        wag_instance_unref(instance);
    }
}

static void call_3(const wag_instance *instance, const char *name, int32_t x, int32_t y, int32_t z)
{
    wag_val args[] = {WAG_VAL_I32(x), WAG_VAL_I32(y), WAG_VAL_I32(z)};
    ASSERT_OK(wag_call(export_of(instance, name), args, 3, NULL, 0, NULL));
}

static void test_copies_of_much_that_overlap_are_like_those_of_little(void **state)
{
    (void)state;
    enum { SIZE = 5 << 20, LENGTH = (3 << 20) + 17 };
    static const int32_t distances[] = {1, 4096, 1 << 20, (1 << 20) + 3};
    uint8_t *model = malloc(SIZE);
    assert_non_null(model);
    wag_instance *instance = instance_in(WAG_TIER_DEFAULT, bulk_text, NULL);
    wag_memory *memory = wag_exports_memory(wag_instance_exports(instance), "m");
    for (size_t i = 0; i < SIZE; i++)
        model[i] = (uint8_t)(i * 7 + (i >> 8) * 5 + (i >> 16));
    ASSERT_OK(wag_memory_write(memory, 0, model, SIZE));
    for (size_t i = 0; i < 2 * sizeof distances / sizeof distances[0]; i++) {
        int32_t far = distances[i / 2], to = i % 2 ? far : 0, from = i % 2 ? 0 : far;
        memmove(model + to, model + from, LENGTH);
        call_3(instance, "copy", to, from, LENGTH);
        assert_memory_equal(wag_memory_readable(memory, 0, SIZE), model, SIZE);
    }
    free(model);
    wag_instance_unref(instance);
}

static bool is_null(const wag_instance *instance, int32_t index)
{
    wag_val arg = WAG_VAL_I32(index), result;
    ASSERT_OK(wag_call(export_of(instance, "is null"), &arg, 1, &result, 1, NULL));
    return result.of.i32;
}

static void test_copies_of_many_elements_that_overlap_are_like_those_of_few(void **state)
{
    (void)state;
    static const int32_t set[] = {0, 1, 131071, 131072, 131073, 262144, 499999};
    for (int k = 0; k < 2; k++) { /* upward, then downward */
        wag_instance *instance = instance_in(WAG_TIER_DEFAULT, bulk_text, NULL);
        int32_t to = k ? 0 : 70000, from = k ? 70000 : 0;
        for (size_t i = 0; i < sizeof set / sizeof set[0]; i++) {
            wag_val arg = WAG_VAL_I32(from + set[i]);
            ASSERT_OK(wag_call(export_of(instance, "put"), &arg, 1, NULL, 0, NULL));
        }
        call_3(instance, "copy elements", to, from, 500000);
        for (size_t i = 0; i < sizeof set / sizeof set[0]; i++) {
            assert_false(is_null(instance, to + set[i]));
            assert_true(is_null(instance, to + set[i] + 5));
        }
        wag_instance_unref(instance);
    }
}

/* ---- deadlines ---- */

static const char spin_text[] = "(module (func (export \"loop\") (loop $l (br $l)))"
                                " (func (export \"fine\") (result i32) (i32.const 7)))";

static wag_err spin(const wag_instance *instance)
{
    return wag_call(export_of(instance, "loop"), NULL, 0, NULL, 0, NULL);
}

static void test_a_deadline_stops_once_and_is_over(void **state)
{
    (void)state;
    for (size_t t = 0; t < TIERS; t++) {
        wag_instance *instance = instance_in(tiers[t], spin_text, NULL);
        for (int i = 0; i < 20; i++) {
            uint64_t deadline = wag_deadline_in(200000);
            ASSERT_OK(wag_agent_set_deadline(deadline));
            assert_true(wag_agent_deadline() == deadline || wag_agent_deadline() == 0);
            ASSERT_ERR(spin(instance), WAG_DEADLINE);
            assert_true(wag_clock_ns() >= deadline);
            assert_true(wag_agent_deadline() == WAG_NO_DEADLINE);
            assert_int_equal(call_i32(instance, "fine"), 7);
        }
        wag_instance_unref(instance);
    }
}

static void test_a_deadline_that_has_passed_stops_at_once_and_between_calls(void **state)
{
    (void)state;
    wag_val result;
    for (size_t t = 0; t < TIERS; t++) {
        wag_instance *instance = instance_in(tiers[t], spin_text, NULL);
        ASSERT_OK(wag_agent_set_deadline(1)); /* long ago */
        assert_true(wag_agent_deadline() == 0);
        ASSERT_ERR(wag_agent_stop_reason(), WAG_DEADLINE);
        ASSERT_ERR(wag_call(export_of(instance, "fine"), NULL, 0, &result, 1, NULL), WAG_DEADLINE);
        assert_int_equal(call_i32(instance, "fine"), 7);
        /* It passes while nothing runs: the next call is what it stops. */
        ASSERT_OK(wag_agent_set_deadline(wag_deadline_in(100000)));
        while (!wag_agent_interrupted()) {
        }
        ASSERT_ERR(wag_call(export_of(instance, "fine"), NULL, 0, &result, 1, NULL), WAG_DEADLINE);
        assert_int_equal(call_i32(instance, "fine"), 7);
        /* Or nothing, when it is taken back first. */
        ASSERT_OK(wag_agent_set_deadline(0));
        ASSERT_OK(wag_agent_set_deadline(WAG_NO_DEADLINE));
        assert_int_equal(call_i32(instance, "fine"), 7);
        wag_instance_unref(instance);
    }
}

/* The watchdog may be about to stop the agent at the very moment. */
static void test_a_deadline_that_was_cancelled_in_time_never_stops_anything(void **state)
{
    (void)state;
    for (size_t t = 0; t < TIERS; t++) {
        wag_instance *instance = instance_in(tiers[t], spin_text, NULL);
        for (uint64_t i = 0; i < 3000; i++) {
            uint64_t deadline = wag_deadline_in(30000 + i % 50 * 1000);
            ASSERT_OK(wag_agent_set_deadline(deadline));
            while (wag_clock_ns() + 10000 < deadline + i % 40 * 1000) {
            }
            ASSERT_OK(wag_agent_set_deadline(i % 2 ? WAG_NO_DEADLINE : wag_deadline_in(10000000000)));
            assert_false(wag_agent_interrupted());
            assert_int_equal(call_i32(instance, "fine"), 7);
        }
        ASSERT_OK(wag_agent_set_deadline(WAG_NO_DEADLINE));
        wag_instance_unref(instance);
    }
}

static void test_waits_and_the_loop_end_at_a_deadline(void **state)
{
    (void)state;
    ASSERT_OK(wag_timer_start(1000000000, (void (*)(void *))free, NULL, NULL)); /* something to wait for */
    ASSERT_OK(wag_agent_set_deadline(wag_deadline_in(1000000)));
    ASSERT_ERR(wag_agent_run(), WAG_DEADLINE);
    ASSERT_OK(wag_agent_set_deadline(wag_deadline_in(1000000)));
    ASSERT_ERR(wag_agent_wait(WAG_NO_DEADLINE), WAG_DEADLINE);
    ASSERT_ERR(wag_agent_wait(wag_deadline_in(1000000)), WAG_TIMEOUT);
    ASSERT_OK(wag_agent_close());
}

typedef struct nest {
    wag_func *inner;
    uint64_t duration_ns;
    uint64_t agent_ns; /* the agent's own deadline, set before the inner call; 0: it has what it had */
    wag_err inner_code;
    int inner_calls;
} nest;

static wag_error *call_inner_until(void *context, const wag_val *args, wag_val *results)
{
    nest *n = context;
    (void)args, (void)results;
    n->inner_calls++;
    if (n->agent_ns)
        wag_agent_set_deadline(wag_deadline_in(n->agent_ns));
    n->inner_code = wag_call_until(n->inner, NULL, 0, NULL, 0, wag_deadline_in(n->duration_ns), NULL);
    return NULL;
}

static void test_the_deadline_of_a_call_is_that_call_s_alone(void **state)
{
    (void)state;
    static const char text[] = "(module (import \"h\" \"inner\" (func $inner))"
                               " (func (export \"outer\") (result i32) (call $inner) (call $inner) (i32.const 9))"
                               " (func (export \"loop\") (loop $l (br $l))))";
    for (size_t t = 0; t < TIERS; t++) {
        nest n = {.duration_ns = 300000};
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set_func(imports, "h", "inner", NULL, call_inner_until, &n, NULL));
        wag_instance *instance = instance_in(tiers[t], text, imports);
        n.inner = export_of(instance, "loop");
        assert_int_equal(call_i32(instance, "outer"), 9); /* both inner calls ended, and nothing else */
        ASSERT_ERR(n.inner_code, WAG_DEADLINE);
        assert_int_equal(n.inner_calls, 2);
        /* With one of the agent's that is later, and is still what it was. */
        uint64_t later = wag_deadline_in(60000000000);
        ASSERT_OK(wag_agent_set_deadline(later));
        assert_int_equal(call_i32(instance, "outer"), 9);
        assert_true(wag_agent_deadline() == later);
        ASSERT_ERR(wag_call_until(n.inner, NULL, 0, NULL, 0, wag_deadline_in(100000), NULL), WAG_DEADLINE);
        assert_true(wag_agent_deadline() == later);
        /* With one that is earlier: it ends both. */
        n.duration_ns = 60000000000;
        n.inner_calls = 0;
        n.agent_ns = 300000;
        wag_val result;
        ASSERT_ERR(wag_call(export_of(instance, "outer"), NULL, 0, &result, 1, NULL), WAG_DEADLINE);
        ASSERT_ERR(n.inner_code, WAG_DEADLINE);
        assert_int_equal(n.inner_calls, 1);
        assert_true(wag_agent_deadline() == WAG_NO_DEADLINE);
        wag_instance_unref(instance);
        wag_imports_unref(imports);
    }
}

/* Each on its own thread, with deadlines that come in another order than they were set. */
typedef struct party {
    wag_cluster *cluster;
    uint64_t duration_ns;
    bool fine;
} party;

static const uint8_t spin_bytes[] = {/* (module (func (export "l") (loop (br 0)))) */
                                     0, 'a', 's', 'm', 1,   0, 0, 0,  1, 4, 1, 0x60, 0, 0,    3,  2, 1,  0,
                                     7, 5,   1,   1,   'l', 0, 0, 10, 9, 1, 7, 0,    3, 0x40, 12, 0, 11, 11};

static void *party_main(void *context)
{
    party *p = context;
    wag_compile_options options = {.cluster = p->cluster};
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    p->fine = wag_agent_open(p->cluster) == WAG_OK &&
              wag_module_new((wag_bytes){spin_bytes, sizeof spin_bytes}, &options, &module, NULL) == WAG_OK &&
              wag_instance_new(module, NULL, &instance, NULL) == WAG_OK;
    wag_func *func = p->fine ? wag_exports_func(wag_instance_exports(instance), "l") : NULL;
    for (int i = 0; p->fine && i < 10; i++) {
        uint64_t deadline = wag_deadline_in(p->duration_ns);
        p->fine = wag_call_until(func, NULL, 0, NULL, 0, deadline, NULL) == WAG_DEADLINE && wag_clock_ns() >= deadline;
    }
    wag_instance_unref(instance);
    wag_module_unref(module);
    /* The last one is pending when the agent ends, or passes meanwhile. */
    p->fine = p->fine && wag_agent_set_deadline(wag_deadline_in(p->duration_ns / 16)) == WAG_OK;
    p->fine = p->fine && wag_agent_close() == WAG_OK;
    return NULL;
}

static void test_many_agents_have_deadlines_of_their_own(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        enum { PARTIES = 12 };
        party parties[PARTIES];
        pthread_t threads[PARTIES];
        wag_cluster *cluster;
        ASSERT_OK(wag_cluster_new(NULL, &cluster));
        for (int i = 0; i < PARTIES; i++) {
            parties[i] = (party){.cluster = cluster, .duration_ns = 50000u * (uint64_t)(i * 7 % PARTIES + 1)};
            assert_int_equal(pthread_create(&threads[i], NULL, party_main, &parties[i]), 0);
        }
        for (int i = 0; i < PARTIES; i++) {
            pthread_join(threads[i], NULL);
            assert_true(parties[i].fine);
        }
        wag_cluster_unref(cluster); /* and with it the thread that watched them */
    }
}

static void test_a_forked_child_has_deadlines_as_well(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip(); /* cannot make threads after a fork */
#endif
    wag_instance *instance = instance_in(WAG_TIER_DEFAULT, spin_text, NULL);
    ASSERT_OK(wag_agent_set_deadline(wag_deadline_in(100000)));
    ASSERT_ERR(spin(instance), WAG_DEADLINE);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool fine = wag_agent_set_deadline(wag_deadline_in(1000000)) == WAG_OK && spin(instance) == WAG_DEADLINE &&
                    wag_agent_wait(wag_deadline_in(100000)) == WAG_TIMEOUT;
        _exit(fine ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    wag_instance_unref(instance);
}

/* ---- waits ---- */

static void *notify(void *agent)
{
    wag_agent_notify(agent);
    return NULL;
}

static void test_a_wait_ends_when_it_is_notified(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, notify, wag_agent_current()), 0);
        ASSERT_OK(wag_agent_wait(WAG_NO_DEADLINE));
        pthread_join(thread, NULL);
    }
    wag_agent_notify(wag_agent_current()); /* before the wait, and only once however often */
    wag_agent_notify(wag_agent_current());
    ASSERT_OK(wag_agent_wait(WAG_NO_DEADLINE));
    ASSERT_ERR(wag_agent_wait(0), WAG_TIMEOUT);
}

static void test_a_wait_for_a_descriptor_says_what_it_is_ready_for(void **state)
{
    (void)state;
    int ends[2];
    unsigned events = 99;
    assert_int_equal(pipe(ends), 0);
    ASSERT_ERR(wag_agent_wait_fd(ends[0], WAG_FD_READ, wag_deadline_in(1000000), &events), WAG_TIMEOUT);
    assert_int_equal(events, 99);
    ASSERT_OK(wag_agent_wait_fd(ends[1], WAG_FD_WRITE, WAG_NO_DEADLINE, &events));
    assert_int_equal(events, WAG_FD_WRITE);
    assert_int_equal(write(ends[1], "x", 1), 1);
    ASSERT_OK(wag_agent_wait_fd(ends[0], WAG_FD_READ, WAG_NO_DEADLINE, &events));
    assert_int_equal(events, WAG_FD_READ);
    wag_agent_notify(wag_agent_current());
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    ASSERT_OK(wag_agent_wait_fd(ends[0], WAG_FD_READ, WAG_NO_DEADLINE, &events));
    assert_int_equal(events, 0);
    close(ends[1]);
    ASSERT_OK(wag_agent_wait_fd(ends[0], 0, WAG_NO_DEADLINE, &events)); /* hung up */
    assert_int_equal(events, WAG_FD_ERROR);
    close(ends[0]);
    ASSERT_OK(wag_agent_wait_fd(ends[0], WAG_FD_READ, WAG_NO_DEADLINE, &events)); /* not a descriptor any more */
    assert_int_equal(events, WAG_FD_ERROR);
    ASSERT_ERR(wag_agent_wait_fd(0, 64, WAG_NO_DEADLINE, &events), WAG_TYPE);
}

/* A wait takes the wake-ups of tasks that arrive meanwhile; the loop must find them all the same. */
static void test_tasks_that_arrive_during_a_wait_run_afterwards(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        wag_promise_module *promise = wag_compile((wag_bytes){spin_bytes, sizeof spin_bytes}, NULL);
        wag_module *module = NULL;
        assert_non_null(promise);
        ASSERT_ERR(wag_agent_wait(wag_deadline_in(500000)), WAG_TIMEOUT);
        ASSERT_OK(wag_await(promise, &module, NULL));
        wag_module_unref(module);
        wag_promise_module_unref(promise);
    }
}

static void test_an_interrupt_that_nothing_runs_under_is_answered_by_a_wait(void **state)
{
    (void)state;
    wag_agent_interrupt(wag_agent_current());
    ASSERT_ERR(wag_agent_stop_reason(), WAG_INTERRUPTED);
    ASSERT_ERR(wag_agent_wait(WAG_NO_DEADLINE), WAG_INTERRUPTED);
    assert_false(wag_agent_interrupted());
    ASSERT_ERR(wag_agent_wait(0), WAG_TIMEOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code_in_every_tier_agrees_whether_an_interrupt_is_pending),
        cmocka_unit_test(test_a_guest_is_stopped_wherever_it_is_and_its_agent_lives),
        cmocka_unit_test(test_all_calls_that_are_open_are_stopped_through_the_host),
        cmocka_unit_test(test_loops_of_all_kinds_are_stopped),
        cmocka_unit_test(test_C_06_a_start_function_is_stopped),
        cmocka_unit_test(test_an_instruction_that_fills_much_is_stopped),
        cmocka_unit_test(test_copies_of_much_that_overlap_are_like_those_of_little),
        cmocka_unit_test(test_copies_of_many_elements_that_overlap_are_like_those_of_few),
        cmocka_unit_test(test_a_deadline_stops_once_and_is_over),
        cmocka_unit_test(test_a_deadline_that_has_passed_stops_at_once_and_between_calls),
        cmocka_unit_test(test_a_deadline_that_was_cancelled_in_time_never_stops_anything),
        cmocka_unit_test(test_waits_and_the_loop_end_at_a_deadline),
        cmocka_unit_test(test_the_deadline_of_a_call_is_that_call_s_alone),
        cmocka_unit_test(test_many_agents_have_deadlines_of_their_own),
        cmocka_unit_test(test_a_forked_child_has_deadlines_as_well),
        cmocka_unit_test(test_a_wait_ends_when_it_is_notified),
        cmocka_unit_test(test_a_wait_for_a_descriptor_says_what_it_is_ready_for),
        cmocka_unit_test(test_tasks_that_arrive_during_a_wait_run_afterwards),
        cmocka_unit_test(test_an_interrupt_that_nothing_runs_under_is_answered_by_a_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

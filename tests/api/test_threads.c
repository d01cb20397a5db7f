/* MEM-02, MEM-06, SER-05, P-09, P-12, P-13: shared memories in several workers, waiting and notifying, in every tier.
 */
#include "tests/support/check.h"

#include <pthread.h>
#include <stdatomic.h>

/* Word 0 is a mutex (0 free, 1 held, 2 held and somebody may wait), 8 what it guards; 16 says whose turn it is. */
static const char program[] =
    "(module (import \"env\" \"memory\" (memory 1 4 shared))"
    " (func $lock (local $old i32)"
    "  (local.set $old (i32.atomic.rmw.cmpxchg (i32.const 0) (i32.const 0) (i32.const 1)))"
    "  (block $done (br_if $done (i32.eqz (local.get $old)))"
    "   (loop $again"
    "    (br_if $done (i32.eqz (i32.atomic.rmw.xchg (i32.const 0) (i32.const 2))))"
    "    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 2) (i64.const -1)))"
    "    (br $again))))"
    " (func $unlock (if (i32.eq (i32.atomic.rmw.xchg (i32.const 0) (i32.const 0)) (i32.const 2))"
    "  (then (drop (memory.atomic.notify (i32.const 0) (i32.const 1))))))"
    " (func (export \"count\") (result i32) (local $i i32)"
    "  (loop $next"
    "   (call $lock)"
    "   (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))"
    "   (call $unlock)"
    "   (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 2000))))"
    "  (i32.const 0))"
    " (func $play (param $mine i32) (param $other i32) (local $i i32)"
    "  (loop $next"
    "   (block $now (loop $wait"
    "    (br_if $now (i32.eq (i32.atomic.load (i32.const 16)) (local.get $mine)))"
    "    (drop (memory.atomic.wait32 (i32.const 16) (local.get $other) (i64.const -1)))"
    "    (br $wait)))"
    "   (i32.store (i32.const 24) (i32.add (i32.load (i32.const 24)) (local.get $mine)))"
    "   (i32.atomic.store (i32.const 16) (local.get $other))"
    "   (drop (memory.atomic.notify (i32.const 16) (i32.const -1)))"
    "   (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 500)))))"
    " (func (export \"ping\") (result i32) (call $play (i32.const 1) (i32.const 2)) (i32.load (i32.const 24)))"
    " (func (export \"pong\") (result i32) (call $play (i32.const 2) (i32.const 1)) (i32.load (i32.const 24)))"
    " (func (export \"hammer\") (result i32) (local $i i32)"
    "  (loop $next"
    "   (drop (i32.atomic.rmw8.add_u (i32.const 33) (i32.const 1)))"
    "   (drop (i32.atomic.rmw16.add_u (i32.const 34) (i32.const 1)))"
    "   (drop (i32.atomic.rmw.sub (i32.const 36) (i32.const -1)))"
    "   (drop (i64.atomic.rmw.add (i32.const 40) (i64.const 0x100000001)))"
    "   (drop (i32.atomic.rmw.xor (i32.const 48) (local.get $i)))"
    "   (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 50000))))"
    "  (i32.const 0))"
    " (func (export \"wait\") (result i32)"
    "  (memory.atomic.wait64 (i32.const 64) (i64.const 0) (i64.const -1)))"
    " (func (export \"grow\") (result i32) (local $old i32)"
    "  (local.set $old (memory.grow (i32.const 1)))"
    "  (i32.store offset=65536 (i32.const 4) (i32.const 77))"
    "  (i32.atomic.store (i32.const 72) (i32.const 1))"
    "  (drop (memory.atomic.notify (i32.const 72) (i32.const 1)))"
    "  (local.get $old))"
    " (func (export \"wait_for_growth\") (result i32) (local $before i32)"
    "  (local.set $before (memory.size))"
    "  (drop (memory.atomic.wait32 (i32.const 72) (i32.const 0) (i64.const -1)))"
    "  (i32.add (i32.mul (memory.size) (i32.const 1000))"
    "           (i32.add (i32.mul (local.get $before) (i32.const 100)) (i32.load (i32.const 65540)))))"
    " (func (export \"size\") (result i32) (memory.size)))";

static const wag_tier tiers[] = {WAG_TIER_INTERP, WAG_TIER_NATIVE_GUARD, WAG_TIER_NATIVE_CHECKED};
enum { TIERS = sizeof tiers / sizeof *tiers };

/* NULL when the tier cannot be had here. */
static wag_module *program_for(wag_tier tier, const char *text)
{
    wag_bytes bytes = wat(text);
    wag_module *module = NULL;
    wag_error *error = NULL;
    wag_err err = wag_module_new(bytes, &(wag_compile_options){.tier = tier}, &module, &error);
    if (err != WAG_OK && (tier == WAG_TIER_INTERP || err != WAG_UNSUPPORTED))
        fail_msg("%s", wag_error_message(error));
    wag_error_unref(error);
    wat_free(bytes);
    return module;
}

static wag_memory *shared_memory(uint64_t initial, uint64_t maximum)
{
    wag_memory *memory = NULL;
    wag_memory_descriptor descriptor = {.initial = initial, .maximum = maximum, .shared = true};
    ASSERT_OK(wag_memory_create(&descriptor, &memory, NULL));
    return memory;
}

/* own; NULL with *ret_err. */
static wag_instance *instance_with(wag_module *module, wag_memory *memory, wag_err *ret_err)
{
    wag_imports *imports = wag_imports_new();
    wag_instance *instance = NULL;
    wag_imports_set(imports, "env", "memory", WAG_MEMORY(memory));
    *ret_err = wag_instance_new(module, imports, &instance, NULL);
    wag_imports_unref(imports);
    return instance;
}

static wag_err call(wag_instance *instance, const char *name, int32_t *ret_result)
{
    wag_val result = {.kind = WAG_I32};
    wag_func *func = wag_exports_func(wag_instance_exports(instance), name);
    wag_err err = func ? wag_call(func, NULL, 0, &result, 1, NULL) : WAG_NOT_FOUND;
    *ret_result = result.of.i32;
    return err;
}

/* ---- the worker: [module, memory, name] makes an instance and calls the export; what comes of it goes back ---- */

static void run(void *context, wag_value message)
{
    wag_worker_scope *self = context;
    int32_t result = -1;
    wag_err err;
    wag_scope_post_message(self, WAG_NULL, NULL); /* it begins */
    wag_instance *instance =
        instance_with(wag_array_at(message, 0).of.module, wag_array_at(message, 1).of.memory, &err);
    if (err == WAG_OK)
        err = call(instance, wag_value_text(wag_array_at(message, 2)).data, &result);
    wag_instance_unref(instance);
    wag_scope_post_message(self, WAG_NUMBER(err == WAG_OK ? result : -1000 - (int)err), NULL);
    wag_scope_close(self);
}

static void entry(wag_worker_scope *self, void *context)
{
    (void)context;
    wag_scope_on_message(self, run, self);
}

typedef struct job {
    wag_worker *worker;
    bool has_begun;
    double result;
} job;

static void collect(void *context, wag_value message)
{
    job *job = context;
    if (message.kind == WAG_VALUE_NULL)
        job->has_begun = true;
    else
        job->result = message.of.number;
}

static void start(job *job, wag_module *module, wag_memory *memory, const char *name)
{
    *job = (struct job){.result = -1};
    ASSERT_OK(wag_worker_new(&(wag_worker_options){.entry = entry}, &job->worker, NULL));
    wag_worker_on_message(job->worker, collect, job);
    wag_value message = wag_array();
    wag_array_push(message, wag_value_ref(WAG_MODULE(module)));
    wag_array_push(message, wag_value_ref(WAG_MEMORY(memory)));
    wag_array_push(message, wag_string(name));
    ASSERT_OK(wag_worker_post_message(job->worker, message, NULL));
    wag_value_unref(message);
}

static double end(job *job)
{
    wag_exit result;
    wag_promise_exit *exited = wag_worker_exited(job->worker);
    ASSERT_OK(wag_await(exited, &result, NULL));
    wag_promise_exit_unref(exited);
    wag_worker_free(job->worker);
    return job->result;
}

/* ---- tests ---- */

#define EACH_TIER(module_, text_)                                                                                      \
    for (int tier_ = 0; tier_ < TIERS; tier_++)                                                                        \
        for (wag_module *module_ = program_for(tiers[tier_], (text_)); module_;                                        \
             wag_module_unref(module_), module_ = NULL)

static void test_a_mutex_of_wait_and_notify_guards_a_plain_counter(void **state)
{
    (void)state;
    enum { WORKERS = 3 };
    EACH_TIER(module, program)
    {
        wag_memory *memory = shared_memory(1, 4);
        job jobs[WORKERS];
        for (int i = 0; i < WORKERS; i++)
            start(&jobs[i], module, memory, "count");
        for (int i = 0; i < WORKERS; i++)
            assert_true(end(&jobs[i]) == 0);
        uint32_t total;
        ASSERT_OK(wag_memory_read(memory, 8, &total, sizeof total));
        assert_int_equal(total, WORKERS * 2000);
        wag_memory_unref(memory);
    }
}

static void test_P_13_two_threads_take_turns_by_waiting_for_each_other(void **state)
{
    (void)state;
    EACH_TIER(module, program)
    {
        wag_memory *memory = shared_memory(1, 4);
        job other;
        wag_err err;
        int32_t result;
        start(&other, module, memory, "pong");
        wag_instance *instance = instance_with(module, memory, &err);
        ASSERT_OK(err);
        ASSERT_OK(wag_memory_write(memory, 16, &(uint32_t){1}, 4));
        ASSERT_OK(call(instance, "ping", &result));
        assert_true(end(&other) == 1500); /* the last turn is the other's */
        wag_instance_unref(instance);
        wag_memory_unref(memory);
    }
}

static void test_atomic_counters_of_every_width_lose_nothing(void **state)
{
    (void)state;
    EACH_TIER(module, program)
    {
        wag_memory *memory = shared_memory(1, 4);
        job jobs[2];
        uint8_t bytes[24];
        for (int i = 0; i < 2; i++)
            start(&jobs[i], module, memory, "hammer");
        for (int i = 0; i < 2; i++)
            assert_true(end(&jobs[i]) == 0);
        ASSERT_OK(wag_memory_read(memory, 32, bytes, sizeof bytes));
        uint16_t half;
        uint32_t word, mixed;
        uint64_t both;
        memcpy(&half, bytes + 2, 2);
        memcpy(&word, bytes + 4, 4);
        memcpy(&both, bytes + 8, 8);
        memcpy(&mixed, bytes + 16, 4);
        assert_int_equal(bytes[0], 0); /* the neighbours are left alone */
        assert_int_equal(bytes[1], (uint8_t)100000);
        assert_int_equal(half, (uint16_t)100000);
        assert_int_equal(word, 100000);
        assert_true(both == UINT64_C(100000) * 0x100000001);
        assert_int_equal(mixed, 0); /* every number twice */
        wag_memory_unref(memory);
    }
}

static void test_another_thread_sees_a_memory_grow_while_it_runs(void **state)
{
    (void)state;
    EACH_TIER(module, program)
    {
        wag_memory *memory = shared_memory(1, 4);
        uint8_t *base = wag_memory_data(memory);
        job other;
        wag_err err;
        int32_t result;
        start(&other, module, memory, "wait_for_growth");
        while (!other.has_begun)
            wag_agent_turn();
        wag_instance *instance = instance_with(module, memory, &err);
        ASSERT_OK(err);
        ASSERT_OK(call(instance, "grow", &result));
        assert_int_equal(result, 1);
        /* It may begin before or after the growth, which is not over when the memory's size has changed. */
        double seen = end(&other);
        assert_true(seen == 2177 || seen == 2277);
        assert_int_equal(wag_memory_pages(memory), 2);
        assert_ptr_equal(wag_memory_data(memory), base);
        assert_int_equal(base[65540], 77);
        wag_instance_unref(instance);
        wag_memory_unref(memory);
    }
}

static void test_P_09_terminate_wakes_a_worker_that_waits(void **state)
{
    (void)state;
    EACH_TIER(module, program)
    {
        wag_memory *memory = shared_memory(1, 4);
        job waiter;
        start(&waiter, module, memory, "wait");
        while (!waiter.has_begun)
            wag_agent_turn();
        wag_promise_exit *exited = wag_worker_terminate(waiter.worker);
        wag_exit result;
        ASSERT_OK(wag_await(exited, &result, NULL)); /* and not for ever */
        assert_true(result.terminated);
        wag_promise_exit_unref(exited);
        wag_worker_free(waiter.worker);
        wag_memory_unref(memory);
    }
}

typedef struct interruption {
    wag_agent *agent;
    atomic_bool stop;
} interruption;

static void *interrupt(void *context)
{
    interruption *i = context;
    while (!atomic_load(&i->stop))
        wag_agent_interrupt(i->agent);
    return NULL;
}

static void test_an_interrupt_ends_a_wait(void **state)
{
    (void)state;
    EACH_TIER(module, program)
    {
        wag_memory *memory = shared_memory(1, 4);
        interruption i = {.agent = wag_agent_current()};
        pthread_t thread;
        wag_err err;
        int32_t result;
        wag_instance *instance = instance_with(module, memory, &err);
        ASSERT_OK(err);
        atomic_init(&i.stop, false);
        assert_int_equal(pthread_create(&thread, NULL, interrupt, &i), 0);
        ASSERT_ERR(call(instance, "wait", &result), WAG_INTERRUPTED);
        atomic_store(&i.stop, true);
        pthread_join(thread, NULL);
        while (call(instance, "size", &result) == WAG_INTERRUPTED) { /* what came too late for the wait */
        }
        assert_int_equal(result, 1);
        wag_instance_unref(instance);
        wag_memory_unref(memory);
        ASSERT_OK(wag_agent_close()); /* and with it what came too late for that */
    }
}

static const char waits[] =
    "(module (memory 1 1 shared)"
    " (func (export \"not_equal\") (result i32) (memory.atomic.wait32 (i32.const 8) (i32.const 1) (i64.const -1)))"
    " (func (export \"timed_out\") (result i32) (memory.atomic.wait64 (i32.const 8) (i64.const 0) (i64.const 1000000)))"
    " (func (export \"at_once\") (result i32) (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const 0)))"
    " (func (export \"nobody\") (result i32) (memory.atomic.notify (i32.const 8) (i32.const -1)))"
    " (func (export \"unaligned\") (result i32) (memory.atomic.wait64 (i32.const 4) (i64.const 0) (i64.const 0)))"
    " (func (export \"outside\") (result i32) (memory.atomic.wait32 (i32.const 65536) (i32.const 0) (i64.const 0)))"
    " (func (export \"notify_outside\") (result i32) (memory.atomic.notify offset=65536 (i32.const 0) (i32.const 0)))"
    " (func (export \"notify_unaligned\") (result i32) (memory.atomic.notify (i32.const 2) (i32.const 0))))";

static void test_P_13_waiting_says_why_it_ended(void **state)
{
    (void)state;
    EACH_TIER(module, waits)
    {
        wag_instance *instance = NULL;
        ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
        int32_t ignored;
        assert_int_equal(call_i32(instance, "not_equal"), 1);
        assert_int_equal(call_i32(instance, "timed_out"), 2);
        assert_int_equal(call_i32(instance, "at_once"), 2);
        assert_int_equal(call_i32(instance, "nobody"), 0);
        ASSERT_ERR(call(instance, "unaligned", &ignored), WAG_UNALIGNED_ATOMIC);
        ASSERT_ERR(call(instance, "outside", &ignored), WAG_MEMORY_BOUNDS);
        ASSERT_ERR(call(instance, "notify_outside", &ignored), WAG_MEMORY_BOUNDS);
        ASSERT_ERR(call(instance, "notify_unaligned", &ignored), WAG_UNALIGNED_ATOMIC);
        wag_instance_unref(instance);
    }
}

static void test_P_12_an_agent_that_may_not_block_traps(void **state)
{
    (void)state;
    EACH_TIER(module, waits)
    {
        wag_instance *instance = NULL;
        wag_error *error = NULL;
        wag_val result;
        ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
        wag_func *func = wag_exports_func(wag_instance_exports(instance), "not_equal");
        ASSERT_OK(wag_agent_set_can_block(false));
        ASSERT_ERR(wag_call(func, NULL, 0, &result, 1, &error), WAG_CANNOT_BLOCK);
        assert_string_equal(wag_error_message(error), "atomics.wait cannot be called in this context");
        assert_class(error, WAG_CLASS_RUNTIME_ERROR);
        assert_int_equal(call_i32(instance, "nobody"), 0); /* notifying does not block */
        ASSERT_OK(wag_agent_set_can_block(true));
        assert_int_equal(call_i32(instance, "not_equal"), 1);
        wag_instance_unref(instance);
    }
}

static void test_P_13_only_a_shared_memory_can_be_waited_on(void **state)
{
    (void)state;
    EACH_TIER(module,
              "(module (memory 1)"
              " (func (export \"wait\") (result i32) (memory.atomic.wait32 (i32.const 0) (i32.const 1) (i64.const 0)))"
              " (func (export \"notify\") (result i32) (memory.atomic.notify (i32.const 0) (i32.const 1))))")
    {
        wag_instance *instance = NULL;
        int32_t ignored;
        ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
        ASSERT_ERR(call(instance, "wait", &ignored), WAG_UNSHARED_WAIT);
        assert_int_equal(call_i32(instance, "notify"), 0);
        wag_instance_unref(instance);
    }
}

static void test_shared_and_unshared_do_not_link(void **state)
{
    (void)state;
    wag_module *wants[] = {module_of("(module (import \"env\" \"memory\" (memory 1 4)))"),
                           module_of("(module (import \"env\" \"memory\" (memory 1 4 shared)))")};
    wag_memory *given[] = {shared_memory(1, 4), NULL};
    ASSERT_OK(wag_memory_new(1, 4, &given[1], NULL));
    static const char *const texts[] = {"wanted (memory 1 4), got (memory 1 4 shared)",
                                        "wanted (memory 1 4 shared), got (memory 1 4)"};
    for (int i = 0; i < 2; i++) {
        wag_imports *imports = wag_imports_new();
        wag_error *error = NULL;
        wag_imports_set(imports, "env", "memory", WAG_MEMORY(given[i]));
        ASSERT_ERR(wag_instance_new(wants[i], imports, NULL, &error), WAG_LINK);
        assert_non_null(strstr(wag_error_message(error), texts[i]));
        assert_class(error, WAG_CLASS_LINK_ERROR);
        wag_imports_unref(imports);
        wag_memory_unref(given[i]);
        wag_module_unref(wants[i]);
    }
}

static void test_a_shared_memory_needs_a_maximum_that_is_no_less(void **state)
{
    (void)state;
    wag_error *error = NULL;
    wag_memory_descriptor descriptor = {.initial = 1, .maximum = UINT64_MAX, .shared = true};
    ASSERT_ERR(wag_memory_create(&descriptor, NULL, &error), WAG_TYPE);
    assert_class(error, WAG_CLASS_TYPE_ERROR);
    descriptor.maximum = 0;
    ASSERT_ERR(wag_memory_create(&descriptor, NULL, NULL), WAG_RANGE);
    descriptor.maximum = 65537;
    ASSERT_ERR(wag_memory_create(&descriptor, NULL, NULL), WAG_RANGE);
    ASSERT_ERR(wag_memory_create(NULL, NULL, NULL), WAG_TYPE);
}

static void test_a_shared_memory_grows_to_its_maximum_and_no_further(void **state)
{
    (void)state;
    wag_memory *memory = shared_memory(0, 2), *alias = NULL;
    wag_shared_memory *shared = wag_memory_share(memory);
    uint64_t old;
    ASSERT_OK(wag_memory_of_shared(shared, &alias, NULL));
    assert_ptr_equal(wag_memory_data(alias), wag_memory_data(memory));
    ASSERT_ERR(wag_memory_grow(memory, 3, NULL, NULL), WAG_RANGE);
    ASSERT_OK(wag_memory_grow(memory, 2, &old, NULL));
    assert_int_equal(old, 0);
    ASSERT_ERR(wag_memory_grow(alias, 1, NULL, NULL), WAG_RANGE);
    assert_int_equal(wag_memory_size(alias), 2 * 65536);
    ASSERT_OK(wag_memory_write(memory, 131070, "ab", 2));
    ASSERT_ERR(wag_memory_write(memory, 131071, "ab", 2), WAG_RANGE);
    wag_memory_unref(memory);
    assert_int_equal(wag_memory_data(alias)[131071], 'b');
    wag_memory_unref(alias);
    ASSERT_OK(wag_memory_of_shared(shared, &alias, NULL)); /* the block lives by itself */
    assert_int_equal(wag_memory_data(alias)[131070], 'a');
    wag_memory_unref(alias);
    wag_shared_memory_unref(shared);
    ASSERT_ERR(wag_memory_of_shared(NULL, NULL, NULL), WAG_TYPE);
}

static void test_a_memory_of_another_cluster_cannot_be_had(void **state)
{
    (void)state;
    wag_cluster *cluster = NULL;
    wag_memory *memory = shared_memory(1, 1);
    wag_shared_memory *shared = wag_memory_share(memory);
    wag_memory_unref(memory);
    ASSERT_OK(wag_agent_close());
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    ASSERT_OK(wag_agent_open(cluster));
    ASSERT_ERR(wag_memory_of_shared(shared, NULL, NULL), WAG_TYPE);
    ASSERT_OK(wag_agent_close());
    wag_cluster_unref(cluster);
    wag_shared_memory_unref(shared);
}

static void test_address_space_runs_out_as_a_range_error(void **state)
{
    (void)state;
    enum { MOST = 100000 };
    static wag_memory *memories[MOST];
    wag_memory_descriptor descriptor = {.initial = 0, .maximum = 65536, .shared = true};
    wag_err err = WAG_OK;
    int count = 0;
    while (count < MOST && (err = wag_memory_create(&descriptor, &memories[count], NULL)) == WAG_OK)
        count++;
    for (int i = 0; i < count; i++)
        wag_memory_unref(memories[i]);
    ASSERT_ERR(err, WAG_RANGE);
    wag_memory_unref(shared_memory(1, 65536)); /* there is room again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_mutex_of_wait_and_notify_guards_a_plain_counter),
        cmocka_unit_test(test_P_13_two_threads_take_turns_by_waiting_for_each_other),
        cmocka_unit_test(test_atomic_counters_of_every_width_lose_nothing),
        cmocka_unit_test(test_another_thread_sees_a_memory_grow_while_it_runs),
        cmocka_unit_test(test_P_09_terminate_wakes_a_worker_that_waits),
        cmocka_unit_test(test_an_interrupt_ends_a_wait),
        cmocka_unit_test(test_P_13_waiting_says_why_it_ended),
        cmocka_unit_test(test_P_12_an_agent_that_may_not_block_traps),
        cmocka_unit_test(test_P_13_only_a_shared_memory_can_be_waited_on),
        cmocka_unit_test(test_shared_and_unshared_do_not_link),
        cmocka_unit_test(test_a_shared_memory_needs_a_maximum_that_is_no_less),
        cmocka_unit_test(test_a_shared_memory_grows_to_its_maximum_and_no_further),
        cmocka_unit_test(test_a_memory_of_another_cluster_cannot_be_had),
        cmocka_unit_test(test_address_space_runs_out_as_a_range_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

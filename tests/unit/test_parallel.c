/* One module compiled by several threads: the same code, the same error, and nobody waits for a busy thread. */
#include "tests/support/check.h"

#include <pthread.h>

#include "base/alloc.h"
#include "exec/code_memory.h"
#include "exec/compile.h"
#include "exec/native.h"
#include "runtime/compile_pool.h"
#include "tests/support/big.h"

enum { FUNCS = 400, STEPS = 40, CALLERS = 4 };

static build big; /* about 400 KB of code */

/* ---- threads in an order of the test's choosing ---- */

/* The caller comes last: everything is done by the last helper. */
static void run_backwards(const wagi_parallel *self, void (*work)(void *context, uint32_t number), void *context)
{
    for (uint32_t n = self->threads; n-- > 0;)
        work(context, n);
}

typedef struct runner {
    pthread_t thread;
    void (*work)(void *context, uint32_t number);
    void *context;
    uint32_t number;
} runner;

static void *runner_main(void *context)
{
    runner *runner = context;
    runner->work(runner->context, runner->number);
    return NULL;
}

/* All threads at once, whatever the machine has. */
static void run_threads(const wagi_parallel *self, void (*work)(void *context, uint32_t number), void *context)
{
    runner runners[8];
    uint32_t started = 0;
    for (uint32_t n = 1; n < self->threads && n < 8; n++) {
        runners[started] = (runner){.work = work, .context = context, .number = n};
        started += pthread_create(&runners[started].thread, NULL, runner_main, &runners[started]) == 0;
    }
    work(context, 0);
    while (started-- > 0)
        pthread_join(runners[started].thread, NULL);
}

static const wagi_parallel backwards = {.threads = 3, .run = run_backwards};
static const wagi_parallel threaded = {.threads = 4, .run = run_threads};

/* ---- validation ---- */

static wag_err decode(const build *b, const wagi_parallel *parallel, wag_module **ret_module, wag_error **reterr_error)
{
    wag_cluster *cluster = wag_cluster_default();
    return wagi_module_decode_by(build_bytes(b), NULL, cluster->registry, &cluster->limits, parallel, ret_module,
                                 reterr_error);
}

static void assert_same_bodies(const wagi_module_data *a, const wagi_module_data *b)
{
    assert_int_equal(a->features, b->features);
    assert_memory_equal(a->feature_func, b->feature_func, sizeof a->feature_func);
    assert_memory_equal(a->feature_offset, b->feature_offset, sizeof a->feature_offset);
    for (uint32_t i = 0; i < a->func_count - a->func_import_count; i++) {
        const wagi_func_body *x = &a->bodies[i], *y = &b->bodies[i];
        assert_int_equal(x->func_index, y->func_index);
        assert_int_equal(x->code - a->bytes.data, y->code - b->bytes.data);
        assert_int_equal(x->end - x->code, y->end - y->code);
        assert_int_equal(x->max_height, y->max_height);
        assert_int_equal(x->side_count, y->side_count);
        if (x->side_count)
            assert_memory_equal(x->side, y->side, x->side_count * sizeof *x->side);
        assert_int_equal(x->local_count, y->local_count);
        assert_int_equal(x->local_run_count, y->local_run_count);
        for (uint32_t k = 0; k < x->local_run_count; k++) {
            assert_int_equal(x->local_runs[k].end, y->local_runs[k].end);
            assert_int_equal(x->local_runs[k].type, y->local_runs[k].type);
        }
    }
}

static void test_validation_by_several_threads_says_the_same_of_each_body(void **state)
{
    (void)state;
    wag_module *want, *got;
    ASSERT_OK(decode(&big, NULL, &want, NULL));
    ASSERT_OK(decode(&big, &backwards, &got, NULL));
    assert_same_bodies(want->data, got->data);
    wagi_module_free(got);
    ASSERT_OK(decode(&big, &threaded, &got, NULL));
    assert_same_bodies(want->data, got->data);
    assert_true(wagi_module_seal(got)); /* what the threads allocated, too */
    wagi_module_free(got);
    wagi_module_free(want);
}

static void assert_same_error(const build *b, const wagi_parallel *parallel, const wag_error *want)
{
    wag_error *got = NULL;
    wag_module *module = NULL;
    uint32_t func_index[2] = {0, 0};
    size_t offset[2] = {0, 0};
    ASSERT_ERR(decode(b, parallel, &module, &got), wag_error_code(want));
    assert_null(module);
    assert_string_equal(wag_error_message(got), wag_error_message(want));
    assert_int_equal(wag_error_func_index(got, &func_index[0]), wag_error_func_index(want, &func_index[1]));
    assert_int_equal(func_index[0], func_index[1]);
    assert_int_equal(wag_error_offset(got, &offset[0]), wag_error_offset(want, &offset[1]));
    assert_int_equal(offset[0], offset[1]);
    wag_error_unref(got);
}

static void check_error(big_flaws flaws, uint32_t func_index)
{
    build b = big_module(FUNCS, STEPS, flaws);
    wag_error *want = NULL;
    wag_module *module;
    uint32_t index = 0;
    assert_int_not_equal(decode(&b, NULL, &module, &want), WAG_OK);
    assert_true(wag_error_func_index(want, &index));
    assert_int_equal(index, func_index);
    for (int i = 0; i < 10; i++) {
        assert_same_error(&b, &backwards, want);
        assert_same_error(&b, &threaded, want);
    }
    wag_error_unref(want);
    build_free(&b);
}

static void test_the_lowest_invalid_body_is_the_error_whatever_the_timing(void **state)
{
    (void)state;
    check_error((big_flaws){.invalid_low = 200, .invalid_high = 201, .cut = UINT32_MAX}, 201);
    check_error((big_flaws){.invalid_low = 3, .invalid_high = FUNCS - 1, .cut = UINT32_MAX}, 4);
    check_error((big_flaws){.invalid_low = FUNCS - 1, .invalid_high = UINT32_MAX, .cut = UINT32_MAX}, FUNCS);
}

static void test_a_cut_section_is_the_error_only_when_the_bodies_before_are_valid(void **state)
{
    (void)state;
    check_error((big_flaws){.invalid_low = 7, .invalid_high = 390, .cut = 100}, 8);
    check_error((big_flaws){.invalid_low = 150, .invalid_high = 390, .cut = 100}, 101);
}

/* ---- compilation ---- */

static wag_error *host_g(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    results[0] = WAG_VAL_I32((int32_t)((uint32_t)args[0].of.i32 * 3u + 1u));
    return NULL;
}

/* f(argument) in a new instance. Any thread. */
static wag_err try_run(wag_module *module, int32_t argument, int32_t *ret_result)
{
    wag_imports *imports = wag_imports_new();
    wag_instance *instance = NULL;
    wag_val result = WAG_VAL_I32(0), args[1] = {WAG_VAL_I32(argument)};
    wag_err err = wag_imports_set_func(imports, "i", "g", NULL, host_g, NULL, NULL);
    if (err == WAG_OK)
        err = wag_instance_new(module, imports, &instance, NULL);
    if (err == WAG_OK)
        err = wag_call(wag_exports_func(wag_instance_exports(instance), "f"), args, 1, &result, 1, NULL);
    *ret_result = result.of.i32;
    wag_instance_unref(instance);
    wag_imports_unref(imports);
    return err;
}

/* A cluster, and this thread's agent in it. */
static wag_cluster *enter_cluster(uint32_t threads)
{
    wag_cluster *cluster = NULL;
    ASSERT_OK(wag_cluster_new(&(wag_cluster_options){.compile_threads = threads}, &cluster));
    ASSERT_OK(wag_agent_close());
    ASSERT_OK(wag_agent_open(cluster));
    return cluster;
}

static void leave_cluster(wag_cluster *cluster)
{
    ASSERT_OK(wag_agent_close());
    wag_cluster_unref(cluster);
}

static wag_err compile(wag_cluster *cluster, wag_tier tier, wag_module **ret_module)
{
    wag_compile_options options = {.cluster = cluster, .tier = tier};
    return wag_module_new(build_bytes(&big), &options, ret_module, NULL);
}

static wagi_image make_image(const wag_module *module, const wagi_parallel *parallel)
{
    wagi_machine machine;
    wagi_compiler_machine(&machine);
    wagi_code_context context = {.data = module->data,
                                 .machine = &machine,
                                 .abi = &wagi_native_abi,
                                 .layout = wagi_instance_layout_of(module->data),
                                 .stop_limit = wagi_stop_limit_offset(),
                                 .guard = true,
                                 .poll = true,
                                 .check = true,
                                 .parallel = parallel};
    wagi_image image;
    uint32_t func_index;
    assert_int_equal(wagi_image_make(&context, &image, &func_index), WAGI_IMAGE_OK);
    return image;
}

static void assert_same_image(const wagi_image *a, const wagi_image *b)
{
    assert_int_equal(a->code_size, b->code_size);
    assert_memory_equal(a->code, b->code, a->code_size);
    assert_int_equal(a->func_count, b->func_count);
    assert_memory_equal(a->funcs, b->funcs, a->func_count * sizeof *a->funcs);
    assert_memory_equal(a->entries, b->entries, a->func_count * sizeof *a->entries);
    for (uint32_t i = 0; i < a->func_count; i++) {
        const uint8_t *x = a->sites + a->funcs[i].sites, *y = b->sites + b->funcs[i].sites;
        wagi_site site_x = {0}, site_y = {0};
        for (uint32_t k = 0; k < a->funcs[i].site_count; k++) {
            x = wagi_sites_next(x, &site_x);
            y = wagi_sites_next(y, &site_y);
            assert_memory_equal(&site_x, &site_y, sizeof site_x);
        }
    }
}

static void test_several_threads_make_the_same_machine_code_as_one(void **state)
{
    (void)state;
    if (!wagi_native_available())
        skip();
    wag_module *module;
    ASSERT_OK(decode(&big, NULL, &module, NULL));
    wagi_image want = make_image(module, NULL), got = make_image(module, &backwards);
    assert_true(want.code_size > WAGI_PARALLEL_BYTES);
    assert_same_image(&want, &got);
    wagi_image_fini(&got);
    for (int i = 0; i < 3; i++) {
        got = make_image(module, &threaded);
        assert_same_image(&want, &got);
        wagi_image_fini(&got);
    }
    wagi_image_fini(&want);
    wagi_module_free(module);
}

static int32_t oracle; /* what the interpreter says of f(7) */

static void test_code_by_several_threads_computes_what_the_interpreter_does(void **state)
{
    (void)state;
    wag_cluster *cluster = enter_cluster(4);
    wag_module *module;
    int32_t result = 0;
    ASSERT_OK(compile(cluster, WAG_TIER_DEFAULT, &module));
    ASSERT_OK(try_run(module, 7, &result));
    assert_int_equal(result, oracle);
    assert_true(wagi_compile_pool_threads(cluster) > 0);
    wag_module_unref(module);
    leave_cluster(cluster);
}

static void test_one_compile_thread_means_the_callers_own(void **state)
{
    (void)state;
    wag_cluster *cluster = enter_cluster(1);
    wag_module *module;
    ASSERT_OK(compile(cluster, WAG_TIER_DEFAULT, &module));
    assert_int_equal(wagi_compile_pool_threads(cluster), 0);
    wag_module_unref(module);
    leave_cluster(cluster);
}

static void test_a_small_module_wakes_no_thread(void **state)
{
    (void)state;
    wag_cluster *cluster = enter_cluster(4);
    build small = big_module(3, 10, BIG_FINE);
    wag_module *module;
    ASSERT_OK(wag_module_new(build_bytes(&small), &(wag_compile_options){.cluster = cluster}, &module, NULL));
    assert_int_equal(wagi_compile_pool_threads(cluster), 0);
    wag_module_unref(module);
    build_free(&small);
    leave_cluster(cluster);
}

/* ---- busy threads ---- */

typedef struct blocker {
    wagi_compile_job job;
    pthread_mutex_t *lock;
    pthread_cond_t *changed;
    int *arrived;
    bool *open;
} blocker;

static void block(wagi_compile_job *job)
{
    blocker *b = (blocker *)job;
    pthread_mutex_lock(b->lock);
    ++*b->arrived;
    pthread_cond_broadcast(b->changed);
    while (!*b->open)
        pthread_cond_wait(b->changed, b->lock);
    --*b->arrived;
    pthread_cond_broadcast(b->changed);
    pthread_mutex_unlock(b->lock);
}

static void test_a_compilation_waits_for_no_busy_thread(void **state)
{
    (void)state;
    enum { BUSY = 2 };
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
    int arrived = 0;
    bool open = false;
    blocker blockers[BUSY];
    wag_cluster *cluster = enter_cluster(BUSY);
    for (int i = 0; i < BUSY; i++) {
        blockers[i] = (blocker){{.run = block}, &lock, &changed, &arrived, &open};
        ASSERT_OK(wagi_compile_pool_submit(cluster, &blockers[i].job));
    }
    pthread_mutex_lock(&lock);
    while (arrived < BUSY)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    wag_module *module;
    ASSERT_OK(compile(cluster, WAG_TIER_DEFAULT, &module)); /* all threads are busy still: it comes back */
    wag_module_unref(module);
    pthread_mutex_lock(&lock);
    assert_int_equal(arrived, BUSY);
    open = true;
    pthread_cond_broadcast(&changed);
    while (arrived > 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    leave_cluster(cluster);
}

static void test_asynchronous_compilations_share_two_threads_without_deadlock(void **state)
{
    (void)state;
    enum { COUNT = 6 };
    wag_cluster *cluster = enter_cluster(2);
    wag_compile_options options = {.cluster = cluster};
    wag_promise_module *promises[COUNT];
    for (int i = 0; i < COUNT; i++)
        assert_non_null(promises[i] = wag_compile(build_bytes(&big), &options));
    for (int i = 0; i < COUNT; i++) {
        wag_module *module = NULL;
        int32_t result = 0;
        ASSERT_OK(wag_await(promises[i], &module, NULL));
        ASSERT_OK(try_run(module, 7, &result));
        assert_int_equal(result, oracle);
        wag_module_unref(module);
        wag_promise_unref(promises[i]);
    }
    leave_cluster(cluster);
}

typedef struct caller {
    pthread_t thread;
    wag_cluster *cluster;
    wag_err err;
    int32_t result;
} caller;

static void *caller_main(void *context)
{
    caller *caller = context;
    caller->err = wag_agent_open(caller->cluster);
    for (int i = 0; i < 3 && caller->err == WAG_OK; i++) {
        wag_module *module;
        caller->err = compile(caller->cluster, WAG_TIER_DEFAULT, &module);
        if (caller->err != WAG_OK)
            break;
        caller->err = try_run(module, 7, &caller->result);
        wag_module_unref(module);
    }
    wag_agent_close();
    return NULL;
}

static void test_several_threads_compile_at_once_in_one_cluster(void **state)
{
    (void)state;
    wag_cluster *cluster = enter_cluster(3);
    caller callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (caller){.cluster = cluster, .err = WAG_OK};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++)
        pthread_join(callers[i].thread, NULL);
    for (int i = 0; i < CALLERS; i++) {
        ASSERT_OK(callers[i].err);
        assert_int_equal(callers[i].result, oracle);
    }
    leave_cluster(cluster);
}

static void test_without_memory_it_fails_or_makes_the_same_code(void **state)
{
    (void)state;
    wag_cluster *cluster = enter_cluster(3);
    for (uint64_t n = 0; n < 4000; n = n < 60 ? n + 1 : n + n / 3) {
        wag_module *module = NULL;
        wagi_alloc_fail_after(n);
        wag_err err = compile(cluster, WAG_TIER_DEFAULT, &module);
        wagi_alloc_fail_after(UINT64_MAX);
        if (err == WAG_OK) {
            int32_t result = 0;
            ASSERT_OK(try_run(module, 7, &result));
            assert_int_equal(result, oracle);
            wag_module_unref(module);
        } else {
            ASSERT_ERR(err, WAG_NOMEM);
        }
    }
    leave_cluster(cluster);
}

static int set_up(void **state)
{
    (void)state;
    big = big_module(FUNCS, STEPS, BIG_FINE);
    wag_module *module;
    int32_t result = 0;
    if (compile(NULL, WAG_TIER_INTERP, &module) != WAG_OK || try_run(module, 7, &result) != WAG_OK)
        return -1;
    wag_module_unref(module);
    oracle = result;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    build_free(&big);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_validation_by_several_threads_says_the_same_of_each_body),
        cmocka_unit_test(test_the_lowest_invalid_body_is_the_error_whatever_the_timing),
        cmocka_unit_test(test_a_cut_section_is_the_error_only_when_the_bodies_before_are_valid),
        cmocka_unit_test(test_several_threads_make_the_same_machine_code_as_one),
        cmocka_unit_test(test_code_by_several_threads_computes_what_the_interpreter_does),
        cmocka_unit_test(test_one_compile_thread_means_the_callers_own),
        cmocka_unit_test(test_a_small_module_wakes_no_thread),
        cmocka_unit_test(test_a_compilation_waits_for_no_busy_thread),
        cmocka_unit_test(test_asynchronous_compilations_share_two_threads_without_deadlock),
        cmocka_unit_test(test_several_threads_compile_at_once_in_one_cluster),
        cmocka_unit_test(test_without_memory_it_fails_or_makes_the_same_code),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

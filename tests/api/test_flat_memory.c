/* A worker that instantiates, calls and drops a million times neither grows nor leaks. */
#define _GNU_SOURCE
#include "tests/support/check.h"
#include "tests/support/sanitized.h"

enum { ROUNDS = SANITIZED || UNDER_VALGRIND ? 20000 : 1000000, MOST_GROWTH_KIB = 1024 };

typedef struct loop {
    const char *text;
    wag_module *module;
    wag_memory *memory; /* of the worker's agent; the modules that import one share it */
    wag_worker_scope *self;
    long rounds, failed;
    long rss_early, rss_late;
    size_t live_early, live_late;
} loop;

static long rss_kib(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%ld %ld", &pages, &resident) != 2)
        resident = -1;
    if (file)
        fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void one_round(loop *run, wag_imports *imports)
{
    wag_instance *instance = NULL;
    wag_val result = WAG_VAL_I32(0);
    if (wag_instance_new(run->module, imports, &instance, NULL) != WAG_OK) {
        run->failed++;
        return;
    }
    wag_func *func = wag_exports_func(wag_instance_exports(instance), "f");
    if (wag_call(func, NULL, 0, &result, 1, NULL) != WAG_OK || result.of.i32 != 7)
        run->failed++;
    wag_instance_unref(instance);
}

/* Runs inside the worker; what it finds is asserted by the test's thread. */
static void on_module(void *context, wag_value message)
{
    loop *run = context;
    run->module = message.of.module;
    wag_imports *imports = wag_imports_new();
    wag_table *table = NULL;
    wag_val null = WAG_VAL_FUNC(NULL);
    if (wag_table_new(WAG_FUNCREF, 1, UINT64_MAX, null, &table, NULL) != WAG_OK ||
        wag_imports_set(imports, "m", "table", WAG_TABLE(table)) != WAG_OK)
        run->failed++;
    for (long i = 0; i < run->rounds; i++) {
        if (i == run->rounds / 10) {
            wag_agent_collect();
            run->rss_early = rss_kib();
            run->live_early = wag_agent_live_objects();
        }
        one_round(run, imports);
    }
    wag_agent_collect();
    run->rss_late = rss_kib();
    run->live_late = wag_agent_live_objects();
    wag_table_unref(table);
    wag_imports_unref(imports);
    wag_scope_close(run->self);
}

static void entry(wag_worker_scope *self, void *context)
{
    loop *run = context;
    run->self = self;
    wag_scope_on_message(self, on_module, run);
}

static void run_in_worker(const char *text, long rounds)
{
    loop run = {.rounds = rounds};
    wag_module *module = module_of(text);
    wag_worker *worker = NULL;
    wag_worker_options options = {.entry = entry, .context = &run};
    ASSERT_OK(wag_worker_new(&options, &worker, NULL));
    ASSERT_OK(wag_worker_post_message(worker, WAG_MODULE(module), NULL));
    ASSERT_OK(wag_agent_run());
    wag_worker_free(worker);
    wag_module_unref(module);
    assert_int_equal(run.failed, 0);
    assert_true(run.rss_early > 0);
    assert_int_equal(run.live_early, run.live_late);
    if (!(SANITIZED || UNDER_VALGRIND) && run.rss_late > run.rss_early + MOST_GROWTH_KIB)
        fail_msg("%s: resident memory grew from %ld to %ld KiB", text, run.rss_early, run.rss_late);
}

static void test_a_million_instances_without_memory_keep_the_rss_flat(void **state)
{
    (void)state;
    run_in_worker("(module (func (export \"f\") (result i32) i32.const 7))", ROUNDS);
}

static void test_a_million_instances_with_memory_and_own_table_keep_the_rss_flat(void **state)
{
    (void)state;
    run_in_worker(
        "(module (memory 1) (table 4 funcref) (elem (i32.const 0) $f)"
        " (func $f (export \"f\") (result i32) (i32.store (i32.const 8) (i32.const 7)) (i32.load (i32.const 8))))",
        ROUNDS);
}

static void test_instances_whose_functions_escape_into_a_shared_table_are_collected(void **state)
{
    (void)state;
    /* each instance puts its own function into the imported table and so overwrites its predecessor's */
    run_in_worker("(module (import \"m\" \"table\" (table 1 funcref)) (elem (i32.const 0) $f)"
                  " (func $f (export \"f\") (result i32) i32.const 7))",
                  ROUNDS / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_million_instances_without_memory_keep_the_rss_flat),
        cmocka_unit_test(test_a_million_instances_with_memory_and_own_table_keep_the_rss_flat),
        cmocka_unit_test(test_instances_whose_functions_escape_into_a_shared_table_are_collected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

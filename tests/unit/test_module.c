/* Modules and clusters behind the public interface: counts, threads, what a tier cannot run, failing without memory. */
#include "tests/support/check.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/sync.h"
#include "exec/compile.h"
#include "runtime/agent.h"
#include "tests/support/bytes.h"

enum {
    TYPE = 1,
    IMPORT,
    FUNCTION,
    TABLE,
    MEMORY,
    GLOBAL,
    EXPORT,
    START,
    ELEMENT,
    CODE,
    DATA,
    DATA_COUNT,
    TAG,
    THREADS = 8
};

static size_t live_before;

static int setup(void **state)
{
    (void)state;
    live_before = wag_live_modules();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wagi_alloc_fail_after(UINT64_MAX);
    return wag_live_modules() == live_before ? 0 : -1;
}

/* Function types, one function that is exported as "f", a tag, an export of it, a global that is imported. */
static build sample(void)
{
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, TYPE, "\x02\x60\x01\x7F\x02\x7E\x7D\x60\x02\x70\x7F\x00");
    BUILD_WHOLE(&b, IMPORT,
                "\x01\x02"
                "im\x01"
                "g\x03\x7C\x01");
    BUILD_WHOLE(&b, FUNCTION, "\x01\x00");
    BUILD_WHOLE(&b, TAG, "\x01\x00\x01");
    BUILD_WHOLE(&b, EXPORT,
                "\x02\x01"
                "f\x00\x00\x01"
                "e\x04\x00");
    BUILD_WHOLE(&b, CODE, "\x01\x09\x00\x42\x00\x43\x00\x00\x00\x00\x0B");
    return b;
}

static wag_module *sample_module(wag_cluster *cluster)
{
    build b = sample();
    wag_compile_options options = {.cluster = cluster};
    wag_module *module = NULL;
    wag_error *error = NULL;
    if (wag_module_new(build_bytes(&b), &options, &module, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    build_free(&b);
    return module;
}

/* ---- counts ---- */

static void test_a_module_outlives_the_handle_of_its_cluster(void **state)
{
    (void)state;
    wag_cluster *cluster = NULL;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    wag_module *module = sample_module(cluster);
    wag_cluster_unref(cluster);
    assert_int_equal(wag_module_export_count(module), 2);
    assert_int_equal(wagi_registry_group_count(module->registry), 2);
    wag_module_unref(module);
    wag_module_unref(NULL);
    wag_cluster_unref(NULL);
    assert_null(wag_module_ref(NULL));
}

static void *count_up_and_down(void *context)
{
    for (int i = 0; i < 10000; i++)
        wag_module_unref(wag_module_ref(context));
    wag_module_unref(context);
    return NULL;
}

static void test_any_thread_may_hold_and_drop_a_module(void **state)
{
    (void)state;
    wag_module *module = sample_module(NULL);
    wagi_thread threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_true(wagi_thread_start(&threads[i], "count", 0, count_up_and_down, wag_module_ref(module)));
    wag_module_unref(module); /* the last one is a thread's */
    for (size_t i = 0; i < THREADS; i++)
        wagi_thread_join(threads[i]);
    assert_int_equal(wag_live_modules(), live_before);
}

typedef struct racer {
    atomic_int *gate;
    wag_cluster *cluster;
    bool good;
} racer;

static void *first_use(void *context)
{
    racer *self = context;
    atomic_fetch_add(self->gate, 1);
    while (atomic_load(self->gate) < THREADS) {
    }
    self->cluster = wag_cluster_default();
    static const uint8_t bytes[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0};
    self->good = true;
    for (int i = 0; i < 100; i++)
        self->good = self->good && wag_validate((wag_bytes){bytes, sizeof bytes}, NULL);
    return NULL;
}

/* Must be the first test of the program that uses the default cluster. */
static void test_the_first_users_of_the_default_cluster_get_the_same(void **state)
{
    (void)state;
    atomic_int gate = 0;
    racer racers[THREADS];
    wagi_thread threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        racers[i] = (racer){.gate = &gate};
        assert_true(wagi_thread_start(&threads[i], "first", 0, first_use, &racers[i]));
    }
    for (size_t i = 0; i < THREADS; i++)
        wagi_thread_join(threads[i]);
    for (size_t i = 0; i < THREADS; i++) {
        assert_true(racers[i].good);
        assert_ptr_equal(racers[i].cluster, wag_cluster_default());
    }
    assert_int_equal(wagi_registry_group_count(wag_cluster_default()->registry), 0);
}

static void *compile_often(void *context)
{
    racer *self = context;
    build b = sample();
    self->good = true;
    for (int i = 0; i < 300; i++) {
        wag_module *module = NULL;
        wag_compile_options options = {.cluster = self->cluster};
        self->good = self->good && wag_module_new(build_bytes(&b), &options, &module, NULL) == WAG_OK &&
                     module->data->types[0] == wagi_registry_type(module->registry, module->data->types[0]->id);
        wag_module_unref(module);
    }
    build_free(&b);
    return NULL;
}

static void test_threads_compile_into_one_cluster_at_once(void **state)
{
    (void)state;
    wag_cluster *cluster = NULL;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    racer racers[THREADS];
    wagi_thread threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        racers[i] = (racer){.cluster = cluster};
        assert_true(wagi_thread_start(&threads[i], "compile", 0, compile_often, &racers[i]));
    }
    for (size_t i = 0; i < THREADS; i++)
        wagi_thread_join(threads[i]);
    for (size_t i = 0; i < THREADS; i++)
        assert_true(racers[i].good);
    assert_int_equal(wagi_registry_group_count(cluster->registry), 0);
    wag_cluster_unref(cluster);
}

static void test_a_cluster_has_compile_threads(void **state)
{
    (void)state;
    wag_cluster *cluster = NULL;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    assert_in_range(cluster->compile_threads, 1, 4);
    wag_cluster_unref(cluster);
    ASSERT_OK(wag_cluster_new(&(wag_cluster_options){.compile_threads = 7}, &cluster));
    assert_int_equal(cluster->compile_threads, 7);
    wag_cluster_unref(wag_cluster_ref(cluster));
    wag_cluster_unref(cluster);
    ASSERT_OK(wag_cluster_new(NULL, NULL));
}

/* ---- asking ---- */

static void check_type(char *text, const char *wanted)
{
    assert_non_null(text);
    assert_string_equal(text, wanted);
    wag_text_free(text);
}

static void test_types_of_exports_and_imports_are_told_as_text(void **state)
{
    (void)state;
    wag_module *module = sample_module(NULL);
    check_type(wag_module_export_type(module, 0), "(func (param i32) (result i64 f32))");
    check_type(wag_module_export_type(module, 1), "(tag (param funcref i32))");
    check_type(wag_module_import_type(module, 0), "(global (mut f64))");
    assert_null(wag_module_export_type(module, 2));
    assert_null(wag_module_import_type(module, 1));
    wagi_alloc_fail_after(0);
    char *text = wag_module_export_type(module, 0);
    wagi_alloc_fail_after(UINT64_MAX);
    assert_null(text);
    wag_module_unref(module);
}

static void test_kinds_of_externals_have_the_words_of_the_JS_API(void **state)
{
    (void)state;
    static const char *const names[] = {"function", "table", "memory", "global", "tag"};
    for (int kind = 0; kind < 5; kind++)
        assert_string_equal(wag_extern_kind_name((wag_extern_kind)kind), names[kind]);
    assert_string_equal(wag_extern_kind_name((wag_extern_kind)5), "?");
}

/* ---- failing ---- */

static void test_a_feature_that_the_tier_lacks_is_named_with_its_place(void **state)
{
    (void)state;
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, TYPE, "\x01\x60\x00\x00");
    BUILD_WHOLE(&b, FUNCTION, "\x02\x00\x00");
    size_t code = build_section(&b, CODE);
    /* the second: (drop (v128.const ...)) */
    build_raw(&b, "\x02\x02\x00\x0B\x15\x00\xFD\x0C\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x1A\x0B", 26);
    build_end(&b, code);
    wag_module *module = NULL;
    wag_error *error = NULL;
    ASSERT_OK(wag_module_new(build_bytes(&b), NULL, &module, &error));
    const wagi_tier little = {.name = "little", .features = ~((uint64_t)1 << WAGI_FEATURE_SIMD)};
    ASSERT_ERR(wagi_compile_check(module->data, &little, &error), WAG_UNSUPPORTED);
    char wanted[128];
    snprintf(wanted, sizeof wanted, "feature not supported by the little tier: SIMD in function 1 at byte %zu",
             code + 6);
    assert_string_equal(wag_error_message(error), wanted);
    size_t offset = 0;
    uint32_t func_index = 0;
    assert_true(wag_error_offset(error, &offset) && wag_error_func_index(error, &func_index));
    assert_int_equal(offset, code + 6);
    assert_int_equal(func_index, 1);
    assert_class(error, WAG_CLASS_COMPILE_ERROR);
    ASSERT_OK(wagi_compile_check(module->data, module->tier, &error));
    wag_module_unref(module);
    build_free(&b);
}

static void test_a_proposal_that_is_off_is_invalid_and_named_with_its_place(void **state)
{
    (void)state;
    wag_cluster *cluster = NULL;
    wag_cluster_options options = {.custom_page_sizes = true, .wide_arithmetic = true};
    ASSERT_OK(wag_cluster_new(&options, &cluster));
    wag_compile_options on = {.cluster = cluster};
    for (int i = 0; i < 2; i++) {
        build b = {0};
        build_preamble(&b);
        size_t place;
        if (i == 0) {
            place = build_section(&b, MEMORY);
            build_raw(&b, "\x01\x08\x01\x00", 4);
        } else {
            BUILD_WHOLE(&b, TYPE, "\x01\x60\x00\x00");
            BUILD_WHOLE(&b, FUNCTION, "\x01\x00");
            place = build_section(&b, CODE);
            /* (drop (drop (i64.mul_wide_u (i64.const 1) (i64.const 1)))) */
            build_raw(&b, "\x01\x0A\x00\x42\x01\x42\x01\xFC\x16\x1A\x1A\x0B", 12);
        }
        build_end(&b, place);
        wag_module *module = NULL;
        wag_error *error = NULL;
        size_t offset = 0;
        assert_false(wag_validate(build_bytes(&b), NULL));
        ASSERT_ERR(wag_module_new(build_bytes(&b), NULL, NULL, &error), WAG_INVALID);
        assert_non_null(strstr(wag_error_message(error), i == 0 ? ": custom page sizes" : ": wide arithmetic"));
        assert_true(wag_error_offset(error, &offset));
        assert_int_equal(offset, place + (i == 0 ? 1 : 7));
        assert_class(error, WAG_CLASS_COMPILE_ERROR);
        assert_true(wag_validate(build_bytes(&b), &on));
        ASSERT_OK(wag_module_new(build_bytes(&b), &on, &module, NULL));
        wag_module_unref(module);
        build_free(&b);
    }
    wag_cluster_unref(cluster);
}

static void test_a_tier_that_does_not_exist_is_a_type_error(void **state)
{
    (void)state;
    build b = sample();
    wag_compile_options options = {.tier = (wag_tier)99};
    wag_error *error = NULL;
    ASSERT_ERR(wag_module_new(build_bytes(&b), &options, NULL, &error), WAG_TYPE);
    assert_class(error, WAG_CLASS_TYPE_ERROR);
    build_free(&b);
}

static void test_without_memory_compiling_fails_and_leaves_nothing(void **state)
{
    (void)state;
    build b = sample();
    wag_cluster *cluster = NULL;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    wag_compile_options options = {.cluster = cluster};
    bool done = false;
    for (uint64_t successes = 0; !done; successes++) {
        assert_true(successes < 1000);
        wag_module *module = NULL;
        wag_error *error = NULL;
        wagi_alloc_fail_after(successes);
        wag_err err = wag_module_new(build_bytes(&b), &options, &module, &error);
        bool valid = wag_validate(build_bytes(&b), &options);
        wagi_alloc_fail_after(UINT64_MAX);
        done = err == WAG_OK && valid;
        if (err != WAG_OK) {
            assert_int_equal(err, WAG_NOMEM);
            assert_class(error, WAG_CLASS_RANGE_ERROR);
        }
        wag_module_unref(module);
        assert_int_equal(wag_live_modules(), live_before);
        assert_int_equal(wagi_registry_group_count(cluster->registry), 0);
    }
    wag_cluster_unref(cluster);
    build_free(&b);
    wagi_alloc_fail_after(0);
    wag_err err = wag_cluster_new(NULL, &cluster);
    wagi_alloc_fail_after(UINT64_MAX);
    assert_int_equal(err, WAG_NOMEM);
}

int main(void)
{
#define MODULE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        MODULE_TEST(test_the_first_users_of_the_default_cluster_get_the_same),
        MODULE_TEST(test_a_module_outlives_the_handle_of_its_cluster),
        MODULE_TEST(test_any_thread_may_hold_and_drop_a_module),
        MODULE_TEST(test_threads_compile_into_one_cluster_at_once),
        MODULE_TEST(test_a_cluster_has_compile_threads),
        MODULE_TEST(test_types_of_exports_and_imports_are_told_as_text),
        MODULE_TEST(test_kinds_of_externals_have_the_words_of_the_JS_API),
        MODULE_TEST(test_a_feature_that_the_tier_lacks_is_named_with_its_place),
        MODULE_TEST(test_a_proposal_that_is_off_is_invalid_and_named_with_its_place),
        MODULE_TEST(test_a_tier_that_does_not_exist_is_a_type_error),
        MODULE_TEST(test_without_memory_compiling_fails_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Stopping in the middle of one operation that takes long: a throw that looks for its handler in many frames with many
 * clauses or tries; a table that grows by much. */
#include "tests/support/check.h"

#include "tests/support/bytes.h"

/* Without looking at the stop limit on the way each throw below takes twenty times as long as the deadline. */
enum { CLAUSES = 50000, TRIES = 50000, FRAMES = 3000, DEADLINE_NS = 20000000 };

/* What a body has between its local declarations and its end. */
static void put_body(build *code, const build *ops)
{
    build_leb(code, ops->size + 2);
    build_u8(code, 0);
    build_raw(code, ops->data, ops->size);
    build_u8(code, 0x0B);
}

/* (func $f (param i32) throws $t behind so many calls of itself, each in a try with clauses for another tag, and
 * beside tries that are never entered. */
static build throwing_func(uint32_t clauses, uint32_t tries)
{
    build f = {0};
    build_raw(&f, "\x02\x40", 2); /* block */
    build_raw(&f, "\x41\x00\x04\x40", 4);
    for (uint32_t i = 0; i < tries; i++)
        build_raw(&f, "\x1F\x40\x01\x02\x01\x0B", 6); /* (try_table (catch_all 1)) */
    build_raw(&f, "\x0B\x1F\x40", 3);
    build_leb(&f, clauses);
    for (uint32_t i = 0; i < clauses; i++)
        build_raw(&f, "\x00\x01\x00", 3); /* (catch $other 0) */
    build_raw(&f, "\x20\x00\x45\x04\x40\x08\x00\x05", 8);
    build_raw(&f, "\x20\x00\x41\x01\x6B\x10\x00\x0B", 8);
    build_raw(&f, "\x0B\x0B", 2);
    return f;
}

/* (func (export "catch") (param i32) (result i32) calls $f and gives 1 when that has thrown. own: free with build_free.
 */
static build catching_module(uint32_t clauses, uint32_t tries)
{
    build b = {0}, f = throwing_func(clauses, tries), g = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, 1, "\x03\x60\x00\x00\x60\x01\x7F\x00\x60\x01\x7F\x01\x7F");
    BUILD_WHOLE(&b, 3, "\x02\x01\x02");
    BUILD_WHOLE(&b, 13, "\x02\x00\x00\x00\x00");
    BUILD_WHOLE(&b, 7,
                "\x01\x05"
                "catch\x00\x01");
    size_t code = build_section(&b, 10);
    build_u8(&b, 2);
    put_body(&b, &f);
    build_raw(&g, "\x02\x40\x1F\x40\x01\x02\x00\x20\x00\x10\x00\x0B\x41\x00\x0F\x0B\x41\x01", 18);
    put_body(&b, &g);
    build_end(&b, code);
    build_free(&f);
    build_free(&g);
    return b;
}

static wag_instance *instance_in(wag_tier tier, wag_bytes bytes)
{
    wag_compile_options options = {.tier = tier};
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    if (wag_module_new(bytes, &options, &module, &error) != WAG_OK ||
        wag_instance_new(module, NULL, &instance, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    wag_module_unref(module);
    return instance;
}

static void test_a_throw_that_searches_many_frames_is_stopped(void **state)
{
    (void)state;
    static const wag_tier tiers[] = {WAG_TIER_INTERP, WAG_TIER_NATIVE_GUARD, WAG_TIER_NATIVE_CHECKED};
    for (size_t t = 0; t < sizeof tiers / sizeof tiers[0]; t++) {
        /* Entering a try passes over its clauses in the interpreter; native code never sees tries that are not open. */
        bool is_interp = tiers[t] == WAG_TIER_INTERP;
        build b = catching_module(is_interp ? 1 : CLAUSES, is_interp ? TRIES : 0);
        wag_instance *instance = instance_in(tiers[t], build_bytes(&b));
        wag_func *func = wag_exports_func(wag_instance_exports(instance), "catch");
        wag_val deep = WAG_VAL_I32(FRAMES), flat = WAG_VAL_I32(2), result;
        wag_error *error = NULL;
        ASSERT_ERR(wag_call_until(func, &deep, 1, &result, 1, wag_deadline_in(DEADLINE_NS), &error), WAG_DEADLINE);
        ASSERT_ERR(wag_error_code(error), WAG_DEADLINE);
        wag_error_unref(error);
        ASSERT_OK(wag_call(func, &flat, 1, &result, 1, NULL));
        assert_int_equal(result.of.i32, 1);
        wag_instance_unref(instance);
        build_free(&b);
    }
}

static void test_growing_a_table_that_is_stopped_takes_nothing_from_the_instance(void **state)
{
    (void)state;
    enum { LIMIT = 300000, MUCH = 200000 }; /* more than is filled between two looks at the stop limit */
    wag_bytes bytes = wat("(module (table (export \"t\") 0 funcref))");
    wag_cluster *cluster = NULL;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_instance_table_entries, LIMIT));
    ASSERT_OK(wag_agent_close());
    ASSERT_OK(wag_agent_open(cluster));
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    ASSERT_OK(wag_module_new(bytes, &(wag_compile_options){.cluster = cluster}, &module, NULL));
    ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
    wag_table *table = wag_exports_table(wag_instance_exports(instance), "t");
    wag_val null = WAG_VAL_FUNC(NULL);
    for (int i = 0; i < 3; i++) {
        wag_agent_interrupt(wag_agent_current());
        ASSERT_ERR(wag_table_grow(table, MUCH, null, NULL), WAG_RANGE);
        ASSERT_ERR(wag_agent_run(), WAG_INTERRUPTED);
    }
    assert_int_equal(wag_table_size(table), 0);
    ASSERT_OK(wag_table_grow(table, LIMIT, null, NULL));
    ASSERT_ERR(wag_table_grow(table, 1, null, NULL), WAG_RANGE);
    wag_instance_unref(instance);
    wag_module_unref(module);
    ASSERT_OK(wag_agent_close());
    wag_cluster_unref(cluster);
    wat_free(bytes);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_throw_that_searches_many_frames_is_stopped),
        cmocka_unit_test(test_growing_a_table_that_is_stopped_takes_nothing_from_the_instance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

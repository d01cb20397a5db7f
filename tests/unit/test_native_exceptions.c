/* Exceptions in native code and between the tiers: what a handler finds in its locals, how far an exception goes, and
 * what it does not catch. Functions of the module (byte by byte; wat2wasm of Debian 12 knows no try_table):
 *   deep (n)      throws 77 when n is 0, else deep (n - 1) + 1
 *   catch (n)     deep (n), what it throws when it does
 *   live (a ... x n)   a = a + 1; the sum of all and of what deep (n) throws
 *   sum (n)       for i below n: i, or what odd (i) throws
 *   odd (i)       throws 10 i when i is odd, else i
 *   out (n)       f (n) of the host, what it throws when it does
 *   raw (n)       f (n)
 *   trap (n)      unreachable, inside of a try that catches all; else 7
 *   far (n)       f (n) inside of a try for another tag, that inside of one that catches all: 5
 */
#include "tests/support/check.h"

#include "runtime/agent.h"
#include "tests/support/bytes.h"

static build module_bytes(void)
{
    static const char *const names[] = {"deep", "catch", "live", "sum", "odd", "out", "raw", "trap", "far"};
    enum { COUNT = sizeof names / sizeof *names };
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, 1,
                "\x03\x60\x01\x7F\x00"                               /* 0 (i32) -> () */
                "\x60\x01\x7F\x01\x7F"                               /* 1 (i32) -> (i32) */
                "\x60\x08\x7E\x7E\x7E\x7E\x7E\x7E\x7C\x7F\x01\x7C"); /* 2 */
    BUILD_WHOLE(&b, 2,
                "\x02\x01m\x03tag\x04\x00\x00\x01m\x01"
                "f\x00\x01");
    BUILD_WHOLE(&b, 3, "\x09\x01\x01\x02\x01\x01\x01\x01\x01\x01");
    BUILD_WHOLE(&b, 13, "\x01\x00\x00");
    size_t section = build_section(&b, 7);
    build_leb(&b, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        build_name(&b, names[i]);
        build_u8(&b, 0);
        build_u8(&b, i + 1);
    }
    build_end(&b, section);
    section = build_section(&b, 10);
    build_leb(&b, COUNT);
#define BODY(literal)                                                                                                  \
    do {                                                                                                               \
        size_t body_ = build_begin(&b);                                                                                \
        build_raw(&b, "" literal, sizeof(literal) - 1);                                                                \
        build_end(&b, body_);                                                                                          \
    } while (0)
#define TRY "\x02\x7F\x1F\x7F\x01\x00\x00\x00" /* block i32, try_table i32 that catches the imported tag there */
#define END_TRY "\x0B\x0B"
    BODY("\x00\x20\x00\x45\x04\x40\x41\xCD\x00\x08\x00\x0B\x20\x00\x41\x01\x6B\x10\x01\x41\x01\x6A\x0B");
    BODY("\x00" TRY "\x20\x00\x10\x01" END_TRY "\x0B");
    BODY("\x00\x20\x00\x42\x01\x7C\x21\x00" TRY "\x20\x07\x10\x01" END_TRY
         "\xAC\x20\x00\x7C\x20\x01\x7C\x20\x02\x7C\x20\x03\x7C\x20\x04\x7C\x20\x05\x7C\xB9\x20\x06\xA0\x0B");
    BODY("\x01\x02\x7F\x03\x40" TRY "\x20\x01\x10\x05" END_TRY
         "\x20\x02\x6A\x21\x02\x20\x01\x41\x01\x6A\x22\x01\x20\x00\x48\x0D\x00\x0B\x20\x02\x0B");
    BODY("\x00\x20\x00\x41\x01\x71\x04\x40\x20\x00\x41\x0A\x6C\x08\x00\x0B\x20\x00\x0B");
    BODY("\x00" TRY "\x20\x00\x10\x00" END_TRY "\x0B");
    BODY("\x00\x20\x00\x10\x00\x0B");
    BODY("\x00\x02\x40\x1F\x40\x01\x02\x00\x00\x0B\x0B\x41\x07\x0B");
    BODY("\x00\x02\x40\x1F\x40\x01\x02\x00"
         "\x02\x7F\x1F\x7F\x01\x00\x01\x00\x20\x00\x10\x00\x0B\x0B\x0F\x0B\x0B\x41\x05\x0B");
    build_end(&b, section);
    return b;
}

static wag_tag *tag;

/* f: a function, or NULL for the host's. own. */
static wag_instance *instance_in(wag_tier tier, wag_func *f, wag_host_func host, void *context)
{
    build b = module_bytes();
    wag_compile_options options = {.tier = tier, .cluster = wag_agent_current()->cluster};
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set(imports, "m", "tag", WAG_TAG(tag)));
    if (f)
        ASSERT_OK(wag_imports_set(imports, "m", "f", WAG_FUNC(f)));
    else
        ASSERT_OK(wag_imports_set_func(imports, "m", "f", NULL, host, context, NULL));
    if (wag_module_new(build_bytes(&b), &options, &module, &error) != WAG_OK ||
        wag_instance_new(module, imports, &instance, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    wag_module_unref(module);
    wag_imports_unref(imports);
    build_free(&b);
    return instance;
}

static wag_err call(const wag_instance *instance, const char *name, int32_t n, int32_t *ret_result,
                    wag_error **reterr_error)
{
    wag_val arg = WAG_VAL_I32(n), result = {0};
    wag_err err = wag_call(export_of(instance, name), &arg, 1, &result, 1, reterr_error);
    *ret_result = result.of.i32;
    return err;
}

static int32_t value_of(const wag_instance *instance, const char *name, int32_t n)
{
    int32_t result;
    ASSERT_OK(call(instance, name, n, &result, NULL));
    return result;
}

static wag_error *identity(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    results[0] = args[0];
    return NULL;
}

static const wag_tier tiers[] = {WAG_TIER_INTERP, WAG_TIER_NATIVE_CHECKED, WAG_TIER_NATIVE_GUARD};
enum { TIERS = sizeof tiers / sizeof *tiers };

static int setup(void **state)
{
    (void)state;
    ASSERT_OK(wag_tag_new("(i32)", &tag, NULL));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wag_tag_unref(tag);
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 0);
    assert_int_equal(wag_agent_close(), WAG_OK);
    return 0;
}

static void test_a_handler_finds_all_its_locals_after_many_frames_have_gone(void **state)
{
    (void)state;
    for (unsigned t = 0; t < TIERS; t++) {
        wag_instance *instance = instance_in(tiers[t], NULL, identity, NULL);
        for (int32_t n = 0; n <= 1000; n += 250) {
            wag_val args[8] = {WAG_VAL_I64(1),     WAG_VAL_I64(20),     WAG_VAL_I64(300), WAG_VAL_I64(4000),
                               WAG_VAL_I64(50000), WAG_VAL_I64(600000), WAG_VAL_F64(0.5), WAG_VAL_I32(n)};
            wag_val result = {0};
            ASSERT_OK(wag_call(export_of(instance, "live"), args, 8, &result, 1, NULL));
            assert_true(result.of.f64 == 654321 + 1 + 77 + 0.5);
            assert_int_equal(value_of(instance, "catch", n), 77);
        }
        wag_instance_unref(instance);
    }
}

static void test_a_try_in_a_loop_catches_each_time(void **state)
{
    (void)state;
    for (unsigned t = 0; t < TIERS; t++) {
        wag_instance *instance = instance_in(tiers[t], NULL, identity, NULL);
        assert_int_equal(value_of(instance, "sum", 100), 2450 + 25000);
        wag_instance_unref(instance);
    }
}

static void test_exceptions_go_from_any_tier_through_any_to_any(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TIERS * TIERS * TIERS; i++) {
        wag_instance *inner = instance_in(tiers[i % TIERS], NULL, identity, NULL);
        wag_instance *middle = instance_in(tiers[i / TIERS % TIERS], export_of(inner, "deep"), NULL, NULL);
        wag_instance *outer = instance_in(tiers[i / TIERS / TIERS], export_of(middle, "raw"), NULL, NULL);
        assert_int_equal(value_of(outer, "out", 10), 77);
        assert_int_equal(value_of(outer, "far", 10), 5);
        int32_t ignored;
        wag_error *error = NULL;
        ASSERT_ERR(call(outer, "raw", 3, &ignored, &error), WAG_UNCAUGHT_EXCEPTION);
        assert_int_equal(wag_error_frame_count(error), 6); /* deep four times, raw twice */
        wag_val payload;
        ASSERT_OK(wag_exception_arg(wag_error_exception(error), tag, 0, &payload));
        assert_int_equal(payload.of.i32, 77);
        wag_error_unref(error);
        wag_instance_unref(outer);
        wag_instance_unref(middle);
        wag_instance_unref(inner);
    }
}

/* Calls deep of the instance in its context, looks at what it throws, and throws it on. */
typedef struct relay {
    wag_instance *instance;
    wag_exception *seen; /* compared only */
} relay;

static wag_error *pass_on(void *context, const wag_val *args, wag_val *results)
{
    relay *r = context;
    wag_error *error = NULL;
    if (wag_call(export_of(r->instance, "deep"), args, 1, results, 1, &error) != WAG_OK)
        r->seen = wag_error_exception(error);
    return error;
}

static void test_a_host_function_passes_an_exception_on(void **state)
{
    (void)state;
    for (unsigned t = 0; t < TIERS; t++) {
        relay r = {instance_in(tiers[t], NULL, identity, NULL), NULL};
        wag_instance *outer = instance_in(tiers[(t + 1) % TIERS], NULL, pass_on, &r);
        assert_int_equal(value_of(outer, "out", 4), 77);
        assert_non_null(r.seen);
        int32_t ignored;
        wag_error *error = NULL;
        ASSERT_ERR(call(outer, "raw", 4, &ignored, &error), WAG_UNCAUGHT_EXCEPTION);
        assert_ptr_equal(wag_error_exception(error), r.seen);
        wag_error_unref(error);
        wag_instance_unref(outer);
        wag_instance_unref(r.instance);
    }
}

static wag_error *interrupt(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)args, (void)results;
    wag_agent_interrupt(wag_agent_current());
    return NULL;
}

static void test_no_clause_catches_a_trap_or_an_interrupt_or_an_overflow(void **state)
{
    (void)state;
    for (unsigned t = 0; t < TIERS; t++) {
        int32_t ignored;
        wag_error *error = NULL;
        wag_instance *instance = instance_in(tiers[t], NULL, interrupt, NULL);
        ASSERT_ERR(call(instance, "trap", 0, &ignored, &error), WAG_UNREACHABLE);
        assert_int_equal(wag_error_frame_count(error), 1);
        wag_error_unref(error);
        ASSERT_ERR(call(instance, "far", 0, &ignored, NULL), WAG_INTERRUPTED);
        wag_instance *outer = instance_in(tiers[t], export_of(instance, "deep"), NULL, NULL);
        ASSERT_ERR(call(outer, "far", 1 << 30, &ignored, NULL), WAG_STACK_OVERFLOW);
        assert_int_equal(value_of(outer, "far", 5), 5); /* all is usable afterwards */
        wag_instance_unref(outer);
        wag_instance_unref(instance);
    }
}

static void test_throwing_without_room_in_the_heap_is_a_trap(void **state)
{
    (void)state;
    for (unsigned t = 0; t < TIERS; t++) {
        wag_cluster *cluster = NULL;
        ASSERT_OK(wag_cluster_new(NULL, &cluster));
        ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_heap_bytes, 1));
        ASSERT_OK(wag_agent_open(cluster));
        wag_cluster_unref(cluster);
        setup(NULL);
        wag_instance *instance = instance_in(tiers[t], NULL, identity, NULL);
        int32_t ignored;
        ASSERT_ERR(call(instance, "catch", 2, &ignored, NULL), WAG_OUT_OF_HEAP);
        wag_instance_unref(instance);
        teardown(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_handler_finds_all_its_locals_after_many_frames_have_gone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_try_in_a_loop_catches_each_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exceptions_go_from_any_tier_through_any_to_any, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_host_function_passes_an_exception_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_clause_catches_a_trap_or_an_interrupt_or_an_overflow, setup, teardown),
        cmocka_unit_test(test_throwing_without_room_in_the_heap_is_a_trap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

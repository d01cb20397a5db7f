/* Objects of the heap in native code, beside the interpreter: vectors as elements and fields, which take two slots
 * where others take one; what branches on null say about a reference, and how long it holds. */
#include "tests/support/check.h"

#include "tests/support/bytes.h"

#define BYTES_16(x) x x x x x x x x x x x x x x x x
#define VECTOR(x) "\xFD\x0C" BYTES_16(x)
#define LANE(n) "\xFD\x1D" n

/* run (n): an array of n vectors of 1, a part of it filled with 2, its last one set to 4; the sum of lanes of three
 * elements and of a vector of 1 that was a field. */
static build module_bytes(void)
{
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, 1,
                "\x03\x5E\x7B\x01"           /* 0 (array (mut v128)) */
                "\x60\x01\x7F\x01\x7E"       /* 1 (i32) -> (i64) */
                "\x5F\x02\x7F\x01\x7B\x01"); /* 2 (struct (mut i32) (mut v128)) */
    BUILD_WHOLE(&b, 3, "\x01\x01");
    BUILD_WHOLE(&b, 7, "\x01\x03run\x00\x00");
    size_t section = build_section(&b, 10), body;
    build_leb(&b, 1);
    body = build_begin(&b);
    static const char code[] = "\x01\x01\x63\x00" VECTOR(
        "\1") "\x20\x00\xFB\x06\x00\x21\x01"
              "\x20\x01\x41\x01" VECTOR(
                  "\2") "\x41\x02\xFB\x10\x00"
                        "\x20\x01\x20\x00\x41\x01\x6B" VECTOR(
                            "\4") "\xFB\x0E\x00"
                                  "\x20\x01\x41\x00\xFB\x0B\x00" LANE("\0") "\x20\x01\x41\x02\xFB\x0B\x00" LANE(
                                      "\1") "\x7C"
                                            "\x20\x01\x20\x00\x41\x01\x6B\xFB\x0B\x00" LANE(
                                                "\1") "\x7C"
                                                      "\x20\x00" VECTOR("\1") "\xFB\x00\x02\xFB\x02\x02\x01" LANE(
                                                          "\0") "\x7C\x0B";
    build_raw(&b, code, sizeof code - 1);
    build_end(&b, body);
    build_end(&b, section);
    return b;
}

static void test_vectors_are_elements_and_fields_in_every_tier(void **state)
{
    (void)state;
    static const wag_tier tiers[] = {WAG_TIER_INTERP, WAG_TIER_NATIVE_CHECKED, WAG_TIER_NATIVE_GUARD};
    for (unsigned t = 0; t < sizeof tiers / sizeof *tiers; t++) {
        build b = module_bytes();
        wag_compile_options options = {.tier = tiers[t]};
        wag_module *module = NULL;
        wag_instance *instance = NULL;
        wag_error *error = NULL;
        if (wag_module_new(build_bytes(&b), &options, &module, &error) != WAG_OK)
            fail_msg("%s", wag_error_message(error));
        ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
        wag_val n = WAG_VAL_I32(5), result = {0};
        ASSERT_OK(wag_call(wag_exports_func(wag_instance_exports(instance), "run"), &n, 1, &result, 1, NULL));
        assert_true(result.of.i64 == 0x0808080808080808);
        wag_instance_unref(instance);
        wag_module_unref(module);
        build_free(&b);
    }
    assert_int_equal(wag_agent_close(), WAG_OK);
}

/* run (n): local 1 is null for n = 0, else an object with 7. Known not to be null by br_if, as a copy, as a block's
 * result, by if; null again in local 2 for n = 2 and in local 1 for n = 3, behind a join, and for n = 4 in a row. */
static build null_module(void)
{
#define SET_NULL_IF(n, local) "\x20\x00\x41" n "\x46\x04\x40\xD0\x00\x21" local
#define GET(local) "\x20" local "\xFB\x02\x00\x00"
#define ADD_TO_3 "\x20\x03\x6A\x21\x03"
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, 1, "\x02\x5F\x01\x7F\x01\x60\x01\x7F\x01\x7F"); /* (struct (mut i32)), (i32) -> (i32) */
    BUILD_WHOLE(&b, 3, "\x01\x01");
    BUILD_WHOLE(&b, 7, "\x01\x03run\x00\x00");
    size_t section = build_section(&b, 10), body;
    build_leb(&b, 1);
    body = build_begin(&b);
    static const char code[] = "\x02\x02\x63\x00\x01\x7F"
                               "\x20\x00\x45\x04\x63\x00\xD0\x00\x05\x41\x07\xFB\x00\x00\x0B\x21\x01"
                               "\x02\x40\x20\x01\xD1\x0D\x00" GET("\x01") "\x21\x03"
                                                                          "\x20\x01\x21\x02" GET("\x02") ADD_TO_3
        "\x02\x64\x00\x20\x01\xD6\x00\x00\x0B\xFB\x02\x00\x00" ADD_TO_3 SET_NULL_IF("\x02", "\x02") "\x0B" SET_NULL_IF(
            "\x03", "\x01") "\x0B" GET("\x02") ADD_TO_3
        "\x0B"
        "\x20\x01\xD1\x04\x7F\x41\xE4\x00\x05" GET(
            "\x01") "\x0B\x20\x03\x6A"
                    "\x20\x00\x41\x04\x46\x04\x40" GET("\x01") "\x1A\xD0\x00\x21\x01" GET("\x01") "\x1A\x0B\x0B";
    build_raw(&b, code, sizeof code - 1);
    build_end(&b, body);
    build_end(&b, section);
    return b;
}

static void test_what_is_known_of_a_reference_ends_with_the_next_write_and_where_paths_join(void **state)
{
    (void)state;
    static const wag_tier tiers[] = {WAG_TIER_INTERP, WAG_TIER_NATIVE_CHECKED, WAG_TIER_NATIVE_GUARD};
    static const int32_t results[] = {100, 35, -1, 128, -1}; /* by n; -1: a trap */
    for (unsigned t = 0; t < sizeof tiers / sizeof *tiers; t++) {
        build b = null_module();
        wag_compile_options options = {.tier = tiers[t]};
        wag_module *module = NULL;
        wag_instance *instance = NULL;
        wag_error *error = NULL;
        if (wag_module_new(build_bytes(&b), &options, &module, &error) != WAG_OK)
            fail_msg("%s", wag_error_message(error));
        ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
        for (int32_t n = 0; n < 5; n++) {
            wag_val argument = WAG_VAL_I32(n), result = {0};
            wag_err err =
                wag_call(wag_exports_func(wag_instance_exports(instance), "run"), &argument, 1, &result, 1, NULL);
            assert_int_equal(err, results[n] < 0 ? WAG_NULL_STRUCT : WAG_OK);
            if (err == WAG_OK)
                assert_int_equal(result.of.i32, results[n]);
        }
        wag_instance_unref(instance);
        wag_module_unref(module);
        build_free(&b);
    }
    assert_int_equal(wag_agent_close(), WAG_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_are_elements_and_fields_in_every_tier),
        cmocka_unit_test(test_what_is_known_of_a_reference_ends_with_the_next_write_and_where_paths_join),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

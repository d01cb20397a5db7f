/* Module: validate, compile, the statics, immutability. One test per statement, named by its id. */
#define _GNU_SOURCE
#include <pthread.h>

#include "tests/support/check.h"

static const uint8_t truncated[] = {0, 'a', 's', 'm', 1, 0, 0};

static void assert_name(wag_name name, const char *wanted)
{
    assert_int_equal(name.size, strlen(wanted));
    assert_memory_equal(name.data, wanted, name.size);
}

static void test_M_01_validate_returns_a_bool(void **state)
{
    (void)state;
    wag_bytes bytes = wat("(module (func (result i32) i32.const 1))");
    assert_true(wag_validate(bytes, NULL));
    assert_false(wag_validate((wag_bytes){truncated, sizeof truncated}, NULL));
    assert_false(wag_validate((wag_bytes){NULL, 0}, NULL));
    assert_false(wag_validate((wag_bytes){NULL, 8}, NULL));
    wat_free(bytes);
}

static void test_M_02_compile_settles_by_a_task_and_rejects_with_compile_error(void **state)
{
    (void)state;
    wag_bytes bytes = wat("(module)");
    wag_promise_module *promise = wag_compile(bytes, NULL);
    assert_int_equal(wag_poll(promise), WAG_PENDING);
    wag_module *module = NULL;
    ASSERT_OK(wag_await(promise, &module, NULL));
    wag_module_unref(module);
    wag_promise_unref(promise);
    wat_free(bytes);
    promise = wag_compile((wag_bytes){truncated, sizeof truncated}, NULL);
    assert_int_equal(wag_poll(promise), WAG_PENDING);
    wag_error *error = NULL;
    ASSERT_ERR(wag_await(promise, &module, &error), WAG_MALFORMED);
    assert_class(error, WAG_CLASS_COMPILE_ERROR);
    wag_promise_unref(promise);
}

static void test_M_03_the_constructor_is_the_synchronous_form(void **state)
{
    (void)state;
    wag_error *error = NULL;
    wag_module *module = NULL;
    ASSERT_ERR(wag_module_new((wag_bytes){truncated, sizeof truncated}, NULL, &module, &error), WAG_MALFORMED);
    assert_null(module);
    assert_class(error, WAG_CLASS_COMPILE_ERROR);
    ASSERT_ERR(wag_module_new((wag_bytes){NULL, 8}, NULL, &module, &error), WAG_TYPE);
    assert_class(error, WAG_CLASS_TYPE_ERROR);
    module = module_of("(module)");
    wag_module_unref(module);
}

static void test_M_04_exports_gives_name_and_kind_in_order(void **state)
{
    (void)state;
    wag_module *module = module_of("(module (func (export \"f\") (param i32) (result i64) i64.const 0)"
                                   " (table (export \"t\") 1 2 funcref) (memory (export \"m\") 1)"
                                   " (global (export \"g\") (mut f32) (f32.const 0)) (tag (export \"e\")))");
    static const struct {
        const char *name, *kind, *type;
    } rows[] = {{"f", "function", "(func (param i32) (result i64))"},
                {"t", "table", "(table 1 2 funcref)"},
                {"m", "memory", "(memory 1)"},
                {"g", "global", "(global (mut f32))"},
                {"e", "tag", NULL}};
    assert_int_equal(wag_module_export_count(module), 5);
    for (size_t i = 0; i < 5; i++) {
        wag_export_desc export;
        assert_true(wag_module_export_at(module, i, &export));
        assert_name(export.name, rows[i].name);
        assert_string_equal(wag_extern_kind_name(export.kind), rows[i].kind);
        char *type = wag_module_export_type(module, i);
        assert_non_null(type);
        if (rows[i].type)
            assert_string_equal(type, rows[i].type);
        wag_text_free(type);
    }
    wag_export_desc untouched = {.name = {"x", 1}};
    assert_false(wag_module_export_at(module, 5, &untouched));
    assert_name(untouched.name, "x");
    wag_module_unref(module);
}

static void test_M_05_imports_gives_module_name_and_kind_in_order(void **state)
{
    (void)state;
    wag_module *module = module_of("(module (import \"a\" \"f\" (func)) (import \"b\" \"t\" (table 0 externref))"
                                   " (import \"a\" \"m\" (memory 0)) (import \"\" \"\" (global i32)))");
    static const struct {
        const char *module, *name, *kind;
    } rows[] = {{"a", "f", "function"}, {"b", "t", "table"}, {"a", "m", "memory"}, {"", "", "global"}};
    assert_int_equal(wag_module_import_count(module), 4);
    for (size_t i = 0; i < 4; i++) {
        wag_import_desc import;
        assert_true(wag_module_import_at(module, i, &import));
        assert_name(import.module, rows[i].module);
        assert_name(import.name, rows[i].name);
        assert_string_equal(wag_extern_kind_name(import.kind), rows[i].kind);
    }
    assert_false(wag_module_import_at(module, 4, NULL));
    wag_module_unref(module);
}

static void test_M_06_custom_sections_match_exactly_and_come_in_order(void **state)
{
    (void)state;
    /* section "nn", then the id of a section that has no size */
    static const uint8_t cut[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 0, 3, 2, 'n', 'n', 9};
    /* three sections: "n" [1 2], "nn" [], "n" [3] */
    static const uint8_t module_bytes[] = {0, 'a', 's', 'm', 1, 0,   0,   0, 0, 4, 1,   'n',
                                           1, 2,   0,   3,   2, 'n', 'n', 0, 3, 1, 'n', 3};
    wag_module *module = NULL;
    ASSERT_OK(wag_module_new((wag_bytes){module_bytes, sizeof module_bytes}, NULL, &module, NULL));
    assert_int_equal(wag_module_custom_section_count(module, WAG_NAME("n")), 2);
    assert_int_equal(wag_module_custom_section_count(module, WAG_NAME("nn")), 1);
    assert_int_equal(wag_module_custom_section_count(module, WAG_NAME("")), 0);
    wag_bytes section;
    assert_true(wag_module_custom_section_at(module, WAG_NAME("n"), 0, &section));
    assert_int_equal(section.size, 2);
    assert_int_equal(section.data[1], 2);
    assert_true(wag_module_custom_section_at(module, WAG_NAME("n"), 1, &section));
    assert_int_equal(section.size, 1);
    assert_int_equal(section.data[0], 3);
    assert_true(wag_module_custom_section_at(module, WAG_NAME("nn"), 0, &section));
    assert_int_equal(section.size, 0);
    assert_false(wag_module_custom_section_at(module, WAG_NAME("n"), 2, &section));
    wag_module_unref(module);
    ASSERT_ERR(wag_module_new((wag_bytes){cut, sizeof cut}, NULL, &module, NULL), WAG_MALFORMED);
}

static void test_M_07_the_module_keeps_its_source_bytes(void **state)
{
    (void)state;
    wag_bytes bytes = wat("(module (func (export \"f\")))");
    wag_module *module = NULL;
    ASSERT_OK(wag_module_new(bytes, NULL, &module, NULL));
    wag_bytes kept = wag_module_bytes(module);
    assert_int_equal(kept.size, bytes.size);
    assert_memory_equal(kept.data, bytes.data, bytes.size);
    wag_module_unref(module);
    wat_free(bytes);
}

static void *make_module(void *context)
{
    /* a cluster and an agent of this thread's own, gone before the module is used */
    wag_cluster *cluster = NULL;
    wag_module *module = NULL;
    if (wag_cluster_new(NULL, &cluster) != WAG_OK || wag_agent_open(cluster) != WAG_OK)
        return NULL;
    wag_compile_options options = {.cluster = cluster};
    if (wag_module_new(*(wag_bytes *)context, &options, &module, NULL) != WAG_OK)
        module = NULL;
    wag_agent_close();
    wag_cluster_unref(cluster);
    return module;
}

static void test_M_08_a_module_outlives_the_thread_agent_and_cluster_that_made_it(void **state)
{
    (void)state;
    wag_bytes bytes = wat("(module (func (export \"f\") (result i32) i32.const 9))");
    size_t before = wag_live_modules();
    pthread_t thread;
    void *made = NULL;
    assert_int_equal(pthread_create(&thread, NULL, make_module, &bytes), 0);
    pthread_join(thread, &made);
    wag_module *module = made;
    assert_non_null(module);
    assert_int_equal(wag_live_modules(), before + 1);
    assert_int_equal(wag_module_export_count(module), 1);
    assert_int_equal(wag_module_bytes(module).size, bytes.size);
    wag_module_unref(wag_module_ref(module));
    wag_module_unref(module);
    assert_int_equal(wag_live_modules(), before);
    wat_free(bytes);
}

static void test_M_09_SER_09_digest_is_the_sha256_of_the_bytes_and_serialize_round_trips(void **state)
{
    (void)state;
    static const uint8_t smallest[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    /* printf '\0asm\1\0\0\0' | sha256sum */
    static const uint8_t wanted[32] = {0x93, 0xa4, 0x4b, 0xbb, 0x96, 0xc7, 0x51, 0x21, 0x8e, 0x4c, 0x00,
                                       0xd4, 0x79, 0xe4, 0xc1, 0x43, 0x58, 0x12, 0x2a, 0x38, 0x9a, 0xcc,
                                       0xa1, 0x62, 0x05, 0xb1, 0xe4, 0xd0, 0xdc, 0x5f, 0x94, 0x76};
    wag_module *module = NULL, *copy = NULL;
    ASSERT_OK(wag_module_new((wag_bytes){smallest, sizeof smallest}, NULL, &module, NULL));
    wag_digest digest;
    wag_module_digest(module, &digest);
    assert_memory_equal(digest.bytes, wanted, sizeof wanted);
    uint8_t *data = NULL;
    size_t size = 0;
    ASSERT_OK(wag_module_serialize(module, &data, &size));
    ASSERT_OK(wag_module_deserialize((wag_bytes){data, size}, NULL, &copy, NULL));
    assert_memory_equal(wag_module_bytes(copy).data, smallest, sizeof smallest);
    wag_module_unref(copy);
    size_t only_size = 0;
    ASSERT_OK(wag_module_serialize(module, NULL, &only_size));
    assert_int_equal(only_size, size);
    ASSERT_OK(wag_module_serialize(module, NULL, NULL));
    ASSERT_ERR(wag_module_serialize(NULL, &data, &size), WAG_TYPE); /* and nothing is written */
    assert_int_equal(only_size, size);
    /* hostile: every cut and every flipped byte is refused with an error */
    for (size_t i = 0; i < size; i++) {
        wag_error *error = NULL;
        assert_int_not_equal(wag_module_deserialize((wag_bytes){data, i}, NULL, &copy, &error), WAG_OK);
        assert_class(error, WAG_CLASS_COMPILE_ERROR);
        data[i] ^= 0x20;
        assert_int_not_equal(wag_module_deserialize((wag_bytes){data, size}, NULL, &copy, &error), WAG_OK);
        assert_class(error, WAG_CLASS_COMPILE_ERROR);
        data[i] ^= 0x20;
    }
    wag_buffer_free(data);
    wag_module_unref(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_M_01_validate_returns_a_bool),
        cmocka_unit_test(test_M_02_compile_settles_by_a_task_and_rejects_with_compile_error),
        cmocka_unit_test(test_M_03_the_constructor_is_the_synchronous_form),
        cmocka_unit_test(test_M_04_exports_gives_name_and_kind_in_order),
        cmocka_unit_test(test_M_05_imports_gives_module_name_and_kind_in_order),
        cmocka_unit_test(test_M_06_custom_sections_match_exactly_and_come_in_order),
        cmocka_unit_test(test_M_07_the_module_keeps_its_source_bytes),
        cmocka_unit_test(test_M_08_a_module_outlives_the_thread_agent_and_cluster_that_made_it),
        cmocka_unit_test(test_M_09_SER_09_digest_is_the_sha256_of_the_bytes_and_serialize_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

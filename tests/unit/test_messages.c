/* What errors say to the user, word by word: what was expected, what was there, and where. */
#include "tests/support/check.h"

#include "tests/support/bytes.h"

static wag_error *nothing(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)args, (void)results;
    return NULL;
}

/* error: own. */
static void assert_says(wag_error *error, const char *wanted)
{
    assert_non_null(error);
    assert_string_equal(wag_error_message(error), wanted);
    wag_error_unref(error);
}

/* b: own. */
static wag_module *module_from(build *b)
{
    wag_module *module = NULL;
    wag_error *error = NULL;
    if (wag_module_new(build_bytes(b), NULL, &module, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    build_free(b);
    return module;
}

static wag_error *link_error(wag_module *module, wag_imports *imports)
{
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    ASSERT_ERR(wag_instance_new(module, imports, &instance, &error), WAG_LINK);
    return error;
}

/* ---- CompileError ---- */

/* Types: 0 () -> (), 1 (struct (field (mut i32))), 2 (array i8), 3 () -> ((ref null 1)). One function of type 0. */
static wag_error *compile_error(const char *body, size_t size)
{
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, 1, "\x04\x60\x00\x00\x5F\x01\x7F\x01\x5E\x78\x00\x60\x00\x01\x63\x01");
    BUILD_WHOLE(&b, 3, "\x01\x00");
    size_t section = build_section(&b, 10);
    build_leb(&b, 1);
    size_t entry = build_begin(&b);
    build_u8(&b, 0);
    build_raw(&b, body, size);
    build_end(&b, entry);
    build_end(&b, section);
    wag_module *module = NULL;
    wag_error *error = NULL;
    ASSERT_ERR(wag_module_new(build_bytes(&b), NULL, &module, &error), WAG_INVALID);
    build_free(&b);
    return error;
}
#define COMPILE_ERROR(body) compile_error("" body, sizeof(body) - 1)

static void test_a_compile_error_names_types_by_their_indices_in_the_module(void **state)
{
    (void)state;
    wag_error *error = COMPILE_ERROR("\xD0\x02\xFB\x02\x01\x00\x1A\x0B"); /* ref.null 2; struct.get 1 0; drop */
    assert_string_equal(wag_error_wanted(error), "(ref null $1)");
    assert_string_equal(wag_error_given(error), "(ref null $2)");
    assert_says(error, "type mismatch: struct.get wants (ref null $1), found (ref null $2) in function 0 at byte 53");
    assert_says(COMPILE_ERROR("\x42\x00\x45\x1A\x0B"),
                "type mismatch: i32.eqz wants i32, found i64 in function 0 at byte 53");
    assert_says(COMPILE_ERROR("\x45\x1A\x0B"),
                "type mismatch: i32.eqz wants i32, found nothing in function 0 at byte 51");
}

static void test_a_tail_call_names_both_signatures(void **state)
{
    (void)state;
    assert_says(COMPILE_ERROR("\xD0\x03\x15\x03\x0B"), /* ref.null 3; return_call_ref 3 */
                "type mismatch: return_call_ref wants the results of (func), found (func (result (ref null $1))) in "
                "function 0 at byte 53");
}

/* ---- LinkError ---- */

static void test_a_link_error_writes_out_the_types_that_references_are_to(void **state)
{
    (void)state;
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, 1, "\x03\x5F\x01\x7F\x01\x60\x01\x63\x00\x00\x5F\x02\x63\x00\x00\x64\x00\x00");
    BUILD_WHOLE(&b, 2,
                "\x02\x01m\x01"
                "f\x00\x01\x01m\x01g\x03\x64\x02\x00");
    wag_module *module = module_from(&b);
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "f", "(anyref)", nothing, NULL, NULL));
    ASSERT_OK(wag_imports_set(imports, "m", "g", WAG_NUMBER(1)));
    wag_error **errors = NULL;
    size_t count = 0;
    ASSERT_OK(wag_imports_check(module, imports, &errors, &count));
    assert_int_equal(count, 2);
    assert_string_equal(wag_error_message(errors[0]),
                        "import 0 \"m\".\"f\": wanted (func (param (ref null (struct (field (mut i32)))))), got "
                        "(func (param anyref))");
    assert_string_equal(wag_error_message(errors[1]),
                        "import 1 \"m\".\"g\": wanted (global (ref (struct (field (ref null (struct ...))) (field "
                        "(ref (struct ...)))))), got number");
    wag_error_list_free(errors, count);
    char *text = wag_module_import_type(module, 0);
    assert_string_equal(text, "(func (param (ref null (struct (field (mut i32))))))");
    wag_text_free(text);
    wag_imports_unref(imports);
    wag_module_unref(module);
}

static void test_a_link_error_explains_why_the_same_words_are_not_the_same_type(void **state)
{
    (void)state;
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, 1, "\x01\x4E\x02\x60\x00\x00\x60\x00\x00"); /* (rec (type (func)) (type (func))) */
    BUILD_WHOLE(&b, 2,
                "\x01\x01m\x01"
                "f\x00\x00");
    wag_module *module = module_from(&b);
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "f", "()", nothing, NULL, NULL));
    wag_error *error = link_error(module, imports);
    assert_string_equal(wag_error_given(error), "(func)");
    assert_says(error,
                "import 0 \"m\".\"f\": wanted (func), got (func), another type: its recursion group, supertypes, "
                "finality or what it refers to differs");
    wag_imports_unref(imports);
    wag_module_unref(module);
}

static void test_a_type_of_a_thousand_fields_is_told_in_short(void **state)
{
    (void)state;
    build b = {0};
    build_preamble(&b);
    size_t section = build_section(&b, 1);
    build_raw(&b, "\x02\x5F", 2);
    build_leb(&b, 1000);
    for (int i = 0; i < 1000; i++)
        build_raw(&b, "\x7F\x00", 2);
    build_raw(&b, "\x60\x01\x63\x00\x00", 5);
    build_end(&b, section);
    BUILD_WHOLE(&b, 2,
                "\x01\x01m\x01"
                "f\x00\x01");
    wag_module *module = module_from(&b);
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "f", "()", nothing, NULL, NULL));
#define FIELDS "(field i32) (field i32) (field i32) (field i32)"
    assert_says(link_error(module, imports), "import 0 \"m\".\"f\": wanted (func (param (ref null (struct " FIELDS
                                             " " FIELDS " ...)))), got (func)");
#undef FIELDS
    wag_imports_unref(imports);
    wag_module_unref(module);
}

/* ---- TypeError ---- */

static void test_a_type_error_says_which_argument_and_what_it_must_be(void **state)
{
    (void)state;
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, 1, "\x02\x5F\x01\x7F\x01\x60\x02\x7E\x64\x00\x00");
    BUILD_WHOLE(&b, 3, "\x01\x01");
    BUILD_WHOLE(&b, 7,
                "\x01\x01"
                "f\x00\x00");
    BUILD_WHOLE(&b, 10, "\x01\x02\x00\x0B");
    wag_module *module = module_from(&b);
    wag_instance *instance = NULL;
    ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
    wag_func *func = wag_exports_func(wag_instance_exports(instance), "f");
    wag_error *error = NULL;
    ASSERT_ERR(wag_call(func, (wag_val[]){WAG_VAL_I64(1), WAG_VAL_EXTERN(NULL)}, 2, NULL, 0, &error), WAG_TYPE);
    assert_says(error, "argument 1 must be (ref (struct (field (mut i32)))), not externref");
    ASSERT_ERR(wag_call(func, (wag_val[]){WAG_VAL_I32(1), WAG_VAL_EXTERN(NULL)}, 2, NULL, 0, &error), WAG_TYPE);
    assert_says(error, "argument 0 must be i64, not i32");
    ASSERT_ERR(wag_call_value(func, (wag_value[]){WAG_BIGINT(1), WAG_NUMBER(1)}, 2, NULL, &error), WAG_TYPE);
    assert_says(error, "argument 1: wanted (ref (struct (field (mut i32)))), not number");
    ASSERT_ERR(wag_call_value(func, (wag_value[]){WAG_NUMBER(1)}, 1, NULL, &error), WAG_TYPE);
    assert_says(error, "argument 0: number cannot be converted to a bigint");
    wag_instance_unref(instance);
    wag_module_unref(module);
}

static void test_a_type_error_says_which_argument_of_an_exception_it_was(void **state)
{
    (void)state;
    wag_tag *tag = NULL;
    wag_exception *exception = NULL;
    wag_error *error = NULL;
    ASSERT_OK(wag_tag_new("(i32 i64)", &tag, NULL));
    ASSERT_ERR(wag_exception_new(tag, (wag_val[]){WAG_VAL_I32(1), WAG_VAL_F64(2)}, 2, &exception, &error), WAG_TYPE);
    assert_says(error, "argument 1 must be i64, not f64");
    wag_tag_unref(tag);
}

/* ---- RuntimeError ---- */

static void test_a_segment_that_does_not_fit_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"(module (memory 1) (data (i32.const 0) \"\") (data (i32.const 65533) \"abcd\"))",
         "out of bounds memory access: data segment 1 puts 4 bytes into memory 0 at 65533, which has 65536"},
        {"(module (table 3 funcref) (func $f) (elem (i32.const 2) $f $f))",
         "out of bounds table access: element segment 0 puts 2 into table 0 at 2, which has 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wag_module *module = module_of(cases[i].text);
        wag_instance *instance = NULL;
        wag_error *error = NULL;
        assert_int_not_equal(wag_instance_new(module, NULL, &instance, &error), WAG_OK);
        assert_int_equal(wag_error_get_class(error), WAG_CLASS_RUNTIME_ERROR);
        assert_says(error, cases[i].message);
        wag_module_unref(module);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_compile_error_names_types_by_their_indices_in_the_module),
        cmocka_unit_test(test_a_tail_call_names_both_signatures),
        cmocka_unit_test(test_a_link_error_writes_out_the_types_that_references_are_to),
        cmocka_unit_test(test_a_link_error_explains_why_the_same_words_are_not_the_same_type),
        cmocka_unit_test(test_a_type_of_a_thousand_fields_is_told_in_short),
        cmocka_unit_test(test_a_type_error_says_which_argument_and_what_it_must_be),
        cmocka_unit_test(test_a_type_error_says_which_argument_of_an_exception_it_was),
        cmocka_unit_test(test_a_segment_that_does_not_fit_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Import objects: how they are built, read and checked. The JS API's statements by id are in tests/api/. */
#include "tests/support/check.h"
#include "tests/support/text.h"

#include "base/alloc.h"
#include "runtime/agent.h"

static int store_is_empty(void **state)
{
    (void)state;
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 0);
    return 0;
}

static wag_error *nothing(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)args, (void)results;
    return NULL;
}

static wag_error *instantiate(const char *text, wag_imports *imports)
{
    wag_module *module = module_of(text);
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    wag_err err = wag_instance_new(module, imports, &instance, &error);
    assert_int_equal(err == WAG_OK, error == NULL);
    assert_int_equal(err == WAG_OK, instance != NULL);
    wag_instance_unref(instance);
    wag_module_unref(module);
    return error;
}

static void assert_fits(const char *text, wag_imports *imports)
{
    wag_error *error = instantiate(text, imports);
    if (error)
        fail_msg("%s: %s", text, wag_error_message(error));
}

static void assert_message(const char *text, wag_imports *imports, const char *wanted)
{
    wag_error *error = instantiate(text, imports);
    assert_non_null(error);
    assert_string_equal(wag_error_message(error), wanted);
    wag_error_unref(error);
}

/* ---- messages ---- */

static void test_a_link_error_says_everything_in_one_line(void **state)
{
    (void)state;
    wag_imports *imports = wag_imports_new();
    wag_memory *memory = NULL;
    wag_table *table = NULL;
    wag_tag *tag = NULL;
    ASSERT_OK(wag_memory_new(1, 3, &memory, NULL));
    ASSERT_OK(wag_table_new(WAG_EXTERNREF, 4, UINT64_MAX, WAG_VAL_EXTERN(NULL), &table, NULL));
    ASSERT_OK(wag_tag_new("(i64)", &tag, NULL));
    ASSERT_OK(wag_memory_grow(memory, 1, NULL, NULL));
    ASSERT_OK(wag_imports_set(imports, "e", "n", WAG_NUMBER(1)));
    ASSERT_OK(wag_imports_set(imports, "e", "m", WAG_MEMORY(memory)));
    ASSERT_OK(wag_imports_set(imports, "e", "t", WAG_TABLE(table)));
    ASSERT_OK(wag_imports_set(imports, "e", "tag", WAG_TAG(tag)));
    ASSERT_OK(wag_imports_set_func(imports, "e", "f", "(i64)", nothing, NULL, NULL));
    assert_message("(module (import \"e\" \"n\" (global i32)) (import \"e\" \"f\" (func (param i32) (result f64))))",
                   imports, "import 1 \"e\".\"f\": wanted (func (param i32) (result f64)), got (func (param i64))");
    assert_message("(module (import \"e\" \"m\" (memory 3)))", imports,
                   "import 0 \"e\".\"m\": wanted (memory 3), got (memory 2 3)");
    assert_message("(module (import \"e\" \"t\" (table 5 externref)))", imports,
                   "import 0 \"e\".\"t\": wanted (table 5 externref), got (table 4 externref)");
    assert_message("(module (import \"e\" \"tag\" (tag (param i32))))", imports,
                   "import 0 \"e\".\"tag\": wanted (tag (param i32)), got (tag (param i64))");
    assert_message("(module (import \"e\" \"n\" (global (mut i32))))", imports,
                   "import 0 \"e\".\"n\": wanted (global (mut i32)), got (global i32)");
    assert_message("(module (import \"e\" \"n\" (func)))", imports, "import 0 \"e\".\"n\": wanted (func), got number");
    assert_message("(module (import \"x\" \"n\" (func)))", imports,
                   "import 0 \"x\".\"n\": wanted an object as namespace, got undefined");
    wag_imports_unref(imports);
    wag_memory_unref(memory);
    wag_table_unref(table);
    wag_tag_unref(tag);
}

static void test_hostile_names_do_not_break_the_message(void **state)
{
    (void)state;
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_n(imports, WAG_NAME("a\0b\n"), WAG_NAME("\"\\"), WAG_NULL));
    assert_message("(module (import \"a\\00b\\0a\" \"\\22\\5c\" (func)))", imports,
                   "import 0 \"a\\00b\\0a\".\"\\22\\5c\": wanted (func), got null");
    wag_error *error = instantiate("(module (import \"a\\00b\\0a\" \"\\22\\5c\" (func)))", imports);
    wag_name module;
    assert_true(wag_error_import(error, NULL, &module, NULL));
    assert_int_equal(module.size, 4);
    assert_memory_equal(module.data, "a\0b\n", 4);
    wag_error_unref(error);

    char text[4096] = "(module (import \"", *at = text + strlen(text);
    for (int i = 0; i < 1000; i++)
        at = append(at, text + sizeof text, "\\7f");
    append(at, text + sizeof text, "\" \"f\" (func)))");
    error = instantiate(text, imports);
    assert_non_null(error);
    assert_true(strlen(wag_error_message(error)) < 400);
    assert_non_null(strstr(wag_error_message(error), "...\".\"f\": wanted"));
    wag_error_unref(error);
    wag_imports_unref(imports);
}

static void test_a_type_of_a_thousand_parameters_is_cut_off_in_the_message(void **state)
{
    (void)state;
    char text[8192] = "(module (import \"m\" \"f\" (func (param", *at = text + strlen(text);
    for (int i = 0; i < 1000; i++)
        at = append(at, text + sizeof text, " i64");
    append(at, text + sizeof text, "))))");
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "f", "()", nothing, NULL, NULL));
    wag_error *error = instantiate(text, imports);
    assert_non_null(error);
    assert_non_null(strstr(wag_error_message(error), "..., got (func)"));
    wag_error_unref(error);
    wag_imports_unref(imports);
}

/* ---- import objects ---- */

static void test_the_import_object_itself_is_checked_first(void **state)
{
    (void)state;
    const char *plain = "(module)", *wants = "(module (import \"m\" \"f\" (func)))";
    assert_null(instantiate(plain, NULL));
    assert_class(instantiate(wants, NULL), WAG_CLASS_TYPE_ERROR);
    wag_value values[] = {WAG_NULL, WAG_BOOL(true), WAG_NUMBER(0), WAG_BIGINT(1), wag_string("")};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        wag_imports *imports = wag_imports_from_value(values[i]);
        assert_class(instantiate(plain, imports), WAG_CLASS_TYPE_ERROR);
        assert_class(instantiate(wants, imports), WAG_CLASS_TYPE_ERROR);
        ASSERT_ERR(wag_imports_set(imports, "m", "f", WAG_NULL), WAG_TYPE);
        ASSERT_ERR(wag_imports_set_namespace(imports, "m", WAG_NULL), WAG_TYPE);
        wag_imports_unref(imports);
        wag_value_unref(values[i]);
    }
    wag_imports *undefined = wag_imports_from_value(WAG_UNDEFINED);
    assert_null(instantiate(plain, undefined));
    assert_class(instantiate(wants, undefined), WAG_CLASS_TYPE_ERROR);
    wag_imports_unref(undefined);
}

static void test_setting_replaces_and_namespaces_can_be_instances_or_maps(void **state)
{
    (void)state;
    const char *wants = "(module (import \"m\" \"f\" (func (result i32))))";
    wag_instance *exporter = instance_of("(module (func (export \"f\") (result i32) i32.const 1))", NULL);
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set(imports, "m", "f", WAG_NUMBER(1)));
    assert_class(instantiate(wants, imports), WAG_CLASS_LINK_ERROR);
    ASSERT_OK(wag_imports_set_func(imports, "m", "f", NULL, nothing, NULL, NULL));
    assert_fits(wants, imports);
    ASSERT_OK(wag_imports_set_namespace(imports, "m", WAG_INSTANCE(exporter)));
    assert_fits(wants, imports);
    ASSERT_ERR(wag_imports_set(imports, "m", "f", WAG_NULL), WAG_TYPE); /* exports are frozen */
    assert_fits(wants, imports);
    wag_value map = wag_map();
    ASSERT_OK(wag_imports_set_namespace(imports, "m", map));
    assert_class(instantiate(wants, imports), WAG_CLASS_LINK_ERROR);
    ASSERT_OK(wag_imports_set_func(imports, "m", "f", "() -> (i32)", nothing, NULL, NULL));
    assert_fits(wants, imports);
    assert_int_equal(wag_value_size(map), 1); /* as in JavaScript: the map is the namespace */
    wag_value_unref(map);
    ASSERT_ERR(wag_imports_set(imports, NULL, "f", WAG_NULL), WAG_TYPE);
    ASSERT_ERR(wag_imports_set(NULL, "m", "f", WAG_NULL), WAG_TYPE);
    wag_imports_unref(imports);
    wag_instance_unref(exporter);
}

static wag_error *add_one(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    if (results[0].kind == WAG_I32)
        results[0].of.i32 = args[0].of.i32 + 1;
    else
        results[0].of.f64 = args[0].of.f64 + 1;
    return NULL;
}

static void test_a_function_without_signature_takes_the_type_of_each_import(void **state)
{
    (void)state;
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "f", NULL, add_one, NULL, NULL));
    wag_instance *instance = instance_of("(module (import \"m\" \"f\" (func $i (param i32) (result i32)))"
                                         " (import \"m\" \"f\" (func $d (param f64) (result f64)))"
                                         " (func (export \"run\") (result i32)"
                                         "  (i32.trunc_f64_s (call $d (f64.convert_i32_s (call $i (i32.const 40)))))))",
                                         imports);
    wag_imports_unref(imports);
    assert_int_equal(call_i32(instance, "run"), 42);
    wag_instance_unref(instance);
    assert_int_equal(wag_agent_live_objects(), 0);
}

typedef struct fickle {
    wag_imports *imports; /* released by the getter */
    int calls;
} fickle;

static wag_error *fickle_getter(void *context, wag_name module, const wag_name *field, wag_value *ret_value)
{
    (void)module;
    fickle *here = context;
    here->calls++;
    wag_imports_unref(here->imports);
    here->imports = NULL;
    *ret_value = field ? WAG_NUMBER(here->calls) : wag_map();
    return NULL;
}

static void test_a_getter_is_asked_every_time_and_may_drop_the_import_object(void **state)
{
    (void)state;
    fickle here = {.calls = 0};
    here.imports = wag_imports_new_getter(fickle_getter, &here);
    ASSERT_ERR(wag_imports_set(here.imports, "m", "f", WAG_NULL), WAG_TYPE);
    wag_instance *instance = instance_of("(module (import \"m\" \"x\" (global $a i32)) (import \"m\" \"x\""
                                         " (global $b i32)) (func (export \"sum\") (result i32)"
                                         " (i32.add (global.get $a) (i32.mul (i32.const 10) (global.get $b)))))",
                                         here.imports);
    assert_int_equal(call_i32(instance, "sum"), 42); /* calls 2 and 4 */
    wag_instance_unref(instance);
}

static void test_any_value_can_become_an_externref(void **state)
{
    (void)state;
    const char *text = "(module (import \"m\" \"x\" (global externref)) (export \"x\" (global 0)))";
    wag_value list = wag_array();
    ASSERT_OK(wag_array_push(list, wag_string("inside")));
    wag_value values[] = {WAG_UNDEFINED, WAG_BOOL(true), WAG_NUMBER(2.5), WAG_BIGINT(7), wag_string("text"), list};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set(imports, "m", "x", values[i]));
        wag_instance *instance = instance_of(text, imports);
        wag_imports_unref(imports);
        wag_val got;
        ASSERT_OK(wag_global_get(wag_exports_global(wag_instance_exports(instance), "x"), &got));
        assert_non_null(got.of.ext);
        assert_true(wag_value_equal(*(wag_value *)wag_extern_host(got.of.ext), values[i]));
        wag_val_unref(got);
        wag_instance_unref(instance);
        wag_value_unref(values[i]);
    }
}

static void test_a_typed_function_global_outlives_the_module_that_names_its_type(void **state)
{
    (void)state;
    wag_imports *imports = wag_imports_new();
    wag_func *func = NULL, *other = NULL;
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    /* (import "m" "x" (global (ref null 0))) (export "x" (global 0)), type 0 is (func (param i64) (result i32)) */
    static const uint8_t bytes[] = {0, 0x61, 0x73, 0x6d, 1, 0,    0, 0,    1, 6, 1, 0x60, 1, 0x7e, 1,    0x7f, 2,
                                    9, 1,    1,    0x6d, 1, 0x78, 3, 0x63, 0, 0, 7, 5,    1, 1,    0x78, 3,    0};
    ASSERT_OK(wag_func_new("(i64) -> (i32)", nothing, NULL, NULL, &func, NULL));
    ASSERT_OK(wag_func_new("(i64)", nothing, NULL, NULL, &other, NULL));
    ASSERT_OK(wag_imports_set(imports, "m", "x", WAG_FUNC(other)));
    ASSERT_OK(wag_module_new((wag_bytes){bytes, sizeof bytes}, NULL, &module, NULL));
    ASSERT_ERR(wag_instance_new(module, imports, &instance, NULL), WAG_LINK);
    ASSERT_OK(wag_imports_set(imports, "m", "x", WAG_FUNC(func)));
    ASSERT_OK(wag_instance_new(module, imports, &instance, NULL));
    wag_module_unref(module);
    wag_imports_unref(imports);
    wag_global *global = wag_global_ref(wag_exports_global(wag_instance_exports(instance), "x"));
    wag_instance_unref(instance);
    wag_func_unref(func);
    wag_func_unref(other);
    wag_agent_collect();
    wag_val got;
    ASSERT_OK(wag_global_get(global, &got));
    assert_int_equal(got.kind, WAG_FUNCREF);
    assert_int_equal(wag_func_param_kind(got.of.func, 0), WAG_I64);
    wag_val_unref(got);
    wag_global_unref(global);
}

static void test_modules_of_another_cluster_are_refused(void **state)
{
    (void)state;
    wag_cluster *cluster = NULL;
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    wag_bytes bytes = wat("(module)");
    ASSERT_OK(wag_module_new(bytes, &(wag_compile_options){.cluster = cluster}, &module, NULL));
    ASSERT_ERR(wag_instance_new(module, NULL, &instance, NULL), WAG_TYPE);
    ASSERT_ERR(wag_instance_new(NULL, NULL, &instance, NULL), WAG_TYPE);
    wag_module_unref(module);
    wag_cluster_unref(cluster);
    wat_free(bytes);
}

/* ---- checking ---- */

static void test_a_check_without_memory_fails_and_leaves_nothing(void **state)
{
    (void)state;
    wag_module *module = module_of("(module (import \"m\" \"f\" (func (param i32))) (import \"m\" \"g\" (global i32))"
                                   " (import \"n\" \"y\" (memory 1)))");
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "f", "(i64)", nothing, NULL, NULL));
    ASSERT_OK(wag_imports_set(imports, "m", "g", WAG_NUMBER(3)));
    size_t live = wag_agent_live_objects(), count = 0;
    bool done = false;
    for (uint64_t n = 0; n < 60; n++) {
        wag_error **errors = NULL;
        wagi_alloc_fail_after(n);
        wag_err err = wag_imports_check(module, imports, &errors, &count);
        wagi_alloc_fail_after(UINT64_MAX);
        assert_true(err == WAG_OK || err == WAG_NOMEM);
        if (err == WAG_OK) {
            assert_int_equal(count, 2);
            wag_error_list_free(errors, count);
            done = true;
        }
        assert_int_equal(wag_agent_live_objects(), live);
    }
    assert_true(done);
    wag_error **errors = NULL;
    ASSERT_OK(wag_imports_check(module, NULL, &errors, &count));
    assert_int_equal(count, 1);
    assert_int_equal(wag_error_get_class(errors[0]), WAG_CLASS_TYPE_ERROR);
    wag_error_list_free(errors, count);
    wag_imports_unref(imports);
    wag_module_unref(module);
}

/* ---- signatures ---- */

static void test_signatures_are_read_as_documented(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t params, results;
    } good[] = {{"()", 0, 0},
                {"(i32 i64) -> (f64)", 2, 1},
                {"(externref)", 1, 0},
                {" ( f32 v128 funcref ) ->( )", 3, 0},
                {"()->(i32\ti32\ni32)", 0, 3}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        wag_func *func = NULL;
        ASSERT_OK(wag_func_new(good[i].text, nothing, NULL, NULL, &func, NULL));
        assert_int_equal(wag_func_param_count(func), good[i].params);
        assert_int_equal(wag_func_result_count(func), good[i].results);
        wag_func_unref(func);
    }
    static const struct {
        const char *text;
        size_t place;
    } bad[] = {
        {"", 0},         {"i32", 0},       {"(i32", 4},  {"(i32,i32)", 4},      {"(i3)", 1},        {"(i32i32)", 1},
        {"() (i32)", 3}, {"() -> i32", 6}, {"() ->", 5}, {"() -> (i32) x", 12}, {"(externrefx)", 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wag_func *func = NULL;
        wag_error *error = NULL;
        char place[32];
        snprintf(place, sizeof place, "offset %zu,", bad[i].place);
        ASSERT_ERR(wag_func_new(bad[i].text, nothing, NULL, NULL, &func, &error), WAG_TYPE);
        if (!strstr(wag_error_message(error), place))
            fail_msg("%s: %s", bad[i].text, wag_error_message(error));
        wag_error_unref(error);
    }
    char many[5000] = "(", *at = many + 1;
    for (int i = 0; i < 1001; i++)
        at = append(at, many + sizeof many, "i32 ");
    append(at, many + sizeof many, ")");
    wag_func *func = NULL;
    ASSERT_ERR(wag_func_new(many, nothing, NULL, NULL, &func, NULL), WAG_TYPE);
    append(at - 4, many + sizeof many, ")");
    ASSERT_OK(wag_func_new(many, nothing, NULL, NULL, &func, NULL));
    assert_int_equal(wag_func_param_count(func), 1000);
    wag_func_unref(func);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, store_is_empty)
    const struct CMUnitTest tests[] = {
        TEST(test_a_link_error_says_everything_in_one_line),
        TEST(test_hostile_names_do_not_break_the_message),
        TEST(test_a_type_of_a_thousand_parameters_is_cut_off_in_the_message),
        TEST(test_the_import_object_itself_is_checked_first),
        TEST(test_setting_replaces_and_namespaces_can_be_instances_or_maps),
        TEST(test_a_function_without_signature_takes_the_type_of_each_import),
        TEST(test_a_getter_is_asked_every_time_and_may_drop_the_import_object),
        TEST(test_any_value_can_become_an_externref),
        TEST(test_a_typed_function_global_outlives_the_module_that_names_its_type),
        TEST(test_modules_of_another_cluster_are_refused),
        TEST(test_a_check_without_memory_fails_and_leaves_nothing),
        TEST(test_signatures_are_read_as_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The end of what the store holds: finalizers, closing an agent, objects of other agents, no memory. */
#include "tests/support/store.h"

#include <pthread.h>

#include "base/alloc.h"

/* ---- finalizers ---- */

static void busy_finalizer(void *context)
{
    int *count = context;
    ++*count;
    wag_agent_collect();
    wag_instance *instance = instance_of("(module (func (export \"f\") (result i32) i32.const 3))", NULL);
    assert_int_equal(call_i32(instance, "f"), 3);
    wag_instance_unref(instance);
    ASSERT_ERR(wag_agent_close(), WAG_TYPE);
    if (*count < 3)
        wag_extern_unref(wag_extern_new(count, busy_finalizer));
}

static void test_a_finalizer_may_use_the_library(void **state)
{
    (void)state;
    int count = 0;
    wag_extern *ext = wag_extern_new(&count, busy_finalizer);
    wag_table *table = NULL;
    ASSERT_OK(wag_table_new(WAG_EXTERNREF, 1, 1, WAG_VAL_EXTERN(ext), &table, NULL));
    wag_extern_unref(ext);
    wag_table_unref(table);
    assert_int_equal(count, 0);
    for (int i = 0; i < 3; i++)
        wag_agent_collect();
    assert_int_equal(count, 3);
}

static void test_the_finalizer_of_a_host_function_runs_also_when_making_it_fails(void **state)
{
    (void)state;
    int finalized = 0;
    wag_func *func = NULL;
    wag_error *error = NULL;
    ASSERT_ERR(wag_func_new("(i32 i33)", nothing, &finalized, count_up, &func, &error), WAG_TYPE);
    assert_non_null(strstr(wag_error_message(error), "offset 5"));
    wag_error_unref(error);
    assert_int_equal(finalized, 1);
    wag_imports *imports = wag_imports_new();
    ASSERT_ERR(wag_imports_set_func(imports, "m", "f", "(", nothing, &finalized, count_up), WAG_TYPE);
    assert_int_equal(finalized, 2);
    ASSERT_OK(wag_imports_set_namespace(imports, "n", WAG_NUMBER(1)));
    ASSERT_ERR(wag_imports_set_func(imports, "n", "f", "()", nothing, &finalized, count_up), WAG_TYPE);
    assert_int_equal(finalized, 3);
    ASSERT_ERR(wag_imports_set_func(imports, "n", "f", NULL, nothing, &finalized, count_up), WAG_TYPE);
    assert_int_equal(finalized, 4);
    ASSERT_OK(wag_imports_set_func(imports, "m", "f", NULL, nothing, &finalized, count_up));
    wag_instance *instance = instance_of("(module (import \"m\" \"f\" (func $f)) (export \"f\" (func $f)))", imports);
    ASSERT_OK(wag_imports_set(imports, "m", "f", WAG_NULL)); /* replaced, but the instance has it */
    wag_imports_unref(imports);
    wag_func *typed = wag_func_ref(export_of(instance, "f"));
    wag_instance_unref(instance);
    assert_int_equal(finalized, 4);
    wag_func_unref(typed);
    assert_int_equal(finalized, 5);
    for (uint64_t n = 0; n < 12; n++) {
        int once = 0;
        wagi_alloc_fail_after(n);
        wag_err err = wag_func_new("(i32) -> (i32)", nothing, &once, count_up, &func, NULL);
        wagi_alloc_fail_after(UINT64_MAX);
        assert_int_equal(once, err == WAG_OK ? 0 : 1);
        if (err == WAG_OK)
            wag_func_unref(func);
        assert_int_equal(once, 1);
    }
}

typedef struct closing {
    int finalized, released;
    wag_func *own; /* a handle that the context owns */
} closing;

static void release_own(void *context)
{
    closing *here = context;
    here->released++;
    wag_func_unref(here->own);
    wag_extern_unref(wag_extern_new(&here->finalized, count_up));
}

static void *close_with_everything_alive(void *context)
{
    closing *here = context;
    wag_extern *ext = wag_extern_new(here, release_own);
    wag_table *table = NULL;
    bool ok = wag_func_new("()", nothing, &here->finalized, count_up, &here->own, NULL) == WAG_OK &&
              wag_table_new(WAG_EXTERNREF, 1, 1, WAG_VAL_EXTERN(ext), &table, NULL) == WAG_OK;
    wag_extern_ref(ext);
    return ok && wag_agent_close() == WAG_OK ? NULL : context;
}

static void test_closing_an_agent_frees_everything_and_finalizes_once(void **state)
{
    (void)state;
    closing here = {.finalized = 0};
    pthread_t thread;
    void *bad = NULL;
    assert_int_equal(pthread_create(&thread, NULL, close_with_everything_alive, &here), 0);
    pthread_join(thread, &bad);
    assert_null(bad);
    assert_int_equal(here.released, 1);
    assert_int_equal(here.finalized, 2);
}

/* ---- other agents ---- */

typedef struct foreign {
    wag_instance *instance;
    wag_module *module;
    wag_func *func;
    wag_memory *memory;
    wag_table *table;
    wag_global *global;
    wag_tag *tag;
    wag_extern *ext;
    wag_imports *imports;
    int finalized;
    unsigned wrong; /* bits: which call did something else than it should */
} foreign;

static unsigned objects_are_refused(foreign *f)
{
    wag_val val = WAG_VAL_I32(1);
    uint64_t old;
    uint8_t byte = 0;
    unsigned wrong = 0, bit = 1;
#define REFUSED(condition) wrong |= (condition) ? 0 : bit, bit <<= 1
    REFUSED(wag_call(f->func, NULL, 0, NULL, 0, NULL) == WAG_WRONG_AGENT);
    REFUSED(wag_func_param_count(f->func) == 0 && wag_func_param_kind(f->func, 0) == WAG_I32);
    REFUSED(wag_memory_grow(f->memory, 1, &old, NULL) == WAG_WRONG_AGENT);
    REFUSED(wag_memory_read(f->memory, 0, &byte, 1) == WAG_WRONG_AGENT);
    REFUSED(wag_memory_write(f->memory, 0, &byte, 1) == WAG_WRONG_AGENT);
    REFUSED(wag_memory_data(f->memory) == NULL && wag_memory_size(f->memory) == 0 && wag_memory_pages(f->memory) == 0);
    REFUSED(wag_table_get(f->table, 0, &val) == WAG_WRONG_AGENT && wag_table_size(f->table) == 0);
    REFUSED(wag_table_set(f->table, 0, WAG_VAL_FUNC(NULL)) == WAG_WRONG_AGENT);
    REFUSED(wag_table_grow(f->table, 1, WAG_VAL_FUNC(NULL), &old) == WAG_WRONG_AGENT);
    REFUSED(wag_global_get(f->global, &val) == WAG_WRONG_AGENT);
    REFUSED(wag_global_set(f->global, WAG_VAL_I32(2)) == WAG_WRONG_AGENT && !wag_global_mutable(f->global));
    REFUSED(wag_instance_exports(f->instance) == NULL && wag_instance_module(f->instance) == NULL);
    REFUSED(wag_extern_host(f->ext) == NULL);
    /* as values */
    REFUSED(wag_global_new(WAG_VAL_FUNC(f->func), false, &(wag_global *){NULL}, NULL) == WAG_WRONG_AGENT);
    REFUSED(wag_table_new(WAG_EXTERNREF, 1, 1, WAG_VAL_EXTERN(f->ext), &(wag_table *){NULL}, NULL) == WAG_WRONG_AGENT);
#undef REFUSED
    return wrong;
}

static unsigned imports_are_refused(foreign *f)
{
    unsigned wrong = 0, bit = 1u << 16;
    wag_instance *instance = NULL;
    wag_error **errors = NULL;
    size_t count = 0;
#define REFUSED(condition) wrong |= (condition) ? 0 : bit, bit <<= 1
    REFUSED(wag_imports_set(f->imports, "m", "x", WAG_NULL) == WAG_WRONG_AGENT);
    REFUSED(wag_imports_set_namespace(f->imports, "m", WAG_NULL) == WAG_WRONG_AGENT);
    REFUSED(wag_imports_set_func(f->imports, "m", "f", NULL, nothing, &f->finalized, count_up) == WAG_WRONG_AGENT &&
            f->finalized == 1);
    REFUSED(wag_imports_check(f->module, f->imports, &errors, &count) == WAG_WRONG_AGENT);
    REFUSED(wag_instance_new(f->module, f->imports, &instance, NULL) == WAG_WRONG_AGENT);
    wag_imports *own = wag_imports_new();
    REFUSED(wag_imports_set_namespace(own, "m", WAG_INSTANCE(f->instance)) == WAG_WRONG_AGENT);
    wag_value map = wag_map();
    wag_map_set(map, "f", WAG_FUNC(f->func)); /* borrowed on purpose: the other thread's count is not ours to touch */
    wag_imports_set_namespace(own, "m", map);
    REFUSED(wag_instance_new(f->module, own, &instance, NULL) == WAG_WRONG_AGENT);
    wag_imports_unref(own);
    wag_value_unref(map);
#undef REFUSED
    return wrong;
}

static void *use_foreign_objects(void *context)
{
    foreign *f = context;
    f->wrong = objects_are_refused(f) | imports_are_refused(f);
    /* without effect, every one */
    wag_func_unref(wag_func_ref(f->func));
    wag_memory_unref(wag_memory_ref(f->memory));
    wag_table_unref(f->table);
    wag_global_unref(f->global);
    wag_tag_unref(wag_tag_ref(f->tag));
    wag_extern_unref(f->ext);
    wag_instance_unref(f->instance);
    wag_imports_unref(wag_imports_ref(f->imports));
    return NULL;
}

static void test_objects_of_another_agent_are_refused_without_effect(void **state)
{
    (void)state;
    foreign f = {.imports = wag_imports_new(), .ext = wag_extern_new(NULL, NULL)};
    f.module = module_of("(module (import \"m\" \"f\" (func)))");
    f.instance = instance_of("(module (func (export \"f\") (param i64)) (memory (export \"m\") 1)"
                             " (table (export \"t\") 1 funcref) (global (export \"g\") (mut i32) (i32.const 1)))",
                             NULL);
    f.func = wag_func_ref(export_of(f.instance, "f"));
    f.memory = wag_memory_ref(wag_exports_memory(wag_instance_exports(f.instance), "m"));
    f.table = wag_table_ref(table_of(f.instance, "t"));
    f.global = wag_global_ref(wag_exports_global(wag_instance_exports(f.instance), "g"));
    ASSERT_OK(wag_tag_new("(i32)", &f.tag, NULL));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, use_foreign_objects, &f), 0);
    pthread_join(thread, NULL);
    assert_int_equal(f.wrong, 0);
    assert_int_equal(wag_memory_pages(f.memory), 1);
    assert_int_equal(wag_table_size(f.table), 1);
    wag_val val;
    ASSERT_OK(wag_global_get(f.global, &val));
    assert_int_equal(val.of.i32, 1);
    wag_instance_unref(f.instance);
    wag_func_unref(f.func);
    wag_memory_unref(f.memory);
    wag_table_unref(f.table);
    wag_global_unref(f.global);
    wag_tag_unref(f.tag);
    wag_extern_unref(f.ext);
    wag_imports_unref(f.imports);
    wag_module_unref(f.module);
}

/* ---- no memory ---- */

static void test_instantiation_survives_every_failing_allocation(void **state)
{
    (void)state;
    wag_module *module = module_of(
        "(module (import \"m\" \"t\" (table 1 funcref)) (import \"m\" \"f\" (func $i (param i32) (result i32)))"
        " (import \"m\" \"r\" (global externref)) (import \"m\" \"n\" (global i64)) (memory 1) (memory 3)"
        " (table 2000 funcref) (table 3 externref) (func $f (result i32) i32.const 6)"
        " (elem (table 0) (i32.const 0) func $f) (elem func $f $f) (data (i32.const 1) \"abc\") (data \"passive\")"
        " (global funcref (ref.null func)) (func $s (drop (call $i (i32.const 4)))) (start $s))");
    wag_table *table = NULL;
    ASSERT_OK(wag_table_new(WAG_FUNCREF, 1, UINT64_MAX, WAG_VAL_FUNC(NULL), &table, NULL));
    bool done = false;
    for (uint64_t n = 0; n <= 200; n++) {
        int finalized = 0;
        wag_instance *instance = NULL;
        wag_error *error = NULL;
        wagi_alloc_fail_after(n);
        wag_imports *imports = wag_imports_new();
        wag_value text = wag_string("text");
        if (imports && wag_imports_set(imports, "m", "t", WAG_TABLE(table)) == WAG_OK &&
            wag_imports_set(imports, "m", "r", text) == WAG_OK &&
            wag_imports_set(imports, "m", "n", WAG_BIGINT(9)) == WAG_OK &&
            wag_imports_set_func(imports, "m", "f", NULL, nothing, &finalized, count_up) == WAG_OK) {
            wag_err err = wag_instance_new(module, imports, &instance, &error);
            assert_int_equal(err == WAG_OK, instance != NULL);
            assert_int_equal(err == WAG_OK, error == NULL);
            done = done || instance;
        }
        wagi_alloc_fail_after(UINT64_MAX);
        if (error && wag_error_get_class(error) != WAG_CLASS_RANGE_ERROR)
            fail_msg("allocation %d: %s", (int)n, wag_error_message(error));
        wag_error_unref(error);
        wag_value_unref(text);
        wag_instance_unref(instance);
        wag_imports_unref(imports);
        ASSERT_OK(wag_table_set(table, 0, WAG_VAL_FUNC(NULL)));
        wag_agent_collect();
        if (wag_agent_live_objects() != 1)
            fail_msg("allocation %d: %zu objects are left", (int)n, wag_agent_live_objects());
        assert_true(finalized <= 1);
    }
    assert_true(done);
    wag_table_unref(table);
    wag_module_unref(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_a_finalizer_may_use_the_library),
        STORE_TEST(test_the_finalizer_of_a_host_function_runs_also_when_making_it_fails),
        STORE_TEST(test_closing_an_agent_frees_everything_and_finalizes_once),
        STORE_TEST(test_objects_of_another_agent_are_refused_without_effect),
        STORE_TEST(test_instantiation_survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

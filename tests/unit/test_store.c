/* The store: who keeps what alive, while it is reachable and while wasm runs. */
#include "tests/support/store.h"

static wag_instance *instance_with(const char *text, const char *field, wag_value value)
{
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set(imports, "m", field, value));
    wag_instance *instance = instance_of(text, imports);
    wag_imports_unref(imports);
    return instance;
}

/* Calls a function of no arguments and one i32. */
static int32_t call_func(wag_func *func)
{
    wag_val result;
    wag_error *error = NULL;
    if (wag_call(func, NULL, 0, &result, 1, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    return result.of.i32;
}

/* ---- freed at once ---- */

static void test_an_instance_that_keeps_to_itself_is_freed_with_its_last_handle(void **state)
{
    (void)state;
    wag_instance *instance = instance_of("(module (table (export \"t\") 2 funcref) (elem (i32.const 0) $f $f)"
                                         " (func $f (export \"f\")) (elem func $f))",
                                         NULL);
    wag_table *table = wag_table_ref(table_of(instance, "t"));
    wag_instance_unref(instance);
    assert_int_equal(wag_agent_live_objects(), 1); /* an export's handle keeps it */
    wag_val func;
    ASSERT_OK(wag_table_get(table, 1, &func));
    wag_table_unref(table);
    assert_int_equal(wag_agent_live_objects(), 1);
    ASSERT_OK(wag_call(func.of.func, NULL, 0, NULL, 0, NULL));
    wag_val_unref(func);
    assert_int_equal(wag_agent_live_objects(), 0); /* nobody had to trace */
}

static void test_an_importer_keeps_what_it_imports_and_both_go_at_once(void **state)
{
    (void)state;
    int finalized = 0;
    wag_func *func = NULL;
    ASSERT_OK(wag_func_new("()", nothing, &finalized, count_up, &func, NULL));
    wag_instance *a =
        instance_with("(module (import \"m\" \"f\" (func $f)) (func (export \"g\") call $f))", "f", WAG_FUNC(func));
    wag_func_unref(func);
    wag_instance *b = instance_with("(module (import \"m\" \"g\" (func $g)) (func (export \"h\") call $g))", "g",
                                    WAG_FUNC(export_of(a, "g")));
    wag_instance_unref(a);
    assert_int_equal(wag_agent_live_objects(), 3);
    ASSERT_OK(wag_call(export_of(b, "h"), NULL, 0, NULL, 0, NULL));
    assert_int_equal(finalized, 0);
    wag_instance_unref(b);
    assert_int_equal(wag_agent_live_objects(), 0);
    assert_int_equal(finalized, 1);
}

static void test_a_long_chain_of_importers_is_freed_without_recursion(void **state)
{
    (void)state;
    wag_module *first = module_of("(module (func (export \"f\")))");
    wag_module *link = module_of("(module (import \"m\" \"f\" (func $f)) (func (export \"f\") call $f))");
    wag_instance *last = NULL;
    ASSERT_OK(wag_instance_new(first, NULL, &last, NULL));
    for (int i = 0; i < 100000; i++) {
        wag_imports *imports = wag_imports_new();
        wag_instance *next = NULL;
        ASSERT_OK(wag_imports_set_namespace(imports, "m", WAG_INSTANCE(last)));
        ASSERT_OK(wag_instance_new(link, imports, &next, NULL));
        wag_imports_unref(imports);
        wag_instance_unref(last);
        last = next;
    }
    assert_int_equal(wag_agent_live_objects(), 100001);
    wag_instance_unref(last);
    assert_int_equal(wag_agent_live_objects(), 0);
    wag_module_unref(first);
    wag_module_unref(link);
}

static void test_200000_instances_made_and_dropped_leave_nothing(void **state)
{
    (void)state;
    wag_module *module = module_of("(module (memory 1) (table 4 funcref) (elem (i32.const 0) $f) (func $f)"
                                   " (data (i32.const 0) \"x\") (global (mut i32) (i32.const 1)))");
    for (int i = 0; i < 200000; i++) {
        wag_instance *instance = NULL;
        ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
        wag_instance_unref(instance);
        if (wag_agent_live_objects() != 0)
            fail_msg("%zu objects after %d instances", wag_agent_live_objects(), i + 1);
    }
    wag_module_unref(module);
}

static void test_escaped_instances_do_not_pile_up(void **state)
{
    (void)state;
    wag_table *table = NULL;
    ASSERT_OK(wag_table_new(WAG_FUNCREF, 1, UINT64_MAX, WAG_VAL_FUNC(NULL), &table, NULL));
    wag_module *module = module_of("(module (import \"m\" \"t\" (table 1 funcref)) (func $f (result i32) i32.const 7)"
                                   " (elem (i32.const 0) $f))");
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set(imports, "m", "t", WAG_TABLE(table)));
    size_t most = 0;
    for (int i = 0; i < 20000; i++) {
        wag_instance *instance = NULL;
        ASSERT_OK(wag_instance_new(module, imports, &instance, NULL));
        wag_instance_unref(instance);
        most = wag_agent_live_objects() > most ? wag_agent_live_objects() : most;
    }
    assert_true(most < 1000);
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 2); /* the table and the last instance, which is in it */
    wag_val func;
    ASSERT_OK(wag_table_get(table, 0, &func));
    assert_int_equal(call_func(func.of.func), 7);
    wag_val_unref(func);
    wag_imports_unref(imports);
    wag_module_unref(module);
    wag_table_unref(table);
}

/* ---- cycles ---- */

static void test_two_instances_with_functions_in_each_others_tables_are_collected(void **state)
{
    (void)state;
    const char *exporter = "(module (table (export \"t\") 2 funcref) (func (export \"f\") (result i32) i32.const 1)"
                           " (type $t (func (result i32)))"
                           " (func (export \"run\") (result i32) (call_indirect (type $t) (i32.const 1))))";
    wag_instance *a = instance_of(exporter, NULL);
    wag_instance *b = instance_with("(module (import \"m\" \"t\" (table 2 funcref)) (table (export \"t\") 1 funcref)"
                                    " (func $f (export \"f\") (result i32) i32.const 2) (elem (table 0)"
                                    " (i32.const 1) func $f))",
                                    "t", WAG_TABLE(table_of(a, "t")));
    ASSERT_OK(wag_table_set(table_of(b, "t"), 0, WAG_VAL_FUNC(export_of(a, "f"))));
    wag_instance_unref(b);
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 2); /* b's function is in a's table */
    assert_int_equal(call_i32(a, "run"), 2);
    wag_instance_unref(a);
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 0);
}

static void test_a_cycle_through_an_externref_that_stands_for_a_table_is_collected(void **state)
{
    (void)state;
    wag_table *table = NULL;
    ASSERT_OK(wag_table_new(WAG_FUNCREF, 1, UINT64_MAX, WAG_VAL_FUNC(NULL), &table, NULL));
    wag_instance *b = instance_with("(module (import \"m\" \"x\" (global externref)) (func (export \"f\"))"
                                    " (export \"x\" (global 0)))",
                                    "x", WAG_TABLE(table));
    ASSERT_OK(wag_table_set(table, 0, WAG_VAL_FUNC(export_of(b, "f"))));
    wag_val ext;
    ASSERT_OK(wag_global_get(wag_exports_global(wag_instance_exports(b), "x"), &ext));
    assert_int_equal(((wag_value *)wag_extern_host(ext.of.ext))->kind, WAG_VALUE_TABLE);
    assert_ptr_equal(((wag_value *)wag_extern_host(ext.of.ext))->of.table, table);
    wag_val_unref(ext);
    wag_table_unref(table);
    wag_instance_unref(b);
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 0);
}

static void test_a_failed_instance_lives_while_an_imported_table_holds_its_function(void **state)
{
    (void)state;
    wag_instance *a = instance_of("(module (table (export \"t\") 1 funcref))", NULL);
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_namespace(imports, "m", WAG_INSTANCE(a)));
    wag_module *module = module_of("(module (import \"m\" \"t\" (table 1 funcref)) (memory 1)"
                                   " (func $f (result i32) (i32.load8_u (i32.const 0))) (elem (i32.const 0) $f)"
                                   " (data (i32.const 0) \"*\") (func $s unreachable) (start $s))");
    wag_instance *failed = NULL;
    ASSERT_ERR(wag_instance_new(module, imports, &failed, NULL), WAG_UNREACHABLE);
    assert_null(failed);
    wag_module_unref(module);
    wag_imports_unref(imports);
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 2);
    wag_val func;
    ASSERT_OK(wag_table_get(table_of(a, "t"), 0, &func));
    assert_int_equal(call_func(func.of.func), '*');
    wag_val_unref(func);
    ASSERT_OK(wag_table_set(table_of(a, "t"), 0, WAG_VAL_FUNC(NULL)));
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 1);
    wag_instance_unref(a);
}

static void test_externs_in_tables_and_globals_are_finalized_once_when_unreachable(void **state)
{
    (void)state;
    int finalized = 0;
    wag_instance *a = instance_of("(module (table (export \"t\") 3 externref)"
                                  " (global (export \"g\") (mut externref) (ref.null extern)))",
                                  NULL);
    wag_table *table = table_of(a, "t");
    wag_global *global = wag_exports_global(wag_instance_exports(a), "g");
    wag_extern *ext = wag_extern_new(&finalized, count_up), *other = wag_extern_new(&finalized, count_up);
    ASSERT_OK(wag_table_set(table, 0, WAG_VAL_EXTERN(ext)));
    ASSERT_OK(wag_table_set(table, 2, WAG_VAL_EXTERN(ext)));
    ASSERT_OK(wag_global_set(global, WAG_VAL_EXTERN(other)));
    wag_extern_unref(ext);
    wag_extern_unref(other);
    wag_agent_collect();
    assert_int_equal(finalized, 0);
    wag_val got;
    ASSERT_OK(wag_table_get(table, 2, &got));
    assert_ptr_equal(got.of.ext, ext);
    wag_val_unref(got);
    ASSERT_OK(wag_global_set(global, WAG_VAL_EXTERN(NULL)));
    wag_agent_collect();
    assert_int_equal(finalized, 1);
    ASSERT_OK(wag_table_set(table, 0, WAG_VAL_EXTERN(NULL)));
    wag_agent_collect();
    assert_int_equal(finalized, 1);
    wag_instance_unref(a);
    wag_agent_collect();
    assert_int_equal(finalized, 2);
    assert_int_equal(wag_agent_live_objects(), 0);
}

/* ---- escapes by roundabout ways; under stress, so that anything that looks dead is freed ---- */

static const char *keeper = "(module (type $i (func (result i32))) (type $u (func (param funcref)))"
                            " (global $g (mut funcref) (ref.null func)) (table 1 funcref)"
                            " (func (export \"keep\") (param funcref) (global.set $g (local.get 0)))"
                            " (func (export \"kept\") (result funcref) (global.get $g))"
                            " (func (export \"run\") (result i32) (table.set 0 (i32.const 0) (global.get $g))"
                            "  (call_indirect (type $i) (i32.const 0))))";

static void test_a_function_that_a_dead_importer_passed_on_stays(void **state)
{
    (void)state;
    wagi_store_stress(wag_agent_current(), true);
    wag_instance *keep = instance_of(keeper, NULL);
    wag_instance *a =
        instance_of("(module (global i32 (i32.const 41)) (func (export \"f\") (result i32) global.get 0))", NULL);
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_namespace(imports, "m", WAG_INSTANCE(keep)));
    ASSERT_OK(wag_imports_set_namespace(imports, "a", WAG_INSTANCE(a)));
    /* it hands a's function to the keeper from its start function */
    wag_instance *between = instance_of("(module (import \"a\" \"f\" (func $f (result i32)))"
                                        " (import \"m\" \"keep\" (func $keep (param funcref))) (table 1 funcref)"
                                        " (elem (i32.const 0) $f)"
                                        " (func $s (call $keep (table.get 0 (i32.const 0)))) (start $s))",
                                        imports);
    wag_imports_unref(imports);
    wag_instance_unref(a);
    wag_instance_unref(between);
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 2);
    assert_int_equal(call_i32(keep, "run"), 41);
    wag_instance_unref(keep);
}

static void test_an_exported_table_passes_an_imported_function_on(void **state)
{
    (void)state;
    wagi_store_stress(wag_agent_current(), true);
    wag_instance *a = instance_of("(module (func (export \"f\") (result i32) i32.const 40))", NULL);
    /* b imports nothing that carries functions, but its table shows one */
    wag_instance *b = instance_with("(module (import \"m\" \"f\" (func $f (result i32)))"
                                    " (table (export \"t\") 1 funcref) (elem (i32.const 0) $f))",
                                    "f", WAG_FUNC(export_of(a, "f")));
    wag_instance *keep = instance_of(keeper, NULL);
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_namespace(imports, "m", WAG_INSTANCE(keep)));
    ASSERT_OK(wag_imports_set_namespace(imports, "b", WAG_INSTANCE(b)));
    wag_instance *e = instance_of("(module (import \"b\" \"t\" (table 1 funcref))"
                                  " (import \"m\" \"keep\" (func $keep (param funcref)))"
                                  " (func $s (call $keep (table.get 0 (i32.const 0)))) (start $s))",
                                  imports);
    wag_imports_unref(imports);
    wag_instance_unref(a);
    wag_instance_unref(b);
    wag_instance_unref(e);
    wag_agent_collect();
    assert_int_equal(call_i32(keep, "run"), 40);
    assert_int_equal(wag_agent_live_objects(), 2);
    wag_instance_unref(keep);
}

static void test_an_instance_that_hands_its_function_to_one_it_was_given_escapes(void **state)
{
    (void)state;
    wagi_store_stress(wag_agent_current(), true);
    /* the host puts keep's function into a's table; a calls it with a function of its own */
    wag_instance *keep = instance_of(keeper, NULL);
    wag_instance *a = instance_of("(module (type $u (func (param funcref))) (table (export \"t\") 2 funcref)"
                                  " (func $f (export \"f\") (result i32) i32.const 39) (elem (i32.const 1) $f)"
                                  " (func (export \"go\") (result i32) (call_indirect (type $u)"
                                  "  (table.get 0 (i32.const 1)) (i32.const 0)) i32.const 0))",
                                  NULL);
    ASSERT_OK(wag_table_set(table_of(a, "t"), 0, WAG_VAL_FUNC(export_of(keep, "keep"))));
    assert_int_equal(call_i32(a, "go"), 0);
    wag_instance_unref(a);
    assert_int_equal(call_i32(keep, "run"), 39);
    wag_instance_unref(keep);
}

static void test_the_host_carries_functions_from_instance_to_instance(void **state)
{
    (void)state;
    wagi_store_stress(wag_agent_current(), true);
    wag_instance *keep = instance_of(keeper, NULL), *second = instance_of(keeper, NULL);
    wag_instance *a = instance_of("(module (func (export \"f\") (result i32) i32.const 38))", NULL);
    wag_val func = WAG_VAL_FUNC(export_of(a, "f")), again;
    ASSERT_OK(wag_call(export_of(keep, "keep"), &func, 1, NULL, 0, NULL));
    wag_instance_unref(a);
    ASSERT_OK(wag_call(export_of(keep, "kept"), NULL, 0, &again, 1, NULL));
    assert_ptr_equal(again.of.func, func.of.func);
    wag_instance_unref(keep);
    ASSERT_OK(wag_call(export_of(second, "keep"), &again, 1, NULL, 0, NULL));
    wag_val_unref(again);
    assert_int_equal(call_i32(second, "run"), 38);
    wag_instance_unref(second);
}

/* ---- while wasm runs ---- */

typedef struct shop {
    int finalized;
    bool collect;
    wag_func *drop; /* released by the host function */
    wag_extern *last;
    size_t most_live;
} shop;

static void sold(void *context)
{
    ((shop *)context)->finalized++;
}

static wag_error *make_extern(void *context, const wag_val *args, wag_val *results)
{
    (void)args;
    shop *here = context;
    here->last = wag_extern_new(here, sold);
    here->most_live = wag_agent_live_objects() > here->most_live ? wag_agent_live_objects() : here->most_live;
    results[0] = WAG_VAL_EXTERN(here->last);
    wag_extern_unref(here->last); /* nothing is freed before the function has returned */
    return NULL;
}

static wag_error *collect_now(void *context, const wag_val *args, wag_val *results)
{
    (void)args, (void)results;
    if (((shop *)context)->collect)
        wag_agent_collect();
    return NULL;
}

static wag_instance *shop_instance(shop *here)
{
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "make", "() -> (externref)", make_extern, here, NULL));
    ASSERT_OK(wag_imports_set_func(imports, "m", "collect", "()", collect_now, here, NULL));
    wag_instance *instance = instance_of(
        "(module (import \"m\" \"make\" (func $make (result externref))) (import \"m\" \"collect\" (func $collect))"
        " (func $is (param externref) (result i32) (ref.is_null (local.get 0)))"
        " (func (export \"hold\") (param i32) (result externref) (local $x externref)"
        "  (local.set $x (call $make)) (call $collect)"
        "  (loop $l (drop (call $make)) (call $collect)"
        "   (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))"
        "  (local.get $x)))",
        imports);
    wag_imports_unref(imports);
    return instance;
}

static void test_references_in_wasm_frames_survive_collections_and_garbage_does_not(void **state)
{
    (void)state;
    for (int stress = 0; stress < 2; stress++) {
        wagi_store_stress(wag_agent_current(), stress);
        shop here = {.collect = !stress};
        wag_instance *instance = shop_instance(&here);
        wag_val count = WAG_VAL_I32(50), result;
        ASSERT_OK(wag_call(export_of(instance, "hold"), &count, 1, &result, 1, NULL));
        assert_true(here.finalized >= 45); /* an old word on the stack may keep one */
        assert_true(here.finalized <= 50);
        assert_ptr_equal(wag_extern_host(result.of.ext), &here);
        wag_val_unref(result);
        wag_agent_collect();
        assert_int_equal(here.finalized, 51);
        wag_instance_unref(instance);
    }
}

static void test_a_long_call_collects_by_itself(void **state)
{
    (void)state;
    shop here = {.collect = false};
    wag_instance *instance = shop_instance(&here);
    wag_val count = WAG_VAL_I32(100000), result;
    ASSERT_OK(wag_call(export_of(instance, "hold"), &count, 1, &result, 1, NULL));
    assert_true(here.finalized > 90000);
    assert_in_range(here.most_live, 1, 999); /* while it ran */
    wag_val_unref(result);
    wag_instance_unref(instance);
    wag_agent_collect(); /* while `here` exists */
}

static void test_results_above_the_stacks_top_survive_the_collection_after_a_host_function(void **state)
{
    (void)state;
    shop here = {.collect = false};
    wag_agent *agent = wag_agent_current();
    wag_func *make = NULL;
    ASSERT_OK(wag_func_new("() -> (externref)", make_extern, &here, NULL, &make, NULL));
    wagi_store_stress(agent, true);
    agent->host_depth++; /* as a tier whose top does not cover the results yet */
    wagi_slot *slot = agent->stack_top;
    assert_null(wagi_call_host(make, slot));
    assert_int_equal(here.finalized, 0);
    assert_ptr_equal((void *)(uintptr_t)*slot, here.last);
    assert_null(wagi_call_host(make, slot));
    assert_int_equal(here.finalized, 1); /* the first one was overwritten */
    agent->host_depth--;
    wag_agent_collect();
    assert_int_equal(here.finalized, 2);
    wag_func_unref(make);
}

static wag_error *use_after_release(void *context, const wag_val *args, wag_val *results)
{
    (void)results;
    wag_extern_unref(args[0].of.ext); /* the only handle */
    wag_agent_collect();
    ((shop *)context)->collect = wag_extern_host(args[0].of.ext) == context;
    return NULL;
}

static void test_arguments_of_a_host_function_live_as_long_as_the_call(void **state)
{
    (void)state;
    shop here = {.collect = false};
    wag_func *func = NULL;
    ASSERT_OK(wag_func_new("(externref)", use_after_release, &here, NULL, &func, NULL));
    wag_val arg = WAG_VAL_EXTERN(wag_extern_new(&here, sold));
    ASSERT_OK(wag_call(func, &arg, 1, NULL, 0, NULL));
    assert_true(here.collect);
    wag_func_unref(func);
    wag_agent_collect();
    assert_int_equal(here.finalized, 1);
}

static void test_without_memory_a_collection_does_nothing(void **state)
{
    (void)state;
    shop here = {.collect = true};
    wag_instance *instance = shop_instance(&here);
    wag_val count = WAG_VAL_I32(20), result = WAG_VAL_I32(0);
    /* each turn makes one object; the collections need a block too */
    for (uint64_t n = 0; n < 20; n++) {
        wagi_alloc_fail_after(n);
        wag_err err = wag_call(export_of(instance, "hold"), &count, 1, &result, 1, NULL);
        wagi_alloc_fail_after(UINT64_MAX);
        if (err == WAG_OK)
            wag_val_unref(result);
    }
    wag_instance_unref(instance);
    wag_agent_collect(); /* while `here` exists */
}

static wag_error *drop_func(void *context, const wag_val *args, wag_val *results)
{
    (void)args, (void)results;
    shop *here = context;
    wag_func_unref(here->drop);
    wag_agent_collect();
    here->drop = NULL;
    return NULL;
}

static void test_a_function_may_lose_its_last_handle_while_it_runs(void **state)
{
    (void)state;
    wagi_store_stress(wag_agent_current(), true);
    shop here = {.collect = true};
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "m", "drop", NULL, drop_func, &here, NULL));
    wag_instance *instance = instance_of("(module (import \"m\" \"drop\" (func $drop)) (func $f (export \"f\")"
                                         " (result funcref i32) (call $drop) (table.get 0 (i32.const 0)) (i32.const 5))"
                                         " (table 1 funcref) (elem (i32.const 0) $f))",
                                         imports);
    wag_imports_unref(imports);
    here.drop = wag_func_ref(export_of(instance, "f"));
    wag_instance_unref(instance);
    wag_val results[2];
    ASSERT_OK(wag_call(here.drop, NULL, 0, results, 2, NULL));
    assert_int_equal(results[1].of.i32, 5);
    assert_int_equal(wag_agent_live_objects(), 3);
    wag_val_unref(results[0]);
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 0);

    /* the same with a host function */
    wag_func *func = NULL;
    ASSERT_OK(wag_func_new("()", drop_func, &here, sold, &func, NULL));
    here.drop = func;
    ASSERT_OK(wag_call(func, NULL, 0, NULL, 0, NULL));
    wag_agent_collect();
    assert_int_equal(here.finalized, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_an_instance_that_keeps_to_itself_is_freed_with_its_last_handle),
        STORE_TEST(test_an_importer_keeps_what_it_imports_and_both_go_at_once),
        STORE_TEST(test_a_long_chain_of_importers_is_freed_without_recursion),
        STORE_TEST(test_200000_instances_made_and_dropped_leave_nothing),
        STORE_TEST(test_escaped_instances_do_not_pile_up),
        STORE_TEST(test_two_instances_with_functions_in_each_others_tables_are_collected),
        STORE_TEST(test_a_cycle_through_an_externref_that_stands_for_a_table_is_collected),
        STORE_TEST(test_a_failed_instance_lives_while_an_imported_table_holds_its_function),
        STORE_TEST(test_externs_in_tables_and_globals_are_finalized_once_when_unreachable),
        STORE_TEST(test_a_function_that_a_dead_importer_passed_on_stays),
        STORE_TEST(test_an_exported_table_passes_an_imported_function_on),
        STORE_TEST(test_an_instance_that_hands_its_function_to_one_it_was_given_escapes),
        STORE_TEST(test_the_host_carries_functions_from_instance_to_instance),
        STORE_TEST(test_references_in_wasm_frames_survive_collections_and_garbage_does_not),
        STORE_TEST(test_a_long_call_collects_by_itself),
        STORE_TEST(test_results_above_the_stacks_top_survive_the_collection_after_a_host_function),
        STORE_TEST(test_arguments_of_a_host_function_live_as_long_as_the_call),
        STORE_TEST(test_without_memory_a_collection_does_nothing),
        STORE_TEST(test_a_function_may_lose_its_last_handle_while_it_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

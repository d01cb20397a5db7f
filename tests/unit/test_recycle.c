/* Instances that are made from what earlier ones left: each is as new, whatever the last one did; and what is kept for
 * the next one keeps nothing else alive. Every test runs in each tier. */
#include "tests/support/check.h"

#include <pthread.h>

#include "runtime/pool.h"
#include "wasm.h"

static const wag_tier tiers[] = {WAG_TIER_INTERP, WAG_TIER_NATIVE_CHECKED, WAG_TIER_NATIVE_GUARD};
enum { TIERS = sizeof tiers / sizeof *tiers };

static wag_module *module_in(const char *text, wag_tier tier)
{
    wag_bytes bytes = wat(text);
    wag_module *module = NULL;
    wag_error *error = NULL;
    if (wag_module_new(bytes, &(wag_compile_options){.tier = tier}, &module, &error) != WAG_OK)
        fail_msg("%s: %s", text, wag_error_message(error));
    wat_free(bytes);
    return module;
}

static wag_instance *make(wag_module *module, wag_imports *imports)
{
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    if (wag_instance_new(module, imports, &instance, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    return instance;
}

static void call(const wag_instance *instance, const char *name)
{
    wag_error *error = NULL;
    if (wag_call(export_of(instance, name), NULL, 0, NULL, 0, &error) != WAG_OK)
        fail_msg("%s: %s", name, wag_error_message(error));
}

static size_t ready_count(const wag_module *module)
{
    const wagi_pool *pool = wagi_pool_find(wag_agent_current(), module);
    return pool ? pool->ready.n : 0;
}

static int nothing_is_left(void **state)
{
    (void)state;
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 0);
    assert_int_equal(wag_live_modules(), 0);
    assert_int_equal(wag_agent_current()->pools.count, 0);
    wagi_pools_trim(wag_agent_current()); /* memories of the host's */
    assert_int_equal(wag_agent_current()->pools.ready_bytes, 0);
    assert_int_equal(wag_agent_current()->pools.ready_memory, 0);
    return 0;
}

/* ---- as good as new ---- */

#define BUSY                                                                                                           \
    "(module (memory (export \"m\") 1 9) (data (i32.const 100) \"abcd\") (data (i32.const 65532) \"wxyz\")"            \
    " (data $d \"passive\")"                                                                                           \
    " (table $t (export \"t\") 4 20 funcref) (elem (i32.const 1) $f $g) (elem $e func $f)"                             \
    " (global $i (mut i32) (i32.const 7)) (global $l (mut i64) (i64.const -1)) (global $r (mut funcref) (ref.null "    \
    "func))"                                                                                                           \
    " "                                                                                                                \
    " (func $f (result i32) (i32.const 1)) (func $g (result i32) (i32.const 2)) (type $y (func (result i32)))"         \
    " (func (export \"spoil\")"                                                                                        \
    "  (global.set $i (i32.const 99)) (global.set $l (i64.const 5)) (global.set $r (table.get $t (i32.const 1)))"      \
    "  "                                                                                                               \
    "  (i32.store (i32.const 100) (i32.const 0)) (i32.store (i32.const 5000) (i32.const 77))"                          \
    "  (i32.store (i32.const 65532) (i32.const -1)) (memory.fill (i32.const 30000) (i32.const 9) (i32.const 9000))"    \
    "  (drop (memory.grow (i32.const 2))) (i32.store (i32.const 150000) (i32.const 3))"                                \
    "  (table.set $t (i32.const 1) (ref.null func)) (table.set $t (i32.const 0) (table.get $t (i32.const 2)))"         \
    "  (drop (table.grow $t (table.get $t (i32.const 2)) (i32.const 10)))"                                             \
    "  (data.drop $d) (elem.drop $e))"                                                                                 \
    " (func (export \"check\") (result i32)"                                                                           \
    "  (if (i32.ne (global.get $i) (i32.const 7)) (then (return (i32.const 1))))"                                      \
    "  (if (i64.ne (global.get $l) (i64.const -1)) (then (return (i32.const 2))))"                                     \
    "  (if (i32.eqz (ref.is_null (global.get $r))) (then (return (i32.const 3))))"                                     \
    "  "                                                                                                               \
    "  (if (i32.ne (i32.load (i32.const 100)) (i32.const 0x64636261)) (then (return (i32.const 5))))"                  \
    "  (if (i32.load (i32.const 5000)) (then (return (i32.const 6))))"                                                 \
    "  (if (i32.ne (i32.load (i32.const 65532)) (i32.const 0x7a797877)) (then (return (i32.const 7))))"                \
    "  (if (i32.load (i32.const 35000)) (then (return (i32.const 8))))"                                                \
    "  (if (i32.ne (memory.size) (i32.const 1)) (then (return (i32.const 9))))"                                        \
    "  (if (i32.ne (table.size $t) (i32.const 4)) (then (return (i32.const 10))))"                                     \
    "  (if (i32.ne (call_indirect (type $y) (i32.const 1)) (i32.const 1)) (then (return (i32.const 11))))"             \
    "  (if (i32.eqz (ref.is_null (table.get $t (i32.const 0)))) (then (return (i32.const 12))))"                       \
    "  (memory.init $d (i32.const 200) (i32.const 0) (i32.const 7))"                                                   \
    "  (if (i32.ne (i32.load8_u (i32.const 206)) (i32.const 101)) (then (return (i32.const 13))))"                     \
    "  (table.init $t $e (i32.const 3) (i32.const 0) (i32.const 1))"                                                   \
    "  (if (i32.ne (call_indirect (type $y) (i32.const 3)) (i32.const 1)) (then (return (i32.const 14))))"             \
    "  (drop (memory.grow (i32.const 2)))"                                                                             \
    "  (if (i32.load (i32.const 150000)) (then (return (i32.const 15))))"                                              \
    "  (i32.const 0)))"

static void test_whatever_an_instance_did_the_next_one_begins_as_new(void **state)
{
    (void)state;
    for (int t = 0; t < TIERS; t++) {
        wag_module *module = module_in(BUSY, tiers[t]);
        for (int i = 0; i < 100; i++) {
            wag_instance *instance = make(module, NULL);
            assert_int_equal(call_i32(instance, "check"), 0);
            if (i % 3)
                call(instance, "spoil");
            wag_instance_unref(instance);
        }
        wag_module_unref(module);
    }
}

static void test_instances_alive_at_once_do_not_share(void **state)
{
    (void)state;
    for (int t = 0; t < TIERS; t++) {
        wag_module *module = module_in(BUSY, tiers[t]);
        for (int round = 0; round < 3; round++) {
            wag_instance *alive[20];
            for (int i = 0; i < 20; i++) {
                alive[i] = make(module, NULL);
                if (i % 2)
                    call(alive[i], "spoil");
            }
            for (int i = 0; i < 20; i += 2)
                assert_int_equal(call_i32(alive[i], "check"), 0);
            for (int i = 0; i < 20; i++)
                wag_instance_unref(alive[i]);
        }
        wag_module_unref(module);
    }
}

static void test_what_the_host_writes_is_gone_too(void **state)
{
    (void)state;
    for (int t = 0; t < TIERS; t++) {
        wag_module *module = module_in(BUSY, tiers[t]);
        for (int i = 0; i < 20; i++) {
            wag_instance *instance = make(module, NULL);
            const wag_exports *exports = wag_instance_exports(instance);
            assert_int_equal(call_i32(instance, "check"), 0);
            wag_memory *memory = wag_exports_memory(exports, "m");
            wag_table *table = wag_exports_table(exports, "t");
            ASSERT_OK(wag_memory_write(memory, 5000, "secret", 6));
            memset(wag_memory_data(memory), 0xee, wag_memory_size(memory));
            ASSERT_OK(wag_table_set(table, 1, (wag_val){.kind = WAG_FUNCREF}));
            ASSERT_OK(wag_table_grow(table, 3, (wag_val){.kind = WAG_FUNCREF}, NULL));
            ASSERT_OK(wag_memory_grow(memory, 3, NULL, NULL));
            memset(wag_memory_data(memory), 0xee, wag_memory_size(memory));
            wag_instance_unref(instance);
        }
        wag_module_unref(module);
    }
}

static void test_an_instance_that_traps_leaves_nothing_to_the_next_one(void **state)
{
    (void)state;
    for (int t = 0; t < TIERS; t++) {
        wag_module *module = module_in("(module (memory 1) (func (export \"f\") (result i32) (i32.load (i32.const 8)))"
                                       " (func (export \"trap\") (i32.store (i32.const 8) (i32.const 1)) unreachable))",
                                       tiers[t]);
        for (int i = 0; i < 20; i++) {
            wag_instance *instance = make(module, NULL);
            assert_int_equal(call_i32(instance, "f"), 0);
            ASSERT_ERR(wag_call(export_of(instance, "trap"), NULL, 0, NULL, 0, NULL), WAG_UNREACHABLE);
            wag_instance_unref(instance);
        }
        wag_module_unref(module);
    }
}

static void test_the_start_function_runs_each_time(void **state)
{
    (void)state;
    for (int t = 0; t < TIERS; t++) {
        wag_module *module =
            module_in("(module (global $g (mut i32) (i32.const 1)) (memory 1)"
                      " (func $s (global.set $g (i32.add (global.get $g) (i32.const 1)))"
                      "  (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 10)))) (start $s)"
                      " (func (export \"f\") (result i32) (i32.add (global.get $g) (i32.load (i32.const 0)))))",
                      tiers[t]);
        for (int i = 0; i < 5; i++) {
            wag_instance *instance = make(module, NULL);
            assert_int_equal(call_i32(instance, "f"), 12);
            wag_instance_unref(instance);
        }
        wag_module_unref(module);
    }
}

/* ---- imports ---- */

static wag_error *give(void *context, const wag_val *args, wag_val *results)
{
    (void)args;
    results[0].of.i32 = *(int32_t *)context;
    return NULL;
}

static void count_up(void *context)
{
    ++*(int32_t *)context;
}

#define IMPORTER                                                                                                       \
    "(module (import \"e\" \"f\" (func $f (result i32))) (import \"e\" \"n\" (global $n i32))"                         \
    " (global $m i32 (global.get $n)) (global $v (mut i32) (global.get $n)) (table 2 funcref)"                         \
    " (elem (i32.const 0) $f $g) (func $g (result i32) (global.get $m)) (type $y (func (result i32)))"                 \
    " (func (export \"f\") (result i32) call $f)"                                                                      \
    " (func (export \"i\") (result i32) (call_indirect (type $y) (i32.const 0)))"                                      \
    " (func (export \"g\") (result i32) (call_indirect (type $y) (i32.const 1)))"                                      \
    " (func (export \"v\") (result i32) (global.get $v) (global.set $v (i32.const -5))))"

static wag_imports *imports_with(int32_t *number, double n)
{
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "e", "f", NULL, give, number, NULL));
    ASSERT_OK(wag_imports_set(imports, "e", "n", WAG_NUMBER(n)));
    return imports;
}

static void assert_sees(wag_module *module, wag_imports *imports, int32_t f, int32_t n)
{
    wag_instance *instance = make(module, imports);
    assert_int_equal(call_i32(instance, "f"), f);
    assert_int_equal(call_i32(instance, "i"), f);
    assert_int_equal(call_i32(instance, "g"), n);
    assert_int_equal(call_i32(instance, "v"), n);
    wag_instance_unref(instance);
}

static void test_each_instance_sees_the_imports_that_it_was_given(void **state)
{
    (void)state;
    for (int t = 0; t < TIERS; t++) {
        wag_module *module = module_in(IMPORTER, tiers[t]);
        int32_t one = 1, two = 2;
        wag_imports *first = imports_with(&one, 10), *second = imports_with(&two, 20);
        for (int i = 0; i < 4; i++) {
            assert_sees(module, first, 1, 10);
            assert_sees(module, second, 2, 20);
            assert_sees(module, second, 2, 20);
        }
        wag_imports_unref(first);
        wag_imports_unref(second);
        wag_module_unref(module);
    }
}

static void test_an_import_object_that_was_changed_is_read_again(void **state)
{
    (void)state;
    wag_module *module = module_in(IMPORTER, WAG_TIER_DEFAULT);
    int32_t one = 1, two = 2;
    wag_imports *imports = imports_with(&one, 10);
    assert_sees(module, imports, 1, 10);
    ASSERT_OK(wag_imports_set(imports, "e", "n", WAG_NUMBER(11)));
    assert_sees(module, imports, 1, 11);
    ASSERT_OK(wag_imports_set_func(imports, "e", "f", "() -> (i32)", give, &two, NULL));
    assert_sees(module, imports, 2, 11);
    wag_imports_unref(imports);
    wag_module_unref(module);
}

static void test_a_namespace_of_the_hosts_may_change_between_instantiations(void **state)
{
    (void)state;
    wag_module *module = module_in(IMPORTER, WAG_TIER_DEFAULT);
    int32_t one = 1;
    wag_func *func;
    ASSERT_OK(wag_func_new("() -> (i32)", give, &one, NULL, &func, NULL));
    wag_value fields = wag_map();
    ASSERT_OK(wag_map_set(fields, "f", WAG_FUNC(wag_func_ref(func))));
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_namespace(imports, "e", fields));
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(wag_map_set(fields, "n", WAG_NUMBER(i)));
        assert_sees(module, imports, 1, i);
    }
    wag_value_unref(fields);
    wag_imports_unref(imports);
    wag_func_unref(func);
    wag_module_unref(module);
}

static void test_a_function_made_for_an_import_is_another_one_for_each_instance(void **state)
{
    (void)state;
    wag_module *module =
        module_in("(module (import \"e\" \"f\" (func $f (result i32))) (export \"f\" (func $f)))", WAG_TIER_DEFAULT);
    int32_t one = 1;
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "e", "f", NULL, give, &one, NULL));
    wag_instance *a = make(module, imports), *b = make(module, imports);
    assert_ptr_not_equal(export_of(a, "f"), export_of(b, "f"));
    ASSERT_OK(wag_imports_set_func(imports, "e", "f", "() -> (i32)", give, &one, NULL));
    wag_instance *c = make(module, imports), *d = make(module, imports);
    assert_ptr_equal(export_of(c, "f"), export_of(d, "f"));
    wag_instance *all[] = {a, b, c, d};
    for (int i = 0; i < 4; i++)
        wag_instance_unref(all[i]);
    wag_imports_unref(imports);
    wag_module_unref(module);
}

static void test_imports_are_finalized_although_instances_are_kept_ready(void **state)
{
    (void)state;
    wag_module *module = module_in("(module (import \"e\" \"f\" (func (result i32))))", WAG_TIER_DEFAULT);
    int32_t finalized = 0;
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "e", "f", NULL, give, &finalized, count_up));
    wag_instance *instance = make(module, imports);
    wag_imports_unref(imports);
    assert_int_equal(finalized, 0);
    wag_instance_unref(instance);
    assert_int_equal(finalized, 1);
    assert_int_equal(ready_count(module), 1);
    wag_module_unref(module);
}

static void test_a_replaced_import_is_finalized_at_once(void **state)
{
    (void)state;
    wag_module *module = module_in("(module (import \"e\" \"f\" (func (result i32))))", WAG_TIER_DEFAULT);
    int32_t finalized = 0;
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "e", "f", "() -> (i32)", give, &finalized, count_up));
    wag_instance_unref(make(module, imports));
    assert_int_equal(finalized, 0);
    ASSERT_OK(wag_imports_set(imports, "e", "f", WAG_NUMBER(0)));
    assert_int_equal(finalized, 1);
    wag_error *error = NULL;
    ASSERT_ERR(wag_instance_new(module, imports, NULL, &error), WAG_LINK);
    wag_error_unref(error);
    wag_imports_unref(imports);
    wag_module_unref(module);
}

static void test_segments_into_imported_objects_are_written_each_time(void **state)
{
    (void)state;
    for (int t = 0; t < TIERS; t++) {
        wag_module *module =
            module_in("(module (import \"e\" \"m\" (memory 1)) (import \"e\" \"t\" (table 4 funcref)) (memory 1)"
                      " (data (memory 0) (i32.const 8) \"hi\") (data (memory 1) (i32.const 0) \"x\")"
                      " (elem (i32.const 2) $f) (func $f (export \"f\") (result i32) (i32.load8_u 1 (i32.const 0))))",
                      tiers[t]);
        wag_memory *memory;
        wag_table *table;
        ASSERT_OK(wag_memory_new(1, UINT64_MAX, &memory, NULL));
        ASSERT_OK(wag_table_new(WAG_FUNCREF, 4, UINT64_MAX, (wag_val){.kind = WAG_FUNCREF}, &table, NULL));
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set(imports, "e", "m", WAG_MEMORY(memory)));
        ASSERT_OK(wag_imports_set(imports, "e", "t", WAG_TABLE(table)));
        for (int i = 0; i < 6; i++) {
            ASSERT_OK(wag_memory_write(memory, 8, "\0\0", 2));
            ASSERT_OK(wag_table_set(table, 2, (wag_val){.kind = WAG_FUNCREF}));
            wag_instance *instance = make(module, imports);
            assert_memory_equal(wag_memory_data(memory) + 8, "hi", 2);
            wag_val func;
            ASSERT_OK(wag_table_get(table, 2, &func));
            assert_ptr_equal(func.of.func, export_of(instance, "f"));
            wag_val_unref(func);
            assert_int_equal(call_i32(instance, "f"), 'x');
            wag_instance_unref(instance);
            if (i % 2)
                ASSERT_OK(wag_table_set(table, 2, (wag_val){.kind = WAG_FUNCREF}));
            wag_agent_collect();
        }
        wag_imports_unref(imports);
        wag_memory_unref(memory);
        wag_table_unref(table);
        wag_module_unref(module);
        wag_agent_collect();
    }
}

static void test_a_step_that_fails_leaves_undone_what_comes_after_it(void **state)
{
    (void)state;
    for (int t = 0; t < TIERS; t++) {
        wag_module *module =
            module_in("(module (import \"e\" \"m\" (memory 1)) (import \"e\" \"t\" (table 4 funcref)) (memory 1)"
                      " (elem (i32.const 0) $f) (data (memory 1) (i32.const 0) \"A\")"
                      " (data (memory 0) (i32.const 65536) \"no room\") (data (memory 1) (i32.const 1) \"B\")"
                      " (func $f (result i32) (i32.load 1 (i32.const 0))))",
                      tiers[t]);
        wag_memory *memory;
        wag_table *table;
        ASSERT_OK(wag_memory_new(1, UINT64_MAX, &memory, NULL));
        ASSERT_OK(wag_table_new(WAG_FUNCREF, 4, UINT64_MAX, (wag_val){.kind = WAG_FUNCREF}, &table, NULL));
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set(imports, "e", "m", WAG_MEMORY(memory)));
        ASSERT_OK(wag_imports_set(imports, "e", "t", WAG_TABLE(table)));
        ASSERT_ERR(wag_instance_new(module, imports, NULL, NULL), WAG_MEMORY_BOUNDS);
        wag_val func, result;
        ASSERT_OK(wag_table_get(table, 0, &func));
        ASSERT_OK(wag_call(func.of.func, NULL, 0, &result, 1, NULL));
        assert_int_equal(result.of.i32, 'A'); /* and no B */
        wag_val_unref(func);
        wag_imports_unref(imports);
        wag_memory_unref(memory);
        wag_table_unref(table);
        wag_module_unref(module);
        wag_agent_collect();
    }
}

/* ---- what the host attaches ---- */

static void count_one(void *count)
{
    ++*(int *)count;
}

static void test_host_info_of_an_instance_is_finalized_with_it_and_not_seen_by_the_next_one(void **state)
{
    (void)state;
    wag_module *module = module_in("(module (func (export \"f\")))", WAG_TIER_DEFAULT);
    int finalized = 0;
    for (int i = 0; i < 10; i++) {
        wag_instance *instance = make(module, NULL);
        wasm_instance_t *same = (wasm_instance_t *)(void *)instance;
        assert_null(wasm_instance_get_host_info(same));
        wasm_instance_set_host_info_with_finalizer(same, &finalized, count_one);
        assert_int_equal(finalized, i);
        wag_instance_unref(instance);
        assert_int_equal(finalized, i + 1);
    }
    wag_module_unref(module);
}

/* ---- links ---- */

static void test_a_link_makes_many_instances_and_stays_as_it_was_read(void **state)
{
    (void)state;
    wag_module *module = module_in(IMPORTER, WAG_TIER_DEFAULT);
    int32_t one = 1;
    wag_imports *imports = imports_with(&one, 10);
    wag_linked *linked = NULL;
    ASSERT_OK(wag_linked_new(module, imports, &linked, NULL));
    ASSERT_OK(wag_imports_set(imports, "e", "n", WAG_NUMBER(11)));
    wag_imports_unref(imports);
    wag_module_unref(module); /* the link holds it */
    for (int i = 0; i < 10; i++) {
        wag_instance *instance = NULL;
        ASSERT_OK(wag_linked_instantiate(linked, &instance, NULL));
        assert_int_equal(call_i32(instance, "g"), 10);
        assert_int_equal(call_i32(instance, "v"), 10);
        wag_instance_unref(instance);
    }
    wag_linked_unref(linked);
    wag_linked_unref(NULL);
}

static void test_every_pair_of_module_and_import_object_is_read_once(void **state)
{
    (void)state;
    enum { SIDE = 6 };
    wag_module *modules[SIDE];
    wag_imports *imports[SIDE];
    static int32_t numbers[SIDE];
    for (int i = 0; i < SIDE; i++) {
        modules[i] = module_in(IMPORTER, WAG_TIER_DEFAULT);
        numbers[i] = i;
        imports[i] = imports_with(&numbers[i], 10 * i);
    }
    const wag_linked *known[SIDE][SIDE];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < SIDE * SIDE; i++) {
            int m = (i + i / SIDE) % SIDE, n = i / SIDE;
            wag_instance *instance = make(modules[m], imports[n]);
            assert_int_equal(call_i32(instance, "g"), 10 * n);
            wag_instance_unref(instance);
            const wag_linked *linked = wagi_link_find(wag_agent_current(), modules[m], imports[n]);
            assert_non_null(linked);
            if (round == 1)
                assert_ptr_equal(linked, known[m][n]);
            known[m][n] = linked;
        }
    wag_imports *unused = imports_with(&numbers[0], 0);
    assert_null(wagi_link_find(wag_agent_current(), modules[3], unused));
    wag_imports_unref(unused);
    for (int i = 0; i < SIDE; i++) {
        wag_imports_unref(imports[i]);
        wag_module_unref(modules[i]);
    }
}

static void *use_a_link_of_another_agent(void *argument)
{
    static wag_err got;
    got = wag_linked_instantiate(argument, NULL, NULL);
    wag_linked_unref(argument);
    return &got;
}

static void test_a_link_says_what_is_wrong(void **state)
{
    (void)state;
    wag_module *module = module_in(IMPORTER, WAG_TIER_DEFAULT);
    wag_linked *linked = NULL;
    wag_error *error = NULL;
    ASSERT_ERR(wag_linked_new(NULL, NULL, &linked, &error), WAG_TYPE);
    wag_error_unref(error);
    ASSERT_ERR(wag_linked_new(module, NULL, &linked, &error), WAG_TYPE);
    wag_error_unref(error);
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "e", "f", "(i32) -> (i32)", give, NULL, NULL));
    ASSERT_OK(wag_imports_set(imports, "e", "n", WAG_NUMBER(1)));
    ASSERT_ERR(wag_linked_new(module, imports, &linked, &error), WAG_LINK);
    wag_error_unref(error);
    assert_null(linked);
    ASSERT_ERR(wag_linked_instantiate(NULL, NULL, NULL), WAG_TYPE);
    wag_imports_unref(imports);
    int32_t one = 1;
    imports = imports_with(&one, 1);
    ASSERT_OK(wag_linked_new(module, imports, &linked, NULL));
    pthread_t thread;
    void *got = NULL;
    assert_int_equal(pthread_create(&thread, NULL, use_a_link_of_another_agent, linked), 0);
    pthread_join(thread, &got);
    ASSERT_ERR(*(wag_err *)got, WAG_WRONG_AGENT);
    wag_linked_unref(linked);
    wag_imports_unref(imports);
    wag_module_unref(module);
}

/* ---- what is kept ---- */

static void test_a_module_goes_with_its_last_handle_although_instances_are_kept(void **state)
{
    (void)state;
    int32_t one = 1;
    wag_imports *imports = imports_with(&one, 10);
    wag_module *module = module_in(IMPORTER, WAG_TIER_DEFAULT);
    assert_sees(module, imports, 1, 10);
    assert_int_equal(ready_count(module), 1);
    wag_module_unref(module); /* the import object does not hold it either */
    assert_int_equal(wag_live_modules(), 0);

    module = module_in(IMPORTER, WAG_TIER_DEFAULT);
    wag_instance *instance = make(module, imports);
    wag_module_unref(module);
    assert_int_equal(wag_live_modules(), 1);
    assert_int_equal(call_i32(instance, "f"), 1);
    wag_instance_unref(instance);
    assert_int_equal(wag_live_modules(), 0);
    wag_imports_unref(imports);
}

static void test_a_module_that_another_thread_drops_goes_when_a_pool_is_used(void **state)
{
    (void)state;
    wag_module *module = module_in("(module)", WAG_TIER_DEFAULT), *other = module_in("(module)", WAG_TIER_DEFAULT);
    wag_instance_unref(make(module, NULL));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, (void *(*)(void *))(void (*)(void))wag_module_unref, module), 0);
    pthread_join(thread, NULL);
    assert_int_equal(wag_live_modules(), 2);
    wag_instance_unref(make(other, NULL));
    assert_int_equal(wag_live_modules(), 1);
    wag_module_unref(other);
}

static void test_no_more_is_kept_than_the_limit_allows(void **state)
{
    (void)state;
    wag_module *module = module_in("(module (memory 2))", WAG_TIER_NATIVE_CHECKED);
    wag_agent *agent = wag_agent_current();
    uint64_t before = wag_cluster_get_limit(wag_cluster_default(), WAG_LIMIT_ready_bytes);
    ASSERT_OK(wag_cluster_set_limit(wag_cluster_default(), WAG_LIMIT_ready_bytes, 1 << 20));
    wag_instance *alive[40];
    for (int i = 0; i < 40; i++)
        alive[i] = make(module, NULL);
    for (int i = 0; i < 40; i++)
        wag_instance_unref(alive[i]);
    assert_in_range(ready_count(module), 1, 8);
    assert_in_range(agent->pools.ready_bytes, 1, 1 << 20);
    ASSERT_OK(wag_cluster_set_limit(wag_cluster_default(), WAG_LIMIT_ready_bytes, before));
    wagi_pools_trim(agent);
    assert_int_equal(ready_count(module), 0);
    assert_int_equal(agent->pools.ready_bytes, 0);
    wag_instance_unref(make(module, NULL));
    wag_module_unref(module);
}

static void test_a_hundred_modules_have_a_pool_each(void **state)
{
    (void)state;
    wag_module *modules[100];
    char text[100];
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "(module (func (export \"f\") (result i32) (i32.const %d)))", i);
        modules[i] = module_in(text, WAG_TIER_DEFAULT);
    }
    for (int i = 0; i < 300; i++) {
        wag_instance *instance = make(modules[i % 100], NULL);
        assert_int_equal(call_i32(instance, "f"), i % 100);
        wag_instance_unref(instance);
    }
    assert_int_equal(wag_agent_current()->pools.count, 100);
    for (int i = 0; i < 100; i++)
        wag_module_unref(modules[i * 37 % 100]);
}

#define TEST(name) cmocka_unit_test_teardown(name, nothing_is_left)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_whatever_an_instance_did_the_next_one_begins_as_new),
        TEST(test_instances_alive_at_once_do_not_share),
        TEST(test_what_the_host_writes_is_gone_too),
        TEST(test_an_instance_that_traps_leaves_nothing_to_the_next_one),
        TEST(test_the_start_function_runs_each_time),
        TEST(test_each_instance_sees_the_imports_that_it_was_given),
        TEST(test_an_import_object_that_was_changed_is_read_again),
        TEST(test_a_namespace_of_the_hosts_may_change_between_instantiations),
        TEST(test_a_function_made_for_an_import_is_another_one_for_each_instance),
        TEST(test_imports_are_finalized_although_instances_are_kept_ready),
        TEST(test_a_replaced_import_is_finalized_at_once),
        TEST(test_segments_into_imported_objects_are_written_each_time),
        TEST(test_a_step_that_fails_leaves_undone_what_comes_after_it),
        TEST(test_host_info_of_an_instance_is_finalized_with_it_and_not_seen_by_the_next_one),
        TEST(test_a_link_makes_many_instances_and_stays_as_it_was_read),
        TEST(test_every_pair_of_module_and_import_object_is_read_once),
        TEST(test_a_link_says_what_is_wrong),
        TEST(test_a_module_goes_with_its_last_handle_although_instances_are_kept),
        TEST(test_a_module_that_another_thread_drops_goes_when_a_pool_is_used),
        TEST(test_no_more_is_kept_than_the_limit_allows),
        TEST(test_a_hundred_modules_have_a_pool_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

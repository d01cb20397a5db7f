/* wasm.h where the programs of tests/api/wasm_h do not go: errors and their reasons, wrong threads and kinds, no
 * memory, types that it has no number for, and the way to waggle.h. */
#include "tests/support/check.h"

#include <pthread.h>

#include "base/alloc.h"
#include "waggle/wasm_ext.h"

static wasm_engine_t *engine;
static wasm_store_t *store;

static int open_store(void **state)
{
    (void)state;
    engine = wasm_engine_new();
    store = wasm_store_new(engine);
    return engine && store ? 0 : -1;
}

static int close_store(void **state)
{
    (void)state;
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return 0;
}

static wasm_module_t *module_of_text(const char *text)
{
    wag_bytes bytes = wat(text);
    wasm_byte_vec_t binary = {bytes.size, (byte_t *)(uintptr_t)bytes.data};
    wasm_module_t *module = wasm_module_new(store, &binary);
    wat_free(bytes);
    return module;
}

static void test_why_a_function_failed_can_be_asked_of_the_store(void **state)
{
    (void)state;
    wasm_store_t *other = wasm_store_new(engine);
    assert_null(wag_wasm_last_error(other));
    wasm_byte_vec_t junk = {4, (char[]){0, 'a', 's', 'n'}};
    assert_null(wasm_module_new(other, &junk));
    assert_int_equal(wag_error_code(wag_wasm_last_error(other)), WAG_MALFORMED);
    assert_null(wasm_module_deserialize(other, &junk));
    assert_null(wag_wasm_last_error(store)); /* each store has its own */
    wasm_limits_t limits = {2, 1};
    wasm_memorytype_t *type = wasm_memorytype_new(&limits);
    assert_null(wasm_memory_new(other, type));
    assert_int_equal(wag_error_code(wag_wasm_last_error(other)), WAG_RANGE);
    wasm_memorytype_delete(type);

    wasm_module_t *module = module_of_text("(module (import \"a\" \"b\" (func)))");
    wasm_trap_t *trap = NULL;
    assert_null(wasm_instance_new(other, module, NULL, &trap));
    assert_int_equal(wag_error_code(wag_wasm_last_error(other)), WAG_LINK);
    assert_ptr_equal(wag_wasm_trap_error(trap), wag_wasm_last_error(other));
    wasm_trap_delete(trap);
    wasm_module_delete(module);
    wasm_store_delete(other);
}

static void test_objects_and_modules_are_those_of_waggle_h(void **state)
{
    (void)state;
    wasm_module_t *module = module_of_text("(module (func (export \"f\") (result i32) (i32.const 42)))");
    wasm_module_t *same = wag_wasm_module_of(store, wag_wasm_module(module));
    assert_true(wasm_module_same(module, same));
    wasm_instance_t *instance = wasm_instance_new(store, same, NULL, NULL);
    assert_int_equal(call_i32((wag_instance *)instance, "f"), 42);
    wasm_instance_delete(instance);
    wasm_module_delete(same);
    wasm_module_delete(module);
}

static void test_types_without_a_number_are_told_and_their_values_refused(void **state)
{
    (void)state;
    wasm_module_t *module = module_of_text("(module (tag (export \"t\") (param i32))"
                                           "  (func (export \"f\") (param v128) (result v128) (local.get 0))"
                                           "  (func (export \"g\") (result v128) (v128.const i32x4 1 2 3 4))"
                                           "  (global (export \"v\") v128 (v128.const i32x4 1 2 3 4)))");
    if (!module) /* no tier with vectors or exceptions */
        fail_msg("%s", wag_error_message(wag_wasm_last_error(store)));
    wasm_exporttype_vec_t types;
    wasm_module_exports(module, &types);
    assert_int_equal(wasm_externtype_kind(wasm_exporttype_type(types.data[0])), WASM_EXTERN_TAG);
    const wasm_functype_t *f = wasm_externtype_as_functype_const(wasm_exporttype_type(types.data[1]));
    assert_int_equal(wasm_valtype_kind(wasm_functype_params(f)->data[0]), 4);
    wasm_exporttype_vec_delete(&types);
    wasm_instance_t *instance = wasm_instance_new(store, module, NULL, NULL);
    wasm_extern_vec_t exports;
    wasm_instance_exports(instance, &exports);
    assert_int_equal(wasm_extern_kind(exports.data[0]), 4);
    wasm_val_t val = WASM_I32_VAL(1), result;
    wasm_val_vec_t in = {1, &val}, none = WASM_EMPTY_VEC, out = {1, &result};
    for (int i = 1; i <= 2; i++) {
        wasm_trap_t *trap = wasm_func_call(wasm_extern_as_func(exports.data[i]), i == 1 ? &in : &none, &out);
        assert_int_equal(wag_error_code(wag_wasm_trap_error(trap)), WAG_TYPE);
        wasm_trap_delete(trap);
    }
    wasm_global_get(wasm_extern_as_global(exports.data[3]), &result);
    assert_int_equal(result.kind, WASM_EXTERNREF);
    assert_null(result.of.ref);
    wasm_global_set(wasm_extern_as_global(exports.data[3]), &val);
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_module_delete(module);
}

static void test_a_tag_has_a_type_and_is_imported_where_a_tag_is_wanted(void **state)
{
    (void)state;
    wasm_module_t *module =
        module_of_text("(module (import \"\" \"\" (tag $t (param i32 f64))) (export \"t\" (tag $t)))");
    wasm_importtype_vec_t imported;
    wasm_module_imports(module, &imported);
    const wasm_tagtype_t *wanted = wasm_externtype_as_tagtype_const(wasm_importtype_type(imported.data[0]));
    assert_int_equal(wasm_functype_params(wasm_tagtype_functype(wanted))->size, 2);
    assert_int_equal(wasm_valtype_kind(wasm_functype_params(wasm_tagtype_functype(wanted))->data[1]), WASM_F64);
    assert_null(wasm_externtype_as_functype_const(wasm_importtype_type(imported.data[0])));
    wasm_tagtype_t *type = wasm_tagtype_copy(wanted);
    wasm_tag_t *tag = wasm_tag_new(store, type);
    wasm_extern_t *externs[] = {wasm_tag_as_extern(tag)};
    wasm_extern_vec_t imports = WASM_ARRAY_VEC(externs), exports;
    wasm_instance_t *instance = wasm_instance_new(store, module, &imports, NULL);
    assert_non_null(instance);
    wasm_instance_exports(instance, &exports);
    assert_int_equal(wasm_extern_kind(exports.data[0]), WASM_EXTERN_TAG);
    assert_true(wasm_tag_same(wasm_extern_as_tag(exports.data[0]), tag));
    assert_ptr_equal(wasm_ref_as_tag(wasm_tag_as_ref(tag)), tag);
    wasm_externtype_t *told = wasm_extern_type(exports.data[0]);
    assert_int_equal(wasm_functype_params(wasm_tagtype_functype(wasm_externtype_as_tagtype(told)))->size, 2);
    wasm_externtype_delete(told);

    wasm_tagtype_t *other_type = wasm_tagtype_new(wasm_functype_new_0_0());
    wasm_tag_t *other = wasm_tag_new(store, other_type);
    externs[0] = wasm_tag_as_extern(other);
    assert_null(wasm_instance_new(store, module, &imports, NULL));
    wasm_tag_delete(other);
    wasm_tagtype_delete(other_type);
    other_type = wasm_tagtype_new(wasm_functype_new_0_1(wasm_valtype_new_i32()));
    assert_null(wasm_tag_new(store, other_type));
    assert_int_equal(wag_error_code(wag_wasm_last_error(store)), WAG_TYPE);
    wasm_tagtype_delete(other_type);

    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_tag_delete(tag);
    wasm_tagtype_delete(type);
    wasm_importtype_vec_delete(&imported);
    wasm_module_delete(module);
}

static wasm_trap_t *kept_trap;
static int finalized;

static void count_finalized(void *info)
{
    finalized += *(int *)info;
}

/* Traps with host info, of which the test keeps a handle. */
static wasm_trap_t *trap_with_info(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    (void)args, (void)results;
    static int info = 1;
    wasm_message_t message;
    wasm_name_new_from_string_nt(&message, "with info");
    wasm_trap_t *trap = wasm_trap_new(store, &message);
    wasm_name_delete(&message);
    wasm_trap_set_host_info_with_finalizer(trap, &info, count_finalized);
    kept_trap = wasm_trap_copy(trap);
    return trap;
}

static void test_the_host_info_of_a_trap_passes_through_wasm(void **state)
{
    (void)state;
    wasm_module_t *module = module_of_text("(module (import \"\" \"\" (func)) (func (export \"f\") (call 0)))");
    wasm_functype_t *type = wasm_functype_new_0_0();
    wasm_func_t *func = wasm_func_new(store, type, trap_with_info);
    wasm_extern_t *externs[] = {wasm_func_as_extern(func)};
    wasm_extern_vec_t imports = WASM_ARRAY_VEC(externs), exports;
    wasm_instance_t *instance = wasm_instance_new(store, module, &imports, NULL);
    wasm_instance_exports(instance, &exports);
    wasm_val_vec_t none = WASM_EMPTY_VEC;
    finalized = 0;
    wasm_trap_t *trap = wasm_func_call(wasm_extern_as_func(exports.data[0]), &none, &none);
    assert_true(wasm_trap_same(trap, kept_trap));
    assert_non_null(wasm_trap_get_host_info(trap));
    assert_ptr_equal(wasm_trap_get_host_info(trap), wasm_trap_get_host_info(kept_trap));
    wasm_trap_delete(kept_trap);
    assert_int_equal(finalized, 0);
    wasm_trap_delete(trap);
    assert_int_equal(finalized, 1);
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_func_delete(func);
    wasm_functype_delete(type);
    wasm_module_delete(module);
}

static void *look_elsewhere(void *frame)
{
    return wasm_frame_instance(frame);
}

static wasm_module_t *module_in_tier(const char *text, wag_tier tier)
{
    wag_bytes bytes = wat(text);
    wag_module *module = NULL;
    ASSERT_OK(wag_module_new(bytes, &(wag_compile_options){.tier = tier}, &module, NULL));
    wasm_module_t *handle = wag_wasm_module_of(store, module);
    wag_module_unref(module);
    wat_free(bytes);
    return handle;
}

static void frames_know_their_instances(wag_tier tier)
{
    wasm_module_t *inner_module =
        module_in_tier("(module (func $g unreachable) (func (export \"f\") (call $g)))", tier);
    wasm_module_t *outer_module =
        module_in_tier("(module (import \"\" \"\" (func)) (func (export \"f\") (call 0)))", tier);
    wasm_instance_t *inner = wasm_instance_new(store, inner_module, NULL, NULL);
    wasm_extern_vec_t imports, exports;
    wasm_instance_exports(inner, &imports);
    wasm_instance_t *outer = wasm_instance_new(store, outer_module, &imports, NULL);
    wasm_instance_exports(outer, &exports);
    wasm_val_vec_t none = WASM_EMPTY_VEC;
    wasm_trap_t *trap = wasm_func_call(wasm_extern_as_func(exports.data[0]), &none, &none);
    wasm_frame_vec_t frames;
    wasm_trap_trace(trap, &frames);
    assert_int_equal(frames.size, 3);
    wasm_frame_t *origin = wasm_trap_origin(trap), *copy = wasm_frame_copy(frames.data[2]);
    assert_ptr_equal(wasm_frame_instance(origin), inner);
    assert_ptr_equal(wasm_frame_instance(frames.data[1]), inner);
    assert_ptr_equal(wasm_frame_instance(copy), outer);
    pthread_t thread;
    void *seen = &thread;
    assert_int_equal(pthread_create(&thread, NULL, look_elsewhere, copy), 0);
    pthread_join(thread, &seen);
    assert_null(seen);

    wasm_trap_delete(trap);
    wasm_extern_vec_delete(&exports);
    wasm_extern_vec_delete(&imports);
    wasm_instance_delete(outer);
    assert_null(wasm_frame_instance(copy));
    wasm_instance_delete(inner);
    wag_agent_collect();
    assert_null(wasm_frame_instance(origin));
    /* The next instance of the module is another one, though it may be in the same place. */
    wasm_instance_t *next = wasm_instance_new(store, inner_module, NULL, NULL);
    assert_null(wasm_frame_instance(origin));
    wasm_instance_delete(next);
    wasm_frame_delete(copy);
    wasm_frame_delete(origin);
    wasm_frame_vec_delete(&frames);
    wasm_module_delete(outer_module);
    wasm_module_delete(inner_module);
}

static void test_a_frame_knows_its_instance_as_long_as_that_is_there(void **state)
{
    (void)state;
    frames_know_their_instances(WAG_TIER_INTERP);
    frames_know_their_instances(WAG_TIER_DEFAULT);
}

typedef struct elsewhere {
    wasm_func_t *func;
    wasm_memory_t *memory;
    wasm_table_t *table;
    wasm_global_t *global;
    wasm_instance_t *instance;
    bool is_fine;
} elsewhere;

static void *use_elsewhere(void *context)
{
    elsewhere *here = context;
    wasm_val_t val = WASM_I32_VAL(7);
    wasm_val_vec_t none = WASM_EMPTY_VEC;
    wasm_extern_vec_t exports;
    wasm_byte_vec_t binary = {8, "\0asm\1\0\0"};
    wasm_instance_exports(here->instance, &exports);
    wasm_trap_t *trap = wasm_func_call(here->func, &none, &none);
    wasm_global_set(here->global, &val);
    wasm_func_set_host_info(here->func, &val);
    wasm_func_delete(here->func); /* nothing happens */
    here->is_fine = trap && wag_error_code(wag_wasm_trap_error(trap)) == WAG_WRONG_AGENT && exports.size == 0 &&
                    !wasm_func_type(here->func) && !wasm_func_copy(here->func) && !wasm_memory_data(here->memory) &&
                    wasm_memory_size(here->memory) == 0 && !wasm_memory_grow(here->memory, 0) &&
                    wasm_table_size(here->table) == 0 && !wasm_table_grow(here->table, 0, NULL) &&
                    !wasm_table_set(here->table, 0, NULL) && !wasm_table_get(here->table, 0) &&
                    !wasm_module_new(store, &binary) && !wasm_foreign_new(store) && !wag_wasm_last_error(store) &&
                    !wasm_func_get_host_info(here->func);
    wasm_trap_delete(trap);
    return NULL;
}

static void test_another_thread_can_do_nothing_with_a_store_and_its_objects(void **state)
{
    (void)state;
    wasm_module_t *module = module_of_text("(module (func (export \"f\")) (memory (export \"m\") 1)"
                                           "  (table (export \"t\") 1 funcref) (elem (i32.const 0) 0)"
                                           "  (global (export \"g\") (mut i32) (i32.const 5)))");
    elsewhere here = {.instance = wasm_instance_new(store, module, NULL, NULL)};
    wasm_extern_vec_t exports;
    wasm_instance_exports(here.instance, &exports);
    here.func = wasm_extern_as_func(exports.data[0]);
    here.memory = wasm_extern_as_memory(exports.data[1]);
    here.table = wasm_extern_as_table(exports.data[2]);
    here.global = wasm_extern_as_global(exports.data[3]);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, use_elsewhere, &here), 0);
    pthread_join(thread, NULL);
    assert_true(here.is_fine);
    wasm_val_t val;
    wasm_global_get(here.global, &val);
    assert_int_equal(val.of.i32, 5);
    wasm_val_vec_t none = WASM_EMPTY_VEC;
    assert_null(wasm_func_call(here.func, &none, &none));
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(here.instance);
    wasm_module_delete(module);
}

/* A trap when the first argument is not 0; the results are given away all the same. */
static wasm_trap_t *give_back(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    for (size_t i = 0; i < args->size; i++)
        wasm_val_copy(&results->data[i], &args->data[i]);
    if (args->data[0].of.i32 == 0)
        return NULL;
    wasm_message_t message;
    wasm_name_new_from_string(&message, "without its terminator");
    wasm_trap_t *trap = wasm_trap_new(store, &message);
    wasm_name_delete(&message);
    return trap;
}

/* What a program does that makes one of everything; each step copes with what is missing. */
static void make_everything(const wasm_byte_vec_t *binary)
{
    wasm_module_t *module = wasm_module_new(store, binary);
    wasm_importtype_vec_t imported;
    wasm_exporttype_vec_t exported;
    wasm_byte_vec_t serial;
    wasm_module_imports(module, &imported);
    wasm_module_exports(module, &exported);
    wasm_module_serialize(module, &serial);
    wasm_module_t *again = wasm_module_deserialize(store, &serial);
    wasm_functype_t *type = wasm_functype_new_2_2(wasm_valtype_new_i32(), wasm_valtype_new_externref(),
                                                  wasm_valtype_new_i32(), wasm_valtype_new_externref());
    wasm_func_t *func = type ? wasm_func_new(store, type, give_back) : NULL;
    wasm_foreign_t *foreign = wasm_foreign_new(store);
    wasm_limits_t limits = {1, 2};
    wasm_tabletype_t *table_type = wasm_tabletype_new(wasm_valtype_new_externref(), &limits);
    wasm_table_t *table = table_type ? wasm_table_new(store, table_type, wasm_module_as_ref(module)) : NULL;
    wasm_extern_vec_t imports = {1, (wasm_extern_t *[]){wasm_func_as_extern(func)}}, exports = WASM_EMPTY_VEC;
    wasm_trap_t *trap = NULL;
    wasm_instance_t *instance = wasm_instance_new(store, again, &imports, &trap);
    assert_true((instance == NULL) == (trap != NULL));
    wasm_trap_delete(trap);
    if (instance)
        wasm_instance_exports(instance, &exports);
    for (int32_t traps = 0; exports.size && traps < 2; traps++) {
        wasm_val_t args[2] = {WASM_I32_VAL(traps), WASM_REF_VAL(wasm_instance_as_ref(instance))}, results[2];
        wasm_val_vec_t in = WASM_ARRAY_VEC(args), out = WASM_ARRAY_VEC(results);
        trap = wasm_func_call(wasm_extern_as_func(exports.data[1]), &in, &out);
        wasm_frame_vec_t frames = WASM_EMPTY_VEC;
        wasm_message_t message = WASM_EMPTY_VEC;
        if (trap) {
            wasm_trap_trace(trap, &frames);
            wasm_trap_message(trap, &message);
        } else {
            assert_true(wasm_ref_same(results[1].of.ref, args[1].of.ref));
            wasm_val_delete(&results[1]);
        }
        wasm_frame_vec_delete(&frames);
        wasm_name_delete(&message);
        wasm_trap_delete(trap);
    }
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_table_delete(table);
    wasm_tabletype_delete(table_type);
    wasm_foreign_delete(foreign);
    wasm_func_delete(func);
    wasm_functype_delete(type);
    wasm_module_delete(again);
    wasm_byte_vec_delete(&serial);
    wasm_exporttype_vec_delete(&exported);
    wasm_importtype_vec_delete(&imported);
    wasm_module_delete(module);
}

static void test_without_memory_everything_is_made_or_not_and_nothing_leaks(void **state)
{
    (void)state;
    wag_bytes bytes = wat("(module (import \"host\" \"f\" (func $f (param i32 externref) (result i32 externref)))"
                          "  (memory (export \"m\") 1 2) (table 3 funcref) (global (mut i64) (i64.const 1))"
                          "  (func (export \"f\") (param i32 externref) (result i32 externref)"
                          "    (call $f (local.get 0) (local.get 1))))");
    wasm_byte_vec_t binary = {bytes.size, (byte_t *)(uintptr_t)bytes.data};
    make_everything(&binary); /* the first time makes what stays */
    wag_agent_collect();
    size_t objects = wag_agent_live_objects(), modules = wag_live_modules();
    for (uint64_t successes = 0; successes < 400; successes++) {
        wagi_alloc_fail_after(successes);
        make_everything(&binary);
        wagi_alloc_fail_after(UINT64_MAX);
        wag_agent_collect();
        assert_int_equal(wag_agent_live_objects(), objects);
        assert_int_equal(wag_live_modules(), modules);
    }
    wat_free(bytes);
}

static void *without_signals(void *context)
{
    wag_cluster *cluster = NULL;
    wag_bytes bytes = *(wag_bytes *)context;
    wag_tier tier = WAG_TIER_DEFAULT;
    if (wag_cluster_new(&(wag_cluster_options){.signals = WAG_SIGNALS_NONE}, &cluster) != WAG_OK ||
        wag_agent_open(cluster) != WAG_OK)
        return NULL;
    wasm_store_t *own = wasm_store_new(engine);
    wasm_byte_vec_t binary = {bytes.size, (byte_t *)(uintptr_t)bytes.data};
    wasm_module_t *module = wasm_module_new(own, &binary);
    if (module)
        tier = wag_module_tier(wag_wasm_module(module));
    wasm_module_delete(module);
    wasm_store_delete(own);
    wag_agent_close();
    wag_cluster_unref(cluster);
    return tier == WAG_TIER_NATIVE_CHECKED || tier == WAG_TIER_INTERP ? context : NULL;
}

static void test_a_store_is_in_the_cluster_in_which_its_thread_was_opened(void **state)
{
    (void)state;
    wag_bytes bytes = wat("(module (memory 1))");
    pthread_t thread;
    void *result;
    assert_int_equal(pthread_create(&thread, NULL, without_signals, &bytes), 0);
    pthread_join(thread, &result);
    assert_ptr_equal(result, &bytes);
    wat_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_why_a_function_failed_can_be_asked_of_the_store),
        cmocka_unit_test(test_objects_and_modules_are_those_of_waggle_h),
        cmocka_unit_test(test_types_without_a_number_are_told_and_their_values_refused),
        cmocka_unit_test(test_a_tag_has_a_type_and_is_imported_where_a_tag_is_wanted),
        cmocka_unit_test(test_the_host_info_of_a_trap_passes_through_wasm),
        cmocka_unit_test(test_a_frame_knows_its_instance_as_long_as_that_is_there),
        cmocka_unit_test(test_another_thread_can_do_nothing_with_a_store_and_its_objects),
        cmocka_unit_test(test_without_memory_everything_is_made_or_not_and_nothing_leaks),
        cmocka_unit_test(test_a_store_is_in_the_cluster_in_which_its_thread_was_opened),
    };
    return cmocka_run_group_tests(tests, open_store, close_store);
}

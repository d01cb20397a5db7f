/* Native code as a part of the process: its pages, its traps and faults, its stack, its calls across instances. Each
 * test runs in both memory modes where that makes a difference. */
#include "tests/support/check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "base/fault.h"
#include "exec/native.h"
#include "runtime/agent.h"
#include "tests/support/sanitized.h"

static const wag_tier modes[] = {WAG_TIER_NATIVE_GUARD, WAG_TIER_NATIVE_CHECKED};

static wag_instance *native_of(const char *text, wag_tier tier, wag_imports *imports)
{
    wag_bytes bytes = wat(text);
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    wag_compile_options options = {.tier = tier};
    if (wag_module_new(bytes, &options, &module, &error) != WAG_OK)
        fail_msg("%s: %s", text, wag_error_message(error));
    assert_int_equal(wag_module_tier(module), tier);
    if (wag_instance_new(module, imports, &instance, &error) != WAG_OK)
        fail_msg("%s: %s", text, wag_error_message(error));
    wag_module_unref(module);
    wat_free(bytes);
    return instance;
}

/* Call an i32 -> i32 export; the error, or NULL and the result. */
static wag_error *call_1(const wag_instance *instance, const char *name, int32_t x, int32_t *ret_value)
{
    wag_val arg = WAG_VAL_I32(x), result = WAG_VAL_I32(0);
    wag_error *error = NULL;
    if (wag_call(export_of(instance, name), &arg, 1, &result, 1, &error) != WAG_OK)
        return error;
    *ret_value = result.of.i32;
    return NULL;
}

static void assert_gives(const wag_instance *instance, const char *name, int32_t x, int32_t wanted)
{
    int32_t got = 0;
    wag_error *error = call_1(instance, name, x, &got);
    if (error)
        fail_msg("%s: %s", name, wag_error_message(error));
    assert_int_equal(got, wanted);
}

static void assert_traps(const wag_instance *instance, const char *name, int32_t x, wag_err wanted)
{
    int32_t got;
    wag_error *error = call_1(instance, name, x, &got);
    assert_non_null(error);
    ASSERT_ERR(wag_error_code(error), wanted);
    wag_error_unref(error);
}

static void test_code_pages_are_never_writable_and_executable(void **state)
{
    (void)state;
    if (UNDER_VALGRIND)
        skip(); /* its own code is */
    wag_instance *instance =
        native_of("(module (func (export \"f\") (param i32) (result i32) local.get 0))", WAG_TIER_NATIVE_GUARD, NULL);
    const wagi_code *code = instance->module->tier_data;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    char line[512];
    bool found = false;
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        char rights[5];
        assert_int_equal(sscanf(line, "%lx-%lx %4s", &start, &end, rights), 3);
        assert_false(strchr(rights, 'w') && strchr(rights, 'x'));
        if ((uintptr_t)code->image.code >= start && (uintptr_t)code->image.code < end) {
            found = true;
            assert_string_equal(rights, "r-xp");
        }
    }
    fclose(maps);
    assert_true(found);
    wag_instance_unref(instance);
}

static void test_accesses_beyond_a_memory_trap_at_every_distance(void **state)
{
    (void)state;
    static const char text[] =
        "(module (memory 1 2)"
        " (func (export \"near\") (param i32) (result i32) (i32.load (local.get 0)))"
        " (func (export \"far\") (param i32) (result i32) (i32.load offset=0xFFFFFFFF (local.get 0)))"
        " (func (export \"middle\") (param i32) (result i32) (i32.load8_u offset=0x7FFFFFFF (local.get 0)))"
        " (func (export \"put\") (param i32) (result i32) (i64.store offset=4 (local.get 0) (i64.const 7)) (i32.const "
        "1))"
        " (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0))))";
    for (int i = 0; i < 2; i++) {
        wag_instance *instance = native_of(text, modes[i], NULL);
        assert_gives(instance, "near", 65532, 0);
        assert_traps(instance, "near", 65533, WAG_MEMORY_BOUNDS);
        assert_traps(instance, "near", -1, WAG_MEMORY_BOUNDS);
        assert_traps(instance, "far", 0, WAG_MEMORY_BOUNDS);
        assert_traps(instance, "far", -1, WAG_MEMORY_BOUNDS);
        assert_traps(instance, "middle", -1, WAG_MEMORY_BOUNDS);
        assert_gives(instance, "put", 65524, 1);
        assert_traps(instance, "put", 65525, WAG_MEMORY_BOUNDS);
        assert_gives(instance, "grow", 1, 1);
        assert_gives(instance, "near", 65533, 0);
        assert_traps(instance, "near", 131069, WAG_MEMORY_BOUNDS);
        wag_instance_unref(instance);
    }
}

static void test_a_trap_says_where_in_every_frame(void **state)
{
    (void)state;
    static const char text[] = "(module (memory 1)"
                               " (func $inner (param i32) (result i32) (i32.load (local.get 0)))"
                               " (func (export \"outer\") (param i32) (result i32)"
                               "  (i32.add (i32.const 1) (call $inner (local.get 0)))))";
    wag_error *errors[3] = {NULL, NULL, NULL};
    wag_bytes bytes = wat(text);
    for (int i = 0; i < 3; i++) {
        wag_compile_options options = {.tier = i < 2 ? modes[i] : WAG_TIER_INTERP};
        wag_module *module;
        wag_instance *instance;
        int32_t got;
        ASSERT_OK(wag_module_new(bytes, &options, &module, NULL));
        ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
        errors[i] = call_1(instance, "outer", -1, &got);
        assert_non_null(errors[i]);
        assert_int_equal(wag_error_frame_count(errors[i]), 2);
        wag_instance_unref(instance);
        wag_module_unref(module);
    }
    for (size_t k = 0; k < 2; k++) {
        wag_frame want, got;
        assert_true(wag_error_frame(errors[2], k, &want));
        for (int i = 0; i < 2; i++) {
            assert_true(wag_error_frame(errors[i], k, &got));
            assert_int_equal(got.func_index, want.func_index);
            assert_int_equal(got.module_offset, want.module_offset);
        }
    }
    for (int i = 0; i < 3; i++)
        wag_error_unref(errors[i]);
    wat_free(bytes);
}

static void test_endless_recursion_is_an_error_and_the_instance_lives(void **state)
{
    (void)state;
    static const char text[] = "(module (func $f (export \"f\") (param i32) (result i32)"
                               "  (i32.add (call $f (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))"
                               " (func (export \"fine\") (param i32) (result i32) (local.get 0)))";
    for (int i = 0; i < 2; i++) {
        wag_instance *instance = native_of(text, modes[i], NULL);
        for (int k = 0; k < 3; k++)
            assert_traps(instance, "f", 0, WAG_STACK_OVERFLOW);
        assert_gives(instance, "fine", 5, 5);
        wag_instance_unref(instance);
    }
}

static void *overflow_on_this_thread(void *context)
{
    wag_module *module = context;
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    wag_val arg = WAG_VAL_I32(0), result;
    if (wag_instance_new(module, NULL, &instance, NULL) != WAG_OK)
        return "no instance";
    wag_err err = wag_call(wag_exports_func(wag_instance_exports(instance), "f"), &arg, 1, &result, 1, &error);
    wag_error_unref(error);
    wag_instance_unref(instance);
    return err == WAG_STACK_OVERFLOW ? NULL : "wanted WAG_STACK_OVERFLOW";
}

static void test_small_stacks_of_threads_are_respected(void **state)
{
    (void)state;
    wag_module *module = module_of("(module (func $f (export \"f\") (param i32) (result i32)"
                                   "  (i32.add (call $f (i32.add (local.get 0) (i32.const 1))) (i32.const 1))))");
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 192 * 1024);
    pthread_t thread;
    void *wrong = NULL;
    assert_int_equal(pthread_create(&thread, &attributes, overflow_on_this_thread, module), 0);
    pthread_join(thread, &wrong);
    pthread_attr_destroy(&attributes);
    wag_module_unref(module);
    if (wrong)
        fail_msg("%s", (const char *)wrong);
}

static void test_ten_million_tail_calls_take_no_stack(void **state)
{
    (void)state;
    static const char text[] =
        "(module (type $t (func (param i32 i32) (result i32))) (table funcref (elem $odd $even))"
        " (func $even (type $t) (if (result i32) (i32.eqz (local.get 0)) (then (local.get 1))"
        "   (else (return_call $odd (i32.sub (local.get 0) (i32.const 1)) (local.get 1)))))"
        " (func $odd (type $t) (if (result i32) (i32.eqz (local.get 0)) (then (local.get 1))"
        "   (else (return_call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (local.get 1) (i32.const 1)))))"
        " (func (export \"f\") (param i32) (result i32) (call $even (local.get 0) (i32.const 42))))";
    for (int i = 0; i < 2; i++) {
        wag_instance *instance = native_of(text, modes[i], NULL);
        assert_gives(instance, "f", 10000000, 42);
        wag_instance_unref(instance);
    }
}

/* Two instances of different modules that call each other through one table, each with its own memory and global. */
static void test_calls_and_tail_calls_cross_instances(void **state)
{
    (void)state;
    static const char first[] =
        "(module (type $t (func (param i32) (result i32))) (table (export \"t\") 2 funcref) (memory 1)"
        " (global $mine (mut i32) (i32.const 0)) (elem (i32.const 0) $f)"
        " (func $f (type $t) (global.set $mine (i32.add (global.get $mine) (i32.const 1)))"
        "  (if (result i32) (i32.le_s (local.get 0) (i32.const 0)) (then (i32.const 7))"
        "   (else (return_call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 1)))))"
        " (func (export \"run\") (param i32) (result i32) (local $r i32) (i32.store (i32.const 8) (i32.const 100))"
        "  (local.set $r (call_indirect (type $t) (local.get 0) (i32.const 1)))"
        "  (i32.add (i32.add (local.get $r) (i32.load (i32.const 8))) (global.get $mine))))";
    static const char second[] =
        "(module (type $t (func (param i32) (result i32))) (import \"a\" \"t\" (table 2 funcref)) (memory 1)"
        " (global $mine (mut i32) (i32.const 1000)) (elem (i32.const 1) $g)"
        " (func $g (type $t) (i32.store (i32.const 8) (global.get $mine))"
        "  (return_call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))))";
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++) {
            wag_instance *a = native_of(first, modes[i], NULL);
            wag_imports *imports = wag_imports_new();
            ASSERT_OK(wag_imports_set(imports, "a", "t", wag_exports_get(wag_instance_exports(a), "t")));
            wag_instance *b = native_of(second, modes[k], imports);
            assert_gives(a, "run", 3000001, 7 + 100 + 1500001);
            wag_imports_unref(imports);
            wag_instance_unref(b);
            wag_instance_unref(a);
        }
}

static const char loop_text[] = "(module (func (export \"f\") (param i32) (result i32) (loop $l (br $l)) unreachable)"
                                " (func $g (export \"g\") (param i32) (result i32) (return_call $g (local.get 0))))";

static void *interrupt_soon(void *agent)
{
    wag_agent_interrupt(agent);
    return NULL;
}

static void test_loops_and_tail_recursions_can_be_interrupted(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        wag_instance *instance = native_of(loop_text, modes[i], NULL);
        static const char *const names[] = {"f", "g"};
        for (int k = 0; k < 2; k++) {
            pthread_t thread;
            assert_int_equal(pthread_create(&thread, NULL, interrupt_soon, wag_agent_current()), 0);
            assert_traps(instance, names[k], 0, WAG_INTERRUPTED);
            pthread_join(thread, NULL);
        }
        wag_instance_unref(instance);
    }
}

/* ---- host functions ---- */

static wag_error *sum_many(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += args[2 * i].of.i32 * (i + 1) + args[2 * i + 1].of.f64;
    results[0].of.f64 = sum;
    results[1].of.i32 = args[22].of.i32;
    results[2].of.i64 = -5;
    return NULL;
}

static void test_arguments_and_results_beyond_the_registers_arrive(void **state)
{
    (void)state;
    static const char text[] =
        "(module (type $t (func (param i32 f64 i32 f64 i32 f64 i32 f64 i32 f64 i32 f64"
        "  i32 f64 i32 f64 i32 f64 i32 f64 i32 f64 i32 f64) (result f64 i32 i64)))"
        " (import \"h\" \"sum\" (func $sum (type $t)))"
        " (func $pass (type $t) local.get 0 local.get 1 local.get 2 local.get 3 local.get 4 local.get 5 local.get 6"
        "  local.get 7 local.get 8 local.get 9 local.get 10 local.get 11 local.get 12 local.get 13 local.get 14"
        "  local.get 15 local.get 16 local.get 17 local.get 18 local.get 19 local.get 20 local.get 21 local.get 22"
        "  local.get 23 return_call $sum)"
        " (func (export \"f\") (param i32) (result i32) (local f64 i32 i64)"
        "  i32.const 1 f64.const 0.5 i32.const 2 f64.const 0.5 i32.const 3 f64.const 0.5 i32.const 4 f64.const 0.5"
        "  i32.const 5 f64.const 0.5 i32.const 6 f64.const 0.5 i32.const 7 f64.const 0.5 i32.const 8 f64.const 0.5"
        "  i32.const 9 f64.const 0.5 i32.const 10 f64.const 0.5 i32.const 11 f64.const 0.5 local.get 0 f64.const 0.5"
        "  call $pass local.set 3 local.set 2 local.set 1"
        "  (i32.add (i32.trunc_f64_s (local.get 1)) (i32.add (local.get 2) (i32.wrap_i64 (local.get 3))))))";
    for (int i = 0; i < 2; i++) {
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set_func(imports, "h", "sum", NULL, sum_many, NULL, NULL));
        wag_instance *instance = native_of(text, modes[i], imports);
        int32_t sum = 0;
        for (int32_t k = 1; k <= 11; k++)
            sum += k * k;
        assert_gives(instance, "f", 20, sum + 20 * 12 + 6 + 20 - 5);
        wag_instance_unref(instance);
        wag_imports_unref(imports);
    }
}

static wag_error *fail_here(void *context, const wag_val *args, wag_val *results)
{
    (void)args, (void)results;
    wag_error **error = context;
    wag_error *given = *error; /* all of it: an error that somebody else holds gets no frames */
    return given;
}

static void test_a_host_error_passes_through_native_frames_unchanged(void **state)
{
    (void)state;
    static const char text[] = "(module (import \"h\" \"f\" (func $h (param i32) (result i32)))"
                               " (func $a (param i32) (result i32) (i32.add (call $h (local.get 0)) (i32.const 1)))"
                               " (func (export \"f\") (param i32) (result i32) (call $a (local.get 0))))";
    wag_error *own = wag_error_new(WAG_CLASS_RANGE_ERROR, "mine");
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "h", "f", NULL, fail_here, &own, NULL));
    wag_instance *instance = native_of(text, WAG_TIER_NATIVE_GUARD, imports);
    int32_t got;
    wag_error *error = call_1(instance, "f", 1, &got);
    assert_ptr_equal(error, own);
    assert_int_equal(wag_error_frame_count(error), 2);
    wag_error_unref(error);
    wag_instance_unref(instance);
    wag_imports_unref(imports);
}

/* Re-entrance: wasm calls the host, which calls wasm, which traps; the outer call goes on. */
static wag_error *call_back(void *context, const wag_val *args, wag_val *results)
{
    wag_instance *instance = *(wag_instance **)context;
    wag_val arg = args[0];
    wag_error *error = NULL;
    wag_err err = wag_call(wag_exports_func(wag_instance_exports(instance), "inner"), &arg, 1, results, 1, &error);
    if (err != WAG_OK)
        results[0].of.i32 = (int32_t)err;
    wag_error_unref(error);
    return NULL;
}

static void test_a_trap_in_an_inner_call_leaves_the_outer_one_alone(void **state)
{
    (void)state;
    static const char text[] =
        "(module (import \"h\" \"f\" (func $h (param i32) (result i32))) (memory 1)"
        " (func (export \"inner\") (param i32) (result i32) (i32.load (local.get 0)))"
        " (func (export \"f\") (param i32) (result i32) (local $a i32) (local.set $a (i32.mul (local.get 0) (i32.const "
        "3)))"
        "  (i32.store (i32.const 4) (i32.const 9))"
        "  (i32.add (i32.add (call $h (i32.const 4)) (call $h (i32.const -1))) (local.get $a))))";
    for (int i = 0; i < 2; i++) {
        wag_instance *instance = NULL;
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set_func(imports, "h", "f", NULL, call_back, &instance, NULL));
        instance = native_of(text, modes[i], imports);
        assert_gives(instance, "f", 100, 9 + WAG_MEMORY_BOUNDS + 300);
        wag_instance_unref(instance);
        wag_imports_unref(imports);
    }
}

/* ---- faults of others ---- */

static volatile sig_atomic_t foreign_faults;
static void *volatile foreign_page;

static void on_foreign_fault(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    if (info->si_addr == foreign_page) {
        foreign_faults++;
        mprotect(foreign_page, 4096, PROT_READ | PROT_WRITE);
    }
}

/* Runs first: the handler has to be there before the engine's. */
static void test_faults_of_others_go_to_the_handler_before(void **state)
{
    (void)state;
    if (UNDER_VALGRIND)
        skip(); /* it reports the fault */
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_foreign_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, NULL);
    wag_instance *instance = native_of("(module (memory 1) (func (export \"f\") (param i32) (result i32)"
                                       " (i32.load (local.get 0))))",
                                       WAG_TIER_NATIVE_GUARD, NULL);
    assert_traps(instance, "f", -8, WAG_MEMORY_BOUNDS);
    foreign_page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(volatile char *)foreign_page = 1;
    assert_int_equal(foreign_faults, 1);
    munmap(foreign_page, 4096);
    assert_traps(instance, "f", -8, WAG_MEMORY_BOUNDS);
    wag_instance_unref(instance);
}

/* ---- references on the native stack ---- */

static wag_error *collect_now(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)args;
    wag_agent_collect();
    results[0].of.i32 = 0;
    return NULL;
}

/* The only reference to a function of a dropped instance is a local of native code while the collector runs. */
static void test_the_collector_sees_references_in_native_frames(void **state)
{
    (void)state;
    static const char maker[] = "(module (table (export \"t\") 1 funcref) (elem (i32.const 0) $f)"
                                " (func $f (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))";
    static const char user[] =
        "(module (type $t (func (param i32) (result i32))) (import \"h\" \"collect\" (func $c (param i32) (result "
        "i32)))"
        " (table $own (export \"own\") 1 funcref)"
        " (func (export \"f\") (param i32) (result i32) (local $r funcref)"
        "  (local.set $r (table.get $own (i32.const 0))) (table.set $own (i32.const 0) (ref.null func))"
        "  (drop (call $c (i32.const 0))) (table.set $own (i32.const 0) (local.get $r))"
        "  (call_indirect $own (type $t) (local.get 0) (i32.const 0))))";
    for (int i = 0; i < 2; i++) {
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set_func(imports, "h", "collect", NULL, collect_now, NULL, NULL));
        wag_instance *a = native_of(maker, modes[i], NULL), *b = native_of(user, modes[i], imports);
        wag_val func;
        ASSERT_OK(wag_table_get(wag_exports_table(wag_instance_exports(a), "t"), 0, &func));
        ASSERT_OK(wag_table_set(wag_exports_table(wag_instance_exports(b), "own"), 0, func));
        wag_val_unref(func);
        wag_instance_unref(a);
        assert_gives(b, "f", 41, 42);
        wag_instance_unref(b);
        wag_imports_unref(imports);
    }
}

static void test_a_process_may_ask_for_the_interpreter(void **state)
{
    (void)state;
    wag_bytes bytes = wat("(module (func (export \"f\") (param i32) (result i32) (local.get 0)))");
    wag_module *module;
    ASSERT_OK(wag_module_new(bytes, &(wag_compile_options){.tier = WAG_TIER_INTERP}, &module, NULL));
    assert_int_equal(wag_module_tier(module), WAG_TIER_INTERP);
    wag_module_unref(module);
    ASSERT_OK(wag_module_new(bytes, NULL, &module, NULL));
    assert_int_equal(wag_module_tier(module), WAG_TIER_NATIVE_GUARD);
    wag_module_unref(module);
    wat_free(bytes);
}

static void test_code_of_many_modules_is_found_and_forgotten(void **state)
{
    (void)state;
    enum { MODULES = 600 };
    static wag_module *modules[MODULES];
    for (int round = 0; round < 2; round++) {
        wag_bytes bytes = wat("(module (func (export \"f\") (param i32) (result i32) (local.get 0)))");
        for (int i = 0; i < MODULES; i++)
            ASSERT_OK(wag_module_new(bytes, NULL, &modules[i], NULL));
        for (int i = 0; i < MODULES; i++) {
            const wagi_code *code = modules[i]->tier_data;
            assert_ptr_equal(wagi_code_find((uintptr_t)code->image.code), code);
            assert_ptr_equal(wagi_code_find((uintptr_t)code->image.code + code->mapped - 1), code);
        }
        for (int i = 0; i < MODULES; i++)
            wag_module_unref(modules[i]);
        assert_null(wagi_code_find((uintptr_t)state));
        wat_free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults_of_others_go_to_the_handler_before),
        cmocka_unit_test(test_code_pages_are_never_writable_and_executable),
        cmocka_unit_test(test_accesses_beyond_a_memory_trap_at_every_distance),
        cmocka_unit_test(test_a_trap_says_where_in_every_frame),
        cmocka_unit_test(test_endless_recursion_is_an_error_and_the_instance_lives),
        cmocka_unit_test(test_small_stacks_of_threads_are_respected),
        cmocka_unit_test(test_ten_million_tail_calls_take_no_stack),
        cmocka_unit_test(test_calls_and_tail_calls_cross_instances),
        cmocka_unit_test(test_loops_and_tail_recursions_can_be_interrupted),
        cmocka_unit_test(test_arguments_and_results_beyond_the_registers_arrive),
        cmocka_unit_test(test_a_host_error_passes_through_native_frames_unchanged),
        cmocka_unit_test(test_a_trap_in_an_inner_call_leaves_the_outer_one_alone),
        cmocka_unit_test(test_the_collector_sees_references_in_native_frames),
        cmocka_unit_test(test_a_process_may_ask_for_the_interpreter),
        cmocka_unit_test(test_code_of_many_modules_is_found_and_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

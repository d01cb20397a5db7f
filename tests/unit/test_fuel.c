/* Fuel: what programs cost, that it is the same in every tier, and where a call stops when there is too little. */
#include "tests/support/check.h"

#include "tests/support/exceptions.h"
#include "tests/support/gc.h"

static const wag_tier tiers[] = {WAG_TIER_INTERP, WAG_TIER_NATIVE_GUARD, WAG_TIER_NATIVE_CHECKED};
#define TIERS (sizeof tiers / sizeof tiers[0])

/* ---- programs; each has an export `run` (i32) -> (i32), and may count in the global "g" how far it has come ---- */

#define COUNT "(global.set $g (i32.add (global.get $g) (i32.const 1)))"
#define RECURSION                                                                                                      \
    "(module " GLOBAL " (func $fib (export \"run\") (param i32) (result i32) " COUNT                                   \
    " (if (result i32) (i32.lt_s (local.get 0) (i32.const 2)) (then (local.get 0)) (else"                              \
    "  (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))"                                                     \
    "           (call $fib (i32.sub (local.get 0) (i32.const 2))))))))"
#define SWITCH                                                                                                         \
    "(module (func (export \"run\") (param i32) (result i32)"                                                          \
    " (block $out (block $c (block $b (block $a (br_table $a $b $c (local.get 0)))"                                    \
    "  (local.set 0 (i32.const 10)) (br $out))" /* 3: the branch, too */                                               \
    "  (local.set 0 (i32.add (i32.const 10) (i32.const 1))) (br $out)) (return (i32.const 12))) (local.get 0)))"
#define GLOBAL "(global $g (export \"g\") (mut i32) (i32.const 0))"

typedef struct program {
    const char *name, *text;
    int32_t argument;
    uint64_t cost; /* 0: whatever it is */
} program;

static const program programs[] = {
    {"nothing", "(module (func (export \"run\") (param i32) (result i32) (i32.const 1)))", 0, 1},
    {"what is free",
     "(module (func (export \"run\") (param i32) (result i32) nop (block (loop (nop))) (if (local.get 0) (then) (else))"
     " (i32.const 1)))",
     0, 3},
    {"the arm that runs",
     "(module (func (export \"run\") (param i32) (result i32)"
     " (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.add (i32.const 1) (i32.const 2))))))",
     1, 3},
    {"the other arm",
     "(module (func (export \"run\") (param i32) (result i32)"
     " (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.add (i32.const 1) (i32.const 2))))))",
     0, 5},
    {"an arm alone", /* and what follows */
     "(module (func (export \"run\") (param i32) (result i32)"
     " (if (i32.eqz (local.get 0)) (then (local.set 0 (i32.const 9)))) (local.get 0)))",
     0, 3 + 2 + 1},
    {"an arm alone that does not run",
     "(module (func (export \"run\") (param i32) (result i32)"
     " (if (i32.eqz (local.get 0)) (then (local.set 0 (i32.const 9)))) (local.get 0)))",
     1, 3 + 1},
    {"a branch that is taken", /* from inside a block, over code */
     "(module (func (export \"run\") (param i32) (result i32)"
     " (block $b (br_if $b (i32.lt_u (local.get 0) (i32.const 5))) (local.set 0 (i32.const 1)) nop) (local.get 0)))",
     3, 4 + 1},
    {"a branch that is not taken",
     "(module (func (export \"run\") (param i32) (result i32)"
     " (block $b (br_if $b (i32.lt_u (local.get 0) (i32.const 5))) (local.set 0 (i32.const 1)) nop) (local.get 0)))",
     7, 4 + 2 + 1},
    {"a switch", SWITCH, 0, 2 + 3 + 1},
    {"its second case", SWITCH, 1, 2 + 5 + 1},
    {"its default, which returns", SWITCH, 77, 2 + 2},
    {"calls", /* 5 here; 3 there, or 2 + 3 */
     "(module (func $f (param i32) (result i32) (if (local.get 0) (then (return (i32.const 8))))"
     "  (i32.mul (i32.const 2) (i32.const 3)))"
     " (func (export \"run\") (param i32) (result i32) (i32.add (call $f (local.get 0)) (call $f (i32.const 0)))))",
     1, 5 + 4 + 5},
    {"a trap in the middle", /* what is behind it is not paid for */
     "(module (memory 1) (func (export \"run\") (param i32) (result i32)"
     " (i32.add (i32.load (i32.shl (local.get 0) (i32.const 16))) (i32.mul (local.get 0) (i32.const 3)))))",
     1, 4},
    {"a trap in a loop, in a callee",
     "(module (func $f (param i32) (result i32) (i32.add (i32.div_u (i32.const 9) (local.get 0)) (i32.const 1)))"
     " (func (export \"run\") (param i32) (result i32)"
     "  (loop $l (drop (call $f (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) nop (br $l)) (unreachable)))",
     3, 3 * (5 + 3) + 2 * (2 + 2)},
    {"unreachable", "(module (func (export \"run\") (param i32) (result i32) nop (unreachable)))", 0, 1},
    {"a trap of a table in the middle",
     "(module (table 1 funcref) (type $t (func)) (func (export \"run\") (param i32) (result i32)"
     " (table.set 0 (local.get 0) (ref.null func)) (call_indirect (type $t) (i32.const 0)) (i32.const 4)))",
     0, 3 + 2},
    {"its other trap",
     "(module (table 1 funcref) (type $t (func)) (func (export \"run\") (param i32) (result i32)"
     " (table.set 0 (local.get 0) (ref.null func)) (call_indirect (type $t) (i32.const 0)) (i32.const 4)))",
     1, 3},
    {"a trap of an instruction that moves much",
     "(module (memory 1) (func (export \"run\") (param i32) (result i32)"
     " (memory.fill (i32.const 1) (i32.const 2) (i32.const 65536)) (i32.const 4)))",
     0, 4 + 1024},
    {"floats that are truncated, and what follows",
     "(module (func (export \"run\") (param i32) (result i32)"
     " (i32.trunc_f64_u (f64.convert_i32_s (local.get 0))) (i32.const 3) (i32.div_s (i32.const 0)) (drop)))",
     -1, 3},
    {"a loop", /* 1 outside, then 9 for each pass */
     "(module (func (export \"run\") (param i32) (result i32) (local i32)"
     " (loop $l (local.set 1 (i32.add (local.get 1) (local.get 0)))"
     "  (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 1)))",
     1000, 1 + 9 * 1000},
    {"recursion", RECURSION, 7, 0},
    {"loops in loops",
     "(module " GLOBAL " (func (export \"run\") (param i32) (result i32) (local i32 i32)"
     " (loop $a (local.set 1 (local.get 0))"
     "  (loop $b " COUNT "(local.set 2 (i32.const 2))"
     "   (loop $c (br_if $c (local.tee 2 (i32.sub (local.get 2) (i32.const 1)))))"
     "   (br_if $b (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))"
     "  (loop) (loop (loop))"
     "  (br_if $a (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (global.get $g)))",
     4, 0},
    {"an interpreter's loop",
     "(module " GLOBAL " (func (export \"run\") (param i32) (result i32)"
     " (loop $l (block $d (block $c (block $b (block $a"
     "  (br_table $a $b $c $d (i32.and (local.get 0) (i32.const 3))))"
     "   " COUNT " (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br $l))"
     "   (local.set 0 (i32.sub (local.get 0) (i32.const 2))) (br_if $l (i32.gt_s (local.get 0) (i32.const 0))))"
     "   " COUNT ")"
     "  (local.set 0 (i32.sub (local.get 0) (i32.const 3))) (br_if $l (i32.gt_s (local.get 0) (i32.const 0))))"
     " (global.get $g)))",
     29, 0},
    {"callees small enough to be inlined",
     "(module " GLOBAL " (func $one (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))"
     " (func $two (param i32) (result i32) (call $one (call $one (local.get 0))))"
     " (func $branch (param i32) (result i32) (if (local.get 0) (then " COUNT "))"
     "  (block $b (br_if $b (local.get 0)) (return (i32.const 5))) (i32.mul (local.get 0) (i32.const 3)))"
     " (func $none)"
     " (func (export \"run\") (param i32) (result i32) (local i32)"
     " (loop $l (call $none) (local.set 1 (i32.add (call $two (local.get 1)) (call $branch (local.get 0))))"
     "  (if (i32.eqz (call $one (local.get 1))) (then (drop (call $branch (i32.const 0)))))"
     "  (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))"
     " (select (call $one (local.get 1)) (call $two (local.get 1)) (call $branch (i32.const 0)))))",
     5, 0},
    {"tail calls",
     "(module " GLOBAL " (table funcref (elem $odd)) (type $t (func (param i32) (result i32)))"
     " (func $even (export \"run\") (param i32) (result i32) " COUNT
     "  (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))"
     "  (return_call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))"
     " (func $odd (param i32) (result i32) (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))"
     "  (return_call $even (i32.sub (local.get 0) (i32.const 1)))))",
     21, 0},
    {"indirect calls, and locals that are spilled",
     "(module " GLOBAL " (table funcref (elem $f $g2)) (type $t (func (param i32) (result i32)))"
     " (func $f (param i32) (result i32) " COUNT " (i32.rotl (local.get 0) (i32.const 3)))"
     " (func $g2 (param i32) (result i32) (local i32) (loop $l (br_if $l (i32.lt_u (local.tee 1 (i32.add (local.get 1)"
     "   (i32.const 1))) (i32.const 3)))) (i32.xor (local.get 0) (local.get 1)))"
     " (func (export \"run\") (param i32) (result i32) (local i32 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)"
     "  (loop $l"
     "   (local.set 1 (call_indirect (type $t) (i32.add (local.get 1) (local.get 0))"
     "     (i32.and (local.get 0) (i32.const 1))))"
     "   (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 1)))",
     6, 0},
    {"parameters of loops, in registers and on the stack",
     "(module " GLOBAL " (func (export \"run\") (param i32) (result i32)"
     " (i32.const 3) (i32.const 4) (loop $l (param i32 i32) (result i32) (i32.add) (local.get 0)"
     "  (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))) (i32.add))))",
     6, 0},
    {"vectors",
     "(module " GLOBAL " (func (export \"run\") (param i32) (result i32) (local v128)"
     " (loop $l (param) " COUNT "(local.set 1 (i32x4.add (local.get 1) (i32x4.splat (local.get 0))))"
     "  (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i32x4.extract_lane 2 (local.get 1))))",
     7, 0},
    {"instructions that move much",
     "(module " GLOBAL " (memory 1) (data $d \"0123456789012345678901234567890123456789012345678901234567890123\")"
     " (table $t 10 1000 funcref) (elem $e func 0 0 0 0 0 0 0 0 0 0)"
     " (func (export \"run\") (param i32) (result i32)"
     "  (memory.fill (i32.const 0) (i32.const 7) (i32.const 1000)) " COUNT
     "  (memory.copy (i32.const 100) (i32.const 0) (i32.const 640)) " COUNT
     "  (memory.init $d (i32.const 0) (i32.const 0) (i32.const 64)) " COUNT
     "  (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 9)) " COUNT
     "  (drop (table.grow $t (ref.null func) (i32.const 100))) " COUNT
     "  (drop (table.grow $t (ref.null func) (i32.const 5000))) " COUNT
     "  (table.fill $t (i32.const 0) (ref.null func) (i32.const 40)) " COUNT
     "  (table.copy $t $t (i32.const 1) (i32.const 0) (i32.const 16)) " COUNT "  (drop (memory.grow (i32.const 1)))"
     "  (global.get $g)))",
     0, 0},
};
#define PROGRAMS (sizeof programs / sizeof programs[0])

/* ---- running ---- */

typedef struct outcome {
    wag_err err;
    int32_t result, reached;
    uint64_t left;
    size_t frames;
    size_t offset; /* of the innermost one */
} outcome;

static wag_module *module_in(wag_tier tier, wag_bytes bytes, wag_cluster *cluster)
{
    wag_compile_options options = {.tier = tier, .cluster = cluster};
    wag_module *module = NULL;
    wag_error *error = NULL;
    if (wag_module_new(bytes, &options, &module, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    return module;
}

static outcome run(wag_module *module, wag_imports *imports, const char *name, int32_t argument, uint64_t fuel)
{
    outcome o = {0};
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    ASSERT_OK(wag_fuel_set(INT64_MAX));
    ASSERT_OK(wag_instance_new(module, imports, &instance, NULL));
    const wag_exports *exports = wag_instance_exports(instance);
    wag_func *func = wag_exports_func(exports, name);
    assert_non_null(func);
    size_t params = wag_func_param_count(func), results = wag_func_result_count(func);
    wag_val arg = WAG_VAL_I32(argument), result = WAG_VAL_I32(0);
    ASSERT_OK(wag_fuel_set(fuel));
    o.err = wag_call(func, &arg, params, &result, results, &error);
    o.left = wag_fuel_left();
    o.result = results && result.kind == WAG_I32 ? result.of.i32 : 0;
    if (results && result.kind == WAG_ANYREF)
        wag_any_unref(result.of.any);
    wag_val reached = WAG_VAL_I32(0);
    if (wag_exports_global(exports, "g"))
        ASSERT_OK(wag_global_get(wag_exports_global(exports, "g"), &reached));
    o.reached = reached.of.i32;
    if (o.err != WAG_OK) {
        wag_frame frame = {0};
        o.frames = wag_error_frame_count(error);
        wag_error_frame(error, 0, &frame);
        o.offset = frame.module_offset;
        if (o.err == WAG_OUT_OF_FUEL)
            assert_string_equal(wag_error_message(error), "out of fuel");
        wag_error_unref(error);
    }
    wag_instance_unref(instance);
    return o;
}

static void assert_same(const char *name, uint64_t fuel, outcome wanted, outcome got)
{
    if (wanted.err != got.err || wanted.left != got.left || wanted.reached != got.reached ||
        wanted.frames != got.frames || wanted.offset != got.offset ||
        (wanted.err == WAG_OK && wanted.result != got.result))
        fail_msg("%s with %llu: %s result %d reached %d left %llu frames %zu at %zu, not"
                 " %s result %d reached %d left %llu frames %zu at %zu",
                 name, (unsigned long long)fuel, wag_err_name(got.err), got.result, got.reached,
                 (unsigned long long)got.left, got.frames, got.offset, wag_err_name(wanted.err), wanted.result,
                 wanted.reached, (unsigned long long)wanted.left, wanted.frames, wanted.offset);
}

/* With every amount of fuel that matters, in every tier. Gives the cost. */
static uint64_t assert_equal_in_all_tiers(const char *name, wag_bytes bytes, wag_cluster *cluster, wag_imports *imports,
                                          const char *export, int32_t argument)
{
    wag_module *modules[TIERS];
    for (size_t t = 0; t < TIERS; t++)
        modules[t] = module_in(tiers[t], bytes, cluster);
    const uint64_t plenty = (uint64_t)1 << 40;
    outcome all = run(modules[0], imports, export, argument, plenty);
    uint64_t cost = plenty - all.left;
    for (size_t t = 1; t < TIERS; t++)
        assert_same(name, plenty, all, run(modules[t], imports, export, argument, plenty));
    bool suffices = false;
    for (uint64_t fuel = 0; fuel <= cost + 1; fuel += fuel > 300 && fuel + 400 < cost ? cost / 50 : 1) {
        outcome wanted = run(modules[0], imports, export, argument, fuel);
        bool enough = wanted.err == all.err; /* it may have overdrawn */
        if (enough ? fuel == 0 : fuel > cost || suffices || wanted.err != WAG_OUT_OF_FUEL)
            fail_msg("%s, which costs %llu, ends with %s when it has %llu", name, (unsigned long long)cost,
                     wag_err_name(wanted.err), (unsigned long long)fuel);
        assert_true(wanted.left == (enough && fuel > cost ? fuel - cost : 0));
        suffices = enough;
        for (size_t t = 1; t < TIERS; t++)
            assert_same(name, fuel, wanted, run(modules[t], imports, export, argument, fuel));
    }
    for (size_t t = 0; t < TIERS; t++)
        wag_module_unref(modules[t]);
    return cost;
}

static wag_cluster *open_cluster(void)
{
    wag_cluster *cluster;
    wag_cluster_options options = {.fuel = true};
    ASSERT_OK(wag_cluster_new(&options, &cluster));
    ASSERT_OK(wag_agent_open(cluster));
    return cluster;
}

static void close_cluster(wag_cluster *cluster)
{
    ASSERT_OK(wag_agent_close());
    wag_cluster_unref(cluster);
}

static void test_programs_cost_the_same_in_every_tier_and_stop_at_the_same_place(void **state)
{
    (void)state;
    wag_cluster *cluster = open_cluster();
    for (size_t p = 0; p < PROGRAMS; p++) {
        wag_bytes bytes = wat(programs[p].text);
        uint64_t cost = assert_equal_in_all_tiers(programs[p].name, bytes, cluster, NULL, "run", programs[p].argument);
        if (programs[p].cost && cost != programs[p].cost)
            fail_msg("%s costs %llu", programs[p].name, (unsigned long long)cost);
        assert_true(cost > 0);
        wat_free(bytes);
    }
    close_cluster(cluster);
}

static wag_error *host_nothing(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)args, (void)results;
    return NULL;
}

static void test_exceptions_cost_the_same_in_every_tier(void **state)
{
    (void)state;
    static const char *const names[] = {"throw", "catch", "catch_all", "rethrow", "trap", "nested", "own", "tail"};
    wag_cluster *cluster = open_cluster();
    build b = exceptions_module();
    wag_tag *tag, *js = wag_tag_js();
    ASSERT_OK(wag_tag_new("(i32)", &tag, NULL));
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set(imports, "m", "tag", WAG_TAG(tag)));
    ASSERT_OK(wag_imports_set(imports, "m", "js", WAG_TAG(js)));
    ASSERT_OK(wag_imports_set_func(imports, "m", "host", NULL, host_nothing, NULL, NULL));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_equal_in_all_tiers(names[i], build_bytes(&b), cluster, imports, names[i], 5);
    wag_imports_unref(imports);
    wag_tag_unref(tag);
    wag_tag_unref(js);
    build_free(&b);
    close_cluster(cluster);
}

static void test_a_try_pays_for_each_of_its_clauses(void **state)
{
    (void)state;
    enum { CLAUSES = 1000 };
    wag_cluster *cluster = open_cluster();
    build b = {0}, code = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, 1, "\x02\x60\x00\x00\x60\x01\x7F\x01\x7F");
    BUILD_WHOLE(&b, 3, "\x01\x01");
    BUILD_WHOLE(&b, 13, "\x01\x00\x00");
    BUILD_WHOLE(&b, 7, "\x01\x03run\x00\x00");
    build_raw(&code, "\x00\x02\x40\x1F\x40", 5); /* (block (try_table */
    build_leb(&code, CLAUSES);
    for (int i = 0; i < CLAUSES; i++)
        build_raw(&code, "\x00\x00\x00", 3); /* (catch 0 0) */
    build_raw(&code, "\x0B\x0B\x41\x01\x0B", 5);
    size_t section = build_section(&b, 10);
    build_u8(&b, 1);
    build_leb(&b, code.size);
    build_raw(&b, code.data, code.size);
    build_end(&b, section);
    assert_int_equal(assert_equal_in_all_tiers("clauses", build_bytes(&b), cluster, NULL, "run", 0), CLAUSES + 1);
    build_free(&b);
    build_free(&code);
    close_cluster(cluster);
}

static void test_objects_cost_the_same_in_every_tier(void **state)
{
    (void)state;
    static const char *const names[] = {"push", "sum", "churn", "bytes", "refs"};
    wag_cluster *cluster = open_cluster();
    build b = gc_module();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_equal_in_all_tiers(names[i], build_bytes(&b), cluster, NULL, names[i], 333);
    build_free(&b);
    close_cluster(cluster);
}

/* ---- the host's side ---- */

typedef struct host {
    uint64_t charge, seen;
} host;

static wag_error *host_charge(void *context, const wag_val *args, wag_val *results)
{
    host *h = context;
    wag_error *error = NULL;
    (void)args, (void)results;
    h->seen = wag_fuel_left();
    wag_fuel_charge(h->charge, &error);
    return error;
}

static void test_host_functions_see_fuel_and_charge_it(void **state)
{
    (void)state;
    wag_cluster *cluster = open_cluster();
    wag_bytes bytes = wat("(module (import \"h\" \"f\" (func $f)) (func (export \"run\") (param i32) (result i32)"
                          " (call $f) (i32.const 3)))");
    for (size_t t = 0; t < TIERS; t++) {
        wag_module *module = module_in(tiers[t], bytes, cluster);
        host h = {.charge = 10};
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set_func(imports, "h", "f", NULL, host_charge, &h, NULL));
        outcome o = run(module, imports, "run", 0, 12);
        ASSERT_OK(o.err);
        assert_int_equal(o.result, 3);
        assert_true(o.left == 0 && h.seen == 11);
        o = run(module, imports, "run", 0, 10);
        ASSERT_ERR(o.err, WAG_OUT_OF_FUEL);
        assert_true(o.left == 0 && h.seen == 9);
        wag_imports_unref(imports);
        wag_module_unref(module);
    }
    wat_free(bytes);
    close_cluster(cluster);
}

static void test_an_agent_that_ran_out_goes_on_when_it_gets_more(void **state)
{
    (void)state;
    wag_cluster *cluster = open_cluster();
    wag_bytes bytes = wat(RECURSION);
    for (size_t t = 0; t < TIERS; t++) {
        wag_module *module = module_in(tiers[t], bytes, cluster);
        wag_instance *instance;
        wag_val arg = WAG_VAL_I32(7), result;
        ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
        wag_func *func = wag_exports_func(wag_instance_exports(instance), "run");
        ASSERT_OK(wag_fuel_set(0));
        ASSERT_ERR(wag_call(func, &arg, 1, &result, 1, NULL), WAG_OUT_OF_FUEL);
        assert_false(wag_agent_interrupted());
        ASSERT_OK(wag_fuel_add(100000));
        ASSERT_OK(wag_call(func, &arg, 1, &result, 1, NULL));
        assert_int_equal(result.of.i32, 13);
        wag_instance_unref(instance);
        wag_module_unref(module);
    }
    wat_free(bytes);
    close_cluster(cluster);
}

/* What is executed between two looks is executed whole, and owed. */
static void test_what_was_overdrawn_is_paid_first(void **state)
{
    (void)state;
    wag_cluster *cluster = open_cluster();
    wag_bytes bytes = wat("(module (func (export \"run\") (param i32) (result i32) (i32.add (i32.mul (local.get 0)"
                          " (i32.const 3)) (i32.const 4))))");
    for (size_t t = 0; t < TIERS; t++) {
        wag_module *module = module_in(tiers[t], bytes, cluster);
        wag_instance *instance;
        wag_val arg = WAG_VAL_I32(7), result;
        ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
        wag_func *func = wag_exports_func(wag_instance_exports(instance), "run");
        ASSERT_OK(wag_fuel_set(2));
        ASSERT_OK(wag_call(func, &arg, 1, &result, 1, NULL)); /* 5 */
        assert_int_equal(result.of.i32, 25);
        assert_true(wag_fuel_left() == 0);
        ASSERT_OK(wag_fuel_add(2));
        assert_true(wag_fuel_left() == 0);
        ASSERT_ERR(wag_call(func, &arg, 1, &result, 1, NULL), WAG_OUT_OF_FUEL);
        ASSERT_ERR(wag_fuel_charge(1, NULL), WAG_OUT_OF_FUEL);
        ASSERT_OK(wag_fuel_charge(0, NULL));
        ASSERT_OK(wag_fuel_add(3));
        assert_true(wag_fuel_left() == 2);
        ASSERT_OK(wag_call(func, &arg, 1, &result, 1, NULL));
        ASSERT_OK(wag_fuel_add(UINT64_MAX));
        assert_true(wag_fuel_left() == INT64_MAX);
        ASSERT_OK(wag_fuel_set(0)); /* forgives */
        ASSERT_OK(wag_fuel_add(1));
        assert_true(wag_fuel_left() == 1);
        wag_instance_unref(instance);
        wag_module_unref(module);
    }
    wat_free(bytes);
    close_cluster(cluster);
}

/* Making an array of a length that is known takes no call in native code. */
static void test_short_arrays_cost_the_same_in_every_tier(void **state)
{
    (void)state;
    static const char bodies[][2] = {{4, 2}, {8, 3}, {9, 3}, {16, 4}, {32, 6}}; /* length of an array of i64; cost */
    wag_cluster *cluster = open_cluster();
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        build b = {0};
        build_preamble(&b);
        BUILD_WHOLE(&b, 1, "\x02\x5E\x7E\x01\x60\x01\x7F\x01\x7F");
        BUILD_WHOLE(&b, 3, "\x01\x01");
        BUILD_WHOLE(&b, 7, "\x01\x03run\x00\x00");
        size_t code = build_section(&b, 10);
        build_raw(&b, "\x01\x09\x00\x41", 4); /* i32.const length, array.new_default 0, array.len */
        build_u8(&b, (uint8_t)bodies[i][0]);
        build_raw(&b, "\xFB\x07\x00\xFB\x0F\x0B", 6);
        build_end(&b, code);
        uint64_t cost = assert_equal_in_all_tiers("array", build_bytes(&b), cluster, NULL, "run", 0);
        assert_int_equal(cost, 1 + bodies[i][1]);
        build_free(&b);
    }
    close_cluster(cluster);
}

static void test_a_start_function_runs_out_of_fuel(void **state)
{
    (void)state;
    wag_cluster *cluster = open_cluster();
    wag_bytes bytes = wat("(module (func $s (loop $l (br $l))) (start $s))");
    for (size_t t = 0; t < TIERS; t++) {
        wag_module *module = module_in(tiers[t], bytes, cluster);
        wag_instance *instance = NULL;
        ASSERT_OK(wag_fuel_set(1000));
        ASSERT_ERR(wag_instance_new(module, NULL, &instance, NULL), WAG_OUT_OF_FUEL);
        wag_module_unref(module);
    }
    wat_free(bytes);
    close_cluster(cluster);
}

/* There is time to compile bodies before the last one is there. */
static void test_a_module_that_came_in_pieces_charges_fuel(void **state)
{
    (void)state;
    wag_cluster *cluster = open_cluster();
    wag_bytes bytes = wat(RECURSION);
    wag_module *whole = module_in(WAG_TIER_DEFAULT, bytes, cluster), *module = NULL;
    wag_compile_options options = {.cluster = cluster};
    wag_module_stream *stream;
    wag_promise_module *promise;
    ASSERT_OK(wag_module_stream_new(&options, &stream, &promise));
    for (size_t i = 0; i < bytes.size; i++)
        ASSERT_OK(wag_module_stream_write(stream, (wag_bytes){bytes.data + i, 1}));
    ASSERT_OK(wag_module_stream_finish(stream));
    ASSERT_OK(wag_await(promise, &module, NULL));
    wag_promise_module_unref(promise);
    wag_module_stream_free(stream);
    assert_same("in pieces", 1000000, run(whole, NULL, "run", 7, 1000000), run(module, NULL, "run", 7, 1000000));
    wag_module_unref(whole);
    wag_module_unref(module);
    wat_free(bytes);
    close_cluster(cluster);
}

static void test_fuel_is_bounded_and_an_option(void **state)
{
    (void)state;
    wag_error *error = NULL;
    wag_cluster *cluster = open_cluster();
    assert_true(wag_fuel_left() == 0);
    ASSERT_ERR(wag_fuel_set((uint64_t)INT64_MAX + 1), WAG_RANGE);
    ASSERT_OK(wag_fuel_set(INT64_MAX - 5));
    ASSERT_OK(wag_fuel_add(5));
    assert_true(wag_fuel_left() == INT64_MAX);
    ASSERT_OK(wag_fuel_add(UINT64_MAX));
    assert_true(wag_fuel_left() == INT64_MAX);
    ASSERT_OK(wag_fuel_charge(INT64_MAX, NULL));
    ASSERT_ERR(wag_fuel_charge(UINT64_MAX, &error), WAG_OUT_OF_FUEL);
    assert_class(error, WAG_CLASS_RUNTIME_ERROR);
    close_cluster(cluster);
    ASSERT_ERR(wag_fuel_set(1), WAG_UNSUPPORTED); /* the default cluster has none */
    ASSERT_ERR(wag_fuel_add(1), WAG_UNSUPPORTED);
    ASSERT_ERR(wag_fuel_charge(1, NULL), WAG_UNSUPPORTED);
    assert_true(wag_fuel_left() == 0);
    wag_instance *instance = instance_of("(module (func (export \"f\") (result i32) (i32.const 4)))", NULL);
    assert_int_equal(call_i32(instance, "f"), 4);
    wag_instance_unref(instance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_programs_cost_the_same_in_every_tier_and_stop_at_the_same_place),
        cmocka_unit_test(test_exceptions_cost_the_same_in_every_tier),
        cmocka_unit_test(test_a_try_pays_for_each_of_its_clauses),
        cmocka_unit_test(test_objects_cost_the_same_in_every_tier),
        cmocka_unit_test(test_host_functions_see_fuel_and_charge_it),
        cmocka_unit_test(test_an_agent_that_ran_out_goes_on_when_it_gets_more),
        cmocka_unit_test(test_what_was_overdrawn_is_paid_first),
        cmocka_unit_test(test_short_arrays_cost_the_same_in_every_tier),
        cmocka_unit_test(test_a_start_function_runs_out_of_fuel),
        cmocka_unit_test(test_a_module_that_came_in_pieces_charges_fuel),
        cmocka_unit_test(test_fuel_is_bounded_and_an_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

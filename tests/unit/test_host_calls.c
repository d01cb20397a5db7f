/* Calls between C and wasm, in both directions and in every tier: signatures of numbers, what is checked, and what may
 * happen while a call is open. */
#include "tests/support/check.h"

#include "runtime/agent.h"
#include "tests/support/bytes.h"

static const wag_tier tiers[] = {WAG_TIER_NATIVE_GUARD, WAG_TIER_NATIVE_CHECKED, WAG_TIER_INTERP};
enum { TIERS = sizeof tiers / sizeof *tiers };

static wag_instance *instance_by(wag_tier tier, wag_bytes bytes, wag_imports *imports)
{
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    wag_compile_options options = {.tier = tier};
    if (wag_module_new(bytes, &options, &module, &error) != WAG_OK ||
        wag_instance_new(module, imports, &instance, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    wag_module_unref(module);
    return instance;
}

static wag_instance *instance_of_text(wag_tier tier, const char *text, wag_imports *imports)
{
    wag_bytes bytes = wat(text);
    wag_instance *instance = instance_by(tier, bytes, imports);
    wat_free(bytes);
    return instance;
}

/* ---- signatures ---- */

/* Parameters and results of a function: kinds and values, made from a seed. */
enum { MOST = 48 };
typedef struct signature {
    uint32_t param_count, result_count;
    wag_val params[MOST], results[MOST];
    bool was_right; /* the host function has seen the arguments */
} signature;

/* Numbers whose every bit counts, negative ones among them; no NaN, so that they can be compared. */
static wag_val number(wag_val_kind kind, uint32_t seed)
{
    uint64_t bits = (seed + 1) * 0x9E3779B97F4A7C15u;
    wag_val val = {.kind = kind};
    if (kind == WAG_I32)
        val.of.i32 = (int32_t)(uint32_t)(bits >> 20);
    else if (kind == WAG_I64)
        val.of.i64 = (int64_t)bits;
    else if (kind == WAG_F32)
        val.of.f32 = (float)(int32_t)(uint32_t)(bits >> 16) / 7;
    else
        val.of.f64 = (double)(int64_t)bits / 7;
    return val;
}

static bool same(const wag_val *a, const wag_val *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case WAG_I32:
        return a->of.i32 == b->of.i32;
    case WAG_I64:
        return a->of.i64 == b->of.i64;
    case WAG_F32:
        return memcmp(&a->of.f32, &b->of.f32, sizeof a->of.f32) == 0;
    default:
        return memcmp(&a->of.f64, &b->of.f64, sizeof a->of.f64) == 0;
    }
}

/* mix: 0 to 3: all of one kind; else any. */
static signature signature_of(uint32_t params, uint32_t results, uint32_t mix)
{
    signature s = {.param_count = params, .result_count = results};
    uint32_t seed = (params * 64 + results) * 8 + mix;
    for (uint32_t i = 0; i < params + results; i++) {
        seed = seed * 1664525 + 1013904223;
        wag_val val = number((wag_val_kind)(mix < 4 ? mix : seed >> 28 & 3), seed);
        if (i < params)
            s.params[i] = val;
        else
            s.results[i - params] = val;
    }
    return s;
}

static wag_error *host_echo(void *context, const wag_val *args, wag_val *results)
{
    signature *s = context;
    s->was_right = true;
    for (uint32_t i = 0; i < s->param_count; i++)
        s->was_right = s->was_right && same(&args[i], &s->params[i]);
    for (uint32_t i = 0; i < s->result_count; i++) {
        s->was_right = s->was_right && results[i].kind == s->results[i].kind;
        memset(&results[i], 0xA5, sizeof results[i]); /* what is not the value does not count */
        results[i].kind = s->results[i].kind;
        if (s->results[i].kind == WAG_I32)
            results[i].of.i32 = s->results[i].of.i32;
        else if (s->results[i].kind == WAG_F32)
            results[i].of.f32 = s->results[i].of.f32;
        else
            results[i].of.i64 = s->results[i].of.i64;
    }
    return NULL;
}

static void put_kinds(build *b, const wag_val *vals, uint32_t count)
{
    static const uint8_t codes[] = {0x7F, 0x7E, 0x7D, 0x7C};
    build_leb(b, count);
    for (uint32_t i = 0; i < count; i++)
        build_u8(b, codes[vals[i].kind]);
}

/* For each signature an import "h" "f" and an export, named by its number, that hands its parameters to it. */
static build echo_module(const signature *list, uint32_t count)
{
    build b = {0};
    build_preamble(&b);
    size_t at = build_section(&b, 1);
    build_leb(&b, count);
    for (uint32_t i = 0; i < count; i++) {
        build_u8(&b, 0x60);
        put_kinds(&b, list[i].params, list[i].param_count);
        put_kinds(&b, list[i].results, list[i].result_count);
    }
    build_end(&b, at);
    at = build_section(&b, 2);
    build_leb(&b, count);
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", (unsigned)i);
        build_name(&b, "h");
        build_name(&b, name);
        build_u8(&b, 0);
        build_leb(&b, i);
    }
    build_end(&b, at);
    at = build_section(&b, 3);
    build_leb(&b, count);
    for (uint32_t i = 0; i < count; i++)
        build_leb(&b, i);
    build_end(&b, at);
    at = build_section(&b, 7);
    build_leb(&b, count);
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", (unsigned)i);
        build_name(&b, name);
        build_u8(&b, 0);
        build_leb(&b, count + i);
    }
    build_end(&b, at);
    at = build_section(&b, 10);
    build_leb(&b, count);
    for (uint32_t i = 0; i < count; i++) {
        size_t body = build_begin(&b);
        build_u8(&b, 0);
        for (uint32_t j = 0; j < list[i].param_count; j++) {
            build_u8(&b, 0x20);
            build_leb(&b, j);
        }
        build_u8(&b, 0x10);
        build_leb(&b, i);
        build_u8(&b, 0x0B);
        build_end(&b, body);
    }
    build_end(&b, at);
    return b;
}

static void try_signatures(wag_tier tier, signature *list, uint32_t count)
{
    build module = echo_module(list, count);
    wag_imports *imports = wag_imports_new();
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", (unsigned)i);
        ASSERT_OK(wag_imports_set_func(imports, "h", name, NULL, host_echo, &list[i], NULL));
    }
    wag_instance *instance = instance_by(tier, build_bytes(&module), imports);
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", (unsigned)i);
        signature *s = &list[i];
        wag_val results[MOST];
        memset(results, 0x5A, sizeof results);
        s->was_right = false;
        for (int again = 0; again < 2; again++) {
            ASSERT_OK(wag_call(export_of(instance, name), s->params, s->param_count, results, s->result_count, NULL));
            assert_true(s->was_right);
        }
        for (uint32_t j = 0; j < s->result_count; j++)
            if (!same(&results[j], &s->results[j]))
                fail_msg("signature %u (%u -> %u): result %u", i, s->param_count, s->result_count, j);
    }
    assert_int_equal(wag_agent_current()->host_depth, 0);
    wag_instance_unref(instance);
    wag_imports_unref(imports);
    build_free(&module);
}

static void test_numbers_arrive_by_every_count_of_parameters_and_results(void **state)
{
    (void)state;
    enum { SIDE = 21, COUNT = SIDE * SIDE };
    static signature list[COUNT];
    for (int t = 0; t < TIERS; t++) {
        for (uint32_t i = 0; i < COUNT; i++)
            list[i] = signature_of(i / SIDE, i % SIDE, 4);
        try_signatures(tiers[t], list, COUNT);
    }
}

static void test_numbers_of_each_kind_arrive(void **state)
{
    (void)state;
    static signature list[4 * 21];
    for (int t = 0; t < TIERS; t++) {
        for (uint32_t i = 0; i < 4 * 21; i++)
            list[i] = signature_of(i / 4, i / 4, i % 4);
        try_signatures(tiers[t], list, 4 * 21);
    }
}

/* The stubs for typed values end at 64 values. */
static void test_signatures_around_the_most_values_of_a_stub_arrive(void **state)
{
    (void)state;
    static signature list[8];
    for (int t = 0; t < TIERS; t++) {
        for (uint32_t i = 0; i < 8; i++)
            list[i] = signature_of(i < 4 ? 31 + i % 4 : 32, i < 4 ? 32 : 30 + i % 4, 4);
        try_signatures(tiers[t], list, 8);
    }
}

/* ---- what is checked ---- */

static wag_error *count_calls(void *context, const wag_val *args, wag_val *results)
{
    (void)args;
    (void)results;
    ++*(int *)context;
    return NULL;
}

static const char many[] = "(module (import \"h\" \"f\" (func $f))"
                           "  (func (export \"f\") (param i32 i64 f32 f64 i32 i64 f32 f64) (result f64 i32)"
                           "    (call $f) (f64.const 1) (i32.const 2)))";

static void test_arguments_of_another_kind_and_other_counts_are_type_errors_and_nothing_runs(void **state)
{
    (void)state;
    for (int t = 0; t < TIERS; t++) {
        int calls = 0;
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set_func(imports, "h", "f", NULL, count_calls, &calls, NULL));
        wag_instance *instance = instance_of_text(tiers[t], many, imports);
        wag_func *func = export_of(instance, "f");
        wag_val good[8], results[2];
        for (int i = 0; i < 8; i++)
            good[i] = number((wag_val_kind)(i % 4), (uint32_t)i);
        for (int i = 0; i < 8; i++)
            for (int kind = WAG_I32; kind <= WAG_EXNREF; kind++) {
                wag_val args[8];
                memcpy(args, good, sizeof args);
                args[i] = (wag_val){.kind = (wag_val_kind)kind};
                wag_error *error = NULL;
                wag_err wanted = kind == i % 4 ? WAG_OK : WAG_TYPE;
                ASSERT_ERR(wag_call(func, args, 8, results, 2, &error), wanted);
                if (wanted == WAG_OK)
                    continue;
                char text[32];
                snprintf(text, sizeof text, "argument %d must be", i);
                assert_non_null(strstr(wag_error_message(error), text));
                wag_error_unref(error);
            }
        assert_int_equal(calls, 8);
        ASSERT_ERR(wag_call(func, good, 7, results, 2, NULL), WAG_TYPE);
        ASSERT_ERR(wag_call(func, good, 9, results, 2, NULL), WAG_TYPE);
        ASSERT_ERR(wag_call(func, good, SIZE_MAX - 7, results, 2, NULL), WAG_TYPE); /* 8, but for the sign */
        ASSERT_ERR(wag_call(func, good, 8, results, 1, NULL), WAG_TYPE);
        ASSERT_ERR(wag_call(func, good, 8, results, 3, NULL), WAG_TYPE);
        ASSERT_ERR(wag_call(func, NULL, 8, results, 2, NULL), WAG_TYPE);
        ASSERT_ERR(wag_call(func, good, 8, NULL, 2, NULL), WAG_TYPE);
        assert_int_equal(calls, 8);
        assert_int_equal(wag_agent_current()->host_depth, 0);
        wag_instance_unref(instance);
        wag_imports_unref(imports);
    }
}

typedef struct liar {
    int index;
    wag_val_kind kind;
} liar;

static wag_error *lie(void *context, const wag_val *args, wag_val *results)
{
    const liar *here = context;
    (void)args;
    for (int i = 0; i < 4; i++)
        results[i] = number((wag_val_kind)i, 1);
    results[here->index] = (wag_val){.kind = here->kind};
    return NULL;
}

static void test_results_of_another_kind_are_type_errors(void **state)
{
    (void)state;
    for (int t = 0; t < TIERS; t++) {
        liar here;
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set_func(imports, "h", "f", "() -> (i32 i64 f32 f64)", lie, &here, NULL));
        wag_instance *instance = instance_of_text(tiers[t],
                                                  "(module (import \"h\" \"f\" (func $f (result i32 i64 f32 f64)))"
                                                  "  (func (export \"f\") (result i32 i64 f32 f64) (call $f)))",
                                                  imports);
        for (here.index = 0; here.index < 4; here.index++)
            for (int kind = WAG_I32; kind <= WAG_EXNREF; kind++) {
                here.kind = (wag_val_kind)kind;
                wag_val results[4];
                wag_error *error = NULL;
                wag_err wanted = kind == here.index ? WAG_OK : WAG_TYPE;
                ASSERT_ERR(wag_call(export_of(instance, "f"), NULL, 0, results, 4, &error), wanted);
                if (wanted == WAG_OK)
                    continue;
                char text[32];
                snprintf(text, sizeof text, "result %d must be", here.index);
                assert_non_null(strstr(wag_error_message(error), text));
                assert_int_equal(wag_error_frame_count(error), 1);
                wag_error_unref(error);
            }
        wag_instance_unref(instance);
        wag_imports_unref(imports);
    }
}

/* ---- while a call is open ---- */

typedef struct scene {
    wag_instance *instance; /* dropped by drop_instance */
    wag_func *inner;
    int calls;
} scene;

static wag_error *drop_instance(void *context, const wag_val *args, wag_val *results)
{
    scene *here = context;
    (void)args;
    wag_instance_unref(here->instance);
    results[0].of.i32 = 20;
    return NULL;
}

static void test_an_instance_whose_last_handle_goes_during_a_call_ends_with_it(void **state)
{
    (void)state;
    for (int t = 0; t < TIERS; t++) {
        scene here = {.calls = 0};
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set_func(imports, "h", "f", NULL, drop_instance, &here, NULL));
        size_t before = wag_agent_current()->unit_count;
        here.instance = instance_of_text(tiers[t],
                                         "(module (import \"h\" \"f\" (func $f (result i32)))"
                                         "  (func (export \"f\") (param i32) (result i32)"
                                         "    (i32.add (call $f) (local.get 0)))"
                                         "  (func (export \"t\") (result i32) (drop (call $f)) unreachable))",
                                         imports);
        wag_val arg = WAG_VAL_I32(22), result;
        wag_func *func = export_of(here.instance, "f");
        ASSERT_OK(wag_call(func, &arg, 1, &result, 1, NULL));
        assert_int_equal(result.of.i32, 42);
        assert_true(wag_agent_current()->unit_count <= before + 1); /* the function that the import has made may stay */
        wag_imports_unref(imports);
    }
}

static wag_error *call_inner(void *context, const wag_val *args, wag_val *results)
{
    scene *here = context;
    here->calls++;
    wag_error *error = NULL;
    wag_call(here->inner, args, 1, results, 1, &error);
    return error;
}

/* f(x) = x == 0 ? trap : g(x - 1) + 1, g by way of the host. */
static const char nesting[] = "(module (import \"h\" \"g\" (func $g (param i32) (result i32)))"
                              "  (func $f (export \"f\") (param i32) (result i32)"
                              "    (if (result i32) (local.get 0)"
                              "      (then (i32.add (i32.const 1) (call $g (i32.sub (local.get 0) (i32.const 1)))))"
                              "      (else unreachable))))";

static void test_a_trap_under_nested_calls_names_every_frame_and_gives_everything_back(void **state)
{
    (void)state;
    for (int t = 0; t < TIERS; t++) {
        scene here = {.calls = 0};
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set_func(imports, "h", "g", NULL, call_inner, &here, NULL));
        wag_instance *instance = instance_of_text(tiers[t], nesting, imports);
        here.inner = export_of(instance, "f");
        size_t handles = here.inner->object.unit->handles;
        wag_val arg = WAG_VAL_I32(9), result;
        wag_error *error = NULL;
        ASSERT_ERR(wag_call(here.inner, &arg, 1, &result, 1, &error), WAG_UNREACHABLE);
        assert_int_equal(wag_error_frame_count(error), 10);
        for (size_t i = 0; i < 10; i++) {
            wag_frame frame;
            assert_true(wag_error_frame(error, i, &frame));
            assert_int_equal(frame.func_index, 1);
        }
        wag_error_unref(error);
        assert_int_equal(here.calls, 9);
        assert_int_equal(wag_agent_current()->host_depth, 0);
        assert_null(wag_agent_current()->entry_sp);
        assert_int_equal(here.inner->object.unit->handles, handles);
        /* Endless: the depth of host calls ends it. */
        arg = WAG_VAL_I32(-1);
        ASSERT_ERR(wag_call(here.inner, &arg, 1, &result, 1, NULL), WAG_STACK_OVERFLOW);
        assert_int_equal(here.calls, 9 + (int)wag_cluster_get_limit(wag_cluster_default(), WAG_LIMIT_host_call_depth));
        assert_int_equal(here.inner->object.unit->handles, handles);
        wag_instance_unref(instance);
        wag_imports_unref(imports);
    }
}

static wag_error *interrupt(void *context, const wag_val *args, wag_val *results)
{
    (void)args;
    (void)results;
    ++*(int *)context;
    wag_agent_interrupt(wag_agent_current());
    return NULL;
}

static void test_an_interrupt_from_a_host_function_ends_the_call_when_it_returns(void **state)
{
    (void)state;
    for (int t = 0; t < TIERS; t++) {
        int calls = 0;
        wag_imports *imports = wag_imports_new();
        ASSERT_OK(wag_imports_set_func(imports, "h", "f", NULL, interrupt, &calls, NULL));
        wag_instance *instance = instance_of_text(tiers[t],
                                                  "(module (import \"h\" \"f\" (func $f (param f32)))"
                                                  "  (func (export \"f\") (call $f (f32.const 1))"
                                                  "                       (call $f (f32.const 2))))",
                                                  imports);
        for (int i = 1; i <= 3; i++) {
            ASSERT_ERR(wag_call(export_of(instance, "f"), NULL, 0, NULL, 0, NULL), WAG_INTERRUPTED);
            assert_int_equal(calls, i);
            assert_false(wag_agent_interrupted());
        }
        wag_instance_unref(instance);
        wag_imports_unref(imports);
    }
}

static int finalized;

static void count_final(void *host)
{
    (void)host;
    finalized++;
}

/* A call polls the store: what died before is found although no other function of the API is called. */
static void test_the_end_of_a_call_collects_what_is_due(void **state)
{
    (void)state;
    for (int t = 0; t < TIERS; t++) {
        wag_instance *instance =
            instance_of_text(tiers[t], "(module (table (export \"t\") 1 externref) (func (export \"f\")))", NULL);
        wag_table *table = wag_exports_table(wag_instance_exports(instance), "t");
        wag_func *func = export_of(instance, "f");
        wagi_store_stress(wag_agent_current(), true);
        finalized = 0;
        wag_extern *ext = wag_extern_new(&finalized, count_final);
        ASSERT_OK(wag_table_set(table, 0, WAG_VAL_EXTERN(ext)));
        wag_extern_unref(ext);
        ASSERT_OK(wag_call(func, NULL, 0, NULL, 0, NULL));
        assert_int_equal(finalized, 0); /* the table has it */
        ext = wag_extern_new(&finalized, count_final);
        ASSERT_OK(wag_table_set(table, 0, WAG_VAL_EXTERN(ext)));
        wag_agent_current()->host_depth++; /* as inside of a call: the handle goes and nothing is collected */
        wag_extern_unref(ext);
        ASSERT_OK(wag_table_set(table, 0, WAG_VAL_EXTERN(NULL)));
        wag_agent_current()->host_depth--;
        ASSERT_OK(wag_call(func, NULL, 0, NULL, 0, NULL));
        assert_int_equal(finalized, 2);
        wagi_store_stress(wag_agent_current(), false);
        wag_instance_unref(instance);
    }
}

/* ---- tail calls between tiers ---- */

/* f(n, a, b) = n == 0 ? (a, b) : table[other](n - 1, a + n, b + 1): tail calls all. `start` is the same behind
 * an ordinary call, `trap` where n becomes 0. */
static const char relay[] =
    "(module"
    "  (type $f (func (param i32 i64 f64) (result i64 f64)))"
    "  (import \"h\" \"t\" (table 4 funcref))"
    "  (import \"h\" \"other\" (global $other i32))"
    "  (func $f (export \"f\") (type $f)"
    "    (if (i32.eqz (local.get 0)) (then (return (local.get 1) (local.get 2))))"
    "    (return_call_indirect (type $f) (i32.sub (local.get 0) (i32.const 1))"
    "      (i64.add (local.get 1) (i64.extend_i32_u (local.get 0)))"
    "      (f64.add (local.get 2) (f64.const 1)) (global.get $other)))"
    "  (func (export \"start\") (type $f)"
    "    (call $f (local.get 0) (local.get 1) (local.get 2)))"
    "  (func (export \"trap\") (type $f)"
    "    (if (i32.eqz (local.get 0)) (then unreachable))"
    "    (return_call_indirect (type $f) (i32.sub (local.get 0) (i32.const 1)) (local.get 1) (local.get 2)"
    "      (i32.add (global.get $other) (i32.const 2)))))";

typedef struct relay_pair {
    wag_instance *instances[2];
    wag_table *table;
} relay_pair;

/* Slots 0 and 1: the two f; 2 and 3, with traps: the two trap. */
static relay_pair relay_of(const char *text, wag_tier first, wag_tier second, bool has_traps)
{
    relay_pair pair;
    wag_tier by[] = {first, second};
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_table_new(WAG_FUNCREF, 4, 4, WAG_VAL_FUNC(NULL), &pair.table, NULL));
    ASSERT_OK(wag_imports_set(imports, "h", "t", WAG_TABLE(pair.table)));
    for (uint64_t i = 0; i < 2; i++) {
        wag_global *other;
        ASSERT_OK(wag_global_new(WAG_VAL_I32((int32_t)(1 - i)), false, &other, NULL));
        ASSERT_OK(wag_imports_set(imports, "h", "other", WAG_GLOBAL(other)));
        wag_global_unref(other);
        pair.instances[i] = instance_of_text(by[i], text, imports);
        ASSERT_OK(wag_table_set(pair.table, i, WAG_VAL_FUNC(export_of(pair.instances[i], "f"))));
        if (has_traps)
            ASSERT_OK(wag_table_set(pair.table, 2 + i, WAG_VAL_FUNC(export_of(pair.instances[i], "trap"))));
    }
    wag_imports_unref(imports);
    return pair;
}

static void relay_free(relay_pair *pair)
{
    wag_instance_unref(pair->instances[0]);
    wag_instance_unref(pair->instances[1]);
    wag_table_unref(pair->table);
}

static void assert_relays(wag_func *func, int32_t count)
{
    wag_val args[] = {WAG_VAL_I32(count), WAG_VAL_I64(5), WAG_VAL_F64(0.5)}, results[2];
    wag_error *error = NULL;
    if (wag_call(func, args, 3, results, 2, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    assert_int_equal(results[0].kind, WAG_I64);
    assert_int_equal(results[0].of.i64, 5 + (int64_t)count * (count + 1) / 2);
    assert_int_equal(results[1].kind, WAG_F64);
    assert_true(results[1].of.f64 == 0.5 + count);
    assert_null(wag_agent_current()->tail_func);
    assert_null(wag_agent_current()->entry_sp);
    assert_int_equal(wag_agent_current()->host_depth, 0);
}

static void test_a_million_tail_calls_between_tiers_take_no_stack(void **state)
{
    (void)state;
    for (int a = 0; a < TIERS; a++)
        for (int b = 0; b < TIERS; b++) {
            relay_pair pair = relay_of(relay, tiers[a], tiers[b], true);
            for (int i = 0; i < 2; i++) {
                assert_relays(export_of(pair.instances[i], "f"), 1000000);
                assert_relays(export_of(pair.instances[i], "start"), 100001);
                for (int32_t count = 0; count < 4; count++)
                    assert_relays(export_of(pair.instances[i], "f"), count);
            }
            relay_free(&pair);
        }
}

/* The same with vectors, which take two slots; more of them than there are registers. */
static void test_vectors_travel_with_tail_calls_between_tiers(void **state)
{
    (void)state;
    static const char text[] =
        "(module"
        "  (type $f (func (param i32 v128 v128 v128 v128 v128 v128 v128 v128 v128) (result v128 v128)))"
        "  (import \"h\" \"t\" (table 2 funcref))"
        "  (import \"h\" \"other\" (global $other i32))"
        "  (func $f (export \"f\") (type $f)"
        "    (if (i32.eqz (local.get 0)) (then (return (local.get 1) (local.get 9))))"
        "    (return_call_indirect (type $f) (i32.sub (local.get 0) (i32.const 1))"
        "      (i64x2.add (local.get 1) (v128.const i64x2 1 2)) (local.get 2) (local.get 3) (local.get 4)"
        "      (local.get 5) (local.get 6) (local.get 7) (local.get 8)"
        "      (i64x2.sub (local.get 9) (v128.const i64x2 3 4)) (global.get $other)))"
        "  (func (export \"g\") (param i32) (result i64 i64 i64 i64)"
        "    (local v128 v128)"
        "    (call $f (local.get 0) (local.get 1) (local.get 1) (local.get 1) (local.get 1) (local.get 1)"
        "      (local.get 1) (local.get 1) (local.get 1) (local.get 1))"
        "    (local.set 2) (local.set 1)"
        "    (i64x2.extract_lane 0 (local.get 1)) (i64x2.extract_lane 1 (local.get 1))"
        "    (i64x2.extract_lane 0 (local.get 2)) (i64x2.extract_lane 1 (local.get 2))))";
    for (int a = 0; a < TIERS; a++)
        for (int b = 0; b < TIERS; b++) {
            relay_pair pair = relay_of(text, tiers[a], tiers[b], false);
            wag_val arg = WAG_VAL_I32(100000), results[4];
            wag_error *error = NULL;
            if (wag_call(export_of(pair.instances[0], "g"), &arg, 1, results, 4, &error) != WAG_OK)
                fail_msg("%s", wag_error_message(error));
            for (int i = 0; i < 4; i++)
                assert_int_equal(results[i].of.i64, (i < 2 ? 1 : -1) * (i + 1) * 100000);
            relay_free(&pair);
        }
}

static void test_a_trap_behind_tail_calls_between_tiers_has_the_last_frame_only(void **state)
{
    (void)state;
    for (int a = 0; a < TIERS; a++)
        for (int b = 0; b < TIERS; b++) {
            relay_pair pair = relay_of(relay, tiers[a], tiers[b], true);
            wag_val args[] = {WAG_VAL_I32(101), WAG_VAL_I64(5), WAG_VAL_F64(0.5)}, results[2];
            wag_error *error = NULL;
            ASSERT_ERR(wag_call(export_of(pair.instances[0], "trap"), args, 3, results, 2, &error), WAG_UNREACHABLE);
            assert_int_equal(wag_error_frame_count(error), 1);
            wag_error_unref(error);
            assert_relays(export_of(pair.instances[0], "f"), 10);
            relay_free(&pair);
        }
}

static wag_error *tail_host(void *context, const wag_val *args, wag_val *results)
{
    signature *s = context;
    (void)args;
    for (uint32_t i = 0; i < s->result_count; i++)
        results[i] = s->results[i];
    return NULL;
}

/* A tail call of a host function, and of another tier's function that has more arguments than there are registers and
 * that makes a tail call of a host function. */
static void test_tail_calls_of_host_functions_give_their_results(void **state)
{
    (void)state;
    for (int a = 0; a < TIERS; a++)
        for (int b = 0; b < TIERS; b++) {
            signature s = signature_of(0, 3, 4);
            for (int i = 0; i < 3; i++)
                s.results[i] = number((wag_val_kind)(WAG_I64 + i), (uint32_t)i);
            wag_imports *imports = wag_imports_new();
            ASSERT_OK(wag_imports_set_func(imports, "h", "f", "() -> (i64 f32 f64)", tail_host, &s, NULL));
            wag_instance *inner = instance_of_text(
                tiers[a],
                "(module (import \"h\" \"f\" (func $f (result i64 f32 f64)))"
                "  (func (export \"g\") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 f32 f32 f32 f32 f32 f32 f32 f32 f32)"
                "    (result i64 f32 f64)"
                "    (if (i32.ne (local.get 8) (i32.const 9)) (then unreachable))"
                "    (if (f32.ne (local.get 17) (f32.const 18)) (then unreachable))"
                "    (return_call $f)))",
                imports);
            ASSERT_OK(wag_imports_set(imports, "h", "g", WAG_FUNC(export_of(inner, "g"))));
            wag_instance *outer = instance_of_text(
                tiers[b],
                "(module (import \"h\" \"g\" (func $g"
                "    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 f32 f32 f32 f32 f32 f32 f32 f32 f32)"
                "    (result i64 f32 f64)))"
                "  (func (export \"f\") (result i64 f32 f64) (return_call $g"
                "    (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6) (i32.const 7)"
                "    (i32.const 8) (i32.const 9) (f32.const 10) (f32.const 11) (f32.const 12) (f32.const 13)"
                "    (f32.const 14) (f32.const 15) (f32.const 16) (f32.const 17) (f32.const 18))))",
                imports);
            wag_val results[3];
            ASSERT_OK(wag_call(export_of(outer, "f"), NULL, 0, results, 3, NULL));
            for (int i = 0; i < 3; i++)
                assert_true(same(&results[i], &s.results[i]));
            wag_instance_unref(outer);
            wag_instance_unref(inner);
            wag_imports_unref(imports);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_arrive_by_every_count_of_parameters_and_results),
        cmocka_unit_test(test_numbers_of_each_kind_arrive),
        cmocka_unit_test(test_signatures_around_the_most_values_of_a_stub_arrive),
        cmocka_unit_test(test_arguments_of_another_kind_and_other_counts_are_type_errors_and_nothing_runs),
        cmocka_unit_test(test_results_of_another_kind_are_type_errors),
        cmocka_unit_test(test_an_instance_whose_last_handle_goes_during_a_call_ends_with_it),
        cmocka_unit_test(test_a_trap_under_nested_calls_names_every_frame_and_gives_everything_back),
        cmocka_unit_test(test_an_interrupt_from_a_host_function_ends_the_call_when_it_returns),
        cmocka_unit_test(test_the_end_of_a_call_collects_what_is_due),
        cmocka_unit_test(test_a_million_tail_calls_between_tiers_take_no_stack),
        cmocka_unit_test(test_vectors_travel_with_tail_calls_between_tiers),
        cmocka_unit_test(test_a_trap_behind_tail_calls_between_tiers_has_the_last_frame_only),
        cmocka_unit_test(test_tail_calls_of_host_functions_give_their_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

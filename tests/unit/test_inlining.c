/* Small callees in their callers' place: what becomes of calls, that results and backtraces stay those of the
 * interpreter, and that growth is bounded. */
#include "tests/support/text.h"

#include "binary/module.h"
#include "compiler/build.h"
#include "compiler/compile.h"
#include "exec/native.h"

/* ---- what the builder makes ---- */

typedef struct counts {
    size_t instructions, calls, inlined;
    uint32_t returned_constant; /* by the only RETURN, else NONE */
} counts;

/* Of the module's last function. */
static counts count(const char *text)
{
    wag_module *module = module_of(text);
    const wagi_module_data *data = module->data;
    wagi_builder builder;
    wagi_ir ir;
    wagi_machine machine;
    uint32_t at;
    wagi_builder_init(&builder);
    wagi_ir_init(&ir);
    wagi_compiler_machine(&machine);
    assert_true(wagi_build(&builder, &ir, &machine, data, wagi_module_body(data, data->func_count - 1), true));
    assert_null(wagi_ir_verify(&ir, &at));
    counts c = {.instructions = ir.ins.n, .inlined = ir.inlined.n, .returned_constant = WAGI_NIL};
    for (size_t i = 0; i < ir.ins.n; i++) {
        const wagi_ins *ins = &ir.ins.p[i];
        c.calls += ins->op == WAGI_IR_CALL || ins->op == WAGI_IR_TAIL_CALL;
        if (ins->op == WAGI_IR_RETURN && ins->b == 1 && (ir.pool.p[ins->imm] & WAGI_POOL_CONST))
            c.returned_constant = (uint32_t)ir.consts.p[ir.pool.p[ins->imm] & ~WAGI_POOL_CONST].bits;
    }
    wagi_ir_fini(&ir);
    wagi_builder_fini(&builder);
    wag_module_unref(module);
    return c;
}

static void test_constants_fold_through_callees_of_callees(void **state)
{
    (void)state;
    counts c = count("(module (func $twice (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1)))"
                     " (func $more (param i32) (result i32) (local i32)"
                     "  (local.set 1 (call $twice (local.get 0))) (i32.add (local.get 1) (local.get 1)))"
                     " (func (export \"f\") (result i32) (call $more (i32.const 10))))");
    assert_int_equal(c.calls, 0);
    assert_int_equal(c.inlined, 2);
    assert_int_equal(c.instructions, 1);
    assert_int_equal(c.returned_constant, 40);
}

static void test_recursion_loops_and_large_callees_stay_calls(void **state)
{
    (void)state;
    assert_int_equal(count("(module (func $f (export \"f\") (param i32) (result i32)"
                           " (call $f (call $f (local.get 0)))))")
                         .calls,
                     2);
    /* f calls g, which is inlined, and in it f, which is not. */
    counts mutual = count("(module (func $g (param i32) (result i32) (call $f (local.get 0)))"
                          " (func $f (export \"f\") (param i32) (result i32) (call $g (local.get 0))))");
    assert_int_equal(mutual.calls, 1);
    assert_int_equal(mutual.inlined, 1);
    assert_int_equal(count("(module (func $g (loop $l (br_if $l (i32.const 0))))"
                           " (func (export \"f\") (call $g)))")
                         .calls,
                     1);
    assert_int_equal(count("(module (func $h) (func $g (return_call $h)) (func (export \"f\") (call $g)))").calls, 1);
    assert_int_equal(count("(module (memory 1) (func $g (param i32)"
                           " (i64.store (local.get 0) (i64.const 0x123456789ABCDEF0))"
                           " (i64.store (local.get 0) (i64.const 0x123456789ABCDEF1))"
                           " (i64.store (local.get 0) (i64.const 0x123456789ABCDEF2)))"
                           " (func (export \"f\") (call $g (i32.const 0))))")
                         .calls,
                     1);
}

static void test_a_callee_of_middling_size_is_inlined_in_loops_only(void **state)
{
    (void)state;
    /* 18 bytes; the constants of the second are longer: 42. */
    static const char g[] = "(func $g (param i32) (result i32) (i32.add (i32.mul (local.get 0) (local.get 0))"
                            " (i32.mul (local.get 0) (i32.xor (local.get 0) (i32.const 100000)))))"
                            "(func $h (param i32) (result i32) (i32.add (i32.mul (local.get 0) (i32.const 1000000000))"
                            " (i32.mul (i32.xor (local.get 0) (i32.const 1000000001)) (i32.xor (local.get 0)"
                            " (i32.xor (local.get 0) (i32.xor (i32.const 1000000002) (i32.xor (local.get 0)"
                            " (i32.const 1000000003)))))))) ";
    char text[2048];
    const char *end = text + sizeof text;
    char *at = append(text, end, "(module ");
    at = append(at, end, g);
    append(at, end, "(func (export \"f\") (param i32) (result i32) (call $g (call $h (local.get 0)))))");
    counts outside = count(text);
    assert_int_equal(outside.calls, 2);
    assert_int_equal(outside.inlined, 0);
    at = append(text, end, "(module ");
    at = append(at, end, g);
    append(at, end,
           "(func (export \"f\") (param i32) (result i32) (loop $l (br_if $l (local.tee 0"
           " (call $g (call $h (local.get 0)))))) (local.get 0)))");
    counts inside = count(text);
    assert_int_equal(inside.calls, 1);
    assert_int_equal(inside.inlined, 1);
}

static void test_a_body_grows_by_half_of_itself_at_most(void **state)
{
    (void)state;
    enum { CALLS = 100000, CALL_TEXT = 24 };
    size_t size = 300 + (size_t)CALLS * CALL_TEXT;
    char *text = malloc(size);
    assert_non_null(text);
    const char *end = text + size;
    char *at = append(text, end,
                      "(module (memory 1) (func $g (i32.store (i32.const 4)"
                      " (i32.add (i32.load (i32.const 4)) (i32.const 8)))) (func (export \"f\")");
    for (int i = 0; i < CALLS; i++)
        at = append(at, end, "(call $g)");
    append(at, end, "))");
    counts c = count(text);
    assert_int_equal(c.calls + c.inlined, CALLS);
    assert_in_range(c.inlined, 1000, CALLS / 10);
    free(text);
}

/* ---- what the code does ---- */

static const char functions[] =
    "(module (import \"h\" \"stop\" (func $stop (param i32))) (memory 1) (table 2 funcref) (elem (i32.const 0) $div)"
    " (type $ii (func (param i32) (result i32)))"
    " (func $div (param i32) (result i32) (i32.div_u (i32.const 100) (local.get 0)))"
    " (func $load (param i32) (result i32) (i32.load offset=65530 (local.get 0)))"
    " (func $both (param i32) (result i32) (i32.add (call $div (local.get 0)) (call $load (local.get 0))))"
    " (func $check (param i32) (if (i32.eq (local.get 0) (i32.const 2)) (then unreachable)))"
    " (func $through (param i32) (result i32) (call_indirect (type $ii) (local.get 0) (i32.const 0)))"
    " (func $absent (result i32) (call_indirect (type $ii) (i32.const 0) (i32.const 1)))"
    " (func $host (param i32) (call $stop (local.get 0)))"
    " (func $early (param i32) (result i32) (if (i32.lt_s (local.get 0) (i32.const 3)) (then (return (i32.const 7))))"
    "  (local.set 0 (i32.add (local.get 0) (i32.const 1))) (i32.mul (local.get 0) (local.get 0)))"
    " (func $never (param i32) (result i32) (unreachable))"
    " (func $two (param i32 i32) (result i32 i32) (local.get 1) (i32.sub (local.get 0) (local.get 1)))"
    " (func $fresh (param i32) (result i32) (local i32)"
    "  (if (local.get 0) (then (local.set 1 (i32.add (local.get 1) (i32.const 1))))) (local.get 1))"
    " (func (export \"sum\") (param i32) (result i32) (call $both (local.get 0)))"
    " (func (export \"checked\") (param i32) (result i32) (call $check (local.get 0)) (local.get 0))"
    " (func (export \"indirect\") (param i32) (result i32) (i32.add (i32.const 1) (call $through (local.get 0))))"
    " (func (export \"nobody\") (param i32) (result i32) (i32.add (local.get 0) (call $absent)))"
    " (func (export \"stopped\") (param i32) (result i32) (call $host (local.get 0)) (local.get 0))"
    " (func (export \"early\") (param i32) (result i32)"
    "  (i32.sub (call $early (local.get 0)) (i32.mul (local.get 0) (call $early (i32.const 1)))))"
    " (func (export \"never\") (param i32) (result i32)"
    "  (if (result i32) (i32.gt_s (local.get 0) (i32.const 2)) (then (call $never (local.get 0))) (else (i32.const "
    "5))))"
    " (func (export \"two\") (param i32) (result i32) (local i32)"
    "  (i32.add (local.get 0) (call $two (local.get 0) (local.tee 0 (i32.const 9)))) (local.set 1) (i32.shl (local.get "
    "1) (i32.const 3)) (i32.xor))"
    " (func (export \"fresh\") (param i32) (result i32) (local i32)"
    "  (loop $l (local.set 1 (i32.add (i32.shl (local.get 1) (i32.const 1)) (call $fresh (i32.and (local.get 0) "
    "(i32.const 1)))))"
    "   (br_if $l (i32.gt_s (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.const 0)))) (local.get 1))"
    " (func (export \"pending\") (param i32) (result i32)"
    "  (local.get 0) (call $early (local.get 0)) (local.set 0) (i32.sub (local.get 0))))";

static const char *const names[] = {"sum",   "checked", "indirect", "nobody", "stopped",
                                    "early", "never",   "two",      "fresh",  "pending"};

static wag_error *stop(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    (void)results;
    return args[0].of.i32 == 3 ? wag_error_new(WAG_CLASS_RANGE_ERROR, "stop") : NULL;
}

static wag_instance *functions_of(wag_tier tier)
{
    wag_bytes bytes = wat(functions);
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    wag_compile_options options = {.tier = tier};
    wag_imports *imports = wag_imports_new();
    ASSERT_OK(wag_imports_set_func(imports, "h", "stop", NULL, stop, NULL, NULL));
    if (wag_module_new(bytes, &options, &module, &error) != WAG_OK ||
        wag_instance_new(module, imports, &instance, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    wag_module_unref(module);
    wag_imports_unref(imports);
    wat_free(bytes);
    return instance;
}

static wag_error *call(const wag_instance *instance, const char *name, int32_t x, int32_t *ret_value)
{
    wag_val arg = WAG_VAL_I32(x), result = WAG_VAL_I32(0);
    wag_error *error = NULL;
    wag_func *func = wag_exports_func(wag_instance_exports(instance), name);
    assert_non_null(func);
    (void)wag_call(func, &arg, 1, &result, 1, &error);
    *ret_value = result.of.i32;
    return error;
}

static void assert_same_error(const char *name, int32_t x, const wag_error *got, const wag_error *wanted)
{
    if (!got != !wanted)
        fail_msg("%s(%d): %s, wanted %s", name, (int)x, got ? wag_error_message(got) : "a value",
                 wanted ? wag_error_message(wanted) : "a value");
    if (!got)
        return;
    ASSERT_ERR(wag_error_code(got), wag_error_code(wanted));
    assert_int_equal(wag_error_frame_count(got), wag_error_frame_count(wanted));
    for (size_t i = 0; i < wag_error_frame_count(wanted); i++) {
        wag_frame g, w;
        assert_true(wag_error_frame(got, i, &g) && wag_error_frame(wanted, i, &w));
        if (g.func_index != w.func_index || g.module_offset != w.module_offset)
            fail_msg("%s(%d), frame %zu: function %u at %zu, wanted %u at %zu", name, (int)x, i, (unsigned)g.func_index,
                     (size_t)g.module_offset, (unsigned)w.func_index, (size_t)w.module_offset);
        assert_int_equal(g.func_name.size, w.func_name.size);
        assert_memory_equal(g.func_name.data, w.func_name.data, w.func_name.size);
    }
}

static void test_results_and_backtraces_are_the_interpreters(void **state)
{
    (void)state;
    static const wag_tier modes[] = {WAG_TIER_NATIVE_GUARD, WAG_TIER_NATIVE_CHECKED};
    wag_instance *interp = functions_of(WAG_TIER_INTERP);
    size_t traps = 0, deepest = 0;
    for (int m = 0; m < 4; m++) {
        wagi_compiler_test = (wagi_compiler_switches){.check = true, .few_registers = m >= 2, .registers = 1};
        wag_instance *native = functions_of(modes[m % 2]);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            for (int32_t x = -1; x < 9; x++) {
                int32_t got, wanted;
                wag_error *error = call(native, names[i], x, &got), *other = call(interp, names[i], x, &wanted);
                assert_same_error(names[i], x, error, other);
                if (got != wanted)
                    fail_msg("%s(%d) is %d, wanted %d", names[i], (int)x, (int)got, (int)wanted);
                traps += error != NULL;
                if (error && wag_error_frame_count(error) > deepest)
                    deepest = wag_error_frame_count(error);
                wag_error_unref(error);
                wag_error_unref(other);
            }
        wag_instance_unref(native);
    }
    wagi_compiler_test = (wagi_compiler_switches){0};
    wag_instance_unref(interp);
    assert_true(traps > 50);
    assert_int_equal(deepest, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constants_fold_through_callees_of_callees),
        cmocka_unit_test(test_recursion_loops_and_large_callees_stay_calls),
        cmocka_unit_test(test_a_callee_of_middling_size_is_inlined_in_loops_only),
        cmocka_unit_test(test_a_body_grows_by_half_of_itself_at_most),
        cmocka_unit_test(test_results_and_backtraces_are_the_interpreters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The compiler's passes from inside: what the verifier and the allocation checker accept and refuse, folding, caps. */
#include "tests/support/check.h"

#include "base/alloc.h"
#include "binary/module.h"
#include "compiler/build.h"
#include "compiler/check.h"
#include "compiler/compile.h"
#include "compiler/liveness.h"
#include "compiler/regalloc.h"

/* One function, allocated. */
typedef struct subject {
    wag_module *module;
    wagi_builder builder;
    wagi_ir ir;
    wagi_liveness liveness;
    wagi_homes homes;
    wagi_machine machine;
} subject;

static void subject_init(subject *s, const char *text, uint8_t registers)
{
    s->module = module_of(text);
    wagi_builder_init(&s->builder);
    wagi_ir_init(&s->ir);
    wagi_liveness_init(&s->liveness);
    wagi_homes_init(&s->homes);
    wagi_compiler_test.few_registers = registers != 0;
    wagi_compiler_test.registers = registers;
    wagi_compiler_machine(&s->machine);
    wagi_compiler_test = (wagi_compiler_switches){0};
    const wagi_module_data *data = s->module->data;
    assert_true(wagi_build(&s->builder, &s->ir, &s->machine, data, wagi_module_body(data, data->func_count - 1), true));
}

static void subject_allocate(subject *s)
{
    assert_true(wagi_liveness_run(&s->liveness, &s->ir, &s->machine));
    assert_true(wagi_homes_run(&s->homes, &s->ir, &s->machine));
}

static void subject_fini(subject *s)
{
    wagi_builder_fini(&s->builder);
    wagi_ir_fini(&s->ir);
    wagi_liveness_fini(&s->liveness);
    wagi_homes_fini(&s->homes);
    wag_module_unref(s->module);
}

/* Calls, a loop, values that live across both, and more of them than there are registers when registers are few. */
static const char busy[] =
    "(module (func $g (param i32) (result i32) (loop (result i32) (local.get 0)))" /* a loop is not inlined */
    " (func (export \"f\") (param $a i32) (param $b i32) (result i32) (local $i i32) (local $s i32) (local $t i32)"
    "  (local.set $t (i32.mul (local.get $a) (local.get $b)))"
    "  (loop $l"
    "   (local.set $s (i32.add (local.get $s) (call $g (i32.add (local.get $i) (local.get $t)))))"
    "   (local.set $t (i32.xor (local.get $t) (i32.add (local.get $a) (local.get $s))))"
    "   (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $b))))"
    "  (i32.add (i32.add (local.get $s) (local.get $t)) (i32.add (local.get $a) (local.get $b)))))";

static void test_the_verifier_accepts_what_the_builder_makes_and_refuses_damage(void **state)
{
    (void)state;
    subject s;
    uint32_t at;
    subject_init(&s, busy, 0);
    assert_null(wagi_ir_verify(&s.ir, &at));
    for (uint32_t i = 0; i < s.ir.ins.n; i++) {
        wagi_ins saved = s.ir.ins.p[i];
        if (saved.op == WAGI_IR_BRCC || saved.op == WAGI_IR_JMP) {
            s.ir.ins.p[i].dst = (uint32_t)s.ir.labels.n + 5;
            assert_non_null(wagi_ir_verify(&s.ir, &at));
        } else if (wagi_ins_reads_a(&saved)) {
            s.ir.ins.p[i].a = (uint32_t)s.ir.vregs.n + 3;
            assert_non_null(wagi_ir_verify(&s.ir, &at));
        }
        s.ir.ins.p[i] = saved;
    }
    assert_null(wagi_ir_verify(&s.ir, &at));
    subject_fini(&s);
}

static void test_the_checker_accepts_the_allocation_and_misses_no_missing_edit(void **state)
{
    (void)state;
    static const uint8_t registers[] = {0, 1, 2, 3};
    for (size_t r = 0; r < sizeof registers; r++) {
        subject s;
        subject_init(&s, busy, registers[r]);
        subject_allocate(&s);
        const char *wrong = wagi_check_homes(&s.ir, &s.homes);
        if (wrong)
            fail_msg("%u registers: %s", registers[r], wrong);
        for (size_t i = 0; i < s.homes.edits.n; i++) {
            wagi_edit saved = s.homes.edits.p[i];
            if (saved.kind != WAGI_EDIT_LOAD)
                continue;
            s.homes.edits.p[i].kind = WAGI_EDIT_UNCACHE; /* of a vreg that is not cached: nothing happens */
            if (s.ir.vregs.p[saved.vreg].home >= 0)
                assert_non_null(wagi_check_homes(&s.ir, &s.homes));
            s.homes.edits.p[i] = saved;
        }
        assert_null(wagi_check_homes(&s.ir, &s.homes));
        subject_fini(&s);
    }
}

static void test_the_checker_refuses_two_values_in_one_register(void **state)
{
    (void)state;
    subject s;
    subject_init(&s, busy, 0);
    subject_allocate(&s);
    unsigned tried = 0;
    for (uint32_t x = 0; x < 5; x++)
        for (uint32_t y = 0; y < 5; y++) {
            wagi_vreg *v = &s.ir.vregs.p[x], *w = &s.ir.vregs.p[y];
            int8_t home = v->home;
            if (x == y || home < 0 || w->home < 0 || v->crosses != w->crosses)
                continue;
            v->home = w->home; /* all five locals are live together in the loop */
            assert_non_null(wagi_check_homes(&s.ir, &s.homes));
            v->home = home;
            tried++;
        }
    assert_true(tried > 0);
    assert_null(wagi_check_homes(&s.ir, &s.homes));
    subject_fini(&s);
}

static void test_constants_fold_and_conditions_fuse(void **state)
{
    (void)state;
    subject s;
    subject_init(&s,
                 "(module (func (export \"f\") (param i32) (result i32)"
                 " (if (i32.eqz (i32.and (local.get 0) (i32.const 4)))"
                 "  (then (return (i32.add (i32.mul (i32.const 6) (i32.const 7)) (i32.const 0)))))"
                 " (i32.rem_u (local.get 0) (i32.const 8))))",
                 0);
    unsigned muls = 0, ands = 0, tests = 0, divisions = 0;
    for (uint32_t i = 0; i < s.ir.ins.n; i++) {
        const wagi_ins *ins = &s.ir.ins.p[i];
        muls += ins->op == WAGI_IR_MUL;
        ands += ins->op == WAGI_IR_AND;
        divisions += ins->op == WAGI_IR_REM_U;
        tests += ins->op == WAGI_IR_BRCC && (ins->flags & WAGI_INS_TEST);
    }
    assert_int_equal(muls, 0);
    assert_int_equal(divisions, 0);
    assert_int_equal(ands, 1); /* the remainder; the other one is the branch's own */
    assert_int_equal(tests, 1);
    subject_fini(&s);
}

/* Moves in a function that computes a value, does something else, and only then sets the local $x to the value. */
static unsigned moves_around(const char *behind, unsigned times)
{
    char text[4096];
    int size = snprintf(text, sizeof text,
                        "(module (memory 1) (func $g (param i32) (loop))"
                        " (func (export \"f\") (param $a i32) (param $b i32) (result i32) (local $x i32)"
                        " local.get $a local.get $b i32.mul");
    for (unsigned i = 0; i < times; i++)
        size += snprintf(text + size, sizeof text - (size_t)size, " %s", behind);
    snprintf(text + size, sizeof text - (size_t)size, " local.set $x local.get $x))");
    subject s;
    subject_init(&s, text, 0);
    unsigned moves = 0;
    for (uint32_t i = 0; i < s.ir.ins.n; i++)
        moves += s.ir.ins.p[i].op == WAGI_IR_MOV;
    subject_fini(&s);
    return moves;
}

static void test_a_value_is_computed_where_it_goes_unless_that_is_needed_in_between(void **state)
{
    (void)state;
    assert_int_equal(moves_around("nop", 1), 0);
    assert_int_equal(moves_around("i32.const 0 local.get $a i32.store", 1), 0);
    assert_int_equal(moves_around("i32.const 0 local.get $a i32.store", 20), 0);
    assert_int_equal(moves_around("local.get $a call $g", 1), 0);
    /* read, as an operand, as an address, as an argument */
    assert_int_equal(moves_around("i32.const 0 local.get $x i32.store", 1), 1);
    assert_int_equal(moves_around("local.get $x i32.const 0 i32.store", 1), 1);
    assert_int_equal(moves_around("local.get $x call $g", 1), 1);
    /* written: by a move, by another definition */
    assert_int_equal(moves_around("local.get $a local.set $x", 1), 2);
    assert_int_equal(moves_around("i32.const 0 i32.load local.set $x", 1), 1);
    /* too far away to look, and in another block */
    assert_int_equal(moves_around("i32.const 0 local.get $a i32.store", 50), 1);
    assert_int_equal(moves_around("local.get $a (if (then))", 1), 1);
}

static void test_the_dump_names_every_instruction(void **state)
{
    (void)state;
    subject s;
    char text[8192];
    subject_init(&s, busy, 0);
    subject_allocate(&s);
    size_t size = wagi_ir_dump(&s.ir, text, sizeof text);
    assert_true(size < sizeof text);
    assert_non_null(strstr(text, "CALL"));
    assert_non_null(strstr(text, "POLL"));
    assert_int_equal(wagi_ir_dump(&s.ir, NULL, 0), size);
    subject_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_verifier_accepts_what_the_builder_makes_and_refuses_damage),
        cmocka_unit_test(test_the_checker_accepts_the_allocation_and_misses_no_missing_edit),
        cmocka_unit_test(test_the_checker_refuses_two_values_in_one_register),
        cmocka_unit_test(test_constants_fold_and_conditions_fuse),
        cmocka_unit_test(test_a_value_is_computed_where_it_goes_unless_that_is_needed_in_between),
        cmocka_unit_test(test_the_dump_names_every_instruction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

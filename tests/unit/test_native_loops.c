/* Loops in native code, which emits small ones several times over: the same results and the same traps at the same
 * places as the interpreter, whichever copy is left and in whatever way. */
#include "tests/support/text.h"

#include "exec/native.h"

/* Each takes an i32 and gives one; the argument says how many rounds. */
static const struct {
    const char *name, *body;
} loops[] = {
    {"tested at its bottom", "(loop $l (local.set 1 (i32.add (local.get 1) (local.get 0)))"
                             " (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))"},
    {"tested at its top", "(block $out (loop $l (br_if $out (i32.eqz (local.get 0)))"
                          " (local.set 1 (i32.add (i32.shl (local.get 1) (i32.const 1)) (local.get 0)))"
                          " (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br $l)))"},
    {"tested in its middle", "(block $out (loop $l (local.set 1 (i32.xor (local.get 1) (local.get 0)))"
                             " (br_if $out (i32.le_s (local.get 0) (i32.const 0)))"
                             " (local.set 0 (i32.sub (local.get 0) (i32.const 1)))"
                             " (local.set 1 (i32.mul (local.get 1) (i32.const 5))) (br $l)))"},
    {"with a way back from its middle",
     "(loop $l (local.set 0 (i32.sub (local.get 0) (i32.const 1)))"
     " (br_if $l (i32.and (i32.gt_s (local.get 0) (i32.const 0)) (i32.and (local.get 0) (i32.const 1))))"
     " (local.set 1 (i32.add (local.get 1) (i32.const 7))) (br_if $l (i32.gt_s (local.get 0) (i32.const 0))))"},
    {"that ends by a jump",
     "(block $out (loop $l (local.set 1 (i32.add (local.get 1) (i32.const 3)))"
     " (local.set 0 (i32.sub (local.get 0) (i32.const 1)))"
     " (br_if $l (i32.gt_s (local.get 0) (i32.const 0))) (br $out)) (local.set 1 (i32.const 9)))"},
    {"that ends in a choice", "(loop $l (local.set 0 (i32.sub (local.get 0) (i32.const 1)))"
                              " (if (i32.and (local.get 0) (i32.const 2))"
                              "  (then (local.set 1 (i32.add (local.get 1) (i32.const 10))) (br $l))"
                              "  (else (br_if $l (i32.gt_s (local.get 0) (i32.const 0))))))"},
    {"until a float is no number", "(loop $l (local.set 1 (i32.add (local.get 1) (i32.const 1)))"
                                   " (if (i32.ge_u (local.get 1) (local.get 0)) (then (local.set 2 (f64.const nan))))"
                                   " (br_if $l (f64.eq (local.get 2) (local.get 2))))"},
    {"until a float is zero",
     "(local.set 2 (f64.convert_i32_s (local.get 0)))"
     " (loop $l (local.set 1 (i32.add (local.get 1) (i32.const 1)))"
     " (br_if $l (f64.ne (local.tee 2 (f64.sub (local.get 2) (f64.const 1))) (f64.const 0))))"},
    {"that keeps values", "(local.set 1 (loop $l (param i32) (result i32) (i32.const 3) (i32.add)"
                          " (local.tee 1) (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))"},
    {"that stores and loads",
     "(loop $l (i32.store8 (local.get 0) (local.get 0))"
     " (local.set 1 (i32.add (local.get 1) (i32.load8_u (i32.sub (local.get 0) (i32.const 1)))))"
     " (br_if $l (i32.gt_s (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.const 1))))"},
    {"that traps in some round",
     "(loop $l (local.set 1 (i32.add (local.get 1) (i32.div_u (i32.const 100) (i32.sub (local.get 0) (i32.const 5)))))"
     " (br_if $l (i32.gt_s (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.const 1))))"},
    {"that leaves its memory in some round",
     "(local.set 1 (i32.sub (i32.const 65530) (local.get 0))) (loop $l"
     " (i32.store (local.get 1) (i32.load offset=4 (local.get 1)))"
     " (local.set 1 (i32.add (local.get 1) (i32.const 1)))"
     " (br_if $l (i32.gt_s (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.const -5))))"},
};
enum { LOOP_COUNT = sizeof loops / sizeof *loops, ROUNDS_MAX = 14 };

typedef struct outcome {
    wag_err err;
    int32_t value;
    size_t offset;
} outcome;

static wag_instance *loop_of(const char *body, wag_tier tier)
{
    char text[2048];
    bool has_param = strstr(body, "(param i32)") != NULL;
    snprintf(text, sizeof text,
             "(module (memory 1) (func (export \"f\") (param i32) (result i32) (local i32) (local f64) %s %s"
             " (local.get 1)))",
             has_param ? "(i32.const 1)" : "", body);
    wag_bytes bytes = wat(text);
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    wag_compile_options options = {.tier = tier};
    if (wag_module_new(bytes, &options, &module, &error) != WAG_OK)
        fail_msg("%s: %s", text, wag_error_message(error));
    if (wag_instance_new(module, NULL, &instance, &error) != WAG_OK)
        fail_msg("%s: %s", text, wag_error_message(error));
    wag_module_unref(module);
    wat_free(bytes);
    return instance;
}

static outcome run(const wag_instance *instance, int32_t x)
{
    wag_val arg = WAG_VAL_I32(x), result = WAG_VAL_I32(0);
    wag_error *error = NULL;
    outcome o = {.err = wag_call(wag_exports_func(wag_instance_exports(instance), "f"), &arg, 1, &result, 1, &error)};
    if (o.err == WAG_OK) {
        o.value = result.of.i32;
    } else {
        assert_int_equal(wag_error_frame_count(error), 1);
        wag_frame frame;
        assert_true(wag_error_frame(error, 0, &frame));
        o.offset = frame.module_offset;
        wag_error_unref(error);
    }
    return o;
}

static void test_every_number_of_rounds_gives_what_the_interpreter_gives(void **state)
{
    (void)state;
    static const wag_tier modes[] = {WAG_TIER_NATIVE_GUARD, WAG_TIER_NATIVE_CHECKED};
    for (int i = 0; i < LOOP_COUNT; i++)
        for (int m = 0; m < 4; m++) {
            wagi_compiler_test = (wagi_compiler_switches){.check = true, .few_registers = m >= 2, .registers = 1};
            wag_instance *native = loop_of(loops[i].body, modes[m % 2]);
            wag_instance *interp = loop_of(loops[i].body, WAG_TIER_INTERP);
            for (int32_t rounds = 1; rounds <= ROUNDS_MAX; rounds++) {
                outcome got = run(native, rounds), wanted = run(interp, rounds);
                if (got.err != wanted.err || got.value != wanted.value || got.offset != wanted.offset)
                    fail_msg("a loop %s, %d rounds: %s %d at %zu, wanted %s %d at %zu", loops[i].name, (int)rounds,
                             wag_err_name(got.err), (int)got.value, got.offset, wag_err_name(wanted.err),
                             (int)wanted.value, wanted.offset);
            }
            wag_instance_unref(native);
            wag_instance_unref(interp);
        }
    wagi_compiler_test = (wagi_compiler_switches){0};
}

/* `count` of the same small loop, one after the other. */
static size_t code_size_of(int count)
{
    enum { LOOP_TEXT = 100 };
    size_t size_of_text = 200 + (size_t)count * LOOP_TEXT;
    char *text = malloc(size_of_text);
    assert_non_null(text);
    const char *end = text + size_of_text;
    char *at = append(text, end, "(module (func (export \"f\") (param i32) (result i32)");
    for (int i = 0; i < count; i++)
        at = append(at, end, "(loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))");
    append(at, end, "(local.get 0)))");
    wag_bytes bytes = wat(text);
    wag_module *module = NULL;
    wag_compile_options options = {.tier = WAG_TIER_NATIVE_GUARD};
    ASSERT_ERR(wag_module_new(bytes, &options, &module, NULL), WAG_OK);
    size_t size = ((const wagi_code *)module->tier_data)->image.funcs[0].size;
    wag_module_unref(module);
    wat_free(bytes);
    free(text);
    return size;
}

static void test_many_small_loops_grow_the_code_by_a_part_only(void **state)
{
    (void)state;
    /* A loop alone is emitted four times; of a thousand, few are. */
    size_t one = code_size_of(1), thousand = code_size_of(1000);
    assert_true(thousand < one * 1000);
    assert_true(thousand / 1000 < 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_number_of_rounds_gives_what_the_interpreter_gives),
        cmocka_unit_test(test_many_small_loops_grow_the_code_by_a_part_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

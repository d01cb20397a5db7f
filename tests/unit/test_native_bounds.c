/* Bounds checks of checked mode that an earlier one has made superfluous: traps stay where they are, and with what was
 * stored before them. */
#include "tests/support/check.h"

#include "exec/native.h"

static const char text[] =
    "(module (memory (export \"m\") 1 3)"
    " (func $far (param i32) (if (i32.eq (local.get 0) (i32.const 65531)) (then (drop (memory.grow"
    " (i32.const 1))))))"
    " (func (export \"falling\") (param i32) (i32.store8 offset=8 (local.get 0)"
    " (i32.const 1))(i32.store8 offset=4 (local.get 0) (i32.const 1))(i32.store8 offset=0 (local.get 0)"
    " (i32.const 1)))"
    " (func (export \"rising\") (param i32) (i32.store8 offset=0 (local.get 0)"
    " (i32.const 1))(i32.store8 offset=4 (local.get 0) (i32.const 1))(i32.store8 offset=8 (local.get 0)"
    " (i32.const 1)))"
    " (func (export \"wide\") (param i32) (i32.store8 offset=7 (local.get 0) (i32.const 1)) (i64.store"
    " (local.get 0) (i64.const -1))  (i64.store offset=1 (local.get 0) (i64.const 5)))"
    " (func (export \"moved\") (param i32) (i32.store8 offset=4 (local.get 0) (i32.const 1)) "
    " (local.set 0 (i32.add (local.get 0) (i32.const 6))) (i32.store8 offset=3 (local.get 0)"
    " (i32.const 1)))"
    " (func (export \"moved_by_load\") (param i32) (local.set 0 (i32.add (local.get 0) "
    " (i32.load offset=4 (local.get 0)))) (local.set 0 (i32.sub (local.get 0) (i32.const -8)))"
    " (i32.store8 offset=0 (local.get 0) (i32.const 1)))"
    " (func (export \"branch\") (param i32) (if (i32.and (local.get 0) (i32.const 1)) (then"
    " (i32.store8 offset=9 (local.get 0) (i32.const 1)))) (i32.store8 offset=6 (local.get 0)"
    " (i32.const 1)))"
    " (func (export \"loop\") (param i32) (local i32) (loop $l (i32.store8 offset=2 (local.get 0)"
    " (i32.const 1))  (local.set 0 (i32.add (local.get 0) (i32.const 2)))  (br_if $l (i32.lt_u"
    " (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 4)))) (i32.store8 offset=0"
    " (local.get 0) (i32.const 1)))"
    " (func (export \"call\") (param i32) (i32.store8 offset=4 (local.get 0) (i32.const 1)) (call $far"
    " (local.get 0)) (i32.store8 offset=12 (local.get 0) (i32.const 1)))"
    " (func (export \"constant\") (param i32) (i32.store8 offset=65535 (i32.const 0) (local.get 0)) "
    " (i32.store8 offset=65536 (i32.const 0) (local.get 0)))"
    " (func (export \"sum\") (param i32) (i32.store8 offset=4 (i32.add (local.get 0) (i32.const 2))"
    " (i32.const 1))  (i32.store8 offset=2 (i32.add (local.get 0) (i32.const 4)) (i32.const 1))))";

static const char *const names[] = {"falling", "rising", "wide", "moved",    "moved_by_load",
                                    "branch",  "loop",   "call", "constant", "sum"};

typedef struct outcome {
    wag_err err;
    size_t offset;
    uint64_t pages, sum;
} outcome;

static wag_module *compiled(wag_tier tier)
{
    wag_bytes bytes = wat(text);
    wag_module *module = NULL;
    wag_error *error = NULL;
    wag_compile_options options = {.tier = tier};
    if (wag_module_new(bytes, &options, &module, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    wat_free(bytes);
    return module;
}

/* In a fresh instance, because stores and growth stay. */
static outcome run(wag_module *module, const char *name, int32_t x)
{
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    wag_val arg = WAG_VAL_I32(x);
    ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
    const wag_exports *exports = wag_instance_exports(instance);
    outcome o = {.err = wag_call(wag_exports_func(exports, name), &arg, 1, NULL, 0, &error)};
    if (error) {
        wag_frame frame;
        assert_true(wag_error_frame(error, 0, &frame));
        o.offset = frame.module_offset;
        wag_error_unref(error);
    }
    wag_memory *memory = wag_exports_memory(exports, "m");
    const uint8_t *data = wag_memory_data(memory);
    o.pages = wag_memory_size(memory);
    for (size_t i = 65400; i < 65536; i++)
        o.sum = o.sum * 31 + data[i];
    wag_instance_unref(instance);
    return o;
}

static void test_a_check_serves_later_accesses_through_the_same_address_only(void **state)
{
    (void)state;
    wag_module *interp = compiled(WAG_TIER_INTERP);
    size_t traps = 0, fine = 0;
    for (int m = 0; m < 3; m++) {
        wagi_compiler_test =
            (wagi_compiler_switches){.check = true, .few_registers = m > 0, .registers = (uint8_t)(m - 1)};
        wag_module *native = compiled(WAG_TIER_NATIVE_CHECKED);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            for (int32_t x = 65510; x < 65540; x++) {
                outcome got = run(native, names[i], x), wanted = run(interp, names[i], x);
                if (got.err != wanted.err || got.offset != wanted.offset || got.pages != wanted.pages ||
                    got.sum != wanted.sum)
                    fail_msg("%s(%d): %s at %zu, wanted %s at %zu; memories %s", names[i], (int)x,
                             wag_err_name(got.err), got.offset, wag_err_name(wanted.err), wanted.offset,
                             got.sum == wanted.sum ? "equal" : "differ");
                traps += got.err != WAG_OK;
                fine += got.err == WAG_OK;
            }
        wag_module_unref(native);
    }
    wagi_compiler_test = (wagi_compiler_switches){0};
    wag_module_unref(interp);
    assert_true(traps > 100 && fine > 100);
}

static void test_accesses_that_are_known_to_be_in_bounds_take_less_code(void **state)
{
    (void)state;
    wag_module *module = compiled(WAG_TIER_NATIVE_CHECKED);
    const wagi_code *code = module->tier_data;
    /* $far is function 0: these are the same accesses in two orders. */
    assert_true(code->image.funcs[1].size < code->image.funcs[2].size);
    wag_module_unref(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_check_serves_later_accesses_through_the_same_address_only),
        cmocka_unit_test(test_accesses_that_are_known_to_be_in_bounds_take_less_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

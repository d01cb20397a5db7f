/* core/ops/v128: every vector op over edge values. */
#include "tests/support/check.h"

#include "binary/op_v128.h"

static void test_every_vector_op_without_a_memarg_has_a_meaning(void **state)
{
    (void)state;
    unsigned with = 0;
    for (wagi_op op = 0; op < WAGI_OP_COUNT; op++) {
        const wagi_op_info *info = &wagi_ops[op];
        bool pure = info->prefix == 0xFD && info->imm != WAGI_IMM_MEMARG && info->imm != WAGI_IMM_MEMARG_LANE;
        if (pure != (wagi_op_v128_func(op) != NULL))
            fail_msg("%s", info->text);
        with += pure;
    }
    assert_int_equal(with, 236 + 20 - 14 - 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_vector_op_without_a_memarg_has_a_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

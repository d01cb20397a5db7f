/* The side table that the validator makes, for each kind of branch. With arguments the program walks the bodies of
 * those .wasm files instead.
 */
#include "tests/support/body.h"

/* --- the side table --- */

static void a_branch_to_a_block_lands_behind_its_end(void **state)
{
    (void)state;
    /* 0 block 2 br 0 4 end 5 end */
    const wagi_func_body *body = accept(NONE_NONE, BYTES(0, 0x02, 0x40, 0x0C, 0, END, END));
    assert_int_equal(body->side_count, 1);
    assert_entry(body, 0, 2, 5, 1, 0, 0);
}

static void a_branch_to_a_loop_lands_on_the_loop(void **state)
{
    (void)state;
    /* 0 block 2 loop 4 local.get 0 6 br_if 1 8 local.get 0 10 br_if 0 12 end 13 end 14 end */
    const wagi_func_body *body =
        accept(I32_NONE, BYTES(0, 0x02, 0x40, 0x03, 0x40, 0x20, 0, 0x0D, 1, 0x20, 0, 0x0D, 0, END, END, END));
    assert_int_equal(body->side_count, 2);
    assert_entry(body, 0, 6, 14, 2, 0, 0);
    assert_entry(body, 1, 10, 2, 0, 0, 0);
}

static void an_if_without_else_skips_to_behind_its_end(void **state)
{
    (void)state;
    /* 0 local.get 0 2 if 4 nop 5 end 6 end */
    const wagi_func_body *body = accept(I32_NONE, BYTES(0, 0x20, 0, 0x04, 0x40, 0x01, END, END));
    assert_int_equal(body->side_count, 1);
    assert_entry(body, 0, 2, 6, 1, 0, 0);
}

static void an_if_goes_to_its_else_and_the_else_to_the_end(void **state)
{
    (void)state;
    /* 0 local.get 0 2 if i32 4 i32.const 1 6 br 0 8 else 9 i32.const 2 11 end 12 end */
    const wagi_func_body *body =
        accept(I32_I32, BYTES(0, 0x20, 0, 0x04, I32, 0x41, 1, 0x0C, 0, 0x05, 0x41, 2, END, END));
    assert_int_equal(body->side_count, 3);
    assert_entry(body, 0, 2, 9, 3, 0, 0);
    assert_entry(body, 1, 6, 12, 3, 1, 0);
    assert_entry(body, 2, 8, 12, 3, 1, 0);
}

static void an_if_with_parameters_takes_them_along(void **state)
{
    (void)state;
    /* 0 i32.const 7 2 local.get 0 4 if [i32]->[i32] 6 else 7 end 8 end */
    const wagi_func_body *body = accept(I32_I32, BYTES(0, 0x41, 7, 0x20, 0, 0x04, 2, 0x05, END, END));
    assert_entry(body, 0, 4, 7, 2, 1, 0);
    assert_entry(body, 1, 6, 8, 2, 1, 0);
}

static void a_branch_to_the_function_lands_on_its_final_end(void **state)
{
    (void)state;
    /* 0 block 2 i32.const 5 4 br 1 6 end 7 i32.const 6 9 end */
    const wagi_func_body *body = accept(NONE_I32, BYTES(0, 0x02, 0x40, 0x41, 5, 0x0C, 1, END, 0x41, 6, END));
    assert_entry(body, 0, 4, 9, 1, 1, 0);
}

static void a_br_table_has_an_entry_for_each_label_and_the_default(void **state)
{
    (void)state;
    /* 0 block 2 loop 4 block 6 local.get 0 8 br_table [0 1 2] 3 14 end 15 end 16 end 17 end */
    const wagi_func_body *body = accept(
        I32_NONE, BYTES(0, 0x02, 0x40, 0x03, 0x40, 0x02, 0x40, 0x20, 0, 0x0E, 3, 0, 1, 2, 3, END, END, END, END));
    assert_int_equal(body->side_count, 4);
    assert_entry(body, 0, 8, 15, 4, 0, 0);
    assert_entry(body, 1, 8, 2, 0, 0, 0);
    assert_entry(body, 2, 8, 17, 4, 0, 0);
    assert_entry(body, 3, 8, 17, 4, 0, 0);
}

static void a_branch_keeps_the_results_and_drops_what_is_between(void **state)
{
    (void)state;
    /* 0 i32.const 0 2 block i32 4 i32.const 1 6 i32.const 2 8 i32.const 3 10 br 0 12 end 13 drop 14 end */
    const wagi_func_body *body =
        accept(NONE_I32, BYTES(0, 0x41, 0, 0x02, I32, 0x41, 1, 0x41, 2, 0x41, 3, 0x0C, 0, END, 0x1A, END));
    assert_entry(body, 0, 10, 13, 1, 1, 2);
    assert_int_equal(body->max_height, 4);
}

static void a_branch_to_a_loop_keeps_its_parameters(void **state)
{
    (void)state;
    /* 0 i32.const 1 2 loop [i32]->[i32] 4 i32.const 8 6 i32.const 9 8 br 0 10 end 11 end */
    const wagi_func_body *body = accept(NONE_I32, BYTES(0, 0x41, 1, 0x03, 2, 0x41, 8, 0x41, 9, 0x0C, 0, END, END));
    assert_entry(body, 0, 8, 2, 0, 1, 2);
}

static void branches_on_null_leave_or_take_the_reference(void **state)
{
    (void)state;
    /* 0 block 2 ref.null any 4 br_on_null 0 6 drop 7 end 8 block anyref 10 ref.null any 12 br_on_non_null 0
     * 14 ref.null any 16 end 17 drop 18 end */
    const wagi_func_body *body = accept(NONE_NONE, BYTES(0, 0x02, 0x40, 0xD0, ANYREF, 0xD5, 0, 0x1A, END, 0x02, ANYREF,
                                                         0xD0, ANYREF, 0xD6, 0, 0xD0, ANYREF, END, 0x1A, END));
    assert_int_equal(body->side_count, 2);
    assert_entry(body, 0, 4, 8, 1, 0, 0);
    assert_entry(body, 1, 12, 17, 2, 1, 0);
}

static void branches_on_casts_take_the_reference(void **state)
{
    (void)state;
    /* 0 block (ref null any) 2 i32.const 0 4 ref.null any 6 br_on_cast 0 any -> i31 12 end 13 drop 14 end: with a value
     * between, which the end of the block would not take, so it is unreachable there. */
    const wagi_func_body *body = accept(
        NONE_NONE, BYTES(0, 0x02, ANYREF, 0x41, 0, 0xD0, ANYREF, 0xFB, 24, 3, 0, ANYREF, 0x6C, 0x00, END, 0x1A, END));
    assert_int_equal(body->side_count, 1);
    assert_entry(body, 0, 6, 14, 1, 1, 1);
    body = accept(NONE_NONE, BYTES(0, 0x02, ANYREF, 0xD0, ANYREF, 0xFB, 25, 3, 0, ANYREF, 0x6C, END, 0x1A, END));
    assert_entry(body, 0, 4, 11, 1, 1, 0);
}

static void a_try_table_has_an_entry_for_each_clause_and_a_region(void **state)
{
    (void)state;
    /* 0 block i32 2 i32.const 9 4 try_table (catch 0 0) (catch_all 1) 12 nop 13 end 14 end 15 drop 16 end */
    const wagi_func_body *body =
        accept(NONE_NONE, BYTES(0, 0x02, I32, 0x41, 9, 0x1F, 0x40, 2, 0, 0, 0, 2, 1, 0x01, END, END, 0x1A, END));
    assert_int_equal(body->side_count, 2);
    assert_entry(body, 0, 4, 15, 2, 1, 1);
    assert_entry(body, 1, 4, 16, 2, 0, 1);
    assert_int_equal(body->try_count, 1);
    const wagi_try_region *region = body->tries;
    assert_int_equal(region->ip, 4);
    assert_int_equal(region->catches, 7);
    assert_int_equal(region->begin, 12);
    assert_int_equal(region->end, 13);
    assert_int_equal(region->count, 2);
    assert_int_equal(region->side, 0);
    assert_int_equal(region->height, 1);
    assert_int_equal(body->max_height, 2);
}

static void unreachable_code_has_entries_too(void **state)
{
    (void)state;
    /* 0 block 2 return 3 br_if 1 5 br_table [0] 1 9 end 10 nop 11 end */
    const wagi_func_body *body = accept(NONE_NONE, BYTES(0, 0x02, 0x40, 0x0F, 0x0D, 1, 0x0E, 1, 0, 1, END, 0x01, END));
    assert_int_equal(body->side_count, 3);
    assert_entry(body, 0, 3, 11, 3, 0, 0);
    assert_entry(body, 1, 5, 10, 3, 0, 0);
    assert_entry(body, 2, 5, 11, 3, 0, 0);
}

/* --- files from the command line --- */

static int walk_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return perror(path), 1;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(size > 0 ? (size_t)size : 1);
    bool is_read = bytes && size >= 0 && fread(bytes, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    const char *complaint = is_read ? NULL : "cannot be read";
    if (is_read && decode(bytes, (size_t)size) == WAG_OK)
        complaint = walk_module(current->data);
    free(bytes);
    if (complaint)
        fprintf(stderr, "%s: %s\n", path, complaint);
    return complaint != NULL;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        int failed = setup(NULL);
        for (int i = 1; i < argc && registry; i++)
            failed |= walk_file(argv[i]);
        return failed | (registry ? teardown(NULL) : 0);
    }
    const struct CMUnitTest tests[] = {
        BODY_TEST(a_branch_to_a_block_lands_behind_its_end),
        BODY_TEST(a_branch_to_a_loop_lands_on_the_loop),
        BODY_TEST(an_if_without_else_skips_to_behind_its_end),
        BODY_TEST(an_if_goes_to_its_else_and_the_else_to_the_end),
        BODY_TEST(an_if_with_parameters_takes_them_along),
        BODY_TEST(a_branch_to_the_function_lands_on_its_final_end),
        BODY_TEST(a_br_table_has_an_entry_for_each_label_and_the_default),
        BODY_TEST(a_branch_keeps_the_results_and_drops_what_is_between),
        BODY_TEST(a_branch_to_a_loop_keeps_its_parameters),
        BODY_TEST(branches_on_null_leave_or_take_the_reference),
        BODY_TEST(branches_on_casts_take_the_reference),
        BODY_TEST(a_try_table_has_an_entry_for_each_clause_and_a_region),
        BODY_TEST(unreachable_code_has_entries_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The opcode table: every row can be found, and says something that makes sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "binary/op.h"

static void every_row_is_found_by_its_code(void **state)
{
    (void)state;
    for (unsigned op = 0; op < WAGI_OP_COUNT; op++)
        assert_int_equal(wagi_op_find(wagi_ops[op].prefix, wagi_ops[op].code), op);
}

static void every_code_that_is_found_has_that_row(void **state)
{
    (void)state;
    unsigned found = 0;
    for (unsigned prefix = 0; prefix < 256; prefix++) {
        for (uint32_t code = 0; code < 0x1000; code++) {
            wagi_op op = wagi_op_find((uint8_t)prefix, code);
            if (op == WAGI_OP_NONE)
                continue;
            found++;
            assert_int_equal(wagi_ops[op].prefix, prefix);
            assert_int_equal(wagi_ops[op].code, code);
        }
    }
    assert_int_equal(found, WAGI_OP_COUNT);
    assert_int_equal(wagi_op_find(0xFD, UINT32_MAX), WAGI_OP_NONE);
    assert_int_equal(wagi_op_find(0, 0xFB), WAGI_OP_NONE);
    assert_int_equal(wagi_op_find(0xFA, 0), WAGI_OP_NONE);
}

static void rows_are_in_the_order_of_their_codes(void **state)
{
    (void)state;
    for (unsigned op = 1; op < WAGI_OP_COUNT; op++) {
        uint32_t before = (uint32_t)wagi_ops[op - 1].prefix << 16 | wagi_ops[op - 1].code;
        uint32_t after = (uint32_t)wagi_ops[op].prefix << 16 | wagi_ops[op].code;
        assert_true(before < after);
    }
}

static unsigned count_codes(uint8_t prefix, uint32_t begin, uint32_t end)
{
    unsigned count = 0;
    for (unsigned op = 0; op < WAGI_OP_COUNT; op++)
        count += wagi_ops[op].prefix == prefix && wagi_ops[op].code >= begin && wagi_ops[op].code < end;
    return count;
}

/* The numbers of the specification: SIMD has 236 instructions, threads 67. */
static void each_prefix_has_as_many_rows_as_the_specification(void **state)
{
    (void)state;
    assert_int_equal(count_codes(0xFB, 0, 31), 31);
    assert_int_equal(count_codes(0xFC, 0, 18), 18);
    assert_int_equal(count_codes(0xFC, 0x13, 0x17), 4); /* wide arithmetic */
    assert_int_equal(count_codes(0xFD, 0, 0x100), 236);
    assert_int_equal(count_codes(0xFD, 0x100, 0x114), 20);
    assert_int_equal(count_codes(0xFE, 0, 4), 4);
    assert_int_equal(count_codes(0xFE, 0x10, 0x4F), 63);
    assert_int_equal(count_codes(0, 0x00, 0x20), 23);
    assert_int_equal(count_codes(0, 0x20, 0x28), 7);
    assert_int_equal(count_codes(0, 0x28, 0x41), 25);
    assert_int_equal(count_codes(0, 0x41, 0xC5), 132);
    assert_int_equal(count_codes(0, 0xC5, 0x100), 7);
    assert_int_equal(194 + 31 + 18 + 4 + 236 + 20 + 67, WAGI_OP_COUNT);
}

static void signatures_parse(void **state)
{
    (void)state;
    for (unsigned op = 0; op < WAGI_OP_COUNT; op++) {
        const char *signature = wagi_ops[op].signature;
        if (!signature)
            continue;
        const char *colon = strchr(signature, ':');
        assert_non_null(colon);
        assert_in_range(colon - signature, 0, 3);
        assert_in_range(strlen(colon + 1), 0, 1);
        assert_int_equal(strspn(signature, "iIfFva") + 1 + strspn(colon + 1, "iIfFva"), strlen(signature));
        /* An address needs a memory in the immediate. */
        unsigned imm = wagi_ops[op].imm;
        bool has_memory = imm == WAGI_IMM_MEMARG || imm == WAGI_IMM_MEMARG_LANE || imm == WAGI_IMM_MEMORY ||
                          imm == WAGI_IMM_DATA_MEMORY;
        assert_true(!strchr(signature, 'a') == !has_memory);
    }
}

/* What the text of a row says about its operands and result must be what its signature says. */
static void a_signature_begins_with_the_type_in_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        char letter;
    } types[] = {{"i32.", 'i'}, {"i64.", 'I'}, {"f32.", 'f'}, {"f64.", 'F'}};
    for (unsigned op = 0; op < WAGI_OP_COUNT; op++) {
        const wagi_op_info *info = &wagi_ops[op];
        if (!info->signature)
            continue;
        char result = strchr(info->signature, ':')[1];
        for (unsigned i = 0; i < 4; i++) {
            if (strncmp(info->text, types[i].text, 4) != 0)
                continue;
            bool is_test = strstr(info->text, ".eq") || strstr(info->text, ".ne") || strstr(info->text, ".lt") ||
                           strstr(info->text, ".gt") || strstr(info->text, ".le") || strstr(info->text, ".ge");
            bool is_store = strstr(info->text, "store") != NULL;
            if (strstr(info->text, ".neg") || strstr(info->text, ".nearest"))
                is_test = false;
            if (is_store)
                assert_int_equal(info->signature[1], types[i].letter);
            else if (is_test)
                assert_int_equal(info->signature[0], types[i].letter);
            else
                assert_int_equal(result, types[i].letter);
        }
    }
}

static bool accesses_memory(const wagi_op_info *info)
{
    return info->imm == WAGI_IMM_MEMARG || info->imm == WAGI_IMM_MEMARG_LANE;
}

static void effects_agree_with_what_the_name_says(void **state)
{
    (void)state;
    for (unsigned op = 0; op < WAGI_OP_COUNT; op++) {
        const wagi_op_info *info = &wagi_ops[op];
        if (accesses_memory(info))
            assert_true(info->effects & WAGI_EFFECT_TRAPS);
        if (strstr(info->text, "load") && accesses_memory(info))
            assert_int_equal(info->effects & (WAGI_EFFECT_READS | WAGI_EFFECT_WRITES), WAGI_EFFECT_READS);
        if (strstr(info->text, "store") && accesses_memory(info))
            assert_int_equal(info->effects & (WAGI_EFFECT_READS | WAGI_EFFECT_WRITES), WAGI_EFFECT_WRITES);
        if (strstr(info->text, "call"))
            assert_true(info->effects & WAGI_EFFECT_CALLS);
        if (strncmp(info->text, "br", 2) == 0)
            assert_true(info->effects & WAGI_EFFECT_CONTROL);
        if (info->prefix == 0xFD && !accesses_memory(info) && info->imm != WAGI_IMM_V128)
            assert_int_equal(info->effects, WAGI_EFFECT_PURE);
        if (strstr(info->text, ".div_") || strstr(info->text, ".rem_"))
            assert_int_equal(info->effects, WAGI_EFFECT_TRAPS);
    }
}

/* WebAssembly 3.0, "Constant expressions". */
static void exactly_the_constant_instructions_are_marked(void **state)
{
    (void)state;
    static const char *const constant[] = {
        "end",
        "i32.const",
        "i64.const",
        "f32.const",
        "f64.const",
        "v128.const",
        "i32.add",
        "i32.sub",
        "i32.mul",
        "i64.add",
        "i64.sub",
        "i64.mul",
        "ref.null",
        "ref.func",
        "ref.i31",
        "global.get",
        "struct.new",
        "struct.new_default",
        "array.new",
        "array.new_default",
        "array.new_fixed",
        "any.convert_extern",
        "extern.convert_any",
    };
    unsigned count = 0;
    for (unsigned op = 0; op < WAGI_OP_COUNT; op++) {
        bool listed = false;
        for (size_t i = 0; i < sizeof constant / sizeof *constant; i++)
            listed |= strcmp(wagi_ops[op].text, constant[i]) == 0;
        assert_int_equal(listed, (wagi_ops[op].effects & WAGI_EFFECT_CONST) != 0);
        count += listed;
    }
    assert_int_equal(count, sizeof constant / sizeof *constant);
}

/* The width in a name ("load16_s", "rmw8") or the type's own. */
static unsigned natural_alignment(const char *text)
{
    static const struct {
        const char *part;
        unsigned align;
    } parts[] = {{"8x8", 3},    {"16x4", 3},   {"32x2", 3},    {"load8", 0},   {"load16", 1},  {"load32", 2},
                 {"load64", 3}, {"store8", 0}, {"store16", 1}, {"store32", 2}, {"store64", 3}, {"rmw8", 0},
                 {"rmw16", 1},  {"rmw32", 2},  {"notify", 2},  {"wait32", 2},  {"wait64", 3}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(text, parts[i].part))
            return parts[i].align;
    if (strncmp(text, "v128", 4) == 0)
        return 4;
    return strstr(text, "64.") == text + 1 ? 3 : 2;
}

static void alignments_are_the_width_of_the_access(void **state)
{
    (void)state;
    for (unsigned op = 0; op < WAGI_OP_COUNT; op++) {
        if (accesses_memory(&wagi_ops[op]))
            assert_int_equal(wagi_ops[op].align_log2, natural_alignment(wagi_ops[op].text));
        else
            assert_int_equal(wagi_ops[op].align_log2, 0);
    }
}

/* WAGI_OP_<name> is the text with '_' for '.', apart from C's keywords and the forms that share one text. */
static void names_follow_the_text(void **state)
{
    (void)state;
    static const char *const names[WAGI_OP_COUNT] = {
#define OP(name, text, prefix, code, imm, signature, align, feature, effects) #name,
#include "binary/op.def"
#undef OP
    };
    unsigned different = 0;
    for (unsigned op = 0; op < WAGI_OP_COUNT; op++) {
        char name[64];
        snprintf(name, sizeof name, "%s", wagi_ops[op].text);
        for (char *c = name; *c; c++)
            *c = *c == '.' ? '_' : *c;
        if (strcmp(name, names[op]) == 0)
            continue;
        assert_int_equal(strncmp(name, names[op], strlen(name)), 0);
        different++;
    }
    assert_int_equal(different, 6); /* if_ else_ return_ select_t ref_test_null ref_cast_null */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_found_by_its_code),
        cmocka_unit_test(every_code_that_is_found_has_that_row),
        cmocka_unit_test(rows_are_in_the_order_of_their_codes),
        cmocka_unit_test(each_prefix_has_as_many_rows_as_the_specification),
        cmocka_unit_test(signatures_parse),
        cmocka_unit_test(a_signature_begins_with_the_type_in_its_name),
        cmocka_unit_test(effects_agree_with_what_the_name_says),
        cmocka_unit_test(exactly_the_constant_instructions_are_marked),
        cmocka_unit_test(alignments_are_the_width_of_the_access),
        cmocka_unit_test(names_follow_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

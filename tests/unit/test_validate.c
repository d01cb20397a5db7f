/* The validator through the decoder: what it accepts and refuses, and the facts about bodies and constant expressions.
 */
#include "tests/support/body.h"

/* --- facts --- */

static void max_height_is_the_highest_stack_without_locals(void **state)
{
    (void)state;
    assert_int_equal(accept(NONE_NONE, BYTES(1, 3, I64, END))->max_height, 0);
    assert_int_equal(accept(NONE_NONE, BYTES(0, 0x41, 1, 0x41, 2, 0x41, 3, 0x6A, 0x6A, 0x1A, END))->max_height, 3);
    /* block [i32]->[i32 i32]: a result more than it was given */
    assert_int_equal(accept(NONE_NONE, BYTES(0, 0x41, 1, 0x02, 4, 0x41, 2, END, 0x1A, 0x1A, END))->max_height, 2);
    assert_int_equal(accept(NONE_NONE, BYTES(0, 0x41, 1, 0x41, 2, 0x10, 1, 0x1A, 0x1A, END))->max_height, 2);
}

static void locals_are_parameters_first(void **state)
{
    (void)state;
    const wagi_func_body *body = accept(BYTES(2, F32, I32, 1, F32), BYTES(2, 2, I64, 1, F64, 0x20, 0, END));
    assert_int_equal(body->param_count, 2);
    assert_int_equal(body->result_count, 1);
    assert_int_equal(body->local_count, 5);
    const wagi_valtype wanted[] = {WAGI_F32, WAGI_I32, WAGI_I64, WAGI_I64, WAGI_F64};
    for (int i = 0; i < 5; i++)
        assert_int_equal(wagi_local_type(body, i), wanted[i]);
    assert_int_equal(*body->code, 0x20);
    assert_ptr_equal(body->end, body->code + 3);
}

static void vectors_are_noticed_wherever_they_are(void **state)
{
    (void)state;
    assert_false(accept(NONE_NONE, BYTES(1, 1, F64, END))->uses_v128);
    assert_true(accept(NONE_NONE, BYTES(1, 1, V128, END))->uses_v128);
    assert_true(accept(BYTES(1, V128, 0), BYTES(0, END))->uses_v128);
    assert_true(accept(BYTES(0, 1, V128), BYTES(0, 0x00, END))->uses_v128);
    assert_true(accept(NONE_NONE, BYTES(0, 0x00, 0x02, V128, 0x00, END, 0x1A, END))->uses_v128);
    assert_true(accept(NONE_NONE, BYTES(0, 0x41, 0, 0xFD, 15, 0x1A, END))->uses_v128);
}

static bool has_feature(wagi_feature feature)
{
    return current->data->features >> feature & 1;
}

static void features_say_where_they_were_first_used(void **state)
{
    (void)state;
    accept(I32_NONE, BYTES(0, 0x20, 0, 0xC0, 0xC0, 0x1A, END));
    assert_true(has_feature(WAGI_FEATURE_SIGN_EXTENSION));
    assert_false(has_feature(WAGI_FEATURE_SIMD));
    assert_false(has_feature(WAGI_FEATURE_THREADS));
    assert_int_equal(current->data->feature_func[WAGI_FEATURE_SIGN_EXTENSION], 0);
    assert_int_equal(current->data->feature_offset[WAGI_FEATURE_SIGN_EXTENSION], body_offset + 3);
    assert_int_equal(current->data->feature_func[WAGI_FEATURE_SIMD], WAGI_NO_INDEX);
    accept(NONE_NONE, BYTES(1, 1, V128, 0xFE, 3, 0, END));
    assert_true(has_feature(WAGI_FEATURE_SIMD) && has_feature(WAGI_FEATURE_THREADS));
    accept(NONE_NONE, BYTES(0, 0x41, 1, 0x02, 2, END, 0x1A, END));
    assert_true(has_feature(WAGI_FEATURE_MULTI_VALUE));
}

/* --- every row with a signature --- */

static void put_const(buffer *to, char letter)
{
    static const uint8_t zeros[16];
    switch (letter) {
    case 'I':
        put(to, BYTES(0x42, 0));
        break;
    case 'f':
        put(to, BYTES(0x43, 0, 0, 0, 0));
        break;
    case 'F':
        put(to, BYTES(0x44));
        put(to, zeros, 8);
        break;
    case 'v':
        put(to, BYTES(0xFD, 12));
        put(to, zeros, 16);
        break;
    default: /* i, and a: the memory has 32-bit addresses */
        put(to, BYTES(0x41, 0));
    }
}

static void put_op(buffer *to, const wagi_op_info *info)
{
    static const uint8_t zeros[16];
    uint8_t code = (uint8_t)info->code;
    if (info->prefix) {
        put(to, &info->prefix, 1);
        put_u32(to, info->code);
    } else {
        put(to, &code, 1);
    }
    switch ((wagi_imm)info->imm) {
    case WAGI_IMM_MEMARG:
    case WAGI_IMM_MEMARG_LANE:
        put(to, &info->align_log2, 1);
        put(to, zeros, info->imm == WAGI_IMM_MEMARG ? 1 : 2);
        break;
    case WAGI_IMM_MEMORY:
    case WAGI_IMM_LANE:
    case WAGI_IMM_FENCE:
    case WAGI_IMM_I32:
    case WAGI_IMM_I64:
        put(to, zeros, 1);
        break;
    case WAGI_IMM_F32:
        put(to, zeros, 4);
        break;
    case WAGI_IMM_F64:
        put(to, zeros, 8);
        break;
    case WAGI_IMM_V128:
    case WAGI_IMM_SHUFFLE:
        put(to, zeros, 16);
        break;
    default:
        break;
    }
}

/* Operands as the signature says, but operand `wrong` of another type; the function returns `result`. */
static wag_err decode_op(const wagi_op_info *info, size_t wrong, char result)
{
    static buffer body;
    body.size = 0;
    put(&body, BYTES(0));
    const char *letter = info->signature;
    for (size_t i = 0; letter[i] != ':'; i++)
        put_const(&body, i != wrong ? letter[i] : letter[i] == 'f' ? 'F' : 'f');
    put_op(&body, info);
    put(&body, BYTES(END));
    uint8_t signature[] = {0, result != 0, 0};
    signature[2] = result == 'I' ? I64 : result == 'f' ? F32 : result == 'F' ? F64 : result == 'v' ? V128 : I32;
    return decode_body(signature, result ? 3 : 2, body.bytes, body.size);
}

static void every_signature_is_enforced(void **state)
{
    (void)state;
    for (unsigned op = 0; op < WAGI_OP_COUNT; op++) {
        const wagi_op_info *info = &wagi_ops[op];
        if (!info->signature || info->imm == WAGI_IMM_DATA_MEMORY) /* memory.init needs a segment */
            continue;
        const char *colon = strchr(info->signature, ':');
        size_t operands = (size_t)(colon - info->signature);
        if (decode_op(info, operands, colon[1]) != WAG_OK)
            fail_msg("%s: %s", info->text, wag_error_message(current_error));
        assert_int_equal(current->data->bodies[0].max_height, operands ? operands : colon[1] != 0);
        assert_true(info->feature == WAGI_FEATURE_MVP || has_feature((wagi_feature)info->feature));
        for (size_t wrong = 0; wrong < operands; wrong++)
            if (decode_op(info, wrong, colon[1]) != WAG_INVALID)
                fail_msg("%s takes a wrong operand %zu", info->text, wrong);
        if (decode_op(info, operands, colon[1] == 'f' ? 'F' : 'f') != WAG_INVALID)
            fail_msg("%s gives a wrong result", info->text);
    }
}

/* --- refusals; offsets count from the local declarations --- */

static void mismatches_say_what_was_wanted_and_what_was_found(void **state)
{
    (void)state;
    refuse(WAG_INVALID, 7, "type mismatch: i32.add wants i32, found f64 in function 0", I32_NONE,
           BYTES(1, 1, F64, 0x20, 0, 0x20, 1, 0x6A, 0x1A, END));
    assert_string_equal(wag_error_wanted(current_error), "i32");
    assert_string_equal(wag_error_given(current_error), "f64");
    refuse(WAG_INVALID, 1, "type mismatch: i32.eqz wants i32, found nothing", NONE_NONE, BYTES(0, 0x45, 0x1A, END));
    refuse(WAG_INVALID, 1, "type mismatch: end wants i32, found nothing", NONE_I32, BYTES(0, END));
    refuse(WAG_INVALID, 5, "type mismatch: 2 values too many at end", NONE_NONE, BYTES(0, 0x41, 0, 0x41, 0, END));
    refuse(WAG_INVALID, 3, "type mismatch: ref.is_null wants a reference, found i32", NONE_NONE,
           BYTES(0, 0x41, 0, 0xD1, 0x1A, END));
    refuse(WAG_INVALID, 1, "type mismatch: drop wants a value, found nothing", NONE_NONE, BYTES(0, 0x1A, END));
    refuse(WAG_INVALID, 5, "type mismatch: drop wants a value, found nothing", NONE_NONE,
           BYTES(0, 0x41, 0, 0x02, 0x40, 0x1A, END, 0x1A, END));
    refuse(WAG_INVALID, 7, "wants numbers or vectors", NONE_NONE,
           BYTES(0, 0xD0, 0x70, 0xD0, 0x70, 0x41, 0, 0x1B, 0x1A, END));
}

static void unknown_indices_are_named(void **state)
{
    (void)state;
    refuse(WAG_INVALID, 1, "unknown local 0", NONE_NONE, BYTES(0, 0x20, 0, 0x1A, END));
    refuse(WAG_INVALID, 1, "unknown label 1", NONE_NONE, BYTES(0, 0x0C, 1, END));
    refuse(WAG_INVALID, 1, "unknown function 2", NONE_NONE, BYTES(0, 0x10, 2, END));
    refuse(WAG_INVALID, 1, "unknown global 1", NONE_NONE, BYTES(0, 0x23, 1, 0x1A, END));
    refuse(WAG_INVALID, 1, "unknown tag 1", NONE_NONE, BYTES(0, 0x08, 1, END));
    refuse(WAG_INVALID, 3, "unknown memory 1", NONE_NONE, BYTES(0, 0x41, 0, 0x28, 0x42, 1, 0, 0x1A, END));
    refuse(WAG_INVALID, 3, "unknown table 1", NONE_NONE, BYTES(0, 0x41, 0, 0x25, 1, 0x1A, END));
    refuse(WAG_INVALID, 1, "unknown elem segment 0", NONE_NONE, BYTES(0, 0xFC, 13, 0, END));
    refuse(WAG_INVALID, 3, "unknown field 2", NONE_NONE, BYTES(0, 0xD0, 5, 0xFB, 2, 5, 2, 0x1A, END));
    refuse(WAG_INVALID, 1, "undeclared function reference 1", NONE_NONE, BYTES(0, 0xD2, 1, 0x1A, END));
}

static void bad_binaries_are_malformed(void **state)
{
    (void)state;
    refuse(WAG_MALFORMED, 1, "illegal opcode 0xff", NONE_NONE, BYTES(0, 0xFF, END));
    refuse(WAG_MALFORMED, 1, "illegal opcode 0xfc 0x12", NONE_NONE, BYTES(0, 0xFC, 0x12, END));
    refuse(WAG_MALFORMED, 2, "END opcode expected", NONE_NONE, BYTES(0, 0x01));
    refuse(WAG_MALFORMED, 2, "section size mismatch", NONE_NONE, BYTES(0, END, 0x01));
    refuse(WAG_MALFORMED, 1, "else without if", NONE_NONE, BYTES(0, 0x05, END));
    refuse(WAG_MALFORMED, 4, "malformed memop flags", NONE_NONE, BYTES(0, 0x41, 0, 0x28, 0x80, 1, 0, 0x1A, END));
    refuse(WAG_MALFORMED, 3, "zero byte expected", NONE_NONE, BYTES(0, 0xFE, 3, 1, END));
    refuse(WAG_MALFORMED, 1, "data count section required", NONE_NONE, BYTES(0, 0xFC, 9, 0, END));
    refuse(WAG_MALFORMED, 4, "malformed catch clause", NONE_NONE, BYTES(0, 0x1F, 0x40, 1, 4, 0, END, END));
}

/* The sum is 2^32; one local fewer is only too many for Waggle. */
static void too_many_locals_are_malformed_from_two_to_the_32(void **state)
{
    (void)state;
    refuse(WAG_MALFORMED, 7, "too many locals", NONE_NONE, BYTES(2, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, I32, 1, I32, END));
    refuse(WAG_LIMIT, 0, "locals", NONE_NONE, BYTES(2, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F, I32, 1, I32, END));
}

static void alignment_is_at_most_natural_and_of_atomics_exactly(void **state)
{
    (void)state;
    accept(NONE_NONE, BYTES(0, 0x41, 0, 0x28, 2, 0, 0x1A, END));
    refuse(WAG_INVALID, 3, "alignment must not be larger than natural", NONE_NONE,
           BYTES(0, 0x41, 0, 0x28, 3, 0, 0x1A, END));
    accept(NONE_NONE, BYTES(0, 0x41, 0, 0xFE, 0x10, 2, 0, 0x1A, END));
    refuse(WAG_INVALID, 3, "must be natural", NONE_NONE, BYTES(0, 0x41, 0, 0xFE, 0x10, 1, 0, 0x1A, END));
    refuse(WAG_INVALID, 3, "offset out of range", NONE_NONE,
           BYTES(0, 0x41, 0, 0x28, 2, 0x80, 0x80, 0x80, 0x80, 0x10, 0x1A, END));
}

static void lanes_are_below_the_number_of_lanes(void **state)
{
    (void)state;
    accept(NONE_NONE, BYTES(0, 0x00, 0xFD, 27, 3, 0x1A, END));
    refuse(WAG_INVALID, 2, "invalid lane index 4", NONE_NONE, BYTES(0, 0x00, 0xFD, 27, 4, 0x1A, END));
    accept(NONE_NONE, BYTES(0, 0x00, 0xFD, 21, 15, 0x1A, END));
    refuse(WAG_INVALID, 2, "invalid lane index 16", NONE_NONE, BYTES(0, 0x00, 0xFD, 21, 16, 0x1A, END));
    accept(NONE_NONE, BYTES(0, 0x00, 0xFD, 85, 1, 0, 7, 0x1A, END));
    refuse(WAG_INVALID, 2, "invalid lane index 8", NONE_NONE, BYTES(0, 0x00, 0xFD, 85, 1, 0, 8, 0x1A, END));
}

/* (local (ref 6)): set inside a block is forgotten behind it. */
static void a_local_without_default_is_set_before_it_is_read(void **state)
{
    (void)state;
#define NEW_ARRAY 0x41, 0, 0xFB, 7, 6
    accept(NONE_NONE, BYTES(1, 1, 0x64, 6, NEW_ARRAY, 0x21, 0, 0x20, 0, 0x1A, END));
    refuse(WAG_INVALID, 4, "uninitialized local 0", NONE_NONE, BYTES(1, 1, 0x64, 6, 0x20, 0, 0x1A, END));
    refuse(WAG_INVALID, 14, "uninitialized local 0", NONE_NONE,
           BYTES(1, 1, 0x64, 6, 0x02, 0x40, NEW_ARRAY, 0x21, 0, END, 0x20, 0, 0x1A, END));
    accept(NONE_NONE,
           BYTES(1, 1, 0x64, 6, NEW_ARRAY, 0x22, 0, 0x1A, 0x02, 0x40, 0x20, 0, 0x1A, END, 0x20, 0, 0x1A, END));
    refuse(WAG_INVALID, 16, "uninitialized local 0", NONE_NONE,
           BYTES(1, 1, 0x64, 6, 0x41, 1, 0x04, 0x40, NEW_ARRAY, 0x21, 0, 0x05, 0x20, 0, 0x1A, END, END));
}

static void packed_fields_are_read_with_a_sign_and_others_without(void **state)
{
    (void)state;
    accept(NONE_NONE, BYTES(0, 0xD0, 5, 0xFB, 4, 5, 1, 0x1A, END));
    refuse(WAG_INVALID, 3, "a field that is not packed", NONE_NONE, BYTES(0, 0xD0, 5, 0xFB, 2, 5, 1, 0x1A, END));
    refuse(WAG_INVALID, 3, "a packed field", NONE_NONE, BYTES(0, 0xD0, 5, 0xFB, 3, 5, 0, 0x1A, END));
    refuse(WAG_INVALID, 5, "immutable field", NONE_NONE, BYTES(0, 0xD0, 5, 0x41, 0, 0xFB, 5, 5, 1, END));
}

/* --- limits, at n and at n + 1 --- */

static void limits_are_exact(void **state)
{
    (void)state;
    limits.locals = 4;
    accept(I32_NONE, BYTES(2, 2, I64, 1, F32, END));
    refuse(WAG_LIMIT, 0, "locals", I32_NONE, BYTES(2, 2, I64, 2, F32, END));
    limits.operands = 3;
    accept(NONE_NONE, BYTES(0, 0x41, 0, 0x41, 0, 0x41, 0, 0x1A, 0x1A, 0x1A, END));
    refuse(WAG_LIMIT, 7, "operand stack", NONE_NONE,
           BYTES(0, 0x41, 0, 0x41, 0, 0x41, 0, 0x41, 0, 0x1A, 0x1A, 0x1A, 0x1A, END));
    limits.array_new_fixed = 2;
    accept(NONE_NONE, BYTES(0, 0x41, 0, 0x41, 0, 0xFB, 8, 6, 2, 0x1A, END));
    refuse(WAG_LIMIT, 7, "array.new_fixed", NONE_NONE, BYTES(0, 0x41, 0, 0x41, 0, 0x41, 0, 0xFB, 8, 6, 3, 0x1A, END));
}

/* --- constant expressions --- */

/* A module of one immutable imported i32 global, one mutable one, and one of its own that the expression makes. */
static wag_err decode_const(const uint8_t *type, size_t type_size, const uint8_t *expr, size_t expr_size)
{
    static buffer section;
    module_bytes.size = section.size = 0;
    put(&module_bytes, "\0asm\1\0\0\0", 8);
    put_section(&module_bytes, 1, BYTES(2, 0x60, 0, 0, 0x5E, I32, 1));
    put_section(&module_bytes, 2, BYTES(2, 1, 'm', 1, 'i', 3, I32, 0, 1, 'm', 1, 'j', 3, I32, 1));
    put_section(&module_bytes, 3, BYTES(1, 0));
    put(&section, BYTES(1));
    put(&section, type, type_size);
    put(&section, BYTES(0));
    put(&section, expr, expr_size);
    put_section(&module_bytes, 6, section.bytes, section.size);
    put_section(&module_bytes, 10, BYTES(1, 2, 0, END));
    return decode(module_bytes.bytes, module_bytes.size);
}

static const wagi_const_expr *accept_const(const uint8_t *type, size_t type_size, const uint8_t *expr, size_t expr_size)
{
    if (decode_const(type, type_size, expr, expr_size) != WAG_OK)
        fail_msg("refused: %s", wag_error_message(current_error));
    return &current->data->globals[2].init;
}

static void one_instruction_becomes_data(void **state)
{
    (void)state;
    const wagi_const_expr *expr = accept_const(BYTES(I32), BYTES(0x41, 0x7F, END));
    assert_int_equal(expr->kind, WAGI_CONST_NUMBER);
    assert_int_equal(expr->type, WAGI_I32);
    assert_true(expr->bits[0] == UINT32_MAX);
    expr = accept_const(BYTES(I64), BYTES(0x42, 0x7F, END));
    assert_true(expr->kind == WAGI_CONST_NUMBER && expr->bits[0] == UINT64_MAX);
    expr = accept_const(BYTES(F32), BYTES(0x43, 1, 2, 3, 4, END));
    assert_true(expr->kind == WAGI_CONST_NUMBER && expr->bits[0] == 0x04030201);
    expr = accept_const(BYTES(V128), BYTES(0xFD, 12, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, END));
    assert_true(expr->bits[0] == UINT64_C(0x0706050403020100) && expr->bits[1] == UINT64_C(0x0F0E0D0C0B0A0908));
    expr = accept_const(BYTES(0x70), BYTES(0xD0, 0x73, END));
    assert_int_equal(expr->kind, WAGI_CONST_REF_NULL);
    assert_int_equal(expr->type, WAGI_REF_ABSTRACT(true, WAGI_HEAP_NOFUNC));
    expr = accept_const(BYTES(0x70), BYTES(0xD2, 0, END));
    assert_true(expr->kind == WAGI_CONST_REF_FUNC && expr->index == 0);
    assert_true(wagi_is_concrete(expr->type) && !wagi_is_nullable(expr->type));
    expr = accept_const(BYTES(I32), BYTES(0x23, 0, END));
    assert_true(expr->kind == WAGI_CONST_GLOBAL_GET && expr->index == 0);
}

static void more_instructions_become_a_body(void **state)
{
    (void)state;
    const wagi_const_expr *expr = accept_const(BYTES(I32), BYTES(0x23, 0, 0x41, 2, 0x6C, END));
    assert_int_equal(expr->kind, WAGI_CONST_EXPR);
    const wagi_func_body *body = expr->body;
    assert_int_equal(*body->code, 0x23);
    assert_ptr_equal(body->end, body->code + 6);
    assert_int_equal(body->max_height, 2);
    assert_int_equal(body->result_count, 1);
    assert_int_equal(body->param_count + body->local_count + body->side_count, 0);
    assert_true(has_feature(WAGI_FEATURE_EXTENDED_CONST));
    expr = accept_const(BYTES(0x6E), BYTES(0x41, 1, 0x41, 2, 0xFB, 8, 1, 2, END));
    assert_int_equal(expr->kind, WAGI_CONST_EXPR);
    assert_true(has_feature(WAGI_FEATURE_GC));
}

static void what_is_not_constant_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[8];
        size_t size;
        wag_err err;
        const char *text;
    } cases[] = {
        {{0x23, 1, END}, 3, WAG_INVALID, "constant expression required: global 1 is mutable"},
        {{0x23, 2, END}, 3, WAG_INVALID, "unknown global 2"},
        {{0x41, 1, 0x45, END}, 4, WAG_INVALID, "constant expression required: i32.eqz"},
        {{0x42, 1, END}, 3, WAG_INVALID, "type mismatch: end wants i32, found i64"},
        {{0x41, 1, 0x41, 1, END}, 5, WAG_INVALID, "1 value too many"},
        {{END}, 1, WAG_INVALID, "type mismatch: end wants i32, found nothing"},
        {{0xFF, END}, 2, WAG_MALFORMED, "illegal opcode 0xff"},
        {{0x41, 1}, 2, WAG_MALFORMED, "END opcode expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(decode_const(BYTES(I32), cases[i].bytes, cases[i].size), cases[i].err);
        if (!strstr(wag_error_message(current_error), cases[i].text))
            fail_msg("wanted %s, got %s", cases[i].text, wag_error_message(current_error));
    }
}

/* --- hostile input --- */

/* A body that has a bit of everything. */
static const uint8_t rich_body[] = {
    2,    2,    I64,  1,    0x64, 6,    0x41, 3,    0xFB, 7,    6,    0x21, 3,    0x02, I32,  0x03, 0x40, 0x20,
    0,    0x0D, 0,    0x20, 0,    0x41, 1,    0x0E, 1,    1,    1,    END,  0x00, END,  0x1A, 0x02, I32,  0x1F,
    0x40, 1,    0,    0,    0,    0x20, 0,    0x08, 0,    END,  0x41, 0xFF, 0,    END,  0x04, I32,  0x42, 5,
    0x21, 1,    0x20, 0,    0x28, 2,    4,    0x05, 0x20, 3,    0xFB, 15,   END,  0x10, 1,    0x44, 0,    0,
    0,    0,    0,    0,    0,    0,    0xAB, 0x20, 0,    0x1B, 0xFD, 17,   0xFD, 27,   1,    END};

static void a_body_cut_short_is_malformed_wherever_it_is_cut(void **state)
{
    (void)state;
    accept(I32_I32, rich_body, sizeof rich_body);
    for (size_t size = 0; size < sizeof rich_body; size++)
        assert_int_equal(decode_body(I32_I32, rich_body, size), WAG_MALFORMED);
}

/* Whatever a changed body means, it is refused in order or its side table is right. */
static void changed_bodies_are_refused_or_right(void **state)
{
    (void)state;
    uint32_t random = 1;
    unsigned accepted = 0;
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t body[sizeof rich_body];
        memcpy(body, rich_body, sizeof body);
        for (unsigned change = 0; change <= round % 3; change++) {
            random = random * 1664525u + 1013904223u;
            body[(random >> 8) % sizeof body] = (uint8_t)(random >> 24);
        }
        wag_err err = decode_body(I32_I32, body, sizeof body);
        assert_true(err == WAG_OK || err == WAG_INVALID || err == WAG_MALFORMED || err == WAG_LIMIT);
        if (err != WAG_OK)
            continue;
        accepted++;
        const char *complaint = walk_module(current->data);
        if (complaint)
            fail_msg("round %u: %s", round, complaint);
    }
    assert_in_range(accepted, 100, 19900); /* otherwise this test tests nothing */
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    put_module(&module_bytes, I32_I32, rich_body, sizeof rich_body);
    wag_err err = WAG_NOMEM;
    unsigned successes = 0;
    for (; err != WAG_OK && successes < 1000; successes++) {
        forget();
        wagi_alloc_fail_after(successes);
        err = decode(module_bytes.bytes, module_bytes.size);
        wagi_alloc_fail_after(UINT64_MAX);
        assert_true(err == WAG_OK || err == WAG_NOMEM);
    }
    assert_in_range(successes, 10, 999);
}

/* Deep nesting is a matter of memory, not of stack. */
static void blocks_nest_a_million_deep(void **state)
{
    (void)state;
    enum { DEPTH = 1000000 };
    size_t size = 1 + 3 * (size_t)DEPTH + 1;
    uint8_t *body = malloc(size);
    assert_non_null(body);
    body[0] = 0;
    for (size_t i = 0; i < DEPTH; i++) {
        body[1 + 2 * i] = i % 2 ? 0x02 : 0x03;
        body[2 + 2 * i] = 0x40;
    }
    memset(body + 1 + 2 * (size_t)DEPTH, END, DEPTH + 1);
    put_module(&module_bytes, NONE_NONE, BYTES(0, END));
    assert_int_equal(decode(module_bytes.bytes, module_bytes.size), WAG_OK);
    uint64_t features = 0;
    uint32_t feature_func[WAGI_FEATURE_COUNT];
    size_t feature_offset[WAGI_FEATURE_COUNT];
    wagi_arena arena;
    wagi_arena_init(&arena);
    wagi_module_data data = *current->data;
    data.bytes = (wag_bytes){body, size};
    wagi_validate_context context = {.data = &data,
                                     .registry = registry,
                                     .limits = &limits,
                                     .arena = &arena,
                                     .features = &features,
                                     .feature_func = feature_func,
                                     .feature_offset = feature_offset};
    wagi_validator *validator = wagi_validator_new(&context);
    assert_non_null(validator);
    wagi_func_body result;
    assert_int_equal(wagi_validate_body(validator, 0, body, body + size, &result, NULL), WAG_OK);
    assert_int_equal(result.max_height, 0);
    assert_int_equal(wagi_validate_body(validator, 0, body, body + size - 1, &result, NULL), WAG_MALFORMED);
    wagi_validator_free(validator);
    wagi_arena_fini(&arena);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BODY_TEST(max_height_is_the_highest_stack_without_locals),
        BODY_TEST(locals_are_parameters_first),
        BODY_TEST(vectors_are_noticed_wherever_they_are),
        BODY_TEST(features_say_where_they_were_first_used),
        BODY_TEST(every_signature_is_enforced),
        BODY_TEST(mismatches_say_what_was_wanted_and_what_was_found),
        BODY_TEST(unknown_indices_are_named),
        BODY_TEST(bad_binaries_are_malformed),
        BODY_TEST(too_many_locals_are_malformed_from_two_to_the_32),
        BODY_TEST(alignment_is_at_most_natural_and_of_atomics_exactly),
        BODY_TEST(lanes_are_below_the_number_of_lanes),
        BODY_TEST(a_local_without_default_is_set_before_it_is_read),
        BODY_TEST(packed_fields_are_read_with_a_sign_and_others_without),
        BODY_TEST(limits_are_exact),
        BODY_TEST(one_instruction_becomes_data),
        BODY_TEST(more_instructions_become_a_body),
        BODY_TEST(what_is_not_constant_is_refused),
        BODY_TEST(a_body_cut_short_is_malformed_wherever_it_is_cut),
        BODY_TEST(changed_bodies_are_refused_or_right),
        BODY_TEST(every_allocation_may_fail),
        BODY_TEST(blocks_nest_a_million_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

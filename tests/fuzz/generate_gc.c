/* What works on structs, arrays and i31, in the generator's function bodies.
 *
 * On the operand stack there is one kind of such references, anyref. Before an access it is cast, mostly inside of an
 * if that has tested it. */
#include "tests/fuzz/generate_body.h"

/* Fields as kinds; b and s are packed integers. The types of a struct's fields begin with those of the one before. */
static const char *const struct_fields[STRUCTS] = {"iIFabs", "iIFabsfa", "iIFabsfai"};
static const char array_elements[] = "ibaF";

enum { NONE = 0x71, I31 = 0x6C, EQ = 0x6D, STRUCT = 0x6B, ARRAY = 0x6A };

static unsigned storage(char field)
{
    return field == 'b' ? 0x78u : field == 's' ? 0x77u : gen_valtype(field);
}

static char value_kind(char field)
{
    return field == 'b' || field == 's' ? 'i' : field;
}

void gen_gc_types(maker *m)
{
    build_u8(m->b, 0x4E);
    build_leb(m->b, STRUCTS + ARRAYS);
    for (unsigned i = 0; i < STRUCTS; i++) {
        build_u8(m->b, i + 1 < STRUCTS ? 0x50 : 0x4F); /* the last one is final */
        build_leb(m->b, i > 0);
        if (i)
            build_leb(m->b, STRUCT_TYPES + i - 1);
        build_u8(m->b, 0x5F);
        build_leb(m->b, strlen(struct_fields[i]));
        for (const char *field = struct_fields[i]; *field; field++) {
            build_u8(m->b, storage(*field));
            build_u8(m->b, 1);
        }
    }
    for (unsigned i = 0; i < ARRAYS; i++) {
        build_u8(m->b, 0x5E);
        build_u8(m->b, storage(array_elements[i]));
        build_u8(m->b, 1);
    }
}

static void take_one(maker *m, char kind)
{
    kinds one = {1, {kind}};
    gen_take(m, &one);
}

/* A value that the code at hand uses up at once. */
static void operand(maker *m, char kind)
{
    gen_make(m, kind);
    m->height--;
}

static unsigned scratch(const maker *m)
{
    return m->local_count + m->counters + 2 + m->vectors;
}

/* ---- making ---- */

static void make_struct(maker *m)
{
    unsigned i = gen_choose(m, STRUCTS);
    if (gen_once_in(m, 4)) {
        gen_put_op_u(m, WAGI_OP_struct_new_default, STRUCT_TYPES + i);
    } else {
        kinds fields = {0, {0}};
        for (const char *field = struct_fields[i]; *field; field++)
            fields.at[fields.count++] = value_kind(*field);
        gen_take(m, &fields);
        gen_put_op_u(m, WAGI_OP_struct_new, STRUCT_TYPES + i);
    }
    gen_push(m, 'a');
}

static void make_array(maker *m)
{
    unsigned i = gen_choose(m, ARRAYS), how = gen_choose(m, 5), count = gen_choose(m, how == 4 ? 20 : 6);
    char kind = value_kind(array_elements[i]);
    if (how == 0) {
        gen_put_i32(m, (int32_t)count);
        gen_put_op_u(m, WAGI_OP_array_new_default, ARRAY_TYPES + i);
    } else if (how == 1) {
        take_one(m, kind);
        gen_put_i32(m, (int32_t)count);
        gen_put_op_u(m, WAGI_OP_array_new, ARRAY_TYPES + i);
    } else if (how == 2) { /* a length that the compiler does not know */
        take_one(m, 'i');
        gen_put_i32(m, 31);
        gen_put_op(m, WAGI_OP_i32_and);
        gen_put_op_u(m, WAGI_OP_array_new_default, ARRAY_TYPES + i);
    } else {
        for (unsigned k = 0; k < count; k++)
            operand(m, kind);
        gen_put_op_u(m, WAGI_OP_array_new_fixed, ARRAY_TYPES + i);
        build_leb(m->b, count);
    }
    gen_push(m, 'a');
}

/* ---- using ---- */

static unsigned some_heap(maker *m)
{
    static const unsigned heaps[] = {NONE, I31, EQ, STRUCT, ARRAY};
    unsigned pick = gen_choose(m, STRUCTS + ARRAYS + 5);
    return pick < STRUCTS + ARRAYS ? STRUCT_TYPES + pick : heaps[pick - STRUCTS - ARRAYS];
}

/* The topmost anyref, cast to a type, when it is of that type; the code that follows ends with end_guard. result: of
 * the if, 0 for none. */
static void begin_guard(maker *m, unsigned heap, char result)
{
    take_one(m, 'a');
    gen_put_op_u(m, WAGI_OP_local_tee, scratch(m));
    gen_put_op_u(m, WAGI_OP_ref_test, heap);
    gen_put_op(m, WAGI_OP_if_);
    build_u8(m->b, result ? gen_valtype(result) : 0x40);
    gen_put_op_u(m, WAGI_OP_local_get, scratch(m));
    gen_put_op_u(m, gen_choose(m, 2) ? WAGI_OP_ref_cast : WAGI_OP_ref_cast_null, heap);
}

static void end_guard(maker *m, char result)
{
    if (result) {
        gen_put_op(m, WAGI_OP_else_);
        gen_make(m, result);
    }
    gen_put_op(m, WAGI_OP_end);
}

static wagi_op get_op(maker *m, char field, wagi_op plain)
{
    return field == 'b' || field == 's' ? plain + 1 + gen_choose(m, 2) : plain;
}

static void use_struct(maker *m)
{
    unsigned i = gen_choose(m, STRUCTS), f = gen_choose(m, (unsigned)strlen(struct_fields[i]));
    char field = struct_fields[i][f], kind = value_kind(field);
    bool is_get = gen_choose(m, 2);
    begin_guard(m, STRUCT_TYPES + i, is_get ? kind : 0);
    if (!is_get)
        operand(m, kind);
    gen_put_op_u(m, is_get ? get_op(m, field, WAGI_OP_struct_get) : WAGI_OP_struct_set, STRUCT_TYPES + i);
    build_leb(m->b, f);
    end_guard(m, is_get ? kind : 0);
}

static void index_operand(maker *m)
{
    if (gen_choose(m, 3)) {
        gen_put_i32(m, (int32_t)gen_choose(m, 4));
    } else {
        operand(m, 'i');
        gen_put_i32(m, 7);
        gen_put_op(m, WAGI_OP_i32_and);
    }
}

static void use_array(maker *m)
{
    unsigned i = gen_choose(m, ARRAYS), how = gen_choose(m, 8);
    char element = array_elements[i], kind = value_kind(element);
    char result = how < 3 ? kind : how < 5 ? 0 : how == 5 ? 'i' : 0;
    begin_guard(m, ARRAY_TYPES + i, result);
    if (how == 5) {
        gen_put_op(m, WAGI_OP_array_len);
    } else if (how < 3) {
        index_operand(m);
        gen_put_op_u(m, get_op(m, element, WAGI_OP_array_get), ARRAY_TYPES + i);
    } else if (how < 5) {
        index_operand(m);
        operand(m, kind);
        gen_put_op_u(m, WAGI_OP_array_set, ARRAY_TYPES + i);
    } else if (how == 6) {
        index_operand(m);
        operand(m, kind);
        index_operand(m);
        gen_put_op_u(m, WAGI_OP_array_fill, ARRAY_TYPES + i);
    } else {
        index_operand(m);
        gen_put_op_u(m, WAGI_OP_local_get, scratch(m));
        gen_put_op_u(m, WAGI_OP_ref_cast, ARRAY_TYPES + i);
        index_operand(m);
        index_operand(m);
        gen_put_op_u(m, WAGI_OP_array_copy, ARRAY_TYPES + i);
        build_leb(m->b, ARRAY_TYPES + i);
    }
    end_guard(m, result);
}

static void use_number(maker *m)
{
    begin_guard(m, I31, 'i');
    gen_put_op(m, gen_choose(m, 2) ? WAGI_OP_i31_get_s : WAGI_OP_i31_get_u);
    end_guard(m, 'i');
}

/* A block that a branch on a cast leaves with the reference. */
static void branch_on_cast(maker *m)
{
    unsigned heap = some_heap(m), flags = gen_choose(m, 2) ? 3 : 1;
    bool on_failure = gen_choose(m, 2);
    gen_put_op(m, WAGI_OP_block);
    build_u8(m->b, 0x6E);
    operand(m, 'a');
    gen_put_op(m, on_failure ? WAGI_OP_br_on_cast_fail : WAGI_OP_br_on_cast);
    build_u8(m->b, flags);
    build_leb(m->b, 0);
    build_u8(m->b, 0x6E);
    build_leb(m->b, heap);
    gen_put_op(m, WAGI_OP_drop);
    operand(m, 'a');
    gen_put_op(m, WAGI_OP_end);
    gen_push(m, 'a');
}

static void compare(maker *m)
{
    begin_guard(m, EQ, 'i');
    operand(m, 'a');
    gen_put_op_u(m, WAGI_OP_ref_cast_null, gen_choose(m, 2) ? EQ : some_heap(m));
    gen_put_op(m, WAGI_OP_ref_eq);
    end_guard(m, 'i');
}

static void test_or_cast(maker *m)
{
    bool test = gen_choose(m, 8), null = gen_choose(m, 2);
    take_one(m, 'a');
    gen_put_op_u(m,
                 test   ? null ? WAGI_OP_ref_test_null : WAGI_OP_ref_test
                 : null ? WAGI_OP_ref_cast_null
                        : WAGI_OP_ref_cast,
                 some_heap(m));
    gen_push(m, test ? 'i' : 'a');
}

static void convert(maker *m)
{
    bool outward = gen_choose(m, 2);
    take_one(m, outward ? 'a' : 'x');
    gen_put_op(m, outward ? WAGI_OP_extern_convert_any : WAGI_OP_any_convert_extern);
    gen_push(m, outward ? 'x' : 'a');
}

void gen_gc(maker *m)
{
    static void (*const all[])(maker *) = {make_struct,    make_struct, make_array,   use_struct,
                                           use_struct,     use_array,   use_array,    use_number,
                                           branch_on_cast, compare,     test_or_cast, convert};
    all[gen_choose(m, sizeof all / sizeof *all)](m);
}

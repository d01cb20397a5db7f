/* The builder's ops on structs, arrays, i31 and casts.
 *
 * What is a load or a store becomes one, behind checks of its own (NULL_CHECK, BOUNDS) that are left out where it is
 * known that they pass: a fact about a vreg holds on the straight path that it was found on (builder.epoch), or always,
 * when the vreg's type says so. Small objects are allocated in place (NEW) and then filled; what is rare goes to a
 * helper, whose first operand is the type. */
#include "binary/fuel.h"
#include "binary/validate.h"
#include "compiler/build.h"
#include "compiler/build_entry.h"
#include "runtime/heap.h"

enum {
    MAX_FIELDS = 64,   /* more are stored by a helper */
    MAX_ELEMENTS = 16, /* the same for arrays */
};
#define ALWAYS UINT32_MAX

/* ---- facts ---- */

static void set_fact(wagi_builder *b, uint32_t vreg, uint32_t epoch)
{
    while (b->not_null.n <= vreg)
        if (!WAGI_VEC_PUSH(&b->not_null, 0))
            return; /* only a check too many */
    b->not_null.p[vreg] = epoch;
}

void wagi_build_note_not_null(wagi_builder *b, uint32_t vreg)
{
    if (vreg != WAGI_NIL)
        set_fact(b, vreg, b->epoch);
}

static bool is_not_null(const wagi_builder *b, const wagi_entry *entry)
{
    if (entry->kind == WAGI_ENTRY_CONST)
        return entry->bits != 0;
    uint32_t fact = entry->vreg < b->not_null.n ? b->not_null.p[entry->vreg] : 0;
    if (fact == b->epoch || fact == ALWAYS)
        return true;
    return entry->vreg < b->ir->local_count && !wagi_is_defaultable(wagi_local_type(b->body, entry->vreg));
}

void wagi_build_copy_note(wagi_builder *b, uint32_t x, const wagi_entry *entry)
{
    uint32_t fact = entry->vreg < b->not_null.n ? b->not_null.p[entry->vreg] : 0; /* a constant has no vreg */
    if (fact == b->epoch || fact == ALWAYS)
        set_fact(b, x, b->epoch);
    else if (x < b->not_null.n)
        b->not_null.p[x] = 0;
}

void wagi_build_note_type(wagi_builder *b, wagi_valtype type)
{
    if (!b->ir->failed && !wagi_is_defaultable(type))
        set_fact(b, wagi_build_top(b)->vreg, ALWAYS);
}

/* The entry's vreg is read now: its definition may not be redirected any more. */
static void keep_definition(wagi_entry *entry)
{
    if (entry->kind == WAGI_ENTRY_TEMP)
        entry->def = WAGI_NIL;
}

void wagi_build_null_check(wagi_builder *b, wagi_entry *entry, wag_err trap)
{
    if (is_not_null(b, entry))
        return;
    wagi_build_materialize(b, entry);
    wagi_ins ins = ins_1(WAGI_IR_NULL_CHECK, WAGI_TY_I64, WAGI_NIL, entry->vreg);
    ins.imm = trap;
    wagi_build_emit(b, ins);
    keep_definition(entry);
    wagi_build_note_not_null(b, entry->vreg);
}

/* ---- places in objects ---- */

/* How a value lies in an object. */
typedef struct place {
    uint8_t access, type;
    bool is_ref;
} place;

static unsigned kind_of(uint32_t layout)
{
    return layout & ((1u << WAGI_LAYOUT_KIND_BITS) - 1);
}

static place place_of(unsigned kind, bool sign_extend)
{
    switch (kind) {
    case WAGI_KIND_I8:
        return (place){sign_extend ? WAGI_ACCESS_S8_32 : WAGI_ACCESS_U8, WAGI_TY_I32, false};
    case WAGI_KIND_I16:
        return (place){sign_extend ? WAGI_ACCESS_S16_32 : WAGI_ACCESS_U16, WAGI_TY_I32, false};
    case WAGI_KIND_I32:
        return (place){WAGI_ACCESS_32, WAGI_TY_I32, false};
    case WAGI_KIND_F32:
        return (place){WAGI_ACCESS_F32, WAGI_TY_F32, false};
    case WAGI_KIND_F64:
        return (place){WAGI_ACCESS_F64, WAGI_TY_F64, false};
    case WAGI_KIND_V128:
        return (place){WAGI_ACCESS_V128, WAGI_TY_V128, false};
    default:
        return (place){WAGI_ACCESS_64, WAGI_TY_I64, kind == WAGI_KIND_REF};
    }
}

/* Push what is at object + (index << scale) + offset; index NONE: without. */
static void get(wagi_builder *b, place p, uint32_t object, uint32_t index, int64_t offset)
{
    wagi_ins ins = ins_2(WAGI_IR_GET, p.type, wagi_ir_new_vreg(b->ir, p.type), object, index);
    ins.sub = p.access;
    ins.imm = offset;
    wagi_build_emit(b, ins);
    wagi_build_push_result(b, p.type, ins.dst);
}

/* is_new: nothing has been there before. */
static void set(wagi_builder *b, place p, uint32_t object, int64_t offset, wagi_entry value, bool is_new)
{
    wagi_ins ins = ins_2(WAGI_IR_SET, p.type, WAGI_NIL, object, WAGI_NIL);
    bool is_int = p.type == WAGI_TY_I32 || p.type == WAGI_TY_I64;
    ins.sub = p.access;
    ins.imm = offset;
    ins.flags = p.is_ref && !is_new ? WAGI_INS_BARRIER : 0;
    if (value.kind == WAGI_ENTRY_CONST && is_int &&
        (p.type == WAGI_TY_I32 || (int64_t)value.bits == (int32_t)value.bits)) {
        ins.flags |= WAGI_INS_IMM;
        ins.imm = (int64_t)((uint64_t)offset | value.bits << 32);
    } else {
        wagi_build_materialize(b, &value);
        ins.b = value.vreg;
    }
    wagi_build_emit(b, ins);
}

static wagi_entry zero(unsigned type)
{
    return (wagi_entry){.kind = WAGI_ENTRY_CONST, .type = (uint8_t)type, .vreg = WAGI_NIL};
}

/* The default value in a place, whatever its type. */
static void set_zero(wagi_builder *b, place p, uint32_t object, int64_t offset)
{
    if (p.type == WAGI_TY_V128) {
        set(b, place_of(WAGI_KIND_I64, false), object, offset, zero(WAGI_TY_I64), true);
        set(b, place_of(WAGI_KIND_I64, false), object, offset + 8, zero(WAGI_TY_I64), true);
        return;
    }
    if (p.type == WAGI_TY_F32)
        p = place_of(WAGI_KIND_I32, false);
    else if (p.type == WAGI_TY_F64)
        p = place_of(WAGI_KIND_I64, false);
    set(b, p, object, offset, zero(p.type), true);
}

/* ---- helpers ---- */

static uint64_t type_bits(const wagi_type *type)
{
    return (uint64_t)(uintptr_t)type;
}

/* A helper whose first operand is a constant, before `count` values of the stack. */
static void helper_first(wagi_builder *b, wagi_helper helper, const uint64_t *constants, uint32_t constant_count,
                         uint32_t count)
{
    wagi_ir *ir = b->ir;
    uint32_t pool = wagi_ir_new_pool(ir, constant_count + count + 1);
    if (ir->failed || count > b->stack.n) {
        ir->failed = true;
        return;
    }
    uint32_t base = (uint32_t)b->stack.n - count;
    for (uint32_t i = 0; i < constant_count; i++)
        ir->pool.p[pool + i] = wagi_ir_new_const(ir, WAGI_TY_I64, constants[i]);
    for (uint32_t i = 0; i < count; i++)
        ir->pool.p[pool + constant_count + i] = wagi_build_pool_entry(b, b->stack.p[base + i]);
    wagi_build_drop_to(b, base);
    count += constant_count;
    wagi_ir_call call = {.kind = WAGI_CALL_HELPER,
                         .target = helper,
                         .args = pool,
                         .arg_count = count,
                         .results = pool + count,
                         .result_count = 1};
    ir->pool.p[pool + count] = wagi_ir_new_vreg(ir, WAGI_TY_I64);
    uint32_t index = wagi_ir_add_call(ir, call);
    if (ir->failed)
        return;
    wagi_build_emit_call(b, WAGI_IR_CALL, index);
    wagi_build_push_vreg(b, WAGI_TY_I64, ir->pool.p[pool + count]);
    set_fact(b, ir->pool.p[pool + count], ALWAYS);
}

/* ---- structs ---- */

/* An object that has nothing but its first word yet. */
static uint32_t new_object(wagi_builder *b, const wagi_type *type, uint32_t size)
{
    wagi_ins ins = ins_1(WAGI_IR_NEW, WAGI_TY_I64, wagi_ir_new_vreg(b->ir, WAGI_TY_I64), WAGI_NIL);
    ins.imm = (int64_t)type_bits(type);
    ins.b = size;
    wagi_build_emit(b, ins);
    return ins.dst;
}

static void push_object(wagi_builder *b, uint32_t object)
{
    wagi_build_push_vreg(b, WAGI_TY_I64, object);
    set_fact(b, object, ALWAYS);
}

static void struct_new(wagi_builder *b, bool is_default)
{
    const wagi_type *type = b->data->types[wagi_read_u32(&b->in)];
    uint32_t count = is_default ? 0 : type->field_count;
    if (type->field_count > MAX_FIELDS || type->size > WAGI_GC_SMALL) {
        helper_first(b, is_default ? WAGI_HELPER_struct_new_default : WAGI_HELPER_struct_new,
                     (uint64_t[]){type_bits(type)}, 1, count);
        return;
    }
    if (count > b->stack.n) {
        b->ir->failed = true;
        return;
    }
    uint32_t object = new_object(b, type, type->size), base = (uint32_t)b->stack.n - count;
    for (uint32_t i = 0; i < type->field_count && !b->ir->failed; i++) {
        place p = place_of(kind_of(type->layout[i]), false);
        int64_t offset = type->layout[i] >> WAGI_LAYOUT_KIND_BITS;
        if (is_default)
            set_zero(b, p, object, offset);
        else
            set(b, p, object, offset, b->stack.p[base + i], true);
    }
    wagi_build_drop_to(b, base);
    push_object(b, object);
}

static void struct_get(wagi_builder *b, bool sign_extend)
{
    const wagi_type *type = b->data->types[wagi_read_u32(&b->in)];
    uint32_t field = wagi_read_u32(&b->in);
    wagi_entry object = wagi_build_pop(b);
    wagi_build_null_check(b, &object, WAG_NULL_STRUCT);
    wagi_build_materialize(b, &object);
    get(b, place_of(kind_of(type->layout[field]), sign_extend), object.vreg, WAGI_NIL,
        type->layout[field] >> WAGI_LAYOUT_KIND_BITS);
    wagi_build_note_type(b, type->fields[field].storage);
}

static void struct_set(wagi_builder *b)
{
    const wagi_type *type = b->data->types[wagi_read_u32(&b->in)];
    uint32_t layout = type->layout[wagi_read_u32(&b->in)];
    wagi_entry value = wagi_build_pop(b), object = wagi_build_pop(b);
    wagi_build_null_check(b, &object, WAG_NULL_STRUCT);
    wagi_build_materialize(b, &object);
    set(b, place_of(kind_of(layout), false), object.vreg, layout >> WAGI_LAYOUT_KIND_BITS, value, false);
}

/* ---- arrays ---- */

static void array_new(wagi_builder *b, bool is_default)
{
    const wagi_type *type = b->data->types[wagi_read_u32(&b->in)];
    const wagi_entry *length = wagi_build_top(b);
    uint32_t count = length && length->kind == WAGI_ENTRY_CONST ? (uint32_t)length->bits : UINT32_MAX;
    uint64_t constants[] = {type_bits(type)};
    /* One that charges for what it writes is the helper's. */
    if (count > MAX_ELEMENTS || (b->data->fuel && (uint64_t)count * type->element_size >= WAGI_FUEL_BYTES)) {
        helper_first(b, is_default ? WAGI_HELPER_array_new_default : WAGI_HELPER_array_new, constants, 1,
                     is_default ? 1 : 2);
        return;
    }
    wagi_build_pop(b);
    wagi_entry value = is_default ? zero(WAGI_TY_I64) : wagi_build_pop(b);
    uint32_t object = new_object(b, type, WAGI_ARRAY_HEADER + count * type->element_size);
    place p = place_of(kind_of(type->layout[0]), false);
    set(b, place_of(WAGI_KIND_I32, false), object, offsetof(wagi_gc_array, length),
        (wagi_entry){.kind = WAGI_ENTRY_CONST, .type = WAGI_TY_I32, .vreg = WAGI_NIL, .bits = count}, true);
    for (uint32_t i = 0; i < count && !b->ir->failed; i++) {
        int64_t offset = WAGI_ARRAY_HEADER + (int64_t)i * type->element_size;
        if (is_default)
            set_zero(b, p, object, offset);
        else
            set(b, p, object, offset, value, true);
    }
    push_object(b, object);
}

static void array_new_fixed(wagi_builder *b)
{
    const wagi_type *type = b->data->types[wagi_read_u32(&b->in)];
    uint32_t count = wagi_read_u32(&b->in);
    uint64_t constants[] = {type_bits(type), count};
    if (count > MAX_ELEMENTS) {
        helper_first(b, WAGI_HELPER_array_new_fixed, constants, 2, count);
        return;
    }
    if (count > b->stack.n) {
        b->ir->failed = true;
        return;
    }
    uint32_t object = new_object(b, type, WAGI_ARRAY_HEADER + count * type->element_size);
    uint32_t base = (uint32_t)b->stack.n - count;
    place p = place_of(kind_of(type->layout[0]), false);
    set(b, place_of(WAGI_KIND_I32, false), object, offsetof(wagi_gc_array, length),
        (wagi_entry){.kind = WAGI_ENTRY_CONST, .type = WAGI_TY_I32, .vreg = WAGI_NIL, .bits = count}, true);
    for (uint32_t i = 0; i < count && !b->ir->failed; i++)
        set(b, p, object, WAGI_ARRAY_HEADER + (int64_t)i * type->element_size, b->stack.p[base + i], true);
    wagi_build_drop_to(b, base);
    push_object(b, object);
}

static void array_new_segment(wagi_builder *b, wagi_helper helper)
{
    const wagi_type *type = b->data->types[wagi_read_u32(&b->in)];
    uint32_t segment = wagi_read_u32(&b->in);
    helper_first(b, helper, (uint64_t[]){type_bits(type), segment}, 2, 2);
}

/* The object and offset of an element behind its checks; *ret_index: a vreg or NONE. */
static void element(wagi_builder *b, const wagi_type *type, wagi_entry *array, wagi_entry *index, uint32_t *ret_index,
                    int64_t *ret_offset)
{
    wagi_build_null_check(b, array, WAG_NULL_ARRAY);
    wagi_build_materialize(b, array);
    wagi_ins bounds = ins_2(WAGI_IR_BOUNDS, WAGI_TY_I32, WAGI_NIL, array->vreg, WAGI_NIL);
    *ret_offset = WAGI_ARRAY_HEADER;
    *ret_index = WAGI_NIL;
    if (index->kind == WAGI_ENTRY_CONST && index->bits < 1u << 24) {
        bounds.flags = WAGI_INS_IMM;
        bounds.imm = (int64_t)index->bits;
        *ret_offset += (int64_t)index->bits * type->element_size;
    } else {
        wagi_build_materialize(b, index);
        bounds.b = *ret_index = index->vreg;
    }
    wagi_build_emit(b, bounds);
}

/* object + (index << scale) + offset in one vreg. */
static uint32_t address(wagi_builder *b, const wagi_type *type, uint32_t object, uint32_t index, int64_t *offset)
{
    uint32_t size = type->element_size;
    if (index == WAGI_NIL)
        return object;
    if (size == 16) { /* more than an address can scale by */
        uint32_t scaled = wagi_ir_new_vreg(b->ir, WAGI_TY_I64);
        wagi_build_emit(b, ins_imm(WAGI_IR_SHL, WAGI_TY_I64, scaled, index, 1));
        index = scaled;
        size = 8;
    }
    wagi_ins lea = ins_2(WAGI_IR_LEA, WAGI_TY_I64, wagi_ir_new_vreg(b->ir, WAGI_TY_I64), object, index);
    lea.sub = (uint8_t)__builtin_ctz(size);
    lea.imm = *offset;
    *offset = 0;
    wagi_build_emit(b, lea);
    return lea.dst;
}

static void array_get(wagi_builder *b, bool sign_extend)
{
    const wagi_type *type = b->data->types[wagi_read_u32(&b->in)];
    wagi_entry index = wagi_build_pop(b), array = wagi_build_pop(b);
    uint32_t at;
    int64_t offset;
    element(b, type, &array, &index, &at, &offset);
    uint32_t object = array.vreg;
    if (type->element_size == 16 && at != WAGI_NIL) {
        object = address(b, type, object, at, &offset);
        at = WAGI_NIL;
    }
    get(b, place_of(kind_of(type->layout[0]), sign_extend), object, at, offset);
    wagi_build_note_type(b, type->fields[0].storage);
}

static void array_set(wagi_builder *b)
{
    const wagi_type *type = b->data->types[wagi_read_u32(&b->in)];
    wagi_entry value = wagi_build_pop(b), index = wagi_build_pop(b), array = wagi_build_pop(b);
    uint32_t at;
    int64_t offset;
    element(b, type, &array, &index, &at, &offset);
    uint32_t object = address(b, type, array.vreg, at, &offset);
    set(b, place_of(kind_of(type->layout[0]), false), object, offset, value, false);
}

static void array_len(wagi_builder *b)
{
    wagi_entry array = wagi_build_pop(b);
    wagi_build_null_check(b, &array, WAG_NULL_ARRAY);
    wagi_build_materialize(b, &array);
    get(b, place_of(WAGI_KIND_I32, false), array.vreg, WAGI_NIL, offsetof(wagi_gc_array, length));
}

static bool build_array(wagi_builder *b, wagi_op op)
{
    uint32_t segment;
    switch (op) {
    case WAGI_OP_array_new:
    case WAGI_OP_array_new_default:
        array_new(b, op == WAGI_OP_array_new_default);
        return true;
    case WAGI_OP_array_new_fixed:
        array_new_fixed(b);
        return true;
    case WAGI_OP_array_new_data:
    case WAGI_OP_array_new_elem:
        array_new_segment(b, op == WAGI_OP_array_new_data ? WAGI_HELPER_array_new_data : WAGI_HELPER_array_new_elem);
        return true;
    case WAGI_OP_array_get:
    case WAGI_OP_array_get_s:
    case WAGI_OP_array_get_u:
        array_get(b, op == WAGI_OP_array_get_s);
        return true;
    case WAGI_OP_array_set:
        array_set(b);
        return true;
    case WAGI_OP_array_len:
        array_len(b);
        return true;
    case WAGI_OP_array_fill:
        wagi_read_u32(&b->in);
        wagi_build_helper(b, WAGI_HELPER_array_fill, 4, NULL, 0, WAGI_TY_COUNT);
        return true;
    case WAGI_OP_array_copy:
        wagi_read_u32(&b->in);
        wagi_read_u32(&b->in);
        wagi_build_helper(b, WAGI_HELPER_array_copy, 5, NULL, 0, WAGI_TY_COUNT);
        return true;
    case WAGI_OP_array_init_data:
    case WAGI_OP_array_init_elem:
        wagi_read_u32(&b->in);
        segment = wagi_read_u32(&b->in);
        wagi_build_helper(b, op == WAGI_OP_array_init_data ? WAGI_HELPER_array_init_data : WAGI_HELPER_array_init_elem,
                          4, (uint64_t[]){segment}, 1, WAGI_TY_COUNT);
        return true;
    default:
        return false;
    }
}

/* ---- i31 ---- */

static void ref_i31(wagi_builder *b)
{
    wagi_entry value = wagi_build_pop(b);
    if (value.kind == WAGI_ENTRY_CONST) {
        wagi_build_push_const(b, WAGI_TY_I64, wagi_i31_of((uint32_t)value.bits));
        return;
    }
    wagi_ins lea = ins_2(WAGI_IR_LEA, WAGI_TY_I32, wagi_ir_new_vreg(b->ir, WAGI_TY_I64), value.vreg, value.vreg);
    lea.imm = 1;
    wagi_build_emit(b, lea);
    wagi_build_push_result(b, WAGI_TY_I64, lea.dst);
}

static void i31_get(wagi_builder *b, bool sign_extend)
{
    wagi_entry value = wagi_build_pop(b);
    wagi_build_null_check(b, &value, WAG_NULL_I31);
    wagi_build_materialize(b, &value);
    uint32_t dst = wagi_ir_new_vreg(b->ir, WAGI_TY_I32);
    wagi_build_emit(b, ins_imm(sign_extend ? WAGI_IR_SHR_S : WAGI_IR_SHR_U, WAGI_TY_I32, dst, value.vreg, 1));
    wagi_build_push_result(b, WAGI_TY_I32, dst);
}

static void ref_eq(wagi_builder *b)
{
    wagi_entry y = wagi_build_pop(b), x = wagi_build_pop(b);
    if (x.kind == WAGI_ENTRY_CONST) {
        wagi_entry swap = x;
        x = y;
        y = swap;
    }
    wagi_test test = {.cond = WAGI_EQ, .type = WAGI_TY_I64};
    wagi_build_materialize(b, &x);
    if (y.kind == WAGI_ENTRY_CONST) { /* null, or an i31 */
        test.flags = WAGI_INS_IMM;
        test.imm = (int64_t)y.bits;
        if (test.imm != (int32_t)test.imm) {
            test.flags = 0;
            wagi_build_materialize(b, &y);
        }
    }
    test.a = x.vreg;
    test.b = y.vreg;
    wagi_build_condition(b, &test);
}

/* ---- casts ---- */

static wagi_test read_cast(wagi_builder *b, bool null_too, wagi_ir_cond cond)
{
    wagi_test test = {.cond = (uint8_t)cond, .type = WAGI_TY_I64, .cast = WAGI_CAST | (null_too ? WAGI_CAST_NULL : 0)};
    const uint8_t *start = b->in.pos;
    int64_t index = wagi_read_s33(&b->in);
    if (index >= 0 && (uint64_t)index < b->data->type_count) {
        test.imm = (int64_t)type_bits(b->data->types[index]);
        return test;
    }
    b->in.pos = start;
    test.cast |= WAGI_CAST_ABSTRACT;
    test.imm = wagi_heap_of(wagi_read_heap_type(&b->in, b->data));
    return test;
}

static void ref_test(wagi_builder *b, bool null_too)
{
    wagi_test test = read_cast(b, null_too, WAGI_NE);
    wagi_entry value = wagi_build_pop(b);
    wagi_build_materialize(b, &value);
    test.a = value.vreg;
    if (is_not_null(b, &value))
        test.flags = WAGI_INS_SAFE;
    wagi_build_condition(b, &test);
}

static void ref_cast(wagi_builder *b, bool null_too)
{
    wagi_test test = read_cast(b, null_too, WAGI_NE);
    wagi_entry *top = wagi_build_top(b);
    if (b->ir->failed)
        return;
    wagi_build_materialize(b, top);
    wagi_ins ins = ins_1(WAGI_IR_REF_CAST, WAGI_TY_I64, WAGI_NIL, top->vreg);
    ins.sub = test.cast;
    ins.imm = test.imm;
    if (is_not_null(b, top))
        ins.flags = WAGI_INS_SAFE;
    wagi_build_emit(b, ins);
    keep_definition(top);
    if (!null_too)
        wagi_build_note_not_null(b, wagi_build_top(b)->vreg);
}

static void branch_on_cast(wagi_builder *b, bool on_failure)
{
    uint8_t flags = wagi_read_u8(&b->in);
    uint32_t depth = wagi_read_u32(&b->in);
    wagi_test from = read_cast(b, flags & 1, WAGI_NE), test = read_cast(b, flags & 2, on_failure ? WAGI_EQ : WAGI_NE);
    if (from.cast & WAGI_CAST_ABSTRACT ? from.imm == WAGI_HEAP_STRUCT || from.imm == WAGI_HEAP_ARRAY
                                       : ((const wagi_type *)(uintptr_t)from.imm)->comp != WAGI_COMP_FUNC)
        test.cast |= WAGI_CAST_OBJECT;
    wagi_entry *top = wagi_build_top(b);
    if (b->ir->failed)
        return;
    wagi_build_materialize(b, top);
    test.a = top->vreg;
    if (is_not_null(b, top))
        test.flags = WAGI_INS_SAFE;
    wagi_build_branch_to(b, &test, depth);
    if (on_failure && !(flags & 2))
        wagi_build_note_not_null(b, wagi_build_top(b)->vreg);
}

bool wagi_build_gc(wagi_builder *b, wagi_op op)
{
    switch (op) {
    case WAGI_OP_struct_new:
    case WAGI_OP_struct_new_default:
        struct_new(b, op == WAGI_OP_struct_new_default);
        return true;
    case WAGI_OP_struct_get:
    case WAGI_OP_struct_get_s:
    case WAGI_OP_struct_get_u:
        struct_get(b, op == WAGI_OP_struct_get_s);
        return true;
    case WAGI_OP_struct_set:
        struct_set(b);
        return true;
    case WAGI_OP_ref_test:
    case WAGI_OP_ref_test_null:
        ref_test(b, op == WAGI_OP_ref_test_null);
        return true;
    case WAGI_OP_ref_cast:
    case WAGI_OP_ref_cast_null:
        ref_cast(b, op == WAGI_OP_ref_cast_null);
        return true;
    case WAGI_OP_br_on_cast:
    case WAGI_OP_br_on_cast_fail:
        branch_on_cast(b, op == WAGI_OP_br_on_cast_fail);
        return true;
    case WAGI_OP_any_convert_extern:
    case WAGI_OP_extern_convert_any:
        return true; /* the same word */
    case WAGI_OP_ref_i31:
        ref_i31(b);
        return true;
    case WAGI_OP_i31_get_s:
    case WAGI_OP_i31_get_u:
        i31_get(b, op == WAGI_OP_i31_get_s);
        return true;
    case WAGI_OP_ref_eq:
        ref_eq(b);
        return true;
    default:
        return build_array(b, op);
    }
}

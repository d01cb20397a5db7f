/* The ops behind prefix 0xFB that the interpreter's loop leaves to its driver: those that allocate or touch many
 * elements, accesses to v128, stores of references while the collector marks, and (rare, but valid) any whose number is
 * written with more bytes than it needs: those run here by running the loop's meaning once more in C. All operands are
 * in memory. */
#include "binary/op.h"
#include "binary/reader.h"
#include "interp/frame.h"
#include "interp/gc.h"
#include "runtime/fuel.h"

typedef struct op_state {
    wag_agent *agent;
    wag_instance *instance;
    const wagi_type *type; /* of the first immediate */
    uint32_t second;
    bool wide; /* there may be v128 values */
    wagi_slot *sp;
} op_state;

static unsigned kind_of(uint32_t layout)
{
    return layout & ((1u << WAGI_LAYOUT_KIND_BITS) - 1);
}

static void store(op_state *s, uint8_t *at, unsigned kind, const wagi_slot *value)
{
    if (kind == WAGI_KIND_V128) {
        memcpy(at, value, 8);
        memcpy(at + 8, wagi_interp_high(s->agent, value), 8);
        return;
    }
    if (kind == WAGI_KIND_REF && s->agent->gc.marking)
        wagi_gc_shade(s->agent, wagi_gc_load(at, kind));
    wagi_gc_store(at, kind, *value);
}

static void load(op_state *s, const uint8_t *at, unsigned kind, bool sign_extend)
{
    if (kind == WAGI_KIND_V128) {
        memcpy(s->sp, at, 8);
        memcpy(wagi_interp_high(s->agent, s->sp), at + 8, 8);
    } else {
        *s->sp = gc_get(at, kind, sign_extend);
    }
    s->sp++;
}

/* Replace the n topmost operands by the result of an op that makes something. */
static wag_err made(op_state *s, wag_err err, wagi_slot value, size_t n)
{
    if (err == WAG_OK) {
        s->sp -= n;
        *s->sp++ = value;
    }
    return err;
}

/* The `count` topmost values as consecutive slots: themselves, or, where there may be a v128 among them, a copy above
 * the operands that the collector sees. NULL without room. */
static const wagi_slot *topmost(op_state *s, uint32_t count)
{
    wagi_slot *values = s->sp - count;
    if (!s->wide)
        return values;
    if ((size_t)(s->agent->stack_end - s->sp) / 2 < count)
        return NULL;
    s->agent->stack_top = wagi_interp_pack_fields(s->agent, s->type, count, values, s->sp);
    return s->sp;
}

/* The same for one value of the array's type; room: for a v128. */
static const wagi_slot *one_value(const op_state *s, const wagi_slot *value, wagi_slot room[2])
{
    if (!s->wide || s->type->fields[0].storage != WAGI_V128)
        return value;
    wagi_interp_pack_fields(s->agent, s->type, 1, value, room);
    return room;
}

static wag_err make(op_state *s, wagi_op op)
{
    wagi_slot *sp = s->sp, value = 0;
    wagi_slot room[2];
    const wagi_slot *values;
    wag_err err;
    switch (op) {
    case WAGI_OP_struct_new:
        if (!(values = topmost(s, s->type->field_count)))
            return WAG_STACK_OVERFLOW;
        err = wagi_struct_new(s->instance, s->type, values, &value);
        return made(s, err, value, s->type->field_count);
    case WAGI_OP_struct_new_default:
        err = wagi_struct_new(s->instance, s->type, NULL, &value);
        return made(s, err, value, 0);
    case WAGI_OP_array_new:
        err = wagi_fuel_elements(s->instance, s->type, (uint32_t)sp[-1]);
        if (err == WAG_OK)
            err = wagi_array_new(s->instance, s->type, (uint32_t)sp[-1], one_value(s, sp - 2, room), &value);
        return made(s, err, value, 2);
    case WAGI_OP_array_new_default:
        err = wagi_fuel_elements(s->instance, s->type, (uint32_t)sp[-1]);
        if (err == WAG_OK)
            err = wagi_array_new(s->instance, s->type, (uint32_t)sp[-1], NULL, &value);
        return made(s, err, value, 1);
    case WAGI_OP_array_new_fixed:
        if (!(values = topmost(s, s->second)))
            return WAG_STACK_OVERFLOW;
        err = wagi_array_new_fixed(s->instance, s->type, s->second, values, &value);
        return made(s, err, value, s->second);
    case WAGI_OP_array_new_data:
        err = wagi_fuel_elements(s->instance, s->type, (uint32_t)sp[-1]);
        if (err == WAG_OK)
            err = wagi_array_new_data(s->instance, s->type, &s->instance->datas[s->second], (uint32_t)sp[-2],
                                      (uint32_t)sp[-1], &value);
        return made(s, err, value, 2);
    default: /* array.new_elem */
        err = wagi_fuel_elements(s->instance, s->type, (uint32_t)sp[-1]);
        if (err == WAG_OK)
            err = wagi_array_new_elem(s->instance, s->type, &s->instance->elems[s->second], (uint32_t)sp[-2],
                                      (uint32_t)sp[-1], &value);
        return made(s, err, value, 2);
    }
}

static wag_err touch_many(op_state *s, wagi_op op)
{
    wagi_slot *x = s->sp - (op == WAGI_OP_array_copy ? 5 : 4), room[2];
    wag_err err = wagi_fuel_array(s->instance, x[0], (uint32_t)s->sp[-1]);
    if (err != WAG_OK)
        return err;
    s->sp = x;
    switch (op) {
    case WAGI_OP_array_fill:
        return wagi_array_fill_from(s->agent, x[0], (uint32_t)x[1], one_value(s, x + 2, room), (uint32_t)x[3]);
    case WAGI_OP_array_copy:
        return wagi_array_copy(s->agent, x[0], (uint32_t)x[1], x[2], (uint32_t)x[3], (uint32_t)x[4]);
    case WAGI_OP_array_init_data:
        return wagi_array_init_data(s->agent, x[0], (uint32_t)x[1], &s->instance->datas[s->second], (uint32_t)x[2],
                                    (uint32_t)x[3]);
    default: /* array.init_elem */
        return wagi_array_init_elem(s->agent, x[0], (uint32_t)x[1], &s->instance->elems[s->second], (uint32_t)x[2],
                                    (uint32_t)x[3]);
    }
}

static wag_err access_field(op_state *s, wagi_op op)
{
    bool is_set = op == WAGI_OP_struct_set;
    wagi_slot *x = s->sp -= is_set ? 2 : 1;
    if (x[0] == 0)
        return WAG_NULL_STRUCT;
    uint32_t layout = s->type->layout[s->second];
    uint8_t *at = (uint8_t *)(uintptr_t)x[0] + (layout >> WAGI_LAYOUT_KIND_BITS);
    if (is_set)
        store(s, at, kind_of(layout), &x[1]);
    else
        load(s, at, kind_of(layout), op == WAGI_OP_struct_get_s);
    return WAG_OK;
}

static wag_err access_element(op_state *s, wagi_op op)
{
    bool is_set = op == WAGI_OP_array_set;
    wagi_slot *x = s->sp -= is_set ? 3 : 2;
    wagi_gc_array *array = (wagi_gc_array *)(uintptr_t)x[0];
    if (!array)
        return WAG_NULL_ARRAY;
    if (x[1] >= array->length)
        return WAG_ARRAY_BOUNDS;
    uint8_t *at = wagi_gc_element(array, s->type, x[1]);
    if (is_set)
        store(s, at, kind_of(s->type->layout[0]), &x[2]);
    else
        load(s, at, kind_of(s->type->layout[0]), op == WAGI_OP_array_get_s);
    return WAG_OK;
}

/* Ops on one reference. heap: the bytes of the heap type, if there is one. */
static wag_err on_reference(op_state *s, wagi_op op, const uint8_t *heap)
{
    wagi_slot *top = s->sp - 1;
    switch (op) {
    case WAGI_OP_array_len:
        if (*top == 0)
            return WAG_NULL_ARRAY;
        *top = ((const wagi_gc_array *)(uintptr_t)*top)->length;
        return WAG_OK;
    case WAGI_OP_ref_test:
    case WAGI_OP_ref_test_null:
        *top = *top ? gc_matches(s->instance, *top, heap) : op == WAGI_OP_ref_test_null;
        return WAG_OK;
    case WAGI_OP_ref_cast:
    case WAGI_OP_ref_cast_null:
        return (*top ? gc_matches(s->instance, *top, heap) : op == WAGI_OP_ref_cast_null) ? WAG_OK : WAG_CAST;
    case WAGI_OP_ref_i31:
        *top = wagi_i31_of((uint32_t)*top);
        return WAG_OK;
    case WAGI_OP_i31_get_s:
    case WAGI_OP_i31_get_u:
        if (*top == 0)
            return WAG_NULL_I31;
        *top = op == WAGI_OP_i31_get_s ? wagi_i31_s(*top) : wagi_i31_u(*top);
        return WAG_OK;
    default: /* any.convert_extern, extern.convert_any */
        return WAG_OK;
    }
}

static const uint8_t *skip_leb(const uint8_t *at)
{
    while (*at++ & 0x80)
        ;
    return at;
}

/* br_on_cast and br_on_cast_fail: moves ip itself. at: the flags. */
static void branch_on_cast(wagi_interp_state *state, wagi_op op, const uint8_t *at)
{
    const uint8_t *heap = skip_leb(skip_leb(at + 1));
    wagi_slot top = state->sp[-1];
    bool matches = top ? gc_matches(state->instance, top, heap) : (*at & 2) != 0;
    if (matches == (op == WAGI_OP_br_on_cast)) {
        wagi_interp_branch(state, state->stp);
    } else {
        state->stp++;
        state->ip = skip_leb(heap);
    }
}

wag_err wagi_interp_gc_op(wagi_interp_state *state)
{
    op_state s = {.agent = state->agent, .instance = state->instance, .wide = state->body->uses_v128, .sp = state->sp};
    s.agent->stack_top = state->sp; /* a safepoint: all operands are below */
    /* The code is valid, so no read fails and no end is needed. */
    wagi_reader reader = wagi_reader_make(s.instance->data->bytes.data, state->ip + 1, state->body->end);
    wagi_op op = wagi_op_find(0xFB, wagi_read_u32(&reader));
    const uint8_t *immediates = reader.pos;
    switch (wagi_ops[op].imm) {
    case WAGI_IMM_BR_ON_CAST:
        branch_on_cast(state, op, immediates);
        return WAG_OK;
    case WAGI_IMM_NONE:
        break;
    case WAGI_IMM_HEAP:
        reader.pos = skip_leb(immediates);
        break;
    case WAGI_IMM_TYPE:
        s.type = s.instance->data->types[wagi_read_u32(&reader)];
        break;
    default:
        s.type = s.instance->data->types[wagi_read_u32(&reader)];
        s.second = wagi_read_u32(&reader);
    }
    wag_err trap;
    if (op <= WAGI_OP_struct_new_default || (op >= WAGI_OP_array_new && op <= WAGI_OP_array_new_elem))
        trap = make(&s, op);
    else if (op <= WAGI_OP_struct_set)
        trap = access_field(&s, op);
    else if (op <= WAGI_OP_array_set)
        trap = access_element(&s, op);
    else if (op >= WAGI_OP_array_fill && op <= WAGI_OP_array_init_elem)
        trap = touch_many(&s, op);
    else
        trap = on_reference(&s, op, immediates);
    if (trap != WAG_OK)
        return trap;
    state->sp = s.sp;
    state->ip = reader.pos;
    return WAG_OK;
}

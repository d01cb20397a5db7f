/* The ops that the interpreter's loop leaves to its driver, because they call into the runtime: memory.grow and those
 * behind prefix 0xFC (bulk memory, tables; saturating truncation), and stores of references while the collector marks.
 * All operands are in memory. */
#include "binary/op.h"
#include "binary/reader.h"
#include "interp/frame.h"
#include "ops/num.h"
#include "ops/wide.h"
#include "runtime/fuel.h"

/* -1 in the width of the address type when it could not grow. */
static wagi_slot grow_result(uint64_t old, bool is_64)
{
    return is_64 ? old : (uint32_t)old;
}

/* Saturating truncations replace the top. False when the op is another. */
static bool truncate(wagi_op op, wagi_slot *top)
{
    float f = num_f32_of_bits((uint32_t)*top);
    double d = num_f64_of_bits(*top);
    switch (op) {
    case WAGI_OP_i32_trunc_sat_f32_s:
        *top = num_i32_trunc_sat_f32_s(f);
        return true;
    case WAGI_OP_i32_trunc_sat_f32_u:
        *top = num_i32_trunc_sat_f32_u(f);
        return true;
    case WAGI_OP_i32_trunc_sat_f64_s:
        *top = num_i32_trunc_sat_f64_s(d);
        return true;
    case WAGI_OP_i32_trunc_sat_f64_u:
        *top = num_i32_trunc_sat_f64_u(d);
        return true;
    case WAGI_OP_i64_trunc_sat_f32_s:
        *top = num_i64_trunc_sat_f32_s(f);
        return true;
    case WAGI_OP_i64_trunc_sat_f32_u:
        *top = num_i64_trunc_sat_f32_u(f);
        return true;
    case WAGI_OP_i64_trunc_sat_f64_s:
        *top = num_i64_trunc_sat_f64_s(d);
        return true;
    case WAGI_OP_i64_trunc_sat_f64_u:
        *top = num_i64_trunc_sat_f64_u(d);
        return true;
    default:
        return false;
    }
}

/* Wide arithmetic. sp: behind the operands; the new one. */
static wagi_slot *wide(wagi_op op, wagi_slot *sp)
{
    wide_128 result;
    wagi_slot *x = sp - 4;
    switch (op) {
    case WAGI_OP_i64_add128:
        result = wide_add((wide_128){x[0], x[1]}, (wide_128){x[2], x[3]});
        break;
    case WAGI_OP_i64_sub128:
        result = wide_sub((wide_128){x[0], x[1]}, (wide_128){x[2], x[3]});
        break;
    default:
        x = sp - 2;
        result = op == WAGI_OP_i64_mul_wide_s ? wide_mul_s(x[0], x[1]) : wide_mul_u(x[0], x[1]);
    }
    x[0] = result.low;
    x[1] = result.high;
    return x + 2;
}

/* first, second: the immediates in the order of the bytes. x: the operands, the deepest first. */
static wag_err bulk(wag_instance *instance, wagi_op op, uint32_t first, uint32_t second, const wagi_slot *x)
{
    bool is_table = op == WAGI_OP_table_init || op == WAGI_OP_table_copy || op == WAGI_OP_table_fill;
    wag_err err = wagi_fuel_work(instance, is_table ? (uint64_t)x[2] * sizeof(wagi_slot) : x[2]);
    if (err != WAG_OK)
        return err;
    switch (op) {
    case WAGI_OP_memory_init:
        return wagi_memory_init(instance->memories[second], x[0], &instance->datas[first], x[1], x[2]);
    case WAGI_OP_memory_copy:
        return wagi_memory_copy(instance->memories[first], x[0], instance->memories[second], x[1], x[2]);
    case WAGI_OP_memory_fill:
        return wagi_memory_fill(instance->memories[first], x[0], (uint8_t)x[1], x[2]);
    case WAGI_OP_table_init:
        return wagi_table_init(instance->tables[second], x[0], &instance->elems[first], x[1], x[2]);
    case WAGI_OP_table_copy:
        return wagi_table_copy(instance->tables[first], x[0], instance->tables[second], x[1], x[2]);
    case WAGI_OP_table_fill:
        return wagi_table_fill(instance->tables[first], x[0], x[1], x[2]);
    default:
        return WAG_UNSUPPORTED;
    }
}

wag_err wagi_interp_slow_op(wagi_interp_state *state)
{
    wag_instance *instance = state->instance;
    wagi_slot *sp = state->sp;
    /* The code is valid, so no read fails and no end is needed. */
    wagi_reader reader = wagi_reader_make(instance->data->bytes.data, state->ip, state->body->end);
    uint8_t prefix = wagi_read_u8(&reader);
    if (prefix == 0xFB)
        return wagi_interp_gc_op(state);
    if (prefix == 0xFE)
        return wagi_interp_atomic_op(state);
    wagi_op op = prefix == 0xFC ? wagi_op_find(0xFC, wagi_read_u32(&reader)) : wagi_op_find(0, prefix);
    uint32_t first = 0, second = 0;
    switch (wagi_ops[op].imm) {
    case WAGI_IMM_NONE:
        break;
    case WAGI_IMM_DATA_MEMORY:
    case WAGI_IMM_MEMORY2:
    case WAGI_IMM_ELEM_TABLE:
    case WAGI_IMM_TABLE2:
        first = wagi_read_u32(&reader);
        second = wagi_read_u32(&reader);
        break;
    default:
        first = wagi_read_u32(&reader);
    }
    switch (op) {
    case WAGI_OP_memory_grow: {
        wag_memory *memory = instance->memories[first];
        sp[-1] = grow_result(wagi_memory_grow(memory, sp[-1]), memory->type.limits.is_64);
        break;
    }
    case WAGI_OP_table_grow: {
        wag_table *table = instance->tables[first];
        wag_err err = wagi_fuel_grow(instance, table, sp[-1]);
        if (err != WAG_OK)
            return err;
        sp--;
        sp[-1] = grow_result(wagi_table_grow(table, sp[0], sp[-1]), table->type.limits.is_64);
        break;
    }
    case WAGI_OP_global_set:
        wagi_global_store(instance->globals[first], --sp);
        break;
    case WAGI_OP_table_set: /* the index has been checked */
        sp -= 2;
        wagi_table_store(instance->tables[first], sp[0], sp[1]);
        break;
    case WAGI_OP_i64_add128:
    case WAGI_OP_i64_sub128:
    case WAGI_OP_i64_mul_wide_s:
    case WAGI_OP_i64_mul_wide_u:
        sp = wide(op, sp);
        break;
    case WAGI_OP_table_size:
        *sp++ = instance->tables[first]->size;
        break;
    case WAGI_OP_data_drop:
        wagi_data_drop(&instance->datas[first]);
        break;
    case WAGI_OP_elem_drop:
        wagi_elem_drop(&instance->elems[first]);
        break;
    default:
        if (truncate(op, sp - 1))
            break;
        sp -= 3;
        wag_err trap = bulk(instance, op, first, second, sp);
        if (trap != WAG_OK)
            return trap;
    }
    state->sp = sp;
    state->ip = reader.pos;
    return WAG_OK;
}

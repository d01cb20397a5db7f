/* The builder's state ops: memories, globals, tables. What is rare goes to a helper. */
#include "compiler/build.h"
#include "compiler/build_entry.h"

/* ---- linear memory ---- */

typedef struct access_row {
    bool is_load, is_store;
    uint8_t access, type;
} access_row;

#define LOAD(op, access, type) [WAGI_OP_##op - WAGI_OP_i32_load] = {true, false, WAGI_ACCESS_##access, WAGI_TY_##type}
#define STORE(op, access, type) [WAGI_OP_##op - WAGI_OP_i32_load] = {false, true, WAGI_ACCESS_##access, WAGI_TY_##type}
static const access_row access_rows[] = {
    LOAD(i32_load, 32, I32),         LOAD(i64_load, 64, I64),         LOAD(f32_load, F32, F32),
    LOAD(f64_load, F64, F64),        LOAD(i32_load8_s, S8_32, I32),   LOAD(i32_load8_u, U8, I32),
    LOAD(i32_load16_s, S16_32, I32), LOAD(i32_load16_u, U16, I32),    LOAD(i64_load8_s, S8_64, I64),
    LOAD(i64_load8_u, U8, I64),      LOAD(i64_load16_s, S16_64, I64), LOAD(i64_load16_u, U16, I64),
    LOAD(i64_load32_s, S32_64, I64), LOAD(i64_load32_u, U32, I64),    STORE(i32_store, 32, I32),
    STORE(i64_store, 64, I64),       STORE(f32_store, F32, F32),      STORE(f64_store, F64, F64),
    STORE(i32_store8, U8, I32),      STORE(i32_store16, U16, I32),    STORE(i64_store8, U8, I64),
    STORE(i64_store16, U16, I64),    STORE(i64_store32, U32, I64),
};
_Static_assert(WAGI_OP_i64_store32 - WAGI_OP_i32_load + 1 == sizeof access_rows / sizeof *access_rows,
               "the rows of op.def are in the order of the opcodes");

static inline void read_memarg(wagi_builder *b, uint32_t *ret_memory, uint64_t *ret_offset)
{
    const uint8_t *pos = b->in.pos;
    if (b->in.end - pos > 2 && pos[0] < 0x40 && pos[1] < 0x80) { /* most have a byte each, and memory 0 */
        *ret_memory = 0;
        *ret_offset = pos[1];
        b->in.pos = pos + 2;
        return;
    }
    uint32_t flags = wagi_read_u32(&b->in);
    *ret_memory = flags & 0x40 ? wagi_read_u32(&b->in) : 0;
    *ret_offset = wagi_read_u64(&b->in);
}

void wagi_build_memarg(wagi_builder *b, uint32_t *ret_memory, uint64_t *ret_offset)
{
    read_memarg(b, ret_memory, ret_offset);
}

static inline uint32_t address_operand(wagi_builder *b, wagi_entry address, uint64_t *offset)
{
    if (address.kind == WAGI_ENTRY_CONST && address.bits <= INT32_MAX && *offset <= INT32_MAX - address.bits) {
        *offset += address.bits;
        return WAGI_NIL;
    }
    wagi_build_materialize(b, &address);
    return address.vreg;
}

uint32_t wagi_build_address_operand(wagi_builder *b, const wagi_entry *address, uint64_t *offset)
{
    return address_operand(b, *address, offset);
}

static inline void load(wagi_builder *b, wagi_access access, unsigned type, uint32_t memory, uint64_t offset)
{
    wagi_entry address = wagi_build_pop(b);
    wagi_ins ins = ins_1(WAGI_IR_LOAD, type, WAGI_NIL, address_operand(b, address, &offset));
    ins.sub = (uint8_t)access;
    ins.b = memory;
    ins.imm = (int64_t)offset;
    ins.dst = wagi_ir_new_vreg(b->ir, type);
    wagi_build_emit(b, ins);
    wagi_build_push_result(b, type, ins.dst);
}

void wagi_build_load(wagi_builder *b, wagi_access access, unsigned type, uint32_t memory, uint64_t offset)
{
    load(b, access, type, memory, offset);
}

/* True when the machine can store the constant without a register; then its 32 bits. */
static bool store_constant(const wagi_entry *value, unsigned type, uint64_t offset, uint32_t *ret_bits)
{
    if (value->kind != WAGI_ENTRY_CONST || type == WAGI_TY_F64 || type == WAGI_TY_V128 || offset > UINT32_MAX)
        return false;
    if (type == WAGI_TY_I64 && (int64_t)value->bits != (int32_t)value->bits)
        return false;
    *ret_bits = (uint32_t)value->bits;
    return true;
}

static inline void store(wagi_builder *b, wagi_access access, unsigned type, uint32_t memory, uint64_t offset)
{
    uint32_t bits;
    wagi_entry value = wagi_build_pop(b), address = wagi_build_pop(b);
    uint32_t a = address_operand(b, address, &offset);
    wagi_ins ins = ins_1(WAGI_IR_STORE, type, memory, a);
    ins.sub = (uint8_t)access;
    ins.imm = (int64_t)offset;
    if (store_constant(&value, type, offset, &bits)) {
        ins.flags = WAGI_INS_IMM;
        ins.imm = (int64_t)(offset | (uint64_t)bits << 32);
    } else {
        wagi_build_materialize(b, &value);
        ins.b = value.vreg;
    }
    wagi_build_emit(b, ins);
}

void wagi_build_store(wagi_builder *b, wagi_access access, unsigned type, uint32_t memory, uint64_t offset)
{
    store(b, access, type, memory, offset);
}

static unsigned memory_type(const wagi_builder *b, uint32_t memory)
{
    return b->data->memories[memory].limits.is_64 ? WAGI_TY_I64 : WAGI_TY_I32;
}

static unsigned table_type(const wagi_builder *b, uint32_t table)
{
    return b->data->tables[table].type.limits.is_64 ? WAGI_TY_I64 : WAGI_TY_I32;
}

/* ---- globals ---- */

static void global_get(wagi_builder *b)
{
    uint32_t index = wagi_read_u32(&b->in);
    const wagi_global_def *global = &b->data->globals[index];
    unsigned type = wagi_ir_type_of(global->type.content);
    if (index >= b->data->global_import_count && !global->type.is_mutable && global->init.kind == WAGI_CONST_NUMBER) {
        uint64_t low = global->init.bits[0];
        wagi_build_push_const(b, type,
                              type == WAGI_TY_V128 ? wagi_ir_new_vector(b->ir, low, global->init.bits[1]) : low);
        return;
    }
    wagi_ins ins = ins_1(WAGI_IR_GLOBAL_GET, type, wagi_ir_new_vreg(b->ir, type), WAGI_NIL);
    ins.imm = index;
    wagi_build_emit(b, ins);
    wagi_build_push_result(b, type, ins.dst);
}

static void global_set(wagi_builder *b)
{
    uint32_t index = wagi_read_u32(&b->in);
    if (wagi_is_ref(b->data->globals[index].type.content)) {
        wagi_build_helper(b, WAGI_HELPER_global_set, 1, (uint64_t[]){index}, 1, WAGI_TY_COUNT);
        return;
    }
    wagi_entry value = wagi_build_pop(b);
    wagi_build_materialize(b, &value);
    wagi_ins ins = ins_1(WAGI_IR_GLOBAL_SET, value.type, WAGI_NIL, value.vreg);
    ins.imm = index;
    wagi_build_emit(b, ins);
}

/* A value of the instance that one instruction reads. */
static void read_state(wagi_builder *b, wagi_ir_op op, unsigned type, uint32_t index)
{
    wagi_ins ins = ins_1(op, type, wagi_ir_new_vreg(b->ir, type), WAGI_NIL);
    ins.imm = index;
    wagi_build_emit(b, ins);
    wagi_build_push_result(b, type, ins.dst);
}

/* ---- helpers ---- */

void wagi_build_helper(wagi_builder *b, wagi_helper helper, uint32_t operand_count, const uint64_t *constants,
                       uint32_t constant_count, unsigned result_type)
{
    wagi_ir *ir = b->ir;
    uint32_t count = operand_count + constant_count;
    uint32_t pool = wagi_ir_new_pool(ir, count + 1);
    if (ir->failed || operand_count > b->stack.n) {
        ir->failed = true;
        return;
    }
    uint32_t base = (uint32_t)b->stack.n - operand_count;
    for (uint32_t i = 0; i < operand_count; i++)
        ir->pool.p[pool + i] = wagi_build_pool_entry(b, b->stack.p[base + i]);
    for (uint32_t i = 0; i < constant_count; i++)
        ir->pool.p[pool + operand_count + i] = wagi_ir_new_const(ir, WAGI_TY_I64, constants[i]);
    wagi_build_drop_to(b, base);
    wagi_ir_call call = {.kind = WAGI_CALL_HELPER,
                         .target = helper,
                         .args = pool,
                         .arg_count = count,
                         .results = pool + count,
                         .result_count = result_type != WAGI_TY_COUNT};
    if (result_type != WAGI_TY_COUNT)
        ir->pool.p[pool + count] = wagi_ir_new_vreg(ir, result_type);
    uint32_t index = wagi_ir_add_call(ir, call);
    if (ir->failed)
        return;
    wagi_build_emit_call(b, WAGI_IR_CALL, index);
    if (result_type != WAGI_TY_COUNT)
        wagi_build_push_vreg(b, result_type, ir->pool.p[pool + count]);
}

static void helper_1(wagi_builder *b, wagi_helper helper, uint32_t operands, uint32_t constant, unsigned result)
{
    wagi_build_helper(b, helper, operands, (uint64_t[]){constant}, 1, result);
}

static void helper_2(wagi_builder *b, wagi_helper helper, uint32_t first, uint32_t second)
{
    wagi_build_helper(b, helper, 3, (uint64_t[]){first, second}, 2, WAGI_TY_COUNT);
}

static bool bulk(wagi_builder *b, wagi_op op)
{
    wagi_reader *in = &b->in;
    uint32_t first, second;
    switch (op) {
    case WAGI_OP_memory_fill:
        helper_1(b, WAGI_HELPER_memory_fill, 3, wagi_read_u32(in), WAGI_TY_COUNT);
        return true;
    case WAGI_OP_memory_copy:
        first = wagi_read_u32(in);
        second = wagi_read_u32(in);
        helper_2(b, WAGI_HELPER_memory_copy, first, second);
        return true;
    case WAGI_OP_memory_init: /* the segment comes first in the binary format */
        first = wagi_read_u32(in);
        second = wagi_read_u32(in);
        helper_2(b, WAGI_HELPER_memory_init, second, first);
        return true;
    case WAGI_OP_data_drop:
        helper_1(b, WAGI_HELPER_data_drop, 0, wagi_read_u32(in), WAGI_TY_COUNT);
        return true;
    case WAGI_OP_table_fill:
        helper_1(b, WAGI_HELPER_table_fill, 3, wagi_read_u32(in), WAGI_TY_COUNT);
        return true;
    case WAGI_OP_table_copy:
        first = wagi_read_u32(in);
        second = wagi_read_u32(in);
        helper_2(b, WAGI_HELPER_table_copy, first, second);
        return true;
    case WAGI_OP_table_init:
        first = wagi_read_u32(in);
        second = wagi_read_u32(in);
        helper_2(b, WAGI_HELPER_table_init, second, first);
        return true;
    case WAGI_OP_elem_drop:
        helper_1(b, WAGI_HELPER_elem_drop, 0, wagi_read_u32(in), WAGI_TY_COUNT);
        return true;
    default:
        return false;
    }
}

static bool state(wagi_builder *b, wagi_op op)
{
    uint32_t index;
    switch (op) {
    case WAGI_OP_global_get:
        global_get(b);
        return true;
    case WAGI_OP_global_set:
        global_set(b);
        return true;
    case WAGI_OP_memory_size:
        index = wagi_read_u32(&b->in);
        read_state(b, WAGI_IR_MEMORY_SIZE, memory_type(b, index), index);
        return true;
    case WAGI_OP_memory_grow:
        index = wagi_read_u32(&b->in);
        helper_1(b, WAGI_HELPER_memory_grow, 1, index, memory_type(b, index));
        return true;
    case WAGI_OP_table_size:
        index = wagi_read_u32(&b->in);
        read_state(b, WAGI_IR_TABLE_SIZE, table_type(b, index), index);
        return true;
    case WAGI_OP_table_get:
        helper_1(b, WAGI_HELPER_table_get, 1, wagi_read_u32(&b->in), WAGI_TY_I64);
        return true;
    case WAGI_OP_table_set:
        helper_1(b, WAGI_HELPER_table_set, 2, wagi_read_u32(&b->in), WAGI_TY_COUNT);
        return true;
    case WAGI_OP_table_grow:
        index = wagi_read_u32(&b->in);
        helper_1(b, WAGI_HELPER_table_grow, 2, index, table_type(b, index));
        return true;
    case WAGI_OP_ref_func:
        read_state(b, WAGI_IR_REF_FUNC, WAGI_TY_I64, wagi_read_u32(&b->in));
        return true;
    default:
        return bulk(b, op);
    }
}

bool wagi_build_memory(wagi_builder *b, wagi_op op)
{
    if (op < WAGI_OP_i32_load || op > WAGI_OP_i64_store32)
        return state(b, op);
    const access_row *row = &access_rows[op - WAGI_OP_i32_load];
    uint32_t memory;
    uint64_t offset;
    read_memarg(b, &memory, &offset);
    if (row->is_load)
        load(b, row->access, row->type, memory, offset);
    else
        store(b, row->access, row->type, memory, offset);
    return true;
}

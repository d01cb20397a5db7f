/* The atomic ops of the interpreter: prefix 0xFE, on shared and unshared memories. All operands are in memory. */
#include <string.h>

#include "binary/op.h"
#include "binary/reader.h"
#include "interp/frame.h"
#include "ops/atomic.h"

/* x: the operands, the deepest first; the result replaces it. */
static wag_err run(wag_memory *memory, wagi_op op, uint64_t offset, wagi_slot *x)
{
    unsigned width = 1u << wagi_ops[op].align_log2;
    if (op == WAGI_OP_memory_atomic_notify)
        return wagi_memory_notify(memory, offset, x);
    if (op < WAGI_OP_i32_atomic_load)
        return wagi_memory_wait(memory, offset, width, x);
    uint64_t address;
    wag_err trap = atomic_address(x[0], offset, width, wagi_memory_size(memory), &address);
    if (trap != WAG_OK)
        return trap;
    uint8_t *at = memory->base + address;
    if (op <= WAGI_OP_i64_atomic_load32_u)
        x[0] = atomic_get(at, width);
    else if (op <= WAGI_OP_i64_atomic_store32)
        atomic_set(at, width, x[1]);
    else if (op < WAGI_OP_i32_atomic_rmw_cmpxchg)
        x[0] = atomic_update(at, width, (atomic_rmw)((op - WAGI_OP_i32_atomic_rmw_add) / 7), x[1]);
    else
        x[0] = atomic_cmpxchg(at, width, x[1], x[2]);
    return WAG_OK;
}

wag_err wagi_interp_atomic_op(wagi_interp_state *state)
{
    /* The code is valid, so no read fails and no end is needed. */
    wagi_reader reader = wagi_reader_make(state->instance->data->bytes.data, state->ip + 1, state->body->end);
    wagi_op op = wagi_op_find(0xFE, wagi_read_u32(&reader));
    uint32_t align = wagi_read_u32(&reader);
    if (op == WAGI_OP_atomic_fence) { /* its one byte was read as the alignment */
        atomic_thread_fence(memory_order_seq_cst);
        state->ip = reader.pos;
        return WAG_OK;
    }
    wag_memory *memory = state->instance->memories[align & 0x40 ? wagi_read_u32(&reader) : 0];
    uint64_t offset = wagi_read_u64(&reader);
    const char *signature = wagi_ops[op].signature, *results = strchr(signature, ':') + 1;
    wagi_slot *x = state->sp - (results - 1 - signature);
    wag_err trap = run(memory, op, offset, x);
    if (trap != WAG_OK)
        return trap;
    state->sp = x + strlen(results);
    state->ip = reader.pos;
    return WAG_OK;
}

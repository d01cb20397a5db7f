/* The atomic ops of the interpreter: prefix 0xFE, on shared and unshared memories. All operands are in memory. */
#include <string.h>

#include "binary/op.h"
#include "binary/reader.h"
#include "interp/frame.h"
#include "ops/atomic.h"

/* The address of an access of `width` bytes. An address that is not a multiple of the width traps before one that is
 * outside. */
static wag_err find(const wag_memory *memory, uint64_t index, uint64_t offset, unsigned width, uint64_t *ret_address)
{
    if ((index + offset) % width)
        return WAG_UNALIGNED_ATOMIC;
    return access_address(index, offset, width, wagi_memory_size(memory), ret_address) ? WAG_OK : WAG_MEMORY_BOUNDS;
}

/* One access, aligned and inside. x: the operands, the deepest first; the result replaces it. */
static wag_err run(wagi_interp_state *state, wagi_op op, wag_memory *memory, uint64_t address, wagi_slot *x)
{
    unsigned width = 1u << wagi_ops[op].align_log2;
    uint8_t *at = memory->base + address;
    uint32_t result = 0;
    wag_err trap = WAG_OK;
    switch (op) {
    case WAGI_OP_memory_atomic_notify:
        x[0] = memory->shared ? wagi_shared_notify(memory->shared, address, (uint32_t)x[1]) : 0;
        return WAG_OK;
    case WAGI_OP_memory_atomic_wait32:
    case WAGI_OP_memory_atomic_wait64:
        if (!memory->shared)
            return WAG_UNSHARED_WAIT;
        trap = wagi_shared_wait(memory->shared, state->agent, address, width, x[1], (int64_t)x[2], &result);
        x[0] = result;
        return trap;
    default:
        break;
    }
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
    uint64_t offset = wagi_read_u64(&reader), address = 0;
    const char *signature = wagi_ops[op].signature, *results = strchr(signature, ':') + 1;
    wagi_slot *x = state->sp - (results - 1 - signature);
    wag_err trap = find(memory, x[0], offset, 1u << wagi_ops[op].align_log2, &address);
    if (trap == WAG_OK)
        trap = run(state, op, memory, address, x);
    if (trap != WAG_OK)
        return trap;
    state->sp = x + strlen(results);
    state->ip = reader.pos;
    return WAG_OK;
}

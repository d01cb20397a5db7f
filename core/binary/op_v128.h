/* The meanings of the vector ops (ops/v128.h) by opcode, all with one type: for whoever wants an op that is chosen at
 * run time, as compiled code's slow paths, the constant folder and the tests do. */
#ifndef WAGI_BINARY_OP_V128_H
#define WAGI_BINARY_OP_V128_H

#include "binary/op.h"
#include "ops/v128.h"

/* operands: in the order of the signature, each in 16 bytes; scalars as a slot (object.h) in the first eight.
 * immediate: the bytes behind the opcode (a lane's number, 16 lanes, 16 bytes of a constant). ret_value: a scalar
 * result has zeros above it; may be one of the operands. */
typedef void wagi_v128_func(const wagi_v128 *operands, const uint8_t *immediate, wagi_v128 *ret_value);

/* NULL for an op that is no vector op or that accesses memory. */
wagi_v128_func *wagi_op_v128_func(wagi_op op);

static inline uint64_t wagi_v128_scalar(wagi_v128 v)
{
    uint64_t slot;
    memcpy(&slot, &v, sizeof slot);
    return slot;
}
static inline wagi_v128 wagi_v128_of_scalar(uint64_t slot)
{
    wagi_v128 v = {{0}};
    memcpy(&v, &slot, sizeof slot);
    return v;
}

#endif

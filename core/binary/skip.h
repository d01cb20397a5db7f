/* Passing over the immediates of an op. */
#ifndef WAGI_BINARY_SKIP_H
#define WAGI_BINARY_SKIP_H

#include "binary/op.h"
#include "binary/reader.h"

/* The op at the reader's position, WAGI_OP_NONE for bytes that are none. */
static inline wagi_op wagi_read_op(wagi_reader *in)
{
    uint8_t byte = wagi_read_u8(in);
    return byte < 0xFB ? wagi_op_plain(byte) : wagi_op_find(byte, wagi_read_u32(in));
}
/* How many clauses a try_table has, whose immediates are next. Afterwards the first clause is. */
uint32_t wagi_read_clause_count(wagi_reader *in, const wagi_module_data *data);
/* Behind the op's immediates. */
void wagi_skip_immediate(wagi_reader *in, const wagi_module_data *data, wagi_op op);

#endif

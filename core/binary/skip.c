/* Passing over the immediates of an op. */
#include "binary/skip.h"

#include "binary/validate.h"

static void skip_leb(wagi_reader *in, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        wagi_read_leb_u(in, 64);
}

static void skip_block_type(wagi_reader *in, const wagi_module_data *data)
{
    if (in->pos < in->end && *in->pos == 0x40)
        in->pos++;
    else if (in->pos < in->end && (*in->pos & 0xC0) == 0x40)
        wagi_read_valtype(in, data);
    else
        wagi_read_s33(in);
}

uint32_t wagi_read_clause_count(wagi_reader *in, const wagi_module_data *data)
{
    skip_block_type(in, data);
    return wagi_read_u32(in);
}

void wagi_skip_immediate(wagi_reader *in, const wagi_module_data *data, wagi_op op)
{
    switch (wagi_ops[op].imm) {
    case WAGI_IMM_NONE:
        return;
    case WAGI_IMM_BLOCK:
        skip_block_type(in, data);
        return;
    case WAGI_IMM_HEAP:
        wagi_read_heap_type(in, data);
        return;
    case WAGI_IMM_BR_TABLE:
        for (uint32_t n = wagi_read_u32(in) + 1; n && !in->error; n--)
            wagi_read_u32(in);
        return;
    case WAGI_IMM_SELECT:
        for (uint32_t n = wagi_read_u32(in); n && !in->error; n--)
            wagi_read_valtype(in, data);
        return;
    case WAGI_IMM_MEMARG:
        if (wagi_read_u32(in) & 0x40)
            wagi_read_u32(in);
        wagi_read_u64(in);
        return;
    case WAGI_IMM_I32:
        wagi_read_s32(in);
        return;
    case WAGI_IMM_I64:
        wagi_read_s64(in);
        return;
    case WAGI_IMM_F32:
        wagi_read_bytes(in, 4);
        return;
    case WAGI_IMM_F64:
        wagi_read_bytes(in, 8);
        return;
    case WAGI_IMM_CALL_INDIRECT:
    case WAGI_IMM_TABLE2:
    case WAGI_IMM_ELEM_TABLE:
    case WAGI_IMM_MEMORY2:
    case WAGI_IMM_DATA_MEMORY:
        skip_leb(in, 2);
        return;
    case WAGI_IMM_MEMARG_LANE:
        if (wagi_read_u32(in) & 0x40)
            wagi_read_u32(in);
        wagi_read_u64(in);
        wagi_read_u8(in);
        return;
    case WAGI_IMM_V128:
    case WAGI_IMM_SHUFFLE:
        wagi_read_bytes(in, 16);
        return;
    case WAGI_IMM_LANE:
        wagi_read_u8(in);
        return;
    case WAGI_IMM_LABEL:
    case WAGI_IMM_FUNC:
    case WAGI_IMM_TYPE:
    case WAGI_IMM_LOCAL:
    case WAGI_IMM_GLOBAL:
    case WAGI_IMM_TABLE:
    case WAGI_IMM_ELEM:
    case WAGI_IMM_MEMORY:
    case WAGI_IMM_DATA:
    case WAGI_IMM_TAG:
        skip_leb(in, 1);
        return;
    case WAGI_IMM_TYPE_FIELD:
    case WAGI_IMM_TYPE_N:
    case WAGI_IMM_TYPE_DATA:
    case WAGI_IMM_TYPE_ELEM:
    case WAGI_IMM_TYPE2:
        skip_leb(in, 2);
        return;
    case WAGI_IMM_BR_ON_CAST:
        wagi_read_u8(in);
        wagi_read_u32(in);
        wagi_read_heap_type(in, data);
        wagi_read_heap_type(in, data);
        return;
    case WAGI_IMM_TRY_TABLE:
        for (uint32_t n = wagi_read_clause_count(in, data); n && !in->error; n--)
            skip_leb(in, wagi_read_u8(in) < WAGI_CATCH_ALL ? 2 : 1);
        return;
    case WAGI_IMM_FENCE:
        wagi_read_u8(in);
        return;
    default: /* no such immediate is in the table */
        wagi_reader_fail_at(in, in->pos, "unknown instruction");
    }
}

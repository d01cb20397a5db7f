/* What code costs. See fuel.h. */
#include "binary/fuel.h"

#include "binary/skip.h"

static bool ends_run(wagi_op op)
{
    switch (op) {
    case WAGI_OP_block:
    case WAGI_OP_try_table:
        return false; /* what follows is executed if they are */
    case WAGI_OP_memory_fill:
    case WAGI_OP_memory_copy:
    case WAGI_OP_memory_init:
    case WAGI_OP_table_grow:
    case WAGI_OP_table_fill:
    case WAGI_OP_table_copy:
    case WAGI_OP_table_init:
    case WAGI_OP_array_new:
    case WAGI_OP_array_new_default:
    case WAGI_OP_array_new_data:
    case WAGI_OP_array_new_elem:
    case WAGI_OP_array_fill:
    case WAGI_OP_array_copy:
    case WAGI_OP_array_init_data:
    case WAGI_OP_array_init_elem:
        return true;
    default:
        return wagi_ops[op].effects & (WAGI_EFFECT_CONTROL | WAGI_EFFECT_CALLS);
    }
}

wagi_fuel_run wagi_fuel_run_at(const wagi_module_data *data, const uint8_t *from, const uint8_t *end)
{
    wagi_reader in = wagi_reader_make(data->bytes.data, from, end);
    uint32_t units = 0;
    while (in.pos < in.end && !in.error) {
        wagi_op op = wagi_read_op(&in);
        wagi_reader immediates = in;
        units += op == WAGI_OP_try_table ? wagi_read_clause_count(&immediates, data) : WAGI_FUEL_UNITS(op);
        wagi_skip_immediate(&in, data, op);
        if (ends_run(op))
            break;
    }
    return (wagi_fuel_run){in.pos, units};
}

uint32_t wagi_fuel_behind(const wagi_module_data *data, const uint8_t *from, const uint8_t *end)
{
    wagi_reader in = wagi_reader_make(data->bytes.data, from, end);
    wagi_op op = wagi_read_op(&in);
    return wagi_fuel_run_at(data, from, end).units - WAGI_FUEL_UNITS(op);
}

/* Site records: for each place, the distance from the one before in code (with the kind in the low bits) and in the
 * module (signed), as LEBs. They are read from the function's start, which only traps and backtraces do. */
#include "compiler/code.h"

static bool put_leb(wagi_unit_code *unit, uint64_t x)
{
    do {
        uint8_t byte = x & 0x7F;
        x >>= 7;
        if (!WAGI_VEC_PUSH(&unit->sites, (uint8_t)(byte | (x ? 0x80 : 0))))
            return false;
    } while (x);
    return true;
}

static const uint8_t *get_leb(const uint8_t *position, uint64_t *ret_value)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *position++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        shift += 7;
    } while (byte & 0x80);
    *ret_value = value;
    return position;
}

static uint64_t zigzag(int64_t x)
{
    return (uint64_t)x << 1 ^ (x < 0 ? UINT64_MAX : 0);
}

bool wagi_sites_encode(wagi_unit_code *unit, const wagi_site *sites, size_t count)
{
    uint32_t code = 0, source = 0;
    for (size_t i = 0; i < count; i++) {
        if (!put_leb(unit, (uint64_t)(sites[i].code - code) << 2 | sites[i].kind) ||
            !put_leb(unit, zigzag((int64_t)sites[i].source - source)))
            return false;
        code = sites[i].code;
        source = sites[i].source;
    }
    return true;
}

const uint8_t *wagi_sites_next(const uint8_t *position, wagi_site *site)
{
    uint64_t code, source;
    position = get_leb(position, &code);
    position = get_leb(position, &source);
    site->kind = code & 3;
    site->code += (uint32_t)(code >> 2);
    site->source += (uint32_t)(source >> 1 ^ (source & 1 ? UINT64_MAX : 0));
    return position;
}

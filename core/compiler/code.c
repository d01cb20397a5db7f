/* Site records: for each place, the distance from the one before in code (with the kind in the low bits) and in the
 * module (signed), as LEBs. They are read from the function's start, which only traps and backtraces do. */
#include "compiler/code.h"

static uint8_t *put_leb(uint8_t *at, uint64_t x)
{
    for (; x >= 0x80; x >>= 7)
        *at++ = (uint8_t)(x | 0x80);
    *at++ = (uint8_t)x;
    return at;
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

#define MAX_SITE_BYTES 10 /* 34 bits and 33 bits */

bool wagi_sites_encode(wagi_unit_code *unit, const wagi_site *sites, size_t count)
{
    uint32_t code = 0, source = 0;
    if (!WAGI_VEC_RESERVE(&unit->sites, count * MAX_SITE_BYTES))
        return false;
    uint8_t *at = unit->sites.p + unit->sites.n;
    for (size_t i = 0; i < count; i++) {
        at = put_leb(at, (uint64_t)(sites[i].code - code) << 2 | sites[i].kind);
        at = put_leb(at, zigzag((int64_t)sites[i].source - source));
        code = sites[i].code;
        source = sites[i].source;
    }
    unit->sites.n = (size_t)(at - unit->sites.p);
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

/* Site records: for each place, the distance from the one before in code (with the kind in the low bits) and in the
 * module (signed), as LEBs. They are read from the function's start, which only traps and backtraces do. */
#include "compiler/code.h"

#include <string.h>

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

#define MAX_SITE_BYTES 10 /* 34 bits and 33 bits */

bool wagi_sites_put_far(wagi_unit_code *unit, uint64_t code, uint64_t source)
{
    if (!WAGI_VEC_RESERVE(&unit->sites, MAX_SITE_BYTES))
        return false;
    uint8_t *start = unit->sites.p + unit->sites.n, *at = start;
    at = put_leb(at, code);
    at = put_leb(at, source);
    unit->sites.n += (size_t)(at - start);
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

/* ---- handlers ---- */

enum { RANGE_WORDS = 2, HANDLER_WORDS = 3 };

static void put_word(wagi_unit_code *unit, uint32_t word)
{
    memcpy(unit->sites.p + unit->sites.n, &word, sizeof word);
    unit->sites.n += sizeof word;
}

static uint32_t get_word(const uint8_t *sites, const wagi_func_code *func, uint32_t index)
{
    uint32_t word;
    memcpy(&word, sites + func->handlers + (size_t)index * sizeof word, sizeof word);
    return word;
}

static uint32_t landing_count(const wagi_ir *ir, const wagi_handler *handler)
{
    return handler->landings == WAGI_NIL ? 0 : ir->body->tries[handler->region].count;
}

bool wagi_handlers_encode(wagi_unit_code *unit, wagi_func_code *func, const wagi_ir *ir,
                          const wagi_handler_range *ranges, size_t count, const uint32_t *block_at)
{
    uint32_t landings = 0;
    if (count == 0)
        return true;
    for (size_t i = 0; i < ir->handlers.n; i++)
        landings += landing_count(ir, &ir->handlers.p[i]);
    size_t words = count * RANGE_WORDS + ir->handlers.n * HANDLER_WORDS + landings;
    if (unit->sites.n + words * 4 > UINT32_MAX || !WAGI_VEC_RESERVE(&unit->sites, words * 4))
        return false;
    func->handlers = (uint32_t)unit->sites.n;
    func->range_count = (uint32_t)count;
    func->handler_count = (uint32_t)ir->handlers.n;
    for (size_t i = 0; i < count; i++) {
        put_word(unit, ranges[i].code);
        put_word(unit, ranges[i].handler);
    }
    landings = 0;
    for (size_t i = 0; i < ir->handlers.n; i++) {
        put_word(unit, ir->handlers.p[i].region);
        put_word(unit, ir->handlers.p[i].parent);
        put_word(unit, landings);
        landings += landing_count(ir, &ir->handlers.p[i]);
    }
    for (size_t i = 0; i < ir->handlers.n; i++)
        for (uint32_t j = 0; j < landing_count(ir, &ir->handlers.p[i]); j++) {
            uint32_t block = ir->labels.p[ir->pool.p[ir->handlers.p[i].landings + j]].block;
            put_word(unit, block_at[block] - 1 - func->start);
        }
    return true;
}

uint32_t wagi_handler_at(const uint8_t *sites, const wagi_func_code *func, uint32_t offset)
{
    uint32_t low = 0, high = func->range_count;
    while (low < high) { /* the last one that starts at or below */
        uint32_t middle = (low + high) / 2;
        if (get_word(sites, func, middle * RANGE_WORDS) <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? get_word(sites, func, (low - 1) * RANGE_WORDS + 1) : 0;
}

wagi_handler_code wagi_handler_read(const uint8_t *sites, const wagi_func_code *func, uint32_t handler)
{
    uint32_t at = func->range_count * RANGE_WORDS + handler * HANDLER_WORDS;
    return (wagi_handler_code){.region = get_word(sites, func, at),
                               .parent = get_word(sites, func, at + 1),
                               .first_landing = get_word(sites, func, at + 2)};
}

uint32_t wagi_landing_at(const uint8_t *sites, const wagi_func_code *func, uint32_t landing)
{
    return get_word(sites, func, func->range_count * RANGE_WORDS + func->handler_count * HANDLER_WORDS + landing);
}

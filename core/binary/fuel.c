/* What code costs. See fuel.h. */
#include "binary/fuel.h"

#include <string.h>

#include "base/alloc.h"
#include "binary/skip.h"

#define OUTSIDE UINT32_MAX /* of all loops: the function's own region */

/* Scratch for one function after another. */
typedef struct counter {
    WAGI_VEC(wagi_fuel_loop) loops;
    WAGI_VEC(uint32_t) open; /* constructs that are open: the region of each, an index in loops or OUTSIDE */
} counter;

static bool is_free(wagi_op op)
{
    switch (op) {
    case WAGI_OP_block:
    case WAGI_OP_loop:
    case WAGI_OP_else_:
    case WAGI_OP_end:
    case WAGI_OP_nop:
        return true;
    default:
        return false;
    }
}

/* Of the op whose immediates are next. A try pays for its clauses: the interpreter reads over them, and the search for
 * a handler comes past them once for each time that it is entered. */
static uint32_t cost_of_op(wagi_reader in, const wagi_module_data *data, wagi_op op)
{
    if (op == WAGI_OP_try_table)
        return wagi_read_clause_count(&in, data);
    return is_free(op) ? 0 : 1;
}

static bool open_construct(counter *c, wagi_op op, uint32_t at, uint32_t region)
{
    if (op == WAGI_OP_loop) {
        region = (uint32_t)c->loops.n;
        if (!WAGI_VEC_PUSH(&c->loops, ((wagi_fuel_loop){.at = at})))
            return false;
    }
    return WAGI_VEC_PUSH(&c->open, region);
}

static bool count(counter *c, const wagi_module_data *data, const wagi_func_body *body, uint32_t *ret_entry)
{
    wagi_reader in = wagi_reader_make(data->bytes.data, body->code, body->end);
    c->loops.n = c->open.n = 0;
    *ret_entry = 0;
    while (in.pos < in.end && !in.error) {
        uint32_t at = (uint32_t)(in.pos - body->code), region = c->open.n ? c->open.p[c->open.n - 1] : OUTSIDE;
        wagi_op op = wagi_read_op(&in);
        *(region == OUTSIDE ? ret_entry : &c->loops.p[region].cost) += cost_of_op(in, data, op);
        wagi_skip_immediate(&in, data, op);
        if (op == WAGI_OP_end)
            c->open.n -= c->open.n > 0; /* the last one is the function's */
        else if ((op == WAGI_OP_block || op == WAGI_OP_loop || op == WAGI_OP_if_ || op == WAGI_OP_try_table) &&
                 !open_construct(c, op, at, region))
            return false;
    }
    return true;
}

bool wagi_fuel_make(wag_module *module)
{
    wagi_module_data *data = (wagi_module_data *)(uintptr_t)module->data; /* not sealed yet */
    uint32_t bodies = data->func_count - data->func_import_count;
    wagi_fuel_cost *costs = wagi_arena_alloc_array(&module->arena, bodies ? bodies : 1, sizeof *costs);
    counter c;
    memset(&c, 0, sizeof c);
    bool fine = costs != NULL;
    for (uint32_t i = 0; fine && i < bodies; i++) {
        fine = count(&c, data, &data->bodies[i], &costs[i].entry);
        costs[i].loop_count = (uint32_t)c.loops.n;
        if (fine && c.loops.n) {
            costs[i].loops = wagi_arena_copy(&module->arena, c.loops.p, c.loops.n * sizeof *c.loops.p);
            fine = costs[i].loops != NULL;
        }
    }
    WAGI_VEC_FREE(&c.loops);
    WAGI_VEC_FREE(&c.open);
    if (fine)
        data->fuel = costs;
    return fine;
}

static const wagi_fuel_cost *cost_of(const wagi_module_data *data, const wagi_func_body *body)
{
    return &data->fuel[body->func_index - data->func_import_count];
}

uint32_t wagi_fuel_of_entry(const wagi_module_data *data, const wagi_func_body *body)
{
    return body->func_index == WAGI_NO_INDEX ? 0 : cost_of(data, body)->entry;
}

uint32_t wagi_fuel_of_loop(const wagi_module_data *data, const wagi_func_body *body, uint32_t at)
{
    const wagi_fuel_cost *cost = cost_of(data, body);
    uint32_t low = 0, high = cost->loop_count; /* the loop sought is in [low, high) */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (cost->loops[middle].at <= at)
            low = middle;
        else
            high = middle;
    }
    return cost->loops[low].cost;
}

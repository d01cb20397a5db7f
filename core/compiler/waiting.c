/* Lists of functions by the body that they wait for. See waiting.h. */
#include "compiler/waiting.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_MISSES = 3 }; /* then a function waits for all bodies */

bool wagi_waiting_init(wagi_waiting *waiting, uint32_t count)
{
    *waiting = (wagi_waiting){.count = count};
    waiting->first = wagi_alloc(((size_t)count + 1) * sizeof *waiting->first);
    waiting->next = wagi_alloc(((size_t)count + 1) * sizeof *waiting->next);
    waiting->misses = wagi_alloc_zero((size_t)count + 1, sizeof *waiting->misses);
    waiting->done = wagi_alloc_zero((size_t)count + 1, sizeof *waiting->done);
    if (!waiting->first || !waiting->next || !waiting->misses || !waiting->done)
        return false;
    memset(waiting->first, 0xFF, count * sizeof *waiting->first); /* WAGI_NO_INDEX */
    return true;
}

void wagi_waiting_fini(wagi_waiting *waiting)
{
    wagi_free(waiting->first);
    wagi_free(waiting->next);
    wagi_free(waiting->misses);
    wagi_free(waiting->done);
    WAGI_VEC_FREE(&waiting->ready);
}

static void wait_for(wagi_waiting *waiting, uint32_t function, uint32_t body)
{
    waiting->next[function] = waiting->first[body];
    waiting->first[body] = function;
}

static bool make_ready(wagi_waiting *waiting, uint32_t function)
{
    waiting->done[function] = true;
    return WAGI_VEC_PUSH(&waiting->ready, function);
}

static int ascending(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return a < b ? -1 : a > b;
}

bool wagi_waiting_advance(wagi_waiting *waiting, const wagi_module_data *data, uint32_t valid)
{
    uint32_t imports = data->func_import_count;
    waiting->ready.n = 0;
    for (uint32_t body = waiting->valid; body < valid; body++) {
        uint32_t last = data->bodies[body].last_callee;
        if (last >= imports + valid)
            wait_for(waiting, body, last - imports);
        else if (!make_ready(waiting, body))
            return false;
        for (uint32_t function = waiting->first[body]; function != WAGI_NO_INDEX; function = waiting->next[function])
            if (!make_ready(waiting, function))
                return false;
    }
    waiting->valid = valid;
    if (waiting->ready.n)
        qsort(waiting->ready.p, waiting->ready.n, sizeof *waiting->ready.p, ascending);
    return true;
}

void wagi_waiting_put_back(wagi_waiting *waiting, uint32_t function, uint32_t missing)
{
    waiting->done[function] = false;
    if (++waiting->misses[function] < MAX_MISSES)
        wait_for(waiting, function, missing);
}

bool wagi_waiting_finish(wagi_waiting *waiting)
{
    waiting->ready.n = 0;
    for (uint32_t function = 0; function < waiting->count; function++)
        if (!waiting->done[function] && !make_ready(waiting, function))
            return false;
    waiting->valid = waiting->count;
    return true;
}

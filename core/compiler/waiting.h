/* Which functions can be compiled while the bodies of others are still to come.
 *
 * Inlining looks at the bodies of callees, so a function is compiled once those that it calls are valid: then its code
 * does not depend on when the bytes came. The validator says which is the last one that it calls; what a callee that is
 * inlined calls shows up only in the attempt, which is then made again. Linear in the number of functions.
 */
#ifndef WAGI_COMPILER_WAITING_H
#define WAGI_COMPILER_WAITING_H

#include "base/alloc.h"
#include "binary/module.h"

typedef struct wagi_waiting {
    uint32_t count;  /* own functions; all numbers here count from the first of them */
    uint32_t valid;  /* bodies that are there, the first ones */
    uint32_t *first; /* by body: a function that waits for it, or WAGI_NO_INDEX */
    uint32_t *next;  /* by function: another one that waits for the same body */
    uint8_t *misses; /* by function: attempts that met a body that was missing */
    bool *done;      /* by function: it has been handed out, and not come back */
    WAGI_VEC(uint32_t) ready;
} wagi_waiting;

/* False without memory; fini in either case. */
bool wagi_waiting_init(wagi_waiting *waiting, uint32_t count);
void wagi_waiting_fini(wagi_waiting *waiting);
/* The first `valid` bodies are there: `ready` becomes the functions, ascending, that can be compiled now and could not
 * before. False without memory. */
bool wagi_waiting_advance(wagi_waiting *waiting, const wagi_module_data *data, uint32_t valid);
/* `function`, which was ready, needs the body `missing` as well. */
void wagi_waiting_put_back(wagi_waiting *waiting, uint32_t function, uint32_t missing);
/* All bodies are there: `ready` becomes all functions that are left. False without memory. */
bool wagi_waiting_finish(wagi_waiting *waiting);

#endif

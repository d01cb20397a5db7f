/* Live intervals, weights and hints of all vregs; removes pure instructions whose result nobody reads. */
#ifndef WAGI_COMPILER_LIVENESS_H
#define WAGI_COMPILER_LIVENESS_H

#include "compiler/machine.h"

typedef struct wagi_liveness {
    WAGI_VEC(uint64_t) sets; /* live-in sets of blocks that a forward branch waits for */
    WAGI_VEC(uint32_t) free_sets;
    WAGI_VEC(uint32_t) set_of;    /* per block: its set, or NONE */
    WAGI_VEC(uint32_t) first_ref; /* per block: the first block that branches to it */
    WAGI_VEC(uint32_t) waiting;   /* per block: its next in the list of blocks with that first_ref, 1 + index */
    WAGI_VEC(uint64_t) live;
} wagi_liveness;

void wagi_liveness_init(wagi_liveness *liveness);
void wagi_liveness_fini(wagi_liveness *liveness);
/* False without memory. */
bool wagi_liveness_run(wagi_liveness *liveness, wagi_ir *ir, const wagi_machine *machine);

/* Expected executions of a block, relative to the function's entry. */
float wagi_block_weight(const wagi_ir *ir, uint32_t block);
/* Positions that a loop covers. */
uint32_t wagi_loop_start(const wagi_ir *ir, uint32_t loop);
uint32_t wagi_loop_end(const wagi_ir *ir, uint32_t loop);

#endif

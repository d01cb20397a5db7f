/* What code costs: one unit of fuel for each instruction, by straight regions.
 *
 * A function's body outside of its loops is one region, and so is the body of each loop outside of its inner loops. A
 * region is charged as a whole when control enters it: the function's when it is called, the loop's each time its start
 * is passed. So what is charged is never less than what is executed, depends on the module's bytes and the path through
 * functions and loops alone, and is the same in every tier. Free are block, loop, else, end and nop; a try_table costs
 * one unit for each of its clauses. */
#ifndef WAGI_BINARY_FUEL_H
#define WAGI_BINARY_FUEL_H

#include "binary/module.h"

typedef struct wagi_fuel_loop {
    uint32_t at; /* of the loop's opcode, from wagi_func_body.code */
    uint32_t cost;
} wagi_fuel_loop;

/* Of one function. */
typedef struct wagi_fuel_cost {
    uint32_t entry;
    uint32_t loop_count;
    const wagi_fuel_loop *loops; /* in the order of the code */
} wagi_fuel_cost;

/* Make module->data->fuel, from when on the module's code charges. The module is valid, unsealed and has no tier yet.
 * Linear in its bytes. False without memory. */
bool wagi_fuel_make(wag_module *module);
/* What it costs to pass the start of a loop, or to enter the function (which has no index for a constant expression,
 * and costs nothing then). data->fuel is not NULL. */
uint32_t wagi_fuel_of_loop(const wagi_module_data *data, const wagi_func_body *body, uint32_t at);
uint32_t wagi_fuel_of_entry(const wagi_module_data *data, const wagi_func_body *body);

#endif

/* What code costs: one unit of fuel for each instruction that is executed, but nothing for block, loop, else, end and
 * nop, and for try_table one for each of its clauses: the interpreter reads over them, and the search for a handler
 * comes past them once for each time that it is entered.
 *
 * The interpreter counts instructions. Native code charges runs: a run is what is executed from its first instruction
 * to its last unless one of them traps; it is charged as a whole when it begins, and what a trap has kept from being
 * executed is given back (exec/trap.c). A run ends with an instruction of control, with a call, and with one that
 * charges for what it moves (runtime/fuel.h), so wherever somebody can read or compare the fuel, both have charged the
 * same. Whether any is left is asked when a function begins and at the start of each pass of a loop, where stops are
 * polled, too; what is executed between may overdraw. */
#ifndef WAGI_BINARY_FUEL_H
#define WAGI_BINARY_FUEL_H

#include "binary/op.h"

/* A constant expression when op is one. A try's clauses count apart. */
#define WAGI_FUEL_UNITS(op)                                                                                            \
    ((op) == WAGI_OP_block || (op) == WAGI_OP_loop || (op) == WAGI_OP_try_table || (op) == WAGI_OP_else_ ||            \
             (op) == WAGI_OP_end || (op) == WAGI_OP_nop                                                                \
         ? 0u                                                                                                          \
         : 1u)

/* Bytes that an instruction moves for one unit more (runtime/fuel.h). */
#define WAGI_FUEL_BYTES 64

/* From now on the module's code charges. It is not sealed yet. */
static inline void wagi_fuel_turn_on(const wag_module *module)
{
    ((wagi_module_data *)(uintptr_t)module->data)->fuel = true;
}

/* What is left of a run. */
typedef struct wagi_fuel_run {
    const uint8_t *end; /* behind its last instruction */
    uint32_t units;
} wagi_fuel_run;

/* The run to which the instruction at `from` belongs, from there on. end: of the body, which is valid. Linear in the
 * bytes of the run. */
wagi_fuel_run wagi_fuel_run_at(const wagi_module_data *data, const uint8_t *from, const uint8_t *end);
/* What is left of it behind that instruction. */
uint32_t wagi_fuel_behind(const wagi_module_data *data, const uint8_t *from, const uint8_t *end);

#endif

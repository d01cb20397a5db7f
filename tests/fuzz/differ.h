/* One module in every tier: all exported functions are called with the same arguments, and results, traps with their
 * backtraces, memories, globals and tables must be the same bits everywhere. What an import function is given counts,
 * too. Once more it runs with code that charges fuel, with plenty and with little of it: then what is left must be the
 * same. The first difference is printed, the module is written to differ.wasm, and the process aborts.
 *
 * An exported mutable i32 global "fuel" is filled up before each call; an exported function "hangLimitInitializer"
 * (binaryen's) is called instead when there is one.
 */
#ifndef TESTS_FUZZ_DIFFER_H
#define TESTS_FUZZ_DIFFER_H

#include "waggle.h"

/* False when there is nothing to compare: the module is refused by the interpreter, too, or wants imports other than
 * functions. */
bool differ_compare(wag_bytes module);
/* The same for a module whose imports are the exports of a library, in the same tier and across tiers. The library's
 * state counts; it is written to differ-library.wasm. */
bool differ_compare_pair(wag_bytes library, wag_bytes module);

#endif

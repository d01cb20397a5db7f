/* Valid modules from bytes: each byte is a decision; when they run out a pseudo-random sequence goes on.
 *
 * Bodies are made along the operand stack: what an instruction needs and is not on top already is pushed. So values
 * stay on the stack across blocks, calls and loops, and blocks have parameters and several results. The modules use all
 * that the native tier has code for but loops without end: loops and calls take fuel from the exported global "fuel".
 * Everything that a run can change is exported. NaNs whose bits an op may choose are made canonical.
 */
#ifndef TESTS_FUZZ_GENERATE_H
#define TESTS_FUZZ_GENERATE_H

#include <stdbool.h>

#include "tests/support/bytes.h"

/* Appends a module to `out`. `seed` begins the sequence behind the bytes. */
void generate_module(const uint8_t *data, size_t size, uint64_t seed, build *out);
/* A library, and a module that imports its functions and fuel, perhaps its memory and function table, as "lib". */
void generate_pair(const uint8_t *data, size_t size, uint64_t seed, build *library, build *out);

#endif

/* The allocation checker: proof that homes and edits compute what the IR computes, for one function. */
#ifndef WAGI_COMPILER_CHECK_H
#define WAGI_COMPILER_CHECK_H

#include "compiler/regalloc.h"

/* NULL when the allocation is right (or memory ran out), else what is wrong (static text). Slow; for debug and fuzzing.
 */
const char *wagi_check_homes(wagi_ir *ir, wagi_homes *homes);

#endif

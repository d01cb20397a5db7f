/* The in-place interpreter: the tier of every machine without a compiler, and the oracle of the tests. */
#ifndef WAGI_INTERP_INTERP_H
#define WAGI_INTERP_INTERP_H

#include "runtime/tier.h"

extern const wagi_tier wagi_tier_interp;

#endif

/* The interpreter's loop for code that charges fuel: it counts instructions. It runs all functions, those with v128
 * values as well. */
#define WAGI_INTERP_FUEL
#define WAGI_INTERP_WIDE
#define WAGI_INTERP_SHARED
#include "interp/interp_loop.c"

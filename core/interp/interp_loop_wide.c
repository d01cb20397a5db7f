/* The interpreter's loop for functions with v128 values (interp_loop.c says what differs). */
#define WAGI_INTERP_WIDE
#define WAGI_INTERP_SHARED
#include "interp/interp_loop.c"

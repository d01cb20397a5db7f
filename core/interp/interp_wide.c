/* The interpreter's loop once more, for functions with v128 values (interp_loop.c says what differs). */
#define WAGI_INTERP_WIDE
#include "interp/interp_loop.c"

/* The interpreter's loop for instances with a shared memory. */
#define WAGI_INTERP_SHARED
#include "interp/interp_loop.c"

/* A cluster's limits: the list of waggle/limits.def as a struct, copied and lowered per cluster. */
#ifndef WAGI_BASE_LIMITS_H
#define WAGI_BASE_LIMITS_H

#include <stdint.h>

typedef struct wagi_limits {
#define LIMIT(name, value, text) uint64_t name;
#include "waggle/limits.def"
#undef LIMIT
} wagi_limits;

extern const wagi_limits wagi_default_limits;

#endif

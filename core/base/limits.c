/* The built-in limits. */
#include "base/limits.h"

const wagi_limits wagi_default_limits = {
#define LIMIT(name, value, text) .name = (value),
#include "waggle/limits.def"
#undef LIMIT
};

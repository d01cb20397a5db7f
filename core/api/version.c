/* The version of the library that is linked. */
#include "waggle/base.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

const char *wag_version(void)
{
    return TEXT(WAG_VERSION_MAJOR) "." TEXT(WAG_VERSION_MINOR) "." TEXT(WAG_VERSION_PATCH);
}

/* What the ways to instantiate share. */
#ifndef WAGI_API_INSTANTIATE_H
#define WAGI_API_INSTANTIATE_H

#include "runtime/object.h"
#include "waggle/imports.h"

/* Read the imports (may be NULL), then make the instance. ret_instance: own. Owner thread. */
wag_err wagi_instantiate_with(wag_module *module, wag_imports *imports, wag_instance **ret_instance,
                              wag_error **reterr_error);

#endif

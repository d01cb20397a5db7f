/* From bytes to a Module that can run: decode, validate, compile by a tier, seal. */
#ifndef WAGI_EXEC_COMPILE_H
#define WAGI_EXEC_COMPILE_H

#include "exec/native.h"

/* bytes: borrow (copied by the decoder; a caller on another thread than the bytes' owner copies first). cluster:
 * borrow. ret_module: own. Any thread. Fails as wag_module_new; WAG_UNSUPPORTED names the feature, the function and the
 * offset. */
wag_err wagi_compile(wag_bytes bytes, struct wag_cluster *cluster, wag_tier tier, wag_module **ret_module,
                     wag_error **reterr_error);

/* The same from a decoded module (own), with the help of a draft of its native code (borrow, may be NULL). */
wag_err wagi_compile_decoded(wag_module *module, struct wag_cluster *cluster, wag_tier tier, wagi_native_draft *draft,
                             wag_module **ret_module, wag_error **reterr_error);

/* Are all features that the module uses on in the cluster? WAG_INVALID when not: the error names the first one, and
 * where it is used first. */
wag_err wagi_compile_allowed(const wagi_module_data *data, const struct wag_cluster *cluster, wag_error **reterr_error);
/* Does the tier run everything that the module uses? WAG_UNSUPPORTED when not: the error names what is missing and
 * where it is used first. */
wag_err wagi_compile_check(const wagi_module_data *data, const wagi_tier *tier, wag_error **reterr_error);

/* What became of the wish: INTERP, NATIVE_GUARD or NATIVE_CHECKED. */
wag_tier wagi_module_tier(const wag_module *module);

#endif

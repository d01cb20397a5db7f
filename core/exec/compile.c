/* From bytes to a Module that can run. */
#include "exec/compile.h"

#include <inttypes.h>

#include "binary/fail.h"
#include "interp/interp.h"
#include "runtime/agent.h"

/* NULL for a tier that does not exist. */
static const wagi_tier *tier_of(wag_tier tier)
{
    switch (tier) {
    case WAG_TIER_DEFAULT:
    case WAG_TIER_INTERP:
        return &wagi_tier_interp;
    }
    return NULL;
}

/* Does the tier run everything that the module uses? The error names what is missing and where it is used first. */
static wag_err check_features(const wagi_module_data *data, const wagi_tier *tier, wag_error **reterr_error)
{
    uint64_t missing = data->features & ~tier->features;
    if (!missing)
        return WAG_OK;
    unsigned feature = 0;
    while (!(missing >> feature & 1u))
        feature++;
    return wagi_fail_at(WAG_UNSUPPORTED, data->feature_offset[feature], data->feature_func[feature], reterr_error,
                        "feature not supported by the %s tier: %s", tier->name,
                        wagi_feature_text((wagi_feature)feature));
}

wag_err wagi_compile(wag_bytes bytes, struct wag_cluster *cluster, wag_tier tier, wag_module **ret_module,
                     wag_error **reterr_error)
{
    const wagi_tier *how = tier_of(tier);
    if (!how)
        return wagi_fail(wagi_error_new(WAG_TYPE, "there is no tier %d", (int)tier), reterr_error);
    wag_module *module;
    wag_err err = wagi_module_decode(bytes, cluster, cluster->registry, &cluster->limits, &module, reterr_error);
    if (err != WAG_OK)
        return err;
    wag_cluster_ref(cluster);
    err = check_features(module->data, how, reterr_error);
    if (err == WAG_OK && how->compile)
        err = how->compile(module, reterr_error);
    if (err != WAG_OK)
        goto out;
    module->tier = how; /* only now: a tier that failed to compile has nothing to release */
    if (!wagi_module_seal(module)) {
        err = wagi_fail(wagi_error_new(WAG_SYSTEM, "the module's memory cannot be mapped read-only"), reterr_error);
        goto out;
    }
    *ret_module = module;
    module = NULL;
out:
    wag_module_unref(module);
    return err;
}

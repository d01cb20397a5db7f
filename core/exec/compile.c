/* From bytes to a Module that can run. */
#include "exec/compile.h"

#include <inttypes.h>

#include "binary/fail.h"
#include "binary/fuel.h"
#include "exec/native.h"
#include "interp/interp.h"
#include "runtime/agent.h"
#include "runtime/compile_pool.h"
#include "runtime/image.h"

/* The first of the features that are missing, which are not none. */
static unsigned first_of(uint64_t missing)
{
    unsigned feature = 0;
    while (!(missing >> feature & 1u))
        feature++;
    return feature;
}

wag_err wagi_compile_allowed(const wagi_module_data *data, const wag_cluster *cluster, wag_error **reterr_error)
{
    uint64_t missing = data->features & ~cluster->features;
    if (!missing)
        return WAG_OK;
    unsigned feature = first_of(missing);
    return wagi_fail_at(WAG_INVALID, data->feature_offset[feature], data->feature_func[feature], reterr_error,
                        "feature that the cluster has not on: %s", wagi_feature_text((wagi_feature)feature));
}

wag_err wagi_compile_check(const wagi_module_data *data, const wagi_tier *tier, wag_error **reterr_error)
{
    uint64_t missing = data->features & ~tier->features;
    if (!missing)
        return WAG_OK;
    unsigned feature = first_of(missing);
    return wagi_fail_at(WAG_UNSUPPORTED, data->feature_offset[feature], data->feature_func[feature], reterr_error,
                        "feature not supported by the %s tier: %s", tier->name,
                        wagi_feature_text((wagi_feature)feature));
}

wag_tier wagi_module_tier(const wag_module *module)
{
    if (module->tier != &wagi_tier_native)
        return WAG_TIER_INTERP;
    return module->guarded ? WAG_TIER_NATIVE_GUARD : WAG_TIER_NATIVE_CHECKED;
}

static wag_err compile_by(wag_module *module, const wagi_tier *tier, bool guarded, wagi_native_draft *draft,
                          wag_error **reterr_error)
{
    wag_err err = wagi_compile_check(module->data, tier, reterr_error);
    module->guarded = guarded;
    if (err == WAG_OK && tier == &wagi_tier_native)
        err = wagi_native_compile(module, draft, reterr_error);
    else if (err == WAG_OK && tier->compile)
        err = tier->compile(module, reterr_error);
    if (err == WAG_OK)
        module->tier = tier; /* only now: a tier that failed to compile has nothing to release */
    else
        module->guarded = false;
    return err;
}

/* The fastest tier that can run the module: what the native one refuses, the interpreter may take. */
static wag_err compile_by_default(wag_module *module, wagi_native_draft *draft, wag_error **reterr_error)
{
    if (wagi_native_available()) {
        bool guarded = wagi_native_may_guard(module->data, module->cluster->signals);
        wag_err err = compile_by(module, &wagi_tier_native, guarded, draft, NULL);
        if (err != WAG_UNSUPPORTED)
            return err == WAG_OK ? err : wagi_fail(wagi_error_new(err, NULL), reterr_error);
    }
    return compile_by(module, &wagi_tier_interp, false, NULL, reterr_error);
}

static wag_err compile_as(wag_module *module, wag_tier tier, wagi_native_draft *draft, wag_error **reterr_error)
{
    switch (tier) {
    case WAG_TIER_DEFAULT:
        return compile_by_default(module, draft, reterr_error);
    case WAG_TIER_INTERP:
        return compile_by(module, &wagi_tier_interp, false, NULL, reterr_error);
    case WAG_TIER_NATIVE:
    case WAG_TIER_NATIVE_GUARD:
    case WAG_TIER_NATIVE_CHECKED:
        break;
    default:
        return wagi_fail(wagi_error_new(WAG_TYPE, "there is no tier %d", (int)tier), reterr_error);
    }
    if (!wagi_native_available())
        return wagi_fail(wagi_error_new(WAG_UNSUPPORTED, "no native tier on this machine"), reterr_error);
    wag_signals signals = module->cluster->signals;
    bool guarded = tier != WAG_TIER_NATIVE_CHECKED && wagi_native_may_guard(module->data, signals);
    if (tier == WAG_TIER_NATIVE_GUARD && !guarded)
        return wagi_fail(wagi_error_new(WAG_UNSUPPORTED, signals == WAG_SIGNALS_NONE
                                                             ? "no guard pages in a cluster without signals"
                                                             : "no guard pages in this process"),
                         reterr_error);
    return compile_by(module, &wagi_tier_native, guarded, draft, reterr_error);
}

wag_err wagi_compile_decoded(wag_module *module, wag_cluster *cluster, wag_tier tier, wagi_native_draft *draft,
                             wag_module **ret_module, wag_error **reterr_error)
{
    wag_cluster_ref(cluster);
    wag_err err = wagi_compile_allowed(module->data, cluster, reterr_error);
    if (cluster->fuel)
        wagi_fuel_turn_on(module);
    if (err == WAG_OK)
        err = compile_as(module, tier, draft, reterr_error);
    if (err != WAG_OK)
        goto out;
    if (wagi_memory_images_make(module) != WAG_OK) {
        err = wagi_fail(wagi_error_nomem(), reterr_error);
        goto out;
    }
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

wag_err wagi_compile(wag_bytes bytes, struct wag_cluster *cluster, wag_tier tier, wag_module **ret_module,
                     wag_error **reterr_error)
{
    wag_module *module;
    wagi_parallel parallel = wagi_compile_pool_parallel(cluster);
    wag_err err =
        wagi_module_decode_by(bytes, cluster, cluster->registry, &cluster->limits, &parallel, &module, reterr_error);
    return err == WAG_OK ? wagi_compile_decoded(module, cluster, tier, NULL, ret_module, reterr_error) : err;
}

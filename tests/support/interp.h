/* Instances that run in the interpreter, whatever the default tier is. Only on the test's own thread. */
#ifndef TESTS_SUPPORT_INTERP_H
#define TESTS_SUPPORT_INTERP_H

#include "tests/support/check.h"

/* cluster: NULL is the default one. imports: borrow, may be NULL. own. */
static inline wag_instance *interp_of_bytes(wag_bytes bytes, wag_cluster *cluster, wag_imports *imports)
{
    wag_compile_options options = {.cluster = cluster, .tier = WAG_TIER_INTERP};
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    if (wag_module_new(bytes, &options, &module, &error) != WAG_OK ||
        wag_instance_new(module, imports, &instance, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    assert_int_equal(wag_module_tier(module), WAG_TIER_INTERP);
    wag_module_unref(module);
    return instance;
}

static inline wag_instance *interp_of(const char *text, wag_imports *imports)
{
    wag_bytes bytes = wat(text);
    wag_instance *instance = interp_of_bytes(bytes, NULL, imports);
    wat_free(bytes);
    return instance;
}

#endif

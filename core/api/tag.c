/* waggle/instance.h: tags. Checks, then one call inward. */
#include "api/check.h"
#include "runtime/store.h"

wag_err wag_tag_new(const char *signature, wag_tag **ret_tag, wag_error **reterr_error)
{
    wag_agent *agent = wag_agent_current();
    if (!agent)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    if (!signature)
        return wagi_fail(wagi_error_new(WAG_TYPE, "a tag needs a signature"), reterr_error);
    const wagi_type *type = NULL;
    wag_err err = wagi_signature_parse(agent, signature, &type, reterr_error);
    if (err != WAG_OK)
        return err;
    if (type->result_count) {
        wagi_type_group_unref(agent->cluster->registry, type);
        return wagi_fail(wagi_error_new(WAG_TYPE, "a tag has no results: \"%.200s\"", signature), reterr_error);
    }
    wag_tag *tag = wagi_tag_new(agent, type);
    if (!tag)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    WAGI_GIVE(tag, ret_tag);
    return WAG_OK;
}

wag_tag *wag_tag_ref(wag_tag *tag)
{
    wagi_handle_ref((const wagi_object *)tag);
    return tag;
}

void wag_tag_unref(wag_tag *tag)
{
    wagi_handle_unref((const wagi_object *)tag);
}

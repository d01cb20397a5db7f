/* waggle/instance.h: host references. Checks, then one call inward. */
#include "api/check.h"
#include "runtime/store.h"

wag_extern *wag_extern_new(void *host, void (*finalize)(void *host))
{
    wag_agent *agent = wag_agent_current();
    wag_extern *ext = agent ? wagi_extern_new(agent, host, finalize) : NULL;
    if (!ext && finalize)
        finalize(host);
    return ext;
}

wag_extern *wag_extern_ref(wag_extern *ext)
{
    wagi_handle_ref((const wagi_object *)ext);
    return ext;
}

void wag_extern_unref(wag_extern *ext)
{
    wagi_handle_unref((const wagi_object *)ext);
}

void *wag_extern_host(const wag_extern *ext)
{
    return wagi_mine((const wagi_object *)ext) ? ext->host : NULL;
}

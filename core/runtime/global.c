/* Host-made globals. Those of an instance are part of its block (instance.c). */
#include "runtime/store.h"

void wagi_global_store(wag_global *global, const wagi_slot *value)
{
    wag_agent *agent = global->object.unit->agent;
    if (agent->gc.marking && wagi_is_ref(global->type.content))
        wagi_gc_shade(agent, global->value[0]);
    global->value[0] = value[0];
    if (global->type.content == WAGI_V128)
        global->value[1] = value[1];
}

wag_global *wagi_global_new(wag_agent *agent, wagi_global_type type)
{
    wag_global *global = wagi_object_new(agent, WAGI_OBJECT_GLOBAL, sizeof *global);
    if (!global)
        return NULL;
    global->type = type;
    /* It may outlive the module whose type it mentions. */
    if (wagi_is_ref(type.content) && wagi_is_concrete(type.content))
        wagi_type_group_ref(wagi_registry_type(agent->cluster->registry, wagi_heap_of(type.content)));
    return global;
}

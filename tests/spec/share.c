/* What a thread of a script sees of its parent's instances: their shared memories. An instance belongs to its agent; a
 * shared memory is aliased by a Memory of the thread's own agent. */
#include <stdlib.h>
#include <string.h>

#include "tests/spec/spec.h"

static wag_name copy_name(wag_name name)
{
    char *copy = malloc(name.size + 1);
    if (!copy)
        exit(2);
    memcpy(copy, name.data, name.size);
    return (wag_name){copy, name.size};
}

/* memory: own. */
static void add(spec_env *env, wag_name instance, wag_name field, wag_shared_memory *memory)
{
    env->shared = realloc(env->shared, (env->shared_count + 1) * sizeof *env->shared);
    if (!env->shared)
        exit(2);
    env->shared[env->shared_count++] = (spec_shared){copy_name(instance), copy_name(field), memory};
}

static bool same_name(wag_name a, wag_name b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

void spec_env_share(const spec_env *parent, spec_env *thread, wag_name name)
{
    const spec_slot *definition = spec_slots_find(&parent->definitions, name);
    const spec_slot *instance = spec_slots_find(&parent->instances, name);
    wag_name field;
    wag_value value;
    if (definition)
        spec_slots_bind(&thread->definitions, name, definition);
    if (instance && instance->instance) {
        const wag_exports *exports = wag_instance_exports(instance->instance);
        for (size_t i = 0; wag_exports_at(exports, i, &field, &value); i++)
            if (value.kind == WAG_VALUE_MEMORY && wag_memory_is_shared(value.of.memory))
                add(thread, name, field, wag_memory_share(value.of.memory));
    } else if (instance) {
        spec_slots_bind(&thread->instances, name, &(spec_slot){.missing = instance->missing});
    }
    for (size_t i = 0; i < parent->shared_count; i++) /* what the parent was given itself */
        if (same_name(parent->shared[i].instance, name))
            add(thread, name, parent->shared[i].field, wag_shared_memory_ref(parent->shared[i].memory));
}

wag_value spec_env_shared_namespace(const spec_env *env, wag_name name)
{
    wag_value namespace = WAG_UNDEFINED;
    for (size_t i = 0; i < env->shared_count; i++) {
        wag_memory *memory = NULL;
        if (!same_name(env->shared[i].instance, name))
            continue;
        if (namespace.kind == WAG_VALUE_UNDEFINED)
        namespace = wag_map();
        if (wag_memory_of_shared(env->shared[i].memory, &memory, NULL) != WAG_OK ||
            wag_map_set_n(namespace, env->shared[i].field, WAG_MEMORY(memory)) != WAG_OK)
            exit(2);
    }
    return namespace;
}

void spec_env_unshare(spec_env *env)
{
    for (size_t i = 0; i < env->shared_count; i++) {
        free((char *)env->shared[i].instance.data);
        free((char *)env->shared[i].field.data);
        wag_shared_memory_unref(env->shared[i].memory);
    }
    free(env->shared);
}

/* The names of a script: instances, definitions, registered modules, host references. */
#include <stdlib.h>
#include <string.h>

#include "tests/spec/spec.h"

void spec_tally_skip(spec_tally *tally, const char *reason, bool needs, unsigned count)
{
    tally->skipped += count;
    for (unsigned i = 0; i < tally->reason_count; i++)
        if (strcmp(tally->reasons[i].text, reason) == 0) {
            tally->reasons[i].count += count;
            return;
        }
    if (tally->reason_count == SPEC_REASONS)
        return;
    spec_reason *entry = &tally->reasons[tally->reason_count++];
    strncpy(entry->text, reason, sizeof entry->text - 1);
    entry->text[sizeof entry->text - 1] = '\0';
    entry->needs = needs;
    entry->count = count;
}

void spec_tally_add(spec_tally *sum, const spec_tally *tally)
{
    sum->passed += tally->passed;
    sum->failed += tally->failed;
    sum->swapped += tally->swapped;
    sum->other_text += tally->other_text;
    for (unsigned i = 0; i < tally->reason_count; i++)
        spec_tally_skip(sum, tally->reasons[i].text, tally->reasons[i].needs, tally->reasons[i].count);
}

wag_name spec_json_name(const json_t *object, const char *key)
{
    const json_t *string = json_object_get(object, key);
    return (wag_name){json_string_value(string), json_string_length(string)};
}

const char *spec_json_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

void spec_slot_set(spec_slot *slot, wag_module *module, wag_instance *instance, const char *missing)
{
    wag_module_ref(module);
    wag_instance_ref(instance);
    wag_module_unref(slot->module);
    wag_instance_unref(slot->instance);
    slot->module = module;
    slot->instance = instance;
    slot->missing = missing;
}

static bool same_name(wag_name a, wag_name b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

const spec_slot *spec_slots_find(const spec_slots *slots, wag_name name)
{
    for (size_t i = 0; i < slots->n; i++)
        if (same_name(slots->p[i].name, name))
            return &slots->p[i];
    return NULL;
}

void spec_slots_bind(spec_slots *slots, wag_name name, const spec_slot *value)
{
    spec_slot *slot = (spec_slot *)spec_slots_find(slots, name);
    if (!slot) {
        slots->p = realloc(slots->p, (slots->n + 1) * sizeof *slots->p);
        char *copy = malloc(name.size + 1);
        if (!slots->p || !copy)
            exit(2);
        memcpy(copy, name.data, name.size);
        slot = &slots->p[slots->n++];
        *slot = (spec_slot){.name = {copy, name.size}};
    }
    spec_slot_set(slot, value->module, value->instance, value->missing);
}

void spec_slots_unbind(spec_slots *slots, wag_name name)
{
    spec_slot *slot = (spec_slot *)spec_slots_find(slots, name);
    if (!slot)
        return;
    spec_slot_set(slot, NULL, NULL, NULL);
    free((char *)slot->name.data);
    *slot = slots->p[--slots->n];
}

static void slots_fini(spec_slots *slots)
{
    while (slots->n)
        spec_slots_unbind(slots, slots->p[slots->n - 1].name);
    free(slots->p);
}

void spec_env_init(spec_env *env, const spec_run *run, spec_tally *tally)
{
    *env = (spec_env){.run = run, .tally = tally};
    env->current.missing = env->definition.missing = "no module before";
}

void spec_env_fini(spec_env *env)
{
    spec_env_unshare(env);
    slots_fini(&env->instances);
    slots_fini(&env->definitions);
    slots_fini(&env->unregistered);
    spec_slot_set(&env->current, NULL, NULL, NULL);
    spec_slot_set(&env->definition, NULL, NULL, NULL);
    for (size_t i = 0; i < env->host_ref_count; i++) {
        wag_any_unref(env->host_refs[i].any);
        wag_extern_unref(env->host_refs[i].ext);
    }
    free(env->host_refs);
    wag_imports_unref(env->imports);
}

static spec_host_ref *host_ref(spec_env *env, uint32_t number)
{
    for (size_t i = 0; i < env->host_ref_count; i++)
        if (env->host_refs[i].number == number)
            return &env->host_refs[i];
    env->host_refs = realloc(env->host_refs, (env->host_ref_count + 1) * sizeof *env->host_refs);
    /* One more, so that number 0 is not the null pointer. */
    wag_extern *ext = wag_extern_new((void *)((uintptr_t)number + 1), NULL);
    wag_any *any = ext ? wag_any_of_extern(ext) : NULL;
    if (!env->host_refs || !any)
        exit(2);
    env->host_refs[env->host_ref_count] = (spec_host_ref){.number = number, .ext = ext, .any = any};
    return &env->host_refs[env->host_ref_count++];
}

wag_extern *spec_env_host_ref(spec_env *env, uint32_t number)
{
    return host_ref(env, number)->ext;
}

wag_any *spec_env_host_any(spec_env *env, uint32_t number)
{
    return host_ref(env, number)->any;
}

const char *spec_feature_of(const wag_error *error)
{
    static const struct {
        const char *name, *text;
    } features[] = {
#define FEATURE(name, text) {#name, text},
#include "binary/feature.def"
#undef FEATURE
    };
    /* The longest text that fits: "relaxed SIMD" has "SIMD" in it. */
    const char *found = "UNKNOWN";
    size_t longest = 0;
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        if (strlen(features[i].text) > longest && strstr(wag_error_message(error), features[i].text)) {
            found = features[i].name;
            longest = strlen(features[i].text);
        }
    return found;
}

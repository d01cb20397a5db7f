/* One script: its commands, in order.
 *
 * What cannot run (WAG_UNSUPPORTED) is "missing" with a reason: the commands that need it, and modules that import from
 * it, are skipped with that reason. assert_invalid and assert_malformed need nothing: they are never skipped for it.
 * A `thread` runs its commands on a thread with an agent of its own and counts for itself until `wait` adds it up.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/spec/spec.h"

#include "runtime/agent.h"

typedef struct spec_thread {
    wag_name name; /* borrow: from the JSON */
    pthread_t id;
    spec_env env;
    spec_tally tally;
    const json_t *commands;
    bool started;
} spec_thread;

/* Where a command is, for messages. */
typedef struct command {
    spec_env *env;
    const json_t *json;
    const char *type;
} command;

static void failed(const command *c, const char *format, ...) WAG_PRINTF(2, 3);
static void failed(const command *c, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *p = text; *p; p++) /* names may hold line ends and worse */
        if ((unsigned char)*p < ' ')
            *p = '?';
    c->env->tally->failed++;
    printf("%s.wast:%lld: %s: %s\n", c->env->run->label,
           (long long)json_integer_value(json_object_get(c->json, "line")), c->type, text);
}

static void passed(const command *c)
{
    c->env->tally->passed++;
}

static void needs(const command *c, const char *reason)
{
    spec_tally_skip(c->env->tally, reason, true, 1);
}

static void skipped(const command *c, const char *reason)
{
    spec_tally_skip(c->env->tally, reason, false, 1);
}

static const char *text_of(const wag_error *error)
{
    return error ? wag_error_message(error) : "(no error object)";
}

/* ---- modules ---- */

static bool read_bytes(const command *c, uint8_t **ret_data, size_t *ret_size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", c->env->run->folder, spec_json_text(c->json, "filename"));
    FILE *file = fopen(path, "rb");
    long size = -1;
    if (file && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    /* Exactly as large as the module, so that reading past its end is found by a sanitizer. */
    uint8_t *data = size >= 0 ? malloc(size ? (size_t)size : 1) : NULL;
    bool ok = data && fseek(file, 0, SEEK_SET) == 0 && fread(data, 1, (size_t)size, file) == (size_t)size;
    if (file)
        fclose(file);
    if (!ok) {
        free(data);
        failed(c, "cannot read %s", path);
        return false;
    }
    *ret_data = data;
    *ret_size = (size_t)size;
    return true;
}

typedef enum compiled { COMPILED, COMPILE_FAILED, COMPILE_BROKEN } compiled;

/* COMPILE_BROKEN: a failure was reported already. *ret_error: own, set for COMPILE_FAILED. */
static compiled compile(const command *c, wag_module **ret_module, wag_error **ret_error)
{
    uint8_t *data;
    size_t size;
    if (!read_bytes(c, &data, &size))
        return COMPILE_BROKEN;
    wag_compile_options options = {.cluster = c->env->run->cluster, .tier = c->env->run->tier};
    bool valid = wag_validate((wag_bytes){data, size}, &options);
    wag_module *module = NULL;
    wag_error *error = NULL;
    wag_err err = wag_module_new((wag_bytes){data, size}, &options, &module, &error);
    free(data);
    if (valid != (err == WAG_OK || err == WAG_UNSUPPORTED)) {
        failed(c, "wag_validate says %s, wag_module_new says %s: %s", valid ? "valid" : "invalid", wag_err_name(err),
               text_of(error));
    } else if (err != WAG_OK && wag_error_get_class(error) != WAG_CLASS_COMPILE_ERROR) {
        failed(c, "%s is no CompileError: %s", wag_err_name(err), text_of(error));
    } else {
        *ret_module = module;
        *ret_error = error;
        return err == WAG_OK ? COMPILED : COMPILE_FAILED;
    }
    wag_module_unref(module);
    wag_error_unref(error);
    return COMPILE_BROKEN;
}

/* A module that must be valid. False: *ret_missing says why there is none; NULL when that was reported as a failure. */
static bool compile_valid(const command *c, wag_module **ret_module, const char **ret_missing)
{
    wag_error *error = NULL;
    *ret_missing = NULL;
    compiled outcome = compile(c, ret_module, &error);
    if (outcome == COMPILE_FAILED) {
        if (wag_error_code(error) == WAG_UNSUPPORTED)
            *ret_missing = spec_feature_of(error);
        else
            failed(c, "%s: %s: %s", spec_json_text(c->json, "filename"), wag_err_name(wag_error_code(error)),
                   text_of(error));
    }
    wag_error_unref(error);
    return outcome == COMPILED;
}

/* Why one of the namespaces that a module imports from is missing; NULL when none is. */
static const char *missing_import(const spec_env *env, const wag_module *module)
{
    wag_import_desc import;
    for (size_t i = 0; wag_module_import_at(module, i, &import); i++) {
        const spec_slot *slot = spec_slots_find(&env->unregistered, import.module);
        if (slot)
            return slot->missing;
    }
    return NULL;
}

static const char broken[] = "a module that failed";

static void become_definition(spec_env *env, const json_t *json, wag_module *module, const char *missing)
{
    wag_name name = spec_json_name(json, "name");
    spec_slot_set(&env->definition, module, NULL, module ? NULL : missing ? missing : broken);
    if (name.data)
        spec_slots_bind(&env->definitions, name, &env->definition);
}

static void become_instance(spec_env *env, wag_name name, wag_instance *instance, const char *missing)
{
    spec_slot_set(&env->current, NULL, instance, instance ? NULL : missing ? missing : broken);
    if (name.data)
        spec_slots_bind(&env->instances, name, &env->current);
}

/* Instantiate what must be instantiable, and make it current. */
static void instantiate(const command *c, wag_module *module, wag_name name)
{
    const char *missing = missing_import(c->env, module);
    wag_instance *instance = NULL;
    if (missing) {
        needs(c, missing);
    } else {
        wag_error *error = NULL;
        wag_err err = wag_instance_new(module, c->env->imports, &instance, &error);
        if (err == WAG_OK)
            passed(c);
        else
            failed(c, "%s: %s", wag_err_name(err), text_of(error));
        wag_error_unref(error);
    }
    become_instance(c->env, name, instance, missing);
    wag_instance_unref(instance);
}

static void run_module(const command *c)
{
    wag_module *module = NULL;
    const char *missing;
    bool definition_only = strcmp(c->type, "module_definition") == 0 || json_object_get(c->json, "definition");
    bool ok = compile_valid(c, &module, &missing);
    become_definition(c->env, c->json, module, missing);
    if (missing)
        needs(c, missing);
    if (!ok && !definition_only)
        become_instance(c->env, spec_json_name(c->json, "name"), NULL, missing);
    else if (ok && definition_only)
        passed(c);
    else if (ok)
        instantiate(c, module, spec_json_name(c->json, "name"));
    wag_module_unref(module);
}

static void run_module_instance(const command *c)
{
    wag_name name = spec_json_name(c->json, "module");
    const spec_slot *definition = name.data ? spec_slots_find(&c->env->definitions, name) : &c->env->definition;
    wag_name instance = spec_json_name(c->json, "instance");
    if (definition && definition->module) {
        instantiate(c, definition->module, instance);
    } else if (definition && definition->missing != broken) {
        needs(c, definition->missing);
        become_instance(c->env, instance, NULL, definition->missing);
    } else {
        failed(c, "no such definition");
        become_instance(c->env, instance, NULL, NULL);
    }
}

static const spec_slot *find_instance(const spec_env *env, wag_name name)
{
    static const spec_slot none = {.missing = broken};
    const spec_slot *slot = name.data ? spec_slots_find(&env->instances, name) : &env->current;
    return slot ? slot : &none;
}

static void run_register(const command *c)
{
    wag_name name = spec_json_name(c->json, "name"), as = spec_json_name(c->json, "as");
    const spec_slot *slot = find_instance(c->env, name);
    wag_value namespace = slot->instance ? wag_value_ref(WAG_INSTANCE(slot->instance))
                          : name.data    ? spec_env_shared_namespace(c->env, name)
                                         : WAG_UNDEFINED;
    if (namespace.kind == WAG_VALUE_UNDEFINED) {
        spec_slots_bind(&c->env->unregistered, as, slot);
        if (slot->missing == broken)
            failed(c, "no such instance");
        else
            needs(c, slot->missing);
        return;
    }
    spec_slots_unbind(&c->env->unregistered, as);
    wag_err err = wag_imports_set_namespace_n(c->env->imports, as, namespace);
    if (err == WAG_OK)
        passed(c);
    else
        failed(c, "%s", wag_err_name(err));
    wag_value_unref(namespace);
}

/* ---- assertions about modules ---- */

static void assert_rejected(const command *c, wag_err wanted)
{
    wag_module *module = NULL;
    wag_error *error = NULL;
    compiled outcome = compile(c, &module, &error);
    if (outcome == COMPILED && c->env->run->wasm2 &&
        strcmp(spec_json_text(c->json, "text"), "multiple memories") == 0) {
        skipped(c, "multiple memories are valid now");
    } else if (outcome == COMPILED) {
        failed(c, "accepted %s; should say: %s", spec_json_text(c->json, "filename"), spec_json_text(c->json, "text"));
    } else if (outcome == COMPILE_FAILED && wag_error_code(error) == WAG_UNSUPPORTED) {
        failed(c, "%s: %s; should say: %s", spec_json_text(c->json, "filename"), text_of(error),
               spec_json_text(c->json, "text"));
    } else if (outcome == COMPILE_FAILED) {
        wag_err code = wag_error_code(error);
        if (code != wanted && (code == WAG_MALFORMED || code == WAG_INVALID))
            c->env->tally->swapped++;
        if (code != wanted && c->env->run->verbose)
            printf("%s.wast:%lld: note: %s: %s; reference: %s\n", c->env->run->label,
                   (long long)json_integer_value(json_object_get(c->json, "line")), wag_err_name(code), text_of(error),
                   spec_json_text(c->json, "text"));
        passed(c);
    }
    wag_module_unref(module);
    wag_error_unref(error);
}

static void run_assert_rejected_custom(const command *c)
{
    wag_module *module = NULL;
    wag_error *error = NULL;
    compiled outcome = compile(c, &module, &error);
    if (outcome == COMPILED)
        skipped(c, "optional: contents of custom sections");
    else if (outcome == COMPILE_FAILED)
        passed(c);
    wag_module_unref(module);
    wag_error_unref(error);
}

/* The texts of the reference interpreter are prefixes of its messages; ours may say more, or less. */
static void compare_text(const command *c, const wag_error *error)
{
    const char *wanted = spec_json_text(c->json, "text");
    const char *got = text_of(error);
    size_t size = strlen(wanted) < strlen(got) ? strlen(wanted) : strlen(got);
    if (strncmp(wanted, got, size) == 0)
        return;
    c->env->tally->other_text++;
    if (c->env->run->verbose)
        printf("%s.wast:%lld: note: says: %s; reference: %s\n", c->env->run->label,
               (long long)json_integer_value(json_object_get(c->json, "line")), got, wanted);
}

/* In JavaScript a namespace that is not there is a TypeError, and a field that is not there a LinkError. */
static bool is_link_error(const command *c, const wag_error *error)
{
    return wag_error_get_class(error) == WAG_CLASS_LINK_ERROR ||
           (wag_error_code(error) == WAG_TYPE && strncmp(spec_json_text(c->json, "text"), "unknown import", 14) == 0);
}

static bool is_trap(const wag_error *error)
{
    wag_err code = wag_error_code(error);
    return wag_error_get_class(error) == WAG_CLASS_RUNTIME_ERROR && code != WAG_STACK_OVERFLOW &&
           code != WAG_UNCAUGHT_EXCEPTION && code != WAG_OUT_OF_FUEL;
}

static void assert_not_instantiable(const command *c, bool link)
{
    wag_name name = spec_json_name(c->json, "module");
    const spec_slot *definition = name.data ? spec_slots_find(&c->env->definitions, name) : NULL;
    wag_module *module = definition ? wag_module_ref(definition->module) : NULL;
    const char *missing = definition ? definition->missing : NULL;
    wag_error *error = NULL;
    if (!definition && !compile_valid(c, &module, &missing)) {
        if (missing)
            needs(c, missing);
        return;
    }
    if (module && !missing)
        missing = missing_import(c->env, module);
    wag_instance *instance = NULL;
    if (missing) {
        needs(c, missing);
    } else if (wag_instance_new(module, c->env->imports, &instance, &error) == WAG_OK) {
        failed(c, "instantiated %s; should say: %s", spec_json_text(c->json, "filename"),
               spec_json_text(c->json, "text"));
    } else if (link ? is_link_error(c, error) : is_trap(error) || wag_error_code(error) == WAG_UNCAUGHT_EXCEPTION) {
        if (!link)
            compare_text(c, error);
        passed(c);
    } else {
        failed(c, "%s: %s; should say: %s", wag_err_name(wag_error_code(error)), text_of(error),
               spec_json_text(c->json, "text"));
    }
    wag_instance_unref(instance);
    wag_module_unref(module);
    wag_error_unref(error);
}

/* ---- actions ---- */

enum { MOST_ARGS = 64 };

/* What an action did. */
typedef struct outcome {
    enum { RETURNED, RAISED, MISSING, IMPOSSIBLE } what;
    const char *reason; /* MISSING: what is; IMPOSSIBLE: what is wrong with the command */
    wag_error *error;   /* RAISED: own */
    wag_val *values;    /* RETURNED: own, with their references */
    size_t count;
} outcome;

static void outcome_fini(outcome *o)
{
    for (size_t i = 0; i < o->count; i++)
        wag_val_unref(o->values[i]);
    free(o->values);
    wag_error_unref(o->error);
}

static outcome impossible(const char *reason)
{
    return (outcome){.what = IMPOSSIBLE, .reason = reason};
}

static outcome invoke(spec_env *env, wag_func *func, const json_t *args)
{
    size_t arg_count = json_array_size(args);
    wag_val values[MOST_ARGS] = {0};
    if (arg_count > MOST_ARGS)
        return impossible("too many arguments for the runner");
    for (size_t i = 0; i < arg_count; i++)
        if (!spec_value_read(env, json_array_get(args, i), &values[i]))
            return (outcome){.what = MISSING, .reason = "GC"};
    size_t count = wag_func_result_count(func);
    wag_val *results = calloc(count ? count : 1, sizeof *results);
    wag_error *error = NULL;
    if (!results)
        exit(2);
    if (wag_call(func, values, arg_count, results, count, &error) == WAG_OK)
        return (outcome){.what = RETURNED, .values = results, .count = count};
    free(results);
    return (outcome){.what = RAISED, .error = error};
}

static outcome act(const command *c)
{
    const json_t *action = json_object_get(c->json, "action");
    const spec_slot *slot = find_instance(c->env, spec_json_name(action, "module"));
    if (!slot->instance && slot->missing == broken)
        return impossible("no such instance");
    if (!slot->instance)
        return (outcome){.what = MISSING, .reason = slot->missing};
    wag_name field = spec_json_name(action, "field");
    wag_value export = wag_exports_get_n(wag_instance_exports(slot->instance), field);
    if (strcmp(spec_json_text(action, "type"), "get") != 0) {
        if (export.kind != WAG_VALUE_FUNC)
            return impossible("no such function");
        return invoke(c->env, export.of.func, json_object_get(action, "args"));
    }
    wag_val *value = calloc(1, sizeof *value);
    if (!value)
        exit(2);
    if (export.kind == WAG_VALUE_GLOBAL && wag_global_get(export.of.global, value) == WAG_OK)
        return (outcome){.what = RETURNED, .values = value, .count = 1};
    free(value);
    return impossible(export.kind == WAG_VALUE_GLOBAL ? "the global cannot be read" : "no such global");
}

static void compare_results(const command *c, const outcome *o)
{
    const json_t *expected = json_object_get(c->json, "expected");
    char wanted[256], got[128];
    if (json_is_array(json_object_get(c->json, "either"))) {
        /* wast2json: alternatives for the one result */
        const json_t *either = json_object_get(c->json, "either");
        for (size_t i = 0; o->count == 1 && i < json_array_size(either); i++)
            if (spec_value_matches(json_array_get(either, i), &o->values[0])) {
                passed(c);
                return;
            }
        failed(c, "none of the alternatives");
        return;
    }
    if (json_array_size(expected) != o->count) {
        failed(c, "%zu results, expected %zu", o->count, json_array_size(expected));
        return;
    }
    for (size_t i = 0; i < o->count; i++)
        if (!spec_value_matches(json_array_get(expected, i), &o->values[i])) {
            spec_value_print_json(json_array_get(expected, i), wanted, sizeof wanted);
            spec_value_print(&o->values[i], got, sizeof got);
            failed(c, "\"%s\" result %zu: expected %s, got %s",
                   spec_json_text(json_object_get(c->json, "action"), "field"), i, wanted, got);
            return;
        }
    passed(c);
}

static void run_action(const command *c)
{
    outcome o = act(c);
    const char *field = spec_json_text(json_object_get(c->json, "action"), "field");
    bool returns = strcmp(c->type, "action") == 0 || strcmp(c->type, "assert_return") == 0;
    if (o.what == MISSING) {
        needs(c, o.reason);
    } else if (o.what == IMPOSSIBLE) {
        failed(c, "\"%s\": %s", field, o.reason);
    } else if (o.what == RAISED && returns) {
        failed(c, "\"%s\": %s: %s", field, wag_err_name(wag_error_code(o.error)), text_of(o.error));
    } else if (o.what == RETURNED && strcmp(c->type, "assert_return") == 0) {
        compare_results(c, &o);
    } else if (o.what == RETURNED && returns) {
        passed(c);
    } else if (o.what == RETURNED) {
        failed(c, "\"%s\" returned; should say: %s", field, spec_json_text(c->json, "text"));
    } else {
        wag_err code = wag_error_code(o.error);
        bool ok = strcmp(c->type, "assert_exhaustion") == 0  ? code == WAG_STACK_OVERFLOW
                  : strcmp(c->type, "assert_exception") == 0 ? code == WAG_UNCAUGHT_EXCEPTION
                                                             : is_trap(o.error);
        if (ok && strcmp(c->type, "assert_exception") != 0)
            compare_text(c, o.error);
        if (ok)
            passed(c);
        else
            failed(c, "\"%s\": %s: %s; should say: %s", field, wag_err_name(code), text_of(o.error),
                   spec_json_text(c->json, "text"));
    }
    outcome_fini(&o);
}

/* ---- threads ---- */

static void run_commands(spec_env *env, const json_t *commands);

/* All handles are gone: nothing may be left in this thread's agent. */
static void end_agent(const spec_run *run, spec_tally *tally)
{
    wag_agent_collect();
    size_t live = wag_agent_live_objects();
    if (live != 0) {
        tally->failed++;
        printf("%s.wast: leak: %zu store objects are still alive\n", run->label, live);
    }
    wag_err err = wag_agent_close();
    if (err != WAG_OK) {
        tally->failed++;
        printf("%s.wast: wag_agent_close: %s\n", run->label, wag_err_name(err));
    }
}

static void run_in_agent(spec_env *env, const spec_run *run, spec_tally *tally, const json_t *commands)
{
    wag_agent *agent = wag_agent_open(run->cluster) == WAG_OK ? wag_agent_current() : NULL;
    env->imports = agent ? wag_imports_new() : NULL;
    if (run->gc_stress && agent)
        wagi_gc_stress(agent, true);
    (void)wag_fuel_set(INT64_MAX); /* if code charges any */
    if (env->imports && spec_spectest_add(env->imports, run)) {
        run_commands(env, commands);
    } else {
        tally->failed++;
        printf("%s.wast: the host module spectest could not be made\n", run->label);
    }
    if (run->gc_stress && agent && !wagi_gc_check(agent)) {
        tally->failed++;
        printf("%s.wast: the heap is not consistent\n", run->label);
    }
    spec_env_fini(env);
    end_agent(run, tally);
}

static void *thread_main(void *context)
{
    spec_thread *thread = context;
    run_in_agent(&thread->env, thread->env.run, &thread->tally, thread->commands);
    return NULL;
}

static void run_thread(const command *c)
{
    spec_env *env = c->env;
    spec_thread **threads = realloc(env->threads, (env->thread_count + 1) * sizeof *threads);
    spec_thread *thread = calloc(1, sizeof *thread);
    if (!threads || !thread)
        exit(2);
    env->threads = threads;
    threads[env->thread_count++] = thread;
    thread->name = spec_json_name(c->json, "name");
    thread->commands = json_object_get(c->json, "commands");
    spec_env_init(&thread->env, env->run, &thread->tally);
    const json_t *shared = json_object_get(c->json, "shared");
    for (size_t i = 0; i < json_array_size(shared); i++) {
        const json_t *string = json_array_get(shared, i);
        wag_name name = {json_string_value(string), json_string_length(string)};
        spec_env_share(env, &thread->env, name);
    }
    thread->started = pthread_create(&thread->id, NULL, thread_main, thread) == 0;
    if (thread->started)
        passed(c);
    else
        failed(c, "no thread");
}

/* Wait for the thread of that name, or for all when name is NULL. True when there was one. */
static bool join(spec_env *env, const wag_name *name)
{
    bool found = false;
    for (size_t i = env->thread_count; i-- > 0;) {
        spec_thread *thread = env->threads[i];
        if (name && (thread->name.size != name->size || memcmp(thread->name.data, name->data, name->size) != 0))
            continue;
        if (thread->started)
            pthread_join(thread->id, NULL);
        spec_tally_add(env->tally, &thread->tally);
        free(thread);
        env->threads[i] = env->threads[--env->thread_count];
        found = true;
        if (name)
            break;
    }
    return found;
}

static void run_wait(const command *c)
{
    wag_name name = spec_json_name(c->json, "thread");
    if (join(c->env, name.data ? &name : NULL))
        passed(c);
    else
        failed(c, "no such thread");
}

/* ---- commands ---- */

static void run_assertion(const command *c)
{
    if (strcmp(c->type, "assert_malformed") == 0)
        assert_rejected(c, WAG_MALFORMED);
    else if (strcmp(c->type, "assert_invalid") == 0)
        assert_rejected(c, WAG_INVALID);
    else if (strcmp(c->type, "assert_malformed_custom") == 0 || strcmp(c->type, "assert_invalid_custom") == 0)
        run_assert_rejected_custom(c);
    else if (strcmp(c->type, "assert_unlinkable") == 0)
        assert_not_instantiable(c, true);
    else
        assert_not_instantiable(c, false);
}

static void run_command(spec_env *env, const json_t *json)
{
    static const struct {
        const char *type;
        void (*run)(const command *);
    } types[] = {
        {"module", run_module},
        {"module_definition", run_module},
        {"module_instance", run_module_instance},
        {"register", run_register},
        {"action", run_action},
        {"assert_return", run_action},
        {"assert_trap", run_action},
        {"assert_exhaustion", run_action},
        {"assert_exception", run_action},
        {"assert_malformed", run_assertion},
        {"assert_invalid", run_assertion},
        {"assert_malformed_custom", run_assertion},
        {"assert_invalid_custom", run_assertion},
        {"assert_unlinkable", run_assertion},
        {"assert_uninstantiable", run_assertion},
        {"thread", run_thread},
        {"wait", run_wait},
    };
    command c = {env, json, spec_json_text(json, "type")};
    if (strcmp(spec_json_text(json, "module_type"), "text") == 0) {
        skipped(&c, "text format");
        return;
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(c.type, types[i].type) == 0) {
            types[i].run(&c);
            return;
        }
    failed(&c, "the runner does not know this command");
}

static void run_commands(spec_env *env, const json_t *commands)
{
    for (size_t i = 0; i < json_array_size(commands); i++)
        run_command(env, json_array_get(commands, i));
    join(env, NULL);
    free(env->threads);
}

void spec_script_run(const spec_run *run, const json_t *script, spec_tally *tally)
{
    spec_env env;
    spec_env_init(&env, run, tally);
    run_in_agent(&env, run, tally, json_object_get(script, "commands"));
    size_t modules = wag_live_modules();
    if (modules != 0) {
        tally->failed++;
        printf("%s.wast: leak: %zu modules are still alive\n", run->label, modules);
    }
}

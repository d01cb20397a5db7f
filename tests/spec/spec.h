/* The runner of the official test suites: what its files share.
 *
 *   main.c      options, finding the scripts, one process per script, totals
 *   script.c    one script: its commands
 *   env.c       names, instances and what is not available, and why
 *   share.c     what threads see of each other
 *   value.c     values of the JSON files
 *   spectest.c  the host module
 *   expected.c  the lists of scripts that need a feature that cannot run yet
 *
 * The format is that of ../shared/spec/README.md; folders made by wast2json or wasm-tools json-from-wast work, too. It
 * is written against the public interface only (and the list of features, to name one that is missing).
 */
#ifndef TESTS_SPEC_H
#define TESTS_SPEC_H

#include <jansson.h>

#include "waggle.h"

/* Why commands were skipped. A reason that `needs` something names a feature or proposal that cannot run yet. */
enum { SPEC_REASONS = 24, SPEC_REASON_TEXT = 56 };
typedef struct spec_reason {
    char text[SPEC_REASON_TEXT];
    bool needs;
    unsigned count;
} spec_reason;

/* What came of a script. Plain bytes: it travels through a pipe. */
typedef struct spec_tally {
    unsigned passed, failed, skipped;
    unsigned swapped;    /* rejected, but as malformed instead of invalid or the other way round */
    unsigned other_text; /* trapped, with another text than the reference interpreter's */
    unsigned reason_count;
    spec_reason reasons[SPEC_REASONS];
} spec_tally;

void spec_tally_skip(spec_tally *tally, const char *reason, bool needs, unsigned count);
void spec_tally_add(spec_tally *sum, const spec_tally *tally);

/* What every script of a run shares. */
typedef struct spec_run {
    const char *folder; /* of the script: where its modules are */
    const char *label;  /* "core/br_if" */
    bool wasm2;         /* written for WebAssembly 2.0: threads-core */
    bool verbose;
    bool gc_stress; /* collect at every allocation, check the heap at the end */
    wag_tier tier;
    wag_cluster *cluster; /* with the proposal on, and without limits that only the JS API has */
} spec_run;

/* Run a script and release everything again. The thread must not have an agent that is in use. */
void spec_script_run(const spec_run *run, const json_t *script, spec_tally *tally);

/* ---- env.c ---- */

/* A named thing, or why it is not there. Exactly one of module, instance, missing is set. */
typedef struct spec_slot {
    wag_name name; /* own */
    wag_module *module;
    wag_instance *instance;
    const char *missing; /* reason: static, or in env->reasons */
} spec_slot;

typedef struct spec_slots {
    spec_slot *p;
    size_t n;
} spec_slots;

typedef struct spec_host_ref {
    uint32_t number;
    wag_extern *ext;
    wag_any *any; /* the same in the any hierarchy */
} spec_host_ref;

/* A shared memory that an instance of the parent exports. */
typedef struct spec_shared {
    wag_name instance, field; /* own */
    wag_shared_memory *memory;
} spec_shared;

typedef struct spec_env {
    const spec_run *run;
    spec_tally *tally;
    wag_imports *imports;    /* spectest and what was registered */
    spec_slots instances;    /* by name */
    spec_slots definitions;  /* by name */
    spec_slots unregistered; /* registered names whose instance is missing */
    spec_slot current;       /* instance; name unused */
    spec_slot definition;    /* the latest; name unused */
    spec_host_ref *host_refs;
    size_t host_ref_count;
    spec_shared *shared; /* of the parent's instances */
    size_t shared_count;
    struct spec_thread **threads; /* script.c */
    size_t thread_count;
} spec_env;

/* Without import object: that belongs to the agent of the thread that runs the script. */
void spec_env_init(spec_env *env, const spec_run *run, spec_tally *tally);
void spec_env_fini(spec_env *env); /* on the thread that ran the script */
/* Own or borrowed by the caller's choice: the slot takes references of its own. name: borrow. */
void spec_slot_set(spec_slot *slot, wag_module *module, wag_instance *instance, const char *missing);
void spec_slots_bind(spec_slots *slots, wag_name name, const spec_slot *value);
const spec_slot *spec_slots_find(const spec_slots *slots, wag_name name); /* NULL when there is none */
void spec_slots_unbind(spec_slots *slots, wag_name name);
/* The same number is the same reference. borrow. */
wag_extern *spec_env_host_ref(spec_env *env, uint32_t number);
wag_any *spec_env_host_any(spec_env *env, uint32_t number);

/* The feature that an error of WAG_UNSUPPORTED is about, as in feature.def; "UNKNOWN" when the text names none. */
const char *spec_feature_of(const wag_error *error);

wag_name spec_json_name(const json_t *object, const char *key);    /* data NULL when absent */
const char *spec_json_text(const json_t *object, const char *key); /* "" when absent */

/* ---- share.c ---- */

/* Let a thread see the parent's definition and instance of that name. On the parent's thread. */
void spec_env_share(const spec_env *parent, spec_env *thread, wag_name name);
/* An instance of the parent as a namespace: a map of its shared memories. own; undefined when there is none. */
wag_value spec_env_shared_namespace(const spec_env *env, wag_name name);
void spec_env_unshare(spec_env *env);

/* ---- spectest.c ---- */

/* Register a fresh host module "spectest". */
bool spec_spectest_add(wag_imports *imports, const spec_run *run);

/* ---- value.c ---- */

/* False when the interface has no such values. References: borrow. */
bool spec_value_read(spec_env *env, const json_t *json, wag_val *ret_value);
bool spec_value_matches(const json_t *expected, const wag_val *got);
/* "i32 5", with the bits of floats. */
void spec_value_print(const wag_val *value, char *text, size_t size);
void spec_value_print_json(const json_t *json, char *text, size_t size);

/* ---- expected.c ---- */

/* The checked-in lists: DIR/FEATURE.txt with lines "suite/script passed skipped". */
typedef struct spec_expected {
    char feature[SPEC_REASON_TEXT];
    char label[96];
    unsigned passed, skipped;
    bool seen;
} spec_expected;

typedef struct spec_expectations {
    spec_expected *p;
    size_t n;
} spec_expectations;

/* False, with a message, when the folder cannot be read. */
bool spec_expectations_load(spec_expectations *list, const char *folder);
/* Compare a script with its lines; prints and counts what is wrong as failed. */
void spec_expectations_check(spec_expectations *list, const char *label, spec_tally *tally);
/* Print listed scripts of a suite that were not found; returns how many. */
unsigned spec_expectations_unseen(const spec_expectations *list, const char *suite);
/* Replace the lists by what the results say. */
bool spec_expectations_write(const char *folder, const char *const *labels, const spec_tally *tallies, size_t count);

#endif

/* A module of the load test in Waggle: where its bytes and its script are, its imports as stubs, and one life of an
 * instance: made, used as the script says, dropped.
 */
#ifndef LOAD_GUEST_H
#define LOAD_GUEST_H

#include "script.h"
#include "waggle.h"

/* Shared by all threads. */
typedef struct subject {
    const char *name; /* borrow */
    wag_bytes bytes;  /* own */
    script script;
    size_t written; /* bytes of the pages that an instance of a shape writes; 0: not known */
} subject;

/* name: a, b, c (shapes.h), own (load.wat), a C program of the benchmarks, or a module of $(BUILD)/load/modules. Its
 * script is tests/load/scripts/NAME.calls. The program ends with a message when there is none. */
void subject_init(subject *s, const char *name);
void subject_fini(subject *s);

typedef struct stub stub;

/* What one worker needs for its instances. Its own thread. */
typedef struct guest {
    const subject *subject;
    wag_module *module;   /* borrow */
    wag_imports *imports; /* own */
    stub *stubs;          /* own; contexts of the imported functions */
    uint32_t worker;
    wag_name memory_export;                  /* borrow: the module's; no data: it has none */
    const char *memory_module, *memory_name; /* own; of an imported memory, made anew for each life; NULL: none */
    uint64_t memory_initial, memory_maximum;
} guest;

void guest_init(guest *g, const subject *s, wag_module *module, uint32_t worker);
void guest_fini(guest *g);

/* An instance that is alive. */
typedef struct life {
    wag_instance *instance;
    const wag_exports *exports;
    wag_memory *memory; /* borrow, or own when it is imported; NULL: none */
} life;

void life_begin(life *l, const guest *g);
/* n: below SCRIPT_LIVES. False when it gave a wrong value. */
bool life_use(life *l, const guest *g, uint32_t n);
void life_end(life *l, const guest *g);

#endif

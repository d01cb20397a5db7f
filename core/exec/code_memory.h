/* Mapped machine code. Pages are read-write while they are filled and read-execute ever after, never both. A
 * process-wide registry answers "whose code is at this address", also inside a signal handler. */
#ifndef WAGI_EXEC_CODE_MEMORY_H
#define WAGI_EXEC_CODE_MEMORY_H

#include "compiler/compile.h"

/* A module's code: the tier's data of a native module. Immutable once it is registered. */
typedef struct wagi_code {
    wagi_image image;
    size_t mapped; /* bytes of code */
    const wagi_module_data *data;
    struct wagi_gdb_entry *gdb; /* what gdb knows of it (exec/gdb_jit.h), or NULL */
    uint32_t registered;        /* its slot in the registry, 1 + index */
} wagi_code;

/* Make the image's code executable. image: own on success. NULL without memory or when the process may not map
 * executable memory (then *ret_forbidden is true). */
wagi_code *wagi_code_new(wagi_image *image, const wagi_module_data *data, bool *ret_forbidden);
void wagi_code_free(wagi_code *code); /* nothing may run in it any more */

/* The code that contains pc, or NULL. Async-signal-safe, lock-free. The result stays valid as long as a frame is in it.
 */
const wagi_code *wagi_code_find(uintptr_t pc);
/* The function at an offset, NULL when it is a stub. */
const wagi_func_code *wagi_code_func(const wagi_code *code, uint32_t offset);
/* The records behind one. */
typedef struct wagi_site_rest {
    const uint8_t *at;
    uint32_t count;
} wagi_site_rest;
/* The record of a place in a function. */
bool wagi_code_site(const wagi_code *code, const wagi_func_code *func, uint32_t offset, bool is_fault,
                    wagi_site *ret_site, wagi_site_rest *ret_rest);
/* When the site is in an inlined callee: make it that of the call. */
bool wagi_code_caller(wagi_site_rest *rest, wagi_site *site);
/* The function whose body a module offset is in. */
uint32_t wagi_code_func_index(const wagi_module_data *data, uint32_t source);

#endif

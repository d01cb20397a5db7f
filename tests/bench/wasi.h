/* The part of WASI preview 1 that C programs without files need, over the public interface: standard output goes into a
 * buffer, there are no arguments and no environment, random numbers are always the same ones.
 */
#ifndef BENCH_WASI_H
#define BENCH_WASI_H

#include "waggle.h"

typedef struct wasi {
    wag_memory *memory; /* borrow: the instance's, set after instantiation; NULL: every call that needs it fails */
    char *output;       /* own: free() */
    size_t output_size, output_room;
    uint64_t random;
} wasi;

/* Add the functions to imports, as fields of wasi_snapshot_preview1. w: borrow, as long as anything can call them. */
wag_err wasi_provide(wasi *w, wag_imports *imports);

#endif

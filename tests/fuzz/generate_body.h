/* Between the generator's two files: generate.c makes sections, generate_body.c what is in a function. */
#ifndef TESTS_FUZZ_GENERATE_BODY_H
#define TESTS_FUZZ_GENERATE_BODY_H

#include <stdbool.h>
#include <string.h>

#include "tests/support/bytes.h"

/* Kinds of values: i I f F as in op.def, r funcref, x externref. */
enum {
    MAX_KINDS = 12,
    TYPES = 10, /* of which the first FUNCS are those of the functions */
    FUNCS = 6,
    MAX_STACK = 400,
    MAX_LABELS = 24,
    MAX_LOCALS = 64,
    TABLE_SIZE = 8,
    ENTRY_FUEL = 10,
};

typedef struct kinds {
    unsigned count;
    char at[MAX_KINDS];
} kinds;

static inline bool same_kinds(const kinds *x, const kinds *y)
{
    return x->count == y->count && memcmp(x->at, y->at, x->count) == 0;
}

typedef struct label {
    kinds carries; /* what a branch takes along */
    size_t base;   /* stack height below which the block cannot look */
} label;

typedef struct maker {
    const uint8_t *data;
    size_t size, at;
    uint64_t random;
    build *b;
    struct {
        kinds params, results;
    } types[TYPES];
    char stack[MAX_STACK];
    size_t height;
    label labels[MAX_LABELS];
    unsigned label_count;
    char locals[MAX_LOCALS];
    unsigned local_count, counters; /* the last locals: loop counters, NaN scratch f32, f64 */
    unsigned func;
    unsigned leaves;   /* bit per function: small, no loops, calls only such ones behind it; so it takes no fuel */
    unsigned imported; /* functions that come first and belong to the library: 0 or FUNCS */
    bool imports_memory, imports_table;
    int budget; /* instructions left for the body */
    unsigned memories;
    bool memory_is_64[2], plain_floats;
} maker;

static inline bool is_leaf(const maker *m, unsigned func)
{
    return m->leaves >> func & 1;
}

/* A decision: below count, which is at most 256. */
unsigned gen_choose(maker *m, unsigned count);
char gen_some_kind(maker *m);
void gen_put_types(build *b, const kinds *types);
/* The body of own function `func`, its size in front. */
void gen_body(maker *m, unsigned func);

#endif

/* Between the generator's files: generate.c makes sections, generate_body.c what is in a function, generate_exception.c
 * what of that throws and catches, generate_vector.c what computes with 128 bits, generate_gc.c what works on the heap,
 * generate_atomic.c the atomic accesses. */
#ifndef TESTS_FUZZ_GENERATE_BODY_H
#define TESTS_FUZZ_GENERATE_BODY_H

#include <stdbool.h>
#include <string.h>

#include "binary/op.h"
#include "tests/support/bytes.h"

/* Kinds of values: i I f F v as in op.def, r funcref, x externref, e exnref, a anyref. */
enum {
    MAX_KINDS = 12,
    TYPES = 10, /* of which the first FUNCS are those of the functions */
    FUNCS = 6,
    MAX_STACK = 400,
    MAX_LABELS = 24,
    MAX_LOCALS = 64,
    TABLE_SIZE = 8,
    ENTRY_FUEL = 10,
    TAGS = 3,
    /* Behind the others: for each tag its type, () -> its values, and the same with an exnref; last () -> (exnref). */
    TAG_TYPES = TYPES,
    EXNREF_TYPE = TYPES + 3 * TAGS,
    ALL_TYPES = EXNREF_TYPE + 1,
    STRUCTS = 3, /* each a subtype of the one before */
    ARRAYS = 4,
    STRUCT_TYPES = ALL_TYPES, /* they and the arrays are one recursion group */
    ARRAY_TYPES = STRUCT_TYPES + STRUCTS,
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
    kinds tags[TAGS];
    char stack[MAX_STACK];
    size_t height;
    label labels[MAX_LABELS];
    unsigned label_count;
    char locals[MAX_LOCALS];
    unsigned local_count, counters; /* the last locals: loop counters, scratch f32, f64, v128 if any, anyref */
    unsigned func;
    unsigned leaves;   /* bit per function: small, no loops, calls only such ones behind it; so it takes no fuel */
    unsigned imported; /* functions that come first and belong to the library: 0 or FUNCS */
    bool imports_memory, imports_table;
    int budget; /* instructions left for the body */
    unsigned memories;
    bool memory_is_64[2], plain_floats, vectors;
    bool wide;       /* 128-bit arithmetic */
    bool tiny_pages; /* the second memory's are a byte each */
} maker;

static inline bool is_leaf(const maker *m, unsigned func)
{
    return m->leaves >> func & 1;
}

/* A decision: below count, which is at most 256. */
unsigned gen_choose(maker *m, unsigned count);
char gen_some_kind(maker *m);
unsigned gen_valtype(char kind); /* its byte */
void gen_put_types(build *b, const kinds *types);
void gen_put_op(maker *m, wagi_op op);
void gen_put_op_u(maker *m, wagi_op op, uint64_t immediate);
void gen_put_i32(maker *m, int32_t value);
bool gen_once_in(maker *m, unsigned count);
/* The operand stack, in our books. */
void gen_push(maker *m, char kind);
void gen_push_all(maker *m, const kinds *types);
size_t gen_base(const maker *m); /* the height that the innermost construct began with */
/* Code that puts values there. */
void gen_make(maker *m, char kind);                    /* one from nothing */
void gen_need(maker *m, const kinds *types);           /* the top becomes of these kinds */
void gen_take(maker *m, const kinds *types);           /* the same, and the next instruction consumes them */
void gen_finish(maker *m, const kinds *types);         /* the construct's stack becomes exactly these */
void gen_set_local_or_drop(maker *m);                  /* the top goes */
int gen_local_of(maker *m, char kind, unsigned count); /* a local of the kind among the first, or -1 */
void gen_open_label(maker *m, const kinds *params, const kinds *carries);
void gen_close_label(maker *m, const kinds *results);
void gen_instructions(maker *m, unsigned count);
/* Something with a struct, an array or an i31. */
void gen_gc(maker *m);
void gen_gc_types(maker *m);                 /* the recursion group */
kinds gen_kinds_of(const char *signature);   /* the operands */
void gen_address(maker *m, unsigned memory); /* mostly inside the first page; pushed */
void gen_memarg(maker *m, unsigned memory, unsigned align);
void gen_vector_constant(maker *m);
void gen_vector(maker *m); /* an op of vectors, when m->vectors */
void gen_wide(maker *m);   /* 128-bit arithmetic, when m->wide */
void gen_atomic(maker *m); /* an atomic access */
/* try_table, throw or throw_ref. deep: nothing that nests. */
void gen_exception(maker *m, bool deep);
/* The body of own function `func`, its size in front. */
void gen_body(maker *m, unsigned func);

#endif

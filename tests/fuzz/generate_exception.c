/* What throws and catches, in the generator's function bodies.
 *
 * A clause needs a label that takes what it delivers: each gets a block of its own around the try_table, or an outer
 * label that happens to fit. */
#include "tests/fuzz/generate_body.h"

enum { MAX_CLAUSES = 3, CATCH = 0, CATCH_REF, CATCH_ALL, CATCH_ALL_REF };

typedef struct clause {
    unsigned kind, tag, label; /* tag: an index of the module; label: how many are open inside of its block */
    kinds delivers;
} clause;

/* A tag of the module, the library's or its own; both have the same types. */
static unsigned some_tag(maker *m)
{
    return gen_choose(m, m->imported ? 2 * TAGS : TAGS);
}

static void choose_clause(maker *m, clause *c)
{
    *c = (clause){.kind = gen_choose(m, 4), .tag = some_tag(m)};
    if (c->kind <= CATCH_REF)
        c->delivers = m->tags[c->tag % TAGS];
    if (c->kind == CATCH_REF || c->kind == CATCH_ALL_REF)
        c->delivers.at[c->delivers.count++] = 'e';
}

/* The block that a clause branches to the end of. */
static void open_block(maker *m, clause *c)
{
    static const kinds none = {0, {0}};
    gen_put_op(m, WAGI_OP_block);
    if (c->kind <= CATCH_REF)
        build_leb(m->b, TAG_TYPES + 3 * (c->tag % TAGS) + 1 + c->kind);
    else if (c->kind == CATCH_ALL_REF)
        build_leb(m->b, EXNREF_TYPE);
    else
        build_u8(m->b, 0x40);
    c->label = m->label_count;
    gen_open_label(m, &none, &c->delivers);
}

/* What was caught is on the stack. */
static void use_caught(maker *m, const clause *c)
{
    static const kinds exnref = {1, {'e'}};
    if (c->kind != CATCH_REF && c->kind != CATCH_ALL_REF)
        return;
    if (gen_once_in(m, 3)) {
        gen_take(m, &exnref);
        gen_put_op(m, WAGI_OP_throw_ref);
        m->height = gen_base(m);
    } else {
        gen_set_local_or_drop(m);
    }
}

static void try_table(maker *m)
{
    clause clauses[MAX_CLAUSES];
    unsigned count = 1 + gen_choose(m, MAX_CLAUSES), type = gen_choose(m, TYPES);
    const kinds *params = &m->types[type].params, *results = &m->types[type].results;
    for (unsigned i = 0; i < count; i++) {
        choose_clause(m, &clauses[i]);
        open_block(m, &clauses[i]);
    }
    gen_need(m, params);
    gen_put_op(m, WAGI_OP_try_table);
    build_leb(m->b, type);
    unsigned written = gen_once_in(m, 10) ? 0 : count;
    build_leb(m->b, written);
    for (unsigned i = written; i-- > 0;) { /* innermost block first */
        build_u8(m->b, clauses[i].kind);
        if (clauses[i].kind <= CATCH_REF)
            build_leb(m->b, clauses[i].tag);
        build_leb(m->b, m->label_count - 1 - clauses[i].label);
    }
    gen_open_label(m, params, results);
    gen_instructions(m, 2 + gen_choose(m, 8));
    gen_finish(m, results);
    gen_close_label(m, results);
    gen_put_op(m, WAGI_OP_end);
    for (unsigned i = count; i-- > 0;) {
        gen_instructions(m, gen_choose(m, 3));
        gen_finish(m, &clauses[i].delivers);
        gen_close_label(m, &clauses[i].delivers);
        gen_put_op(m, WAGI_OP_end);
        use_caught(m, &clauses[i]);
    }
}

static void throw_something(maker *m)
{
    static const kinds none = {0, {0}}, exnref = {1, {'e'}};
    bool conditional = gen_choose(m, 4);
    if (conditional) {
        gen_make(m, 'i');
        m->height--;
        gen_put_op(m, WAGI_OP_if_);
        build_u8(m->b, 0x40);
        gen_open_label(m, &none, &none);
    }
    if (gen_once_in(m, 8)) {
        gen_take(m, &exnref);
        gen_put_op(m, WAGI_OP_throw_ref);
    } else {
        unsigned tag = some_tag(m);
        gen_take(m, &m->tags[tag % TAGS]);
        gen_put_op_u(m, WAGI_OP_throw, tag);
    }
    m->height = gen_base(m);
    if (conditional) {
        gen_close_label(m, &none);
        gen_put_op(m, WAGI_OP_end);
    }
}

void gen_exception(maker *m, bool deep)
{
    if (gen_choose(m, 2))
        throw_something(m);
    else if (!deep && m->label_count + 2 * MAX_CLAUSES < MAX_LABELS)
        try_table(m);
}

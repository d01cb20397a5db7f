/* The registry of canonical types: equality, life, threads; subtyping; types as text. */
#include "tests/support/check.h"

#include "base/alloc.h"
#include "base/sync.h"
#include "binary/types.h"

#define LOCAL_REF(index) WAGI_REF_CONCRETE(true, WAGI_REC_LOCAL + (index))

static wagi_registry *registry;

static int setup(void **state)
{
    (void)state;
    registry = wagi_registry_new(&wagi_default_limits);
    return registry ? 0 : -1;
}

/* Every test gives back what it took. */
static int teardown(void **state)
{
    (void)state;
    wagi_alloc_fail_after(UINT64_MAX);
    size_t left = wagi_registry_group_count(registry);
    wagi_registry_unref(registry);
    return left ? -1 : 0;
}

static void drop(const wagi_type *type)
{
    wagi_type_group_unref(registry, type);
}

static const wagi_type *func_of(const wagi_valtype *params, uint32_t param_count, const wagi_valtype *results,
                                uint32_t result_count)
{
    const wagi_type *type = NULL;
    ASSERT_OK(wagi_registry_func(registry, params, param_count, results, result_count, &type));
    return type;
}

static wagi_type_def struct_def(const wagi_field *fields, uint32_t count, uint32_t supertype)
{
    return (wagi_type_def){.comp = WAGI_COMP_STRUCT, .supertype = supertype, .field_count = count, .fields = fields};
}

static const wagi_type *intern_one(wagi_type_def def)
{
    const wagi_type *type = NULL;
    ASSERT_OK(wagi_registry_intern(registry, &def, 1, &type));
    return type;
}

/* ---- equality ---- */

static void test_equal_function_types_are_one_object(void **state)
{
    (void)state;
    const wagi_valtype words[] = {WAGI_I32, WAGI_I64};
    const wagi_type *a = func_of(words, 2, words, 1), *b = func_of(words, 2, words, 1);
    assert_ptr_equal(a, b);
    assert_ptr_equal(wagi_registry_type(registry, a->id), a);
    assert_int_equal(wagi_registry_group_count(registry), 1);
    assert_int_equal(a->param_count, 2);
    assert_int_equal(a->params[1], WAGI_I64);
    assert_int_equal(a->results[0], WAGI_I32);
    assert_true(a->is_final);
    drop(a);
    drop(b);
    assert_int_equal(wagi_registry_group_count(registry), 0);
}

static void test_types_that_differ_in_anything_are_different_objects(void **state)
{
    (void)state;
    const wagi_valtype words[] = {WAGI_I32, WAGI_I64};
    const wagi_field packed = {WAGI_KIND_I8, false}, variable = {WAGI_KIND_I8, true}, wide = {WAGI_KIND_I16, false};
    wagi_type_def open = {.comp = WAGI_COMP_FUNC, .supertype = WAGI_NO_TYPE};
    wagi_type_def array = {.comp = WAGI_COMP_ARRAY, .supertype = WAGI_NO_TYPE, .field_count = 1, .fields = &packed};
    const wagi_type *types[] = {
        func_of(words, 2, NULL, 0),
        func_of(words, 1, NULL, 0),
        func_of(words, 1, words + 1, 1),
        func_of(NULL, 0, words, 2),
        func_of(NULL, 0, NULL, 0),
        intern_one(open),
        intern_one(struct_def(&packed, 1, WAGI_NO_TYPE)),
        intern_one(struct_def(&variable, 1, WAGI_NO_TYPE)),
        intern_one(struct_def(&wide, 1, WAGI_NO_TYPE)),
        intern_one(struct_def(NULL, 0, WAGI_NO_TYPE)),
        intern_one(array),
    };
    size_t count = sizeof types / sizeof *types;
    assert_int_equal(wagi_registry_group_count(registry), count);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(types[i]->id, types[j]->id);
    for (size_t i = 0; i < count; i++)
        drop(types[i]);
}

static void test_recursive_groups_are_equal_by_shape(void **state)
{
    (void)state;
    /* (rec (type (struct (field (ref null 1)))) (type (struct (field (ref null 0))))) */
    const wagi_field fields[] = {{LOCAL_REF(1), false}, {LOCAL_REF(0), false}};
    const wagi_type_def defs[] = {struct_def(&fields[0], 1, WAGI_NO_TYPE), struct_def(&fields[1], 1, WAGI_NO_TYPE)};
    const wagi_type *a[2], *b[2];
    ASSERT_OK(wagi_registry_intern(registry, defs, 2, a));
    ASSERT_OK(wagi_registry_intern(registry, defs, 2, b));
    assert_ptr_equal(a[0], b[0]);
    assert_ptr_equal(a[1], b[1]);
    assert_ptr_not_equal(a[0], a[1]);
    assert_int_equal(a[0]->fields[0].storage, WAGI_REF_CONCRETE(true, a[1]->id));
    assert_int_equal(a[1]->fields[0].storage, WAGI_REF_CONCRETE(true, a[0]->id));
    assert_int_equal(a[0]->group_size, 2);
    drop(a[0]);
    drop(b[1]);
}

static void test_a_group_differs_from_its_unrolling(void **state)
{
    (void)state;
    /* A = (struct (field (ref null A))); B mentions A from outside; C is a group of two As. */
    const wagi_field own = {LOCAL_REF(0), false};
    const wagi_type *a = intern_one(struct_def(&own, 1, WAGI_NO_TYPE));
    const wagi_field foreign = {WAGI_REF_CONCRETE(true, a->id), false};
    const wagi_type *b = intern_one(struct_def(&foreign, 1, WAGI_NO_TYPE));
    assert_ptr_not_equal(a, b);
    const wagi_type_def twins[] = {struct_def(&own, 1, WAGI_NO_TYPE), struct_def(&own, 1, WAGI_NO_TYPE)};
    const wagi_type *c[2];
    ASSERT_OK(wagi_registry_intern(registry, twins, 2, c));
    assert_ptr_not_equal(c[0], a);
    assert_ptr_not_equal(c[0], c[1]);
    drop(a);
    drop(b);
    drop(c[0]);
}

/* ---- subtypes ---- */

static void test_declared_subtypes_are_found_by_one_look_at_the_display(void **state)
{
    (void)state;
    const wagi_type *chain[64];
    chain[0] = intern_one(struct_def(NULL, 0, WAGI_NO_TYPE));
    for (size_t i = 1; i < 64; i++)
        chain[i] = intern_one(struct_def(NULL, 0, chain[i - 1]->id));
    const wagi_field field = {WAGI_I32, false};
    const wagi_type *branch = intern_one(struct_def(&field, 1, chain[3]->id));
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(chain[i]->depth, i);
        assert_int_equal(chain[i]->display[i], chain[i]->id);
        for (size_t j = 0; j < 64; j++)
            assert_int_equal(wagi_type_is_sub(chain[i], chain[j]), i >= j);
        assert_int_equal(wagi_type_is_sub(branch, chain[i]), i <= 3);
        assert_false(wagi_type_is_sub(chain[i], branch));
    }
    for (size_t i = 0; i < 64; i++)
        drop(chain[i]);
    drop(branch);
}

static void test_supertypes_inside_a_group_are_part_of_the_shape(void **state)
{
    (void)state;
    const wagi_type_def defs[] = {struct_def(NULL, 0, WAGI_NO_TYPE), struct_def(NULL, 0, WAGI_REC_LOCAL + 0)};
    const wagi_type_def loose[] = {struct_def(NULL, 0, WAGI_NO_TYPE), struct_def(NULL, 0, WAGI_NO_TYPE)};
    const wagi_type *a[2], *b[2], *c[2];
    ASSERT_OK(wagi_registry_intern(registry, defs, 2, a));
    ASSERT_OK(wagi_registry_intern(registry, defs, 2, b));
    ASSERT_OK(wagi_registry_intern(registry, loose, 2, c));
    assert_ptr_equal(a[1], b[1]);
    assert_ptr_not_equal(a[1], c[1]);
    assert_true(wagi_type_is_sub(a[1], a[0]));
    assert_false(wagi_type_is_sub(c[1], c[0]));
    drop(a[0]);
    drop(b[0]);
    drop(c[0]);
}

/* The lattice of the specification, each type with its direct supertypes; the closure is computed here. */
static void test_abstract_heap_types_match_as_the_specification_draws_them(void **state)
{
    (void)state;
    enum { COUNT = WAGI_HEAP_BOT + 1 };
    static const wagi_heap edges[][2] = {
        {WAGI_HEAP_NOFUNC, WAGI_HEAP_FUNC}, {WAGI_HEAP_NOEXTERN, WAGI_HEAP_EXTERN}, {WAGI_HEAP_NOEXN, WAGI_HEAP_EXN},
        {WAGI_HEAP_EQ, WAGI_HEAP_ANY},      {WAGI_HEAP_I31, WAGI_HEAP_EQ},          {WAGI_HEAP_STRUCT, WAGI_HEAP_EQ},
        {WAGI_HEAP_ARRAY, WAGI_HEAP_EQ},    {WAGI_HEAP_NONE, WAGI_HEAP_I31},        {WAGI_HEAP_NONE, WAGI_HEAP_STRUCT},
        {WAGI_HEAP_NONE, WAGI_HEAP_ARRAY},  {WAGI_HEAP_BOT, WAGI_HEAP_NOFUNC},      {WAGI_HEAP_BOT, WAGI_HEAP_NOEXTERN},
        {WAGI_HEAP_BOT, WAGI_HEAP_NOEXN},   {WAGI_HEAP_BOT, WAGI_HEAP_NONE},
    };
    bool below[COUNT][COUNT] = {{false}};
    for (int i = 0; i < COUNT; i++)
        below[i][i] = true;
    for (int round = 0; round < COUNT; round++)
        for (size_t e = 0; e < sizeof edges / sizeof *edges; e++)
            for (int super = 0; super < COUNT; super++)
                below[edges[e][0]][super] = below[edges[e][0]][super] || below[edges[e][1]][super];
    for (unsigned sub = 0; sub < COUNT; sub++)
        for (unsigned super = 0; super < COUNT; super++) {
            wagi_valtype low = WAGI_REF_ABSTRACT(false, sub), high = WAGI_REF_ABSTRACT(true, super);
            assert_int_equal(wagi_heap_is_sub(registry, low, high), below[sub][super]);
            assert_int_equal(wagi_valtype_is_sub(registry, low, high), below[sub][super]);
            /* null may not flow where there is none */
            assert_false(wagi_valtype_is_sub(registry, WAGI_REF_ABSTRACT(true, sub), WAGI_REF_ABSTRACT(false, super)));
        }
}

static void test_concrete_types_lie_between_the_tops_and_bottoms_of_their_hierarchy(void **state)
{
    (void)state;
    const wagi_field field = {WAGI_I32, false};
    wagi_type_def array_def = {.comp = WAGI_COMP_ARRAY, .supertype = WAGI_NO_TYPE, .field_count = 1, .fields = &field};
    const wagi_type *func = func_of(NULL, 0, NULL, 0), *structure = intern_one(struct_def(NULL, 0, WAGI_NO_TYPE)),
                    *array = intern_one(array_def);
    const struct {
        const wagi_type *type;
        unsigned above, below, top;
        wag_val_kind kind;
    } rows[] = {
        {func, 1u << WAGI_HEAP_FUNC, 1u << WAGI_HEAP_NOFUNC | 1u << WAGI_HEAP_BOT, WAGI_HEAP_FUNC, WAG_FUNCREF},
        {structure, 1u << WAGI_HEAP_STRUCT | 1u << WAGI_HEAP_EQ | 1u << WAGI_HEAP_ANY,
         1u << WAGI_HEAP_NONE | 1u << WAGI_HEAP_BOT, WAGI_HEAP_ANY, WAG_ANYREF},
        {array, 1u << WAGI_HEAP_ARRAY | 1u << WAGI_HEAP_EQ | 1u << WAGI_HEAP_ANY,
         1u << WAGI_HEAP_NONE | 1u << WAGI_HEAP_BOT, WAGI_HEAP_ANY, WAG_ANYREF},
    };
    for (size_t i = 0; i < 3; i++) {
        wagi_valtype type = WAGI_REF_CONCRETE(false, rows[i].type->id);
        for (unsigned heap = 0; heap <= WAGI_HEAP_BOT; heap++) {
            wagi_valtype abstract = WAGI_REF_ABSTRACT(false, heap);
            assert_int_equal(wagi_heap_is_sub(registry, type, abstract), rows[i].above >> heap & 1);
            assert_int_equal(wagi_heap_is_sub(registry, abstract, type), rows[i].below >> heap & 1);
        }
        assert_int_equal(wagi_heap_top(registry, type), rows[i].top);
        assert_int_equal(wagi_val_kind_of(registry, type), rows[i].kind);
        for (size_t j = 0; j < 3; j++)
            assert_int_equal(wagi_heap_is_sub(registry, type, WAGI_REF_CONCRETE(true, rows[j].type->id)), i == j);
    }
    drop(func);
    drop(structure);
    drop(array);
}

static void test_values_of_number_types_match_only_themselves(void **state)
{
    (void)state;
    const wagi_valtype types[] = {WAGI_I32, WAGI_I64, WAGI_F32, WAGI_F64, WAGI_V128, WAGI_FUNCREF};
    const wag_val_kind kinds[] = {WAG_I32, WAG_I64, WAG_F32, WAG_F64, WAG_V128, WAG_FUNCREF};
    for (size_t i = 0; i < 6; i++) {
        for (size_t j = 0; j < 6; j++)
            assert_int_equal(wagi_valtype_is_sub(registry, types[i], types[j]), i == j);
        assert_true(wagi_valtype_is_sub(registry, WAGI_KIND_BOT, types[i]));
        assert_false(wagi_valtype_is_sub(registry, types[i], WAGI_KIND_BOT));
        assert_int_equal(wagi_val_kind_of(registry, types[i]), kinds[i]);
    }
    assert_int_equal(wagi_val_kind_of(registry, WAGI_EXTERNREF), WAG_EXTERNREF);
    assert_int_equal(wagi_val_kind_of(registry, WAGI_EXNREF), WAG_EXNREF);
    assert_int_equal(wagi_val_kind_of(registry, WAGI_REF_ABSTRACT(true, WAGI_HEAP_NOEXTERN)), WAG_EXTERNREF);
    assert_int_equal(wagi_val_kind_of(registry, WAGI_REF_ABSTRACT(true, WAGI_HEAP_I31)), WAG_ANYREF);
}

/* ---- life ---- */

static void test_a_group_lives_as_long_as_somebody_holds_it(void **state)
{
    (void)state;
    const wagi_valtype word = WAGI_F64;
    const wagi_type *type = func_of(&word, 1, NULL, 0);
    wagi_type_group_ref(type);
    drop(type);
    assert_int_equal(wagi_registry_group_count(registry), 1);
    assert_ptr_equal(wagi_registry_type(registry, type->id), type);
    drop(type);
    assert_int_equal(wagi_registry_group_count(registry), 0);
    drop(NULL);
}

static void test_a_group_keeps_the_groups_that_it_mentions(void **state)
{
    (void)state;
    const wagi_type *leaf = func_of(NULL, 0, NULL, 0), *super = intern_one(struct_def(NULL, 0, WAGI_NO_TYPE));
    const wagi_field field = {WAGI_REF_CONCRETE(false, leaf->id), false};
    const wagi_type *holder = intern_one(struct_def(&field, 1, super->id));
    uint32_t leaf_id = leaf->id;
    drop(leaf);
    drop(super);
    assert_int_equal(wagi_registry_group_count(registry), 3);
    assert_int_equal(wagi_registry_type(registry, leaf_id)->comp, WAGI_COMP_FUNC);
    drop(holder);
    assert_int_equal(wagi_registry_group_count(registry), 0);
}

static void test_a_chain_of_a_hundred_thousand_groups_is_freed_without_recursion(void **state)
{
    (void)state;
    const wagi_type *last = func_of(NULL, 0, NULL, 0);
    for (int i = 0; i < 100000; i++) {
        wagi_valtype word = WAGI_REF_CONCRETE(true, last->id);
        const wagi_type *next = func_of(&word, 1, NULL, 0);
        drop(last);
        last = next;
    }
    assert_int_equal(wagi_registry_group_count(registry), 100001);
    drop(last);
    assert_int_equal(wagi_registry_group_count(registry), 0);
}

static void test_ids_are_used_again_so_that_types_can_come_and_go_for_ever(void **state)
{
    (void)state;
    uint32_t highest = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        wagi_valtype words[2] = {WAGI_REF_ABSTRACT(i & 1, i % 11), i & 2 ? WAGI_I32 : WAGI_F32};
        const wagi_type *type = func_of(words, 2, NULL, 0);
        highest = type->id > highest ? type->id : highest;
        drop(type);
    }
    assert_true(highest < 4);
}

static void test_the_limit_counts_types_alive(void **state)
{
    (void)state;
    wagi_registry_set_limit(registry, 3);
    const wagi_type_def defs[] = {struct_def(NULL, 0, WAGI_NO_TYPE), struct_def(NULL, 0, WAGI_NO_TYPE),
                                  struct_def(NULL, 0, WAGI_NO_TYPE), struct_def(NULL, 0, WAGI_NO_TYPE)};
    const wagi_type *a[4], *b[4], *again[4];
    ASSERT_ERR(wagi_registry_intern(registry, defs, 4, a), WAG_LIMIT);
    ASSERT_OK(wagi_registry_intern(registry, defs, 2, a));
    ASSERT_OK(wagi_registry_intern(registry, defs, 1, b));
    ASSERT_OK(wagi_registry_intern(registry, defs, 2, again)); /* it exists */
    wagi_valtype word = WAGI_I32;
    const wagi_type *more;
    ASSERT_ERR(wagi_registry_func(registry, &word, 1, NULL, 0, &more), WAG_LIMIT);
    drop(b[0]);
    ASSERT_OK(wagi_registry_func(registry, &word, 1, NULL, 0, &more));
    drop(more);
    drop(a[0]);
    drop(again[0]);
}

static void test_without_memory_interning_fails_and_leaves_nothing(void **state)
{
    (void)state;
    bool done = false;
    for (uint64_t successes = 0; !done; successes++) {
        assert_true(successes < 1000);
        const wagi_type *types[200] = {NULL};
        wag_err err = WAG_OK;
        size_t made = 0;
        wagi_alloc_fail_after(successes);
        for (; made < 200 && err == WAG_OK; made++) {
            wagi_valtype words[8];
            for (size_t bit = 0; bit < 8; bit++)
                words[bit] = made >> bit & 1 ? WAGI_I32 : WAGI_I64;
            err = wagi_registry_func(registry, words, 8, NULL, 0, &types[made]);
        }
        wagi_alloc_fail_after(UINT64_MAX);
        done = err == WAG_OK;
        if (!done)
            assert_int_equal(err, WAG_NOMEM);
        for (size_t i = 0; i < 200; i++)
            drop(types[i]);
        assert_int_equal(wagi_registry_group_count(registry), 0);
    }
}

/* ---- threads ---- */

enum { THREADS = 8, ROUNDS = 2000, SHAPES = 24 };

typedef struct churn {
    wagi_registry *registry;
    uint32_t seed;
    size_t wrong;
} churn;

/* Shape n: a function of n % 4 parameters; above 12 it mentions another shape, so that freeing cascades. */
static const wagi_type *make_shape(churn *work, uint32_t shape)
{
    const wagi_type *inner = NULL, *type = NULL;
    wagi_valtype words[5];
    uint32_t count = 0;
    for (; count < shape % 12; count++)
        words[count % 4] = count & 1 ? WAGI_I64 : WAGI_I32;
    count = shape % 12 < 4 ? shape % 12 : 4;
    if (shape >= 12) {
        wagi_valtype word = shape & 1 ? WAGI_F32 : WAGI_F64;
        if (wagi_registry_func(work->registry, &word, 1, NULL, 0, &inner) != WAG_OK)
            return NULL;
        words[count++] = WAGI_REF_CONCRETE(true, inner->id);
    }
    if (wagi_registry_func(work->registry, words, count, NULL, 0, &type) != WAG_OK)
        type = NULL;
    wagi_type_group_unref(work->registry, inner);
    return type;
}

static void *churn_types(void *context)
{
    churn *work = context;
    const wagi_type *held[SHAPES] = {NULL};
    for (int round = 0; round < ROUNDS; round++) {
        work->seed = work->seed * 1664525u + 1013904223u;
        uint32_t shape = (work->seed >> 16) % SHAPES;
        const wagi_type *type = make_shape(work, shape);
        work->wrong += !type || wagi_registry_type(work->registry, type->id) != type || type->comp != WAGI_COMP_FUNC;
        if (type && shape >= 12) {
            wagi_valtype last = type->params[type->param_count - 1];
            work->wrong +=
                wagi_registry_type(work->registry, wagi_heap_of(last))->params[0] != (shape & 1 ? WAGI_F32 : WAGI_F64);
        }
        /* While one is held, interning gives the same object. */
        work->wrong += held[shape] && held[shape] != type;
        wagi_type_group_unref(work->registry, held[shape]);
        held[shape] = type;
        if (round % 7 == 0) {
            wagi_type_group_unref(work->registry, held[shape]);
            held[shape] = NULL;
        }
    }
    for (size_t i = 0; i < SHAPES; i++)
        wagi_type_group_unref(work->registry, held[i]);
    return NULL;
}

static void test_threads_intern_and_drop_the_same_types_at_once(void **state)
{
    (void)state;
    churn works[THREADS];
    wagi_thread threads[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        works[i] = (churn){.registry = registry, .seed = i};
        assert_true(wagi_thread_start(&threads[i], "churn", 0, churn_types, &works[i]));
    }
    for (size_t i = 0; i < THREADS; i++)
        wagi_thread_join(threads[i]);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(works[i].wrong, 0);
    assert_int_equal(wagi_registry_group_count(registry), 0);
}

/* ---- text ---- */

static void check_text(size_t length, const char *buffer, const char *wanted)
{
    assert_string_equal(buffer, wanted);
    assert_int_equal(length, strlen(wanted));
}

static void test_types_are_written_in_the_text_formats_words(void **state)
{
    (void)state;
    char text[128];
    const wagi_type_scope *scope = WAGI_BY_STRUCTURE(registry);
    check_text(wagi_valtype_text(scope, WAGI_V128, text, sizeof text), text, "v128");
    check_text(wagi_valtype_text(scope, WAGI_EXTERNREF, text, sizeof text), text, "externref");
    check_text(wagi_valtype_text(scope, WAGI_REF_ABSTRACT(false, WAGI_HEAP_I31), text, sizeof text), text, "(ref i31)");
    check_text(wagi_valtype_text(scope, WAGI_REF_ABSTRACT(true, WAGI_HEAP_NOFUNC), text, sizeof text), text,
               "nullfuncref");
    const wagi_valtype words[] = {WAGI_I32, WAGI_FUNCREF, WAGI_F64};
    const wagi_type *type = func_of(words, 2, words + 2, 1);
    check_text(wagi_func_type_text(scope, type, text, sizeof text), text, "(func (param i32 funcref) (result f64))");
    check_text(wagi_tag_type_text(scope, type, text, sizeof text), text, "(tag (param i32 funcref))");
    drop(type);
    const wagi_field fields[] = {{WAGI_KIND_I8, true}, {WAGI_I64, false}};
    type = intern_one(struct_def(fields, 2, WAGI_NO_TYPE));
    check_text(wagi_func_type_text(scope, type, text, sizeof text), text, "(struct (field (mut i8)) (field i64))");
    drop(type);
    wagi_table_type table = {.element = WAGI_FUNCREF, .limits = {.minimum = 1, .maximum = 2, .has_maximum = true}};
    check_text(wagi_table_type_text(scope, table, text, sizeof text), text, "(table 1 2 funcref)");
    wagi_memory_type memory = {
        .limits = {.minimum = 1, .maximum = 2, .has_maximum = true, .is_64 = true, .is_shared = true}};
    check_text(wagi_memory_type_text(memory, text, sizeof text), text, "(memory i64 1 2 shared (pagesize 1))");
    memory.page_size_log2 = 16;
    check_text(wagi_memory_type_text(memory, text, sizeof text), text, "(memory i64 1 2 shared)");
    check_text(wagi_global_type_text(scope, (wagi_global_type){WAGI_F32, true}, text, sizeof text), text,
               "(global (mut f32))");
    check_text(wagi_global_type_text(scope, (wagi_global_type){WAGI_F32, false}, text, sizeof text), text,
               "(global f32)");
}

static void test_a_reference_to_a_defined_type_is_written_by_its_index_or_its_structure(void **state)
{
    (void)state;
    char text[256];
    const wagi_field numbers[] = {{WAGI_I32, true}, {WAGI_KIND_I8, false}};
    const wagi_type *pair = intern_one(struct_def(numbers, 2, WAGI_NO_TYPE));
    wagi_field links[20];
    for (size_t i = 0; i < 20; i++)
        links[i] = (wagi_field){WAGI_REF_CONCRETE(i % 2 == 0, pair->id), false};
    const wagi_type *few = intern_one(struct_def(links, 2, WAGI_NO_TYPE));
    const wagi_type *many = intern_one(struct_def(links, 20, WAGI_NO_TYPE));
    wagi_type_scope scope = {.registry = registry};
    check_text(wagi_valtype_text(&scope, WAGI_REF_CONCRETE(true, pair->id), text, sizeof text), text,
               "(ref null (struct (field (mut i32)) (field i8)))");
    check_text(wagi_valtype_text(&scope, WAGI_REF_CONCRETE(false, few->id), text, sizeof text), text,
               "(ref (struct (field (ref null (struct ...))) (field (ref (struct ...)))))");
    size_t size = wagi_valtype_text(&scope, WAGI_REF_CONCRETE(false, many->id), text, sizeof text);
    assert_int_equal(size, strlen("(ref (struct ...))") +
                               4 * strlen(" (field (ref null (struct ...))) (field (ref (struct ...)))"));
    const wagi_type *types[] = {few, pair};
    scope.types = types;
    scope.type_count = 2;
    check_text(wagi_valtype_text(&scope, WAGI_REF_CONCRETE(true, pair->id), text, sizeof text), text, "(ref null $1)");
    check_text(wagi_func_type_text(&scope, few, text, sizeof text), text,
               "(struct (field (ref null $1)) (field (ref $1)))");
    drop(pair);
    drop(few);
    drop(many);
}

static void test_text_that_does_not_fit_is_cut_and_its_size_told(void **state)
{
    (void)state;
    const wagi_type_scope *scope = WAGI_BY_STRUCTURE(registry);
    const char *whole = "(global (mut externref))";
    wagi_global_type type = {WAGI_EXTERNREF, true};
    for (size_t size = 0; size <= strlen(whole) + 1; size++) {
        char text[40];
        memset(text, '#', sizeof text);
        assert_int_equal(wagi_global_type_text(scope, type, size ? text : NULL, size), strlen(whole));
        if (size) {
            assert_int_equal(strlen(text), size - 1);
            size_t dots = size > 4 && size <= strlen(whole) ? 3 : 0;
            assert_memory_equal(text, whole, size - 1 - dots);
            assert_memory_equal(text + size - 1 - dots, "...", dots);
        }
        assert_int_equal(text[size], '#');
    }
}

int main(void)
{
#define REGISTRY_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(test_equal_function_types_are_one_object),
        REGISTRY_TEST(test_types_that_differ_in_anything_are_different_objects),
        REGISTRY_TEST(test_recursive_groups_are_equal_by_shape),
        REGISTRY_TEST(test_a_group_differs_from_its_unrolling),
        REGISTRY_TEST(test_declared_subtypes_are_found_by_one_look_at_the_display),
        REGISTRY_TEST(test_supertypes_inside_a_group_are_part_of_the_shape),
        REGISTRY_TEST(test_abstract_heap_types_match_as_the_specification_draws_them),
        REGISTRY_TEST(test_concrete_types_lie_between_the_tops_and_bottoms_of_their_hierarchy),
        REGISTRY_TEST(test_values_of_number_types_match_only_themselves),
        REGISTRY_TEST(test_a_group_lives_as_long_as_somebody_holds_it),
        REGISTRY_TEST(test_a_group_keeps_the_groups_that_it_mentions),
        REGISTRY_TEST(test_a_chain_of_a_hundred_thousand_groups_is_freed_without_recursion),
        REGISTRY_TEST(test_ids_are_used_again_so_that_types_can_come_and_go_for_ever),
        REGISTRY_TEST(test_the_limit_counts_types_alive),
        REGISTRY_TEST(test_without_memory_interning_fails_and_leaves_nothing),
        REGISTRY_TEST(test_threads_intern_and_drop_the_same_types_at_once),
        REGISTRY_TEST(test_types_are_written_in_the_text_formats_words),
        REGISTRY_TEST(test_a_reference_to_a_defined_type_is_written_by_its_index_or_its_structure),
        REGISTRY_TEST(test_text_that_does_not_fit_is_cut_and_its_size_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The registry of canonical types: hash-consed recursion groups.
 *
 * A group is kept in rolled-up form: a reference inside the group counts as "the i-th type of my group", every other
 * one as the canonical id of the type it means. Two groups are the same type exactly when these forms are equal
 * (iso-recursive equality), so each distinct form exists once and type equality is pointer equality.
 *
 * Life. A group's count is the number of modules, host objects and other groups that hold it. It falls from one to zero
 * and rises from zero only under the lock, together with entering and leaving the hash table; all other changes are
 * plain atomic steps. The ids of a freed group are used again: whoever could still look one up would hold the group.
 *
 * Look-up by id reads a table of blocks that only grows: block k has FIRST_BLOCK << k entries, so ids never move.
 *
 * Hashes are keyed with random words, so that a hostile module cannot choose types that collide.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/os.h"
#include "base/sync.h"
#include "binary/types.h"

enum {
    FIRST_BLOCK_LOG2 = 6,
    FIRST_BLOCK = 1 << FIRST_BLOCK_LOG2,
    BLOCK_COUNT = 24 - FIRST_BLOCK_LOG2,
    FIRST_BUCKETS = 64
};

typedef struct wagi_rec_group wagi_rec_group;
struct wagi_rec_group {
    atomic_size_t count;
    wagi_registry *registry;
    wagi_rec_group *next; /* hash chain, or the list of groups to free; guarded by lock */
    uint64_t hash;
    uint32_t type_count;
    wagi_type types[]; /* their arrays follow in the same block */
};

typedef _Atomic(const wagi_type *) type_entry;

struct wagi_registry {
    atomic_size_t count;
    uint64_t key[2];
    _Atomic(type_entry *) blocks[BLOCK_COUNT]; /* written under lock, once each */

    wagi_mutex lock; /* innermost: nothing else is locked under it */
    /* guarded by lock: */
    wagi_rec_group **buckets;
    size_t bucket_count; /* a power of two */
    size_t group_count;
    uint32_t id_limit;
    uint32_t id_end; /* ids below were given out at least once */
    WAGI_VEC(uint32_t) free_ids;
};

/* ---- look-up by id ---- */

static unsigned block_of(uint32_t id, uint32_t *ret_index)
{
    uint32_t shifted = id + FIRST_BLOCK;
    unsigned log2 = 31u - (unsigned)__builtin_clz(shifted);
    *ret_index = shifted - (1u << log2);
    return log2 - FIRST_BLOCK_LOG2;
}

const wagi_type *wagi_registry_type(const wagi_registry *registry, uint32_t id)
{
    uint32_t index;
    unsigned block = block_of(id, &index);
    /* acquire, both: pair with the releases of enter_type, so that the block and the type behind the pointer are seen.
     */
    type_entry *entries = atomic_load_explicit(&registry->blocks[block], memory_order_acquire);
    return atomic_load_explicit(&entries[index], memory_order_acquire);
}

/* Caller holds lock. The block exists (reserve_ids). */
static void enter_type(wagi_registry *registry, uint32_t id, const wagi_type *type)
{
    uint32_t index;
    unsigned block = block_of(id, &index);
    type_entry *entries = atomic_load_explicit(&registry->blocks[block], memory_order_relaxed); /* lock orders it */
    atomic_store_explicit(&entries[index], type, memory_order_release);
}

/* Make sure that `count` ids can be given out without failing. Caller holds lock. */
static wag_err reserve_ids(wagi_registry *registry, uint32_t count)
{
    size_t alive = registry->id_end - registry->free_ids.n;
    if (count > registry->id_limit || alive > registry->id_limit - count)
        return WAG_LIMIT;
    uint32_t fresh = count <= registry->free_ids.n ? 0 : count - (uint32_t)registry->free_ids.n;
    if (fresh == 0)
        return WAG_OK;
    uint32_t index;
    unsigned first = registry->id_end ? block_of(registry->id_end - 1, &index) : 0;
    unsigned last = block_of(registry->id_end + fresh - 1, &index);
    for (unsigned block = first; block <= last; block++) {
        if (atomic_load_explicit(&registry->blocks[block], memory_order_relaxed)) /* lock orders it */
            continue;
        type_entry *entries = wagi_alloc_zero((size_t)FIRST_BLOCK << block, sizeof *entries);
        if (!entries)
            return WAG_NOMEM;
        atomic_store_explicit(&registry->blocks[block], entries,
                              memory_order_release); /* wagi_registry_type acquires */
    }
    /* Room to take back every id, so that freeing cannot fail. */
    size_t ids = (size_t)registry->id_end + fresh;
    return WAGI_VEC_RESERVE(&registry->free_ids, ids - registry->free_ids.n) ? WAG_OK : WAG_NOMEM;
}

static uint32_t take_id(wagi_registry *registry)
{
    return registry->free_ids.n ? registry->free_ids.p[--registry->free_ids.n] : registry->id_end++;
}

/* ---- hashing and comparing ---- */

/* SipHash with one round per word and three to finish. */
typedef struct hasher {
    uint64_t v0, v1, v2, v3;
} hasher;

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void hash_round(hasher *h)
{
    h->v0 += h->v1;
    h->v1 = rotate(h->v1, 13) ^ h->v0;
    h->v0 = rotate(h->v0, 32);
    h->v2 += h->v3;
    h->v3 = rotate(h->v3, 16) ^ h->v2;
    h->v0 += h->v3;
    h->v3 = rotate(h->v3, 21) ^ h->v0;
    h->v2 += h->v1;
    h->v1 = rotate(h->v1, 17) ^ h->v2;
    h->v2 = rotate(h->v2, 32);
}

static void hash_word(hasher *h, uint64_t word)
{
    h->v3 ^= word;
    hash_round(h);
    h->v0 ^= word;
}

static uint64_t hash_group(const wagi_registry *registry, const wagi_type_def *defs, uint32_t count)
{
    hasher h = {registry->key[0] ^ 0x736f6d6570736575u, registry->key[1] ^ 0x646f72616e646f6du,
                registry->key[0] ^ 0x6c7967656e657261u, registry->key[1] ^ 0x7465646279746573u};
    hash_word(&h, count);
    for (uint32_t i = 0; i < count; i++) {
        const wagi_type_def *def = &defs[i];
        hash_word(&h, (uint64_t)def->supertype << 32 | (uint64_t)def->comp << 1 | def->is_final);
        hash_word(&h, (uint64_t)def->param_count << 32 | def->result_count);
        hash_word(&h, def->field_count);
        for (uint32_t j = 0; j < def->param_count; j++)
            hash_word(&h, def->params[j]);
        for (uint32_t j = 0; j < def->result_count; j++)
            hash_word(&h, def->results[j]);
        for (uint32_t j = 0; j < def->field_count; j++)
            hash_word(&h, (uint64_t)def->fields[j].storage << 1 | def->fields[j].is_mutable);
    }
    h.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        hash_round(&h);
    return h.v0 ^ h.v1 ^ h.v2 ^ h.v3;
}

static bool is_local(uint32_t heap)
{
    return heap >= WAGI_REC_LOCAL;
}

/* Does heap type `wanted` of a definition mean the same as the canonical id `id` that a type of `group` holds? */
static bool same_id(const wagi_rec_group *group, uint32_t wanted, uint32_t id)
{
    if (is_local(wanted))
        return wanted - WAGI_REC_LOCAL < group->type_count && group->types[wanted - WAGI_REC_LOCAL].id == id;
    /* The same id, but not by way of the group itself: (rec (A: ref A)) differs from a type that mentions that A. */
    return wanted == id && wagi_registry_type(group->registry, id)->group != group;
}

static bool same_valtype(const wagi_rec_group *group, wagi_valtype wanted, wagi_valtype type)
{
    if (!wagi_is_ref(wanted) || !wagi_is_concrete(wanted) || !wagi_is_ref(type) || !wagi_is_concrete(type))
        return wanted == type;
    return wagi_is_nullable(wanted) == wagi_is_nullable(type) &&
           same_id(group, wagi_heap_of(wanted), wagi_heap_of(type));
}

static bool same_type(const wagi_rec_group *group, const wagi_type_def *def, const wagi_type *type)
{
    if (def->comp != type->comp || def->is_final != type->is_final || def->param_count != type->param_count ||
        def->result_count != type->result_count || def->field_count != type->field_count)
        return false;
    if ((def->supertype == WAGI_NO_TYPE) != (type->depth == 0))
        return false;
    if (type->depth && !same_id(group, def->supertype, type->display[type->depth - 1]))
        return false;
    for (uint32_t i = 0; i < def->param_count; i++)
        if (!same_valtype(group, def->params[i], type->params[i]))
            return false;
    for (uint32_t i = 0; i < def->result_count; i++)
        if (!same_valtype(group, def->results[i], type->results[i]))
            return false;
    for (uint32_t i = 0; i < def->field_count; i++)
        if (def->fields[i].is_mutable != type->fields[i].is_mutable ||
            !same_valtype(group, def->fields[i].storage, type->fields[i].storage))
            return false;
    return true;
}

static bool same_group(const wagi_rec_group *group, uint64_t hash, const wagi_type_def *defs, uint32_t count)
{
    if (group->hash != hash || group->type_count != count)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!same_type(group, &defs[i], &group->types[i]))
            return false;
    return true;
}

/* ---- making a group ---- */

static uint32_t def_depth(const wagi_registry *registry, const wagi_rec_group *group, const wagi_type_def *def)
{
    if (def->supertype == WAGI_NO_TYPE)
        return 0;
    return 1 + (is_local(def->supertype) ? group->types[def->supertype - WAGI_REC_LOCAL].depth
                                         : wagi_registry_type(registry, def->supertype)->depth);
}

/* One block for the group and all its arrays, with everything but ids filled in. NULL without memory. */
static wagi_rec_group *group_alloc(const wagi_registry *registry, const wagi_type_def *defs, uint32_t count)
{
    /* Depths come first: the displays' sizes are known only then. They are kept in the types, which need the block; so
     * the block is made in two steps, the second of which may move it. */
    wagi_rec_group *group = wagi_alloc_zero(1, sizeof *group + (size_t)count * sizeof *group->types);
    if (!group)
        return NULL;
    size_t words = 0, fields = 0;
    for (uint32_t i = 0; i < count; i++) {
        group->types[i].depth = def_depth(registry, group, &defs[i]);
        words += (size_t)group->types[i].depth + 1 + defs[i].param_count + defs[i].result_count;
        words += 2 * (size_t)defs[i].field_count; /* layout, ref_offsets */
        fields += defs[i].field_count;
    }
    size_t size =
        sizeof *group + (size_t)count * sizeof *group->types + words * sizeof(uint32_t) + fields * sizeof(wagi_field);
    wagi_rec_group *whole = wagi_realloc_array(group, size, 1);
    if (!whole)
        wagi_free(group);
    return whole;
}

static void copy_words(uint32_t **cursor, const wagi_valtype **ret_words, const wagi_valtype *words, uint32_t count)
{
    *ret_words = *cursor;
    if (count)
        memcpy(*cursor, words, count * sizeof *words);
    *cursor += count;
}

static uint32_t canonical_heap(const wagi_rec_group *group, uint32_t heap)
{
    return is_local(heap) ? group->types[heap - WAGI_REC_LOCAL].id : heap;
}

static wagi_valtype canonical_valtype(const wagi_rec_group *group, wagi_valtype type)
{
    return wagi_is_ref(type) && wagi_is_concrete(type)
               ? WAGI_REF_CONCRETE(wagi_is_nullable(type), canonical_heap(group, wagi_heap_of(type)))
               : type;
}

/* The display: the supertype's, then the type itself. */
static void fill_display(const wagi_registry *registry, wagi_rec_group *group, wagi_type *type,
                         const wagi_type_def *def, uint32_t *display)
{
    type->display = display;
    if (type->depth) {
        const wagi_type *super = is_local(def->supertype) ? &group->types[def->supertype - WAGI_REC_LOCAL]
                                                          : wagi_registry_type(registry, def->supertype);
        memcpy(display, super->display, type->depth * sizeof *display);
    }
    display[type->depth] = type->id;
}

static uint32_t storage_size(wagi_valtype storage)
{
    switch (wagi_valtype_kind(storage)) {
    case WAGI_KIND_I8:
        return 1;
    case WAGI_KIND_I16:
        return 2;
    case WAGI_KIND_I32:
    case WAGI_KIND_F32:
        return 4;
    case WAGI_KIND_V128:
        return 16;
    default:
        return 8;
    }
}

/* Fields lie in their order, each aligned to its size (at most 8): a field's place depends on those before it alone, so
 * that a subtype's prefix lies as its supertype. words: room for two words a field. */
static void fill_layout(wagi_type *type, uint32_t *words)
{
    uint32_t *layout = words, *refs = words + type->field_count, at = WAGI_STRUCT_HEADER;
    type->layout = layout;
    type->ref_offsets = refs;
    if (type->comp == WAGI_COMP_ARRAY) {
        type->element_size = storage_size(type->fields[0].storage);
        at = WAGI_ARRAY_HEADER;
    }
    for (uint32_t i = 0; i < type->field_count; i++) {
        wagi_valtype storage = type->fields[i].storage;
        uint32_t size = storage_size(storage), align = size < 8 ? size : 8;
        at = (at + align - 1) / align * align;
        layout[i] = at << WAGI_LAYOUT_KIND_BITS | wagi_valtype_kind(storage);
        if (wagi_is_ref(storage))
            refs[type->ref_count++] = at;
        at += size;
    }
    type->size = type->comp == WAGI_COMP_ARRAY ? WAGI_ARRAY_HEADER : at;
}

/* Fill the types of a fresh group; ids are set already. */
static void group_fill(const wagi_registry *registry, wagi_rec_group *group, const wagi_type_def *defs)
{
    wagi_field *field = (wagi_field *)(void *)(group->types + group->type_count);
    size_t fields = 0;
    for (uint32_t i = 0; i < group->type_count; i++)
        fields += defs[i].field_count;
    uint32_t *word = (uint32_t *)(void *)(field + fields);
    for (uint32_t i = 0; i < group->type_count; i++) {
        wagi_type *type = &group->types[i];
        const wagi_type_def *def = &defs[i];
        type->group = group;
        type->group_size = group->type_count;
        type->comp = def->comp;
        type->is_final = def->is_final;
        fill_display(registry, group, type, def, word);
        word += type->depth + 1;
        type->param_count = def->param_count;
        type->result_count = def->result_count;
        type->field_count = def->field_count;
        uint32_t *values = word;
        copy_words(&word, &type->params, def->params, def->param_count);
        copy_words(&word, &type->results, def->results, def->result_count);
        while (values < word) {
            *values = canonical_valtype(group, *values);
            values++;
        }
        type->fields = field;
        for (uint32_t j = 0; j < def->field_count; j++, field++) {
            field->storage = canonical_valtype(group, def->fields[j].storage);
            field->is_mutable = def->fields[j].is_mutable;
        }
        if (def->comp != WAGI_COMP_FUNC) {
            fill_layout(type, word);
            word += 2 * (size_t)def->field_count;
        }
    }
}

/* ---- who mentions whom ---- */

/* Calls visit for the group of each type that `group` mentions and does not contain, as often as it mentions it. */
static void visit_id(wagi_rec_group *group, uint32_t id, void (*visit)(wagi_rec_group *mentioned, void *context),
                     void *context)
{
    wagi_rec_group *mentioned = wagi_registry_type(group->registry, id)->group;
    if (mentioned != group)
        visit(mentioned, context);
}

static void visit_valtype(wagi_rec_group *group, wagi_valtype type,
                          void (*visit)(wagi_rec_group *mentioned, void *context), void *context)
{
    if (wagi_is_ref(type) && wagi_is_concrete(type))
        visit_id(group, wagi_heap_of(type), visit, context);
}

static void visit_mentioned(wagi_rec_group *group, void (*visit)(wagi_rec_group *mentioned, void *context),
                            void *context)
{
    for (uint32_t i = 0; i < group->type_count; i++) {
        const wagi_type *type = &group->types[i];
        if (type->depth)
            visit_id(group, type->display[type->depth - 1], visit, context);
        for (uint32_t j = 0; j < type->param_count; j++)
            visit_valtype(group, type->params[j], visit, context);
        for (uint32_t j = 0; j < type->result_count; j++)
            visit_valtype(group, type->results[j], visit, context);
        for (uint32_t j = 0; j < type->field_count; j++)
            visit_valtype(group, type->fields[j].storage, visit, context);
    }
}

static void group_hold(wagi_rec_group *group, void *context)
{
    (void)context;
    /* relaxed: the caller holds a reference, so the group cannot go meanwhile. */
    atomic_fetch_add_explicit(&group->count, 1, memory_order_relaxed);
}

/* One reference less; a group that nobody holds any more goes to the list *context. Caller holds lock. */
static void group_drop(wagi_rec_group *group, void *context)
{
    wagi_rec_group **dead = context;
    /* acq_rel: pairs with the same step of the other holders, whose reads of the group must be over. */
    if (atomic_fetch_sub_explicit(&group->count, 1, memory_order_acq_rel) != 1)
        return;
    wagi_registry *registry = group->registry;
    wagi_rec_group **link = &registry->buckets[group->hash & (registry->bucket_count - 1)];
    while (*link != group)
        link = &(*link)->next;
    *link = group->next;
    registry->group_count--;
    group->next = *dead;
    *dead = group;
}

/* Free a list of dead groups and what only they held. Iterative: chains of groups can be a million long. Caller holds
 * lock. */
static void free_dead(wagi_registry *registry, wagi_rec_group *dead)
{
    while (dead) {
        wagi_rec_group *group = dead;
        dead = group->next;
        visit_mentioned(group, group_drop, &dead);
        for (uint32_t i = 0; i < group->type_count; i++)
            registry->free_ids.p[registry->free_ids.n++] = group->types[i].id; /* room: reserve_ids */
        wagi_free(group);
    }
}

/* ---- the registry ---- */

wagi_registry *wagi_registry_new(const wagi_limits *limits)
{
    wagi_registry *registry = WAGI_NEW(wagi_registry);
    if (!registry)
        return NULL;
    registry->buckets = wagi_alloc_zero(FIRST_BUCKETS, sizeof(wagi_rec_group *));
    if (!registry->buckets) {
        wagi_free(registry);
        return NULL;
    }
    registry->bucket_count = FIRST_BUCKETS;
    atomic_init(&registry->count, 1);
    for (size_t i = 0; i < BLOCK_COUNT; i++)
        atomic_init(&registry->blocks[i], NULL);
    wagi_mutex_init(&registry->lock);
    wagi_registry_set_limit(registry, limits->canonical_types);
    if (!wagi_os_random(registry->key, sizeof registry->key)) {
        registry->key[0] = wagi_clock_ns();
        registry->key[1] = (uint64_t)(uintptr_t)registry;
    }
    return registry;
}

void wagi_registry_set_limit(wagi_registry *registry, uint64_t canonical_types)
{
    wagi_mutex_lock(&registry->lock);
    /* Ids from WAGI_REC_LOCAL on mean "inside my group". */
    registry->id_limit = canonical_types < WAGI_REC_LOCAL ? (uint32_t)canonical_types : WAGI_REC_LOCAL;
    wagi_mutex_unlock(&registry->lock);
}

wagi_registry *wagi_registry_ref(wagi_registry *registry)
{
    atomic_fetch_add_explicit(&registry->count, 1, memory_order_relaxed); /* the caller holds one */
    return registry;
}

void wagi_registry_unref(wagi_registry *registry)
{
    /* acq_rel: the last one sees all that the others did before it frees. */
    if (!registry || atomic_fetch_sub_explicit(&registry->count, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < registry->bucket_count; i++)
        while (registry->buckets[i]) {
            wagi_rec_group *group = registry->buckets[i];
            registry->buckets[i] = group->next;
            wagi_free(group);
        }
    for (size_t i = 0; i < BLOCK_COUNT; i++)
        wagi_free(atomic_load_explicit(&registry->blocks[i], memory_order_relaxed)); /* nobody else is left */
    wagi_free(registry->buckets);
    WAGI_VEC_FREE(&registry->free_ids);
    wagi_mutex_fini(&registry->lock);
    wagi_free(registry);
}

/* Twice as many buckets when they are full; without memory the chains just get longer. Caller holds lock. */
static void grow_buckets(wagi_registry *registry)
{
    if (registry->group_count < registry->bucket_count)
        return;
    size_t count = registry->bucket_count * 2;
    wagi_rec_group **buckets = wagi_alloc_zero(count, sizeof(wagi_rec_group *));
    if (!buckets)
        return;
    for (size_t i = 0; i < registry->bucket_count; i++)
        while (registry->buckets[i]) {
            wagi_rec_group *group = registry->buckets[i];
            registry->buckets[i] = group->next;
            group->next = buckets[group->hash & (count - 1)];
            buckets[group->hash & (count - 1)] = group;
        }
    wagi_free(registry->buckets);
    registry->buckets = buckets;
    registry->bucket_count = count;
}

/* Caller holds lock. NULL when the group is new. */
static wagi_rec_group *find_group(const wagi_registry *registry, uint64_t hash, const wagi_type_def *defs,
                                  uint32_t count)
{
    wagi_rec_group *group = registry->buckets[hash & (registry->bucket_count - 1)];
    while (group && !same_group(group, hash, defs, count))
        group = group->next;
    return group;
}

/* Make a group and enter it with count 1. Caller holds lock. */
static wag_err add_group(wagi_registry *registry, uint64_t hash, const wagi_type_def *defs, uint32_t count,
                         wagi_rec_group **ret_group)
{
    wag_err err = reserve_ids(registry, count);
    if (err != WAG_OK)
        return err;
    wagi_rec_group *group = group_alloc(registry, defs, count);
    if (!group)
        return WAG_NOMEM;
    atomic_init(&group->count, 1);
    group->registry = registry;
    group->hash = hash;
    group->type_count = count;
    for (uint32_t i = 0; i < count; i++)
        group->types[i].id = take_id(registry);
    group_fill(registry, group, defs);
    for (uint32_t i = 0; i < count; i++)
        enter_type(registry, group->types[i].id, &group->types[i]);
    visit_mentioned(group, group_hold, NULL);
    grow_buckets(registry);
    wagi_rec_group **bucket = &registry->buckets[hash & (registry->bucket_count - 1)];
    group->next = *bucket;
    *bucket = group;
    registry->group_count++;
    *ret_group = group;
    return WAG_OK;
}

wag_err wagi_registry_intern(wagi_registry *registry, const wagi_type_def *defs, uint32_t count,
                             const wagi_type **ret_types)
{
    uint64_t hash = hash_group(registry, defs, count);
    wag_err err = WAG_OK;
    wagi_mutex_lock(&registry->lock);
    wagi_rec_group *group = find_group(registry, hash, defs, count);
    if (group)
        group_hold(group, NULL); /* under lock no count is zero: group_drop takes such groups out of the table */
    else
        err = add_group(registry, hash, defs, count, &group);
    wagi_mutex_unlock(&registry->lock);
    if (err == WAG_OK)
        for (uint32_t i = 0; i < count; i++)
            ret_types[i] = &group->types[i];
    return err;
}

wag_err wagi_registry_func(wagi_registry *registry, const wagi_valtype *params, uint32_t param_count,
                           const wagi_valtype *results, uint32_t result_count, const wagi_type **ret_type)
{
    wagi_type_def def = {.comp = WAGI_COMP_FUNC,
                         .is_final = true,
                         .supertype = WAGI_NO_TYPE,
                         .param_count = param_count,
                         .result_count = result_count,
                         .params = params,
                         .results = results};
    return wagi_registry_intern(registry, &def, 1, ret_type);
}

void wagi_type_group_ref(const wagi_type *type)
{
    group_hold(type->group, NULL);
}

void wagi_type_group_unref(wagi_registry *registry, const wagi_type *type)
{
    if (!type)
        return;
    wagi_rec_group *group = type->group;
    /* Not the last reference: no lock. relaxed load: a guess that the exchange checks. release: pairs with the acquire
     * of group_drop, so that our reads are over before the last holder frees. */
    size_t count = atomic_load_explicit(&group->count, memory_order_relaxed);
    while (count > 1)
        if (atomic_compare_exchange_weak_explicit(&group->count, &count, count - 1, memory_order_release,
                                                  memory_order_relaxed))
            return;
    wagi_rec_group *dead = NULL;
    wagi_mutex_lock(&registry->lock);
    group_drop(group, &dead);
    free_dead(registry, dead);
    wagi_mutex_unlock(&registry->lock);
}

size_t wagi_registry_group_count(wagi_registry *registry)
{
    wagi_mutex_lock(&registry->lock);
    size_t count = registry->group_count;
    wagi_mutex_unlock(&registry->lock);
    return count;
}

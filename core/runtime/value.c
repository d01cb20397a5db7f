/* The "any" layer of waggle/value.h: JavaScript values.
 *
 * A string, bytes value, array or map is a box with a plain count; it belongs to one thread. Containers form a DAG: a
 * push or set that would close a cycle is refused, so counts free everything.
 *
 * Values nest as deep as a message says, so nothing here recurses, and nothing here may allocate where it could not
 * report a failure (freeing, comparing). Both are had by two scratch fields in each box, NULL between calls: link   the
 * next box of the list that the current walk has made twin   seen by the current walk; in a comparison the parent of a
 * union-find forest
 */
#include <string.h>

#include "base/alloc.h"
#include "base/os.h"
#include "runtime/store.h"

typedef struct entry {
    wag_value value;
    wag_name key;  /* own, NUL-terminated */
    uint64_t hash; /* under the map's seed, once it has an index */
} entry;

/* Maps up to this size are searched entry by entry. */
#define SMALL_MAP 8

struct wagi_box {
    size_t count;
    struct wagi_box *link, *twin;
    wag_value_kind kind;
    bool contained; /* some container holds it, or did */
    union {
        struct {
            size_t size;
            char *data; /* behind the box; a NUL behind the last byte */
        } text;         /* strings and bytes */
        WAGI_VEC(wag_value) array;
        struct {
            WAGI_VEC(entry) entries;
            uint32_t *index;   /* entry number + 1 by hash, 0 is empty; at most half full. NULL while small */
            size_t index_size; /* a power of two */
            uint64_t seed[2];  /* random: keys come from other people's messages, who must not choose collisions */
        } map;
    } of;
};
typedef struct wagi_box box;

static bool is_box(wag_value value)
{
    return value.kind >= WAG_VALUE_STRING && value.kind <= WAG_VALUE_MAP;
}

static bool is_container(const box *box)
{
    return box->kind == WAG_VALUE_ARRAY || box->kind == WAG_VALUE_MAP;
}

static size_t child_count(const box *box)
{
    return box->kind == WAG_VALUE_ARRAY ? box->of.array.n : box->kind == WAG_VALUE_MAP ? box->of.map.entries.n : 0;
}

static wag_value child_at(const box *box, size_t index)
{
    return box->kind == WAG_VALUE_ARRAY ? box->of.array.p[index] : box->of.map.entries.p[index].value;
}

/* ---- making ---- */

static wag_value text_value(wag_value_kind kind, const void *data, size_t size)
{
    if (size > SIZE_MAX - sizeof(box) - 1)
        return WAG_UNDEFINED;
    box *text = wagi_alloc(sizeof *text + size + 1);
    if (!text)
        return WAG_UNDEFINED;
    *text = (box){.count = 1, .kind = kind, .of = {.text = {.size = size, .data = (char *)(text + 1)}}};
    if (size)
        memcpy(text->of.text.data, data, size);
    text->of.text.data[size] = 0;
    return (wag_value){.kind = kind, .of = {.box = text}};
}

static wag_value container_value(wag_value_kind kind)
{
    box *container = WAGI_NEW(box);
    if (!container)
        return WAG_UNDEFINED;
    container->count = 1;
    container->kind = kind;
    return (wag_value){.kind = kind, .of = {.box = container}};
}

wag_value wag_string_n(wag_name text)
{
    return text.data || !text.size ? text_value(WAG_VALUE_STRING, text.data, text.size) : WAG_UNDEFINED;
}

wag_value wag_string(const char *text)
{
    return text ? text_value(WAG_VALUE_STRING, text, strlen(text)) : WAG_UNDEFINED;
}

wag_value wag_bytes_value(wag_bytes bytes)
{
    return bytes.data || !bytes.size ? text_value(WAG_VALUE_BYTES, bytes.data, bytes.size) : WAG_UNDEFINED;
}

wag_value wag_array(void)
{
    return container_value(WAG_VALUE_ARRAY);
}

wag_value wag_map(void)
{
    return container_value(WAG_VALUE_MAP);
}

/* ---- counting ---- */

wag_value wag_value_ref(wag_value value)
{
    wagi_object *object = wagi_value_object(value);
    if (object) {
        if (wagi_is_owner(object))
            wagi_unit_hold(object->unit);
    } else if (is_box(value)) {
        value.of.box->count++;
    } else if (value.kind == WAG_VALUE_ERROR) {
        wag_error_ref(value.of.error);
    } else if (value.kind == WAG_VALUE_MODULE) {
        wag_module_ref(value.of.module);
    }
    return value;
}

/* Give one reference back; a box that nobody holds any more goes to the list of the dying. */
static void release(wag_value value, box **dying)
{
    wagi_object *object = wagi_value_object(value);
    if (object) {
        if (wagi_is_owner(object))
            wagi_unit_release(object->unit);
    } else if (is_box(value)) {
        if (--value.of.box->count == 0) {
            value.of.box->link = *dying;
            *dying = value.of.box;
        }
    } else if (value.kind == WAG_VALUE_ERROR) {
        wag_error_unref(value.of.error);
    } else if (value.kind == WAG_VALUE_MODULE) {
        wag_module_unref(value.of.module);
    }
}

void wag_value_unref(wag_value value)
{
    box *dying = NULL;
    release(value, &dying);
    while (dying) {
        box *box = dying;
        dying = box->link;
        size_t count = child_count(box);
        for (size_t i = 0; i < count; i++)
            release(child_at(box, i), &dying);
        if (box->kind == WAG_VALUE_ARRAY) {
            WAGI_VEC_FREE(&box->of.array);
        } else if (box->kind == WAG_VALUE_MAP) {
            for (size_t i = 0; i < count; i++)
                wagi_free((void *)box->of.map.entries.p[i].key.data);
            WAGI_VEC_FREE(&box->of.map.entries);
            wagi_free(box->of.map.index);
        }
        wagi_free(box);
    }
}

/* ---- walks ---- */

/* A walk's list of boxes in the order in which they were found. */
typedef struct walk {
    box *first, **last;
} walk;

static void walk_add(walk *walk, box *box, struct wagi_box *twin)
{
    box->twin = twin;
    box->link = NULL;
    *walk->last = box;
    walk->last = &box->link;
}

static void walk_end(walk *walk)
{
    for (box *box = walk->first, *next; box; box = next) {
        next = box->link;
        box->link = box->twin = NULL;
    }
}

/* True when `target` can be reached from `value`. */
static bool reaches(wag_value value, const box *target)
{
    if (!is_box(value) || value.of.box == target)
        return is_box(value);
    /* What no container ever held cannot be inside of anything: building from the leaves up walks nothing. */
    if (!target->contained || !is_container(value.of.box))
        return false;
    bool found = false;
    walk walk = {.first = NULL, .last = &walk.first};
    walk_add(&walk, value.of.box, value.of.box);
    for (box *box = walk.first; box && !found; box = box->link)
        for (size_t i = 0; i < child_count(box) && !found; i++) {
            wag_value child = child_at(box, i);
            if (!is_box(child) || !is_container(child.of.box) || child.of.box->twin)
                continue;
            found = child.of.box == target;
            walk_add(&walk, child.of.box, child.of.box);
        }
    walk_end(&walk);
    return found;
}

/* ---- arrays and maps ---- */

wag_err wag_array_push(wag_value array, wag_value value)
{
    wag_err err = WAG_OK;
    if (array.kind != WAG_VALUE_ARRAY || reaches(value, array.of.box))
        err = WAG_TYPE;
    else if (!WAGI_VEC_PUSH(&array.of.box->of.array, value))
        err = WAG_NOMEM;
    else if (is_box(value))
        value.of.box->contained = true;
    if (err != WAG_OK)
        wag_value_unref(value);
    return err;
}

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32) + v[3];
    v[2] += v[1];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-1-3. Native byte order: the result never leaves the process. */
static uint64_t hash_name(const uint64_t seed[2], wag_name name)
{
    uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575u, seed[1] ^ 0x646f72616e646f6du, seed[0] ^ 0x6c7967656e657261u,
                     seed[1] ^ 0x7465646279746573u};
    for (size_t i = 0; i <= name.size / 8; i++) {
        uint64_t word = 0;
        size_t left = name.size - i * 8;
        if (left)
            memcpy(&word, name.data + i * 8, left < 8 ? left : 8);
        if (left < 8)
            word |= (uint64_t)name.size << 56;
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static bool name_equal(wag_name a, wag_name b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static entry *map_find(const box *map, wag_name key)
{
    entry *entries = map->of.map.entries.p;
    if (!map->of.map.index) {
        for (size_t i = 0; i < map->of.map.entries.n; i++)
            if (name_equal(entries[i].key, key))
                return &entries[i];
        return NULL;
    }
    uint64_t hash = hash_name(map->of.map.seed, key);
    size_t mask = map->of.map.index_size - 1;
    for (size_t slot = hash & mask; map->of.map.index[slot]; slot = (slot + 1) & mask) {
        entry *entry = &entries[map->of.map.index[slot] - 1];
        if (entry->hash == hash && name_equal(entry->key, key))
            return entry;
    }
    return NULL;
}

static void index_add(uint32_t *index, size_t index_size, uint64_t hash, uint32_t number)
{
    size_t slot = hash & (index_size - 1);
    while (index[slot])
        slot = (slot + 1) & (index_size - 1);
    index[slot] = number + 1;
}

/* Room for one more entry, in the index too. */
static bool map_reserve(box *map)
{
    size_t wanted = map->of.map.entries.n + 1;
    if (wanted > UINT32_MAX / 4 || !WAGI_VEC_RESERVE(&map->of.map.entries, 1))
        return false;
    if (wanted <= SMALL_MAP || wanted * 2 <= map->of.map.index_size)
        return true;
    size_t size = map->of.map.index_size ? map->of.map.index_size * 2 : SMALL_MAP * 4;
    uint32_t *index = wagi_alloc_zero(size, sizeof *index);
    if (!index)
        return false;
    if (!map->of.map.index && !wagi_os_random(map->of.map.seed, sizeof map->of.map.seed))
        map->of.map.seed[0] = (uintptr_t)index; /* better than a constant */
    for (size_t i = 0; i < map->of.map.entries.n; i++) {
        entry *entry = &map->of.map.entries.p[i];
        if (!map->of.map.index)
            entry->hash = hash_name(map->of.map.seed, entry->key);
        index_add(index, size, entry->hash, (uint32_t)i);
    }
    wagi_free(map->of.map.index);
    map->of.map.index = index;
    map->of.map.index_size = size;
    return true;
}

static wag_err map_append(box *map, wag_name key, wag_value value)
{
    char *copy = key.size == SIZE_MAX ? NULL : wagi_alloc(key.size + 1);
    if (!copy || !map_reserve(map)) {
        wagi_free(copy);
        return WAG_NOMEM;
    }
    if (key.size)
        memcpy(copy, key.data, key.size);
    copy[key.size] = 0;
    uint64_t hash = map->of.map.index ? hash_name(map->of.map.seed, key) : 0;
    size_t number = map->of.map.entries.n++;
    map->of.map.entries.p[number] = (entry){value, {copy, key.size}, hash};
    if (map->of.map.index)
        index_add(map->of.map.index, map->of.map.index_size, hash, (uint32_t)number);
    return WAG_OK;
}

wag_err wag_map_set_n(wag_value map, wag_name key, wag_value value)
{
    if (map.kind != WAG_VALUE_MAP || (!key.data && key.size) || reaches(value, map.of.box)) {
        wag_value_unref(value);
        return WAG_TYPE;
    }
    entry *found = map_find(map.of.box, key);
    wag_value old = found ? found->value : WAG_UNDEFINED;
    if (found) {
        found->value = value;
    } else if (map_append(map.of.box, key, value) != WAG_OK) {
        wag_value_unref(value);
        return WAG_NOMEM;
    }
    if (is_box(value))
        value.of.box->contained = true;
    wag_value_unref(old); /* last: a finalizer may change the map */
    return WAG_OK;
}

wag_err wag_map_set(wag_value map, const char *key, wag_value value)
{
    if (key)
        return wag_map_set_n(map, (wag_name){key, strlen(key)}, value);
    wag_value_unref(value);
    return WAG_TYPE;
}

size_t wag_value_size(wag_value value)
{
    if (!is_box(value))
        return 0;
    return is_container(value.of.box) ? child_count(value.of.box) : value.of.box->of.text.size;
}

wag_value wag_array_at(wag_value array, size_t index)
{
    if (array.kind != WAG_VALUE_ARRAY || index >= array.of.box->of.array.n)
        return WAG_UNDEFINED;
    return array.of.box->of.array.p[index];
}

wag_value wag_map_get_n(wag_value map, wag_name key)
{
    entry *found = map.kind == WAG_VALUE_MAP && (key.data || !key.size) ? map_find(map.of.box, key) : NULL;
    return found ? found->value : WAG_UNDEFINED;
}

wag_value wag_map_get(wag_value map, const char *key)
{
    return key ? wag_map_get_n(map, (wag_name){key, strlen(key)}) : WAG_UNDEFINED;
}

bool wag_map_at(wag_value map, size_t index, wag_name *ret_key, wag_value *ret_value)
{
    if (map.kind != WAG_VALUE_MAP || index >= map.of.box->of.map.entries.n)
        return false;
    const entry *entry = &map.of.box->of.map.entries.p[index];
    if (ret_key)
        *ret_key = entry->key;
    if (ret_value)
        *ret_value = entry->value;
    return true;
}

wag_name wag_value_text(wag_value value)
{
    if (value.kind != WAG_VALUE_STRING)
        return (wag_name){"", 0};
    return (wag_name){value.of.box->of.text.data, value.of.box->of.text.size};
}

wag_bytes wag_value_bytes(wag_value value)
{
    if (value.kind != WAG_VALUE_BYTES)
        return (wag_bytes){NULL, 0};
    return (wag_bytes){(const uint8_t *)value.of.box->of.text.data, value.of.box->of.text.size};
}

const char *wag_value_kind_name(wag_value_kind kind)
{
    static const char *const names[] = {"undefined", "null",      "boolean", "number", "bigint", "string",
                                        "bytes",     "array",     "map",     "error",  "module", "instance",
                                        "function",  "memory",    "table",   "global", "tag",    "extern",
                                        "object",    "exception", "buffer",  "port"};
    _Static_assert(sizeof names / sizeof *names == WAG_VALUE_PORT + 1, "one name a kind");
    return (size_t)kind < sizeof names / sizeof *names ? names[kind] : "?";
}

/* ---- equality ---- */

static box *root(box *box)
{
    while (box->twin) {
        if (box->twin->twin)
            box->twin = box->twin->twin; /* halve the path */
        box = box->twin;
    }
    return box;
}

/* Equality of values without looking into boxes. Pairs of boxes are assumed equal, and noted to be compared: they join
 * one class of the forest, whose members are all equal if the answer is yes. Each box loses its root role at most once,
 * so that the work is linear however often boxes are shared. */
static bool equal_shallow(wag_value a, wag_value b, walk *walk)
{
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case WAG_VALUE_UNDEFINED:
    case WAG_VALUE_NULL:
        return true;
    case WAG_VALUE_BOOL:
        return a.of.boolean == b.of.boolean;
    case WAG_VALUE_NUMBER:
        return (a.of.number != a.of.number && b.of.number != b.of.number) ||
               memcmp(&a.of.number, &b.of.number, sizeof a.of.number) == 0;
    case WAG_VALUE_BIGINT:
        return a.of.bigint == b.of.bigint;
    case WAG_VALUE_ERROR:
        return a.of.error == b.of.error;
    case WAG_VALUE_MODULE:
        return a.of.module == b.of.module;
    case WAG_VALUE_STRING:
    case WAG_VALUE_BYTES:
    case WAG_VALUE_ARRAY:
    case WAG_VALUE_MAP: {
        box *x = root(a.of.box), *y = root(b.of.box);
        if (x != y)
            walk_add(walk, x, y);
        return true;
    }
    default:
        return wagi_value_object(a) == wagi_value_object(b);
    }
}

/* The contents of two boxes, children by equal_shallow. */
static bool equal_contents(const box *a, const box *b, walk *walk)
{
    if (!is_container(a))
        return a->of.text.size == b->of.text.size && memcmp(a->of.text.data, b->of.text.data, a->of.text.size) == 0;
    size_t count = child_count(a);
    if (count != child_count(b))
        return false;
    for (size_t i = 0; i < count; i++) {
        wag_value other;
        if (a->kind == WAG_VALUE_MAP) {
            /* The order of the keys says nothing, but it is usually the same. */
            const entry *entry = &a->of.map.entries.p[i], *same = &b->of.map.entries.p[i];
            if (!name_equal(same->key, entry->key) && !(same = map_find(b, entry->key)))
                return false;
            other = same->value;
        } else {
            other = b->of.array.p[i];
        }
        if (!equal_shallow(child_at(a, i), other, walk))
            return false;
    }
    return true;
}

bool wag_value_equal(wag_value a, wag_value b)
{
    walk walk = {.first = NULL, .last = &walk.first};
    bool equal = equal_shallow(a, b, &walk);
    /* A box of the walk is compared to its parent of that moment, or to one nearer the root (root() shortens paths, and
     * never past the class). Either way each member is compared to another one by a chain that ends at the root. */
    for (box *box = walk.first; box && equal; box = box->link)
        equal = equal_contents(box, box->twin, &walk);
    walk_end(&walk);
    return equal;
}

/* ---- typed layer ---- */

const char *wag_val_kind_name(wag_val_kind kind)
{
    static const char *const names[] = {"i32", "i64", "f32", "f64", "v128", "funcref", "externref", "anyref", "exnref"};
    _Static_assert(sizeof names / sizeof *names == WAG_EXNREF + 1, "one name a kind");
    return (size_t)kind < sizeof names / sizeof *names ? names[kind] : "?";
}

void wag_val_unref(wag_val val)
{
    wagi_unit *unit = wagi_val_unit(&val);
    if (unit && unit->agent == wagi_agent_peek())
        wagi_unit_release(unit);
}

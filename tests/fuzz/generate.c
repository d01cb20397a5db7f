/* The generator's modules: sections around the bodies that generate_body.c makes. */
#include "tests/fuzz/generate.h"

#include "compiler/compile.h"
#include "tests/fuzz/generate_body.h"

unsigned gen_valtype(char kind)
{
    switch (kind) {
    case 'i':
        return 0x7F;
    case 'I':
        return 0x7E;
    case 'f':
        return 0x7D;
    case 'F':
        return 0x7C;
    case 'r':
        return 0x70;
    case 'e':
        return 0x69;
    case 'a':
        return 0x6E;
    case 'v':
        return 0x7B;
    default:
        return 0x6F;
    }
}

void gen_put_types(build *b, const kinds *types)
{
    build_leb(b, types->count);
    for (unsigned i = 0; i < types->count; i++)
        build_u8(b, gen_valtype(types->at[i]));
}

static void choose_kinds(maker *m, kinds *types, unsigned usual, unsigned most)
{
    types->count = gen_choose(m, gen_choose(m, 6) ? usual : most + 1);
    bool alike = gen_choose(m, 4) == 0;
    for (unsigned i = 0; i < types->count; i++)
        types->at[i] = alike && i ? types->at[0] : gen_some_kind(m);
}

static void tag_types(maker *m, kinds *tag)
{
    const kinds none = {0, {0}};
    kinds more;
    if (!m->imported)
        choose_kinds(m, tag, 3, MAX_KINDS - 1);
    more = *tag;
    more.at[more.count++] = 'e';
    build_u8(m->b, 0x60);
    gen_put_types(m->b, tag);
    gen_put_types(m->b, &none);
    for (int i = 0; i < 2; i++) {
        build_u8(m->b, 0x60);
        gen_put_types(m->b, &none);
        gen_put_types(m->b, i ? &more : tag);
    }
}

static void type_section(maker *m)
{
    size_t section = build_section(m->b, 1);
    build_leb(m->b, ALL_TYPES + 1);
    for (unsigned i = 0; i < TYPES; i++) {
        if (!m->imported) { /* a library's types are its importer's, too */
            choose_kinds(m, &m->types[i].params, i < FUNCS ? 5 : 3, MAX_KINDS);
            choose_kinds(m, &m->types[i].results, 3, i < FUNCS ? MAX_KINDS : 6);
        }
        build_u8(m->b, 0x60);
        gen_put_types(m->b, &m->types[i].params);
        gen_put_types(m->b, &m->types[i].results);
    }
    for (unsigned i = 0; i < TAGS; i++)
        tag_types(m, &m->tags[i]);
    build_raw(m->b, "\x60\0\1\x69", 4);
    gen_gc_types(m);
    build_end(m->b, section);
}

static void tag_section(maker *m)
{
    size_t section = build_section(m->b, 13);
    build_leb(m->b, TAGS);
    for (unsigned i = 0; i < TAGS; i++) {
        build_u8(m->b, 0);
        build_leb(m->b, TAG_TYPES + 3 * i);
    }
    build_end(m->b, section);
}

static void table_and_memory_sections(maker *m)
{
    if (m->imports_table)
        BUILD_WHOLE(m->b, 4, "\1\x6F\1\x08\x0C");
    else
        BUILD_WHOLE(m->b, 4, "\2\x70\1\x08\x0C\x6F\1\x08\x0C"); /* 8 to 12 entries */
    size_t section = build_section(m->b, 5);
    m->memories = 1 + (gen_choose(m, 4) == 0);
    build_leb(m->b, m->memories - m->imports_memory);
    for (unsigned i = m->imports_memory; i < m->memories; i++) {
        m->memory_is_64[i] = gen_choose(m, 4) == 0;
        bool tiny = i && m->tiny_pages;
        build_u8(m->b, (m->memory_is_64[i] ? 5u : 1u) | (tiny ? 8u : 0u));
        build_leb(m->b, tiny ? 65533 : 1);
        build_leb(m->b, tiny ? 65536 : 3);
        if (tiny)
            build_leb(m->b, 0);
    }
    build_end(m->b, section);
}

/* Of fuel, and one of each kind; the vector last. */
#define GLOBALS                                                                                                        \
    "\x7F\1\x41\x05\x0B\x7E\1\x42\x07\x0B\x7D\1\x43\0\0\x80\x3F\x0B\x7C\1\x44\0\0\0\0\0\0\xF0\x3F\x0B\x70\1\xD0"       \
    "\x70\x0B\x6F\1\xD0\x6F\x0B\x6E\1\xD0\x6E\x0B"

#define VECTOR_GLOBAL "\x7B\1\xFD\x0C\1\2\3\4\5\6\7\x08\x09\x0A\x0B\x0C\x0D\x0E\x0F\x10\x0B"

static void global_section(maker *m)
{
    size_t section = build_section(m->b, 6);
    build_leb(m->b, 7u + !m->imported + m->vectors);
    if (!m->imported)
        build_raw(m->b, "\x7F\1\x41\xB8\x17\x0B", 6);
    build_raw(m->b, GLOBALS, sizeof GLOBALS - 1);
    if (m->vectors)
        build_raw(m->b, VECTOR_GLOBAL, sizeof VECTOR_GLOBAL - 1);
    build_end(m->b, section);
}

static void put_import(maker *m, const char *name)
{
    build_name(m->b, "lib");
    build_name(m->b, name);
}

static const char *const tag_names[] = {"ta", "tb", "tc"};
static const char *const func_names[] = {"a", "b", "c", "d", "e", "f"};

static void import_section(maker *m)
{
    if (!m->imported)
        return;
    size_t section = build_section(m->b, 2);
    build_leb(m->b, FUNCS + TAGS + 1u + m->imports_memory + m->imports_table);
    for (unsigned i = 0; i < FUNCS; i++) {
        put_import(m, func_names[i]);
        build_u8(m->b, 0);
        build_leb(m->b, i);
    }
    for (unsigned i = 0; i < TAGS; i++) {
        put_import(m, tag_names[i]);
        build_u8(m->b, 4);
        build_u8(m->b, 0);
        build_leb(m->b, TAG_TYPES + 3 * i);
    }
    put_import(m, "fuel");
    build_raw(m->b, "\3\x7F\1", 3);
    if (m->imports_memory) {
        put_import(m, "m");
        build_u8(m->b, 2);
        build_u8(m->b, m->memory_is_64[0] ? 5 : 1);
        build_raw(m->b, "\1\3", 2);
    }
    if (m->imports_table) {
        put_import(m, "t");
        build_raw(m->b, "\1\x70\1\x08\x0C", 5);
    }
    build_end(m->b, section);
}

static void put_export(maker *m, const char *name, unsigned kind, unsigned index)
{
    build_name(m->b, name);
    build_u8(m->b, kind);
    build_leb(m->b, index);
}

static void export_section(maker *m)
{
    static const char *const memories[] = {"m", "n"};
    static const char *const globals[] = {"fuel", "g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8"};
    size_t section = build_section(m->b, 7);
    build_leb(m->b, FUNCS + TAGS + m->memories + 8u + m->vectors + 2);
    for (unsigned i = 0; i < FUNCS; i++)
        put_export(m, func_names[i], 0, m->imported + i);
    for (unsigned i = 0; i < m->memories; i++)
        put_export(m, memories[i], 2, i);
    for (unsigned i = 0; i < 8u + m->vectors; i++)
        put_export(m, globals[i], 3, i);
    for (unsigned i = 0; i < TAGS; i++)
        put_export(m, tag_names[i], 4, (m->imported ? TAGS : 0) + i);
    put_export(m, "t", 1, 0);
    put_export(m, "u", 1, 1);
    build_end(m->b, section);
}

/* An active segment that fills the table, and a passive one of 3. */
static void element_section(maker *m)
{
    size_t section = build_section(m->b, 9);
    build_leb(m->b, m->imported ? 3 : 2);
    build_raw(m->b, "\0\x41\0\x0B\6", 5);
    for (unsigned i = 0; i < FUNCS; i++)
        build_leb(m->b, m->imported && i % 2 ? i : m->imported + i);
    build_raw(m->b, "\1\0\3", 3);
    for (unsigned i = 0; i < 3; i++)
        build_leb(m->b, m->imported + 2 * i);
    if (m->imported) { /* declarations, for ref.func */
        build_raw(m->b, "\3\0\6", 3);
        for (unsigned i = 0; i < FUNCS; i++)
            build_leb(m->b, i);
    }
    build_end(m->b, section);
}

static void make_module(maker *m, build *out)
{
    m->b = out;
    build_preamble(out);
    type_section(m);
    m->leaves = gen_choose(m, 1u << FUNCS);
    import_section(m);
    size_t section = build_section(out, 3);
    build_leb(out, FUNCS);
    for (unsigned i = 0; i < FUNCS; i++)
        build_leb(out, i);
    build_end(out, section);
    table_and_memory_sections(m);
    tag_section(m);
    global_section(m);
    export_section(m);
    element_section(m);
    BUILD_WHOLE(out, 12, "\2");
    section = build_section(out, 10);
    build_leb(out, FUNCS);
    for (unsigned i = 0; i < FUNCS; i++)
        gen_body(m, i);
    build_end(out, section);
    BUILD_WHOLE(out, 11,
                "\2\1\x0Ahello worl\1\x10"
                "0123456789abcdef"); /* passive */
}

static maker *begin(const uint8_t *data, size_t size, uint64_t seed)
{
    static maker m;
    memset(&m, 0, sizeof m);
    m.data = data;
    m.size = size;
    m.random = seed ? seed : 1;
    m.vectors = (WAGI_NATIVE_FEATURES >> WAGI_FEATURE_SIMD & 1) && seed >> 33 & 1;
    m.wide = seed >> 34 & 1;
    m.tiny_pages = seed >> 35 & 1;
    return &m;
}

void generate_module(const uint8_t *data, size_t size, uint64_t seed, build *out)
{
    make_module(begin(data, size, seed), out);
}

void generate_pair(const uint8_t *data, size_t size, uint64_t seed, build *library, build *out)
{
    maker *m = begin(data, size, seed);
    make_module(m, library);
    m->imported = FUNCS;
    m->imports_memory = gen_choose(m, 2);
    m->imports_table = gen_choose(m, 2);
    make_module(m, out);
}

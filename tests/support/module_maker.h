/* Generated modules: valid ones that use every numeric op, memories, tables, control and calls, from a stream of
 * decisions.
 *
 * They end by themselves: every loop and call takes fuel from global 0. NaNs are made canonical where an op may choose
 * their bits. Exports: functions "a" to "e", memory "m". Used by one file a program. */
#ifndef TESTS_SUPPORT_MODULE_MAKER_H
#define TESTS_SUPPORT_MODULE_MAKER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "binary/op.h"

enum { FUNCS = 5, MAX_DEPTH = 6, SCRATCH_LOCALS = 2 };

/* ---- decisions ---- */

typedef struct maker {
    const uint8_t *data;
    size_t size, at;
    uint64_t random;
    uint8_t bytes[1 << 16]; /* the body under construction */
    size_t n;
    bool full;          /* too large: not run */
    int budget;         /* instructions left for the function */
    uint8_t locals[16]; /* kinds: i I f F */
    unsigned local_count;
    char result;     /* of the function at hand, 0 for none */
    char labels[64]; /* result of each open label, 0 none; innermost last */
    unsigned label_count;
    bool memory64, two_memories;
    struct {
        char params[12];
        char result;
    } types[FUNCS];
} maker;

static uint64_t next_random(maker *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random;
}

static unsigned choose(maker *m, unsigned count)
{
    unsigned byte = m->at < m->size ? m->data[m->at++] : (unsigned)(next_random(m) >> 32);
    return byte % count;
}

/* ---- bytes ---- */

static void put(maker *m, unsigned byte)
{
    if (m->n < sizeof m->bytes)
        m->bytes[m->n++] = (uint8_t)byte;
    else
        m->full = true;
}

static void put_u(maker *m, uint64_t x)
{
    do
        put(m, (x & 0x7F) | (x >> 7 ? 0x80 : 0));
    while (x >>= 7);
}

static void put_s(maker *m, int64_t x)
{
    for (;;) {
        uint8_t byte = x & 0x7F;
        x >>= 7;
        if ((x == 0 && !(byte & 0x40)) || (x == -1 && (byte & 0x40))) {
            put(m, byte);
            return;
        }
        put(m, byte | 0x80u);
    }
}

static void put_op(maker *m, wagi_op op)
{
    if (wagi_ops[op].prefix) {
        put(m, wagi_ops[op].prefix);
        put_u(m, wagi_ops[op].code);
    } else {
        put(m, wagi_ops[op].code);
    }
}

static unsigned valtype(char kind)
{
    return kind == 'i' ? 0x7F : kind == 'I' ? 0x7E : kind == 'f' ? 0x7D : 0x7C;
}

/* ---- expressions ---- */

static void expression(maker *m, char kind, int depth);

static void constant(maker *m, char kind)
{
    static const uint64_t edges[] = {0,
                                     1,
                                     2,
                                     3,
                                     7,
                                     8,
                                     31,
                                     32,
                                     63,
                                     64,
                                     127,
                                     128,
                                     255,
                                     256,
                                     0x7FFF,
                                     0x8000,
                                     0xFFFF,
                                     0x7FFFFFFF,
                                     0x80000000,
                                     0xFFFFFFFF,
                                     0x100000000,
                                     0x7FFFFFFFFFFFFFFF,
                                     0x8000000000000000,
                                     0xFFFFFFFFFFFFFFFF,
                                     0xFFFFFFFFFFFFFFFE,
                                     0xFFFFFFFF80000000,
                                     0xFFFFFFFF7FFFFFFF};
    static const double floats[] = {0,
                                    -0.0,
                                    1,
                                    -1,
                                    0.5,
                                    1.5,
                                    2147483647,
                                    -2147483648.0,
                                    2147483648.0,
                                    4294967296.0,
                                    9223372036854775808.0,
                                    -9223372036854775808.0,
                                    18446744073709551616.0,
                                    1e300,
                                    1e-310,
                                    3.25,
                                    -7.75,
                                    1.0 / 0.0,
                                    -1.0 / 0.0,
                                    123456.789};
    unsigned pick = choose(m, 64);
    if (kind == 'i' || kind == 'I') {
        uint64_t value = pick < 27 ? edges[pick] : pick < 50 ? pick - 27 : next_random(m);
        put_op(m, kind == 'i' ? WAGI_OP_i32_const : WAGI_OP_i64_const);
        put_s(m, kind == 'i' ? (int32_t)value : (int64_t)value);
        return;
    }
    double value = floats[pick % 20];
    uint8_t bytes[8];
    if (kind == 'f') {
        float single = (float)value;
        memcpy(bytes, &single, 4);
    } else {
        memcpy(bytes, &value, 8);
    }
    put_op(m, kind == 'f' ? WAGI_OP_f32_const : WAGI_OP_f64_const);
    for (int i = 0; i < (kind == 'f' ? 4 : 8); i++)
        put(m, bytes[i]);
}

static int local_of(maker *m, char kind)
{
    unsigned first = choose(m, m->local_count);
    for (unsigned i = 0; i < m->local_count; i++)
        if (m->locals[(first + i) % m->local_count] == (uint8_t)kind)
            return (int)((first + i) % m->local_count);
    return -1;
}

static void local_or_constant(maker *m, char kind)
{
    int local = local_of(m, kind);
    if (local < 0 || choose(m, 4) == 0) {
        constant(m, kind);
        return;
    }
    put_op(m, WAGI_OP_local_get);
    put_u(m, (unsigned)local);
}

/* The scratch locals are the last ones: f32, f64. */
static void canonical_nan(maker *m, char kind)
{
    unsigned scratch = m->local_count + (kind == 'F');
    put_op(m, WAGI_OP_local_tee);
    put_u(m, scratch);
    put_op(m, kind == 'f' ? WAGI_OP_f32_const : WAGI_OP_f64_const);
    for (int i = 0; i < (kind == 'f' ? 2 : 6); i++)
        put(m, 0);
    put(m, kind == 'f' ? 0xC0 : 0xF8);
    put(m, 0x7F);
    for (int i = 0; i < 2; i++) {
        put_op(m, WAGI_OP_local_get);
        put_u(m, scratch);
    }
    put_op(m, kind == 'f' ? WAGI_OP_f32_eq : WAGI_OP_f64_eq);
    put_op(m, WAGI_OP_select);
}

static bool may_choose_nan(wagi_op op)
{
    const char *text = wagi_ops[op].text;
    return !strstr(text, "abs") && !strstr(text, "neg") && !strstr(text, "copysign") && !strstr(text, "reinterpret");
}

/* A numeric op that gives the kind, with its operands. */
static void numeric(maker *m, char kind, int depth)
{
    for (int attempt = 0; attempt < 64; attempt++) {
        wagi_op op = WAGI_OP_i32_eqz + choose(m, 256) % (WAGI_OP_i64_extend32_s - WAGI_OP_i32_eqz + 1);
        if (choose(m, 8) == 0)
            op = WAGI_OP_i32_trunc_sat_f32_s + choose(m, 8);
        const char *signature = wagi_ops[op].signature;
        if (!signature || wagi_ops[op].imm != WAGI_IMM_NONE || strpbrk(signature, "av"))
            continue;
        const char *colon = strchr(signature, ':');
        if (colon[1] != kind)
            continue;
        for (const char *operand = signature; operand < colon; operand++)
            expression(m, *operand, depth - 1);
        put_op(m, op);
        if ((kind == 'f' || kind == 'F') && may_choose_nan(op))
            canonical_nan(m, kind);
        return;
    }
    constant(m, kind);
}

static void address(maker *m, int depth)
{
    if (choose(m, 8) == 0) {
        expression(m, m->memory64 ? 'I' : 'i', depth - 1); /* anywhere */
        return;
    }
    expression(m, 'i', depth - 1);
    put_op(m, WAGI_OP_i32_const);
    put_s(m, 0xFFF8);
    put_op(m, WAGI_OP_i32_and);
    if (m->memory64)
        put_op(m, WAGI_OP_i64_extend_i32_u);
}

static void memarg(maker *m)
{
    static const uint64_t offsets[] = {0, 0, 0, 4, 8, 100, 0xFFFC, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF};
    bool second = m->two_memories && choose(m, 3) == 0;
    put(m, second ? 0x40 : 0);
    if (second)
        put_u(m, 1);
    put_u(m, offsets[choose(m, choose(m, 8) ? 6 : 10)]);
}

static void load(maker *m, char kind, int depth)
{
    for (;;) {
        wagi_op op = WAGI_OP_i32_load + choose(m, WAGI_OP_i64_load32_u - WAGI_OP_i32_load + 1);
        if (wagi_ops[op].signature[2] != kind)
            continue;
        address(m, depth);
        put_op(m, op);
        memarg(m);
        if (kind == 'f' || kind == 'F')
            canonical_nan(m, kind);
        return;
    }
}

static void statements(maker *m, int depth);

static void block_expression(maker *m, char kind, int depth)
{
    bool is_if = choose(m, 2);
    if (is_if)
        expression(m, 'i', depth - 1);
    put_op(m, is_if ? WAGI_OP_if_ : WAGI_OP_block);
    put(m, valtype(kind));
    m->labels[m->label_count++] = kind;
    statements(m, depth - 1);
    expression(m, kind, depth - 1);
    if (!is_if && choose(m, 2)) {
        expression(m, 'i', depth - 1);
        put_op(m, WAGI_OP_br_if);
        put_u(m, 0);
    }
    if (is_if) {
        put_op(m, WAGI_OP_else_);
        expression(m, kind, depth - 1);
    }
    m->label_count--;
    put_op(m, WAGI_OP_end);
}

/* A direct or indirect call with this result, if there is one; false otherwise. */
static bool call(maker *m, char kind, int depth)
{
    unsigned first = choose(m, FUNCS);
    for (unsigned i = 0; i < FUNCS; i++) {
        unsigned func = (first + i) % FUNCS;
        if (m->types[func].result != kind)
            continue;
        for (const char *p = m->types[func].params; *p; p++)
            expression(m, *p, depth > 2 ? 2 : depth - 1);
        bool indirect = choose(m, 3) == 0;
        if (indirect) {
            put_op(m, WAGI_OP_i32_const);
            put_s(m, choose(m, 6) ? (int)func : (int)choose(m, FUNCS + 2));
        }
        put_op(m, indirect ? WAGI_OP_call_indirect : WAGI_OP_call);
        put_u(m, func);
        if (indirect)
            put_u(m, 0);
        return true;
    }
    return false;
}

static void expression(maker *m, char kind, int depth)
{
    if (--m->budget < 0 || depth <= 0) {
        local_or_constant(m, kind);
        return;
    }
    switch (choose(m, 16)) {
    case 0:
    case 1:
    case 2:
        local_or_constant(m, kind);
        return;
    case 3:
    case 4:
        load(m, kind, depth);
        return;
    case 5:
        if (m->label_count < 60)
            block_expression(m, kind, depth);
        else
            constant(m, kind);
        return;
    case 6:
        expression(m, kind, depth - 1);
        expression(m, kind, depth - 1);
        expression(m, 'i', depth - 1);
        put_op(m, WAGI_OP_select);
        return;
    case 7:
        put_op(m, WAGI_OP_global_get);
        put_u(m, kind == 'i' ? 1 : kind == 'I' ? 2 : kind == 'f' ? 3 : 4);
        return;
    case 8: {
        int local = local_of(m, kind);
        expression(m, kind, depth - 1);
        if (local >= 0) {
            put_op(m, WAGI_OP_local_tee);
            put_u(m, (unsigned)local);
        }
        return;
    }
    case 9:
        if (!call(m, kind, depth))
            numeric(m, kind, depth);
        return;
    default:
        numeric(m, kind, depth);
    }
}

/* ---- statements ---- */

static void take_fuel(maker *m)
{
    put_op(m, WAGI_OP_global_get);
    put_u(m, 0);
    put_op(m, WAGI_OP_i32_eqz);
    put_op(m, WAGI_OP_if_);
    put(m, 0x40);
    put_op(m, WAGI_OP_unreachable);
    put_op(m, WAGI_OP_end);
    put_op(m, WAGI_OP_global_get);
    put_u(m, 0);
    put_op(m, WAGI_OP_i32_const);
    put_s(m, 1);
    put_op(m, WAGI_OP_i32_sub);
    put_op(m, WAGI_OP_global_set);
    put_u(m, 0);
}

static char some_kind(maker *m)
{
    return "iiIfF"[choose(m, 5)];
}

static void store(maker *m, int depth)
{
    wagi_op op = WAGI_OP_i32_store + choose(m, WAGI_OP_i64_store32 - WAGI_OP_i32_store + 1);
    address(m, depth);
    expression(m, wagi_ops[op].signature[1], depth - 1);
    put_op(m, op);
    memarg(m);
}

static void loop(maker *m, int depth)
{
    bool with_param = choose(m, 3) == 0;
    if (with_param)
        expression(m, 'i', depth - 1);
    put_op(m, WAGI_OP_loop);
    put_u(m, with_param ? FUNCS : 0x40); /* type FUNCS: (i32) -> (i32) */
    m->labels[m->label_count++] = with_param ? 'p' : 'l';
    take_fuel(m);
    statements(m, depth - 1);
    if (with_param) {
        expression(m, 'i', depth - 1);
        put_op(m, WAGI_OP_i32_add);
    }
    expression(m, 'i', depth - 1);
    put_op(m, WAGI_OP_i32_const);
    put_s(m, 3);
    put_op(m, WAGI_OP_i32_and);
    put_op(m, WAGI_OP_br_if);
    put_u(m, 0);
    m->label_count--;
    put_op(m, WAGI_OP_end);
    if (with_param) {
        put_op(m, WAGI_OP_global_set);
        put_u(m, 1);
    }
}

/* A label without values, counted from inside; -1 when none is open. */
static int plain_label(maker *m)
{
    if (m->label_count == 0)
        return -1;
    unsigned first = choose(m, m->label_count);
    for (unsigned i = 0; i < m->label_count; i++) {
        unsigned label = (first + i) % m->label_count;
        if (m->labels[label] == 'v')
            return (int)(m->label_count - 1 - label);
    }
    return -1;
}

static void branch(maker *m, int depth)
{
    int label = plain_label(m);
    if (label < 0)
        return;
    expression(m, 'i', depth - 1);
    if (choose(m, 3)) {
        put_op(m, WAGI_OP_br_if);
        put_u(m, (unsigned)label);
        return;
    }
    /* br_table in a block of its own, so that what follows can be reached */
    put_op(m, WAGI_OP_drop);
    put_op(m, WAGI_OP_block);
    put(m, 0x40);
    put_op(m, WAGI_OP_block);
    put(m, 0x40);
    m->labels[m->label_count++] = 'v';
    m->labels[m->label_count++] = 'v';
    expression(m, 'i', depth - 1);
    m->label_count -= 2;
    put_op(m, WAGI_OP_br_table);
    put_u(m, 3);
    put_u(m, 0);
    put_u(m, (unsigned)label + 2);
    put_u(m, 1);
    put_u(m, choose(m, 2));
    put_op(m, WAGI_OP_end);
    m->label_count++;
    expression(m, 'i', depth - 1);
    m->label_count--;
    put_op(m, WAGI_OP_global_set);
    put_u(m, 1);
    put_op(m, WAGI_OP_end);
}

static void bulk(maker *m, int depth)
{
    char kind = m->memory64 ? 'I' : 'i';
    bool fill = choose(m, 2);
    address(m, depth);
    if (fill)
        expression(m, 'i', depth - 1);
    else
        address(m, depth);
    put_op(m, kind == 'I' ? WAGI_OP_i64_const : WAGI_OP_i32_const);
    put_s(m, choose(m, 64));
    put_op(m, fill ? WAGI_OP_memory_fill : WAGI_OP_memory_copy);
    put_u(m, 0);
    if (!fill)
        put_u(m, 0);
}

static void grow(maker *m)
{
    put_op(m, m->memory64 ? WAGI_OP_i64_const : WAGI_OP_i32_const);
    put_s(m, choose(m, 2));
    put_op(m, WAGI_OP_memory_grow);
    put_u(m, 0);
    put_op(m, WAGI_OP_drop);
}

static void statement(maker *m, int depth)
{
    char kind = some_kind(m);
    int local;
    if (--m->budget < 0 || depth <= 0)
        return;
    switch (choose(m, 16)) {
    case 0:
    case 1:
    case 2:
        if ((local = local_of(m, kind)) < 0)
            return;
        expression(m, kind, depth - 1);
        put_op(m, WAGI_OP_local_set);
        put_u(m, (unsigned)local);
        return;
    case 3:
    case 4:
        store(m, depth);
        return;
    case 5:
        expression(m, kind, depth - 1);
        put_op(m, WAGI_OP_global_set);
        put_u(m, kind == 'i' ? 1 : kind == 'I' ? 2 : kind == 'f' ? 3 : 4);
        return;
    case 6:
    case 7:
    case 8: {
        bool is_if = choose(m, 2);
        if (m->label_count >= 60)
            return;
        if (is_if)
            expression(m, 'i', depth - 1);
        put_op(m, is_if ? WAGI_OP_if_ : WAGI_OP_block);
        put(m, 0x40);
        m->labels[m->label_count++] = 'v';
        statements(m, depth - 1);
        if (is_if && choose(m, 2)) {
            put_op(m, WAGI_OP_else_);
            statements(m, depth - 1);
        }
        m->label_count--;
        put_op(m, WAGI_OP_end);
        return;
    }
    case 9:
    case 10:
        if (m->label_count < 60)
            loop(m, depth);
        return;
    case 11:
    case 12:
        branch(m, depth);
        return;
    case 13:
        if (call(m, kind, depth))
            put_op(m, WAGI_OP_drop);
        return;
    case 14:
        bulk(m, depth);
        return;
    default:
        if (choose(m, 8) == 0)
            grow(m);
        else
            call(m, 0, depth);
    }
}

static void statements(maker *m, int depth)
{
    for (unsigned n = choose(m, 4); n; n--)
        statement(m, depth);
}

/* ---- modules ---- */

typedef struct bytes {
    uint8_t p[1 << 18];
    size_t n;
} bytes;

static void out(bytes *b, const void *from, size_t n)
{
    if (n <= sizeof b->p - b->n) {
        memcpy(b->p + b->n, from, n);
        b->n += n;
    }
}

/* What the maker has collected since `from` as a section. */
static void out_section(bytes *b, maker *m, unsigned id, size_t from)
{
    uint8_t head[6] = {(uint8_t)id};
    size_t size = m->n - from;
    for (int i = 0; i < 5; i++)
        head[1 + i] = (uint8_t)((size >> 7 * i & 0x7F) | (i < 4 ? 0x80 : 0));
    out(b, head, 6);
    out(b, m->bytes + from, size);
    m->n = from;
}

static void make_types(maker *m, bytes *b)
{
    put_u(m, FUNCS + 1);
    for (int f = 0; f < FUNCS; f++) {
        unsigned params = choose(m, 4) ? choose(m, 4) : choose(m, 11);
        for (unsigned i = 0; i < params; i++)
            m->types[f].params[i] = some_kind(m);
        m->types[f].params[params] = 0;
        m->types[f].result = choose(m, 6) ? some_kind(m) : 0;
        put(m, 0x60);
        put_u(m, params);
        for (unsigned i = 0; i < params; i++)
            put(m, valtype(m->types[f].params[i]));
        put_u(m, m->types[f].result != 0);
        if (m->types[f].result)
            put(m, valtype(m->types[f].result));
    }
    static const uint8_t loop_type[] = {0x60, 1, 0x7F, 1, 0x7F};
    for (size_t i = 0; i < sizeof loop_type; i++)
        put(m, loop_type[i]);
    out_section(b, m, 1, 0);
}

static void make_body(maker *m, unsigned f)
{
    static const char kinds[] = "iIfF";
    m->local_count = 0;
    for (const char *p = m->types[f].params; *p; p++)
        m->locals[m->local_count++] = (uint8_t)*p;
    size_t start = m->n;
    put_u(m, 4 + SCRATCH_LOCALS);
    for (int i = 0; i < 4; i++) {
        put_u(m, 1);
        put(m, valtype(kinds[i]));
        m->locals[m->local_count++] = (uint8_t)kinds[i];
    }
    put_u(m, 1);
    put(m, valtype('f'));
    put_u(m, 1);
    put(m, valtype('F'));
    m->budget = 150;
    m->result = m->types[f].result;
    m->label_count = 0;
    take_fuel(m);
    for (unsigned n = 2 + choose(m, 6); n; n--)
        statement(m, MAX_DEPTH);
    if (m->result)
        expression(m, m->result, 3);
    put_op(m, WAGI_OP_end);
    /* The size comes first: rotate it into place. */
    size_t size = m->n - start;
    uint8_t head[3] = {(uint8_t)(size & 0x7F) | 0x80, (uint8_t)(size >> 7 & 0x7F) | 0x80, (uint8_t)(size >> 14)};
    if (m->n + 3 <= sizeof m->bytes) {
        memmove(m->bytes + start + 3, m->bytes + start, size);
        memcpy(m->bytes + start, head, 3);
        m->n += 3;
    } else {
        m->full = true;
    }
}

static void put_bytes(maker *m, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(m, (uint8_t)text[i]);
}

static void make_module(maker *m, bytes *b)
{
    b->n = m->n = 0;
    m->memory64 = choose(m, 6) == 0;
    m->two_memories = choose(m, 4) == 0;
    out(b, "\0asm\1\0\0\0", 8);
    make_types(m, b);
    put_u(m, FUNCS);
    for (unsigned f = 0; f < FUNCS; f++)
        put_u(m, f);
    out_section(b, m, 3, 0);
    put_bytes(m, "\1\x70\0\7", 4); /* a table of 7, two of them null */
    out_section(b, m, 4, 0);
    put_u(m, m->two_memories ? 2 : 1);
    for (int i = 0; i <= m->two_memories; i++) {
        put(m, m->memory64 ? 5 : 1);
        put_u(m, 1);
        put_u(m, 2);
    }
    out_section(b, m, 5, 0);
    put_bytes(
        m,
        "\5\x7F\1\x41\xB8\x17\x0B\x7F\1\x41\0\x0B\x7E\1\x42\0\x0B\x7D\1\x43\0\0\0\0\x0B\x7C\1\x44\0\0\0\0\0\0\0\0\x0B",
        37);
    out_section(b, m, 6, 0);
    put_u(m, FUNCS + 1);
    for (unsigned f = 0; f < FUNCS; f++) {
        put(m, 1);
        put(m, 'a' + f);
        put(m, 0);
        put_u(m, f);
    }
    put_bytes(m, "\1m\2\0", 4);
    out_section(b, m, 7, 0);
    put_bytes(m, "\1\0\x41\0\x0B\5\0\1\2\3\4", 11);
    out_section(b, m, 9, 0);
    put_u(m, FUNCS);
    for (unsigned f = 0; f < FUNCS; f++)
        make_body(m, f);
    out_section(b, m, 10, 0);
}

#endif

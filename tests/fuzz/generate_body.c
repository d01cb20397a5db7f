/* Function bodies of the generator. */
#include "tests/fuzz/generate_body.h"

#include "binary/op.h"

/* ---- decisions ---- */

static uint64_t next_random(maker *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random;
}

unsigned gen_choose(maker *m, unsigned count)
{
    unsigned byte = m->at < m->size ? m->data[m->at++] : (unsigned)(next_random(m) >> 32 & 0xFF);
    return byte % count;
}

bool gen_once_in(maker *m, unsigned count)
{
    return gen_choose(m, count) == count - 1;
}

char gen_some_kind(maker *m)
{
    if (m->vectors && gen_choose(m, 3) == 0)
        return 'v';
    return "iiiIIIfFFrxa"[gen_choose(m, 12)];
}

/* ---- bytes ---- */

static void put_s(build *b, int64_t x)
{
    for (;;) {
        uint8_t byte = x & 0x7F;
        x >>= 7;
        if ((x == 0 && !(byte & 0x40)) || (x == -1 && (byte & 0x40))) {
            build_u8(b, byte);
            return;
        }
        build_u8(b, byte | 0x80u);
    }
}

void gen_put_op(maker *m, wagi_op op)
{
    if (wagi_ops[op].prefix) {
        build_u8(m->b, wagi_ops[op].prefix);
        build_leb(m->b, wagi_ops[op].code);
    } else {
        build_u8(m->b, wagi_ops[op].code);
    }
}

void gen_put_op_u(maker *m, wagi_op op, uint64_t immediate)
{
    gen_put_op(m, op);
    build_leb(m->b, immediate);
}

void gen_put_i32(maker *m, int32_t value)
{
    gen_put_op(m, WAGI_OP_i32_const);
    put_s(m->b, value);
}

/* ---- the operand stack ---- */

void gen_push(maker *m, char kind)
{
    if (m->height < MAX_STACK)
        m->stack[m->height++] = kind;
}

void gen_push_all(maker *m, const kinds *types)
{
    for (unsigned i = 0; i < types->count; i++)
        gen_push(m, types->at[i]);
}

size_t gen_base(const maker *m)
{
    return m->labels[m->label_count - 1].base;
}

static void integer(maker *m, bool is_64)
{
    static const int64_t edges[] = {
        0,   1,   2,           3,      7,      31,     32,         63,         64,          127,       128,
        255, 256, -128,        0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, INT32_MIN,  INT64_MAX,   INT64_MIN, 0xFFFFFFFF,
        -1,  -2,  0x100000000, 65532,  65535,  131068, 0x80000000, 0x55555555, -2147483649, 0x12345678};
    unsigned pick = gen_choose(m, 60);
    int64_t value = pick < 32 ? edges[pick] : pick < 55 ? (int64_t)pick - 32 : (int64_t)next_random(m);
    gen_put_op(m, is_64 ? WAGI_OP_i64_const : WAGI_OP_i32_const);
    put_s(m->b, is_64 ? value : (int32_t)value);
}

static void real(maker *m, bool is_64)
{
    /* clang-format off */
    static const double edges[24] = {
        0, -0.0, 1, -1, 0.5, 1.5, 2147483647, -2147483648.0, 2147483648.0, 4294967296.0, 1e300,
        9223372036854775808.0, -9223372036854775808.0, 18446744073709551616.0, 1e-310, 3.25, -7.75,
        1.0 / 0.0, -1.0 / 0.0, 123456.789, 2.5, -0.5, 1e-40, 16777217.0,
    };
    /* clang-format on */
    double value = edges[gen_choose(m, 24)];
    float single = (float)value;
    gen_put_op(m, is_64 ? WAGI_OP_f64_const : WAGI_OP_f32_const);
    build_raw(m->b, is_64 ? (void *)&value : (void *)&single, is_64 ? 8 : 4);
}

static void constant(maker *m, char kind)
{
    switch (kind) {
    case 'i':
    case 'I':
        integer(m, kind == 'I');
        break;
    case 'f':
    case 'F':
        real(m, kind == 'F');
        break;
    case 'r':
        if (gen_choose(m, 3))
            gen_put_op_u(m, WAGI_OP_ref_func, gen_choose(m, m->imported + FUNCS));
        else
            gen_put_op_u(m, WAGI_OP_ref_null, 0x70);
        break;
    case 'e':
        gen_put_op_u(m, WAGI_OP_ref_null, 0x69);
        break;
    case 'a':
        if (gen_choose(m, 2)) {
            integer(m, false);
            gen_put_op(m, WAGI_OP_ref_i31);
        } else {
            gen_put_op_u(m, WAGI_OP_ref_null, 0x6E);
        }
        break;
    case 'v':
        gen_vector_constant(m);
        break;
    default:
        gen_put_op_u(m, WAGI_OP_ref_null, 0x6F);
    }
}

int gen_local_of(maker *m, char kind, unsigned count)
{
    unsigned first = count ? gen_choose(m, count) : 0;
    for (unsigned i = 0; i < count; i++)
        if (m->locals[(first + i) % count] == kind)
            return (int)((first + i) % count);
    return -1;
}

/* Globals: 0 fuel, then one of each kind i I f F r x a, v when there are vectors. */
#define GLOBAL_KINDS "iIfFrxav"
static unsigned global_of(char kind)
{
    return (unsigned)(strchr(GLOBAL_KINDS, kind) - GLOBAL_KINDS) + 1;
}

/* One value of the kind from nothing. */
void gen_make(maker *m, char kind)
{
    unsigned how = gen_choose(m, 8);
    int local = gen_local_of(m, kind, m->local_count + 2);
    if (how < 5 && local >= 0)
        gen_put_op_u(m, WAGI_OP_local_get, (unsigned)local);
    else if (how == 5 && kind != 'e')
        gen_put_op_u(m, WAGI_OP_global_get, global_of(kind));
    else
        constant(m, kind);
    gen_push(m, kind);
}

/* The top of the stack becomes of these kinds; what fits already stays. */
void gen_need(maker *m, const kinds *types)
{
    unsigned have = types->count;
    if (m->height - gen_base(m) < have)
        have = (unsigned)(m->height - gen_base(m));
    while (have && memcmp(m->stack + m->height - have, types->at, have) != 0)
        have--;
    for (unsigned i = have; i < types->count; i++)
        gen_make(m, types->at[i]);
}

void gen_take(maker *m, const kinds *types)
{
    gen_need(m, types);
    m->height -= types->count;
}

kinds gen_kinds_of(const char *text)
{
    kinds types = {0, {0}};
    for (; *text && *text != ':'; text++)
        types.at[types.count++] = *text;
    return types;
}

static void take_text(maker *m, const char *text)
{
    kinds types = gen_kinds_of(text);
    gen_take(m, &types);
}

void gen_set_local_or_drop(maker *m)
{
    char kind = m->stack[--m->height];
    int local = gen_choose(m, 3) ? gen_local_of(m, kind, m->local_count) : -1;
    if (local >= 0)
        gen_put_op_u(m, WAGI_OP_local_set, (unsigned)local);
    else
        gen_put_op(m, WAGI_OP_drop);
}

/* The block's stack becomes exactly these. */
void gen_finish(maker *m, const kinds *types)
{
    unsigned same = 0;
    while (same < types->count && gen_base(m) + same < m->height && m->stack[gen_base(m) + same] == types->at[same])
        same++;
    while (m->height > gen_base(m) + same)
        gen_set_local_or_drop(m);
    for (unsigned i = same; i < types->count; i++)
        gen_make(m, types->at[i]);
}

/* ---- plain instructions ---- */

static void canonical_nan(maker *m, char kind)
{
    static const uint8_t nan_f32[] = {0, 0, 0xC0, 0x7F}, nan_f64[] = {0, 0, 0, 0, 0, 0, 0xF8, 0x7F};
    unsigned scratch = m->local_count + m->counters + (kind == 'F');
    gen_put_op_u(m, WAGI_OP_local_tee, scratch);
    gen_put_op(m, kind == 'f' ? WAGI_OP_f32_const : WAGI_OP_f64_const);
    build_raw(m->b, kind == 'f' ? nan_f32 : nan_f64, kind == 'f' ? 4 : 8);
    gen_put_op_u(m, WAGI_OP_local_get, scratch);
    gen_put_op_u(m, WAGI_OP_local_get, scratch);
    gen_put_op(m, kind == 'f' ? WAGI_OP_f32_eq : WAGI_OP_f64_eq);
    gen_put_op(m, WAGI_OP_select);
}

static bool may_choose_nan(wagi_op op)
{
    return (op >= WAGI_OP_f32_ceil && op <= WAGI_OP_f32_max) || (op >= WAGI_OP_f64_ceil && op <= WAGI_OP_f64_max) ||
           op == WAGI_OP_f32_demote_f64 || op == WAGI_OP_f64_promote_f32;
}

static bool is_division(wagi_op op)
{
    return (op >= WAGI_OP_i32_div_s && op <= WAGI_OP_i32_rem_u) || (op >= WAGI_OP_i64_div_s && op <= WAGI_OP_i64_rem_u);
}

static bool is_trapping_truncation(wagi_op op)
{
    return (op >= WAGI_OP_i32_trunc_f32_s && op <= WAGI_OP_i32_trunc_f64_u) ||
           (op >= WAGI_OP_i64_trunc_f32_s && op <= WAGI_OP_i64_trunc_f64_u);
}

static void scalar(maker *m)
{
    enum { PLAIN = WAGI_OP_i64_extend32_s - WAGI_OP_i32_eqz + 1, SATURATING = 8 };
    if (m->wide && gen_once_in(m, 12)) {
        gen_wide(m);
        return;
    }
    unsigned pick = gen_choose(m, PLAIN + SATURATING);
    wagi_op op = pick < PLAIN ? WAGI_OP_i32_eqz + pick : WAGI_OP_i32_trunc_sat_f32_s + (pick - PLAIN);
    const char *signature = wagi_ops[op].signature;
    if (is_trapping_truncation(op) && gen_choose(m, 4))
        op = op < WAGI_OP_i64_extend_i32_s ? WAGI_OP_i32_trunc_sat_f32_s + (op - WAGI_OP_i32_trunc_f32_s)
                                           : WAGI_OP_i64_trunc_sat_f32_s + (op - WAGI_OP_i64_trunc_f32_s);
    if (is_division(op) && gen_choose(m, 4)) { /* a divisor that is not 0, often constant */
        bool is_64 = signature[0] == 'I';
        take_text(m, is_64 ? "I" : "i");
        gen_push(m, signature[0]);
        if (gen_choose(m, 2)) {
            gen_put_op(m, is_64 ? WAGI_OP_i64_const : WAGI_OP_i32_const);
            put_s(m->b, 1 + (int64_t)gen_choose(m, 20));
        } else {
            gen_make(m, signature[0]);
            m->height--;
            gen_put_op(m, is_64 ? WAGI_OP_i64_const : WAGI_OP_i32_const);
            put_s(m->b, 1);
            gen_put_op(m, is_64 ? WAGI_OP_i64_or : WAGI_OP_i32_or);
        }
        gen_push(m, signature[0]);
    }
    take_text(m, signature);
    gen_put_op(m, op);
    char result = strchr(signature, ':')[1];
    gen_push(m, result);
    if (may_choose_nan(op) && !m->plain_floats)
        canonical_nan(m, result);
}

static char address_kind(const maker *m, unsigned memory)
{
    return m->memory_is_64[memory] ? 'I' : 'i';
}

/* The address on top: mostly masked into the first page. */
void gen_address(maker *m, unsigned memory)
{
    bool is_64 = m->memory_is_64[memory];
    take_text(m, is_64 ? "I" : "i");
    gen_push(m, is_64 ? 'I' : 'i');
    if (gen_once_in(m, 24))
        return;
    gen_put_op(m, is_64 ? WAGI_OP_i64_const : WAGI_OP_i32_const);
    put_s(m->b, gen_choose(m, 3) ? 0xFF : 0xFFFF);
    gen_put_op(m, is_64 ? WAGI_OP_i64_and : WAGI_OP_i32_and);
}

void gen_memarg(maker *m, unsigned memory, unsigned align)
{
    static const uint64_t offsets[] = {0, 1, 4, 8, 127, 128, 65000, 65532, 131072, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    build_leb(m->b, gen_choose(m, align + 1) | (memory ? 0x40u : 0u));
    if (memory)
        build_leb(m->b, memory);
    build_leb(m->b, gen_choose(m, 3) ? gen_choose(m, 64) : offsets[gen_choose(m, gen_once_in(m, 6) ? 12 : 7)]);
}

static void load_or_store(maker *m)
{
    unsigned memory = gen_choose(m, m->memories);
    bool is_load = gen_choose(m, 2);
    wagi_op op = is_load ? WAGI_OP_i32_load + gen_choose(m, WAGI_OP_i64_load32_u - WAGI_OP_i32_load + 1)
                         : WAGI_OP_i32_store + gen_choose(m, WAGI_OP_i64_store32 - WAGI_OP_i32_store + 1);
    gen_address(m, memory);
    if (!is_load) {
        gen_make(m, wagi_ops[op].signature[1]);
        m->height--;
    }
    m->height--;
    gen_put_op(m, op);
    gen_memarg(m, memory, wagi_ops[op].align_log2);
    if (is_load) {
        char kind = strchr(wagi_ops[op].signature, ':')[1];
        gen_push(m, kind);
        if ((kind == 'f' || kind == 'F') && !m->plain_floats)
            canonical_nan(m, kind);
    }
}

static void small(maker *m, bool is_64, unsigned below)
{
    gen_put_op(m, is_64 ? WAGI_OP_i64_const : WAGI_OP_i32_const);
    put_s(m->b, gen_choose(m, below));
}

static void bulk_memory(maker *m)
{
    unsigned memory = gen_choose(m, m->memories), other = gen_choose(m, m->memories);
    bool is_64 = m->memory_is_64[memory];
    unsigned how = gen_choose(m, 8);
    if (how == 0) {
        gen_put_op_u(m, WAGI_OP_data_drop, gen_choose(m, 2));
        return;
    }
    if (how == 1) {
        small(m, is_64, 3);
        gen_put_op_u(m, WAGI_OP_memory_grow, memory);
        gen_push(m, address_kind(m, memory));
        return;
    }
    if (how == 2) {
        gen_put_op_u(m, WAGI_OP_memory_size, memory);
        gen_push(m, address_kind(m, memory));
        return;
    }
    gen_address(m, memory);
    if (how < 5) {
        gen_make(m, 'i');
        small(m, is_64, 200);
        m->height -= 2;
        gen_put_op_u(m, WAGI_OP_memory_fill, memory);
    } else if (how < 7) {
        m->height--;
        gen_make(m, address_kind(m, other));
        gen_address(m, other);
        m->height--;
        /* The first address was consumed above only in our books; both are still there. */
        small(m, is_64 && m->memory_is_64[other], 200);
        gen_put_op_u(m, WAGI_OP_memory_copy, memory);
        build_leb(m->b, other);
    } else {
        small(m, false, 8);
        small(m, false, 12);
        m->height--;
        gen_put_op_u(m, WAGI_OP_memory_init, gen_choose(m, 2));
        build_leb(m->b, memory);
    }
}

/* Tables: 0 funcref, 1 externref. */
static void table_op(maker *m)
{
    unsigned table = gen_choose(m, 2);
    char kind = table ? 'x' : 'r';
    switch (gen_choose(m, 8)) {
    case 0:
        small(m, false, TABLE_SIZE + 1);
        gen_put_op_u(m, WAGI_OP_table_get, table);
        gen_push(m, kind);
        return;
    case 1:
        small(m, false, TABLE_SIZE + 1);
        gen_make(m, kind);
        m->height--;
        gen_put_op_u(m, WAGI_OP_table_set, table);
        return;
    case 2:
        gen_make(m, kind);
        m->height--;
        small(m, false, 3);
        gen_put_op_u(m, WAGI_OP_table_grow, table);
        gen_push(m, 'i');
        return;
    case 3:
        gen_put_op_u(m, WAGI_OP_table_size, table);
        gen_push(m, 'i');
        return;
    case 4:
        small(m, false, TABLE_SIZE);
        gen_make(m, kind);
        m->height--;
        small(m, false, 4);
        gen_put_op_u(m, WAGI_OP_table_fill, table);
        return;
    case 5:
        small(m, false, TABLE_SIZE);
        small(m, false, TABLE_SIZE);
        small(m, false, 4);
        gen_put_op_u(m, WAGI_OP_table_copy, table);
        build_leb(m->b, table);
        return;
    case 6:
        small(m, false, TABLE_SIZE);
        small(m, false, 3);
        small(m, false, 3);
        gen_put_op_u(m, WAGI_OP_table_init, 0);
        build_leb(m->b, 0);
        return;
    default:
        if (m->height > gen_base(m) && strchr("rxa", m->stack[m->height - 1])) {
            gen_put_op(m, WAGI_OP_ref_is_null);
            m->stack[m->height - 1] = 'i';
        } else if (gen_once_in(m, 8)) {
            gen_put_op_u(m, WAGI_OP_elem_drop, 0);
        }
    }
}

static void choose_one(maker *m)
{
    char kind = gen_some_kind(m);
    kinds two = {2, {kind, kind}};
    gen_take(m, &two);
    gen_make(m, 'i');
    m->height--;
    if (strchr("rxa", kind) || gen_choose(m, 4) == 0) {
        gen_put_op_u(m, WAGI_OP_select_t, 1);
        build_u8(m->b, gen_valtype(kind));
    } else {
        gen_put_op(m, WAGI_OP_select);
    }
    gen_push(m, kind);
}

/* ---- control ---- */

static void take_fuel(maker *m, int amount)
{
    gen_put_op_u(m, WAGI_OP_global_get, 0);
    gen_put_i32(m, amount);
    gen_put_op(m, WAGI_OP_i32_sub);
    gen_put_op_u(m, WAGI_OP_global_set, 0);
    gen_put_op_u(m, WAGI_OP_global_get, 0);
    gen_put_i32(m, 0);
    gen_put_op(m, WAGI_OP_i32_lt_s);
    gen_put_op_u(m, WAGI_OP_if_, 0x40);
    gen_put_op(m, WAGI_OP_unreachable);
    gen_put_op(m, WAGI_OP_end);
}

void gen_open_label(maker *m, const kinds *params, const kinds *carries)
{
    m->height -= params->count;
    m->labels[m->label_count++] = (label){*carries, m->height};
    gen_push_all(m, params);
}

void gen_close_label(maker *m, const kinds *results)
{
    m->height = gen_base(m);
    m->label_count--;
    gen_push_all(m, results);
}

static void block_or_if(maker *m)
{
    unsigned type = gen_choose(m, TYPES);
    bool is_if = gen_choose(m, 2);
    const kinds *params = &m->types[type].params, *results = &m->types[type].results;
    gen_need(m, params);
    if (is_if) {
        gen_make(m, 'i');
        m->height--;
    }
    gen_put_op(m, is_if ? WAGI_OP_if_ : WAGI_OP_block);
    put_s(m->b, type);
    gen_open_label(m, params, results);
    gen_instructions(m, gen_choose(m, 8));
    gen_finish(m, results);
    if (is_if && (!same_kinds(params, results) || gen_choose(m, 2))) {
        gen_put_op(m, WAGI_OP_else_);
        m->height = gen_base(m);
        gen_push_all(m, params);
        gen_instructions(m, gen_choose(m, 8));
        gen_finish(m, results);
    }
    gen_close_label(m, results);
    gen_put_op(m, WAGI_OP_end);
}

static void loop(maker *m)
{
    unsigned type = gen_choose(m, TYPES), counter = m->local_count + m->counters - 1 - m->label_count % m->counters;
    const kinds *params = &m->types[type].params, *results = &m->types[type].results;
    bool counts = gen_choose(m, 3);
    gen_need(m, params);
    if (counts) {
        gen_put_i32(m, 1 + (int32_t)gen_choose(m, 6));
        gen_put_op_u(m, WAGI_OP_local_set, counter);
    }
    gen_put_op(m, WAGI_OP_loop);
    put_s(m->b, type);
    gen_open_label(m, params, params);
    take_fuel(m, 1);
    gen_instructions(m, 2 + gen_choose(m, 10));
    gen_take(m, params);
    gen_push_all(m, params);
    if (counts) {
        gen_put_op_u(m, WAGI_OP_local_get, counter);
        gen_put_i32(m, 1);
        gen_put_op(m, WAGI_OP_i32_sub);
        gen_put_op_u(m, WAGI_OP_local_tee, counter);
        if (gen_choose(m, 2)) {
            gen_put_i32(m, 0);
            gen_put_op(m, WAGI_OP_i32_gt_s);
        }
    } else {
        gen_make(m, 'i');
        m->height--;
    }
    gen_put_op_u(m, WAGI_OP_br_if, 0);
    gen_finish(m, results);
    gen_close_label(m, results);
    gen_put_op(m, WAGI_OP_end);
}

/* Labels, counted from inside, that carry what the chosen one carries. */
static unsigned alike(maker *m, const kinds *carries)
{
    unsigned first = gen_choose(m, m->label_count);
    for (unsigned i = 0;; i++) {
        unsigned at = (first + i) % m->label_count;
        if (same_kinds(&m->labels[at].carries, carries))
            return m->label_count - 1 - at;
    }
}

static void branch_table(maker *m, const kinds *carries)
{
    unsigned count = gen_choose(m, 6);
    gen_make(m, 'i');
    m->height--;
    if (gen_choose(m, 2)) {
        gen_put_i32(m, 7);
        gen_put_op(m, WAGI_OP_i32_and);
    }
    gen_put_op_u(m, WAGI_OP_br_table, count);
    for (unsigned i = 0; i <= count; i++)
        build_leb(m->b, alike(m, carries));
}

static void branch(maker *m)
{
    unsigned at = gen_choose(m, m->label_count);
    kinds carries = m->labels[at].carries;
    unsigned how = gen_choose(m, 10);
    gen_need(m, &carries);
    if (how < 7) {
        gen_make(m, 'i');
        m->height--;
        gen_put_op_u(m, WAGI_OP_br_if, m->label_count - 1 - at);
        return;
    }
    if (how < 9)
        branch_table(m, &carries);
    else
        gen_put_op_u(m, WAGI_OP_br, m->label_count - 1 - at);
    m->height = gen_base(m); /* what follows is never reached */
}

/* The index of a function of type `type`. */
static unsigned own_or_imported(maker *m, unsigned type)
{
    return m->imported && gen_choose(m, 3) ? type : m->imported + type;
}

static void never_returns(maker *m)
{
    unsigned how = gen_choose(m, is_leaf(m, m->func) ? 3 : 6);
    const kinds *results = &m->types[m->func].results;
    if (how == 0) {
        gen_put_op(m, WAGI_OP_unreachable);
    } else if (how < 3) {
        gen_take(m, results);
        gen_put_op(m, WAGI_OP_return_);
    } else {
        unsigned callee = gen_choose(m, FUNCS);
        for (unsigned i = 0; i < FUNCS && !same_kinds(&m->types[callee].results, results); i++)
            callee = (callee + 1) % FUNCS;
        gen_take(m, &m->types[callee].params);
        if (how == 3) {
            gen_put_op_u(m, WAGI_OP_return_call, own_or_imported(m, callee));
        } else if (how == 4) {
            gen_put_i32(m, (int32_t)callee);
            gen_put_op_u(m, WAGI_OP_return_call_indirect, callee);
            build_leb(m->b, 0);
        } else {
            gen_put_op_u(m, WAGI_OP_ref_func, own_or_imported(m, callee));
            gen_put_op_u(m, WAGI_OP_return_call_ref, callee);
        }
    }
    m->height = gen_base(m);
}

static void call(maker *m)
{
    unsigned callee = gen_choose(m, FUNCS), how = gen_choose(m, 8);
    if (is_leaf(m, m->func)) {
        for (callee = m->func + 1; !is_leaf(m, callee);)
            if (++callee > FUNCS)
                return;
        how = 8;
    }
    gen_take(m, &m->types[callee].params);
    if (how == 8) {
        gen_put_op_u(m, WAGI_OP_call, m->imported + callee);
    } else if (how < 4) {
        gen_put_op_u(m, WAGI_OP_call, own_or_imported(m, callee));
    } else if (how < 7) {
        if (gen_choose(m, 4)) {
            gen_put_i32(m, (int32_t)callee);
        } else {
            gen_make(m, 'i');
            m->height--;
            gen_put_i32(m, 7);
            gen_put_op(m, WAGI_OP_i32_and);
        }
        gen_put_op_u(m, WAGI_OP_call_indirect, callee);
        build_leb(m->b, 0);
    } else {
        if (gen_once_in(m, 12))
            gen_put_op_u(m, WAGI_OP_ref_null, callee);
        else
            gen_put_op_u(m, WAGI_OP_ref_func, own_or_imported(m, callee));
        gen_put_op_u(m, WAGI_OP_call_ref, callee);
    }
    gen_push_all(m, &m->types[callee].results);
}

static void variable(maker *m)
{
    char kind = gen_some_kind(m);
    if (m->height > gen_base(m) && gen_choose(m, 3))
        kind = m->stack[m->height - 1];
    if (kind == 'e') {
        gen_set_local_or_drop(m);
        return;
    }
    int local = gen_local_of(m, kind, m->local_count);
    kinds one = {1, {kind}};
    gen_take(m, &one);
    if (local < 0 || gen_once_in(m, 4)) {
        gen_put_op_u(m, WAGI_OP_global_set, global_of(kind));
    } else if (gen_choose(m, 2)) {
        gen_put_op_u(m, WAGI_OP_local_set, (unsigned)local);
    } else {
        gen_put_op_u(m, WAGI_OP_local_tee, (unsigned)local);
        gen_push(m, kind);
    }
}

static void instruction(maker *m)
{
    if (m->vectors && gen_choose(m, 4) == 0) {
        gen_vector(m);
        return;
    }
    unsigned pick = gen_choose(m, 74);
    bool deep = m->label_count >= MAX_LABELS - 2 || m->height + 4 * MAX_KINDS > MAX_STACK;
    if (pick < 24)
        scalar(m);
    else if (pick < 32)
        (pick < 30 ? load_or_store : gen_atomic)(m);
    else if (pick < 38)
        variable(m);
    else if (pick < 42)
        gen_make(m, gen_some_kind(m));
    else if (pick < 45)
        choose_one(m);
    else if (pick < 49 && !deep)
        block_or_if(m);
    else if (pick < 52 && !deep && !is_leaf(m, m->func))
        loop(m);
    else if (pick < 56)
        branch(m);
    else if (pick < 59)
        call(m);
    else if (pick < 61)
        bulk_memory(m);
    else if (pick < 63)
        table_op(m);
    else if (pick > 67)
        gen_gc(m);
    else if (pick > 63)
        gen_exception(m, deep);
    else if (m->label_count > 1 && gen_choose(m, 2))
        never_returns(m);
}

void gen_instructions(maker *m, unsigned count)
{
    while (count-- && --m->budget > 0) {
        if (m->height + 3 * MAX_KINDS > MAX_STACK)
            gen_set_local_or_drop(m);
        else
            instruction(m);
    }
}

/* ---- bodies ---- */

void gen_body(maker *m, unsigned func)
{
    const kinds *params = &m->types[func].params, *results = &m->types[func].results;
    size_t size = build_begin(m->b);
    m->func = func;
    m->local_count = 0;
    for (unsigned i = 0; i < params->count; i++)
        m->locals[m->local_count++] = params->at[i];
    unsigned more = gen_choose(m, 4) ? gen_choose(m, 8) : gen_choose(m, MAX_LOCALS - MAX_KINDS - 6);
    m->counters = 4;
    build_leb(m->b, more + m->counters + 3 + m->vectors);
    for (unsigned i = 0; i < more; i++)
        m->locals[m->local_count++] = gen_once_in(m, 12) ? 'e' : gen_some_kind(m);
    for (unsigned i = 0; i < m->counters; i++)
        m->locals[m->local_count + i] = 'i';
    for (unsigned i = 0; i < more + m->counters; i++) {
        build_u8(m->b, 1);
        build_u8(m->b, gen_valtype(m->locals[params->count + i]));
    }
    build_raw(m->b, "\1\x7D\1\x7C\1\x7B", m->vectors ? 6 : 4);
    build_raw(m->b, "\1\x6E", 2);
    m->height = m->label_count = 0;
    m->labels[m->label_count++] = (label){*results, 0};
    m->budget = 60 + (int)gen_choose(m, 200);
    if (!is_leaf(m, func))
        take_fuel(m, ENTRY_FUEL);
    gen_instructions(m, is_leaf(m, func) ? 1 + gen_choose(m, 5) : 4 + gen_choose(m, 40));
    gen_finish(m, results);
    gen_put_op(m, WAGI_OP_end);
    build_end(m->b, size);
}

/* What computes with 128 bits in the generator's function bodies: vectors, every row of op.def behind prefix 0xFD by
 * its signature and immediate; and wide arithmetic. */
#include "tests/fuzz/generate_body.h"

enum { FIRST = WAGI_OP_v128_load, COUNT = WAGI_OP_i32x4_relaxed_dot_i8x16_i7x16_add_s - WAGI_OP_v128_load + 1 };
_Static_assert(COUNT == 256, "one decision chooses among all vector ops");

/* ---- constants ---- */

static void random_bytes(maker *m, uint8_t *bytes)
{
    for (unsigned i = 0; i < 16; i++)
        bytes[i] = (uint8_t)gen_choose(m, 256);
}

static void put_lanes(uint8_t *bytes, const void *lane, unsigned size)
{
    for (unsigned i = 0; i < 16; i++)
        bytes[i] = ((const uint8_t *)lane)[i % size];
}

void gen_vector_constant(maker *m)
{
    static const float singles[] = {0, -0.0f, 1, -1.5f, 2147483648.0f, -1e30f, 1.0f / 0.0f, 1e-40f, 2.5f, 16777217.0f};
    static const double doubles[] = {0, -0.0, 1, -2.5, 4294967296.0, 1e300, -1.0 / 0.0, 1e-310, 0.5, 2147483647.5};
    static const uint64_t ints[] = {0, 1, UINT64_MAX, 0x7F, 0x80, 0x7FFF, 0x8000, 0x7FFFFFFF, 0x80000000, 1ull << 63};
    uint8_t bytes[16];
    unsigned pick = gen_choose(m, 10);
    switch (gen_choose(m, 6)) {
    case 0:
        put_lanes(bytes, &singles[pick], 4);
        break;
    case 1:
        put_lanes(bytes, &doubles[pick], 8);
        break;
    case 2:
        put_lanes(bytes, &ints[pick], 1u << gen_choose(m, 4));
        break;
    case 3: /* small numbers: lanes for swizzle, counts */
        for (unsigned i = 0; i < 16; i++)
            bytes[i] = (uint8_t)gen_choose(m, 20);
        break;
    case 4: /* lanes that differ */
        put_lanes(bytes, &singles[pick], 4);
        memcpy(bytes + 8, &doubles[gen_choose(m, 10)], 8);
        break;
    default:
        random_bytes(m, bytes);
    }
    gen_put_op(m, WAGI_OP_v128_const);
    build_raw(m->b, bytes, 16);
}

/* ---- NaN ---- */

/* The result is floats, and an op may choose a NaN's bits. */
static bool may_choose_nan(const char *text)
{
    static const char *const names[] = {"ceil", "floor", "trunc", "nearest", "sqrt",     "add",     "sub",
                                        "mul",  "div",   "min",   "max",     "relaxed_", "promote", "demote"};
    const char *name = strchr(text, '.') + 1;
    for (unsigned i = 0; *text == 'f' && i < sizeof names / sizeof *names; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* Lanes of the top that are NaN become the canonical one. */
static void canonical_nans(maker *m, bool is_f64)
{
    static const uint32_t singles[] = {0x7FC00000, 0x7FC00000, 0x7FC00000, 0x7FC00000};
    static const uint64_t doubles[] = {0x7FF8000000000000, 0x7FF8000000000000};
    unsigned scratch = m->local_count + m->counters + 2;
    gen_put_op_u(m, WAGI_OP_local_tee, scratch);
    gen_put_op(m, WAGI_OP_v128_const);
    build_raw(m->b, is_f64 ? (const void *)doubles : (const void *)singles, 16);
    gen_put_op_u(m, WAGI_OP_local_get, scratch);
    gen_put_op_u(m, WAGI_OP_local_get, scratch);
    gen_put_op(m, is_f64 ? WAGI_OP_f64x2_eq : WAGI_OP_f32x4_eq);
    gen_put_op(m, WAGI_OP_v128_bitselect);
}

/* ---- ops ---- */

/* Of "i16x8.shl": 8. */
static unsigned lane_count(const char *text)
{
    return (unsigned)strtoul(strchr(text, 'x') + 1, NULL, 10);
}

static void access(maker *m, wagi_op op)
{
    const wagi_op_info *info = &wagi_ops[op];
    bool takes_vector = info->signature[1] == 'v', is_lane = info->imm == WAGI_IMM_MEMARG_LANE;
    unsigned memory = gen_choose(m, m->memories);
    gen_address(m, memory);
    if (takes_vector) {
        gen_make(m, 'v');
        m->height--;
    }
    m->height--;
    gen_put_op(m, op);
    gen_memarg(m, memory, info->align_log2);
    if (is_lane)
        build_u8(m->b, gen_choose(m, 16u >> info->align_log2));
    if (strchr(info->signature, ':')[1])
        gen_push(m, 'v');
}

void gen_vector(maker *m)
{
    wagi_op op = (wagi_op)(FIRST + gen_choose(m, COUNT));
    const wagi_op_info *info = &wagi_ops[op];
    if (info->imm == WAGI_IMM_MEMARG || info->imm == WAGI_IMM_MEMARG_LANE) {
        access(m, op);
        return;
    }
    if (op == WAGI_OP_v128_const) {
        gen_make(m, 'v');
        return;
    }
    kinds operands = gen_kinds_of(info->signature);
    gen_take(m, &operands);
    gen_put_op(m, op);
    if (info->imm == WAGI_IMM_LANE)
        build_u8(m->b, gen_choose(m, lane_count(info->text)));
    for (unsigned i = 0; info->imm == WAGI_IMM_SHUFFLE && i < 16; i++)
        build_u8(m->b, gen_choose(m, 32));
    char result = strchr(info->signature, ':')[1];
    gen_push(m, result);
    if (m->plain_floats)
        return;
    if (result == 'v' && may_choose_nan(info->text))
        canonical_nans(m, info->text[1] == '6');
}

/* ---- wide arithmetic ---- */

void gen_wide(maker *m)
{
    unsigned pick = gen_choose(m, 4);
    kinds operands = gen_kinds_of(pick < 2 ? "IIII" : "II");
    gen_take(m, &operands);
    gen_put_op(m, WAGI_OP_i64_add128 + pick);
    gen_push(m, 'I');
    gen_push(m, 'I');
}

/* The atomic accesses in the generator's function bodies. No memory of theirs is shared, so they do the same in every
 * tier; waiting traps. */
#include <string.h>

#include "tests/fuzz/generate_body.h"

/* Mostly aligned and inside the first page. */
static void memarg(maker *m, unsigned memory, unsigned align_log2)
{
    static const uint64_t offsets[] = {1, 2, 4, 65528, 65532, 0xFFFFFFFF};
    uint64_t offset = (uint64_t)gen_choose(m, 16) << align_log2;
    build_leb(m->b, align_log2 | (memory ? 0x40u : 0u));
    if (memory)
        build_leb(m->b, memory);
    build_leb(m->b, gen_once_in(m, 24) ? offsets[gen_choose(m, 6)] : offset);
}

static void access(maker *m, wagi_op op)
{
    const char *signature = wagi_ops[op].signature;
    unsigned memory = gen_choose(m, m->memories), align_log2 = wagi_ops[op].align_log2;
    gen_address(m, memory);
    if (align_log2 && !gen_once_in(m, 24)) {
        bool is_64 = m->memory_is_64[memory];
        gen_put_op(m, is_64 ? WAGI_OP_i64_const : WAGI_OP_i32_const);
        build_u8(m->b, 0x80u - (1u << align_log2)); /* -2, -4, -8 */
        gen_put_op(m, is_64 ? WAGI_OP_i64_and : WAGI_OP_i32_and);
    }
    size_t height = m->height - 1;
    for (const char *kind = signature + 1; *kind != ':'; kind++)
        gen_make(m, *kind);
    m->height = height;
    gen_put_op(m, op);
    memarg(m, memory, align_log2);
    for (const char *kind = strchr(signature, ':') + 1; *kind; kind++)
        gen_push(m, *kind);
}

void gen_atomic(maker *m)
{
    unsigned pick = gen_choose(m, 32);
    if (pick == 0) {
        gen_put_op_u(m, WAGI_OP_atomic_fence, 0);
    } else if (pick == 1) {
        access(m, gen_once_in(m, 8) ? WAGI_OP_memory_atomic_wait32 + gen_choose(m, 2) : WAGI_OP_memory_atomic_notify);
    } else {
        unsigned count = WAGI_OP_i64_atomic_rmw32_cmpxchg_u - WAGI_OP_i32_atomic_load + 1;
        access(m, WAGI_OP_i32_atomic_load + gen_choose(m, count));
    }
}

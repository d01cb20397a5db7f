/* Every vector op by its number, on slots: core/ops/v128.h's functions, chosen by their types. */
#include "compiler/fold_simd.h"

#include "ops/v128.h"

static wagi_v128 take(const uint64_t *slots)
{
    return v128_of_u64((v128_u64){{slots[0], slots[1]}});
}

static void give(uint64_t *slots, wagi_v128 v)
{
    v128_u64 words = v128_to_u64(v);
    slots[0] = words.x[0];
    slots[1] = words.x[1];
}

/* One for each way to be called. */
static inline void apply_unary(v128_unary *op, uint64_t *slots, const uint8_t *immediate)
{
    (void)immediate;
    give(slots, op(take(slots)));
}
static inline void apply_binary(v128_binary *op, uint64_t *slots, const uint8_t *immediate)
{
    (void)immediate;
    give(slots, op(take(slots), take(slots + 2)));
}
static inline void apply_ternary(v128_ternary *op, uint64_t *slots, const uint8_t *immediate)
{
    (void)immediate;
    give(slots, op(take(slots), take(slots + 2), take(slots + 4)));
}
static inline void apply_shift(v128_shift *op, uint64_t *slots, const uint8_t *immediate)
{
    (void)immediate;
    give(slots, op(take(slots), (uint32_t)slots[2]));
}
static inline void apply_test(v128_test *op, uint64_t *slots, const uint8_t *immediate)
{
    (void)immediate;
    slots[0] = op(take(slots));
}
static inline void apply_splat32(v128_splat32 *op, uint64_t *slots, const uint8_t *immediate)
{
    (void)immediate;
    give(slots, op((uint32_t)slots[0]));
}
static inline void apply_splat64(v128_splat64 *op, uint64_t *slots, const uint8_t *immediate)
{
    (void)immediate;
    give(slots, op(slots[0]));
}
static inline void apply_extract32(v128_extract32 *op, uint64_t *slots, const uint8_t *immediate)
{
    slots[0] = op(take(slots), immediate[0]);
}
static inline void apply_extract64(v128_extract64 *op, uint64_t *slots, const uint8_t *immediate)
{
    slots[0] = op(take(slots), immediate[0]);
}
static inline void apply_replace32(v128_replace32 *op, uint64_t *slots, const uint8_t *immediate)
{
    give(slots, op(take(slots), immediate[0], (uint32_t)slots[2]));
}
static inline void apply_replace64(v128_replace64 *op, uint64_t *slots, const uint8_t *immediate)
{
    give(slots, op(take(slots), immediate[0], slots[2]));
}
static inline void apply_shuffle(v128_shuffle *op, uint64_t *slots, const uint8_t *immediate)
{
    give(slots, op(take(slots), take(slots + 2), immediate));
}
/* Those of memory are not for here. */
static inline void apply_load(v128_load *op, uint64_t *slots, const uint8_t *immediate)
{
    (void)op, (void)slots, (void)immediate;
}
static inline void apply_store(v128_store *op, uint64_t *slots, const uint8_t *immediate)
{
    (void)op, (void)slots, (void)immediate;
}
static inline void apply_load_lane(v128_load_lane *op, uint64_t *slots, const uint8_t *immediate)
{
    (void)op, (void)slots, (void)immediate;
}
static inline void apply_store_lane(v128_store_lane *op, uint64_t *slots, const uint8_t *immediate)
{
    (void)op, (void)slots, (void)immediate;
}

#define APPLY(op)                                                                                                      \
    _Generic(&(op), v128_unary *                                                                                       \
             : apply_unary, v128_binary *                                                                              \
             : apply_binary, v128_ternary *                                                                            \
             : apply_ternary, v128_shift *                                                                             \
             : apply_shift, v128_test *                                                                                \
             : apply_test, v128_splat32 *                                                                              \
             : apply_splat32, v128_splat64 *                                                                           \
             : apply_splat64, v128_extract32 *                                                                         \
             : apply_extract32, v128_extract64 *                                                                       \
             : apply_extract64, v128_replace32 *                                                                       \
             : apply_replace32, v128_replace64 *                                                                       \
             : apply_replace64, v128_shuffle *                                                                         \
             : apply_shuffle, v128_load *                                                                              \
             : apply_load, v128_store *                                                                                \
             : apply_store, v128_load_lane *                                                                           \
             : apply_load_lane, v128_store_lane *                                                                      \
             : apply_store_lane)

/* Rows of op.def by their prefix: a case for each of 0xFD. */
#define CASE_0(name)
#define CASE_0xFB(name)
#define CASE_0xFC(name)
#define CASE_0xFE(name)
#define CASE_0xFD(name)                                                                                                \
    case WAGI_OP_##name:                                                                                               \
        APPLY(v128_##name)(v128_##name, slots, immediate);                                                             \
        return;

void wagi_vector_apply(wagi_op op, uint64_t *slots, const uint8_t *immediate)
{
    switch (op) {
#define OP(name, text, prefix, code, imm, signature, align, feature, effects) CASE_##prefix(name)
#include "binary/op.def"
#undef OP
    default:
        return;
    }
}

/* The vector ops' meanings by opcode: a function for each row of op.def, made by the type of its meaning. */
#include "binary/op_v128.h"

/* One for each way to be called (ops/v128.h). */

static inline void call_unary(v128_unary *f, const wagi_v128 *x, const uint8_t *immediate, wagi_v128 *ret)
{
    (void)immediate;
    *ret = f(x[0]);
}
static inline void call_binary(v128_binary *f, const wagi_v128 *x, const uint8_t *immediate, wagi_v128 *ret)
{
    (void)immediate;
    *ret = f(x[0], x[1]);
}
static inline void call_ternary(v128_ternary *f, const wagi_v128 *x, const uint8_t *immediate, wagi_v128 *ret)
{
    (void)immediate;
    *ret = f(x[0], x[1], x[2]);
}
static inline void call_shift(v128_shift *f, const wagi_v128 *x, const uint8_t *immediate, wagi_v128 *ret)
{
    (void)immediate;
    *ret = f(x[0], (uint32_t)wagi_v128_scalar(x[1]));
}
static inline void call_test(v128_test *f, const wagi_v128 *x, const uint8_t *immediate, wagi_v128 *ret)
{
    (void)immediate;
    *ret = wagi_v128_of_scalar(f(x[0]));
}
static inline void call_splat32(v128_splat32 *f, const wagi_v128 *x, const uint8_t *immediate, wagi_v128 *ret)
{
    (void)immediate;
    *ret = f((uint32_t)wagi_v128_scalar(x[0]));
}
static inline void call_splat64(v128_splat64 *f, const wagi_v128 *x, const uint8_t *immediate, wagi_v128 *ret)
{
    (void)immediate;
    *ret = f(wagi_v128_scalar(x[0]));
}
static inline void call_extract32(v128_extract32 *f, const wagi_v128 *x, const uint8_t *immediate, wagi_v128 *ret)
{
    *ret = wagi_v128_of_scalar(f(x[0], *immediate));
}
static inline void call_extract64(v128_extract64 *f, const wagi_v128 *x, const uint8_t *immediate, wagi_v128 *ret)
{
    *ret = wagi_v128_of_scalar(f(x[0], *immediate));
}
static inline void call_replace32(v128_replace32 *f, const wagi_v128 *x, const uint8_t *immediate, wagi_v128 *ret)
{
    *ret = f(x[0], *immediate, (uint32_t)wagi_v128_scalar(x[1]));
}
static inline void call_replace64(v128_replace64 *f, const wagi_v128 *x, const uint8_t *immediate, wagi_v128 *ret)
{
    *ret = f(x[0], *immediate, wagi_v128_scalar(x[1]));
}
static inline void call_shuffle(v128_shuffle *f, const wagi_v128 *x, const uint8_t *immediate, wagi_v128 *ret)
{
    *ret = f(x[0], x[1], immediate);
}
static inline void call_constant(v128_load *f, const wagi_v128 *x, const uint8_t *immediate, wagi_v128 *ret)
{
    (void)x;
    *ret = f(immediate);
}

#define CALL(f)                                                                                                        \
    _Generic(&(f), v128_unary *                                                                                        \
             : call_unary, v128_binary *                                                                               \
             : call_binary, v128_ternary *                                                                             \
             : call_ternary, v128_shift *                                                                              \
             : call_shift, v128_test *                                                                                 \
             : call_test, v128_splat32 *                                                                               \
             : call_splat32, v128_splat64 *                                                                            \
             : call_splat64, v128_extract32 *                                                                          \
             : call_extract32, v128_extract64 *                                                                        \
             : call_extract64, v128_replace32 *                                                                        \
             : call_replace32, v128_replace64 *                                                                        \
             : call_replace64, v128_shuffle *                                                                          \
             : call_shuffle, v128_load *                                                                               \
             : call_constant)

/* Rows behind another prefix, and those with a memarg, make nothing. */
#define ROW_0(imm, name)
#define ROW_0xFB(imm, name)
#define ROW_0xFC(imm, name)
#define ROW_0xFD(imm, name) ROW_##imm(name)
#define ROW_0xFE(imm, name)
#define ROW_MEMARG(name)
#define ROW_MEMARG_LANE(name)
#define ROW_LANE(name) ROW_NONE(name)
#define ROW_SHUFFLE(name) ROW_NONE(name)
#define ROW_V128(name) ROW_NONE(name)
#define OP(name, text, prefix, code, imm, signature, align, feature, effects) ROW_##prefix(imm, name)

#define ROW_NONE(name)                                                                                                 \
    static void apply_##name(const wagi_v128 *operands, const uint8_t *immediate, wagi_v128 *ret_value)                \
    {                                                                                                                  \
        CALL(v128_##name)(&v128_##name, operands, immediate, ret_value);                                               \
    }
#include "binary/op.def"
#undef ROW_NONE

#define FIRST WAGI_OP_v128_load
#define LAST WAGI_OP_i32x4_relaxed_dot_i8x16_i7x16_add_s

static wagi_v128_func *const funcs[LAST - FIRST + 1] = {
#define ROW_NONE(name) [WAGI_OP_##name - FIRST] = apply_##name,
#include "binary/op.def"
};

wagi_v128_func *wagi_op_v128_func(wagi_op op)
{
    return op >= FIRST && op <= LAST ? funcs[op - FIRST] : NULL;
}

/* The vector ops on the operand stack of the wide loop: one function for each way in which a meaning (ops/v128.h) is
 * called, chosen by the meaning's type. Each pops the operands, pushes the result and returns the new sp. Included by
 * interp_loop.c. */
#ifndef WAGI_INTERP_WIDE_H
#define WAGI_INTERP_WIDE_H

#include "ops/atomic.h"
#include "ops/v128.h"
#include "runtime/object.h"

#if defined(__GNUC__)
#define WIDE_INLINE inline __attribute__((always_inline))
#else
#define WIDE_INLINE inline
#endif

/* The v128 in a slot: its halves as they are in memory. */
static WIDE_INLINE wagi_v128 wide_get(const wagi_slot *slot, ptrdiff_t high)
{
    wagi_v128 v;
    memcpy(v.bytes, slot, 8);
    memcpy(v.bytes + 8, slot + high, 8);
    return v;
}
static WIDE_INLINE void wide_put(wagi_slot *slot, ptrdiff_t high, wagi_v128 v)
{
    memcpy(slot, v.bytes, 8);
    memcpy(slot + high, v.bytes + 8, 8);
}

enum {
#define OP(name, text, prefix, code, imm, signature, align, feature, effects) WIDE_CODE_##name = (code),
#include "binary/op.def"
#undef OP
};

/* ---- without memory; immediate: the bytes behind the opcode ---- */

#define WIDE_FUNC(kind)                                                                                                \
    static WIDE_INLINE wagi_slot *wide_##kind(v128_##kind *f, wagi_slot *sp, ptrdiff_t high, const uint8_t *immediate)
WIDE_FUNC(unary)
{
    (void)immediate;
    wide_put(sp - 1, high, f(wide_get(sp - 1, high)));
    return sp;
}
WIDE_FUNC(binary)
{
    (void)immediate;
    wide_put(sp - 2, high, f(wide_get(sp - 2, high), wide_get(sp - 1, high)));
    return sp - 1;
}
WIDE_FUNC(ternary)
{
    (void)immediate;
    wide_put(sp - 3, high, f(wide_get(sp - 3, high), wide_get(sp - 2, high), wide_get(sp - 1, high)));
    return sp - 2;
}
WIDE_FUNC(shift)
{
    (void)immediate;
    wide_put(sp - 2, high, f(wide_get(sp - 2, high), (uint32_t)sp[-1]));
    return sp - 1;
}
WIDE_FUNC(test)
{
    (void)immediate;
    sp[-1] = f(wide_get(sp - 1, high));
    return sp;
}
WIDE_FUNC(splat32)
{
    (void)immediate;
    wide_put(sp - 1, high, f((uint32_t)sp[-1]));
    return sp;
}
WIDE_FUNC(splat64)
{
    (void)immediate;
    wide_put(sp - 1, high, f(sp[-1]));
    return sp;
}
WIDE_FUNC(extract32)
{
    sp[-1] = f(wide_get(sp - 1, high), *immediate);
    return sp;
}
WIDE_FUNC(extract64)
{
    sp[-1] = f(wide_get(sp - 1, high), *immediate);
    return sp;
}
WIDE_FUNC(replace32)
{
    wide_put(sp - 2, high, f(wide_get(sp - 2, high), *immediate, (uint32_t)sp[-1]));
    return sp - 1;
}
WIDE_FUNC(replace64)
{
    wide_put(sp - 2, high, f(wide_get(sp - 2, high), *immediate, sp[-1]));
    return sp - 1;
}
WIDE_FUNC(shuffle)
{
    wide_put(sp - 2, high, f(wide_get(sp - 2, high), wide_get(sp - 1, high), immediate));
    return sp - 1;
}
WIDE_FUNC(load) /* a constant */
{
    wide_put(sp, high, f(immediate));
    return sp + 1;
}
#undef WIDE_FUNC

#define WIDE_PURE(f)                                                                                                   \
    _Generic(&(f), v128_unary *                                                                                        \
             : wide_unary, v128_binary *                                                                               \
             : wide_binary, v128_ternary *                                                                             \
             : wide_ternary, v128_shift *                                                                              \
             : wide_shift, v128_test *                                                                                 \
             : wide_test, v128_splat32 *                                                                               \
             : wide_splat32, v128_splat64 *                                                                            \
             : wide_splat64, v128_extract32 *                                                                          \
             : wide_extract32, v128_extract64 *                                                                        \
             : wide_extract64, v128_replace32 *                                                                        \
             : wide_replace32, v128_replace64 *                                                                        \
             : wide_replace64, v128_shuffle *                                                                          \
             : wide_shuffle, v128_load *                                                                               \
             : wide_load)

typedef struct wide_position {
    wagi_slot *sp;
    const uint8_t *ip;
} wide_position;

/* Rows of op.def behind prefix 0xFD, by their immediate. */
#define ROW_SIMD_0(imm, name, align)
#define ROW_SIMD_0xFB(imm, name, align)
#define ROW_SIMD_0xFC(imm, name, align)
#define ROW_SIMD_0xFD(imm, name, align) SIMD_##imm(name, align)
#define ROW_SIMD_0xFE(imm, name, align)

/* Run the op of a code behind the prefix that accesses no memory; ip: at its immediates. */
static wide_position wide_pure(uint64_t code, wagi_slot *sp, ptrdiff_t high, const uint8_t *ip)
{
    switch (code) {
#define SIMD_NONE(name, align) SIMD_PURE(name, 0)
#define SIMD_LANE(name, align) SIMD_PURE(name, 1)
#define SIMD_SHUFFLE(name, align) SIMD_PURE(name, 16)
#define SIMD_V128(name, align) SIMD_PURE(name, 16)
#define SIMD_MEMARG(name, align)
#define SIMD_MEMARG_LANE(name, align)
#define SIMD_PURE(name, immediate_size)                                                                                \
    case WIDE_CODE_##name:                                                                                             \
        return (wide_position){WIDE_PURE(v128_##name)(v128_##name, sp, high, ip), ip + (immediate_size)};
#define OP(name, text, prefix, code, imm, signature, align, feature, effects) ROW_SIMD_##prefix(imm, name, align)
#include "binary/op.def"
#undef OP
#undef SIMD_NONE
#undef SIMD_LANE
#undef SIMD_SHUFFLE
#undef SIMD_V128
#undef SIMD_MEMARG
#undef SIMD_MEMARG_LANE
    default:
        return (wide_position){sp, ip}; /* cannot be reached: the code is valid */
    }
}

/* ---- with memory; at: the bytes of the access, `width` of them. What other threads may write is read and written by
 * relaxed atomics (ops/atomic.h), from and to a copy. ---- */

static inline void wide_copy_in(uint8_t *copy, const uint8_t *at, unsigned width)
{
    if (width == 16) {
        access_store64(copy, atomic_plain_load64(at));
        access_store64(copy + 8, atomic_plain_load64(at + 8));
    } else if (width == 8) {
        access_store64(copy, atomic_plain_load64(at));
    } else if (width == 4) {
        access_store32(copy, atomic_plain_load32(at));
    } else if (width == 2) {
        access_store16(copy, atomic_plain_load16(at));
    } else {
        *copy = atomic_plain_load8(at);
    }
}
static inline void wide_copy_out(uint8_t *at, const uint8_t *copy, unsigned width)
{
    if (width == 16) {
        atomic_plain_store64(at, access_load64(copy));
        atomic_plain_store64(at + 8, access_load64(copy + 8));
    } else if (width == 8) {
        atomic_plain_store64(at, access_load64(copy));
    } else if (width == 4) {
        atomic_plain_store32(at, access_load32(copy));
    } else if (width == 2) {
        atomic_plain_store16(at, access_load16(copy));
    } else {
        atomic_plain_store8(at, *copy);
    }
}

typedef struct wide_bytes {
    uint8_t *at;
    unsigned width;
    bool shared;
    unsigned lane;
} wide_bytes;

static WIDE_INLINE wagi_slot *wide_access_load(v128_load *f, wagi_slot *sp, ptrdiff_t high, wide_bytes bytes)
{
    uint8_t copy[16];
    if (bytes.shared)
        wide_copy_in(copy, bytes.at, bytes.width);
    wide_put(sp - 1, high, f(bytes.shared ? copy : bytes.at));
    return sp;
}
static WIDE_INLINE wagi_slot *wide_access_store(v128_store *f, wagi_slot *sp, ptrdiff_t high, wide_bytes bytes)
{
    uint8_t copy[16];
    f(bytes.shared ? copy : bytes.at, wide_get(sp - 1, high));
    if (bytes.shared)
        wide_copy_out(bytes.at, copy, bytes.width);
    return sp - 2;
}
static WIDE_INLINE wagi_slot *wide_load_lane(v128_load_lane *f, wagi_slot *sp, ptrdiff_t high, wide_bytes bytes)
{
    uint8_t copy[16];
    if (bytes.shared)
        wide_copy_in(copy, bytes.at, bytes.width);
    wide_put(sp - 2, high, f(bytes.shared ? copy : bytes.at, wide_get(sp - 1, high), bytes.lane));
    return sp - 1;
}
static WIDE_INLINE wagi_slot *wide_store_lane(v128_store_lane *f, wagi_slot *sp, ptrdiff_t high, wide_bytes bytes)
{
    uint8_t copy[16];
    f(bytes.shared ? copy : bytes.at, wide_get(sp - 1, high), bytes.lane);
    if (bytes.shared)
        wide_copy_out(bytes.at, copy, bytes.width);
    return sp - 2;
}
#define WIDE_ACCESS(f)                                                                                                 \
    _Generic(&(f), v128_load *                                                                                         \
             : wide_access_load, v128_store *                                                                          \
             : wide_access_store, v128_load_lane *                                                                     \
             : wide_load_lane, v128_store_lane *                                                                       \
             : wide_store_lane)
/* The index operand of a load or store. */
#define WIDE_INDEX(f, sp) ((sp)[_Generic(&(f), v128_load * : -1, default : -2)])

#endif

/* The vector ops on the operand stack of the wide loop: one function for each way in which a meaning (ops/v128.h) is
 * called, chosen by the meaning's type. Each pops the operands, pushes the result and returns the new sp. Included by
 * interp_loop.c. */
#ifndef WAGI_INTERP_WIDE_H
#define WAGI_INTERP_WIDE_H

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

/* ---- with memory; at: the bytes of the access ---- */

static WIDE_INLINE wagi_slot *wide_access_load(v128_load *f, wagi_slot *sp, ptrdiff_t high, uint8_t *at)
{
    wide_put(sp - 1, high, f(at));
    return sp;
}
static WIDE_INLINE wagi_slot *wide_access_store(v128_store *f, wagi_slot *sp, ptrdiff_t high, uint8_t *at)
{
    f(at, wide_get(sp - 1, high));
    return sp - 2;
}
static WIDE_INLINE wagi_slot *wide_load_lane(v128_load_lane *f, wagi_slot *sp, ptrdiff_t high, uint8_t *at,
                                             unsigned lane)
{
    wide_put(sp - 2, high, f(at, wide_get(sp - 1, high), lane));
    return sp - 1;
}
static WIDE_INLINE wagi_slot *wide_store_lane(v128_store_lane *f, wagi_slot *sp, ptrdiff_t high, uint8_t *at,
                                              unsigned lane)
{
    f(at, wide_get(sp - 1, high), lane);
    return sp - 2;
}
#define WIDE_ACCESS(f) _Generic(&(f), v128_load * : wide_access_load, v128_store * : wide_access_store)
#define WIDE_ACCESS_LANE(f) _Generic(&(f), v128_load_lane * : wide_load_lane, v128_store_lane * : wide_store_lane)
/* The index operand of a load or store. */
#define WIDE_INDEX(f, sp) ((sp)[_Generic(&(f), v128_load * : -1, v128_store * : -2)])

#endif

/* Atomic accesses to linear memory: the threads proposal's, which are sequentially consistent, and plain accesses to
 * memory that other threads may write, which are relaxed. Functions on addresses; bounds and alignment are the
 * caller's, except where it says "any alignment".
 */
#ifndef WAGI_OPS_ATOMIC_H
#define WAGI_OPS_ATOMIC_H

#include <stdatomic.h>

#include "ops/access.h"
#include "waggle/error.h"

/* A lock beside the bytes would not see accesses of other widths. */
_Static_assert(ATOMIC_CHAR_LOCK_FREE == 2 && ATOMIC_SHORT_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2 &&
                   ATOMIC_LLONG_LOCK_FREE == 2,
               "atomic accesses to linear memory need lock-free atomics of all widths");

/* The address index + offset of an atomic access of `width` bytes in a memory of `size` bytes. One that is not a
 * multiple of the width traps, before one that is outside. */
static inline wag_err atomic_address(uint64_t index, uint64_t offset, unsigned width, uint64_t size,
                                     uint64_t *ret_address)
{
    if ((index + offset) % width)
        return WAG_UNALIGNED_ATOMIC;
    return access_address(index, offset, width, size, ret_address) ? WAG_OK : WAG_MEMORY_BOUNDS;
}

/* Read-modify-write operations, in the order of their opcodes. */
typedef enum atomic_rmw {
    ATOMIC_RMW_ADD,
    ATOMIC_RMW_SUB,
    ATOMIC_RMW_AND,
    ATOMIC_RMW_OR,
    ATOMIC_RMW_XOR,
    ATOMIC_RMW_XCHG,
    ATOMIC_RMW_COUNT
} atomic_rmw;

/* For each width: the bytes of a value are little-endian in memory, whatever the host's order (order_). All but the
 * last two need natural alignment. */
#define ATOMIC_WIDTH(bits)                                                                                             \
    static inline uint##bits##_t atomic_order##bits(uint##bits##_t value)                                              \
    {                                                                                                                  \
        uint##bits##_t swapped = 0;                                                                                    \
        if (ACCESS_LITTLE_ENDIAN)                                                                                      \
            return value;                                                                                              \
        for (unsigned i = 0; i < (bits) / 8; i++)                                                                      \
            swapped = (uint##bits##_t)(swapped << 4 << 4 | (uint8_t)(value >> 8 * i));                                 \
        return swapped;                                                                                                \
    }                                                                                                                  \
    static inline _Atomic uint##bits##_t *atomic_at##bits(const uint8_t *at)                                           \
    {                                                                                                                  \
        return (_Atomic uint##bits##_t *)(uintptr_t)at;                                                                \
    }                                                                                                                  \
    static inline uint##bits##_t atomic_get##bits(const uint8_t *at)                                                   \
    {                                                                                                                  \
        return atomic_order##bits(atomic_load(atomic_at##bits(at)));                                                   \
    }                                                                                                                  \
    static inline void atomic_set##bits(uint8_t *at, uint##bits##_t value)                                             \
    {                                                                                                                  \
        atomic_store(atomic_at##bits(at), atomic_order##bits(value));                                                  \
    }                                                                                                                  \
    /* What was there before. */                                                                                       \
    static inline uint##bits##_t atomic_cmpxchg##bits(uint8_t *at, uint##bits##_t expected,                            \
                                                      uint##bits##_t replacement)                                      \
    {                                                                                                                  \
        uint##bits##_t old = atomic_order##bits(expected);                                                             \
        atomic_compare_exchange_strong(atomic_at##bits(at), &old, atomic_order##bits(replacement));                    \
        return atomic_order##bits(old);                                                                                \
    }                                                                                                                  \
    static inline uint##bits##_t atomic_update##bits(uint8_t *at, atomic_rmw op, uint##bits##_t operand)               \
    {                                                                                                                  \
        _Atomic uint##bits##_t *cell = atomic_at##bits(at);                                                            \
        uint##bits##_t ordered = atomic_order##bits(operand), old;                                                     \
        switch (op) {                                                                                                  \
        case ATOMIC_RMW_AND:                                                                                           \
            return atomic_order##bits(atomic_fetch_and(cell, ordered));                                                \
        case ATOMIC_RMW_OR:                                                                                            \
            return atomic_order##bits(atomic_fetch_or(cell, ordered));                                                 \
        case ATOMIC_RMW_XOR:                                                                                           \
            return atomic_order##bits(atomic_fetch_xor(cell, ordered));                                                \
        case ATOMIC_RMW_XCHG:                                                                                          \
            return atomic_order##bits(atomic_exchange(cell, ordered));                                                 \
        default:                                                                                                       \
            break;                                                                                                     \
        }                                                                                                              \
        if (op == ATOMIC_RMW_SUB) /* which is adding the opposite */                                                   \
            operand = (uint##bits##_t)(0 - (uint64_t)operand);                                                         \
        if (ACCESS_LITTLE_ENDIAN)                                                                                      \
            return atomic_fetch_add(cell, operand);                                                                    \
        do                                                                                                             \
            old = atomic_get##bits(at);                                                                                \
        while (atomic_cmpxchg##bits(at, old, (uint##bits##_t)(old + operand)) != old);                                 \
        return old;                                                                                                    \
    }                                                                                                                  \
    /* Plain accesses, any alignment. An aligned one does not tear. */                                                 \
    static inline uint##bits##_t atomic_plain_load##bits(const uint8_t *from)                                          \
    {                                                                                                                  \
        if ((uintptr_t)from % ((bits) / 8) == 0) /* relaxed: it orders nothing */                                      \
            return atomic_order##bits(atomic_load_explicit(atomic_at##bits(from), memory_order_relaxed));              \
        uint##bits##_t value = 0;                                                                                      \
        for (unsigned i = 0; i < (bits) / 8; i++) {                                                                    \
            uint8_t byte = atomic_load_explicit((_Atomic uint8_t *)(uintptr_t)(from + i), memory_order_relaxed);       \
            value = (uint##bits##_t)(value | (uint##bits##_t)((uint##bits##_t)byte << 8 * i));                         \
        }                                                                                                              \
        return value;                                                                                                  \
    }                                                                                                                  \
    static inline void atomic_plain_store##bits(uint8_t *to, uint##bits##_t value)                                     \
    {                                                                                                                  \
        if ((uintptr_t)to % ((bits) / 8) == 0) { /* relaxed: it orders nothing */                                      \
            atomic_store_explicit(atomic_at##bits(to), atomic_order##bits(value), memory_order_relaxed);               \
            return;                                                                                                    \
        }                                                                                                              \
        for (unsigned i = 0; i < (bits) / 8; i++)                                                                      \
            atomic_store_explicit((_Atomic uint8_t *)(void *)(to + i), (uint8_t)(value >> 8 * i),                      \
                                  memory_order_relaxed);                                                               \
    }
ATOMIC_WIDTH(8)
ATOMIC_WIDTH(16)
ATOMIC_WIDTH(32)
ATOMIC_WIDTH(64)
#undef ATOMIC_WIDTH

/* The same for a width in bytes: 1, 2, 4, 8. Values are zero-extended; of operands the low bytes count. */
static inline uint64_t atomic_get(const uint8_t *at, unsigned width)
{
    return width == 1   ? atomic_get8(at)
           : width == 2 ? atomic_get16(at)
           : width == 4 ? atomic_get32(at)
                        : atomic_get64(at);
}

static inline void atomic_set(uint8_t *at, unsigned width, uint64_t value)
{
    if (width == 1)
        atomic_set8(at, (uint8_t)value);
    else if (width == 2)
        atomic_set16(at, (uint16_t)value);
    else if (width == 4)
        atomic_set32(at, (uint32_t)value);
    else
        atomic_set64(at, value);
}

static inline uint64_t atomic_update(uint8_t *at, unsigned width, atomic_rmw op, uint64_t operand)
{
    return width == 1   ? atomic_update8(at, op, (uint8_t)operand)
           : width == 2 ? atomic_update16(at, op, (uint16_t)operand)
           : width == 4 ? atomic_update32(at, op, (uint32_t)operand)
                        : atomic_update64(at, op, operand);
}

static inline uint64_t atomic_cmpxchg(uint8_t *at, unsigned width, uint64_t expected, uint64_t replacement)
{
    return width == 1   ? atomic_cmpxchg8(at, (uint8_t)expected, (uint8_t)replacement)
           : width == 2 ? atomic_cmpxchg16(at, (uint16_t)expected, (uint16_t)replacement)
           : width == 4 ? atomic_cmpxchg32(at, (uint32_t)expected, (uint32_t)replacement)
                        : atomic_cmpxchg64(at, expected, replacement);
}

#endif

/* Linear memory as bytes: bounds of an access, little-endian loads and stores. Pure functions on values and addresses.
 */
#ifndef WAGI_OPS_ACCESS_H
#define WAGI_OPS_ACCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The effective address index + offset of an access of `width` bytes in a memory of `size` bytes. False when a byte of
 * it is outside or the sum does not fit 64 bits. A 32-bit memory gives its index zero-extended. */
static inline bool access_address(uint64_t index, uint64_t offset, uint64_t width, uint64_t size, uint64_t *ret_address)
{
    uint64_t address = index + offset;
    if (address < index || address > size || size - address < width)
        return false;
    *ret_address = address;
    return true;
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ACCESS_LITTLE_ENDIAN 1
#else
#define ACCESS_LITTLE_ENDIAN 0
#endif

/* Host order to little-endian and back, byte by byte so that it holds on every machine. */
#define ACCESS_WIDTH(bits)                                                                                             \
    static inline uint##bits##_t access_load##bits(const uint8_t *from)                                                \
    {                                                                                                                  \
        uint##bits##_t value = 0;                                                                                      \
        if (ACCESS_LITTLE_ENDIAN) {                                                                                    \
            memcpy(&value, from, sizeof value);                                                                        \
            return value;                                                                                              \
        }                                                                                                              \
        for (unsigned i = 0; i < (bits) / 8; i++)                                                                      \
            value = (uint##bits##_t)(value | (uint##bits##_t)((uint##bits##_t)from[i] << 8 * i));                      \
        return value;                                                                                                  \
    }                                                                                                                  \
    static inline void access_store##bits(uint8_t *to, uint##bits##_t value)                                           \
    {                                                                                                                  \
        if (ACCESS_LITTLE_ENDIAN) {                                                                                    \
            memcpy(to, &value, sizeof value);                                                                          \
            return;                                                                                                    \
        }                                                                                                              \
        for (unsigned i = 0; i < (bits) / 8; i++)                                                                      \
            to[i] = (uint8_t)(value >> 8 * i);                                                                         \
    }
ACCESS_WIDTH(8)
ACCESS_WIDTH(16)
ACCESS_WIDTH(32)
ACCESS_WIDTH(64)
#undef ACCESS_WIDTH

#endif

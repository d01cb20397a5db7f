/* A vector of 128 bits and its lanes.
 *
 * A wagi_v128 is 16 bytes in the order of linear memory: byte 0 is the one at the lowest address and the least
 * significant of lane 0, on every machine. Lanes are arrays in the machine's own order: v128_to_i16(v).x[0] is lane 0.
 * Turning one into the other costs nothing on a little-endian machine.
 */
#ifndef WAGI_OPS_V128_LANES_H
#define WAGI_OPS_V128_LANES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "ops/access.h"

typedef struct wagi_v128 {
    uint8_t bytes[16];
} wagi_v128;

/* v128_<lane>: the lanes; v128_<lane>_lane: the type of one; v128_to_<lane>, v128_of_<lane>. */
#define V128_LANES(lane, type, bits)                                                                                   \
    typedef type v128_##lane##_lane;                                                                                   \
    typedef struct v128_##lane {                                                                                       \
        type x[128 / (bits)];                                                                                          \
    } v128_##lane;                                                                                                     \
    static inline v128_##lane v128_to_##lane(wagi_v128 v)                                                              \
    {                                                                                                                  \
        v128_##lane lanes;                                                                                             \
        if (ACCESS_LITTLE_ENDIAN) {                                                                                    \
            memcpy(&lanes, &v, sizeof lanes);                                                                          \
            return lanes;                                                                                              \
        }                                                                                                              \
        for (unsigned i = 0; i < 128 / (bits); i++) {                                                                  \
            uint##bits##_t one = access_load##bits(v.bytes + i * (bits) / 8);                                          \
            memcpy(&lanes.x[i], &one, sizeof one);                                                                     \
        }                                                                                                              \
        return lanes;                                                                                                  \
    }                                                                                                                  \
    static inline wagi_v128 v128_of_##lane(v128_##lane lanes)                                                          \
    {                                                                                                                  \
        wagi_v128 v;                                                                                                   \
        if (ACCESS_LITTLE_ENDIAN) {                                                                                    \
            memcpy(&v, &lanes, sizeof v);                                                                              \
            return v;                                                                                                  \
        }                                                                                                              \
        for (unsigned i = 0; i < 128 / (bits); i++) {                                                                  \
            uint##bits##_t one;                                                                                        \
            memcpy(&one, &lanes.x[i], sizeof one);                                                                     \
            access_store##bits(v.bytes + i * (bits) / 8, one);                                                         \
        }                                                                                                              \
        return v;                                                                                                      \
    }
V128_LANES(u8, uint8_t, 8)
V128_LANES(i8, int8_t, 8)
V128_LANES(u16, uint16_t, 16)
V128_LANES(i16, int16_t, 16)
V128_LANES(u32, uint32_t, 32)
V128_LANES(i32, int32_t, 32)
V128_LANES(u64, uint64_t, 64)
V128_LANES(i64, int64_t, 64)
V128_LANES(f32, float, 32)
V128_LANES(f64, double, 64)
#undef V128_LANES

#define V128_COUNT(lanes) (sizeof(lanes).x / sizeof *(lanes).x)

/* An op whose result's lane i depends on i and on lanes of its operands: `value` in terms of p, q, r (the operands'
 * lanes of the type `from`) and i. Lanes of the result are of the type `to`. */
#define V128_UNARY(op, from, to, value)                                                                                \
    static inline wagi_v128 v128_##op(wagi_v128 v)                                                                     \
    {                                                                                                                  \
        v128_##from p = v128_to_##from(v);                                                                             \
        v128_##to result;                                                                                              \
        for (unsigned i = 0; i < V128_COUNT(result); i++)                                                              \
            result.x[i] = (v128_##to##_lane)(value);                                                                   \
        return v128_of_##to(result);                                                                                   \
    }
#define V128_BINARY(op, from, to, value)                                                                               \
    static inline wagi_v128 v128_##op(wagi_v128 v, wagi_v128 w)                                                        \
    {                                                                                                                  \
        v128_##from p = v128_to_##from(v), q = v128_to_##from(w);                                                      \
        v128_##to result;                                                                                              \
        for (unsigned i = 0; i < V128_COUNT(result); i++)                                                              \
            result.x[i] = (v128_##to##_lane)(value);                                                                   \
        return v128_of_##to(result);                                                                                   \
    }
#define V128_TERNARY(op, from, to, value)                                                                              \
    static inline wagi_v128 v128_##op(wagi_v128 v, wagi_v128 w, wagi_v128 z)                                           \
    {                                                                                                                  \
        v128_##from p = v128_to_##from(v), q = v128_to_##from(w), r = v128_to_##from(z);                               \
        v128_##to result;                                                                                              \
        for (unsigned i = 0; i < V128_COUNT(result); i++)                                                              \
            result.x[i] = (v128_##to##_lane)(value);                                                                   \
        return v128_of_##to(result);                                                                                   \
    }

#endif

/* Modules with much code, inside the tests: functions of some hundred bytes that compute something from their argument,
 * some of them by calling the next one or the import. */
#ifndef TESTS_SUPPORT_BIG_H
#define TESTS_SUPPORT_BIG_H

#include "tests/support/bytes.h"

/* What is wrong with a module on purpose. UINT32_MAX: nothing. */
typedef struct big_flaws {
    uint32_t invalid_low, invalid_high; /* bodies that leave the wrong type */
    uint32_t cut;                       /* the entry from which on the section is too short */
} big_flaws;
#define BIG_FINE ((big_flaws){UINT32_MAX, UINT32_MAX, UINT32_MAX})

/* local 0 changes; about 30 bytes */
static inline void big_step(build *b, uint32_t *random)
{
    static const uint8_t ops[] = {0x6A, 0x6B, 0x6C, 0x71, 0x72, 0x73, 0x74, 0x77};
    *random = *random * 1664525u + 1013904223u;
    uint32_t r = *random >> 8;
    build_raw(b, "\x20\x00\x41", 3);
    build_leb(b, r & 0x3F);
    build_u8(b, ops[r >> 6 & 7]);
    build_raw(b, "\x21\x00", 2);
    if (r >> 9 & 1) /* (local.set 0 (i32.xor (local.get 0) (i32.load (i32.and (local.get 0) 0xFF)))) */
        build_raw(b, "\x20\x00\x20\x00\x41\xFF\x01\x71\x28\x02\x00\x73\x21\x00", 14);
    if (r >> 10 & 1) { /* a double: constants behind the function */
        build_raw(b, "\x20\x00\xB8\x44", 4);
        uint64_t bits = 0x3FF0000000000000u | (uint64_t)r << 20;
        for (int i = 0; i < 8; i++)
            build_u8(b, (unsigned)(bits >> 8 * i) & 0xFF);
        build_raw(b, "\xA2\xFC\x03\x21\x00", 5); /* f64.mul, i32.trunc_sat_f64_u */
    }
    if (r >> 11 & 1) /* (if (local.get 0) (then (local.set 0 (i32.add (local.get 0) 3)))) */
        build_raw(b, "\x20\x00\x04\x40\x20\x00\x41\x03\x6A\x21\x00\x0B", 12);
}

/* Import 0: (i32) -> i32. Functions 1..count; export "f" is function 1, "m" a memory. own: build_free. */
static inline build big_module(uint32_t count, uint32_t steps, big_flaws flaws)
{
    build b = {0};
    uint32_t random = 12345;
    build_preamble(&b);
    size_t section = build_section(&b, 1);
    build_raw(&b, "\x01\x60\x01\x7F\x01\x7F", 6);
    build_end(&b, section);
    section = build_section(&b, 2);
    build_raw(&b, "\x01\x01i\x01g\x00\x00", 7);
    build_end(&b, section);
    section = build_section(&b, 3);
    build_leb(&b, count);
    build_fill(&b, 0, count);
    build_end(&b, section);
    section = build_section(&b, 5);
    build_raw(&b, "\x01\x00\x01", 3);
    build_end(&b, section);
    section = build_section(&b, 7);
    build_raw(&b,
              "\x02\x01"
              "f\x00\x01\x01m\x02\x00",
              9);
    build_end(&b, section);
    section = build_section(&b, 10);
    build_leb(&b, count);
    for (uint32_t i = 0; i < count; i++) {
        size_t body = build_begin(&b);
        build_u8(&b, 0);
        for (uint32_t k = 0; k < steps; k++)
            big_step(&b, &random);
        build_raw(&b, "\x20\x00", 2);
        if (i + 1 < count && i % 3 != 2) { /* chains of three */
            build_u8(&b, 0x10);
            build_leb(&b, i + 2);
        } else {
            build_raw(&b, "\x10\x00", 2);
        }
        if (i == flaws.invalid_low || i == flaws.invalid_high)
            build_u8(&b, 0xB8); /* f64.convert_i32_u */
        build_u8(&b, 0x0B);
        build_end(&b, body);
        if (i == flaws.cut)
            b.data[body - 1] = 0x7F; /* the size's last byte: too large by far */
    }
    build_end(&b, section);
    return b;
}

#endif

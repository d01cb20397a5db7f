/* Rounds as those of BLAKE2s and BLAKE3, four blocks at once, one in each lane: additions, exclusive ors and rotations
 * on sixteen vectors that no machine has registers for, n times over 16 KiB of prose. Needs -msimd128.
 */
#include "program.h"

#include <wasm_simd128.h>

enum { TEXT = 16384, ROUNDS = 7, LANES = 4, BLOCK = 64 };

static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
/* Where the message words go from one round to the next. */
static const uint8_t moves[16] = {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8};

#define ROTATE(x, by) wasm_v128_or(wasm_u32x4_shr(x, by), wasm_i32x4_shl(x, 32 - (by)))

static inline void mix(v128_t *v, int a, int b, int c, int d, v128_t x, v128_t y)
{
    v[a] = wasm_i32x4_add(wasm_i32x4_add(v[a], v[b]), x);
    v[d] = ROTATE(wasm_v128_xor(v[d], v[a]), 16);
    v[c] = wasm_i32x4_add(v[c], v[d]);
    v[b] = ROTATE(wasm_v128_xor(v[b], v[c]), 12);
    v[a] = wasm_i32x4_add(wasm_i32x4_add(v[a], v[b]), y);
    v[d] = ROTATE(wasm_v128_xor(v[d], v[a]), 8);
    v[c] = wasm_i32x4_add(v[c], v[d]);
    v[b] = ROTATE(wasm_v128_xor(v[b], v[c]), 7);
}

/* Four rows of four words become four columns. */
static inline void transpose(v128_t *rows)
{
    v128_t ab_low = wasm_i32x4_shuffle(rows[0], rows[1], 0, 4, 1, 5);
    v128_t ab_high = wasm_i32x4_shuffle(rows[0], rows[1], 2, 6, 3, 7);
    v128_t cd_low = wasm_i32x4_shuffle(rows[2], rows[3], 0, 4, 1, 5);
    v128_t cd_high = wasm_i32x4_shuffle(rows[2], rows[3], 2, 6, 3, 7);
    rows[0] = wasm_i64x2_shuffle(ab_low, cd_low, 0, 2);
    rows[1] = wasm_i64x2_shuffle(ab_low, cd_low, 1, 3);
    rows[2] = wasm_i64x2_shuffle(ab_high, cd_high, 0, 2);
    rows[3] = wasm_i64x2_shuffle(ab_high, cd_high, 1, 3);
}

/* One block of each of four texts. */
static void compress(v128_t *chain, const uint8_t *const *texts, size_t at)
{
    v128_t m[16], next[16], v[16];
    for (int i = 0; i < 16; i += 4) {
        for (int lane = 0; lane < LANES; lane++) {
            m[i + lane] = wasm_v128_load(texts[lane] + at + (size_t)i * 4);
        }
        transpose(m + i);
    }
    for (int i = 0; i < 8; i++) {
        v[i] = chain[i];
        v[i + 8] = wasm_i32x4_splat((int32_t)start[i]);
    }
    v[12] = wasm_v128_xor(v[12], wasm_i32x4_splat((int32_t)at));
    for (int round = 0; round < ROUNDS; round++) {
        mix(v, 0, 4, 8, 12, m[0], m[1]);
        mix(v, 1, 5, 9, 13, m[2], m[3]);
        mix(v, 2, 6, 10, 14, m[4], m[5]);
        mix(v, 3, 7, 11, 15, m[6], m[7]);
        mix(v, 0, 5, 10, 15, m[8], m[9]);
        mix(v, 1, 6, 11, 12, m[10], m[11]);
        mix(v, 2, 7, 8, 13, m[12], m[13]);
        mix(v, 3, 4, 9, 14, m[14], m[15]);
        for (int i = 0; i < 16; i++) {
            next[i] = m[moves[i]];
        }
        memcpy(m, next, sizeof m);
    }
    for (int i = 0; i < 8; i++) {
        chain[i] = wasm_v128_xor(v[i], v[i + 8]);
    }
}

uint64_t run(uint32_t n)
{
    char *text = must_have(malloc(TEXT));
    const uint8_t *texts[LANES];
    v128_t chain[8];
    fill_with_prose(text, TEXT, 7);
    for (int i = 0; i < LANES; i++) {
        texts[i] = (const uint8_t *)text + i * (TEXT / LANES);
    }
    for (int i = 0; i < 8; i++) {
        chain[i] = wasm_i32x4_splat((int32_t)start[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        for (size_t at = 0; at < TEXT / LANES; at += BLOCK) {
            compress(chain, texts, at);
        }
    }
    uint64_t sum = checksum(CHECKSUM_START, chain, sizeof chain);
    printf("simd_blake: %u texts, %016llx\n", (unsigned)n, (unsigned long long)sum);
    free(text);
    return sum;
}

/* Dot products as they are in small neural networks and in search: a matrix of floats times a vector, the same in
 * 16-bit integers, and the nearest of many rows of bytes by the sum of their differences, n times. Needs -msimd128.
 */
#include "program.h"

#include <wasm_simd128.h>

enum { ROWS = 64, WIDTH = 256 };

typedef struct tables {
    float real[ROWS][WIDTH];
    int16_t whole[ROWS][WIDTH];
    uint8_t byte[ROWS][WIDTH];
    float real_vector[WIDTH];
    int16_t whole_vector[WIDTH];
    uint8_t byte_vector[WIDTH];
} tables;

static float dot_real(const float *a, const float *b)
{
    v128_t sums[2] = {wasm_f32x4_splat(0), wasm_f32x4_splat(0)};
    for (int i = 0; i < WIDTH; i += 8) {
        sums[0] = wasm_f32x4_add(sums[0], wasm_f32x4_mul(wasm_v128_load(a + i), wasm_v128_load(b + i)));
        sums[1] = wasm_f32x4_add(sums[1], wasm_f32x4_mul(wasm_v128_load(a + i + 4), wasm_v128_load(b + i + 4)));
    }
    v128_t sum = wasm_f32x4_add(sums[0], sums[1]);
    return wasm_f32x4_extract_lane(sum, 0) + wasm_f32x4_extract_lane(sum, 1) + wasm_f32x4_extract_lane(sum, 2) +
           wasm_f32x4_extract_lane(sum, 3);
}

static uint32_t add_lanes(v128_t sum)
{
    sum = wasm_i32x4_add(sum, wasm_i32x4_shuffle(sum, sum, 2, 3, 0, 1));
    return (uint32_t)wasm_i32x4_extract_lane(sum, 0) + (uint32_t)wasm_i32x4_extract_lane(sum, 1);
}

static int32_t dot_whole(const int16_t *a, const int16_t *b)
{
    v128_t sum = wasm_i32x4_splat(0);
    for (int i = 0; i < WIDTH; i += 8) {
        sum = wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(wasm_v128_load(a + i), wasm_v128_load(b + i)));
    }
    return (int32_t)add_lanes(sum);
}

static uint32_t distance(const uint8_t *a, const uint8_t *b)
{
    v128_t sum = wasm_i32x4_splat(0);
    for (int i = 0; i < WIDTH; i += 16) {
        v128_t x = wasm_v128_load(a + i), y = wasm_v128_load(b + i);
        v128_t apart = wasm_v128_or(wasm_u8x16_sub_sat(x, y), wasm_u8x16_sub_sat(y, x));
        sum = wasm_i32x4_add(sum, wasm_u32x4_extadd_pairwise_u16x8(wasm_u16x8_extadd_pairwise_u8x16(apart)));
    }
    return add_lanes(sum);
}

static void fill(tables *t)
{
    uint64_t random = 11;
    for (int row = 0; row < ROWS; row++) {
        for (int i = 0; i < WIDTH; i++) {
            t->real[row][i] = (float)((int32_t)random_below(&random, 2001) - 1000) / 1024;
            t->whole[row][i] = (int16_t)((int32_t)random_below(&random, 4001) - 2000);
            t->byte[row][i] = (uint8_t)random_below(&random, 256);
        }
    }
    for (int i = 0; i < WIDTH; i++) {
        t->real_vector[i] = (float)i / WIDTH;
        t->whole_vector[i] = (int16_t)(i * 7 - 900);
        t->byte_vector[i] = (uint8_t)i;
    }
}

uint64_t run(uint32_t n)
{
    tables *t = must_have(malloc(sizeof *t));
    uint64_t sum = CHECKSUM_START;
    fill(t);
    for (uint32_t k = 0; k < n; k++) {
        float largest = -1e30f;
        uint32_t least = UINT32_MAX, nearest = 0, total = 0;
        for (uint32_t row = 0; row < ROWS; row++) {
            float product = dot_real(t->real[row], t->real_vector);
            uint32_t apart = distance(t->byte[row], t->byte_vector);
            largest = product > largest ? product : largest;
            total += (uint32_t)dot_whole(t->whole[row], t->whole_vector);
            nearest = apart < least ? row : nearest;
            least = apart < least ? apart : least;
        }
        sum = checksum_word(sum, (uint64_t)(int64_t)(largest * 1024) ^ total ^ (uint64_t)least << 32 ^ nearest);
        t->real_vector[k % WIDTH] = largest / 64;
        t->whole_vector[k % WIDTH] = (int16_t)(total % 2000);
        t->byte_vector[k % WIDTH] = t->byte[nearest][k % WIDTH];
    }
    printf("simd_dot: %u times, %016llx\n", (unsigned)n, (unsigned long long)sum);
    free(t);
    return sum;
}

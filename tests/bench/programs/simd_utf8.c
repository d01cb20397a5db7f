/* Is a text UTF-8, and how many characters does it have? Sixteen bytes at a time, by comparing each byte with the three
 * before it; n times over 16 KiB of text in several scripts, which loses one byte and gets it back each time. Needs
 * -msimd128.
 */
#include "program.h"

#include <wasm_simd128.h>

enum { TEXT = 16384 };

typedef struct state {
    v128_t before; /* the last sixteen bytes */
    v128_t errors; /* any bit: not UTF-8 */
    uint32_t characters;
} state;

static v128_t splat(unsigned byte)
{
    return wasm_u8x16_splat((uint8_t)byte);
}

/* Bytes that follow `lead` must not be in [from, to]. */
static v128_t forbidden(v128_t x, v128_t lead_before, unsigned lead, unsigned from, unsigned to)
{
    v128_t inside = wasm_v128_and(wasm_u8x16_ge(x, splat(from)), wasm_u8x16_le(x, splat(to)));
    return wasm_v128_and(wasm_i8x16_eq(lead_before, splat(lead)), inside);
}

static void take(state *s, v128_t x)
{
    v128_t b = s->before;
    v128_t continues = wasm_i8x16_eq(wasm_v128_and(x, splat(0xC0)), splat(0x80));
    s->characters += 16 - (uint32_t)__builtin_popcount((unsigned)wasm_i8x16_bitmask(continues));
    s->before = x;
    if (!wasm_v128_any_true(wasm_v128_and(wasm_v128_or(x, b), splat(0x80)))) {
        return;
    }
    v128_t one = wasm_i8x16_shuffle(b, x, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
    v128_t two = wasm_i8x16_shuffle(b, x, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29);
    v128_t three = wasm_i8x16_shuffle(b, x, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28);
    v128_t must = wasm_v128_or(wasm_u8x16_ge(one, splat(0xC2)),
                               wasm_v128_or(wasm_u8x16_ge(two, splat(0xE0)), wasm_u8x16_ge(three, splat(0xF0))));
    v128_t wrong = wasm_v128_xor(must, continues);
    wrong = wasm_v128_or(wrong, wasm_u8x16_gt(x, splat(0xF4)));
    wrong = wasm_v128_or(wrong, wasm_i8x16_eq(wasm_v128_and(x, splat(0xFE)), splat(0xC0)));
    wrong = wasm_v128_or(wrong, forbidden(x, one, 0xE0, 0x80, 0x9F)); /* shorter forms */
    wrong = wasm_v128_or(wrong, forbidden(x, one, 0xF0, 0x80, 0x8F));
    wrong = wasm_v128_or(wrong, forbidden(x, one, 0xED, 0xA0, 0xBF)); /* surrogates */
    wrong = wasm_v128_or(wrong, forbidden(x, one, 0xF4, 0x90, 0xBF)); /* above the last one */
    s->errors = wasm_v128_or(s->errors, wrong);
}

/* The number of characters, or 0 when it is not UTF-8. size is a multiple of 16; zeros may follow the text. */
static uint32_t count_characters(const uint8_t *text, size_t size)
{
    state s = {wasm_i8x16_splat(0), wasm_i8x16_splat(0), 0};
    for (size_t at = 0; at < size; at += 16) {
        take(&s, wasm_v128_load(text + at));
    }
    take(&s, wasm_i8x16_splat(0)); /* a sequence that is cut off */
    return wasm_v128_any_true(s.errors) ? 0 : s.characters - 16;
}

static size_t put(uint8_t *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        return 1;
    }
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t leads[] = {0, 0xC0, 0xE0, 0xF0};
    to[0] = (uint8_t)(leads[more] | c >> (6 * more));
    for (size_t i = 1; i <= more; i++) {
        to[i] = (uint8_t)(0x80 | (c >> (6 * (more - i)) & 0x3F));
    }
    return more + 1;
}

static void fill(uint8_t *text)
{
    static const uint32_t first[] = {' ', 'a', 0xE0, 0x430, 0x4E00, 0xAC00, 0x1F600};
    uint64_t random = 5;
    size_t at = 0;
    memset(text, 0, TEXT);
    while (at < TEXT - 64) {
        uint32_t script = random_below(&random, 14), length = 1 + random_below(&random, 9);
        for (uint32_t i = 0; i < length; i++) {
            at += put(text + at, first[script < 7 ? script : 1] + random_below(&random, script < 7 ? 30 : 26));
        }
    }
}

uint64_t run(uint32_t n)
{
    uint8_t *text = must_have(malloc(TEXT));
    uint64_t sum = CHECKSUM_START, random = 9;
    uint32_t good = 0;
    fill(text);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = random_below(&random, TEXT);
        uint8_t byte = text[at];
        sum = checksum_word(sum, count_characters(text, TEXT));
        text[at] = (uint8_t)random_below(&random, 256);
        uint32_t count = count_characters(text, TEXT);
        sum = checksum_word(sum, count);
        good += count != 0;
        text[at] = byte;
    }
    printf("simd_utf8: %u texts, %u still good, %016llx\n", (unsigned)n, (unsigned)good, (unsigned long long)sum);
    free(text);
    return sum;
}

/* What the benchmark's C programs share: the entry point that the harnesses call, a pseudo-random sequence, a text of
 * words to work on, and a checksum.
 *
 * A program is a WASI reactor: run(n) does about n units of work and returns a checksum, which depends on n and on
 * nothing else, and prints one line about it. Compiled for the host it gives the same numbers; programs whose names
 * begin with simd_ are for wasm with vectors only.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __wasm__
#define EXPORT __attribute__((export_name("run")))
#else
#define EXPORT
#endif

EXPORT uint64_t run(uint32_t n);

/* xorshift64*: never zero once it is not. */
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

static inline uint32_t random_below(uint64_t *state, uint32_t bound)
{
    return (uint32_t)(((random_next(state) >> 32) * bound) >> 32);
}

/* FNV-1a over bytes, going on from `hash`. */
#define CHECKSUM_START 14695981039346656037u
static inline uint64_t checksum(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * 1099511628211u;
    }
    return hash;
}

static inline uint64_t checksum_word(uint64_t hash, uint64_t word)
{
    return checksum(hash, &word, sizeof word);
}

/* Out of memory in a benchmark has no answer but the end of it. */
static inline void *must_have(void *memory)
{
    if (memory == NULL) {
        puts("out of memory");
        abort();
    }
    return memory;
}

/* Words of some 2,000 different ones, small ones often, with blanks, full stops and line ends: compressible as prose
 * is. */
static inline void fill_with_prose(char *text, size_t size, uint64_t seed)
{
    static const char *const syllables[] = {"an", "be",  "co", "den", "er",  "fa", "ging", "ho",
                                            "is", "kel", "lo", "man", "ner", "or", "pre",  "qui",
                                            "ra", "ste", "ti", "un",  "ver", "wa", "yo",   "zen"};
    size_t at = 0;
    unsigned line = 0;
    while (at < size) {
        /* The smaller of two draws twice: ranks close to zero are the common words. */
        uint32_t a = random_below(&seed, 2000), b = random_below(&seed, 2000);
        uint64_t word = (a < b ? a : b) + 1;
        unsigned count = 1 + word % 3;
        for (unsigned i = 0; i < count && at < size; i++) {
            const char *syllable = syllables[random_below(&word, 24)];
            while (*syllable != '\0' && at < size) {
                text[at++] = *syllable++;
                line++;
            }
        }
        if (at < size && random_below(&seed, 12) == 0) {
            text[at++] = '.';
        }
        if (at < size) {
            text[at++] = line > 70 ? '\n' : ' ';
            line = line > 70 ? 0 : line + 1;
        }
    }
}

#endif

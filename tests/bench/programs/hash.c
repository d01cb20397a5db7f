/* SHA-256 (FIPS 180-4) over every word of a text, and an open-addressing hash table that counts the words under their
 * digests, grows, and loses every third word again: n times 16 KiB of prose.
 */
#include "program.h"

enum { TEXT = 16384 };

typedef struct digest {
    uint32_t word[8];
} digest;

static uint32_t round_constant[64];
static const uint32_t start_state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes: by bisection in integers. */
static void make_round_constants(void)
{
    unsigned count = 0;
    for (unsigned prime = 2; count < 64; prime++) {
        bool divides = false;
        for (unsigned i = 2; i * i <= prime; i++) {
            divides |= prime % i == 0;
        }
        if (divides) {
            continue;
        }
        /* The largest root with root^3 <= prime * 2^96, root being 8.32 fixed point. */
        uint64_t root = 0;
        for (int bit = 35; bit >= 0; bit--) {
            unsigned __int128 try = root | (uint64_t)1 << bit;
            /* try^3 has 108 bits at the most. */
            if (try * try * try <= (unsigned __int128)prime << 96) {
                root = (uint64_t)try;
            }
        }
        round_constant[count++] = (uint32_t)root;
    }
}

static uint32_t rotate(uint32_t x, int by)
{
    return x >> by | x << (32 - by);
}

static void take_block(digest *d, const uint8_t *block)
{
    uint32_t w[64];
    for (int i = 0; i < 16; i++) {
        w[i] = (uint32_t)block[i * 4] << 24 | (uint32_t)block[i * 4 + 1] << 16 | (uint32_t)block[i * 4 + 2] << 8 |
               block[i * 4 + 3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t a = d->word[0], b = d->word[1], c = d->word[2], e = d->word[4], f = d->word[5], g = d->word[6];
    uint32_t h = d->word[7], third = d->word[3];
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + round_constant[i] + w[i];
        uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = third + t1;
        third = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    const uint32_t add[8] = {a, b, c, third, e, f, g, h};
    for (int i = 0; i < 8; i++) {
        d->word[i] += add[i];
    }
}

static digest sha256(const void *data, size_t size)
{
    digest d;
    memcpy(d.word, start_state, sizeof d.word);
    const uint8_t *bytes = data;
    size_t left = size;
    for (; left >= 64; left -= 64, bytes += 64) {
        take_block(&d, bytes);
    }
    uint8_t last[128] = {0};
    memcpy(last, bytes, left);
    last[left] = 0x80;
    size_t end = left < 56 ? 64 : 128;
    for (int i = 0; i < 8; i++) {
        last[end - 1 - (size_t)i] = (uint8_t)((uint64_t)size * 8 >> i * 8);
    }
    for (size_t at = 0; at < end; at += 64) {
        take_block(&d, last + at);
    }
    return d;
}

/* ---- the table ---- */

typedef struct entry {
    digest key;
    uint32_t count; /* 0: free */
} entry;

typedef struct table {
    entry *entries;
    uint32_t mask, used;
} table;

static entry *find(const table *t, const digest *key)
{
    uint32_t at = key->word[0] & t->mask;
    while (t->entries[at].count != 0 && memcmp(&t->entries[at].key, key, sizeof *key) != 0) {
        at = (at + 1) & t->mask;
    }
    return &t->entries[at];
}

static void grow(table *t)
{
    table bigger = {must_have(calloc(((size_t)t->mask + 1) * 2, sizeof(entry))), t->mask * 2 + 1, t->used};
    for (uint32_t i = 0; i <= t->mask; i++) {
        if (t->entries[i].count != 0) {
            *find(&bigger, &t->entries[i].key) = t->entries[i];
        }
    }
    free(t->entries);
    *t = bigger;
}

static void count(table *t, const digest *key)
{
    if (t->used * 4 >= t->mask * 3) {
        grow(t);
    }
    entry *e = find(t, key);
    if (e->count++ == 0) {
        e->key = *key;
        t->used++;
    }
}

/* Take an entry out and close the gap: what follows moves up unless it would pass its own place. */
static void take_out(table *t, uint32_t gap)
{
    t->used--;
    for (uint32_t at = (gap + 1) & t->mask; t->entries[at].count != 0; at = (at + 1) & t->mask) {
        uint32_t wish = t->entries[at].key.word[0] & t->mask;
        if (((at - wish) & t->mask) >= ((at - gap) & t->mask)) {
            t->entries[gap] = t->entries[at];
            gap = at;
        }
    }
    t->entries[gap].count = 0;
}

uint64_t run(uint32_t n)
{
    make_round_constants();
    char *text = must_have(malloc(TEXT));
    table words = {must_have(calloc(16, sizeof(entry))), 15, 0};
    uint64_t sum = CHECKSUM_START;
    for (uint32_t i = 0; i < n; i++) {
        fill_with_prose(text, TEXT, i + 1);
        digest whole = sha256(text, TEXT);
        sum = checksum(sum, &whole, sizeof whole);
        size_t start = 0;
        for (size_t at = 0; at < TEXT; at++) {
            if (text[at] == ' ' || text[at] == '\n') {
                digest key = sha256(text + start, at - start);
                count(&words, &key);
                start = at + 1;
            }
        }
        for (uint32_t at = 0; at <= words.mask; at++) {
            if (words.entries[at].count % 3 == 2) {
                sum = checksum_word(sum, words.entries[at].key.word[7] + words.entries[at].count);
                take_out(&words, at);
            }
        }
    }
    for (uint32_t at = 0; at <= words.mask; at++) {
        sum += words.entries[at].count * (uint64_t)words.entries[at].key.word[1];
    }
    printf("hash: %u texts, %u words left\n", (unsigned)n, (unsigned)words.used);
    free(words.entries);
    free(text);
    return sum;
}

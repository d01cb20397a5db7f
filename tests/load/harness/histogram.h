/* A histogram of nanoseconds with an error below one per cent, whatever the range: buckets double, each has 64 parts.
 * (The idea is HdrHistogram's; Debian 12 has no C library of it.) */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { HISTOGRAM_PARTS = 64, HISTOGRAM_DOUBLINGS = 40 };

typedef struct histogram {
    uint64_t total;
    uint64_t counts[HISTOGRAM_DOUBLINGS * HISTOGRAM_PARTS];
} histogram;

/* own: histogram_free; NULL without memory */
static inline histogram *histogram_new(void)
{
    return calloc(1, sizeof(histogram));
}

static inline void histogram_free(histogram *h)
{
    free(h);
}

static inline void histogram_add(histogram *h, uint64_t value)
{
    unsigned shift = 0;
    while (value >> shift >= 2 * HISTOGRAM_PARTS && shift < HISTOGRAM_DOUBLINGS - 2) {
        shift++;
    }
    uint64_t place = value < HISTOGRAM_PARTS ? value : (uint64_t)shift * HISTOGRAM_PARTS + (value >> shift);
    h->counts[place < HISTOGRAM_DOUBLINGS * HISTOGRAM_PARTS ? place : HISTOGRAM_DOUBLINGS * HISTOGRAM_PARTS - 1]++;
    h->total++;
}

static inline void histogram_merge(histogram *to, const histogram *from)
{
    for (int i = 0; i < HISTOGRAM_DOUBLINGS * HISTOGRAM_PARTS; i++) {
        to->counts[i] += from->counts[i];
    }
    to->total += from->total;
}

/* The value that `percent` of all do not exceed. */
static inline uint64_t histogram_at(const histogram *h, double percent)
{
    uint64_t rank = (uint64_t)((double)h->total * percent / 100.0), seen = 0;
    for (uint64_t i = 0; i < HISTOGRAM_DOUBLINGS * HISTOGRAM_PARTS; i++) {
        seen += h->counts[i];
        if (seen > rank || seen == h->total) {
            uint64_t shift = i < 2 * HISTOGRAM_PARTS ? 0 : i / HISTOGRAM_PARTS - 1;
            return (i - shift * HISTOGRAM_PARTS) << shift;
        }
    }
    return 0;
}

/* The line of numbers that load.sh reads: lives a second, lives a second of CPU time, nanoseconds of a life (median,
 * p99, p99.9), of making and dropping alone (median), resident kilobytes each, wrong values. Then lines for the plot,
 * "at SHARE NANOSECONDS": one life of SHARE takes longer. */
static inline void histogram_line(const histogram *life, const histogram *making, double rate, double cpu_rate,
                                  double each_kb, uint64_t wrong, FILE *file)
{
    fprintf(file, "%.1f %.1f %.0f %.0f %.0f %.0f %.1f %.0f\n", rate, cpu_rate, (double)histogram_at(life, 50),
            (double)histogram_at(life, 99), (double)histogram_at(life, 99.9), (double)histogram_at(making, 50), each_kb,
            (double)wrong);
    for (double share = 1; share <= (double)life->total; share *= 2) {
        fprintf(file, "at %.0f %.0f\n", share, (double)histogram_at(life, 100 - 100 / share));
    }
}

#endif

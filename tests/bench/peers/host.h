/* What the peers that are called from C share: the part of WASI that the benchmark's programs import, clocks, and the
 * line that peers.sh reads.
 */
#ifndef PEERS_HOST_H
#define PEERS_HOST_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HOST_OUTPUT_MAX = 65536, HOST_RUNS_MAX = 1000 };

typedef struct host {
    uint8_t *memory; /* the guest's; set before each call, because it moves when it grows */
    size_t memory_size;
    uint8_t output[HOST_OUTPUT_MAX];
    size_t output_size;
} host;

static inline _Noreturn void host_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static inline double host_seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* A place in the guest's memory; the guest is ours, so a wrong address is the engine's fault and ends everything. */
static inline uint8_t *host_at(host *h, uint32_t address, uint32_t size)
{
    if (h->memory == NULL || address > h->memory_size || size > h->memory_size - address) {
        host_fail("the guest gave an address outside its memory");
    }
    return h->memory + address;
}

static inline uint32_t host_get32(host *h, uint32_t address)
{
    const uint8_t *b = host_at(h, address, 4);
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint32_t host_fd_write(host *h, uint32_t fd, uint32_t iovs, uint32_t count, uint32_t ret)
{
    uint32_t written = 0;
    if (fd != 1 && fd != 2) {
        return 8;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = host_get32(h, iovs + 8 * i + 4);
        const uint8_t *from = host_at(h, host_get32(h, iovs + 8 * i), size);
        if (size > HOST_OUTPUT_MAX - h->output_size) {
            host_fail("the guest prints too much");
        }
        memcpy(h->output + h->output_size, from, size);
        h->output_size += size;
        written += size;
    }
    memcpy(host_at(h, ret, 4),
           (const uint8_t[]){(uint8_t)written, (uint8_t)(written >> 8), (uint8_t)(written >> 16),
                             (uint8_t)(written >> 24)},
           4);
    return 0;
}

/* A terminal that can be written. */
static inline uint32_t host_fd_fdstat_get(host *h, uint32_t fd, uint32_t at)
{
    if (fd > 2) {
        return 8;
    }
    uint8_t *stat = host_at(h, at, 24);
    memset(stat, 0, 24);
    stat[0] = 2;
    stat[8] = 64;
    return 0;
}

static inline int host_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline double host_median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, host_compare);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* Run `runs` times, print "CHECK COMPILE_CPU_MS RUN_CPU_MS RUN_WALL_MS"; compile_ms < 0: "-". */
static inline void host_measure(host *h, uint64_t (*run)(void *context, uint32_t n), void *context, uint32_t n,
                                int runs, double compile_ms)
{
    double cpu[HOST_RUNS_MAX], wall[HOST_RUNS_MAX];
    uint64_t first = 0;
    if (runs < 1 || runs > HOST_RUNS_MAX) {
        host_fail("1 to %d runs", HOST_RUNS_MAX);
    }
    for (int i = 0; i < runs; i++) {
        h->output_size = 0;
        double wall_start = host_seconds(CLOCK_MONOTONIC), cpu_start = host_seconds(CLOCK_PROCESS_CPUTIME_ID);
        uint64_t check = run(context, n);
        cpu[i] = (host_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_start) * 1e3;
        wall[i] = (host_seconds(CLOCK_MONOTONIC) - wall_start) * 1e3;
        for (size_t at = 0; at < h->output_size; at++) {
            check = (check ^ h->output[at]) * 1099511628211u;
        }
        if (i > 0 && check != first) {
            host_fail("run %d gives %" PRIu64 ", the first gave %" PRIu64, i + 1, check, first);
        }
        first = check;
    }
    printf("%" PRIu64 " ", first);
    if (compile_ms < 0) {
        printf("- ");
    } else {
        printf("%.3f ", compile_ms);
    }
    printf("%.3f %.3f\n", host_median(cpu, runs), host_median(wall, runs));
}

#endif

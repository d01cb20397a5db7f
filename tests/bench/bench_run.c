/* How fast code runs: CPU milliseconds of each kernel and C program (workload.def), medians of interleaved rounds.
 *
 *   bench_run [--tier NAME] [--rounds N] [--json FILE] [--size full|small] [NAME...]
 *   bench_run [--tier NAME] [--rounds N] --one NAME N    one line for peers.sh: CHECK COMPILE_CPU_MS RUN_CPU_MS
 * RUN_WALL_MS bench_run --list                                     one line each: NAME FILE FULL FULL_CHECK SMALL
 * SMALL_CHECK
 *
 * Each round runs every workload once, on an instance that lives through all rounds. Without --size the first runs,
 * small ones that warm up too, decide: when they take longer than SMALL_MS on average, as in an interpreter, small ones
 * it is. A run that computes anything but what the list says ends the benchmark.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workload.h"

enum { SMALL_MS = 50 };

typedef struct measured {
    running running;
    double *cpu, *wall; /* milliseconds, one each round */
} measured;

static void run_checked(measured *m, bool small, double *ret_cpu, double *ret_wall)
{
    const workload *w = m->running.workload;
    uint64_t wanted = small ? w->small_check : w->full_check;
    uint64_t got = running_call(&m->running, small ? w->small : w->full, ret_cpu, ret_wall);
    if (got != wanted) {
        fail("%s: the check is %" PRIu64 ", not %" PRIu64, w->name, got, wanted);
    }
    *ret_cpu *= 1e3;
    *ret_wall *= 1e3;
}

static void list(void)
{
    for (int i = 0; i < workload_count; i++) {
        const workload *w = &workloads[i];
        char *path = workload_path(w);
        printf("%s %s %" PRIu32 " %" PRIu64 " %" PRIu32 " %" PRIu64 "\n", w->name, path, w->full, w->full_check,
               w->small, w->small_check);
        free(path);
    }
}

static void run_one(const options *o, const char *name, uint32_t n)
{
    const workload *w = workload_find(name);
    if (w == NULL) {
        fail("there is no workload \"%s\"", name);
    }
    running r;
    running_init(&r, o, w);
    double *times = calloc((size_t)o->rounds * 2, sizeof *times);
    if (times == NULL) {
        fail("out of memory");
    }
    uint64_t first = 0;
    for (int i = 0; i < o->rounds; i++) {
        uint64_t check = running_call(&r, n, &times[i], &times[o->rounds + i]);
        if (i > 0 && check != first) {
            fail("%s: run %d gives %" PRIu64 ", the first gave %" PRIu64, name, i + 1, check, first);
        }
        first = check;
    }
    printf("%" PRIu64 " %.3f %.3f %.3f\n", first, r.compile_cpu * 1e3, median(times, o->rounds) * 1e3,
           median(times + o->rounds, o->rounds) * 1e3);
    free(times);
    running_fini(&r);
}

/* True when the small size was measured. */
static bool measure(const options *o, measured *all, int count, const char *size)
{
    double sum = 0;
    for (int i = 0; i < count; i++) {
        double cpu, wall;
        run_checked(&all[i], true, &cpu, &wall);
        sum += cpu;
    }
    bool small = size != NULL ? strcmp(size, "small") == 0 : sum > SMALL_MS * count;
    for (int round = 0; round < o->rounds; round++) {
        for (int i = 0; i < count; i++) {
            run_checked(&all[i], small, &all[i].cpu[round], &all[i].wall[round]);
        }
    }
    return small;
}

static void show(const options *o, measured *all, int count, bool small)
{
    static const column columns[] = {{"n", 0},    {"cpu ms", 2},  {"least", 2},
                                     {"most", 2}, {"wall ms", 2}, {"compile ms", 2}};
    report *r = report_new(o, "run", columns, 6);
    double logarithms = 0;
    for (int i = 0; i < count; i++) {
        measured *m = &all[i];
        const workload *w = m->running.workload;
        double cpu = median(m->cpu, o->rounds); /* sorted now */
        double values[] = {
            small ? w->small : w->full,  cpu, m->cpu[0], m->cpu[o->rounds - 1], median(m->wall, o->rounds),
            m->running.compile_cpu * 1e3};
        report_row(r, w->name, values, NULL);
        logarithms += log(cpu);
    }
    double values[] = {NAN, exp(logarithms / count), NAN, NAN, NAN, NAN};
    report_row(r, "geometric mean", values, NULL);
    report_end(r);
}

int main(int argc, char **argv)
{
    options o = options_read(argc, argv, 5);
    const char *size = NULL;
    measured *all = calloc((size_t)workload_count + (size_t)argc, sizeof *all);
    int count = 0;
    for (int i = 0; i < o.rest_count; i++) {
        if (strcmp(o.rest[i], "--list") == 0) {
            free(all);
            list();
            return 0;
        }
        if (strcmp(o.rest[i], "--one") == 0 && i + 2 < o.rest_count) {
            free(all);
            run_one(&o, o.rest[i + 1], (uint32_t)strtoul(o.rest[i + 2], NULL, 10));
            return 0;
        }
        if (strcmp(o.rest[i], "--size") == 0 && i + 1 < o.rest_count) {
            size = o.rest[++i];
        } else if (workload_find(o.rest[i]) != NULL) {
            all[count++].running.workload = workload_find(o.rest[i]);
        } else {
            fail("there is no option or workload \"%s\"", o.rest[i]);
        }
    }
    for (int i = 0; count == 0 && i < workload_count; i++) {
        all[i].running.workload = &workloads[i];
    }
    count = count == 0 ? workload_count : count;
    for (int i = 0; i < count; i++) {
        all[i].cpu = calloc((size_t)o.rounds, sizeof *all[i].cpu);
        all[i].wall = calloc((size_t)o.rounds, sizeof *all[i].wall);
        if (all[i].cpu == NULL || all[i].wall == NULL) {
            fail("out of memory");
        }
        running_init(&all[i].running, &o, all[i].running.workload);
    }
    bool small = measure(&o, all, count, size);
    show(&o, all, count, small);
    for (int i = 0; i < count; i++) {
        running_fini(&all[i].running);
        free(all[i].cpu);
        free(all[i].wall);
    }
    free(all);
    return 0;
}

/* The load test: workers that share a Module make instances, use them and drop them, and every value is compared.
 *
 *   load [--workers N] [--only] [--seconds S | --count M] [--warm-up M] [--posts P] [--alive K] [--check]
 *        [--tier NAME] [--json FILE] [--line FILE] SUBJECT...
 *   load --write FOLDER SUBJECT...
 *
 * A SUBJECT is a, b or c (tests/bench/shapes.h: no memory; a page; 17 pages with 100 KB of data), own (load.wat:
 * imports of each worker's own), a module that tests/bench/fetch_modules.sh has fetched, or a C program of
 * tests/bench/programs. Each is measured with 1, 2, 4 ... N workers (--only: N alone) that run for S seconds, or for M
 * lives each. Reported: lives a second of the wall clock and of CPU time; percentiles of a life; the median of making
 * and dropping alone (one life of 16 is measured in parts); of K instances alive at once, resident kilobytes each; the
 * 4 KiB pages that instances usually write (they stay writable), and in the note, how many of 400 lives wrote others.
 * With --posts also how long a Module takes to a worker and back. --check: the library compares every memory with its
 * image after each reset. --line: a run's numbers and its percentiles, and --write: the modules, for load.sh, where the
 * peers come in.
 *
 * Exit status 1 when a value was wrong or something is left over: objects, modules, descriptors, threads.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/guest.h"
#include "harness/histogram.h"
#include "runtime/pool.h"
#include "runtime/slot.h"
#include "tests/bench/measure.h"
#include "tests/support/left.h"

enum { STUDIED = 400, PARTS_EVERY = 16, ALIVE_MAX = 10000 };

typedef struct load_options {
    options common;
    int workers;
    bool only, check;
    double seconds;
    long count; /* lives of each worker; 0: as many as the seconds hold */
    long warm_up, posts, alive;
    const char *line, *folder;
} load_options;

/* What was learned of the memory of a module's instances. */
typedef struct study {
    bool sealed;
    uint32_t hot, runs, revisions;
    int cold; /* lives that wrote other pages */
    double alive_kb;
} study;

/* What one worker does. Written by the worker's thread; the main thread reads it after a message that says so. */
typedef struct load_worker {
    const struct run *run;
    wag_worker_scope *self;
    guest guest;
    bool is_ready;
    histogram *life, *making;
    uint64_t done, wrong, failed;
    uint64_t start_ns, end_ns;
    study study;
    uint64_t live_objects;
} load_worker;

/* What the main thread tells the workers, as numbers, and what they say when it is done. */
typedef enum order { ORDER_PREPARED, ORDER_RUN, ORDER_STUDY, ORDER_END } order;

typedef struct run {
    const load_options *options;
    const subject *subject;
    wag_cluster *cluster;
    wag_module *module;
    long count; /* of workers */
    wag_worker **handles;
    load_worker *workers;
    long answers; /* to the order that was given last */
    double cpu;   /* seconds, of the measured part */
    uint64_t posted_at;
    long round_trips;
    histogram *round_trip;
} run;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- a worker ---- */

static void live(load_worker *w, uint64_t index)
{
    life l;
    bool in_parts = index % PARTS_EVERY == 0;
    uint64_t start = now_ns(), made = 0, used = 0;
    life_begin(&l, &w->guest);
    if (in_parts) {
        made = now_ns();
    }
    bool good = life_use(&l, &w->guest, (uint32_t)(index % SCRIPT_LIVES));
    if (in_parts) {
        used = now_ns();
    }
    life_end(&l, &w->guest);
    uint64_t end = now_ns();
    w->done++;
    w->wrong += !good;
    if (in_parts) {
        histogram_add(w->making, end - start - (used - made));
    } else {
        histogram_add(w->life, end - start);
    }
}

static void run_lives(load_worker *w)
{
    const load_options *o = w->run->options;
    uint64_t start = now_ns(), end = start + (uint64_t)(o->seconds * 1e9);
    uint64_t most = o->count > 0 ? (uint64_t)o->count : UINT64_MAX;
    /* Index 0 is measured in parts, which the short runs need. */
    for (uint64_t i = 0; i < most && (o->count > 0 || now_ns() < end);) {
        for (uint64_t stop = i + PARTS_EVERY; i < stop && i < most; i++) {
            live(w, i);
        }
    }
    w->start_ns = start;
    w->end_ns = now_ns();
}

static void keep_alive(load_worker *w)
{
    long count = w->run->options->alive;
    life *all = calloc((size_t)count + 1, sizeof *all);
    if (all == NULL) {
        fail("out of memory");
    }
    double before = resident_bytes();
    for (long i = 0; i < count; i++) {
        life_begin(&all[i], &w->guest);
        w->wrong += !life_use(&all[i], &w->guest, (uint32_t)i % SCRIPT_LIVES);
    }
    w->study.alive_kb = count > 0 ? (resident_bytes() - before) / (double)count / 1e3 : NAN;
    for (long i = 0; i < count; i++) {
        life_end(&all[i], &w->guest);
    }
    free(all);
}

/* How well the pages that an instance writes are foretold, and what instances weigh. */
static void look(load_worker *w)
{
    study *s = &w->study;
    const wagi_memory_plan *plan = NULL; /* of the module's own memory, or of the type that the host makes for it */
    for (uint32_t i = 0; i < STUDIED; i++) {
        life l;
        life_begin(&l, &w->guest);
        w->wrong += !life_use(&l, &w->guest, i % SCRIPT_LIVES);
        s->cold += l.memory != NULL && l.memory->slot.seal != NULL && l.memory->slot.cold_count > 0;
        plan = l.memory != NULL ? l.memory->slot.plan : NULL;
        life_end(&l, &w->guest);
    }
    const wagi_pool *pool = wagi_pool_find(wag_agent_current(), w->run->module);
    if (plan == NULL && pool != NULL) {
        plan = pool->plans;
    }
    if (plan != NULL && plan->seal != NULL) {
        s->sealed = true;
        s->hot = plan->seal->pages;
        s->runs = plan->seal->run_count;
        s->revisions = plan->revisions;
    }
    keep_alive(w);
}

static void prepare(load_worker *w)
{
    guest_init(&w->guest, w->run->subject, w->run->module, (uint32_t)(w - w->run->workers) + 1);
    w->life = histogram_new();
    w->making = histogram_new();
    if (w->life == NULL || w->making == NULL) {
        fail("out of memory");
    }
    for (long i = 0; i < w->run->options->warm_up; i++) {
        life l;
        life_begin(&l, &w->guest);
        w->wrong += !life_use(&l, &w->guest, (uint32_t)i % SCRIPT_LIVES);
        life_end(&l, &w->guest);
    }
    w->is_ready = true;
}

static void on_order(void *context, wag_value message)
{
    load_worker *w = context;
    order done = ORDER_PREPARED;
    if (message.kind == WAG_VALUE_MODULE) {
        if (w->is_ready) { /* only the way is measured: send it back */
            wag_scope_post_message(w->self, message, NULL);
            return;
        }
        w->failed += message.of.module != w->run->module;
        prepare(w);
    } else {
        done = (order)message.of.number;
        if (done == ORDER_RUN) {
            run_lives(w);
        } else if (done == ORDER_STUDY) {
            look(w);
        } else {
            guest_fini(&w->guest);
            wag_agent_collect();
            w->live_objects = wag_agent_live_objects();
        }
    }
    wag_scope_post_message(w->self, WAG_NUMBER(done), NULL);
}

static void worker_entry(wag_worker_scope *self, void *context)
{
    load_worker *w = context;
    w->self = self;
    wag_scope_on_message(self, on_order, w);
}

/* ---- the main thread ---- */

static void give(run *r, order order, long workers)
{
    r->answers = r->count - workers;
    for (long i = 0; i < workers; i++) {
        must(wag_worker_post_message(r->handles[i], WAG_NUMBER(order), NULL), NULL, "post");
    }
}

static void post_module(run *r)
{
    r->posted_at = now_ns();
    must(wag_worker_post_message(r->handles[0], WAG_MODULE(r->module), NULL), NULL, "post");
}

static void on_answer(void *context, wag_value message)
{
    run *r = context;
    if (message.kind == WAG_VALUE_MODULE) {
        histogram_add(r->round_trip, now_ns() - r->posted_at);
        if (++r->round_trips < r->options->posts) {
            post_module(r);
        } else {
            give(r, ORDER_END, r->count);
        }
        return;
    }
    if (++r->answers < r->count) {
        return;
    }
    switch ((order)message.of.number) {
    case ORDER_PREPARED:
        r->cpu = cpu_seconds();
        give(r, ORDER_RUN, r->count);
        break;
    case ORDER_RUN:
        r->cpu = cpu_seconds() - r->cpu;
        give(r, ORDER_STUDY, 1);
        break;
    case ORDER_STUDY:
        if (r->options->posts > 0) {
            post_module(r);
        } else {
            give(r, ORDER_END, r->count);
        }
        break;
    case ORDER_END:
        for (long i = 0; i < r->count; i++) {
            wag_promise_unref(wag_worker_terminate(r->handles[i]));
        }
        break;
    }
}

typedef struct left {
    long modules, descriptors, threads;
} left;

static left count_all(void)
{
    return (left){(long)wag_live_modules(), count_descriptors(), count_threads()};
}

static void run_workers(run *r)
{
    for (long i = 0; i < r->count; i++) {
        r->workers[i] = (load_worker){.run = r};
        wag_worker_options options = {
            .entry = worker_entry, .context = &r->workers[i], .name = "load", .stack_bytes = 512 << 10};
        wag_error *error = NULL;
        must(wag_worker_new(&options, &r->handles[i], &error), error, "worker");
        wag_worker_on_message(r->handles[i], on_answer, r);
    }
    for (long i = 0; i < r->count; i++) {
        must(wag_worker_post_message(r->handles[i], WAG_MODULE(r->module), NULL), NULL, "post");
    }
    must(wag_agent_run(), NULL, "run");
    for (long i = 0; i < r->count; i++) {
        wag_worker_free(r->handles[i]);
    }
}

/* What nng keeps from its first use on is there before anything is counted. */
static void use_nng(void)
{
    static load_worker nobody;
    wag_worker_options options = {.entry = worker_entry, .context = &nobody};
    wag_worker *worker = NULL;
    must(wag_worker_new(&options, &worker, NULL), NULL, "worker");
    wag_worker_free(worker);
    must(wag_agent_close(), NULL, "agent");
}

/* ---- the report ---- */

enum { COLUMNS = 8 };
static const column columns[COLUMNS] = {{"thousand/s", 2}, {"/cpu second", 2}, {"p50 ns", 0},      {"p99 ns", 0},
                                        {"p99.9 ns", 0},   {"new+drop ns", 0}, {"RSS kB each", 1}, {"hot pages", 0}};

typedef struct sums {
    uint64_t wrong, failed, live_objects;
    left left;
    histogram *round_trip;
} sums;

/* Nanoseconds for copying what an instance of the shape writes: the least that a reset can cost. */
static double copy_ns(size_t size)
{
    enum { COPIES = 20000 };
    uint8_t *pages = calloc(2, size);
    if (pages == NULL) {
        fail("out of memory");
    }
    uint64_t start = now_ns();
    for (int i = 0; i < COPIES; i++) {
        memcpy(pages, pages + size, size);
        __asm__ volatile("" ::"r"(pages) : "memory");
    }
    double ns = (double)(now_ns() - start) / COPIES;
    free(pages);
    return ns;
}

static void add_up(run *r, report *report, sums *sums)
{
    histogram *life = histogram_new(), *making = histogram_new();
    if (life == NULL || making == NULL) {
        fail("out of memory");
    }
    uint64_t first = UINT64_MAX, last = 0, done = 0, wrong = wag_cluster_reset_mismatches(r->cluster);
    for (long i = 0; i < r->count; i++) {
        load_worker *w = &r->workers[i];
        first = w->start_ns < first ? w->start_ns : first;
        last = w->end_ns > last ? w->end_ns : last;
        done += w->done;
        wrong += w->wrong;
        sums->failed += w->failed;
        sums->live_objects += w->live_objects;
        histogram_merge(life, w->life);
        histogram_merge(making, w->making);
        histogram_free(w->life);
        histogram_free(w->making);
    }
    sums->wrong += wrong;
    double rate = (double)done / (double)(last - first) * 1e9;
    const study *s = &r->workers[0].study;
    double values[COLUMNS] = {rate / 1e3,
                              (double)done / r->cpu / 1e3,
                              (double)histogram_at(life, 50),
                              (double)histogram_at(life, 99),
                              (double)histogram_at(life, 99.9),
                              (double)histogram_at(making, 50),
                              s->alive_kb,
                              s->sealed ? s->hot : NAN};
    char name[64], note[160] = "";
    snprintf(name, sizeof name, "%s, %ld worker%s", r->subject->name, r->count, r->count == 1 ? "" : "s");
    if (s->sealed) {
        snprintf(note, sizeof note, "%u runs, %u revisions, %d of %d lives wrote other pages", s->runs, s->revisions,
                 s->cold, STUDIED);
    }
    if (r->subject->written > 0) {
        size_t at = strlen(note);
        snprintf(note + at, sizeof note - at, "%sa copy of what it writes: %.0f ns", at > 0 ? "; " : "",
                 copy_ns(r->subject->written));
    }
    report_row(report, name, values, note[0] != '\0' ? note : NULL);
    if (r->options->line != NULL) {
        FILE *file = fopen(r->options->line, "w");
        if (file == NULL) {
            fail("cannot write %s", r->options->line);
        }
        histogram_line(life, making, rate, (double)done / r->cpu, s->alive_kb, wrong, file);
        fclose(file);
    }
    histogram_free(life);
    histogram_free(making);
}

/* One subject with so many workers. */
static void measure(const load_options *o, const subject *s, long count, report *report, sums *sums)
{
    run r = {.options = o, .subject = s, .count = count, .round_trip = sums->round_trip};
    wag_error *error = NULL;
    left before = count_all();
    must(wag_cluster_new(&(wag_cluster_options){.check_resets = o->check}, &r.cluster), NULL, "cluster");
    must(wag_agent_open(r.cluster), NULL, "agent");
    r.handles = calloc((size_t)count, sizeof *r.handles);
    r.workers = calloc((size_t)count, sizeof *r.workers);
    if (r.handles == NULL || r.workers == NULL) {
        fail("out of memory");
    }
    wag_compile_options compile = {.cluster = r.cluster, .tier = o->common.tier};
    must(wag_module_new(s->bytes, &compile, &r.module, &error), error, s->name);
    run_workers(&r);
    add_up(&r, report, sums);
    wag_module_unref(r.module);
    free(r.handles);
    free(r.workers);
    must(wag_agent_close(), NULL, "agent");
    wag_cluster_unref(r.cluster);
    left after = count_all();
    sums->left.modules += after.modules - before.modules;
    sums->left.descriptors += after.descriptors - before.descriptors;
    sums->left.threads += after.threads - before.threads;
}

static load_options read_options(int argc, char **argv)
{
    load_options o = {.common = options_read(argc, argv, 1), .workers = 2, .seconds = 0.5, .warm_up = 100};
    int subjects = 0;
    for (int i = 0; i < o.common.rest_count; i++) {
        const char *option = o.common.rest[i], *value = i + 1 < o.common.rest_count ? o.common.rest[i + 1] : "";
        long *number = strcmp(option, "--count") == 0     ? &o.count
                       : strcmp(option, "--warm-up") == 0 ? &o.warm_up
                       : strcmp(option, "--posts") == 0   ? &o.posts
                       : strcmp(option, "--alive") == 0   ? &o.alive
                                                          : NULL;
        if (number != NULL) {
            *number = strtol(value, NULL, 10);
        } else if (strcmp(option, "--workers") == 0) {
            o.workers = (int)strtol(value, NULL, 10);
        } else if (strcmp(option, "--seconds") == 0) {
            o.seconds = strtod(value, NULL);
        } else if (strcmp(option, "--line") == 0) {
            o.line = value;
        } else if (strcmp(option, "--write") == 0) {
            o.folder = value;
        } else {
            if (strcmp(option, "--check") == 0) {
                o.check = true;
            } else if (strcmp(option, "--only") == 0) {
                o.only = true;
            } else if (option[0] == '-') {
                fail("there is no option \"%s\"", option);
            } else {
                o.common.rest[subjects++] = o.common.rest[i];
            }
            continue;
        }
        i++;
    }
    o.common.rest_count = subjects;
    if (o.workers < 1 || o.workers > 4096 || !(o.seconds > 0) || o.count < 0 || o.warm_up < 0 || o.posts < 0 ||
        o.alive < 0 || o.alive > ALIVE_MAX || subjects == 0) {
        fail("load [OPTION...] SUBJECT... (tests/load/load.c says which)");
    }
    return o;
}

static void write_modules(const load_options *o)
{
    for (int i = 0; i < o->common.rest_count; i++) {
        subject s;
        char path[4096];
        subject_init(&s, o->common.rest[i]);
        snprintf(path, sizeof path, "%s/%s.wasm", o->folder, s.name);
        FILE *file = fopen(path, "wb");
        if (file == NULL || fwrite(s.bytes.data, 1, s.bytes.size, file) != s.bytes.size || fclose(file) != 0) {
            fail("cannot write %s", path);
        }
        subject_fini(&s);
    }
}

int main(int argc, char **argv)
{
    load_options o = read_options(argc, argv);
    if (o.folder != NULL) {
        write_modules(&o);
        return 0;
    }
    report *report = report_new(&o.common, o.check ? "load, resets compared" : "load", columns, COLUMNS);
    sums sums = {.round_trip = histogram_new()};
    if (sums.round_trip == NULL) {
        fail("out of memory");
    }
    use_nng();
    for (int i = 0; i < o.common.rest_count; i++) {
        subject s;
        subject_init(&s, o.common.rest[i]);
        for (int n = o.only ? o.workers : 1; n <= o.workers; n *= 2) {
            measure(&o, &s, n, report, &sums);
        }
        subject_fini(&s);
    }
    report_end(report);
    if (o.posts > 0) {
        printf("a Module to a worker and back: p50 %llu ns, p99 %llu ns\n",
               (unsigned long long)histogram_at(sums.round_trip, 50),
               (unsigned long long)histogram_at(sums.round_trip, 99));
    }
    histogram_free(sums.round_trip);
    printf("wrong values %llu, other modules received %llu; left over: objects %llu, modules %ld, descriptors %ld, "
           "threads %ld\n",
           (unsigned long long)sums.wrong, (unsigned long long)sums.failed, (unsigned long long)sums.live_objects,
           sums.left.modules, sums.left.descriptors, sums.left.threads);
    return sums.wrong || sums.failed || sums.live_objects || sums.left.modules || sums.left.descriptors ||
           sums.left.threads;
}

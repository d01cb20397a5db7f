/* Load test: N workers instantiate one shared module M times each, every worker with imports of its own.
 *
 *   load MODULE.wasm [-n WORKERS] [-m INSTANTIATIONS] [-p POSTS] [-t TIER] [--json]
 *
 * TIER: interp, guard or checked; the library's choice by default. Prints throughput, latency percentiles and the
 * verdicts wrong imports, leaked modules, leaked fds, live objects, RSS. Exit status 1 when a verdict is not 0.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "demos/read_file.h"
#include "waggle.h"

typedef struct load_options {
    const char *path;
    long workers, instantiations, posts;
    wag_tier tier;
    bool json;
} load_options;

/* What one worker did. Written by the worker's thread; read by the main thread after the worker's exit promise. */
typedef struct load_worker {
    const load_options *options;
    wag_worker_scope *self;
    int32_t id;
    uint32_t *latency_ns; /* one per instantiation */
    long done, wrong, failed;
    uint64_t wall_ns, cpu_ns;
    size_t live_objects;
    atomic_long *progress; /* all workers together */
} load_worker;

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The worker's own meaning of env.mix. */
static int32_t mixed(int32_t id, int32_t argument)
{
    return (int32_t)((uint32_t)argument * 31u + (uint32_t)id * 7u);
}

static wag_error *mix(void *context, const wag_val *args, wag_val *results)
{
    const load_worker *worker = context;
    results[0].of.i32 = mixed(worker->id, args[0].of.i32);
    return NULL;
}

static void instantiate_once(load_worker *worker, wag_module *module, wag_imports *imports)
{
    uint64_t before = clock_ns(CLOCK_MONOTONIC);
    wag_instance *instance = NULL;
    if (wag_instance_new(module, imports, &instance, NULL) != WAG_OK) {
        worker->failed++;
        return;
    }
    wag_val result;
    wag_func *check = wag_exports_func(wag_instance_exports(instance), "check");
    if (wag_call(check, NULL, 0, &result, 1, NULL) != WAG_OK)
        worker->failed++;
    else if (result.of.i32 != mixed(worker->id, worker->id))
        worker->wrong++;
    wag_instance_unref(instance);
    uint64_t spent = clock_ns(CLOCK_MONOTONIC) - before;
    worker->latency_ns[worker->done++] = spent > UINT32_MAX ? UINT32_MAX : (uint32_t)spent;
}

static void on_module(void *context, wag_value message)
{
    load_worker *worker = context;
    if (message.kind != WAG_VALUE_MODULE)
        return;
    if (worker->done) { /* the posts after the first only measure the way: send it back */
        wag_scope_post_message(worker->self, message, NULL);
        return;
    }
    wag_imports *imports = wag_imports_new();
    wag_imports_set(imports, "env", "id", WAG_NUMBER(worker->id));
    wag_imports_set_func(imports, "env", "mix", "(i32) -> (i32)", mix, worker, NULL);
    uint64_t wall = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (long i = 0; i < worker->options->instantiations; i++) {
        instantiate_once(worker, message.of.module, imports);
        if (i % 64 == 63)
            atomic_fetch_add_explicit(worker->progress, 64, memory_order_relaxed); /* relaxed: a display */
    }
    worker->wall_ns = clock_ns(CLOCK_MONOTONIC) - wall;
    worker->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    wag_imports_unref(imports);
    wag_agent_collect();
    worker->live_objects = wag_agent_live_objects();
    wag_scope_post_message(worker->self, WAG_BOOL(true), NULL);
}

static void worker_entry(wag_worker_scope *self, void *context)
{
    load_worker *worker = context;
    worker->self = self;
    wag_scope_on_message(self, on_module, worker);
}

/* ---- the main thread ---- */

typedef struct load_run {
    load_options options;
    wag_module *module;
    wag_worker **handles;
    load_worker *workers;
    long finished;
    atomic_long progress;
    /* post latency, worker 0 only: module there and back */
    uint64_t posted_at;
    uint32_t *round_trip_ns;
    long round_trips;
} load_run;

static void show_progress(void *context)
{
    load_run *run = context;
    long total = run->options.workers * run->options.instantiations;
    fprintf(stderr, "\r%3ld %%",
            total ? atomic_load_explicit(&run->progress, memory_order_relaxed) * 100 / total : 100);
    fflush(stderr);
    if (run->finished < run->options.workers)
        wag_timer_start(200, show_progress, run, NULL);
    else
        fprintf(stderr, "\r     \r");
}

static void post_round(load_run *run)
{
    run->posted_at = clock_ns(CLOCK_MONOTONIC);
    wag_worker_post_message(run->handles[0], WAG_MODULE(run->module), NULL);
}

static void terminate_all(load_run *run)
{
    for (long i = 0; i < run->options.workers; i++)
        wag_promise_unref(wag_worker_terminate(run->handles[i]));
}

static void on_reply(void *context, wag_value message)
{
    load_run *run = context;
    if (message.kind == WAG_VALUE_BOOL) {
        if (++run->finished < run->options.workers)
            return;
    } else {
        run->round_trip_ns[run->round_trips++] = (uint32_t)(clock_ns(CLOCK_MONOTONIC) - run->posted_at);
    }
    if (run->round_trips < run->options.posts)
        post_round(run);
    else
        terminate_all(run);
}

static long count_fds(void)
{
    long count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

static long rss_kib(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%ld %ld", &pages, &resident) != 2)
            resident = 0;
        fclose(file);
    }
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t percentile(const uint32_t *sorted, size_t count, double p)
{
    return count ? sorted[(size_t)(p / 100.0 * (double)(count - 1) + 0.5)] : 0;
}

/* ---- the report ---- */

typedef struct load_report {
    double wall_seconds, cpu_seconds, per_second;
    uint32_t p50, p99, p999, worst, post_p50, post_p99;
    long wrong, failed, leaked_modules, leaked_fds, live_objects, rss_before, rss_after;
} load_report;

static void summarise(load_run *run, load_report *report)
{
    size_t total = 0, room = (size_t)(run->options.workers * run->options.instantiations);
    uint32_t *all = malloc((room ? room : 1) * sizeof *all);
    double slowest = 0;
    for (long i = 0; i < run->options.workers; i++) {
        const load_worker *worker = &run->workers[i];
        if (all)
            memcpy(all + total, worker->latency_ns, (size_t)worker->done * sizeof *all);
        total += (size_t)worker->done;
        report->wrong += worker->wrong;
        report->failed += worker->failed;
        report->live_objects += (long)worker->live_objects;
        report->cpu_seconds += (double)worker->cpu_ns / 1e9;
        if ((double)worker->wall_ns / 1e9 > slowest)
            slowest = (double)worker->wall_ns / 1e9;
    }
    report->wall_seconds = slowest;
    report->per_second = slowest > 0 ? (double)total / slowest : 0;
    if (all && total) {
        qsort(all, total, sizeof *all, compare_u32);
        report->p50 = percentile(all, total, 50);
        report->p99 = percentile(all, total, 99);
        report->p999 = percentile(all, total, 99.9);
        report->worst = all[total - 1];
    }
    free(all);
    qsort(run->round_trip_ns, (size_t)run->round_trips, sizeof *run->round_trip_ns, compare_u32);
    report->post_p50 = percentile(run->round_trip_ns, (size_t)run->round_trips, 50);
    report->post_p99 = percentile(run->round_trip_ns, (size_t)run->round_trips, 99);
}

static void print_table(const load_options *options, const load_report *report)
{
    printf("workers %ld, instantiations each %ld\n", options->workers, options->instantiations);
    printf("  throughput          %12.0f instantiate+call+drop per second (wall %.3f s, cpu %.3f s)\n",
           report->per_second, report->wall_seconds, report->cpu_seconds);
    printf("  latency ns          p50 %u  p99 %u  p99.9 %u  worst %u\n", report->p50, report->p99, report->p999,
           report->worst);
    printf("  post and reply ns   p50 %u  p99 %u  (%ld times a module there and back)\n", report->post_p50,
           report->post_p99, options->posts);
    printf("  rss KiB             before %ld  after %ld\n", report->rss_before, report->rss_after);
    printf("  wrong imports: %ld\n  failed: %ld\n  leaked modules: %ld\n  leaked fds: %ld\n  live objects: %ld\n",
           report->wrong, report->failed, report->leaked_modules, report->leaked_fds, report->live_objects);
}

static void print_json(const load_options *options, const load_report *report)
{
    json_t *json = json_pack(
        "{s:I, s:I, s:f, s:f, s:f, s:{s:I, s:I, s:I, s:I}, s:{s:I, s:I}, s:{s:I, s:I}, s:I, s:I, s:I, s:I, s:I}",
        "workers", (json_int_t)options->workers, "instantiations_each", (json_int_t)options->instantiations,
        "per_second", report->per_second, "wall_seconds", report->wall_seconds, "cpu_seconds", report->cpu_seconds,
        "latency_ns", "p50", (json_int_t)report->p50, "p99", (json_int_t)report->p99, "p999", (json_int_t)report->p999,
        "worst", (json_int_t)report->worst, "post_round_trip_ns", "p50", (json_int_t)report->post_p50, "p99",
        (json_int_t)report->post_p99, "rss_kib", "before", (json_int_t)report->rss_before, "after",
        (json_int_t)report->rss_after, "wrong_imports", (json_int_t)report->wrong, "failed", (json_int_t)report->failed,
        "leaked_modules", (json_int_t)report->leaked_modules, "leaked_fds", (json_int_t)report->leaked_fds,
        "live_objects", (json_int_t)report->live_objects);
    if (json)
        json_dumpf(json, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(json);
}

static bool run_workers(load_run *run)
{
    for (long i = 0; i < run->options.workers; i++) {
        load_worker *worker = &run->workers[i];
        *worker = (load_worker){.options = &run->options, .id = (int32_t)i + 1, .progress = &run->progress};
        worker->latency_ns = calloc((size_t)run->options.instantiations + 1, sizeof *worker->latency_ns);
        wag_worker_options options = {
            .entry = worker_entry, .context = worker, .name = "load", .stack_bytes = 256 << 10};
        wag_error *error = NULL;
        if (!worker->latency_ns || wag_worker_new(&options, &run->handles[i], &error) != WAG_OK) {
            fprintf(stderr, "worker %ld: %s\n", i + 1, error ? wag_error_message(error) : "out of memory");
            wag_error_unref(error);
            return false;
        }
        wag_worker_on_message(run->handles[i], on_reply, run);
    }
    for (long i = 0; i < run->options.workers; i++)
        if (wag_worker_post_message(run->handles[i], WAG_MODULE(run->module), NULL) != WAG_OK)
            return false;
    if (isatty(STDERR_FILENO))
        show_progress(run);
    return wag_agent_run() == WAG_OK;
}

static int load(const load_options *options)
{
    wag_bytes bytes;
    if (!read_file(options->path, &bytes))
        return 1;
    size_t modules_before = wag_live_modules();
    load_run run = {.options = *options};
    load_report report = {0};
    wag_error *error = NULL;
    wag_compile_options compile_options = {.tier = options->tier};
    if (wag_module_new(bytes, &compile_options, &run.module, &error) != WAG_OK) {
        fprintf(stderr, "%s: %s\n", options->path, wag_error_message(error));
        wag_error_unref(error);
        free((void *)bytes.data);
        return 1;
    }
    free((void *)bytes.data);
    wag_agent_current();
    report.rss_before = rss_kib();
    run.handles = calloc((size_t)options->workers, sizeof *run.handles);
    run.workers = calloc((size_t)options->workers, sizeof *run.workers);
    run.round_trip_ns = calloc((size_t)options->posts + 1, sizeof *run.round_trip_ns);
    long fds_before = 0;
    bool ok = run.handles && run.workers && run.round_trip_ns;
    if (ok) {
        /* nng keeps a few descriptors of its own from its first use on: they are there before the count. */
        wag_worker_options warm_up = {.entry = worker_entry, .context = &run.workers[0]};
        wag_worker *worker = NULL;
        ok = wag_worker_new(&warm_up, &worker, NULL) == WAG_OK;
        wag_worker_free(worker);
        fds_before = count_fds();
        ok = ok && run_workers(&run);
    }
    for (long i = 0; run.handles && i < options->workers; i++)
        wag_worker_free(run.handles[i]);
    wag_module_unref(run.module);
    if (ok) {
        summarise(&run, &report);
        report.leaked_modules = (long)(wag_live_modules() - modules_before);
        report.leaked_fds = count_fds() - fds_before;
        report.rss_after = rss_kib();
        (options->json ? print_json : print_table)(options, &report);
        ok = run.finished == options->workers && run.round_trips == options->posts;
    }
    for (long i = 0; run.workers && i < options->workers; i++)
        free(run.workers[i].latency_ns);
    free(run.round_trip_ns);
    free(run.workers);
    free(run.handles);
    return ok && !report.wrong && !report.failed && !report.leaked_modules && !report.leaked_fds && !report.live_objects
               ? 0
               : 1;
}

static bool tier_named(const char *name, wag_tier *ret_tier)
{
    static const struct {
        const char *name;
        wag_tier tier;
    } tiers[] = {{"interp", WAG_TIER_INTERP}, {"guard", WAG_TIER_NATIVE_GUARD}, {"checked", WAG_TIER_NATIVE_CHECKED}};
    for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++)
        if (strcmp(name, tiers[i].name) == 0) {
            *ret_tier = tiers[i].tier;
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    load_options options = {.workers = 2, .instantiations = 100000, .posts = 2000};
    for (int i = 1; i < argc; i++) {
        long *number = strcmp(argv[i], "-n") == 0   ? &options.workers
                       : strcmp(argv[i], "-m") == 0 ? &options.instantiations
                       : strcmp(argv[i], "-p") == 0 ? &options.posts
                                                    : NULL;
        if (number && i + 1 < argc)
            *number = strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "-t") == 0 && i + 1 < argc && tier_named(argv[i + 1], &options.tier))
            i++;
        else if (strcmp(argv[i], "--json") == 0)
            options.json = true;
        else if (argv[i][0] != '-' && !options.path)
            options.path = argv[i];
        else
            options.workers = 0;
    }
    if (!options.path || options.workers < 1 || options.instantiations < 1 || options.posts < 0) {
        fprintf(
            stderr,
            "usage: load MODULE.wasm [-n WORKERS] [-m INSTANTIATIONS] [-p POSTS] [-t interp|guard|checked] [--json]\n");
        return 2;
    }
    return load(&options);
}

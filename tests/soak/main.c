/* Soak test: workers do all that wasm can do to them, and are interrupted, terminated, closed and replaced at random,
 * while modules, some of them broken, are compiled and posted.
 *
 *   soak [SECONDS] [--seed N] [--workers N] [--tier interp|guard|checked|all]
 *
 * The time is cut into periods, each with a cluster of its own, another way of resetting memories, and all resets
 * compared with the module's image. Between two periods nothing may be left. Prints what happened and the verdicts
 * wrong values, bad resets, leaked modules, objects, descriptors, threads, mappings, RSS. Exit status 1 when one is
 * not 0. The seed is printed; a thread's sequence of actions depends on it, their interleaving does not.
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "demos/read_file.h"
#include "tests/soak/soak.h"
#include "tests/support/exceptions.h"
#include "tests/support/gc.h"
#include "tests/support/left.h"
#include "tests/support/sanitized.h"

enum { MESSAGES = 3, MOST_OPEN = 3, MOST_WORKERS = 64, MUTATED_MOST = 1 << 14 };

typedef struct options {
    uint64_t seed;
    long seconds, workers;
    const wag_tier *tiers;
    uint32_t tier_count;
    const char *tier_name;
} options;

typedef struct seat {
    wag_worker *handle;
    wag_promise_exit *exited;
    soak_worker *worker;
    uint32_t open; /* messages without an answer */
} seat;

/* A period. */
typedef struct soak {
    const options *options;
    soak_random random;
    wag_cluster *cluster;
    wag_bytes bytes[SOAK_MODULES]; /* borrow */
    wag_value messages[MESSAGES];  /* arrays of modules, by tier */
    wag_shared_memory *shared;
    wag_memory *unshared;
    seat seats[MOST_WORKERS];
    int32_t next_id;
} soak;

soak_counts soak_count;

void soak_wrong(const char *format, ...)
{
    if (atomic_fetch_add(&soak_count.wrong, 1) >= 20)
        return;
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "wrong: %s\n", text);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- workers ---- */

static void on_answer(void *context, wag_value message)
{
    (void)message;
    ((seat *)context)->open--;
}

static void on_error(void *context, const wag_error *error)
{
    (void)context;
    soak_wrong("a worker reports: %s", wag_error_message(error));
}

static void take_seat(soak *soak, seat *seat)
{
    soak_worker *worker = calloc(1, sizeof *worker);
    wag_error *error = NULL;
    if (!worker)
        exit(2);
    worker->id = ++soak->next_id;
    worker->random = (uint64_t)soak_next(&soak->random) << 32 | (uint32_t)worker->id;
    worker->shared = soak->shared;
    pthread_mutex_init(&worker->lock, NULL);
    wag_worker_options options = {
        .entry = soak_worker_entry, .context = worker, .name = "soak", .stack_bytes = 512 << 10};
    *seat = (struct seat){.worker = worker};
    if (wag_worker_new(&options, &seat->handle, &error) != WAG_OK) {
        soak_wrong("no worker: %s", wag_error_message(error));
        exit(1);
    }
    seat->exited = wag_worker_exited(seat->handle);
    wag_worker_on_message(seat->handle, on_answer, seat);
    wag_worker_on_error(seat->handle, on_error, seat);
    soak_add(&soak_count.workers, 1);
}

/* Nobody interrupts it any more. */
static void forget_agent(soak_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    worker->agent = NULL;
    pthread_mutex_unlock(&worker->lock);
}

/* Whatever it does, it ends now. */
static void clear_seat(seat *seat)
{
    forget_agent(seat->worker);
    wag_worker_free(seat->handle);
    wag_promise_unref(seat->exited);
    pthread_mutex_destroy(&seat->worker->lock);
    free(seat->worker);
}

static void post(seat *seat, wag_value message)
{
    wag_error *error = NULL;
    if (wag_worker_post_message(seat->handle, message, &error) != WAG_OK)
        soak_wrong("post: %s", wag_error_message(error));
    wag_error_unref(error);
    soak_add(&soak_count.posts, 1);
    seat->open++;
}

/* ---- what the main thread does ---- */

static void interrupt(const seat *seat)
{
    pthread_mutex_lock(&seat->worker->lock);
    if (seat->worker->agent) {
        wag_agent_interrupt(seat->worker->agent);
        soak_add(&soak_count.interrupts, 1);
    }
    pthread_mutex_unlock(&seat->worker->lock);
}

static void terminate(soak *soak, seat *seat)
{
    forget_agent(seat->worker);
    soak_add(&soak_count.terminated, 1);
    wag_promise_unref(wag_worker_terminate(seat->handle));
    if (soak_below(&soak->random, 2))
        post(seat, soak->messages[0]); /* is dropped */
    if (soak_below(&soak->random, 2)) {
        clear_seat(seat); /* joins it */
        take_seat(soak, seat);
    }
}

/* A module with some bytes changed: refused with a reason, or valid; and both ways of asking agree. */
static void compile_broken(soak *soak)
{
    static uint8_t bytes[MUTATED_MOST];
    wag_bytes whole = soak->bytes[soak_below(&soak->random, SOAK_MODULES)];
    if (whole.size > sizeof bytes)
        return;
    memcpy(bytes, whole.data, whole.size);
    for (uint32_t i = soak_below(&soak->random, 6) + 1; i > 0; i--)
        bytes[soak_below(&soak->random, (uint32_t)whole.size)] = (uint8_t)soak_next(&soak->random);
    wag_bytes broken = {bytes,
                        soak_below(&soak->random, 4) ? whole.size : soak_below(&soak->random, (uint32_t)whole.size)};
    const options *options = soak->options;
    wag_compile_options how = {.tier = options->tiers[soak_below(&soak->random, options->tier_count)],
                               .cluster = soak->cluster};
    if (soak_below(&soak->random, 4) == 0) {
        wag_promise_unref(wag_compile(broken, &how)); /* nobody waits for it */
        return;
    }
    wag_module *module = NULL;
    wag_error *error = NULL;
    bool valid = wag_validate(broken, &how), fine = wag_module_new(broken, &how, &module, &error) == WAG_OK;
    soak_add(fine ? &soak_count.compiled : &soak_count.refused, 1);
    if (valid != fine && (fine || wag_error_code(error) != WAG_UNSUPPORTED))
        soak_wrong("validation says %d, compilation %s", valid, fine ? "nothing" : wag_error_message(error));
    wag_error_unref(error);
    wag_module_unref(module);
}

static void post_what_cannot_be(soak *soak, const seat *seat)
{
    wag_value list = wag_array();
    wag_array_push(list, wag_value_ref(soak->messages[0]));
    wag_array_push(list, wag_value_ref(WAG_MEMORY(soak->unshared)));
    wag_err err = wag_worker_post_message(seat->handle, list, NULL);
    if (err != WAG_DATA_CLONE)
        soak_wrong("post of a memory: %s", wag_err_name(err));
    wag_value_unref(list);
}

static void act(soak *soak)
{
    seat *seat = &soak->seats[soak_below(&soak->random, (uint32_t)soak->options->workers)];
    if (wag_poll(seat->exited) != WAG_PENDING) {
        clear_seat(seat);
        take_seat(soak, seat);
    }
    switch (soak_below(&soak->random, 32)) {
    case 0:
        terminate(soak, seat);
        break;
    case 1:
        post(seat, WAG_BOOL(false)); /* end */
        break;
    case 2:
        post_what_cannot_be(soak, seat);
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        compile_broken(soak);
        break;
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
    case 12:
        interrupt(seat);
        break;
    default:
        if (seat->open < MOST_OPEN)
            post(seat, soak->messages[soak_below(&soak->random, MESSAGES)]);
        break;
    }
}

/* ---- a period ---- */

static wag_bytes wait_module(build *b)
{
    build_preamble(b);
    BUILD_WHOLE(b, 1, "\x02\x60\x02\x7F\x7E\x01\x7F\x60\x02\x7F\x7F\x01\x7F");
    BUILD_WHOLE(b, 2, "\x01\x01m\x01m\x02\x03\x01\x01");
    BUILD_WHOLE(b, 3, "\x02\x00\x01");
    BUILD_WHOLE(b, 7, "\x02\x04wait\x00\x00\x06notify\x00\x01");
    BUILD_WHOLE(b, 10,
                "\x02\x0C\x00\x41\x00\x20\x00\x20\x01\xFE\x01\x02\x00\x0B" /* memory.atomic.wait32 of address 0 */
                "\x0A\x00\x20\x00\x20\x01\xFE\x00\x02\x00\x0B");
    return build_bytes(b);
}

static wag_value modules_of(soak *soak, wag_tier tier)
{
    wag_value list = wag_array();
    for (int i = 0; i < SOAK_MODULES; i++) {
        wag_module *module = NULL;
        wag_error *error = NULL;
        wag_compile_options how = {.tier = tier, .cluster = soak->cluster};
        if (wag_module_new(soak->bytes[i], &how, &module, &error) != WAG_OK) {
            fprintf(stderr, "module %d: %s\n", i, wag_error_message(error));
            exit(1);
        }
        wag_array_push(list, WAG_MODULE(module));
    }
    return list;
}

static void begin(soak *soak, wag_reset_strategy reset)
{
    wag_memory *memory = NULL;
    const options *options = soak->options;
    wag_cluster_options how = {.reset = reset, .check_resets = true};
    bool fine = wag_cluster_new(&how, &soak->cluster) == WAG_OK && wag_agent_open(soak->cluster) == WAG_OK;
    wag_memory_descriptor descriptor = {.initial = 1, .maximum = 1, .shared = true};
    if (!fine || wag_memory_create(&descriptor, &memory, NULL) != WAG_OK ||
        wag_memory_new(1, 1, &soak->unshared, NULL) != WAG_OK)
        exit(2);
    soak->shared = wag_memory_share(memory);
    wag_memory_unref(memory);
    for (uint32_t i = 0; i < MESSAGES; i++)
        soak->messages[i] = modules_of(soak, options->tiers[i % options->tier_count]);
    for (long i = 0; i < options->workers; i++)
        take_seat(soak, &soak->seats[i]);
}

/* The workers are asked to end, those of odd seats must; then nothing is left. Returns the resets that were wrong. */
static long end(soak *soak)
{
    for (long i = 0; i < soak->options->workers; i++)
        if (i % 2 == 0)
            post(&soak->seats[i], WAG_BOOL(false));
        else
            clear_seat(&soak->seats[i]);
    if (wag_agent_run() != WAG_OK)
        soak_wrong("the loop was interrupted");
    for (long i = 0; i < soak->options->workers; i += 2)
        clear_seat(&soak->seats[i]);
    for (int i = 0; i < MESSAGES; i++)
        wag_value_unref(soak->messages[i]);
    wag_shared_memory_unref(soak->shared);
    wag_memory_unref(soak->unshared);
    wag_agent_run();
    wag_agent_collect();
    soak_add(&soak_count.leaked_objects, (long)wag_agent_live_objects());
    long bad = (long)wag_cluster_reset_mismatches(soak->cluster);
    if (wag_agent_close() != WAG_OK)
        soak_wrong("the agent cannot be closed");
    wag_cluster_unref(soak->cluster);
    return bad;
}

static long run_period(soak *soak, wag_reset_strategy reset, double until)
{
    begin(soak, reset);
    while (now() < until) {
        struct pollfd item = {.fd = wag_agent_fd(), .events = POLLIN};
        poll(&item, 1, 1);
        while (wag_agent_turn()) {
        }
        act(soak);
    }
    return end(soak);
}

/* ---- what is left ---- */

typedef struct sample {
    long descriptors, threads, mappings, rss_kib, modules;
} sample;

static sample measure(void)
{
    sample sample = {.modules = (long)wag_live_modules()};
    char line[500];
    malloc_trim(0);
    sample.descriptors = count_descriptors();
    sample.threads = count_threads();
    FILE *file = fopen("/proc/self/maps", "r");
    while (file && fgets(line, sizeof line, file))
        sample.mappings++;
    if (file)
        fclose(file);
    file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "VmRSS:", 6) == 0)
            sample.rss_kib = strtol(line + 6, NULL, 10);
    if (file)
        fclose(file);
    return sample;
}

/* How much more than after the first period; the C library keeps some stacks of threads that have gone. */
enum { MAPPINGS_SLACK = 100, RSS_SLACK_KIB = 8192 };

static long above(long value, long allowed)
{
    return value > allowed ? value - allowed : 0;
}

static bool report(const options *options, const sample *first, const sample *last, long bad_resets)
{
    printf("soak: seed %llu, %ld s, %ld workers at once, tier %s\n", (unsigned long long)options->seed,
           options->seconds, options->workers, options->tier_name);
#define PRINT(name) printf("  %-16s %12ld\n", #name, atomic_load(&soak_count.name));
    SOAK_COUNTS(PRINT)
#undef PRINT
    long mappings = above(last->mappings, first->mappings + MAPPINGS_SLACK);
    long rss = SANITIZED ? 0 : above(last->rss_kib, first->rss_kib + RSS_SLACK_KIB); /* they quarantine what is freed */
    long wrong = atomic_load(&soak_count.wrong), objects = atomic_load(&soak_count.leaked_objects);
    long descriptors = last->descriptors - first->descriptors, threads = last->threads - first->threads;
    printf("after the first period: %ld descriptors, %ld threads, %ld mappings, RSS %ld KiB\n", first->descriptors,
           first->threads, first->mappings, first->rss_kib);
    printf("after the last period:  %ld descriptors, %ld threads, %ld mappings, RSS %ld KiB\n", last->descriptors,
           last->threads, last->mappings, last->rss_kib);
    printf("wrong values: %ld\nbad resets: %ld\nleaked modules: %ld\nleaked objects: %ld\nleaked descriptors: %ld\n"
           "leaked threads: %ld\nleaked mappings: %ld\nRSS above the allowance, KiB: %ld\n",
           wrong, bad_resets, last->modules, objects, descriptors, threads, mappings, rss);
    return !wrong && !bad_resets && !last->modules && !objects && descriptors <= 0 && threads <= 0 && !mappings &&
           !rss && atomic_load(&soak_count.instances) > 0;
}

static int run(const options *options)
{
    static const wag_reset_strategy resets[] = {WAG_RESET_DEFAULT, WAG_RESET_SEALED, WAG_RESET_SCAN, WAG_RESET_DISCARD,
                                                WAG_RESET_FULL};
    enum { RESETS = sizeof resets / sizeof *resets };
    build exceptions = exceptions_module(), heap = gc_module(), wait = {0};
    wag_bytes main_module;
    if (!read_file(WAG_TEST_BUILD "/tests/soak/soak.wasm", &main_module))
        return 2;
    mallopt(M_ARENA_MAX, 2); /* so that RSS says something */
    int periods = options->seconds >= 100 ? 4 * RESETS : RESETS;
    double length = (double)options->seconds / periods, start = now();
    sample first = {0}, last = {0};
    long bad_resets = 0;
    for (int i = 0; i < periods; i++) {
        soak *soak = calloc(1, sizeof *soak);
        if (!soak)
            return 2;
        soak->options = options;
        soak->random = options->seed + (uint64_t)i * 1000003u;
        soak->bytes[SOAK_MAIN] = main_module;
        soak->bytes[SOAK_EXCEPTIONS] = build_bytes(&exceptions);
        soak->bytes[SOAK_HEAP] = build_bytes(&heap);
        build_free(&wait);
        soak->bytes[SOAK_WAIT] = wait_module(&wait);
        bad_resets += run_period(soak, resets[i % RESETS], start + length * (i + 1));
        free(soak);
        last = measure();
        if (i == 0)
            first = last;
    }
    bool fine = report(options, &first, &last, bad_resets);
    build_free(&exceptions);
    build_free(&heap);
    build_free(&wait);
    free((void *)main_module.data);
    return fine ? 0 : 1;
}

static bool tier_named(const char *name, options *options)
{
    static const wag_tier all[] = {WAG_TIER_NATIVE_GUARD, WAG_TIER_INTERP, WAG_TIER_NATIVE_CHECKED};
    static const char *const names[] = {"guard", "interp", "checked", "all"};
    for (uint32_t i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            options->tier_name = names[i];
            options->tiers = i < 3 ? &all[i] : all;
            options->tier_count = i < 3 ? 1 : 3;
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    options options = {.seed = (uint64_t)time.tv_nsec ^ (uint64_t)time.tv_sec << 20, .seconds = 600, .workers = 4};
    bool fine = tier_named("all", &options);
    for (int i = 1; fine && i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--seed") == 0 && more)
            options.seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--workers") == 0 && more)
            options.workers = strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--tier") == 0 && more)
            fine = tier_named(argv[++i], &options);
        else
            options.seconds = strtol(argv[i], NULL, 10);
    }
    if (!fine || options.seconds < 1 || options.workers < 1 || options.workers > MOST_WORKERS) {
        fprintf(stderr, "usage: soak [SECONDS] [--seed N] [--workers N] [--tier interp|guard|checked|all]\n");
        return 2;
    }
    return run(&options);
}

/* Instances that come and go: how many a second, how long one takes (percentiles), with 1 to N threads that share the
 * module; what was wrong; and how well the pages that instances write could be foretold.
 *
 *   bench_churn [--tier NAME] [--workers N] [--seconds S] [--check] [--json FILE]
 *   bench_churn --write FOLDER | --shape LETTER --only N [--tier NAME] [--seconds S]
 *
 * Shapes: a, no memory; b, one page, two 4 KiB pages written; c, 17 pages with 100 KB of data, ten 4 KiB pages touched
 * and seven written; and C programs (workload.def), whose run(1) is not part of the time. Each iteration makes an
 * instance, calls it and drops it; what the call returns depends on every page that it touches, so a byte that an
 * earlier instance has left would be seen. "copy": a memcpy of the pages that shapes b and c write, in the same run:
 * the least that a reset can cost. --check: the library compares each memory with its image after each reset (slow).
 * --write: put the modules of the shapes into a folder, for other engines, and stop. --shape: one shape with N threads,
 * and a line of numbers for churn.sh: rate, p50, p99, p99.9, of whole lives with nothing in between.
 */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "histogram.h"
#include "runtime/pool.h"
#include "runtime/slot.h"
#include "workload.h"

enum { MODULE_MAX = 110000, DATA = 100000, WORKERS_MAX = 64, PAGE = 4096 };

/* ---- the modules ---- */

typedef struct writer {
    uint8_t *data;
    size_t size;
} writer;

static void put(writer *w, const void *bytes, size_t size)
{
    memcpy(w->data + w->size, bytes, size);
    w->size += size;
}

#define PUT(w, ...) put(w, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Always four bytes: valid for unsigned numbers below 2^28 and signed ones below 2^27. */
static void put_leb4(writer *w, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        PUT(w, (uint8_t)((value >> 7 * i & 0x7f) | (i < 3 ? 0x80 : 0)));
    }
}

static void put_section(writer *w, uint8_t id, const writer *contents)
{
    PUT(w, id);
    put_leb4(w, (uint32_t)contents->size);
    put(w, contents->data, contents->size);
}

#define SECTION(w, id, ...)                                                                                            \
    put_section(w, id, &(writer){(uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

typedef struct touched {
    uint32_t page;
    bool written;
} touched;

static const touched touched_b[] = {{0, true}, {9, true}};
static const touched touched_c[] = {{3, true},  {4, true},   {5, true},  {60, true},  {61, true},
                                    {62, true}, {100, true}, {8, false}, {15, false}, {200, false}};

/* run: global += 1 + the sum of a word of each page; the words of those to be written become 77. */
static wag_bytes make_module(uint8_t pages, uint32_t data_size, const touched *touched, size_t count)
{
    writer w = {malloc(MODULE_MAX), 0}, code = {malloc(MODULE_MAX), 0}, data = {malloc(MODULE_MAX), 0};
    if (w.data == NULL || code.data == NULL || data.data == NULL) {
        fail("out of memory");
    }
    PUT(&w, 0, 'a', 's', 'm', 1, 0, 0, 0);
    SECTION(&w, 1, 2, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 0, 1, 0x7f); /* 0: (i32) -> (i32), 1: () -> (i32) */
    SECTION(&w, 2, 1, 3, 'e', 'n', 'v', 1, 'f', 0, 0);           /* env.f: type 0 */
    SECTION(&w, 3, 1, 1);                                        /* one function of type 1 */
    SECTION(&w, 4, 1, 0x70, 0, 16);                              /* a table of 16 funcref */
    if (pages > 0) {
        SECTION(&w, 5, 1, 0, pages);
    }
    SECTION(&w, 6, 1, 0x7f, 1, 0x41, 7, 0x0b);          /* (mut i32) = 7 */
    SECTION(&w, 7, 1, 3, 'r', 'u', 'n', 0, 1);          /* export func 1 */
    SECTION(&w, 9, 1, 0, 0x41, 0, 0x0b, 4, 1, 1, 0, 1); /* elements at 0: 1 1 0 1 */
    writer body = {code.data + 5, 0};
    PUT(&body, 0, 0x23, 0, 0x41, 1, 0x6a); /* global 0 + 1 */
    for (size_t i = 0; i < count; i++) {
        PUT(&body, 0x41);
        put_leb4(&body, touched[i].page * PAGE + 128);
        PUT(&body, 0x28, 2, 0, 0x6a); /* i32.load, i32.add */
    }
    PUT(&body, 0x24, 0);
    for (size_t i = 0; i < count; i++) {
        if (touched[i].written) {
            PUT(&body, 0x41);
            put_leb4(&body, touched[i].page * PAGE + 128);
            PUT(&body, 0x41, 0xcd, 0, 0x36, 2, 0); /* 77, i32.store */
        }
    }
    PUT(&body, 0x23, 0, 0x0b);
    PUT(&code, 1);
    put_leb4(&code, (uint32_t)body.size);
    code.size += body.size;
    put_section(&w, 10, &code);
    if (data_size > 0) {
        PUT(&data, 1, 0, 0x41, 0xc0, 0, 0x0b); /* one active segment at 64 */
        put_leb4(&data, data_size);
        for (uint32_t i = 0; i < data_size; i++) {
            PUT(&data, (uint8_t)(i * 7 + 1));
        }
        put_section(&w, 11, &data);
    }
    free(code.data);
    free(data.data);
    return (wag_bytes){w.data, w.size};
}

/* ---- one run ---- */

typedef struct shape {
    const char *name;
    wag_bytes bytes;
    bool is_program;
    size_t written; /* bytes of the pages that an instance writes */
} shape;

typedef struct setting {
    wag_cluster *cluster;
    const shape *shape;
    wag_module *module;
    uint64_t expected;
    double seconds;
    pthread_barrier_t *barrier;
} setting;

typedef struct worker {
    const setting *setting;
    pthread_t thread;
    histogram *latency;
    uint64_t done, wrong;
    double spent;                /* seconds, on instances */
    uint32_t hot, runs, revised; /* what was learned of the memory; hot UINT32_MAX: nothing */
    uint64_t live_objects;
} worker;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static wag_error *host_func(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    results[0] = args[0];
    return NULL;
}

static uint64_t run_once(const setting *s, wag_instance *instance, wasi *w)
{
    const wag_exports *exports = wag_instance_exports(instance);
    wag_val argument = WAG_VAL_I32(1), result = WAG_VAL_I32(0);
    if (!s->shape->is_program) {
        must(wag_call(wag_exports_func(exports, "run"), NULL, 0, &result, 1, NULL), NULL, s->shape->name);
        return (uint32_t)result.of.i32;
    }
    w->memory = wag_exports_memory(exports, "memory");
    w->output_size = 0;
    w->random = 0;
    must(wag_call(wag_exports_func(exports, "_initialize"), NULL, 0, NULL, 0, NULL), NULL, s->shape->name);
    must(wag_call(wag_exports_func(exports, "run"), &argument, 1, &result, 1, NULL), NULL, s->shape->name);
    uint64_t check = (uint64_t)result.of.i64;
    for (size_t i = 0; i < w->output_size; i++) {
        check = (check ^ (uint8_t)w->output[i]) * 0x100000001b3u;
    }
    return check;
}

/* A whole life. */
static uint64_t live(const setting *s, wag_imports *imports, wasi *w, uint64_t *ret_ns)
{
    wag_instance *instance;
    wag_error *error = NULL;
    uint64_t start = now_ns(), before = 0, after = 0;
    must(wag_instance_new(s->module, imports, &instance, &error), error, s->shape->name);
    if (s->shape->is_program) {
        before = now_ns();
    }
    uint64_t check = run_once(s, instance, w);
    if (s->shape->is_program) {
        after = now_ns();
    }
    wag_instance_unref(instance);
    *ret_ns = now_ns() - start - (after - before);
    return check;
}

static wag_imports *imports_for(wasi *w)
{
    wag_imports *imports = wag_imports_new();
    must(wag_imports_set_func(imports, "env", "f", "(i32) -> (i32)", host_func, NULL, NULL), NULL, "imports");
    must(wasi_provide(w, imports), NULL, "imports");
    return imports;
}

static void look_at_plan(worker *w)
{
    const wagi_pool *pool = wagi_pool_find(wag_agent_current(), w->setting->module);
    w->hot = UINT32_MAX;
    if (pool != NULL && pool->plans != NULL && pool->plans[0].seal != NULL) {
        w->hot = pool->plans[0].seal->pages;
        w->runs = pool->plans[0].seal->run_count;
        w->revised = pool->plans[0].revisions;
    }
}

static void *worker_main(void *context)
{
    worker *w = context;
    const setting *s = w->setting;
    wasi wasi = {.memory = NULL};
    must(wag_agent_open(s->cluster), NULL, "agent");
    wag_imports *imports = imports_for(&wasi);
    uint64_t spent = 0, ns;
    for (int i = 0; i < 100; i++) {
        w->wrong += live(s, imports, &wasi, &ns) != s->expected; /* learning */
    }
    pthread_barrier_wait(s->barrier);
    uint64_t start = now_ns(), end = start + (uint64_t)(s->seconds * 1e9);
    do {
        for (int i = 0; i < (s->shape->is_program ? 1 : 100); i++) {
            w->wrong += live(s, imports, &wasi, &ns) != s->expected;
            histogram_add(w->latency, ns);
            spent += ns;
            w->done++;
        }
    } while (now_ns() < end);
    w->spent = (double)(s->shape->is_program ? spent : now_ns() - start) / 1e9;
    look_at_plan(w);
    wag_imports_unref(imports);
    free(wasi.output);
    wag_agent_collect();
    w->live_objects = wag_agent_live_objects();
    must(wag_agent_close(), NULL, "agent");
    return NULL;
}

/* Nanoseconds for copying what an instance of the shape writes. */
static double copy_ns(const shape *s)
{
    enum { COPIES = 20000 };
    uint8_t *pages = calloc(2, s->written + 1);
    if (pages == NULL) {
        fail("out of memory");
    }
    uint64_t start = now_ns();
    for (int i = 0; i < COPIES; i++) {
        memcpy(pages, pages + s->written, s->written);
        __asm__ volatile("" ::"r"(pages) : "memory");
    }
    double ns = (double)(now_ns() - start) / COPIES;
    free(pages);
    return ns;
}

typedef struct outcome {
    uint64_t wrong, leaked;
} outcome;

static outcome run_shape(const options *o, const shape *s, int workers, double seconds, bool check, report *r,
                         double *ret_values)
{
    static worker all[WORKERS_MAX];
    pthread_barrier_t barrier;
    setting setting = {.shape = s, .seconds = seconds, .barrier = &barrier};
    wag_error *error = NULL;
    outcome result = {0, 0};
    must(wag_cluster_new(&(wag_cluster_options){.check_resets = check}, &setting.cluster), NULL, "cluster");
    must(wag_module_new(s->bytes, &(wag_compile_options){.cluster = setting.cluster, .tier = o->tier}, &setting.module,
                        &error),
         error, s->name);
    must(wag_agent_close(), NULL, "agent");
    must(wag_agent_open(setting.cluster), NULL, "agent");
    wasi wasi = {.memory = NULL};
    wag_imports *imports = imports_for(&wasi);
    uint64_t ns;
    setting.expected = live(&setting, imports, &wasi, &ns); /* nothing was there before this one */
    wag_imports_unref(imports);
    free(wasi.output);
    pthread_barrier_init(&barrier, NULL, (unsigned)workers);
    histogram *latency = histogram_new();
    for (int i = 0; i < workers; i++) {
        all[i] = (worker){.setting = &setting, .latency = histogram_new()};
        if (latency == NULL || all[i].latency == NULL ||
            pthread_create(&all[i].thread, NULL, worker_main, &all[i]) != 0) {
            fail("no memory for %d threads", workers);
        }
    }
    double rate = 0;
    for (int i = 0; i < workers; i++) {
        pthread_join(all[i].thread, NULL);
        rate += (double)all[i].done / all[i].spent;
        result.wrong += all[i].wrong;
        result.leaked += all[i].live_objects;
        histogram_merge(latency, all[i].latency);
        histogram_free(all[i].latency);
    }
    result.wrong += wag_cluster_reset_mismatches(setting.cluster);
    char name[64];
    snprintf(name, sizeof name, "%s, %d thread%s", s->name, workers, workers == 1 ? "" : "s");
    double values[] = {rate / 1e6,
                       (double)histogram_at(latency, 50),
                       (double)histogram_at(latency, 99),
                       (double)histogram_at(latency, 99.9),
                       s->written ? copy_ns(s) : NAN,
                       all[0].hot == UINT32_MAX ? NAN : all[0].hot,
                       all[0].hot == UINT32_MAX ? NAN : all[0].revised};
    if (ret_values != NULL) {
        memcpy(ret_values, values, sizeof values);
    }
    report_row(r, name, values, NULL);
    histogram_free(latency);
    pthread_barrier_destroy(&barrier);
    wag_module_unref(setting.module);
    must(wag_agent_close(), NULL, "agent");
    wag_cluster_unref(setting.cluster);
    return result;
}

static void write_modules(const char *folder, const shape *shapes, int count)
{
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%c.wasm", folder, shapes[i].name[0]);
        FILE *file = fopen(path, "wb");
        if (file == NULL || fwrite(shapes[i].bytes.data, 1, shapes[i].bytes.size, file) != shapes[i].bytes.size ||
            fclose(file) != 0) {
            fail("cannot write %s", path);
        }
    }
}

/* One line for churn.sh. */
static int run_line(const options *o, const shape *shapes, char letter, int workers, double seconds)
{
    static const column columns[] = {{"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0}};
    report *r = report_new(o, "", columns, 7);
    double values[7];
    for (int i = 0; i < 3; i++) {
        if (shapes[i].name[0] == letter) {
            outcome result = run_shape(o, &shapes[i], workers, seconds, false, r, values);
            printf("%.0f %.0f %.0f %.0f\n", values[0] * 1e6, values[1], values[2], values[3]);
            return result.wrong != 0;
        }
    }
    fail("there is no shape %c", letter);
}

int main(int argc, char **argv)
{
    options o = options_read(argc, argv, 1);
    int workers = 2;
    double seconds = 0.5;
    bool check = false;
    const char *folder = NULL, *letter = NULL;
    int only = 1;
    for (int i = 0; i < o.rest_count; i++) {
        const char *option = o.rest[i], *value = i + 1 < o.rest_count ? o.rest[i + 1] : "";
        if (strcmp(option, "--check") == 0) {
            check = true;
            continue;
        }
        if (strcmp(option, "--workers") == 0) {
            workers = (int)strtol(value, NULL, 10);
        } else if (strcmp(option, "--seconds") == 0) {
            seconds = strtod(value, NULL);
        } else if (strcmp(option, "--shape") == 0) {
            letter = value;
        } else if (strcmp(option, "--only") == 0) {
            only = (int)strtol(value, NULL, 10);
        } else if (strcmp(option, "--write") == 0) {
            folder = value;
        } else {
            fail("there is no option \"%s\"", option);
        }
        i++;
    }
    if (workers < 1 || workers > WORKERS_MAX || only < 1 || only > WORKERS_MAX || !(seconds > 0)) {
        fail("1 to %d workers, more than 0 seconds", WORKERS_MAX);
    }
    shape shapes[6] = {
        {.name = "a: no memory", .bytes = make_module(0, 0, NULL, 0)},
        {.name = "b: 1 page", .bytes = make_module(1, 0, touched_b, 2), .written = 2 * PAGE},
        {.name = "c: 17 pages, 100 KB", .bytes = make_module(17, DATA, touched_c, 10), .written = 7 * PAGE}};
    if (folder != NULL) {
        write_modules(folder, shapes, 3);
        return 0;
    }
    if (letter != NULL) {
        return run_line(&o, shapes, letter[0], only, seconds);
    }
    static const char *const programs[] = {"lz", "json", "regex"};
    for (int i = 0; i < 3; i++) {
        char *path = workload_path(workload_find(programs[i]));
        shapes[3 + i] = (shape){.name = programs[i], .bytes = file_read(path), .is_program = true};
        free(path);
    }
    static const column columns[] = {{"million/s", 2}, {"p50 ns", 0},    {"p99 ns", 0},   {"p99.9 ns", 0},
                                     {"copy ns", 0},   {"hot pages", 0}, {"revisions", 0}};
    report *r = report_new(&o, "churn", columns, 7);
    outcome sum = {0, 0};
    for (int i = 0; i < 6; i++) {
        for (int n = 1; n <= workers; n *= 2) {
            outcome one = run_shape(&o, &shapes[i], n, seconds, check, r, NULL);
            sum.wrong += one.wrong;
            sum.leaked += one.leaked;
        }
        free((void *)shapes[i].bytes.data);
    }
    report_end(r);
    printf("wrong values %llu, objects left over %llu, modules left over %zu\n", (unsigned long long)sum.wrong,
           (unsigned long long)sum.leaked, wag_live_modules());
    return sum.wrong || sum.leaked || wag_live_modules() ? 1 : 0;
}

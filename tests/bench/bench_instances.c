/* What instantiating and dropping costs, and what an instance weighs: nanoseconds of CPU time for new + unref, the same
 * with one call in between, with a link (wag_linked) beside a mock-up of the same work in plain C, the same in two
 * threads at once; and resident kilobytes of each of many instances alive at once.
 *
 *   bench_instances [--tier NAME] [--rounds N] [--json FILE]
 *
 * Shapes: without memory; one page, of which an instance writes two pages of 4 KiB; 17 pages with 100 KB of data, of
 * which it reads three and writes seven. Each has eight imports, four globals, a table of 16 functions; the call adds
 * to a global and touches the memory. Medians of interleaved rounds. "of mock-up" compares "linked" with "mock-up",
 * which copies the same bytes (mock_instance.h). "2 threads": CPU time for each instance when two threads make and
 * drop instances of one module at once, as "linked" is for one thread; "of 1 thread" is their ratio, and "mock-up's"
 * the ratio for the mock-up, which shares nothing: what is above 1 there is the machine's. "RSS growth": resident
 * memory from after the second round to the end of the last, for all the shape's instances together; anything that
 * grows with the rounds is a leak.
 */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "measure.h"
#include "mock_instance.h"

enum { BATCH = 2000, ALIVE = 1000, WARM = 100, LINKED = 20000, DATA = 100000, MODULE_MAX = DATA + 1024, SHAPES = 3 };
enum { IMPORTS = 8, GLOBALS = 4, ENTRIES = 16, PAGE = 4096 };

/* ---- the modules, put together byte by byte: 100 KB of data have no place in a text ---- */

typedef struct writer {
    uint8_t *data;
    size_t size;
} writer;

static void put(writer *w, const void *bytes, size_t size)
{
    memcpy(w->data + w->size, bytes, size);
    w->size += size;
}

/* Unsigned LEB128, always four bytes long, so that a size can be filled in later. */
static void put_leb4(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)((value >> 7 * i & 0x7f) | (i < 3 ? 0x80 : 0));
    }
}

#define PUT(w, ...) put(w, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void put_section(writer *w, uint8_t id, const void *contents, size_t size)
{
    PUT(w, id, 0, 0, 0, 0);
    put_leb4(w->data + w->size - 4, (uint32_t)size);
    put(w, contents, size);
}

#define SECTION(w, id, ...) put_section(w, id, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* An instance's accesses, as pages of 4 KiB; -1 ends a list. */
typedef struct touches {
    int reads[8], writes[8];
    int written_data; /* how many of the written pages have data */
} touches;

static const touches none = {{-1}, {-1}, 0};
static const touches few = {{-1}, {0, 8, -1}, 0};
static const touches several = {{10, 11, 60, -1}, {2, 3, 4, 40, 48, 100, 108, -1}, 3};

/* i32.const at a page */
static void put_address(writer *w, int page)
{
    PUT(w, 0x41, 0, 0, 0, 0);
    put_leb4(w->data + w->size - 4, (uint32_t)page * PAGE + 128);
}

/* The function: counts in global 0, touches, returns the count. */
static void put_code(writer *w, const touches *t)
{
    size_t section = w->size + 1;
    PUT(w, 10, 0, 0, 0, 0, 1);
    size_t body = w->size;
    PUT(w, 0, 0, 0, 0, 0, 0x23, 0, 0x41, 1, 0x6a, 0x24, 0); /* global 0 += 1 */
    for (const int *page = t->reads; *page >= 0; page++) {
        put_address(w, *page);
        PUT(w, 0x28, 2, 0, 0x1a); /* i32.load, drop */
    }
    for (const int *page = t->writes; *page >= 0; page++) {
        put_address(w, *page);
        PUT(w, 0x23, 0, 0x36, 2, 0); /* i32.store <- global 0 */
    }
    PUT(w, 0x23, 0, 0x0b);
    put_leb4(w->data + body, (uint32_t)(w->size - body - 4));
    put_leb4(w->data + section, (uint32_t)(w->size - section - 4));
}

/* A section of `count` equal entries. */
static void put_repeated(writer *w, uint8_t id, uint8_t count, const void *entry, size_t size)
{
    uint8_t contents[128] = {count};
    for (size_t i = 0; i < count; i++) {
        memcpy(contents + 1 + i * size, entry, size);
    }
    put_section(w, id, contents, 1 + count * size);
}

#define REPEATED(w, id, count, ...)                                                                                    \
    put_repeated(w, id, count, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void put_data(writer *w, uint32_t size)
{
    static const uint8_t head[] = {1, 0, 0x41, 0xc0, 0, 0x0b}; /* one active segment at 64 */
    uint8_t *data = calloc(1, DATA + 16);
    if (data == NULL) {
        fail("out of memory");
    }
    memcpy(data, head, sizeof head);
    put_leb4(data + sizeof head, size);
    for (uint32_t i = 0; i < size; i++) {
        data[sizeof head + 4 + i] = (uint8_t)(i * 7 + 1);
    }
    put_section(w, 11, data, sizeof head + 4 + size);
    free(data);
}

/* pages == 0: no memory */
static wag_bytes make_module(uint8_t pages, uint32_t data_size, const touches *t)
{
    writer w = {malloc(MODULE_MAX), 0};
    if (w.data == NULL) {
        fail("out of memory");
    }
    PUT(&w, 0, 'a', 's', 'm', 1, 0, 0, 0);
    SECTION(&w, 1, 2, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 0, 1, 0x7f); /* 0: (i32) -> (i32), 1: () -> (i32) */
    REPEATED(&w, 2, IMPORTS, 3, 'e', 'n', 'v', 1, 'f', 0, 0);    /* env.f: type 0 */
    SECTION(&w, 3, 1, 1);                                        /* one function of type 1 */
    SECTION(&w, 4, 1, 0x70, 0, ENTRIES);                         /* a table of funcref */
    if (pages > 0) {
        SECTION(&w, 5, 1, 0, pages);
    }
    REPEATED(&w, 6, GLOBALS, 0x7f, 1, 0x41, 7, 0x0b); /* (mut i32) = 7 */
    SECTION(&w, 7, 1, 3, 'r', 'u', 'n', 0, IMPORTS);  /* export our function */
    SECTION(&w, 9, 1, 0, 0x41, 0, 0x0b, ENTRIES, 8, 8, 0, 8, 8, 8, 1, 8, 8, 8, 2, 8, 8, 8, 3, 8);
    put_code(&w, t);
    if (data_size > 0) {
        put_data(&w, data_size);
    }
    return (wag_bytes){w.data, w.size};
}

/* ---- measuring ---- */

typedef struct shape {
    const char *name;
    uint8_t pages;
    uint32_t data_size;
    const touches *touches;
    wag_module *module;
    double *plain, *called, *alive; /* one each round */
    double *linked[2], *mock_up[2]; /* in one thread, in two */
    double rss_first, rss_last;
} shape;

static wag_error *host_func(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    results[0] = args[0];
    return NULL;
}

static wag_instance *instantiate(const shape *s, wag_imports *imports)
{
    wag_instance *instance;
    wag_error *error = NULL;
    must(wag_instance_new(s->module, imports, &instance, &error), error, s->name);
    return instance;
}

static void call(const shape *s, wag_instance *instance)
{
    wag_val result;
    must(wag_call(wag_exports_func(wag_instance_exports(instance), "run"), NULL, 0, &result, 1, NULL), NULL, s->name);
    if (result.of.i32 != 8) {
        fail("%s: a new instance has %d in its global, not 7", s->name, (int)result.of.i32 - 1);
    }
}

static void measure(shape *s, wag_imports *imports, int round)
{
    double start = cpu_seconds();
    for (int i = 0; i < BATCH; i++) {
        wag_instance_unref(instantiate(s, imports));
    }
    double middle = cpu_seconds();
    for (int i = 0; i < BATCH; i++) {
        wag_instance *instance = instantiate(s, imports);
        call(s, instance);
        wag_instance_unref(instance);
    }
    double end = cpu_seconds();
    s->plain[round] = (middle - start) * 1e9 / BATCH;
    s->called[round] = (end - middle) * 1e9 / BATCH;

    wag_instance *alive[ALIVE];
    double before = resident_bytes();
    for (int i = 0; i < ALIVE; i++) {
        alive[i] = instantiate(s, imports);
        call(s, alive[i]);
    }
    s->alive[round] = (resident_bytes() - before) / ALIVE / 1e3;
    for (int i = 0; i < ALIVE; i++) {
        wag_instance_unref(alive[i]);
    }
    s->rss_last = resident_bytes();
    if (round <= 1) { /* in the first one the other shapes' instances have not been there yet */
        s->rss_first = s->rss_last;
    }
}

/* ---- threads ---- */

typedef struct runner {
    const shape *shapes;
    pthread_barrier_t *barrier;
    pthread_t thread;
    double linked[SHAPES], mock_up[SHAPES];
} runner;

static double thread_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static wag_imports *make_imports(void)
{
    wag_imports *imports = wag_imports_new();
    must(wag_imports_set_func(imports, "env", "f", "(i32) -> (i32)", host_func, NULL, NULL), NULL, "imports");
    return imports;
}

static double live_linked(const shape *s, wag_linked *linked, pthread_barrier_t *barrier)
{
    pthread_barrier_wait(barrier);
    double start = thread_seconds();
    for (int i = 0; i < LINKED; i++) {
        wag_instance *instance;
        must(wag_linked_instantiate(linked, &instance, NULL), NULL, s->name);
        wag_instance_unref(instance);
    }
    return (thread_seconds() - start) * 1e9 / LINKED;
}

static double live_mock(const shape *s, pthread_barrier_t *barrier)
{
    int written = 0;
    while (s->touches->writes[written] >= 0) {
        written++;
    }
    mock *m = mock_new(written - s->touches->written_data, s->touches->written_data);
    mock_live(m, WARM);
    pthread_barrier_wait(barrier);
    double start = thread_seconds();
    mock_live(m, LINKED);
    double end = thread_seconds();
    mock_free(m);
    return (end - start) * 1e9 / LINKED;
}

static void *run(void *argument)
{
    runner *r = argument;
    wag_imports *imports = make_imports();
    for (int i = 0; i < SHAPES; i++) {
        const shape *s = &r->shapes[i];
        wag_linked *linked = NULL;
        must(wag_linked_new(s->module, imports, &linked, NULL), NULL, s->name);
        for (int j = 0; j < WARM; j++) { /* what an instance writes is learned from those that write */
            wag_instance *instance = instantiate(s, imports);
            call(s, instance);
            wag_instance_unref(instance);
        }
        r->linked[i] = live_linked(s, linked, r->barrier);
        r->mock_up[i] = live_mock(s, r->barrier);
        wag_linked_unref(linked);
    }
    wag_imports_unref(imports);
    must(wag_agent_close(), NULL, "closing an agent");
    return NULL;
}

static void measure_threads(shape *shapes, int threads, int round)
{
    runner runners[2] = {{.shapes = shapes}, {.shapes = shapes}};
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) {
        runners[i].barrier = &barrier;
        if (pthread_create(&runners[i].thread, NULL, run, &runners[i]) != 0) {
            fail("no thread");
        }
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(runners[i].thread, NULL);
    }
    pthread_barrier_destroy(&barrier);
    for (int i = 0; i < SHAPES; i++) {
        double linked = 0, mock_up = 0;
        for (int j = 0; j < threads; j++) {
            linked += runners[j].linked[i];
            mock_up += runners[j].mock_up[i];
        }
        shapes[i].linked[threads - 1][round] = linked / threads;
        shapes[i].mock_up[threads - 1][round] = mock_up / threads;
    }
}

/* ---- the program ---- */

static void prepare(shape *s, const options *o)
{
    wag_bytes bytes = make_module(s->pages, s->data_size, s->touches);
    wag_error *error = NULL;
    s->module = module_compile(o, bytes, &error);
    if (s->module == NULL) {
        fail("%s: %s", s->name, wag_error_message(error));
    }
    free((void *)bytes.data);
    double **series[] = {&s->plain,     &s->called,     &s->alive,     &s->linked[0],
                         &s->linked[1], &s->mock_up[0], &s->mock_up[1]};
    for (size_t i = 0; i < sizeof series / sizeof *series; i++) {
        *series[i] = calloc((size_t)o->rounds, sizeof(double));
        if (*series[i] == NULL) {
            fail("out of memory");
        }
    }
}

static void add_row(report *r, shape *s, int rounds)
{
    /* The first instances of a process touch memory that later ones find: the most is what one weighs. */
    double most = s->alive[0];
    for (int round = 1; round < rounds; round++) {
        most = s->alive[round] > most ? s->alive[round] : most;
    }
    double linked = median(s->linked[0], rounds), mock_up = median(s->mock_up[0], rounds);
    double linked2 = median(s->linked[1], rounds), mock_up2 = median(s->mock_up[1], rounds);
    double values[] = {median(s->plain, rounds),
                       median(s->called, rounds),
                       linked,
                       mock_up,
                       linked / mock_up,
                       linked2,
                       linked2 / linked,
                       mock_up2 / mock_up,
                       most,
                       (s->rss_last - s->rss_first) / 1e3};
    report_row(r, s->name, values, NULL);
}

static void release(shape *s)
{
    free(s->plain);
    free(s->called);
    free(s->alive);
    for (int i = 0; i < 2; i++) {
        free(s->linked[i]);
        free(s->mock_up[i]);
    }
    wag_module_unref(s->module);
}

int main(int argc, char **argv)
{
    options o = options_read(argc, argv, 15);
    if (o.rest_count > 0) {
        fail("there is no option \"%s\"", o.rest[0]);
    }
    shape shapes[SHAPES] = {
        {.name = "no memory", .touches = &none},
        {.name = "1 page", .pages = 1, .touches = &few},
        {.name = "17 pages, 100 KB of data", .pages = 17, .data_size = DATA, .touches = &several},
    };
    for (int i = 0; i < SHAPES; i++) {
        prepare(&shapes[i], &o);
    }
    wag_imports *imports = make_imports();
    for (int round = 0; round < o.rounds; round++) {
        for (int i = 0; i < SHAPES; i++) {
            measure(&shapes[i], imports, round);
        }
        measure_threads(shapes, 1, round);
        measure_threads(shapes, 2, round);
    }
    static const column columns[] = {{"new+unref ns", 0}, {"with call ns", 0}, {"linked ns", 1},   {"mock-up ns", 1},
                                     {"of mock-up", 2},   {"2 threads ns", 1}, {"of 1 thread", 2}, {"mock-up's", 2},
                                     {"RSS kB each", 2},  {"RSS growth kB", 0}};
    report *r = report_new(&o, "instances", columns, sizeof columns / sizeof *columns);
    for (int i = 0; i < SHAPES; i++) {
        add_row(r, &shapes[i], o.rounds);
        release(&shapes[i]);
    }
    report_end(r);
    wag_imports_unref(imports);
    return 0;
}

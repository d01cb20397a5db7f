/* What instantiating and dropping costs, and what an instance weighs: nanoseconds of CPU time for new + unref, the same
 * with one call in between, with a link (wag_linked) beside a mock-up of the same work in plain C, the same in two
 * threads at once; and resident kilobytes of each of many instances alive at once.
 *
 *   bench_instances [--tier NAME] [--rounds N] [--json FILE]
 *
 * Shapes (shapes.h): without memory; one page, of which an instance writes two pages of 4 KiB; 17 pages with 100 KB of
 * data, of which it reads three and writes seven. Each has eight imports, four globals, a table of 16 functions; the
 * call adds to a global and touches the memory. Medians of interleaved rounds. "of mock-up" compares "linked" with
 * "mock-up", which copies the same bytes (mock_instance.h). "2 threads": CPU time for each instance when two threads
 * make and drop instances of one module at once, as "linked" is for one thread; "of 1 thread" is their ratio, and
 * "mock-up's" the ratio for the mock-up, which shares nothing: what is above 1 there is the machine's. "RSS growth":
 * resident memory from after the second round to the end of the last, for all the shape's instances together; anything
 * that grows with the rounds is a leak.
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
#include "shapes.h"

enum { BATCH = 2000, ALIVE = 1000, WARM = 100, LINKED = 20000, SHAPES = 3 };

/* ---- measuring ---- */

typedef struct shape {
    const char *name;
    char letter; /* of shapes.h */
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
    if (result.of.i32 != shape_result(s->letter)) {
        fail("%s: a new instance says %d", s->name, (int)result.of.i32);
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
    int with_data = shape_written(s->letter, true);
    mock *m = mock_new(shape_written(s->letter, false) - with_data, with_data);
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
    wag_bytes bytes = shape_module(s->letter);
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
        {.name = "no memory", .letter = 'a'},
        {.name = "1 page", .letter = 'b'},
        {.name = "17 pages, 100 KB of data", .letter = 'c'},
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

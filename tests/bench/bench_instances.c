/* What instantiating and dropping costs, and what an instance weighs: nanoseconds of CPU time for new + unref, the same
 * with one call in between, and resident kilobytes of each of many instances alive at once.
 *
 *   bench_instances [--tier NAME] [--rounds N] [--json FILE]
 *
 * Shapes: without memory; one page; 17 pages with 100 KB of data. Each has a global, a table of four functions and one
 * import; the call adds to the global and, where there is memory, writes to it. Medians of interleaved rounds. "RSS
 * growth": resident memory from after the first round to the end of the last, for all the shape's instances together;
 * anything that grows with the rounds is a leak.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

enum { BATCH = 200, ALIVE = 1000, DATA = 100000, MODULE_MAX = DATA + 512 };

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

/* pages == 0: no memory */
static wag_bytes make_module(uint8_t pages, uint32_t data_size)
{
    writer w = {malloc(MODULE_MAX), 0};
    uint8_t *data = calloc(1, DATA + 16);
    if (w.data == NULL || data == NULL) {
        fail("out of memory");
    }
    PUT(&w, 0, 'a', 's', 'm', 1, 0, 0, 0);
    SECTION(&w, 1, 2, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 0, 1, 0x7f); /* 0: (i32) -> (i32), 1: () -> (i32) */
    SECTION(&w, 2, 1, 3, 'e', 'n', 'v', 1, 'f', 0, 0);           /* env.f: type 0 */
    SECTION(&w, 3, 1, 1);                                        /* one function of type 1 */
    SECTION(&w, 4, 1, 0x70, 0, 4);                               /* a table of 4 funcref */
    if (pages > 0) {
        SECTION(&w, 5, 1, 0, pages);
    }
    SECTION(&w, 6, 1, 0x7f, 1, 0x41, 7, 0x0b);          /* (mut i32) = 7 */
    SECTION(&w, 7, 1, 3, 'r', 'u', 'n', 0, 1);          /* export func 1 */
    SECTION(&w, 9, 1, 0, 0x41, 0, 0x0b, 4, 1, 1, 0, 1); /* elements at 0: 1 1 0 1 */
    if (pages > 0) {
        SECTION(&w, 10, 1, 18, 0, 0x23, 0, 0x41, 1, 0x6a, 0x24, 0, /* global 0 += 1 */
                0x41, 32, 0x23, 0, 0x36, 2, 0, 0x23, 0, 0x0b);     /* i32.store 32 <- global 0; global 0 */
        if (data_size > 0) {
            static const uint8_t head[] = {1, 0, 0x41, 0xc0, 0, 0x0b}; /* one active segment at 64 */
            memcpy(data, head, sizeof head);
            put_leb4(data + sizeof head, data_size);
            for (uint32_t i = 0; i < data_size; i++) {
                data[sizeof head + 4 + i] = (uint8_t)(i * 7 + 1);
            }
            put_section(&w, 11, data, sizeof head + 4 + data_size);
        }
    } else {
        SECTION(&w, 10, 1, 11, 0, 0x23, 0, 0x41, 1, 0x6a, 0x24, 0, 0x23, 0, 0x0b);
    }
    free(data);
    return (wag_bytes){w.data, w.size};
}

/* ---- measuring ---- */

typedef struct shape {
    const char *name;
    uint8_t pages;
    uint32_t data_size;
    wag_module *module;
    double *plain, *called, *alive; /* one each round */
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
    if (round == 0) {
        s->rss_first = s->rss_last;
    }
}

int main(int argc, char **argv)
{
    options o = options_read(argc, argv, 15);
    if (o.rest_count > 0) {
        fail("there is no option \"%s\"", o.rest[0]);
    }
    shape shapes[] = {
        {.name = "no memory"},
        {.name = "1 page", .pages = 1},
        {.name = "17 pages, 100 KB of data", .pages = 17, .data_size = DATA},
    };
    enum { SHAPES = sizeof shapes / sizeof shapes[0] };
    wag_imports *imports = wag_imports_new();
    must(wag_imports_set_func(imports, "env", "f", "(i32) -> (i32)", host_func, NULL, NULL), NULL, "imports");
    for (int i = 0; i < SHAPES; i++) {
        shape *s = &shapes[i];
        wag_bytes bytes = make_module(s->pages, s->data_size);
        wag_error *error = NULL;
        s->module = module_compile(&o, bytes, &error);
        if (s->module == NULL) {
            fail("%s: %s", s->name, wag_error_message(error));
        }
        free((void *)bytes.data);
        s->plain = calloc((size_t)o.rounds * 3, sizeof *s->plain);
        if (s->plain == NULL) {
            fail("out of memory");
        }
        s->called = s->plain + o.rounds;
        s->alive = s->called + o.rounds;
    }
    for (int round = 0; round < o.rounds; round++) {
        for (int i = 0; i < SHAPES; i++) {
            measure(&shapes[i], imports, round);
        }
    }
    static const column columns[] = {
        {"new+unref ns", 0}, {"with call ns", 0}, {"RSS kB each", 2}, {"RSS growth kB", 0}};
    report *r = report_new(&o, "instances", columns, 4);
    for (int i = 0; i < SHAPES; i++) {
        shape *s = &shapes[i];
        /* The first instances of a process touch memory that later ones find: the most is what one weighs. */
        double most = s->alive[0];
        for (int round = 1; round < o.rounds; round++) {
            most = s->alive[round] > most ? s->alive[round] : most;
        }
        double values[] = {median(s->plain, o.rounds), median(s->called, o.rounds), most,
                           (s->rss_last - s->rss_first) / 1e3};
        report_row(r, s->name, values, NULL);
        free(s->plain);
        wag_module_unref(s->module);
    }
    report_end(r);
    wag_imports_unref(imports);
    return 0;
}

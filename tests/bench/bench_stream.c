/* What is left to do when the last byte of a module arrives: milliseconds from there to the Module, for bytes that come
 * at a network's pace, beside those of compiling the whole from there.
 *
 *   bench_stream [--tier NAME] [--rounds N] [--threads N] [--json FILE] [--pace MB/S] [FILE.wasm ...]
 *
 * Columns: wag_compile of all bytes, call to Module; the stream, last byte to Module, and their ratio; how long the
 * bytes took to arrive; and a body that is there at once, first byte to Module. The pace is 10 megabytes a second
 * unless given, in pieces of 16 KiB. Without a file: the C programs of the benchmark. The process has two threads at
 * work, the one that sends and a compile thread: on a machine with one processor they share it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

enum { PIECE = 16 << 10 };

typedef struct sample {
    double *whole, *rest, *arrival, *at_once;
} sample;

static wag_compile_options compile_options(const options *o, wag_cluster *cluster)
{
    return (wag_compile_options){.cluster = cluster, .tier = o->tier};
}

static void settle(wag_promise_module *promise)
{
    wag_module *module = NULL;
    wag_error *error = NULL;
    wag_err err = wag_await(promise, &module, &error);
    must(err, error, "compiling");
    wag_promise_unref(promise);
    wag_module_unref(module);
}

static double compile_whole(const wag_compile_options *how, wag_bytes bytes)
{
    double start = wall_seconds();
    settle(wag_compile(bytes, how));
    return wall_seconds() - start;
}

/* A body that arrives: the agent's timer writes what is due, each millisecond. */
typedef struct body {
    wag_module_stream *stream;
    wag_bytes bytes;
    size_t at;
    double pace, start, last;
} body;

static void write_piece(body *b)
{
    size_t left = b->bytes.size - b->at, size = left < PIECE ? left : PIECE;
    must(wag_module_stream_write(b->stream, (wag_bytes){b->bytes.data + b->at, size}), NULL, "writing");
    b->at += size;
}

static void arrive(void *context)
{
    body *b = context;
    double due = b->pace > 0 ? (wall_seconds() - b->start) * b->pace : (double)b->bytes.size;
    while (b->at < b->bytes.size && (double)b->at < due) {
        write_piece(b);
    }
    if (b->at < b->bytes.size) {
        must(wag_timer_start(1, arrive, b, NULL), NULL, "a timer");
        return;
    }
    b->last = wall_seconds();
    wag_module_stream_finish(b->stream);
}

/* pace: bytes a second, 0: as fast as they can be written. Last byte to Module; *ret_arrival: first byte to last. */
static double compile_streamed(const wag_compile_options *how, wag_bytes bytes, double pace, double *ret_arrival)
{
    wag_promise_module *promise;
    body b = {.bytes = bytes, .pace = pace, .start = wall_seconds()};
    must(wag_module_stream_new(how, &b.stream, &promise), NULL, "a stream");
    arrive(&b);
    settle(promise);
    wag_module_stream_free(b.stream);
    *ret_arrival = b.last - b.start;
    return wall_seconds() - b.last;
}

static void measure(const options *o, const wag_compile_options *how, double pace, const char *path, report *r)
{
    wag_bytes bytes = file_read(path);
    size_t rounds = (size_t)o->rounds;
    double *numbers = calloc(4 * rounds, sizeof *numbers);
    if (numbers == NULL) {
        fail("out of memory");
    }
    sample s = {numbers, numbers + rounds, numbers + 2 * rounds, numbers + 3 * rounds};
    for (size_t round = 0; round < rounds; round++) {
        double arrival;
        s.whole[round] = compile_whole(how, bytes);
        s.rest[round] = compile_streamed(how, bytes, pace, &s.arrival[round]);
        s.at_once[round] = compile_streamed(how, bytes, 0, &arrival);
        s.at_once[round] += arrival;
    }
    double whole = median(s.whole, o->rounds), rest = median(s.rest, o->rounds);
    const char *slash = strrchr(path, '/');
    report_row(r, slash != NULL ? slash + 1 : path,
               (double[]){(double)bytes.size / 1e3, whole * 1e3, rest * 1e3, rest / whole,
                          median(s.arrival, o->rounds) * 1e3, median(s.at_once, o->rounds) * 1e3},
               NULL);
    free(numbers);
    free((void *)bytes.data);
}

int main(int argc, char **argv)
{
    static const char *const programs[] = {"json", "regex", "vm"};
    static const column columns[] = {{"kB", 0},    {"whole ms", 2},   {"last byte ms", 2},
                                     {"ratio", 3}, {"arrival ms", 1}, {"at once ms", 2}};
    options o = options_read(argc, argv, 5);
    double pace = 10e6;
    int first = 0;
    if (o.rest_count >= 2 && strcmp(o.rest[0], "--pace") == 0) {
        pace = strtod(o.rest[1], NULL) * 1e6;
        first = 2;
    }
    if (!(pace > 0)) {
        fail("a pace is a number of megabytes a second");
    }
    wag_cluster *cluster;
    wag_cluster_options cluster_options = {.compile_threads = (uint32_t)o.threads};
    must(wag_cluster_new(&cluster_options, &cluster), NULL, "a cluster");
    must(wag_agent_open(cluster), NULL, "an agent");
    wag_compile_options how = compile_options(&o, cluster);
    report *r = report_new(&o, "stream", columns, 6);
    for (int i = first; i < o.rest_count; i++) {
        measure(&o, &how, pace, o.rest[i], r);
    }
    for (size_t i = 0; first == o.rest_count && i < sizeof programs / sizeof *programs; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/tests/bench/programs/%s.wasm", WAG_TEST_BUILD, programs[i]);
        measure(&o, &how, pace, path, r);
    }
    report_end(r);
    wag_cluster_unref(cluster);
    return 0;
}

/* How soon a guest is stopped: microseconds of the wall clock from the interrupt (or the deadline) to the return of the
 * call, p50, p99 and the worst, for each place in which a guest may be. Then what a deadline costs those who are not
 * stopped, and what fuel costs: the time of code that charges over the time of code that does not.
 *
 *   bench_stop [--tier NAME] [--rounds N] [--json FILE]
 */
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "measure.h"

static const char *const places[] = {"a loop", "a loop of memory.fill", "memory.atomic.wait32", "wag_agent_wait",
                                     "wag_agent_wait_fd"};
enum { PLACES = sizeof places / sizeof places[0], SETS = 200000 };

static int quiet_pipe[2];

static wag_error *host_wait(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)args, (void)results;
    wag_agent_wait(WAG_NO_DEADLINE);
    return NULL;
}

static wag_error *host_wait_fd(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)args, (void)results;
    wag_agent_wait_fd(quiet_pipe[0], WAG_FD_READ, WAG_NO_DEADLINE, NULL);
    return NULL;
}

static wag_instance *instance_of(const options *o, wag_cluster *cluster, wag_bytes bytes)
{
    wag_compile_options options = {.tier = o->tier, .cluster = cluster};
    wag_error *error = NULL;
    wag_module *module;
    wag_instance *instance;
    wag_imports *imports = wag_imports_new();
    must(wag_imports_set_func(imports, "host", "wait", NULL, host_wait, NULL, NULL), NULL, "imports");
    must(wag_imports_set_func(imports, "host", "wait_fd", NULL, host_wait_fd, NULL, NULL), NULL, "imports");
    must(wag_module_new(bytes, &options, &module, &error), error, "stop.wasm");
    must(wag_instance_new(module, imports, &instance, &error), error, "stop.wasm");
    wag_imports_unref(imports);
    wag_module_unref(module);
    return instance;
}

/* ---- latency ---- */

typedef struct stopper {
    wag_agent *agent;
    sem_t go;
    atomic_bool end;
    _Atomic uint64_t stopped_at;
} stopper;

/* A while after each go it interrupts. */
static void *stopper_main(void *context)
{
    stopper *s = context;
    for (;;) {
        while (sem_wait(&s->go) != 0) {
        }
        if (atomic_load(&s->end)) {
            return NULL;
        }
        wag_agent_wait(wag_deadline_in(300000));
        atomic_store(&s->stopped_at, wag_clock_ns());
        wag_agent_interrupt(s->agent);
    }
}

/* Sorts values. */
static void report_latency(report *r, const char *name, double *values, int count)
{
    double row[] = {median(values, count), values[(count - 1) * 99 / 100], values[count - 1]};
    report_row(r, name, row, NULL);
}

static void expect(wag_err wanted, wag_err got, const char *name)
{
    if (wanted != got) {
        fail("%s ended with %s, not with %s", name, wag_err_name(got), wag_err_name(wanted));
    }
}

static void measure_latency(const options *o, wag_bytes bytes)
{
    static const column columns[] = {{"p50 us", 1}, {"p99 us", 1}, {"worst us", 1}};
    report *r = report_new(o, "stop", columns, 3);
    wag_instance *instance = instance_of(o, NULL, bytes);
    stopper s = {.agent = wag_agent_current()};
    pthread_t thread;
    if (sem_init(&s.go, 0, 0) != 0 || pthread_create(&thread, NULL, stopper_main, &s) != 0) {
        fail("no thread");
    }
    for (int place = 0; place < PLACES; place++) {
        wag_func *func = wag_exports_func(wag_instance_exports(instance), places[place]);
        double *interrupts = calloc((size_t)o->rounds, sizeof *interrupts);
        double *deadlines = calloc((size_t)o->rounds, sizeof *deadlines);
        if (interrupts == NULL || deadlines == NULL) {
            fail("out of memory");
        }
        for (int round = 0; round < o->rounds; round++) {
            sem_post(&s.go);
            expect(WAG_INTERRUPTED, wag_call(func, NULL, 0, NULL, 0, NULL), places[place]);
            interrupts[round] = (double)(wag_clock_ns() - atomic_load(&s.stopped_at)) / 1e3;
            uint64_t deadline = wag_deadline_in(300000);
            expect(WAG_DEADLINE, wag_call_until(func, NULL, 0, NULL, 0, deadline, NULL), places[place]);
            deadlines[round] = (double)(wag_clock_ns() - deadline) / 1e3;
        }
        char name[64];
        snprintf(name, sizeof name, "%s, interrupt", places[place]);
        report_latency(r, name, interrupts, o->rounds);
        snprintf(name, sizeof name, "%s, deadline", places[place]);
        report_latency(r, name, deadlines, o->rounds);
        free(interrupts);
        free(deadlines);
    }
    atomic_store(&s.end, true);
    sem_post(&s.go);
    pthread_join(thread, NULL);
    sem_destroy(&s.go);
    wag_instance_unref(instance);
    report_end(r);
}

/* ---- costs ---- */

static double seconds_of(wag_func *func, int32_t argument)
{
    wag_val arg = WAG_VAL_I32(argument), result;
    double start = cpu_seconds();
    must(wag_call(func, &arg, 1, &result, 1, NULL), NULL, "a call");
    return cpu_seconds() - start;
}

/* Without fuel, then with it, in an agent of another cluster: only the least of several counts. */
static double least_seconds(const options *o, wag_cluster *cluster, wag_bytes bytes, const char *name, int32_t argument)
{
    must(cluster ? wag_agent_open(cluster) : WAG_OK, NULL, "an agent");
    wag_instance *instance = instance_of(o, cluster, bytes);
    wag_func *func = wag_exports_func(wag_instance_exports(instance), name);
    double least = INFINITY;
    for (int round = 0; round < 7; round++) {
        if (cluster) {
            must(wag_fuel_set(INT64_MAX), NULL, "fuel");
        }
        double seconds = seconds_of(func, argument);
        least = seconds < least ? seconds : least;
    }
    wag_instance_unref(instance);
    must(wag_agent_close(), NULL, "the agent's end");
    return least;
}

static void measure_costs(const options *o, wag_bytes bytes)
{
    static const column columns[] = {{"value", 2}};
    report *r = report_new(o, "stop costs", columns, 1);
    must(wag_agent_set_deadline(wag_deadline_in(UINT64_C(3600000000000))), NULL, "a deadline");
    double start = wall_seconds();
    for (int i = 0; i < SETS; i++) {
        must(wag_agent_set_deadline(UINT64_C(3600000000000) + wag_clock_ns()), NULL, "a deadline");
        must(wag_agent_set_deadline(WAG_NO_DEADLINE), NULL, "a deadline");
    }
    double ns = (wall_seconds() - start) * 1e9 / SETS;
    report_row(r, "set and cancel a deadline, ns", &ns, NULL);
    must(wag_agent_close(), NULL, "the agent's end");
    wag_cluster *cluster;
    must(wag_cluster_new(&(wag_cluster_options){.fuel = true}, &cluster), NULL, "a cluster");
    static const struct {
        const char *name;
        int32_t argument;
    } works[] = {{"fib", 27}, {"sum", 5000000}};
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
        char name[64];
        double without = least_seconds(o, NULL, bytes, works[i].name, works[i].argument);
        double ratio = least_seconds(o, cluster, bytes, works[i].name, works[i].argument) / without;
        snprintf(name, sizeof name, "%s with fuel, times that without", works[i].name);
        report_row(r, name, &ratio, NULL);
    }
    wag_cluster_unref(cluster);
    report_end(r);
}

int main(int argc, char **argv)
{
    options o = options_read(argc, argv, 200);
    if (o.rest_count > 0) {
        fail("there is no option \"%s\"", o.rest[0]);
    }
    if (pipe(quiet_pipe) != 0) {
        fail("no pipe");
    }
    wag_bytes bytes = file_read(WAG_TEST_BUILD "/tests/bench/stop.wasm");
    measure_latency(&o, bytes);
    measure_costs(&o, bytes);
    free((void *)bytes.data);
    return 0;
}

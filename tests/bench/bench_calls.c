/* What a call costs, in nanoseconds of CPU time, medians of interleaved rounds: host -> wasm through wag_call, wasm ->
 * host, wasm -> wasm, call_indirect; beside them an indirect call in C. Loops inside wasm are shown less the empty
 * loop.
 *
 *   bench_calls [--tier NAME] [--rounds N] [--json FILE]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "measure.h"

enum { CALLS = 400000 };

typedef struct subject {
    wag_exports const *exports;
    wag_func *nothing, *add;
} subject;

static wag_error *host_add(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    results[0].of.i32 = (int32_t)((uint32_t)args[0].of.i32 + (uint32_t)args[1].of.i32);
    return NULL;
}

static uint32_t c_add(uint32_t a, uint32_t b)
{
    return a + b;
}

/* Volatile: read again for each call, as a call through a table is. */
static uint32_t (*volatile c_indirect)(uint32_t, uint32_t) = c_add;

/* Each way makes CALLS calls that add CALLS ... 1 up, and gives back the sum; `nothing` has no sum to give. */
static uint32_t in_c(const subject *s)
{
    (void)s;
    uint32_t sum = 0;
    for (uint32_t i = CALLS; i > 0; i--) {
        sum = c_indirect(sum, i);
    }
    return sum;
}

static uint32_t into_wasm(const subject *s)
{
    wag_val args[2] = {WAG_VAL_I32(0), WAG_VAL_I32(0)}, result;
    for (int32_t i = CALLS; i > 0; i--) {
        args[1].of.i32 = i;
        must(wag_call(s->add, args, 2, &result, 1, NULL), NULL, "add");
        args[0] = result;
    }
    return (uint32_t)args[0].of.i32;
}

static uint32_t into_nothing(const subject *s)
{
    uint32_t sum = 0;
    for (uint32_t i = CALLS; i > 0; i--) {
        must(wag_call(s->nothing, NULL, 0, NULL, 0, NULL), NULL, "nothing");
        sum += i;
    }
    return sum;
}

static uint32_t inside(const subject *s, const char *name)
{
    wag_val argument = WAG_VAL_I32(CALLS), result;
    must(wag_call(wag_exports_func(s->exports, name), &argument, 1, &result, 1, NULL), NULL, name);
    return (uint32_t)result.of.i32;
}

static uint32_t in_loop(const subject *s)
{
    return inside(s, "loop");
}

static uint32_t in_call(const subject *s)
{
    return inside(s, "call");
}

static uint32_t in_call_indirect(const subject *s)
{
    return inside(s, "call_indirect");
}

static uint32_t in_call_host(const subject *s)
{
    return inside(s, "call_host");
}

static const struct {
    const char *name;
    uint32_t (*run)(const subject *s);
    bool in_wasm_loop; /* the empty loop is taken off */
} ways[] = {
    {"C, through a pointer", in_c, false},
    {"the empty loop in wasm", in_loop, false},
    {"host -> wasm, () -> ()", into_nothing, false},
    {"host -> wasm, (i32 i32) -> (i32)", into_wasm, false},
    {"wasm -> host, (i32 i32) -> (i32)", in_call_host, true},
    {"wasm -> wasm, (i32 i32) -> (i32)", in_call, true},
    {"wasm -> wasm, call_indirect", in_call_indirect, true},
};
enum { WAYS = sizeof ways / sizeof ways[0], LOOP = 1 };

int main(int argc, char **argv)
{
    options o = options_read(argc, argv, 11);
    if (o.rest_count > 0) {
        fail("there is no option \"%s\"", o.rest[0]);
    }
    wag_bytes bytes = file_read(WAG_TEST_BUILD "/tests/bench/calls.wasm");
    wag_error *error = NULL;
    wag_module *module = module_compile(&o, bytes, &error);
    if (module == NULL) {
        fail("calls.wasm: %s", wag_error_message(error));
    }
    wag_imports *imports = wag_imports_new();
    must(wag_imports_set_func(imports, "host", "add", "(i32 i32) -> (i32)", host_add, NULL, NULL), NULL, "imports");
    wag_instance *instance;
    must(wag_instance_new(module, imports, &instance, &error), error, "calls.wasm");
    subject s = {.exports = wag_instance_exports(instance)};
    s.nothing = wag_exports_func(s.exports, "nothing");
    s.add = wag_exports_func(s.exports, "add");

    /* (1 + CALLS) * CALLS / 2 modulo 2^32 */
    const uint32_t wanted = (uint32_t)((uint64_t)(1 + CALLS) * CALLS / 2);
    double *times = calloc((size_t)o.rounds * WAYS, sizeof *times);
    if (times == NULL) {
        fail("out of memory");
    }
    for (int round = -1; round < o.rounds; round++) { /* round -1 warms up */
        for (int way = 0; way < WAYS; way++) {
            double start = cpu_seconds();
            uint32_t sum = ways[way].run(&s);
            double spent = cpu_seconds() - start;
            if (sum != wanted) {
                fail("%s: the sum is %u, not %u", ways[way].name, (unsigned)sum, (unsigned)wanted);
            }
            times[way * o.rounds + (round < 0 ? 0 : round)] = spent * 1e9 / CALLS;
        }
    }
    static const column columns[] = {{"ns", 2}, {"least ns", 2}};
    report *r = report_new(&o, "calls", columns, 2);
    double loop = median(times + LOOP * o.rounds, o.rounds), least_loop = times[LOOP * o.rounds];
    for (int way = 0; way < WAYS; way++) {
        double *mine = times + way * o.rounds;
        double values[] = {median(mine, o.rounds) - (ways[way].in_wasm_loop ? loop : 0), NAN};
        values[1] = mine[0] - (ways[way].in_wasm_loop ? least_loop : 0);
        report_row(r, ways[way].name, values, NULL);
    }
    report_end(r);
    free(times);
    wag_instance_unref(instance);
    wag_imports_unref(imports);
    wag_module_unref(module);
    free((void *)bytes.data);
    return 0;
}

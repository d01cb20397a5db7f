/* The kernels and C programs that the benchmarks run (workload.def): find, compile, instantiate, run and check one.
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include "measure.h"
#include "wasi.h"

typedef struct workload {
    const char *name, *folder;
    uint32_t full;
    uint64_t full_check;
    uint32_t small;
    uint64_t small_check;
} workload;

extern const workload workloads[];
extern const int workload_count;

/* NULL when there is none of that name. */
const workload *workload_find(const char *name);
/* Where the build has put its module. own: free(). */
char *workload_path(const workload *w);

/* One instance of a workload's module. */
typedef struct running {
    const workload *workload;
    wag_module *module;
    wag_instance *instance;
    wag_func *run; /* borrow: the instance's */
    wasi wasi;
    double compile_cpu; /* seconds */
} running;

/* The program ends with a message when the module does not compile, link or start. */
void running_init(running *r, const options *o, const workload *w);
void running_fini(running *r);
/* Call run(n); give back its check, and the seconds it took. */
uint64_t running_call(running *r, uint32_t n, double *ret_cpu, double *ret_wall);

#endif

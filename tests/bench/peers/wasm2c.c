/* wasm2c and a C compiler as a peer of the benchmark, the limit of what static compilation reaches: linked with the C
 * that wasm2c made of one module, under the name "bench", and wabt's runtime. WITH_WASI: the module imports WASI.
 *
 *   program N RUNS
 */
#include "host.h"

#include "bench.h"
#include "wasm-rt-impl.h"

struct Z_wasi_snapshot_preview1_instance_t {
    host host;
    wasm_rt_memory_t *memory;
};
typedef struct Z_wasi_snapshot_preview1_instance_t wasi_instance;

static wasi_instance wasi;
static Z_bench_instance_t bench;

#ifdef WITH_WASI
static host *now(wasi_instance *w)
{
    w->host.memory = w->memory->data;
    w->host.memory_size = w->memory->size;
    return &w->host;
}

u32 Z_wasi_snapshot_preview1Z_fd_write(wasi_instance *w, u32 fd, u32 iovs, u32 count, u32 ret)
{
    return host_fd_write(now(w), fd, iovs, count, ret);
}

u32 Z_wasi_snapshot_preview1Z_fd_fdstat_get(wasi_instance *w, u32 fd, u32 at)
{
    return host_fd_fdstat_get(now(w), fd, at);
}

u32 Z_wasi_snapshot_preview1Z_fd_close(wasi_instance *w, u32 fd)
{
    (void)w;
    return fd <= 2 ? 0 : 8;
}

u32 Z_wasi_snapshot_preview1Z_fd_seek(wasi_instance *w, u32 fd, u64 offset, u32 whence, u32 ret)
{
    (void)w, (void)offset, (void)whence, (void)ret;
    return fd <= 2 ? 70 : 8;
}
#endif

static uint64_t run(void *context, uint32_t n)
{
    return Z_benchZ_run(context, n);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        host_fail("usage: program N RUNS");
    }
    wasm_rt_init();
    wasm_rt_trap_t trap = wasm_rt_impl_try();
    if (trap != 0) {
        host_fail("trap: %s", wasm_rt_strerror(trap));
    }
    Z_bench_init_module();
#ifdef WITH_WASI
    Z_bench_instantiate(&bench, &wasi);
    wasi.memory = Z_benchZ_memory(&bench);
    Z_benchZ__initialize(&bench);
#else
    Z_bench_instantiate(&bench);
#endif
    host_measure(&wasi.host, run, &bench, (uint32_t)strtoul(argv[1], NULL, 10), (int)strtol(argv[2], NULL, 10), -1);
    return 0;
}

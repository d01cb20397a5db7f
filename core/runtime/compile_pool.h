/* The cluster's compile threads: a small pool that runs jobs given from any thread, in the order given.
 *
 * Made on first use, and no more threads than there was ever work for at once. Each job keeps the cluster alive from
 * submit to its end, so when the last reference of the cluster goes no job is queued or running, except perhaps the one
 * whose end drops that reference: then the pool is freed from one of its own threads, which cannot join itself. It
 * joins the others, detaches itself and frees the pool as the last thing it does.
 */
#ifndef WAGI_RUNTIME_COMPILE_POOL_H
#define WAGI_RUNTIME_COMPILE_POOL_H

#include "base/parallel.h"
#include "runtime/agent.h"

typedef struct wagi_compile_job {
    struct wagi_compile_job *next;
    void (*run)(struct wagi_compile_job *job); /* on a pool thread; owns the memory */
} wagi_compile_job;

/* Give a job to the cluster's pool. Any thread. job: own; on failure the caller keeps it. WAG_NOMEM, WAG_SYSTEM (not
 * one thread can be had). */
wag_err wagi_compile_pool_submit(wag_cluster *cluster, wagi_compile_job *job);
/* How one compilation spreads over the cluster's threads: it works itself, and threads of the pool that have nothing
 * else to do join in. Their jobs are in the queue like all others; those that have not begun when the work is done are
 * taken out again, so a compilation on the pool's last thread waits for nobody. cluster: borrow, longer than the
 * result. */
wagi_parallel wagi_compile_pool_parallel(wag_cluster *cluster);
/* Threads that have been started; for tests. Any thread. */
uint32_t wagi_compile_pool_threads(wag_cluster *cluster);

#endif

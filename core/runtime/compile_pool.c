/* The cluster's compile threads. See compile_pool.h.
 * Lock order: cluster->lock, then pool->lock; no job runs under either. */
#include "runtime/compile_pool.h"

#include "base/alloc.h"
#include "base/pages.h"

typedef struct wagi_compile_pool {
    wag_cluster *cluster; /* borrow: whoever uses the pool holds a reference */
    uint32_t epoch;       /* of the process (base/pages.h): a child has none of the threads */
    wagi_mutex lock;
    wagi_cond work;
    wagi_cond helped; /* a helper has come back */
    /* guarded by lock: */
    wagi_compile_job *first, **last;
    size_t queued;
    uint32_t idle; /* threads that wait for work */
    uint32_t started;
    bool stopping;         /* no thread goes back to waiting */
    bool orphan;           /* the only thread left frees the pool */
    wagi_thread threads[]; /* cluster->compile_threads */
} pool;

static void pool_dispose(pool *pool)
{
    wagi_cond_fini(&pool->work);
    wagi_cond_fini(&pool->helped);
    wagi_mutex_fini(&pool->lock);
    wagi_free(pool);
}

/* NULL: the pool stops. Caller holds the lock. */
static wagi_compile_job *next_job_locked(pool *pool)
{
    while (!pool->first && !pool->stopping) {
        pool->idle++;
        wagi_cond_wait(&pool->work, &pool->lock);
        pool->idle--;
    }
    wagi_compile_job *job = pool->first;
    if (job) {
        pool->queued--;
        if (!(pool->first = job->next))
            pool->last = &pool->first;
    }
    return job;
}

static void *thread_main(void *context)
{
    pool *pool = context;
    wagi_compile_job *job;
    wagi_mutex_lock(&pool->lock);
    while ((job = next_job_locked(pool))) {
        wagi_mutex_unlock(&pool->lock);
        job->run(job);
        wag_cluster_unref(pool->cluster); /* the job's; may end in pool_free, on this thread */
        wagi_mutex_lock(&pool->lock);
    }
    bool orphan = pool->orphan;
    wagi_mutex_unlock(&pool->lock);
    if (orphan)
        pool_dispose(pool);
    return NULL;
}

/* Called by the last wag_cluster_unref: nobody can submit any more. */
static void pool_free(pool *pool)
{
    wagi_thread self = wagi_thread_self();
    bool inside = false;
    if (pool->epoch != wagi_process_epoch())
        return; /* its threads and perhaps its lock are the parent's: leave it */
    wagi_mutex_lock(&pool->lock);
    pool->stopping = true;
    wagi_cond_broadcast(&pool->work);
    wagi_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->started; i++) {
        if (wagi_thread_equal(self, pool->threads[i]))
            inside = true;
        else
            wagi_thread_join(pool->threads[i]);
    }
    if (inside) {
        wagi_thread_detach(self);
        pool->orphan = true; /* this thread reads it when it is back in thread_main; the others are gone */
    } else {
        pool_dispose(pool);
    }
}

/* The cluster's pool, made if it has none. NULL without memory. */
static pool *pool_of(wag_cluster *cluster)
{
    wagi_mutex_lock(&cluster->lock);
    pool *pool = cluster->pool;
    if (pool && pool->epoch != wagi_process_epoch())
        pool = NULL; /* a forked child makes one of its own */
    if (!pool && (pool = wagi_alloc_zero(1, sizeof *pool + cluster->compile_threads * sizeof pool->threads[0]))) {
        pool->cluster = cluster;
        pool->epoch = wagi_process_epoch();
        pool->last = &pool->first;
        wagi_mutex_init(&pool->lock);
        wagi_cond_init(&pool->work);
        wagi_cond_init(&pool->helped);
        cluster->pool = pool;
        cluster->pool_free = pool_free;
    }
    wagi_mutex_unlock(&cluster->lock);
    return pool;
}

/* False: there is not one thread. Caller holds the lock. */
static bool submit_locked(pool *pool, wagi_compile_job *job)
{
    wag_cluster *cluster = pool->cluster;
    /* The new thread waits for the lock, so that it finds itself in `threads`. */
    if (pool->queued >= pool->idle && pool->started < cluster->compile_threads &&
        wagi_thread_start(&pool->threads[pool->started], "wag-compile", 0, thread_main, pool))
        pool->started++;
    if (pool->started == 0)
        return false;
    wag_cluster_ref(cluster);
    job->next = NULL;
    *pool->last = job;
    pool->last = &job->next;
    pool->queued++;
    wagi_cond_signal(&pool->work);
    return true;
}

wag_err wagi_compile_pool_submit(wag_cluster *cluster, wagi_compile_job *job)
{
    pool *pool = pool_of(cluster);
    if (!pool)
        return WAG_NOMEM;
    wagi_mutex_lock(&pool->lock);
    bool fine = submit_locked(pool, job);
    wagi_mutex_unlock(&pool->lock);
    return fine ? WAG_OK : WAG_SYSTEM;
}

/* ---- helpers ---- */

typedef struct team {
    pool *pool;
    void (*work)(void *context, uint32_t number);
    void *context;
    uint32_t unfinished; /* helpers that were submitted; guarded by the pool's lock */
} team;

typedef struct helper {
    wagi_compile_job job;
    team *team;
    uint32_t number;
} helper;

static void helper_run(wagi_compile_job *job)
{
    team *team = ((helper *)job)->team;
    pool *pool = team->pool;
    team->work(team->context, ((helper *)job)->number);
    wagi_mutex_lock(&pool->lock);
    team->unfinished--; /* team and job may be gone from here on */
    wagi_cond_broadcast(&pool->helped);
    wagi_mutex_unlock(&pool->lock);
}

/* As many helpers as have a thread to run on now. */
static void submit_helpers(team *team, helper *helpers, uint32_t count)
{
    pool *pool = team->pool;
    wagi_mutex_lock(&pool->lock);
    for (uint32_t i = 0; i < count; i++) {
        if (pool->queued >= pool->idle && pool->started == pool->cluster->compile_threads)
            break;
        helpers[i] = (helper){.job = {.run = helper_run}, .team = team, .number = i + 1};
        if (!submit_locked(pool, &helpers[i].job))
            break;
        team->unfinished++;
    }
    wagi_mutex_unlock(&pool->lock);
}

/* Take those back that nobody has begun, wait for the others. */
static void dismiss_helpers(team *team)
{
    pool *pool = team->pool;
    uint32_t withdrawn = 0;
    wagi_mutex_lock(&pool->lock);
    for (wagi_compile_job **at = &pool->first; team->unfinished && *at;) {
        wagi_compile_job *job = *at;
        if (job->run != helper_run || ((helper *)job)->team != team) {
            at = &job->next;
            continue;
        }
        if (!(*at = job->next))
            pool->last = at;
        pool->queued--;
        team->unfinished--;
        withdrawn++;
    }
    while (team->unfinished)
        wagi_cond_wait(&pool->helped, &pool->lock);
    wagi_mutex_unlock(&pool->lock);
    while (withdrawn--)
        wag_cluster_unref(pool->cluster); /* not the last one: the caller has one */
}

static void run_team(const wagi_parallel *self, void (*work)(void *context, uint32_t number), void *context)
{
    wag_cluster *cluster = self->owner;
    uint32_t count = self->threads - 1;
    team team = {.pool = count ? pool_of(cluster) : NULL, .work = work, .context = context};
    helper *helpers = team.pool ? wagi_alloc(count * sizeof *helpers) : NULL;
    if (helpers)
        submit_helpers(&team, helpers, count);
    work(context, 0);
    if (helpers)
        dismiss_helpers(&team);
    wagi_free(helpers);
}

wagi_parallel wagi_compile_pool_parallel(wag_cluster *cluster)
{
    return (wagi_parallel){.threads = cluster->compile_threads, .owner = cluster, .run = run_team};
}

uint32_t wagi_compile_pool_threads(wag_cluster *cluster)
{
    wagi_mutex_lock(&cluster->lock);
    pool *pool = cluster->pool;
    wagi_mutex_unlock(&cluster->lock);
    if (!pool)
        return 0;
    wagi_mutex_lock(&pool->lock);
    uint32_t started = pool->started;
    wagi_mutex_unlock(&pool->lock);
    return started;
}

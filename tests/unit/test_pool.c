/* The cluster's compile threads: every job runs once, threads are made on demand, the last reference may go anywhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "runtime/compile_pool.h"
#include "waggle.h"

/* A gate that jobs can wait at and a count of how many have been there. */
typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int arrived, done;
    bool open;
} gate;
#define GATE_INIT                                                                                                      \
    {                                                                                                                  \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                                         \
    }

typedef struct job {
    wagi_compile_job job;
    gate *gate;
    wag_cluster *drop; /* released by the job, or NULL */
    bool wait;
    int *order, number;
} job;

static void job_run(wagi_compile_job *compile_job)
{
    job *job = (struct job *)compile_job;
    gate *gate = job->gate;
    pthread_mutex_lock(&gate->lock);
    if (job->order)
        job->order[gate->arrived] = job->number;
    gate->arrived++;
    pthread_cond_broadcast(&gate->changed);
    while (job->wait && !gate->open)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
    wag_cluster_unref(job->drop);
    free(job);
    pthread_mutex_lock(&gate->lock);
    gate->done++;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static job *job_new(gate *gate)
{
    job *made = malloc(sizeof *made);
    *made = (job){.job = {.run = job_run}, .gate = gate};
    return made;
}

static void wait_arrived(gate *gate, int count)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->arrived < count)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void wait_done(gate *gate, int count)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->done < count)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void open_gate(gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static wag_cluster *cluster_of(uint32_t threads)
{
    wag_cluster *cluster;
    assert_int_equal(wag_cluster_new(&(wag_cluster_options){.compile_threads = threads}, &cluster), WAG_OK);
    return cluster;
}

static void test_a_cluster_without_jobs_has_no_threads(void **state)
{
    (void)state;
    wag_cluster *cluster = cluster_of(4);
    assert_int_equal(wagi_compile_pool_threads(cluster), 0);
    wag_cluster_unref(cluster);
}

static void test_one_thread_runs_the_jobs_in_order(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    gate gate = GATE_INIT;
    int order[COUNT];
    wag_cluster *cluster = cluster_of(1);
    for (int i = 0; i < COUNT; i++) {
        job *job = job_new(&gate);
        job->order = order;
        job->number = i;
        assert_int_equal(wagi_compile_pool_submit(cluster, &job->job), WAG_OK);
    }
    wait_done(&gate, COUNT);
    assert_int_equal(wagi_compile_pool_threads(cluster), 1);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(order[i], i);
    wag_cluster_unref(cluster);
}

static void test_threads_are_made_up_to_the_limit_while_all_are_busy(void **state)
{
    (void)state;
    gate gate = GATE_INIT;
    wag_cluster *cluster = cluster_of(3);
    for (int i = 0; i < 5; i++) {
        job *job = job_new(&gate);
        job->wait = true;
        assert_int_equal(wagi_compile_pool_submit(cluster, &job->job), WAG_OK);
        if (i < 3) {
            wait_arrived(&gate, i + 1);
            assert_int_equal(wagi_compile_pool_threads(cluster), i + 1);
        }
    }
    assert_int_equal(wagi_compile_pool_threads(cluster), 3);
    open_gate(&gate);
    wait_done(&gate, 5);
    wag_cluster_unref(cluster);
}

static void test_queued_jobs_run_although_the_last_handle_is_gone(void **state)
{
    (void)state;
    gate gate = GATE_INIT;
    wag_cluster *cluster = cluster_of(1);
    for (int i = 0; i < 20; i++) {
        job *job = job_new(&gate);
        job->wait = i == 0;
        assert_int_equal(wagi_compile_pool_submit(cluster, &job->job), WAG_OK);
    }
    wag_cluster_unref(cluster); /* now only the jobs hold it: its end is on the pool's own thread */
    open_gate(&gate);
    wait_done(&gate, 20);
}

static void test_the_last_handle_may_be_dropped_by_a_job_among_idle_threads(void **state)
{
    (void)state;
    for (int round = 0; round < 30; round++) {
        gate gate = GATE_INIT;
        wag_cluster *cluster = cluster_of(3);
        for (int i = 0; i < 3; i++) {
            job *job = job_new(&gate);
            job->wait = true;
            job->drop = i == 1 ? cluster : NULL;
            assert_int_equal(wagi_compile_pool_submit(cluster, &job->job), WAG_OK);
        }
        open_gate(&gate);
        wait_done(&gate, 3);
    }
}

typedef struct submitter {
    wag_cluster *cluster;
    gate *gate;
    wag_err err;
} submitter;

static void *submit_main(void *context)
{
    submitter *submitter = context;
    for (int i = 0; i < 500 && submitter->err == WAG_OK; i++) {
        job *job = job_new(submitter->gate);
        submitter->err = wagi_compile_pool_submit(submitter->cluster, &job->job);
    }
    wag_cluster_unref(submitter->cluster);
    return NULL;
}

static void test_jobs_of_many_threads_each_run_once(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    gate gate = GATE_INIT;
    submitter submitters[THREADS];
    pthread_t threads[THREADS];
    wag_cluster *cluster = cluster_of(2);
    for (int i = 0; i < THREADS; i++) {
        submitters[i] = (submitter){wag_cluster_ref(cluster), &gate, WAG_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, submit_main, &submitters[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(submitters[i].err, WAG_OK);
    }
    wait_done(&gate, THREADS * 500);
    assert_int_equal(gate.arrived, THREADS * 500);
    wag_cluster_unref(cluster);
}

static void test_a_pool_that_cannot_be_made_leaves_the_job_with_the_caller(void **state)
{
    (void)state;
    gate gate = GATE_INIT;
    wag_cluster *cluster = cluster_of(1);
    job *job = job_new(&gate);
    wagi_alloc_fail_after(0);
    wag_err err = wagi_compile_pool_submit(cluster, &job->job);
    wagi_alloc_fail_after(UINT64_MAX);
    assert_int_equal(err, WAG_NOMEM);
    assert_int_equal(wagi_compile_pool_submit(cluster, &job->job), WAG_OK);
    wait_done(&gate, 1);
    wag_cluster_unref(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cluster_without_jobs_has_no_threads),
        cmocka_unit_test(test_one_thread_runs_the_jobs_in_order),
        cmocka_unit_test(test_threads_are_made_up_to_the_limit_while_all_are_busy),
        cmocka_unit_test(test_queued_jobs_run_although_the_last_handle_is_gone),
        cmocka_unit_test(test_the_last_handle_may_be_dropped_by_a_job_among_idle_threads),
        cmocka_unit_test(test_jobs_of_many_threads_each_run_once),
        cmocka_unit_test(test_a_pool_that_cannot_be_made_leaves_the_job_with_the_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* For tests of workers: workers that echo, gates, and a teardown that ends whatever a failed test has left behind. */
#ifndef TESTS_SUPPORT_WORKERS_H
#define TESTS_SUPPORT_WORKERS_H

#include "tests/support/loop.h"

#include <pthread.h>
#include <stdatomic.h>

/* A flag that one thread waits for and another one sets. Gates, and whatever else a worker's context is, outlive a test
 * that fails: they are static, and the teardown opens those that are closed. */
typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
} gate;
static gate *gates[8]; /* of this test */
static size_t gate_count;

/* A closed one. Nobody waits for it. */
static inline void gate_init(gate *gate)
{
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->changed, NULL);
    gate->open = false;
    for (size_t i = 0; i < gate_count; i++)
        if (gates[i] == gate)
            return;
    assert_true(gate_count < sizeof gates / sizeof *gates);
    gates[gate_count++] = gate;
}

static inline void gate_open(gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static inline void gate_wait(gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static inline void echo(void *context, wag_value message)
{
    wag_scope_post_message(context, message, NULL);
}

static inline void echo_entry(wag_worker_scope *self, void *context)
{
    (void)context;
    wag_scope_on_message(self, echo, self);
}

typedef struct collected {
    wag_value all; /* an array */
    wag_worker *worker;
} collected;

static inline void collect(void *context, wag_value message)
{
    wag_array_push(((collected *)context)->all, wag_value_ref(message));
}

static inline void post_three_and_end(wag_worker_scope *self, void *context)
{
    (void)context;
    for (int i = 0; i < 3; i++)
        wag_scope_post_message(self, WAG_NUMBER(i), NULL);
}

static inline void stop_after_three(void *context, wag_value message)
{
    collect(context, message);
    collected *got = context;
    if (wag_value_size(got->all) == 3)
        wag_promise_exit_unref(wag_worker_terminate(got->worker));
}

/* After each test: workers that still wait go on, all of them are terminated and joined with the agent. */
static inline int end_workers(void **state)
{
    (void)state;
    while (gate_count)
        gate_open(gates[--gate_count]);
    return wag_agent_close() == WAG_OK ? 0 : -1;
}
#define WORKER_TEST(test) cmocka_unit_test_teardown(test, end_workers)

#endif

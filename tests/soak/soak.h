/* The soak program's parts: what all workers share, and what one of them is. */
#ifndef TESTS_SOAK_SOAK_H
#define TESTS_SOAK_SOAK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "waggle.h"

/* What happened, summed up over all threads. */
#define SOAK_COUNTS(X)                                                                                                 \
    X(instances)                                                                                                       \
    X(calls)                                                                                                           \
    X(traps)                                                                                                           \
    X(overflows)                                                                                                       \
    X(exceptions)                                                                                                      \
    X(heap_objects)                                                                                                    \
    X(grown)                                                                                                           \
    X(waits)                                                                                                           \
    X(interrupts)                                                                                                      \
    X(deadlines)                                                                                                       \
    X(interrupted)                                                                                                     \
    X(posts)                                                                                                           \
    X(workers)                                                                                                         \
    X(terminated)                                                                                                      \
    X(closed)                                                                                                          \
    X(compiled)                                                                                                        \
    X(refused)                                                                                                         \
    X(wrong)                                                                                                           \
    X(leaked_objects)

typedef struct soak_counts {
#define MEMBER(name) atomic_long name;
    SOAK_COUNTS(MEMBER)
#undef MEMBER
} soak_counts;
extern soak_counts soak_count;

static inline void soak_add(atomic_long *count, long n)
{
    atomic_fetch_add_explicit(count, n,
                              memory_order_relaxed); /* relaxed: a display, read when the threads are joined */
}

/* Something was not as it should be; the first few are printed. Any thread. */
void soak_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A random number; the state is the caller's, so that each thread's sequence depends on the seed alone. */
typedef uint64_t soak_random;
static inline uint32_t soak_next(soak_random *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}
static inline uint32_t soak_below(soak_random *state, uint32_t bound)
{
    return soak_next(state) % bound;
}

/* The modules of a message: an array in this order. */
enum { SOAK_MAIN, SOAK_EXCEPTIONS, SOAK_HEAP, SOAK_WAIT, SOAK_MODULES };
enum { SOAK_KEPT = 6 };

/* An instance that a worker keeps, and what must be true of it. */
typedef struct soak_kept {
    wag_instance *instance;
    uint32_t pages; /* of its memory */
    bool checked;   /* "check" has run: it is as new no more */
} soak_kept;

typedef struct soak_worker {
    soak_random random;
    wag_worker_scope *self;
    wag_shared_memory *shared; /* the parent's handle */
    int32_t id;
    /* Whom to interrupt; NULL when nobody is there. Under lock, so that it is alive meanwhile. */
    pthread_mutex_t lock;
    wag_agent *agent;
    /* the worker's own: */
    soak_kept kept[SOAK_KEPT];
    bool interrupted; /* in this message */
    bool has_js_tag;  /* the agent keeps that one */
} soak_worker;

/* A worker's entry; context is a soak_worker. It answers each message with `true` and ends at `false`. */
void soak_worker_entry(wag_worker_scope *self, void *context);

#endif

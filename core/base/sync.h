/* Threads and locks. The lock order of the whole library is in ARCHITECTURE.md. Failing to lock is a bug, not an error.
 */
#ifndef WAGI_BASE_SYNC_H
#define WAGI_BASE_SYNC_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef pthread_mutex_t wagi_mutex;
typedef pthread_cond_t wagi_cond; /* on the monotonic clock */
typedef pthread_t wagi_thread;
#define WAGI_MUTEX_INIT PTHREAD_MUTEX_INITIALIZER

void wagi_mutex_init(wagi_mutex *mutex);
void wagi_mutex_fini(wagi_mutex *mutex);
void wagi_mutex_lock(wagi_mutex *mutex);
void wagi_mutex_unlock(wagi_mutex *mutex);
void wagi_cond_init(wagi_cond *cond);
void wagi_cond_fini(wagi_cond *cond);
void wagi_cond_wait(wagi_cond *cond, wagi_mutex *mutex);
/* False when deadline_ns (wagi_clock_ns) passed. */
bool wagi_cond_wait_until(wagi_cond *cond, wagi_mutex *mutex, uint64_t deadline_ns);
void wagi_cond_signal(wagi_cond *cond);
void wagi_cond_broadcast(wagi_cond *cond);

/* stack_bytes 0: the system's default. name: at most 15 bytes are used, may be NULL. All signals are blocked in the new
 * thread except those that report faults. False when the system has no more threads. */
bool wagi_thread_start(wagi_thread *ret_thread, const char *name, size_t stack_bytes, void *(*entry)(void *),
                       void *context);
void wagi_thread_join(wagi_thread thread);
void wagi_thread_detach(wagi_thread thread);
wagi_thread wagi_thread_self(void);
bool wagi_thread_equal(wagi_thread a, wagi_thread b);

/* What runs on a thread when it ends (returns, pthread_exit, cancelled); not when the process exits. One hook a thread:
 * a later call replaces it, NULL removes it. Embed it; it must live until it runs or is removed. False when the system
 * has no room; NULL never fails. */
typedef struct wagi_thread_hook {
    void (*run)(struct wagi_thread_hook *hook);
} wagi_thread_hook;
bool wagi_thread_on_exit(wagi_thread_hook *hook);

#endif

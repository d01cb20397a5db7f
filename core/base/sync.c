/* sync.h over pthreads. */
#define _GNU_SOURCE
#include "base/sync.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void wagi_mutex_init(wagi_mutex *mutex)
{
    pthread_mutex_init(mutex, NULL);
}

void wagi_mutex_fini(wagi_mutex *mutex)
{
    pthread_mutex_destroy(mutex);
}

void wagi_mutex_lock(wagi_mutex *mutex)
{
    pthread_mutex_lock(mutex);
}

void wagi_mutex_unlock(wagi_mutex *mutex)
{
    pthread_mutex_unlock(mutex);
}

void wagi_cond_init(wagi_cond *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

void wagi_cond_fini(wagi_cond *cond)
{
    pthread_cond_destroy(cond);
}

void wagi_cond_wait(wagi_cond *cond, wagi_mutex *mutex)
{
    pthread_cond_wait(cond, mutex);
}

bool wagi_cond_wait_until(wagi_cond *cond, wagi_mutex *mutex, uint64_t deadline_ns)
{
    struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
                                .tv_nsec = (long)(deadline_ns % 1000000000u)};
    return pthread_cond_timedwait(cond, mutex, &deadline) == 0;
}

void wagi_cond_signal(wagi_cond *cond)
{
    pthread_cond_signal(cond);
}

void wagi_cond_broadcast(wagi_cond *cond)
{
    pthread_cond_broadcast(cond);
}

bool wagi_thread_start(wagi_thread *ret_thread, const char *name, size_t stack_bytes, void *(*entry)(void *),
                       void *context)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    bool ok = true;
    if (stack_bytes) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        size_t minimum = (size_t)PTHREAD_STACK_MIN;
        if (stack_bytes < minimum)
            stack_bytes = minimum;
        ok = pthread_attr_setstacksize(&attributes, (stack_bytes + page - 1) / page * page) == 0;
    }
    /* The host's signals belong to the host's threads; synchronous faults must reach whoever caused them. */
    sigset_t blocked, previous;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    sigdelset(&blocked, SIGTRAP);
    sigdelset(&blocked, SIGABRT);
    pthread_sigmask(SIG_SETMASK, &blocked, &previous);
    ok = ok && pthread_create(ret_thread, &attributes, entry, context) == 0;
    pthread_sigmask(SIG_SETMASK, &previous, NULL);
    pthread_attr_destroy(&attributes);
    if (ok && name) {
        char short_name[16] = {0};
        size_t size = strlen(name);
        memcpy(short_name, name, size < sizeof short_name ? size : sizeof short_name - 1);
        pthread_setname_np(*ret_thread, short_name);
    }
    return ok;
}

void wagi_thread_join(wagi_thread thread)
{
    pthread_join(thread, NULL);
}

void wagi_thread_detach(wagi_thread thread)
{
    pthread_detach(thread);
}

wagi_thread wagi_thread_self(void)
{
    return pthread_self();
}

bool wagi_thread_equal(wagi_thread a, wagi_thread b)
{
    return pthread_equal(a, b) != 0;
}

/* The key is made on first use, so that a process that only links the library has none. */
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;
static bool exit_key_ok;

static void exit_run(void *value)
{
    wagi_thread_hook *hook = value;
    hook->run(hook);
}

static void exit_make_key(void)
{
    exit_key_ok = pthread_key_create(&exit_key, exit_run) == 0;
}

bool wagi_thread_on_exit(wagi_thread_hook *hook)
{
    pthread_once(&exit_once, exit_make_key);
    if (!exit_key_ok)
        return hook == NULL;
    return pthread_setspecific(exit_key, hook) == 0 || hook == NULL;
}

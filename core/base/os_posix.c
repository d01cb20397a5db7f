/* os.h for Linux: pages, clocks, wake-ups, alarms. */
#define _GNU_SOURCE
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

size_t wagi_os_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t round_to_pages(size_t size)
{
    size_t page = wagi_os_page_size();
    return size > SIZE_MAX - page ? 0 : (size + page - 1) / page * page;
}

static int os_protection(wagi_protection protection)
{
    switch (protection) {
    case WAGI_PROT_READ:
        return PROT_READ;
    case WAGI_PROT_READ_WRITE:
        return PROT_READ | PROT_WRITE;
    case WAGI_PROT_READ_EXEC:
        return PROT_READ | PROT_EXEC;
    case WAGI_PROT_NONE:
        break;
    }
    return PROT_NONE;
}

static atomic_uint_least64_t successes_left = UINT64_MAX;

void wagi_os_fail_once(uint64_t successes)
{
    atomic_store(&successes_left, successes);
}

static bool must_fail(void)
{
    /* relaxed: a test switch */
    if (atomic_load_explicit(&successes_left, memory_order_relaxed) == UINT64_MAX)
        return false;
    return atomic_fetch_sub(&successes_left, 1) == 0; /* then it is switched off */
}

void *wagi_os_map(size_t size, wagi_protection protection)
{
    size = round_to_pages(size);
    if (size == 0 || must_fail())
        return NULL;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | (protection == WAGI_PROT_NONE ? MAP_NORESERVE : 0);
    void *address = mmap(NULL, size, os_protection(protection), flags, -1, 0);
    return address == MAP_FAILED ? NULL : address;
}

/* ThreadSanitizer does not know mremap: it takes what comes to lie at the old address for what was there before. */
#if defined(__SANITIZE_THREAD__)
#define COPY_REMAP
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COPY_REMAP
#endif
#endif

void *wagi_os_remap(void *address, size_t old_size, size_t new_size)
{
    old_size = round_to_pages(old_size);
    new_size = round_to_pages(new_size);
    if (new_size == 0 || must_fail())
        return NULL;
#ifdef COPY_REMAP
    void *moved = wagi_os_map(new_size, WAGI_PROT_READ_WRITE);
    if (!moved)
        return NULL;
    memcpy(moved, address, old_size < new_size ? old_size : new_size);
    munmap(address, old_size);
    return moved;
#else
    void *moved = mremap(address, old_size, new_size, MREMAP_MAYMOVE);
    return moved == MAP_FAILED ? NULL : moved;
#endif
}

bool wagi_os_move(void *address, size_t size, void *to)
{
    size = round_to_pages(size);
    if (must_fail())
        return false;
#ifdef COPY_REMAP
    memcpy(to, address, size);
    munmap(address, size);
    return true;
#else
    return mremap(address, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED;
#endif
}

void wagi_os_prefer_large_pages(void *address, size_t size)
{
#ifdef MADV_HUGEPAGE
    if (size >= (size_t)2 << 20)
        (void)madvise(address, round_to_pages(size), MADV_HUGEPAGE); /* without them all is well, too */
#else
    (void)address;
    (void)size;
#endif
}

bool wagi_os_protect(void *address, size_t size, wagi_protection protection)
{
    return !must_fail() && mprotect(address, round_to_pages(size), os_protection(protection)) == 0;
}

void wagi_os_unmap(void *address, size_t size)
{
    /* Making a hole can need one more mapping than there may be. Then the pages go back, at least. */
    if (munmap(address, round_to_pages(size)) != 0)
        madvise(address, round_to_pages(size), MADV_DONTNEED);
}

bool wagi_os_append(const char *path, const void *bytes, size_t size)
{
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
    struct stat status;
    bool fine = file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid();
    for (const char *at = bytes; fine && size > 0;) {
        ssize_t written = write(file, at, size);
        if (written < 0 && errno == EINTR)
            continue;
        fine = written > 0;
        at += fine ? written : 0;
        size -= fine ? (size_t)written : 0;
    }
    if (file >= 0)
        close(file);
    return fine;
}

uint64_t wagi_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t wagi_clock_after_ms(uint64_t milliseconds)
{
    uint64_t now = wagi_clock_ns();
    return milliseconds > (UINT64_MAX - 1 - now) / 1000000u ? UINT64_MAX - 1 : now + milliseconds * 1000000u;
}

uint32_t wagi_os_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? (uint32_t)count : 1;
}

bool wagi_os_random(void *bytes, size_t size)
{
    return getrandom(bytes, size, 0) == (ssize_t)size;
}

int wagi_os_pid(void)
{
    return (int)getpid();
}

double wagi_os_read_double(const char *text)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* needs no memory for "C" */
    double number = plain ? strtod_l(text, NULL, plain) : strtod(text, NULL);
    if (plain)
        freelocale(plain);
    return number;
}

/* The first thread's stack as its limit says: for where there is no /proc, in which the C library looks. The kernel
 * counts from the stack's start, which is above us by what has been called and the program's arguments: a quarter is
 * kept for that, as much as arguments may take. */
static uintptr_t first_stack_bottom(void)
{
    enum { UNLIMITED = 8 << 20 };
    struct rlimit limit;
    uintptr_t here = (uintptr_t)&limit;
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur > here)
        limit.rlim_cur = UNLIMITED;
    return here - (uintptr_t)limit.rlim_cur / 4 * 3;
}

uintptr_t wagi_os_stack_bottom(void)
{
    pthread_attr_t attributes;
    void *bottom = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return (pid_t)syscall(SYS_gettid) == getpid() ? first_stack_bottom() : 0;
    if (pthread_attr_getstack(&attributes, &bottom, &size) != 0)
        bottom = NULL;
    pthread_attr_destroy(&attributes);
    return (uintptr_t)bottom;
}

int wagi_wakeup_new(void)
{
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void wagi_wakeup_signal(int wakeup)
{
    int saved = errno; /* may run in a signal handler */
    const uint64_t one = 1;
    /* EAGAIN means that the counter is full: it is readable, which is all that matters. */
    ssize_t written = write(wakeup, &one, sizeof one);
    (void)written;
    errno = saved;
}

void wagi_wakeup_clear(int wakeup)
{
    uint64_t count;
    ssize_t got = read(wakeup, &count, sizeof count);
    (void)got;
}

void wagi_wakeup_free(int wakeup)
{
    if (wakeup >= 0)
        close(wakeup);
}

bool wagi_wakeup_wait(int wakeup, int64_t timeout_ns)
{
    struct pollfd item = {.fd = wakeup, .events = POLLIN};
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000), .tv_nsec = (long)(timeout_ns % 1000000000)};
    return ppoll(&item, 1, timeout_ns < 0 ? NULL : &timeout, NULL) > 0 && (item.revents & POLLIN);
}

bool wagi_wakeup_wait_fd(int wakeup, int fd, unsigned events, int64_t timeout_ns, bool *ret_woken, unsigned *ret_events)
{
    struct pollfd items[2] = {{.fd = wakeup, .events = POLLIN}, {.fd = fd}};
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000), .tv_nsec = (long)(timeout_ns % 1000000000)};
    items[1].events = (short)((events & WAGI_FD_READ ? POLLIN : 0) | (events & WAGI_FD_WRITE ? POLLOUT : 0));
    int got = ppoll(items, fd < 0 ? 1 : 2, timeout_ns < 0 ? NULL : &timeout, NULL);
    *ret_woken = got > 0 && (items[0].revents & POLLIN);
    *ret_events = 0;
    if (got > 0 && fd >= 0)
        *ret_events = (items[1].revents & POLLIN ? WAGI_FD_READ : 0u) |
                      (items[1].revents & POLLOUT ? WAGI_FD_WRITE : 0u) |
                      (items[1].revents & (POLLERR | POLLHUP | POLLNVAL) ? WAGI_FD_ERROR : 0u);
    return got >= 0 || errno == EINTR;
}

int wagi_alarm_new(void)
{
    return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
}

void wagi_alarm_set(int alarm, uint64_t deadline_ns)
{
    struct itimerspec when = {.it_value = {0}};
    if (deadline_ns != UINT64_MAX) {
        when.it_value.tv_sec = (time_t)(deadline_ns / 1000000000u);
        /* 0.0 would disarm it: a deadline at the clock's origin is as due one nanosecond later. */
        when.it_value.tv_nsec = deadline_ns ? (long)(deadline_ns % 1000000000u) : 1;
    }
    timerfd_settime(alarm, TFD_TIMER_ABSTIME, &when, NULL);
}

void wagi_alarm_free(int alarm)
{
    if (alarm >= 0)
        close(alarm);
}

int wagi_poller_new(int first, int second)
{
    int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (poller >= 0 && (epoll_ctl(poller, EPOLL_CTL_ADD, first, &event) != 0 ||
                        epoll_ctl(poller, EPOLL_CTL_ADD, second, &event) != 0)) {
        close(poller);
        poller = -1;
    }
    return poller;
}

void wagi_poller_free(int poller)
{
    if (poller >= 0)
        close(poller);
}

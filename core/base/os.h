/* What the library wants from the operating system, apart from threads (sync.h). The only other place with OS headers.
 */
#ifndef WAGI_BASE_OS_H
#define WAGI_BASE_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum wagi_protection {
    WAGI_PROT_NONE,
    WAGI_PROT_READ,
    WAGI_PROT_READ_WRITE,
    WAGI_PROT_READ_EXEC
} wagi_protection;

size_t wagi_os_page_size(void);
/* Fresh zeroed pages; size is rounded up to pages. NULL when they cannot be had. */
void *wagi_os_map(size_t size, wagi_protection protection);
/* Make a mapping larger or smaller, perhaps elsewhere; new bytes are zero. NULL: the old mapping stays as it was. */
void *wagi_os_remap(void *address, size_t old_size, size_t new_size);
/* Move a writable mapping, page by page and not byte by byte, to where other writable pages are, which are lost. False:
 * all is as it was. */
bool wagi_os_move(void *address, size_t size, void *to);
/* A wish for a large mapping that will be filled from its start: fewer faults, fewer entries of the TLB. */
void wagi_os_prefer_large_pages(void *address, size_t size);
bool wagi_os_protect(void *address, size_t size, wagi_protection protection);
void wagi_os_unmap(void *address, size_t size);
/* Stress switch for tests: after `successes` further calls of the three above one fails, as when there may be no more
 * mappings or memory; UINT64_MAX switches it off. Process-wide; any thread. */
void wagi_os_fail_once(uint64_t successes);

uint64_t wagi_clock_ns(void);                        /* monotonic */
uint64_t wagi_clock_after_ms(uint64_t milliseconds); /* wagi_clock_ns then; at most UINT64_MAX - 1 */
uint32_t wagi_os_cpu_count(void);                    /* that this process may use; at least 1 */
bool wagi_os_random(void *bytes, size_t size);
int wagi_os_pid(void); /* of this process: another one after fork */
/* Append to a file of this user's, made if need be; a symbolic link is refused. */
bool wagi_os_append(const char *path, const void *bytes, size_t size);
/* strtod of a number that is known to be well formed, with '.' whatever the process's locale is. */
double wagi_os_read_double(const char *text);
/* The lowest usable address of the calling thread's stack, 0 when unknown. */
uintptr_t wagi_os_stack_bottom(void);

/* A wake-up: a descriptor that polls readable from signal to clear. Signal: any thread, async-signal-safe. */
int wagi_wakeup_new(void); /* -1 when there is none to be had */
void wagi_wakeup_signal(int wakeup);
void wagi_wakeup_clear(int wakeup);
void wagi_wakeup_free(int wakeup);
/* Wait until readable or the time has passed (timeout_ns < 0: no limit). True when readable. */
bool wagi_wakeup_wait(int wakeup, int64_t timeout_ns);
/* What a descriptor may be waited for; ERROR comes unasked. */
enum { WAGI_FD_READ = 1, WAGI_FD_WRITE = 2, WAGI_FD_ERROR = 4 };
/* The same, or until one of the events (WAGI_FD_*; 0: none but errors) of a descriptor (-1: none) has come. A signal
 * may end it early. False when the system cannot say; errors of the descriptor are events. */
bool wagi_wakeup_wait_fd(int wakeup, int fd, unsigned events, int64_t timeout_ns, bool *ret_woken,
                         unsigned *ret_events);

/* An alarm: a descriptor that polls readable from a point of wagi_clock_ns on, until it is set again. */
int wagi_alarm_new(void);                             /* never due; -1 when there is none to be had */
void wagi_alarm_set(int alarm, uint64_t deadline_ns); /* UINT64_MAX: never due */
void wagi_alarm_free(int alarm);
/* A descriptor that polls readable while one of the two does. They must outlive it. -1 when there is none to be had. */
int wagi_poller_new(int first, int second);
void wagi_poller_free(int poller);

#endif

/* pages.h for Linux: /proc/self/pagemap, by the ioctl that scans it (6.7) or by reading it. */
#define _GNU_SOURCE
#include "base/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/os.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* ---- the process ---- */

/* A page that the kernel clears in a child. */
static _Atomic(atomic_uint *) mark;
static atomic_uint epoch = 1;

static atomic_uint *mark_page(void)
{
    atomic_uint *page = atomic_load(&mark), *none = NULL;
    if (page)
        return page;
    page = wagi_os_map(wagi_os_page_size(), WAGI_PROT_READ_WRITE);
    if (!page)
        return NULL;
    if (madvise(page, wagi_os_page_size(), MADV_WIPEONFORK) != 0) {
        wagi_os_unmap(page, wagi_os_page_size());
        return NULL;
    }
    atomic_store(page, 1);
    if (atomic_compare_exchange_strong(&mark, &none, page))
        return page;
    wagi_os_unmap(page, wagi_os_page_size()); /* another thread was first */
    return none;
}

uint32_t wagi_process_epoch(void)
{
    atomic_uint *page = mark_page();
    if (!page)
        return (uint32_t)getpid();
    /* relaxed: only this thread is left after a fork, and later ones are started after it. */
    if (atomic_load_explicit(page, memory_order_relaxed) == 0) {
        atomic_fetch_add(&epoch, 1);
        atomic_store(page, 1);
    }
    return atomic_load_explicit(&epoch, memory_order_relaxed);
}

/* ---- written pages ---- */

enum { REGIONS = 32, ENTRIES = 512 };

/* <linux/fs.h> of older systems lacks them. */
struct region {
    uint64_t start, end, categories;
};
struct scan {
    uint64_t size, flags, start, end, walk_end, regions, region_count, max_pages;
    uint64_t inverted, all_of, any_of, returned;
};
#define SCAN_IOCTL _IOWR('f', 16, struct scan)
#define IS_FILE (1u << 2)
#define IS_PRESENT (1u << 3)
#define IS_SWAPPED (1u << 4)
#define IS_ZERO_PAGE (1u << 5)

static atomic_int pretended;
static atomic_int no_scan; /* the ioctl is not there */
/* /proc/self/pagemap, kept open: the process's epoch << 32 | the descriptor + 1; 0: none. A parent's would tell of the
 * parent's memory. */
static atomic_uint_least64_t opened;

void wagi_pages_pretend(int level)
{
    atomic_store(&pretended, level);
}

static int pagemap(void)
{
    if (atomic_load(&pretended) > 1)
        return -1;
    uint64_t now = (uint64_t)wagi_process_epoch() << 32, known = atomic_load(&opened);
    if (known && (known ^ now) >> 32 == 0)
        return (int)(uint32_t)known - 1;
    int file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    if (atomic_compare_exchange_strong(&opened, &known, now | (uint32_t)(file + 1))) {
        if (known) /* nobody uses the parent's */
            close((int)(uint32_t)known - 1);
        return file;
    }
    close(file); /* another thread was first */
    return (int)(uint32_t)known - 1;
}

static bool scan_pages(int file, uintptr_t start, size_t size, size_t page, wagi_pages_visitor visit, void *context)
{
    struct region regions[REGIONS] = {{0}}; /* memcheck does not know that the ioctl writes here */
    struct scan scan = {.size = sizeof scan,
                        .start = start,
                        .end = start + size,
                        .regions = (uintptr_t)regions,
                        .region_count = REGIONS,
                        .inverted = IS_FILE | IS_ZERO_PAGE,
                        .all_of = IS_FILE | IS_ZERO_PAGE,
                        .any_of = IS_PRESENT | IS_SWAPPED,
                        .returned = IS_PRESENT | IS_SWAPPED};
    while (scan.start < scan.end) {
        int found = ioctl(file, SCAN_IOCTL, &scan);
        if (found < 0 && errno == EINTR)
            continue;
        if (found < 0 || scan.walk_end <= scan.start)
            return false;
        for (int i = 0; i < found; i++)
            visit(context, (regions[i].start - start) / page, (regions[i].end - regions[i].start) / page);
        scan.start = scan.walk_end; /* the table may have been full */
    }
    return true;
}

static bool read_pages(int file, uintptr_t start, size_t size, size_t page, wagi_pages_visitor visit, void *context)
{
    uint64_t entries[ENTRIES], count = size / page, done = 0;
    while (done < count) {
        size_t wanted = count - done < ENTRIES ? (size_t)(count - done) : ENTRIES;
        ssize_t got = pread(file, entries, wanted * 8, (off_t)((start / page + done) * 8));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 8)
            return false;
        uint64_t run = 0, full = (uint64_t)got / 8;
        for (uint64_t i = 0; i <= full; i++) {
            /* 63 present, 62 swapped, 61 of a file. */
            bool written = i < full && (entries[i] >> 62) && !(entries[i] >> 61 & 1);
            if (written) {
                run++;
            } else if (run) {
                visit(context, done + i - run, run);
                run = 0;
            }
        }
        done += full;
    }
    return true;
}

bool wagi_pages_written(const void *address, size_t size, wagi_pages_visitor visit, void *context)
{
    size_t page = wagi_os_page_size();
    int file = pagemap();
    if (file < 0)
        return false;
    size = (size + page - 1) / page * page;
    if (!atomic_load_explicit(&no_scan, memory_order_relaxed) && atomic_load(&pretended) < 1) {
        if (scan_pages(file, (uintptr_t)address, size, page, visit, context))
            return true;
        if (errno != ENOTTY && errno != EINVAL && errno != ENOSYS && errno != EPERM)
            return false;
        atomic_store_explicit(&no_scan, 1, memory_order_relaxed); /* relaxed: at worst it is tried once more */
    }
    return read_pages(file, (uintptr_t)address, size, page, visit, context);
}

bool wagi_pages_discard(void *address, size_t size)
{
    return madvise(address, size, MADV_DONTNEED) == 0;
}

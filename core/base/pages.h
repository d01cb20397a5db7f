/* Which pages of a mapping have been written, as the system knows it; giving pages back; and telling that the process
 * is a child of the one that it was. */
#ifndef WAGI_BASE_PAGES_H
#define WAGI_BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Visit runs of pages of a private mapping that have memory of their own: all that were written since the mapping was
 * made or discarded, perhaps more; also those that are in swap. In order. False when the system cannot say: nothing,
 * or not everything, has been visited then. Any thread. */
typedef void (*wagi_pages_visitor)(void *context, uint64_t first, uint64_t count);
bool wagi_pages_written(const void *address, size_t size, wagi_pages_visitor visit, void *context);
/* Make whole pages what they were when they were mapped: zeros, or the file's bytes. False when the system refuses. */
bool wagi_pages_discard(void *address, size_t size);

/* A number that is another one in a child process than in its parent. Any thread. */
uint32_t wagi_process_epoch(void);

/* For tests: as on a system without the PAGEMAP_SCAN ioctl (1), and without /proc/self/pagemap (2). 0: as it is. */
void wagi_pages_pretend(int level);

#endif

/* Memory slots: how a memory that the pool keeps becomes what its image says, by one function (wagi_slot_reset).
 *
 * Sealed slots are the fast way. The pages that instances of a module usually write (the hot ones) are writable, all
 * others of the initial size read-only; so a reset restores the hot pages and nothing else, without a system call.
 * Whoever writes a cold page faults once: the handler makes it writable and notes it, and the next reset restores it
 * and protects it again. That needs guarded memories (their modules have installed the fault handler).
 *
 * Which pages are hot is learned: the first instances run with all pages writable, and their resets compare what was
 * touched with the image. Cold writes that recur make pages hot; when they do not settle, or too many pages are hot,
 * the module's slots stay open, and the system tells what was written. See also wagi_memory_plan.
 *
 * System calls that write into a memory do not fault, they fail (EFAULT). So the host gets at memory by functions that
 * make the bytes writable first; one that takes the whole memory opens the slot until the next reset.
 */
#ifndef WAGI_RUNTIME_SLOT_H
#define WAGI_RUNTIME_SLOT_H

#include "runtime/image.h"
#include "runtime/object.h"

enum { WAGI_HOT_RUNS = 16 };

/* Which pages are writable in a sealed slot. Immutable; counted by the plan and by each memory that is sealed so. */
typedef struct wagi_seal {
    size_t count;
    uint32_t run_count, pages;
    wagi_page_run runs[WAGI_HOT_RUNS]; /* ascending, with gaps */
} wagi_seal;

/* What an agent knows of one own memory of a module. */
typedef struct wagi_memory_plan {
    const wagi_memory_image *image; /* NULL: zeros */
    uint32_t pages;                 /* of the initial size; 0: nothing is ever sealed */
    wag_reset_strategy strategy;
    uint32_t learn;       /* resets that are still for learning */
    wagi_seal *seal;      /* NULL: slots stay open */
    uint8_t *counts;      /* for each page, how many instances of the window wrote it while it was not hot; or NULL */
    uint32_t window;      /* resets until the next look at the counts */
    uint32_t window_size; /* how many there were */
    uint32_t misses;      /* resets of the window that found cold pages written */
    uint32_t opened;      /* that found the slot opened by the host */
    uint32_t revisions;   /* of the seal */
    uint32_t scans;       /* resets by asking the system, since pages were last discarded */
} wagi_memory_plan;

/* image: borrow. guarded: the memories are. Never fails: without memory nothing is learned. */
void wagi_plan_init(wagi_memory_plan *plan, const wag_cluster *cluster, wagi_memory_type type,
                    const wagi_memory_image *image, bool guarded);
void wagi_plan_fini(wagi_memory_plan *plan);
/* One reset is over: what it found. Perhaps there is another seal now. */
void wagi_plan_learn(wagi_memory_plan *plan, bool missed, bool opened);
/* A page was written that no reset would have restored. */
static inline void wagi_plan_count(wagi_memory_plan *plan, uint64_t page)
{
    if (plan->counts && page < plan->pages && plan->counts[page] < UINT8_MAX)
        plan->counts[page]++;
}
void wagi_seal_unref(wagi_seal *seal);

/* An open memory comes under a plan. */
void wagi_slot_begin(wag_memory *memory, wagi_memory_plan *plan);
/* Make the memory what it was when it was opened, with its image. False when that cannot be had: then it must be
 * closed.
 */
bool wagi_slot_reset(wag_memory *memory);
/* Make all of it writable, for good until the next reset. */
void wagi_slot_open(wag_memory *memory);
/* Make these bytes, which are inside, writable for the kernel too. */
void wagi_slot_make_writable(wag_memory *memory, uint64_t offset, uint64_t size);
/* Before the memory is closed: nothing is sealed, nobody knows its address. False when the system has not made all of
 * it writable. */
bool wagi_slot_end(wag_memory *memory);
/* A fault at this address: true when it was a write to a cold page of this thread's agent, which is writable now.
 * Async-signal-safe. */
bool wagi_slot_on_fault(uintptr_t address);
uint64_t wagi_slot_resident(const wag_memory *memory); /* bytes that it keeps in memory, about */
/* The agent ends. */
void wagi_slot_table_free(wag_agent *agent);

#endif

/* Plans: learning which pages of a module's memories are hot. Policy only; slot.c does what it says. */
#include <string.h>

#include "base/alloc.h"
#include "base/os.h"
#include "runtime/agent.h"
#include "runtime/slot.h"

enum {
    LEARN = 8,         /* instances before the first seal */
    FIRST_WINDOW = 16, /* resets before the seal is looked at; doubles */
    LAST_WINDOW = 256,
    HOT_PAGES = 1024,         /* most in a seal: 4 MiB */
    SEALABLE_PAGES = 1 << 14, /* most of a memory: 64 MiB */
    GAP = 3,                  /* cold pages between two hot runs that are not worth two runs */
    REVISIONS = 8             /* of a seal before it counts as unstable */
};

void wagi_plan_init(wagi_memory_plan *plan, const wag_cluster *cluster, wagi_memory_type type,
                    const wagi_memory_image *image, bool guarded)
{
    *plan = (wagi_memory_plan){.image = image, .strategy = cluster->reset, .window_size = FIRST_WINDOW};
    bool may_seal = guarded && wagi_os_page_size() == WAGI_IMAGE_PAGE &&
                    (plan->strategy == WAG_RESET_DEFAULT || plan->strategy == WAG_RESET_SEALED);
    uint64_t pages = type.limits.minimum * (65536 / WAGI_IMAGE_PAGE);
    if (!may_seal || pages == 0 || pages > SEALABLE_PAGES)
        return;
    plan->counts = wagi_alloc_zero((size_t)pages, sizeof *plan->counts);
    if (!plan->counts)
        return;
    plan->pages = (uint32_t)pages;
    plan->learn = plan->strategy == WAG_RESET_SEALED ? 1 : LEARN;
}

void wagi_seal_unref(wagi_seal *seal)
{
    if (seal && --seal->count == 0)
        wagi_free(seal);
}

void wagi_plan_fini(wagi_memory_plan *plan)
{
    wagi_seal_unref(plan->seal);
    wagi_free(plan->counts);
    plan->seal = NULL;
    plan->counts = NULL;
}

static bool is_hot(const wagi_seal *seal, uint32_t page)
{
    for (uint32_t i = 0; seal && i < seal->run_count; i++)
        if (page >= seal->runs[i].first && page - seal->runs[i].first < seal->runs[i].count)
            return true;
    return false;
}

/* Join the two neighbours with the smallest gap. */
static void join_closest(wagi_seal *seal)
{
    uint32_t best = 0, smallest = UINT32_MAX;
    for (uint32_t i = 0; i + 1 < seal->run_count; i++) {
        uint32_t gap = seal->runs[i + 1].first - (seal->runs[i].first + seal->runs[i].count);
        if (gap < smallest) {
            smallest = gap;
            best = i;
        }
    }
    wagi_page_run *run = &seal->runs[best];
    run->count = run[1].first + run[1].count - run->first;
    seal->run_count--;
    memmove(run + 1, run + 2, (seal->run_count - best - 1) * sizeof *run);
}

/* The old hot pages and those that `least` instances wrote. NULL without memory, or when there are too many. */
static wagi_seal *seal_from(const wagi_memory_plan *plan, uint32_t least)
{
    wagi_seal *seal = WAGI_NEW(wagi_seal);
    if (!seal)
        return NULL;
    seal->count = 1;
    for (uint32_t page = 0; page < plan->pages; page++) {
        if (plan->counts[page] < least && !is_hot(plan->seal, page))
            continue;
        wagi_page_run *last = seal->run_count ? &seal->runs[seal->run_count - 1] : NULL;
        if (last && page - (last->first + last->count) <= GAP) {
            last->count = page + 1 - last->first;
            continue;
        }
        if (seal->run_count == WAGI_HOT_RUNS)
            join_closest(seal);
        /* One that was joined may reach to here now. */
        seal->runs[seal->run_count++] = (wagi_page_run){page, 1};
    }
    for (uint32_t i = 0; i < seal->run_count; i++)
        seal->pages += seal->runs[i].count;
    if (seal->pages <= HOT_PAGES)
        return seal;
    wagi_free(seal);
    return NULL;
}

static void begin_window(wagi_memory_plan *plan)
{
    plan->window = plan->misses = plan->opened = 0;
    memset(plan->counts, 0, plan->pages);
}

/* From now on slots stay open. */
static void give_up(wagi_memory_plan *plan)
{
    wagi_plan_fini(plan);
    plan->pages = 0;
}

static void revise(wagi_memory_plan *plan, uint32_t least)
{
    wagi_seal *seal = plan->revisions++ < REVISIONS ? seal_from(plan, least) : NULL;
    if (!seal) {
        give_up(plan);
        return;
    }
    wagi_seal_unref(plan->seal);
    plan->seal = seal;
    begin_window(plan);
}

void wagi_plan_learn(wagi_memory_plan *plan, bool missed, bool opened)
{
    if (plan->pages == 0)
        return;
    plan->opened += opened;
    plan->window++;
    if (plan->learn) {
        if (--plan->learn)
            return;
        if (plan->opened > plan->window / 2 && plan->strategy == WAG_RESET_DEFAULT)
            give_up(plan);
        else
            revise(plan, plan->window >= 4 ? plan->window / 4 : 1);
        return;
    }
    plan->misses += missed;
    if (plan->window < plan->window_size)
        return;
    if (plan->window_size < LAST_WINDOW)
        plan->window_size *= 2;
    if (plan->opened > plan->window / 4 && plan->strategy == WAG_RESET_DEFAULT)
        give_up(plan);
    else if (plan->misses > plan->window / 20)
        revise(plan, plan->misses / 4 ? plan->misses / 4 : 1);
    else
        begin_window(plan);
}

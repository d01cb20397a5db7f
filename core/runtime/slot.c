/* Memory slots: resetting, sealing, cold writes. */
#include "runtime/slot.h"

#include <string.h>

#include "base/alloc.h"
#include "base/os.h"
#include "base/pages.h"
#include "runtime/quota.h"

enum {
    FULL_BYTES = 2 * 65536, /* an open memory up to this size is restored whole: as fast as asking what was written */
    CLEAR_GROWN = 8 << 20,  /* what a memory has grown by is discarded when it is more */
    CLEAR_PAGES = 2048,     /* and zeros of an open memory, as soon as more pages of it have been written */
    DISCARD_EVERY = 64,     /* resets of an open slot: the pages that one instance wrote are asked for ever after */
    UNSEAL_STEP = 4         /* a cold write next to the last one makes this many times as many pages writable */
};

static uint64_t initial_size(const wag_memory *memory)
{
    return memory->type.limits.minimum << memory->type.page_size_log2;
}

/* The pages that can be sealed. */
static uint64_t pages_of(const wag_memory *memory)
{
    return initial_size(memory) / WAGI_IMAGE_PAGE;
}

/* ---- the addresses of sealed slots ----
 * By the 8 GiB in which the memory begins: no two begin in the same ones. */

static size_t home(uint64_t chunk, size_t size)
{
    return (size_t)((chunk * 0x9E3779B97F4A7C15u) >> 32) & (size - 1);
}

static uint64_t chunk_of(uintptr_t address)
{
    return (uint64_t)address >> 33;
}

static void insert(wag_memory **table, size_t size, wag_memory *memory)
{
    size_t place = home(chunk_of((uintptr_t)memory->base), size);
    while (table[place])
        place = (place + 1) & (size - 1);
    table[place] = memory;
}

static bool register_memory(wag_memory *memory)
{
    wag_agent *agent = memory->object.unit->agent;
    if (memory->slot.registered)
        return true;
    if ((agent->sealed.count + 1) * 2 > agent->sealed.size) {
        size_t size = agent->sealed.size ? agent->sealed.size * 2 : 16;
        wag_memory **table = wagi_alloc_zero(size, sizeof *table);
        if (!table)
            return false;
        for (size_t i = 0; i < agent->sealed.size; i++)
            if (agent->sealed.table[i])
                insert(table, size, agent->sealed.table[i]);
        wagi_free(agent->sealed.table);
        agent->sealed.table = table;
        agent->sealed.size = size;
    }
    insert(agent->sealed.table, agent->sealed.size, memory);
    agent->sealed.count++;
    memory->slot.registered = true;
    return true;
}

static void unregister(wag_memory *memory)
{
    wag_agent *agent = memory->object.unit->agent;
    wag_memory **table = agent->sealed.table;
    size_t mask = agent->sealed.size - 1, hole = home(chunk_of((uintptr_t)memory->base), agent->sealed.size);
    while (table[hole] != memory)
        hole = (hole + 1) & mask;
    agent->sealed.count--;
    memory->slot.registered = false;
    /* Close the gap: move up what would not be found any more. */
    for (size_t at = (hole + 1) & mask; table[at]; at = (at + 1) & mask) {
        size_t wanted = home(chunk_of((uintptr_t)table[at]->base), agent->sealed.size);
        if (((at - wanted) & mask) >= ((at - hole) & mask)) {
            table[hole] = table[at];
            hole = at;
        }
    }
    table[hole] = NULL;
}

static wag_memory *find_in(const wag_agent *agent, uint64_t chunk, uintptr_t address)
{
    wag_memory *const *table = agent->sealed.table;
    size_t mask = agent->sealed.size - 1;
    for (size_t at = home(chunk, agent->sealed.size); table[at]; at = (at + 1) & mask)
        if (address - (uintptr_t)table[at]->base < initial_size(table[at]))
            return table[at];
    return NULL;
}

static wag_memory *find(const wag_agent *agent, uintptr_t address)
{
    if (!agent || !agent->sealed.count)
        return NULL;
    wag_memory *memory = find_in(agent, chunk_of(address), address);
    return memory ? memory : find_in(agent, chunk_of(address) - 1, address);
}

void wagi_slot_table_free(wag_agent *agent)
{
    wagi_free(agent->sealed.table);
    agent->sealed.table = NULL;
    agent->sealed.size = agent->sealed.count = 0;
}

/* ---- sealing ---- */

static bool protect(const wag_memory *memory, uint64_t first, uint64_t count, wagi_protection protection)
{
    return count == 0 ||
           wagi_os_protect(memory->base + first * WAGI_IMAGE_PAGE, (size_t)count * WAGI_IMAGE_PAGE, protection);
}

static void drop_seal(wag_memory *memory)
{
    wagi_seal *seal = memory->slot.seal;
    memory->slot.seal = NULL;
    memory->slot.cold_count = 0;
    wagi_seal_unref(seal);
}

/* All writable. False when the system refuses. */
static bool open_all(wag_memory *memory)
{
    if (!protect(memory, 0, pages_of(memory), WAGI_PROT_READ_WRITE))
        return false;
    drop_seal(memory);
    return true;
}

/* Protect what is not hot. The contents are the image. False when the system refuses: then anything may be protected.
 */
static bool seal(wag_memory *memory, wagi_seal *seal)
{
    if (!register_memory(memory) || !protect(memory, 0, pages_of(memory), WAGI_PROT_READ))
        return false;
    for (uint32_t i = 0; i < seal->run_count; i++)
        if (!protect(memory, seal->runs[i].first, seal->runs[i].count, WAGI_PROT_READ_WRITE))
            return false;
    seal->count++;
    drop_seal(memory);
    memory->slot.seal = seal;
    return true;
}

/* The hot run at or behind a page; run_count when there is none. */
static uint32_t run_from(const wagi_seal *seal, uint32_t page)
{
    uint32_t i = 0;
    while (i < seal->run_count && seal->runs[i].first + seal->runs[i].count <= page)
        i++;
    return i;
}

static bool is_all_unsealed(const wag_memory *memory)
{
    return memory->slot.cold_count == 1 && memory->slot.cold[0].count == pages_of(memory);
}

/* Make everything writable, but go on being a sealed slot. False when the system refuses. */
static bool unseal_all(wag_memory *memory)
{
    if (!protect(memory, 0, pages_of(memory), WAGI_PROT_READ_WRITE))
        return false;
    memory->slot.cold[0] = (wagi_page_run){0, (uint32_t)pages_of(memory)};
    memory->slot.cold_count = 1;
    return true;
}

/* Make cold pages writable: `wanted` of them from `page` on, as far as the next hot one. How many it were; 0: the
 * system refuses, or the page is hot. */
static uint32_t unseal(wag_memory *memory, uint32_t page, uint32_t wanted)
{
    wagi_slot_state *slot = &memory->slot;
    uint32_t pages = (uint32_t)pages_of(memory), next = run_from(slot->seal, page);
    uint32_t end = next < slot->seal->run_count ? slot->seal->runs[next].first : pages;
    if (end <= page)
        return 0;
    uint32_t count = wanted < end - page ? wanted : end - page;
    if (slot->cold_count == WAGI_COLD_RUNS || !protect(memory, page, count, WAGI_PROT_READ_WRITE))
        return unseal_all(memory) ? pages - page : 0;
    slot->cold[slot->cold_count++] = (wagi_page_run){page, count};
    return count;
}

static bool is_unsealed(const wagi_slot_state *slot, uint32_t page)
{
    for (uint32_t i = 0; i < slot->cold_count; i++)
        if (page - slot->cold[i].first < slot->cold[i].count)
            return true;
    return false;
}

bool wagi_slot_on_fault(uintptr_t address)
{
    wag_memory *memory = find(wagi_agent_peek(), address);
    if (!memory || !memory->slot.seal)
        return false;
    wagi_slot_state *slot = &memory->slot;
    uint32_t page = (uint32_t)((address - (uintptr_t)memory->base) / WAGI_IMAGE_PAGE), wanted = 1;
    if (is_unsealed(slot, page))
        return false;
    if (slot->cold_count) {
        const wagi_page_run *last = &slot->cold[slot->cold_count - 1];
        if (last->first + last->count == page)
            wanted = last->count * UNSEAL_STEP;
    }
    return unseal(memory, page, wanted) > 0;
}

void wagi_slot_open(wag_memory *memory)
{
    memory->slot.host_opened = true;
    if (memory->slot.seal && !is_all_unsealed(memory))
        unseal_all(memory);
}

void wagi_slot_make_writable(wag_memory *memory, uint64_t offset, uint64_t size)
{
    wagi_slot_state *slot = &memory->slot;
    if (!slot->seal || size == 0)
        return;
    uint64_t end = (offset + size - 1) / WAGI_IMAGE_PAGE + 1;
    if (end > pages_of(memory))
        end = pages_of(memory);
    for (uint64_t page = offset / WAGI_IMAGE_PAGE; page < end;) {
        uint32_t next = run_from(slot->seal, (uint32_t)page), count = 0;
        if (next < slot->seal->run_count && slot->seal->runs[next].first <= page)
            page = slot->seal->runs[next].first + slot->seal->runs[next].count; /* hot */
        else if (is_unsealed(slot, (uint32_t)page))
            page++;
        else if ((count = unseal(memory, (uint32_t)page, (uint32_t)(end - page))) > 0)
            page += count;
        else
            return; /* the system refuses: the write will say so */
    }
}

/* ---- resetting ---- */

typedef struct restoring {
    wag_memory *memory;
    wagi_memory_plan *plan;
    uint64_t pages, found;
} restoring;

static void restore_run(void *context, uint64_t first, uint64_t count)
{
    restoring *r = context;
    r->found += count;
    if (r->found > CLEAR_PAGES && !r->plan->image &&
        wagi_pages_discard(r->memory->base + first * WAGI_IMAGE_PAGE, (size_t)count * WAGI_IMAGE_PAGE))
        r->found -= count;
    else
        wagi_memory_image_restore(r->plan->image, r->memory->base, first, count);
}

/* The same while learning: pages that are as they were have not been written. */
static void compare_run(void *context, uint64_t first, uint64_t count)
{
    restoring *r = context;
    r->found += count;
    for (uint64_t page = first; page < first + count; page++)
        if (wagi_memory_image_restore_page(r->plan->image, r->memory->base, page))
            wagi_plan_count(r->plan, page);
}

/* The first `size` bytes of a memory whose pages are all writable. */
static bool reset_open(wag_memory *memory, uint64_t size, uint64_t *ret_touched)
{
    wagi_memory_plan *plan = memory->slot.plan;
    restoring r = {memory, plan, size / WAGI_IMAGE_PAGE, 0};
    bool learns = plan->learn > 0;
    bool in_pages = memory->is_mapped && wagi_os_page_size() == WAGI_IMAGE_PAGE;
    wag_reset_strategy strategy = plan->strategy;
    if (strategy == WAG_RESET_FULL || size <= FULL_BYTES || !in_pages) {
        if (strategy != WAG_RESET_SCAN || !in_pages) {
            (learns ? compare_run : restore_run)(&r, 0, r.pages);
            *ret_touched = r.pages;
            return true;
        }
    }
    if (strategy != WAG_RESET_DISCARD && plan->scans < DISCARD_EVERY &&
        wagi_pages_written(memory->base, (size_t)size, learns ? compare_run : restore_run, &r)) {
        plan->scans++;
        *ret_touched = r.found;
        return true;
    }
    plan->scans = 0;
    if (!wagi_pages_discard(memory->base, (size_t)size))
        return false;
    *ret_touched = 0;
    if (plan->image) {
        wagi_memory_image_fill(plan->image, memory->base);
        *ret_touched = plan->image->filled_pages;
    }
    return true;
}

static void restore_hot(const wag_memory *memory)
{
    const wagi_seal *sealed = memory->slot.seal;
    for (uint32_t i = 0; i < sealed->run_count; i++)
        wagi_memory_image_restore(memory->slot.plan->image, memory->base, sealed->runs[i].first, sealed->runs[i].count);
}

static bool reset_sealed(wag_memory *memory, bool *ret_missed)
{
    wagi_slot_state *slot = &memory->slot;
    wagi_memory_plan *plan = slot->plan;
    const wagi_seal *sealed = slot->seal;
    *ret_missed = slot->cold_count > 0;
    restore_hot(memory);
    for (uint32_t i = 0; i < slot->cold_count; i++) {
        uint32_t end = slot->cold[i].first + slot->cold[i].count;
        for (uint32_t page = slot->cold[i].first; page < end; page++) {
            uint32_t next = run_from(sealed, page);
            bool hot = next < sealed->run_count && sealed->runs[next].first <= page;
            if (!hot && wagi_memory_image_restore_page(plan->image, memory->base, page))
                wagi_plan_count(plan, page);
        }
    }
    if (is_all_unsealed(memory)) {
        wagi_seal *again = slot->seal;
        again->count++;
        bool fine = seal(memory, again) || open_all(memory);
        wagi_seal_unref(again);
        return fine;
    }
    bool fine = true;
    for (uint32_t i = 0; fine && i < slot->cold_count; i++)
        fine = protect(memory, slot->cold[i].first, slot->cold[i].count, WAGI_PROT_READ);
    slot->cold_count = 0;
    return fine || open_all(memory);
}

typedef struct clearing {
    uint8_t *base;
    uint64_t found;
} clearing;

static void clear_run(void *context, uint64_t first, uint64_t count)
{
    clearing *c = context;
    memset(c->base + first * WAGI_IMAGE_PAGE, 0, (size_t)count * WAGI_IMAGE_PAGE);
    c->found += count;
}

/* The next instance probably grows as far: writing zeros costs a tenth of what faulting the pages in again would. */
static bool clear_grown(wag_memory *memory, uint8_t *from, uint64_t size)
{
    clearing c = {from, 0};
    if (size > CLEAR_GROWN || wagi_os_page_size() != WAGI_IMAGE_PAGE ||
        memory->slot.plan->strategy == WAG_RESET_DISCARD || !wagi_pages_written(from, (size_t)size, clear_run, &c))
        return wagi_pages_discard(from, (size_t)size);
    memory->slot.grown = (uint32_t)c.found;
    return true;
}

/* Back to the initial size. What comes back when it grows again is zero. */
static bool shrink(wag_memory *memory)
{
    uint64_t size = initial_size(memory), grown = memory->size - size;
    uint8_t *end = memory->base + size;
    if (grown == 0)
        return true;
    if (memory->is_guarded) {
        memory->slot.grown = 0;
        if (!clear_grown(memory, end, grown) || !wagi_os_protect(end, (size_t)grown, WAGI_PROT_NONE))
            return false;
    } else if (size == 0) {
        return false;
    } else if (memory->is_mapped) {
        uint8_t *base = wagi_os_remap(memory->base, (size_t)memory->size, (size_t)size);
        if (!base)
            return false;
        memory->base = base;
    }
    wagi_quota_give_for(memory->object.unit, WAGI_QUOTA_MEMORY, grown);
    memory->size = size;
    memory->pages = memory->type.limits.minimum;
    return true;
}

void wagi_slot_begin(wag_memory *memory, wagi_memory_plan *plan)
{
    memset(&memory->slot, 0, sizeof memory->slot);
    if (!memory->shared && memory->type.page_size_log2 == 16)
        memory->slot.plan = plan;
}

/* Is the debug mode content with it? */
static bool is_reset(const wag_memory *memory)
{
    wag_cluster *cluster = memory->object.unit->agent->cluster;
    if (!cluster->check_resets || wagi_memory_image_is_at(memory->slot.plan->image, memory->base, initial_size(memory)))
        return true;
    atomic_fetch_add(&cluster->reset_mismatches, 1);
    return false;
}

/* The steady state: sealed as the plan wants it, only hot pages written, and nothing to be learned now. */
static bool is_steady(const wag_memory *memory)
{
    const wagi_slot_state *slot = &memory->slot;
    return slot->seal && slot->seal == slot->plan->seal && !slot->cold_count && !slot->host_opened &&
           memory->pages == memory->type.limits.minimum && slot->plan->window + 1 < slot->plan->window_size;
}

bool wagi_slot_reset(wag_memory *memory)
{
    wagi_slot_state *slot = &memory->slot;
    wagi_memory_plan *plan = slot->plan;
    if (plan && is_steady(memory)) {
        restore_hot(memory);
        plan->window++;
        return is_reset(memory);
    }
    if (!plan || !shrink(memory))
        return false;
    uint64_t size = initial_size(memory);
    bool missed = false, opened = slot->host_opened;
    slot->host_opened = false;
    if (size == 0)
        return true;
    uint64_t touched = slot->touched;
    if (!(slot->seal ? reset_sealed(memory, &missed) : reset_open(memory, size, &touched)))
        return false;
    slot->touched = (uint32_t)(touched < UINT32_MAX ? touched : UINT32_MAX);
    wagi_plan_learn(plan, missed && !opened, opened);
    /* Without more mappings to be had it stays open. */
    if (slot->seal != plan->seal && !(plan->seal && seal(memory, plan->seal)) && !open_all(memory))
        return false;
    return is_reset(memory);
}

bool wagi_slot_end(wag_memory *memory)
{
    bool writable = !memory->slot.seal || open_all(memory);
    drop_seal(memory);
    if (memory->slot.registered)
        unregister(memory);
    memset(&memory->slot, 0, sizeof memory->slot);
    return writable;
}

uint64_t wagi_slot_resident(const wag_memory *memory)
{
    return ((uint64_t)memory->slot.touched + memory->slot.grown) * WAGI_IMAGE_PAGE;
}

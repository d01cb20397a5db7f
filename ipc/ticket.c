/* Slots live in segments of doubling size, so that a slot never moves and take needs no lock to reach one. The list of
 * free slots is under a lock: put and take are microseconds apart at best, since nng is between them.
 */
#include "ipc/ticket.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/sync.h"
#include "ipc/channel.h"

#define SLOT_BITS 20 /* a ticket is generation << SLOT_BITS | slot, plus 1 */
#define SLOT_LIMIT (UINT32_C(1) << SLOT_BITS)
#define GENERATION_MASK ((UINT64_C(1) << (63 - SLOT_BITS)) - 1)
#define FIRST_SEGMENT_BITS 4
#define SEGMENT_COUNT (SLOT_BITS - FIRST_SEGMENT_BITS + 1)
#define NO_SLOT UINT32_MAX

typedef struct ticket_slot {
    _Atomic uint64_t state; /* generation << 1 | sent */
    wagi_transfer transfer; /* written before SENT is published, read by the winner of the CAS only */
    uint32_t next_free;     /* guarded by lock */
} ticket_slot;

struct wagi_ticket_table {
    atomic_size_t count;
    /* Segment 0 has 16 slots, segment k > 0 as many as all before it together. Each is written once. */
    _Atomic(ticket_slot *) segments[SEGMENT_COUNT];
    wagi_mutex lock;     /* leaf: nothing is called under it but the allocator */
    uint32_t slot_count; /* guarded by lock */
    uint32_t free_head;  /* guarded by lock */
};

void wagi_transfer_unref(wagi_transfer transfer)
{
    wag_module_unref(transfer.module);
    wag_shared_memory_unref(transfer.memory);
    wagi_backing_free(transfer.backing);
    wagi_end_close(transfer.end);
}

wagi_ticket_table *wagi_tickets_new(void)
{
    wagi_ticket_table *table = WAGI_NEW(wagi_ticket_table);
    if (!table)
        return NULL;
    atomic_init(&table->count, 1);
    for (size_t i = 0; i < SEGMENT_COUNT; i++)
        atomic_init(&table->segments[i], NULL);
    wagi_mutex_init(&table->lock);
    table->free_head = NO_SLOT;
    return table;
}

wagi_ticket_table *wagi_tickets_ref(wagi_ticket_table *table)
{
    /* relaxed: whoever counts up holds a reference already. */
    atomic_fetch_add_explicit(&table->count, 1, memory_order_relaxed);
    return table;
}

void wagi_tickets_unref(wagi_ticket_table *table)
{
    /* acq_rel: the last owner sees all that the others did with the table before it frees it. */
    if (!table || atomic_fetch_sub_explicit(&table->count, 1, memory_order_acq_rel) != 1)
        return;
    wagi_tickets_reap(table);
    for (size_t i = 0; i < SEGMENT_COUNT; i++)
        wagi_free(atomic_load_explicit(&table->segments[i], memory_order_relaxed)); /* relaxed: nobody else is left */
    wagi_mutex_fini(&table->lock);
    wagi_free(table);
}

/* The segment of a slot, and the number of its first slot. */
static uint32_t segment_of(uint32_t slot, uint32_t *ret_first)
{
    uint32_t segment = 0, first = 0, end = UINT32_C(1) << FIRST_SEGMENT_BITS;
    while (slot >= end) {
        segment++;
        first = end;
        end *= 2;
    }
    *ret_first = first;
    return segment;
}

static ticket_slot *slot_at(wagi_ticket_table *table, uint32_t slot)
{
    uint32_t first;
    uint32_t segment = segment_of(slot, &first);
    /* acquire: pairs with the release in slot_acquire, so that the slots are seen initialised. */
    ticket_slot *slots = atomic_load_explicit(&table->segments[segment], memory_order_acquire);
    return slots ? slots + (slot - first) : NULL;
}

/* A free slot that nobody else has, or NO_SLOT. */
static uint32_t slot_acquire(wagi_ticket_table *table)
{
    uint32_t slot = NO_SLOT;
    wagi_mutex_lock(&table->lock);
    if (table->free_head != NO_SLOT) {
        slot = table->free_head;
        table->free_head = slot_at(table, slot)->next_free;
    } else if (table->slot_count < SLOT_LIMIT) {
        uint32_t first;
        uint32_t segment = segment_of(table->slot_count, &first);
        if (table->slot_count == first) {
            uint32_t size = first ? first : UINT32_C(1) << FIRST_SEGMENT_BITS;
            ticket_slot *slots = wagi_alloc_zero(size, sizeof *slots);
            if (slots) /* release: pairs with the acquire in slot_at */
                atomic_store_explicit(&table->segments[segment], slots, memory_order_release);
        }
        if (slot_at(table, table->slot_count))
            slot = table->slot_count++;
    }
    wagi_mutex_unlock(&table->lock);
    return slot;
}

static void slot_release(wagi_ticket_table *table, uint32_t slot)
{
    wagi_mutex_lock(&table->lock);
    slot_at(table, slot)->next_free = table->free_head;
    table->free_head = slot;
    wagi_mutex_unlock(&table->lock);
}

wagi_ticket wagi_ticket_put(wagi_ticket_table *table, wagi_transfer transfer)
{
    uint32_t number = slot_acquire(table);
    if (number == NO_SLOT)
        return 0;
    ticket_slot *slot = slot_at(table, number);
    /* relaxed: a free slot is its acquirer's alone. */
    uint64_t generation = atomic_load_explicit(&slot->state, memory_order_relaxed) >> 1;
    slot->transfer = transfer;
    /* release: publishes it; pairs with the CAS in slot_claim. */
    atomic_store_explicit(&slot->state, generation << 1 | 1, memory_order_release);
    return (generation << SLOT_BITS | number) + 1;
}

/* Win the slot in this state, or nothing. */
static wagi_transfer slot_claim(wagi_ticket_table *table, uint32_t number, uint64_t generation)
{
    ticket_slot *slot = slot_at(table, number);
    uint64_t sent = generation << 1 | 1;
    uint64_t taken = ((generation + 1) & GENERATION_MASK) << 1;
    /* acquire: pairs with the release in wagi_ticket_put. relaxed on failure: the loser reads nothing. */
    if (!slot || !atomic_compare_exchange_strong_explicit(&slot->state, &sent, taken, memory_order_acquire,
                                                          memory_order_relaxed))
        return (wagi_transfer){0};
    wagi_transfer transfer = slot->transfer;
    slot->transfer = (wagi_transfer){0};
    slot_release(table, number);
    return transfer;
}

wagi_transfer wagi_ticket_take(wagi_ticket_table *table, wagi_ticket ticket)
{
    uint64_t generation = (ticket - 1) >> SLOT_BITS;
    if (ticket == 0 || generation > GENERATION_MASK)
        return (wagi_transfer){0};
    return slot_claim(table, (uint32_t)((ticket - 1) & (SLOT_LIMIT - 1)), generation);
}

static uint32_t slots_used(wagi_ticket_table *table)
{
    wagi_mutex_lock(&table->lock);
    uint32_t count = table->slot_count;
    wagi_mutex_unlock(&table->lock);
    return count;
}

size_t wagi_tickets_reap(wagi_ticket_table *table)
{
    size_t reaped = 0;
    uint32_t count = slots_used(table);
    for (uint32_t i = 0; i < count; i++) {
        /* relaxed: the CAS of slot_claim decides. */
        uint64_t state = atomic_load_explicit(&slot_at(table, i)->state, memory_order_relaxed);
        wagi_transfer transfer = {0};
        if (state & 1)
            transfer = slot_claim(table, i, state >> 1);
        reaped += !wagi_transfer_is_none(transfer);
        wagi_transfer_unref(transfer);
    }
    return reaped;
}

size_t wagi_tickets_live(wagi_ticket_table *table)
{
    size_t live = 0;
    uint32_t count = slots_used(table);
    for (uint32_t i = 0; i < count; i++)
        live += atomic_load_explicit(&slot_at(table, i)->state, memory_order_relaxed) & 1; /* relaxed: a statistic */
    return live;
}

/* Claim tickets: how Modules, shared memories, buffers and ports cross a channel.
 *
 * nng tells nobody when it frees a message, so a message must never contain an owning pointer. It contains a ticket:
 * the number of a slot in a table that both ends share, and the slot's generation. The table holds the reference. put
 * the sender's reference moves into a free slot:            (generation, FREE) -> (generation, SENT) take   whoever
 * comes first gets the reference, by one CAS:       (generation, SENT) -> (generation + 1, FREE) reap   takes every
 * slot that is still SENT, when the channel has ended The receiver, a sender whose send failed and the reaper race on
 * that CAS: exactly one wins, so nothing leaks and nothing is released twice. The losers, and tickets that are stale,
 * repeated or made up, get NULL.
 */
#ifndef WAGI_IPC_TICKET_H
#define WAGI_IPC_TICKET_H

#include "runtime/buffer.h"

typedef struct wagi_end wagi_end; /* channel.h */

/* What travels beside a message's bytes: a reference to one of these, or to nothing. The last two are the only ones:
 * who has the transfer owns them. */
typedef struct wagi_transfer {
    wag_module *module;
    wag_shared_memory *memory;
    wagi_backing *backing;
    wagi_end *end;
} wagi_transfer;

static inline bool wagi_transfer_is_none(wagi_transfer transfer)
{
    return !transfer.module && !transfer.memory && !transfer.backing && !transfer.end;
}
/* It was transferred: it is in the transfer list of the message, and nowhere else any more. */
static inline bool wagi_transfer_is_listed(wagi_transfer transfer)
{
    return transfer.backing || transfer.end;
}
/* It will not arrive. A port is closed then: not on nng's threads. */
void wagi_transfer_unref(wagi_transfer transfer);

typedef uint64_t wagi_ticket; /* 0 is never one */
/* Any thread; atomically counted. */
typedef struct wagi_ticket_table wagi_ticket_table;

wagi_ticket_table *wagi_tickets_new(void); /* NULL when memory is out */
wagi_ticket_table *wagi_tickets_ref(wagi_ticket_table *table);
/* The last reference releases what is still in the table. NULL is a no-op. */
void wagi_tickets_unref(wagi_ticket_table *table);

/* transfer: own, the table has it on success. 0: memory or slots are out, the transfer stays the caller's. */
wagi_ticket wagi_ticket_put(wagi_ticket_table *table, wagi_transfer transfer);
/* own; none when the ticket is not valid (any more). */
wagi_transfer wagi_ticket_take(wagi_ticket_table *table, wagi_ticket ticket);
/* Release everything that is in the table; returns how much that was. */
size_t wagi_tickets_reap(wagi_ticket_table *table);
/* Tickets that are out. Exact only while nobody puts or takes. */
size_t wagi_tickets_live(wagi_ticket_table *table);

#endif

/* The interpreter's stack frames, shared by the loop and by what surrounds it.
 *
 * All frames are on the agent's value stack; the C stack holds one wagi_interp_run per entry from the host. One
 * activation:
 *
 *   locals                  locals + local_count         record + 1
 *   | arguments | locals ... | record (of the caller)     | operands ... up to max_height |
 *
 * The arguments are the caller's topmost operands, in place; the results go to where the arguments began. The record
 * says how to go on in the caller. The activation that the host entered has a record whose ip is the exit pseudo-op,
 * whose body is NULL, and whose instance is its own.
 *
 * An instance that runs is kept alive: by wagi_call_slots for the one that the host entered, and by a handle
 * (unit.handles) for every activation whose instance is not the one in its record. So calls inside an instance count
 * nothing.
 */
#ifndef WAGI_INTERP_FRAME_H
#define WAGI_INTERP_FRAME_H

#include "runtime/agent.h"

typedef struct wagi_interp_record {
    const uint8_t *ip; /* where the caller goes on, behind the call */
    const wagi_side_entry *stp;
    wagi_slot *locals;
    const wagi_func_body *body;
    uintptr_t instance; /* | WAGI_INTERP_INDIRECT */
} wagi_interp_record;

/* The call has two immediates (call_indirect), not one: needed to find the opcode from the ip behind it. */
#define WAGI_INTERP_INDIRECT ((uintptr_t)1)
#define WAGI_INTERP_RECORD_SLOTS (sizeof(wagi_interp_record) / sizeof(wagi_slot))
/* The pseudo-op that ends wagi_interp_run: no opcode of the table. */
#define WAGI_INTERP_EXIT 0xFF

_Static_assert(sizeof(wagi_interp_record) % sizeof(wagi_slot) == 0, "a record is a whole number of slots");
_Static_assert(_Alignof(wagi_interp_record) <= _Alignof(wagi_slot), "a record can follow any slot");

static inline wagi_interp_record *wagi_interp_record_of(wagi_slot *locals, const wagi_func_body *body)
{
    return (wagi_interp_record *)(void *)(locals + body->local_count);
}
static inline wag_instance *wagi_interp_record_instance(const wagi_interp_record *record)
{
    return (wag_instance *)(record->instance & ~WAGI_INTERP_INDIRECT);
}

/* Slots from `locals` on that an activation can use. */
static inline size_t wagi_interp_need(const wagi_func_body *body)
{
    return (size_t)body->local_count + WAGI_INTERP_RECORD_SLOTS + body->max_height;
}

/* Run a function whose arguments are at `locals` on the agent's stack, where room has been checked. The results are at
 * `locals` then. Leaves agent->stack_top anywhere. */
wag_error *wagi_interp_run(wag_agent *agent, wag_instance *instance, const wagi_func_body *body, wagi_slot *locals);

/* What the loop does when a call ends with an error: add the frames from (body, ip, locals) outward to the error, give
 * the handles back. Returns error. */
wag_error *wagi_interp_unwind(wag_agent *agent, wag_instance *instance, const wagi_func_body *body, const uint8_t *ip,
                              wagi_slot *locals, wag_error *error);

#endif

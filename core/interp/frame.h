/* The interpreter's stack frames and state, shared by the loop and by what surrounds it.
 *
 * The loop (interp_loop.c) is a leaf: it calls nothing, so that the compiler can keep its variables in registers. What
 * needs a call it leaves to its driver (interp.c): it saves its state, says why, and is started again afterwards.
 *
 * All frames are on the agent's value stack; the C stack holds one driver (interp.c) per entry from the host. One
 * activation:
 *
 *   locals                  locals + local_count         record + 1
 *   | arguments | locals ... | record (of the caller)     | operands ... up to max_height |
 *
 * The arguments are the caller's topmost operands, in place; the results go to where the arguments began. The record
 * says how to go on in the caller. The activation that the host entered has a record whose ip is the exit pseudo-op,
 * whose body is NULL, and whose instance is its own.
 *
 * A v128 is one value. Its low half is in its slot, its high half in the slot at a constant distance behind
 * (wagi_interp_high): the upper half of the agent's stack mapping mirrors the lower one and is used by functions with
 * v128 values only. Those run in a loop of their own; a call from one loop's function to the other's, and the return
 * from it, goes through the driver. Where values leave this stack (calls to the host and to other tiers, exceptions,
 * the heap) a v128 becomes two consecutive slots, low half first.
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
    uintptr_t instance; /* | WAGI_INTERP_INDIRECT | WAGI_INTERP_OTHER */
} wagi_interp_record;

/* The call has two immediates (call_indirect), not one: needed to find the opcode from the ip behind it. */
#define WAGI_INTERP_INDIRECT ((uintptr_t)1)
/* The caller runs in the other loop. */
#define WAGI_INTERP_OTHER ((uintptr_t)2)
#define WAGI_INTERP_RECORD_SLOTS (sizeof(wagi_interp_record) / sizeof(wagi_slot))
/* The pseudo-op that ends a run: no opcode of the table. */
#define WAGI_INTERP_EXIT_CODE 0xFF

_Static_assert(sizeof(wagi_interp_record) % sizeof(wagi_slot) == 0, "a record is a whole number of slots");
_Static_assert(_Alignof(wagi_interp_record) <= _Alignof(wagi_slot), "a record can follow any slot");

static inline wagi_interp_record *wagi_interp_record_of(wagi_slot *locals, const wagi_func_body *body)
{
    return (wagi_interp_record *)(void *)(locals + body->local_count);
}
static inline wag_instance *wagi_interp_record_instance(const wagi_interp_record *record)
{
    return (wag_instance *)(record->instance & ~(WAGI_INTERP_INDIRECT | WAGI_INTERP_OTHER));
}

/* Slots from `locals` on that an activation can use. */
static inline size_t wagi_interp_need(const wagi_func_body *body)
{
    return (size_t)body->local_count + WAGI_INTERP_RECORD_SLOTS + body->max_height;
}

/* Everything about a run, while the loop is not running. */
typedef struct wagi_interp_state {
    const uint8_t *ip;
    const wagi_side_entry *stp;
    wagi_slot *sp; /* first free slot of the operand stack; all operands are in memory */
    wagi_slot *locals;
    const wagi_func_body *body;
    wag_instance *instance;
    wag_agent *agent;
    atomic_uintptr_t *stop; /* the agent's stop limit: what entries and loops poll */
    /* What the loop came back for. */
    wag_func *func;               /* CALL, TAIL_CALL: the callee; its arguments are the topmost operands */
    const wagi_func_body *target; /* CALL_OTHER, TAIL_CALL_OTHER: the callee's body */
    const uint8_t *next_ip;       /* CALL, CALL_OTHER: where to go on */
    uintptr_t mark;               /* CALL, CALL_OTHER: 0 or WAGI_INTERP_INDIRECT */
    wag_err trap;                 /* TRAP: the code; ip is at the opcode */
} wagi_interp_state;

typedef enum wagi_interp_exit {
    WAGI_INTERP_DONE,
    WAGI_INTERP_TRAP,
    WAGI_INTERP_ENTERED,         /* a function has begun: may it run? */
    WAGI_INTERP_LOOP,            /* the same for the loop at ip, which is passed then */
    WAGI_INTERP_OP,              /* run the op at ip (wagi_interp_slow_op) and go on */
    WAGI_INTERP_CALL,            /* call func, which is not of this instance */
    WAGI_INTERP_TAIL_CALL,       /* the same in place of this activation */
    WAGI_INTERP_CALL_OTHER,      /* call target, which is of this instance but runs in the other loop */
    WAGI_INTERP_TAIL_CALL_OTHER, /* the same in place of this activation */
    WAGI_INTERP_THROW,           /* throw or throw_ref at ip (wagi_interp_throw) */
    WAGI_INTERP_RETURN,          /* return; the record is of another instance or marked */
} wagi_interp_exit;

/* Run until something comes up that needs a call in C. The second one runs functions that use v128 (and may call). */
wagi_interp_exit wagi_interp_loop(wagi_interp_state *state);
wagi_interp_exit wagi_interp_loop_wide(wagi_interp_state *state);
/* The same for an instance that has a shared memory. */
wagi_interp_exit wagi_interp_loop_shared(wagi_interp_state *state);
/* The same for every function whose code charges fuel. */
wagi_interp_exit wagi_interp_loop_fuel(wagi_interp_state *state);
/* An op that the loop leaves to others: memory.grow, those behind prefixes 0xFC and 0xFE, most behind 0xFB, and stores
 * of references while the collector marks. Moves ip behind it. */
wag_err wagi_interp_slow_op(wagi_interp_state *state);
/* The same for prefix 0xFE (interp_atomic.c). */
wag_err wagi_interp_atomic_op(wagi_interp_state *state);
/* The same for prefix 0xFB (interp_gc.c). */
wag_err wagi_interp_gc_op(wagi_interp_state *state);
/* Take the branch of a side entry; ip is at the opcode. */
void wagi_interp_branch(wagi_interp_state *state, const wagi_side_entry *entry);
/* Run throw or throw_ref. NULL: caught, go on; else the error that ends the run. */
wag_error *wagi_interp_throw(wagi_interp_state *state);
/* A call at ip has ended with an error (own). NULL: it was an exception, or became one, and is caught; else the error.
 * in_place: it was a tail call, whose own function is not there any more. */
wag_error *wagi_interp_raise(wagi_interp_state *state, wag_error *error, bool in_place);

/* Where the high half of the v128 in a slot of the stack is. */
static inline wagi_slot *wagi_interp_high(const wag_agent *agent, const wagi_slot *slot)
{
    return agent->stack + (slot - agent->stack) + (agent->stack_end - agent->stack);
}
/* Values of the stack to an array of consecutive slots, and back (values.c). pack returns behind the last slot; unpack
 * may work in place or downward. */
wagi_slot *wagi_interp_pack(const wag_agent *agent, const wagi_valtype *types, uint32_t count, const wagi_slot *values,
                            wagi_slot *slots);
void wagi_interp_unpack(const wag_agent *agent, const wagi_valtype *types, uint32_t count, const wagi_slot *slots,
                        wagi_slot *values);
/* The same for fields of a structure, or elements of an array. */
wagi_slot *wagi_interp_pack_fields(const wag_agent *agent, const wagi_type *type, uint32_t count,
                                   const wagi_slot *values, wagi_slot *slots);

/* A new activation of `body` whose arguments are at `locals`: zero the other locals. Gives the place of its record,
 * behind which its operands begin. high: from a slot to its high half, for a wide one. */
static inline wagi_interp_record *wagi_interp_open(wagi_slot *locals, const wagi_func_body *body, bool wide,
                                                   ptrdiff_t high)
{
    wagi_interp_record *record = wagi_interp_record_of(locals, body);
    for (wagi_slot *slot = locals + body->param_count; slot < (wagi_slot *)(void *)record; slot++) {
        *slot = 0;
        if (wide)
            slot[high] = 0;
#if defined(__GNUC__)
        __asm__ volatile(""); /* mostly there are few: no memset, which would be the loop's only call */
#endif
    }
    return record;
}

#endif

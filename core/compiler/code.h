/* Machine code before it is mapped: what emission gives to exec. Independent of the machine.
 *
 * A unit is the code of some functions, in a buffer that may move, with relocations for everything outside a function.
 */
#ifndef WAGI_COMPILER_CODE_H
#define WAGI_COMPILER_CODE_H

#include <string.h>

#include "base/parallel.h"
#include "compiler/machine.h"
#include "runtime/agent.h"

/* What a place in the code means to traps and backtraces. Keyed by code offset: of the instruction that may fault, or
 * of the return address. */
typedef enum wagi_site_kind {
    WAGI_SITE_RETURN,   /* behind a call or trap: frames go on with the function's frame size */
    WAGI_SITE_FAULT,    /* a memory access that traps by fault */
    WAGI_SITE_PROLOGUE, /* a trap before the frame was made */
    WAGI_SITE_INLINED,  /* behind one of the others at the same place: that one is in an inlined callee, called here */
} wagi_site_kind;
typedef struct wagi_site {
    uint32_t code;   /* offset in the function */
    uint32_t source; /* offset in the module */
    uint8_t kind;
} wagi_site;
/* From this code offset on return addresses have this handler: 1 + its index, or 0. */
typedef struct wagi_handler_range {
    uint32_t code, handler;
} wagi_handler_range;

typedef enum wagi_reloc_kind {
    WAGI_RELOC_FUNC, /* target: function index */
    WAGI_RELOC_OUT,  /* target: const wagi_type *; the stub that calls any wag_func of the type */
    WAGI_RELOC_TAIL, /* the same for tail calls */
    WAGI_RELOC_TRAP, /* target: wag_err */
    WAGI_RELOC_THROW,
    WAGI_RELOC_SLOW, /* target: wagi_slow_kind */
} wagi_reloc_kind;
/* Slow paths that keep all registers but scratch ones. */
typedef enum wagi_slow_kind { WAGI_SLOW_ALLOC, WAGI_SLOW_SHADE, WAGI_SLOW_COUNT } wagi_slow_kind;
typedef struct wagi_reloc {
    uint32_t at; /* offset of a rel32 in the unit */
    uint8_t kind;
    uintptr_t target;
} wagi_reloc;

typedef struct wagi_func_code {
    uint32_t func_index;
    uint32_t start, size;       /* in the unit */
    uint32_t frame;             /* bytes between the return address and rsp in the body */
    uint32_t sites, site_count; /* where its site records start */
    uint32_t handlers;          /* behind them: where its table of handlers starts, when range_count is not 0 */
    uint32_t range_count, handler_count;
    uint32_t saved; /* the callee-saved registers that it keeps below its return address: bit per wagi_saved_reg */
} wagi_func_code;

/* A stretch of a stub that calls, for debuggers that walk the stack. */
typedef struct wagi_stub_code {
    uint32_t start, size;
    uint32_t frame; /* bytes between the return address and rsp; an entry's begin with C's callee-saved registers */
    bool is_entry;  /* by which C enters */
} wagi_stub_code;

typedef struct wagi_unit_code {
    WAGI_VEC(wagi_func_code) funcs;
    WAGI_VEC(wagi_reloc) relocs;
    WAGI_VEC(uint8_t) sites; /* per function: pairs of LEBs, ends with the next function's start */
} wagi_unit_code;

/* How the sites of one function are written and read: in the order of their code offsets. code_delta and source_delta:
 * to the one before; the first one's are its code and source. */
bool wagi_sites_put_far(wagi_unit_code *unit, uint64_t code, uint64_t source); /* the numbers as they are encoded */
static inline uint64_t wagi_site_code(wagi_site_kind kind, uint32_t code_delta)
{
    return (uint64_t)code_delta << 2 | kind;
}
static inline uint64_t wagi_site_source(int64_t source_delta)
{
    return (uint64_t)source_delta << 1 ^ (source_delta < 0 ? UINT64_MAX : 0);
}
/* False: numbers or room ask for wagi_sites_put. */
static inline bool wagi_sites_put_near(wagi_unit_code *unit, wagi_site_kind kind, uint32_t code_delta,
                                       int64_t source_delta)
{
    uint64_t code = wagi_site_code(kind, code_delta), source = wagi_site_source(source_delta);
    if ((code | source) >= 0x4000 || unit->sites.cap - unit->sites.n < sizeof(uint32_t))
        return false;
    /* One or two bytes each, in one store; what is above the lower seven bits moves up by one. */
    uint32_t first = (uint32_t)code, second = (uint32_t)source, first_long = first > 0x7F, second_long = second > 0x7F;
    first += (first & ~0x7Fu) + (first_long << 7);
    second += (second & ~0x7Fu) + (second_long << 7);
    uint32_t word = first | second << (8 + 8 * first_long);
    memcpy(unit->sites.p + unit->sites.n, &word, sizeof word);
    unit->sites.n += 2 + first_long + second_long;
    return true;
}
static inline bool wagi_sites_put(wagi_unit_code *unit, wagi_site_kind kind, uint32_t code_delta, int64_t source_delta)
{
    return wagi_sites_put_near(unit, kind, code_delta, source_delta) ||
           wagi_sites_put_far(unit, wagi_site_code(kind, code_delta), wagi_site_source(source_delta));
}
/* The next record; position starts at the function's first byte, *site zeroed. */
const uint8_t *wagi_sites_next(const uint8_t *position, wagi_site *site);

/* Where exceptions go, of one function. The table is three arrays of words, one behind the other:
 *   ranges    code offset, 1 + handler (or 0): of the return addresses from this offset on, up to the next range's
 *   handlers  the try region of the body, 1 + the handler around it (or 0), index of its first landing
 *   landings  code offset, one for each clause
 * ranges: sorted by code. Nothing is written when there are none. */
bool wagi_handlers_encode(wagi_unit_code *unit, wagi_func_code *func, const wagi_ir *ir,
                          const wagi_handler_range *ranges, size_t count, const uint32_t *block_at);
/* 1 + the innermost handler of a return address (offset in the function), or 0. sites: the image's. */
uint32_t wagi_handler_at(const uint8_t *sites, const wagi_func_code *func, uint32_t offset);
typedef struct wagi_handler_code {
    uint32_t region, parent; /* parent: 1 + index, or 0 */
    uint32_t first_landing;
} wagi_handler_code;
wagi_handler_code wagi_handler_read(const uint8_t *sites, const wagi_func_code *func, uint32_t handler);
/* The code offset of a landing in the function. */
uint32_t wagi_landing_at(const uint8_t *sites, const wagi_func_code *func, uint32_t landing);

/* Registers of the machine that calls keep, in the order in which a prologue pushes them. */
enum { WAGI_SAVED_REGS = 4 };
/* A place in native code from which an exception goes on: what the raising stub passes, and where it continues. */
typedef struct wagi_raise {
    uintptr_t pc, sp; /* a return address and the stack pointer of its function's body; then the landing's */
    uintptr_t saved[WAGI_SAVED_REGS];
    wag_instance *instance;
    wagi_slot exception; /* result */
} wagi_raise;

/* The C functions that generated code calls. All use the C calling convention. */
typedef wag_err (*wagi_helper_func)(wag_instance *instance, wagi_slot *slots);
typedef struct wagi_code_abi {
    /* A trap at pc, rsp as in the function's body. Makes the error; afterwards the code unwinds to the entry. */
    void (*trap)(wag_instance *instance, const void *pc, const void *sp, wag_err trap);
    /* Call a function of another tier, or the host's. NULL or an error. */
    wag_error *(*call_out)(wag_func *func, wagi_slot *slots);
    /* The same in place of the caller, whose frame is gone: sp is at its return address. When C has entered the caller,
     * this leaves the call to whoever did and gives what `error` takes as well, so that the stack does not grow. */
    wag_error *(*tail_out)(wag_func *func, wagi_slot *slots, const uintptr_t *sp);
    /* call_out with typed values, for types of numbers alone. results: their kinds are set. */
    wag_error *(*call_out_vals)(wag_func *func, const wag_val *args, wag_val *results);
    /* What a wagi_enter leaves to others: a call that is not an ordinary one, and an end that is not. */
    wag_err (*call_vals)(wag_func *func, const wag_val *args, size_t arg_count, wag_val *results, size_t result_count,
                         wag_error **reterr_error);
    int (*enter_ended)(wagi_unit *unit);
    /* The error of a host function that has given a result another kind. */
    wag_error *(*misfit)(wag_func *func, const wag_val *results);
    /* An exception: error NULL, the operands of a WAGI_CALL_THROW are at raise->sp; or call_out's error, own.
     * Afterwards the code goes on at raise->pc: a landing, or the way to the entry. */
    void (*raise)(wagi_raise *raise, wag_error *error);
    /* An object of the heap, or NULL when there is no room (heap.h). A safepoint. */
    void *(*alloc)(wag_instance *instance, const wagi_type *type, uint32_t size);
    void (*shade)(wag_instance *instance, wagi_slot slot); /* a reference that is overwritten during a mark */
    const wagi_helper_func *helpers;                       /* WAGI_HELPER_COUNT */
} wagi_code_abi;

/* What emission knows about the module and the wish of the host. */
typedef struct wagi_code_context {
    const wagi_module_data *data;
    const wagi_machine *machine;
    const wagi_code_abi *abi;
    struct wagi_instance_layout layout;
    int32_t stop_limit;            /* wagi_stop_limit_offset() */
    int32_t fuel;                  /* wagi_fuel_offset() */
    bool guard;                    /* 32-bit memories are reserved with guard pages */
    bool poll;                     /* loops poll for interrupts */
    const wagi_parallel *parallel; /* threads to compile with, or NULL */
    bool check;                    /* run the verifier and the allocation checker on each function */
} wagi_code_context;

/* Memories whose bounds the guard pages check. */
static inline bool wagi_memory_is_guarded(const wagi_code_context *context, uint32_t memory)
{
    return context->guard && wagi_memory_can_be_guarded(context->data->memories[memory]);
}

#endif

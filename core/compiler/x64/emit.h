/* What the compiler's driver needs of x86-64. */
#ifndef WAGI_COMPILER_X64_EMIT_H
#define WAGI_COMPILER_X64_EMIT_H

#include "compiler/code.h"
#include "compiler/regalloc.h"
#include "compiler/x64/encode.h"

/* A frame beyond this makes the module go to the interpreter. As many locals as a function may have (50,000) fit,
 * unless they are vectors. */
#define WAGI_MAX_FRAME (512u << 10)

/* Functions begin at multiples of this; the code of one does not depend on where else it lies. */
#define WAGI_X64_FUNC_ALIGN 16

typedef struct wagi_x64_emitter wagi_x64_emitter;
/* context, out: borrow, longer than the emitter. NULL without memory. */
wagi_x64_emitter *wagi_x64_emitter_new(const wagi_code_context *context, wagi_unit_code *out);
void wagi_x64_emitter_free(wagi_x64_emitter *emitter);
/* Append one allocated function to the unit. False: out of memory or a cap; the emitter is of no more use then. */
bool wagi_x64_emit(wagi_x64_emitter *emitter, wagi_ir *ir, wagi_homes *homes);
wagi_x64_buffer *wagi_x64_code(wagi_x64_emitter *emitter); /* borrow */

/* The description for the features of x64.h. */
void wagi_x64_describe(wagi_machine *ret_machine, uint32_t features);
/* Leave only `count` registers of each kind (at most 3), so that spill paths run. */
void wagi_x64_limit_registers(wagi_machine *machine, uint8_t count);
uint32_t wagi_x64_cpu_features(void);

/* Stubs, appended behind all functions. Their starts are offsets in the buffer. */
typedef struct wagi_x64_stubs {
    WAGI_VEC(wagi_reloc) out;        /* at: start; target: type; kind OUT */
    WAGI_VEC(wagi_reloc) tail;       /* the same for kind TAIL */
    WAGI_VEC(wagi_reloc) entry;      /* at: start; target: type: host to wasm */
    WAGI_VEC(wagi_reloc) vals_entry; /* the same with wag_vals, where wagi_x64_takes_vals */
    WAGI_VEC(wagi_reloc) traps;      /* at: start; target: wag_err */
    WAGI_VEC(wagi_stub_code) frames;
    uint32_t first;                 /* of all stubs */
    uint32_t fault;                 /* where the signal handler continues */
    uint32_t unwind;                /* the way to the entry */
    uint32_t raise, throw_at;       /* emit_exception.c */
    uint32_t slow[WAGI_SLOW_COUNT]; /* emit_gc.c; 0: nothing needs it */
    uint32_t restore;            /* return address under a cross-instance tail call: one word follows it on the stack */
    uint32_t far_start, far_end; /* code whose calls have one word between rsp and the return address */
} wagi_x64_stubs;
/* The stubs that raise exceptions; room for them is there. */
bool wagi_x64_raise_stubs(wagi_x64_buffer *b, const wagi_code_context *context, wagi_x64_stubs *stubs);
void wagi_x64_stubs_fini(wagi_x64_stubs *stubs);
/* Calls of this type between C and wasm go without slots: it has numbers only, and not too many. */
bool wagi_x64_takes_vals(const wagi_type *type);
/* Make all stubs that relocs and entry types need and resolve the relocs in the buffer. funcs: code offset per function
 * index. entry_types: sorted, without duplicates. */
bool wagi_x64_link(wagi_x64_buffer *code, const wagi_code_context *context, const wagi_reloc *relocs,
                   size_t reloc_count, const uint32_t *func_at, const wagi_type *const *entry_types, size_t entry_count,
                   wagi_x64_stubs *stubs);

#endif

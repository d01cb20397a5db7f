/* Making the stubs of a module (emit.h lists them, stubs.c says what they do). Each function appends one, notes it in
 * `stubs`, and gives false when memory is out. */
#ifndef WAGI_COMPILER_X64_STUBS_H
#define WAGI_COMPILER_X64_STUBS_H

#include "compiler/x64/emit.h"

typedef struct wagi_x64_stub_maker {
    wagi_x64_buffer *b;
    const wagi_code_context *context;
    wagi_x64_stubs *stubs;
    bool has_avx;
    uint32_t unwind, trap_common, restore, enter_ended, call_vals;
} wagi_x64_stub_maker;

/* The ones that the others use, before any of them. */
bool wagi_x64_make_traps(wagi_x64_stub_maker *s);
bool wagi_x64_make_slow(wagi_x64_stub_maker *s, wagi_slow_kind kind); /* emit_gc.c */
bool wagi_x64_make_trap(wagi_x64_stub_maker *s, wag_err trap);
bool wagi_x64_make_out(wagi_x64_stub_maker *s, const wagi_type *type);
/* out: the offset of the type's out stub. */
bool wagi_x64_make_tail(wagi_x64_stub_maker *s, uint32_t out, const wagi_type *type);
/* vals: a wagi_enter, where wagi_x64_takes_vals; else the entry with slots. */
bool wagi_x64_make_entry(wagi_x64_stub_maker *s, const wagi_type *type, bool vals);

#endif

/* The interpreter's loop: one function that runs the module's own bytes and calls nothing (frame.h says why).
 *
 * Registers. ip is at the opcode while its body runs, and is moved at the end of the body, so that a trap knows where
 * it happened. stp walks the side table (binary/module.h). sp is the first free slot of the operand stack.
 *
 * Operand caching. The loop is in one of three states, which is part of the place in the code, not a variable:
 *   0   all operands are in memory; the top is sp[-1]
 *   1   the top is in a; the one below is sp[-1]
 *   2   the top is in b, the one below in a; the next is sp[-1]
 * Most statements of a compiled program begin with an empty operand stack, so they run in registers alone. An op that
 * is worth it has a body for each state; for the others OP_FLUSHED writes the registers to memory first. A branch that
 * is taken continues in state 0, so do calls; a function that gives one result returns in state 1.
 *
 * Bodies are in ops_*.inc, in terms of these macros:
 *   STATE0(op) STATE1(op) STATE2(op)   entry of an op in a state; a body without NEXT before the next entry runs into
 * it OP_FLUSHED(op)                     entry of an op in all states, with everything in memory NEXT(state) go on at ip
 * in a state TRAP(code)                         end the call Dispatch is a computed goto through one table a state, or
 * (other compilers, WAGI_INTERP_SWITCH) one switch over state and opcode; the tables and case numbers come from
 * binary/op.def.
 *
 * Functions with v128 values run in a second instantiation of this file (interp_loop_wide.c sets WAGI_INTERP_WIDE). A
 * v128 has its low half where other values are and its high half at a constant distance from there (frame.h), so only
 * the ops that move values of any type differ; they are in ops_wide.inc, with the vector ops. a and b never hold a v128
 * there, so what leaves one leaves it in state 0.
 *
 * Code that charges fuel runs in a third one (interp_loop_fuel.c), which counts each instruction as it begins (SPEND).
 */
#include "binary/op.h"
#include "interp/frame.h"
#include "interp/gc.h"
#include "ops/access.h"
#include "ops/atomic.h"
#include "ops/num.h"

#if defined(__GNUC__) && !defined(WAGI_INTERP_SWITCH)
#define THREADED 1
/* Labels as values and range designators are extensions; the table sets holes first and opcodes after. */
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Woverride-init"
#if defined(__clang__)
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#endif
#else
#define THREADED 0
#endif

#if defined(WAGI_INTERP_FUEL)
#define FUEL 1
#include "binary/fuel.h"
#else
#define FUEL 0
#endif

#if defined(WAGI_INTERP_WIDE)
#define WIDE 1
#include "interp/wide.h"
#else
#define WIDE 0
#endif

#if defined(__GNUC__)
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define INLINE inline __attribute__((always_inline))
#else
#define LIKELY(x) (x)
#define UNLIKELY(x) (x)
#define INLINE inline
#endif

#if FUEL
#define LOOP_NAME wagi_interp_loop_fuel
#elif WIDE
#define LOOP_NAME wagi_interp_loop_wide
#elif defined(WAGI_INTERP_SHARED)
#define LOOP_NAME wagi_interp_loop_shared
#else
#define LOOP_NAME wagi_interp_loop
#endif

/* Memories that other threads may write and grow have a loop of their own (interp_loop_shared.c): their plain accesses
 * are relaxed atomics, and their size is not kept. The wide loop does so for all memories. */
#ifdef WAGI_INTERP_SHARED
#define PLAIN_LOAD(bits, from) atomic_plain_load##bits(from)
#define PLAIN_STORE(bits, to, value) atomic_plain_store##bits(to, value)
#define MEMORY_SIZE wagi_memory_size(instance->memory0)
#else
#define PLAIN_LOAD(bits, from) access_load##bits(from)
#define PLAIN_STORE(bits, to, value) access_store##bits(to, value)
#define MEMORY_SIZE memory_size
#endif

/* May a function or a loop not begin before the driver has been asked? */
#define IS_STOPPED() (atomic_load_explicit(state->stop, memory_order_relaxed) >= WAGI_STOP)
#if FUEL
#define MUST_ASK() (fuel <= 0 || IS_STOPPED())
#define SPEND_UNITS(n) (fuel -= (int64_t)(n))
#define SPEND() SPEND_UNITS(units[*ip]) /* for the instruction that is about to begin */
#else
#define MUST_ASK() IS_STOPPED()
#define SPEND_UNITS(n) ((void)0)
#define SPEND() ((void)0)
#endif

/* Opcodes by name; for prefixed ones the number behind the prefix. */
enum {
#define OP(name, text, prefix, code, imm, signature, align, feature, effects) CODE_##name = (code),
#include "binary/op.def"
#undef OP
    CODE_prefix_gc = 0xFB,
    CODE_prefix_misc = 0xFC,
    CODE_prefix_simd = 0xFD,
    CODE_prefix_threads = 0xFE,
    CODE_exit_ = WAGI_INTERP_EXIT_CODE,
};

/* ---- immediates of any length ----
 * These are inlined: a call, however rare, would cost the loop its registers. */

typedef struct leb {
    uint64_t value;
    const uint8_t *next;
} leb;

static INLINE leb leb_u(const uint8_t *at)
{
    uint64_t value = 0;
    unsigned shift = 0;
    for (;; shift += 7) {
        uint8_t byte = *at++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return (leb){value, at};
    }
}

static INLINE leb leb_s(const uint8_t *at)
{
    uint64_t value = 0;
    unsigned shift = 0;
    for (;;) {
        uint8_t byte = *at++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        shift += 7;
        if (byte < 0x80) {
            if (shift < 64 && (byte & 0x40))
                value |= ~(uint64_t)0 << shift;
            return (leb){value, at};
        }
    }
}

/* Behind a block type or value type. */
static INLINE const uint8_t *skip_type(const uint8_t *at)
{
    uint8_t first = *at++;
    if (first == 0x63 || first == 0x64) /* (ref null ht), (ref ht) */
        first = *at++;
    while (first & 0x80)
        first = *at++;
    return at;
}

static INLINE const uint8_t *skip_types(const uint8_t *at)
{
    leb count = leb_u(at);
    at = count.next;
    for (uint64_t i = 0; i < count.value; i++)
        at = skip_type(at);
    return at;
}

typedef struct address {
    uint8_t *at; /* NULL: out of bounds */
    const uint8_t *next;
} address;

/* A memarg of any form. */
static INLINE address memarg(const wag_instance *instance, const uint8_t *at, uint64_t index, uint64_t width)
{
    leb align = leb_u(at), which = {0, align.next};
    if (align.value & 0x40)
        which = leb_u(align.next);
    leb offset = leb_u(which.next);
    const wag_memory *memory = instance->memories[which.value];
    uint64_t effective;
    if (!access_address(index, offset.value, width, wagi_memory_size(memory), &effective))
        return (address){NULL, offset.next};
    return (address){memory->base + effective, offset.next};
}

/* Copy a value of any type from one place of the stack to another. */
#if WIDE
#define HIGH(at) ((at)[high])
#define COPY(to, from) (*(to) = *(from), HIGH(to) = HIGH(from))
#else
#define COPY(to, from) (*(to) = *(from))
#endif

/* A function that cannot begin here: there is no room for it, or it runs in the other loop. */
#if FUEL
#define NEEDS_MORE_THAN(target, room) ((size_t)(room) < wagi_interp_need(target))
#define RUNS_HERE(target) true
#elif WIDE
#define NEEDS_MORE_THAN(target, room) (!(target)->uses_v128 || (size_t)(room) < wagi_interp_need(target))
#else
#define NEEDS_MORE_THAN(target, room) ((size_t)(room) < (size_t)(target)->scalar_slots + WAGI_INTERP_RECORD_SLOTS)
#endif
#if !FUEL
#define RUNS_HERE(target) ((target)->uses_v128 == WIDE)
#endif

/* Move the `keep` topmost values down over `drop` others. */
static INLINE void move_down(wagi_slot *sp, size_t keep, size_t drop, ptrdiff_t high)
{
    for (wagi_slot *from = sp - keep; from < sp; from++)
        COPY(from - drop, from);
    (void)high; /* only COPY uses it */
}

typedef struct callee {
    wag_func *func;
    wag_err trap; /* when func is NULL */
} callee;

static inline callee find_indirect(const wag_instance *instance, uint64_t type, uint64_t table_index, uint64_t index)
{
    const wag_table *table = instance->tables[table_index];
    if (UNLIKELY(index >= table->size))
        return (callee){NULL, WAG_UNDEFINED_ELEMENT};
    wag_func *func = (wag_func *)(uintptr_t)table->elements[index];
    if (UNLIKELY(!func))
        return (callee){NULL, WAG_UNINITIALIZED_ELEMENT};
    if (UNLIKELY(!wagi_type_is_sub(func->type, instance->data->types[type])))
        return (callee){NULL, WAG_INDIRECT_CALL_TYPE};
    return (callee){func, WAG_OK};
}

#if THREADED
#define STATE0(op) S0_##op:
#define STATE1(op) S1_##op:
#define STATE2(op) S2_##op:
#define JUMP(state)                                                                                                    \
    do {                                                                                                               \
        SPEND();                                                                                                       \
        goto *targets[(state)*256 + *ip];                                                                              \
    } while (0)
#define RUN_INTO (void)0
#else
#define STATE0(op) case CODE_##op:
#define STATE1(op) case 256 + CODE_##op:
#define STATE2(op) case 2 * 256 + CODE_##op:
#define JUMP(state)                                                                                                    \
    do {                                                                                                               \
        SPEND();                                                                                                       \
        dispatch = (state)*256 + *ip;                                                                                  \
        goto next;                                                                                                     \
    } while (0)
#if defined(__GNUC__)
#define RUN_INTO __attribute__((fallthrough))
#else
#define RUN_INTO (void)0
#endif
#endif

/* An indirect jump costs about as much as five other instructions, even when it is predicted. So every op looks for the
 * ops that most often follow it and does them on the spot: two local.get when it leaves no operand in a register,
 * local.set or local.get behind a result, branches behind a condition, loop behind a branch. (The const ops do the same
 * with add.) Only the one-byte form of an index is looked for. */
#define IS_LOCAL(op) (ip[0] == CODE_##op && LIKELY(ip[1] < 0x80))
#if defined(__clang__)
#define NEXT(state) JOIN(state) /* copies make its time to compile four times as long and the code slower */
#elif WIDE
#define NEXT(state) JUMP(state)
#else
#define NEXT(state) NEXT_##state()
#endif
#define NEXT_0()                                                                                                       \
    do {                                                                                                               \
        if (IS_LOCAL(local_get)) {                                                                                     \
            a = locals[ip[1]];                                                                                         \
            ip += 2;                                                                                                   \
            if (IS_LOCAL(local_get)) {                                                                                 \
                b = locals[ip[1]];                                                                                     \
                ip += 2;                                                                                               \
                JUMP(2);                                                                                               \
            }                                                                                                          \
            JUMP(1);                                                                                                   \
        }                                                                                                              \
        JUMP(0);                                                                                                       \
    } while (0)
#define NEXT_1()                                                                                                       \
    do {                                                                                                               \
        if (IS_LOCAL(local_set)) {                                                                                     \
            locals[ip[1]] = a;                                                                                         \
            ip += 2;                                                                                                   \
            if (IS_LOCAL(local_get)) {                                                                                 \
                a = locals[ip[1]];                                                                                     \
                ip += 2;                                                                                               \
                JUMP(1);                                                                                               \
            }                                                                                                          \
            JUMP(0);                                                                                                   \
        }                                                                                                              \
        if (IS_LOCAL(local_get)) {                                                                                     \
            b = locals[ip[1]];                                                                                         \
            ip += 2;                                                                                                   \
            JUMP(2);                                                                                                   \
        }                                                                                                              \
        JUMP(1);                                                                                                       \
    } while (0)
#define NEXT_2() JUMP(2)
/* The same out of line, for ops that are rarer: every copy of NEXT costs code and compile time. */
#define JOIN(state) goto next_##state
/* NEXT(1) when a is a condition. */
#define NEXT_CONDITION()                                                                                               \
    do {                                                                                                               \
        if (ip[0] == CODE_br_if) {                                                                                     \
            SPEND();                                                                                                   \
            goto br_if_a;                                                                                              \
        }                                                                                                              \
        if (ip[0] == CODE_if_) {                                                                                       \
            SPEND();                                                                                                   \
            goto if_a;                                                                                                 \
        }                                                                                                              \
        JOIN(1);                                                                                                       \
    } while (0)

#define OP_FLUSHED(op)                                                                                                 \
    STATE2(op)                                                                                                         \
    *sp++ = a;                                                                                                         \
    a = b;                                                                                                             \
    RUN_INTO;                                                                                                          \
    STATE1(op)                                                                                                         \
    *sp++ = a;                                                                                                         \
    RUN_INTO;                                                                                                          \
    STATE0(op)
/* State 0 of an op that needs its top operand in a: load it and run into state 1. */
#define STATE0_LOAD(op)                                                                                                \
    STATE0(op)                                                                                                         \
    a = *--sp;                                                                                                         \
    RUN_INTO;

#define LEAVE(why)                                                                                                     \
    do {                                                                                                               \
        leave = (why);                                                                                                 \
        goto left;                                                                                                     \
    } while (0)
#define TRAP(code)                                                                                                     \
    do {                                                                                                               \
        trap = (code);                                                                                                 \
        goto trapped;                                                                                                  \
    } while (0)

/* Read an unsigned LEB at `from`; ret_next is behind it. */
#define LEB_U(ret_value, from, ret_next)                                                                               \
    do {                                                                                                               \
        const uint8_t *from_ = (from);                                                                                 \
        (ret_value) = *from_;                                                                                          \
        (ret_next) = from_ + 1;                                                                                        \
        if (UNLIKELY((ret_value) >= 0x80)) {                                                                           \
            leb leb_ = leb_u((ret_next)-1);                                                                            \
            (ret_value) = leb_.value;                                                                                  \
            (ret_next) = leb_.next;                                                                                    \
        }                                                                                                              \
    } while (0)

/* Take the branch of side entry e, in state 0, and go on there. */
#define BRANCH(e)                                                                                                      \
    do {                                                                                                               \
        const wagi_side_entry *e_ = (e);                                                                               \
        if (UNLIKELY(e_->drop)) {                                                                                      \
            move_down(sp, e_->keep, e_->drop, high);                                                                   \
            sp -= e_->drop;                                                                                            \
        }                                                                                                              \
        ip += e_->ip_delta;                                                                                            \
        stp = e_ + e_->stp_delta;                                                                                      \
        if (ip[0] == CODE_loop)                                                                                        \
            goto loop_0;                                                                                               \
        NEXT(0);                                                                                                       \
    } while (0)

wagi_interp_exit LOOP_NAME(wagi_interp_state *state)
{
#if THREADED
#define ROW(state, prefix, code, name, feature) ROW_##prefix(state, code, name, feature)
#define ROW_0(state, code, name, feature) [(state)*256 + (code)] = TARGET_##feature(state, name),
#define ROW_0xFB(state, code, name, feature)
#define ROW_0xFC(state, code, name, feature)
#define ROW_0xFD(state, code, name, feature)
#define ROW_0xFE(state, code, name, feature)
#define TARGET_MVP(state, name) &&S##state##_##name
#define TARGET_SIGN_EXTENSION TARGET_MVP
#define TARGET_MULTI_VALUE TARGET_MVP
#define TARGET_REFERENCE_TYPES TARGET_MVP
#define TARGET_TAIL_CALL TARGET_MVP
#define TARGET_FUNCTION_REFERENCES TARGET_MVP
#define TARGET_EXCEPTIONS TARGET_MVP
#define TARGET_GC TARGET_MVP
    static const void *const tables[3 * 256] = {
        [0 ... 3 * 256 - 1] = &&unsupported,
#define OP(name, text, prefix, code, imm, signature, align, feature, effects) ROW(0, prefix, code, name, feature)
#include "binary/op.def"
#undef OP
#define OP(name, text, prefix, code, imm, signature, align, feature, effects) ROW(1, prefix, code, name, feature)
#include "binary/op.def"
#undef OP
#define OP(name, text, prefix, code, imm, signature, align, feature, effects) ROW(2, prefix, code, name, feature)
#include "binary/op.def"
#undef OP
        ROW_0(0, CODE_prefix_misc, prefix_misc, MVP) ROW_0(0, CODE_prefix_gc, prefix_gc, MVP)
            ROW_0(0, CODE_prefix_threads, prefix_threads, MVP) ROW_0(0, CODE_exit_, exit_, MVP)
                ROW_0(1, CODE_prefix_misc, prefix_misc, MVP) ROW_0(1, CODE_prefix_gc, prefix_gc, MVP)
                    ROW_0(1, CODE_prefix_threads, prefix_threads, MVP) ROW_0(1, CODE_exit_, exit_, MVP)
                        ROW_0(2, CODE_prefix_misc, prefix_misc, MVP) ROW_0(2, CODE_prefix_gc, prefix_gc, MVP)
                            ROW_0(2, CODE_prefix_threads, prefix_threads, MVP) ROW_0(2, CODE_exit_, exit_, MVP)
#if WIDE
                                ROW_0(0, CODE_prefix_simd, prefix_simd, MVP)
                                    ROW_0(1, CODE_prefix_simd, prefix_simd, MVP)
                                        ROW_0(2, CODE_prefix_simd, prefix_simd, MVP)
#endif
    };
    /* Hide what it is: the address is worth a register, the compiler would make it anew for every op. */
    const void *const *targets = tables;
    __asm__("" : "+r"(targets));
#else
    unsigned dispatch;
#endif

#if FUEL
#define UNITS_0(name, code) [code] = WAGI_FUEL_UNITS(WAGI_OP_##name),
#define UNITS_0xFB(name, code)
#define UNITS_0xFC(name, code)
#define UNITS_0xFD(name, code)
#define UNITS_0xFE(name, code)
    static const uint8_t units[256] = {/* by the first byte; the pseudo-op costs nothing */
#define OP(name, text, prefix, code, imm, signature, align, feature, effects) UNITS_##prefix(name, code)
#include "binary/op.def"
#undef OP
                                       [CODE_prefix_gc] = 1,
                                       [CODE_prefix_misc] = 1,
                                       [CODE_prefix_simd] = 1,
                                       [CODE_prefix_threads] = 1};
    int64_t fuel = *state->agent->fuel;
#endif

    const uint8_t *ip = state->ip, *next_ip;
    const wagi_side_entry *stp = state->stp;
    wagi_slot *sp = state->sp, *locals = state->locals;
    wagi_slot a = 0, b = 0;
    const wagi_func_body *body = state->body;
    wag_instance *const instance = state->instance;
    const ptrdiff_t high = WIDE ? state->agent->stack_end - state->agent->stack : 0; /* from a low half to its high */
    uint8_t *memory_base = NULL;
#ifndef WAGI_INTERP_SHARED
    uint64_t memory_size = 0;
#endif
    /* Operands of the tails that several ops share. */
    const wagi_func_body *target;
    uintptr_t mark;
    wag_func *func;
    wag_err trap;
    wagi_interp_exit leave;

    if (instance->data->memory_count) {
        memory_base = instance->memories[0]->base;
#ifndef WAGI_INTERP_SHARED
        memory_size = instance->memories[0]->size;
#endif
    }
    NEXT(0);

call_func: /* func, next_ip, mark; arguments in memory */
    if (UNLIKELY(func->instance != instance)) {
        state->func = func;
        state->next_ip = next_ip;
        state->mark = mark;
        LEAVE(WAGI_INTERP_CALL);
    }
    target = func->body;

call_body : /* target, a function of this instance; next_ip, mark; arguments in memory */
{
    wagi_slot *target_locals = sp - target->param_count;
    if (UNLIKELY(NEEDS_MORE_THAN(target, state->agent->stack_end - target_locals))) {
        if (RUNS_HERE(target))
            TRAP(WAG_STACK_OVERFLOW);
        state->target = target;
        state->next_ip = next_ip;
        state->mark = mark;
        LEAVE(WAGI_INTERP_CALL_OTHER);
    }
    wagi_interp_record *record = wagi_interp_open(target_locals, target, WIDE, high);
    record->ip = next_ip;
    record->stp = stp;
    record->locals = locals;
    record->body = body;
    record->instance = (uintptr_t)instance | mark;
    locals = target_locals;
    sp = (wagi_slot *)(void *)(record + 1);
    body = target;
    ip = target->code;
    stp = target->side;
    if (UNLIKELY(MUST_ASK()))
        LEAVE(WAGI_INTERP_ENTERED);
    NEXT(0);
}

tail_call_func: /* func; arguments in memory */
    if (UNLIKELY(func->instance != instance)) {
        state->func = func;
        LEAVE(WAGI_INTERP_TAIL_CALL);
    }
    target = func->body;

tail_call_body : /* target, a function of this instance; arguments in memory */
{
    if (UNLIKELY(NEEDS_MORE_THAN(target, state->agent->stack_end - locals))) {
        if (RUNS_HERE(target))
            TRAP(WAG_STACK_OVERFLOW);
        state->target = target;
        LEAVE(WAGI_INTERP_TAIL_CALL_OTHER);
    }
    /* The arguments may be moved over the record, and the new record over them. */
    wagi_interp_record old = *wagi_interp_record_of(locals, body);
    move_down(sp, target->param_count, (size_t)(sp - target->param_count - locals), high);
    wagi_interp_record *record = wagi_interp_open(locals, target, WIDE, high);
    *record = old;
    sp = (wagi_slot *)(void *)(record + 1);
    body = target;
    ip = target->code;
    stp = target->side;
    if (UNLIKELY(MUST_ASK()))
        LEAVE(WAGI_INTERP_ENTERED);
    NEXT(0);
}

do_return : /* the results are the topmost operands, in memory */
{
    const wagi_interp_record *record = wagi_interp_record_of(locals, body);
    if (UNLIKELY(record->instance != (uintptr_t)instance))
        LEAVE(WAGI_INTERP_RETURN);
    wagi_slot *from = sp - body->result_count, *end = sp;
    ip = record->ip;
    stp = record->stp;
    body = record->body;
    sp = locals;
    locals = record->locals;
    for (; from < end; sp++, from++) /* from here on the record may be overwritten */
        COPY(sp, from);
    NEXT(0);
}

return_a : /* the only result is in a */
{
    const wagi_interp_record *record = wagi_interp_record_of(locals, body);
    if (UNLIKELY(record->instance != (uintptr_t)instance)) {
        *sp++ = a;
        LEAVE(WAGI_INTERP_RETURN);
    }
    ip = record->ip;
    stp = record->stp;
    body = record->body;
    sp = locals;
    locals = record->locals;
    NEXT(1);
}

    /* Where the rarer ops go on. */
next_0:
#if WIDE
    JUMP(0);
next_1:
    JUMP(1);
next_2:
    JUMP(2);
#else
    NEXT_0();
next_1:
    NEXT_1();
next_2:
    NEXT_2();
#endif

#if !THREADED
next:
    switch (dispatch) {
#endif

#include "interp/ops_atomic.inc"
#include "interp/ops_control.inc"
#include "interp/ops_gc.inc"
#include "interp/ops_memory.inc"
#include "interp/ops_numeric.inc"
#include "interp/ops_reference.inc"
#if WIDE
#include "interp/ops_wide.inc"
#endif

        OP_FLUSHED(exit_)
        {
            LEAVE(WAGI_INTERP_DONE);
        }

#if THREADED
    unsupported:
#else
default:
#endif
        TRAP(WAG_UNSUPPORTED); /* cannot be reached: compile refuses the module */
#if !THREADED
    }
#endif

trapped:
    state->trap = trap;
    leave = WAGI_INTERP_TRAP;
left:
#if FUEL
    *state->agent->fuel = fuel;
#endif
    state->ip = ip;
    state->stp = stp;
    state->sp = sp;
    state->locals = locals;
    state->body = body;
    return leave;
}

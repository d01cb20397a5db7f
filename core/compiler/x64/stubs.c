/* Code that belongs to no function: the way in, the way out, traps, and the linking of a module's code.
 *
 * Entry (C to wasm):  uint64_t entry(const void *code, wag_instance *, wagi_slot *slots, wag_agent *)
 *   keeps C's registers, remembers rsp in agent->entry_sp, so that a trap can come back here with one move, and gives
 * 0, or 1 when the call ended with an error. Its frame: [0] slots, [8] agent, [16] the entry_sp before. Out (rax =
 * wag_func, arguments as for a call): calls native code of another instance with its instance and memory in r14 and
 * r15, or hands slots to the runtime. Tail: the same for a tail call, without growing the stack. A callee must give r14
 * back to our caller, so a small frame stays below it: the instance and the address of `restore`. When the return
 * address is such a `restore` already, ours or another module's, nothing more is needed. It is known by the mark in
 * front of it, which cannot end a call.
 */
#include <stdlib.h>

#include "compiler/x64/emit.h"
#include "compiler/x64/x64.h"

#define AGENT ((int32_t)offsetof(wag_instance, unit.agent))
#define FUNC_CODE ((int32_t)offsetof(wag_func, code))
#define FUNC_INSTANCE ((int32_t)offsetof(wag_func, instance))
#define MARK_LOW 0x0B0F0B0Fu
#define MARK_HIGH 0xCCCCCCCCu
#define STUB_ROOM 512

typedef struct stub_maker {
    wagi_x64_buffer *b;
    const wagi_code_context *context;
    wagi_x64_stubs *stubs;
    bool has_avx;
    uint32_t unwind, trap_common, restore;
} stub_maker;

void wagi_x64_stubs_fini(wagi_x64_stubs *stubs)
{
    WAGI_VEC_FREE(&stubs->out);
    WAGI_VEC_FREE(&stubs->tail);
    WAGI_VEC_FREE(&stubs->entry);
    WAGI_VEC_FREE(&stubs->traps);
    WAGI_VEC_FREE(&stubs->frames);
}

/* ---- pieces ---- */

static void begin_stub(wagi_x64_buffer *b)
{
    while (b->n & 15)
        wagi_x64_u8(b, 0xCC);
}

static void jump_to(wagi_x64_buffer *b, int cc, uint32_t target)
{
    if (cc < 0) {
        wagi_x64_u8(b, 0xE9);
    } else {
        wagi_x64_u8(b, 0x0F);
        wagi_x64_u8(b, 0x80 | (unsigned)cc);
    }
    wagi_x64_u32(b, (uint32_t)(target - (b->n + 4)));
}

static size_t jump_forward(wagi_x64_buffer *b, int cc)
{
    jump_to(b, cc, 0);
    return b->n;
}

static void bind_forward(wagi_x64_buffer *b, size_t jump)
{
    uint32_t rel = (uint32_t)(b->n - jump);
    memcpy(b->p + jump - 4, &rel, 4);
}

static void call_c(wagi_x64_buffer *b, uintptr_t function)
{
    wagi_x64_mov_imm(b, RAX, function, true);
    wagi_x64_rr(b, 0xFF, 2, RAX);
}

/* r15 = base of memory 0 of the instance in r14 */
static void load_memory(wagi_x64_buffer *b)
{
    wagi_x64_rm(b, X64_W | 0x8B, MEMORY, wagi_x64_at(INSTANCE, offsetof(wag_instance, memory0)));
    wagi_x64_rm(b, X64_W | 0x8B, MEMORY, wagi_x64_at(MEMORY, offsetof(wag_memory, base)));
}

/* The parameter's register, or -1: it is in the overflow buffer. */
static int param_reg(const wagi_machine *m, wagi_valtype type, uint32_t *ints, uint32_t *floats)
{
    if (wagi_ty_is_float(wagi_ir_type_of(type)))
        return *floats < m->float_arg_count ? m->float_args[(*floats)++] : -1;
    return *ints < m->int_arg_count ? m->int_args[(*ints)++] : -1;
}

static void move_float(const stub_maker *s, wagi_valtype type, bool is_store, int xmm, wagi_x64_mem mem)
{
    uint32_t form = wagi_x64_float_form(wagi_ir_type_of(type), is_store ? 0x11 : 0x10);
    if (s->has_avx)
        wagi_x64_vrm(s->b, form, xmm, 0, mem);
    else
        wagi_x64_rm(s->b, form, xmm, mem);
}

/* A float to a slot; the upper half of an f32's is zero. */
static void float_to_slot(const stub_maker *s, wagi_valtype type, int xmm, wagi_x64_mem mem)
{
    move_float(s, type, true, xmm, mem);
    if (type == WAGI_F32) {
        mem.disp += 4;
        wagi_x64_rm(s->b, 0xC7, 0, mem);
        wagi_x64_u32(s->b, 0);
    }
}

static void load_buffer(wagi_x64_buffer *b)
{
    wagi_x64_rm(b, X64_W | 0x8B, RDX, wagi_x64_at(INSTANCE, AGENT));
    wagi_x64_rm(b, X64_W | 0x8D, RDX, wagi_x64_at(RDX, offsetof(wag_agent, overflow)));
}

static bool has_buffer_params(const wagi_machine *m, const wagi_type *type)
{
    uint32_t ints = 0, floats = 0;
    for (uint32_t i = 0; i < type->param_count; i++)
        if (param_reg(m, type->params[i], &ints, &floats) < 0)
            return true;
    return false;
}

static void copy_word(wagi_x64_buffer *b, int scratch, wagi_x64_mem to, wagi_x64_mem from)
{
    wagi_x64_rm(b, X64_W | 0x8B, scratch, from);
    wagi_x64_rm(b, X64_W | 0x89, scratch, to);
}

static bool room(stub_maker *s, size_t size)
{
    return wagi_x64_reserve(s->b, size);
}

/* Since `start` the frame has had this size. */
static bool add_frame(stub_maker *s, size_t start, uint32_t frame, bool is_entry)
{
    wagi_stub_code code = {
        .start = (uint32_t)start, .size = (uint32_t)(s->b->n - start), .frame = frame, .is_entry = is_entry};
    return WAGI_VEC_PUSH(&s->stubs->frames, code);
}

/* ---- traps ---- */

static void make_unwind(stub_maker *s)
{
    wagi_x64_buffer *b = s->b;
    static const int saved[] = {R15, R14, R13, R12, RBP, RBX};
    s->unwind = s->stubs->unwind = (uint32_t)b->n;
    wagi_x64_rm(b, X64_W | 0x8B, RDX, wagi_x64_at(INSTANCE, AGENT));
    wagi_x64_rm(b, X64_W | 0x8B, RSP, wagi_x64_at(RDX, offsetof(wag_agent, entry_sp)));
    wagi_x64_rm(b, X64_W | 0x8B, RCX, wagi_x64_at(RSP, 16));
    wagi_x64_rm(b, X64_W | 0x89, RCX, wagi_x64_at(RDX, offsetof(wag_agent, entry_sp)));
    wagi_x64_mov_imm(b, RAX, 1, false);
    wagi_x64_alu_imm_reg(b, 0, RSP, 24, true);
    for (int i = 0; i < 6; i++) {
        if (saved[i] >= 8)
            wagi_x64_u8(b, 0x41);
        wagi_x64_u8(b, 0x58 | (unsigned)(saved[i] & 7));
    }
    wagi_x64_u8(b, 0xC3);
}

static bool make_traps(stub_maker *s)
{
    wagi_x64_buffer *b = s->b;
    begin_stub(b);
    make_unwind(s);
    begin_stub(b);
    s->trap_common = (uint32_t)b->n;
    wagi_x64_u8(b, 0x58 | RSI); /* pop rsi: the pc; rsp is the function's now */
    s->stubs->fault = (uint32_t)b->n;
    wagi_x64_rr(b, X64_W | 0x8B, RDI, INSTANCE);
    wagi_x64_rr(b, X64_W | 0x8B, RDX, RSP);
    wagi_x64_alu_imm_reg(b, 4, RSP, -16, true);
    call_c(b, (uintptr_t)s->context->abi->trap);
    jump_to(b, -1, s->unwind);
    begin_stub(b);
    wagi_x64_u32(b, MARK_LOW);
    wagi_x64_u32(b, MARK_HIGH);
    s->restore = s->stubs->restore = (uint32_t)b->n;
    if (!add_frame(s, b->n - 8, 8, false)) /* debuggers look up the byte before the return address */
        return false;
    wagi_x64_u8(b, 0x41);
    wagi_x64_u8(b, 0x58 | (INSTANCE & 7));
    load_memory(b);
    wagi_x64_u8(b, 0xC3);
    begin_stub(b);
    return wagi_x64_raise_stubs(b, s->context, s->stubs);
}

static bool make_trap(stub_maker *s, wag_err trap)
{
    wagi_reloc stub = {.at = (uint32_t)s->b->n, .target = trap};
    if (!room(s, STUB_ROOM) || !WAGI_VEC_PUSH(&s->stubs->traps, stub))
        return false;
    if (trap == WAG_OK) /* in eax */
        wagi_x64_rr(s->b, 0x8B, RCX, RAX);
    else
        wagi_x64_mov_imm(s->b, RCX, trap, false);
    jump_to(s->b, -1, s->trap_common);
    return true;
}

/* ---- entry ---- */

static void entry_args(stub_maker *s, const wagi_type *type)
{
    const wagi_machine *m = s->context->machine;
    wagi_x64_buffer *b = s->b;
    uint32_t ints = 0, floats = 0;
    if (has_buffer_params(m, type)) {
        load_buffer(b);
        wagi_x64_rr(b, X64_W | 0x8B, RCX, RDX);
        wagi_x64_rm(b, X64_W | 0x8B, RDX, wagi_x64_at(RSP, 0));
        for (uint32_t i = 0; i < type->param_count && room(s, 64); i++)
            if (param_reg(m, type->params[i], &ints, &floats) < 0)
                copy_word(b, RBX, wagi_x64_at(RCX, (int32_t)(8 * i)), wagi_x64_at(RDX, (int32_t)(8 * i)));
    }
    ints = floats = 0;
    for (uint32_t i = 0; i < type->param_count && room(s, 64); i++) {
        int reg = param_reg(m, type->params[i], &ints, &floats);
        wagi_x64_mem slot = wagi_x64_at(RDX, (int32_t)(8 * i));
        if (reg >= 0 && wagi_reg_is_float(reg))
            move_float(s, type->params[i], false, reg - WAGI_FLOAT_REG, slot);
        else if (reg >= 0)
            wagi_x64_rm(b, X64_W | 0x8B, reg, slot);
    }
}

static void entry_results(stub_maker *s, const wagi_type *type)
{
    wagi_x64_buffer *b = s->b;
    if (type->result_count == 0)
        return;
    if (type->result_count > 1) {
        wagi_x64_rr(b, X64_W | 0x8B, RBX, RAX);
        load_buffer(b);
        wagi_x64_rm(b, X64_W | 0x8B, RCX, wagi_x64_at(RSP, 0));
        for (uint32_t i = 1; i < type->result_count && room(s, 64); i++)
            copy_word(b, RAX, wagi_x64_at(RCX, (int32_t)(8 * i)), wagi_x64_at(RDX, (int32_t)(8 * i)));
        wagi_x64_rr(b, X64_W | 0x8B, RAX, RBX);
    }
    wagi_x64_rm(b, X64_W | 0x8B, RCX, wagi_x64_at(RSP, 0));
    if (wagi_ty_is_float(wagi_ir_type_of(type->results[0])))
        float_to_slot(s, type->results[0], 0, wagi_x64_at(RCX, 0));
    else
        wagi_x64_rm(b, X64_W | 0x89, RAX, wagi_x64_at(RCX, 0));
}

static bool make_entry(stub_maker *s, const wagi_type *type)
{
    static const int saved[] = {RBX, RBP, R12, R13, R14, R15};
    wagi_x64_buffer *b = s->b;
    if (!room(s, STUB_ROOM))
        return false;
    begin_stub(b);
    wagi_reloc stub = {.at = (uint32_t)b->n, .target = (uintptr_t)type};
    if (!WAGI_VEC_PUSH(&s->stubs->entry, stub))
        return false;
    for (int i = 0; i < 6; i++) {
        if (saved[i] >= 8)
            wagi_x64_u8(b, 0x41);
        wagi_x64_u8(b, 0x50 | (unsigned)(saved[i] & 7));
    }
    wagi_x64_alu_imm_reg(b, 5, RSP, 24, true);
    size_t framed = b->n;
    wagi_x64_rm(b, X64_W | 0x89, RDX, wagi_x64_at(RSP, 0));
    wagi_x64_rm(b, X64_W | 0x89, RCX, wagi_x64_at(RSP, 8));
    wagi_x64_rm(b, X64_W | 0x8B, RAX, wagi_x64_at(RCX, offsetof(wag_agent, entry_sp)));
    wagi_x64_rm(b, X64_W | 0x89, RAX, wagi_x64_at(RSP, 16));
    wagi_x64_rm(b, X64_W | 0x89, RSP, wagi_x64_at(RCX, offsetof(wag_agent, entry_sp)));
    wagi_x64_rr(b, X64_W | 0x8B, INSTANCE, RSI);
    wagi_x64_rr(b, X64_W | 0x8B, RAX, RDI);
    load_memory(b);
    entry_args(s, type);
    if (!room(s, STUB_ROOM))
        return false;
    wagi_x64_rr(b, 0xFF, 2, RAX);
    entry_results(s, type);
    if (!room(s, STUB_ROOM))
        return false;
    wagi_x64_rm(b, X64_W | 0x8B, RDX, wagi_x64_at(RSP, 8));
    wagi_x64_rm(b, X64_W | 0x8B, RCX, wagi_x64_at(RSP, 16));
    wagi_x64_rm(b, X64_W | 0x89, RCX, wagi_x64_at(RDX, offsetof(wag_agent, entry_sp)));
    wagi_x64_rr(b, 0x33, RAX, RAX);
    if (!add_frame(s, framed, 24 + 6 * 8, true))
        return false;
    wagi_x64_alu_imm_reg(b, 0, RSP, 24, true);
    for (int i = 5; i >= 0; i--) {
        if (saved[i] >= 8)
            wagi_x64_u8(b, 0x41);
        wagi_x64_u8(b, 0x58 | (unsigned)(saved[i] & 7));
    }
    wagi_x64_u8(b, 0xC3);
    return true;
}

/* ---- out ---- */

static void out_args(stub_maker *s, const wagi_type *type)
{
    const wagi_machine *m = s->context->machine;
    wagi_x64_buffer *b = s->b;
    uint32_t ints = 0, floats = 0;
    for (uint32_t i = 0; i < type->param_count && room(s, 64); i++) {
        int reg = param_reg(m, type->params[i], &ints, &floats);
        wagi_x64_mem slot = wagi_x64_at(RSP, (int32_t)(8 * i));
        if (reg >= 0 && wagi_reg_is_float(reg))
            float_to_slot(s, type->params[i], reg - WAGI_FLOAT_REG, slot);
        else if (reg >= 0)
            wagi_x64_rm(b, X64_W | 0x89, reg, slot);
    }
    if (!has_buffer_params(m, type))
        return;
    load_buffer(b);
    ints = floats = 0;
    for (uint32_t i = 0; i < type->param_count && room(s, 64); i++)
        if (param_reg(m, type->params[i], &ints, &floats) < 0)
            copy_word(b, RCX, wagi_x64_at(RSP, (int32_t)(8 * i)), wagi_x64_at(RDX, (int32_t)(8 * i)));
}

static void out_results(stub_maker *s, const wagi_type *type)
{
    wagi_x64_buffer *b = s->b;
    if (type->result_count > 1) {
        load_buffer(b);
        for (uint32_t i = 1; i < type->result_count && room(s, 64); i++)
            copy_word(b, RCX, wagi_x64_at(RDX, (int32_t)(8 * i)), wagi_x64_at(RSP, (int32_t)(8 * i)));
    }
    if (type->result_count == 0)
        return;
    if (wagi_ty_is_float(wagi_ir_type_of(type->results[0])))
        move_float(s, type->results[0], false, 0, wagi_x64_at(RSP, 0));
    else
        wagi_x64_rm(b, X64_W | 0x8B, RAX, wagi_x64_at(RSP, 0));
}

/* The runtime calls the function. */
static bool make_slots_call(stub_maker *s, const wagi_type *type)
{
    wagi_x64_buffer *b = s->b;
    uint32_t slots = type->param_count > type->result_count ? type->param_count : type->result_count;
    int32_t bytes = (int32_t)(8 * (slots | 1));
    wagi_x64_alu_imm_reg(b, 5, RSP, bytes, true);
    size_t framed = b->n;
    out_args(s, type);
    if (!room(s, STUB_ROOM))
        return false;
    wagi_x64_rr(b, X64_W | 0x8B, RDI, RAX);
    wagi_x64_rr(b, X64_W | 0x8B, RSI, RSP);
    call_c(b, (uintptr_t)s->context->abi->call_out);
    wagi_x64_rr(b, X64_W | 0x85, RAX, RAX);
    size_t error = jump_forward(b, CC_NE);
    load_memory(b);
    out_results(s, type);
    if (!room(s, STUB_ROOM) || !add_frame(s, framed, (uint32_t)bytes, false))
        return false;
    wagi_x64_alu_imm_reg(b, 0, RSP, bytes, true);
    wagi_x64_u8(b, 0xC3);
    bind_forward(b, error);
    wagi_x64_alu_imm_reg(b, 0, RSP, bytes, true);
    jump_to(b, -1, s->stubs->raise);
    return true;
}

static bool make_out(stub_maker *s, const wagi_type *type)
{
    wagi_x64_buffer *b = s->b;
    if (!room(s, STUB_ROOM))
        return false;
    begin_stub(b);
    wagi_reloc stub = {.at = (uint32_t)b->n, .target = (uintptr_t)type};
    if (!WAGI_VEC_PUSH(&s->stubs->out, stub))
        return false;
    wagi_x64_alu_imm_mem(b, 7, wagi_x64_at(RAX, FUNC_CODE), 0, true);
    size_t slots = jump_forward(b, CC_E);
    wagi_x64_u8(b, 0x41);
    wagi_x64_u8(b, 0x50 | (INSTANCE & 7));
    size_t framed = b->n;
    wagi_x64_rm(b, X64_W | 0x8B, INSTANCE, wagi_x64_at(RAX, FUNC_INSTANCE));
    load_memory(b);
    wagi_x64_rm(b, 0xFF, 2, wagi_x64_at(RAX, FUNC_CODE));
    if (!add_frame(s, framed, 8, false))
        return false;
    wagi_x64_u8(b, 0x41);
    wagi_x64_u8(b, 0x58 | (INSTANCE & 7));
    load_memory(b);
    wagi_x64_u8(b, 0xC3);
    bind_forward(b, slots);
    return make_slots_call(s, type);
}

static bool make_tail(stub_maker *s, uint32_t out, const wagi_type *type)
{
    wagi_x64_buffer *b = s->b;
    if (!room(s, STUB_ROOM))
        return false;
    begin_stub(b);
    wagi_reloc stub = {.at = (uint32_t)b->n, .target = (uintptr_t)type};
    if (!WAGI_VEC_PUSH(&s->stubs->tail, stub))
        return false;
    wagi_x64_alu_imm_mem(b, 7, wagi_x64_at(RAX, FUNC_CODE), 0, true);
    jump_to(b, CC_E, out);
    wagi_x64_rm(b, X64_W | 0x8B, RDX, wagi_x64_at(RSP, 0));
    wagi_x64_alu_imm_mem(b, 7, wagi_x64_at(RDX, -8), (int32_t)MARK_LOW, false);
    size_t no_frame = jump_forward(b, CC_NE);
    wagi_x64_alu_imm_mem(b, 7, wagi_x64_at(RDX, -4), (int32_t)MARK_HIGH, false);
    size_t has_frame = jump_forward(b, CC_E);
    bind_forward(b, no_frame);
    wagi_x64_u8(b, 0x41);
    wagi_x64_u8(b, 0x50 | (INSTANCE & 7));
    wagi_x64_rm(b, X64_W | 0x8D, RDX, wagi_x64_at(X64_RIP, 0));
    uint32_t rel = (uint32_t)(s->restore - b->n);
    memcpy(b->p + b->n - 4, &rel, 4);
    wagi_x64_u8(b, 0x50 | RDX);
    bind_forward(b, has_frame);
    wagi_x64_rm(b, X64_W | 0x8B, INSTANCE, wagi_x64_at(RAX, FUNC_INSTANCE));
    load_memory(b);
    wagi_x64_rm(b, 0xFF, 4, wagi_x64_at(RAX, FUNC_CODE));
    return true;
}

/* ---- linking ---- */

static int by_target(const void *x, const void *y)
{
    const wagi_reloc *a = x, *b = y;
    return a->target < b->target ? -1 : a->target > b->target;
}

/* Stubs of one kind are in ascending order of their target. */
static uint32_t find_stub(const wagi_reloc *stubs, size_t count, uintptr_t target)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (stubs[middle].target < target)
            low = middle + 1;
        else
            high = middle;
    }
    return stubs[low].at;
}

/* The distinct targets of the relocations of one kind, ascending, into `*sorted` (capacity count). Most targets repeat,
 * so that little is left to sort when those that were seen a moment ago are left out. */
static size_t distinct_targets(const wagi_reloc *relocs, size_t count, wagi_reloc_kind kind, wagi_reloc_kind or_kind,
                               wagi_reloc *sorted)
{
    size_t n = 0, out = 0;
    uintptr_t seen[256] = {0};
    for (size_t i = 0; i < count; i++) {
        if (relocs[i].kind != kind && relocs[i].kind != or_kind)
            continue;
        uintptr_t target = relocs[i].target, *place = &seen[(target ^ target >> 4 ^ target >> 12) % 256];
        if (*place == target && target != 0)
            continue;
        *place = target;
        sorted[n++] = relocs[i];
    }
    qsort(sorted, n, sizeof *sorted, by_target);
    for (size_t i = 0; i < n; i++)
        if (out == 0 || sorted[out - 1].target != sorted[i].target)
            sorted[out++] = sorted[i];
    return out;
}

static bool make_stubs(stub_maker *s, const wagi_reloc *relocs, size_t count, wagi_reloc *sorted)
{
    if (!room(s, STUB_ROOM) || !make_traps(s))
        return false;
    size_t n = distinct_targets(relocs, count, WAGI_RELOC_TRAP, WAGI_RELOC_TRAP, sorted);
    for (size_t i = 0; i < n; i++)
        if (!make_trap(s, (wag_err)sorted[i].target))
            return false;
    n = distinct_targets(relocs, count, WAGI_RELOC_OUT, WAGI_RELOC_TAIL, sorted);
    s->stubs->far_start = (uint32_t)s->b->n;
    for (size_t i = 0; i < n; i++)
        if (!make_out(s, (const wagi_type *)sorted[i].target))
            return false;
    s->stubs->far_end = (uint32_t)s->b->n;
    n = distinct_targets(relocs, count, WAGI_RELOC_TAIL, WAGI_RELOC_TAIL, sorted);
    for (size_t i = 0; i < n; i++) {
        uint32_t out = find_stub(s->stubs->out.p, s->stubs->out.n, sorted[i].target);
        if (!make_tail(s, out, (const wagi_type *)sorted[i].target))
            return false;
    }
    return true;
}

static uint32_t target_of(const wagi_x64_stubs *stubs, const wagi_reloc *reloc, const uint32_t *func_at)
{
    switch ((wagi_reloc_kind)reloc->kind) {
    case WAGI_RELOC_FUNC:
        return func_at[reloc->target];
    case WAGI_RELOC_OUT:
        return find_stub(stubs->out.p, stubs->out.n, reloc->target);
    case WAGI_RELOC_TAIL:
        return find_stub(stubs->tail.p, stubs->tail.n, reloc->target);
    case WAGI_RELOC_THROW:
        return stubs->throw_at;
    case WAGI_RELOC_TRAP:
        break;
    }
    return find_stub(stubs->traps.p, stubs->traps.n, reloc->target);
}

bool wagi_x64_link(wagi_x64_buffer *code, const wagi_code_context *context, const wagi_reloc *relocs,
                   size_t reloc_count, const uint32_t *func_at, const wagi_type *const *entry_types, size_t entry_count,
                   wagi_x64_stubs *stubs)
{
    stub_maker s = {.b = code, .context = context, .stubs = stubs, .has_avx = context->machine->features & X64_HAS_AVX};
    wagi_reloc *sorted = wagi_alloc((reloc_count + 1) * sizeof *sorted);
    if (!sorted)
        return false;
    bool fine = wagi_x64_reserve(code, STUB_ROOM);
    if (fine) {
        begin_stub(code);
        stubs->first = (uint32_t)code->n;
        fine = make_stubs(&s, relocs, reloc_count, sorted);
    }
    for (size_t i = 0; fine && i < entry_count; i++)
        fine = make_entry(&s, entry_types[i]);
    wagi_free(sorted);
    if (!fine || code->n > INT32_MAX / 2)
        return false;
    for (size_t i = 0; i < reloc_count; i++) {
        uint32_t rel = target_of(stubs, &relocs[i], func_at) - (relocs[i].at + 4);
        memcpy(code->p + relocs[i].at, &rel, 4);
    }
    return true;
}

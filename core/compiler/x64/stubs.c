/* Code that belongs to no function: the way in, the way out, traps.
 *
 * Entry (C to wasm):  int entry(const void *code, wag_instance *, wagi_slot *slots, wag_agent *)
 *   keeps C's registers, remembers rsp in agent->entry_sp, so that a trap can come back here with one move, and gives
 *   0, or WAGI_ENTER_FAILED when the call ended with an error. Its frame is a wagi_entry_frame below C's registers. For
 *   types of numbers alone there is one more, a wagi_enter: all of wag_call but its check of the agent.
 * Out (rax = wag_func, arguments as for a call): calls native code of another instance with its instance and memory in
 *   r14 and r15, or hands slots to the runtime; of numbers alone, wag_vals, which are what a host function takes.
 * Tail: the same for a tail call, without growing the stack; for another tier's function see tail_out. A callee must
 * give r14 back to our caller, so a small frame stays below it: the instance and the address of `restore`. When the
 * return address is such a `restore` already, ours or another module's, nothing more is needed. It is known by the mark
 * in front of it, which cannot end a call.
 */
#include "compiler/x64/stubs.h"
#include "compiler/x64/x64.h"

#define AGENT ((int32_t)offsetof(wag_instance, unit.agent))
#define ENTRY_SP ((int32_t)offsetof(wag_agent, entry_sp))
#define ENTRY_AGENT RBX
#define ENTRY_OUTER R12
#define ENTRY_RESULTS R13
#define ENTRY_DEPTH RBP
#define FRAME_BYTES ((int32_t)sizeof(wagi_entry_frame))
#define HANDLES ((int32_t)offsetof(wag_instance, unit.handles))
#define HOST_DEPTH ((int32_t)offsetof(wag_agent, host_depth))
#define FUNC_CODE ((int32_t)offsetof(wag_func, code))
#define FUNC_INSTANCE ((int32_t)offsetof(wag_func, instance))
#define MARK_LOW 0x0B0F0B0Fu
#define MARK_HIGH 0xCCCCCCCCu
#define STUB_ROOM 512

typedef wagi_x64_stub_maker stub_maker;

/* What an entry keeps for C; debuggers know the order (wagi_stub_code). */
static const int c_registers[] = {RBX, RBP, R12, R13, R14, R15};
#define C_REGISTERS ((int)(sizeof c_registers / sizeof *c_registers))

/* The two forms in which C has the values of a call. */
typedef enum form { SLOTS, VALS } form;

_Static_assert(FRAME_BYTES % 16 == 8, "an entry pushes six registers, so that its calls are aligned");
_Static_assert(WAG_I32 == 0 && offsetof(wag_val, kind) == 0 && sizeof(wag_val_kind) == 4 && offsetof(wag_val, of) == 8,
               "a number is stored together with its kind");

void wagi_x64_stubs_fini(wagi_x64_stubs *stubs)
{
    WAGI_VEC_FREE(&stubs->out);
    WAGI_VEC_FREE(&stubs->tail);
    WAGI_VEC_FREE(&stubs->entry);
    WAGI_VEC_FREE(&stubs->vals_entry);
    WAGI_VEC_FREE(&stubs->traps);
    WAGI_VEC_FREE(&stubs->frames);
}

/* ---- pieces ---- */

static bool is_number(wagi_valtype type)
{
    return type == WAGI_I32 || type == WAGI_I64 || type == WAGI_F32 || type == WAGI_F64;
}

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

static void jump_c(wagi_x64_buffer *b, uintptr_t function)
{
    wagi_x64_mov_imm(b, RAX, function, true);
    wagi_x64_rr(b, 0xFF, 4, RAX);
}

static void push_reg(wagi_x64_buffer *b, int reg)
{
    if (reg >= 8)
        wagi_x64_u8(b, 0x41);
    wagi_x64_u8(b, 0x50 | (unsigned)(reg & 7));
}

static void pop_reg(wagi_x64_buffer *b, int reg)
{
    if (reg >= 8)
        wagi_x64_u8(b, 0x41);
    wagi_x64_u8(b, 0x58 | (unsigned)(reg & 7));
}

/* From an entry's frame to C's return address. */
static void leave_entry(wagi_x64_buffer *b)
{
    wagi_x64_alu_imm_reg(b, 0, RSP, FRAME_BYTES, true);
    for (int i = C_REGISTERS; i-- > 0;)
        pop_reg(b, c_registers[i]);
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

/* Slots of a value. */
static uint32_t slots_of(wagi_valtype type)
{
    return wagi_ty_slots(wagi_ir_type_of(type));
}

static uint32_t slots_of_all(const wagi_valtype *types, uint32_t count)
{
    uint32_t slots = 0;
    for (uint32_t i = 0; i < count; i++)
        slots += slots_of(types[i]);
    return slots;
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

/* A value from C's memory or from slots to slots. Of 32 bits a wag_val says nothing more. */
static void copy_value(wagi_x64_buffer *b, form form, wagi_valtype type, int scratch, wagi_x64_mem to,
                       wagi_x64_mem from)
{
    bool is_32 = form == VALS && (type == WAGI_I32 || type == WAGI_F32);
    for (uint32_t i = 0; i < slots_of(type); i++, to.disp += 8, from.disp += 8) {
        wagi_x64_rm(b, (is_32 ? 0 : X64_W) | 0x8B, scratch, from);
        wagi_x64_rm(b, X64_W | 0x89, scratch, to);
    }
}

/* The i-th value of an array in C's memory, the i-th slot of slots. */
static wagi_x64_mem value_at(form form, int base, int32_t disp, uint32_t i)
{
    if (form == SLOTS)
        return wagi_x64_at(base, disp + (int32_t)(sizeof(wagi_slot) * i));
    return wagi_x64_at(base, disp + (int32_t)(sizeof(wag_val) * i + offsetof(wag_val, of)));
}

/* The i-th typed value of an array, which begins with its kind. */
static wagi_x64_mem val_at(int base, int32_t disp, uint32_t i)
{
    return wagi_x64_at(base, disp + (int32_t)(sizeof(wag_val) * i));
}

static int32_t kind_of(wagi_valtype type)
{
    return type == WAGI_I32 ? WAG_I32 : type == WAGI_I64 ? WAG_I64 : type == WAGI_F32 ? WAG_F32 : WAG_F64;
}

/* xmm15 = the kind, and what lies between it and the value as 0. */
static void load_kind(wagi_x64_buffer *b, wagi_valtype type, int scratch)
{
    if (type == WAGI_I32) {
        wagi_x64_rr(b, X64_0F | 0x57, XMM_B, XMM_B); /* xorps */
        return;
    }
    wagi_x64_mov_imm(b, scratch, (uint32_t)kind_of(type), false);
    wagi_x64_rr(b, X64_66 | X64_0F | 0x6E, XMM_B, scratch); /* movd */
}

/* The i-th wag_val of an array gets a register's value, in one store of 16 bytes: when C copies it as a whole, it need
 * not wait until two stores are through. reg: as in machine.h. */
static void store_val(wagi_x64_buffer *b, wagi_valtype type, int reg, wagi_x64_mem val, int scratch)
{
    int xmm = reg - WAGI_FLOAT_REG;
    if (type == WAGI_I32) {                                         /* whose kind is 0 */
        wagi_x64_rr(b, X64_W | X64_66 | X64_0F | 0x6E, XMM_B, reg); /* movq */
        wagi_x64_rr(b, X64_66 | X64_0F | 0x73, 7, XMM_B);           /* pslldq */
        wagi_x64_u8(b, 8);
        wagi_x64_rm(b, X64_0F | 0x11, XMM_B, val); /* movups */
        return;
    }
    load_kind(b, type, scratch);
    if (type == WAGI_F32) { /* without what lies above it */
        wagi_x64_rr(b, X64_66 | X64_0F | 0x7E, xmm, scratch);
        reg = scratch;
    }
    if (type != WAGI_F64) {
        xmm = XMM_A;
        wagi_x64_rr(b, X64_W | X64_66 | X64_0F | 0x6E, xmm, reg); /* movq */
    }
    wagi_x64_rr(b, X64_66 | X64_0F | 0x6C, XMM_B, xmm); /* punpcklqdq */
    wagi_x64_rm(b, X64_0F | 0x11, XMM_B, val);          /* movups */
}

/* The same with a slot's value. */
static void store_val_of_slot(wagi_x64_buffer *b, wagi_valtype type, wagi_x64_mem slot, wagi_x64_mem val, int scratch)
{
    load_kind(b, type, scratch);
    wagi_x64_rm(b, X64_0F | 0x16, XMM_B, slot); /* movhps */
    wagi_x64_rm(b, X64_0F | 0x11, XMM_B, val);
}

bool wagi_x64_takes_vals(const wagi_type *type)
{
    for (uint32_t i = 0; i < type->param_count; i++)
        if (!is_number(type->params[i]))
            return false;
    for (uint32_t i = 0; i < type->result_count; i++)
        if (!is_number(type->results[i]))
            return false;
    return type->param_count + type->result_count <= WAGI_ENTER_VALS;
}

static bool room(stub_maker *s, size_t size)
{
    return wagi_x64_reserve(s->b, size);
}

/* From start to end the frame has this size. */
static bool add_frame(stub_maker *s, size_t start, size_t end, uint32_t frame, bool is_entry)
{
    wagi_stub_code code = {
        .start = (uint32_t)start, .size = (uint32_t)(end - start), .frame = frame, .is_entry = is_entry};
    return WAGI_VEC_PUSH(&s->stubs->frames, code);
}

/* ---- traps ---- */

/* Where calls from C end in another way than by returning, and where they do not begin. */
static void make_unwind(stub_maker *s)
{
    wagi_x64_buffer *b = s->b;
    s->unwind = s->stubs->unwind = (uint32_t)b->n;
    wagi_x64_rm(b, X64_W | 0x8B, RDX, wagi_x64_at(INSTANCE, AGENT));
    wagi_x64_rm(b, X64_W | 0x8B, RSP, wagi_x64_at(RDX, ENTRY_SP));
    wagi_x64_rm(b, X64_W | 0x8B, RCX, wagi_x64_at(RSP, offsetof(wagi_entry_frame, outer)));
    wagi_x64_rm(b, X64_W | 0x89, RCX, wagi_x64_at(RDX, ENTRY_SP));
    wagi_x64_mov_imm(b, RAX, (uint32_t)WAGI_ENTER_FAILED, false);
    leave_entry(b);
    wagi_x64_u8(b, 0xC3);
    begin_stub(b);
    s->enter_ended = (uint32_t)b->n;
    wagi_x64_rm(b, X64_W | 0x8D, RDI, wagi_x64_at(INSTANCE, offsetof(wag_instance, unit)));
    leave_entry(b);
    jump_c(b, (uintptr_t)s->context->abi->enter_ended);
    begin_stub(b);
    s->call_vals = (uint32_t)b->n;
    jump_c(b, (uintptr_t)s->context->abi->call_vals);
}

bool wagi_x64_make_traps(stub_maker *s)
{
    wagi_x64_buffer *b = s->b;
    if (!room(s, STUB_ROOM))
        return false;
    begin_stub(b);
    s->stubs->first = (uint32_t)b->n;
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
    if (!add_frame(s, b->n - 8, b->n, 8, false)) /* debuggers look up the byte before the return address */
        return false;
    pop_reg(b, INSTANCE);
    load_memory(b);
    wagi_x64_u8(b, 0xC3);
    begin_stub(b);
    return wagi_x64_raise_stubs(b, s->context, s->stubs);
}

bool wagi_x64_make_trap(stub_maker *s, wag_err trap)
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

/* rdx: the arguments */
static void entry_args(stub_maker *s, const wagi_type *type, form form)
{
    const wagi_machine *m = s->context->machine;
    wagi_x64_buffer *b = s->b;
    uint32_t ints = 0, floats = 0;
    if (has_buffer_params(m, type)) {
        wagi_x64_rm(b, X64_W | 0x8B, RCX, wagi_x64_at(INSTANCE, AGENT));
        wagi_x64_rm(b, X64_W | 0x8D, RCX, wagi_x64_at(RCX, offsetof(wag_agent, overflow)));
        for (uint32_t i = 0, at = 0; i < type->param_count && room(s, 64); at += slots_of(type->params[i++]))
            if (param_reg(m, type->params[i], &ints, &floats) < 0)
                copy_value(b, form, type->params[i], R8, wagi_x64_at(RCX, (int32_t)(8 * at)),
                           value_at(form, RDX, 0, at));
    }
    ints = floats = 0;
    for (uint32_t i = 0, at = 0; i < type->param_count && room(s, 64); at += slots_of(type->params[i++])) {
        int reg = param_reg(m, type->params[i], &ints, &floats);
        bool is_32 = form == VALS && type->params[i] == WAGI_I32;
        wagi_x64_mem value = value_at(form, RDX, 0, at);
        if (reg >= 0 && wagi_reg_is_float(reg))
            move_float(s, type->params[i], false, reg - WAGI_FLOAT_REG, value);
        else if (reg >= 0)
            wagi_x64_rm(b, (is_32 ? 0 : X64_W) | 0x8B, reg, value);
    }
}

static void entry_results(stub_maker *s, const wagi_type *type, form form)
{
    wagi_x64_buffer *b = s->b;
    if (type->result_count == 0)
        return;
    bool is_float = wagi_ty_is_float(wagi_ir_type_of(type->results[0]));
    if (form == VALS)
        store_val(b, type->results[0], is_float ? WAGI_FLOAT_REG : RAX, val_at(ENTRY_RESULTS, 0, 0), RCX);
    else if (is_float)
        float_to_slot(s, type->results[0], 0, wagi_x64_at(ENTRY_RESULTS, 0));
    else
        wagi_x64_rm(b, X64_W | 0x89, RAX, wagi_x64_at(ENTRY_RESULTS, 0));
    if (type->result_count > 1)
        load_buffer(b);
    uint32_t at = slots_of(type->results[0]);
    for (uint32_t i = 1; i < type->result_count && room(s, 64); at += slots_of(type->results[i++])) {
        wagi_x64_mem slot = wagi_x64_at(RDX, (int32_t)(8 * at));
        if (form == VALS)
            store_val_of_slot(b, type->results[i], slot, val_at(ENTRY_RESULTS, 0, i), RCX);
        else
            copy_value(b, SLOTS, type->results[i], RCX, wagi_x64_at(ENTRY_RESULTS, (int32_t)(8 * at)), slot);
    }
}

/* The checks of wagi_call_vals, of a call as wag_call has it in registers. Afterwards r10: the agent, r11: its depth.
 */
static bool entry_checks(stub_maker *s, const wagi_type *type)
{
    wagi_x64_buffer *b = s->b;
    wagi_x64_alu_imm_reg(b, 7, RDX, (int32_t)type->param_count, true);
    jump_to(b, CC_NE, s->call_vals);
    wagi_x64_alu_imm_reg(b, 7, R8, (int32_t)type->result_count, true);
    jump_to(b, CC_NE, s->call_vals);
    if (type->param_count) {
        wagi_x64_rr(b, X64_W | 0x85, RSI, RSI);
        jump_to(b, CC_E, s->call_vals);
    }
    if (type->result_count) {
        wagi_x64_rr(b, X64_W | 0x85, RCX, RCX);
        jump_to(b, CC_E, s->call_vals);
    }
    for (uint32_t i = 0; i < type->param_count && room(s, 64); i++) {
        wagi_x64_alu_imm_mem(b, 7, val_at(RSI, 0, i), kind_of(type->params[i]), false);
        jump_to(b, CC_NE, s->call_vals);
    }
    if (!room(s, STUB_ROOM))
        return false;
    wagi_x64_rm(b, X64_W | 0x8B, R10, wagi_x64_at(RDI, FUNC_INSTANCE));
    wagi_x64_rm(b, X64_W | 0x8B, R10, wagi_x64_at(R10, AGENT));
    wagi_x64_rm(b, 0x8B, R11, wagi_x64_at(R10, HOST_DEPTH));
    wagi_x64_rm(b, 0x3B, R11, wagi_x64_at(R10, offsetof(wag_agent, depth_limit)));
    jump_to(b, CC_AE, s->call_vals);
    wagi_x64_compare_stop_limit(b, s->context, RSP);
    jump_to(b, CC_B, s->call_vals);
    return true;
}

/* What is needed behind the call goes into registers that wasm keeps as C does. rax: the code, rdx: the arguments. */
static void entry_operands(wagi_x64_buffer *b, form form)
{
    if (form == SLOTS) {
        wagi_x64_rr(b, X64_W | 0x8B, ENTRY_AGENT, RCX);
        wagi_x64_rr(b, X64_W | 0x8B, ENTRY_RESULTS, RDX);
        wagi_x64_rr(b, X64_W | 0x8B, INSTANCE, RSI);
        wagi_x64_rr(b, X64_W | 0x8B, RAX, RDI);
        return;
    }
    wagi_x64_rr(b, X64_W | 0x8B, ENTRY_AGENT, R10);
    wagi_x64_rr(b, X64_W | 0x8B, ENTRY_RESULTS, RCX);
    wagi_x64_rm(b, X64_W | 0x8B, INSTANCE, wagi_x64_at(RDI, FUNC_INSTANCE));
    wagi_x64_rm(b, X64_W | 0x8B, RAX, wagi_x64_at(RDI, FUNC_CODE));
    wagi_x64_rr(b, X64_W | 0x8B, RDX, RSI);
    /* The depth is written back, not counted down: the next call need not wait for a sum in memory. */
    wagi_x64_rr(b, 0x8B, ENTRY_DEPTH, R11);
    wagi_x64_alu_imm_reg(b, 0, R11, 1, false);
    wagi_x64_rm(b, 0x89, R11, wagi_x64_at(ENTRY_AGENT, HOST_DEPTH));
    wagi_x64_rm(b, X64_W | 0xFF, 0, wagi_x64_at(INSTANCE, HANDLES));
}

static void entry_end(const stub_maker *s, form form)
{
    wagi_x64_buffer *b = s->b;
    wagi_x64_rm(b, X64_W | 0x89, ENTRY_OUTER, wagi_x64_at(ENTRY_AGENT, ENTRY_SP));
    if (form == VALS) {
        wagi_x64_rm(b, 0x89, ENTRY_DEPTH, wagi_x64_at(ENTRY_AGENT, HOST_DEPTH));
        wagi_x64_rm(b, X64_W | 0xFF, 1, wagi_x64_at(INSTANCE, HANDLES));
        jump_to(b, CC_E, s->enter_ended);
        wagi_x64_rm(b, 0x80, 7, wagi_x64_at(ENTRY_AGENT, offsetof(wag_agent, poll_due)));
        wagi_x64_u8(b, 0);
        jump_to(b, CC_NE, s->enter_ended);
    }
    wagi_x64_rr(b, 0x33, RAX, RAX);
    leave_entry(b);
    wagi_x64_u8(b, 0xC3);
}

bool wagi_x64_make_entry(stub_maker *s, const wagi_type *type, bool vals)
{
    form form = vals ? VALS : SLOTS;
    wagi_x64_buffer *b = s->b;
    if (!room(s, STUB_ROOM))
        return false;
    begin_stub(b);
    wagi_reloc stub = {.at = (uint32_t)b->n, .target = (uintptr_t)type};
    if (!(form == VALS ? WAGI_VEC_PUSH(&s->stubs->vals_entry, stub) : WAGI_VEC_PUSH(&s->stubs->entry, stub)))
        return false;
    if (form == VALS && !entry_checks(s, type))
        return false;
    for (int i = 0; i < C_REGISTERS; i++)
        push_reg(b, c_registers[i]);
    entry_operands(b, form);
    wagi_x64_rm(b, X64_W | 0x8B, ENTRY_OUTER, wagi_x64_at(ENTRY_AGENT, ENTRY_SP));
    push_reg(b, ENTRY_OUTER);
    size_t framed = b->n;
    wagi_x64_rm(b, X64_W | 0x89, RSP, wagi_x64_at(ENTRY_AGENT, ENTRY_SP));
    load_memory(b);
    entry_args(s, type, form);
    if (!room(s, STUB_ROOM))
        return false;
    wagi_x64_rr(b, 0xFF, 2, RAX);
    entry_results(s, type, form);
    if (!room(s, STUB_ROOM))
        return false;
    size_t in_frame = b->n;
    entry_end(s, form);
    return add_frame(s, framed, in_frame, FRAME_BYTES + 8 * C_REGISTERS, true);
}

/* ---- out ---- */

/* disp: of the arguments' array from rsp. Keeps rax. */
static void out_args(stub_maker *s, const wagi_type *type, form form, int32_t disp)
{
    const wagi_machine *m = s->context->machine;
    wagi_x64_buffer *b = s->b;
    uint32_t ints = 0, floats = 0;
    for (uint32_t i = 0, at = 0; i < type->param_count && room(s, 64); at += slots_of(type->params[i++])) {
        int reg = param_reg(m, type->params[i], &ints, &floats);
        wagi_x64_mem slot = wagi_x64_at(RSP, disp + (int32_t)(8 * at));
        if (reg < 0)
            continue;
        if (form == VALS)
            store_val(b, type->params[i], reg, val_at(RSP, disp, i), RDX);
        else if (wagi_reg_is_float(reg))
            float_to_slot(s, type->params[i], reg - WAGI_FLOAT_REG, slot);
        else
            wagi_x64_rm(b, X64_W | 0x89, reg, slot);
    }
    if (!has_buffer_params(m, type))
        return;
    load_buffer(b);
    ints = floats = 0;
    for (uint32_t i = 0, at = 0; i < type->param_count && room(s, 64); at += slots_of(type->params[i++])) {
        wagi_x64_mem from = wagi_x64_at(RDX, (int32_t)(8 * at));
        if (param_reg(m, type->params[i], &ints, &floats) >= 0)
            continue;
        if (form == VALS)
            store_val_of_slot(b, type->params[i], from, val_at(RSP, disp, i), RCX);
        else
            copy_value(b, SLOTS, type->params[i], RCX, wagi_x64_at(RSP, disp + (int32_t)(8 * at)), from);
    }
}

static void out_results(stub_maker *s, const wagi_type *type, form form, int32_t disp)
{
    wagi_x64_buffer *b = s->b;
    if (type->result_count > 1) {
        load_buffer(b);
        uint32_t at = slots_of(type->results[0]);
        for (uint32_t i = 1; i < type->result_count && room(s, 64); at += slots_of(type->results[i++]))
            copy_value(b, form, type->results[i], RCX, wagi_x64_at(RDX, (int32_t)(8 * at)),
                       value_at(form, RSP, disp, at));
    }
    if (type->result_count == 0)
        return;
    bool is_32 = form == VALS && type->results[0] == WAGI_I32;
    if (wagi_ty_is_float(wagi_ir_type_of(type->results[0])))
        move_float(s, type->results[0], false, 0, value_at(form, RSP, disp, 0));
    else
        wagi_x64_rm(b, (is_32 ? 0 : X64_W) | 0x8B, RAX, value_at(form, RSP, disp, 0));
}

/* The runtime calls the function. c_function: of the abi, call_out or tail_out. */
static bool make_slots_call(stub_maker *s, const wagi_type *type, uintptr_t c_function)
{
    wagi_x64_buffer *b = s->b;
    uint32_t slots = slots_of_all(type->params, type->param_count);
    uint32_t results = slots_of_all(type->results, type->result_count);
    if (results > slots)
        slots = results;
    int32_t bytes = (int32_t)(8 * (slots | 1));
    wagi_x64_alu_imm_reg(b, 5, RSP, bytes, true);
    size_t framed = b->n;
    out_args(s, type, SLOTS, 0);
    if (!room(s, STUB_ROOM))
        return false;
    wagi_x64_rr(b, X64_W | 0x8B, RDI, RAX);
    wagi_x64_rr(b, X64_W | 0x8B, RSI, RSP);
    wagi_x64_rm(b, X64_W | 0x8D, RDX, wagi_x64_at(RSP, bytes));
    call_c(b, c_function);
    wagi_x64_rr(b, X64_W | 0x85, RAX, RAX);
    size_t error = jump_forward(b, CC_NE);
    load_memory(b);
    out_results(s, type, SLOTS, 0);
    if (!room(s, STUB_ROOM) || !add_frame(s, framed, b->n, (uint32_t)bytes, false))
        return false;
    wagi_x64_alu_imm_reg(b, 0, RSP, bytes, true);
    wagi_x64_u8(b, 0xC3);
    bind_forward(b, error);
    wagi_x64_rr(b, X64_W | 0x8B, RCX, RAX);
    wagi_x64_alu_imm_reg(b, 0, RSP, bytes, true);
    jump_to(b, -1, s->stubs->raise);
    return true;
}

/* The same with wag_vals. Frame: [0] the function, arguments, results. The function is there for the collector, which
 * finds it on the stack, and for the one call that is made when a result's kind is wrong. */
static bool make_vals_call(stub_maker *s, const wagi_type *type)
{
    wagi_x64_buffer *b = s->b;
    int32_t args = 8, results = args + (int32_t)(sizeof(wag_val) * type->param_count);
    int32_t bytes = results + (int32_t)(sizeof(wag_val) * type->result_count);
    bytes = (bytes + 7) / 16 * 16 + 8;
    wagi_x64_alu_imm_reg(b, 5, RSP, bytes, true);
    size_t framed = b->n;
    wagi_x64_rm(b, X64_W | 0x89, RAX, wagi_x64_at(RSP, 0));
    out_args(s, type, VALS, args);
    for (uint32_t i = 0; i < type->result_count && room(s, 64); i++) {
        load_kind(b, type->results[i], RDX);
        wagi_x64_rm(b, X64_0F | 0x11, XMM_B, val_at(RSP, results, i));
    }
    if (!room(s, STUB_ROOM))
        return false;
    wagi_x64_rr(b, X64_W | 0x8B, RDI, RAX);
    wagi_x64_rm(b, X64_W | 0x8D, RSI, wagi_x64_at(RSP, args));
    wagi_x64_rm(b, X64_W | 0x8D, RDX, wagi_x64_at(RSP, results));
    call_c(b, (uintptr_t)s->context->abi->call_out_vals);
    wagi_x64_rr(b, X64_W | 0x85, RAX, RAX);
    size_t error = jump_forward(b, CC_NE);
    size_t misfits[WAGI_ENTER_VALS];
    for (uint32_t i = 0; i < type->result_count && room(s, STUB_ROOM); i++) {
        wagi_x64_alu_imm_mem(b, 7, val_at(RSP, results, i), kind_of(type->results[i]), false);
        misfits[i] = jump_forward(b, CC_NE);
    }
    load_memory(b);
    out_results(s, type, VALS, results);
    if (!room(s, STUB_ROOM) || !add_frame(s, framed, b->n, (uint32_t)bytes, false))
        return false;
    wagi_x64_alu_imm_reg(b, 0, RSP, bytes, true);
    wagi_x64_u8(b, 0xC3);
    for (uint32_t i = 0; i < type->result_count; i++)
        bind_forward(b, misfits[i]);
    wagi_x64_rm(b, X64_W | 0x8B, RDI, wagi_x64_at(RSP, 0));
    wagi_x64_rm(b, X64_W | 0x8D, RSI, wagi_x64_at(RSP, results));
    call_c(b, (uintptr_t)s->context->abi->misfit);
    bind_forward(b, error);
    wagi_x64_rr(b, X64_W | 0x8B, RCX, RAX);
    wagi_x64_alu_imm_reg(b, 0, RSP, bytes, true);
    jump_to(b, -1, s->stubs->raise);
    return true;
}

bool wagi_x64_make_out(stub_maker *s, const wagi_type *type)
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
    push_reg(b, INSTANCE);
    size_t framed = b->n;
    wagi_x64_rm(b, X64_W | 0x8B, INSTANCE, wagi_x64_at(RAX, FUNC_INSTANCE));
    load_memory(b);
    wagi_x64_rm(b, 0xFF, 2, wagi_x64_at(RAX, FUNC_CODE));
    if (!add_frame(s, framed, b->n, 8, false))
        return false;
    pop_reg(b, INSTANCE);
    load_memory(b);
    wagi_x64_u8(b, 0xC3);
    bind_forward(b, slots);
    return wagi_x64_takes_vals(type) ? make_vals_call(s, type)
                                     : make_slots_call(s, type, (uintptr_t)s->context->abi->call_out);
}

bool wagi_x64_make_tail(stub_maker *s, uint32_t out, const wagi_type *type)
{
    wagi_x64_buffer *b = s->b;
    if (!room(s, STUB_ROOM))
        return false;
    begin_stub(b);
    wagi_reloc stub = {.at = (uint32_t)b->n, .target = (uintptr_t)type};
    if (!WAGI_VEC_PUSH(&s->stubs->tail, stub))
        return false;
    wagi_x64_alu_imm_mem(b, 7, wagi_x64_at(RAX, FUNC_INSTANCE), 0, true);
    jump_to(b, CC_E, out);
    wagi_x64_alu_imm_mem(b, 7, wagi_x64_at(RAX, FUNC_CODE), 0, true);
    size_t slots = jump_forward(b, CC_E);
    wagi_x64_rm(b, X64_W | 0x8B, RDX, wagi_x64_at(RSP, 0));
    wagi_x64_alu_imm_mem(b, 7, wagi_x64_at(RDX, -8), (int32_t)MARK_LOW, false);
    size_t no_frame = jump_forward(b, CC_NE);
    wagi_x64_alu_imm_mem(b, 7, wagi_x64_at(RDX, -4), (int32_t)MARK_HIGH, false);
    size_t has_frame = jump_forward(b, CC_E);
    bind_forward(b, no_frame);
    push_reg(b, INSTANCE);
    wagi_x64_rm(b, X64_W | 0x8D, RDX, wagi_x64_at(X64_RIP, 0));
    uint32_t rel = (uint32_t)(s->restore - b->n);
    memcpy(b->p + b->n - 4, &rel, 4);
    wagi_x64_u8(b, 0x50 | RDX);
    bind_forward(b, has_frame);
    wagi_x64_rm(b, X64_W | 0x8B, INSTANCE, wagi_x64_at(RAX, FUNC_INSTANCE));
    load_memory(b);
    wagi_x64_rm(b, 0xFF, 4, wagi_x64_at(RAX, FUNC_CODE));
    bind_forward(b, slots);
    return make_slots_call(s, type, (uintptr_t)s->context->abi->tail_out);
}

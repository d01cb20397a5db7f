/* Emission of calls, returns and prologues: where values travel between functions. */
#include "compiler/x64/x64.h"

#define AGENT_DISP ((int32_t)offsetof(wag_instance, unit.agent))

static bool is_const(uint32_t entry)
{
    return entry & WAGI_POOL_CONST;
}
static const wagi_ir_const *const_of(const wagi_x64_emitter *e, uint32_t entry)
{
    return &e->ir->consts.p[entry & ~WAGI_POOL_CONST];
}
static unsigned entry_type(const wagi_x64_emitter *e, uint32_t entry)
{
    return is_const(entry) ? const_of(e, entry)->type : wagi_x64_vreg(e, entry)->type;
}
static bool entry_is_float(const wagi_x64_emitter *e, uint32_t entry)
{
    return wagi_ty_is_float(entry_type(e, entry));
}
/* Bytes of its slots. */
static int32_t entry_bytes(const wagi_x64_emitter *e, uint32_t entry)
{
    return (int32_t)(8 * wagi_ty_slots(entry_type(e, entry)));
}

static void load_int(wagi_x64_emitter *e, uint32_t entry, int reg)
{
    if (is_const(entry))
        wagi_x64_mov_imm(&e->code, reg, const_of(e, entry)->bits, true);
    else
        wagi_x64_move(e, reg, wagi_x64_use(e, entry, reg));
}

static void load_float(wagi_x64_emitter *e, uint32_t entry, int xmm)
{
    if (!is_const(entry)) {
        wagi_x64_move_float(e, xmm, wagi_x64_use_float(e, entry, xmm));
        return;
    }
    const wagi_ir_const *constant = const_of(e, entry);
    if (constant->type == WAGI_TY_V128) {
        wagi_x64_vector_const(e, xmm, constant->bits, constant->high);
        return;
    }
    wagi_x64_sse_mem(e, wagi_x64_float_form(constant->type, 0x10), xmm, wagi_x64_at(X64_RIP, 0));
    wagi_x64_const_operand(e, constant->bits, 8, 0);
}

static void store_bits(wagi_x64_emitter *e, uint64_t bits, wagi_x64_mem mem)
{
    if ((int64_t)bits == (int32_t)bits) {
        wagi_x64_rm(&e->code, X64_W | 0xC7, 0, mem);
        wagi_x64_u32(&e->code, (uint32_t)bits);
    } else {
        wagi_x64_mov_imm(&e->code, RAX, bits, true);
        wagi_x64_rm(&e->code, X64_W | 0x89, RAX, mem);
    }
}

/* A pool entry to its slots in memory, all bits (f32 zero-extended). Uses rax and xmm15. */
static void store_entry(wagi_x64_emitter *e, uint32_t entry, wagi_x64_mem mem)
{
    if (is_const(entry)) {
        const wagi_ir_const *constant = const_of(e, entry);
        store_bits(e, constant->bits, mem);
        mem.disp += 8;
        if (constant->type == WAGI_TY_V128)
            store_bits(e, constant->high, mem);
    } else if (entry_is_float(e, entry)) {
        unsigned type = wagi_x64_vreg(e, entry)->type;
        int xmm = wagi_x64_use_float(e, entry, XMM_B);
        if (type == WAGI_TY_F32) {
            wagi_x64_sse_2(e, X64_0F | X64_66 | 0x7E, xmm, RAX);
            wagi_x64_rm(&e->code, X64_W | 0x89, RAX, mem);
        } else {
            wagi_x64_store_float(e, type, xmm, mem);
        }
    } else {
        wagi_x64_rm(&e->code, X64_W | 0x89, wagi_x64_use(e, entry, RAX), mem);
    }
}

/* rdx = the agent's overflow buffer */
static void load_buffer(wagi_x64_emitter *e)
{
    wagi_x64_rm(&e->code, X64_W | 0x8B, RDX, wagi_x64_at(INSTANCE, AGENT_DISP));
    wagi_x64_rm(&e->code, X64_W | 0x8D, RDX, wagi_x64_at(RDX, offsetof(wag_agent, overflow)));
}

/* ---- parallel moves ---- */

#define MAX_MOVES 16 /* of arguments in registers */

static void move_register(wagi_x64_emitter *e, int to, int from)
{
    if (wagi_reg_is_float(to))
        wagi_x64_move_float(e, to - WAGI_FLOAT_REG, from - WAGI_FLOAT_REG);
    else
        wagi_x64_move(e, to, from);
}

/* Everything in a cycle: the value that a move reads waits in a scratch register. */
static void break_cycle(wagi_x64_emitter *e, wagi_x64_arg_move *moves, uint32_t count, int from, int wait)
{
    move_register(e, wait, from);
    for (uint32_t j = 0; j < count; j++)
        if (moves[j].from == from && moves[j].from != moves[j].to)
            moves[j].from = (int8_t)wait;
}

/* Moves between registers as if all happened at once. A move that is done has from == to. */
void wagi_x64_parallel_moves(wagi_x64_emitter *e, wagi_x64_arg_move *moves, uint32_t count, int scratch)
{
    uint8_t readers[WAGI_REG_COUNT] = {0}, left[MAX_MOVES], kept = 0; /* readers: moves to do that read it */
    for (uint8_t i = 0; i < count; i++) {
        if (moves[i].from < 0 || moves[i].from == moves[i].to)
            continue;
        readers[moves[i].from]++;
        left[kept++] = i;
    }
    for (uint8_t n = kept; n; n = kept) {
        kept = 0;
        for (uint8_t k = 0; k < n; k++) {
            wagi_x64_arg_move *move = &moves[left[k]];
            if (readers[move->to]) {
                left[kept++] = left[k];
                continue;
            }
            move_register(e, move->to, move->from);
            readers[move->from]--;
            move->from = move->to;
        }
        if (kept < n)
            continue;
        int from = moves[left[0]].from, wait = wagi_reg_is_float(from) ? WAGI_FLOAT_REG + XMM_B : scratch;
        break_cycle(e, moves, count, from, wait);
        readers[wait] = readers[from];
        readers[from] = 0;
    }
}

/* ---- arguments ---- */

/* The register of the next argument of a class, or -1 when it travels in the buffer. */
static int next_arg(const wagi_machine *machine, bool is_float, uint32_t *ints, uint32_t *floats)
{
    if (is_float)
        return *floats < machine->float_arg_count ? machine->float_args[(*floats)++] : -1;
    return *ints < machine->int_arg_count ? machine->int_args[(*ints)++] : -1;
}

/* So few values that registers are enough, whatever they are. */
static bool fits_registers(const wagi_machine *machine, uint32_t count)
{
    return count <= machine->int_arg_count && count <= machine->float_arg_count;
}

/* Arguments beyond the registers: to the buffer. Uses rax, rdx. */
static void overflow_args(wagi_x64_emitter *e, const wagi_ir_call *call)
{
    const wagi_machine *machine = e->context->machine;
    if (fits_registers(machine, call->arg_count))
        return;
    uint32_t ints = 0, floats = 0;
    int32_t at = 0;
    bool loaded = false;
    for (uint32_t i = 0; i < call->arg_count && wagi_x64_roomy(e, 128); i++) {
        uint32_t entry = e->ir->pool.p[call->args + i];
        int32_t here = at;
        at += entry_bytes(e, entry);
        if (next_arg(machine, entry_is_float(e, entry), &ints, &floats) >= 0)
            continue;
        if (!loaded)
            load_buffer(e);
        loaded = true;
        store_entry(e, entry, wagi_x64_at(RDX, here));
    }
}

/* Arguments in registers. Uses rdx; keeps rax. */
static void register_args(wagi_x64_emitter *e, const wagi_ir_call *call)
{
    wagi_x64_arg_move moves[MAX_MOVES];
    uint32_t ints = 0, floats = 0, count = 0;
    for (uint32_t i = 0; i < call->arg_count; i++) {
        uint32_t entry = e->ir->pool.p[call->args + i];
        int to = next_arg(e->context->machine, entry_is_float(e, entry), &ints, &floats);
        if (to < 0)
            continue;
        int from = is_const(entry) ? -1 : wagi_x64_reg(e, entry);
        moves[count++] = (wagi_x64_arg_move){(int8_t)to, (int8_t)(from < 0 ? -1 : from), entry};
    }
    wagi_x64_parallel_moves(e, moves, count, RDX);
    for (uint32_t i = 0; i < count && wagi_x64_roomy(e, 64); i++) {
        if (moves[i].from >= 0)
            continue;
        if (wagi_reg_is_float(moves[i].to))
            load_float(e, moves[i].entry, moves[i].to - WAGI_FLOAT_REG);
        else
            load_int(e, moves[i].entry, moves[i].to);
    }
}

/* ---- callees ---- */

wagi_x64_mem wagi_x64_table_field(wagi_x64_emitter *e, uint32_t table, size_t field, int scratch);

/* Trap unless the function in rax is of the type. Types are canonical: the same type is the same pointer. */
static void check_type(wagi_x64_emitter *e, const wagi_type *type)
{
    wagi_x64_mov_imm(&e->code, RDX, (uint64_t)(uintptr_t)type, true);
    wagi_x64_rm(&e->code, X64_W | 0x39, RDX, wagi_x64_at(RAX, offsetof(wag_func, type)));
    if (type->is_final) {
        wagi_x64_trap_if(e, CC_NE, WAG_INDIRECT_CALL_TYPE);
        return;
    }
    size_t same = wagi_x64_jump_short(e, CC_E); /* else a subtype: wagi_type_is_sub */
    wagi_x64_rm(&e->code, X64_W | 0x8B, RDX, wagi_x64_at(RAX, offsetof(wag_func, type)));
    wagi_x64_alu_imm_mem(&e->code, 7, wagi_x64_at(RDX, offsetof(wagi_type, depth)), (int32_t)type->depth, false);
    wagi_x64_trap_if(e, CC_BE, WAG_INDIRECT_CALL_TYPE);
    wagi_x64_rm(&e->code, X64_W | 0x8B, RDX, wagi_x64_at(RDX, offsetof(wagi_type, display)));
    wagi_x64_alu_imm_mem(&e->code, 7, wagi_x64_at(RDX, (int32_t)(4 * type->depth)), (int32_t)type->id, false);
    wagi_x64_trap_if(e, CC_NE, WAG_INDIRECT_CALL_TYPE);
    wagi_x64_bind_short(e, same);
}

/* rax = the table's element, checked to be a function of the type */
static void load_element(wagi_x64_emitter *e, const wagi_ir_call *call)
{
    wagi_x64_move(e, RAX, wagi_x64_use(e, e->ir->pool.p[call->args + call->arg_count], RAX));
    wagi_x64_rm(&e->code, X64_W | 0x3B, RAX, wagi_x64_table_field(e, call->target, offsetof(wag_table, size), RDX));
    wagi_x64_trap_if(e, CC_AE, WAG_UNDEFINED_ELEMENT);
    wagi_x64_rm(&e->code, X64_W | 0x8B, RDX, wagi_x64_table_field(e, call->target, offsetof(wag_table, elements), RDX));
    wagi_x64_rm(&e->code, X64_W | 0x8B, RAX, wagi_x64_indexed(RDX, RAX, 3, 0));
    wagi_x64_rr(&e->code, X64_W | 0x85, RAX, RAX);
    wagi_x64_trap_if(e, CC_E, WAG_UNINITIALIZED_ELEMENT);
    check_type(e, call->type);
}

/* rax = the callee, for all kinds that go through a wag_func */
static void load_callee(wagi_x64_emitter *e, const wagi_ir_call *call)
{
    if (call->kind == WAGI_CALL_IMPORT) {
        wagi_x64_rm(&e->code, X64_W | 0x8B, RAX,
                    wagi_x64_at(INSTANCE, (int32_t)(e->context->layout.funcs + 8ull * call->target)));
    } else if (call->kind == WAGI_CALL_INDIRECT) {
        load_element(e, call);
    } else {
        wagi_x64_move(e, RAX, wagi_x64_use(e, e->ir->pool.p[call->args + call->arg_count], RAX));
        wagi_x64_rr(&e->code, X64_W | 0x85, RAX, RAX);
        wagi_x64_trap_if(e, CC_E, WAG_NULL_FUNCTION);
    }
}

/* Jump out of line unless the callee in rax is of this instance. */
static void if_elsewhere(wagi_x64_emitter *e)
{
    wagi_x64_rm(&e->code, X64_W | 0x39, INSTANCE, wagi_x64_at(RAX, offsetof(wag_func, instance)));
    wagi_x64_u8(&e->code, 0x0F);
    wagi_x64_u8(&e->code, 0x80 | CC_NE);
    wagi_x64_u32(&e->code, 0);
}

static void call_relative(wagi_x64_emitter *e, wagi_reloc_kind kind, uintptr_t target)
{
    wagi_x64_u8(&e->code, 0xE8);
    wagi_x64_reloc(e, kind, target);
    wagi_x64_record(e, WAGI_SITE_RETURN);
}

static void call_pointer(wagi_x64_emitter *e, const wagi_ir_call *call)
{
    if_elsewhere(e);
    wagi_x64_far_call far = {.jump = (uint32_t)e->code.n - 4,
                             .source = e->ir->source.p[e->ins],
                             .inlined = wagi_x64_inlined(e),
                             .handler = call->handler,
                             .type = call->type};
    wagi_x64_rm(&e->code, 0xFF, 2, wagi_x64_at(RAX, offsetof(wag_func, code)));
    wagi_x64_record(e, WAGI_SITE_RETURN);
    far.back = (uint32_t)e->code.n;
    if (!WAGI_VEC_PUSH(&e->far_calls, far))
        e->failed = true;
}

void wagi_x64_far_calls(wagi_x64_emitter *e)
{
    for (size_t i = 0; i < e->far_calls.n && wagi_x64_roomy(e, 64); i++) {
        const wagi_x64_far_call *far = &e->far_calls.p[i];
        uint32_t rel = (uint32_t)(e->code.n - (far->jump + 4));
        memcpy(e->code.p + far->jump, &rel, 4);
        wagi_x64_u8(&e->code, 0xE8);
        wagi_x64_reloc(e, WAGI_RELOC_OUT, (uintptr_t)far->type);
        wagi_x64_record_in(e, WAGI_SITE_RETURN, far->source, far->inlined, far->handler);
        wagi_x64_u8(&e->code, 0xE9);
        wagi_x64_u32(&e->code, (uint32_t)(far->back - (e->code.n + 4)));
    }
}

/* ---- results ---- */

static void take_results(wagi_x64_emitter *e, const wagi_ir_call *call)
{
    int32_t at = 0;
    for (uint32_t i = 0; i < call->result_count && wagi_x64_roomy(e, 64); i++) {
        uint32_t v = e->ir->pool.p[call->results + i];
        bool is_float = wagi_ty_is_float(wagi_x64_vreg(e, v)->type);
        wagi_x64_mem mem = wagi_x64_at(RDX, at);
        at += entry_bytes(e, v);
        if (i == 0) {
            if (is_float)
                wagi_x64_put_float(e, v, 0);
            else
                wagi_x64_put(e, v, RAX);
            if (call->result_count > 1)
                load_buffer(e);
        } else if (is_float) {
            int d = wagi_x64_result_float(e, v);
            wagi_x64_load_float(e, wagi_x64_vreg(e, v)->type, d, mem);
            wagi_x64_put_float(e, v, d);
        } else {
            int d = wagi_x64_result(e, v);
            wagi_x64_rm(&e->code, X64_W | 0x8B, d, mem);
            wagi_x64_put(e, v, d);
        }
    }
}

/* ---- helpers ---- */

static int32_t helper_bytes(const wagi_ir *ir, const wagi_ir_call *call)
{
    uint32_t slots = 0, least = 1;
    for (uint32_t i = 0; i < call->arg_count; i++) {
        uint32_t entry = ir->pool.p[call->args + i];
        slots += wagi_ty_slots(is_const(entry) ? ir->consts.p[entry & ~WAGI_POOL_CONST].type : ir->vregs.p[entry].type);
    }
    if (call->result_count)
        least = wagi_ty_slots(ir->vregs.p[ir->pool.p[call->results]].type);
    return (int32_t)(8 * (slots > least ? slots : least));
}

int32_t wagi_x64_out_bytes(const wagi_ir *ir)
{
    int32_t most = 0;
    for (size_t i = 0; i < ir->calls.n; i++)
        if (wagi_call_by_slots(&ir->calls.p[i]) && helper_bytes(ir, &ir->calls.p[i]) > most)
            most = helper_bytes(ir, &ir->calls.p[i]);
    return most;
}

static void call_helper(wagi_x64_emitter *e, const wagi_ir_call *call)
{
    int32_t at = 0;
    for (uint32_t i = 0; i < call->arg_count && wagi_x64_roomy(e, 64); i++) {
        uint32_t entry = e->ir->pool.p[call->args + i];
        store_entry(e, entry, wagi_x64_at(RSP, at));
        at += entry_bytes(e, entry);
    }
    if (call->kind == WAGI_CALL_THROW) {
        wagi_x64_call_throw(e);
        return;
    }
    wagi_x64_move(e, RDI, INSTANCE);
    wagi_x64_move(e, RSI, RSP);
    wagi_x64_mov_imm(&e->code, RAX, (uint64_t)(uintptr_t)e->context->abi->helpers[call->target], true);
    wagi_x64_rr(&e->code, 0xFF, 2, RAX);
    wagi_x64_rr(&e->code, 0x85, RAX, RAX);
    wagi_x64_trap_if(e, CC_NE, WAG_OK); /* the trap is in eax */
    wagi_x64_reload_memory(e);
    if (call->result_count) {
        uint32_t v = e->ir->pool.p[call->results];
        if (wagi_ty_is_float(wagi_x64_vreg(e, v)->type)) {
            int d = wagi_x64_result_float(e, v);
            wagi_x64_load_float(e, wagi_x64_vreg(e, v)->type, d, wagi_x64_at(RSP, 0));
            wagi_x64_put_float(e, v, d);
        } else {
            int d = wagi_x64_result(e, v);
            wagi_x64_rm(&e->code, X64_W | 0x8B, d, wagi_x64_at(RSP, 0));
            wagi_x64_put(e, v, d);
        }
    }
}

/* ---- the instructions ---- */

static void call(wagi_x64_emitter *e, const wagi_ir_call *call)
{
    if (wagi_call_by_slots(call)) {
        call_helper(e, call);
        return;
    }
    overflow_args(e, call);
    if (call->kind != WAGI_CALL_DIRECT)
        load_callee(e, call);
    register_args(e, call);
    if (!wagi_x64_roomy(e, 128))
        return;
    if (call->kind == WAGI_CALL_DIRECT)
        call_relative(e, WAGI_RELOC_FUNC, call->target);
    else if (call->kind == WAGI_CALL_IMPORT)
        call_relative(e, WAGI_RELOC_OUT, (uintptr_t)call->type);
    else
        call_pointer(e, call);
    wagi_x64_reload_memory(e);
    take_results(e, call);
}

static void leave_frame(wagi_x64_emitter *e)
{
    static const int saved[] = {R13, R12, RBP, RBX};
    if (e->frame_bytes)
        wagi_x64_alu_imm_reg(&e->code, 0, RSP, e->frame_bytes, true);
    for (int i = 0; i < 4; i++)
        if (e->pushed >> saved[i] & 1) {
            if (saved[i] >= 8)
                wagi_x64_u8(&e->code, 0x41);
            wagi_x64_u8(&e->code, 0x58 | (unsigned)(saved[i] & 7));
        }
}

static void tail_call(wagi_x64_emitter *e, const wagi_ir_call *call)
{
    overflow_args(e, call);
    if (call->kind != WAGI_CALL_DIRECT)
        load_callee(e, call);
    register_args(e, call);
    if (!wagi_x64_roomy(e, 128))
        return;
    leave_frame(e);
    if (call->kind == WAGI_CALL_DIRECT) {
        wagi_x64_u8(&e->code, 0xE9);
        wagi_x64_reloc(e, WAGI_RELOC_FUNC, call->target);
        return;
    }
    wagi_x64_rm(&e->code, X64_W | 0x39, INSTANCE, wagi_x64_at(RAX, offsetof(wag_func, instance)));
    wagi_x64_u8(&e->code, 0x0F);
    wagi_x64_u8(&e->code, 0x80 | CC_NE);
    wagi_x64_reloc(e, WAGI_RELOC_TAIL, (uintptr_t)call->type);
    wagi_x64_rm(&e->code, 0xFF, 4, wagi_x64_at(RAX, offsetof(wag_func, code)));
}

bool wagi_x64_emit_call(wagi_x64_emitter *e, const wagi_ins *ins)
{
    if (ins->op == WAGI_IR_CALL)
        call(e, &e->ir->calls.p[ins->imm]);
    else if (ins->op == WAGI_IR_TAIL_CALL)
        tail_call(e, &e->ir->calls.p[ins->imm]);
    else
        return false;
    return true;
}

void wagi_x64_emit_return(wagi_x64_emitter *e, const wagi_ins *ins)
{
    const uint32_t *entries = e->ir->pool.p + ins->imm;
    if (ins->b > 1) {
        load_buffer(e);
        int32_t at = entry_bytes(e, entries[0]);
        for (uint32_t i = 1; i < ins->b && wagi_x64_roomy(e, 64); i++) {
            store_entry(e, entries[i], wagi_x64_at(RDX, at));
            at += entry_bytes(e, entries[i]);
        }
    }
    if (ins->b) {
        if (entry_is_float(e, entries[0]))
            load_float(e, entries[0], 0);
        else
            load_int(e, entries[0], RAX);
    }
    leave_frame(e);
    wagi_x64_u8(&e->code, 0xC3);
}

/* ---- the prologue ---- */

static bool needs_stack_check(const wagi_x64_emitter *e)
{
    return e->ir->calls.n != 0 || e->frame_bytes >= 1024;
}

/* Also the poll of recursions: an interrupt moves the limit to the top. */
static void check_stack(wagi_x64_emitter *e)
{
    int top = RSP;
    if (e->frame_bytes >= 1024) {
        top = RDX;
        wagi_x64_rm(&e->code, X64_W | 0x8D, RDX, wagi_x64_at(RSP, -e->frame_bytes));
    }
    wagi_x64_compare_stop_limit(&e->code, e->context, top);
    wagi_x64_trap_if(e, CC_B, WAG_STACK_OVERFLOW);
    if (!e->failed) {
        e->colds.p[e->colds.n - 1].in_prologue = true;
        e->colds.p[e->colds.n - 1].inlined = WAGI_NIL;
        e->colds.p[e->colds.n - 1].source = (uint32_t)(e->ir->body->code - e->context->data->bytes.data);
    }
}

static bool is_entry_live(const wagi_vreg *v)
{
    return v->start == 0 && v->end != 0;
}

static void zero_local(wagi_x64_emitter *e, uint32_t x)
{
    const wagi_vreg *v = wagi_x64_vreg(e, x);
    if (v->home == WAGI_HOME_SLOT) {
        wagi_x64_mem mem = wagi_x64_slot(e, x);
        for (uint32_t i = 0; i < wagi_ty_slots(v->type); i++, mem.disp += 8) {
            wagi_x64_rm(&e->code, X64_W | 0xC7, 0, mem);
            wagi_x64_u32(&e->code, 0);
        }
    } else if (wagi_reg_is_float(v->home)) {
        int d = v->home - WAGI_FLOAT_REG;
        wagi_x64_sse(e, X64_0F | 0x57, d, d, d, true);
    } else if (v->home >= 0) {
        wagi_x64_rr(&e->code, 0x33, v->home, v->home);
    }
}

static void place_register_params(wagi_x64_emitter *e)
{
    const wagi_machine *machine = e->context->machine;
    wagi_x64_arg_move moves[MAX_MOVES];
    uint32_t ints = 0, floats = 0, count = 0;
    for (uint32_t x = 0; x < e->ir->body->param_count && wagi_x64_roomy(e, 64); x++) {
        const wagi_vreg *v = wagi_x64_vreg(e, x);
        int from = next_arg(machine, wagi_ty_is_float(v->type), &ints, &floats);
        if (from < 0 || !is_entry_live(v))
            continue;
        if (v->home >= 0)
            moves[count++] = (wagi_x64_arg_move){v->home, (int8_t)from, x};
        else if (wagi_reg_is_float(from))
            wagi_x64_put_float(e, x, from - WAGI_FLOAT_REG);
        else
            wagi_x64_put(e, x, from);
    }
    wagi_x64_parallel_moves(e, moves, count, RAX);
}

static void place_buffer_params(wagi_x64_emitter *e)
{
    if (fits_registers(e->context->machine, e->ir->body->param_count))
        return;
    uint32_t ints = 0, floats = 0;
    int32_t at = 0;
    bool loaded = false;
    for (uint32_t x = 0; x < e->ir->body->param_count && wagi_x64_roomy(e, 64); x++) {
        const wagi_vreg *v = wagi_x64_vreg(e, x);
        bool is_float = wagi_ty_is_float(v->type);
        wagi_x64_mem mem = wagi_x64_at(RDX, at);
        at += entry_bytes(e, x);
        if (next_arg(e->context->machine, is_float, &ints, &floats) >= 0 || !is_entry_live(v))
            continue;
        if (!loaded)
            load_buffer(e);
        loaded = true;
        if (is_float) {
            int d = wagi_x64_result_float(e, x);
            wagi_x64_load_float(e, v->type, d, mem);
            wagi_x64_put_float(e, x, d);
        } else {
            int d = wagi_x64_result(e, x);
            wagi_x64_rm(&e->code, X64_W | 0x8B, d, mem);
            wagi_x64_put(e, x, d);
        }
    }
}

void wagi_x64_prologue(wagi_x64_emitter *e)
{
    static const int saved[] = {RBX, RBP, R12, R13};
    if (needs_stack_check(e))
        check_stack(e);
    for (int i = 0; i < 4; i++)
        if (e->pushed >> saved[i] & 1) {
            if (saved[i] >= 8)
                wagi_x64_u8(&e->code, 0x41);
            wagi_x64_u8(&e->code, 0x50 | (unsigned)(saved[i] & 7));
        }
    if (e->frame_bytes)
        wagi_x64_alu_imm_reg(&e->code, 5, RSP, e->frame_bytes, true);
    place_register_params(e);
    place_buffer_params(e);
    for (uint32_t x = e->ir->body->param_count; x < e->ir->local_count && wagi_x64_roomy(e, 64); x++)
        if (is_entry_live(wagi_x64_vreg(e, x)))
            zero_local(e, x);
}

/* Emission for exceptions: throwing, landing, and the stubs between a place that raises and the C function that finds
 * who catches (exec/raise.c).
 *
 * The stubs are entered as by a call from the place that raises: its return address is on the stack, everything else is
 * as in the function's body. `raise` has an error in rcx, `throw` has operands at the function's rsp. Where they go on
 * is the C function's decision; a landing finds the exception in rax, its instance and memory in their registers, and
 * the registers that calls keep as they were in its function. */
#include "compiler/x64/emit.h"
#include "compiler/x64/x64.h"

#define FRAME ((int32_t)(sizeof(wagi_raise) + 8)) /* keeps rsp a multiple of 16 */
_Static_assert((sizeof(wagi_raise) + 16) % 16 == 0, "with the return address");

static wagi_x64_mem field(size_t offset)
{
    return wagi_x64_at(RSP, (int32_t)offset);
}

bool wagi_x64_raise_stubs(wagi_x64_buffer *b, const wagi_code_context *context, wagi_x64_stubs *stubs)
{
    stubs->throw_at = (uint32_t)b->n;
    wagi_x64_rr(b, 0x33, RCX, RCX);
    stubs->raise = (uint32_t)b->n;
    wagi_x64_alu_imm_reg(b, 5, RSP, FRAME, true);
    size_t framed = b->n;
    wagi_x64_rm(b, X64_W | 0x8B, RDX, wagi_x64_at(RSP, FRAME));
    wagi_x64_rm(b, X64_W | 0x89, RDX, field(offsetof(wagi_raise, pc)));
    wagi_x64_rm(b, X64_W | 0x8D, RDX, wagi_x64_at(RSP, FRAME + 8));
    wagi_x64_rm(b, X64_W | 0x89, RDX, field(offsetof(wagi_raise, sp)));
    for (size_t i = 0; i < WAGI_SAVED_REGS; i++)
        wagi_x64_rm(b, X64_W | 0x89, wagi_x64_saved_regs[i], field(offsetof(wagi_raise, saved) + 8 * i));
    wagi_x64_rm(b, X64_W | 0x89, INSTANCE, field(offsetof(wagi_raise, instance)));
    wagi_x64_rr(b, X64_W | 0x8B, RDI, RSP);
    wagi_x64_rr(b, X64_W | 0x8B, RSI, RCX);
    wagi_x64_mov_imm(b, RAX, (uint64_t)(uintptr_t)context->abi->raise, true);
    wagi_x64_rr(b, 0xFF, 2, RAX);
    wagi_x64_rm(b, X64_W | 0x8B, RAX, field(offsetof(wagi_raise, exception)));
    wagi_x64_rm(b, X64_W | 0x8B, RDX, field(offsetof(wagi_raise, pc)));
    for (size_t i = 0; i < WAGI_SAVED_REGS; i++)
        wagi_x64_rm(b, X64_W | 0x8B, wagi_x64_saved_regs[i], field(offsetof(wagi_raise, saved) + 8 * i));
    wagi_x64_rm(b, X64_W | 0x8B, INSTANCE, field(offsetof(wagi_raise, instance)));
    wagi_x64_rm(b, X64_W | 0x8B, MEMORY, wagi_x64_at(INSTANCE, offsetof(wag_instance, memory0)));
    wagi_x64_rm(b, X64_W | 0x8B, MEMORY, wagi_x64_at(MEMORY, offsetof(wag_memory, base)));
    wagi_x64_rm(b, X64_W | 0x8B, RSP, field(offsetof(wagi_raise, sp)));
    wagi_x64_rr(b, 0xFF, 4, RDX);
    wagi_stub_code code = {.start = (uint32_t)framed, .size = (uint32_t)(b->n - framed), .frame = (uint32_t)FRAME};
    return WAGI_VEC_PUSH(&stubs->frames, code);
}

uint32_t wagi_x64_handler(const wagi_x64_emitter *e)
{
    if (e->ir->handlers.n == 0 || e->ins >= e->ir->ins.n)
        return 0;
    const wagi_ins *ins = &e->ir->ins.p[e->ins];
    return ins->op == WAGI_IR_CALL ? e->ir->calls.p[ins->imm].handler : 0;
}

void wagi_x64_call_throw(wagi_x64_emitter *e)
{
    wagi_x64_u8(&e->code, 0xE8);
    wagi_x64_reloc(e, WAGI_RELOC_THROW, 0);
    wagi_x64_record(e, WAGI_SITE_RETURN);
}

bool wagi_x64_emit_exception(wagi_x64_emitter *e, const wagi_ins *ins)
{
    if (ins->op == WAGI_IR_CATCH)
        wagi_x64_put(e, ins->dst, RAX);
    else
        return false;
    return true;
}

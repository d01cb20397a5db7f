/* Traps of native code, and their backtraces.
 *
 * A frame is found from a pc and the stack pointer of its function's body: the function's entry in the code says how
 * far above the return address lies. The walk ends at the stub by which C entered. */
#include <string.h>

#include "base/fault.h"
#include "exec/native.h"
#include "runtime/slot.h"

typedef struct walker {
    uintptr_t pc;
    const uintptr_t *sp; /* of the body */
    bool in_prologue;    /* the frame has not been made: sp is at the return address */
} walker;

/* The site of the walker's function; false when the pc is in a stub. */
static bool site_at(const walker *w, const wagi_code *code, bool is_fault, const wagi_func_code **ret_func,
                    wagi_site *ret_site, wagi_site_rest *ret_rest)
{
    uint32_t offset = (uint32_t)(w->pc - (uintptr_t)code->image.code);
    /* A return address may be the first byte behind its function. */
    *ret_func = wagi_code_func(code, is_fault ? offset : offset - 1);
    return *ret_func && wagi_code_site(code, *ret_func, offset, is_fault, ret_site, ret_rest);
}

/* Go to the caller. False at the entry. */
static bool go_out(walker *w, const wagi_code *code, const wagi_func_code *func)
{
    uint32_t offset = (uint32_t)(w->pc - (uintptr_t)code->image.code);
    uint32_t frame;
    if (func)
        frame = w->in_prologue ? 0 : func->frame;
    else if (offset == code->image.restore || (offset >= code->image.far_start && offset < code->image.far_end))
        frame = 8;
    else
        return false;
    const uintptr_t *at = (const uintptr_t *)((const char *)w->sp + frame);
    w->pc = *at;
    w->sp = at + 1;
    w->in_prologue = false;
    return true;
}

static void add_frames(const wag_agent *agent, uintptr_t pc, const void *sp, bool is_fault, wag_error *error)
{
    size_t limit = (size_t)agent->cluster->limits.backtrace_frames, count = 0;
    wag_frame *frames = wagi_alloc(limit * sizeof *frames);
    if (!frames)
        return; /* an error without backtrace is better than none */
    walker w = {.pc = pc, .sp = sp};
    for (const wagi_code *code = wagi_code_find(pc); code && count < limit; code = wagi_code_find(w.pc)) {
        const wagi_func_code *func;
        wagi_site site;
        wagi_site_rest rest;
        if (site_at(&w, code, is_fault, &func, &site, &rest)) {
            w.in_prologue = site.kind == WAGI_SITE_PROLOGUE;
            do { /* with the callers into which the function at hand was inlined */
                uint32_t index = wagi_code_func_index(code->data, site.source);
                frames[count++] = (wag_frame){.func_index = index,
                                              .func_name = wagi_module_func_name(code->data, index),
                                              .module_offset = site.source};
            } while (count < limit && wagi_code_caller(&rest, &site));
        }
        is_fault = false;
        if (!go_out(&w, code, func))
            break;
    }
    wagi_error_append_frames(error, frames, count, limit);
    wagi_free(frames);
}

/* The walk needs to know whether pc is a faulting instruction or a return address: the fault handler's mark. */
#define FAULT_MARK 0x10000u

void wagi_native_trap(wag_instance *instance, const void *pc, const void *sp, wag_err trap)
{
    wag_agent *agent = instance->unit.agent;
    bool is_fault = (unsigned)trap & FAULT_MARK;
    trap = (wag_err)((unsigned)trap & ~FAULT_MARK);
    /* One compare serves both: the stack limit moves to the top while an interrupt is pending. */
    if (trap == WAG_STACK_OVERFLOW || trap == WAG_INTERRUPTED)
        trap = wagi_agent_poll(agent) ? WAG_INTERRUPTED : WAG_STACK_OVERFLOW;
    wag_error *error = wagi_error_new(trap, NULL);
    add_frames(agent, (uintptr_t)pc, sp, is_fault, error);
    agent->trap_error = error;
}

void wagi_native_error(wag_instance *instance, const void *pc, const void *sp, wag_error *error)
{
    wag_agent *agent = instance->unit.agent;
    if (agent->tail_func) /* no error: only the way to the entry is the same */
        return;
    add_frames(agent, (uintptr_t)pc, sp, false, error);
    agent->trap_error = error;
}

/* ---- faults ---- */

enum { REG_CX = 1, REG_SI = 6, REG_R14 = 14 };

static bool is_in_memory(const wag_instance *instance, uintptr_t address)
{
    for (uint32_t i = 0; i < instance->data->memory_count; i++) {
        const wag_memory *memory = instance->memories[i];
        if (memory->is_guarded && address - (uintptr_t)memory->base < WAGI_GUARD_BYTES)
            return true;
    }
    return false;
}

/* Ours is a fault of an instruction that is known to access a memory, at an address of a memory of its instance. The
 * thread goes on in the stub that makes the trap, on its own stack. */
bool wagi_native_on_fault(wagi_fault *fault)
{
    if (wagi_slot_on_fault(fault->address))
        return true; /* once more: the page is writable now, whoever writes */
    const wagi_code *code = wagi_code_find(fault->pc);
    if (!code)
        return false;
    uint32_t offset = (uint32_t)(fault->pc - (uintptr_t)code->image.code);
    const wagi_func_code *func = wagi_code_func(code, offset);
    wagi_site site;
    wagi_site_rest rest;
    if (!func || !wagi_code_site(code, func, offset, true, &site, &rest))
        return false;
    const wag_instance *instance = (const wag_instance *)fault->regs[REG_R14];
    if (!is_in_memory(instance, fault->address))
        return false;
    fault->regs[REG_SI] = fault->pc;
    fault->regs[REG_CX] = WAG_MEMORY_BOUNDS | FAULT_MARK;
    fault->pc = (uintptr_t)code->image.code + code->image.fault;
    return true;
}

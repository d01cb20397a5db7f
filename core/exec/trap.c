/* Traps of native code, backtraces, and the walk over frames.
 *
 * A frame is found from a pc and the stack pointer of its function's body: the function's entry in the code says how
 * far above the return address lies. The walk ends at the stub by which C entered. */
#include <string.h>

#include "base/fault.h"
#include "binary/fuel.h"
#include "exec/native.h"
#include "runtime/slot.h"

bool wagi_native_walk_site(const wagi_native_walker *w, bool is_fault, wagi_site *ret_site, wagi_site_rest *ret_rest)
{
    uint32_t offset = (uint32_t)(w->pc - (uintptr_t)w->code->image.code);
    return w->func && wagi_code_site(w->code, w->func, offset, is_fault, ret_site, ret_rest);
}

bool wagi_native_walk_begin(wagi_native_walker *w, uintptr_t pc, bool is_fault)
{
    w->pc = pc;
    if (!w->code || pc - (uintptr_t)w->code->image.code >= w->code->image.code_size)
        w->code = wagi_code_find(pc);
    if (!w->code)
        return false;
    /* A return address may be the first byte behind its function. */
    uint32_t offset = (uint32_t)(pc - (uintptr_t)w->code->image.code);
    w->func = wagi_code_func(w->code, is_fault ? offset : offset - 1);
    return true;
}

/* The frame between the walker's stack pointer and its return address. False at the entry. */
static bool frame_size(const wagi_native_walker *w, uint32_t *ret_size)
{
    const wagi_image *image = &w->code->image;
    uint32_t offset = (uint32_t)(w->pc - (uintptr_t)image->code);
    if (w->func)
        *ret_size = w->in_prologue ? 0 : w->func->frame;
    else if (offset == image->restore || (offset >= image->far_start && offset < image->far_end))
        *ret_size = 8;
    else
        return false;
    return true;
}

bool wagi_native_walk_out(wagi_native_walker *w)
{
    uint32_t size;
    if (!frame_size(w, &size))
        return false;
    const uintptr_t *at = (const uintptr_t *)((const char *)w->sp + size), *saved = at;
    if (!w->func)
        w->instance = (wag_instance *)w->sp[0];
    for (unsigned i = 0; w->func && !w->in_prologue && i < WAGI_SAVED_REGS; i++)
        if (w->func->saved >> i & 1)
            w->saved[i] = *--saved;
    w->sp = at + 1;
    w->in_prologue = false;
    return wagi_native_walk_begin(w, *at, false);
}

static size_t offset_in_func(const wagi_module_data *data, uint32_t func_index, size_t module_offset)
{
    return module_offset - (size_t)(wagi_module_body(data, func_index)->code - data->bytes.data);
}

/* instance: whose code pc is in. */
static void add_frames(wag_instance *instance, uintptr_t pc, const void *sp, bool is_fault, wag_error *error)
{
    const wag_agent *agent = instance->unit.agent;
    size_t limit = (size_t)agent->cluster->limits.backtrace_frames, count = 0;
    wag_frame *frames = wagi_alloc(limit * (sizeof *frames + sizeof(wagi_origin *)));
    wagi_origin **origins = (wagi_origin **)(frames + limit);
    if (!frames)
        return; /* an error without backtrace is better than none */
    wagi_native_walker w = {.sp = sp, .instance = instance};
    for (bool more = wagi_native_walk_begin(&w, pc, is_fault); more && count < limit; more = wagi_native_walk_out(&w)) {
        wagi_site site;
        wagi_site_rest rest;
        if (wagi_native_walk_site(&w, is_fault, &site, &rest)) {
            w.in_prologue = site.kind == WAGI_SITE_PROLOGUE;
            do { /* with the callers into which the function at hand was inlined */
                uint32_t index = wagi_code_func_index(w.code->data, site.source);
                origins[count] = wagi_instance_origin(w.instance);
                frames[count++] = (wag_frame){.func_index = index,
                                              .func_name = wagi_module_func_name(w.code->data, index),
                                              .module_offset = site.source,
                                              .func_offset = offset_in_func(w.code->data, index, site.source)};
            } while (count < limit && wagi_code_caller(&rest, &site));
        }
        is_fault = false;
    }
    wagi_error_append_frames(error, frames, origins, count, limit);
    wagi_free(frames);
}

/* The run whose instruction has trapped was paid for as a whole. */
static void give_back_fuel(wag_instance *instance, uintptr_t pc, const void *sp, bool is_fault)
{
    wagi_native_walker w = {.sp = sp, .instance = instance};
    wagi_site site;
    wagi_site_rest rest;
    if (!wagi_native_walk_begin(&w, pc, is_fault) || !wagi_native_walk_site(&w, is_fault, &site, &rest) ||
        site.kind == WAGI_SITE_PROLOGUE) /* nothing was paid for */
        return;
    const wagi_module_data *data = w.code->data;
    const wagi_func_body *body = wagi_module_body(data, wagi_code_func_index(data, site.source));
    *instance->unit.agent->fuel += wagi_fuel_behind(data, data->bytes.data + site.source, body->end);
}

/* The walk needs to know whether pc is a faulting instruction or a return address: the fault handler's mark. */
#define FAULT_MARK 0x10000u

void wagi_native_trap(wag_instance *instance, const void *pc, const void *sp, wag_err trap)
{
    wag_agent *agent = instance->unit.agent;
    bool is_fault = (unsigned)trap & FAULT_MARK;
    trap = (wag_err)((unsigned)trap & ~FAULT_MARK);
    /* One compare serves both: the stack limit moves to the top while the agent is to stop. */
    if (trap == WAG_STACK_OVERFLOW || trap == WAG_INTERRUPTED) {
        wag_err stop = wagi_agent_stop(agent);
        trap = stop == WAG_OK ? WAG_STACK_OVERFLOW : stop;
    }
    if (trap == WAG_OUT_OF_HEAP)
        trap = wagi_heap_failure(agent);
    if (instance->data->fuel && trap != WAG_OUT_OF_FUEL)
        give_back_fuel(instance, (uintptr_t)pc, sp, is_fault);
    wag_error *error = wagi_error_new(trap, NULL);
    add_frames(instance, (uintptr_t)pc, sp, is_fault, error);
    agent->trap_error = error;
}

void wagi_native_fail(wag_instance *instance, uintptr_t pc, uintptr_t sp, wag_error *error)
{
    add_frames(instance, pc, (const void *)sp, false, error);
    instance->unit.agent->trap_error = error;
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

/* The native tier: entry from the runtime, calls out of native code, compilation. */
#include "exec/native.h"

#include <stdatomic.h>
#include <string.h>

#include "base/fault.h"
#include "base/os.h"
#include "exec/gdb_jit.h"
#include "interp/interp.h"
#include "runtime/compile_pool.h"

/* The stub by which C enters a function (compiler/x64/stubs.c). 0, or WAGI_ENTER_FAILED. */
typedef int (*entry_func)(const void *code, wag_instance *instance, wagi_slot *slots, wag_agent *agent);

bool wagi_native_available(void)
{
    return wagi_compiler_available();
}

bool wagi_native_can_guard(void)
{
    static atomic_int known; /* 0 not asked yet, 1 yes, 2 no; asking twice does no harm */
    int answer = atomic_load(&known);
    if (!answer) {
        void *space = wagi_compiler_available() ? wagi_os_map((size_t)WAGI_GUARD_BYTES, WAGI_PROT_NONE) : NULL;
        answer = space && wagi_fault_available() ? 1 : 2;
        if (space)
            wagi_os_unmap(space, (size_t)WAGI_GUARD_BYTES);
        atomic_store(&known, answer);
    }
    return answer == 1;
}

/* The process's signal handlers are changed only for a module that needs it. Each time: the host may have replaced them
 * since. */
bool wagi_native_may_guard(const wagi_module_data *data, wag_signals signals)
{
    if (signals == WAG_SIGNALS_NONE || !wagi_native_can_guard())
        return false;
    for (uint32_t i = 0; i < data->memory_count; i++)
        if (wagi_memory_can_be_guarded(data->memories[i]))
            return (signals == WAG_SIGNALS_HOST ? wagi_fault_choose : wagi_fault_install)(wagi_native_on_fault);
    return true;
}

/* ---- calls ---- */

static bool native_stack_is_low(const wag_agent *agent)
{
    return (uintptr_t)__builtin_frame_address(0) < agent->native_limit;
}

static const void *native_code(const wag_module *module, uint32_t func_index)
{
    const wagi_code *code = module->tier_data;
    return code->image.code + code->image.funcs[func_index - code->image.first_func].start;
}

static wag_error *native_invoke(wag_func *func, wagi_slot *slots)
{
    wag_instance *instance = func->instance;
    wag_agent *agent = instance->unit.agent;
    const wagi_code *code = instance->module->tier_data;
    entry_func enter;
    const uint8_t *stub = code->image.code + code->image.entries[func->body->func_index - code->image.first_func].slots;
    memcpy(&enter, &stub, sizeof enter);
    if (!enter(native_code(instance->module, func->body->func_index), instance, slots, agent))
        return NULL;
    wag_error *error = agent->trap_error;
    agent->trap_error = NULL;
    return error;
}

wag_error *wagi_native_call_out(wag_func *func, wagi_slot *slots)
{
    if (func->instance)
        return wagi_call_slots(func, slots);
    if (native_stack_is_low(func->object.unit->agent))
        return wagi_error_new(WAG_STACK_OVERFLOW, NULL);
    return wagi_call_host(func, slots);
}

/* Did C enter the function whose return address is at sp? A tail call between instances may have left a frame of one
 * word there. */
static bool is_entered_by_c(const wag_agent *agent, const uintptr_t *sp)
{
    const wagi_code *code;
    if ((const void *)(sp + 1) == agent->entry_sp)
        return true;
    return (const void *)(sp + 3) == agent->entry_sp && (code = wagi_code_find(*sp)) != NULL &&
           *sp - (uintptr_t)code->image.code == code->image.restore;
}

wag_error *wagi_native_tail_out(wag_func *func, wagi_slot *slots, const uintptr_t *sp)
{
    static const char passed;
    if (!is_entered_by_c(func->object.unit->agent, sp))
        return wagi_native_call_out(func, slots);
    wagi_call_pass(func, slots);
    return (wag_error *)(uintptr_t)&passed; /* not NULL; nobody looks at it */
}

/* The function of another tier. */
static WAGI_COLD wag_error *call_tier(wag_func *func, const wag_val *args, wag_val *results)
{
    wag_error *error = NULL;
    wagi_call_vals(func, args, func->type->param_count, results, func->type->result_count, &error);
    return error;
}

/* What is rare at the end of a host function: an error (own), its last handle, an interrupt, a collection. */
static WAGI_COLD wag_error *host_func_ended(wagi_unit *unit, wag_error *error)
{
    wag_agent *agent = unit->agent;
    wagi_unit_drop(unit);
    error = wagi_call_stopped(agent, error);
    if (error)
        return error;
    wagi_store_poll(agent); /* what the callers work with is in native frames, which are scanned */
    return NULL;
}

/* The caller has looked at the stack's limit, which leaves room for a host function. */
wag_error *wagi_native_call_out_vals(wag_func *func, const wag_val *args, wag_val *results)
{
    if (func->instance)
        return call_tier(func, args, results);
    wagi_unit *unit = func->object.unit;
    size_t handles = unit->handles;
    unit->handles = handles + 1;
    wag_error *error = func->host(func->context, args, results);
    if (error || unit->handles != handles + 1 || !handles || wagi_agent_poll(unit->agent) || unit->agent->poll_due)
        return host_func_ended(unit, error);
    unit->handles = handles;
    return NULL;
}

const wagi_code_abi wagi_native_abi = {
    .trap = wagi_native_trap,
    .call_out = wagi_native_call_out,
    .tail_out = wagi_native_tail_out,
    .call_out_vals = wagi_native_call_out_vals,
    .misfit = wagi_call_misfit,
    .call_vals = wagi_call_vals,
    .enter_ended = wagi_enter_ended,
    .raise = wagi_native_raise,
    .alloc = wagi_native_alloc,
    .shade = wagi_native_shade,
    .helpers = wagi_native_helpers,
};

/* ---- the tier ---- */

/* The module is not sealed yet. */
static void set_entries(wag_module *module)
{
    const wagi_image *image = &((const wagi_code *)module->tier_data)->image;
    wagi_func_body *bodies = (wagi_func_body *)(uintptr_t)module->data->bodies;
    for (uint32_t i = 0; i < image->func_count; i++) {
        const uint8_t *stub = image->code + image->entries[i].vals;
        if (image->entries[i].vals)
            memcpy(&bodies[i].enter, &stub, sizeof stub);
    }
}

static void announce(wag_module *module)
{
    wagi_code *code = module->tier_data;
    if (module->cluster && module->cluster->gdb_jit)
        code->gdb = wagi_gdb_jit_register(code);
    if (module->cluster && module->cluster->perf_map)
        wagi_perf_map_append(code);
}

/* What the compiler is told of a module whose sections up to the bodies are known. machine and parallel are filled in.
 */
static wagi_code_context context_of(const wag_module *module, bool guarded, wagi_machine *machine,
                                    wagi_parallel *parallel)
{
    wagi_compiler_machine(machine);
    if (module->cluster)
        *parallel = wagi_compile_pool_parallel(module->cluster);
    return (wagi_code_context){.data = module->data,
                               .machine = machine,
                               .abi = &wagi_native_abi,
                               .layout = wagi_instance_layout_of(module->data),
                               .stop_limit = wagi_stop_limit_offset(),
                               .fuel = wagi_fuel_offset(),
                               .guard = guarded,
                               .poll = true,
                               .parallel = module->cluster ? parallel : NULL,
                               .check = wagi_compiler_test.check};
}

struct wagi_native_draft {
    wagi_parallel parallel;
    bool guarded;
    wagi_image_draft *image;
};

wagi_native_draft *wagi_native_draft_new(const wag_module *module, bool guarded)
{
    wagi_machine machine;
    wagi_native_draft *draft = WAGI_NEW(wagi_native_draft);
    if (!draft)
        return NULL;
    wagi_code_context context = context_of(module, guarded, &machine, &draft->parallel);
    draft->guarded = guarded;
    draft->image = wagi_image_draft_new(&context);
    if (draft->image)
        return draft;
    wagi_free(draft);
    return NULL;
}

bool wagi_native_draft_add(wagi_native_draft *draft, uint32_t bodies)
{
    return wagi_image_draft_add(draft->image, bodies);
}

void wagi_native_draft_free(wagi_native_draft *draft)
{
    if (!draft)
        return;
    wagi_image_draft_free(draft->image);
    wagi_free(draft);
}

wag_err wagi_native_compile(wag_module *module, wagi_native_draft *draft, wag_error **reterr_error)
{
    wagi_machine machine;
    wagi_parallel parallel;
    wagi_code_context context = context_of(module, module->guarded, &machine, &parallel);
    wagi_image image;
    uint32_t func_index;
    bool forbidden = false;
    wagi_image_result result = draft && draft->guarded == module->guarded
                                   ? wagi_image_draft_finish(draft->image, &context, &image, &func_index)
                                   : wagi_image_make(&context, &image, &func_index);
    if (result == WAGI_IMAGE_NOMEM)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    if (result == WAGI_IMAGE_UNSUITABLE) {
        wag_error *error = wagi_error_new(WAG_UNSUPPORTED, "too large for the native tier");
        if (func_index != WAGI_NO_INDEX)
            wagi_error_set_func_index(error, func_index);
        return wagi_fail(error, reterr_error);
    }
    module->tier_data = wagi_code_new(&image, module->data, &forbidden);
    if (module->tier_data) {
        set_entries(module);
        announce(module);
        return WAG_OK;
    }
    wagi_image_fini(&image);
    return wagi_fail(forbidden ? wagi_error_new(WAG_UNSUPPORTED, "this process may not map executable memory")
                               : wagi_error_nomem(),
                     reterr_error);
}

static wag_err native_compile(wag_module *module, wag_error **reterr_error)
{
    return wagi_native_compile(module, NULL, reterr_error);
}

static void native_release(wag_module *module)
{
    wagi_code *code = module->tier_data;
    if (code)
        wagi_gdb_jit_unregister(code->gdb);
    wagi_code_free(code);
    module->tier_data = NULL;
}

static wag_error *native_eval(wag_instance *instance, const wagi_const_expr *expr, wagi_slot *ret_value)
{
    return wagi_tier_interp.eval(instance, expr, ret_value); /* runs once: not worth code */
}

const wagi_tier wagi_tier_native = {
    .name = "native",
    .features = WAGI_NATIVE_FEATURES,
    .compile = native_compile,
    .release = native_release,
    .invoke = native_invoke,
    .code = native_code,
    .eval = native_eval,
};

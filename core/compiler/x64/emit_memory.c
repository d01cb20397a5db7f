/* Emission of accesses to memories, globals, tables and function references. */
#include "compiler/x64/x64.h"

/* A field of memory or table `index`: own objects lie in the instance's block, imported ones behind a pointer, which is
 * loaded into scratch. */
static wagi_x64_mem object_field(wagi_x64_emitter *e, uint32_t index, uint32_t imports, uint64_t own, uint64_t vector,
                                 size_t object_size, size_t field, int scratch)
{
    if (index >= imports)
        return wagi_x64_at(INSTANCE, (int32_t)(own + (uint64_t)(index - imports) * object_size + field));
    wagi_x64_rm(&e->code, X64_W | 0x8B, scratch, wagi_x64_at(INSTANCE, (int32_t)(vector + 8ull * index)));
    return wagi_x64_at(scratch, (int32_t)field);
}

static wagi_x64_mem memory_field(wagi_x64_emitter *e, uint32_t memory, size_t field, int scratch)
{
    const wagi_code_context *c = e->context;
    return object_field(e, memory, c->data->memory_import_count, c->layout.own_memories, c->layout.memories,
                        sizeof(wag_memory), field, scratch);
}

/* How large a memory is. Of a shared one the block that all agents have in common knows. */
static wagi_x64_mem memory_extent(wagi_x64_emitter *e, uint32_t memory, bool in_pages, int scratch)
{
    if (!e->context->data->memories[memory].limits.is_shared)
        return memory_field(e, memory, in_pages ? offsetof(wag_memory, pages) : offsetof(wag_memory, size), scratch);
    wagi_x64_rm(&e->code, X64_W | 0x8B, scratch, memory_field(e, memory, offsetof(wag_memory, shared), scratch));
    return wagi_x64_at(scratch, in_pages ? (int32_t)offsetof(wag_shared_memory, pages)
                                         : (int32_t)offsetof(wag_shared_memory, size));
}

wagi_x64_mem wagi_x64_table_field(wagi_x64_emitter *e, uint32_t table, size_t field, int scratch)
{
    const wagi_code_context *c = e->context;
    return object_field(e, table, c->data->table_import_count, c->layout.own_tables, c->layout.tables,
                        sizeof(wag_table), field, scratch);
}

void wagi_x64_reload_memory(wagi_x64_emitter *e)
{
    const wagi_module_data *data = e->context->data;
    if (data->memory_count && !wagi_memory_is_guarded(e->context, 0))
        wagi_x64_rm(&e->code, X64_W | 0x8B, MEMORY, memory_field(e, 0, offsetof(wag_memory, base), RDX));
}

/* ---- addresses ---- */

/* rax = index + amount, 64 bits. index: a register, or negative for none. */
static void sum_to_rax(wagi_x64_emitter *e, int index, uint64_t amount)
{
    if (index < 0) {
        wagi_x64_mov_imm(&e->code, RAX, amount, true);
    } else if (amount <= INT32_MAX) {
        wagi_x64_rm(&e->code, X64_W | 0x8D, RAX, wagi_x64_at(index, (int32_t)amount));
    } else if (index == RAX) {
        wagi_x64_mov_imm(&e->code, RDX, amount, true);
        wagi_x64_rr(&e->code, X64_W | 0x03, RAX, RDX);
    } else {
        wagi_x64_mov_imm(&e->code, RAX, amount, true);
        wagi_x64_rr(&e->code, X64_W | 0x03, RAX, index);
    }
}

/* The same for a 64-bit index; traps when the sum does not fit. */
static void checked_sum_to_rax(wagi_x64_emitter *e, int index, uint64_t amount)
{
    if (index >= 0 && amount <= INT32_MAX) {
        wagi_x64_move(e, RAX, index);
        wagi_x64_alu_imm_reg(&e->code, 0, RAX, (int32_t)amount, true);
    } else {
        sum_to_rax(e, index, amount);
    }
    if (index >= 0)
        wagi_x64_trap_if(e, CC_B, WAG_MEMORY_BOUNDS);
}

static wagi_x64_mem guarded_address(wagi_x64_emitter *e, uint32_t memory, int index, uint64_t offset)
{
    if (memory == 0 && offset <= INT32_MAX)
        return index < 0 ? wagi_x64_at(MEMORY, (int32_t)offset) : wagi_x64_indexed(MEMORY, index, 0, (int32_t)offset);
    sum_to_rax(e, index, offset);
    if (memory == 0)
        return wagi_x64_indexed(MEMORY, RAX, 0, 0);
    wagi_x64_rm(&e->code, X64_W | 0x03, RAX, memory_field(e, memory, offsetof(wag_memory, base), RDX));
    return wagi_x64_at(RAX, 0);
}

/* ---- what is known to be in bounds: memories only grow ---- */

static wagi_x64_in_bounds *find_bounds(wagi_x64_emitter *e, uint32_t memory, uint32_t vreg)
{
    for (uint32_t i = 0; i < e->bounds_count; i++)
        if (e->bounds[i].vreg == vreg && e->bounds[i].memory == memory)
            return &e->bounds[i];
    return NULL;
}

static bool is_in_bounds(wagi_x64_emitter *e, uint32_t memory, uint32_t base, uint64_t end)
{
    const wagi_memory_type *type = &e->context->data->memories[memory];
    if (base == WAGI_NIL) /* a constant address */
        return type->limits.minimum > (uint32_t)INT32_MAX >> type->page_size_log2 || end <= type->limits.minimum
                                                                                                << type->page_size_log2;
    const wagi_x64_in_bounds *known = find_bounds(e, memory, base);
    return known && end <= known->end;
}

static void note_bounds(wagi_x64_emitter *e, uint32_t memory, uint32_t base, uint64_t end)
{
    wagi_x64_in_bounds *known = find_bounds(e, memory, base);
    if (!known && e->bounds_count < WAGI_X64_BOUNDS) {
        known = &e->bounds[e->bounds_count++];
    } else if (!known) {
        known = &e->bounds[e->bounds_at];
        e->bounds_at = (e->bounds_at + 1) % WAGI_X64_BOUNDS;
    }
    *known = (wagi_x64_in_bounds){.vreg = base, .memory = memory, .end = end};
}

void wagi_x64_forget_bounds(wagi_x64_emitter *e, const wagi_ins *ins)
{
    if (wagi_ir_uses[ins->op] & WAGI_IR_IS_CALL)
        e->bounds_count = 0;
    if (!(wagi_ir_uses[ins->op] & WAGI_IR_D))
        return;
    for (uint32_t i = e->bounds_count; i-- > 0;)
        if (e->bounds[i].vreg == ins->dst)
            e->bounds[i] = e->bounds[--e->bounds_count];
}

static wagi_x64_mem checked_address(wagi_x64_emitter *e, uint32_t memory, int index, uint64_t offset, unsigned width)
{
    bool is_64 = e->context->data->memories[memory].limits.is_64;
    if (offset > UINT64_MAX - width) { /* no address is that high */
        wagi_x64_trap_if(e, CC_E, WAG_MEMORY_BOUNDS);
        wagi_x64_trap_if(e, CC_NE, WAG_MEMORY_BOUNDS);
        return wagi_x64_at(RAX, 0);
    }
    if (is_64)
        checked_sum_to_rax(e, index, offset + width);
    else
        sum_to_rax(e, index, offset + width);
    wagi_x64_rm(&e->code, X64_W | 0x3B, RAX, memory_extent(e, memory, false, RDX));
    wagi_x64_trap_if(e, CC_A, WAG_MEMORY_BOUNDS);
    if (memory != 0) {
        wagi_x64_rm(&e->code, X64_W | 0x03, RAX, memory_field(e, memory, offsetof(wag_memory, base), RDX));
        return wagi_x64_at(RAX, -(int32_t)width);
    }
    if (index != RAX && offset <= INT32_MAX)
        return index < 0 ? wagi_x64_at(MEMORY, (int32_t)offset) : wagi_x64_indexed(MEMORY, index, 0, (int32_t)offset);
    return wagi_x64_indexed(MEMORY, RAX, 0, -(int32_t)width);
}

wagi_x64_mem wagi_x64_address(wagi_x64_emitter *e, uint32_t memory, uint32_t base, uint64_t offset, unsigned width)
{
    int index = base == WAGI_NIL ? -1 : wagi_x64_use(e, base, RAX);
    if (wagi_memory_is_guarded(e->context, memory))
        return guarded_address(e, memory, index, offset);
    if (offset > INT32_MAX - width)
        return checked_address(e, memory, index, offset, width);
    uint64_t end = offset + width;
    if (is_in_bounds(e, memory, base, end))
        return guarded_address(e, memory, index, offset);
    wagi_x64_mem mem = checked_address(e, memory, index, offset, width);
    if (base != WAGI_NIL)
        note_bounds(e, memory, base, end);
    return mem;
}

static void before_access(wagi_x64_emitter *e, uint32_t memory)
{
    if (wagi_memory_is_guarded(e->context, memory))
        wagi_x64_record(e, WAGI_SITE_FAULT);
}

#define LOAD_FORMS(X)                                                                                                  \
    X(WAGI_ACCESS_32, 0x8B)                                                                                            \
    X(WAGI_ACCESS_64, X64_W | 0x8B)                                                                                    \
    X(WAGI_ACCESS_S8_32, X64_0F | 0xBE)                                                                                \
    X(WAGI_ACCESS_U8, X64_0F | 0xB6)                                                                                   \
    X(WAGI_ACCESS_S16_32, X64_0F | 0xBF)                                                                               \
    X(WAGI_ACCESS_U16, X64_0F | 0xB7)                                                                                  \
    X(WAGI_ACCESS_S8_64, X64_W | X64_0F | 0xBE)                                                                        \
    X(WAGI_ACCESS_S16_64, X64_W | X64_0F | 0xBF)                                                                       \
    X(WAGI_ACCESS_S32_64, X64_W | 0x63)                                                                                \
    X(WAGI_ACCESS_U32, 0x8B)
#define STORE_FORMS(X) X(1, X64_BYTE_REG | 0x88) X(2, X64_66 | 0x89) X(4, 0x89) X(8, X64_W | 0x89)
#define FORM(at, form) [at] = (form),
static const uint32_t load_forms[WAGI_ACCESS_COUNT] = {LOAD_FORMS(FORM)};
static const uint32_t store_forms[] = {STORE_FORMS(FORM)}; /* by width */

void wagi_x64_load(wagi_x64_emitter *e, const wagi_ins *ins, wagi_x64_mem mem)
{
    if (wagi_ty_is_float(ins->type)) {
        int d = wagi_x64_result_float(e, ins->dst);
        if (ins->type == WAGI_TY_V128)
            wagi_x64_load_vector(e, ins->sub, d, mem);
        else
            wagi_x64_load_float(e, ins->type, d, mem);
        wagi_x64_put_float(e, ins->dst, d);
    } else {
        int d = wagi_x64_result(e, ins->dst);
        wagi_x64_rm(&e->code, load_forms[ins->sub], d, mem);
        wagi_x64_put(e, ins->dst, d);
    }
}

static void load(wagi_x64_emitter *e, const wagi_ins *ins)
{
    wagi_x64_mem mem = wagi_x64_address(e, ins->b, ins->a, (uint64_t)ins->imm, wagi_access_width(ins->sub));
    before_access(e, ins->b);
    wagi_x64_load(e, ins, mem);
}

static void store_constant(wagi_x64_emitter *e, const wagi_ins *ins, wagi_x64_mem mem)
{
    uint32_t value = (uint32_t)((uint64_t)ins->imm >> 32);
    unsigned width = wagi_access_width(ins->sub);
    uint32_t form = width == 1 ? 0xC6 : width == 2 ? X64_66 | 0xC7 : width == 4 ? 0xC7 : X64_W | 0xC7;
    wagi_x64_rm(&e->code, form, 0, mem);
    if (width == 1) {
        wagi_x64_u8(&e->code, (uint8_t)value);
    } else if (width == 2) {
        wagi_x64_u8(&e->code, (uint8_t)value);
        wagi_x64_u8(&e->code, (uint8_t)(value >> 8));
    } else {
        wagi_x64_u32(&e->code, value);
    }
}

/* faults: a memory whose accesses may fault, or NONE. */
static void store_value(wagi_x64_emitter *e, const wagi_ins *ins, wagi_x64_mem mem, uint32_t faults)
{
    unsigned width = wagi_access_width(ins->sub);
    bool is_float = wagi_ty_is_float(ins->type);
    int value = 0;
    if (!(ins->flags & WAGI_INS_IMM))
        value = is_float ? wagi_x64_use_float(e, ins->b, XMM_B) : wagi_x64_use(e, ins->b, RDX);
    if (faults != WAGI_NIL)
        before_access(e, faults);
    if (ins->flags & WAGI_INS_IMM)
        store_constant(e, ins, mem);
    else if (is_float)
        wagi_x64_store_float(e, ins->type, value, mem);
    else
        wagi_x64_rm(&e->code, store_forms[width], value, mem);
}

void wagi_x64_store(wagi_x64_emitter *e, const wagi_ins *ins, wagi_x64_mem mem)
{
    store_value(e, ins, mem, WAGI_NIL);
}

static void store(wagi_x64_emitter *e, const wagi_ins *ins)
{
    uint64_t offset = ins->flags & WAGI_INS_IMM ? (uint32_t)ins->imm : (uint64_t)ins->imm;
    store_value(e, ins, wagi_x64_address(e, ins->dst, ins->a, offset, wagi_access_width(ins->sub)), ins->dst);
}

/* ---- state ---- */

static wagi_x64_mem global_value(wagi_x64_emitter *e, uint32_t index)
{
    const wagi_code_context *c = e->context;
    return object_field(e, index, c->data->global_import_count, c->layout.own_globals, c->layout.globals,
                        sizeof(wag_global), offsetof(wag_global, value), RDX);
}

static void global_get(wagi_x64_emitter *e, const wagi_ins *ins)
{
    wagi_x64_mem mem = global_value(e, (uint32_t)ins->imm);
    if (wagi_ty_is_float(ins->type)) {
        int d = wagi_x64_result_float(e, ins->dst);
        wagi_x64_load_float(e, ins->type, d, mem);
        wagi_x64_put_float(e, ins->dst, d);
    } else {
        int d = wagi_x64_result(e, ins->dst);
        wagi_x64_rm(&e->code, X64_W | 0x8B, d, mem);
        wagi_x64_put(e, ins->dst, d);
    }
}

static void global_set(wagi_x64_emitter *e, const wagi_ins *ins)
{
    wagi_x64_mem mem = global_value(e, (uint32_t)ins->imm);
    if (wagi_ty_is_float(ins->type)) /* the upper half of an f32's slot is zero and stays so */
        wagi_x64_store_float(e, ins->type, wagi_x64_use_float(e, ins->a, XMM_B), mem);
    else
        wagi_x64_rm(&e->code, X64_W | 0x89, wagi_x64_use(e, ins->a, RAX), mem);
}

static void load_word(wagi_x64_emitter *e, const wagi_ins *ins, wagi_x64_mem mem)
{
    int d = wagi_x64_result(e, ins->dst);
    wagi_x64_rm(&e->code, X64_W | 0x8B, d, mem);
    wagi_x64_put(e, ins->dst, d);
}

static void ref_func(wagi_x64_emitter *e, const wagi_ins *ins)
{
    const wagi_code_context *c = e->context;
    uint32_t index = (uint32_t)ins->imm;
    if (index < c->data->func_import_count) {
        load_word(e, ins, wagi_x64_at(INSTANCE, (int32_t)(c->layout.funcs + 8ull * index)));
        return;
    }
    int d = wagi_x64_result(e, ins->dst);
    uint64_t at = c->layout.own_funcs + (uint64_t)c->data->func_ref_slot[index] * sizeof(wag_func);
    wagi_x64_rm(&e->code, X64_W | 0x8D, d, wagi_x64_at(INSTANCE, (int32_t)at));
    wagi_x64_put(e, ins->dst, d);
}

/* ---- the usual access: of an integer in a register, to memory 0 behind guard pages, at an address in a register ----
 */

/* The bytes of an access to [MEMORY + index + displacement] up to its opcode, but for the upper bits of two registers.
 */
typedef struct usual_form {
    uint32_t head;
    uint8_t rex_at, bits; /* where those are, and how many bits this is */
} usual_form;
#define USUAL_REX(form) (0x41u | ((form) >> 16 & 1) << 3) /* MEMORY's upper bit */
#define USUAL(at, form)                                                                                                \
    [at] = {.head = (form)&X64_66   ? 0x66 | USUAL_REX(form) << 8 | ((form)&0xFF) << 16                                \
                    : (form)&X64_0F ? USUAL_REX(form) | 0x0F << 8 | ((form)&0xFF) << 16                                \
                                    : USUAL_REX(form) | ((form)&0xFF) << 8,                                            \
            .rex_at = (form)&X64_66 ? 8 : 0,                                                                           \
            .bits = (form) & (X64_66 | X64_0F) ? 24 : 16},
static const usual_form usual_loads[WAGI_ACCESS_COUNT] = {LOAD_FORMS(USUAL)};
static const usual_form usual_stores[] = {STORE_FORMS(USUAL)};

static inline void put_usual(wagi_x64_buffer *b, const usual_form *form, int reg, int index, int32_t disp)
{
    unsigned mode = disp == 0 ? 0 : disp == (int8_t)disp ? 1 : 2, upper = (reg & 8) >> 1 | (index & 8) >> 2;
    unsigned sib = (unsigned)(index & 7) << 3 | (MEMORY & 7);
    uint64_t word = form->head | (uint64_t)upper << form->rex_at;
    word |= (uint64_t)(wagi_x64_modrm(mode, reg, RSP) | sib << 8) << form->bits;
    wagi_x64_word(b, word, form->bits + 16u);
    memcpy(b->p + b->n, &disp, 4);
    b->n += mode == 2 ? 4 : mode;
}

/* False: it is another one. */
static inline bool access_usual(wagi_x64_emitter *e, const wagi_ins *ins)
{
    bool is_load = ins->op == WAGI_IR_LOAD;
    uint32_t memory = is_load ? ins->b : ins->dst, value = is_load ? ins->dst : ins->b;
    if (!e->is_guarded || memory != 0 || (uint64_t)ins->imm > INT32_MAX || ins->a == WAGI_NIL ||
        wagi_ty_is_float(ins->type) || (!is_load && (ins->flags & WAGI_INS_IMM)))
        return false;
    int index = wagi_x64_reg(e, ins->a), reg = wagi_x64_reg(e, value);
    if ((index | reg) < 0)
        return false;
    if (!wagi_x64_record_usual(e, WAGI_SITE_FAULT))
        wagi_x64_record(e, WAGI_SITE_FAULT);
    const usual_form *form = is_load ? &usual_loads[ins->sub] : &usual_stores[wagi_access_width(ins->sub)];
    put_usual(&e->code, form, reg, index, (int32_t)ins->imm);
    return true;
}

__attribute__((noinline)) static bool emit_any(wagi_x64_emitter *e, const wagi_ins *ins)
{
    switch (ins->op) {
    case WAGI_IR_LOAD:
        load(e, ins);
        return true;
    case WAGI_IR_STORE:
        store(e, ins);
        return true;
    case WAGI_IR_GLOBAL_GET:
        global_get(e, ins);
        return true;
    case WAGI_IR_GLOBAL_SET:
        global_set(e, ins);
        return true;
    case WAGI_IR_MEMORY_SIZE:
        load_word(e, ins, memory_extent(e, (uint32_t)ins->imm, true, RDX));
        return true;
    case WAGI_IR_TABLE_SIZE:
        load_word(e, ins, wagi_x64_table_field(e, (uint32_t)ins->imm, offsetof(wag_table, size), RDX));
        return true;
    case WAGI_IR_REF_FUNC:
        ref_func(e, ins);
        return true;
    default:
        return false;
    }
}

bool wagi_x64_emit_memory(wagi_x64_emitter *e, const wagi_ins *ins)
{
    bool is_access = ins->op == WAGI_IR_LOAD || ins->op == WAGI_IR_STORE;
    return (is_access && access_usual(e, ins)) || emit_any(e, ins);
}

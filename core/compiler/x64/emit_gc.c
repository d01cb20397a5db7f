/* Emission for objects of the heap: checks, fields, allocation, casts; and the stubs of their slow paths.
 *
 * Allocation takes the first cell of the type's size class when the type is held (gc.known); else, and when a reference
 * is overwritten while the collector marks, the code calls a stub out of line that keeps all registers but rax and rdx.
 * Such a call is no call to the register allocator; the collector finds what is in registers where the stub saves them.
 */
#include "compiler/x64/stubs.h"
#include "compiler/x64/x64.h"
#include "runtime/heap.h"

#define AGENT ((int32_t)offsetof(wag_instance, unit.agent))
#define GC(field) ((int32_t)(offsetof(wag_agent, gc) + offsetof(wagi_gc, field)))

static void load(wagi_x64_emitter *e, int reg, int base, int32_t disp)
{
    wagi_x64_rm(&e->code, X64_W | 0x8B, reg, wagi_x64_at(base, disp));
}

static uint32_t jump_out(wagi_x64_emitter *e, int cc)
{
    wagi_x64_u8(&e->code, 0x0F);
    wagi_x64_u8(&e->code, 0x80 | (unsigned)cc);
    wagi_x64_u32(&e->code, 0);
    return (uint32_t)e->code.n;
}

static void add_slow(wagi_x64_emitter *e, wagi_x64_slow slow)
{
    slow.back = (uint32_t)e->code.n;
    slow.source = e->ir->source.p[e->ins];
    slow.inlined = wagi_x64_inlined(e);
    if (!WAGI_VEC_PUSH(&e->slows, slow))
        e->failed = true;
}

/* ---- checks ---- */

static void test_null(wagi_x64_emitter *e, uint32_t v)
{
    int reg = wagi_x64_reg(e, v);
    if (reg >= 0)
        wagi_x64_rr(&e->code, X64_W | 0x85, reg, reg);
    else
        wagi_x64_alu_imm_mem(&e->code, 7, wagi_x64_slot(e, v), 0, true);
}

static void bounds(wagi_x64_emitter *e, const wagi_ins *ins)
{
    wagi_x64_mem length = wagi_x64_at(wagi_x64_use(e, ins->a, RAX), (int32_t)offsetof(wagi_gc_array, length));
    if (ins->flags & WAGI_INS_IMM) {
        wagi_x64_alu_imm_mem(&e->code, 7, length, (int32_t)ins->imm, false);
        wagi_x64_trap_if(e, CC_BE, WAG_ARRAY_BOUNDS);
    } else {
        wagi_x64_rm(&e->code, 0x3B, wagi_x64_use(e, ins->b, RDX), length);
        wagi_x64_trap_if(e, CC_AE, WAG_ARRAY_BOUNDS);
    }
}

/* ---- fields ---- */

static void get(wagi_x64_emitter *e, const wagi_ins *ins)
{
    int object = wagi_x64_use(e, ins->a, RAX);
    if (ins->b == WAGI_NIL) {
        wagi_x64_load(e, ins, wagi_x64_at(object, (int32_t)ins->imm));
        return;
    }
    unsigned scale = (unsigned)__builtin_ctz(wagi_access_width(ins->sub));
    wagi_x64_load(e, ins, wagi_x64_indexed(object, wagi_x64_use(e, ins->b, RDX), scale, (int32_t)ins->imm));
}

/* Jump out of line while the collector marks. Uses rdx. */
static void barrier(wagi_x64_emitter *e, wagi_x64_mem mem)
{
    load(e, RDX, INSTANCE, AGENT);
    wagi_x64_rm(&e->code, 0x80, 7, wagi_x64_at(RDX, GC(marking)));
    wagi_x64_u8(&e->code, 0);
    wagi_x64_slow slow = {.kind = WAGI_SLOW_SHADE, .mem = mem};
    slow.jumps[0] = jump_out(e, CC_NE);
    add_slow(e, slow);
}

static void set(wagi_x64_emitter *e, const wagi_ins *ins)
{
    int64_t offset = ins->flags & WAGI_INS_IMM ? (int64_t)(uint32_t)ins->imm : ins->imm;
    wagi_x64_mem mem = wagi_x64_at(wagi_x64_use(e, ins->a, RAX), (int32_t)offset);
    if (ins->flags & WAGI_INS_BARRIER)
        barrier(e, mem);
    wagi_x64_store(e, ins, mem);
}

/* ---- allocation ---- */

static void new_object(wagi_x64_emitter *e, const wagi_ins *ins)
{
    const wagi_type *type = (const wagi_type *)(uintptr_t)ins->imm;
    int32_t known = GC(known) + (int32_t)(8 * (type->id % WAGI_GC_KNOWN));
    int32_t free_cell = GC(common.free) + (int32_t)(8 * wagi_gc_class_of(ins->b));
    int d = wagi_x64_reg(e, ins->dst);
    wagi_x64_slow slow = {.kind = WAGI_SLOW_ALLOC, .type = type, .size = ins->b};
    load(e, RDX, INSTANCE, AGENT);
    wagi_x64_mov_imm(&e->code, RAX, (uint64_t)(uintptr_t)type, true);
    wagi_x64_rm(&e->code, X64_W | 0x39, RAX, wagi_x64_at(RDX, known));
    slow.jumps[0] = jump_out(e, CC_NE);
    load(e, RAX, RDX, free_cell);
    wagi_x64_rr(&e->code, X64_W | 0x85, RAX, RAX);
    slow.jumps[1] = jump_out(e, CC_E);
    if (d >= 0) {
        load(e, d, RAX, 0);
        wagi_x64_rm(&e->code, X64_W | 0x89, d, wagi_x64_at(RDX, free_cell));
        load(e, d, RDX, known);
        wagi_x64_rm(&e->code, X64_W | 0x0B, d, wagi_x64_at(RDX, GC(head_bits)));
        wagi_x64_rm(&e->code, X64_W | 0x89, d, wagi_x64_at(RAX, 0));
    } else { /* through the stack: there is no third register */
        wagi_x64_rm(&e->code, 0xFF, 6, wagi_x64_at(RAX, 0));
        wagi_x64_rm(&e->code, 0x8F, 0, wagi_x64_at(RDX, free_cell));
        wagi_x64_rm(&e->code, 0xFF, 6, wagi_x64_at(RDX, known));
        wagi_x64_rm(&e->code, 0x8F, 0, wagi_x64_at(RAX, 0));
        load(e, RDX, RDX, GC(head_bits));
        wagi_x64_rm(&e->code, X64_W | 0x09, RDX, wagi_x64_at(RAX, 0));
    }
    add_slow(e, slow);
    wagi_x64_put(e, ins->dst, RAX);
}

void wagi_x64_slows(wagi_x64_emitter *e)
{
    for (size_t i = 0; i < e->slows.n && wagi_x64_roomy(e, 128); i++) {
        const wagi_x64_slow *slow = &e->slows.p[i];
        for (int j = 0; j < 2 && slow->jumps[j]; j++) {
            uint32_t rel = (uint32_t)(e->code.n - slow->jumps[j]);
            memcpy(e->code.p + slow->jumps[j] - 4, &rel, 4);
        }
        if (slow->kind == WAGI_SLOW_ALLOC) {
            wagi_x64_mov_imm(&e->code, RDX, (uint64_t)(uintptr_t)slow->type, true);
            wagi_x64_mov_imm(&e->code, RAX, slow->size, false);
        } else {
            wagi_x64_rm(&e->code, X64_W | 0x8B, RDX, slow->mem);
        }
        wagi_x64_u8(&e->code, 0xE8);
        wagi_x64_reloc(e, WAGI_RELOC_SLOW, slow->kind);
        wagi_x64_record_in(e, WAGI_SITE_RETURN, slow->source, slow->inlined, 0);
        wagi_x64_u8(&e->code, 0xE9);
        wagi_x64_u32(&e->code, (uint32_t)(slow->back - (e->code.n + 4)));
    }
}

/* ---- casts ---- */

/* Where a test goes when it knows. */
typedef struct outcome {
    enum { FALL, TRAP, LABEL } how; /* FALL: behind the test */
    uint32_t label;
    size_t jumps[6]; /* FALL: to be bound */
    uint32_t count;
} outcome;

typedef struct type_test {
    wagi_x64_emitter *e;
    outcome yes, no;
} type_test;

static void go(wagi_x64_emitter *e, outcome *o, int cc)
{
    if (o->how == TRAP)
        wagi_x64_trap_if(e, cc, WAG_CAST);
    else if (o->how == LABEL)
        wagi_x64_jump_label(e, cc, o->label);
    else
        o->jumps[o->count++] = wagi_x64_jump_short(e, cc);
}

static void bind(wagi_x64_emitter *e, const outcome *o)
{
    for (uint32_t i = 0; i < o->count; i++)
        wagi_x64_bind_short(e, o->jumps[i]);
}

/* The end: to yes by cc, else to no. One of them is behind the test. */
static void decide(type_test *t, int cc)
{
    if (t->no.how == FALL)
        go(t->e, &t->yes, cc);
    else
        go(t->e, &t->no, cc ^ 1);
}

/* Nothing is left to look at. */
static void settle(type_test *t, bool matches)
{
    outcome *o = matches ? &t->yes : &t->no;
    if (o->how == LABEL)
        wagi_x64_jump_label(t->e, -1, o->label);
    else if (o->how == TRAP)
        wagi_x64_trap(t->e, WAG_CAST);
    else if ((matches ? &t->no : &t->yes)->how == FALL)
        o->jumps[o->count++] = wagi_x64_jump_short(t->e, -1);
}

static void test_bit_0(wagi_x64_emitter *e, int reg)
{
    wagi_x64_rr(&e->code, X64_BYTE_RM | 0xF6, 0, reg);
    wagi_x64_u8(&e->code, 1);
}

/* rax = the type of the object in reg. is_object: it is known to be one. */
static void load_type(type_test *t, int reg, bool is_object, bool check_object)
{
    if (!is_object) {
        test_bit_0(t->e, reg); /* an i31? */
        go(t->e, &t->no, CC_NE);
    }
    load(t->e, RAX, reg, 0);
    if (check_object && !is_object) {
        test_bit_0(t->e, RAX);
        go(t->e, &t->no, CC_E);
    }
    wagi_x64_alu_imm_reg(&t->e->code, 4, RAX, -(WAGI_GC_HEAD_MASK + 1), true);
}

/* Is rax the type or a subtype? Uses rdx. */
static void compare_type(type_test *t, const wagi_type *type)
{
    wagi_x64_emitter *e = t->e;
    wagi_x64_mov_imm(&e->code, RDX, (uint64_t)(uintptr_t)type, true);
    wagi_x64_rr(&e->code, X64_W | 0x3B, RAX, RDX);
    if (type->is_final) {
        decide(t, CC_E);
        return;
    }
    go(e, &t->yes, CC_E);
    wagi_x64_alu_imm_mem(&e->code, 7, wagi_x64_at(RAX, offsetof(wagi_type, depth)), (int32_t)type->depth, false);
    go(e, &t->no, CC_BE);
    load(e, RAX, RAX, offsetof(wagi_type, display));
    wagi_x64_alu_imm_mem(&e->code, 7, wagi_x64_at(RAX, (int32_t)(4 * type->depth)), (int32_t)type->id, false);
    decide(t, CC_E);
}

static void compare_heap(type_test *t, int reg, wagi_heap heap, bool is_object)
{
    switch (heap) {
    case WAGI_HEAP_EQ:
        test_bit_0(t->e, reg);
        go(t->e, &t->yes, CC_NE);
        wagi_x64_rm(&t->e->code, 0xF6, 0, wagi_x64_at(reg, 0));
        wagi_x64_u8(&t->e->code, WAGI_GC_TAG);
        decide(t, CC_NE);
        break;
    case WAGI_HEAP_I31:
        test_bit_0(t->e, reg);
        decide(t, CC_NE);
        break;
    case WAGI_HEAP_STRUCT:
    case WAGI_HEAP_ARRAY:
        load_type(t, reg, is_object, true);
        wagi_x64_alu_imm_mem(&t->e->code, 7, wagi_x64_at(RAX, offsetof(wagi_type, comp)),
                             heap == WAGI_HEAP_STRUCT ? WAGI_COMP_STRUCT : WAGI_COMP_ARRAY, false);
        decide(t, CC_E);
        break;
    case WAGI_HEAP_NONE:
    case WAGI_HEAP_NOFUNC:
    case WAGI_HEAP_NOEXTERN:
    case WAGI_HEAP_NOEXN:
    case WAGI_HEAP_BOT:
        settle(t, false);
        break;
    default:
        settle(t, true);
    }
}

/* The meaning is wagi_slot_is_type and wagi_slot_is_heap (runtime/heap.h). */
static void type_check(type_test *t, const wagi_ins *ins)
{
    wagi_x64_emitter *e = t->e;
    int reg = wagi_x64_use(e, ins->a, RAX);
    if (!(ins->flags & WAGI_INS_SAFE)) {
        wagi_x64_rr(&e->code, X64_W | 0x85, reg, reg);
        go(e, ins->sub & WAGI_CAST_NULL ? &t->yes : &t->no, CC_E);
    }
    if (ins->sub & WAGI_CAST_ABSTRACT) {
        compare_heap(t, reg, (wagi_heap)ins->imm, ins->sub & WAGI_CAST_OBJECT);
        return;
    }
    const wagi_type *type = (const wagi_type *)(uintptr_t)ins->imm;
    if (type->comp == WAGI_COMP_FUNC)
        load(e, RAX, reg, offsetof(wag_func, type));
    else
        /* What is no object begins with the address of its unit, which is no type's. */
        load_type(t, reg, ins->sub & WAGI_CAST_OBJECT, !type->is_final);
    compare_type(t, type);
}

static void ref_cast(wagi_x64_emitter *e, const wagi_ins *ins)
{
    type_test t = {.e = e, .no = {.how = TRAP}};
    type_check(&t, ins);
    bind(e, &t.yes);
}

static void branch_cast(wagi_x64_emitter *e, const wagi_ins *ins)
{
    type_test t = {.e = e};
    outcome *taken = ins->sub & WAGI_CAST_NOT ? &t.no : &t.yes;
    taken->how = LABEL;
    taken->label = ins->dst;
    type_check(&t, ins);
    bind(e, &t.yes);
    bind(e, &t.no);
}

static void ref_test(wagi_x64_emitter *e, const wagi_ins *ins)
{
    type_test t = {.e = e};
    bool negated = ins->sub & WAGI_CAST_NOT;
    type_check(&t, ins);
    bind(e, &t.no);
    int d = wagi_x64_result(e, ins->dst);
    wagi_x64_mov_imm(&e->code, d, negated, false);
    size_t end = wagi_x64_jump_short(e, -1);
    bind(e, &t.yes);
    wagi_x64_mov_imm(&e->code, d, !negated, false);
    wagi_x64_bind_short(e, end);
    wagi_x64_put(e, ins->dst, d);
}

bool wagi_x64_emit_gc(wagi_x64_emitter *e, const wagi_ins *ins)
{
    switch (ins->op) {
    case WAGI_IR_GET:
        get(e, ins);
        return true;
    case WAGI_IR_SET:
        set(e, ins);
        return true;
    case WAGI_IR_NULL_CHECK:
        test_null(e, ins->a);
        wagi_x64_trap_if(e, CC_E, (wag_err)ins->imm);
        return true;
    case WAGI_IR_BOUNDS:
        bounds(e, ins);
        return true;
    case WAGI_IR_NEW:
        new_object(e, ins);
        return true;
    case WAGI_IR_REF_CAST:
        ref_cast(e, ins);
        return true;
    case WAGI_IR_REF_TEST:
        ref_test(e, ins);
        return true;
    case WAGI_IR_BR_CAST:
        branch_cast(e, ins);
        return true;
    default:
        return false;
    }
}

/* ---- the stubs ---- */

enum { INTS = 8, FLOATS = 14, SAVED_BYTES = 8 * INTS + 16 * FLOATS, FRAME = SAVED_BYTES + 8 };
_Static_assert((FRAME + 8) % 16 == 0, "with the return address");

static void all_registers(wagi_x64_stub_maker *s, bool save)
{
    static const uint8_t ints[INTS] = {RAX, RCX, RSI, RDI, R8, R9, R10, R11};
    for (int i = save ? 0 : 1; i < INTS; i++) /* rax comes back with the result */
        wagi_x64_rm(s->b, X64_W | (save ? 0x89u : 0x8Bu), ints[i], wagi_x64_at(RSP, 8 * i));
    for (int i = 0; i < FLOATS; i++) {
        uint32_t form = X64_0F | (save ? 0x11u : 0x10u); /* movups */
        wagi_x64_mem mem = wagi_x64_at(RSP, 8 * INTS + 16 * i);
        if (s->has_avx)
            wagi_x64_vrm(s->b, form, i, 0, mem);
        else
            wagi_x64_rm(s->b, form, i, mem);
    }
}

/* rdx: the type, or the reference; eax: the size. */
bool wagi_x64_make_slow(wagi_x64_stub_maker *s, wagi_slow_kind kind)
{
    wagi_x64_buffer *b = s->b;
    if (!wagi_x64_reserve(b, 1024))
        return false;
    s->stubs->slow[kind] = (uint32_t)b->n;
    wagi_x64_alu_imm_reg(b, 5, RSP, FRAME, true);
    size_t framed = b->n;
    all_registers(s, true);
    wagi_x64_rr(b, X64_W | 0x8B, RDI, INSTANCE);
    wagi_x64_rr(b, X64_W | 0x8B, RSI, RDX);
    wagi_x64_rr(b, 0x8B, RDX, RAX);
    uintptr_t function =
        kind == WAGI_SLOW_ALLOC ? (uintptr_t)s->context->abi->alloc : (uintptr_t)s->context->abi->shade;
    wagi_x64_mov_imm(b, RAX, function, true);
    wagi_x64_rr(b, 0xFF, 2, RAX);
    if (kind == WAGI_SLOW_SHADE)
        wagi_x64_rm(b, X64_W | 0x8B, RAX, wagi_x64_at(RSP, 0));
    all_registers(s, false);
    wagi_stub_code code = {.start = (uint32_t)framed, .size = (uint32_t)(b->n - framed), .frame = FRAME};
    wagi_x64_alu_imm_reg(b, 0, RSP, FRAME, true);
    if (kind == WAGI_SLOW_ALLOC) {
        wagi_x64_rr(b, X64_W | 0x85, RAX, RAX);
        wagi_x64_u8(b, 0x75); /* jne over the jump */
        wagi_x64_u8(b, 10);
        wagi_x64_u8(b, 0xB9); /* mov ecx, trap */
        wagi_x64_u32(b, WAG_OUT_OF_HEAP);
        wagi_x64_u8(b, 0xE9);
        wagi_x64_u32(b, (uint32_t)(s->trap_common - (b->n + 4)));
    }
    wagi_x64_u8(b, 0xC3);
    return WAGI_VEC_PUSH(&s->stubs->frames, code);
}

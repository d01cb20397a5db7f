/* Emission of jumps: to traps, to blocks, forward ones in two bytes where that is sure to be enough or turns out to be.
 */
#include <string.h>

#include "compiler/x64/x64.h"

/* A forward jump is short when the code between is estimated at no more than this. When an estimate was wrong the
 * function is emitted again with long jumps only. */
#define SHORT_ESTIMATE 112
/* A jump to a block that only jumps on goes where that one goes, so many times. */
#define MAX_THREADED 4

void wagi_x64_set_rel32(wagi_x64_emitter *e, size_t at, size_t to)
{
    uint32_t rel = (uint32_t)(to - (at + 4));
    memcpy(e->code.p + at, &rel, 4);
}

static void jump_rel32(wagi_x64_emitter *e, int cc)
{
    if (cc < 0) {
        wagi_x64_u8(&e->code, 0xE9);
    } else {
        wagi_x64_u8(&e->code, 0x0F);
        wagi_x64_u8(&e->code, 0x80 | (unsigned)cc);
    }
}

void wagi_x64_trap_if(wagi_x64_emitter *e, int cc, wag_err trap)
{
    jump_rel32(e, cc);
    wagi_x64_cold cold = {.jump = (uint32_t)e->code.n,
                          .source = e->ir->source.p[e->ins],
                          .inlined = wagi_x64_inlined(e),
                          .trap = (uint16_t)trap};
    if (!WAGI_VEC_PUSH(&e->colds, cold))
        e->failed = true;
    wagi_x64_u32(&e->code, 0);
}

void wagi_x64_trap(wagi_x64_emitter *e, wag_err trap)
{
    wagi_x64_u8(&e->code, 0xE8);
    wagi_x64_reloc(e, WAGI_RELOC_TRAP, (uintptr_t)trap);
    wagi_x64_record(e, WAGI_SITE_RETURN);
}

size_t wagi_x64_jump_short(wagi_x64_emitter *e, int cc)
{
    wagi_x64_u8(&e->code, cc < 0 ? 0xEB : 0x70 | (unsigned)cc);
    wagi_x64_u8(&e->code, 0);
    return e->code.n;
}

void wagi_x64_bind_short(wagi_x64_emitter *e, size_t at)
{
    e->code.p[at - 1] = (uint8_t)(e->code.n - at);
}

/* ---- blocks ---- */

bool wagi_x64_has_edits(const wagi_x64_emitter *e, uint32_t block)
{
    size_t low = 0, high = e->homes->edits.n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (e->homes->edits.p[middle].block < block)
            low = middle + 1;
        else
            high = middle;
    }
    return low < e->homes->edits.n && e->homes->edits.p[low].block == block;
}

/* Where a jump to the block ends up. Loop heads stay what they are: going to one may mean repeating it. */
static uint32_t thread_jump(const wagi_x64_emitter *e, uint32_t block)
{
    const wagi_ir *ir = e->ir;
    for (int i = 0; i < MAX_THREADED; i++) {
        const wagi_block *b = &ir->blocks.p[block];
        if (b->loop_head || b->last - b->first != 1 || ir->ins.p[b->first].op != WAGI_IR_JMP)
            break;
        uint32_t to = ir->labels.p[ir->ins.p[b->first].dst].block;
        if (to <= block || wagi_x64_has_edits(e, block))
            break;
        block = to;
    }
    return block;
}

/* Most bytes that code for an instruction usually takes. access: the same for loads and stores. A loop may be aligned
 * and unrolled: its poll is far. */
#define ESTIMATE(op, access)                                                                                           \
    ((op) == WAGI_IR_NOP                             ? 0                                                               \
     : (op) == WAGI_IR_MOV || (op) == WAGI_IR_JMP    ? 5                                                               \
     : (op) == WAGI_IR_CONST                         ? 7                                                               \
     : (op) == WAGI_IR_LOAD || (op) == WAGI_IR_STORE ? (access)                                                        \
     : (op) == WAGI_IR_BRCC || (op) == WAGI_IR_SETCC ? 16                                                              \
     : (op) == WAGI_IR_CALL || (op) == WAGI_IR_TAIL_CALL || (op) == WAGI_IR_BR_TABLE || (op) == WAGI_IR_RETURN ||      \
             (op) == WAGI_IR_POLL || (op) == WAGI_IR_FUEL_CHECK || (op) == WAGI_IR_DIV_S || (op) == WAGI_IR_REM_S ||   \
             (op) == WAGI_IR_FMIN || (op) == WAGI_IR_FMAX || (op) == WAGI_IR_TRUNC || (op) == WAGI_IR_TRUNC_SAT ||     \
             (op) == WAGI_IR_CVT_U                                                                                     \
         ? SHORT_ESTIMATE                                                                                              \
     : (op) >= WAGI_IR_FADD ? 14                                                                                       \
                            : 11)
static const uint8_t estimates[2][WAGI_IR_OP_COUNT] = {
    {
#define IR(name, uses) [WAGI_IR_##name] = ESTIMATE(WAGI_IR_##name, 30),
#include "compiler/ir.def"
#undef IR
    },
    {
#define IR(name, uses) [WAGI_IR_##name] = ESTIMATE(WAGI_IR_##name, 13),
#include "compiler/ir.def"
#undef IR
    },
};

/* True when the code up to the start of `block` is estimated to be small enough for a short jump. */
static bool is_near(const wagi_x64_emitter *e, uint32_t block)
{
    const wagi_ir *ir = e->ir;
    uint32_t bytes = 0, end = block < ir->blocks.n ? ir->blocks.p[block].first : (uint32_t)ir->ins.n;
    if (e->long_jumps || end - e->ins > SHORT_ESTIMATE)
        return false;
    const uint8_t *of = estimates[e->context->guard];
    for (uint32_t i = e->ins + 1; i < end && bytes < SHORT_ESTIMATE; i++)
        bytes += of[ir->ins.p[i].op];
    const wagi_edit *edits = e->homes->edits.p;
    for (size_t i = e->next_edit; bytes < SHORT_ESTIMATE && i < e->homes->edits.n && edits[i].ins <= end; i++)
        bytes += 10;
    return bytes < SHORT_ESTIMATE;
}

void wagi_x64_jump_block(wagi_x64_emitter *e, int cc, uint32_t block)
{
    block = thread_jump(e, block);
    uint32_t known = e->block_at.p[block], end = block;
    if (block == e->unroll_head) {
        known = e->copies_left ? 0 : e->unroll_at;
        end = e->unroll_end;
    }
    if (known) {
        int64_t distance = (int64_t)known - 1 - (int64_t)(e->code.n + 2);
        if (distance >= -128) {
            wagi_x64_u8(&e->code, cc < 0 ? 0xEB : 0x70 | (unsigned)cc);
            wagi_x64_u8(&e->code, (uint8_t)distance);
            return;
        }
    }
    bool leaves = e->unroll_head != WAGI_NIL && block >= e->unroll_end;
    bool is_short = !known && !leaves && is_near(e, end);
    if (is_short)
        wagi_x64_u8(&e->code, cc < 0 ? 0xEB : 0x70 | (unsigned)cc);
    else
        jump_rel32(e, cc);
    wagi_x64_block_ref ref = {.at = (uint32_t)e->code.n, .block = block, .is_short = is_short};
    if (!WAGI_VEC_PUSH(&e->block_refs, ref))
        e->failed = true;
    if (is_short)
        wagi_x64_u8(&e->code, 0);
    else
        wagi_x64_u32(&e->code, 0);
}

void wagi_x64_jump_label(wagi_x64_emitter *e, int cc, uint32_t label)
{
    wagi_x64_jump_block(e, cc, e->ir->labels.p[label].block);
}

static void bind(wagi_x64_emitter *e, const wagi_x64_block_ref *ref, uint32_t to)
{
    if (!ref->is_short)
        wagi_x64_set_rel32(e, ref->at, to);
    else if (to - (ref->at + 1) <= INT8_MAX)
        e->code.p[ref->at] = (uint8_t)(to - (ref->at + 1));
    else
        e->long_jumps = true;
}

void wagi_x64_bind_blocks(wagi_x64_emitter *e)
{
    for (size_t i = 0; i < e->block_refs.n && !e->failed; i++)
        bind(e, &e->block_refs.p[i], e->block_at.p[e->block_refs.p[i].block] - 1);
    e->block_refs.n = 0;
}

void wagi_x64_bind_copy(wagi_x64_emitter *e, size_t first_ref)
{
    size_t left = first_ref;
    for (size_t i = first_ref; i < e->block_refs.n && !e->failed; i++) {
        wagi_x64_block_ref ref = e->block_refs.p[i];
        if (ref.block < e->unroll_head || ref.block >= e->unroll_end)
            e->block_refs.p[left++] = ref;
        else if (ref.block != e->unroll_head)
            bind(e, &ref, e->block_at.p[ref.block] - 1);
        else
            bind(e, &ref, e->copies_left ? (uint32_t)e->code.n : e->unroll_at - 1);
    }
    e->block_refs.n = left;
}

/* The linear scan and the second chance. */
#include "compiler/regalloc.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/liveness.h"

/* A save and reload around a call is paid at most once per call and use: half of the calls' weight was best in tests.
 */
#define CALL_COST 0.5f
/* A callee-saved register that nobody uses yet costs a push and a pop. */
#define SAVED_REGISTER_COST 2.0f
#define SECOND_CHANCES 256

typedef struct scan {
    wagi_homes *homes;
    wagi_ir *ir;
    const wagi_machine *machine;
    uint32_t occupant[WAGI_REG_COUNT]; /* vreg or NONE */
    uint32_t busy_until[WAGI_REG_COUNT];
    size_t next_call;       /* the first at or behind the start of the vreg at hand */
    uint32_t class_regs[2]; /* of integers, of floats: bit per register */
} scan;

void wagi_homes_init(wagi_homes *homes)
{
    memset(homes, 0, sizeof *homes);
}

void wagi_homes_fini(wagi_homes *homes)
{
    WAGI_VEC_FREE(&homes->edits);
    WAGI_VEC_FREE(&homes->order);
    WAGI_VEC_FREE(&homes->head);
    WAGI_VEC_FREE(&homes->next);
    WAGI_VEC_FREE(&homes->call_pos);
    WAGI_VEC_FREE(&homes->call_weight);
    WAGI_VEC_FREE(&homes->spills);
    for (int r = 0; r < WAGI_REG_COUNT; r++)
        WAGI_VEC_FREE(&homes->ranges[r]);
    WAGI_VEC_FREE(&homes->caches);
    WAGI_VEC_FREE(&homes->loop_caches);
    WAGI_VEC_FREE(&homes->loop_weights);
    WAGI_VEC_FREE(&homes->candidate);
}

uint32_t wagi_homes_class(const wagi_machine *machine, unsigned type, const uint8_t **ret_regs)
{
    *ret_regs = wagi_ty_is_float(type) ? machine->float_regs : machine->int_regs;
    return wagi_ty_is_float(type) ? machine->float_count : machine->int_count;
}

void wagi_homes_rewind(wagi_homes *homes)
{
    for (size_t i = 0; i < homes->caches.n; i++)
        homes->ir->vregs.p[homes->caches.p[i].vreg].cached = -1;
}

/* ---- calls ---- */

static size_t calls_before(const wagi_homes *homes, uint32_t pos)
{
    size_t low = 0, high = homes->call_pos.n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (homes->call_pos.p[middle] >= pos)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

float wagi_homes_call_weight(const wagi_homes *homes, uint32_t start, uint32_t end)
{
    if (homes->call_pos.n == 0)
        return 0;
    size_t first = calls_before(homes, start), last = calls_before(homes, end);
    return first >= last ? 0 : homes->call_weight.p[last] - homes->call_weight.p[first];
}

/* ---- one walk: the calls, and the order of the starts ---- */

static void put_in_order(wagi_homes *homes, uint32_t vreg, uint32_t start)
{
    const wagi_vreg *v = &homes->ir->vregs.p[vreg];
    if (v->start == start && v->end != 0 && homes->order.n < homes->order.cap)
        homes->order.p[homes->order.n++] = vreg;
}

static bool note_call(wagi_homes *homes, uint32_t ins, float *sum, float weight)
{
    const wagi_ir *ir = homes->ir;
    const wagi_ir_call *call = &ir->calls.p[ir->ins.p[ins].imm];
    for (uint32_t i = 0; i < call->result_count; i++)
        put_in_order(homes, ir->pool.p[call->results + i], wagi_ir_pos(ins) + 1);
    if (!WAGI_VEC_PUSH(&homes->call_pos, wagi_ir_pos(ins)) || !WAGI_VEC_PUSH(&homes->call_weight, *sum))
        return false;
    *sum += weight;
    return true;
}

/* Intervals start at the entry or where an instruction writes their vreg. */
static bool walk_code(wagi_homes *homes)
{
    const wagi_ir *ir = homes->ir;
    float sum = 0;
    homes->order.n = homes->call_pos.n = homes->call_weight.n = 0;
    if (!WAGI_VEC_RESERVE(&homes->order, ir->vregs.n + 1))
        return false;
    for (uint32_t x = 0; x < ir->local_count; x++)
        put_in_order(homes, x, 0);
    for (uint32_t b = 0; b < ir->blocks.n; b++) {
        const wagi_block *block = &ir->blocks.p[b];
        for (uint32_t i = block->first; i < block->last; i++) {
            const wagi_ins *ins = &ir->ins.p[i];
            if (wagi_ir_uses[ins->op] & WAGI_IR_D)
                put_in_order(homes, ins->dst, wagi_ir_pos(i) + 1);
            else if (ins->op == WAGI_IR_CALL && !note_call(homes, i, &sum, wagi_block_weight(ir, b)))
                return false;
        }
    }
    return WAGI_VEC_PUSH(&homes->call_weight, sum);
}

/* For code in which some interval starts elsewhere. */
static bool sort_by_start(wagi_homes *homes)
{
    const wagi_ir *ir = homes->ir;
    uint32_t positions = wagi_ir_pos((uint32_t)ir->ins.n) + 2, count = (uint32_t)ir->vregs.n;
    homes->order.n = homes->head.n = homes->next.n = 0;
    if (!WAGI_VEC_RESERVE(&homes->head, positions) || !WAGI_VEC_RESERVE(&homes->next, count))
        return false;
    memset(homes->head.p, 0, (size_t)positions * 4);
    for (uint32_t v = count; v-- > 0;) {
        const wagi_vreg *vreg = &ir->vregs.p[v];
        if (vreg->end == 0)
            continue;
        homes->next.p[v] = homes->head.p[vreg->start];
        homes->head.p[vreg->start] = v + 1;
    }
    for (uint32_t pos = 0; pos < positions; pos++)
        for (uint32_t v = homes->head.p[pos]; v; v = homes->next.p[v - 1])
            homes->order.p[homes->order.n++] = v - 1;
    return true;
}

/* ---- the scan ---- */

static float density(const wagi_vreg *v)
{
    return v->weight / (float)(v->end - v->start + 4);
}

/* Crossing calls of this weight in a register that they clobber costs more than a slot. */
static bool forbids(float calls, const wagi_vreg *v)
{
    return calls > 0 && CALL_COST * calls >= v->weight;
}

/* Weight of the calls inside of the vreg's interval. Vregs come in the order of their start. */
static float calls_inside(scan *s, const wagi_vreg *v)
{
    const wagi_homes *homes = s->homes;
    while (s->next_call < homes->call_pos.n && homes->call_pos.p[s->next_call] < v->start)
        s->next_call++;
    if (s->next_call == homes->call_pos.n || homes->call_pos.p[s->next_call] >= v->end)
        return 0;
    return homes->call_weight.p[calls_before(homes, v->end)] - homes->call_weight.p[s->next_call];
}

static bool is_free(const scan *s, const wagi_vreg *v, int reg)
{
    return s->busy_until[reg] <= v->start;
}

/* Free, and worth its push when it is a callee-saved register that is not in use. */
static bool is_fine(const scan *s, const wagi_vreg *v, int reg)
{
    bool saved = wagi_reg_is_saved(s->machine, reg);
    return is_free(s, v, reg) && (!saved || (s->homes->used_saved >> reg & 1) || v->weight > SAVED_REGISTER_COST);
}

static bool would_do(const scan *s, const wagi_vreg *v, int reg)
{
    return reg >= 0 && (s->class_regs[wagi_ty_is_float(v->type)] >> reg & 1) && is_free(s, v, reg) &&
           (!v->crosses || wagi_reg_is_saved(s->machine, reg));
}

static int hinted_register(const scan *s, const wagi_vreg *v)
{
    if (v->hint != WAGI_NIL && would_do(s, v, s->ir->vregs.p[v->hint].home))
        return s->ir->vregs.p[v->hint].home;
    return would_do(s, v, v->hint_reg) ? v->hint_reg : -1;
}

static int free_register(const scan *s, const wagi_vreg *v, bool no_clobbered)
{
    const uint8_t *regs;
    uint32_t count = wagi_homes_class(s->machine, v->type, &regs);
    if (v->crosses) {
        for (uint32_t i = 0; i < count; i++)
            if (wagi_reg_is_saved(s->machine, regs[i]) && is_fine(s, v, regs[i]))
                return regs[i];
        for (uint32_t i = 0; i < count && !no_clobbered; i++)
            if (!wagi_reg_is_saved(s->machine, regs[i]) && is_free(s, v, regs[i]))
                return regs[i];
        return -1;
    }
    for (uint32_t i = 0; i < count; i++)
        if (is_fine(s, v, regs[i]))
            return regs[i];
    return -1;
}

static int cheapest_register(const scan *s, const wagi_vreg *v, bool no_clobbered)
{
    const uint8_t *regs;
    uint32_t count = wagi_homes_class(s->machine, v->type, &regs);
    float least = density(v);
    int best = -1;
    for (uint32_t i = 0; i < count; i++) {
        int reg = regs[i];
        if (no_clobbered && !wagi_reg_is_saved(s->machine, reg))
            continue;
        if (s->occupant[reg] == WAGI_NIL || is_free(s, v, reg))
            continue;
        float other = density(&s->ir->vregs.p[s->occupant[reg]]);
        if (other < least) {
            least = other;
            best = reg;
        }
    }
    return best;
}

static bool spill(wagi_homes *homes, uint32_t vreg)
{
    homes->ir->vregs.p[vreg].home = WAGI_HOME_SLOT;
    return WAGI_VEC_PUSH(&homes->spills, ((wagi_spill){vreg, homes->ir->vregs.p[vreg].weight}));
}

static bool place_vreg(scan *s, uint32_t vreg)
{
    wagi_vreg *v = &s->ir->vregs.p[vreg];
    float calls = calls_inside(s, v);
    bool no_clobbered = forbids(calls, v);
    v->crosses = calls > 0;
    int reg = hinted_register(s, v);
    if (reg < 0)
        reg = free_register(s, v, no_clobbered);
    if (reg < 0) {
        reg = cheapest_register(s, v, no_clobbered);
        if (reg < 0)
            return spill(s->homes, vreg);
        if (!spill(s->homes, s->occupant[reg]))
            return false;
    }
    v->home = (int8_t)reg;
    s->occupant[reg] = vreg;
    s->busy_until[reg] = v->end;
    if (wagi_reg_is_saved(s->machine, reg))
        s->homes->used_saved |= 1u << reg;
    return true;
}

/* ---- second chance ---- */

static int heavier_first(const void *x, const void *y)
{
    const wagi_spill *a = x, *b = y;
    if (a->weight != b->weight)
        return a->weight < b->weight ? 1 : -1;
    return a->vreg < b->vreg ? -1 : 1;
}

bool wagi_homes_enter(wagi_homes *homes, int reg, uint32_t start, uint32_t end, bool *ret_full)
{
    size_t low = 0, high = homes->ranges[reg].n;
    wagi_range *ranges = homes->ranges[reg].p;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges[middle].start >= start)
            high = middle;
        else
            low = middle + 1;
    }
    if ((low < homes->ranges[reg].n && ranges[low].start < end) || (low > 0 && ranges[low - 1].end > start))
        return false;
    if (!WAGI_VEC_RESERVE(&homes->ranges[reg], 1)) {
        *ret_full = true;
        return false;
    }
    ranges = homes->ranges[reg].p;
    memmove(ranges + low + 1, ranges + low, (homes->ranges[reg].n - low) * sizeof *ranges);
    ranges[low] = (wagi_range){start, end};
    homes->ranges[reg].n++;
    return true;
}

static bool collect_ranges(wagi_homes *homes)
{
    for (int r = 0; r < WAGI_REG_COUNT; r++)
        homes->ranges[r].n = 0;
    for (size_t i = 0; i < homes->order.n; i++) {
        const wagi_vreg *v = &homes->ir->vregs.p[homes->order.p[i]];
        if (v->home >= 0 && !WAGI_VEC_PUSH(&homes->ranges[(int)v->home], ((wagi_range){v->start, v->end})))
            return false;
    }
    return true;
}

static bool retry(wagi_homes *homes, wagi_vreg *v)
{
    const uint8_t *regs;
    uint32_t count = wagi_homes_class(homes->machine, v->type, &regs);
    bool no_clobbered = forbids(wagi_homes_call_weight(homes, v->start, v->end), v), full = false;
    for (int round = 0; round < 2; round++) /* a vreg that crosses calls asks for callee-saved registers first */
        for (uint32_t i = 0; i < count; i++) {
            int reg = regs[i];
            bool saved = wagi_reg_is_saved(homes->machine, reg);
            if (saved != (v->crosses == (round == 0)) || (no_clobbered && !saved))
                continue;
            if (saved && !(homes->used_saved >> reg & 1) && v->weight <= SAVED_REGISTER_COST)
                continue;
            if (!wagi_homes_enter(homes, reg, v->start, v->end, &full))
                continue;
            v->home = (int8_t)reg;
            if (saved)
                homes->used_saved |= 1u << reg;
            return true;
        }
    return !full;
}

static bool second_chance(wagi_homes *homes)
{
    if (!collect_ranges(homes))
        return false;
    qsort(homes->spills.p, homes->spills.n, sizeof *homes->spills.p, heavier_first);
    for (size_t i = 0; i < homes->spills.n && i < SECOND_CHANCES; i++)
        if (!retry(homes, &homes->ir->vregs.p[homes->spills.p[i].vreg]))
            return false;
    return true;
}

bool wagi_homes_run(wagi_homes *homes, wagi_ir *ir, const wagi_machine *machine)
{
    homes->ir = ir;
    homes->machine = machine;
    homes->used_saved = homes->slot_count = 0;
    homes->wide_slots = false;
    homes->spills.n = homes->caches.n = homes->edits.n = homes->loop_caches.n = 0;
    scan s = {.homes = homes, .ir = ir, .machine = machine};
    memset(s.occupant, 0xff, sizeof s.occupant);
    for (unsigned i = 0; i < machine->int_count; i++)
        s.class_regs[0] |= 1u << machine->int_regs[i];
    for (unsigned i = 0; i < machine->float_count; i++)
        s.class_regs[1] |= 1u << machine->float_regs[i];
    if (!walk_code(homes) || (homes->order.n != ir->live_vregs && !sort_by_start(homes)))
        return false;
    for (size_t i = 0; i < homes->order.n; i++)
        if (!place_vreg(&s, homes->order.p[i]))
            return false;
    if (homes->spills.n && (!second_chance(homes) || !wagi_homes_cache_loops(homes)))
        return false;
    return wagi_homes_slots(homes) && wagi_homes_edits(homes);
}

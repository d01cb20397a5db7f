/* The linear scan and the second chance. */
#include "compiler/regalloc.h"

#include <stdlib.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "compiler/liveness.h"

/* A save and reload around a call is paid at most once per call and use: half of the calls' weight was best in tests.
 */
#define CALL_COST 0.5f
/* A callee-saved register that nobody uses yet costs a push and a pop. */
#define SAVED_REGISTER_COST 2.0f
#define SECOND_CHANCES 256

/* Registers of a class are places in the order of preference; a set of them is a word, and its lowest bit the one to
 * take. */
enum { MAX_PLACES = 16, LANES = 4 };
typedef int32_t lanes __attribute__((vector_size(LANES * 4)));
typedef struct reg_class {
    lanes busy_until[MAX_PLACES / LANES]; /* by place; positions fit */
    uint32_t occupant[MAX_PLACES];        /* vreg or NONE */
    uint32_t all, saved;
    uint32_t used_saved;
    const uint8_t *regs;
    uint16_t bit_of[2 + WAGI_REG_COUNT]; /* by 2 + home: a register's place as a set; 0: none of this class */
} reg_class;

typedef struct scan {
    wagi_homes *homes;
    wagi_ir *ir;
    const wagi_machine *machine;
    const uint32_t *next_call; /* the first at or behind the start of the vreg at hand, or the NONE behind all */
    reg_class classes[2];      /* of integers, of floats */
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
    WAGI_VEC_FREE(&homes->ends);
    WAGI_VEC_FREE(&homes->call_pos);
    WAGI_VEC_FREE(&homes->call_weight);
    WAGI_VEC_FREE(&homes->spills);
    for (int r = 0; r < WAGI_REG_COUNT; r++)
        WAGI_VEC_FREE(&homes->ranges[r]);
    WAGI_VEC_FREE(&homes->caches);
    WAGI_VEC_FREE(&homes->loop_caches);
    WAGI_VEC_FREE(&homes->loop_busy);
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

/* ---- what liveness found, from the first one on: the calls, and the order of the starts ---- */

static bool take_calls(wagi_homes *homes)
{
    const wagi_ir *ir = homes->ir;
    size_t count = ir->call_ats.n;
    float sum = 0;
    homes->call_pos.n = homes->call_weight.n = 0;
    if (!WAGI_VEC_RESERVE(&homes->call_pos, count + 1) || !WAGI_VEC_RESERVE(&homes->call_weight, count + 1))
        return false;
    for (size_t i = 0; i < count; i++) {
        const wagi_ir_call_at *call = &ir->call_ats.p[count - 1 - i];
        homes->call_pos.p[i] = call->pos;
        homes->call_weight.p[i] = sum;
        sum += call->weight;
    }
    homes->call_weight.p[count] = sum;
    homes->call_pos.p[count] = WAGI_NIL; /* not counted */
    homes->call_pos.n = count;
    homes->call_weight.n = count + 1;
    return true;
}

/* Intervals start at the entry or where an instruction writes their vreg; those that nobody reads start nowhere. */
static bool take_order(wagi_homes *homes)
{
    const wagi_ir *ir = homes->ir;
    homes->order.n = 0;
    if (!WAGI_VEC_RESERVE(&homes->order, ir->vregs.n + 1))
        return false;
    const wagi_vreg *vregs = ir->vregs.p;
    uint32_t *at = homes->order.p, *end = at + ir->vregs.n;
    for (uint32_t x = 0, count = ir->local_count; x < count; x++) {
        *at = x;
        at += vregs[x].start == 0;
    }
    for (const wagi_ir_def *first = ir->defs.p, *def = first + ir->defs.n; def != first && at < end;) {
        def--;
        const wagi_vreg *v = &vregs[def->vreg];
        *at = def->vreg;
        at += v->start == def->pos;
    }
    homes->order.n = (size_t)(at - homes->order.p);
    return true;
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
    while (*s->next_call < v->start)
        s->next_call++;
    if (*s->next_call >= v->end)
        return 0;
    const wagi_homes *homes = s->homes;
    return homes->call_weight.p[calls_before(homes, v->end)] - homes->call_weight.p[s->next_call - homes->call_pos.p];
}

/* The places that are free at a position: without branches, because which ones are is as good as random. */
static inline uint32_t free_places(const reg_class *c, uint32_t start)
{
    int32_t from = (int32_t)start + 1;
    lanes at = {from, from, from, from};
    const lanes *busy = c->busy_until;
    lanes free[MAX_PLACES / LANES] = {at > busy[0], at > busy[1], at > busy[2], at > busy[3]};
#if defined(__SSE2__)
    __m128i low = _mm_packs_epi32((__m128i)free[0], (__m128i)free[1]);
    __m128i high = _mm_packs_epi32((__m128i)free[2], (__m128i)free[3]);
    uint32_t places = (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(low, high));
#else
    uint32_t places = 0;
    for (uint32_t i = 0; i < MAX_PLACES; i++)
        places |= (uint32_t)(free[i / LANES][i % LANES] & 1) << i;
#endif
    return places & c->all;
}

/* In whole vectors: what is stored in parts cannot be loaded at once for a while. */
static inline void set_busy(reg_class *c, int place, uint32_t end)
{
    static const lanes masks[LANES] = {{-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, -1, 0}, {0, 0, 0, -1}};
    lanes mask = masks[place % LANES], until = {(int32_t)end, (int32_t)end, (int32_t)end, (int32_t)end};
    lanes *busy = &c->busy_until[place / LANES];
    *busy = (*busy & ~mask) | (until & mask);
}

/* A free place, or a negative number. One of a callee-saved register that nobody uses yet has to be worth its push, but
 * for hints. */
static inline int free_place(const scan *s, const reg_class *c, const wagi_vreg *v, bool no_clobbered)
{
    uint32_t places = free_places(c, v->start), good = v->crosses ? places & c->saved : places;
    uint32_t hinted = v->hint != WAGI_NIL ? c->bit_of[2 + s->ir->vregs.p[v->hint].home] & good : 0;
    hinted = hinted ? hinted : c->bit_of[2 + v->hint_reg] & good;
    if (hinted)
        return __builtin_ctz(hinted);
    uint32_t worth = v->weight > SAVED_REGISTER_COST ? UINT32_MAX : ~c->saved | c->used_saved;
    good &= worth;
    good = good || !v->crosses || no_clobbered ? good : places & ~c->saved;
    return good ? __builtin_ctz(good) : -1;
}

static int cheapest_place(const scan *s, const reg_class *c, const wagi_vreg *v, bool no_clobbered)
{
    uint32_t places = ~free_places(c, v->start) & (no_clobbered ? c->all & c->saved : c->all);
    float least = density(v);
    int best = -1;
    for (; places; places &= places - 1) {
        int place = __builtin_ctz(places);
        if (c->occupant[place] == WAGI_NIL)
            continue;
        float other = density(&s->ir->vregs.p[c->occupant[place]]);
        if (other < least) {
            least = other;
            best = place;
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
    reg_class *c = &s->classes[wagi_ty_is_float(v->type)];
    float calls = calls_inside(s, v);
    bool no_clobbered = forbids(calls, v);
    v->crosses = calls > 0;
    int place = free_place(s, c, v, no_clobbered);
    if (place < 0) {
        place = cheapest_place(s, c, v, no_clobbered);
        if (place < 0)
            return spill(s->homes, vreg);
        if (!spill(s->homes, c->occupant[place]))
            return false;
    }
    v->home = (int8_t)c->regs[place];
    c->occupant[place] = vreg;
    set_busy(c, place, v->end);
    c->used_saved |= c->saved & 1u << place;
    return true;
}

static uint32_t begin_class(reg_class *c, const wagi_machine *machine, const uint8_t *regs, uint32_t count)
{
    uint32_t all = 0, saved = 0, kept = machine->callee_saved;
    memset(c->occupant, 0xff, sizeof c->occupant);
    for (uint32_t i = 0; i < count; i++) {
        int reg = regs[i];
        c->bit_of[2 + reg] = (uint16_t)(1u << i);
        saved |= (kept >> reg & 1) << i;
        all |= 1u << reg;
    }
    c->regs = regs;
    c->all = (1u << count) - 1;
    c->saved = saved;
    return all;
}

static void note_used_saved(wagi_homes *homes, const reg_class *c)
{
    for (uint32_t left = c->used_saved; left; left &= left - 1)
        homes->used_saved |= 1u << c->regs[__builtin_ctz(left)];
}

/* ---- second chance ---- */

static int heavier_first(const void *x, const void *y)
{
    const wagi_spill *a = x, *b = y;
    if (a->weight != b->weight)
        return a->weight < b->weight ? 1 : -1;
    return a->vreg < b->vreg ? -1 : 1;
}

/* Enter [start, end] into a register's ranges if it is free there. `*ret_full` is set when memory ran out. */
static bool enter(wagi_homes *homes, int reg, uint32_t start, uint32_t end, bool *ret_full)
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
    wagi_loop_cursor loops = wagi_homes_loop_cursor(homes, 0);
    for (size_t i = 0, count = homes->order.n; i < count; i++) {
        const wagi_vreg *v = &homes->ir->vregs.p[homes->order.p[i]];
        if (v->home < 0)
            continue;
        if (!WAGI_VEC_PUSH(&homes->ranges[v->home], ((wagi_range){v->start, v->end})))
            return false;
        wagi_homes_mark_loops(homes, &loops, v->home, v->start, v->end);
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
            if (!enter(homes, reg, v->start, v->end, &full))
                continue;
            v->home = (int8_t)reg;
            if (saved)
                homes->used_saved |= 1u << reg;
            wagi_loop_cursor loops = wagi_homes_loop_cursor(homes, v->start);
            wagi_homes_mark_loops(homes, &loops, reg, v->start, v->end);
            return true;
        }
    return !full;
}

static bool second_chance(wagi_homes *homes)
{
    if (!wagi_homes_begin_loops(homes) || !collect_ranges(homes))
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
    homes->wide_slots = homes->keeps_across_calls = false;
    homes->spills.n = homes->caches.n = homes->edits.n = homes->loop_caches.n = 0;
    scan s = {.homes = homes, .ir = ir, .machine = machine};
    homes->classes[0] = begin_class(&s.classes[0], machine, machine->int_regs, machine->int_count);
    homes->classes[1] = begin_class(&s.classes[1], machine, machine->float_regs, machine->float_count);
    if (!take_calls(homes) || !take_order(homes) || (homes->order.n != ir->live_vregs && !sort_by_start(homes)))
        return false;
    s.next_call = homes->call_pos.p;
    for (size_t i = 0, count = homes->order.n; i < count; i++)
        if (!place_vreg(&s, homes->order.p[i]))
            return false;
    note_used_saved(homes, &s.classes[0]);
    note_used_saved(homes, &s.classes[1]);
    if (homes->spills.n && (!second_chance(homes) || !wagi_homes_cache_loops(homes)))
        return false;
    return wagi_homes_slots(homes) && wagi_homes_edits(homes);
}

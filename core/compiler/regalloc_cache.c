/* Loop-scoped caching of vregs that live in slots. */
#include <string.h>

#include "compiler/liveness.h"
#include "compiler/regalloc.h"

#define MAX_CANDIDATES 64
#define MAX_CELLS (1u << 22) /* candidates times loops */
/* A write costs the store that it cost before: only what it saves in the register counts. */
#define WRITE_VALUE 0.25f

typedef struct counter {
    wagi_homes *homes;
    float *weights; /* [candidate * loops + loop] */
    uint32_t loops, loop;
    float weight;
    uint32_t regs; /* of the candidates' classes */
} counter;

/* ---- which registers hold something somewhere in a loop ---- */

bool wagi_homes_begin_loops(wagi_homes *homes)
{
    uint32_t loops = (uint32_t)homes->ir->loops.n;
    homes->loop_busy.n = 0;
    if (!WAGI_VEC_RESERVE(&homes->loop_busy, loops + 1))
        return false;
    memset(homes->loop_busy.p, 0, ((size_t)loops + 1) * sizeof *homes->loop_busy.p);
    homes->loop_busy.n = loops + 1;
    return true;
}

static void set_next(const wagi_ir *ir, wagi_loop_cursor *cursor, uint32_t next)
{
    cursor->next = next;
    cursor->next_start = next < ir->loops.n ? wagi_loop_start(ir, next) : WAGI_NIL;
}

static void set_innermost(const wagi_ir *ir, wagi_loop_cursor *cursor, uint32_t loop)
{
    cursor->innermost = loop == WAGI_NIL ? (uint32_t)ir->loops.n : loop;
    cursor->innermost_end = loop == WAGI_NIL ? WAGI_NIL : wagi_loop_end(ir, loop);
}

void wagi_homes_mark_far(wagi_homes *homes, wagi_loop_cursor *cursor, int reg, uint32_t start, uint32_t end)
{
    const wagi_ir *ir = homes->ir;
    uint32_t loops = (uint32_t)ir->loops.n, next = cursor->next, bit = 1u << reg;
    while (next < loops && wagi_loop_start(ir, next) < start)
        next++;
    if (next != cursor->next) {
        set_next(ir, cursor, next);
        set_innermost(ir, cursor, next - 1);
    }
    while (cursor->innermost_end <= start)
        set_innermost(ir, cursor, ir->loops.p[cursor->innermost].parent);
    homes->loop_busy.p[cursor->innermost] |= bit;
    /* A register has one occupant at a time: this is linear for all of its intervals together. */
    for (uint32_t l = next; l < loops && wagi_loop_start(ir, l) < end; l++)
        homes->loop_busy.p[l] |= bit;
}

wagi_loop_cursor wagi_homes_loop_cursor(const wagi_homes *homes, uint32_t pos)
{
    uint32_t low = 0, high = (uint32_t)homes->ir->loops.n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (wagi_loop_start(homes->ir, middle) < pos)
            low = middle + 1;
        else
            high = middle;
    }
    wagi_loop_cursor cursor;
    set_next(homes->ir, &cursor, low);
    set_innermost(homes->ir, &cursor, low ? low - 1 : WAGI_NIL);
    return cursor;
}

/* What is marked in a loop is marked in those around it. */
static void finish_loops(wagi_homes *homes)
{
    const wagi_ir *ir = homes->ir;
    for (uint32_t l = (uint32_t)ir->loops.n; l-- > 0;) /* parents come first */
        if (ir->loops.p[l].parent != WAGI_NIL)
            homes->loop_busy.p[ir->loops.p[l].parent] |= homes->loop_busy.p[l];
}

/* A register is taken through a loop: in those inside of it, at its edges and around them. */
static void take_register(wagi_homes *homes, uint32_t loop, int reg)
{
    const wagi_ir *ir = homes->ir;
    uint32_t start = wagi_loop_start(ir, loop), bit = 1u << reg;
    wagi_loop_cursor cursor = wagi_homes_loop_cursor(homes, start);
    wagi_homes_mark_loops(homes, &cursor, reg, start, wagi_loop_end(ir, loop));
    uint32_t around = cursor.innermost < ir->loops.n ? ir->loops.p[cursor.innermost].parent : WAGI_NIL;
    for (; around != WAGI_NIL && !(homes->loop_busy.p[around] & bit); around = ir->loops.p[around].parent)
        homes->loop_busy.p[around] |= bit;
}

/* ---- what caching is worth ---- */

static void count_ref(void *context, uint32_t *vreg)
{
    counter *c = context;
    uint32_t candidate = c->homes->candidate.p[*vreg];
    if (candidate)
        c->weights[(size_t)(candidate - 1) * c->loops + c->loop] += c->weight;
}

static void count_refs(counter *c)
{
    wagi_ir *ir = c->homes->ir;
    for (uint32_t b = 0; b < ir->blocks.n; b++) {
        const wagi_block *block = &ir->blocks.p[b];
        if (block->loop == WAGI_NIL || (c->regs & ~c->homes->loop_busy.p[block->loop]) == 0)
            continue; /* nothing is free there, nor in the loops around it */
        c->loop = block->loop;
        float weight = wagi_block_weight(ir, b);
        for (uint32_t i = block->first; i < block->last; i++) {
            c->weight = weight;
            wagi_ir_each_use(ir, i, count_ref, c);
            c->weight = weight * WRITE_VALUE;
            wagi_ir_each_def(ir, i, count_ref, c);
        }
    }
    /* Parents come first in loops: add from the back. */
    for (uint32_t l = c->loops; l-- > 0;) {
        uint32_t parent = ir->loops.p[l].parent;
        if (parent == WAGI_NIL)
            continue;
        for (size_t i = 0; i * c->loops < c->homes->loop_weights.n; i++)
            c->weights[i * c->loops + parent] += c->weights[i * c->loops + l];
    }
}

/* Heaviest spilled vregs that did not get a register after all; spills are sorted. */
static uint32_t choose_candidates(wagi_homes *homes, uint32_t *candidates, uint32_t *ret_regs)
{
    uint32_t most = MAX_CELLS / (uint32_t)homes->ir->loops.n, count = 0;
    if (most > MAX_CANDIDATES)
        most = MAX_CANDIDATES;
    for (size_t i = 0; i < homes->spills.n && count < most; i++) {
        uint32_t vreg = homes->spills.p[i].vreg;
        if (homes->ir->vregs.p[vreg].home != WAGI_HOME_SLOT)
            continue;
        candidates[count++] = vreg;
        *ret_regs |= homes->classes[wagi_ty_is_float(homes->ir->vregs.p[vreg].type)];
        homes->candidate.p[vreg] = count;
    }
    return count;
}

/* A register that is free through the loop and worth it, or -1. */
static int loop_register(wagi_homes *homes, uint32_t vreg, uint32_t loop, float weight)
{
    const wagi_ir *ir = homes->ir;
    const uint8_t *regs;
    uint32_t count = wagi_homes_class(homes->machine, ir->vregs.p[vreg].type, &regs);
    uint32_t free = ~homes->loop_busy.p[loop];
    if ((free & homes->classes[wagi_ty_is_float(ir->vregs.p[vreg].type)]) == 0)
        return -1;
    float calls = wagi_homes_call_weight(homes, wagi_loop_start(ir, loop), wagi_loop_end(ir, loop));
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < count; i++) {
            int reg = regs[i];
            bool saved = wagi_reg_is_saved(homes->machine, reg);
            if (!(free >> reg & 1) || saved != ((calls > 0) == (round == 0)) ||
                (!saved && calls > 0 && calls >= weight))
                continue;
            if (saved && !(homes->used_saved >> reg & 1) && weight <= 4)
                continue;
            if (saved)
                homes->used_saved |= 1u << reg;
            take_register(homes, loop, reg);
            return reg;
        }
    return -1;
}

static bool cache_vreg(wagi_homes *homes, uint32_t vreg, const float *weights)
{
    const wagi_ir *ir = homes->ir;
    uint32_t skip_to = 0; /* blocks below are inside a loop that caches it already */
    for (uint32_t l = 0; l < ir->loops.n; l++) {
        const wagi_loop *loop = &ir->loops.p[l];
        if (weights[l] == 0 || loop->first < skip_to)
            continue;
        /* One load before the loop has to be worth it: two iterations' reads. */
        float outside = loop->first ? wagi_block_weight(ir, loop->first - 1) : 1;
        if (weights[l] < 2 * outside)
            continue;
        const wagi_vreg *v = &ir->vregs.p[vreg];
        if (v->start > wagi_loop_start(ir, l))
            continue; /* made inside: nothing to load, and it may not be live at the back edge */
        int reg = loop_register(homes, vreg, l, weights[l]);
        if (reg < 0)
            continue;
        wagi_cache cache = {.loop = l, .vreg = vreg, .next = homes->loop_caches.p[l], .reg = (int8_t)reg};
        if (!WAGI_VEC_PUSH(&homes->caches, cache))
            return false;
        homes->loop_caches.p[l] = (uint32_t)homes->caches.n;
        skip_to = loop->end;
    }
    return true;
}

bool wagi_homes_cache_loops(wagi_homes *homes)
{
    wagi_ir *ir = homes->ir;
    uint32_t loops = (uint32_t)ir->loops.n, candidates[MAX_CANDIDATES];
    if (loops == 0)
        return true;
    homes->candidate.n = homes->loop_weights.n = 0;
    finish_loops(homes);
    if (!WAGI_VEC_RESERVE(&homes->candidate, ir->vregs.n) || !WAGI_VEC_RESERVE(&homes->loop_caches, loops))
        return false;
    memset(homes->candidate.p, 0, ir->vregs.n * 4);
    memset(homes->loop_caches.p, 0, (size_t)loops * 4);
    homes->loop_caches.n = loops;
    counter c = {.homes = homes, .loops = loops};
    uint32_t count = choose_candidates(homes, candidates, &c.regs);
    if (count == 0)
        return true;
    size_t cells = (size_t)count * loops;
    if (!WAGI_VEC_RESERVE(&homes->loop_weights, cells))
        return false;
    homes->loop_weights.n = cells;
    memset(homes->loop_weights.p, 0, cells * sizeof(float));
    c.weights = homes->loop_weights.p;
    count_refs(&c);
    for (uint32_t i = 0; i < count; i++)
        if (!cache_vreg(homes, candidates[i], c.weights + (size_t)i * loops))
            return false;
    return true;
}

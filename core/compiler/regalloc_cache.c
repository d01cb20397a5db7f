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
} counter;

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
        if (block->loop == WAGI_NIL)
            continue;
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
static uint32_t choose_candidates(wagi_homes *homes, uint32_t *candidates)
{
    uint32_t most = MAX_CELLS / (uint32_t)homes->ir->loops.n, count = 0;
    if (most > MAX_CANDIDATES)
        most = MAX_CANDIDATES;
    for (size_t i = 0; i < homes->spills.n && count < most; i++) {
        uint32_t vreg = homes->spills.p[i].vreg;
        if (homes->ir->vregs.p[vreg].home != WAGI_HOME_SLOT)
            continue;
        candidates[count++] = vreg;
        homes->candidate.p[vreg] = count;
    }
    return count;
}

/* A register that is free through the loop and worth it, or -1. */
static int loop_register(wagi_homes *homes, uint32_t vreg, uint32_t loop, float weight, bool *ret_full)
{
    const wagi_ir *ir = homes->ir;
    const uint8_t *regs;
    uint32_t count = wagi_homes_class(homes->machine, ir->vregs.p[vreg].type, &regs);
    uint32_t start = wagi_loop_start(ir, loop), end = wagi_loop_end(ir, loop);
    float calls = wagi_homes_call_weight(homes, start, end);
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < count; i++) {
            int reg = regs[i];
            bool saved = wagi_reg_is_saved(homes->machine, reg);
            if (saved != ((calls > 0) == (round == 0)) || (!saved && calls > 0 && calls >= weight))
                continue;
            if (saved && !(homes->used_saved >> reg & 1) && weight <= 4)
                continue;
            if (!wagi_homes_enter(homes, reg, start, end, ret_full))
                continue;
            if (saved)
                homes->used_saved |= 1u << reg;
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
        bool full = false;
        int reg = loop_register(homes, vreg, l, weights[l], &full);
        if (full)
            return false;
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
    if (!WAGI_VEC_RESERVE(&homes->candidate, ir->vregs.n) || !WAGI_VEC_RESERVE(&homes->loop_caches, loops))
        return false;
    memset(homes->candidate.p, 0, ir->vregs.n * 4);
    memset(homes->loop_caches.p, 0, (size_t)loops * 4);
    homes->loop_caches.n = loops;
    uint32_t count = choose_candidates(homes, candidates);
    if (count == 0)
        return true;
    size_t cells = (size_t)count * loops;
    if (!WAGI_VEC_RESERVE(&homes->loop_weights, cells))
        return false;
    homes->loop_weights.n = cells;
    memset(homes->loop_weights.p, 0, cells * sizeof(float));
    counter c = {.homes = homes, .weights = homes->loop_weights.p, .loops = loops};
    count_refs(&c);
    for (uint32_t i = 0; i < count; i++)
        if (!cache_vreg(homes, candidates[i], c.weights + (size_t)i * loops))
            return false;
    return true;
}

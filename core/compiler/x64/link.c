/* The linking of a module's code: which stubs it needs, and where its relocations lead. */
#include <stdlib.h>

#include "compiler/x64/emit.h"
#include "compiler/x64/stubs.h"
#include "compiler/x64/x64.h"

static int by_target(const void *x, const void *y)
{
    const wagi_reloc *a = x, *b = y;
    return a->target < b->target ? -1 : a->target > b->target;
}

/* Stubs of one kind are in ascending order of their target. */
static uint32_t find_stub(const wagi_reloc *stubs, size_t count, uintptr_t target)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (stubs[middle].target < target)
            low = middle + 1;
        else
            high = middle;
    }
    return stubs[low].at;
}

/* The distinct targets of the relocations of one kind, ascending, into `*sorted` (capacity count). Most targets repeat,
 * so that little is left to sort when those that were seen a moment ago are left out. */
static size_t distinct_targets(const wagi_reloc *relocs, size_t count, wagi_reloc_kind kind, wagi_reloc_kind or_kind,
                               wagi_reloc *sorted)
{
    size_t n = 0, out = 0;
    uintptr_t seen[256] = {0};
    for (size_t i = 0; i < count; i++) {
        if (relocs[i].kind != kind && relocs[i].kind != or_kind)
            continue;
        uintptr_t target = relocs[i].target, *place = &seen[(target ^ target >> 4 ^ target >> 12) % 256];
        if (*place == target && target != 0)
            continue;
        *place = target;
        sorted[n++] = relocs[i];
    }
    qsort(sorted, n, sizeof *sorted, by_target);
    for (size_t i = 0; i < n; i++)
        if (out == 0 || sorted[out - 1].target != sorted[i].target)
            sorted[out++] = sorted[i];
    return out;
}

static bool make_stubs(wagi_x64_stub_maker *s, const wagi_reloc *relocs, size_t count, wagi_reloc *sorted)
{
    if (!wagi_x64_make_traps(s))
        return false;
    size_t n = distinct_targets(relocs, count, WAGI_RELOC_TRAP, WAGI_RELOC_TRAP, sorted);
    for (size_t i = 0; i < n; i++)
        if (!wagi_x64_make_trap(s, (wag_err)sorted[i].target))
            return false;
    n = distinct_targets(relocs, count, WAGI_RELOC_SLOW, WAGI_RELOC_SLOW, sorted);
    for (size_t i = 0; i < n; i++)
        if (!wagi_x64_make_slow(s, (wagi_slow_kind)sorted[i].target))
            return false;
    n = distinct_targets(relocs, count, WAGI_RELOC_OUT, WAGI_RELOC_TAIL, sorted);
    s->stubs->far_start = (uint32_t)s->b->n;
    for (size_t i = 0; i < n; i++)
        if (!wagi_x64_make_out(s, (const wagi_type *)sorted[i].target))
            return false;
    s->stubs->far_end = (uint32_t)s->b->n;
    n = distinct_targets(relocs, count, WAGI_RELOC_TAIL, WAGI_RELOC_TAIL, sorted);
    for (size_t i = 0; i < n; i++) {
        uint32_t out = find_stub(s->stubs->out.p, s->stubs->out.n, sorted[i].target);
        if (!wagi_x64_make_tail(s, out, (const wagi_type *)sorted[i].target))
            return false;
    }
    return true;
}

static uint32_t target_of(const wagi_x64_stubs *stubs, const wagi_reloc *reloc, const uint32_t *func_at)
{
    switch ((wagi_reloc_kind)reloc->kind) {
    case WAGI_RELOC_FUNC:
        return func_at[reloc->target];
    case WAGI_RELOC_OUT:
        return find_stub(stubs->out.p, stubs->out.n, reloc->target);
    case WAGI_RELOC_TAIL:
        return find_stub(stubs->tail.p, stubs->tail.n, reloc->target);
    case WAGI_RELOC_SLOW:
        return stubs->slow[reloc->target];
    case WAGI_RELOC_THROW:
        return stubs->throw_at;
    case WAGI_RELOC_TRAP:
        break;
    }
    return find_stub(stubs->traps.p, stubs->traps.n, reloc->target);
}

bool wagi_x64_link(wagi_x64_buffer *code, const wagi_code_context *context, const wagi_reloc *relocs,
                   size_t reloc_count, const uint32_t *func_at, const wagi_type *const *entry_types, size_t entry_count,
                   wagi_x64_stubs *stubs)
{
    wagi_x64_stub_maker s = {
        .b = code, .context = context, .stubs = stubs, .has_avx = context->machine->features & X64_HAS_AVX};
    wagi_reloc *sorted = wagi_alloc((reloc_count + 1) * sizeof *sorted);
    if (!sorted)
        return false;
    bool fine = make_stubs(&s, relocs, reloc_count, sorted);
    for (size_t i = 0; fine && i < entry_count; i++)
        fine = wagi_x64_make_entry(&s, entry_types[i], false) &&
               (!wagi_x64_takes_vals(entry_types[i]) || wagi_x64_make_entry(&s, entry_types[i], true));
    wagi_free(sorted);
    if (!fine || code->n > INT32_MAX / 2)
        return false;
    for (size_t i = 0; i < reloc_count; i++) {
        uint32_t rel = target_of(stubs, &relocs[i], func_at) - (relocs[i].at + 4);
        memcpy(code->p + relocs[i].at, &rel, 4);
    }
    return true;
}

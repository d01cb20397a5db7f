/* The builder's inlining of small callees.
 *
 * The callee's body is decoded in the caller's place, as a block. A callee's local that nothing writes is bound to the
 * argument itself (a constant folds on), as are all locals of a body without branches: there a local.set binds anew.
 * Others get a vreg of their own. Callees have no loops, so such a vreg is written anew on each way in and is live
 * across no back edge: liveness needs to know nothing of it.
 *
 * What is inlined is decided by the bytes of the two bodies alone, so it is the same however many threads compile.
 * Growth is bounded: by a size for each callee, a depth, and for each caller by a part of its own size and a constant
 * that the module's functions share.
 */
#include <string.h>

#include "compiler/build.h"
#include "compiler/build_entry.h"

#define MAX_CALLEE 40 /* bytes of code, in a loop */
#define MAX_CALLEE_OUTSIDE                                                                                             \
    16 /* and elsewhere: compiling more costs a twentieth and gains nothing that can be measured */
#define MAX_DEPTH 4
/* Bytes that inlining may add to a function, besides half of its size: so many, or where functions are tiny so many
 * times their mean size, so that a module grows to four and a half times of its size at the very most. */
#define SMALL_GROWTH 64
#define MEANS_OF_GROWTH 3

static bool is_branch(wagi_op op)
{
    switch (op) {
    case WAGI_OP_block:
    case WAGI_OP_if_:
    case WAGI_OP_else_:
    case WAGI_OP_br:
    case WAGI_OP_br_if:
    case WAGI_OP_br_table:
    case WAGI_OP_return_:
    case WAGI_OP_br_on_null:
    case WAGI_OP_br_on_non_null:
    case WAGI_OP_ref_as_non_null:
        return true;
    default:
        return false;
    }
}

/* Ops that stay in a function of their own: loops, tail calls, exceptions, and what is not numeric and plain. */
static bool is_plain(wagi_op op)
{
    if (op == WAGI_OP_NONE || op == WAGI_OP_loop)
        return false;
    switch ((wagi_feature)wagi_ops[op].feature) {
    case WAGI_FEATURE_MVP:
    case WAGI_FEATURE_SIGN_EXTENSION:
    case WAGI_FEATURE_SATURATING_FLOAT:
    case WAGI_FEATURE_BULK_MEMORY:
    case WAGI_FEATURE_REFERENCE_TYPES:
        return true;
    default:
        return false;
    }
}

static void see_local(wagi_callee_facts *facts, wagi_op op, uint32_t x)
{
    uint64_t bit = 1ull << x;
    if (op == WAGI_OP_local_get) {
        facts->read_again |= facts->read & bit;
        facts->read |= bit;
    } else {
        facts->written |= bit;
    }
}

static void scan(wagi_builder *b, const wagi_func_body *callee, uint32_t index, wagi_callee_facts *ret_facts)
{
    wagi_callee_facts facts = {.function = index + 1};
    wagi_reader in = b->in;
    bool plain = true;
    b->in = wagi_reader_make(b->data->bytes.data, callee->code, callee->end);
    while (plain && b->in.pos < b->in.end && !b->in.error) {
        wagi_op op = wagi_build_read_op(b);
        plain = is_plain(op);
        if (!plain)
            break;
        facts.branches = facts.branches || is_branch(op);
        if (op == WAGI_OP_local_get || op == WAGI_OP_local_set || op == WAGI_OP_local_tee)
            see_local(&facts, op, wagi_read_u32(&b->in));
        else
            wagi_build_skip_immediate(b, op);
    }
    facts.plain = plain && !b->in.error;
    b->in = in;
    *ret_facts = facts;
}

/* Most callees are called from many places: what they are is looked up once and kept for a while. */
static const wagi_callee_facts *facts_of(wagi_builder *b, const wagi_func_body *callee, uint32_t index)
{
    wagi_callee_facts *facts = &b->known_callees[index % WAGI_KNOWN_CALLEES];
    if (facts->function != index + 1)
        scan(b, callee, index, facts);
    return facts;
}

static bool is_active(const wagi_builder *b, const wagi_func_body *callee)
{
    for (size_t i = 0; i < b->callees.n; i++)
        if (b->callees.p[i].body == callee)
            return true;
    return callee == b->body;
}

static uint32_t size_of(const wagi_func_body *body)
{
    return (uint32_t)(body->end - body->code);
}

uint32_t wagi_build_growth(const wagi_module_data *data, const wagi_func_body *body)
{
    uint32_t count = data->func_count - data->func_import_count;
    uint64_t mean = (uint64_t)(data->bodies[count - 1].end - data->bodies[0].code) / count;
    mean *= MEANS_OF_GROWTH;
    return size_of(body) / 2 + (mean < SMALL_GROWTH ? (uint32_t)mean : SMALL_GROWTH);
}

static bool may_be_inlined(const wagi_func_body *callee)
{
    return size_of(callee) <= MAX_CALLEE && !callee->uses_v128 && callee->local_count <= 64;
}

/* Bodies lie far apart in memory: of one that is never inlined nothing is looked at again. */
static const wagi_func_body *candidate(wagi_builder *b, uint32_t index)
{
    bool *never = &b->never_inlined.p[index];
    if (*never)
        return NULL;
    const wagi_func_body *callee = &b->data->bodies[index - b->data->func_import_count];
    if (index - b->data->func_import_count >= b->valid_bodies) {
        b->missing = index - b->data->func_import_count;
        b->ir->failed = true;
        return NULL;
    }
    *never = !may_be_inlined(callee);
    uint32_t size = size_of(callee), most = b->loop == WAGI_NIL ? MAX_CALLEE_OUTSIDE : MAX_CALLEE;
    if (*never || size > most || size > b->growth_left || b->callees.n >= MAX_DEPTH || is_active(b, callee))
        return NULL;
    return callee;
}

bool wagi_build_begin_module(wagi_builder *b, const wagi_module_data *data)
{
    b->data = data;
    b->never_inlined.n = 0;
    if (!WAGI_VEC_RESERVE(&b->never_inlined, data->func_count)) {
        b->data = NULL;
        return false;
    }
    if (data->func_count)
        memset(b->never_inlined.p, 0, data->func_count);
    memset(b->known_callees, 0, sizeof b->known_callees);
    return true;
}

/* A vreg of the callee's own, which holds `value`. */
static uint32_t own_vreg(wagi_builder *b, wagi_entry value, unsigned type)
{
    wagi_ir *ir = b->ir;
    uint32_t vreg = wagi_ir_new_vreg(ir, type);
    uint32_t count = (uint32_t)ir->vregs.n, tracked = b->tracked;
    if (ir->failed || !WAGI_VEC_RESERVE(&b->pending, count)) {
        ir->failed = true;
        return 0;
    }
    ir->vregs.p[vreg].is_local = true;
    memset(b->pending.p + tracked, 0, (count - tracked) * sizeof *b->pending.p);
    b->tracked = count;
    value.type = (uint8_t)type;
    wagi_build_move(b, vreg, value, false);
    return vreg;
}

static unsigned local_type(const wagi_func_body *body, uint32_t x)
{
    if (x < body->param_count)
        return wagi_ir_type_of(body->type->params[x]);
    uint32_t run = 0;
    while (body->local_runs[run].end <= x)
        run++;
    return wagi_ir_type_of(body->local_runs[run].type);
}

/* The arguments, on the stack, become what the callee's locals are bound to. */
static void bind_locals(wagi_builder *b, const wagi_func_body *callee, const wagi_callee_facts *facts)
{
    uint32_t first = b->bindings_at, count = callee->local_count;
    if (b->stack.n < callee->param_count || !WAGI_VEC_RESERVE(&b->bindings, count)) {
        b->ir->failed = true;
        return;
    }
    b->bindings.n += count;
    for (uint32_t x = count; x-- > 0 && !b->ir->failed;) {
        wagi_entry value = {.kind = WAGI_ENTRY_CONST, .vreg = WAGI_NIL};
        unsigned type = local_type(callee, x);
        if (type == WAGI_TY_COUNT) {
            b->ir->failed = true;
            return;
        }
        value.type = (uint8_t)type;
        if (x < callee->param_count)
            value = wagi_build_pop(b);
        if (facts->branches && (facts->written >> x & 1))
            value = (wagi_entry){
                .kind = WAGI_ENTRY_LOCAL, .type = (uint8_t)type, .vreg = own_vreg(b, value, type), .def = WAGI_NIL};
        else if (value.kind == WAGI_ENTRY_TEMP && (facts->read_again >> x & 1))
            value.def = WAGI_NIL;
        b->bindings.p[first + x] = value;
    }
}

bool wagi_build_inline(wagi_builder *b, uint32_t index)
{
    const wagi_func_body *callee = candidate(b, index);
    const wagi_callee_facts *facts = callee ? facts_of(b, callee, index) : NULL;
    if (!facts)
        return false;
    if (!facts->plain) {
        b->never_inlined.p[index] = true;
        return false;
    }
    wagi_ir *ir = b->ir;
    b->growth_left -= size_of(callee);
    if (facts->branches)
        wagi_build_sync(b);
    wagi_inlined inlined = {.first = (uint32_t)ir->ins.n,
                            .end = WAGI_NIL,
                            .source = b->source,
                            .parent = b->callees.n ? b->callees.p[b->callees.n - 1].inlined : WAGI_NIL};
    wagi_callee frame = {.body = callee,
                         .in = b->in,
                         .control = (uint32_t)b->control.n,
                         .bindings = b->bindings_at,
                         .branches = facts->branches,
                         .inlined = (uint32_t)ir->inlined.n};
    if (!WAGI_VEC_PUSH(&ir->inlined, inlined) || !WAGI_VEC_PUSH(&b->callees, frame)) {
        ir->failed = true;
        return true;
    }
    b->bindings_at = (uint32_t)b->bindings.n;
    bind_locals(b, callee, facts);
    if (!ir->failed)
        wagi_build_push_callee(b, callee);
    b->in = wagi_reader_make(b->data->bytes.data, callee->code, callee->end);
    b->source = (uint32_t)wagi_reader_offset(&b->in);
    wagi_build_fuel_check(b);
    wagi_build_fuel_run(b);
    return true;
}

void wagi_build_leave_callee(wagi_builder *b)
{
    wagi_callee frame = b->callees.p[--b->callees.n];
    b->ir->inlined.p[frame.inlined].end = (uint32_t)b->ir->ins.n;
    b->in = frame.in;
    b->bindings.n = b->bindings_at;
    b->bindings_at = frame.bindings;
    wagi_build_fuel_run(b);
}

void wagi_build_callee_get(wagi_builder *b, uint32_t x)
{
    wagi_build_push(b, b->bindings.p[b->bindings_at + x]);
}

bool wagi_build_callee_set(wagi_builder *b, uint32_t x, bool keep, uint32_t *ret_vreg)
{
    wagi_entry *binding = &b->bindings.p[b->bindings_at + x];
    if (b->callees.p[b->callees.n - 1].branches) {
        *ret_vreg = binding->vreg;
        return false;
    }
    wagi_entry value = wagi_build_pop(b);
    if (value.kind == WAGI_ENTRY_TEMP)
        value.def = WAGI_NIL; /* it may be read any number of times */
    *binding = value;
    if (keep)
        wagi_build_push(b, value);
    return true;
}

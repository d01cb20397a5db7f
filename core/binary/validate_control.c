/* Validator: control flow, and the side table that the interpreter walks (contract at wagi_side_entry).
 *
 * Entries of forward branches wait in a chain that hangs at their label: while one waits, ip_delta holds the branch's
 * own ip and stp_delta the index of the next in the chain. The label's end knows where all of them go.
 */
#include "binary/validate_internal.h"

/* Inlined into the switch, each would make it save the registers that one of them needs. */
#define OWN_FRAME __attribute__((noinline))

bool wagi_v_push_frame(wagi_validator *v, wagi_v_kind kind, const wagi_type *type, wagi_valtype single)
{
    if (!WAGI_VEC_RESERVE(&v->frames, 1))
        return wagi_v_fail_nomem(v);
    v->frame = &v->frames.p[v->frames.n++];
    *v->frame = (wagi_v_frame){.type = type,
                               .single = single,
                               .height = v->height,
                               .ip = wagi_v_ip(v),
                               .side = (uint32_t)v->side.n,
                               .fixups = WAGI_NO_INDEX,
                               .aux = WAGI_NO_INDEX,
                               .init_mark = (uint32_t)v->init_log.n,
                               .kind = (uint8_t)kind};
    return true;
}

static uint32_t param_count(const wagi_v_frame *frame)
{
    return frame->type ? frame->type->param_count : 0;
}

static uint32_t result_count(const wagi_v_frame *frame)
{
    return frame->type ? frame->type->result_count : frame->single != WAGI_NONE;
}

/* Valid until the next label is pushed. */
static const wagi_valtype *results_of(const wagi_v_frame *frame)
{
    return frame->type ? frame->type->results : &frame->single;
}

static uint32_t label_arity(const wagi_v_frame *frame)
{
    return frame->kind == WAGI_V_LOOP ? param_count(frame) : result_count(frame);
}

static const wagi_valtype *label_types(const wagi_v_frame *frame)
{
    if (frame->kind != WAGI_V_LOOP)
        return results_of(frame);
    return frame->type ? frame->type->params : NULL;
}

static wagi_v_frame *find_label(wagi_validator *v, uint32_t label)
{
    if (label < v->frames.n)
        return &v->frames.p[v->frames.n - 1 - label];
    wagi_v_unknown(v, "label", label);
    return NULL;
}

/* --- the side table --- */

/* An entry for a branch from the instruction at hand to the label, with the stack at `height` and `keep` values to
 * take. */
static bool add_branch(wagi_validator *v, wagi_v_frame *target, uint32_t height, uint32_t keep)
{
    uint32_t index = (uint32_t)v->side.n, ip = wagi_v_ip(v);
    uint32_t below = target->height + keep;
    if (!WAGI_VEC_RESERVE(&v->side, 1))
        return wagi_v_fail_nomem(v);
    wagi_side_entry *entry = &v->side.p[v->side.n++];
    entry->keep = keep;
    entry->drop = height > below ? height - below : 0; /* unreachable: may be less */
    if (target->kind == WAGI_V_LOOP) {
        entry->ip_delta = (int32_t)target->ip - (int32_t)ip;
        entry->stp_delta = (int32_t)target->side - (int32_t)index;
    } else {
        entry->ip_delta = (int32_t)ip;
        entry->stp_delta = (int32_t)target->fixups;
        target->fixups = index;
    }
    return true;
}

static void land(wagi_validator *v, uint32_t index, uint32_t ip, uint32_t side)
{
    wagi_side_entry *entry = &v->side.p[index];
    entry->ip_delta = (int32_t)ip - entry->ip_delta;
    entry->stp_delta = (int32_t)side - (int32_t)index;
}

static void land_chain(wagi_validator *v, uint32_t index, uint32_t ip)
{
    while (index != WAGI_NO_INDEX) {
        uint32_t next = (uint32_t)v->side.p[index].stp_delta;
        land(v, index, ip, (uint32_t)v->side.n);
        index = next;
    }
}

/* --- blocks --- */

/* Begin a block: its parameters move from the outer frame into the new one. */
static bool open_block(wagi_validator *v, wagi_v_kind kind)
{
    const wagi_type *type = v->imm.block;
    if (!type && v->imm.type > WAGI_F64 && v->imm.type != WAGI_NONE)
        wagi_v_note_type(v, v->imm.type);
    else if (type && (type->param_count || type->result_count > 1))
        wagi_v_note(v, WAGI_FEATURE_MULTI_VALUE);
    if (type && !wagi_v_pop_types(v, type->params, type->param_count))
        return false;
    if (!wagi_v_push_frame(v, kind, type, v->imm.type))
        return false;
    return !type || wagi_v_push_types(v, type->params, type->param_count);
}

static OWN_FRAME bool validate_if(wagi_validator *v)
{
    if (!wagi_v_pop(v, WAGI_I32))
        return false;
    uint32_t index = (uint32_t)v->side.n;
    wagi_side_entry entry = {.ip_delta = (int32_t)wagi_v_ip(v), .keep = v->imm.block ? v->imm.block->param_count : 0};
    if (!WAGI_VEC_PUSH(&v->side, entry))
        return wagi_v_fail_nomem(v);
    if (!open_block(v, WAGI_V_IF))
        return false;
    v->frame->aux = index;
    return true;
}

static bool close_some_results(wagi_validator *v)
{
    wagi_v_frame *frame = v->frame;
    if (!wagi_v_pop_types(v, results_of(frame), result_count(frame)))
        return false;
    if (v->height == frame->height)
        return true;
    uint32_t surplus = v->height - frame->height;
    return wagi_v_fail(v, WAG_INVALID, "type mismatch: %u value%s too many at %s", (unsigned)surplus,
                       surplus == 1 ? "" : "s", wagi_ops[v->op].text);
}

/* The results of a block that ends are on the stack, and nothing else. They are popped. */
static inline bool close_results(wagi_validator *v)
{
    return (v->height == v->frame->height && result_count(v->frame) == 0) || close_some_results(v);
}

static void forget_initialised(wagi_validator *v, uint32_t mark)
{
    while (v->init_log.n > mark)
        v->initialised.p[v->init_log.p[--v->init_log.n]] = 0;
}

static OWN_FRAME bool validate_else(wagi_validator *v)
{
    wagi_v_frame *frame = v->frame;
    if (frame->kind != WAGI_V_IF)
        return wagi_v_fail(v, WAG_MALFORMED, "END opcode expected: else without if");
    if (!close_results(v))
        return false;
    uint32_t keep = result_count(frame);
    if (!add_branch(v, frame, frame->height + keep, keep))
        return false;
    land(v, frame->aux, wagi_v_ip(v) + 1, (uint32_t)v->side.n);
    forget_initialised(v, frame->init_mark);
    frame->kind = WAGI_V_ELSE;
    frame->unreachable = false;
    return !frame->type || wagi_v_push_types(v, frame->type->params, frame->type->param_count);
}

static OWN_FRAME bool validate_end(wagi_validator *v)
{
    wagi_v_frame *frame = v->frame;
    if (!close_results(v))
        return false;
    uint32_t here = wagi_v_ip(v), after = here + 1;
    if (frame->kind == WAGI_V_IF) {
        /* Without else the parameters are the results. */
        frame->unreachable = false;
        if ((frame->type && !wagi_v_push_types(v, frame->type->params, frame->type->param_count)) || !close_results(v))
            return false;
        land(v, frame->aux, after, (uint32_t)v->side.n);
    } else if (frame->kind == WAGI_V_TRY) {
        v->tries.p[frame->aux].end = here;
    }
    land_chain(v, frame->fixups, frame->kind == WAGI_V_FUNC ? here : after);
    forget_initialised(v, frame->init_mark);
    const wagi_type *type = frame->type;
    wagi_valtype single = frame->single;
    v->frames.n--;
    v->frame = v->frames.n ? &v->frames.p[v->frames.n - 1] : NULL;
    if (!type)
        return single == WAGI_NONE || wagi_v_push(v, single);
    return wagi_v_push_types(v, type->results, type->result_count);
}

/* --- branches --- */

/* Pop the label's types and push them again: afterwards the stack has the label's types, not more precise ones. */
static inline bool take_label(wagi_validator *v, const wagi_v_frame *target)
{
    uint32_t arity = label_arity(target);
    if (arity == 0)
        return true;
    return wagi_v_pop_types(v, label_types(target), arity) && wagi_v_push_types(v, label_types(target), arity);
}

static OWN_FRAME bool validate_br(wagi_validator *v)
{
    wagi_v_frame *target = find_label(v, v->imm.a);
    if (!target || !wagi_v_check_top(v, label_types(target), label_arity(target)) ||
        !add_branch(v, target, v->height, label_arity(target)))
        return false;
    wagi_v_set_unreachable(v);
    return true;
}

static OWN_FRAME bool validate_br_if(wagi_validator *v)
{
    if (!wagi_v_pop(v, WAGI_I32))
        return false;
    wagi_v_frame *target = find_label(v, v->imm.a);
    return target && take_label(v, target) && add_branch(v, target, v->height, label_arity(target));
}

static bool validate_br_table(wagi_validator *v)
{
    uint32_t count = wagi_read_u32(&v->r);
    if (v->r.error)
        return wagi_v_fail_reader(v);
    if (count >= (size_t)(v->r.end - v->r.pos)) /* a byte at least for each label and the default */
        return wagi_v_fail(v, WAG_MALFORMED, "unexpected end: br_table of %u labels", (unsigned)count);
    if (!wagi_v_pop(v, WAGI_I32))
        return false;
    if (!WAGI_VEC_RESERVE(&v->side, (size_t)count + 1))
        return wagi_v_fail_nomem(v);
    uint32_t arity = 0, serial = ++v->br_table_serial;
    for (uint32_t i = 0; i <= count; i++) {
        uint32_t label = wagi_read_u32(&v->r);
        if (v->r.error)
            return wagi_v_fail_reader(v);
        wagi_v_frame *target = find_label(v, label);
        if (!target)
            return false;
        if (i == 0)
            arity = label_arity(target);
        else if (label_arity(target) != arity)
            return wagi_v_fail(v, WAG_INVALID, "type mismatch: br_table label %u takes %u values, the first %u",
                               (unsigned)label, (unsigned)label_arity(target), (unsigned)arity);
        if (target->br_table != serial && !wagi_v_check_top(v, label_types(target), arity))
            return false;
        target->br_table = serial;
        if (!add_branch(v, target, v->height, arity))
            return false;
    }
    wagi_v_set_unreachable(v);
    return true;
}

static OWN_FRAME bool validate_return(wagi_validator *v)
{
    const wagi_type *type = v->func_type;
    if (!wagi_v_pop_types(v, type->results, type->result_count))
        return false;
    wagi_v_set_unreachable(v);
    return true;
}

static wagi_valtype non_null(wagi_valtype type)
{
    return type == WAGI_BOT ? WAGI_REF_ABSTRACT(false, WAGI_HEAP_BOT) : type & ~WAGI_NULLABLE;
}

static bool validate_br_on_null(wagi_validator *v)
{
    wagi_v_frame *target = find_label(v, v->imm.a);
    wagi_valtype found;
    return target && wagi_v_pop_ref(v, &found) && take_label(v, target) &&
           add_branch(v, target, v->height, label_arity(target)) && wagi_v_push(v, non_null(found));
}

/* The label must take a reference last. */
static bool label_reference(wagi_validator *v, const wagi_v_frame *target, wagi_valtype *ret_type)
{
    uint32_t arity = label_arity(target);
    wagi_valtype last = arity ? label_types(target)[arity - 1] : WAGI_NONE;
    if (!wagi_is_ref(last))
        return wagi_v_fail(v, WAG_INVALID, "type mismatch: the label of %s takes no reference last",
                           wagi_ops[v->op].text);
    *ret_type = last;
    return true;
}

static bool validate_br_on_non_null(wagi_validator *v)
{
    wagi_v_frame *target = find_label(v, v->imm.a);
    wagi_valtype last;
    if (!target || !label_reference(v, target, &last) || !wagi_v_pop(v, last | WAGI_NULLABLE))
        return false;
    /* Taken, the reference goes along: it counts in the height and in keep. */
    uint32_t rest = label_arity(target) - 1;
    return wagi_v_pop_types(v, label_types(target), rest) && wagi_v_push_types(v, label_types(target), rest) &&
           add_branch(v, target, v->height + 1, rest + 1);
}

static bool validate_br_on_cast(wagi_validator *v)
{
    wagi_valtype from = v->imm.type, to = v->imm.type2;
    wagi_v_note_type(v, from);
    wagi_v_note_type(v, to);
    wagi_v_frame *target = find_label(v, v->imm.a);
    wagi_valtype last;
    if (!target || !label_reference(v, target, &last))
        return false;
    if (!wagi_v_matches(v, to, from))
        return wagi_v_fail_type(v, from, to);
    /* What is left when the cast to `to` fails: null only when `to` does not take it. */
    wagi_valtype rest = wagi_is_nullable(to) ? from & ~WAGI_NULLABLE : from;
    bool on_fail = v->op == WAGI_OP_br_on_cast_fail;
    wagi_valtype taken = on_fail ? rest : to, stays = on_fail ? to : rest;
    if (!wagi_v_matches(v, taken, last))
        return wagi_v_fail_type(v, last, taken);
    uint32_t below = label_arity(target) - 1;
    return wagi_v_pop(v, from) && wagi_v_pop_types(v, label_types(target), below) &&
           wagi_v_push_types(v, label_types(target), below) && add_branch(v, target, v->height + 1, below + 1) &&
           wagi_v_push(v, stays);
}

/* --- calls --- */

static bool call_type(wagi_validator *v, const wagi_type *type, bool is_tail)
{
    if (!wagi_v_pop_types(v, type->params, type->param_count))
        return false;
    if (!is_tail)
        return wagi_v_push_types(v, type->results, type->result_count);
    const wagi_type *own = v->func_type;
    bool matches = own->result_count == type->result_count;
    for (uint32_t i = 0; matches && i < own->result_count; i++)
        matches = wagi_v_matches(v, type->results[i], own->results[i]);
    if (!matches) {
        char wanted[256], found[256];
        wagi_type_scope scope = wagi_v_scope(v);
        wagi_func_type_text(&scope, own, wanted, sizeof wanted);
        wagi_func_type_text(&scope, type, found, sizeof found);
        return wagi_v_fail(v, WAG_INVALID, "type mismatch: %s wants the results of %s, found %s", wagi_ops[v->op].text,
                           wanted, found);
    }
    wagi_v_set_unreachable(v);
    return true;
}

/* The function type of a type index. */
static const wagi_type *func_type_at(wagi_validator *v, uint32_t index)
{
    const wagi_module_data *data = v->context.data;
    if (index >= data->type_count)
        return (void)wagi_v_unknown(v, "type", index), NULL;
    if (data->types[index]->comp != WAGI_COMP_FUNC)
        return (void)wagi_v_fail(v, WAG_INVALID, "unknown type: %s wants a function type, type %u is none",
                                 wagi_ops[v->op].text, (unsigned)index),
               NULL;
    return data->types[index];
}

static OWN_FRAME bool validate_call(wagi_validator *v, bool is_tail)
{
    const wagi_module_data *data = v->context.data;
    if (v->imm.a >= data->func_count)
        return wagi_v_unknown(v, "function", v->imm.a);
    if (v->imm.a > v->last_callee)
        v->last_callee = v->imm.a;
    return call_type(v, data->func_types[v->imm.a], is_tail);
}

static bool validate_call_indirect(wagi_validator *v, bool is_tail)
{
    const wagi_module_data *data = v->context.data;
    const wagi_type *type = func_type_at(v, v->imm.a);
    if (!type)
        return false;
    if (v->imm.b >= data->table_count)
        return wagi_v_unknown(v, "table", v->imm.b);
    if (v->imm.b)
        wagi_v_note(v, WAGI_FEATURE_REFERENCE_TYPES);
    const wagi_table_type *table = &data->tables[v->imm.b].type;
    if (!wagi_v_matches(v, table->element, WAGI_FUNCREF))
        return wagi_v_fail_wish(v, "a table of functions", table->element);
    return wagi_v_pop(v, table->limits.is_64 ? WAGI_I64 : WAGI_I32) && call_type(v, type, is_tail);
}

static bool validate_call_ref(wagi_validator *v, bool is_tail)
{
    const wagi_type *type = func_type_at(v, v->imm.a);
    return type && wagi_v_pop(v, WAGI_REF_CONCRETE(true, type->id)) && call_type(v, type, is_tail);
}

/* --- exceptions --- */

static const wagi_type *tag_at(wagi_validator *v, uint32_t index)
{
    const wagi_module_data *data = v->context.data;
    if (index < data->tag_count)
        return data->tags[index];
    wagi_v_unknown(v, "tag", index);
    return NULL;
}

/* One clause of a try_table whose frame has not been pushed yet; height: of the stack below its parameters. */
static bool validate_catch(wagi_validator *v, uint32_t height)
{
    uint8_t kind = wagi_read_u8(&v->r);
    if (!v->r.error && kind > 3)
        wagi_reader_fail_at(&v->r, v->r.pos - 1, "malformed catch clause");
    bool has_tag = kind < 2, has_ref = kind & 1;
    uint32_t tag = has_tag ? wagi_read_u32(&v->r) : 0;
    uint32_t label = wagi_read_u32(&v->r);
    if (v->r.error)
        return wagi_v_fail_reader(v);
    const wagi_type *type = NULL;
    if (has_tag && !(type = tag_at(v, tag)))
        return false;
    wagi_v_frame *target = find_label(v, label);
    if (!target)
        return false;
    uint32_t payload = type ? type->param_count : 0, count = payload + has_ref;
    const wagi_valtype *wanted = label_types(target);
    if (label_arity(target) != count)
        return wagi_v_fail(v, WAG_INVALID, "type mismatch: the catch clause delivers %u values, label %u takes %u",
                           (unsigned)count, (unsigned)label, (unsigned)label_arity(target));
    for (uint32_t i = 0; i < count; i++) {
        wagi_valtype given = i < payload ? type->params[i] : WAGI_REF_ABSTRACT(false, WAGI_HEAP_EXN);
        if (!wagi_v_matches(v, given, wanted[i]))
            return wagi_v_fail_type(v, wanted[i], given);
        if (given == WAGI_V128)
            v->uses_v128 = true;
    }
    /* The values that the clause delivers are pushed before the branch takes them along. */
    if (height + count > v->max_height)
        v->max_height = height + count;
    return add_branch(v, target, height + count, count);
}

static bool validate_try_table(wagi_validator *v)
{
    const wagi_type *type = v->imm.block;
    uint32_t count = wagi_read_u32(&v->r);
    if (v->r.error)
        return wagi_v_fail_reader(v);
    if (type && !wagi_v_pop_types(v, type->params, type->param_count))
        return false;
    wagi_try_region region = {.ip = wagi_v_ip(v),
                              .catches = (uint32_t)(v->r.pos - v->code),
                              .count = count,
                              .side = (uint32_t)v->side.n,
                              .height = v->height};
    for (uint32_t i = 0; i < count; i++)
        if (!validate_catch(v, v->height))
            return false;
    region.begin = region.end = (uint32_t)(v->r.pos - v->code);
    if (!WAGI_VEC_PUSH(&v->tries, region))
        return wagi_v_fail_nomem(v);
    if (type && !wagi_v_push_types(v, type->params, type->param_count))
        return false;
    if (!open_block(v, WAGI_V_TRY))
        return false;
    v->frame->aux = (uint32_t)v->tries.n - 1;
    return true;
}

static bool validate_throw(wagi_validator *v)
{
    const wagi_type *tag = tag_at(v, v->imm.a);
    if (!tag || !wagi_v_pop_types(v, tag->params, tag->param_count))
        return false;
    wagi_v_set_unreachable(v);
    return true;
}

/* What is rare. */
static OWN_FRAME bool validate_rest(wagi_validator *v)
{
    switch (v->op) {
    case WAGI_OP_unreachable:
        wagi_v_set_unreachable(v);
        return true;
    case WAGI_OP_br_table:
        return validate_br_table(v);
    case WAGI_OP_br_on_null:
        return validate_br_on_null(v);
    case WAGI_OP_br_on_non_null:
        return validate_br_on_non_null(v);
    case WAGI_OP_br_on_cast:
    case WAGI_OP_br_on_cast_fail:
        return validate_br_on_cast(v);
    case WAGI_OP_return_call:
        return validate_call(v, true);
    case WAGI_OP_call_indirect:
        return validate_call_indirect(v, false);
    case WAGI_OP_return_call_indirect:
        return validate_call_indirect(v, true);
    case WAGI_OP_call_ref:
        return validate_call_ref(v, false);
    case WAGI_OP_return_call_ref:
        return validate_call_ref(v, true);
    case WAGI_OP_try_table:
        return validate_try_table(v);
    case WAGI_OP_throw:
        return validate_throw(v);
    case WAGI_OP_throw_ref:
        if (!wagi_v_pop(v, WAGI_EXNREF))
            return false;
        wagi_v_set_unreachable(v);
        return true;
    default:
        return wagi_v_operation(v);
    }
}

bool wagi_v_control(wagi_validator *v)
{
    switch (v->op) {
    case WAGI_OP_block:
        return open_block(v, WAGI_V_BLOCK);
    case WAGI_OP_loop:
        return open_block(v, WAGI_V_LOOP);
    case WAGI_OP_if_:
        return validate_if(v);
    case WAGI_OP_else_:
        return validate_else(v);
    case WAGI_OP_end:
        return validate_end(v);
    case WAGI_OP_br:
        return validate_br(v);
    case WAGI_OP_br_if:
        return validate_br_if(v);
    case WAGI_OP_return_:
        return validate_return(v);
    case WAGI_OP_call:
        return validate_call(v, false);
    default:
        return validate_rest(v);
    }
}

/* The builder's exceptions: try_table, throw, throw_ref.
 *
 * Entering a try makes no code. Each call inside ends its block, because control may go on at the try's handler (ir.h).
 * At the try's end follow, where the normal path jumps over them: the handler's block, then the landing of each clause,
 * which takes the values out of the exception and branches as the clause says. */
#include "compiler/build.h"
#include "compiler/build_entry.h"
#include "runtime/heap.h"

/* The region that the validator made for the try_table whose opcode is at `ip`. */
static uint32_t region_at(const wagi_func_body *body, uint32_t ip)
{
    uint32_t low = 0, high = body->try_count;
    while (low + 1 < high) {
        uint32_t middle = (low + high) / 2;
        if (body->tries[middle].ip <= ip)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void begin_try(wagi_builder *b)
{
    wagi_ir *ir = b->ir;
    uint32_t ip = (uint32_t)(b->source - (uint32_t)(b->body->code - b->data->bytes.data));
    wagi_block_type type = wagi_build_read_block_type(b);
    for (uint32_t n = wagi_read_u32(&b->in); n && !b->in.error; n--) {
        if (wagi_read_u8(&b->in) < WAGI_CATCH_ALL)
            wagi_read_u32(&b->in);
        wagi_read_u32(&b->in);
    }
    wagi_build_sync(b);
    uint32_t region = region_at(b->body, ip);
    if (b->body->tries[region].count == 0) {
        wagi_build_push_control(b, WAGI_CTL_BLOCK, type);
        return;
    }
    wagi_control *c = wagi_build_push_control(b, WAGI_CTL_TRY, type);
    wagi_handler handler = {
        .region = region, .parent = b->handler, .label = wagi_ir_new_label(ir), .landings = WAGI_NIL};
    if (!c || ir->failed || !WAGI_VEC_PUSH(&ir->handlers, handler)) {
        ir->failed = true;
        return;
    }
    b->handler = c->handler = (uint32_t)ir->handlers.n;
}

/* The values of an exception's arguments. */
static void push_arguments(wagi_builder *b, const wagi_type *type, uint32_t exception)
{
    static const uint8_t accesses[WAGI_TY_COUNT] = {[WAGI_TY_I32] = WAGI_ACCESS_32,
                                                    [WAGI_TY_I64] = WAGI_ACCESS_64,
                                                    [WAGI_TY_F32] = WAGI_ACCESS_F32,
                                                    [WAGI_TY_F64] = WAGI_ACCESS_F64,
                                                    [WAGI_TY_V128] = WAGI_ACCESS_V128};
    int64_t offset = offsetof(wagi_gc_exception, args);
    for (uint32_t i = 0; i < type->param_count; i++) {
        uint32_t ty = wagi_ir_type_of(type->params[i]);
        if (ty == WAGI_TY_COUNT) {
            b->ir->failed = true;
            return;
        }
        wagi_ins get = ins_1(WAGI_IR_GET, ty, wagi_ir_new_vreg(b->ir, ty), exception);
        get.sub = accesses[ty];
        get.imm = offset;
        offset += (int64_t)sizeof(wagi_slot) * (ty == WAGI_TY_V128 ? 2 : 1);
        wagi_build_emit(b, get);
        wagi_build_push_vreg(b, ty, get.dst);
    }
}

/* The reader is at the clause. */
static void landing(wagi_builder *b, uint32_t label, uint32_t height)
{
    wagi_ir *ir = b->ir;
    wagi_catch_kind kind = (wagi_catch_kind)wagi_read_u8(&b->in);
    const wagi_type *type = kind < WAGI_CATCH_ALL ? b->data->tags[wagi_read_u32(&b->in)] : NULL;
    uint32_t depth = wagi_read_u32(&b->in);
    wagi_build_place(b, label);
    if (ir->failed)
        return;
    ir->blocks.p[ir->blocks.n - 1].landing = true;
    uint32_t exception = wagi_ir_new_vreg(ir, WAGI_TY_I64);
    wagi_build_emit(b, ins_1(WAGI_IR_CATCH, WAGI_TY_I64, exception, WAGI_NIL));
    if (type)
        push_arguments(b, type, exception);
    if (kind == WAGI_CATCH_REF || kind == WAGI_CATCH_ALL_REF)
        wagi_build_push_vreg(b, WAGI_TY_I64, exception);
    wagi_build_jump(b, depth, false);
    wagi_build_drop_to(b, height);
}

static bool catches_all(wagi_builder *b, const wagi_try_region *region)
{
    wagi_reader in = wagi_reader_make(b->data->bytes.data, b->body->code + region->catches, b->body->end);
    for (uint32_t n = region->count; n; n--) {
        if (wagi_read_u8(&in) >= WAGI_CATCH_ALL)
            return true;
        wagi_read_u32(&in);
        wagi_read_u32(&in);
    }
    return false;
}

/* The block that stands for the search, at the end of what has been built. */
static void handler_block(wagi_builder *b, uint32_t index, const wagi_try_region *region)
{
    wagi_ir *ir = b->ir;
    wagi_handler *handler = &ir->handlers.p[index];
    bool outer = handler->parent && !catches_all(b, region);
    uint32_t count = region->count + outer, pool = wagi_ir_new_pool(ir, count);
    wagi_build_place(b, handler->label);
    for (uint32_t i = 0; i < region->count && !ir->failed; i++) {
        uint32_t label = wagi_ir_new_label(ir);
        if (ir->failed)
            return;
        ir->pool.p[pool + i] = label;
        wagi_build_refer(b, label);
    }
    if (ir->failed)
        return;
    handler->landings = pool;
    if (outer) {
        ir->pool.p[pool + region->count] = ir->handlers.p[handler->parent - 1].label;
        wagi_build_refer(b, ir->pool.p[pool + region->count]);
    }
    wagi_ins ins = ins_1(WAGI_IR_HANDLER, WAGI_TY_I32, WAGI_NIL, WAGI_NIL);
    ins.imm = pool;
    ins.b = count - 1;
    wagi_build_emit(b, ins);
    wagi_build_start_block(b, false);
}

static void landings(wagi_builder *b, uint32_t index, uint32_t height)
{
    wagi_ir *ir = b->ir;
    const wagi_try_region *region = &b->body->tries[ir->handlers.p[index].region];
    handler_block(b, index, region);
    const uint8_t *after = b->in.pos;
    b->in.pos = b->body->code + region->catches;
    for (uint32_t i = 0; i < region->count && !ir->failed; i++)
        landing(b, ir->pool.p[ir->handlers.p[index].landings + i], height);
    b->in.pos = after;
}

void wagi_build_end_try(wagi_builder *b)
{
    wagi_ir *ir = b->ir;
    wagi_control c = b->control.p[b->control.n - 1];
    const wagi_handler *handler = &ir->handlers.p[c.handler - 1];
    b->handler = handler->parent;
    bool live = c.live, throws = ir->labels.p[handler->label].refs != 0;
    if (live && (throws || ir->labels.p[c.label].refs) && c.result_count)
        wagi_build_move_to_merge(b, &c, true);
    if (live && throws)
        wagi_build_jump_label(b, c.label);
    if (ir->failed)
        return;
    bool joins = ir->labels.p[c.label].refs != 0;
    if (!live || joins)
        wagi_build_drop_to(b, c.height);
    b->saved.n = c.saved;
    b->control.n--;
    if (throws)
        landings(b, c.handler - 1, c.height);
    if (ir->failed)
        return;
    if (joins) {
        wagi_build_place(b, c.label);
        wagi_build_push_merges(b, &c);
    } else if (!live) {
        wagi_build_unreachable(b);
    }
}

/* The topmost values with what says how; nothing follows. */
static void throw_values(wagi_builder *b, uint64_t tag, uint32_t count)
{
    wagi_ir *ir = b->ir;
    uint32_t pool = wagi_ir_new_pool(ir, count + 1);
    if (ir->failed || count > b->stack.n) {
        ir->failed = true;
        return;
    }
    uint32_t base = (uint32_t)b->stack.n - count;
    ir->pool.p[pool] = wagi_ir_new_const(ir, WAGI_TY_I64, tag);
    for (uint32_t i = 0; i < count; i++)
        ir->pool.p[pool + 1 + i] = wagi_build_pool_entry(b, b->stack.p[base + i]);
    wagi_ir_call call = {.kind = WAGI_CALL_THROW, .args = pool, .arg_count = count + 1, .results = pool};
    uint32_t index = wagi_ir_add_call(ir, call);
    if (ir->failed)
        return;
    wagi_build_emit_call(b, WAGI_IR_CALL, index);
    wagi_ins trap = ins_1(WAGI_IR_TRAP, WAGI_TY_I32, WAGI_NIL, WAGI_NIL);
    trap.imm = WAG_UNREACHABLE;
    wagi_build_emit(b, trap);
    wagi_build_start_block(b, false);
    wagi_build_unreachable(b);
}

bool wagi_build_exception(wagi_builder *b, wagi_op op)
{
    switch (op) {
    case WAGI_OP_try_table:
        begin_try(b);
        return true;
    case WAGI_OP_throw: {
        uint32_t tag = wagi_read_u32(&b->in);
        throw_values(b, tag, b->data->tags[tag]->param_count);
        return true;
    }
    case WAGI_OP_throw_ref:
        throw_values(b, WAGI_THROW_REF, 1);
        return true;
    default:
        return false;
    }
}

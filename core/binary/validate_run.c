/* Validator: the loop over instructions.
 *
 * Every instruction can be handled by step(): read the immediates that its row names, then apply its row's signature or
 * go to its case. fast() does the instructions that code is mostly made of without leaving its registers; wherever
 * anything is out of the ordinary (long LEB, mismatch, empty stack, reference without default) it leaves the
 * instruction to step(), which alone reports errors.
 */
#include <string.h>

#include "binary/validate_internal.h"

#define LIKELY(x) __builtin_expect(!!(x), 1)

/* --- immediates --- */

static void read_memarg(wagi_validator *v)
{
    wagi_v_imm *imm = &v->imm;
    const uint8_t *where = v->r.pos;
    uint32_t flags = wagi_read_u32(&v->r);
    if (flags >= 0x80)
        wagi_reader_fail_at(&v->r, where, "malformed memop flags");
    imm->align_log2 = flags & 0x3F;
    imm->memory = flags & 0x40 ? wagi_read_u32(&v->r) : 0;
    imm->offset = wagi_read_u64(&v->r);
}

static void read_block_type(wagi_validator *v)
{
    wagi_v_imm *imm = &v->imm;
    const wagi_module_data *data = v->context.data;
    imm->block = NULL;
    imm->type = WAGI_NONE;
    const uint8_t *where = v->r.pos;
    if (where < v->r.end && *where == 0x40) {
        v->r.pos++;
        return;
    }
    if (where < v->r.end && (*where & 0xC0) == 0x40) {
        imm->type = wagi_read_valtype(&v->r, data);
        return;
    }
    int64_t index = wagi_read_s33(&v->r);
    if (v->r.error)
        return;
    if (index < 0)
        wagi_reader_fail_at(&v->r, where, "malformed block type");
    else if ((uint64_t)index >= data->type_count || data->types[index]->comp != WAGI_COMP_FUNC)
        wagi_reader_invalid_at(&v->r, where, "unknown type of a block");
    else
        imm->block = data->types[index];
}

static void read_br_on_cast(wagi_validator *v)
{
    wagi_v_imm *imm = &v->imm;
    const uint8_t *where = v->r.pos;
    uint8_t flags = wagi_read_u8(&v->r);
    if (flags > 3)
        wagi_reader_fail_at(&v->r, where, "malformed cast flags");
    imm->a = wagi_read_u32(&v->r);
    imm->type = wagi_read_heap_type(&v->r, v->context.data) | (flags & 1 ? WAGI_NULLABLE : 0);
    imm->type2 = wagi_read_heap_type(&v->r, v->context.data) | (flags & 2 ? WAGI_NULLABLE : 0);
}

/* select's vector: `a` is its length, which must be 1; the types of a longer one are read and forgotten. */
static void read_select(wagi_validator *v)
{
    v->imm.a = wagi_read_u32(&v->r);
    for (uint32_t i = 0; i < v->imm.a && !v->r.error; i++)
        v->imm.type = wagi_read_valtype(&v->r, v->context.data);
}

static void read_bits(wagi_validator *v, size_t size)
{
    const uint8_t *bytes = wagi_read_bytes(&v->r, size);
    uint64_t bits[2] = {0, 0};
    for (size_t i = 0; bytes && i < size; i++)
        bits[i / 8] |= (uint64_t)bytes[i] << (i % 8 * 8);
    memcpy(v->imm.bits, bits, sizeof bits);
}

static bool read_immediates(wagi_validator *v, wagi_imm kind)
{
    wagi_v_imm *imm = &v->imm;
    wagi_reader *r = &v->r;
    switch (kind) {
    case WAGI_IMM_NONE:
    case WAGI_IMM_BR_TABLE: /* reads its own, in step with judging it */
        return true;
    case WAGI_IMM_BLOCK:
    case WAGI_IMM_TRY_TABLE: /* the clauses are read later */
        read_block_type(v);
        break;
    case WAGI_IMM_LABEL:
    case WAGI_IMM_FUNC:
    case WAGI_IMM_TYPE:
    case WAGI_IMM_LOCAL:
    case WAGI_IMM_GLOBAL:
    case WAGI_IMM_TABLE:
    case WAGI_IMM_ELEM:
    case WAGI_IMM_DATA:
    case WAGI_IMM_TAG:
        imm->a = wagi_read_u32(r);
        break;
    case WAGI_IMM_MEMORY:
        imm->memory = wagi_read_u32(r);
        break;
    case WAGI_IMM_CALL_INDIRECT:
    case WAGI_IMM_TABLE2:
    case WAGI_IMM_ELEM_TABLE:
    case WAGI_IMM_MEMORY2:
    case WAGI_IMM_TYPE_FIELD:
    case WAGI_IMM_TYPE_N:
    case WAGI_IMM_TYPE_DATA:
    case WAGI_IMM_TYPE_ELEM:
    case WAGI_IMM_TYPE2:
        imm->a = wagi_read_u32(r);
        imm->b = wagi_read_u32(r);
        break;
    case WAGI_IMM_DATA_MEMORY:
        imm->a = wagi_read_u32(r);
        imm->memory = wagi_read_u32(r);
        break;
    case WAGI_IMM_MEMARG:
        read_memarg(v);
        break;
    case WAGI_IMM_MEMARG_LANE:
        read_memarg(v);
        imm->lane = wagi_read_u8(r);
        break;
    case WAGI_IMM_LANE:
        imm->lane = wagi_read_u8(r);
        break;
    case WAGI_IMM_I32:
        imm->bits[0] = (uint32_t)wagi_read_s32(r);
        break;
    case WAGI_IMM_I64:
        imm->bits[0] = (uint64_t)wagi_read_s64(r);
        break;
    case WAGI_IMM_F32:
        read_bits(v, 4);
        break;
    case WAGI_IMM_F64:
        read_bits(v, 8);
        break;
    case WAGI_IMM_V128: { /* as it is in memory, on every machine (ops/v128.h) */
        const uint8_t *bytes = wagi_read_bytes(r, 16);
        if (bytes)
            memcpy(imm->bits, bytes, 16);
        break;
    }
    case WAGI_IMM_SHUFFLE:
        imm->bytes = wagi_read_bytes(r, 16);
        break;
    case WAGI_IMM_SELECT:
        read_select(v);
        break;
    case WAGI_IMM_HEAP:
        imm->type = wagi_read_heap_type(r, v->context.data);
        break;
    case WAGI_IMM_BR_ON_CAST:
        read_br_on_cast(v);
        break;
    case WAGI_IMM_FENCE: {
        const uint8_t *where = r->pos;
        if (wagi_read_u8(r) != 0)
            wagi_reader_fail_at(r, where, "zero byte expected");
        break;
    }
    }
    return !r->error || wagi_v_fail_reader(v);
}

/* --- one instruction with a signature --- */

static uint8_t sig_type(char letter)
{
    switch (letter) {
    case 'i':
        return WAGI_KIND_I32;
    case 'I':
        return WAGI_KIND_I64;
    case 'f':
        return WAGI_KIND_F32;
    case 'F':
        return WAGI_KIND_F64;
    case 'v':
        return WAGI_KIND_V128;
    default:
        return WAGI_SIG_ADDRESS;
    }
}

static void note_fast(wagi_v_fast *fast, const wagi_v_sig *sig)
{
    bool is_access = sig->state == WAGI_SIG_IMMEDIATE, has_result = sig->out != WAGI_SIG_NOTHING;
    if (sig->in_count == 1 && has_result)
        fast->way = is_access ? WAGI_WAY_LOAD : WAGI_WAY_UNARY;
    else if (sig->in_count == 2 && has_result && !is_access)
        fast->way = WAGI_WAY_BINARY;
    else if (sig->in_count == 2 && !has_result && is_access)
        fast->way = WAGI_WAY_STORE;
    else
        return;
    /* fast() asks for a 32-bit memory */
    fast->lower = sig->in[0] == WAGI_SIG_ADDRESS ? WAGI_KIND_I32 : sig->in[0];
    fast->upper = sig->in_count == 2 ? sig->in[1] : fast->lower;
    fast->out = sig->out;
    fast->align_log2 = sig->align_log2;
}

/* Instructions without a signature for which fast() has a way of its own. */
static void note_own_way(wagi_validator *v, wagi_op op)
{
    static const struct {
        uint16_t op;
        uint8_t way;
    } ways[] = {
        {WAGI_OP_local_get, WAGI_WAY_LOCAL_GET}, {WAGI_OP_local_set, WAGI_WAY_LOCAL_SET},
        {WAGI_OP_local_tee, WAGI_WAY_LOCAL_TEE}, {WAGI_OP_global_get, WAGI_WAY_GLOBAL_GET},
        {WAGI_OP_drop, WAGI_WAY_DROP},           {WAGI_OP_select, WAGI_WAY_SELECT},
        {WAGI_OP_i32_const, WAGI_WAY_I32_CONST}, {WAGI_OP_i64_const, WAGI_WAY_I64_CONST},
        {WAGI_OP_f32_const, WAGI_WAY_F32_CONST}, {WAGI_OP_f64_const, WAGI_WAY_F64_CONST},
        {WAGI_OP_call, WAGI_WAY_CALL},           {WAGI_OP_block, WAGI_WAY_CONTROL},
        {WAGI_OP_loop, WAGI_WAY_CONTROL},        {WAGI_OP_if_, WAGI_WAY_CONTROL},
        {WAGI_OP_else_, WAGI_WAY_CONTROL},       {WAGI_OP_end, WAGI_WAY_CONTROL},
        {WAGI_OP_br, WAGI_WAY_CONTROL},          {WAGI_OP_br_if, WAGI_WAY_CONTROL},
        {WAGI_OP_return_, WAGI_WAY_CONTROL},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (ways[i].op == op) {
            v->fast[wagi_ops[op].code].way = ways[i].way;
            v->fast[wagi_ops[op].code].imm = wagi_ops[op].imm;
        }
}

static const wagi_v_sig *parse_sig(wagi_validator *v, wagi_op op)
{
    const wagi_op_info *info = &wagi_ops[op];
    wagi_v_sig *sig = &v->sigs[op];
    sig->feature = info->feature;
    sig->align_log2 = info->align_log2;
    sig->out = WAGI_SIG_NOTHING;
    note_own_way(v, op);
    const char *text = info->signature;
    if (!text) {
        sig->state = WAGI_SIG_OWN;
        return sig;
    }
    for (; *text != ':'; text++)
        sig->in[sig->in_count++] = sig_type(*text);
    if (text[1])
        sig->out = sig_type(text[1]);
    sig->state = info->imm == WAGI_IMM_NONE ? WAGI_SIG_PLAIN : WAGI_SIG_IMMEDIATE;
    if (info->prefix == 0 && (info->imm == WAGI_IMM_NONE || info->imm == WAGI_IMM_MEMARG))
        note_fast(&v->fast[info->code], sig);
    return sig;
}

static inline const wagi_v_sig *sig_of(wagi_validator *v, wagi_op op)
{
    const wagi_v_sig *sig = &v->sigs[op];
    return LIKELY(sig->state != WAGI_SIG_UNKNOWN) ? sig : parse_sig(v, op);
}

bool wagi_v_memory_immediate(wagi_validator *v, wagi_valtype *ret_address)
{
    const wagi_module_data *data = v->context.data;
    const wagi_v_imm *imm = &v->imm;
    if (imm->memory >= data->memory_count)
        return wagi_v_unknown(v, "memory", imm->memory);
    *ret_address = data->memories[imm->memory].limits.is_64 ? WAGI_I64 : WAGI_I32;
    return true;
}

static bool check_memarg(wagi_validator *v, wagi_valtype *ret_address)
{
    const wagi_op_info *info = &wagi_ops[v->op];
    const wagi_v_imm *imm = &v->imm;
    if (!wagi_v_memory_immediate(v, ret_address))
        return false;
    bool is_atomic = info->prefix == 0xFE;
    if (imm->align_log2 > info->align_log2)
        return wagi_v_fail(v, WAG_INVALID, "alignment must not be larger than natural: %s has 2**%u, found 2**%u",
                           info->text, info->align_log2, (unsigned)imm->align_log2);
    if (is_atomic && imm->align_log2 < info->align_log2)
        return wagi_v_fail(v, WAG_INVALID, "atomic alignment must be natural: %s has 2**%u, found 2**%u", info->text,
                           info->align_log2, (unsigned)imm->align_log2);
    if (*ret_address == WAGI_I32 && imm->offset > UINT32_MAX)
        return wagi_v_fail(v, WAG_INVALID, "offset out of range: the memory of %s has 32-bit addresses", info->text);
    if (info->imm == WAGI_IMM_MEMARG_LANE && imm->lane >= 16u >> info->align_log2)
        return wagi_v_fail(v, WAG_INVALID, "invalid lane index %u of %s", imm->lane, info->text);
    return true;
}

/* What the immediate of an instruction with a signature must satisfy. ret_address: the type that 'a' stands for. */
static bool check_immediate(wagi_validator *v, wagi_valtype *ret_address)
{
    const wagi_op_info *info = &wagi_ops[v->op];
    const wagi_v_imm *imm = &v->imm;
    switch (info->imm) {
    case WAGI_IMM_MEMARG:
    case WAGI_IMM_MEMARG_LANE:
        return check_memarg(v, ret_address);
    case WAGI_IMM_MEMORY:
        return wagi_v_memory_immediate(v, ret_address);
    case WAGI_IMM_DATA_MEMORY:
        if (!v->context.has_data_count)
            return wagi_v_fail(v, WAG_MALFORMED, "data count section required by %s", info->text);
        if (!wagi_v_memory_immediate(v, ret_address))
            return false;
        return imm->a < v->context.data_count || wagi_v_unknown(v, "data segment", imm->a);
    case WAGI_IMM_LANE: {
        /* "i8x16.extract_lane_s": the lanes of a shape are in its name. */
        unsigned lanes = 0;
        for (const char *digit = strchr(info->text, 'x') + 1; *digit != '.'; digit++)
            lanes = lanes * 10 + (unsigned)(*digit - '0');
        return imm->lane < lanes || wagi_v_fail(v, WAG_INVALID, "invalid lane index %u of %s", imm->lane, info->text);
    }
    case WAGI_IMM_SHUFFLE:
        for (unsigned i = 0; i < 16; i++)
            if (imm->bytes[i] >= 32)
                return wagi_v_fail(v, WAG_INVALID, "invalid lane index %u of %s", imm->bytes[i], info->text);
        return true;
    default:
        return true;
    }
}

static bool apply_sig(wagi_validator *v, const wagi_v_sig *sig)
{
    wagi_valtype address = WAGI_I32;
    if (sig->state == WAGI_SIG_IMMEDIATE && !check_immediate(v, &address))
        return false;
    for (unsigned i = sig->in_count; i--;)
        if (!wagi_v_pop(v, sig->in[i] == WAGI_SIG_ADDRESS ? address : sig->in[i]))
            return false;
    if (sig->feature == WAGI_FEATURE_SIMD || sig->feature == WAGI_FEATURE_RELAXED_SIMD)
        v->uses_v128 = true;
    return sig->out == WAGI_SIG_NOTHING || wagi_v_push(v, sig->out == WAGI_SIG_ADDRESS ? address : sig->out);
}

/* --- the loop --- */

static bool fail_opcode(wagi_validator *v, uint8_t byte, uint32_t code)
{
    v->op = WAGI_OP_NONE;
    if (byte < 0xFB || byte > 0xFE)
        return wagi_v_fail(v, WAG_MALFORMED, "illegal opcode 0x%02x", byte);
    return wagi_v_fail(v, WAG_MALFORMED, "illegal opcode 0x%02x 0x%02x", byte, (unsigned)code);
}

/* Every instruction of a constant expression leaves one value. */
static void note_const(wagi_validator *v)
{
    v->const_count++;
    v->const_op = v->op;
    v->const_type = v->stack[v->height - 1];
    bool is_arithmetic = v->sigs[v->op].in_count > 0;
    bool own_global = v->op == WAGI_OP_global_get && v->imm.a >= v->context.data->global_import_count;
    if (is_arithmetic || own_global)
        wagi_v_note(v, WAGI_FEATURE_EXTENDED_CONST);
}

/* The instruction at r.pos, of WAGI_WAY_CONTROL. */
static bool step_control(wagi_validator *v)
{
    uint8_t byte = *v->r.pos;
    v->op_pos = v->r.pos++;
    v->op = wagi_op_plain(byte);
    if (v->fast[byte].imm == WAGI_IMM_LABEL)
        v->imm.a = wagi_read_u32(&v->r);
    else if (v->fast[byte].imm == WAGI_IMM_BLOCK)
        read_block_type(v);
    return v->r.error ? wagi_v_fail_reader(v) : wagi_v_control(v);
}

/* The instruction at r.pos, whatever it is. */
static bool step(wagi_validator *v)
{
    v->op_pos = v->r.pos;
    if (v->r.pos == v->r.end)
        return wagi_v_fail(v, WAG_MALFORMED, "END opcode expected: unexpected end");
    uint8_t byte = *v->r.pos++, prefix = 0;
    uint32_t code = byte;
    if (byte >= 0xFB && byte <= 0xFE) {
        prefix = byte;
        code = wagi_read_u32(&v->r);
        if (v->r.error)
            return wagi_v_fail_reader(v);
    }
    wagi_op op = prefix ? wagi_op_find(prefix, code) : wagi_op_plain(byte);
    if (op == WAGI_OP_NONE)
        return fail_opcode(v, byte, code);
    v->op = op;
    const wagi_op_info *info = &wagi_ops[op];
    if (!read_immediates(v, (wagi_imm)info->imm))
        return false;
    if (v->is_const && !(info->effects & WAGI_EFFECT_CONST))
        return wagi_v_fail(v, WAG_INVALID, "constant expression required: %s is not allowed", info->text);
    const wagi_v_sig *sig = sig_of(v, op);
    if (sig->feature != WAGI_FEATURE_MVP)
        wagi_v_note(v, (wagi_feature)sig->feature);
    bool ok = sig->state == WAGI_SIG_OWN ? wagi_v_control(v) : apply_sig(v, sig);
    if (v->is_const && ok && op != WAGI_OP_end)
        note_const(v);
    return ok;
}

/* Skip a LEB of 32 bits. The bits of a fifth byte that count, and those that must repeat the sign: linkers write
 * addresses as five bytes. NULL when step() has to look at it: longer ones, bad ones, the end of the body. */
static inline const uint8_t *skip_leb(const uint8_t *pos, const uint8_t *end, bool is_signed)
{
    if (LIKELY(pos < end && *pos < 0x80))
        return pos + 1;
    if (end - pos < 5)
        return NULL;
    for (int i = 1; i < 4; i++)
        if (pos[i] < 0x80)
            return pos + i + 1;
    return pos[4] < 0x08 || (is_signed ? pos[4] >= 0x78 && pos[4] < 0x80 : pos[4] < 0x10) ? pos + 5 : NULL;
}

/* The same for 64 bits and at most nine bytes, all of whose bits count. */
static inline const uint8_t *skip_long_leb(const uint8_t *pos, const uint8_t *end)
{
    for (const uint8_t *last = end - pos < 9 ? end : pos + 9; pos < last; pos++)
        if (*pos < 0x80)
            return pos + 1;
    return NULL;
}

/* Skip the immediate of an access to memory 0: alignment in one byte, without memory index. */
static inline const uint8_t *skip_memarg(const uint8_t *pos, const uint8_t *end, uint8_t align_log2)
{
    return pos == end || *pos > align_log2 ? NULL : skip_leb(pos + 1, end, false);
}

/* An index of at most two bytes. NULL: step() has to look at it. */
static inline const uint8_t *read_leb(const uint8_t *pos, const uint8_t *end, uint32_t *ret_value)
{
    if (LIKELY(pos < end && *pos < 0x80)) {
        *ret_value = *pos;
        return pos + 1;
    }
    if (end - pos < 2 || pos[1] >= 0x80)
        return NULL;
    *ret_value = (uint32_t)(pos[0] & 0x7F) | (uint32_t)pos[1] << 7;
    return pos + 2;
}

static inline bool needs_init(wagi_valtype type)
{
    return (type & (15u | WAGI_NULLABLE)) == WAGI_KIND_REF;
}

/* What a call takes is on the stack just so, and there is room for what it gives: the stack behind it, else NULL. */
static inline wagi_valtype *call_simply(const wagi_type *type, wagi_valtype *base, wagi_valtype *sp,
                                        const wagi_valtype *limit)
{
    const wagi_valtype *params = type->params, *results = type->results;
    if ((uint32_t)(sp - base) < type->param_count)
        return NULL;
    sp -= type->param_count;
    for (uint32_t i = 0; i < type->param_count; i++)
        if (sp[i] != params[i])
            return NULL;
    if (type->result_count == 0)
        return sp;
    if (type->result_count > 1 || sp == limit || results[0] == WAGI_V128)
        return NULL;
    *sp = results[0];
    return sp + 1;
}

/* Run ordinary instructions until one is not; r.pos is then at its opcode. True when it is of WAGI_WAY_CONTROL. */
static bool fast(wagi_validator *v)
{
    const uint8_t *pos = v->r.pos, *end = v->r.end;
    const wagi_module_data *data = v->context.data;
    wagi_valtype *base = v->stack + v->frame->height, *sp = v->stack + v->height, *top = v->stack + v->max_height;
    wagi_valtype *limit = v->stack + v->stack_cap;
    const wagi_valtype *locals = v->locals;
    const uint32_t local_count = v->laid_out; /* for those behind, the slow way */
    bool is_control = false;
    for (;; top = sp > top ? sp : top) {
        if (pos == end)
            break;
        const uint8_t *next = pos + 1;
        uint32_t index;
        const wagi_v_fast *sig = &v->fast[*pos];
        switch ((wagi_v_way)sig->way) {
        case WAGI_WAY_LOCAL_GET:
            next = read_leb(next, end, &index);
            if (!next || index >= local_count || needs_init(locals[index]) || sp == limit)
                goto out;
            *sp++ = locals[index];
            break;
        case WAGI_WAY_LOCAL_SET:
            next = read_leb(next, end, &index);
            if (!next || index >= local_count || sp == base || sp[-1] != locals[index] || needs_init(locals[index]))
                goto out;
            sp--;
            break;
        case WAGI_WAY_LOCAL_TEE:
            next = read_leb(next, end, &index);
            if (!next || index >= local_count || sp == base || sp[-1] != locals[index] || needs_init(locals[index]))
                goto out;
            break;
        case WAGI_WAY_GLOBAL_GET:
            next = read_leb(next, end, &index);
            if (!next || index >= data->global_count || sp == limit || data->globals[index].type.content >= WAGI_V128)
                goto out;
            *sp++ = data->globals[index].type.content;
            break;
        case WAGI_WAY_DROP:
            if (sp == base)
                goto out;
            sp--;
            break;
        case WAGI_WAY_I32_CONST:
            next = skip_leb(next, end, true);
            if (!next || sp == limit)
                goto out;
            *sp++ = WAGI_I32;
            break;
        case WAGI_WAY_I64_CONST:
            next = skip_long_leb(next, end);
            if (!next || sp == limit)
                goto out;
            *sp++ = WAGI_I64;
            break;
        case WAGI_WAY_F32_CONST:
            if (end - next < 4 || sp == limit)
                goto out;
            next += 4;
            *sp++ = WAGI_F32;
            break;
        case WAGI_WAY_F64_CONST:
            if (end - next < 8 || sp == limit)
                goto out;
            next += 8;
            *sp++ = WAGI_F64;
            break;
        case WAGI_WAY_SELECT:
            if (sp - base < 3 || sp[-1] != WAGI_I32 || sp[-2] != sp[-3] || sp[-2] > WAGI_V128)
                goto out;
            sp -= 2;
            break;
        case WAGI_WAY_LOAD:
            next = skip_memarg(next, end, sig->align_log2);
            if (!next || !v->memory32)
                goto out;
            /* fallthrough */
        case WAGI_WAY_UNARY:
            if (sp == base || sp[-1] != sig->upper)
                goto out;
            sp[-1] = sig->out;
            break;
        case WAGI_WAY_STORE:
            next = skip_memarg(next, end, sig->align_log2);
            if (!next || !v->memory32 || sp - base < 2 || ((sp[-1] ^ sig->upper) | (sp[-2] ^ sig->lower)))
                goto out;
            sp -= 2;
            break;
        case WAGI_WAY_BINARY:
            if (sp - base < 2 || ((sp[-1] ^ sig->upper) | (sp[-2] ^ sig->lower)))
                goto out;
            sp--;
            sp[-1] = sig->out;
            break;
        case WAGI_WAY_CALL: {
            next = read_leb(next, end, &index);
            if (!next || index >= data->func_count)
                goto out;
            wagi_valtype *behind = call_simply(data->func_types[index], base, sp, limit);
            if (!behind)
                goto out;
            sp = behind;
            if (index > v->last_callee)
                v->last_callee = index;
            break;
        }
        case WAGI_WAY_CONTROL:
            is_control = true;
            goto out;
        case WAGI_WAY_STEP:
            goto out;
        default:
            __builtin_unreachable(); /* spares a compare */
        }
        pos = next;
    }
out:
    v->r.pos = pos;
    v->height = (uint32_t)(sp - v->stack);
    v->max_height = (uint32_t)(top - v->stack);
    return is_control;
}

bool wagi_v_run(wagi_validator *v)
{
    if (!wagi_v_reserve(v, 1))
        return false;
    const wagi_module_data *data = v->context.data;
    v->memory32 = data->memory_count && !data->memories[0].limits.is_64;
    while (v->frames.n)
        if (!(!v->is_const && fast(v) ? step_control(v) : step(v)))
            return false;
    return true;
}

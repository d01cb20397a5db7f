/* The validator through the decoder: what it accepts and refuses, the side table, the facts about bodies.
 *
 * Modules are bytes put together here: one function under test (type 0, function 0) in fixed surroundings. walk() reads
 * a body on its own and checks every side entry against the contract in binary/module.h; it is applied to every body
 * that is accepted anywhere in this file. With arguments the program walks the bodies of those .wasm files instead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "binary/module.h"
#include "binary/op.h"
#include "binary/reader.h"
#include "binary/validate.h"

/* --- putting modules together --- */

typedef struct buffer {
    uint8_t bytes[1 << 16];
    size_t size;
} buffer;

static void put(buffer *to, const void *bytes, size_t size)
{
    if (size > sizeof to->bytes - to->size)
        abort();
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
}

static void put_u32(buffer *to, uint32_t value)
{
    for (;; value >>= 7) {
        uint8_t byte = value & 0x7F;
        if (value > 0x7F)
            byte |= 0x80;
        put(to, &byte, 1);
        if (value <= 0x7F)
            return;
    }
}

static void put_section(buffer *to, uint8_t id, const void *bytes, size_t size)
{
    put(to, &id, 1);
    put_u32(to, (uint32_t)size);
    put(to, bytes, size);
}

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})
#define I32 0x7F
#define I64 0x7E
#define F32 0x7D
#define F64 0x7C
#define V128 0x7B
#define ANYREF 0x6E
#define END 0x0B

/* Type 0 is the tested function's: `signature` is its param and result vector. The others:
 * 1 []->[]   2 [i32]->[i32]   3 [i32]->[]   4 [i32]->[i32 i32]   5 struct {mut i32, i8}   6 array mut i32
 * Function 1: type 2. Table 0: funcref. Memory 0. Tag 0: type 3. Global 0: mut i32. */
static size_t body_offset; /* of the tested body's local declarations */
static void put_module(buffer *to, const uint8_t *signature, size_t signature_size, const uint8_t *body,
                       size_t body_size)
{
    static buffer section;
    to->size = section.size = 0;
    put(to, "\0asm\1\0\0\0", 8);
    put(&section, BYTES(7, 0x60));
    put(&section, signature, signature_size);
    put(&section, BYTES(0x60, 0, 0, 0x60, 1, I32, 1, I32, 0x60, 1, I32, 0, 0x60, 1, I32, 2, I32, I32));
    put(&section, BYTES(0x5F, 2, I32, 1, 0x78, 0, 0x5E, I32, 1));
    put_section(to, 1, section.bytes, section.size);
    put_section(to, 3, BYTES(2, 0, 2));
    put_section(to, 4, BYTES(1, 0x70, 0, 10));
    put_section(to, 5, BYTES(1, 0, 1));
    put_section(to, 13, BYTES(1, 0, 3));
    put_section(to, 6, BYTES(1, I32, 1, 0x41, 0, END));
    section.size = 0;
    put_u32(&section, 2);
    put_u32(&section, (uint32_t)body_size);
    body_offset = section.size;
    put(&section, body, body_size);
    put(&section, BYTES(4, 0, 0x20, 0, END));
    size_t before = to->size;
    put_section(to, 10, section.bytes, section.size);
    body_offset += to->size - section.size;
    assert_true(before < body_offset);
}

/* --- walking --- */

static void skip_block_type(wagi_reader *r, const wagi_module_data *data)
{
    if (r->pos < r->end && *r->pos == 0x40)
        r->pos++;
    else if (r->pos < r->end && (*r->pos & 0xC0) == 0x40)
        (void)wagi_read_valtype(r, data);
    else
        (void)wagi_read_s33(r);
}

static void skip_memarg(wagi_reader *r)
{
    if (wagi_read_u32(r) & 0x40)
        (void)wagi_read_u32(r);
    (void)wagi_read_u64(r);
}

/* Skip the immediates; the number of side entries that the instruction has. */
static uint32_t skip_immediates(wagi_reader *r, wagi_op op, const wagi_module_data *data)
{
    uint32_t entries = op == WAGI_OP_br || op == WAGI_OP_br_if || op == WAGI_OP_if_ || op == WAGI_OP_else_ ||
                       op == WAGI_OP_br_on_null || op == WAGI_OP_br_on_non_null || op == WAGI_OP_br_on_cast ||
                       op == WAGI_OP_br_on_cast_fail;
    switch ((wagi_imm)wagi_ops[op].imm) {
    case WAGI_IMM_NONE:
        break;
    case WAGI_IMM_BLOCK:
        skip_block_type(r, data);
        break;
    case WAGI_IMM_BR_TABLE:
        entries = wagi_read_u32(r) + 1;
        for (uint32_t i = 0; i < entries; i++)
            (void)wagi_read_u32(r);
        break;
    case WAGI_IMM_TRY_TABLE:
        skip_block_type(r, data);
        entries = wagi_read_u32(r);
        for (uint32_t i = 0; i < entries; i++) {
            if (wagi_read_u8(r) < 2)
                (void)wagi_read_u32(r);
            (void)wagi_read_u32(r);
        }
        break;
    case WAGI_IMM_CALL_INDIRECT:
    case WAGI_IMM_TABLE2:
    case WAGI_IMM_ELEM_TABLE:
    case WAGI_IMM_MEMORY2:
    case WAGI_IMM_DATA_MEMORY:
    case WAGI_IMM_TYPE_FIELD:
    case WAGI_IMM_TYPE_N:
    case WAGI_IMM_TYPE_DATA:
    case WAGI_IMM_TYPE_ELEM:
    case WAGI_IMM_TYPE2:
        (void)wagi_read_u32(r);
        (void)wagi_read_u32(r);
        break;
    case WAGI_IMM_MEMARG:
        skip_memarg(r);
        break;
    case WAGI_IMM_MEMARG_LANE:
        skip_memarg(r);
        (void)wagi_read_u8(r);
        break;
    case WAGI_IMM_I64:
        (void)wagi_read_s64(r);
        break;
    case WAGI_IMM_I32:
        (void)wagi_read_s32(r);
        break;
    case WAGI_IMM_F32:
        (void)wagi_read_bytes(r, 4);
        break;
    case WAGI_IMM_F64:
        (void)wagi_read_bytes(r, 8);
        break;
    case WAGI_IMM_V128:
    case WAGI_IMM_SHUFFLE:
        (void)wagi_read_bytes(r, 16);
        break;
    case WAGI_IMM_LANE:
    case WAGI_IMM_FENCE:
        (void)wagi_read_u8(r);
        break;
    case WAGI_IMM_SELECT:
        for (uint32_t i = wagi_read_u32(r); i--;)
            (void)wagi_read_valtype(r, data);
        break;
    case WAGI_IMM_HEAP:
        (void)wagi_read_heap_type(r, data);
        break;
    case WAGI_IMM_BR_ON_CAST:
        (void)wagi_read_u8(r);
        (void)wagi_read_u32(r);
        (void)wagi_read_heap_type(r, data);
        (void)wagi_read_heap_type(r, data);
        break;
    default:
        (void)wagi_read_u32(r);
    }
    return entries;
}

static wagi_op next_op(wagi_reader *r)
{
    uint8_t byte = wagi_read_u8(r);
    return byte >= 0xFB && byte <= 0xFE ? wagi_op_find(byte, wagi_read_u32(r)) : wagi_op_find(0, byte);
}

/* What walk() complains about; NULL: nothing. Landing: an instruction's first byte where as many entries have gone by
 * as stp says, and the sort of place that the contract names. */
static const char *walk(const wagi_func_body *body, const wagi_module_data *data)
{
    size_t size = (size_t)(body->end - body->code);
    uint32_t *side_before = calloc(size + 1, sizeof *side_before);
    bool *is_start = calloc(size + 1, sizeof *is_start), *after_end = calloc(size + 1, sizeof *after_end);
    uint32_t *owner = calloc(body->side_count + 1, sizeof *owner);
    const char *complaint = NULL;
    uint32_t side = 0;
    wagi_reader r = wagi_reader_make(data->bytes.data, body->code, body->end);
    while (r.pos < r.end && !complaint) {
        size_t ip = (size_t)(r.pos - body->code);
        is_start[ip] = true;
        side_before[ip] = side;
        wagi_op op = next_op(&r);
        if (op == WAGI_OP_NONE || r.error)
            complaint = "walk lost its way";
        else
            for (uint32_t i = skip_immediates(&r, op, data); i-- && !complaint; side++)
                if (side < body->side_count)
                    owner[side] = (uint32_t)ip;
                else
                    complaint = "too few side entries";
        if (!complaint && (op == WAGI_OP_end || op == WAGI_OP_else_))
            after_end[r.pos - body->code] = true;
    }
    if (!complaint && side != body->side_count)
        complaint = "too many side entries";
    for (uint32_t i = 0; i < side && !complaint; i++) {
        const wagi_side_entry *entry = &body->side[i];
        int64_t ip = (int64_t)owner[i] + entry->ip_delta, stp = (int64_t)i + entry->stp_delta;
        if (ip < 0 || ip >= (int64_t)size || !is_start[ip])
            complaint = "a branch does not land on an instruction";
        else if (stp != side_before[ip])
            complaint = "a branch lands with a wrong stp";
        else if (entry->ip_delta <= 0 ? body->code[ip] != 0x03 : !after_end[ip] && ip != (int64_t)size - 1)
            complaint = "a branch lands at a wrong sort of place";
        else if ((uint64_t)entry->keep + entry->drop > body->max_height)
            complaint = "an entry moves more values than there are";
    }
    for (uint32_t i = 0; i < body->try_count && !complaint; i++) {
        const wagi_try_region *region = &body->tries[i];
        if (body->code[region->ip] != 0x1F || side_before[region->ip] != region->side || !is_start[region->begin] ||
            body->code[region->end] != END || !is_start[region->end] || region->end < region->begin)
            complaint = "a try region is wrong";
    }
    free(side_before);
    free(is_start);
    free(after_end);
    free(owner);
    return complaint;
}

static const char *walk_module(const wagi_module_data *data)
{
    for (uint32_t i = 0; i < data->func_count - data->func_import_count; i++) {
        const char *complaint = walk(&data->bodies[i], data);
        if (complaint)
            return complaint;
    }
    return NULL;
}

/* --- decoding, with everything freed at the end of the test --- */

static wagi_registry *registry;
static wagi_limits limits;
static wag_module *current;
static wag_error *current_error;
static buffer module_bytes;

static int setup(void **state)
{
    (void)state;
    limits = wagi_default_limits;
    registry = wagi_registry_new(&limits);
    return registry ? 0 : -1;
}

static void forget(void)
{
    if (current)
        wagi_module_free(current);
    wag_error_unref(current_error);
    current = NULL;
    current_error = NULL;
}

static int teardown(void **state)
{
    (void)state;
    forget();
    size_t groups = wagi_registry_group_count(registry);
    wagi_registry_unref(registry);
    return groups == 0 ? 0 : -1;
}

static wag_err decode(const uint8_t *bytes, size_t size)
{
    forget();
    return wagi_module_decode((wag_bytes){bytes, size}, NULL, registry, &limits, &current, &current_error);
}

static wag_err decode_body(const uint8_t *signature, size_t signature_size, const uint8_t *body, size_t body_size)
{
    put_module(&module_bytes, signature, signature_size, body, body_size);
    return decode(module_bytes.bytes, module_bytes.size);
}

/* The body is valid; its side table has been walked. */
static const wagi_func_body *accept(const uint8_t *signature, size_t signature_size, const uint8_t *body,
                                    size_t body_size)
{
    if (decode_body(signature, signature_size, body, body_size) != WAG_OK)
        fail_msg("refused: %s", wag_error_message(current_error));
    const char *complaint = walk_module(current->data);
    if (complaint)
        fail_msg("%s", complaint);
    return &current->data->bodies[0];
}

/* The body is refused at this offset behind its first byte, with a message that contains the text. */
static void refuse(wag_err wanted, size_t offset, const char *text, const uint8_t *signature, size_t signature_size,
                   const uint8_t *body, size_t body_size)
{
    wag_err err = decode_body(signature, signature_size, body, body_size);
    if (err == WAG_OK)
        fail_msg("accepted what should fail with: %s", text);
    const char *message = wag_error_message(current_error);
    if (err != wanted || !strstr(message, text))
        fail_msg("wanted %s \"%s\", got %s \"%s\"", wag_err_name(wanted), text, wag_err_name(err), message);
    size_t found = 0;
    uint32_t func_index = WAGI_NO_INDEX;
    assert_true(wag_error_offset(current_error, &found));
    assert_int_equal(found, body_offset + offset);
    assert_true(wag_error_func_index(current_error, &func_index));
    assert_int_equal(func_index, 0);
}

#define NONE_NONE BYTES(0, 0)
#define NONE_I32 BYTES(0, 1, I32)
#define I32_NONE BYTES(1, I32, 0)
#define I32_I32 BYTES(1, I32, 1, I32)

/* Where an entry of the instruction at `ip` goes. */
static void assert_entry(const wagi_func_body *body, uint32_t index, uint32_t ip, uint32_t to_ip, uint32_t to_stp,
                         uint32_t keep, uint32_t drop)
{
    assert_true(index < body->side_count);
    const wagi_side_entry *entry = &body->side[index];
    assert_int_equal((int32_t)ip + entry->ip_delta, to_ip);
    assert_int_equal((int32_t)index + entry->stp_delta, to_stp);
    assert_int_equal(entry->keep, keep);
    assert_int_equal(entry->drop, drop);
}

/* --- the side table --- */

static void a_branch_to_a_block_lands_behind_its_end(void **state)
{
    (void)state;
    /* 0 block 2 br 0 4 end 5 end */
    const wagi_func_body *body = accept(NONE_NONE, BYTES(0, 0x02, 0x40, 0x0C, 0, END, END));
    assert_int_equal(body->side_count, 1);
    assert_entry(body, 0, 2, 5, 1, 0, 0);
}

static void a_branch_to_a_loop_lands_on_the_loop(void **state)
{
    (void)state;
    /* 0 block 2 loop 4 local.get 0 6 br_if 1 8 local.get 0 10 br_if 0 12 end 13 end 14 end */
    const wagi_func_body *body =
        accept(I32_NONE, BYTES(0, 0x02, 0x40, 0x03, 0x40, 0x20, 0, 0x0D, 1, 0x20, 0, 0x0D, 0, END, END, END));
    assert_int_equal(body->side_count, 2);
    assert_entry(body, 0, 6, 14, 2, 0, 0);
    assert_entry(body, 1, 10, 2, 0, 0, 0);
}

static void an_if_without_else_skips_to_behind_its_end(void **state)
{
    (void)state;
    /* 0 local.get 0 2 if 4 nop 5 end 6 end */
    const wagi_func_body *body = accept(I32_NONE, BYTES(0, 0x20, 0, 0x04, 0x40, 0x01, END, END));
    assert_int_equal(body->side_count, 1);
    assert_entry(body, 0, 2, 6, 1, 0, 0);
}

static void an_if_goes_to_its_else_and_the_else_to_the_end(void **state)
{
    (void)state;
    /* 0 local.get 0 2 if i32 4 i32.const 1 6 br 0 8 else 9 i32.const 2 11 end 12 end */
    const wagi_func_body *body =
        accept(I32_I32, BYTES(0, 0x20, 0, 0x04, I32, 0x41, 1, 0x0C, 0, 0x05, 0x41, 2, END, END));
    assert_int_equal(body->side_count, 3);
    assert_entry(body, 0, 2, 9, 3, 0, 0);
    assert_entry(body, 1, 6, 12, 3, 1, 0);
    assert_entry(body, 2, 8, 12, 3, 1, 0);
}

static void an_if_with_parameters_takes_them_along(void **state)
{
    (void)state;
    /* 0 i32.const 7 2 local.get 0 4 if [i32]->[i32] 6 else 7 end 8 end */
    const wagi_func_body *body = accept(I32_I32, BYTES(0, 0x41, 7, 0x20, 0, 0x04, 2, 0x05, END, END));
    assert_entry(body, 0, 4, 7, 2, 1, 0);
    assert_entry(body, 1, 6, 8, 2, 1, 0);
}

static void a_branch_to_the_function_lands_on_its_final_end(void **state)
{
    (void)state;
    /* 0 block 2 i32.const 5 4 br 1 6 end 7 i32.const 6 9 end */
    const wagi_func_body *body = accept(NONE_I32, BYTES(0, 0x02, 0x40, 0x41, 5, 0x0C, 1, END, 0x41, 6, END));
    assert_entry(body, 0, 4, 9, 1, 1, 0);
}

static void a_br_table_has_an_entry_for_each_label_and_the_default(void **state)
{
    (void)state;
    /* 0 block 2 loop 4 block 6 local.get 0 8 br_table [0 1 2] 3 14 end 15 end 16 end 17 end */
    const wagi_func_body *body = accept(
        I32_NONE, BYTES(0, 0x02, 0x40, 0x03, 0x40, 0x02, 0x40, 0x20, 0, 0x0E, 3, 0, 1, 2, 3, END, END, END, END));
    assert_int_equal(body->side_count, 4);
    assert_entry(body, 0, 8, 15, 4, 0, 0);
    assert_entry(body, 1, 8, 2, 0, 0, 0);
    assert_entry(body, 2, 8, 17, 4, 0, 0);
    assert_entry(body, 3, 8, 17, 4, 0, 0);
}

static void a_branch_keeps_the_results_and_drops_what_is_between(void **state)
{
    (void)state;
    /* 0 i32.const 0 2 block i32 4 i32.const 1 6 i32.const 2 8 i32.const 3 10 br 0 12 end 13 drop 14 end */
    const wagi_func_body *body =
        accept(NONE_I32, BYTES(0, 0x41, 0, 0x02, I32, 0x41, 1, 0x41, 2, 0x41, 3, 0x0C, 0, END, 0x1A, END));
    assert_entry(body, 0, 10, 13, 1, 1, 2);
    assert_int_equal(body->max_height, 4);
}

static void a_branch_to_a_loop_keeps_its_parameters(void **state)
{
    (void)state;
    /* 0 i32.const 1 2 loop [i32]->[i32] 4 i32.const 8 6 i32.const 9 8 br 0 10 end 11 end */
    const wagi_func_body *body = accept(NONE_I32, BYTES(0, 0x41, 1, 0x03, 2, 0x41, 8, 0x41, 9, 0x0C, 0, END, END));
    assert_entry(body, 0, 8, 2, 0, 1, 2);
}

static void branches_on_null_leave_or_take_the_reference(void **state)
{
    (void)state;
    /* 0 block 2 ref.null any 4 br_on_null 0 6 drop 7 end 8 block anyref 10 ref.null any 12 br_on_non_null 0
     * 14 ref.null any 16 end 17 drop 18 end */
    const wagi_func_body *body = accept(NONE_NONE, BYTES(0, 0x02, 0x40, 0xD0, ANYREF, 0xD5, 0, 0x1A, END, 0x02, ANYREF,
                                                         0xD0, ANYREF, 0xD6, 0, 0xD0, ANYREF, END, 0x1A, END));
    assert_int_equal(body->side_count, 2);
    assert_entry(body, 0, 4, 8, 1, 0, 0);
    assert_entry(body, 1, 12, 17, 2, 1, 0);
}

static void branches_on_casts_take_the_reference(void **state)
{
    (void)state;
    /* 0 block (ref null any) 2 i32.const 0 4 ref.null any 6 br_on_cast 0 any -> i31 12 end 13 drop 14 end: with a value
     * between, which the end of the block would not take, so it is unreachable there. */
    const wagi_func_body *body = accept(
        NONE_NONE, BYTES(0, 0x02, ANYREF, 0x41, 0, 0xD0, ANYREF, 0xFB, 24, 3, 0, ANYREF, 0x6C, 0x00, END, 0x1A, END));
    assert_int_equal(body->side_count, 1);
    assert_entry(body, 0, 6, 14, 1, 1, 1);
    body = accept(NONE_NONE, BYTES(0, 0x02, ANYREF, 0xD0, ANYREF, 0xFB, 25, 3, 0, ANYREF, 0x6C, END, 0x1A, END));
    assert_entry(body, 0, 4, 11, 1, 1, 0);
}

static void a_try_table_has_an_entry_for_each_clause_and_a_region(void **state)
{
    (void)state;
    /* 0 block i32 2 i32.const 9 4 try_table (catch 0 0) (catch_all 1) 12 nop 13 end 14 end 15 drop 16 end */
    const wagi_func_body *body =
        accept(NONE_NONE, BYTES(0, 0x02, I32, 0x41, 9, 0x1F, 0x40, 2, 0, 0, 0, 2, 1, 0x01, END, END, 0x1A, END));
    assert_int_equal(body->side_count, 2);
    assert_entry(body, 0, 4, 15, 2, 1, 1);
    assert_entry(body, 1, 4, 16, 2, 0, 1);
    assert_int_equal(body->try_count, 1);
    const wagi_try_region *region = body->tries;
    assert_int_equal(region->ip, 4);
    assert_int_equal(region->catches, 7);
    assert_int_equal(region->begin, 12);
    assert_int_equal(region->end, 13);
    assert_int_equal(region->count, 2);
    assert_int_equal(region->side, 0);
    assert_int_equal(region->height, 1);
    assert_int_equal(body->max_height, 2);
}

static void unreachable_code_has_entries_too(void **state)
{
    (void)state;
    /* 0 block 2 return 3 br_if 1 5 br_table [0] 1 9 end 10 nop 11 end */
    const wagi_func_body *body = accept(NONE_NONE, BYTES(0, 0x02, 0x40, 0x0F, 0x0D, 1, 0x0E, 1, 0, 1, END, 0x01, END));
    assert_int_equal(body->side_count, 3);
    assert_entry(body, 0, 3, 11, 3, 0, 0);
    assert_entry(body, 1, 5, 10, 3, 0, 0);
    assert_entry(body, 2, 5, 11, 3, 0, 0);
}

/* --- facts --- */

static void max_height_is_the_highest_stack_without_locals(void **state)
{
    (void)state;
    assert_int_equal(accept(NONE_NONE, BYTES(1, 3, I64, END))->max_height, 0);
    assert_int_equal(accept(NONE_NONE, BYTES(0, 0x41, 1, 0x41, 2, 0x41, 3, 0x6A, 0x6A, 0x1A, END))->max_height, 3);
    /* block [i32]->[i32 i32]: a result more than it was given */
    assert_int_equal(accept(NONE_NONE, BYTES(0, 0x41, 1, 0x02, 4, 0x41, 2, END, 0x1A, 0x1A, END))->max_height, 2);
    assert_int_equal(accept(NONE_NONE, BYTES(0, 0x41, 1, 0x41, 2, 0x10, 1, 0x1A, 0x1A, END))->max_height, 2);
}

static void locals_are_parameters_first(void **state)
{
    (void)state;
    const wagi_func_body *body = accept(BYTES(2, F32, I32, 1, F32), BYTES(2, 2, I64, 1, F64, 0x20, 0, END));
    assert_int_equal(body->param_count, 2);
    assert_int_equal(body->result_count, 1);
    assert_int_equal(body->local_count, 5);
    const wagi_valtype wanted[] = {WAGI_F32, WAGI_I32, WAGI_I64, WAGI_I64, WAGI_F64};
    for (int i = 0; i < 5; i++)
        assert_int_equal(body->locals[i], wanted[i]);
    assert_int_equal(*body->code, 0x20);
    assert_ptr_equal(body->end, body->code + 3);
}

static void vectors_are_noticed_wherever_they_are(void **state)
{
    (void)state;
    assert_false(accept(NONE_NONE, BYTES(1, 1, F64, END))->uses_v128);
    assert_true(accept(NONE_NONE, BYTES(1, 1, V128, END))->uses_v128);
    assert_true(accept(BYTES(1, V128, 0), BYTES(0, END))->uses_v128);
    assert_true(accept(BYTES(0, 1, V128), BYTES(0, 0x00, END))->uses_v128);
    assert_true(accept(NONE_NONE, BYTES(0, 0x00, 0x02, V128, 0x00, END, 0x1A, END))->uses_v128);
    assert_true(accept(NONE_NONE, BYTES(0, 0x41, 0, 0xFD, 15, 0x1A, END))->uses_v128);
}

static bool has_feature(wagi_feature feature)
{
    return current->data->features >> feature & 1;
}

static void features_say_where_they_were_first_used(void **state)
{
    (void)state;
    accept(I32_NONE, BYTES(0, 0x20, 0, 0xC0, 0xC0, 0x1A, END));
    assert_true(has_feature(WAGI_FEATURE_SIGN_EXTENSION));
    assert_false(has_feature(WAGI_FEATURE_SIMD));
    assert_false(has_feature(WAGI_FEATURE_THREADS));
    assert_int_equal(current->data->feature_func[WAGI_FEATURE_SIGN_EXTENSION], 0);
    assert_int_equal(current->data->feature_offset[WAGI_FEATURE_SIGN_EXTENSION], body_offset + 3);
    assert_int_equal(current->data->feature_func[WAGI_FEATURE_SIMD], WAGI_NO_INDEX);
    accept(NONE_NONE, BYTES(1, 1, V128, 0xFE, 3, 0, END));
    assert_true(has_feature(WAGI_FEATURE_SIMD) && has_feature(WAGI_FEATURE_THREADS));
    accept(NONE_NONE, BYTES(0, 0x41, 1, 0x02, 2, END, 0x1A, END));
    assert_true(has_feature(WAGI_FEATURE_MULTI_VALUE));
}

/* --- refusals; offsets count from the local declarations --- */

static void mismatches_say_what_was_wanted_and_what_was_found(void **state)
{
    (void)state;
    refuse(WAG_INVALID, 7, "type mismatch: i32.add wants i32, found f64 in function 0", I32_NONE,
           BYTES(1, 1, F64, 0x20, 0, 0x20, 1, 0x6A, 0x1A, END));
    assert_string_equal(wag_error_wanted(current_error), "i32");
    assert_string_equal(wag_error_given(current_error), "f64");
    refuse(WAG_INVALID, 1, "type mismatch: i32.eqz wants i32, found nothing", NONE_NONE, BYTES(0, 0x45, 0x1A, END));
    refuse(WAG_INVALID, 1, "type mismatch: end wants i32, found nothing", NONE_I32, BYTES(0, END));
    refuse(WAG_INVALID, 5, "type mismatch: 2 values too many at end", NONE_NONE, BYTES(0, 0x41, 0, 0x41, 0, END));
    refuse(WAG_INVALID, 3, "type mismatch: ref.is_null wants a reference, found i32", NONE_NONE,
           BYTES(0, 0x41, 0, 0xD1, 0x1A, END));
    refuse(WAG_INVALID, 1, "type mismatch: drop wants a value, found nothing", NONE_NONE, BYTES(0, 0x1A, END));
    refuse(WAG_INVALID, 5, "type mismatch: drop wants a value, found nothing", NONE_NONE,
           BYTES(0, 0x41, 0, 0x02, 0x40, 0x1A, END, 0x1A, END));
    refuse(WAG_INVALID, 7, "wants numbers or vectors", NONE_NONE,
           BYTES(0, 0xD0, 0x70, 0xD0, 0x70, 0x41, 0, 0x1B, 0x1A, END));
}

static void unknown_indices_are_named(void **state)
{
    (void)state;
    refuse(WAG_INVALID, 1, "unknown local 0", NONE_NONE, BYTES(0, 0x20, 0, 0x1A, END));
    refuse(WAG_INVALID, 1, "unknown label 1", NONE_NONE, BYTES(0, 0x0C, 1, END));
    refuse(WAG_INVALID, 1, "unknown function 2", NONE_NONE, BYTES(0, 0x10, 2, END));
    refuse(WAG_INVALID, 1, "unknown global 1", NONE_NONE, BYTES(0, 0x23, 1, 0x1A, END));
    refuse(WAG_INVALID, 1, "unknown tag 1", NONE_NONE, BYTES(0, 0x08, 1, END));
    refuse(WAG_INVALID, 3, "unknown memory 1", NONE_NONE, BYTES(0, 0x41, 0, 0x28, 0x42, 1, 0, 0x1A, END));
    refuse(WAG_INVALID, 3, "unknown table 1", NONE_NONE, BYTES(0, 0x41, 0, 0x25, 1, 0x1A, END));
    refuse(WAG_INVALID, 1, "unknown elem segment 0", NONE_NONE, BYTES(0, 0xFC, 13, 0, END));
    refuse(WAG_INVALID, 3, "unknown field 2", NONE_NONE, BYTES(0, 0xD0, 5, 0xFB, 2, 5, 2, 0x1A, END));
    refuse(WAG_INVALID, 1, "undeclared function reference 1", NONE_NONE, BYTES(0, 0xD2, 1, 0x1A, END));
}

static void bad_binaries_are_malformed(void **state)
{
    (void)state;
    refuse(WAG_MALFORMED, 1, "illegal opcode 0xff", NONE_NONE, BYTES(0, 0xFF, END));
    refuse(WAG_MALFORMED, 1, "illegal opcode 0xfc 0x12", NONE_NONE, BYTES(0, 0xFC, 0x12, END));
    refuse(WAG_MALFORMED, 2, "END opcode expected", NONE_NONE, BYTES(0, 0x01));
    refuse(WAG_MALFORMED, 2, "section size mismatch", NONE_NONE, BYTES(0, END, 0x01));
    refuse(WAG_MALFORMED, 1, "else without if", NONE_NONE, BYTES(0, 0x05, END));
    refuse(WAG_MALFORMED, 4, "malformed memop flags", NONE_NONE, BYTES(0, 0x41, 0, 0x28, 0x80, 1, 0, 0x1A, END));
    refuse(WAG_MALFORMED, 3, "zero byte expected", NONE_NONE, BYTES(0, 0xFE, 3, 1, END));
    refuse(WAG_MALFORMED, 1, "data count section required", NONE_NONE, BYTES(0, 0xFC, 9, 0, END));
    refuse(WAG_MALFORMED, 4, "malformed catch clause", NONE_NONE, BYTES(0, 0x1F, 0x40, 1, 4, 0, END, END));
}

/* The sum is 2^32; one local fewer is only too many for Waggle. */
static void too_many_locals_are_malformed_from_two_to_the_32(void **state)
{
    (void)state;
    refuse(WAG_MALFORMED, 7, "too many locals", NONE_NONE, BYTES(2, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, I32, 1, I32, END));
    refuse(WAG_LIMIT, 0, "locals", NONE_NONE, BYTES(2, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F, I32, 1, I32, END));
}

static void alignment_is_at_most_natural_and_of_atomics_exactly(void **state)
{
    (void)state;
    accept(NONE_NONE, BYTES(0, 0x41, 0, 0x28, 2, 0, 0x1A, END));
    refuse(WAG_INVALID, 3, "alignment must not be larger than natural", NONE_NONE,
           BYTES(0, 0x41, 0, 0x28, 3, 0, 0x1A, END));
    accept(NONE_NONE, BYTES(0, 0x41, 0, 0xFE, 0x10, 2, 0, 0x1A, END));
    refuse(WAG_INVALID, 3, "must be natural", NONE_NONE, BYTES(0, 0x41, 0, 0xFE, 0x10, 1, 0, 0x1A, END));
    refuse(WAG_INVALID, 3, "offset out of range", NONE_NONE,
           BYTES(0, 0x41, 0, 0x28, 2, 0x80, 0x80, 0x80, 0x80, 0x10, 0x1A, END));
}

static void lanes_are_below_the_number_of_lanes(void **state)
{
    (void)state;
    accept(NONE_NONE, BYTES(0, 0x00, 0xFD, 27, 3, 0x1A, END));
    refuse(WAG_INVALID, 2, "invalid lane index 4", NONE_NONE, BYTES(0, 0x00, 0xFD, 27, 4, 0x1A, END));
    accept(NONE_NONE, BYTES(0, 0x00, 0xFD, 21, 15, 0x1A, END));
    refuse(WAG_INVALID, 2, "invalid lane index 16", NONE_NONE, BYTES(0, 0x00, 0xFD, 21, 16, 0x1A, END));
    accept(NONE_NONE, BYTES(0, 0x00, 0xFD, 85, 1, 0, 7, 0x1A, END));
    refuse(WAG_INVALID, 2, "invalid lane index 8", NONE_NONE, BYTES(0, 0x00, 0xFD, 85, 1, 0, 8, 0x1A, END));
}

/* (local (ref 6)): set inside a block is forgotten behind it. */
static void a_local_without_default_is_set_before_it_is_read(void **state)
{
    (void)state;
#define NEW_ARRAY 0x41, 0, 0xFB, 7, 6
    accept(NONE_NONE, BYTES(1, 1, 0x64, 6, NEW_ARRAY, 0x21, 0, 0x20, 0, 0x1A, END));
    refuse(WAG_INVALID, 4, "uninitialized local 0", NONE_NONE, BYTES(1, 1, 0x64, 6, 0x20, 0, 0x1A, END));
    refuse(WAG_INVALID, 14, "uninitialized local 0", NONE_NONE,
           BYTES(1, 1, 0x64, 6, 0x02, 0x40, NEW_ARRAY, 0x21, 0, END, 0x20, 0, 0x1A, END));
    accept(NONE_NONE,
           BYTES(1, 1, 0x64, 6, NEW_ARRAY, 0x22, 0, 0x1A, 0x02, 0x40, 0x20, 0, 0x1A, END, 0x20, 0, 0x1A, END));
    refuse(WAG_INVALID, 16, "uninitialized local 0", NONE_NONE,
           BYTES(1, 1, 0x64, 6, 0x41, 1, 0x04, 0x40, NEW_ARRAY, 0x21, 0, 0x05, 0x20, 0, 0x1A, END, END));
}

static void packed_fields_are_read_with_a_sign_and_others_without(void **state)
{
    (void)state;
    accept(NONE_NONE, BYTES(0, 0xD0, 5, 0xFB, 4, 5, 1, 0x1A, END));
    refuse(WAG_INVALID, 3, "a field that is not packed", NONE_NONE, BYTES(0, 0xD0, 5, 0xFB, 2, 5, 1, 0x1A, END));
    refuse(WAG_INVALID, 3, "a packed field", NONE_NONE, BYTES(0, 0xD0, 5, 0xFB, 3, 5, 0, 0x1A, END));
    refuse(WAG_INVALID, 5, "immutable field", NONE_NONE, BYTES(0, 0xD0, 5, 0x41, 0, 0xFB, 5, 5, 1, END));
}

/* --- limits, at n and at n + 1 --- */

static void limits_are_exact(void **state)
{
    (void)state;
    limits.locals = 4;
    accept(I32_NONE, BYTES(2, 2, I64, 1, F32, END));
    refuse(WAG_LIMIT, 0, "locals", I32_NONE, BYTES(2, 2, I64, 2, F32, END));
    limits.operands = 3;
    accept(NONE_NONE, BYTES(0, 0x41, 0, 0x41, 0, 0x41, 0, 0x1A, 0x1A, 0x1A, END));
    refuse(WAG_LIMIT, 7, "operand stack", NONE_NONE,
           BYTES(0, 0x41, 0, 0x41, 0, 0x41, 0, 0x41, 0, 0x1A, 0x1A, 0x1A, 0x1A, END));
    limits.array_new_fixed = 2;
    accept(NONE_NONE, BYTES(0, 0x41, 0, 0x41, 0, 0xFB, 8, 6, 2, 0x1A, END));
    refuse(WAG_LIMIT, 7, "array.new_fixed", NONE_NONE, BYTES(0, 0x41, 0, 0x41, 0, 0x41, 0, 0xFB, 8, 6, 3, 0x1A, END));
}

/* --- constant expressions --- */

/* A module of one immutable imported i32 global, one mutable one, and one of its own that the expression makes. */
static wag_err decode_const(const uint8_t *type, size_t type_size, const uint8_t *expr, size_t expr_size)
{
    static buffer section;
    module_bytes.size = section.size = 0;
    put(&module_bytes, "\0asm\1\0\0\0", 8);
    put_section(&module_bytes, 1, BYTES(2, 0x60, 0, 0, 0x5E, I32, 1));
    put_section(&module_bytes, 2, BYTES(2, 1, 'm', 1, 'i', 3, I32, 0, 1, 'm', 1, 'j', 3, I32, 1));
    put_section(&module_bytes, 3, BYTES(1, 0));
    put(&section, BYTES(1));
    put(&section, type, type_size);
    put(&section, BYTES(0));
    put(&section, expr, expr_size);
    put_section(&module_bytes, 6, section.bytes, section.size);
    put_section(&module_bytes, 10, BYTES(1, 2, 0, END));
    return decode(module_bytes.bytes, module_bytes.size);
}

static const wagi_const_expr *accept_const(const uint8_t *type, size_t type_size, const uint8_t *expr, size_t expr_size)
{
    if (decode_const(type, type_size, expr, expr_size) != WAG_OK)
        fail_msg("refused: %s", wag_error_message(current_error));
    return &current->data->globals[2].init;
}

static void one_instruction_becomes_data(void **state)
{
    (void)state;
    const wagi_const_expr *expr = accept_const(BYTES(I32), BYTES(0x41, 0x7F, END));
    assert_int_equal(expr->kind, WAGI_CONST_NUMBER);
    assert_int_equal(expr->type, WAGI_I32);
    assert_true(expr->bits[0] == UINT32_MAX);
    expr = accept_const(BYTES(I64), BYTES(0x42, 0x7F, END));
    assert_true(expr->kind == WAGI_CONST_NUMBER && expr->bits[0] == UINT64_MAX);
    expr = accept_const(BYTES(F32), BYTES(0x43, 1, 2, 3, 4, END));
    assert_true(expr->kind == WAGI_CONST_NUMBER && expr->bits[0] == 0x04030201);
    expr = accept_const(BYTES(V128), BYTES(0xFD, 12, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, END));
    assert_true(expr->bits[0] == UINT64_C(0x0706050403020100) && expr->bits[1] == UINT64_C(0x0F0E0D0C0B0A0908));
    expr = accept_const(BYTES(0x70), BYTES(0xD0, 0x73, END));
    assert_int_equal(expr->kind, WAGI_CONST_REF_NULL);
    assert_int_equal(expr->type, WAGI_REF_ABSTRACT(true, WAGI_HEAP_NOFUNC));
    expr = accept_const(BYTES(0x70), BYTES(0xD2, 0, END));
    assert_true(expr->kind == WAGI_CONST_REF_FUNC && expr->index == 0);
    assert_true(wagi_is_concrete(expr->type) && !wagi_is_nullable(expr->type));
    expr = accept_const(BYTES(I32), BYTES(0x23, 0, END));
    assert_true(expr->kind == WAGI_CONST_GLOBAL_GET && expr->index == 0);
}

static void more_instructions_become_a_body(void **state)
{
    (void)state;
    const wagi_const_expr *expr = accept_const(BYTES(I32), BYTES(0x23, 0, 0x41, 2, 0x6C, END));
    assert_int_equal(expr->kind, WAGI_CONST_EXPR);
    const wagi_func_body *body = expr->body;
    assert_int_equal(*body->code, 0x23);
    assert_ptr_equal(body->end, body->code + 6);
    assert_int_equal(body->max_height, 2);
    assert_int_equal(body->result_count, 1);
    assert_int_equal(body->param_count + body->local_count + body->side_count, 0);
    assert_true(has_feature(WAGI_FEATURE_EXTENDED_CONST));
    expr = accept_const(BYTES(0x6E), BYTES(0x41, 1, 0x41, 2, 0xFB, 8, 1, 2, END));
    assert_int_equal(expr->kind, WAGI_CONST_EXPR);
    assert_true(has_feature(WAGI_FEATURE_GC));
}

static void what_is_not_constant_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[8];
        size_t size;
        wag_err err;
        const char *text;
    } cases[] = {
        {{0x23, 1, END}, 3, WAG_INVALID, "constant expression required: global 1 is mutable"},
        {{0x23, 2, END}, 3, WAG_INVALID, "unknown global 2"},
        {{0x41, 1, 0x45, END}, 4, WAG_INVALID, "constant expression required: i32.eqz"},
        {{0x42, 1, END}, 3, WAG_INVALID, "type mismatch: end wants i32, found i64"},
        {{0x41, 1, 0x41, 1, END}, 5, WAG_INVALID, "1 value too many"},
        {{END}, 1, WAG_INVALID, "type mismatch: end wants i32, found nothing"},
        {{0xFF, END}, 2, WAG_MALFORMED, "illegal opcode 0xff"},
        {{0x41, 1}, 2, WAG_MALFORMED, "END opcode expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(decode_const(BYTES(I32), cases[i].bytes, cases[i].size), cases[i].err);
        if (!strstr(wag_error_message(current_error), cases[i].text))
            fail_msg("wanted %s, got %s", cases[i].text, wag_error_message(current_error));
    }
}

/* --- hostile input --- */

/* A body that has a bit of everything. */
static const uint8_t rich_body[] = {
    2,    2,    I64,  1,    0x64, 6,    0x41, 3,    0xFB, 7,    6,    0x21, 3,    0x02, I32,  0x03, 0x40, 0x20,
    0,    0x0D, 0,    0x20, 0,    0x41, 1,    0x0E, 1,    1,    1,    END,  0x00, END,  0x1A, 0x02, I32,  0x1F,
    0x40, 1,    0,    0,    0,    0x20, 0,    0x08, 0,    END,  0x41, 0xFF, 0,    END,  0x04, I32,  0x42, 5,
    0x21, 1,    0x20, 0,    0x28, 2,    4,    0x05, 0x20, 3,    0xFB, 15,   END,  0x10, 1,    0x44, 0,    0,
    0,    0,    0,    0,    0,    0,    0xAB, 0x20, 0,    0x1B, 0xFD, 17,   0xFD, 27,   1,    END};

static void a_body_cut_short_is_malformed_wherever_it_is_cut(void **state)
{
    (void)state;
    accept(I32_I32, rich_body, sizeof rich_body);
    for (size_t size = 0; size < sizeof rich_body; size++)
        assert_int_equal(decode_body(I32_I32, rich_body, size), WAG_MALFORMED);
}

/* Whatever a changed body means, it is refused in order or its side table is right. */
static void changed_bodies_are_refused_or_right(void **state)
{
    (void)state;
    uint32_t random = 1;
    unsigned accepted = 0;
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t body[sizeof rich_body];
        memcpy(body, rich_body, sizeof body);
        for (unsigned change = 0; change <= round % 3; change++) {
            random = random * 1664525u + 1013904223u;
            body[(random >> 8) % sizeof body] = (uint8_t)(random >> 24);
        }
        wag_err err = decode_body(I32_I32, body, sizeof body);
        assert_true(err == WAG_OK || err == WAG_INVALID || err == WAG_MALFORMED || err == WAG_LIMIT);
        if (err != WAG_OK)
            continue;
        accepted++;
        const char *complaint = walk_module(current->data);
        if (complaint)
            fail_msg("round %u: %s", round, complaint);
    }
    assert_in_range(accepted, 100, 19900); /* otherwise this test tests nothing */
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    put_module(&module_bytes, I32_I32, rich_body, sizeof rich_body);
    wag_err err = WAG_NOMEM;
    unsigned successes = 0;
    for (; err != WAG_OK && successes < 1000; successes++) {
        forget();
        wagi_alloc_fail_after(successes);
        err = decode(module_bytes.bytes, module_bytes.size);
        wagi_alloc_fail_after(UINT64_MAX);
        assert_true(err == WAG_OK || err == WAG_NOMEM);
    }
    assert_in_range(successes, 10, 999);
}

/* Deep nesting is a matter of memory, not of stack. */
static void blocks_nest_a_million_deep(void **state)
{
    (void)state;
    enum { DEPTH = 1000000 };
    size_t size = 1 + 3 * (size_t)DEPTH + 1;
    uint8_t *body = malloc(size);
    assert_non_null(body);
    body[0] = 0;
    for (size_t i = 0; i < DEPTH; i++) {
        body[1 + 2 * i] = i % 2 ? 0x02 : 0x03;
        body[2 + 2 * i] = 0x40;
    }
    memset(body + 1 + 2 * (size_t)DEPTH, END, DEPTH + 1);
    put_module(&module_bytes, NONE_NONE, BYTES(0, END));
    assert_int_equal(decode(module_bytes.bytes, module_bytes.size), WAG_OK);
    uint64_t features = 0;
    uint32_t feature_func[WAGI_FEATURE_COUNT];
    size_t feature_offset[WAGI_FEATURE_COUNT];
    wagi_arena arena;
    wagi_arena_init(&arena);
    wagi_module_data data = *current->data;
    data.bytes = (wag_bytes){body, size};
    wagi_validate_context context = {.data = &data,
                                     .registry = registry,
                                     .limits = &limits,
                                     .arena = &arena,
                                     .features = &features,
                                     .feature_func = feature_func,
                                     .feature_offset = feature_offset};
    wagi_validator *validator = wagi_validator_new(&context);
    assert_non_null(validator);
    wagi_func_body result;
    assert_int_equal(wagi_validate_body(validator, 0, body, body + size, &result, NULL), WAG_OK);
    assert_int_equal(result.max_height, 0);
    assert_int_equal(wagi_validate_body(validator, 0, body, body + size - 1, &result, NULL), WAG_MALFORMED);
    wagi_validator_free(validator);
    wagi_arena_fini(&arena);
    free(body);
}

/* --- files from the command line --- */

static int walk_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return perror(path), 1;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(size > 0 ? (size_t)size : 1);
    bool is_read = bytes && size >= 0 && fread(bytes, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    const char *complaint = is_read ? NULL : "cannot be read";
    if (is_read && decode(bytes, (size_t)size) == WAG_OK)
        complaint = walk_module(current->data);
    free(bytes);
    if (complaint)
        fprintf(stderr, "%s: %s\n", path, complaint);
    return complaint != NULL;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        int failed = setup(NULL);
        for (int i = 1; i < argc && registry; i++)
            failed |= walk_file(argv[i]);
        return failed | (registry ? teardown(NULL) : 0);
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_branch_to_a_block_lands_behind_its_end),
        TEST(a_branch_to_a_loop_lands_on_the_loop),
        TEST(an_if_without_else_skips_to_behind_its_end),
        TEST(an_if_goes_to_its_else_and_the_else_to_the_end),
        TEST(an_if_with_parameters_takes_them_along),
        TEST(a_branch_to_the_function_lands_on_its_final_end),
        TEST(a_br_table_has_an_entry_for_each_label_and_the_default),
        TEST(a_branch_keeps_the_results_and_drops_what_is_between),
        TEST(a_branch_to_a_loop_keeps_its_parameters),
        TEST(branches_on_null_leave_or_take_the_reference),
        TEST(branches_on_casts_take_the_reference),
        TEST(a_try_table_has_an_entry_for_each_clause_and_a_region),
        TEST(unreachable_code_has_entries_too),
        TEST(max_height_is_the_highest_stack_without_locals),
        TEST(locals_are_parameters_first),
        TEST(vectors_are_noticed_wherever_they_are),
        TEST(features_say_where_they_were_first_used),
        TEST(mismatches_say_what_was_wanted_and_what_was_found),
        TEST(unknown_indices_are_named),
        TEST(bad_binaries_are_malformed),
        TEST(too_many_locals_are_malformed_from_two_to_the_32),
        TEST(alignment_is_at_most_natural_and_of_atomics_exactly),
        TEST(lanes_are_below_the_number_of_lanes),
        TEST(a_local_without_default_is_set_before_it_is_read),
        TEST(packed_fields_are_read_with_a_sign_and_others_without),
        TEST(limits_are_exact),
        TEST(one_instruction_becomes_data),
        TEST(more_instructions_become_a_body),
        TEST(what_is_not_constant_is_refused),
        TEST(a_body_cut_short_is_malformed_wherever_it_is_cut),
        TEST(changed_bodies_are_refused_or_right),
        TEST(every_allocation_may_fail),
        TEST(blocks_nest_a_million_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

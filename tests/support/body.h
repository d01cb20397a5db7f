/* For tests of the validator: one function under test (type 0, function 0) in fixed surroundings, as bytes; decoding
 * with everything freed at the end of the test; and walk(), which reads a body on its own and checks every side entry
 * against the contract in binary/module.h. accept() walks every body that it accepts.
 */
#ifndef TESTS_SUPPORT_BODY_H
#define TESTS_SUPPORT_BODY_H

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

static inline void put(buffer *to, const void *bytes, size_t size)
{
    if (size > sizeof to->bytes - to->size)
        abort();
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
}

static inline void put_u32(buffer *to, uint32_t value)
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

static inline void put_section(buffer *to, uint8_t id, const void *bytes, size_t size)
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
static inline void put_module(buffer *to, const uint8_t *signature, size_t signature_size, const uint8_t *body,
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

static inline void skip_block_type(wagi_reader *r, const wagi_module_data *data)
{
    if (r->pos < r->end && *r->pos == 0x40)
        r->pos++;
    else if (r->pos < r->end && (*r->pos & 0xC0) == 0x40)
        (void)wagi_read_valtype(r, data);
    else
        (void)wagi_read_s33(r);
}

static inline void skip_memarg(wagi_reader *r)
{
    if (wagi_read_u32(r) & 0x40)
        (void)wagi_read_u32(r);
    (void)wagi_read_u64(r);
}

/* Skip the immediates; the number of side entries that the instruction has. */
static inline uint32_t skip_immediates(wagi_reader *r, wagi_op op, const wagi_module_data *data)
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

static inline wagi_op next_op(wagi_reader *r)
{
    uint8_t byte = wagi_read_u8(r);
    return byte >= 0xFB && byte <= 0xFE ? wagi_op_find(byte, wagi_read_u32(r)) : wagi_op_find(0, byte);
}

/* What walk() complains about; NULL: nothing. Landing: an instruction's first byte where as many entries have gone by
 * as stp says, and the sort of place that the contract names. */
static inline const char *walk(const wagi_func_body *body, const wagi_module_data *data)
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

static inline const char *walk_module(const wagi_module_data *data)
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

static inline int setup(void **state)
{
    (void)state;
    limits = wagi_default_limits;
    registry = wagi_registry_new(&limits);
    return registry ? 0 : -1;
}

static inline void forget(void)
{
    if (current)
        wagi_module_free(current);
    wag_error_unref(current_error);
    current = NULL;
    current_error = NULL;
}

static inline int teardown(void **state)
{
    (void)state;
    forget();
    size_t groups = wagi_registry_group_count(registry);
    wagi_registry_unref(registry);
    return groups == 0 ? 0 : -1;
}

static inline wag_err decode(const uint8_t *bytes, size_t size)
{
    forget();
    return wagi_module_decode((wag_bytes){bytes, size}, NULL, registry, &limits, &current, &current_error);
}

static inline wag_err decode_body(const uint8_t *signature, size_t signature_size, const uint8_t *body,
                                  size_t body_size)
{
    put_module(&module_bytes, signature, signature_size, body, body_size);
    return decode(module_bytes.bytes, module_bytes.size);
}

/* The body is valid; its side table has been walked. */
static inline const wagi_func_body *accept(const uint8_t *signature, size_t signature_size, const uint8_t *body,
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
static inline void refuse(wag_err wanted, size_t offset, const char *text, const uint8_t *signature,
                          size_t signature_size, const uint8_t *body, size_t body_size)
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

#define BODY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define NONE_NONE BYTES(0, 0)
#define NONE_I32 BYTES(0, 1, I32)
#define I32_NONE BYTES(1, I32, 0)
#define I32_I32 BYTES(1, I32, 1, I32)

/* Where an entry of the instruction at `ip` goes. */
static inline void assert_entry(const wagi_func_body *body, uint32_t index, uint32_t ip, uint32_t to_ip,
                                uint32_t to_stp, uint32_t keep, uint32_t drop)
{
    assert_true(index < body->side_count);
    const wagi_side_entry *entry = &body->side[index];
    assert_int_equal((int32_t)ip + entry->ip_delta, to_ip);
    assert_int_equal((int32_t)index + entry->stp_delta, to_stp);
    assert_int_equal(entry->keep, keep);
    assert_int_equal(entry->drop, drop);
}

#endif

/* The opcode table as data. op.def has one row per opcode; everything that needs to know opcodes reads the row. */
#ifndef WAGI_BINARY_OP_H
#define WAGI_BINARY_OP_H

#include <stdint.h>

#include "binary/module.h"

/* Immediate kinds: what follows the opcode. */
typedef enum wagi_imm {
    WAGI_IMM_NONE,
    WAGI_IMM_BLOCK,    /* block type (s33) */
    WAGI_IMM_LABEL,    /* label index */
    WAGI_IMM_BR_TABLE, /* vec(label) label */
    WAGI_IMM_FUNC,
    WAGI_IMM_TYPE,
    WAGI_IMM_CALL_INDIRECT, /* type, table */
    WAGI_IMM_LOCAL,
    WAGI_IMM_GLOBAL,
    WAGI_IMM_TABLE,
    WAGI_IMM_TABLE2,     /* table, table (copy: destination, source) */
    WAGI_IMM_ELEM_TABLE, /* element segment, table (table.init) */
    WAGI_IMM_ELEM,
    WAGI_IMM_MEMARG, /* align (bit 6: memory index follows), offset u64 */
    WAGI_IMM_MEMARG_LANE,
    WAGI_IMM_MEMORY,
    WAGI_IMM_MEMORY2,     /* memory.copy: destination, source */
    WAGI_IMM_DATA_MEMORY, /* memory.init */
    WAGI_IMM_DATA,
    WAGI_IMM_I32,
    WAGI_IMM_I64,
    WAGI_IMM_F32,
    WAGI_IMM_F64,
    WAGI_IMM_V128,
    WAGI_IMM_SHUFFLE, /* 16 lane bytes */
    WAGI_IMM_LANE,
    WAGI_IMM_SELECT,     /* vec(valtype) */
    WAGI_IMM_HEAP,       /* heap type */
    WAGI_IMM_BR_ON_CAST, /* flags byte, label, heap, heap */
    WAGI_IMM_TAG,
    WAGI_IMM_TRY_TABLE, /* block type, vec(catch) */
    WAGI_IMM_TYPE_FIELD,
    WAGI_IMM_TYPE_N, /* array.new_fixed */
    WAGI_IMM_TYPE_DATA,
    WAGI_IMM_TYPE_ELEM,
    WAGI_IMM_TYPE2, /* array.copy */
    WAGI_IMM_FENCE, /* one zero byte */
} wagi_imm;

/* Effects, a bit set. */
enum {
    WAGI_EFFECT_PURE = 0,
    WAGI_EFFECT_TRAPS = 1,
    WAGI_EFFECT_READS = 2, /* memory, table, global, heap */
    WAGI_EFFECT_WRITES = 4,
    WAGI_EFFECT_CALLS = 8,
    WAGI_EFFECT_CONTROL = 16,
    WAGI_EFFECT_CONST = 32, /* allowed in constant expressions */
};

typedef enum wagi_op {
#define OP(name, text, prefix, code, imm, signature, align, feature, effects) WAGI_OP_##name,
#include "binary/op.def"
#undef OP
    WAGI_OP_COUNT,
    WAGI_OP_NONE = WAGI_OP_COUNT
} wagi_op;

typedef struct wagi_op_info {
    const char *text;      /* the text format's name */
    const char *signature; /* see op.def; NULL: the validator has a case of its own */
    uint8_t prefix;        /* 0, 0xFB, 0xFC, 0xFD, 0xFE */
    uint16_t code;
    uint8_t imm;        /* wagi_imm */
    uint8_t align_log2; /* natural alignment of a memory access */
    uint8_t feature;    /* wagi_feature */
    uint8_t effects;
} wagi_op_info;

extern const wagi_op_info wagi_ops[WAGI_OP_COUNT];
/* WAGI_OP_NONE when there is no such opcode. */
wagi_op wagi_op_find(uint8_t prefix, uint32_t code);
/* The same for an opcode of one byte. Entries: op + 1, 0 when there is none. */
extern const uint16_t wagi_op_by_code[];
static inline wagi_op wagi_op_plain(uint8_t code)
{
    uint16_t entry = wagi_op_by_code[code];
    return entry ? (wagi_op)(entry - 1) : WAGI_OP_NONE;
}

#endif

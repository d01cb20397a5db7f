/* The opcode table: op.def's rows as an array, and the way back from (prefix, code) to the row. */
#include "binary/op.h"

#include <stddef.h>

const wagi_op_info wagi_ops[WAGI_OP_COUNT] = {
#define OP(name, text_, prefix_, code_, imm_, signature_, align_, feature_, effects_)                                  \
    [WAGI_OP_##name] = {.text = (text_),                                                                               \
                        .signature = (signature_),                                                                     \
                        .prefix = (prefix_),                                                                           \
                        .code = (code_),                                                                               \
                        .imm = WAGI_IMM_##imm_,                                                                        \
                        .align_log2 = (align_),                                                                        \
                        .feature = WAGI_FEATURE_##feature_,                                                            \
                        .effects = (uint8_t)(effects_)},
#include "binary/op.def"
#undef OP
};

/* One dense array for all prefixes, each with a range of its own: two rows with one code would be two initialisers of
 * one element, which the compiler reports. Entries are op + 1, so that 0 is a hole. */
enum {
    BASE_PLAIN = 0, /* wagi_op_plain relies on it */
    BASE_GC = BASE_PLAIN + 0x100,
    BASE_MISC = BASE_GC + 0x20,
    BASE_SIMD = BASE_MISC + 0x20,
    BASE_THREADS = BASE_SIMD + 0x120,
    BASE_END = BASE_THREADS + 0x50
};
#define BASE_OF(prefix)                                                                                                \
    ((prefix) == 0      ? BASE_PLAIN                                                                                   \
     : (prefix) == 0xFB ? BASE_GC                                                                                      \
     : (prefix) == 0xFC ? BASE_MISC                                                                                    \
     : (prefix) == 0xFD ? BASE_SIMD                                                                                    \
                        : BASE_THREADS)

const uint16_t wagi_op_by_code[BASE_END] = {
#define OP(name, text, prefix, code, imm, signature, align, feature, effects)                                          \
    [BASE_OF(prefix) + (code)] = WAGI_OP_##name + 1,
#include "binary/op.def"
#undef OP
};

wagi_op wagi_op_find(uint8_t prefix, uint32_t code)
{
    uint32_t base, limit;
    switch (prefix) {
    case 0:
        base = BASE_PLAIN, limit = BASE_GC;
        break;
    case 0xFB:
        base = BASE_GC, limit = BASE_MISC;
        break;
    case 0xFC:
        base = BASE_MISC, limit = BASE_SIMD;
        break;
    case 0xFD:
        base = BASE_SIMD, limit = BASE_THREADS;
        break;
    case 0xFE:
        base = BASE_THREADS, limit = BASE_END;
        break;
    default:
        return WAGI_OP_NONE;
    }
    if (code >= limit - base)
        return WAGI_OP_NONE;
    uint16_t entry = wagi_op_by_code[base + code];
    return entry ? (wagi_op)(entry - 1) : WAGI_OP_NONE;
}

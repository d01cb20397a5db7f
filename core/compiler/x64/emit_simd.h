/* Emission of vector ops: what emit_simd*.c share.
 *
 * An op is emitted by a row of emit_simd.def. The rule that keeps its operands intact, wherever the result lives: only
 * the last instruction of a sequence writes the result's register; what comes before goes to temporaries. These are the
 * scratch registers and whatever holds no value in the function, else a register that is put aside below rsp meanwhile.
 */
#ifndef WAGI_COMPILER_X64_EMIT_SIMD_H
#define WAGI_COMPILER_X64_EMIT_SIMD_H

#include "compiler/x64/x64.h"

/* Forms by opcode map: packed integers and doubles (66), floats (none). */
#define P(op) (X64_66 | X64_0F | (op))
#define P38(op) (X64_66 | X64_0F38 | (op))
#define P3A(op) (X64_66 | X64_0F3A | (op))
#define PS(op) (X64_0F | (op))
/* The unpacking of the lower halves, by the width of the lanes (log2 bytes); of the higher ones: + 8. */
#define PUNPCKL(width) P((width) == 3 ? 0x6C : 0x60 + (width))
#define PUNPCKH(width) P((width) == 3 ? 0x6D : 0x68 + (width))
#define PAND P(0xDB)
#define PANDN P(0xDF)
#define POR P(0xEB)
#define PXOR P(0xEF)
#define PSHUFD P(0x70)
#define PSHUFB P38(0x00)

/* A second operand: a register, a frame slot, or a constant. */
typedef struct vector_rm {
    int reg; /* negative: the others */
    bool is_const;
    wagi_x64_mem mem;
    uint64_t low, high;
} vector_rm;

typedef struct vector vector;
typedef struct vector_row {
    void (*emit)(vector *v);
    uint32_t form;
    uint32_t arg;
    uint32_t needs; /* features */
} vector_row;

/* One op at hand. */
struct vector {
    wagi_x64_emitter *e;
    const wagi_ins *ins;
    const vector_row *row;
    int d;          /* where the result goes, when it is a vector */
    uint32_t taken; /* registers that hold operands or temporaries */
    int borrowed[6];
    unsigned borrowed_count;
};

static inline vector_rm in_reg(int reg)
{
    return (vector_rm){.reg = reg};
}
static inline vector_rm in_pool(uint64_t low, uint64_t high)
{
    return (vector_rm){.reg = -1, .is_const = true, .low = low, .high = high};
}
/* The same in both halves. */
static inline vector_rm in_pool_2(uint64_t word)
{
    return in_pool(word, word);
}

/* ---- emit_simd.c ---- */
/* Operands. first, second, third: in a register; *_rm: wherever it is. */
int wagi_vx_first(vector *v);
int wagi_vx_second(vector *v);
vector_rm wagi_vx_first_rm(vector *v);
vector_rm wagi_vx_second_rm(vector *v);
int wagi_vx_third(vector *v);
int wagi_vx_temp(vector *v);
int wagi_vx_zero(vector *v); /* a temporary that is 0 */
/* d = x form y; d = form y; with an immediate byte when imm is not negative. */
void wagi_vx_op(vector *v, uint32_t form, int d, int x, vector_rm y);
void wagi_vx_op_imm(vector *v, uint32_t form, int d, int x, vector_rm y, int imm);
void wagi_vx_op_1(vector *v, uint32_t form, int d, vector_rm y);
void wagi_vx_op_1_imm(vector *v, uint32_t form, int d, vector_rm y, int imm);
/* d = x shifted by a constant, for the shift by a register of this form. */
void wagi_vx_shift(vector *v, uint32_t form, int d, int x, unsigned count);
void wagi_vx_from_int(vector *v, int d, int reg, bool is_64); /* movd, movq */
void wagi_vx_put_int(vector *v, int reg);
/* The lowest lane of d to all lanes, with SSE2 alone. */
void wagi_x64_splat_low(wagi_x64_emitter *e, unsigned width, int d);

/* ---- emit_simd.c, emit_simd_lane.c, emit_simd_num.c ---- */
/* wagi_x64_v_<emit> for each emit of the table. */
#define V(op, emit, form, arg, needs) void wagi_x64_v_##emit(vector *v);
#include "compiler/x64/emit_simd.def"
#undef V

#endif

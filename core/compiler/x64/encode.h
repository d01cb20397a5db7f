/* x86-64 instruction encoding. A form is one word: opcode byte, map, mandatory prefix, operand size.
 *
 * The functions append to a buffer without looking at its room: reserve first (wagi_x64_reserve), at most X64_MAX_INS
 * bytes an instruction. Registers are 0..15; for SSE and AVX forms the same numbers mean xmm registers.
 */
#ifndef WAGI_COMPILER_X64_ENCODE_H
#define WAGI_COMPILER_X64_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    X64_RIP = 16 /* as the base of a memory operand: disp counts from the end of the instruction */
};
#define X64_NO_INDEX (-1)
#define X64_MAX_INS 16

/* Parts of a form. */
enum {
    X64_0F = 0x100,
    X64_0F38 = 0x200,
    X64_0F3A = 0x300,
    X64_66 = 0x1000,
    X64_F3 = 0x2000,
    X64_F2 = 0x3000,
    X64_W = 0x10000,
    X64_BYTE_REG = 0x20000, /* the reg operand is a byte register */
    X64_BYTE_RM = 0x40000,  /* the rm operand is a byte register */
};

/* Condition codes; c ^ 1 is the opposite. */
enum { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G };

typedef struct wagi_x64_buffer {
    uint8_t *p;
    size_t n, cap;
} wagi_x64_buffer;

typedef struct wagi_x64_mem {
    int8_t base, index; /* index X64_NO_INDEX or a register other than RSP */
    uint8_t scale;      /* log2 */
    int32_t disp;
} wagi_x64_mem;

static inline wagi_x64_mem wagi_x64_at(int base, int32_t disp)
{
    return (wagi_x64_mem){(int8_t)base, X64_NO_INDEX, 0, disp};
}
static inline wagi_x64_mem wagi_x64_indexed(int base, int index, unsigned scale, int32_t disp)
{
    return (wagi_x64_mem){(int8_t)base, (int8_t)index, (uint8_t)scale, disp};
}

/* Room for `size` more bytes; false without memory. */
bool wagi_x64_reserve(wagi_x64_buffer *b, size_t size);

static inline void wagi_x64_u8(wagi_x64_buffer *b, unsigned x)
{
    b->p[b->n++] = (uint8_t)x;
}
static inline void wagi_x64_u32(wagi_x64_buffer *b, uint32_t x)
{
    memcpy(b->p + b->n, &x, 4);
    b->n += 4;
}
static inline void wagi_x64_u64(wagi_x64_buffer *b, uint64_t x)
{
    memcpy(b->p + b->n, &x, 8);
    b->n += 8;
}

static inline void wagi_x64_prefixes(wagi_x64_buffer *b, uint32_t form, int reg, int index, int base, bool needs_rex)
{
    static const uint8_t mandatory[4] = {0, 0x66, 0xF3, 0xF2};
    if (form >> 12 & 3)
        wagi_x64_u8(b, mandatory[form >> 12 & 3]);
    unsigned rex = (form >> 16 & 1) << 3 | (unsigned)(reg >> 3 & 1) << 2 | (unsigned)(index >> 3 & 1) << 1 |
                   (unsigned)(base >> 3 & 1);
    if (rex || needs_rex)
        wagi_x64_u8(b, 0x40 | rex);
    unsigned map = form >> 8 & 3;
    if (map)
        wagi_x64_u8(b, 0x0F);
    if (map >= 2)
        wagi_x64_u8(b, map == 2 ? 0x38 : 0x3A);
    wagi_x64_u8(b, form & 0xFF);
}

static inline void wagi_x64_modrm_mem(wagi_x64_buffer *b, int reg, wagi_x64_mem mem)
{
    if (mem.base == X64_RIP) {
        wagi_x64_u8(b, (unsigned)(reg & 7) << 3 | 5);
        wagi_x64_u32(b, (uint32_t)mem.disp);
        return;
    }
    int base = mem.base & 7;
    unsigned mode = mem.disp == 0 && base != RBP ? 0 : mem.disp == (int8_t)mem.disp ? 1 : 2;
    if (mem.index < 0 && base != RSP) {
        wagi_x64_u8(b, mode << 6 | (unsigned)(reg & 7) << 3 | (unsigned)base);
    } else {
        unsigned index = mem.index < 0 ? RSP : (unsigned)mem.index & 7;
        wagi_x64_u8(b, mode << 6 | (unsigned)(reg & 7) << 3 | RSP);
        wagi_x64_u8(b, (unsigned)mem.scale << 6 | index << 3 | (unsigned)base);
    }
    if (mode == 1)
        wagi_x64_u8(b, (uint8_t)mem.disp);
    else if (mode == 2)
        wagi_x64_u32(b, (uint32_t)mem.disp);
}

/* form reg, rm (or rm, reg: the form says which) */
static inline void wagi_x64_rr(wagi_x64_buffer *b, uint32_t form, int reg, int rm)
{
    bool rex = ((form & X64_BYTE_REG) && reg >= 4) || ((form & X64_BYTE_RM) && rm >= 4);
    wagi_x64_prefixes(b, form, reg, 0, rm, rex);
    wagi_x64_u8(b, 0xC0 | (unsigned)(reg & 7) << 3 | (unsigned)(rm & 7));
}

static inline void wagi_x64_rm(wagi_x64_buffer *b, uint32_t form, int reg, wagi_x64_mem mem)
{
    wagi_x64_prefixes(b, form, reg, mem.index < 0 ? 0 : mem.index, mem.base == X64_RIP ? 0 : mem.base,
                      (form & X64_BYTE_REG) && reg >= 4);
    wagi_x64_modrm_mem(b, reg, mem);
}

static inline void wagi_x64_vex(wagi_x64_buffer *b, uint32_t form, int reg, int second, int index, int base)
{
    unsigned r = !(reg & 8), x = !(index & 8), bb = !(base & 8), w = form >> 16 & 1, map = form >> 8 & 3;
    unsigned pp = form >> 12 & 3, vvvv = (unsigned)~second & 15;
    if (x && bb && !w && map == 1) {
        wagi_x64_u8(b, 0xC5);
        wagi_x64_u8(b, r << 7 | vvvv << 3 | pp);
    } else {
        wagi_x64_u8(b, 0xC4);
        wagi_x64_u8(b, r << 7 | x << 6 | bb << 5 | map);
        wagi_x64_u8(b, w << 7 | vvvv << 3 | pp);
    }
    wagi_x64_u8(b, form & 0xFF);
}

/* VEX forms: reg, second, rm. A form without a second operand takes 0. */
static inline void wagi_x64_vrr(wagi_x64_buffer *b, uint32_t form, int reg, int second, int rm)
{
    wagi_x64_vex(b, form, reg, second, 0, rm);
    wagi_x64_u8(b, 0xC0 | (unsigned)(reg & 7) << 3 | (unsigned)(rm & 7));
}

static inline void wagi_x64_vrm(wagi_x64_buffer *b, uint32_t form, int reg, int second, wagi_x64_mem mem)
{
    wagi_x64_vex(b, form, reg, second, mem.index < 0 ? 0 : mem.index, mem.base == X64_RIP ? 0 : mem.base);
    wagi_x64_modrm_mem(b, reg, mem);
}

/* Load a constant the shortest way; w: 64 bits. Leaves the flags alone. */
void wagi_x64_mov_imm(wagi_x64_buffer *b, int reg, uint64_t value, bool w);
/* add, or, adc, sbb, and, sub, xor, cmp (digit 0..7) with an immediate. */
void wagi_x64_alu_imm_reg(wagi_x64_buffer *b, unsigned digit, int reg, int32_t imm, bool w);
void wagi_x64_alu_imm_mem(wagi_x64_buffer *b, unsigned digit, wagi_x64_mem mem, int32_t imm, bool w);
/* Padding of `size` bytes that executes as few instructions as possible. */
void wagi_x64_nops(wagi_x64_buffer *b, size_t size);

#endif

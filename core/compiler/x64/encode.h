/* x86-64 instruction encoding. A form is one word: opcode byte, map, mandatory prefix, operand size.
 *
 * The functions append to a buffer without looking at its room: reserve first (wagi_x64_reserve), at most X64_MAX_INS
 * bytes an instruction. They may write up to X64_SLACK bytes behind what they append. Registers are 0..15; for SSE and
 * AVX forms the same numbers mean xmm registers.
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
#define X64_SLACK 8

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

/* Pages of its own, so that growing copies nothing and the code can be made executable where it is. */
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

/* Room for `size` more bytes and the slack; false without memory. */
bool wagi_x64_reserve(wagi_x64_buffer *b, size_t size);
void wagi_x64_buffer_free(wagi_x64_buffer *b);

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

/* The first bytes of an instruction are gathered in one word, lowest first, and stored at once: a store of a byte could
 * change the buffer's own members, for all the compiler knows. */
static inline void wagi_x64_word(wagi_x64_buffer *b, uint64_t word, unsigned bits)
{
    memcpy(b->p + b->n, &word, 8);
    b->n += bits / 8;
}

/* Prefixes and opcode: at most five bytes. *ret_bits receives their size in bits. */
static inline uint64_t wagi_x64_opcode(uint32_t form, int reg, int index, int base, bool needs_rex, unsigned *ret_bits)
{
    uint64_t word = 0;
    unsigned bits = 0, mandatory = form >> 12 & 3, map = form >> 8 & 3;
    if (mandatory) {
        word = mandatory == 1 ? 0x66 : mandatory == 2 ? 0xF3 : 0xF2;
        bits = 8;
    }
    unsigned rex = (form >> 16 & 1) << 3 | (unsigned)(reg >> 3 & 1) << 2 | (unsigned)(index >> 3 & 1) << 1 |
                   (unsigned)(base >> 3 & 1);
    if (rex || needs_rex) {
        word |= (uint64_t)(0x40 | rex) << bits;
        bits += 8;
    }
    if (map) {
        word |= (uint64_t)0x0F << bits;
        bits += 8;
    }
    if (map >= 2) {
        word |= (uint64_t)(map == 2 ? 0x38 : 0x3A) << bits;
        bits += 8;
    }
    *ret_bits = bits + 8;
    return word | (uint64_t)(form & 0xFF) << bits;
}

static inline unsigned wagi_x64_modrm(unsigned mode, int reg, int rm)
{
    return mode << 6 | (unsigned)(reg & 7) << 3 | (unsigned)(rm & 7);
}

/* What follows the opcode: at most two bytes into the word, then the displacement. */
static inline void wagi_x64_put_mem(wagi_x64_buffer *b, uint64_t word, unsigned bits, int reg, wagi_x64_mem mem)
{
    uint32_t disp = (uint32_t)mem.disp;
    if (mem.base == X64_RIP) {
        wagi_x64_word(b, word | (uint64_t)wagi_x64_modrm(0, reg, RBP) << bits, bits + 8);
        wagi_x64_u32(b, disp);
        return;
    }
    int base = mem.base & 7;
    unsigned mode = mem.disp == 0 && base != RBP ? 0 : mem.disp == (int8_t)mem.disp ? 1 : 2;
    if (mem.index < 0 && base != RSP) {
        word |= (uint64_t)wagi_x64_modrm(mode, reg, base) << bits;
        bits += 8;
    } else {
        unsigned index = mem.index < 0 ? RSP : (unsigned)mem.index & 7;
        unsigned sib = (unsigned)mem.scale << 6 | index << 3 | (unsigned)base;
        word |= (uint64_t)(wagi_x64_modrm(mode, reg, RSP) | sib << 8) << bits;
        bits += 16;
    }
    wagi_x64_word(b, word, bits);
    memcpy(b->p + b->n, &disp, 4);
    b->n += mode == 2 ? 4 : mode;
}

/* form reg, rm (or rm, reg: the form says which) */
static inline void wagi_x64_rr(wagi_x64_buffer *b, uint32_t form, int reg, int rm)
{
    bool rex = ((form & X64_BYTE_REG) && reg >= 4) || ((form & X64_BYTE_RM) && rm >= 4);
    unsigned bits;
    uint64_t word = wagi_x64_opcode(form, reg, 0, rm, rex, &bits);
    wagi_x64_word(b, word | (uint64_t)wagi_x64_modrm(3, reg, rm) << bits, bits + 8);
}

static inline void wagi_x64_rm(wagi_x64_buffer *b, uint32_t form, int reg, wagi_x64_mem mem)
{
    unsigned bits;
    uint64_t word = wagi_x64_opcode(form, reg, mem.index < 0 ? 0 : mem.index, mem.base == X64_RIP ? 0 : mem.base,
                                    (form & X64_BYTE_REG) && reg >= 4, &bits);
    wagi_x64_put_mem(b, word, bits, reg, mem);
}

/* opcode reg, [rsp + disp] or the other way round, 64 bits wide: what wagi_x64_rm makes, but in one store. */
static inline void wagi_x64_rsp(wagi_x64_buffer *b, unsigned opcode, int reg, int32_t disp)
{
    unsigned mode = disp == 0 ? 0 : disp == (int8_t)disp ? 1 : 2;
    uint32_t head =
        0x48 | (unsigned)(reg >> 3 & 1) << 2 | opcode << 8 | wagi_x64_modrm(mode, reg, RSP) << 16 | 0x24u << 24;
    wagi_x64_word(b, head | (uint64_t)(uint32_t)disp << 32, 32 + (mode == 2 ? 32 : 8 * mode));
}

/* VEX prefix and opcode: three or four bytes. */
static inline uint64_t wagi_x64_vex(uint32_t form, int reg, int second, int index, int base, unsigned *ret_bits)
{
    unsigned r = !(reg & 8), x = !(index & 8), bb = !(base & 8), w = form >> 16 & 1, map = form >> 8 & 3;
    unsigned pp = form >> 12 & 3, vvvv = (unsigned)~second & 15, opcode = form & 0xFF;
    if (x && bb && !w && map == 1) {
        *ret_bits = 24;
        return 0xC5 | (r << 7 | vvvv << 3 | pp) << 8 | opcode << 16;
    }
    *ret_bits = 32;
    return 0xC4 | (r << 7 | x << 6 | bb << 5 | map) << 8 | (w << 7 | vvvv << 3 | pp) << 16 | opcode << 24;
}

/* VEX forms: reg, second, rm. A form without a second operand takes 0. */
static inline void wagi_x64_vrr(wagi_x64_buffer *b, uint32_t form, int reg, int second, int rm)
{
    unsigned bits;
    uint64_t word = wagi_x64_vex(form, reg, second, 0, rm, &bits);
    wagi_x64_word(b, word | (uint64_t)wagi_x64_modrm(3, reg, rm) << bits, bits + 8);
}

static inline void wagi_x64_vrm(wagi_x64_buffer *b, uint32_t form, int reg, int second, wagi_x64_mem mem)
{
    unsigned bits;
    uint64_t word =
        wagi_x64_vex(form, reg, second, mem.index < 0 ? 0 : mem.index, mem.base == X64_RIP ? 0 : mem.base, &bits);
    wagi_x64_put_mem(b, word, bits, reg, mem);
}

/* Load a constant the shortest way; w: 64 bits. Leaves the flags alone. */
void wagi_x64_mov_imm(wagi_x64_buffer *b, int reg, uint64_t value, bool w);
/* add, or, adc, sbb, and, sub, xor, cmp (digit 0..7) with an immediate. */
void wagi_x64_alu_imm_reg(wagi_x64_buffer *b, unsigned digit, int reg, int32_t imm, bool w);
void wagi_x64_alu_imm_mem(wagi_x64_buffer *b, unsigned digit, wagi_x64_mem mem, int32_t imm, bool w);
/* Padding of `size` bytes that executes as few instructions as possible. */
void wagi_x64_nops(wagi_x64_buffer *b, size_t size);

#endif

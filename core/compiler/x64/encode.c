/* The encoder's longer functions. */
#include "compiler/x64/encode.h"

#include "base/alloc.h"

bool x64_reserve(x64_buffer *b, size_t size)
{
    return wagi_vec_reserve((void **)&b->p, b->n, &b->cap, size, 1);
}

void x64_mov_imm(x64_buffer *b, int reg, uint64_t value, bool w)
{
    if (!w || value <= UINT32_MAX) {
        if (reg >= 8)
            x64_u8(b, 0x41);
        x64_u8(b, 0xB8 | (unsigned)(reg & 7));
        x64_u32(b, (uint32_t)value);
    } else if ((int64_t)value == (int32_t)value) {
        x64_rr(b, X64_W | 0xC7, 0, reg);
        x64_u32(b, (uint32_t)value);
    } else {
        x64_u8(b, 0x48 | (unsigned)(reg >> 3));
        x64_u8(b, 0xB8 | (unsigned)(reg & 7));
        x64_u64(b, value);
    }
}

void x64_alu_imm_reg(x64_buffer *b, unsigned digit, int reg, int32_t imm, bool w)
{
    bool is_byte = imm == (int8_t)imm;
    x64_rr(b, (w ? X64_W : 0) | (is_byte ? 0x83 : 0x81), (int)digit, reg);
    if (is_byte)
        x64_u8(b, (uint8_t)imm);
    else
        x64_u32(b, (uint32_t)imm);
}

void x64_alu_imm_mem(x64_buffer *b, unsigned digit, x64_mem mem, int32_t imm, bool w)
{
    bool is_byte = imm == (int8_t)imm;
    x64_rm(b, (w ? X64_W : 0) | (is_byte ? 0x83 : 0x81), (int)digit, mem);
    if (is_byte)
        x64_u8(b, (uint8_t)imm);
    else
        x64_u32(b, (uint32_t)imm);
}

void x64_nops(x64_buffer *b, size_t size)
{
    static const uint8_t nops[9][9] = {
        {0x90},
        {0x66, 0x90},
        {0x0F, 0x1F, 0x00},
        {0x0F, 0x1F, 0x40, 0x00},
        {0x0F, 0x1F, 0x44, 0x00, 0x00},
        {0x66, 0x0F, 0x1F, 0x44, 0x00, 0x00},
        {0x0F, 0x1F, 0x80, 0x00, 0x00, 0x00, 0x00},
        {0x0F, 0x1F, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
        {0x66, 0x0F, 0x1F, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
    };
    while (size) {
        size_t n = size < 9 ? size : 9;
        memcpy(b->p + b->n, nops[n - 1], n);
        b->n += n;
        size -= n;
    }
}

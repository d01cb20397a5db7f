/* The encoder's longer functions. */
#include "compiler/x64/encode.h"

#include "base/alloc.h"
#include "base/os.h"

#define FIRST_PAGES ((size_t)64 << 10)

bool wagi_x64_reserve(wagi_x64_buffer *b, size_t size)
{
    size += X64_SLACK;
    if (b->cap - b->n >= size)
        return true;
    if (size > SIZE_MAX / 4 - b->n)
        return false;
    size_t wanted = b->cap ? b->cap * 2 : FIRST_PAGES;
    while (wanted < b->n + size)
        wanted *= 2;
    uint8_t *pages = b->p ? wagi_os_remap(b->p, b->cap, wanted) : wagi_os_map(wanted, WAGI_PROT_READ_WRITE);
    if (!pages) {
        wagi_alloc_note_refusal();
        return false;
    }
    wagi_os_prefer_large_pages(pages, wanted);
    b->p = pages;
    b->cap = wanted;
    return true;
}

void wagi_x64_buffer_free(wagi_x64_buffer *b)
{
    if (b->p)
        wagi_os_unmap(b->p, b->cap);
    *b = (wagi_x64_buffer){NULL, 0, 0};
}

void wagi_x64_mov_imm(wagi_x64_buffer *b, int reg, uint64_t value, bool w)
{
    if (!w || value <= UINT32_MAX) {
        if (reg >= 8)
            wagi_x64_u8(b, 0x41);
        wagi_x64_u8(b, 0xB8 | (unsigned)(reg & 7));
        wagi_x64_u32(b, (uint32_t)value);
    } else if ((int64_t)value == (int32_t)value) {
        wagi_x64_rr(b, X64_W | 0xC7, 0, reg);
        wagi_x64_u32(b, (uint32_t)value);
    } else {
        wagi_x64_u8(b, 0x48 | (unsigned)(reg >> 3));
        wagi_x64_u8(b, 0xB8 | (unsigned)(reg & 7));
        wagi_x64_u64(b, value);
    }
}

void wagi_x64_alu_imm_reg(wagi_x64_buffer *b, unsigned digit, int reg, int32_t imm, bool w)
{
    bool is_byte = imm == (int8_t)imm;
    wagi_x64_rr(b, (w ? X64_W : 0) | (is_byte ? 0x83 : 0x81), (int)digit, reg);
    if (is_byte)
        wagi_x64_u8(b, (uint8_t)imm);
    else
        wagi_x64_u32(b, (uint32_t)imm);
}

void wagi_x64_alu_imm_mem(wagi_x64_buffer *b, unsigned digit, wagi_x64_mem mem, int32_t imm, bool w)
{
    bool is_byte = imm == (int8_t)imm;
    wagi_x64_rm(b, (w ? X64_W : 0) | (is_byte ? 0x83 : 0x81), (int)digit, mem);
    if (is_byte)
        wagi_x64_u8(b, (uint8_t)imm);
    else
        wagi_x64_u32(b, (uint32_t)imm);
}

void wagi_x64_nops(wagi_x64_buffer *b, size_t size)
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

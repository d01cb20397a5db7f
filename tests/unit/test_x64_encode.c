/* The x86-64 encoder against a disassembler: every form with every register and addressing mode goes into one file, and
 * objdump's text must be what was meant, line by line and address by address. */
#define _GNU_SOURCE /* popen, mkstemp */
#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/x64/encode.h"

enum { TEXT = 96 };

/* What is expected of one instruction. A text of "nop": any padding instruction. */
typedef struct line {
    size_t at;
    char text[TEXT];
} line;

static wagi_x64_buffer code;
static line *lines;
static size_t line_count, line_room;

static char *expect(void)
{
    if (line_count == line_room) {
        line_room = 2 * line_room + 1024;
        lines = realloc(lines, line_room * sizeof *lines);
        if (!lines)
            abort();
    }
    assert_true(wagi_x64_reserve(&code, 64));
    lines[line_count].at = code.n;
    return lines[line_count++].text;
}

/* ---- names ---- */

static const char *const names_64[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                       "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
static const char *const names_32[] = {"eax", "ecx", "edx",  "ebx",  "esp",  "ebp",  "esi",  "edi",
                                       "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"};
static const char *const names_16[] = {"ax",  "cx",  "dx",   "bx",   "sp",   "bp",   "si",   "di",
                                       "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w"};
static const char *const names_8[] = {"al",  "cl",  "dl",   "bl",   "spl",  "bpl",  "sil",  "dil",
                                      "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b"};
static const char *const names_x[] = {"xmm0", "xmm1", "xmm2",  "xmm3",  "xmm4",  "xmm5",  "xmm6",  "xmm7",
                                      "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"};

/* q d w b: integer registers by size; x: xmm */
static const char *name_of(char class, int reg)
{
    switch (class) {
    case 'q':
        return names_64[reg];
    case 'd':
        return names_32[reg];
    case 'w':
        return names_16[reg];
    case 'b':
        return names_8[reg];
    default:
        return names_x[reg];
    }
}

static const char *size_name(char size)
{
    switch (size) {
    case 'q':
        return "QWORD PTR ";
    case 'd':
        return "DWORD PTR ";
    case 'w':
        return "WORD PTR ";
    case 'b':
        return "BYTE PTR ";
    case 'x':
        return "XMMWORD PTR ";
    default:
        return ""; /* lea */
    }
}

static void memory_text(char *text, size_t room, char size, wagi_x64_mem mem)
{
    char index[16] = "", disp[24] = "";
    bool is_rbp_like = (mem.base & 7) == RBP && mem.base != X64_RIP;
    if (mem.index >= 0)
        (void)snprintf(index, sizeof index, "+%s*%d", names_64[mem.index], 1 << mem.scale);
    if (mem.disp || is_rbp_like || mem.base == X64_RIP)
        (void)snprintf(disp, sizeof disp, "%c0x%x", mem.disp < 0 ? '-' : '+',
                       mem.disp < 0 ? 0u - (uint32_t)mem.disp : (uint32_t)mem.disp);
    (void)snprintf(text, room, "%s[%s%s%s]", size_name(size), mem.base == X64_RIP ? "rip" : names_64[mem.base], index,
                   disp);
}

/* ---- forms ---- */

typedef struct form {
    const char *name;
    uint32_t form;
    char reg, rm;       /* classes of the operands in registers; reg '0'..'7': no operand, a digit */
    char size;          /* of the memory operand; 0: there is no such form */
    bool rm_first;      /* the text names rm first */
    bool is_avx, three; /* VEX; with a second operand */
    bool only_memory;
    unsigned immediate; /* bytes of immediate that follow */
} form;

#define I(name, form, class)                                                                                           \
    {                                                                                                                  \
        name, form, class, class, class, .rm_first = false                                                             \
    }
#define BOTH(name, form) I(name, form, 'd'), I(name, X64_W | (form), 'q')
#define STORE(name, form, class)                                                                                       \
    {                                                                                                                  \
        name, form, class, class, class, .rm_first = true                                                              \
    }
#define DIGIT(name, form, digit, class, bytes)                                                                         \
    {                                                                                                                  \
        name, form, digit, class, class, .immediate = bytes                                                            \
    }
#define SSE(name, form, size)                                                                                          \
    {name, form, 'x', 'x', size, .rm_first = false},                                                                   \
    {                                                                                                                  \
        "v" name, form, 'x', 'x', size, .is_avx = true, .three = true                                                  \
    }
#define SSE_2(name, form, size)                                                                                        \
    {name, form, 'x', 'x', size, .rm_first = false},                                                                   \
    {                                                                                                                  \
        "v" name, form, 'x', 'x', size, .is_avx = true                                                                 \
    }
#define SS_SD(name, op) SSE(name "ss", X64_0F | X64_F3 | (op), 'd'), SSE(name "sd", X64_0F | X64_F2 | (op), 'q')
#define PS_PD(name, op) SSE(name "ps", X64_0F | (op), 'x'), SSE(name "pd", X64_0F | X64_66 | (op), 'x')
#define SSE_IMM(name, form, size)                                                                                      \
    {name, form, 'x', 'x', size, .immediate = 1},                                                                      \
    {                                                                                                                  \
        "v" name, form, 'x', 'x', size, .is_avx = true, .three = true, .immediate = 1                                  \
    }
#define SSE_2_IMM(name, form, size)                                                                                    \
    {name, form, 'x', 'x', size, .immediate = 1},                                                                      \
    {                                                                                                                  \
        "v" name, form, 'x', 'x', size, .is_avx = true, .immediate = 1                                                 \
    }
#define P(name, op) SSE(name, X64_66 | X64_0F | (op), 'x')
#define P38(name, op) SSE(name, X64_66 | X64_0F38 | (op), 'x')
#define BY_CONSTANT(name, op, digit)                                                                                   \
    {name, X64_66 | X64_0F | (op), digit, 'x', 0, .immediate = 1},                                                     \
    {                                                                                                                  \
        "v" name, X64_66 | X64_0F | (op), digit, 'x', 0, .is_avx = true, .three = true, .immediate = 1                 \
    }
#define EXTEND(name, op)                                                                                               \
    SSE_2("pmovsx" name, X64_66 | X64_0F38 | (op), 'q'), SSE_2("pmovzx" name, X64_66 | X64_0F38 | (op) | 0x10, 'q')
/* Between a lane and an integer register or memory. */
#define EXTRACT(name, form, class, size)                                                                               \
    {name, form, 'x', class, size, .rm_first = true, .immediate = 1},                                                  \
    {                                                                                                                  \
        "v" name, form, 'x', class, size, .rm_first = true, .is_avx = true, .immediate = 1                             \
    }
#define INSERT(name, form, class, size)                                                                                \
    {name, form, 'x', class, size, .immediate = 1},                                                                    \
    {                                                                                                                  \
        "v" name, form, 'x', class, size, .is_avx = true, .three = true, .immediate = 1                                \
    }
#define MASK(name, form)                                                                                               \
    {name, form, 'd', 'x', 0, .rm_first = false},                                                                      \
    {                                                                                                                  \
        "v" name, form, 'd', 'x', 0, .is_avx = true                                                                    \
    }
#define BROADCAST(name, op, size)                                                                                      \
    {                                                                                                                  \
        name, X64_66 | X64_0F38 | (op), 'x', 'x', size, .is_avx = true                                                 \
    }
#define CMOV(name, cc) BOTH("cmov" name, X64_0F | 0x40 | (cc))

static const form forms[] = {
    BOTH("mov", 0x8B),
    BOTH("add", 0x03),
    BOTH("or", 0x0B),
    BOTH("and", 0x23),
    BOTH("sub", 0x2B),
    BOTH("xor", 0x33),
    BOTH("cmp", 0x3B),
    BOTH("adc", 0x13),
    BOTH("sbb", 0x1B),
    BOTH("imul", X64_0F | 0xAF),
    BOTH("bsf", X64_0F | 0xBC),
    BOTH("bsr", X64_0F | 0xBD),
    BOTH("lzcnt", X64_0F | X64_F3 | 0xBD),
    BOTH("tzcnt", X64_0F | X64_F3 | 0xBC),
    BOTH("popcnt", X64_0F | X64_F3 | 0xB8),
    CMOV("o", CC_O),
    CMOV("no", CC_NO),
    CMOV("b", CC_B),
    CMOV("ae", CC_AE),
    CMOV("e", CC_E),
    CMOV("ne", CC_NE),
    CMOV("be", CC_BE),
    CMOV("a", CC_A),
    CMOV("s", CC_S),
    CMOV("ns", CC_NS),
    CMOV("p", CC_P),
    CMOV("np", CC_NP),
    CMOV("l", CC_L),
    CMOV("ge", CC_GE),
    CMOV("le", CC_LE),
    CMOV("g", CC_G),
    STORE("mov", 0x89, 'd'),
    STORE("mov", X64_W | 0x89, 'q'),
    STORE("mov", X64_66 | 0x89, 'w'),
    STORE("mov", X64_BYTE_REG | X64_BYTE_RM | 0x88, 'b'),
    STORE("cmp", X64_W | 0x39, 'q'),
    STORE("cmp", 0x39, 'd'),
    STORE("test", 0x85, 'd'),
    STORE("test", X64_W | 0x85, 'q'),
    STORE("test", X64_BYTE_REG | X64_BYTE_RM | 0x84, 'b'),
    {"lea", 0x8D, 'd', 'd', ' ', .only_memory = true},
    {"lea", X64_W | 0x8D, 'q', 'q', ' ', .only_memory = true},
    {"movzx", X64_0F | X64_BYTE_RM | 0xB6, 'd', 'b', 'b', .rm_first = false},
    {"movzx", X64_0F | 0xB7, 'd', 'w', 'w', .rm_first = false},
    {"movsx", X64_0F | X64_BYTE_RM | 0xBE, 'd', 'b', 'b', .rm_first = false},
    {"movsx", X64_0F | 0xBF, 'd', 'w', 'w', .rm_first = false},
    {"movsx", X64_W | X64_0F | X64_BYTE_RM | 0xBE, 'q', 'b', 'b', .rm_first = false},
    {"movsx", X64_W | X64_0F | 0xBF, 'q', 'w', 'w', .rm_first = false},
    {"movsxd", X64_W | 0x63, 'q', 'd', 'd', .rm_first = false},
    {"imul", 0x6B, 'd', 'd', 'd', .immediate = 1},
    {"imul", 0x69, 'd', 'd', 'd', .immediate = 4},
    {"imul", X64_W | 0x6B, 'q', 'q', 'q', .immediate = 1},
    {"imul", X64_W | 0x69, 'q', 'q', 'q', .immediate = 4},
    DIGIT("mov", 0xC7, '0', 'd', 4),
    DIGIT("mov", X64_W | 0xC7, '0', 'q', 4),
    DIGIT("mov", X64_66 | 0xC7, '0', 'w', 2),
    DIGIT("mov", X64_BYTE_RM | 0xC6, '0', 'b', 1),
    DIGIT("test", 0xF7, '0', 'd', 4),
    DIGIT("test", X64_W | 0xF7, '0', 'q', 4),
    DIGIT("not", 0xF7, '2', 'd', 0),
    DIGIT("neg", 0xF7, '3', 'd', 0),
    DIGIT("neg", X64_W | 0xF7, '3', 'q', 0),
    DIGIT("div", 0xF7, '6', 'd', 0),
    DIGIT("div", X64_W | 0xF7, '6', 'q', 0),
    DIGIT("idiv", 0xF7, '7', 'd', 0),
    DIGIT("idiv", X64_W | 0xF7, '7', 'q', 0),
    DIGIT("rol", 0xC1, '0', 'd', 1),
    DIGIT("ror", X64_W | 0xC1, '1', 'q', 1),
    DIGIT("shl", X64_W | 0xC1, '4', 'q', 1),
    DIGIT("shr", 0xC1, '5', 'd', 1),
    DIGIT("sar", X64_W | 0xC1, '7', 'q', 1),
    DIGIT("bt", X64_W | X64_0F | 0xBA, '4', 'q', 1),
    DIGIT("btc", X64_W | X64_0F | 0xBA, '7', 'q', 1),
    DIGIT("call", 0xFF, '2', 'q', 0),
    DIGIT("jmp", 0xFF, '4', 'q', 0),
    {"sete", X64_0F | X64_BYTE_RM | 0x90 | CC_E, '0', 'b', 'b', .rm_first = false},
    {"setnp", X64_0F | X64_BYTE_RM | 0x90 | CC_NP, '0', 'b', 'b', .rm_first = false},
    {"setg", X64_0F | X64_BYTE_RM | 0x90 | CC_G, '0', 'b', 'b', .rm_first = false},
    SS_SD("add", 0x58),
    SS_SD("mul", 0x59),
    SS_SD("sub", 0x5C),
    SS_SD("min", 0x5D),
    SS_SD("div", 0x5E),
    SS_SD("max", 0x5F),
    SS_SD("sqrt", 0x51),
    SSE("cvtss2sd", X64_0F | X64_F3 | 0x5A, 'd'),
    SSE("cvtsd2ss", X64_0F | X64_F2 | 0x5A, 'q'),
    PS_PD("and", 0x54),
    PS_PD("or", 0x56),
    PS_PD("xor", 0x57),
    SSE_2("ucomiss", X64_0F | 0x2E, 'd'),
    SSE_2("ucomisd", X64_0F | X64_66 | 0x2E, 'q'),
    SSE_2("movaps", X64_0F | 0x28, 'x'),
    {"movss", X64_0F | X64_F3 | 0x10, 'x', 'x', 'd', .only_memory = true},
    {"movsd", X64_0F | X64_F2 | 0x10, 'x', 'x', 'q', .only_memory = true},
    {"movss", X64_0F | X64_F3 | 0x11, 'x', 'x', 'd', .rm_first = true, .only_memory = true},
    {"movsd", X64_0F | X64_F2 | 0x11, 'x', 'x', 'q', .rm_first = true, .only_memory = true},
    {"vmovss", X64_0F | X64_F3 | 0x10, 'x', 'x', 'd', .is_avx = true, .only_memory = true},
    {"vmovsd", X64_0F | X64_F2 | 0x10, 'x', 'x', 'q', .is_avx = true, .only_memory = true},
    {"vmovss", X64_0F | X64_F3 | 0x11, 'x', 'x', 'd', .rm_first = true, .is_avx = true, .only_memory = true},
    {"vmovsd", X64_0F | X64_F2 | 0x11, 'x', 'x', 'q', .rm_first = true, .is_avx = true, .only_memory = true},
    {"roundss", X64_0F3A | X64_66 | 0x0A, 'x', 'x', 'd', .immediate = 1},
    {"roundsd", X64_0F3A | X64_66 | 0x0B, 'x', 'x', 'q', .immediate = 1},
    {"vroundss", X64_0F3A | X64_66 | 0x0A, 'x', 'x', 'd', .is_avx = true, .three = true, .immediate = 1},
    {"vroundsd", X64_0F3A | X64_66 | 0x0B, 'x', 'x', 'q', .is_avx = true, .three = true, .immediate = 1},
    {"movd", X64_0F | X64_66 | 0x6E, 'x', 'd', 'd', .rm_first = false},
    {"movq", X64_W | X64_0F | X64_66 | 0x6E, 'x', 'q', 'q', .rm_first = false},
    {"movd", X64_0F | X64_66 | 0x7E, 'x', 'd', 'd', .rm_first = true},
    {"movq", X64_W | X64_0F | X64_66 | 0x7E, 'x', 'q', 'q', .rm_first = true},
    {"vmovd", X64_0F | X64_66 | 0x6E, 'x', 'd', 'd', .is_avx = true},
    {"vmovq", X64_W | X64_0F | X64_66 | 0x6E, 'x', 'q', 'q', .is_avx = true},
    {"vmovd", X64_0F | X64_66 | 0x7E, 'x', 'd', 'd', .rm_first = true, .is_avx = true},
    {"vmovq", X64_W | X64_0F | X64_66 | 0x7E, 'x', 'q', 'q', .rm_first = true, .is_avx = true},
    {"cvttss2si", X64_0F | X64_F3 | 0x2C, 'd', 'x', 'd', .rm_first = false},
    {"cvttsd2si", X64_W | X64_0F | X64_F2 | 0x2C, 'q', 'x', 'q', .rm_first = false},
    {"vcvttss2si", X64_W | X64_0F | X64_F3 | 0x2C, 'q', 'x', 'd', .is_avx = true},
    {"vcvttsd2si", X64_0F | X64_F2 | 0x2C, 'd', 'x', 'q', .is_avx = true},
    {"cvtsi2ss", X64_0F | X64_F3 | 0x2A, 'x', 'd', 'd', .rm_first = false},
    {"cvtsi2sd", X64_W | X64_0F | X64_F2 | 0x2A, 'x', 'q', 'q', .rm_first = false},
    {"vcvtsi2ss", X64_0F | X64_F3 | 0x2A, 'x', 'd', 'd', .is_avx = true, .three = true},
    {"vcvtsi2sd", X64_W | X64_0F | X64_F2 | 0x2A, 'x', 'q', 'q', .is_avx = true, .three = true},
    {"rorx", X64_0F3A | X64_F2 | 0xF0, 'd', 'd', 'd', .is_avx = true, .immediate = 1},
    {"rorx", X64_W | X64_0F3A | X64_F2 | 0xF0, 'q', 'q', 'q', .is_avx = true, .immediate = 1},
};

/* The instructions of the vector ops. */
static const form vector_forms[] = {
    P("paddb", 0xFC),
    P("paddw", 0xFD),
    P("paddd", 0xFE),
    P("paddq", 0xD4),
    P("psubb", 0xF8),
    P("psubw", 0xF9),
    P("psubd", 0xFA),
    P("psubq", 0xFB),
    P("paddsb", 0xEC),
    P("paddsw", 0xED),
    P("paddusb", 0xDC),
    P("paddusw", 0xDD),
    P("psubsb", 0xE8),
    P("psubsw", 0xE9),
    P("psubusb", 0xD8),
    P("psubusw", 0xD9),
    P("pminub", 0xDA),
    P("pmaxub", 0xDE),
    P("pminsw", 0xEA),
    P("pmaxsw", 0xEE),
    P("pavgb", 0xE0),
    P("pavgw", 0xE3),
    P("pmullw", 0xD5),
    P("pmulhw", 0xE5),
    P("pmulhuw", 0xE4),
    P("pmaddwd", 0xF5),
    P("pmuludq", 0xF4),
    P("pcmpeqb", 0x74),
    P("pcmpeqw", 0x75),
    P("pcmpeqd", 0x76),
    P("pcmpgtb", 0x64),
    P("pcmpgtw", 0x65),
    P("pcmpgtd", 0x66),
    P("packsswb", 0x63),
    P("packuswb", 0x67),
    P("packssdw", 0x6B),
    P("punpcklbw", 0x60),
    P("punpcklwd", 0x61),
    P("punpckldq", 0x62),
    P("punpcklqdq", 0x6C),
    P("punpckhbw", 0x68),
    P("punpckhwd", 0x69),
    P("punpckhdq", 0x6A),
    P("punpckhqdq", 0x6D),
    P("psllw", 0xF1),
    P("pslld", 0xF2),
    P("psllq", 0xF3),
    P("psrlw", 0xD1),
    P("psrld", 0xD2),
    P("psrlq", 0xD3),
    P("psraw", 0xE1),
    P("psrad", 0xE2),
    P("pand", 0xDB),
    P("pandn", 0xDF),
    P("por", 0xEB),
    P("pxor", 0xEF),
    P38("pshufb", 0x00),
    P38("pmaddubsw", 0x04),
    P38("pmulhrsw", 0x0B),
    P38("pcmpeqq", 0x29),
    P38("pmuldq", 0x28),
    P38("packusdw", 0x2B),
    P38("pcmpgtq", 0x37),
    P38("pminsb", 0x38),
    P38("pminsd", 0x39),
    P38("pminuw", 0x3A),
    P38("pminud", 0x3B),
    P38("pmaxsb", 0x3C),
    P38("pmaxsd", 0x3D),
    P38("pmaxuw", 0x3E),
    P38("pmaxud", 0x3F),
    P38("pmulld", 0x40),
    PS_PD("add", 0x58),
    PS_PD("mul", 0x59),
    PS_PD("sub", 0x5C),
    PS_PD("min", 0x5D),
    PS_PD("div", 0x5E),
    PS_PD("max", 0x5F),
    PS_PD("unpckl", 0x14),
    SSE_2("sqrtps", X64_0F | 0x51, 'x'),
    SSE_2("sqrtpd", X64_66 | X64_0F | 0x51, 'x'),
    SSE_2("pabsb", X64_66 | X64_0F38 | 0x1C, 'x'),
    SSE_2("pabsw", X64_66 | X64_0F38 | 0x1D, 'x'),
    SSE_2("pabsd", X64_66 | X64_0F38 | 0x1E, 'x'),
    SSE_2("ptest", X64_66 | X64_0F38 | 0x17, 'x'),
    EXTEND("bw", 0x20),
    EXTEND("wd", 0x23),
    EXTEND("dq", 0x25),
    SSE_2("cvtdq2ps", X64_0F | 0x5B, 'x'),
    SSE_2("cvttps2dq", X64_F3 | X64_0F | 0x5B, 'x'),
    SSE_2("cvtdq2pd", X64_F3 | X64_0F | 0xE6, 'q'),
    SSE_2("cvttpd2dq", X64_66 | X64_0F | 0xE6, 'x'),
    SSE_2("cvtps2pd", X64_0F | 0x5A, 'q'),
    SSE_2("cvtpd2ps", X64_66 | X64_0F | 0x5A, 'x'),
    SSE_2_IMM("pshufd", X64_66 | X64_0F | 0x70, 'x'),
    SSE_2_IMM("pshuflw", X64_F2 | X64_0F | 0x70, 'x'),
    SSE_2_IMM("pshufhw", X64_F3 | X64_0F | 0x70, 'x'),
    SSE_2_IMM("roundps", X64_66 | X64_0F3A | 0x08, 'x'),
    SSE_2_IMM("roundpd", X64_66 | X64_0F3A | 0x09, 'x'),
    SSE_IMM("palignr", X64_66 | X64_0F3A | 0x0F, 'x'),
    SSE_IMM("pblendw", X64_66 | X64_0F3A | 0x0E, 'x'),
    SSE_IMM("shufps", X64_0F | 0xC6, 'x'),
    SSE_IMM("shufpd", X64_66 | X64_0F | 0xC6, 'x'),
    SSE_IMM("cmpps", X64_0F | 0xC2, 'x'),
    SSE_IMM("cmppd", X64_66 | X64_0F | 0xC2, 'x'),
    SSE_IMM("insertps", X64_66 | X64_0F3A | 0x21, 'd'),
    BY_CONSTANT("psllw", 0x71, '6'),
    BY_CONSTANT("psrlw", 0x71, '2'),
    BY_CONSTANT("psraw", 0x71, '4'),
    BY_CONSTANT("pslld", 0x72, '6'),
    BY_CONSTANT("psrad", 0x72, '4'),
    BY_CONSTANT("psllq", 0x73, '6'),
    BY_CONSTANT("psrlq", 0x73, '2'),
    EXTRACT("pextrb", X64_66 | X64_0F3A | 0x14, 'd', 'b'),
    EXTRACT("pextrd", X64_66 | X64_0F3A | 0x16, 'd', 'd'),
    EXTRACT("pextrq", X64_W | X64_66 | X64_0F3A | 0x16, 'q', 'q'),
    {"pextrw", X64_66 | X64_0F | 0xC5, 'd', 'x', 0, .immediate = 1},
    {"vpextrw", X64_66 | X64_0F | 0xC5, 'd', 'x', 0, .is_avx = true, .immediate = 1},
    INSERT("pinsrb", X64_66 | X64_0F3A | 0x20, 'd', 'b'),
    INSERT("pinsrw", X64_66 | X64_0F | 0xC4, 'd', 'w'),
    INSERT("pinsrd", X64_66 | X64_0F3A | 0x22, 'd', 'd'),
    INSERT("pinsrq", X64_W | X64_66 | X64_0F3A | 0x22, 'q', 'q'),
    MASK("pmovmskb", X64_66 | X64_0F | 0xD7),
    MASK("movmskps", X64_0F | 0x50),
    MASK("movmskpd", X64_66 | X64_0F | 0x50),
    BROADCAST("vpbroadcastb", 0x78, 'b'),
    BROADCAST("vpbroadcastw", 0x79, 'w'),
    BROADCAST("vpbroadcastd", 0x58, 'd'),
    BROADCAST("vpbroadcastq", 0x59, 'q'),
    BROADCAST("vbroadcastss", 0x18, 'd'),
    {"vmovddup", X64_F2 | X64_0F | 0x12, 'x', 'x', 'q', .is_avx = true},
    {"vmovsd", X64_F2 | X64_0F | 0x10, 'x', 'x', 0, .is_avx = true, .three = true},
    {"movups", X64_0F | 0x10, 'x', 'x', 'x', .only_memory = true},
    {"movups", X64_0F | 0x11, 'x', 'x', 'x', .rm_first = true, .only_memory = true},
    {"vmovups", X64_0F | 0x10, 'x', 'x', 'x', .is_avx = true, .only_memory = true},
    {"vmovups", X64_0F | 0x11, 'x', 'x', 'x', .rm_first = true, .is_avx = true, .only_memory = true},
};

/* BMI2 shifts name the count, which is VEX's second operand, last. */
static const form shifts[] = {
    {"shlx", X64_0F38 | X64_66 | 0xF7, 'd', 'd', 'd', .is_avx = true},
    {"sarx", X64_0F38 | X64_F3 | 0xF7, 'd', 'd', 'd', .is_avx = true},
    {"shrx", X64_W | X64_0F38 | X64_F2 | 0xF7, 'q', 'q', 'q', .is_avx = true},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool is_digit(const form *f)
{
    return f->reg >= '0' && f->reg <= '7';
}

/* Emits the immediate, which is 0x5A in each byte, and gives its text. */
static const char *immediate(const form *f)
{
    static const char *const texts[] = {"", ",0x5a", ",0x5a5a", "", ",0x5a5a5a5a"};
    for (unsigned i = 0; i < f->immediate; i++)
        wagi_x64_u8(&code, 0x5A);
    return texts[f->immediate];
}

static void finish_text(char *text, const form *f, int reg, int second, const char *rm, bool shift)
{
    const char *tail = immediate(f), *first = is_digit(f) ? "" : name_of(f->reg, reg);
    if (is_digit(f) && f->three)
        (void)snprintf(text, TEXT, "%s %s,%s%s", f->name, names_x[second], rm, tail);
    else if (is_digit(f))
        (void)snprintf(text, TEXT, "%s %s%s", f->name, rm, tail);
    else if (shift)
        (void)snprintf(text, TEXT, "%s %s,%s,%s", f->name, first, rm, name_of(f->reg, second));
    else if (f->three)
        (void)snprintf(text, TEXT, "%s %s,%s,%s%s", f->name, first, names_x[second], rm, tail);
    else
        (void)snprintf(text, TEXT, "%s %s,%s%s", f->name, f->rm_first ? rm : first, f->rm_first ? first : rm, tail);
}

static void add_registers(const form *f, int reg, int second, int rm, bool shift)
{
    char *text = expect();
    int operand = is_digit(f) ? f->reg - '0' : reg;
    if (f->is_avx)
        wagi_x64_vrr(&code, f->form, operand, f->three || shift ? second : 0, rm);
    else
        wagi_x64_rr(&code, f->form, operand, rm);
    finish_text(text, f, reg, second, name_of(f->rm, rm), shift);
}

static void add_memory(const form *f, int reg, int second, wagi_x64_mem mem, bool shift)
{
    char *text = expect(), rm[64];
    int operand = is_digit(f) ? f->reg - '0' : reg;
    memory_text(rm, sizeof rm, f->size, mem);
    if (f->is_avx)
        wagi_x64_vrm(&code, f->form, operand, f->three || shift ? second : 0, mem);
    else
        wagi_x64_rm(&code, f->form, operand, mem);
    finish_text(text, f, reg, second, rm, shift);
}

static const int32_t disps[] = {0, 1, -1, 127, -128, 128, -129, 0x12345678, INT32_MAX, INT32_MIN};

static void add_form(const form *f, bool shift)
{
    int last = is_digit(f) ? 1 : 16;
    for (int reg = 0; reg < last && !f->only_memory; reg++)
        for (int rm = 0; rm < 16; rm++)
            add_registers(f, reg, (reg * 5 + rm * 3 + 1) & 15, rm, shift);
    if (!f->size)
        return;
    unsigned turn = 0; /* the registers that are not the point change all the time */
    for (int base = 0; base < 16; base++)
        for (size_t d = 0; d < COUNT(disps); d++) {
            add_memory(f, (int)(turn * 7 & 15), (int)(turn * 3 & 15), wagi_x64_at(base, disps[d]), shift);
            for (int index = 0; index < 16; index++, turn++)
                if (index != RSP)
                    add_memory(f, (int)(turn * 7 & 15), (int)(turn * 3 & 15),
                               wagi_x64_indexed(base, index, turn / 3 & 3, disps[d]), shift);
        }
    for (int reg = 0; reg < last && !f->immediate; reg++)
        add_memory(f, reg, 15 - reg, wagi_x64_at(X64_RIP, 0x1000 + reg), shift);
}

static void add_immediates(void)
{
    static const char *const alu[] = {"add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"};
    static const int32_t values[] = {0, 1, -1, 127, -128, 128, -129, INT32_MAX, INT32_MIN};
    for (unsigned digit = 0; digit < 8; digit++)
        for (size_t i = 0; i < COUNT(values); i++)
            for (int reg = 0; reg < 16; reg++)
                for (int w = 0; w < 2; w++) {
                    unsigned long long shown = w ? (uint64_t)(int64_t)values[i] : (uint32_t)values[i];
                    char *text = expect(), memory[64];
                    wagi_x64_alu_imm_reg(&code, digit, reg, values[i], w);
                    (void)snprintf(text, TEXT, "%s %s,0x%llx", alu[digit], name_of(w ? 'q' : 'd', reg), shown);
                    text = expect();
                    wagi_x64_mem mem = wagi_x64_at(reg, (int32_t)(digit * 100));
                    wagi_x64_alu_imm_mem(&code, digit, mem, values[i], w);
                    memory_text(memory, sizeof memory, w ? 'q' : 'd', mem);
                    (void)snprintf(text, TEXT, "%s %s,0x%llx", alu[digit], memory, shown);
                }
}

static void add_moves(void)
{
    static const uint64_t values[] = {
        0,           1,         0x7FFFFFFF,         0x80000000,         0xFFFFFFFF,
        0x100000000, INT64_MAX, 0x8000000000000000, 0xFFFFFFFF80000000, 0xFFFFFFFF7FFFFFFF,
        UINT64_MAX};
    for (size_t i = 0; i < COUNT(values); i++)
        for (int reg = 0; reg < 16; reg++) {
            unsigned long long value = values[i];
            bool is_short = value <= UINT32_MAX, is_signed = (int64_t)value == (int32_t)value;
            char *text = expect();
            wagi_x64_mov_imm(&code, reg, value, true);
            (void)snprintf(text, TEXT, "%s %s,0x%llx", is_short || is_signed ? "mov" : "movabs",
                           name_of(is_short ? 'd' : 'q', reg), value);
            text = expect();
            wagi_x64_mov_imm(&code, reg, value, false);
            (void)snprintf(text, TEXT, "mov %s,0x%llx", names_32[reg], value & UINT32_MAX);
        }
}

/* ---- the disassembler ---- */

/* "   1f:\tmov    rax,rbx   # 0x..." to address and "mov rax,rbx". False for other lines. */
static bool read_line(char *text, size_t *ret_at, char *ret)
{
    char *end;
    *ret_at = strtoul(text, &end, 16);
    if (end == text || *end != ':')
        return false;
    size_t n = 0;
    bool gap = false;
    for (end++; *end && *end != '#' && *end != '\n' && n < TEXT - 2; end++) {
        if (*end == ' ' || *end == '\t') {
            gap = n > 0;
            continue;
        }
        if (gap)
            ret[n++] = ' ';
        gap = false;
        ret[n++] = *end;
    }
    ret[n] = 0;
    return true;
}

static bool is_nop(const char *text)
{
    return strncmp(text, "nop", 3) == 0 || strcmp(text, "xchg ax,ax") == 0;
}

static void disassemble_and_compare(void)
{
    char path[] = "/tmp/waggle-encode-XXXXXX", command[128], row[256], text[TEXT];
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, code.p, code.n), code.n);
    close(file);
    (void)snprintf(command, sizeof command, "objdump -D -w -b binary -m i386:x86-64 -M intel --no-show-raw-insn %s",
                   path);
    FILE *out = popen(command, "r");
    size_t seen = 0, at;
    char complaint[512] = "";
    while (out && fgets(row, sizeof row, out)) {
        if (complaint[0] || !read_line(row, &at, text))
            continue;
        const line *want = seen < line_count ? &lines[seen] : NULL;
        bool nop = want && strcmp(want->text, "nop") == 0 && is_nop(text);
        if (!want || at != want->at || (!nop && strcmp(text, want->text) != 0))
            (void)snprintf(complaint, sizeof complaint, "line %zu: want 0x%zx %s, got 0x%zx %s", seen,
                           want ? want->at : 0, want ? want->text : "nothing", at, text);
        seen++;
    }
    int status = out ? pclose(out) : -1;
    unlink(path);
    if (status != 0)
        fail_msg("objdump (package binutils) ends with %d", status);
    if (complaint[0])
        fail_msg("%s", complaint);
    assert_int_equal(seen, line_count);
}

static int begin(void **state)
{
    (void)state;
    code.n = line_count = 0;
    return 0;
}

static void test_each_form_disassembles_to_what_was_meant(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(forms); i++)
        add_form(&forms[i], false);
    for (size_t i = 0; i < COUNT(shifts); i++)
        add_form(&shifts[i], true);
    disassemble_and_compare();
    assert_true(line_count > 300000);
}

/* The mask of vblendv is a register in the immediate. */
static void add_blends(void)
{
    for (int reg = 0; reg < 16; reg++)
        for (int pd = 0; pd < 2; pd++) {
            int second = (reg + 3) & 15, rm = (reg * 5 + 1) & 15, mask = 15 - reg;
            char *text = expect();
            wagi_x64_vrr(&code, X64_66 | X64_0F3A | (pd ? 0x4B : 0x4A), reg, second, rm);
            wagi_x64_u8(&code, (unsigned)mask << 4);
            (void)snprintf(text, TEXT, "vblendvp%c %s,%s,%s,%s", pd ? 'd' : 's', names_x[reg], names_x[second],
                           names_x[rm], names_x[mask]);
        }
}

static void test_each_form_of_the_vector_ops_disassembles_to_what_was_meant(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(vector_forms); i++)
        add_form(&vector_forms[i], false);
    add_blends();
    disassemble_and_compare();
    assert_true(line_count > 400000);
}

static void test_immediates_take_the_short_form_and_keep_their_value(void **state)
{
    (void)state;
    add_immediates();
    add_moves();
    disassemble_and_compare();
}

static void test_padding_is_nops_of_exactly_its_size(void **state)
{
    (void)state;
    for (size_t size = 1; size < 40; size++) {
        size_t from = code.n;
        for (size_t left = size; left; left -= left < 9 ? left : 9) {
            (void)snprintf(expect(), TEXT, "nop");
            lines[line_count - 1].at = from + size - left;
        }
        wagi_x64_nops(&code, size);
        assert_int_equal(code.n - from, size);
        char *text = expect();
        wagi_x64_rr(&code, 0x8B, RAX, RBX);
        (void)snprintf(text, TEXT, "mov eax,ebx");
    }
    disassemble_and_compare();
}

static void test_moves_of_frame_slots_are_the_bytes_that_the_general_form_makes(void **state)
{
    (void)state;
    static const int32_t displacements[] = {0, 8, 120, 127, 128, 4096, INT32_MAX, -1, -8, -128, -129};
    for (int reg = RAX; reg <= R15; reg++)
        for (size_t i = 0; i < COUNT(displacements); i++)
            for (unsigned opcode = 0x89; opcode <= 0x8B; opcode += 2) {
                wagi_x64_buffer want = {NULL, 0, 0}, got = {NULL, 0, 0};
                assert_true(wagi_x64_reserve(&want, X64_MAX_INS) && wagi_x64_reserve(&got, X64_MAX_INS));
                wagi_x64_rm(&want, X64_W | opcode, reg, wagi_x64_at(RSP, displacements[i]));
                wagi_x64_rsp(&got, opcode, reg, displacements[i]);
                assert_int_equal(got.n, want.n);
                assert_memory_equal(got.p, want.p, want.n);
                wagi_x64_buffer_free(&want);
                wagi_x64_buffer_free(&got);
            }
}

static int finish(void **state)
{
    (void)state;
    wagi_x64_buffer_free(&code);
    free(lines);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_each_form_disassembles_to_what_was_meant, begin),
        cmocka_unit_test_setup(test_each_form_of_the_vector_ops_disassembles_to_what_was_meant, begin),
        cmocka_unit_test_setup(test_immediates_take_the_short_form_and_keep_their_value, begin),
        cmocka_unit_test_setup(test_padding_is_nops_of_exactly_its_size, begin),
        cmocka_unit_test(test_moves_of_frame_slots_are_the_bytes_that_the_general_form_makes),
    };
    return cmocka_run_group_tests(tests, NULL, finish);
}

/* The encoder against objdump: every form with every register and with memory operands of every shape is disassembled,
 * and the text must be what was meant. */
#include "tests/support/check.h"

#include "base/alloc.h"
#include "compiler/x64/encode.h"

static const char *const names_64[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                       "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
static const char *const names_32[] = {"eax", "ecx", "edx",  "ebx",  "esp",  "ebp",  "esi",  "edi",
                                       "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"};
static const char *const names_8[] = {"al",  "cl",  "dl",   "bl",   "spl",  "bpl",  "sil",  "dil",
                                      "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b"};
static const char *const names_16[] = {"ax",  "cx",  "dx",   "bx",   "sp",   "bp",   "si",   "di",
                                       "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w"};

/* Operands of a row: b w d q integer registers of 8, 16, 32, 64 bits, x xmm; upper case: only as memory or register.
 * Order in the text: reg first unless `store`. */
typedef struct row {
    const char *text;
    uint32_t form;
    char reg, rm;
    const char *size;        /* of a memory operand in objdump's words; NULL: no memory form is used */
    bool store, vex, second; /* store: rm is written first; second: a VEX form with three operands */
    bool no_reg;             /* no register form */
} row;

static const row rows[] = {
    {"add", 0x03, 'd', 'd', "DWORD PTR ", false, false, false, false},
    {"add", X64_W | 0x03, 'q', 'q', "QWORD PTR ", false, false, false, false},
    {"or", X64_W | 0x0B, 'q', 'q', "QWORD PTR ", false, false, false, false},
    {"and", 0x23, 'd', 'd', "DWORD PTR ", false, false, false, false},
    {"sub", X64_W | 0x2B, 'q', 'q', "QWORD PTR ", false, false, false, false},
    {"xor", 0x33, 'd', 'd', "DWORD PTR ", false, false, false, false},
    {"cmp", X64_W | 0x3B, 'q', 'q', "QWORD PTR ", false, false, false, false},
    {"cmp", 0x39, 'd', 'd', "DWORD PTR ", true, false, false, false},
    {"test", 0x85, 'd', 'd', "DWORD PTR ", true, false, false, false},
    {"mov", 0x8B, 'd', 'd', "DWORD PTR ", false, false, false, false},
    {"mov", X64_W | 0x8B, 'q', 'q', "QWORD PTR ", false, false, false, false},
    {"mov", X64_W | 0x89, 'q', 'q', "QWORD PTR ", true, false, false, false},
    {"mov", X64_BYTE_REG | 0x88, 'b', 'b', "BYTE PTR ", true, false, false, true},
    {"mov", X64_66 | 0x89, 'w', 'w', "WORD PTR ", true, false, false, true},
    {"lea", X64_W | 0x8D, 'q', 'q', "", false, false, false, true},
    {"imul", X64_W | X64_0F | 0xAF, 'q', 'q', "QWORD PTR ", false, false, false, false},
    {"movsxd", X64_W | 0x63, 'q', 'd', "DWORD PTR ", false, false, false, false},
    {"movzx", X64_0F | X64_BYTE_RM | 0xB6, 'd', 'b', "BYTE PTR ", false, false, false, false},
    {"movzx", X64_0F | 0xB7, 'd', 'w', "WORD PTR ", false, false, false, false},
    {"movsx", X64_W | X64_0F | X64_BYTE_RM | 0xBE, 'q', 'b', "BYTE PTR ", false, false, false, false},
    {"movsx", X64_0F | 0xBF, 'd', 'w', "WORD PTR ", false, false, false, false},
    {"cmove", X64_W | X64_0F | 0x44, 'q', 'q', "QWORD PTR ", false, false, false, false},
    {"lzcnt", X64_W | X64_0F | X64_F3 | 0xBD, 'q', 'q', "QWORD PTR ", false, false, false, false},
    {"tzcnt", X64_0F | X64_F3 | 0xBC, 'd', 'd', "DWORD PTR ", false, false, false, false},
    {"popcnt", X64_W | X64_0F | X64_F3 | 0xB8, 'q', 'q', "QWORD PTR ", false, false, false, false},
    {"bsr", X64_W | X64_0F | 0xBD, 'q', 'q', "QWORD PTR ", false, false, false, false},
    {"movss", X64_0F | X64_F3 | 0x10, 'x', 'x', "DWORD PTR ", false, false, false, false},
    {"movsd", X64_0F | X64_F2 | 0x11, 'x', 'x', "QWORD PTR ", true, false, false, true},
    {"addsd", X64_0F | X64_F2 | 0x58, 'x', 'x', "QWORD PTR ", false, false, false, false},
    {"ucomisd", X64_0F | X64_66 | 0x2E, 'x', 'x', "QWORD PTR ", false, false, false, false},
    {"cvttsd2si", X64_W | X64_0F | X64_F2 | 0x2C, 'q', 'x', "QWORD PTR ", false, false, false, false},
    {"cvtsi2sd", X64_W | X64_0F | X64_F2 | 0x2A, 'x', 'q', NULL, false, false, false, false},
    {"movaps", X64_0F | 0x28, 'x', 'x', NULL, false, false, false, false},
    {"vaddsd", X64_0F | X64_F2 | 0x58, 'x', 'x', "QWORD PTR ", false, true, true, false},
    {"vsubss", X64_0F | X64_F3 | 0x5C, 'x', 'x', "DWORD PTR ", false, true, true, false},
    {"vandps", X64_0F | 0x54, 'x', 'x', "XMMWORD PTR ", false, true, true, false},
    {"vucomiss", X64_0F | 0x2E, 'x', 'x', "DWORD PTR ", false, true, false, false},
    {"vmovaps", X64_0F | 0x28, 'x', 'x', NULL, false, true, false, false},
    {"vmovsd", X64_0F | X64_F2 | 0x10, 'x', 'x', "QWORD PTR ", false, true, false, true},
    {"vmovss", X64_0F | X64_F3 | 0x11, 'x', 'x', "DWORD PTR ", true, true, false, true},
    {"vmovq", X64_W | X64_0F | X64_66 | 0x6E, 'x', 'q', NULL, false, true, false, false},
    {"vmovd", X64_0F | X64_66 | 0x7E, 'x', 'd', NULL, true, true, false, false},
    {"vcvtsi2sd", X64_W | X64_0F | X64_F2 | 0x2A, 'x', 'q', NULL, false, true, true, false},
    {"vcvttss2si", X64_W | X64_0F | X64_F3 | 0x2C, 'q', 'x', NULL, false, true, false, false},
};

/* What objdump should say, one line an instruction. */
typedef struct expectation {
    char text[96];
} expectation;
static WAGI_VEC(expectation) expected;
static wagi_x64_buffer code;

static const char *name_of(char kind, int reg)
{
    static char names[4][8];
    static unsigned next;
    switch (kind) {
    case 'b':
        return names_8[reg];
    case 'w':
        return names_16[reg];
    case 'd':
        return names_32[reg];
    case 'q':
        return names_64[reg];
    default:
        next = (next + 1) & 3;
        snprintf(names[next], sizeof names[next], "xmm%d", reg);
        return names[next];
    }
}

static void memory_text(char *text, size_t size, const char *prefix, wagi_x64_mem mem)
{
    char disp[24] = "", index[16] = "";
    if (mem.index >= 0)
        snprintf(index, sizeof index, "+%s*%d", names_64[(int)mem.index], 1 << mem.scale);
    /* objdump prints a displacement whenever one is encoded */
    bool encoded = mem.disp != 0 || (mem.base & 7) == RBP;
    if (encoded)
        snprintf(disp, sizeof disp, "%c0x%llx", mem.disp < 0 ? '-' : '+',
                 (unsigned long long)(mem.disp < 0 ? -(int64_t)mem.disp : mem.disp));
    snprintf(text, size, "%s[%s%s%s]", prefix, names_64[(int)mem.base], index, disp);
}

static void expect(const row *r, const char *reg, const char *second, const char *rm)
{
    expectation e;
    if (r->store)
        snprintf(e.text, sizeof e.text, "%s %s,%s", r->text, rm, reg);
    else if (r->second)
        snprintf(e.text, sizeof e.text, "%s %s,%s,%s", r->text, reg, second, rm);
    else
        snprintf(e.text, sizeof e.text, "%s %s,%s", r->text, reg, rm);
    assert_true(WAGI_VEC_PUSH(&expected, e));
}

static void emit_registers(const row *r)
{
    for (int reg = 0; reg < 16; reg++)
        for (int rm = 0; rm < 16; rm++) {
            assert_true(wagi_x64_reserve(&code, X64_MAX_INS));
            int second = r->second ? (reg * 5 + rm * 3) & 15 : 0;
            if (r->vex)
                wagi_x64_vrr(&code, r->form, reg, second, rm);
            else
                wagi_x64_rr(&code, r->form, reg, rm);
            expect(r, name_of(r->reg, reg), name_of('x', second), name_of(r->rm, rm));
        }
}

static void emit_memory_form(const row *r, int reg, wagi_x64_mem mem)
{
    char text[64];
    assert_true(wagi_x64_reserve(&code, X64_MAX_INS));
    int second = r->second ? (reg * 7 + mem.base) & 15 : 0;
    if (r->vex)
        wagi_x64_vrm(&code, r->form, reg, second, mem);
    else
        wagi_x64_rm(&code, r->form, reg, mem);
    memory_text(text, sizeof text, r->size, mem);
    expect(r, name_of(r->reg, reg), name_of('x', second), text);
}

static void emit_memory(const row *r)
{
    static const int32_t disps[] = {0, 1, -1, 127, -128, 128, -129, 0x1000, INT32_MAX, -INT32_MAX};
    for (int base = 0; base < 16; base++)
        for (int index = -1; index < 16; index++) {
            if (index == RSP)
                continue;
            for (size_t d = 0; d < sizeof disps / sizeof *disps; d++) {
                int reg = (int)((unsigned)(base * 3 + index + 1 + (int)d) & 15);
                emit_memory_form(r, reg, wagi_x64_indexed(base, index, index < 0 ? 0 : (unsigned)d & 3, disps[d]));
            }
        }
}

/* objdump's lines without addresses, bytes and runs of blanks. */
static void compare_with_objdump(void)
{
    char path[] = "/tmp/waggle-x64-XXXXXX", command[160], line[256];
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, code.p, code.n), (ssize_t)code.n);
    close(file);
    snprintf(command, sizeof command,
             "objdump -D -b binary -m i386:x86-64 -M intel --no-show-raw-insn -w %s | sed -n 's/^ *[0-9a-f]*:\t//p'",
             path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t i = 0;
    for (; fgets(line, sizeof line, pipe) && i < expected.n; i++) {
        char got[256];
        size_t n = 0;
        for (const char *p = line; *p && *p != '\n' && *p != '#'; p++)
            if (*p != ' ' || (n && got[n - 1] != ' '))
                got[n++] = *p;
        while (n && got[n - 1] == ' ')
            n--;
        got[n] = 0;
        if (strcmp(got, expected.p[i].text) != 0)
            fail_msg("instruction %zu: wanted \"%s\", objdump says \"%s\"", i, expected.p[i].text, got);
    }
    pclose(pipe);
    unlink(path);
    assert_int_equal(i, expected.n);
}

static void begin(void)
{
    code.n = 0;
    expected.n = 0;
}

static void test_every_form_with_registers_means_what_it_says(void **state)
{
    (void)state;
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!rows[i].no_reg)
            emit_registers(&rows[i]);
    compare_with_objdump();
}

static void test_every_form_with_memory_means_what_it_says(void **state)
{
    (void)state;
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].size)
            emit_memory(&rows[i]);
    compare_with_objdump();
}

static void test_immediates_are_as_short_as_they_can_be_and_right(void **state)
{
    (void)state;
    static const uint64_t values[] = {0,
                                      1,
                                      0x7F,
                                      0x80,
                                      0x7FFFFFFF,
                                      0x80000000,
                                      0xFFFFFFFF,
                                      0x100000000,
                                      0x123456789ABCDEF0,
                                      UINT64_MAX,
                                      0xFFFFFFFF80000000};
    static const int32_t imms[] = {0, 1, 127, 128, -128, -129, INT32_MAX, INT32_MIN};
    static const char *const alu[] = {"add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"};
    begin();
    for (int reg = 0; reg < 16; reg++) {
        assert_true(wagi_x64_reserve(&code, 4096));
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            expectation e;
            uint64_t v = values[i];
            size_t before = code.n;
            wagi_x64_mov_imm(&code, reg, v, true);
            const char *name = v <= UINT32_MAX ? names_32[reg] : names_64[reg];
            bool movabs = v > UINT32_MAX && (int64_t)v != (int32_t)v;
            snprintf(e.text, sizeof e.text, "%s %s,0x%llx", movabs ? "movabs" : "mov", name, (unsigned long long)v);
            assert_true(WAGI_VEC_PUSH(&expected, e));
            assert_true(code.n - before <= (movabs ? 10u : v <= UINT32_MAX ? 6u : 7u));
        }
        for (unsigned digit = 0; digit < 8; digit++)
            for (size_t i = 0; i < sizeof imms / sizeof *imms; i++) {
                expectation e;
                assert_true(wagi_x64_reserve(&code, X64_MAX_INS));
                wagi_x64_alu_imm_reg(&code, digit, reg, imms[i], true);
                snprintf(e.text, sizeof e.text, "%s %s,0x%llx", alu[digit], names_64[reg],
                         (unsigned long long)(int64_t)imms[i]);
                assert_true(WAGI_VEC_PUSH(&expected, e));
            }
    }
    compare_with_objdump();
}

static void test_padding_is_nops_of_the_right_size(void **state)
{
    (void)state;
    for (size_t size = 0; size < 40; size++) {
        begin();
        assert_true(wagi_x64_reserve(&code, 64));
        wagi_x64_nops(&code, size);
        assert_int_equal(code.n, size);
    }
}

static int free_all(void **state)
{
    (void)state;
    wagi_free(code.p);
    WAGI_VEC_FREE(&expected);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_form_with_registers_means_what_it_says),
        cmocka_unit_test(test_every_form_with_memory_means_what_it_says),
        cmocka_unit_test(test_immediates_are_as_short_as_they_can_be_and_right),
        cmocka_unit_test(test_padding_is_nops_of_the_right_size),
    };
    return cmocka_run_group_tests(tests, NULL, free_all);
}

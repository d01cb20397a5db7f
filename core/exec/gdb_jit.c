/* gdb's JIT interface. gdb stops at register_code, reads the descriptor and the symbol files that it leads to: an ELF
 * object in memory whose .text is where the code is, with a symbol for each function and stub, and .eh_frame for the
 * frames, so that a backtrace goes from a host function through wasm to the C code that called it.
 *
 * The descriptor belongs to the process by gdb's definition; a mutex guards it. gdb finds both names although they are
 * static, and so another JIT compiler in the process can have its own.
 */
#include "exec/gdb_jit.h"

#include <elf.h>
#include <string.h>

#include "base/sync.h"

/* ---- gdb's side (gdb/doc: JIT Interface) ---- */

enum { JIT_NO_ACTION, JIT_REGISTER, JIT_UNREGISTER };

typedef struct jit_code_entry {
    struct jit_code_entry *next, *prev;
    const char *symfile;
    uint64_t symfile_size;
} jit_code_entry;

typedef struct jit_descriptor {
    uint32_t version, action;
    jit_code_entry *relevant, *first;
} jit_descriptor;

#if defined(__GNUC__)
#define KEEP __attribute__((used))
#define STOP_HERE __attribute__((used, noinline))
#define BARRIER() __asm__ volatile("" ::: "memory")
#else
#define KEEP
#define STOP_HERE
#define BARRIER() ((void)0)
#endif

static jit_descriptor KEEP __jit_debug_descriptor = {1, JIT_NO_ACTION, NULL, NULL};

static void STOP_HERE __jit_debug_register_code(void)
{
    BARRIER();
}

static wagi_mutex lock = WAGI_MUTEX_INIT; /* of the descriptor; a leaf */

/* ---- the symbol file ---- */

enum { SECTION_NONE, SECTION_TEXT, SECTION_EH_FRAME, SECTION_SYMTAB, SECTION_STRTAB, SECTION_NAMES, SECTION_COUNT };

typedef struct maker {
    const wagi_code *code;
    WAGI_VEC(uint8_t) file;
    WAGI_VEC(char) names; /* of symbols */
    WAGI_VEC(Elf64_Sym) symbols;
    bool failed;
} maker;

static void put(maker *m, const void *bytes, size_t size)
{
    if (m->failed || !WAGI_VEC_RESERVE(&m->file, size)) {
        m->failed = true;
        return;
    }
    if (size)
        memcpy(m->file.p + m->file.n, bytes, size);
    m->file.n += size;
}

static void put_u8(maker *m, unsigned value)
{
    uint8_t byte = (uint8_t)value;
    put(m, &byte, 1);
}
static void put_u32(maker *m, uint32_t value)
{
    put(m, &value, sizeof value);
}
static void put_u64(maker *m, uint64_t value)
{
    put(m, &value, sizeof value);
}
static void put_leb(maker *m, uint32_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_u8(m, (value & 0x7F) | 0x80);
    put_u8(m, value);
}
static void put_align(maker *m)
{
    while (m->file.n % 8 && !m->failed)
        put_u8(m, 0);
}

/* ---- symbols ---- */

static void add_symbol(maker *m, const char *name, size_t length, uint32_t start, uint32_t size)
{
    Elf64_Sym symbol = {.st_name = (uint32_t)m->names.n,
                        .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                        .st_shndx = SECTION_TEXT,
                        .st_value = start,
                        .st_size = size};
    if (m->failed || !WAGI_VEC_RESERVE(&m->names, length + 1) || !WAGI_VEC_PUSH(&m->symbols, symbol)) {
        m->failed = true;
        return;
    }
    memcpy(m->names.p + m->names.n, name, length);
    m->names.p[m->names.n + length] = 0;
    m->names.n += length + 1;
}

static void add_symbols(maker *m)
{
    const wagi_image *image = &m->code->image;
    char name[256];
    Elf64_Sym none = {0};
    m->failed = m->failed || !WAGI_VEC_PUSH(&m->names, 0) || !WAGI_VEC_PUSH(&m->symbols, none);
    for (uint32_t i = 0; i < image->func_count; i++) {
        size_t length = wagi_code_name(m->code, image->funcs[i].func_index, name, sizeof name);
        add_symbol(m, name, length, image->funcs[i].start, image->funcs[i].size);
    }
    for (uint32_t i = 0; i < image->stub_count; i++) {
        const char *text = image->stubs[i].is_entry ? "wasm-entry" : "wasm-exit";
        add_symbol(m, text, strlen(text), image->stubs[i].start, image->stubs[i].size);
    }
}

/* ---- frames ---- */

/* DWARF's numbers. */
enum { DW_RBX = 3, DW_RBP = 6, DW_RSP = 7, DW_R12 = 12, DW_R15 = 15, DW_PC = 16 };
enum { CFA_NOP = 0, CFA_UNDEFINED = 7, CFA_DEF_CFA = 0x0C, CFA_DEF_CFA_OFFSET = 0x0E, CFA_OFFSET = 0x80 };

static size_t begin_record(maker *m)
{
    put_u32(m, 0);
    return m->file.n;
}

static void end_record(maker *m, size_t start)
{
    while ((m->file.n - start) % 8 != 4 && !m->failed)
        put_u8(m, CFA_NOP);
    uint32_t length = (uint32_t)(m->file.n - start);
    if (!m->failed)
        memcpy(m->file.p + start - 4, &length, 4);
}

/* A frame of constant size. Callee-saved registers: an entry has pushed C's first of all; whatever a wasm function did
 * to them does not matter to its caller's frame, and their values there are not known. */
static void put_frame(maker *m, size_t cie, uint32_t start, uint32_t size, uint32_t frame, bool is_entry)
{
    static const uint8_t saved[] = {DW_RBX, DW_RBP, DW_R12, DW_R12 + 1, DW_R12 + 2, DW_R15};
    size_t record = begin_record(m);
    put_u32(m, (uint32_t)(record - cie)); /* from here to the CIE */
    put_u64(m, (uintptr_t)m->code->image.code + start);
    put_u64(m, size);
    put_u8(m, CFA_DEF_CFA_OFFSET);
    put_leb(m, frame + 8);
    for (unsigned i = 0; i < sizeof saved; i++) {
        if (is_entry) { /* at CFA - 8 * operand */
            put_u8(m, CFA_OFFSET | saved[i]);
            put_leb(m, i + 2);
        } else if (saved[i] < DW_R12 + 2) { /* r14 and r15 are the instance's throughout */
            put_u8(m, CFA_UNDEFINED);
            put_leb(m, saved[i]);
        }
    }
    end_record(m, record);
}

static void put_frames(maker *m)
{
    const wagi_image *image = &m->code->image;
    size_t record = begin_record(m), cie = record - 4;
    put_u32(m, 0);
    put_u8(m, 1); /* version */
    put_u8(m, 0); /* no augmentation: addresses are absolute, 8 bytes */
    put_leb(m, 1);
    put_u8(m, 0x78); /* data alignment -8 */
    put_u8(m, DW_PC);
    put_u8(m, CFA_DEF_CFA);
    put_leb(m, DW_RSP);
    put_leb(m, 8);
    put_u8(m, CFA_OFFSET | DW_PC);
    put_leb(m, 1);
    end_record(m, record);
    for (uint32_t i = 0; i < image->func_count; i++)
        put_frame(m, cie, image->funcs[i].start, image->funcs[i].size, image->funcs[i].frame, false);
    for (uint32_t i = 0; i < image->stub_count; i++)
        put_frame(m, cie, image->stubs[i].start, image->stubs[i].size, image->stubs[i].frame, image->stubs[i].is_entry);
    put_u32(m, 0);
}

/* ---- the file ---- */

#define NAMES "\0.text\0.eh_frame\0.symtab\0.strtab\0.shstrtab"

static void make_header(maker *m, uint64_t sections_at)
{
    Elf64_Ehdr header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                         .e_type = ET_REL,
                         .e_machine = EM_X86_64,
                         .e_version = EV_CURRENT,
                         .e_shoff = sections_at,
                         .e_ehsize = sizeof(Elf64_Ehdr),
                         .e_shentsize = sizeof(Elf64_Shdr),
                         .e_shnum = SECTION_COUNT,
                         .e_shstrndx = SECTION_NAMES};
    memcpy(m->file.p, &header, sizeof header);
}

/* Put a section's contents. */
static void add_section(maker *m, Elf64_Shdr *section, uint32_t name, uint32_t type, const void *bytes, size_t size)
{
    section->sh_name = name;
    section->sh_type = type;
    section->sh_offset = m->file.n;
    section->sh_size = size;
    section->sh_addralign = 8;
    put(m, bytes, size);
    put_align(m);
}

static void make_file(maker *m)
{
    static const Elf64_Ehdr no_header = {0};
    Elf64_Shdr sections[SECTION_COUNT];
    memset(sections, 0, sizeof sections);
    put(m, &no_header, sizeof no_header);
    add_symbols(m);
    sections[SECTION_TEXT] = (Elf64_Shdr){.sh_name = 1,
                                          .sh_type = SHT_NOBITS,
                                          .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
                                          .sh_addr = (uintptr_t)m->code->image.code,
                                          .sh_offset = m->file.n,
                                          .sh_size = m->code->image.code_size,
                                          .sh_addralign = 16};
    add_section(m, &sections[SECTION_EH_FRAME], 7, SHT_PROGBITS, NULL, 0);
    sections[SECTION_EH_FRAME].sh_flags = SHF_ALLOC;
    put_frames(m);
    sections[SECTION_EH_FRAME].sh_size = m->file.n - sections[SECTION_EH_FRAME].sh_offset;
    put_align(m);
    add_section(m, &sections[SECTION_SYMTAB], 17, SHT_SYMTAB, m->symbols.p, m->symbols.n * sizeof *m->symbols.p);
    sections[SECTION_SYMTAB].sh_link = SECTION_STRTAB;
    sections[SECTION_SYMTAB].sh_info = 1; /* the first global symbol */
    sections[SECTION_SYMTAB].sh_entsize = sizeof(Elf64_Sym);
    add_section(m, &sections[SECTION_STRTAB], 25, SHT_STRTAB, m->names.p, m->names.n);
    add_section(m, &sections[SECTION_NAMES], 33, SHT_STRTAB, NAMES, sizeof NAMES);
    uint64_t sections_at = m->file.n;
    put(m, sections, sizeof sections);
    if (!m->failed)
        make_header(m, sections_at);
}

/* ---- the list ---- */

struct wagi_gdb_entry {
    jit_code_entry entry; /* gdb reads it */
    uint8_t *file;
};

struct wagi_gdb_entry *wagi_gdb_jit_register(const wagi_code *code)
{
    maker m;
    memset(&m, 0, sizeof m);
    m.code = code;
    struct wagi_gdb_entry *made = WAGI_NEW(struct wagi_gdb_entry);
    if (made)
        make_file(&m);
    WAGI_VEC_FREE(&m.names);
    WAGI_VEC_FREE(&m.symbols);
    if (!made || m.failed) {
        WAGI_VEC_FREE(&m.file);
        wagi_free(made);
        return NULL;
    }
    made->file = m.file.p;
    made->entry.symfile = (const char *)m.file.p;
    made->entry.symfile_size = m.file.n;
    wagi_mutex_lock(&lock);
    jit_descriptor *d = &__jit_debug_descriptor;
    made->entry.next = d->first;
    if (d->first)
        d->first->prev = &made->entry;
    d->first = d->relevant = &made->entry;
    d->action = JIT_REGISTER;
    __jit_debug_register_code();
    wagi_mutex_unlock(&lock);
    return made;
}

void wagi_gdb_jit_unregister(struct wagi_gdb_entry *made)
{
    if (!made)
        return;
    jit_code_entry *entry = &made->entry;
    wagi_mutex_lock(&lock);
    jit_descriptor *d = &__jit_debug_descriptor;
    if (entry->prev)
        entry->prev->next = entry->next;
    else
        d->first = entry->next;
    if (entry->next)
        entry->next->prev = entry->prev;
    d->relevant = entry;
    d->action = JIT_UNREGISTER;
    __jit_debug_register_code();
    d->relevant = NULL;
    d->action = JIT_NO_ACTION;
    wagi_mutex_unlock(&lock);
    wagi_free(made->file);
    wagi_free(made);
}

size_t wagi_gdb_jit_count(void)
{
    size_t count = 0;
    wagi_mutex_lock(&lock);
    for (const jit_code_entry *e = __jit_debug_descriptor.first; e; e = e->next)
        count++;
    wagi_mutex_unlock(&lock);
    return count;
}

/* perf's map file, and the names that debuggers and profilers see. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/os.h"
#include "base/sync.h"
#include "exec/gdb_jit.h"

enum { NAME_BYTES = 256, LINE_BYTES = NAME_BYTES + 48 };

size_t wagi_code_name(const wagi_code *code, uint32_t func_index, char *ret_name, size_t size)
{
    wag_name name = wagi_module_func_name(code->data, func_index);
    if (name.size == 0)
        return (size_t)snprintf(ret_name, size, "wasm-function[%" PRIu32 "]", func_index);
    size_t n = name.size < size ? name.size : size - 1;
    for (size_t i = 0; i < n; i++) /* a line break in a name is not one in the file */
        ret_name[i] = (unsigned char)name.data[i] < ' ' || name.data[i] == 0x7F ? '_' : name.data[i];
    ret_name[n] = 0;
    return n;
}

typedef WAGI_VEC(char) text;

static bool add_line(text *text, const wagi_code *code, uint32_t start, uint32_t size, const char *name)
{
    if (!WAGI_VEC_RESERVE(text, LINE_BYTES))
        return false;
    text->n += (size_t)snprintf(text->p + text->n, LINE_BYTES, "%" PRIxPTR " %" PRIx32 " %s\n",
                                (uintptr_t)code->image.code + start, size, name);
    return true;
}

void wagi_perf_map_append(const wagi_code *code)
{
    static wagi_mutex lock = WAGI_MUTEX_INIT; /* a leaf: one module's lines are not torn by another's */
    const wagi_image *image = &code->image;
    char name[NAME_BYTES], path[64];
    text text = {NULL, 0, 0};
    bool fine = true;
    for (uint32_t i = 0; i < image->func_count && fine; i++) {
        wagi_code_name(code, image->funcs[i].func_index, name, sizeof name);
        fine = add_line(&text, code, image->funcs[i].start, image->funcs[i].size, name);
    }
    if (fine)
        fine = add_line(&text, code, image->stubs_start, (uint32_t)image->code_size - image->stubs_start, "wasm-stubs");
    if (fine) {
        snprintf(path, sizeof path, "/tmp/perf-%d.map", wagi_os_pid());
        wagi_mutex_lock(&lock);
        wagi_os_append(path, text.p, text.n);
        wagi_mutex_unlock(&lock);
    }
    WAGI_VEC_FREE(&text);
}

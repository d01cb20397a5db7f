/* Native code against the interpreter (differ.h), on generated modules (generate.h).
 *
 * An input that begins as a module does is taken as one: the modules of other generators (ttf.sh) and what was found
 * and made small. Any other input of at most 8 bytes is a seed of MODULES_OF_SEED modules; a longer one makes one
 * module. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/differ.h"
#include "tests/fuzz/generate.h"

enum { MODULES_OF_SEED = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_file(const char *name, const build *module)
{
    FILE *file = fopen(name, "wb");
    if (file) {
        fwrite(module->data, 1, module->size, file);
        fclose(file);
    }
}

static void give_up(const build *library, const build *module)
{
    write_file("differ.wasm", module);
    write_file("differ-library.wasm", library);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 4 && memcmp(data, "\0asm", 4) == 0) {
        (void)differ_compare((wag_bytes){data, size});
        return 0;
    }
    uint64_t seed = 0x243F6A8885A308D3u;
    for (size_t i = 0; i < size && i < 8; i++)
        seed = (seed ^ data[i]) * 0x9E3779B97F4A7C15u;
    for (unsigned i = 0; i < (size <= 8 ? MODULES_OF_SEED : 1); i++) {
        build library = {0}, module = {0};
        bool fine;
        uint64_t next = seed + i * 0xD1B54A32D192ED03u;
        if (next >> 40 & 1) {
            generate_module(data, size <= 8 ? 0 : size, next, &module);
            fine = differ_compare(build_bytes(&module));
        } else {
            generate_pair(data, size <= 8 ? 0 : size, next, &library, &module);
            fine = differ_compare_pair(build_bytes(&library), build_bytes(&module));
        }
        if (!fine) /* the generator promises valid modules */
            give_up(&library, &module);
        build_free(&library);
        build_free(&module);
    }
    return 0;
}

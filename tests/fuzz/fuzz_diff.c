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
        build module = {0};
        generate_module(data, size <= 8 ? 0 : size, seed + i * 0xD1B54A32D192ED03u, &module);
        if (!differ_compare(build_bytes(&module))) { /* the generator promises valid modules */
            FILE *file = fopen("differ.wasm", "wb");
            if (file) {
                fwrite(module.data, 1, module.size, file);
                fclose(file);
            }
            abort();
        }
        build_free(&module);
    }
    return 0;
}

/* Feeds files to a fuzz target without libFuzzer: the corpus is part of the normal tests.
 *   replay_X FILE-OR-FOLDER...     folders are walked, hidden files left out
 * Every file counts as one test; a target that finds something aborts. */
#define _GNU_SOURCE
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int passed, failed;

static void replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t size = 0, got = 1;
    while (file && got > 0) {
        /* The block has exactly the input's size at the end, so that a sanitizer sees every read behind it. */
        uint8_t *grown = realloc(data, size + 4096);
        if (!grown)
            break;
        data = grown;
        size += got = fread(data + size, 1, 4096, file);
    }
    if (!file || ferror(file) || got > 0) {
        perror(path);
        failed++;
    } else {
        uint8_t *exact = realloc(data, size ? size : 1);
        data = exact ? exact : data;
        LLVMFuzzerTestOneInput(data, size);
        passed++;
    }
    if (file)
        fclose(file);
    free(data);
}

static int visit(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    if (type == FTW_F && path[place->base] != '.')
        replay(path);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (nftw(argv[i], visit, 16, FTW_PHYS) != 0) {
            perror(argv[i]);
            failed++;
        }
    printf("%d passed, %d failed\n", passed, failed);
    return failed || !passed;
}

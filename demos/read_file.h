/* Read a whole file; what fetch() and fs.readFileSync() are to the JavaScript examples. */
#ifndef DEMOS_READ_FILE_H
#define DEMOS_READ_FILE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "waggle/base.h"

/* *ret_bytes: free data with free. False after a message on stderr. */
static bool read_file(const char *path, wag_bytes *ret_bytes)
{
    FILE *file = fopen(path, "rb");
    unsigned char *data = NULL;
    size_t size = 0, capacity = 0;
    bool ok = file != NULL;
    while (ok && !feof(file)) {
        if (size == capacity) {
            capacity = capacity ? capacity * 2 : 65536;
            unsigned char *grown = realloc(data, capacity);
            if (!(ok = grown != NULL))
                break;
            data = grown;
        }
        size += fread(data + size, 1, capacity - size, file);
        ok = !ferror(file);
    }
    if (!ok)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    if (file)
        fclose(file);
    if (ok)
        *ret_bytes = (wag_bytes){data, size};
    else
        free(data);
    return ok;
}

#endif

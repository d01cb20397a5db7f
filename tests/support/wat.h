/* Modules as text, inside the tests: wat2wasm (Debian's wabt, which the build needs anyway) assembles them. */
#ifndef TESTS_SUPPORT_WAT_H
#define TESTS_SUPPORT_WAT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* include this header first */
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "waggle/base.h"

/* Assemble; fails the test when the text is wrong. free .data with free. Only on the test's own thread. */
static inline wag_bytes wat(const char *text)
{
    char path[] = "/tmp/waggle-wat-XXXXXX", command[128];
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    close(file);
    snprintf(command, sizeof command, "wat2wasm --enable-all %s --output=-", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t size = 0, capacity = 1 << 16;
    uint8_t *data = malloc(capacity);
    assert_non_null(data);
    for (size_t got; (got = fread(data + size, 1, capacity - size, pipe)) > 0;) {
        size += got;
        if (size == capacity) {
            data = realloc(data, capacity *= 2);
            assert_non_null(data);
        }
    }
    int status = pclose(pipe);
    unlink(path);
    if (status != 0)
        fail_msg("wat2wasm refuses: %s", text);
    return (wag_bytes){data, size};
}

static inline void wat_free(wag_bytes bytes)
{
    free((void *)bytes.data);
}

#endif

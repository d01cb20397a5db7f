/* Writes the kernels that work on objects of the heap, byte by byte (wat2wasm of Debian 12 knows no structs): make
 * FOLDER trees    (n)  n times: make a binary tree of depth 10 and count its nodes; one of depth 16 lives throughout
 *   list     (n)  n times: make a list of 1,000 nodes, turn it around in place, add it up
 *   machine  (n)  n times: evaluate an expression of 465 nodes, which are structs of four types below one, told apart
 * by casts Each exports run, (i32) -> (i64). */
#include <stdio.h>

#include "tests/support/bytes.h"

#define BODY(b, literal)                                                                                               \
    do {                                                                                                               \
        size_t body_ = build_begin(b);                                                                                 \
        build_raw((b), "" literal, sizeof(literal) - 1);                                                               \
        build_end((b), body_);                                                                                         \
    } while (0)

static void export_run(build *b, unsigned func)
{
    size_t section = build_section(b, 7);
    build_leb(b, 1);
    build_name(b, "run");
    build_u8(b, 0);
    build_u8(b, func);
    build_end(b, section);
}

/* local 0 counts down to the loop's end */
#define AGAIN "\x20\x00\x41\x01\x6B\x22\x00\x0D\x00\x0B"

static void make_trees(build *b)
{
    BUILD_WHOLE(b, 1,
                "\x04\x5F\x02\x63\x00\x00\x63\x00\x00" /* 0 a node: left, right */
                "\x60\x01\x7F\x01\x64\x00"             /* 1 make (depth) */
                "\x60\x01\x63\x00\x01\x7F"             /* 2 count */
                "\x60\x01\x7F\x01\x7E");
    BUILD_WHOLE(b, 3, "\x03\x01\x02\x03");
    export_run(b, 2);
    size_t section = build_section(b, 10);
    build_leb(b, 3);
    BODY(b, "\x00\x20\x00\x45\x04\x64\x00\xFB\x01\x00\x05"
            "\x20\x00\x41\x01\x6B\x10\x00\x20\x00\x41\x01\x6B\x10\x00\xFB\x00\x00\x0B\x0B");
    BODY(b, "\x00\x20\x00\xFB\x02\x00\x00\xD1\x04\x7F\x41\x01\x05"
            "\x41\x01\x20\x00\xFB\x02\x00\x00\x10\x01\x6A\x20\x00\xFB\x02\x00\x01\x10\x01\x6A\x0B\x0B");
    BODY(b, "\x02\x01\x7E\x01\x63\x00\x41\x10\x10\x00\x21\x02"
            "\x03\x40\x20\x01\x41\x0A\x10\x00\x10\x01\xAD\x7C\x21\x01" AGAIN "\x20\x01\x20\x02\x10\x01\xAD\x7C\x0B");
    build_end(b, section);
}

static void make_list(build *b)
{
    BUILD_WHOLE(b, 1,
                "\x02\x5F\x02\x7F\x01\x63\x00\x01" /* 0 a node: value, next */
                "\x60\x01\x7F\x01\x7E");
    BUILD_WHOLE(b, 3, "\x01\x01");
    export_run(b, 0);
    size_t section = build_section(b, 10);
    build_leb(b, 1);
    /* 1 sum, 2 i, 3 list, 4 turned, 5 next */
    BODY(b, "\x03\x01\x7E\x01\x7F\x03\x63\x00\x03\x40\xD0\x00\x21\x03\x41\xE8\x07\x21\x02"
            "\x03\x40\x20\x02\x20\x03\xFB\x00\x00\x21\x03\x20\x02\x41\x01\x6B\x22\x02\x0D\x00\x0B"
            "\xD0\x00\x21\x04\x02\x40\x03\x40\x20\x03\xD1\x0D\x01\x20\x03\xFB\x02\x00\x01\x21\x05"
            "\x20\x03\x20\x04\xFB\x05\x00\x01\x20\x03\x21\x04\x20\x05\x21\x03\x0C\x00\x0B\x0B"
            "\x02\x40\x03\x40\x20\x04\xD1\x0D\x01\x20\x01\x20\x04\xFB\x02\x00\x00\xAD\x7C\x21\x01"
            "\x20\x04\xFB\x02\x00\x01\x21\x04\x0C\x00\x0B\x0B" AGAIN "\x20\x01\x0B");
    build_end(b, section);
}

static void make_machine(build *b)
{
    BUILD_WHOLE(b, 1,
                "\x04\x4E\x05\x50\x00\x5F\x00"                 /* 0 an op */
                "\x4F\x01\x00\x5F\x01\x7E\x00"                 /* 1 a constant */
                "\x4F\x01\x00\x5F\x00"                         /* 2 the variable */
                "\x4F\x01\x00\x5F\x02\x64\x00\x00\x64\x00\x00" /* 3 a sum */
                "\x4F\x01\x00\x5F\x02\x64\x00\x00\x64\x00\x00" /* 4 a product */
                "\x60\x01\x7F\x01\x64\x00"                     /* 5 make (depth) */
                "\x60\x02\x64\x00\x7E\x01\x7E"                 /* 6 value (op, variable) */
                "\x60\x01\x7F\x01\x7E");
    BUILD_WHOLE(b, 3, "\x03\x05\x06\x07");
    export_run(b, 2);
    size_t section = build_section(b, 10);
    build_leb(b, 3);
#define BOTH "\x20\x00\x41\x01\x6B\x10\x00\x20\x00\x41\x02\x6B\x10\x00"
    BODY(b, "\x00\x20\x00\x45\x04\x64\x00\xFB\x00\x02\x05\x20\x00\x41\x01\x46\x04\x64\x00\x42\x03\xFB\x00\x01\x05"
            "\x20\x00\x41\x01\x71\x04\x64\x00" BOTH "\xFB\x00\x03\x05" BOTH "\xFB\x00\x04\x0B\x0B\x0B\x0B");
    BODY(b, "\x02\x01\x63\x04\x01\x63\x03\x02\x64\x03\x02\x64\x04\x02\x64\x01\x20\x00"
            "\xFB\x18\x00\x02\x00\x03\xFB\x18\x00\x01\x00\x04\xFB\x18\x00\x00\x00\x01\x1A\x20\x01\x0F"
            "\x0B\xFB\x02\x01\x00\x0F"
            "\x0B\x22\x02\xFB\x02\x04\x00\x20\x01\x10\x01\x20\x02\xFB\x02\x04\x01\x20\x01\x10\x01\x7E\x0F"
            "\x0B\x22\x03\xFB\x02\x03\x00\x20\x01\x10\x01\x20\x03\xFB\x02\x03\x01\x20\x01\x10\x01\x7C\x0B");
    BODY(b, "\x02\x01\x7E\x01\x63\x00\x41\x0C\x10\x00\x21\x02"
            "\x03\x40\x20\x01\x20\x02\xD4\x20\x00\xAD\x10\x01\x7C\x21\x01" AGAIN "\x20\x01\x0B");
    build_end(b, section);
}

static int write_module(const char *folder, const char *name, void (*make)(build *b))
{
    char path[4096];
    build b = {0};
    build_preamble(&b);
    make(&b);
    snprintf(path, sizeof path, "%s/%s.wasm", folder, name);
    FILE *file = fopen(path, "wb");
    bool fine = file && fwrite(b.data, 1, b.size, file) == b.size;
    if (file && fclose(file) != 0)
        fine = false;
    if (!fine)
        perror(path);
    build_free(&b);
    return fine ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make FOLDER\n");
        return 2;
    }
    return write_module(argv[1], "trees", make_trees) | write_module(argv[1], "list", make_list) |
           write_module(argv[1], "machine", make_machine);
}

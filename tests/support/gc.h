/* A module for tests of the heap, byte by byte (wat2wasm of Debian 12 knows no structs). In text:
 *   (type 0 $node (struct (field (mut i32)) (field (mut (ref null $node)))))
 *   (type 1 $bytes (array (mut i8)))
 *   (type 2 $refs (array (mut anyref)))
 *   (type 3 $box (struct (field (mut funcref))))
 *   (global 0 $list (mut (ref null $node)))   (global 1 $any (mut anyref))
 *   push (i32 n)        n new nodes in front of $list, with values n ... 1
 *   sum () -> (i32)     of the values in $list
 *   reverse ()          $list in place, with two dead nodes made for each step
 *   drop ()             $list = null
 *   churn (i32 n)       n dead nodes
 *   bytes (i32 n) -> (anyref)   a $bytes of n zeros
 *   refs (i32 n) -> (anyref)    a $refs of n times $list
 *   head () -> (anyref)         $list
 *   keep ()             $any = a $box with a function of this instance
 *   id (anyref) -> (anyref)     and  out (anyref) -> (externref)  and  in (externref) -> (anyref)
 */
#ifndef TESTS_SUPPORT_GC_H
#define TESTS_SUPPORT_GC_H

#include "tests/support/bytes.h"

static inline void gc_body(build *code, const char *bytes, size_t size)
{
    build_leb(code, size);
    build_raw(code, bytes, size);
}
#define GC_BODY(code, literal) gc_body((code), "" literal, sizeof(literal) - 1)

/* Free with build_free. */
static inline build gc_module(void)
{
    static const char *const names[] = {"push", "sum",  "reverse", "drop", "churn", "bytes",
                                        "refs", "head", "keep",    "id",   "out",   "in"};
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, 1,
                "\x0C"
                "\x5F\x02\x7F\x01\x63\x00\x01" /* 0 */
                "\x5E\x78\x01"                 /* 1 */
                "\x5E\x6E\x01"                 /* 2 */
                "\x5F\x01\x70\x01"             /* 3 */
                "\x60\x01\x7F\x00"             /* 4 (i32) -> () */
                "\x60\x00\x01\x7F"             /* 5 () -> (i32) */
                "\x60\x00\x00"                 /* 6 */
                "\x60\x01\x7F\x01\x6E"         /* 7 (i32) -> (anyref) */
                "\x60\x00\x01\x6E"             /* 8 () -> (anyref) */
                "\x60\x01\x6E\x01\x6E"         /* 9 */
                "\x60\x01\x6E\x01\x6F"         /* 10 (anyref) -> (externref) */
                "\x60\x01\x6F\x01\x6E");       /* 11 (externref) -> (anyref) */
    BUILD_WHOLE(&b, 3, "\x0C\x04\x05\x06\x06\x04\x07\x07\x08\x06\x09\x0A\x0B");
    BUILD_WHOLE(&b, 6, "\x02\x63\x00\x01\xD0\x00\x0B\x6E\x01\xD0\x71\x0B");
    size_t exports = build_section(&b, 7);
    build_leb(&b, sizeof names / sizeof *names);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        build_name(&b, names[i]);
        build_u8(&b, 0);
        build_u8(&b, i);
    }
    build_end(&b, exports);
    size_t code = build_section(&b, 10);
    build_u8(&b, 12);
    GC_BODY(&b, "\x00\x02\x40\x03\x40\x20\x00\x45\x0D\x01\x20\x00\x23\x00\xFB\x00\x00\x24\x00"
                "\x20\x00\x41\x01\x6B\x21\x00\x0C\x00\x0B\x0B\x0B");
    GC_BODY(&b,
            "\x02\x01\x7F\x01\x63\x00\x23\x00\x21\x01\x02\x40\x03\x40\x20\x01\xD1\x0D\x01"
            "\x20\x00\x20\x01\xFB\x02\x00\x00\x6A\x21\x00\x20\x01\xFB\x02\x00\x01\x21\x01\x0C\x00\x0B\x0B\x20\x00\x0B");
    GC_BODY(&b, "\x01\x03\x63\x00\x23\x00\x21\x00\x02\x40\x03\x40\x20\x00\xD1\x0D\x01"
                "\x20\x00\xFB\x02\x00\x01\x21\x02\x20\x00\x20\x01\xFB\x05\x00\x01\x20\x00\x21\x01\x20\x02\x21\x00"
                "\xFB\x01\x00\x1A\xFB\x01\x00\x1A\x0C\x00\x0B\x0B\x20\x01\x24\x00\x0B");
    GC_BODY(&b, "\x00\xD0\x00\x24\x00\x0B");
    GC_BODY(&b,
            "\x00\x02\x40\x03\x40\x20\x00\x45\x0D\x01\xFB\x01\x00\x1A\x20\x00\x41\x01\x6B\x21\x00\x0C\x00\x0B\x0B\x0B");
    GC_BODY(&b, "\x00\x20\x00\xFB\x07\x01\x0B");
    GC_BODY(&b, "\x00\x23\x00\x20\x00\xFB\x06\x02\x0B");
    GC_BODY(&b, "\x00\x23\x00\x0B");
    GC_BODY(&b, "\x00\xD2\x00\xFB\x00\x03\x24\x01\x0B");
    GC_BODY(&b, "\x00\x20\x00\x0B");
    GC_BODY(&b, "\x00\x20\x00\xFB\x1B\x0B");
    GC_BODY(&b, "\x00\x20\x00\xFB\x1A\x0B");
    build_end(&b, code);
    return b;
}

#endif

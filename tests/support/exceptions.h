/* A module for tests of exceptions, byte by byte (wat2wasm of Debian 12 knows no try_table). In text:
 *   (import "m" "tag" (tag $tag (param i32)))   (import "m" "js" (tag $js (param externref)))
 *   (import "m" "host" (func $host))
 *   throw (i32)                  throw $tag
 *   catch () -> (i32)            call $host; the argument of $tag when that is caught, else -1
 *   catch_all () -> (i32)        1 when anything is caught, else 0
 *   catch_js () -> (externref)   call $host; the argument of $js when that is caught, else null
 *   rethrow ()                   call $host; catch everything and throw it again
 *   pass ()                      call $host
 *   trap () -> (i32)             unreachable inside of a try with catch_all
 *   ref () -> (exnref)           call $host; what is caught, else null
 *   tail () -> ()                return_call $host inside of a try with catch_all
 *   nested (i32) -> (i32)        throws through a call, past a try for $js, to one for $tag; the argument plus 1
 *   own (i32)                    throw with a tag of its own, (tag (param i32))
 */
#ifndef TESTS_SUPPORT_EXCEPTIONS_H
#define TESTS_SUPPORT_EXCEPTIONS_H

#include "tests/support/bytes.h"

static inline void exceptions_body(build *code, const char *bytes, size_t size)
{
    build_leb(code, size);
    build_raw(code, bytes, size);
}
#define EXCEPTIONS_BODY(code, literal) exceptions_body((code), "" literal, sizeof(literal) - 1)

/* Free with build_free. */
static inline build exceptions_module(void)
{
    static const char *const names[] = {"throw", "catch", "catch_all", "catch_js", "rethrow", "pass",
                                        "trap",  "ref",   "tail",      "nested",   "own"};
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, 1,
                "\x07"
                "\x60\x01\x7F\x00"       /* 0 (i32) -> () */
                "\x60\x01\x6F\x00"       /* 1 (externref) -> () */
                "\x60\x00\x00"           /* 2 */
                "\x60\x00\x01\x7F"       /* 3 () -> (i32) */
                "\x60\x00\x01\x6F"       /* 4 () -> (externref) */
                "\x60\x00\x01\x69"       /* 5 () -> (exnref) */
                "\x60\x01\x7F\x01\x7F"); /* 6 */
    BUILD_WHOLE(&b, 2, "\x03\x01m\x03tag\x04\x00\x00\x01m\x02js\x04\x00\x01\x01m\x04host\x00\x02");
    BUILD_WHOLE(&b, 3, "\x0B\x00\x03\x03\x04\x02\x02\x03\x05\x02\x06\x00");
    BUILD_WHOLE(&b, 13, "\x01\x00\x00");
    size_t exports = build_section(&b, 7);
    build_leb(&b, sizeof names / sizeof *names + 1);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        build_name(&b, names[i]);
        build_u8(&b, 0);
        build_u8(&b, i + 1);
    }
    build_name(&b, "own_tag");
    build_raw(&b, "\x04\x02", 2);
    build_end(&b, exports);
    size_t code = build_section(&b, 10);
    build_u8(&b, 11);
    EXCEPTIONS_BODY(&b, "\x00\x20\x00\x08\x00\x0B");
    EXCEPTIONS_BODY(&b, "\x00\x02\x7F\x1F\x40\x01\x00\x00\x00\x10\x00\x0B\x41\x7F\x0B\x0B");
    EXCEPTIONS_BODY(&b, "\x00\x02\x40\x1F\x40\x01\x02\x00\x10\x00\x0B\x41\x00\x0F\x0B\x41\x01\x0B");
    EXCEPTIONS_BODY(&b, "\x00\x02\x6F\x1F\x40\x01\x00\x01\x00\x10\x00\x0B\xD0\x6F\x0B\x0B");
    EXCEPTIONS_BODY(&b, "\x00\x02\x69\x1F\x40\x01\x03\x00\x10\x00\x0B\x0F\x0B\x0A\x0B");
    EXCEPTIONS_BODY(&b, "\x00\x10\x00\x0B");
    EXCEPTIONS_BODY(&b, "\x00\x02\x40\x1F\x40\x01\x02\x00\x00\x0B\x0B\x41\x01\x0B");
    EXCEPTIONS_BODY(&b, "\x00\x02\x69\x1F\x40\x01\x03\x00\x10\x00\x0B\xD0\x69\x0B\x0B");
    EXCEPTIONS_BODY(&b, "\x00\x02\x40\x1F\x40\x01\x02\x00\x12\x00\x0B\x0B\x0B");
    EXCEPTIONS_BODY(&b, "\x00\x02\x7F\x1F\x40\x01\x00\x00\x00"
                        "\x02\x6F\x1F\x40\x01\x00\x01\x00\x20\x00\x10\x01\x0B\xD0\x6F\x0B\x1A"
                        "\x0B\x41\x7F\x0B\x41\x01\x6A\x0B");
    EXCEPTIONS_BODY(&b, "\x00\x20\x00\x08\x02\x0B");
    build_end(&b, code);
    return b;
}

#endif

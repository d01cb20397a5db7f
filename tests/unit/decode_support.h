/* What the decoder's tests share: a registry for each test, accepting and refusing bytes. */
#ifndef TESTS_UNIT_DECODE_SUPPORT_H
#define TESTS_UNIT_DECODE_SUPPORT_H

#include "tests/support/check.h"

#include "base/alloc.h"
#include "binary/module.h"
#include "tests/support/bytes.h"

enum { TYPE = 1, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT, CODE, DATA, DATA_COUNT, TAG };

static wagi_registry *registry;

static inline int setup(void **state)
{
    (void)state;
    registry = wagi_registry_new(&wagi_default_limits);
    return registry ? 0 : -1;
}

/* Nothing is left after any test. */
static inline int teardown(void **state)
{
    (void)state;
    wagi_alloc_fail_after(UINT64_MAX);
    size_t left = wagi_registry_group_count(registry) + wagi_module_live_count();
    wagi_registry_unref(registry);
    return left ? -1 : 0;
}

static inline wag_err decode(wag_bytes bytes, wag_module **ret_module, wag_error **reterr_error)
{
    return wagi_module_decode(bytes, NULL, registry, &wagi_default_limits, ret_module, reterr_error);
}

/* The module of these bytes, sealed. own. Frees the builder. */
static inline wag_module *accept(build *b)
{
    wag_module *module = NULL;
    wag_error *error = NULL;
    if (decode(build_bytes(b), &module, &error) != WAG_OK)
        fail_msg("rejected: %s", wag_error_message(error));
    assert_true(wagi_module_seal(module));
    build_free(b);
    return module;
}

/* The bytes are refused with this code and a message that begins so. offset SIZE_MAX: any. Frees the builder. */
static inline void refuse(build *b, wag_err code, const char *message, size_t offset)
{
    wag_module *module = NULL;
    wag_error *error = NULL;
    wag_err err = decode(build_bytes(b), &module, &error);
    if (err == WAG_OK)
        fail_msg("accepted, wanted: %s", message);
    assert_null(module);
    assert_int_equal(wag_error_code(error), err);
    const char *text = wag_error_message(error);
    if (err != code || strncmp(text, message, strlen(message)) != 0)
        fail_msg("wanted %s: %s; got %s: %s", wag_err_name(code), message, wag_err_name(err), text);
    size_t got;
    assert_true(wag_error_offset(error, &got));
    if (offset != SIZE_MAX)
        assert_int_equal(got, offset);
    char place[64];
    snprintf(place, sizeof place, " at byte %zu", got);
    assert_true(strlen(text) > strlen(place));
    assert_string_equal(text + strlen(text) - strlen(place), place);
    wag_error_unref(error);
    build_free(b);
}

static inline build start(void)
{
    build b = {0};
    build_preamble(&b);
    return b;
}

/* Function types () and (i32), functions 0 and 1, table 0 funcref, table 1 externref i64, memory 0 32-bit, memory 1
 * 64-bit; then a section. */
static inline build with_section(unsigned id, const char *bytes, size_t size)
{
    build b = start();
    BUILD_WHOLE(&b, TYPE, "\x01\x60\x00\x00");
    BUILD_WHOLE(&b, FUNCTION, "\x02\x00\x00");
    BUILD_WHOLE(&b, TABLE, "\x02\x70\x00\x0A\x6F\x04\x0A");
    BUILD_WHOLE(&b, MEMORY, "\x02\x00\x01\x04\x01");
    if (id == ELEMENT)
        build_whole(&b, id, bytes, size);
    BUILD_WHOLE(&b, CODE, "\x02\x02\x00\x0B\x02\x00\x0B");
    if (id == DATA)
        build_whole(&b, id, bytes, size);
    return b;
}

#define DECODE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif

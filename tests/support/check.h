/* Assertions that print both sides and the error's name. Only on the test's own thread. */
#ifndef TESTS_SUPPORT_CHECK_H
#define TESTS_SUPPORT_CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* include this header first */
#endif

#include "tests/support/wat.h"
#include "waggle.h"

/* Memcheck reports what guard mode is about, accesses to guard pages: there the tests run with bounds checks instead.
 */
#ifdef WAG_TEST_VALGRIND
#define WAG_TIER_NATIVE_GUARD WAG_TIER_NATIVE_CHECKED
#endif

#define ASSERT_ERR(expression, wanted)                                                                                 \
    do {                                                                                                               \
        wag_err got_ = (expression);                                                                                   \
        if (got_ != (wanted))                                                                                          \
            fail_msg("%s: wanted %s, got %s", #expression, wag_err_name(wanted), wag_err_name(got_));                  \
    } while (0)

#define ASSERT_OK(expression) ASSERT_ERR(expression, WAG_OK)

/* The error has this class; releases it. */
static inline void assert_class(wag_error *error, wag_error_class wanted)
{
    assert_non_null(error);
    wag_error_class got = wag_error_get_class(error);
    if (got != wanted)
        fail_msg("wanted %s, got %s: %s", wag_error_class_name(wanted), wag_error_class_name(got),
                 wag_error_message(error));
    wag_error_unref(error);
}

/* A module from text, compiled synchronously. own. */
static inline wag_module *module_of(const char *text)
{
    wag_bytes bytes = wat(text);
    wag_module *module = NULL;
    wag_error *error = NULL;
    if (wag_module_new(bytes, NULL, &module, &error) != WAG_OK)
        fail_msg("%s: %s", text, wag_error_message(error));
    wat_free(bytes);
    return module;
}

/* An instance from text. imports: borrow, may be NULL. own. */
static inline wag_instance *instance_of(const char *text, wag_imports *imports)
{
    wag_module *module = module_of(text);
    wag_instance *instance = NULL;
    wag_error *error = NULL;
    if (wag_instance_new(module, imports, &instance, &error) != WAG_OK)
        fail_msg("%s: %s", text, wag_error_message(error));
    wag_module_unref(module);
    return instance;
}

/* An export that is a function. borrow */
static inline wag_func *export_of(const wag_instance *instance, const char *name)
{
    wag_func *func = wag_exports_func(wag_instance_exports(instance), name);
    assert_non_null(func);
    return func;
}

/* Call an export that takes nothing and gives one i32. */
static inline int32_t call_i32(const wag_instance *instance, const char *name)
{
    wag_val result;
    wag_error *error = NULL;
    if (wag_call(export_of(instance, name), NULL, 0, &result, 1, &error) != WAG_OK)
        fail_msg("%s: %s", name, wag_error_message(error));
    assert_int_equal(result.kind, WAG_I32);
    return result.of.i32;
}

#endif

/* The decoder: every form of types, limits and segments. */
#include "tests/unit/decode_support.h"

/* ---- types ---- */

static void test_types_of_two_modules_are_the_same_objects(void **state)
{
    (void)state;
    wag_module *modules[2];
    for (size_t i = 0; i < 2; i++) {
        build b = start();
        /* The second module has another type first, so its indices differ. */
        if (i == 0)
            BUILD_WHOLE(&b, TYPE, "\x02\x60\x02\x7F\x6F\x01\x7C\x5F\x01\x78\x01");
        else
            BUILD_WHOLE(&b, TYPE, "\x03\x60\x00\x00\x60\x02\x7F\x6F\x01\x7C\x4F\x00\x5F\x01\x78\x01");
        modules[i] = accept(&b);
    }
    assert_ptr_equal(modules[0]->data->types[0], modules[1]->data->types[1]);
    assert_ptr_not_equal(modules[0]->data->types[0], modules[1]->data->types[0]);
    /* A bare struct and (sub final) of the same are one type too. */
    assert_ptr_equal(modules[0]->data->types[1], modules[1]->data->types[2]);
    assert_int_equal(modules[0]->data->types[1]->fields[0].storage, WAGI_KIND_I8);
    assert_int_equal(wagi_registry_group_count(registry), 3);
    wagi_module_free(modules[0]);
    assert_int_equal(wagi_registry_group_count(registry), 3);
    wagi_module_free(modules[1]);
}

static void test_recursive_types_refer_to_each_other(void **state)
{
    (void)state;
    build b = start();
    /* (rec (func (param (ref null 1))) (array (mut (ref 0)))) (struct (field (ref null 2))): the last refers to itself
     */
    BUILD_WHOLE(&b, TYPE, "\x02\x4E\x02\x60\x01\x63\x01\x00\x5E\x64\x00\x01\x5F\x01\x63\x02\x00");
    wag_module *module = accept(&b);
    const wagi_type *const *types = module->data->types;
    assert_int_equal(module->data->type_count, 3);
    assert_int_equal(types[0]->params[0], WAGI_REF_CONCRETE(true, types[1]->id));
    assert_int_equal(types[1]->fields[0].storage, WAGI_REF_CONCRETE(false, types[0]->id));
    assert_true(types[1]->fields[0].is_mutable);
    assert_ptr_equal(types[0]->group, types[1]->group);
    assert_int_equal(types[2]->fields[0].storage, WAGI_REF_CONCRETE(true, types[2]->id));
    wagi_module_free(module);
}

static void test_types_that_come_later_are_unknown_outside_a_group(void **state)
{
    (void)state;
    build b = start();
    BUILD_WHOLE(&b, TYPE, "\x02\x60\x01\x63\x01\x00\x60\x00\x00");
    refuse(&b, WAG_INVALID, "unknown type", 18);
    b = start();
    BUILD_WHOLE(&b, TYPE, "\x01\x4E\x02\x60\x01\x63\x02\x00\x60\x00\x00");
    refuse(&b, WAG_INVALID, "unknown type", 20);
}

static void test_supertypes_must_come_earlier_be_open_and_match(void **state)
{
    (void)state;
    build b = start();
    /* open struct {i32}; sub of it with one field more; sub of that, final */
    BUILD_WHOLE(&b, TYPE,
                "\x03\x50\x00\x5F\x01\x7F\x00\x50\x01\x00\x5F\x02\x7F\x00\x7E\x01\x4F\x01\x01\x5F\x02\x7F\x00\x7E\x01");
    wag_module *module = accept(&b);
    assert_int_equal(module->data->types[2]->depth, 2);
    assert_true(wagi_type_is_sub(module->data->types[2], module->data->types[0]));
    wagi_module_free(module);
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } rows[] = {
#define ROW(literal, message) {"" literal, sizeof(literal) - 1, message}
        ROW("\x01\x50\x01\x00\x5F\x00", "unknown type 0"),                                   /* itself */
        ROW("\x01\x4E\x02\x50\x01\x01\x5F\x00\x50\x00\x5F\x00", "unknown type 1"),           /* later in the group */
        ROW("\x02\x5F\x00\x50\x01\x00\x5F\x00", "invalid sub type: type 1"),                 /* final */
        ROW("\x02\x50\x00\x5F\x00\x50\x01\x00\x60\x00\x00", "invalid sub type: type 1"),     /* another kind */
        ROW("\x02\x50\x00\x5F\x01\x7F\x00\x50\x01\x00\x5F\x00", "invalid sub type: type 1"), /* a field less */
        ROW("\x02\x50\x00\x5F\x01\x7F\x00\x50\x01\x00\x5F\x01\x7F\x01", "invalid sub type: type 1"), /* mutability */
        ROW("\x02\x50\x00\x5F\x01\x70\x01\x50\x01\x00\x5F\x01\x73\x01",
            "invalid sub type: type 1"), /* mutable varies */
        ROW("\x02\x50\x00\x60\x01\x73\x00\x50\x01\x00\x60\x01\x7F\x00", "invalid sub type: type 1"), /* parameter */
        ROW("\x02\x50\x00\x60\x01\x70\x00\x50\x01\x00\x60\x01\x73\x00",
            "invalid sub type: type 1"), /* not contravariant */
        ROW("\x02\x50\x00\x60\x00\x01\x73\x50\x01\x00\x60\x00\x01\x70", "invalid sub type: type 1"), /* not covariant */
        ROW("\x03\x50\x00\x5F\x00\x50\x00\x5F\x00\x50\x02\x00\x01\x5F\x00", "more than one supertype"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        b = start();
        build_whole(&b, TYPE, rows[i].bytes, rows[i].size);
        refuse(&b, WAG_INVALID, rows[i].message, SIZE_MAX);
    }
    b = start(); /* contravariant parameters, covariant results and constant fields are fine */
    BUILD_WHOLE(&b, TYPE,
                "\x04\x50\x00\x60\x01\x73\x01\x70\x50\x01\x00\x60\x01\x70\x01\x73"
                "\x50\x00\x5F\x01\x70\x00\x50\x01\x02\x5F\x01\x73\x00");
    wagi_module_free(accept(&b));
}

static void test_malformed_types_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } rows[] = {
        ROW("\x01\x40", "malformed type form 0x40"),
        ROW("\x01\x60\x01\x41\x00", "malformed value type"),
        ROW("\x01\x60\x01\x78\x00", "malformed value type"), /* packed outside a field */
        ROW("\x01\x60\x01\x63\x41\x00", "malformed heap type"),
        ROW("\x01\x60\x01\x63\xF0\x7F\x00", "malformed heap type"), /* func, padded */
        ROW("\x01\x5F\x01\x7F\x02", "malformed mutability"),
        ROW("\x01\x60\x01", "unexpected end"),
        ROW("\x01\x4E", "unexpected end"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        build b = start();
        build_whole(&b, TYPE, rows[i].bytes, rows[i].size);
        refuse(&b, WAG_MALFORMED, rows[i].message, SIZE_MAX);
    }
}

static void test_a_group_without_types_is_fine(void **state)
{
    (void)state;
    build b = start();
    BUILD_WHOLE(&b, TYPE, "\x02\x4E\x00\x60\x00\x00");
    wag_module *module = accept(&b);
    assert_int_equal(module->data->type_count, 1);
    wagi_module_free(module);
}

static void test_limits_of_tables_and_memories_are_checked(void **state)
{
    (void)state;
    static const struct {
        unsigned section;
        const char *bytes;
        size_t size;
        wag_err err;
        const char *message;
    } rows[] = {
#define LIMITS(section, literal, err, message) {section, "" literal, sizeof(literal) - 1, err, message}
        LIMITS(MEMORY, "\x01\x01\x02\x01", WAG_INVALID, "size minimum must not be greater than maximum"),
        LIMITS(MEMORY, "\x01\x00\x81\x80\x04", WAG_INVALID, "memory size must be at most 65536 pages"),
        LIMITS(MEMORY, "\x01\x01\x00\x81\x80\x04", WAG_INVALID, "memory size must be at most 65536 pages"),
        LIMITS(MEMORY, "\x01\x01\x80\x80\x04\x80\x80\x04", WAG_OK, NULL),
        LIMITS(MEMORY, "\x01\x02\x00", WAG_INVALID, "shared memory must have maximum"),
        LIMITS(MEMORY, "\x01\x10\x00\x00", WAG_MALFORMED, "malformed limits flags"),
        LIMITS(MEMORY, "\x01\x08\x00\x00", WAG_OK, NULL),
        LIMITS(MEMORY, "\x01\x08\xFF\xFF\xFF\xFF\x0F\x00", WAG_OK, NULL),
        LIMITS(MEMORY, "\x01\x08\x80\x80\x80\x80\x10\x00", WAG_INVALID, "memory size must be at most"),
        LIMITS(MEMORY, "\x01\x08\x81\x80\x04\x10", WAG_INVALID, "memory size must be at most"),
        LIMITS(MEMORY, "\x01\x08\x00\x01", WAG_INVALID, "invalid custom page size 2^1"),
        LIMITS(MEMORY, "\x01\x08\x00\x40", WAG_MALFORMED, "invalid custom page size"),
        LIMITS(MEMORY, "\x01\x04\x81\x80\x80\x80\x80\x80\x40", WAG_INVALID, "memory size must be at most 2^48 pages"),
        LIMITS(MEMORY, "\x01\x05\x00\x80\x80\x80\x80\x80\x04", WAG_LIMIT, "limit of pages in the type"),
        LIMITS(MEMORY, "\x01\x07\x01\x02", WAG_OK, NULL),
        LIMITS(TABLE, "\x01\x70\x01\x02\x01", WAG_INVALID, "size minimum must not be greater than maximum"),
        LIMITS(TABLE, "\x01\x70\x01\x00\xFF\xFF\xFF\xFF\x0F", WAG_OK, NULL),
        LIMITS(TABLE, "\x01\x70\x01\x00\x80\x80\x80\x80\x10", WAG_INVALID, "table size must be at most 2^32-1"),
        LIMITS(TABLE, "\x01\x70\x05\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", WAG_OK, NULL),
        LIMITS(TABLE, "\x01\x70\x03\x00\x01", WAG_MALFORMED, "malformed limits flags"),
        LIMITS(TABLE, "\x01\x70\x08\x00\x00", WAG_MALFORMED, "malformed limits flags"),
        LIMITS(TABLE, "\x01\x7F\x00\x00", WAG_MALFORMED, "malformed reference type"),
        LIMITS(TABLE, "\x01\x64\x70\x00\x00", WAG_INVALID, "type mismatch: a table of non-nullable references"),
        LIMITS(TABLE, "\x01\x40\x01\x70\x00\x00", WAG_MALFORMED, "malformed table"),
        LIMITS(GLOBAL, "\x01\x7F\x02\x41\x00\x0B", WAG_MALFORMED, "malformed mutability"),
        LIMITS(IMPORT, "\x01\x00\x00\x05\x00", WAG_MALFORMED, "malformed import kind 0x05"),
        LIMITS(IMPORT, "\x01\x00\x00\x00\x00", WAG_INVALID, "unknown type 0"),
        LIMITS(IMPORT, "\x01\x00\x00\x01\x64\x70\x00\x00", WAG_OK, NULL), /* imported tables need no initial value */
        LIMITS(TAG, "\x01\x01\x00", WAG_MALFORMED, "malformed tag attribute"),
        LIMITS(FUNCTION, "\x01\x00", WAG_INVALID, "unknown type 0"),
        LIMITS(EXPORT, "\x01\x00\x05\x00", WAG_MALFORMED, "malformed export kind 0x05"),
        LIMITS(EXPORT, "\x01\x00\x03\x00", WAG_INVALID, "unknown global 0"),
        LIMITS(EXPORT, "\x01\x00\x04\x00", WAG_INVALID, "unknown tag 0"),
        LIMITS(START, "\x00", WAG_INVALID, "unknown function 0"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        build b = start();
        build_whole(&b, rows[i].section, rows[i].bytes, rows[i].size);
        if (rows[i].err == WAG_OK)
            wagi_module_free(accept(&b));
        else
            refuse(&b, rows[i].err, rows[i].message, SIZE_MAX);
    }
}

static void test_types_that_must_be_functions_are_checked(void **state)
{
    (void)state;
    build b = start();
    BUILD_WHOLE(&b, TYPE, "\x01\x5F\x00");
    BUILD_WHOLE(&b, FUNCTION, "\x01\x00");
    refuse(&b, WAG_INVALID, "type 0 is not a function type", SIZE_MAX);
    b = start();
    BUILD_WHOLE(&b, TYPE, "\x01\x60\x00\x01\x7F");
    BUILD_WHOLE(&b, TAG, "\x01\x00\x00");
    refuse(&b, WAG_INVALID, "non-empty tag result type", SIZE_MAX);
    b = start();
    BUILD_WHOLE(&b, TYPE, "\x01\x60\x00\x01\x7F");
    BUILD_WHOLE(&b, IMPORT, "\x01\x00\x00\x00\x00");
    BUILD_WHOLE(&b, START, "\x00");
    refuse(&b, WAG_INVALID, "start function must have neither", SIZE_MAX);
}

/* ---- segments ---- */

static void test_element_segments_are_read_in_all_eight_forms(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        wagi_segment_mode mode;
        wagi_valtype type;
        uint32_t table, count;
        bool funcs;
    } rows[] = {
#define FORM(literal, mode, type, table, count, funcs)                                                                 \
    {"" literal, sizeof(literal) - 1, WAGI_SEGMENT_##mode, type, table, count, funcs}
#define FUNC_REF WAGI_REF_ABSTRACT(false, WAGI_HEAP_FUNC)
        FORM("\x01\x00\x41\x01\x0B\x02\x00\x01", ACTIVE, FUNC_REF, 0, 2, true),
        FORM("\x01\x01\x00\x02\x00\x01", PASSIVE, FUNC_REF, 0, 2, true),
        FORM("\x01\x02\x00\x41\x01\x0B\x00\x02\x00\x01", ACTIVE, FUNC_REF, 0, 2, true),
        FORM("\x01\x03\x00\x02\x00\x01", DECLARED, FUNC_REF, 0, 2, true),
        FORM("\x01\x04\x41\x01\x0B\x02\xD2\x00\x0B\xD2\x01\x0B", ACTIVE, WAGI_FUNCREF, 0, 2, true),
        FORM("\x01\x05\x70\x02\xD2\x00\x0B\xD0\x70\x0B", PASSIVE, WAGI_FUNCREF, 0, 2, false),
        FORM("\x01\x06\x01\x42\x01\x0B\x6F\x01\xD0\x6F\x0B", ACTIVE, WAGI_EXTERNREF, 1, 1, false),
        FORM("\x01\x07\x70\x02\xD2\x00\x0B\xD2\x01\x0B", DECLARED, WAGI_FUNCREF, 0, 2, true),
        FORM("\x01\x05\x64\x00\x01\xD2\x00\x0B", PASSIVE, 0 /* (ref 0) */, 0, 1, true),
        FORM("\x01\x01\x00\x00", PASSIVE, FUNC_REF, 0, 0, true),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        build b = with_section(ELEMENT, rows[i].bytes, rows[i].size);
        wag_module *module = accept(&b);
        const wagi_elem_segment *elem = &module->data->elems[0];
        assert_int_equal(elem->mode, rows[i].mode);
        assert_int_equal(elem->type,
                         rows[i].type ? rows[i].type : WAGI_REF_CONCRETE(false, module->data->types[0]->id));
        assert_int_equal(elem->table, rows[i].table);
        assert_int_equal(elem->count, rows[i].count);
        assert_int_equal(elem->funcs != NULL, rows[i].funcs);
        assert_int_equal(elem->items != NULL, !rows[i].funcs);
        if (rows[i].mode == WAGI_SEGMENT_ACTIVE)
            assert_int_equal(elem->offset.bits[0], 1);
        for (uint32_t j = 0; rows[i].funcs && j < elem->count; j++)
            assert_int_equal(elem->funcs[j], j);
        wagi_module_free(module);
    }
}

static void test_wrong_segments_are_refused(void **state)
{
    (void)state;
    static const struct {
        unsigned section;
        const char *bytes;
        size_t size;
        wag_err err;
        const char *message;
    } rows[] = {
        LIMITS(ELEMENT, "\x01\x08\x00", WAG_MALFORMED, "malformed elements segment kind"),
        LIMITS(ELEMENT, "\x01\x01\x01\x00", WAG_MALFORMED, "malformed element kind"),
        LIMITS(ELEMENT, "\x01\x05\x7F\x00", WAG_MALFORMED, "malformed reference type"),
        LIMITS(ELEMENT, "\x01\x00\x41\x00\x0B\x01\x02", WAG_INVALID, "unknown function 2"),
        LIMITS(ELEMENT, "\x01\x02\x02\x41\x00\x0B\x00\x00", WAG_INVALID, "unknown table 2"),
        LIMITS(ELEMENT, "\x01\x02\x01\x42\x00\x0B\x00\x00", WAG_INVALID, "type mismatch: the segment's references"),
        LIMITS(ELEMENT, "\x01\x06\x00\x41\x00\x0B\x6F\x00", WAG_INVALID, "type mismatch: the segment's references"),
        LIMITS(ELEMENT, "\x01\x06\x01\x41\x00\x0B\x6F\x00", WAG_INVALID,
               "type mismatch"), /* 64-bit table, i32 offset */
        LIMITS(DATA, "\x01\x03\x00", WAG_MALFORMED, "malformed data segment kind"),
        LIMITS(DATA, "\x01\x02\x02\x41\x00\x0B\x00", WAG_INVALID, "unknown memory 2"),
        LIMITS(DATA, "\x01\x02\x01\x41\x00\x0B\x00", WAG_INVALID, "type mismatch"),
        LIMITS(DATA, "\x01\x00\x41\x00\x0B\x05hi", WAG_MALFORMED, "unexpected end"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        build b = with_section(rows[i].section, rows[i].bytes, rows[i].size);
        refuse(&b, rows[i].err, rows[i].message, SIZE_MAX);
    }
    build b = with_section(DATA, "\x01\x02\x01\x42\x07\x0B\x02hi", 9);
    wag_module *module = accept(&b);
    assert_int_equal(module->data->datas[0].memory, 1);
    assert_int_equal(module->data->datas[0].offset.bits[0], 7);
    wagi_module_free(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DECODE_TEST(test_types_of_two_modules_are_the_same_objects),
        DECODE_TEST(test_recursive_types_refer_to_each_other),
        DECODE_TEST(test_types_that_come_later_are_unknown_outside_a_group),
        DECODE_TEST(test_supertypes_must_come_earlier_be_open_and_match),
        DECODE_TEST(test_malformed_types_are_refused),
        DECODE_TEST(test_a_group_without_types_is_fine),
        DECODE_TEST(test_limits_of_tables_and_memories_are_checked),
        DECODE_TEST(test_types_that_must_be_functions_are_checked),
        DECODE_TEST(test_element_segments_are_read_in_all_eight_forms),
        DECODE_TEST(test_wrong_segments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The decoder: sections and their order, index spaces, names, memory, errors with their places. */
#include "tests/unit/decode_support.h"

#include <signal.h>
#include <sys/wait.h>

#include "binary/reader.h"

/* ---- the frame ---- */

static void test_the_empty_module_is_valid(void **state)
{
    (void)state;
    build b = start();
    wag_module *module = accept(&b);
    const wagi_module_data *data = module->data;
    assert_int_equal(data->bytes.size, 8);
    assert_int_equal(data->start, WAGI_NO_INDEX);
    assert_int_equal(data->features, 0);
    assert_null(data->func_names);
    wagi_module_free(module);
}

static void test_the_preamble_must_be_whole(void **state)
{
    (void)state;
    build b = {0};
    refuse(&b, WAG_MALFORMED, "unexpected end", 0);
    build_raw(&b, "\0asm\1\0\0", 7);
    refuse(&b, WAG_MALFORMED, "unexpected end", 4);
    build_raw(&b, "\0ASM\1\0\0\0", 8);
    refuse(&b, WAG_MALFORMED, "magic header not detected", 0);
    build_raw(&b, "\0asm\2\0\0\0", 8);
    refuse(&b, WAG_MALFORMED, "unknown binary version", 4);
}

/* Every section with zero entries; the start section cannot be empty. */
static const unsigned in_order[] = {TYPE,   IMPORT, FUNCTION, TABLE,      MEMORY, TAG,
                                    GLOBAL, EXPORT, ELEMENT,  DATA_COUNT, CODE,   DATA};
enum { SECTIONS = sizeof in_order / sizeof *in_order };

static void test_sections_are_accepted_in_their_order_only(void **state)
{
    (void)state;
    build b = start();
    for (size_t i = 0; i < SECTIONS; i++)
        build_whole(&b, in_order[i], "", 1); /* one zero byte */
    wagi_module_free(accept(&b));
    for (size_t first = 0; first < SECTIONS; first++)
        for (size_t second = 0; second < SECTIONS; second++) {
            b = start();
            build_whole(&b, in_order[first], "", 1);
            size_t where = b.size;
            build_whole(&b, in_order[second], "", 1);
            if (first < second)
                wagi_module_free(accept(&b));
            else
                refuse(&b, WAG_MALFORMED, "unexpected section", where);
        }
    b = start();
    build_whole(&b, 14, "", 1);
    refuse(&b, WAG_MALFORMED, "malformed section id 14", 8);
}

static void test_sections_must_hold_exactly_what_they_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < SECTIONS; i++) {
        build b = start();
        build_whole(&b, in_order[i], "\0\0", 2);
        refuse(&b, WAG_MALFORMED, "section size mismatch", 15);
        b = start();
        build_whole(&b, in_order[i], "", 0);
        refuse(&b, WAG_MALFORMED, "unexpected end", SIZE_MAX);
        b = start();
        build_u8(&b, in_order[i]);
        build_leb(&b, 2);
        build_u8(&b, 0);
        refuse(&b, WAG_MALFORMED, "unexpected end: section", 8);
    }
}

/* A count of 2^32 - 1 in a section of six bytes must not make anybody allocate. */
static void test_counts_beyond_the_bytes_are_refused_before_anything_is_made(void **state)
{
    (void)state;
    for (size_t i = 0; i < SECTIONS; i++) {
        if (in_order[i] == DATA_COUNT)
            continue;
        build b = start();
        BUILD_WHOLE(&b, in_order[i], "\xFF\xFF\xFF\xFF\x0F");
        refuse(&b, WAG_MALFORMED, "unexpected end: more elements than bytes", 14);
    }
}

static void test_custom_sections_may_be_anywhere(void **state)
{
    (void)state;
    build b = start();
    for (size_t i = 0; i < SECTIONS; i++) {
        BUILD_WHOLE(&b, 0,
                    "\x01"
                    "c\x01\x02");
        build_whole(&b, in_order[i], "", 1);
    }
    BUILD_WHOLE(&b, 0, "\x00");
    wag_module *module = accept(&b);
    assert_int_equal(module->data->custom_count, SECTIONS + 1);
    for (size_t i = 0; i < SECTIONS; i++) {
        assert_int_equal(module->data->customs[i].name.size, 1);
        assert_memory_equal(module->data->customs[i].bytes.data, "\x01\x02", 2);
    }
    assert_int_equal(module->data->customs[SECTIONS].bytes.size, 0);
    wagi_module_free(module);
    b = start();
    BUILD_WHOLE(&b, 0, "\x02\xFF\xFE");
    refuse(&b, WAG_MALFORMED, "malformed UTF-8 encoding", 15);
    b = start();
    BUILD_WHOLE(&b, 0,
                "\x05"
                "ab");
    refuse(&b, WAG_MALFORMED, "unexpected end", SIZE_MAX);
    b = start();
    build_whole(&b, 0, "", 0);
    refuse(&b, WAG_MALFORMED, "unexpected end", SIZE_MAX);
}

/* ---- index spaces ---- */

/* A module with one of everything; every section is used. */
static build everything(void)
{
    build b = start();
    BUILD_WHOLE(&b, TYPE, "\x03\x60\x00\x00\x60\x01\x7F\x01\x7F\x60\x01\x7E\x00");
    BUILD_WHOLE(&b, IMPORT,
                "\x05\x01"
                "m\x01"
                "f\x00\x01\x01"
                "m\x01"
                "t\x01\x70\x01\x01\x02\x01"
                "m\x01"
                "m\x02\x00\x01\x01"
                "m\x01"
                "g\x03\x7F\x00\x01"
                "m\x01"
                "e\x04\x00\x02");
    BUILD_WHOLE(&b, FUNCTION, "\x03\x00\x01\x00");
    BUILD_WHOLE(&b, TABLE, "\x02\x6F\x04\x03\x40\x00\x64\x70\x00\x01\xD2\x01\x0B");
    BUILD_WHOLE(&b, MEMORY, "\x01\x03\x01\x02");
    BUILD_WHOLE(&b, TAG, "\x01\x00\x00");
    BUILD_WHOLE(&b, GLOBAL, "\x02\x7F\x01\x23\x00\x0B\x7E\x00\x42\x05\x0B");
    BUILD_WHOLE(&b, EXPORT,
                "\x04\x02"
                "ff\x00\x02\x01"
                "g\x03\x01\x00\x02\x01\x01"
                "f\x00\x00");
    BUILD_WHOLE(&b, START, "\x01");
    BUILD_WHOLE(&b, ELEMENT, "\x02\x00\x41\x00\x0B\x01\x01\x05\x6F\x01\xD0\x6F\x0B");
    BUILD_WHOLE(&b, DATA_COUNT, "\x02");
    BUILD_WHOLE(&b, CODE, "\x03\x02\x00\x0B\x04\x00\x20\x00\x0B\x04\x01\x02\x7C\x0B");
    BUILD_WHOLE(&b, DATA, "\x02\x00\x41\x00\x0B\x02hi\x01\x01!");
    BUILD_WHOLE(&b, 0, "\x04name\x01\x0A\x02\x00\x03imp\x02\x02ow");
    return b;
}

static void test_index_spaces_begin_with_the_imports(void **state)
{
    (void)state;
    build b = everything();
    wag_module *module = accept(&b);
    const wagi_module_data *data = module->data;
    assert_int_equal(data->import_count, 5);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(data->imports[i].index, 0);
    assert_int_equal(data->imports[4].kind, WAG_EXTERN_TAG);
    assert_int_equal(data->func_import_count, 1);
    assert_int_equal(data->func_count, 4);
    assert_ptr_equal(data->func_types[2], data->types[1]);
    assert_int_equal(data->table_count, 3);
    assert_int_equal(data->tables[0].type.limits.maximum, 2);
    assert_true(data->tables[1].type.limits.is_64);
    assert_int_equal(data->tables[1].type.limits.maximum, UINT64_MAX);
    assert_true(data->tables[2].has_init);
    assert_int_equal(data->tables[2].init.kind, WAGI_CONST_REF_FUNC);
    assert_int_equal(data->memory_count, 2);
    assert_true(data->memories[1].limits.is_shared);
    assert_int_equal(data->global_count, 3);
    assert_int_equal(data->globals[1].init.kind, WAGI_CONST_GLOBAL_GET);
    assert_int_equal(data->globals[2].init.bits[0], 5);
    assert_int_equal(data->tag_count, 2);
    assert_ptr_equal(data->tags[1], data->types[0]);
    assert_int_equal(data->start, 1);
    wagi_module_free(module);
}

static void test_contents_come_out_as_they_went_in(void **state)
{
    (void)state;
    build b = everything();
    wag_module *module = accept(&b);
    const wagi_module_data *data = module->data;
    assert_int_equal(data->elem_count, 2);
    assert_int_equal(data->elems[0].mode, WAGI_SEGMENT_ACTIVE);
    assert_int_equal(data->elems[0].funcs[0], 1);
    assert_int_equal(data->elems[1].mode, WAGI_SEGMENT_PASSIVE);
    assert_null(data->elems[1].funcs);
    assert_int_equal(data->elems[1].items[0].kind, WAGI_CONST_REF_NULL);
    assert_int_equal(data->data_count, 2);
    assert_memory_equal(data->datas[0].bytes.data, "hi", 2);
    assert_int_equal(data->datas[1].mode, WAGI_SEGMENT_PASSIVE);
    const wagi_func_body *body = wagi_module_body(data, 3);
    assert_int_equal(body->func_index, 3);
    assert_int_equal(body->local_count, 2);
    assert_int_equal(wagi_local_type(body, 1), WAGI_F64);
    assert_ptr_equal(body->end, body->code + 1);
    assert_true(body->code > data->bytes.data && body->end <= data->bytes.data + data->bytes.size);
    wagi_module_free(module);
}

static void test_declared_locals_take_no_more_than_their_bytes(void **state)
{
    (void)state;
    enum { FUNCTIONS = 20000 };
    build b = start();
    BUILD_WHOLE(&b, TYPE, "\x01\x60\x01\x7F\x00"); /* (i32) -> () */
    size_t functions = build_section(&b, FUNCTION);
    build_leb(&b, FUNCTIONS);
    build_fill(&b, 0, FUNCTIONS);
    build_end(&b, functions);
    size_t code = build_section(&b, CODE);
    build_leb(&b, FUNCTIONS);
    for (int i = 0; i < FUNCTIONS; i++) /* 49,998 f64 and one i64; the last is read */
        build_raw(&b, "\x0E\x02\xCE\x86\x03\x7C\x01\x7E\x20\xCF\x86\x03\x50\x1A\x0B", 15);
    build_end(&b, code);
    wag_module *module = accept(&b);
    const wagi_func_body *body = wagi_module_body(module->data, FUNCTIONS - 1);
    assert_int_equal(body->local_count, 50000);
    assert_int_equal(wagi_local_type(body, 0), WAGI_I32);
    assert_int_equal(wagi_local_type(body, 1), WAGI_F64);
    assert_int_equal(wagi_local_type(body, 49998), WAGI_F64);
    assert_int_equal(wagi_local_type(body, 49999), WAGI_I64);
    wagi_valtype *all = malloc(50000 * sizeof *all);
    assert_non_null(all);
    wagi_local_types(body, all);
    for (uint32_t i = 0; i < 50000; i++)
        assert_int_equal(all[i], wagi_local_type(body, i));
    free(all);
    assert_true(wagi_arena_size(&module->arena) < FUNCTIONS * 256);
    wagi_module_free(module);
}

static void test_functions_that_can_become_references_have_dense_slots(void **state)
{
    (void)state;
    build b = everything();
    wag_module *module = accept(&b);
    /* 0 is imported, 1 is in a segment and a table's initial value, 2 is exported, 3 is neither. */
    static const uint32_t wanted[] = {WAGI_NO_INDEX, 0, 1, WAGI_NO_INDEX};
    assert_int_equal(module->data->func_ref_count, 2);
    assert_memory_equal(module->data->func_ref_slot, wanted, sizeof wanted);
    wagi_module_free(module);
}

static void test_features_are_noted_with_their_first_place(void **state)
{
    (void)state;
    build b = start();
    BUILD_WHOLE(&b, MEMORY, "\x02\x00\x01\x04\x01"); /* contents begin at 14 */
    wag_module *module = accept(&b);
    assert_int_equal(module->data->features, 1u << WAGI_FEATURE_MULTI_MEMORY | 1u << WAGI_FEATURE_MEMORY64);
    assert_int_equal(module->data->feature_offset[WAGI_FEATURE_MEMORY64], 17);
    assert_int_equal(module->data->feature_offset[WAGI_FEATURE_MULTI_MEMORY], 14);
    assert_int_equal(module->data->feature_func[WAGI_FEATURE_MEMORY64], WAGI_NO_INDEX);
    wagi_module_free(module);
    b = start();
    BUILD_WHOLE(&b, MEMORY, "\x01\x03\x01\x01");
    module = accept(&b);
    assert_int_equal(module->data->features, 1u << WAGI_FEATURE_THREADS);
    wagi_module_free(module);
    b = start();
    BUILD_WHOLE(&b, TYPE, "\x01\x60\x00\x00");
    BUILD_WHOLE(&b, TAG, "\x01\x00\x00");
    module = accept(&b);
    assert_int_equal(module->data->features, 0);
    wagi_module_free(module);
}

/* ---- exports ---- */

static void test_exports_are_found_by_name(void **state)
{
    (void)state;
    build b = start();
    BUILD_WHOLE(&b, MEMORY, "\x01\x00\x00");
    size_t section = build_section(&b, EXPORT);
    enum { COUNT = 2000 };
    build_leb(&b, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        char name[16];
        snprintf(name, sizeof name, "%x", i * 2654435761u);
        build_name(&b, name);
        build_raw(&b, "\x02\x00", 2);
    }
    build_end(&b, section);
    wag_module *module = accept(&b);
    for (uint32_t i = 0; i < COUNT; i++) {
        char name[16];
        snprintf(name, sizeof name, "%x", i * 2654435761u);
        assert_int_equal(wagi_module_find_export(module->data, (wag_name){name, strlen(name)}), i);
    }
    assert_int_equal(wagi_module_find_export(module->data, WAG_NAME("nobody")), WAGI_NO_INDEX);
    assert_int_equal(wagi_module_find_export(module->data, WAG_NAME("")), WAGI_NO_INDEX);
    wagi_module_free(module);
}

static void test_export_names_are_unique_with_their_size_and_nul_bytes(void **state)
{
    (void)state;
    build b = start();
    BUILD_WHOLE(&b, MEMORY, "\x01\x00\x00");
    BUILD_WHOLE(&b, EXPORT,
                "\x04\x00\x02\x00\x01\x00\x02\x00\x02\x00\x00\x02\x00\x02\x00"
                "a\x02\x00");
    wag_module *module = accept(&b);
    assert_int_equal(wagi_module_find_export(module->data, WAG_NAME("")), 0);
    assert_int_equal(wagi_module_find_export(module->data, WAG_NAME("\0")), 1);
    assert_int_equal(wagi_module_find_export(module->data, WAG_NAME("\0\0")), 2);
    assert_int_equal(wagi_module_find_export(module->data, WAG_NAME("\0a")), 3);
    wagi_module_free(module);
    b = start();
    BUILD_WHOLE(&b, MEMORY, "\x01\x00\x00");
    size_t section = build_section(&b, EXPORT);
    BUILD_WHOLE(&b, 0, ""); /* moves the names away from the section's begin */
    b.size = section;
    build_raw(&b, "\x03\x02xy\x02\x00\x01z\x02\x00\x02xy\x02\x00", 15);
    build_end(&b, section);
    refuse(&b, WAG_INVALID, "duplicate export name \"xy\"", section + 11);
}

static void test_a_long_name_in_a_message_is_cut_between_characters(void **state)
{
    (void)state;
    build b = start();
    BUILD_WHOLE(&b, MEMORY, "\x01\x00\x00");
    size_t section = build_section(&b, EXPORT);
    build_leb(&b, 2);
    for (int i = 0; i < 2; i++) {
        build_leb(&b, 1 + 2 * 150);
        build_u8(&b, 'a');
        for (int j = 0; j < 150; j++)
            build_raw(&b, "\xC3\xA9", 2);
        build_raw(&b, "\x02\x00", 2);
    }
    build_end(&b, section);
    wag_module *module = NULL;
    wag_error *error = NULL;
    ASSERT_ERR(decode(build_bytes(&b), &module, &error), WAG_INVALID);
    const char *message = wag_error_message(error);
    assert_true(wagi_utf8_valid((const uint8_t *)message, strlen(message)));
    assert_non_null(strstr(message, "\xC3\xA9\" at byte"));
    wag_error_unref(error);
    build_free(&b);
}

/* ---- bodies ---- */

static void test_counts_of_functions_and_bodies_must_agree(void **state)
{
    (void)state;
    build b = start();
    BUILD_WHOLE(&b, TYPE, "\x01\x60\x00\x00");
    BUILD_WHOLE(&b, FUNCTION, "\x02\x00\x00");
    BUILD_WHOLE(&b, CODE, "\x01\x02\x00\x0B");
    refuse(&b, WAG_MALFORMED, "function and code section have inconsistent lengths: 2 and 1", SIZE_MAX);
    b = start();
    BUILD_WHOLE(&b, TYPE, "\x01\x60\x00\x00");
    BUILD_WHOLE(&b, FUNCTION, "\x01\x00");
    size_t size = b.size;
    refuse(&b, WAG_MALFORMED, "function and code section have inconsistent lengths: 1 and 0", size);
    b = start();
    BUILD_WHOLE(&b, CODE, "\x01\x02\x00\x0B");
    refuse(&b, WAG_MALFORMED, "function and code section have inconsistent lengths: 0 and 1", SIZE_MAX);
    b = start();
    BUILD_WHOLE(&b, DATA_COUNT, "\x01");
    refuse(&b, WAG_MALFORMED, "data count and data section have inconsistent lengths: 1 and 0", SIZE_MAX);
    b = start();
    BUILD_WHOLE(&b, DATA_COUNT, "\x01");
    BUILD_WHOLE(&b, DATA, "\x00");
    refuse(&b, WAG_MALFORMED, "data count and data section have inconsistent lengths: 1 and 0", SIZE_MAX);
}

static void test_errors_in_bodies_name_the_function_and_the_byte(void **state)
{
    (void)state;
    build b = start();
    BUILD_WHOLE(&b, TYPE, "\x01\x60\x00\x00");
    BUILD_WHOLE(&b, IMPORT, "\x01\x00\x00\x00\x00");
    BUILD_WHOLE(&b, FUNCTION, "\x02\x00\x00");
    size_t code = build_section(&b, CODE);
    build_raw(&b, "\x02\x02\x00\x0B\x03\x00\x1A\x0B", 8); /* the second body drops what is not there */
    build_end(&b, code);
    wag_module *module;
    wag_error *error = NULL;
    ASSERT_ERR(decode(build_bytes(&b), &module, &error), WAG_INVALID);
    uint32_t func_index = 0;
    size_t offset = 0;
    assert_true(wag_error_func_index(error, &func_index));
    assert_true(wag_error_offset(error, &offset));
    assert_int_equal(func_index, 2);
    assert_int_equal(offset, code + 6);
    char place[64];
    snprintf(place, sizeof place, " in function 2 at byte %zu", offset);
    assert_non_null(strstr(wag_error_message(error), place));
    wag_error_unref(error);
    build_free(&b);
}

static void test_bodies_may_not_reach_past_their_section(void **state)
{
    (void)state;
    build b = start();
    BUILD_WHOLE(&b, TYPE, "\x01\x60\x00\x00");
    BUILD_WHOLE(&b, FUNCTION, "\x01\x00");
    BUILD_WHOLE(&b, CODE, "\x01\x03\x00\x0B");
    BUILD_WHOLE(&b, 0, "\x00");
    refuse(&b, WAG_MALFORMED, "unexpected end in function 0", SIZE_MAX);
}

/* ---- names ---- */

static void test_function_names_come_from_the_name_section(void **state)
{
    (void)state;
    build b = everything();
    wag_module *module = accept(&b);
    static const char *const wanted[] = {"imp", "", "ow", "", ""};
    for (uint32_t i = 0; i < 5; i++) {
        wag_name name = wagi_module_func_name(module->data, i);
        assert_int_equal(name.size, strlen(wanted[i]));
        assert_memory_equal(name.data, wanted[i], name.size);
    }
    wagi_module_free(module);
}

static void test_a_malformed_name_section_is_ignored(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        bool good;
    } rows[] = {
#define NAMES(literal, good) {"\x04name" literal, sizeof("\x04name" literal) - 1, good}
        NAMES("\x00\x02\x01m\x01\x04\x01\x00\x01"
              "f",
              true),
        NAMES("\x01\x04\x01\x00\x01"
              "f",
              true),
        NAMES("\x01\x05\x01\x09\x01"
              "f\x00",
              false), /* more bytes than names */
        NAMES("\x01\x04\x01\x09\x01"
              "f",
              true), /* no such function: others may still have names */
        NAMES("\x01\x04\x02\x00\x01"
              "f",
              false), /* a name is missing */
        NAMES("\x01\x07\x02\x01\x01"
              "f\x00\x01"
              "g",
              false),                                 /* indices fall */
        NAMES("\x01\x05\x01\x00\x02\xC3\x28", false), /* no UTF-8 */
        NAMES("\x01\x7F\x01", false),                 /* longer than the section */
        NAMES("\x02\x01\x00\x01\x04\x01\x00\x01"
              "f",
              false), /* subsections out of order */
        NAMES("", false),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        build b = with_section(0, NULL, 0);
        build_whole(&b, 0, rows[i].bytes, rows[i].size);
        wag_module *module = accept(&b);
        assert_int_equal(module->data->func_names != NULL, rows[i].good);
        assert_int_equal(module->data->custom_count, 1);
        wagi_module_free(module);
    }
}

/* ---- memory ---- */

static void test_the_source_is_copied_before_it_is_read(void **state)
{
    (void)state;
    build b = everything();
    wag_module *module = NULL;
    ASSERT_OK(decode(build_bytes(&b), &module, NULL));
    memset(b.data, 0xAA, b.size);
    assert_memory_equal(module->data->bytes.data, "\0asm", 4);
    assert_memory_equal(module->data->exports[0].name.data, "ff", 2);
    assert_memory_equal(module->data->datas[0].bytes.data, "hi", 2);
    wagi_module_free(module);
    build_free(&b);
}

/* What a stray write to a sealed module does, in a child. */
static int write_status(volatile uint8_t *byte)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        *byte = 1;
        _exit(0);
    }
    int status = 0;
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    return status;
}

static void test_a_sealed_module_cannot_be_written(void **state)
{
    (void)state;
    build b = everything();
    wag_module *module = NULL;
    ASSERT_OK(decode(build_bytes(&b), &module, NULL));
    int status = write_status((uint8_t *)module->data->bytes.data);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(wagi_module_seal(module));
    const void *places[] = {module->data,          module->data->bytes.data, module->data->types,
                            module->data->exports, module->data->bodies,     module->data->elems[0].funcs};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        status = write_status((uint8_t *)places[i]);
        assert_true(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS));
    }
    wagi_module_free(module);
    build_free(&b);
}

static void test_without_memory_decoding_fails_and_leaves_nothing(void **state)
{
    (void)state;
    build b = everything();
    bool done = false;
    for (uint64_t successes = 0; !done; successes++) {
        assert_true(successes < 1000);
        wag_module *module = NULL;
        wag_error *error = NULL;
        wagi_alloc_fail_after(successes);
        wag_err err = decode(build_bytes(&b), &module, &error);
        wagi_alloc_fail_after(UINT64_MAX);
        done = err == WAG_OK;
        if (done) {
            wagi_module_free(module);
        } else {
            assert_int_equal(err, WAG_NOMEM);
            assert_int_equal(wag_error_code(error), WAG_NOMEM);
            wag_error_unref(error);
        }
        assert_int_equal(wagi_registry_group_count(registry), 0);
        assert_int_equal(wagi_module_live_count(), 0);
    }
    build_free(&b);
}

static void test_every_prefix_of_a_module_is_refused_or_a_shorter_module(void **state)
{
    (void)state;
    build b = everything();
    size_t accepted = 0;
    for (size_t size = 0; size < b.size; size++) {
        uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees reads behind it */
        assert_non_null(exact);
        memcpy(exact, b.data, size);
        wag_module *module;
        if (decode((wag_bytes){exact, size}, &module, NULL) == WAG_OK) {
            accepted++;
            wagi_module_free(module);
        }
        free(exact);
    }
    /* After the preamble, types, imports, and with all but the names. */
    assert_int_equal(accepted, 4);
    build_free(&b);
}

/* The arena holds a copy of the bytes and not much else. */
static void test_a_large_module_wastes_little_memory(void **state)
{
    (void)state;
    build b = start();
    BUILD_WHOLE(&b, TYPE, "\x01\x60\x00\x00");
    size_t section = build_section(&b, FUNCTION);
    enum { COUNT = 10000, NOPS = 190 };
    build_leb(&b, COUNT);
    build_fill(&b, 0, COUNT);
    build_end(&b, section);
    section = build_section(&b, CODE);
    build_leb(&b, COUNT);
    for (int i = 0; i < COUNT; i++) {
        build_leb(&b, NOPS + 2);
        build_u8(&b, 0);
        build_fill(&b, 0x01, NOPS);
        build_u8(&b, 0x0B);
    }
    build_end(&b, section);
    size_t size = b.size;
    wag_module *module = accept(&b);
    size_t needed = size + COUNT * (sizeof(wagi_func_body) + sizeof(wagi_type *) + sizeof(uint32_t));
    size_t mapped = wagi_arena_size(&module->arena);
    if (mapped > needed + needed / 50 + (16 << 10))
        fail_msg("%zu bytes mapped for %zu needed, source %zu", mapped, needed, size);
    wagi_module_free(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DECODE_TEST(test_the_empty_module_is_valid),
        DECODE_TEST(test_the_preamble_must_be_whole),
        DECODE_TEST(test_sections_are_accepted_in_their_order_only),
        DECODE_TEST(test_sections_must_hold_exactly_what_they_say),
        DECODE_TEST(test_counts_beyond_the_bytes_are_refused_before_anything_is_made),
        DECODE_TEST(test_custom_sections_may_be_anywhere),
        DECODE_TEST(test_index_spaces_begin_with_the_imports),
        DECODE_TEST(test_contents_come_out_as_they_went_in),
        DECODE_TEST(test_declared_locals_take_no_more_than_their_bytes),
        DECODE_TEST(test_functions_that_can_become_references_have_dense_slots),
        DECODE_TEST(test_features_are_noted_with_their_first_place),
        DECODE_TEST(test_exports_are_found_by_name),
        DECODE_TEST(test_export_names_are_unique_with_their_size_and_nul_bytes),
        DECODE_TEST(test_a_long_name_in_a_message_is_cut_between_characters),
        DECODE_TEST(test_counts_of_functions_and_bodies_must_agree),
        DECODE_TEST(test_errors_in_bodies_name_the_function_and_the_byte),
        DECODE_TEST(test_bodies_may_not_reach_past_their_section),
        DECODE_TEST(test_function_names_come_from_the_name_section),
        DECODE_TEST(test_a_malformed_name_section_is_ignored),
        DECODE_TEST(test_the_source_is_copied_before_it_is_read),
        DECODE_TEST(test_a_sealed_module_cannot_be_written),
        DECODE_TEST(test_without_memory_decoding_fails_and_leaves_nothing),
        DECODE_TEST(test_every_prefix_of_a_module_is_refused_or_a_shorter_module),
        DECODE_TEST(test_a_large_module_wastes_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

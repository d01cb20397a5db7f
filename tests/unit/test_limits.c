/* Every limit of waggle/limits.def that is a property of a module, at n and at n + 1: with the built-in n where such a
 * module is small enough to make, and with a lowered one. */
#include "tests/support/check.h"

#include "base/limits.h"
#include "base/os.h"
#include "tests/support/bytes.h"

enum { TYPE = 1, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT, CODE, DATA, DATA_COUNT, TAG };

/* ---- modules with n of something ---- */

/* A section of n equal entries. */
static void repeat(build *b, unsigned section, uint64_t count, const void *entry, size_t size)
{
    size_t begin = build_section(b, section);
    build_leb(b, count);
    for (uint64_t i = 0; i < count; i++)
        build_raw(b, entry, size);
    build_end(b, begin);
}
#define REPEAT(b, section, count, literal) repeat((b), (section), (count), "" literal, sizeof(literal) - 1)

static void one_func_type(build *b)
{
    BUILD_WHOLE(b, TYPE, "\x01\x60\x00\x00");
}

static void with_module_bytes(build *b, uint64_t n)
{
    size_t begin = build_section(b, 0);
    build_fill(b, 0, (size_t)n - b->size);
    build_end(b, begin);
}

/* In groups of two, so that the groups are not what is counted. */
static void with_types(build *b, uint64_t n)
{
    size_t begin = build_section(b, TYPE);
    build_leb(b, n / 2 + n % 2);
    for (uint64_t i = 0; i < n / 2; i++)
        build_raw(b, "\x4E\x02\x60\x00\x00\x60\x00\x00", 8);
    if (n % 2)
        build_raw(b, "\x60\x00\x00", 3);
    build_end(b, begin);
}

static void with_rec_groups(build *b, uint64_t n)
{
    REPEAT(b, TYPE, n, "\x4E\x00"); /* empty ones */
}

static void with_rec_group_types(build *b, uint64_t n)
{
    size_t begin = build_section(b, TYPE);
    build_raw(b, "\x01\x4E", 2);
    build_leb(b, n);
    for (uint64_t i = 0; i < n; i++)
        build_raw(b, "\x60\x00\x00", 3);
    build_end(b, begin);
}

/* A type without supertype has depth 0. */
static void with_subtype_depth(build *b, uint64_t n)
{
    size_t begin = build_section(b, TYPE);
    build_leb(b, n + 1);
    build_raw(b, "\x50\x00\x5F\x00", 4);
    for (uint64_t i = 0; i < n; i++) {
        build_raw(b, "\x50\x01", 2);
        build_leb(b, i);
        build_raw(b, "\x5F\x00", 2);
    }
    build_end(b, begin);
}

static void with_functions(build *b, uint64_t n)
{
    one_func_type(b);
    BUILD_WHOLE(b, IMPORT, "\x01\x00\x00\x00\x00"); /* imported ones are not counted */
    REPEAT(b, FUNCTION, n, "\x00");
    REPEAT(b, CODE, n, "\x02\x00\x0B");
}

static void with_imports(build *b, uint64_t n)
{
    REPEAT(b, IMPORT, n, "\x00\x00\x03\x7F\x00");
}

static void with_exports(build *b, uint64_t n)
{
    BUILD_WHOLE(b, MEMORY, "\x01\x00\x00");
    size_t begin = build_section(b, EXPORT);
    build_leb(b, n);
    for (uint64_t i = 0; i < n; i++) {
        char name[24];
        snprintf(name, sizeof name, "%llx", (unsigned long long)i);
        build_name(b, name);
        build_raw(b, "\x02\x00", 2);
    }
    build_end(b, begin);
}

static void with_globals(build *b, uint64_t n)
{
    REPEAT(b, GLOBAL, n, "\x7F\x00\x41\x00\x0B");
}

static void with_tags(build *b, uint64_t n)
{
    one_func_type(b);
    REPEAT(b, TAG, n, "\x00\x00");
}

static void with_data_segments(build *b, uint64_t n)
{
    REPEAT(b, DATA, n, "\x01\x00");
}

static void with_data_count(build *b, uint64_t n)
{
    size_t begin = build_section(b, DATA_COUNT);
    build_leb(b, n);
    build_end(b, begin);
    REPEAT(b, DATA, n, "\x01\x00");
}

static void with_element_segments(build *b, uint64_t n)
{
    REPEAT(b, ELEMENT, n, "\x01\x00\x00");
}

/* Imported ones are counted. */
static void with_tables(build *b, uint64_t n)
{
    BUILD_WHOLE(b, IMPORT, "\x01\x00\x00\x01\x70\x00\x00");
    REPEAT(b, TABLE, n - 1, "\x70\x00\x00");
}

static void with_imported_tables(build *b, uint64_t n)
{
    REPEAT(b, IMPORT, n, "\x00\x00\x01\x70\x00\x00");
}

static void with_table_entries(build *b, uint64_t n)
{
    size_t begin = build_section(b, TABLE);
    build_raw(b, "\x01\x70\x00", 3);
    build_leb(b, n);
    build_end(b, begin);
}

static void with_element_entries(build *b, uint64_t n)
{
    one_func_type(b);
    BUILD_WHOLE(b, FUNCTION, "\x01\x00");
    size_t begin = build_section(b, ELEMENT);
    build_raw(b, "\x01\x01\x00", 3);
    build_leb(b, n);
    build_fill(b, 0, (size_t)n);
    build_end(b, begin);
    BUILD_WHOLE(b, CODE, "\x01\x02\x00\x0B");
}

/* The same as expressions. */
static void with_element_expressions(build *b, uint64_t n)
{
    size_t begin = build_section(b, ELEMENT);
    build_raw(b, "\x01\x05\x70", 3);
    build_leb(b, n);
    for (uint64_t i = 0; i < n; i++)
        build_raw(b, "\xD0\x70\x0B", 3);
    build_end(b, begin);
}

/* One import whose type ends with n. */
static void import_with(build *b, const char *type, size_t size, uint64_t n)
{
    size_t begin = build_section(b, IMPORT);
    build_raw(b, "\x01\x00\x00", 3);
    build_raw(b, type, size);
    build_leb(b, n);
    build_end(b, begin);
}

static void with_imported_table_entries(build *b, uint64_t n)
{
    import_with(b, "\x01\x70\x00", 3, n);
}

static void with_imported_memory32_pages(build *b, uint64_t n)
{
    import_with(b, "\x02\x00", 2, n);
}

static void with_imported_memory64_maximum(build *b, uint64_t n)
{
    import_with(b, "\x02\x05\x00", 3, n);
}

static void with_memories(build *b, uint64_t n)
{
    BUILD_WHOLE(b, IMPORT, "\x01\x00\x00\x02\x00\x00");
    REPEAT(b, MEMORY, n - 1, "\x00\x00");
}

static void with_imported_memories(build *b, uint64_t n)
{
    REPEAT(b, IMPORT, n, "\x00\x00\x02\x00\x00");
}

static void with_memory32_pages(build *b, uint64_t n)
{
    size_t begin = build_section(b, MEMORY);
    build_raw(b, "\x01\x00", 2);
    build_leb(b, n);
    build_end(b, begin);
}

static void with_memory64_minimum(build *b, uint64_t n)
{
    size_t begin = build_section(b, MEMORY);
    build_raw(b, "\x01\x04", 2);
    build_leb(b, n);
    build_end(b, begin);
}

static void with_memory64_maximum(build *b, uint64_t n)
{
    size_t begin = build_section(b, MEMORY);
    build_raw(b, "\x01\x05\x00", 3);
    build_leb(b, n);
    build_end(b, begin);
}

static void with_parameters(build *b, uint64_t n)
{
    size_t begin = build_section(b, TYPE);
    build_raw(b, "\x01\x60", 2);
    build_leb(b, n);
    build_fill(b, 0x7F, (size_t)n);
    build_u8(b, 0);
    build_end(b, begin);
}

static void with_results(build *b, uint64_t n)
{
    size_t begin = build_section(b, TYPE);
    build_raw(b, "\x01\x60\x00", 3);
    build_leb(b, n);
    build_fill(b, 0x7F, (size_t)n);
    build_end(b, begin);
}

/* A module of one function without parameters and results; the body's bytes follow, then end_body. */
static size_t begin_body(build *b)
{
    one_func_type(b);
    BUILD_WHOLE(b, FUNCTION, "\x01\x00");
    size_t begin = build_section(b, CODE);
    build_u8(b, 1);
    return begin;
}

static void with_body_bytes(build *b, uint64_t n)
{
    size_t begin = begin_body(b);
    build_leb(b, n);
    build_u8(b, 0);
    build_fill(b, 0x01, (size_t)n - 2);
    build_u8(b, 0x0B);
    build_end(b, begin);
}

/* A parameter and n - 1 declared locals, in two declarations. */
static void with_locals(build *b, uint64_t n)
{
    BUILD_WHOLE(b, TYPE, "\x01\x60\x01\x7F\x00");
    BUILD_WHOLE(b, FUNCTION, "\x01\x00");
    size_t begin = build_section(b, CODE);
    build_u8(b, 1);
    size_t body = build_begin(b);
    build_u8(b, 2);
    build_leb(b, n - 2);
    build_u8(b, 0x7E);
    build_raw(b, "\x01\x7F\x0B", 3);
    build_end(b, body);
    build_end(b, begin);
}

static void with_struct_fields(build *b, uint64_t n)
{
    size_t begin = build_section(b, TYPE);
    build_raw(b, "\x01\x5F", 2);
    build_leb(b, n);
    for (uint64_t i = 0; i < n; i++)
        build_raw(b, "\x7F\x00", 2);
    build_end(b, begin);
}

static void with_array_new_fixed(build *b, uint64_t n)
{
    BUILD_WHOLE(b, TYPE, "\x02\x60\x00\x00\x5E\x7F\x00");
    BUILD_WHOLE(b, FUNCTION, "\x01\x00");
    size_t begin = build_section(b, CODE);
    build_u8(b, 1);
    size_t body = build_begin(b);
    build_u8(b, 0);
    for (uint64_t i = 0; i < n; i++)
        build_raw(b, "\x41\x00", 2);
    build_raw(b, "\xFB\x08\x01", 3);
    build_leb(b, n);
    build_raw(b, "\x1A\x0B", 2);
    build_end(b, body);
    build_end(b, begin);
}

static void with_operands(build *b, uint64_t n)
{
    size_t begin = begin_body(b);
    size_t body = build_begin(b);
    build_u8(b, 0);
    for (uint64_t i = 0; i < n; i++)
        build_raw(b, "\x41\x00", 2);
    build_raw(b, "\x00\x0B", 2); /* unreachable: nothing need be popped */
    build_end(b, body);
    build_end(b, begin);
}

/* Distinct ones: the parameters are the index in binary. */
static void with_canonical_types(build *b, uint64_t n)
{
    size_t begin = build_section(b, TYPE);
    build_leb(b, n);
    for (uint64_t i = 0; i < n; i++) {
        build_raw(b, "\x60\x0A", 2);
        for (int bit = 0; bit < 10; bit++)
            build_u8(b, i >> bit & 1 ? 0x7F : 0x7E);
        build_u8(b, 0);
    }
    build_end(b, begin);
}

/* ---- the table ---- */

typedef struct limit_row {
    wag_limit limit;
    const char *name;
    uint64_t built_in;
    void (*make)(build *b, uint64_t n);
    uint64_t lowered; /* 0: not tested so */
    bool test_built_in;
} limit_row;

#define ROW(limit, built_in, make, lowered, test_built_in)                                                             \
    {                                                                                                                  \
        WAG_LIMIT_##limit, #limit, built_in, make, lowered, test_built_in                                              \
    }
static const limit_row rows[] = {
    ROW(module_bytes, UINT64_C(1) << 30, with_module_bytes, 100, false),
    ROW(types, 1000000, with_types, 7, true),
    ROW(rec_groups, 1000000, with_rec_groups, 7, true),
    ROW(rec_group_types, 1000000, with_rec_group_types, 7, true),
    ROW(subtype_depth, 63, with_subtype_depth, 3, true),
    ROW(functions, 1000000, with_functions, 7, true),
    ROW(imports, 1000000, with_imports, 7, true),
    ROW(exports, 1000000, with_exports, 7, true),
    ROW(globals, 1000000, with_globals, 7, true),
    ROW(tags, 1000000, with_tags, 7, true),
    ROW(data_segments, 100000, with_data_segments, 7, true),
    ROW(data_segments, 100000, with_data_count, 7, true),
    ROW(element_segments, 10000000, with_element_segments, 7, true),
    ROW(tables, 100000, with_tables, 7, true),
    ROW(tables, 100000, with_imported_tables, 7, true),
    ROW(table_entries, 10000000, with_table_entries, 7, true),
    ROW(table_entries, 10000000, with_imported_table_entries, 7, true),
    ROW(element_entries, 10000000, with_element_entries, 7, true),
    ROW(element_entries, 10000000, with_element_expressions, 7, true),
    ROW(memories, 100, with_memories, 7, true),
    ROW(memories, 100, with_imported_memories, 7, true),
    ROW(memory32_pages, 65536, with_memory32_pages, 7, false), /* beyond the built-in one it is invalid */
    ROW(memory32_pages, 65536, with_imported_memory32_pages, 7, false),
    ROW(memory64_pages_declared, (UINT64_C(1) << 37) - 1, with_memory64_minimum, 7, true),
    ROW(memory64_pages_declared, (UINT64_C(1) << 37) - 1, with_imported_memory64_maximum, 7, true),
    ROW(memory64_pages_declared, (UINT64_C(1) << 37) - 1, with_memory64_maximum, 7, true),
    ROW(parameters, 1000, with_parameters, 7, true),
    ROW(results, 1000, with_results, 7, true),
    ROW(body_bytes, 7654321, with_body_bytes, 7, true),
    ROW(locals, 50000, with_locals, 7, true),
    ROW(struct_fields, 10000, with_struct_fields, 7, true),
    ROW(array_new_fixed, 10000, with_array_new_fixed, 7, true),
    ROW(operands, 1000000, with_operands, 7, true),
    ROW(canonical_types, 4000000, with_canonical_types, 7, false),
};
enum { ROWS = sizeof rows / sizeof *rows };

/* Limits of what runs, not of modules: tested where they act. */
static const wag_limit run_time_limits[] = {
    WAG_LIMIT_memory64_pages,        WAG_LIMIT_interp_stack_bytes,
    WAG_LIMIT_host_call_depth,       WAG_LIMIT_backtrace_frames,
    WAG_LIMIT_clone_depth,           WAG_LIMIT_clone_bytes,
    WAG_LIMIT_clone_transfers,       WAG_LIMIT_heap_bytes,
    WAG_LIMIT_instance_heap_bytes,   WAG_LIMIT_ready_bytes,
    WAG_LIMIT_agent_instances,       WAG_LIMIT_cluster_instances,
    WAG_LIMIT_agent_memory_bytes,    WAG_LIMIT_cluster_memory_bytes,
    WAG_LIMIT_agent_table_entries,   WAG_LIMIT_cluster_table_entries,
    WAG_LIMIT_instance_memory_bytes, WAG_LIMIT_instance_table_entries,
    WAG_LIMIT_cluster_heap_bytes,    WAG_LIMIT_native_stack_bytes,
};

/* A module with n is accepted (or valid and not supported by the tier); one with n + 1 is a WAG_LIMIT that says so. */
static void check_edge(const limit_row *row, wag_cluster *cluster, uint64_t n)
{
    wag_compile_options options = {.cluster = cluster};
    for (uint64_t more = 0; more < 2; more++) {
        build b = {0};
        build_preamble(&b);
        row->make(&b, n + more);
        wag_module *module = NULL;
        wag_error *error = NULL;
        wag_err err = wag_module_new(build_bytes(&b), &options, &module, &error);
        const char *message = error ? wag_error_message(error) : "";
        if (more == 0 && err != WAG_OK && err != WAG_UNSUPPORTED)
            fail_msg("%s: %llu: %s", row->name, (unsigned long long)n, message);
        if (more == 1) {
            char wanted[64];
            snprintf(wanted, sizeof wanted, " exceeded: %llu, at most %llu at byte ", (unsigned long long)n + 1,
                     (unsigned long long)n);
            /* the place of one inside a body names the function first */
            char in_body[64];
            snprintf(in_body, sizeof in_body, " exceeded: %llu, at most %llu in function 0 at byte ",
                     (unsigned long long)n + 1, (unsigned long long)n);
            if (err != WAG_LIMIT || strncmp(message, "limit of ", 9) != 0 ||
                (!strstr(message, wanted) && !strstr(message, in_body)))
                fail_msg("%s: %llu + 1: %s %s", row->name, (unsigned long long)n, wag_err_name(err), message);
            assert_int_equal(wag_error_get_class(error), WAG_CLASS_COMPILE_ERROR);
        }
        wag_error_unref(error);
        wag_module_unref(module);
        build_free(&b);
    }
}

static void test_every_limit_is_checked_at_its_built_in_value(void **state)
{
    (void)state;
    wag_cluster *cluster = NULL;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(wag_cluster_get_limit(cluster, rows[i].limit), rows[i].built_in);
        if (rows[i].test_built_in)
            check_edge(&rows[i], cluster, rows[i].built_in);
    }
    wag_cluster_unref(cluster);
}

/* The other side of the edge would take a gigabyte. These bytes are never touched. */
static void test_a_module_above_a_gigabyte_is_refused_unread(void **state)
{
    (void)state;
    size_t size = ((size_t)1 << 30) + 1;
    uint8_t *bytes = wagi_os_map(size, WAGI_PROT_NONE);
    assert_non_null(bytes);
    wag_error *error = NULL;
    ASSERT_ERR(wag_module_new((wag_bytes){bytes, size}, NULL, NULL, &error), WAG_LIMIT);
    assert_class(error, WAG_CLASS_COMPILE_ERROR);
    assert_false(wag_validate((wag_bytes){bytes, size}, NULL));
    wagi_os_unmap(bytes, size);
}

/* When it is made (64-bit addresses), and when it grows. */
static void test_MEM_09_memories_reach_their_run_time_limit_and_stop_there(void **state)
{
    (void)state;
    wag_cluster *cluster = NULL;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_memory64_pages, 5));
    ASSERT_OK(wag_agent_close());
    ASSERT_OK(wag_agent_open(cluster));
    wag_compile_options options = {.cluster = cluster};
    for (uint64_t pages = 5; pages <= 6; pages++) {
        build b = {0};
        build_preamble(&b);
        with_memory64_minimum(&b, pages);
        wag_module *module = NULL;
        wag_instance *instance = NULL;
        wag_error *error = NULL;
        ASSERT_OK(wag_module_new(build_bytes(&b), &options, &module, NULL));
        ASSERT_ERR(wag_instance_new(module, NULL, &instance, &error), pages == 5 ? WAG_OK : WAG_RANGE);
        wag_error_unref(error);
        wag_instance_unref(instance);
        wag_module_unref(module);
        build_free(&b);
    }
    wag_bytes grows = wat("(module (memory 3 100) (func (export \"grow\") (param i32) (result i32)"
                          " (memory.grow (local.get 0))))");
    ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_memory32_pages, 100));
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    ASSERT_OK(wag_module_new(grows, &options, &module, NULL));
    ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_memory32_pages, 4));
    ASSERT_OK(wag_instance_new(module, NULL, &instance, NULL));
    wag_func *grow = wag_exports_func(wag_instance_exports(instance), "grow");
    wag_val by = WAG_VAL_I32(2), result;
    ASSERT_OK(wag_call(grow, &by, 1, &result, 1, NULL));
    assert_int_equal(result.of.i32, -1);
    by = WAG_VAL_I32(1);
    ASSERT_OK(wag_call(grow, &by, 1, &result, 1, NULL));
    assert_int_equal(result.of.i32, 3);
    wag_instance_unref(instance);
    wag_module_unref(module);
    wat_free(grows);
    ASSERT_OK(wag_agent_close());
    wag_cluster_unref(cluster);
}

static void test_every_limit_can_be_lowered_for_a_cluster(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        wag_cluster *cluster = NULL;
        ASSERT_OK(wag_cluster_new(NULL, &cluster));
        ASSERT_OK(wag_cluster_set_limit(cluster, rows[i].limit, rows[i].lowered));
        check_edge(&rows[i], cluster, rows[i].lowered);
        wag_cluster_unref(cluster);
    }
}

static void test_a_lowered_limit_is_the_clusters_own(void **state)
{
    (void)state;
    wag_cluster *cluster = NULL;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    ASSERT_OK(wag_cluster_set_limit(cluster, WAG_LIMIT_memories, 0));
    wag_compile_options options = {.cluster = cluster};
    build b = {0};
    build_preamble(&b);
    BUILD_WHOLE(&b, MEMORY, "\x01\x00\x00");
    assert_false(wag_validate(build_bytes(&b), &options));
    assert_true(wag_validate(build_bytes(&b), NULL));
    build_free(&b);
    wag_cluster_unref(cluster);
}

/* How high a limit may be set: those that bound what a type may declare as high as the core specification does. */
static uint64_t highest(int limit, uint64_t built_in)
{
    return limit == WAG_LIMIT_table_entries             ? UINT64_MAX
           : limit == WAG_LIMIT_memory64_pages_declared ? (uint64_t)1 << 48
                                                        : built_in;
}

static void test_a_limit_is_raised_only_where_the_core_specification_has_none(void **state)
{
    (void)state;
    wag_cluster *cluster = NULL;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    for (int limit = 0; limit < WAG_LIMIT_COUNT; limit++) {
        uint64_t built_in = wag_cluster_get_limit(cluster, (wag_limit)limit);
        uint64_t most = highest(limit, built_in);
        if (most < UINT64_MAX)
            ASSERT_ERR(wag_cluster_set_limit(cluster, (wag_limit)limit, most + 1), WAG_RANGE);
        ASSERT_OK(wag_cluster_set_limit(cluster, (wag_limit)limit, most));
        ASSERT_OK(wag_cluster_set_limit(cluster, (wag_limit)limit, built_in - 1));
        assert_int_equal(wag_cluster_get_limit(cluster, (wag_limit)limit), built_in - 1);
        ASSERT_OK(wag_cluster_set_limit(cluster, (wag_limit)limit, built_in));
    }
    ASSERT_ERR(wag_cluster_set_limit(cluster, WAG_LIMIT_COUNT, 1), WAG_TYPE);
    ASSERT_ERR(wag_cluster_set_limit(NULL, WAG_LIMIT_types, 1), WAG_TYPE);
    assert_int_equal(wag_cluster_get_limit(cluster, WAG_LIMIT_COUNT), 0);
    wag_cluster_unref(cluster);
}

/* A 32-bit memory of more than 65536 pages is wrong by the specification, not by a limit. */
static void test_what_the_specification_forbids_is_invalid_and_not_a_limit(void **state)
{
    (void)state;
    build b = {0};
    build_preamble(&b);
    with_memory32_pages(&b, 65536);
    assert_true(wag_validate(build_bytes(&b), NULL));
    build_free(&b);
    build_preamble(&b);
    with_memory32_pages(&b, 65537);
    ASSERT_ERR(wag_module_new(build_bytes(&b), NULL, NULL, NULL), WAG_INVALID);
    build_free(&b);
    build_preamble(&b);
    with_memory64_minimum(&b, (UINT64_C(1) << 48) + 1);
    ASSERT_ERR(wag_module_new(build_bytes(&b), NULL, NULL, NULL), WAG_INVALID);
    build_free(&b);
}

static void test_no_limit_of_the_list_is_forgotten(void **state)
{
    (void)state;
    static const char *const names[] = {
#define LIMIT(name, value, text) #name,
#include "waggle/limits.def"
#undef LIMIT
    };
    for (int limit = 0; limit < WAG_LIMIT_COUNT; limit++) {
        bool known = false;
        for (size_t i = 0; i < ROWS; i++)
            known = known || rows[i].limit == (wag_limit)limit;
        for (size_t i = 0; i < sizeof run_time_limits / sizeof *run_time_limits; i++)
            known = known || run_time_limits[i] == (wag_limit)limit;
        if (!known)
            fail_msg("%s is in neither list of this file", names[limit]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_limit_is_checked_at_its_built_in_value),
        cmocka_unit_test(test_a_module_above_a_gigabyte_is_refused_unread),
        cmocka_unit_test(test_MEM_09_memories_reach_their_run_time_limit_and_stop_there),
        cmocka_unit_test(test_every_limit_can_be_lowered_for_a_cluster),
        cmocka_unit_test(test_a_lowered_limit_is_the_clusters_own),
        cmocka_unit_test(test_a_limit_is_raised_only_where_the_core_specification_has_none),
        cmocka_unit_test(test_what_the_specification_forbids_is_invalid_and_not_a_limit),
        cmocka_unit_test(test_no_limit_of_the_list_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Structured clone and the message header: what goes in comes out; what is malformed is refused, wherever it is. */
#include "tests/support/check.h"

#include <math.h>

#include "base/alloc.h"
#include "base/error.h"
#include "ipc/clone.h"
#include "ipc/message.h"

static wagi_limits limits;

static int set_limits(void **state)
{
    (void)state;
    limits = wagi_default_limits;
    return 0;
}

static wag_module *empty_module(void)
{
    static const uint8_t bytes[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    wag_module *module = NULL;
    ASSERT_OK(wag_module_new((wag_bytes){bytes, sizeof bytes}, NULL, &module, NULL));
    return module;
}

static wagi_clone written(wag_value value)
{
    wagi_clone clone;
    wag_error *error = NULL;
    if (wagi_clone_write(value, &limits, &clone, &error) != WAG_OK)
        fail_msg("write: %s", wag_error_message(error));
    return clone;
}

static wag_err read_bytes(wag_bytes bytes, wag_value *ret_value, wag_error **reterr_error)
{
    return wagi_clone_read(bytes, NULL, 0, &limits, ret_value, reterr_error);
}

/* There and back. own. */
static wag_value cloned(wag_value value)
{
    wagi_clone clone = written(value);
    wag_value copy = WAG_UNDEFINED;
    wag_error *error = NULL;
    if (wagi_clone_read((wag_bytes){clone.bytes.p, clone.bytes.n}, clone.transfers.p, clone.transfers.n, &limits, &copy,
                        &error) != WAG_OK)
        fail_msg("read: %s", wag_error_message(error));
    wagi_clone_fini(&clone);
    return copy;
}

static void test_primitive_values_keep_their_bits(void **state)
{
    (void)state;
    const wag_value values[] = {WAG_UNDEFINED,         WAG_NULL,
                                WAG_BOOL(true),        WAG_BOOL(false),
                                WAG_NUMBER(0.0),       WAG_NUMBER(-0.0),
                                WAG_NUMBER(NAN),       WAG_NUMBER(-INFINITY),
                                WAG_NUMBER(0x1p-1074), WAG_NUMBER(1.7976931348623157e308),
                                WAG_BIGINT(INT64_MIN), WAG_BIGINT(INT64_MAX),
                                WAG_BIGINT(-1)};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        wag_value copy = cloned(values[i]);
        assert_int_equal(copy.kind, values[i].kind);
        assert_true(wag_value_equal(copy, values[i]));
    }
}

static void test_strings_and_bytes_are_copied_whole(void **state)
{
    (void)state;
    wag_value values[] = {wag_string(""), wag_string_n(WAG_NAME("a\0\303\251\360\237\220\235")),
                          wag_bytes_value((wag_bytes){(const uint8_t *)"\377\0\300", 3}),
                          wag_bytes_value((wag_bytes){NULL, 0})};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        wag_value copy = cloned(values[i]);
        assert_true(wag_value_equal(copy, values[i]));
        assert_ptr_not_equal(copy.of.box, values[i].of.box);
        wag_value_unref(copy);
        wag_value_unref(values[i]);
    }
}

static void test_arrays_and_maps_keep_order_and_contents(void **state)
{
    (void)state;
    wag_value map = wag_map(), inner = wag_array();
    for (int i = 0; i < 100; i++)
        wag_array_push(inner, WAG_NUMBER(i));
    wag_map_set(map, "z", inner);
    wag_map_set(map, "", WAG_NULL);
    wag_map_set_n(map, WAG_NAME("a\0b"), wag_array());
    wag_map_set(map, "map", wag_map());
    wag_value copy = cloned(map);
    assert_true(wag_value_equal(copy, map));
    for (size_t i = 0; i < wag_value_size(map); i++) {
        wag_name a, b;
        assert_true(wag_map_at(map, i, &a, NULL) && wag_map_at(copy, i, &b, NULL));
        assert_int_equal(a.size, b.size);
        assert_memory_equal(a.data, b.data, a.size);
    }
    wag_value_unref(copy);
    wag_value_unref(map);
}

static void test_maps_within_maps_keep_their_own_keys(void **state)
{
    (void)state;
    wag_value map = wag_map();
    for (int i = 0; i < 10; i++) {
        wag_value outer = wag_map();
        wag_map_set(outer, "before", WAG_NUMBER(i));
        wag_map_set(outer, "inner", map);
        wag_map_set(outer, "after", wag_map());
        map = outer;
    }
    wag_value copy = cloned(map);
    assert_true(wag_value_equal(copy, map));
    wag_value inner = wag_map_get(wag_map_get(copy, "inner"), "inner");
    assert_true(wag_map_get(inner, "before").of.number == 7);
    wag_value_unref(copy);
    wag_value_unref(map);
}

static void test_errors_keep_code_class_and_message(void **state)
{
    (void)state;
    wag_error *error = wagi_error_new_class(WAG_LINK, WAG_CLASS_LINK_ERROR, WAG_NAME("import 0 \303\251"));
    wag_value copy = cloned(WAG_ERROR_VALUE(error));
    assert_int_equal(copy.kind, WAG_VALUE_ERROR);
    assert_int_equal(wag_error_code(copy.of.error), WAG_LINK);
    assert_int_equal(wag_error_get_class(copy.of.error), WAG_CLASS_LINK_ERROR);
    assert_string_equal(wag_error_message(copy.of.error), "import 0 \303\251");
    wag_value_unref(copy);
    wag_error_unref(error);
    error = wag_error_new(WAG_CLASS_RANGE_ERROR, "latin1 \351");
    copy = cloned(WAG_ERROR_VALUE(error));
    assert_string_equal(wag_error_message(copy.of.error), "latin1 ?");
    wag_value_unref(copy);
    wag_error_unref(error);
}

static void test_the_same_object_twice_arrives_as_one_object(void **state)
{
    (void)state;
    wag_module *module = empty_module();
    wag_error *error = wag_error_new(WAG_CLASS_ERROR, "e");
    wag_value objects[] = {wag_array(), wag_map(), wag_bytes_value((wag_bytes){(const uint8_t *)"x", 1}),
                           wag_value_ref(WAG_MODULE(module)), WAG_ERROR_VALUE(error)};
    wag_value list = wag_array();
    for (int twice = 0; twice < 2; twice++)
        for (size_t i = 0; i < 5; i++)
            wag_array_push(list, wag_value_ref(objects[i]));
    wagi_clone clone = written(list);
    assert_int_equal(clone.transfers.n, 1);
    wagi_clone_fini(&clone);
    wag_value copy = cloned(list);
    for (size_t i = 0; i < 5; i++) {
        wag_value a = wag_array_at(copy, i), b = wag_array_at(copy, i + 5);
        assert_int_equal(a.kind, objects[i].kind);
        assert_int_equal(b.kind, objects[i].kind);
        assert_ptr_equal(a.of.box, b.of.box); /* all members of the union that count are pointers */
        wag_value_unref(objects[i]);
    }
    assert_ptr_equal(wag_array_at(copy, 3).of.module, module);
    wag_value_unref(copy);
    wag_value_unref(list);
    wag_module_unref(module);
}

static void test_a_shared_memory_arrives_as_an_alias_of_it(void **state)
{
    (void)state;
    static const wag_memory_descriptor descriptor = {.initial = 1, .maximum = 2, .shared = true};
    wag_memory *memory = NULL;
    ASSERT_OK(wag_memory_create(&descriptor, &memory, NULL));
    wag_value list = wag_array();
    for (int twice = 0; twice < 2; twice++)
        wag_array_push(list, wag_value_ref(WAG_MEMORY(memory)));
    wag_value copy = cloned(list);
    wag_memory *first = wag_array_at(copy, 0).of.memory;
    assert_int_equal(wag_array_at(copy, 0).kind, WAG_VALUE_MEMORY);
    assert_ptr_equal(wag_array_at(copy, 1).of.memory, first);
    assert_ptr_not_equal(first, memory);
    assert_true(wag_memory_is_shared(first));
    wag_memory_data(memory)[7] = 99;
    assert_int_equal(wag_memory_data(first)[7], 99);
    ASSERT_OK(wag_memory_grow(first, 1, NULL, NULL));
    assert_int_equal(wag_memory_pages(memory), 2);
    wag_value_unref(list);
    wag_memory_unref(memory);
    assert_int_equal(wag_memory_data(first)[7], 99); /* it lives as long as one of them */
    wag_value_unref(copy);
}

/* A list of n lists, each within the next one. */
static wag_value nested(size_t depth)
{
    wag_value value = wag_array();
    for (size_t i = 1; i < depth; i++) {
        wag_value outer = wag_array();
        wag_array_push(outer, value);
        value = outer;
    }
    return value;
}

static void test_nesting_is_limited_also_through_references(void **state)
{
    (void)state;
    limits.clone_depth = 10;
    wag_value value = nested(10), copy = cloned(value);
    assert_true(wag_value_equal(value, copy));
    wag_value_unref(copy);
    wagi_clone clone;
    wag_error *error = NULL;
    wag_value outer = wag_array();
    wag_array_push(outer, wag_value_ref(value));
    ASSERT_ERR(wagi_clone_write(outer, &limits, &clone, &error), WAG_LIMIT);
    assert_class(error, WAG_CLASS_RANGE_ERROR);
    wag_value_unref(outer);
    wag_value_unref(value);

    /* [a, [[a]]] where a is 7 deep: 1 + 2 + 7 = 10. One more around it is too much. */
    for (size_t depth = 7; depth <= 8; depth++) {
        wag_value a = nested(depth), list = wag_array(), one = wag_array(), two = wag_array();
        wag_array_push(two, wag_value_ref(a));
        wag_array_push(one, two);
        wag_array_push(list, a);
        wag_array_push(list, one);
        ASSERT_ERR(wagi_clone_write(list, &limits, &clone, NULL), depth == 7 ? WAG_OK : WAG_LIMIT);
        if (depth == 7) {
            /* The reader counts alike. */
            wag_bytes bytes = {clone.bytes.p, clone.bytes.n};
            ASSERT_OK(read_bytes(bytes, &value, NULL));
            wag_value_unref(value);
            limits.clone_depth = 9;
            ASSERT_ERR(read_bytes(bytes, &value, NULL), WAG_PROTOCOL);
            limits.clone_depth = 10;
            wagi_clone_fini(&clone);
        }
        wag_value_unref(list);
    }
}

static void test_a_message_of_the_greatest_depth_passes(void **state)
{
    (void)state;
    wag_value value = nested(limits.clone_depth), copy = cloned(value);
    assert_true(wag_value_equal(value, copy));
    wag_value_unref(copy);
    wag_value_unref(value);
}

static void test_size_and_modules_are_limited_at_n_and_n_plus_1(void **state)
{
    (void)state;
    uint8_t data[100] = {0};
    wagi_clone clone;
    wag_value bytes = wag_bytes_value((wag_bytes){data, sizeof data});
    limits.clone_bytes = 105; /* tag, size, bytes */
    wag_value copy = cloned(bytes);
    wag_value_unref(copy);
    wag_error *error = NULL;
    limits.clone_bytes = 104;
    ASSERT_ERR(wagi_clone_write(bytes, &limits, &clone, &error), WAG_LIMIT);
    assert_non_null(strstr(wag_error_message(error), "104"));
    wag_error_unref(error);
    wag_value_unref(bytes);
    limits.clone_bytes = wagi_default_limits.clone_bytes;

    wag_value list = wag_array();
    for (int i = 0; i < 3; i++)
        wag_array_push(list, (wag_value){.kind = WAG_VALUE_MODULE, .of = {.module = empty_module()}});
    size_t modules = wag_live_modules();
    limits.clone_transfers = 3;
    copy = cloned(list);
    wag_value_unref(copy);
    limits.clone_transfers = 2;
    ASSERT_ERR(wagi_clone_write(list, &limits, &clone, NULL), WAG_LIMIT);
    wag_value_unref(list);
    assert_int_equal(wag_live_modules(), modules - 3);
}

static void test_what_cannot_be_cloned_is_named_with_the_way_to_it(void **state)
{
    (void)state;
    wag_memory *memory = NULL;
    ASSERT_OK(wag_memory_new(1, 1, &memory, NULL));
    wag_value list = wag_array(), map = wag_map(), items = wag_array();
    wag_array_push(items, WAG_NULL);
    wag_array_push(items, wag_value_ref(WAG_MEMORY(memory)));
    wag_map_set(map, "first", WAG_NULL);
    wag_map_set(map, "items", items);
    wag_array_push(list, map);
    wagi_clone clone;
    wag_error *error = NULL;
    ASSERT_ERR(wagi_clone_write(list, &limits, &clone, &error), WAG_DATA_CLONE);
    assert_string_equal(wag_error_message(error), "message[0].items[1]: a memory that is not shared cannot be cloned");
    assert_class(error, WAG_CLASS_DATA_CLONE_ERROR);
    wag_value_unref(list);

    /* A long way is cut off, a key never inside a character. */
    wag_value value = wag_value_ref(WAG_MEMORY(memory));
    for (int i = 0; i < 20; i++) {
        wag_value outer = wag_map();
        wag_map_set(outer,
                    "\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251"
                    "\303\251\303\251\303\251\303\251x\303\251\303\251",
                    value);
        value = outer;
    }
    ASSERT_ERR(wagi_clone_write(value, &limits, &clone, &error), WAG_DATA_CLONE);
    assert_non_null(strstr(wag_error_message(error), "x...."));
    assert_non_null(strstr(wag_error_message(error), "...: a memory that is not shared"));
    wag_error_unref(error);
    wag_value_unref(value);
    wag_memory_unref(memory);

    wag_value text = wag_string("\377");
    ASSERT_ERR(wagi_clone_write(text, &limits, &clone, NULL), WAG_DATA_CLONE);
    wag_value_unref(text);
    ASSERT_ERR(wagi_clone_write((wag_value){.kind = (wag_value_kind)77}, &limits, &clone, NULL), WAG_DATA_CLONE);
    ASSERT_ERR(wagi_clone_write((wag_value){.kind = WAG_VALUE_MODULE}, &limits, &clone, NULL), WAG_DATA_CLONE);
}

/* Everything that the format has, without modules. own. */
static wag_value sample(void)
{
    wag_value map = wag_map(), list = wag_array();
    wag_array_push(list, WAG_UNDEFINED);
    wag_array_push(list, WAG_NULL);
    wag_array_push(list, WAG_BOOL(true));
    wag_array_push(list, WAG_BOOL(false));
    wag_array_push(list, WAG_NUMBER(1.5));
    wag_array_push(list, WAG_BIGINT(-2));
    wag_array_push(list, wag_string("text"));
    wag_array_push(list, wag_bytes_value((wag_bytes){(const uint8_t *)"bytes", 5}));
    wag_array_push(list, WAG_ERROR_VALUE(wag_error_new(WAG_CLASS_TYPE_ERROR, "message")));
    wag_map_set(map, "list", list);
    wag_map_set(map, "again", wag_value_ref(list));
    wag_map_set(map, "map", wag_map());
    return map;
}

static void test_every_prefix_of_a_message_is_refused(void **state)
{
    (void)state;
    wag_value value = sample(), copy;
    wagi_clone clone = written(value);
    for (size_t size = 0; size < clone.bytes.n; size++) {
        wag_error *error = NULL;
        /* A block of exactly that size: a sanitizer sees a byte read behind it. */
        uint8_t *block = malloc(size ? size : 1);
        memcpy(block, clone.bytes.p, size);
        ASSERT_ERR(read_bytes((wag_bytes){block, size}, &copy, &error), WAG_PROTOCOL);
        assert_class(error, WAG_CLASS_DATA_CLONE_ERROR);
        free(block);
    }
    wagi_clone_fini(&clone);
    wag_value_unref(value);
}

static void test_every_changed_byte_gives_a_value_or_a_protocol_error(void **state)
{
    (void)state;
    wag_value value = sample(), copy;
    wagi_clone clone = written(value);
    size_t refused = 0;
    for (size_t i = 0; i < clone.bytes.n; i++)
        for (int byte = 0; byte < 256; byte++) {
            uint8_t old = clone.bytes.p[i];
            clone.bytes.p[i] = (uint8_t)byte;
            wag_err err = read_bytes((wag_bytes){clone.bytes.p, clone.bytes.n}, &copy, NULL);
            clone.bytes.p[i] = old;
            if (err == WAG_OK)
                wag_value_unref(copy);
            else
                assert_int_equal(err, WAG_PROTOCOL);
            refused += err != WAG_OK;
        }
    assert_true(refused > clone.bytes.n * 100);
    wagi_clone_fini(&clone);
    wag_value_unref(value);
}

#define BYTES(text)                                                                                                    \
    {                                                                                                                  \
        (const uint8_t *)(text), sizeof(text) - 1                                                                      \
    }

static void test_what_is_malformed_says_why_and_where(void **state)
{
    (void)state;
    static const struct {
        wag_bytes bytes;
        const char *why;
    } rows[] = {
        {BYTES(""), "unexpected end, at byte 0"},
        {BYTES("\20"), "a value of unknown kind, at byte 0"},
        {BYTES("\16\2"), "a flag is neither 0 nor 1, at byte 1"},
        {BYTES("\16\0\2\0\0\0x"), "a size exceeds the message, at byte 6"},
        {BYTES("\16\1\0\0\0\0\0\0\0\0\1\0\0\0x"), "a buffer is larger than its maximum, at byte 15"},
        {BYTES("\17\1"), "a shared buffer without its memory, at byte 2"},
        {BYTES("\1\1"), "bytes follow the value, at byte 1"},
        {BYTES("\4\0\0\0\0\0\0\0"), "unexpected end, at byte 1"},
        {BYTES("\6\2\0\0\0x"), "a size exceeds the message, at byte 5"},
        {BYTES("\6\377\377\377\377x"), "a size exceeds the message, at byte 5"},
        {BYTES("\6\1\0\0\0\377"), "a string is not UTF-8, at byte 6"},
        {BYTES("\6\2\0\0\0\300\200"), "a string is not UTF-8, at byte 7"},
        {BYTES("\6\3\0\0\0\355\240\200"), "a string is not UTF-8, at byte 8"},
        {BYTES("\10\377\377\377\377\1"), "a count exceeds the message, at byte 5"},
        {BYTES("\10\2\0\0\0\1"), "a count exceeds the message, at byte 5"},
        {BYTES("\11\2\0\0\0\1\0\0\0a\1\0\0\0"), "a count exceeds the message, at byte 5"},
        {BYTES("\11\2\0\0\0\1\0\0\0a\1\1\0\0\0a\1"), "a map has a key twice, at byte 17"},
        {BYTES("\10\1\0\0\0\14\0\0\0\0"), "a value contains itself, at byte 10"},
        {BYTES("\10\1\0\0\0\14\1\0\0\0"), "a reference to an object that does not exist, at byte 10"},
        {BYTES("\14\0\0\0\0"), "a reference to an object that does not exist, at byte 5"},
        {BYTES("\12\0\0\0\0\0\0\0\0\0"), "an error has an unknown code, at byte 5"},
        {BYTES("\12\377\377\377\377\0\0\0\0\0"), "an error has an unknown code, at byte 5"},
        {BYTES("\12\1\0\0\0\11\0\0\0\0"), "an error has an unknown class, at byte 6"},
        {BYTES("\12\1\0\0\0\0\1\0\0\0\0"), "an error's text contains NUL, at byte 11"},
        {BYTES("\13"), "more modules and memories than transfers, at byte 1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wag_value value;
        wag_error *error = NULL;
        size_t offset;
        ASSERT_ERR(read_bytes(rows[i].bytes, &value, &error), WAG_PROTOCOL);
        if (!strstr(wag_error_message(error), rows[i].why))
            fail_msg("row %zu: wanted \"%s\", got \"%s\"", i, rows[i].why, wag_error_message(error));
        assert_true(wag_error_offset(error, &offset));
        wag_error_unref(error);
    }
    wag_module *module = empty_module();
    wagi_transfer transfer = {.module = module};
    wag_value value;
    ASSERT_ERR(wagi_clone_read((wag_bytes)BYTES("\1"), &transfer, 1, &limits, &value, NULL), WAG_PROTOCOL);
    ASSERT_ERR(wagi_clone_read((wag_bytes)BYTES("\15"), &transfer, 1, &limits, &value, NULL), WAG_PROTOCOL);
    wag_module_unref(module);
}

static void test_deep_and_shared_messages_cost_linear_time(void **state)
{
    (void)state;
    /* An array of 200,000 references to one that has 200,000 elements: quadratic work would not end. */
    wag_value big = wag_array(), list = wag_array();
    for (int i = 0; i < 200000; i++)
        wag_array_push(big, WAG_NULL);
    wag_array_push(list, big);
    for (int i = 0; i < 200000; i++)
        wag_array_push(list, wag_value_ref(big));
    wag_value copy = cloned(list);
    assert_int_equal(wag_value_size(copy), 200001);
    assert_ptr_equal(wag_array_at(copy, 200000).of.box, wag_array_at(copy, 0).of.box);
    wag_value_unref(copy);
    wag_value_unref(list);
    /* [a, a] of [b, b] of ...: 2^1000 paths. */
    wag_value value = wag_array();
    for (size_t i = 1; i < limits.clone_depth; i++) {
        wag_value outer = wag_array();
        wag_array_push(outer, wag_value_ref(value));
        wag_array_push(outer, value);
        value = outer;
    }
    copy = cloned(value);
    assert_true(wag_value_equal(copy, value));
    wag_value_unref(copy);
    wag_value_unref(value);
}

static void test_without_memory_nothing_leaks(void **state)
{
    (void)state;
    size_t modules = wag_live_modules();
    wag_module *module = empty_module();
    wag_value value = sample(), copy = WAG_UNDEFINED;
    wag_memory *memory = NULL;
    ASSERT_OK(wag_memory_create(&(wag_memory_descriptor){.maximum = 1, .shared = true}, &memory, NULL));
    wag_map_set(value, "module", wag_value_ref(WAG_MODULE(module)));
    wag_map_set(value, "memory", WAG_MEMORY(memory));
    wagi_clone clone;
    wag_err err = WAG_NOMEM;
    uint64_t successes = 0;
    for (; err != WAG_OK; successes++) {
        assert_true(successes < 1000);
        wagi_alloc_fail_after(successes);
        err = wagi_clone_write(value, &limits, &clone, NULL);
        wagi_alloc_fail_after(UINT64_MAX);
        assert_true(err == WAG_OK || err == WAG_NOMEM);
    }
    assert_true(successes > 3);
    for (successes = 0, err = WAG_NOMEM; err != WAG_OK; successes++) {
        assert_true(successes < 1000);
        wagi_alloc_fail_after(successes);
        err = wagi_clone_read((wag_bytes){clone.bytes.p, clone.bytes.n}, clone.transfers.p, clone.transfers.n, &limits,
                              &copy, NULL);
        wagi_alloc_fail_after(UINT64_MAX);
        /* Except where an error object is made: that never fails, it becomes the static one. */
        assert_true(err == WAG_OK || err == WAG_NOMEM);
    }
    assert_true(successes > 10);
    wagi_clone_fini(&clone);
    wag_value_unref(copy);
    wag_value_unref(value);
    wag_module_unref(module);
    assert_int_equal(wag_live_modules(), modules);
}

/* ---- the header ---- */

static void test_a_header_is_checked_field_by_field(void **state)
{
    (void)state;
    enum { SIZE = WAGI_MESSAGE_HEADER + 2 * WAGI_MESSAGE_TRANSFER + 3 };
    uint8_t good[SIZE], bytes[SIZE];
    wagi_message message;
    wagi_message_write_header(good, WAGI_MESSAGE_POST, 2, 3);
    wagi_message_set_seq(good, 7);
    wagi_message_write_transfer(good + 32, 0x1122334455667788, WAGI_TRANSFER_MODULE);
    wagi_message_write_transfer(good + 48, 2, WAGI_TRANSFER_MEMORY);
    memcpy(good + 64, "abc", 3);
    assert_null(wagi_message_parse((wag_bytes){good, SIZE}, 7, &message));
    assert_int_equal(message.type, WAGI_MESSAGE_POST);
    assert_int_equal(message.transfer_count, 2);
    assert_true(wagi_message_ticket(&message, 0) == 0x1122334455667788);
    assert_int_equal(message.payload.size, 3);
    assert_memory_equal(message.payload.data, "abc", 3);
    assert_non_null(wagi_message_parse((wag_bytes){good, SIZE}, 6, &message));
    assert_non_null(wagi_message_parse((wag_bytes){good, SIZE}, 8, &message));
    for (size_t size = 0; size < SIZE; size++)
        assert_non_null(wagi_message_parse((wag_bytes){good, size}, 7, &message));
    /* Every bit of the header and of a transfer matters, but those of a ticket; one kind can become another. */
    for (size_t bit = 0; bit < SIZE * 8; bit++) {
        memcpy(bytes, good, SIZE);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        bool free_choice = bit / 8 >= 64 || (bit / 8 >= 32 && bit / 8 < 40) || (bit / 8 >= 48 && bit / 8 < 56) ||
                           ((bit / 8 == 40 || bit / 8 == 56) && bytes[bit / 8] >= WAGI_TRANSFER_MODULE &&
                            bytes[bit / 8] <= WAGI_TRANSFER_BUFFER);
        bool refused = wagi_message_parse((wag_bytes){bytes, SIZE}, 7, &message) != NULL;
        if (refused == free_choice)
            fail_msg("bit %zu of byte %zu", bit % 8, bit / 8);
    }
}

static void test_a_closing_message_is_empty(void **state)
{
    (void)state;
    uint8_t bytes[WAGI_MESSAGE_HEADER + 1] = {0};
    wagi_message message;
    wagi_message_write_header(bytes, WAGI_MESSAGE_CLOSE, 0, 0);
    assert_null(wagi_message_parse((wag_bytes){bytes, WAGI_MESSAGE_HEADER}, 0, &message));
    assert_int_equal(message.type, WAGI_MESSAGE_CLOSE);
    wagi_message_write_header(bytes, WAGI_MESSAGE_CLOSE, 0, 1);
    assert_non_null(wagi_message_parse((wag_bytes){bytes, sizeof bytes}, 0, &message));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_primitive_values_keep_their_bits, set_limits),
        cmocka_unit_test_setup(test_strings_and_bytes_are_copied_whole, set_limits),
        cmocka_unit_test_setup(test_arrays_and_maps_keep_order_and_contents, set_limits),
        cmocka_unit_test_setup(test_maps_within_maps_keep_their_own_keys, set_limits),
        cmocka_unit_test_setup(test_errors_keep_code_class_and_message, set_limits),
        cmocka_unit_test_setup(test_a_shared_memory_arrives_as_an_alias_of_it, set_limits),
        cmocka_unit_test_setup(test_the_same_object_twice_arrives_as_one_object, set_limits),
        cmocka_unit_test_setup(test_nesting_is_limited_also_through_references, set_limits),
        cmocka_unit_test_setup(test_a_message_of_the_greatest_depth_passes, set_limits),
        cmocka_unit_test_setup(test_size_and_modules_are_limited_at_n_and_n_plus_1, set_limits),
        cmocka_unit_test_setup(test_what_cannot_be_cloned_is_named_with_the_way_to_it, set_limits),
        cmocka_unit_test_setup(test_every_prefix_of_a_message_is_refused, set_limits),
        cmocka_unit_test_setup(test_every_changed_byte_gives_a_value_or_a_protocol_error, set_limits),
        cmocka_unit_test_setup(test_what_is_malformed_says_why_and_where, set_limits),
        cmocka_unit_test_setup(test_deep_and_shared_messages_cost_linear_time, set_limits),
        cmocka_unit_test_setup(test_without_memory_nothing_leaks, set_limits),
        cmocka_unit_test_setup(test_a_header_is_checked_field_by_field, set_limits),
        cmocka_unit_test_setup(test_a_closing_message_is_empty, set_limits),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    wag_agent_close();
    return failed;
}

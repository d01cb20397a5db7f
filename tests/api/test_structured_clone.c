/* SER-01 to SER-11: what may be posted, what arrives, and transfer lists. One test per statement, named by its id. The
 * format itself is tests/unit/test_clone.c's. */
#include "tests/support/check.h"

#include <poll.h>

#include "base/alloc.h"

/* A channel whose second port keeps what arrives. */
typedef struct post_box {
    wag_port *a, *b;
    wag_value got; /* own */
    int messages, errors;
    wag_error_class error_class;
} post_box;

static void on_message(void *context, wag_value message)
{
    post_box *box = context;
    wag_value_unref(box->got);
    box->got = wag_value_ref(message);
    box->messages++;
}

static void on_error(void *context, const wag_error *error)
{
    post_box *box = context;
    box->errors++;
    box->error_class = wag_error_get_class(error);
}

static void open_box(post_box *box)
{
    *box = (post_box){.got = WAG_UNDEFINED};
    ASSERT_OK(wag_channel_new(NULL, &box->a, &box->b, NULL));
    wag_port_on_message_error(box->b, on_error, box);
    wag_port_on_message(box->b, on_message, box);
}

static void close_box(post_box *box)
{
    wag_value_unref(box->got);
    wag_port_close(box->a);
    wag_port_close(box->b);
    wag_port_unref(box->a);
    wag_port_unref(box->b);
}

/* What arrives of a message: borrow, until the next one. */
static wag_value posted_with(post_box *box, wag_value message, const wag_value *transfer, size_t count)
{
    int before = box->messages;
    wag_error *error = NULL;
    if (wag_port_post_transfer(box->a, message, transfer, count, &error) != WAG_OK)
        fail_msg("%s", wag_error_message(error));
    while (box->messages == before) {
        struct pollfd item = {.fd = wag_agent_fd(), .events = POLLIN};
        assert_int_equal(poll(&item, 1, 60000), 1);
        wag_agent_turn();
    }
    return box->got;
}

static wag_value posted(post_box *box, wag_value message)
{
    return posted_with(box, message, NULL, 0);
}

#define ASSERT_FAILS(call_, wanted_, class_)                                                                           \
    do {                                                                                                               \
        wag_error *error = NULL;                                                                                       \
        ASSERT_ERR(call_, wanted_);                                                                                    \
        assert_class(error, class_);                                                                                   \
    } while (0)

static wag_buffer *buffer_of(const char *text)
{
    wag_buffer *buffer = NULL;
    ASSERT_OK(wag_buffer_new((wag_bytes){(const uint8_t *)text, strlen(text)}, &buffer, NULL));
    return buffer;
}

static wag_buffer *created(wag_buffer_descriptor descriptor)
{
    wag_buffer *buffer = NULL;
    ASSERT_OK(wag_buffer_create(&descriptor, &buffer, NULL));
    return buffer;
}

static wag_memory *memory_of(uint64_t initial, uint64_t maximum, bool shared)
{
    wag_memory *memory = NULL;
    wag_memory_descriptor descriptor = {.initial = initial, .maximum = maximum, .shared = shared};
    ASSERT_OK(wag_memory_create(&descriptor, &memory, NULL));
    return memory;
}

static wag_value pair_of(wag_value first, wag_value second)
{
    wag_value array = wag_array();
    wag_array_push(array, wag_value_ref(first));
    wag_array_push(array, wag_value_ref(second));
    return array;
}

/* ---- modules ---- */

static void test_SER_01_a_module_is_cloned_but_not_transferred(void **state)
{
    (void)state;
    post_box box;
    open_box(&box);
    wag_module *module = module_of("(module)");
    wag_value item = WAG_MODULE(module);
    ASSERT_FAILS(wag_port_post_transfer(box.a, item, &item, 1, &error), WAG_DATA_CLONE, WAG_CLASS_DATA_CLONE_ERROR);
    assert_int_equal(posted(&box, item).kind, WAG_VALUE_MODULE);
    wag_module_unref(module);
    close_box(&box);
}

static void test_SER_01_a_module_of_another_cluster_is_a_messageerror(void **state)
{
    (void)state;
    post_box box;
    open_box(&box);
    static const uint8_t bytes[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    wag_cluster *cluster = NULL;
    wag_module *module = NULL;
    ASSERT_OK(wag_cluster_new(NULL, &cluster));
    ASSERT_OK(
        wag_module_new((wag_bytes){bytes, sizeof bytes}, &(wag_compile_options){.cluster = cluster}, &module, NULL));
    wag_port *kept = NULL, *sent = NULL;
    ASSERT_OK(wag_channel_new(NULL, &kept, &sent, NULL));
    wag_value item = WAG_PORT(sent);
    ASSERT_OK(wag_port_post_transfer(box.a, WAG_MODULE(module), &item, 1, NULL));
    assert_true(posted(&box, WAG_BOOL(true)).of.boolean); /* the one after it arrives */
    assert_int_equal(box.errors, 1);
    assert_int_equal(box.error_class, WAG_CLASS_DATA_CLONE_ERROR);
    assert_int_equal(box.messages, 1);
    wag_port_unref(sent);
    wag_port_unref(kept);
    wag_module_unref(module);
    wag_cluster_unref(cluster);
    close_box(&box);
}

static void test_SER_02_the_compiled_code_is_shared(void **state)
{
    (void)state;
    post_box box;
    open_box(&box);
    wag_module *module = module_of("(module)");
    assert_ptr_equal(posted(&box, WAG_MODULE(module)).of.module, module);
    wag_module_unref(module);
    close_box(&box);
}

static void test_SER_03_the_same_object_twice_arrives_as_one(void **state)
{
    (void)state;
    post_box box;
    open_box(&box);
    wag_module *module = module_of("(module)");
    wag_memory *memory = memory_of(1, 2, true);
    wag_buffer *copied = buffer_of("copied"), *moved = buffer_of("moved"), *shared = wag_memory_buffer(memory);
    wag_port *kept = NULL, *sent = NULL;
    ASSERT_OK(wag_channel_new(NULL, &kept, &sent, NULL));
    const wag_value objects[] = {WAG_MODULE(module), WAG_MEMORY(memory), WAG_BUFFER(copied),
                                 WAG_BUFFER(moved),  WAG_BUFFER(shared), WAG_PORT(sent)};
    const wag_value items[] = {WAG_PORT(sent), WAG_BUFFER(moved)};
    wag_value message = wag_array();
    for (size_t i = 0; i < 6; i++)
        wag_array_push(message, pair_of(objects[i], objects[i]));
    wag_value got = posted_with(&box, message, items, 2);
    for (size_t i = 0; i < 6; i++) {
        wag_value pair = wag_array_at(got, i), first = wag_array_at(pair, 0), second = wag_array_at(pair, 1);
        assert_int_equal(first.kind, objects[i].kind);
        assert_ptr_equal(first.of.buffer, second.of.buffer);
        if (i)
            assert_ptr_not_equal(first.of.buffer, objects[i].of.buffer);
    }
    wag_value_unref(message);
    wag_port_unref(kept);
    wag_port_unref(sent);
    wag_buffer_unref(copied);
    wag_buffer_unref(moved);
    wag_buffer_unref(shared);
    wag_memory_unref(memory);
    wag_module_unref(module);
    close_box(&box);
}

/* ---- what belongs to one agent ---- */

static void test_SER_04_store_objects_fail_at_the_sender(void **state)
{
    (void)state;
    post_box box;
    open_box(&box);
    wag_instance *instance = instance_of("(module (func (export \"f\")))", NULL);
    wag_table *table = NULL;
    wag_global *global = NULL;
    wag_tag *tag = NULL;
    wag_exception *exception = NULL;
    wag_memory *memory = memory_of(1, 2, false);
    wag_extern *ext = wag_extern_new(&box, NULL);
    wag_port *kept = NULL, *other = NULL;
    ASSERT_OK(wag_table_new(WAG_FUNCREF, 0, UINT64_MAX, WAG_VAL_FUNC(NULL), &table, NULL));
    ASSERT_OK(wag_global_new(WAG_VAL_I32(1), false, &global, NULL));
    ASSERT_OK(wag_tag_new("()", &tag, NULL));
    ASSERT_OK(wag_exception_new_value(tag, WAG_UNDEFINED, &exception, NULL));
    ASSERT_OK(wag_channel_new(NULL, &kept, &other, NULL));
    const wag_value all[] = {WAG_INSTANCE(instance), WAG_FUNC(wag_exports_func(wag_instance_exports(instance), "f")),
                             WAG_TABLE(table),       WAG_GLOBAL(global),
                             WAG_TAG(tag),           WAG_EXCEPTION(exception),
                             WAG_MEMORY(memory),     WAG_EXTERN(ext),
                             WAG_PORT(other)};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        wag_value inside = pair_of(WAG_NULL, all[i]);
        ASSERT_FAILS(wag_port_post_message(box.a, all[i], &error), WAG_DATA_CLONE, WAG_CLASS_DATA_CLONE_ERROR);
        ASSERT_FAILS(wag_port_post_message(box.a, inside, &error), WAG_DATA_CLONE, WAG_CLASS_DATA_CLONE_ERROR);
        wag_value_unref(inside);
    }
    assert_int_equal(wag_port_buffered_amount(box.a), 0);
    wag_port_unref(kept);
    wag_port_unref(other);
    wag_extern_unref(ext);
    wag_memory_unref(memory);
    wag_exception_unref(exception);
    wag_tag_unref(tag);
    wag_global_unref(global);
    wag_table_unref(table);
    wag_instance_unref(instance);
    close_box(&box);
}

static void test_SER_05_a_shared_memory_is_aliased(void **state)
{
    (void)state;
    post_box box;
    open_box(&box);
    wag_memory *memory = memory_of(1, 2, true);
    wag_memory *got = posted(&box, WAG_MEMORY(memory)).of.memory;
    assert_ptr_not_equal(got, memory);
    assert_ptr_equal(wag_memory_data(got), wag_memory_data(memory));
    ASSERT_OK(wag_memory_grow(memory, 1, NULL, NULL));
    assert_int_equal(wag_memory_pages(got), 2);
    wag_value item = WAG_MEMORY(memory);
    ASSERT_FAILS(wag_port_post_transfer(box.a, item, &item, 1, &error), WAG_DATA_CLONE, WAG_CLASS_DATA_CLONE_ERROR);
    wag_memory_unref(memory);
    close_box(&box);
}

/* ---- buffers ---- */

static void test_SER_06_a_shared_buffer_is_aliased_and_not_transferred(void **state)
{
    (void)state;
    post_box box;
    open_box(&box);
    wag_memory *memory = memory_of(1, 3, true);
    wag_buffer *of_memory = wag_memory_buffer(memory), *growable = NULL;
    wag_buffer *own = created((wag_buffer_descriptor){.length = 10, .shared = true});
    ASSERT_OK(wag_memory_grow(memory, 1, NULL, NULL));
    ASSERT_OK(wag_memory_to_resizable_buffer(memory, &growable, NULL));
    const struct {
        wag_buffer *buffer;
        uint64_t size, max;
    } rows[] = {{of_memory, 65536, 65536}, {growable, 131072, 3 * 65536}, {own, 10, 10}};
    for (size_t i = 0; i < 3; i++) {
        wag_value item = WAG_BUFFER(rows[i].buffer);
        wag_buffer *got = posted(&box, item).of.buffer;
        assert_true(wag_buffer_is_shared(got));
        assert_ptr_not_equal(got, rows[i].buffer);
        assert_ptr_equal(wag_buffer_data(got), wag_buffer_data(rows[i].buffer));
        assert_int_equal(wag_buffer_size(got), rows[i].size);
        assert_int_equal(wag_buffer_max_size(got), rows[i].max);
        ASSERT_FAILS(wag_port_post_transfer(box.a, item, &item, 1, &error), WAG_DATA_CLONE, WAG_CLASS_DATA_CLONE_ERROR);
    }
    wag_buffer *got = wag_buffer_ref(posted(&box, WAG_BUFFER(growable)).of.buffer);
    ASSERT_OK(wag_memory_grow(memory, 1, NULL, NULL));
    assert_int_equal(wag_buffer_size(got), 3 * 65536);
    wag_buffer_unref(got);
    wag_buffer_unref(of_memory);
    wag_buffer_unref(growable);
    wag_buffer_unref(own);
    wag_memory_unref(memory);
    close_box(&box);
}

static void test_SER_07_a_buffer_is_copied_with_its_maximum(void **state)
{
    (void)state;
    post_box box;
    open_box(&box);
    wag_buffer *buffer = created((wag_buffer_descriptor){.length = 3, .max_length = 9, .resizable = true});
    ASSERT_OK(wag_buffer_write(buffer, 0, "abc", 3));
    wag_buffer *got = posted(&box, WAG_BUFFER(buffer)).of.buffer;
    assert_ptr_not_equal(wag_buffer_data(got), wag_buffer_data(buffer));
    assert_memory_equal(wag_buffer_data(got), "abc", 3);
    assert_int_equal(wag_buffer_size(got), 3);
    assert_int_equal(wag_buffer_max_size(got), 9);
    ASSERT_OK(wag_buffer_resize(got, 9, NULL));
    assert_int_equal(wag_buffer_size(buffer), 3);
    wag_buffer_unref(buffer);
    /* Of a memory, too: a copy is attached to nothing. */
    wag_memory *memory = memory_of(1, 2, false);
    ASSERT_OK(wag_memory_write(memory, 65535, "z", 1));
    buffer = wag_memory_buffer(memory);
    got = posted(&box, WAG_BUFFER(buffer)).of.buffer;
    assert_int_equal(wag_buffer_size(got), 65536);
    assert_int_equal(wag_buffer_data(got)[65535], 'z');
    ASSERT_OK(wag_memory_grow(memory, 1, NULL, NULL));
    ASSERT_FAILS(wag_port_post_message(box.a, WAG_BUFFER(buffer), &error), WAG_DATA_CLONE, WAG_CLASS_DATA_CLONE_ERROR);
    assert_false(wag_buffer_is_detached(got));
    wag_buffer_unref(buffer);
    wag_memory_unref(memory);
    close_box(&box);
}

static void test_SER_08_an_error_keeps_its_class_as_an_extension(void **state)
{
    (void)state;
    post_box box;
    open_box(&box);
    wag_error *error = wag_error_new(WAG_CLASS_LINK_ERROR, "import 0");
    wag_value got = posted(&box, WAG_ERROR_VALUE(error));
    assert_int_equal(wag_error_get_class(got.of.error), WAG_CLASS_LINK_ERROR);
    assert_string_equal(wag_error_message(got.of.error), "import 0");
    wag_error_unref(error);
    close_box(&box);
}

/* ---- transfer lists ---- */

static void test_SER_10_a_transferred_buffer_is_detached_here_and_keeps_its_address_there(void **state)
{
    (void)state;
    post_box box;
    open_box(&box);
    wag_buffer *fixed = buffer_of("fixed");
    wag_buffer *resizable = created((wag_buffer_descriptor){.length = 2, .max_length = 5, .resizable = true});
    const uint8_t *data[] = {wag_buffer_data(fixed), wag_buffer_data(resizable)};
    const wag_value items[] = {WAG_BUFFER(fixed), WAG_BUFFER(resizable)};
    wag_value message = pair_of(items[1], items[0]);
    wag_value got = posted_with(&box, message, items, 2);
    wag_buffer *second = wag_array_at(got, 0).of.buffer, *first = wag_array_at(got, 1).of.buffer;
    assert_true(wag_buffer_is_detached(fixed) && wag_buffer_is_detached(resizable));
    assert_ptr_equal(wag_buffer_data(first), data[0]);
    assert_ptr_equal(wag_buffer_data(second), data[1]);
    assert_memory_equal(data[0], "fixed", 5);
    assert_false(wag_buffer_is_resizable(first));
    assert_int_equal(wag_buffer_max_size(second), 5);
    ASSERT_FAILS(wag_port_post_transfer(box.a, WAG_NULL, items, 1, &error), WAG_DATA_CLONE, WAG_CLASS_DATA_CLONE_ERROR);
    wag_value_unref(message);
    wag_buffer_unref(fixed);
    wag_buffer_unref(resizable);
    close_box(&box);
}

static void released(void *context, uint8_t *data)
{
    (void)data;
    ++*(int *)context;
}

static void test_SER_10_the_hosts_bytes_travel_and_are_released_once(void **state)
{
    (void)state;
    post_box box;
    open_box(&box);
    int releases = 0;
    uint8_t bytes[4] = "abc";
    wag_buffer *buffer = NULL;
    ASSERT_OK(wag_buffer_adopt(bytes, 4, released, &releases, &buffer, NULL));
    wag_value item = WAG_BUFFER(buffer);
    assert_ptr_equal(wag_buffer_data(posted_with(&box, item, &item, 1).of.buffer), bytes);
    assert_int_equal(releases, 0);
    posted(&box, WAG_NULL);
    assert_int_equal(releases, 1);
    wag_buffer_unref(buffer);
    /* Undelivered. */
    ASSERT_OK(wag_buffer_adopt(bytes, 4, released, &releases, &buffer, NULL));
    item = WAG_BUFFER(buffer);
    ASSERT_OK(wag_port_post_transfer(box.a, WAG_NULL, &item, 1, NULL));
    wag_buffer_unref(buffer);
    assert_int_equal(releases, 1);
    close_box(&box);
    assert_int_equal(releases, 2);
}

static void test_SER_10_what_cannot_be_transferred_fails_by_name(void **state)
{
    (void)state;
    post_box box;
    open_box(&box);
    wag_memory *memory = memory_of(1, 2, false);
    wag_buffer *fine = buffer_of("fine"), *keyed = wag_memory_buffer(memory);
    wag_value text = wag_string("text"), array = wag_array();
    const struct {
        wag_value item;
        wag_err err;
        wag_error_class error_class;
    } rows[] = {{text, WAG_DATA_CLONE, WAG_CLASS_DATA_CLONE_ERROR},
                {array, WAG_DATA_CLONE, WAG_CLASS_DATA_CLONE_ERROR},
                {WAG_NULL, WAG_DATA_CLONE, WAG_CLASS_DATA_CLONE_ERROR},
                {WAG_NUMBER(1), WAG_DATA_CLONE, WAG_CLASS_DATA_CLONE_ERROR},
                {{.kind = WAG_VALUE_PORT}, WAG_DATA_CLONE, WAG_CLASS_DATA_CLONE_ERROR},
                {WAG_BUFFER(fine), WAG_DATA_CLONE, WAG_CLASS_DATA_CLONE_ERROR}, /* a second time */
                {WAG_PORT(box.a), WAG_DATA_CLONE, WAG_CLASS_DATA_CLONE_ERROR},
                {WAG_BUFFER(keyed), WAG_TYPE, WAG_CLASS_TYPE_ERROR}}; /* the detach key; also MEM-08 */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const wag_value items[] = {WAG_BUFFER(fine), rows[i].item};
        ASSERT_FAILS(wag_port_post_transfer(box.a, WAG_NULL, items, 2, &error), rows[i].err, rows[i].error_class);
        assert_false(wag_buffer_is_detached(fine));
        assert_false(wag_buffer_is_detached(keyed));
    }
    assert_int_equal(wag_port_buffered_amount(box.a), 0);
    wag_value_unref(text);
    wag_value_unref(array);
    wag_buffer_unref(fine);
    wag_buffer_unref(keyed);
    wag_memory_unref(memory);
    close_box(&box);
}

static void test_SER_11_checks_and_serialising_come_before_any_detach(void **state)
{
    (void)state;
    post_box box;
    open_box(&box);
    wag_port *kept = NULL, *sent = NULL;
    ASSERT_OK(wag_channel_new(NULL, &kept, &sent, NULL));
    wag_memory *memory = memory_of(1, 2, false);
    wag_buffer *buffer = buffer_of("bytes"), *keyed = wag_memory_buffer(memory);
    const wag_value items[] = {WAG_BUFFER(buffer), WAG_PORT(sent), WAG_BUFFER(keyed)};
    wag_value message = pair_of(WAG_BUFFER(buffer), WAG_MEMORY(memory));
    ASSERT_FAILS(wag_port_post_transfer(box.a, message, items, 2, &error), WAG_DATA_CLONE, WAG_CLASS_DATA_CLONE_ERROR);
    /* What cannot be serialised comes first, the detach key after it. */
    ASSERT_FAILS(wag_port_post_transfer(box.a, message, items, 3, &error), WAG_DATA_CLONE, WAG_CLASS_DATA_CLONE_ERROR);
    ASSERT_FAILS(wag_port_post_transfer(box.a, WAG_NULL, items, 3, &error), WAG_TYPE, WAG_CLASS_TYPE_ERROR);
    assert_memory_equal(wag_buffer_data(buffer), "bytes", 5);
    assert_false(wag_port_is_closed(sent));
    posted_with(&box, WAG_NULL, items, 2);
    assert_true(wag_buffer_is_detached(buffer));
    assert_true(wag_port_is_closed(sent));
    wag_value_unref(message);
    wag_buffer_unref(buffer);
    wag_buffer_unref(keyed);
    wag_memory_unref(memory);
    wag_port_unref(kept);
    wag_port_unref(sent);
    close_box(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_SER_01_a_module_is_cloned_but_not_transferred),
        cmocka_unit_test(test_SER_01_a_module_of_another_cluster_is_a_messageerror),
        cmocka_unit_test(test_SER_02_the_compiled_code_is_shared),
        cmocka_unit_test(test_SER_03_the_same_object_twice_arrives_as_one),
        cmocka_unit_test(test_SER_04_store_objects_fail_at_the_sender),
        cmocka_unit_test(test_SER_05_a_shared_memory_is_aliased),
        cmocka_unit_test(test_SER_06_a_shared_buffer_is_aliased_and_not_transferred),
        cmocka_unit_test(test_SER_07_a_buffer_is_copied_with_its_maximum),
        cmocka_unit_test(test_SER_08_an_error_keeps_its_class_as_an_extension),
        cmocka_unit_test(test_SER_10_a_transferred_buffer_is_detached_here_and_keeps_its_address_there),
        cmocka_unit_test(test_SER_10_the_hosts_bytes_travel_and_are_released_once),
        cmocka_unit_test(test_SER_10_what_cannot_be_transferred_fails_by_name),
        cmocka_unit_test(test_SER_11_checks_and_serialising_come_before_any_detach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

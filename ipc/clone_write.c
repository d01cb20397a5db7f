/* The writer: iterative, over a stack of open containers; objects are found again by address. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "binary/reader.h"
#include "ipc/clone.h"
#include "ipc/message.h"

typedef struct open_container {
    wag_value container; /* borrow */
    size_t next;         /* index of the child to be written next */
    uint32_t object;     /* its number */
    uint32_t height;     /* so far */
} open_container;

/* An address that has a number. An open-addressed table of them, at most half full. */
typedef struct seen_object {
    const void *address; /* NULL: empty */
    uint32_t number;
} seen_object;

typedef struct clone_writer {
    wagi_clone clone;
    const wagi_limits *limits;
    WAGI_VEC(open_container) open;
    WAGI_VEC(uint32_t) heights; /* by object number; WAGI_CLONE_OPEN while it is being written */
    seen_object *seen;
    size_t seen_capacity; /* a power of two, or 0 */
    wag_error *error;     /* own; the first one sticks */
} clone_writer;

#define PATH_SIZE 160
#define PATH_KEY_SIZE 32

/* Where the writer is, as "message.items[3].run". What does not fit is cut off in the middle of the path. */
static void describe_path(const clone_writer *writer, char path[PATH_SIZE])
{
    size_t length = (size_t)snprintf(path, PATH_SIZE, "message");
    for (size_t i = 0; i < writer->open.n; i++) {
        const open_container *at = &writer->open.p[i];
        char step[PATH_KEY_SIZE + 8];
        wag_name key;
        if (wag_map_at(at->container, at->next - 1, &key, NULL)) {
            size_t size = key.size < PATH_KEY_SIZE ? key.size : PATH_KEY_SIZE;
            while (size < key.size && size > 0 && ((unsigned char)key.data[size] & 0xc0) == 0x80)
                size--; /* not inside a character */
            snprintf(step, sizeof step, ".%.*s%s", (int)size, key.data, size < key.size ? "..." : "");
        } else {
            snprintf(step, sizeof step, "[%zu]", at->next - 1);
        }
        size_t step_length = strlen(step);
        if (length + step_length + 4 > PATH_SIZE) {
            memcpy(path + length, "...", 4);
            return;
        }
        memcpy(path + length, step, step_length + 1);
        length += step_length;
    }
}

static bool fail_nomem(clone_writer *writer)
{
    writer->error = wagi_error_nomem();
    return false;
}

static bool fail_limit(clone_writer *writer, const char *what, uint64_t limit)
{
    char text[96];
    int size = snprintf(text, sizeof text, "the message exceeds a limit: %s, %llu", what, (unsigned long long)limit);
    writer->error = wagi_error_new_class(WAG_LIMIT, WAG_CLASS_RANGE_ERROR, (wag_name){text, (size_t)size});
    return false;
}

static bool fail_clone(clone_writer *writer, const char *why)
{
    char path[PATH_SIZE];
    describe_path(writer, path);
    writer->error = wagi_error_new(WAG_DATA_CLONE, "%s: %s", path, why);
    return false;
}

/* ---- bytes ---- */

static uint8_t *put_room(clone_writer *writer, size_t size)
{
    uint64_t limit = writer->limits->clone_bytes;
    if (size > limit || writer->clone.bytes.n > limit - size)
        return fail_limit(writer, "size in bytes", limit), NULL;
    if (!WAGI_VEC_RESERVE(&writer->clone.bytes, size))
        return fail_nomem(writer), NULL;
    uint8_t *room = writer->clone.bytes.p + writer->clone.bytes.n;
    writer->clone.bytes.n += size;
    return room;
}

static bool put_tag(clone_writer *writer, wagi_clone_tag tag)
{
    uint8_t *p = put_room(writer, 1);
    if (p)
        *p = (uint8_t)tag;
    return p != NULL;
}

static bool put_tag_u32(clone_writer *writer, wagi_clone_tag tag, uint32_t x)
{
    uint8_t *p = put_room(writer, 5);
    if (p) {
        *p = (uint8_t)tag;
        wagi_put_u32(p + 1, x);
    }
    return p != NULL;
}

static bool put_tag_u64(clone_writer *writer, wagi_clone_tag tag, uint64_t x)
{
    uint8_t *p = put_room(writer, 9);
    if (p) {
        *p = (uint8_t)tag;
        wagi_put_u64(p + 1, x);
    }
    return p != NULL;
}

/* u32 size and the bytes. A size past 32 bits is past clone_bytes too. */
static bool put_sized(clone_writer *writer, const void *bytes, size_t size)
{
    uint8_t *p = size <= UINT32_MAX - 4 ? put_room(writer, 4 + size) : put_room(writer, SIZE_MAX);
    if (!p)
        return false;
    wagi_put_u32(p, (uint32_t)size);
    if (size)
        memcpy(p + 4, bytes, size);
    return true;
}

static bool put_text(clone_writer *writer, wag_name text)
{
    if (!wagi_utf8_valid((const uint8_t *)text.data, text.size))
        return fail_clone(writer, "a string that is not UTF-8 cannot be cloned");
    return put_sized(writer, text.data, text.size);
}

/* ---- objects ---- */

static size_t seen_place(const seen_object *seen, size_t capacity, const void *address)
{
    /* Fibonacci hashing; the low bits of an address are the allocator's. */
    size_t place = (size_t)(((uint64_t)(uintptr_t)address * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (capacity - 1);
    while (seen[place].address && seen[place].address != address)
        place = (place + 1) & (capacity - 1);
    return place;
}

static bool seen_grow(clone_writer *writer)
{
    size_t capacity = writer->seen_capacity ? writer->seen_capacity * 2 : 16;
    seen_object *seen = wagi_alloc_zero(capacity, sizeof *seen);
    if (!seen)
        return false;
    for (size_t i = 0; i < writer->seen_capacity; i++)
        if (writer->seen[i].address)
            seen[seen_place(seen, capacity, writer->seen[i].address)] = writer->seen[i];
    wagi_free(writer->seen);
    writer->seen = seen;
    writer->seen_capacity = capacity;
    return true;
}

/* Give the object the next number. False without memory. */
static bool number_object(clone_writer *writer, const void *address, uint32_t height)
{
    if (writer->heights.n == UINT32_MAX)
        return fail_limit(writer, "objects", UINT32_MAX);
    if ((writer->heights.n + 1) * 2 > writer->seen_capacity && !seen_grow(writer))
        return fail_nomem(writer);
    if (!WAGI_VEC_PUSH(&writer->heights, height))
        return fail_nomem(writer);
    writer->seen[seen_place(writer->seen, writer->seen_capacity, address)] =
        (seen_object){address, (uint32_t)(writer->heights.n - 1)};
    return true;
}

static void raise_parent(clone_writer *writer, uint32_t child_height)
{
    if (writer->open.n && writer->open.p[writer->open.n - 1].height <= child_height)
        writer->open.p[writer->open.n - 1].height = child_height + 1;
}

static const void *object_address(wag_value value)
{
    switch (value.kind) {
    case WAG_VALUE_BYTES:
    case WAG_VALUE_ARRAY:
    case WAG_VALUE_MAP:
        return value.of.box;
    case WAG_VALUE_ERROR:
        return value.of.error;
    case WAG_VALUE_MODULE:
        return value.of.module;
    case WAG_VALUE_MEMORY:
        return value.of.memory;
    case WAG_VALUE_BUFFER:
        return value.of.buffer;
    case WAG_VALUE_PORT:
        return value.of.port;
    default:
        return NULL;
    }
}

/* An object that has a number already: write that. ret_done: it was one. */
static bool write_seen(clone_writer *writer, const void *address, bool *ret_done)
{
    *ret_done = false;
    if (!writer->seen_capacity)
        return true;
    const seen_object *seen = &writer->seen[seen_place(writer->seen, writer->seen_capacity, address)];
    if (!seen->address)
        return true;
    uint32_t height = writer->heights.p[seen->number];
    if (height == WAGI_CLONE_OPEN)
        return fail_clone(writer, "a container that contains itself cannot be cloned");
    if (writer->open.n + height > writer->limits->clone_depth)
        return fail_limit(writer, "nesting", writer->limits->clone_depth);
    raise_parent(writer, height);
    *ret_done = true;
    return put_tag_u32(writer, WAGI_CLONE_SEEN, seen->number);
}

static bool open_object(clone_writer *writer, wag_value container, wagi_clone_tag tag)
{
    size_t count = wag_value_size(container);
    if (writer->open.n >= writer->limits->clone_depth)
        return fail_limit(writer, "nesting", writer->limits->clone_depth);
    if (count > UINT32_MAX)
        return fail_limit(writer, "size in bytes", writer->limits->clone_bytes);
    if (!number_object(writer, container.of.box, WAGI_CLONE_OPEN) || !put_tag_u32(writer, tag, (uint32_t)count))
        return false;
    open_container open = {.container = container, .object = (uint32_t)(writer->heights.n - 1), .height = 1};
    return WAGI_VEC_PUSH(&writer->open, open) ? true : fail_nomem(writer);
}

static bool write_error(clone_writer *writer, const wag_error *error)
{
    if (!number_object(writer, error, 0))
        return false;
    uint8_t *head = put_room(writer, 6);
    if (!head)
        return false;
    head[0] = WAGI_CLONE_ERROR;
    wagi_put_u32(head + 1, (uint32_t)wag_error_code(error));
    head[5] = (uint8_t)wag_error_get_class(error);
    const char *text = wag_error_message(error);
    size_t size = strlen(text);
    if (!put_sized(writer, text, size))
        return false;
    /* A host's own text may be anything; an error that cannot be reported would help nobody. */
    uint8_t *copy = writer->clone.bytes.p + writer->clone.bytes.n - size;
    if (!wagi_utf8_valid(copy, size))
        for (size_t i = 0; i < size; i++)
            if (copy[i] >= 0x80)
                copy[i] = '?';
    return true;
}

/* transfer: own. */
static bool add_transfer(clone_writer *writer, const void *object, wagi_transfer transfer)
{
    bool fine = writer->clone.transfers.n < writer->limits->clone_transfers
                    ? number_object(writer, object, 0)
                    : fail_limit(writer, "modules, memories, buffers and ports", writer->limits->clone_transfers);
    if (fine && WAGI_VEC_PUSH(&writer->clone.transfers, transfer))
        return true;
    wagi_transfer_unref(transfer);
    return fine ? fail_nomem(writer) : false;
}

/* transfer: own. */
static bool write_transfer(clone_writer *writer, const void *object, wagi_transfer transfer, wagi_clone_tag tag)
{
    return add_transfer(writer, object, transfer) && put_tag(writer, tag);
}

static bool write_memory(clone_writer *writer, wag_memory *memory)
{
    wag_shared_memory *shared = wag_memory_share(memory);
    if (!shared) /* or of another agent */
        return fail_clone(writer, "a memory that is not shared cannot be cloned");
    return write_transfer(writer, memory, (wagi_transfer){.memory = shared}, WAGI_CLONE_MEMORY);
}

static bool write_bytes(clone_writer *writer, wag_value value)
{
    wag_bytes bytes = wag_value_bytes(value);
    return number_object(writer, value.of.box, 0) && put_tag(writer, WAGI_CLONE_BYTES) &&
           put_sized(writer, bytes.data, bytes.size);
}

/* A tag, a flag, and a number when the flag is `with`. */
static bool put_flagged(clone_writer *writer, wagi_clone_tag tag, bool flag, bool with, uint64_t number)
{
    size_t size = flag == with ? 10 : 2;
    uint8_t *p = put_room(writer, size);
    if (!p)
        return false;
    p[0] = (uint8_t)tag;
    p[1] = flag;
    if (size > 2)
        wagi_put_u64(p + 2, number);
    return true;
}

static bool write_buffer(clone_writer *writer, const wag_buffer *buffer)
{
    if (buffer->object.unit->agent != wagi_agent_peek())
        return fail_clone(writer, "a buffer of another agent cannot be cloned");
    if (wagi_buffer_is_detached(buffer))
        return fail_clone(writer, "a detached buffer cannot be cloned");
    uint64_t size = wagi_buffer_size(buffer);
    if (buffer->shared) {
        if (!put_flagged(writer, WAGI_CLONE_SHARED, buffer->resizable, false, buffer->length))
            return false;
        return add_transfer(writer, buffer, (wagi_transfer){.memory = wag_shared_memory_ref(buffer->shared)});
    }
    return number_object(writer, buffer, 0) &&
           put_flagged(writer, WAGI_CLONE_BUFFER, buffer->resizable, true, wagi_buffer_max_size(buffer)) &&
           put_sized(writer, wagi_buffer_data(buffer), size <= UINT32_MAX ? (size_t)size : SIZE_MAX);
}

static bool fail_kind(clone_writer *writer, wag_value_kind kind)
{
    char why[80];
    snprintf(why, sizeof why, "a value of kind %s cannot be cloned", wag_value_kind_name(kind));
    return fail_clone(writer, why);
}

/* Write one value; of a container only its head, which is left open. */
static bool write_value(clone_writer *writer, wag_value value)
{
    const void *address = object_address(value);
    if (address) {
        bool done;
        if (!write_seen(writer, address, &done) || done)
            return !writer->error;
    }
    uint64_t bits;
    switch (value.kind) {
    case WAG_VALUE_UNDEFINED:
        return put_tag(writer, WAGI_CLONE_UNDEFINED);
    case WAG_VALUE_NULL:
        return put_tag(writer, WAGI_CLONE_NULL);
    case WAG_VALUE_BOOL:
        return put_tag(writer, value.of.boolean ? WAGI_CLONE_TRUE : WAGI_CLONE_FALSE);
    case WAG_VALUE_NUMBER:
        memcpy(&bits, &value.of.number, sizeof bits);
        return put_tag_u64(writer, WAGI_CLONE_NUMBER, bits);
    case WAG_VALUE_BIGINT:
        return put_tag_u64(writer, WAGI_CLONE_BIGINT, (uint64_t)value.of.bigint);
    case WAG_VALUE_STRING:
        return put_tag(writer, WAGI_CLONE_STRING) && put_text(writer, wag_value_text(value));
    case WAG_VALUE_BYTES:
        return write_bytes(writer, value);
    case WAG_VALUE_ARRAY:
        return open_object(writer, value, WAGI_CLONE_ARRAY);
    case WAG_VALUE_MAP:
        return open_object(writer, value, WAGI_CLONE_MAP);
    case WAG_VALUE_ERROR:
        if (value.of.error)
            return write_error(writer, value.of.error);
        break;
    case WAG_VALUE_MODULE:
        if (value.of.module)
            return write_transfer(writer, value.of.module, (wagi_transfer){.module = wag_module_ref(value.of.module)},
                                  WAGI_CLONE_MODULE);
        break;
    case WAG_VALUE_MEMORY:
        if (value.of.memory)
            return write_memory(writer, value.of.memory);
        break;
    case WAG_VALUE_BUFFER:
        if (value.of.buffer)
            return write_buffer(writer, value.of.buffer);
        break;
    case WAG_VALUE_PORT:
        return fail_clone(writer, "a port that is not in the transfer list cannot be cloned");
    default:
        break;
    }
    return fail_kind(writer, value.kind);
}

static void close_object(clone_writer *writer)
{
    const open_container *top = &writer->open.p[--writer->open.n];
    writer->heights.p[top->object] = top->height;
    raise_parent(writer, top->height);
}

static bool write_all(clone_writer *writer, wag_value value)
{
    if (!write_value(writer, value))
        return false;
    while (writer->open.n) {
        open_container *top = &writer->open.p[writer->open.n - 1];
        wag_value child;
        wag_name key;
        if (top->next == wag_value_size(top->container)) {
            close_object(writer);
            continue;
        }
        size_t index = top->next++;
        if (top->container.kind == WAG_VALUE_ARRAY)
            child = wag_array_at(top->container, index);
        else if (!wag_map_at(top->container, index, &key, &child))
            return fail_clone(writer, "the map changed"); /* nobody else may use it: a host's bug */
        else if (!put_text(writer, key))
            return false;
        if (!write_value(writer, child))
            return false;
    }
    return true;
}

/* They are objects before the value is looked at, and have the first transfers. */
static bool number_listed(clone_writer *writer, const wag_value *listed, size_t count)
{
    if (count > writer->limits->clone_transfers)
        return fail_limit(writer, "modules, memories, buffers and ports", writer->limits->clone_transfers);
    for (size_t i = 0; i < count; i++) {
        const void *address = object_address(listed[i]);
        if (writer->seen_capacity && writer->seen[seen_place(writer->seen, writer->seen_capacity, address)].address) {
            writer->error = wagi_error_new(WAG_DATA_CLONE, "the %s at %zu in the transfer list is there twice",
                                           wag_value_kind_name(listed[i].kind), i);
            return false;
        }
        if (!number_object(writer, address, 0))
            return false;
        if (!WAGI_VEC_PUSH(&writer->clone.transfers, (wagi_transfer){0}))
            return fail_nomem(writer);
    }
    return true;
}

wag_err wagi_clone_write(wag_value value, const wagi_limits *limits, wagi_clone *ret_clone, wag_error **reterr_error)
{
    return wagi_clone_write_listed(value, NULL, 0, limits, ret_clone, reterr_error);
}

wag_err wagi_clone_write_listed(wag_value value, const wag_value *listed, size_t listed_count,
                                const wagi_limits *limits, wagi_clone *ret_clone, wag_error **reterr_error)
{
    clone_writer writer = {.limits = limits};
    if (number_listed(&writer, listed, listed_count))
        write_all(&writer, value);
    WAGI_VEC_FREE(&writer.open);
    WAGI_VEC_FREE(&writer.heights);
    wagi_free(writer.seen);
    if (writer.error) {
        wagi_clone_fini(&writer.clone);
        return wagi_fail(writer.error, reterr_error);
    }
    *ret_clone = writer.clone;
    return WAG_OK;
}

void wagi_clone_fini(wagi_clone *clone)
{
    for (size_t i = 0; i < clone->transfers.n; i++)
        wagi_transfer_unref(clone->transfers.p[i]);
    WAGI_VEC_FREE(&clone->transfers);
    WAGI_VEC_FREE(&clone->bytes);
}

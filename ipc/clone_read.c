/* The reader: every byte is hostile. It checks a length before it allocates and a count against the bytes that are
 * left; it is iterative; its time and memory are linear in the message. Containers are put into their parent while they
 * are empty, so whatever was built hangs on the root: a failure has one thing to release.
 */
#include <string.h>

#include "base/error.h"
#include "binary/reader.h"
#include "ipc/clone.h"
#include "ipc/message.h"
#include "ipc/port.h"

typedef struct open_container {
    wag_value container; /* own, until it is closed */
    wag_name key;        /* its own one in the container around it, if that is a map */
    uint32_t left;       /* children still to come */
    uint32_t object;     /* its number */
    uint32_t height;     /* so far */
} open_container;

typedef struct read_object {
    wag_value value; /* borrow: an open container or the root has it */
    uint32_t height; /* WAGI_CLONE_OPEN until it is complete */
} read_object;

typedef struct clone_reader {
    const uint8_t *start, *p, *end;
    const wagi_limits *limits;
    wagi_transfer *transfers;
    size_t transfer_count, transfers_used;
    WAGI_VEC(open_container) open;
    WAGI_VEC(read_object) objects;
    wagi_listed listed;
    wag_value root; /* own */
    wag_name key;   /* of the value that is read next, when the innermost container is a map */
    const char *malformed;
    bool nomem;
} clone_reader;

static bool fail(clone_reader *reader, const char *malformed)
{
    reader->malformed = malformed;
    return false;
}

static bool fail_nomem(clone_reader *reader)
{
    reader->nomem = true;
    return false;
}

static size_t bytes_left(const clone_reader *reader)
{
    return (size_t)(reader->end - reader->p);
}

static bool get_u32(clone_reader *reader, uint32_t *ret)
{
    if (bytes_left(reader) < 4)
        return fail(reader, "unexpected end");
    *ret = wagi_get_u32(reader->p);
    reader->p += 4;
    return true;
}

static bool get_u64(clone_reader *reader, uint64_t *ret)
{
    if (bytes_left(reader) < 8)
        return fail(reader, "unexpected end");
    *ret = wagi_get_u64(reader->p);
    reader->p += 8;
    return true;
}

static bool get_sized(clone_reader *reader, wag_bytes *ret)
{
    uint32_t size;
    if (!get_u32(reader, &size))
        return false;
    if (size > bytes_left(reader))
        return fail(reader, "a size exceeds the message");
    *ret = (wag_bytes){reader->p, size};
    reader->p += size;
    return true;
}

static bool get_text(clone_reader *reader, wag_name *ret)
{
    wag_bytes bytes;
    if (!get_sized(reader, &bytes))
        return false;
    if (!wagi_utf8_valid(bytes.data, bytes.size))
        return fail(reader, "a string is not UTF-8");
    *ret = (wag_name){(const char *)bytes.data, bytes.size};
    return true;
}

static void raise_parent(clone_reader *reader, uint32_t child_height)
{
    if (reader->open.n && reader->open.p[reader->open.n - 1].height <= child_height)
        reader->open.p[reader->open.n - 1].height = child_height + 1;
}

/* Put a value where it belongs. value: own. */
static bool attach(clone_reader *reader, wag_value value)
{
    if (reader->open.n == 0) {
        reader->root = value;
        return true;
    }
    wag_value container = reader->open.p[reader->open.n - 1].container;
    size_t size = wag_value_size(container);
    wag_err err = container.kind == WAG_VALUE_ARRAY ? wag_array_push(container, value)
                                                    : wag_map_set_n(container, reader->key, value);
    if (err != WAG_OK)
        return fail_nomem(reader); /* the kinds are right and there is no cycle */
    return wag_value_size(container) > size ? true : fail(reader, "a map has a key twice");
}

/* A complete object without children. value: own; undefined when memory was out. */
static bool attach_object(clone_reader *reader, wag_value value)
{
    read_object object = {.value = value, .height = 0};
    if (value.kind == WAG_VALUE_UNDEFINED)
        return fail_nomem(reader);
    if (!WAGI_VEC_PUSH(&reader->objects, object)) {
        wag_value_unref(value);
        return fail_nomem(reader);
    }
    return attach(reader, value);
}

static bool read_container(clone_reader *reader, bool is_map)
{
    uint32_t count;
    if (!get_u32(reader, &count))
        return false;
    /* A value takes a byte at least, a key four more. */
    if (count > bytes_left(reader) / (is_map ? 5 : 1))
        return fail(reader, "a count exceeds the message");
    if (reader->open.n >= reader->limits->clone_depth)
        return fail(reader, "values are nested too deeply");
    wag_value container = is_map ? wag_map() : wag_array();
    read_object object = {.value = container, .height = WAGI_CLONE_OPEN};
    open_container open = {
        .container = container, .key = reader->key, .left = count, .object = (uint32_t)reader->objects.n, .height = 1};
    if (container.kind == WAG_VALUE_UNDEFINED)
        return fail_nomem(reader);
    if (!WAGI_VEC_RESERVE(&reader->open, 1) || !WAGI_VEC_PUSH(&reader->objects, object)) {
        wag_value_unref(container);
        return fail_nomem(reader);
    }
    reader->open.p[reader->open.n++] = open;
    return true;
}

static bool close_container(clone_reader *reader)
{
    open_container top = reader->open.p[--reader->open.n];
    reader->objects.p[top.object].height = top.height;
    raise_parent(reader, top.height);
    reader->key = top.key;
    return attach(reader, top.container);
}

static bool read_error(clone_reader *reader)
{
    uint32_t code;
    wag_name text;
    if (!get_u32(reader, &code))
        return false;
    if (code == WAG_OK || code > INT32_MAX || strcmp(wag_err_name((wag_err)code), "WAG_?") == 0)
        return fail(reader, "an error has an unknown code");
    if (bytes_left(reader) < 1)
        return fail(reader, "unexpected end");
    uint8_t error_class = *reader->p++;
    if (error_class > WAG_CLASS_TIMEOUT_ERROR)
        return fail(reader, "an error has an unknown class");
    if (!get_text(reader, &text))
        return false;
    if (text.size && memchr(text.data, 0, text.size))
        return fail(reader, "an error's text contains NUL");
    return attach_object(reader, WAG_ERROR_VALUE(wagi_error_new_class((wag_err)code, error_class, text)));
}

static bool read_seen(clone_reader *reader)
{
    uint32_t number;
    if (!get_u32(reader, &number))
        return false;
    if (number >= reader->objects.n)
        return fail(reader, "a reference to an object that does not exist");
    const read_object *object = &reader->objects.p[number];
    if (object->height == WAGI_CLONE_OPEN)
        return fail(reader, "a value contains itself");
    if (reader->open.n + object->height > reader->limits->clone_depth)
        return fail(reader, "values are nested too deeply");
    raise_parent(reader, object->height);
    return attach(reader, wag_value_ref(object->value));
}

static bool read_transfer(clone_reader *reader, bool is_memory)
{
    if (reader->transfers_used == reader->transfer_count)
        return fail(reader, "more modules and memories than transfers");
    wagi_transfer transfer = reader->transfers[reader->transfers_used++];
    if (is_memory ? !transfer.memory : !transfer.module)
        return fail(reader, "a transfer is of another kind");
    if (!is_memory)
        return attach_object(reader, wag_value_ref(WAG_MODULE(transfer.module)));
    wag_memory *memory = NULL;
    wag_memory_of_shared(transfer.memory, &memory, NULL); /* its cluster is the agent's */
    return memory ? attach_object(reader, WAG_MEMORY(memory)) : fail_nomem(reader);
}

static bool get_flag(clone_reader *reader, bool *ret)
{
    if (bytes_left(reader) < 1)
        return fail(reader, "unexpected end");
    if (*reader->p > 1)
        return fail(reader, "a flag is neither 0 nor 1");
    *ret = *reader->p++;
    return true;
}

static bool attach_buffer(clone_reader *reader, wag_buffer *buffer)
{
    return buffer ? attach_object(reader, WAG_BUFFER(buffer)) : fail_nomem(reader);
}

static bool read_buffer(clone_reader *reader)
{
    bool resizable;
    uint64_t most = 0;
    wag_bytes bytes;
    if (!get_flag(reader, &resizable) || (resizable && !get_u64(reader, &most)) || !get_sized(reader, &bytes))
        return false;
    if (!resizable)
        most = bytes.size;
    else if (most < bytes.size)
        return fail(reader, "a buffer is larger than its maximum");
    wag_agent *agent = wag_agent_current();
    wagi_backing *backing = agent ? wagi_backing_new(bytes.size, most, resizable) : NULL;
    if (!backing)
        return fail_nomem(reader);
    if (bytes.size)
        memcpy(backing->data, bytes.data, bytes.size);
    wag_buffer *buffer = wagi_buffer_new(agent, backing);
    if (!buffer)
        wagi_backing_free(backing);
    return attach_buffer(reader, buffer);
}

static bool read_shared(clone_reader *reader)
{
    bool growable;
    uint64_t length = 0;
    if (!get_flag(reader, &growable) || (!growable && !get_u64(reader, &length)))
        return false;
    if (reader->transfers_used == reader->transfer_count || !reader->transfers[reader->transfers_used].memory)
        return fail(reader, "a shared buffer without its memory");
    wag_shared_memory *shared = reader->transfers[reader->transfers_used++].memory;
    if (length > atomic_load(&shared->size))
        return fail(reader, "a shared buffer is larger than its memory");
    wag_agent *agent = wag_agent_current();
    return attach_buffer(reader, agent ? wagi_buffer_new_shared(agent, shared, length, growable) : NULL);
}

/* The objects of the transfer list. */
static bool read_listed(clone_reader *reader)
{
    wag_agent *agent = wag_agent_current();
    while (reader->transfers_used < reader->transfer_count &&
           wagi_transfer_is_listed(reader->transfers[reader->transfers_used])) {
        wagi_transfer *transfer = &reader->transfers[reader->transfers_used++];
        read_object object = {.value = WAG_UNDEFINED, .height = 0};
        if (!agent || !WAGI_VEC_RESERVE(&reader->objects, 1) || !WAGI_VEC_RESERVE(&reader->listed, 1))
            return fail_nomem(reader);
        if (transfer->end)
            object.value = WAG_PORT(wagi_port_new(agent, transfer->end));
        else
            object.value = WAG_BUFFER(wagi_buffer_new(agent, transfer->backing));
        if (!wagi_value_object(object.value))
            return fail_nomem(reader);
        *transfer = (wagi_transfer){0};
        reader->objects.p[reader->objects.n++] = object;
        reader->listed.p[reader->listed.n++] = object.value;
    }
    return true;
}

/* Read one value; of a container only its head, which is left open. */
static bool read_value(clone_reader *reader)
{
    uint64_t bits;
    double number;
    wag_name text;
    wag_bytes bytes;
    wag_value string;
    if (bytes_left(reader) < 1)
        return fail(reader, "unexpected end");
    switch (*reader->p++) {
    case WAGI_CLONE_UNDEFINED:
        return attach(reader, WAG_UNDEFINED);
    case WAGI_CLONE_NULL:
        return attach(reader, WAG_NULL);
    case WAGI_CLONE_FALSE:
        return attach(reader, WAG_BOOL(false));
    case WAGI_CLONE_TRUE:
        return attach(reader, WAG_BOOL(true));
    case WAGI_CLONE_NUMBER:
        if (!get_u64(reader, &bits))
            return false;
        memcpy(&number, &bits, sizeof number);
        return attach(reader, WAG_NUMBER(number));
    case WAGI_CLONE_BIGINT:
        return get_u64(reader, &bits) && attach(reader, WAG_BIGINT((int64_t)bits));
    case WAGI_CLONE_STRING:
        if (!get_text(reader, &text))
            return false;
        string = wag_string_n(text);
        return string.kind == WAG_VALUE_STRING ? attach(reader, string) : fail_nomem(reader);
    case WAGI_CLONE_BYTES:
        return get_sized(reader, &bytes) && attach_object(reader, wag_bytes_value(bytes));
    case WAGI_CLONE_ARRAY:
        return read_container(reader, false);
    case WAGI_CLONE_MAP:
        return read_container(reader, true);
    case WAGI_CLONE_ERROR:
        return read_error(reader);
    case WAGI_CLONE_MODULE:
        return read_transfer(reader, false);
    case WAGI_CLONE_SEEN:
        return read_seen(reader);
    case WAGI_CLONE_MEMORY:
        return read_transfer(reader, true);
    case WAGI_CLONE_BUFFER:
        return read_buffer(reader);
    case WAGI_CLONE_SHARED:
        return read_shared(reader);
    default:
        reader->p--;
        return fail(reader, "a value of unknown kind");
    }
}

static bool read_all(clone_reader *reader)
{
    if ((size_t)(reader->end - reader->start) > reader->limits->clone_bytes)
        return fail(reader, "the message is too large");
    if (!read_listed(reader) || !read_value(reader))
        return false;
    while (reader->open.n) {
        open_container *top = &reader->open.p[reader->open.n - 1];
        if (top->left == 0) {
            if (!close_container(reader))
                return false;
            continue;
        }
        top->left--;
        if (top->container.kind == WAG_VALUE_MAP && !get_text(reader, &reader->key))
            return false;
        if (!read_value(reader))
            return false;
    }
    if (reader->p != reader->end)
        return fail(reader, "bytes follow the value");
    return reader->transfers_used == reader->transfer_count ? true
                                                            : fail(reader, "more transfers than modules and memories");
}

void wagi_listed_free(wagi_listed *listed)
{
    for (size_t i = 0; i < listed->n; i++)
        wag_value_unref(listed->p[i]);
    WAGI_VEC_FREE(listed);
}

wag_err wagi_clone_read(wag_bytes bytes, wagi_transfer *transfers, size_t transfer_count, const wagi_limits *limits,
                        wag_value *ret_value, wag_error **reterr_error)
{
    wagi_listed listed;
    wag_err err = wagi_clone_read_listed(bytes, transfers, transfer_count, limits, ret_value, &listed, reterr_error);
    if (err == WAG_OK)
        wagi_listed_free(&listed);
    return err;
}

wag_err wagi_clone_read_listed(wag_bytes bytes, wagi_transfer *transfers, size_t transfer_count,
                               const wagi_limits *limits, wag_value *ret_value, wagi_listed *ret_listed,
                               wag_error **reterr_error)
{
    clone_reader reader = {.start = bytes.data,
                           .p = bytes.data,
                           .end = bytes.data + bytes.size,
                           .limits = limits,
                           .transfers = transfers,
                           .transfer_count = transfer_count,
                           .root = WAG_UNDEFINED};
    bool ok = read_all(&reader);
    for (size_t i = 0; i < reader.open.n; i++)
        wag_value_unref(reader.open.p[i].container);
    WAGI_VEC_FREE(&reader.open);
    WAGI_VEC_FREE(&reader.objects);
    if (ok) {
        *ret_value = reader.root;
        *ret_listed = reader.listed;
        return WAG_OK;
    }
    wag_value_unref(reader.root);
    wagi_listed_free(&reader.listed);
    if (reader.nomem)
        return wagi_fail(wagi_error_nomem(), reterr_error);
    size_t offset = (size_t)(reader.p - reader.start);
    wag_error *error = wagi_error_new(WAG_PROTOCOL, "malformed message: %s, at byte %zu", reader.malformed, offset);
    wagi_error_set_offset(error, offset);
    return wagi_fail(error, reterr_error);
}

/* Error objects, and the table of codes made from err.def. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

struct wag_error {
    atomic_uint count; /* 0: static, never freed */
    wag_err code;
    wag_error_class error_class;
    char *message;
    bool has_offset, has_func_index, has_import;
    size_t offset;
    uint32_t func_index;
    size_t import_index;
    wag_name import_module, import_field;
    char *wanted, *given;
    wag_frame *frames;     /* origins and names behind the array in the same block */
    wagi_origin **origins; /* frame_count; one reference each, or NULL */
    size_t frame_count;
    wagi_error_info info;
    void *attachment;
    void (*release)(void *attachment);
};

static const struct {
    wag_err code;
    wag_error_class error_class;
    const char *name, *text;
} err_table[] = {
#define ERR(name, number, class, text) {WAG_##name, WAG_CLASS_##class, "WAG_" #name, text},
#include "waggle/err.def"
#undef ERR
};

static char nomem_text[] = "out of memory";
static wag_error nomem_error = {.code = WAG_NOMEM, .error_class = WAG_CLASS_RANGE_ERROR, .message = nomem_text};
static char no_text[] = "no error";
static const wag_error no_error = {.code = WAG_OK, .error_class = WAG_CLASS_ERROR, .message = no_text};

static size_t err_row(wag_err err)
{
    size_t count = sizeof err_table / sizeof *err_table;
    for (size_t i = 0; i < count; i++)
        if (err_table[i].code == err)
            return i;
    return count;
}

const char *wag_err_name(wag_err err)
{
    size_t row = err_row(err);
    return row < sizeof err_table / sizeof *err_table ? err_table[row].name : "WAG_?";
}

const char *wag_err_text(wag_err err)
{
    size_t row = err_row(err);
    return row < sizeof err_table / sizeof *err_table ? err_table[row].text : "unknown error";
}

wag_error_class wag_err_class(wag_err err)
{
    size_t row = err_row(err);
    return row < sizeof err_table / sizeof *err_table ? err_table[row].error_class : WAG_CLASS_ERROR;
}

const char *wag_error_class_name(wag_error_class error_class)
{
    switch (error_class) {
    case WAG_CLASS_ERROR:
        return "Error";
    case WAG_CLASS_TYPE_ERROR:
        return "TypeError";
    case WAG_CLASS_RANGE_ERROR:
        return "RangeError";
    case WAG_CLASS_COMPILE_ERROR:
        return "CompileError";
    case WAG_CLASS_LINK_ERROR:
        return "LinkError";
    case WAG_CLASS_RUNTIME_ERROR:
        return "RuntimeError";
    case WAG_CLASS_DATA_CLONE_ERROR:
        return "DataCloneError";
    case WAG_CLASS_ABORT_ERROR:
        return "AbortError";
    case WAG_CLASS_TIMEOUT_ERROR:
        return "TimeoutError";
    }
    return "Error";
}

static char *copy_text(const char *text, size_t size)
{
    char *copy = wagi_alloc(size + 1);
    if (copy) {
        if (size)
            memcpy(copy, text, size);
        copy[size] = 0;
    }
    return copy;
}

wag_error *wagi_error_new_class(wag_err code, wag_error_class error_class, wag_name message)
{
    wag_error *error = WAGI_NEW(wag_error);
    char *text = copy_text(message.data, message.size);
    if (!error || !text) {
        wagi_free(error);
        wagi_free(text);
        return wagi_error_nomem();
    }
    atomic_init(&error->count, 1);
    error->code = code;
    error->error_class = error_class;
    error->message = text;
    return error;
}

static wag_error *error_format(wag_err code, wag_error_class error_class, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    char *text = size < 0 ? NULL : wagi_alloc((size_t)size + 1);
    wag_error *error = NULL;
    if (text) {
        vsnprintf(text, (size_t)size + 1, format, again);
        error = wagi_error_new_class(code, error_class, (wag_name){text, (size_t)size});
    }
    va_end(again);
    wagi_free(text);
    return error ? error : wagi_error_nomem();
}

wag_error *wagi_error_new(wag_err code, const char *format, ...)
{
    if (code == WAG_NOMEM)
        return wagi_error_nomem();
    if (!format) {
        const char *text = wag_err_text(code);
        return wagi_error_new_class(code, wag_err_class(code), (wag_name){text, strlen(text)});
    }
    va_list arguments;
    va_start(arguments, format);
    wag_error *error = error_format(code, wag_err_class(code), format, arguments);
    va_end(arguments);
    return error;
}

wag_error *wag_error_new(wag_error_class error_class, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    wag_error *error = error_format(WAG_HOST, error_class, format, arguments);
    va_end(arguments);
    return error;
}

wag_error *wagi_error_nomem(void)
{
    return &nomem_error;
}

wag_error *wag_error_ref(wag_error *error)
{
    /* relaxed: whoever counts up holds a reference already. */
    if (error && error != &nomem_error)
        atomic_fetch_add_explicit(&error->count, 1, memory_order_relaxed);
    return error;
}

void wag_error_unref(wag_error *error)
{
    if (!error || error == &nomem_error)
        return;
    /* acq_rel: the last owner sees everything the others did with the object before it frees it. */
    if (atomic_fetch_sub_explicit(&error->count, 1, memory_order_acq_rel) != 1)
        return;
    if (error->info.finalize)
        error->info.finalize(error->info.info);
    if (error->attachment)
        error->release(error->attachment);
    for (size_t i = 0; i < error->frame_count; i++)
        wagi_origin_unref(error->origins[i]);
    wagi_free(error->message);
    wagi_free((void *)error->import_module.data);
    wagi_free((void *)error->import_field.data);
    wagi_free(error->wanted);
    wagi_free(error->given);
    wagi_free(error->frames);
    wagi_free(error);
}

void wagi_error_set_offset(wag_error *error, size_t offset)
{
    if (error == &nomem_error)
        return;
    error->has_offset = true;
    error->offset = offset;
}

void wagi_error_set_func_index(wag_error *error, uint32_t func_index)
{
    if (error == &nomem_error)
        return;
    error->has_func_index = true;
    error->func_index = func_index;
}

void wagi_error_set_import(wag_error *error, size_t index, wag_name module, wag_name field)
{
    if (error == &nomem_error)
        return;
    char *module_copy = copy_text(module.data, module.size), *field_copy = copy_text(field.data, field.size);
    if (!module_copy || !field_copy) {
        wagi_free(module_copy);
        wagi_free(field_copy);
        return;
    }
    wagi_free((void *)error->import_module.data);
    wagi_free((void *)error->import_field.data);
    error->has_import = true;
    error->import_index = index;
    error->import_module = (wag_name){module_copy, module.size};
    error->import_field = (wag_name){field_copy, field.size};
}

void wagi_error_set_types(wag_error *error, const char *wanted, const char *given)
{
    if (error == &nomem_error)
        return;
    wagi_free(error->wanted);
    wagi_free(error->given);
    error->wanted = wanted ? copy_text(wanted, strlen(wanted)) : NULL;
    error->given = given ? copy_text(given, strlen(given)) : NULL;
}

/* Copy frames to `copy`, their names to `name`; gives the end of the names. */
static char *copy_frames(wag_frame *copy, char *name, const wag_frame *frames, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        copy[i] = frames[i];
        copy[i].func_name.data = name;
        if (frames[i].func_name.size)
            memcpy(name, frames[i].func_name.data, frames[i].func_name.size);
        name += frames[i].func_name.size;
    }
    return name;
}

static size_t name_bytes(const wag_frame *frames, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += frames[i].func_name.size;
    return bytes;
}

wagi_origin *wagi_origin_ref(wagi_origin *origin)
{
    /* relaxed: whoever counts up holds a reference already. */
    if (origin)
        atomic_fetch_add_explicit(&origin->count, 1, memory_order_relaxed);
    return origin;
}

void wagi_origin_unref(wagi_origin *origin)
{
    /* acq_rel: the last owner sees what the others did with it before it frees it. */
    if (origin && atomic_fetch_sub_explicit(&origin->count, 1, memory_order_acq_rel) == 1)
        wagi_free(origin);
}

/* What a host asks of an error that it has not got (a function failed that gives a code only). */
static const wag_error *or_none(const wag_error *error)
{
    return error ? error : &no_error;
}

wagi_origin *wagi_error_origin(const wag_error *error, size_t index)
{
    return index < or_none(error)->frame_count ? error->origins[index] : NULL;
}

wagi_error_info *wagi_error_host_info(const wag_error *error)
{
    return error == &nomem_error ? NULL : &((wag_error *)(uintptr_t)error)->info;
}

/* count more frames; false when none are taken. */
static bool append_frames(wag_error *error, const wag_frame *frames, wagi_origin *const *origins, size_t count)
{
    size_t old = error->frame_count;
    wag_frame *copy = wagi_alloc((old + count) * (sizeof *copy + sizeof *origins) + name_bytes(error->frames, old) +
                                 name_bytes(frames, count));
    if (!copy)
        return false;
    wagi_origin **places = (wagi_origin **)(copy + old + count);
    char *name = copy_frames(copy, (char *)(places + old + count), error->frames, old);
    copy_frames(copy + old, name, frames, count);
    for (size_t i = 0; i < old + count; i++)
        places[i] = i < old ? error->origins[i] : origins ? origins[i - old] : NULL;
    wagi_free(error->frames);
    error->frames = copy;
    error->origins = places;
    error->frame_count = old + count;
    return true;
}

void wagi_error_append_frames(wag_error *error, const wag_frame *frames, wagi_origin *const *origins, size_t count,
                              size_t limit)
{
    size_t taken = 0;
    /* acquire: pairs with the release of whoever gave up the other reference. */
    if (error != &nomem_error && atomic_load_explicit(&error->count, memory_order_acquire) == 1 &&
        error->frame_count < limit) {
        taken = count < limit - error->frame_count ? count : limit - error->frame_count;
        if (taken && !append_frames(error, frames, origins, taken))
            taken = 0;
    }
    for (size_t i = taken; origins && i < count; i++)
        wagi_origin_unref(origins[i]);
}

bool wagi_error_attach(wag_error *error, void *attachment, void (*release)(void *attachment))
{
    if (error == &nomem_error)
        return false;
    error->attachment = attachment;
    error->release = release;
    return true;
}

void *wagi_error_attachment(const wag_error *error)
{
    return error->attachment;
}

wag_error *wagi_error_handle(const void *handle, const char *what)
{
    return handle ? wagi_error_new(WAG_WRONG_AGENT, NULL) : wagi_error_new(WAG_TYPE, "the %s is NULL", what);
}

wag_err wagi_fail(wag_error *error, wag_error **reterr_error)
{
    wag_err code = error->code;
    if (reterr_error)
        *reterr_error = error;
    else
        wag_error_unref(error);
    return code;
}

wag_err wag_error_code(const wag_error *error)
{
    return or_none(error)->code;
}

wag_error_class wag_error_get_class(const wag_error *error)
{
    return or_none(error)->error_class;
}

const char *wag_error_message(const wag_error *error)
{
    return or_none(error)->message;
}

bool wag_error_import(const wag_error *error, size_t *ret_index, wag_name *ret_module, wag_name *ret_field)
{
    if (!error || !error->has_import)
        return false;
    if (ret_index)
        *ret_index = error->import_index;
    if (ret_module)
        *ret_module = error->import_module;
    if (ret_field)
        *ret_field = error->import_field;
    return true;
}

const char *wag_error_wanted(const wag_error *error)
{
    return or_none(error)->wanted;
}

const char *wag_error_given(const wag_error *error)
{
    return or_none(error)->given;
}

bool wag_error_offset(const wag_error *error, size_t *ret_offset)
{
    if (!error || !error->has_offset)
        return false;
    if (ret_offset)
        *ret_offset = error->offset;
    return true;
}

bool wag_error_func_index(const wag_error *error, uint32_t *ret_func_index)
{
    if (!error || !error->has_func_index)
        return false;
    if (ret_func_index)
        *ret_func_index = error->func_index;
    return true;
}

size_t wag_error_frame_count(const wag_error *error)
{
    return or_none(error)->frame_count;
}

bool wag_error_frame(const wag_error *error, size_t index, wag_frame *ret_frame)
{
    if (!error || index >= error->frame_count)
        return false;
    if (ret_frame)
        *ret_frame = error->frames[index];
    return true;
}

/* ---- as text ---- */

/* Appends, or only counts when there is no room; a name of a module must not end a line of the host's log. */
static size_t put_name(char *text, size_t at, wag_name name)
{
    for (size_t i = 0; text && i < name.size; i++)
        text[at + i] = (unsigned char)name.data[i] < ' ' || name.data[i] == 127 ? '?' : name.data[i];
    return at + name.size;
}

static size_t put_frame(char *text, size_t size, size_t at, const wag_frame *frame)
{
    at += (size_t)snprintf(text ? text + at : NULL, text ? size - at : 0, "\n    at ");
    at = put_name(text, at, frame->func_name);
    at += (size_t)snprintf(text ? text + at : NULL, text ? size - at : 0, "%swasm-function[%u]:0x%zx%s",
                           frame->func_name.size ? " (" : "", (unsigned)frame->func_index, frame->module_offset,
                           frame->func_name.size ? ")" : "");
    return at;
}

/* Its length; text: NULL, or room for it and a terminator. */
static size_t put_stack(char *text, size_t size, const wag_error *error)
{
    size_t at = (size_t)snprintf(text, size, "%s: %s", wag_error_class_name(error->error_class), error->message);
    for (size_t i = 0; i < error->frame_count; i++)
        at = put_frame(text, size, at, &error->frames[i]);
    return at;
}

char *wag_error_stack(const wag_error *error)
{
    error = or_none(error);
    size_t size = put_stack(NULL, 0, error) + 1;
    char *text = wagi_alloc(size);
    if (text)
        put_stack(text, size, error);
    return text;
}

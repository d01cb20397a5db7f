/* wasm.h: traps and frames. A trap is an error (waggle/error.h). */
#include <string.h>

#include "api/wasm_api.h"
#include "base/alloc.h"

struct wasm_frame_t {
    uint32_t func_index;
    size_t func_offset, module_offset;
    wagi_origin *origin; /* one reference, or NULL */
};

const wag_error *wag_wasm_trap_error(const wasm_trap_t *trap)
{
    const wagi_wasm_wrapper *wrapper = wagi_wasm_wrapper_of(trap);
    return !wrapper ? NULL : wrapper->error ? wrapper->error : wagi_error_nomem();
}

/* message: with a terminator, or without. */
wasm_trap_t *wasm_trap_new(wasm_store_t *store, const wasm_message_t *message)
{
    (void)store;
    size_t size = message ? message->size : 0;
    if (size && message->data[size - 1] == '\0')
        size--;
    wag_name text = {size ? message->data : "", size};
    return wagi_wasm_trap(wagi_error_new_class(WAG_HOST, WAG_CLASS_RUNTIME_ERROR, text));
}

void wasm_trap_message(const wasm_trap_t *trap, wasm_message_t *out)
{
    wasm_name_new_from_string_nt(out, wag_error_message(wag_wasm_trap_error(trap)));
}

static wasm_frame_t *frame_at(const wasm_trap_t *trap, size_t index)
{
    wag_frame frame;
    if (!wag_error_frame(wag_wasm_trap_error(trap), index, &frame))
        return NULL;
    wasm_frame_t *made = WAGI_NEW(wasm_frame_t);
    if (made)
        *made = (wasm_frame_t){frame.func_index, frame.func_offset, frame.module_offset,
                               wagi_origin_ref(wagi_error_origin(wag_wasm_trap_error(trap), index))};
    return made;
}

wasm_frame_t *wasm_trap_origin(const wasm_trap_t *trap)
{
    return frame_at(trap, 0);
}

void wasm_trap_trace(const wasm_trap_t *trap, wasm_frame_vec_t *out)
{
    wasm_frame_vec_t frames;
    wasm_frame_vec_new_uninitialized(&frames, wag_error_frame_count(wag_wasm_trap_error(trap)));
    for (size_t i = 0; i < frames.size; i++)
        if (!(frames.data[i] = frame_at(trap, i))) {
            wasm_frame_vec_delete(&frames);
            break;
        }
    *out = frames;
}

void wasm_frame_delete(wasm_frame_t *frame)
{
    if (frame)
        wagi_origin_unref(frame->origin);
    wagi_free(frame);
}

wasm_frame_t *wasm_frame_copy(const wasm_frame_t *frame)
{
    wasm_frame_t *copy = frame ? WAGI_NEW(wasm_frame_t) : NULL;
    if (copy) {
        *copy = *frame;
        wagi_origin_ref(copy->origin);
    }
    return copy;
}

wasm_instance_t *wasm_frame_instance(const wasm_frame_t *frame)
{
    return (wasm_instance_t *)wagi_origin_instance(frame->origin);
}

uint32_t wasm_frame_func_index(const wasm_frame_t *frame)
{
    return frame->func_index;
}

size_t wasm_frame_func_offset(const wasm_frame_t *frame)
{
    return frame->func_offset;
}

size_t wasm_frame_module_offset(const wasm_frame_t *frame)
{
    return frame->module_offset;
}

static bool frame_copy(wasm_frame_t **to, wasm_frame_t *const *from)
{
    *to = wasm_frame_copy(*from);
    return *to || !*from;
}

static void frame_drop(wasm_frame_t **frame)
{
    wasm_frame_delete(*frame);
}

WAGI_WASM_VEC(frame, wasm_frame_t *, frame_copy, frame_drop)

/* wasm.h: references: handles, sameness, host info, and the conversions between what a reference can be. */
#include "api/wasm_api.h"
#include "base/alloc.h"

/* ---- wrappers of what belongs to no store ---- */

/* The trap of a process without memory. Its count never falls to 0. */
static wagi_wasm_wrapper no_memory = {.object = {.kind = WAGI_WASM_TRAP}, .count = 1};

wagi_wasm_wrapper *wagi_wasm_wrapper_new(wag_module *module, wag_error *error)
{
    wagi_wasm_wrapper *wrapper = WAGI_NEW(wagi_wasm_wrapper);
    if (!wrapper) {
        wag_module_unref(module);
        wag_error_unref(error);
        return NULL;
    }
    wrapper->object.kind = module ? WAGI_WASM_MODULE : WAGI_WASM_TRAP;
    atomic_init(&wrapper->count, 1);
    wrapper->module = module;
    wrapper->error = error;
    return wrapper;
}

static void wrapper_unref(wagi_wasm_wrapper *wrapper)
{
    /* acq_rel: what others did with it comes before what follows here. */
    if (wrapper == &no_memory || atomic_fetch_sub_explicit(&wrapper->count, 1, memory_order_acq_rel) != 1)
        return;
    if (wrapper->info.finalize)
        wrapper->info.finalize(wrapper->info.info);
    wag_module_unref(wrapper->module);
    wag_error_unref(wrapper->error);
    wagi_free(wrapper);
}

wasm_trap_t *wagi_wasm_trap(wag_error *error)
{
    wagi_wasm_wrapper *wrapper = wagi_wasm_wrapper_new(NULL, error);
    return (wasm_trap_t *)(wrapper ? wrapper : &no_memory);
}

/* ---- any reference ---- */

void *wagi_wasm_ref_copy(const void *ref)
{
    wagi_wasm_wrapper *wrapper = wagi_wasm_wrapper_of(ref);
    if (wrapper) /* relaxed: whoever copies has a reference, so the count is at least 1 */
        atomic_fetch_add_explicit(&wrapper->count, 1, memory_order_relaxed);
    else if (wagi_mine(ref))
        wagi_unit_hold(((const wagi_object *)ref)->unit);
    else
        return NULL;
    return (void *)(uintptr_t)ref;
}

void wagi_wasm_ref_delete(void *ref)
{
    wagi_wasm_wrapper *wrapper = wagi_wasm_wrapper_of(ref);
    if (wrapper)
        wrapper_unref(wrapper);
    else
        wagi_handle_unref(ref);
}

void *wagi_wasm_ref_as(const void *ref, unsigned kind)
{
    const wagi_object *object = ref;
    return object && object->kind == kind ? (void *)(uintptr_t)ref : NULL;
}

static bool same(const void *a, const void *b)
{
    const wagi_wasm_wrapper *x = wagi_wasm_wrapper_of(a), *y = wagi_wasm_wrapper_of(b);
    return a == b || (x && y && x->object.kind == y->object.kind && x->module == y->module && x->error == y->error);
}

static bool is_extern(const void *ref)
{
    const wagi_object *object = ref;
    return object &&
           (object->kind == WAGI_OBJECT_FUNC || object->kind == WAGI_OBJECT_GLOBAL ||
            object->kind == WAGI_OBJECT_TABLE || object->kind == WAGI_OBJECT_MEMORY || object->kind == WAGI_OBJECT_TAG);
}

/* ---- host info ---- */

static wagi_host_info *info_of(const wagi_object *object)
{
    wagi_host_info *info = object->unit->infos;
    while (info && info->object != object)
        info = info->next;
    return info;
}

/* NULL for the trap of a process without memory. */
static wagi_error_info *wrapper_info(wagi_wasm_wrapper *wrapper)
{
    if (wrapper->object.kind == WAGI_WASM_MODULE)
        return &wrapper->info;
    return wrapper->error ? wagi_error_host_info(wrapper->error) : NULL;
}

static void *get_info(const void *ref)
{
    wagi_wasm_wrapper *wrapper = wagi_wasm_wrapper_of(ref);
    if (wrapper) {
        const wagi_error_info *info = wrapper_info(wrapper);
        return info ? info->info : NULL;
    }
    const wagi_host_info *info = wagi_mine(ref) ? info_of(ref) : NULL;
    return info ? info->info : NULL;
}

/* Without memory the info is let go at once. */
static void set_info(void *ref, void *info, void (*finalize)(void *))
{
    wagi_wasm_wrapper *wrapper = wagi_wasm_wrapper_of(ref);
    wagi_object *object = ref;
    void **place = NULL;
    void (**finalize_place)(void *) = NULL;
    wagi_host_info *old = !wrapper && wagi_mine(object) ? info_of(object) : NULL;
    wagi_error_info *info_place = wrapper ? wrapper_info(wrapper) : NULL;
    if (info_place) {
        place = &info_place->info;
        finalize_place = &info_place->finalize;
    } else if (old || (!wrapper && wagi_mine(object) && (old = WAGI_NEW(wagi_host_info)) != NULL)) {
        if (!old->object) {
            *old = (wagi_host_info){.next = object->unit->infos, .object = object};
            object->unit->infos = old;
        }
        place = &old->info;
        finalize_place = &old->finalize;
    }
    void *before = info;
    void (*finalize_before)(void *) = finalize;
    if (place) {
        before = *place;
        finalize_before = *finalize_place;
        *place = info;
        *finalize_place = finalize;
    }
    if (finalize_before)
        finalize_before(before);
}

/* ---- the functions of every kind ---- */

#define REF_BASE(name)                                                                                                 \
    void wasm_##name##_delete(wasm_##name##_t *ref)                                                                    \
    {                                                                                                                  \
        wagi_wasm_ref_delete(ref);                                                                                     \
    }                                                                                                                  \
    wasm_##name##_t *wasm_##name##_copy(const wasm_##name##_t *ref)                                                    \
    {                                                                                                                  \
        return wagi_wasm_ref_copy(ref);                                                                                \
    }                                                                                                                  \
    bool wasm_##name##_same(const wasm_##name##_t *a, const wasm_##name##_t *b)                                        \
    {                                                                                                                  \
        return same(a, b);                                                                                             \
    }                                                                                                                  \
    void *wasm_##name##_get_host_info(const wasm_##name##_t *ref)                                                      \
    {                                                                                                                  \
        return get_info(ref);                                                                                          \
    }                                                                                                                  \
    void wasm_##name##_set_host_info(wasm_##name##_t *ref, void *info)                                                 \
    {                                                                                                                  \
        set_info(ref, info, NULL);                                                                                     \
    }                                                                                                                  \
    void wasm_##name##_set_host_info_with_finalizer(wasm_##name##_t *ref, void *info, void (*finalizer)(void *))       \
    {                                                                                                                  \
        set_info(ref, info, finalizer);                                                                                \
    }

#define REF(name, is_one)                                                                                              \
    REF_BASE(name)                                                                                                     \
    wasm_ref_t *wasm_##name##_as_ref(wasm_##name##_t *ref)                                                             \
    {                                                                                                                  \
        return (wasm_ref_t *)ref;                                                                                      \
    }                                                                                                                  \
    const wasm_ref_t *wasm_##name##_as_ref_const(const wasm_##name##_t *ref)                                           \
    {                                                                                                                  \
        return (const wasm_ref_t *)ref;                                                                                \
    }                                                                                                                  \
    wasm_##name##_t *wasm_ref_as_##name(wasm_ref_t *ref)                                                               \
    {                                                                                                                  \
        return (is_one) ? (wasm_##name##_t *)ref : NULL;                                                               \
    }                                                                                                                  \
    const wasm_##name##_t *wasm_ref_as_##name##_const(const wasm_ref_t *ref)                                           \
    {                                                                                                                  \
        return (is_one) ? (const wasm_##name##_t *)ref : NULL;                                                         \
    }

REF_BASE(ref)
REF(trap, wagi_wasm_ref_as(ref, WAGI_WASM_TRAP))
REF(module, wagi_wasm_ref_as(ref, WAGI_WASM_MODULE))
REF(foreign, wagi_wasm_ref_as(ref, WAGI_OBJECT_EXTERN))
REF(func, wagi_wasm_ref_as(ref, WAGI_OBJECT_FUNC))
REF(global, wagi_wasm_ref_as(ref, WAGI_OBJECT_GLOBAL))
REF(table, wagi_wasm_ref_as(ref, WAGI_OBJECT_TABLE))
REF(memory, wagi_wasm_ref_as(ref, WAGI_OBJECT_MEMORY))
REF(tag, wagi_wasm_ref_as(ref, WAGI_OBJECT_TAG))
REF(instance, wagi_wasm_ref_as(ref, WAGI_OBJECT_INSTANCE))
REF(extern, is_extern(ref))

#define AS_EXTERN(name, kind_)                                                                                         \
    wasm_extern_t *wasm_##name##_as_extern(wasm_##name##_t *object)                                                    \
    {                                                                                                                  \
        return (wasm_extern_t *)object;                                                                                \
    }                                                                                                                  \
    const wasm_extern_t *wasm_##name##_as_extern_const(const wasm_##name##_t *object)                                  \
    {                                                                                                                  \
        return (const wasm_extern_t *)object;                                                                          \
    }                                                                                                                  \
    wasm_##name##_t *wasm_extern_as_##name(wasm_extern_t *external)                                                    \
    {                                                                                                                  \
        return wagi_wasm_ref_as(external, kind_);                                                                      \
    }                                                                                                                  \
    const wasm_##name##_t *wasm_extern_as_##name##_const(const wasm_extern_t *external)                                \
    {                                                                                                                  \
        return wagi_wasm_ref_as(external, kind_);                                                                      \
    }
AS_EXTERN(func, WAGI_OBJECT_FUNC)
AS_EXTERN(global, WAGI_OBJECT_GLOBAL)
AS_EXTERN(table, WAGI_OBJECT_TABLE)
AS_EXTERN(memory, WAGI_OBJECT_MEMORY)
AS_EXTERN(tag, WAGI_OBJECT_TAG)

static bool extern_copy(wasm_extern_t **to, wasm_extern_t *const *from)
{
    *to = wasm_extern_copy(*from);
    return *to || !*from;
}

static void extern_drop(wasm_extern_t **external)
{
    wasm_extern_delete(*external);
}

WAGI_WASM_VEC(extern, wasm_extern_t *, extern_copy, extern_drop)

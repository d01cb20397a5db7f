/* wasm.h: types, and vectors of them and of bytes. A type is a tree of its own: it belongs to no store. */
#include <string.h>

#include "api/wasm_api.h"
#include "base/alloc.h"

/* ---- value types: one constant each ---- */

struct wasm_valtype_t {
    wasm_valkind_t kind;
    wagi_valtype type;
};

static const wasm_valtype_t valtypes[] = {
    {WASM_I32, WAGI_I32},
    {WASM_I64, WAGI_I64},
    {WASM_F32, WAGI_F32},
    {WASM_F64, WAGI_F64},
    {WASM_EXTERNREF, WAGI_EXTERNREF},
    {WASM_FUNCREF, WAGI_FUNCREF},
    {WAGI_WASM_V128, WAGI_KIND_NONE},
    {WAGI_WASM_ANYREF, WAGI_KIND_NONE},
    {WAGI_WASM_EXNREF, WAGI_KIND_NONE},
};

wasm_valtype_t *wasm_valtype_new(wasm_valkind_t kind)
{
    for (size_t i = 0; i < sizeof valtypes / sizeof *valtypes; i++)
        if (valtypes[i].kind == kind)
            return (wasm_valtype_t *)(uintptr_t)&valtypes[i];
    return NULL;
}

wasm_valtype_t *wasm_valtype_copy(const wasm_valtype_t *type)
{
    return (wasm_valtype_t *)(uintptr_t)type;
}

void wasm_valtype_delete(wasm_valtype_t *type)
{
    (void)type;
}

wasm_valkind_t wasm_valtype_kind(const wasm_valtype_t *type)
{
    return type->kind;
}

wagi_valtype wagi_wasm_valtype(const wasm_valtype_t *type)
{
    return type ? type->type : WAGI_KIND_NONE;
}

static wasm_valtype_t *valtype_of(const wagi_registry *registry, wagi_valtype type)
{
    return wasm_valtype_new(wagi_wasm_kind(wagi_val_kind_of(registry, type)));
}

/* ---- extern types: func, global, table, memory and tag types are the same struct ---- */

struct wasm_externtype_t {
    wasm_externkind_t kind;
    union {
        struct {
            wasm_valtype_vec_t params, results;
        } func;
        struct {
            wasm_valtype_t *content;
            wasm_mutability_t mutability;
        } global;
        struct {
            wasm_valtype_t *element;
            wasm_limits_t limits;
        } table;
        wasm_limits_t memory;
        wasm_functype_t *tag;
    } of;
};

static wasm_externtype_t *externtype_new(wasm_externkind_t kind)
{
    wasm_externtype_t *type = WAGI_NEW(wasm_externtype_t);
    if (type)
        type->kind = kind;
    return type;
}

wasm_externkind_t wasm_externtype_kind(const wasm_externtype_t *type)
{
    return type->kind;
}

void wasm_externtype_delete(wasm_externtype_t *type)
{
    if (type && type->kind == WASM_EXTERN_FUNC) {
        wasm_valtype_vec_delete(&type->of.func.params);
        wasm_valtype_vec_delete(&type->of.func.results);
    } else if (type && type->kind == WASM_EXTERN_TAG) {
        wasm_functype_delete(type->of.tag);
    }
    wagi_free(type);
}

wasm_externtype_t *wasm_externtype_copy(const wasm_externtype_t *type)
{
    if (!type)
        return NULL;
    wasm_externtype_t *copy = externtype_new(type->kind);
    if (!copy)
        return NULL;
    *copy = *type;
    if (type->kind == WASM_EXTERN_FUNC) {
        wasm_valtype_vec_copy(&copy->of.func.params, &type->of.func.params);
        wasm_valtype_vec_copy(&copy->of.func.results, &type->of.func.results);
        if (copy->of.func.params.size != type->of.func.params.size ||
            copy->of.func.results.size != type->of.func.results.size) {
            wasm_externtype_delete(copy);
            return NULL;
        }
    } else if (type->kind == WASM_EXTERN_TAG && !(copy->of.tag = wasm_functype_copy(type->of.tag))) {
        wasm_externtype_delete(copy);
        return NULL;
    }
    return copy;
}

/* What each of the five has in common with the others. */
#define EXTERN_TYPE(name, kind_)                                                                                       \
    void wasm_##name##_delete(wasm_##name##_t *type)                                                                   \
    {                                                                                                                  \
        wasm_externtype_delete((wasm_externtype_t *)type);                                                             \
    }                                                                                                                  \
    wasm_##name##_t *wasm_##name##_copy(const wasm_##name##_t *type)                                                   \
    {                                                                                                                  \
        return (wasm_##name##_t *)wasm_externtype_copy((const wasm_externtype_t *)type);                               \
    }                                                                                                                  \
    wasm_externtype_t *wasm_##name##_as_externtype(wasm_##name##_t *type)                                              \
    {                                                                                                                  \
        return (wasm_externtype_t *)type;                                                                              \
    }                                                                                                                  \
    const wasm_externtype_t *wasm_##name##_as_externtype_const(const wasm_##name##_t *type)                            \
    {                                                                                                                  \
        return (const wasm_externtype_t *)type;                                                                        \
    }                                                                                                                  \
    wasm_##name##_t *wasm_externtype_as_##name(wasm_externtype_t *type)                                                \
    {                                                                                                                  \
        return type && type->kind == (kind_) ? (wasm_##name##_t *)type : NULL;                                         \
    }                                                                                                                  \
    const wasm_##name##_t *wasm_externtype_as_##name##_const(const wasm_externtype_t *type)                            \
    {                                                                                                                  \
        return type && type->kind == (kind_) ? (const wasm_##name##_t *)type : NULL;                                   \
    }
EXTERN_TYPE(functype, WASM_EXTERN_FUNC)
EXTERN_TYPE(globaltype, WASM_EXTERN_GLOBAL)
EXTERN_TYPE(tabletype, WASM_EXTERN_TABLE)
EXTERN_TYPE(memorytype, WASM_EXTERN_MEMORY)
EXTERN_TYPE(tagtype, WASM_EXTERN_TAG)

wasm_functype_t *wasm_functype_new(wasm_valtype_vec_t *params, wasm_valtype_vec_t *results)
{
    wasm_externtype_t *type = externtype_new(WASM_EXTERN_FUNC);
    if (!type) {
        wasm_valtype_vec_delete(params);
        wasm_valtype_vec_delete(results);
        return NULL;
    }
    type->of.func.params = *params;
    type->of.func.results = *results;
    return (wasm_functype_t *)type;
}

const wasm_valtype_vec_t *wasm_functype_params(const wasm_functype_t *type)
{
    return &((const wasm_externtype_t *)type)->of.func.params;
}

const wasm_valtype_vec_t *wasm_functype_results(const wasm_functype_t *type)
{
    return &((const wasm_externtype_t *)type)->of.func.results;
}

wasm_globaltype_t *wasm_globaltype_new(wasm_valtype_t *content, wasm_mutability_t mutability)
{
    wasm_externtype_t *type = content ? externtype_new(WASM_EXTERN_GLOBAL) : NULL;
    if (type) {
        type->of.global.content = content;
        type->of.global.mutability = mutability;
    }
    return (wasm_globaltype_t *)type;
}

const wasm_valtype_t *wasm_globaltype_content(const wasm_globaltype_t *type)
{
    return ((const wasm_externtype_t *)type)->of.global.content;
}

wasm_mutability_t wasm_globaltype_mutability(const wasm_globaltype_t *type)
{
    return ((const wasm_externtype_t *)type)->of.global.mutability;
}

wasm_tabletype_t *wasm_tabletype_new(wasm_valtype_t *element, const wasm_limits_t *limits)
{
    wasm_externtype_t *type = element ? externtype_new(WASM_EXTERN_TABLE) : NULL;
    if (type) {
        type->of.table.element = element;
        type->of.table.limits = *limits;
    }
    return (wasm_tabletype_t *)type;
}

const wasm_valtype_t *wasm_tabletype_element(const wasm_tabletype_t *type)
{
    return ((const wasm_externtype_t *)type)->of.table.element;
}

const wasm_limits_t *wasm_tabletype_limits(const wasm_tabletype_t *type)
{
    return &((const wasm_externtype_t *)type)->of.table.limits;
}

wasm_memorytype_t *wasm_memorytype_new(const wasm_limits_t *limits)
{
    wasm_externtype_t *type = externtype_new(WASM_EXTERN_MEMORY);
    if (type)
        type->of.memory = *limits;
    return (wasm_memorytype_t *)type;
}

const wasm_limits_t *wasm_memorytype_limits(const wasm_memorytype_t *type)
{
    return &((const wasm_externtype_t *)type)->of.memory;
}

wasm_tagtype_t *wasm_tagtype_new(wasm_functype_t *functype)
{
    wasm_externtype_t *type = functype ? externtype_new(WASM_EXTERN_TAG) : NULL;
    if (type)
        type->of.tag = functype;
    else
        wasm_functype_delete(functype);
    return (wasm_tagtype_t *)type;
}

const wasm_functype_t *wasm_tagtype_functype(const wasm_tagtype_t *type)
{
    return ((const wasm_externtype_t *)type)->of.tag;
}

/* ---- from the inside's types ---- */

static bool fill_types(const wagi_registry *registry, const wagi_valtype *types, uint32_t count,
                       wasm_valtype_vec_t *out)
{
    wasm_valtype_vec_new_uninitialized(out, count);
    for (size_t i = 0; i < out->size; i++)
        out->data[i] = valtype_of(registry, types[i]);
    return out->size == count;
}

wasm_functype_t *wagi_wasm_functype(const wagi_registry *registry, const wagi_type *type)
{
    wasm_externtype_t *made = externtype_new(WASM_EXTERN_FUNC);
    if (made && fill_types(registry, type->params, type->param_count, &made->of.func.params) &&
        fill_types(registry, type->results, type->result_count, &made->of.func.results))
        return (wasm_functype_t *)made;
    wasm_externtype_delete(made);
    return NULL;
}

wasm_globaltype_t *wagi_wasm_globaltype(const wagi_registry *registry, wagi_global_type type)
{
    return wasm_globaltype_new(valtype_of(registry, type.content), type.is_mutable ? WASM_VAR : WASM_CONST);
}

static wasm_limits_t limits_of(const wagi_limits_type *limits, uint64_t now)
{
    wasm_limits_t made = {now < UINT32_MAX ? (uint32_t)now : UINT32_MAX, wasm_limits_max_default};
    if (limits->has_maximum && limits->maximum < UINT32_MAX)
        made.max = (uint32_t)limits->maximum;
    return made;
}

wasm_tabletype_t *wagi_wasm_tabletype(const wagi_registry *registry, wagi_table_type type, uint64_t now)
{
    wasm_limits_t limits = limits_of(&type.limits, now);
    return wasm_tabletype_new(valtype_of(registry, type.element), &limits);
}

wasm_memorytype_t *wagi_wasm_memorytype(wagi_memory_type type, uint64_t now)
{
    wasm_limits_t limits = limits_of(&type.limits, now);
    return wasm_memorytype_new(&limits);
}

wasm_tagtype_t *wagi_wasm_tagtype(const wagi_registry *registry, const wagi_type *type)
{
    return wasm_tagtype_new(wagi_wasm_functype(registry, type));
}

/* ---- imports and exports ---- */

struct wasm_importtype_t {
    wasm_name_t module, name;
    wasm_externtype_t *type;
};

wasm_importtype_t *wasm_importtype_new(wasm_name_t *module, wasm_name_t *name, wasm_externtype_t *type)
{
    wasm_importtype_t *made = type ? WAGI_NEW(wasm_importtype_t) : NULL;
    if (!made) {
        wasm_name_delete(module);
        wasm_name_delete(name);
        wasm_externtype_delete(type);
        return NULL;
    }
    *made = (wasm_importtype_t){*module, *name, type};
    return made;
}

void wasm_importtype_delete(wasm_importtype_t *type)
{
    if (!type)
        return;
    wasm_name_delete(&type->module);
    wasm_name_delete(&type->name);
    wasm_externtype_delete(type->type);
    wagi_free(type);
}

wasm_importtype_t *wasm_importtype_copy(const wasm_importtype_t *type)
{
    wasm_name_t module, name;
    if (!type)
        return NULL;
    wasm_name_copy(&module, &type->module);
    wasm_name_copy(&name, &type->name);
    bool complete = module.size == type->module.size && name.size == type->name.size;
    return wasm_importtype_new(&module, &name, complete ? wasm_externtype_copy(type->type) : NULL);
}

const wasm_name_t *wasm_importtype_module(const wasm_importtype_t *type)
{
    return &type->module;
}

const wasm_name_t *wasm_importtype_name(const wasm_importtype_t *type)
{
    return &type->name;
}

const wasm_externtype_t *wasm_importtype_type(const wasm_importtype_t *type)
{
    return type->type;
}

/* An export's type is an import's without a module. */
wasm_exporttype_t *wasm_exporttype_new(wasm_name_t *name, wasm_externtype_t *type)
{
    wasm_name_t none = WASM_EMPTY_VEC;
    return (wasm_exporttype_t *)wasm_importtype_new(&none, name, type);
}

void wasm_exporttype_delete(wasm_exporttype_t *type)
{
    wasm_importtype_delete((wasm_importtype_t *)type);
}

wasm_exporttype_t *wasm_exporttype_copy(const wasm_exporttype_t *type)
{
    return (wasm_exporttype_t *)wasm_importtype_copy((const wasm_importtype_t *)type);
}

const wasm_name_t *wasm_exporttype_name(const wasm_exporttype_t *type)
{
    return &((const wasm_importtype_t *)type)->name;
}

const wasm_externtype_t *wasm_exporttype_type(const wasm_exporttype_t *type)
{
    return ((const wasm_importtype_t *)type)->type;
}

/* ---- vectors ---- */

bool wagi_wasm_vec_room(size_t *ret_size, void **ret_data, size_t size, size_t element_size)
{
    *ret_data = size ? wagi_alloc_zero(size, element_size) : NULL;
    *ret_size = *ret_data ? size : 0;
    return *ret_size == size;
}

static bool byte_copy(wasm_byte_t *to, const wasm_byte_t *from)
{
    *to = *from;
    return true;
}

static void byte_drop(const wasm_byte_t *byte)
{
    (void)byte;
}

WAGI_WASM_VEC(byte, wasm_byte_t, byte_copy, byte_drop)

#define TYPE_VEC(name)                                                                                                 \
    static bool name##_element_copy(wasm_##name##_t **to, wasm_##name##_t *const *from)                                \
    {                                                                                                                  \
        *to = wasm_##name##_copy(*from);                                                                               \
        return *to || !*from;                                                                                          \
    }                                                                                                                  \
    static void name##_element_drop(wasm_##name##_t **type)                                                            \
    {                                                                                                                  \
        wasm_##name##_delete(*type);                                                                                   \
    }                                                                                                                  \
    WAGI_WASM_VEC(name, wasm_##name##_t *, name##_element_copy, name##_element_drop)
TYPE_VEC(valtype)
TYPE_VEC(functype)
TYPE_VEC(globaltype)
TYPE_VEC(tabletype)
TYPE_VEC(memorytype)
TYPE_VEC(tagtype)
TYPE_VEC(externtype)
TYPE_VEC(importtype)
TYPE_VEC(exporttype)

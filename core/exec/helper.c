/* The runtime functions that native code calls for rare ops (compiler/helper.def). */
#include "compiler/fold_simd.h"
#include "exec/native.h"
#include "ops/num.h"
#include "runtime/fuel.h"

static wag_err memory_grow(wag_instance *instance, wagi_slot *slots)
{
    wag_memory *memory = instance->memories[slots[1]];
    uint64_t old_pages = wagi_memory_grow(memory, slots[0]);
    slots[0] = memory->type.limits.is_64 ? old_pages : (uint32_t)old_pages;
    return WAG_OK;
}

static wag_err memory_fill(wag_instance *instance, wagi_slot *slots)
{
    wag_err err = wagi_fuel_work(instance, slots[2]);
    return err != WAG_OK ? err : wagi_memory_fill(instance->memories[slots[3]], slots[0], (uint8_t)slots[1], slots[2]);
}

static wag_err memory_copy(wag_instance *instance, wagi_slot *slots)
{
    wag_err err = wagi_fuel_work(instance, slots[2]);
    return err != WAG_OK ? err
                         : wagi_memory_copy(instance->memories[slots[3]], slots[0], instance->memories[slots[4]],
                                            slots[1], slots[2]);
}

static wag_err memory_init(wag_instance *instance, wagi_slot *slots)
{
    wag_err err = wagi_fuel_work(instance, slots[2]);
    return err != WAG_OK ? err
                         : wagi_memory_init(instance->memories[slots[3]], slots[0], &instance->datas[slots[4]],
                                            slots[1], slots[2]);
}

static wag_err data_drop(wag_instance *instance, wagi_slot *slots)
{
    wagi_data_drop(&instance->datas[slots[0]]);
    return WAG_OK;
}

static wag_err global_set(wag_instance *instance, wagi_slot *slots)
{
    wagi_global_store(instance->globals[slots[1]], &slots[0]);
    return WAG_OK;
}

static wag_err table_get(wag_instance *instance, wagi_slot *slots)
{
    const wag_table *table = instance->tables[slots[1]];
    if (slots[0] >= table->size)
        return WAG_TABLE_BOUNDS;
    slots[0] = table->elements[slots[0]];
    return WAG_OK;
}

static wag_err table_set(wag_instance *instance, wagi_slot *slots)
{
    wag_table *table = instance->tables[slots[2]];
    if (slots[0] >= table->size)
        return WAG_TABLE_BOUNDS;
    wagi_table_store(table, slots[0], slots[1]);
    return WAG_OK;
}

static wag_err table_grow(wag_instance *instance, wagi_slot *slots)
{
    wag_table *table = instance->tables[slots[2]];
    wag_err err = wagi_fuel_grow(instance, table, slots[1]);
    if (err != WAG_OK)
        return err;
    uint64_t old_size = wagi_table_grow(table, slots[1], slots[0]);
    slots[0] = table->type.limits.is_64 ? old_size : (uint32_t)old_size;
    return WAG_OK;
}

static wag_err table_fill(wag_instance *instance, wagi_slot *slots)
{
    wag_err err = wagi_fuel_work(instance, slots[2] * sizeof *slots);
    return err != WAG_OK ? err : wagi_table_fill(instance->tables[slots[3]], slots[0], slots[1], slots[2]);
}

static wag_err table_copy(wag_instance *instance, wagi_slot *slots)
{
    wag_err err = wagi_fuel_work(instance, slots[2] * sizeof *slots);
    return err != WAG_OK
               ? err
               : wagi_table_copy(instance->tables[slots[3]], slots[0], instance->tables[slots[4]], slots[1], slots[2]);
}

static wag_err table_init(wag_instance *instance, wagi_slot *slots)
{
    wag_err err = wagi_fuel_work(instance, slots[2] * sizeof *slots);
    return err != WAG_OK
               ? err
               : wagi_table_init(instance->tables[slots[3]], slots[0], &instance->elems[slots[4]], slots[1], slots[2]);
}

static wag_err elem_drop(wag_instance *instance, wagi_slot *slots)
{
    wagi_elem_drop(&instance->elems[slots[0]]);
    return WAG_OK;
}

/* ---- atomics ---- */

static wag_err atomic_notify(wag_instance *instance, wagi_slot *slots)
{
    return wagi_memory_notify(instance->memories[slots[2]], slots[3], slots);
}

static wag_err atomic_wait32(wag_instance *instance, wagi_slot *slots)
{
    return wagi_memory_wait(instance->memories[slots[3]], slots[4], 4, slots);
}

static wag_err atomic_wait64(wag_instance *instance, wagi_slot *slots)
{
    return wagi_memory_wait(instance->memories[slots[3]], slots[4], 8, slots);
}

/* ---- objects of the heap ---- */

static const wagi_type *type_of(const wagi_slot *slots)
{
    return (const wagi_type *)(uintptr_t)slots[0];
}

static wag_err struct_new(wag_instance *instance, wagi_slot *slots)
{
    return wagi_struct_new(instance, type_of(slots), slots + 1, slots);
}

static wag_err struct_new_default(wag_instance *instance, wagi_slot *slots)
{
    return wagi_struct_new(instance, type_of(slots), NULL, slots);
}

static wag_err array_new(wag_instance *instance, wagi_slot *slots)
{
    const wagi_type *type = type_of(slots);
    uint32_t length = (uint32_t)slots[type->fields[0].storage == WAGI_V128 ? 3 : 2];
    wag_err err = wagi_fuel_elements(instance, type, length);
    return err != WAG_OK ? err : wagi_array_new(instance, type, length, slots + 1, slots);
}

static wag_err array_new_default(wag_instance *instance, wagi_slot *slots)
{
    wag_err err = wagi_fuel_elements(instance, type_of(slots), (uint32_t)slots[1]);
    return err != WAG_OK ? err : wagi_array_new(instance, type_of(slots), (uint32_t)slots[1], NULL, slots);
}

static wag_err array_new_fixed(wag_instance *instance, wagi_slot *slots)
{
    return wagi_array_new_fixed(instance, type_of(slots), (uint32_t)slots[1], slots + 2, slots);
}

static wag_err array_new_data(wag_instance *instance, wagi_slot *slots)
{
    wag_err err = wagi_fuel_elements(instance, type_of(slots), (uint32_t)slots[3]);
    return err != WAG_OK ? err
                         : wagi_array_new_data(instance, type_of(slots), &instance->datas[slots[1]], (uint32_t)slots[2],
                                               (uint32_t)slots[3], slots);
}

static wag_err array_new_elem(wag_instance *instance, wagi_slot *slots)
{
    wag_err err = wagi_fuel_elements(instance, type_of(slots), (uint32_t)slots[3]);
    return err != WAG_OK ? err
                         : wagi_array_new_elem(instance, type_of(slots), &instance->elems[slots[1]], (uint32_t)slots[2],
                                               (uint32_t)slots[3], slots);
}

static wag_err array_fill(wag_instance *instance, wagi_slot *slots)
{
    const wagi_gc_object *array = (const wagi_gc_object *)(uintptr_t)slots[0];
    bool is_wide = array && wagi_gc_type_of(array)->fields[0].storage == WAGI_V128;
    wag_err err = wagi_fuel_array(instance, slots[0], (uint32_t)slots[is_wide ? 4 : 3]);
    return err != WAG_OK ? err
                         : wagi_array_fill_from(instance->unit.agent, slots[0], (uint32_t)slots[1], slots + 2,
                                                (uint32_t)slots[is_wide ? 4 : 3]);
}

static wag_err array_copy(wag_instance *instance, wagi_slot *slots)
{
    wag_err err = wagi_fuel_array(instance, slots[0], (uint32_t)slots[4]);
    return err != WAG_OK ? err
                         : wagi_array_copy(instance->unit.agent, slots[0], (uint32_t)slots[1], slots[2],
                                           (uint32_t)slots[3], (uint32_t)slots[4]);
}

static wag_err array_init_data(wag_instance *instance, wagi_slot *slots)
{
    wag_err err = wagi_fuel_array(instance, slots[0], (uint32_t)slots[3]);
    return err != WAG_OK ? err
                         : wagi_array_init_data(instance->unit.agent, slots[0], (uint32_t)slots[1],
                                                &instance->datas[slots[4]], (uint32_t)slots[2], (uint32_t)slots[3]);
}

static wag_err array_init_elem(wag_instance *instance, wagi_slot *slots)
{
    wag_err err = wagi_fuel_array(instance, slots[0], (uint32_t)slots[3]);
    return err != WAG_OK ? err
                         : wagi_array_init_elem(instance->unit.agent, slots[0], (uint32_t)slots[1],
                                                &instance->elems[slots[4]], (uint32_t)slots[2], (uint32_t)slots[3]);
}

void *wagi_native_alloc(wag_instance *instance, const wagi_type *type, uint32_t size)
{
    return wagi_gc_alloc_slow(instance, type, size);
}

void wagi_native_shade(wag_instance *instance, wagi_slot slot)
{
    wagi_gc_shade(instance->unit.agent, slot);
}

/* ---- arithmetic ---- */

static wag_err popcnt32(wag_instance *instance, wagi_slot *slots)
{
    (void)instance;
    slots[0] = num_i32_popcnt((uint32_t)slots[0]);
    return WAG_OK;
}

static wag_err popcnt64(wag_instance *instance, wagi_slot *slots)
{
    (void)instance;
    slots[0] = num_i64_popcnt(slots[0]);
    return WAG_OK;
}

#define ROUND(op)                                                                                                      \
    static wag_err f32_##op(wag_instance *instance, wagi_slot *slots)                                                  \
    {                                                                                                                  \
        (void)instance;                                                                                                \
        slots[0] = num_f32_bits(num_f32_##op(num_f32_of_bits((uint32_t)slots[0])));                                    \
        return WAG_OK;                                                                                                 \
    }                                                                                                                  \
    static wag_err f64_##op(wag_instance *instance, wagi_slot *slots)                                                  \
    {                                                                                                                  \
        (void)instance;                                                                                                \
        slots[0] = num_f64_bits(num_f64_##op(num_f64_of_bits(slots[0])));                                              \
        return WAG_OK;                                                                                                 \
    }
ROUND(ceil)
ROUND(floor)
ROUND(trunc)
ROUND(nearest)
#undef ROUND

/* n slots of operands, then the op and its immediate. */
#define VECTOR(n)                                                                                                      \
    static wag_err vector##n(wag_instance *instance, wagi_slot *slots)                                                 \
    {                                                                                                                  \
        uint8_t immediate[16];                                                                                         \
        (void)instance;                                                                                                \
        for (unsigned i = 0; i < sizeof immediate; i++)                                                                \
            immediate[i] = (uint8_t)(slots[(n) + 1 + i / 8] >> 8 * (i % 8));                                           \
        wagi_vector_apply((wagi_op)slots[n], slots, immediate);                                                        \
        return WAG_OK;                                                                                                 \
    }
VECTOR(1)
VECTOR(2)
VECTOR(3)
VECTOR(4)
VECTOR(6)
#undef VECTOR

const wagi_helper_func wagi_native_helpers[WAGI_HELPER_COUNT] = {
#define HELPER(name) [WAGI_HELPER_##name] = name,
#include "compiler/helper.def"
#undef HELPER
};

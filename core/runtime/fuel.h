/* Fuel of instructions whose work depends on an operand (binary/fuel.h has what every instruction costs). */
#ifndef WAGI_RUNTIME_FUEL_H
#define WAGI_RUNTIME_FUEL_H

#include "binary/fuel.h"
#include "runtime/agent.h"

/* For an instruction of the instance that writes so many bytes, before it does or fails to. WAG_OUT_OF_FUEL. */
static inline wag_err wagi_fuel_work(const wag_instance *instance, uint64_t bytes)
{
    return instance->data->fuel ? wagi_fuel_charge(instance->unit.agent, bytes / WAGI_FUEL_BYTES) : WAG_OK;
}
/* For one that writes elements of an array type. */
static inline wag_err wagi_fuel_elements(const wag_instance *instance, const wagi_type *type, uint32_t count)
{
    return wagi_fuel_work(instance, (uint64_t)count * type->element_size);
}
/* For one on an array, which may be null. */
static inline wag_err wagi_fuel_array(const wag_instance *instance, wagi_slot array, uint32_t count)
{
    if (!instance->data->fuel || !array)
        return WAG_OK;
    return wagi_fuel_elements(instance, wagi_gc_type_of((const wagi_gc_object *)(uintptr_t)array), count);
}
/* For table.grow: nothing when it cannot be for its maximum. */
static inline wag_err wagi_fuel_grow(const wag_instance *instance, const wag_table *table, uint64_t delta)
{
    bool fits = table->size <= table->max_size && delta <= table->max_size - table->size;
    return wagi_fuel_work(instance, fits ? delta * sizeof(wagi_slot) : 0);
}

#endif

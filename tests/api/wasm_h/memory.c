/* wasm.h: memories: bytes, sizes, growth, bounds. */
#include "expect.h"

int main(void)
{
    wasm_engine_t *engine = wasm_engine_new();
    wasm_store_t *store = wasm_store_new(engine);
    wasm_instance_t *instance = instance_of(store, "memory", NULL);
    wasm_extern_vec_t exports;
    wasm_instance_exports(instance, &exports);
    wasm_memory_t *memory = wasm_extern_as_memory(exports.data[0]);
    wasm_func_t *size = func_at(&exports, 1), *load = func_at(&exports, 2), *put = func_at(&exports, 3);

    EXPECT(wasm_memory_size(memory) == 2 && wasm_memory_data_size(memory) == 2 * MEMORY_PAGE_SIZE);
    EXPECT(memcmp(wasm_memory_data(memory) + 0x1000, "\1\2\3\4", 4) == 0);
    wasm_memory_data(memory)[0x1003] = 5;
    EXPECT(call_i32(load, 1, (int32_t[]){0x1003}) == 5);
    wasm_val_t vals[2] = {WASM_I32_VAL(0x1002), WASM_I32_VAL(6)};
    wasm_val_vec_t in = WASM_ARRAY_VEC(vals), none = WASM_EMPTY_VEC;
    EXPECT(wasm_func_call(put, &in, &none) == NULL);
    EXPECT(wasm_memory_data(memory)[0x1002] == 6);
    wasm_trap_delete(trap_of(load, 1, (int32_t[]){0x20000}));

    EXPECT(wasm_memory_grow(memory, 1) && wasm_memory_size(memory) == 3);
    EXPECT(call_i32(size, 0, NULL) == 3 && call_i32(load, 1, (int32_t[]){0x20000}) == 0);
    EXPECT(!wasm_memory_grow(memory, 1) && wasm_memory_grow(memory, 0));
    wasm_memorytype_t *type = wasm_memory_type(memory);
    EXPECT(wasm_memorytype_limits(type)->min == 3 && wasm_memorytype_limits(type)->max == 3);
    wasm_memorytype_delete(type);

    wasm_limits_t limits = {5, 5}, wrong = {5, 4}, endless = {0, wasm_limits_max_default};
    wasm_memorytype_t *five = wasm_memorytype_new(&limits), *none_fits = wasm_memorytype_new(&wrong);
    wasm_memorytype_t *any = wasm_memorytype_new(&endless);
    wasm_memory_t *own_memory = wasm_memory_new(store, five), *growing = wasm_memory_new(store, any);
    EXPECT(wasm_memory_size(own_memory) == 5 && !wasm_memory_grow(own_memory, 1));
    EXPECT(wasm_memory_new(store, none_fits) == NULL);
    EXPECT(wasm_memory_size(growing) == 0 && wasm_memory_grow(growing, 7) && wasm_memory_size(growing) == 7);
    wasm_memory_delete(own_memory);
    wasm_memory_delete(growing);
    wasm_memorytype_delete(five);
    wasm_memorytype_delete(none_fits);
    wasm_memorytype_delete(any);

    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return 0;
}

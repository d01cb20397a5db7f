/* wasm.h: a module to bytes and back; bytes that are none. */
#include "expect.h"

int main(void)
{
    wasm_engine_t *engine = wasm_engine_new();
    wasm_store_t *store = wasm_store_new(engine);
    wasm_module_t *module = module_of(store, "serialize");
    wasm_byte_vec_t bytes, copy;
    wasm_module_serialize(module, &bytes);
    EXPECT(bytes.size > 0);
    wasm_module_delete(module);
    module = wasm_module_deserialize(store, &bytes);
    EXPECT(module != NULL);
    wasm_instance_t *instance = wasm_instance_new(store, module, NULL, NULL);
    wasm_extern_vec_t exports;
    wasm_instance_exports(instance, &exports);
    EXPECT(call_i32(func_at(&exports, 0), 1, (int32_t[]){14}) == 42);
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_module_delete(module);

    wasm_byte_vec_copy(&copy, &bytes);
    EXPECT(copy.size == bytes.size && memcmp(copy.data, bytes.data, copy.size) == 0);
    copy.data[copy.size / 2] ^= 1;
    EXPECT(wasm_module_deserialize(store, &copy) == NULL);
    EXPECT(wasm_module_new(store, &copy) == NULL && !wasm_module_validate(store, &copy));
    wasm_byte_vec_t none = WASM_EMPTY_VEC;
    EXPECT(wasm_module_deserialize(store, &none) == NULL && wasm_module_new(store, &none) == NULL);
    wasm_byte_vec_delete(&copy);
    wasm_byte_vec_delete(&bytes);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return 0;
}

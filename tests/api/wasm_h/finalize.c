/* wasm.h: host info and its finalizers, of everything that can have some. */
#include "expect.h"

static int finalized[16];

static void finalize(void *info)
{
    ++*(int *)info;
}

int main(void)
{
    wasm_engine_t *engine = wasm_engine_new();
    wasm_store_t *store = wasm_store_new(engine);
    wasm_module_t *module = module_of(store, "finalize");
    wasm_module_set_host_info_with_finalizer(module, &finalized[0], finalize);
    wasm_instance_t *instance = wasm_instance_new(store, module, NULL, NULL);
    EXPECT(instance != NULL);
    wasm_instance_set_host_info_with_finalizer(instance, &finalized[1], finalize);
    wasm_extern_vec_t exports;
    wasm_instance_exports(instance, &exports);
    EXPECT(exports.size == 4);
    for (size_t i = 0; i < exports.size; i++)
        wasm_extern_set_host_info_with_finalizer(exports.data[i], &finalized[2 + i], finalize);
    wasm_foreign_t *foreign = wasm_foreign_new(store);
    wasm_foreign_set_host_info_with_finalizer(foreign, &finalized[6], finalize);
    wasm_name_t message;
    wasm_name_new_from_string_nt(&message, "why");
    wasm_trap_t *trap = wasm_trap_new(store, &message);
    wasm_name_delete(&message);
    wasm_trap_set_host_info_with_finalizer(trap, &finalized[7], finalize);

    /* The info belongs to the thing, not to the handle. */
    wasm_func_t *func = func_at(&exports, 3), *copy = wasm_func_copy(func);
    EXPECT(wasm_func_same(func, copy));
    EXPECT(wasm_func_get_host_info(copy) == &finalized[5]);
    wasm_extern_vec_t again;
    wasm_instance_exports(instance, &again);
    EXPECT(wasm_extern_get_host_info(again.data[3]) == &finalized[5]);
    EXPECT(wasm_extern_same(again.data[3], exports.data[3]) && !wasm_extern_same(again.data[2], exports.data[3]));
    EXPECT(wasm_func_as_ref(copy) != NULL && wasm_ref_get_host_info(wasm_func_as_ref(copy)) == &finalized[5]);
    wasm_extern_vec_delete(&again);

    /* Other info replaces it. */
    wasm_func_set_host_info_with_finalizer(func, &finalized[8], finalize);
    EXPECT(finalized[5] == 1 && finalized[8] == 0);
    wasm_func_set_host_info(func, &finalized[9]);
    EXPECT(finalized[8] == 1 && wasm_func_get_host_info(copy) == &finalized[9]);

    wasm_trap_t *trap_copy = wasm_trap_copy(trap);
    wasm_trap_delete(trap);
    EXPECT(finalized[7] == 0);
    wasm_trap_delete(trap_copy);
    EXPECT(finalized[7] == 1);
    wasm_foreign_delete(foreign);
    wasm_instance_delete(instance);
    wasm_extern_vec_delete(&exports);
    for (int i = 1; i < 5; i++)
        EXPECT(finalized[i] == 0); /* the function's handle keeps its instance */
    EXPECT(call_i32(copy, 0, NULL) == 42);
    wasm_func_delete(copy);
    wasm_module_delete(module);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    for (int i = 0; i < 9; i++)
        EXPECT(finalized[i] == 1);
    EXPECT(finalized[9] == 0);
    return 0;
}

/* wasm.h: a start function that traps: there is no instance, and the trap says where. Imports that do not fit, too. */
#include "expect.h"

static int started;

static wasm_trap_t *note(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    (void)results;
    started += args->data[0].of.i32;
    return NULL;
}

static void expect_no_instance(wasm_store_t *store, const wasm_module_t *module, const wasm_extern_vec_t *imports)
{
    wasm_trap_t *trap = NULL;
    EXPECT(wasm_instance_new(store, module, imports, &trap) == NULL && trap != NULL);
    wasm_message_t message;
    wasm_trap_message(trap, &message);
    EXPECT(message.size > 1 && message.data[message.size - 1] == '\0');
    wasm_name_delete(&message);
    wasm_trap_delete(trap);
    EXPECT(wasm_instance_new(store, module, imports, NULL) == NULL);
}

int main(void)
{
    wasm_engine_t *engine = wasm_engine_new();
    wasm_store_t *store = wasm_store_new(engine);
    wasm_module_t *module = module_of(store, "start");
    wasm_functype_t *type = wasm_functype_new_1_0(wasm_valtype_new_i32()), *other = wasm_functype_new_0_0();
    wasm_func_t *func = wasm_func_new(store, type, note), *wrong = wasm_func_new(store, other, note);
    wasm_extern_t *list[] = {wasm_func_as_extern(func)}, *wrong_list[] = {wasm_func_as_extern(wrong)},
                  *nulls[] = {NULL};
    wasm_extern_vec_t imports = WASM_ARRAY_VEC(list), wrong_imports = WASM_ARRAY_VEC(wrong_list), none = WASM_EMPTY_VEC;
    wasm_extern_vec_t null_imports = WASM_ARRAY_VEC(nulls);
    expect_no_instance(store, module, &wrong_imports);
    expect_no_instance(store, module, &none);
    expect_no_instance(store, module, NULL);
    expect_no_instance(store, module, &null_imports);
    EXPECT(started == 0);

    wasm_trap_t *trap = NULL;
    EXPECT(wasm_instance_new(store, module, &imports, &trap) == NULL && trap != NULL);
    EXPECT(started == 3);
    wasm_frame_t *origin = wasm_trap_origin(trap);
    EXPECT(origin != NULL && wasm_frame_func_index(origin) == 1);
    wasm_frame_delete(origin);
    wasm_trap_delete(trap);

    wasm_functype_delete(type);
    wasm_functype_delete(other);
    wasm_func_delete(func);
    wasm_func_delete(wrong);
    wasm_module_delete(module);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return 0;
}

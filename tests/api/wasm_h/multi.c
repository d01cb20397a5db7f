/* wasm.h: several results, and types made from vectors. */
#include "expect.h"

static wasm_trap_t *swap(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    for (size_t i = 0; i < 4; i++)
        wasm_val_copy(&results->data[i], &args->data[3 - i]);
    return NULL;
}

int main(void)
{
    wasm_engine_t *engine = wasm_engine_new_with_config(wasm_config_new());
    wasm_store_t *store = wasm_store_new(engine);
    wasm_valtype_t *types[4] = {wasm_valtype_new_i32(), wasm_valtype_new_i64(), wasm_valtype_new_f32(),
                                wasm_valtype_new_f64()};
    wasm_valtype_t *reversed[4] = {wasm_valtype_new_f64(), wasm_valtype_new_f32(), wasm_valtype_new_i64(),
                                   wasm_valtype_new_i32()};
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 4, types);
    wasm_valtype_vec_new(&results, 4, reversed);
    wasm_functype_t *type = wasm_functype_new(&params, &results);
    wasm_func_t *func = wasm_func_new(store, type, swap);
    wasm_functype_delete(type);
    wasm_extern_t *list[] = {wasm_func_as_extern(func)};
    wasm_extern_vec_t imports = WASM_ARRAY_VEC(list), exports;
    wasm_instance_t *instance = instance_of(store, "multi", &imports);
    wasm_func_delete(func);
    wasm_instance_exports(instance, &exports);

    wasm_val_t args[4] = {WASM_I32_VAL(1), WASM_I64_VAL(-2), WASM_F32_VAL(3.5f), WASM_F64_VAL(-4.25)}, got[5];
    wasm_val_vec_t in = WASM_ARRAY_VEC(args), out = {4, got};
    EXPECT(wasm_func_call(func_at(&exports, 0), &in, &out) == NULL);
    EXPECT(got[0].kind == WASM_F64 && got[0].of.f64 == -4.25 && got[1].kind == WASM_F32 && got[1].of.f32 == 3.5f);
    EXPECT(got[2].kind == WASM_I64 && got[2].of.i64 == -2 && got[3].kind == WASM_I32 && got[3].of.i32 == 1);

    wasm_val_t ten[10];
    for (int i = 0; i < 10; i++)
        ten[i] = (wasm_val_t)WASM_I32_VAL(i * i);
    wasm_val_vec_t in_ten = WASM_ARRAY_VEC(ten), out_five = WASM_ARRAY_VEC(got), too_few = {4, got};
    EXPECT(wasm_func_call(func_at(&exports, 1), &in_ten, &out_five) == NULL);
    for (int i = 0; i < 5; i++)
        EXPECT(got[i].of.i32 == 4 * i * i + (2 * i + 1) * (2 * i + 1));
    got[3].of.i32 = got[4].of.i32 = 0;
    EXPECT(wasm_func_call(func_at(&exports, 1), &in_ten, &too_few) == NULL);
    EXPECT(got[3].of.i32 == 85 && got[4].of.i32 == 0);
    wasm_trap_t *trap = wasm_func_call(func_at(&exports, 1), &in, &out_five);
    EXPECT(trap != NULL);
    wasm_trap_delete(trap);

    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return 0;
}

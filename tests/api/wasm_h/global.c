/* wasm.h: globals, constant and mutable, of the host and of wasm. */
#include "expect.h"

int main(void)
{
    wasm_engine_t *engine = wasm_engine_new();
    wasm_store_t *store = wasm_store_new(engine);
    wasm_globaltype_t *constant_type = wasm_globaltype_new(wasm_valtype_new_f32(), WASM_CONST);
    wasm_globaltype_t *variable_type = wasm_globaltype_new(wasm_valtype_new_i64(), WASM_VAR);
    wasm_val_t half = WASM_F32_VAL(0.5f), big = WASM_I64_VAL((int64_t)1 << 40), small = WASM_I32_VAL(3), val;
    EXPECT(wasm_global_new(store, constant_type, &big) == NULL); /* another kind */
    wasm_global_t *constant = wasm_global_new(store, constant_type, &half);
    wasm_global_t *variable = wasm_global_new(store, variable_type, &big);
    wasm_globaltype_delete(constant_type);
    wasm_globaltype_delete(variable_type);

    wasm_extern_t *list[] = {wasm_global_as_extern(constant), wasm_global_as_extern(variable)};
    wasm_extern_vec_t imports = WASM_ARRAY_VEC(list), exports;
    wasm_instance_t *instance = instance_of(store, "global", &imports);
    wasm_instance_exports(instance, &exports);
    EXPECT(wasm_extern_kind(exports.data[0]) == WASM_EXTERN_GLOBAL);
    wasm_global_t *owned = wasm_extern_as_global(exports.data[0]);
    EXPECT(wasm_global_same(wasm_extern_as_global(exports.data[1]), variable));

    wasm_val_vec_t none = WASM_EMPTY_VEC, out = {1, &val};
    EXPECT(wasm_func_call(func_at(&exports, 2), &none, &out) == NULL);
    EXPECT(val.kind == WASM_F32 && val.of.f32 == 0.5f);

    wasm_global_set(owned, &small);
    EXPECT(call_i32(func_at(&exports, 4), 0, NULL) == 3);
    wasm_global_set(owned, &big); /* not of its kind */
    wasm_global_get(owned, &val);
    EXPECT(val.kind == WASM_I32 && val.of.i32 == 3);

    wasm_val_t arg = WASM_I64_VAL(-9);
    wasm_val_vec_t in = {1, &arg}, nothing = WASM_EMPTY_VEC;
    EXPECT(wasm_func_call(func_at(&exports, 3), &in, &nothing) == NULL);
    wasm_global_get(variable, &val);
    EXPECT(val.kind == WASM_I64 && val.of.i64 == -9);
    wasm_global_set(constant, &half);
    wasm_globaltype_t *type = wasm_global_type(variable);
    EXPECT(wasm_globaltype_mutability(type) == WASM_VAR);
    EXPECT(wasm_valtype_kind(wasm_globaltype_content(type)) == WASM_I64);
    wasm_globaltype_delete(type);

    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_global_delete(constant);
    wasm_global_delete(variable);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return 0;
}

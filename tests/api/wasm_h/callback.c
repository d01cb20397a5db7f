/* wasm.h: functions of the host, without and with an environment. */
#include "expect.h"

static wasm_trap_t *double_it(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    EXPECT(args->size == 1 && results->size == 1 && args->data[0].kind == WASM_I32);
    results->data[0] = (wasm_val_t)WASM_I32_VAL(2 * args->data[0].of.i32);
    return NULL;
}

static wasm_trap_t *add_env(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    results->data[0] = args->data[0];
    results->data[0].of.i32 += *(int *)env;
    return NULL;
}

static wasm_trap_t *wrong(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    (void)args;
    results->data[0] = (wasm_val_t)WASM_F64_VAL(1);
    return NULL;
}

static int finalized;

static void finalize(void *env)
{
    finalized += *(int *)env;
}

int main(void)
{
    wasm_engine_t *engine = wasm_engine_new();
    wasm_store_t *store = wasm_store_new(engine);
    int env = 7;
    wasm_functype_t *type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
    wasm_func_t *doubles = wasm_func_new(store, type, double_it);
    wasm_func_t *adds = wasm_func_new_with_env(store, type, add_env, &env, finalize);
    wasm_func_t *lies = wasm_func_new(store, type, wrong);
    wasm_functype_delete(type);
    EXPECT(wasm_func_param_arity(adds) == 1 && wasm_func_result_arity(adds) == 1);
    EXPECT(call_i32(adds, 1, (int32_t[]){1}) == 8); /* the host may call it, too */

    wasm_extern_t *list[] = {wasm_func_as_extern(doubles), wasm_func_as_extern(adds)};
    wasm_extern_vec_t imports = WASM_ARRAY_VEC(list), exports;
    wasm_instance_t *instance = instance_of(store, "callback", &imports);
    wasm_instance_exports(instance, &exports);
    EXPECT(exports.size == 1);
    EXPECT(call_i32(func_at(&exports, 0), 2, (int32_t[]){3, 4}) == 21);

    /* A result of another kind is a trap. */
    list[0] = wasm_func_as_extern(lies);
    wasm_instance_t *other = instance_of(store, "callback", &imports);
    wasm_extern_vec_t other_exports;
    wasm_instance_exports(other, &other_exports);
    wasm_trap_delete(trap_of(func_at(&other_exports, 0), 2, (int32_t[]){3, 4}));

    wasm_extern_vec_delete(&other_exports);
    wasm_instance_delete(other);
    wasm_func_delete(lies);
    wasm_func_delete(doubles);
    wasm_func_delete(adds);
    EXPECT(finalized == 0); /* the instance has it */
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    EXPECT(finalized == 7);
    return 0;
}

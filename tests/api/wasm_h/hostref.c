/* wasm.h: references to anything go through wasm, its globals and its tables, and are the same when they come back. */
#include "expect.h"

static wasm_trap_t *pass(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    wasm_val_copy(&results->data[0], &args->data[0]);
    return NULL;
}

static wasm_ref_t *through(const wasm_func_t *func, wasm_ref_t *ref)
{
    wasm_val_t arg = WASM_REF_VAL(ref), result;
    wasm_val_vec_t in = {1, &arg}, out = {1, &result};
    EXPECT(wasm_func_call(func, &in, &out) == NULL);
    EXPECT(wasm_valkind_is_ref(result.kind));
    return result.of.ref;
}

static wasm_functype_t *unary(wasm_valtype_t *(*type)(void))
{
    return wasm_functype_new_1_1(type(), type());
}

int main(void)
{
    wasm_engine_t *engine = wasm_engine_new();
    wasm_store_t *store = wasm_store_new(engine);
    wasm_functype_t *extern_type = unary(wasm_valtype_new_externref), *func_type = unary(wasm_valtype_new_funcref);
    wasm_func_t *pass_extern = wasm_func_new(store, extern_type, pass),
                *pass_func = wasm_func_new(store, func_type, pass);
    wasm_functype_delete(extern_type);
    wasm_functype_delete(func_type);
    wasm_extern_t *list[] = {wasm_func_as_extern(pass_extern), wasm_func_as_extern(pass_func)};
    wasm_extern_vec_t imports = WASM_ARRAY_VEC(list), exports;
    wasm_module_t *module = module_of(store, "hostref");
    wasm_instance_t *instance = wasm_instance_new(store, module, &imports, NULL);
    EXPECT(instance != NULL);
    wasm_instance_exports(instance, &exports);
    wasm_global_t *global = wasm_extern_as_global(exports.data[0]);
    wasm_table_t *table = wasm_extern_as_table(exports.data[1]);
    wasm_foreign_t *foreign = wasm_foreign_new(store);
    int info;
    wasm_foreign_set_host_info(foreign, &info);
    wasm_message_t message;
    wasm_name_new_from_string_nt(&message, "a trap");
    wasm_trap_t *trap = wasm_trap_new(store, &message);
    wasm_name_delete(&message);

    wasm_ref_t *refs[] = {NULL,
                          wasm_foreign_as_ref(foreign),
                          wasm_func_as_ref(pass_func),
                          wasm_global_as_ref(global),
                          wasm_table_as_ref(table),
                          wasm_instance_as_ref(instance),
                          wasm_module_as_ref(module),
                          wasm_trap_as_ref(trap)};
    for (size_t i = 0; i < sizeof refs / sizeof *refs; i++) {
        wasm_ref_t *back = through(func_at(&exports, 2), refs[i]);
        EXPECT(wasm_ref_same(back, refs[i]) && (back == NULL) == (refs[i] == NULL));
        wasm_ref_delete(back);
        wasm_val_t arg = WASM_REF_VAL(refs[i]), val;
        wasm_global_set(global, &arg);
        wasm_global_get(global, &val);
        EXPECT(val.kind == WASM_EXTERNREF && wasm_ref_same(val.of.ref, refs[i]));
        wasm_val_delete(&val);
        EXPECT(wasm_table_set(table, 1, refs[i]));
        back = wasm_table_get(table, 1);
        EXPECT(wasm_ref_same(back, refs[i]));
        wasm_ref_delete(back);
        wasm_val_vec_t in = {1, &arg}, out = {1, &val};
        EXPECT(wasm_func_call(func_at(&exports, 6), &in, &out) == NULL);
        EXPECT(val.of.i32 == (refs[i] == NULL));
    }
    EXPECT(wasm_ref_as_foreign(refs[1]) == foreign && wasm_ref_as_foreign(refs[2]) == NULL);
    EXPECT(wasm_ref_as_func(refs[2]) == pass_func && wasm_ref_as_func(refs[6]) == NULL);
    EXPECT(wasm_ref_as_module(refs[6]) == module && wasm_ref_as_instance(refs[5]) == instance);
    EXPECT(wasm_ref_as_trap(refs[7]) == trap && wasm_ref_as_extern(refs[3]) != NULL && !wasm_ref_as_extern(refs[5]));
    EXPECT(wasm_foreign_get_host_info(wasm_ref_as_foreign(refs[1])) == &info);

    /* Functions as funcref; nothing else is one. */
    wasm_ref_t *func = through(func_at(&exports, 3), wasm_func_as_ref(func_at(&exports, 3)));
    EXPECT(wasm_func_same(wasm_ref_as_func(func), func_at(&exports, 3)));
    wasm_ref_delete(func);
    wasm_val_t arg = WASM_REF_VAL(refs[1]), val;
    wasm_val_vec_t in = {1, &arg}, out = {1, &val};
    wasm_trap_t *type_error = wasm_func_call(func_at(&exports, 3), &in, &out);
    EXPECT(type_error != NULL);
    wasm_trap_delete(type_error);

    wasm_trap_delete(trap);
    wasm_foreign_delete(foreign);
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_module_delete(module);
    wasm_func_delete(pass_extern);
    wasm_func_delete(pass_func);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return 0;
}

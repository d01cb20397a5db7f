/* wasm.h: tables of functions: reading, writing, growing, calling through them. */
#include "expect.h"

static wasm_trap_t *negate(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    results->data[0] = (wasm_val_t)WASM_I32_VAL(-args->data[0].of.i32);
    return NULL;
}

int main(void)
{
    wasm_engine_t *engine = wasm_engine_new();
    wasm_store_t *store = wasm_store_new(engine);
    wasm_instance_t *instance = instance_of(store, "table", NULL);
    wasm_extern_vec_t exports;
    wasm_instance_exports(instance, &exports);
    wasm_table_t *table = wasm_extern_as_table(exports.data[0]);
    wasm_func_t *call = func_at(&exports, 1), *f = func_at(&exports, 2);
    wasm_functype_t *type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
    wasm_func_t *host = wasm_func_new(store, type, negate);
    wasm_functype_delete(type);

    EXPECT(wasm_table_size(table) == 2 && wasm_table_get(table, 0) == NULL && wasm_table_get(table, 2) == NULL);
    wasm_ref_t *ref = wasm_table_get(table, 1);
    EXPECT(wasm_func_same(wasm_ref_as_func(ref), f));
    wasm_ref_delete(ref);
    EXPECT(call_i32(call, 2, (int32_t[]){7, 1}) == 35);
    wasm_trap_delete(trap_of(call, 2, (int32_t[]){7, 0}));
    EXPECT(wasm_table_set(table, 0, wasm_func_as_ref(host)) && call_i32(call, 2, (int32_t[]){7, 0}) == -7);
    EXPECT(!wasm_table_set(table, 2, wasm_func_as_ref(host)));
    wasm_foreign_t *foreign = wasm_foreign_new(store);
    EXPECT(!wasm_table_set(table, 0, wasm_foreign_as_ref(foreign)));
    wasm_foreign_delete(foreign);
    EXPECT(wasm_table_grow(table, 3, wasm_func_as_ref(f)) && wasm_table_size(table) == 5);
    EXPECT(call_i32(call, 2, (int32_t[]){7, 4}) == 35);
    EXPECT(!wasm_table_grow(table, 6, NULL));
    EXPECT(wasm_table_set(table, 1, NULL));
    wasm_trap_delete(trap_of(call, 2, (int32_t[]){7, 1}));
    wasm_tabletype_t *table_type = wasm_table_type(table);
    EXPECT(wasm_tabletype_limits(table_type)->min == 5 && wasm_tabletype_limits(table_type)->max == 10);

    wasm_table_t *made = wasm_table_new(store, table_type, wasm_func_as_ref(host));
    wasm_tabletype_delete(table_type);
    EXPECT(wasm_table_size(made) == 5);
    ref = wasm_table_get(made, 4);
    EXPECT(wasm_ref_same(ref, wasm_func_as_ref(host)));
    wasm_ref_delete(ref);
    wasm_table_delete(made);
    wasm_func_delete(host);
    EXPECT(call_i32(call, 2, (int32_t[]){7, 0}) == -7); /* the table has it */
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return 0;
}

/* wasm.h: what a module imports and exports, and types as values. */
#include "expect.h"

static bool name_is(const wasm_name_t *name, const char *text, size_t size)
{
    return name->size == size && (size == 0 || memcmp(name->data, text, size) == 0);
}

static void check_imports(const wasm_importtype_vec_t *imports)
{
    EXPECT(imports->size == 4);
    const wasm_externtype_t *type = wasm_importtype_type(imports->data[0]);
    EXPECT(name_is(wasm_importtype_module(imports->data[0]), "host", 4));
    EXPECT(name_is(wasm_importtype_name(imports->data[1]), "gl\0obal", 7));
    EXPECT(name_is(wasm_importtype_module(imports->data[2]), "", 0));
    EXPECT(name_is(wasm_importtype_name(imports->data[3]), "", 0));
    EXPECT(wasm_externtype_kind(type) == WASM_EXTERN_FUNC && !wasm_externtype_as_globaltype_const(type));
    const wasm_functype_t *func = wasm_externtype_as_functype_const(type);
    EXPECT(wasm_functype_params(func)->size == 2 && wasm_functype_results(func)->size == 1);
    EXPECT(wasm_valtype_is_num(wasm_functype_params(func)->data[0]));
    EXPECT(wasm_valtype_kind(wasm_functype_params(func)->data[1]) == WASM_EXTERNREF);
    EXPECT(wasm_valtype_kind(wasm_functype_results(func)->data[0]) == WASM_F64);
    const wasm_globaltype_t *global = wasm_externtype_as_globaltype_const(wasm_importtype_type(imports->data[1]));
    EXPECT(wasm_globaltype_mutability(global) == WASM_VAR);
    EXPECT(wasm_valtype_is_ref(wasm_globaltype_content(global)));
    const wasm_limits_t *table =
        wasm_tabletype_limits(wasm_externtype_as_tabletype_const(wasm_importtype_type(imports->data[2])));
    EXPECT(table->min == 1 && table->max == 5);
    const wasm_limits_t *memory =
        wasm_memorytype_limits(wasm_externtype_as_memorytype_const(wasm_importtype_type(imports->data[3])));
    EXPECT(memory->min == 1 && memory->max == wasm_limits_max_default);
}

static void check_exports(const wasm_exporttype_vec_t *exports)
{
    static const wasm_externkind_t kinds[] = {WASM_EXTERN_FUNC, WASM_EXTERN_GLOBAL, WASM_EXTERN_TABLE,
                                              WASM_EXTERN_MEMORY};
    static const char *const names[] = {"func", "global", "table", "memory"};
    EXPECT(exports->size == 4);
    for (size_t i = 0; i < 4; i++) {
        EXPECT(name_is(wasm_exporttype_name(exports->data[i]), names[i], strlen(names[i])));
        EXPECT(wasm_externtype_kind(wasm_exporttype_type(exports->data[i])) == kinds[i]);
    }
    const wasm_externtype_t *table = wasm_exporttype_type(exports->data[2]);
    EXPECT(wasm_valtype_kind(wasm_tabletype_element(wasm_externtype_as_tabletype_const(table))) == WASM_EXTERNREF);
}

/* Types that are made, copied and converted. */
static void check_types(void)
{
    wasm_functype_t *func =
        wasm_functype_new_3_2(wasm_valtype_new_i32(), wasm_valtype_new_i64(), wasm_valtype_new_f32(),
                              wasm_valtype_new_f64(), wasm_valtype_new_funcref());
    wasm_externtype_t *external = wasm_externtype_copy(wasm_functype_as_externtype(func));
    wasm_functype_delete(func);
    EXPECT(wasm_functype_params(wasm_externtype_as_functype(external))->size == 3);
    EXPECT(wasm_externtype_as_tabletype(external) == NULL);
    wasm_name_t module, name;
    wasm_name_new_from_string(&module, "m");
    wasm_name_new_empty(&name);
    wasm_importtype_t *import = wasm_importtype_new(&module, &name, external);
    wasm_importtype_t *two[] = {import, wasm_importtype_copy(import)};
    wasm_importtype_vec_t imports, copy;
    wasm_importtype_vec_new(&imports, 2, two);
    wasm_importtype_vec_copy(&copy, &imports);
    wasm_importtype_vec_delete(&imports);
    EXPECT(copy.size == 2 && imports.size == 0);
    EXPECT(wasm_externtype_kind(wasm_importtype_type(copy.data[1])) == WASM_EXTERN_FUNC);
    wasm_importtype_vec_delete(&copy);
    EXPECT(wasm_valtype_new(77) == NULL);
    wasm_limits_t limits = {1, 2};
    wasm_tabletype_t *table = wasm_tabletype_new(wasm_valtype_new_funcref(), &limits);
    wasm_tabletype_t *table_copy = wasm_tabletype_copy(table);
    wasm_tabletype_delete(table);
    EXPECT(wasm_tabletype_limits(table_copy)->max == 2);
    wasm_tabletype_delete(table_copy);
}

int main(void)
{
    wasm_engine_t *engine = wasm_engine_new();
    wasm_store_t *store = wasm_store_new(engine);
    wasm_module_t *module = module_of(store, "reflect");
    wasm_importtype_vec_t imports;
    wasm_exporttype_vec_t exports;
    wasm_module_imports(module, &imports);
    wasm_module_exports(module, &exports);
    check_imports(&imports);
    check_exports(&exports);
    wasm_module_delete(module); /* types belong to nothing */
    check_imports(&imports);
    wasm_importtype_vec_delete(&imports);
    wasm_exporttype_vec_delete(&exports);
    check_types();
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return 0;
}

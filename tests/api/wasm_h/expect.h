/* For programs in the style of any engine's wasm.h examples: they use nothing of this library but wasm.h. */
#ifndef TESTS_API_WASM_H_EXPECT_H
#define TESTS_API_WASM_H_EXPECT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasm.h"

/* Ends the program, which is the test, when it does not hold. */
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                              \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The file NAME.wasm of the build. own. */
static inline wasm_byte_vec_t binary_of(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/api/wasm_h/%s.wasm", WAG_TEST_BUILD, name);
    FILE *file = fopen(path, "rb");
    EXPECT(file != NULL);
    wasm_byte_vec_t binary;
    wasm_byte_vec_new_uninitialized(&binary, 1 << 16);
    size_t size = fread(binary.data, 1, binary.size, file);
    fclose(file);
    EXPECT(size > 0 && size < binary.size);
    binary.size = size;
    return binary;
}

static inline wasm_module_t *module_of(wasm_store_t *store, const char *name)
{
    wasm_byte_vec_t binary = binary_of(name);
    EXPECT(wasm_module_validate(store, &binary));
    wasm_module_t *module = wasm_module_new(store, &binary);
    EXPECT(module != NULL);
    wasm_byte_vec_delete(&binary);
    return module;
}

/* imports: borrow. own */
static inline wasm_instance_t *instance_of(wasm_store_t *store, const char *name, const wasm_extern_vec_t *imports)
{
    wasm_module_t *module = module_of(store, name);
    wasm_trap_t *trap;
    wasm_instance_t *instance = wasm_instance_new(store, module, imports, &trap);
    EXPECT(instance != NULL && trap == NULL);
    wasm_module_delete(module);
    return instance;
}

static inline wasm_func_t *func_at(const wasm_extern_vec_t *exports, size_t index)
{
    EXPECT(index < exports->size);
    wasm_func_t *func = wasm_extern_as_func(exports->data[index]);
    EXPECT(func != NULL);
    return func;
}

/* Call with i32s, for an i32. */
static inline int32_t call_i32(const wasm_func_t *func, size_t count, const int32_t args[])
{
    wasm_val_t vals[4], result;
    for (size_t i = 0; i < count; i++)
        vals[i] = (wasm_val_t)WASM_I32_VAL(args[i]);
    wasm_val_vec_t in = {count, vals}, out = {1, &result};
    EXPECT(wasm_func_call(func, &in, &out) == NULL);
    EXPECT(result.kind == WASM_I32);
    return result.of.i32;
}

/* The call ends with a trap. own. */
static inline wasm_trap_t *trap_of(const wasm_func_t *func, size_t count, const int32_t args[])
{
    wasm_val_t vals[4], results[4];
    for (size_t i = 0; i < count; i++)
        vals[i] = (wasm_val_t)WASM_I32_VAL(args[i]);
    wasm_val_vec_t in = {count, vals}, out = {4, results};
    wasm_trap_t *trap = wasm_func_call(func, &in, &out);
    EXPECT(trap != NULL);
    return trap;
}

#endif

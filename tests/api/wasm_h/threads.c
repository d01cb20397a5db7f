/* wasm.h: a module is shared; each thread has a store of its own and obtains it there. */
#include <pthread.h>

#include "expect.h"

enum { THREADS = 4, ROUNDS = 50 };

typedef struct job {
    wasm_engine_t *engine;
    wasm_shared_module_t *shared;
    wasm_func_t *foreign_func; /* of the first thread */
    int32_t id, sum;
    bool was_refused;
} job;

static wasm_trap_t *add(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    results->data[0] = (wasm_val_t)WASM_I32_VAL(args->data[0].of.i32 + args->data[1].of.i32);
    return NULL;
}

/* EXPECT ends the process, so it may be used on any thread. */
static void *run(void *context)
{
    job *here = context;
    for (int32_t round = 0; round < ROUNDS; round++) {
        wasm_store_t *store = wasm_store_new(here->engine);
        wasm_module_t *module = wasm_module_obtain(store, here->shared);
        EXPECT(module != NULL);
        wasm_functype_t *type =
            wasm_functype_new_2_1(wasm_valtype_new_i32(), wasm_valtype_new_i32(), wasm_valtype_new_i32());
        wasm_func_t *func = wasm_func_new(store, type, add);
        wasm_functype_delete(type);
        wasm_globaltype_t *global_type = wasm_globaltype_new(wasm_valtype_new_i32(), WASM_CONST);
        wasm_val_t id = WASM_I32_VAL(here->id);
        wasm_global_t *global = wasm_global_new(store, global_type, &id);
        wasm_globaltype_delete(global_type);
        wasm_extern_t *list[] = {wasm_global_as_extern(global), wasm_func_as_extern(func)};
        wasm_extern_vec_t imports = WASM_ARRAY_VEC(list), exports;
        wasm_instance_t *instance = wasm_instance_new(store, module, &imports, NULL);
        EXPECT(instance != NULL);
        wasm_instance_exports(instance, &exports);
        here->sum += call_i32(func_at(&exports, 0), 1, &round);
        wasm_val_t args[2] = {WASM_I32_VAL(1), WASM_I32_VAL(2)}, result;
        wasm_val_vec_t in = WASM_ARRAY_VEC(args), out = {1, &result};
        wasm_trap_t *trap = wasm_func_call(here->foreign_func, &in, &out);
        here->was_refused = trap != NULL;
        wasm_trap_delete(trap);
        wasm_extern_vec_delete(&exports);
        wasm_instance_delete(instance);
        wasm_global_delete(global);
        wasm_func_delete(func);
        wasm_module_delete(module);
        wasm_store_delete(store);
    }
    return NULL;
}

int main(void)
{
    wasm_engine_t *engine = wasm_engine_new();
    wasm_store_t *store = wasm_store_new(engine);
    wasm_module_t *module = module_of(store, "threads");
    wasm_shared_module_t *shared = wasm_module_share(module);
    wasm_functype_t *type =
        wasm_functype_new_2_1(wasm_valtype_new_i32(), wasm_valtype_new_i32(), wasm_valtype_new_i32());
    wasm_func_t *func = wasm_func_new(store, type, add);
    wasm_functype_delete(type);
    pthread_t threads[THREADS];
    job jobs[THREADS];
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (job){.engine = engine, .shared = shared, .foreign_func = func, .id = 1000 * i};
        EXPECT(pthread_create(&threads[i], NULL, run, &jobs[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        EXPECT(jobs[i].sum == ROUNDS * 1000 * i + ROUNDS * (ROUNDS - 1) / 2);
        EXPECT(jobs[i].was_refused); /* an object of another thread */
    }
    wasm_module_t *again = wasm_module_obtain(store, shared);
    EXPECT(wasm_module_same(again, module));
    wasm_module_delete(again);
    wasm_shared_module_delete(shared);
    wasm_func_delete(func);
    wasm_module_delete(module);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return 0;
}

/* wasm.h: traps of the host and of wasm: message, origin, trace, sameness. */
#include "expect.h"

static wasm_trap_t *fail(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    (void)args;
    (void)results;
    wasm_message_t message;
    wasm_name_new_from_string_nt(&message, "it did not work");
    wasm_trap_t *trap = wasm_trap_new(env, &message);
    wasm_name_delete(&message);
    return trap;
}

static bool message_is(const wasm_trap_t *trap, const char *text)
{
    wasm_message_t message;
    wasm_trap_message(trap, &message);
    bool is_it = message.size == strlen(text) + 1 && memcmp(message.data, text, message.size) == 0;
    wasm_name_delete(&message);
    return is_it;
}

int main(void)
{
    wasm_engine_t *engine = wasm_engine_new();
    wasm_store_t *store = wasm_store_new(engine);
    wasm_functype_t *type = wasm_functype_new_0_1(wasm_valtype_new_i32());
    wasm_func_t *func = wasm_func_new_with_env(store, type, fail, store, NULL);
    wasm_functype_delete(type);
    wasm_extern_t *list[] = {wasm_func_as_extern(func)};
    wasm_extern_vec_t imports = WASM_ARRAY_VEC(list), exports;
    wasm_instance_t *instance = instance_of(store, "trap", &imports);
    wasm_func_delete(func);
    wasm_instance_exports(instance, &exports);

    wasm_trap_t *trap = trap_of(func_at(&exports, 0), 0, NULL);
    EXPECT(message_is(trap, "it did not work"));
    wasm_frame_vec_t trace, copy;
    wasm_trap_trace(trap, &trace);
    EXPECT(trace.size == 2);
    EXPECT(wasm_frame_func_index(trace.data[0]) == 1 && wasm_frame_func_index(trace.data[1]) == 2);
    EXPECT(wasm_frame_func_offset(trace.data[0]) == 0); /* both begin with their call */
    EXPECT(wasm_frame_module_offset(trace.data[0]) < wasm_frame_module_offset(trace.data[1]));
    EXPECT(wasm_frame_instance(trace.data[0]) == instance);
    wasm_frame_vec_copy(&copy, &trace);
    wasm_frame_vec_delete(&trace);
    EXPECT(copy.size == 2 && wasm_frame_func_index(copy.data[1]) == 2);
    wasm_frame_vec_delete(&copy);
    wasm_trap_t *same = wasm_trap_copy(trap);
    EXPECT(wasm_trap_same(trap, same));
    wasm_trap_delete(same);

    wasm_trap_t *other = trap_of(func_at(&exports, 1), 0, NULL);
    EXPECT(message_is(other, "unreachable") && !wasm_trap_same(trap, other));
    wasm_frame_t *origin = wasm_trap_origin(other), *origin_copy = wasm_frame_copy(origin);
    EXPECT(origin != NULL && wasm_frame_func_index(origin) == 3 && wasm_frame_func_offset(origin) == 1);
    wasm_frame_delete(origin);
    EXPECT(wasm_frame_func_offset(origin_copy) == 1);
    wasm_frame_delete(origin_copy);
    wasm_trap_delete(other);
    wasm_trap_delete(trap);

    /* Whoever knows that there will be no results need not have room for them. */
    wasm_val_vec_t none = WASM_EMPTY_VEC;
    trap = wasm_func_call(func_at(&exports, 1), &none, &none);
    EXPECT(message_is(trap, "unreachable"));
    wasm_trap_delete(trap);

    /* A trap that has not been thrown has no frames. */
    wasm_trap_t *fresh = fail(store, NULL, NULL);
    EXPECT(wasm_trap_origin(fresh) == NULL);
    wasm_trap_trace(fresh, &trace);
    EXPECT(trace.size == 0);
    wasm_trap_delete(fresh);

    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return 0;
}

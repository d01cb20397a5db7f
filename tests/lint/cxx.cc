/* A program in C++17 with both faces: waggle.h with its promises, values, host functions and a worker, and wasm.h. It
 * prints what it has found and ends with 0 when all is as it should be. */
#include <cstdio>
#include <cstring>

#include <waggle.h>
#include <waggle/wasm_ext.h>

/* (module (import "host" "next" (func (param i32) (result i32)))
 *   (func (export "call") (param i32) (result i32) (call 0 (local.get 0)))) */
static const uint8_t bytes[] = {0, 'a', 's', 'm', 1,   0,    0,    0,   1,   6,   1,   0x60, 1, 0x7F, 1, 0x7F, 2,
                                13, 1, 4,  'h', 'o', 's', 't', 4, 'n', 'e', 'x', 't', 0, 0, 3, 2, 1, 0, 7, 8, 1, 4,
                                'c', 'a', 'l', 'l', 0,   1,   10,   8,    1,   6,   0,   0x20, 0,    0x10, 0, 0x0B};
static const wag_bytes source = {bytes, sizeof bytes};

static int failures;

static void check(bool holds, const char *what)
{
    std::printf("%s: %s\n", holds ? "yes" : "no", what);
    failures += !holds;
}

static WAG_OWNER_THREAD wag_error *next(void *, const wag_val *args, wag_val *results)
{
    results[0] = WAG_VAL_I32(args[0].of.i32 + 1);
    return nullptr;
}

static WAG_OWNER_THREAD int32_t call(wag_instance *instance, int32_t number)
{
    const wag_val arg = WAG_VAL_I32(number);
    wag_val result = WAG_VAL_I32(0);
    wag_call(wag_exports_func(wag_instance_exports(instance), "call"), &arg, 1, &result, 1, nullptr);
    return result.of.i32;
}

static WAG_OWNER_THREAD wag_imports *imports_with_next(void)
{
    wag_imports *imports = wag_imports_new();
    wag_imports_set_func(imports, "host", "next", "(i32) -> (i32)", next, nullptr, nullptr);
    return imports;
}

static WAG_OWNER_THREAD void from_bytes(void)
{
    wag_imports *imports = imports_with_next();
    wag_promise_source *promise = wag_instantiate(source, imports);
    wag_instantiated_source made = {nullptr, nullptr};
    check(wag_poll(promise) == WAG_PENDING, "a promise is pending at first");
    check(wag_await(promise, &made, nullptr) == WAG_OK, "bytes are instantiated");
    check(call(made.instance, 41) == 42, "a host function of C++ is called");
    wag_promise_unref(promise);

    wag_promise_instance *second = wag_instantiate(made.module, imports);
    wag_instance *instance = nullptr;
    check(wag_await_for(second, 60000, &instance, nullptr) == WAG_OK && call(instance, 1) == 2, "so is the module");
    wag_promise_unref(second);
    wag_instance_unref(instance);
    wag_instantiated_source_unref(made);
    wag_imports_unref(imports);
}

static bool received;

static WAG_OWNER_THREAD void on_message(void *self, wag_value message)
{
    wag_scope_post_message(static_cast<wag_worker_scope *>(self), message, nullptr);
    wag_scope_close(static_cast<wag_worker_scope *>(self));
}

static WAG_OWNER_THREAD void worker(wag_worker_scope *self, void *)
{
    wag_scope_on_message(self, on_message, self);
}

static WAG_OWNER_THREAD void on_answer(void *module, wag_value message)
{
    received = message.kind == WAG_VALUE_MODULE && message.of.module == module;
}

static WAG_OWNER_THREAD void to_a_worker(void)
{
    wag_module *module = nullptr;
    wag_worker *handle = nullptr;
    wag_worker_options options = wag_worker_options();
    options.entry = worker;
    check(wag_module_new(source, nullptr, &module, nullptr) == WAG_OK, "a module compiles");
    check(wag_worker_new(&options, &handle, nullptr) == WAG_OK, "a worker starts");
    wag_worker_on_message(handle, on_answer, module);
    wag_worker_post_message(handle, WAG_MODULE(module), nullptr);
    wag_agent_run();
    check(received, "the module comes back");
    wag_worker_free(handle);
    wag_module_unref(module);
}

static WAG_OWNER_THREAD void values(void)
{
    wag_value map = wag_map(), number = WAG_NUMBER(1.5), nothing = WAG_UNDEFINED;
    wag_map_set_n(map, WAG_NAME("a\0b"), number);
    check(wag_map_get_n(map, WAG_NAME("a\0b")).of.number == 1.5, "a name may have a NUL in it");
    check(nothing.kind == WAG_VALUE_UNDEFINED && WAG_BOOL(true).of.boolean && WAG_BIGINT(7).of.bigint == 7,
          "values are made of their kinds");
    wag_value_unref(map);
}

static wasm_trap_t *wasm_next(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    results->data[0].kind = WASM_I32;
    results->data[0].of.i32 = args->data[0].of.i32 + 1;
    return nullptr;
}

static WAG_OWNER_THREAD void the_standards_face(void)
{
    wasm_engine_t *engine = wasm_engine_new();
    wasm_store_t *store = wasm_store_new(engine);
    wasm_byte_vec_t binary;
    wasm_byte_vec_new(&binary, sizeof bytes, reinterpret_cast<const char *>(bytes));
    wasm_module_t *module = wasm_module_new(store, &binary);
    wasm_functype_t *type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
    wasm_func_t *func = wasm_func_new(store, type, wasm_next);
    wasm_extern_t *externs[] = {wasm_func_as_extern(func)};
    wasm_extern_vec_t imports = WASM_ARRAY_VEC(externs), exports = WASM_EMPTY_VEC;
    wasm_instance_t *instance = wasm_instance_new(store, module, &imports, nullptr);
    check(instance, "wasm.h: an instance");
    wasm_instance_exports(instance, &exports);
    wasm_val_t args[] = {WASM_I32_VAL(41)}, outs[] = {WASM_INIT_VAL};
    wasm_val_vec_t in = WASM_ARRAY_VEC(args), out = WASM_ARRAY_VEC(outs);
    wasm_trap_t *trap = wasm_func_call(wasm_extern_as_func(exports.data[0]), &in, &out);
    check(!trap && outs[0].of.i32 == 42, "wasm.h: a call");
    check(wag_wasm_module(module) != nullptr && !wag_wasm_last_error(store), "wasm.h: its extension");
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_func_delete(func);
    wasm_functype_delete(type);
    wasm_module_delete(module);
    wasm_byte_vec_delete(&binary);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
}

int main()
{
    wag_assume_owner_thread();
    from_bytes();
    to_a_worker();
    values();
    the_standards_face();
    return failures != 0;
}

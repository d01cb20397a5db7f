/* What gdb and perf are told of native code. The test of gdb runs this program under gdb, as `test_debug --child`. */
#include "tests/support/check.h"

#include <inttypes.h>

#include "exec/gdb_jit.h"
#include "exec/native.h"
#include "runtime/agent.h"
#include "tests/support/big.h"

#define WAT_TEXT                                                                                                       \
    "(module (import \"i\" \"g\" (func $g (param i32) (result i32)))"                                                  \
    " (func $inner_of_wasm (param i32) (result i32) (loop (result i32) (i32.add (call $g (local.get 0)) (i32.const "   \
    "1))))"                                                                                                            \
    " (func $outer_of_wasm (export \"f\") (param i32) (result i32) (local i64)"                                        \
    "  (i32.mul (call $inner_of_wasm (i32.add (local.get 0) (i32.const 2))) (i32.sub (local.get 0) (i32.const 5)))))"

/* ---- the program that gdb looks at ---- */

static volatile int stops;

__attribute__((noinline)) static wag_error *host_function_of_test(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    stops++;
    results[0] = WAG_VAL_I32(args[0].of.i32 + 100);
    return NULL;
}

__attribute__((noinline)) static void after_the_module(void)
{
    stops++;
}

__attribute__((noinline)) static int call_wasm_of_test(wag_instance *instance)
{
    wag_val args[1] = {WAG_VAL_I32(7)}, result;
    if (wag_call(wag_exports_func(wag_instance_exports(instance), "f"), args, 1, &result, 1, NULL) != WAG_OK)
        return 1;
    stops++; /* no tail call */
    return result.of.i32 == 220 ? 0 : 2;
}

/* path: the file with the module. */
static int child(const char *path)
{
    static uint8_t bytes[4096];
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (file)
        fclose(file);
    wag_cluster *cluster;
    wag_module *module;
    wag_instance *instance;
    wag_imports *imports = NULL; /* made behind the agent, which it belongs to */
    if (wag_cluster_new(&(wag_cluster_options){.gdb_jit = true}, &cluster) != WAG_OK ||
        wag_agent_open(cluster) != WAG_OK ||
        wag_module_new((wag_bytes){bytes, size}, &(wag_compile_options){.cluster = cluster, .tier = WAG_TIER_NATIVE},
                       &module, NULL) != WAG_OK ||
        !(imports = wag_imports_new()) ||
        wag_imports_set_func(imports, "i", "g", NULL, host_function_of_test, NULL, NULL) != WAG_OK ||
        wag_instance_new(module, imports, &instance, NULL) != WAG_OK)
        return 3;
    int failed = call_wasm_of_test(instance);
    wag_instance_unref(instance);
    wag_module_unref(module);
    wag_imports_unref(imports);
    wag_agent_close();
    after_the_module();
    wag_cluster_unref(cluster);
    return failed;
}

/* ---- gdb ---- */

/* The command's output. False: it ended with an error. free *ret_text. */
static bool output_of(const char *command, char **ret_text)
{
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t size = 0, capacity = 1 << 16;
    char *text = malloc(capacity);
    assert_non_null(text);
    for (size_t got; size + 1 < capacity && (got = fread(text + size, 1, capacity - size - 1, pipe)) > 0;)
        size += got;
    text[size] = 0;
    *ret_text = text;
    return pclose(pipe) == 0;
}

static const char *own_path(void)
{
    static char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
    assert_true(size > 0);
    path[size] = 0;
    return path;
}

/* Does gdb start a program here? Containers may forbid ptrace. */
static bool have_gdb(void)
{
    char *text;
    output_of("gdb -nx -batch -ex 'run' -ex 'info inferiors' --args /bin/true 2>&1", &text);
    bool works = strstr(text, "exited normally") != NULL;
    free(text);
    return works;
}

static void write_module(char *path)
{
    char command[256];
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    /* with a name section, which wat() leaves out */
    char source[] = "/tmp/waggle-debug-XXXXXX";
    file = mkstemp(source);
    assert_true(file >= 0);
    assert_int_equal(write(file, WAT_TEXT, sizeof WAT_TEXT - 1), (ssize_t)sizeof WAT_TEXT - 1);
    close(file);
    snprintf(command, sizeof command, "wat2wasm --debug-names %s -o %s", source, path);
    assert_int_equal(system(command), 0);
    unlink(source);
}

/* All names are in the text, in this order. */
static void assert_order(const char *text, const char *const *names, size_t count)
{
    const char *at = text;
    for (size_t i = 0; i < count; i++) {
        at = strstr(at, names[i]);
        if (!at)
            fail_msg("%s is missing, or not in this place, in:\n%s", names[i], text);
        at += strlen(names[i]);
    }
}

static void test_gdb_names_wasm_functions_in_a_backtrace_through_them(void **state)
{
    (void)state;
    if (!wagi_native_available())
        skip();
    if (!have_gdb()) {
        print_message("skipped: gdb is absent or may not trace a program here\n");
        skip();
    }
    char path[] = "/tmp/waggle-debug-XXXXXX", command[8192], *text;
    write_module(path);
    /* LeakSanitizer, in a build that has it, cannot look at a process that is traced. */
    snprintf(command, sizeof command,
             "gdb -nx -batch -ex 'set pagination off' -ex 'set confirm off' "
             "-ex 'set environment ASAN_OPTIONS detect_leaks=0' -ex 'break host_function_of_test' "
             "-ex 'break after_the_module' -ex run -ex bt -ex 'echo ---first---\\n' -ex continue "
             "-ex 'info symbol inner_of_wasm' -ex 'echo ---second---\\n' -ex continue --args %s --child %s 2>&1",
             own_path(), path);
    output_of(command, &text);
    static const char *const frames[] = {
        "#0",         "host_function_of_test", "wasm-exit", "inner_of_wasm", "outer_of_wasm",
        "wasm-entry", "call_wasm_of_test",     "main",      "---first---"};
    assert_order(text, frames, sizeof frames / sizeof *frames);
    /* after the module: the names are gone, the program ends well */
    static const char *const rest[] = {"---first---", "after_the_module", "No symbol \"inner_of_wasm\"", "---second---",
                                       "exited normally"};
    assert_order(text, rest, sizeof rest / sizeof *rest);
    free(text);
    unlink(path);
}

/* ---- in this process ---- */

static wag_cluster *cluster_with(bool perf_map, bool gdb_jit)
{
    wag_cluster *cluster;
    ASSERT_OK(wag_cluster_new(&(wag_cluster_options){.perf_map = perf_map, .gdb_jit = gdb_jit}, &cluster));
    return cluster;
}

static wag_module *native_module(wag_cluster *cluster, const build *b)
{
    wag_module *module = NULL;
    wag_compile_options options = {.cluster = cluster, .tier = WAG_TIER_NATIVE};
    ASSERT_OK(wag_module_new(build_bytes(b), &options, &module, NULL));
    return module;
}

static void test_modules_are_registered_with_gdb_until_they_are_freed(void **state)
{
    (void)state;
    if (!wagi_native_available())
        skip();
    build b = big_module(5, 10, BIG_FINE);
    wag_cluster *cluster = cluster_with(false, true);
    wag_module *modules[3];
    assert_int_equal(wagi_gdb_jit_count(), 0);
    for (int i = 0; i < 3; i++)
        modules[i] = native_module(cluster, &b);
    assert_int_equal(wagi_gdb_jit_count(), 3);
    wag_module_unref(modules[1]); /* from the middle */
    assert_int_equal(wagi_gdb_jit_count(), 2);
    wag_module_unref(modules[2]);
    wag_module_unref(modules[0]);
    assert_int_equal(wagi_gdb_jit_count(), 0);
    wag_cluster_unref(cluster);
    build_free(&b);
}

static void perf_path(char *path, size_t size)
{
    snprintf(path, size, "/tmp/perf-%ld.map", (long)getpid());
}

static void test_nothing_is_told_unless_asked_for(void **state)
{
    (void)state;
    if (!wagi_native_available())
        skip();
    char path[64];
    perf_path(path, sizeof path);
    unlink(path);
    build b = big_module(5, 10, BIG_FINE);
    wag_module *module = native_module(NULL, &b);
    assert_int_equal(wagi_gdb_jit_count(), 0);
    assert_int_equal(access(path, F_OK), -1);
    wag_module_unref(module);
    build_free(&b);
}

/* The line of the map whose range holds the address. False: none. */
static bool map_line(const char *path, uintptr_t address, uintptr_t *ret_start, size_t *ret_size, char name[256])
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    bool found = false;
    uintptr_t start;
    size_t size;
    char text[256];
    while (fscanf(file, "%" SCNxPTR " %zx %255[^\n]\n", &start, &size, text) == 3)
        if (address - start < size) { /* the last one counts */
            found = true;
            *ret_start = start;
            *ret_size = size;
            memcpy(name, text, sizeof text);
        }
    assert_true(feof(file)); /* each line could be read */
    fclose(file);
    return found;
}

static void test_the_perf_map_has_each_function_with_its_name_and_range(void **state)
{
    (void)state;
    if (!wagi_native_available())
        skip();
    char map[64], path[] = "/tmp/waggle-debug-XXXXXX", name[256];
    perf_path(map, sizeof map);
    unlink(map);
    write_module(path);
    build named = {0}, nameless = big_module(30, 10, BIG_FINE);
    build_room(&named, 4096);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    named.size = fread(named.data, 1, 4096, file);
    fclose(file);
    unlink(path);
    wag_cluster *cluster = cluster_with(true, false);
    wag_module *modules[2] = {native_module(cluster, &named), native_module(cluster, &nameless)};
    for (int m = 0; m < 2; m++) {
        const wagi_code *code = modules[m]->tier_data;
        for (uint32_t i = 0; i < code->image.func_count; i++) {
            const wagi_func_code *func = &code->image.funcs[i];
            uintptr_t start = 0, at = (uintptr_t)code->image.code + func->start;
            size_t size = 0;
            char want[256];
            assert_true(map_line(map, at + func->size / 2, &start, &size, name));
            assert_true(start == at);
            assert_int_equal(size, func->size);
            if (m == 0)
                snprintf(want, sizeof want, "%s", i == 0 ? "inner_of_wasm" : "outer_of_wasm");
            else
                snprintf(want, sizeof want, "wasm-function[%u]", (unsigned)func->func_index);
            assert_string_equal(name, want);
        }
        uintptr_t start = 0;
        size_t size = 0;
        assert_true(map_line(map, (uintptr_t)code->image.code + code->image.code_size - 1, &start, &size, name));
        assert_string_equal(name, "wasm-stubs");
    }
    wag_module_unref(modules[0]);
    wag_module_unref(modules[1]);
    wag_cluster_unref(cluster);
    unlink(map);
    build_free(&named);
    build_free(&nameless);
}

static void test_a_link_in_the_maps_place_is_not_written_through(void **state)
{
    (void)state;
    if (!wagi_native_available())
        skip();
    char map[64], target[] = "/tmp/waggle-debug-XXXXXX";
    perf_path(map, sizeof map);
    unlink(map);
    int file = mkstemp(target);
    assert_true(file >= 0);
    assert_int_equal(symlink(target, map), 0);
    build b = big_module(5, 10, BIG_FINE);
    wag_cluster *cluster = cluster_with(true, false);
    wag_module *module = native_module(cluster, &b); /* compiles all the same */
    assert_int_equal(lseek(file, 0, SEEK_END), 0);
    wag_module_unref(module);
    wag_cluster_unref(cluster);
    close(file);
    unlink(target);
    unlink(map);
    build_free(&b);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--child") == 0)
        return child(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gdb_names_wasm_functions_in_a_backtrace_through_them),
        cmocka_unit_test(test_modules_are_registered_with_gdb_until_they_are_freed),
        cmocka_unit_test(test_nothing_is_told_unless_asked_for),
        cmocka_unit_test(test_the_perf_map_has_each_function_with_its_name_and_range),
        cmocka_unit_test(test_a_link_in_the_maps_place_is_not_written_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The demos as a user runs them: their output, and what they say when something is wrong. */
#define _GNU_SOURCE
#include <sys/wait.h>

#include "tests/support/check.h"

#define MAIN_WORKER WAG_TEST_BUILD "/demos/main_worker/main_worker"
#define INSTANTIATE_BYTES WAG_TEST_BUILD "/demos/instantiate_bytes/instantiate_bytes"

typedef struct run {
    int status;
    char output[16384]; /* standard output and standard error */
} run;

static void run_command(run *result, const char *command)
{
    char line[2048];
    snprintf(line, sizeof line, "%s 2>&1", command);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    size_t size = fread(result->output, 1, sizeof result->output - 1, pipe);
    result->output[size] = 0;
    int status = pclose(pipe);
    result->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int count_lines(const char *text, const char *line)
{
    int count = 0;
    size_t size = strlen(line);
    for (const char *at = text; *at;) {
        const char *end = strchr(at, '\n');
        size_t length = end ? (size_t)(end - at) : strlen(at);
        count += length == size && memcmp(at, line, size) == 0;
        at += length + (end != NULL);
    }
    return count;
}

static void assert_says(const run *result, const char *words)
{
    if (!strstr(result->output, words))
        fail_msg("wanted \"%s\" in: %s", words, result->output);
}

static void write_file(const char *path, wag_bytes bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
    fclose(file);
}

static void test_the_pair_prints_three_lines_for_each_of_two_workers(void **state)
{
    (void)state;
    run result;
    run_command(&result, MAIN_WORKER);
    assert_int_equal(result.status, 0);
    for (int i = 1; i <= 2; i++) {
        char line[128];
        snprintf(line, sizeof line, "worker %d: module received from main thread", i);
        assert_int_equal(count_lines(result.output, line), 1);
        snprintf(line, sizeof line, "worker %d: 42", i);
        assert_int_equal(count_lines(result.output, line), 1);
        snprintf(line, sizeof line, "worker %d: first export is {name: \"exported_func\", kind: \"function\"}", i);
        assert_int_equal(count_lines(result.output, line), 1);
    }
    assert_null(strstr(result.output, "worker 3"));
}

static void test_the_pair_starts_as_many_workers_as_asked(void **state)
{
    (void)state;
    run result;
    run_command(&result, MAIN_WORKER " -n 7");
    assert_int_equal(result.status, 0);
    for (int i = 1; i <= 7; i++) {
        char line[128];
        snprintf(line, sizeof line, "worker %d: 42", i);
        assert_int_equal(count_lines(result.output, line), 1);
    }
    run_command(&result, MAIN_WORKER " -n 0");
    assert_int_equal(result.status, 2);
    assert_says(&result, "usage:");
}

static void test_a_missing_file_is_named(void **state)
{
    (void)state;
    run result;
    run_command(&result, MAIN_WORKER " /nonexistent/file.wasm");
    assert_int_equal(result.status, 1);
    assert_says(&result, "/nonexistent/file.wasm: No such file or directory");
    run_command(&result, INSTANTIATE_BYTES " /nonexistent/file.wasm");
    assert_int_equal(result.status, 1);
    assert_says(&result, "/nonexistent/file.wasm: No such file or directory");
}

static void test_a_bad_module_is_a_compile_error_with_its_byte(void **state)
{
    (void)state;
    char path[] = "/tmp/waggle-demo-XXXXXX", command[256];
    assert_true(close(mkstemp(path)) == 0);
    static const uint8_t bad[] = {0, 'a', 's', 'm', 2, 0, 0, 0};
    write_file(path, (wag_bytes){bad, sizeof bad});
    static const char *const programs[] = {MAIN_WORKER, INSTANTIATE_BYTES};
    for (size_t i = 0; i < 2; i++) {
        run result;
        snprintf(command, sizeof command, "%s %s", programs[i], path);
        run_command(&result, command);
        assert_int_equal(result.status, 1);
        assert_says(&result, "CompileError: ");
        assert_says(&result, "byte 4");
    }
    unlink(path);
}

static void test_a_missing_import_is_named(void **state)
{
    (void)state;
    char path[] = "/tmp/waggle-demo-XXXXXX", command[256];
    assert_true(close(mkstemp(path)) == 0);
    wag_bytes bytes = wat("(module (import \"my_namespace\" \"something_else\" (func)))");
    write_file(path, bytes);
    wat_free(bytes);
    static const char *const programs[] = {MAIN_WORKER, INSTANTIATE_BYTES};
    for (size_t i = 0; i < 2; i++) {
        run result;
        snprintf(command, sizeof command, "%s %s", programs[i], path);
        run_command(&result, command);
        assert_int_equal(result.status, 1);
        assert_says(&result, "LinkError: ");
        assert_says(&result, "\"my_namespace\".\"something_else\"");
    }
    unlink(path);
}

static void test_the_first_example_prints_42(void **state)
{
    (void)state;
    run result;
    run_command(&result, INSTANTIATE_BYTES);
    assert_int_equal(result.status, 0);
    assert_string_equal(result.output, "42\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_pair_prints_three_lines_for_each_of_two_workers),
        cmocka_unit_test(test_the_pair_starts_as_many_workers_as_asked),
        cmocka_unit_test(test_a_missing_file_is_named),
        cmocka_unit_test(test_a_bad_module_is_a_compile_error_with_its_byte),
        cmocka_unit_test(test_a_missing_import_is_named),
        cmocka_unit_test(test_the_first_example_prints_42),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

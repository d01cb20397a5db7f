/* Any bytes are a module or an error: decode, validate, compile, ask everything, free; nothing may be left over. And
 * they are the same module or error when they come byte by byte. */
#include <stdio.h>
#include <stdlib.h>

#include "binary/fail.h"
#include "runtime/agent.h"
#include "tests/support/streamed.h"
#include "waggle/module.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* A lock-free sum of what is read, so that every byte is touched and nothing is optimised away. */
static volatile size_t sink;

static void touch(const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sink += ((const uint8_t *)bytes)[i];
}

static void ask_externs(const wag_module *module)
{
    wag_export_desc export;
    for (size_t i = 0; wag_module_export_at(module, i, &export); i++) {
        touch(export.name.data, export.name.size);
        wag_text_free(wag_module_export_type(module, i));
        require(wagi_module_find_export(module->data, export.name) == i, "an export is found by its name");
    }
    wag_import_desc import;
    for (size_t i = 0; wag_module_import_at(module, i, &import); i++) {
        touch(import.module.data, import.module.size);
        touch(import.name.data, import.name.size);
        wag_text_free(wag_module_import_type(module, i));
    }
}

static void ask_contents(const wagi_module_data *data)
{
    for (uint32_t i = 0; i < data->func_count; i++) {
        wag_name name = wagi_module_func_name(data, i);
        touch(name.data, name.size);
        require(data->func_ref_slot[i] == WAGI_NO_INDEX || data->func_ref_slot[i] < data->func_ref_count,
                "reference slots are dense");
    }
    for (uint32_t i = data->func_import_count; i < data->func_count; i++) {
        const wagi_func_body *body = wagi_module_body(data, i);
        require(body->func_index == i && body->code < body->end && body->end[-1] == 0x0B, "a body ends with `end`");
        touch(body->side, body->side_count * sizeof *body->side);
        touch(body->local_runs, body->local_run_count * sizeof *body->local_runs);
    }
    for (uint32_t i = 0; i < data->data_count; i++)
        touch(data->datas[i].bytes.data, data->datas[i].bytes.size);
    for (uint32_t i = 0; i < data->custom_count; i++)
        touch(data->customs[i].bytes.data, data->customs[i].bytes.size);
}

static void check_error(wag_error *error, wag_err err, size_t size)
{
    size_t offset;
    require(wag_error_code(error) == err, "the code is the error's");
    require(wag_error_get_class(error) == WAG_CLASS_COMPILE_ERROR, "it is a CompileError");
    require(wag_error_offset(error, &offset) && offset <= size, "the offset is in the module");
    wag_error_unref(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wag_cluster *cluster = wag_cluster_default();
    wag_bytes bytes = {data, size};
    wag_module *module;
    wag_error *error;
    wag_err err = wag_module_new(bytes, NULL, &module, &error);
    bool valid = wag_validate(bytes, NULL);
    require(valid == (err == WAG_OK || err == WAG_UNSUPPORTED), "validate agrees");
    if (err == WAG_OK) {
        ask_externs(module);
        ask_contents(module->data);
        wag_module_unref(module);
    } else {
        check_error(error, err, size);
    }
    const char *difference = streamed_difference(bytes, cluster, WAG_TIER_DEFAULT, 1 + size / 50000);
    require(!difference, difference ? difference : "");
    require(wagi_registry_group_count(cluster->registry) == 0, "no type is left");
    require(wagi_module_live_count() == 0, "no module is left");
    return 0;
}

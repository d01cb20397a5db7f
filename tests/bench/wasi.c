/* A minimal WASI preview 1 as host functions (wasi.h). */
#define _POSIX_C_SOURCE 200809L
#include "wasi.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { E_SUCCESS = 0, E_BADF = 8, E_FAULT = 21, E_NOMEM = 48, E_SPIPE = 70 };
enum { FILETYPE_CHARACTER_DEVICE = 2, RIGHT_FD_WRITE = 1 << 6 };

/* Guest memory: every access is checked by the library; wasm is little-endian and so are the bytes here. */
static bool put(const wasi *w, uint32_t address, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(value >> 8 * i);
    }
    return w->memory != NULL && wag_memory_write(w->memory, address, bytes, size) == WAG_OK;
}

static bool get32(const wasi *w, uint32_t address, uint32_t *ret_value)
{
    uint8_t b[4];
    if (w->memory == NULL || wag_memory_read(w->memory, address, b, sizeof b) != WAG_OK) {
        return false;
    }
    *ret_value = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    return true;
}

static wag_error *answer(wag_val *results, int code)
{
    results[0].of.i32 = code;
    return NULL;
}

/* Keep `size` bytes of the guest as output. */
static int take(wasi *w, uint32_t address, uint32_t size)
{
    if (w->output_size + size > w->output_room) {
        size_t room = (w->output_size + size) * 2;
        char *bigger = realloc(w->output, room);
        if (bigger == NULL) {
            return E_NOMEM;
        }
        w->output = bigger;
        w->output_room = room;
    }
    if (wag_memory_read(w->memory, address, w->output + w->output_size, size) != WAG_OK) {
        return E_FAULT;
    }
    w->output_size += size;
    return E_SUCCESS;
}

/* (fd, iovs, iov count, ret_written) */
static wag_error *fd_write(void *context, const wag_val *args, wag_val *results)
{
    wasi *w = context;
    uint32_t at = (uint32_t)args[1].of.i32, count = (uint32_t)args[2].of.i32, written = 0;
    if (args[0].of.i32 != 1 && args[0].of.i32 != 2) {
        return answer(results, E_BADF);
    }
    for (uint32_t i = 0; i < count; i++, at += 8) {
        uint32_t address, size;
        if (!get32(w, at, &address) || !get32(w, at + 4, &size)) {
            return answer(results, E_FAULT);
        }
        int code = take(w, address, size);
        if (code != E_SUCCESS) {
            return answer(results, code);
        }
        written += size;
    }
    return answer(results, put(w, (uint32_t)args[3].of.i32, written, 4) ? E_SUCCESS : E_FAULT);
}

static wag_error *fd_close(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    return answer(results, args[0].of.i32 >= 0 && args[0].of.i32 <= 2 ? E_SUCCESS : E_BADF);
}

static wag_error *fd_seek(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    return answer(results, args[0].of.i32 >= 0 && args[0].of.i32 <= 2 ? E_SPIPE : E_BADF);
}

/* (fd, ret_stat): a terminal, so that the C library writes line by line. */
static wag_error *fd_fdstat_get(void *context, const wag_val *args, wag_val *results)
{
    const wasi *w = context;
    uint32_t at = (uint32_t)args[1].of.i32;
    if (args[0].of.i32 < 0 || args[0].of.i32 > 2) {
        return answer(results, E_BADF);
    }
    bool done = put(w, at, FILETYPE_CHARACTER_DEVICE, 8) && put(w, at + 8, RIGHT_FD_WRITE, 8) && put(w, at + 16, 0, 8);
    return answer(results, done ? E_SUCCESS : E_FAULT);
}

/* (ret_count, ret_bytes), for arguments and environment */
static wag_error *sizes_get(void *context, const wag_val *args, wag_val *results)
{
    const wasi *w = context;
    bool done = put(w, (uint32_t)args[0].of.i32, 0, 4) && put(w, (uint32_t)args[1].of.i32, 0, 4);
    return answer(results, done ? E_SUCCESS : E_FAULT);
}

static wag_error *nothing_get(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    (void)args;
    return answer(results, E_SUCCESS);
}

/* (clock, precision, ret_time) */
static wag_error *clock_time_get(void *context, const wag_val *args, wag_val *results)
{
    struct timespec now;
    clock_gettime(args[0].of.i32 == 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
    uint64_t nanoseconds = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return answer(results, put(context, (uint32_t)args[2].of.i32, nanoseconds, 8) ? E_SUCCESS : E_FAULT);
}

/* (address, size) */
static wag_error *random_get(void *context, const wag_val *args, wag_val *results)
{
    wasi *w = context;
    uint32_t at = (uint32_t)args[0].of.i32, size = (uint32_t)args[1].of.i32;
    for (uint32_t i = 0; i < size; i++) {
        w->random = w->random * 6364136223846793005u + 1442695040888963407u;
        if (!put(w, at + i, w->random >> 56, 1)) {
            return answer(results, E_FAULT);
        }
    }
    return answer(results, E_SUCCESS);
}

static wag_error *proc_exit(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    (void)results;
    return wag_error_new(WAG_CLASS_ERROR, "exit with status %d", (int)args[0].of.i32);
}

wag_err wasi_provide(wasi *w, wag_imports *imports)
{
    static const struct {
        const char *name, *signature;
        wag_host_func func;
    } functions[] = {
        {"fd_write", "(i32 i32 i32 i32) -> (i32)", fd_write},
        {"fd_close", "(i32) -> (i32)", fd_close},
        {"fd_seek", "(i32 i64 i32 i32) -> (i32)", fd_seek},
        {"fd_fdstat_get", "(i32 i32) -> (i32)", fd_fdstat_get},
        {"args_sizes_get", "(i32 i32) -> (i32)", sizes_get},
        {"args_get", "(i32 i32) -> (i32)", nothing_get},
        {"environ_sizes_get", "(i32 i32) -> (i32)", sizes_get},
        {"environ_get", "(i32 i32) -> (i32)", nothing_get},
        {"clock_time_get", "(i32 i64 i32) -> (i32)", clock_time_get},
        {"random_get", "(i32 i32) -> (i32)", random_get},
        {"proc_exit", "(i32)", proc_exit},
    };
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        wag_err err = wag_imports_set_func(imports, "wasi_snapshot_preview1", functions[i].name, functions[i].signature,
                                           functions[i].func, w, NULL);
        if (err != WAG_OK) {
            return err;
        }
    }
    return WAG_OK;
}

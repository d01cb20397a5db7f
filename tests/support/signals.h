/* For tests of signals: a module with every trap, a host function that crashes, and what scenes in children need. */
#ifndef TESTS_SUPPORT_SIGNALS_H
#define TESTS_SUPPORT_SIGNALS_H

#include "tests/support/child.h"

#include <pthread.h>

#include "exec/native.h"
#include "tests/support/sanitized.h"

enum { GOOD = 0, BAD_SETUP = 10, BAD_TRAP, BAD_GO_ON, BAD_HANDLER, BAD_STACK, BAD_PROCESS, BAD_TIER, HANDLED = 42 };

static wag_bytes wasm;

#define TEXT                                                                                                           \
    "(module (import \"env\" \"host\" (func $host (param i32))) (memory (export \"m\") 16 20) (table 4 funcref)"       \
    " (type $v (func)) (data (i32.const 0) \"x\")"                                                                     \
    " (func (export \"load\") (param i32) (drop (i32.load (local.get 0))))"                                            \
    " (func (export \"store\") (param i32) (i32.store (local.get 0) (i32.const 7)))"                                   \
    " (func (export \"host\") (param i32) (call $host (local.get 0)))"                                                 \
    " (func (export \"unreachable\") (param i32) unreachable)"                                                         \
    " (func (export \"divide\") (param i32) (drop (i32.div_u (local.get 0) (i32.const 0))))"                           \
    " (func (export \"overflow\") (param i32) (drop (i32.div_s (i32.const 0x80000000) (i32.const -1))))"               \
    " (func (export \"convert\") (param i32) (drop (i32.trunc_f64_s (f64.const nan))))"                                \
    " (func (export \"table\") (param i32) (drop (table.get 0 (i32.const 4))))"                                        \
    " (func (export \"fill\") (param i32) (memory.fill (i32.const 0x100000) (i32.const 1) (i32.const 1)))"             \
    " (func (export \"null\") (param i32) (call_indirect (type $v) (i32.const 0)))"                                    \
    " (func $deep (export \"deep\") (param i32) (if (local.get 0)"                                                     \
    "   (then (call $deep (i32.sub (local.get 0) (i32.const 1))))"                                                     \
    "   (else (drop (i32.load (i32.const -1))))))"                                                                     \
    " (func $forever (export \"forever\") (param i32) (call $forever (local.get 0)) (call $forever (local.get 0)))"    \
    " (func (export \"spin\") (param i32) (loop $l (br $l))))"

/* ---- the host function ---- */

enum { RETURN, CRASH, OVERFLOW };
static volatile uintptr_t bad_address = 24;
static volatile bool for_ever = true;
static volatile uintptr_t overflow_at;

static inline void overflow(int depth)
{
    volatile char block[1024];
    overflow_at = (uintptr_t)block;
    block[depth % 1024] = 1;
    if (for_ever)
        overflow(depth + 1);
    block[depth % 512] = 2;
}

static inline wag_error *host(void *context, const wag_val *args, wag_val *results)
{
    (void)context;
    (void)results;
    if (args[0].of.i32 == CRASH)
        *(volatile int *)bad_address = 1;
    if (args[0].of.i32 == OVERFLOW)
        overflow(0);
    return NULL;
}

/* ---- in the child ---- */

static inline void need(bool fine, int code)
{
    if (!fine)
        _exit(code);
}

static inline wag_module *compile_in(wag_cluster *cluster, wag_tier tier)
{
    wag_module *module = NULL;
    need(wag_module_new(wasm, &(wag_compile_options){.cluster = cluster, .tier = tier}, &module, NULL) == WAG_OK,
         BAD_SETUP);
    return module;
}

static inline wag_instance *make(wag_module *module)
{
    wag_imports *imports = wag_imports_new();
    wag_instance *instance = NULL;
    need(wag_imports_set_func(imports, "env", "host", "(i32) -> ()", host, NULL, NULL) == WAG_OK, BAD_SETUP);
    need(wag_instance_new(module, imports, &instance, NULL) == WAG_OK, BAD_SETUP);
    wag_imports_unref(imports);
    return instance;
}

static inline wag_err run(const wag_instance *instance, const char *name, int32_t argument)
{
    wag_val args[1] = {WAG_VAL_I32(argument)};
    return wag_call(wag_exports_func(wag_instance_exports(instance), name), args, 1, NULL, 0, NULL);
}

static inline wag_cluster *cluster_with(wag_signals signals, wag_reset_strategy reset)
{
    wag_cluster *cluster;
    wag_cluster_options options = {.signals = signals, .reset = reset, .check_resets = true};
    need(wag_cluster_new(&options, &cluster) == WAG_OK && wag_agent_open(cluster) == WAG_OK, BAD_SETUP);
    return cluster;
}

static inline wag_instance *guarded(void)
{
    wag_module *module = compile_in(NULL, WAG_TIER_NATIVE_GUARD);
    wag_instance *instance = make(module);
    wag_module_unref(module);
    return instance;
}

/* Each trap there is; the instance lives. */
static inline void need_traps(const wag_instance *instance)
{
    static const struct {
        const char *name;
        int32_t argument;
        wag_err trap;
    } traps[] = {
        {"load", 1 << 20, WAG_MEMORY_BOUNDS},   {"load", -1, WAG_MEMORY_BOUNDS},
        {"store", -4, WAG_MEMORY_BOUNDS},       {"unreachable", 0, WAG_UNREACHABLE},
        {"divide", 1, WAG_DIVIDE_BY_ZERO},      {"overflow", 0, WAG_INTEGER_OVERFLOW},
        {"convert", 0, WAG_INVALID_CONVERSION}, {"table", 0, WAG_TABLE_BOUNDS},
        {"fill", 0, WAG_MEMORY_BOUNDS},         {"null", 0, WAG_UNINITIALIZED_ELEMENT},
        {"deep", 100, WAG_MEMORY_BOUNDS},       {"forever", 0, WAG_STACK_OVERFLOW},
    };
    for (size_t i = 0; i < sizeof traps / sizeof *traps; i++) {
        need(run(instance, traps[i].name, traps[i].argument) == traps[i].trap, BAD_TRAP);
        need(run(instance, "host", RETURN) == WAG_OK && run(instance, "store", 4096) == WAG_OK, BAD_GO_ON);
    }
}

static inline void on_thread(void *(*entry)(void *), void *context, size_t stack_bytes)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    need(!stack_bytes || pthread_attr_setstacksize(&attributes, stack_bytes) == 0, BAD_SETUP);
    need(pthread_create(&thread, &attributes, entry, context) == 0, BAD_SETUP);
    pthread_join(thread, NULL);
}

static inline bool has_alternate_stack(void *ret_base)
{
    stack_t now;
    need(sigaltstack(NULL, &now) == 0, BAD_STACK);
    if (now.ss_flags & SS_DISABLE)
        return false;
    memcpy(ret_base, &now.ss_sp, sizeof now.ss_sp);
    return true;
}

/* ---- the group ---- */

static inline int set_up(void **state)
{
    (void)state;
    wasm = wat(TEXT);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    wat_free(wasm);
    return 0;
}

#endif

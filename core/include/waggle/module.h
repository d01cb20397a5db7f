/* WebAssembly.Module: compiled code without a store. Immutable, atomically counted, any thread; it may be shared by all
 * threads and outlives the thread and the cluster handle that made it. Source: JS API, "Modules".
 *
 * Example:
 *     wag_module *compiled;
 *     if (wag_module_new(bytes, NULL, &compiled, NULL) != WAG_OK)
 *         return 1;
 *     wag_export_desc export;
 *     for (size_t i = 0; wag_module_export_at(compiled, i, &export); i++)
 *         printf("%s %.*s\n", wag_extern_kind_name(export.kind), (int)export.name.size, export.name.data);
 *     wag_module_unref(compiled);
 */
#ifndef WAGGLE_MODULE_H
#define WAGGLE_MODULE_H

#include "waggle/value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An agent cluster: options, limits, compile threads, types. Atomically counted, any thread. */
typedef struct wag_cluster wag_cluster;

/* How a module's code runs. */
typedef enum wag_tier {
    WAG_TIER_DEFAULT,        /* the fastest that can run the module here */
    WAG_TIER_INTERP,         /* the in-place interpreter */
    WAG_TIER_NATIVE,         /* machine code; WAG_UNSUPPORTED when the module or the process cannot have it */
    WAG_TIER_NATIVE_GUARD,   /* with guard pages behind 32-bit memories: no bounds checks, a fault handler */
    WAG_TIER_NATIVE_CHECKED, /* with bounds checks in the code: no fault handler */
} wag_tier;

/* Zero-initialised it means the defaults. */
typedef struct wag_compile_options {
    /* borrow; NULL: the default cluster, whatever the agent of the calling thread is in. A module can be instantiated
     * only by agents of its cluster: whoever calls wag_agent_open with another one gives that one here. */
    wag_cluster *cluster;
    wag_tier tier; /* how it is to run */
} wag_compile_options;

/* What can be imported and exported. */
typedef enum wag_extern_kind {
    WAG_EXTERN_FUNC,
    WAG_EXTERN_TABLE,
    WAG_EXTERN_MEMORY,
    WAG_EXTERN_GLOBAL,
    WAG_EXTERN_TAG,
} wag_extern_kind;

/* "function", "table", "memory", "global", "tag": the JS API's words. Any thread. borrow: static storage. */
WAG_API_ANY_THREAD const char *wag_extern_kind_name(wag_extern_kind kind);

/* Module.exports() / Module.imports() descriptors. Names: borrow, live as long as the module. */
typedef struct wag_export_desc {
    wag_name name;        /* under which it is exported */
    wag_extern_kind kind; /* what it is */
} wag_export_desc;
typedef struct wag_import_desc {
    wag_name module;      /* the namespace that is looked up */
    wag_name name;        /* the field in it */
    wag_extern_kind kind; /* what it has to be */
} wag_import_desc;

/* WebAssembly.validate(): true when the bytes are a valid module. Any thread.
 * A module that is valid but uses a feature that this build cannot run validates and does not compile.
 * bytes: borrow. options: borrow, may be NULL; the cluster says which proposals and limits hold. */
WAG_API_ANY_THREAD bool wag_validate(wag_bytes bytes, const wag_compile_options *options);

/* new WebAssembly.Module(bytes): decode, validate and compile, synchronously. Any thread.
 *  bytes       borrowed; copied before anything is looked at
 *  options     borrowed; NULL: for the default cluster, by the fastest tier
 *  ret_module  own, one reference
 *  Fails with WAG_TYPE (NULL data with a size), WAG_MALFORMED, WAG_INVALID, WAG_LIMIT, WAG_UNSUPPORTED, WAG_NOMEM. */
WAG_API_ANY_THREAD wag_err wag_module_new(wag_bytes bytes, const wag_compile_options *options, wag_module **ret_module,
                                          wag_error **reterr_error);

/* One more reference; returns its argument. NULL is a no-op. */
WAG_API_ANY_THREAD wag_module *wag_module_ref(wag_module *module);
/* One reference less. NULL is a no-op. */
WAG_API_ANY_THREAD void wag_module_unref(wag_module *module);

/* Module.exports(): in the module's order. Any thread. *_at is false when the index is out of range. */
WAG_API_ANY_THREAD size_t wag_module_export_count(const wag_module *module);
WAG_API_ANY_THREAD bool wag_module_export_at(const wag_module *module, size_t index, wag_export_desc *ret_export);
/* Module.imports(): in the module's order. */
WAG_API_ANY_THREAD size_t wag_module_import_count(const wag_module *module);
WAG_API_ANY_THREAD bool wag_module_import_at(const wag_module *module, size_t index, wag_import_desc *ret_import);
/* The type of an export or import in the text format's words, as "(func (param i32) (result i32))", "(memory 1 2)".
 * own: free with wag_text_free. NULL when the index is out of range or memory is out. */
WAG_API_ANY_THREAD char *wag_module_export_type(const wag_module *module, size_t index);
WAG_API_ANY_THREAD char *wag_module_import_type(const wag_module *module, size_t index);
/* Free a text that a function has given as own. NULL is a no-op. */
WAG_API_ANY_THREAD void wag_text_free(char *text);

/* Module.customSections(): how many sections have exactly this name / the index-th one. The JS API gives copies; here
 * the bytes are borrowed from the immutable module and live as long as it. Any thread. */
WAG_API_ANY_THREAD size_t wag_module_custom_section_count(const wag_module *module, wag_name name);
WAG_API_ANY_THREAD bool wag_module_custom_section_at(const wag_module *module, wag_name name, size_t index,
                                                     wag_bytes *ret_bytes);

/* How its code runs: WAG_TIER_INTERP, WAG_TIER_NATIVE_GUARD or WAG_TIER_NATIVE_CHECKED. Any thread. */
WAG_API_ANY_THREAD wag_tier wag_module_tier(const wag_module *module);
/* The source bytes. borrow: live as long as the module. Any thread. */
WAG_API_ANY_THREAD wag_bytes wag_module_bytes(const wag_module *module);

/* SHA-256 of the source bytes: the module's name between processes. Any thread. */
typedef struct wag_digest {
    uint8_t bytes[32]; /* in the order of the standard */
} wag_digest;
/* Write the digest of a module. */
WAG_API_ANY_THREAD void wag_module_digest(const wag_module *module, wag_digest *ret_digest);

/* A form to keep in a file or send to another process: a header with the digest, and the source bytes; no machine code,
 * which would have to be trusted. ret_data: own, free with wag_buffer_free. WAG_TYPE for NULL, WAG_NOMEM. Any thread.
 */
WAG_API_ANY_THREAD wag_err wag_module_serialize(const wag_module *module, uint8_t **ret_data, size_t *ret_size);
/* Free bytes that a function has given as own. NULL is a no-op. */
WAG_API_ANY_THREAD void wag_buffer_free(uint8_t *data);
/* The module of a serialised form: everything is checked, then it is compiled. data: borrow. options and ret_module as
 * wag_module_new; WAG_MALFORMED also for bytes that are no serialised module or have been damaged. */
WAG_API_ANY_THREAD wag_err wag_module_deserialize(wag_bytes data, const wag_compile_options *options,
                                                  wag_module **ret_module, wag_error **reterr_error);

/* ---- cluster: the agent cluster of the specification ---- */

/* The limits (waggle/limits.def), for wag_cluster_set_limit. */
typedef enum wag_limit {
#define LIMIT(name, value, text) WAG_LIMIT_##name,
#include "waggle/limits.def"
#undef LIMIT
    WAG_LIMIT_COUNT /* how many there are; no limit */
} wag_limit;

/* How the memory of an instance that has gone is made ready for the next one of its module, and a memory of the host's
 * for the next one of its type. */
typedef enum wag_reset_strategy {
    WAG_RESET_DEFAULT, /* the fastest that the module, its tier and the system allow */
    WAG_RESET_FULL,    /* write all of it */
    WAG_RESET_SCAN,    /* ask the system which pages were written; all of it where the system cannot say */
    WAG_RESET_DISCARD, /* give its pages back to the system; small memories: write all of it */
    WAG_RESET_SEALED,  /* protect the pages that the first instance has not written; only for tests */
} wag_reset_strategy;

/* What a cluster does with the process's signals. Guard pages need SIGSEGV and SIGBUS; nothing else needs any signal,
 * and the library never sends one (an interrupt is seen by the code that it interrupts). Without guard pages code has
 * bounds checks. */
typedef enum wag_signals {
    /* A handler is installed with the first module that needs guard pages, and put in front again, with a later one, if
     * another has been put in its place. What is not ours goes to the handler that was there before, with the mask that
     * it asked for, or ends the process as it would have. It runs on the thread's alternate stack even if it was
     * installed without SA_ONSTACK: there it has 256 KiB, or what the host has given the thread, and may leave by
     * siglongjmp. Threads that run wasm get an alternate stack, if they have none, and both signals are unblocked on
     * them: leave them so. */
    WAG_SIGNALS_CHAIN,
    /* The host has handlers (Go, the JVM, a sanitizer) and calls wag_handle_fault first in those of both signals.
     * Nothing is installed or changed. Without that call an access out of bounds ends the process. */
    WAG_SIGNALS_HOST,
    /* Nothing is installed or changed, and nothing needs to be: no module has guard pages. WAG_TIER_NATIVE_GUARD is
     * WAG_UNSUPPORTED then. */
    WAG_SIGNALS_NONE,
} wag_signals;

/* Zero-initialised it means the defaults. */
typedef struct wag_cluster_options {
    uint32_t compile_threads; /* 0: one per processor, 4 at the most; 1: a module is compiled by one thread */
    bool perf_map;            /* write the names of native code to /tmp/perf-PID.map, for `perf report`; the code of
                               * an inlined function has its caller's name */
    wag_reset_strategy reset; /* of memories that are used again */
    bool check_resets;        /* compare all of each memory after its reset; see wag_cluster_reset_mismatches */
    bool gdb_jit;             /* make gdb know native code: names, likewise, and frames in backtraces */
    /* Code charges fuel, a deterministic budget of its agent (wag_fuel_set in waggle/agent.h). Costs time only when it
     * is on. */
    bool fuel;
    /* Proposals beyond WebAssembly 3.0. A module that uses one that is off is invalid. */
    bool custom_page_sizes; /* memories with pages of one byte */
    bool wide_arithmetic;   /* i64.add128, sub128, mul_wide_s, mul_wide_u */
    wag_signals signals;    /* as above */
} wag_cluster_options;

/* A cluster of its own: compile threads, limits, types. Objects of two clusters do not mix. Any thread.
 * ret_cluster: own. Fails with WAG_NOMEM, WAG_TYPE (signals that there are not). */
WAG_API_ANY_THREAD wag_err wag_cluster_new(const wag_cluster_options *options, wag_cluster **ret_cluster);
/* One more reference; returns its argument. NULL is a no-op. */
WAG_API_ANY_THREAD wag_cluster *wag_cluster_ref(wag_cluster *cluster);
/* One reference less. NULL is a no-op. */
WAG_API_ANY_THREAD void wag_cluster_unref(wag_cluster *cluster);
/* The default cluster, made on first use. borrow: static. NULL when memory is out. Any thread. */
WAG_API_ANY_THREAD wag_cluster *wag_cluster_default(void);
/* Set a limit (waggle/limits.def) for modules and objects made afterwards. WAG_RANGE when value is above the built-in
 * one; only table_entries and memory64_pages_declared, which bound what a type may declare, can be raised, to what the
 * core specification allows. Any thread, but not while the cluster compiles. */
WAG_API_ANY_THREAD wag_err wag_cluster_set_limit(wag_cluster *cluster, wag_limit limit, uint64_t value);
/* With check_resets: how many memories were not as new after their reset (those are not used again). Anything but 0 is
 * a bug of the library. Any thread. */
WAG_API_ANY_THREAD size_t wag_cluster_reset_mismatches(const wag_cluster *cluster);
/* A limit as it is now. Any thread. */
WAG_API_ANY_THREAD uint64_t wag_cluster_get_limit(const wag_cluster *cluster, wag_limit limit);

/* For handlers of the host: what a handler with SA_SIGINFO was called with. True when the fault was ours: context says
 * now where the thread goes on, so return from the handler at once, and leave it neither by a jump nor by an exception.
 * False: it is not ours, nothing was changed. Right with every wag_signals, also when a host puts a handler in front of
 * the library's. siginfo, context: borrow; siginfo_t and ucontext_t. Any thread, in a signal handler. */
WAG_API_ANY_THREAD bool wag_handle_fault(int signal_number, const void *siginfo, void *context);

#ifdef __cplusplus
}
#endif
#endif

/* The agent's inside: the store of one thread, its stacks, its interrupt flag and its loop. */
#ifndef WAGI_RUNTIME_AGENT_H
#define WAGI_RUNTIME_AGENT_H

#include <stdatomic.h>

#include "base/fault.h"
#include "base/park.h"
#include "base/sync.h"
#include "runtime/heap.h"

typedef enum wagi_quota_kind {
    WAGI_QUOTA_INSTANCES,
    WAGI_QUOTA_MEMORY,
    WAGI_QUOTA_TABLES,
    WAGI_QUOTA_HEAP,
    WAGI_QUOTA_COUNT
} wagi_quota_kind;

/* What an agent has of something, and what it may have without asking the cluster (quota.h). */
typedef struct wagi_quota {
    uint64_t used, granted, spare; /* spare: what is granted and not used is given back when it is more */
} wagi_quota;

/* The agent cluster. Immutable apart from what says otherwise; atomically counted. */
struct wag_cluster {
    atomic_size_t count;
    wagi_limits limits; /* changed by wag_cluster_set_limit only */
    uint64_t features;  /* bits of wagi_feature that its modules may use */
    wagi_registry *registry;
    uint32_t compile_threads;
    wag_reset_strategy reset;
    wag_signals signals;
    bool check_resets;
    bool fuel; /* code charges fuel */
    atomic_size_t reset_mismatches;
    atomic_uint_least64_t taken[WAGI_QUOTA_COUNT]; /* granted to agents */
    bool perf_map, gdb_jit;                        /* what the native tier tells others of its code */
    struct wagi_compile_pool *pool;                /* made on first use, under lock */
    /* Set together with pool; the last wag_cluster_unref calls it, perhaps on a thread of the pool. */
    void (*pool_free)(struct wagi_compile_pool *pool);
    struct wagi_watchdog *watchdog; /* of its agents' deadlines; made on first use, under lock */
    wagi_mutex lock;
    wagi_mutex moving; /* a leaf; ipc/channel.h: which ports are under way, and in what */
};

/* As many slots as a function may have parameters or results (limits.def), all of them vectors. */
#define WAGI_OVERFLOW_SLOTS 2000

/* A guarded address range (memory.c) that no memory uses: its first `size` bytes are usable and zero. */
#define WAGI_SPARES 16
typedef struct wagi_spare {
    uint8_t *base;
    uint64_t size;
} wagi_spare;

/* When an agent is stopped by the watchdog of its cluster (deadline.c). */
typedef struct wagi_deadline {
    /* wagi_clock_ns; UINT64_MAX none; WAGI_DEADLINE_PASSED: it has stopped the agent. Written by the owner, and from a
     * point of time to PASSED by the watchdog. */
    atomic_uint_least64_t at;
    struct wagi_watchdog *watchdog;     /* that looks at it, or NULL */
    struct wagi_deadline *next, **link; /* guarded by the watchdog's lock */
} wagi_deadline;
#define WAGI_DEADLINE_PASSED 0u

/* What an entry into native code keeps on the native stack, at its lowest address. */
typedef struct wagi_entry_frame {
    struct wagi_entry_frame *outer;
} wagi_entry_frame;

struct wag_agent {
    wag_cluster *cluster; /* one reference */

    /* store */
    wagi_unit *units;                /* all of them */
    size_t linked_units;             /* those of them that are links: nothing that a host made */
    size_t unit_count, escaped_dead; /* escaped_dead: escaped units whose counts fell to 0 since the last collection */
    size_t escaped_dead_bytes;       /* about what they hold */
    size_t collect_threshold;        /* collect when escaped_dead reaches it; 0: a default */
    bool collect_stress;             /* collect at every release */
    bool poll_due;                   /* wagi_store_poll may have something to do; the way into native code reads it */
    bool collecting;
    bool draining; /* the units of `dying` are being freed */
    wagi_unit *dying;

    wagi_gc gc;                            /* structs, arrays, exceptions; and the state of a trace (heap.h) */
    struct wagi_exception_ticket *tickets; /* exceptions in errors (exception.c) */
    wag_tag *js_tag;                       /* made on first use, held by a handle */

    /* interpreter stack: grows upward; the used part is scanned by the collector. Mapped with the agent (the system
     * makes its pages when they are touched), so that no call has to look. As much again follows at stack_end: the high
     * halves of v128 values, mirrored; references are never there. */
    wagi_slot *stack, *stack_end;
    wagi_slot *stack_top;   /* first free slot; set by the interpreter before it calls out */
    uint32_t host_depth;    /* wasm<->host calls that are open */
    uint32_t depth_limit;   /* of host_depth: the cluster's limit host_call_depth */
    uintptr_t native_limit; /* lowest address of the native stack that may be used; 0 unknown */

    /* This thread's stop limit, the one place that says whether the agent is to stop: native_limit, or WAGI_STOP and
     * the reasons. Native code compares its stack pointer with it in prologues and loops, so that one compare finds an
     * exhausted stack, too; everything else polls it by wagi_agent_poll. relaxed is enough for a poll: the word
     * publishes nothing but itself. */
    atomic_uintptr_t *stop_limit;
    wagi_parker parker;     /* where the thread waits at an address of a shared memory; a stop wakes it */
    bool can_block;         /* it may do that */
    atomic_bool notified;   /* wag_agent_notify: the next wag_agent_wait ends */
    wagi_deadline deadline; /* runtime/deadline.c */

    /* This thread's fuel; negative when code has overdrawn it (binary/fuel.h). Only code of a cluster with `fuel`
     * touches it. */
    int64_t *fuel;

    /* ---- native code (exec/native.c); offsets are known to generated code ---- */
    wagi_entry_frame *entry_sp; /* of the innermost entry into native code that is open, or NULL */
    wag_error *trap_error;      /* on its way from a trap to the entry */
    /* A tail call of another tier's function on its way to the innermost open call, which makes it in place of the one
     * that asked for it, so that the stack does not grow. The callee, with a handle; its arguments are in overflow.
     * NULL: none. Nothing but the end of that call happens between. */
    wag_func *tail_func;
    wagi_slot overflow[WAGI_OVERFLOW_SLOTS]; /* arguments and results beyond the registers, on their way */

    struct {                      /* runtime/pool.c */
        struct wagi_pool **table; /* by module; a list each */
        size_t size, count;
        struct wagi_pool *last; /* looked up */
        size_t ready_bytes;
        uint32_t ready_guarded;
        uint64_t ready_memory;             /* linear memory of what is ready, as quotas count it */
        struct wagi_memory_pool *memories; /* of host-made ones, by type (runtime/pool_memory.c); last used first */
    } pools;
    uint64_t linked_serial; /* of the last link */
    wagi_quota quotas[WAGI_QUOTA_COUNT];
    struct { /* memories that are or were sealed, by address (runtime/slot.c) */
        wag_memory **table;
        size_t size, count;
    } sealed;

    wagi_spare spares[WAGI_SPARES]; /* last in, first out: the warmest is taken */
    uint32_t spare_count;
    uint64_t spare_bytes;

    struct wagi_loop *loop;          /* runtime/loop.h */
    struct wagi_teardown *teardowns; /* newest first */
    uint32_t run_depth;             /* runs and awaits of the loop that are open: they will return why it was stopped */
    bool closing;                   /* the agent is being freed */
    wagi_thread_hook hook;          /* frees the agent with its thread */
    wagi_fault_thread fault_thread; /* begun where the cluster chains signals */

    struct {                            /* runtime/promise.c only */
        struct wagi_promise *all;       /* newest first */
        struct wagi_promise *unhandled; /* rejected without reaction, not reported yet; newest first */
        void (*hook)(void *context, const wag_error *error);
        void *hook_context;
    } promises;
    struct wagi_pending_list *pending; /* api/instantiate.c only: compilations under way */
};

/* Something that must end before its agent does (a worker joins its thread). Embed it. wag_agent_close, and the end of
 * the thread, run the hooks before anything of the agent goes. Owner thread. */
typedef struct wagi_teardown {
    struct wagi_teardown *next;
    void (*run)(struct wagi_teardown *teardown); /* it has been taken off the list */
} wagi_teardown;

static inline void wagi_agent_on_teardown(wag_agent *agent, wagi_teardown *teardown)
{
    teardown->next = agent->teardowns;
    agent->teardowns = teardown;
}

/* Take a hook off; one that is not on the list is a no-op. */
static inline void wagi_agent_off_teardown(wag_agent *agent, wagi_teardown *teardown)
{
    for (wagi_teardown **link = &agent->teardowns; *link; link = &(*link)->next)
        if (*link == teardown) {
            *link = teardown->next;
            return;
        }
}

static inline void wagi_agent_run_teardowns(wag_agent *agent)
{
    while (agent->teardowns) {
        wagi_teardown *teardown = agent->teardowns;
        agent->teardowns = teardown->next;
        teardown->run(teardown);
    }
}

/* ---- stopping ---- */

/* Why an agent is to stop: bits of its stop limit, which is WAGI_STOP or more then. */
enum { WAGI_STOP_INTERRUPT = 1, WAGI_STOP_DEADLINE = 2, WAGI_STOP_TERMINATE = 4 };
#define WAGI_STOP (UINTPTR_MAX - 7)

/* Any thread, async-signal-safe; wakes nobody (wagi_agent_raise, loop.h, does). seq_cst: pairs with the loads of those
 * that are about to wait. */
static inline void wagi_agent_set_stop(wag_agent *agent, unsigned reason)
{
    uintptr_t word = atomic_load(agent->stop_limit);
    while (!atomic_compare_exchange_weak(agent->stop_limit, &word, (word >= WAGI_STOP ? word : WAGI_STOP) | reason)) {
    }
}

/* Forget a reason that has been answered. Owner thread. */
static inline void wagi_agent_clear_stop(wag_agent *agent, unsigned reason)
{
    uintptr_t word = atomic_load(agent->stop_limit), left;
    do {
        if (word < WAGI_STOP)
            return;
        left = word & ~(uintptr_t)reason;
    } while (!atomic_compare_exchange_weak(agent->stop_limit, &word, left > WAGI_STOP ? left : agent->native_limit));
}

static inline bool wagi_agent_poll(const wag_agent *agent)
{
    return atomic_load_explicit(agent->stop_limit, memory_order_relaxed) >= WAGI_STOP;
}

/* Why the agent is to stop; WAG_OK: it is not. seq_cst: to be asked before a wait. */
static inline wag_err wagi_agent_stop(const wag_agent *agent)
{
    uintptr_t word = atomic_load(agent->stop_limit);
    if (word < WAGI_STOP)
        return WAG_OK;
    return word & WAGI_STOP_TERMINATE ? WAG_TERMINATED : word & WAGI_STOP_INTERRUPT ? WAG_INTERRUPTED : WAG_DEADLINE;
}

/* Bytes that one instruction writes between two looks at whether the agent is to stop. */
#define WAGI_BULK_STEP ((uint64_t)1 << 20)

/* The next step of an instruction that has so much left to write. */
static inline uint64_t wagi_bulk_step(uint64_t left, uint64_t element_size)
{
    uint64_t most = WAGI_BULK_STEP / element_size;
    return left < most ? left : most;
}
/* Is there another step? When not, *ret_stop says whether all is done (WAG_OK) or the agent is to stop. Owner thread.
 */
static inline bool wagi_bulk_goes_on(const wag_agent *agent, uint64_t left, wag_err *ret_stop)
{
    *ret_stop = left ? wagi_agent_stop(agent) : WAG_OK;
    return left && *ret_stop == WAG_OK;
}

/* To be asked after each element of something long that is made one by one: now and then, whether to stop. */
static inline wag_err wagi_agent_stop_after(const wag_agent *agent, uint64_t index)
{
    return index % 65536 == 65535 ? wagi_agent_stop(agent) : WAG_OK;
}

/* Why an allocation in the heap has failed: it does not go on collecting when the agent is to stop. */
static inline wag_err wagi_heap_failure(const wag_agent *agent)
{
    wag_err stop = wagi_agent_stop(agent);
    return stop == WAG_OK ? WAG_OUT_OF_HEAP : stop;
}

/* Take fuel for work to be done. WAG_OUT_OF_FUEL when there is less; then there is none any more. Owner thread. */
static inline wag_err wagi_fuel_charge(wag_agent *agent, uint64_t units)
{
    int64_t left = *agent->fuel;
    if (units == 0)
        return WAG_OK;
    bool enough = left > 0 && (uint64_t)left >= units;
    *agent->fuel = enough ? left - (int64_t)units : left < 0 ? left : 0;
    return enough ? WAG_OK : WAG_OUT_OF_FUEL;
}

/* The code of an error that says: the agent was stopped. */
static inline bool wagi_err_is_stop(wag_err err)
{
    return err == WAG_INTERRUPTED || err == WAG_DEADLINE || err == WAG_TERMINATED;
}

/* Where generated code finds its thread's stop limit: an offset from the thread pointer, the same in all threads. A
 * poll is one compare then. */
int32_t wagi_stop_limit_offset(void);
int32_t wagi_fuel_offset(void); /* the same for agent->fuel */

/* The native stack that is below this may hold references in frames of native code; NULL: there are none. */
static inline const void *wagi_agent_native_top(const wag_agent *agent)
{
    const wagi_entry_frame *frame = agent->entry_sp;
    while (frame && frame->outer)
        frame = frame->outer;
    return frame;
}

/* For what is rare in a function that is called often: it takes no registers and no frame there then. */
#if defined(__GNUC__)
#define WAGI_COLD __attribute__((noinline, cold))
#else
#define WAGI_COLD
#endif

/* Initial-exec: at a constant distance from the thread pointer, also when the library was loaded late (it takes a word
 * of the room that the loader keeps for that). */
#if defined(__x86_64__) && defined(__GNUC__)
#define WAGI_NEAR_THREAD __attribute__((tls_model("initial-exec")))
#else
#define WAGI_NEAR_THREAD
#endif
/* This thread's agent; NULL when there is none yet. Written by agent.c only. */
extern _Thread_local WAGI_NEAR_THREAD wag_agent *wagi_agent_of_thread;
/* The same. */
static inline wag_agent *wagi_agent_peek(void)
{
    return wagi_agent_of_thread;
}
/* Make this thread's agent. WAG_TYPE when it has one, WAG_NOMEM, WAG_SYSTEM. cluster: borrow. */
wag_err wagi_agent_open(wag_cluster *cluster);
/* Free this thread's agent, if any. WAG_TYPE while a call or a turn is open, or from a finalizer that this runs. */
wag_err wagi_agent_close(void);
/* To be called by whoever returns err to the host: when it says that the agent was stopped, and no other call or run is
 * open on the thread that will return it too (own host_depth or run_depth already given back), that is answered. */
void wagi_agent_stop_taken(wag_agent *agent, wag_err err);

/* Free every unit, whatever its counts; runs the finalizers. Only when the agent ends. */
void wagi_store_free_all(wag_agent *agent);

/* True when the object is this thread's. The check of every public function that takes a store object. */
static inline bool wagi_is_owner(const wagi_object *object)
{
    return object->unit->agent == wagi_agent_of_thread;
}

/* ---- units ---- */
void wagi_unit_init(wagi_unit *unit, wag_agent *agent, wagi_object_kind kind); /* handles 1, linked into the agent */
void wagi_unit_hold(wagi_unit *unit);                                          /* one more handle */
void wagi_unit_release(wagi_unit *unit); /* one handle less; may free the unit, and collect when no call is open */
void wagi_unit_drop(wagi_unit *unit);    /* the same, but never collects */
/* The same, but what dies is freed later: by the next drop of another kind, or wagi_store_drain. No finalizer runs. */
void wagi_unit_drop_later(wagi_unit *unit);
/* The same for an argument of a host function that is over: a proxy that nobody else holds goes at once. */
void wagi_unit_drop_arg(wagi_unit *unit);
void wagi_unit_ref(wagi_unit *unit); /* one more strong reference from another unit */
/* Trace and free. Called by itself when enough escaped units have lost their counts. Without memory, or from a
 * finalizer, it does nothing. */
void wagi_store_collect(wag_agent *agent);
/* Collect if enough has died since the last time, or under stress. */
void wagi_store_poll(wag_agent *agent);
/* The steps of a trace. begin: false when nothing was begun (memory, a finalizer). Everything must be swept. */
bool wagi_store_begin_mark(wag_agent *agent);
/* Mark about this many bytes more; true when the trace is over: what was dead is freed then, the heap is to be swept.
 */
bool wagi_store_mark(wag_agent *agent, uint64_t bytes);
/* Stress switch for tests: collect at every release of a handle and after every host function. */
void wagi_store_stress(wag_agent *agent, bool on);

/* ---- calls ---- */
/* Call any function with slots (tier.h invoke's rules): wasm through its tier, host directly. Keeps the callee alive.
 * Checks depth and the native stack. The error's backtrace is complete. */
wag_error *wagi_call_slots(wag_func *func, wagi_slot *slots);
/* Leave a tail call to the innermost open wagi_call_slots (agent->tail_func). slots: the arguments. */
void wagi_call_pass(wag_func *func, const wagi_slot *slots);
/* Call a host function: converts slots to wag_val and back, marks escapes, checks the results' kinds (WAG_TYPE when the
 * host wrote another) and polls the stop limit afterwards. */
wag_error *wagi_call_host(wag_func *func, wagi_slot *slots);
/* What a host function's end comes to: its error (own; NULL: none), or that the agent is to stop, which wasm could not
 * see otherwise when the host function says something else. */
wag_error *wagi_call_stopped(wag_agent *agent, wag_error *error);
/* The error of a value that wagi_val_to_slot refused with err: "argument 2 must be i64, not f32". */
wag_error *wagi_val_misfit(wag_err err, const wagi_registry *registry, wagi_valtype type, const wag_val *val,
                           const char *what, uint32_t index);
/* The error of a host function that has given a result a kind that its type does not have. */
wag_error *wagi_call_misfit(wag_func *func, const wag_val *results);
/* wag_call without the check of the agent, for any function: checks the arrays, depth, native stack and arguments;
 * holds the unit while it runs; gives the results. */
wag_err wagi_call_vals(wag_func *func, const wag_val *args, size_t arg_count, wag_val *results, size_t result_count,
                       wag_error **reterr_error);
/* The end of a wagi_enter that failed, or ended with a tail call that is still to be made. */
WAGI_COLD wag_err wagi_enter_failed(wag_func *func, wag_val *results, wag_error **reterr_error);
/* The end of one that has given its handle of the unit back, when that was the last one, or a poll of the store is due.
 * WAG_OK. */
int wagi_enter_ended(wagi_unit *unit);

/* ---- values ---- */
/* Conversions between the layers. to_slot: WAG_TYPE when the kind or the reference does not fit the type; slot receives
 * one word (two for v128). WAG_WRONG_AGENT for a reference of another agent. Marks escapes for a reference that enters
 * `into` (NULL: an unknown place). */
wag_err wagi_val_to_slot(const wagi_registry *registry, wagi_valtype type, wag_val val, wagi_unit *into,
                         wagi_slot *slot);
/* ret_val: own (one handle of the reference). False without memory. */
bool wagi_slot_to_val(wag_agent *agent, wagi_valtype type, const wagi_slot *slot, wag_val *ret_val);
/* The unit that a value's handle counts in; NULL for numbers and null. */
wagi_unit *wagi_val_unit(const wag_val *val);

/* The one proxy of a slot that refers into the heap (kind EXTERN: or is an i31; kind ANY: anything but null), with one
 * handle more. NULL without memory. */
wagi_object *wagi_proxy_get(wag_agent *agent, wagi_object_kind kind, wagi_slot slot);
/* The slot of a proxy; 0 for other objects. */
wagi_slot wagi_proxy_slot(const wagi_object *object);
void wagi_proxy_forget(wag_agent *agent, const wagi_object *proxy);
void wagi_proxies_free(wag_agent *agent);

/* ---- exceptions (exception.c) ---- */
/* args: slots, two for v128. maker: the instance that throws, and a safepoint; NULL for
 * the host, then without collecting. WAG_OK or WAG_OUT_OF_HEAP. */
wag_err wagi_exception_make(wag_agent *agent, wag_tag *tag, const wagi_slot *args, wag_instance *maker,
                            wagi_slot *ret_slot);
size_t wagi_exception_slots(const wagi_type *type); /* of the arguments */
/* The first clause of a try region that catches exceptions of a tag (NULL: of no tag that wasm knows). */
bool wagi_try_match(const wag_instance *instance, const wagi_func_body *body, const wagi_try_region *region,
                    const wag_tag *tag, uint32_t *ret_clause, wagi_catch_kind *ret_kind);
/* The error by which an exception leaves wasm: the host's own error when it is one that was wrapped (EX-05), else
 * WAG_UNCAUGHT_EXCEPTION with the exception in it. Own. */
wag_error *wagi_exception_error(wag_agent *agent, wagi_slot exception);
/* The exception in an error, 0 when there is none of this agent. */
wagi_slot wagi_error_exception(const wag_agent *agent, const wag_error *error);
wag_exception *wagi_error_proxy(const wag_agent *agent, const wag_error *error); /* the same; borrow, NULL */
/* May wasm catch this error of a host function, as an exception of the agent's JSTag? Traps and interrupts it may not.
 */
bool wagi_error_is_catchable(const wag_error *error);
/* The exception of the agent's JSTag for a host's error. error: borrow. WAG_OK, WAG_OUT_OF_HEAP. */
wag_err wagi_exception_wrap(wag_agent *agent, wag_error *error, wagi_slot *ret_slot);
wag_tag *wagi_js_tag(wag_agent *agent); /* borrow; NULL without memory */
/* Give back the exceptions of errors that other threads have freed. */
void wagi_exception_reap(wag_agent *agent);
void wagi_exception_close_all(wag_agent *agent);

/* ---- instances ---- */
/* Read the imports (JS API "read the imports"), import by import, in order; or find what has been read from the same
 * import object before, when it has not changed and reading it again could not be noticed. ret_linked: own, give it
 * back by wagi_linked_drop (pool.h). */
wag_err wagi_link(wag_module *module, wag_imports *imports, wag_linked **ret_linked, wag_error **reterr_error);
/* Check the types, make the instance, run segments and start. linked: stays the caller's. ret_instance: own. */
wag_err wagi_instantiate(wag_linked *linked, wag_instance **ret_instance, wag_error **reterr_error);

#endif

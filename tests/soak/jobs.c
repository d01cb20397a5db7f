/* What a soaking worker does with the modules that it gets: everything that wasm can do to its instance, its agent and
 * its thread, with the result known beforehand. An interrupt may come at any moment and end the message. */
#include <string.h>

#include "tests/soak/soak.h"

enum { FIRST_PAGES = 6, MOST_PAGES = 24 };

/* What the imports' functions are called with. */
typedef struct soak_job {
    soak_worker *worker;
    wag_module *const *modules;
    wag_imports *imports;        /* of SOAK_MAIN */
    const wag_instance *current; /* for `again` */
} soak_job;

/* ---- calling ---- */

/* True when the call ended as wanted. Ended by an interrupt, a deadline or terminate it may have done anything. */
static bool is_as_wanted(soak_worker *worker, const char *what, wag_err err, wag_err wanted)
{
    soak_add(&soak_count.calls, 1);
    if (err == WAG_INTERRUPTED || err == WAG_TERMINATED || err == WAG_DEADLINE) {
        worker->interrupted = true;
        soak_add(err == WAG_DEADLINE ? &soak_count.deadlines : &soak_count.interrupted, 1);
        return false;
    }
    if (err != wanted)
        soak_wrong("%s: %s, not %s", what, wag_err_name(err), wag_err_name(wanted));
    return err == wanted;
}

static wag_err call(const wag_instance *instance, const char *name, const wag_val *args, size_t count, wag_val *ret)
{
    wag_func *func = wag_exports_func(wag_instance_exports(instance), name);
    return wag_call(func, args, count, ret, wag_func_result_count(func), NULL);
}

static bool must_give(soak_worker *worker, const wag_instance *instance, const char *name, const int32_t *numbers,
                      size_t count, int32_t wanted)
{
    wag_val args[2] = {{0}}, result = WAG_VAL_I32(wanted);
    for (size_t i = 0; i < count; i++)
        args[i] = WAG_VAL_I32(numbers[i]);
    if (!is_as_wanted(worker, name, call(instance, name, args, count, &result), WAG_OK))
        return false;
    if (result.of.i32 != wanted)
        soak_wrong("%s (worker %d): %d, not %d", name, worker->id, result.of.i32, wanted);
    return true;
}

static void must_trap(soak_worker *worker, const wag_instance *instance, const char *name, int32_t argument,
                      wag_err wanted)
{
    wag_val args[1] = {WAG_VAL_I32(argument)}, result;
    soak_add(&soak_count.traps, is_as_wanted(worker, name, call(instance, name, args, 1, &result), wanted));
}

static wag_instance *make(soak_worker *worker, wag_module *module, wag_imports *imports)
{
    wag_instance *instance = NULL;
    if (!is_as_wanted(worker, "instantiate", wag_instance_new(module, imports, &instance, NULL), WAG_OK))
        return NULL;
    soak_add(&soak_count.instances, 1);
    return instance;
}

/* ---- the host's functions ---- */

static int32_t mixed(int32_t id, int32_t argument)
{
    return (int32_t)((uint32_t)argument * 31u + (uint32_t)id * 7u);
}

static wag_error *mix(void *context, const wag_val *args, wag_val *results)
{
    const soak_job *job = context;
    results[0] = WAG_VAL_I32(mixed(job->worker->id, args[0].of.i32));
    return NULL;
}

static wag_error *again(void *context, const wag_val *args, wag_val *results)
{
    const soak_job *job = context;
    wag_error *error = NULL;
    wag_func *nest = wag_exports_func(wag_instance_exports(job->current), "nest");
    wag_call(nest, args, 1, results, 1, &error);
    return error;
}

/* ---- memory, tables, calls, traps ---- */

static int32_t sum_of_words(uint32_t seed, int32_t count)
{
    uint32_t sum = 0;
    for (int32_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        sum += seed;
    }
    return (int32_t)sum;
}

static void host_looks(soak_worker *worker, const soak_kept *kept)
{
    wag_memory *memory = wag_exports_memory(wag_instance_exports(kept->instance), "m");
    if (wag_memory_pages(memory) != kept->pages)
        soak_wrong("a memory has %u pages, not %u", (unsigned)wag_memory_pages(memory), kept->pages);
    size_t at = soak_below(&worker->random, kept->pages * 65536 - 9000);
    uint8_t *to = wag_memory_writable(memory, at, 9000);
    if (to)
        memset(to, 0xee, 9000);
    if (soak_below(&worker->random, 50) == 0)
        wag_memory_data(memory)[at] = 1;
}

static void do_grow(soak_worker *worker, soak_kept *kept)
{
    uint32_t more = soak_below(&worker->random, 5);
    bool fits = kept->pages + more <= MOST_PAGES;
    if (must_give(worker, kept->instance, "grow", (int32_t[]){(int32_t)more}, 1, fits ? (int32_t)kept->pages : -1))
        soak_add(&soak_count.grown, fits && more);
    kept->pages = (uint32_t)wag_memory_pages(wag_exports_memory(wag_instance_exports(kept->instance), "m"));
}

static void do_trap(soak_worker *worker, const soak_kept *kept)
{
    const wag_instance *instance = kept->instance;
    switch (soak_below(&worker->random, 6)) {
    case 0:
        must_trap(worker, instance, "load", (int32_t)(kept->pages * 65536 - soak_below(&worker->random, 4)),
                  WAG_MEMORY_BOUNDS);
        break;
    case 1:
        must_trap(worker, instance, "load", (int32_t)(soak_next(&worker->random) | 0x80000000u), WAG_MEMORY_BOUNDS);
        break;
    case 2:
        must_trap(worker, instance, "unreachable", 0, WAG_UNREACHABLE);
        break;
    case 3:
        must_trap(worker, instance, "divide", 1, WAG_DIVIDE_BY_ZERO);
        break;
    case 4:
        must_trap(worker, instance, "call", 7, WAG_UNINITIALIZED_ELEMENT);
        break;
    default:
        must_trap(worker, instance, "fill", (int32_t)(kept->pages * 65536 - 100), WAG_MEMORY_BOUNDS);
        break;
    }
}

static void use_kept(soak_job *job, soak_kept *kept)
{
    soak_worker *worker = job->worker;
    const wag_instance *instance = kept->instance;
    uint32_t seed = soak_next(&worker->random);
    int32_t count = (int32_t)soak_below(&worker->random, 300) + 1;
    job->current = instance;
    switch (soak_below(&worker->random, 10)) {
    case 0:
        do_grow(worker, kept);
        break;
    case 1:
    case 2:
        do_trap(worker, kept);
        break;
    case 3:
        must_give(worker, instance, "spin", (int32_t[]){1 << 20}, 1, 1 << 20);
        break;
    case 4:
        must_give(worker, instance, "nest", (int32_t[]){count / 8}, 1, count / 8);
        break;
    case 5:
        must_give(worker, instance, "call", (int32_t[]){count % 2}, 1, count % 2);
        break;
    case 6:
        host_looks(worker, kept);
        break;
    case 7:
        if (soak_below(&worker->random, 8) == 0) {
            must_trap(worker, instance, "forever", 0, WAG_STACK_OVERFLOW);
            soak_add(&soak_count.overflows, 1);
        }
        break;
    default:
        must_give(worker, instance, "write", (int32_t[]){(int32_t)seed, count}, 2, sum_of_words(seed, count));
        break;
    }
}

/* One of those that are kept goes, and a new one comes, which must be as new. */
static void do_instance(soak_job *job)
{
    soak_worker *worker = job->worker;
    soak_kept *kept = &worker->kept[soak_below(&worker->random, SOAK_KEPT)];
    if (kept->instance && soak_below(&worker->random, 3)) {
        use_kept(job, kept);
        return;
    }
    wag_instance_unref(kept->instance);
    *kept = (soak_kept){.instance = make(worker, job->modules[SOAK_MAIN], job->imports), .pages = FIRST_PAGES};
    if (!kept->instance)
        return;
    job->current = kept->instance;
    must_give(worker, kept->instance, "check", NULL, 0, mixed(worker->id, worker->id));
}

/* ---- exceptions ---- */

typedef struct soak_thrower {
    wag_tag *tag;
    bool throws;
} soak_thrower;

static wag_error *throw_it(void *context, const wag_val *args, wag_val *results)
{
    const soak_thrower *thrower = context;
    (void)args;
    (void)results;
    if (!thrower->throws)
        return NULL;
    wag_exception *exception = NULL;
    wag_val payload[1] = {WAG_VAL_I32(42)};
    if (wag_exception_new(thrower->tag, payload, 1, &exception, NULL) != WAG_OK)
        return wag_error_new(WAG_CLASS_ERROR, "no exception");
    wag_error *error = wag_exception_error(exception);
    wag_exception_unref(exception);
    return error;
}

static void do_exceptions(soak_job *job)
{
    soak_worker *worker = job->worker;
    soak_thrower thrower = {.throws = soak_below(&worker->random, 2)};
    wag_tag *js = wag_tag_js();
    worker->has_js_tag = true;
    wag_imports *imports = wag_imports_new();
    wag_instance *instance = NULL;
    if (wag_tag_new("(i32)", &thrower.tag, NULL) == WAG_OK &&
        wag_imports_set(imports, "m", "tag", WAG_TAG(thrower.tag)) == WAG_OK &&
        wag_imports_set(imports, "m", "js", WAG_TAG(js)) == WAG_OK &&
        wag_imports_set_func(imports, "m", "host", "() -> ()", throw_it, &thrower, NULL) == WAG_OK)
        instance = make(worker, job->modules[SOAK_EXCEPTIONS], imports);
    else
        soak_wrong("no imports for the module with exceptions");
    int32_t number = (int32_t)soak_below(&worker->random, 1000);
    if (instance) {
        must_give(worker, instance, "catch", NULL, 0, thrower.throws ? 42 : -1);
        must_give(worker, instance, "catch_all", NULL, 0, thrower.throws);
        must_give(worker, instance, "nested", &number, 1, number + 1);
        is_as_wanted(worker, "rethrow", call(instance, "rethrow", NULL, 0, NULL),
                     thrower.throws ? WAG_UNCAUGHT_EXCEPTION : WAG_OK);
        is_as_wanted(worker, "own", call(instance, "own", &WAG_VAL_I32(number), 1, NULL), WAG_UNCAUGHT_EXCEPTION);
        soak_add(&soak_count.exceptions, 2 + 3 * thrower.throws);
    }
    wag_instance_unref(instance);
    wag_imports_unref(imports);
    wag_tag_unref(thrower.tag);
    wag_tag_unref(js);
}

/* ---- the heap ---- */

static void do_heap(soak_job *job)
{
    soak_worker *worker = job->worker;
    wag_instance *instance = make(worker, job->modules[SOAK_HEAP], NULL);
    if (!instance)
        return;
    wag_val count = WAG_VAL_I32((int32_t)soak_below(&worker->random, 2000) + 1);
    int32_t sum = count.of.i32 * (count.of.i32 + 1) / 2;
    wag_val garbage = WAG_VAL_I32((int32_t)soak_below(&worker->random, 20000));
    if (is_as_wanted(worker, "push", call(instance, "push", &count, 1, NULL), WAG_OK) &&
        is_as_wanted(worker, "churn", call(instance, "churn", &garbage, 1, NULL), WAG_OK) &&
        must_give(worker, instance, "sum", NULL, 0, sum) &&
        is_as_wanted(worker, "reverse", call(instance, "reverse", NULL, 0, NULL), WAG_OK))
        must_give(worker, instance, "sum", NULL, 0, sum);
    soak_add(&soak_count.heap_objects, count.of.i32 + garbage.of.i32);
    if (soak_below(&worker->random, 2)) { /* a structure of the instance that the host lets go */
        wag_val head = {0};
        if (is_as_wanted(worker, "head", call(instance, "head", NULL, 0, &head), WAG_OK))
            wag_val_unref(head);
    }
    wag_instance_unref(instance);
}

/* ---- waiting ---- */

static void do_wait(soak_job *job)
{
    soak_worker *worker = job->worker;
    wag_memory *memory = NULL;
    wag_imports *imports = wag_imports_new();
    wag_instance *instance = NULL;
    if (wag_memory_of_shared(worker->shared, &memory, NULL) == WAG_OK &&
        wag_imports_set(imports, "m", "m", WAG_MEMORY(memory)) == WAG_OK)
        instance = make(worker, job->modules[SOAK_WAIT], imports);
    if (instance) {
        int32_t expected = (int32_t)soak_below(&worker->random, 2);
        wag_val args[2] = {WAG_VAL_I32(expected), WAG_VAL_I64(1000000)}, result = WAG_VAL_I32(-1);
        if (is_as_wanted(worker, "wait", call(instance, "wait", args, 2, &result), WAG_OK) &&
            (expected ? result.of.i32 != 1 : result.of.i32 != 0 && result.of.i32 != 2))
            soak_wrong("wait for %d: %d", expected, result.of.i32);
        wag_val wake[2] = {WAG_VAL_I32(0), WAG_VAL_I32(1)};
        is_as_wanted(worker, "notify", call(instance, "notify", wake, 2, &result), WAG_OK);
        soak_add(&soak_count.waits, 1);
    }
    wag_instance_unref(instance);
    wag_imports_unref(imports);
    wag_memory_unref(memory);
}

/* ---- the worker ---- */

static void work(soak_worker *worker, wag_module *const *modules)
{
    soak_job job = {.worker = worker, .modules = modules, .imports = wag_imports_new()};
    if (wag_imports_set(job.imports, "env", "id", WAG_NUMBER(worker->id)) != WAG_OK ||
        wag_imports_set_func(job.imports, "env", "mix", "(i32) -> (i32)", mix, &job, NULL) != WAG_OK ||
        wag_imports_set_func(job.imports, "env", "again", "(i32) -> (i32)", again, &job, NULL) != WAG_OK)
        soak_wrong("no imports");
    worker->interrupted = false;
    if (soak_below(&worker->random, 8) == 0 &&
        wag_agent_set_deadline(wag_deadline_in((uint64_t)soak_below(&worker->random, 5000) * 1000)) != WAG_OK)
        soak_wrong("no deadline");
    for (uint32_t i = soak_below(&worker->random, 200) + 1; i > 0 && !worker->interrupted; i--)
        switch (soak_below(&worker->random, 40)) {
        case 0:
            do_exceptions(&job);
            break;
        case 1:
            do_heap(&job);
            break;
        case 2:
            do_wait(&job);
            break;
        default:
            do_instance(&job);
            break;
        }
    wag_agent_set_deadline(WAG_NO_DEADLINE);
    /* The functions know `job`: nobody may call them when it has gone. */
    for (int i = 0; i < SOAK_KEPT; i++) {
        wag_instance_unref(worker->kept[i].instance);
        worker->kept[i].instance = NULL;
    }
    wag_imports_unref(job.imports);
}

/* The end that the worker chooses itself: nothing is alive. */
static void end_well(soak_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    worker->agent = NULL;
    pthread_mutex_unlock(&worker->lock);
    wag_agent_collect();
    soak_add(&soak_count.leaked_objects, (long)wag_agent_live_objects() - worker->has_js_tag);
    soak_add(&soak_count.closed, 1);
    wag_scope_close(worker->self);
}

static void on_message(void *context, wag_value message)
{
    soak_worker *worker = context;
    if (message.kind == WAG_VALUE_BOOL) {
        end_well(worker);
        return;
    }
    wag_module *modules[SOAK_MODULES];
    for (size_t i = 0; i < SOAK_MODULES; i++)
        modules[i] = wag_array_at(message, i).of.module;
    work(worker, modules);
    wag_scope_post_message(worker->self, WAG_BOOL(true), NULL);
    if (soak_below(&worker->random, 100) == 0)
        end_well(worker);
}

void soak_worker_entry(wag_worker_scope *self, void *context)
{
    soak_worker *worker = context;
    worker->self = self;
    pthread_mutex_lock(&worker->lock);
    worker->agent = wag_agent_current();
    pthread_mutex_unlock(&worker->lock);
    wag_scope_on_message(self, on_message, worker);
}

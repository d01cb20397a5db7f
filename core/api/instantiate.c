/* wag_compile and the two overloads of WebAssembly.instantiate().
 *
 * Bytes. The bytes are copied in the call. A compile job goes to the cluster's pool and comes back as a task of the
 * caller's agent. What belongs to the agent (promise, import object) never leaves its thread: it waits in the agent's
 * list of pending compilations, and the job carries only a pointer into that list, which it does not follow. When the
 * agent ends first, the list goes with it and the job, finding the mailbox closed, frees what it made.
 *
 * Order. Several compile threads finish in any order, but promises of one agent settle in call order (I-17): the list
 * is a FIFO, a finished compilation waits in it until it is the first, and each is delivered by a task of its own. So a
 * small module posted after a large one waits for it; nothing else does: the compile threads go on, and other tasks,
 * timers and instantiations from modules are not in this queue.
 *
 * Module. The imports are read in the call, the instance is made in a task posted by it.
 */
#include <stddef.h>
#include <string.h>

#include "api/instantiate.h"
#include "api/promise.h"
#include "base/alloc.h"
#include "base/error.h"
#include "exec/compile.h"
#include "runtime/compile_pool.h"
#include "runtime/imports.h"
#include "runtime/pool.h"

/* A compilation: the pool's from submit to the post, then the loop's. */
typedef struct compilation {
    wagi_task task;
    wagi_compile_job job;
    wagi_mailbox *mailbox; /* one reference, until the post */
    wag_cluster *cluster;  /* borrow: the pool holds it while the job runs */
    wag_tier tier;
    uint8_t *bytes;
    size_t size;
    wag_module *module; /* the result: one of the two */
    wag_error *error;
    struct pending *pending; /* followed only on the owner thread, while the agent has its list */
} compilation;

/* The agent's side of it. */
typedef struct pending {
    struct pending *next;
    compilation *done;                  /* finished, and waits for its turn */
    wag_promise_module *module_promise; /* one of the two; one reference */
    wag_promise_source *source_promise;
    wag_imports *imports; /* one reference, or NULL */
} pending;

typedef struct wagi_pending_list {
    wagi_teardown teardown;
    wag_agent *agent;
    pending *first, **last;
} pending_list;

static void compilation_free(compilation *compilation)
{
    wag_module_unref(compilation->module);
    wag_error_unref(compilation->error);
    wagi_free(compilation->bytes);
    wagi_free(compilation);
}

static void compilation_discard(wagi_task *task)
{
    compilation_free((compilation *)task);
}

static void pending_free(pending *pending)
{
    if (pending->module_promise)
        wag_promise_module_unref(pending->module_promise);
    if (pending->source_promise)
        wag_promise_source_unref(pending->source_promise);
    wag_imports_unref(pending->imports);
    wagi_free(pending);
}

static void list_teardown(wagi_teardown *teardown)
{
    pending_list *list = (pending_list *)teardown;
    list->agent->pending = NULL; /* from now on a finished compilation is discarded */
    for (pending *pending = list->first, *next; pending; pending = next) {
        next = pending->next;
        if (pending->done)
            compilation_free(pending->done);
        pending_free(pending);
    }
    wagi_free(list);
}

static pending_list *list_of(wag_agent *agent)
{
    if (agent->pending || agent->closing)
        return agent->pending;
    pending_list *list = WAGI_NEW(pending_list);
    if (!list)
        return NULL;
    list->agent = agent;
    list->last = &list->first;
    list->teardown.run = list_teardown;
    wagi_agent_on_teardown(agent, &list->teardown);
    agent->pending = list;
    return list;
}

/* ---- delivery ---- */

wag_err wagi_instantiate_with(wag_module *module, wag_imports *imports, wag_instance **ret_instance,
                              wag_error **reterr_error)
{
    wag_linked *linked;
    wag_err err = wagi_link(module, imports, &linked, reterr_error);
    if (err != WAG_OK)
        return err;
    err = wagi_instantiate(linked, ret_instance, reterr_error);
    wagi_linked_drop(linked);
    return err;
}

static void settle(pending *pending, compilation *done)
{
    wag_module *module = done->module;
    wag_error *error = done->error;
    wag_instance *instance;
    done->module = NULL;
    done->error = NULL;
    if (pending->module_promise) {
        if (error)
            wagi_promise_module_reject(pending->module_promise, error);
        else
            wagi_promise_module_resolve(pending->module_promise, module);
        return;
    }
    if (error || wagi_instantiate_with(module, pending->imports, &instance, &error) != WAG_OK) {
        wag_module_unref(module);
        wagi_promise_source_reject(pending->source_promise, error);
        return;
    }
    wagi_promise_source_resolve(pending->source_promise, (wag_instantiated_source){module, instance});
}

static void announce_first(pending_list *list);

/* A task: the compilation is that of the list's first entry. */
static void deliver(wagi_task *task)
{
    compilation *done = (compilation *)task;
    pending_list *list = wagi_agent_peek()->pending;
    if (!list) {
        compilation_free(done);
        return;
    }
    pending *pending = list->first;
    if (!(list->first = pending->next))
        list->last = &list->first;
    /* Before anything of the user's runs: it may wait for the next one. */
    announce_first(list);
    wagi_loop_release(list->agent->loop);
    settle(pending, done);
    pending_free(pending);
    compilation_free(done);
}

/* The list's first entry, if it is finished, becomes a task of its own. */
static void announce_first(pending_list *list)
{
    if (!list->first || !list->first->done)
        return;
    compilation *done = list->first->done;
    list->first->done = NULL; /* the loop's from now on */
    done->task.run = deliver;
    wagi_loop_post(list->agent->loop, &done->task);
}

/* A task: the compilation has come back. */
static void finished(wagi_task *task)
{
    compilation *done = (compilation *)task;
    pending_list *list = wagi_agent_peek()->pending;
    if (list && done->pending != list->first)
        done->pending->done = done;
    else
        deliver(task);
}

/* ---- compile threads ---- */

static void compile_run(wagi_compile_job *job)
{
    compilation *compilation = (struct compilation *)(void *)((char *)job - offsetof(struct compilation, job));
    wagi_mailbox *mailbox = compilation->mailbox;
    wagi_compile((wag_bytes){compilation->bytes, compilation->size}, compilation->cluster, compilation->tier,
                 &compilation->module, &compilation->error);
    wagi_free(compilation->bytes);
    compilation->bytes = NULL;
    wagi_mailbox_post(mailbox, &compilation->task);
    wagi_mailbox_unref(mailbox);
}

/* WAG_OK: the promise will settle. `pending` has one of the promises set; on failure it stays the caller's. */
static wag_err start(wag_agent *agent, wag_bytes bytes, wag_cluster *cluster, wag_tier tier, pending *pending)
{
    pending_list *list = list_of(agent);
    compilation *compilation = WAGI_NEW(struct compilation);
    uint8_t *copy = compilation ? wagi_alloc(bytes.size) : NULL;
    if (!list || !copy) {
        wagi_free(compilation);
        wagi_free(copy);
        return agent->closing ? WAG_CLOSED : WAG_NOMEM;
    }
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    *compilation = (struct compilation){.task = {.run = finished, .discard = compilation_discard},
                                        .job = {.run = compile_run},
                                        .mailbox = wagi_mailbox_ref(wagi_loop_mailbox(agent->loop)),
                                        .cluster = cluster,
                                        .tier = tier,
                                        .bytes = copy,
                                        .size = bytes.size,
                                        .pending = pending};
    wag_err err = wagi_compile_pool_submit(cluster, &compilation->job);
    if (err != WAG_OK) {
        wagi_mailbox_unref(compilation->mailbox);
        compilation_free(compilation);
        return err;
    }
    /* It cannot come back before this thread runs its loop. */
    *list->last = pending;
    list->last = &pending->next;
    wagi_loop_hold(agent->loop);
    return WAG_OK;
}

/* The checks that both functions share. NULL, or why the promise is rejected at once. */
static wag_error *start_checked(wag_bytes bytes, wag_cluster *cluster, wag_tier tier, pending *pending)
{
    if (!bytes.data && bytes.size)
        return wagi_error_new(WAG_TYPE, "the module's bytes are NULL");
    wag_agent *agent = wagi_agent_peek();
    if (!cluster)
        cluster = agent->cluster;
    if (bytes.size > cluster->limits.module_bytes) /* before they are copied */
        return wagi_error_new(WAG_LIMIT, "the module has %zu bytes, the limit is %llu", bytes.size,
                              (unsigned long long)cluster->limits.module_bytes);
    wag_err err = start(agent, bytes, cluster, tier, pending);
    return err == WAG_OK ? NULL : wagi_error_new(err, NULL);
}

wag_promise_module *wag_compile(wag_bytes bytes, const wag_compile_options *options)
{
    wag_promise_module *promise = wagi_promise_module_new();
    if (!promise)
        return NULL;
    pending *pending = WAGI_NEW(struct pending);
    if (!pending) {
        wagi_promise_module_reject(promise, wagi_error_nomem());
        return promise;
    }
    pending->module_promise = wag_promise_module_ref(promise);
    wag_error *error =
        start_checked(bytes, options ? options->cluster : NULL, options ? options->tier : WAG_TIER_DEFAULT, pending);
    if (error) {
        pending_free(pending);
        wagi_promise_module_reject(promise, error);
    }
    return promise;
}

wag_promise_source *wag_instantiate_bytes(wag_bytes bytes, wag_imports *imports)
{
    wag_promise_source *promise = wagi_promise_source_new();
    if (!promise)
        return NULL;
    pending *pending = WAGI_NEW(struct pending);
    if (!pending) {
        wagi_promise_source_reject(promise, wagi_error_nomem());
        return promise;
    }
    pending->source_promise = wag_promise_source_ref(promise);
    wag_error *error;
    if (imports && imports->agent != wagi_agent_peek()) {
        error = wagi_error_new(WAG_WRONG_AGENT, "the import object belongs to another agent");
    } else if ((error = wagi_imports_object_check(imports)) ==
               NULL) { /* JavaScript converts arguments before it compiles */
        pending->imports = wag_imports_ref(imports);
        error = start_checked(bytes, NULL, WAG_TIER_DEFAULT, pending);
    }
    if (error) {
        pending_free(pending);
        wagi_promise_source_reject(promise, error);
    }
    return promise;
}

/* ---- from a module ---- */

typedef struct instantiation {
    wagi_task task;
    wag_linked *linked;            /* own */
    wag_promise_instance *promise; /* one reference */
} instantiation;

static void instantiation_free(wagi_task *task)
{
    instantiation *instantiation = (struct instantiation *)task;
    wagi_linked_drop(instantiation->linked);
    wag_promise_instance_unref(instantiation->promise);
    wagi_free(instantiation);
}

static void instantiation_run(wagi_task *task)
{
    instantiation *instantiation = (struct instantiation *)task;
    wag_instance *instance;
    wag_error *error;
    if (wagi_instantiate(instantiation->linked, &instance, &error) == WAG_OK)
        wagi_promise_instance_resolve(instantiation->promise, instance);
    else
        wagi_promise_instance_reject(instantiation->promise, error);
    instantiation_free(task);
}

wag_promise_instance *wag_instantiate_module(wag_module *module, wag_imports *imports)
{
    wag_promise_instance *promise = wagi_promise_instance_new();
    if (!promise)
        return NULL;
    wag_error *error = wagi_error_nomem();
    instantiation *instantiation = WAGI_NEW(struct instantiation);
    if (!module)
        error = wagi_error_new(WAG_TYPE, "the module is NULL");
    else if (instantiation && wagi_link(module, imports, &instantiation->linked, &error) == WAG_OK)
        error = NULL;
    if (error) {
        wagi_free(instantiation);
        wagi_promise_instance_reject(promise, error);
        return promise;
    }
    instantiation->task = (wagi_task){.run = instantiation_run, .discard = instantiation_free};
    instantiation->promise = wag_promise_instance_ref(promise);
    wagi_loop_post(wagi_agent_peek()->loop, &instantiation->task);
    return promise;
}

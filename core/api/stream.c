/* wag_module_stream: bytes pushed by any thread, compiled by the cluster's threads, delivered to the agent.
 *
 * The stream has one job, which is on the pool while there is something to do: it takes what has come since it looked
 * last, and ends when there is nothing new. So a slow stream holds no thread. The bytes do not move (base/growing.h);
 * where they might, the job runs once, when all of them are there.
 *
 * Exactly one of job and abort completes the stream: it posts the result to the agent's mailbox. References: the user's
 * handle, the agent's (wagi_awaited), the job while it is on the pool, the result on its way.
 */
#include "api/stream.h"

#include <stddef.h>

#include "api/instantiate.h"
#include "base/alloc.h"
#include "base/error.h"
#include "binary/fail.h"
#include "exec/compile_stream.h"
#include "runtime/compile_pool.h"

/* The job is not woken for less: a body that comes byte by byte would do nothing else. */
enum { WORTH_A_JOB = 4 << 10 };

typedef enum stream_state { STREAM_OPEN, STREAM_FINISHED, STREAM_ABORTED } stream_state;

struct wag_module_stream {
    wagi_task task; /* the result on its way */
    wagi_compile_job job;
    atomic_size_t count;
    wag_cluster *cluster; /* one reference */
    wag_tier tier;
    wagi_mailbox *mailbox; /* one reference */
    wagi_awaited *awaited; /* followed only by the task on the owner thread, which does not run once the agent ends */
    wagi_mutex lock;
    /* guarded by lock: */
    stream_state state;
    bool on_pool;   /* the job is */
    bool completed; /* the result has been posted */
    wagi_growing bytes;
    uint64_t written; /* bytes, those that were not kept included */
    wag_err failed;   /* what becomes of it, whatever else comes */
    size_t taken;     /* bytes that the job knows of */
    /* the job's: */
    wagi_compile_stream *compile;
    /* the result: one of the two */
    wag_module *module;
    wag_error *error;
};

/* ---- references ---- */

static wag_module_stream *stream_ref(wag_module_stream *stream)
{
    /* relaxed: whoever takes another reference has one */
    atomic_fetch_add_explicit(&stream->count, 1, memory_order_relaxed);
    return stream;
}

static void stream_unref(wag_module_stream *stream)
{
    /* acq_rel: everything done with it happens before it is freed, by whoever comes last */
    if (!stream || atomic_fetch_sub_explicit(&stream->count, 1, memory_order_acq_rel) != 1)
        return;
    wagi_compile_stream_free(stream->compile);
    wag_module_unref(stream->module);
    wag_error_unref(stream->error);
    wagi_growing_fini(&stream->bytes);
    wagi_mailbox_unref(stream->mailbox);
    wagi_mutex_fini(&stream->lock);
    wag_cluster_unref(stream->cluster);
    wagi_free(stream);
}

/* ---- the agent's side ---- */

static void awaited_teardown(wagi_teardown *teardown)
{
    wagi_awaited *awaited = (wagi_awaited *)teardown;
    if (awaited->stream)
        wag_module_stream_abort(awaited->stream, NULL);
    wagi_awaited_free(awaited);
}

wagi_awaited *wagi_awaited_new(const wag_compile_options *options)
{
    wag_agent *agent = wag_agent_current();
    wagi_awaited *awaited = agent && !agent->closing ? WAGI_NEW(wagi_awaited) : NULL;
    if (!awaited)
        return NULL;
    wag_cluster *cluster = options && options->cluster ? options->cluster : agent->cluster;
    *awaited = (wagi_awaited){.teardown.run = awaited_teardown,
                              .agent = agent,
                              .cluster = wag_cluster_ref(cluster),
                              .tier = options ? options->tier : WAG_TIER_DEFAULT};
    wagi_agent_on_teardown(agent, &awaited->teardown);
    return awaited;
}

void wagi_awaited_free(wagi_awaited *awaited)
{
    wagi_agent_off_teardown(awaited->agent, &awaited->teardown);
    if (awaited->stream)
        wagi_loop_release(awaited->agent->loop);
    if (awaited->response) {
        wagi_response_leave(awaited->response);
        wag_response_unref(awaited->response);
    }
    stream_unref(awaited->stream);
    if (awaited->module_promise)
        wag_promise_module_unref(awaited->module_promise);
    if (awaited->source_promise)
        wag_promise_source_unref(awaited->source_promise);
    wag_imports_unref(awaited->imports);
    wag_cluster_unref(awaited->cluster);
    wagi_free(awaited);
}

static void settle_source(wag_promise_source *promise, wag_imports *imports, wag_module *module, wag_error *error)
{
    wag_instance *instance;
    if (error || wagi_instantiate_with(module, imports, &instance, &error) != WAG_OK) {
        wag_module_unref(module);
        wagi_promise_source_reject(promise, error);
        return;
    }
    wagi_promise_source_resolve(promise, (wag_instantiated_source){module, instance});
}

void wagi_awaited_settle(wagi_awaited *awaited, wag_module *module, wag_error *error)
{
    wag_promise_module *module_promise = awaited->module_promise;
    wag_promise_source *source_promise = awaited->source_promise;
    wag_imports *imports = awaited->imports;
    awaited->module_promise = NULL;
    awaited->source_promise = NULL;
    awaited->imports = NULL;
    wagi_awaited_free(awaited); /* before anything of the user's runs: it may close the agent's streams */
    if (source_promise) {
        settle_source(source_promise, imports, module, error);
        wag_promise_source_unref(source_promise);
        wag_imports_unref(imports);
        return;
    }
    if (error)
        wagi_promise_module_reject(module_promise, error);
    else
        wagi_promise_module_resolve(module_promise, module);
    wag_promise_module_unref(module_promise);
}

/* ---- completion ---- */

static void deliver(wagi_task *task)
{
    wag_module_stream *stream = (wag_module_stream *)task;
    wag_module *module = stream->module;
    wag_error *error = stream->error;
    stream->module = NULL;
    stream->error = NULL;
    wagi_awaited_settle(stream->awaited, module, error);
    stream_unref(stream);
}

static void discard(wagi_task *task)
{
    stream_unref((wag_module_stream *)task);
}

/* module or error: own. The first one counts. */
static void complete(wag_module_stream *stream, wag_module *module, wag_error *error)
{
    wagi_mutex_lock(&stream->lock);
    bool first = !stream->completed;
    stream->completed = true;
    wagi_mutex_unlock(&stream->lock);
    if (!first) {
        wag_module_unref(module);
        wag_error_unref(error);
        return;
    }
    stream->module = module;
    stream->error = error;
    wagi_mailbox_post(stream->mailbox, &stream_ref(stream)->task);
}

/* ---- the job ---- */

/* What there is to do: *ret_size bytes are there. False: nothing, and the job ends. */
static bool take(wag_module_stream *stream, size_t *ret_size, stream_state *ret_state)
{
    wagi_mutex_lock(&stream->lock);
    size_t fresh = stream->bytes.size - stream->taken;
    bool more = stream->state == STREAM_FINISHED ||
                (stream->state == STREAM_OPEN && stream->failed == WAG_OK && fresh >= WORTH_A_JOB);
    stream->on_pool = more;
    stream->taken = *ret_size = stream->bytes.size;
    *ret_state = stream->state;
    wagi_mutex_unlock(&stream->lock);
    return more;
}

static void finish_now(wag_module_stream *stream)
{
    /* Nobody else looks at the bytes any more: the state says so. */
    uint64_t limit = stream->cluster->limits.module_bytes;
    wag_module *module = NULL;
    wag_error *error = NULL;
    if (stream->written > limit)
        wagi_fail_limit(WAG_LIMIT_module_bytes, limit, stream->written, 0, WAGI_NO_INDEX, &error);
    else if (stream->failed == WAG_NOMEM || !stream->compile)
        error = wagi_error_nomem();
    else
        wagi_compile_stream_end(stream->compile, &stream->bytes, &module, &error);
    wagi_compile_stream_free(stream->compile);
    stream->compile = NULL;
    complete(stream, module, error);
}

static void job_run(wagi_compile_job *job)
{
    wag_module_stream *stream = (wag_module_stream *)(void *)((char *)job - offsetof(wag_module_stream, job));
    stream_state state;
    size_t size;
    while (take(stream, &size, &state)) {
        if (!stream->compile)
            stream->compile = wagi_compile_stream_new(&stream->bytes, stream->cluster, stream->tier);
        if (state == STREAM_FINISHED) {
            finish_now(stream);
            break;
        }
        wag_err err = stream->compile ? wagi_compile_stream_feed(stream->compile, size) : WAG_NOMEM;
        if (err == WAG_OK)
            continue;
        wagi_mutex_lock(&stream->lock);
        stream->failed = stream->failed == WAG_OK ? err : stream->failed;
        wagi_mutex_unlock(&stream->lock);
    }
    stream_unref(stream);
}

/* Put the job on the pool unless it is there. False when it cannot be. */
static bool wake_job(wag_module_stream *stream, bool worth_it)
{
    wagi_mutex_lock(&stream->lock);
    bool start = worth_it && !stream->on_pool && !stream->completed;
    stream->on_pool = stream->on_pool || start;
    wagi_mutex_unlock(&stream->lock);
    if (!start || wagi_compile_pool_submit(stream->cluster, &stream_ref(stream)->job) == WAG_OK)
        return true;
    wagi_mutex_lock(&stream->lock);
    stream->on_pool = false;
    wagi_mutex_unlock(&stream->lock);
    stream_unref(stream);
    return false;
}

/* ---- the interface ---- */

bool wagi_stream_new(wagi_awaited *awaited)
{
    wag_module_stream *stream = WAGI_NEW(wag_module_stream);
    if (!stream)
        return false;
    stream->task = (wagi_task){.run = deliver, .discard = discard};
    stream->job.run = job_run;
    atomic_init(&stream->count, 1);
    stream->cluster = wag_cluster_ref(awaited->cluster);
    stream->tier = awaited->tier;
    stream->mailbox = wagi_mailbox_ref(wagi_loop_mailbox(awaited->agent->loop));
    stream->awaited = awaited;
    wagi_mutex_init(&stream->lock);
    uint64_t limit = stream->cluster->limits.module_bytes;
    wagi_growing_init(&stream->bytes, limit < SIZE_MAX ? (size_t)limit : SIZE_MAX);
    awaited->stream = stream;
    wagi_loop_hold(awaited->agent->loop);
    return true;
}

wag_err wag_module_stream_new(const wag_compile_options *options, wag_module_stream **ret_stream,
                              wag_promise_module **ret_promise)
{
    wag_agent *agent = wag_agent_current();
    wag_promise_module *promise = wagi_promise_module_new();
    wagi_awaited *awaited = promise ? wagi_awaited_new(options) : NULL;
    if (!awaited || !wagi_stream_new(awaited)) {
        if (awaited)
            wagi_awaited_free(awaited);
        if (promise)
            wag_promise_module_unref(promise);
        return agent && agent->closing ? WAG_CLOSED : WAG_NOMEM;
    }
    awaited->module_promise = wag_promise_module_ref(promise);
    *ret_stream = stream_ref(awaited->stream);
    *ret_promise = promise;
    return WAG_OK;
}

/* The bytes; the code with which the module is bound to fail. Caller holds the lock. */
static wag_err append_locked(wag_module_stream *stream, wag_bytes chunk)
{
    stream->written += chunk.size;
    if (stream->written > stream->cluster->limits.module_bytes)
        stream->failed = WAG_LIMIT;
    else if (stream->failed == WAG_OK && !wagi_growing_append(&stream->bytes, chunk.data, chunk.size))
        stream->failed = WAG_NOMEM;
    return stream->failed;
}

wag_err wag_module_stream_write(wag_module_stream *stream, wag_bytes chunk)
{
    if (!stream || (!chunk.data && chunk.size))
        return WAG_TYPE;
    wagi_mutex_lock(&stream->lock);
    wag_err err = stream->state == STREAM_OPEN ? append_locked(stream, chunk) : WAG_CLOSED;
    bool worth_it = err == WAG_OK && stream->bytes.fixed && stream->bytes.size - stream->taken >= WORTH_A_JOB;
    wagi_mutex_unlock(&stream->lock);
    wake_job(stream, worth_it); /* else the next write or finish does it */
    return err;
}

/* False when it has been done before. */
static bool leave_open(wag_module_stream *stream, stream_state state)
{
    wagi_mutex_lock(&stream->lock);
    bool open = stream->state == STREAM_OPEN;
    if (open)
        stream->state = state;
    wagi_mutex_unlock(&stream->lock);
    return open;
}

wag_err wag_module_stream_finish(wag_module_stream *stream)
{
    if (!stream)
        return WAG_TYPE;
    if (!leave_open(stream, STREAM_FINISHED))
        return WAG_CLOSED;
    if (!wake_job(stream, true))
        complete(stream, NULL, wagi_error_new(WAG_SYSTEM, "there is no thread to compile on"));
    return WAG_OK;
}

wag_err wag_module_stream_abort(wag_module_stream *stream, wag_error *error)
{
    if (!stream || !leave_open(stream, STREAM_ABORTED)) {
        wag_error_unref(error);
        return stream ? WAG_CLOSED : WAG_TYPE;
    }
    complete(stream, NULL, error ? error : wagi_error_new(WAG_INTERRUPTED, "the stream was aborted"));
    return WAG_OK;
}

void wag_module_stream_free(wag_module_stream *stream)
{
    if (!stream)
        return;
    wag_module_stream_abort(stream, NULL); /* unless it is finished */
    stream_unref(stream);
}

/* What the headers promise a compiler about threads and types: this file compiles as it is, and not with any of its
 * cases. A case begins with "#if CASE == N" and a comment that says what the compiler has to complain of. */
#include <waggle.h>

/* A thread of a pool, without objects of its own. */
static void *pool_thread(void *context)
{
    wag_module *module = wag_module_ref(context); /* a module goes anywhere, and so do errors */
    (void)wag_module_export_count(module);
    wag_error_unref(wag_error_new(WAG_CLASS_ERROR, "no agent here"));
    wag_module_unref(module);
    return NULL;
}

/* A thread that makes objects says so once, and what it calls is marked. */
static WAG_OWNER_THREAD int answer(wag_module *module)
{
    wag_instance *instance;
    if (wag_instance_new(module, NULL, &instance, NULL) != WAG_OK)
        return 0;
    wag_instance_unref(instance);
    return 42;
}
static void *own_thread(void *context)
{
    wag_assume_owner_thread();
    (void)answer(context);
    wag_agent_close();
    return NULL;
}

void *(*const contract_threads[])(void *) = {pool_thread, own_thread};

#ifndef CASE
#elif CASE == 1 /* thread: requires holding agent 'wag_owner' */
void *call_anywhere(void *func);
void *call_anywhere(void *func)
{
    (void)wag_call(func, NULL, 0, NULL, 0, NULL);
    return NULL;
}
#elif CASE == 2 /* thread: requires holding agent 'wag_owner' */
void *release_anywhere(void *instance);
void *release_anywhere(void *instance)
{
    wag_instance_unref(instance);
    return NULL;
}
#elif CASE == 3 /* thread: calling function 'answer' requires holding agent 'wag_owner' */
void *call_what_is_marked(void *module);
void *call_what_is_marked(void *module)
{
    return answer(module) ? module : NULL;
}
#elif CASE == 4 /* thread: requires holding agent 'wag_owner' */
void *post_anywhere(void *worker);
void *post_anywhere(void *worker)
{
    (void)wag_worker_post_message(worker, WAG_NULL, NULL);
    return NULL;
}
#elif CASE == 5 /* type: incompatible pointer type */
WAG_OWNER_THREAD wag_err post_an_instance(wag_worker *worker, wag_instance *instance);
WAG_OWNER_THREAD wag_err post_an_instance(wag_worker *worker, wag_instance *instance)
{
    return wag_worker_post_message(worker, WAG_MODULE(instance), NULL);
}
#elif CASE == 6 /* type: incompatible pointer type */
WAG_OWNER_THREAD wag_err share_what_is_not_shared(wag_memory *memory);
WAG_OWNER_THREAD wag_err share_what_is_not_shared(wag_memory *memory)
{
    return wag_memory_of_shared(memory, NULL, NULL);
}
#elif CASE == 7 /* type: incompatible pointer type */
WAG_OWNER_THREAD wag_err await_something_else(wag_promise_module *promise, wag_instance **ret_instance);
WAG_OWNER_THREAD wag_err await_something_else(wag_promise_module *promise, wag_instance **ret_instance)
{
    return wag_await(promise, ret_instance, NULL);
}
#elif CASE == 8 /* type: not compatible with any|_Generic */
WAG_OWNER_THREAD void instantiate_an_instance(wag_instance *instance);
WAG_OWNER_THREAD void instantiate_an_instance(wag_instance *instance)
{
    wag_promise_unref(wag_instantiate(instance, NULL));
}
#elif CASE == 9 /* type: too many arguments|macro "wag_instantiate" */
WAG_OWNER_THREAD void instantiate_with_three(wag_module *module);
WAG_OWNER_THREAD void instantiate_with_three(wag_module *module)
{
    wag_promise_unref(wag_instantiate(module, NULL, NULL));
}
#else
#error "there is no such case"
#endif

/* The pool: what an agent keeps for one module, or for one type of memory (pool_memory.c). It holds the Module (one
 * atomic count for all instances of the agent, which it counts plainly), the links that import objects keep, and
 * instances that are ready to be used again: blocks that are reset, each with its memories. Owner thread.
 *
 * A Module must not live on because pools hold it: a pool goes when nothing of the agent uses it and only pools hold
 * the Module. The agent that drops the last instance, link or handle of its own sees that at once; other agents when
 * they next use a pool, wait in their loop, or end.
 */
#ifndef WAGI_RUNTIME_POOL_H
#define WAGI_RUNTIME_POOL_H

#include "base/alloc.h"
#include "runtime/agent.h"

/* An own mutable global that begins as a number. */
typedef struct wagi_first_value {
    uint64_t offset; /* of its value in the block */
    bool is_wide;    /* v128 */
    wagi_slot bits[2];
} wagi_first_value;

enum { WAGI_READY_GUARDED = 256 }; /* guarded memories that an agent keeps ready: each is 8 GiB of addresses */

typedef struct wagi_pool {
    struct wagi_pool *next; /* of the same place in the agent's table */
    wag_agent *agent;
    wag_module *module; /* one reference */
    wagi_instance_layout layout;
    size_t instances;  /* alive */
    size_t pins;       /* handles of links, apart from those of `cached` and `none` */
    wag_linked *links; /* all that are alive */
    wag_linked *none;  /* of a module without imports; one handle, or NULL */

    size_t ready_bytes;
    uint32_t ready_guarded;
    uint64_t memory_bytes;          /* linear memory of a ready instance */
    WAGI_VEC(wag_instance *) ready; /* last in, first out: the warmest is taken */
    bool recyclable;                /* an instance can be made as good as new */
    bool linked_contents;           /* tables or passive segments begin with something of the imports */
    bool has_late_globals;          /* own globals that must be computed each time */
    bool has_passive;               /* segments that can be dropped */
    bool is_quiet;                  /* nothing runs when a reset instance is used again with the same link */
    uint32_t first_value_count;
    wagi_first_value *first_values;
    struct wagi_memory_plan *plans; /* of own memories (slot.h) */
} wagi_pool;

/* Imports that have been read: one object per import, each counted as a reference of this unit. All instances made with
 * it hold it, and so their imports. */
struct wag_linked {
    wagi_object object;
    wagi_pool *pool; /* NULL once that has gone: nobody can instantiate with it any more */
    uint64_t serial; /* of this agent: never used twice */
    uint32_t count;
    bool matched; /* the types have been checked, and `escapes` says something */
    bool escapes; /* an instance that is linked with it is escaped from the start: rules 1 and 4 of object.h */
    struct wag_imports *imports; /* whose cache it is in (one handle), or NULL */
    wag_linked *imports_next;
    wag_linked *pool_next, **pool_link;
    wagi_object *objects[];
};

/* The agent's pool of a module, made if need be. The caller holds the module. WAGI's NULL without memory. */
wagi_pool *wagi_pool_get(wag_agent *agent, wag_module *module);
wagi_pool *wagi_pool_find(const wag_agent *agent, const wag_module *module); /* NULL when there is none */
/* An instance that needs no more than to be counted, or NULL: wagi_instantiate's fast path. */
wag_instance *wagi_pool_instantiate(wag_linked *linked);
/* Let the pool go, if nobody needs it. */
void wagi_pool_settle(wagi_pool *pool);
/* The last handle of a module may be gone, on this thread. */
void wagi_pool_forsaken(wag_agent *agent, const wag_module *module);
/* An instance that is reset, or NULL. */
wag_instance *wagi_pool_take(wagi_pool *pool);
/* Nobody may touch a ready instance, says this to AddressSanitizer; but where its memories are the slots' table asks.
 */
static inline void wagi_instance_sleep(wag_instance *instance)
{
    const wagi_module_data *data = instance->data;
    wag_memory **memories = instance->memories;
    uint32_t first = data->memory_import_count, count = data->memory_count - first;
    wag_memory *own = count ? memories[first] : NULL; /* one behind the other, in the block */
    WAGI_POISON(instance, instance->block_size);
    WAGI_UNPOISON(own, count * sizeof *own);
}
/* It may be touched again. */
static inline void wagi_instance_wake(wag_instance *instance)
{
    WAGI_UNPOISON(instance, sizeof *instance); /* block_size is in what is poisoned */
    WAGI_UNPOISON(instance, instance->block_size);
}
/* A ready instance comes or goes: what it keeps is counted. */
static inline void wagi_pool_account(wagi_pool *pool, const wag_instance *instance, bool comes)
{
    size_t bytes = comes ? instance->ready_weight : (size_t)0 - instance->ready_weight;
    pool->agent->pools.ready_bytes += bytes;
    pool->agent->pools.ready_memory += comes ? pool->memory_bytes : 0 - pool->memory_bytes;
    pool->ready_bytes += bytes;
    if (instance->ready_guarded) {
        uint32_t guarded = comes ? instance->ready_guarded : 0u - instance->ready_guarded;
        pool->agent->pools.ready_guarded += guarded;
        pool->ready_guarded += guarded;
    }
}
/* An instance has died: reset and keep it, or free it. */
void wagi_pool_give(wag_instance *instance);
/* Free what is ready in all pools; and pools that nobody needs. False when there was nothing. */
bool wagi_pools_trim(wag_agent *agent);
/* The agent keeps more than its limits say: free what has not been used for longest. */
void wagi_pools_fit(wag_agent *agent);
static inline bool wagi_pools_are_full(const wag_agent *agent)
{
    return agent->pools.ready_guarded > WAGI_READY_GUARDED ||
           agent->pools.ready_bytes > agent->cluster->limits.ready_bytes;
}
/* Take linear memory from the quota. What is ready counts, too, and goes, as far as need be, if that is enough: so a
 * request that is refused costs those who ask again and again, and the pools, nothing. WAG_OK, WAG_QUOTA. */
wag_err wagi_pools_take_memory(wagi_unit *unit, uint64_t size);
/* The agent ends: nothing of it is alive. */
void wagi_pools_free(wag_agent *agent);

/* ---- host-made memories (pool_memory.c) ---- */
/* What an agent keeps for the memories of one type that its host makes. */
typedef struct wagi_memory_pool {
    struct wagi_memory_pool *next;
    wag_agent *agent;
    wagi_memory_type type;
    size_t alive;
    size_t ready_bytes;
    uint32_t ready_guarded;
    WAGI_VEC(wag_memory *) ready;   /* last in, first out; each a unit, reset, with or without guard pages */
    struct wagi_memory_plan *plans; /* [is_guarded] */
} wagi_memory_pool;
/* A memory of this type that is as new, with one handle, or NULL. */
wag_memory *wagi_memory_pool_take(wag_agent *agent, wagi_memory_type type);
/* A memory has been made: keep it when it dies, if its type is one to be kept. */
void wagi_memory_pool_join(wag_memory *memory);
/* It has got guard pages. */
void wagi_memory_pool_guarded(wag_memory *memory);
/* It has died: reset and keep it, or return false: then it must be closed and freed. */
bool wagi_memory_pool_give(wag_memory *memory);
/* Free the one that has been ready for longest. */
void wagi_memory_pool_free_coldest(wagi_memory_pool *pool);
void wagi_memory_pools_free(wag_agent *agent);

/* ---- links (linked.c) ---- */
/* What wagi_link would find. borrow. */
wag_linked *wagi_link_find(wag_agent *agent, const wag_module *module, const struct wag_imports *imports);
void wagi_linked_hold(wag_linked *linked);
void wagi_linked_drop(wag_linked *linked);
/* Check the types, once. WAG_LINK. */
wag_err wagi_linked_match(wag_linked *linked, wag_error **reterr_error);
/* The unit is being freed. */
void wagi_linked_close(wag_linked *linked);
/* An import object changes or goes: forget what was read from it. */
void wagi_links_forget(struct wag_imports *imports);
/* Forget every link of a pool, which goes. */
void wagi_links_leave(wagi_pool *pool);

/* ---- instance.c ---- */
/* As good as new, or false: then it must be freed. */
bool wagi_instance_reset(wag_instance *instance);
/* ---- pool_learn.c ---- */
/* What the pool must know of its module's instances. False without memory. */
bool wagi_pool_learn(wagi_pool *pool);
void wagi_pool_unlearn(wagi_pool *pool);

#endif

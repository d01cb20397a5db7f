/* What the files of the store share: making objects, their parts inside an instance's block, linking.
 * Everything here is owner thread. The rules of units are in object.h. */
#ifndef WAGI_RUNTIME_STORE_H
#define WAGI_RUNTIME_STORE_H

#include "runtime/agent.h"

/* ---- units ---- */

/* A unit that is new, or dead and taken out of the store, comes to life: one handle, in the agent's list. Its agent and
 * kind are set; it has no references and no infos. */
static inline void wagi_unit_begin(wagi_unit *unit)
{
    wag_agent *agent = unit->agent;
    wagi_unit *next = agent->units;
    unit->previous = NULL;
    unit->next = next;
    unit->handles = 1;
    unit->escaped = unit->dying = false;
    unit->marked = agent->gc.marking; /* a trace finds what was there when it began */
    if (next)
        next->previous = unit;
    agent->units = unit;
    agent->unit_count++;
}

/* A unit with one object of its own: one block, the unit first. Zeroed but for the object's head; handles 1. NULL when
 * memory is out. */
void *wagi_object_new(wag_agent *agent, wagi_object_kind kind, size_t object_size);
/* The object that a unit was made as. */
static inline wagi_object *wagi_unit_object(wagi_unit *unit)
{
    if (unit->kind == WAGI_OBJECT_INSTANCE)
        return (wagi_object *)(void *)((char *)unit - offsetof(wag_instance, unit));
    return (wagi_object *)(unit + 1);
}
/* The bytes of the unit's block, from wagi_unit_block. */
size_t wagi_unit_block_size(const wagi_unit *unit);
static inline const void *wagi_unit_block(wagi_unit *unit)
{
    return unit->kind == WAGI_OBJECT_INSTANCE ? (const void *)wagi_unit_object(unit) : (const void *)unit;
}
/* Visit every unit that a unit counts in its refs, once per count. */
typedef void (*wagi_unit_visitor)(wagi_unit *target, void *context);
void wagi_unit_strong_edges(wagi_unit *unit, wagi_unit_visitor visit, void *context);
/* Take out of the agent's list and queue for wagi_store_drain. The unit must be dead. */
void wagi_unit_bury(wagi_unit *unit);
/* A trace is over: set the next threshold. */
void wagi_store_collected(wag_agent *agent);
/* Free what is queued: give back what dead units hold, run finalizers, free. Re-entrant: an inner call leaves the work
 * to the outer one. */
void wagi_store_drain(wag_agent *agent);

/* ---- making objects: handles 1, NULL without memory unless an error is said ---- */

/* type: own (one reference to its group, also on failure), or NULL for a function that takes an import's type. On
 * failure finalize has not been called. */
wag_func *wagi_func_new(wag_agent *agent, const wagi_type *type, wag_host_func host, void *context,
                        void (*finalize)(void *context));
/* A typed function for an untyped one. type: borrow. */
wag_func *wagi_func_specialise(wag_func *origin, const wagi_type *type);
wag_err wagi_memory_new(wag_agent *agent, wagi_memory_type type, wag_memory **ret_memory, wag_error **reterr_error);
/* One that aliases a shared block. shared: borrow. NULL without memory. */
wag_memory *wagi_memory_new_alias(wag_agent *agent, wag_shared_memory *shared);
wag_err wagi_table_new(wag_agent *agent, wagi_table_type type, wagi_slot init, wag_table **ret_table,
                       wag_error **reterr_error);
/* A concrete content type's group must be held by the caller; the global takes a reference of its own. */
wag_global *wagi_global_new(wag_agent *agent, wagi_global_type type);
wag_tag *wagi_tag_new(wag_agent *agent, const wagi_type *type); /* type: own, also on failure */
wag_extern *wagi_extern_new(wag_agent *agent, void *host, void (*finalize)(void *host));
/* An externref for a value that is none: its host pointer is a wag_value *. value: borrow. */
wag_extern *wagi_extern_wrap(wag_agent *agent, wag_value value);
/* The value inside such an externref; NULL for another one. borrow. */
const wag_value *wagi_extern_value(const wag_extern *ext);
/* The store object's head inside a value; NULL for other kinds. */
wagi_object *wagi_value_object(wag_value value);

/* "i32" ... "exnref", as signatures have them. False for another word. */
bool wagi_type_word(wag_name word, wagi_valtype *ret_type);
/* Read "(i32 i64) -> (f64)". ret_type: own. WAG_TYPE with the place, WAG_NOMEM, WAG_LIMIT. */
wag_err wagi_signature_parse(wag_agent *agent, const char *text, const wagi_type **ret_type, wag_error **reterr_error);
bool wagi_type_carries_functions(const wagi_registry *registry, const wagi_type *type);

/* ---- memories and tables inside any block ---- */

/* Fill in an object whose head is set. guarded: see object.h. Fails with WAG_RANGE, WAG_NOMEM; then there is nothing to
 * give back. */
wag_err wagi_memory_open(wag_memory *memory, wagi_memory_type type, bool guarded, wag_error **reterr_error);
void wagi_memory_close(wag_memory *memory); /* zeroed memory: a no-op */
/* room: zeroed space for the initial elements, or NULL to allocate it. */
wag_err wagi_table_open(wag_table *table, wagi_table_type type, wagi_slot *room, wag_error **reterr_error);
void wagi_table_close(wag_table *table); /* zeroed table: a no-op */

/* ---- linking ---- */

/* Object is what imports read for import `index`; WAG_LINK when its type does not match. */
wag_err wagi_import_match(const wag_module *module, uint32_t index, const wagi_object *object,
                          wag_error **reterr_error);
/* An error about an import; both texts go into the message and the details. */
wag_error *wagi_import_error(wag_err code, const wag_module *module, uint32_t index, const char *wanted,
                             const char *given);
/* The type of an import in the text format's words, cut off with "..." at the buffer's end. */
void wagi_import_text(const wag_module *module, uint32_t index, char *buffer, size_t size);

/* Make the instance: allocate and initialise everything that needs no trap: globals, tables, memories, passive
 * segments. Imports must match. ret_instance: own; on failure everything is given back. */
wag_err wagi_instance_new(wag_linked *linked, wag_instance **ret_instance, wag_error **reterr_error);
/* True when an instance that is linked so is escaped from the start: rules 1 and 4 of object.h. */
bool wagi_linking_escapes(const wag_linked *linked);
/* The value of an export. borrow. index WAGI_NO_INDEX: undefined. */
wag_value wagi_instance_export(const wag_instance *instance, uint32_t index);
/* Evaluate a constant expression. ret_value: two words for v128. Returns NULL or an error. */
wag_error *wagi_const_eval(wag_instance *instance, const wagi_const_expr *expr, wagi_slot *ret_value);
/* Give back what the instance's arrays hold (not the imports' counts). */
void wagi_instance_close(wag_instance *instance);

#endif

/* The agent check of the public functions. */
#ifndef WAGI_API_CHECK_H
#define WAGI_API_CHECK_H

#include "runtime/agent.h"

/* True for a non-NULL store object of this thread. */
static inline bool wagi_mine(const wagi_object *object)
{
    return object && wagi_is_owner(object);
}
/* WAG_OK for one, else what the public function fails with. */
static inline wag_err wagi_mine_err(const wagi_object *object)
{
    return !object ? WAG_TYPE : wagi_is_owner(object) ? WAG_OK : WAG_WRONG_AGENT;
}
/* x_ref and x_unref of everything. */
static inline void wagi_handle_ref(const wagi_object *object)
{
    if (wagi_mine(object))
        wagi_unit_hold(object->unit);
}
static inline void wagi_handle_unref(const wagi_object *object)
{
    if (wagi_mine(object))
        wagi_unit_release(object->unit);
}
/* Hand a new object (one handle) to the host, or let it go when the host does not want it. */
#define WAGI_GIVE(made_, ret_) ((ret_) ? (void)(*(ret_) = (made_)) : wagi_handle_unref(&(made_)->object))

#endif

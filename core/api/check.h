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
/* The sizes of a new memory or table; maximum: UINT64_MAX is none. NULL, or why it cannot have them (WAG_RANGE). */
static inline wag_error *wagi_sizes_check(const char *what, const char *units, uint64_t initial, uint64_t maximum,
                                          uint64_t most_now, uint64_t most)
{
    bool has_maximum = maximum != UINT64_MAX;
    if (has_maximum && maximum < initial)
        return wagi_error_new(WAG_RANGE, "a %s cannot have %llu %s now and %llu at the most", what,
                              (unsigned long long)initial, units, (unsigned long long)maximum);
    if (initial > most_now || (has_maximum && maximum > most))
        return wagi_error_new(WAG_RANGE, "a %s cannot have %llu %s, the limit is %llu", what,
                              (unsigned long long)(initial > most_now ? initial : maximum), units,
                              (unsigned long long)(initial > most_now ? most_now : most));
    return NULL;
}
/* Hand a new object (one handle) to the host, or let it go when the host does not want it. */
#define WAGI_GIVE(made_, ret_) ((ret_) ? (void)(*(ret_) = (made_)) : wagi_handle_unref(&(made_)->object))

#endif

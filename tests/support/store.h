/* For tests of the store: each starts and ends with an empty one. */
#ifndef TESTS_SUPPORT_STORE_H
#define TESTS_SUPPORT_STORE_H

#include "tests/support/check.h"

#include "runtime/agent.h"

static inline int store_is_empty(void **state)
{
    (void)state;
    wagi_store_stress(wag_agent_current(), false);
    wag_agent_collect();
    assert_int_equal(wag_agent_live_objects(), 0);
    return 0;
}

static inline wag_table *table_of(const wag_instance *instance, const char *name)
{
    wag_table *table = wag_exports_table(wag_instance_exports(instance), name);
    assert_non_null(table);
    return table;
}

static inline wag_error *nothing(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)args, (void)results;
    return NULL;
}

static inline void count_up(void *context)
{
    ++*(int *)context;
}

#define STORE_TEST(name) cmocka_unit_test_teardown(name, store_is_empty)

#endif

/* For tests that run a loop, with workers or without: one turn of it, workers and their ends. */
#ifndef TESTS_SUPPORT_LOOP_H
#define TESTS_SUPPORT_LOOP_H

#include "tests/support/check.h"
#include "tests/support/left.h"

#include <poll.h>

/* One turn of the loop, when there is something to do. */
static inline void turn(void)
{
    struct pollfd item = {.fd = wag_agent_fd(), .events = POLLIN};
    assert_int_equal(poll(&item, 1, 60000), 1);
    wag_agent_turn();
}

static inline wag_worker *worker_with(const wag_worker_options *options)
{
    wag_worker *worker = NULL;
    wag_error *error = NULL;
    if (wag_worker_new(options, &worker, &error) != WAG_OK)
        fail_msg("wag_worker_new: %s", wag_error_message(error));
    return worker;
}

static inline wag_worker *worker_of(wag_worker_entry entry, void *context)
{
    wag_worker_options options = {.entry = entry, .context = context};
    return worker_with(&options);
}

/* Wait for the end of a worker and free it. */
static inline wag_exit exit_of(wag_worker *worker)
{
    wag_exit result;
    wag_promise_exit *exited = wag_worker_exited(worker);
    ASSERT_OK(wag_await(exited, &result, NULL));
    wag_promise_exit_unref(exited);
    wag_worker_free(worker);
    return result;
}

#endif

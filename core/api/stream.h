/* A module that is being made of bytes that arrive, from the agent's side: who waits for it, and what becomes of it. */
#ifndef WAGI_API_STREAM_H
#define WAGI_API_STREAM_H

#include "api/promise.h"
#include "runtime/loop.h"

/* A promise that streaming will settle. Owner thread. While it has a stream the agent's loop is held. */
typedef struct wagi_awaited {
    wagi_teardown teardown;
    wag_agent *agent;
    wag_promise_module *module_promise; /* one of the two; one reference */
    wag_promise_source *source_promise;
    wag_imports *imports; /* of the source promise; one reference, or NULL */
    wag_cluster *cluster; /* one reference */
    wag_tier tier;
    wag_module_stream *stream; /* one reference; NULL: not begun */
    wag_response *response;    /* where the bytes come from; one reference, or NULL */
} wagi_awaited;

/* Pending, of this thread's agent; the caller sets the promise. NULL without memory, or when the agent is closing. */
wagi_awaited *wagi_awaited_new(const wag_compile_options *options);
/* Settle with module (own) or error (own), and free. */
void wagi_awaited_settle(wagi_awaited *awaited, wag_module *module, wag_error *error);
/* Free one that never got so far as to be waited for. */
void wagi_awaited_free(wagi_awaited *awaited);

/* Make the stream whose end settles it. False without memory. */
bool wagi_stream_new(wagi_awaited *awaited);

/* The body of `awaited->response` will not be read any more (response.c). */
void wagi_response_leave(wag_response *response);

#endif

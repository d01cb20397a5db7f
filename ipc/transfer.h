/* Transfer lists: what is detached here and arrives there. HTML: StructuredSerializeWithTransfer.
 *
 * check, wagi_clone_write_listed, detach, and then commit or restore. Nothing is detached before all that can be wrong
 * has been looked at, and nothing fails after: either all of the list has gone or none of it.
 * The items' contents are in the first of the clone's transfers from detach on, until a message takes them over.
 */
#ifndef WAGI_IPC_TRANSFER_H
#define WAGI_IPC_TRANSFER_H

#include "ipc/channel.h"
#include "ipc/clone.h"

/* Kinds, owners, and that `source`, which the message is posted to, is not among them. WAG_DATA_CLONE, WAG_WRONG_AGENT,
 * WAG_TYPE. */
wag_err wagi_transfer_check(const wag_value *items, size_t count, const wagi_end *source, wag_error **reterr_error);
/* WAG_DATA_CLONE for one that is detached, WAG_TYPE for the buffer of a memory, WAG_NOMEM; then nothing has happened.
 */
wag_err wagi_transfer_detach(const wag_value *items, size_t count, wagi_clone *clone, wag_error **reterr_error);
/* The ports begin to travel. False when they never could arrive. */
bool wagi_transfer_begin(const wagi_clone *clone, size_t count, wagi_end *receiver);
/* They have gone; or come back from the clone. */
void wagi_transfer_commit(const wag_value *items, size_t count);
void wagi_transfer_restore(const wag_value *items, size_t count, wagi_clone *clone);

#endif

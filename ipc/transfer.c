/* Transfer lists: checks first, then moves that cannot fail. See transfer.h. */
#include "ipc/transfer.h"

#include "base/error.h"
#include "ipc/port.h"

static wag_err fail_item(wag_err err, size_t index, wag_value item, const char *why, wag_error **reterr_error)
{
    return wagi_fail(
        wagi_error_new(err, "the %s at %zu in the transfer list %s", wag_value_kind_name(item.kind), index, why),
        reterr_error);
}

wag_err wagi_transfer_check(const wag_value *items, size_t count, const wagi_end *source, wag_error **reterr_error)
{
    if (count && !items)
        return wagi_fail(wagi_error_new(WAG_TYPE, "a transfer list of no items"), reterr_error);
    for (size_t i = 0; i < count; i++) {
        const wagi_object *object = wagi_value_object(items[i]);
        bool is_port = items[i].kind == WAG_VALUE_PORT;
        if (!object || (!is_port && items[i].kind != WAG_VALUE_BUFFER))
            return fail_item(WAG_DATA_CLONE, i, items[i], "cannot be transferred", reterr_error);
        if (!wagi_is_owner(object))
            return fail_item(WAG_WRONG_AGENT, i, items[i], "belongs to another agent", reterr_error);
        if (is_port && items[i].of.port->end == source)
            return fail_item(WAG_DATA_CLONE, i, items[i], "is the one that the message is posted to", reterr_error);
        if (!is_port && items[i].of.buffer->shared)
            return fail_item(WAG_DATA_CLONE, i, items[i], "is shared", reterr_error);
    }
    return WAG_OK;
}

/* What only now is looked at: serialising comes before it. */
static wag_err check_attached(const wag_value *items, size_t count, wag_error **reterr_error)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].kind == WAG_VALUE_PORT) {
            if (!items[i].of.port->end)
                return fail_item(WAG_DATA_CLONE, i, items[i], "is closed or was transferred", reterr_error);
        } else if (wagi_buffer_is_detached(items[i].of.buffer)) {
            return fail_item(WAG_DATA_CLONE, i, items[i], "is detached", reterr_error);
        } else if (wagi_buffer_is_keyed(items[i].of.buffer)) {
            return fail_item(WAG_TYPE, i, items[i], "is the buffer of a memory", reterr_error);
        }
    }
    return WAG_OK;
}

static void drop_spares(const wag_value *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (items[i].kind == WAG_VALUE_PORT) {
            wagi_landing_unref(items[i].of.port->spare);
            items[i].of.port->spare = NULL;
        }
}

wag_err wagi_transfer_detach(const wag_value *items, size_t count, wagi_clone *clone, wag_error **reterr_error)
{
    wag_err err = check_attached(items, count, reterr_error);
    if (err != WAG_OK)
        return err;
    for (size_t i = 0; i < count; i++)
        if (items[i].kind == WAG_VALUE_PORT && !(items[i].of.port->spare = wagi_landing_new())) {
            drop_spares(items, i);
            return wagi_fail(wagi_error_nomem(), reterr_error);
        }
    for (size_t i = 0; i < count; i++) {
        if (items[i].kind == WAG_VALUE_PORT) {
            wag_port *port = items[i].of.port;
            clone->transfers.p[i].end = port->end;
            port->spare = wagi_end_lift(port->end, port->spare);
        } else {
            clone->transfers.p[i].backing = items[i].of.buffer->backing;
            items[i].of.buffer->backing = NULL;
        }
    }
    return WAG_OK;
}

bool wagi_transfer_begin(const wagi_clone *clone, size_t count, wagi_end *receiver)
{
    bool has_ports = false;
    for (size_t i = 0; i < count && !has_ports; i++)
        has_ports = clone->transfers.p[i].end != NULL;
    return !has_ports || wagi_ends_begin_travel(clone->transfers.p, count, receiver);
}

void wagi_transfer_commit(const wag_value *items, size_t count)
{
    drop_spares(items, count); /* where they landed before */
    for (size_t i = 0; i < count; i++)
        if (items[i].kind == WAG_VALUE_PORT)
            wagi_port_gone(items[i].of.port);
}

void wagi_transfer_restore(const wag_value *items, size_t count, wagi_clone *clone)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].kind == WAG_VALUE_PORT) {
            wag_port *port = items[i].of.port;
            wagi_end_stop_travel(port->end);
            wagi_end_put_back(port->end, port->spare);
            port->spare = NULL;
        } else {
            items[i].of.buffer->backing = clone->transfers.p[i].backing;
        }
        clone->transfers.p[i] = (wagi_transfer){0};
    }
}

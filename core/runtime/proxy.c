/* Proxies: how the host holds references into the heap. object.h has the idea.
 *
 * One proxy a slot and kind, so that pointers of the host are equal exactly when the references are. The table is weak:
 * a proxy leaves it when its unit is buried, which is before the object can be swept.
 */
#include "base/alloc.h"
#include "runtime/store.h"

typedef struct wagi_proxies {
    wagi_object **entries; /* open addressing; NULL: empty */
    size_t count, size;    /* a power of two */
} proxies;

wagi_slot wagi_proxy_slot(const wagi_object *object)
{
    switch ((wagi_object_kind)object->kind) {
    case WAGI_OBJECT_ANY:
        return ((const wag_any *)object)->slot;
    case WAGI_OBJECT_EXCEPTION:
        return ((const wag_exception *)object)->slot;
    case WAGI_OBJECT_EXTERN:
        return ((const wag_extern *)object)->slot;
    default:
        return 0;
    }
}

static size_t home(const proxies *table, uint8_t kind, wagi_slot slot)
{
    return (size_t)(((slot ^ (uint64_t)kind << 1) * 0x9E3779B97F4A7C15u) >> 32) & (table->size - 1);
}

static size_t place_of(const proxies *table, uint8_t kind, wagi_slot slot)
{
    size_t place = home(table, kind, slot);
    while (table->entries[place] &&
           (table->entries[place]->kind != kind || wagi_proxy_slot(table->entries[place]) != slot))
        place = (place + 1) & (table->size - 1);
    return place;
}

/* Room for one more. */
static proxies *reserve(wag_agent *agent)
{
    if (!agent->gc.proxies)
        agent->gc.proxies = WAGI_NEW(proxies);
    proxies *table = agent->gc.proxies;
    if (!table || (table->count + 1) * 2 <= table->size)
        return table;
    proxies grown = {.count = table->count, .size = table->size ? table->size * 2 : 16};
    grown.entries = wagi_alloc_zero(grown.size, sizeof *grown.entries);
    if (!grown.entries)
        return NULL;
    for (size_t i = 0; i < table->size; i++) {
        wagi_object *proxy = table->entries[i];
        if (proxy)
            grown.entries[place_of(&grown, proxy->kind, wagi_proxy_slot(proxy))] = proxy;
    }
    wagi_free(table->entries);
    *table = grown;
    return table;
}

static wagi_object *make(wag_agent *agent, wagi_object_kind kind, wagi_slot slot)
{
    if (kind == WAGI_OBJECT_EXTERN) {
        wag_extern *ext = wagi_extern_new(agent, NULL, NULL);
        if (ext)
            ext->slot = slot;
        return (wagi_object *)ext;
    }
    if (kind == WAGI_OBJECT_EXCEPTION) {
        wag_exception *exception = wagi_object_new(agent, kind, sizeof *exception);
        if (exception)
            exception->slot = slot;
        return (wagi_object *)exception;
    }
    wag_any *any = wagi_object_new(agent, kind, sizeof *any);
    if (any)
        any->slot = slot;
    return (wagi_object *)any;
}

wagi_object *wagi_proxy_get(wag_agent *agent, wagi_object_kind kind, wagi_slot slot)
{
    proxies *table = reserve(agent);
    if (!table)
        return NULL;
    size_t place = place_of(table, (uint8_t)kind, slot);
    wagi_object *proxy = table->entries[place];
    if (proxy) {
        wagi_unit_hold(proxy->unit);
        return proxy;
    }
    /* A proxy counts no references: what it stands for must not be freed at once when its own counts fall. */
    if (!wagi_is_i31(slot) && !wagi_slot_object(slot))
        wagi_unit_escape(wagi_slot_unit(slot));
    proxy = make(agent, kind, slot);
    if (proxy) {
        table->entries[place] = proxy;
        table->count++;
    }
    return proxy;
}

void wagi_proxy_forget(wag_agent *agent, const wagi_object *proxy)
{
    wagi_slot slot = wagi_proxy_slot(proxy);
    proxies *table = agent->gc.proxies;
    if (!slot || !table || !table->size)
        return;
    size_t hole = place_of(table, proxy->kind, slot), mask = table->size - 1;
    if (table->entries[hole] != proxy)
        return;
    table->count--;
    /* Close the gap: move up what would not be found any more. */
    for (size_t at = (hole + 1) & mask; table->entries[at]; at = (at + 1) & mask) {
        size_t wanted = home(table, table->entries[at]->kind, wagi_proxy_slot(table->entries[at]));
        if (((at - wanted) & mask) >= ((at - hole) & mask)) {
            table->entries[hole] = table->entries[at];
            hole = at;
        }
    }
    table->entries[hole] = NULL;
}

void wagi_proxies_free(wag_agent *agent)
{
    if (agent->gc.proxies)
        wagi_free(agent->gc.proxies->entries);
    wagi_free(agent->gc.proxies);
    agent->gc.proxies = NULL;
}

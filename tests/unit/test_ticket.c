/* Claim tickets: one winner for each, whatever happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "ipc/ticket.h"
#include "waggle.h"

static wag_module *empty_module(void)
{
    static const uint8_t bytes[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    wag_module *module = NULL;
    assert_int_equal(wag_module_new((wag_bytes){bytes, sizeof bytes}, NULL, &module, NULL), WAG_OK);
    return module;
}

static wagi_ticket put(wagi_ticket_table *table, wag_module *module)
{
    return wagi_ticket_put(table, (wagi_transfer){.module = module});
}

static wag_module *take(wagi_ticket_table *table, wagi_ticket ticket)
{
    return wagi_ticket_take(table, ticket).module;
}

static void test_a_ticket_is_taken_once(void **state)
{
    (void)state;
    wagi_ticket_table *table = wagi_tickets_new();
    wag_module *module = empty_module();
    wagi_ticket ticket = put(table, wag_module_ref(module));
    assert_true(ticket != 0);
    assert_int_equal(wagi_tickets_live(table), 1);
    assert_ptr_equal(take(table, ticket), module);
    wag_module_unref(module);
    assert_null(take(table, ticket));
    assert_int_equal(wagi_tickets_live(table), 0);
    wagi_tickets_unref(table);
    wag_module_unref(module);
}

static void test_a_stale_ticket_does_not_take_what_is_in_the_slot_now(void **state)
{
    (void)state;
    wagi_ticket_table *table = wagi_tickets_new();
    wag_module *module = empty_module();
    wagi_ticket first = put(table, wag_module_ref(module));
    wag_module_unref(take(table, first));
    wagi_ticket second = put(table, wag_module_ref(module));
    assert_true(first != second);
    assert_null(take(table, first));
    assert_ptr_equal(take(table, second), module);
    wag_module_unref(module);
    wagi_tickets_unref(table);
    wag_module_unref(module);
}

static void test_tickets_that_were_made_up_take_nothing(void **state)
{
    (void)state;
    wagi_ticket_table *table = wagi_tickets_new();
    wag_module *module = empty_module();
    wagi_ticket ticket = put(table, wag_module_ref(module));
    for (int bit = 0; bit < 64; bit++)
        assert_null(take(table, ticket ^ UINT64_C(1) << bit));
    assert_null(take(table, 0));
    assert_null(take(table, UINT64_MAX));
    assert_int_equal(wagi_tickets_reap(table), 1);
    assert_int_equal(wagi_tickets_reap(table), 0);
    wagi_tickets_unref(table);
    wag_module_unref(module);
}

static void test_the_last_reference_releases_what_nobody_took(void **state)
{
    (void)state;
    size_t before = wag_live_modules();
    wagi_ticket_table *table = wagi_tickets_new();
    wagi_tickets_ref(table);
    for (int i = 0; i < 100; i++)
        assert_true(put(table, empty_module()) != 0);
    assert_int_equal(wag_live_modules(), before + 100);
    wagi_tickets_unref(table);
    assert_int_equal(wag_live_modules(), before + 100);
    wagi_tickets_unref(table);
    assert_int_equal(wag_live_modules(), before);
}

static void test_the_table_is_full_at_a_million_and_goes_on_when_one_is_taken(void **state)
{
    (void)state;
    wagi_ticket_table *table = wagi_tickets_new();
    wag_module *module = empty_module();
    wagi_ticket ticket = 0;
    for (int i = 0; i < 1 << 20; i++) {
        ticket = put(table, wag_module_ref(module));
        assert_true(ticket != 0);
    }
    assert_int_equal(put(table, module), 0);
    wag_module_unref(take(table, ticket));
    assert_true(put(table, wag_module_ref(module)) != 0);
    assert_int_equal(wagi_tickets_reap(table), 1 << 20);
    wagi_tickets_unref(table);
    wag_module_unref(module);
}

static void test_without_memory_put_leaves_the_module_to_the_caller(void **state)
{
    (void)state;
    wag_module *module = empty_module();
    wagi_alloc_fail_after(0);
    assert_null(wagi_tickets_new());
    wagi_alloc_fail_after(UINT64_MAX);
    wagi_ticket_table *table = wagi_tickets_new();
    wagi_alloc_fail_after(0);
    assert_int_equal(put(table, module), 0);
    wagi_alloc_fail_after(UINT64_MAX);
    wagi_tickets_unref(table);
    wag_module_unref(module);
}

static void test_a_shared_memory_travels_like_a_module(void **state)
{
    (void)state;
    static const wag_memory_descriptor descriptor = {.initial = 1, .maximum = 1, .shared = true};
    wag_memory *memory = NULL;
    wagi_ticket_table *table = wagi_tickets_new();
    assert_int_equal(wag_memory_create(&descriptor, &memory, NULL), WAG_OK);
    wag_shared_memory *shared = wag_memory_share(memory);
    wagi_ticket ticket = wagi_ticket_put(table, (wagi_transfer){.memory = wag_shared_memory_ref(shared)});
    assert_true(wagi_ticket_put(table, (wagi_transfer){.memory = wag_shared_memory_ref(shared)}) != 0);
    wagi_transfer transfer = wagi_ticket_take(table, ticket);
    assert_null(transfer.module);
    assert_ptr_equal(transfer.memory, shared);
    wagi_transfer_unref(transfer);
    assert_int_equal(wagi_tickets_reap(table), 1);
    wagi_tickets_unref(table);
    wag_shared_memory_unref(shared);
    wag_memory_unref(memory);
}

enum { TAKERS = 4, TICKETS = 20000 };

typedef struct race {
    wagi_ticket_table *table;
    _Atomic wagi_ticket tickets[TICKETS];
    atomic_size_t taken, reaped;
} race;

static void *take_all(void *context)
{
    race *race = context;
    for (int i = 0; i < TICKETS; i++) {
        wagi_ticket ticket;
        while ((ticket = atomic_load(&race->tickets[i])) == 0) {
            /* not put yet */
        }
        wag_module *module = take(race->table, ticket);
        if (module)
            atomic_fetch_add(&race->taken, 1);
        wag_module_unref(module);
    }
    return NULL;
}

static void test_takers_and_the_reaper_race_and_each_ticket_has_one_winner(void **state)
{
    (void)state;
    static race race;
    size_t before = wag_live_modules();
    pthread_t threads[TAKERS];
    wag_module *module = empty_module();
    race.table = wagi_tickets_new();
    for (int i = 0; i < TAKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_all, &race), 0);
    for (int i = 0; i < TICKETS; i++) {
        atomic_store(&race.tickets[i], put(race.table, wag_module_ref(module)));
        if (i % 1000 == 0)
            atomic_fetch_add(&race.reaped, wagi_tickets_reap(race.table));
    }
    for (int i = 0; i < TAKERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&race.taken) + atomic_load(&race.reaped), TICKETS);
    assert_int_equal(wagi_tickets_live(race.table), 0);
    wagi_tickets_unref(race.table);
    wag_module_unref(module);
    assert_int_equal(wag_live_modules(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_ticket_is_taken_once),
        cmocka_unit_test(test_a_stale_ticket_does_not_take_what_is_in_the_slot_now),
        cmocka_unit_test(test_tickets_that_were_made_up_take_nothing),
        cmocka_unit_test(test_the_last_reference_releases_what_nobody_took),
        cmocka_unit_test(test_the_table_is_full_at_a_million_and_goes_on_when_one_is_taken),
        cmocka_unit_test(test_without_memory_put_leaves_the_module_to_the_caller),
        cmocka_unit_test(test_a_shared_memory_travels_like_a_module),
        cmocka_unit_test(test_takers_and_the_reaper_race_and_each_ticket_has_one_winner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Shared memories from inside: bytes in and out at every alignment, atomics of every width, parkers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "base/os.h"
#include "base/park.h"
#include "ops/atomic.h"
#include "runtime/shared_memory.h"

enum { ROOM = 64 };

static void fill_with_numbers(uint8_t *bytes)
{
    for (unsigned i = 0; i < ROOM; i++)
        bytes[i] = (uint8_t)(i * 7 + 1);
}

static void test_copies_of_every_alignment_and_overlap_are_memmoves(void **state)
{
    (void)state;
    _Alignas(8) uint8_t got[ROOM], wanted[ROOM];
    for (unsigned to = 0; to < 20; to++)
        for (unsigned from = 0; from < 20; from++)
            for (unsigned size = 0; size < 40; size++) {
                fill_with_numbers(got);
                fill_with_numbers(wanted);
                wagi_shared_copy(got + to, got + from, size);
                memmove(wanted + to, wanted + from, size);
                assert_memory_equal(got, wanted, ROOM);
            }
}

static void test_fills_of_every_alignment_write_their_bytes_only(void **state)
{
    (void)state;
    _Alignas(8) uint8_t got[ROOM], wanted[ROOM];
    for (unsigned to = 0; to < 20; to++)
        for (unsigned size = 0; size < 40; size++) {
            fill_with_numbers(got);
            fill_with_numbers(wanted);
            wagi_shared_fill(got + to, 0xA5, size);
            memset(wanted + to, 0xA5, size);
            assert_memory_equal(got, wanted, ROOM);
        }
}

static void test_plain_accesses_of_every_alignment_are_little_endian(void **state)
{
    (void)state;
    _Alignas(8) uint8_t bytes[ROOM];
    for (unsigned at = 0; at < 16; at++) {
        fill_with_numbers(bytes);
        assert_int_equal(atomic_plain_load16(bytes + at), access_load16(bytes + at));
        assert_int_equal(atomic_plain_load32(bytes + at), access_load32(bytes + at));
        assert_true(atomic_plain_load64(bytes + at) == access_load64(bytes + at));
        atomic_plain_store64(bytes + at, UINT64_C(0x1122334455667788));
        assert_true(access_load64(bytes + at) == UINT64_C(0x1122334455667788));
        atomic_plain_store32(bytes + at, 0xAABBCCDD);
        atomic_plain_store16(bytes + at + 4, 0xEEFF);
        assert_true(access_load64(bytes + at) == UINT64_C(0x1122EEFFAABBCCDD));
    }
}

/* What is there afterwards, by arithmetic in 64 bits. */
static uint64_t updated(atomic_rmw op, uint64_t old, uint64_t operand)
{
    switch (op) {
    case ATOMIC_RMW_ADD:
        return old + operand;
    case ATOMIC_RMW_SUB:
        return old - operand;
    case ATOMIC_RMW_AND:
        return old & operand;
    case ATOMIC_RMW_OR:
        return old | operand;
    case ATOMIC_RMW_XOR:
        return old ^ operand;
    default:
        return operand;
    }
}

static void test_atomics_change_their_bytes_only_and_give_what_was_there(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 0x7F, 0x80, 0xFF, 0x1234, 0xFFFF, 0x80000000, UINT32_MAX, UINT64_MAX};
    enum { COUNT = sizeof values / sizeof *values };
    for (unsigned width = 1; width <= 8; width *= 2)
        for (unsigned i = 0; i < COUNT * COUNT; i++) {
            uint64_t mask = width == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * width) - 1;
            uint64_t old = values[i / COUNT] & mask, operand = values[i % COUNT];
            _Alignas(8) uint8_t bytes[24];
            memset(bytes, 0xC3, sizeof bytes);
            for (int op = 0; op < ATOMIC_RMW_COUNT; op++) {
                atomic_set(bytes + 8, width, values[i / COUNT]);
                assert_true(atomic_update(bytes + 8, width, (atomic_rmw)op, operand) == old);
                assert_true(atomic_get(bytes + 8, width) == (updated((atomic_rmw)op, old, operand) & mask));
            }
            atomic_set(bytes + 8, width, old);
            assert_true(atomic_cmpxchg(bytes + 8, width, operand, 0x5A) == old);
            assert_true(atomic_get(bytes + 8, width) == (old == (operand & mask) ? 0x5A : old));
            for (unsigned k = 0; k < sizeof bytes; k++)
                if (k < 8 || k >= 8 + width)
                    assert_int_equal(bytes[k], 0xC3);
        }
}

static void test_an_atomic_address_is_aligned_before_it_is_inside(void **state)
{
    (void)state;
    uint64_t address;
    assert_int_equal(atomic_address(8, 4, 4, 16, &address), WAG_OK);
    assert_int_equal(address, 12);
    assert_int_equal(atomic_address(1, 3, 4, 16, &address), WAG_OK); /* the sum counts */
    assert_int_equal(atomic_address(1, 0, 1, 16, &address), WAG_OK);
    assert_int_equal(atomic_address(2, 0, 4, 16, &address), WAG_UNALIGNED_ATOMIC);
    assert_int_equal(atomic_address(18, 0, 4, 16, &address), WAG_UNALIGNED_ATOMIC);
    assert_int_equal(atomic_address(16, 0, 4, 16, &address), WAG_MEMORY_BOUNDS);
    assert_int_equal(atomic_address(UINT64_MAX - 3, 4, 4, 16, &address), WAG_MEMORY_BOUNDS);
}

/* ---- parkers ---- */

static void test_a_wake_before_the_wait_is_kept_once(void **state)
{
    (void)state;
    wagi_parker parker;
    wagi_parker_init(&parker);
    wagi_parker_wake(&parker);
    wagi_parker_wake(&parker);
    assert_true(wagi_parker_wait(&parker, UINT64_MAX));
    assert_false(wagi_parker_wait(&parker, wagi_clock_ns()));
    uint64_t deadline = wagi_clock_ns() + 2000000;
    assert_false(wagi_parker_wait(&parker, deadline));
    assert_true(wagi_clock_ns() >= deadline);
}

typedef struct pair {
    wagi_parker mine, yours;
    unsigned rounds; /* not atomic: the parkers order it */
} pair;

enum { ROUNDS = 2000 };

static void *answer(void *context)
{
    pair *p = context;
    for (unsigned i = 0; i < ROUNDS; i++) {
        wagi_parker_wait(&p->yours, UINT64_MAX);
        p->rounds++;
        wagi_parker_wake(&p->mine);
    }
    return NULL;
}

static void test_two_threads_wake_each_other_and_lose_no_wake(void **state)
{
    (void)state;
    pair p = {.rounds = 0};
    pthread_t thread;
    wagi_parker_init(&p.mine);
    wagi_parker_init(&p.yours);
    assert_int_equal(pthread_create(&thread, NULL, answer, &p), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        p.rounds++;
        wagi_parker_wake(&p.yours);
        wagi_parker_wait(&p.mine, UINT64_MAX);
    }
    pthread_join(thread, NULL);
    assert_int_equal(p.rounds, 2 * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_of_every_alignment_and_overlap_are_memmoves),
        cmocka_unit_test(test_fills_of_every_alignment_write_their_bytes_only),
        cmocka_unit_test(test_plain_accesses_of_every_alignment_are_little_endian),
        cmocka_unit_test(test_atomics_change_their_bytes_only_and_give_what_was_there),
        cmocka_unit_test(test_an_atomic_address_is_aligned_before_it_is_inside),
        cmocka_unit_test(test_a_wake_before_the_wait_is_kept_once),
        cmocka_unit_test(test_two_threads_wake_each_other_and_lose_no_wake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

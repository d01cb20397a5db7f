/* The loop: order of tasks and jobs, many senders, holds, timers, waits, interrupts, the descriptor, the end of an
 * agent. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/os.h"
#include "runtime/loop.h"
#include "runtime/timer.h"
#include "waggle.h"

/* A task that appends its letter to a text; the text outlives it. */
typedef struct note {
    wagi_task task;
    char *text;
    char letter;
    char then; /* 0, or: queue a job with this letter */
} note;

static atomic_int live_notes, discarded_notes;

static wagi_loop *loop(void)
{
    return wag_agent_current()->loop;
}

static void append(char *text, char letter)
{
    size_t size = strlen(text);
    text[size] = letter;
    text[size + 1] = 0;
}

static wagi_task *note_new(char *text, char letter, char then);

static void note_run(wagi_task *task)
{
    note *note = (struct note *)task;
    append(note->text, note->letter);
    if (note->then)
        wagi_loop_job(loop(), note_new(note->text, note->then, 0));
    free(note);
    atomic_fetch_sub(&live_notes, 1);
}

static void note_discard(wagi_task *task)
{
    free(task);
    atomic_fetch_sub(&live_notes, 1);
    atomic_fetch_add(&discarded_notes, 1);
}

static wagi_task *note_new(char *text, char letter, char then)
{
    note *note = malloc(sizeof *note);
    *note =
        (struct note){.task = {.run = note_run, .discard = note_discard}, .text = text, .letter = letter, .then = then};
    atomic_fetch_add(&live_notes, 1);
    return &note->task;
}

static int fresh_agent(void **state)
{
    (void)state;
    atomic_store(&discarded_notes, 0);
    return wag_agent_close() == WAG_OK ? 0 : -1;
}

static void test_tasks_run_in_order_and_jobs_between_them(void **state)
{
    (void)state;
    char text[16] = "";
    wagi_loop_post(loop(), note_new(text, 'a', 'x'));
    wagi_loop_post(loop(), note_new(text, 'b', 'y'));
    wagi_mailbox_post(wagi_loop_mailbox(loop()), note_new(text, 'c', 0));
    assert_true(wag_agent_turn());
    assert_string_equal(text, "ax");
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_string_equal(text, "axbyc");
    assert_false(wag_agent_turn());
}

static void test_jobs_queued_outside_of_a_task_run_before_the_next_one(void **state)
{
    (void)state;
    char text[16] = "";
    wagi_loop_post(loop(), note_new(text, 't', 0));
    wagi_loop_job(loop(), note_new(text, 'j', 0));
    assert_true(wag_agent_turn());
    assert_string_equal(text, "jt");
    wagi_loop_job(loop(), note_new(text, 'k', 0));
    assert_true(wag_agent_turn());
    assert_string_equal(text, "jtk");
}

/* ---- many senders ---- */

enum { SENDERS = 6, PER_SENDER = 4000 };

typedef struct number {
    wagi_task task;
    int sender, number;
} number;
typedef struct sender {
    wagi_mailbox *mailbox;
    int index;
    bool refused;
} sender;

static int next_number[SENDERS];
static int out_of_order, arrived;

static void number_run(wagi_task *task)
{
    number *number = (struct number *)task;
    if (next_number[number->sender] != number->number)
        out_of_order++;
    next_number[number->sender] = number->number + 1;
    free(number);
    if (++arrived == SENDERS * PER_SENDER)
        wagi_loop_release(loop());
}

static void number_discard(wagi_task *task)
{
    free(task);
    atomic_fetch_add(&discarded_notes, 1);
}

static void *sender_main(void *context)
{
    sender *sender = context;
    for (int i = 0; i < PER_SENDER; i++) {
        number *number = malloc(sizeof *number);
        *number = (struct number){{.run = number_run, .discard = number_discard}, sender->index, i};
        if (!wagi_mailbox_post(sender->mailbox, &number->task))
            sender->refused = true;
    }
    wagi_mailbox_unref(sender->mailbox);
    return NULL;
}

static void start_senders(sender *senders, pthread_t *threads)
{
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (sender){wagi_mailbox_ref(wagi_loop_mailbox(loop())), i, false};
        assert_int_equal(pthread_create(&threads[i], NULL, sender_main, &senders[i]), 0);
    }
}

static void test_every_task_of_many_threads_arrives_in_its_senders_order(void **state)
{
    (void)state;
    sender senders[SENDERS];
    pthread_t threads[SENDERS];
    memset(next_number, 0, sizeof next_number);
    out_of_order = arrived = 0;
    wagi_loop_hold(loop());
    start_senders(senders, threads);
    assert_int_equal(wag_agent_run(), WAG_OK);
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(senders[i].refused);
        assert_int_equal(next_number[i], PER_SENDER);
    }
    assert_int_equal(out_of_order, 0);
}

static void test_every_task_arrives_through_the_descriptor_too(void **state)
{
    (void)state;
    sender senders[SENDERS];
    pthread_t threads[SENDERS];
    memset(next_number, 0, sizeof next_number);
    out_of_order = arrived = 0;
    struct pollfd item = {.fd = wag_agent_fd(), .events = POLLIN};
    assert_true(item.fd >= 0);
    wagi_loop_hold(loop());
    start_senders(senders, threads);
    /* A lost wake-up would show as a poll that times out. */
    while (arrived < SENDERS * PER_SENDER && poll(&item, 1, 20000) == 1)
        wag_agent_turn();
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(arrived, SENDERS * PER_SENDER);
    assert_int_equal(out_of_order, 0);
    while (poll(&item, 1, 0) == 1) /* a sender may have been slow to write its wake-up */
        assert_false(wag_agent_turn());
}

static void test_posts_to_an_agent_that_ends_are_run_or_discarded_each_once(void **state)
{
    (void)state;
    sender senders[SENDERS];
    pthread_t threads[SENDERS];
    memset(next_number, 0, sizeof next_number);
    out_of_order = arrived = 0;
    start_senders(senders, threads);
    for (int i = 0; i < 50; i++)
        wag_agent_turn();
    assert_int_equal(wag_agent_close(), WAG_OK);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(arrived + atomic_load(&discarded_notes), SENDERS * PER_SENDER);
    assert_int_equal(out_of_order, 0);
}

/* ---- run and wait ---- */

static void test_run_returns_when_nothing_is_pending_and_waits_while_held(void **state)
{
    (void)state;
    char text[8] = "";
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_int_equal(wagi_loop_wait(loop(), UINT64_MAX), WAG_TYPE);
    wagi_loop_hold(loop());
    assert_int_equal(wagi_loop_wait(loop(), wagi_clock_ns() + 1000000), WAG_TIMEOUT);
    assert_int_equal(wagi_loop_wait(loop(), 0), WAG_TIMEOUT);
    wagi_loop_release(loop());
    wagi_loop_post(loop(), note_new(text, 'a', 0));
    assert_int_equal(wagi_loop_wait(loop(), 0), WAG_OK);
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_string_equal(text, "a");
}

static void set_true(void *context)
{
    *(bool *)context = true;
}

static void test_run_stops_when_told_and_leaves_the_rest_queued(void **state)
{
    (void)state;
    char text[8] = "";
    bool stop = true;
    wagi_loop_post(loop(), note_new(text, 'a', 0));
    assert_int_equal(wagi_loop_run(loop(), &stop), WAG_OK);
    assert_string_equal(text, "");
    stop = false;
    assert_int_equal(wag_timer_start(0, set_true, &stop, NULL), WAG_OK);
    wagi_loop_hold(loop());
    assert_int_equal(wagi_loop_run(loop(), &stop), WAG_OK);
    wagi_loop_release(loop());
    assert_true(stop);
}

/* ---- interrupts ---- */

static void *interrupt_main(void *agent)
{
    wag_agent_interrupt(agent);
    return NULL;
}

static void test_an_interrupt_from_another_thread_ends_a_waiting_run_once(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        wagi_loop_hold(loop());
        assert_int_equal(pthread_create(&thread, NULL, interrupt_main, wag_agent_current()), 0);
        assert_int_equal(wag_agent_run(), WAG_INTERRUPTED);
        pthread_join(thread, NULL);
        assert_false(wag_agent_interrupted());
        wagi_loop_release(loop());
        assert_int_equal(wag_agent_run(), WAG_OK);
    }
}

static wag_agent *signalled_agent;

static void on_signal(int number)
{
    (void)number;
    wag_agent_interrupt(signalled_agent);
}

static void test_an_interrupt_from_a_signal_handler_ends_a_run(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = on_signal}, previous;
    signalled_agent = wag_agent_current();
    sigaction(SIGALRM, &action, &previous);
    wagi_loop_hold(loop());
    assert_int_equal(raise(SIGALRM), 0);
    assert_true(wag_agent_interrupted());
    assert_int_equal(wag_agent_run(), WAG_INTERRUPTED);
    wagi_loop_release(loop());
    sigaction(SIGALRM, &previous, NULL);
}

static void endless_run(wagi_task *job)
{
    wagi_loop_job(loop(), job);
}

static void test_an_endless_chain_of_jobs_can_be_interrupted(void **state)
{
    (void)state;
    wagi_task job = {.run = endless_run};
    pthread_t thread;
    wagi_loop_job(loop(), &job);
    assert_int_equal(pthread_create(&thread, NULL, interrupt_main, wag_agent_current()), 0);
    assert_int_equal(wag_agent_run(), WAG_INTERRUPTED);
    pthread_join(thread, NULL);
    assert_int_equal(wag_agent_close(), WAG_OK);
}

static void run_inner(void *context)
{
    pthread_t thread;
    wag_err *inner = context;
    if (pthread_create(&thread, NULL, interrupt_main, wag_agent_current()) != 0)
        return;
    *inner = wag_agent_run();
    pthread_join(thread, NULL);
}

static void test_an_interrupt_ends_nested_runs_and_is_cleared_by_the_outermost(void **state)
{
    (void)state;
    wag_err inner = WAG_OK;
    wagi_loop_hold(loop());
    assert_int_equal(wag_timer_start(0, run_inner, &inner, NULL), WAG_OK);
    assert_int_equal(wag_agent_run(), WAG_INTERRUPTED);
    assert_int_equal(inner, WAG_INTERRUPTED);
    assert_false(wag_agent_interrupted());
    wagi_loop_release(loop());
}

/* ---- timers ---- */

typedef struct letter {
    char *text;
    char letter;
} letter;

static void add_letter(void *context)
{
    letter *letter = context;
    append(letter->text, letter->letter);
}

static void test_timers_fire_in_the_order_of_their_deadlines(void **state)
{
    (void)state;
    char text[8] = "";
    letter a = {text, 'a'}, b = {text, 'b'}, c = {text, 'c'}, d = {text, 'd'};
    assert_int_equal(wag_timer_start(4, add_letter, &c, NULL), WAG_OK);
    assert_int_equal(wag_timer_start(0, add_letter, &a, NULL), WAG_OK);
    assert_int_equal(wag_timer_start(2, add_letter, &b, NULL), WAG_OK);
    assert_int_equal(wag_timer_start(4, add_letter, &d, NULL), WAG_OK);
    uint64_t begin = wagi_clock_ns();
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_true(wagi_clock_ns() - begin >= 3000000);
    assert_string_equal(text, "abcd");
}

static void test_a_cancelled_timer_never_runs_and_stale_ids_find_nothing(void **state)
{
    (void)state;
    char text[8] = "";
    letter a = {text, 'a'}, b = {text, 'b'};
    uint64_t first, second;
    assert_false(wag_timer_cancel(0));
    assert_false(wag_timer_cancel(77));
    assert_int_equal(wag_timer_start(0, NULL, NULL, &first), WAG_TYPE);
    assert_int_equal(wag_timer_start(0, add_letter, &a, &first), WAG_OK);
    assert_true(wag_timer_cancel(first));
    assert_false(wag_timer_cancel(first));
    assert_int_equal(wag_timer_start(0, add_letter, &b, &second), WAG_OK); /* takes the slot */
    assert_true(first != second && second != 0);
    assert_false(wag_timer_cancel(first));
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_string_equal(text, "b");
    assert_false(wag_timer_cancel(second));
    assert_int_equal(wag_timer_start(UINT64_MAX, add_letter, &a, &first), WAG_OK);
    assert_true(wag_timer_cancel(first));
    assert_int_equal(wag_agent_run(), WAG_OK);
}

static void test_tasks_and_timers_do_not_starve_each_other(void **state)
{
    (void)state;
    char text[16] = "";
    letter timer = {text, 't'};
    for (int i = 0; i < 3; i++) {
        wagi_loop_post(loop(), note_new(text, 'a', 0));
        assert_int_equal(wag_timer_start(0, add_letter, &timer, NULL), WAG_OK);
    }
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_true(strcmp(text, "tatata") == 0 || strcmp(text, "atatat") == 0);
}

typedef struct tick {
    uint64_t deadline;
    bool fired;
} tick;

static void tick_fire(void *context)
{
    ((tick *)context)->fired = true;
}

static void test_the_heap_agrees_with_a_plain_search_over_random_operations(void **state)
{
    (void)state;
    enum { COUNT = 300, STEPS = 6000 };
    wagi_timers timers;
    wagi_timers_init(&timers);
    tick ticks[COUNT];
    uint64_t ids[COUNT] = {0};
    bool live[COUNT] = {0};
    uint32_t seed = 12345;
    for (int step = 0; step < STEPS; step++) {
        seed = seed * 1664525u + 1013904223u;
        int which = (int)(seed >> 8) % COUNT;
        if (!live[which]) {
            ticks[which] = (tick){seed >> 20, false};
            assert_int_equal(wagi_timers_start(&timers, ticks[which].deadline, tick_fire, &ticks[which], &ids[which]),
                             WAG_OK);
            live[which] = true;
        } else if (seed & 64) {
            assert_true(wagi_timers_cancel(&timers, ids[which]));
            live[which] = false;
        } else {
            uint64_t least = UINT64_MAX;
            for (int i = 0; i < COUNT; i++)
                if (live[i] && ticks[i].deadline < least)
                    least = ticks[i].deadline;
            assert_true(wagi_timers_next(&timers) == least);
            void (*callback)(void *);
            void *context;
            if (least > 0)
                assert_false(wagi_timers_take(&timers, least - 1, &callback, &context));
            assert_true(wagi_timers_take(&timers, least, &callback, &context));
            callback(context);
            tick *fired = context;
            assert_true(fired->fired && fired->deadline == least && live[fired - ticks]);
            assert_false(wagi_timers_cancel(&timers, ids[fired - ticks]));
            live[fired - ticks] = false;
        }
    }
    wagi_timers_fini(&timers);
}

/* ---- the descriptor ---- */

static int readable(int timeout_ms)
{
    struct pollfd item = {.fd = wag_agent_fd(), .events = POLLIN};
    return poll(&item, 1, timeout_ms);
}

static void test_the_descriptor_is_readable_exactly_while_there_is_work(void **state)
{
    (void)state;
    char text[8] = "";
    assert_int_equal(readable(0), 0);
    wagi_loop_post(loop(), note_new(text, 'a', 0));
    wagi_loop_post(loop(), note_new(text, 'b', 'x'));
    assert_int_equal(readable(0), 1);
    assert_true(wag_agent_turn());
    assert_int_equal(readable(0), 1);
    assert_true(wag_agent_turn());
    assert_int_equal(readable(0), 0);
    wagi_loop_job(loop(), note_new(text, 'j', 0));
    assert_int_equal(readable(0), 1);
    assert_true(wag_agent_turn());
    assert_int_equal(readable(0), 0);
    wagi_mailbox_post(wagi_loop_mailbox(loop()), note_new(text, 'm', 0));
    assert_int_equal(readable(0), 1);
    assert_true(wag_agent_turn());
    assert_int_equal(readable(0), 0);
    assert_string_equal(text, "abxjm");
    wagi_mailbox_wake(wagi_loop_mailbox(loop())); /* for nothing: one turn and it is quiet again */
    assert_int_equal(readable(0), 1);
    assert_false(wag_agent_turn());
    assert_int_equal(readable(0), 0);
}

static void test_the_descriptor_says_when_a_timer_is_due(void **state)
{
    (void)state;
    char text[8] = "";
    letter a = {text, 'a'}, b = {text, 'b'};
    uint64_t late;
    assert_int_equal(readable(0), 0);
    assert_int_equal(wag_timer_start(3600000, add_letter, &b, &late), WAG_OK);
    assert_int_equal(readable(0), 0);
    assert_int_equal(wag_timer_start(2, add_letter, &a, NULL), WAG_OK);
    assert_int_equal(readable(20000), 1);
    assert_true(wag_agent_turn());
    assert_int_equal(readable(0), 0);
    assert_string_equal(text, "a");
    assert_true(wag_timer_cancel(late));
    assert_int_equal(readable(0), 0);
}

static void test_work_that_was_there_before_the_descriptor_is_seen(void **state)
{
    (void)state;
    char text[8] = "";
    wagi_loop_post(loop(), note_new(text, 'a', 0));
    assert_int_equal(readable(0), 1);
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_int_equal(readable(0), 0);
}

/* ---- the agent's end ---- */

typedef struct close_result {
    wag_err inside;
} close_result;

static void close_inside(void *context)
{
    ((close_result *)context)->inside = wag_agent_close();
}

static void test_an_agent_cannot_be_closed_from_inside_a_turn(void **state)
{
    (void)state;
    close_result result = {WAG_OK};
    assert_int_equal(wag_timer_start(0, close_inside, &result, NULL), WAG_OK);
    assert_int_equal(wag_agent_run(), WAG_OK);
    assert_int_equal(result.inside, WAG_TYPE);
    assert_int_equal(wag_agent_close(), WAG_OK);
    assert_int_equal(wag_agent_close(), WAG_OK);
}

static void test_closing_discards_what_is_queued(void **state)
{
    (void)state;
    char text[8] = "";
    wagi_loop_post(loop(), note_new(text, 'a', 0));
    wagi_loop_job(loop(), note_new(text, 'b', 0));
    wagi_mailbox *mailbox = wagi_mailbox_ref(wagi_loop_mailbox(loop()));
    assert_true(wagi_mailbox_post(mailbox, note_new(text, 'c', 0)));
    assert_int_equal(wag_agent_close(), WAG_OK);
    assert_false(wagi_mailbox_post(mailbox, note_new(text, 'd', 0)));
    wagi_mailbox_wake(mailbox); /* harmless */
    wagi_mailbox_unref(mailbox);
    assert_string_equal(text, "");
    assert_int_equal(atomic_load(&discarded_notes), 4);
    assert_int_equal(atomic_load(&live_notes), 0);
}

typedef struct torn {
    wagi_teardown teardown;
    bool ran, agent_was_there;
} torn;

static void torn_run(wagi_teardown *teardown)
{
    torn *torn = (struct torn *)teardown;
    torn->ran = true;
    torn->agent_was_there = wagi_agent_peek() != NULL && wag_agent_close() == WAG_TYPE;
}

static void *thread_with_agent(void *context)
{
    torn *torn = context;
    torn->teardown.run = torn_run;
    wagi_agent_on_teardown(wag_agent_current(), &torn->teardown);
    wag_timer_start(1000000, set_true, NULL, NULL);
    return NULL;
}

static void test_a_threads_agent_ends_with_its_thread(void **state)
{
    (void)state;
    torn torn = {.ran = false};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, thread_with_agent, &torn), 0);
    pthread_join(thread, NULL);
    assert_true(torn.ran);
    assert_true(torn.agent_was_there);
}

static void test_an_agent_opens_once_in_a_cluster_and_keeps_it(void **state)
{
    (void)state;
    wag_cluster *cluster;
    assert_int_equal(wag_cluster_new(NULL, &cluster), WAG_OK);
    assert_int_equal(wag_agent_open(NULL), WAG_TYPE);
    assert_int_equal(wag_agent_open(cluster), WAG_OK);
    assert_int_equal(wag_agent_open(cluster), WAG_TYPE);
    wag_cluster_unref(cluster);
    wag_agent *agent = wag_agent_current();
    assert_ptr_equal(agent->cluster, cluster);
    assert_non_null(agent->stack);
    assert_int_equal((char *)agent->stack_end - (char *)agent->stack, cluster->limits.interp_stack_bytes);
    char here;
    assert_true(agent->native_limit != 0 && agent->native_limit < (uintptr_t)&here);
    assert_int_equal(wag_agent_close(), WAG_OK);
}

static void test_an_agent_that_cannot_be_made_leaves_nothing(void **state)
{
    (void)state;
    assert_non_null(wag_cluster_default());
    uint64_t left = 0;
    for (wag_agent *agent = NULL; !agent; left++) {
        wagi_alloc_fail_after(left);
        agent = wag_agent_current();
        wagi_alloc_fail_after(UINT64_MAX);
        assert_true(left < 20);
    }
    assert_true(left > 1);
}

#define AGENT_TEST(test) cmocka_unit_test_setup_teardown(test, fresh_agent, fresh_agent)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AGENT_TEST(test_tasks_run_in_order_and_jobs_between_them),
        AGENT_TEST(test_jobs_queued_outside_of_a_task_run_before_the_next_one),
        AGENT_TEST(test_every_task_of_many_threads_arrives_in_its_senders_order),
        AGENT_TEST(test_every_task_arrives_through_the_descriptor_too),
        AGENT_TEST(test_posts_to_an_agent_that_ends_are_run_or_discarded_each_once),
        AGENT_TEST(test_run_returns_when_nothing_is_pending_and_waits_while_held),
        AGENT_TEST(test_run_stops_when_told_and_leaves_the_rest_queued),
        AGENT_TEST(test_an_interrupt_from_another_thread_ends_a_waiting_run_once),
        AGENT_TEST(test_an_interrupt_from_a_signal_handler_ends_a_run),
        AGENT_TEST(test_an_endless_chain_of_jobs_can_be_interrupted),
        AGENT_TEST(test_an_interrupt_ends_nested_runs_and_is_cleared_by_the_outermost),
        AGENT_TEST(test_timers_fire_in_the_order_of_their_deadlines),
        AGENT_TEST(test_a_cancelled_timer_never_runs_and_stale_ids_find_nothing),
        AGENT_TEST(test_tasks_and_timers_do_not_starve_each_other),
        AGENT_TEST(test_the_heap_agrees_with_a_plain_search_over_random_operations),
        AGENT_TEST(test_the_descriptor_is_readable_exactly_while_there_is_work),
        AGENT_TEST(test_the_descriptor_says_when_a_timer_is_due),
        AGENT_TEST(test_work_that_was_there_before_the_descriptor_is_seen),
        AGENT_TEST(test_an_agent_cannot_be_closed_from_inside_a_turn),
        AGENT_TEST(test_closing_discards_what_is_queued),
        AGENT_TEST(test_a_threads_agent_ends_with_its_thread),
        AGENT_TEST(test_an_agent_opens_once_in_a_cluster_and_keeps_it),
        AGENT_TEST(test_an_agent_that_cannot_be_made_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

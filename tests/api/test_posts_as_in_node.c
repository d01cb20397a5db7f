/* P-01, P-02, P-05 to P-07, SER-03 to SER-05, SER-10: the same script of posts (posts.txt) is run under node
 * (posts.mjs) and here, and the logs are compared. Skipped when there is no node. */
#include "tests/support/check.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define SCRIPT "tests/api/posts.txt"

enum { NAMES = 26, LOG_SIZE = 1024, TEXT_SIZE = 128 };

/* Ports are named by letters; the log of the script itself comes last but for those behind "script". */
typedef struct named {
    wag_port *port;       /* one reference */
    char log[LOG_SIZE];   /* lines "NAME: text" */
    char name[TEXT_SIZE]; /* "a" or "script" */
    int lines;
} named;

static named ports[NAMES], script_log = {.name = "script"};
static wag_worker *workers[4];
static size_t worker_count;

static void note(named *to, const char *text)
{
    size_t used = strlen(to->log);
    assert_true((size_t)snprintf(to->log + used, LOG_SIZE - used, "%s: %s\n", to->name, text) < LOG_SIZE - used);
    to->lines++;
}

static named *named_of(const char *word)
{
    assert_true(word[0] >= 'a' && word[0] <= 'z' && !word[1]);
    named *found = &ports[word[0] - 'a'];
    snprintf(found->name, sizeof found->name, "%s", word);
    return found;
}

/* ---- what arrives ---- */

static void arrived(void *context, const wag_message_event *event)
{
    wag_value data = event->data;
    char text[TEXT_SIZE] = "?";
    if (data.kind == WAG_VALUE_STRING) {
        snprintf(text, sizeof text, "%s", wag_value_text(data).data);
    } else if (data.kind == WAG_VALUE_ARRAY) {
        bool same = wag_array_at(data, 0).of.box == wag_array_at(data, 1).of.box;
        snprintf(text, sizeof text, "same %s", same ? "true" : "false");
    } else if (data.kind == WAG_VALUE_BUFFER) {
        snprintf(text, sizeof text, "buffer %d", (int)wag_buffer_size(data.of.buffer));
    } else if (data.kind == WAG_VALUE_MEMORY && wag_memory_is_shared(data.of.memory)) {
        snprintf(text, sizeof text, "shared %d", (int)wag_memory_size(data.of.memory));
    } else if (data.kind == WAG_VALUE_MAP) {
        const char *take = wag_value_text(wag_map_get(data, "take")).data;
        named_of(take)->port = wag_port_ref(wag_map_get(data, "port").of.port);
        snprintf(text, sizeof text, "take %s", take);
    }
    note(context, text);
}

static void closed(void *context)
{
    note(context, "close");
}

/* ---- the worker ---- */

typedef struct echo {
    wag_worker_scope *self;
    wag_port *port;
} echo;

static void echo_text(void *context, wag_value message)
{
    echo *echo = context;
    char text[TEXT_SIZE];
    if (strcmp(wag_value_text(message).data, "leave") == 0) {
        wag_scope_close(echo->self);
        return;
    }
    snprintf(text, sizeof text, "worker: %s", wag_value_text(message).data);
    wag_value answer = wag_string(text);
    wag_port_post_message(echo->port, answer, NULL);
    wag_value_unref(answer);
}

static void echo_port(void *context, wag_value message)
{
    echo *echo = context;
    echo->port = message.of.port; /* it holds itself */
    wag_port_on_message(echo->port, echo_text, echo);
}

static void echo_entry(wag_worker_scope *self, void *context)
{
    ((echo *)context)->self = self;
    wag_scope_on_message(self, echo_port, context);
}

/* ---- commands ---- */

static void say(const char *what, const char *first, const char *second, wag_error *error, wag_err err)
{
    char text[TEXT_SIZE];
    snprintf(text, sizeof text, "%s %s%s%s %s", what, first, second ? " " : "", second ? second : "",
             err == WAG_OK ? "ok" : wag_error_class_name(wag_error_get_class(error)));
    note(&script_log, text);
    wag_error_unref(error);
}

static void post(named *to, wag_value value)
{
    ASSERT_OK(wag_port_post_message(to->port, value, NULL));
    wag_value_unref(value);
}

static void wait_for(const named *box, int lines)
{
    while (box->lines < lines) {
        struct pollfd item = {.fd = wag_agent_fd(), .events = POLLIN};
        if (poll(&item, 1, 60000) != 1)
            fail_msg("%s waits for ever, with\n%s", box->name, box->log);
        wag_agent_turn();
    }
}

static void post_some(named *to, const char *what, const char *argument)
{
    wag_error *error = NULL;
    if (strcmp(what, "same") == 0) {
        wag_value array = wag_array(), object = wag_map();
        wag_array_push(array, wag_value_ref(object));
        wag_array_push(array, object);
        post(to, array);
    } else if (strcmp(what, "buffer") == 0) {
        char text[TEXT_SIZE];
        wag_buffer *buffer = NULL;
        ASSERT_OK(wag_buffer_create(&(wag_buffer_descriptor){.length = strtoul(argument, NULL, 10)}, &buffer, NULL));
        wag_value item = WAG_BUFFER(buffer);
        ASSERT_OK(wag_port_post_transfer(to->port, item, &item, 1, NULL));
        snprintf(text, sizeof text, "buffer %d", (int)wag_buffer_size(buffer));
        note(&script_log, text);
        wag_buffer_unref(buffer);
    } else if (strcmp(what, "shared") == 0) {
        wag_memory *memory = NULL;
        ASSERT_OK(
            wag_memory_create(&(wag_memory_descriptor){.initial = 1, .maximum = 1, .shared = true}, &memory, NULL));
        post(to, WAG_MEMORY(memory));
    } else {
        wag_table *table = NULL;
        assert_string_equal(what, "table");
        ASSERT_OK(wag_table_new(WAG_FUNCREF, 1, UINT64_MAX, WAG_VAL_FUNC(NULL), &table, NULL));
        wag_err err = wag_port_post_message(to->port, WAG_TABLE(table), &error);
        say("table", to->name, NULL, error, err);
        wag_table_unref(table);
    }
}

static void run_transfer(named *through, named *other, const char *take)
{
    wag_error *error = NULL;
    wag_value item = WAG_PORT(other->port), message = take ? wag_map() : wag_string("lost");
    if (take) {
        wag_map_set(message, "take", wag_string(take));
        wag_map_set(message, "port", wag_value_ref(item));
    }
    wag_err err = wag_port_post_transfer(through->port, message, &item, 1, &error);
    if (take)
        ASSERT_OK(err);
    else
        say("transfer", through->name, other->name, error, err);
    wag_value_unref(message);
}

static void run_command(char *words[4], int count)
{
    static echo echoes[4];
    named *first = named_of(words[1]);
    const char *what = words[0];
    if (strcmp(what, "channel") == 0) {
        ASSERT_OK(wag_channel_new(NULL, &first->port, &named_of(words[2])->port, NULL));
    } else if (strcmp(what, "listen") == 0) {
        wag_port_on_close(first->port, closed, first);
        ASSERT_OK(wag_port_on_message_event(first->port, arrived, first));
    } else if (strcmp(what, "wait") == 0) {
        wait_for(first, (int)strtol(words[2], NULL, 10));
    } else if (strcmp(what, "post") == 0) {
        post(first, wag_string(words[2]));
    } else if (strcmp(what, "move") == 0) {
        run_transfer(first, named_of(words[2]), words[3]);
    } else if (strcmp(what, "transfer") == 0) {
        run_transfer(first, named_of(words[2]), NULL);
    } else if (strcmp(what, "close") == 0) {
        wag_port_close(first->port);
    } else if (strcmp(what, "worker") == 0) {
        wag_value item = WAG_PORT(first->port);
        wag_worker **worker = &workers[worker_count];
        const wag_worker_options options = {.entry = echo_entry, .context = &echoes[worker_count++]};
        ASSERT_OK(wag_worker_new(&options, worker, NULL));
        ASSERT_OK(wag_worker_post_transfer(*worker, item, &item, 1, NULL));
    } else {
        post_some(first, what, count > 2 ? words[2] : "");
    }
}

static void run_script(void)
{
    char line[TEXT_SIZE];
    FILE *script = fopen(SCRIPT, "r");
    assert_non_null(script);
    while (fgets(line, sizeof line, script)) {
        char *words[4], *rest = NULL;
        int count = 0;
        for (char *word = strtok_r(line, " \n", &rest); word && count < 4; word = strtok_r(NULL, " \n", &rest))
            words[count++] = word;
        if (count > 1 && words[0][0] != '#')
            run_command(words, count);
    }
    fclose(script);
    for (size_t i = 0; i < worker_count; i++)
        wag_worker_free(workers[i]);
    for (int i = 0; i < NAMES; i++) {
        wag_port_close(ports[i].port);
        wag_port_unref(ports[i].port);
    }
}

static void test_P_01_to_P_07_the_same_posts_give_the_same_logs_as_under_node(void **state)
{
    (void)state;
    static char theirs[NAMES * LOG_SIZE], ours[NAMES * LOG_SIZE];
    if (system("command -v node >/dev/null 2>&1") != 0) {
        print_message("skipped: there is no node to compare with\n");
        skip();
    }
    FILE *node = popen("node tests/api/posts.mjs " SCRIPT, "r");
    assert_non_null(node);
    size_t size = fread(theirs, 1, sizeof theirs - 1, node);
    assert_int_equal(pclose(node), 0);
    assert_true(size > 0);
    run_script();
    size_t used = 0;
    for (int i = 0; i < NAMES; i++) { /* the names in alphabetical order, "script" among them */
        if (i == 's' - 'a')
            used += (size_t)snprintf(ours + used, sizeof ours - used, "%s%s", ports[i].log, script_log.log);
        else
            used += (size_t)snprintf(ours + used, sizeof ours - used, "%s", ports[i].log);
    }
    assert_string_equal(ours, theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_P_01_to_P_07_the_same_posts_give_the_same_logs_as_under_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Reading and running the load test's scripts (script.h). */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VAR_NONE, VAR_N, VAR_W, VAR_LEN, TEXT_MAX = 1024 };

static const struct {
    const char *word;
    bool takes_var, takes_name, takes_text;
} forms[] = {
    [STEP_STUB] = {"stub", false, true, false},     [STEP_ECHO] = {"echo", false, true, false},
    [STEP_GLOBAL] = {"global", false, true, false}, [STEP_CALL] = {"call", true, true, false},
    [STEP_TEXT] = {"text", false, false, true},     [STEP_LOAD] = {"load", true, false, false},
    [STEP_EXPECT] = {"expect", true, false, false},
};

typedef struct reader {
    script *script;
    const char *path;
    int line;
    char *at; /* in the line */
} reader;

static _Noreturn void refuse(const reader *r, const char *why)
{
    fprintf(stderr, "%s:%d: %s\n", r->path, r->line, why);
    exit(1);
}

/* NULL at the end of the line. Cuts the line after the word. */
static char *next_word(reader *r)
{
    r->at += strspn(r->at, " \t");
    if (*r->at == '\0') {
        return NULL;
    }
    char *word = r->at;
    r->at += strcspn(r->at, " \t");
    if (*r->at != '\0') {
        *r->at++ = '\0';
    }
    return word;
}

static char *need_word(reader *r)
{
    char *word = next_word(r);
    if (word == NULL) {
        refuse(r, "something is missing");
    }
    return word;
}

static uint8_t variable(reader *r, const char *name)
{
    script *s = r->script;
    if (strcmp(name, "_") == 0) {
        return VAR_NONE;
    }
    for (size_t i = 1; i < s->name_count; i++) {
        if (strcmp(s->names[i], name) == 0) {
            return (uint8_t)i;
        }
    }
    if (s->name_count == SCRIPT_NAMES) {
        refuse(r, "too many variables");
    }
    s->names[s->name_count] = name;
    return (uint8_t)s->name_count++;
}

static script_sum read_sum(reader *r, char *text)
{
    script_sum sum = {.number = 0};
    size_t vars = 0;
    while (text != NULL) {
        char *plus = strchr(text, '+');
        if (plus != NULL) {
            *plus++ = '\0';
        }
        if (*text >= '0' && *text <= '9') {
            sum.number = (int64_t)((uint64_t)sum.number + strtoull(text, NULL, 10));
        } else if (vars == SCRIPT_TERMS) {
            refuse(r, "too many variables in a sum");
        } else {
            sum.vars[vars++] = variable(r, text);
        }
        text = plus;
    }
    return sum;
}

static void read_step(reader *r, script_step *step)
{
    const char *word = need_word(r);
    size_t kind = 0;
    while (kind < sizeof forms / sizeof forms[0] && strcmp(forms[kind].word, word) != 0) {
        kind++;
    }
    if (kind == sizeof forms / sizeof forms[0]) {
        refuse(r, "there is no such step");
    }
    step->kind = (script_kind)kind;
    if (forms[kind].takes_var) {
        step->var = variable(r, need_word(r));
    }
    if (forms[kind].takes_name) {
        step->name = need_word(r);
    }
    if (forms[kind].takes_text) {
        step->args[step->arg_count++] = read_sum(r, need_word(r));
        step->name = r->at;
        return;
    }
    char *argument;
    while ((argument = next_word(r)) != NULL) {
        if (step->arg_count == SCRIPT_ARGS) {
            refuse(r, "too many arguments");
        }
        step->args[step->arg_count++] = read_sum(r, argument);
    }
    bool one =
        step->kind == STEP_STUB || step->kind == STEP_GLOBAL || step->kind == STEP_LOAD || step->kind == STEP_EXPECT;
    if (step->kind != STEP_CALL && step->arg_count != one) {
        refuse(r, "the wrong number of values");
    }
}

void script_read(script *s, char *text, const char *path)
{
    *s = (script){.text = text, .name_count = 4, .names = {"_", "n", "w", "len"}};
    reader r = {.script = s, .path = path};
    for (char *line = text; line != NULL;) {
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end++ = '\0';
        }
        line[strcspn(line, "#")] = '\0';
        r.line++;
        r.at = line;
        if (line[strspn(line, " \t")] != '\0') {
            if (s->step_count == SCRIPT_STEPS) {
                refuse(&r, "too many steps");
            }
            read_step(&r, &s->steps[s->step_count++]);
        }
        line = end;
    }
}

void script_fini(script *s)
{
    free(s->text);
}

/* ---- running ---- */

static int64_t value_of(const script_sum *sum, const int64_t *vars)
{
    /* vars[0] is 0. */
    return (int64_t)((uint64_t)sum->number + (uint64_t)vars[sum->vars[0]] + (uint64_t)vars[sum->vars[1]] +
                     (uint64_t)vars[sum->vars[2]]);
}

int64_t script_stub(const script *s, const char *name, bool *ret_echo)
{
    *ret_echo = false;
    for (size_t i = 0; i < s->step_count; i++) {
        const script_step *step = &s->steps[i];
        if ((step->kind == STEP_STUB || step->kind == STEP_ECHO) && strcmp(step->name, name) == 0) {
            *ret_echo = step->kind == STEP_ECHO;
            return step->args[0].number;
        }
    }
    return 0;
}

int64_t script_global(const script *s, const char *name, uint32_t worker)
{
    const int64_t vars[SCRIPT_NAMES] = {[VAR_W] = worker};
    for (size_t i = 0; i < s->step_count; i++) {
        if (s->steps[i].kind == STEP_GLOBAL && strcmp(s->steps[i].name, name) == 0) {
            return value_of(&s->steps[i].args[0], vars);
        }
    }
    return 0;
}

/* The text as it is for this n, with its zero byte. Returns its length. */
static size_t fill_text(char *to, const char *text, uint32_t n)
{
    size_t size = 0;
    while (*text != '\0' && size < TEXT_MAX - 12) {
        if (text[0] == '%' && text[1] == 'n') {
            size += (size_t)snprintf(to + size, 12, "%u", n);
            text += 2;
        } else if (text[0] == '\\' && (text[1] == 'r' || text[1] == 'n')) {
            to[size++] = text[1] == 'r' ? '\r' : '\n';
            text += 2;
        } else {
            to[size++] = *text++;
        }
    }
    to[size] = '\0';
    return size;
}

static bool write_text(const script_engine *engine, void *instance, const script_step *step, int64_t *vars)
{
    char text[TEXT_MAX];
    size_t size = fill_text(text, step->name, (uint32_t)vars[VAR_N]);
    uint8_t *to = engine->bytes(instance, (uint32_t)value_of(&step->args[0], vars), (uint32_t)size + 1);
    if (to == NULL) {
        return false;
    }
    memcpy(to, text, size + 1);
    vars[VAR_LEN] = (int64_t)size;
    return true;
}

static bool load_word(const script_engine *engine, void *instance, const script_step *step, int64_t *vars)
{
    const uint8_t *b = engine->bytes(instance, (uint32_t)value_of(&step->args[0], vars), 4);
    if (b == NULL) {
        return false;
    }
    vars[step->var] = (int32_t)((uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24);
    return true;
}

static bool make_call(const script_engine *engine, void *instance, const script_step *step, int64_t *vars)
{
    int64_t args[SCRIPT_ARGS];
    for (size_t i = 0; i < step->arg_count; i++) {
        args[i] = value_of(&step->args[i], vars);
    }
    return engine->call(instance, step->name, args, step->arg_count, step->var != VAR_NONE ? &vars[step->var] : NULL);
}

bool script_run(const script *s, const script_engine *engine, void *instance, uint32_t n, uint32_t worker)
{
    int64_t vars[SCRIPT_NAMES] = {[VAR_N] = n, [VAR_W] = worker};
    bool good = true;
    for (size_t i = 0; i < s->step_count && good; i++) {
        const script_step *step = &s->steps[i];
        switch (step->kind) {
        case STEP_CALL:
            good = make_call(engine, instance, step, vars);
            break;
        case STEP_TEXT:
            good = write_text(engine, instance, step, vars);
            break;
        case STEP_LOAD:
            good = load_word(engine, instance, step, vars);
            break;
        case STEP_EXPECT:
            good = vars[step->var] == value_of(&step->args[0], vars);
            break;
        case STEP_STUB:
        case STEP_ECHO:
        case STEP_GLOBAL:
            break;
        }
    }
    return good;
}

/* A regular expression matcher: a recursive-descent compiler to a small program, run by simulating all states at once
 * over each line of a text (no backtracking). Six expressions over n times 16 KiB of prose.
 *
 * Syntax: literals, ".", "[a-z]", "[^a-z]", "(...)", "|", "*", "+", "?", and "\" before any of these.
 */
#include "program.h"

enum { CODE_MAX = 256, TEXT = 16384 };

typedef enum op { R_SET, R_JUMP, R_SPLIT, R_MATCH } op;

typedef struct instruction {
    op op;
    uint16_t x, y;   /* targets */
    uint32_t set[8]; /* bytes that R_SET takes */
} instruction;

typedef struct program {
    instruction code[CODE_MAX];
    int size;
    const char *at; /* in the expression */
} program;

static int emit(program *p, op op)
{
    if (p->size == CODE_MAX) {
        puts("regex: too long");
        abort();
    }
    p->code[p->size] = (instruction){.op = op};
    return p->size++;
}

/* Make room for one instruction before `start`; jumps into what moved move with it. */
static void insert(program *p, int start, op op)
{
    emit(p, op);
    memmove(&p->code[start + 1], &p->code[start], (size_t)(p->size - 1 - start) * sizeof p->code[0]);
    p->code[start] = (instruction){.op = op};
    for (int i = start + 1; i < p->size; i++) {
        p->code[i].x += p->code[i].x >= start;
        p->code[i].y += p->code[i].y >= start;
    }
}

static void add(instruction *i, uint8_t byte)
{
    i->set[byte / 32] |= 1u << byte % 32;
}

static void parse_choice(program *p);

static void parse_class(program *p)
{
    instruction *i = &p->code[emit(p, R_SET)];
    bool inverted = *p->at == '^';
    if (inverted) {
        p->at++;
    }
    while (*p->at != ']' && *p->at != '\0') {
        uint8_t first = (uint8_t)*p->at++, last = first;
        if (*p->at == '-' && p->at[1] != ']') {
            last = (uint8_t)p->at[1];
            p->at += 2;
        }
        for (unsigned byte = first; byte <= last; byte++) {
            add(i, (uint8_t)byte);
        }
    }
    p->at += *p->at == ']';
    for (int word = 0; inverted && word < 8; word++) {
        i->set[word] = ~i->set[word];
    }
}

static void parse_atom(program *p)
{
    char c = *p->at++;
    if (c == '(') {
        parse_choice(p);
        p->at += *p->at == ')';
    } else if (c == '[') {
        parse_class(p);
    } else {
        instruction *i = &p->code[emit(p, R_SET)];
        if (c == '.') {
            memset(i->set, 0xff, sizeof i->set);
        } else {
            add(i, (uint8_t)(c == '\\' && *p->at != '\0' ? *p->at++ : c));
        }
    }
}

static void parse_repeat(program *p)
{
    int start = p->size;
    parse_atom(p);
    for (; *p->at == '*' || *p->at == '+' || *p->at == '?'; p->at++) {
        if (*p->at == '+') {
            int split = emit(p, R_SPLIT);
            p->code[split].x = (uint16_t)start;
            p->code[split].y = (uint16_t)p->size;
            continue;
        }
        insert(p, start, R_SPLIT);
        if (*p->at == '*') {
            p->code[emit(p, R_JUMP)].x = (uint16_t)start;
        }
        p->code[start].x = (uint16_t)(start + 1);
        p->code[start].y = (uint16_t)p->size;
    }
}

static void parse_choice(program *p)
{
    int start = p->size;
    while (*p->at != '\0' && *p->at != '|' && *p->at != ')') {
        parse_repeat(p);
    }
    if (*p->at == '|') {
        p->at++;
        insert(p, start, R_SPLIT);
        int jump = emit(p, R_JUMP);
        p->code[start].x = (uint16_t)(start + 1);
        p->code[start].y = (uint16_t)p->size;
        parse_choice(p);
        p->code[jump].x = (uint16_t)p->size;
    }
}

static void compile(program *p, const char *expression)
{
    p->size = 0;
    p->at = expression;
    parse_choice(p);
    emit(p, R_MATCH);
}

/* ---- run ---- */

typedef struct states {
    uint16_t list[CODE_MAX];
    int count;
    uint32_t seen[CODE_MAX]; /* the step that put it into the list */
} states;

/* Follow jumps from pc on; false when they end in a match. */
static bool follow(const program *p, states *to, uint32_t step, uint16_t pc)
{
    for (;;) {
        if (to->seen[pc] == step) {
            return true;
        }
        to->seen[pc] = step;
        const instruction *i = &p->code[pc];
        switch (i->op) {
        case R_MATCH:
            return false;
        case R_SET:
            to->list[to->count++] = pc;
            return true;
        case R_SPLIT:
            if (!follow(p, to, step, i->x)) {
                return false;
            }
            pc = i->y;
            break;
        case R_JUMP:
            pc = i->x;
            break;
        }
    }
}

/* The end of the first match that begins anywhere in [text, end), or NULL. */
static const char *search(const program *p, states *now, states *next, uint32_t *step, const char *text,
                          const char *end)
{
    now->count = 0;
    ++*step;
    for (;; text++) {
        if (!follow(p, now, *step, 0)) {
            return text;
        }
        if (text == end) {
            return NULL;
        }
        uint8_t byte = (uint8_t)*text;
        ++*step;
        next->count = 0;
        for (int i = 0; i < now->count; i++) {
            const instruction *at = &p->code[now->list[i]];
            if ((at->set[byte / 32] >> byte % 32 & 1) != 0 && !follow(p, next, *step, (uint16_t)(now->list[i] + 1))) {
                return text + 1;
            }
        }
        states *swap = now;
        now = next;
        next = swap;
    }
}

uint64_t run(uint32_t n)
{
    static const char *const expressions[] = {
        "verging",
        "[a-m]+er [n-z]+\\.",
        "(an|be|co)(den|er|fa)+( |\\.)",
        "qui.*zen",
        "x?x?x?x?x?x?(h|w)(o|a)(is|kel|lo)?(man|ner|or)+",
        "[^aeiou. ][^aeiou. ][^aeiou. ](a|e|i|o|u)[^aeiou. ]* [a-z]*(ti|un)[a-z]* ",
    };
    enum { COUNT = sizeof expressions / sizeof expressions[0] };
    char *text = must_have(malloc(TEXT));
    program *p = must_have(malloc(sizeof *p));
    states *lists = must_have(calloc(2, sizeof *lists));
    uint32_t step = 0;
    unsigned hits = 0;
    uint64_t sum = CHECKSUM_START;
    for (uint32_t i = 0; i < n; i++) {
        fill_with_prose(text, TEXT, i + 1);
        compile(p, expressions[i % COUNT]);
        memset(lists[0].seen, 0, sizeof lists[0].seen);
        memset(lists[1].seen, 0, sizeof lists[1].seen);
        for (const char *line = text; line < text + TEXT;) {
            const char *end = memchr(line, '\n', (size_t)(text + TEXT - line));
            end = end == NULL ? text + TEXT : end;
            const char *found = search(p, &lists[0], &lists[1], &step, line, end);
            if (found != NULL) {
                hits++;
                sum = checksum_word(sum, (uint64_t)(found - text));
            }
            line = end + 1;
        }
    }
    printf("regex: %u texts, %u lines match\n", (unsigned)n, hits);
    free(text);
    free(p);
    free(lists);
    return sum;
}

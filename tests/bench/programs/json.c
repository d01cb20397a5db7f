/* A JSON parser into a tree of malloc'ed nodes, a writer, and a walk over the tree: n documents of some 40 kB are made,
 * parsed, summed up, written, parsed again and compared.
 */
#include "program.h"

typedef enum kind { J_NULL, J_FALSE, J_TRUE, J_NUMBER, J_STRING, J_ARRAY, J_OBJECT } kind;

typedef struct node {
    kind kind;
    double number;
    char *text;         /* of a string */
    char *key;          /* of a member of an object */
    struct node *child; /* the first of an array or object */
    struct node *next;
} node;

typedef struct buffer {
    char *data;
    size_t size, room;
} buffer;

static void put(buffer *out, const char *text, size_t size)
{
    if (out->size + size + 1 > out->room) {
        out->room = (out->size + size + 1) * 2;
        out->data = must_have(realloc(out->data, out->room));
    }
    memcpy(out->data + out->size, text, size);
    out->size += size;
    out->data[out->size] = '\0';
}

static void put_text(buffer *out, const char *text)
{
    put(out, text, strlen(text));
}

/* ---- parse ---- */

typedef struct parser {
    const char *at;
    bool failed;
} parser;

static void skip_blanks(parser *p)
{
    while (*p->at == ' ' || *p->at == '\n' || *p->at == '\t' || *p->at == '\r') {
        p->at++;
    }
}

static char *parse_string(parser *p)
{
    const char *start = ++p->at;
    size_t size = 0;
    for (; *p->at != '"' && *p->at != '\0'; size++) {
        p->at += *p->at == '\\' && p->at[1] != '\0' ? 2 : 1;
    }
    if (*p->at == '\0') {
        p->failed = true;
        return NULL;
    }
    char *text = must_have(malloc(size + 1));
    char *out = text;
    for (const char *from = start; from < p->at; from++) {
        if (*from == '\\') {
            from++;
            *out++ = *from == 'n' ? '\n' : *from == 't' ? '\t' : *from;
        } else {
            *out++ = *from;
        }
    }
    *out = '\0';
    p->at++;
    return text;
}

static double parse_number(parser *p)
{
    bool negative = *p->at == '-';
    if (negative) {
        p->at++;
    }
    double value = 0, scale = 1;
    for (; *p->at >= '0' && *p->at <= '9'; p->at++) {
        value = value * 10 + (*p->at - '0');
    }
    if (*p->at == '.') {
        for (p->at++; *p->at >= '0' && *p->at <= '9'; p->at++) {
            value = value * 10 + (*p->at - '0');
            scale *= 10;
        }
    }
    return (negative ? -value : value) / scale;
}

static bool word(parser *p, const char *text)
{
    size_t size = strlen(text);
    if (strncmp(p->at, text, size) != 0) {
        return false;
    }
    p->at += size;
    return true;
}

static node *parse(parser *p);

static void parse_children(parser *p, node *parent, char end)
{
    node **last = &parent->child;
    p->at++;
    skip_blanks(p);
    while (*p->at != end && !p->failed) {
        char *key = NULL;
        if (end == '}') {
            key = *p->at == '"' ? parse_string(p) : NULL;
            skip_blanks(p);
            if (key == NULL || *p->at++ != ':') {
                p->failed = true;
                free(key);
                return;
            }
        }
        node *child = parse(p);
        child->key = key;
        *last = child;
        last = &child->next;
        skip_blanks(p);
        if (*p->at == ',') {
            p->at++;
            skip_blanks(p);
        } else if (*p->at != end) {
            p->failed = true;
        }
    }
    p->at++;
}

static node *parse(parser *p)
{
    node *result = must_have(calloc(1, sizeof *result));
    skip_blanks(p);
    switch (*p->at) {
    case '{':
        result->kind = J_OBJECT;
        parse_children(p, result, '}');
        break;
    case '[':
        result->kind = J_ARRAY;
        parse_children(p, result, ']');
        break;
    case '"':
        result->kind = J_STRING;
        result->text = parse_string(p);
        break;
    default:
        if (word(p, "null")) {
            result->kind = J_NULL;
        } else if (word(p, "true")) {
            result->kind = J_TRUE;
        } else if (word(p, "false")) {
            result->kind = J_FALSE;
        } else if (*p->at == '-' || (*p->at >= '0' && *p->at <= '9')) {
            result->kind = J_NUMBER;
            result->number = parse_number(p);
        } else {
            p->failed = true;
        }
    }
    return result;
}

static void release(node *tree)
{
    while (tree != NULL) {
        node *next = tree->next;
        release(tree->child);
        free(tree->text);
        free(tree->key);
        free(tree);
        tree = next;
    }
}

/* ---- write ---- */

static void write_string(buffer *out, const char *text)
{
    put(out, "\"", 1);
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '\n':
            put(out, "\\n", 2);
            break;
        case '\t':
            put(out, "\\t", 2);
            break;
        case '"':
            put(out, "\\\"", 2);
            break;
        case '\\':
            put(out, "\\\\", 2);
            break;
        default:
            put(out, text, 1);
        }
    }
    put(out, "\"", 1);
}

/* Numbers here have three decimals at the most: no need for the shortest form of any double. */
static void write_number(buffer *out, double number)
{
    char digits[32];
    char *at = digits + sizeof digits;
    bool negative = number < 0;
    uint64_t thousandths = (uint64_t)((negative ? -number : number) * 1000 + 0.5);
    bool written = false;
    for (int i = 0; i < 3; i++, thousandths /= 10) {
        written |= thousandths % 10 != 0;
        if (written) {
            *--at = (char)('0' + thousandths % 10);
        }
    }
    if (written) {
        *--at = '.';
    }
    do {
        *--at = (char)('0' + thousandths % 10);
        thousandths /= 10;
    } while (thousandths != 0);
    if (negative) {
        *--at = '-';
    }
    put(out, at, (size_t)(digits + sizeof digits - at));
}

static void write(buffer *out, const node *tree)
{
    static const char *const words[] = {"null", "false", "true"};
    switch (tree->kind) {
    case J_NUMBER:
        write_number(out, tree->number);
        break;
    case J_STRING:
        write_string(out, tree->text);
        break;
    case J_ARRAY:
    case J_OBJECT:
        put(out, tree->kind == J_ARRAY ? "[" : "{", 1);
        for (const node *child = tree->child; child != NULL; child = child->next) {
            if (tree->kind == J_OBJECT) {
                write_string(out, child->key);
                put(out, ":", 1);
            }
            write(out, child);
            if (child->next != NULL) {
                put(out, ",", 1);
            }
        }
        put(out, tree->kind == J_ARRAY ? "]" : "}", 1);
        break;
    default:
        put_text(out, words[tree->kind]);
    }
}

/* ---- a document, and what is asked of it ---- */

static void make_document(buffer *out, uint64_t seed)
{
    char prose[4096];
    fill_with_prose(prose, sizeof prose, seed);
    put_text(out, "{ \"version\": 3, \"items\": [\n");
    for (int i = 0; i < 160; i++) {
        char line[160];
        int size = snprintf(line, sizeof line, "  %s{ \"id\": %d, \"price\": %d.%d, \"sold\": %s, \"tags\": [ \"",
                            i ? "," : "", i, (int)random_below(&seed, 10000) - 2000, (int)random_below(&seed, 10),
                            random_below(&seed, 3) ? "true" : "null");
        put(out, line, (size_t)size);
        put(out, prose + random_below(&seed, 4000), random_below(&seed, 60));
        put_text(out, "\", \"a\\\"b\\n\" ], \"place\": { \"x\": ");
        size = snprintf(line, sizeof line, "%u, \"y\": -0.%u } }\n", (unsigned)random_below(&seed, 100000),
                        (unsigned)random_below(&seed, 900) + 100);
        put(out, line, (size_t)size);
    }
    put_text(out, "] }");
    /* A line end inside a string is no JSON. */
    for (char *at = out->data; (at = strchr(at, '\n')) != NULL; at++) {
        *at = ' ';
    }
}

static double sum_up(const node *tree, unsigned *nodes)
{
    double sum = 0;
    for (; tree != NULL; tree = tree->next) {
        ++*nodes;
        if (tree->kind == J_NUMBER) {
            sum += tree->key != NULL && strcmp(tree->key, "price") == 0 ? tree->number * 2 : tree->number;
        }
        sum += sum_up(tree->child, nodes);
    }
    return sum;
}

static node *must_parse(const char *text)
{
    parser p = {text, false};
    node *tree = parse(&p);
    if (p.failed) {
        printf("json: failed at offset %u\n", (unsigned)(p.at - text));
        abort();
    }
    return tree;
}

uint64_t run(uint32_t n)
{
    uint64_t sum = CHECKSUM_START;
    unsigned nodes = 0;
    for (uint32_t i = 0; i < n; i++) {
        buffer document = {0}, first = {0}, second = {0};
        make_document(&document, i + 1);
        node *tree = must_parse(document.data);
        double value = sum_up(tree, &nodes);
        write(&first, tree);
        release(tree);
        tree = must_parse(first.data);
        write(&second, tree);
        release(tree);
        if (first.size != second.size || memcmp(first.data, second.data, first.size) != 0) {
            puts("json: what came back is something else");
            abort();
        }
        sum = checksum(checksum(sum, first.data, first.size), &value, sizeof value);
        free(document.data);
        free(first.data);
        free(second.data);
    }
    printf("json: %u documents, %u nodes\n", (unsigned)n, nodes);
    return sum;
}

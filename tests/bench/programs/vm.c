/* An interpreter of a small bytecode: an assembler of a few lines, and a switch in a loop over a stack machine with
 * calls, that runs Fibonacci by recursion, a sieve, and a bubble sort, n times.
 *
 * A line of assembly is "label:" or a mnemonic with at most one operand: a number, or a label. Locals live on the stack
 * above the frame pointer; arguments below it.
 */
#include "program.h"

enum { CODE_MAX = 512, STACK_MAX = 4096, HEAP_MAX = 8192, LABEL_MAX = 64 };

#define OPS(X)                                                                                                         \
    X(push), X(drop), X(dup), X(add), X(sub), X(mul), X(less), X(equal), X(load), X(store), X(local), X(set), X(arg),  \
        X(jump), X(jz), X(call), X(ret), X(enter), X(halt)
#define AS_ENUM(name) OP_##name
#define AS_TEXT(name) #name
enum op { OPS(AS_ENUM), OP_COUNT };
static const char *const op_names[] = {OPS(AS_TEXT)};

static const char source[] =
    /* fib(n) */
    " push 17\n call fib\n push 0\n store\n jump sieve\n"
    "fib:\n enter 0\n arg 0\n push 2\n less\n jz deeper\n arg 0\n ret 1\n"
    "deeper:\n arg 0\n push 1\n sub\n call fib\n arg 0\n push 2\n sub\n call fib\n add\n ret 1\n"
    /* heap[100 .. 2100): 1 marks what is no prime; heap[1]: how many primes; locals: i, j */
    "sieve:\n call primes0\n jump sort\n"
    "primes0:\n enter 2\n push 0\n set 0\n"
    "clear:\n local 0\n push 2000\n less\n jz cleared\n push 0\n local 0\n push 100\n add\n store\n"
    " local 0\n push 1\n add\n set 0\n jump clear\n"
    "cleared:\n push 0\n push 1\n store\n push 2\n set 0\n"
    "next:\n local 0\n push 2000\n less\n jz counted\n local 0\n push 100\n add\n load\n jz prime\n jump onward\n"
    "prime:\n push 1\n load\n push 1\n add\n push 1\n store\n local 0\n dup\n add\n set 1\n"
    "strike:\n local 1\n push 2000\n less\n jz onward\n push 1\n local 1\n push 100\n add\n store\n"
    " local 1\n local 0\n add\n set 1\n jump strike\n"
    "onward:\n local 0\n push 1\n add\n set 0\n jump next\n"
    "counted:\n push 0\n ret 0\n"
    /* heap[4000 .. 4060): pseudo-random numbers, then sorted; locals: i, j, x */
    "sort:\n drop\n call bubble\n drop\n halt\n"
    "bubble:\n enter 3\n push 0\n set 0\n push 7\n set 2\n"
    "draw:\n local 0\n push 60\n less\n jz outer0\n local 2\n push 8121\n mul\n push 28411\n add\n set 2\n"
    " local 2\n local 0\n push 4000\n add\n store\n local 0\n push 1\n add\n set 0\n jump draw\n"
    "outer0:\n push 59\n set 0\n"
    "outer:\n push 0\n local 0\n less\n jz sorted\n push 0\n set 1\n"
    "inner:\n local 1\n local 0\n less\n jz shrink\n"
    " local 1\n push 4001\n add\n load\n local 1\n push 4000\n add\n load\n less\n jz inorder\n"
    " local 1\n push 4000\n add\n load\n set 2\n"
    " local 1\n push 4001\n add\n load\n local 1\n push 4000\n add\n store\n"
    " local 2\n local 1\n push 4001\n add\n store\n"
    "inorder:\n local 1\n push 1\n add\n set 1\n jump inner\n"
    "shrink:\n local 0\n push 1\n sub\n set 0\n jump outer\n"
    "sorted:\n push 0\n ret 0\n";

typedef struct label {
    char name[16];
    int32_t place; /* in code; -1: not seen yet */
} label;

typedef struct machine {
    int32_t code[CODE_MAX];
    int code_size;
    label labels[LABEL_MAX];
    int label_count;
    int32_t stack[STACK_MAX];
    int32_t heap[HEAP_MAX];
    uint64_t steps;
} machine;

static label *find_label(machine *m, const char *name, size_t size)
{
    for (int i = 0; i < m->label_count; i++) {
        if (strncmp(m->labels[i].name, name, size) == 0 && m->labels[i].name[size] == '\0') {
            return &m->labels[i];
        }
    }
    label *made = &m->labels[m->label_count++];
    memcpy(made->name, name, size);
    made->name[size] = '\0';
    made->place = -1;
    return made;
}

/* Two passes: the second one knows all labels. */
static void assemble(machine *m)
{
    m->label_count = 0;
    for (int pass = 0; pass < 2; pass++) {
        m->code_size = 0;
        for (const char *line = source; *line != '\0';) {
            const char *end = strchr(line, '\n');
            if (end[-1] == ':') {
                find_label(m, line, (size_t)(end - 1 - line))->place = m->code_size;
                line = end + 1;
                continue;
            }
            const char *name = line + 1;
            size_t size = strcspn(name, " \n");
            int op = 0;
            while (op < OP_COUNT && (strncmp(op_names[op], name, size) != 0 || op_names[op][size] != '\0')) {
                op++;
            }
            const char *operand = name + size + (name[size] == ' ');
            int32_t value = 0;
            if (*operand >= '0' && *operand <= '9') {
                value = (int32_t)strtol(operand, NULL, 10);
            } else if (operand < end) {
                value = find_label(m, operand, (size_t)(end - operand))->place;
            }
            m->code[m->code_size++] = op;
            m->code[m->code_size++] = value;
            line = end + 1;
        }
    }
}

/* sp is the number of values on the stack; a frame is: arguments, return address, caller's fp, locals. Every function
 * has one argument place: what the caller pushed last. */
static void execute(machine *m)
{
    int32_t *const stack = m->stack;
    const int32_t *pc = m->code;
    int32_t sp = 1, fp = 1;
    uint64_t steps = 0;
    stack[0] = 0;
    for (;; steps++) {
        const int32_t operand = pc[1];
        const int32_t op = pc[0];
        pc += 2;
        switch (op) {
        case OP_push:
            stack[sp++] = operand;
            break;
        case OP_drop:
            sp--;
            break;
        case OP_dup:
            stack[sp] = stack[sp - 1], sp++;
            break;
        case OP_add:
            sp--, stack[sp - 1] = (int32_t)((uint32_t)stack[sp - 1] + (uint32_t)stack[sp]);
            break;
        case OP_sub:
            sp--, stack[sp - 1] = (int32_t)((uint32_t)stack[sp - 1] - (uint32_t)stack[sp]);
            break;
        case OP_mul:
            sp--, stack[sp - 1] = (int32_t)((uint32_t)stack[sp - 1] * (uint32_t)stack[sp]);
            break;
        case OP_less:
            sp--, stack[sp - 1] = stack[sp - 1] < stack[sp];
            break;
        case OP_equal:
            sp--, stack[sp - 1] = stack[sp - 1] == stack[sp];
            break;
        case OP_load:
            stack[sp - 1] = m->heap[stack[sp - 1] & (HEAP_MAX - 1)];
            break;
        case OP_store:
            sp -= 2, m->heap[stack[sp + 1] & (HEAP_MAX - 1)] = stack[sp];
            break;
        case OP_local:
            stack[sp++] = stack[fp + operand];
            break;
        case OP_set:
            stack[fp + operand] = stack[--sp];
            break;
        case OP_arg:
            stack[sp++] = stack[fp - 3 - operand];
            break;
        case OP_jump:
            pc = m->code + operand;
            break;
        case OP_jz:
            pc = stack[--sp] == 0 ? m->code + operand : pc;
            break;
        case OP_call:
            stack[sp] = (int32_t)(pc - m->code);
            stack[sp + 1] = fp;
            sp += 2;
            fp = sp;
            pc = m->code + operand;
            break;
        case OP_enter:
            for (int32_t i = 0; i < operand; i++) {
                stack[sp++] = 0;
            }
            break;
        case OP_ret: { /* operand: arguments to take off */
            int32_t result = stack[sp - 1];
            sp = fp - 2 - operand;
            pc = m->code + stack[fp - 2];
            fp = stack[fp - 1];
            stack[sp++] = result;
            break;
        }
        case OP_halt:
            m->steps += steps;
            return;
        default:
            puts("vm: no such operation");
            abort();
        }
    }
}

uint64_t run(uint32_t n)
{
    machine *m = must_have(calloc(1, sizeof *m));
    assemble(m);
    uint64_t sum = CHECKSUM_START;
    for (uint32_t i = 0; i < n; i++) {
        m->code[1] = 14 + (int32_t)(i % 4); /* the argument of the first fib */
        execute(m);
        sum = checksum_word(checksum(sum, &m->heap[0], 8), m->steps);
        sum = checksum(sum, &m->heap[4000], 60 * sizeof m->heap[0]);
    }
    printf("vm: %u runs, primes %d\n", (unsigned)n, (int)m->heap[1]);
    free(m);
    return sum;
}

/* The script of a module of the load test: what is done with each instance, the same in every engine. What runs it
 * needs two things of the engine: a call by the export's name, and bytes of the instance's memory.
 *
 * A text, one step a line; from "#" on a line is a comment:
 *   stub NAME VALUE         the imported function NAME gives VALUE (without a line: 0)
 *   echo NAME               the imported function NAME gives its first argument + w
 *   global NAME VALUE       the imported global NAME is the i32 VALUE
 *   call VAR EXPORT SUM...  call, with i32 arguments; VAR "_": the function has no result
 *   text SUM TEXT...        write the rest of the line and a zero byte; %n is n in decimal, \r and \n are control codes
 *   load VAR SUM            the i32 at an address
 *   expect VAR SUM          must be equal, or the instance has a wrong value
 * A SUM is decimal numbers and variables with "+" between them. There are n, which differs from life to life (0 to 63),
 * w, the worker's number, and len, the length of the text that was last written.
 */
#ifndef LOAD_SCRIPT_H
#define LOAD_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCRIPT_STEPS = 40, SCRIPT_NAMES = 24, SCRIPT_ARGS = 6, SCRIPT_TERMS = 3, SCRIPT_LIVES = 64 };

typedef enum script_kind {
    STEP_STUB,
    STEP_ECHO,
    STEP_GLOBAL,
    STEP_CALL,
    STEP_TEXT,
    STEP_LOAD,
    STEP_EXPECT
} script_kind;

typedef struct script_sum {
    uint8_t vars[SCRIPT_TERMS]; /* 0: none */
    int64_t number;
} script_sum;

typedef struct script_step {
    script_kind kind;
    uint8_t var;      /* 0: no result */
    const char *name; /* of an import or export; the text */
    size_t arg_count;
    script_sum args[SCRIPT_ARGS];
} script_step;

/* Immutable once read: all threads share it. */
typedef struct script {
    char *text; /* own */
    size_t step_count;
    script_step steps[SCRIPT_STEPS];
    size_t name_count;
    const char *names[SCRIPT_NAMES]; /* of variables; 0 is none */
} script;

/* An engine. call: with a result or without; false when the call failed. bytes: of the memory now, to read and write;
 * NULL when they are not inside. */
typedef struct script_engine {
    bool (*call)(void *instance, const char *name, const int64_t *args, size_t count, int64_t *ret_result);
    uint8_t *(*bytes)(void *instance, uint32_t offset, uint32_t size);
} script_engine;

/* The program ends with a message when the text cannot be read. text: own from now on (free). */
void script_read(script *s, char *text, const char *path);
void script_fini(script *s);
/* What the imported function NAME is to give; *ret_echo: it is an echo. */
int64_t script_stub(const script *s, const char *name, bool *ret_echo);
int64_t script_global(const script *s, const char *name, uint32_t worker);
/* True when all was as expected. */
bool script_run(const script *s, const script_engine *engine, void *instance, uint32_t n, uint32_t worker);

#endif

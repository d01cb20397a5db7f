/* What the benchmark programs share: options, clocks, medians, files, and a report that is a table for people and JSON
 * for programs.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "waggle.h"

/* Options of every benchmark program:
 *   --tier NAME      default, interp, or what else the library has
 *   --rounds N       how often each thing is measured; the report has medians over the rounds
 *   --threads N      threads that compile a module; by default as many as the library chooses
 *   --json FILE      the report as JSON, too ("-": instead of the table, to standard output)
 * What else there is belongs to the program. */
typedef struct options {
    wag_tier tier;
    const char *tier_name;
    int rounds;
    int threads;
    const char *json;
    char **rest; /* arguments that are no option of these; borrow from argv */
    int rest_count;
} options;

/* Takes its options out of argv. Ends the program with a message when one cannot be read. */
options options_read(int argc, char **argv, int default_rounds);

/* Seconds of all threads of this process; seconds of the wall clock. */
double cpu_seconds(void);
double wall_seconds(void);
/* Bytes of this process: resident, resident at most so far, and mapped executable outside files; NAN when the
 * system does not say. */
double resident_bytes(void);
double peak_resident_bytes(void);
double code_bytes(void);

/* Sorts values. count > 0. */
double median(double *values, int count);

/* A whole file; the program ends with a message when it cannot be read. own: free(). */
wag_bytes file_read(const char *path);

/* Compile with the options' tier and threads. NULL when that failed: then *reterr_error (own). */
wag_module *module_compile(const options *o, wag_bytes bytes, wag_error **reterr_error);

/* End the program: "bench: " and a message. */
_Noreturn void fail(const char *format, ...) WAG_PRINTF(1, 2);
/* Fail when err is none of WAG_OK; takes the error. */
void must(wag_err err, wag_error *error, const char *what);

/* ---- the report ---- */

enum { REPORT_COLUMNS_MAX = 12 };

typedef struct column {
    const char *name;
    int decimals;
} column;

typedef struct report report;

/* name: of the benchmark; columns: of numbers, the first column being each row's name. borrow, as long as the report.
 */
report *report_new(const options *o, const char *name, const column *columns, int count);
/* values: one for each column, NAN where there is none. note: may be NULL; it stands behind the numbers. */
void report_row(report *r, const char *name, const double *values, const char *note);
/* Print what the options want, and free. */
void report_end(report *r);

#endif

/* The synthetic modules of bench_instances and of the load test: shapes a (no memory), b (one page, two 4 KiB pages
 * written) and c (17 pages with 100 KB of data, ten 4 KiB pages touched and seven written). Each has eight imports,
 * four globals and a table of 16 functions, and exports run, whose result depends on each word that it will write: a
 * byte that an earlier instance has left would be seen.
 */
#ifndef BENCH_SHAPES_H
#define BENCH_SHAPES_H

#include <stdbool.h>

#include "waggle.h"

/* letter: a, b or c. own: free. The program ends with a message without memory. */
wag_bytes shape_module(char letter);
/* What run says in a new instance. */
int32_t shape_result(char letter);
/* Pages of 4 KiB that an instance writes; with_data: those of them in which the module has data. */
int shape_written(char letter, bool with_data);

#endif

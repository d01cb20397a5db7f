/* The synthetic modules of the load test: shapes a (no memory), b (one page, two 4 KiB pages written) and c (17 pages
 * with 100 KB of data, ten 4 KiB pages touched and seven written). Each has an import, a global and a table, and
 * exports run, whose result depends on each word that it will write: a byte that an earlier instance has left would be
 * seen.
 */
#ifndef LOAD_SHAPES_H
#define LOAD_SHAPES_H

#include "waggle.h"

/* letter: a, b or c. own: free. The program ends with a message without memory. */
wag_bytes shape_module(char letter);
/* Bytes of the pages that an instance writes. */
size_t shape_written(char letter);

#endif

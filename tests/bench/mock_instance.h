/* The yardstick of bench_instances: the least that making and dropping an instance can be, in plain C without a
 * runtime. A block of 512 bytes is taken from a stack of ready ones and copied from a template, eight imports are
 * checked by their types and written into it, a memory is put in; dropping it restores the pages that an instance
 * writes, and pushes the block. So it copies what an instance of the benchmark's modules has to copy, on this machine
 * in this run. */
#ifndef BENCH_MOCK_INSTANCE_H
#define BENCH_MOCK_INSTANCE_H

typedef struct mock mock;

/* zero_pages: of 4 KiB, cleared at each drop; image_pages: copied. One thread at a time. own. */
mock *mock_new(int zero_pages, int image_pages);
/* Make and drop that many instances. */
void mock_live(mock *m, int count);
void mock_free(mock *m);

#endif

/* Quicksort of records in place with comparison functions behind pointers, and a stable mergesort of a linked list of
 * them: n times 4,000 records, by three orders.
 */
#include "program.h"

enum { COUNT = 4000, INSERTION_MAX = 12 };

typedef struct record {
    char name[12];
    uint32_t group;
    double weight;
    struct record *next;
} record;

typedef int (*comparison)(const record *a, const record *b);

static int by_name(const record *a, const record *b)
{
    return strcmp(a->name, b->name);
}

static int by_group(const record *a, const record *b)
{
    return (a->group > b->group) - (a->group < b->group);
}

static int by_weight(const record *a, const record *b)
{
    return (a->weight > b->weight) - (a->weight < b->weight);
}

static void swap(record *a, record *b)
{
    record t = *a;
    *a = *b;
    *b = t;
}

static void insertion_sort(record *first, record *end, comparison compare)
{
    for (record *at = first + 1; at < end; at++) {
        record moving = *at;
        record *to = at;
        for (; to > first && compare(&moving, to - 1) < 0; to--) {
            *to = to[-1];
        }
        *to = moving;
    }
}

/* Median of three, the smaller part by recursion. */
static void quicksort(record *first, record *end, comparison compare)
{
    while (end - first > INSERTION_MAX) {
        record *middle = first + (end - first) / 2;
        if (compare(middle, first) < 0) {
            swap(middle, first);
        }
        if (compare(end - 1, middle) < 0) {
            swap(end - 1, middle);
            if (compare(middle, first) < 0) {
                swap(middle, first);
            }
        }
        const record pivot = *middle;
        record *low = first, *high = end - 1;
        while (low <= high) {
            while (compare(low, &pivot) < 0) {
                low++;
            }
            while (compare(&pivot, high) < 0) {
                high--;
            }
            if (low <= high) {
                swap(low++, high--);
            }
        }
        if (high + 1 - first < end - low) {
            quicksort(first, high + 1, compare);
            first = low;
        } else {
            quicksort(low, end, compare);
            end = high + 1;
        }
    }
    insertion_sort(first, end, compare);
}

static record *merge(record *a, record *b, comparison compare)
{
    record *head = NULL, **last = &head;
    while (a != NULL && b != NULL) {
        record **from = compare(b, a) < 0 ? &b : &a;
        *last = *from;
        last = &(*from)->next;
        *from = *last;
    }
    *last = a != NULL ? a : b;
    return head;
}

/* Bottom up: bins[i] holds a sorted list of 2^i records, or none. */
static record *mergesort_list(record *list, comparison compare)
{
    record *bins[32] = {NULL};
    while (list != NULL) {
        record *carry = list;
        list = list->next;
        carry->next = NULL;
        int i = 0;
        for (; bins[i] != NULL; i++) {
            carry = merge(bins[i], carry, compare);
            bins[i] = NULL;
        }
        bins[i] = carry;
    }
    record *all = NULL;
    for (int i = 0; i < 32; i++) {
        all = merge(bins[i], all, compare);
    }
    return all;
}

static void fill(record *records, uint64_t seed)
{
    for (int i = 0; i < COUNT; i++) {
        record *r = &records[i];
        memset(r, 0, sizeof *r);
        for (unsigned c = 0, size = 3 + random_below(&seed, 8); c < size; c++) {
            r->name[c] = (char)('a' + random_below(&seed, c < 3 ? 4 : 26));
        }
        r->group = random_below(&seed, 50);
        r->weight = (double)random_below(&seed, 1000000) / 8;
        r->next = i + 1 < COUNT ? r + 1 : NULL;
    }
}

uint64_t run(uint32_t n)
{
    static const comparison orders[] = {by_name, by_group, by_weight};
    record *records = must_have(malloc(COUNT * sizeof *records));
    uint64_t sum = CHECKSUM_START;
    for (uint32_t i = 0; i < n; i++) {
        for (int order = 0; order < 3; order++) {
            /* The list: by one order, then stably by another. */
            fill(records, i + 1);
            record *list = mergesort_list(records, orders[(order + 1) % 3]);
            list = mergesort_list(list, orders[order]);
            unsigned place = 0;
            for (const record *r = list; r != NULL; r = r->next) {
                sum = (sum ^ (uint64_t)(r - records)) * 1099511628211u + place++;
            }
            /* The array: what is equal may come in any order, so only the keys count. */
            quicksort(records, records + COUNT, orders[order]);
            for (int at = 1; at < COUNT; at++) {
                if (orders[order](&records[at - 1], &records[at]) > 0) {
                    puts("sort: not in order");
                    abort();
                }
            }
            if (place != COUNT) {
                puts("sort: the list has lost records");
                abort();
            }
            if (order == 0) {
                sum = checksum(sum, records[COUNT / 3].name, sizeof records->name);
            }
        }
    }
    printf("sort: %u times %d records\n", (unsigned)n, COUNT);
    free(records);
    return sum;
}

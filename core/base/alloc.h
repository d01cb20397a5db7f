/* The allocator hook: every heap block of the library comes from here, so that tests can fail the n-th allocation. */
#ifndef WAGI_BASE_ALLOC_H
#define WAGI_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL when memory is out or the size overflows. wagi_alloc(0) gives a block that can be freed. Any thread. */
void *wagi_alloc(size_t size);
void *wagi_alloc_zero(size_t count, size_t size);
/* Room for count elements; the old block stays valid when NULL is returned. */
void *wagi_realloc_array(void *block, size_t count, size_t size);
void wagi_free(void *block); /* NULL is a no-op */

/* Stress switch for tests: after `successes` further allocations every one fails; UINT64_MAX switches it off.
 * Process-wide; any thread. */
void wagi_alloc_fail_after(uint64_t successes);

/* Memory that is kept, but that nobody may touch: only AddressSanitizer minds. WAGI_NO_ASAN: a function that reads what
 * it would mind. (gcc's own macro comes first: the sanitizer's header defines __has_feature for gcc, as 0.) */
#if defined(__SANITIZE_ADDRESS__)
#define WAGI_ASAN 1
#define WAGI_NO_ASAN __attribute__((no_sanitize_address))
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WAGI_ASAN 1
#define WAGI_NO_ASAN __attribute__((no_sanitize("address")))
#endif
#endif
#ifdef WAGI_ASAN
#include <sanitizer/asan_interface.h>
#define WAGI_POISON(block, size) ASAN_POISON_MEMORY_REGION(block, size)
#define WAGI_UNPOISON(block, size) ASAN_UNPOISON_MEMORY_REGION(block, size)
#else
#define WAGI_NO_ASAN
#define WAGI_POISON(block, size) ((void)(block), (void)(size))
#define WAGI_UNPOISON(block, size) ((void)(block), (void)(size))
#endif

/* True when memory was refused to the calling thread since it asked last: for those who learn only that some longer
 * work has failed. */
bool wagi_alloc_take_refusal(void);
void wagi_alloc_note_refusal(void); /* for those who get their pages elsewhere */

#define WAGI_NEW(type) ((type *)wagi_alloc_zero(1, sizeof(type)))

/* Vectors: a pointer, a count and a capacity, as three members p, n and cap of any struct.
 * Evaluates to true when there is room for one more. */
#define WAGI_VEC(type)                                                                                                 \
    struct {                                                                                                           \
        type *p;                                                                                                       \
        size_t n, cap;                                                                                                 \
    }
#define WAGI_VEC_RESERVE(v, extra)                                                                                     \
    ((v)->cap - (v)->n >= (size_t)(extra) ||                                                                           \
     wagi_vec_grow((void **)&(v)->p, (v)->n, &(v)->cap, (extra), sizeof *(v)->p))
#define WAGI_VEC_PUSH(v, x) (WAGI_VEC_RESERVE(v, 1) ? ((v)->p[(v)->n++] = (x), true) : false)
#define WAGI_VEC_FREE(v) (wagi_free((v)->p), (v)->p = NULL, (v)->n = (v)->cap = 0)
/* What WAGI_VEC_RESERVE does when there is no room. */
bool wagi_vec_grow(void **block, size_t count, size_t *capacity, size_t extra, size_t element_size);

#endif

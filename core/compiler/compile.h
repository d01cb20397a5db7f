/* All functions of a module to one piece of machine code that can be mapped anywhere. */
#ifndef WAGI_COMPILER_COMPILE_H
#define WAGI_COMPILER_COMPILE_H

#include "compiler/code.h"

/* Offsets of the stubs by which C enters a function; 0: there is none. */
typedef struct wagi_image_entry {
    uint32_t slots; /* none: cannot be referenced */
    uint32_t vals;  /* a wagi_enter */
} wagi_image_entry;

/* Machine code with what traps and backtraces want to know of it. */
typedef struct wagi_image {
    uint8_t *code; /* pages of its own, code_mapped bytes of them */
    size_t code_size, code_mapped;
    wagi_func_code *funcs;           /* func_count, by start, which is by index */
    uint32_t func_count, first_func; /* the index of funcs[0] */
    uint8_t *sites;
    wagi_image_entry *entries; /* per own function: how C enters it */
    uint32_t stubs_start;      /* behind all functions */
    uint32_t fault;            /* where the fault handler continues */
    uint32_t unwind;           /* the way to the entry, with the instance in its register */
    uint32_t restore;          /* return address whose frame is one word */
    wagi_stub_code *stubs;     /* stub_count, for debuggers */
    uint32_t stub_count;
    uint32_t far_start, far_end; /* return addresses in here have a frame of one word */
} wagi_image;

/* Why there is no image. */
typedef enum wagi_image_result { WAGI_IMAGE_OK, WAGI_IMAGE_NOMEM, WAGI_IMAGE_UNSUITABLE } wagi_image_result;

/* The features that the compiler has code for. */
#define WAGI_NATIVE_FEATURES                                                                                           \
    (1ull << WAGI_FEATURE_MVP | 1ull << WAGI_FEATURE_SIGN_EXTENSION | 1ull << WAGI_FEATURE_SATURATING_FLOAT |          \
     1ull << WAGI_FEATURE_MULTI_VALUE | 1ull << WAGI_FEATURE_BULK_MEMORY | 1ull << WAGI_FEATURE_REFERENCE_TYPES |      \
     1ull << WAGI_FEATURE_TAIL_CALL | 1ull << WAGI_FEATURE_EXTENDED_CONST | 1ull << WAGI_FEATURE_MULTI_MEMORY |        \
     1ull << WAGI_FEATURE_MEMORY64 | 1ull << WAGI_FEATURE_FUNCTION_REFERENCES | 1ull << WAGI_FEATURE_EXCEPTIONS |      \
     1ull << WAGI_FEATURE_GC | 1ull << WAGI_FEATURE_THREADS | 1ull << WAGI_FEATURE_SIMD |                              \
     1ull << WAGI_FEATURE_RELAXED_SIMD | 1ull << WAGI_FEATURE_CUSTOM_PAGE_SIZES |                                      \
     1ull << WAGI_FEATURE_WIDE_ARITHMETIC)

/* This build and this machine have a compiler. */
bool wagi_compiler_available(void);
/* UNSUITABLE: a cap was met, or something that has no code; *ret_func_index is the function. context.machine, abi and
 * layout must be set. */
wagi_image_result wagi_image_make(const wagi_code_context *context, wagi_image *ret_image, uint32_t *ret_func_index);
void wagi_image_fini(wagi_image *image);

/* The same while bodies arrive: a draft takes them as they come, and its image is that of wagi_image_make, byte for
 * byte. Bodies that are valid may be read by other threads while a call is open. */
typedef struct wagi_image_draft wagi_image_draft;
/* context: copied, with the machine; data and parallel must outlive the draft. data is complete up to the bodies. NULL
 * without memory. */
wagi_image_draft *wagi_image_draft_new(const wagi_code_context *context);
/* The first `valid` bodies are there. False: something stands in the way, and there is no use in going on. */
bool wagi_image_draft_add(wagi_image_draft *draft, uint32_t valid);
/* All of them are. context: of the complete module. The draft is used up, but not freed. */
wagi_image_result wagi_image_draft_finish(wagi_image_draft *draft, const wagi_code_context *context,
                                          wagi_image *ret_image, uint32_t *ret_func_index);
void wagi_image_draft_free(wagi_image_draft *draft); /* NULL is a no-op */

/* Switches for tests, process-wide, to be set before anything is compiled. */
typedef struct wagi_compiler_switches {
    bool few_registers; /* only `registers` of each kind may hold values, 0 to 3 */
    uint8_t registers;
    bool check;             /* verify the IR and the allocation of each function */
    uint32_t hide_features; /* of the machine */
} wagi_compiler_switches;
extern wagi_compiler_switches wagi_compiler_test;
/* The description of this machine under the switches. */
void wagi_compiler_machine(wagi_machine *ret_machine);

#endif

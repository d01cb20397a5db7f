/* The validator: the algorithm of the specification's appendix, iterative, one pass per function body. It makes the
 * interpreter's side table and the facts of wagi_func_body as it goes.
 *
 * A wagi_validator is scratch memory plus what it validates against; one thread uses it at a time; it is reused for all
 * bodies of a module (or for those that one compile thread takes).
 */
#ifndef WAGI_BINARY_VALIDATE_H
#define WAGI_BINARY_VALIDATE_H

#include "binary/module.h"
#include "binary/reader.h"

/* The module under construction, as far as it has been decoded. The pointers stay the decoder's. */
typedef struct wagi_validate_context {
    const wagi_module_data *data;
    const wagi_registry *registry;
    const wagi_limits *limits;
    wagi_arena *arena; /* results go here */
    uint8_t *
        declared_funcs; /* one byte a function: may be the operand of ref.func in a body; set by constant expressions */
    bool has_data_count;
    uint32_t data_count; /* of the data count section */
    /* Out: features used so far; where each was first met. */
    uint64_t *features;
    uint32_t *feature_func; /* WAGI_FEATURE_COUNT, WAGI_NO_INDEX before */
    size_t *feature_offset;
} wagi_validate_context;

typedef struct wagi_validator wagi_validator;
wagi_validator *wagi_validator_new(const wagi_validate_context *context); /* context: copied. NULL without memory */
void wagi_validator_free(wagi_validator *validator);

/* Validate one body: [begin, end) is the code entry's contents, local declarations first. On success *ret_body is
 * complete. Fails with WAG_MALFORMED, WAG_INVALID, WAG_LIMIT, WAG_NOMEM. The error has offset and function index. */
wag_err wagi_validate_body(wagi_validator *validator, uint32_t func_index, const uint8_t *begin, const uint8_t *end,
                           wagi_func_body *ret_body, wag_error **reterr_error);

/* Read and validate a constant expression up to and including its `end`. It may use globals below global_limit that are
 * immutable. Marks functions of ref.func as declared. */
wag_err wagi_validate_const(wagi_validator *validator, wagi_reader *reader, wagi_valtype expected,
                            uint32_t global_limit, wagi_const_expr *ret_expr, wag_error **reterr_error);

/* Readers of types inside code and sections, shared with the decoder (decode_types.c). Type indices must be below
 * type_count, otherwise the reader fails with `invalid` set (binary/fail.h turns it into the error). */
wagi_valtype wagi_read_valtype(wagi_reader *reader, const wagi_module_data *data);
/* A heap type as the non-null reference to it. */
wagi_valtype wagi_read_heap_type(wagi_reader *reader, const wagi_module_data *data);

#endif

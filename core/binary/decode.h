/* The decoder's inside, shared by decode*.c.
 *
 * A module is decoded in one pass over its sections. Every count is checked against the bytes that are left before
 * anything is allocated for it, so memory stays linear in the module's size. Arrays whose length is known at their
 * section's start are made in the arena at once; the few others grow in the heap and are copied to the arena at the
 * end. Until then wagi_module_data points at whichever is current, so that constant expressions and bodies can be
 * validated against it.
 *
 * The bytes may still be arriving (binary/stream.h). A section is decoded once all of it is there; the code section is
 * decoded body by body, and what is wrong in it counts only when the section turns out not to be cut off, as if its
 * size had been looked at first. So there is one order in which things are found, however the bytes come.
 */
#ifndef WAGI_BINARY_DECODE_H
#define WAGI_BINARY_DECODE_H

#include "base/alloc.h"
#include "base/parallel.h"
#include "binary/fail.h"
#include "binary/module.h"
#include "binary/reader.h"
#include "binary/stream.h"
#include "binary/validate.h"

typedef enum wagi_section {
    WAGI_SECTION_CUSTOM = 0,
    WAGI_SECTION_TYPE = 1,
    WAGI_SECTION_IMPORT = 2,
    WAGI_SECTION_FUNCTION = 3,
    WAGI_SECTION_TABLE = 4,
    WAGI_SECTION_MEMORY = 5,
    WAGI_SECTION_GLOBAL = 6,
    WAGI_SECTION_EXPORT = 7,
    WAGI_SECTION_START = 8,
    WAGI_SECTION_ELEMENT = 9,
    WAGI_SECTION_CODE = 10,
    WAGI_SECTION_DATA = 11,
    WAGI_SECTION_DATA_COUNT = 12,
    WAGI_SECTION_TAG = 13,
    WAGI_SECTION_COUNT
} wagi_section;

/* A function type, struct or array as read: its words are in the decoder's vectors, which may still move. */
typedef struct wagi_raw_type {
    wagi_comp_kind comp;
    bool is_final;
    uint32_t supertype, depth;
    uint32_t param_count, result_count, field_count;
    size_t first_word, first_field;
    const uint8_t *where;
} wagi_raw_type;

/* The code section, as far as it has been decoded. */
typedef struct wagi_code_progress {
    bool open;  /* its head has been read */
    bool begun; /* its count has */
    const uint8_t *where;
    uint32_t count, done; /* bodies: all of them, and those that are valid */
    wagi_func_body *bodies;
    wag_err err; /* what is wrong in it, while its end is not there; the error is the decoder's */
} wagi_code_progress;

struct wagi_decoder {
    wagi_reader reader; /* of the current section */
    wagi_reader module; /* from the next section to the end of what is there */
    bool last;          /* no more bytes will come */
    bool in_sections;   /* the preamble has been read */
    uint8_t last_order; /* place of the last section, see section_order */
    wagi_code_progress code;
    size_t capacity; /* bytes from reader.start on that may be there one day */
    wag_module *module_head;
    wag_error *error; /* of a decoder that is fed */
    wag_err failed;
    wagi_module_data *data;
    wagi_arena *arena;
    wagi_registry *registry;
    const wagi_limits *limits;
    wag_error **reterr_error;
    const wagi_parallel *parallel; /* threads for the bodies, or NULL */
    wagi_validator *validator;     /* made when the first expression is met */
    uint8_t *declared_funcs;       /* see wagi_validate_context; func_count bytes once the validator exists */
    uint32_t expected_bodies;      /* entries of the function section */
    bool has_data_count;
    uint32_t data_count; /* of the data count section */
    bool seen[WAGI_SECTION_COUNT];

    WAGI_VEC(const wagi_type *) types;
    /* The recursion group that is being read: indices from group_start on mean WAGI_REC_LOCAL. */
    uint32_t group_start, group_count;
    WAGI_VEC(wagi_raw_type) raw_types;
    WAGI_VEC(wagi_type_def) defs;
    WAGI_VEC(wagi_valtype) words;
    WAGI_VEC(wagi_field) fields;

    /* What was imported, by kind. */
    WAGI_VEC(const wagi_type *) funcs;
    WAGI_VEC(wagi_table_def) tables;
    WAGI_VEC(wagi_memory_type) memories;
    WAGI_VEC(wagi_global_def) globals;
    WAGI_VEC(const wagi_type *) tags;

    WAGI_VEC(wagi_const_expr) items; /* of one element segment */
    WAGI_VEC(wagi_custom_section) customs;
};

/* ---- failing (decode.c) ---- */

/* An error at `where`. The macro's format is without the place. */
#define WAGI_DECODE_FAIL(decoder, code, where, ...)                                                                    \
    wagi_fail_at((code), (size_t)((where) - (decoder)->reader.start), WAGI_NO_INDEX, (decoder)->reterr_error,          \
                 __VA_ARGS__)
#define WAGI_DECODE_LIMIT(decoder, limit, value, where)                                                                \
    WAGI_FAIL_LIMIT((decoder)->limits, limit, (value), (size_t)((where) - (decoder)->reader.start), WAGI_NO_INDEX,     \
                    (decoder)->reterr_error)
/* The reader's error, if there is one. */
wag_err wagi_decode_check(wagi_decoder *decoder);
wag_err wagi_decode_nomem(wagi_decoder *decoder);
/* A vector's count: not more than bytes are left. The caller checks its limit. */
wag_err wagi_decode_count(wagi_decoder *decoder, uint32_t *ret_count);
void wagi_decode_feature(wagi_decoder *decoder, wagi_feature feature, const uint8_t *where);
/* What bodies and expressions are validated against, as of now. */
wagi_validate_context wagi_decode_context(const wagi_decoder *decoder);
/* The validator, made on first use. */
wag_err wagi_decode_validator(wagi_decoder *decoder);
/* data->func_ref_slot, if it has not been made yet: everything that can declare a function comes before the bodies. */
wag_err wagi_decode_number_references(wagi_decoder *decoder);
/* `size` bytes from pos on are there, or pos is in a section all of which is there, or there will be no more. */
bool wagi_decode_is_there(const wagi_decoder *decoder, const uint8_t *pos, size_t size);
/* `own` more elements behind the imported ones, in the arena. NULL without memory. */
void *wagi_decode_extend(wagi_decoder *decoder, const void *imported, uint32_t import_count, uint32_t own, size_t size);

/* ---- types (decode_types.c) ---- */

wag_err wagi_decode_type_section(wagi_decoder *decoder);
/* A type index that must name a function type. */
wag_err wagi_decode_func_type(wagi_decoder *decoder, const wagi_type **ret_type);
wag_err wagi_decode_table_type(wagi_decoder *decoder, wagi_table_type *ret_type);
wag_err wagi_decode_memory_type(wagi_decoder *decoder, wagi_memory_type *ret_type);
wag_err wagi_decode_global_type(wagi_decoder *decoder, wagi_global_type *ret_type);
wag_err wagi_decode_tag_type(wagi_decoder *decoder, const wagi_type **ret_type);

/* ---- sections that name things (decode_externs.c) ---- */

wag_err wagi_decode_import_section(wagi_decoder *decoder);
wag_err wagi_decode_function_section(wagi_decoder *decoder);
wag_err wagi_decode_table_section(wagi_decoder *decoder);
wag_err wagi_decode_memory_section(wagi_decoder *decoder);
wag_err wagi_decode_tag_section(wagi_decoder *decoder);
wag_err wagi_decode_global_section(wagi_decoder *decoder);
wag_err wagi_decode_export_section(wagi_decoder *decoder);
wag_err wagi_decode_start_section(wagi_decoder *decoder);

/* ---- contents (decode_contents.c) ---- */

wag_err wagi_decode_element_section(wagi_decoder *decoder);
wag_err wagi_decode_data_count_section(wagi_decoder *decoder);
/* As much of it as is there: code.done tells how much. */
wag_err wagi_decode_code_section(wagi_decoder *decoder);
wag_err wagi_decode_data_section(wagi_decoder *decoder);

/* ---- names (decode_names.c) ---- */

/* The function names of the name section, into data->func_names; a malformed one is ignored. False without memory. */
bool wagi_decode_func_names(wagi_decoder *decoder);

#endif

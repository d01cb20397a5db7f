/* The name section. It is advice: what does not make sense is left out without an error. */
#include <string.h>

#include "binary/decode.h"

enum { NAMES_FUNCTIONS = 1 };

/* The function name map: indices in increasing order. False when it is malformed. */
static bool read_name_map(wagi_reader *reader, uint32_t func_count, wag_name *names)
{
    uint32_t count = wagi_read_u32(reader);
    uint64_t next = 0;
    for (uint32_t i = 0; i < count && !reader->error; i++) {
        uint32_t index = wagi_read_u32(reader);
        wag_name name = wagi_read_name(reader);
        if (reader->error || index < next)
            return false;
        next = (uint64_t)index + 1;
        if (index < func_count)
            names[index] = name;
    }
    return !reader->error && reader->pos == reader->end;
}

/* The bytes of the function names' subsection. False when there is none or the subsections are malformed. */
static bool find_func_names(wag_bytes section, wagi_reader *ret_reader)
{
    wagi_reader reader = wagi_reader_make(section.data, section.data, section.data + section.size);
    bool found = false;
    int last = -1;
    while (reader.pos < reader.end) {
        int id = wagi_read_u8(&reader);
        uint32_t size = wagi_read_u32(&reader);
        const uint8_t *bytes = wagi_read_bytes(&reader, size);
        if (!bytes || id <= last)
            return false;
        last = id;
        if (id == NAMES_FUNCTIONS) {
            *ret_reader = wagi_reader_make(section.data, bytes, bytes + size);
            found = true;
        }
    }
    return found;
}

bool wagi_decode_func_names(wagi_decoder *decoder)
{
    wagi_module_data *data = decoder->data;
    for (size_t i = 0; i < decoder->customs.n; i++) {
        const wagi_custom_section *custom = &decoder->customs.p[i];
        wagi_reader reader;
        if (custom->name.size != 4 || memcmp(custom->name.data, "name", 4) != 0 ||
            !find_func_names(custom->bytes, &reader))
            continue;
        wag_name *names = wagi_alloc_zero(data->func_count, sizeof *names);
        if (!names)
            return false;
        bool good = read_name_map(&reader, data->func_count, names);
        if (good)
            data->func_names = wagi_arena_copy(decoder->arena, names, data->func_count * sizeof *names);
        wagi_free(names);
        if (good)
            return data->func_names != NULL;
    }
    return true;
}

wag_name wagi_module_func_name(const wagi_module_data *data, uint32_t func_index)
{
    return data->func_names && func_index < data->func_count ? data->func_names[func_index] : (wag_name){"", 0};
}

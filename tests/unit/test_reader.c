/* Reading: LEB128 at its edges, errors that stick, UTF-8. */
#include "tests/support/check.h"

#include "binary/reader.h"

static wagi_reader over(const void *bytes, size_t size)
{
    return wagi_reader_make(bytes, bytes, (const uint8_t *)bytes + size);
}
#define OVER(literal) over("" literal, sizeof(literal) - 1)

typedef struct leb_row {
    const char *bytes;
    size_t size;
    uint64_t value;
    const char *error; /* then value is 0 */
} leb_row;
#define LEB(literal, value)                                                                                            \
    {                                                                                                                  \
        "" literal, sizeof(literal) - 1, (uint64_t)(value), NULL                                                       \
    }
#define BAD(literal, error)                                                                                            \
    {                                                                                                                  \
        "" literal, sizeof(literal) - 1, 0, error                                                                      \
    }
static const char too_long[] = "integer representation too long";
static const char too_large[] = "integer too large";
static const char short_of[] = "unexpected end";

static void check_row(const leb_row *row, wagi_reader *reader, uint64_t value)
{
    if (row->error)
        assert_non_null(reader->error);
    else
        assert_null(reader->error);
    if (row->error)
        assert_string_equal(reader->error, row->error);
    assert_int_equal(value, row->value);
    assert_ptr_equal(reader->pos, reader->end);
}

static void test_unsigned_integers_of_32_bits_are_read_up_to_their_edges(void **state)
{
    (void)state;
    static const leb_row rows[] = {
        LEB("\x00", 0),
        LEB("\x7F", 127),
        LEB("\x80\x01", 128),
        LEB("\x80\x00", 0),
        LEB("\x83\x80\x80\x80\x00", 3),
        LEB("\xFF\xFF\xFF\xFF\x0F", UINT32_MAX),
        BAD("\xFF\xFF\xFF\xFF\x1F", too_large),
        BAD("\x80\x80\x80\x80\x10", too_large),
        BAD("\x80\x80\x80\x80\x80\x00", too_long),
        BAD("\x80\x80\x80\x80\xF0", too_long),
        BAD("", short_of),
        BAD("\x80", short_of),
        BAD("\x80\x80\x80\x80", short_of),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wagi_reader reader = over(rows[i].bytes, rows[i].size);
        check_row(&rows[i], &reader, wagi_read_u32(&reader));
    }
}

static void test_unsigned_integers_of_64_bits_are_read_up_to_their_edges(void **state)
{
    (void)state;
    static const leb_row rows[] = {
        LEB("\x00", 0),
        LEB("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", UINT64_MAX),
        LEB("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", UINT64_C(1) << 63),
        LEB("\x85\x80\x80\x80\x80\x80\x80\x80\x80\x00", 5),
        BAD("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", too_large),
        BAD("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", too_long),
        BAD("\x80\x80\x80\x80\x80\x80\x80\x80\x80", short_of),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wagi_reader reader = over(rows[i].bytes, rows[i].size);
        check_row(&rows[i], &reader, wagi_read_u64(&reader));
    }
}

static void test_signed_integers_of_32_bits_are_read_up_to_their_edges(void **state)
{
    (void)state;
    static const leb_row rows[] = {
        LEB("\x3F", 63),
        LEB("\x40", -64),
        LEB("\x7F", -1),
        LEB("\xFF\x7F", -1),
        LEB("\xFF\x00", 127),
        LEB("\x80\x7F", -128),
        LEB("\xFF\xFF\xFF\xFF\x7F", -1),
        LEB("\xFF\xFF\xFF\xFF\x07", INT32_MAX),
        LEB("\x80\x80\x80\x80\x78", INT32_MIN),
        BAD("\x80\x80\x80\x80\x08", too_large),
        BAD("\xFF\xFF\xFF\xFF\x77", too_large),
        BAD("\xFF\xFF\xFF\xFF\x3F", too_large),
        BAD("\x80\x80\x80\x80\x80\x00", too_long),
        BAD("\xFF\xFF", short_of),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wagi_reader reader = over(rows[i].bytes, rows[i].size);
        check_row(&rows[i], &reader, (uint64_t)(int64_t)wagi_read_s32(&reader));
    }
}

static void test_signed_integers_of_33_bits_hold_type_indices_and_block_types(void **state)
{
    (void)state;
    static const leb_row rows[] = {
        LEB("\x40", -64),
        LEB("\x7F", -1),
        LEB("\xFF\xFF\xFF\xFF\x0F", UINT32_MAX),
        LEB("\x80\x80\x80\x80\x70", -(INT64_C(1) << 32)),
        BAD("\x80\x80\x80\x80\x10", too_large),
        BAD("\xFF\xFF\xFF\xFF\x6F", too_large),
        BAD("\x80\x80\x80\x80\x80\x00", too_long),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wagi_reader reader = over(rows[i].bytes, rows[i].size);
        check_row(&rows[i], &reader, (uint64_t)wagi_read_s33(&reader));
    }
}

static void test_signed_integers_of_64_bits_are_read_up_to_their_edges(void **state)
{
    (void)state;
    static const leb_row rows[] = {
        LEB("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x00", INT64_MAX),
        LEB("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7F", INT64_MIN),
        LEB("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", -1),
        LEB("\xC0\xBB\x78", -123456),
        BAD("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", too_large),
        BAD("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7E", too_large),
        BAD("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", too_long),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wagi_reader reader = over(rows[i].bytes, rows[i].size);
        check_row(&rows[i], &reader, (uint64_t)wagi_read_s64(&reader));
    }
}

/* Every value of 14 bits in every padding, against arithmetic. */
static void test_padded_integers_mean_the_same_as_short_ones(void **state)
{
    (void)state;
    for (uint32_t value = 0; value < 1 << 14; value++)
        for (int length = 2; length <= 5; length++) {
            uint8_t bytes[5];
            for (int i = 0; i < length; i++)
                bytes[i] = (uint8_t)((value >> 7 * i & 0x7F) | (i < length - 1 ? 0x80u : 0u));
            wagi_reader reader = over(bytes, (size_t)length);
            assert_int_equal(wagi_read_u32(&reader), value);
            assert_null(reader.error);
            /* Signed: bit 13 is the sign when it is the last one that is written. */
            reader = over(bytes, (size_t)length);
            int64_t wanted = length == 2 && value & 1u << 13 ? (int64_t)value - (1 << 14) : (int64_t)value;
            assert_int_equal(wagi_read_s32(&reader), wanted);
        }
}

typedef enum form { U32, U64, S32, S33, S64, FORM_COUNT } form;

static uint64_t read_form(wagi_reader *reader, form form)
{
    switch (form) {
    case U32:
        return wagi_read_u32(reader);
    case U64:
        return wagi_read_u64(reader);
    case S32:
        return (uint64_t)wagi_read_s32(reader);
    case S33:
        return (uint64_t)wagi_read_s33(reader);
    default:
        return (uint64_t)wagi_read_s64(reader);
    }
}

/* The definition, one bit after the other; false when the bytes are no number of that form. */
static bool by_definition(form form, const uint8_t *bytes, unsigned length, uint64_t *ret_value)
{
    static const unsigned widths[FORM_COUNT] = {32, 64, 32, 33, 64};
    unsigned width = widths[form];
    bool is_signed = form >= S32, sign = is_signed && bytes[length - 1] & 0x40;
    if (length > (width + 6) / 7)
        return false;
    uint64_t value = sign ? UINT64_MAX : 0;
    for (unsigned bit = 0; bit < 7 * length; bit++) {
        bool set = bytes[bit / 7] >> bit % 7 & 1;
        if (bit >= width - is_signed && set != sign)
            return false;
        if (bit < 64)
            value = set ? value | UINT64_C(1) << bit : value & ~(UINT64_C(1) << bit);
    }
    *ret_value = value;
    return true;
}

static void test_integers_of_every_length_are_read_alike_at_the_end_and_before_other_bytes(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int round = 0; round < 20000; round++)
        for (unsigned length = 1; length <= 11; length++) {
            uint8_t bytes[32];
            for (unsigned i = 0; i < sizeof bytes; i++) {
                random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
                bytes[i] = round % 4 == 0 ? 0xFF : round % 4 == 1 ? 0x80 : (uint8_t)(random >> 56);
            }
            for (unsigned i = 0; i < length; i++)
                bytes[i] |= 0x80;
            bytes[length - 1] = (uint8_t)(random >> 40) & 0x7F;
            for (form form = 0; form < FORM_COUNT; form++) {
                uint64_t wanted = 0;
                bool is_number = by_definition(form, bytes, length, &wanted);
                wagi_reader alone = over(bytes, length), among = over(bytes, sizeof bytes);
                uint64_t value = read_form(&alone, form);
                assert_int_equal(read_form(&among, form), value);
                assert_int_equal(value, wanted);
                assert_int_equal(alone.error == NULL, is_number);
                assert_ptr_equal(among.error, alone.error);
                assert_int_equal(among.error_offset, alone.error_offset);
                if (is_number)
                    assert_ptr_equal(among.pos, bytes + length);
            }
        }
}

static void test_the_first_error_sticks_and_says_where(void **state)
{
    (void)state;
    wagi_reader reader = OVER("\x01\x80\x80\x80\x80\x80\x01\x02");
    assert_int_equal(wagi_read_u8(&reader), 1);
    assert_int_equal(wagi_read_u32(&reader), 0);
    assert_string_equal(reader.error, too_long);
    assert_int_equal(reader.error_offset, 1);
    assert_ptr_equal(reader.pos, reader.end);
    assert_int_equal(wagi_read_u8(&reader), 0);
    assert_int_equal(wagi_read_s64(&reader), 0);
    assert_null(wagi_read_bytes(&reader, 0));
    assert_int_equal(wagi_read_name(&reader).size, 0);
    assert_string_equal(reader.error, too_long);
    assert_int_equal(reader.error_offset, 1);
}

static void test_errors_of_form_and_of_validity_are_told_apart(void **state)
{
    (void)state;
    wagi_reader reader = OVER("\x01\x02");
    wagi_reader_invalid_at(&reader, reader.start + 1, "unknown type");
    assert_true(reader.invalid);
    assert_int_equal(reader.error_offset, 1);
    reader = OVER("\x01\x02");
    wagi_reader_fail_at(&reader, reader.start, "form");
    wagi_reader_invalid_at(&reader, reader.start + 1, "unknown type");
    assert_false(reader.invalid);
    assert_string_equal(reader.error, "form");
}

static void test_bytes_are_borrowed_and_never_more_than_there_are(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3};
    wagi_reader reader = over(bytes, sizeof bytes);
    assert_ptr_equal(wagi_read_bytes(&reader, 2), bytes);
    assert_non_null(wagi_read_bytes(&reader, 0));
    assert_null(wagi_read_bytes(&reader, 2));
    assert_string_equal(reader.error, short_of);
    reader = over(bytes, sizeof bytes);
    assert_null(wagi_read_bytes(&reader, SIZE_MAX));
}

static void test_names_are_counted_and_must_be_utf8(void **state)
{
    (void)state;
    wagi_reader reader = OVER("\x05"
                              "a\0\xC3\xA9"
                              "b");
    wag_name name = wagi_read_name(&reader);
    assert_int_equal(name.size, 5);
    assert_memory_equal(name.data,
                        "a\0\xC3\xA9"
                        "b",
                        5);
    reader = OVER("\x02\xC3\x28");
    assert_int_equal(wagi_read_name(&reader).size, 0);
    assert_string_equal(reader.error, "malformed UTF-8 encoding");
    assert_int_equal(reader.error_offset, 1);
    reader = OVER("\x03"
                  "ab");
    wagi_read_name(&reader);
    assert_string_equal(reader.error, short_of);
}

/* The definition, from the other side: bytes are valid when they are the encoding of the code point they seem to mean.
 */
static bool utf8_reference(const uint8_t *bytes, size_t size)
{
    while (size) {
        size_t length = bytes[0] < 0x80 ? 1 : bytes[0] < 0xE0 ? 2 : bytes[0] < 0xF0 ? 3 : 4;
        if (length > size)
            return false;
        uint32_t point = length == 1 ? bytes[0] : bytes[0] & (0x7Fu >> length);
        for (size_t i = 1; i < length; i++)
            point = point << 6 | (bytes[i] & 0x3Fu);
        uint8_t again[4];
        size_t wanted = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        static const uint8_t leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
        for (size_t i = wanted; i-- > 1; point >>= 6)
            again[i] = (uint8_t)(0x80u | (point & 0x3Fu));
        again[0] = (uint8_t)(leads[wanted] | point);
        uint32_t whole = 0;
        for (size_t i = 0; i < length; i++)
            whole = whole << 8 | bytes[i];
        bool surrogate = length == 3 && whole >= 0xEDA080 && whole <= 0xEDBFBF;
        bool above = length == 4 && whole > 0xF48FBFBF;
        if (wanted != length || memcmp(again, bytes, length) != 0 || surrogate || above)
            return false;
        bytes += length;
        size -= length;
    }
    return true;
}

static void test_utf8_is_checked_as_unicode_defines_it_for_all_short_strings(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (uint32_t word = 0; word < 1u << 24; word++) {
        uint8_t bytes[] = {(uint8_t)(word >> 16), (uint8_t)(word >> 8), (uint8_t)word};
        wrong += wagi_utf8_valid(bytes, 3) != utf8_reference(bytes, 3);
    }
    for (uint32_t word = 0; word < 1u << 16; word++) {
        uint8_t bytes[] = {(uint8_t)(word >> 8), (uint8_t)word};
        wrong += wagi_utf8_valid(bytes, 2) != utf8_reference(bytes, 2);
    }
    /* Four bytes: every lead, every second byte, the edges of the rest. */
    static const uint8_t edges[] = {0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF};
    for (uint32_t word = 0; word < 1u << 16; word++)
        for (size_t i = 0; i < 36; i++) {
            uint8_t bytes[] = {(uint8_t)(word >> 8), (uint8_t)word, edges[i / 6], edges[i % 6]};
            wrong += wagi_utf8_valid(bytes, 4) != utf8_reference(bytes, 4);
        }
    assert_int_equal(wrong, 0);
    assert_true(wagi_utf8_valid(NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsigned_integers_of_32_bits_are_read_up_to_their_edges),
        cmocka_unit_test(test_unsigned_integers_of_64_bits_are_read_up_to_their_edges),
        cmocka_unit_test(test_signed_integers_of_32_bits_are_read_up_to_their_edges),
        cmocka_unit_test(test_signed_integers_of_33_bits_hold_type_indices_and_block_types),
        cmocka_unit_test(test_signed_integers_of_64_bits_are_read_up_to_their_edges),
        cmocka_unit_test(test_padded_integers_mean_the_same_as_short_ones),
        cmocka_unit_test(test_integers_of_every_length_are_read_alike_at_the_end_and_before_other_bytes),
        cmocka_unit_test(test_the_first_error_sticks_and_says_where),
        cmocka_unit_test(test_errors_of_form_and_of_validity_are_told_apart),
        cmocka_unit_test(test_bytes_are_borrowed_and_never_more_than_there_are),
        cmocka_unit_test(test_names_are_counted_and_must_be_utf8),
        cmocka_unit_test(test_utf8_is_checked_as_unicode_defines_it_for_all_short_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

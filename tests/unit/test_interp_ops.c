/* The interpreter keeps up to two operands in registers, so each op has up to three bodies, and every op looks ahead
 * for those that often follow. Here each row of op.def with a scalar signature runs in all such situations and must
 * compute the same. What the ops mean is checked elsewhere (test_num.c, the official suite).
 */
#include "tests/support/check.h"

#include <inttypes.h>

#include "binary/op.h"

/* ---- text that grows ---- */

typedef struct text {
    char *p;
    size_t n, capacity;
} text;

static void add(text *to, const char *format, ...)
{
    if (to->capacity - to->n < 512) {
        to->p = realloc(to->p, to->capacity += 1 << 20);
        assert_non_null(to->p);
    }
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(to->p + to->n, to->capacity - to->n, format, arguments);
    va_end(arguments);
    assert_true(size >= 0 && (size_t)size < to->capacity - to->n);
    to->n += (size_t)size;
}

/* ---- situations ---- */

/* How many operands the op finds in registers; whether another operand lies below its own; what takes its result. */
enum taker { TAKE_NOTHING, TAKE_SET, TAKE_TEE, TAKE_MEMORY, TAKE_IF, TAKE_BR_IF, TAKERS };
enum { SITUATIONS = 3 * 2 * TAKERS };

static bool yields_condition(unsigned situation)
{
    return situation / 6 == TAKE_IF || situation / 6 == TAKE_BR_IF;
}

static const char *type_name(char letter)
{
    return letter == 'i' || letter == 'a' ? "i32" : letter == 'I' ? "i64" : letter == 'f' ? "f32" : "f64";
}

/* An op's signature as text: at most two operands. */
typedef struct shape {
    size_t count;
    const char *params[2];
    const char *result; /* NULL: a store */
    char letters[3];
} shape;

static bool shape_of(wagi_op op, shape *ret_shape)
{
    const wagi_op_info *info = &wagi_ops[op];
    if (!info->signature || (info->prefix != 0 && info->prefix != 0xFC) || strchr(info->signature, 'v'))
        return false;
    if (info->imm != WAGI_IMM_NONE && info->imm != WAGI_IMM_MEMARG)
        return false;
    size_t count = strcspn(info->signature, ":");
    if (count == 0 || count > 2)
        return false;
    *ret_shape = (shape){.count = count};
    for (size_t i = 0; i < count; i++) {
        ret_shape->params[i] = type_name(info->signature[i]);
        ret_shape->letters[i] = info->signature[i];
    }
    if (info->signature[count + 1])
        ret_shape->result = type_name(info->signature[count + 1]);
    return true;
}

/* A call writes all operands to memory. */
static void add_func(text *to, const char *op, const shape *s, unsigned situation)
{
    unsigned registers = situation % 3, below = situation / 3 % 2, taker = situation / 6;
    const char *result = s->result ? s->result : "i64";
    add(to, "(func (export \"%s %u\") (param %s %s) (result %s) (local $r %s)\n block $out (result %s)\n", op,
        situation, s->params[0], s->count == 2 ? s->params[1] : "", result, result, result);
    if (taker == TAKE_BR_IF)
        add(to, " block $true\n");
    if (below)
        add(to, " f64.const 41\n");
    for (size_t i = 0; i < s->count; i++) {
        if (s->count - i == registers)
            add(to, " call $nothing\n");
        add(to, " local.get %zu\n", i);
    }
    if (registers == 0)
        add(to, " call $nothing\n");
    add(to, " %s\n", op);
    if (!s->result) /* what the store wrote */
        add(to, " local.get 0 i64.load\n");
    switch (taker) {
    case TAKE_SET:
        add(to, " local.set $r local.get $r\n");
        break;
    case TAKE_TEE:
        add(to, " local.tee $r drop local.get $r\n");
        break;
    case TAKE_MEMORY:
        add(to, " call $nothing\n");
        break;
    case TAKE_IF:
        add(to, " if (result i32) i32.const 1 else i32.const 0 end\n");
        break;
    case TAKE_BR_IF:
        add(to, " br_if $true i32.const 0 br $out end i32.const 1\n");
        break;
    default:
        break;
    }
    add(to, "%s end)\n", below ? " br $out" : "");
}

/* Conditions must be i32. */
static bool fits(const shape *s, unsigned situation)
{
    if (s->count < situation % 3)
        return false;
    return !yields_condition(situation) || (s->result && strcmp(s->result, "i32") == 0);
}

static wag_instance *make_all(void)
{
    text module = {0};
    add(&module,
        "(module (memory 1) (data (i32.const 0) \"\\01\\82\\03\\84\\05\\86\\07\\88\\f9\\fa\\7b\\fc\\7d\\fe\\ff\\80\")\n"
        "(func $nothing)\n");
    for (wagi_op op = 0; op < WAGI_OP_COUNT; op++) {
        shape s;
        if (shape_of(op, &s))
            for (unsigned situation = 0; situation < SITUATIONS; situation++)
                if (fits(&s, situation))
                    add_func(&module, wagi_ops[op].text, &s, situation);
    }
    add(&module, ")");
    wag_instance *instance = instance_of(module.p, NULL);
    free(module.p);
    return instance;
}

/* ---- values ---- */

static const uint64_t edges[] = {0,
                                 1,
                                 2,
                                 31,
                                 0x7F,
                                 0x80,
                                 0xFF80,
                                 0x7FFFFFFF,
                                 0x80000000,
                                 0xFFFFFFFF,
                                 0x3F800000, /* 1.0f */
                                 0xBFC00000, /* -1.5f */
                                 0x7FC00001,
                                 0x4F000000,
                                 0x3FF8000000000000, /* 1.5 */
                                 0xC1E0000000200000, /* -2^31 - 1 */
                                 0x7FF0000000000000,
                                 0x7FFFFFFFFFFFFFFF,
                                 0x8000000000000000,
                                 0xFFFFFFFFFFFFFFFF};
enum { EDGES = sizeof edges / sizeof *edges };

static wag_val value_of(char letter, uint64_t bits)
{
    wag_val val;
    memset(&val, 0, sizeof val);
    val.kind = letter == 'i' || letter == 'a' ? WAG_I32 : letter == 'I' ? WAG_I64 : letter == 'f' ? WAG_F32 : WAG_F64;
    uint32_t narrow = (uint32_t)bits;
    if (val.kind == WAG_I32 || val.kind == WAG_F32)
        memcpy(&val.of, &narrow, sizeof narrow);
    else
        memcpy(&val.of, &bits, sizeof bits);
    return val;
}

typedef struct outcome {
    wag_err err;
    uint64_t bits;
} outcome;

static outcome run(wag_func *func, const wag_val *args, size_t count)
{
    wag_val result;
    memset(&result, 0, sizeof result);
    outcome got = {wag_call(func, args, count, &result, 1, NULL), 0};
    if (got.err == WAG_OK)
        memcpy(&got.bits, &result.of, result.kind == WAG_I32 || result.kind == WAG_F32 ? 4 : 8);
    return got;
}

/* Which NaN an operation on two gives is left open. */
static bool same(const char *type, uint64_t got, uint64_t wanted)
{
    if (got == wanted)
        return true;
    if (type && strcmp(type, "f32") == 0)
        return (got & wanted & 0x7FC00000) == 0x7FC00000;
    return type && strcmp(type, "f64") == 0 && (got & wanted & 0x7FF8000000000000) == 0x7FF8000000000000;
}

static void check_op(const wag_exports *exports, const char *op, const shape *s)
{
    wag_func *funcs[SITUATIONS];
    for (unsigned i = 0; i < SITUATIONS; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s %u", op, i);
        funcs[i] = fits(s, i) ? wag_exports_func(exports, name) : NULL;
        assert_true(funcs[i] || !fits(s, i));
    }
    size_t pairs = s->count == 2 ? EDGES * EDGES : EDGES;
    for (size_t k = 0; k < pairs; k++) {
        uint64_t x = edges[k % EDGES], y = edges[k / EDGES];
        wag_val args[] = {value_of(s->letters[0], x), value_of(s->count == 2 ? s->letters[1] : 'i', y)};
        outcome first = run(funcs[0], args, s->count);
        for (unsigned i = 1; i < SITUATIONS; i++) {
            if (!funcs[i])
                continue;
            outcome got = run(funcs[i], args, s->count);
            uint64_t wanted = yields_condition(i) && first.err == WAG_OK ? first.bits != 0 : first.bits;
            if (got.err != first.err || !same(s->result, got.bits, wanted))
                fail_msg("%s(%" PRIx64 ", %" PRIx64 ") in situation %u: %s %" PRIx64 ", not %s %" PRIx64, op, x, y, i,
                         wag_err_name(got.err), got.bits, wag_err_name(first.err), wanted);
        }
    }
}

static void test_each_op_computes_the_same_from_registers_and_from_memory(void **state)
{
    (void)state;
    wag_instance *instance = make_all();
    const wag_exports *exports = wag_instance_exports(instance);
    unsigned checked = 0;
    for (wagi_op op = 0; op < WAGI_OP_COUNT; op++) {
        shape s;
        if (!shape_of(op, &s))
            continue;
        check_op(exports, wagi_ops[op].text, &s);
        checked++;
    }
    assert_int_equal(checked, 159);
    wag_instance_unref(instance);
}

/* ---- immediates of each length ---- */

static void test_constants_and_local_indices_of_each_length(void **state)
{
    (void)state;
    static const int64_t constants[] = {0,
                                        1,
                                        63,
                                        64,
                                        -1,
                                        -64,
                                        -65,
                                        127,
                                        128,
                                        8191,
                                        8192,
                                        -8192,
                                        -8193,
                                        1048575,
                                        1048576,
                                        134217727,
                                        134217728,
                                        INT32_MAX,
                                        INT32_MIN,
                                        (int64_t)1 << 34,
                                        -((int64_t)1 << 34),
                                        INT64_MAX,
                                        INT64_MIN};
    enum { COUNT = sizeof constants / sizeof *constants };
    static const unsigned locals[] = {0, 1, 127, 128, 129, 16383, 16384, 40000};
    text module = {0};
    add(&module, "(module\n");
    for (unsigned i = 0; i < COUNT; i++) {
        add(&module, "(func (export \"c%u\") (result i64) i64.const %" PRId64 ")\n", i, constants[i]);
        add(&module, "(func (export \"n%u\") (result i32) i32.const %" PRId32 ")\n", i, (int32_t)constants[i]);
        /* behind one and two operands, with and without the add that is looked for */
        add(&module, "(func (export \"a%u\") (param i64) (result i64) local.get 0 i64.const %" PRId64 " i64.add)\n", i,
            constants[i]);
        add(&module,
            "(func (export \"s%u\") (param i64) (result i64) local.get 0 local.get 0 i64.const %" PRId64
            " i64.sub i64.sub)\n",
            i, constants[i]);
        add(&module,
            "(func (export \"b%u\") (param i64) (result i64) local.get 0 local.get 0 i64.const %" PRId64
            " i64.add i64.sub)\n",
            i, constants[i]);
    }
    for (size_t i = 0; i < sizeof locals / sizeof *locals; i++) {
        add(&module, "(func (export \"l%zu\") (param $p i64) (result i64) (local", i);
        for (unsigned k = 0; k < locals[i]; k++)
            add(&module, " i64");
        add(&module,
            ")\n local.get 0 i64.const 7 i64.mul local.set %u local.get %u local.get %u local.tee %u i64.add)\n",
            locals[i], locals[i], locals[i], locals[i]);
    }
    add(&module, ")");
    wag_instance *instance = instance_of(module.p, NULL);
    free(module.p);
    const wag_exports *exports = wag_instance_exports(instance);
    wag_val arg = WAG_VAL_I64(1000003);
    char name[16];
    for (unsigned i = 0; i < COUNT; i++) {
        uint64_t c = (uint64_t)constants[i];
        const struct {
            char letter;
            size_t args;
            uint64_t wanted;
        } rows[] = {{'c', 0, c}, {'n', 0, (uint32_t)c}, {'a', 1, 1000003 + c}, {'s', 1, c}, {'b', 1, 0 - c}};
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
            snprintf(name, sizeof name, "%c%u", rows[k].letter, i);
            outcome got = run(wag_exports_func(exports, name), &arg, rows[k].args);
            assert_int_equal(got.err, WAG_OK);
            if (got.bits != rows[k].wanted)
                fail_msg("%s: got %" PRIx64 ", wanted %" PRIx64, name, got.bits, rows[k].wanted);
        }
    }
    for (size_t i = 0; i < sizeof locals / sizeof *locals; i++) {
        snprintf(name, sizeof name, "l%zu", i);
        assert_int_equal(run(wag_exports_func(exports, name), &arg, 1).bits, 1000003 * 14);
    }
    wag_instance_unref(instance);
}

static void test_offsets_of_each_length_and_the_last_byte_of_memory(void **state)
{
    (void)state;
    static const uint64_t offsets[] = {0, 1, 127, 128, 16383, 16384, 65528, 65535, 65536, 2097152, 4294967295};
    text module = {0};
    add(&module, "(module (memory 1) (memory $two 2)\n");
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        add(&module, "(func (export \"l%zu\") (param i32) (result i64) local.get 0 i64.load offset=%" PRIu64 ")\n", i,
            offsets[i]);
        add(&module, "(func (export \"b%zu\") (param i32) (result i32) local.get 0 i32.load8_u offset=%" PRIu64 ")\n",
            i, offsets[i]);
        add(&module,
            "(func (export \"s%zu\") (param i32) (result i32) local.get 0 i64.const -1 i64.store32 $two offset=%" PRIu64
            " i32.const 1)\n",
            i, offsets[i]);
    }
    add(&module, ")");
    wag_instance *instance = instance_of(module.p, NULL);
    free(module.p);
    const wag_exports *exports = wag_instance_exports(instance);
    static const uint32_t indices[] = {0, 1, 7, 8, 65527, 65528, 65529, 65535, 65536, 131068, 131069, 0xFFFFFFFF};
    static const struct {
        char letter;
        uint64_t width, size;
    } rows[] = {{'l', 8, 65536}, {'b', 1, 65536}, {'s', 4, 131072}};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++)
            for (size_t k = 0; k < sizeof indices / sizeof *indices; k++) {
                char name[16];
                snprintf(name, sizeof name, "%c%zu", rows[r].letter, i);
                wag_val arg = WAG_VAL_I32((int32_t)indices[k]);
                wag_err err = run(wag_exports_func(exports, name), &arg, 1).err;
                bool inside = (uint64_t)indices[k] + offsets[i] + rows[r].width <= rows[r].size;
                if (err != (inside ? WAG_OK : WAG_MEMORY_BOUNDS))
                    fail_msg("%s, offset %" PRIu64 " at %" PRIu32 ": %s", name, offsets[i], indices[k],
                             wag_err_name(err));
            }
    wag_instance_unref(instance);
}

static void test_addresses_of_a_64_bit_memory_do_not_wrap(void **state)
{
    (void)state;
    wag_instance *instance =
        instance_of("(module (memory i64 1)"
                    " (func (export \"near\") (param i64) (result i64) local.get 0 i64.load offset=8)"
                    " (func (export \"far\") (param i64) (result i64) local.get 0 i64.load offset=0xffffffff))",
                    NULL);
    const wag_exports *exports = wag_instance_exports(instance);
    static const struct {
        const char *name;
        uint64_t index;
        wag_err err;
    } rows[] = {{"near", 0, WAG_OK},
                {"near", 65520, WAG_OK},
                {"near", 65521, WAG_MEMORY_BOUNDS},
                {"near", UINT64_MAX, WAG_MEMORY_BOUNDS},
                {"near", UINT64_MAX - 7, WAG_MEMORY_BOUNDS},
                {"near", UINT64_MAX - 15, WAG_MEMORY_BOUNDS},
                {"near", (uint64_t)1 << 32, WAG_MEMORY_BOUNDS},
                {"far", 0, WAG_MEMORY_BOUNDS},
                {"far", (uint64_t)0 - 0xFFFFFFFF, WAG_MEMORY_BOUNDS}, /* the sum is 2^64 */
                {"far", (uint64_t)16 - 0xFFFFFFFF, WAG_MEMORY_BOUNDS}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wag_val arg = WAG_VAL_I64((int64_t)rows[i].index);
        assert_int_equal(run(wag_exports_func(exports, rows[i].name), &arg, 1).err, rows[i].err);
    }
    wag_instance_unref(instance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_op_computes_the_same_from_registers_and_from_memory),
        cmocka_unit_test(test_constants_and_local_indices_of_each_length),
        cmocka_unit_test(test_offsets_of_each_length_and_the_last_byte_of_memory),
        cmocka_unit_test(test_addresses_of_a_64_bit_memory_do_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

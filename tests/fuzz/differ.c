/* Runs a module in each form of native code and compares what the host can see with the interpreter's. */
#include "tests/fuzz/differ.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/compile.h"
#include "runtime/agent.h"

enum { MAX_CALLS = 256, MAX_VALUES = 16, MAX_STATE = 40, MAX_FRAMES = 8, ROUNDS = 2, LIVES = 2, FUEL = 3000 };

/* Of the library's fuel: more than any call takes, and what many calls do not come to their end with. */
enum { PLENTY = INT32_MAX, LITTLE = 700 };

typedef struct outcome {
    wag_err err;
    uint64_t results[MAX_VALUES];
    uint64_t
        state[MAX_STATE]; /* one number for each export that is no function; the last one: what imports were given */
    uint64_t fuel;        /* left */
    size_t frames;
    uint32_t frame_func[MAX_FRAMES];
    size_t frame_offset[MAX_FRAMES];
} outcome;

typedef struct form {
    const char *name;
    wag_tier tier;
    wagi_compiler_switches switches;
    wag_tier library; /* WAG_TIER_DEFAULT: as the module */
    bool stress;      /* a collection at every allocation */
    uint64_t fuel;    /* for each call; 0: code charges none */
} form;

#define GUARD .tier = WAG_TIER_NATIVE_GUARD, .switches.check = true
#define CHECKED .tier = WAG_TIER_NATIVE_CHECKED, .switches.check = true
#define REGISTERS(n) .switches.few_registers = true, .switches.registers = n
#define PLAIN_SSE2 .switches.hide_features = UINT32_MAX

static const form forms[] = {
    {.name = "interp", .tier = WAG_TIER_INTERP},
    {.name = "guard", GUARD},
    {.name = "checked", CHECKED},
    {.name = "guard, 3 registers", GUARD, REGISTERS(3)},
    {.name = "checked, 1 register", CHECKED, REGISTERS(1)},
    {.name = "guard, plain SSE2", GUARD, PLAIN_SSE2},
    {.name = "checked, plain SSE2, 2 registers", CHECKED, PLAIN_SSE2, REGISTERS(2)},
    {.name = "guard, no registers", GUARD, REGISTERS(0)},
    {.name = "guard, 2 registers, collections", GUARD, REGISTERS(2), .stress = true},
    {.name = "guard, library interp", GUARD, .library = WAG_TIER_INTERP},
    {.name = "guard, library checked", GUARD, .library = WAG_TIER_NATIVE_CHECKED},
    {.name = "interp, library guard", .tier = WAG_TIER_INTERP, .library = WAG_TIER_NATIVE_GUARD},
    {.name = "interp, plenty of fuel", .tier = WAG_TIER_INTERP, .fuel = PLENTY},
    {.name = "guard, 3 registers, plenty of fuel", GUARD, REGISTERS(3), .fuel = PLENTY},
    {.name = "interp, little fuel", .tier = WAG_TIER_INTERP, .fuel = LITTLE},
    {.name = "checked, little fuel", CHECKED, .fuel = LITTLE},
};

static void mix(uint64_t *hash, uint64_t value)
{
    *hash = (*hash ^ value) * 0x9E3779B97F4A7C15u;
    *hash ^= *hash >> 29;
}

/* Any reference counts as null or not null. */
static uint64_t bits_of(const wag_val *val)
{
    uint64_t bits = 0;
    switch (val->kind) {
    case WAG_I32:
    case WAG_F32:
        memcpy(&bits, &val->of, 4);
        return bits;
    case WAG_I64:
    case WAG_F64:
        memcpy(&bits, &val->of, 8);
        return bits;
    case WAG_V128: {
        uint64_t halves[2];
        memcpy(halves, val->of.v128, 16);
        mix(&halves[0], halves[1]);
        return halves[0];
    }
    case WAG_FUNCREF:
        return val->of.func != NULL;
    case WAG_ANYREF:
        return val->of.any != NULL;
    case WAG_EXTERNREF:
        return val->of.ext ? (uint64_t)(uintptr_t)wag_extern_host(val->of.ext) : 0;
    default:
        return 0;
    }
}

static wag_val argument(wag_val_kind kind, unsigned salt)
{
    static const int64_t ints[] = {0, 1, -1, INT32_MIN, 77, INT64_MIN, 1000003, INT64_MAX, 65535};
    static const double floats[] = {0, 1.5, -2, 1e10, -0.0, 3e-5, 1e300};
    switch (kind) {
    case WAG_I32:
        return WAG_VAL_I32((int32_t)ints[salt % 9]);
    case WAG_I64:
        return WAG_VAL_I64(ints[salt % 9]);
    case WAG_F32:
        return WAG_VAL_F32((float)floats[salt % 7]);
    case WAG_F64:
        return WAG_VAL_F64(floats[salt % 7]);
    case WAG_V128: {
        wag_val val = {.kind = WAG_V128};
        double lanes[] = {floats[salt % 7], 0};
        memcpy(&lanes[1], &ints[salt % 9], sizeof lanes[1]);
        memcpy(val.of.v128, lanes, 16);
        return val;
    }
    default:
        return (wag_val){.kind = kind};
    }
}

/* ---- imports ---- */

typedef struct import_func {
    uint64_t *heard;
    unsigned index, params, results;
} import_func;

static wag_error *hear(void *context, const wag_val *args, wag_val *results)
{
    import_func *import = context;
    mix(import->heard, import->index);
    for (unsigned i = 0; i < import->params; i++)
        mix(import->heard, bits_of(&args[i]));
    for (unsigned i = 0; i < import->results; i++)
        results[i] = argument(results[i].kind, import->index + i);
    return NULL;
}

/* Words behind "(param" or "(result" in a type's text. */
static unsigned count_words(const char *text, const char *head)
{
    unsigned count = 0;
    for (const char *at = strstr(text, head); at; at = strstr(at, head)) {
        at += strlen(head);
        for (; *at && *at != ')'; at++)
            count += *at == ' ' && at[1] != ')';
    }
    return count;
}

/* NULL when the module wants something else than functions. */
static wag_imports *make_imports(const wag_module *module, uint64_t *heard)
{
    wag_imports *imports = wag_imports_new();
    for (size_t i = 0; i < wag_module_import_count(module); i++) {
        wag_import_desc desc;
        import_func *import = calloc(1, sizeof *import);
        if (!imports || !import || !wag_module_import_at(module, i, &desc))
            abort();
        char *type = wag_module_import_type(module, i);
        *import = (import_func){heard, (unsigned)i, count_words(type, "(param"), count_words(type, "(result")};
        wag_text_free(type);
        char module_name[64], field[64];
        snprintf(module_name, sizeof module_name, "%.*s", (int)desc.module.size, desc.module.data);
        snprintf(field, sizeof field, "%.*s", (int)desc.name.size, desc.name.data);
        if (desc.kind != WAG_EXTERN_FUNC) {
            free(import);
            wag_imports_unref(imports);
            return NULL;
        }
        if (wag_imports_set_func(imports, module_name, field, NULL, hear, import, free) != WAG_OK)
            abort();
    }
    return imports;
}

/* ---- one form ---- */

static uint64_t memory_state(const wag_memory *memory)
{
    uint64_t hash = wag_memory_size(memory);
    const uint8_t *at = wag_memory_data(memory);
    for (size_t i = 0; i + 8 <= wag_memory_size(memory); i += 8) {
        uint64_t word;
        memcpy(&word, at + i, 8);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    }
    return hash;
}

static uint64_t table_state(const wag_table *table)
{
    uint64_t hash = wag_table_size(table);
    for (uint64_t i = 0; i < wag_table_size(table); i++) {
        wag_val val;
        if (wag_table_get(table, i, &val) != WAG_OK)
            break;
        mix(&hash, bits_of(&val));
        wag_val_unref(val);
    }
    return hash;
}

static uint64_t global_state(const wag_global *global)
{
    wag_val val;
    uint64_t hash = 0;
    if (global->type.content == WAGI_V128) { /* hidden from the host */
        mix(&hash, global->value[0]);
        mix(&hash, global->value[1]);
        return hash;
    }
    if (wag_global_get(global, &val) != WAG_OK)
        return 0;
    uint64_t bits = bits_of(&val);
    wag_val_unref(val);
    return bits;
}

static unsigned look(const wag_exports *exports, outcome *o, unsigned n)
{
    wag_name name;
    wag_value value;
    for (size_t i = 0; n < MAX_STATE - 1 && wag_exports_at(exports, i, &name, &value); i++)
        switch (value.kind) {
        case WAG_VALUE_MEMORY:
            o->state[n++] = memory_state(value.of.memory);
            break;
        case WAG_VALUE_TABLE:
            o->state[n++] = table_state(value.of.table);
            break;
        case WAG_VALUE_GLOBAL:
            o->state[n++] = global_state(value.of.global);
            break;
        default:
            break;
        }
    return n;
}

static void fill_up(const wag_exports *exports)
{
    wag_func *init = wag_exports_func(exports, "hangLimitInitializer");
    wag_global *fuel = wag_exports_global(exports, "fuel");
    if (init)
        (void)wag_call(init, NULL, 0, NULL, 0, NULL);
    if (fuel)
        (void)wag_global_set(fuel, WAG_VAL_I32(FUEL));
}

/* The arguments of an uncaught exception. */
static void exception_state(const wag_error *error, outcome *o)
{
    const wag_exception *exception = wag_error_exception(error);
    wag_val val;
    for (size_t i = 0; exception && wag_exception_arg(exception, wag_exception_tag(exception), i, &val) == WAG_OK;
         i++) {
        mix(&o->results[0], bits_of(&val) + 1);
        wag_val_unref(val);
    }
}

static void call(wag_func *func, unsigned salt, uint64_t fuel, outcome *o)
{
    enum { ROOM = 1000 };
    static wag_val args[ROOM], results[ROOM];
    wag_error *error = NULL;
    size_t params = wag_func_param_count(func), count = wag_func_result_count(func);
    for (size_t i = 0; i < params; i++)
        args[i] = argument(wag_func_param_kind(func, i), salt + (unsigned)i);
    memset(results, 0, sizeof *results * count);
    (void)wag_fuel_set(fuel); /* where code charges it */
    o->err = wag_call(func, args, params, results, count, &error);
    o->fuel = wag_fuel_left();
    (void)wag_fuel_set(PLENTY);
    if (o->err == WAG_OK) {
        for (size_t i = 0; i < count; i++) {
            if (i < MAX_VALUES - 1)
                o->results[i] = bits_of(&results[i]);
            else
                mix(&o->results[MAX_VALUES - 1], bits_of(&results[i]));
            wag_val_unref(results[i]);
        }
        return;
    }
    exception_state(error, o);
    o->frames = wag_error_frame_count(error);
    for (size_t i = 0; i < o->frames && i < MAX_FRAMES; i++) {
        wag_frame frame;
        if (!wag_error_frame(error, i, &frame))
            abort();
        o->frame_func[i] = frame.func_index;
        o->frame_offset[i] = frame.module_offset;
    }
    wag_error_unref(error);
}

typedef struct subject {
    wag_bytes library; /* no data: there is none */
    wag_bytes module;
} subject;

typedef struct loaded {
    wag_module *library_module, *module;
    wag_instance *library, *instance;
    uint64_t heard;
    wag_err err; /* of instantiation */
} loaded;

/* Calls made until the end or a stack overflow: how deep a stack is depends on the tier. */
static unsigned run_calls(const loaded *l, uint64_t fuel, outcome *outcomes)
{
    const wag_exports *exports = wag_instance_exports(l->instance);
    unsigned calls = 0;
    wag_name name;
    wag_value value;
    for (unsigned round = 0; round < ROUNDS; round++)
        for (size_t i = 0; wag_exports_at(exports, i, &name, &value); i++) {
            if (value.kind != WAG_VALUE_FUNC || calls == MAX_CALLS)
                continue;
            outcome *o = &outcomes[calls];
            memset(o, 0, sizeof *o);
            fill_up(exports);
            call(value.of.func, round + (unsigned)i, fuel, o);
            if (o->err == WAG_STACK_OVERFLOW)
                return calls;
            unsigned n = look(exports, o, 0);
            if (l->library)
                look(wag_instance_exports(l->library), o, n);
            o->state[MAX_STATE - 1] = l->heard;
            calls++;
        }
    return calls;
}

static wag_module *compile(wag_bytes bytes, wag_tier tier, const form *how)
{
    wag_module *module = NULL;
    wag_error *error = NULL;
    wag_compile_options options = {.tier = tier};
    wagi_compiler_test = how->switches;
    if (wag_module_new(bytes, &options, &module, &error) != WAG_OK) {
        fprintf(stderr, "%s: %s\n", tier == WAG_TIER_INTERP ? "interp" : how->name, wag_error_message(error));
        wag_error_unref(error);
    }
    wagi_compiler_test = (wagi_compiler_switches){0};
    return module;
}

static bool add_library(wag_imports *imports, const wag_instance *library)
{
    wag_value value = {.kind = WAG_VALUE_INSTANCE};
    value.of.instance = (wag_instance *)library;
    return wag_imports_set_namespace(imports, "lib", value) == WAG_OK;
}

/* Instances of the modules, perhaps made from what earlier ones left. */
static void begin_life(loaded *l)
{
    l->heard = 0;
    if (l->library_module && wag_instance_new(l->library_module, NULL, &l->library, NULL) != WAG_OK)
        abort();
    wag_imports *imports = l->library ? wag_imports_new() : make_imports(l->module, &l->heard);
    if (l->library && !add_library(imports, l->library))
        abort();
    l->err = imports ? wag_instance_new(l->module, imports, &l->instance, NULL) : WAG_LINK;
    wag_imports_unref(imports);
}

static void end_life(loaded *l)
{
    wag_instance_unref(l->instance);
    wag_instance_unref(l->library);
    l->instance = l->library = NULL;
    wag_agent_collect(); /* what refers to each other */
}

/* False when a module is refused. */
static bool load(const subject *what, const form *how, loaded *l)
{
    wag_tier tier = how->library == WAG_TIER_DEFAULT ? how->tier : how->library;
    memset(l, 0, sizeof *l);
    if (what->library.data && !(l->library_module = compile(what->library, tier, how)))
        return false;
    l->module = compile(what->module, how->tier, how);
    if (!l->module)
        wag_module_unref(l->library_module);
    return l->module != NULL;
}

static bool run(const subject *what, const form *how, outcome *outcomes, unsigned *ret_calls)
{
    loaded l;
    wag_cluster_default()->fuel = how->fuel != 0;
    (void)wag_fuel_set(PLENTY);
    if (!load(what, how, &l))
        return false;
    for (int life = 0; life < LIVES; life++) { /* the last one counts */
        begin_life(&l);
        wagi_gc_stress(wag_agent_current(), how->stress);
        if (l.err == WAG_OK) {
            *ret_calls = run_calls(&l, how->fuel, outcomes);
        } else {
            memset(outcomes, 0, sizeof *outcomes);
            outcomes[0].err = l.err;
            *ret_calls = 1;
        }
        wagi_gc_stress(wag_agent_current(), false);
        end_life(&l);
    }
    wag_module_unref(l.module);
    wag_module_unref(l.library_module);
    return true;
}

static void write_file(const char *name, wag_bytes bytes)
{
    FILE *file = bytes.data ? fopen(name, "wb") : NULL;
    if (!file)
        return;
    fwrite(bytes.data, 1, bytes.size, file);
    fclose(file);
}

static void complain(const subject *what, const form *how, unsigned call, const outcome *want, const outcome *got)
{
    fprintf(stderr, "%s: call %u: want %s, got %s\n", how->name, call, wag_err_name(want->err), wag_err_name(got->err));
    for (int i = 0; i < MAX_VALUES; i++)
        if (want->results[i] != got->results[i])
            fprintf(stderr, "  result %d: want 0x%llx got 0x%llx\n", i, (unsigned long long)want->results[i],
                    (unsigned long long)got->results[i]);
    for (int i = 0; i < MAX_STATE; i++)
        if (want->state[i] != got->state[i])
            fprintf(stderr, "  state %d: want 0x%llx got 0x%llx\n", i, (unsigned long long)want->state[i],
                    (unsigned long long)got->state[i]);
    if (want->fuel != got->fuel)
        fprintf(stderr, "  fuel: want %llu got %llu\n", (unsigned long long)want->fuel, (unsigned long long)got->fuel);
    fprintf(stderr, "  frames: want %zu got %zu\n", want->frames, got->frames);
    for (size_t i = 0; i < MAX_FRAMES && (i < want->frames || i < got->frames); i++)
        fprintf(stderr, "  frame: want %u@0x%zx got %u@0x%zx\n", want->frame_func[i], want->frame_offset[i],
                got->frame_func[i], got->frame_offset[i]);
    write_file("differ.wasm", what->module);
    write_file("differ-library.wasm", what->library);
    abort();
}

/* A tail call into another tier keeps its caller's frame: there, backtraces differ. */
static bool same(const outcome *want, const outcome *got, bool with_frames)
{
    return want->err == got->err && want->fuel == got->fuel &&
           memcmp(want->results, got->results, sizeof want->results) == 0 &&
           memcmp(want->state, got->state, sizeof want->state) == 0 &&
           (!with_frames ||
            (want->frames == got->frames && memcmp(want->frame_func, got->frame_func, sizeof want->frame_func) == 0 &&
             memcmp(want->frame_offset, got->frame_offset, sizeof want->frame_offset) == 0));
}

static bool compare(const subject *what)
{
    static outcome want[MAX_CALLS], got[MAX_CALLS];
    unsigned wanted = 0, calls = 0;
    wag_cluster_default()->reset = WAG_RESET_SEALED;
    wag_cluster_default()->check_resets = true;
    wag_cluster_default()->features = ((uint64_t)1 << WAGI_FEATURE_COUNT) - 1;
    if (!run(what, &forms[0], want, &wanted))
        return false;
    for (size_t i = 1; i < sizeof forms / sizeof *forms; i++) {
        if (forms[i].library != WAG_TIER_DEFAULT && !what->library.data)
            continue;
        if (!run(what, &forms[i], got, &calls))
            complain(what, &forms[i], 0, &(outcome){0}, &(outcome){.err = WAG_UNSUPPORTED});
        if (forms[i].fuel != forms[i - 1].fuel) { /* from here on the fuel that is left is as here, */
            bool is_little = forms[i].fuel == LITTLE;
            wanted = is_little || calls < wanted ? calls : wanted;
            for (unsigned k = 0; k < wanted; k++)
                if (is_little) /* and so is all else */
                    want[k] = got[k];
                else
                    want[k].fuel = got[k].fuel;
        }
        for (unsigned k = 0; k < wanted && k < calls; k++)
            if (!same(&want[k], &got[k], forms[i].library == WAG_TIER_DEFAULT))
                complain(what, &forms[i], k, &want[k], &got[k]);
    }
    if (wag_cluster_reset_mismatches(wag_cluster_default()) != 0) {
        fprintf(stderr, "a memory was not as new after its reset\n");
        write_file("differ.wasm", what->module);
        write_file("differ-library.wasm", what->library);
        abort();
    }
    return wanted > 0;
}

bool differ_compare(wag_bytes module)
{
    return compare(&(subject){.module = module});
}

bool differ_compare_pair(wag_bytes library, wag_bytes module)
{
    return compare(&(subject){library, module});
}

/* Validator: variables, memory, tables, references, structs and arrays: what no signature in op.def can say. */
#include "binary/validate_internal.h"

/* --- variables and parametric instructions --- */

static bool validate_local(wagi_validator *v)
{
    uint32_t index = v->imm.a;
    if (index >= v->local_count)
        return wagi_v_unknown(v, "local", index);
    wagi_valtype type = wagi_v_local_type(v, index);
    bool tracked = v->initialised.n != 0;
    if (v->op == WAGI_OP_local_get) {
        if (tracked && !v->initialised.p[index])
            return wagi_v_fail(v, WAG_INVALID, "uninitialized local %u", (unsigned)index);
        return wagi_v_push(v, type);
    }
    if (!wagi_v_pop(v, type))
        return false;
    if (tracked && !v->initialised.p[index]) {
        v->initialised.p[index] = 1;
        if (!WAGI_VEC_PUSH(&v->init_log, index))
            return wagi_v_fail_nomem(v);
    }
    return v->op == WAGI_OP_local_set || wagi_v_push(v, type);
}

static bool validate_global(wagi_validator *v)
{
    const wagi_module_data *data = v->context.data;
    uint32_t index = v->imm.a;
    if (index >= (v->is_const ? v->global_limit : data->global_count))
        return wagi_v_unknown(v, "global", index);
    const wagi_global_type *type = &data->globals[index].type;
    if (v->op == WAGI_OP_global_set) {
        if (!type->is_mutable)
            return wagi_v_fail(v, WAG_INVALID, "immutable global %u", (unsigned)index);
        return wagi_v_pop(v, type->content);
    }
    if (v->is_const && type->is_mutable)
        return wagi_v_fail(v, WAG_INVALID, "constant expression required: global %u is mutable", (unsigned)index);
    return wagi_v_push(v, type->content);
}

static bool validate_select(wagi_validator *v)
{
    if (v->op == WAGI_OP_select_t) {
        if (v->imm.a != 1)
            return wagi_v_fail(v, WAG_INVALID, "invalid result arity: select has %u types", (unsigned)v->imm.a);
        wagi_valtype type = v->imm.type;
        wagi_v_note_type(v, type);
        return wagi_v_pop(v, WAGI_I32) && wagi_v_pop(v, type) && wagi_v_pop(v, type) && wagi_v_push(v, type);
    }
    wagi_valtype second, first;
    if (!wagi_v_pop(v, WAGI_I32) || !wagi_v_pop_any(v, &second) || !wagi_v_pop_any(v, &first))
        return false;
    if (wagi_is_ref(first) || wagi_is_ref(second))
        return wagi_v_fail_wish(v, "numbers or vectors without a type of its own", wagi_is_ref(first) ? first : second);
    if (first != second && first != WAGI_BOT && second != WAGI_BOT)
        return wagi_v_fail_type(v, first, second);
    return wagi_v_push(v, first == WAGI_BOT ? second : first);
}

/* --- wide arithmetic: more operands or results than a signature may have --- */

static bool pop_i64s(wagi_validator *v, unsigned count)
{
    while (count-- > 0)
        if (!wagi_v_pop(v, WAGI_I64))
            return false;
    return true;
}

static bool push_i64_pair(wagi_validator *v)
{
    return wagi_v_push(v, WAGI_I64) && wagi_v_push(v, WAGI_I64);
}

/* --- memory and segments --- */

static bool validate_memory_copy(wagi_validator *v)
{
    wagi_valtype to, from;
    v->imm.memory = v->imm.a;
    if (!wagi_v_memory_immediate(v, &to))
        return false;
    v->imm.memory = v->imm.b;
    if (!wagi_v_memory_immediate(v, &from))
        return false;
    wagi_valtype count = to == WAGI_I64 && from == WAGI_I64 ? WAGI_I64 : WAGI_I32;
    return wagi_v_pop(v, count) && wagi_v_pop(v, from) && wagi_v_pop(v, to);
}

static bool check_data(wagi_validator *v, uint32_t index)
{
    if (!v->context.has_data_count)
        return wagi_v_fail(v, WAG_MALFORMED, "data count section required by %s", wagi_ops[v->op].text);
    return index < v->context.data_count || wagi_v_unknown(v, "data segment", index);
}

static bool check_elem(wagi_validator *v, uint32_t index, wagi_valtype wanted)
{
    const wagi_module_data *data = v->context.data;
    if (index >= data->elem_count)
        return wagi_v_unknown(v, "elem segment", index);
    wagi_valtype found = data->elems[index].type;
    return wanted == WAGI_NONE || wagi_v_matches(v, found, wanted) || wagi_v_fail_type(v, wanted, found);
}

/* --- tables --- */

static const wagi_table_type *table_at(wagi_validator *v, uint32_t index)
{
    const wagi_module_data *data = v->context.data;
    if (index < data->table_count)
        return &data->tables[index].type;
    wagi_v_unknown(v, "table", index);
    return NULL;
}

static wagi_valtype table_address(const wagi_table_type *table)
{
    return table->limits.is_64 ? WAGI_I64 : WAGI_I32;
}

static bool validate_table_pair(wagi_validator *v)
{
    if (v->op == WAGI_OP_table_init) {
        const wagi_table_type *table = table_at(v, v->imm.b);
        return table && check_elem(v, v->imm.a, table->element) && wagi_v_pop(v, WAGI_I32) && wagi_v_pop(v, WAGI_I32) &&
               wagi_v_pop(v, table_address(table));
    }
    const wagi_table_type *to = table_at(v, v->imm.a);
    const wagi_table_type *from = to ? table_at(v, v->imm.b) : NULL;
    if (!from)
        return false;
    if (!wagi_v_matches(v, from->element, to->element))
        return wagi_v_fail_type(v, to->element, from->element);
    wagi_valtype count = to->limits.is_64 && from->limits.is_64 ? WAGI_I64 : WAGI_I32;
    return wagi_v_pop(v, count) && wagi_v_pop(v, table_address(from)) && wagi_v_pop(v, table_address(to));
}

static bool validate_table(wagi_validator *v)
{
    const wagi_table_type *table = table_at(v, v->imm.a);
    if (!table)
        return false;
    wagi_valtype address = table_address(table), element = table->element;
    switch (v->op) {
    case WAGI_OP_table_get:
        return wagi_v_pop(v, address) && wagi_v_push(v, element);
    case WAGI_OP_table_set:
        return wagi_v_pop(v, element) && wagi_v_pop(v, address);
    case WAGI_OP_table_size:
        return wagi_v_push(v, address);
    case WAGI_OP_table_grow:
        return wagi_v_pop(v, address) && wagi_v_pop(v, element) && wagi_v_push(v, address);
    default: /* table.fill */
        return wagi_v_pop(v, address) && wagi_v_pop(v, element) && wagi_v_pop(v, address);
    }
}

/* --- references --- */

static bool validate_ref_func(wagi_validator *v)
{
    const wagi_module_data *data = v->context.data;
    uint32_t index = v->imm.a;
    if (index >= data->func_count)
        return wagi_v_unknown(v, "function", index);
    if (v->is_const)
        v->context.declared_funcs[index] = 1;
    else if (!v->context.declared_funcs[index])
        return wagi_v_fail(v, WAG_INVALID, "undeclared function reference %u", (unsigned)index);
    return wagi_v_push(v, WAGI_REF_CONCRETE(false, data->func_types[index]->id));
}

/* ref.test and ref.cast: the operand may be anything of the target's hierarchy. */
static bool validate_cast(wagi_validator *v)
{
    wagi_valtype target = v->imm.type;
    if (v->op == WAGI_OP_ref_test_null || v->op == WAGI_OP_ref_cast_null)
        target |= WAGI_NULLABLE;
    wagi_valtype top = WAGI_REF_ABSTRACT(true, wagi_heap_top(v->context.registry, target));
    bool is_test = v->op == WAGI_OP_ref_test || v->op == WAGI_OP_ref_test_null;
    return wagi_v_pop(v, top) && wagi_v_push(v, is_test ? WAGI_I32 : target);
}

/* any.convert_extern and extern.convert_any: null stays null. */
static bool validate_convert(wagi_validator *v, wagi_heap from, wagi_heap to)
{
    wagi_valtype found = v->height > v->frame->height ? v->stack[v->height - 1] : WAGI_BOT;
    if (!wagi_v_pop(v, WAGI_REF_ABSTRACT(true, from)))
        return false;
    return wagi_v_push(v, WAGI_REF_ABSTRACT(found != WAGI_BOT && wagi_is_nullable(found), to));
}

static bool validate_ref(wagi_validator *v)
{
    wagi_valtype found;
    switch (v->op) {
    case WAGI_OP_ref_null:
        wagi_v_note_type(v, v->imm.type | WAGI_NULLABLE);
        return wagi_v_push(v, v->imm.type | WAGI_NULLABLE);
    case WAGI_OP_ref_is_null:
        return wagi_v_pop_ref(v, &found) && wagi_v_push(v, WAGI_I32);
    case WAGI_OP_ref_as_non_null:
        if (!wagi_v_pop_ref(v, &found))
            return false;
        return wagi_v_push(v, found == WAGI_BOT ? WAGI_REF_ABSTRACT(false, WAGI_HEAP_BOT) : found & ~WAGI_NULLABLE);
    case WAGI_OP_ref_eq:
        return wagi_v_pop(v, WAGI_REF_ABSTRACT(true, WAGI_HEAP_EQ)) &&
               wagi_v_pop(v, WAGI_REF_ABSTRACT(true, WAGI_HEAP_EQ)) && wagi_v_push(v, WAGI_I32);
    case WAGI_OP_ref_i31:
        return wagi_v_pop(v, WAGI_I32) && wagi_v_push(v, WAGI_REF_ABSTRACT(false, WAGI_HEAP_I31));
    case WAGI_OP_any_convert_extern:
        return validate_convert(v, WAGI_HEAP_EXTERN, WAGI_HEAP_ANY);
    case WAGI_OP_extern_convert_any:
        return validate_convert(v, WAGI_HEAP_ANY, WAGI_HEAP_EXTERN);
    default: /* i31.get_s, i31.get_u */
        return wagi_v_pop(v, WAGI_REF_ABSTRACT(true, WAGI_HEAP_I31)) && wagi_v_push(v, WAGI_I32);
    }
}

/* --- structs and arrays --- */

static bool is_packed(wagi_valtype storage)
{
    return storage == WAGI_KIND_I8 || storage == WAGI_KIND_I16;
}

static wagi_valtype unpacked(wagi_valtype storage)
{
    return is_packed(storage) ? WAGI_I32 : storage;
}

static const wagi_type *type_at(wagi_validator *v, uint32_t index, wagi_comp_kind comp)
{
    const wagi_module_data *data = v->context.data;
    if (index >= data->type_count)
        return (void)wagi_v_unknown(v, "type", index), NULL;
    if (data->types[index]->comp == comp)
        return data->types[index];
    wagi_v_fail(v, WAG_INVALID, "type mismatch: %s wants %s type, type %u is none", wagi_ops[v->op].text,
                comp == WAGI_COMP_STRUCT ? "a struct" : "an array", (unsigned)index);
    return NULL;
}

static bool push_ref(wagi_validator *v, const wagi_type *type)
{
    return wagi_v_push(v, WAGI_REF_CONCRETE(false, type->id));
}

static bool pop_ref_to(wagi_validator *v, const wagi_type *type)
{
    return wagi_v_pop(v, WAGI_REF_CONCRETE(true, type->id));
}

/* get without sign for whole values, get_s and get_u for packed ones. */
static bool check_get(wagi_validator *v, wagi_valtype storage, bool with_sign)
{
    if (is_packed(storage) == with_sign)
        return true;
    return wagi_v_fail(v, WAG_INVALID, "type mismatch: %s wants %s", wagi_ops[v->op].text,
                       with_sign ? "a packed field" : "a field that is not packed");
}

static bool check_mutable(wagi_validator *v, const wagi_field *field)
{
    if (field->is_mutable)
        return true;
    return wagi_v_fail(v, WAG_INVALID, "immutable %s: %s writes it", v->op == WAGI_OP_struct_set ? "field" : "array",
                       wagi_ops[v->op].text);
}

static bool check_defaultable(wagi_validator *v, const wagi_field *field)
{
    return wagi_is_defaultable(field->storage) || wagi_v_fail_wish(v, "types that have a default", field->storage);
}

static bool validate_struct(wagi_validator *v)
{
    const wagi_type *type = type_at(v, v->imm.a, WAGI_COMP_STRUCT);
    if (!type)
        return false;
    if (v->op == WAGI_OP_struct_new) {
        for (uint32_t i = type->field_count; i--;)
            if (!wagi_v_pop(v, unpacked(type->fields[i].storage)))
                return false;
        return push_ref(v, type);
    }
    if (v->op == WAGI_OP_struct_new_default) {
        for (uint32_t i = 0; i < type->field_count; i++)
            if (!check_defaultable(v, &type->fields[i]))
                return false;
        return push_ref(v, type);
    }
    if (v->imm.b >= type->field_count)
        return wagi_v_unknown(v, "field", v->imm.b);
    const wagi_field *field = &type->fields[v->imm.b];
    if (v->op == WAGI_OP_struct_set)
        return check_mutable(v, field) && wagi_v_pop(v, unpacked(field->storage)) && pop_ref_to(v, type);
    return check_get(v, field->storage, v->op != WAGI_OP_struct_get) && pop_ref_to(v, type) &&
           wagi_v_push(v, unpacked(field->storage));
}

static bool validate_array_new(wagi_validator *v, const wagi_type *type)
{
    const wagi_field *element = &type->fields[0];
    wagi_valtype value = unpacked(element->storage);
    switch (v->op) {
    case WAGI_OP_array_new:
        return wagi_v_pop(v, WAGI_I32) && wagi_v_pop(v, value) && push_ref(v, type);
    case WAGI_OP_array_new_default:
        return check_defaultable(v, element) && wagi_v_pop(v, WAGI_I32) && push_ref(v, type);
    case WAGI_OP_array_new_fixed:
        if (v->imm.b > v->context.limits->array_new_fixed)
            return wagi_v_fail_limit(v, WAG_LIMIT_array_new_fixed, v->context.limits->array_new_fixed, v->imm.b);
        for (uint32_t i = 0; i < v->imm.b; i++)
            if (!wagi_v_pop(v, value))
                return false;
        return push_ref(v, type);
    case WAGI_OP_array_new_data:
        if (!check_data(v, v->imm.b))
            return false;
        if (wagi_is_ref(value))
            return wagi_v_fail_wish(v, "an array of numbers or vectors", value);
        return wagi_v_pop(v, WAGI_I32) && wagi_v_pop(v, WAGI_I32) && push_ref(v, type);
    default: /* array.new_elem */
        return check_elem(v, v->imm.b, element->storage) && wagi_v_pop(v, WAGI_I32) && wagi_v_pop(v, WAGI_I32) &&
               push_ref(v, type);
    }
}

static bool validate_array_copy(wagi_validator *v, const wagi_type *to)
{
    const wagi_type *from = type_at(v, v->imm.b, WAGI_COMP_ARRAY);
    if (!from || !check_mutable(v, &to->fields[0]))
        return false;
    wagi_valtype source = from->fields[0].storage, target = to->fields[0].storage;
    bool matches = source == target || (!is_packed(source) && !is_packed(target) && wagi_v_matches(v, source, target));
    if (!matches)
        return wagi_v_fail(v, WAG_INVALID, "array types do not match: array.copy from type %u to type %u",
                           (unsigned)v->imm.b, (unsigned)v->imm.a);
    return wagi_v_pop(v, WAGI_I32) && wagi_v_pop(v, WAGI_I32) && pop_ref_to(v, from) && wagi_v_pop(v, WAGI_I32) &&
           pop_ref_to(v, to);
}

static bool validate_array_init(wagi_validator *v, const wagi_type *type)
{
    const wagi_field *element = &type->fields[0];
    if (!check_mutable(v, element))
        return false;
    if (v->op == WAGI_OP_array_init_data) {
        if (!check_data(v, v->imm.b))
            return false;
        if (wagi_is_ref(element->storage))
            return wagi_v_fail_wish(v, "an array of numbers or vectors", element->storage);
    } else if (!check_elem(v, v->imm.b, element->storage)) {
        return false;
    }
    return wagi_v_pop(v, WAGI_I32) && wagi_v_pop(v, WAGI_I32) && wagi_v_pop(v, WAGI_I32) && pop_ref_to(v, type);
}

static bool validate_array(wagi_validator *v)
{
    const wagi_type *type = type_at(v, v->imm.a, WAGI_COMP_ARRAY);
    if (!type)
        return false;
    const wagi_field *element = &type->fields[0];
    wagi_valtype value = unpacked(element->storage);
    switch (v->op) {
    case WAGI_OP_array_get:
    case WAGI_OP_array_get_s:
    case WAGI_OP_array_get_u:
        return check_get(v, element->storage, v->op != WAGI_OP_array_get) && wagi_v_pop(v, WAGI_I32) &&
               pop_ref_to(v, type) && wagi_v_push(v, value);
    case WAGI_OP_array_set:
        return check_mutable(v, element) && wagi_v_pop(v, value) && wagi_v_pop(v, WAGI_I32) && pop_ref_to(v, type);
    case WAGI_OP_array_fill:
        return check_mutable(v, element) && wagi_v_pop(v, WAGI_I32) && wagi_v_pop(v, value) &&
               wagi_v_pop(v, WAGI_I32) && pop_ref_to(v, type);
    case WAGI_OP_array_copy:
        return validate_array_copy(v, type);
    case WAGI_OP_array_init_data:
    case WAGI_OP_array_init_elem:
        return validate_array_init(v, type);
    default:
        return validate_array_new(v, type);
    }
}

bool wagi_v_operation(wagi_validator *v)
{
    wagi_valtype any;
    switch (v->op) {
    case WAGI_OP_drop:
        return wagi_v_pop_any(v, &any);
    case WAGI_OP_select:
    case WAGI_OP_select_t:
        return validate_select(v);
    case WAGI_OP_local_get:
    case WAGI_OP_local_set:
    case WAGI_OP_local_tee:
        return validate_local(v);
    case WAGI_OP_global_get:
    case WAGI_OP_global_set:
        return validate_global(v);
    case WAGI_OP_memory_copy:
        return validate_memory_copy(v);
    case WAGI_OP_i64_add128:
    case WAGI_OP_i64_sub128:
        return pop_i64s(v, 4) && push_i64_pair(v);
    case WAGI_OP_i64_mul_wide_s:
    case WAGI_OP_i64_mul_wide_u:
        return pop_i64s(v, 2) && push_i64_pair(v);
    case WAGI_OP_data_drop:
        return check_data(v, v->imm.a);
    case WAGI_OP_elem_drop:
        return check_elem(v, v->imm.a, WAGI_NONE);
    case WAGI_OP_table_init:
    case WAGI_OP_table_copy:
        return validate_table_pair(v);
    case WAGI_OP_table_get:
    case WAGI_OP_table_set:
    case WAGI_OP_table_size:
    case WAGI_OP_table_grow:
    case WAGI_OP_table_fill:
        return validate_table(v);
    case WAGI_OP_ref_func:
        return validate_ref_func(v);
    case WAGI_OP_ref_test:
    case WAGI_OP_ref_test_null:
    case WAGI_OP_ref_cast:
    case WAGI_OP_ref_cast_null:
        return validate_cast(v);
    case WAGI_OP_ref_null:
    case WAGI_OP_ref_is_null:
    case WAGI_OP_ref_eq:
    case WAGI_OP_ref_as_non_null:
    case WAGI_OP_ref_i31:
    case WAGI_OP_i31_get_s:
    case WAGI_OP_i31_get_u:
    case WAGI_OP_any_convert_extern:
    case WAGI_OP_extern_convert_any:
        return validate_ref(v);
    case WAGI_OP_struct_new:
    case WAGI_OP_struct_new_default:
    case WAGI_OP_struct_get:
    case WAGI_OP_struct_get_s:
    case WAGI_OP_struct_get_u:
    case WAGI_OP_struct_set:
        return validate_struct(v);
    case WAGI_OP_array_len:
        return wagi_v_pop(v, WAGI_REF_ABSTRACT(true, WAGI_HEAP_ARRAY)) && wagi_v_push(v, WAGI_I32);
    default: /* the rest of the array family */
        return validate_array(v);
    }
}

/* Host function and tag objects, and the signatures they are written with.
 *
 *   signature = list [ "->" list ]      list = "(" { type } ")"
 *   type      = i32 | i64 | f32 | f64 | v128 | funcref | externref | anyref | eqref | i31ref | structref | arrayref |
 * exnref Blanks may stand between any two words.
 */
#include <string.h>

#include "base/alloc.h"
#include "runtime/coerce.h"

bool wagi_carries_functions(const wagi_registry *registry, wagi_valtype type)
{
    return wagi_is_ref(type) && wagi_heap_top(registry, type) != WAGI_HEAP_EXTERN;
}

bool wagi_type_carries_functions(const wagi_registry *registry, const wagi_type *type)
{
    for (uint32_t i = 0; i < type->param_count; i++)
        if (wagi_carries_functions(registry, type->params[i]))
            return true;
    for (uint32_t i = 0; i < type->result_count; i++)
        if (wagi_carries_functions(registry, type->results[i]))
            return true;
    return false;
}

wag_func *wagi_func_new(wag_agent *agent, const wagi_type *type, wag_host_func host, void *context,
                        void (*finalize)(void *context))
{
    wag_func *func = wagi_object_new(agent, WAGI_OBJECT_FUNC, sizeof *func);
    if (!func) {
        wagi_type_group_unref(agent->cluster->registry, type);
        return NULL;
    }
    func->type = type;
    func->host = host;
    func->context = context;
    func->finalize = finalize;
    return func;
}

wag_func *wagi_func_specialise(wag_func *origin, const wagi_type *type)
{
    wagi_type_group_ref(type);
    wag_func *func = wagi_func_new(origin->object.unit->agent, type, origin->host, origin->context, NULL);
    if (func) {
        func->origin = origin;
        wagi_unit_ref(origin->object.unit);
        if (wagi_is_value_host(origin) && !wagi_value_host_specialise(func)) {
            wagi_unit_drop(func->object.unit);
            return NULL;
        }
    }
    return func;
}

wag_tag *wagi_tag_new(wag_agent *agent, const wagi_type *type)
{
    wag_tag *tag = wagi_object_new(agent, WAGI_OBJECT_TAG, sizeof *tag);
    if (tag)
        tag->type = type;
    else
        wagi_type_group_unref(agent->cluster->registry, type);
    return tag;
}

/* ---- signatures ---- */

typedef struct parser {
    const char *text, *at;
    WAGI_VEC(wagi_valtype) types; /* parameters, then results */
    bool no_memory;
    const char *wanted; /* what was missing at `at` */
} parser;

static void skip_blanks(parser *p)
{
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n')
        p->at++;
}

static bool eat(parser *p, const char *word)
{
    size_t size = strlen(word);
    skip_blanks(p);
    if (strncmp(p->at, word, size) != 0)
        return false;
    p->at += size;
    return true;
}

bool wagi_type_word(wag_name word, wagi_valtype *ret_type)
{
    static const struct {
        const char *word;
        wagi_valtype type;
    } words[] = {{"i32", WAGI_I32},
                 {"i64", WAGI_I64},
                 {"f32", WAGI_F32},
                 {"f64", WAGI_F64},
                 {"v128", WAGI_V128},
                 {"funcref", WAGI_FUNCREF},
                 {"externref", WAGI_EXTERNREF},
                 {"anyref", WAGI_REF_ABSTRACT(true, WAGI_HEAP_ANY)},
                 {"eqref", WAGI_REF_ABSTRACT(true, WAGI_HEAP_EQ)},
                 {"i31ref", WAGI_REF_ABSTRACT(true, WAGI_HEAP_I31)},
                 {"structref", WAGI_REF_ABSTRACT(true, WAGI_HEAP_STRUCT)},
                 {"arrayref", WAGI_REF_ABSTRACT(true, WAGI_HEAP_ARRAY)},
                 {"exnref", WAGI_EXNREF}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (word.size == strlen(words[i].word) && memcmp(word.data, words[i].word, word.size) == 0) {
            *ret_type = words[i].type;
            return true;
        }
    return false;
}

static bool parse_type(parser *p)
{
    wagi_valtype type;
    skip_blanks(p);
    size_t size = strspn(p->at, "abcdefghijklmnopqrstuvwxyz0123456789_");
    if (!wagi_type_word((wag_name){p->at, size}, &type)) {
        p->wanted = "a type or \")\"";
        return false;
    }
    p->at += size;
    p->no_memory = !WAGI_VEC_PUSH(&p->types, type);
    return !p->no_memory;
}

static bool parse_list(parser *p)
{
    if (!eat(p, "(")) {
        p->wanted = "\"(\"";
        return false;
    }
    while (!eat(p, ")"))
        if (!parse_type(p))
            return false;
    return true;
}

static bool parse_signature(parser *p, size_t *ret_params)
{
    if (!parse_list(p))
        return false;
    *ret_params = p->types.n;
    if (eat(p, "->") && !parse_list(p))
        return false;
    skip_blanks(p);
    if (*p->at) {
        p->wanted = "\"->\" or the end";
        return false;
    }
    return true;
}

wag_err wagi_signature_parse(wag_agent *agent, const char *text, const wagi_type **ret_type, wag_error **reterr_error)
{
    parser p = {.text = text, .at = text};
    size_t params = 0;
    wag_err err = WAG_TYPE;
    const wagi_limits *limits = &agent->cluster->limits;
    if (!parse_signature(&p, &params)) {
        err = wagi_fail(p.no_memory
                            ? wagi_error_nomem()
                            : wagi_error_new(WAG_TYPE, "signature \"%.200s\": expected %s at offset %zu, \"%.20s\"",
                                             text, p.wanted, (size_t)(p.at - text), p.at),
                        reterr_error);
    } else if (params > limits->parameters || p.types.n - params > limits->results) {
        err = wagi_fail(wagi_error_new(WAG_TYPE, "signature: %zu parameters and %zu results are too many", params,
                                       p.types.n - params),
                        reterr_error);
    } else {
        const wagi_valtype *types = p.types.p;
        size_t results = p.types.n - params;
        err = wagi_registry_func(agent->cluster->registry, types, (uint32_t)params, results ? types + params : NULL,
                                 (uint32_t)results, ret_type);
        if (err != WAG_OK)
            wagi_fail(wagi_error_new(err, NULL), reterr_error);
    }
    WAGI_VEC_FREE(&p.types);
    return err;
}

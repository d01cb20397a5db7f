/* Import objects, inside: what wag_imports is and how it is read. Owner thread. */
#ifndef WAGI_RUNTIME_IMPORTS_H
#define WAGI_RUNTIME_IMPORTS_H

#include "runtime/agent.h"

struct wag_imports {
    wag_agent *agent;
    size_t count;
    bool is_builder;           /* wag_imports_set may be used: root is a map of ours */
    wag_imports_getter getter; /* NULL: look up in root */
    void *context;
    wag_value root;    /* own; a map of namespaces, or whatever the host gave */
    bool is_shared;    /* a map of the host's is in it, which may change without our knowing */
    wag_linked *links; /* what was read from it and would be read again (linked.c); pool.h */
};

/* getter NULL: by root. root: own, also on failure. NULL without memory. */
wag_imports *wagi_imports_new(wag_agent *agent, wag_imports_getter getter, void *context, wag_value root);
void wagi_imports_free(wag_imports *imports);
/* imports[module] = value / imports[module][field] = value. value: own. */
wag_err wagi_imports_put_namespace(wag_imports *imports, wag_name module, wag_value value);
wag_err wagi_imports_put(wag_imports *imports, wag_name module, wag_name field, wag_value value);
/* I-03: NULL, or the error that this can be no import object of any module. imports may be NULL. */
wag_error *wagi_imports_object_check(const wag_imports *imports);
/* NULL, or the error that nothing can be read for the module: agents, I-03, I-04. */
wag_error *wagi_imports_may_link(const wag_module *module, const wag_imports *imports);
/* Read one import. ret_object: one handle; ret_made: it was made for this reading. */
wag_error *wagi_imports_read_one(wag_imports *imports, const wag_module *module, uint32_t index,
                                 wagi_object **ret_object, bool *ret_made);
/* What wag_imports_check does, without the check of the agent. */
wag_err wagi_imports_check(const wag_module *module, wag_imports *imports, wag_error ***ret_errors, size_t *ret_count);

#endif

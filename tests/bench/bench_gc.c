/* The collector: allocation rate, and the longest time that one call of a worker stands still while 100 MB are live.
 * The list of 100 MB is built, then calls that allocate a little each are timed while the collector goes round behind
 * them, and the list is turned around so that stores are under way, too. */
#include <stdio.h>

#include "base/os.h"
#include "runtime/agent.h"
#include "tests/support/gc.h"
#include "waggle.h"

static uint64_t call(const wag_instance *instance, const char *name, int32_t n)
{
    wag_func *func = wag_exports_func(wag_instance_exports(instance), name);
    wag_val arg = WAG_VAL_I32(n);
    uint64_t start = wagi_clock_ns();
    if (wag_call(func, &arg, wag_func_param_count(func), NULL, 0, NULL) != WAG_OK)
        printf("%s failed\n", name);
    return wagi_clock_ns() - start;
}

int main(void)
{
    build b = gc_module();
    wag_module *module = NULL;
    wag_instance *instance = NULL;
    if (wag_module_new(build_bytes(&b), NULL, &module, NULL) != WAG_OK ||
        wag_instance_new(module, NULL, &instance, NULL) != WAG_OK)
        return 1;
    build_free(&b);
    const wagi_gc *gc = &wag_agent_current()->gc;
    printf("allocate and drop, nothing live: %.1f ns an object\n", (double)call(instance, "churn", 20000000) / 2e7);
    enum { NODES = 100 * 1000 * 1000 / 32 };
    uint64_t start = wagi_clock_ns();
    call(instance, "push", NODES);
    printf("100 MB built in %.0f ms, %llu collections so far\n", (double)(wagi_clock_ns() - start) / 1e6,
           (unsigned long long)gc->collections);
    uint64_t longest = 0, total = 0, before = gc->collections;
    uint32_t calls = 0;
    while (gc->collections < before + 5) {
        uint64_t took = call(instance, "churn", 1000);
        longest = took > longest ? took : longest;
        total += took;
        calls++;
    }
    printf("1000 objects a call, 100 MB live, 5 collections: longest call %.2f ms, mean %.3f ms, %.1f ns an object\n",
           (double)longest / 1e6, (double)total / calls / 1e6, (double)total / calls / 1e3);
    start = wagi_clock_ns();
    wag_agent_collect();
    printf("a whole collection at once: %.0f ms\n", (double)(wagi_clock_ns() - start) / 1e6);
    wag_instance_unref(instance);
    wag_module_unref(module);
    return 0;
}

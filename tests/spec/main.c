/* The runner of the official test suites.
 *
 *   spec [FOLDER] [--filter GLOB] [--tier interp|guard|checked|no-signals] [--json FILE] [--expected FOLDER]
 *        [--no-expected] [--update] [--no-fork] [--timeout SECONDS] [--verbose] [--gc-stress] [--fuel]
 *
 * no-signals: native code in clusters without signals; a script fails when the process catches any afterwards.
 * fuel: code charges fuel, of which there is plenty.
 * FOLDER and its subfolders are searched for scripts (default ../shared/spec; when that is not there, all is skipped).
 * Each script runs in a process of its own, so that a crash or a loop without end is one failure and the rest still
 * runs. The last line is "N passed, N failed, N skipped"; the exit status is 0 when nothing failed.
 */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/compile.h"
#include "tests/spec/spec.h"

static const char default_folder[] = "../shared/spec";

typedef struct options {
    const char *folder, *filter, *json, *expected;
    bool no_expected, update, no_fork, verbose, gc_stress, no_signals, fuel;
    unsigned timeout;
    wag_tier tier;
} options;

/* A script and what came of it. */
typedef struct script {
    char *path;
    const char *label; /* "core/br_if", inside path's copy */
    char *suite;       /* "core" */
} script;

typedef struct scripts {
    script *p;
    size_t n;
} scripts;

static char *text_of(const char *format, const char *a, const char *b)
{
    size_t size = strlen(format) + strlen(a) + strlen(b) + 1;
    char *text = malloc(size);
    if (!text)
        exit(2);
    snprintf(text, size, format, a, b);
    return text;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_script(scripts *list, const char *path, const char *suite, const char *file)
{
    char *label = text_of(*suite ? "%s/%s" : "%s%s", suite, file);
    label[strlen(label) - strlen(".json")] = '\0';
    list->p = realloc(list->p, (list->n + 1) * sizeof *list->p);
    if (!list->p)
        exit(2);
    list->p[list->n++] = (script){text_of("%s%s", path, ""), label, text_of("%s%s", suite, "")};
}

/* Scripts of a folder, then those of its subfolders; a folder's suite is its path from the top. */
static void find(scripts *list, const char *folder, const char *suite)
{
    struct dirent **entries;
    struct stat info;
    int count = scandir(folder, &entries, NULL, by_name);
    for (int directories = 0; directories < 2; directories++)
        for (int i = 0; i < count; i++) {
            const char *name = entries[i]->d_name;
            size_t size = strlen(name);
            char *path = text_of("%s/%s", folder, name);
            if (*name != '.' && stat(path, &info) == 0) {
                if (directories && S_ISDIR(info.st_mode)) {
                    char *inner = text_of(*suite ? "%s/%s" : "%s%s", suite, name);
                    find(list, path, inner);
                    free(inner);
                } else if (!directories && size > 5 && strcmp(name + size - 5, ".json") == 0 &&
                           strcmp(name, "summary.json") != 0) {
                    add_script(list, path, suite, name);
                }
            }
            free(path);
        }
    for (int i = 0; i < count; i++)
        free(entries[i]);
    if (count >= 0)
        free(entries);
}

/* The signals that have a handler, but for one of the C library's (33), which comes with the first thread. */
static unsigned long long caught_signals(void)
{
    unsigned long long caught = 0;
    char line[200];
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "SigCgt:", 7) == 0)
            caught = strtoull(line + 7, NULL, 16);
    if (file)
        fclose(file);
    return caught & ~(1ull << 32);
}

static void run_script(const options *o, const script *s, spec_tally *tally)
{
    json_error_t error;
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", s->path);
    *strrchr(folder, '/') = '\0';
    spec_run run = {
        .folder = folder, .label = s->label, .verbose = o->verbose, .gc_stress = o->gc_stress, .tier = o->tier};
    const char *proposal = strncmp(s->suite, "proposals/", 10) == 0 ? s->suite + 10 : "";
    wag_cluster_options options = {.custom_page_sizes = strcmp(proposal, "custom-page-sizes") == 0,
                                   .wide_arithmetic = strcmp(proposal, "wide-arithmetic") == 0,
                                   .fuel = o->fuel,
                                   .signals = o->no_signals ? WAG_SIGNALS_NONE : WAG_SIGNALS_CHAIN};
    unsigned long long caught = caught_signals();
    if (wag_cluster_new(&options, &run.cluster) != WAG_OK ||
        wag_cluster_set_limit(run.cluster, WAG_LIMIT_table_entries, UINT64_MAX) != WAG_OK ||
        wag_cluster_set_limit(run.cluster, WAG_LIMIT_memory64_pages_declared, (uint64_t)1 << 48) != WAG_OK)
        exit(2);
    run.wasm2 = strcmp(s->suite, "threads-core") == 0;
    json_t *json = json_load_file(s->path, JSON_ALLOW_NUL, &error);
    if (json_is_array(json_object_get(json, "commands"))) {
        spec_script_run(&run, json, tally);
    } else {
        tally->failed++;
        printf("%s: no script: %s\n", s->path, json ? "it has no commands" : error.text);
    }
    json_decref(json);
    wag_cluster_unref(run.cluster);
    if (o->no_signals && caught_signals() != caught) {
        tally->failed++;
        printf("%s: the process catches other signals than before\n", s->label);
    }
}

/* In a process of its own: its tally comes back through a pipe. */
static void run_forked(const options *o, const script *s, spec_tally *tally)
{
    int ends[2], status = 0;
    fflush(stdout);
    if (pipe(ends) != 0) {
        perror("spec: pipe");
        exit(2);
    }
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        alarm(o->timeout);
        run_script(o, s, tally);
        fflush(stdout);
        if (write(ends[1], tally, sizeof *tally) != (ssize_t)sizeof *tally)
            _exit(2);
        exit(0); /* and not _exit: leak checkers look at the end */
    }
    close(ends[1]);
    spec_tally got;
    bool complete = child > 0 && read(ends[0], &got, sizeof got) == (ssize_t)sizeof got;
    close(ends[0]);
    if (child > 0)
        waitpid(child, &status, 0);
    if (complete)
        *tally = got;
    if (complete && status == 0)
        return;
    tally->failed++;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        printf("%s: no end after %u s\n", s->label, o->timeout);
    else if (WIFSIGNALED(status))
        printf("%s: crashed: %s\n", s->label, strsignal(WTERMSIG(status)));
    else
        printf("%s: ended with status %d\n", s->label, WEXITSTATUS(status));
}

static void print_tally(const char *name, size_t count, const spec_tally *tally)
{
    printf("%-28s %4zu scripts  %6u passed  %4u failed  %5u skipped\n", name, count, tally->passed, tally->failed,
           tally->skipped);
    for (unsigned i = 0; i < tally->reason_count; i++)
        printf("    %6u skipped: %s%s\n", tally->reasons[i].count, tally->reasons[i].needs ? "needs " : "",
               tally->reasons[i].text);
    if (tally->swapped)
        printf("    %6u rejected as malformed instead of invalid, or the other way round (counted as passed)\n",
               tally->swapped);
    if (tally->other_text)
        printf("    %6u trapped with another text than the reference interpreter's (counted as passed)\n",
               tally->other_text);
}

static json_t *tally_json(const spec_tally *tally)
{
    json_t *reasons = json_object();
    for (unsigned i = 0; i < tally->reason_count; i++)
        json_object_set_new(reasons, tally->reasons[i].text, json_integer(tally->reasons[i].count));
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:o}", "passed", (int)tally->passed, "failed", (int)tally->failed,
                     "skipped", (int)tally->skipped, "swapped", (int)tally->swapped, "other_text",
                     (int)tally->other_text, "reasons", reasons);
}

static bool write_json(const char *path, const scripts *list, const spec_tally *tallies, const spec_tally *total)
{
    json_t *files = json_object();
    for (size_t i = 0; i < list->n; i++)
        json_object_set_new(files, list->p[i].label, tally_json(&tallies[i]));
    json_t *json = json_pack("{s:o, s:o}", "total", tally_json(total), "scripts", files);
    bool ok = json_dump_file(json, path, JSON_INDENT(1)) == 0;
    json_decref(json);
    if (!ok)
        fprintf(stderr, "spec: cannot write %s\n", path);
    return ok;
}

static bool tier_named(const char *name, wag_tier *ret_tier)
{
    static const struct {
        const char *name;
        wag_tier tier;
    } tiers[] = {{"interp", WAG_TIER_INTERP},
                 {"guard", WAG_TIER_NATIVE_GUARD},
                 {"checked", WAG_TIER_NATIVE_CHECKED},
                 {"no-signals", WAG_TIER_NATIVE}};
    for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++)
        if (strcmp(name, tiers[i].name) == 0) {
            *ret_tier = tiers[i].tier;
            return true;
        }
    return false;
}

static bool parse(options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char **text = strcmp(argv[i], "--filter") == 0     ? &o->filter
                            : strcmp(argv[i], "--json") == 0     ? &o->json
                            : strcmp(argv[i], "--expected") == 0 ? &o->expected
                                                                 : NULL;
        bool *flag = strcmp(argv[i], "--no-expected") == 0 ? &o->no_expected
                     : strcmp(argv[i], "--update") == 0    ? &o->update
                     : strcmp(argv[i], "--no-fork") == 0   ? &o->no_fork
                     : strcmp(argv[i], "--verbose") == 0   ? &o->verbose
                     : strcmp(argv[i], "--check") == 0     ? &wagi_compiler_test.check
                     : strcmp(argv[i], "--few-registers") == 0
                         ? (wagi_compiler_test.registers = 3, &wagi_compiler_test.few_registers)
                     : strcmp(argv[i], "--gc-stress") == 0 ? &o->gc_stress
                     : strcmp(argv[i], "--fuel") == 0      ? &o->fuel
                                                           : NULL;
        bool more = i + 1 < argc;
        if (flag)
            *flag = true;
        else if (text && more)
            *text = argv[++i];
        else if (strcmp(argv[i], "--hide-features") == 0 && more)
            wagi_compiler_test.hide_features = (uint32_t)strtoul(argv[++i], NULL, 16);
        else if (strcmp(argv[i], "--timeout") == 0 && more)
            o->timeout = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--tier") == 0 && more && tier_named(argv[i + 1], &o->tier))
            o->no_signals = strcmp(argv[++i], "no-signals") == 0;
        else if (argv[i][0] != '-' && !o->folder)
            o->folder = argv[i];
        else
            return false;
    }
    return true;
}

/* Run all scripts that the filter lets through; tallies has room for one each. Returns the sum. */
static spec_tally run_all(const options *o, const scripts *list, spec_expectations *expected, spec_tally *tallies)
{
    spec_tally total = {0};
    for (size_t first = 0, end; first < list->n; first = end) {
        const char *suite = list->p[first].suite;
        spec_tally sum = {0};
        for (end = first; end < list->n && strcmp(list->p[end].suite, suite) == 0; end++) {
            if (o->no_fork)
                run_script(o, &list->p[end], &tallies[end]);
            else
                run_forked(o, &list->p[end], &tallies[end]);
            if (!o->no_expected && !o->update)
                spec_expectations_check(expected, list->p[end].label, &tallies[end]);
            spec_tally_add(&sum, &tallies[end]);
        }
        if (!o->no_expected && !o->update && !o->filter)
            sum.failed += spec_expectations_unseen(expected, suite);
        print_tally(*suite ? suite : "scripts", end - first, &sum);
        spec_tally_add(&total, &sum);
    }
    return total;
}

static bool update(const options *o, const scripts *list, const spec_tally *tallies)
{
    const char **labels = calloc(list->n, sizeof *labels);
    if (!labels)
        exit(2);
    for (size_t i = 0; i < list->n; i++)
        labels[i] = list->p[i].label;
    bool ok = spec_expectations_write(o->expected, labels, tallies, list->n);
    free(labels);
    return ok;
}

static void keep_matching(scripts *list, const char *glob)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++)
        if (fnmatch(glob, list->p[i].label, 0) == 0) {
            script s = list->p[i];
            list->p[i] = list->p[kept];
            list->p[kept++] = s;
        }
    for (size_t i = kept; i < list->n; i++) {
        free(list->p[i].path);
        free((char *)list->p[i].label);
        free(list->p[i].suite);
    }
    list->n = kept;
}

int main(int argc, char **argv)
{
    options o = {.expected = "tests/spec/expected", .timeout = 120};
    struct stat info;
    if (!parse(&o, argc, argv)) {
        fprintf(
            stderr,
            "usage: spec [FOLDER] [--filter GLOB] [--tier interp|guard|checked|no-signals] [--json FILE]\n"
            "            [--expected FOLDER] [--no-expected] [--update] [--no-fork] [--timeout SECONDS] [--verbose]\n");
        return 2;
    }
    if (!o.folder && stat(default_folder, &info) != 0) {
        printf("The official test suites are absent: there is no folder %s. All of them are skipped.\n"
               "With the suites elsewhere: make spec SPEC=FOLDER (a folder made by wast2json works, too).\n"
               "0 passed, 0 failed, 1 skipped\n",
               default_folder);
        return 0;
    }
    scripts list = {0};
    find(&list, o.folder ? o.folder : default_folder, "");
    if (o.filter)
        keep_matching(&list, o.filter);
    if (list.n == 0) {
        fprintf(stderr, "spec: no scripts in %s\n", o.folder ? o.folder : default_folder);
        return 2;
    }
    spec_expectations expected = {0};
    spec_tally *tallies = calloc(list.n, sizeof *tallies);
    if (!tallies || (!o.no_expected && !o.update && !spec_expectations_load(&expected, o.expected)))
        return 2;
    spec_tally total = run_all(&o, &list, &expected, tallies);
    bool ok = total.failed == 0;
    if (o.json && !write_json(o.json, &list, tallies, &total))
        ok = false;
    if (o.update && !o.filter && !update(&o, &list, tallies))
        ok = false;
    printf("%u passed, %u failed, %u skipped\n", total.passed, total.failed, total.skipped);
    keep_matching(&list, "");
    free(list.p);
    free(expected.p);
    free(tallies);
    return ok ? 0 : 1;
}

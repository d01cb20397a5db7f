/* Options, clocks, medians, files and reports of the benchmark programs (measure.h). */
#define _POSIX_C_SOURCE 200809L
#include "measure.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name;
    wag_tier tier;
} tiers[] = {
    {"default", WAG_TIER_DEFAULT},
    {"interp", WAG_TIER_INTERP},
    {"guard", WAG_TIER_NATIVE_GUARD},
    {"checked", WAG_TIER_NATIVE_CHECKED},
};

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void must(wag_err err, wag_error *error, const char *what)
{
    if (err != WAG_OK) {
        fail("%s: %s: %s", what, wag_err_name(err), error != NULL ? wag_error_message(error) : wag_err_text(err));
    }
}

/* ---- options ---- */

options options_read(int argc, char **argv, int default_rounds)
{
    options o = {.tier_name = "default", .rounds = default_rounds, .rest = argv + 1};
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        bool known = strcmp(argument, "--tier") == 0 || strcmp(argument, "--rounds") == 0 ||
                     strcmp(argument, "--threads") == 0 || strcmp(argument, "--json") == 0;
        if (!known) {
            o.rest[o.rest_count++] = argv[i];
            continue;
        }
        if (++i == argc) {
            fail("%s needs a value", argument);
        }
        if (strcmp(argument, "--tier") == 0) {
            o.tier_name = argv[i];
        } else if (strcmp(argument, "--json") == 0) {
            o.json = argv[i];
        } else if (strcmp(argument, "--threads") == 0) {
            o.threads = (int)strtol(argv[i], NULL, 10);
        } else {
            o.rounds = (int)strtol(argv[i], NULL, 10);
        }
    }
    if (o.rounds < 1 || o.rounds > 1000) {
        fail("--rounds takes 1 to 1000");
    }
    if (o.threads < 0 || o.threads > 64) {
        fail("--threads takes 0 to 64");
    }
    for (size_t i = 0; i < sizeof tiers / sizeof tiers[0]; i++) {
        if (strcmp(tiers[i].name, o.tier_name) == 0) {
            o.tier = tiers[i].tier;
            return o;
        }
    }
    fail("there is no tier \"%s\"", o.tier_name);
}

/* ---- the machine ---- */

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double cpu_seconds(void)
{
    return seconds(CLOCK_PROCESS_CPUTIME_ID);
}

double wall_seconds(void)
{
    return seconds(CLOCK_MONOTONIC);
}

double resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    bool read = file != NULL && fscanf(file, "%*s %lu", &pages) == 1;
    if (file != NULL) {
        fclose(file);
    }
    return read ? (double)pages * (double)sysconf(_SC_PAGESIZE) : NAN;
}

double peak_resident_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss * 1024 : NAN; /* Linux: in kilobytes */
}

/* Machine code that a compiler made: executable mappings that come from no file on disk. */
double code_bytes(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    if (file == NULL) {
        return NAN;
    }
    double sum = 0;
    char line[512];
    while (fgets(line, sizeof line, file) != NULL) {
        uint64_t from, to;
        char rights[8];
        int path = 0;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %*s %n", &from, &to, rights, &path) != 3) {
            continue;
        }
        bool of_file = (line[path] == '/' && strncmp(line + path, "/memfd:", 7) != 0) || line[path] == '[';
        if (rights[2] == 'x' && !of_file) {
            sum += (double)(to - from);
        }
    }
    fclose(file);
    return sum;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

wag_bytes file_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        fail("%s cannot be opened", path);
    }
    long size = ftell(file);
    rewind(file);
    uint8_t *data = size < 0 ? NULL : malloc((size_t)size + 1);
    if (data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size) {
        fail("%s cannot be read", path);
    }
    fclose(file);
    return (wag_bytes){data, (size_t)size};
}

wag_module *module_compile(const options *o, wag_bytes bytes, wag_error **reterr_error)
{
    static wag_cluster *cluster; /* of the options' threads, for as long as the program runs */
    if (o->threads != 0 && cluster == NULL &&
        wag_cluster_new(&(wag_cluster_options){.compile_threads = (uint32_t)o->threads}, &cluster) != WAG_OK) {
        fail("out of memory");
    }
    wag_module *module = NULL;
    wag_compile_options compile = {.tier = o->tier, .cluster = cluster};
    return wag_module_new(bytes, &compile, &module, reterr_error) == WAG_OK ? module : NULL;
}

/* ---- the report ---- */

struct report {
    const options *options;
    const char *name;
    const column *columns;
    int count;
    json_t *rows;
};

/* A benchmark without memory has nothing to say. */
static json_t *need(json_t *value)
{
    if (value == NULL) {
        fail("out of memory");
    }
    return value;
}

report *report_new(const options *o, const char *name, const column *columns, int count)
{
    report *r = malloc(sizeof *r);
    if (r == NULL || count > REPORT_COLUMNS_MAX) {
        fail("no report of %d columns", count);
    }
    *r = (report){o, name, columns, count, need(json_array())};
    return r;
}

void report_row(report *r, const char *name, const double *values, const char *note)
{
    json_t *row = need(json_object());
    json_object_set_new(row, "name", need(json_string(name)));
    for (int i = 0; i < r->count; i++) {
        json_object_set_new(row, r->columns[i].name, isfinite(values[i]) ? need(json_real(values[i])) : json_null());
    }
    if (note != NULL) {
        json_object_set_new(row, "note", need(json_string(note)));
    }
    json_array_append_new(r->rows, row);
}

static int widest_name(const report *r)
{
    int widest = (int)strlen(r->name);
    size_t i;
    json_t *row;
    json_array_foreach(r->rows, i, row)
    {
        int width = (int)strlen(json_string_value(json_object_get(row, "name")));
        widest = width > widest ? width : widest;
    }
    return widest;
}

static void print_table(const report *r)
{
    int name_width = widest_name(r);
    printf("%-*s", name_width, r->name);
    for (int i = 0; i < r->count; i++) {
        printf("  %12s", r->columns[i].name);
    }
    putchar('\n');
    size_t at;
    json_t *row;
    json_array_foreach(r->rows, at, row)
    {
        printf("%-*s", name_width, json_string_value(json_object_get(row, "name")));
        for (int i = 0; i < r->count; i++) {
            json_t *value = json_object_get(row, r->columns[i].name);
            if (json_is_real(value)) {
                printf("  %12.*f", r->columns[i].decimals, json_real_value(value));
            } else {
                printf("  %12s", "-");
            }
        }
        const char *note = json_string_value(json_object_get(row, "note"));
        printf("%s%s\n", note != NULL ? "  " : "", note != NULL ? note : "");
    }
}

void report_end(report *r)
{
    const char *path = r->options->json;
    bool only_json = path != NULL && strcmp(path, "-") == 0;
    if (!only_json) {
        print_table(r);
    }
    if (path != NULL) {
        json_t *whole = need(json_pack("{ss ss ss si sO}", "benchmark", r->name, "waggle", wag_version(), "tier",
                                       r->options->tier_name, "rounds", r->options->rounds, "rows", r->rows));
        bool written = only_json ? json_dumpf(whole, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) == 0
                                 : json_dump_file(whole, path, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) == 0;
        if (!written) {
            fail("%s cannot be written", path);
        }
        if (only_json) {
            putchar('\n');
        }
        json_decref(whole);
    }
    json_decref(r->rows);
    free(r);
}

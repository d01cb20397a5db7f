/* How fast modules compile: megabytes of code section per second of CPU time (all threads), decoding and validation
 * included; validation alone; and the size of the machine code.
 *
 *   bench_compile [--tier NAME] [--rounds N] [--threads N] [--json FILE] [FILE.wasm | FOLDER ...]
 *   bench_compile [--tier NAME] [--rounds N] [--threads N] --one FILE.wasm
 *       one line for scripts: CODE_BYTES COMPILE_CPU_MS MACHINE_CODE_BYTES PEAK_BYTES; the last says by how much the
 *       first compilation raised the most memory that this process ever had resident, the bytes of the file not counted
 *
 * Without a file or folder: $(BUILD)/modules, where `make bench-modules` puts real modules from npm; when it is not
 * there, the C programs of the benchmark. Modules are compiled one after the other, round by round. A module that the
 * library refuses has the reason in its row. Code size: executable mappings that came with the module, so in whole
 * pages; "-" for a tier that makes none.
 */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

typedef struct subject {
    char *path;
    wag_bytes bytes;
    double code; /* bytes of the code section */
    double *cpu, *wall, *validate;
    double machine_code;
    wag_error *refusal;
} subject;

typedef struct subjects {
    subject *items;
    int count;
} subjects;

/* The size of the code section; the module may be anything, so every step is checked. */
static double code_section_size(wag_bytes bytes)
{
    size_t at = 8;
    while (at < bytes.size) {
        uint8_t id = bytes.data[at++];
        uint64_t size = 0;
        for (int shift = 0; at < bytes.size && shift < 35; shift += 7) {
            uint8_t byte = bytes.data[at++];
            size |= (uint64_t)(byte & 0x7f) << shift;
            if ((byte & 0x80) == 0) {
                break;
            }
        }
        if (id == 10) {
            return (double)size;
        }
        if (size > bytes.size - at) {
            break;
        }
        at += size;
    }
    return 0;
}

/* own: folder, a slash unless it is empty, and name. */
static char *joined(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (path == NULL) {
        fail("out of memory");
    }
    snprintf(path, size, "%s%s%s", folder, *folder != '\0' ? "/" : "", name);
    return path;
}

static void add_file(subjects *all, const options *o, char *path)
{
    subject *bigger = realloc(all->items, ((size_t)all->count + 1) * sizeof *bigger);
    if (bigger == NULL) {
        fail("out of memory");
    }
    all->items = bigger;
    subject *s = &all->items[all->count++];
    *s = (subject){.path = path, .bytes = file_read(path)};
    s->code = code_section_size(s->bytes);
    s->cpu = calloc((size_t)o->rounds * 3, sizeof *s->cpu);
    if (s->cpu == NULL) {
        fail("out of memory");
    }
    s->wall = s->cpu + o->rounds;
    s->validate = s->wall + o->rounds;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const subject *)a)->path, ((const subject *)b)->path);
}

/* False when it is no folder. */
static bool add_folder(subjects *all, const options *o, const char *folder)
{
    DIR *listing = opendir(folder);
    if (listing == NULL) {
        return false;
    }
    int first = all->count;
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        size_t size = strlen(entry->d_name);
        if (size > 5 && strcmp(entry->d_name + size - 5, ".wasm") == 0) {
            add_file(all, o, joined(folder, entry->d_name));
        }
    }
    closedir(listing);
    qsort(all->items + first, (size_t)(all->count - first), sizeof *all->items, compare_paths);
    return all->count > first;
}

static void compile_once(const options *o, subject *s, int round, bool validate)
{
    double code_before = code_bytes(), cpu = cpu_seconds(), wall = wall_seconds();
    wag_module *module = module_compile(o, s->bytes, &s->refusal);
    s->wall[round] = wall_seconds() - wall;
    s->cpu[round] = cpu_seconds() - cpu;
    if (module == NULL) {
        return;
    }
    s->machine_code = code_bytes() - code_before;
    wag_module_unref(module);
    if (!validate) {
        return;
    }
    cpu = cpu_seconds();
    bool valid = wag_validate(s->bytes, NULL);
    s->validate[round] = cpu_seconds() - cpu;
    if (!valid) {
        fail("%s compiles and does not validate", s->path);
    }
}

static void show(const options *o, subjects *all)
{
    static const column columns[] = {{"code kB", 0},       {"MB/s", 2},       {"cpu ms", 2},    {"wall ms", 2},
                                     {"validate MB/s", 2}, {"machine kB", 0}, {"code ratio", 2}};
    report *r = report_new(o, "compile", columns, 7);
    for (int i = 0; i < all->count; i++) {
        subject *s = &all->items[i];
        const char *slash = strrchr(s->path, '/');
        double values[] = {s->code / 1e3, NAN, NAN, NAN, NAN, NAN, NAN};
        if (s->refusal == NULL) {
            double cpu = median(s->cpu, o->rounds);
            values[1] = s->code / cpu / 1e6;
            values[2] = cpu * 1e3;
            values[3] = median(s->wall, o->rounds) * 1e3;
            values[4] = s->code / median(s->validate, o->rounds) / 1e6;
            if (s->machine_code > 0) {
                values[5] = s->machine_code / 1e3;
                values[6] = s->machine_code / s->code;
            }
        }
        report_row(r, slash != NULL ? slash + 1 : s->path, values,
                   s->refusal != NULL ? wag_error_message(s->refusal) : NULL);
    }
    report_end(r);
}

/* For peers.sh, modules.sh and instructions.sh: nothing but compiling in the rounds. */
static void one_line(const options *o, subject *s)
{
    double peak = peak_resident_bytes();
    for (int round = 0; round < o->rounds; round++) {
        compile_once(o, s, round, false);
        if (round == 0) {
            peak = peak_resident_bytes() - peak;
        }
        if (s->refusal != NULL) {
            fail("%s: %s", s->path, wag_error_message(s->refusal));
        }
    }
    printf("%.0f %.3f %.0f %.0f\n", s->code, median(s->cpu, o->rounds) * 1e3, s->machine_code, peak);
}

int main(int argc, char **argv)
{
    options o = options_read(argc, argv, 5);
    bool one = o.rest_count == 2 && strcmp(o.rest[0], "--one") == 0;
    subjects all = {NULL, 0};
    for (int i = one ? 1 : 0; i < o.rest_count; i++) {
        if (!add_folder(&all, &o, o.rest[i])) {
            add_file(&all, &o, joined("", o.rest[i]));
        }
    }
    if (o.rest_count == 0 && !add_folder(&all, &o, WAG_TEST_BUILD "/modules")) {
        fputs("no " WAG_TEST_BUILD "/modules (make bench-modules fetches real ones): the benchmark's own C programs\n",
              stderr);
        add_folder(&all, &o, WAG_TEST_BUILD "/tests/bench/programs");
    }
    if (all.count == 0) {
        fail("there is no module to compile");
    }
    if (one) {
        one_line(&o, &all.items[0]);
    } else {
        for (int round = 0; round < o.rounds; round++) {
            for (int i = 0; i < all.count; i++) {
                if (all.items[i].refusal == NULL) {
                    compile_once(&o, &all.items[i], round, true);
                }
            }
        }
        show(&o, &all);
    }
    for (int i = 0; i < all.count; i++) {
        wag_error_unref(all.items[i].refusal);
        free(all.items[i].cpu);
        free((void *)all.items[i].bytes.data);
        free(all.items[i].path);
    }
    free(all.items);
    return 0;
}

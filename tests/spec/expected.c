/* The lists of scripts that need a feature which cannot run yet: tests/spec/expected/FEATURE.txt, a line each:
 *     suite/script passed skipped
 * A script that needs more than one feature is in each list. They hold in both directions: a script that needs
 * something and is not listed fails, as does a listed one that needs nothing any more. `spec --update` writes them
 * anew.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/spec/spec.h"

static bool load_list(spec_expectations *list, const char *path, const char *feature)
{
    char line[256];
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    while (fgets(line, sizeof line, file)) {
        spec_expected entry = {.seen = false};
        if (*line == '#' || *line == '\n')
            continue;
        if (sscanf(line, "%95s %u %u", entry.label, &entry.passed, &entry.skipped) != 3) {
            fclose(file);
            return false;
        }
        snprintf(entry.feature, sizeof entry.feature, "%s", feature);
        list->p = realloc(list->p, (list->n + 1) * sizeof *list->p);
        if (!list->p)
            exit(2);
        list->p[list->n++] = entry;
    }
    fclose(file);
    return true;
}

/* The length of NAME in "NAME.txt"; 0 for other files. */
static size_t list_name(const char *file)
{
    size_t size = strlen(file);
    return size > 4 && strcmp(file + size - 4, ".txt") == 0 ? size - 4 : 0;
}

bool spec_expectations_load(spec_expectations *list, const char *folder)
{
    char path[4096], feature[SPEC_REASON_TEXT];
    DIR *dir = opendir(folder);
    bool ok = dir != NULL || errno == ENOENT; /* no folder: nothing may be missing */
    for (struct dirent *entry; dir && ok && (entry = readdir(dir)) != NULL;) {
        if (list_name(entry->d_name) == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        snprintf(feature, sizeof feature, "%.*s", (int)list_name(entry->d_name), entry->d_name);
        ok = load_list(list, path, feature);
        if (!ok)
            fprintf(stderr, "spec: cannot read %s\n", path);
    }
    if (dir)
        closedir(dir);
    else if (!ok)
        fprintf(stderr, "spec: cannot read the folder %s\n", folder);
    return ok;
}

static bool tally_needs(const spec_tally *tally, const char *feature)
{
    for (unsigned i = 0; i < tally->reason_count; i++)
        if (tally->reasons[i].needs && strcmp(tally->reasons[i].text, feature) == 0)
            return true;
    return false;
}

void spec_expectations_check(spec_expectations *list, const char *label, spec_tally *tally)
{
    unsigned failed_before = tally->failed;
    for (unsigned r = 0; r < tally->reason_count; r++) {
        bool listed = !tally->reasons[r].needs;
        for (size_t i = 0; i < list->n && !listed; i++)
            listed = strcmp(list->p[i].label, label) == 0 && strcmp(list->p[i].feature, tally->reasons[r].text) == 0;
        if (!listed) {
            tally->failed++;
            printf("%s: needs %s and is not in that list of tests/spec/expected\n", label, tally->reasons[r].text);
        }
    }
    for (size_t i = 0; i < list->n; i++) {
        spec_expected *line = &list->p[i];
        if (strcmp(line->label, label) != 0)
            continue;
        line->seen = true;
        if (!tally_needs(tally, line->feature)) {
            tally->failed++;
            printf("%s: does not need %s any more: remove it from tests/spec/expected/%s.txt\n", label, line->feature,
                   line->feature);
        } else if (failed_before == 0 && (line->passed != tally->passed || line->skipped != tally->skipped)) {
            tally->failed++;
            printf("%s: %u passed, %u skipped; tests/spec/expected/%s.txt says %u and %u\n", label, tally->passed,
                   tally->skipped, line->feature, line->passed, line->skipped);
        }
    }
}

unsigned spec_expectations_unseen(const spec_expectations *list, const char *suite)
{
    unsigned unseen = 0;
    size_t size = strlen(suite);
    for (size_t i = 0; i < list->n; i++) {
        const char *label = list->p[i].label;
        if (list->p[i].seen || strncmp(label, suite, size) != 0 || label[size] != '/' || strchr(label + size + 1, '/'))
            continue;
        unseen++;
        printf("%s: is in tests/spec/expected/%s.txt and does not exist\n", label, list->p[i].feature);
    }
    return unseen;
}

static void remove_lists(const char *folder)
{
    char path[4096];
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;)
        if (list_name(entry->d_name) != 0) {
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            remove(path);
        }
    if (dir)
        closedir(dir);
}

bool spec_expectations_write(const char *folder, const char *const *labels, const spec_tally *tallies, size_t count)
{
    char path[4096];
    remove_lists(folder);
    for (size_t i = 0; i < count; i++)
        for (unsigned r = 0; r < tallies[i].reason_count; r++) {
            const spec_reason *reason = &tallies[i].reasons[r];
            if (!reason->needs)
                continue;
            snprintf(path, sizeof path, "%s/%s.txt", folder, reason->text);
            FILE *file = fopen(path, "a");
            if (!file)
                return false;
            if (ftell(file) == 0)
                fprintf(file, "# Scripts that need %s: passed, skipped. Written by `spec --update`.\n", reason->text);
            fprintf(file, "%s %u %u\n", labels[i], tallies[i].passed, tallies[i].skipped);
            if (fclose(file) != 0)
                return false;
        }
    return true;
}

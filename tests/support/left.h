/* What a process has open: descriptors and threads, to see that nothing is left over. */
#ifndef TESTS_SUPPORT_LEFT_H
#define TESTS_SUPPORT_LEFT_H

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Entries of a folder of /proc that count; 0 when there is none. */
static inline long count_entries(const char *path, int (*counts)(const char *path, const char *name))
{
    long count = 0;
    DIR *folder = opendir(path);
    for (const struct dirent *entry; folder && (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.' && counts(path, entry->d_name);
    if (folder)
        closedir(folder);
    return count;
}

/* Not /proc/self/pagemap, which the process keeps open. */
static inline int is_own_descriptor(const char *path, const char *name)
{
    char link[300], target[64] = "";
    snprintf(link, sizeof link, "%s/%s", path, name);
    ssize_t size = readlink(link, target, sizeof target - 1);
    return size < 8 || strcmp(target + size - 8, "/pagemap") != 0;
}

/* pthread_join returns while the kernel still lists the thread; but PF_EXITING is set before it is woken. */
static inline int is_not_exiting(const char *path, const char *name)
{
    enum { PF_EXITING = 4 };
    char file[300], text[512] = "";
    snprintf(file, sizeof file, "%s/%s/stat", path, name);
    FILE *stat = fopen(file, "r");
    if (!stat)
        return 0;
    size_t size = fread(text, 1, sizeof text - 1, stat);
    fclose(stat);
    text[size] = 0;
    unsigned flags = 0;
    const char *behind_name = strrchr(text, ')'); /* which may have any character in it */
    /* state ppid pgrp session tty_nr tpgid flags */
    return behind_name && sscanf(behind_name + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && !(flags & PF_EXITING);
}

static inline long count_descriptors(void)
{
    return count_entries("/proc/self/fd", is_own_descriptor);
}

static inline long count_threads(void)
{
    return count_entries("/proc/self/task", is_not_exiting);
}

#endif

/* SPDX-License-Identifier: ISC */
#include "sim/trace/read.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sim/world/pool.h"

#define LINE_MAX_BYTES ((size_t) 64 << 10)

static int complain(const char *path, const char *what)
{
    fprintf(stderr, "nixie trace: %s: %s\n", path, what);
    return -1;
}

/* Lines that are too long are counted as skipped. */
static void read_lines(struct history *history, FILE *from)
{
    char *line = must_alloc(LINE_MAX_BYTES);
    size_t used = 0;
    bool too_long = false;
    int c;

    while ((c = getc(from)) != EOF) {
        if (c == '\n') {
            if (too_long)
                history_skip(history);
            else
                history_line(history, line, used);
            used = 0;
            too_long = false;
        } else if (used == LINE_MAX_BYTES) {
            too_long = true;
        } else {
            line[used++] = (char) c;
        }
    }
    if (too_long)
        history_skip(history);
    else if (used)
        history_line(history, line, used);
    free(line);
}

static int read_stream(struct history *history, FILE *from, const char *path)
{
    read_lines(history, from);
    return ferror(from) ? complain(path, strerror(errno)) : 0;
}

static int read_file(struct history *history, const char *path)
{
    FILE *from = fopen(path, "r");

    if (!from)
        return complain(path, strerror(errno));
    int result = read_stream(history, from, path);

    fclose(from);
    return result;
}

static int is_log(const struct dirent *entry)
{
    return entry->d_name[0] == '@' || strcmp(entry->d_name, "current") == 0;
}

/* `@` comes before letters, and names by TAI64N are in order of time. */
static int in_order(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_directory(struct history *history, const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_log, in_order), result = 0;

    if (count < 0)
        return complain(path, strerror(errno));
    for (int i = 0; i < count; i++) {
        size_t size = strlen(path) + strlen(entries[i]->d_name) + 2;
        char *name = must_alloc(size);

        snprintf(name, size, "%s/%s", path, entries[i]->d_name);
        if (read_file(history, name) < 0)
            result = -1;
        free(name);
        free(entries[i]);
    }
    free(entries);
    return count ? result : complain(path, "there is neither `current` nor a file `@...` in it");
}

int read_log(struct history *history, const char *path)
{
    struct stat st;

    if (strcmp(path, "-") == 0)
        return read_stream(history, stdin, "standard input");
    if (stat(path, &st) < 0)
        return complain(path, strerror(errno));
    return S_ISDIR(st.st_mode) ? read_directory(history, path) : read_file(history, path);
}
